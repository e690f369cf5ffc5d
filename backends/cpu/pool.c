/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - maxima over windows, with the index of each. Channels are the lanes: a window is a few rows of
 * channels, whose maxima and their indices stay in registers. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum { SPACE = 3 };

/* There are always SPACE axes: fewer in a call are preceded by axes of length 1. */
typedef struct pooling {
    const float *x;
    float *y;
    int32_t *index; /* NULL: not wanted */
    int64_t batch, channels;
    int64_t from[SPACE], to[SPACE];
    int64_t kernel[SPACE], stride[SPACE], pad[SPACE], dilation[SPACE];
} pooling;

static pooling pooling_of(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    pooling p = {.x = call->in[0].data, .y = call->out[0].data, .index = call->out[1].data};
    p.batch = x->dim[0];
    p.channels = x->dim[x->rank - 1];
    for (int i = 0; i < SPACE; i++) {
        int axis = i - (SPACE + 2 - x->rank);
        p.from[i] = axis < 0 ? 1 : x->dim[axis + 1];
        p.to[i] = axis < 0 ? 1 : y->dim[axis + 1];
        p.kernel[i] = axis < 0 ? 0 : call->attr.kernel[axis];
        p.stride[i] = axis < 0 ? 1 : call->attr.stride[axis];
        p.pad[i] = axis < 0 ? 0 : call->attr.pad[axis];
        p.dilation[i] = axis < 0 ? 1 : call->attr.dilation[axis];
    }
    return p;
}

/* The elements of a window on one axis: `count` elements from `first` on, `step` apart. */
typedef struct taps {
    int64_t first, count, step;
} taps;

static taps taps_of(const pooling *p, int axis, int64_t i)
{
    int64_t n = p->from[axis], to = p->to[axis], step = p->dilation[axis];
    if (p->kernel[axis] == 0) { /* adaptive */
        int64_t first = i * n / to;
        return (taps){first, ((i + 1) * n + to - 1) / to - first, 1};
    }
    int64_t first = i * p->stride[axis] - p->pad[axis], last = first + (p->kernel[axis] - 1) * step;
    if (first < 0)
        first += work_pieces(-first, step) * step;
    return (taps){first, work_max(0, work_pieces(work_min(last + 1, n) - first, step)), step};
}

static int axis_fits(const pooling *p, int axis)
{
    int fits = p->kernel[axis] == 0 ||
               (p->kernel[axis] > 0 && p->stride[axis] > 0 && p->dilation[axis] > 0 && p->pad[axis] >= 0);
    for (int64_t i = 0; fits && i < p->to[axis]; i++)
        fits = taps_of(p, axis, i).count > 0;
    return fits;
}

static int fits_max_pool(const bk_call *call)
{
    if (call->n_in != 1 || call->n_out != 2)
        return 0;
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape, *index = &call->out[1].shape;
    if (x->rank < 3 || x->rank > 2 + SPACE || y->rank != x->rank || !work_same(y, index) ||
        x->dtype != BK_F32 || y->dtype != BK_F32 || index->dtype != BK_I32 || x->dim[0] != y->dim[0] ||
        x->dim[x->rank - 1] != y->dim[x->rank - 1])
        return 0;
    pooling p = pooling_of(call);
    return axis_fits(&p, 0) && axis_fits(&p, 1) && axis_fits(&p, 2) &&
           p.from[0] * p.from[1] * p.from[2] <= INT32_MAX;
}

static void store_places(int32_t *to, vi places, int64_t n)
{
    memcpy(to, &places, (size_t)work_min(n, VL) * sizeof *to);
}

/* n channels, at most VL, of one window; x, y, index are at the first of them. A NaN is larger than all
 * before it. */
INLINE void window_maximum(const pooling *p, const taps t[SPACE], const float *x, int64_t n, float *y,
                           int32_t *index)
{
    vf best = vset(-INFINITY);
    vi places = (int32_t)((t[0].first * p->from[1] + t[1].first) * p->from[2] + t[2].first) - (vi){0};
    for (int64_t a = 0; a < t[0].count; a++)
        for (int64_t b = 0; b < t[1].count; b++) {
            int64_t line = (t[0].first + a * t[0].step) * p->from[1] + t[1].first + b * t[1].step;
            int64_t at = line * p->from[2] + t[2].first;
            for (int64_t c = 0; c < t[2].count; c++, at += t[2].step) {
                vf here = vload_n(x + at * p->channels, n);
                vi larger = (here > best) | (here != here);
                best = vselect(larger, here, best);
                places = (larger & (int32_t)at) | (~larger & places);
            }
        }
    vstore_n(y, best, n);
    if (index)
        store_places(index, places, n);
}

static void pool_line(const pooling *p, int64_t line)
{
    int64_t rows = p->to[0] * p->to[1], sample = line / rows;
    const float *x = p->x + sample * p->from[0] * p->from[1] * p->from[2] * p->channels;
    taps t[SPACE] = {taps_of(p, 0, line % rows / p->to[1]), taps_of(p, 1, line % p->to[1])};
    for (int64_t k = 0; k < p->to[2]; k++) {
        int64_t at = (line * p->to[2] + k) * p->channels;
        t[2] = taps_of(p, 2, k);
        for (int64_t i = 0; i < p->channels; i += VL)
            window_maximum(p, t, x + i, p->channels - i, p->y + at + i, p->index ? p->index + at + i : NULL);
    }
}

static void pool_lines(const void *job, int64_t first, int64_t end, int thread)
{
    (void)thread;
    for (int64_t line = first; line < end; line++)
        pool_line(job, line);
}

static bk_status run_max_pool(const bk_call *call, cpu_team *team)
{
    pooling p = pooling_of(call);
    cpu_team_share(team, p.batch * p.to[0] * p.to[1], bk_count(&call->in[0].shape), pool_lines, &p);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_max_pool) = {.fits = fits_max_pool, .run = run_max_pool, .types = CPU_OWN_TYPES};
