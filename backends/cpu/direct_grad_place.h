/* SPDX-License-Identifier: Apache-2.0 */
/* direct_grad_place.h - the blocks of direct_grad.c in float32: the image is read in place. */
#ifndef SLMT_CPU_DIRECT_GRAD_PLACE_H
#define SLMT_CPU_DIRECT_GRAD_PLACE_H

#include "backends/cpu/direct_grad_block.h"

/* Pixels first to end - 1 of a line of dy have windows inside the line of x. */
static void whole_windows(const conv *c, int64_t *first, int64_t *end)
{
    int64_t over = c->x[LAST] + c->pad[LAST] - (c->kernel[LAST] - 1) * c->dilation[LAST] - 1;
    *first = work_min(c->y[LAST], work_pieces(c->pad[LAST], c->stride[LAST]));
    *end = over < 0 ? *first : work_max(*first, work_min(c->y[LAST], over / c->stride[LAST] + 1));
}

/* The copied windows: [planes][lines][pixels][columns]. */
static int64_t windows_of_line(const cpu_direct_grad *g)
{
    int64_t first, end;
    whole_windows(&g->c, &first, &end);
    return g->joined > 1 ? g->c.y[LAST] - (end - first) : 0;
}

static int64_t window_floats(const cpu_direct_grad *g)
{
    return cut_up(g->c.kernel[0] * reach(g, g->rows) * windows_of_line(g) * g->joined * g->c.in) + NR;
}

static int64_t run_floats(const cpu_direct_grad *g)
{
    enum { RUNS = 3 }; /* of a line */
    return cut_up(RUNS * g->rows * (int64_t)(sizeof(run) / sizeof(float)));
}

/* A pixel of few channels lies in one or two lines of the cache as it is. */
static int is_packed(const cpu_direct_grad *g)
{
    return !g->swapped && g->c.out > 2 * LINE;
}

static int64_t packed_floats(const cpu_direct_grad *g)
{
    if (!is_packed(g))
        return 0;
    return cut_up(g->rows * g->c.y[LAST] * work_pieces(g->c.out, g->splits)) + LINE;
}

static int64_t block_pixels(const block *b)
{
    return (b->line_end - b->line) * b->g->c.y[LAST];
}

INLINE void pack_rows(const float *dy, int64_t step, int64_t pixels, float *to, const int64_t rows)
{
    for (int64_t p = 0; p < pixels; p++, dy += step, to += rows)
        memcpy(to, dy, (size_t)rows * sizeof *to);
}

static void pack(const block *b)
{
    int64_t pixels = block_pixels(b);
    const float *dy = dy_of(b);
    for (int64_t i = 0; i < tiles_of(b); i++) {
        int64_t first = tile_at(b, i), rows = tile_at(b, i + 1) - first;
        float *to = b->packed + (first - b->out) * pixels;
        if (rows == MR)
            pack_rows(dy + first, b->g->out_all, pixels, to, MR);
        else if (rows == MR - 1)
            pack_rows(dy + first, b->g->out_all, pixels, to, MR - 1);
        else
            pack_rows(dy + first, b->g->out_all, pixels, to, rows);
    }
}

/* The line of x under tap (m, n) of a line of dy, or NULL outside. */
static const float *line_under(const block *b, int64_t line, int64_t m, int64_t n)
{
    const conv *c = &b->g->c;
    int64_t z = b->z * c->stride[0] - c->pad[0] + m * c->dilation[0];
    int64_t y = line * c->stride[1] - c->pad[1] + n * c->dilation[1];
    if (z < 0 || z >= c->x[0] || y < 0 || y >= c->x[1])
        return NULL;
    return b->g->x + ((b->sample * c->x[0] + z) * c->x[1] + y) * c->x[LAST] * b->g->in_all;
}

/* The window of pixel p of dy on one line of x. */
static void copy_window(const conv *c, const float *x, int64_t p, float *to)
{
    int64_t first = p * c->stride[LAST] - c->pad[LAST], n = c->in;
    for (int64_t k = 0; k < c->kernel[LAST]; k++)
        for (int64_t i = 0; i < n; i++)
            to[k * n + i] = first + k >= 0 && first + k < c->x[LAST] ? x[(first + k) * n + i] : 0.0f;
}

/* Copies the windows that reach over an end of a line, of all lines of x that the block reads. */
static void copy_windows(const block *b)
{
    const cpu_direct_grad *g = b->g;
    const conv *c = &g->c;
    int64_t first, end, size = g->joined * c->in, count = windows_of_line(g);
    int64_t low = b->line * c->stride[1] - c->pad[1];
    int64_t lines = reach(g, b->line_end - b->line);
    whole_windows(c, &first, &end);
    for (int64_t m = 0; m < c->kernel[0] && count > 0; m++)
        for (int64_t y = work_max(0, low); y < work_min(c->x[1], low + lines); y++) {
            int64_t z = b->z * c->stride[0] - c->pad[0] + m * c->dilation[0];
            if (z < 0 || z >= c->x[0])
                continue;
            const float *x = g->x + ((b->sample * c->x[0] + z) * c->x[1] + y) * c->x[LAST] * c->in;
            float *to = b->windows + (m * reach(g, g->rows) + y - low) * count * size;
            for (int64_t i = 0; i < count; i++)
                copy_window(c, x, i < first ? i : i + end - first, to + i * size);
        }
}

static run *add_run(run *to, run r)
{
    if (r.count > 0)
        *to++ = r;
    return to;
}

/* Runs of one line under the joined taps of a kernel's line: copied windows before and after those in place.
 */
static run *joined_runs(const block *b, int64_t line, int64_t m, int64_t n, const float *x, run *to)
{
    const cpu_direct_grad *g = b->g;
    const conv *c = &g->c;
    int64_t first, end, size = g->joined * c->in, count = windows_of_line(g);
    int64_t at = (line - b->line) * c->y[LAST];
    whole_windows(c, &first, &end);
    const float *copy =
        b->windows +
        (m * reach(g, g->rows) + (line - b->line) * c->stride[1] + n * c->dilation[1]) * count * size;
    const float *copies_end = b->windows + window_floats(g);
    to = add_run(to, (run){copy, size, copies_end, at, first});
    if (end > first)
        to = add_run(to, (run){x + (first * c->stride[LAST] - c->pad[LAST]) * c->in, c->stride[LAST] * c->in,
                               g->x_end, at + first, end - first});
    return add_run(to, (run){copy + first * size, size, copies_end, at + end, c->y[LAST] - end});
}

/* The run of one line under tap k of a kernel's line. */
static run *plain_run(const block *b, int64_t line, int64_t k, const float *x, run *to)
{
    const conv *c = &b->g->c;
    int64_t over = c->pad[LAST] - k * c->dilation[LAST], stride = c->stride[LAST];
    int64_t first = over > 0 ? work_pieces(over, stride) : 0;
    int64_t last = c->x[LAST] - 1 + over; /* in x from the first pixel's tap on */
    int64_t end = last < 0 ? 0 : work_min(c->y[LAST], last / stride + 1);
    if (end <= first)
        return to;
    return add_run(to, (run){x + (first * stride - over) * b->g->in_all, stride * b->g->in_all, b->g->x_end,
                             (line - b->line) * c->y[LAST] + first, end - first});
}

/* Runs under tap (m, n, k), or under the joined taps (m, n); returns how many. */
static int64_t list_runs(const block *b, int64_t m, int64_t n, int64_t k)
{
    run *to = b->runs;
    for (int64_t line = b->line; line < b->line_end; line++) {
        const float *x = line_under(b, line, m, n);
        if (x && b->g->joined > 1)
            to = joined_runs(b, line, m, n, x, to);
        else if (x)
            to = plain_run(b, line, k, x, to);
    }
    return to - b->runs;
}

static void copy_block(const block *b)
{
    if (is_packed(b->g))
        pack(b);
    copy_windows(b);
}

#endif
