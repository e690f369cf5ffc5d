/* SPDX-License-Identifier: Apache-2.0 */
/* volume_slices.h - converts a volume to the slices that a model reads, and slices back to a volume. */
#ifndef SLMT_DATA_VOLUME_SLICES_H
#define SLMT_DATA_VOLUME_SLICES_H

#include "core/model.h"
#include "core/volume.h"

/* Makes the volume's slices [count][side][side] in [0,1], a block of m, like preprocess_volume(). */
status volume_slices(const slmt_model *model, mem *m, const slmt_volume *source, float **slices, int *count);

/* Writes slices [count][side][side] back to the source's grid, with zeros around them. */
status volume_of_slices(const slmt_model *model, const slmt_volume *source, const float *slices,
                        slmt_volume **target);

#endif
