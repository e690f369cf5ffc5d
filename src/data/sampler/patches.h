/* SPDX-License-Identifier: Apache-2.0 */
/* patches.h - the sampler of crops of images and their label maps, for networks that label pixels: slices or
 * volumes, a channel for each contrast. For sets whose images and labels have the axes "row,column" or
 * "slice,row,column".
 *
 * An epoch has as many crops of each training record as the setting says, in an order drawn for the epoch. A
 * crop lies anywhere in its record; of a slice network it is in a slice drawn. If samples are changed at all,
 * rows and columns are each mirrored with probability 1/2, and square crops rotated by 0 to 3 quarters. */
#ifndef SLMT_DATA_SAMPLER_PATCHES_H
#define SLMT_DATA_SAMPLER_PATCHES_H

#include "core/method.h"

enum { PATCH_CLASSES = 64 };

/* The settings of a task for the sampler. Its input of SLMT_ROLE_SOURCE is [batch][channel][row][column], or
 * with an axis of slices before the rows; that of SLMT_ROLE_LABELS is the same without channels. */
typedef struct patch_rule {
    /* Writes the values that label maps have, by class; returns how many there are. */
    int32_t (*classes)(numbers at, int32_t values[PATCH_CLASSES]);
    /* Settings: crops of a record in an epoch; the field of labels, a text, "" for the only one; the value of
     * pixels that do not count. */
    const char *crops, *labels, *ignored;
} patch_rule;

/* PATCH_FEEDING(rule): the row of a task's table. */
#define PATCH_FEEDING(patch_rule)                                                                            \
    {                                                                                                        \
        patches_open, patches_fill, patches_close, patch_rule                                                \
    }

status patches_open(feed *f);
status patches_fill(feed *f, uint64_t step, void *const *in);
void patches_close(feed *f);

#endif
