/* SPDX-License-Identifier: Apache-2.0 */
/* test_recompute.c - recomputation: the same loss and gradients at every level, in less memory; and results
 * that a plan holds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ops.h"
#include "lib/plan.h"
#include "lib/random.h"
#include "lib/recompute.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { ROWS = 64, WIDTH = 8, HIDDEN = 32, LAYERS = 4, PER_LAYER = 6 };
enum { WEIGHTS = LAYERS * PER_LAYER, X = WEIGHTS, LOSS, SLOTS };

/* A stack of x + fc2(gelu(fc1(norm(x)))), the last layer frozen; the loss is the mean square. */
typedef struct stack {
    engine e;
    graph *g;
    plan *p;
    value wrt[WEIGHTS], gradient[WEIGHTS];
    void *bound[SLOTS];
    double *memory; /* of all slots */
    size_t count[SLOTS];
    int batch; /* batch norm, whose statistics are outputs too, in place of layer norm */
} stack;

static value weight(stack *s, int32_t slot, int32_t rank, int64_t a, int64_t b)
{
    s->count[slot] = (size_t)(rank == 2 ? a * b : a);
    s->wrt[slot] = graph_bound(s->g, slot, shape_of(s->g->real, rank, (const int64_t[]){a, b}));
    return s->wrt[slot];
}

static value layer(stack *s, value x, int32_t slot)
{
    graph *g = s->g;
    char name[32];
    snprintf(name, sizeof name, "layer.%d", slot / PER_LAYER);
    graph_layer(g, name);
    value gain = weight(s, slot, 1, WIDTH, 0), bias = weight(s, slot + 1, 1, WIDTH, 0);
    value n =
        s->batch ? op_batch_norm(g, x, gain, bias, 1e-5, 1, NULL) : op_layer_norm(g, x, gain, bias, 1e-5);
    value h = op_linear(g, n, weight(s, slot + 2, 2, HIDDEN, WIDTH), weight(s, slot + 3, 1, HIDDEN, 0));
    value y =
        op_linear(g, op_gelu(g, h), weight(s, slot + 4, 2, WIDTH, HIDDEN), weight(s, slot + 5, 1, WIDTH, 0));
    return op_add(g, x, y);
}

static void build_with(stack *s, const bk_backend *backend, bk_dtype real, int batch)
{
    memset(s, 0, sizeof *s);
    s->batch = batch;
    assert_int_equal(engine_open(&s->e, backend), BK_OK);
    assert_int_equal(graph_create(&s->e.m, real, &s->g), OK);
    s->count[X] = ROWS * WIDTH;
    s->count[LOSS] = 1;
    value x = graph_bound(s->g, X, shape_of(real, 2, (const int64_t[]){ROWS, WIDTH}));
    for (int32_t k = 0; k < LAYERS; k++)
        x = layer(s, x, k * PER_LAYER);
    value loss = op_mean_all(s->g, op_mul(s->g, x, x));
    graph_output(s->g, loss, LOSS);
    int32_t trained = WEIGHTS - PER_LAYER;
    assert_int_equal(graph_gradients(s->g, loss, s->wrt, trained, s->gradient), OK);
    for (int32_t i = 0; i < trained; i++)
        graph_hold(s->g, s->gradient[i], i);
}

static void build(stack *s, const bk_backend *backend, bk_dtype real)
{
    build_with(s, backend, real, 0);
}

static void finish(stack *s)
{
    plan_free(s->p);
    graph_free(s->g);
    free(s->memory);
    assert_true(engine_close(&s->e));
}

/* Plans at a level and runs twice: what is left of the first run must not matter. */
static void run(stack *s, recompute_level level)
{
    size_t total = 0;
    assert_int_equal(graph_recompute(s->g, level), OK);
    assert_int_equal(plan_create(s->g, s->e.dev, 1, &s->p), OK);
    for (int32_t i = 0; i < SLOTS; i++)
        total += s->count[i];
    s->memory = calloc(total, sizeof(double));
    double *at = s->memory;
    random_stream r = random_open(7, 0);
    for (int32_t i = 0; i < SLOTS; at += s->count[i], i++) {
        s->bound[i] = at;
        for (size_t k = 0; k < s->count[i]; k++)
            if (s->g->real == BK_F64)
                at[k] = random_normal(&r);
            else
                ((float *)at)[k] = (float)random_normal(&r);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(plan_run(s->p, s->bound, SLOTS, NULL), OK);
}

static double value_at(const stack *s, const void *array, size_t i)
{
    return s->g->real == BK_F64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

static void compare(const stack *a, const stack *b, double tolerance)
{
    assert_true(fabs(value_at(a, a->bound[LOSS], 0) - value_at(b, b->bound[LOSS], 0)) <=
                tolerance * fabs(value_at(a, a->bound[LOSS], 0)));
    for (int32_t i = 0; i < WEIGHTS - PER_LAYER; i++) {
        const void *x = plan_held(a->p, i), *y = plan_held(b->p, i);
        double most = 0, off = 0;
        assert_non_null(x);
        assert_non_null(y);
        for (size_t k = 0; k < a->count[i]; k++) {
            most = fmax(most, fabs(value_at(a, x, k)));
            off = fmax(off, fabs(value_at(a, x, k) - value_at(b, y, k)));
        }
        assert_true(most > 0);
        if (!(off <= tolerance * most))
            fail_msg("gradient %d is off by %g of %g", i, off, most);
    }
    assert_null(plan_held(a->p, WEIGHTS - PER_LAYER)); /* the frozen layer has none */
}

static void every_level_gives_the_same_gradients_in_less_memory(void **state)
{
    (void)state;
    const struct {
        const bk_backend *backend;
        bk_dtype real;
        double tolerance;
    } on[] = {{bk_reference(), BK_F64, 1e-14}, {bk_cpu(), BK_F32, 2e-6}};
    for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
        stack level[3];
        for (int k = 0; k < 3; k++) {
            build(&level[k], on[i].backend, on[i].real);
            run(&level[k], (recompute_level)k);
        }
        compare(&level[0], &level[1], on[i].tolerance);
        compare(&level[0], &level[2], on[i].tolerance);
        assert_true(plan_arena_bytes(level[1].p) < plan_arena_bytes(level[0].p));
        assert_true(plan_arena_bytes(level[2].p) < plan_arena_bytes(level[1].p));
        for (int k = 0; k < 3; k++)
            finish(&level[k]);
    }
}

/* Calls of op that compute a forward value again in a layer. */
static int again(const stack *s, bk_op op, const char *name)
{
    int n = 0;
    for (int32_t i = 0; i < plan_call_count(s->p); i++)
        n += plan_call_op(s->p, i) == op && plan_call_backward(s->p, i) == BACKWARD_AGAIN &&
             strcmp(plan_call_layer(s->p, i), name) == 0;
    return n;
}

static void only_what_follows_from_what_is_kept_is_computed_again(void **state)
{
    (void)state;
    stack s[3];
    for (int k = 0; k < 3; k++) {
        build(&s[k], bk_reference(), BK_F64);
        run(&s[k], (recompute_level)k);
    }
    assert_int_equal(again(&s[0], BK_GELU, "layer.1"), 0);
    assert_int_equal(again(&s[1], BK_GELU, "layer.1"), 1);
    assert_int_equal(again(&s[1], BK_LAYER_NORM, "layer.1"), 1);
    assert_int_equal(again(&s[1], BK_LINEAR, "layer.1"), 0);
    assert_int_equal(again(&s[2], BK_LINEAR, "layer.1"), 1); /* fc1; what fc2 gives is read by no gradient */
    assert_int_equal(again(&s[1], BK_LINEAR, "layer.3"), 1); /* frozen: sooner */
    assert_int_equal(again(&s[1], BK_GELU, "layer.3"), 0);   /* frozen: no gradient reads it */
    for (int k = 0; k < 3; k++)
        finish(&s[k]);
}

static void a_batch_norm_is_computed_again_and_gives_the_same_gradients(void **state)
{
    (void)state;
    stack s[2];
    for (int k = 0; k < 2; k++) {
        build_with(&s[k], bk_reference(), BK_F64, 1);
        run(&s[k], (recompute_level)k);
    }
    assert_int_equal(again(&s[0], BK_GROUP_NORM, "layer.1"), 0);
    assert_int_equal(again(&s[1], BK_GROUP_NORM, "layer.1"), 1);
    compare(&s[0], &s[1], 1e-14);
    assert_true(plan_arena_bytes(s[1].p) < plan_arena_bytes(s[0].p));
    for (int k = 0; k < 2; k++)
        finish(&s[k]);
}

static void a_graph_without_gradients_stays_as_it_is(void **state)
{
    (void)state;
    stack s = {0};
    assert_int_equal(engine_open(&s.e, bk_reference()), BK_OK);
    assert_int_equal(graph_create(&s.e.m, BK_F64, &s.g), OK);
    value x = graph_bound(s.g, X, shape_of(BK_F64, 2, (const int64_t[]){ROWS, WIDTH}));
    graph_output(s.g, layer(&s, x, 0), LOSS);
    int32_t nodes = s.g->n_nodes;
    assert_int_equal(graph_recompute(s.g, RECOMPUTE_LINEAR), OK);
    assert_int_equal(s.g->n_nodes, nodes);
    finish(&s);
}

static void failing_allocations_leave_a_graph_that_can_be_freed(void **state)
{
    (void)state;
    status st = ERR_MEMORY;
    for (int64_t n = 1; st != OK; n++) {
        stack s;
        build(&s, bk_reference(), BK_F64);
        s.e.memory.fail_from = s.e.memory.calls + n;
        s.e.memory.fail_to = s.e.memory.fail_from;
        st = graph_recompute(s.g, RECOMPUTE_LINEAR);
        s.e.memory.fail_from = 0;
        assert_true(st == OK || st == ERR_MEMORY);
        finish(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_gives_the_same_gradients_in_less_memory),
        cmocka_unit_test(only_what_follows_from_what_is_kept_is_computed_again),
        cmocka_unit_test(a_batch_norm_is_computed_again_and_gives_the_same_gradients),
        cmocka_unit_test(a_graph_without_gradients_stays_as_it_is),
        cmocka_unit_test(failing_allocations_leave_a_graph_that_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
