/* SPDX-License-Identifier: Apache-2.0 */
/* attention.c - attention of every token to every token of its image, and its gradient: gathers one head
 * after the other for attention_head.c, which holds the formulas. */
#include "backends/reference/attention_head.h"
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"
#include "backends/reference/tokens.h"

static bool fits_attention(const bk_call *call)
{
    return has_arity(call, 1, 2) && qkv_fits(call, &call->out[0].shape, &call->out[1].shape);
}

static bool fits_attention_grad(const bk_call *call)
{
    return has_arity(call, 4, 1) && qkv_fits(call, &call->in[1].shape, &call->in[2].shape) &&
           same_dims(&call->in[3].shape, &call->in[1].shape) &&
           same_dims(&call->out[0].shape, &call->in[0].shape);
}

static size_t scratch_attention(const bk_call *call)
{
    return attention_head_bytes(call->in[0].shape.dim[1], head_width(call), 0);
}

static attention_head place_head(const bk_call *call)
{
    attention_head head = {.scale = call->attr.alpha};
    attention_head_place(&head, call->in[0].shape.dim[1], head_width(call), 0, call->scratch);
    return head;
}

/* Calls `run` for each head of each image, with its q, k and v. */
static bk_status each_head(const bk_call *call,
                           void (*run)(const bk_call *call, const token_set *set, attention_head *head))
{
    attention_head head = place_head(call);
    int64_t images = call->in[0].shape.dim[0];
    for (int64_t b = 0; b < images; b++)
        for (int64_t h = 0; h < call->attr.heads; h++) {
            token_set set = {.image = b, .head = h, .n = head.tokens};
            load_qkv(call, &set, &head);
            run(call, &set, &head);
        }
    return BK_OK;
}

static void forward(const bk_call *call, const token_set *set, attention_head *head)
{
    attention_head_forward(head);
    store_out(call, set, head);
}

static void backward(const bk_call *call, const token_set *set, attention_head *head)
{
    load_out(call, set, 1, head);
    attention_head_backward(head);
    store_dqkv(call, set, head);
}

static bk_status run_attention(const bk_call *call)
{
    return each_head(call, forward);
}

static bk_status run_attention_grad(const bk_call *call)
{
    return each_head(call, backward);
}

const reference_kernel REAL_NAME(reference_attention) = {
    .fits = fits_attention, .scratch = scratch_attention, .run = run_attention};
const reference_kernel REAL_NAME(reference_attention_grad) = {
    .fits = fits_attention_grad, .scratch = scratch_attention, .run = run_attention_grad};
