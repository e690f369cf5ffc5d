/* SPDX-License-Identifier: Apache-2.0 */
/* stack_pairs.h - the sampler of stacks of neighbouring slices, cropped, in two sequences (contrasts), for
 * sets of MR volumes. A step has one pair of sequences, drawn from those of its first subject; both may be
 * the same.
 */
#ifndef SLMT_DATA_SAMPLER_STACK_PAIRS_H
#define SLMT_DATA_SAMPLER_STACK_PAIRS_H

#include "core/method.h"

typedef struct stack_shape {
    int64_t slices, rows, columns; /* of a sample */
    int64_t crops;                 /* samples of a subject in an epoch */
    int32_t most_sequences;        /* that the model tells apart */
} stack_shape;

enum { STACK_SOURCE, STACK_TARGET, STACK_SOURCE_SEQUENCE, STACK_TARGET_SEQUENCE, STACK_INPUTS };

/* The settings of a task for the sampler. */
typedef struct stack_rule {
    status (*shape)(numbers at, stack_shape *shape); /* ERR_ARGUMENT: these settings do not allow sets */
    int32_t
        input[STACK_INPUTS]; /* the task's inputs for stacks in [-1, 1], and for the indices of sequences */
} stack_rule;

/* STACK_PAIR_FEEDING(rule): the row of a task's table. */
#define STACK_PAIR_FEEDING(stack_rule)                                                                       \
    {                                                                                                        \
        stack_pairs_open, stack_pairs_fill, stack_pairs_close, stack_rule                                    \
    }

status stack_pairs_open(feed *f);
status stack_pairs_fill(feed *f, uint64_t step, void *const *in);
void stack_pairs_close(feed *f);

#endif
