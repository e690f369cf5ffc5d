/* SPDX-License-Identifier: Apache-2.0 */
/* test_device.c - plans on a backend whose memory the host cannot touch: the same bits as on the reference,
 * every byte counted, and a clear error if the two memories are confused. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ops.h"
#include "lib/plan.h"
#include "lib/random.h"
#include "tests/engine/engine_host.h"
#include "tests/plugins/walled.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { WALLS = 2 };

static const bk_backend *wall(int i)
{
    return i == 0 ? bk_walled() : bk_walled_calls();
}

/* ---- a small network with a constant, a held gradient and an output ---- */

enum { X, W, Y, SLOTS };
enum { ROWS = 5, WIDTH = 9, OUTPUTS = 4 };

static const size_t elements[SLOTS] = {ROWS * WIDTH, OUTPUTS *WIDTH, ROWS *OUTPUTS};

typedef struct trial {
    engine e;
    bk_dtype real;
    plan *plan;
    void *bound[SLOTS]; /* on the device */
    unsigned char y[8 * ROWS * OUTPUTS], gradient[8 * OUTPUTS * WIDTH];
} trial;

static size_t bytes_of(const trial *t, int slot)
{
    return elements[slot] * bk_dtype_size((int32_t)t->real);
}

static void build(const trial *t, graph *g)
{
    static const double offset[OUTPUTS] = {0.5, -1, 0, 2};
    value x = graph_bound(g, X, shape_of(t->real, 2, (const int64_t[]){ROWS, WIDTH}));
    value w = graph_bound(g, W, shape_of(t->real, 2, (const int64_t[]){OUTPUTS, WIDTH}));
    value c = graph_constant(g, shape_of(t->real, 1, (const int64_t[]){OUTPUTS}), offset), gradient;
    value y = op_softmax(g, op_add(g, op_gelu(g, op_linear(g, x, w, NONE)), c));
    value loss = op_sum_all(g, op_mul(g, y, y));
    graph_gradients(g, loss, &w, 1, &gradient);
    graph_output(g, y, Y);
    graph_hold(g, gradient, 0);
    assert_int_equal(graph_status(g), OK);
}

static status make_plan(trial *t, int arena)
{
    graph *g;
    assert_int_equal(graph_create(&t->e.m, t->real, &g), OK);
    build(t, g);
    status s = plan_create(g, t->e.dev, arena, &t->plan);
    graph_free(g);
    return s;
}

static void fill(trial *t, int slot)
{
    double values[ROWS * WIDTH];
    random_stream r = random_open(7, (uint32_t)slot);
    for (size_t i = 0; i < elements[slot]; i++) {
        double x = 2 * random_uniform(&r) - 1;
        if (t->real == BK_F64)
            values[i] = x;
        else
            ((float *)(void *)values)[i] = (float)x;
    }
    assert_int_equal(device_write(t->e.dev, t->bound[slot], values, bytes_of(t, slot)), OK);
}

static void open_trial(trial *t, const bk_backend *backend, bk_dtype real)
{
    memset(t, 0, sizeof *t);
    t->real = real;
    assert_int_equal(engine_open(&t->e, backend), BK_OK);
    assert_int_equal(make_plan(t, 1), OK);
    for (int i = 0; i < SLOTS; i++)
        assert_int_equal(device_take(t->e.dev, &t->e.m, bytes_of(t, i), &t->bound[i]), OK);
    fill(t, X);
    fill(t, W);
}

static void read_results(trial *t)
{
    assert_int_equal(device_read(t->e.dev, t->y, t->bound[Y], bytes_of(t, Y)), OK);
    assert_int_equal(device_read(t->e.dev, t->gradient, plan_held(t->plan, 0), bytes_of(t, W)), OK);
}

static void run_trial(trial *t)
{
    assert_int_equal(plan_run(t->plan, t->bound, SLOTS, NULL), OK);
    read_results(t);
}

static void close_trial(trial *t)
{
    plan_free(t->plan);
    for (int i = 0; i < SLOTS; i++)
        device_give(t->e.dev, &t->e.m, t->bound[i], bytes_of(t, i));
    assert_true(engine_close(&t->e));
}

/* ---- facts ---- */

static void a_plan_on_walled_memory_gives_the_reference_s_bits(void **state)
{
    (void)state;
    for (int real = BK_F32; real <= BK_F64; real++) {
        trial truth, t;
        open_trial(&truth, bk_reference(), (bk_dtype)real);
        run_trial(&truth);
        for (int i = 0; i < WALLS; i++) {
            open_trial(&t, wall(i), (bk_dtype)real);
            for (int again = 0; again < 2; again++) {
                memset(t.y, 0, sizeof t.y);
                run_trial(&t);
                assert_memory_equal(t.y, truth.y, sizeof t.y);
                assert_memory_equal(t.gradient, truth.gradient, sizeof t.gradient);
            }
            close_trial(&t);
        }
        close_trial(&truth);
    }
}

static void every_byte_on_the_device_is_counted_and_given_back(void **state)
{
    (void)state;
    for (int i = 0; i < WALLS; i++) {
        trial t;
        open_trial(&t, wall(i), BK_F32);
        uint64_t live = t.e.m.live, dry;
        size_t arena = plan_arena_bytes(t.plan);
        plan_free(t.plan);
        uint64_t without = t.e.m.live;
        assert_int_equal(make_plan(&t, 0), OK);
        dry = t.e.m.live;
        assert_int_equal(dry - without + device_cost(t.e.dev, arena), live - without);
        assert_null(plan_held(t.plan, 0));
        plan_free(t.plan);
        assert_int_equal(make_plan(&t, 1), OK);
        assert_int_equal(t.e.m.live, live);
        close_trial(&t);
    }
}

static void a_limit_holds_for_the_device_too(void **state)
{
    (void)state;
    trial t;
    void *p = &t;
    open_trial(&t, bk_walled(), BK_F32);
    t.e.m.limit = t.e.m.live + 1000;
    assert_int_equal(device_take(t.e.dev, &t.e.m, 1001, &p), ERR_LIMIT);
    assert_non_null(strstr(status_text(), "max_bytes"));
    assert_null(p);
    assert_int_equal(device_take(t.e.dev, &t.e.m, 1000, &p), OK);
    device_give(t.e.dev, &t.e.m, p, 1000);
    close_trial(&t);
}

static void a_full_device_is_out_of_memory_and_loses_nothing(void **state)
{
    (void)state;
    trial t = {.real = BK_F32};
    void *p;
    test_memory_init(&t.e.memory);
    mem_init(&t.e.m, guard_alloc, guard_free, &t.e.memory, 0);
    t.e.host = (bk_host){&t.e.memory, guard_host_alloc, guard_free, test_log, 1};
    t.e.dev.backend = bk_walled();
    for (int room = 0; room < 8000; room += 400) {
        char options[32];
        snprintf(options, sizeof options, "memory=%d", room);
        assert_int_equal(bk_walled()->open(&t.e.host, options, &t.e.dev.handle), BK_OK);
        status s = make_plan(&t, 1);
        assert_true(s == OK || s == ERR_MEMORY);
        assert_int_equal(device_take(t.e.dev, &t.e.m, 8000, &p), ERR_MEMORY);
        plan_free(t.plan);
        t.plan = NULL;
        assert_int_equal(t.e.m.live, 0);
        bk_walled()->close(t.e.dev.handle);
        assert_int_equal(t.e.memory.live, 0);
        if (room == 0)
            assert_int_equal(s, ERR_MEMORY);
        if (room == 7600)
            assert_int_equal(s, OK);
    }
}

static void host_memory_in_place_of_the_device_s_is_an_error_and_the_next_run_is_right(void **state)
{
    (void)state;
    for (int i = 0; i < WALLS; i++) {
        trial truth, t;
        float mine[ROWS * WIDTH] = {0};
        open_trial(&truth, bk_reference(), BK_F32);
        run_trial(&truth);
        open_trial(&t, wall(i), BK_F32);
        void *bound[SLOTS] = {mine, t.bound[W], t.bound[Y]};
        assert_int_equal(plan_run(t.plan, bound, SLOTS, NULL), ERR_BACKEND);
        assert_non_null(strstr(status_text(), wall(i)->name));
        assert_int_equal(device_write(t.e.dev, mine, mine, sizeof mine), ERR_BACKEND);
        assert_int_equal(device_read(t.e.dev, t.bound[X], t.bound[X], 4), ERR_BACKEND);
        assert_int_equal(device_copy(t.e.dev, t.bound[W], mine, 4), ERR_BACKEND);
        run_trial(&t);
        assert_memory_equal(t.y, truth.y, sizeof t.y);
        close_trial(&t);
        close_trial(&truth);
    }
}

static void a_cancelled_plan_runs_not_at_all_or_to_some_call(void **state)
{
    (void)state;
    for (int i = 0; i < WALLS; i++) {
        trial t;
        atomic_int cancel = 1;
        open_trial(&t, wall(i), BK_F32);
        assert_int_equal(plan_run(t.plan, t.bound, SLOTS, &cancel), ERR_CANCELLED);
        cancel = 0;
        assert_int_equal(plan_run(t.plan, t.bound, SLOTS, &cancel), OK);
        close_trial(&t);
    }
}

/* The programs of "walled" have done nothing before somebody waits. */
static void a_plan_that_was_started_works_until_it_is_finished(void **state)
{
    (void)state;
    for (int i = 0; i < WALLS; i++) {
        trial truth, t;
        atomic_int cancel = 1;
        open_trial(&truth, bk_reference(), BK_F32);
        run_trial(&truth);
        open_trial(&t, wall(i), BK_F32);
        assert_int_equal(plan_start(t.plan, t.bound, SLOTS, &cancel, NULL), ERR_CANCELLED);
        assert_false(plan_is_running(t.plan));
        assert_int_equal(plan_start(t.plan, t.bound, SLOTS, NULL, NULL), OK);
        assert_int_equal(plan_is_running(t.plan), wall(i)->launch != NULL);
        if (wall(i)->launch)
            assert_int_equal(plan_start(t.plan, t.bound, SLOTS, NULL, NULL), ERR_BACKEND);
        for (int again = 0; again < 2; again++)
            assert_int_equal(plan_finish(t.plan), OK);
        assert_false(plan_is_running(t.plan));
        read_results(&t);
        assert_memory_equal(t.y, truth.y, sizeof t.y);
        close_trial(&t);
        close_trial(&truth);
    }
}

/* A plan reads what one before it wrote, though neither was waited for, and so does one that runs call by
 * call. */
static void a_plan_can_start_after_another_one_that_works(void **state)
{
    (void)state;
    for (int profiled = 0; profiled < 2; profiled++) {
        trial truth, first, second;
        profile p;
        open_trial(&truth, bk_reference(), BK_F32);
        run_trial(&truth);
        open_trial(&first, bk_walled(), BK_F32);
        second = first;
        assert_int_equal(make_plan(&second, 1), OK);
        profile_init(&p, &first.e.m);
        if (profiled)
            assert_int_equal(plan_profile(second.plan, &p), OK);
        assert_int_equal(plan_start(first.plan, first.bound, SLOTS, NULL, NULL), OK);
        assert_int_equal(plan_start(second.plan, first.bound, SLOTS, NULL, first.plan), OK);
        assert_int_equal(plan_is_running(first.plan), !profiled);
        assert_int_equal(plan_finish(second.plan), OK);
        assert_int_equal(plan_finish(first.plan), OK);
        read_results(&first);
        assert_memory_equal(first.y, truth.y, sizeof first.y);
        plan_free(second.plan);
        profile_close(&p);
        close_trial(&first);
        close_trial(&truth);
    }
}

static void a_profile_has_every_call_of_a_plan_that_runs_as_a_whole(void **state)
{
    (void)state;
    trial t;
    profile p;
    open_trial(&t, bk_walled(), BK_F32);
    profile_init(&p, &t.e.m);
    assert_int_equal(plan_profile(t.plan, &p), OK);
    run_trial(&t);
    uint64_t calls = 0;
    for (int32_t i = 0; i < p.n_entries; i++)
        calls += p.entries[i].calls;
    assert_int_equal(calls, plan_call_count(t.plan));
    assert_int_equal(plan_profile(t.plan, NULL), OK);
    run_trial(&t);
    profile_close(&p);
    close_trial(&t);
}

/* Also where the number is not finite in the last place alone. */
static void the_first_array_that_is_not_finite_is_named(void **state)
{
    (void)state;
    const bk_backend *backends[] = {bk_reference(), bk_walled()};
    for (int real = BK_F32; real <= BK_F64; real++)
        for (int b = 0; b < 2; b++)
            for (int32_t bad = -1; bad < 3; bad++) {
                engine e;
                bk_tensor t[3];
                int32_t first = 99;
                size_t size = bk_dtype_size(real);
                assert_int_equal(engine_open(&e, backends[b]), BK_OK);
                for (int32_t i = 0; i < 3; i++) {
                    t[i].shape = shape_of((bk_dtype)real, 1, (const int64_t[]){37});
                    assert_int_equal(device_zeros(e.dev, &e.m, 37 * size, &t[i].data), OK);
                    double d = NAN;
                    float f = INFINITY;
                    if (bad >= 0 && i >= bad)
                        assert_int_equal(device_write(e.dev, (unsigned char *)t[i].data + 36 * size,
                                                      real == BK_F64 ? (void *)&d : (void *)&f, size),
                                         OK);
                }
                assert_int_equal(device_look(e.dev, t, 3, &first, NULL, 0), OK);
                assert_int_equal(first, bad);
                for (int32_t i = 0; i < 3; i++)
                    device_give(e.dev, &e.m, t[i].data, 37 * size);
                assert_true(engine_close(&e));
            }
}

static void what_is_to_be_read_comes_with_the_look(void **state)
{
    (void)state;
    const bk_backend *backends[] = {bk_reference(), bk_walled()};
    for (int b = 0; b < 2; b++) {
        engine e;
        const float mine[3] = {1, NAN, 3};
        float one = 0, two[2] = {0};
        bk_tensor t = {.shape = shape_of(BK_F32, 1, (const int64_t[]){3})};
        int32_t first = 99;
        assert_int_equal(engine_open(&e, backends[b]), BK_OK);
        assert_int_equal(device_take(e.dev, &e.m, sizeof mine, &t.data), OK);
        assert_int_equal(device_write(e.dev, t.data, mine, sizeof mine), OK);
        const bk_read reads[] = {{two, t.data, sizeof two}, {&one, (float *)t.data + 2, sizeof one}};
        assert_int_equal(device_look(e.dev, &t, 1, &first, reads, 2), OK);
        assert_int_equal(first, 0);
        assert_true(two[0] == 1 && isnan(two[1]) && one == 3);
        device_give(e.dev, &e.m, t.data, sizeof mine);
        assert_true(engine_close(&e));
    }
}

static void zeros_are_zeros_at_any_length(void **state)
{
    (void)state;
    const size_t lengths[] = {0, 1, 4095, 4096, 4097, 10000};
    engine e;
    assert_int_equal(engine_open(&e, bk_walled()), BK_OK);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char mine[10000];
        void *p;
        memset(mine, 0xEE, sizeof mine);
        assert_int_equal(device_zeros(e.dev, &e.m, lengths[i], &p), OK);
        assert_int_equal(device_read(e.dev, mine, p, lengths[i]), OK);
        for (size_t k = 0; k < sizeof mine; k++)
            assert_int_equal(mine[k], k < lengths[i] ? 0 : 0xEE);
        device_give(e.dev, &e.m, p, lengths[i]);
    }
    assert_true(engine_close(&e));
}

static bk_status no_copy(void *handle, void *to, const void *from, size_t bytes, bk_direction way)
{
    (void)handle, (void)to, (void)from, (void)bytes, (void)way;
    return BK_ERR_FAILED;
}

static void zeros_that_cannot_be_copied_are_an_error_and_take_no_memory(void **state)
{
    (void)state;
    bk_backend broken = *bk_walled();
    engine e;
    void *p = &e;
    broken.copy = no_copy;
    assert_int_equal(engine_open(&e, &broken), BK_OK);
    assert_int_equal(device_zeros(e.dev, &e.m, 100, &p), ERR_BACKEND);
    assert_string_equal(status_text(), "backend walled failed in a copy");
    assert_null(p);
    assert_int_equal(e.m.live, 0);
    assert_true(engine_close(&e));
}

/* ---- what calls keep ---- */

/* The reference, whose linear layers keep the sum of their weight if it is invariant. */
static struct {
    int packed, runs;
} watch;

typedef struct kept_sum {
    uint64_t version;
    const void *data;
    double sum;
} kept_sum;

static bk_status keeping_prepare(void *device, bk_call *call)
{
    bk_status s = bk_reference()->prepare(device, call);
    if (s == BK_OK && call->op == BK_LINEAR && call->in[1].version == 1)
        call->kept_bytes = sizeof(kept_sum);
    return s;
}

static double sum_of(const bk_tensor *t)
{
    double sum = 0;
    for (int64_t i = 0; i < bk_count(&t->shape); i++)
        sum += ((const float *)t->data)[i];
    return sum;
}

static bk_status keeping_run(void *device, bk_call *call)
{
    kept_sum *k = call->kept;
    if (k) {
        watch.runs++;
        if (k->version != call->in[1].version || k->data != call->in[1].data) {
            *k = (kept_sum){call->in[1].version, call->in[1].data, sum_of(&call->in[1])};
            watch.packed++;
        }
        assert_true(k->sum == sum_of(&call->in[1]));
    }
    return bk_reference()->run(device, call);
}

static status plan_invariant(trial *t, int weight_is_invariant, int arena)
{
    graph *g;
    const unsigned char invariant[SLOTS] = {0, (unsigned char)weight_is_invariant, 0};
    assert_int_equal(graph_create(&t->e.m, t->real, &g), OK);
    build(t, g);
    graph_invariant(g, invariant, SLOTS);
    status s = plan_create(g, t->e.dev, arena, &t->plan);
    graph_free(g);
    return s;
}

static void what_a_call_keeps_of_an_invariant_input_stays_until_its_version_changes(void **state)
{
    (void)state;
    bk_backend keeping = *bk_reference();
    keeping.prepare = keeping_prepare;
    keeping.run = keeping_run;
    trial t;
    open_trial(&t, &keeping, BK_F32);
    memset(&watch, 0, sizeof watch);
    assert_int_equal(plan_kept_bytes(t.plan), 0); /* nothing was said to be invariant */
    run_trial(&t);
    assert_int_equal(watch.runs, 0);
    plan_free(t.plan);
    assert_int_equal(plan_invariant(&t, 1, 1), OK);
    assert_int_equal(plan_kept_bytes(t.plan), 64);
    for (uint64_t version = 1; version <= 3; version++) {
        plan_version(t.plan, version);
        fill(&t, W);
        ((float *)t.bound[W])[0] = (float)version;
        for (int run = 0; run < 3; run++)
            run_trial(&t);
        assert_int_equal(watch.packed, version);
    }
    assert_int_equal(watch.runs, 9);
    close_trial(&t);
}

static void kept_memory_is_counted_and_taken_with_the_arena_alone(void **state)
{
    (void)state;
    bk_backend keeping = *bk_reference();
    keeping.prepare = keeping_prepare;
    keeping.run = keeping_run;
    trial t;
    open_trial(&t, &keeping, BK_F32);
    plan_free(t.plan);
    uint64_t empty = t.e.m.live;
    assert_int_equal(plan_invariant(&t, 1, 0), OK);
    uint64_t dry =
        t.e.m.live - empty + mem_cost(plan_arena_bytes(t.plan)) + mem_cost(plan_kept_bytes(t.plan));
    plan_free(t.plan);
    assert_int_equal(plan_invariant(&t, 1, 1), OK);
    assert_int_equal(t.e.m.live - empty, dry);
    close_trial(&t);
}

/* ---- the wall itself ---- */

static void the_host_cannot_touch_the_device_s_memory(void **state)
{
    (void)state;
    for (int write = 0; write < 2; write++) {
        trial t;
        open_trial(&t, bk_walled(), BK_F32);
        pid_t child = fork();
        if (child == 0) {
            volatile float *x = t.bound[X];
            signal(SIGSEGV, SIG_DFL);
            if (write)
                *x = 1;
            else
                (void)*x;
            _exit(0);
        }
        int how = 0;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGSEGV);
        close_trial(&t);
    }
}

static void memory_given_back_is_poisoned_and_no_operand_any_more(void **state)
{
    (void)state;
    trial t;
    void *freed, *again;
    float mine[1024] = {0};
    open_trial(&t, bk_walled(), BK_F32);
    assert_int_equal(device_zeros(t.e.dev, &t.e.m, sizeof mine, &freed), OK);
    device_give(t.e.dev, &t.e.m, freed, sizeof mine);
    assert_int_equal(device_read(t.e.dev, mine, freed, 4), ERR_BACKEND);
    void *bound[SLOTS] = {freed, t.bound[W], t.bound[Y]};
    assert_int_equal(plan_run(t.plan, bound, SLOTS, NULL), ERR_BACKEND);
    assert_int_equal(device_take(t.e.dev, &t.e.m, sizeof mine, &again), OK);
    assert_int_equal(device_read(t.e.dev, mine, again, sizeof mine), OK);
    for (int i = 0; i < 1024; i++)
        assert_true(isnan(mine[i]));
    device_give(t.e.dev, &t.e.m, again, sizeof mine);
    close_trial(&t);
}

static void an_operand_that_ends_outside_its_memory_is_an_error(void **state)
{
    (void)state;
    trial t;
    open_trial(&t, bk_walled(), BK_F32);
    void *bound[SLOTS] = {(float *)t.bound[X] + 1, t.bound[W], t.bound[Y]};
    assert_int_equal(plan_run(t.plan, bound, SLOTS, NULL), ERR_BACKEND);
    close_trial(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_on_walled_memory_gives_the_reference_s_bits),
        cmocka_unit_test(every_byte_on_the_device_is_counted_and_given_back),
        cmocka_unit_test(a_limit_holds_for_the_device_too),
        cmocka_unit_test(a_full_device_is_out_of_memory_and_loses_nothing),
        cmocka_unit_test(host_memory_in_place_of_the_device_s_is_an_error_and_the_next_run_is_right),
        cmocka_unit_test(a_cancelled_plan_runs_not_at_all_or_to_some_call),
        cmocka_unit_test(a_plan_that_was_started_works_until_it_is_finished),
        cmocka_unit_test(a_plan_can_start_after_another_one_that_works),
        cmocka_unit_test(a_profile_has_every_call_of_a_plan_that_runs_as_a_whole),
        cmocka_unit_test(the_first_array_that_is_not_finite_is_named),
        cmocka_unit_test(what_is_to_be_read_comes_with_the_look),
        cmocka_unit_test(zeros_are_zeros_at_any_length),
        cmocka_unit_test(zeros_that_cannot_be_copied_are_an_error_and_take_no_memory),
        cmocka_unit_test(what_a_call_keeps_of_an_invariant_input_stays_until_its_version_changes),
        cmocka_unit_test(kept_memory_is_counted_and_taken_with_the_arena_alone),
        cmocka_unit_test(the_host_cannot_touch_the_device_s_memory),
        cmocka_unit_test(memory_given_back_is_poisoned_and_no_operand_any_more),
        cmocka_unit_test(an_operand_that_ends_outside_its_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
