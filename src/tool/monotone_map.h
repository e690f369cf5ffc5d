/* SPDX-License-Identifier: Apache-2.0 */
/* The best monotone map from source to target intensities: what can be had without looking at
 * anything but one pixel. A network has to beat it. */
#ifndef SLMT_TOOL_MONOTONE_MAP_H
#define SLMT_TOOL_MONOTONE_MAP_H

#include <stdbool.h>
#include <stddef.h>

enum { MONOTONE_BINS = 256 };

typedef struct monotone_map {
    double count[MONOTONE_BINS];  /* joint histogram by source intensity: pixels, */
    double source[MONOTONE_BINS]; /* sums of source, */
    double target[MONOTONE_BINS]; /* and of target */
    double x[MONOTONE_BINS];      /* the fitted map: points in rising order of x */
    double y[MONOTONE_BINS];
    size_t points;
} monotone_map;

/* Adds a pair of images, both in [0, 1]. Start from a map that is all zero. */
void monotone_map_add(monotone_map *map, const float *source, const float *target, size_t pixels);

/* Fits, rising or falling, whichever has the smaller squared error; false: nothing was added. */
bool monotone_map_fit(monotone_map *map);

/* Maps an image: linear between the points, constant beyond. */
void monotone_map_apply(const monotone_map *map, const float *source, size_t pixels, float *target);

#endif
