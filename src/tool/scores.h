/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as rows of numbers: their names, and means and deviations of rows. */
#ifndef SLMT_TOOL_SCORES_H
#define SLMT_TOOL_SCORES_H

#include <stddef.h>

#include "slmt/volume.h"

enum { SCORES = 6 };

typedef struct score_name {
    const char *key;    /* in CSV and JSON */
    const char *column; /* in tables */
    int decimals;       /* in tables */
} score_name;

extern const score_name score_names[SCORES];

typedef struct scores {
    double value[SCORES];
} scores;

scores scores_of(const slmt_metrics *metrics);

/* Mean of n rows; NaN for none. */
scores scores_mean(const scores *rows, size_t n);

/* Standard deviation of n rows (divisor n - 1); NaN for fewer than two. */
scores scores_deviation(const scores *rows, size_t n);

#endif
