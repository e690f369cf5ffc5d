/* SPDX-License-Identifier: Apache-2.0 */
/* epoch.h - which slices a run trains on, and in what order: a pure function of the seed and the epoch. */
#ifndef SLMT_TRAIN_EPOCH_H
#define SLMT_TRAIN_EPOCH_H

#include "lib/mem.h"
#include "slmt/dataset.h"

/* One training example: a slice of a subject, in one contrast or in two. */
typedef struct example {
    uint32_t subject, slice;
    int32_t source, target; /* contrast indices; target -1 where there is none */
} example;

typedef struct example_list {
    mem *mem;
    example *items;
    uint32_t n;
    uint32_t *order; /* of the epoch last asked for */
    uint64_t epoch;  /* UINT64_MAX: none yet */
} example_list;

/* Slices of the set's training subjects, in its order, cut to the first data_rate of them.
 * target < 0: single slices of contrast source, or of every contrast where source < 0. Else pairs. */
status examples_open(example_list *list, mem *m, const slmt_dataset *set, int32_t source, int32_t target,
                     double data_rate);
void examples_close(example_list *list);

/* The example at place `index` of an epoch's shuffled order. */
const example *examples_at(example_list *list, uint64_t seed, uint64_t epoch, uint32_t index);

#endif
