/* SPDX-License-Identifier: Apache-2.0 */
/* resample.h - a volume on a grid of another voxel size. */
#ifndef SLMT_DATA_RESAMPLE_H
#define SLMT_DATA_RESAMPLE_H

#include "data/grid.h"

/* Makes voxels of grid `to`, whose axes are those of `from`, from voxels of that: [z][y][x]. Linear between
 * centres, along one axis after the other; a voxel that is larger than the old ones is the mean over its
 * width, so that none is skipped. Beyond the ends the outermost voxel goes on. ERR_MEMORY, ERR_LIMIT. */
status resample_volume(mem *m, const grid *from, const float *voxels, const grid *to, float *out);

/* The same for values that are names: each voxel has that of the old one nearest to its centre. */
void resample_labels(const grid *from, const float *voxels, const grid *to, float *out);

#endif
