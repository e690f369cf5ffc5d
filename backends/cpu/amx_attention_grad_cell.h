/* SPDX-License-Identifier: Apache-2.0 */
/* amx_attention_grad_cell.h - the inner part of bf16_attention_grad.c on the matrix units.
 *
 * For 32 keys a thread walks over all queries, 32 at a time: S - lse and dout V^T - delta are two products of
 * rows that are longer by three values (amx_attention.h), with keys as rows and queries as columns; P and
 * dS, rounded, are then left factors of dv and dk as they are, and right factors of dq^T once neighbouring
 * rows are interleaved. That leaves the queries of dq^T in another order, as order_of_query() has it. */
#ifndef SLMT_CPU_AMX_ATTENTION_GRAD_CELL_H
#define SLMT_CPU_AMX_ATTENTION_GRAD_CELL_H

#include "backends/cpu/amx_attention.h"
#include "backends/cpu/bf16_attention_grad.h"

typedef struct score_rows {
    float at[CELL][CELL]; /* [key][query] */
} __attribute__((aligned(64))) score_rows;

/* What a head's queries are packed as: a right factor of scores, with -lse and with -delta behind them
 * (s.words rows used), and pairs along queries for dk and dv. */
typedef struct query_cell {
    tile_words q[HALVES], dout[HALVES];
    tile_words q_pairs, dout_pairs;
    tile_sums dq[HALVES]; /* transposed: [value][query] */
} query_cell;

/* The keys of a cell: left factors of scores, with ones behind them, and of dq^T. */
typedef struct key_cell {
    tile_words k[HALVES], v[HALVES], k_pairs;
} key_cell;

/* A thread's memory. */
typedef struct grad_thread {
    key_cell key;
    score_rows score[2], grad[2];
    tile_words power[HALVES], slope[HALVES]; /* P and dS as left factors */
    tile_words turned[HALVES];               /* dS as a right factor */
    tile_sums dk[HALVES], dv[HALVES];
    query_cell query[]; /* [TOGETHER][cells] */
} __attribute__((aligned(64))) grad_thread;

static size_t thread_bytes(const head_sizes *s)
{
    return sizeof(grad_thread) + TOGETHER * (size_t)s->cells * sizeof(query_cell);
}

/* Packs a right factor of scores. Returns the squared lengths of its columns. */
static __m512 pack_columns(const head_sizes *s, const float *x, int64_t step, int64_t i, float scale,
                           __m512 number, tile_words *to)
{
    const behind b = behind_of(number);
    vf word[SIDE];
    token_words(x + i * step, step, s->n - i, s->depth, scale, &b, word);
    transpose_words(word);
    store_words(word, SIDE, to->at);
    return squares(word, s->depth);
}

/* Packs the queries of a cell as factors of S - lse: in units, raised, or as they are. Returns the squared
 * lengths of some of them, the largest of all among them. */
static __m512 pack_scores(const head_sizes *s, const head_rows *r, int64_t i, int units, query_cell *to)
{
    const float unit = units ? POWER_UNIT : 1.0f, raise = units ? GRAD_RAISE * POWER_UNIT + 2 : 0.0f;
    __m512 most = _mm512_setzero_ps();
    for (int64_t h = 0; h < HALVES; h++) {
        int64_t at = i + h * SIDE;
        __m512 lse = _mm512_maskz_loadu_ps(first_lanes(s->n - at), r->lse + at);
        __m512 number = lse * (-1.4426950408889634f * unit) + raise;
        most = longer(pack_columns(s, r->q, s->token, at, s->scale * unit, number, &to->q[h]), most);
    }
    return most;
}

/* Packs the queries of a cell. Returns what pack_scores() does. */
static __m512 pack_queries(const head_sizes *s, const head_rows *r, int64_t i, query_cell *to)
{
    vf word[SIDE];
    for (int64_t h = 0; h < HALVES; h++) {
        int64_t at = i + h * SIDE;
        pack_columns(s, r->dout, s->width, at, 1.0f, minus_delta(s, r, at), &to->dout[h]);
    }
    pair_words(r->q + i * s->token, s->token, s->n - i, s->depth, s->scale, 0.0f, word);
    store_words(word, SIDE, to->q_pairs.at);
    pair_words(r->dout + i * s->width, s->width, s->n - i, s->depth, 1.0f, 0.0f, word);
    for (int k = 0; k < SIDE; k++)
        _mm512_store_si512(to->dout_pairs.at[k], (__m512i)word[unit_pair(k)]);
    memset(to->dq, 0, sizeof to->dq);
    return pack_scores(s, r, i, 1, to);
}

static void pack_rows(const head_sizes *s, const float *x, int64_t i, tile_words *to)
{
    behind ones;
    vf word[SIDE];
    for (int k = 0; k < EXTRA; k++)
        _mm512_store_ps(ones.part[k], _mm512_set1_ps(1.0f));
    token_words(x + i * s->token, s->token, s->n - i, s->depth, 1.0f, &ones, word);
    store_words(word, SIDE, to->at);
}

static void pack_keys(const head_sizes *s, const head_rows *r, int64_t i, key_cell *to)
{
    vf word[SIDE];
    for (int64_t h = 0; h < HALVES; h++) {
        pack_rows(s, r->k, i + h * SIDE, &to->k[h]);
        pack_rows(s, r->v, i + h * SIDE, &to->v[h]);
    }
    pair_words(r->k + i * s->token, s->token, s->n - i, s->depth, 1.0f, 0.0f, word);
    transpose_words(word);
    store_words(word, SIDE, to->k_pairs.at);
}

/* The squared lengths of 16 keys from i on, after rounding. */
static __m512 key_squares(const head_sizes *s, const head_rows *r, int64_t i)
{
    const behind none = {{{0}}};
    vf word[SIDE];
    token_words(r->k + i * s->token, s->token, s->n - i, s->depth, 1.0f, &none, word);
    transpose_words(word);
    return squares(word, s->depth);
}

/* ---- a cell ----
 * Tiles: 0, 1 sums of dv; 2, 3 of dk; 4 scores, or sums of dq; 5, 6 left factors; 7 a right factor. */

/* Scores of both halves of the keys with some queries. */
#define SCORES(rows, columns, to)                                                                            \
    do {                                                                                                     \
        TILE_WORDS(7, columns);                                                                              \
        TILE_WORDS(5, &(rows)[0]);                                                                           \
        TILE_ZERO(4);                                                                                        \
        TILE_ADD(4, 5, 7);                                                                                   \
        TILE_STORE(4, (to), CELL * sizeof(float));                                                           \
        TILE_WORDS(6, &(rows)[1]);                                                                           \
        TILE_ZERO(4);                                                                                        \
        TILE_ADD(4, 6, 7);                                                                                   \
        TILE_STORE(4, (to) + SIDE * CELL, CELL * sizeof(float));                                             \
    } while (0)

/* Part `part` (0 to 3) of S - lse and of dout V^T - delta. */
INLINE void cell_scores(const key_cell *key, const query_cell *query, int part, score_rows *score,
                        score_rows *grad)
{
    int half = part / 2;
    if (part % 2 == 0)
        SCORES(key->k, &query->q[half], &score->at[0][half * SIDE]);
    else
        SCORES(key->v, &query->dout[half], &grad->at[0][half * SIDE]);
}

/* P and dS of one key, rounded; dS is also returned. */
INLINE __m512i key_slopes(grad_thread *t, const float *score, const float *grad, int row, const int bounded)
{
    __m512 p0 = _mm512_load_ps(score), p1 = _mm512_load_ps(score + SIDE);
    __m512i power;
    if (bounded) {
        power = unit_powers(p0, p1);
        p0 = (__m512)_mm512_unpacklo_epi16(_mm512_setzero_si512(), power);
        p1 = (__m512)_mm512_unpackhi_epi16(_mm512_setzero_si512(), power);
    } else {
        p0 = rough_power(p0);
        p1 = rough_power(p1);
        power = in_unit_order(round_two(p0, p1));
    }
    __m512i slope = round_two(p0 * _mm512_load_ps(grad), p1 * _mm512_load_ps(grad + SIDE));
    _mm512_store_si512(t->power[row / SIDE].at[row % SIDE], power);
    _mm512_store_si512(t->slope[row / SIDE].at[row % SIDE], slope);
    return slope;
}

/* The same of `rows` keys from `row` on, and the interleaved dS. */
INLINE void cell_slopes(grad_thread *t, const score_rows *score, const score_rows *grad, int row,
                        const int rows, const int bounded)
{
#pragma GCC unroll 4
    for (int i = row; i < row + rows; i += 2) {
        __m512i even = key_slopes(t, score->at[i], grad->at[i], i, bounded);
        __m512i odd = key_slopes(t, score->at[i + 1], grad->at[i + 1], i + 1, bounded);
        _mm512_store_si512(t->turned[0].at[i / 2], _mm512_unpacklo_epi16(even, odd));
        _mm512_store_si512(t->turned[1].at[i / 2], _mm512_unpackhi_epi16(even, odd));
    }
}

/* Which query of a cell column `column` of half `half` of dq^T is. */
INLINE int order_of_query(int half, int column)
{
    return column / 4 * 8 + half * 4 + column % 4;
}

INLINE void add_cell(grad_thread *t, query_cell *query)
{
    TILE_WORDS(7, &query->dout_pairs);
    TILE_WORDS(5, &t->power[0]);
    TILE_ADD(0, 5, 7);
    TILE_WORDS(5, &t->power[1]);
    TILE_ADD(1, 5, 7);
    TILE_WORDS(7, &query->q_pairs);
    TILE_WORDS(5, &t->slope[0]);
    TILE_ADD(2, 5, 7);
    TILE_WORDS(5, &t->slope[1]);
    TILE_ADD(3, 5, 7);
    TILE_WORDS(5, &t->key.k_pairs);
    TILE_WORDS(4, &query->dq[0]);
    TILE_WORDS(7, &t->turned[0]);
    TILE_ADD(4, 5, 7);
    TILE_SUMS(&query->dq[0], 4);
    TILE_WORDS(4, &query->dq[1]);
    TILE_WORDS(7, &t->turned[1]);
    TILE_ADD(4, 5, 7);
    TILE_SUMS(&query->dq[1], 4);
}

/* dk and dv of the packed keys, over all queries; adds to dq. */
INLINE void walk_queries(const head_sizes *s, grad_thread *t, query_cell *query, const int bounded)
{
    enum { PARTS = HALVES * HALVES, ROWS = CELL / PARTS };
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (int part = 0; part < PARTS; part++)
        cell_scores(&t->key, query, part, &t->score[0], &t->grad[0]);
    for (int64_t c = 0; c < s->cells; c++) {
        const query_cell *next = &query[work_min(c + 1, s->cells - 1)];
        int64_t now = c % 2, then = (c + 1) % 2;
#pragma GCC unroll 4
        for (int part = 0; part < PARTS; part++) {
            cell_scores(&t->key, next, part, &t->score[then], &t->grad[then]);
            cell_slopes(t, &t->score[now], &t->grad[now], part * ROWS, ROWS, bounded);
        }
        add_cell(t, &query[c]);
    }
    TILE_SUMS(&t->dv[0], 0);
    TILE_SUMS(&t->dv[1], 1);
    TILE_SUMS(&t->dk[0], 2);
    TILE_SUMS(&t->dk[1], 3);
}

/* Stores dq, which is transposed, by tokens. */
static void store_queries(const head_sizes *s, const query_cell *query, int64_t i, float scale, float *x)
{
    vf m[SIDE];
    for (int half = 0; half < HALVES; half++) {
        for (int d = 0; d < SIDE; d++)
            m[d] = vload(query->dq[half].at[d]);
        transpose_words(m);
        for (int column = 0; column < SIDE; column++) {
            int64_t query = i + order_of_query(half, column);
            if (query < s->n)
                _mm512_mask_storeu_ps(x + query * s->token, first_lanes(s->depth), (__m512)m[column] * scale);
        }
    }
}

/* A thread begins and ends with these. */
static inline void grad_begin(void)
{
    tiles_begin();
}

static inline void grad_end(void)
{
    tiles_end();
}

#endif
