/* SPDX-License-Identifier: Apache-2.0 */
/* ranking.h - values of a given rank among a volume's voxels, found by counting: no copy, no sorting, the
 * same time whatever the values. */
#ifndef SLMT_DATA_RANKING_H
#define SLMT_DATA_RANKING_H

#include "data/background.h"

typedef struct ranking {
    mem *mem;
    const float *voxels;
    size_t count;
    float corner;            /* a value that is left out; NaN: none */
    background back;         /* more that are left out */
    uint64_t inside;         /* voxels that are not left out */
    uint64_t *upper, *lower; /* counts by the upper 16 bits of the values' keys; by the lower 16 of some */
} ranking;

/* voxels, count, corner and back are set. ERR_MEMORY, ERR_LIMIT. */
status ranking_open(ranking *r);
void ranking_close(ranking *r);

static inline int ranking_has(const ranking *r, float value)
{
    return value != r->corner && !background_has(&r->back, value);
}

/* Returns the value of a rank, from 0, below r->inside. */
float ranking_value(ranking *r, uint64_t rank);

/* The same, too low by less than a hundredth of its size, without a pass over the volume. */
float ranking_about(const ranking *r, double part);

/* Returns the percentile of `n` values from rank `first` on, linear between ranks. */
float ranking_percentile(ranking *r, double percent, uint64_t first, uint64_t n);

/* Returns how many values stand apart at the upper (or lower) end: at most `most` of them, beyond a gap of
 * more than `width`. The gap is known to a hundredth of the values beside it. *edge: the outermost value
 * before the gap. */
uint64_t ranking_apart(const ranking *r, int upper, uint64_t most, double width, float *edge);

#endif
