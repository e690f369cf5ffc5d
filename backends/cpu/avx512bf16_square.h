/* SPDX-License-Identifier: Apache-2.0 */
/* avx512bf16_square.h - squares of sums by the vector instruction VDPBF16PS. */
#ifndef SLMT_CPU_AVX512BF16_SQUARE_H
#define SLMT_CPU_AVX512BF16_SQUARE_H

#include "backends/cpu/bf16_tile.h"

/* VDPBF16PS adds to each of 16 sums the products of two neighbours along k: a word of the left factor, the
 * same for all columns, and a row of words of the right one. */
INLINE void add_rows(const tile_words *a, int64_t row, const strips *s, int first, float (*to)[EDGE],
                     const int rows, const int cols)
{
    __m512 sum[SIDE * PAIR], zero = _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int i = 0; i < rows * cols; i++)
        sum[i] = first ? zero : _mm512_load_ps(to[i / cols] + i % cols * SIDE);
    for (int64_t k = 0; k < s->steps; k++)
#pragma GCC unroll 2
        for (int word = 0; word < SIDE; word++) {
            __m512bh b[PAIR];
#pragma GCC unroll 2
            for (int j = 0; j < cols; j++)
                b[j] = (__m512bh)_mm512_load_si512(s->b[j][k].at[word]);
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) {
                __m512bh left = (__m512bh)_mm512_set1_epi32((int)a[k].at[row + i][word]);
#pragma GCC unroll 2
                for (int j = 0; j < cols; j++)
                    sum[i * cols + j] = _mm512_dpbf16_ps(sum[i * cols + j], left, b[j]);
            }
        }
#pragma GCC unroll 16
    for (int i = 0; i < rows * cols; i++)
        _mm512_store_ps(to[i / cols] + i % cols * SIDE, sum[i]);
}

/* sum += the product of these strips, or = if they are the first. Sixteen vectors of sums are in registers:
 * enough chains to hide the instruction's latency. */
static inline void add_square(const strips *s, int first, square *sum)
{
    enum { ROWS = 8 };
    for (int i = 0; i < PAIR && s->a[i]; i++) {
        float(*to)[EDGE] = sum->at + i * SIDE;
        if (s->b[1]) {
            add_rows(s->a[i], 0, s, first, to, ROWS, PAIR);
            add_rows(s->a[i], ROWS, s, first, to + ROWS, ROWS, PAIR);
        } else {
            add_rows(s->a[i], 0, s, first, to, SIDE, 1);
        }
    }
}

/* Vectors need no preparation. */
static inline void squares_begin(void)
{
}

static inline void squares_end(void)
{
}

#endif
