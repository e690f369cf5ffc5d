/* SPDX-License-Identifier: Apache-2.0 */
/* test_unet.c - the U-Net against a twin in PyTorch (tests/data/make_unet.py), its gradients against finite
 * differences, what must hold of it whatever its weights are, and how it trains on a set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "lib/plan.h"
#include "methods/unet/unet.h"
#include "tests/backends/adam_call.h"
#include "tests/methods/parity_file.h"

#include "tests/engine/engine_host.h"

#include "tests/api/api_fixture.h"

/* ---- a network as a graph ---- */

/* The slots behind the tensors', and the results. */
enum { SOURCE, TARGET, MADE, LOSS, EXTRA };

typedef struct network {
    engine e;
    bk_dtype real;
    unet_options o;
    int64_t batch, rows, columns;
    params p;
    void *bound[256];
    plan *plan;
} network;

static bk_shape image_shape(const network *w, int64_t slices)
{
    if (slices == 0)
        return shape_of(w->real, 3, (const int64_t[]){w->batch, w->rows, w->columns});
    return shape_of(w->real, 4, (const int64_t[]){w->batch, slices, w->rows, w->columns});
}

static void *room(network *w, bk_shape shape)
{
    void *p;
    assert_int_equal(mem_zeros(&w->e.m, (size_t)bk_count(&shape), bk_dtype_size(w->real), &p), OK);
    return p;
}

static void **extra(network *w, int which)
{
    return &w->bound[w->p.n + which];
}

/* Plans the network, the loss and, of every weight, the gradient, which plan_held() gives by tensor. */
static void plan_step(network *w, norm_statistics from)
{
    graph *g;
    nn n;
    value gradient[256], wrt[256];
    int32_t of[256], count = 0;
    assert_int_equal(graph_create(&w->e.m, w->real, &g), OK);
    assert_int_equal(nn_open(&n, g, &w->p, "", 0), OK);
    value source = graph_bound(g, w->p.n + SOURCE, image_shape(w, w->o.slices));
    value target = graph_bound(g, w->p.n + TARGET, image_shape(w, 0));
    value made = unet_translate(&n, &w->o, source, from), loss = unet_l1(g, made, target);
    graph_output(g, made, w->p.n + MADE);
    graph_output(g, loss, w->p.n + LOSS);
    for (int32_t k = 0; k < w->p.n; k++)
        if (param_trained(&w->p.list[k])) {
            assert_int_not_equal(n.weights[k], NONE); /* each one is used */
            of[count] = k;
            wrt[count++] = n.weights[k];
        }
    assert_int_equal(graph_gradients(g, loss, wrt, count, gradient), OK);
    for (int32_t i = 0; i < count; i++)
        graph_hold(g, gradient[i], of[i]);
    assert_int_equal(graph_status(g), OK);
    nn_close(&n);
    assert_int_equal(plan_create(g, w->e.dev, PLAN_ARENA, &w->plan), OK);
    graph_free(g);
}

static void open_network(network *w, const bk_backend *backend, bk_dtype real)
{
    assert_int_equal(engine_open(&w->e, backend), BK_OK);
    w->real = real;
    params_init(&w->p, &w->e.m, real, real);
    unet_params(&w->p, &w->o, w->o.slices, 1);
    assert_int_equal(w->p.error, OK);
    assert_true(w->p.n + EXTRA <= 256);
    for (int32_t k = 0; k < w->p.n; k++)
        w->bound[k] = room(w, w->p.list[k].shape);
    *extra(w, SOURCE) = room(w, image_shape(w, w->o.slices));
    *extra(w, TARGET) = *extra(w, MADE) = NULL;
    *extra(w, TARGET) = room(w, image_shape(w, 0));
    *extra(w, MADE) = room(w, image_shape(w, 0));
    *extra(w, LOSS) = room(w, shape_of(real, 0, NULL));
}

static void close_network(network *w)
{
    for (int32_t k = 0; k < w->p.n + EXTRA; k++)
        mem_give(&w->e.m, w->bound[k]);
    params_clear(&w->p);
    assert_true(engine_close(&w->e));
}

static void run(network *w)
{
    assert_int_equal(plan_run(w->plan, w->bound, w->p.n + EXTRA, NULL), OK);
}

static double loss_of(network *w)
{
    run(w);
    return real_get(*extra(w, LOSS), w->real, 0);
}

/* ---- the twin in PyTorch ---- */

#define RECORDED SLMT_SOURCE_DIR "/tests/data/unet.h5"

static void read_case(network *w, hid_t group)
{
    w->o = (unet_options){.slices = (int32_t)parity_attr(group, "slices", 0),
                          .width = (int32_t)parity_attr(group, "width", 0),
                          .depth = (int32_t)parity_attr(group, "depth", 0),
                          .norm = (int32_t)parity_attr(group, "norm", 0),
                          .upsampling = (int32_t)parity_attr(group, "upsampling", 0),
                          .residual = (int32_t)parity_attr(group, "residual", 0)};
    w->batch = (int64_t)parity_attr(group, "batch", 0);
    w->rows = (int64_t)parity_attr(group, "rows", 0);
    w->columns = (int64_t)parity_attr(group, "columns", 0);
}

static void read_into(const network *w, hid_t group, const char *path, void *to, size_t count)
{
    reference_data r = parity_read(group, path);
    assert_int_equal(r.n, count);
    for (size_t i = 0; i < r.n; i++)
        real_set(to, w->real, i, r.x[i]);
    free(r.x);
}

static int64_t links_of(hid_t group, const char *name)
{
    H5G_info_t info;
    hid_t inner = H5Gopen2(group, name, H5P_DEFAULT);
    H5Gget_info(inner, &info);
    H5Gclose(inner);
    return (int64_t)info.nlinks;
}

/* Weights as recorded; buffers as they begin. */
static void read_start(network *w, hid_t group)
{
    char path[128];
    int64_t weights = 0;
    for (int32_t k = 0; k < w->p.n; k++) {
        const param *p = &w->p.list[k];
        snprintf(path, sizeof path, "W/%s", p->name);
        if (param_trained(p)) {
            read_into(w, group, path, w->bound[k], p->count);
            weights++;
        }
        for (size_t i = 0; i < p->count && p->role == ROLE_BUFFER; i++)
            real_set(w->bound[k], w->real, i, p->init == INIT_ONE);
    }
    assert_int_equal(weights, links_of(group, "W")); /* and the twin has no other */
    read_into(w, group, "source", *extra(w, SOURCE), (size_t)(w->batch * w->o.slices * w->rows * w->columns));
    read_into(w, group, "target", *extra(w, TARGET), (size_t)(w->batch * w->rows * w->columns));
}

typedef struct tally {
    int failures;
    double worst;
} tally;

static void compare(tally *t, const network *w, hid_t group, const char *path, const void *ours)
{
    reference_data r = parity_read(group, path);
    double *x = malloc(r.n * sizeof *x), tolerance = parity_tolerance(&r, w->real == BK_F64);
    for (size_t i = 0; i < r.n; i++)
        x[i] = real_get(ours, w->real, i);
    double ratio = parity_compare(&r, x, r.n, tolerance);
    if (!(ratio <= 1))
        print_error("  %s: %g of its tolerance %g\n", path, ratio, tolerance);
    t->failures += !(ratio <= 1);
    t->worst = fmax(t->worst, ratio);
    free(x);
    free(r.x);
}

static void compare_tensors(tally *t, network *w, hid_t group, const char *folder)
{
    char path[128];
    for (int32_t k = 0; k < w->p.n; k++) {
        int buffer = strcmp(folder, "running") == 0;
        if (buffer != (w->p.list[k].role == ROLE_BUFFER))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, w->p.list[k].name);
        compare(t, w, group, path, strcmp(folder, "grad") == 0 ? plan_held(w->plan, k) : w->bound[k]);
    }
}

static void compare_step(tally *t, network *w, hid_t group)
{
    plan_step(w, NORM_UPDATE);
    run(w);
    compare(t, w, group, "made", *extra(w, MADE));
    compare(t, w, group, "l1", *extra(w, LOSS));
    compare_tensors(t, w, group, "grad");
    plan_assign(w->plan, w->bound);
    compare_tensors(t, w, group, "running");
    plan_free(w->plan);
    if (w->o.norm != BLOCK_BATCH)
        return;
    plan_step(w, NORM_RUNNING);
    run(w);
    compare(t, w, group, "inferred", *extra(w, MADE));
    plan_free(w->plan);
}

/* One step of Adam on every weight. */
static void update(network *w, void *const *m, void *const *v, double rate, int64_t step)
{
    assert_int_equal(w->e.dev.backend->begin(w->e.dev.handle), BK_OK);
    for (int32_t k = 0; k < w->p.n; k++) {
        const param *p = &w->p.list[k];
        const adam_arrays a = {w->bound[k], plan_held(w->plan, k), m[k], v[k]};
        if (param_trained(p))
            assert_int_equal(adam_step(w->e.dev.backend, w->e.dev.handle, w->real, p->count, &a, rate, 0.9,
                                       0.999, 1e-8, step),
                             BK_OK);
    }
    w->e.dev.backend->end(w->e.dev.handle);
}

/* In float32 the losses are judged alone: Adam makes full steps of gradients that are rounding noise. */
static void compare_run(tally *t, network *w, hid_t group, int64_t steps, double rate)
{
    void *m[256], *v[256];
    double losses[16];
    assert_true(steps <= 16);
    for (int32_t k = 0; k < w->p.n; k++) {
        m[k] = room(w, w->p.list[k].shape);
        v[k] = room(w, w->p.list[k].shape);
    }
    plan_step(w, NORM_UPDATE);
    for (int64_t s = 0; s < steps; s++) {
        run(w);
        real_set(losses, w->real, (size_t)s, real_get(*extra(w, LOSS), w->real, 0));
        update(w, m, v, rate, s + 1);
    }
    compare(t, w, group, "losses", losses);
    if (w->real == BK_F64)
        compare_tensors(t, w, group, "after");
    plan_free(w->plan);
    for (int32_t k = 0; k < w->p.n; k++) {
        mem_give(&w->e.m, m[k]);
        mem_give(&w->e.m, v[k]);
    }
}

static void equals_pytorch(const char *name, const bk_backend *backend, bk_dtype real)
{
    network w = {0};
    tally t = {0};
    hid_t file = H5Fopen(RECORDED, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    hid_t group = H5Gopen2(file, name, H5P_DEFAULT);
    assert_true(group >= 0);
    read_case(&w, group);
    open_network(&w, backend, real);
    read_start(&w, group);
    compare_step(&t, &w, group);
    read_start(&w, group);
    compare_run(&t, &w, group, (int64_t)parity_attr(file, "steps", 0), parity_attr(file, "rate", 0));
    print_message("  %s, %s: worst %.3f of a tolerance\n", name, real == BK_F64 ? "float64" : "float32",
                  t.worst);
    close_network(&w);
    H5Gclose(group);
    H5Fclose(file);
    assert_int_equal(t.failures, 0);
}

static const char *const cases[] = {"instance", "instance_linear", "batch", "none", "none_linear"};
enum { CASES = sizeof cases / sizeof *cases };

static void equals_pytorch_in_float64(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++)
        equals_pytorch(cases[i], bk_reference(), BK_F64);
}

static void equals_pytorch_in_float32(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++)
        equals_pytorch(cases[i], bk_cpu(), BK_F32);
}

/* ---- gradients and finite differences ---- */

static void fill_reals(const network *w, void *to, size_t n, double middle, double scale, int kind)
{
    for (size_t i = 0; i < n; i++)
        real_set(to, w->real, i,
                 middle + scale * sin(1.3 * (double)i + 0.7 * kind + 0.01 * (double)(i * i % 97)));
}

static void fill_network(network *w)
{
    for (int32_t k = 0; k < w->p.n; k++) {
        const param *p = &w->p.list[k];
        double scale = p->shape.rank > 1 ? sqrt(4.0 / (double)(p->count / (size_t)p->shape.dim[0])) : 0.1;
        fill_reals(w, w->bound[k], p->count, p->init == INIT_ONE, scale, k);
    }
    fill_reals(w, *extra(w, SOURCE), (size_t)(w->batch * w->o.slices * w->rows * w->columns), 0.5, 0.5, 1000);
    fill_reals(w, *extra(w, TARGET), (size_t)(w->batch * w->rows * w->columns), 0.4, 0.4, 2000);
}

/* Moves tensor k along a direction of its own. */
static void move(network *w, int32_t k, double by)
{
    for (size_t i = 0; i < w->p.list[k].count; i++)
        real_set(w->bound[k], w->real, i, real_get(w->bound[k], w->real, i) + by * cos(2.1 * (double)i + k));
}

/* The loss is smooth but for kinks of ReLU, maximum and L1, which so small a step hardly meets: central
 * differences then err by about the rounding of the loss, 1e-16, over the step. */
static void check_gradients(int norm, int upsampling, int residual)
{
    const double h = 1e-6;
    network w = {.o = {.slices = 3,
                       .width = 2,
                       .depth = 3,
                       .norm = norm,
                       .upsampling = upsampling,
                       .residual = residual},
                 .batch = 2,
                 .rows = 9,
                 .columns = 11};
    double worst = 0;
    open_network(&w, bk_reference(), BK_F64);
    fill_network(&w);
    plan_step(&w, NORM_BATCH);
    for (int32_t k = 0; k < w.p.n; k++) {
        double along = 0;
        if (!param_trained(&w.p.list[k]))
            continue;
        run(&w);
        for (size_t i = 0; i < w.p.list[k].count; i++)
            along += real_get(plan_held(w.plan, k), BK_F64, i) * cos(2.1 * (double)i + k);
        move(&w, k, h);
        double above = loss_of(&w);
        move(&w, k, -2 * h);
        double below = loss_of(&w);
        move(&w, k, h);
        double error = fabs((above - below) / (2 * h) - along);
        worst = fmax(worst, error);
        if (!(error < 1e-7))
            fail_msg("%s: %g by differences, %g by the graph", w.p.list[k].name, (above - below) / (2 * h),
                     along);
    }
    print_message("  norm %d, upsampling %d, residual %d: worst %.2g\n", norm, upsampling, residual, worst);
    plan_free(w.plan);
    close_network(&w);
}

static void gradients_are_those_of_finite_differences(void **state)
{
    (void)state;
    for (int norm = 0; norm < 3; norm++)
        for (int upsampling = 0; upsampling < 2; upsampling++)
            check_gradients(norm, upsampling, (norm + upsampling) % 2);
}

/* ---- as a method ---- */

enum { SIDE_U = 24, SLICES = 3, PIXELS_U = SIDE_U * SIDE_U };

static const slmt_number small_net[] = {
    {"image_size", SIDE_U}, {"slices", SLICES}, {"width", 4}, {"depth", 3}};
enum { SMALL_NET = sizeof small_net / sizeof *small_net };

static slmt_model *small_unet(slmt_context *context, uint64_t seed)
{
    slmt_model *model = NULL;
    GOOD(slmt_model_create(context, "unet", small_net, SMALL_NET, seed, &model));
    return model;
}

/* Which at first makes its source. */
static slmt_model *small_residual_unet(slmt_context *context, uint64_t seed)
{
    slmt_model *model = NULL;
    slmt_number options[SMALL_NET + 1];
    memcpy(options, small_net, sizeof small_net);
    options[SMALL_NET] = (slmt_number){"residual", 1};
    GOOD(slmt_model_create(context, "unet", options, SMALL_NET + 1, seed, &model));
    return model;
}

static void set_all(slmt_model *model, const char *name, float x)
{
    size_t n;
    float *values = tensor_values(model, name, &n);
    for (size_t i = 0; i < n; i++)
        values[i] = x * (1 + 0.5f * (float)sin((double)i));
    GOOD(slmt_model_set_tensor(model, name, values, n));
    free(values);
}

static void fill_slices(float *x, size_t count)
{
    for (size_t i = 0; i < count * PIXELS_U; i++)
        x[i] = (float)(0.5 + 0.5 * sin(0.05 * (double)i + 0.3 * (double)(i / PIXELS_U)));
}

static void a_fresh_residual_network_returns_its_source(void **state)
{
    (void)state;
    enum { N = 4 };
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_residual_unet(context, 1);
    slmt_session *session = NULL;
    static float source[N * PIXELS_U], made[N * PIXELS_U];
    fill_slices(source, N);
    GOOD(slmt_session_create(model, "synthesize", NULL, 0, &session));
    GOOD(slmt_synthesize(session, source, N, made));
    assert_memory_equal(source, made, sizeof source);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* Each slice of a volume is made from itself and its neighbours, the outermost ones repeated; so that samples
 * put together by hand give the same numbers, whatever the batch. */
static void a_slice_is_made_from_its_neighbours(void **state)
{
    (void)state;
    enum { N = 5 };
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_residual_unet(context, 1);
    slmt_session *session = NULL;
    static float source[N * PIXELS_U], made[N * PIXELS_U], samples[N * SLICES * PIXELS_U], one[N * PIXELS_U];
    fill_slices(source, N);
    set_all(model, "head.weight", 0.1f);
    GOOD(slmt_session_create(model, "synthesize", &(slmt_number){"batch", 2}, 1, &session));
    GOOD(slmt_synthesize(session, source, N, made));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < SLICES; j++) {
            int k = i + j - 1 < 0 ? 0 : i + j - 1 > N - 1 ? N - 1 : i + j - 1;
            memcpy(samples + (i * SLICES + j) * PIXELS_U, source + k * PIXELS_U, PIXELS_U * sizeof *source);
        }
    const int64_t in_shape[] = {N, SLICES, SIDE_U, SIDE_U}, out_shape[] = {N, SIDE_U, SIDE_U};
    const slmt_tensor in = {"source", samples, in_shape, NULL, 4, SLMT_TENSOR_FLOAT32};
    const slmt_tensor out = {"target", one, out_shape, NULL, 3, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_session_run(session, &in, 1, &out, 1));
    assert_memory_equal(made, one, sizeof one);
    for (int i = 0; i < N * PIXELS_U; i++)
        assert_true(made[i] >= 0 && made[i] <= 1);
    /* a change of slice 4 reaches slices 3 and 4 alone */
    for (int i = 0; i < PIXELS_U; i++)
        source[4 * PIXELS_U + i] = 1 - source[4 * PIXELS_U + i];
    GOOD(slmt_synthesize(session, source, N, one));
    assert_memory_equal(made, one, 3 * PIXELS_U * sizeof *one);
    assert_memory_not_equal(made + 3 * PIXELS_U, one + 3 * PIXELS_U, PIXELS_U * sizeof *one);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void options_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const slmt_number even[] = {{"slices", 2}}, deep[] = {{"image_size", 31}, {"depth", 5}};
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = NULL;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "slices is 2", slmt_model_create(context, "unet", even, 1, 0, &model));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "depth = 5 leaves 1 pixels",
                slmt_model_create(context, "unet", deep, 2, 0, &model));
    assert_null(model);
    slmt_context_free(context);
}

static double numbers_in(slmt_context *context, const slmt_number *options, size_t n)
{
    slmt_model *model = NULL;
    size_t all = 0;
    GOOD(slmt_model_create(context, "unet", options, n, 0, &model));
    for (size_t i = 0; i < slmt_model_tensor_count(model); i++) {
        slmt_tensor_info info = tensor_info(model, i);
        all += tensor_size(&info);
    }
    slmt_model_free(model);
    return (double)all;
}

/* The sum over levels: 9 (in + out) out for a pair of convolutions without bias,
 * 4 out for the weights of two norms, 4 in out + out for a way up. */
static void presets_have_the_documented_sizes(void **state)
{
    (void)state;
    static const double documented[] = {7762465, 482449, 121033};
    slmt_context *context = open_context(1, NULL);
    for (int i = 0; i < 3; i++) {
        const slmt_number preset = {"preset", i};
        print_message("preset %d: %.0f\n", i, numbers_in(context, &preset, 1));
        assert_true(numbers_in(context, &preset, 1) == documented[i]);
    }
    assert_true(numbers_in(context, NULL, 0) == documented[1]); /* the defaults are preset small */
    slmt_context_free(context);
}

/* ---- training ---- */

static slmt_trainer *open_trainer(slmt_model *model, int batch, uint64_t seed)
{
    slmt_trainer *trainer = NULL;
    const slmt_number settings[] = {{"batch", batch}, {"epochs", 60}};
    GOOD(slmt_trainer_create(model, "train", settings, 2, seed, &trainer));
    return trainer;
}

static void steps_learn_a_pair(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_residual_unet(context, 6);
    slmt_trainer *trainer = open_trainer(model, 1, 1);
    static float source[SLICES * PIXELS_U], target[PIXELS_U];
    const int64_t in_shape[] = {1, SLICES, SIDE_U, SIDE_U}, out_shape[] = {1, SIDE_U, SIDE_U};
    fill_slices(source, SLICES);
    for (int i = 0; i < PIXELS_U; i++)
        target[i] = (1 - source[PIXELS_U + i]) * (source[PIXELS_U + i] > 0.2f);
    const slmt_tensor in[] = {{"source", source, in_shape, NULL, 4, SLMT_TENSOR_FLOAT32},
                              {"target", target, out_shape, NULL, 3, SLMT_TENSOR_FLOAT32}};
    GOOD(slmt_trainer_step(trainer, in, 2, 5e-3));
    double first = step_value(trainer, "l1"), mean = 0;
    for (int i = 0; i < PIXELS_U; i++)
        mean += fabs((double)source[PIXELS_U + i] - target[i]) / PIXELS_U;
    assert_true(fabs(first - mean) < 1e-6); /* it began with the source */
    for (int i = 0; i < 150; i++)
        GOOD(slmt_trainer_step(trainer, in, 2, 5e-3));
    print_message("loss %.4f, after 150 steps %.4f\n", first, step_value(trainer, "l1"));
    assert_true(step_value(trainer, "l1") < 0.3 * first);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* Two contrasts of three subjects, the last one for tests, with `slices` slices each. */
static void make_set(slmt_context *context, const char *path, int slices)
{
    enum { X = SIDE_U, Y = SIDE_U, Z = 8 };
    static const char *const names[] = {"t1", "t2"};
    static float voxels[X * Y * Z];
    const int64_t dims[3] = {X, Y, slices};
    const double affine[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    slmt_dataset_writer *writer = NULL;
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    p.crop_size = p.image_size = SIDE_U;
    p.slice_first = p.slice_count = 0;
    GOOD(slmt_dataset_writer_create_mr(context, path, &p, names, 2, &writer));
    for (int s = 0; s < 3; s++) {
        slmt_volume *volumes[2] = {NULL};
        for (int c = 0; c < 2; c++) {
            for (int i = 0; i < X * Y * slices; i++) {
                double x = (i % X - 12) / 10.0, y = (i / X % Y - 12) / 11.0, z = i / (X * Y);
                double wave = 1 + 0.5 * sin(0.4 * (i % X) + z + s);
                voxels[i] = x * x + y * y < 1 ? (float)(c ? 2 - wave : wave) : 0;
            }
            GOOD(slmt_volume_create(context, dims, affine, voxels, &volumes[c]));
        }
        GOOD(slmt_dataset_writer_add(writer, (const char *const[]){"a", "b", "c"}[s],
                                     (const slmt_volume *const *)volumes,
                                     s == 2 ? SLMT_SPLIT_TEST : SLMT_SPLIT_TRAIN));
        slmt_volume_free(volumes[0]);
        slmt_volume_free(volumes[1]);
    }
    GOOD(slmt_dataset_writer_finish(writer));
}

static slmt_trainer *train_on_set(slmt_context *context, slmt_dataset *set, uint64_t steps)
{
    slmt_model *model = small_unet(context, 7);
    slmt_trainer *trainer = open_trainer(model, 3, 9);
    GOOD(slmt_trainer_run(trainer, set, "t1", "t2", steps, NULL, NULL));
    slmt_model_free(model);
    return trainer;
}

static void a_resumed_run_over_a_set_is_the_same_bit_for_bit(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = NULL;
    make_set(context, in_folder("set.h5"), 7);
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    slmt_trainer *whole = train_on_set(context, set, 9), *half = train_on_set(context, set, 5),
                 *resumed = NULL;
    slmt_training_state s = {.struct_size = sizeof s};
    GOOD(slmt_trainer_get_state(whole, &s));
    assert_int_equal(s.steps_in_epoch, 4); /* two subjects of 7 slices, batches of 3 */
    assert_int_equal(s.total_steps, 240);
    assert_string_equal(slmt_model_card(slmt_trainer_model(whole), "source_contrast"), "t1");
    assert_string_equal(slmt_model_card(slmt_trainer_model(whole), "target_contrast"), "t2");
    GOOD(slmt_trainer_save(half, in_folder("half.slmt")));
    GOOD(slmt_trainer_load(context, in_folder("half.slmt"), &resumed));
    GOOD(slmt_trainer_get_state(resumed, &s));
    assert_int_equal(s.step, 5);
    assert_int_equal(s.seed, 9);
    GOOD(slmt_trainer_run(resumed, set, "t1", "t2", 4, NULL, NULL));
    assert_true(same_weights(slmt_trainer_model(whole), slmt_trainer_model(resumed)));
    assert_false(same_weights(slmt_trainer_model(whole), slmt_trainer_model(half)));
    slmt_trainer_free(whole);
    slmt_trainer_free(half);
    slmt_trainer_free(resumed);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

/* A trained network makes a test subject's volume better than the source is, and on the source's grid. */
static void a_volume_is_made_after_training(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = NULL;
    slmt_session *session = NULL;
    enum { N = 7 };
    static float source[N * PIXELS_U], target[N * PIXELS_U], made[N * PIXELS_U];
    double before = 0, after = 0;
    make_set(context, in_folder("set.h5"), N);
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    slmt_trainer *trainer = train_on_set(context, set, 240);
    GOOD(slmt_session_create(slmt_trainer_model(trainer), "synthesize", &(slmt_number){"batch", 4}, 1,
                             &session));
    for (size_t k = 0; k < N; k++) {
        GOOD(slmt_dataset_read_slice(set, 2, 0, k, SLMT_RESIZE_BILINEAR, source + k * PIXELS_U));
        GOOD(slmt_dataset_read_slice(set, 2, 1, k, SLMT_RESIZE_BILINEAR, target + k * PIXELS_U));
    }
    GOOD(slmt_synthesize(session, source, N, made));
    for (int i = 0; i < N * PIXELS_U; i++) {
        before += fabs((double)source[i] - target[i]) / (N * PIXELS_U);
        after += fabs((double)made[i] - target[i]) / (N * PIXELS_U);
    }
    print_message("mean error of the source %.4f, of the network %.4f\n", before, after);
    assert_true(after < 0.3 * before);
    slmt_session_free(session);
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

static void sets_and_contrasts_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const slmt_number other[] = {{"image_size", 32}, {"width", 2}, {"depth", 2}};
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = NULL;
    slmt_model *model = NULL;
    make_set(context, in_folder("set.h5"), 2);
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    GOOD(slmt_model_create(context, "unet", other, 3, 0, &model));
    slmt_trainer *trainer = open_trainer(model, 1, 0);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "24 pixels", slmt_trainer_run(trainer, set, "t1", "t2", 1, NULL, NULL));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_trainer_run(trainer, set, "t1", NULL, 1, NULL, NULL));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch_in_float64),
        cmocka_unit_test(equals_pytorch_in_float32),
        cmocka_unit_test(gradients_are_those_of_finite_differences),
        cmocka_unit_test(a_fresh_residual_network_returns_its_source),
        cmocka_unit_test(a_slice_is_made_from_its_neighbours),
        cmocka_unit_test(options_that_do_not_fit_are_refused),
        cmocka_unit_test(presets_have_the_documented_sizes),
        cmocka_unit_test(steps_learn_a_pair),
        cmocka_unit_test(a_resumed_run_over_a_set_is_the_same_bit_for_bit),
        cmocka_unit_test(a_volume_is_made_after_training),
        cmocka_unit_test(sets_and_contrasts_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
