/* SPDX-License-Identifier: Apache-2.0 */
/* attention_step.h - the gradient of attention_block.h for heads of 8 on processors with 32 vector registers.
 *
 * The scores of one vector of keys and three queries are computed in step with the powers of the three scores
 * before and with their dout V^T, as in attention_stages.h. Of 22 multiply-adds and products for 16 scores
 * 16 are these two products, 5 are 2^x, and one makes the result dS. dv, dk and dq, 24 multiply-adds, follow
 * block by block, for two vectors of keys. On Zen 5 all of this takes 24.9 cycles, where 46 multiply-adds
 * take 23. */
#ifndef SLMT_CPU_ATTENTION_STEP_H
#define SLMT_CPU_ATTENTION_STEP_H

#include "backends/cpu/attention_block.h"

enum {
    STAGE_QUERIES = 3, /* queries in step, if their scores are bounded */
    STEP_ROWS = 4,     /* if not */
    SUM_ROWS = 8       /* rows of dq in step */
};

/* sum[j] = a . row[j] - minus[j] for `count` rows; minus NULL: nothing. The order is that of dot_lanes(),
 * also where the compiler joins products and sums. */
INLINE void dot_step(const vf *a, const float *row, const float *minus, vf *sum, const int count)
{
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        vf x = vset(row[j * STAGE_DEPTH]);
        if (minus)
            sum[j] = a[0] * x - vset(minus[j]);
        else
            sum[j] = vset(0.0f) + a[0] * x;
    }
#pragma GCC unroll 8
    for (int d = 1; d < STAGE_DEPTH; d++)
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            sum[j] += a[d] * vset(row[j * STAGE_DEPTH + d]);
}

/* P = 2^(S - lse) and dS = P (dout V^T - delta) of `count` queries from i on, for one vector of keys. */
INLINE void slope_few(const vf *k, const vf *v, const query_rows *query, int64_t i, float *score, float *grad,
                      const int count)
{
    vf p[STEP_ROWS], g[STEP_ROWS];
    dot_step(k, query->q + i * STAGE_DEPTH, query->lse + i, p, count);
    dot_step(v, query->dout + i * STAGE_DEPTH, NULL, g, count);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        p[j] = probability(p[j]);
        vstore(score + j * SETS * VL, p[j]);
        vstore(grad + j * SETS * VL, (g[j] - vset(query->delta[i + j])) * p[j]);
    }
}

/* What the stages of one vector of keys read, at their next queries, and where they store. */
typedef struct staged_slopes {
    vf k[STAGE_DEPTH], v[STAGE_DEPTH], score[STAGE_QUERIES]; /* of the queries of the step before, less lse */
    const float *q, *dout, *lse, *delta;
    float *power, *grad;
} staged_slopes;

/* One step of the stages that the two constants ask for. */
INLINE void slopes_step(staged_slopes *s, const int scores, const int powers)
{
    vf next[STAGE_QUERIES], rest[STAGE_QUERIES], p[STAGE_QUERIES], g[STAGE_QUERIES];
    const float *term = power_term, *q = s->q, *dout = s->dout;
    __asm__("" : "+r"(term), "+r"(q), "+r"(dout)); /* as in stages_step() */
#pragma GCC unroll 8
    for (int d = 0; d < STAGE_DEPTH; d++)
#pragma GCC unroll 3
        for (int j = 0; j < STAGE_QUERIES; j++) {
            if (scores && d == 0)
                next[j] = s->k[0] * vset(q[j * STAGE_DEPTH]) - vset(s->lse[j]);
            else if (scores)
                next[j] += s->k[d] * vset(q[j * STAGE_DEPTH + d]);
            if (powers) {
                g[j] = (d == 0 ? vset(0.0f) : g[j]) + s->v[d] * vset(dout[j * STAGE_DEPTH + d]);
                p[j] = power_part(s->score[j], p[j], rest + j, term, d);
            }
        }
#pragma GCC unroll 3
    for (int j = 0; j < STAGE_QUERIES; j++) {
        if (powers) {
            vstore(s->power + j * SETS * VL, p[j]);
            vstore(s->grad + j * SETS * VL, (g[j] - vset(s->delta[j])) * p[j]);
        }
        if (scores)
            s->score[j] = next[j];
    }
    if (scores) {
        s->q = q + STAGE_QUERIES * STAGE_DEPTH;
        s->lse += STAGE_QUERIES;
    }
    if (powers) {
        s->dout = dout + STAGE_QUERIES * STAGE_DEPTH;
        s->delta += STAGE_QUERIES;
        s->power += STAGE_QUERIES * SETS * VL;
        s->grad += STAGE_QUERIES * SETS * VL;
    }
}

/* P and dS of n queries from `at` on. set: which of the two vectors of keys. Not inline, because the compiler
 * would run out of registers. */
static __attribute__((noinline)) void slopes(const key_vector *key, const query_rows *query, int64_t at,
                                             int64_t n, int set, float *score, float *grad)
{
    staged_slopes s = {.q = query->q + at * STAGE_DEPTH, .dout = query->dout + at * STAGE_DEPTH};
    int64_t steps = query->bounded ? n / STAGE_QUERIES : 0, i = steps * STAGE_QUERIES;
    s.lse = query->lse + at;
    s.delta = query->delta + at;
    s.power = score += set * VL;
    s.grad = grad += set * VL;
#pragma GCC unroll 8
    for (int d = 0; d < STAGE_DEPTH; d++) {
        s.k[d] = vload(key->k + (d * SETS + set) * VL);
        s.v[d] = vload(key->v + (d * SETS + set) * VL);
    }
    if (steps > 0) {
        slopes_step(&s, 1, 0);
        for (int64_t t = 1; t < steps; t++)
            slopes_step(&s, 1, 1);
        slopes_step(&s, 0, 1);
    }
    for (; i + STEP_ROWS <= n; i += STEP_ROWS)
        slope_few(s.k, s.v, query, at + i, score + i * SETS * VL, grad + i * SETS * VL, STEP_ROWS);
    for (; i < n; i++)
        slope_few(s.k, s.v, query, at + i, score + i * SETS * VL, grad + i * SETS * VL, 1);
}

/* `count` rows of sum_rows. */
INLINE void sum_few(const vf *key, const float *ds, float *dq, const int count)
{
    vf sum[SUM_ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < count; i++)
        sum[i] = vload(dq + i * VL);
#pragma GCC unroll 16
    for (int l = 0; l < SETS * VL / 2; l++)
#pragma GCC unroll 8
        for (int i = 0; i < count; i++)
            sum[i] += key[l] * vpair(ds + i * SETS * VL + 2 * l);
#pragma GCC unroll 8
    for (int i = 0; i < count; i++)
        vstore(dq + i * VL, sum[i]);
}

/* dq[i] += sum_l ds[i][l] k[l], as add_to_queries(). */
INLINE void sum_rows(const float *ds, int64_t n, const float *laid, float *dq)
{
    vf key[SETS * VL / 2];
    int64_t i = 0;
#pragma GCC unroll 16
    for (int l = 0; l < SETS * VL / 2; l++)
        key[l] = vload(laid + l * VL);
    for (; i + SUM_ROWS <= n; i += SUM_ROWS)
        sum_few(key, ds + i * SETS * VL, dq + i * VL, SUM_ROWS);
    for (; i < n; i++)
        sum_few(key, ds + i * SETS * VL, dq + i * VL, 1);
}

/* lay_keys() of whole vectors: two keys beside each other in memory become pairs of their values. */
static void lay_whole(const float *row, float *laid)
{
#if CPU_LEVEL == 4
    for (int64_t l = 0; l < SETS * VL / 2; l++) {
        vf two = vload(row + l * VL);
        vstore(laid + l * VL,
               __builtin_shufflevector(two, two, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    }
#else
    lay_keys(row, SETS * VL, STAGE_DEPTH, SETS, laid);
#endif
}

/* store_query() in vectors. */
INLINE void store_step(float *to, const float *dq, float scale)
{
#if CPU_LEVEL == 4
    vf sum = vload(dq);
    __m512 even =
        (__m512)__builtin_shufflevector(sum, sum, 0, 2, 4, 6, 8, 10, 12, 14, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512 odd = (__m512)__builtin_shufflevector(sum, sum, 1, 3, 5, 7, 9, 11, 13, 15, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm256_storeu_ps(to, (_mm512_castps512_ps256(even) + _mm512_castps512_ps256(odd)) * scale);
#else
    store_query(to, dq, STAGE_DEPTH, scale);
#endif
}

static void gradient_of_step(const key_vector *key, const query_rows *query)
{
    float score[BLOCK * SETS * VL] __attribute__((aligned(64)));
    float grad[BLOCK * SETS * VL] __attribute__((aligned(64)));
    memset(key->dk, 0, SETS * STAGE_DEPTH * VL * sizeof(float));
    memset(key->dv, 0, SETS * STAGE_DEPTH * VL * sizeof(float));
    for (int64_t at = 0; at < query->n; at += BLOCK) {
        int64_t n = query->n - at < BLOCK ? query->n - at : BLOCK;
        for (int set = 0; set < SETS; set++)
            slopes(key, query, at, n, set, score, grad);
        add_rows(score, query->dout + at * STAGE_DEPTH, STAGE_DEPTH, n, key->dv, SETS);
        add_rows(grad, query->q + at * STAGE_DEPTH, STAGE_DEPTH, n, key->dk, SETS);
        sum_rows(grad, n, key->laid, query->dq + at * VL);
    }
}

#endif
