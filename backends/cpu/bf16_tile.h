/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_tile.h - tiles of bfloat16, the form in which the kernels of bf16.h read both factors of a product. A
 * tile of the left factor holds 16 rows of 32 values along k, one of the right factor 16 pairs of k of 16
 * columns. Either way a 32-bit word is two neighbours along k, so that the one form is the other one
 * transposed. The product of two tiles is 16 x 16 floats.
 *
 * Operands are cut into such tiles, each 1024 bytes in one piece, zeros beyond the edges. */
#ifndef SLMT_CPU_BF16_TILE_H
#define SLMT_CPU_BF16_TILE_H

#include "backends/cpu/cpu.h"
#include "backends/cpu/vec.h"

enum { SIDE = 16, DEPTH = 32 }; /* rows or columns of a tile; its values along k */

typedef struct tile_words {
    uint32_t at[SIDE][SIDE];
} __attribute__((aligned(64))) tile_words;

typedef struct tile_sums {
    float at[SIDE][SIDE];
} __attribute__((aligned(64))) tile_sums;

/* ---- packing ---- */

/* A factor: its values lie step_i apart along its rows (or columns) i and step_k along k; one step is 1. */
typedef struct factor {
    const void *data;
    int32_t type; /* BK_F32, BK_BF16, BK_F16 */
    int64_t n_i, n_k, step_i, step_k;
} factor;

/* Which form of a tile: words [i][k / 2] of a left factor, or [k / 2][i] of a right one. */
enum { LEFT, RIGHT };

INLINE __mmask16 first_lanes(int64_t n)
{
    return n >= SIDE ? 0xffff : n > 0 ? (__mmask16)((1u << n) - 1) : 0;
}

/* n values from `at` on, zeros behind them. */
INLINE __m512 load_values(const factor *f, int64_t at, int64_t n)
{
    __mmask16 keep = first_lanes(n);
    if (f->type == BK_F32)
        return _mm512_maskz_loadu_ps(keep, (const float *)f->data + at);
    __m256i half = _mm256_maskz_loadu_epi16(keep, (const uint16_t *)f->data + at);
    if (f->type == BK_F16)
        return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* bfloat16 of two vectors, the first one in the lower half. */
INLINE __m512i round_two(__m512 first, __m512 second)
{
    return (__m512i)_mm512_cvtne2ps_pbh(second, first);
}

/* The values of two vectors in turn, after rounding: words of neighbours. */
INLINE __m512i round_pairs(__m512 even, __m512 odd)
{
    static const uint16_t order[2 * SIDE]
        __attribute__((aligned(64))) = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_load_si512(order), round_two(even, odd));
}

INLINE void transpose_words(vf m[SIDE])
{
    vturn(m);
}

/* Row r of the tile as it lies in memory: a row i along k, or a pair of k along i. */
INLINE __m512i pack_row(const factor *f, int64_t i, int64_t k, int r)
{
    if (f->step_k == 1) {
        int64_t at = (i + r) * f->step_i + k, n = i + r < f->n_i ? f->n_k - k : 0;
        return round_two(load_values(f, at, n), load_values(f, at + SIDE, n - SIDE));
    }
    int64_t pair = k + 2 * r, at = pair * f->step_k + i;
    return round_pairs(load_values(f, at, pair < f->n_k ? f->n_i - i : 0),
                       load_values(f, at + f->step_k, pair + 1 < f->n_k ? f->n_i - i : 0));
}

/* Packs the tile whose first value is (i, k). */
INLINE void pack_tile(const factor *f, int64_t i, int64_t k, int form, tile_words *tile)
{
    vf m[SIDE];
#pragma GCC unroll 16
    for (int r = 0; r < SIDE; r++)
        m[r] = (vf)pack_row(f, i, k, r);
    if ((f->step_k == 1) == (form == RIGHT))
        transpose_words(m);
#pragma GCC unroll 16
    for (int r = 0; r < SIDE; r++)
        _mm512_store_si512(tile->at[r], (__m512i)m[r]);
}

/* ---- a square: up to two by two tiles of sums ---- */

enum {
    PAIR = 2, /* tiles side by side in a square of sums */
    EDGE = PAIR * SIDE
};

/* A square of sums, or what the thread keeps of it: [PAIR tiles below][PAIR tiles beside]. */
typedef struct square {
    float at[EDGE][EDGE];
} __attribute__((aligned(64))) square;

/* The first of `steps` tiles along k of each row and column of the square; a[1] and b[1] may be NULL. */
typedef struct strips {
    const tile_words *a[PAIR], *b[PAIR];
    int64_t steps;
} strips;

#endif
