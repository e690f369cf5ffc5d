/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate.c - slmt evaluate: figures of what a model makes of a set's slices, as tables, CSV and log; of
 * models that label pixels see evaluate_labels.c. */
#include "tool.h"

#include <math.h>
#include <string.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "csv.h"
#include "evaluate_labels.h"
#include "journal.h"
#include "options.h"
#include "score_split.h"
#include "scored_set.h"
#include "shown.h"
#include "table.h"

typedef struct evaluate_options {
    const char *source;
    const char *target;
    bool baselines;
} evaluate_options;

typedef struct evaluation {
    evaluate_options options;
    evaluate_labels_options labels;
    scored run;
    split_scores scores;
    progress bar;
    bool shown[MOST_FIGURES]; /* figures that any row of the table has */
} evaluation;

#define EVALUATE(member) .offset = offsetof(evaluation, member)
static const field evaluate_fields[] = {
    {"model", "FILE", "checkpoint of a model that makes a contrast, or that labels pixels (needed)",
     FIELD_TEXT, EVALUATE(run.model_path), .flags = FIELD_INPUT},
    {"data", "FILE", "training set (needed)", FIELD_TEXT, EVALUATE(run.set_path), .flags = FIELD_INPUT},
    {"split", "test|validation|train|all", "which subjects", FIELD_CHOICE, EVALUATE(run.split),
     split_choices},
    {"csv", "FILE",
     "write the figures of each slice, and by every definition of each subject, their mean and sd; of labels "
     "those of each class",
     FIELD_TEXT, EVALUATE(run.csv_path), .flags = FIELD_OUTPUT, .endings = ".csv .tsv .txt"},
    {"source", "NAME", "contrast to start from; default: the one of the training", FIELD_TEXT,
     EVALUATE(options.source)},
    {"target", "NAME", "contrast to compare with; default: the one of the training", FIELD_TEXT,
     EVALUATE(options.target)},
    {"baselines", NULL,
     "also compare the source itself, and the best monotone map from source to target intensities (isotonic "
     "regression over the pairs of the training subjects)",
     FIELD_FLAG, EVALUATE(options.baselines)},
    {"batch", "N", "slices computed together, at most", FIELD_INT, EVALUATE(run.batch), .low = 1,
     .high = 65536},
    {0}};

static const char doc[] = "Compare synthesized slices with the true ones: the figures that the model's task "
                          "is judged by, such as PSNR, "
                          "SSIM, NMSE and MAE, for each subject, then mean and standard deviation (divisor n "
                          "- 1) over subjects. A slice is "
                          "empty if its target has no value above 0.01, a hundredth of the range. Of a model "
                          "that labels pixels, or of label "
                          "maps that are there already (--answer), compare the labels with the true ones: "
                          "Dice, IoU and others of each class, "
                          "and which class was taken for which.";

/* ---- CSV ---- */

static void csv_number(FILE *csv, double value)
{
    if (isnan(value))
        fputc(',', csv);
    else
        fprintf(csv, ",%.9g", value);
}

static int on_begin(void *user, const split_scores *s)
{
    evaluation *e = user;
    int code = scored_begin(&e->run);
    FILE *csv = e->run.table.out;
    if (!csv)
        return code;
    fputs("method,level,subject,slice", csv);
    for (size_t j = 0; j < s->figures.count; j++)
        fprintf(csv, ",%s", s->figures.row[j].key);
    fputs(",definition,slices,empty\n", csv);
    return code;
}

typedef struct csv_row {
    const char *method, *level, *subject, *slice;
    const scores *scores;
    const char *definition;
    int64_t slices, empty; /* of a mean over subjects -1: not written */
} csv_row;

static void write_csv(evaluation *e, const figure_list *figures, csv_row row)
{
    FILE *csv = e->run.table.out;
    if (!csv)
        return;
    fprintf(csv, "%s,%s,", row.method, row.level);
    csv_put(csv, row.subject);
    fprintf(csv, ",%s", row.slice);
    for (size_t j = 0; j < figures->count; j++)
        csv_number(csv, row.scores->value[j]);
    if (row.slices < 0)
        fprintf(csv, ",%s,,\n", row.definition);
    else
        fprintf(csv, ",%s,%lld,%lld\n", row.definition, (long long)row.slices, (long long)row.empty);
}

static void write_slices(evaluation *e, const split_scores *s, const subject_scores *subject, size_t method,
                         const measured *m)
{
    for (size_t k = 0; k < m->slices; k++) {
        const slmt_metrics *metrics = &m->metrics[k];
        scores row = scores_of(&s->figures, metrics, m->distance[k]);
        char slice[24];
        snprintf(slice, sizeof slice, "%zu", k);
        write_csv(e, &s->figures,
                  (csv_row){s->method[method], metrics->with_signal ? "slice" : "empty", subject->name, slice,
                            &row, "", metrics->slices, metrics->slices - metrics->with_signal});
    }
}

/* In the order in which means by slice come first: they follow the rows that they are the means of. */
static const int32_t csv_definitions[DEFINITIONS] = {SLMT_DEFINITION_SLICE, SLMT_DEFINITION_VOLUME,
                                                     SLMT_DEFINITION_PAPER};

static void on_slices(void *user, const split_scores *s, const subject_scores *subject, size_t method,
                      const measured *m)
{
    evaluation *e = user;
    write_slices(e, s, subject, method, m);
    for (size_t i = 0; i < DEFINITIONS && subject->empty < subject->slices; i++) {
        int32_t d = csv_definitions[i];
        write_csv(e, &s->figures,
                  (csv_row){s->method[method], "subject", subject->name, "", &subject->by[method][d],
                            definition_name(d), subject->slices, subject->empty});
    }
}

static void write_means(evaluation *e, size_t method)
{
    const split_scores *s = &e->scores;
    for (size_t i = 0; i < DEFINITIONS; i++) {
        int32_t d = csv_definitions[i];
        scores mean = split_mean(s, method, d), deviation = split_deviation(s, method, d);
        csv_row row = {s->method[method], "mean", "", "", &mean, definition_name(d), -1, -1};
        write_csv(e, &s->figures, row);
        row.level = "sd";
        row.scores = &deviation;
        write_csv(e, &s->figures, row);
    }
}

/* ---- log ---- */

static void add_json_scores(cJSON *object, const figure_list *figures, const scores *row)
{
    for (size_t j = 0; j < figures->count; j++)
        cJSON_AddNumberToObject(object, figures->row[j].key, row->value[j]);
}

static void log_subject(evaluation *e, const subject_scores *subject, size_t method)
{
    int32_t definition = e->run.measure.definition;
    cJSON *event = journal_event("subject");
    cJSON_AddStringToObject(event, "method", e->scores.method[method]);
    cJSON_AddStringToObject(event, "subject", subject->name);
    cJSON_AddStringToObject(event, "definition", definition_name(definition));
    cJSON_AddNumberToObject(event, "slices", (double)subject->slices);
    cJSON_AddNumberToObject(event, "empty", (double)subject->empty);
    add_json_scores(event, &e->scores.figures, &subject->by[method][definition]);
    journal_write(&e->run.log, event);
}

static void log_summary(evaluation *e, size_t method, const scores *mean, const scores *deviation)
{
    const figure_list *figures = &e->scores.figures;
    cJSON *event = journal_event("summary");
    cJSON_AddStringToObject(event, "method", e->scores.method[method]);
    cJSON_AddStringToObject(event, "definition", definition_name(e->run.measure.definition));
    cJSON_AddNumberToObject(event, "subjects", (double)e->scores.count);
    add_json_scores(cJSON_AddObjectToObject(event, "mean"), figures, mean);
    add_json_scores(cJSON_AddObjectToObject(event, "sd"), figures, deviation);
    journal_write(&e->run.log, event);
}

static void log_comparison(evaluation *e, size_t other, const figure *f, const paired *p)
{
    cJSON *event = journal_event("comparison");
    cJSON_AddStringToObject(event, "method", e->scores.method[SCORE_NETWORK]);
    cJSON_AddStringToObject(event, "other", e->scores.method[other]);
    cJSON_AddStringToObject(event, "figure", f->key);
    cJSON_AddNumberToObject(event, "subjects", (double)e->scores.count);
    cJSON_AddNumberToObject(event, "difference", p->mean);
    cJSON_AddNumberToObject(event, "low", p->low);
    cJSON_AddNumberToObject(event, "high", p->high);
    cJSON_AddNumberToObject(event, "better", (double)p->better);
    journal_write(&e->run.log, event);
}

/* ---- tables ---- */

static void table_number(table *t, const figure *f, double value)
{
    if (isnan(value))
        table_cell(t, "-");
    else
        table_cell(t, "%.*f", f->decimals, value);
}

static void table_row(const evaluation *e, table *t, const char *first, const char *second, const scores *row)
{
    table_cell(t, "%s", first);
    table_cell(t, "%s", second);
    for (size_t j = 0; j < e->scores.figures.count; j++)
        if (e->shown[j])
            table_number(t, &e->scores.figures.row[j], row->value[j]);
}

static void begin_table(const evaluation *e, table *t, const char *second)
{
    const figure_list *figures = &e->scores.figures;
    size_t columns = 2;
    for (size_t j = 0; j < figures->count; j++)
        columns += e->shown[j];
    table_begin(t, columns);
    table_cell(t, "method");
    table_cell(t, "%s", second);
    for (size_t j = 0; j < figures->count; j++)
        if (e->shown[j])
            table_cell(t, "%s", figures->row[j].column);
}

/* The figures that the definition has. */
static void choose_columns(evaluation *e)
{
    const split_scores *s = &e->scores;
    for (size_t i = 0; i < s->count; i++)
        for (size_t m = 0; m < s->methods; m++)
            for (size_t j = 0; j < s->figures.count; j++)
                e->shown[j] |= !isnan(s->subjects[i].by[m][e->run.measure.definition].value[j]);
}

static void print_heading(const evaluation *e)
{
    const split_scores *s = &e->scores;
    int32_t definition = e->run.measure.definition;
    long long slices = 0, empty = 0;
    for (size_t i = 0; i < s->count; i++) {
        slices += s->subjects[i].slices;
        empty += s->subjects[i].empty;
    }
    printf("%s to %s, subjects: %zu\n", shown(s->source), shown(s->target), s->count);
    printf("slices: %lld, of which %lld are empty\n", slices, empty);
    printf("definition %s: %s\n", definition_name(definition), definition_text(definition));
    if (e->run.measure.mask)
        printf("mask: %s\n", shown(e->run.measure.mask));
    putchar('\n');
}

static void print_subjects(evaluation *e)
{
    const split_scores *s = &e->scores;
    table t;
    begin_table(e, &t, "subject");
    for (size_t i = 0; i < s->count; i++)
        for (size_t m = 0; m < s->methods; m++) {
            table_row(e, &t, s->method[m], s->subjects[i].name,
                      &s->subjects[i].by[m][e->run.measure.definition]);
            log_subject(e, &s->subjects[i], m);
        }
    table_print(&t);
    putchar('\n');
}

static void print_means(evaluation *e)
{
    const split_scores *s = &e->scores;
    int32_t definition = e->run.measure.definition;
    table t;
    begin_table(e, &t, "subjects");
    for (size_t m = 0; m < s->methods; m++) {
        scores mean = split_mean(s, m, definition), deviation = split_deviation(s, m, definition);
        table_row(e, &t, s->method[m], "mean", &mean);
        table_row(e, &t, s->method[m], "sd", &deviation);
        write_means(e, m);
        log_summary(e, m, &mean, &deviation);
    }
    table_print(&t);
    if (s->count == 1)
        puts("n = 1: there is no sd");
}

static void print_comparison(evaluation *e, size_t other)
{
    const split_scores *s = &e->scores;
    const figure *f = &s->figures.row[0]; /* the most telling one */
    paired p = split_paired(s, SCORE_NETWORK, other, e->run.measure.definition, 0);
    printf("%s against %s: %s %+.*f%s%s", shown(s->method[SCORE_NETWORK]), shown(s->method[other]), f->title,
           f->decimals, p.mean, *f->unit ? " " : "", f->unit);
    if (s->count > 1)
        printf(" (95 %% interval %+.*f to %+.*f)", f->decimals, p.low, f->decimals, p.high);
    printf(", better in %zu of %zu subjects\n", p.better, s->count);
    log_comparison(e, other, f, &p);
}

/* ---- the run ---- */

static void on_subject(void *user, const split_scores *s, size_t total)
{
    evaluation *e = user;
    progress_update(&e->bar, s->count, total, "");
}

/* Returns true if an option was given that the run has no use for; complains. */
static bool refuse_options(const command_line *line, const field *fields, const void *target, const char *why)
{
    for (const field *f = fields; f->name; f++)
        if (options_given(line, target, f->name)) {
            fail_with(EXIT_USAGE, "--%s: %s", f->name, why);
            return true;
        }
    return false;
}

static bool refuse_named(const command_line *line, const void *target, const char *const *names,
                         const char *why)
{
    for (; *names; names++)
        if (options_given(line, target, *names)) {
            fail_with(EXIT_USAGE, "--%s: %s", *names, why);
            return true;
        }
    return false;
}

/* Options of one kind of model, where the other is evaluated. */
static int check_options(const evaluation *e, const command_line *line, bool labels)
{
    static const char *const of_images[] = {"source", "target", "baselines", "batch", NULL},
                             *const of_files[] = {"truth", "classes", NULL};
    static const char no_images[] = "is for models that make a contrast, and here labels are compared",
                      no_labels[] = "is for models that label pixels, and this one makes a contrast";
    bool refused;
    if (labels)
        refused = refuse_named(line, e, of_images, no_images) ||
                  refuse_options(line, measure_fields, &e->run.measure, no_images) ||
                  (!e->labels.answer && refuse_named(line, &e->labels, of_files, "needs --answer"));
    else
        refused = refuse_options(line, evaluate_labels_fields, &e->labels, no_labels) ||
                  refuse_options(line, labelling_fields, &e->labels.how, no_labels) ||
                  refuse_options(line, crf_fields, &e->labels.how, no_labels);
    return refused ? EXIT_USAGE : EXIT_OK;
}

/* Options of models, where files are compared. */
static int check_files(const evaluation *e, const command_line *line)
{
    static const char *const of_models[] = {"model", "data", "split", NULL}, *const of_sets[] = {"labels",
                                                                                                 NULL};
    static const char why[] = "is not for --answer, which compares files";
    if (!e->labels.truth)
        return fail_with(EXIT_USAGE, "--answer needs --truth");
    return refuse_named(line, e, of_models, why) || refuse_named(line, &e->labels, of_sets, why) ||
                   refuse_options(line, labelling_fields, &e->labels.how, why) ||
                   refuse_options(line, crf_fields, &e->labels.how, why)
               ? EXIT_USAGE
               : EXIT_OK;
}

static int check_line(const evaluation *e, const command_line *line)
{
    if (e->labels.answer)
        return check_files(e, line);
    if (!e->run.model_path || !e->run.set_path)
        return fail_with(EXIT_USAGE,
                         "--%s is needed, or --answer and --truth for label maps that are there already",
                         e->run.model_path ? "data" : "model");
    return labelling_check(&e->labels.how, line);
}

/* *labels: it is labels that are compared. */
static int open_all(evaluation *e, const command_line *line, bool *labels)
{
    slmt_preprocess data;
    figure_list figures;
    int code = check_line(e, line);
    *labels = e->labels.answer != NULL;
    if (code == EXIT_OK)
        code = *labels ? common_context(&e->run.common, &e->run.context) : scored_open(&e->run);
    if (code != EXIT_OK)
        return code;
    *labels = *labels || labels_pixels(e->run.model);
    code = check_options(e, line, *labels);
    if (code != EXIT_OK || *labels)
        return code;
    code = figures_of(e->run.model, false, &figures); /* a set need not fit a model that makes no images */
    return code == EXIT_OK ? scored_check(&e->run, &data) : code;
}

static int score(evaluation *e)
{
    const scored *run = &e->run;
    const score_options options = {.measure = run->measure,
                                   .model_name = run->model_path,
                                   .set_name = run->set_path,
                                   .source = e->options.source,
                                   .target = e->options.target,
                                   .split = run->split,
                                   .batch = run->batch,
                                   .baselines = e->options.baselines,
                                   .on_begin = on_begin,
                                   .on_slices = on_slices,
                                   .on_subject = on_subject,
                                   .user = e};
    progress_begin(&e->bar, "evaluate", "subjects", 0);
    int code = score_split(run->context, run->model, run->set, &options, &e->scores);
    progress_end();
    return code;
}

static int evaluate(evaluation *e)
{
    int code = score(e);
    if (code != EXIT_OK)
        return code;
    choose_columns(e);
    print_heading(e);
    print_subjects(e);
    print_means(e);
    if (e->scores.methods > 1)
        putchar('\n');
    for (size_t m = 1; m < e->scores.methods; m++)
        print_comparison(e, m);
    return EXIT_OK;
}

int command_evaluate(int argc, char **argv)
{
    evaluation e = {.run = SCORED_DEFAULTS, .labels = evaluate_labels_defaults()};
    const option_group groups[] = {{"Files and run:", evaluate_fields, &e},
                                   {"Figures:", measure_fields, &e.run.measure},
                                   {"Labels:", evaluate_labels_fields, &e.labels},
                                   {"", labelling_fields, &e.labels.how},
                                   {"Random field:", crf_fields, &e.labels.how},
                                   {"Computing:", weights_fields, &e.run.common},
                                   {"", arithmetic_fields, &e.run.common},
                                   {"Common:", common_fields, &e.run.common},
                                   {"", log_fields, &e.run.common},
                                   {0}};
    command_line line = {.doc = doc, .groups = groups};
    bool labels;
    options_parse(&line, argc, argv);
    int code = open_all(&e, &line, &labels);
    if (code == EXIT_OK)
        code = labels ? evaluate_labels(&e.run, &e.labels, &line) : evaluate(&e);
    split_scores_free(&e.scores);
    code = scored_close(&e.run, code);
    options_free(&line);
    return code;
}
