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

/* What a row's scores begin with: lanes[j * step + ...] (NULL: zeros) less minus[j] (NULL: nothing). */
typedef struct row_start {
    const float *lanes;
    int64_t step;
    const float *minus;
} row_start;

/* What becomes of finished scores: nothing, 2^score, or (score - minus[j]) * factor[j]; there what is taken
 * off comes last, so that a lone token's dout.v - delta is exactly 0. */
enum { KEEP, POWER, TIMES };

/* score[j] = finish(start[j] + sum_d lanes[d] row[j][first + d]) for `count` rows j side by side: one alone
 * would wait for itself. Returns the sum of what was stored, for POWER. */
INLINE vf dot_few(const vf *lane, const float *row, int64_t depth, row_start start, const float *factor,
                  float *score, const int width, const int finish, const int count)
{
    vf sum[FEW], total = vset(0.0f);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        sum[j] = start.lanes ? vload(start.lanes + j * start.step) : vset(0.0f);
        if (start.minus && finish != TIMES)
            sum[j] -= start.minus[j];
    }
#pragma GCC unroll 16
    for (int d = 0; d < width; d++)
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            sum[j] += lane[d] * row[j * depth + d];
    if (finish == POWER)
        vexp2_bounded(sum, count);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        total += sum[j];
        if (finish == TIMES)
            sum[j] = (sum[j] - start.minus[j]) * vload(factor + j * VL);
        vstore(score + j * VL, sum[j]);
    }
    return total;
}

INLINE row_start further(row_start s, int64_t rows)
{
    return (row_start){s.lanes ? s.lanes + rows * s.step : NULL, s.step, s.minus ? s.minus + rows : NULL};
}

/* The same for n rows, d < width; factor[j] and start.lanes[j] may be score[j]. */
INLINE vf dot_part(const float *lanes, const float *row, int64_t depth, int64_t n, row_start start,
                   const float *factor, float *score, const int width, const int finish)
{
    vf lane[PART], total = vset(0.0f);
    int64_t j = 0;
#pragma GCC unroll 16
    for (int d = 0; d < width; d++)
        lane[d] = vload(lanes + d * VL);
    for (; j + FEW <= n; j += FEW)
        total += dot_few(lane, row + j * depth, depth, further(start, j), factor + j * VL, score + j * VL,
                         width, finish, FEW);
    for (; j < n; j++)
        total += dot_few(lane, row + j * depth, depth, further(start, j), factor + j * VL, score + j * VL,
                         width, finish, 1);
    return total;
}

INLINE vf dot_rows(const float *lanes, const float *row, int64_t depth, int64_t n, row_start start,
                   const float *factor, float *score, const int finish)
{
    int64_t d = 0;
    vf total = vset(0.0f);
    row_start first = {start.lanes, start.step, finish == TIMES ? NULL : start.minus};
    const float *last = finish == TIMES ? start.minus : NULL;
#define DOT_PARTS(width)                                                                                     \
    for (; d + width <= depth; d += width, first = (row_start){score, VL, NULL}) {                           \
        if (d + width < depth)                                                                               \
            dot_part(lanes + d * VL, row + d, depth, n, first, factor, score, width, KEEP);                  \
        else if (finish == TIMES)                                                                            \
            dot_part(lanes + d * VL, row + d, depth, n, (row_start){first.lanes, first.step, last}, factor,  \
                     score, width, TIMES);                                                                   \
        else                                                                                                 \
            total = dot_part(lanes + d * VL, row + d, depth, n, first, factor, score, width, finish);        \
    }
#if CPU_LEVEL == 4
    DOT_PARTS(16)
#endif
    DOT_PARTS(8)
    DOT_PARTS(4)
    DOT_PARTS(2)
    DOT_PARTS(1)
#undef DOT_PARTS
    return total;
}

/* sum[d] += sum_j weight[j] row[j][first + d], d < width. Where registers allow, even and odd j have sums of
 * their own: one set alone would wait for itself. */
INLINE void add_part(const float *weight, const float *row, int64_t depth, int64_t n, float *sum,
                     const int width)
{
    vf even[PART], odd[PART];
    const int both = 2 * width <= PART;
    int64_t j = 0;
#pragma GCC unroll 16
    for (int d = 0; d < width; d++) {
        even[d] = vload(sum + d * VL);
        odd[d] = vset(0.0f);
    }
    for (; both && j + 2 <= n; j += 2) {
        vf w = vload(weight + j * VL), next = vload(weight + (j + 1) * VL);
#pragma GCC unroll 16
        for (int d = 0; d < width; d++) {
            even[d] += w * row[j * depth + d];
            odd[d] += next * row[(j + 1) * depth + d];
        }
    }
    for (; j < n; j++) {
        vf w = vload(weight + j * VL);
#pragma GCC unroll 16
        for (int d = 0; d < width; d++)
            even[d] += w * row[j * depth + d];
    }
#pragma GCC unroll 16
    for (int d = 0; d < width; d++)
        vstore(sum + d * VL, both ? even[d] + odd[d] : even[d]);
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

/* sum_d a[d] b[d] in the order of dot_rows. */
INLINE vf dot_lanes(const float *a, const float *b, int64_t depth)
{
    vf sum = vset(0.0f);
    for (int64_t d = 0; d < depth; d++)
        sum += vload(a + d * VL) * vload(b + d * VL);
    return sum;
}

/* Added scores, [row][lane] with `step` floats a row. at NULL: none. No magnitude is above `most`. */
typedef struct bias_rows {
    const float *at;
    int64_t step;
    float most;
} bias_rows;

/* Scores to base 2 below this bound need no maximum taken off: sums of their powers neither overflow nor
 * lose anything, and the powers of scores less lse are normal numbers. */
static const float score_bound = 48.0f;

/* The largest squared length of n packed rows; lanes is room for VL rows. */
static float largest_square(const float *row, int64_t n, int64_t depth, float *lanes)
{
    vf most = vset(0.0f);
    for (int64_t i = 0; i < n; i += VL) {
        to_lanes(row + i * depth, n - i, depth, lanes);
        most = vmax(most, dot_lanes(lanes, lanes, depth));
    }
    return vmax_lane(most);
}

/* |score| <= |q| |k| + |bias|. Not so for a NaN. */
INLINE int is_bounded(float square_q, float square_k, float bias)
{
    return sqrtf(square_q * square_k) + bias < score_bound;
}

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

INLINE row_start bias_from(bias_rows bias, int64_t row, const float *minus)
{
    return (row_start){bias.at ? bias.at + row * bias.step : NULL, bias.step, minus};
}

/* The pass for scores of any size, with a running maximum: *top and the sum of 2^(score - *top). */
static vf attend_any(const float *q, rows k, const float *v, bias_rows bias, float *out, vf *top)
{
    float score[BLOCK * VL] __attribute__((aligned(64)));
    vf total = vset(0.0f);
    *top = vset(-INFINITY);
    for (int64_t at = 0; at < k.n; at += BLOCK) {
        int64_t n = k.n - at < BLOCK ? k.n - at : BLOCK;
        dot_rows(q, k.at + at * k.depth, k.depth, n, bias_from(bias, at, NULL), score, score, KEEP);
        vf before = *top;
        *top = largest_score(score, n, *top);
        if (at > 0) {
            vf shrink = before - *top;
            vexp2_negative(&shrink, 1);
            total *= shrink;
            for (int64_t d = 0; d < k.depth; d++)
                vstore(out + d * VL, vload(out + d * VL) * shrink);
        }
        for (int64_t j = 0; j < n; j++) {
            vf p = vload(score + j * VL) - *top;
            vexp2_negative(&p, 1);
            total += p;
            vstore(score + j * VL, p);
        }
        add_rows(score, v + at * k.depth, k.depth, n, out);
    }
    return total;
}

/* The same for bounded scores: the sum of 2^score. */
static vf attend_bounded(const float *q, rows k, const float *v, bias_rows bias, float *out)
{
    float score[BLOCK * VL] __attribute__((aligned(64)));
    vf total = vset(0.0f);
    for (int64_t at = 0; at < k.n; at += BLOCK) {
        int64_t n = k.n - at < BLOCK ? k.n - at : BLOCK;
        total += dot_rows(q, k.at + at * k.depth, k.depth, n, bias_from(bias, at, NULL), score, score, POWER);
        add_rows(score, v + at * k.depth, k.depth, n, out);
    }
    return total;
}

/* out[depth][VL], lse[VL] (to base e) of the queries q[depth][VL], already scaled. square_k: the largest
 * squared length of a key. */
static void attend(const float *q, rows k, const float *v, bias_rows bias, float square_k, float *out,
                   float *lse)
{
    vf top = vset(0.0f), total;
    memset(out, 0, (size_t)(k.depth * VL) * sizeof(float));
    if (is_bounded(vmax_lane(dot_lanes(q, q, k.depth)), square_k, bias.most))
        total = attend_bounded(q, k, v, bias, out);
    else
        total = attend_any(q, k, v, bias, out, &top);
    vf inverse = 1.0f / total;
    for (int64_t d = 0; d < k.depth; d++)
        vstore(out + d * VL, vload(out + d * VL) * inverse);
    vstore(lse, top * log_of_2 + vlog(total));
}

/* Heads of up to half a vector: two keys share one, k[l][d] and k[l+1][d] side by side, and so do the sums
 * of dq of even and odd keys, which store_query adds. */
INLINE int is_narrow(int64_t depth)
{
    return 2 * depth <= VL;
}

/* dq[i] += sum_l ds[i][l] k[l] over the VL keys of ds[n][VL], k as lay_keys() has it: here the vectors run
 * along the head. */
static void add_to_queries(const float *ds, int64_t n, const float *k, int64_t depth, float *dq)
{
    int64_t width = lane_row(depth);
    if (is_narrow(depth)) {
        vf key[VL / 2];
#pragma GCC unroll 16
        for (int l = 0; l < VL / 2; l++)
            key[l] = vload(k + l * VL);
        for (int64_t i = 0; i < n; i++) {
            vf a = vload(dq + i * VL), b = vset(0.0f);
#pragma GCC unroll 16
            for (int l = 0; l < VL / 2; l += 2) {
                a += key[l] * vpair(ds + i * VL + 2 * l);
                b += key[l + 1] * vpair(ds + i * VL + 2 * l + 2);
            }
            vstore(dq + i * VL, a + b);
        }
        return;
    }
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

/* n keys of `depth` as add_to_queries reads them, zeros around them: VL rows of lane_row(depth), or half as
 * many that hold two. */
static void lay_keys(const float *row, int64_t n, int64_t depth, float *laid)
{
    int64_t width = lane_row(depth);
    memset(laid, 0, (size_t)(is_narrow(depth) ? VL / 2 * VL : VL * width) * sizeof(float));
    for (int64_t l = 0; l < n && l < VL; l++) {
        if (!is_narrow(depth))
            copy_row(laid + l * width, row + l * depth, depth, 1.0f);
        for (int64_t d = 0; is_narrow(depth) && d < depth; d++)
            laid[l / 2 * VL + 2 * d + l % 2] = row[l * depth + d];
    }
}

/* A row of dq as add_to_queries sums it, to its place. */
INLINE void store_query(float *to, const float *dq, int64_t depth, float scale)
{
    if (!is_narrow(depth))
        copy_row(to, dq, depth, scale);
    for (int64_t d = 0; is_narrow(depth) && d < depth; d++)
        to[d] = (dq[2 * d] + dq[2 * d + 1]) * scale;
}

/* VL keys of the gradient: k, v and what becomes of them as lanes [depth][VL], k also laid for
 * add_to_queries. */
typedef struct key_vector {
    const float *k, *v, *laid;
    float *dk, *dv;
} key_vector;

/* All queries of a sequence. */
typedef struct query_rows {
    int64_t n, depth;
    const float *q, *dout;    /* [n][depth] */
    const float *lse, *delta; /* [n]; delta = sum_d dout out */
    float *dq;                /* [n][lane_row(depth)], for store_query */
    int bounded;              /* every score is */
} query_rows;

/* 2^x of a score less its lse, which is above 0 only by rounding, or in lanes that are no key. */
INLINE vf probability(vf x)
{
    x = -vmax(-x, vset(0.0f));
    vexp2_negative(&x, 1);
    return x;
}

/* One pass over the queries. With P = 2^(S - lse) and dS = P (dout V^T - delta):
 *   dk = dS^T q,  dv = P^T dout,  dq += dS k.
 * dscore[query][lane], if not NULL, gets dS added, bias.step floats a row. */
static void gradient_of_keys(const key_vector *key, const query_rows *query, bias_rows bias, float *dscore)
{
    float score[BLOCK * VL] __attribute__((aligned(64))), grad[BLOCK * VL] __attribute__((aligned(64)));
    int64_t depth = query->depth;
    memset(key->dk, 0, (size_t)(depth * VL) * sizeof(float));
    memset(key->dv, 0, (size_t)(depth * VL) * sizeof(float));
    for (int64_t at = 0; at < query->n; at += BLOCK) {
        const float *q = query->q + at * depth, *dout = query->dout + at * depth;
        int64_t n = query->n - at < BLOCK ? query->n - at : BLOCK;
        row_start start = bias_from(bias, at, query->lse + at);
        if (query->bounded) {
            dot_rows(key->k, q, depth, n, start, score, score, POWER);
        } else {
            dot_rows(key->k, q, depth, n, start, score, score, KEEP);
            for (int64_t i = 0; i < n; i++)
                vstore(score + i * VL, probability(vload(score + i * VL)));
        }
        dot_rows(key->v, dout, depth, n, (row_start){NULL, 0, query->delta + at}, score, grad, TIMES);
        for (int64_t i = 0; dscore && i < n; i++) {
            float *sum = dscore + (at + i) * bias.step;
            vstore(sum, vload(sum) + vload(grad + i * VL));
        }
        add_rows(score, dout, depth, n, key->dv);
        add_rows(grad, q, depth, n, key->dk);
        add_to_queries(grad, n, key->laid, depth, query->dq + at * lane_row(depth));
    }
}

#endif
