/* SPDX-License-Identifier: Apache-2.0 */
/* slices.h - the sampler of single slices, or of pairs of them, for sets of MR volumes: every slice of the
 * training subjects once an epoch, in an order drawn for the epoch. A slice may come with its neighbours. */
#ifndef SLMT_DATA_SAMPLER_SLICES_H
#define SLMT_DATA_SAMPLER_SLICES_H

#include "core/method.h"
#include "lib/random.h"

/* The settings of a task for the sampler. Its first input takes the slices; with pairs, its second one takes
 * the targets. */
typedef struct slice_rule {
    int32_t pairs;               /* 1: the same slice of two contrasts, both of which the caller names */
    int32_t (*side)(numbers at); /* pixels of the model's images */
    /* Random changes. target NULL: a single slice, or a neighbour, to which the same changes are made from
     * the same stream. spare: room for one slice. */
    void (*augment)(float *source, float *target, int side, float *spare, random_stream *r);
    /* Slices of the first input, an odd number: the slice between its neighbours, of which the first slice of
     * the contrast is repeated below it and the last one above, as in synthesis. NULL: the slice alone. */
    int32_t (*stack)(numbers at);
} slice_rule;

/* SLICE_FEEDING(rule): the row of a task's table. */
#define SLICE_FEEDING(slice_rule)                                                                            \
    {                                                                                                        \
        slices_open, slices_fill, slices_close, slice_rule                                                   \
    }

status slices_open(feed *f);
status slices_fill(feed *f, uint64_t step, void *const *in);
void slices_close(feed *f);

#endif
