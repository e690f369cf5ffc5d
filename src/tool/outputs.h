/* SPDX-License-Identifier: Apache-2.0 */
/* outputs.h - no output destroys an input, and what is to be written can be written: checked for every
 * command before it begins, from the tables of its options (FIELD_INPUT, FIELD_OUTPUT). */
#ifndef SLMT_TOOL_OUTPUTS_H
#define SLMT_TOOL_OUTPUTS_H

#include "options.h"
#include "paths.h"

/* Refuses a line on which an output is an input or another output, whatever its name: by device and inode, or
 * by folder and name where a file is not there yet; an output whose folder is not there or may not be
 * written; one whose name ends like a file of another kind. Reports an error and returns its exit code.
 * options_parse() calls it. */
int outputs_check(const command_line *line);

/* The same for what the command found itself: no output, of the line or of the list, may be one of the inputs
 * or another output. Either list may be NULL. Reports an error and returns its exit code. */
int outputs_check_files(const command_line *line, const path_list *inputs, const path_list *outputs);

/* Ends the process if an option or argument takes a file and its table does not say which way. */
void outputs_need_flags(const command_line *line);

#endif
