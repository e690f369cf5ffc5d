/* SPDX-License-Identifier: Apache-2.0 */
/* test_segmentation.c - the networks that label pixels as methods: as many weights as the papers' tables
 * have, images of any size, classes and channels, steps that learn, runs over sets of label maps, and what is
 * refused. test_segmentation_parity.c compares their numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "core/method.h"
#include "core/model.h"
#include "lib/plan.h"
#include "lib/random.h"
#include "methods/unet_seg/unet_seg.h"
#include "nn/pyramid.h"
#include "tests/engine/engine_host.h"

#include "tests/api/api_fixture.h"

/* The trained numbers of a model, which is not made. */
static int64_t weights_of(const char *name, const slmt_number *given, size_t n)
{
    const method *m = method_named(name);
    double option[METHOD_NUMBERS];
    params p;
    mem own;
    int64_t count = 0;
    mem_init(&own, NULL, NULL, NULL, 0);
    assert_int_equal(method_options(m, given, n, option), OK);
    assert_int_equal(method_check(m, option), OK);
    params_init(&p, &own, BK_F32, BK_F32);
    m->tensors(&p, option);
    assert_int_equal(p.error, OK);
    for (int32_t k = 0; k < p.n; k++)
        count += param_trained(&p.list[k]) ? (int64_t)p.list[k].count : 0;
    params_clear(&p);
    return count;
}

#define FOUR      "classes=0,1,2,3"
#define TEN(x)    x ",1,2,3,4,5,6,7,8,9,10"
#define ELEVEN    "classes=" TEN("0")
#define NINETEEN  ELEVEN ",11,12,13,14,15,16,17,18"
#define TWENTYONE NINETEEN ",19,20"

static void networks_have_as_many_weights_as_their_papers(void **state)
{
    (void)state;
    enum { PAPER, COMPACT, VOLUME };
    static const struct {
        const char *method, *classes;
        int preset, channels, width; /* width 0: the preset's */
        int64_t weights;
    } rows[] = {
        {"fcn8s", TWENTYONE, PAPER, 3, 0, 134489759},
        {"fcn8s", FOUR, COMPACT, 1, 0, 2598588},
        {"unet-seg", "classes=0,1", PAPER, 1, 0, 31030658},
        {"unet-seg", FOUR, COMPACT, 1, 64, 31036676},
        {"unet-seg", FOUR, COMPACT, 1, 0, 1942340},
        {"unet-seg", FOUR, VOLUME, 1, 0, 5646436},
        {"attn-unet", FOUR, PAPER, 1, 0, 34846983},
        {"attn-unet", FOUR, COMPACT, 1, 0, 2182215},
        {"attn-unet", FOUR, VOLUME, 1, 0, 5972327},
        {"vnet", "classes=0,1", PAPER, 1, 0, 65191134},
        {"vnet", FOUR, COMPACT, 1, 0, 3681692},
        {"segnet", ELEVEN, PAPER, 3, 0, 29449355},
        {"segnet", FOUR, COMPACT, 1, 0, 1845268},
        {"segnet-basic", ELEVEN, PAPER, 3, 0, 1416587},
        {"segnet-basic", FOUR, COMPACT, 1, 0, 353700},
        {"fpn", TWENTYONE, PAPER, 3, 0, 28478933},
        {"fpn", FOUR, COMPACT, 1, 0, 965812},
        {"pspnet", TWENTYONE, PAPER, 3, 0, 48957802},
        {"pspnet", FOUR, COMPACT, 1, 0, 883640},
        {"deeplabv3p", TWENTYONE, PAPER, 3, 0, 40352181},
        {"deeplabv3p", FOUR, COMPACT, 1, 0, 1040716},
        {"pcd-unet", "classes=0,1", PAPER, 3, 0, 17267458},
        {"pcd-unet", FOUR, COMPACT, 1, 0, 1081796},
        {"linknet", "classes=0,1", PAPER, 3, 0, 11533506},
        {"linknet", FOUR, COMPACT, 1, 0, 723364},
        {"deeplabv3", "classes=0,1", PAPER, 3, 0, 15310402},
        {"deeplabv3", FOUR, COMPACT, 1, 0, 959988},
        {"hrnet-s", NINETEEN, PAPER, 3, 0, 65859379},
        {"hrnet-s", NINETEEN, COMPACT, 3, 0, 1540819},
        {"hrnet-s", FOUR, COMPACT, 1, 0, 1536052},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const slmt_number given[] = {{"preset", rows[i].preset},
                                     {"channels", rows[i].channels},
                                     {rows[i].classes, 0},
                                     {"width", rows[i].width}};
        int64_t weights = weights_of(rows[i].method, given, rows[i].width ? 4 : 3);
        if (weights != rows[i].weights)
            fail_msg("%s, preset %d: %lld weights, not %lld", rows[i].method, rows[i].preset,
                     (long long)weights, (long long)rows[i].weights);
    }
}

/* ---- small networks through the public calls ---- */

typedef struct small {
    const char *method;
    slmt_number options[6];
    size_t n;
    int volume;
} small;

#define COMMON                                                                                               \
    {"channels", 2},                                                                                         \
    {                                                                                                        \
        "classes=0,2,5=lesion", 0                                                                            \
    }
static const small networks[] = {
    {"fcn8s", {COMMON, {"width", 4}, {"fc", 16}}, 4, 0},
    {"segnet", {COMMON, {"width", 4}}, 3, 0},
    {"segnet-basic", {COMMON, {"width", 4}}, 3, 0},
    {"unet-seg", {COMMON, {"width", 4}}, 3, 1},
    {"unet-seg", {COMMON, {"width", 2}, {"axes", 3}}, 4, 1},
    {"unet-seg", {COMMON, {"width", 2}, {"valid", 1}}, 4, 1},
    {"attn-unet", {COMMON, {"width", 4}, {"deep", 1}}, 4, 1},
    {"attn-unet", {COMMON, {"width", 2}, {"axes", 3}}, 4, 1},
    {"vnet", {COMMON, {"width", 4}, {"kernel", 3}}, 4, 1},
    {"vnet", {COMMON, {"width", 4}, {"axes", 2}}, 4, 1},
    {"fpn", {COMMON, {"width", 4}, {"groups", 4}}, 4, 0},
    {"pspnet", {COMMON, {"width", 4}, {"hidden", 8}}, 4, 0},
    {"deeplabv3p", {COMMON, {"width", 4}, {"separable", 1}}, 4, 0},
    {"hrnet-s", {COMMON, {"width", 4}, {"stem", 8}, {"first", 4}}, 5, 0},
    {"pcd-unet", {COMMON, {"width", 4}}, 3, 0},
    {"linknet", {COMMON, {"width", 12}}, 3, 0},
    {"deeplabv3", {COMMON, {"width", 4}, {"atrous", 8}}, 4, 0},
};
enum { NETWORKS = sizeof networks / sizeof *networks, CLASSES = 3, CHANNELS = 2 };

static slmt_model *model_of(slmt_context *context, const small *s)
{
    slmt_model *model = NULL;
    GOOD(slmt_model_create(context, s->method, s->options, s->n, 3, &model));
    return model;
}

/* A disc and a square of their own brightness in each channel, on a dark ground; labels of them. */
static void draw_image(float *image, int32_t *labels, int64_t slices, int64_t rows, int64_t columns,
                       int sample)
{
    int64_t n = slices * rows * columns;
    random_stream r = random_open(5, (uint64_t)sample);
    for (int64_t i = 0; i < n; i++) {
        double y = (double)(i / columns % rows) / (double)rows, x = (double)(i % columns) / (double)columns;
        double a = x - 0.3 - 0.02 * sample, b = y - 0.35;
        int32_t k = a * a + b * b < 0.04 ? 1 : fabs(x - 0.7) < 0.15 && fabs(y - 0.6) < 0.2 ? 2 : 0;
        image[i] = (float)(0.2 + 0.3 * k + 0.05 * random_uniform(&r));
        image[n + i] = (float)(0.8 - 0.2 * k + 0.05 * random_uniform(&r));
        if (labels)
            labels[i] = k;
    }
}

/* Probabilities of an image of odd sizes are such, and the labels the largest of them. */
static void images_of_any_size_get_a_class_for_each_pixel(void **state)
{
    (void)state;
    enum { ROWS = 97, COLUMNS = 121, SLICES = 17, MOST = SLICES * ROWS * COLUMNS };
    static float image[CHANNELS * MOST], p[CLASSES * MOST];
    static int32_t labels[MOST];
    slmt_context *context = open_context(1, NULL);
    for (int i = 0; i < NETWORKS; i++) {
        const small *s = &networks[i];
        slmt_model *model = model_of(context, s);
        slmt_session *session = NULL;
        int64_t slices = s->volume ? SLICES : 1, n = slices * ROWS * COLUMNS;
        const slmt_number settings[] = {{"rows", ROWS}, {"columns", COLUMNS}, {"slices", SLICES}};
        const int64_t dims[3][5] = {
            {1, CHANNELS, ROWS, COLUMNS}, {1, CLASSES, ROWS, COLUMNS}, {1, ROWS, COLUMNS}};
        const int64_t deep[3][5] = {{1, CHANNELS, SLICES, ROWS, COLUMNS},
                                    {1, CLASSES, SLICES, ROWS, COLUMNS},
                                    {1, SLICES, ROWS, COLUMNS}};
        const int64_t(*shape)[5] = s->volume ? deep : dims;
        const slmt_tensor in = {"image", image, shape[0], NULL, 4 + s->volume, SLMT_TENSOR_FLOAT32};
        const slmt_tensor out[] = {{"probabilities", p, shape[1], NULL, 4 + s->volume, SLMT_TENSOR_FLOAT32},
                                   {"labels", labels, shape[2], NULL, 3 + s->volume, SLMT_TENSOR_INT32}};
        draw_image(image, NULL, slices, ROWS, COLUMNS, 0);
        GOOD(slmt_session_create(model, "segment", settings, s->volume ? 3 : 2, &session));
        GOOD(slmt_session_run(session, &in, 1, out, 2));
        for (int64_t k = 0; k < n; k++) {
            assert_true(fabs(p[k] + p[n + k] + p[2 * n + k] - 1) < 1e-5);
            int32_t best = p[n + k] > p[k];
            best = p[2 * n + k] > p[best * n + k] ? 2 : best;
            assert_int_equal(labels[k], best);
        }
        slmt_session_free(session);
        slmt_model_free(model);
    }
    slmt_context_free(context);
}

/* The networks themselves take a single class, which models refuse: there is nothing to choose from. The
 * softmax of one logit is 1. */
static void networks_of_a_single_class_give_a_logit_for_each_pixel(void **state)
{
    (void)state;
    enum { ROWS = 97, COLUMNS = 121, SLICES = 17, MOST = SLICES * ROWS * COLUMNS };
    static float image[CHANNELS * MOST], p[MOST];
    static int32_t labels[MOST];
    static const int64_t flat[2][4] = {{1, CHANNELS, ROWS, COLUMNS}, {1, 1, ROWS, COLUMNS}};
    static const int64_t deep[2][5] = {{1, CHANNELS, SLICES, ROWS, COLUMNS}, {1, 1, SLICES, ROWS, COLUMNS}};
    slmt_context *context = open_context(1, NULL);
    for (int i = 0; i < NETWORKS; i++) {
        const small *s = &networks[i];
        method unchecked = *method_named(s->method);
        slmt_number given[8];
        double option[METHOD_NUMBERS];
        slmt_model *model;
        slmt_session *session;
        unchecked.check = NULL;
        for (size_t k = 0; k < s->n; k++)
            given[k] = s->options[k].name && !strncmp(s->options[k].name, "classes=", 8)
                           ? (slmt_number){"classes=5", 0}
                           : s->options[k];
        assert_int_equal(method_options(&unchecked, given, s->n, option), OK);
        assert_int_equal(model_fresh(context, &unchecked, option, 1, &model), OK);
        int64_t slices = s->volume ? SLICES : 1, n = slices * ROWS * COLUMNS;
        const slmt_number settings[] = {{"rows", ROWS}, {"columns", COLUMNS}, {"slices", SLICES}};
        const int64_t *in = s->volume ? deep[0] : flat[0], *out = s->volume ? deep[1] : flat[1];
        const int64_t map[2][4] = {{1, ROWS, COLUMNS}, {1, SLICES, ROWS, COLUMNS}};
        const slmt_tensor x = {"image", image, in, NULL, 4 + s->volume, SLMT_TENSOR_FLOAT32};
        const slmt_tensor y[] = {{"probabilities", p, out, NULL, 4 + s->volume, SLMT_TENSOR_FLOAT32},
                                 {"labels", labels, map[s->volume], NULL, 3 + s->volume, SLMT_TENSOR_INT32}};
        draw_image(image, NULL, slices, ROWS, COLUMNS, 0);
        memset(p, 0, sizeof p);
        GOOD(slmt_session_create(model, "segment", settings, s->volume ? 3 : 2, &session));
        GOOD(slmt_session_run(session, &x, 1, y, 2));
        for (int64_t k = 0; k < n; k++)
            assert_true(p[k] == 1 && labels[k] == 0);
        slmt_session_free(session);
        slmt_model_free(model);
    }
    slmt_context_free(context);
}

/* One batch again and again: the loss falls, and is the sum of its parts where there is no auxiliary head. */
static void steps_learn_a_batch(void **state)
{
    (void)state;
    enum { SIDE_S = 32, SLICES = 16, BATCH = 2, MOST = BATCH * SLICES * SIDE_S * SIDE_S, STEPS = 12 };
    static float image[CHANNELS * MOST];
    static int32_t labels[MOST];
    slmt_context *context = open_context(1, NULL);
    for (int i = 0; i < NETWORKS; i++) {
        const small *s = &networks[i];
        int64_t side = strcmp(s->method, "pspnet") ? SIDE_S : SIDE_S - 7;
        if (s->volume && s->options[3].name && !strcmp(s->options[3].name, "valid"))
            continue; /* an image of 93 pixels at least: for the parity test */
        slmt_model *model = model_of(context, s);
        slmt_trainer *trainer = NULL;
        int64_t slices = s->volume ? SLICES : 1, n = slices * side * side;
        const slmt_number settings[] = {{"rows", (double)side}, {"columns", (double)side},
                                        {"batch", BATCH},       {"epochs", 20},
                                        {"dropout", 0},         {"slices", SLICES}};
        const int64_t flat[2][5] = {{BATCH, CHANNELS, side, side}, {BATCH, side, side}};
        const int64_t deep[2][5] = {{BATCH, CHANNELS, SLICES, side, side}, {BATCH, SLICES, side, side}};
        const int64_t(*shape)[5] = s->volume ? deep : flat;
        const slmt_tensor in[] = {{"image", image, shape[0], NULL, 4 + s->volume, SLMT_TENSOR_FLOAT32},
                                  {"labels", labels, shape[1], NULL, 3 + s->volume, SLMT_TENSOR_INT32}};
        double first = 0, last = 0, parts[2];
        for (int b = 0; b < BATCH; b++)
            draw_image(image + b * CHANNELS * n, labels + b * n, slices, side, side, b);
        GOOD(slmt_trainer_create(model, "train", settings, s->volume ? 6 : 5, 1, &trainer));
        for (int step = 0; step < STEPS; step++) {
            GOOD(slmt_trainer_step(trainer, in, 2, 1e-2));
            GOOD(slmt_trainer_value(trainer, "loss", &last));
            first = step == 0 ? last : first;
        }
        GOOD(slmt_trainer_value(trainer, "cross_entropy", &parts[0]));
        GOOD(slmt_trainer_value(trainer, "dice", &parts[1]));
        print_message("  %s: %.3f to %.3f\n", s->method, first, last);
        assert_true(last < 0.8 * first);
        assert_true(!strcmp(s->method, "pspnet") || fabs(parts[0] + parts[1] - last) < 1e-5);
        slmt_trainer_free(trainer);
        slmt_model_free(model);
    }
    slmt_context_free(context);
}

static void an_image_too_small_for_the_network_is_refused(void **state)
{
    (void)state;
    static const slmt_number flat[] = {{"rows", 64}, {"columns", 64}, {"slices", 15}}, low[] = {{"rows", 8}};
    slmt_context *context = open_context(1, NULL);
    slmt_session *session = NULL;
    slmt_model *volumes = model_of(context, &networks[4]), *slices = model_of(context, &networks[1]);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "more rows", slmt_session_create(volumes, "segment", flat, 3, &session));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "more rows", slmt_session_create(slices, "segment", low, 1, &session));
    slmt_model_free(volumes);
    slmt_model_free(slices);
    slmt_context_free(context);
}

static void options_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *method, *text;
        slmt_number given[2];
    } rows[] = {
        {"fcn8s", "two values or more", {{"classes=7", 0}}},
        {"fcn8s", "1 behind 2", {{"classes=0,2,1", 0}}},
        {"segnet", "classes", {{"classes=0,tumour", 0}}},
        {"vnet", "multiple of the 3 channels", {{"channels", 3}}},
        {"vnet", "odd", {{"kernel", 4}}},
        {"unet-seg", "axes must be 2", {{"valid", 1}, {"axes", 3}}},
        {"fpn", "multiple of the 7 groups", {{"groups", 7}}},
        {"deeplabv3p", "8 or 16", {{"output_stride", 12}}},
    };
    slmt_context *context = open_context(1, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        slmt_model *model = NULL;
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, rows[i].text,
                    slmt_model_create(context, rows[i].method, rows[i].given, rows[i].given[1].name ? 2 : 1,
                                      0, &model));
    }
    slmt_context_free(context);
}

/* A label that no class has is refused, though weights of pixels are computed from labels before the loss. */
static void weights_and_labels_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    enum { EDGE = 32 };
    static float image[CHANNELS * EDGE * EDGE]; /* the network takes the first channel */
    static int32_t labels[EDGE * EDGE];
    static const char *const wrong[] = {"class_weights=-1,1", "class_weights=1,,2", "class_weights=e",
                                        "class_weights=1,2,3", "class_weights=mean"};
    static const int64_t shape[2][4] = {{1, 1, EDGE, EDGE}, {1, EDGE, EDGE}};
    const slmt_tensor in[] = {{"image", image, shape[0], NULL, 4, SLMT_TENSOR_FLOAT32},
                              {"labels", labels, shape[1], NULL, 3, SLMT_TENSOR_INT32}};
    slmt_number settings[] = {
        {"rows", EDGE}, {"columns", EDGE}, {"batch", 1}, {"border_weight", 10}, {"class_weights=0.5,1", 0}};
    slmt_context *context = open_context(1, NULL);
    slmt_model *model;
    slmt_trainer *trainer;
    GOOD(slmt_model_create(context, "segnet", &(slmt_number){"width", 2}, 1, 1, &model));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const slmt_number given = {wrong[i], 0};
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "class_weights",
                    slmt_trainer_create(model, "train", &given, 1, 1, &trainer));
    }
    GOOD(slmt_trainer_create(model, "train", settings, 5, 1, &trainer));
    draw_image(image, labels, 1, EDGE, EDGE, 0);
    for (int i = 0; i < EDGE * EDGE; i++)
        labels[i] = labels[i] > 0;
    labels[7] = 1000000;
    EXPECT_TEXT(SLMT_ERR_BACKEND, "one_hot", slmt_trainer_step(trainer, in, 2, 1e-3));
    labels[7] = 1;
    GOOD(slmt_trainer_step(trainer, in, 2, 1e-3));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- parts ---- */

/* Runs a graph of one input and one output on the reference backend, in double. */
typedef struct sheet {
    engine e;
    graph *g;
    void *bound[8];
} sheet;

static void sheet_open(sheet *s)
{
    assert_int_equal(engine_open(&s->e, bk_reference()), BK_OK);
    assert_int_equal(graph_create(&s->e.m, BK_F64, &s->g), OK);
}

/* Slot `slot` receives v. */
static void sheet_run(sheet *s, value v, int slot, double *to)
{
    plan *p;
    s->bound[slot] = to;
    graph_output(s->g, v, slot);
    if (graph_status(s->g) != OK)
        print_error("%s\n", status_text());
    assert_int_equal(graph_status(s->g), OK);
    assert_int_equal(plan_create(s->g, s->e.dev, PLAN_ARENA, &p), OK);
    assert_int_equal(plan_run(p, s->bound, slot + 1, NULL), OK);
    plan_free(p);
    graph_free(s->g);
    assert_true(engine_close(&s->e));
}

/* Transposed convolutions that start as bilinear kernels enlarge as a resize does, but for half a stride at
 * the border. */
static void a_bilinear_start_enlarges(void **state)
{
    (void)state;
    enum { N = 5, TIMES = 4, BIG = N * TIMES };
    double x[N * N], kernel[4 * TIMES * TIMES], made[2][BIG * BIG];
    params p;
    mem own;
    mem_init(&own, NULL, NULL, NULL, 0);
    params_init(&p, &own, BK_F64, BK_F64);
    params_add(&p, INIT_BILINEAR, 1, 4, (const int64_t[]){1, 1, 2 * TIMES, 2 * TIMES}, "weight");
    params_fill(&p, 0, kernel);
    params_clear(&p);
    for (int i = 0; i < N * N; i++)
        x[i] = sin(i) + i + 1;
    for (int way = 0; way < 2; way++) {
        sheet s = {.bound = {x, kernel}};
        sheet_open(&s);
        value in = graph_bound(s.g, 0, shape_of(BK_F64, 4, (const int64_t[]){1, N, N, 1}));
        value w = graph_bound(s.g, 1, shape_of(BK_F64, 4, (const int64_t[]){1, 1, 2 * TIMES, 2 * TIMES}));
        op_window window = op_window_of(TIMES, TIMES / 2);
        value v = way ? op_resize_linear(s.g, in, (const int64_t[]){BIG, BIG})
                      : op_conv_transpose(s.g, in, w, NONE, &window, NULL);
        sheet_run(&s, v, 2, made[way]);
    }
    for (int y = TIMES / 2; y < BIG - TIMES / 2; y++)
        for (int c = TIMES / 2; c < BIG - TIMES / 2; c++)
            assert_true(fabs(made[0][y * BIG + c] - made[1][y * BIG + c]) < 1e-12);
    assert_true(fabs(made[0][0] - made[1][0]) > 1e-3);
}

/* A kernel with zeros between its taps. */
static void stuff(const double *kernel, int n, int rate, double *stuffed)
{
    int side = rate * (n - 1) + 1;
    memset(stuffed, 0, (size_t)(side * side) * sizeof *stuffed);
    for (int i = 0; i < n * n; i++)
        stuffed[i / n * rate * side + i % n * rate] = kernel[i];
}

static void a_dilated_convolution_has_zeros_between_its_taps(void **state)
{
    (void)state;
    enum { N = 11, TAPS = 3, MOST_TAPS = 4 * (TAPS - 1) + 1 };
    double x[N * N], kernel[TAPS * TAPS], stuffed[MOST_TAPS * MOST_TAPS], made[2][N * N];
    for (int i = 0; i < N * N; i++)
        x[i] = sin(i);
    for (int i = 0; i < TAPS * TAPS; i++)
        kernel[i] = cos(2 * i);
    for (int rate = 2; rate <= 4; rate++) {
        stuff(kernel, TAPS, rate, stuffed);
        for (int way = 0; way < 2; way++) {
            const int64_t taps = way ? rate * (TAPS - 1) + 1 : TAPS;
            sheet s = {.bound = {x, way ? stuffed : kernel}};
            sheet_open(&s);
            value in = graph_bound(s.g, 0, shape_of(BK_F64, 4, (const int64_t[]){1, N, N, 1}));
            value w = graph_bound(s.g, 1, shape_of(BK_F64, 4, (const int64_t[]){1, 1, taps, taps}));
            op_window window = op_window_of(1, rate);
            window.dilation[0] = window.dilation[1] = way ? 1 : rate;
            sheet_run(&s, op_convolve(s.g, in, w, NONE, &window), 2, made[way]);
        }
        for (int i = 0; i < N * N; i++)
            assert_true(fabs(made[0][i] - made[1][i]) < 1e-14);
    }
}

/* Without padding 188 pixels become 4 (Ronneberger et al. 2015: 572 become 388). */
static void the_published_u_net_gives_fewer_pixels_than_it_takes(void **state)
{
    (void)state;
    const unet_seg_options o = {
        .segment = {.channels = 1, .classes = "0,1", .width = 1}, .axes = 2, .valid = 1};
    static const int64_t sizes[][2] = {{188, 4}, {572, 388}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        nn_listing l;
        params p;
        sheet s = {.g = NULL};
        sheet_open(&s);
        params_init(&p, &s.e.m, BK_F64, BK_F64);
        nn lister = nn_list(&l, &p, INIT_HE), n;
        unet_seg_forward(&lister, &o, NONE);
        assert_int_equal(nn_open(&n, s.g, &p, "", 1), OK);
        const int64_t in[] = {1, sizes[i][0], sizes[i][0], 1};
        const bk_shape *out =
            graph_shape(s.g, unet_seg_forward(&n, &o, graph_bound(s.g, 0, shape_of(BK_F64, 4, in))));
        assert_int_equal(graph_status(s.g), OK);
        assert_int_equal(out->dim[1], sizes[i][1]);
        assert_int_equal(out->dim[2], sizes[i][1]);
        assert_int_equal(out->dim[3], 2);
        nn_close(&n);
        params_clear(&p);
        graph_free(s.g);
        assert_true(engine_close(&s.e));
    }
}

static void what_was_pooled_goes_back_to_its_place(void **state)
{
    (void)state;
    enum { N = 6 };
    double x[N * N], back[N * N], kept = 0;
    sheet s = {.bound = {x}};
    for (int i = 0; i < N * N; i++)
        x[i] = (double)((i * 7) % 36);
    sheet_open(&s);
    const int64_t size[] = {N, N};
    value index, in = graph_bound(s.g, 0, shape_of(BK_F64, 4, (const int64_t[]){1, N, N, 1}));
    value pooled = nn_pool(s.g, in, 0, &index);
    sheet_run(&s, nn_unpool(s.g, pooled, index, size), 1, back);
    for (int y = 0; y < N; y += 2)
        for (int c = 0; c < N; c += 2) {
            double top =
                fmax(fmax(x[y * N + c], x[y * N + c + 1]), fmax(x[(y + 1) * N + c], x[(y + 1) * N + c + 1]));
            for (int k = 0; k < 4; k++) {
                int at = (y + k / 2) * N + c + k % 2;
                assert_true(back[at] == (x[at] == top ? top : 0));
                kept += back[at] != 0;
            }
        }
    assert_true(kept == N * N / 4 || kept == N * N / 4 - 1); /* one maximum may be 0 */
}

/* Weights of a gate for two channels and a signal of one, by name, on the reference backend. */
static void gate_with(double psi_weight, double psi_bias, double map[9], double passed[2 * 36])
{
    enum { N = 6, C = 2 };
    static double x[N * N * C], signal[9];
    nn_listing l;
    params p;
    sheet s = {.bound = {x, signal}};
    value found, v;
    void *weights[32];
    sheet_open(&s);
    params_init(&p, &s.e.m, BK_F64, BK_F64);
    nn lister = nn_list(&l, &p, INIT_HE), n;
    nn_attention_gate(&lister, at("gate"), NONE, NONE, (gate_shape){C, 1, 2}, NULL);
    for (int i = 0; i < N * N * C; i++)
        x[i] = sin(i);
    for (int i = 0; i < 9; i++)
        signal[i] = cos(3 * i);
    assert_int_equal(nn_open(&n, s.g, &p, "", 4), OK);
    assert_true(p.n <= 32);
    for (int32_t k = 0; k < p.n; k++) {
        int is_psi = strstr(p.list[k].name, "psi") != NULL, is_bias = strstr(p.list[k].name, "bias") != NULL;
        weights[k] = calloc(p.list[k].count, sizeof(double));
        for (size_t i = 0; i < p.list[k].count; i++)
            ((double *)weights[k])[i] = is_psi ? (is_bias ? psi_bias : psi_weight) : 0.3 * cos(5.0 * k + i);
    }
    value in = graph_bound(s.g, 0, shape_of(BK_F64, 4, (const int64_t[]){1, N, N, C}));
    value coarse = graph_bound(s.g, 1, shape_of(BK_F64, 4, (const int64_t[]){1, 3, 3, 1}));
    n.statistics = NORM_BATCH;
    v = nn_attention_gate(&n, at("gate"), in, coarse, (gate_shape){C, 1, 2}, &found);
    graph_output(s.g, found, 2);
    s.bound[2] = map;
    void *bound[64] = {x, signal, map, passed};
    memcpy(bound + 4, weights, (size_t)p.n * sizeof *weights);
    graph_output(s.g, v, 3);
    plan *made;
    assert_int_equal(graph_status(s.g), OK);
    assert_int_equal(plan_create(s.g, s.e.dev, PLAN_ARENA, &made), OK);
    assert_int_equal(plan_run(made, bound, 4 + p.n, NULL), OK);
    plan_free(made);
    for (int32_t k = 0; k < p.n; k++)
        free(weights[k]);
    nn_close(&n);
    graph_free(s.g);
    params_clear(&p);
    assert_true(engine_close(&s.e));
}

/* Attention lies in [0, 1]; a gate that is wide open passes what any gate twice as open does. */
static void a_gate_weighs_by_numbers_from_0_to_1(void **state)
{
    (void)state;
    double map[9], other[9], open[72], wider[72], shut[72];
    gate_with(2, 0.1, map, shut);
    for (int i = 0; i < 9; i++)
        assert_true(map[i] >= 0 && map[i] <= 1);
    gate_with(0, 20, map, open);
    gate_with(0, 40, other, wider);
    for (int i = 0; i < 9; i++)
        assert_true(map[i] > 1 - 1e-8 && other[i] > 1 - 1e-8);
    for (int i = 0; i < 72; i++)
        assert_true(fabs(open[i] - wider[i]) < 1e-6);
}

/* ---- norms within weights ---- */

enum { FOLDED_SIDE = 32 };

static void label_noise(slmt_session *session, float *p)
{
    float x[FOLDED_SIDE * FOLDED_SIDE];
    int32_t labels[FOLDED_SIDE * FOLDED_SIDE];
    const int64_t in[] = {1, 1, FOLDED_SIDE, FOLDED_SIDE}, map[] = {1, FOLDED_SIDE, FOLDED_SIDE},
                  out[] = {1, 2, FOLDED_SIDE, FOLDED_SIDE};
    for (int i = 0; i < FOLDED_SIDE * FOLDED_SIDE; i++)
        x[i] = (float)sin(0.7 * i);
    const slmt_tensor input = {"image", x, in, NULL, 4, SLMT_TENSOR_FLOAT32};
    const slmt_tensor outputs[] = {{"labels", labels, map, NULL, 3, SLMT_TENSOR_INT32},
                                   {"probabilities", p, out, NULL, 4, SLMT_TENSOR_FLOAT32}};
    GOOD(slmt_session_run(session, &input, 1, outputs, 2));
}

static uint64_t count_ops(const slmt_profile *profile, const char *op)
{
    uint64_t found = 0;
    for (size_t i = 0; i < slmt_profile_entry_count(profile); i++) {
        slmt_profile_entry e = {.struct_size = sizeof e};
        GOOD(slmt_profile_entry_at(profile, i, &e));
        found += strcmp(e.op, op) == 0 ? e.calls : 0;
    }
    return found;
}

/* The square roots are those of variances: images are not normalized here. */
static void norms_become_weights_once_and_anew_when_weights_change(void **state)
{
    (void)state;
    const slmt_number options[] = {{"normalize", 0}, {"width", 4}},
                      settings[] = {{"rows", FOLDED_SIDE}, {"columns", FOLDED_SIDE}};
    enum { N = 2 * FOLDED_SIDE * FOLDED_SIDE };
    float first[N], again[N], changed[N], fresh[N], variance[4] = {2, 0.5f, 3, 1};
    slmt_context *context = open_context(1, NULL);
    slmt_model *model;
    slmt_session *session, *other;
    slmt_profile *profile;
    GOOD(slmt_model_create(context, "segnet", options, 2, 7, &model));
    GOOD(slmt_session_create(model, "segment", settings, 2, &session));
    GOOD(slmt_profile_create(context, &profile));
    label_noise(session, first);
    GOOD(slmt_session_set_profile(session, profile));
    label_noise(session, again);
    assert_true(count_ops(profile, "conv") > 0 && count_ops(profile, "sqrt") == 0);
    assert_memory_equal(first, again, sizeof first);
    slmt_tensor_info info = {.struct_size = sizeof info};
    size_t k = 0;
    while (slmt_model_tensor_info(model, k, &info) == SLMT_OK && !strstr(info.name, "running_var"))
        k++;
    GOOD(slmt_model_set_tensor(model, info.name, variance, 4));
    label_noise(session, changed);
    assert_true(count_ops(profile, "sqrt") > 0);
    GOOD(slmt_session_create(model, "segment", settings, 2, &other));
    label_noise(other, fresh);
    assert_memory_equal(changed, fresh, sizeof changed);
    assert_true(memcmp(first, changed, sizeof first) != 0);
    slmt_session_free(session);
    slmt_session_free(other);
    slmt_profile_free(profile);
    slmt_model_free(model);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_have_as_many_weights_as_their_papers),
        cmocka_unit_test(images_of_any_size_get_a_class_for_each_pixel),
        cmocka_unit_test(networks_of_a_single_class_give_a_logit_for_each_pixel),
        cmocka_unit_test(steps_learn_a_batch),
        cmocka_unit_test(an_image_too_small_for_the_network_is_refused),
        cmocka_unit_test(options_that_do_not_fit_are_refused),
        cmocka_unit_test(weights_and_labels_that_do_not_fit_are_refused),
        cmocka_unit_test(a_bilinear_start_enlarges),
        cmocka_unit_test(a_gate_weighs_by_numbers_from_0_to_1),
        cmocka_unit_test(norms_become_weights_once_and_anew_when_weights_change),
        cmocka_unit_test(a_dilated_convolution_has_zeros_between_its_taps),
        cmocka_unit_test(the_published_u_net_gives_fewer_pixels_than_it_takes),
        cmocka_unit_test(what_was_pooled_goes_back_to_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
