/* SPDX-License-Identifier: Apache-2.0 */
/* volume.h - what a volume holds, for the entry points and for runs over volumes. */
#ifndef SLMT_CORE_VOLUME_H
#define SLMT_CORE_VOLUME_H

#include "core/context.h"
#include "io/nifti.h"
#include "slmt/volume.h"

struct slmt_volume {
    uint64_t word;         /* HANDLE_VOLUME, first */
    slmt_context *context; /* one owner */
    nifti_scan scan;       /* in the context's memory */
};

/* A volume that takes over scan's blocks, if it succeeds. ERR_MEMORY, ERR_LIMIT. */
status volume_new(slmt_context *context, const nifti_scan *scan, slmt_volume **volume);

void volume_free(slmt_volume *volume); /* NULL is allowed */

/* A volume that takes over scan's blocks like volume_new(), after warning of what its reader had to
 * assume; path: in front of a warning, NULL: nothing. ERR_CANCELLED: a warning was not
 * accepted. */
status volume_new_read(slmt_context *context, const nifti_scan *scan, const char *path, slmt_volume **volume);

/* A volume with source's context and grid, and other voxels: a block of the context's memory, which the
 * volume owns from then on; on failure it stays the caller's. Its header keeps the geometry alone, and says
 * that the intensities were scaled. */
status volume_like(const slmt_volume *source, float *voxels, slmt_volume **volume);

/* Says in the header of a volume of volume_like() what it is, behind the library's name and version. */
void volume_describe(slmt_volume *volume, const char *what);

/* Says that it is synthetic and not for diagnosis. */
void volume_mark_synthetic(slmt_volume *volume);

/* Says that its voxels are whole numbers, each a label, and that it is not for diagnosis. */
void volume_mark_labels(slmt_volume *volume);

/* Checks that every voxel is a number. ERR_NONFINITE. */
status volume_check_finite(const slmt_volume *volume);

#endif
