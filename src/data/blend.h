/* SPDX-License-Identifier: Apache-2.0 */
/* blend.h - a volume or a slice that is larger than what a network takes: windows that overlap, and their
 * results put together, each weighted by where in its window it lies. */
#ifndef SLMT_DATA_BLEND_H
#define SLMT_DATA_BLEND_H

#include <stddef.h>
#include <stdint.h>

/* How windows lie along one axis: a window every `step` pixels, and one at the end. */
typedef struct blend_axis {
    int64_t size, window, step;
} blend_axis;

/* overlap: the share of a window that the next one covers too, below 1. A window is at most as long as the
 * axis. */
blend_axis blend_axis_of(int64_t size, int64_t window, double overlap);
int64_t blend_count(const blend_axis *a);
int64_t blend_start(const blend_axis *a, int64_t index);

typedef enum blend_weight {
    BLEND_CONSTANT,
    BLEND_GAUSSIAN /* in the middle 1, with a standard deviation of an eighth of the window along each axis */
} blend_weight;

/* Adds the results of a window, [channels][window...], to sum[channels][size...], and their weights to
 * total[size...]. Three axes; those that there are not have size 1. */
void blend_add(const blend_axis axis[3], blend_weight kind, const int64_t start[3], const float *window,
               int64_t channels, float *sum, float *total);

/* Divides sums by total weights. */
void blend_finish(int64_t pixels, int64_t channels, const float *total, float *sum);

#endif
