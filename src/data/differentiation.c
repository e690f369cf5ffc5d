/* SPDX-License-Identifier: Apache-2.0 */
/* differentiation.c - ranks sequences by how well they synthesize the others and can be synthesized, and maps
 * where synthesis fails (Han et al., Medical Image Analysis 92 (2024) 103044). */
#include "data/differentiation.h"

#include <math.h>

/* ---- rankings ---- */

enum { PSNR, SSIM, LPIPS, METRICS };
static const double sign[METRICS] = {1, 1, -1}; /* of a better score */

static double score_of(const slmt_pair_score *row, int metric)
{
    return metric == PSNR ? row->psnr : metric == SSIM ? row->ssim : row->lpips;
}

/* The scores of a metric: all of them, or those of a pair. */
typedef struct tally {
    double sum;
    size_t count;
} tally;

static void add(tally *t, double x)
{
    if (isnan(x))
        return;
    t->sum += x;
    t->count++;
}

static double mean(const tally *t)
{
    return t->count ? t->sum / (double)t->count : 0;
}

/* Returns 1 if a row counts in the means and deviations, and whether it counts in the sums too. */
static int in_statistics(const slmt_pair_score *row, int32_t self)
{
    return self != SLMT_SELF_EXCLUDE || row->source != row->target;
}

static int in_sums(const slmt_pair_score *row, int32_t self)
{
    return self == SLMT_SELF_INCLUDE || row->source != row->target;
}

/* Adds a metric's part to a [n][n]. pair is work of that size. */
static status add_metric(const slmt_pair_score *scores, size_t count, size_t n, int32_t self, int metric,
                         tally *pair, double *a)
{
    tally all = {0, 0}, squares = {0, 0};
    for (size_t k = 0; k < n * n; k++)
        pair[k] = (tally){0, 0};
    for (size_t r = 0; r < count; r++) {
        double x = score_of(&scores[r], metric);
        if (in_statistics(&scores[r], self))
            add(&all, x);
        if (in_sums(&scores[r], self))
            add(&pair[(size_t)scores[r].source * n + (size_t)scores[r].target], x);
    }
    double centre = mean(&all);
    for (size_t r = 0; r < count; r++) {
        double d = score_of(&scores[r], metric) - centre;
        if (in_statistics(&scores[r], self))
            add(&squares, d * d);
    }
    double deviation = sqrt(mean(&squares)) + 1e-9;
    if (!isfinite(deviation))
        return fail(ERR_NONFINITE, "slmt_rank_sequences: the squares of the scores overflow");
    for (size_t k = 0; k < n * n; k++)
        if (pair[k].count > 0)
            a[k] += sign[metric] * (mean(&pair[k]) - centre) / deviation;
    return OK;
}

static void sum_up(const double *a, size_t n, double *totipotency, double *differentiation)
{
    for (size_t i = 0; i < n; i++) {
        double from = 0, to = 0;
        for (size_t j = 0; j < n; j++) {
            from += a[i * n + j];
            to += a[j * n + i];
        }
        totipotency[i] = from / (double)n;
        differentiation[i] = -to / (double)n;
    }
}

status differentiation_rank(mem *m, const slmt_pair_score *scores, size_t count, size_t n, int32_t self,
                            double *totipotency, double *differentiation, double *agreement)
{
    void *a, *pair;
    TRY(mem_zeros(m, n * n, sizeof(double), &a));
    status s = mem_array(m, n * n, sizeof(tally), &pair);
    for (int metric = 0; s == OK && metric < METRICS; metric++)
        s = add_metric(scores, count, n, self, metric, pair, a);
    if (s == OK) {
        sum_up(a, n, totipotency, differentiation);
        for (size_t k = 0; agreement && k < n * n; k++)
            agreement[k] = ((double *)a)[k];
    }
    mem_give(m, pair);
    mem_give(m, a);
    return s;
}

/* ---- maps ---- */

void differentiation_map(const float *const *predictions, size_t n, const float *truth, size_t count,
                         float *map)
{
    for (size_t k = 0; k < count; k++) {
        double sum = 0;
        for (size_t s = 0; s < n; s++)
            sum += fabs((double)predictions[s][k] - truth[k]);
        map[k] = (float)(sum / (double)n);
    }
}
