/* SPDX-License-Identifier: Apache-2.0 */
/* Collects cells, then prints them aligned. */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "shown.h"

void table_begin(table *t, size_t columns)
{
    *t = (table){.columns = columns};
}

void table_cell(table *t, const char *format, ...)
{
    char text[256];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    t->cells = must_grow(t->cells, t->count + 1, sizeof *t->cells);
    t->cells[t->count++] = must_copy(shown(text));
}

/* Characters of a text in UTF-8. */
static int text_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static int column_width(const table *t, size_t column)
{
    int width = 0;
    for (size_t i = column; i < t->count; i += t->columns) {
        int length = text_width(t->cells[i]);
        width = length > width ? length : width;
    }
    return width;
}

static void print_cell(const table *t, size_t column, int width, const char *text)
{
    bool left = t->left || column == 0;
    int blanks = width > text_width(text) ? width - text_width(text) : 0;
    printf("%s%*s%s%*s", column == 0 ? "" : "  ", left ? 0 : blanks, "", text, left ? blanks : 0, "");
}

void table_print(table *t)
{
    int *width = must_alloc(t->columns, sizeof *width);
    for (size_t column = 0; column < t->columns; column++)
        width[column] = column_width(t, column);
    for (size_t i = 0; i < t->count; i++) {
        size_t column = i % t->columns;
        bool last = column == t->columns - 1;
        print_cell(t, column, last && t->left ? 0 : width[column], t->cells[i]);
        if (last)
            putchar('\n');
        free(t->cells[i]);
    }
    free(t->cells);
    free(width);
    *t = (table){0};
}
