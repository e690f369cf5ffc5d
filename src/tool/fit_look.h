/* SPDX-License-Identifier: Apache-2.0 */
/* fit_look.h - what a scan is like: voxels, millimetres, grey values, and where the head lies. */
#ifndef SLMT_TOOL_FIT_LOOK_H
#define SLMT_TOOL_FIT_LOOK_H

#include <stdint.h>

#include "slmt/volume.h"

/* Axes are those of preprocessing: to the patient's left, to the back, up. */
typedef struct fit_look {
    int64_t size[3];    /* voxels */
    double spacing[3];  /* millimetres */
    float low, high;    /* smallest and largest value */
    float background;   /* value of the air around the head */
    int64_t head[3][2]; /* first plane with head, and the one after the last; equal: there is none */
    int64_t slices[2];  /* the same for axial slices with enough of it to learn from */
} fit_look;

/* The voxel size of a volume, along those axes. */
void fit_spacing_of(const slmt_volume *volume, double spacing[3]);

/* Looks at a volume. */
fit_look fit_look_at(const slmt_volume *volume);

#endif
