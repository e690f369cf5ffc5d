/* SPDX-License-Identifier: Apache-2.0 */
/* scores.h - figures as rows of numbers: their names, as the model's method lists them, and means, deviations
 * and paired differences of rows. */
#ifndef SLMT_TOOL_SCORES_H
#define SLMT_TOOL_SCORES_H

#include <stdbool.h>
#include <stddef.h>

#include "slmt/slmt.h"

enum { MOST_FIGURES = 16 };

typedef struct figure {
    const char *key;          /* in CSV and JSON */
    const char *title, *unit; /* the unit may be "" */
    char column[48];          /* "PSNR dB", the head of a column */
    int decimals;             /* in tables */
    int direction;            /* SLMT_METRIC_... */
} figure;

typedef struct figure_list {
    figure row[MOST_FIGURES];
    size_t count;
} figure_list;

/* Lists the figures that judge the task of a model that makes a target, and the perceptual distance if
 * wanted. Reports an error and returns its exit code where the method lists none that images have. */
int figures_of(const slmt_model *model, bool perceptual, figure_list *list);

typedef struct scores {
    double value[MOST_FIGURES]; /* NaN: not defined */
} scores;

scores scores_of(const figure_list *list, const slmt_metrics *metrics, double perceptual);

/* Mean of n rows; NaN for none, and where a row has none. */
scores scores_mean(const scores *rows, size_t n);

/* Standard deviation of n rows (divisor n - 1); NaN for fewer than two. */
scores scores_deviation(const scores *rows, size_t n);

/* How one method's figure differs from another's, subject by subject. */
typedef struct paired {
    double mean;      /* of ours - theirs */
    double low, high; /* of the 95 % interval of that mean by Student's t; NaN for fewer than two subjects */
    size_t better;    /* subjects in which ours is better */
} paired;
paired scores_paired(const scores *ours, const scores *theirs, size_t n, size_t index, int direction);

#endif
