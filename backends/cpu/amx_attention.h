/* SPDX-License-Identifier: Apache-2.0 */
/* amx_attention.h - heads packed for attention on the matrix units and for its gradient.
 *
 * A score minus a number of its query (its maximum, or lse) is one product: the query's row is longer by
 * three values of bfloat16, whose sum is minus that number to float32's precision, and the key's row by three
 * ones. */
#ifndef SLMT_CPU_AMX_ATTENTION_H
#define SLMT_CPU_AMX_ATTENTION_H

#include "backends/cpu/amx_tile.h"
#include "backends/cpu/bf16_attention.h"

/* What stands behind the values of each of 16 tokens: three parts of bfloat16 that sum to a number. */
typedef struct behind {
    float part[EXTRA][SIDE];
} __attribute__((aligned(64))) behind;

INLINE behind behind_of(__m512 x)
{
    behind b;
    for (int k = 0; k < EXTRA; k++) {
        __m512 part =
            _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x)), 16));
        _mm512_store_ps(b.part[k], part);
        x -= part;
    }
    return b;
}

/* The word rows of up to 16 tokens: `scale` times their values, then what is behind them. Rows of tokens that
 * are not there are zeros. */
INLINE void token_words(const float *x, int64_t step, int64_t n, int64_t depth, float scale, const behind *b,
                        vf word[SIDE])
{
#pragma GCC unroll 4
    for (int64_t i = 0; i < SIDE; i++) {
        __m512 v = load_token(x, step, i, n, depth) * scale;
        for (int k = 0; k < EXTRA && i < n; k++)
            v = _mm512_mask_mov_ps(v, (__mmask16)(1u << (depth + k)), _mm512_set1_ps(b->part[k][i]));
        word[i] = (vf)_mm512_zextsi256_si512((__m256i)_mm512_cvtneps_pbh(v));
    }
}

/* Tokens as pairs along k: words [pair][value]; at `depth` each token has one more value, `behind`. */
INLINE void pair_words(const float *x, int64_t step, int64_t n, int64_t depth, float scale, float behind,
                       vf word[SIDE])
{
    const __mmask16 last = (__mmask16)(1u << depth);
    const __m512 value = _mm512_set1_ps(behind);
#pragma GCC unroll 4
    for (int64_t i = 0; i < SIDE; i++) {
        __m512 even = load_token(x, step, 2 * i, n, depth) * scale;
        __m512 odd = load_token(x, step, 2 * i + 1, n, depth) * scale;
        even = _mm512_mask_mov_ps(even, 2 * i < n ? last : 0, value);
        odd = _mm512_mask_mov_ps(odd, 2 * i + 1 < n ? last : 0, value);
        word[i] = (vf)round_pairs(even, odd);
    }
}

#endif
