/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands and what slmt itself takes: the rows from which its help, its manual pages and its
 * completion are made. */
#ifndef SLMT_TOOL_COMMANDS_H
#define SLMT_TOOL_COMMANDS_H

#include "field.h"

typedef struct subcommand {
    const char *name;
    const char *title; /* argv[0] of the subcommand, as argp shows it */
    const char *summary;
    const char *example; /* lines of a shell, or NULL */
    int (*run)(int argc, char **argv);
} subcommand;

/* What slmt prints instead of running a subcommand. */
typedef struct program_options {
    int32_t completion; /* COMPLETE_... */
    const char *manual; /* folder, or NULL */
} program_options;

enum { COMPLETE_NOTHING, COMPLETE_BASH, COMPLETE_ZSH };

extern const subcommand subcommands[]; /* in the order of work, ended by a NULL name */
extern const field program_fields[];   /* of program_options */
extern const char program_doc[];

#endif
