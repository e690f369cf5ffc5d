/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "table.h"
#include "tool.h"

#define REPORT(member) .offset = offsetof(report, member)
const field report_fields[] = {
    {"profile", NULL, "print where the time went, by op and by layer", FIELD_FLAG, REPORT(profile)},
    {"trace", "FILE", "write every kernel call as a Chrome trace (for ui.perfetto.dev)", FIELD_TEXT,
     REPORT(trace), .flags = FIELD_OUTPUT, .endings = ".json .trace"},
    {0}};

slmt_status report_open(const report *r, slmt_context *context, slmt_profile **profile)
{
    return r->profile || r->trace ? slmt_profile_create(context, profile) : SLMT_OK;
}

/* All entries of one op, or of one layer. */
typedef struct row {
    const char *name;
    int32_t backward;
    uint64_t calls;
    double seconds, flops;
} row;

static int slower_first(const void *a, const void *b)
{
    double x = ((const row *)a)->seconds, y = ((const row *)b)->seconds;
    return (x < y) - (x > y);
}

static void add_entry(row *rows, size_t *n, const char *name, const slmt_profile_entry *e)
{
    size_t i = 0;
    while (i < *n && (strcmp(rows[i].name, name) != 0 || rows[i].backward != e->backward))
        i++;
    if (i == *n)
        rows[(*n)++] = (row){.name = name, .backward = e->backward};
    rows[i].calls += e->calls;
    rows[i].seconds += e->seconds;
    rows[i].flops += e->flops;
}

static void print_rows(const char *heading, row *rows, size_t n)
{
    double all = 0;
    table t;
    qsort(rows, n, sizeof *rows, slower_first);
    for (size_t i = 0; i < n; i++)
        all += rows[i].seconds;
    table_begin(&t, 5);
    for (size_t i = 0; i < 5; i++)
        table_cell(&t, "%s", (const char *[]){heading, "calls", "ms", "share", "GFLOP/s"}[i]);
    for (size_t i = 0; i < n && rows[i].calls; i++) {
        table_cell(&t, "%s%s", *rows[i].name ? rows[i].name : "(none)",
                   (const char *[]){"", " (backward)", " (again)"}[rows[i].backward]);
        table_cell(&t, "%" PRIu64, rows[i].calls);
        table_cell(&t, "%.3f", 1e3 * rows[i].seconds);
        table_cell(&t, "%.1f%%", 100 * rows[i].seconds / all);
        if (rows[i].flops > 0)
            table_cell(&t, "%.1f", 1e-9 * rows[i].flops / rows[i].seconds);
        else
            table_cell(&t, "-");
    }
    table_print(&t);
}

static void print_table(const slmt_profile *profile, bool by_layer)
{
    size_t count = slmt_profile_entry_count(profile), n = 0;
    row *rows = must_alloc(count ? count : 1, sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        slmt_profile_entry e = {.struct_size = sizeof e};
        if (slmt_profile_entry_at(profile, i, &e) == SLMT_OK)
            add_entry(rows, &n, by_layer ? e.layer : e.op, &e);
    }
    print_rows(by_layer ? "layer" : "op", rows, n);
    free(rows);
}

int report_close(const report *r, slmt_profile *profile)
{
    slmt_status status = SLMT_OK;
    if (profile && r->profile && slmt_profile_entry_count(profile) > 0) {
        print_table(profile, false);
        putchar('\n');
        print_table(profile, true);
    }
    if (profile && r->trace)
        status = slmt_profile_write_trace(profile, r->trace);
    int code = status == SLMT_OK ? EXIT_OK : fail(status, "%s", r->trace);
    slmt_profile_free(profile);
    return code;
}
