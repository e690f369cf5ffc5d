/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm as a layer: which statistics it takes, what it leaves behind. Expected numbers are
 * PyTorch 2.13's in float64, for the input that number_at() gives, channels last. */
#include <math.h>
#include <string.h>

#include "nn/norm.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { WEIGHT, BIAS, MEAN, VARIANCE, PARAMS, X = PARAMS, Y, SLOTS, CHANNELS = 2, ELEMENTS = 24 };

typedef struct bench {
    engine e;
    graph *g;
    params p;
    nn n;
    value x;
    double at[SLOTS][ELEMENTS];
    void *bound[SLOTS];
} bench;

static double number_at(int i)
{
    return (i * 37 + 3) % 101 / 50.0 - 1;
}

static void bench_open(bench *b, bk_shape x)
{
    static const char *const names[PARAMS] = {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"};
    static const double start[PARAMS][CHANNELS] = {{1.5, -0.5}, {0.25, 1}, {0.1, -0.2}, {1, 2}};
    memset(b, 0, sizeof *b);
    assert_int_equal(engine_open(&b->e, bk_reference()), OK);
    assert_int_equal(graph_create(&b->e.m, BK_F64, &b->g), OK);
    params_init(&b->p, &b->e.m, BK_F64, BK_F64);
    for (int i = 0; i < PARAMS; i++) {
        params_add_role(&b->p, i < MEAN ? ROLE_WEIGHT : ROLE_BUFFER, INIT_ZERO, 1,
                        (const int64_t[]){CHANNELS}, names[i]);
        memcpy(b->at[i], start[i], sizeof start[i]);
    }
    for (int i = 0; i < SLOTS; i++)
        b->bound[i] = b->at[i];
    for (int i = 0; i < ELEMENTS; i++)
        b->at[X][i] = number_at(i);
    assert_int_equal(nn_open(&b->n, b->g, &b->p, "", 0), OK);
    b->x = graph_bound(b->g, X, x);
}

static void bench_close(bench *b)
{
    nn_close(&b->n);
    params_clear(&b->p);
    graph_free(b->g);
    assert_true(engine_close(&b->e));
}

static void run(bench *b, value y)
{
    plan *p;
    graph_output(b->g, y, Y);
    assert_int_equal(plan_create(b->g, b->e.dev, PLAN_ARENA, &p), OK);
    assert_int_equal(plan_run(p, b->bound, SLOTS, NULL), OK);
    plan_assign(p, b->bound);
    plan_free(p);
}

static const bk_shape image = {.dtype = BK_F64, .rank = 4, .dim = {2, 2, 3, CHANNELS}};

static void expect(const double *got, const double *want, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-13))
            fail_msg("number %d is %.15g, not %.15g", i, got[i], want[i]);
}

#define EXPECT(got, n, ...) expect(got, (const double[]){__VA_ARGS__}, n)

static void training_moves_the_running_estimates_and_uses_the_batch(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, image);
    run(&b, nn_batch_norm(&b.n, at("bn"), b.x, batch_norm_of(NORM_UPDATE, 1)));
    EXPECT(b.at[MEAN], 2, 0.0861666666666667, -0.177166666666667);
    EXPECT(b.at[VARIANCE], 2, 0.940301515151515, 1.8351596969697);
    EXPECT(b.at[Y], 4, -1.97517918851222, 1.20109640301064, 1.67724062553371, 1.67668205684603);
    bench_close(&b);
}

static void a_layer_that_is_used_twice_moves_its_estimates_twice(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, image);
    value first = nn_batch_norm(&b.n, at("bn"), b.x, batch_norm_of(NORM_UPDATE, 1));
    run(&b, op_add(b.g, first, nn_batch_norm(&b.n, at("bn"), b.x, batch_norm_of(NORM_UPDATE, 1))));
    /* mean = 0.1 start + ... : with m = 0.1 a second time, 0.9 r + 0.1 batch */
    const double once[2] = {0.0861666666666667, -0.177166666666667}, start[2] = {0.1, -0.2};
    for (int c = 0; c < 2; c++) {
        double batch = (once[c] - 0.9 * start[c]) / 0.1, twice = 0.9 * once[c] + 0.1 * batch;
        assert_true(fabs(b.at[MEAN][c] - twice) < 1e-13);
    }
    bench_close(&b);
}

/* TensorFlow's: eps 1e-3, decay 0.99, the biased variance. */
static void the_running_variance_may_follow_the_biased_one(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, image);
    batch_norm how = {.from = NORM_UPDATE, .slope = 1, .eps = 1e-3, .momentum = 0.01, .biased = 1};
    run(&b, nn_batch_norm(&b.n, at("bn"), b.x, how));
    double unbiased = (0.940301515151515 - 0.9) / 0.1;
    assert_true(fabs(b.at[VARIANCE][0] - (0.99 + 0.01 * unbiased * 11 / 12)) < 1e-13);
    bench_close(&b);
}

static void a_frozen_layer_uses_the_batch_and_leaves_the_estimates(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, image);
    run(&b, nn_batch_norm(&b.n, at("bn"), b.x, batch_norm_of(NORM_BATCH, 1)));
    EXPECT(b.at[MEAN], 2, 0.1, -0.2);
    EXPECT(b.at[VARIANCE], 2, 1, 2);
    EXPECT(b.at[Y], 4, -1.97517918851222, 1.20109640301064, 1.67724062553371, 1.67668205684603);
    bench_close(&b);
}

static void inference_uses_the_running_estimates(void **state)
{
    (void)state;
    static const norm_statistics from[] = {NORM_RUNNING, NORM_FROZEN};
    for (int i = 0; i < 2; i++) {
        bench b;
        bench_open(&b, image);
        run(&b, nn_batch_norm(&b.n, at("bn"), b.x, batch_norm_of(from[i], 1)));
        EXPECT(b.at[MEAN], 2, 0.1, -0.2);
        EXPECT(b.at[Y], 4, -1.3099922000585, 1.0, 0.90999670002475, 1.19091835362508);
        bench_close(&b);
    }
}

static void a_leaky_relu_follows_in_training_and_in_inference(void **state)
{
    (void)state;
    for (norm_statistics from = NORM_RUNNING; from <= NORM_FROZEN; from++) {
        bench plain, leaky;
        bench_open(&plain, image);
        bench_open(&leaky, image);
        run(&plain, nn_batch_norm(&plain.n, at("bn"), plain.x, batch_norm_of(from, 1)));
        run(&leaky, nn_batch_norm(&leaky.n, at("bn"), leaky.x, batch_norm_of(from, 0.2)));
        for (int i = 0; i < ELEMENTS; i++) {
            double y = plain.at[Y][i];
            assert_true(leaky.at[Y][i] == (y > 0 ? y : 0.2 * y));
        }
        bench_close(&plain);
        bench_close(&leaky);
    }
}

static void one_number_for_each_channel_has_no_variance(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, (bk_shape){.dtype = BK_F64, .rank = 2, .dim = {1, CHANNELS}});
    assert_int_equal(nn_batch_norm(&b.n, at("bn"), b.x, batch_norm_of(NORM_UPDATE, 1)), NONE);
    assert_int_equal(graph_status(b.g), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "batch norm bn: the batch gives one number for each channel"));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_moves_the_running_estimates_and_uses_the_batch),
        cmocka_unit_test(a_layer_that_is_used_twice_moves_its_estimates_twice),
        cmocka_unit_test(the_running_variance_may_follow_the_biased_one),
        cmocka_unit_test(a_frozen_layer_uses_the_batch_and_leaves_the_estimates),
        cmocka_unit_test(inference_uses_the_running_estimates),
        cmocka_unit_test(a_leaky_relu_follows_in_training_and_in_inference),
        cmocka_unit_test(one_number_for_each_channel_has_no_variance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
