/* SPDX-License-Identifier: Apache-2.0 */
/* train.c - slmt train: any training task of any method, with its options and settings. The run is in
 * training.c.
 */
#include "train.h"

#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "pairs.h"
#include "tool.h"

static const field fields[] = {
    {"task", "NAME", "task to train; may be left out if only one task of the method takes these options",
     FIELD_TEXT, FILES(task)},
    {"data", "FILE", "training set", FIELD_TEXT, FILES(data), .flags = FIELD_REQUIRED | FIELD_INPUT},
    {"out", "FILE", "checkpoint to write", FIELD_TEXT, FILES(out), .flags = FIELD_REQUIRED | FIELD_OUTPUT,
     .endings = ".h5 .hdf5", .magic = MAGIC_CHECKPOINT},
    {"model", "FILE", "checkpoint whose model to start from, instead of a fresh one", FIELD_TEXT,
     FILES(model), .flags = FIELD_INPUT},
    {"teacher", "FILE",
     "model to learn from besides the set; a new model with its method and options is trained", FIELD_TEXT,
     FILES(teacher), .flags = FIELD_INPUT},
    {"judge", "FILE",
     "model of another method that this one carries, such as a vgg19 for seq2seq's perceptual term",
     FIELD_TEXT, FILES(judge), .flags = FIELD_INPUT},
    {"source", "NAME", "contrast to start from, for tasks that take one", FIELD_TEXT, FILES(source)},
    {"target", "NAME", "contrast to make, for tasks that take one", FIELD_TEXT, FILES(target)},
    {"resume", "FILE", "go on from a checkpoint, with its options, settings and contrasts", FIELD_TEXT,
     FILES(resume), .flags = FIELD_INPUT | FIELD_INPLACE},
    RUN_OPTIONS,
    {0}};

static const char doc[] =
    "Train a model of the method METHOD, which is one of those that `slmt methods' lists. All options of the "
    "method, which fix the network, and all settings of its tasks, which steer the training, are options of "
    "this command: `slmt train METHOD --help' lists them. With --model or --resume METHOD can be left out. "
    "The first ctrl-C ends the run after the current step and saves the checkpoint, the second ends it at "
    "once.";

int command_train(int argc, char **argv)
{
    static const train_form form = {.doc = doc, .fields = fields};
    return train_command(&form, argc, argv);
}

/* ---- the groups of options ---- */

enum { MOST_TASKS = 16, MOST_GROUPS = MOST_TASKS + 8 };

typedef struct train_groups {
    option_group rows[MOST_GROUPS];
    size_t count;
    field *made[MOST_GROUPS]; /* by number_fields() */
    char *titles[MOST_GROUPS];
    size_t made_count, title_count;
} train_groups;

static void add_group(train_groups *g, const char *title, const field *fields_, void *target)
{
    g->rows[g->count++] = (option_group){title, fields_, target};
}

static void add_numbers(train_groups *g, char *title, number_owner owner, void *target)
{
    g->titles[g->title_count++] = title;
    g->made[g->made_count] = number_fields(owner);
    add_group(g, title, g->made[g->made_count++], target);
}

/* The settings of `task`, or of every training task if it is NULL or none of them. */
static void add_tasks(train_groups *g, const char *method, const char *task, void *target)
{
    slmt_task_info info;
    bool all = !task || !task_find(method, task, &info) || !info.trains;
    for (size_t i = 0; task_at(method, i, &info) && g->made_count < MOST_TASKS; i++)
        if (info.trains && (all || strcmp(info.name, task) == 0))
            add_numbers(g, must_format("Settings of %s:", info.name), (number_owner){method, info.name},
                        target);
}

static void free_groups(train_groups *g)
{
    for (size_t i = 0; i < g->made_count; i++)
        number_fields_free(g->made[i]);
    for (size_t i = 0; i < g->title_count; i++)
        free(g->titles[i]);
}

/* ---- what stands on the line before it is parsed ---- */

/* The word after --NAME, or behind its "="; NULL: it is not on the line. */
static const char *value_on_line(int argc, char **argv, const char *name)
{
    size_t length = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0 || strncmp(argv[i] + 2, name, length) != 0)
            continue;
        if (argv[i][2 + length] == '=')
            return argv[i] + 3 + length;
        if (!argv[i][2 + length] && i + 1 < argc)
            return argv[i + 1];
    }
    return NULL;
}

/* The first word that is neither an option nor the value of one. */
static const char *argument_on_line(int argc, char **argv)
{
    bool value = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && !value)
            return argv[i];
        value = strncmp(argv[i], "--", 2) == 0 && !strchr(argv[i], '=') && strcmp(argv[i], "--quiet") != 0 &&
                strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "--usage") != 0;
    }
    return NULL;
}

/* ---- the command ---- */

static int check(const command_line *line, const training_options *o, const train_form *form)
{
    const training_files *f = &o->files;
    const char *settings = options_given(line, &o->settings_given, NULL);
    if (!settings)
        settings = options_given(line, &o->common, "seed");
    if (!f->method && !f->model && !f->teacher && !f->resume)
        return fail_with(EXIT_USAGE, "METHOD is needed, or --model, or --resume; see slmt methods");
    if (form->pairs && !f->resume && !(f->source && f->target))
        return fail_with(EXIT_USAGE,
                         "--source and --target are needed: the contrast to start from, and the one to make; "
                         "`slmt info %s' lists those of the set",
                         f->data);
    if (f->target && !f->source)
        return fail_with(EXIT_USAGE, "--target: --source is needed with it");
    if (pairs_differ(f->source, f->target) != EXIT_OK)
        return EXIT_USAGE;
    if (f->judge && f->resume)
        return fail_with(EXIT_USAGE, "--judge cannot be used with --resume: the checkpoint has its own");
    return training_check(o, options_given(line, &o->options_given, NULL), settings);
}

/* What was given of options and settings, before any file is opened. */
static int check_numbers(const training_options *o)
{
    const char *method = o->files.method, *task = o->files.task;
    slmt_task_info info;
    number_list list = {0};
    int code = EXIT_OK;
    if (method)
        code = number_list_add(&list, (number_owner){method, NULL}, o->line, &o->options_given);
    if (method && !task)
        task = only_training_task(method, o->files.teacher != NULL);
    if (code == EXIT_OK && method && task && task_find(method, task, &info))
        code = number_list_add(&list, (number_owner){method, task}, o->line, &o->settings_given);
    number_list_free(&list);
    return code;
}

static void fill_groups(train_groups *g, const train_form *form, training_options *o)
{
    const char *method = o->files.method;
    add_group(g, "Files and run:", form->fields, &o->files);
    if (method)
        add_tasks(g, method, o->files.task, &o->settings_given);
    if (method)
        add_numbers(g, must_format("Options of %s:", method), (number_owner){method, NULL},
                    &o->options_given);
    add_group(g, "Common:", common_fields, &o->common);
    add_group(g, "", arithmetic_fields, &o->common);
    add_group(g, "", log_fields, &o->common);
    add_group(g, "", report_fields, &o->report);
    add_group(g, "", seed_fields, &o->common);
}

int train_command(const train_form *form, int argc, char **argv)
{
    slmt_method_info info;
    train_groups groups = {0};
    training_options o = {.files.checkpoint_every = 1, .command = argv[0]};
    o.files.method = form->method ? form->method : argument_on_line(argc, argv);
    o.files.task = form->task ? form->task : value_on_line(argc, argv, "task");
    if (o.files.method && !method_find(o.files.method, &info) && !options_described())
        return no_such_method(o.files.method);
    fill_groups(&groups, form, &o);
    command_line line = {.doc = form->doc,
                         .arguments = form->method ? NULL : "METHOD",
                         .most_arguments = form->method ? 0 : 1,
                         .groups = groups.rows};
    options_parse(&line, argc, argv);
    o.line = &line;
    int code = check_numbers(&o);
    if (code == EXIT_OK)
        code = check(&line, &o, form);
    if (code == EXIT_OK)
        code = training_run(&o);
    free_groups(&groups);
    options_free(&line);
    return code;
}
