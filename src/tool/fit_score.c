/* SPDX-License-Identifier: Apache-2.0 */
/* fit_score.c - compares what was made of a subject's slices with the target. */
#include "fit_score.h"

#include <math.h>
#include <stdlib.h>

#include "console.h"
#include "fit_data.h"
#include "must.h"
#include "sequences.h"
#include "tool.h"

enum { BATCH = 4 };

pair_of fit_pair(slmt_dataset *set)
{
    return (pair_of){set, FIT_SOURCE, FIT_TARGET};
}

int fit_score_slices(const pair_slices *s, fit_score *score)
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
    pair_slices s;
    fit_score score = {0};
    int code = pair_slices_read(fit_pair(set), subject, most, &s);
    if (code == EXIT_OK)
        code = pair_slices_by_model(&s, session);
    if (code == EXIT_OK)
        code = fit_score_slices(&s, &score);
    *psnr = score.psnr;
    pair_slices_free(&s);
    return code;
}

int fit_psnr(slmt_model *model, slmt_dataset *set, int32_t split, size_t most, double *psnr)
{
    slmt_session *session = NULL;
    size_t n = 0;
    double sum = 0, one;
    int code = slice_session(model, BATCH, &session);
    for (size_t i = 0; i < slmt_dataset_subject_count(set) && code == EXIT_OK; i++) {
        if (slmt_dataset_subject_split(set, i) != split || pair_slices_count(fit_pair(set), i) == 0)
            continue;
        code = subject_psnr(session, set, i, most, &one);
        sum += one;
        n++;
    }
    slmt_session_free(session);
    *psnr = n ? sum / (double)n : NAN;
    return code;
}
