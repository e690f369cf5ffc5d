/* SPDX-License-Identifier: Apache-2.0 */
/* avx512bf16_attention_grad_cell.h - the inner part of bf16_attention_grad.c by VDPBF16PS.
 *
 * Scores of eight keys with two queries fill a vector (avx512bf16_pairs.h has the lanes, which here are
 * keys). P and dS, rounded, are then pairs along the queries, as dv and dk need them: sums whose lanes are
 * keys, a load repeating a word of dout or q. For dq the middle values of each four are exchanged: they then
 * are words of two keys, of either query in turn, and a load repeats two of them for sums of two queries by 8
 * values. */
#ifndef SLMT_CPU_AVX512BF16_ATTENTION_GRAD_CELL_H
#define SLMT_CPU_AVX512BF16_ATTENTION_GRAD_CELL_H

#include "backends/cpu/avx512bf16_pairs.h"
#include "backends/cpu/bf16_attention_grad.h"

enum {
    BLOCK = 32,           /* pairs of queries whose P and dS are kept */
    KEY_PAIRS = CELL / 2, /* of a cell */
    IN_STEP = 4,          /* pairs of queries whose scores are computed in step */
    STEP = 8              /* and whose dq is summed in step */
};

/* Two queries: factors of scores, what is added to these, pairs for dk and dv, and dq: [value][query]. */
typedef struct query_pair {
    float dq[PAIR_DEPTH][PAIR];
    token_pair q, dout;
    uint32_t q_word[PAIR_DEPTH], dout_word[PAIR_DEPTH];
    float minus_lse[PAIR], minus_delta[PAIR];
} __attribute__((aligned(64))) query_pair;

typedef struct query_cell {
    query_pair pair[CELL / PAIR];
} query_cell;

/* The keys of a cell: lanes for scores; words of key pairs, each value's twice, for dq. */
typedef struct key_cell {
    pair_lanes k[HALVES], v[HALVES];
    __m512i k_pairs[KEY_PAIRS];
} key_cell;

/* A thread's memory. `turned` has dS as dq reads it. */
typedef struct grad_thread {
    key_cell key;
    cell_words power[BLOCK], slope[BLOCK], turned[BLOCK];
    cell_sums dk_sum[PAIR_DEPTH], dv_sum[PAIR_DEPTH];
    tile_sums dk[HALVES], dv[HALVES];
    query_cell query[]; /* [TOGETHER][cells] */
} __attribute__((aligned(64))) grad_thread;

static size_t thread_bytes(const head_sizes *s)
{
    return sizeof(grad_thread) + TOGETHER * (size_t)s->cells * sizeof(query_cell);
}

/* ---- packing ---- */

/* Packs the queries of a cell as factors of S - lse: in units, raised, or as they are. Returns the squared
 * lengths of some of them, the largest of all among them. */
static __m512 pack_scores(const head_sizes *s, const head_rows *r, int64_t i, int units, query_cell *to)
{
    const float unit = units ? POWER_UNIT : 1.0f, raise = units ? GRAD_RAISE * POWER_UNIT + 2 : 0.0f;
    __m512 most = _mm512_setzero_ps();
    for (int64_t p = 0; p < CELL / PAIR; p++) {
        query_pair *pair = &to->pair[p];
        __m128i row[PAIR];
        for (int64_t k = 0; k < PAIR; k++) {
            int64_t at = i + p * PAIR + k;
            row[k] = token_row(r->q, s->token, at, s->n, s->depth, s->scale * unit);
            pair->minus_lse[k] = (at < s->n ? r->lse[at] : 0.0f) * (-1.4426950408889634f * unit) + raise;
        }
        pair->q.words = rows_in_turn(row[0], row[1]);
        most = longer(pair_squares(pair->q.words), most);
    }
    return most;
}

/* Packs the queries of a cell. Returns what pack_scores() does. */
static __m512 pack_queries(const head_sizes *s, const head_rows *r, int64_t i, query_cell *to)
{
    float minus[CELL];
    for (int64_t h = 0; h < HALVES; h++)
        _mm512_storeu_ps(minus + h * SIDE, minus_delta(s, r, i + h * SIDE));
    for (int64_t p = 0; p < CELL / PAIR; p++) {
        query_pair *pair = &to->pair[p];
        int64_t at = i + p * PAIR;
        __m128i d0 = token_row(r->dout, s->width, at, s->n, s->depth, 1.0f);
        __m128i d1 = token_row(r->dout, s->width, at + 1, s->n, s->depth, 1.0f);
        pair->dout.words = rows_in_turn(d0, d1);
        _mm256_store_si256((__m256i *)pair->dout_word, value_words(d0, d1));
        _mm256_store_si256((__m256i *)pair->q_word,
                           value_words(token_row(r->q, s->token, at, s->n, s->depth, s->scale),
                                       token_row(r->q, s->token, at + 1, s->n, s->depth, s->scale)));
        memcpy(pair->minus_delta, minus + p * PAIR, sizeof pair->minus_delta);
        memset(pair->dq, 0, sizeof pair->dq);
    }
    return pack_scores(s, r, i, 1, to);
}

/* Which keys are pair `pair` of a vector of dS: two from here on. */
INLINE int key_of_pair(int pair)
{
    return query_of_slot(pair / 4, pair % 4 * 2);
}

/* Keys that are not there are as the last one in scores, so that no power is infinite, and zeros for dq. */
static void pack_keys(const head_sizes *s, const head_rows *r, int64_t i, key_cell *to)
{
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    for (int64_t h = 0; h < HALVES; h++) {
        int64_t at = i + h * SIDE;
        pack_lanes(r->k + at * s->token, s->token, s->n - at, s->depth, 1.0f, &to->k[h]);
        pack_lanes(r->v + at * s->token, s->token, s->n - at, s->depth, 1.0f, &to->v[h]);
        for (int p = 0; p < SIDE / PAIR; p++) {
            int64_t key = at + key_of_pair(p);
            __m256i word = value_words(token_row(r->k, s->token, key, s->n, s->depth, 1.0f),
                                       token_row(r->k, s->token, key + 1, s->n, s->depth, 1.0f));
            to->k_pairs[h * (SIDE / PAIR) + p] =
                _mm512_permutexvar_epi32(twice, _mm512_castsi256_si512(word));
        }
    }
}

/* The squared lengths of 16 keys from i on, after rounding. */
static __m512 key_squares(const head_sizes *s, const head_rows *r, int64_t i)
{
    __m512 most = _mm512_setzero_ps();
    for (int64_t k = i; k < work_min(i + SIDE, s->n); k += PAIR) {
        __m128i a = token_row(r->k, s->token, k, s->n, s->depth, 1.0f);
        __m128i b = token_row(r->k, s->token, k + 1, s->n, s->depth, 1.0f);
        most = longer(pair_squares(rows_in_turn(a, b)), most);
    }
    return most;
}

/* ---- a block of queries ---- */

INLINE __m512 two_floats(const float *x)
{
    long long both;
    memcpy(&both, x, sizeof both);
    return (__m512)_mm512_set1_epi64(both);
}

/* sum[pair][low, high] = what `start` has for its queries + the products of the keys in lanes with them. */
INLINE void lane_scores(const pair_lanes *key, const query_pair *query, const int grad, __m512 (*sum)[PAIR],
                        const int count)
{
#pragma GCC unroll 4
    for (int i = 0; i < count; i++)
        sum[i][0] = sum[i][1] = two_floats(grad ? query[i].minus_delta : query[i].minus_lse);
#pragma GCC unroll 4
    for (int w = 0; w < PAIR_WORDS; w++)
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
            const token_pair *token = grad ? &query[i].dout : &query[i].q;
            __m512bh x = (__m512bh)_mm512_set1_epi64((long long)token->word[w]);
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], (__m512bh)key->at[0][w], x);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], (__m512bh)key->at[1][w], x);
        }
}

/* P and dS of `count` pairs of queries from i on, with half of the keys. */
INLINE void slope_few(grad_thread *t, const pair_lanes *k, const pair_lanes *v, const query_pair *query,
                      int64_t i, const int half, const int bounded, const int count)
{
    const __m512i exchange =
        _mm512_broadcast_i32x4(_mm_set_epi8(15, 14, 11, 10, 13, 12, 9, 8, 7, 6, 3, 2, 5, 4, 1, 0));
    __m512 p[IN_STEP][PAIR], g[IN_STEP][PAIR];
    __m512i power[IN_STEP];
    lane_scores(k, query + i, 0, p, count);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        if (!bounded) {
            p[j][0] = rough_power(p[j][0]);
            p[j][1] = rough_power(p[j][1]);
        }
        power[j] = bounded ? unit_powers(p[j][0], p[j][1]) : in_unit_order(round_two(p[j][0], p[j][1]));
        t->power[i + j].half[half] = power[j];
    }
    lane_scores(v, query + i, 1, g, count);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        if (bounded) {
            p[j][0] = (__m512)_mm512_unpacklo_epi16(_mm512_setzero_si512(), power[j]);
            p[j][1] = (__m512)_mm512_unpackhi_epi16(_mm512_setzero_si512(), power[j]);
        }
        __m512i slope = round_two(p[j][0] * g[j][0], p[j][1] * g[j][1]);
        t->slope[i + j].half[half] = slope;
        t->turned[i + j].half[half] = _mm512_shuffle_epi8(slope, exchange);
    }
}

INLINE void block_slopes(grad_thread *t, const query_pair *query, int64_t pairs, const int half,
                         const int bounded)
{
    const pair_lanes k = t->key.k[half], v = t->key.v[half];
    int64_t i = 0;
    for (; i + IN_STEP <= pairs; i += IN_STEP)
        slope_few(t, &k, &v, query, i, half, bounded, IN_STEP);
    for (; i < pairs; i++)
        slope_few(t, &k, &v, query, i, half, bounded, 1);
}

/* sum[value][half] += weights of the keys times values of the queries; word: of the first pair. */
INLINE void block_sums(const cell_words *weight, const uint32_t *word, int64_t pairs, cell_sums *to)
{
    enum { NEXT = sizeof(query_pair) / sizeof(uint32_t) };
    __m512 sum[PAIR_DEPTH][HALVES];
#pragma GCC unroll 8
    for (int d = 0; d < PAIR_DEPTH; d++)
#pragma GCC unroll 2
        for (int h = 0; h < HALVES; h++)
            sum[d][h] = to[d].half[h];
    for (int64_t i = 0; i < pairs; i++, word += NEXT) {
        const __m512bh w[HALVES] = {(__m512bh)weight[i].half[0], (__m512bh)weight[i].half[1]};
#pragma GCC unroll 8
        for (int d = 0; d < PAIR_DEPTH; d++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32((int)word[d]);
#pragma GCC unroll 2
            for (int h = 0; h < HALVES; h++)
                sum[d][h] = _mm512_dpbf16_ps(sum[d][h], w[h], x);
        }
    }
#pragma GCC unroll 8
    for (int d = 0; d < PAIR_DEPTH; d++)
#pragma GCC unroll 2
        for (int h = 0; h < HALVES; h++)
            to[d].half[h] = sum[d][h];
}

/* dq of `count` pairs of queries. */
INLINE void add_few(const __m512i *key, const cell_words *turned, query_pair *query, const int count)
{
    __m512 sum[STEP];
#pragma GCC unroll 8
    for (int i = 0; i < count; i++)
        sum[i] = _mm512_load_ps(query[i].dq[0]);
#pragma GCC unroll 16
    for (int k = 0; k < KEY_PAIRS; k++)
#pragma GCC unroll 8
        for (int i = 0; i < count; i++) {
            long long two;
            memcpy(&two, (const char *)&turned[i] + k * sizeof two, sizeof two);
            sum[i] = _mm512_dpbf16_ps(sum[i], (__m512bh)key[k], (__m512bh)_mm512_set1_epi64(two));
        }
#pragma GCC unroll 8
    for (int i = 0; i < count; i++)
        _mm512_store_ps(query[i].dq[0], sum[i]);
}

INLINE void block_queries(const grad_thread *t, query_pair *query, int64_t pairs)
{
    __m512i key[KEY_PAIRS];
    int64_t i = 0;
#pragma GCC unroll 16
    for (int k = 0; k < KEY_PAIRS; k++)
        key[k] = t->key.k_pairs[k];
    for (; i + STEP <= pairs; i += STEP)
        add_few(key, t->turned + i, query + i, STEP);
    for (; i < pairs; i++)
        add_few(key, t->turned + i, query + i, 1);
}

/* Sums, whose lanes are keys, as rows of keys; which key lane i of a half is. */
static void sums_to_rows(const cell_sums *sum, int in_order, tile_sums *to)
{
    for (int h = 0; h < HALVES; h++) {
        vf row[SIDE] = {{0}};
        for (int d = 0; d < PAIR_DEPTH; d++)
            row[d] = (vf)sum[d].half[h];
        transpose_words(row);
        for (int i = 0; i < SIDE; i++) {
            int key = in_order ? i : query_of_slot(i / (SIDE / 2), i % (SIDE / 2));
            _mm512_store_ps(to[h].at[key], (__m512)row[i]);
        }
    }
}

/* dk and dv of the packed keys, over all queries; adds to dq. */
INLINE void walk_queries(const head_sizes *s, grad_thread *t, query_cell *cell, const int bounded)
{
    const int64_t pairs = work_pieces(s->n, PAIR);
    memset(t->dk_sum, 0, sizeof t->dk_sum);
    memset(t->dv_sum, 0, sizeof t->dv_sum);
    for (int64_t at = 0; at < pairs; at += BLOCK) {
        query_pair *query = cell->pair + at;
        int64_t n = work_min(BLOCK, pairs - at);
        for (int half = 0; half < HALVES; half++)
            block_slopes(t, query, n, half, bounded);
        block_sums(t->power, query->dout_word, n, t->dv_sum);
        block_sums(t->slope, query->q_word, n, t->dk_sum);
        block_queries(t, query, n);
    }
    sums_to_rows(t->dv_sum, 1, t->dv);
    sums_to_rows(t->dk_sum, 0, t->dk);
}

/* Stores dq, which is by values and two queries, by tokens. */
static void store_queries(const head_sizes *s, const query_cell *query, int64_t i, float scale, float *x)
{
    const __m512i first = _mm512_set_epi32(15, 13, 11, 9, 7, 5, 3, 1, 14, 12, 10, 8, 6, 4, 2, 0);
    const __mmask8 lanes = (__mmask8)first_lanes(s->depth);
    for (int64_t p = 0; p < CELL / PAIR; p++, i += PAIR) {
        __m512 both = _mm512_permutexvar_ps(first, _mm512_load_ps(query->pair[p].dq[0])) * scale;
        if (i < s->n)
            _mm256_mask_storeu_ps(x + i * s->token, lanes, _mm512_castps512_ps256(both));
        if (i + 1 < s->n)
            _mm256_mask_storeu_ps(x + (i + 1) * s->token, lanes, _mm512_extractf32x8_ps(both, 1));
    }
}

/* Vectors need no preparation. */
static inline void grad_begin(void)
{
}

static inline void grad_end(void)
{
}

#endif
