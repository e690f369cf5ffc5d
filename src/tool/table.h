/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of text on stdout: columns as wide as their widest cell, the first to the left, the others to
 * the right unless all are to the left. */
#ifndef SLMT_TOOL_TABLE_H
#define SLMT_TOOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct table {
    size_t columns;
    size_t count; /* cells so far */
    char **cells; /* row by row; the first row is the heading */
    bool left;    /* all columns to the left: words */
} table;

void table_begin(table *t, size_t columns);

/* Appends a cell; a row is full after `columns` of them. */
void table_cell(table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints and frees. */
void table_print(table *t);

#endif
