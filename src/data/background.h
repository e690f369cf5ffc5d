/* SPDX-License-Identifier: Apache-2.0 */
/* background.h - the values that fill what lies outside the patient: masked air, padding, rims.
 *
 * A value belongs to the background if it lies in flat areas (at least half of the neighbours of its voxels
 * have exactly this value) and
 *   - is 0, or
 *   - fills the largest part, and at least a quarter, of the volume's surface, or
 *   - fills a part of the surface, and is 32767, -32768 or 65535, the ends of integer types, or
 *   - fills a part of the surface, and lies far outside the range of 0 and all other voxels (from their 1st
 * to their 99th percentile): above it by more than its width, or below it by more than a quarter of that; or
 *   - lies so far below and fills a tenth of the volume.
 * 0 also belongs to it if the corner voxel is 0. Noise has no flat areas, so that a volume with noise in the
 * air has no background. */
#ifndef SLMT_DATA_BACKGROUND_H
#define SLMT_DATA_BACKGROUND_H

#include "lib/mem.h"

enum { BACKGROUND_MOST = 16 };

typedef struct background {
    int count; /* 0: the volume has none */
    float value[BACKGROUND_MOST];
} background;

/* What else is known when the background has been looked for. */
typedef struct surroundings {
    float surface; /* median of the surface */
    float inside;  /* 90th percentile of the middle of the volume, half of each axis */
} surroundings;

/* dims: i fastest. corner: index of the corner voxel. around may be NULL. ERR_MEMORY, ERR_LIMIT. */
status background_find(mem *m, const float *voxels, const int64_t dims[3], int64_t corner, background *out,
                       surroundings *around);

static inline int background_has(const background *b, float value)
{
    for (int i = 0; i < b->count; i++)
        if (b->value[i] == value)
            return 1;
    return 0;
}

#endif
