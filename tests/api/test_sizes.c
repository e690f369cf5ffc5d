/* SPDX-License-Identifier: Apache-2.0 */
/* test_sizes.c - extents whose products no library under us takes, and those that overflow: each is an error
 * with its sizes, before any memory is taken or any library asked. */
#include "lib/graph.h"
#include "lib/size.h"

#include "tests/api/small_methods.h"

/* ---- the bound ---- */

static void products_that_overflow_are_found(void **state)
{
    (void)state;
    const int64_t huge = INT64_MAX, half = (int64_t)1 << 32;
    int64_t n;
#define FITS(...)                                                                                            \
    size_product((const int64_t[]){__VA_ARGS__},                                                             \
                 (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), INT64_MAX, &n)
    assert_true(FITS(huge));
    assert_true(n == huge);
    assert_true(FITS(half, half / 4) && n == half * (half / 4));
    assert_false(FITS(half, half / 2));
    assert_false(FITS(half, half));
    assert_false(FITS(huge, 2));
    assert_false(FITS(3, -1));
    assert_true(FITS(half, half / 4, 0) && n == 0);
    assert_true(size_product(NULL, 0, 1, &n) && n == 1);
    assert_true(size_product((const int64_t[]){46341, 46340}, 2, SIZE_MOST, &n));
    assert_false(size_product((const int64_t[]){46341, 46341}, 2, SIZE_MOST, &n));
}

static void a_graph_takes_no_larger_array(void **state)
{
    (void)state;
    mem m;
    graph *g;
    mem_init(&m, NULL, NULL, NULL, 0);
    assert_int_equal(graph_create(&m, BK_F32, &g), OK);
    assert_int_not_equal(graph_bound(g, 0, shape_of(BK_F32, 2, (const int64_t[]){INT32_MAX, 1})), NONE);
    assert_int_equal(graph_bound(g, 1, shape_of(BK_F32, 2, (const int64_t[]){1 << 16, 1 << 15})), NONE);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "[65536,32768], and no array has more than 2147483647 elements",
                graph_status(g));
    graph_free(g);
}

/* ---- methods ---- */

/* Sets every setting of a task that is a size to its most. */
static size_t largest_settings(const char *method, const char *task, slmt_number *settings)
{
    static char names[32][64];
    slmt_number_info n = {.struct_size = sizeof n};
    size_t count = 0;
    for (size_t i = 0; count < 32 && slmt_task_setting(method, task, i, &n) == SLMT_OK; i++) {
        if (n.role < SLMT_ROLE_BATCH || n.role > SLMT_ROLE_WIDTH)
            continue;
        snprintf(names[count], sizeof names[0], "%s", n.name);
        settings[count] = (slmt_number){names[count], n.high};
        count++;
    }
    return count;
}

static void the_largest_settings_of_every_task_are_refused_with_their_sizes(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_task_info t = {.struct_size = sizeof t};
    int refused = 0;
    for (size_t i = 0; i < sizeof smalls / sizeof *smalls; i++) {
        slmt_model *model = model_of(context, &smalls[i]);
        for (size_t k = 0; slmt_method_task(smalls[i].method, k, &t) == SLMT_OK; k++) {
            slmt_number settings[32];
            uint64_t bytes = 1;
            size_t n = largest_settings(smalls[i].method, t.name, settings);
            slmt_status s =
                (t.trains ? slmt_trainer_memory : slmt_session_memory)(model, t.name, settings, n, &bytes);
            if (s == SLMT_OK)
                continue;
            assert_int_equal(s, SLMT_ERR_ARGUMENT);
            assert_non_null(strstr(slmt_error_text(), "no array has more than 2147483647 elements"));
            assert_true(bytes == 1);
            refused++;
        }
        slmt_model_free(model);
    }
    assert_true(refused >= 3); /* seq2seq twice, vgg19 */
    slmt_context_free(context);
}

/* The least network over the largest image: oneDNN divided by zero when it was asked for the memory. */
static void a_volume_of_2_to_the_39_voxels_is_refused(void **state)
{
    (void)state;
    const slmt_number net[] = {{"ndims", 3},           {"channels", 1},    {"widths_0", 1},
                               {"widths_1", 1},        {"widths_2", 1},    {"lstm_width", 1},
                               {"residual_blocks", 0}, {"code_length", 1}, {"bank", 1}};
    const slmt_number large[] = {{"height", 8192}, {"width", 8192}, {"depth", 8192}};
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = NULL;
    slmt_session *session = NULL;
    uint64_t bytes;
    GOOD(slmt_model_create(context, "seq2seq", net, 9, 1, &model));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "8192,8192,8192",
                slmt_session_memory(model, "synthesize", large, 3, &bytes));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "8192,8192,8192",
                slmt_session_create(model, "synthesize", large, 3, &session));
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- callers ---- */

static void more_samples_than_memory_has_addresses_are_refused(void **state)
{
    (void)state;
    static float x[16];
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    slmt_session *session = NULL;
    GOOD(slmt_session_create(model, NULL, NULL, 0, &session));
    const int64_t counts[] = {INT64_MAX, INT64_MAX / 2, (int64_t)1 << 61, (int64_t)1 << 60, (int64_t)1 << 49};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const int64_t shape[] = {counts[i], SIDE, SIDE}, steps[] = {PIXELS, SIDE, 1};
        const slmt_tensor in = {"source", x, shape, steps, 3, SLMT_TENSOR_FLOAT32};
        const slmt_tensor out = {"target", x, shape, steps, 3, SLMT_TENSOR_FLOAT32};
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "more than memory has addresses for",
                    slmt_session_run(session, &in, 1, &out, 1));
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "count", slmt_synthesize(session, x, (size_t)counts[i], x));
    }
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_that_overflow_are_found),
        cmocka_unit_test(a_graph_takes_no_larger_array),
        cmocka_unit_test(the_largest_settings_of_every_task_are_refused_with_their_sizes),
        cmocka_unit_test(a_volume_of_2_to_the_39_voxels_is_refused),
        cmocka_unit_test(more_samples_than_memory_has_addresses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
