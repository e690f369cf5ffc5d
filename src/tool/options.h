/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a subcommand: groups of fields become argp options, their help texts and defaults. */
#ifndef SLMT_TOOL_OPTIONS_H
#define SLMT_TOOL_OPTIONS_H

#include "field.h"

typedef struct option_group {
    const char *title;   /* heading in the help text; "": under the one before; NULL ends a list */
    const field *fields; /* the options, ended by a NULL name */
    void *target;        /* the struct they set; its values before parsing are shown as defaults */
} option_group;

typedef struct option_given {
    const field *field;
    void *target;
    const char *text;
} option_given;

typedef struct command_line {
    const char *doc;            /* what the subcommand does */
    const char *arguments;      /* such as "INPUT..."; NULL: it takes none */
    size_t least_arguments;     /* how many it needs */
    size_t most_arguments;      /* how many it takes */
    uint32_t argument_flags;    /* FIELD_INPUT and FIELD_NAMED, if they are paths */
    bool last_is_output;        /* but the last one is FIELD_OUTPUT, and may replace the others */
    const option_group *groups; /* ended by a NULL title */

    char **inputs; /* results: the arguments, then the options in the order given */
    size_t input_count;
    option_given *given;
    size_t given_count;
} command_line;

/* Parses and sets all targets. Wrong usage and --help end the process. */
void options_parse(command_line *line, int argc, char **argv);

/* Name of the first option given that sets `target` (and is called `name`, unless NULL); NULL: none was. */
const char *options_given(const command_line *line, const void *target, const char *name);

/* Returns the help text of an option, with its default; to be freed. */
char *options_help(const field *f, const void *target);

/* From now on options_parse() hands its line to `describe`, which ends the process, and parses nothing. */
void options_describe(void (*describe)(const command_line *line, void *user), void *user);

/* Returns true if options_parse() describes its line: then a command must come as far as that call. */
bool options_described(void);

void options_free(command_line *line);

#endif
