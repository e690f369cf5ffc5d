/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.c - convolution of each channel by itself, channels last: a vector holds neighbouring channels of one
 * pixel, whose sum over the taps stays in a register. */
#include "backends/cpu/depthwise.h"

#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/work.h"

enum { VECTORS = 4 }; /* sums at a time */

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

/* What one target pixel reads: its first source pixel on each axis, and the taps that are inside. */
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

/* `count` vectors of one pixel from channel c on; the last may be cut. in: the sample. */
INLINE void sum_taps(const cpu_depthwise *d, const reading *r, const float *in, int64_t c, float *out,
                     const int count)
{
    const conv_phase *f = &d->phase;
    int64_t n = d->channels;
    vf sum[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < count; v++)
        sum[v] = d->bias ? vload_n(d->bias + c + v * VL, n - c - v * VL) : vset(0.0f);
    for (int64_t i = r->taps[0].low; i < r->taps[0].high; i++)
        for (int64_t j = r->taps[1].low; j < r->taps[1].high; j++) {
            int64_t line = (r->at[0] + i * f->gap[0]) * d->source[1] + r->at[1] + j * f->gap[1];
            const float *x = in + (line * d->source[LAST] + r->at[LAST]) * n + c;
            const float *w = d->w + (i * f->taps[1] + j) * f->taps[LAST] * n + c;
            for (int64_t k = r->taps[LAST].low; k < r->taps[LAST].high; k++)
#pragma GCC unroll 4
                for (int v = 0; v < count; v++) {
                    int64_t rest = count == 1 ? n - c : VL;
                    sum[v] += vload_n(x + k * f->gap[LAST] * n + v * VL, rest) *
                              vload_n(w + k * n + v * VL, rest);
                }
        }
#pragma GCC unroll 4
    for (int v = 0; v < count; v++)
        vstore_n(out + c + v * VL, sum[v], n - c - v * VL);
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
        int64_t c = 0;
        read_axis(d, LAST, i, &r);
        for (; c + VECTORS * VL <= n; c += VECTORS * VL)
            sum_taps(d, &r, in, c, out, VECTORS);
        for (; c < n; c += VL)
            sum_taps(d, &r, in, c, out, 1);
    }
}

void KERNEL(cpu_depthwise_run)(const cpu_depthwise *d, int threads)
{
    const int64_t *size = d->phase.size;
    int64_t lines = d->batch * size[0] * size[1];
    int team = work_team(threads, lines, lines * size[LAST] * d->channels);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(static)
    for (int64_t i = 0; i < lines; i++)
        target_line(d, i / (size[0] * size[1]), i / size[1] % size[0], i % size[1]);
}

/* ---- the gradient of the weights ---- */

/* sums[c..] += sum over `pixels` of x * dy, `count` vectors; x and dy begin at the first pixel. */
INLINE void add_products(const float *x, int64_t x_step, const float *dy, int64_t pixels, int64_t n, int64_t c,
                         float *sums, const int count)
{
    vf sum[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < count; v++)
        sum[v] = vset(0.0f);
    for (int64_t i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int v = 0; v < count; v++) {
            int64_t rest = count == 1 ? n - c : VL;
            sum[v] += vload_n(x + i * x_step + c + v * VL, rest) * vload_n(dy + i * n + c + v * VL, rest);
        }
#pragma GCC unroll 4
    for (int v = 0; v < count; v++) {
        int64_t at = c + v * VL;
        vstore_n(sums + at, vload_n(sums + at, n - at) + sum[v], n - at);
    }
}

/* One tap of one line of y; x: the line of x that it reads. */
static void add_tap(const conv *c, const float *x, const float *dy, int64_t tap, float *sums)
{
    int64_t n = c->in, stride = c->stride[LAST], at = tap * c->dilation[LAST] - c->pad[LAST];
    range r = inside(at, stride, c->y[LAST], c->x[LAST]);
    const float *first = x + (at + r.low * stride) * n, *of = dy + r.low * n;
    int64_t i = 0, pixels = r.high - r.low;
    if (pixels <= 0)
        return;
    for (; i + VECTORS * VL <= n; i += VECTORS * VL)
        add_products(first, stride * n, of, pixels, n, i, sums, VECTORS);
    for (; i < n; i += VL)
        add_products(first, stride * n, of, pixels, n, i, sums, 1);
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
