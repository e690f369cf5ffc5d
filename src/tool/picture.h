/* SPDX-License-Identifier: Apache-2.0 */
/* Results as PNG files. All complain and return an exit code. */
#ifndef SLMT_TOOL_PICTURE_H
#define SLMT_TOOL_PICTURE_H

#include <stddef.h>

#include "slmt/volume.h"

/* Slices of a volume in grey, side by side: 16 at most, spread over the middle half of those (along the
 * file's third axis) that hold anything. 0 is black, `white` and more is white. */
int picture_slices(const char *path, const slmt_volume *volume, double white);

typedef struct bar_group {
    const char *label;
    double value[2];
} bar_group;

/* Draws a chart with two bars for each group. */
int picture_bars(const char *path, const bar_group *groups, size_t count, const char *const series[2],
                 const char *title);

#endif
