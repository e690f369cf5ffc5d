/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_attention.h - what attention in bfloat16 and its gradient share: sizes, tokens, powers. Scores are
 * exponents to base 2. Files that include this are compiled for each set of instructions, as those of
 * bf16_square.h are. */
#ifndef SLMT_CPU_BF16_ATTENTION_H
#define SLMT_CPU_BF16_ATTENTION_H

#include "backends/cpu/bf16_calls.h"
#include "backends/cpu/bf16_tile.h"
#include "backends/cpu/work.h"

enum {
    CELL = 32,  /* queries, and keys, that are computed together */
    HALVES = 2, /* tiles of a cell on each axis */
    EXTRA = 3,  /* values of a row behind those of the head (amx_attention.h) */
    FEWEST = 64 /* tokens: below, packing costs more than products */
};

typedef struct head_sizes {
    int64_t batch, n, heads, depth;
    int64_t token; /* floats of one token in qkv */
    int64_t width; /* and in the output */
    int64_t cells; /* of CELL tokens in a sequence */
    int words;     /* pairs along k of a row: its values and EXTRA */
    float scale;   /* of q: alpha log2(e) */
} head_sizes;

static inline head_sizes head_sizes_of(const bk_call *call)
{
    const bk_shape *qkv = &call->in[0].shape;
    head_sizes s = {.batch = qkv->dim[0], .n = qkv->dim[1], .heads = call->attr.heads, .token = qkv->dim[2]};
    s.depth = s.token / (3 * s.heads);
    s.width = s.heads * s.depth;
    s.cells = work_pieces(s.n, CELL);
    s.words = (int)work_pieces(s.depth + EXTRA, 2);
    s.scale = (float)(call->attr.alpha * 1.4426950408889634);
    return s;
}

/* The first values of a token's row, `step` floats from one token to the next, zeros behind them. The
 * processor's own prefetcher does not follow such steps. */
INLINE __m512 load_token(const float *x, int64_t step, int64_t i, int64_t n, int64_t depth)
{
    enum { AHEAD = 12 };
    if (i >= n)
        return _mm512_setzero_ps();
    __builtin_prefetch(x + work_min(i + AHEAD, n - 1) * step);
    return _mm512_maskz_loadu_ps(first_lanes(depth), x + i * step);
}

/* The squared lengths of 16 tokens, after rounding, from their word rows: lanes. */
INLINE __m512 squares(const vf column[SIDE], int64_t depth)
{
    __m512 sum = _mm512_setzero_ps();
    for (int64_t w = 0; 2 * w < depth; w++) {
        __mmask32 keep = 2 * w + 1 < depth ? 0xffffffff : 0x55555555; /* not what is behind the last value */
        __m512i c = _mm512_maskz_mov_epi16(keep, (__m512i)column[w]);
        sum = _mm512_dpbf16_ps(sum, (__m512bh)c, (__m512bh)c);
    }
    return sum;
}

/* The larger of each two lengths; infinite where one is a NaN. */
INLINE __m512 longer(__m512 a, __m512 b)
{
    __mmask16 none = _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
    return _mm512_mask_mov_ps(_mm512_max_ps(a, b), none, _mm512_set1_ps(INFINITY));
}

INLINE void store_words(const vf word[SIDE], int rows, uint32_t (*to)[SIDE])
{
    for (int i = 0; i < rows; i++)
        _mm512_store_si512(to[i], (__m512i)word[i]);
}

/* 2^x to 2^-13 of itself, for -60 <= x < 126; lower x are raised to that. A minimax polynomial on [0, 1]. */
INLINE __m512 rough_power(__m512 x)
{
    x = _mm512_max_ps(_mm512_set1_ps(-60.0f), x); /* a NaN stays one */
    __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_set1_ps(0.0780242756f) * r + 0.22606726f;
    p = p * r + 0.695833623f;
    p = p * r + 0.999925196f;
    return _mm512_scalef_ps(p, x);
}

/* ---- powers in 16-bit integers ----
 * bfloat16 is an exponent and 7 bits of a mantissa side by side, so that x in units of 2^-7, with a multiple
 * of 1 added, almost is 2^x already: 2^x = 1 + x - c(x) for x in [0, 1). Here x comes in units of 2^-9, two
 * vectors of scores fill one of 16-bit integers, and c is looked up for 64 intervals. That errs by 2^-9.1 of
 * a power in the mean square where rounding an exact power errs by 2^-9.2; the mean error is 2^-16, and 1 is
 * exact. */

enum {
    POWER_UNIT = 512,   /* scores are scaled by it */
    POWER_BOUND = 40,   /* of their magnitude before that */
    POWER_RAISE = 87,   /* is added before that, which makes all of them positive, less than 128 */
    POWER_EXPONENT = 40 /* what is computed is 2^(x - 40): the exponent of 1 is 127 */
};

/* What is to be added to a score in units; with 2 it is rounded when two bits are dropped. */
static const float power_raise = POWER_RAISE * POWER_UNIT + 2;

/* 32 powers of two vectors of raised scores (0 of one that is not positive then), in the order
 * 0..3, 16..19, 4..7, 20..23 and so on. */
INLINE __m512i unit_powers(__m512 low, __m512 high)
{
    static const uint8_t c[64] __attribute__((aligned(64))) = {
        1,  3,  6,  8,  10, 12, 15, 17, 19, 20, 22, 24, 26, 27, 29, 30, 32, 33, 35, 36, 37, 38,
        39, 40, 41, 41, 42, 43, 43, 44, 44, 44, 44, 45, 45, 44, 44, 44, 44, 43, 43, 42, 41, 41,
        40, 39, 38, 36, 35, 34, 32, 31, 29, 27, 25, 23, 21, 19, 16, 14, 11, 9,  6,  3};
    const __mmask64 low_bytes = 0x5555555555555555;
    __m512i x = _mm512_packus_epi32(_mm512_cvtps_epi32(low), _mm512_cvtps_epi32(high));
    __m512i less = _mm512_maskz_permutexvar_epi8(low_bytes, _mm512_srli_epi16(x, 3), _mm512_load_si512(c));
    return _mm512_srli_epi16(_mm512_subs_epu16(x, less), 2);
}

/* The same order for 32 bfloat16. */
INLINE __m512i in_unit_order(__m512i x)
{
    return _mm512_permutexvar_epi64(_mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0), x);
}

/* Which pair of values is at row r in that order. */
INLINE int unit_pair(int r)
{
    return r / 4 * 2 + r % 2 + (r % 4 < 2 ? 0 : SIDE / 2);
}

#endif
