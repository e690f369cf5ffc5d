/* SPDX-License-Identifier: Apache-2.0 */
/* avx512bf16_pairs.h - attention by VDPBF16PS: tokens packed as lanes, and as pairs that a load repeats.
 *
 * Of 16 tokens as lanes, vector `low` has slots 0 to 7 of eight tokens, each in two neighbouring lanes, and
 * `high` the other eight. unit_powers() then leaves the tokens in order (query_of_slot()). */
#ifndef SLMT_CPU_AVX512BF16_PAIRS_H
#define SLMT_CPU_AVX512BF16_PAIRS_H

#include "backends/cpu/bf16_attention.h"

enum { PAIR_DEPTH = 8, PAIR_WORDS = PAIR_DEPTH / 2 }; /* of a head */

/* Two tokens: word w of the first in the lower half, of the second in the upper one. */
typedef union token_pair {
    __m256i words;
    uint64_t word[PAIR_WORDS];
} token_pair;

/* Sixteen tokens: [low, high][word]. */
typedef struct pair_lanes {
    __m512i at[PAIR][PAIR_WORDS];
} pair_lanes;

/* Words, or sums, of the tokens of a cell. */
typedef struct cell_words {
    __m512i half[HALVES];
} cell_words;

typedef struct cell_sums {
    __m512 half[HALVES];
} cell_sums;

/* Which of 16 tokens has slot `slot` of low or high. */
INLINE int query_of_slot(int high, int slot)
{
    return slot / 2 * 4 + 2 * high + slot % 2;
}

/* A value of each of 16 tokens, in the lanes of low and high. */
INLINE void spread_lanes(__m512 x, __m512 *to)
{
    const __m512i low = _mm512_set_epi32(13, 13, 12, 12, 9, 9, 8, 8, 5, 5, 4, 4, 1, 1, 0, 0);
    to[0] = _mm512_permutexvar_ps(low, x);
    to[1] = _mm512_permutexvar_ps(_mm512_add_epi32(low, _mm512_set1_epi32(2)), x);
}

/* The words of a token times `scale`; zeros if it is not there. */
INLINE __m128i token_row(const float *x, int64_t step, int64_t i, int64_t n, int64_t depth, float scale)
{
    return _mm256_castsi256_si128((__m256i)_mm512_cvtneps_pbh(load_token(x, step, i, n, depth) * scale));
}

/* The words of two tokens in turn: a token_pair. */
INLINE __m256i rows_in_turn(__m128i a, __m128i b)
{
    return _mm256_set_m128i(_mm_unpackhi_epi32(a, b), _mm_unpacklo_epi32(a, b));
}

/* The squared lengths of two tokens, from their words in turn: two lanes, and copies. */
INLINE __m512 pair_squares(__m256i words)
{
    __m256 s = _mm256_dpbf16_ps(_mm256_setzero_ps(), (__m256bh)words, (__m256bh)words);
    __m128 half = _mm256_castps256_ps128(s) + _mm256_extractf128_ps(s, 1);
    return _mm512_zextps128_ps512(half + _mm_permute_ps(half, 0x4e));
}

/* Pairs along the tokens: a word for each value. */
INLINE __m256i value_words(__m128i a, __m128i b)
{
    return _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b));
}

/* Packs 16 tokens as lanes; those that are not there are as the last one, which n may count from before x.
 * Returns their squared lengths. */
INLINE __m512 pack_lanes(const float *x, int64_t step, int64_t n, int64_t depth, float scale, pair_lanes *to)
{
    __m128i row[SIDE] __attribute__((aligned(64)));
    __m512 by[4], length[PAIR] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int i = 0; i < SIDE; i++)
        row[i % 4 * 4 + i / 4] = token_row(x, step, work_min(i, n - 1), n, depth, scale);
    for (int i = 0; i < 4; i++)
        by[i] = _mm512_load_ps(&row[4 * i]);
#define PACK_WORD(w)                                                                                         \
    to->at[0][w] = (__m512i)_mm512_shuffle_ps(by[0], by[1], (w)*0x55);                                       \
    to->at[1][w] = (__m512i)_mm512_shuffle_ps(by[2], by[3], (w)*0x55)
    PACK_WORD(0);
    PACK_WORD(1);
    PACK_WORD(2);
    PACK_WORD(3);
#undef PACK_WORD
    for (int w = 0; w < PAIR_WORDS; w++)
        for (int i = 0; i < PAIR; i++)
            length[i] = _mm512_dpbf16_ps(length[i], (__m512bh)to->at[i][w], (__m512bh)to->at[i][w]);
    return longer(length[0], length[1]);
}

#endif
