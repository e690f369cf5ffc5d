/* SPDX-License-Identifier: Apache-2.0 */
/* test_draws.c - random numbers inside a graph: those that a planned graph draws in each run, and passes over
 * a graph that has them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fold.h"
#include "lib/ops.h"
#include "lib/plan.h"
#include "lib/random.h"
#include "lib/recompute.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { N = 10000, KEY = 0, X, OUT, DX, SLOTS };

typedef struct sketch {
    engine e;
    graph *g;
    plan *p;
    value key, x;
    bk_shape shape;
    int32_t words[4];
    float in[N], out[N], gradient[N];
    void *bound[SLOTS];
} sketch;

static void sketch_open(sketch *s)
{
    memset(s, 0, sizeof *s);
    assert_int_equal(engine_open(&s->e, bk_cpu()), BK_OK);
    assert_int_equal(graph_create(&s->e.m, BK_F32, &s->g), OK);
    s->shape = shape_of(BK_F32, 2, (const int64_t[]){N / 10, 10});
    s->key = graph_bound(s->g, KEY, shape_of(BK_I32, 1, (const int64_t[]){4}));
    s->x = graph_bound(s->g, X, s->shape);
    for (int i = 0; i < N; i++)
        s->in[i] = (float)(i % 17 - 8) * 0.1f;
    s->bound[KEY] = s->words;
    s->bound[X] = s->in;
    s->bound[OUT] = s->out;
    s->bound[DX] = s->gradient;
}

static void sketch_plan(sketch *s)
{
    if (graph_status(s->g) != OK)
        print_error("%s\n", status_text());
    assert_int_equal(plan_create(s->g, s->e.dev, 1, &s->p), OK);
}

static void sketch_run(sketch *s, uint64_t seed, uint64_t step)
{
    random_key(seed, step, s->words);
    assert_int_equal(plan_run(s->p, s->bound, SLOTS, NULL), OK);
}

static void sketch_close(sketch *s)
{
    plan_free(s->p);
    graph_free(s->g);
    assert_true(engine_close(&s->e));
}

static int equal_numbers(const float *a, const float *b)
{
    int n = 0;
    for (int i = 0; i < N; i++)
        n += a[i] == b[i];
    return n;
}

static void a_plan_draws_anew_for_each_key_and_the_same_for_the_same(void **state)
{
    (void)state;
    static sketch s;
    static float first[N];
    static const uint64_t other[][2] = {
        {1, 3}, {2, 2}, {1, (uint64_t)2 << 32 | 2}, {(uint64_t)1 << 32 | 1, 2}};
    sketch_open(&s);
    graph_output(s.g, op_uniform(s.g, s.key, random_purpose("noise", 0), &s.shape), OUT);
    sketch_plan(&s);
    sketch_run(&s, 1, 2);
    memcpy(first, s.out, sizeof first);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        sketch_run(&s, other[i][0], other[i][1]);
        assert_in_range(equal_numbers(first, s.out), 0, 5);
    }
    sketch_run(&s, 1, 2);
    assert_int_equal(equal_numbers(first, s.out), N);
    sketch_close(&s);
}

static void purposes_are_streams_of_their_own(void **state)
{
    (void)state;
    static sketch s;
    sketch_open(&s);
    value a = op_uniform(s.g, s.key, random_purpose("dropout", 0), &s.shape);
    value b = op_uniform(s.g, s.key, random_purpose("dropout", 1), &s.shape);
    value c = op_uniform(s.g, s.key, random_purpose("dropout", 0), &s.shape);
    graph_output(s.g, op_equal(s.g, a, b), OUT);
    graph_output(s.g, op_equal(s.g, a, c), DX);
    sketch_plan(&s);
    sketch_run(&s, 5, 5);
    double equal = 0, same = 0;
    for (int i = 0; i < N; i++) {
        equal += s.out[i];
        same += s.gradient[i];
    }
    assert_true(equal < 6 && same == N);
    sketch_close(&s);
}

/* The share of n draws is within 5 deviations of the odds. */
static void a_bernoulli_mask_has_its_odds(void **state)
{
    (void)state;
    static const double odds[] = {0, 0.1, 0.5, 0.93, 1};
    for (size_t k = 0; k < sizeof odds / sizeof *odds; k++) {
        static sketch s;
        int kept = 0;
        sketch_open(&s);
        graph_output(s.g, op_bernoulli(s.g, s.key, 3, &s.shape, odds[k]), OUT);
        sketch_plan(&s);
        sketch_run(&s, 8, 1);
        for (int i = 0; i < N; i++) {
            assert_true(s.out[i] == 0 || s.out[i] == 1);
            kept += s.out[i] == 1;
        }
        assert_true(fabs(kept / (double)N - odds[k]) <= 5 * sqrt(odds[k] * (1 - odds[k]) / N));
        sketch_close(&s);
    }
}

static void dropout_scales_what_it_keeps_and_gradients_see_the_same_mask(void **state)
{
    (void)state;
    static sketch s;
    sketch_open(&s);
    value y = op_dropout(s.g, s.x, s.key, 4, 0.25), d;
    assert_int_equal(graph_gradients(s.g, op_sum_all(s.g, y), &s.x, 1, &d), OK);
    graph_output(s.g, y, OUT);
    graph_output(s.g, d, DX);
    sketch_plan(&s);
    sketch_run(&s, 8, 1);
    int kept = 0;
    for (int i = 0; i < N; i++) {
        float scale = (float)(1 / 0.75);
        assert_true(s.gradient[i] == 0 || s.gradient[i] == scale);
        assert_true(s.out[i] == s.in[i] * s.gradient[i]);
        kept += s.gradient[i] != 0;
    }
    assert_true(fabs(kept / (double)N - 0.75) <= 5 * sqrt(0.75 * 0.25 / N));
    sketch_close(&s);
}

static void a_key_has_no_gradient_and_does_not_stop_that_of_others(void **state)
{
    (void)state;
    static sketch s;
    sketch_open(&s);
    const value of[] = {s.key, s.x};
    value noise = op_add(s.g, op_normal(s.g, s.key, 1, &s.shape), op_uniform(s.g, s.key, 2, &s.shape));
    value y = op_mul(s.g, s.x, noise), d[2];
    assert_int_equal(graph_gradients(s.g, op_sum_all(s.g, y), of, 2, d), OK);
    assert_int_equal(d[0], NONE);
    graph_output(s.g, noise, OUT);
    graph_output(s.g, d[1], DX);
    sketch_plan(&s);
    sketch_run(&s, 3, 4);
    assert_int_equal(equal_numbers(s.out, s.gradient), N);
    sketch_close(&s);
}

static void dropout_of_nothing_adds_no_node_and_of_all_gives_zeros(void **state)
{
    (void)state;
    static sketch s;
    sketch_open(&s);
    assert_int_equal(op_dropout(s.g, s.x, s.key, 4, 0), s.x);
    assert_int_equal(s.g->n_nodes, 0);
    graph_output(s.g, op_dropout(s.g, s.x, s.key, 4, 1), OUT);
    sketch_plan(&s);
    sketch_run(&s, 8, 1);
    for (int i = 0; i < N; i++)
        assert_true(s.out[i] == 0);
    sketch_close(&s);
}

static void build_noisy(sketch *s, recompute_level level)
{
    sketch_open(s);
    graph *g = s->g;
    value noise = op_normal(g, s->key, 1, &s->shape), d;
    value y = op_gelu(g, op_dropout(g, op_mul(g, s->x, noise), s->key, 2, 0.5));
    y = op_sigmoid(g, op_mul(g, y, op_uniform(g, s->key, 3, &s->shape)));
    assert_int_equal(graph_gradients(g, op_sum_all(g, op_mul(g, y, y)), &s->x, 1, &d), OK);
    graph_output(g, y, OUT);
    graph_output(g, d, DX);
    assert_int_equal(graph_recompute(g, level), OK);
    sketch_plan(s);
    sketch_run(s, 77, 3);
}

static int count_draws(const graph *g)
{
    int n = 0;
    for (int32_t k = 0; k < g->n_nodes; k++)
        n += g->nodes[k].op == BK_UNIFORM || g->nodes[k].op == BK_NORMAL;
    return n;
}

static void numbers_that_are_drawn_again_are_the_same(void **state)
{
    (void)state;
    static sketch once, again;
    build_noisy(&once, RECOMPUTE_NOTHING);
    build_noisy(&again, RECOMPUTE_CHEAP);
    assert_int_equal(count_draws(once.g), 3);
    assert_true(count_draws(again.g) > 3);
    assert_int_equal(equal_numbers(once.out, again.out), N);
    assert_int_equal(equal_numbers(once.gradient, again.gradient), N);
    sketch_close(&once);
    sketch_close(&again);
}

/* With a key that a run may change nothing is hoisted. */
static void draws_are_hoisted_with_a_steady_key_alone(void **state)
{
    (void)state;
    for (int steady_key = 0; steady_key < 2; steady_key++) {
        static sketch s;
        folded out;
        const unsigned char steady[2] = {(unsigned char)steady_key, 0};
        sketch_open(&s);
        graph_output(s.g, op_mul(s.g, s.x, op_uniform(s.g, s.key, 1, &s.shape)), OUT);
        assert_int_equal(graph_fold(s.g, steady, 2, SLOTS, FOLD_READS, &out), OK);
        assert_int_equal(out.n, steady_key);
        sketch_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_draws_anew_for_each_key_and_the_same_for_the_same),
        cmocka_unit_test(purposes_are_streams_of_their_own),
        cmocka_unit_test(a_bernoulli_mask_has_its_odds),
        cmocka_unit_test(dropout_scales_what_it_keeps_and_gradients_see_the_same_mask),
        cmocka_unit_test(a_key_has_no_gradient_and_does_not_stop_that_of_others),
        cmocka_unit_test(dropout_of_nothing_adds_no_node_and_of_all_gives_zeros),
        cmocka_unit_test(numbers_that_are_drawn_again_are_the_same),
        cmocka_unit_test(draws_are_hoisted_with_a_steady_key_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
