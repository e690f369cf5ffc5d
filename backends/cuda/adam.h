/* SPDX-License-Identifier: Apache-2.0 */
/* adam.h - steps of Adam on many arrays by one launch. */
#ifndef SLMT_CUDA_ADAM_H
#define SLMT_CUDA_ADAM_H

#include "backends/cuda/kernel.h"

/* The arrays of one call of BK_ADAM. */
struct adam_arrays {
    const float *w, *g, *m, *v;
    float *next_w, *next_m, *next_v; /* NULL where nobody reads; else possibly w, m, v themselves */
    int64_t n;
};

/* Returns how many of n calls, from the first one on, can be one launch: steps of Adam with the same numbers,
 * none of which reads or writes what another one writes. 0: the first one is no such step. */
int adam_together(const bk_call *calls, int n);

adam_arrays adam_arrays_of(const bk_call *call);

/* Starts such calls. list: their arrays, in the device's memory. */
void start_adam(execution *e, const bk_call *calls, int n, const adam_arrays *list);

#endif
