/* SPDX-License-Identifier: Apache-2.0 */
/* table_file.h - a table (CSV) that takes the place of an older one when it is whole; pipes and devices get
 * its lines as they come. */
#ifndef SLMT_TOOL_TABLE_FILE_H
#define SLMT_TOOL_TABLE_FILE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct table_file {
    const char *path; /* the caller's */
    FILE *out;        /* NULL: there is no table */
    char *text;       /* its lines so far; NULL for pipes and devices */
    size_t size;
    bool is_stream;
} table_file;

/* Begins a table. A file at the path stays as it is until the table is finished. Complains and returns an
 * exit code. */
int table_file_begin(table_file *t, const char *path);

/* Writes the table if `good`, else nothing; without a table nothing happens. Complains and returns an exit
 * code. */
int table_file_finish(table_file *t, bool good);

#endif
