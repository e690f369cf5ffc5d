/* SPDX-License-Identifier: Apache-2.0 */
/* attention_block.h - softmax attention of one or two vectors of queries (or, in the gradient, of keys) with
 * all tokens of their sequence: the inner part of attention.c and window_attention.c.
 *
 * With heads 8 or 16 wide a product library spends its time packing. Here VL queries are the lanes of a
 * vector; keys and values are rows that broadcast. Scores of one block of keys live in the first-level
 * cache, and a running maximum makes one pass over the keys enough. Everything is two loops, dot_rows and
 * add_rows, and one for the exponentials between them.
 *
 * A value of a row, once loaded, is used for both of two vectors: with one vector, loads and not products
 * would limit the speed. `sets` is their number, a constant at each call of these functions. Lanes are
 * [depth][sets][VL], scores [row][sets][VL].
 *
 * Scores are exponents to base 2: the caller scales q, biases and lse by log2(e). */
#ifndef SLMT_CPU_ATTENTION_BLOCK_H
#define SLMT_CPU_ATTENTION_BLOCK_H

#include "backends/cpu/attention_stages.h"

enum {
    BLOCK = 64,                     /* rows whose scores are kept */
    PART = CPU_LEVEL == 4 ? 16 : 8, /* half of the vector registers */
    SETS = 2,                       /* vectors at once, at most */
    SUMS = CPU_LEVEL == 4 ? 4 : 8,  /* independent scores: a single sum would wait for its own latency */
    POWERS_ASIDE = CPU_LEVEL != 4   /* together with the sums, the exponential needs more than 16 registers */
};

/* Lanes for the products of a few rows: if 16 registers cannot hold them, the compiler must load them at each
 * use instead of spilling them to the stack. */
INLINE const float *lanes_here(const float *lanes)
{
#if CPU_LEVEL != 4
    __asm__("" : "+r"(lanes));
#endif
    return lanes;
}

/* The number of vectors: two; at level 4 only for heads 8 wide, whose lanes stay in registers. */
INLINE int sets_of(int64_t depth)
{
    return CPU_LEVEL != 4 || depth == 8 ? SETS : 1;
}

/* The head width if there are two vectors. */
INLINE int64_t depth_of_two(int64_t depth)
{
    return CPU_LEVEL == 4 ? 8 : depth;
}

/* Rows [n][depth], packed. */
typedef struct rows {
    const float *at;
    int64_t n, depth;
} rows;

/* The initial value of a row's scores: lanes[j * step + ...] (NULL: zeros) less minus[j] (NULL: nothing). */
typedef struct row_start {
    const float *lanes;
    int64_t step;
    const float *minus;
} row_start;

/* The function applied to complete scores: none, 2^score, or (score - minus[j]) * factor[j]. The last one
 * subtracts minus[j] at the end, so that a single token's dout.v - delta is exactly 0. */
enum { KEEP, POWER, TIMES };

/* total[set] += the sum of `count` rows. */
INLINE void add_totals(const vf *sum, vf *total, const int count, const int sets)
{
#pragma GCC unroll 2
    for (int s = 0; s < sets; s++) {
        vf rows = sum[s];
#pragma GCC unroll 4
        for (int j = 1; j < count; j++)
            rows += sum[j * sets + s];
        total[s] += rows;
    }
}

/* score[j] = finish(start[j] + sum_d lanes[d] row[j][d]) for `count` rows j, d < width. For POWER, adds the
 * stored values to total. */
INLINE void dot_few(const float *lanes, const float *row, int64_t depth, row_start start, const float *factor,
                    float *score, vf *total, const int width, const int finish, const int count,
                    const int sets)
{
    vf sum[SUMS];
    const float *minus = finish != TIMES ? start.minus : NULL;
    lanes = lanes_here(lanes);
#pragma GCC unroll 8
    for (int j = 0; j < count * sets; j++) {
        sum[j] = start.lanes ? vload(start.lanes + j / sets * start.step + j % sets * VL) : vset(0.0f);
        if (minus)
            sum[j] -= minus[j / sets];
    }
#pragma GCC unroll 16
    for (int d = 0; d < width; d++)
#pragma GCC unroll 8
        for (int j = 0; j < count; j++) {
            vf x = vset(row[j * depth + d]);
#pragma GCC unroll 2
            for (int s = 0; s < sets; s++)
                sum[j * sets + s] += vload(lanes + (d * sets + s) * VL) * x;
        }
    if (finish == POWER) {
        vexp2_bounded(sum, count * sets);
        add_totals(sum, total, count, sets);
    }
#pragma GCC unroll 8
    for (int j = 0; j < count * sets; j++) {
        if (finish == TIMES)
            sum[j] = (sum[j] - start.minus[j / sets]) * vload(factor + j * VL);
        vstore(score + j * VL, sum[j]);
    }
}

INLINE row_start further(row_start s, int64_t rows)
{
    return (row_start){s.lanes ? s.lanes + rows * s.step : NULL, s.step, s.minus ? s.minus + rows : NULL};
}

/* The same for n rows; factor[j] and start.lanes[j] may be score[j]. */
INLINE void dot_part(const float *lanes, const float *row, int64_t depth, int64_t n, row_start start,
                     const float *factor, float *score, vf *total, const int width, const int finish,
                     const int sets)
{
    const int few = SUMS / sets;
    int64_t j = 0;
    for (; j + few <= n; j += few)
        dot_few(lanes, row + j * depth, depth, further(start, j), factor + j * sets * VL,
                score + j * sets * VL, total, width, finish, few, sets);
    for (; j < n; j++)
        dot_few(lanes, row + j * depth, depth, further(start, j), factor + j * sets * VL,
                score + j * sets * VL, total, width, finish, 1, sets);
}

/* The same for whole rows, some columns at a time: the first part starts at `start`, the last one finishes.
 */
INLINE void dot_rows(const float *lanes, const float *row, int64_t depth, int64_t n, row_start start,
                     const float *factor, float *score, vf *total, const int finish, const int sets)
{
    int64_t d = 0;
    row_start first = {start.lanes, start.step, finish == TIMES ? NULL : start.minus};
    const float *last = finish == TIMES ? start.minus : NULL;
#define DOT_PARTS(width)                                                                                     \
    for (; d + width <= depth; d += width, first = (row_start){score, sets * VL, NULL}) {                    \
        if (d + width < depth)                                                                               \
            dot_part(lanes + d * sets * VL, row + d, depth, n, first, factor, score, total, width, KEEP,     \
                     sets);                                                                                  \
        else if (finish == TIMES)                                                                            \
            dot_part(lanes + d * sets * VL, row + d, depth, n, (row_start){first.lanes, first.step, last},   \
                     factor, score, total, width, TIMES, sets);                                              \
        else                                                                                                 \
            dot_part(lanes + d * sets * VL, row + d, depth, n, first, factor, score, total, width, finish,   \
                     sets);                                                                                  \
    }
    DOT_PARTS(16)
    DOT_PARTS(8)
    DOT_PARTS(4)
    DOT_PARTS(2)
    DOT_PARTS(1)
#undef DOT_PARTS
}

/* Replaces `count` rows of scores with their powers, after subtracting top[set] if the scores are not
 * bounded. */
INLINE void power_few(float *score, const vf *top, vf *total, const int bounded, const int count,
                      const int sets)
{
    vf x[FEW];
#pragma GCC unroll 4
    for (int j = 0; j < count * sets; j++)
        x[j] = bounded ? vload(score + j * VL) : vload(score + j * VL) - top[j % sets];
    if (bounded)
        vexp2_bounded(x, count * sets);
    else
        vexp2_negative(x, count * sets);
    add_totals(x, total, count, sets);
#pragma GCC unroll 4
    for (int j = 0; j < count * sets; j++)
        vstore(score + j * VL, x[j]);
}

INLINE void power_rows(float *score, int64_t n, const vf *top, vf *total, const int bounded, const int sets)
{
    const int64_t few = FEW / sets;
    int64_t j = 0;
    for (; j + few <= n; j += few)
        power_few(score + j * sets * VL, top, total, bounded, FEW / sets, sets);
    for (; j < n; j++)
        power_few(score + j * sets * VL, top, total, bounded, 1, sets);
}

/* sum[set][d] += weight[set] row[d], d < width. */
INLINE void add_one(const float *weight, const float *row, vf *sum, const int width, const int sets)
{
    vf w[SETS];
#pragma GCC unroll 2
    for (int s = 0; s < sets; s++)
        w[s] = vload(weight + s * VL);
#pragma GCC unroll 16
    for (int d = 0; d < width; d++) {
        vf x = vset(row[d]);
#pragma GCC unroll 2
        for (int s = 0; s < sets; s++)
            sum[d * sets + s] += w[s] * x;
    }
}

/* sum[d] += sum_j weight[j] row[j][first + d], d < width. If registers allow, even and odd j have separate
 * sums, because a single sum would wait for its own latency. */
INLINE void add_part(const float *weight, const float *row, int64_t depth, int64_t n, float *sum,
                     const int width, const int sets)
{
    vf even[PART], odd[PART];
    const int both = 2 * width * sets <= PART;
    int64_t j = 0;
#pragma GCC unroll 16
    for (int d = 0; d < sets * width; d++) {
        even[d] = vload(sum + d * VL);
        odd[d] = vset(0.0f);
    }
    for (; both && j + 2 <= n; j += 2) {
        add_one(weight + j * sets * VL, row + j * depth, even, width, sets);
        add_one(weight + (j + 1) * sets * VL, row + (j + 1) * depth, odd, width, sets);
    }
    for (; j < n; j++)
        add_one(weight + j * sets * VL, row + j * depth, even, width, sets);
#pragma GCC unroll 16
    for (int d = 0; d < sets * width; d++)
        vstore(sum + d * VL, both ? even[d] + odd[d] : even[d]);
}

INLINE void add_rows(const float *weight, const float *row, int64_t depth, int64_t n, float *sum,
                     const int sets)
{
    int64_t d = 0;
#define ADD_PARTS(width)                                                                                     \
    for (; width * sets <= PART && d + width <= depth; d += width)                                           \
        add_part(weight, row + d, depth, n, sum + d * sets * VL, width, sets);
    ADD_PARTS(16)
    ADD_PARTS(8)
    ADD_PARTS(4)
    ADD_PARTS(2)
    ADD_PARTS(1)
#undef ADD_PARTS
}

/* to[d] = from[d] * scale for d < depth: one row of a head, usually 8, 16 or 32 wide. */
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

/* Whether two rows of a head fill a vector. vturn() would then turn vectors of which half is unused. */
INLINE int is_half(int64_t depth)
{
    return CPU_LEVEL == 4 && depth == VL / 2;
}

/* lanes[d][i] = row[i][d] for VL rows of half a vector, `step` floats apart. */
INLINE void halves_to_lanes(const float *row, int64_t step, float *lanes, int64_t lane_step);

/* row[i][d] = lanes[d][i] * scale for the first n of VL rows of half a vector, `step` floats apart. */
INLINE void halves_from_lanes(const float *lanes, int64_t lane_step, float scale, float *row, int64_t step,
                              int64_t n);

#if CPU_LEVEL == 4
typedef float half_vector __attribute__((vector_size(2 * VL)));

/* Perfect shuffles of 8 vectors. A value's place has 7 bits, 3 for its vector and 4 for its lane; each round
 * rotates them left by one. */
INLINE void turn_halves(vf m[VL / 2], const int rounds)
{
    vf t[VL / 2];
#pragma GCC unroll 4
    for (int round = 0; round < rounds; round++) {
#pragma GCC unroll 4
        for (int i = 0; i < VL / 4; i++) {
            t[2 * i] = CPU_LOW(m[i], m[i + VL / 4]);
            t[2 * i + 1] = CPU_HIGH(m[i], m[i + VL / 4]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < VL / 2; i++)
            m[i] = t[i];
    }
}

INLINE void halves_to_lanes(const float *row, int64_t step, float *lanes, int64_t lane_step)
{
    vf m[VL / 2];
#pragma GCC unroll 8
    for (int i = 0; i < VL / 2; i++) {
        half_vector even, odd;
        memcpy(&even, row + 2 * i * step, sizeof even);
        memcpy(&odd, row + (2 * i + 1) * step, sizeof odd);
        m[i] = __builtin_shufflevector(even, odd, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    }
    turn_halves(m, 4);
#pragma GCC unroll 8
    for (int d = 0; d < VL / 2; d++)
        vstore(lanes + d * lane_step, m[d]);
}

INLINE void halves_from_lanes(const float *lanes, int64_t lane_step, float scale, float *row, int64_t step,
                              int64_t n)
{
    vf m[VL / 2];
#pragma GCC unroll 8
    for (int d = 0; d < VL / 2; d++)
        m[d] = vload(lanes + d * lane_step) * scale;
    turn_halves(m, 3);
#pragma GCC unroll 8
    for (int i = 0; i < VL / 2; i++) {
        half_vector even = __builtin_shufflevector(m[i], m[i], 0, 1, 2, 3, 4, 5, 6, 7);
        half_vector odd = __builtin_shufflevector(m[i], m[i], 8, 9, 10, 11, 12, 13, 14, 15);
        if (2 * i < n)
            memcpy(row + 2 * i * step, &even, sizeof even);
        if (2 * i + 1 < n)
            memcpy(row + (2 * i + 1) * step, &odd, sizeof odd);
    }
}
#else
INLINE void halves_to_lanes(const float *row, int64_t step, float *lanes, int64_t lane_step)
{
    for (int64_t i = 0; i < VL; i++)
        for (int64_t d = 0; d < VL / 2; d++)
            lanes[d * lane_step + i] = row[i * step + d];
}

INLINE void halves_from_lanes(const float *lanes, int64_t lane_step, float scale, float *row, int64_t step,
                              int64_t n)
{
    for (int64_t i = 0; i < n && i < VL; i++)
        for (int64_t d = 0; d < VL / 2; d++)
            row[i * step + d] = lanes[d * lane_step + i] * scale;
}
#endif

/* lanes[d][i] = row[i * depth + d] for i < n, zero for the lanes after, d and lanes of [depth][sets * VL].
 * Rows are packed; up to VL floats after the last one are read. */
static void to_lanes(const float *row, int64_t n, int64_t depth, int sets, float *lanes)
{
    vf m[VL];
    for (int64_t first = 0; first < sets * VL; first += VL) {
        if (is_half(depth) && first + VL <= n) {
            halves_to_lanes(row + first * depth, depth, lanes + first, sets * VL);
            continue;
        }
        for (int64_t d = 0; d < depth; d += VL) {
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++)
                m[i] = first + i < n ? vload(row + (first + i) * depth + d) : vset(0.0f);
            vturn(m);
            for (int64_t i = 0; i < VL && d + i < depth; i++)
                vstore(lanes + (d + i) * sets * VL + first, m[i]);
        }
    }
}

/* row[i][d] = lanes[d][i] * scale, rows `step` floats apart, up to VL floats written after the last. */
static void from_lanes(const float *lanes, int64_t depth, int sets, float scale, float *row, int64_t step)
{
    vf m[VL];
    for (int64_t first = 0; first < sets * VL; first += VL)
        for (int64_t d = 0; d < depth; d += VL) {
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++)
                m[i] = d + i < depth ? vload(lanes + (d + i) * sets * VL + first) * scale : vset(0.0f);
            vturn(m);
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++)
                vstore(row + (first + i) * step + d, m[i]);
        }
}

/* Floats between rows that from_lanes writes. */
INLINE int64_t lane_row(int64_t depth)
{
    return (depth + VL - 1) / VL * VL;
}

/* sum_d a[d] b[d] of one set, in the order of dot_rows; d `step` floats apart. */
INLINE vf dot_lanes(const float *a, const float *b, int64_t depth, int64_t step)
{
    vf sum = vset(0.0f);
    for (int64_t d = 0; d < depth; d++)
        sum += vload(a + d * step) * vload(b + d * step);
    return sum;
}

/* Added scores, [row][lane] with `step` floats a row. at NULL: none. No magnitude is above `most`. */
typedef struct bias_rows {
    const float *at;
    int64_t step;
    float most;
} bias_rows;

/* For scores to base 2 below this bound no maximum need be subtracted: sums of their powers neither overflow
 * nor lose precision, and the powers of scores minus lse are normal numbers. */
static const float score_bound = 48.0f;

/* The largest squared length of n packed rows; lanes is room for VL rows. */
static float largest_square(const float *row, int64_t n, int64_t depth, float *lanes)
{
    vf most = vset(0.0f);
    for (int64_t i = 0; i < n; i += VL) {
        to_lanes(row + i * depth, n - i, depth, 1, lanes);
        most = vmax(most, dot_lanes(lanes, lanes, depth, VL));
    }
    return vmax_lane(most);
}

/* |score| <= |q| |k| + |bias|. False if one of them is a NaN. */
INLINE int is_bounded(float square_q, float square_k, float bias)
{
    return sqrtf(square_q * square_k) + bias < score_bound;
}

/* Four independent maxima, because a single one would wait for its own latency. Vectors are `step` floats
 * apart. */
INLINE vf largest_score(const float *score, int64_t step, int64_t n, vf top)
{
    vf m[4] = {top, top, top, top};
    int64_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (int k = 0; k < 4; k++)
            m[k] = vmax(m[k], vload(score + (j + k) * step));
    for (; j < n; j++)
        m[0] = vmax(m[0], vload(score + j * step));
    return vmax(vmax(m[0], m[1]), vmax(m[2], m[3]));
}

INLINE row_start bias_from(bias_rows bias, int64_t row, const float *minus)
{
    return (row_start){bias.at ? bias.at + row * bias.step : NULL, bias.step, minus};
}

/* Raises the maxima to those of n more rows of scores, and rescales the sums accordingly. */
INLINE void raise_top(const float *score, int64_t n, int64_t depth, float *out, vf *top, vf *total,
                      const int sets)
{
    for (int s = 0; s < sets; s++) {
        vf shrink = top[s];
        top[s] = largest_score(score + s * VL, sets * VL, n, top[s]);
        shrink -= top[s];
        vexp2_negative(&shrink, 1);
        total[s] *= shrink;
        for (int64_t d = 0; d < depth; d++)
            vstore(out + (d * sets + s) * VL, vload(out + (d * sets + s) * VL) * shrink);
    }
}

/* The pass over the keys: sums of 2^score v and of 2^score. If scores are not bounded, the largest so far,
 * `top`, is subtracted from them. */
INLINE void attend_pass(const float *q, rows k, const float *v, bias_rows bias, const int bounded, float *out,
                        vf *top, vf *total, const int sets)
{
    float score[BLOCK * SETS * VL] __attribute__((aligned(64)));
    for (int64_t at = 0; at < k.n; at += BLOCK) {
        int64_t n = k.n - at < BLOCK ? k.n - at : BLOCK;
        dot_rows(q, k.at + at * k.depth, k.depth, n, bias_from(bias, at, NULL), score, score, total,
                 bounded && !POWERS_ASIDE ? POWER : KEEP, sets);
        if (!bounded) {
            raise_top(score, n, k.depth, out, top, total, sets);
            power_rows(score, n, top, total, 0, sets);
        } else if (POWERS_ASIDE) {
            power_rows(score, n, top, total, 1, sets);
        }
        add_rows(score, v + at * k.depth, k.depth, n, out, sets);
    }
}

/* out[depth][sets][VL], lse[sets][VL] (to base e) of the queries q[depth][sets][VL], already scaled.
 * square_k: the largest squared length of a key. */
INLINE void attend_sets(const float *q, rows k, const float *v, bias_rows bias, float square_k, float *out,
                        float *lse, const int sets)
{
    vf top[SETS], total[SETS] = {vset(0.0f), vset(0.0f)}, square_q = vset(0.0f);
    const int64_t step = sets * VL;
    memset(out, 0, (size_t)(k.depth * step) * sizeof(float));
    for (int s = 0; s < sets; s++)
        square_q = vmax(square_q, dot_lanes(q + s * VL, q + s * VL, k.depth, step));
    int bounded = is_bounded(vmax_lane(square_q), square_k, bias.most);
    for (int s = 0; s < sets; s++)
        top[s] = vset(bounded ? 0.0f : -INFINITY);
    if (HAS_STAGES && k.depth == STAGE_DEPTH && !bias.at && bounded)
        for (int s = 0; s < sets; s++)
            total[s] = attend_in_stages(q + s * VL, k.at, v, k.n, out + s * VL, step);
    else if (POWERS_ASIDE)
        attend_pass(q, k, v, bias, bounded, out, top, total, sets);
    else if (bounded)
        attend_pass(q, k, v, bias, 1, out, top, total, sets);
    else
        attend_pass(q, k, v, bias, 0, out, top, total, sets);
    for (int s = 0; s < sets; s++) {
        vf inverse = 1.0f / total[s];
        for (int64_t d = 0; d < k.depth; d++)
            vstore(out + d * step + s * VL, vload(out + d * step + s * VL) * inverse);
        vstore(lse + s * VL, top[s] * log_of_2 + vlog(total[s]));
    }
}

static void attend_one(const float *q, rows k, const float *v, bias_rows bias, float square_k, float *out,
                       float *lse)
{
    attend_sets(q, k, v, bias, square_k, out, lse, 1);
}

static void attend_two(const float *q, rows k, const float *v, bias_rows bias, float square_k, float *out,
                       float *lse)
{
    attend_sets(q, k, v, bias, square_k, out, lse, 2);
}

INLINE void attend(const float *q, rows k, const float *v, bias_rows bias, float square_k, float *out,
                   float *lse, int sets)
{
    if (sets == SETS)
        attend_two(q, (rows){k.at, k.n, depth_of_two(k.depth)}, v, bias, square_k, out, lse);
    else
        attend_one(q, k, v, bias, square_k, out, lse);
}

/* Heads of up to half a vector: two keys share one, k[l][d] and k[l+1][d] side by side, and so do the sums
 * of dq of even and odd keys, which store_query adds. */
INLINE int is_narrow(int64_t depth)
{
    return 2 * depth <= VL;
}

/* Floats of the VL keys of one set as lay_keys() has them. */
INLINE int64_t laid_floats(int64_t depth)
{
    return is_narrow(depth) ? VL / 2 * VL : VL * lane_row(depth);
}

/* `count` rows of add_narrow. */
INLINE void add_narrow_few(const vf *key, const float *ds, float *dq, const int count, const int sets)
{
    vf even[FEW], odd[FEW];
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) {
        even[i] = vload(dq + i * VL);
        odd[i] = vset(0.0f);
    }
#pragma GCC unroll 16
    for (int l = 0; l < sets * VL / 2; l += 2)
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
            even[i] += key[l] * vpair(ds + i * sets * VL + 2 * l);
            odd[i] += key[l + 1] * vpair(ds + i * sets * VL + 2 * l + 2);
        }
#pragma GCC unroll 4
    for (int i = 0; i < count; i++)
        vstore(dq + i * VL, even[i] + odd[i]);
}

INLINE void add_narrow(const float *ds, int64_t n, const float *k, float *dq, const int sets)
{
    vf key[SETS * VL / 2];
    int64_t i = 0;
#pragma GCC unroll 16
    for (int l = 0; l < sets * VL / 2; l++)
        key[l] = vload(k + l * VL);
    for (; i + FEW <= n; i += FEW)
        add_narrow_few(key, ds + i * sets * VL, dq + i * VL, FEW, sets);
    for (; i < n; i++)
        add_narrow_few(key, ds + i * sets * VL, dq + i * VL, 1, sets);
}

/* `count` rows of add_wide. */
INLINE void add_wide_few(const vf *key, const float *ds, int64_t step, float *dq, int64_t width,
                         const int count)
{
    vf even[FEW], odd[FEW];
#pragma GCC unroll 4
    for (int i = 0; i < count; i++) {
        even[i] = vload(dq + i * width);
        odd[i] = vset(0.0f);
    }
#pragma GCC unroll 16
    for (int l = 0; l < VL; l += 2)
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
            even[i] += key[l] * ds[i * step + l];
            odd[i] += key[l + 1] * ds[i * step + l + 1];
        }
#pragma GCC unroll 4
    for (int i = 0; i < count; i++)
        vstore(dq + i * width, even[i] + odd[i]);
}

/* The keys of one set, from d on; rows of ds are `step` floats apart, those of dq `width`. */
INLINE void add_wide(const float *ds, int64_t step, int64_t n, const float *k, int64_t width, float *dq)
{
    vf key[VL];
    int64_t i = 0;
#pragma GCC unroll 16
    for (int l = 0; l < VL; l++)
        key[l] = vload(k + l * width);
    for (; i + 2 <= n; i += 2)
        add_wide_few(key, ds + i * step, step, dq + i * width, width, 2);
    for (; i < n; i++)
        add_wide_few(key, ds + i * step, step, dq + i * width, width, 1);
}

/* dq[i] += sum_l ds[i][l] k[l] over the keys of ds[n][sets][VL], k as lay_keys() has it: here the vectors run
 * along the head. */
INLINE void add_to_queries(const float *ds, int64_t n, const float *k, int64_t depth, float *dq,
                           const int sets)
{
    int64_t width = lane_row(depth);
    if (is_narrow(depth)) {
        add_narrow(ds, n, k, dq, sets);
        return;
    }
    for (int s = 0; s < sets; s++)
        for (int64_t d = 0; d < width; d += VL)
            add_wide(ds + s * VL, sets * VL, n, k + s * laid_floats(depth) + d, width, dq + d);
}

/* n keys of `depth` as add_to_queries reads them, zeros around them: for each set VL rows of lane_row(depth),
 * or half as many that hold two. */
static void lay_keys(const float *row, int64_t n, int64_t depth, int sets, float *laid)
{
    int64_t width = lane_row(depth);
    memset(laid, 0, (size_t)(sets * laid_floats(depth)) * sizeof(float));
    for (int64_t l = 0; l < n && l < sets * VL; l++) {
        if (!is_narrow(depth))
            copy_row(laid + l * width, row + l * depth, depth, 1.0f);
        for (int64_t d = 0; is_narrow(depth) && d < depth; d++)
            laid[l / 2 * VL + 2 * d + l % 2] = row[l * depth + d];
    }
}

/* Stores a row of dq, as add_to_queries sums it, in its position. */
INLINE void store_query(float *to, const float *dq, int64_t depth, float scale)
{
    if (!is_narrow(depth))
        copy_row(to, dq, depth, scale);
    for (int64_t d = 0; is_narrow(depth) && d < depth; d++)
        to[d] = (dq[2 * d] + dq[2 * d + 1]) * scale;
}

/* Keys of the gradient: k, v and their gradients as lanes [depth][sets][VL], and k in the layout of
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
    int bounded;              /* whether every score is bounded */
} query_rows;

/* 2^x of a score minus its lse, which is above 0 only through rounding, or in lanes that hold no key. */
INLINE vf probability(vf x)
{
    x = -vmax(-x, vset(0.0f));
    vexp2_negative(&x, 1);
    return x;
}

/* P = 2^(S - lse) of a block of n queries. */
INLINE void probabilities(const key_vector *key, int bounded, const float *q, int64_t depth, int64_t n,
                          row_start start, float *score, const int sets)
{
    vf unread[SETS] = {vset(0.0f), vset(0.0f)};
    if (bounded && !POWERS_ASIDE) {
        dot_rows(key->k, q, depth, n, start, score, score, unread, POWER, sets);
        return;
    }
    dot_rows(key->k, q, depth, n, start, score, score, unread, KEEP, sets);
    if (bounded)
        power_rows(score, n, NULL, unread, 1, sets);
    for (int64_t i = 0; !bounded && i < n * sets; i++)
        vstore(score + i * VL, probability(vload(score + i * VL)));
}

/* One pass over the queries. With P = 2^(S - lse) and dS = P (dout V^T - delta):
 *   dk = dS^T q,  dv = P^T dout,  dq += dS k.
 * dscore[query][sets][lane], if not NULL, gets dS added, bias.step floats a row. */
INLINE void gradient_of_sets(const key_vector *key, const query_rows *query, int64_t depth, bias_rows bias,
                             float *dscore, const int sets)
{
    float score[BLOCK * SETS * VL] __attribute__((aligned(64)));
    float grad[BLOCK * SETS * VL] __attribute__((aligned(64)));
    memset(key->dk, 0, (size_t)(sets * depth * VL) * sizeof(float));
    memset(key->dv, 0, (size_t)(sets * depth * VL) * sizeof(float));
    for (int64_t at = 0; at < query->n; at += BLOCK) {
        const float *q = query->q + at * depth, *dout = query->dout + at * depth;
        int64_t n = query->n - at < BLOCK ? query->n - at : BLOCK;
        row_start start = bias_from(bias, at, query->lse + at);
        vf unread[SETS] = {vset(0.0f), vset(0.0f)};
        probabilities(key, query->bounded, q, depth, n, start, score, sets);
        dot_rows(key->v, dout, depth, n, (row_start){NULL, 0, query->delta + at}, score, grad, unread, TIMES,
                 sets);
        for (int64_t i = 0; dscore && i < n * sets; i++) {
            float *sum = dscore + (at + i / sets) * bias.step + i % sets * VL;
            vstore(sum, vload(sum) + vload(grad + i * VL));
        }
        add_rows(score, dout, depth, n, key->dv, sets);
        add_rows(grad, q, depth, n, key->dk, sets);
        add_to_queries(grad, n, key->laid, depth, query->dq + at * lane_row(depth), sets);
    }
}

static void gradient_of_one(const key_vector *key, const query_rows *query, bias_rows bias, float *dscore)
{
    gradient_of_sets(key, query, query->depth, bias, dscore, 1);
}

static void gradient_of_two(const key_vector *key, const query_rows *query, bias_rows bias, float *dscore)
{
    gradient_of_sets(key, query, depth_of_two(query->depth), bias, dscore, 2);
}

INLINE void gradient_of_keys(const key_vector *key, const query_rows *query, bias_rows bias, float *dscore,
                             int sets)
{
    if (sets == SETS)
        gradient_of_two(key, query, bias, dscore);
    else
        gradient_of_one(key, query, bias, dscore);
}

#endif
