/* SPDX-License-Identifier: Apache-2.0 */
/* avx512bf16_attention_cell.h - the inner part of bf16_attention.c by the vector instruction VDPBF16PS.
 *
 * Scores of eight queries with two keys fill a vector: lanes 2i and 2i + 1 are query i with either key. A
 * packed query is the same in both lanes, and a load repeats the words of two keys in turn. So powers, once
 * rounded, already are pairs along the keys, as their product with the values reads them: no value moves from
 * lane to lane. Four words are a head of up to 8 values; shorter heads have zeros behind theirs. */
#ifndef SLMT_CPU_AVX512BF16_ATTENTION_CELL_H
#define SLMT_CPU_AVX512BF16_ATTENTION_CELL_H

#include "backends/cpu/avx512bf16_pairs.h"
#include "backends/cpu/bf16_attention.h"

enum {
    MOST_DEPTH = PAIR_DEPTH,
    COLUMNS = MOST_DEPTH + 1, /* of sums: values, and ones behind them */
    BLOCK = 32,               /* pairs of keys whose powers are kept */
    SUMS = PAIR * HALVES      /* vectors of scores of a cell with a pair of keys */
};

/* The values of two keys, and ones. */
typedef struct value_pair {
    uint32_t word[COLUMNS];
} value_pair;

/* A thread's memory: the head that it packed, and room for a block. Keys and values follow. */
typedef struct forward_thread {
    int64_t head; /* -1: none */
    float square_k;
    pair_lanes query[HALVES];
    float more[CELL];
    cell_words power[BLOCK];
    cell_sums sum[COLUMNS];
    tile_sums out[HALVES];
} __attribute__((aligned(64))) forward_thread;

static size_t key_bytes(const head_sizes *s)
{
    return (size_t)work_pieces(s->n, PAIR * BLOCK) * BLOCK * sizeof(token_pair);
}

static size_t thread_bytes(const head_sizes *s)
{
    size_t values = (size_t)work_pieces(s->n, PAIR) * sizeof(value_pair);
    return sizeof(forward_thread) + key_bytes(s) + (values + 63) / 64 * 64;
}

static token_pair *keys_of(forward_thread *t)
{
    return (token_pair *)(t + 1);
}

static value_pair *values_of(const head_sizes *s, forward_thread *t)
{
    return (value_pair *)((unsigned char *)(t + 1) + key_bytes(s));
}

/* Where there is no second key, the first one is there twice, so that no score is larger than the largest,
 * and its values are zeros. */
static void pack_keys(const head_sizes *s, const float *k, const float *v, forward_thread *t)
{
    const uint32_t one = 0x3f80;
    __m512 most = _mm512_setzero_ps();
    for (int64_t i = 0; i < s->n; i += PAIR) {
        int64_t both = i + 1 < s->n;
        __m128i a = token_row(k, s->token, i, s->n, s->depth, 1.0f);
        __m128i b = both ? token_row(k, s->token, i + 1, s->n, s->depth, 1.0f) : a;
        value_pair *value = &values_of(s, t)[i / PAIR];
        __m256i words = rows_in_turn(a, b);
        keys_of(t)[i / PAIR].words = words;
        most = longer(pair_squares(words), most);
        _mm256_storeu_si256((__m256i *)value->word,
                            value_words(token_row(v, s->token, i, s->n, s->depth, 1.0f),
                                        token_row(v, s->token, i + 1, s->n, s->depth, 1.0f)));
        value->word[MOST_DEPTH] = both ? one << 16 | one : one;
    }
    t->square_k = _mm512_reduce_max_ps(most);
}

/* Packs the queries of a cell, times `scale`; `more` is added to each score of a query. Returns their largest
 * squared length. */
static float pack_queries(const head_sizes *s, const float *q, int64_t n, float scale, const float *more,
                          forward_thread *t)
{
    __m512 most = _mm512_setzero_ps();
    memcpy(t->more, more, sizeof t->more);
    for (int h = 0; h < HALVES; h++) {
        const float *from = q + h * SIDE * s->token;
        most = longer(pack_lanes(from, s->token, n - h * SIDE, s->depth, scale, &t->query[h]), most);
    }
    return _mm512_reduce_max_ps(most);
}

/* The scores of all queries of the cell with a pair of keys, which are raised by `more`. */
INLINE void pair_scores(const pair_lanes *query, const token_pair *key, const __m512 *more, __m512 *score)
{
#pragma GCC unroll 4
    for (int i = 0; i < SUMS; i++)
        score[i] = more[i];
#pragma GCC unroll 4
    for (int w = 0; w < PAIR_WORDS; w++) {
        __m512bh k = (__m512bh)_mm512_set1_epi64((long long)key->word[w]);
#pragma GCC unroll 4
        for (int i = 0; i < SUMS; i++)
            score[i] = _mm512_dpbf16_ps(score[i], (__m512bh)query[i / PAIR].at[i % PAIR][w], k);
    }
}

INLINE void load_more(const forward_thread *t, __m512 *more)
{
    for (int h = 0; h < HALVES; h++)
        spread_lanes(_mm512_loadu_ps(t->more + h * SIDE), &more[h * PAIR]);
}

/* Powers of the scores with `pairs` pairs of keys. */
INLINE void block_powers(forward_thread *t, const token_pair *key, int64_t pairs, const int bounded)
{
    const pair_lanes query[HALVES] = {t->query[0], t->query[1]};
    __m512 more[SUMS], score[SUMS];
    load_more(t, more);
    for (int k = 0; bounded && k < SUMS; k++)
        more[k] = _mm512_set1_ps(power_raise);
    for (int64_t i = 0; i < pairs; i++) {
        pair_scores(query, &key[i], more, score);
#pragma GCC unroll 2
        for (int h = 0; h < HALVES; h++) {
            __m512 low = score[h * PAIR], high = score[h * PAIR + 1];
            t->power[i].half[h] = bounded ? unit_powers(low, high)
                                          : in_unit_order(round_two(rough_power(low), rough_power(high)));
        }
    }
}

/* sum += powers times values. */
INLINE void block_values(forward_thread *t, const value_pair *value, int64_t pairs)
{
    __m512 sum[COLUMNS][HALVES];
#pragma GCC unroll 9
    for (int d = 0; d < COLUMNS; d++)
#pragma GCC unroll 2
        for (int h = 0; h < HALVES; h++)
            sum[d][h] = t->sum[d].half[h];
    for (int64_t i = 0; i < pairs; i++) {
        __m512bh power[HALVES];
#pragma GCC unroll 2
        for (int h = 0; h < HALVES; h++)
            power[h] = (__m512bh)t->power[i].half[h];
#pragma GCC unroll 9
        for (int d = 0; d < COLUMNS; d++) {
            __m512bh v = (__m512bh)_mm512_set1_epi32((int)value[i].word[d]);
#pragma GCC unroll 2
            for (int h = 0; h < HALVES; h++)
                sum[d][h] = _mm512_dpbf16_ps(sum[d][h], power[h], v);
        }
    }
#pragma GCC unroll 9
    for (int d = 0; d < COLUMNS; d++)
#pragma GCC unroll 2
        for (int h = 0; h < HALVES; h++)
            t->sum[d].half[h] = sum[d][h];
}

/* out = the sums of powers times values of the packed queries, over all keys. */
INLINE void attend_cells(const head_sizes *s, forward_thread *t, const int bounded)
{
    const token_pair *key = keys_of(t);
    const value_pair *value = values_of(s, t);
    const int64_t pairs = work_pieces(s->n, PAIR);
    memset(t->sum, 0, sizeof t->sum);
    for (int64_t at = 0; at < pairs; at += BLOCK) {
        int64_t n = work_min(BLOCK, pairs - at);
        block_powers(t, key + at, n, bounded);
        block_values(t, value + at, n);
    }
    for (int h = 0; h < HALVES; h++) {
        vf row[SIDE] = {{0}};
        for (int64_t d = 0; d < s->depth; d++)
            row[d] = (vf)t->sum[d].half[h];
        row[s->depth] = (vf)t->sum[MOST_DEPTH].half[h];
        transpose_words(row);
        for (int i = 0; i < SIDE; i++)
            _mm512_store_ps(t->out[h].at[i], (__m512)row[i]);
    }
}

/* top[query] = the largest of the packed queries' scores. */
static void largest_scores(const head_sizes *s, forward_thread *t, float top[CELL])
{
    __m512 more[SUMS], most[SUMS], score[SUMS];
    load_more(t, more);
    for (int i = 0; i < SUMS; i++)
        most[i] = _mm512_set1_ps(-INFINITY);
    for (int64_t k = 0; k < work_pieces(s->n, PAIR); k++) {
        pair_scores(t->query, &keys_of(t)[k], more, score);
        for (int i = 0; i < SUMS; i++)
            most[i] = _mm512_max_ps(most[i], score[i]);
    }
    for (int i = 0; i < SUMS; i++) {
        float lane[SIDE];
        _mm512_storeu_ps(lane, most[i]);
        for (int k = 0; k < SIDE / PAIR; k++)
            top[i / PAIR * SIDE + query_of_slot(i % PAIR, k)] = fmaxf(lane[2 * k], lane[2 * k + 1]);
    }
}

/* Vectors need no preparation. */
static inline void attention_begin(const head_sizes *s)
{
    (void)s;
}

static inline void attention_end(void)
{
}

#endif
