/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_window.h - what attention in windows in bfloat16 shares with its inner part: sizes, a thread's memory.
 */
#ifndef SLMT_CPU_BF16_WINDOW_H
#define SLMT_CPU_BF16_WINDOW_H

#include "backends/cpu/bf16_attention.h"
#include "backends/cpu/window.h"

enum { MOST_TOKENS = 256, MOST_WIDTH = 128 }; /* of a window; values of a head: a thread's memory is small */

typedef struct window_sizes {
    window_grid grid;
    int64_t n, heads, depth, windows;
    int64_t token, width; /* floats of a token in qkv, and in the output */
    int64_t cells;        /* of CELL tokens in a window */
    int64_t padded;       /* tokens of all cells */
    int64_t steps, cols;  /* tiles along k of a query, columns of tiles of values */
    float scale;          /* of q, in units */
} window_sizes;

static inline window_sizes window_sizes_of(const bk_call *call)
{
    const bk_shape *qkv = &call->in[0].shape;
    window_sizes s = {.grid = window_grid_of(call), .n = qkv->dim[1], .heads = call->attr.heads};
    s.token = qkv->dim[2];
    s.width = s.token / 3;
    s.depth = s.width / s.heads;
    s.windows = qkv->dim[0] * s.grid.each;
    s.cells = work_pieces(s.grid.tokens, CELL);
    s.padded = s.cells * CELL;
    s.steps = work_pieces(s.depth, DEPTH);
    s.cols = work_pieces(s.depth, SIDE);
    s.scale = (float)(call->attr.alpha * 1.4426950408889634) * POWER_UNIT;
    return s;
}

/* A thread's memory, cut from scratch, which has whole tiles. */
typedef struct window_thread {
    tile_words *query, *key; /* [row of tiles][step] */
    tile_words *value;       /* [column of tiles][cell], ones behind the last column */
    tile_words *power;       /* of CELL queries: [half][cell] */
    tile_sums *out;          /* [column of tiles][half] */
    float *score;            /* of CELL queries: [query][padded] */
    float *masked;           /* biases: [padded][padded] */
    int32_t *token, *region;
} window_thread;

/* Returns the tiles it takes; with `at` NULL it only counts them. */
static inline int64_t cut_thread(const window_sizes *s, tile_words *at, window_thread *t)
{
    int64_t rows = HALVES * s->cells * s->steps, square = s->cells * (CELL * CELL * 4 / 1024), n = 0;
    const int64_t size[] = {rows,
                            rows,
                            (s->cols + 1) * s->cells,
                            HALVES * s->cells,
                            (s->cols + 1) * HALVES,
                            square,
                            square * s->cells,
                            work_pieces(s->padded, 256),
                            work_pieces(s->padded, 256)};
    void *piece[sizeof size / sizeof *size];
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        piece[i] = at ? at + n : NULL;
        n += size[i];
    }
    *t = (window_thread){piece[0], piece[1], piece[2], piece[3], piece[4],
                         piece[5], piece[6], piece[7], piece[8]};
    return n;
}

#endif
