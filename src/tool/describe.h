/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that are made from the tables of options, so that they say what the command takes: manual pages and
 * shell completion. */
#ifndef SLMT_TOOL_DESCRIBE_H
#define SLMT_TOOL_DESCRIBE_H

#include <stdio.h>

#include "commands.h"
#include "options.h"

/* method: NULL, or the one that `slmt train` is asked about. */
typedef void describe_function(FILE *out, const subcommand *command, const char *method,
                               const command_line *line);

/* Lets `describe` write what a subcommand takes; an exit code. */
int describe_command(FILE *out, const subcommand *command, const char *method, describe_function *describe);

/* Method `index` of those that slmt train takes; NULL past the last. */
const char *trained_method(size_t index);

/* Returns true if a subcommand takes other options with each method. */
bool is_by_method(const subcommand *command);

/* Writes slmt.1 and a page for each subcommand into a folder; complains and returns an exit code. */
int manual_write(const char *folder);

/* Prints the completion for a shell, COMPLETE_BASH or COMPLETE_ZSH; an exit code. */
int completion_print(int32_t shell);

#endif
