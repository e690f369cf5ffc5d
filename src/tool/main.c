/* SPDX-License-Identifier: Apache-2.0 */
/* Entry of the slmt command: finds the subcommand and hands it the rest of the line. */
#include "tool.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slmt/slmt.h"

#include "commands.h"
#include "console.h"
#include "describe.h"
#include "guess.h"
#include "interrupt.h"
#include "must.h"
#include "standard.h"
#include "version.h"

enum { FIRST_KEY = 0x1000, MOST_OPTIONS = 8 };

typedef struct program {
    program_options options;
    const subcommand *found;
} program;

static char *help_text(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = must_open(&text, &size);
    fprintf(out, "%s\vCommands, in the order of work:\n", program_doc);
    for (const subcommand *c = subcommands; c->name; c++)
        fprintf(out, "  %-12s%s\n", c->name, c->summary);
    fputs("`slmt COMMAND --help' lists a command's options.\n\n" EXIT_CODE_TEXT, out);
    return must_close(out, &text);
}

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    version_print(stream);
}

/* Ends parsing at the first word that is no option: the subcommand. */
static error_t find_subcommand(int key, char *text, struct argp_state *state)
{
    program *p = state->input;
    char reason[FIELD_REASON];
    if (key >= FIRST_KEY && key < FIRST_KEY + MOST_OPTIONS) {
        const field *f = &program_fields[key - FIRST_KEY];
        if (!field_set(f, &p->options, text, reason))
            argp_error(state, "--%s: %s", f->name, reason);
        return 0;
    }
    switch (key) {
    case ARGP_KEY_ARG:
        for (const subcommand *c = subcommands; c->name; c++)
            if (strcmp(text, c->name) == 0)
                p->found = c;
        if (!p->found)
            argp_error(state, "there is no command '%s'", text);
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        if (!p->options.completion && !p->options.manual)
            argp_error(state, "a command is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void parse(program *p, int argc, char **argv)
{
    char *doc = help_text();
    struct argp_option options[MOST_OPTIONS + 1] = {0};
    for (int i = 0; i < MOST_OPTIONS && program_fields[i].name; i++)
        options[i] = (struct argp_option){.name = program_fields[i].name,
                                          .key = FIRST_KEY + i,
                                          .arg = program_fields[i].arg,
                                          .doc = program_fields[i].doc};
    const struct argp argp = {
        .options = options, .parser = find_subcommand, .args_doc = "COMMAND [OPTION...]", .doc = doc};
    argp_err_exit_status = EXIT_USAGE;
    argp_program_version_hook = print_version;
    error_t failure = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, p);
    if (failure == ENOMEM)
        out_of_memory();
    if (failure)
        exit(EXIT_USAGE);
    argp_program_version_hook = NULL;
    free(doc);
}

static void *json_memory(size_t size)
{
    return must_alloc(size, 1);
}

int main(int argc, char **argv)
{
    program p = {0};
    standard_open();
    cJSON_InitHooks(&(cJSON_Hooks){json_memory, free}); /* else a text that finds no memory is "no JSON" */
    argv = guess_program(&argc, argv);
    parse(&p, argc, argv);
    if (p.options.manual)
        return manual_write(p.options.manual);
    if (p.options.completion)
        return completion_print(p.options.completion);

    int first = 1;
    while (strcmp(argv[first], p.found->name) != 0)
        first++;
    argv[first] = (char *)p.found->title;
    interrupt_install();
    return standard_end(warnings_close(p.found->run(argc - first, argv + first)));
}
