/* SPDX-License-Identifier: Apache-2.0 */
/* calibration.h - how well the probabilities of a network agree with how often it is right, and the
 * temperature that makes them agree (Guo et al., ICML 2017). */
#ifndef SLMT_DATA_CALIBRATION_H
#define SLMT_DATA_CALIBRATION_H

#include <stdint.h>

enum { CALIBRATION_BINS = 10, CALIBRATION_MOST = 41 };

/* Answers by their confidence, the largest probability: bin i holds those in (i/10, (i+1)/10]. */
typedef struct calibration {
    int64_t count[CALIBRATION_BINS], right[CALIBRATION_BINS];
    double confidence[CALIBRATION_BINS]; /* sums */
} calibration;

/* A search over a grid of temperatures in one pass over pixels. The error of a temperature is the expected
 * calibration error: the mean over answers of |accuracy - mean confidence| of their bin; 0 without answers.
 */
typedef struct temperature_search {
    int32_t n; /* of the grid */
    double temperature[CALIBRATION_MOST];
    calibration bins[CALIBRATION_MOST]; /* of the batch now, or of all pixels */
    double error[CALIBRATION_MOST];     /* of the batches before: their errors times their sizes */
    int64_t pixels;                     /* of these batches */
} temperature_search;

/* The first grid is 1 to 5 by 0.1; the second is `around` -0.1 to +0.1 by 0.01, as far as that lies in 1 to
5. */
void temperature_search_first(temperature_search *s);
void temperature_search_near(temperature_search *s, double around);

/* Adds a pixel: logits of `classes`, up to a constant, and its label. */
void temperature_search_add(temperature_search *s, const double *logits, int32_t classes, int32_t label);

/* Ends a batch, so that the error is the mean over batches, weighted by their pixels; without it the error is
 * that of all pixels together. */
void temperature_search_cut(temperature_search *s);

/* Returns the error at temperature i, and the index of the smallest one (of equal ones the first). */
double temperature_search_error(const temperature_search *s, int32_t i);
int32_t temperature_search_best(const temperature_search *s);

#endif
