/* SPDX-License-Identifier: Apache-2.0 */
/* epoch.h - how the samples of an epoch become steps. */
#ifndef SLMT_DATA_SAMPLER_EPOCH_H
#define SLMT_DATA_SAMPLER_EPOCH_H

#include "core/method.h"

/* Returns the number of samples of one step: a batch for each process. */
uint64_t samples_together(const feed *f);

/* Counts the steps of an epoch of n samples, and takes room for their order, a block of f's memory.
 * ERR_ARGUMENT: there are fewer samples than a step takes. */
status epoch_open(feed *f, uint64_t n, uint32_t **order);

#endif
