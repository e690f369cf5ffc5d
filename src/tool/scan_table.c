/* SPDX-License-Identifier: Apache-2.0 */
/* scan_table.c - a table of scans: a row for each subject, a column for each contrast. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slmt/slmt.h"

#include "console.h"
#include "csv.h"
#include "must.h"
#include "paths.h"
#include "scan_find.h"
#include "tool.h"

typedef struct scan_table {
    const char *path;
    char *folder;
    csv rows;
    size_t subject, person, split; /* columns; NONE: it has none */
} scan_table;

#define NONE ((size_t)-1)

/* The column that goes by one of two names, in small or capital letters. */
static size_t find_column(const csv *rows, const char *name, const char *other)
{
    for (size_t c = 0; c < rows->columns; c++)
        if (strcasecmp(csv_cell(rows, 0, c), name) == 0 || strcasecmp(csv_cell(rows, 0, c), other) == 0)
            return c;
    return NONE;
}

static char *path_in(const scan_table *t, const char *cell)
{
    return *cell == '/' || strcmp(t->folder, ".") == 0 ? must_copy(cell)
                                                       : must_format("%s/%s", t->folder, cell);
}

/* Returns true if any cell of a column is the path of something that is there, or is called as a scan is. */
static bool names_files(const scan_table *t, size_t column)
{
    bool any = false;
    for (size_t row = 1; row < t->rows.rows && !any; row++) {
        const char *cell = csv_cell(&t->rows, row, column);
        char *path = path_in(t, cell);
        path[strlen(path) - volume_index_length(path)] = '\0';
        any = *cell && (is_scan_name(path) || access(path, F_OK) == 0);
        free(path);
    }
    return any;
}

static int split_of(const scan_table *t, size_t row, int32_t *split)
{
    const char *cell = t->split == NONE ? "" : csv_cell(&t->rows, row, t->split);
    static const field_choice splits[] = {{"train", SLMT_SPLIT_TRAIN},
                                          {"test", SLMT_SPLIT_TEST},
                                          {"validation", SLMT_SPLIT_VALIDATION},
                                          {"val", SLMT_SPLIT_VALIDATION},
                                          {0}};
    *split = 0;
    for (const field_choice *c = splits; c->name; c++)
        if (strcasecmp(cell, c->name) == 0)
            *split = c->value;
    return *split || !*cell
               ? EXIT_OK
               : fail_with(EXIT_DATA, "%s: line %zu: split is '%s', not train, validation or test", t->path,
                           t->rows.line[row], cell);
}

static int add_cell(const scan_table *t, scan_source *source, size_t row, size_t column)
{
    const char *cell = csv_cell(&t->rows, row, column);
    const char *subject = csv_cell(&t->rows, row, t->subject);
    int32_t split;
    int code = split_of(t, row, &split);
    if (code != EXIT_OK || !*cell)
        return code;
    if (!*subject)
        return fail_with(EXIT_DATA, "%s: line %zu: the subject has no name", t->path, t->rows.line[row]);
    scan *s = scan_add(source, path_in(t, cell), scan_name(subject, strlen(subject)));
    const char *person = t->person == NONE ? "" : csv_cell(&t->rows, row, t->person);
    s->person = *person ? scan_name(person, strlen(person)) : NULL;
    s->split = split;
    return EXIT_OK;
}

static int add_column(scans *s, const scan_table *t, size_t column)
{
    const char *heading = csv_cell(&t->rows, 0, column);
    char reason[FIELD_REASON];
    if (!names_files(t, column)) {
        warn("%s: the column '%s' is not taken: none of its cells names a file", t->path, heading);
        return EXIT_OK;
    }
    bool labels = strncmp(heading, "labels:", 7) == 0;
    char *text = must_format("%s=", labels ? heading + 7 : heading);
    scan_source *source = scans_new_source(s, text, labels, reason);
    free(text);
    if (!source)
        return fail_with(EXIT_USAGE, "%s: %s", t->path, reason);
    int code = EXIT_OK;
    for (size_t row = 1; row < t->rows.rows && code == EXIT_OK; row++)
        code = add_cell(t, source, row, column);
    return code;
}

static int add_columns(scans *s, scan_table *t)
{
    size_t before = s->source_count;
    int code = EXIT_OK;
    t->subject = find_column(&t->rows, "subject", "participant_id");
    t->person = find_column(&t->rows, "person", "group");
    t->split = find_column(&t->rows, "split", "part");
    if (t->subject == NONE)
        return fail_with(EXIT_DATA, "%s: has no column 'subject'; its first column is '%s'", t->path,
                         csv_cell(&t->rows, 0, 0));
    for (size_t c = 0; c < t->rows.columns && code == EXIT_OK; c++)
        if (c != t->subject && c != t->person && c != t->split)
            code = add_column(s, t, c);
    if (code == EXIT_OK && s->source_count == before)
        code =
            fail_with(EXIT_DATA, "%s: has no column of scans; paths count from the table's folder", t->path);
    return code;
}

int scans_add_table(scans *s, const char *path)
{
    scan_table t = {.path = path, .folder = folder_of(path)};
    int code = csv_read(path, &t.rows);
    if (code == EXIT_OK)
        code = add_columns(s, &t);
    csv_free(&t.rows);
    free(t.folder);
    return code;
}
