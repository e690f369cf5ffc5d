/* SPDX-License-Identifier: Apache-2.0 */
#include "csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "stream.h"
#include "tool.h"

static const char mark[] = "\xEF\xBB\xBF"; /* of UTF-8, at the start of a file */

/* The whole file, ended by a zero; NULL: errno says why not. */
static char *read_text(const char *path, size_t *length)
{
    FILE *file = stream_read(path);
    if (!file)
        return NULL;
    char *text = NULL;
    size_t room = 4096, got;
    *length = 0;
    do {
        text = must_grow(text, room *= 2, 1);
        got = fread(text + *length, 1, room - 1 - *length, file);
        *length += got;
    } while (got > 0);
    text[*length] = '\0';
    int reason = ferror(file) ? errno : 0;
    fclose(file);
    if (reason == 0)
        return text;
    free(text);
    errno = reason;
    return NULL;
}

/* ---- taking it apart ---- */

typedef struct reader {
    const char *at;
    char separator;
    size_t line;
    char **cells; /* of this row */
    size_t count;
} reader;

static char separator_of(const char *text)
{
    size_t counts[3] = {0}, best = 0;
    static const char separators[] = {',', ';', '\t'};
    bool quoted = false;
    for (; *text && (quoted || !strchr("\r\n", *text)); text++) {
        quoted = quoted != (*text == '"');
        for (size_t i = 0; i < 3 && !quoted; i++)
            counts[i] += *text == separators[i];
    }
    for (size_t i = 1; i < 3; i++)
        best = counts[i] > counts[best] ? i : best;
    return separators[best];
}

static void keep_cell(reader *r, const char *text, size_t length)
{
    r->cells = must_grow(r->cells, r->count + 1, sizeof *r->cells);
    r->cells[r->count++] = must_format("%.*s", (int)length, text);
}

/* At least the length of a cell whose quotes begin here. */
static size_t quoted_length(const char *at)
{
    const char *end = at + 1;
    while (*end && !(*end == '"' && end[1] != '"'))
        end += *end == '"' ? 2 : 1;
    return (size_t)(end - at);
}

/* A cell in quotes, in which "" is a quote; false: it does not end. */
static bool read_quoted(reader *r)
{
    char *text = must_alloc(quoted_length(r->at) + 1, 1);
    size_t length = 0;
    for (r->at++; *r->at && !(*r->at == '"' && r->at[1] != '"'); r->at++) {
        r->at += *r->at == '"';
        r->line += *r->at == '\n';
        text[length++] = *r->at;
    }
    bool ends = *r->at == '"';
    r->at += ends;
    keep_cell(r, text, length);
    free(text);
    r->at += strspn(r->at, " ");
    return ends;
}

static bool ends_cell(const reader *r)
{
    return !*r->at || *r->at == r->separator || *r->at == '\r' || *r->at == '\n';
}

static bool read_cell(reader *r)
{
    r->at += strspn(r->at, " ");
    if (*r->at == '"')
        return read_quoted(r) && ends_cell(r);
    const char *first = r->at;
    while (!ends_cell(r))
        r->at++;
    size_t length = (size_t)(r->at - first);
    while (length && first[length - 1] == ' ')
        length--;
    keep_cell(r, first, length);
    return true;
}

/* One row; false: a cell in quotes is not well formed. The reader then stands at the row's end. */
static bool read_row(reader *r)
{
    bool more = true;
    r->count = 0;
    while (more) {
        if (!read_cell(r))
            return false;
        more = *r->at && *r->at == r->separator;
        r->at += more;
    }
    return true;
}

static void skip_line_end(reader *r)
{
    if (*r->at == '\r' && r->at[1] == '\n')
        r->at++;
    r->line++;
    r->at += *r->at != '\0';
}

/* The row becomes one of the table. */
static void keep_row(reader *r, csv *table, size_t line)
{
    size_t before = table->rows * r->count;
    table->columns = r->count;
    table->cells = must_grow(table->cells, before + r->count, sizeof *table->cells);
    memcpy(table->cells + before, r->cells, r->count * sizeof *r->cells);
    table->line = must_grow(table->line, table->rows + 1, sizeof *table->line);
    table->line[table->rows++] = line;
    r->count = 0;
}

static void drop_row(reader *r)
{
    while (r->count)
        free(r->cells[--r->count]);
}

static int read_rows(reader *r, const char *path, csv *table)
{
    int code = EXIT_OK;
    while (*r->at && code == EXIT_OK) {
        size_t line = r->line;
        bool formed = read_row(r);
        bool empty = r->count == 1 && !*r->cells[0];
        if (!formed)
            code =
                fail_with(EXIT_DATA, "%s: line %zu: a quoted cell does not end where it should", path, line);
        else if (!empty && table->rows && r->count != table->columns)
            code = fail_with(EXIT_DATA, "%s: line %zu has %zu cells, the heading %zu", path, line, r->count,
                             table->columns);
        else if (!empty)
            keep_row(r, table, line);
        drop_row(r);
        skip_line_end(r);
    }
    return code;
}

int csv_read(const char *path, csv *table)
{
    size_t length;
    char *text = read_text(path, &length);
    *table = (csv){0};
    if (!text)
        return fail_errno(errno, "%s", path);
    int code = EXIT_OK;
    reader r = {.at = text, .line = 1};
    if (strlen(text) != length)
        code = fail_with(EXIT_DATA, "%s: is not a table of UTF-8 text", path);
    if (strncmp(text, mark, strlen(mark)) == 0)
        r.at += strlen(mark);
    r.separator = separator_of(r.at);
    if (code == EXIT_OK)
        code = read_rows(&r, path, table);
    if (code == EXIT_OK && table->rows < 2)
        code = fail_with(EXIT_DATA, "%s: has no rows below its heading", path);
    free(r.cells);
    free(text);
    if (code != EXIT_OK)
        csv_free(table);
    return code;
}

const char *csv_cell(const csv *table, size_t row, size_t column)
{
    return table->cells[row * table->columns + column];
}

void csv_free(csv *table)
{
    for (size_t i = 0; i < table->rows * table->columns; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table->line);
    *table = (csv){0};
}

void csv_put(FILE *out, const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || (!strpbrk(text, ",;\"\r\n\t") && *text != ' ' && text[length - 1] != ' ' &&
                        strncmp(text, mark, strlen(mark)) != 0)) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++)
        fputs((char[]){*text, *text == '"' ? '"' : '\0', '\0'}, out);
    putc('"', out);
}
