/* SPDX-License-Identifier: Apache-2.0 */
/* attention_step.h - the gradient of attention_block.h for heads of 8 on processors with 32 vector registers.
 *
 * Scores, their powers and dout V^T are computed together, for one vector of keys and four queries in step:
 * while the operations of a power wait for each other, the products fill the gap. Of 25 operations for 16
 * scores 16 are multiply-adds, 7 are 2^x, and two turn the result into dS. dv, dk and dq, 24 multiply-adds,
 * follow block by block, for two vectors of keys. */
#ifndef SLMT_CPU_ATTENTION_STEP_H
#define SLMT_CPU_ATTENTION_STEP_H

#include "backends/cpu/attention_block.h"

enum {
    STEP_DEPTH = 8,
    HAS_STEPS = CPU_LEVEL == 4,
    STEP_ROWS = 4, /* queries in step */
    SUM_ROWS = 8   /* rows of dq in step */
};

/* sum[j] = a . row[j] - minus[j] for `count` rows; minus NULL: nothing. The order is that of dot_lanes(),
 * also where the compiler joins products and sums. */
INLINE void dot_step(const vf *a, const float *row, const float *minus, vf *sum, const int count)
{
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        vf x = vset(row[j * STEP_DEPTH]);
        if (minus)
            sum[j] = a[0] * x - vset(minus[j]);
        else
            sum[j] = vset(0.0f) + a[0] * x;
    }
#pragma GCC unroll 8
    for (int d = 1; d < STEP_DEPTH; d++)
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            sum[j] += a[d] * vset(row[j * STEP_DEPTH + d]);
}

/* P = 2^(S - lse) and dS = P (dout V^T - delta) of `count` queries from i on, for one vector of keys. */
INLINE void slope_few(const vf *k, const vf *v, const query_rows *query, int64_t i, float *score, float *grad,
                      const int bounded, const int count)
{
    vf p[STEP_ROWS], g[STEP_ROWS];
    dot_step(k, query->q + i * STEP_DEPTH, query->lse + i, p, count);
    if (bounded)
        vexp2_bounded(p, count);
    dot_step(v, query->dout + i * STEP_DEPTH, NULL, g, count);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        p[j] = bounded ? p[j] : probability(p[j]);
        vstore(score + j * SETS * VL, p[j]);
        vstore(grad + j * SETS * VL, (g[j] - vset(query->delta[i + j])) * p[j]);
    }
}

/* The same of n queries; set: which of the two vectors of keys. */
INLINE void slopes(const key_vector *key, const query_rows *query, int64_t at, int64_t n, int set,
                   float *score, float *grad, const int bounded)
{
    vf k[STEP_DEPTH], v[STEP_DEPTH];
    int64_t i = 0;
#pragma GCC unroll 8
    for (int d = 0; d < STEP_DEPTH; d++) {
        k[d] = vload(key->k + (d * SETS + set) * VL);
        v[d] = vload(key->v + (d * SETS + set) * VL);
    }
    for (; i + STEP_ROWS <= n; i += STEP_ROWS)
        slope_few(k, v, query, at + i, score + (i * SETS + set) * VL, grad + (i * SETS + set) * VL, bounded,
                  STEP_ROWS);
    for (; i < n; i++)
        slope_few(k, v, query, at + i, score + (i * SETS + set) * VL, grad + (i * SETS + set) * VL, bounded,
                  1);
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
    lay_keys(row, SETS * VL, STEP_DEPTH, SETS, laid);
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
    store_query(to, dq, STEP_DEPTH, scale);
#endif
}

INLINE void gradient_in_steps(const key_vector *key, const query_rows *query, const int bounded)
{
    float score[BLOCK * SETS * VL] __attribute__((aligned(64)));
    float grad[BLOCK * SETS * VL] __attribute__((aligned(64)));
    memset(key->dk, 0, SETS * STEP_DEPTH * VL * sizeof(float));
    memset(key->dv, 0, SETS * STEP_DEPTH * VL * sizeof(float));
    for (int64_t at = 0; at < query->n; at += BLOCK) {
        int64_t n = query->n - at < BLOCK ? query->n - at : BLOCK;
        for (int set = 0; set < SETS; set++)
            slopes(key, query, at, n, set, score, grad, bounded);
        add_rows(score, query->dout + at * STEP_DEPTH, STEP_DEPTH, n, key->dv, SETS);
        add_rows(grad, query->q + at * STEP_DEPTH, STEP_DEPTH, n, key->dk, SETS);
        sum_rows(grad, n, key->laid, query->dq + at * VL);
    }
}

static void gradient_of_step(const key_vector *key, const query_rows *query)
{
    if (query->bounded)
        gradient_in_steps(key, query, 1);
    else
        gradient_in_steps(key, query, 0);
}

#endif
