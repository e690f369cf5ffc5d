/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.h - moves one head of a set of tokens between qkv-like tensors and an attention_head.
 *
 * attention.c and window_attention.c include this file, with the `real` they are compiled for. */
#ifndef SLMT_REFERENCE_TOKENS_H
#define SLMT_REFERENCE_TOKENS_H

#include "backends/reference/attention_head.h"
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

typedef struct token_set {
    int64_t image, head, n;
    const int64_t *index; /* the indices of n tokens of the image; NULL: the first n */
} token_set;

static inline int64_t head_width(const bk_call *call)
{
    return call->in[0].shape.dim[2] / (3 * (int64_t)call->attr.heads);
}

/* qkv is in[0]; out and lse are outputs of the forward op and inputs of the gradient. */
static inline bool qkv_fits(const bk_call *call, const bk_shape *out, const bk_shape *lse)
{
    const bk_shape *qkv = &call->in[0].shape;
    int64_t heads = call->attr.heads;
    return qkv->rank == 3 && heads >= 1 && qkv->dim[2] % (3 * heads) == 0 &&
           is_cube(out, qkv->dim[0], qkv->dim[1], qkv->dim[2] / 3) &&
           is_cube(lse, qkv->dim[0], heads, qkv->dim[1]);
}

static inline int64_t token_at(const token_set *set, int64_t i)
{
    return set->index ? set->index[i] : i;
}

/* Gathers part `part` of `parts` (q, k, v of qkv; the only one of out) into [width][n]. */
static inline void load_part(const bk_call *call, const bk_tensor *from, const token_set *set, int64_t part,
                             double *to)
{
    int64_t width = head_width(call), row = from->shape.dim[2];
    const real *x = (const real *)from->data + set->image * from->shape.dim[1] * row;
    x += (part * call->attr.heads + set->head) * width;
    for (int64_t i = 0; i < set->n; i++)
        for (int64_t d = 0; d < width; d++)
            to[d * set->n + i] = x[token_at(set, i) * row + d];
}

static inline void store_part(const bk_call *call, const bk_tensor *to, const token_set *set, int64_t part,
                              const double *from)
{
    int64_t width = head_width(call), row = to->shape.dim[2];
    real *x = (real *)to->data + set->image * to->shape.dim[1] * row;
    x += (part * call->attr.heads + set->head) * width;
    for (int64_t i = 0; i < set->n; i++)
        for (int64_t d = 0; d < width; d++)
            x[token_at(set, i) * row + d] = (real)from[d * set->n + i];
}

static inline real *lse_row(const bk_call *call, const bk_tensor *lse, const token_set *set)
{
    return (real *)lse->data + (set->image * call->attr.heads + set->head) * lse->shape.dim[2];
}

static inline void load_qkv(const bk_call *call, const token_set *set, const attention_head *head)
{
    load_part(call, &call->in[0], set, 0, head->q);
    load_part(call, &call->in[0], set, 1, head->k);
    load_part(call, &call->in[0], set, 2, head->v);
}

static inline void store_out(const bk_call *call, const token_set *set, const attention_head *head)
{
    store_part(call, &call->out[0], set, 0, head->out);
    if (!call->out[1].data)
        return;
    real *lse = lse_row(call, &call->out[1], set);
    for (int64_t i = 0; i < set->n; i++)
        lse[token_at(set, i)] = (real)head->lse[i];
}

/* out, lse, dout are in[first], in[first + 1], in[first + 2] of the gradient op. */
static inline void load_out(const bk_call *call, const token_set *set, int first, const attention_head *head)
{
    load_part(call, &call->in[first], set, 0, head->out);
    load_part(call, &call->in[first + 2], set, 0, head->dout);
    const real *lse = lse_row(call, &call->in[first + 1], set);
    for (int64_t i = 0; i < set->n; i++)
        head->lse[i] = lse[token_at(set, i)];
}

static inline void store_dqkv(const bk_call *call, const token_set *set, const attention_head *head)
{
    store_part(call, &call->out[0], set, 0, head->dq);
    store_part(call, &call->out[0], set, 1, head->dk);
    store_part(call, &call->out[0], set, 2, head->dv);
}

#endif
