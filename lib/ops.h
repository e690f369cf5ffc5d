/* SPDX-License-Identifier: Apache-2.0 */
/* ops.h - the ops as functions: each adds one node (sometimes with a view) to a graph and returns its value.
 *
 * Exact meanings: backends/backend.h. Every argument may be NONE on a failed graph; the result is then NONE.
 */
#ifndef SLMT_LIB_OPS_H
#define SLMT_LIB_OPS_H

#include "lib/graph.h"

/* ---- movement ---- */
value op_reshape(graph *g, value x, int32_t rank, const int64_t *dim); /* one dim may be -1 */
value op_transpose(graph *g, value x, const int *axes);                /* y's axis i is x's axis axes[i] */
value op_slice(graph *g, value x, int axis, int64_t first, int64_t length);
value op_concat(graph *g, int axis, const value *x, int32_t n);
value op_broadcast(graph *g, value x, const bk_shape *to);
value op_gather(graph *g, value x, value index); /* x[B,N,C], index[B,K] -> [B,K,C] */
value op_detach(graph *g, value x);              /* x, as a constant: no gradient passes */

/* Dims in place: op_view(g, x, 4, B, H, W, C). */
#define op_view(g, x, rank, ...) op_reshape(g, x, rank, (const int64_t[]){__VA_ARGS__})
#define op_permute(g, x, ...)    op_transpose(g, x, (const int[]){__VA_ARGS__})

/* ---- element-wise ---- */
value op_affine(graph *g, value x, double alpha, double beta);
value op_exp(graph *g, value x);
value op_log(graph *g, value x);
value op_sqrt(graph *g, value x);
value op_abs(graph *g, value x);
value op_sign(graph *g, value x);
value op_sigmoid(graph *g, value x);
value op_tanh(graph *g, value x);
value op_leaky_relu(graph *g, value x, double slope);
value op_step(graph *g, value x, double slope);
value op_gelu(graph *g, value x);
value op_add(graph *g, value a, value b); /* shapes broadcast: a shorter one gets leading axes of 1 */
value op_sub(graph *g, value a, value b);
value op_mul(graph *g, value a, value b);
value op_div(graph *g, value a, value b);
value op_maximum(graph *g, value a, value b);
value op_gelu_grad(graph *g, value x, value dy);

/* ---- reductions: axes is a bit mask ---- */
value op_sum(graph *g, value x, uint32_t axes); /* reduced axes stay with length 1 */
value op_mean(graph *g, value x, uint32_t axes);
value op_reduce_max(graph *g, value x, uint32_t axes);
value op_sum_all(graph *g, value x); /* a single number, rank 0 */
value op_mean_all(graph *g, value x);
value op_sum_to(graph *g, value x, const bk_shape *to); /* undoes a broadcast from `to` */

/* ---- products ---- */
value op_matmul(graph *g, value a, value b, int trans_a, int trans_b);
value op_linear(graph *g, value x, value weight, value bias); /* bias may be NONE */

/* ---- normalisation ---- */
value op_layer_norm(graph *g, value x, value gain, value bias, double eps);
value op_softmax(graph *g, value x);
/* x[B,S...,C]: each channel of each sample over space, without weights; then a leaky ReLU (slope 1: none). */
value op_instance_norm(graph *g, value x, double eps, double slope);

/* ---- over space, channels last: x[B,S...,C] with 1 to 3 axes S ---- */
value op_conv(graph *g, value x, value weight, value bias, int stride, int pad); /* weight[O,C,K...];
                                                              bias[O] may be NONE; zeros pad each axis */
value op_reflect(graph *g, value x, int64_t pad);               /* mirrors at both ends of each S */
value op_resize_linear(graph *g, value x, const int64_t *size); /* to x[B,size...,C], half-pixel centres */

/* ---- attention ---- */
value op_attention(graph *g, value qkv, int heads, double scale);
typedef struct window_grid {
    int grid_h, grid_w, window, shift;
} window_grid;
value op_window_attention(graph *g, value qkv, value table, window_grid grid, int heads, double scale);

/* ---- optimisers ---- */
typedef struct adam_values {
    value weight, moment1, moment2;
} adam_values;
typedef struct adam_settings {
    double beta1, beta2, eps;
} adam_settings;
/* scalars: f64[3], see BK_ADAM (backends/ops.def). */
adam_values op_adam(graph *g, adam_values now, value gradient, value scalars, adam_settings s);

#endif
