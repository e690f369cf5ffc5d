/* SPDX-License-Identifier: Apache-2.0 */
/* From groups of fields to argp and back. Values are set when the whole line is known, so that the order
 * of options does not matter. */
#include "options.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guess.h"
#include "must.h"
#include "outputs.h"
#include "tool.h"

enum { FIRST_KEY = 0x1000 }; /* beyond characters: no short options */

static const char closing[] = "Numbers in brackets are the defaults.\n\n" EXIT_CODE_TEXT;

static size_t field_total(const option_group *groups)
{
    size_t total = 0;
    for (const option_group *g = groups; g->title; g++)
        for (const field *f = g->fields; f->name; f++)
            total++;
    return total;
}

static const field *field_at(const command_line *line, size_t index, void **target)
{
    for (const option_group *g = line->groups; g->title; g++)
        for (const field *f = g->fields; f->name; f++)
            if (index-- == 0) {
                *target = g->target;
                return f;
            }
    return NULL;
}

char *options_help(const field *f, const void *target)
{
    char value[128];
    field_format(f, target, value, sizeof value);
    if (f->flags & FIELD_REQUIRED)
        return must_format("%s (needed)", f->doc);
    if ((f->flags & FIELD_HIDDEN) || f->type == FIELD_FLAG || f->type == FIELD_TEXT ||
        f->type == FIELD_CUSTOM)
        return must_copy(f->doc);
    return must_format("%s [%s]", f->doc, value);
}

/* Headings and options, ended by an empty row. The help texts are the caller's to free. */
static struct argp_option *argp_table(const command_line *line)
{
    size_t groups = 0;
    while (line->groups[groups].title)
        groups++;
    struct argp_option *table = must_alloc(field_total(line->groups) + groups + 1, sizeof *table);
    struct argp_option *row = table;
    int key = FIRST_KEY;
    int heading = 0;
    for (const option_group *g = line->groups; g->title; g++) {
        if (*g->title)
            *row++ = (struct argp_option){.doc = must_copy(g->title), .group = ++heading};
        for (const field *f = g->fields; f->name; f++)
            *row++ = (struct argp_option){.name = f->name,
                                          .key = key++,
                                          .arg = f->type == FIELD_FLAG ? NULL : f->arg,
                                          .doc = options_help(f, g->target),
                                          .group = heading};
    }
    return table;
}

static void set_given(const command_line *line, struct argp_state *state, uint32_t early)
{
    char reason[FIELD_REASON];
    for (size_t i = 0; i < line->given_count; i++) {
        const option_given *g = &line->given[i];
        if ((g->field->flags & FIELD_EARLY) == early && !field_set(g->field, g->target, g->text, reason))
            argp_error(state, "--%s: %s", g->field->name, reason);
    }
}

static void finish(const command_line *line, struct argp_state *state)
{
    if (line->input_count < line->least_arguments)
        argp_error(state, "%s is needed", line->arguments);
    for (const option_group *g = line->groups; g->title; g++)
        for (const field *f = g->fields; f->name; f++)
            if ((f->flags & FIELD_REQUIRED) && !options_given(line, g->target, f->name))
                argp_error(state, "--%s is needed", f->name);
    set_given(line, state, FIELD_EARLY);
    set_given(line, state, 0);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    command_line *line = state->input;
    if (key >= FIRST_KEY && (size_t)(key - FIRST_KEY) < field_total(line->groups)) {
        option_given given = {.text = text};
        given.field = field_at(line, (size_t)(key - FIRST_KEY), &given.target);
        line->given = must_grow(line->given, line->given_count + 1, sizeof *line->given);
        line->given[line->given_count++] = given;
        return 0;
    }
    switch (key) {
    case ARGP_KEY_ARG:
        if (!*text)
            argp_error(state, "one argument is empty");
        if (line->input_count == line->most_arguments)
            argp_error(state, "one argument too many: '%s'", text);
        line->inputs = must_grow(line->inputs, line->input_count + 1, sizeof *line->inputs);
        line->inputs[line->input_count++] = text;
        return 0;
    case ARGP_KEY_END:
        finish(line, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void (*describe_line)(const command_line *line, void *user);
static void *describe_user;

void options_describe(void (*describe)(const command_line *line, void *user), void *user)
{
    describe_line = describe;
    describe_user = user;
}

bool options_described(void)
{
    return describe_line != NULL;
}

void options_parse(command_line *line, int argc, char **argv)
{
    outputs_need_flags(line);
    if (describe_line)
        describe_line(line, describe_user);
    guess_options(line, argc, argv);
    struct argp_option *table = argp_table(line);
    char *doc = must_format("%s\v%s", line->doc, closing);
    const struct argp argp = {
        .options = table->doc ? table : NULL, /* glibc leaks what it takes for an empty table */
        .parser = parse,
        .args_doc = line->arguments,
        .doc = doc,
    };
    error_t failure = argp_parse(&argp, argc, argv, 0, NULL, line);
    if (failure == ENOMEM)
        out_of_memory();
    if (failure)
        argp_failure(NULL, argp_err_exit_status, failure, "%s", argv[0]);
    int code = outputs_check(line);
    if (code != EXIT_OK)
        exit(code);
    for (struct argp_option *row = table; row->doc; row++)
        free((char *)row->doc);
    free(doc);
    free(table);
}

const char *options_given(const command_line *line, const void *target, const char *name)
{
    for (size_t i = 0; i < line->given_count; i++) {
        const option_given *g = &line->given[i];
        if (g->target == target && (!name || strcmp(name, g->field->name) == 0))
            return g->field->name;
    }
    return NULL;
}

void options_free(command_line *line)
{
    free(line->inputs);
    free(line->given);
    line->inputs = NULL;
    line->given = NULL;
}
