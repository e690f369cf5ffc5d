/* SPDX-License-Identifier: Apache-2.0 */
/* test_graph.c - building graphs, and their gradients: shapes that fit and do not, first and second order
 * derivatives of every op against finite differences. All numbers are float64 on the reference backend.
 * Plans: test_plan.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ops.h"
#include "lib/ops/rules.h"
#include "lib/random.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MAX_INPUTS = 5, MAX_PARAMETERS = 6 };

/* Where inputs are drawn from: anywhere, above 0, away from 0 (a kink of |x|, max, ...). */
typedef enum domain { REAL, POSITIVE, AWAY } domain;

/* A function of some inputs, made of nodes; p: what it needs besides. */
typedef value (*build_fn)(graph *g, const value *x, const int *p);

typedef struct dims {
    int rank;
    int64_t dim[BK_MAX_RANK];
} dims;

typedef struct function {
    const char *name;
    build_fn build;
    domain from;
    int n_in;
    dims in[MAX_INPUTS];
    int p[MAX_PARAMETERS];
} function;

static bk_shape shape(int32_t rank, const int64_t *dim)
{
    return shape_of(BK_F64, rank, dim);
}

#define SHAPE(r, ...) ((bk_shape){.dtype = BK_F64, .rank = r, .dim = {__VA_ARGS__}})

/* ---- functions under test ---- */

#define ONE(name, expression)                                                                                \
    static value name(graph *g, const value *x, const int *p)                                                \
    {                                                                                                        \
        (void)p;                                                                                             \
        return expression;                                                                                   \
    }

ONE(f_reshape, op_view(g, x[0], 3, p[0], -1, p[1]))
ONE(f_transpose, op_transpose(g, x[0], p))
ONE(f_slice, op_slice(g, x[0], p[0], p[1], p[2]))
ONE(f_concat, op_concat(g, p[0], x, p[1]))
ONE(f_concat_twice, op_concat(g, 1, (const value[]){x[0], x[0], x[1], x[0]}, 4))
ONE(f_broadcast, op_broadcast(g, x[0], &SHAPE(3, p[0], p[1], p[2])))
ONE(f_affine, op_affine(g, x[0], -1.7, 0.3))
ONE(f_exp, op_exp(g, x[0]))
ONE(f_log, op_log(g, x[0]))
ONE(f_sqrt, op_sqrt(g, x[0]))
ONE(f_abs, op_abs(g, x[0]))
ONE(f_sigmoid, op_sigmoid(g, x[0]))
ONE(f_tanh, op_tanh(g, x[0]))
ONE(f_leaky_relu, op_leaky_relu(g, x[0], 0.2))
ONE(f_relu, op_leaky_relu(g, x[0], 0))
ONE(f_gelu, op_gelu(g, x[0]))
ONE(f_add, op_add(g, x[0], x[1]))
ONE(f_sub, op_sub(g, x[0], x[1]))
ONE(f_mul, op_mul(g, x[0], x[1]))
ONE(f_div, op_div(g, x[0], x[1]))
ONE(f_maximum, op_maximum(g, x[0], x[1]))
ONE(f_gelu_grad, op_gelu_grad(g, x[0], x[1]))
ONE(f_twice, op_add(g, op_mul(g, x[0], x[0]), op_div(g, op_exp(g, x[0]), x[0])))
ONE(f_sum, op_sum(g, x[0], (uint32_t)p[0]))
ONE(f_mean, op_mean(g, x[0], (uint32_t)p[0]))
ONE(f_sum_all, op_sum_all(g, x[0]))
ONE(f_mean_all, op_mean_all(g, x[0]))
ONE(f_sum_to, op_sum_to(g, x[0], &SHAPE(3, p[0], p[1], p[2])))
ONE(f_matmul, op_matmul(g, x[0], x[1], p[0], p[1]))
ONE(f_gram, op_matmul(g, x[0], x[0], 0, 1))
ONE(f_linear, op_linear(g, x[0], x[1], NONE))
ONE(f_linear_bias, op_linear(g, x[0], x[1], x[2]))
ONE(f_linear_self, op_linear(g, x[0], x[0], NONE))
ONE(f_layer_norm, op_layer_norm(g, x[0], x[1], x[2], 1e-5))
ONE(f_softmax, op_softmax(g, x[0]))
ONE(f_attention, op_attention(g, x[0], p[0], 0.6))

ONE(f_softplus, op_softplus(g, x[0]))
ONE(f_minimum, op_minimum(g, x[0], x[1]))
ONE(f_clamp, op_clamp(g, x[0], -0.9, 1.1))
ONE(f_prelu, op_prelu(g, x[0], x[1]))
ONE(f_where, op_where(g, op_less(g, x[0], x[1]), op_mul(g, x[0], x[1]), x[2]))
ONE(f_where_of_a_row, op_where(g, op_less(g, x[0], op_number(g, 0)), x[1], op_mul(g, x[0], x[2])))
ONE(f_log_softmax, op_log_softmax(g, x[0]))
ONE(f_log_sum_exp, op_log_sum_exp(g, x[0], (uint32_t)p[0]))
ONE(f_cumsum, op_cumsum(g, x[0]))
ONE(f_l2_normalize, op_l2_normalize(g, x[0], (uint32_t)p[0], 1e-12))
ONE(f_cosine, op_cosine(g, x[0], x[1], (uint32_t)p[0], 1e-8))

/* x with numbers added that keep all of a row apart, in another order than theirs. */
static value spread(graph *g, value x)
{
    static const double shift[] = {8, 0, 16, 12, 4};
    return op_add(g, x, graph_constant(g, SHAPE(1, 5), shift));
}

static value f_sort(graph *g, const value *x, const int *p)
{
    value index, y = p[0] ? op_top_k(g, spread(g, x[0]), p[0], &index) : op_sort(g, spread(g, x[0]), &index);
    return op_mul(g, y, op_cast(g, index));
}

/* Each row's largest numbers, looked up in another tensor. */
static value f_take(graph *g, const value *x, const int *p)
{
    value index;
    op_top_k(g, spread(g, x[0]), p[0], &index);
    return op_add(g, op_take(g, x[1], index), op_take(g, x[0], index));
}

/* Three pixels each of two images, four classes, one pixel ignored. */
static value labels(graph *g)
{
    static const double label[] = {2, 0, 255, 3, 2, 2};
    return graph_constant(g, shape_of(BK_I32, 2, (const int64_t[]){2, 3}), label);
}

static value f_cross_entropy(graph *g, const value *x, const int *p)
{
    value weight;
    return op_cross_entropy(g, x[0], labels(g), p[0] ? x[1] : NONE, 255, &weight);
}

/* As PyTorch's mean: a gradient arrives at the weights too. */
static value f_mean_cross_entropy(graph *g, const value *x, const int *p)
{
    (void)p;
    value weight, loss = op_cross_entropy(g, x[0], labels(g), x[1], 255, &weight);
    return op_div(g, op_sum_all(g, loss), op_sum_all(g, weight));
}

static value f_cross_entropy_grad(graph *g, const value *x, const int *p)
{
    const value in[] = {x[0], labels(g), x[1], x[2]};
    return graph_node(g, BK_CROSS_ENTROPY_GRAD, &(bk_attr){.ignored = 255, .has_weight = p[0]}, in,
                      p[0] ? 4 : 3, NULL);
}

static value key(graph *g)
{
    static const double words[] = {1, 2, 3, 4};
    return graph_constant(g, shape_of(BK_I32, 1, (const int64_t[]){4}), words);
}

ONE(f_dropout, op_dropout(g, x[0], key(g), 5, 0.4))

/* The shape is copied: the key is a new node, which may move it. */
static value f_noise(graph *g, const value *x, const int *p)
{
    (void)p;
    bk_shape shape = *graph_shape(g, x[0]);
    return op_mul(g, x[0], op_normal(g, key(g), 6, &shape));
}

ONE(f_instance_norm, op_instance_norm(g, x[0], 1e-5, p[0] ? 0.2 : 1))
ONE(f_conv, op_conv(g, x[0], x[1], NONE, p[0], p[1]))
ONE(f_conv_bias, op_conv(g, x[0], x[1], x[2], p[0], p[1]))
ONE(f_conv_of_itself, op_conv(g, x[0], x[0], NONE, 1, 1))
ONE(f_reflect, op_reflect(g, x[0], p[0]))
ONE(f_resize, op_resize_linear(g, x[0], (const int64_t[]){p[0], p[1], p[2]}))

ONE(f_resize_corners, op_resize_corners(g, x[0], (const int64_t[]){p[0], p[1], p[2]}))
ONE(f_resize_nearest, op_resize_nearest(g, x[0], (const int64_t[]){p[0], p[1], p[2]}))

/* x, of up to 40 elements, made such that each maximum is far from the next number. */
static value apart(graph *g, value x)
{
    double place[40];
    bk_shape s = *graph_shape(g, x);
    assert_in_range(bk_count(&s), 1, 40);
    for (int i = 0; i < (int)bk_count(&s); i++)
        place[i] = 0.4 * (i * 17 % 41) - 8;
    return op_add(g, op_affine(g, x, 0.1, 0), graph_constant(g, s, place));
}

ONE(f_reduce_max, op_reduce_max(g, apart(g, x[0]), (uint32_t)p[0]))

/* ---- norms: a larger eps keeps higher derivatives small where few numbers are normalised ---- */

enum { GROUPS, SLOPED };

ONE(f_group_norm, op_group_norm(g, x[0], x[1], x[2], p[GROUPS], 0.1, p[SLOPED] ? 0.2 : 1))
ONE(f_batch_norm_inference, op_batch_norm_inference(g, x[0], x[1], x[2], x[3], x[4], 1e-3))
ONE(f_conv_batch_norm, op_batch_norm_inference(g, op_conv(g, x[0], x[1], p[0] ? x[2] : NONE, 1, 0), x[2],
                                               x[2], x[3], x[3], 1e-3))
ONE(f_linear_batch_norm,
    op_batch_norm_inference(g, op_linear(g, x[0], x[1], x[2]), x[2], x[2], x[3], x[3], 1e-3))

/* All three outputs of one node. */
static value f_batch_norm(graph *g, const value *x, const int *p)
{
    batch_moments m;
    value y = op_batch_norm(g, x[0], x[1], x[2], 0.1, p[SLOPED] ? 0.2 : 1, &m);
    return op_add(g, op_mul(g, y, m.variance), m.mean);
}

/* The first output of the node that makes it, plus both others in their place. */
static value sum_of_three(graph *g, value first)
{
    if (first == NONE)
        return NONE;
    node made = g->nodes[g->values[first].node];
    return op_add(g, op_add(g, first, made.out[1]), made.out[2]);
}

static value f_layer_norm_grad(graph *g, const value *x, const int *p)
{
    (void)p;
    return sum_of_three(g, graph_node(g, BK_LAYER_NORM_GRAD, &(bk_attr){.eps = 0.1}, x, 3, NULL));
}

static value f_instance_norm_grad(graph *g, const value *x, const int *p)
{
    bk_attr attr = {.alpha = p[SLOPED] ? 0.2 : 1, .eps = 0.1};
    return graph_node(g, BK_INSTANCE_NORM_GRAD, &attr, x, 2, NULL);
}

/* The bias, here the gain, only says which side of the leaky ReLU a number is on. */
static value f_group_norm_grad(graph *g, const value *x, const int *p)
{
    const value in[] = {x[0], x[1], x[1], x[2]};
    bk_attr attr = {.alpha = p[SLOPED] ? 0.2 : 1, .eps = 0.1, .groups = p[GROUPS]};
    return sum_of_three(g, graph_node(g, BK_GROUP_NORM_GRAD, &attr, in, 4, NULL));
}

/* ---- pooling ---- */

ONE(f_max_pool,
    op_max_pool(g, apart(g, x[0]),
                &(pool_window){{p[0], p[0]}, {p[1], p[1]}, {p[2], p[2]}, {p[3], p[3]}, 1, 0}, NULL))
ONE(f_adaptive_max_pool, op_adaptive_max_pool(g, apart(g, x[0]), (const int64_t[]){p[0], p[1]}, NULL))
ONE(f_average_pool, op_average_pool(g, x[0],
                                    &(pool_window){.kernel = {p[0], p[0], p[0]},
                                                   .stride = {p[1], p[1], p[1]},
                                                   .pad = {p[2], p[2], p[2]}}))
ONE(f_adaptive_average_pool, op_adaptive_average_pool(g, x[0], (const int64_t[]){p[0], p[1]}))
ONE(f_global_pools, op_add(g, op_global_average_pool(g, x[0]), op_global_max_pool(g, apart(g, x[0]))))

/* Places of [2,3,2] numbers of each channel among 4: repeated ones, and some left out. */
static value channel_places(graph *g)
{
    static const double at[] = {3, 0, 3, 1, 0, 1, 2, 2, 0, 2, 1, 3};
    return graph_constant(g, shape_of(BK_I32, 3, (const int64_t[]){2, 3, 2}), at);
}

ONE(f_pick, op_pick(g, x[0], channel_places(g)))
ONE(f_put, op_put(g, x[0], channel_places(g), 4))

static value f_reflect_grad(graph *g, const value *x, const int *p)
{
    bk_attr attr = {.axes = {0, p[0], p[0]}};
    return graph_node(g, BK_REFLECT_GRAD, &attr, x, 1, NULL);
}

static value f_resize_grad(graph *g, const value *x, const int *p)
{
    return graph_node(g, BK_RESIZE_LINEAR_GRAD, &(bk_attr){0}, x, 1, &SHAPE(3, 2, p[0], 2));
}

static const bk_attr STRIDE_2_PAD_1 = {
    .stride = {2, 2}, .dilation = {1, 1}, .pad = {1, 1}, .pad_end = {1, 1}, .groups = 1};

/* Of a convolution over [2,5,4,3] with stride 2 and 1 zero around it: [2,3,2,2]. */
static value f_conv_grad_input(graph *g, const value *x, const int *p)
{
    (void)p;
    return graph_node(g, BK_CONV_GRAD_INPUT, &STRIDE_2_PAD_1, x, 2, &SHAPE(4, 2, 5, 4, 3));
}

static value f_conv_grad_weight(graph *g, const value *x, const int *p)
{
    (void)p;
    return graph_node(g, BK_CONV_GRAD_WEIGHT, &STRIDE_2_PAD_1, x, 2, &SHAPE(4, 2, 3, 3, 3));
}

/* A window with something of its own on each of two axes, two groups. */
static const op_window LOPSIDED = {
    .stride = {2, 1}, .dilation = {1, 2}, .pad = {1, 0}, .pad_end = {0, 3}, .groups = 2};

ONE(f_convolve, op_convolve(g, x[0], x[1], x[2], &LOPSIDED))

static value f_depthwise(graph *g, const value *x, const int *p)
{
    op_window w = op_window_of(p[0], p[1]);
    w.groups = p[2];
    w.dilation[0] = p[3];
    return op_convolve(g, x[0], x[1], NONE, &w);
}

ONE(f_conv_transpose, op_conv_transpose(g, x[0], x[1], x[2], &LOPSIDED, (const int32_t[]){1, 1}))

/* p: stride, dilation, pad, groups, more */
static value f_transpose_line(graph *g, const value *x, const int *p)
{
    op_window w = op_window_of(p[0], p[2]);
    w.dilation[0] = p[1];
    w.groups = p[3];
    return op_conv_transpose(g, x[0], x[1], NONE, &w, (const int32_t[]){p[4]});
}

static value f_pad(graph *g, const value *x, const int *p)
{
    bk_attr attr = {.axes = {p[0], p[1]}};
    return graph_node(g, BK_PAD, &attr, x, 1, &SHAPE(2, p[2], p[3]));
}

/* Two rows of n_index places each: repeated ones, and some left out. */
static value places(graph *g)
{
    static const double at[] = {3, 0, 3, 1, 4, 4, 0, 2};
    return graph_constant(g, shape_of(BK_I32, 2, (const int64_t[]){2, 4}), at);
}

ONE(f_gather, op_gather(g, x[0], places(g)))
ONE(f_scatter,
    graph_node(g, BK_SCATTER, &(bk_attr){0}, (const value[]){x[0], places(g)}, 2, &SHAPE(3, 2, 5, 3)))
ONE(f_window, op_window_attention(g, x[0], x[1], (window_grid){p[1], p[2], p[3], p[4]}, p[0], 0.6))

/* A small transformer block: everything at once, most values read more than once. */
static value f_block(graph *g, const value *x, const int *p)
{
    (void)p;
    value h = op_layer_norm(g, x[0], x[1], x[2], 1e-5);
    value attended = op_attention(g, op_linear(g, h, x[3], NONE), 2, 0.7);
    value y = op_add(g, x[0], attended);
    return op_add(g, y, op_gelu(g, op_linear(g, op_add(g, y, h), x[4], x[1])));
}

static const function smooth_functions[] = {
    {"reshape", f_reshape, REAL, 1, {{2, {4, 6}}}, {2, 3}},
    {"reshape to the same shape", f_reshape, REAL, 1, {{3, {2, 4, 3}}}, {2, 3}},
    {"transpose 10", f_transpose, REAL, 1, {{2, {3, 4}}}, {1, 0}},
    {"transpose 120", f_transpose, REAL, 1, {{3, {2, 3, 4}}}, {1, 2, 0}},
    {"transpose 201", f_transpose, REAL, 1, {{3, {2, 3, 4}}}, {2, 0, 1}},
    {"transpose 3 0 5 1 4 2", f_transpose, REAL, 1, {{6, {2, 1, 3, 2, 2, 1}}}, {3, 0, 5, 1, 4, 2}},
    {"slice front", f_slice, REAL, 1, {{2, {4, 3}}}, {0, 0, 2}},
    {"slice middle", f_slice, REAL, 1, {{3, {2, 5, 3}}}, {1, 1, 3}},
    {"slice all", f_slice, REAL, 1, {{2, {4, 3}}}, {1, 0, 3}},
    {"pad", f_pad, REAL, 1, {{2, {2, 3}}}, {1, 2, 4, 6}},
    {"concat 2", f_concat, REAL, 2, {{2, {2, 3}}, {2, {4, 3}}}, {0, 2}},
    {"concat 3", f_concat, REAL, 3, {{3, {2, 1, 3}}, {3, {2, 3, 3}}, {3, {2, 2, 3}}}, {1, 3}},
    {"concat of the same value", f_concat_twice, REAL, 2, {{2, {3, 2}}, {2, {3, 1}}}, {0}},
    {"broadcast middle", f_broadcast, REAL, 1, {{3, {2, 1, 3}}}, {2, 4, 3}},
    {"broadcast all", f_broadcast, REAL, 1, {{3, {1, 1, 1}}}, {2, 3, 2}},
    {"broadcast none", f_broadcast, REAL, 1, {{3, {2, 1, 2}}}, {2, 1, 2}},
    {"gather", f_gather, REAL, 1, {{3, {2, 5, 3}}}, {0}},
    {"scatter", f_scatter, REAL, 1, {{3, {2, 4, 3}}}, {0}},
    {"affine", f_affine, REAL, 1, {{2, {2, 3}}}, {0}},
    {"affine of a number", f_affine, REAL, 1, {{0, {0}}}, {0}},
    {"exp", f_exp, REAL, 1, {{2, {2, 3}}}, {0}},
    {"log", f_log, POSITIVE, 1, {{1, {7}}}, {0}},
    {"sqrt", f_sqrt, POSITIVE, 1, {{2, {2, 3}}}, {0}},
    {"sigmoid", f_sigmoid, REAL, 1, {{2, {2, 3}}}, {0}},
    {"tanh", f_tanh, REAL, 1, {{2, {2, 3}}}, {0}},
    {"gelu", f_gelu, REAL, 1, {{3, {2, 3, 2}}}, {0}},
    {"leaky_relu", f_leaky_relu, AWAY, 1, {{2, {3, 4}}}, {0}},
    {"relu", f_relu, AWAY, 1, {{2, {3, 4}}}, {0}},
    {"abs", f_abs, AWAY, 1, {{2, {3, 4}}}, {0}},
    {"softplus", f_softplus, REAL, 1, {{2, {2, 3}}}, {0}},
    {"minimum", f_minimum, REAL, 2, {{2, {3, 4}}, {2, {1, 4}}}, {0}},
    {"clamp", f_clamp, AWAY, 1, {{2, {3, 4}}}, {0}},
    {"prelu", f_prelu, AWAY, 2, {{3, {2, 4, 3}}, {1, {3}}}, {0}},
    {"where", f_where, REAL, 3, {{2, {3, 4}}, {2, {3, 1}}, {1, {4}}}, {0}},
    {"where, one choice for a column", f_where_of_a_row, AWAY, 3, {{2, {1, 4}}, {2, {3, 4}}, {1, {4}}}, {0}},
    {"log_softmax", f_log_softmax, REAL, 1, {{3, {2, 2, 4}}}, {0}},
    {"log_sum_exp", f_log_sum_exp, REAL, 1, {{3, {2, 3, 4}}}, {4}},
    {"log_sum_exp over two axes", f_log_sum_exp, REAL, 1, {{3, {2, 3, 4}}}, {3}},
    {"log_sum_exp of all", f_log_sum_exp, REAL, 1, {{2, {2, 3}}}, {3}},
    {"cumsum", f_cumsum, REAL, 1, {{3, {2, 3, 4}}}, {0}},
    {"sort", f_sort, REAL, 1, {{3, {2, 2, 5}}}, {0}},
    {"top_k", f_sort, REAL, 1, {{2, {3, 5}}}, {2}},
    {"take", f_take, REAL, 2, {{2, {3, 5}}, {2, {3, 5}}}, {2}},
    {"cross_entropy", f_cross_entropy, REAL, 1, {{3, {2, 3, 4}}}, {0}},
    {"cross_entropy with weights", f_cross_entropy, POSITIVE, 2, {{3, {2, 3, 4}}, {1, {4}}}, {1}},
    {"weighted mean of cross_entropy", f_mean_cross_entropy, POSITIVE, 2, {{3, {2, 3, 4}}, {1, {4}}}, {0}},
    {"cross_entropy_grad", f_cross_entropy_grad, REAL, 2, {{3, {2, 3, 4}}, {2, {2, 3}}}, {0}},
    {"cross_entropy_grad with weights",
     f_cross_entropy_grad,
     POSITIVE,
     3,
     {{3, {2, 3, 4}}, {1, {4}}, {2, {2, 3}}},
     {1}},
    {"dropout", f_dropout, REAL, 1, {{2, {5, 4}}}, {0}},
    {"noise", f_noise, REAL, 1, {{2, {5, 4}}}, {0}},
    {"l2_normalize", f_l2_normalize, AWAY, 1, {{3, {2, 3, 4}}}, {4}},
    {"l2_normalize over two axes", f_l2_normalize, AWAY, 1, {{3, {2, 3, 4}}}, {3}},
    {"cosine", f_cosine, AWAY, 2, {{2, {3, 5}}, {2, {3, 5}}}, {2}},
    {"add", f_add, REAL, 2, {{2, {2, 3}}, {2, {2, 3}}}, {0}},
    {"add row", f_add, REAL, 2, {{2, {4, 3}}, {1, {3}}}, {0}},
    {"add number", f_add, REAL, 2, {{0, {0}}, {2, {2, 3}}}, {0}},
    {"sub", f_sub, REAL, 2, {{2, {2, 3}}, {2, {2, 3}}}, {0}},
    {"sub crossed", f_sub, REAL, 2, {{2, {4, 1}}, {2, {1, 3}}}, {0}},
    {"sub column", f_sub, REAL, 2, {{3, {2, 1, 3}}, {3, {2, 4, 3}}}, {0}},
    {"mul", f_mul, REAL, 2, {{2, {2, 3}}, {2, {2, 3}}}, {0}},
    {"mul crossed", f_mul, REAL, 2, {{3, {2, 1, 3}}, {3, {1, 4, 1}}}, {0}},
    {"mul shorter", f_mul, REAL, 2, {{1, {3}}, {3, {2, 2, 3}}}, {0}},
    {"div", f_div, POSITIVE, 2, {{2, {2, 3}}, {2, {2, 3}}}, {0}},
    {"div crossed", f_div, AWAY, 2, {{2, {4, 1}}, {2, {1, 3}}}, {0}},
    {"div shorter", f_div, AWAY, 2, {{3, {2, 2, 3}}, {2, {2, 1}}}, {0}},
    {"maximum", f_maximum, REAL, 2, {{2, {3, 4}}, {2, {3, 4}}}, {0}},
    {"maximum crossed", f_maximum, REAL, 2, {{2, {4, 1}}, {2, {1, 3}}}, {0}},
    {"gelu_grad", f_gelu_grad, REAL, 2, {{2, {3, 4}}, {2, {3, 4}}}, {0}},
    {"one value read five times", f_twice, AWAY, 1, {{2, {3, 2}}}, {0}},
    {"sum 0", f_sum, REAL, 1, {{3, {2, 3, 4}}}, {1}},
    {"sum 02", f_sum, REAL, 1, {{3, {2, 3, 4}}}, {5}},
    {"sum none", f_sum, REAL, 1, {{2, {2, 3}}}, {0}},
    {"mean 12", f_mean, REAL, 1, {{3, {2, 3, 4}}}, {6}},
    {"sum all", f_sum_all, REAL, 1, {{3, {2, 3, 4}}}, {0}},
    {"mean all", f_mean_all, REAL, 1, {{2, {2, 3}}}, {0}},
    {"mean of a number", f_mean_all, REAL, 1, {{0, {0}}}, {0}},
    {"sum_to", f_sum_to, REAL, 1, {{3, {2, 3, 4}}}, {1, 3, 1}},
    {"gram", f_gram, REAL, 1, {{2, {3, 4}}}, {0}},
    {"gram of a batch", f_gram, REAL, 1, {{3, {2, 3, 2}}}, {0}},
    {"linear", f_linear, REAL, 2, {{2, {3, 4}}, {2, {2, 4}}}, {0}},
    {"linear of a vector", f_linear_bias, REAL, 3, {{1, {4}}, {2, {3, 4}}, {1, {3}}}, {0}},
    {"linear with bias", f_linear_bias, REAL, 3, {{3, {2, 2, 3}}, {2, {4, 3}}, {1, {4}}}, {0}},
    {"linear by itself", f_linear_self, REAL, 1, {{2, {3, 2}}}, {0}},
    {"softmax", f_softmax, REAL, 1, {{3, {2, 2, 4}}}, {0}},
    {"softmax of one", f_softmax, REAL, 1, {{1, {5}}}, {0}},
    {"conv 1D", f_conv, REAL, 2, {{3, {2, 7, 2}}, {3, {3, 2, 3}}}, {2, 0}},
    {"conv 2D with bias", f_conv_bias, REAL, 3, {{4, {2, 4, 3, 2}}, {4, {3, 2, 3, 2}}, {1, {3}}}, {1, 1}},
    {"conv 2D, stride 2", f_conv, REAL, 2, {{4, {1, 5, 6, 2}}, {4, {2, 2, 3, 3}}}, {2, 1}},
    {"conv 3D", f_conv_bias, REAL, 3, {{5, {1, 3, 4, 3, 1}}, {5, {2, 1, 3, 2, 1}}, {1, {2}}}, {1, 1}},
    {"conv by itself", f_conv_of_itself, REAL, 1, {{3, {2, 2, 2}}}, {0}},
    {"conv, lopsided", f_convolve, REAL, 3, {{4, {1, 5, 4, 4}}, {4, {4, 2, 2, 3}}, {1, {4}}}, {0}},
    {"conv 1D, depthwise", f_depthwise, REAL, 2, {{3, {2, 8, 3}}, {3, {3, 1, 3}}}, {2, 1, 3, 2}},
    {"conv 1D, two of each", f_depthwise, REAL, 2, {{3, {1, 9, 2}}, {3, {4, 1, 2}}}, {3, 0, 2, 3}},
    {"conv_transpose", f_conv_transpose, REAL, 3, {{4, {1, 3, 3, 4}}, {4, {4, 2, 2, 3}}, {1, {4}}}, {0}},
    {"conv_transpose 1D", f_transpose_line, REAL, 2, {{3, {2, 3, 2}}, {3, {2, 3, 3}}}, {2, 1, 1, 1, 1}},
    {"conv_transpose, zeros behind",
     f_transpose_line,
     REAL,
     2,
     {{3, {1, 3, 2}}, {3, {2, 1, 2}}},
     {1, 3, 0, 2, 2}},
    {"conv_grad_input", f_conv_grad_input, REAL, 2, {{4, {2, 3, 3, 3}}, {4, {2, 3, 2, 2}}}, {0}},
    {"conv_grad_weight", f_conv_grad_weight, REAL, 2, {{4, {2, 5, 4, 3}}, {4, {2, 3, 2, 2}}}, {0}},
    {"reflect", f_reflect, REAL, 1, {{4, {2, 3, 4, 2}}}, {2}},
    {"reflect by nothing", f_reflect, REAL, 1, {{3, {1, 3, 2}}}, {0}},
    {"reflect_grad", f_reflect_grad, REAL, 1, {{4, {1, 5, 6, 2}}}, {1}},
    {"resize 1D, smaller", f_resize, REAL, 1, {{3, {2, 5, 2}}}, {3}},
    {"resize 2D", f_resize, REAL, 1, {{4, {1, 3, 2, 2}}}, {6, 4}},
    {"resize 3D", f_resize, REAL, 1, {{5, {1, 2, 1, 3, 1}}}, {4, 2, 4}},
    {"layer_norm", f_layer_norm, REAL, 3, {{2, {3, 5}}, {1, {5}}, {1, {5}}}, {0}},
    {"layer_norm of a batch", f_layer_norm, REAL, 3, {{3, {2, 2, 4}}, {1, {4}}, {1, {4}}}, {0}},
    {"layer_norm of a vector", f_layer_norm, REAL, 3, {{1, {6}}, {1, {6}}, {1, {6}}}, {0}},
    {"instance_norm", f_instance_norm, REAL, 1, {{4, {2, 3, 3, 2}}}, {0}},
    {"instance_norm and leaky ReLU", f_instance_norm, REAL, 1, {{3, {1, 7, 3}}}, {1}},
    {"layer_norm_grad", f_layer_norm_grad, REAL, 3, {{2, {3, 5}}, {1, {5}}, {2, {3, 5}}}, {0}},
    {"layer_norm_grad of a vector", f_layer_norm_grad, REAL, 3, {{1, {6}}, {1, {6}}, {1, {6}}}, {0}},
    {"instance_norm_grad", f_instance_norm_grad, REAL, 2, {{3, {2, 5, 2}}, {3, {2, 5, 2}}}, {0, 0}},
    {"instance_norm_grad and leaky ReLU",
     f_instance_norm_grad,
     REAL,
     2,
     {{3, {1, 7, 2}}, {3, {1, 7, 2}}},
     {0, 1}},
    {"group_norm", f_group_norm, REAL, 3, {{4, {2, 2, 3, 4}}, {1, {4}}, {1, {4}}}, {2, 0}},
    {"group_norm and leaky ReLU", f_group_norm, REAL, 3, {{3, {1, 3, 4}}, {1, {4}}, {1, {4}}}, {2, 1}},
    {"group_norm, one group", f_group_norm, REAL, 3, {{5, {1, 2, 1, 2, 3}}, {1, {3}}, {1, {3}}}, {1, 0}},
    {"group_norm_grad", f_group_norm_grad, REAL, 3, {{3, {2, 3, 4}}, {1, {4}}, {3, {2, 3, 4}}}, {2, 0}},
    {"group_norm_grad and leaky ReLU",
     f_group_norm_grad,
     REAL,
     3,
     {{4, {1, 2, 2, 4}}, {1, {4}}, {4, {1, 2, 2, 4}}},
     {2, 1}},
    {"batch_norm", f_batch_norm, REAL, 3, {{4, {2, 2, 2, 3}}, {1, {3}}, {1, {3}}}, {0, 0}},
    {"batch_norm and leaky ReLU", f_batch_norm, REAL, 3, {{3, {2, 4, 2}}, {1, {2}}, {1, {2}}}, {0, 1}},
    {"batch_norm of rows", f_batch_norm, REAL, 3, {{2, {5, 3}}, {1, {3}}, {1, {3}}}, {0, 0}},
    {"batch_norm_inference",
     f_batch_norm_inference,
     POSITIVE,
     5,
     {{3, {2, 3, 2}}, {1, {2}}, {1, {2}}, {1, {2}}, {1, {2}}},
     {0}},
    {"conv and batch_norm",
     f_conv_batch_norm,
     POSITIVE,
     4,
     {{4, {1, 3, 3, 2}}, {4, {2, 2, 2, 2}}, {1, {2}}, {1, {2}}},
     {0}},
    {"conv with bias and batch_norm",
     f_conv_batch_norm,
     POSITIVE,
     4,
     {{3, {1, 4, 2}}, {3, {3, 2, 2}}, {1, {3}}, {1, {3}}},
     {1}},
    {"linear and batch_norm",
     f_linear_batch_norm,
     POSITIVE,
     4,
     {{2, {3, 4}}, {2, {2, 4}}, {1, {2}}, {1, {2}}},
     {0}},
    {"pick", f_pick, REAL, 1, {{3, {2, 4, 2}}}, {0}},
    {"put", f_put, REAL, 1, {{3, {2, 3, 2}}}, {0}},
    {"max_pool", f_max_pool, REAL, 1, {{4, {1, 5, 4, 2}}}, {3, 2, 1, 1}},
    {"max_pool with holes", f_max_pool, REAL, 1, {{3, {2, 6, 2}}}, {2, 1, 1, 3}},
    {"adaptive_max_pool", f_adaptive_max_pool, REAL, 1, {{4, {1, 5, 4, 1}}}, {3, 2}},
    {"average_pool", f_average_pool, REAL, 1, {{4, {1, 5, 4, 2}}}, {3, 2, 1}},
    {"average_pool, halves", f_average_pool, REAL, 1, {{5, {1, 2, 4, 2, 2}}}, {2, 2, 0}},
    {"adaptive_average_pool", f_adaptive_average_pool, REAL, 1, {{4, {2, 5, 3, 2}}}, {3, 3}},
    {"global pools", f_global_pools, REAL, 1, {{4, {2, 2, 3, 2}}}, {0}},
    {"reduce_max 1", f_reduce_max, REAL, 1, {{2, {3, 4}}}, {2}},
    {"reduce_max 02", f_reduce_max, REAL, 1, {{3, {2, 3, 2}}}, {5}},
    {"resize to corners", f_resize_corners, REAL, 1, {{4, {1, 3, 2, 2}}}, {5, 1}},
    {"resize to corners 3D", f_resize_corners, REAL, 1, {{5, {1, 2, 1, 3, 1}}}, {3, 2, 2}},
    {"resize to nearest", f_resize_nearest, REAL, 1, {{4, {1, 3, 5, 2}}}, {7, 2}},
    {"resize_grad", f_resize_grad, REAL, 1, {{3, {2, 6, 2}}}, {3}},
};

/* Ops whose gradient is one fused op without a rule of its own. */
static const function fused_functions[] = {
    {"attention, one head", f_attention, REAL, 1, {{3, {1, 4, 6}}}, {1}},
    {"attention, three heads", f_attention, REAL, 1, {{3, {2, 3, 18}}}, {3}},
    {"attention, one token", f_attention, REAL, 1, {{3, {2, 1, 6}}}, {2}},
    {"window attention", f_window, REAL, 2, {{3, {2, 16, 12}}, {2, {9, 2}}}, {2, 4, 4, 2, 0}},
    {"shifted windows", f_window, REAL, 2, {{3, {1, 16, 12}}, {2, {9, 2}}}, {2, 4, 4, 2, 1}},
    {"shifted windows, oblong", f_window, REAL, 2, {{3, {1, 18, 6}}, {2, {25, 1}}}, {1, 3, 6, 3, 2}},
    {"one shifted window", f_window, REAL, 2, {{3, {2, 9, 6}}, {2, {25, 1}}}, {1, 3, 3, 3, 1}},
    {"transformer block",
     f_block,
     REAL,
     5,
     {{3, {2, 3, 4}}, {1, {4}}, {1, {4}}, {2, {12, 4}}, {2, {4, 4}}},
     {0}},
};

/* ---- finite differences ---- */

enum { MAX_ELEMENTS = 512 };

static double draw(random_stream *r, domain from)
{
    double x = random_uniform(r);
    if (from == POSITIVE)
        return 0.5 + 1.5 * x;
    if (from == AWAY)
        return x < 0.5 ? -0.3 - 2 * x : 2 * x - 0.7;
    return 3 * x - 1.5;
}

typedef struct probe {
    engine e;
    graph *g;
    int n_in;
    int64_t count[MAX_INPUTS];
    value in[MAX_INPUTS];
    double *data[MAX_INPUTS], *gradient[MAX_INPUTS];
    double loss;
    void *bound[2 * MAX_INPUTS + 1]; /* inputs, the loss, gradients */
    random_stream random;
} probe;

static void probe_open(probe *p, const function *f)
{
    memset(p, 0, sizeof *p);
    assert_int_equal(engine_open(&p->e, bk_reference()), BK_OK);
    assert_int_equal(graph_create(&p->e.m, BK_F64, &p->g), OK);
    p->n_in = f->n_in;
    p->random = random_open(1, random_purpose(f->name, 0));
    for (int i = 0; i < f->n_in; i++) {
        bk_shape s = shape(f->in[i].rank, f->in[i].dim);
        p->in[i] = graph_bound(p->g, i, s);
        p->count[i] = bk_count(&s);
        assert_in_range(p->count[i], 1, MAX_ELEMENTS);
        p->data[i] = calloc((size_t)p->count[i], sizeof(double));
        p->gradient[i] = calloc((size_t)p->count[i], sizeof(double));
        for (int64_t k = 0; k < p->count[i]; k++)
            p->data[i][k] = draw(&p->random, f->from);
        p->bound[i] = p->data[i];
        p->bound[f->n_in + 1 + i] = p->gradient[i];
    }
    p->bound[f->n_in] = &p->loss;
}

static void probe_close(probe *p)
{
    graph_free(p->g);
    for (int i = 0; i < p->n_in; i++) {
        free(p->data[i]);
        free(p->gradient[i]);
    }
    assert_true(engine_close(&p->e));
}

static value random_constant(probe *p, bk_shape s)
{
    double x[MAX_ELEMENTS];
    assert_in_range(bk_count(&s), 1, MAX_ELEMENTS);
    for (int64_t i = 0; i < bk_count(&s); i++)
        x[i] = draw(&p->random, AWAY);
    return graph_constant(p->g, s, x);
}

/* Sum of v over random weights: a number that depends on every element in its own way. */
static value weigh(probe *p, value v)
{
    bk_shape s = *graph_shape(p->g, v);
    return op_sum_all(p->g, op_mul(p->g, v, random_constant(p, s)));
}

static plan *make_plan(probe *p)
{
    plan *made;
    status s = plan_create(p->g, p->e.dev, 1, &made);
    if (s != OK)
        print_error("%s\n", status_text());
    assert_int_equal(s, OK);
    return made;
}

static double loss_at(probe *p, plan *of_loss, double *x, double place)
{
    double kept = *x;
    *x = place;
    assert_int_equal(plan_run(of_loss, p->bound, p->n_in + 1, NULL), OK);
    *x = kept;
    return p->loss;
}

/* Sixth-order central difference. With h = 2e-3 its error is h^6/140 times the seventh derivative, 5e-19 f7,
 * and roundings of the loss over h, 1e-13 times the loss: 1e-9 is above both while f7 stays below 1e9 and the
 * loss below 1e4. */
static void compare_gradient(probe *p, plan *of_loss, int input, const char *name)
{
    static const double weight[3] = {45, -9, 1};
    const double h = 2e-3, tolerance = 1e-9;
    for (int64_t k = 0; k < p->count[input]; k++) {
        double *x = &p->data[input][k], at = *x, got = p->gradient[input][k], want = 0;
        for (int i = 0; i < 3; i++) {
            double step = (i + 1) * h;
            want += weight[i] * (loss_at(p, of_loss, x, at + step) - loss_at(p, of_loss, x, at - step)) /
                    (60 * h);
        }
        if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want)))) {
            print_error("%s: input %d, element %d: %.12g, finite difference %.12g\n", name, input, (int)k,
                        got, want);
            fail();
        }
    }
}

/* Checks the gradients of `loss` for every input. An input that it does not depend on has none. */
static void check_gradients(probe *p, value loss, const char *name)
{
    value gradient[MAX_INPUTS];
    int arrived = 0;
    graph_output(p->g, loss, p->n_in);
    plan *of_loss = make_plan(p);
    assert_int_equal(graph_gradients(p->g, loss, p->in, p->n_in, gradient), OK);
    for (int i = 0; i < p->n_in; i++) {
        if (gradient[i] == NONE)
            continue;
        assert_true(shape_equal(graph_shape(p->g, gradient[i]), graph_shape(p->g, p->in[i])));
        graph_output(p->g, gradient[i], p->n_in + 1 + i);
        arrived++;
    }
    assert_true(arrived > 0);
    plan *of_gradients = make_plan(p);
    assert_int_equal(plan_run(of_gradients, p->bound, 2 * p->n_in + 1, NULL), OK);
    for (int i = 0; i < p->n_in; i++)
        compare_gradient(p, of_loss, i, name);
    plan_free(of_loss);
    plan_free(of_gradients);
}

static void mark_ops(const graph *g, int *seen)
{
    for (int32_t k = 0; k < g->n_nodes; k++)
        seen[g->nodes[k].op]++;
}

static void check_first_order(const function *f, int *seen)
{
    probe p;
    probe_open(&p, f);
    value loss = weigh(&p, f->build(p.g, p.in, f->p));
    mark_ops(p.g, seen);
    check_gradients(&p, loss, f->name);
    probe_close(&p);
}

/* The gradient of a weighted sum of all gradients of sum(w y^2): the square makes even a linear op's gradient
 * depend on its inputs. */
static void check_second_order(const function *f)
{
    probe p;
    probe_open(&p, f);
    value y = f->build(p.g, p.in, f->p), gradient[MAX_INPUTS], sum = NONE;
    value loss = weigh(&p, op_mul(p.g, y, y));
    assert_int_equal(graph_gradients(p.g, loss, p.in, p.n_in, gradient), OK);
    for (int i = 0; i < p.n_in; i++) {
        assert_int_not_equal(gradient[i], NONE);
        value part = weigh(&p, gradient[i]);
        sum = sum == NONE ? part : op_add(p.g, sum, part);
    }
    check_gradients(&p, sum, f->name);
    probe_close(&p);
}

enum { N_SMOOTH = sizeof smooth_functions / sizeof *smooth_functions };
enum { N_FUSED = sizeof fused_functions / sizeof *fused_functions };

/* Products a[M,K] b[K,N], each side stored as it is or transposed, with leading axes on both, one or none. */
static function product(int k, int trans_a, int trans_b)
{
    static const struct {
        int rank_a, rank_b;
    } ranks[] = {{2, 2}, {3, 3}, {4, 4}, {3, 2}, {4, 2}, {2, 3}};
    const int64_t lead[2] = {2, 3}, m = 3, inner = 4, n = 2;
    function f = {"matmul",          f_matmul, REAL, 2, {{ranks[k].rank_a, {0}}, {ranks[k].rank_b, {0}}},
                  {trans_a, trans_b}};
    for (int side = 0; side < 2; side++) {
        int rank = f.in[side].rank, trans = side ? trans_b : trans_a;
        int64_t rows = side ? inner : m, cols = side ? n : inner;
        for (int i = 0; i < rank - 2; i++)
            f.in[side].dim[i] = lead[i];
        f.in[side].dim[rank - 2] = trans ? cols : rows;
        f.in[side].dim[rank - 1] = trans ? rows : cols;
    }
    return f;
}

enum { N_PRODUCTS = 6 };

/* No gradient passes: piecewise constant, or of int32. Tested below. */
static int is_flat(int op)
{
    static const unsigned char flat[BK_OP_COUNT] = {
        [BK_SIGN] = 1,   [BK_STEP] = 1,    [BK_LESS] = 1,   [BK_EQUAL] = 1, [BK_CAST] = 1, [BK_ONE_HOT] = 1,
        [BK_ARGMAX] = 1, [BK_UNIFORM] = 1, [BK_NORMAL] = 1, [BK_DETACH] = 1 /* test_state */};
    return flat[op];
}

static void gradients_of_every_op_match_finite_differences(void **state)
{
    (void)state;
    int seen[BK_OP_COUNT] = {0};
    for (int i = 0; i < N_SMOOTH; i++)
        check_first_order(&smooth_functions[i], seen);
    for (int i = 0; i < N_FUSED; i++)
        check_first_order(&fused_functions[i], seen);
    for (int i = 0; i < 4 * N_PRODUCTS; i++) {
        function f = product(i / 4, i & 1, i >> 1 & 1);
        check_first_order(&f, seen);
    }
    for (int op = 0; op < BK_OP_COUNT; op++) {
        int flat = is_flat(op);
        if (op_rules[op]->gradient && !flat && !seen[op])
            print_error("no case for %s\n", op_rules[op]->name);
        assert_true(!op_rules[op]->gradient || flat || seen[op]);
    }
}

static void gradients_of_gradients_match_finite_differences(void **state)
{
    (void)state;
    for (int i = 0; i < N_SMOOTH; i++)
        check_second_order(&smooth_functions[i]);
    for (int i = 0; i < 4 * N_PRODUCTS; i++) {
        function f = product(i / 4, i & 1, i >> 1 & 1);
        check_second_order(&f);
    }
}

/* ---- what gradients do besides ---- */

typedef struct sketch {
    test_memory memory;
    mem m;
    graph *g;
} sketch;

static void sketch_open(sketch *s)
{
    test_memory_init(&s->memory);
    mem_init(&s->m, guard_alloc, guard_free, &s->memory, 0);
    assert_int_equal(graph_create(&s->m, BK_F64, &s->g), OK);
}

static void sketch_close(sketch *s)
{
    graph_free(s->g);
    assert_int_equal(s->memory.live, 0);
    assert_int_equal(s->m.live, 0);
    assert_true(test_memory_is_whole(&s->memory));
}

/* Builds sum(f(x)^2), differentiates it `times` times; the last must fail and name the op. */
static void check_no_rule(const function *f, int times, const char *op)
{
    sketch s;
    value in[MAX_INPUTS], d[MAX_INPUTS];
    sketch_open(&s);
    for (int i = 0; i < f->n_in; i++)
        in[i] = graph_bound(s.g, i, shape(f->in[i].rank, f->in[i].dim));
    value y = f->build(s.g, in, f->p), loss = op_sum_all(s.g, op_mul(s.g, y, y));
    for (int t = 1; t < times; t++) {
        assert_int_equal(graph_gradients(s.g, loss, in, 1, d), OK);
        loss = op_sum_all(s.g, op_mul(s.g, d[0], d[0]));
    }
    assert_int_equal(graph_gradients(s.g, loss, in, 1, d), ERR_UNSUPPORTED);
    assert_non_null(strstr(status_text(), op));
    assert_non_null(strstr(status_text(), "no gradient rule"));
    assert_int_equal(graph_status(s.g), ERR_UNSUPPORTED);
    assert_int_equal(op_exp(s.g, in[0]), NONE);
    sketch_close(&s);
}

static void an_op_without_a_rule_is_named(void **state)
{
    (void)state;
    check_no_rule(&fused_functions[0], 2, "op attention_grad");
    check_no_rule(&fused_functions[3], 2, "window_attention_grad");
}

/* Made by an op without a rule. */
static value attention_gradient(graph *g, value qkv)
{
    value d;
    assert_int_equal(graph_gradients(g, op_sum_all(g, op_attention(g, qkv, 1, 1)), &qkv, 1, &d), OK);
    return d;
}

static void an_op_without_a_rule_is_no_matter_where_no_gradient_passes(void **state)
{
    (void)state;
    sketch s;
    sketch_open(&s);
    value x = graph_bound(s.g, 0, SHAPE(3, 1, 2, 6)), y = graph_bound(s.g, 1, SHAPE(3, 1, 2, 6)), d;
    value loss = op_sum_all(s.g, op_mul(s.g, x, attention_gradient(s.g, y)));
    attention_gradient(s.g, x); /* reads x, but the loss does not read it */
    assert_int_equal(graph_gradients(s.g, loss, &x, 1, &d), OK);
    assert_int_not_equal(d, NONE);
    sketch_close(&s);
}

static void what_the_loss_does_not_depend_on_has_no_gradient(void **state)
{
    (void)state;
    sketch s;
    sketch_open(&s);
    value x = graph_bound(s.g, 0, SHAPE(1, 3)), unread = graph_bound(s.g, 1, SHAPE(1, 3));
    value flat = graph_bound(s.g, 2, SHAPE(1, 3)), d[4];
    value index, steps = op_add(s.g, op_sign(s.g, flat), op_step(s.g, flat, 0.1));
    steps = op_add(s.g, steps, op_less_equal(s.g, flat, op_not(s.g, flat)));
    steps = op_add(s.g, steps, op_one_hot(s.g, op_argmax(s.g, flat, 0), 3, -1));
    op_sort(s.g, flat, &index);
    steps = op_add(s.g, steps, op_cast(s.g, index));
    value loss = op_sum_all(s.g, op_mul(s.g, x, steps));
    const value wrt[4] = {x, unread, flat, loss};
    assert_int_equal(graph_gradients(s.g, loss, wrt, 4, d), OK);
    assert_int_not_equal(d[0], NONE);
    assert_int_equal(d[1], NONE);
    assert_int_equal(d[2], NONE);
    assert_int_not_equal(d[3], NONE);
    sketch_close(&s);
}

/* loss = sum((x^2)^2): for x^2 = u it is 2u, for x 4x^3, for the loss itself 1. */
static void inner_values_and_the_loss_have_gradients(void **state)
{
    (void)state;
    probe p;
    const function f = {"inner", NULL, AWAY, 1, {{1, {4}}}, {0}};
    double of_u[4], of_loss = 0;
    probe_open(&p, &f);
    value u = op_mul(p.g, p.in[0], p.in[0]), loss = op_sum_all(p.g, op_mul(p.g, u, u)), d[3];
    const value wrt[3] = {p.in[0], u, loss};
    assert_int_equal(graph_gradients(p.g, loss, wrt, 3, d), OK);
    graph_output(p.g, d[0], 1);
    graph_output(p.g, d[1], 2);
    graph_output(p.g, d[2], 3);
    plan *made = make_plan(&p);
    void *bound[] = {p.data[0], p.gradient[0], of_u, &of_loss};
    assert_int_equal(plan_run(made, bound, 4, NULL), OK);
    for (int i = 0; i < 4; i++) {
        double x = p.data[0][i];
        assert_true(fabs(of_u[i] - 2 * x * x) < 1e-14);
        assert_true(fabs(p.gradient[0][i] - 4 * x * x * x) < 1e-13);
    }
    assert_true(of_loss == 1);
    plan_free(made);
    probe_close(&p);
}

static void gradients_are_of_a_single_number(void **state)
{
    (void)state;
    sketch s;
    sketch_open(&s);
    value x = graph_bound(s.g, 0, SHAPE(1, 3)), d;
    assert_int_equal(graph_gradients(s.g, op_exp(s.g, x), &x, 1, &d), ERR_INTERNAL);
    assert_non_null(strstr(status_text(), "single number"));
    sketch_close(&s);
}

/* ---- shapes ---- */

#define BAD(name, text, expression)                                                                          \
    static value name(graph *g, const value *x, const int *p)                                                \
    {                                                                                                        \
        (void)p, (void)x;                                                                                    \
        return expression;                                                                                   \
    }                                                                                                        \
    static const char name##_text[] = text;

/* x[0] [2,3,4], x[1] [4], x[2] [4,5], x[3] [2,3,24], x[4] int32 [2,2] */
BAD(bad_reshape, "op reshape got [2,3,4]", op_view(g, x[0], 2, 5, 5))
BAD(bad_free_axis, "op reshape got [2,3,4]", op_view(g, x[0], 2, 5, -1))
BAD(bad_two_free_axes, "op reshape got [2,3,4]", op_view(g, x[0], 3, -1, 3, -1))
BAD(bad_permutation, "op transpose got [2,3,4]: axes must be a permutation", op_permute(g, x[0], 0, 1, 1))
BAD(bad_transpose_axis, "op transpose got [2,3,4]", op_permute(g, x[0], 0, 1, 3))
BAD(bad_slice_end, "op slice got [2,3,4]: the slice must lie inside", op_slice(g, x[0], 1, 2, 2))
BAD(bad_slice_first, "op slice got [2,3,4]", op_slice(g, x[0], 1, -1, 2))
BAD(bad_slice_far, "op slice got [2,3,4]", op_slice(g, x[0], 1, INT64_MAX, 2))
BAD(bad_slice_axis, "op slice got [2,3,4]: no such axis", op_slice(g, x[0], 3, 0, 1))
BAD(bad_slice_negative_axis, "op slice got [2,3,4]: no such axis", op_slice(g, x[0], -1, 0, 1))
BAD(bad_pad, "op pad got [4,5]", graph_node(g, BK_PAD, &(bk_attr){.axes = {1}}, &x[2], 1, &SHAPE(2, 4, 5)))
BAD(bad_concat, "op concat got [2,3,4], [4]: shapes must be equal on all other axes", op_concat(g, 0, x, 2))
BAD(bad_concat_axis, "op concat got [4,5], [4,5]: no such axis",
    op_concat(g, 2, (const value[]){x[2], x[2]}, 2))
BAD(bad_concat_count, "concat takes 2 to 8 inputs, not 9",
    op_concat(g, 0, (const value[]){x[1], x[1], x[1], x[1], x[1], x[1], x[1], x[1], x[1]}, 9))
BAD(bad_concat_one, "concat takes 2 to 8 inputs, not 1", op_concat(g, 0, x, 1))
BAD(bad_concat_type, "op concat got [2,2], [2,2]",
    op_concat(g, 0, (const value[]){x[4], op_slice(g, op_slice(g, x[2], 0, 0, 2), 1, 0, 2)}, 2))
BAD(bad_broadcast, "op broadcast got [4,5]: each axis", op_broadcast(g, x[2], &SHAPE(2, 4, 10)))
BAD(bad_broadcast_rank, "op broadcast got [4]: ranks must be equal", op_broadcast(g, x[1], &SHAPE(2, 2, 4)))
BAD(bad_gather, "op gather got [2,3,4], [4,5]", op_gather(g, x[0], x[2]))
BAD(bad_gather_rank, "op gather got [4,5], [2,2]", op_gather(g, x[2], x[4]))
BAD(bad_scatter, "op scatter got [2,3,4], [2,2]",
    graph_node(g, BK_SCATTER, &(bk_attr){0}, (const value[]){x[0], x[4]}, 2, &SHAPE(3, 2, 9, 4)))
BAD(bad_add, "op add got [2,3,4], [1,4,5]: each axis must be equal, or 1 in one of them",
    op_add(g, x[0], x[2]))
BAD(bad_gelu_grad, "op gelu_grad got [2,3,4], [1,1,4]: shapes must be equal", op_gelu_grad(g, x[0], x[1]))
BAD(bad_add_type, "op add got [2,2], [2,2]: ranks and types",
    op_add(g, x[4], op_slice(g, op_slice(g, x[2], 0, 0, 2), 1, 0, 2)))
BAD(bad_where, "op where got [2,3,4], [1,1,4], [1,4,5]: each axis must be equal, or 1",
    op_where(g, x[0], x[1], x[2]))
BAD(bad_where_type, "ranks and types must be equal", op_where(g, x[2], x[2], x[4]))
BAD(bad_sort, "op sort got [2,2]: expected real x[...,N]", op_sort(g, x[4], &(value){0}))
BAD(bad_cast, "op cast got [4,5]: expected int32 numbers", op_cast(g, x[2]))
BAD(bad_one_hot, "op one_hot got [4,5]: expected an int32 label", op_one_hot(g, x[2], 3, -1))
BAD(bad_one_hot_classes, "an axis of 0 classes does not fit the shape", op_one_hot(g, x[4], 0, -1))
BAD(bad_argmax, "op argmax got [4,5]: expected real x and one of its axes", op_argmax(g, x[2], 2))
BAD(bad_labels, "op cross_entropy got [2,3,4], [2,2]: expected x[...,K], an int32 label[...]",
    op_cross_entropy(g, x[0], x[4], NONE, -1, &(value){0}))
BAD(bad_class_weights, "and as weights w[K]",
    op_cross_entropy(g, op_view(g, x[0], 3, 2, 2, 6), x[4], x[1], -1, &(value){0}))
BAD(bad_key, "op uniform got [2,2]: expected an int32 key[4]", op_uniform(g, x[4], 1, graph_shape(g, x[0])))
BAD(bad_matmul, "op matmul got [4,5], [4,5]: inner dimensions differ", op_matmul(g, x[2], x[2], 0, 0))
BAD(bad_matmul_rank, "op matmul got [4,5], [4]", op_matmul(g, x[2], x[1], 0, 0))
BAD(bad_matmul_batch, "op matmul got [2,3,4], [3,4,2]: leading axes differ",
    op_matmul(g, x[0], op_permute(g, x[0], 1, 2, 0), 0, 0))
BAD(bad_linear, "op linear got [2,3,4], [4,5]", op_linear(g, x[0], x[2], NONE))
BAD(bad_linear_bias, "expected bias[N]",
    op_linear(g, op_permute(g, x[2], 1, 0), op_permute(g, x[2], 1, 0), x[1]))
BAD(bad_layer_norm, "op layer_norm got [4,5], [4], [4]", op_layer_norm(g, x[2], x[1], x[1], 1e-5))
BAD(bad_softmax, "op softmax got []", op_softmax(g, op_sum_all(g, x[0])))
BAD(bad_heads, "op attention got [2,3,24]", op_attention(g, x[3], 5, 1))
BAD(bad_no_heads, "op attention got [2,3,24]", op_attention(g, x[3], 0, 1))
BAD(bad_grid, "the grid must have as many cells as tokens",
    op_window_attention(g, x[3], x[2], (window_grid){2, 2, 2, 0}, 1, 1))
BAD(bad_window, "the window must divide it",
    op_window_attention(g, x[3], x[2], (window_grid){3, 1, 2, 0}, 1, 1))
BAD(bad_no_window, "the window must divide it",
    op_window_attention(g, x[3], x[2], (window_grid){3, 1, 0, 0}, 1, 1))
BAD(bad_shift, "the shift must be less than the window",
    op_window_attention(g, x[3], x[2], (window_grid){3, 1, 1, 1}, 1, 1))
BAD(bad_conv_rank, "op conv got [4,5], [4,5]: expected x[B,S...,C]", op_conv(g, x[2], x[2], NONE, 1, 0))
BAD(bad_conv_channels, "op conv got [2,3,4], [2,3,4]", op_conv(g, x[0], x[0], NONE, 1, 0))
BAD(bad_conv_kernel, "op conv got [2,3,4], [1,4,6]",
    op_conv(g, x[0], op_view(g, x[0], 3, 1, 4, 6), NONE, 1, 1))
BAD(bad_conv_stride, "op conv got [2,3,4], [6,4,1]",
    op_conv(g, x[0], op_view(g, x[0], 3, 6, 4, 1), NONE, 0, 0))
BAD(bad_conv_bias, "expected bias[O]", op_conv(g, x[0], op_view(g, x[0], 3, 6, 4, 1), x[1], 1, 0))
BAD(bad_conv_groups, "op conv got [2,3,4], [6,4,1]: expected x[B,S...,C] and weight[O,C/groups,K...]",
    op_convolve(g, x[0], op_view(g, x[0], 3, 6, 4, 1), NONE, &(op_window){{1}, {1}, {0}, {0}, 2}))
BAD(bad_conv_dilation, "op conv got [2,3,4], [6,4,1]",
    op_convolve(g, x[0], op_view(g, x[0], 3, 6, 4, 1), NONE, &(op_window){{1}, {0}, {0}, {0}, 1}))
BAD(bad_conv_transpose, "op_conv_transpose got [2,3,4], [4,6,1]: expected",
    op_conv_transpose(g, x[0], op_view(g, x[0], 3, 4, 6, 1), NONE, &(op_window){{2}, {1}, {0}, {0}, 1},
                      (const int32_t[]){2}))
BAD(bad_conv_transpose_channels, "op conv_grad_input got [6,4,1], [2,3,4]",
    op_conv_transpose(g, x[0], op_view(g, x[0], 3, 6, 4, 1), NONE, &(op_window){{2}, {1}, {0}, {0}, 1}, NULL))
BAD(bad_conv_grad, "op conv_grad_input got [6,4,1], [2,3,4]: expected weight[O,C/groups,K...] and dy",
    graph_node(g, BK_CONV_GRAD_INPUT, &(bk_attr){.stride = {1}, .dilation = {1}, .groups = 1},
               (const value[]){op_view(g, x[0], 3, 6, 4, 1), x[0]}, 2, &SHAPE(3, 2, 3, 4)))
BAD(bad_conv_grad_weight,
    "op conv_grad_weight got [2,3,4], [2,3,4]: expected x[B,S...,C] and dy of the convolution",
    graph_node(g, BK_CONV_GRAD_WEIGHT, &(bk_attr){.stride = {1}, .dilation = {1}, .groups = 1},
               (const value[]){x[0], x[0]}, 2, &SHAPE(3, 6, 4, 1)))
BAD(bad_reflect, "op reflect got [2,3,4]: a mirror must be shorter", op_reflect(g, x[0], 3))
BAD(bad_reflect_grad, "op reflect_grad got [2,3,4]: a mirror must be shorter",
    graph_node(g, BK_REFLECT_GRAD, &(bk_attr){.axes = {0, 2}}, &x[0], 1, NULL))
BAD(bad_resize, "op resize_linear got [4,5]", op_resize_linear(g, x[2], (const int64_t[]){1}))
BAD(bad_resize_length, "a length must be at least 1", op_resize_linear(g, x[0], (const int64_t[]){0}))
BAD(bad_instance_norm, "op instance_norm got [4,5]", op_instance_norm(g, x[2], 1e-5, 1))
BAD(bad_instance_norm_grad, "op instance_norm_grad got [2,3,4], [2,3,24]: expected x[B,S...,C], dy like x",
    graph_node(g, BK_INSTANCE_NORM_GRAD, &(bk_attr){.alpha = 1}, (const value[]){x[0], x[3]}, 2, NULL))
BAD(bad_table, "expected a bias table", op_window_attention(g, x[3], x[2], (window_grid){3, 1, 1, 0}, 1, 1))
BAD(bad_slot, "slot -1 is below 0", graph_bound(g, -1, SHAPE(1, 2)))
BAD(bad_group_norm, "op group_norm got [2,3,4], [4], [4]: expected x[B,S...,C], gain[C], bias[C], and groups",
    graph_node(g, BK_GROUP_NORM, &(bk_attr){.groups = 3}, (const value[]){x[0], x[1], x[1]}, 3, NULL))
BAD(bad_group_norm_grad, "op group_norm_grad got [2,3,4], [4], [4], [4,5]",
    graph_node(g, BK_GROUP_NORM_GRAD, &(bk_attr){.groups = 2}, (const value[]){x[0], x[1], x[1], x[2]}, 4,
               NULL))
BAD(bad_layer_norm_grad, "op layer_norm_grad got [4,5], [4], [4,5]: expected x[...,C], gain[C], dy like x",
    graph_node(g, BK_LAYER_NORM_GRAD, &(bk_attr){0}, (const value[]){x[2], x[1], x[2]}, 3, NULL))
BAD(bad_cross_entropy_grad, "op cross_entropy_grad got [2,3,4], [2,2], [4]: expected x[...,K]",
    graph_node(g, BK_CROSS_ENTROPY_GRAD, &(bk_attr){0}, (const value[]){x[0], x[4], x[1]}, 3, NULL))
BAD(bad_adam, "weight, gradient and both moments must have equal shapes",
    graph_node(g, BK_ADAM, &(bk_attr){0}, (const value[]){x[2], x[0], x[2], x[2], x[1]}, 5, NULL))
BAD(bad_adam_scalars, "expected three scalars in float64",
    graph_node(g, BK_ADAM, &(bk_attr){0}, (const value[]){x[2], x[2], x[2], x[2], x[1]}, 5, NULL))
BAD(bad_pick, "op pick got [2,3,4], [2,2]: expected x[B,N,C] and an int32 index[B,K,C]",
    graph_node(g, BK_PICK, &(bk_attr){0}, (const value[]){x[0], x[4]}, 2, NULL))
BAD(bad_put, "op put got [2,3,4], [2,2]: expected y[B,K,C]",
    graph_node(g, BK_PUT, &(bk_attr){0}, (const value[]){x[0], x[4]}, 2, &SHAPE(3, 2, 9, 4)))
BAD(bad_max_pool, "op max_pool got [4,5]: expected x[B,S...,C]",
    graph_node(g, BK_MAX_POOL, &(bk_attr){0}, &x[2], 1, &SHAPE(2, 4, 5)))
BAD(bad_max_pool_rank, "op max_pool got [4,5]: expected x[B,S...,C] with 1 to 3 axes S",
    op_max_pool(g, x[2], &(pool_window){.kernel = {1}}, NULL))
BAD(bad_adaptive_max_pool_rank, "op max_pool got [4,5]: expected x[B,S...,C] with 1 to 3 axes S",
    op_adaptive_max_pool(g, x[2], (const int64_t[]){1}, NULL))
BAD(bad_unpool_rank, "op unpool got [4,5]: expected x[B,S...,C] with 1 to 3 axes S",
    op_unpool(g, x[2], x[4], (const int64_t[]){1}))
BAD(bad_adaptive_pool_rank, "op adaptive_average_pool got [4,5]: expected",
    op_adaptive_average_pool(g, x[2], (const int64_t[]){1}))
BAD(bad_global_average, "op global_average_pool got [4,5]: expected", op_global_average_pool(g, x[2]))
BAD(bad_global_max, "op global_max_pool got [4,5]: expected", op_global_max_pool(g, x[2]))
BAD(bad_take, "op gather got [1,4,1], [2,2]: expected x[B,N,C]", op_take(g, x[1], x[4]))
BAD(bad_average_pool, "op average_pool got [4,5]: expected x[B,S...,C] with 1 to 3 axes S",
    op_average_pool(g, x[2], &(pool_window){.kernel = {1}, .stride = {1}}))
BAD(bad_average_window, "a window of 2 with padding 2 does not fit an axis of 3",
    op_average_pool(g, x[0], &(pool_window){.kernel = {2}, .stride = {1}, .pad = {2}}))
BAD(bad_adaptive_pool, "op adaptive_average_pool: a size must be at least 1",
    op_adaptive_average_pool(g, x[0], (const int64_t[]){0}))
BAD(bad_linear_type, "expected a weight of the input's type, or of 16-bit floats",
    op_linear(g, op_slice(g, x[0], 2, 0, 2), x[4], NONE))
BAD(bad_linear_residual, "the residual must have the result's shape",
    graph_node(g, BK_LINEAR, &(bk_attr){.has_residual = 1},
               (const value[]){x[0], op_permute(g, op_view(g, x[0], 2, 4, 6), 1, 0), x[2]}, 3, NULL))
BAD(bad_resize_mode, "expected a mode of enum bk_resize",
    graph_node(g, BK_RESIZE_LINEAR, &(bk_attr){.mode = 99}, &x[0], 1, &SHAPE(3, 2, 6, 4)))

#define ROW(name)                                                                                            \
    {                                                                                                        \
#name, name##_text, name                                                                             \
    }

static const struct {
    const char *name, *text;
    build_fn build;
} bad[] = {
    ROW(bad_reshape),
    ROW(bad_free_axis),
    ROW(bad_two_free_axes),
    ROW(bad_permutation),
    ROW(bad_transpose_axis),
    ROW(bad_slice_end),
    ROW(bad_slice_first),
    ROW(bad_slot),
    ROW(bad_group_norm),
    ROW(bad_group_norm_grad),
    ROW(bad_layer_norm_grad),
    ROW(bad_cross_entropy_grad),
    ROW(bad_adam),
    ROW(bad_adam_scalars),
    ROW(bad_pick),
    ROW(bad_put),
    ROW(bad_max_pool),
    ROW(bad_average_pool),
    ROW(bad_average_window),
    ROW(bad_adaptive_pool),
    ROW(bad_linear_type),
    ROW(bad_linear_residual),
    ROW(bad_resize_mode),
    ROW(bad_slice_far),
    ROW(bad_slice_axis),
    ROW(bad_slice_negative_axis),
    ROW(bad_pad),
    ROW(bad_concat),
    ROW(bad_concat_axis),
    ROW(bad_concat_count),
    ROW(bad_concat_one),
    ROW(bad_concat_type),
    ROW(bad_broadcast),
    ROW(bad_broadcast_rank),
    ROW(bad_gather),
    ROW(bad_gather_rank),
    ROW(bad_scatter),
    ROW(bad_add),
    ROW(bad_gelu_grad),
    ROW(bad_add_type),
    ROW(bad_where),
    ROW(bad_where_type),
    ROW(bad_sort),
    ROW(bad_cast),
    ROW(bad_one_hot),
    ROW(bad_one_hot_classes),
    ROW(bad_argmax),
    ROW(bad_labels),
    ROW(bad_class_weights),
    ROW(bad_key),
    ROW(bad_matmul),
    ROW(bad_matmul_rank),
    ROW(bad_matmul_batch),
    ROW(bad_linear),
    ROW(bad_linear_bias),
    ROW(bad_layer_norm),
    ROW(bad_softmax),
    ROW(bad_heads),
    ROW(bad_no_heads),
    ROW(bad_grid),
    ROW(bad_window),
    ROW(bad_no_window),
    ROW(bad_shift),
    ROW(bad_conv_rank),
    ROW(bad_conv_channels),
    ROW(bad_conv_kernel),
    ROW(bad_conv_stride),
    ROW(bad_conv_bias),
    ROW(bad_conv_groups),
    ROW(bad_conv_dilation),
    ROW(bad_conv_transpose),
    ROW(bad_conv_transpose_channels),
    ROW(bad_conv_grad),
    ROW(bad_conv_grad_weight),
    ROW(bad_reflect_grad),
    ROW(bad_instance_norm_grad),
    ROW(bad_max_pool_rank),
    ROW(bad_adaptive_max_pool_rank),
    ROW(bad_unpool_rank),
    ROW(bad_adaptive_pool_rank),
    ROW(bad_global_average),
    ROW(bad_global_max),
    ROW(bad_take),
    ROW(bad_reflect),
    ROW(bad_resize),
    ROW(bad_resize_length),
    ROW(bad_instance_norm),
    ROW(bad_table),
};

/* Ops that are made of others, and those that have a second result, which is none either. */
static void check_composed_ops_stay_failed(graph *g, const value *x)
{
    const pool_window window = {.kernel = {1}};
    const op_window line = op_window_of(1, 0);
    const int64_t one[] = {1};
    batch_moments moments = {x[0], x[0]};
    value second[4] = {x[0], x[0], x[0], x[0]};
    assert_int_equal(op_where(g, NONE, x[0], x[0]), NONE);
    assert_int_equal(op_one_hot(g, NONE, 3, -1), NONE);
    assert_int_equal(op_argmax(g, NONE, 0), NONE);
    assert_int_equal(op_cross_entropy(g, NONE, NONE, NONE, -1, &second[0]), NONE);
    assert_int_equal(op_top_k(g, NONE, 1, &second[1]), NONE);
    assert_int_equal(op_take(g, NONE, NONE), NONE);
    assert_int_equal(op_put(g, NONE, NONE, 1), NONE);
    assert_int_equal(op_batch_norm(g, NONE, NONE, NONE, 1, 1, &moments), NONE);
    assert_int_equal(op_batch_norm_inference(g, NONE, NONE, NONE, NONE, NONE, 1), NONE);
    assert_int_equal(op_conv_transpose(g, NONE, NONE, NONE, &line, NULL), NONE);
    assert_int_equal(op_max_pool(g, NONE, &window, &second[2]), NONE);
    assert_int_equal(op_adaptive_max_pool(g, NONE, one, &second[3]), NONE);
    assert_int_equal(op_unpool(g, NONE, NONE, one), NONE);
    assert_int_equal(op_average_pool(g, NONE, &window), NONE);
    assert_int_equal(op_adaptive_average_pool(g, NONE, one), NONE);
    assert_int_equal(op_global_average_pool(g, NONE), NONE);
    assert_int_equal(op_global_max_pool(g, NONE), NONE);
    assert_int_equal(op_dropout(g, NONE, NONE, 1, 0.5), NONE);
    for (int i = 0; i < 4; i++)
        assert_int_equal(second[i], NONE);
    assert_true(moments.mean == NONE && moments.variance == NONE);
}

/* Every way to go on with a failed graph: nothing is added, nothing changes the first failure. */
static void check_stays_failed(graph *g, const value *x, status first)
{
    int32_t values = g->n_values, nodes = g->n_nodes, constants = g->n_constants, layers = g->n_layers;
    char text[STATUS_TEXT_MAX];
    double number = 1;
    value d;
    strcpy(text, status_text());
    check_composed_ops_stay_failed(g, x);
    graph_layer(g, "layer");
    graph_assign(g, NONE, NONE);
    graph_hold(g, x[0], 0);
    assert_int_equal(graph_bound(g, 9, SHAPE(1, 2)), NONE);
    assert_int_equal(graph_constant(g, SHAPE(0, 0), &number), NONE);
    assert_int_equal(op_exp(g, x[0]), NONE);
    assert_int_equal(op_exp(g, NONE), NONE);
    assert_int_equal(op_add(g, NONE, x[0]), NONE);
    assert_int_equal(op_view(g, NONE, 2, 1, -1), NONE);
    assert_int_equal(op_permute(g, NONE, 0), NONE);
    assert_int_equal(op_slice(g, NONE, 0, 0, 1), NONE);
    assert_int_equal(op_concat(g, 0, (const value[]){NONE, x[0]}, 2), NONE);
    assert_int_equal(op_broadcast(g, NONE, &SHAPE(1, 2)), NONE);
    assert_int_equal(op_gather(g, NONE, NONE), NONE);
    assert_int_equal(op_mean_all(g, NONE), NONE);
    assert_int_equal(op_matmul(g, NONE, NONE, 0, 0), NONE);
    assert_int_equal(op_linear(g, NONE, NONE, NONE), NONE);
    assert_int_equal(op_layer_norm(g, NONE, NONE, NONE, 1), NONE);
    assert_int_equal(op_softmax(g, NONE), NONE);
    assert_int_equal(op_instance_norm(g, NONE, 1, 1), NONE);
    assert_int_equal(op_conv(g, NONE, NONE, NONE, 1, 0), NONE);
    assert_int_equal(op_reflect(g, NONE, 1), NONE);
    assert_int_equal(op_resize_linear(g, NONE, (const int64_t[]){1}), NONE);
    assert_int_equal(op_attention(g, NONE, 1, 1), NONE);
    assert_int_equal(op_window_attention(g, NONE, NONE, (window_grid){1, 1, 1, 0}, 1, 1), NONE);
    assert_int_equal(op_sum_to(g, NONE, &SHAPE(1, 2)), NONE);
    assert_int_equal(op_adam(g, (adam_values){NONE, NONE, NONE}, NONE, NONE, (adam_settings){0}).weight,
                     NONE);
    assert_int_equal(graph_dim(g, NONE, -1), 1);
    graph_output(g, NONE, 0);
    graph_output(g, x[0], 0);
    assert_int_equal(graph_gradients(g, x[0], x, 1, &d), first);
    assert_int_equal(graph_status(g), first);
    assert_string_equal(status_text(), text);
    assert_true(g->n_values == values && g->n_nodes == nodes && g->n_constants == constants);
    assert_int_equal(g->n_layers, layers);
    assert_true(g->values[x[0]].held < 0 && g->values[x[0]].output < 0);
}

static void shapes_that_do_not_fit_are_named_and_the_graph_stays_failed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sketch s;
        sketch_open(&s);
        const value x[] = {graph_bound(s.g, 0, SHAPE(3, 2, 3, 4)), graph_bound(s.g, 1, SHAPE(1, 4)),
                           graph_bound(s.g, 2, SHAPE(2, 4, 5)), graph_bound(s.g, 3, SHAPE(3, 2, 3, 24)),
                           graph_bound(s.g, 4, shape_of(BK_I32, 2, (const int64_t[]){2, 2}))};
        value y = bad[i].build(s.g, x, NULL);
        if (y != NONE || !strstr(status_text(), bad[i].text))
            print_error("%s: expected \"%s\", got \"%s\"\n", bad[i].name, bad[i].text, status_text());
        assert_int_equal(y, NONE);
        assert_non_null(strstr(status_text(), bad[i].text));
        check_stays_failed(s.g, x, ERR_INTERNAL);
        sketch_close(&s);
    }
}

static void a_missing_input_on_a_good_graph_is_an_error(void **state)
{
    (void)state;
    sketch s;
    sketch_open(&s);
    assert_int_equal(op_exp(s.g, NONE), NONE);
    assert_int_equal(graph_status(s.g), ERR_INTERNAL);
    assert_string_equal(status_text(), "input 0 of exp is missing");
    sketch_close(&s);
}

static void assert_shape(const graph *g, value v, const char *expected)
{
    char text[128];
    assert_int_equal(graph_status(g), OK);
    assert_int_not_equal(v, NONE);
    assert_string_equal(shape_text(graph_shape(g, v), text), expected);
}

static void shapes_follow_from_the_inputs(void **state)
{
    (void)state;
    sketch s;
    sketch_open(&s);
    graph *g = s.g;
    value x = graph_bound(g, 0, SHAPE(3, 2, 3, 4)), row = graph_bound(g, 1, SHAPE(1, 4));
    value w = graph_bound(g, 2, SHAPE(2, 5, 4)), qkv = graph_bound(g, 3, SHAPE(3, 2, 6, 24));
    value index = graph_bound(g, 4, shape_of(BK_I32, 2, (const int64_t[]){2, 7}));
    value table = graph_bound(g, 5, SHAPE(2, 9, 4)), one = graph_bound(g, 6, SHAPE(0, 0));

    assert_shape(g, op_view(g, x, 2, -1, 4), "[6,4]");
    assert_shape(g, op_view(g, x, 6, 1, 2, 1, 3, 4, 1), "[1,2,1,3,4,1]");
    assert_int_equal(op_view(g, x, 3, 2, -1, 4), x);
    assert_shape(g, op_permute(g, x, 2, 0, 1), "[4,2,3]");
    assert_shape(g, op_slice(g, x, 2, 1, 3), "[2,3,3]");
    assert_shape(g, op_concat(g, 1, (const value[]){x, x, op_slice(g, x, 1, 0, 1)}, 3), "[2,7,4]");
    assert_shape(g, op_broadcast(g, op_view(g, row, 3, 1, 1, 4), &SHAPE(3, 2, 3, 4)), "[2,3,4]");
    assert_int_equal(op_broadcast(g, x, &SHAPE(3, 2, 3, 4)), x);
    assert_shape(g, op_gather(g, x, index), "[2,7,4]");
    assert_int_equal(graph_shape(g, op_slice(g, index, 1, 2, 3))->dtype, BK_I32);
    assert_shape(g, op_add(g, row, x), "[2,3,4]");
    assert_shape(g, op_mul(g, x, one), "[2,3,4]");
    assert_shape(g, op_sub(g, op_view(g, row, 2, 4, 1), row), "[4,4]");
    assert_shape(g, op_sum(g, x, 5), "[1,3,1]");
    assert_shape(g, op_mean(g, x, 2), "[2,1,4]");
    assert_shape(g, op_reduce_max(g, x, 4), "[2,3,1]");
    assert_shape(g, op_sum_all(g, x), "[]");
    assert_shape(g, op_matmul(g, x, w, 0, 1), "[2,3,5]");
    assert_shape(g, op_matmul(g, x, x, 1, 0), "[2,4,4]");
    assert_shape(g, op_matmul(g, w, x, 0, 1), "[2,5,3]");
    assert_shape(g, op_linear(g, x, w, NONE), "[2,3,5]");
    assert_shape(g, op_linear(g, row, w, NONE), "[5]");
    assert_shape(g, op_softmax(g, row), "[4]");
    assert_shape(g, op_layer_norm(g, x, row, row, 1e-5), "[2,3,4]");
    value y = op_attention(g, qkv, 4, 1);
    assert_shape(g, y, "[2,6,8]");
    assert_shape(g, g->nodes[g->values[y].node].out[1], "[2,4,6]"); /* log-sum-exp */
    y = op_window_attention(g, op_view(g, qkv, 3, 2, 6, 24), table, (window_grid){2, 2, 2, 1}, 4, 1);
    assert_int_equal(y, NONE); /* 6 tokens on a 2 x 2 grid */
    sketch_close(&s);
}

/* ---- memory ---- */

static value build_and_differentiate(graph *g)
{
    const double half = 0.5;
    value x = graph_bound(g, 0, SHAPE(3, 2, 3, 4)), d[2] = {NONE, NONE};
    value w = graph_bound(g, 1, SHAPE(2, 4, 4)), y = x;
    for (int i = 0; i < 20; i++)
        y = op_mul(g, op_gelu(g, op_linear(g, y, w, NONE)), graph_constant(g, SHAPE(0, 0), &half));
    value loss = op_mean_all(g, y);
    if (graph_gradients(g, loss, (const value[]){x, w}, 2, d) != OK)
        return NONE;
    graph_output(g, d[0], 2);
    graph_output(g, d[1], 3);
    return d[1];
}

static void an_allocation_that_fails_anywhere_fails_the_graph_and_leaks_nothing(void **state)
{
    (void)state;
    int failures = 0;
    for (int64_t n = 1;; n++) {
        test_memory memory;
        mem m;
        graph *g = NULL;
        test_memory_init(&memory);
        mem_init(&m, guard_alloc, guard_free, &memory, 0);
        memory.fail_from = memory.fail_to = n; /* the others succeed: a failed graph must not go on */
        status s = graph_create(&m, BK_F64, &g);
        if (s == OK) {
            value last = build_and_differentiate(g);
            s = graph_status(g);
            assert_true((last == NONE) == (s != OK));
        }
        if (s != OK) {
            assert_int_equal(s, ERR_MEMORY);
            assert_string_equal(status_text(), "out of memory");
            failures++;
        }
        graph_free(g);
        assert_int_equal(memory.live, 0);
        assert_int_equal(m.live, 0);
        assert_true(test_memory_is_whole(&memory));
        if (s == OK)
            break;
    }
    assert_true(failures > 20); /* 20 constants at least */
    graph_free(NULL);
}

/* Builds a function, and the gradients of a sum of its gradients. Returns the last of them, or NONE. */
static value build_and_differentiate_twice(graph *g, const function *f)
{
    value in[MAX_INPUTS], d[MAX_INPUTS], sum = NONE;
    for (int i = 0; i < f->n_in; i++)
        in[i] = graph_bound(g, i, shape(f->in[i].rank, f->in[i].dim));
    graph_layer(g, f->name);
    if (g->error != OK)
        return NONE;
    value y = f->build(g, in, f->p);
    if (graph_gradients(g, op_sum_all(g, op_mul(g, y, y)), in, f->n_in, d) != OK)
        return NONE;
    for (int i = 0; i < f->n_in; i++) {
        value part = op_sum_all(g, op_mul(g, d[i], d[i]));
        sum = i ? op_add(g, sum, part) : part;
    }
    return graph_gradients(g, sum, in, f->n_in, d) == OK ? d[f->n_in - 1] : NONE;
}

/* Returns 1 if the n-th allocation was beyond the last. */
static int built_with_failure(const function *f, int64_t n)
{
    test_memory memory;
    mem m;
    graph *g = NULL;
    test_memory_init(&memory);
    mem_init(&m, guard_alloc, guard_free, &memory, 0);
    memory.fail_from = memory.fail_to = n;
    status s = graph_create(&m, BK_F64, &g);
    if (s == OK) {
        value last = build_and_differentiate_twice(g, f);
        s = graph_status(g);
        if ((last == NONE) != (s != OK))
            fail_msg("%s, allocation %lld", f->name, (long long)n);
    }
    if (s != OK && s != ERR_MEMORY)
        fail_msg("%s, allocation %lld: %s", f->name, (long long)n, status_text());
    graph_free(g);
    assert_int_equal(memory.live, 0);
    assert_int_equal(m.live, 0);
    assert_true(test_memory_is_whole(&memory));
    return s == OK;
}

static void an_allocation_that_fails_in_the_gradients_of_any_op_fails_the_graph(void **state)
{
    (void)state;
    for (int i = 0; i < N_SMOOTH; i++) {
        int64_t n = 1;
        while (!built_with_failure(&smooth_functions[i], n))
            n++;
        assert_true(n > 5);
    }
}

/* Builds with nodes of its own so that `room` more fit into the list of nodes, which may not grow then. */
static status built_with_room(const function *f, int room)
{
    enum { NODES = 64 };
    sketch s;
    sketch_open(&s);
    value x = graph_bound(s.g, MAX_INPUTS, SHAPE(0, 0));
    for (int i = room; i < NODES; i++)
        x = op_exp(s.g, x);
    assert_int_equal(s.g->cap_nodes, NODES);
    s.m.limit = s.m.live + 2 * NODES * sizeof(node);
    value last = build_and_differentiate_twice(s.g, f);
    status result = graph_status(s.g);
    if ((last == NONE) != (result != OK))
        fail_msg("%s, room for %d nodes", f->name, room);
    if (result != OK)
        assert_non_null(strstr(status_text(), "max_bytes"));
    sketch_close(&s);
    return result;
}

static void a_limit_that_is_reached_at_any_node_of_a_gradient_fails_the_graph(void **state)
{
    (void)state;
    for (int i = 0; i < N_SMOOTH; i++) {
        assert_int_equal(built_with_room(&smooth_functions[i], 1), ERR_LIMIT);
        for (int room = 2; room < 64; room++) {
            status s = built_with_room(&smooth_functions[i], room);
            assert_true(s == OK || s == ERR_LIMIT);
        }
    }
}

/* ---- the transposed convolution ---- */

static value ramp(graph *g, bk_shape s)
{
    double x[MAX_ELEMENTS];
    for (int64_t i = 0; i < bk_count(&s); i++)
        x[i] = (double)(i * 7 % 11 - 5);
    return graph_constant(g, s, x);
}

/* Of ramps x and w; bias 1, 2, ... or none. */
static void expect_transposed(bk_shape x, bk_shape w, int bias, const op_window *window, const int32_t *more,
                              bk_shape want, const double *y)
{
    static const double ones[] = {1, 2, 3, 4};
    engine e;
    graph *g;
    double got[MAX_ELEMENTS];
    void *bound[] = {got};
    assert_int_equal(engine_open(&e, bk_reference()), BK_OK);
    assert_int_equal(graph_create(&e.m, BK_F64, &g), OK);
    value b = bias ? graph_constant(g, SHAPE(1, bias), ones) : NONE;
    value out = op_conv_transpose(g, ramp(g, x), ramp(g, w), b, window, more);
    assert_int_equal(graph_status(g), OK);
    assert_true(shape_equal(graph_shape(g, out), &want));
    graph_output(g, out, 0);
    plan *made;
    assert_int_equal(plan_create(g, e.dev, 1, &made), OK);
    assert_int_equal(plan_run(made, bound, 1, NULL), OK);
    for (int64_t i = 0; i < bk_count(&want); i++)
        assert_true(fabs(got[i] - y[i]) < 1e-12);
    plan_free(made);
    graph_free(g);
    assert_true(engine_close(&e));
}

/* Values of PyTorch 2.13, also with more zeros behind than a convolution of this stride would leave out. */
static void transposed_convolutions_have_pytorchs_values(void **state)
{
    (void)state;
    const op_window plain = op_window_of(2, 1);
    expect_transposed(
        SHAPE(3, 1, 3, 2), SHAPE(3, 2, 3, 3), 3, &plain, (const int32_t[]){1}, SHAPE(3, 1, 6, 3),
        (const double[]){-11, -7, -3, 26, 27, 28, -8, -10, -12, -34, 32, 32, 6, 9, 12, 14, -16, -13});
    const op_window grouped = {
        .stride = {2, 3}, .dilation = {3, 1}, .pad = {1, 0}, .pad_end = {1, 0}, .groups = 2};
    const double y[84] = {
        [14] = 23, [15] = -6,  [16] = -17, [17] = 7,   [20] = -12, [21] = -18, [22] = 10, [23] = 13,
        [28] = 18, [29] = 27,  [30] = -25, [31] = 15,  [34] = -14, [35] = -4,  [36] = 5,  [37] = -20,
        [56] = 20, [57] = -24, [58] = -20, [62] = -12, [64] = 10,  [65] = -24};
    expect_transposed(SHAPE(4, 1, 2, 2, 4), SHAPE(4, 4, 1, 2, 2), 0, &grouped, (const int32_t[]){2, 2},
                      SHAPE(4, 1, 6, 7, 2), y);
    const op_window wide = {.stride = {1}, .dilation = {3}, .groups = 1};
    expect_transposed(SHAPE(3, 1, 2, 1), SHAPE(3, 1, 1, 2), 1, &wide, (const int32_t[]){2}, SHAPE(3, 1, 7, 1),
                      (const double[]){26, -9, 1, -9, 5, 1, 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_follow_from_the_inputs),
        cmocka_unit_test(shapes_that_do_not_fit_are_named_and_the_graph_stays_failed),
        cmocka_unit_test(a_missing_input_on_a_good_graph_is_an_error),
        cmocka_unit_test(an_allocation_that_fails_anywhere_fails_the_graph_and_leaks_nothing),
        cmocka_unit_test(an_allocation_that_fails_in_the_gradients_of_any_op_fails_the_graph),
        cmocka_unit_test(a_limit_that_is_reached_at_any_node_of_a_gradient_fails_the_graph),
        cmocka_unit_test(gradients_of_every_op_match_finite_differences),
        cmocka_unit_test(gradients_of_gradients_match_finite_differences),
        cmocka_unit_test(an_op_without_a_rule_is_named),
        cmocka_unit_test(an_op_without_a_rule_is_no_matter_where_no_gradient_passes),
        cmocka_unit_test(what_the_loss_does_not_depend_on_has_no_gradient),
        cmocka_unit_test(inner_values_and_the_loss_have_gradients),
        cmocka_unit_test(gradients_are_of_a_single_number),
        cmocka_unit_test(transposed_convolutions_have_pytorchs_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
