/* SPDX-License-Identifier: Apache-2.0 */
/* csv.h - tables of texts (RFC 4180): read whole, and cells written. */
#ifndef SLMT_TOOL_CSV_H
#define SLMT_TOOL_CSV_H

#include <stddef.h>
#include <stdio.h>

typedef struct csv {
    char **cells; /* row by row, the heading first */
    size_t *line; /* of each row, in the file, from 1 */
    size_t rows, columns;
} csv;

/* Reads a table: UTF-8, with or without its mark; lines end as on Unix, Windows or old Macs; cells are
 * separated by ',' or, if the heading says so, by ';' or tabs, and may be quoted. Empty lines are passed
 * over, blanks around cells dropped. Reports an error and returns its exit code. */
int csv_read(const char *path, csv *table);

const char *csv_cell(const csv *table, size_t row, size_t column);

void csv_free(csv *table);

/* Writes a cell, quoted if it must be. */
void csv_put(FILE *out, const char *text);

#endif
