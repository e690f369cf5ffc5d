/* SPDX-License-Identifier: Apache-2.0 */
/* test_vision.c - norms, pooling and resizing against numbers of PyTorch 2.13 (CPU, float64), channels moved
 * last. Each input is numbers(): a fixed shuffle of -1, -0.98, ..., 1. Gradients are of the sum of the output
 * times numbers() of its shape. Derivatives against finite differences: test_graph.c. */
#include <math.h>
#include <string.h>

#include "lib/fold.h"
#include "lib/ops.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MAX_ELEMENTS = 128, MAX_RESULTS = 6 };

#define SHAPE(r, ...) ((bk_shape){.dtype = BK_F64, .rank = r, .dim = {__VA_ARGS__}})
#define SIZE(...)     ((const int64_t[]){__VA_ARGS__})

typedef struct sheet {
    engine e;
    graph *g;
    int n;
    double result[MAX_RESULTS][MAX_ELEMENTS];
    int32_t index[MAX_ELEMENTS]; /* result number INDEX */
} sheet;

enum { INDEX = MAX_RESULTS };

static void sheet_open(sheet *s)
{
    memset(s, 0, sizeof *s);
    assert_int_equal(engine_open(&s->e, bk_reference()), OK);
    assert_int_equal(graph_create(&s->e.m, BK_F64, &s->g), OK);
}

static value numbers(graph *g, bk_shape s, int step, int first)
{
    double x[MAX_ELEMENTS];
    assert_in_range(bk_count(&s), 1, MAX_ELEMENTS);
    for (int i = 0; i < (int)bk_count(&s); i++)
        x[i] = (i * step + first) % 101 / 50.0 - 1;
    return graph_constant(g, s, x);
}

static value input(graph *g, bk_shape s)
{
    return numbers(g, s, 37, 3);
}

static value weighed(graph *g, value y)
{
    bk_shape s = *graph_shape(g, y);
    return op_sum_all(g, op_mul(g, y, numbers(g, s, 29, 5)));
}

static value vector(graph *g, int64_t n, const double *x)
{
    return graph_constant(g, SHAPE(1, n), x);
}

static void run(sheet *s)
{
    void *bound[MAX_RESULTS + 1];
    plan *p;
    for (int i = 0; i < MAX_RESULTS; i++)
        bound[i] = s->result[i];
    bound[INDEX] = s->index;
    if (graph_status(s->g) != OK)
        print_error("%s\n", status_text());
    assert_int_equal(plan_create(s->g, s->e.dev, 1, &p), OK);
    assert_int_equal(plan_run(p, bound, MAX_RESULTS + 1, NULL), OK);
    plan_free(p);
    graph_free(s->g);
    assert_true(engine_close(&s->e));
}

/* PyTorch's numbers are printed to 15 digits. */
static void expect(const double *got, const double *want, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-13 * fmax(1, fabs(want[i]))))
            fail_msg("number %d is %.15g, not %.15g", i, got[i], want[i]);
}

static void expect_places(const int32_t *got, const int *want, int n)
{
    for (int i = 0; i < n; i++)
        if (got[i] != want[i])
            fail_msg("place %d is %d, not %d", i, (int)got[i], want[i]);
}

#define EXPECT(got, ...)                                                                                     \
    expect(got, (const double[])__VA_ARGS__, (int)(sizeof((const double[])__VA_ARGS__) / sizeof(double)))
#define EXPECT_PLACES(got, ...)                                                                              \
    expect_places(got, (const int[])__VA_ARGS__, (int)(sizeof((const int[])__VA_ARGS__) / sizeof(int)))

static void batch_norm_and_its_gradient_are_those_of_pytorch(void **state)
{
    (void)state;
    sheet s;
    sheet_open(&s);
    graph *g = s.g;
    batch_moments m;
    value in[3] = {input(g, SHAPE(4, 2, 2, 3, 2)), vector(g, 2, (const double[]){1.5, -0.5}),
                   vector(g, 2, (const double[]){0.25, 1})},
          d[3];
    value y = op_batch_norm(g, in[0], in[1], in[2], 1e-5, 1, &m);
    assert_int_equal(graph_gradients(g, weighed(g, y), in, 3, d), OK);
    graph_output(g, y, 0);
    for (int i = 0; i < 3; i++)
        graph_output(g, d[i], 1 + i);
    graph_output(g, m.mean, 4);
    graph_output(g, m.variance, 5);
    run(&s);
    EXPECT(s.result[0], {-1.97517918851222,     1.20109640301064,  1.67724062553371,   1.67668205684603,
                         0.344600963652091,     0.373225079667564, -0.988038698229533, 0.848810733502949,
                         2.6643811158164,       1.32439638733833,  1.33174145393477,   1.79998204117372,
                         -0.000898207946848941, 0.496525063995257, -1.33353786982847,  0.972110717830641,
                         2.31888194421746,      1.44769637166603,  0.986242282335835,  0.144239394487565,
                         -0.346397379545788,    0.619825048322949, -1.67903704142741,  1.09541070215833});
    EXPECT(s.result[1],
           {-1.31526257771858,  0.32427641661803,  0.364460298928123, -0.596964335553927, -1.32626225896785,
            -0.114686776320755, 1.96807465906374,  0.743115102521133, -1.33726194021712,  -0.178125649650825,
            1.95707497781447,   0.679676229191063, 0.266352419918497, -0.61708884258961,  -1.42437013797747,
            0.240713036252278,  0.255352738669228, -0.68052771591968, -1.43536981922674,  -0.198250156686508,
            1.85896709880484,   0.65955172215538,  0.168244540908871, -0.261689030016577});
    EXPECT(s.result[2], {2.36239171666151, -1.4380301029304});
    EXPECT(s.result[3], {-0.9, 1.11022302462516e-16});
    /* The running estimates, from 0.1, -0.2 and 1, 2, with momentum 0.1: of 12 numbers, 12/11 the variance.
     */
    double mean[2], variance[2];
    for (int c = 0; c < 2; c++) {
        mean[c] = 0.9 * (c ? -0.2 : 0.1) + 0.1 * s.result[4][c];
        variance[c] = 0.9 * (c ? 2 : 1) + 0.1 * s.result[5][c] * 12 / 11;
    }
    EXPECT(mean, {0.0861666666666667, -0.177166666666667});
    EXPECT(variance, {0.940301515151515, 1.8351596969697});
}

static void batch_norm_with_given_statistics_and_of_rows_is_that_of_pytorch(void **state)
{
    (void)state;
    sheet s;
    sheet_open(&s);
    graph *g = s.g;
    value gain = vector(g, 2, (const double[]){1.5, -0.5}), bias = vector(g, 2, (const double[]){0.25, 1});
    value mean = vector(g, 2, (const double[]){0.1, -0.2}), variance = vector(g, 2, (const double[]){1, 2});
    value x = input(g, SHAPE(4, 2, 2, 3, 2));
    graph_output(g, op_batch_norm_inference(g, x, gain, bias, mean, variance, 1e-5), 0);
    graph_output(g, op_batch_norm(g, input(g, SHAPE(2, 5, 2)), gain, bias, 1e-3, 1, NULL), 1);
    run(&s);
    EXPECT(s.result[0], {-1.3099922000585,   1.0,
                         0.90999670002475,   1.19091835362508,
                         0.100000749994375,  0.667660643689675,
                         -0.709995200036,    0.858578997314755,
                         1.50999370004725,   1.04949735093984,
                         0.699997750016875,  1.24041570456492,
                         -0.1099982000135,   0.71715799462951,
                         -0.919994150043875, 0.908076348254591,
                         1.29999475003937,   1.09899470187967,
                         0.489998800009,     0.575736991944266,
                         -0.319997150021375, 0.766655345569346,
                         -1.12999310005175,  0.957573699194427});
    EXPECT(s.result[1],
           {-1.80433743190185, 1.1308185490933, 1.43015129066702, 1.66598534083859, 0.25, 0.199231911610737,
            -0.930151290667022, 0.734398703356037, 2.30433743190185, 1.26956549510134});
}

static void group_norm_and_its_gradient_are_those_of_pytorch(void **state)
{
    (void)state;
    sheet s;
    sheet_open(&s);
    graph *g = s.g;
    value in[3] = {input(g, SHAPE(4, 2, 1, 3, 4)), vector(g, 4, (const double[]){1.5, -0.5, 0.75, 2}),
                   vector(g, 4, (const double[]){0.25, 1, -1, 0.5})},
          d[3];
    value y = op_group_norm(g, in[0], in[1], in[2], 2, 1e-5, 1);
    assert_int_equal(graph_gradients(g, weighed(g, y), in, 3, d), OK);
    graph_output(g, y, 0);
    for (int i = 0; i < 3; i++)
        graph_output(g, d[i], 1 + i);
    run(&s);
    EXPECT(s.result[0],
           {-2.02838096234189,  1.18206240566659,  -0.0615580524322847, -1.50905881732807,  0.171973254714319,
            0.448610999981187,  -1.48904721211275, 1.80412589896734,    2.37232747177053,   1.29129984906654,
            -0.246602943501975, -2.00251186018057, -0.686126343144471,  0.542338232240481,  -1.78835151527118,
            0.841206240466408,  2.24706953204154,  1.66568984401385,    -0.624397969163995, 3.94508236341889,
            -1.12298530327856,  0.68795788561851,  -1.96170629873395,   0.378926817899017});
    EXPECT(s.result[1],
           {-0.821680180272711, 1.08570674692204,  0.619203804388895,  2.72891231588308,   -0.689817220818941,
            0.28124876294764,   0.587647833659294, -2.9609219921404,   -0.557954261365171, 0.702496152587138,
            1.35676139011596,   -2.33160335190682, -0.283160012380905, -1.07741566678628,  -0.562532048198324,
            -0.641491396218944, 0.41037743985579,  -1.11073862991202,  -0.469620380267296, 0.0705444983648394,
            1.625222934256,     0.435713934967411, 0.221905110517416,  1.38119421580231});
    EXPECT(s.result[2], {0.823993566262185, -1.23362076287563, 1.78098498627819, -0.724581418538317});
    EXPECT(s.result[3], {-0.9, 0.56, 2.22044604925031e-16, -0.56});
}

static void check_max_pool(bk_shape shape, const pool_window *window, sheet *s)
{
    sheet_open(s);
    value x = input(s->g, shape), index, d;
    value y = op_max_pool(s->g, x, window, &index);
    graph_output(s->g, y, 0);
    graph_output(s->g, index, INDEX);
    assert_int_equal(graph_gradients(s->g, weighed(s->g, y), &x, 1, &d), OK);
    graph_output(s->g, d, 1);
    run(s);
}

static void maxima_their_places_and_gradients_are_those_of_pytorch(void **state)
{
    (void)state;
    sheet s;
    check_max_pool(SHAPE(4, 1, 4, 5, 2), &(pool_window){.kernel = {2, 2}}, &s);
    EXPECT(s.result[0], {0.54, 0.6, 0.8, 0.74, 0.52, 0.46, 0.66, 0.86});
    EXPECT_PLACES(s.index, {1, 6, 8, 2, 16, 10, 12, 13});
    EXPECT(s.result[1], {0.0, 0.0, -0.9, 0.0, 0.0,  0.84, 0.0, 0.0,   0.0, 0.0, 0.0,  0.0, 0.0, -0.32,
                         0.0, 0.0, 0.26, 0.0, 0.0,  0.0,  0.0, -0.02, 0.0, 0.0, 0.56, 0.0, 0.0, -0.88,
                         0.0, 0.0, 0.0,  0.0, -0.6, 0.0,  0.0, 0.0,   0.0, 0.0, 0.0,  0.0});
    check_max_pool(SHAPE(4, 1, 4, 5, 1), &(pool_window){.kernel = {2, 2}, .ceil = 1}, &s);
    EXPECT(s.result[0], {0.74, 0.94, 0.0, 0.8, 0.6, 1.0});
    EXPECT_PLACES(s.index, {5, 8, 4, 16, 13, 19});
    EXPECT(s.result[1], {0.0, 0.0, 0.0, 0.0,  0.26, -0.9, 0.0,  0.0, -0.32, 0.0,
                         0.0, 0.0, 0.0, -0.6, 0.0,  0.0,  0.84, 0.0, 0.0,   -0.02});
    check_max_pool(SHAPE(4, 1, 5, 6, 1), &(pool_window){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}},
                   &s);
    EXPECT(s.result[0], {0.2, 0.94, 0.74, 1.0, 1.0, 0.8, 1.0, 1.0, 0.86});
    EXPECT_PLACES(s.index, {7, 8, 5, 19, 19, 16, 19, 19, 27});
    EXPECT(s.result[1], {0.0, 0.0, 0.0, 0.0, 0.0, 0.26, 0.0,   -0.9, -0.32, 0.0,
                         0.0, 0.0, 0.0, 0.0, 0.0, 0.0,  -0.02, 0.0,  0.0,   -0.0799999999999998,
                         0.0, 0.0, 0.0, 0.0, 0.0, 0.0,  0.0,   -0.3, 0.0,   0.0});
    check_max_pool(SHAPE(4, 1, 7, 6, 1),
                   &(pool_window){.kernel = {3, 2}, .stride = {1, 2}, .pad = {1, 1}, .dilation = {2, 3}}, &s);
    EXPECT(s.result[0],
           {0.94, 1.0, 0.46, 0.54, 0.8, 0.86, 0.94, 1.0, 0.46, 0.92, 0.8, 0.86, 0.52, 1.0, 0.46});
    EXPECT_PLACES(s.index, {8, 19, 21, 2, 16, 27, 8, 19, 21, 38, 16, 27, 32, 19, 21});
    EXPECT(s.result[1], {0.0, 0.0, 0.84, 0.0, 0.0, 0.0,   0.0, 0.0,  -0.34, 0.0, 0.0,  0.0, 0.0, 0.0,
                         0.0, 0.0, 0.26, 0.0, 0.0, -0.62, 0.0, -0.9, 0.0,   0.0, 0.0,  0.0, 0.0, -0.6,
                         0.0, 0.0, 0.0,  0.0, 0.0, 0.0,   0.0, 0.0,  0.0,   0.0, 0.28, 0.0, 0.0, 0.0});
    check_max_pool(SHAPE(3, 1, 9, 1), &(pool_window){.kernel = {3}, .stride = {3}, .pad = {1}, .ceil = 1},
                   &s);
    EXPECT(s.result[0], {-0.2, 0.54, 0.74, 0.94});
    EXPECT_PLACES(s.index, {1, 2, 5, 8});
    EXPECT(s.result[1], {0.0, -0.9, -0.32, 0.0, 0.0, 0.26, 0.0, 0.0, 0.84});
    check_max_pool(SHAPE(3, 1, 5, 1), &(pool_window){.kernel = {1}, .stride = {3}, .ceil = 1}, &s);
    EXPECT(s.result[0], {-0.94, -0.74});
    EXPECT_PLACES(s.index, {0, 3});
    EXPECT(s.result[1], {-0.9, 0.0, 0.0, -0.32, 0.0});
    check_max_pool(SHAPE(5, 1, 3, 4, 4, 1),
                   &(pool_window){.kernel = {2, 2, 3}, .stride = {1, 2, 1}, .pad = {0, 1, 1}}, &s);
    EXPECT(s.result[0], {0.8, 0.8, 1.0, 1.0, 0.94, 0.94, 0.86, 0.86, 0.6,  0.6,  0.6,  0.0600000000000001,
                         0.8, 0.8, 1.0, 1.0, 0.66, 0.92, 0.92, 0.92, 0.32, 0.78, 0.78, 0.78});
    EXPECT_PLACES(s.index, {16, 16, 19, 19, 8,  8,  27, 27, 13, 13, 13, 15,
                            16, 16, 19, 19, 24, 38, 38, 38, 29, 46, 46, 46});
    EXPECT(s.result[1], {0.0, 0.0, 0.0, 0.0,  0.0, 0.0,   0.0,   0.0,   -0.62, 0.0,
                         0.0, 0.0, 0.0, 0.84, 0.0, -0.58, -0.64, 0.0,   0.0,   -0.0399999999999999,
                         0.0, 0.0, 0.0, 0.0,  0.3, 0.0,   0.0,   -0.32, 0.0,   0.6,
                         0.0, 0.0, 0.0, 0.0,  0.0, 0.0,   0.0,   0.0,   0.34,  0.0,
                         0.0, 0.0, 0.0, 0.0,  0.0, 0.0,   -0.78, 0.0});
}

static void averages_are_those_of_pytorch(void **state)
{
    (void)state;
    sheet s;
    sheet_open(&s);
    graph *g = s.g;
    graph_output(g, op_average_pool(g, input(g, SHAPE(4, 1, 4, 4, 1)), &(pool_window){.kernel = {2, 2}}), 0);
    graph_output(g,
                 op_average_pool(g, input(g, SHAPE(4, 1, 5, 4, 1)),
                                 &(pool_window){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}}),
                 1);
    graph_output(
        g,
        op_average_pool(g, input(g, SHAPE(4, 1, 5, 4, 1)),
                        &(pool_window){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}, .skip_padding = 1}),
        2);
    graph_output(
        g,
        op_average_pool(g, input(g, SHAPE(4, 1, 5, 4, 1)),
                        &(pool_window){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}, .ceil = 1}),
        3);
    graph_output(
        g,
        op_average_pool(
            g, input(g, SHAPE(4, 1, 5, 4, 1)),
            &(pool_window){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}, .ceil = 1, .skip_padding = 1}),
        4);
    graph_output(g,
                 op_average_pool(g, input(g, SHAPE(5, 1, 3, 4, 2, 1)),
                                 &(pool_window){.kernel = {2, 3, 1}, .stride = {1, 1, 2}}),
                 5);
    run(&s);
    EXPECT(s.result[0], {-0.1, -0.135, 0.265, -0.275});
    EXPECT(s.result[1],
           {-0.0444444444444444, 0.0, 0.2, -0.0488888888888889, 0.0866666666666667, 0.0844444444444445});
    EXPECT(s.result[2], {-0.1, 0.0, 0.3, -0.0488888888888889, 0.195, 0.126666666666667});
    EXPECT(s.result[3], {-0.0444444444444444, 0.0, -0.09, 0.2, -0.0488888888888889, -0.103333333333333,
                         0.0866666666666667, 0.0844444444444445, 0.176666666666667});
    EXPECT(s.result[4],
           {-0.1, 0.0, -0.27, 0.3, -0.0488888888888889, -0.206666666666667, 0.195, 0.126666666666667, 0.53});
    EXPECT(s.result[5], {0.133333333333333, -0.07, 0.33, -0.21});
}

static void adaptive_pools_are_those_of_pytorch(void **state)
{
    (void)state;
    sheet s;
    sheet_open(&s);
    graph *g = s.g;
    value x = input(g, SHAPE(4, 1, 5, 4, 2)), index;
    graph_output(g, op_adaptive_average_pool(g, x, SIZE(3, 2)), 0);
    graph_output(g, op_adaptive_max_pool(g, x, SIZE(3, 2), &index), 1);
    graph_output(g, index, INDEX);
    graph_output(g, op_adaptive_average_pool(g, input(g, SHAPE(4, 1, 2, 3, 1)), SIZE(3, 3)), 2);
    graph_output(g, op_global_average_pool(g, x), 3);
    graph_output(g, op_adaptive_average_pool(g, x, SIZE(1, 1)), 4);
    run(&s);
    EXPECT(s.result[0],
           {0.235, -0.54, -0.34, 0.4, 0.53, -0.0766666666666666, -0.55, 0.19, 0.32, 0.05, -0.255, -0.02});
    EXPECT(s.result[1], {0.94, -0.2, 0.0, 0.74, 0.94, 1.0, -0.14, 0.6, 0.66, 0.86, 0.92, 0.32});
    EXPECT_PLACES(s.index, {4, 0, 2, 2, 4, 9, 6, 6, 12, 13, 19, 14});
    EXPECT(s.result[2], {-0.94, -0.2, 0.54, -0.84, -0.1, 0.64, -0.74, 0.0, 0.74});
    expect(s.result[3], s.result[4], 2);
}

static void an_unpooled_maximum_is_at_its_place_and_pooled_again_the_same(void **state)
{
    (void)state;
    sheet s;
    sheet_open(&s);
    graph *g = s.g;
    pool_window halves = {.kernel = {2, 2}};
    value index, x = input(g, SHAPE(4, 2, 4, 6, 2)), y = op_abs(g, op_max_pool(g, x, &halves, &index));
    value spread = op_unpool(g, y, index, SIZE(4, 6));
    graph_output(g, y, 0);
    graph_output(g, op_max_pool(g, spread, &halves, NULL), 1);
    graph_output(g, op_sum_all(g, spread), 2);
    graph_output(g, op_sum_all(g, y), 3);
    run(&s);
    expect(s.result[1], s.result[0], 24);
    expect(s.result[2], s.result[3], 1);
}

static void of_equal_numbers_the_first_is_the_maximum_of_a_window_and_all_share_that_of_an_axis(void **state)
{
    (void)state;
    sheet s;
    sheet_open(&s);
    graph *g = s.g;
    value index, d;
    value same = graph_constant(g, SHAPE(4, 1, 2, 2, 1), (const double[]){3, 3, 3, 3});
    value x = graph_constant(g, SHAPE(2, 3, 3), (const double[]){1, 3, 3, 2, 2, 2, 5, 4, -1});
    graph_output(g, op_max_pool(g, same, &(pool_window){.kernel = {2, 2}}, &index), 0);
    graph_output(g, index, INDEX);
    value weights = graph_constant(g, SHAPE(2, 3, 1), (const double[]){1, 3, 2});
    value loss = op_sum_all(g, op_mul(g, op_reduce_max(g, x, 2), weights));
    assert_int_equal(graph_gradients(g, loss, &x, 1, &d), OK);
    graph_output(g, d, 1);
    run(&s);
    EXPECT(s.result[0], {3});
    EXPECT_PLACES(s.index, {0});
    EXPECT(s.result[1], {0.0, 0.5, 0.5, 1.0, 1.0, 1.0, 2.0, 0.0, 0.0}); /* PyTorch's amax */
}

static void resizing_to_corners_and_to_the_nearest_are_those_of_pytorch(void **state)
{
    (void)state;
    sheet s;
    sheet_open(&s);
    graph *g = s.g;
    value x = input(g, SHAPE(4, 1, 3, 2, 1));
    graph_output(g, op_resize_nearest(g, x, SIZE(5, 4)), 0);
    graph_output(g, op_resize_corners(g, x, SIZE(5, 3)), 1);
    graph_output(g, op_resize_corners(g, x, SIZE(1, 2)), 2);
    graph_output(g, op_resize_nearest(g, input(g, SHAPE(3, 1, 5, 1)), SIZE(3)), 3);
    graph_output(g, op_resize_corners(g, input(g, SHAPE(5, 1, 2, 2, 2, 1)), SIZE(3, 1, 4)), 4);
    run(&s);
    EXPECT(s.result[0], {-0.94, -0.94, -0.2, -0.2, -0.94, -0.94, -0.2, -0.2, 0.54, 0.54,
                         -0.74, -0.74, 0.54, 0.54, -0.74, -0.74, 0.0,  0.0,  0.74, 0.74});
    EXPECT(s.result[1],
           {-0.94, -0.57, -0.2, -0.2, -0.335, -0.47, 0.54, -0.1, -0.74, 0.27, 0.135, 0.0, 0.0, 0.37, 0.74});
    EXPECT(s.result[2], {-0.94, -0.2});
    EXPECT(s.result[3], {-0.94, -0.2, -0.74});
    EXPECT(s.result[4], {-0.94, -0.693333333333333, -0.446666666666667, -0.2, -0.47, -0.223333333333333,
                         0.0233333333333333, 0.27, 0.0, 0.246666666666667, 0.493333333333333, 0.74});
}

static void a_window_without_an_element_and_one_that_does_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        pool_window window;
        const char *text;
    } rows[] = {
        {{.kernel = {2}, .stride = {1}, .pad = {2}, .dilation = {4}}, "each window must hold an element"},
        {{.kernel = {3}}, "each window must hold an element"},
        {{.kernel = {0}}, "each window must hold an element"},
        {{.kernel = {1}, .stride = {-1}}, "each window must hold an element"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sheet s;
        sheet_open(&s);
        assert_int_equal(op_max_pool(s.g, input(s.g, SHAPE(3, 1, 1, 1)), &rows[i].window, NULL), NONE);
        assert_non_null(strstr(status_text(), rows[i].text));
        assert_int_equal(op_average_pool(s.g, NONE, &rows[i].window), NONE);
        graph_free(s.g);
        assert_true(engine_close(&s.e));
    }
}

/* A layer and its batch norm: as one call, and with a reader of the layer's output in front of the norm,
 * which keeps them apart. */
static void check_folded(int linear, int biased)
{
    double one_call[MAX_ELEMENTS];
    for (int apart = 0; apart < 2; apart++) {
        sheet s;
        sheet_open(&s);
        graph *g = s.g;
        value x = input(g, linear ? SHAPE(2, 5, 4) : SHAPE(4, 1, 4, 3, 2));
        value weight = numbers(g, linear ? SHAPE(2, 3, 4) : SHAPE(4, 3, 2, 2, 2), 29, 1);
        value v = numbers(g, SHAPE(1, 3), 17, 70),
              layer_bias = biased ? numbers(g, SHAPE(1, 3), 23, 9) : NONE;
        value h = linear ? op_linear(g, x, weight, layer_bias) : op_conv(g, x, weight, layer_bias, 1, 0);
        if (apart)
            graph_output(g, h, 1);
        value y = op_batch_norm_inference(g, h, v, v, v, op_abs(g, v), 1e-3);
        bk_op made_by = g->nodes[g->values[y].node].op;
        assert_int_equal(made_by, apart ? BK_ADD : linear ? BK_LINEAR : BK_CONV);
        graph_output(g, y, 0);
        int n = (int)bk_count(graph_shape(g, y));
        run(&s);
        if (apart)
            expect(one_call, s.result[0], n);
        else
            memcpy(one_call, s.result[0], sizeof one_call);
    }
}

static void batch_norm_with_given_statistics_is_a_part_of_the_layer_in_front_of_it(void **state)
{
    (void)state;
    for (int linear = 0; linear < 2; linear++)
        for (int biased = 0; biased < 2; biased++)
            check_folded(linear, biased);
}

/* Slots: an image, then what a checkpoint holds, which does not change from run to run. */
static void a_session_runs_the_convolution_alone_where_a_batch_norm_follows(void **state)
{
    (void)state;
    static const unsigned char steady[] = {0, 1, 1, 1, 1, 1};
    enum { SLOTS = sizeof steady };
    sheet s;
    sheet_open(&s);
    graph *g = s.g;
    value x = graph_bound(g, 0, SHAPE(4, 1, 4, 3, 2)), v[SLOTS];
    v[1] = graph_bound(g, 1, SHAPE(4, 3, 2, 2, 2));
    for (int i = 2; i < SLOTS; i++)
        v[i] = graph_bound(g, i, SHAPE(1, 3));
    value h = op_conv(g, x, v[1], NONE, 1, 0);
    graph_output(g, op_batch_norm_inference(g, h, v[2], v[3], v[4], v[5], 1e-3), SLOTS);
    folded made;
    assert_int_equal(graph_fold(g, steady, SLOTS, SLOTS + 1, FOLD_READS, &made), OK);
    assert_int_equal(made.n, 2); /* the convolution's weights times the norm's, and the bias */
    plan *p;
    assert_int_equal(plan_create(g, s.e.dev, 0, &p), OK);
    assert_int_equal(plan_call_count(p), 1);
    assert_int_equal(plan_call_op(p, 0), BK_CONV);
    plan_free(p);
    graph_free(g);
    assert_true(engine_close(&s.e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_and_its_gradient_are_those_of_pytorch),
        cmocka_unit_test(batch_norm_with_given_statistics_and_of_rows_is_that_of_pytorch),
        cmocka_unit_test(group_norm_and_its_gradient_are_those_of_pytorch),
        cmocka_unit_test(maxima_their_places_and_gradients_are_those_of_pytorch),
        cmocka_unit_test(averages_are_those_of_pytorch),
        cmocka_unit_test(adaptive_pools_are_those_of_pytorch),
        cmocka_unit_test(an_unpooled_maximum_is_at_its_place_and_pooled_again_the_same),
        cmocka_unit_test(of_equal_numbers_the_first_is_the_maximum_of_a_window_and_all_share_that_of_an_axis),
        cmocka_unit_test(resizing_to_corners_and_to_the_nearest_are_those_of_pytorch),
        cmocka_unit_test(a_window_without_an_element_and_one_that_does_not_fit_are_refused),
        cmocka_unit_test(batch_norm_with_given_statistics_is_a_part_of_the_layer_in_front_of_it),
        cmocka_unit_test(a_session_runs_the_convolution_alone_where_a_batch_norm_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
