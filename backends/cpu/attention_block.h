/* SPDX-License-Identifier: Apache-2.0 */
/* attention_block.h - softmax attention of one vector of queries (or, in the gradient, of keys) with all
 * tokens of its sequence: the inner part of attention.c and window_attention.c.
 *
 * With heads 8 or 16 wide a product library spends its time packing. Here VL queries are the lanes of a
 * vector; keys and values are rows that broadcast. Scores of one block of keys live in the first-level
 * cache, and a running maximum makes one pass over the keys enough. Everything is two loops, dot_rows and
 * add_rows, with up to PART vectors in registers, and one for the exponentials between them.
 *
 * Scores are in powers of two: who calls scales q, biases and lse by log2(e). */
#ifndef SLMT_CPU_ATTENTION_BLOCK_H
#define SLMT_CPU_ATTENTION_BLOCK_H

#include "backends/cpu/vec.h"

enum {
    BLOCK = 64,                    /* rows whose scores are kept */
    PART = CPU_LEVEL == 4 ? 16 : 8 /* half of the vector registers */
};

/* Rows [n][depth], packed. */
typedef struct rows {
    const float *at;
    int64_t n, depth;
} rows;

/* score[j] = start[j] + sum_d lanes[d] row[j][first + d], d < width; start may be score, or NULL: zero. */
INLINE void dot_part(const float *lanes, const float *row, int64_t depth, int64_t n, const float *start,
                     int64_t start_step, float *score, const int width)
{
    vf lane[PART];
#pragma GCC unroll 16
    for (int d = 0; d < width; d++)
        lane[d] = vload(lanes + d * VL);
    for (int64_t j = 0; j < n; j++) {
        vf sum = start ? vload(start + j * start_step) : vset(0.0f);
#pragma GCC unroll 16
        for (int d = 0; d < width; d++)
            sum += lane[d] * row[j * depth + d];
        vstore(score + j * VL, sum);
    }
}

static void dot_rows(const float *lanes, const float *row, int64_t depth, int64_t n, const float *start,
                     int64_t start_step, float *score)
{
    int64_t d = 0;
#define DOT_PARTS(width)                                                                                     \
    for (; d + width <= depth; d += width, start = score, start_step = VL)                                   \
        dot_part(lanes + d * VL, row + d, depth, n, start, start_step, score, width);
#if CPU_LEVEL == 4
    DOT_PARTS(16)
#endif
    DOT_PARTS(8)
    DOT_PARTS(4)
    DOT_PARTS(2)
    DOT_PARTS(1)
#undef DOT_PARTS
}

/* sum[d] += sum_j weight[j] row[j][first + d], d < width. */
INLINE void add_part(const float *weight, const float *row, int64_t depth, int64_t n, float *sum,
                     const int width)
{
    vf acc[PART];
#pragma GCC unroll 16
    for (int d = 0; d < width; d++)
        acc[d] = vload(sum + d * VL);
    for (int64_t j = 0; j < n; j++) {
        vf w = vload(weight + j * VL);
#pragma GCC unroll 16
        for (int d = 0; d < width; d++)
            acc[d] += w * row[j * depth + d];
    }
#pragma GCC unroll 16
    for (int d = 0; d < width; d++)
        vstore(sum + d * VL, acc[d]);
}

static void add_rows(const float *weight, const float *row, int64_t depth, int64_t n, float *sum)
{
    int64_t d = 0;
#define ADD_PARTS(width)                                                                                     \
    for (; d + width <= depth; d += width)                                                                   \
        add_part(weight, row + d, depth, n, sum + d * VL, width);
#if CPU_LEVEL == 4
    ADD_PARTS(16)
#endif
    ADD_PARTS(8)
    ADD_PARTS(4)
    ADD_PARTS(2)
    ADD_PARTS(1)
#undef ADD_PARTS
}

/* to[d] = from[d] * scale for d < depth: one row of a head, mostly 8, 16 or 32 wide. */
INLINE void copy_row(float *to, const float *from, int64_t depth, float scale)
{
    typedef float eight __attribute__((vector_size(32)));
    int64_t d = 0;
    for (; d + 8 <= depth; d += 8) {
        eight v;
        memcpy(&v, from + d, sizeof v);
        v *= scale;
        memcpy(to + d, &v, sizeof v);
    }
    for (; d < depth; d++)
        to[d] = from[d] * scale;
}

/* lanes[d][i] = row[i * depth + d] for i < n, zero for the lanes after. Rows are packed; up to VL floats
 * after the last one are read. */
static void to_lanes(const float *row, int64_t n, int64_t depth, float *lanes)
{
    vf m[VL];
    for (int64_t d = 0; d < depth; d += VL) {
#pragma GCC unroll 16
        for (int64_t i = 0; i < VL; i++)
            m[i] = i < n ? vload(row + i * depth + d) : vset(0.0f);
        vturn(m);
        for (int64_t i = 0; i < VL && d + i < depth; i++)
            vstore(lanes + (d + i) * VL, m[i]);
    }
}

/* row[i][d] = lanes[d][i] * scale, rows `step` floats apart, up to VL floats written after the last. */
static void from_lanes(const float *lanes, int64_t depth, float scale, float *row, int64_t step)
{
    vf m[VL];
    for (int64_t d = 0; d < depth; d += VL) {
#pragma GCC unroll 16
        for (int64_t i = 0; i < VL; i++)
            m[i] = d + i < depth ? vload(lanes + (d + i) * VL) * scale : vset(0.0f);
        vturn(m);
#pragma GCC unroll 16
        for (int64_t i = 0; i < VL; i++)
            vstore(row + i * step + d, m[i]);
    }
}

/* Floats between rows that from_lanes writes. */
INLINE int64_t lane_row(int64_t depth)
{
    return (depth + VL - 1) / VL * VL;
}

/* sum_d a[d] b[d] in the order of dot_rows, so that a lone token's dout.v - delta is exactly 0. */
INLINE vf dot_lanes(const float *a, const float *b, int64_t depth)
{
    vf sum = vset(0.0f);
    for (int64_t d = 0; d < depth; d++)
        sum += vload(a + d * VL) * vload(b + d * VL);
    return sum;
}

/* Added scores, [row][lane] with `step` floats a row. at NULL: none. */
typedef struct bias_rows {
    const float *at;
    int64_t step;
} bias_rows;

/* Four maxima side by side: one alone would wait for itself. */
INLINE vf largest_score(const float *score, int64_t n, vf top)
{
    vf m[4] = {top, top, top, top};
    int64_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (int k = 0; k < 4; k++)
            m[k] = vmax(m[k], vload(score + (j + k) * VL));
    for (; j < n; j++)
        m[0] = vmax(m[0], vload(score + j * VL));
    return vmax(vmax(m[0], m[1]), vmax(m[2], m[3]));
}

/* out[depth][VL], lse[VL] (to base e) of the queries q[depth][VL], already scaled. */
static void attend(const float *q, rows k, const float *v, bias_rows bias, float *out, float *lse)
{
    float score[BLOCK * VL] __attribute__((aligned(64)));
    vf top = vset(-INFINITY), total = vset(0.0f);
    memset(out, 0, (size_t)(k.depth * VL) * sizeof(float));
    for (int64_t at = 0; at < k.n; at += BLOCK) {
        int64_t n = k.n - at < BLOCK ? k.n - at : BLOCK;
        dot_rows(q, k.at + at * k.depth, k.depth, n, bias.at ? bias.at + at * bias.step : NULL, bias.step,
                 score);
        vf before = top;
        top = largest_score(score, n, top);
        if (at > 0) {
            vf shrink = vexp2_negative(before - top);
            total *= shrink;
            for (int64_t d = 0; d < k.depth; d++)
                vstore(out + d * VL, vload(out + d * VL) * shrink);
        }
        for (int64_t j = 0; j < n; j++) {
            vf p = vexp2_negative(vload(score + j * VL) - top);
            total += p;
            vstore(score + j * VL, p);
        }
        add_rows(score, v + at * k.depth, k.depth, n, out);
    }
    vf inverse = 1.0f / total;
    for (int64_t d = 0; d < k.depth; d++)
        vstore(out + d * VL, vload(out + d * VL) * inverse);
    vstore(lse, top * log_of_2 + vlog(total));
}

/* dq[i] += sum_l ds[i][l] k[l] over the VL keys of ds[n][VL]; rows of k and dq are `width` floats, a
 * multiple of VL. Here the vectors run along the head. */
static void add_to_queries(const float *ds, int64_t n, const float *k, int64_t width, float *dq)
{
    for (int64_t d = 0; d < width; d += VL) {
        vf key[VL];
#pragma GCC unroll 16
        for (int l = 0; l < VL; l++)
            key[l] = vload(k + l * width + d);
        for (int64_t i = 0; i < n; i++) {
            vf even = vload(dq + i * width + d), odd = vset(0.0f);
#pragma GCC unroll 16
            for (int l = 0; l < VL; l += 2) {
                even += key[l] * ds[i * VL + l];
                odd += key[l + 1] * ds[i * VL + l + 1];
            }
            vstore(dq + i * width + d, even + odd);
        }
    }
}

/* VL keys of the gradient: k, v and what becomes of them as lanes [depth][VL], k also as rows. */
typedef struct key_vector {
    const float *k, *v, *k_rows; /* k_rows[VL][lane_row(depth)], zeros where there is no key or depth */
    float *dk, *dv;
} key_vector;

/* All queries of a sequence. */
typedef struct query_rows {
    int64_t n, depth;
    const float *q, *dout;    /* [n][depth] */
    const float *lse, *delta; /* [n]; delta = sum_d dout out */
    float *dq;                /* [n][lane_row(depth)] */
} query_rows;

/* One pass over the queries. With P = 2^(S - lse) and dS = P (dout V^T - delta):
 *   dk = dS^T q,  dv = P^T dout,  dq += dS k.
 * dscore[query][lane], if not NULL, gets dS added, bias.step floats a row. */
static void gradient_of_keys(const key_vector *key, const query_rows *query, bias_rows bias, float *dscore)
{
    float score[BLOCK * VL] __attribute__((aligned(64))), grad[BLOCK * VL] __attribute__((aligned(64)));
    int64_t depth = query->depth, width = lane_row(depth);
    memset(key->dk, 0, (size_t)(depth * VL) * sizeof(float));
    memset(key->dv, 0, (size_t)(depth * VL) * sizeof(float));
    for (int64_t at = 0; at < query->n; at += BLOCK) {
        const float *q = query->q + at * depth, *dout = query->dout + at * depth;
        int64_t n = query->n - at < BLOCK ? query->n - at : BLOCK;
        dot_rows(key->k, q, depth, n, bias.at ? bias.at + at * bias.step : NULL, bias.step, score);
        dot_rows(key->v, dout, depth, n, NULL, 0, grad);
        for (int64_t i = 0; i < n; i++) {
            vf p = vexp2_negative(vload(score + i * VL) - query->lse[at + i]);
            vstore(score + i * VL, p);
            vstore(grad + i * VL, p * (vload(grad + i * VL) - query->delta[at + i]));
        }
        for (int64_t i = 0; dscore && i < n; i++) {
            float *sum = dscore + (at + i) * bias.step;
            vstore(sum, vload(sum) + vload(grad + i * VL));
        }
        add_rows(score, dout, depth, n, key->dv);
        add_rows(grad, q, depth, n, key->dk);
        add_to_queries(grad, n, key->k_rows, width, query->dq + at * width);
    }
}

/* n rows of `depth` to VL rows of lane_row(depth), zeros around them. */
static void widen_rows(const float *row, int64_t n, int64_t depth, float *wide)
{
    int64_t width = lane_row(depth);
    memset(wide, 0, (size_t)(VL * width) * sizeof(float));
    for (int64_t i = 0; i < n && i < VL; i++)
        copy_row(wide + i * width, row + i * depth, depth, 1.0f);
}

#endif
