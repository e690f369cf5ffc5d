/* SPDX-License-Identifier: Apache-2.0 */
/* slmt evaluate: compares synthesized slices of a training set with the true ones. Metrics are taken for each
 * slice, averaged over a subject, then over subjects. */
#include "tool.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "slmt/slmt.h"
#include "slmt/slmt_net.h"

#include "common.h"
#include "console.h"
#include "interrupt.h"
#include "journal.h"
#include "monotone_map.h"
#include "must.h"
#include "options.h"
#include "pairs.h"
#include "scored_set.h"
#include "scores.h"
#include "sequences.h"
#include "settings.h"
#include "table.h"

enum { METHOD_NETWORK, METHOD_SOURCE, METHOD_MONOTONE, METHODS };
static const char *const baselines[METHODS] = {
    [METHOD_SOURCE] = "source", [METHOD_MONOTONE] = "monotone-map"};

typedef struct evaluate_options {
    const char *source;
    const char *target;
    bool baselines;
} evaluate_options;

typedef struct evaluation {
    evaluate_options options;
    scored run;
    size_t source, target; /* contrasts */
    int32_t target_resize;
    size_t side;                                       /* pixels */
    float *source_slices, *target_slices, *prediction; /* one batch each */
    monotone_map map;
    size_t methods; /* how many are compared */
    size_t subject_count;
    size_t *subjects; /* those that have both contrasts and are in the split */
    scores *means;    /* [method][subject] */
} evaluation;

#define EVALUATE(member) .offset = offsetof(evaluation, member)
static const field evaluate_fields[] = {
    {"model", "FILE", "fine-tuned checkpoint", FIELD_TEXT, EVALUATE(run.model_path), .flags = FIELD_REQUIRED},
    {"data", "FILE", "training set", FIELD_TEXT, EVALUATE(run.set_path), .flags = FIELD_REQUIRED},
    {"split", "test|train|all", "which subjects", FIELD_CHOICE, EVALUATE(run.split), split_choices},
    {"csv", "FILE", "write the metrics of each slice, each subject, and their mean and sd", FIELD_TEXT,
     EVALUATE(run.csv_path)},
    {"source", "NAME", "contrast to start from; default: the one of the fine-tuning", FIELD_TEXT,
     EVALUATE(options.source)},
    {"target", "NAME", "contrast to compare with; default: the one of the fine-tuning", FIELD_TEXT,
     EVALUATE(options.target)},
    {"baselines", NULL,
     "also compare the source itself, and the best monotone map from source to target intensities (isotonic "
     "regression over the pairs of the training subjects)",
     FIELD_FLAG, EVALUATE(options.baselines)},
    {"batch", "N", "slices computed together, at most", FIELD_INT, EVALUATE(run.batch)},
    {0}};

static const char doc[] =
    "Compare synthesized slices with the true ones: PSNR, SSIM, NMSE and MAE for each slice, averaged over "
    "each subject, then mean and standard deviation (divisor n - 1) over subjects. 'SSIM range 2' and 'NMSE "
    "spectral' "
    "are the figures of the paper's code.";

/* ---- opening ---- */

static int find_contrast(const evaluation *e, const char *asked, const char *card, size_t *index)
{
    const char *name = asked ? asked : slmt_model_card(e->run.model, card);
    if (!*name)
        return fail_with(EXIT_USAGE, "%s: its card has no %s; give --source and --target", e->run.model_path,
                         card);
    for (*index = 0; *index < slmt_dataset_contrast_count(e->run.set); ++*index)
        if (strcmp(slmt_dataset_contrast(e->run.set, *index), name) == 0)
            return EXIT_OK;
    return fail_with(EXIT_USAGE, "%s: has no contrast '%s'", e->run.set_path, name);
}

static int check_preprocess(evaluation *e)
{
    slmt_preprocess data;
    int code = scored_check(&e->run, &data);
    e->side = (size_t)data.image_size;
    e->target_resize = data.target_resize;
    return code;
}

static int open_session(evaluation *e)
{
    slmt_net_session_config config;
    slmt_net_session_config_init(&config);
    config.batch = e->run.batch;
    slmt_status status = slmt_net_session_create(e->run.model, &config, &e->run.session);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

static bool is_used(const evaluation *e, size_t subject, int32_t split)
{
    return in_split(e->run.set, subject, split) &&
           slmt_dataset_slice_count(e->run.set, subject, e->source) > 0 &&
           slmt_dataset_slice_count(e->run.set, subject, e->target) > 0;
}

static int choose_subjects(evaluation *e)
{
    size_t all = slmt_dataset_subject_count(e->run.set);
    e->subjects = must_alloc(all, sizeof *e->subjects);
    for (size_t i = 0; i < all; i++)
        if (is_used(e, i, e->run.split))
            e->subjects[e->subject_count++] = i;
    e->methods = e->options.baselines ? METHODS : 1;
    e->means = must_alloc(e->methods * e->subject_count, sizeof *e->means);
    return e->subject_count ? EXIT_OK
                            : fail_with(EXIT_DATA, "%s: no such subject has both contrasts", e->run.set_path);
}

static int begin_csv(evaluation *e)
{
    int code = scored_begin(&e->run);
    if (!e->run.csv)
        return code;
    fputs("method,level,subject,slice", e->run.csv);
    for (size_t j = 0; j < SCORES; j++)
        fprintf(e->run.csv, ",%s", score_names[j].key);
    fputc('\n', e->run.csv);
    return code;
}

static int open_all(evaluation *e)
{
    int code = scored_open(&e->run);
    if (code == EXIT_OK && takes_sequence(e->run.model))
        code =
            fail_with(EXIT_USAGE, "%s: makes several sequences; slmt rank compares them", e->run.model_path);
    if (code == EXIT_OK)
        code = find_contrast(e, e->options.source, "source_contrast", &e->source);
    if (code == EXIT_OK)
        code = find_contrast(e, e->options.target, "target_contrast", &e->target);
    if (code == EXIT_OK)
        code = pairs_differ(slmt_dataset_contrast(e->run.set, e->source),
                            slmt_dataset_contrast(e->run.set, e->target));
    if (code == EXIT_OK)
        code = check_preprocess(e);
    if (code == EXIT_OK)
        code = choose_subjects(e);
    if (code == EXIT_OK)
        code = open_session(e);
    if (code == EXIT_OK)
        code = begin_csv(e);
    if (code != EXIT_OK)
        return code;
    size_t pixels = (size_t)e->run.batch * e->side * e->side;
    e->source_slices = must_alloc(pixels, sizeof(float));
    e->target_slices = must_alloc(pixels, sizeof(float));
    e->prediction = must_alloc(pixels, sizeof(float));
    return EXIT_OK;
}

/* ---- reading and comparing ---- */

static int read_pairs(evaluation *e, size_t subject, size_t first, size_t count)
{
    size_t pixels = e->side * e->side;
    slmt_status status = SLMT_OK;
    for (size_t i = 0; i < count && status == SLMT_OK; i++) {
        status = slmt_dataset_read_slice(e->run.set, subject, e->source, first + i, SLMT_RESIZE_BILINEAR,
                                         e->source_slices + i * pixels);
        if (status == SLMT_OK)
            status = slmt_dataset_read_slice(e->run.set, subject, e->target, first + i, e->target_resize,
                                             e->target_slices + i * pixels);
    }
    if (status != SLMT_OK)
        return fail(status, "%s: %s", e->run.set_path, slmt_dataset_subject(e->run.set, subject));
    return interrupted() ? fail_with(EXIT_INTERRUPTED, "interrupted") : EXIT_OK;
}

/* The network's answer, the source as it is, or the mapped source, for the batch that was read. */
static int predict(evaluation *e, size_t method, size_t count)
{
    size_t pixels = count * e->side * e->side;
    slmt_status status = SLMT_OK;
    if (method == METHOD_NETWORK)
        status = slmt_synthesize(e->run.session, e->source_slices, count, e->prediction);
    else if (method == METHOD_SOURCE)
        memcpy(e->prediction, e->source_slices, pixels * sizeof(float));
    else
        monotone_map_apply(&e->map, e->source_slices, pixels, e->prediction);
    return status == SLMT_OK ? EXIT_OK : fail(status, "synthesis");
}

/* The network goes by its method. */
static const char *row_name(const evaluation *e, size_t method)
{
    return method == METHOD_NETWORK ? slmt_model_method(e->run.model) : baselines[method];
}

static void write_csv(evaluation *e, size_t method, const char *level, const char *subject, const char *slice,
                      const scores *row)
{
    if (!e->run.csv)
        return;
    fprintf(e->run.csv, "%s,%s,%s,%s", row_name(e, method), level, subject, slice);
    for (size_t j = 0; j < SCORES; j++)
        fprintf(e->run.csv, ",%.9g", row->value[j]);
    fputc('\n', e->run.csv);
}

static int compare_batch(evaluation *e, size_t method, size_t subject, size_t first, size_t count,
                         scores *rows)
{
    size_t pixels = e->side * e->side;
    int code = predict(e, method, count);
    for (size_t i = 0; i < count && code == EXIT_OK; i++) {
        slmt_metrics metrics = {.struct_size = sizeof metrics};
        slmt_status status = slmt_compare(e->prediction + i * pixels, e->target_slices + i * pixels, e->side,
                                          e->side, &metrics);
        if (status != SLMT_OK) {
            code = fail(status, "metrics");
            break;
        }
        char slice[24];
        snprintf(slice, sizeof slice, "%zu", first + i);
        rows[first + i] = scores_of(&metrics);
        write_csv(e, method, "slice", slmt_dataset_subject(e->run.set, subject), slice, &rows[first + i]);
    }
    return code;
}

static size_t pair_count(const evaluation *e, size_t subject)
{
    size_t source = slmt_dataset_slice_count(e->run.set, subject, e->source);
    size_t target = slmt_dataset_slice_count(e->run.set, subject, e->target);
    return source < target ? source : target;
}

typedef int (*batch_fn)(evaluation *e, size_t subject, size_t first, size_t count, void *user);

/* Reads a subject's pairs batch by batch and hands each to `batch`. */
static int each_batch(evaluation *e, size_t subject, batch_fn batch, void *user)
{
    size_t total = pair_count(e, subject);
    size_t step = (size_t)e->run.batch;
    int code = EXIT_OK;
    for (size_t first = 0; first < total && code == EXIT_OK; first += step) {
        size_t count = total - first < step ? total - first : step;
        code = read_pairs(e, subject, first, count);
        if (code == EXIT_OK)
            code = batch(e, subject, first, count, user);
    }
    return code;
}

static int add_to_map(evaluation *e, size_t subject, size_t first, size_t count, void *user)
{
    (void)subject, (void)first, (void)user;
    monotone_map_add(&e->map, e->source_slices, e->target_slices, count * e->side * e->side);
    return EXIT_OK;
}

static int fit_map(evaluation *e)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < slmt_dataset_subject_count(e->run.set) && code == EXIT_OK; i++)
        if (is_used(e, i, SLMT_SPLIT_TRAIN))
            code = each_batch(e, i, add_to_map, NULL);
    if (code == EXIT_OK && !monotone_map_fit(&e->map))
        code =
            fail_with(EXIT_DATA, "%s: --baselines: no training subject has both contrasts", e->run.set_path);
    return code;
}

/* `user` is rows[method], each with room for the subject's slices. */
static int compare_methods(evaluation *e, size_t subject, size_t first, size_t count, void *user)
{
    scores **rows = user;
    int code = EXIT_OK;
    for (size_t m = 0; m < e->methods && code == EXIT_OK; m++)
        code = compare_batch(e, m, subject, first, count, rows[m]);
    return code;
}

static void add_json_scores(cJSON *object, const scores *row)
{
    for (size_t j = 0; j < SCORES; j++)
        cJSON_AddNumberToObject(object, score_names[j].key, row->value[j]);
}

static void record_subject(evaluation *e, size_t index, scores *const *rows, size_t slices)
{
    const char *name = slmt_dataset_subject(e->run.set, e->subjects[index]);
    for (size_t m = 0; m < e->methods; m++) {
        scores *mean = &e->means[m * e->subject_count + index];
        *mean = scores_mean(rows[m], slices);
        write_csv(e, m, "subject", name, "", mean);
        cJSON *event = journal_event("subject");
        cJSON_AddStringToObject(event, "method", row_name(e, m));
        cJSON_AddStringToObject(event, "subject", name);
        add_json_scores(event, mean);
        journal_write(&e->run.log, event);
    }
}

static int compare_subject(evaluation *e, size_t index)
{
    size_t slices = pair_count(e, e->subjects[index]);
    scores *rows[METHODS] = {0};
    for (size_t m = 0; m < e->methods; m++)
        rows[m] = must_alloc(slices, sizeof **rows);
    int code = each_batch(e, e->subjects[index], compare_methods, rows);
    if (code == EXIT_OK)
        record_subject(e, index, rows, slices);
    for (size_t m = 0; m < e->methods; m++)
        free(rows[m]);
    return code;
}

/* ---- results ---- */

static void table_scores(table *t, const char *first, const char *second, const scores *row)
{
    table_cell(t, "%s", first);
    table_cell(t, "%s", second);
    for (size_t j = 0; j < SCORES; j++) {
        if (isnan(row->value[j]))
            table_cell(t, "-");
        else
            table_cell(t, "%.*f", score_names[j].decimals, row->value[j]);
    }
}

static void begin_table(table *t, const char *second)
{
    table_begin(t, 2 + SCORES);
    table_cell(t, "method");
    table_cell(t, "%s", second);
    for (size_t j = 0; j < SCORES; j++)
        table_cell(t, "%s", score_names[j].column);
}

static void print_subjects(const evaluation *e)
{
    table t;
    begin_table(&t, "subject");
    for (size_t i = 0; i < e->subject_count; i++)
        for (size_t m = 0; m < e->methods; m++)
            table_scores(&t, row_name(e, m), slmt_dataset_subject(e->run.set, e->subjects[i]),
                         &e->means[m * e->subject_count + i]);
    table_print(&t);
}

static void log_summary(evaluation *e, size_t method, const scores *mean, const scores *deviation)
{
    cJSON *event = journal_event("summary");
    cJSON_AddStringToObject(event, "method", row_name(e, method));
    cJSON_AddNumberToObject(event, "subjects", (double)e->subject_count);
    add_json_scores(cJSON_AddObjectToObject(event, "mean"), mean);
    add_json_scores(cJSON_AddObjectToObject(event, "sd"), deviation);
    journal_write(&e->run.log, event);
}

static void print_summary(evaluation *e)
{
    table t;
    begin_table(&t, "subjects");
    for (size_t m = 0; m < e->methods; m++) {
        const scores *rows = &e->means[m * e->subject_count];
        scores mean = scores_mean(rows, e->subject_count);
        scores deviation = scores_deviation(rows, e->subject_count);
        table_scores(&t, row_name(e, m), "mean", &mean);
        table_scores(&t, row_name(e, m), "sd", &deviation);
        write_csv(e, m, "mean", "", "", &mean);
        write_csv(e, m, "sd", "", "", &deviation);
        log_summary(e, m, &mean, &deviation);
    }
    table_print(&t);
}

static int evaluate(evaluation *e)
{
    progress bar;
    int code = e->options.baselines ? fit_map(e) : EXIT_OK;
    progress_begin(&bar, "evaluate", "subjects", 0);
    for (size_t i = 0; i < e->subject_count && code == EXIT_OK; i++) {
        code = compare_subject(e, i);
        progress_update(&bar, i + 1, e->subject_count, "");
    }
    progress_end();
    if (code != EXIT_OK)
        return code;
    printf("%s to %s, subjects: %zu\n\n", slmt_dataset_contrast(e->run.set, e->source),
           slmt_dataset_contrast(e->run.set, e->target), e->subject_count);
    print_subjects(e);
    putchar('\n');
    print_summary(e);
    return EXIT_OK;
}

static int close_all(evaluation *e)
{
    int code = scored_close(&e->run);
    free(e->source_slices);
    free(e->target_slices);
    free(e->prediction);
    free(e->subjects);
    free(e->means);
    return code;
}

int command_evaluate(int argc, char **argv)
{
    evaluation e = {.run = SCORED_DEFAULTS};
    command_line line = {.doc = doc};
    scored_parse(&line, evaluate_fields, &e, &e.run, argc, argv);
    int code = open_all(&e);
    if (code == EXIT_OK)
        code = evaluate(&e);
    int close_code = close_all(&e);
    options_free(&line);
    return code ? code : close_code;
}
