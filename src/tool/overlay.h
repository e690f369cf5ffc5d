/* SPDX-License-Identifier: Apache-2.0 */
/* overlay.h - a picture of label maps over scans: the scan in grey, truth and answer as outlines. */
#ifndef SLMT_TOOL_OVERLAY_H
#define SLMT_TOOL_OVERLAY_H

#include <stddef.h>

#include "label_figures.h"

/* A slice of a subject. */
typedef struct overlay {
    char *title;
    size_t wide, high;
    float *grey;           /* [high][wide] from 0 to 1; NULL: black */
    float *truth, *answer; /* [high][wide] values of classes */
} overlay;

/* Cuts the slice that has the most voxels above the background, the first class; of the truth, or if it has
 * none of the answer. */
overlay overlay_of(const label_case *c, const label_classes *classes);
void overlay_free(overlay *o);

/* Writes a panel for each. Complains and returns an exit code. */
int overlay_write(const char *path, const overlay *panels, size_t count);

#endif
