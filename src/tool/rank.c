/* SPDX-License-Identifier: Apache-2.0 */
/* rank.c - slmt rank: every sequence of every subject is made from every other, and what that says of the
 * sequences.
 */
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "csv.h"
#include "interrupt.h"
#include "journal.h"
#include "measure.h"
#include "must.h"
#include "options.h"
#include "paths.h"
#include "picture.h"
#include "scored_set.h"
#include "sequences.h"
#include "settings.h"
#include "table.h"

typedef struct rank_options {
    const char *ranking;
    const char *png;
    int32_t self;
} rank_options;

typedef struct ranking {
    rank_options options;
    scored run;
    size_t side;                      /* pixels */
    size_t contrasts[MOST_SEQUENCES]; /* of the set, those that are ranked */
    size_t count;
    float *source, *target, *predicted; /* slices of one subject */
    measure measure;
    slmt_pair_score *scores;
    size_t score_count;
    uint64_t pairs, done;
    progress bar;
    double totipotency[MOST_SEQUENCES], differentiation[MOST_SEQUENCES];
} ranking;

static const field_choice selves[] = {{"exclude", SLMT_SELF_EXCLUDE},
                                      {"include", SLMT_SELF_INCLUDE},
                                      {"zscore-only", SLMT_SELF_ZSCORE_ONLY},
                                      {0}};

#define RANK(member) .offset = offsetof(ranking, member)
static const field rank_fields[] = {
    {"model", "FILE", "checkpoint of slmt train", FIELD_TEXT, RANK(run.model_path),
     .flags = FIELD_REQUIRED | FIELD_INPUT},
    {"data", "FILE", "training set", FIELD_TEXT, RANK(run.set_path), .flags = FIELD_REQUIRED | FIELD_INPUT},
    {"split", "test|validation|train|all", "which subjects", FIELD_CHOICE, RANK(run.split), split_choices},
    {"csv", "FILE", "write the figures of each subject, source and target", FIELD_TEXT, RANK(run.csv_path),
     .flags = FIELD_OUTPUT, .endings = ".csv .tsv .txt"},
    {"ranking", "FILE", "write the ranking as CSV", FIELD_TEXT, RANK(options.ranking), .flags = FIELD_OUTPUT,
     .endings = ".csv .tsv .txt"},
    {"png", "FILE", "draw the ranking as bars", FIELD_TEXT, RANK(options.png), .flags = FIELD_OUTPUT,
     .endings = ".png"},
    {"self", "exclude|include|zscore-only",
     "what is made of a sequence from itself: left out, counted, or counted in means and deviations alone "
     "(the paper's table)",
     FIELD_CHOICE, RANK(options.self), selves},
    {"batch", "N", "slices computed together, at most", FIELD_INT, RANK(run.batch), .low = 1, .high = 65536},
    {0}};

static const char doc[] =
    "Rank sequences by how well they make the others (C_t, totipotency) and by how "
    "badly the others make them "
    "(C_d, differentiation). Each sequence of each subject is made from each other "
    "one; its PSNR and SSIM (range 0 to 1), and the perceptual distance if it is measured, "
    "are compared as z-scores over all pairs. Both measure use for synthesis, not for a diagnosis.";

/* ---- opening ---- */

static bool has(const ranking *r, size_t subject, size_t sequence)
{
    return slmt_dataset_slice_count(r->run.set, subject, r->contrasts[sequence]) > 0;
}

static const char *name_of(const ranking *r, size_t sequence)
{
    return slmt_dataset_contrast(r->run.set, r->contrasts[sequence]);
}

static int check_preprocess(ranking *r)
{
    slmt_preprocess data;
    int code = scored_check(&r->run, &data);
    r->side = (size_t)data.image_size;
    return code;
}

/* Ranked are the contrasts that any subject has. */
static int choose_sequences(ranking *r)
{
    for (size_t c = 0; c < slmt_dataset_contrast_count(r->run.set); c++) {
        bool any = false;
        for (size_t s = 0; s < slmt_dataset_subject_count(r->run.set); s++)
            any = any ||
                  (in_split(r->run.set, s, r->run.split) && slmt_dataset_slice_count(r->run.set, s, c) > 0);
        if (!any)
            continue;
        if (sequence_index(r->run.model, slmt_dataset_contrast(r->run.set, c)) < 0)
            return no_such_sequence(r->run.model, r->run.model_path, slmt_dataset_contrast(r->run.set, c));
        r->contrasts[r->count++] = c;
    }
    return EXIT_OK;
}

static bool is_pair(const ranking *r, size_t subject, size_t source, size_t target)
{
    return (source != target || r->options.self != SLMT_SELF_EXCLUDE) && has(r, subject, source) &&
           has(r, subject, target);
}

static int count_pairs(ranking *r)
{
    for (size_t s = 0; s < slmt_dataset_subject_count(r->run.set); s++)
        for (size_t i = 0; in_split(r->run.set, s, r->run.split) && i < r->count * r->count; i++)
            r->pairs += is_pair(r, s, i / r->count, i % r->count);
    r->scores = must_alloc(r->pairs, sizeof *r->scores);
    return r->pairs ? EXIT_OK
                    : fail_with(EXIT_USAGE, "%s: no subject of --split %s has two sequences", r->run.set_path,
                                split_name(r->run.split));
}

static int open_session(ranking *r)
{
    return slice_session(r->run.model, r->run.batch, &r->run.session);
}

static int begin_csv(ranking *r)
{
    int code = scored_begin(&r->run);
    if (r->run.table.out)
        fputs("subject,source,target,psnr,ssim,perceptual,definition,slices,empty\n", r->run.table.out);
    return code;
}

static int open_files(ranking *r)
{
    const rank_options *o = &r->options;
    const char *const outputs[] = {r->run.csv_path, o->ranking, o->png};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        if (outputs[i] && !can_write(outputs[i]))
            return fail_errno(errno, "%s", outputs[i]);
    return scored_open(&r->run);
}

/* The most slices that a subject has in a sequence. */
static size_t most_slices(const ranking *r)
{
    size_t most = 0;
    for (size_t s = 0; s < slmt_dataset_subject_count(r->run.set); s++)
        for (size_t i = 0; i < r->count; i++) {
            size_t n = slmt_dataset_slice_count(r->run.set, s, r->contrasts[i]);
            most = n > most ? n : most;
        }
    return most;
}

static int open_all(ranking *r)
{
    int code = open_files(r);
    if (code == EXIT_OK)
        code = need_sequences(r->run.model, r->run.model_path);
    if (code == EXIT_OK)
        code = check_preprocess(r);
    if (code == EXIT_OK)
        code = choose_sequences(r);
    if (code == EXIT_OK)
        code = count_pairs(r);
    if (code == EXIT_OK)
        code = open_session(r);
    if (code == EXIT_OK)
        code = measure_open(&r->measure, &r->run.measure, r->run.context, r->run.set, r->side, r->run.batch);
    if (code == EXIT_OK)
        code = begin_csv(r);
    if (code != EXIT_OK)
        return code;
    size_t pixels = r->side * r->side, slices = most_slices(r);
    r->source = must_alloc(slices * pixels, sizeof(float));
    r->target = must_alloc(slices * pixels, sizeof(float));
    r->predicted = must_alloc(slices * pixels, sizeof(float));
    return EXIT_OK;
}

/* ---- one pair ---- */

static int read_slices(ranking *r, size_t subject, size_t sequence, float *to)
{
    size_t pixels = r->side * r->side;
    size_t count = slmt_dataset_slice_count(r->run.set, subject, r->contrasts[sequence]);
    slmt_status status = SLMT_OK;
    for (size_t i = 0; i < count && status == SLMT_OK; i++)
        status = slmt_dataset_read_slice(r->run.set, subject, r->contrasts[sequence], i, SLMT_RESIZE_BILINEAR,
                                         to + i * pixels);
    return status == SLMT_OK
               ? EXIT_OK
               : fail(status, "%s: %s", r->run.set_path, slmt_dataset_subject(r->run.set, subject));
}

/* What becomes of one sequence of a subject, made from another. */
typedef struct pair {
    slmt_pair_score score;
    slmt_metrics metrics;
} pair;

static int make_slices(ranking *r, const pair *p)
{
    slmt_status status =
        choose_sequence(r->run.session, sequence_index(r->run.model, name_of(r, (size_t)p->score.target)));
    if (status == SLMT_OK)
        status = slmt_synthesize(r->run.session, r->source, r->measure.slices, r->predicted);
    return status == SLMT_OK ? EXIT_OK
                             : fail(status, "%s", slmt_dataset_subject(r->run.set, (size_t)p->score.subject));
}

static int measure_pair(ranking *r, pair *p)
{
    measured slices = {0};
    int code = make_slices(r, p);
    if (code == EXIT_OK)
        code = measure_slices(&r->measure, r->predicted, r->target, &slices);
    if (code == EXIT_OK)
        measured_combine(&slices, r->run.measure.definition, &p->metrics, &p->score.lpips);
    measured_free(&slices);
    p->score.psnr = p->metrics.psnr;
    p->score.ssim = p->metrics.ssim;
    return code;
}

static void write_pair(ranking *r, const pair *p)
{
    FILE *csv = r->run.table.out;
    if (!csv)
        return;
    csv_put(csv, slmt_dataset_subject(r->run.set, (size_t)p->score.subject));
    fprintf(csv, ",%s,%s,%.9g,%.9g,", name_of(r, (size_t)p->score.source),
            name_of(r, (size_t)p->score.target), p->score.psnr, p->score.ssim);
    if (!isnan(p->score.lpips))
        fprintf(csv, "%.9g", p->score.lpips);
    fprintf(csv, ",%s,%" PRId64 ",%" PRId64 "\n", definition_name(r->run.measure.definition),
            p->metrics.slices, p->metrics.slices - p->metrics.with_signal);
}

static void log_pair(ranking *r, const pair *p)
{
    cJSON *event = journal_event("pair");
    cJSON_AddStringToObject(event, "subject", slmt_dataset_subject(r->run.set, (size_t)p->score.subject));
    cJSON_AddStringToObject(event, "source", name_of(r, (size_t)p->score.source));
    cJSON_AddStringToObject(event, "target", name_of(r, (size_t)p->score.target));
    cJSON_AddNumberToObject(event, "psnr", p->score.psnr);
    cJSON_AddNumberToObject(event, "ssim", p->score.ssim);
    if (!isnan(p->score.lpips))
        cJSON_AddNumberToObject(event, "perceptual", p->score.lpips);
    journal_write(&r->run.log, event);
}

/* Pairs whose target has nothing to see say nothing of the sequences. */
static int record(ranking *r, const pair *p)
{
    if (p->metrics.with_signal == 0)
        return warn("%s: %s to %s is left out: no slice of %s has signal",
                    slmt_dataset_subject(r->run.set, (size_t)p->score.subject),
                    name_of(r, (size_t)p->score.source), name_of(r, (size_t)p->score.target),
                    name_of(r, (size_t)p->score.target));
    write_pair(r, p);
    log_pair(r, p);
    r->scores[r->score_count++] = p->score;
    return EXIT_OK;
}

static int score_pair(ranking *r, size_t subject, size_t source, size_t target)
{
    size_t n = slmt_dataset_slice_count(r->run.set, subject, r->contrasts[source]);
    size_t m = slmt_dataset_slice_count(r->run.set, subject, r->contrasts[target]);
    pair p = {.score = {.subject = (int32_t)subject, .source = (int32_t)source, .target = (int32_t)target}};
    int code = read_slices(r, subject, target, r->target);
    if (code == EXIT_OK)
        code = measure_subject(&r->measure, subject, r->source, r->target, n < m ? n : m);
    if (code == EXIT_OK)
        code = measure_pair(r, &p);
    if (code == EXIT_OK)
        code = record(r, &p);
    progress_update(&r->bar, ++r->done, r->pairs, "");
    return code == EXIT_OK && interrupted() ? fail_with(EXIT_INTERRUPTED, "interrupted") : code;
}

static int score_subject(ranking *r, size_t subject)
{
    int code = EXIT_OK;
    for (size_t source = 0; source < r->count && code == EXIT_OK; source++) {
        code = read_slices(r, subject, source, r->source);
        for (size_t target = 0; target < r->count && code == EXIT_OK; target++)
            if (is_pair(r, subject, source, target))
                code = score_pair(r, subject, source, target);
    }
    return code;
}

/* ---- the same subjects ---- */

static size_t subjects_of(const ranking *r, size_t source, size_t target)
{
    size_t count = 0;
    for (size_t i = 0; i < r->score_count; i++)
        count += r->scores[i].source == (int32_t)source && r->scores[i].target == (int32_t)target;
    return count;
}

/* Subjects that have any pair; the rows of one stand together. */
static size_t all_subjects(const ranking *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->score_count; i++)
        count += i == 0 || r->scores[i].subject != r->scores[i - 1].subject;
    return count;
}

/* Figures of pairs are compared with each other: those of other subjects are easier or harder by themselves.
 */
static int check_subjects(const ranking *r)
{
    size_t all = all_subjects(r), least = all, source = 0, target = 0;
    for (size_t i = 0; i < r->count * r->count; i++) {
        size_t n = subjects_of(r, i / r->count, i % r->count);
        if (i / r->count != i % r->count && n < least) {
            least = n;
            source = i / r->count;
            target = i % r->count;
        }
    }
    if (least == all)
        return EXIT_OK;
    return warn(
        "%s: pairs rest on different subjects, %s to %s on %zu of %zu: figures of other subjects are easier "
        "or harder by themselves; --csv shows which",
        r->run.set_path, name_of(r, source), name_of(r, target), least, all);
}

/* ---- results ---- */

/* 1 for the most. */
static size_t place_of(const double *values, size_t count, size_t index)
{
    size_t place = 1;
    for (size_t i = 0; i < count; i++)
        place += values[i] > values[index];
    return place;
}

static void print_ranking(const ranking *r)
{
    table t;
    int32_t definition = r->run.measure.definition;
    printf("definition %s: %s\n\n", definition_name(definition), definition_text(definition));
    table_begin(&t, 5);
    for (size_t i = 0; i < 5; i++)
        table_cell(&t, "%s", (const char *[]){"sequence", "C_t", "rank", "C_d", "rank"}[i]);
    for (size_t i = 0; i < r->count; i++) {
        table_cell(&t, "%s", name_of(r, i));
        table_cell(&t, "%.3f", r->totipotency[i]);
        table_cell(&t, "%zu", place_of(r->totipotency, r->count, i));
        table_cell(&t, "%.3f", r->differentiation[i]);
        table_cell(&t, "%zu", place_of(r->differentiation, r->count, i));
    }
    table_print(&t);
}

static int write_ranking(const ranking *r)
{
    table_file table;
    int code = r->options.ranking ? table_file_begin(&table, r->options.ranking) : EXIT_OK;
    if (!r->options.ranking || code != EXIT_OK)
        return code;
    fputs("sequence,c_t,c_t_rank,c_d,c_d_rank\n", table.out);
    for (size_t i = 0; i < r->count; i++)
        fprintf(table.out, "%s,%.9g,%zu,%.9g,%zu\n", name_of(r, i), r->totipotency[i],
                place_of(r->totipotency, r->count, i), r->differentiation[i],
                place_of(r->differentiation, r->count, i));
    return table_file_finish(&table, true);
}

static int draw_ranking(const ranking *r)
{
    static const char *const series[2] = {"C_t: how well it makes the others", "C_d: how hard it is to make"};
    bar_group groups[MOST_SEQUENCES];
    if (!r->options.png)
        return EXIT_OK;
    for (size_t i = 0; i < r->count; i++)
        groups[i] = (bar_group){name_of(r, i), {r->totipotency[i], r->differentiation[i]}};
    return picture_bars(r->options.png, groups, r->count, series, "Imaging differentiation");
}

static void log_ranking(ranking *r)
{
    for (size_t i = 0; i < r->count; i++) {
        cJSON *event = journal_event("sequence");
        cJSON_AddStringToObject(event, "sequence", name_of(r, i));
        cJSON_AddNumberToObject(event, "c_t", r->totipotency[i]);
        cJSON_AddNumberToObject(event, "c_d", r->differentiation[i]);
        journal_write(&r->run.log, event);
    }
}

static int rank(ranking *r)
{
    slmt_ranking_options options;
    int code = EXIT_OK;
    progress_begin(&r->bar, "rank", "pairs", 0);
    for (size_t s = 0; s < slmt_dataset_subject_count(r->run.set) && code == EXIT_OK; s++)
        if (in_split(r->run.set, s, r->run.split))
            code = score_subject(r, s);
    progress_end();
    if (code == EXIT_OK)
        code = check_subjects(r);
    if (code != EXIT_OK)
        return code;
    slmt_ranking_options_init(&options);
    options.self = r->options.self;
    slmt_status status = slmt_rank_sequences(r->scores, r->score_count, r->count, &options, r->totipotency,
                                             r->differentiation, NULL);
    if (status != SLMT_OK)
        return fail(status, "ranking");
    print_ranking(r);
    log_ranking(r);
    code = write_ranking(r);
    return code == EXIT_OK ? draw_ranking(r) : code;
}

static int close_all(ranking *r, int code)
{
    measure_close(&r->measure);
    code = scored_close(&r->run, code);
    free(r->source);
    free(r->target);
    free(r->predicted);
    free(r->scores);
    return code;
}

int command_rank(int argc, char **argv)
{
    ranking r = {.run = SCORED_DEFAULTS, .options.self = SLMT_SELF_EXCLUDE};
    command_line line = {.doc = doc};
    scored_parse(&line, rank_fields, &r, &r.run, argc, argv);
    int code = open_all(&r);
    if (code == EXIT_OK)
        code = rank(&r);
    code = close_all(&r, code);
    options_free(&line);
    return code;
}
