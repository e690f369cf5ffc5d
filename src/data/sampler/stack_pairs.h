/* SPDX-License-Identifier: Apache-2.0 */
/* stack_pairs.h - the sampler of stacks of neighbouring slices, cropped, in two sequences (contrasts), for
 * sets of MR volumes. A step has one pair of sequences, drawn from those of its first subject; both may be
 * the same.
 */
#ifndef SLMT_DATA_SAMPLER_STACK_PAIRS_H
#define SLMT_DATA_SAMPLER_STACK_PAIRS_H

#include "core/method.h"

/* STACK_PAIR_FEEDING: the row of a task's table. The sampler asks its inputs of roles SOURCE, TARGET,
 * SOURCE_CONTRAST and TARGET_CONTRAST, its setting of role CROPS, its `slices` (how many make a sample, which
 * values they have), and the option of role CONTRASTS. */
#define STACK_PAIR_FEEDING                                                                                   \
    {                                                                                                        \
        stack_pairs_open, stack_pairs_fill, stack_pairs_close, NULL                                          \
    }

status stack_pairs_open(feed *f);
status stack_pairs_fill(feed *f, uint64_t step, void *const *in);
void stack_pairs_close(feed *f);

#endif
