/* SPDX-License-Identifier: Apache-2.0 */
/* resample.h - a volume on a grid of another voxel size. */
#ifndef SLMT_DATA_RESAMPLE_H
#define SLMT_DATA_RESAMPLE_H

#include "data/grid.h"

/* Makes voxels of grid `to`, whose axes are those of `from`, from voxels of that: [z][y][x]. Linear between
 * centres, along one axis after the other. Where voxels become larger, the weights are wider by as much
 * (a triangle of two new voxels), so that no old voxel is skipped; beyond the ends the outermost voxel goes
 * on. ERR_MEMORY, ERR_LIMIT. */
status resample_volume(mem *m, const grid *from, const float *voxels, const grid *to, float *out);

#endif
