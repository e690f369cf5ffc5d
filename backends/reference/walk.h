/* SPDX-License-Identifier: Apache-2.0 */
/* walk.h - visits every row of a shape in order and maintains up to three strided offsets.
 *
 * A row is the last axis (one element for a scalar); the caller loops over it with step[]. */
#ifndef SLMT_REFERENCE_WALK_H
#define SLMT_REFERENCE_WALK_H

#include "backends/backend.h"

#include <stdbool.h>

enum { WALK_OPERANDS = 3 };

typedef struct walk {
    int32_t rank;
    int64_t dim[BK_MAX_RANK], at[BK_MAX_RANK];
    int64_t stride[WALK_OPERANDS][BK_MAX_RANK];
    int64_t offset[WALK_OPERANDS]; /* of the first element of this row */
    int64_t step[WALK_OPERANDS];   /* from one element of the row to the next */
    int64_t length;                /* elements in a row */
} walk;

static inline void dense_strides(const bk_shape *s, int64_t stride[BK_MAX_RANK])
{
    int64_t n = 1;
    for (int32_t i = s->rank - 1; i >= 0; i--) {
        stride[i] = n;
        n *= s->dim[i];
    }
}

/* Strides for broadcasting: 0 along the axes of length 1. */
static inline void broadcast_strides(const bk_shape *s, int64_t stride[BK_MAX_RANK])
{
    dense_strides(s, stride);
    for (int32_t i = 0; i < s->rank; i++)
        if (s->dim[i] == 1)
            stride[i] = 0;
}

/* Call after stride[] and offset[] are set. */
static inline void walk_begin(walk *w, const bk_shape *over)
{
    w->rank = over->rank;
    w->length = 1;
    for (int32_t i = 0; i < w->rank; i++) {
        w->dim[i] = over->dim[i];
        w->at[i] = 0;
    }
    if (w->rank > 0)
        w->length = w->dim[w->rank - 1];
    for (int k = 0; k < WALK_OPERANDS; k++)
        w->step[k] = w->rank > 0 ? w->stride[k][w->rank - 1] : 0;
}

static inline bool walk_next(walk *w)
{
    for (int32_t i = w->rank - 2; i >= 0; i--) {
        bool carry = ++w->at[i] == w->dim[i];
        for (int k = 0; k < WALK_OPERANDS; k++)
            w->offset[k] += carry ? -w->stride[k][i] * (w->dim[i] - 1) : w->stride[k][i];
        if (!carry)
            return true;
        w->at[i] = 0;
    }
    return false;
}

#endif
