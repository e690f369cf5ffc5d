/* SPDX-License-Identifier: Apache-2.0 */
/* training_open.c - what a training starts from: set, model, task, settings and contrasts, from the line or
 * from the checkpoint that it goes on from. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "must.h"
#include "pairs.h"
#include "paths.h"
#include "tool.h"
#include "training_parts.h"

/* ---- the method and its task ---- */

/* `file` has a model of another method than the command was given. */
static int other_method(const training *t, const char *file)
{
    return fail_with(EXIT_USAGE, "%s: is a model of %s, not of %s", file, t->method,
                     t->options->files.method);
}

static int find_task(training *t)
{
    const char *asked = t->options->files.task
                            ? t->options->files.task
                            : only_training_task(t->method, t->options->files.teacher != NULL);
    char *names = task_names(t->method, true);
    int code = EXIT_USAGE;
    slmt_task_info info;
    if (asked && task_find(t->method, asked, &info) && info.trains) {
        t->task = info.name;
        code = EXIT_OK;
    } else if (!*names) {
        fail_with(code, "%s has no task that trains", t->method);
    } else if (!t->options->files.task) {
        fail_with(code, "--task is needed: %s trains %s", t->method, names);
    } else {
        fail_with(code, "%s has no training task '%s'; it has %s", t->method, asked, names);
    }
    free(names);
    return code;
}

/* ---- the model card ---- */

slmt_status training_append_card(slmt_model *model, const char *key, const char *text)
{
    const char *old = slmt_model_card(model, key);
    char *both = must_format("%s%s%s", old, *old ? "\n" : "", text);
    slmt_status status = slmt_model_set_card(model, key, both);
    free(both);
    return status;
}

static char *training_text(const training *t)
{
    char *settings = number_list_text(&t->settings, (number_owner){t->method, t->task});
    char *text = must_format("%s: %s, seed %" PRIu64, t->task, settings, t->options->common.seed);
    free(settings);
    return text;
}

static char *data_text(const training *t)
{
    char *contrasts = t->target ? must_format("%s to %s", t->source, t->target)
                                : must_copy(t->source ? t->source : "all contrasts");
    char *samples = training_samples(t);
    char *text =
        must_format("%s: %s, %s, %s", t->task, file_name(t->options->files.data), samples, contrasts);
    free(contrasts);
    free(samples);
    return text;
}

/* Card field of a task that was given one contrast: a name, or unset for all. slmt_trainer_run() sets it. */
static char *contrast_key(const training *t)
{
    return must_format("%s_contrast", t->task);
}

static slmt_status append_data(const training *t, slmt_model *model)
{
    char *data = data_text(t);
    slmt_status status = training_append_card(model, "data", data);
    free(data);
    return status;
}

static slmt_status fill_card(const training *t, slmt_model *model)
{
    char *training = training_text(t);
    slmt_status status = training_append_card(model, "training", training);
    free(training);
    if (status == SLMT_OK)
        status = append_data(t, model);
    if (status == SLMT_OK && !*slmt_model_card(model, "intended_use"))
        status = slmt_model_set_card(model, "intended_use", "Research. Not for diagnosis.");
    return status;
}

/* ---- the trainer, new or resumed ---- */

static int check_contrasts(const training *t)
{
    const training_options *o = t->options;
    const char *const asked[] = {o->files.source, o->files.target};
    const char *const kept[] = {t->source, t->target};
    for (size_t i = 0; i < 2; i++)
        if (asked[i] && (!kept[i] || strcmp(asked[i], kept[i]) != 0))
            return fail_with(EXIT_USAGE, "%s: was trained on %s, not %s", o->files.resume,
                             kept[i] ? kept[i] : "all contrasts", asked[i]);
    return EXIT_OK;
}

static char *card_copy(const slmt_model *model, const char *key)
{
    const char *text = slmt_model_card(model, key);
    return *text ? must_copy(text) : NULL;
}

/* The contrasts that a resumed run was given, as slmt_trainer_run() kept them. */
static void read_contrasts(training *t, const slmt_model *model)
{
    slmt_port_info target;
    if (input_for(t->method, t->task, SLMT_ROLE_TARGET, &target)) {
        t->source = card_copy(model, "source_contrast");
        t->target = card_copy(model, "target_contrast");
    } else {
        char *key = contrast_key(t);
        t->source = card_copy(model, key);
        free(key);
    }
}

static int resume_trainer(training *t)
{
    const training_files *f = &t->options->files;
    slmt_status status = slmt_trainer_load(t->context, f->resume, &t->trainer);
    if (status != SLMT_OK)
        return fail(status, "%s", f->resume);
    const slmt_model *model = slmt_trainer_model(t->trainer);
    t->method = slmt_model_method(model);
    t->task = slmt_trainer_task(t->trainer);
    if (f->method && strcmp(f->method, t->method) != 0)
        return other_method(t, f->resume);
    if (f->task && strcmp(f->task, t->task) != 0)
        return fail_with(EXIT_USAGE, "%s: is a checkpoint of %s, not of %s", f->resume, t->task, f->task);
    read_contrasts(t, model);
    return check_contrasts(t);
}

/* A model whose own training was to go on. */
static int warn_of_stopped(training *t, const char *file)
{
    slmt_checkpoint_info info = {.struct_size = sizeof info};
    slmt_status status = slmt_checkpoint_describe(t->context, file, &info);
    if (status != SLMT_OK)
        return fail(status, "%s", file);
    if (info.step >= info.total_steps)
        return EXIT_OK;
    return warn("%s: its task %s was stopped after step %" PRIu64 " of %" PRIu64
                "; it goes on with `slmt train --resume %s'",
                file, info.task, info.step, info.total_steps, file);
}

/* Slices that a set gives are as wide as the model's. */
static int check_side(const training *t, const char *file, const slmt_model *model)
{
    slmt_preprocess p = {.struct_size = sizeof p};
    slmt_number_info side;
    double pixels = 0;
    if (!slmt_dataset_contrast_count(t->dataset) ||
        !number_for((number_owner){t->method, NULL}, SLMT_ROLE_SIDE, &side) ||
        slmt_dataset_get_preprocess(t->dataset, &p) != SLMT_OK ||
        slmt_model_option(model, side.name, &pixels) != SLMT_OK || (int32_t)pixels == p.image_size)
        return EXIT_OK;
    return fail_with(
        EXIT_USAGE,
        "%s: its slices are %d pixels wide, the model of %s takes %d: `slmt prepare --image-size "
        "%d' makes a set for it",
        t->options->files.data, (int)p.image_size, file, (int)pixels, (int)pixels);
}

static int load_model(training *t, slmt_model **model)
{
    const training_files *f = &t->options->files;
    slmt_status status = slmt_model_load(t->context, f->model, model);
    if (status != SLMT_OK)
        return fail(status, "%s", f->model);
    t->method = slmt_model_method(*model);
    if (f->method && strcmp(f->method, t->method) != 0)
        return other_method(t, f->model);
    int code = check_side(t, f->model, *model);
    return code == EXIT_OK ? warn_of_stopped(t, f->model) : code;
}

/* Without an option of its own the image size is the set's. */
static int take_side(const training *t, number_list *options)
{
    slmt_preprocess p = {.struct_size = sizeof p};
    slmt_number_info side;
    if (!slmt_dataset_contrast_count(t->dataset) ||
        !number_for((number_owner){t->method, NULL}, SLMT_ROLE_SIDE, &side) ||
        slmt_dataset_get_preprocess(t->dataset, &p) != SLMT_OK)
        return EXIT_OK;
    double given = p.image_size;
    number_list_default(options, side.name, &given);
    if ((int32_t)given == p.image_size)
        return EXIT_OK;
    return fail_with(EXIT_USAGE, "--image-size %d: the slices of %s are %d pixels wide", (int)given,
                     t->options->files.data, (int)p.image_size);
}

/* A number_reader over a model's options. */
static bool option_of_model(const void *model, const char *name, double *value, const char **text)
{
    return value ? slmt_model_option(model, name, value) == SLMT_OK
                 : (*text = slmt_model_option_text(model, name)) != NULL;
}

static int make_model(training *t, slmt_model **model)
{
    const training_options *o = t->options;
    number_list options = {0};
    int code = number_list_add(&options, (number_owner){t->method, NULL}, o->line, &o->options_given);
    if (code == EXIT_OK && t->teacher)
        number_list_read(&options, (number_owner){t->method, NULL}, option_of_model, t->teacher);
    else if (code == EXIT_OK)
        code = take_side(t, &options);
    if (code == EXIT_OK) {
        slmt_status status =
            slmt_model_create(t->context, t->method, options.items, options.count, o->common.seed, model);
        code = status == SLMT_OK ? EXIT_OK : fail(status, "model");
    }
    number_list_free(&options);
    return code;
}

/* Loads the model or makes it, when method, task and settings are known to be right. */
static int start_model(training *t, slmt_model **model)
{
    const training_files *f = &t->options->files;
    slmt_method_info info;
    int code = EXIT_OK;
    if (f->method && !method_find(f->method, &info))
        return no_such_method(f->method);
    if (f->model)
        code = load_model(t, model);
    else if (t->teacher)
        t->method = slmt_model_method(t->teacher);
    else
        t->method = info.name;
    if (code == EXIT_OK)
        code = find_task(t);
    if (code == EXIT_OK)
        code = number_list_add(&t->settings, (number_owner){t->method, t->task}, t->options->line,
                               &t->options->settings_given);
    return code == EXIT_OK && !f->model ? make_model(t, model) : code;
}

/* Memory is said before it is taken. */
static int make_trainer(training *t, slmt_model *model)
{
    uint64_t bytes = 0;
    const number_list *settings = &t->settings;
    if (slmt_trainer_memory(model, t->task, settings->items, settings->count, &bytes) == SLMT_OK)
        say("training takes %" PRIu64 " MiB besides the model", bytes >> 20);
    slmt_status status = slmt_trainer_create(model, t->task, settings->items, settings->count,
                                             t->options->common.seed, &t->trainer);
    if ((status == SLMT_ERR_MEMORY || status == SLMT_ERR_LIMIT) && bytes > 0)
        return fail(status, "trainer of %" PRIu64 " MiB (a smaller --batch takes less)", bytes >> 20);
    return status == SLMT_OK ? EXIT_OK : fail(status, "trainer");
}

static int new_trainer(training *t)
{
    const training_files *f = &t->options->files;
    slmt_model *model = NULL;
    int code = start_model(t, &model);
    if (code == EXIT_OK && f->judge)
        code = judge_copy(t->context, f->judge, model);
    if (code == EXIT_OK)
        code = make_trainer(t, model);
    slmt_model_free(model); /* the trainer keeps it */
    t->source = f->source ? must_copy(f->source) : NULL;
    t->target = f->target ? must_copy(f->target) : NULL;
    return code;
}

/* ---- the run ---- */

static int describe_run(training *t)
{
    t->run.struct_size = sizeof t->run;
    slmt_status status = slmt_trainer_describe_run(t->trainer, t->dataset, t->source, t->target, &t->run);
    if (status == SLMT_OK && !t->options->common.quiet)
        status = slmt_trainer_time_step(t->trainer, &t->step_seconds);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", t->options->files.data);
}

/* The card of a run that goes on has its lines; another set adds one. slmt_trainer_run() adds what the set
 * was. */
static int describe_model(const training *t)
{
    slmt_model *model = slmt_trainer_model(t->trainer);
    slmt_status status = SLMT_OK;
    if (!t->options->files.resume)
        status = fill_card(t, model);
    else if (t->run.is_other_set)
        status = append_data(t, model);
    return status == SLMT_OK ? EXIT_OK : fail(status, "model card");
}

static int open_profile(training *t)
{
    slmt_status status = report_open(&t->options->report, t->context, &t->profile);
    if (status == SLMT_OK)
        status = slmt_trainer_set_profile(t->trainer, t->profile);
    return status == SLMT_OK ? EXIT_OK : fail(status, "profile");
}

int training_open(training *t)
{
    const training_options *o = t->options;
    int code = common_context(&o->common, &t->context);
    if (code != EXIT_OK)
        return code;
    say("%s", slmt_context_describe(t->context));
    slmt_status status = slmt_dataset_open(t->context, o->files.data, &t->dataset);
    if (status != SLMT_OK)
        return fail(status, "%s", o->files.data);
    if (!o->files.resume && o->files.source && o->files.target)
        code = pairs_check(t->dataset, o->files.data, o->files.source, o->files.target);
    if (code == EXIT_OK)
        code = teacher_load(t);
    if (code == EXIT_OK)
        code = o->files.resume ? resume_trainer(t) : new_trainer(t);
    if (code == EXIT_OK)
        code = teacher_attach(t);
    if (code == EXIT_OK)
        code = describe_run(t);
    if (code == EXIT_OK)
        code = describe_model(t);
    if (code == EXIT_OK)
        code = open_profile(t);
    if (code == EXIT_OK)
        code = journal_open(&t->log, o->common.log, o->files.resume != NULL);
    if (code == EXIT_OK)
        log_computer(&t->log, t->context, &o->common);
    return code;
}
