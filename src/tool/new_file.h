/* SPDX-License-Identifier: Apache-2.0 */
/* new_file.h - a text file that takes its place, and that of an older one, when it is whole. */
#ifndef SLMT_TOOL_NEW_FILE_H
#define SLMT_TOOL_NEW_FILE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct new_file {
    char *path; /* the caller's, or what it leads to by symbolic links */
    char *part; /* its name until it is whole: one that the library takes away if this run is killed */
    FILE *out;
    int fd;
} new_file;

/* Opens a file beside `path`. false: errno says why not, and there is nothing to finish. */
bool new_file_begin(new_file *f, const char *path);

/* Puts the file in its place if `good` and all of it could be written; else removes it. false: errno says why
 * not, and what was at the path is still there. */
bool new_file_finish(new_file *f, bool good);

/* Opens a file in the folder of `path` to write and read again, which has no name and ends with its
 * descriptor. -1: errno says why not. */
int nameless_file(const char *path);

#endif
