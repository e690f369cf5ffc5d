/* SPDX-License-Identifier: Apache-2.0 */
/* grid.h - the voxels of a volume in canonical order (preprocess.h), and where they lie in the patient. */
#ifndef SLMT_DATA_GRID_H
#define SLMT_DATA_GRID_H

#include "core/geometry.h"
#include "data/preprocess.h"

typedef struct grid {
    int64_t dims[3];
    double affine[16]; /* canonical voxel [x,y,z,1] to patient mm, as in slmt_volume_create() */
    double spacing[3]; /* mm between voxels along x, y, z */
} grid;

/* dims and affine as in slmt_volume_create(). */
grid grid_of(const int64_t dims[3], const double affine[16]);

/* Returns the largest distance in mm between the same corner voxel of two grids of equal dims. */
double grid_distance(const grid *a, const grid *b);

/* ERR_ARGUMENT, with sizes or the distance: the grids differ by more than a tenth of the smaller voxel.
 * name, other: what lies on them, for the message. */
status grid_same(const grid *a, const char *name, const grid *b, const char *other);

/* Returns a grid of other spacing over the same field of view: its middle stays along x and y, from which
 * crops are counted, and its lower end along z, from which slices are. */
grid grid_with_spacing(const grid *g, const double spacing[3]);

#endif
