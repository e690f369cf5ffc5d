/* SPDX-License-Identifier: Apache-2.0 */
/* volume.h - what a volume holds, for the entry points and for runs over volumes. */
#ifndef SLMT_CORE_VOLUME_H
#define SLMT_CORE_VOLUME_H

#include "core/context.h"
#include "io/nifti.h"
#include "slmt/volume.h"

struct slmt_volume {
    slmt_context *context; /* one owner */
    nifti_scan scan;       /* in the context's memory */
};

/* A volume that takes over scan's blocks, if it succeeds. ERR_MEMORY, ERR_LIMIT. */
status volume_new(slmt_context *context, const nifti_scan *scan, slmt_volume **volume);

void volume_free(slmt_volume *volume); /* NULL is allowed */

/* A volume with source's context, grid and header, and other voxels: a block of the context's memory, which
 * the volume owns from then on; on failure it stays the caller's. */
status volume_like(const slmt_volume *source, float *voxels, slmt_volume **volume);

#endif
