/* SPDX-License-Identifier: Apache-2.0 */
/* volume_slices.h - a volume as the slices that a model sees, and slices as a volume again. */
#ifndef SLMT_DATA_VOLUME_SLICES_H
#define SLMT_DATA_VOLUME_SLICES_H

#include "core/model.h"
#include "core/volume.h"

/* The volume's slices [count][side][side] in [0,1], a block of m. As preprocess_volume(). */
status volume_slices(const slmt_model *model, mem *m, const slmt_volume *source, float **slices, int *count);

/* Slices [count][side][side] back on the source's grid, zeros around them. */
status volume_of_slices(const slmt_model *model, const slmt_volume *source, const float *slices,
                        slmt_volume **target);

#endif
