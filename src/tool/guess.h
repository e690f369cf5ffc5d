/* SPDX-License-Identifier: Apache-2.0 */
/* guess.h - what was meant by a word that is no option and no command. */
#ifndef SLMT_TOOL_GUESS_H
#define SLMT_TOOL_GUESS_H

#include "options.h"

/* Looks at the words of a line before they are parsed. Complains of the first that begins like an option and
 * is none, with the one that was probably meant, and ends the process. -h becomes --help. */
void guess_options(const command_line *line, int argc, char **argv);

/* What `slmt` itself was given: "help", "help COMMAND", "version", -h and -v become what they mean; options
 * in front of the command, and words that are no command, are answered with the line that was probably meant,
 * and end the process. Returns the words to parse, which live as long as the process. */
char **guess_program(int *argc, char **argv);

#endif
