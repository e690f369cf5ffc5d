/* SPDX-License-Identifier: Apache-2.0 */
/* differentiation.c - entry points of slmt/differentiation.h: check arguments, call
 * data/differentiation.c. */
#include "data/differentiation.h"

#include <math.h>
#include <stdio.h>

#include "core/structs.h"

void slmt_ranking_options_init(slmt_ranking_options *options)
{
    *options = (slmt_ranking_options){.struct_size = sizeof *options, .self = SLMT_SELF_EXCLUDE};
}

static status check_index(int32_t index, size_t row, const char *name, size_t sequences)
{
    if (index < 0 || (size_t)index >= sequences)
        return fail(ERR_ARGUMENT, "slmt_rank_sequences: scores[%zu].%s is %d, expected 0 to %zu", row, name,
                    (int)index, sequences - 1);
    return OK;
}

static status check_score(double score, size_t row, const char *name)
{
    if (isinf(score))
        return fail(ERR_NONFINITE, "slmt_rank_sequences: scores[%zu].%s is an infinity", row, name);
    return OK;
}

static status check_scores(const slmt_pair_score *scores, size_t count, size_t sequences, int32_t self)
{
    size_t left = 0;
    for (size_t r = 0; r < count; r++) {
        TRY(check_index(scores[r].source, r, "source", sequences));
        TRY(check_index(scores[r].target, r, "target", sequences));
        TRY(check_score(scores[r].psnr, r, "psnr"));
        TRY(check_score(scores[r].ssim, r, "ssim"));
        TRY(check_score(scores[r].lpips, r, "lpips"));
        left += self == SLMT_SELF_INCLUDE || scores[r].source != scores[r].target;
    }
    if (left == 0)
        return fail(ERR_ARGUMENT, "slmt_rank_sequences: of %zu rows none has another target than its source",
                    count);
    return OK;
}

slmt_status slmt_rank_sequences(const slmt_pair_score *scores, size_t count, size_t sequences,
                                const slmt_ranking_options *options, double *totipotency,
                                double *differentiation, double *agreement)
{
    slmt_ranking_options o;
    mem m;
    REQUIRE(scores);
    REQUIRE(totipotency);
    REQUIRE(differentiation);
    slmt_ranking_options_init(&o);
    if (options)
        TRY(struct_read(&o, sizeof o, options, "slmt_ranking_options"));
    if (o.self < SLMT_SELF_EXCLUDE || o.self > SLMT_SELF_ZSCORE_ONLY)
        return fail(ERR_ARGUMENT, "slmt_rank_sequences: self is %d, expected SLMT_SELF_...", (int)o.self);
    if (count == 0)
        return fail(ERR_ARGUMENT, "slmt_rank_sequences: count is 0");
    if (sequences == 0 || sequences > SIZE_MAX / sequences)
        return fail(ERR_ARGUMENT, "slmt_rank_sequences: sequences is %zu", sequences);
    TRY(check_scores(scores, count, sequences, o.self));
    mem_init(&m, NULL, NULL, NULL, 0);
    return differentiation_rank(&m, scores, count, sequences, o.self, totipotency, differentiation,
                                agreement);
}

/* ---- maps ---- */

/* name is for the text: "truth", or "predictions[3]". */
static status check_image(const float *image, const char *name, size_t count, const float *map)
{
    uintptr_t a = (uintptr_t)image, b = (uintptr_t)map, bytes = count * sizeof(float);
    if (!image)
        return fail(ERR_ARGUMENT, "slmt_differentiation_map: %s is NULL", name);
    if (a < b + bytes && b < a + bytes)
        return fail(ERR_ARGUMENT, "slmt_differentiation_map: map overlaps %s", name);
    for (size_t k = 0; k < count; k++)
        if (!isfinite(image[k]))
            return fail(ERR_NONFINITE, "slmt_differentiation_map: %s[%zu] is a NaN or an infinity", name, k);
    return OK;
}

slmt_status slmt_differentiation_map(const float *const *predictions, size_t n, const float *truth,
                                     size_t count, float *map)
{
    REQUIRE(predictions);
    REQUIRE(truth);
    REQUIRE(map);
    if (n == 0)
        return fail(ERR_ARGUMENT, "slmt_differentiation_map: n is 0");
    if (count == 0 || count > SIZE_MAX / sizeof(float))
        return fail(ERR_ARGUMENT, "slmt_differentiation_map: count is %zu", count);
    TRY(check_image(truth, "truth", count, map));
    for (size_t i = 0; i < n; i++) {
        char name[40];
        snprintf(name, sizeof name, "predictions[%zu]", i);
        TRY(check_image(predictions[i], name, count, map));
    }
    differentiation_map(predictions, n, truth, count, map);
    return OK;
}
