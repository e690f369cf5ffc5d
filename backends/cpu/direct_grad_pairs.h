/* SPDX-License-Identifier: Apache-2.0 */
/* direct_grad_pairs.h - the blocks of direct_grad.c in bfloat16: dy and the image are copied as words.
 *
 * A word is two pixels of equal place in two lines: line i of the first half of a block's lines, and line i
 * of the second. Under a tap, both lie as far from each other in the image, so that one copy of it serves all
 * taps. Outside of the image the copy is zero. If a block's lines are odd in number, zeros stand for the line
 * of dy that the second half lacks. */
#ifndef SLMT_CPU_DIRECT_GRAD_PAIRS_H
#define SLMT_CPU_DIRECT_GRAD_PAIRS_H

#include "backends/cpu/direct_grad_block.h"

/* ---- sizes ---- */

static int is_packed(const cpu_direct_grad *g)
{
    (void)g;
    return 1;
}

static int64_t run_floats(const cpu_direct_grad *g)
{
    return cut_up(g->rows / WORD * (int64_t)(sizeof(run) / sizeof(float)));
}

static int64_t packed_floats(const cpu_direct_grad *g)
{
    return cut_up(g->rows / WORD * g->c.y[LAST] * work_pieces(g->c.out, g->splits)) + VL;
}

/* Pixels of a line of the copy. */
static int64_t span_of(const conv *c)
{
    return (c->y[LAST] - 1) * c->stride[LAST] + (c->kernel[LAST] - 1) * c->dilation[LAST] + 1;
}

/* The copy: [planes][lines][pixels][channels]. */
static int64_t window_floats(const cpu_direct_grad *g)
{
    return cut_up(g->c.kernel[0] * reach(g, g->rows / WORD) * span_of(&g->c) * g->c.in) + NR;
}

/* Lines of words of a block. */
static int64_t half_of(const block *b)
{
    return work_pieces(b->line_end - b->line, WORD);
}

static int64_t block_pixels(const block *b)
{
    return half_of(b) * b->g->c.y[LAST];
}

/* ---- copies ---- */

/* Up to a vector of values; zeros if there is no line. */
INLINE vf values_at(const float *line, int64_t at, int64_t n)
{
    __mmask16 lanes = (__mmask16)((1U << n) - 1);
    return line ? (vf)_mm512_maskz_loadu_ps(lanes, line + at) : vset(0.0f);
}

/* Words of `rows` channels of the pixels of two lines. Each pixel's vector is overwritten by the next one's
 * from its last channel on. */
INLINE void pack_line(const float *low, const float *high, int64_t step, int64_t pixels, float *to,
                      const int64_t rows)
{
    for (int64_t p = 0; p < pixels; p++, to += rows)
        vstore(to, pair_lanes(values_at(low, p * step, rows), values_at(high, p * step, rows)));
}

static void pack(const block *b)
{
    int64_t width = b->g->c.y[LAST], step = b->g->out_all, half = half_of(b);
    for (int64_t i = 0; i < tiles_of(b); i++) {
        int64_t first = tile_at(b, i), rows = tile_at(b, i + 1) - first;
        float *to = b->packed + (first - b->out) * block_pixels(b);
        for (int64_t line = 0; line < half; line++, to += width * rows) {
            const float *low = dy_of(b) + line * width * step + first;
            const float *high = b->line + line + half < b->line_end ? low + half * width * step : NULL;
            if (rows == MR)
                pack_line(low, high, step, width, to, MR);
            else
                pack_line(low, high, step, width, to, rows);
        }
    }
}

/* Words of n values beside each other; zeros where there is no line. */
static void pair_values(const float *low, const float *high, int64_t n, float *to)
{
    int64_t i = 0;
    if (low && high)
        for (; i + VL <= n; i += VL)
            vstore(to + i, pair_lanes(vload(low + i), vload(high + i)));
    for (; i < n; i += VL) {
        int64_t lanes = work_min(VL, n - i);
        vstore_n(to + i, pair_lanes(values_at(low, i, lanes), values_at(high, i, lanes)), lanes);
    }
}

/* Line y of plane z of the image, or NULL outside. */
static const float *image_line(const block *b, int64_t z, int64_t y)
{
    const conv *c = &b->g->c;
    if (y < 0 || y >= c->x[1])
        return NULL;
    return b->g->x + ((b->sample * c->x[0] + z) * c->x[1] + y) * c->x[LAST] * c->in;
}

static void copy_image(const block *b)
{
    const cpu_direct_grad *g = b->g;
    const conv *c = &g->c;
    int64_t half = half_of(b), lines = reach(g, half), size = span_of(c) * c->in;
    int64_t first = c->pad[LAST] * c->in; /* value of the copy: the image's first */
    int64_t before = work_min(size, first), inside = work_min(size - before, c->x[LAST] * c->in);
    for (int64_t m = 0; m < c->kernel[0]; m++) {
        int64_t z = b->z * c->stride[0] - c->pad[0] + m * c->dilation[0];
        if (z < 0 || z >= c->x[0])
            continue;
        for (int64_t i = 0; i < lines; i++) {
            int64_t y = b->line * c->stride[1] - c->pad[1] + i;
            float *to = b->windows + (m * lines + i) * size;
            memset(to, 0, (size_t)before * sizeof *to);
            pair_values(image_line(b, z, y), image_line(b, z, y + half * c->stride[1]), inside, to + before);
            memset(to + before + inside, 0, (size_t)(size - before - inside) * sizeof *to);
        }
    }
}

static void copy_block(const block *b)
{
    pack(b);
    copy_image(b);
}

/* ---- runs ---- */

/* Runs under tap (m, n, k), or under the joined taps (m, n); returns how many. */
static int64_t list_runs(const block *b, int64_t m, int64_t n, int64_t k)
{
    const cpu_direct_grad *g = b->g;
    const conv *c = &g->c;
    int64_t half = half_of(b), z = b->z * c->stride[0] - c->pad[0] + m * c->dilation[0];
    if (z < 0 || z >= c->x[0])
        return 0;
    for (int64_t i = 0; i < half; i++) {
        int64_t line = m * reach(g, half) + i * c->stride[1] + n * c->dilation[1];
        b->runs[i] = (run){.step = c->stride[LAST] * c->in, .at = i * c->y[LAST], .count = c->y[LAST]};
        b->runs[i].x = b->windows + (line * span_of(c) + k * c->dilation[LAST]) * c->in;
        b->runs[i].end = b->windows + window_floats(g);
    }
    return half;
}

#endif
