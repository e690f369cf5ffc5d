/* SPDX-License-Identifier: Apache-2.0 */
/* likeness.h - finds copies: whether two scans show one picture, even if one of them was stored with its axes
 * in another order, scaled, shifted, rounded to integers, or written by another program. */
#ifndef SLMT_TOOL_LIKENESS_H
#define SLMT_TOOL_LIKENESS_H

#include <stdbool.h>
#include <stddef.h>

#include "slmt/slmt.h"

enum {
    LIKENESS_SIDE = 12,
    LIKENESS_BLOCKS = LIKENESS_SIDE * LIKENESS_SIDE * LIKENESS_SIDE,
    LIKENESS_LEVELS = 19
};

/* A scan in few numbers: the mean of each of its blocks, standardised, and how its grey values are
 * distributed. Blocks and sizes are in the order of the patient's axes, so that the order in which the voxels
 * are stored does not matter. */
typedef struct likeness {
    int64_t size[3];        /* voxels along each axis */
    double mean, deviation; /* of the blocks' means: what was subtracted, and what they were divided by */
    float block[LIKENESS_BLOCKS];
    float level[LIKENESS_LEVELS]; /* quantiles 0.05, 0.1, ... 0.95 of the head, whose range is 0 to 1 */
} likeness;

/* Computes the likeness of a volume. Returns false if the volume is too uniform to be recognised. */
bool likeness_of(const slmt_volume *volume, likeness *l);

/* How much of their deviation the means of blocks may differ by in all. Rounding to integers, or compression,
 * changes them by less than half of it. Scans of one person that were registered differ by ten times as much.
 */
static const double likeness_difference = 2e-3;

/* Returns true if two likenesses agree. Two scans with different noise can agree, too; likeness_is_copy()
 * tells more.
 */
bool likeness_is_same(const likeness *a, const likeness *b);

/* Returns true if the likenesses agree, and the voxels do, too, except for scale, shift and rounding. */
bool likeness_is_copy(const slmt_volume *volume, const likeness *a, const slmt_volume *other,
                      const likeness *b);

/* The scans of one subject, by contrast. */
typedef struct likeness_subject {
    likeness **of; /* NULL where it has none, or one that shows nothing */
    size_t count;
    size_t one, other; /* two contrasts that are copies of each other, if `are` is not NULL */
    const char *are;   /* what a message says of the two */
} likeness_subject;

/* Compares the volumes of a subject, of which those that are missing are NULL. Returns whether two of them
 * are copies of each other. The caller frees `s` in any case. */
bool likeness_of_subject(slmt_volume *const *volumes, size_t contrasts, likeness_subject *s);

void likeness_subject_free(likeness_subject *s);

#endif
