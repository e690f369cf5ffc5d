/* SPDX-License-Identifier: Apache-2.0 */
/* attention_pair.h - attention_block.h for two vectors of tokens at once and heads of width 8, as SLMT-Net's
 * encoder has them. A value of a row is loaded once for both vectors: with one, loads and not products set
 * the pace. It takes the 32 registers of x86-64-v4; elsewhere is_paired() is 0. */
#ifndef SLMT_CPU_ATTENTION_PAIR_H
#define SLMT_CPU_ATTENTION_PAIR_H

#include "backends/cpu/attention_block.h"

enum { SETS = 2, WIDTH = 8, SET = WIDTH * VL }; /* lanes are [SETS][WIDTH][VL], scores [row][SETS][VL] */

INLINE int is_paired(int64_t depth)
{
    return CPU_LEVEL == 4 && depth == WIDTH;
}

/* Lanes of up to SETS * VL packed rows. */
INLINE void to_pair(const float *row, int64_t n, float *lanes)
{
    to_lanes(row, n, WIDTH, lanes);
    to_lanes(row + VL * WIDTH, n - VL, WIDTH, lanes + SET);
}

/* `count` rows of dot_pair. */
INLINE void pair_few(const vf *lane, const float *row, const float *minus, const float *factor, float *score,
                     vf total[SETS], const int finish, const int count)
{
    vf sum[FEW];
#pragma GCC unroll 4
    for (int j = 0; j < SETS * count; j++)
        sum[j] = vset(minus && finish != TIMES ? -minus[j / SETS] : 0.0f);
#pragma GCC unroll 8
    for (int d = 0; d < WIDTH; d++)
#pragma GCC unroll 2
        for (int j = 0; j < count; j++) {
            vf x = vset(row[j * WIDTH + d]);
            sum[SETS * j] += lane[d] * x;
            sum[SETS * j + 1] += lane[WIDTH + d] * x;
        }
    if (finish == POWER)
        vexp2_bounded(sum, SETS * count);
#pragma GCC unroll 4
    for (int j = 0; j < SETS * count; j++) {
        total[j % SETS] += sum[j];
        if (finish == TIMES)
            sum[j] = (sum[j] - minus[j / SETS]) * vload(factor + j * VL);
        vstore(score + j * VL, sum[j]);
    }
}

/* score[j] = finish(sum_d lanes[d] row[j][d] - minus[j]), as dot_rows; adds what was stored to total, for
 * POWER. */
INLINE void dot_pair(const float *lanes, const float *row, int64_t n, const float *minus, const float *factor,
                     float *score, vf total[SETS], const int finish)
{
    enum { ROWS_AT_ONCE = FEW / SETS };
    vf lane[SETS * WIDTH];
    int64_t j = 0;
#pragma GCC unroll 16
    for (int d = 0; d < SETS * WIDTH; d++)
        lane[d] = vload(lanes + d * VL);
    for (; j + ROWS_AT_ONCE <= n; j += ROWS_AT_ONCE)
        pair_few(lane, row + j * WIDTH, minus ? minus + j : NULL, factor + j * SETS * VL,
                 score + j * SETS * VL, total, finish, ROWS_AT_ONCE);
    for (; j < n; j++)
        pair_few(lane, row + j * WIDTH, minus ? minus + j : NULL, factor + j * SETS * VL,
                 score + j * SETS * VL, total, finish, 1);
}

/* sum[d] += sum_j weight[j] row[j][d] */
INLINE void add_pair(const float *weight, const float *row, int64_t n, float *sums)
{
    vf sum[SETS * WIDTH];
#pragma GCC unroll 16
    for (int d = 0; d < SETS * WIDTH; d++)
        sum[d] = vload(sums + d * VL);
    for (int64_t j = 0; j < n; j++) {
        vf a = vload(weight + j * SETS * VL), b = vload(weight + j * SETS * VL + VL);
#pragma GCC unroll 8
        for (int d = 0; d < WIDTH; d++) {
            vf x = vset(row[j * WIDTH + d]);
            sum[d] += a * x;
            sum[WIDTH + d] += b * x;
        }
    }
#pragma GCC unroll 16
    for (int d = 0; d < SETS * WIDTH; d++)
        vstore(sums + d * VL, sum[d]);
}

/* attend() for SETS vectors of queries: out is lanes, lse[SETS * VL]. */
static void attend_pair(const float *q, rows k, const float *v, float square_k, float *out, float *lse)
{
    float score[BLOCK * SETS * VL] __attribute__((aligned(64)));
    vf total[SETS] = {vset(0.0f), vset(0.0f)};
    vf square_q = vmax(dot_lanes(q, q, WIDTH), dot_lanes(q + SET, q + SET, WIDTH));
    if (!is_bounded(vmax_lane(square_q), square_k, 0.0f)) {
        for (int s = 0; s < SETS; s++)
            attend(q + s * SET, k, v, (bias_rows){0}, square_k, out + s * SET, lse + s * VL);
        return;
    }
    memset(out, 0, SETS * SET * sizeof(float));
    for (int64_t at = 0; at < k.n; at += BLOCK) {
        int64_t n = k.n - at < BLOCK ? k.n - at : BLOCK;
        dot_pair(q, k.at + at * WIDTH, n, NULL, score, score, total, POWER);
        add_pair(score, v + at * WIDTH, n, out);
    }
    for (int s = 0; s < SETS; s++) {
        vf inverse = 1.0f / total[s];
        for (int d = 0; d < WIDTH; d++)
            vstore(out + s * SET + d * VL, vload(out + s * SET + d * VL) * inverse);
        vstore(lse + s * VL, vlog(total[s]));
    }
}

/* `count` rows of add_pair_to_queries. */
INLINE void add_few_queries(const vf *key, const float *ds, float *dq, const int count)
{
    vf even[FEW], odd[FEW];
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) {
        even[i] = vload(dq + i * VL);
        odd[i] = vset(0.0f);
    }
#pragma GCC unroll 16
    for (int l = 0; l < VL; l += 2)
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
            even[i] += key[l] * vpair(ds + i * SETS * VL + 2 * l);
            odd[i] += key[l + 1] * vpair(ds + i * SETS * VL + 2 * l + 2);
        }
#pragma GCC unroll 4
    for (int i = 0; i < count; i++)
        vstore(dq + i * VL, even[i] + odd[i]);
}

/* add_to_queries() for the keys of both sets, laid one after the other. */
INLINE void add_pair_to_queries(const float *ds, int64_t n, const float *k, float *dq)
{
    vf key[VL];
#pragma GCC unroll 16
    for (int l = 0; l < VL; l++)
        key[l] = vload(k + l * VL);
    int64_t i = 0;
    for (; i + FEW <= n; i += FEW)
        add_few_queries(key, ds + i * SETS * VL, dq + i * VL, FEW);
    for (; i < n; i++)
        add_few_queries(key, ds + i * SETS * VL, dq + i * VL, 1);
}

/* gradient_of_keys() for SETS vectors of keys. */
static void gradient_of_pair(const key_vector *key, const query_rows *query)
{
    float score[BLOCK * SETS * VL] __attribute__((aligned(64)));
    float grad[BLOCK * SETS * VL] __attribute__((aligned(64)));
    memset(key->dk, 0, SETS * SET * sizeof(float));
    memset(key->dv, 0, SETS * SET * sizeof(float));
    for (int64_t at = 0; at < query->n; at += BLOCK) {
        const float *q = query->q + at * WIDTH, *dout = query->dout + at * WIDTH;
        int64_t n = query->n - at < BLOCK ? query->n - at : BLOCK;
        vf unread[SETS] = {vset(0.0f), vset(0.0f)};
        if (query->bounded) {
            dot_pair(key->k, q, n, query->lse + at, score, score, unread, POWER);
        } else {
            dot_pair(key->k, q, n, query->lse + at, score, score, unread, KEEP);
            for (int64_t i = 0; i < SETS * n; i++)
                vstore(score + i * VL, probability(vload(score + i * VL)));
        }
        dot_pair(key->v, dout, n, query->delta + at, score, grad, unread, TIMES);
        add_pair(score, dout, n, key->dv);
        add_pair(grad, q, n, key->dk);
        add_pair_to_queries(grad, n, key->laid, query->dq + at * VL);
    }
}

#endif
