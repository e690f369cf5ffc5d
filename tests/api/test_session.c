/* SPDX-License-Identifier: Apache-2.0 */
/* test_session.c - synthesis through the public functions: equal bits whatever else goes on, no allocation,
 * exact memory, cancelling, volumes. That the numbers are the reference's is test_parity's business. */
#include <pthread.h>

#include "tests/api/api_fixture.h"

static float *synthesize(slmt_session *session, const float *source, size_t count)
{
    float *target = malloc(count * PIXELS * sizeof *target);
    GOOD(slmt_synthesize(session, source, count, target));
    return target;
}

static int same_slices(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * PIXELS * sizeof *a) == 0;
}

/* ---- configuration ---- */

static void the_batch_must_make_sense(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    slmt_net_session_config config;
    slmt_session *session = NULL;
    uint64_t bytes = 77;
    slmt_net_session_config_init(&config);
    assert_int_equal(config.struct_size, sizeof config);
    assert_int_equal(config.batch, 1);
    assert_true(!config.progress && !config.progress_user);
    static const int32_t bad[] = {0, -1, 65537};
    for (int i = 0; i < 3; i++) {
        config.batch = bad[i];
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "batch", slmt_net_session_create(model, &config, &session));
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "batch", slmt_net_session_memory(model, &config, &bytes));
    }
    config.batch = 1;
    config.struct_size = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "struct_size", slmt_net_session_create(model, &config, &session));
    assert_null(session);
    assert_int_equal(bytes, 77);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- slices ---- */

static void the_result_is_an_image(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = small_model(context, 1);
    slmt_session *session = open_net_session(model, 1);
    float *source = make_slices(2, 0), *copy = make_slices(2, 0);
    float *target = synthesize(session, source, 2);
    for (size_t i = 0; i < 2 * PIXELS; i++)
        assert_true(target[i] >= 0 && target[i] <= 1);
    assert_false(same_slices(target, target + PIXELS, 1));
    assert_true(same_slices(source, copy, 2)); /* not modified */
    free(source);
    free(copy);
    free(target);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void synthesis_allocates_nothing(void **state)
{
    (void)state;
    for (int32_t backend = SLMT_BACKEND_CPU; backend <= SLMT_BACKEND_REFERENCE; backend++)
        for (int32_t matrix = SLMT_MATRIX_ONEDNN; matrix <= SLMT_MATRIX_OPENBLAS; matrix++) {
            counter c = {0};
            slmt_context_config config = config_for(backend, 1, &c);
            slmt_context *context = NULL;
            config.matrix = matrix;
            if (backend == SLMT_BACKEND_REFERENCE && matrix > SLMT_MATRIX_ONEDNN)
                continue; /* it has no choice of a matrix library */
            slmt_status s = slmt_context_create(&config, &context);
            if (s == SLMT_ERR_UNSUPPORTED)
                continue; /* not in this build */
            GOOD(s);
            slmt_model *model = small_model(context, 1);
            slmt_session *session = open_net_session(model, 2);
            float *source = make_slices(3, 0), *target = malloc(3 * PIXELS * sizeof *target);
            counter_fail(&c, 1);
            GOOD(slmt_synthesize(session, source, 3, target));
            GOOD(slmt_synthesize(session, source, 1, target));
            assert_int_equal(c.calls, 0);
            free(source);
            free(target);
            slmt_session_free(session);
            slmt_model_free(model);
            slmt_context_free(context);
            assert_int_equal(c.live, 0);
        }
}

static void a_result_does_not_depend_on_what_ran_before(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = small_model(context, 1);
    slmt_session *fresh = open_net_session(model, 2), *used = open_net_session(model, 2);
    float *a = make_slices(2, 0), *b = make_slices(3, 1);
    float *expected = synthesize(fresh, a, 2);
    free(synthesize(used, b, 3));
    float *after = synthesize(used, a, 2), *again = synthesize(used, a, 2);
    assert_true(same_slices(expected, after, 2));
    assert_true(same_slices(expected, again, 2));
    free(a);
    free(b);
    free(expected);
    free(after);
    free(again);
    slmt_session_free(fresh);
    slmt_session_free(used);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* Seven slices through batches of 4: 4 and 3. Turned round, every slice has another place and other company.
 */
static void a_result_does_not_depend_on_its_place_in_the_batch(void **state)
{
    (void)state;
    enum { N = 7 };
    for (int32_t backend = SLMT_BACKEND_CPU; backend <= SLMT_BACKEND_REFERENCE; backend++) {
        slmt_context_config config = config_for(backend, 2, NULL);
        slmt_context *context = open_with(&config);
        slmt_model *model = small_model(context, 1);
        slmt_session *session = open_net_session(model, 4);
        float *source = make_slices(N, 0), *turned = malloc(N * PIXELS * sizeof *turned);
        for (size_t k = 0; k < N; k++)
            memcpy(turned + k * PIXELS, source + (N - 1 - k) * PIXELS, PIXELS * sizeof *turned);
        float *x = synthesize(session, source, N), *y = synthesize(session, turned, N);
        for (size_t k = 0; k < N; k++)
            assert_true(same_slices(x + k * PIXELS, y + (N - 1 - k) * PIXELS, 1));
        float *alone = synthesize(session, source + 5 * PIXELS, 1);
        assert_true(same_slices(alone, x + 5 * PIXELS, 1));
        free(source);
        free(turned);
        free(x);
        free(y);
        free(alone);
        slmt_session_free(session);
        slmt_model_free(model);
        slmt_context_free(context);
    }
}

/* Full batches are read and written where the caller has them, the last one through the session's memory. */
static void a_result_does_not_depend_on_where_the_arrays_lie(void **state)
{
    (void)state;
    enum { N = 6, SHIFTS = 3 };
    for (int32_t matrix = SLMT_MATRIX_AUTO; matrix <= SLMT_MATRIX_OPENBLAS; matrix++) {
        slmt_context_config config = config_for(SLMT_BACKEND_CPU, 2, NULL);
        slmt_context *context = NULL;
        config.matrix = matrix;
        if (slmt_context_create(&config, &context) == SLMT_ERR_UNSUPPORTED)
            continue; /* not in this build */
        slmt_model *model = small_model(context, 1);
        slmt_session *session = open_net_session(model, 4);
        float *source = make_slices(N, 0), *expected = synthesize(session, source, N);
        for (size_t shift = 1; shift <= SHIFTS; shift++) {
            float *from = malloc((N * PIXELS + SHIFTS) * sizeof *from);
            float *to = malloc((N * PIXELS + SHIFTS) * sizeof *to);
            memcpy(from + shift, source, N * PIXELS * sizeof *from);
            GOOD(slmt_synthesize(session, from + shift, N, to + SHIFTS - shift));
            assert_true(same_slices(to + SHIFTS - shift, expected, N));
            assert_true(same_slices(from + shift, source, N));
            free(from);
            free(to);
        }
        free(source);
        free(expected);
        slmt_session_free(session);
        slmt_model_free(model);
        slmt_context_free(context);
    }
}

static double largest_difference(const float *a, const float *b, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count * PIXELS; i++)
        largest = fmax(largest, fabs((double)a[i] - b[i]));
    return largest;
}

/* Another batch size gives products of other shapes, which may add in another order. */
static void batch_sizes_and_threads_agree_to_rounding(void **state)
{
    (void)state;
    enum { N = 5 };
    float *source = make_slices(N, 0), *expected = NULL;
    for (int32_t threads = 1; threads <= 2; threads++)
        for (int32_t batch = 1; batch <= 4; batch += 3) {
            slmt_context *context = open_context(threads, NULL);
            slmt_model *model = small_model(context, 1);
            slmt_session *session = open_net_session(model, batch);
            float *target = synthesize(session, source, N);
            if (!expected)
                expected = target;
            else {
                assert_true(largest_difference(expected, target, N) < 2e-6);
                free(target);
            }
            slmt_session_free(session);
            slmt_model_free(model);
            slmt_context_free(context);
        }
    free(expected);
    free(source);
}

static uint64_t memory_of(slmt_model *model, int32_t batch)
{
    slmt_net_session_config config;
    uint64_t bytes = 0;
    slmt_net_session_config_init(&config);
    config.batch = batch;
    GOOD(slmt_net_session_memory(model, &config, &bytes));
    return bytes;
}

/* The cpu backend is fast with up to 32 MB of tensors: a batch that takes more runs in equal parts. */
static void a_large_batch_runs_in_parts(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = small_model(context, 1);
    uint64_t one = memory_of(model, 2) - memory_of(model, 1), fast = (uint64_t)32 << 20;
    int32_t batch = 64;
    while (batch * one <= 2 * fast)
        batch *= 2;
    assert_in_range(memory_of(model, batch), fast / 4, fast + fast / 4);
    assert_true(memory_of(model, batch) == memory_of(model, 2 * batch));
    slmt_session *cut = open_net_session(model, batch), *single = open_net_session(model, 1);
    float *source = make_slices((size_t)batch, 0);
    float *x = synthesize(cut, source, (size_t)batch), *y = synthesize(single, source, (size_t)batch);
    assert_true(largest_difference(x, y, (size_t)batch) < 2e-6);
    free(source);
    free(x);
    free(y);
    slmt_session_free(cut);
    slmt_session_free(single);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void bad_arrays_are_refused_and_the_target_stays(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    slmt_session *session = open_net_session(model, 1);
    float *source = make_slices(3, 0), *target = make_slices(3, 1), *before = make_slices(3, 1);
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        float *at = &source[2 * PIXELS + 5 * SIDE + 9], good = *at;
        *at = bad[i];
        EXPECT_TEXT(SLMT_ERR_NONFINITE, "[2][5][9]", slmt_synthesize(session, source, 3, target));
        *at = good;
        assert_true(same_slices(target, before, 3));
    }
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "count", slmt_synthesize(session, source, 0, target));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "count", slmt_synthesize(session, source, SIZE_MAX / 2, target));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "overlap", slmt_synthesize(session, source, 1, source));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "overlap", slmt_synthesize(session, source, 2, source + 2 * PIXELS - 1));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "overlap", slmt_synthesize(session, source + 1, 1, source));
    assert_true(same_slices(target, before, 3));
    GOOD(slmt_synthesize(session, source, 1, source + PIXELS)); /* side by side is no overlap */
    GOOD(slmt_synthesize(session, source + PIXELS, 1, source));
    free(source);
    free(target);
    free(before);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- progress and cancelling ---- */

typedef struct followed {
    int calls;
    uint64_t done[16], total;
    int stop_at; /* this call (from 1) asks to stop */
} followed;

static int32_t follow(void *user, const char *stage, uint64_t done, uint64_t total)
{
    followed *f = user;
    assert_string_equal(stage, "synthesize");
    f->done[f->calls++] = done;
    f->total = total;
    return f->calls == f->stop_at ? 5 : 0;
}

static void progress_is_told_and_may_stop(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    followed f = {.stop_at = 0};
    slmt_net_session_config config;
    slmt_session *session = NULL;
    slmt_net_session_config_init(&config);
    config.batch = 2;
    config.progress = follow;
    config.progress_user = &f;
    GOOD(slmt_net_session_create(model, &config, &session));
    float *source = make_slices(5, 0), *expected = synthesize(session, source, 5);
    assert_int_equal(f.calls, 3);
    assert_true(f.done[0] == 2 && f.done[1] == 4 && f.done[2] == 5 && f.total == 5);
    f = (followed){.stop_at = 2};
    float *target = malloc(5 * PIXELS * sizeof *target);
    EXPECT_TEXT(SLMT_ERR_CANCELLED, "4 of 5", slmt_synthesize(session, source, 5, target));
    assert_int_equal(f.calls, 2);
    f = (followed){.stop_at = 0};
    GOOD(slmt_synthesize(session, source, 5, target));
    assert_true(same_slices(expected, target, 5));
    free(source);
    free(expected);
    free(target);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_cancel_before_a_call_stops_the_next_one_only(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    slmt_session *session = open_net_session(model, 1);
    float *source = make_slices(1, 0), *expected = synthesize(session, source, 1);
    float *target = malloc(PIXELS * sizeof *target);
    slmt_session_cancel(session);
    slmt_session_cancel(session);
    EXPECT(SLMT_ERR_CANCELLED, slmt_synthesize(session, source, 1, target));
    GOOD(slmt_synthesize(session, source, 1, target));
    assert_true(same_slices(expected, target, 1));
    free(source);
    free(expected);
    free(target);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

typedef struct canceller {
    slmt_session *session;
    _Atomic int running;
} canceller;

/* Waits until the call runs, then stops it. */
static void *cancel_from_elsewhere(void *user)
{
    canceller *c = user;
    while (!atomic_load(&c->running))
        usleep(100);
    slmt_session_cancel(c->session);
    return NULL;
}

static int32_t note_running(void *user, const char *stage, uint64_t done, uint64_t total)
{
    canceller *c = user;
    (void)stage;
    (void)done;
    (void)total;
    atomic_store(&c->running, 1);
    return 0;
}

static void another_thread_can_cancel(void **state)
{
    (void)state;
    enum { N = 2000 }; /* seconds, if nobody stopped it */
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = small_model(context, 1);
    canceller c = {NULL, 0};
    slmt_net_session_config config;
    slmt_net_session_config_init(&config);
    config.progress = note_running;
    config.progress_user = &c;
    GOOD(slmt_net_session_create(model, &config, &c.session));
    float *source = make_slices(N, 0), *target = malloc(N * PIXELS * sizeof *target);
    float *expected = synthesize(c.session, source, 2);
    atomic_store(&c.running, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_from_elsewhere, &c), 0);
    EXPECT(SLMT_ERR_CANCELLED, slmt_synthesize(c.session, source, N, target));
    pthread_join(thread, NULL);
    GOOD(slmt_synthesize(c.session, source, 2, target));
    assert_true(same_slices(expected, target, 2));
    free(source);
    free(expected);
    free(target);
    slmt_session_free(c.session);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- many threads ---- */

typedef struct rival {
    slmt_session *session;
    const float *source, *expected;
    int wrong, refused;
} rival;

enum { RIVAL_ROUNDS = 30, RIVAL_SLICES = 4 };

static void *compete(void *user)
{
    rival *r = user;
    float *target = malloc(RIVAL_SLICES * PIXELS * sizeof *target);
    for (int i = 0; i < RIVAL_ROUNDS; i++) {
        slmt_status status = slmt_synthesize(r->session, r->source, RIVAL_SLICES, target);
        if (status == SLMT_OK)
            r->wrong += !same_slices(r->expected, target, RIVAL_SLICES);
        else if (status == SLMT_ERR_STATE && strstr(slmt_error_text(), "another thread"))
            r->refused++;
        else
            r->wrong++;
    }
    free(target);
    return NULL;
}

static void a_second_thread_on_a_session_is_refused_or_gets_the_right_slices(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    slmt_session *session;
    pthread_t threads[2];
    GOOD(slmt_session_create(model, NULL, NULL, 0, &session));
    float *source = make_slices(RIVAL_SLICES, 0), *expected = synthesize(session, source, RIVAL_SLICES);
    rival rivals[2] = {{session, source, expected, 0, 0}, {session, source, expected, 0, 0}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, compete, &rivals[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(rivals[i].wrong, 0);
    }
    GOOD(slmt_synthesize(session, source, RIVAL_SLICES, expected)); /* nobody is in it any more */
    free(source);
    free(expected);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

typedef struct worker {
    slmt_session *session;
    const float *source;
    float *target;
    slmt_status status;
} worker;

enum { WORK = 3, ROUNDS = 2 };

static void *work(void *user)
{
    worker *w = user;
    for (int round = 0; round < ROUNDS && w->status == SLMT_OK; round++)
        w->status = slmt_synthesize(w->session, w->source, WORK, w->target);
    return NULL;
}

/* Two sessions at once give what each gives alone. */
static void expect_independent(slmt_session *a, slmt_session *b)
{
    worker workers[2] = {{a, make_slices(WORK, 0), malloc(WORK * PIXELS * sizeof(float)), SLMT_OK},
                         {b, make_slices(WORK, 1), malloc(WORK * PIXELS * sizeof(float)), SLMT_OK}};
    float *expected[2] = {synthesize(a, workers[0].source, WORK), synthesize(b, workers[1].source, WORK)};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        GOOD(workers[i].status);
        assert_true(same_slices(workers[i].target, expected[i], WORK));
        free((void *)workers[i].source);
        free(workers[i].target);
        free(expected[i]);
    }
}

static void sessions_over_one_model_are_independent(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 2; threads++) {
        slmt_context *context = open_context(threads, NULL);
        slmt_model *model = small_model(context, 1);
        slmt_session *a = open_net_session(model, 2), *b = open_net_session(model, 2);
        expect_independent(a, b);
        slmt_session_free(a);
        slmt_session_free(b);
        slmt_model_free(model);
        slmt_context_free(context);
    }
}

static void models_are_independent(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= 2; threads++) {
        slmt_context *context = open_context(threads, NULL), *other = open_context(3 - threads, NULL);
        slmt_model *x = small_model(context, 1), *y = small_model(other, 2);
        slmt_session *a = open_net_session(x, 1), *b = open_net_session(y, 3);
        expect_independent(a, b);
        slmt_session_free(a);
        slmt_session_free(b);
        slmt_model_free(x);
        slmt_model_free(y);
        slmt_context_free(context);
        slmt_context_free(other);
    }
}

/* ---- memory ---- */

static void the_memory_query_is_exact(void **state)
{
    (void)state;
    for (int32_t backend = SLMT_BACKEND_CPU; backend <= SLMT_BACKEND_REFERENCE; backend++)
        for (int32_t batch = 1; batch <= 5; batch += 2) {
            slmt_context_config context_config = config_for(backend, 2, NULL);
            slmt_context *context = open_with(&context_config);
            slmt_model *model = small_model(context, 1);
            slmt_net_session_config config;
            uint64_t bytes = 0, before = slmt_context_live_bytes(context);
            slmt_net_session_config_init(&config);
            config.batch = batch;
            GOOD(slmt_net_session_memory(model, &config, &bytes));
            assert_int_equal(slmt_context_live_bytes(context), before);
            slmt_session *session = open_net_session(model, batch);
            assert_int_equal(slmt_context_live_bytes(context) - before, bytes);
            float *source = make_slices(1, 0);
            free(synthesize(session, source, 1));
            free(source);
            assert_int_equal(slmt_context_live_bytes(context) - before, bytes);
            slmt_session_free(session);
            assert_int_equal(slmt_context_live_bytes(context), before);
            slmt_model_free(model);
            slmt_context_free(context);
        }
}

static slmt_status create_under_limit(uint64_t limit, int32_t batch, uint64_t *live)
{
    slmt_context_config config = config_for(SLMT_BACKEND_CPU, 1, NULL);
    config.max_bytes = limit;
    slmt_context *context = open_with(&config);
    slmt_model *model = small_model(context, 1);
    slmt_net_session_config session_config;
    slmt_session *session = NULL;
    uint64_t before = slmt_context_live_bytes(context), bytes;
    slmt_net_session_config_init(&session_config);
    session_config.batch = batch;
    GOOD(slmt_net_session_memory(model, &session_config, &bytes)); /* is not bound by the limit */
    slmt_status s = slmt_net_session_create(model, &session_config, &session);
    *live = slmt_context_live_bytes(context);
    if (s != SLMT_OK) {
        assert_null(session);
        assert_int_equal(*live, before);
    } else {
        assert_int_equal(*live, before + bytes);
    }
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
    return s;
}

/* The smallest limit that a session of this batch is made under, found by halving. */
static uint64_t smallest_limit(int32_t batch, uint64_t kept)
{
    uint64_t low = kept - 1, high = 2 * kept, live;
    GOOD(create_under_limit(high, batch, &live));
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        slmt_status s = create_under_limit(middle, batch, &live);
        if (s != SLMT_OK)
            EXPECT_TEXT(SLMT_ERR_LIMIT, "max_bytes", s);
        *(s == SLMT_OK ? &high : &low) = middle;
    }
    return high;
}

/* Planning holds memory of its own, some hundred kilobytes for this network, and gives it back before the two
 * batches of slices are taken. So a limit of exactly what slmt_net_session_memory() says is enough as soon as
 * those are the larger; below that, as with a batch of 1 here, making a session needs somewhat more than it
 * keeps. */
static void the_limit_refuses_a_session_that_would_pass_it(void **state)
{
    (void)state;
    for (int32_t batch = 1; batch <= 4; batch += 3) {
        uint64_t live, kept;
        GOOD(create_under_limit(0, batch, &kept));
        EXPECT_TEXT(SLMT_ERR_LIMIT, "max_bytes", create_under_limit(kept - 1, batch, &live));
        uint64_t needed = smallest_limit(batch, kept);
        print_message("batch %d: %llu bytes kept, %llu more while it is made\n", batch,
                      (unsigned long long)kept, (unsigned long long)(needed - kept));
        assert_true(needed - kept < (1 << 20));
        if (batch == 4)
            assert_int_equal(needed, kept);
    }
}

static void every_lower_limit_is_told_as_a_limit(void **state)
{
    (void)state;
    uint64_t live, kept, model_only;
    GOOD(create_under_limit(0, 1, &kept));
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    model_only = slmt_context_live_bytes(context);
    slmt_model_free(model);
    slmt_context_free(context);
    for (int i = 0; i < 40; i++)
        EXPECT_TEXT(SLMT_ERR_LIMIT, "max_bytes",
                    create_under_limit(model_only + (kept - model_only) / 40 * (uint64_t)i, 1, &live));
}

static void creating_gives_all_memory_back_wherever_it_runs_out(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    slmt_model *model = small_model(context, 1);
    slmt_session *session = NULL;
    uint64_t bytes;
    long live = c.live, total;
    counter_fail(&c, 0);
    GOOD(slmt_net_session_create(model, NULL, &session));
    total = c.calls;
    slmt_session_free(session);
    assert_int_equal(c.live, live);
    for (long n = 1; n <= total; n += n < 40 || n > total - 40 ? 1 : 7) {
        session = NULL;
        counter_fail(&c, n);
        EXPECT(SLMT_ERR_MEMORY, slmt_net_session_create(model, NULL, &session));
        assert_null(session);
        assert_int_equal(c.live, live);
        counter_fail(&c, n);
        EXPECT(SLMT_ERR_MEMORY, slmt_net_session_memory(model, NULL, &bytes));
        assert_int_equal(c.live, live);
        if (n > total - 8)
            break; /* the query takes fewer blocks */
    }
    counter_fail(&c, 0);
    slmt_model_free(model);
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

/* ---- volumes ---- */

enum { NX = 30, NY = 26, NZ = 9, CROP = 20, FIRST = 2, SLICES = 5 };

/* In canonical axes: x to the left, y to the back, z up. */
static float canonical_voxel(int x, int y, int z)
{
    double dx = (x - 14) / 11.0, dy = (y - 12) / 9.0;
    if (dx * dx + dy * dy > 1)
        return 0;
    return (float)(100 + 60 * sin(0.5 * x + 0.2 * z) + 40 * cos(0.4 * y) + 3 * z);
}

/* How an array's axes lie: canonical axis a runs along i, j or k = axis[a], against it where flip[a]. */
typedef struct layout {
    int axis[3], flip[3];
} layout;

static size_t place(const layout *l, const int at[3])
{
    static const int64_t n[3] = {NX, NY, NZ};
    int64_t dims[3], index[3];
    for (int a = 0; a < 3; a++) {
        dims[l->axis[a]] = n[a];
        index[l->axis[a]] = l->flip[a] ? n[a] - 1 - at[a] : at[a];
    }
    return (size_t)(index[0] + dims[0] * (index[1] + dims[1] * index[2]));
}

static slmt_volume *make_volume(slmt_context *context, const layout *l)
{
    static const int64_t n[3] = {NX, NY, NZ};
    static const double to_nifti[3] = {-1, -1, 1}; /* NIfTI's x runs to the right, y to the front */
    int64_t dims[3];
    double affine[16] = {0};
    float *voxels = malloc(NX * NY * NZ * sizeof *voxels);
    for (int a = 0; a < 3; a++) {
        dims[l->axis[a]] = n[a];
        affine[4 * a + l->axis[a]] = to_nifti[a] * (l->flip[a] ? -1 : 1) * (1 + 0.25 * a);
        affine[4 * a + 3] = 10 * a - 3.5;
    }
    affine[15] = 1;
    for (int z = 0; z < NZ; z++)
        for (int y = 0; y < NY; y++)
            for (int x = 0; x < NX; x++)
                voxels[place(l, (int[]){x, y, z})] = canonical_voxel(x, y, z);
    slmt_volume *volume = NULL;
    GOOD(slmt_volume_create(context, dims, affine, voxels, &volume));
    free(voxels);
    return volume;
}

static slmt_model *model_for_volumes(slmt_context *context)
{
    slmt_model *model = small_model(context, 1);
    slmt_preprocess p = {.struct_size = sizeof p};
    GOOD(slmt_model_get_preprocess(model, &p));
    p.crop_size = CROP;
    p.slice_first = FIRST;
    p.slice_count = SLICES;
    GOOD(slmt_model_set_preprocess(model, &p));
    return model;
}

static int in_crop(int x, int y, int z)
{
    int x0 = (NX - CROP) / 2, y0 = (NY - CROP) / 2;
    return x >= x0 && x < x0 + CROP && y >= y0 && y < y0 + CROP && z >= FIRST && z < FIRST + SLICES;
}

static void expect_same_grid(const slmt_volume *a, const slmt_volume *b)
{
    int64_t da[3], db[3];
    double xa[16], xb[16];
    slmt_volume_dims(a, da);
    slmt_volume_dims(b, db);
    slmt_volume_affine(a, xa);
    slmt_volume_affine(b, xb);
    assert_memory_equal(da, db, sizeof da);
    assert_memory_equal(xa, xb, sizeof xa);
}

static void a_volume_comes_back_on_its_own_grid_whatever_its_orientation(void **state)
{
    (void)state;
    static const layout layouts[] = {
        {{0, 1, 2}, {0, 0, 0}}, /* as BraTS files lie */
        {{0, 1, 2}, {1, 1, 0}}, {{0, 1, 2}, {0, 0, 1}}, {{1, 0, 2}, {0, 1, 0}},
        {{2, 0, 1}, {1, 0, 1}}, {{0, 2, 1}, {0, 1, 1}}, {{1, 2, 0}, {1, 1, 1}},
    };
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = model_for_volumes(context);
    slmt_session *session = open_net_session(model, 3);
    float *expected = malloc(NX * NY * NZ * sizeof *expected);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        slmt_volume *source = make_volume(context, &layouts[i]), *target = NULL;
        GOOD(slmt_synthesize_volume(session, source, &target));
        expect_same_grid(source, target);
        const float *voxels = slmt_volume_voxels(target);
        if (i == 0)
            memcpy(expected, voxels, NX * NY * NZ * sizeof *expected);
        for (int z = 0; z < NZ; z++)
            for (int y = 0; y < NY; y++)
                for (int x = 0; x < NX; x++)
                    assert_true(voxels[place(&layouts[i], (int[]){x, y, z})] ==
                                expected[place(&layouts[0], (int[]){x, y, z})]);
        slmt_volume_free(source);
        slmt_volume_free(target);
    }
    int not_zero = 0;
    for (int z = 0; z < NZ; z++)
        for (int y = 0; y < NY; y++)
            for (int x = 0; x < NX; x++) {
                float v = expected[place(&layouts[0], (int[]){x, y, z})];
                assert_true(v >= 0 && v <= 1);
                if (!in_crop(x, y, z))
                    assert_true(v == 0);
                not_zero += v != 0;
            }
    assert_int_equal(not_zero, CROP * CROP * SLICES); /* a sigmoid is never 0 */
    free(expected);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_volume_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const layout straight = {{0, 1, 2}, {0, 0, 0}};
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = model_for_volumes(context);
    slmt_session *session = open_net_session(model, 1);
    slmt_volume *constant = NULL, *flat = NULL, *target = NULL;
    float ones[NX * NY * 3];
    for (size_t i = 0; i < NX * NY * 3; i++)
        ones[i] = 1;
    GOOD(slmt_volume_create(context, (const int64_t[]){5, 4, FIRST + SLICES}, NULL, ones, &constant));
    GOOD(slmt_volume_create(context, (const int64_t[]){NX, NY, 3}, NULL, ones, &flat));
    uint64_t live = slmt_context_live_bytes(context);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "constant", slmt_synthesize_volume(session, constant, &target));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "too few slices", slmt_synthesize_volume(session, flat, &target));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_synthesize_volume(session, flat, NULL));
    slmt_volume *source = make_volume(context, &straight);
    slmt_session_cancel(session);
    EXPECT(SLMT_ERR_CANCELLED, slmt_synthesize_volume(session, source, &target));
    assert_null(target);
    GOOD(slmt_synthesize_volume(session, source, &target));
    slmt_volume_free(source);
    slmt_volume_free(target);
    assert_int_equal(slmt_context_live_bytes(context), live);
    slmt_volume_free(constant);
    slmt_volume_free(flat);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_volume_gives_all_memory_back_wherever_it_runs_out(void **state)
{
    (void)state;
    static const layout straight = {{0, 1, 2}, {0, 0, 0}};
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    slmt_model *model = model_for_volumes(context);
    slmt_session *session = open_net_session(model, 5);
    slmt_volume *source = make_volume(context, &straight);
    long live = c.live;
    slmt_status s = SLMT_ERR_MEMORY;
    for (long n = 1; s != SLMT_OK; n++) {
        slmt_volume *target = NULL;
        counter_fail(&c, n);
        s = slmt_synthesize_volume(session, source, &target);
        if (s != SLMT_OK)
            EXPECT(SLMT_ERR_MEMORY, s);
        assert_int_equal(target != NULL, s == SLMT_OK);
        slmt_volume_free(target);
        assert_int_equal(c.live, live);
    }
    slmt_volume_free(source);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_batch_must_make_sense),
        cmocka_unit_test(the_result_is_an_image),
        cmocka_unit_test(synthesis_allocates_nothing),
        cmocka_unit_test(a_result_does_not_depend_on_what_ran_before),
        cmocka_unit_test(a_result_does_not_depend_on_its_place_in_the_batch),
        cmocka_unit_test(a_result_does_not_depend_on_where_the_arrays_lie),
        cmocka_unit_test(batch_sizes_and_threads_agree_to_rounding),
        cmocka_unit_test(a_large_batch_runs_in_parts),
        cmocka_unit_test(bad_arrays_are_refused_and_the_target_stays),
        cmocka_unit_test(progress_is_told_and_may_stop),
        cmocka_unit_test(a_cancel_before_a_call_stops_the_next_one_only),
        cmocka_unit_test(another_thread_can_cancel),
        cmocka_unit_test(a_second_thread_on_a_session_is_refused_or_gets_the_right_slices),
        cmocka_unit_test(sessions_over_one_model_are_independent),
        cmocka_unit_test(models_are_independent),
        cmocka_unit_test(the_memory_query_is_exact),
        cmocka_unit_test(the_limit_refuses_a_session_that_would_pass_it),
        cmocka_unit_test(every_lower_limit_is_told_as_a_limit),
        cmocka_unit_test(creating_gives_all_memory_back_wherever_it_runs_out),
        cmocka_unit_test(a_volume_comes_back_on_its_own_grid_whatever_its_orientation),
        cmocka_unit_test(a_volume_that_does_not_fit_is_refused),
        cmocka_unit_test(a_volume_gives_all_memory_back_wherever_it_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
