/* SPDX-License-Identifier: Apache-2.0 */
/* slices.h - the sampler of single slices, or of pairs of them, for sets of MR volumes: every slice of the
 * training subjects once an epoch, in an order drawn for the epoch. A slice may come with its neighbours. */
#ifndef SLMT_DATA_SAMPLER_SLICES_H
#define SLMT_DATA_SAMPLER_SLICES_H

#include "core/method.h"
#include "lib/random.h"

/* The settings of a task for the sampler. Its input of SLMT_ROLE_SOURCE takes the slices: each alone, or
 * where its shape [batch, slices, rows, columns] has an odd number of slices, between its neighbours, of
 * which the first slice of the contrast is repeated below it and the last one above, as in synthesis. If it
 * has an input of SLMT_ROLE_TARGET, that one takes the same slice of another contrast, and the caller names
 * both. */
typedef struct slice_rule {
    /* Random changes. target NULL: a single slice, or a neighbour, to which the same changes are made from
     * the same stream. spare: room for one slice. */
    void (*augment)(float *source, float *target, int side, float *spare, random_stream *r);
    const char *step; /* the setting that says which of a subject's slices are used: every so many-th from the
                         first on, still with its own neighbours; NULL: all */
} slice_rule;

/* The row of that setting, which only the sampler reads. */
#define SLICE_STEP                                                                                           \
    {                                                                                                        \
        .name = "slice_step", .kind = SLMT_NUMBER_WHOLE, .initial = 1, .low = 1, .high = 1000000,            \
        .help = "train on every so many-th slice of a subject; 1: on all", .is_later = 1,                    \
        .offset = NO_MEMBER                                                                                  \
    }

/* The row of a task's table: from a rule, or from its function augment() in a task with that setting. */
#define SLICES_FED(augment) &(const feeding)SLICE_FEEDING((&(const slice_rule){augment, "slice_step"}))
#define SLICE_FEEDING(slice_rule)                                                                            \
    {                                                                                                        \
        slices_open, slices_fill, slices_close, slice_rule                                                   \
    }

status slices_open(feed *f);
status slices_fill(feed *f, uint64_t step, void *const *in);
void slices_close(feed *f);

#endif
