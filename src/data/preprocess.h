/* SPDX-License-Identifier: Apache-2.0 */
/* preprocess.h - a volume to cropped axial slices with values in [0, 1], and slices back into its grid.
 *
 * Canonical axes: x grows to the patient's left, y to the back, z up (the order LPS of BraTS files, which
 * pass unchanged). Other volumes have their axes reordered and flipped to the nearest of these; nothing is
 * resampled. A slice is [row][column] with rows along x and columns along y, as the reference slices
 * volume[x, y, k]. */
#ifndef SLMT_DATA_PREPROCESS_H
#define SLMT_DATA_PREPROCESS_H

#include "core/preprocess_rules.h"
#include "lib/mem.h"

/* ---- orientation ---- */

typedef struct orient {
    int axis[3];     /* canonical x, y, z lie along this axis of the volume */
    int flip[3];     /* 1: they run against it */
    int64_t dims[3]; /* of the canonical volume */
    int64_t
        stride[3]; /* canonical voxel [x,y,z] is element corner + x*stride[0] + y*stride[1] + z*stride[2] */
    int64_t corner;
} orient;

/* dims and affine as in slmt_volume_create(). */
orient orient_from_affine(const int64_t dims[3], const double affine[16]);

/* voxels, i fastest <-> canonical [z][y][x], x fastest. They may not overlap. */
void orient_to_canonical(const orient *o, const float *voxels, float *canonical);
void orient_from_canonical(const orient *o, const float *canonical, float *voxels);

/* ---- intensity ---- */

/* SLMT_SCALE_PERCENTILES: the head is what differs from the corner voxel. Its values are clipped to [low,
 * high], its percentiles; then all are divided by top, the maximum of the clipped volume. */
typedef struct intensity {
    float corner, low, high, top;
} intensity;

/* Percentiles interpolate linearly between ranks, as NumPy does. ERR_ARGUMENT: the volume is constant, or has
 * no positive value; ERR_MEMORY, ERR_LIMIT. */
status intensity_measure(mem *m, const float *voxels, size_t count, float corner, double low_percentile,
                         double high_percentile, intensity *out);

/* SLMT_SCALE_TWICE_P99: low = 0, high = top = twice the 99th percentile of all voxels, and no corner.
 * ERR_ARGUMENT: that percentile is not above 0. */
status intensity_measure_p99(mem *m, const float *voxels, size_t count, intensity *out);

/* In [0, 1]: a background or a percentile below 0 gives 0. */
float intensity_apply(const intensity *scale, float value);

/* ---- the whole ---- */

/* How many slices a volume gives. ERR_ARGUMENT: too few slices, or the crop lies outside. */
status preprocess_count(const slmt_preprocess *p, const int64_t dims[3], const double affine[16], int *count);

/* *slices receives a block of m: [count][crop_size][crop_size], not yet resized; voxels outside the volume 0.
 * p has passed preprocess_check(). ERR_ARGUMENT as preprocess_count() and intensity_measure(). */
status preprocess_volume(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                         const float *voxels, float **slices, int *count);

/* The same of a label map, whose values stay: nothing is scaled. ERR_ARGUMENT also where a voxel is not a
 * whole number from -2^24 to 2^24. */
status preprocess_labels(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                         const float *voxels, int32_t **slices, int *count);

/* The way back: slices [count][image_size][image_size], count as preprocess_count() says, are resized
 * (bilinear) to the crop and put where they came from in voxels, a grid of dims; 0 elsewhere. */
status preprocess_restore(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                          const float *slices, float *voxels);

#endif
