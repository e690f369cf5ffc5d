/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_attention_grad.h - what the gradient of attention shares with its inner part: where a head's rows are.
 */
#ifndef SLMT_CPU_BF16_ATTENTION_GRAD_H
#define SLMT_CPU_BF16_ATTENTION_GRAD_H

#include "backends/cpu/bf16_attention.h"

enum {
    TOGETHER = 2,    /* heads of a task: 8 floats each, half a cache line */
    GRAD_RAISE = 127 /* of S - lse, which is hardly above 0: powers then need no factor */
};

/* A head's rows in the call's tensors. */
typedef struct head_rows {
    const float *q, *k, *v, *out, *dout, *lse;
    float *dq, *dk, *dv;
} head_rows;

static inline head_rows rows_of(const bk_call *call, const head_sizes *s, int64_t head)
{
    int64_t b = head / s->heads, at = head % s->heads * s->depth;
    int64_t in = b * s->n * s->token + at, out = b * s->n * s->width + at;
    head_rows r = {.q = (const float *)call->in[0].data + in, .dq = (float *)call->out[0].data + in};
    r.k = r.q + s->width;
    r.v = r.k + s->width;
    r.dk = r.dq + s->width;
    r.dv = r.dk + s->width;
    r.out = (const float *)call->in[1].data + out;
    r.lse = (const float *)call->in[2].data + head * s->n;
    r.dout = (const float *)call->in[3].data + out;
    return r;
}

/* -sum_d dout out of 16 tokens from i on. */
INLINE __m512 minus_delta(const head_sizes *s, const head_rows *r, int64_t i)
{
    float delta[SIDE];
    for (int64_t k = 0; k < SIDE; k++)
        delta[k] = -_mm512_reduce_add_ps(load_token(r->dout, s->width, i + k, s->n, s->depth) *
                                         load_token(r->out, s->width, i + k, s->n, s->depth));
    return _mm512_loadu_ps(delta);
}

#endif
