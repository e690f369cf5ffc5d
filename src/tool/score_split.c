/* SPDX-License-Identifier: Apache-2.0 */
/* score_split.c - reads a subject's slices, predicts them by each method, and keeps the figures. */
#include "score_split.h"

#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "interrupt.h"
#include "monotone_map.h"
#include "must.h"
#include "pair_slices.h"
#include "pairs.h"
#include "scored_set.h"
#include "sequences.h"
#include "tool.h"

typedef struct scoring {
    const score_options *options;
    slmt_model *model;
    pair_of pair;
    slmt_session *session;
    split_scores *out;
    size_t side;        /* pixels */
    pair_slices slices; /* of one subject */
    monotone_map map;
    measure measure;
} scoring;

/* ---- opening ---- */

static int find_contrast(const scoring *s, const char *asked, const char *card, size_t *index)
{
    const char *name = asked ? asked : slmt_model_card(s->model, card);
    if (!*name)
        return fail_with(EXIT_USAGE, "%s: its card has no %s; give --source and --target",
                         s->options->model_name, card);
    for (*index = 0; *index < slmt_dataset_contrast_count(s->pair.set); ++*index)
        if (strcmp(slmt_dataset_contrast(s->pair.set, *index), name) == 0)
            return EXIT_OK;
    return fail_with(EXIT_USAGE, "%s: has no contrast '%s'; `slmt info %s' lists those of the set",
                     s->options->set_name, name, s->options->set_name);
}

/* A model that makes one contrast may be scored with others, which is seldom meant. */
static int check_asked(const scoring *s, const char *option, const char *name, const char *does,
                       const char *key)
{
    const char *card = slmt_model_card(s->model, key);
    if (!*card || strcmp(card, name) == 0 || takes_sequence(s->model))
        return EXIT_OK;
    return warn("--%s: %s %s %s, not %s: the figures are not those of what it was trained for", option,
                s->options->model_name, does, card, name);
}

static int check_direction(const scoring *s)
{
    int code = check_asked(s, "source", s->out->source, "starts from", "source_contrast");
    return code == EXIT_OK ? check_asked(s, "target", s->out->target, "makes", "target_contrast") : code;
}

static int find_contrasts(scoring *s)
{
    int code = find_contrast(s, s->options->source, "source_contrast", &s->pair.source);
    if (code == EXIT_OK)
        code = find_contrast(s, s->options->target, "target_contrast", &s->pair.target);
    if (code != EXIT_OK)
        return code;
    s->out->source = slmt_dataset_contrast(s->pair.set, s->pair.source);
    s->out->target = slmt_dataset_contrast(s->pair.set, s->pair.target);
    int same = pairs_differ(s->out->source, s->out->target);
    return same == EXIT_OK ? check_direction(s) : same;
}

static int read_side(scoring *s)
{
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    slmt_status status = slmt_dataset_get_preprocess(s->pair.set, &p);
    s->side = (size_t)p.image_size;
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", s->options->set_name);
}

/* A session that makes the target. */
static int open_session(scoring *s)
{
    int code = slice_session(s->model, s->options->batch, &s->session);
    if (code != EXIT_OK || !takes_sequence(s->model))
        return code;
    int32_t index = sequence_index(s->model, s->out->target);
    if (index < 0)
        return no_such_sequence(s->model, s->options->model_name, s->out->target);
    slmt_status status = choose_sequence(s->session, index);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

static bool is_used(const scoring *s, size_t subject, int32_t split)
{
    return in_split(s->pair.set, subject, split) && pair_slices_count(s->pair, subject) > 0;
}

static size_t count_used(const scoring *s, int32_t split)
{
    size_t count = 0;
    for (size_t i = 0; i < slmt_dataset_subject_count(s->pair.set); i++)
        count += is_used(s, i, split);
    return count;
}

static int no_subjects(const scoring *s)
{
    const size_t train = count_used(s, SLMT_SPLIT_TRAIN), validation = count_used(s, SLMT_SPLIT_VALIDATION),
                 test = count_used(s, SLMT_SPLIT_TEST);
    return fail_with(
        EXIT_USAGE,
        "%s: no subject of --split %s has both %s and %s; train has %zu such subjects, validation "
        "%zu, test %zu",
        s->options->set_name, split_name(s->options->split), s->out->source, s->out->target, train,
        validation, test);
}

static int open_all(scoring *s, slmt_context *context)
{
    int code = figures_of(s->model, s->options->measure.perceptual != NULL, &s->out->figures);
    if (code == EXIT_OK && takes_sequence(s->model))
        code = need_sequences(s->model, s->options->model_name);
    if (code == EXIT_OK)
        code = find_contrasts(s);
    if (code == EXIT_OK)
        code = read_side(s);
    if (code == EXIT_OK && count_used(s, s->options->split) == 0)
        code = no_subjects(s);
    if (code == EXIT_OK)
        code = open_session(s);
    if (code == EXIT_OK)
        code =
            measure_open(&s->measure, &s->options->measure, context, s->pair.set, s->side, s->options->batch);
    return code;
}

/* ---- slices of a subject ---- */

static int read_pair(scoring *s, size_t subject)
{
    pair_slices_free(&s->slices);
    int code = pair_slices_read(s->pair, subject, 0, &s->slices);
    return code == EXIT_OK && interrupted() ? fail_with(EXIT_INTERRUPTED, "interrupted") : code;
}

static int learn_map(scoring *s)
{
    bool found;
    int code = pair_map_learn(s->pair, &s->map, &found);
    if (code == EXIT_OK && !found)
        code = fail_with(EXIT_USAGE, "%s: --baselines: no training subject has both %s and %s",
                         s->options->set_name, s->out->source, s->out->target);
    return code;
}

static int predict(scoring *s, size_t method)
{
    if (method == SCORE_NETWORK)
        return pair_slices_by_model(&s->slices, s->session);
    if (method == SCORE_SOURCE)
        pair_slices_by_source(&s->slices);
    else
        pair_slices_by_map(&s->slices, &s->map);
    return EXIT_OK;
}

/* ---- scoring ---- */

/* Keeps a method's figures by every definition. */
static void keep(scoring *s, subject_scores *subject, size_t method, const measured *slices)
{
    for (int32_t d = SLMT_DEFINITION_VOLUME; d <= DEFINITIONS; d++) {
        slmt_metrics metrics;
        double distance;
        measured_combine(slices, d, &metrics, &distance);
        subject->by[method][d] = scores_of(&s->out->figures, &metrics, distance);
        subject->slices = metrics.slices;
        subject->empty = metrics.slices - metrics.with_signal;
    }
}

static int score_method(scoring *s, subject_scores *subject, size_t method)
{
    measured slices = {0};
    int code = predict(s, method);
    if (code == EXIT_OK)
        code = measure_slices(&s->measure, s->slices.made, s->slices.target, &slices);
    if (code == EXIT_OK) {
        keep(s, subject, method, &slices);
        if (s->options->on_slices)
            s->options->on_slices(s->options->user, s->out, subject, method, &slices);
    }
    measured_free(&slices);
    return code;
}

static int score_subject(scoring *s, size_t index)
{
    split_scores *out = s->out;
    subject_scores *subject = &out->subjects[out->count];
    *subject = (subject_scores){.subject = index, .name = slmt_dataset_subject(s->pair.set, index)};
    int code = read_pair(s, index);
    if (code == EXIT_OK)
        code = measure_subject(&s->measure, index, s->slices.source, s->slices.target, s->slices.count);
    for (size_t m = 0; m < out->methods && code == EXIT_OK; m++)
        code = score_method(s, subject, m);
    if (code != EXIT_OK)
        return code;
    if (subject->empty == subject->slices)
        return warn("%s: is left out: no slice of %s has signal%s", subject->name, out->target,
                    s->measure.mask_name ? " inside the mask" : "");
    out->count++;
    return EXIT_OK;
}

static int score_subjects(scoring *s)
{
    size_t total = count_used(s, s->options->split);
    int code = EXIT_OK;
    s->out->subjects = must_alloc(total, sizeof *s->out->subjects);
    for (size_t i = 0; i < slmt_dataset_subject_count(s->pair.set) && code == EXIT_OK; i++)
        if (is_used(s, i, s->options->split)) {
            code = score_subject(s, i);
            if (code == EXIT_OK && s->options->on_subject)
                s->options->on_subject(s->options->user, s->out, total);
        }
    if (code == EXIT_OK && s->out->count == 0)
        code = fail_with(EXIT_USAGE, "%s: no subject of --split %s has signal in %s", s->options->set_name,
                         split_name(s->options->split), s->out->target);
    return code;
}

int score_split(slmt_context *context, slmt_model *model, slmt_dataset *set, const score_options *o,
                split_scores *out)
{
    scoring s = {.options = o, .model = model, .pair = {.set = set}, .out = out};
    *out = (split_scores){.method = {slmt_model_method(model), "source", "monotone-map"},
                          .methods = o->baselines ? SCORE_METHODS : 1};
    int code = open_all(&s, context);
    if (code == EXIT_OK && o->on_begin)
        code = o->on_begin(o->user, out);
    if (code == EXIT_OK && o->baselines)
        code = learn_map(&s);
    if (code == EXIT_OK)
        code = score_subjects(&s);
    measure_close(&s.measure);
    slmt_session_free(s.session);
    pair_slices_free(&s.slices);
    return code;
}

/* ---- over subjects ---- */

static scores *column(const split_scores *s, size_t method, int32_t definition)
{
    scores *rows = must_alloc(s->count + 1, sizeof *rows);
    for (size_t i = 0; i < s->count; i++)
        rows[i] = s->subjects[i].by[method][definition];
    return rows;
}

scores split_mean(const split_scores *s, size_t method, int32_t definition)
{
    scores *rows = column(s, method, definition), mean = scores_mean(rows, s->count);
    free(rows);
    return mean;
}

scores split_deviation(const split_scores *s, size_t method, int32_t definition)
{
    scores *rows = column(s, method, definition), deviation = scores_deviation(rows, s->count);
    free(rows);
    return deviation;
}

paired split_paired(const split_scores *s, size_t ours, size_t theirs, int32_t definition, size_t index)
{
    scores *a = column(s, ours, definition), *b = column(s, theirs, definition);
    paired p = scores_paired(a, b, s->count, index, s->figures.row[index].direction);
    free(a);
    free(b);
    return p;
}

void split_scores_free(split_scores *s)
{
    free(s->subjects);
    *s = (split_scores){0};
}
