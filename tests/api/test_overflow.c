/* SPDX-License-Identifier: Apache-2.0 */
/* test_overflow.c - weights that are finite and so large that a network overflows: what is no picture is an
 * error, in every method and by every entry point. */
#include <float.h>

#include "core/finite.h"

#include "tests/api/small_methods.h"

enum { Z = 4, MOST = 8 };

/* ---- counting ---- */

static void every_place_of_a_nan_is_found(void **state)
{
    (void)state;
    enum { N = 3000 };
    static float x[N];
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    size_t first;
    for (size_t i = 0; i < N; i++)
        x[i] = i % 3 ? FLT_MAX : -FLT_MIN / 4;
    assert_int_equal(count_nonfinite(x, N, &first), 0);
    assert_int_equal(first, N);
    for (size_t i = 0; i < N; i += 7) {
        float good = x[i];
        x[i] = bad[i % 4];
        assert_int_equal(count_nonfinite(x, N, &first), 1);
        assert_int_equal(first, i);
        assert_int_equal(count_nonfinite(x, i, &first), 0);
        x[i] = good;
    }
    x[5] = x[2999] = x[1024] = NAN;
    assert_int_equal(count_nonfinite(x, N, &first), 3);
    assert_int_equal(first, 5);
}

static void a_message_has_the_number_and_the_first_place(void **state)
{
    (void)state;
    float x[24] = {0};
    x[2 * 12 - 1] = x[17] = INFINITY;
    EXPECT_TEXT(SLMT_ERR_NONFINITE,
                "picture: 2 of 24 values are a NaN or an infinity, the first one is [1][1][1]",
                check_made("picture", x, (const int64_t[]){2, 3, 4}, 3));
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "loss: 1 of 1 values", check_made("loss", &x[17], NULL, 0));
    GOOD(check_made("picture", x, (const int64_t[]){1, 3, 4}, 3));
}

/* ---- methods ---- */

static void set_weights(slmt_model *model, float value)
{
    for (size_t i = 0; i < slmt_model_tensor_count(model); i++) {
        slmt_tensor_info info = tensor_info(model, i);
        size_t n = tensor_size(&info);
        float *x = malloc(n * sizeof *x);
        for (size_t k = 0; k < n; k++)
            x[k] = value;
        GOOD(slmt_model_set_tensor(model, info.name, x, n));
        free(x);
    }
}

/* An input of ones or an output, for two samples. */
static slmt_tensor tensor_of(const slmt_session *session, const slmt_port_info *p, int64_t shape[6])
{
    slmt_tensor t = {.name = p->name, .shape = shape, .type = p->type};
    size_t n = 1;
    GOOD(slmt_session_shape(session, p->name, shape, &t.rank));
    for (int32_t i = 0; i < t.rank; i++)
        n *= (size_t)shape[i];
    float *x = calloc(n, sizeof *x);
    for (size_t i = 0; p->type == SLMT_TENSOR_FLOAT32 && i < n; i++)
        x[i] = 1;
    t.data = x;
    return t;
}

static int has_nonfinite(const slmt_tensor *t)
{
    size_t n = 1, first;
    for (int32_t i = 0; i < t->rank; i++)
        n *= (size_t)t->shape[i];
    return t->type == SLMT_TENSOR_FLOAT32 && count_nonfinite(t->data, n, &first) > 0;
}

/* A task of any ports: SLMT_OK means that all elements of all outputs are numbers. Returns the status. */
static slmt_status run_task(slmt_model *model, const small *s, const char *task)
{
    slmt_session *session = NULL;
    slmt_port_info p = {.struct_size = sizeof p};
    slmt_tensor in[MOST], out[MOST];
    int64_t shape[2 * MOST][6];
    size_t n = 0, m = 0;
    int bad = 0;
    GOOD(slmt_session_create(model, task, s->settings, (size_t)s->n_settings, &session));
    for (; slmt_task_input(s->method, task, n, &p) == SLMT_OK; n++)
        in[n] = tensor_of(session, &p, shape[n]);
    for (; slmt_task_output(s->method, task, m, &p) == SLMT_OK; m++)
        out[m] = tensor_of(session, &p, shape[MOST + m]);
    slmt_status st = slmt_session_run(session, in, n, out, m);
    for (size_t i = 0; i < m; i++)
        bad |= has_nonfinite(&out[i]);
    assert_int_equal(st, bad ? SLMT_ERR_NONFINITE : SLMT_OK);
    for (size_t i = 0; i < n; i++)
        free(in[i].data);
    for (size_t i = 0; i < m; i++)
        free(out[i].data);
    slmt_session_free(session);
    return st;
}

static void a_task_that_overflows_is_an_error_in_every_method(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    int overflowed = 0;
    for (size_t i = 0; i < sizeof smalls / sizeof *smalls; i++) {
        slmt_task_info t = {.struct_size = sizeof t};
        slmt_model *model = model_of(context, &smalls[i]);
        set_weights(model, FLT_MAX);
        for (size_t k = 0; slmt_method_task(smalls[i].method, k, &t) == SLMT_OK; k++)
            if (!t.trains)
                overflowed += run_task(model, &smalls[i], t.name) == SLMT_ERR_NONFINITE;
        slmt_model_free(model);
    }
    assert_true(overflowed >= 3);
    slmt_context_free(context);
}

/* ---- pictures ---- */

static slmt_session *synthesis_of(slmt_model *model, const small *s)
{
    slmt_session *session = NULL;
    int32_t sequence = 0;
    const slmt_tensor which = {"sequence", &sequence, (const int64_t[]){1}, NULL, 1, SLMT_TENSOR_INT32};
    GOOD(slmt_session_create(model, NULL, s->settings, (size_t)s->n_settings, &session));
    if (strcmp(s->method, "seq2seq") == 0)
        GOOD(slmt_session_set(session, &which));
    return session;
}

static slmt_volume *some_volume(slmt_context *context)
{
    static float voxels[Z * AREA];
    slmt_volume *v = NULL;
    for (int i = 0; i < Z * AREA; i++)
        voxels[i] = 50 + 40 * (float)sin(0.7 * (i % W) + 0.4 * (i / W % W) + i / AREA);
    GOOD(slmt_volume_create(context, (const int64_t[]){W, W, Z}, NULL, voxels, &v));
    return v;
}

static void slices_and_volumes_that_overflow_are_an_error_in_every_method(void **state)
{
    (void)state;
    static float source[3 * AREA], target[3 * AREA];
    slmt_context *context = open_context(1, NULL);
    slmt_volume *volume = some_volume(context), *made = NULL;
    for (int i = 0; i < 3; i++) { /* those that synthesize */
        slmt_model *model = model_of(context, &smalls[i]);
        slmt_session *session = synthesis_of(model, &smalls[i]);
        GOOD(slmt_synthesize(session, source, 3, target));
        set_weights(model, FLT_MAX);
        EXPECT_TEXT(SLMT_ERR_NONFINITE, "target: ", slmt_synthesize(session, source, 3, target));
        assert_non_null(strstr(slmt_error_text(), "of 3072 values are a NaN or an infinity"));
        EXPECT_TEXT(SLMT_ERR_NONFINITE, "of 4096 values", slmt_synthesize_volume(session, volume, &made));
        assert_null(made);
        set_weights(model, 0.01f);
        GOOD(slmt_synthesize(session, source, 3, target)); /* and it goes on */
        slmt_session_free(session);
        slmt_model_free(model);
    }
    slmt_volume_free(volume);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_of_a_nan_is_found),
        cmocka_unit_test(a_message_has_the_number_and_the_first_place),
        cmocka_unit_test(a_task_that_overflows_is_an_error_in_every_method),
        cmocka_unit_test(slices_and_volumes_that_overflow_are_an_error_in_every_method),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
