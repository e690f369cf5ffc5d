/* SPDX-License-Identifier: Apache-2.0 */
/* fit_score.c - reading, making and comparing the slices of a subject. */
#include "fit_score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "sequences.h"
#include "tool.h"

enum { SOURCE, TARGET, BATCH = 4 };

/* ---- slices ---- */

static size_t pair_count(const slmt_dataset *set, size_t subject)
{
    size_t a = slmt_dataset_slice_count(set, subject, SOURCE),
           b = slmt_dataset_slice_count(set, subject, TARGET);
    return a < b ? a : b;
}

int fit_slices_read(slmt_dataset *set, size_t subject, size_t most, fit_slices *slices)
{
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    slmt_status status = slmt_dataset_get_preprocess(set, &p);
    size_t all = pair_count(set, subject), count = most && all > most ? most : all, first = (all - count) / 2;
    size_t side = (size_t)p.image_size, pixels = side * side;
    *slices = (fit_slices){.count = count,
                           .side = side,
                           .source = must_alloc(count * pixels, sizeof(float)),
                           .target = must_alloc(count * pixels, sizeof(float)),
                           .made = must_alloc(count * pixels, sizeof(float))};
    for (size_t i = 0; i < count && status == SLMT_OK; i++) {
        status = slmt_dataset_read_slice(set, subject, SOURCE, first + i, SLMT_RESIZE_BILINEAR,
                                         slices->source + i * pixels);
        if (status == SLMT_OK)
            status = slmt_dataset_read_slice(set, subject, TARGET, first + i, p.target_resize,
                                             slices->target + i * pixels);
    }
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", slmt_dataset_subject(set, subject));
}

void fit_slices_free(fit_slices *slices)
{
    free(slices->source);
    free(slices->target);
    free(slices->made);
    *slices = (fit_slices){0};
}

/* ---- what is made of them ---- */

int fit_slices_by_model(fit_slices *s, slmt_session *session)
{
    slmt_status status = s->count ? slmt_synthesize(session, s->source, s->count, s->made) : SLMT_OK;
    return status == SLMT_OK ? EXIT_OK : fail(status, "synthesis");
}

void fit_slices_by_source(fit_slices *s)
{
    memcpy(s->made, s->source, s->count * s->side * s->side * sizeof *s->made);
}

void fit_slices_by_map(fit_slices *s, const monotone_map *map)
{
    monotone_map_apply(map, s->source, s->count * s->side * s->side, s->made);
}

int fit_map_learn(slmt_dataset *set, monotone_map *map)
{
    int code = EXIT_OK;
    *map = (monotone_map){0};
    for (size_t i = 0; i < slmt_dataset_subject_count(set) && code == EXIT_OK; i++) {
        if (slmt_dataset_subject_split(set, i) != SLMT_SPLIT_TRAIN || pair_count(set, i) == 0)
            continue;
        fit_slices s;
        code = fit_slices_read(set, i, 0, &s);
        if (code == EXIT_OK)
            monotone_map_add(map, s.source, s.target, s.count * s.side * s.side);
        fit_slices_free(&s);
    }
    if (code == EXIT_OK && !monotone_map_fit(map))
        code = fail_with(EXIT_DATA, "no training subject has both contrasts");
    return code;
}

/* ---- figures ---- */

int fit_slices_score(const fit_slices *s, fit_score *score)
{
    size_t pixels = s->side * s->side;
    slmt_metrics all = {.struct_size = sizeof all}, *slices = must_alloc(s->count, sizeof *slices);
    slmt_status status = SLMT_OK;
    for (size_t i = 0; i < s->count && status == SLMT_OK; i++) {
        slices[i].struct_size = sizeof *slices;
        status = slmt_compare(s->made + i * pixels, s->target + i * pixels, s->side, s->side, &slices[i]);
    }
    if (status == SLMT_OK)
        status = slmt_metrics_combine(slices, s->count, SLMT_DEFINITION_VOLUME, &all);
    free(slices);
    *score = (fit_score){all.psnr, all.ssim, all.nmse, all.mae, (size_t)(all.slices - all.with_signal)};
    return status == SLMT_OK ? EXIT_OK : fail(status, "metrics");
}

static int subject_psnr(slmt_session *session, slmt_dataset *set, size_t subject, size_t most, double *psnr)
{
    fit_slices s;
    fit_score score = {0};
    int code = fit_slices_read(set, subject, most, &s);
    if (code == EXIT_OK)
        code = fit_slices_by_model(&s, session);
    if (code == EXIT_OK)
        code = fit_slices_score(&s, &score);
    *psnr = score.psnr;
    fit_slices_free(&s);
    return code;
}

int fit_psnr(slmt_model *model, slmt_dataset *set, int32_t split, size_t most, double *psnr)
{
    slmt_session *session = NULL;
    size_t n = 0;
    double sum = 0, one;
    int code = slice_session(model, BATCH, &session);
    for (size_t i = 0; i < slmt_dataset_subject_count(set) && code == EXIT_OK; i++) {
        if (slmt_dataset_subject_split(set, i) != split || pair_count(set, i) == 0)
            continue;
        code = subject_psnr(session, set, i, most, &one);
        sum += one;
        n++;
    }
    slmt_session_free(session);
    *psnr = n ? sum / (double)n : NAN;
    return code;
}
