/* SPDX-License-Identifier: Apache-2.0 */
/* The standard descriptors, whatever state the program was started with. */
#ifndef SLMT_TOOL_STANDARD_H
#define SLMT_TOOL_STANDARD_H

/* Every program calls this first. Opens /dev/null for each descriptor from 0 to 2 that is closed, so that no
 * file that is opened later gets its number and the messages with it. When the program ends, standard output
 * is flushed; if that fails (a full disk), the program says so and its exit code is EXIT_DATA. */
void standard_open(void);

/* Returns the exit code for main() to return. Where memory has run out it ends the process itself, without
 * what other libraries do at the end: HDF5 needs memory for that, and crashes without it. */
int standard_end(int code);

#endif
