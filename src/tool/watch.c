/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - means of epochs, and the error of a picture of one grey. */
#include "watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

/* What has not fallen below this part is on its plateau. */
static const double plateau = 0.95;

void watch_begin(watch *w, double warmup_epochs, double epochs, double grey)
{
    double looks = fmax(ceil(warmup_epochs) + 2, ceil(0.1 * epochs));
    *w = (watch){.looks = (uint64_t)looks, .first = NAN, .grey = grey};
}

static char *why(const watch *w, double loss, double error)
{
    if (error > plateau * w->grey)
        return must_format("in epoch %" PRIu64 " the mean error is %.4g, and one grey everywhere has %.4g",
                           w->epoch, error, w->grey);
    if (loss > plateau * w->first)
        return must_format("in epoch %" PRIu64 " the mean loss is %.4g, in the first one it was %.4g",
                           w->epoch, loss, w->first);
    return NULL;
}

char *watch_step(watch *w, uint64_t epoch, bool is_last, double loss, double error)
{
    if (epoch != w->epoch) {
        w->epoch = epoch;
        w->steps = 0;
        w->loss = w->error = 0;
    }
    w->steps++;
    w->loss += loss;
    w->error += error;
    if (!is_last)
        return NULL;
    double n = (double)w->steps;
    if (epoch == 1)
        w->first = w->loss / n;
    return epoch == w->looks ? why(w, w->loss / n, w->error / n) : NULL;
}

/* ---- one grey ---- */

enum { MOST_SLICES = 64, LEVELS = 4096 };

typedef struct histogram {
    uint64_t count[LEVELS];
    uint64_t total;
} histogram;

static void add_slice(histogram *h, const float *pixels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->count[(size_t)(fmin(fmax(pixels[i], 0), 1) * (LEVELS - 1) + 0.5)]++;
    h->total += n;
}

/* The mean |value - median|: no grey is nearer. */
static double deviation(const histogram *h)
{
    uint64_t below = 0;
    int median = 0;
    double sum = 0;
    while (median < LEVELS - 1 && 2 * (below += h->count[median]) < h->total)
        median++;
    for (int i = 0; i < LEVELS; i++)
        sum += (double)h->count[i] * abs(i - median);
    return h->total ? sum / (double)h->total / (LEVELS - 1) : NAN;
}

/* Up to eight slices of each of the first training subjects that have the contrast. */
static void add_slices(histogram *h, slmt_dataset *set, size_t contrast, int32_t resize, size_t side)
{
    float *pixels = must_alloc(side * side, sizeof *pixels);
    for (size_t s = 0, n = 0; n < MOST_SLICES && s < slmt_dataset_subject_count(set); s++) {
        size_t slices = slmt_dataset_slice_count(set, s, contrast);
        if (slices == 0 || slmt_dataset_subject_split(set, s) != SLMT_SPLIT_TRAIN)
            continue;
        for (size_t k = 0; k < slices && n < MOST_SLICES; k += slices / 8 + 1, n++)
            if (slmt_dataset_read_slice(set, s, contrast, k, resize, pixels) == SLMT_OK)
                add_slice(h, pixels, side * side);
    }
    free(pixels);
}

double watch_grey(slmt_dataset *set, const char *contrast)
{
    slmt_preprocess p = {.struct_size = sizeof p};
    size_t c = 0, n = slmt_dataset_contrast_count(set);
    while (contrast && c < n && strcmp(slmt_dataset_contrast(set, c), contrast) != 0)
        c++;
    if (!contrast || c == n || slmt_dataset_get_preprocess(set, &p) != SLMT_OK)
        return NAN;
    histogram *h = must_alloc(1, sizeof *h);
    add_slices(h, set, c, p.target_resize, (size_t)p.image_size);
    double grey = deviation(h);
    free(h);
    return grey;
}
