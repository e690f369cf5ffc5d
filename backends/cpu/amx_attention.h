/* SPDX-License-Identifier: Apache-2.0 */
/* amx_attention.h - what attention on the matrix units and its gradient share: sizes, packed heads, powers.
 *
 * A score minus a number of its query (its maximum, or lse) is one product: the query's row is longer by
 * three values of bfloat16, whose sum is minus that number to float32's precision, and the key's row by three
 * ones. Scores are exponents to base 2. */
#ifndef SLMT_CPU_AMX_ATTENTION_H
#define SLMT_CPU_AMX_ATTENTION_H

#include "backends/cpu/amx.h"
#include "backends/cpu/amx_tile.h"
#include "backends/cpu/work.h"

enum {
    CELL = 32,       /* queries, and keys, that are computed together */
    HALVES = 2,      /* tiles of a cell on each axis */
    EXTRA = 3,       /* values of a row behind those of the head */
    MOST_DEPTH = 15, /* of a head: one more column of a tile sums the powers */
    FEWEST = 64      /* tokens: below, packing costs more than products */
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

/* A token's row with room behind it. */
typedef struct token_row {
    float at[DEPTH];
} token_row;

/* x = the parts of three values of bfloat16 whose sum it is. */
INLINE void split_value(float x, float part[EXTRA])
{
    for (int i = 0; i < EXTRA; i++) {
        uint32_t bits = (uint32_t)_mm_cvtsi128_si32((__m128i)_mm_cvtneps_pbh(_mm_set1_ps(x))) << 16;
        memcpy(&part[i], &bits, sizeof bits);
        x -= part[i];
    }
}

INLINE __mmask16 depth_lanes(int64_t depth)
{
    return first_lanes(depth);
}

INLINE __m512 load_token(const float *x, int64_t depth)
{
    return _mm512_maskz_loadu_ps(depth_lanes(depth), x);
}

/* The word rows of up to 16 tokens: `scale` times their values, then the three of `behind` (of each token, or
 * the same ones if step is 0). Rows of tokens that are not there are zeros. */
INLINE void token_words(const float *x, int64_t step, int64_t n, int64_t depth, float scale,
                        const float *behind, int64_t behind_step, vf word[SIDE])
{
    for (int64_t i = 0; i < SIDE; i++) {
        token_row row = {{0}};
        if (i < n) {
            _mm512_storeu_ps(row.at, load_token(x + i * step, depth) * scale);
            memcpy(row.at + depth, behind + i * behind_step, EXTRA * sizeof(float));
        }
        word[i] = (vf)round_two(_mm512_loadu_ps(row.at), _mm512_loadu_ps(row.at + SIDE));
    }
}

INLINE void store_words(const vf word[SIDE], int rows, uint32_t (*to)[SIDE])
{
    for (int i = 0; i < rows; i++)
        _mm512_store_si512(to[i], (__m512i)word[i]);
}

/* Tokens as pairs along k: words [pair][value], one more value of each token being `behind` (at `depth`). */
INLINE void pair_words(const float *x, int64_t step, int64_t n, int64_t depth, float scale, float behind,
                       vf word[SIDE])
{
    __mmask16 last = (__mmask16)(1u << depth);
    for (int64_t i = 0; i < SIDE; i++) {
        __m512 token[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
        for (int64_t k = 0; k < 2 && 2 * i + k < n; k++)
            token[k] = _mm512_mask_mov_ps(load_token(x + (2 * i + k) * step, depth) * scale, last,
                                          _mm512_set1_ps(behind));
        word[i] = (vf)round_pairs(token[0], token[1]);
    }
}

/* 2^x to 2^-13 of itself, a quarter of what bfloat16 rounds; 0 below the normal numbers. A minimax
 * polynomial on [0, 1]. */
INLINE __m512 rough_power(__m512 x)
{
    __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_set1_ps(0.0780242756f) * r + 0.22606726f;
    p = p * r + 0.695833623f;
    p = p * r + 0.999925196f;
    return _mm512_scalef_ps(p, x);
}

/* The sizes of the tiles of a thread: rows, and words of a row. */
INLINE void attention_tiles(const uint8_t rows[8], const uint8_t words[8])
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) shape = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        shape.row_bytes[t] = (uint16_t)(words[t] * sizeof(uint32_t));
        shape.rows[t] = rows[t];
    }
    __asm__ volatile("ldtilecfg (%0)" ::"r"(&shape) : "memory");
}

/* Scores of the largest magnitude that need no maximum subtracted; see attention_block.h. */
static const float rough_bound = 48.0f;

bk_status amx_prepare_attention_grad(cpu_device *dev, bk_call *call);

#endif
