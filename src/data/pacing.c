/* SPDX-License-Identifier: Apache-2.0 */
/* pacing.c - thresholds of scores by epoch. */
#include "data/pacing.h"

#include <math.h>

/* The k-th edge of a bin. */
static double edge(int k)
{
    return (double)k / PACING_BINS;
}

void pacing_add(pacing_scores *s, double score)
{
    int k = (int)(score * PACING_BINS);
    k = k < 0 ? 0 : k < PACING_BINS ? k : PACING_BINS - 1;
    while (k > 0 && score < edge(k))
        k--;
    while (k < PACING_BINS - 1 && score >= edge(k + 1))
        k++;
    s->count[k]++;
    s->total++;
}

/* part / whole in thousandths, rounded, half to even. */
static int64_t thousandths(int64_t part, int64_t whole)
{
    int64_t down = part / whole * 1000 + part % whole * 1000 / whole, rest = part % whole * 1000 % whole;
    return down + (2 * rest > whole || (2 * rest == whole && down % 2 == 1));
}

double pacing_start(const pacing_scores *s, double beta)
{
    int64_t above = 0;
    for (int k = PACING_BINS - 1; k >= 1; k--) {
        if (s->total && (double)thousandths(above, s->total) / 1000 > beta)
            return edge(k + 1);
        above += s->count[k];
    }
    return 0;
}

double pacing_admitted(const pacing_scores *s, double threshold)
{
    int64_t n = 0;
    for (int k = 0; k < PACING_BINS; k++)
        n += edge(k) >= threshold ? s->count[k] : 0;
    return s->total ? (double)n / (double)s->total : 0;
}

double pacing_fall(double start, double gamma, int32_t epochs, int32_t period)
{
    return start / (epochs * gamma / period);
}

double pacing_threshold(const pacing *p, int64_t epoch)
{
    int64_t times = epoch > 0 ? (epoch - 1) / p->period : 0;
    double left = p->start - p->fall * (double)times;
    return left > 1e-12 ? left : 0; /* 0.9 - 24 * 0.0375 is not exactly 0 */
}
