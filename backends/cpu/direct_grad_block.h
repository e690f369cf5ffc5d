/* SPDX-License-Identifier: Apache-2.0 */
/* direct_grad_block.h - a block of direct_grad.c: what its micro-kernels read of dy and of the image. */
#ifndef SLMT_CPU_DIRECT_GRAD_BLOCK_H
#define SLMT_CPU_DIRECT_GRAD_BLOCK_H

#include "backends/cpu/direct.h"
#include "backends/cpu/words.h"
#include "backends/cpu/work.h"

enum {
    MR = CPU_LEVEL == 4 ? 14 : 6, /* rows of a tile with two vectors of columns */
    NR = 2 * VL,
    LINE = 16 /* floats of a cache line */
};

static int64_t columns_of(const cpu_direct_grad *g)
{
    return g->c.taps * g->c.in;
}

static int64_t lines_of(const cpu_direct_grad *g)
{
    return g->c.batch * g->c.y[0] * g->c.y[1];
}

static int64_t cut_up(int64_t n)
{
    return work_pieces(n, LINE) * LINE;
}

/* Lines of x that n lines of dy read beside each other, of one plane. */
static int64_t reach(const cpu_direct_grad *g, int64_t n)
{
    return (n - 1) * g->c.stride[1] + (g->c.kernel[1] - 1) * g->c.dilation[1] + 1;
}

/* A piece of a line of dy whose windows lie in memory at equal distances. */
typedef struct run {
    const float *x;
    int64_t step;      /* to the next pixel's */
    const float *end;  /* of the memory in which x lies */
    int64_t at, count; /* pixels of the packed block */
} run;

/* Lines line..line_end of plane z of a sample, output channels out..out_end. */
typedef struct block {
    const cpu_direct_grad *g;
    int64_t sample, z, line, line_end, out, out_end;
    float *sums; /* of the part */
    run *runs;
    float *packed, *windows; /* copies of dy and of x */
} block;

/* A group's tiles are equal but for one row. */
static int64_t tiles_of(const block *b)
{
    return work_pieces(b->out_end - b->out, MR);
}

static int64_t tile_at(const block *b, int64_t tile)
{
    return b->out + (b->out_end - b->out) * tile / tiles_of(b);
}

/* The first pixel of dy. */
static const float *dy_of(const block *b)
{
    const conv *c = &b->g->c;
    int64_t line = (b->sample * c->y[0] + b->z) * c->y[1] + b->line;
    return b->g->dy + line * c->y[LAST] * b->g->out_all;
}

#endif
