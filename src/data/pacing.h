/* SPDX-License-Identifier: Apache-2.0 */
/* pacing.h - which pixels a student learns from in which epoch (paced-curriculum distillation, Islam et al.
 * 2023): those whose score is at least a threshold, which falls to 0. */
#ifndef SLMT_DATA_PACING_H
#define SLMT_DATA_PACING_H

#include <stdint.h>

enum { PACING_BINS = 1000 };

/* Scores of pixels, 0 to 1, in bins of equal width. */
typedef struct pacing_scores {
    int64_t count[PACING_BINS], total;
} pacing_scores;

void pacing_add(pacing_scores *s, double score);

/* Returns the threshold to start from: the upper edge of the last bin but the first above which more than a
 * share `beta` of all scores lies, counted in thousandths; 0 if there is none. */
double pacing_start(const pacing_scores *s, double beta);

/* Returns the share of scores that are at least `threshold`, which is the edge of a bin. */
double pacing_admitted(const pacing_scores *s, double threshold);

/* What the threshold is in the epochs of a run. */
typedef struct pacing {
    double start;   /* in the first epochs */
    double fall;    /* by which it falls behind every `period` epochs; see pacing_fall() */
    int32_t period; /* epochs */
} pacing;

/* Returns by how much a threshold falls each time that is to be 0 after a share `gamma` of all epochs. */
double pacing_fall(double start, double gamma, int32_t epochs, int32_t period);

/* Returns the threshold of an epoch, counted from 0. It first falls after epoch `period`. */
double pacing_threshold(const pacing *p, int64_t epoch);

#endif
