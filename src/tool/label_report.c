/* SPDX-License-Identifier: Apache-2.0 */
/* label_report.c - tables, CSV and log of the figures of label maps. */
#include "label_report.h"

#include <math.h>

#include "csv.h"
#include "table.h"

static const char foreground[] = "foreground";

/* ---- CSV ---- */

static void csv_number(FILE *csv, double value)
{
    if (isnan(value))
        fputc(',', csv);
    else
        fprintf(csv, ",%.9g", value);
}

static void csv_head(FILE *csv)
{
    fputs("method,level,subject,class,label", csv);
    for (size_t f = 0; f < LABEL_FIGURES; f++)
        fprintf(csv, ",%s", label_figures[f].key);
    fputs(",truth,answer,both\n", csv);
}

/* counts: NULL for rows that are means. index: a class, or the number of classes. */
static void csv_row(const label_report *r, const char *level, const char *subject, size_t index,
                    const label_row *row, const slmt_label_scores *counts)
{
    FILE *csv = r->csv;
    if (!csv)
        return;
    fprintf(csv, "%s,%s,", r->method, level);
    csv_put(csv, subject);
    fputc(',', csv);
    csv_put(csv, index < r->classes->count ? r->classes->text[index] : foreground);
    if (index < r->classes->count)
        fprintf(csv, ",%d", (int)r->classes->value[index]);
    else
        fputc(',', csv);
    for (size_t f = 0; f < LABEL_FIGURES; f++)
        csv_number(csv, row->value[f]);
    if (counts)
        fprintf(csv, ",%lld,%lld,%lld\n", (long long)counts->truth, (long long)counts->answer,
                (long long)counts->both);
    else
        fputs(",,,\n", csv);
}

static void write_csv(const label_report *r)
{
    const size_t n = r->classes->count;
    if (r->csv)
        csv_head(r->csv);
    for (size_t i = 0; i < r->count; i++) {
        const label_subject *s = &r->subjects[i];
        for (size_t c = 0; c < n; c++)
            csv_row(r, "subject", s->name, c, &s->row[c], &s->by[c]);
        csv_row(r, "subject", s->name, n, &s->foreground, NULL);
    }
    for (size_t c = 0; c <= n; c++)
        csv_row(r, "mean", "", c, &r->means.mean[c], NULL);
    for (size_t c = 0; c <= n; c++)
        csv_row(r, "sd", "", c, &r->means.deviation[c], NULL);
    for (size_t c = 0; c < n; c++)
        csv_row(r, "pooled", "", c, &r->means.pooled[c], &r->means.all[c]);
}

static void write_counts(const label_report *r, const char *level, const char *subject, const int64_t *counts)
{
    const label_classes *classes = r->classes;
    for (size_t t = 0; t < classes->count; t++) {
        fprintf(r->confusion, "%s,", level);
        csv_put(r->confusion, subject);
        fputc(',', r->confusion);
        csv_put(r->confusion, classes->text[t]);
        for (size_t a = 0; a < classes->count; a++)
            fprintf(r->confusion, ",%lld", (long long)counts[t * classes->count + a]);
        fputc('\n', r->confusion);
    }
}

static void write_confusion(const label_report *r)
{
    if (!r->confusion)
        return;
    fputs("level,subject,truth", r->confusion);
    for (size_t a = 0; a < r->classes->count; a++) {
        fputc(',', r->confusion);
        csv_put(r->confusion, r->classes->text[a]);
    }
    fputc('\n', r->confusion);
    for (size_t i = 0; i < r->count; i++)
        write_counts(r, "subject", r->subjects[i].name, r->subjects[i].counts);
    write_counts(r, "pooled", "", r->means.counts);
}

/* ---- log ---- */

static void add_json_row(cJSON *object, const char *name, const label_row *row)
{
    cJSON *figures = cJSON_AddObjectToObject(object, name);
    for (size_t f = 0; f < LABEL_FIGURES; f++)
        cJSON_AddNumberToObject(figures, label_figures[f].key,
                                row->value[f]); /* null where it is no number */
}

/* rows: a row for each class, and one more for the foreground if there is one. */
static void add_json_rows(const label_report *r, cJSON *object, const char *name, const label_row *rows,
                          const label_row *of_foreground)
{
    cJSON *classes = cJSON_AddObjectToObject(object, name);
    for (size_t c = 0; c < r->classes->count; c++)
        add_json_row(classes, r->classes->text[c], &rows[c]);
    if (of_foreground)
        add_json_row(classes, foreground, of_foreground);
}

static void write_log(const label_report *r)
{
    const size_t n = r->classes->count;
    for (size_t i = 0; i < r->count; i++) {
        cJSON *event = journal_event("subject");
        cJSON_AddStringToObject(event, "method", r->method);
        cJSON_AddStringToObject(event, "subject", r->subjects[i].name);
        add_json_rows(r, event, "classes", r->subjects[i].row, &r->subjects[i].foreground);
        journal_write(r->log, event);
    }
    cJSON *event = journal_event("summary");
    cJSON_AddStringToObject(event, "method", r->method);
    cJSON_AddNumberToObject(event, "subjects", (double)r->count);
    add_json_rows(r, event, "mean", r->means.mean, &r->means.mean[n]);
    add_json_rows(r, event, "sd", r->means.deviation, &r->means.deviation[n]);
    add_json_rows(r, event, "pooled", r->means.pooled, NULL);
    journal_write(r->log, event);
}

/* ---- tables ---- */

static void begin_table(table *t, const char *first)
{
    table_begin(t, 2 + LABEL_FIGURES);
    table_cell(t, "%s", first);
    table_cell(t, "class");
    for (size_t f = 0; f < LABEL_FIGURES; f++)
        table_cell(t, "%s", label_figures[f].column);
}

static void table_row(const label_report *r, table *t, const char *first, size_t index, const label_row *row)
{
    table_cell(t, "%s", first);
    table_cell(t, "%s", index < r->classes->count ? r->classes->text[index] : foreground);
    for (size_t f = 0; f < LABEL_FIGURES; f++)
        if (isnan(row->value[f]))
            table_cell(t, "-");
        else
            table_cell(t, "%.*f", label_figures[f].decimals, row->value[f]);
}

static void print_subjects(const label_report *r)
{
    table t;
    begin_table(&t, "subject");
    for (size_t i = 0; i < r->count; i++) {
        for (size_t c = 0; c < r->classes->count; c++)
            table_row(r, &t, r->subjects[i].name, c, &r->subjects[i].row[c]);
        table_row(r, &t, r->subjects[i].name, r->classes->count, &r->subjects[i].foreground);
    }
    table_print(&t);
    putchar('\n');
}

static void print_means(const label_report *r)
{
    const size_t n = r->classes->count;
    table t;
    begin_table(&t, "subjects");
    for (size_t c = 0; c <= n; c++)
        table_row(r, &t, "mean", c, &r->means.mean[c]);
    for (size_t c = 0; c <= n; c++)
        table_row(r, &t, "sd", c, &r->means.deviation[c]);
    for (size_t c = 0; c < n; c++)
        table_row(r, &t, "pooled", c, &r->means.pooled[c]);
    table_print(&t);
    if (r->count == 1)
        puts("n = 1: there is no sd");
    putchar('\n');
}

static void print_confusion(const label_report *r)
{
    const label_classes *classes = r->classes;
    table t;
    puts("voxels of all subjects, a row for each class of the truth, a column for each of the answer:");
    table_begin(&t, 1 + classes->count);
    table_cell(&t, "truth");
    for (size_t a = 0; a < classes->count; a++)
        table_cell(&t, "%s", classes->text[a]);
    for (size_t i = 0; i < classes->count; i++) {
        table_cell(&t, "%s", classes->text[i]);
        for (size_t a = 0; a < classes->count; a++)
            table_cell(&t, "%lld", (long long)r->means.counts[i * classes->count + a]);
    }
    table_print(&t);
}

void label_report_write(label_report *r)
{
    label_means_of(r->subjects, r->count, r->classes, &r->means);
    printf("%s against %s, subjects: %zu\n\n", r->method, r->labels, r->count);
    print_subjects(r);
    print_means(r);
    print_confusion(r);
    write_csv(r);
    write_confusion(r);
    write_log(r);
}
