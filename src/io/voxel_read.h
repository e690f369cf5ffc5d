/* SPDX-License-Identifier: Apache-2.0 */
/* voxel_read.h - the voxels of one volume of an open file. For src/io only. */
#ifndef SLMT_IO_VOXEL_READ_H
#define SLMT_IO_VOXEL_READ_H

#include "io/gz_input.h"
#include "io/nifti.h"
#include "io/voxel_form.h"

typedef struct voxel_place {
    uint64_t offset;  /* of the file's first voxel */
    uint64_t voxels;  /* of a volume */
    uint64_t volumes; /* in the file */
    uint64_t index;   /* of the one to read */
} voxel_place;

/* The file can hold what its header promises, as far as its size tells. ERR_CORRUPT. */
status voxel_check_size(const gz_input *in, const voxel_form *form, const voxel_place *place);

/* Reads the volume into scan->voxels, a block of m, and the file to its end. ERR_CORRUPT, ERR_IO,
 * ERR_NONFINITE, ERR_MEMORY, ERR_LIMIT. */
status voxel_read(mem *m, gz_input *in, const voxel_form *form, const voxel_place *place, nifti_scan *scan);

#endif
