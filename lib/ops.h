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
value op_gather(graph *g, value x, value index);              /* x[B,N,C], index[B,K] -> [B,K,C] */
value op_pick(graph *g, value x, value index);                /* x[B,N,C], index[B,K,C] -> [B,K,C] */
value op_put(graph *g, value y, value index, int64_t length); /* y[B,K,C] added at index[B,K,C] of zeros
                                                                 [B,length,C] */
value op_detach(graph *g, value x); /* x as a constant: no gradient passes through it */

/* A reshape with its dimensions as arguments: op_view(g, x, 4, B, H, W, C). */
#define op_view(g, x, rank, ...) op_reshape(g, x, rank, (const int64_t[]){__VA_ARGS__})
#define op_permute(g, x, ...)    op_transpose(g, x, (const int[]){__VA_ARGS__})

/* ---- constants ---- */
value op_number(graph *g, double x);             /* of rank 0, which broadcasts to every shape */
value op_fill(graph *g, int32_t rank, double x); /* the same with `rank` axes of length 1 */

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
value op_softplus(graph *g, value x);
value op_add(graph *g, value a, value b); /* shapes broadcast: a shorter one gets leading axes of 1 */
value op_sub(graph *g, value a, value b);
value op_mul(graph *g, value a, value b);
value op_div(graph *g, value a, value b);
value op_maximum(graph *g, value a, value b);
value op_minimum(graph *g, value a, value b);
value op_clamp(graph *g, value x, double low, double high);
value op_prelu(graph *g, value x, value slope); /* x > 0 ? x : slope * x; slope[C] for the last axis */
value op_gelu_grad(graph *g, value x, value dy);

/* ---- choices: a mask is real, 1 or 0; no gradient passes through comparisons ---- */
value op_less(graph *g, value a, value b);
value op_less_equal(graph *g, value a, value b);
value op_equal(graph *g, value a, value b);
value op_not(graph *g, value mask);
value op_where(graph *g, value mask, value a, value b); /* all three broadcast */

/* ---- reductions: axes is a bit mask ---- */
value op_sum(graph *g, value x, uint32_t axes); /* reduced axes stay with length 1 */
value op_mean(graph *g, value x, uint32_t axes);
value op_reduce_max(graph *g, value x, uint32_t axes);
value op_reduce_min(graph *g, value x, uint32_t axes);
value op_log_sum_exp(graph *g, value x, uint32_t axes); /* of finite x, however large */
value op_sum_all(graph *g, value x);                    /* a single number, rank 0 */
value op_mean_all(graph *g, value x);
value op_sum_to(graph *g, value x, const bk_shape *to); /* the transpose of a broadcast from `to` */

/* Normalises vectors over `axes`, x / max(|x|, eps), and the dot product of two such vectors. */
value op_l2_normalize(graph *g, value x, uint32_t axes, double eps);
value op_cosine(graph *g, value a, value b, uint32_t axes, double eps);

/* ---- order along the last axis ---- */
value op_sort(graph *g, value x, value *index); /* descending and stable. index: int32 */
value op_top_k(graph *g, value x, int64_t k, value *index);
value op_take(graph *g, value x,
              value index); /* x[...,N], index i32[...,K] -> y[...,k] = x[..., index[...,k]] */
value op_cumsum(graph *g, value x);

/* ---- labels: int32 in [0, classes), or `ignored` ---- */
value op_cast(graph *g, value x);                                          /* int32 to real */
value op_argmax(graph *g, value x, int axis);                              /* int32, without the axis */
value op_one_hot(graph *g, value label, int64_t classes, int32_t ignored); /* a row of zeros if ignored */
/* x[...,K], label[...], class_weight[K] or NONE -> loss[...] and in *weight the labels' weights, 0 if ignored
 */
value op_cross_entropy(graph *g, value x, value label, value class_weight, int32_t ignored, value *weight);

/* ---- random numbers: from a key[4] bound for each run (random_key()), and a purpose (random_purpose()) that
 * is unique in the graph ---- */
value op_uniform(graph *g, value key, uint64_t purpose, const bk_shape *shape); /* [0, 1) */
value op_normal(graph *g, value key, uint64_t purpose, const bk_shape *shape);  /* mean 0, variance 1 */
value op_bernoulli(graph *g, value key, uint64_t purpose, const bk_shape *shape, double odds); /* 1 or 0 */
value op_dropout(graph *g, value x, value key, uint64_t purpose,
                 double rate); /* kept elements are divided by 1 - rate */

/* ---- products ---- */
value op_matmul(graph *g, value a, value b, int trans_a, int trans_b);
value op_linear(graph *g, value x, value weight, value bias); /* bias may be NONE */

/* ---- normalisation ---- */
value op_layer_norm(graph *g, value x, value gain, value bias, double eps);
value op_softmax(graph *g, value x);
value op_log_softmax(graph *g, value x);
/* x[B,S...,C]: normalises each channel of each sample over space, without weights; then applies a leaky ReLU
 * (slope 1: none). */
value op_instance_norm(graph *g, value x, double eps, double slope);

/* x[B,S...,C]: normalises groups of C/groups neighbouring channels of each sample over space (Wu and He
 * 2018), multiplies by gain[C] and adds bias[C]; then applies a leaky ReLU (slope 1: none). With as many
 * groups as channels it is instance norm. */
value op_group_norm(graph *g, value x, value gain, value bias, int groups, double eps, double slope);

/* The mean and the biased variance of each channel over all other axes, both [C]. */
typedef struct batch_moments {
    value mean, variance;
} batch_moments;

/* x[...,C]: normalises each channel over all other axes (Ioffe and Szegedy 2015), multiplies by gain[C] and
 * adds bias[C]; then applies a leaky ReLU (slope 1: none). `moments` (NULL: not wanted) are the batch
 * statistics, for updating a running estimate. */
value op_batch_norm(graph *g, value x, value gain, value bias, double eps, double slope,
                    batch_moments *moments);

/* The same with a given mean[C] and variance[C], and no leaky ReLU. It becomes a part of the convolution or
 * linear layer that makes x, unless another node already reads x. If a node reads x afterwards, the layer is
 * computed twice. */
value op_batch_norm_inference(graph *g, value x, value gain, value bias, value mean, value variance,
                              double eps);

/* ---- over space, channels last: x[B,S...,C] with 1 to 3 axes S ---- */
/* A window that moves over space, with an entry for each axis of S: zeros before (pad) and after (pad_end) x,
 * and channels in independent groups. */
typedef struct op_window {
    int32_t stride[BK_MAX_SPACE], dilation[BK_MAX_SPACE], pad[BK_MAX_SPACE], pad_end[BK_MAX_SPACE];
    int32_t groups;
} op_window;

/* Returns a window with equal padding on both sides of every axis, dilation 1 and one group. Other windows
 * can start from it. */
op_window op_window_of(int stride, int pad);

/* weight[O,C/groups,K...]; bias[O] may be NONE. */
value op_convolve(graph *g, value x, value weight, value bias, const op_window *window);
value op_conv(graph *g, value x, value weight, value bias, int stride, int pad); /* with op_window_of() */
/* Returns the transposed convolution, from x[B,S...,C] to [B,S'...,O]: weight[C,O/groups,K...], bias[O] may
 * be NONE, and S' = (S - 1) stride - pad - pad_end + dilation (K - 1) + 1 + more. `more` (PyTorch's
 * output_padding; NULL: zeros) is below the axis's stride or dilation. */
value op_conv_transpose(graph *g, value x, value weight, value bias, const op_window *window,
                        const int32_t *more);
value op_reflect(graph *g, value x, int64_t pad); /* mirrors x at both ends of each S */

/* Resizes to x[B,size...,C]. Element i of S' is sampled at position (i + 1/2) S/S' - 1/2 of S (linear:
 * half-pixel centres), at i (S - 1)/(S' - 1) (corners: the end points coincide), or is element floor(i S/S')
 * (nearest). */
value op_resize_linear(graph *g, value x, const int64_t *size);
value op_resize_corners(graph *g, value x, const int64_t *size);
value op_resize_nearest(graph *g, value x, const int64_t *size);

/* A pooling window over each axis S, and its positions. */
typedef struct pool_window {
    int kernel[BK_MAX_SPACE];
    int stride[BK_MAX_SPACE];   /* 0: the kernel's length, for adjacent windows */
    int pad[BK_MAX_SPACE];      /* at both ends */
    int dilation[BK_MAX_SPACE]; /* 0: 1. Only for maxima */
    int ceil;         /* 1: adds a window for elements beyond the last whole one, as PyTorch's ceil_mode */
    int skip_padding; /* 1: averages exclude padding, as PyTorch's count_include_pad=False */
} pool_window;

/* index (NULL: not wanted) is the row-major index in S... of each maximum, int32; of equal maxima the first
 * counts. Padding is never a maximum. */
value op_max_pool(graph *g, value x, const pool_window *window, value *index);
value op_average_pool(graph *g, value x, const pool_window *window);

/* Pools to x[B,size...,C]: window i is [floor(i S/S'), ceil((i + 1) S/S')). */
value op_adaptive_max_pool(graph *g, value x, const int64_t *size, value *index);
value op_adaptive_average_pool(graph *g, value x, const int64_t *size);

/* Pools to x[B,1...,C]. Equal maxima share the gradient. */
value op_global_average_pool(graph *g, value x);
value op_global_max_pool(graph *g, value x);

/* Adds y[B,S'...,C] to zeros [B,size...,C] at the positions `index`, which has the shape of y. It inverts
 * op_max_pool, except that elements which were not a maximum are 0. */
value op_unpool(graph *g, value y, value index, const int64_t *size);

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
