/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the command become NAME=VALUE: those that were given, so that the method's defaults hold for the
 * others, and all sizes where a preset was. */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "settings.h"
#include "tool.h"

typedef struct stage_options {
    training_options training;
    slmt_model_options sizes;
    slmt_trainer_config config;
} stage_options;

/* The library's names are joined by '_'. */
static char *library_name(const char *name)
{
    char *copy = must_copy(name);
    for (char *c = copy; *c; c++)
        if (*c == '-')
            *c = '_';
    return copy;
}

/* A list of numbers is as many options, NAME_0, NAME_1, ... */
static void add_field(text_list *list, const field *f, const char *value)
{
    char *name = library_name(f->name);
    if (f->type != FIELD_LIST) {
        text_list_add(list, must_format("%s=%s", name, value));
    } else {
        for (int32_t i = 0; i < f->count; i++) {
            size_t length = strcspn(value, ",");
            text_list_add(list, must_format("%s_%d=%.*s", name, (int)i, (int)length, value));
            value += length + (value[length] == ',');
        }
    }
    free(name);
}

static void add_given(text_list *list, const command_line *line, const void *target)
{
    for (size_t i = 0; i < line->given_count; i++)
        if (line->given[i].target == target && line->given[i].field->type != FIELD_CUSTOM)
            add_field(list, line->given[i].field, line->given[i].text);
}

static void add_all(text_list *list, const field *fields, const void *target)
{
    for (const field *f = fields; f->name; f++) {
        char value[128];
        field_format(f, target, value, sizeof value);
        add_field(list, f, value);
    }
}

static int check(const command_line *line, const stage_options *o, int32_t stage)
{
    const training_files *f = &o->training.files;
    const char *settings = options_given(line, &o->config, NULL);
    if (!settings)
        settings = options_given(line, &o->training.common, "seed");
    int code = training_check(&o->training, options_given(line, &o->sizes, NULL), settings);
    if (code == EXIT_OK && stage == SLMT_STAGE_FINETUNE && !f->resume && !(f->source && f->target))
        code = fail_with(EXIT_USAGE, "--source and --target are needed");
    return code;
}

int stage_command(int32_t stage, const char *doc, const field *fields, int argc, char **argv)
{
    stage_options o = {.training.files = {.task = stage_name(stage), .checkpoint_every = 1}};
    training_options *t = &o.training;
    slmt_model_options_init(&o.sizes, SLMT_PRESET_BASE);
    slmt_trainer_config_init(&o.config, stage);
    const option_group groups[] = {
        {"Files and run:", fields, &t->files}, {"Training:", trainer_fields, &o.config},
        {"", stage_fields(stage), &o.config},  {"Sizes of the network:", preset_fields, &o.sizes},
        {"", size_fields, &o.sizes},           {"Common:", common_fields, &t->common},
        {"", log_fields, &t->common},          {"", report_fields, &t->report},
        {"", seed_fields, &t->common},         {0}};
    command_line line = {.doc = doc, .groups = groups};
    options_parse(&line, argc, argv);
    if (!t->files.method)
        t->files.method = "slmt-net";
    if (options_given(&line, &o.sizes, "preset"))
        add_all(&t->options, size_fields, &o.sizes);
    else
        add_given(&t->options, &line, &o.sizes);
    add_given(&t->settings, &line, &o.config);
    int code = check(&line, &o, stage);
    if (code == EXIT_OK)
        code = training_run(t);
    text_list_free(&t->options);
    text_list_free(&t->settings);
    options_free(&line);
    return code;
}
