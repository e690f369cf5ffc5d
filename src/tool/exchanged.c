/* SPDX-License-Identifier: Apache-2.0 */
/* exchanged.c - compares how the grey values of heads are distributed, from a few slices of each scan. */
#include "exchanged.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "console.h"
#include "must.h"
#include "tool.h"

enum {
    SLICES = 5,     /* that are read of a scan */
    LEVELS = 19,    /* quantiles: 0.05, 0.10, ... 0.95 */
    GREYS = 256,    /* steps of grey that are told apart */
    LEAST = 4,      /* subjects, or nothing is said */
    FLAGGED_OF = 4, /* more than one in so many: the set is not understood */
};

/* Distances to the others after an exchange, over those as it is. On the scans of ten people the least of a
 * right subject was 2.1, and the largest of an exchanged one 0.44, of T2 beside T1 or FLAIR. */
static const double is_exchanged = 0.6, is_right = 1.2;

typedef struct quantiles {
    double at[LEVELS];
} quantiles;

/* The subjects that have two contrasts. */
typedef struct group {
    size_t count;
    size_t *subject;
    quantiles *one, *other;
    double *ratio;
} group;

/* ---- how grey values are distributed ---- */

static bool count_greys(slmt_dataset *set, size_t subject, size_t contrast, float *pixels, size_t n,
                        double *greys)
{
    size_t slices = slmt_dataset_slice_count(set, subject, contrast);
    for (size_t i = 0; i < SLICES; i++) {
        size_t slice = (i + 1) * slices / (SLICES + 1);
        if (slmt_dataset_read_slice(set, subject, contrast, slice, SLMT_RESIZE_BILINEAR, pixels) != SLMT_OK)
            return false;
        for (size_t k = 0; k < n; k++)
            if (pixels[k] > 0)
                greys[(size_t)(pixels[k] * (GREYS - 1))]++;
    }
    return true;
}

static void find_quantiles(const double *greys, quantiles *q)
{
    double all = 0, below = 0;
    size_t level = 0;
    for (size_t g = 0; g < GREYS; g++)
        all += greys[g];
    for (size_t g = 0; g < GREYS; g++) {
        below += greys[g];
        while (level < LEVELS && below >= all * (double)(level + 1) / (LEVELS + 1))
            q->at[level++] = (double)g / (GREYS - 1);
    }
}

static bool measure(slmt_dataset *set, size_t subject, size_t contrast, float *pixels, size_t n, quantiles *q)
{
    double *greys = must_alloc(GREYS, sizeof *greys);
    bool read = count_greys(set, subject, contrast, pixels, n, greys);
    if (read)
        find_quantiles(greys, q);
    free(greys);
    return read;
}

/* ---- a subject against the others ---- */

/* From the mean of the others. */
static double distance(const quantiles *q, const quantiles *all, size_t count, size_t self)
{
    double sum = 0;
    for (size_t level = 0; level < LEVELS; level++) {
        double mean = 0;
        for (size_t i = 0; i < count; i++)
            mean += i == self ? 0 : all[i].at[level] / (double)(count - 1);
        sum += fabs(q->at[level] - mean);
    }
    return sum;
}

static double ratio_of(const group *g, size_t i)
{
    double own = distance(&g->one[i], g->one, g->count, i) + distance(&g->other[i], g->other, g->count, i);
    double exchanged =
        distance(&g->one[i], g->other, g->count, i) + distance(&g->other[i], g->one, g->count, i);
    return own > 0 ? exchanged / own : INFINITY;
}

/* Whether most subjects are clearly right, and the rest clearly exchanged. */
static bool is_clear(const group *g)
{
    size_t flagged = 0, right = 0;
    for (size_t i = 0; i < g->count; i++) {
        flagged += g->ratio[i] < is_exchanged;
        right += g->ratio[i] > is_right;
    }
    return flagged + right == g->count && FLAGGED_OF * flagged <= g->count;
}

static int warn_of_group(const slmt_dataset *set, group *g, const char *one, const char *other)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < g->count; i++)
        g->ratio[i] = ratio_of(g, i);
    if (g->count < LEAST || !is_clear(g))
        return EXIT_OK;
    for (size_t i = 0; i < g->count && code == EXIT_OK; i++)
        if (g->ratio[i] < is_exchanged)
            code = warn(
                "%s: its %s looks like the %s of the other subjects, and its %s like their %s: are the two "
                "exchanged?",
                slmt_dataset_subject(set, g->subject[i]), one, other, other, one);
    return code;
}

/* ---- a set ---- */

static group open_group(size_t subjects)
{
    return (group){0, must_alloc(subjects, sizeof(size_t)), must_alloc(subjects, sizeof(quantiles)),
                   must_alloc(subjects, sizeof(quantiles)), must_alloc(subjects, sizeof(double))};
}

static void close_group(group *g)
{
    free(g->subject);
    free(g->one);
    free(g->other);
    free(g->ratio);
}

static int compare(const slmt_dataset *set, const quantiles *all, const bool *has, size_t one, size_t other)
{
    size_t subjects = slmt_dataset_subject_count(set);
    group g = open_group(subjects);
    for (size_t i = 0; i < subjects; i++) {
        size_t a = one * subjects + i, b = other * subjects + i;
        if (!has[a] || !has[b])
            continue;
        g.subject[g.count] = i;
        g.one[g.count] = all[a];
        g.other[g.count++] = all[b];
    }
    int code = warn_of_group(set, &g, slmt_dataset_contrast(set, one), slmt_dataset_contrast(set, other));
    close_group(&g);
    return code;
}

/* Of each contrast those of each subject. */
static void measure_all(slmt_dataset *set, size_t side, quantiles *all, bool *has)
{
    size_t subjects = slmt_dataset_subject_count(set), contrasts = slmt_dataset_contrast_count(set);
    float *pixels = must_alloc(side * side, sizeof *pixels);
    for (size_t c = 0; c < contrasts; c++)
        for (size_t i = 0; i < subjects; i++)
            has[c * subjects + i] = slmt_dataset_slice_count(set, i, c) > 0 &&
                                    measure(set, i, c, pixels, side * side, &all[c * subjects + i]);
    free(pixels);
}

int exchanged_warn(slmt_dataset *set)
{
    slmt_preprocess p;
    size_t subjects = slmt_dataset_subject_count(set), contrasts = slmt_dataset_contrast_count(set);
    slmt_preprocess_init(&p);
    if (subjects < LEAST || contrasts < 2 || slmt_dataset_get_preprocess(set, &p) != SLMT_OK)
        return EXIT_OK;
    quantiles *all = must_alloc(subjects * contrasts, sizeof *all);
    bool *has = must_alloc(subjects * contrasts, sizeof *has);
    measure_all(set, (size_t)p.image_size, all, has);
    int code = EXIT_OK;
    for (size_t one = 0; one < contrasts; one++)
        for (size_t other = one + 1; other < contrasts && code == EXIT_OK; other++)
            code = compare(set, all, has, one, other);
    free(has);
    free(all);
    return code;
}
