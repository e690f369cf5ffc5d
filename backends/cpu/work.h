/* SPDX-License-Identifier: Apache-2.0 */
/* work.h - how kernels divide work: numbers of threads, ranges, and walks over several axes with strides.
 * Pieces never depend on the number of threads, so results do not either. */
#ifndef SLMT_CPU_WORK_H
#define SLMT_CPU_WORK_H

#include "backends/backend.h"

/* Elements of a piece: small enough for the first-level cache, large enough to be worth a call. */
enum { WORK_PIECE = 4096 };

static inline int64_t work_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t work_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t work_pieces(int64_t n, int64_t piece)
{
    return (n + piece - 1) / piece;
}

static inline int work_same(const bk_shape *a, const bk_shape *b)
{
    int same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++)
        same = a->dim[i] == b->dim[i];
    return same;
}

/* The number of threads worth waking: one if all the work takes a few microseconds. */
static inline int work_team(int threads, int64_t pieces, int64_t elements)
{
    if (elements < 8192)
        return 1;
    return (int)work_min(threads, work_max(pieces, 1));
}

/* The number of tasks that a thread takes at once: `most` if neighbours are cheaper together, fewer if each
 * thread would otherwise not take several turns. */
static inline int work_chunk(int team, int64_t tasks, int64_t most)
{
    return (int)work_max(1, work_min(most, tasks / (4 * team)));
}

/* Up to two operands walked over the same axes; axes of length 1 dropped, neighbours joined. */
typedef struct work_walk {
    int rank; /* 0: one element */
    int64_t dim[BK_MAX_RANK];
    int64_t stride[2][BK_MAX_RANK]; /* in elements */
} work_walk;

/* Appends an axis (outermost first), joining it to the one before if both operands allow. */
static inline void work_axis(work_walk *w, int64_t dim, int64_t stride0, int64_t stride1)
{
    if (dim == 1)
        return;
    int last = w->rank - 1;
    if (last >= 0 && w->stride[0][last] == stride0 * dim && w->stride[1][last] == stride1 * dim) {
        w->dim[last] *= dim;
        w->stride[0][last] = stride0;
        w->stride[1][last] = stride1;
        return;
    }
    w->dim[w->rank] = dim;
    w->stride[0][w->rank] = stride0;
    w->stride[1][w->rank] = stride1;
    w->rank++;
}

/* A position in the first `rank` axes of a walk. */
typedef struct work_place {
    int rank;
    int64_t index[BK_MAX_RANK];
    int64_t offset[2];
} work_place;

static inline int64_t work_count(const work_walk *w, int rank)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= w->dim[i];
    return n;
}

static inline work_place work_at(const work_walk *w, int rank, int64_t linear)
{
    work_place p = {.rank = rank};
    for (int i = rank - 1; i >= 0; i--) {
        p.index[i] = linear % w->dim[i];
        linear /= w->dim[i];
        p.offset[0] += p.index[i] * w->stride[0][i];
        p.offset[1] += p.index[i] * w->stride[1][i];
    }
    return p;
}

static inline void work_next(const work_walk *w, work_place *p)
{
    for (int i = p->rank - 1; i >= 0; i--) {
        p->offset[0] += w->stride[0][i];
        p->offset[1] += w->stride[1][i];
        if (++p->index[i] < w->dim[i])
            return;
        p->offset[0] -= w->dim[i] * w->stride[0][i];
        p->offset[1] -= w->dim[i] * w->stride[1][i];
        p->index[i] = 0;
    }
}

/* Row-major strides of a shape. */
static inline void work_strides(const bk_shape *s, int64_t *stride)
{
    int64_t step = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= s->dim[i];
    }
}

#endif
