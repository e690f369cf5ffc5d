/* SPDX-License-Identifier: Apache-2.0 */
/* intensity.h - how the grey values of a volume become 0 to 1, by the rules of slmt_preprocess. */
#ifndef SLMT_DATA_INTENSITY_H
#define SLMT_DATA_INTENSITY_H

#include "core/context.h"
#include "data/background.h"
#include "slmt/model.h"

/* Background values become 0. The others are clipped to [low, high], a value equal to `corner` excepted; then
 * v becomes (v - base) / (top - base), and what is below 0 becomes 0. */
typedef struct intensity {
    float corner; /* NaN: none; the rule SLMT_BACKGROUND_CORNER has one, and no background */
    float low, high, base, top;
    background back;
} intensity;

/* What is remarkable about a volume. A part is 0 where there is nothing to say. */
typedef struct intensity_facts {
    background back;           /* whatever the rule */
    uint64_t voxels, head;     /* all, and those that are not background; the corner's rule has no head */
    float bright, bright_part; /* a background value above the head's range, its part of all voxels */
    float spike, spike_part;   /* the largest value far above the head's others, the part of such */
    float dip, dip_part;       /* the same far below */
    float grey, grey_part;     /* the head's most frequent grey value, if it is that of most voxels */
    int values;                /* different values of the head, if they are few; 0: many */
    float alike_part;          /* part of neighbours along a row that are equal, if it is most; else 0 */
    float narrow; /* part of 0 to 1 that nine tenths of the head get, if it is next to nothing; else 0 */
    float corner; /* the corner voxel where it sets the range, else 0 */
    float negative_part; /* part of the head that the corner's rule makes 0, if it is not small; else 0 */
    int inverted;        /* no background, and the surface is brighter than the inside */
    int gaps;            /* slices without anything, between others that show something */
    surroundings around;
    float high; /* the upper end of the head's range */
} intensity_facts;

/* Measures a volume by p's rule. corner: index of the corner voxel. facts may be NULL. ERR_ARGUMENT: the
 * volume has one value only, or its range is empty; ERR_MEMORY, ERR_LIMIT. */
status intensity_find(mem *m, const slmt_preprocess *p, const float *voxels, const int64_t dims[3],
                      int64_t corner, intensity *out, intensity_facts *facts);

/* Warns about each fact. what: the volume's name in front of the text; NULL: none. ERR_CANCELLED. */
status intensity_warn(const slmt_context *context, const intensity_facts *facts, const char *what);

/* SLMT_SCALE_PERCENTILES by the corner's rule: the head is every voxel that differs from the corner voxel.
 * Its values are clipped to its percentiles [low, high]; then all are divided by top, the maximum of the
 * clipped volume. Percentiles interpolate linearly between ranks, as NumPy does. ERR_ARGUMENT: the volume is
 * constant, or has no positive value; ERR_MEMORY, ERR_LIMIT. */
status intensity_measure(mem *m, const float *voxels, size_t count, float corner, double low_percentile,
                         double high_percentile, intensity *out);

/* SLMT_SCALE_TWICE_P99 by the corner's rule: low = 0, high = top = twice the 99th percentile of all voxels,
 * and no corner. ERR_ARGUMENT: that percentile is not above 0. */
status intensity_measure_p99(mem *m, const float *voxels, size_t count, intensity *out);

/* Returns a value in [0, 1]. */
float intensity_apply(const intensity *scale, float value);

#endif
