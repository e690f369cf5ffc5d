/* SPDX-License-Identifier: Apache-2.0 */
/* stacks.h - slices of a volume as samples of a runner: stacks of neighbours, by the task's `slicing`. */
#ifndef SLMT_CORE_STACKS_H
#define SLMT_CORE_STACKS_H

#include "core/runner.h"

/* `count` slices of a volume as a runner's samples. */
typedef struct stacks {
    runner *runner;
    stacking of;
    int32_t made; /* slices of an output: all of a stack, or the one that counts */
    double low, high;
    size_t count, pixels;
} stacks;

/* Prepares the stacks of `count` slices. ERR_UNSUPPORTED: the task takes no slices, or not with its options
 * and settings; ERR_STATE: a shared input was never set. */
status stacks_open(runner *r, size_t count, stacks *k);

/* Returns 1 if each sample is a single unscaled slice. */
int stacks_are_plain(const stacks *k);

/* Makes target slices from source slices, which may be the same memory if they are plain. */
status stacks_run(const stacks *k, const float *source, float *target);

#endif
