/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h - text files that are read, or written as they come. Where a signal interrupts a call it is made
 * again; and what went wrong first in writing, fclose() tells. */
#ifndef SLMT_TOOL_STREAM_H
#define SLMT_TOOL_STREAM_H

#include <stdbool.h>
#include <stdio.h>

/* Opens a file for writing, empty or at its end. NULL: errno says why not. fclose() returns 0 only if all was
 * written; else errno is that of the first failure. */
FILE *stream_open(const char *path, bool append);

/* The same on a descriptor, which fclose() closes. NULL: no memory; then the descriptor is closed. */
FILE *stream_on(int fd);

/* Opens a file for reading. NULL: errno says why not. */
FILE *stream_read(const char *path);

#endif
