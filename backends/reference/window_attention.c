/* SPDX-License-Identifier: Apache-2.0 */
/* window_attention.c - attention inside (shifted) windows with a table of relative position biases, and its
 * gradient.
 *
 * A window is a set of tokens and a matrix added to their scores; attention_head.c does the rest.
 * Liu et al., "Swin Transformer", ICCV 2021: sections 3.2 (shift, mask) and "relative position bias". */
#include "backends/reference/attention_head.h"
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"
#include "backends/reference/tokens.h"

#include <string.h>

static const double other_region = -100;

static int64_t window_tokens(const bk_call *call)
{
    return (int64_t)call->attr.window * call->attr.window;
}

static int64_t table_rows(const bk_call *call)
{
    int64_t side = 2 * (int64_t)call->attr.window - 1;
    return side * side;
}

static bool grid_fits(const bk_call *call)
{
    const bk_attr *a = &call->attr;
    const bk_shape *qkv = &call->in[0].shape;
    return a->window >= 1 && a->shift >= 0 && a->shift < a->window && a->grid_h >= 1 && a->grid_w >= 1 &&
           a->grid_h % a->window == 0 && a->grid_w % a->window == 0 &&
           qkv->dim[1] == (int64_t)a->grid_h * a->grid_w &&
           is_matrix(&call->in[1].shape, table_rows(call), a->heads);
}

static bool fits_window_attention(const bk_call *call)
{
    return has_arity(call, 2, 2) && qkv_fits(call, &call->out[0].shape, &call->out[1].shape) &&
           grid_fits(call);
}

static bool fits_window_attention_grad(const bk_call *call)
{
    return has_arity(call, 5, 2) && qkv_fits(call, &call->in[2].shape, &call->in[3].shape) &&
           grid_fits(call) && same_dims(&call->in[4].shape, &call->in[2].shape) &&
           same_dims(&call->out[0].shape, &call->in[0].shape) &&
           same_dims(&call->out[1].shape, &call->in[1].shape);
}

/* ---- one window: its tokens, their regions, their biases ---- */

typedef struct window_memory {
    attention_head head;
    int64_t *token, *region; /* [window_tokens] */
    double *dtable;          /* [table_rows][heads] */
} window_memory;

static size_t scratch_window_attention(const bk_call *call)
{
    return attention_head_bytes(window_tokens(call), head_width(call), 1) +
           (size_t)table_rows(call) * (size_t)call->attr.heads * sizeof(double) +
           2 * (size_t)window_tokens(call) * sizeof(int64_t);
}

static window_memory place_window(const bk_call *call)
{
    window_memory m = {.head.scale = call->attr.alpha};
    int64_t n = window_tokens(call);
    attention_head_place(&m.head, n, head_width(call), 1, call->scratch);
    m.dtable = (double *)call->scratch + attention_head_bytes(n, head_width(call), 1) / sizeof(double);
    m.token = (int64_t *)(m.dtable + table_rows(call) * call->attr.heads);
    m.region = m.token + n;
    return m;
}

/* Returns which of the three bands of the rolled grid a row (or column) lies in. */
static int64_t band(int64_t at, int64_t size, int64_t window, int64_t shift)
{
    return at < size - window ? 0 : at < size - shift ? 1 : 2;
}

static void find_tokens(const bk_attr *a, int64_t top, int64_t left, const window_memory *m)
{
    for (int64_t i = 0; i < a->window * a->window; i++) {
        int64_t r = top + i / a->window, c = left + i % a->window;
        m->token[i] = (r + a->shift) % a->grid_h * a->grid_w + (c + a->shift) % a->grid_w;
        m->region[i] = 3 * band(r, a->grid_h, a->window, a->shift) + band(c, a->grid_w, a->window, a->shift);
    }
}

static int64_t table_row(int64_t i, int64_t j, int64_t window)
{
    int64_t dr = i / window - j / window + window - 1, dc = i % window - j % window + window - 1;
    return dr * (2 * window - 1) + dc;
}

static void fill_bias(const bk_call *call, int64_t head, const window_memory *m)
{
    const real *table = call->in[1].data;
    int64_t n = m->head.tokens;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double bias = table[table_row(i, j, call->attr.window) * call->attr.heads + head];
            if (call->attr.shift > 0 && m->region[i] != m->region[j])
                bias += other_region;
            m->head.bias[i * n + j] = bias;
        }
}

static void collect_dtable(const bk_call *call, int64_t head, const window_memory *m)
{
    int64_t n = m->head.tokens;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            m->dtable[table_row(i, j, call->attr.window) * call->attr.heads + head] +=
                m->head.dbias[i * n + j];
}

/* ---- every head of every window of every image ---- */

typedef void (*head_work)(const bk_call *call, const token_set *set, const window_memory *m);

static void each_head(const bk_call *call, const window_memory *m, head_work work)
{
    const bk_attr *a = &call->attr;
    int64_t images = call->in[0].shape.dim[0];
    for (int64_t b = 0; b < images; b++)
        for (int64_t top = 0; top < a->grid_h; top += a->window)
            for (int64_t left = 0; left < a->grid_w; left += a->window) {
                find_tokens(a, top, left, m);
                for (int64_t h = 0; h < a->heads; h++) {
                    token_set set = {.image = b, .head = h, .n = m->head.tokens, .index = m->token};
                    load_qkv(call, &set, &m->head);
                    fill_bias(call, h, m);
                    work(call, &set, m);
                }
            }
}

static void forward_head(const bk_call *call, const token_set *set, const window_memory *m)
{
    attention_head_forward(&m->head);
    store_out(call, set, &m->head);
}

static void backward_head(const bk_call *call, const token_set *set, const window_memory *m)
{
    load_out(call, set, 2, &m->head);
    attention_head_backward(&m->head);
    store_dqkv(call, set, &m->head);
    collect_dtable(call, set->head, m);
}

static bk_status run_window_attention(const bk_call *call)
{
    window_memory m = place_window(call);
    each_head(call, &m, forward_head);
    return BK_OK;
}

static bk_status run_window_attention_grad(const bk_call *call)
{
    window_memory m = place_window(call);
    int64_t n = table_rows(call) * call->attr.heads;
    memset(m.dtable, 0, (size_t)n * sizeof(double));
    each_head(call, &m, backward_head);
    real *dtable = call->out[1].data;
    for (int64_t i = 0; dtable && i < n; i++)
        dtable[i] = (real)m.dtable[i];
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_window_attention) = {
    .fits = fits_window_attention, .scratch = scratch_window_attention, .run = run_window_attention};
const reference_kernel REAL_NAME(reference_window_attention_grad) = {.fits = fits_window_attention_grad,
                                                                     .scratch = scratch_window_attention,
                                                                     .run = run_window_attention_grad};
