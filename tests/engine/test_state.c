/* SPDX-License-Identifier: Apache-2.0 */
/* test_state.c - states: values that a run replaces. Readers see the old value whatever the order, in both
 * ways of writing (deferred and in place); and a slot that is bound twice is one value with one gradient. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fold.h"
#include "lib/ops.h"
#include "lib/plan.h"
#include "lib/recompute.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- a graph of float64 vectors of N elements, by slot ---- */

enum { N = 70, SLOTS = 8 };

typedef struct trial {
    engine e;
    graph *g;
    double at[SLOTS][N];
    void *bound[SLOTS];
} trial;

static void trial_open(trial *t)
{
    memset(t, 0, sizeof *t);
    assert_int_equal(engine_open(&t->e, bk_reference()), BK_OK);
    assert_int_equal(graph_create(&t->e.m, BK_F64, &t->g), OK);
    for (int slot = 0; slot < SLOTS; slot++) {
        t->bound[slot] = t->at[slot];
        for (int i = 0; i < N; i++)
            t->at[slot][i] = 1 + slot + 0.125 * i;
    }
}

static void trial_close(trial *t)
{
    graph_free(t->g);
    assert_true(engine_close(&t->e));
}

static bk_shape row(void)
{
    return shape_of(BK_F64, 1, (const int64_t[]){N});
}

static value state(trial *t, int32_t slot)
{
    return graph_state(t->g, slot, row());
}

static value input(trial *t, int32_t slot)
{
    return graph_bound(t->g, slot, row());
}

static plan *planned(trial *t, int flags)
{
    plan *p;
    status s = plan_create(t->g, t->e.dev, flags, &p);
    if (s != OK)
        print_error("%s\n", status_text());
    assert_int_equal(s, OK);
    return p;
}

/* Runs n times and replaces the states each time. Returns the arena's bytes. */
static size_t run(trial *t, int flags, int n)
{
    plan *p = planned(t, flags);
    for (int i = 0; i < n; i++) {
        assert_int_equal(plan_run(p, t->bound, SLOTS, NULL), OK);
        if (!(flags & PLAN_IN_PLACE))
            assert_int_equal(plan_assign(p, t->bound), OK);
    }
    size_t bytes = plan_arena_bytes(p);
    plan_free(p);
    return bytes;
}

/* What slot held at first. */
static double first(int slot, int i)
{
    return 1 + slot + 0.125 * i;
}

static const int both[] = {PLAN_ARENA, PLAN_ARENA | PLAN_IN_PLACE};

#define EACH_WAY(flags) for (const int *flags = both; flags < both + 2; flags++)

/* ---- facts ---- */

static void a_state_holds_the_next_value_after_each_run(void **unused)
{
    (void)unused;
    EACH_WAY(flags)
    {
        trial t;
        trial_open(&t);
        value s = state(&t, 0);
        graph_assign(t.g, s, op_add(t.g, op_affine(t.g, s, 0.5, 0), input(&t, 1)));
        run(&t, *flags, 3);
        for (int i = 0; i < N; i++)
            assert_true(t.at[0][i] == first(0, i) / 8 + first(1, i) * 1.75);
        trial_close(&t);
    }
}

static void nothing_is_replaced_before_it_is_assigned(void **unused)
{
    (void)unused;
    trial t;
    trial_open(&t);
    graph_assign(t.g, state(&t, 0), op_affine(t.g, input(&t, 1), 2, 0));
    plan *p = planned(&t, PLAN_ARENA);
    assert_int_equal(plan_run(p, t.bound, SLOTS, NULL), OK);
    for (int i = 0; i < N; i++)
        assert_true(t.at[0][i] == first(0, i));
    assert_int_equal(plan_assign(p, t.bound), OK);
    for (int i = 0; i < N; i++)
        assert_true(t.at[0][i] == 2 * first(1, i));
    plan_free(p);
    trial_close(&t);
}

/* The output is made after the next value, and reads the old one. */
/* Where a state has no reader, its slot is bound only to be assigned. */
static void a_state_that_nothing_reads_must_be_bound_too(void **unused)
{
    (void)unused;
    EACH_WAY(flags)
    {
        trial t;
        trial_open(&t);
        graph_assign(t.g, state(&t, SLOTS - 1), op_affine(t.g, input(&t, 1), 2, 0));
        plan *p = planned(&t, *flags);
        assert_int_equal(plan_run(p, t.bound, SLOTS - 1, NULL), ERR_INTERNAL);
        assert_string_equal(status_text(), "the plan reads 8 slots, but 7 are bound");
        plan_free(p);
        run(&t, *flags, 1);
        for (int i = 0; i < N; i++)
            assert_true(t.at[SLOTS - 1][i] == 2 * first(1, i));
        trial_close(&t);
    }
}

static void a_later_reader_sees_the_old_value(void **unused)
{
    (void)unused;
    EACH_WAY(flags)
    {
        trial t;
        trial_open(&t);
        value s = state(&t, 0), next = op_affine(t.g, s, 3, 0);
        graph_assign(t.g, s, next);
        graph_output(t.g, op_add(t.g, s, next), 2);
        graph_output(t.g, op_view(t.g, op_affine(t.g, op_view(t.g, s, 2, 2, N / 2), -1, 0), 1, N), 3);
        run(&t, *flags, 1);
        for (int i = 0; i < N; i++) {
            assert_true(t.at[0][i] == 3 * first(0, i));
            assert_true(t.at[2][i] == 4 * first(0, i));
            assert_true(t.at[3][i] == -first(0, i));
        }
        trial_close(&t);
    }
}

static void two_states_can_change_places(void **unused)
{
    (void)unused;
    EACH_WAY(flags)
    {
        trial t;
        trial_open(&t);
        value a = state(&t, 0), b = state(&t, 1);
        graph_assign(t.g, a, b);
        graph_assign(t.g, b, a);
        run(&t, *flags, 1);
        for (int i = 0; i < N; i++)
            assert_true(t.at[0][i] == first(1, i) && t.at[1][i] == first(0, i));
        trial_close(&t);
    }
}

static void one_value_can_be_an_output_and_the_next_of_two_states(void **unused)
{
    (void)unused;
    EACH_WAY(flags)
    {
        trial t;
        trial_open(&t);
        value x = op_affine(t.g, input(&t, 2), 7, 0);
        graph_assign(t.g, state(&t, 0), x);
        graph_assign(t.g, state(&t, 1), x);
        graph_output(t.g, x, 3);
        run(&t, *flags, 1);
        for (int i = 0; i < N; i++)
            assert_true(t.at[0][i] == 7 * first(2, i) && t.at[1][i] == t.at[0][i] &&
                        t.at[3][i] == t.at[0][i]);
        trial_close(&t);
    }
}

/* Statistics of two views: the second update starts from the first one's, and counts. */
static void a_second_update_in_one_graph_starts_from_the_first(void **unused)
{
    (void)unused;
    EACH_WAY(flags)
    {
        trial t;
        trial_open(&t);
        value s = state(&t, 0);
        assert_int_equal(graph_latest(t.g, s), s);
        for (int view = 1; view <= 2; view++) {
            value old = op_affine(t.g, graph_latest(t.g, s), 0.5, 0);
            graph_assign(t.g, s, op_add(t.g, old, op_affine(t.g, input(&t, view), 0.5, 0)));
        }
        graph_output(t.g, op_affine(t.g, s, 1, 0), 3);
        run(&t, *flags, 1);
        for (int i = 0; i < N; i++) {
            assert_true(t.at[0][i] == first(0, i) / 4 + first(1, i) / 4 + first(2, i) / 2);
            assert_true(t.at[3][i] == first(0, i));
        }
        trial_close(&t);
    }
}

static void an_assignment_keeps_its_value_alive_and_nothing_else(void **unused)
{
    (void)unused;
    trial t;
    trial_open(&t);
    value s = state(&t, 0), x = op_exp(t.g, input(&t, 1));
    op_log(t.g, x);                       /* nobody asks for this one */
    graph_assign(t.g, s, op_exp(t.g, s)); /* nor, in the end, for this one */
    graph_assign(t.g, s, x);
    plan *p = planned(&t, PLAN_ARENA);
    assert_int_equal(plan_call_count(p), 1);
    plan_free(p);
    trial_close(&t);
}

/* A chain of updates in place needs no arena. A matrix product that reads the state cannot write over it. */
static void in_place_means_no_second_copy_where_that_is_right(void **unused)
{
    (void)unused;
    trial t;
    trial_open(&t);
    value s = state(&t, 0);
    graph_assign(t.g, s, op_sub(t.g, s, input(&t, 1)));
    assert_int_equal(run(&t, PLAN_ARENA | PLAN_IN_PLACE, 2), 0);
    for (int i = 0; i < N; i++)
        assert_true(t.at[0][i] == first(0, i) - 2 * first(1, i));
    trial_close(&t);

    trial_open(&t);
    bk_shape square = shape_of(BK_F64, 2, (const int64_t[]){8, 8});
    value a = graph_state(t.g, 0, square);
    graph_assign(t.g, a, op_matmul(t.g, a, graph_bound(t.g, 1, square), 0, 0));
    assert_true(run(&t, PLAN_ARENA | PLAN_IN_PLACE, 1) >= 64 * sizeof(double));
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            double sum = 0;
            for (int k = 0; k < 8; k++)
                sum += first(0, 8 * i + k) * first(1, 8 * k + j);
            assert_true(t.at[0][8 * i + j] == sum);
        }
    trial_close(&t);
}

/* A broadcast pair reads one element of the state for many of its result. */
static void a_state_read_with_broadcasting_is_not_written_over(void **unused)
{
    (void)unused;
    EACH_WAY(flags)
    {
        trial t;
        trial_open(&t);
        value s = state(&t, 0), top = op_slice(t.g, s, 0, 0, 1);
        graph_assign(t.g, s, op_mul(t.g, s, top));
        run(&t, *flags, 1);
        for (int i = 0; i < N; i++)
            assert_true(t.at[0][i] == first(0, i) * first(0, 0));
        trial_close(&t);
    }
}

static void recomputing_reads_the_old_value_too(void **unused)
{
    (void)unused;
    EACH_WAY(flags)
    {
        trial t;
        trial_open(&t);
        value s = state(&t, 0), x = input(&t, 1), h = op_tanh(t.g, op_mul(t.g, op_affine(t.g, s, 0.1, 0), x)),
              dx;
        value y = op_sigmoid(t.g, op_affine(t.g, h, 2, 0)); /* computed again for the gradient */
        graph_assign(t.g, s, op_affine(t.g, s, 1, 1));
        assert_int_equal(graph_gradients(t.g, op_sum_all(t.g, op_mul(t.g, y, y)), &x, 1, &dx), OK);
        graph_output(t.g, dx, 2);
        trial plain;
        trial_open(&plain);
        value s2 = input(&plain, 0), x2 = input(&plain, 1), dx2;
        value y2 = op_sigmoid(
            plain.g,
            op_affine(plain.g, op_tanh(plain.g, op_mul(plain.g, op_affine(plain.g, s2, 0.1, 0), x2)), 2, 0));
        assert_int_equal(graph_gradients(plain.g, op_sum_all(plain.g, op_mul(plain.g, y2, y2)), &x2, 1, &dx2),
                         OK);
        graph_output(plain.g, dx2, 2);
        assert_int_equal(graph_recompute(t.g, RECOMPUTE_CHEAP), OK);
        run(&t, *flags, 1);
        run(&plain, PLAN_ARENA, 1);
        assert_memory_equal(t.at[2], plain.at[2], sizeof t.at[2]);
        for (int i = 0; i < N; i++)
            assert_true(t.at[0][i] == first(0, i) + 1);
        trial_close(&t);
        trial_close(&plain);
    }
}

/* A state that the graph itself replaces is no invariant, whatever the caller says of its slot. */
static void a_state_that_changes_is_not_hoisted(void **unused)
{
    (void)unused;
    trial t;
    folded out;
    const unsigned char steady[SLOTS] = {1, 0};
    trial_open(&t);
    value s = state(&t, 0), x = op_exp(t.g, s);
    graph_assign(t.g, s, op_affine(t.g, s, 2, 0));
    graph_output(t.g, op_mul(t.g, x, input(&t, 1)), 2);
    assert_int_equal(graph_fold(t.g, steady, SLOTS, 4, FOLD_READS, &out), OK);
    assert_int_equal(out.n, 0);
    trial_close(&t);
}

static void an_assignment_that_does_not_fit_fails_the_graph(void **unused)
{
    (void)unused;
    trial t;
    trial_open(&t);
    graph_assign(t.g, state(&t, 0), op_slice(t.g, input(&t, 1), 0, 0, 3));
    assert_int_equal(graph_status(t.g), ERR_INTERNAL);
    assert_non_null(strstr(status_text(), "[70], its next value [3]"));
    trial_close(&t);
    trial_open(&t);
    graph_assign(t.g, input(&t, 0), op_exp(t.g, input(&t, 1)));
    assert_int_equal(graph_status(t.g), ERR_INTERNAL);
    assert_non_null(strstr(status_text(), "only a state"));
    trial_close(&t);
}

/* ---- a step of Adam ---- */

enum { WEIGHT, GRADIENT, MOMENT1, MOMENT2, SCALARS };

/* Step 1 with rate 0.5, betas 0.5 and 0.75, decay 0.25 a step. */
static void adam_replaces_its_states_in_place(void **unused)
{
    (void)unused;
    trial plain;
    EACH_WAY(flags)
    {
        trial t;
        trial_open(&t);
        memcpy(t.at[SCALARS], (const double[]){1, 0.5, 0.875}, 3 * sizeof(double));
        adam_values now = {state(&t, WEIGHT), state(&t, MOMENT1), state(&t, MOMENT2)};
        value scalars = graph_bound(t.g, SCALARS, shape_of(BK_F64, 1, (const int64_t[]){3}));
        adam_values next = op_adam(t.g, now, input(&t, GRADIENT), scalars, (adam_settings){0.5, 0.75, 1});
        graph_assign(t.g, now.weight, next.weight);
        graph_assign(t.g, now.moment1, next.moment1);
        graph_assign(t.g, now.moment2, next.moment2);
        size_t bytes = run(&t, *flags, 1);
        assert_true(*flags & PLAN_IN_PLACE ? bytes == 0 : bytes >= 3 * sizeof t.at[0]);
        for (int i = 0; i < N; i++) {
            double g = first(GRADIENT, i), m = 0.5 * first(MOMENT1, i) + 0.5 * g;
            double v = 0.75 * first(MOMENT2, i) + 0.25 * g * g;
            assert_true(t.at[MOMENT1][i] == m && t.at[MOMENT2][i] == v);
            assert_true(fabs(t.at[WEIGHT][i] - (0.875 * first(WEIGHT, i) - m / (sqrt(v) / 0.5 + 1))) < 1e-13);
        }
        if (flags == both)
            memcpy(plain.at, t.at, sizeof plain.at);
        else
            assert_memory_equal(plain.at, t.at, sizeof plain.at);
        trial_close(&t);
    }
}

/* ---- no gradient passes ---- */

/* y = x * detach(x): dy/dx is x, not 2 x. The view needs no kernel. */
static void nothing_passes_a_detached_value(void **unused)
{
    (void)unused;
    trial t;
    trial_open(&t);
    value x = input(&t, 0), y = op_exp(t.g, x), dx, none;
    graph_output(t.g, op_mul(t.g, x, op_detach(t.g, x)), 3);
    assert_int_equal(graph_gradients(t.g, op_sum_all(t.g, op_mul(t.g, x, op_detach(t.g, x))), &x, 1, &dx),
                     OK);
    assert_int_equal(graph_gradients(t.g, op_sum_all(t.g, op_detach(t.g, y)), &x, 1, &none), OK);
    assert_int_equal(none, NONE);
    graph_output(t.g, dx, 4);
    plan *p = planned(&t, PLAN_ARENA);
    for (int32_t i = 0; i < plan_call_count(p); i++)
        assert_int_not_equal(plan_call_op(p, i), BK_DETACH);
    assert_int_equal(plan_run(p, t.bound, SLOTS, NULL), OK);
    for (int i = 0; i < N; i++)
        assert_true(t.at[3][i] == first(0, i) * first(0, i) && t.at[4][i] == first(0, i));
    plan_free(p);
    trial_close(&t);
}

/* ---- a slot is one value ---- */

/* Two networks over one tensor: loss = sum(w x) + sum(w x), so that the gradient is 2 x. */
static void a_weight_that_is_bound_twice_gets_its_whole_gradient(void **unused)
{
    (void)unused;
    trial t;
    trial_open(&t);
    value x = input(&t, 5), w1 = input(&t, 0), w2 = input(&t, 0), dw;
    value loss = op_add(t.g, op_sum_all(t.g, op_mul(t.g, w1, x)), op_sum_all(t.g, op_mul(t.g, w2, x)));
    assert_int_equal(w1, w2);
    assert_int_equal(graph_gradients(t.g, loss, &w2, 1, &dw), OK);
    graph_output(t.g, dw, 3);
    run(&t, PLAN_ARENA, 1);
    for (int i = 0; i < N; i++)
        assert_true(t.at[3][i] == 2 * first(5, i));
    trial_close(&t);
}

static void a_slot_has_one_shape(void **unused)
{
    (void)unused;
    trial t;
    trial_open(&t);
    input(&t, 4);
    assert_int_equal(graph_bound(t.g, 4, shape_of(BK_F64, 1, (const int64_t[]){3})), NONE);
    assert_int_equal(graph_status(t.g), ERR_INTERNAL);
    assert_non_null(strstr(status_text(), "slot 4 is bound as [70]"));
    trial_close(&t);
}

static void memory_comes_back_wherever_it_runs_out(void **unused)
{
    (void)unused;
    status s = ERR_MEMORY;
    for (int64_t n = 1; s != OK; n++) {
        trial t;
        plan *p = NULL;
        trial_open(&t);
        t.e.memory.fail_from = t.e.memory.calls + n;
        t.e.memory.fail_to = INT64_MAX;
        value a = state(&t, 0), b = state(&t, 1);
        graph_assign(t.g, a, op_add(t.g, a, b));
        graph_assign(t.g, b, a);
        s = plan_create(t.g, t.e.dev, PLAN_ARENA | PLAN_IN_PLACE, &p);
        assert_true(s == OK || s == ERR_MEMORY);
        plan_free(p);
        trial_close(&t);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_holds_the_next_value_after_each_run),
        cmocka_unit_test(nothing_is_replaced_before_it_is_assigned),
        cmocka_unit_test(a_state_that_nothing_reads_must_be_bound_too),
        cmocka_unit_test(a_later_reader_sees_the_old_value),
        cmocka_unit_test(two_states_can_change_places),
        cmocka_unit_test(one_value_can_be_an_output_and_the_next_of_two_states),
        cmocka_unit_test(a_second_update_in_one_graph_starts_from_the_first),
        cmocka_unit_test(an_assignment_keeps_its_value_alive_and_nothing_else),
        cmocka_unit_test(in_place_means_no_second_copy_where_that_is_right),
        cmocka_unit_test(a_state_read_with_broadcasting_is_not_written_over),
        cmocka_unit_test(recomputing_reads_the_old_value_too),
        cmocka_unit_test(a_state_that_changes_is_not_hoisted),
        cmocka_unit_test(an_assignment_that_does_not_fit_fails_the_graph),
        cmocka_unit_test(adam_replaces_its_states_in_place),
        cmocka_unit_test(nothing_passes_a_detached_value),
        cmocka_unit_test(a_weight_that_is_bound_twice_gets_its_whole_gradient),
        cmocka_unit_test(a_slot_has_one_shape),
        cmocka_unit_test(memory_comes_back_wherever_it_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
