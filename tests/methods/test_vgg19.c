/* SPDX-License-Identifier: Apache-2.0 */
/* test_vgg19.c - the perceptual distance against PyTorch's (tests/data/make_vgg19.py), as a method, and as
 * the term of Seq2Seq's loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "lib/plan.h"
#include "methods/vgg19/vgg19.h"
#include "tests/methods/parity_file.h"

#include "tests/engine/engine_host.h"

#include "tests/api/api_fixture.h"

#define RECORDED SLMT_SOURCE_DIR "/tests/data/vgg19.h5"

static reference_data recorded(const char *path)
{
    hid_t file = H5Fopen(RECORDED, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    reference_data r = parity_read(file, path);
    H5Fclose(file);
    return r;
}

static int32_t recorded_width(void)
{
    hid_t file = H5Fopen(RECORDED, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    int32_t width = (int32_t)parity_attr(file, "width", 0);
    H5Fclose(file);
    return width;
}

enum { M = 2, ROWS = 40, COLUMNS = 52, N = M * ROWS * COLUMNS };

/* ---- distance and gradient as a graph ---- */

static void *reals(engine *e, bk_dtype real, const char *path)
{
    void *p;
    reference_data r = recorded(path);
    assert_int_equal(mem_array(&e->m, r.n, bk_dtype_size(real), &p), OK);
    for (size_t i = 0; i < r.n; i++)
        real_set(p, real, i, r.x[i]);
    free(r.x);
    return p;
}

static void compare(const char *path, const void *ours, bk_dtype real)
{
    reference_data r = recorded(path);
    double *x = malloc(r.n * sizeof *x), tolerance = parity_tolerance(&r, real == BK_F64);
    for (size_t i = 0; i < r.n; i++)
        x[i] = real_get(ours, real, i);
    double ratio = parity_compare(&r, x, r.n, tolerance);
    print_message("  %s: %.3f of its tolerance %.3g\n", path, ratio, tolerance);
    assert_true(ratio <= 1);
    free(x);
    free(r.x);
}

static void check_graph(engine *e, bk_dtype real)
{
    graph *g;
    nn n;
    params p;
    plan *made;
    void *bound[64] = {NULL};
    double distance[M];
    value gradient;
    params_init(&p, &e->m, real, real);
    vgg19_params(&p, "judge.", recorded_width());
    assert_int_equal(p.error, OK);
    assert_true(p.n == 26 && p.n + 3 <= 64);
    for (int32_t k = 0; k < p.n; k++) {
        char path[128];
        snprintf(path, sizeof path, "W/%s", p.list[k].name + strlen("judge."));
        bound[k] = reals(e, real, path);
        assert_false(param_trained(&p.list[k]));
    }
    bk_shape images = shape_of(real, 3, (const int64_t[]){M, ROWS, COLUMNS});
    assert_int_equal(graph_create(&e->m, real, &g), OK);
    assert_int_equal(nn_open(&n, g, &p, "judge.", 0), OK);
    value a = graph_bound(g, p.n, images), b = graph_bound(g, p.n + 1, images);
    value d = vgg19_distance(&n, a, b);
    graph_output(g, d, p.n + 2);
    assert_int_equal(graph_gradients(g, op_sum_all(g, d), &a, 1, &gradient), OK);
    graph_hold(g, gradient, 0);
    assert_int_equal(graph_status(g), OK);
    assert_int_equal(plan_create(g, e->dev, 1, &made), OK);
    bound[p.n] = reals(e, real, "a");
    bound[p.n + 1] = reals(e, real, "b");
    bound[p.n + 2] = distance;
    assert_int_equal(plan_run(made, bound, p.n + 3, NULL), OK);
    compare("distance", distance, real);
    compare("gradient", plan_held(made, 0), real);
    plan_free(made);
    nn_close(&n);
    graph_free(g);
    for (int32_t k = 0; k < p.n + 2; k++)
        mem_give(&e->m, bound[k]);
    params_clear(&p);
}

static void equals_pytorch_in_float64(void **state)
{
    (void)state;
    engine e;
    assert_int_equal(engine_open(&e, bk_reference()), BK_OK);
    check_graph(&e, BK_F64);
    assert_true(engine_close(&e));
}

static void equals_pytorch_in_float32(void **state)
{
    (void)state;
    engine e;
    assert_int_equal(engine_open(&e, bk_cpu()), BK_OK);
    check_graph(&e, BK_F32);
    assert_true(engine_close(&e));
}

/* ---- as a method ---- */

static slmt_model *open_vgg19(slmt_context *context)
{
    const slmt_number width = {"width", recorded_width()};
    slmt_model *model = NULL;
    GOOD(slmt_model_create_method(context, "vgg19", &width, 1, 0, &model));
    return model;
}

/* Sets the tensors of VGG19 in a model that has them under names with `prefix` in front. */
static void give_weights(slmt_model *model, const char *prefix)
{
    for (size_t k = 0; k < slmt_model_tensor_count(model); k++) {
        slmt_tensor_info info = {.struct_size = sizeof info};
        char path[128];
        GOOD(slmt_model_tensor_info(model, k, &info));
        if (strncmp(info.name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(path, sizeof path, "W/%s", info.name + strlen(prefix));
        reference_data r = recorded(path);
        float *values = malloc(r.n * sizeof *values);
        for (size_t i = 0; i < r.n; i++)
            values[i] = (float)r.x[i];
        GOOD(slmt_model_set_tensor(model, info.name, values, r.n));
        free(values);
        free(r.x);
    }
}

static void measure(slmt_model *model, const float *a, const float *b, int64_t m, int64_t h, int64_t w,
                    float *distance)
{
    slmt_session *session = NULL;
    const slmt_number settings[] = {{"height", (double)h}, {"width", (double)w}, {"batch", 1}};
    const int64_t shape[] = {m, h, w};
    const slmt_tensor in[] = {{"a", (void *)(uintptr_t)a, shape, NULL, 3, SLMT_TENSOR_FLOAT32},
                              {"b", (void *)(uintptr_t)b, shape, NULL, 3, SLMT_TENSOR_FLOAT32}};
    const slmt_tensor out = {"distance", distance, &m, NULL, 1, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_session_create_task(model, "distance", settings, 3, &session));
    GOOD(slmt_session_run(session, in, 2, &out, 1));
    slmt_session_free(session);
}

static void a_session_measures_each_pair(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = open_vgg19(context);
    reference_data a = recorded("a"), b = recorded("b"), d = recorded("distance");
    static float x[N], y[N];
    float got[M];
    assert_int_equal(a.n, N);
    for (int i = 0; i < N; i++) {
        x[i] = (float)a.x[i];
        y[i] = (float)b.x[i];
    }
    give_weights(model, "");
    measure(model, x, y, M, ROWS, COLUMNS, got);
    for (int i = 0; i < M; i++)
        assert_true(fabs(got[i] - d.x[i]) < 1e-5 * d.x[i]);
    measure(model, x, x, M, ROWS, COLUMNS, got);
    assert_true(got[0] == 0 && got[1] == 0);
    free(a.x);
    free(b.x);
    free(d.x);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void without_its_weights_it_is_refused(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = open_vgg19(context);
    slmt_session *session = NULL;
    assert_int_equal(slmt_session_create_task(model, "distance", NULL, 0, &session), SLMT_ERR_STATE);
    assert_non_null(strstr(slmt_error_text(), "features.0.weight"));
    assert_null(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- as a term of Seq2Seq's loss ---- */

enum { SIDE_S = 24, CHANNELS = 2, IMAGE = CHANNELS * SIDE_S * SIDE_S };

static slmt_model *open_seq2seq(slmt_context *context, int perceptual_width)
{
    const slmt_number options[] = {
        {"channels", CHANNELS}, {"widths_0", 4},   {"widths_1", 6},
        {"widths_2", 8},        {"lstm_width", 8}, {"residual_blocks", 1},
        {"code_length", 3},     {"bank", 2},       {"perceptual_width", perceptual_width}};
    slmt_model *model = NULL;
    GOOD(slmt_model_create_method(context, "seq2seq", options, 9, 5, &model));
    return model;
}

static slmt_status open_trainer(slmt_model *model, double weight, int side, slmt_trainer **trainer)
{
    const slmt_number settings[] = {{"height", side}, {"width", side}, {"perceptual_weight", weight}};
    return slmt_trainer_create_task(model, "train", settings, 3, 1, trainer);
}

static void step(slmt_trainer *trainer, float *source, float *target)
{
    int32_t s = 0, t = 2;
    const int64_t one = 1, shape[] = {1, 1, CHANNELS, SIDE_S, SIDE_S};
    const slmt_tensor in[] = {{"source", source, shape, NULL, 5, SLMT_TENSOR_FLOAT32},
                              {"target", target, shape, NULL, 5, SLMT_TENSOR_FLOAT32},
                              {"source_sequence", &s, &one, NULL, 1, SLMT_TENSOR_INT32},
                              {"target_sequence", &t, &one, NULL, 1, SLMT_TENSOR_INT32}};
    GOOD(slmt_trainer_step(trainer, in, 4, 1e-3));
}

static void make(slmt_model *model, float *source, int32_t sequence, float *made)
{
    slmt_session *session = NULL;
    const slmt_number settings[] = {{"height", SIDE_S}, {"width", SIDE_S}};
    const int64_t one = 1, shape[] = {1, 1, CHANNELS, SIDE_S, SIDE_S};
    const slmt_tensor in[] = {{"source", source, shape, NULL, 5, SLMT_TENSOR_FLOAT32},
                              {"sequence", &sequence, &one, NULL, 1, SLMT_TENSOR_INT32}};
    const slmt_tensor out = {"target", made, shape, NULL, 5, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_session_create_task(model, "synthesize", settings, 2, &session));
    GOOD(slmt_session_run(session, in, 2, &out, 1));
    slmt_session_free(session);
}

static void fill(float *source, float *target)
{
    for (int i = 0; i < IMAGE; i++) {
        source[i] = (float)(0.8 * sin(0.03 * i));
        target[i] = (float)(0.5 * cos(0.11 * i) * sin(0.01 * i));
    }
}

/* P(y_t,x_t) + P(y_s,x_s), each the mean over the channels, by the method's own task. */
static double distance_of_both(slmt_context *context, slmt_model *model, float *source, float *target)
{
    slmt_model *judge = open_vgg19(context);
    static float y_target[IMAGE], y_source[IMAGE];
    float d[2][CHANNELS];
    give_weights(judge, "");
    make(model, source, 2, y_target);
    make(model, source, 0, y_source);
    measure(judge, y_target, target, CHANNELS, SIDE_S, SIDE_S, d[0]);
    measure(judge, y_source, source, CHANNELS, SIDE_S, SIDE_S, d[1]);
    slmt_model_free(judge);
    return (d[0][0] + d[0][1] + d[1][0] + d[1][1]) / CHANNELS;
}

static void a_step_adds_the_distance_and_leaves_the_judge_alone(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *judged = open_seq2seq(context, recorded_width()), *plain = open_seq2seq(context, 0);
    slmt_trainer *with = NULL, *without = NULL;
    static float source[IMAGE], target[IMAGE];
    const double weight = 0.7;
    size_t n, m;
    fill(source, target);
    give_weights(judged, "vgg19.");
    double distance = distance_of_both(context, judged, source, target);
    float *before = tensor_values(judged, "vgg19.features.16.weight", &n);
    GOOD(open_trainer(judged, weight, SIDE_S, &with));
    GOOD(open_trainer(plain, 0, SIDE_S, &without));
    step(with, source, target);
    step(without, source, target);
    double perceptual = step_value(with, "perceptual"), total = step_value(with, "total");
    assert_true(step_value(with, "reconstruction") == step_value(without, "reconstruction"));
    assert_true(step_value(with, "cycle") == step_value(without, "cycle"));
    assert_true(step_value(without, "perceptual") == 0);
    print_message("perceptual %g, by the task %g\n", perceptual, distance);
    assert_true(distance > 0 && fabs(perceptual - distance) < 1e-5 * distance);
    assert_true(fabs(total - step_value(without, "total") - weight * perceptual) < 1e-5 * total);
    float *after = tensor_values(judged, "vgg19.features.16.weight", &m);
    assert_memory_equal(before, after, n * sizeof *before);
    for (int i = 0; i < 100; i++)
        step(with, source, target);
    print_message("after 100 steps %g\n", step_value(with, "perceptual"));
    assert_true(step_value(with, "perceptual") < 0.7 * distance);
    free(before);
    free(after);
    slmt_trainer_free(with);
    slmt_trainer_free(without);
    slmt_model_free(judged);
    slmt_model_free(plain);
    slmt_context_free(context);
}

static void a_term_that_cannot_be_computed_is_refused(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *judged = open_seq2seq(context, recorded_width()), *plain = open_seq2seq(context, 0);
    slmt_trainer *trainer = NULL;
    assert_int_equal(open_trainer(plain, 0.01, SIDE_S, &trainer), SLMT_ERR_ARGUMENT);
    assert_non_null(strstr(slmt_error_text(), "perceptual_width"));
    assert_int_equal(open_trainer(judged, 0.01, 12, &trainer), SLMT_ERR_ARGUMENT);
    assert_non_null(strstr(slmt_error_text(), "at least 16"));
    assert_int_equal(open_trainer(judged, 0.01, SIDE_S, &trainer), SLMT_ERR_STATE);
    assert_non_null(strstr(slmt_error_text(), "vgg19.features.0.weight"));
    assert_null(trainer);
    GOOD(open_trainer(judged, 0, SIDE_S, &trainer)); /* nothing reads the judge */
    slmt_trainer_free(trainer);
    slmt_model_free(judged);
    slmt_model_free(plain);
    slmt_context_free(context);
}

/* Each slice of a stack is an image. */
static void in_three_dimensions_slices_are_judged(void **state)
{
    (void)state;
    enum { D = 8, H = 16, W = 20, VOXELS = D * H * W };
    const slmt_number options[] = {{"ndims", 3},
                                   {"channels", 1},
                                   {"widths_0", 2},
                                   {"widths_1", 2},
                                   {"widths_2", 4},
                                   {"lstm_width", 4},
                                   {"residual_blocks", 0},
                                   {"code_length", 2},
                                   {"bank", 2},
                                   {"perceptual_width", recorded_width()}};
    const slmt_number settings[] = {{"depth", D}, {"height", H}, {"width", W}, {"perceptual_weight", 0.01}};
    const int64_t one = 1, shape[] = {1, 1, 1, D, H, W};
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = NULL, *judge = open_vgg19(context);
    slmt_trainer *trainer = NULL;
    slmt_session *session = NULL;
    static float source[VOXELS], made[VOXELS];
    float distance[D];
    double sum = 0;
    int32_t index = 0;
    for (int i = 0; i < VOXELS; i++)
        source[i] = (float)(0.8 * sin(0.03 * i));
    GOOD(slmt_model_create_method(context, "seq2seq", options, 10, 5, &model));
    give_weights(model, "vgg19.");
    give_weights(judge, "");
    const slmt_tensor in[] = {{"source", source, shape, NULL, 6, SLMT_TENSOR_FLOAT32},
                              {"sequence", &index, &one, NULL, 1, SLMT_TENSOR_INT32}};
    const slmt_tensor out = {"target", made, shape, NULL, 6, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_session_create_task(model, "synthesize", settings, 3, &session));
    GOOD(slmt_session_run(session, in, 2, &out, 1));
    slmt_session_free(session);
    measure(judge, made, source, D, H, W, distance);
    for (int i = 0; i < D; i++)
        sum += distance[i];
    const slmt_tensor both[] = {{"source", source, shape, NULL, 6, SLMT_TENSOR_FLOAT32},
                                {"target", source, shape, NULL, 6, SLMT_TENSOR_FLOAT32},
                                {"source_sequence", &index, &one, NULL, 1, SLMT_TENSOR_INT32},
                                {"target_sequence", &index, &one, NULL, 1, SLMT_TENSOR_INT32}};
    GOOD(slmt_trainer_create_task(model, "train", settings, 4, 1, &trainer));
    GOOD(slmt_trainer_step(trainer, both, 4, 1e-3));
    assert_true(fabs(step_value(trainer, "perceptual") - 2 * sum / D) <
                1e-5 * step_value(trainer, "perceptual"));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_model_free(judge);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch_in_float64),
        cmocka_unit_test(equals_pytorch_in_float32),
        cmocka_unit_test(a_session_measures_each_pair),
        cmocka_unit_test(without_its_weights_it_is_refused),
        cmocka_unit_test(a_step_adds_the_distance_and_leaves_the_judge_alone),
        cmocka_unit_test(a_term_that_cannot_be_computed_is_refused),
        cmocka_unit_test(in_three_dimensions_slices_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
