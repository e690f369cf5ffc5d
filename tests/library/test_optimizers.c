/* SPDX-License-Identifier: Apache-2.0 */
/* test_optimizers.c - the rows of optimisers and schedules: a step of each against its formula in float64,
 * and that settings name the rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/method.h"
#include "lib/plan.h"
#include "train/optimizers/optimizer.h"
#include "train/schedules/schedule.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- some steps of one optimiser on one tensor ---- */

enum { N = 6, STEPS = 4 };
enum { WEIGHT, GRADIENT, STATE0, STATE1, EXACT, SCALAR0, SLOTS = SCALAR0 + OPTIMIZER_SCALARS };

typedef struct trial {
    double w[N], g[N], state[2][N];
} trial;

static double gradient_at(int step, int i)
{
    return i == 5 ? 0 : sin(1.0 + 0.7 * i + step);
}

static trial start(void)
{
    trial t;
    memset(&t, 0, sizeof t);
    for (int i = 0; i < N; i++)
        t.w[i] = 0.5 * i - 1;
    return t;
}

/* rank 2: [2,3]; rank 1: [6]. */
static void run_steps(const optimizer *o, const optimizer_settings *set, double rate, int steps, int32_t rank,
                      trial *t)
{
    engine e;
    graph *g;
    plan *p;
    double exact[OPTIMIZER_SCALARS], real[OPTIMIZER_SCALARS];
    void *bound[SLOTS] = {t->w, t->g, t->state[0], t->state[1], exact};
    assert_int_equal(engine_open(&e, bk_reference()), BK_OK);
    assert_int_equal(graph_create(&e.m, BK_F64, &g), OK);
    bk_shape shape = shape_of(BK_F64, rank, rank == 2 ? (const int64_t[]){2, 3} : (const int64_t[]){6});
    update_values u = {.g = g, .set = set};
    u.weight = graph_state(g, WEIGHT, shape);
    u.gradient = graph_bound(g, GRADIENT, shape);
    for (int32_t i = 0; i < o->n_states; i++)
        u.state[i] = graph_state(g, STATE0 + i, shape);
    u.exact = graph_bound(g, EXACT, shape_of(BK_F64, 1, (const int64_t[]){OPTIMIZER_SCALARS}));
    for (int32_t i = 0; i < OPTIMIZER_SCALARS; i++) {
        u.scalar[i] = graph_bound(g, SCALAR0 + i, shape_of(BK_F64, 0, NULL));
        bound[SCALAR0 + i] = &real[i];
    }
    o->build(&u);
    assert_int_equal(plan_create(g, e.dev, PLAN_ARENA | PLAN_IN_PLACE, &p), OK);
    for (int step = 0; step < steps; step++) {
        o->scalars(set, rate, step + 1, exact);
        memcpy(real, exact, sizeof real);
        for (int i = 0; i < N && steps > 1; i++)
            t->g[i] = gradient_at(step, i);
        assert_int_equal(plan_run(p, bound, SLOTS, NULL), OK);
    }
    plan_free(p);
    graph_free(g);
    assert_true(engine_close(&e));
}

/* Each number is the result of some ten operations of float64. */
static void expect_near(const double *got, const double *expected)
{
    for (int i = 0; i < N; i++)
        if (!(fabs(got[i] - expected[i]) <= 1e-13 * (1 + fabs(expected[i]))))
            fail_msg("element %d is %.17g, expected %.17g", i, got[i], expected[i]);
}

static void sgd_follows_its_formula(void **unused)
{
    (void)unused;
    for (int nesterov = 0; nesterov < 2; nesterov++)
        for (int decayed = 0; decayed < 2; decayed++) {
            const optimizer_settings set = {
                .momentum = 0.8, .nesterov = nesterov, .weight_decay = 0.1 * decayed};
            trial t = start(), e = start();
            run_steps(&optimizer_sgd, &set, 0.05, STEPS, 2, &t);
            for (int step = 0; step < STEPS; step++)
                for (int i = 0; i < N; i++) {
                    double u = gradient_at(step, i) + set.weight_decay * e.w[i];
                    e.state[0][i] = 0.8 * e.state[0][i] + u;
                    e.w[i] -= 0.05 * (nesterov ? u + 0.8 * e.state[0][i] : e.state[0][i]);
                }
            expect_near(t.w, e.w);
            expect_near(t.state[0], e.state[0]);
        }
}

static void adam_and_adamw_differ_in_where_they_decay(void **unused)
{
    (void)unused;
    for (int decoupled = 0; decoupled < 2; decoupled++) {
        const optimizer_settings set = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = 0.1};
        trial t = start(), e = start();
        run_steps(decoupled ? &optimizer_adamw : &optimizer_adam, &set, 0.05, STEPS, 2, &t);
        for (int step = 0; step < STEPS; step++)
            for (int i = 0; i < N; i++) {
                double g = gradient_at(step, i) + (decoupled ? 0 : 0.1 * e.w[i]);
                e.w[i] *= decoupled ? 1 - 0.05 * 0.1 : 1;
                double m = e.state[0][i] = 0.9 * e.state[0][i] + 0.1 * g;
                double v = e.state[1][i] = 0.99 * e.state[1][i] + 0.01 * g * g;
                e.w[i] -= 0.05 * m / (1 - pow(0.9, step + 1)) / (sqrt(v / (1 - pow(0.99, step + 1))) + 1e-8);
            }
        expect_near(t.w, e.w);
        expect_near(t.state[0], e.state[0]);
        expect_near(t.state[1], e.state[1]);
    }
}

static double norm_of(const double *x)
{
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static void lars_follows_its_formula(void **unused)
{
    (void)unused;
    const optimizer_settings set = {.momentum = 0.9, .weight_decay = 0.05, .trust = 0.01};
    trial t = start(), e = start();
    run_steps(&optimizer_lars, &set, 0.5, STEPS, 2, &t);
    for (int step = 0; step < STEPS; step++) {
        double u[N];
        for (int i = 0; i < N; i++)
            u[i] = gradient_at(step, i) + 0.05 * e.w[i];
        double q = 0.01 * norm_of(e.w) / norm_of(u);
        for (int i = 0; i < N; i++) {
            e.state[0][i] = 0.9 * e.state[0][i] + q * u[i];
            e.w[i] -= 0.5 * e.state[0][i];
        }
    }
    expect_near(t.w, e.w);
}

/* w = (3, 4), g = (0.6, 0.8), rate 1, trust 0.001: a matrix moves by 0.005 of its length, a vector by g; and
 * nothing is divided by 0. */
static void lars_leaves_vectors_and_zeros_alone(void **unused)
{
    (void)unused;
    const optimizer_settings set = {.momentum = 0.9, .trust = 0.001, .vector_rate = 1};
    trial t = {.w = {3, 4}, .g = {0.6, 0.8}};
    run_steps(&optimizer_lars, &set, 1, 1, 2, &t);
    expect_near(t.w, (const double[N]){2.997, 3.996});
    t = (trial){.w = {3, 4}, .g = {0.6, 0.8}};
    run_steps(&optimizer_lars, &set, 1, 1, 1, &t);
    expect_near(t.w, (const double[N]){2.4, 3.2});
    t = (trial){.g = {0.6, 0.8}};
    run_steps(&optimizer_lars, &set, 1, 1, 2, &t);
    expect_near(t.w, (const double[N]){-0.6, -0.8});
    t = (trial){.w = {3, 4}};
    run_steps(&optimizer_lars, &set, 1, 1, 2, &t);
    expect_near(t.w, (const double[N]){3, 4});
}

/* The rate of vectors is a factor of its own: of a matrix nothing changes, a vector takes half the steps. */
static void lars_has_a_second_rate_for_vectors(void **unused)
{
    (void)unused;
    const optimizer_settings one = {.momentum = 0.9, .weight_decay = 0.05, .trust = 0.01, .vector_rate = 1};
    const optimizer_settings half = {
        .momentum = 0.9, .weight_decay = 0.05, .trust = 0.01, .vector_rate = 0.5};
    trial a = start(), b = start();
    run_steps(&optimizer_lars, &one, 0.5, STEPS, 2, &a);
    run_steps(&optimizer_lars, &half, 0.5, STEPS, 2, &b);
    assert_memory_equal(a.w, b.w, sizeof a.w);
    trial t = start(), e = start();
    run_steps(&optimizer_lars, &half, 0.5, STEPS, 1, &t);
    for (int step = 0; step < STEPS; step++)
        for (int i = 0; i < N; i++) {
            e.state[0][i] = 0.9 * e.state[0][i] + gradient_at(step, i);
            e.w[i] -= 0.25 * e.state[0][i];
        }
    expect_near(t.w, e.w);
    expect_near(t.state[0], e.state[0]);
}

/* ---- rows ---- */

static const number rows[] = {TRAIN_NUMBERS(1, 10, 2, 0.99, 1, 0), OPTIMIZER_NUMBERS(OPTIMIZER_LARS, 0),
                              SCHEDULE_NUMBERS(SCHEDULE_COSINE, RATE_BY_STEP, 2, 0.5)};

static int lists(const char *choices, int32_t index, const char *name)
{
    for (; index > 0; index--)
        choices += strcspn(choices, "|") + 1;
    size_t n = strcspn(choices, "|");
    return n == strlen(name) && strncmp(choices, name, n) == 0;
}

static void settings_name_the_rows_in_their_order(void **unused)
{
    (void)unused;
    assert_int_equal(sizeof rows / sizeof *rows, TRAIN_SETTINGS);
    const number *o = &rows[TRAIN_OPTIMIZER], *s = &rows[TRAIN_SCHEDULE];
    for (int32_t i = 0; optimizer_at(i); i++) {
        assert_true(lists(o->choices, i, optimizer_at(i)->name));
        assert_ptr_equal(optimizer_named(optimizer_at(i)->name), optimizer_at(i));
    }
    for (int32_t i = 0; schedule_at(i); i++)
        assert_true(lists(s->choices, i, schedule_at(i)->name));
    assert_true(!optimizer_at((int32_t)o->high + 1) && optimizer_at((int32_t)o->high));
    assert_true(!schedule_at((int32_t)s->high + 1) && schedule_at((int32_t)s->high));
    assert_null(optimizer_named("none"));
    static const struct {
        int index;
        const char *name;
    } positions[] = {{TRAIN_BATCH, "batch"},
                     {TRAIN_RECOMPUTE, "recompute"},
                     {TRAIN_OPTIMIZER, "optimizer"},
                     {TRAIN_MOMENTUM, "momentum"},
                     {TRAIN_NESTEROV, "nesterov"},
                     {TRAIN_WEIGHT_DECAY, "weight_decay"},
                     {TRAIN_TRUST, "trust"},
                     {TRAIN_VECTOR_RATE, "vector_rate"},
                     {TRAIN_CLIP, "clip_norm"},
                     {TRAIN_SCHEDULE, "schedule"},
                     {TRAIN_RATE_BY, "rate_by"},
                     {TRAIN_WARMUP, "warmup_epochs"},
                     {TRAIN_MINIMUM_RATE, "minimum_rate"},
                     {TRAIN_DECAY_EPOCHS, "decay_epochs"},
                     {TRAIN_DECAY_FACTOR, "decay_factor"},
                     {TRAIN_POWER, "power"}};
    for (size_t i = 0; i < sizeof positions / sizeof *positions; i++)
        assert_string_equal(rows[positions[i].index].name, positions[i].name);
}

static void schedules_follow_their_formulas(void **unused)
{
    (void)unused;
    double v[TRAIN_SETTINGS];
    const number_table table = NUMBERS(rows);
    numbers_init(table, v); /* peak 2, minimum 0.5, 10 epochs, 2 of warm-up */
    v[TRAIN_DECAY_EPOCHS] = 3;
    v[TRAIN_POWER] = 2;
    for (int32_t kind = 0; schedule_at(kind); kind++) {
        v[TRAIN_SCHEDULE] = kind;
        assert_true(schedule_rate(v, 0) == 0 && schedule_rate(v, 0.5) == 0.5 && schedule_rate(v, 1.5) == 1.5);
    }
    v[TRAIN_SCHEDULE] = SCHEDULE_CONSTANT;
    assert_true(schedule_rate(v, 2) == 2 && schedule_rate(v, 100) == 2);
    v[TRAIN_SCHEDULE] = SCHEDULE_STEPS;
    assert_true(schedule_rate(v, 2.9) == 2 && fabs(schedule_rate(v, 3) - 0.2) < 1e-15);
    assert_true(fabs(schedule_rate(v, 9.5) - 0.002) < 1e-15);
    v[TRAIN_SCHEDULE] = SCHEDULE_COSINE;
    assert_true(schedule_rate(v, 2) == 2 && fabs(schedule_rate(v, 6) - 1.25) < 1e-15);
    assert_true(fabs(schedule_rate(v, 10) - 0.5) < 1e-15 && fabs(schedule_rate(v, 12) - 0.5) < 1e-15);
    v[TRAIN_SCHEDULE] = SCHEDULE_POLYNOMIAL;
    assert_true(schedule_rate(v, 2) == 2 && fabs(schedule_rate(v, 6) - (0.5 + 1.5 * 0.25)) < 1e-15);
    assert_true(schedule_rate(v, 11) == 0.5);
    v[TRAIN_RATE_BY] = RATE_BY_EPOCH;
    assert_true(schedule_rate(v, 6.9) == schedule_rate(v, 6) && schedule_rate(v, 1.5) == 1);
}

/* ---- tables ---- */

static void every_method_keeps_to_the_limits_of_the_table(void **unused)
{
    (void)unused;
    size_t trains = 0;
    for (size_t i = 0; method_at(i); i++) {
        assert_true(method_at(i)->options.n <= METHOD_NUMBERS);
        for (int32_t k = 0; k < method_at(i)->n_tasks; k++) {
            const method_task *t = &method_at(i)->tasks[k];
            if (task_check(t) != OK)
                fail_msg("%s", status_text());
            trains += t->trains != 0;
            for (int32_t s = 0; t->trains && s < TRAIN_SETTINGS; s++)
                assert_string_equal(t->settings.rows[s].name, rows[s].name);
        }
    }
    assert_true(trains >= 1);
}

static void expect_refused(method_task t, const char *word)
{
    assert_int_equal(task_check(&t), ERR_INTERNAL);
    assert_non_null(strstr(status_text(), word));
}

static void nothing(task_graph *t)
{
    (void)t;
}

static void a_table_beyond_the_limits_is_refused(void **unused)
{
    (void)unused;
    static const port ports[METHOD_PORTS + 1] = {PORT_LOSS("a", "")};
    static const number many[METHOD_NUMBERS + 1] = {{.name = "a", .kind = SLMT_NUMBER_REAL}};
    static const method_graph graphs[1] = {{"g", nothing}};
    const method_task good = {
        .name = "t", .trains = 1, .build = nothing, .settings = NUMBERS(rows), .outputs = {ports, 5}};
    assert_int_equal(task_check(&good), OK);
    method_task t = good;
    t.outputs.n = METHOD_PORTS + 1;
    expect_refused(t, "inputs and outputs");
    t = good;
    t.outputs.n = 0;
    expect_refused(t, "no outputs");
    t = good;
    t.settings = (number_table){many, METHOD_NUMBERS + 1};
    expect_refused(t, "settings");
    t.settings = (number_table){rows, TRAIN_SETTINGS - 1};
    expect_refused(t, "lacks settings");
    t = good;
    t.n_sets = TASK_SETS + 1;
    expect_refused(t, "parameter sets");
    t = good;
    t.graphs = graphs;
    t.n_graphs = 1;
    expect_refused(t, "either one graph");
    t.build = NULL;
    expect_refused(t, "no step");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_follows_its_formula),
        cmocka_unit_test(adam_and_adamw_differ_in_where_they_decay),
        cmocka_unit_test(lars_follows_its_formula),
        cmocka_unit_test(lars_leaves_vectors_and_zeros_alone),
        cmocka_unit_test(lars_has_a_second_rate_for_vectors),
        cmocka_unit_test(settings_name_the_rows_in_their_order),
        cmocka_unit_test(schedules_follow_their_formulas),
        cmocka_unit_test(every_method_keeps_to_the_limits_of_the_table),
        cmocka_unit_test(a_table_beyond_the_limits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
