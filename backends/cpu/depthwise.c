/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.c - convolution of each channel by itself, channels last: a vector holds neighbouring channels of
 * one pixel, whose sum over the taps stays in a register. */
#include "backends/cpu/depthwise.h"

#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum { VECTORS = 4 }; /* sums at a time */

/* Channels that are computed together: `count` vectors from channel c on, the last of them from `last` on, so
 * that it ends with the channels and overlaps its neighbour. With fewer channels than a vector has lanes, the
 * vector is cut. */
typedef struct strip {
    int64_t c, last, n;
} strip;

static strip strip_at(int64_t c, int64_t n, int count)
{
    return (strip){c, work_max(0, work_min(c + (count - 1) * VL, n - VL)), n};
}

static int vectors_at(int64_t c, int64_t n)
{
    return (int)work_min(VECTORS, work_pieces(n - c, VL));
}

INLINE int64_t channel(strip s, int v, const int count)
{
    return v < count - 1 ? s.c + v * VL : s.last;
}

INLINE vf load(const float *p, strip s, int v, const int count)
{
    return count == 1 ? vload_n(p + s.last, s.n) : vload(p + channel(s, v, count));
}

/* Calls name(..., count) with the number of vectors as a constant. */
#define EACH_STRIP(n, call)                                                                                  \
    for (int64_t c = 0; c < (n); c += VECTORS * VL) {                                                        \
        switch (vectors_at(c, n)) {                                                                          \
        case 1:                                                                                              \
            call(1);                                                                                         \
            break;                                                                                           \
        case 2:                                                                                              \
            call(2);                                                                                         \
            break;                                                                                           \
        case 3:                                                                                              \
            call(3);                                                                                         \
            break;                                                                                           \
        default:                                                                                             \
            call(VECTORS);                                                                                   \
        }                                                                                                    \
    }

/* The taps low..high that pixel `at` reads inside a line of `length` pixels, `gap` apart. */
typedef struct range {
    int64_t low, high;
} range;

static range inside(int64_t at, int64_t gap, int64_t taps, int64_t length)
{
    range r = {at < 0 ? work_pieces(-at, gap) : 0, at < length ? work_pieces(length - at, gap) : 0};
    r.high = work_min(r.high, taps);
    return r;
}

/* ---- a phase of y or dx ---- */

/* The source of one target pixel: its first source pixel on each axis, and the taps that are inside. */
typedef struct reading {
    int64_t at[SPACE];
    range taps[SPACE];
} reading;

static void read_axis(const cpu_depthwise *d, int axis, int64_t i, reading *r)
{
    const conv_phase *f = &d->phase;
    r->at[axis] = i * f->move[axis] + f->origin[axis];
    r->taps[axis] = inside(r->at[axis], f->gap[axis], f->taps[axis], d->source[axis]);
}

/* A strip of one pixel; in: the sample. */
INLINE void sum_taps(const cpu_depthwise *d, const reading *r, const float *in, strip s, float *out,
                     const int count)
{
    const conv_phase *f = &d->phase;
    vf sum[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < count; v++)
        sum[v] = d->bias ? load(d->bias, s, v, count) : vset(0.0f);
    for (int64_t i = r->taps[0].low; i < r->taps[0].high; i++)
        for (int64_t j = r->taps[1].low; j < r->taps[1].high; j++) {
            int64_t line = (r->at[0] + i * f->gap[0]) * d->source[1] + r->at[1] + j * f->gap[1];
            const float *x = in + (line * d->source[LAST] + r->at[LAST]) * s.n;
            const float *w = d->w + (i * f->taps[1] + j) * f->taps[LAST] * s.n;
            for (int64_t k = r->taps[LAST].low; k < r->taps[LAST].high; k++)
#pragma GCC unroll 4
                for (int v = 0; v < count; v++)
                    sum[v] += load(x + k * f->gap[LAST] * s.n, s, v, count) * load(w + k * s.n, s, v, count);
        }
#pragma GCC unroll 4
    for (int v = 0; v < count; v++)
        vstore_n(out + channel(s, v, count), sum[v], s.n);
}

/* Finishes rows of y that are complete while they are in cache. */
static void activate(const cpu_depthwise *d, float *y)
{
    cpu_epilogue e = {.rows = d->target[LAST], .cols = d->channels, .product = y, .y = y, .act = d->act};
    e.product_step = e.y_step = d->channels;
    KERNEL(cpu_epilogue_rows)(&e);
}

static void target_line(const cpu_depthwise *d, int64_t b, int64_t s0, int64_t s1)
{
    const conv_phase *f = &d->phase;
    int64_t n = d->channels, row = f->first[0] + s0 * f->step[0];
    const float *in = d->in + b * conv_count(d->source) * n;
    reading r;
    row = ((b * d->target[0] + row) * d->target[1] + f->first[1] + s1 * f->step[1]) * d->target[LAST];
    read_axis(d, 0, s0, &r);
    read_axis(d, 1, s1, &r);
    for (int64_t i = 0; i < f->size[LAST]; i++) {
        float *out = d->out + (row + f->first[LAST] + i * f->step[LAST]) * n;
        read_axis(d, LAST, i, &r);
#define SUM_TAPS(count) sum_taps(d, &r, in, strip_at(c, n, count), out, count)
        EACH_STRIP(n, SUM_TAPS)
#undef SUM_TAPS
    }
    if (d->act.kind)
        activate(d, d->out + row * n);
}

static void target_lines(const void *job, int64_t first, int64_t end, int thread)
{
    const cpu_depthwise *d = job;
    const int64_t *size = d->phase.size;
    (void)thread;
    for (int64_t i = first; i < end; i++)
        target_line(d, i / (size[0] * size[1]), i / size[1] % size[0], i % size[1]);
}

void KERNEL(cpu_depthwise_run)(const cpu_depthwise *d, cpu_team *team)
{
    const int64_t *size = d->phase.size;
    int64_t lines = d->batch * size[0] * size[1];
    cpu_team_share(team, lines, lines * size[LAST] * d->channels, target_lines, d);
}

/* ---- the gradient of the weights ---- */

/* sums += sum over `pixels` of x * dy, for a strip; x and dy begin at the first pixel. Channels that two
 * vectors have are added once. */
INLINE void add_products(const float *x, int64_t x_step, const float *dy, int64_t pixels, strip s,
                         float *sums, const int count)
{
    vf sum[VECTORS];
    float lane[VL];
#pragma GCC unroll 4
    for (int v = 0; v < count; v++)
        sum[v] = vset(0.0f);
    for (int64_t i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int v = 0; v < count; v++)
            sum[v] += load(x + i * x_step, s, v, count) * load(dy + i * s.n, s, v, count);
#pragma GCC unroll 4
    for (int v = 0; v < count - 1; v++)
        vstore(sums + s.c + v * VL, vload(sums + s.c + v * VL) + sum[v]);
    vstore(lane, sum[count - 1]);
    for (int64_t i = s.c + (count - 1) * VL - s.last; i < work_min(VL, s.n); i++)
        sums[s.last + i] += lane[i];
}

/* One tap of one line of y; x: the line of x that it reads. */
static void add_tap(const conv *of, const float *x, const float *dy, int64_t tap, float *sums)
{
    int64_t n = of->in, stride = of->stride[LAST], at = tap * of->dilation[LAST] - of->pad[LAST];
    range r = inside(at, stride, of->y[LAST], of->x[LAST]);
    int64_t pixels = r.high - r.low;
    if (pixels <= 0)
        return;
    x += (at + r.low * stride) * n;
    dy += r.low * n;
#define ADD_PRODUCTS(count) add_products(x, stride *n, dy, pixels, strip_at(c, n, count), sums, count)
    EACH_STRIP(n, ADD_PRODUCTS)
#undef ADD_PRODUCTS
}

void KERNEL(cpu_depthwise_sum)(const cpu_depthwise_sums *s)
{
    const conv *c = s->c;
    int64_t lines = c->y[0] * c->y[1];
    memset(s->sums, 0, (size_t)(c->taps * c->in) * sizeof *s->sums);
    for (int64_t line = s->line; line < s->line_end; line++)
        for (int64_t tap = 0; tap < c->taps; tap++) {
            int64_t k[SPACE], b = line / lines;
            conv_place(tap, c->kernel, k);
            int64_t s0 = line % lines / c->y[1] * c->stride[0] + k[0] * c->dilation[0] - c->pad[0];
            int64_t s1 = line % c->y[1] * c->stride[1] + k[1] * c->dilation[1] - c->pad[1];
            if (s0 < 0 || s0 >= c->x[0] || s1 < 0 || s1 >= c->x[1])
                continue;
            add_tap(c, s->x + ((b * c->x[0] + s0) * c->x[1] + s1) * c->x[LAST] * c->in,
                    s->dy + line * c->y[LAST] * c->in, k[LAST], s->sums + tap * c->in);
        }
}
