/* SPDX-License-Identifier: Apache-2.0 */
/* calibration.c - expected calibration error, and the search for a temperature. */
#include "data/calibration.h"

#include <math.h>
#include <string.h>

/* ---- bins ---- */

static int bin_of(double confidence)
{
    int i = (int)(confidence * CALIBRATION_BINS);
    i = i < 0 ? 0 : i < CALIBRATION_BINS ? i : CALIBRATION_BINS - 1;
    while (i > 0 && confidence <= (double)i / CALIBRATION_BINS)
        i--;
    while (i < CALIBRATION_BINS - 1 && confidence > (double)(i + 1) / CALIBRATION_BINS)
        i++;
    return i;
}

static void add(calibration *c, double confidence, int right)
{
    int i = bin_of(confidence);
    c->count[i]++;
    c->right[i] += right;
    c->confidence[i] += confidence;
}

static int64_t total(const calibration *c)
{
    int64_t n = 0;
    for (int i = 0; i < CALIBRATION_BINS; i++)
        n += c->count[i];
    return n;
}

/* The sum over answers of what the expected calibration error is the mean of. */
static double summed(const calibration *c)
{
    double sum = 0;
    for (int i = 0; i < CALIBRATION_BINS; i++)
        sum += fabs((double)c->right[i] - c->confidence[i]);
    return sum;
}

/* ---- the temperature ---- */

static void start(temperature_search *s, int first, int last, double unit)
{
    memset(s, 0, sizeof *s);
    for (int i = first; i <= last; i++)
        s->temperature[s->n++] = i / unit;
}

void temperature_search_first(temperature_search *s)
{
    start(s, 10, 50, 10);
}

void temperature_search_near(temperature_search *s, double around)
{
    int middle = (int)lround(around * 100), first = middle - 10, last = middle + 10;
    start(s, first < 100 ? 100 : first, last > 500 ? 500 : last, 100);
}

void temperature_search_add(temperature_search *s, const double *logits, int32_t classes, int32_t label)
{
    int32_t best = 0;
    for (int32_t k = 1; k < classes; k++)
        best = logits[k] > logits[best] ? k : best;
    for (int32_t i = 0; i < s->n; i++) {
        double sum = 0;
        for (int32_t k = 0; k < classes; k++)
            sum += k == best ? 1 : exp((logits[k] - logits[best]) / s->temperature[i]);
        add(&s->bins[i], 1 / sum, best == label);
    }
}

void temperature_search_cut(temperature_search *s)
{
    s->pixels += s->n ? total(&s->bins[0]) : 0;
    for (int32_t i = 0; i < s->n; i++)
        s->error[i] += summed(&s->bins[i]);
    memset(s->bins, 0, sizeof s->bins);
}

double temperature_search_error(const temperature_search *s, int32_t i)
{
    int64_t n = s->pixels + total(&s->bins[i]);
    return n ? (s->error[i] + summed(&s->bins[i])) / (double)n : 0;
}

int32_t temperature_search_best(const temperature_search *s)
{
    int32_t best = 0;
    for (int32_t i = 1; i < s->n; i++)
        best = temperature_search_error(s, i) < temperature_search_error(s, best) ? i : best;
    return best;
}
