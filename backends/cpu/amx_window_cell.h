/* SPDX-License-Identifier: Apache-2.0 */
/* amx_window_cell.h - the inner part of bf16_window.c on the matrix units. Sums of scores begin with the
 * biases, so that these cost nothing, and one more column of the values, ones, sums the powers. */
#ifndef SLMT_CPU_AMX_WINDOW_CELL_H
#define SLMT_CPU_AMX_WINDOW_CELL_H

#include "backends/cpu/amx_tile.h"
#include "backends/cpu/bf16_window.h"

/* The column of ones behind the values: it does not count keys that are not there. */
static void set_ones(const window_sizes *s, const window_thread *t)
{
    const uint32_t one = 0x3f80;
    for (int64_t c = 0; c < s->cells; c++)
        for (int r = 0; r < SIDE; r++) {
            int64_t left = s->grid.tokens - c * CELL - 2 * unit_pair(r);
            uint32_t pair = left > 1 ? one << 16 | one : left > 0 ? one : 0;
            _mm512_store_si512(t->value[s->cols * s->cells + c].at[r], _mm512_set1_epi32((int)pair));
        }
}

/* score = bias + the product of the queries with all keys. */
static void block_scores(const window_sizes *s, const window_thread *t, int64_t block, const float *bias)
{
    const int64_t line = s->padded, bytes = line * (int64_t)sizeof(float);
    const tile_words *q = t->query + block * HALVES * s->steps, *k = t->key;
    bias += block * CELL * line;
    for (int64_t c = 0; c < s->cells; c++, k += HALVES * s->steps) {
        const float *from = bias + c * CELL;
        float *to = t->score + c * CELL;
        TILE_LOAD(0, from, bytes);
        TILE_LOAD(1, from + SIDE, bytes);
        TILE_LOAD(2, from + SIDE * line, bytes);
        TILE_LOAD(3, from + SIDE * line + SIDE, bytes);
        for (int64_t i = 0; i < s->steps; i++) {
            TILE_WORDS(4, q + i);
            TILE_WORDS(6, k + i);
            TILE_ADD(0, 4, 6);
            TILE_WORDS(7, k + s->steps + i);
            TILE_ADD(1, 4, 7);
            TILE_WORDS(5, q + s->steps + i);
            TILE_ADD(2, 5, 6);
            TILE_ADD(3, 5, 7);
        }
        TILE_STORE(0, to, bytes);
        TILE_STORE(1, to + SIDE, bytes);
        TILE_STORE(2, to + SIDE * line, bytes);
        TILE_STORE(3, to + SIDE * line + SIDE, bytes);
    }
}

/* out = the products of powers with values, and their sums. */
static void block_values(const window_sizes *s, const window_thread *t)
{
    const tile_words *value = t->value;
    for (int64_t j = 0; j <= s->cols; j++) {
        TILE_ZERO(0);
        TILE_ZERO(1);
        for (int64_t c = 0; c < s->cells; c++, value++) {
            TILE_WORDS(6, value);
            TILE_WORDS(4, t->power + c);
            TILE_ADD(0, 4, 6);
            TILE_WORDS(5, t->power + s->cells + c);
            TILE_ADD(1, 5, 6);
        }
        TILE_SUMS(t->out + j * HALVES, 0);
        TILE_SUMS(t->out + j * HALVES + 1, 1);
    }
}

/* A thread begins and ends with these. */
static inline void window_begin(void)
{
    tiles_begin();
}

static inline void window_end(void)
{
    tiles_end();
}

#endif
