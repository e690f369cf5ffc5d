/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_table.c - a table of scans (CSV): its cells, written and read again, and the subjects that it tells
 * of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "scratch.h"
#include "src/tool/csv.h"
#include "src/tool/scans.h"

static void abort_unless(int true_)
{
    if (!true_)
        abort();
}

/* Scans that a table can name. */
static void begin(void)
{
    static const char *const names[] = {"a.nii", "b.nii.gz", "c.mgz", "a"};
    scratch_enter();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        scratch_put(names[i], (const uint8_t *)"", 0);
    stderr = fopen("/dev/null", "w");
    abort_unless(stderr != NULL);
}

static void write_table(const csv *table)
{
    FILE *out = fopen("again.csv", "w");
    abort_unless(out != NULL);
    for (size_t row = 0; row < table->rows; row++)
        for (size_t column = 0; column < table->columns; column++) {
            csv_put(out, csv_cell(table, row, column));
            fputc(column + 1 < table->columns ? ',' : '\n', out);
        }
    abort_unless(fclose(out) == 0);
}

/* What was written has the same cells. */
static void write_and_read(const csv *table)
{
    csv again = {0};
    write_table(table);
    abort_unless(csv_read("again.csv", &again) == 0);
    abort_unless(again.rows == table->rows && again.columns == table->columns);
    for (size_t row = 0; row < again.rows; row++)
        for (size_t column = 0; column < table->columns; column++)
            abort_unless(strcmp(csv_cell(&again, row, column), csv_cell(table, row, column)) == 0);
    csv_free(&again);
}

static void read_scans(void)
{
    static scans s;
    memset(&s, 0, sizeof s);
    if (scans_add_table(&s, "table.csv") == 0)
        scans_find(&s, NULL);
    scans_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    csv table = {0};
    if (!*scratch_folder)
        begin();
    scratch_put("table.csv", bytes, size);
    if (csv_read("table.csv", &table) == 0)
        write_and_read(&table);
    csv_free(&table);
    read_scans();
    return 0;
}
