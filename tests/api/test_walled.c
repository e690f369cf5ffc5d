/* SPDX-License-Identifier: Apache-2.0 */
/* test_walled.c - models and sessions on a backend whose memory the host cannot touch: bit for bit what the
 * reference gives. A read or write by the host ends the test with a signal. */
#include <pthread.h>

#include "tests/api/api_fixture.h"

static const char *const walls[] = {"walled", "walled_calls"};
enum { WALLS = 2 };

/* kind: an index of walls, or -1: the reference. */
static slmt_context_config config_of(int kind)
{
    slmt_context_config c = config_for(SLMT_BACKEND_REFERENCE, 1, NULL);
    if (kind >= 0) {
        c.backend_name = walls[kind];
        c.backend_path = PLUGINS;
    }
    return c;
}

static slmt_context *open_kind(int kind, int32_t precision, int32_t weights)
{
    slmt_context_config c = config_of(kind);
    c.precision = precision;
    c.weights = weights;
    return open_with(&c);
}

static slmt_session *open_session(slmt_model *model, int32_t batch)
{
    slmt_net_session_config config;
    slmt_session *session = NULL;
    slmt_net_session_config_init(&config);
    config.batch = batch;
    GOOD(slmt_net_session_create(model, &config, &session));
    return session;
}

/* ---- SLMT-Net ---- */

enum { SLICES = 3 };

/* Slices at once, in runs of `batch`, the last one perhaps not full; then one of them alone. */
static float *synthesize_all(int kind, int32_t precision, int32_t weights, int32_t batch)
{
    slmt_context *context = open_kind(kind, precision, weights);
    slmt_model *model = small_model(context, 5);
    slmt_session *session = open_session(model, batch);
    float *source = make_slices(SLICES, 0), *target = calloc((SLICES + 1) * PIXELS, sizeof *target);
    GOOD(slmt_synthesize(session, source, SLICES, target));
    GOOD(slmt_synthesize(session, source + PIXELS, 1, target + SLICES * PIXELS));
    free(source);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
    return target;
}

static void synthesis_gives_the_reference_s_bits(void **state)
{
    (void)state;
    const struct {
        int32_t precision, weights;
    } form[] = {{SLMT_FLOAT32, SLMT_WEIGHTS_FULL},
                {SLMT_FLOAT64, SLMT_WEIGHTS_FULL},
                {SLMT_FLOAT32, SLMT_WEIGHTS_FLOAT16}};
    for (int f = 0; f < 3; f++) {
        float *truth = synthesize_all(-1, form[f].precision, form[f].weights, 2);
        for (int k = 0; k < WALLS; k++) {
            float *target = synthesize_all(k, form[f].precision, form[f].weights, 2);
            assert_memory_equal(target, truth, (SLICES + 1) * PIXELS * sizeof *truth);
            free(target);
        }
        free(truth);
    }
}

static void a_model_that_was_on_a_device_is_saved_as_it_would_be_without(void **state)
{
    (void)state;
    for (int kind = -1; kind < WALLS; kind++) {
        char name[32];
        snprintf(name, sizeof name, "model%d.h5", kind);
        slmt_context *context = open_kind(kind, SLMT_FLOAT32, SLMT_WEIGHTS_FULL);
        slmt_model *model = small_model(context, 5), *loaded = NULL;
        slmt_session *session = open_session(model, 1);
        GOOD(slmt_model_save(model, in_folder(name)));
        GOOD(slmt_model_load(context, in_folder(name), &loaded));
        assert_true(same_weights(model, loaded));
        assert_true(same_files(in_folder(name), in_folder("model-1.h5")));
        slmt_session_free(session);
        slmt_model_free(loaded);
        slmt_model_free(model);
        slmt_context_free(context);
    }
}

/* ---- Seq2Seq: an input that all samples share, values that are computed once ---- */

enum { H = 16, W = 12, CHANNELS = 2, IMAGE = CHANNELS * H * W };

static slmt_model *small_seq2seq(slmt_context *context)
{
    static const slmt_number net[] = {{"channels", CHANNELS}, {"widths_0", 4},   {"widths_1", 6},
                                      {"widths_2", 8},        {"lstm_width", 8}, {"residual_blocks", 1},
                                      {"code_length", 5},     {"bank", 3}};
    slmt_model *model = NULL;
    GOOD(slmt_model_create(context, "seq2seq", net, sizeof net / sizeof *net, 3, &model));
    return model;
}

static void run_sequence(slmt_session *s, int32_t sequence, float *target)
{
    const int64_t one = 1, shape[] = {1, 1, CHANNELS, H, W};
    float source[IMAGE];
    for (int i = 0; i < IMAGE; i++)
        source[i] = (float)sin(0.37 * i);
    const slmt_tensor in[] = {{"sequence", &sequence, &one, NULL, 1, SLMT_TENSOR_INT32},
                              {"source", source, shape, NULL, 5, SLMT_TENSOR_FLOAT32}};
    const slmt_tensor to = {"target", target, shape, NULL, 5, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_session_run(s, in, 2, &to, 1));
}

/* All weights of a tensor become others. */
static void change(slmt_model *model, const char *name)
{
    size_t n;
    float *values = tensor_values(model, name, &n);
    for (size_t i = 0; i < n; i++)
        values[i] = values[i] * 0.5f + (float)cos(3.1 * (double)i) * 0.1f;
    GOOD(slmt_model_set_tensor(model, name, values, n));
    free(values);
}

/* Sequence 0 (what fresh memory holds too), the same again, another, and after a change of weights. */
static void run_changes(int kind, float target[4][IMAGE])
{
    slmt_context *context = open_kind(kind, SLMT_FLOAT32, SLMT_WEIGHTS_FULL);
    slmt_model *model = small_seq2seq(context);
    slmt_session *session = NULL;
    const slmt_number settings[] = {{"height", H}, {"width", W}};
    GOOD(slmt_session_create(model, "synthesize", settings, 2, &session));
    run_sequence(session, 0, target[0]);
    run_sequence(session, 0, target[1]);
    run_sequence(session, 2, target[2]);
    change(model, "decoder.convs.1.param");
    change(model, "encoder.conv.1.0.weight");
    run_sequence(session, 2, target[3]);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void shared_inputs_and_changed_weights_reach_the_device(void **state)
{
    (void)state;
    static float truth[4][IMAGE], target[4][IMAGE];
    run_changes(-1, truth);
    assert_memory_equal(truth[0], truth[1], sizeof truth[0]);
    assert_memory_not_equal(truth[1], truth[2], sizeof truth[0]);
    assert_memory_not_equal(truth[2], truth[3], sizeof truth[0]);
    for (int k = 0; k < WALLS; k++) {
        memset(target, 0, sizeof target);
        run_changes(k, target);
        assert_memory_equal(target, truth, sizeof truth);
    }
}

/* ---- memory ---- */

static void memory_is_known_to_the_byte_before_it_is_taken(void **state)
{
    (void)state;
    for (int k = 0; k < WALLS; k++)
        for (int32_t batch = 1; batch <= 2; batch++) {
            slmt_context *context = open_kind(k, SLMT_FLOAT32, SLMT_WEIGHTS_FULL);
            slmt_model *model = small_model(context, 5);
            slmt_net_session_config config;
            const slmt_number setting = {"batch", batch};
            uint64_t bytes = 0, on_device = 0, before = slmt_context_live_bytes(context);
            uint64_t device_before = slmt_context_device_bytes(context);
            slmt_net_session_config_init(&config);
            config.batch = batch;
            GOOD(slmt_net_session_memory(model, &config, &bytes));
            GOOD(slmt_session_device_memory(model, NULL, &setting, 1, &on_device));
            assert_true(on_device > 0 && on_device < bytes);
            assert_int_equal(slmt_context_live_bytes(context), before);
            slmt_session *session = open_session(model, batch);
            assert_int_equal(slmt_context_live_bytes(context) - before, bytes);
            assert_int_equal(slmt_context_device_bytes(context) - device_before, on_device);
            slmt_session_free(session);
            assert_int_equal(slmt_context_live_bytes(context), before);
            slmt_model_free(model);
            assert_int_equal(slmt_context_device_bytes(context), 0);
            slmt_context_free(context);
        }
}

/* The limit of the context, then a device that is too small: with room for the model and not for a session. A
 * model is half on the host, half on the device. */
static void too_little_memory_is_refused_and_nothing_is_lost(void **state)
{
    (void)state;
    slmt_context *roomy = open_kind(0, SLMT_FLOAT32, SLMT_WEIGHTS_FULL);
    uint64_t empty = slmt_context_live_bytes(roomy);
    slmt_model *measured = small_model(roomy, 5);
    uint64_t model_bytes = slmt_context_live_bytes(roomy) - empty;
    slmt_model_free(measured);
    slmt_context_free(roomy);
    for (int device = 0; device < 2; device++) {
        counter memory = {0};
        char options[64];
        slmt_context_config c = config_of(0);
        c.alloc = counter_alloc;
        c.free = counter_free;
        c.alloc_user = &memory;
        snprintf(options, sizeof options, "memory=%llu", (unsigned long long)model_bytes / 2);
        if (device)
            c.backend_options = options;
        else
            c.max_bytes = empty + model_bytes + 100000;
        slmt_context *context = open_with(&c);
        slmt_model *model = small_model(context, 5);
        slmt_session *session = NULL;
        slmt_net_session_config config;
        slmt_net_session_config_init(&config);
        uint64_t before = slmt_context_live_bytes(context);
        EXPECT(device ? SLMT_ERR_MEMORY : SLMT_ERR_LIMIT, slmt_net_session_create(model, &config, &session));
        assert_null(session);
        assert_int_equal(slmt_context_live_bytes(context), before);
        slmt_model_free(model);
        slmt_context_free(context);
        assert_int_equal(memory.live, 0);
    }
}

/* ---- threads ---- */

typedef struct worker {
    slmt_session *session;
    const float *source;
    float *target;
} worker;

static void *work(void *user)
{
    worker *w = user;
    for (int again = 0; again < 3; again++)
        if (slmt_synthesize(w->session, w->source, 1, w->target) != SLMT_OK)
            return w;
    return NULL;
}

static void two_sessions_of_one_model_run_at_once(void **state)
{
    (void)state;
    slmt_context *context = open_kind(0, SLMT_FLOAT32, SLMT_WEIGHTS_FULL);
    slmt_model *model = small_model(context, 5);
    float *source = make_slices(2, 0), *target = calloc(2 * PIXELS, sizeof *target);
    float *truth = synthesize_all(-1, SLMT_FLOAT32, SLMT_WEIGHTS_FULL, 1);
    worker w[2];
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) {
        w[i] = (worker){open_session(model, 1), source + i * PIXELS, target + i * PIXELS};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        void *failed;
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
        slmt_session_free(w[i].session);
    }
    assert_memory_equal(target, truth, 2 * PIXELS * sizeof *target);
    free(truth);
    free(source);
    free(target);
    slmt_model_free(model);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synthesis_gives_the_reference_s_bits),
        cmocka_unit_test(a_model_that_was_on_a_device_is_saved_as_it_would_be_without),
        cmocka_unit_test(shared_inputs_and_changed_weights_reach_the_device),
        cmocka_unit_test(memory_is_known_to_the_byte_before_it_is_taken),
        cmocka_unit_test(too_little_memory_is_refused_and_nothing_is_lost),
        cmocka_unit_test(two_sessions_of_one_model_run_at_once),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
