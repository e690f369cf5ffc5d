/* SPDX-License-Identifier: Apache-2.0 */
/* avx512bf16_window_cell.h - the inner part of bf16_window.c by the vector instruction VDPBF16PS. Sums of
 * scores begin with the biases, so that these cost nothing. */
#ifndef SLMT_CPU_AVX512BF16_WINDOW_CELL_H
#define SLMT_CPU_AVX512BF16_WINDOW_CELL_H

#include "backends/cpu/bf16_window.h"

enum { ROWS = 8 }; /* computed together, with two columns of tiles; with one, all rows of a tile are */

/* Ones in the order of powers, as one vector for each cell: those of keys that are not there are zeros. */
static void set_ones(const window_sizes *s, const window_thread *t)
{
    const uint32_t one = 0x3f80;
    for (int64_t c = 0; c < s->cells; c++)
        for (int r = 0; r < SIDE; r++) {
            int64_t left = s->grid.tokens - c * CELL - 2 * unit_pair(r);
            t->value[s->cols * s->cells + c].at[0][r] = left > 1 ? one << 16 | one : left > 0 ? one : 0;
        }
}

/* Sums of `rows` rows from `row` on of left tiles that are side by side along k, with `cols` columns of right
 * tiles, b[column]: to[] = from[] (or 0) + the products of `words` words. Rows of sums are `line` floats
 * apart in `from`, and `next` in `to`; columns are `beside` apart in `to`. */
INLINE void sum_rows(const tile_words *a, int row, const tile_words *const *b, int64_t words,
                     const float *from, int64_t line, float *to, int64_t next, int64_t beside, const int rows,
                     const int cols)
{
    __m512 sum[SIDE];
#pragma GCC unroll 16
    for (int i = 0; i < rows * cols; i++)
        sum[i] = from ? _mm512_load_ps(from + i / cols * line + i % cols * SIDE) : _mm512_setzero_ps();
    for (int64_t w = 0; w < words; w++) {
        __m512bh right[HALVES];
#pragma GCC unroll 2
        for (int j = 0; j < cols; j++)
            right[j] = (__m512bh)_mm512_load_si512(b[j][w / SIDE].at[w % SIDE]);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const uint32_t *left = a[w / SIDE].at[row + i];
            __m512bh x = (__m512bh)_mm512_set1_epi32((int)left[w % SIDE]);
#pragma GCC unroll 2
            for (int j = 0; j < cols; j++)
                sum[i * cols + j] = _mm512_dpbf16_ps(sum[i * cols + j], x, right[j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows * cols; i++)
        _mm512_store_ps(to + i / cols * next + i % cols * beside, sum[i]);
}

/* score = bias + the product of the queries with all keys. */
static void block_scores(const window_sizes *s, const window_thread *t, int64_t block, const float *bias)
{
    const int64_t line = s->padded, words = work_pieces(s->depth, 2);
    const tile_words *q = t->query + block * HALVES * s->steps;
    bias += block * CELL * line;
    for (int i = 0; i < CELL; i += ROWS)
        for (int64_t c = 0; c < s->cells; c++) {
            const tile_words *k = t->key + c * HALVES * s->steps, *const both[] = {k, k + s->steps};
            int64_t at = i * line + c * CELL;
            sum_rows(q + i / SIDE * s->steps, i % SIDE, both, words, bias + at, line, t->score + at, line,
                     SIDE, ROWS, HALVES);
        }
}

/* The sums of the powers, in all lanes of a column behind the values. */
static void sum_powers(const window_sizes *s, const window_thread *t)
{
    const tile_words *one = t->value + s->cols * s->cells;
    tile_sums *to = t->out + s->cols * HALVES;
    for (int i = 0; i < CELL; i++) {
        const tile_words *power = t->power + i / SIDE * s->cells;
        __m512 sum = _mm512_setzero_ps();
        for (int64_t c = 0; c < s->cells; c++)
            sum = _mm512_dpbf16_ps(sum, (__m512bh)_mm512_load_si512(power[c].at[i % SIDE]),
                                   (__m512bh)_mm512_load_si512(one[c].at[0]));
        _mm512_store_ps(to[i / SIDE].at[i % SIDE], _mm512_set1_ps(_mm512_reduce_add_ps(sum)));
    }
}

/* out = the products of powers with values, and their sums. */
static void block_values(const window_sizes *s, const window_thread *t)
{
    enum { BESIDE = HALVES * SIDE * SIDE }; /* floats of a column of out */
    const int64_t words = s->cells * SIDE;
    for (int h = 0; h < HALVES; h++) {
        const tile_words *power = t->power + h * s->cells;
        int64_t j = 0;
        for (; j + HALVES <= s->cols; j += HALVES) {
            const tile_words *v = t->value + j * s->cells, *const both[] = {v, v + s->cells};
            for (int i = 0; i < SIDE; i += ROWS)
                sum_rows(power, i, both, words, NULL, 0, t->out[j * HALVES + h].at[i], SIDE, BESIDE, ROWS,
                         HALVES);
        }
        if (j < s->cols) {
            const tile_words *const one[] = {t->value + j * s->cells};
            sum_rows(power, 0, one, words, NULL, 0, t->out[j * HALVES + h].at[0], SIDE, BESIDE, SIDE, 1);
        }
    }
    sum_powers(s, t);
}

/* Vectors need no preparation. */
static inline void window_begin(void)
{
}

static inline void window_end(void)
{
}

#endif
