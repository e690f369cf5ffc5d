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
#include "data/intensity.h"
#include "lib/mem.h"

/* ---- orientation ---- */

typedef struct orient {
    int axis[3];     /* the volume's axis of canonical x, y, z */
    int flip[3];     /* 1: in the opposite direction */
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

/* ---- crop and slices ---- */

/* The position of the slices in the canonical volume. x and y may start before it and end after it. */
typedef struct preprocess_window {
    orient orient;
    int64_t first[3], count[3]; /* canonical voxels along x, y, z */
} preprocess_window;

/* ERR_ARGUMENT: too few slices, or the crop lies outside. */
status preprocess_window_of(const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                            preprocess_window *out);

/* Returns 1 if a canonical voxel lies in crop and slices. */
static inline int preprocess_window_has(const preprocess_window *w, const int64_t at[3])
{
    for (int a = 0; a < 3; a++)
        if (at[a] < w->first[a] || at[a] >= w->first[a] + w->count[a])
            return 0;
    return 1;
}

/* ---- the whole ---- */

/* Returns how many slices a volume yields. ERR_ARGUMENT: too few slices, or the crop lies outside. */
status preprocess_count(const slmt_preprocess *p, const int64_t dims[3], const double affine[16], int *count);

/* *slices receives a block of m: [count][crop_size][crop_size], not yet resized; voxels outside the volume 0.
 * p has passed preprocess_check(). facts: what is remarkable about the intensities; NULL: not wanted.
 * ERR_ARGUMENT as preprocess_count() and intensity_find(). */
status preprocess_volume(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                         const float *voxels, float **slices, int *count, intensity_facts *facts);

/* The same for voxels that are grey values from 0 to 1 already. */
status preprocess_greys(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                        const float *voxels, float **slices, int *count);

/* The same as preprocess_volume() for a label map, whose values are not scaled. ERR_ARGUMENT also if a voxel
 * is not a whole number from -2^24 to 2^24. */
status preprocess_labels(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                         const float *voxels, int32_t **slices, int *count);

/* The inverse: slices [count][image_size][image_size], with the count of preprocess_count(), are resized
 * (bilinear) to the crop and written to their original position in voxels, a grid of dims; all other voxels
 * are 0. */
status preprocess_restore(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                          const float *slices, float *voxels);

#endif
