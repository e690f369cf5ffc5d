/* SPDX-License-Identifier: Apache-2.0 */
/* labelled_slices.h - the sampler of whole slices and their label maps, which are turned, scaled, mirrored
 * and bent together, for fine-tuning on few labels. For sets with the images and labels of whole_slices.h.
 *
 * Slices are drawn uniformly from all of the training part that have labels, with replacement. If samples are
 * changed at all, each slice that is not empty is, with equal odds, turned by up to 15 degrees, scaled by up
 * to 5 %, mirrored with odds 1/2, turned by a multiple of 45 degrees, or left. Contrast of the first half of
 * the batch and brightness of the second half may change. Then the first n slices stay, n being drawn, and
 * the others are bent, with labels that are blended: shares of classes. */
#ifndef SLMT_DATA_SAMPLER_LABELLED_SLICES_H
#define SLMT_DATA_SAMPLER_LABELLED_SLICES_H

#include "core/method.h"

typedef struct labelled_plan {
    double bend;       /* standard deviation, in pixels, of the displacements of a grid; 0: none */
    int32_t intensity; /* 1: contrast and brightness change */
    int32_t steps;     /* of an epoch */
} labelled_plan;

/* The task's rule. Its input of SLMT_ROLE_SOURCE is [batch][channel][row][column], with square images; that
 * of SLMT_ROLE_PROBABILITIES [batch][class][row][column]. */
typedef struct labelled_rule {
    int32_t (*classes)(numbers at, int32_t *values); /* as of patch_rule */
    labelled_plan (*plan)(numbers at);
    const char *labels; /* setting: the field of labels, "" for the only one */
} labelled_rule;

/* LABELLED_FEEDING(rule): the row of a task's table. */
#define LABELLED_FEEDING(labelled_rule)                                                                      \
    {                                                                                                        \
        labelled_open, labelled_fill, labelled_close, labelled_rule                                          \
    }

status labelled_open(feed *f);
status labelled_fill(feed *f, uint64_t step, void *const *in);
void labelled_close(feed *f);

#endif
