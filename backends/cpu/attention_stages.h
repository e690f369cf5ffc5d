/* SPDX-License-Identifier: Apache-2.0 */
/* attention_stages.h - a pass of attention_block.h for heads of 8 and bounded scores, on processors with 32
 * vector registers.
 *
 * Three stages run in step for one vector of queries: the scores of four keys, the powers of the four scores
 * before, and the sums over the values of the four powers before those. A stage needs no result of another
 * one in the same step, so that the processor always finds multiply-adds that it can start. For each key
 * there are 16 of the two products and 5 of 2^x, which take 10.5 cycles if two start at a time. On Zen 5 a
 * step takes 10.7 cycles for each key. The stages one after the other, with scores in memory between them,
 * took 12.8. */
#ifndef SLMT_CPU_ATTENTION_STAGES_H
#define SLMT_CPU_ATTENTION_STAGES_H

#include "backends/cpu/vec.h"

enum {
    HAS_STAGES = CPU_LEVEL == 4,
    STAGE_DEPTH = 8,
    STAGE_KEYS = 4 /* in step */
};

/* What the stages of one vector of queries read, at their next keys, and what they hand on. */
typedef struct staged {
    vf q[STAGE_DEPTH], out[STAGE_DEPTH], total;
    vf score[STAGE_KEYS], power[STAGE_KEYS];
    const float *k, *v;
} staged;

/* Computes 2^x in parts, in step with the products: part 0 stores the rest of x, parts 1 to 5 each add a term
 * of the polynomial e, and part 6 multiplies e by 2 to the whole part. Returns e; part 7 changes nothing. */
INLINE vf power_part(vf x, vf e, vf *rest, const float *term, const int d)
{
    whole_part whole;
    vf r = vrest(x, &whole);
    if (d == 0)
        *rest = r;
    else if (d < POWER_TERMS)
        return (d == 1 ? vset(term[0]) : e) * *rest + vset(term[d]);
    else if (d == POWER_TERMS)
        return vscale(e, whole);
    return e;
}

/* One step of the stages that the three constants ask for. */
INLINE void stages_step(staged *s, const int scores, const int powers, const int sums)
{
    vf next[STAGE_KEYS], rest[STAGE_KEYS], e[STAGE_KEYS];
    const float *term = power_term, *k = s->k, *v = s->v;
    /* Constants are loaded in each step, because they would take the registers of scores; and one address
     * serves all keys of a step. */
    __asm__("" : "+r"(term), "+r"(k), "+r"(v));
#pragma GCC unroll 8
    for (int d = 0; d < STAGE_DEPTH; d++)
#pragma GCC unroll 4
        for (int j = 0; j < STAGE_KEYS; j++) {
            if (scores)
                next[j] = (d == 0 ? vset(0.0f) : next[j]) + s->q[d] * vset(k[j * STAGE_DEPTH + d]);
            if (sums)
                s->out[d] += s->power[j] * vset(v[j * STAGE_DEPTH + d]);
            if (powers)
                e[j] = power_part(s->score[j], e[j], rest + j, term, d);
        }
#pragma GCC unroll 4
    for (int j = 0; j < STAGE_KEYS; j++) {
        if (powers) {
            s->total += e[j];
            s->power[j] = e[j];
        }
        if (scores)
            s->score[j] = next[j];
    }
    if (scores)
        s->k = k + STAGE_KEYS * STAGE_DEPTH;
    if (sums)
        s->v = v + STAGE_KEYS * STAGE_DEPTH;
}

/* The keys after the last four, one by one. */
INLINE void stages_rest(staged *s, int64_t n)
{
    for (; n > 0; n--, s->k += STAGE_DEPTH, s->v += STAGE_DEPTH) {
        vf x = vset(0.0f);
#pragma GCC unroll 8
        for (int d = 0; d < STAGE_DEPTH; d++)
            x += s->q[d] * vset(s->k[d]);
        vexp2_bounded(&x, 1);
        s->total += x;
#pragma GCC unroll 8
        for (int d = 0; d < STAGE_DEPTH; d++)
            s->out[d] += x * vset(s->v[d]);
    }
}

/* out[d] = sum_j 2^(q . k[j]) v[j][d] over n keys; returns the sum of the powers. Lanes of q and out are
 * `step` floats apart. */
INLINE vf attend_in_stages(const float *q, const float *k, const float *v, int64_t n, float *out,
                           int64_t step)
{
    staged s = {.total = vset(0.0f), .k = k, .v = v};
    int64_t steps = n / STAGE_KEYS;
#pragma GCC unroll 8
    for (int d = 0; d < STAGE_DEPTH; d++) {
        s.q[d] = vload(q + d * step);
        s.out[d] = vset(0.0f);
    }
    if (steps >= 2) {
        stages_step(&s, 1, 0, 0);
        stages_step(&s, 1, 1, 0);
        for (int64_t i = 2; i < steps; i++)
            stages_step(&s, 1, 1, 1);
        stages_step(&s, 0, 1, 1);
        stages_step(&s, 0, 0, 1);
        n -= steps * STAGE_KEYS;
    }
    stages_rest(&s, n);
#pragma GCC unroll 8
    for (int d = 0; d < STAGE_DEPTH; d++)
        vstore(out + d * step, s.out[d]);
    return s.total;
}

#endif
