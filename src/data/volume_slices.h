/* SPDX-License-Identifier: Apache-2.0 */
/* volume_slices.h - converts a volume to the slices that a model reads, and slices back to a volume. */
#ifndef SLMT_DATA_VOLUME_SLICES_H
#define SLMT_DATA_VOLUME_SLICES_H

#include "core/geometry.h"
#include "core/model.h"
#include "core/volume.h"
#include "data/grid.h"

/* How a model sees a volume. Nothing in it is to be freed. */
typedef struct volume_view {
    const slmt_model *model;
    const slmt_volume *source;
    slmt_preprocess preprocess; /* the model's, but image_size is that of the slices */
    grid own,
        used; /* the volume's grid, and that of the slices: the same, or one of the training's spacing */
    int resampled;
    background back;
    scan_geometry place;
    int count; /* slices */
} volume_view;

/* Makes the volume's slices [count][side][side] in [0,1], a block of m, like preprocess_volume(), and warns
 * of what is remarkable about them. spacing: SLMT_SPACING_... ERR_ARGUMENT also: the voxels are of another
 * size than the training's; ERR_CANCELLED: a warning was refused. */
status volume_slices(const slmt_model *model, mem *m, const slmt_volume *source, int32_t spacing,
                     volume_view *view, float **slices);

/* The same for models that are trained on crops as a set has them, which are not resized:
 * [count][crop][crop].
 */
status volume_crops(const slmt_model *model, mem *m, const slmt_volume *source, int32_t spacing,
                    volume_view *view, float **slices);

/* Writes slices [count][side][side] back to the source's grid, with zeros around them. */
status volume_of_slices(const volume_view *view, const float *slices, slmt_volume **target);

/* Warns if the result is 0 in most of the head that lies in crop and slices. ERR_CANCELLED. */
status volume_check_result(const volume_view *view, const slmt_volume *target);

#endif
