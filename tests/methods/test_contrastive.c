/* SPDX-License-Identifier: Apache-2.0 */
/* test_contrastive.c - contrastive pre-training: values of its losses that are known on paper, what they do
 * not depend on, gradients against finite differences; three stages that hand their weights on; what is
 * refused. test_contrastive_parity.c compares its numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "core/model.h"
#include "lib/random.h"
#include "methods/contrastive/contrastive.h"
#include "methods/contrastive/losses.h"
#include "tests/methods/small_graph.h"

#include "tests/api/api_fixture.h"

/* ---- the global loss in double ---- */

enum { BATCH = 12, PARTS = 4, WIDTH = 5, IMAGES = 4 * BATCH, TERMS = 16 * BATCH };

typedef struct global_case {
    global_terms terms;
    mem m;
    small_graph s;
    double z[IMAGES * WIDTH];
} global_case;

static value build_global(graph *g, const value *in, const void *rule, value *terms)
{
    *terms = global_loss(g, in[0], rule, 0.1);
    return op_mean_all(g, *terms);
}

/* Random embeddings. */
static void open_case(global_case *c, global_strategy strategy, int32_t slices)
{
    const global_batch b = {strategy, slices, PARTS};
    random_stream r = random_open(3, (uint64_t)strategy);
    memset(c, 0, sizeof *c);
    mem_init(&c->m, NULL, NULL, NULL, 0);
    assert_int_equal(global_terms_open(&c->terms, &c->m, &b), OK);
    for (int i = 0; i < IMAGES * WIDTH; i++)
        c->z[i] = random_normal(&r);
    c->s = (small_graph){.backend = bk_reference(),
                         .real = BK_F64,
                         .inputs = 1,
                         .build = build_global,
                         .rule = &c->terms,
                         .terms = (size_t)c->terms.count,
                         .x = {c->z},
                         .shape = {{c->terms.images, WIDTH}}};
}

static void run_case(global_case *c)
{
    small_graph_free(&c->s);
    assert_int_equal(small_graph_run(&c->s), OK);
}

static void close_case(global_case *c)
{
    small_graph_free(&c->s);
    global_terms_close(&c->terms);
}

static void set_all(global_case *c, const double vector[WIDTH])
{
    for (int i = 0; i < IMAGES; i++)
        memcpy(c->z + i * WIDTH, vector, WIDTH * sizeof(double));
}

/* Each embedding has a 1 at the number of its partition. */
static void set_partitions(global_case *c, int32_t group, int32_t views)
{
    memset(c->z, 0, sizeof c->z);
    for (int32_t i = 0; i < c->terms.images; i++) {
        int32_t slice = i / (group * views) * group + i % group;
        c->z[i * WIDTH + slice % PARTS] = 1;
    }
}

static void near_to(double is, double expected, double tolerance)
{
    if (!(fabs(is - expected) <= tolerance))
        fail_msg("%.12g, expected %.12g", is, expected);
}

static void equal_embeddings_cost_the_logarithm_of_what_is_compared(void **state)
{
    (void)state;
    static const double vector[WIDTH] = {0.3, -2, 0.1, 4, 1};
    static const struct {
        global_strategy strategy;
        double compared, scaled;
    } rows[] = {{GLOBAL_GR, 23, 3.1355}, {GLOBAL_GD_MINUS, 28, 6.6644}, {GLOBAL_GD, 37, 14.4437}};
    for (int i = 0; i < 3; i++) {
        global_case c;
        open_case(&c, rows[i].strategy, BATCH);
        set_all(&c, vector);
        run_case(&c);
        for (int32_t t = 0; t < c.terms.count; t++)
            near_to(c.s.term[t], log(rows[i].compared), 1e-12);
        near_to(c.terms.scale * c.s.loss, rows[i].scaled, 5e-5);
        close_case(&c);
    }
}

static void embeddings_that_name_the_partition_please_gd_and_not_gr(void **state)
{
    (void)state;
    global_case c;
    open_case(&c, GLOBAL_GD_MINUS, BATCH);
    set_partitions(&c, BATCH, 3);
    run_case(&c);
    for (int32_t t = 0; t < c.terms.count; t++)
        near_to(c.s.term[t], log(1 + 27 * exp(-10)), 1e-12);
    near_to(c.s.loss, 1.22505e-3, 5e-9);
    close_case(&c);
    open_case(&c, GLOBAL_GR, BATCH);
    set_partitions(&c, 1, 2);
    run_case(&c);
    near_to(c.s.loss, log(5 + 18 * exp(-10)), 1e-12);
    close_case(&c);
    open_case(&c, GLOBAL_GR, 2); /* z = e1, e1, e2, e2 */
    set_partitions(&c, 1, 2);
    run_case(&c);
    near_to(c.s.loss, log(1 + 2 * exp(-10)), 1e-12);
    near_to(c.s.loss, 9.0796e-5, 5e-10);
    close_case(&c);
}

/* ---- what the global loss does not depend on ---- */

/* A rotation of the plane of two numbers, and of the next two. */
static void rotate(double *v)
{
    for (int k = 0; k < 4; k += 2) {
        double a = v[k], b = v[k + 1], angle = 0.7 + k;
        v[k] = cos(angle) * a - sin(angle) * b;
        v[k + 1] = sin(angle) * a + cos(angle) * b;
    }
}

static void lengths_and_a_common_rotation_do_not_count(void **state)
{
    (void)state;
    for (int strategy = GLOBAL_GR; strategy <= GLOBAL_GD4; strategy++) {
        global_case c;
        open_case(&c, (global_strategy)strategy, BATCH);
        run_case(&c);
        double loss = c.s.loss;
        for (int i = 0; i < IMAGES * WIDTH; i++)
            c.z[i] *= 0.2 + i / WIDTH;
        run_case(&c);
        near_to(c.s.loss, loss, 1e-12);
        for (int i = 0; i < IMAGES; i++)
            rotate(c.z + i * WIDTH);
        run_case(&c);
        near_to(c.s.loss, loss, 1e-12);
        c.z[7] += 1;
        run_case(&c);
        assert_true(fabs(c.s.loss - loss) > 1e-6);
        close_case(&c);
    }
}

/* Moves the images of group k to group k + 1. */
static void shift(double *z, size_t images, size_t group)
{
    double moved[IMAGES * WIDTH];
    for (size_t i = 0; i < images; i++)
        memcpy(moved + (i + group) % images * WIDTH, z + i * WIDTH, WIDTH * sizeof(double));
    memcpy(z, moved, images * WIDTH * sizeof(double));
}

static void the_order_of_volumes_does_not_count(void **state)
{
    (void)state;
    global_case c;
    open_case(&c, GLOBAL_GD, BATCH); /* a ring: whole groups of two volumes go round */
    run_case(&c);
    double loss = c.s.loss;
    shift(c.z, IMAGES, 4 * PARTS);
    run_case(&c);
    near_to(c.s.loss, loss, 1e-12);
    close_case(&c);
    open_case(&c, GLOBAL_GD_MINUS, BATCH); /* volumes of originals, of first and of second views */
    run_case(&c);
    loss = c.s.loss;
    for (size_t views = 0; views < 3; views++)
        shift(c.z + views * BATCH * WIDTH, BATCH, PARTS);
    run_case(&c);
    near_to(c.s.loss, loss, 1e-12);
    close_case(&c);
}

static void slices_of_the_same_partition_are_neither_near_nor_far(void **state)
{
    (void)state;
    enum { MOVED = PARTS }; /* an original of partition 0, of the second volume */
    global_case c;
    double before[TERMS];
    int changed = 0;
    open_case(&c, GLOBAL_GD_MINUS, BATCH);
    run_case(&c);
    memcpy(before, c.s.term, (size_t)c.terms.count * sizeof(double));
    c.z[MOVED * WIDTH + 1] += 3;
    run_case(&c);
    for (int32_t t = 0; t < c.terms.count; t++) {
        int32_t anchor = (int32_t)c.terms.anchor[t] % BATCH;
        changed += c.s.term[t] != before[t];
        if (anchor % PARTS == 0 && anchor != MOVED)
            assert_true(c.s.term[t] == before[t]);
        if (anchor % PARTS != 0)
            assert_true(c.s.term[t] != before[t]);
    }
    assert_true(changed > 0);
    close_case(&c);
}

/* ---- gradients ---- */

static void gradients_agree(small_graph *s, double *x, size_t n, int32_t input)
{
    const double h = 1e-6;
    small_graph more = *s;
    assert_int_equal(small_graph_run(s), OK);
    for (size_t i = 0; i < n; i += 7) {
        double was = x[i], loss[2];
        for (int way = 0; way < 2; way++) {
            x[i] = was + (way ? h : -h);
            assert_int_equal(small_graph_run(&more), OK);
            loss[way] = more.loss;
            small_graph_free(&more);
        }
        x[i] = was;
        near_to(s->gradient[input][i], (loss[1] - loss[0]) / (2 * h), 1e-7);
    }
    small_graph_free(s);
}

static void finite_differences_agree_with_the_global_gradient(void **state)
{
    (void)state;
    for (int strategy = GLOBAL_GR; strategy <= GLOBAL_GD4; strategy++) {
        global_case c;
        open_case(&c, (global_strategy)strategy, 2 * PARTS);
        gradients_agree(&c.s, c.z, (size_t)c.terms.images * WIDTH, 0);
        global_terms_close(&c.terms);
    }
}

/* ---- the local loss ---- */

enum { ROWS = 10, COLUMNS = 12, CHANNELS = 2, MAP = ROWS * COLUMNS * CHANNELS };

static value build_local(graph *g, const value *in, const void *rule, value *terms)
{
    const local_batch *b = rule;
    *terms = local_loss(g, in[0], b->region == 3 ? in[1] : NONE, b, 0.1);
    return op_mean_all(g, *terms);
}

static small_graph local_case(const local_batch *b, const double *maps, const double *matrix)
{
    return (small_graph){.backend = bk_reference(),
                         .real = BK_F64,
                         .inputs = b->region == 3 ? 2 : 1,
                         .build = build_local,
                         .rule = b,
                         .terms = (size_t)local_pairs(b) * LOCAL_REGIONS,
                         .x = {maps, matrix},
                         .shape = {{b->images, ROWS, COLUMNS, CHANNELS}, {3, 9 * CHANNELS}}};
}

static void equal_maps_cost_the_logarithm_of_what_is_compared(void **state)
{
    (void)state;
    static double maps[24 * MAP], matrix[3 * 9 * CHANNELS];
    static const struct {
        local_batch b;
        double compared, scaled;
    } rows[] = {{{LOCAL_LR, 4, PARTS, 3, 5}, 11, 2.3979},
                {{LOCAL_LR, 4, PARTS, 1, LOCAL_ALL}, 25, 3.2189},
                {{LOCAL_LD, 24, PARTS, 3, 4}, 9, 3.2958}};
    for (int i = 0; i < 24 * MAP; i++)
        maps[i] = 1 + i % CHANNELS;
    for (int i = 0; i < 3 * 9 * CHANNELS; i++)
        matrix[i] = 1 + i % 5;
    for (int i = 0; i < 3; i++) {
        small_graph s = local_case(&rows[i].b, maps, matrix);
        assert_int_equal(small_graph_run(&s), OK);
        for (size_t t = 0; t < s.terms; t++)
            near_to(s.term[t], log(rows[i].compared), 1e-12);
        near_to(local_scale(&rows[i].b) * s.loss, rows[i].scaled, 5e-5);
        small_graph_free(&s);
    }
}

static void finite_differences_agree_with_the_local_gradient(void **state)
{
    (void)state;
    static double maps[8 * MAP], matrix[3 * 9 * CHANNELS];
    static const local_batch batches[] = {
        {LOCAL_LR, 2, PARTS, 3, 5}, {LOCAL_LD, 8, 2, 1, 4}, {LOCAL_LR, 2, PARTS, 3, LOCAL_ALL}};
    random_stream r = random_open(5, 0);
    for (int i = 0; i < 8 * MAP; i++)
        maps[i] = random_normal(&r);
    for (int i = 0; i < 3 * 9 * CHANNELS; i++)
        matrix[i] = random_normal(&r);
    for (int i = 0; i < 3; i++) {
        small_graph s = local_case(&batches[i], maps, matrix);
        gradients_agree(&s, maps, 2 * MAP, 0);
        if (batches[i].region == 3) {
            s = local_case(&batches[i], maps, matrix);
            gradients_agree(&s, matrix, sizeof matrix / sizeof *matrix, 1);
        }
    }
}

/* The regions themselves never lie in the last row and column of a map if they are 3x3. */
static void regions_lie_in_the_map(void **state)
{
    (void)state;
    for (int32_t region = 1; region <= 3; region += 2)
        for (int64_t size = 8; size < 60; size++)
            for (int32_t k = 0; k < LOCAL_PLACES; k++) {
                int64_t corner[2];
                local_corner(k, region, size, size + 3, corner);
                assert_in_range(corner[0], 0, size - (region == 3 ? 4 : 1));
                assert_in_range(corner[1], 0, size + 3 - (region == 3 ? 4 : 1));
            }
}

/* ---- parts of the network ---- */

static value build_same(graph *g, const value *in, const void *rule, value *terms)
{
    nn_listing l;
    params p;
    nn n;
    (void)rule;
    params_init(&p, g->mem, g->real, g->real);
    nn lister = nn_list(&l, &p, INIT_ONE);
    const conv_shape c = {.in = 1, .out = 1, .kernel = 2, .pad = SAME_PADDING};
    nn_convolution(&lister, at("conv"), NONE, c);
    assert_int_equal(nn_open(&n, g, &p, "", 1), OK); /* its weight is input 1 */
    *terms = nn_convolution(&n, at("conv"), in[0], c);
    nn_close(&n);
    params_clear(&p);
    return op_sum_all(g, *terms);
}

static void an_even_kernel_reads_the_next_row_and_column(void **state)
{
    (void)state;
    double image[16] = {0}, ones[4] = {1, 1, 1, 1};
    small_graph s = {.backend = bk_reference(),
                     .real = BK_F64,
                     .inputs = 2,
                     .build = build_same,
                     .terms = 16,
                     .x = {image, ones},
                     .shape = {{1, 4, 4, 1}, {1, 1, 2, 2}}};
    image[5] = 1; /* at (1, 1) */
    assert_int_equal(small_graph_run(&s), OK);
    for (int i = 0; i < 16; i++)
        assert_true(s.term[i] == (i / 4 < 2 && i % 4 < 2));
    small_graph_free(&s);
}

/* As overlap_loss() of a prediction that is right, of which `present` of four classes occur. */
static value build_overlap(graph *g, const value *in, const void *rule, value *terms)
{
    (void)rule, (void)terms;
    return overlap_loss(g, in[0], in[1], 0);
}

static void a_perfect_prediction_costs_the_share_of_absent_classes(void **state)
{
    (void)state;
    enum { PIXELS = 12, CLASSES = 4 };
    for (int present = 1; present <= CLASSES; present++) {
        double p[PIXELS * CLASSES] = {0};
        for (int i = 0; i < PIXELS; i++)
            p[i * CLASSES + i % present] = 1;
        small_graph s = {.backend = bk_reference(),
                         .real = BK_F64,
                         .inputs = 2,
                         .build = build_overlap,
                         .x = {p, p},
                         .shape = {{1, 3, 4, CLASSES}, {1, 3, 4, CLASSES}}};
        assert_int_equal(small_graph_run(&s), OK);
        near_to(s.loss, 1 - (double)present / CLASSES, 1e-10);
        small_graph_free(&s);
    }
}

static int64_t trained_of(const slmt_model *model, const char *beginnings)
{
    int64_t count = 0;
    for (int32_t k = 0; k < model->params.n; k++) {
        const param *p = &model->params.list[k];
        count += param_trained(p) && pattern_holds(beginnings, p->name) ? (int64_t)p->count : 0;
    }
    return count;
}

static void the_network_has_as_many_weights_as_the_authors_code(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = NULL;
    const slmt_number four[] = {{"classes=0,1,2,3", 0}};
    GOOD(slmt_model_create(context, "contrastive", four, 1, 0, &model));
    assert_int_equal(trained_of(model, "enc_|dec_|seg_"), 2095760);
    assert_int_equal(trained_of(model, "enc_"), 885552);
    assert_int_equal(trained_of(model, "reg_"), 6 * 6 * 128 * 1024 + 1024 * 128);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- three stages ---- */

enum { SIDE_OF = 32, SMALL_BATCH = 8, CLASSES = 3, SLICE = SIDE_OF * SIDE_OF };

static const slmt_number stage_options[] = {{"classes=0,1,2", 0}, {"widths_0", 4},         {"widths_1", 4},
                                            {"widths_2", 4},      {"widths_3", 4},         {"widths_4", 4},
                                            {"widths_5", 8},      {"image_size", SIDE_OF}, {"blocks", 4},
                                            {"hidden", 16},       {"embedding", 8},        {"dense", 6}};
enum { STAGE_OPTIONS = sizeof stage_options / sizeof *stage_options };

static slmt_model *staged_model(slmt_context *context)
{
    slmt_model *model = NULL;
    GOOD(slmt_model_create(context, "contrastive", stage_options, STAGE_OPTIONS, 7, &model));
    return model;
}

static float image_scale = 1;

/* Trains a task for some steps on one batch of random images; returns the first and the last loss. */
typedef struct stage_run {
    const char *task;
    slmt_number settings[4];
    size_t n;
    int32_t views;
} stage_run;
static void train(slmt_model *model, const stage_run *run, int steps, double loss[2])
{
    static float images[SMALL_BATCH * 4 * SLICE], target[SMALL_BATCH * CLASSES * SLICE];
    slmt_trainer *trainer = NULL;
    random_stream r = random_open(11, 0);
    const int64_t views[] = {SMALL_BATCH, run->views, 1, SIDE_OF, SIDE_OF},
                  flat[] = {SMALL_BATCH, 1, SIDE_OF, SIDE_OF},
                  classes[] = {SMALL_BATCH, CLASSES, SIDE_OF, SIDE_OF};
    const slmt_tensor in[] = {{run->views ? "images" : "image", images, run->views ? views : flat, NULL,
                               run->views ? 5 : 4, SLMT_TENSOR_FLOAT32},
                              {"target", target, classes, NULL, 4, SLMT_TENSOR_FLOAT32}};
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        images[i] = image_scale * (float)random_uniform(&r);
    for (size_t i = 0; i < SMALL_BATCH * SLICE; i++)
        for (size_t k = 0; k < CLASSES; k++)
            target[(i / SLICE * CLASSES + k) * SLICE + i % SLICE] = (images[i] < 0.3F   ? 0
                                                                     : images[i] < 0.6F ? 1
                                                                                        : 2) == k;
    GOOD(slmt_trainer_create(model, run->task, run->settings, run->n, 1, &trainer));
    for (int step = 0; step < steps; step++) {
        GOOD(slmt_trainer_step(trainer, in, run->views ? 1 : 2, 3e-3));
        GOOD(slmt_trainer_value(trainer, "loss", &loss[step > 0]));
    }
    slmt_trainer_free(trainer);
}

static const stage_run global_run = {
    "global", {{"batch", SMALL_BATCH}, {"crop", 20}, {"crop_first", 1}, {"crop_last", 10}}, 4, 4};
static const stage_run local_run = {"local", {{"batch", SMALL_BATCH}, {"strategy", LOCAL_LD}}, 2, 2};
static const stage_run finetune_run = {"finetune", {{"batch", SMALL_BATCH}}, 1, 0};

static void every_stage_learns_a_batch(void **state)
{
    (void)state;
    static const stage_run runs[] = {
        {"global",
         {{"batch", SMALL_BATCH}, {"strategy", GLOBAL_GR}, {"crop_first", 0}, {"crop_last", 9}},
         4,
         2},
        {"global",
         {{"batch", SMALL_BATCH}, {"strategy", GLOBAL_GD_MINUS}, {"crop_first", 0}, {"crop_last", 9}},
         4,
         3},
        {"global",
         {{"batch", SMALL_BATCH}, {"strategy", GLOBAL_GD}, {"crop_first", 0}, {"crop_last", 9}},
         4,
         4},
        {"global",
         {{"batch", SMALL_BATCH}, {"strategy", GLOBAL_GD4}, {"crop_first", 0}, {"crop_last", 9}},
         4,
         3},
        {"local", {{"batch", SMALL_BATCH}, {"strategy", LOCAL_LR}}, 2, 2},
        {"local", {{"batch", SMALL_BATCH}, {"strategy", LOCAL_LD}, {"region", 1}}, 3, 2},
        {"finetune", {{"batch", SMALL_BATCH}, {"loss", 0}}, 2, 0},
        {"finetune", {{"batch", SMALL_BATCH}, {"loss", 1}}, 2, 0},
        {"finetune", {{"batch", SMALL_BATCH}, {"loss", 2}}, 2, 0},
    };
    slmt_context *context = open_context(1, NULL);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        double loss[2];
        slmt_model *model = staged_model(context);
        train(model, &runs[i], 15, loss);
        print_message("  %s %zu: %.3f to %.3f\n", runs[i].task, i, loss[0], loss[1]);
        assert_true(loss[1] < 0.97 * loss[0]);
        slmt_model_free(model);
    }
    slmt_context_free(context);
}

/* The authors' code reports a multiple of the mean. */
static void the_reference_scale_multiplies_the_loss(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    double plain[2], scaled[2];
    stage_run run = {"global", {{"batch", SMALL_BATCH}, {"crop_last", 9}, {"crop_first", 0}}, 3, 4};
    slmt_model *model = staged_model(context), *other = staged_model(context);
    train(model, &run, 1, plain);
    run.settings[run.n++] = (slmt_number){"reference_scale", 1};
    train(other, &run, 1, scaled);
    near_to(scaled[0], 4 * plain[0], 1e-5 * scaled[0]);
    slmt_model_free(model);
    slmt_model_free(other);
    slmt_context_free(context);
}

/* All trained tensors whose names begin so, one behind the other. */
static float *copy_of(const slmt_model *model, const char *beginnings, size_t *n)
{
    float *copy = malloc((size_t)trained_of(model, beginnings) * sizeof *copy);
    *n = 0;
    for (int32_t k = 0; k < model->params.n; k++) {
        const param *p = &model->params.list[k];
        if (!param_trained(p) || !pattern_holds(beginnings, p->name))
            continue;
        GOOD(slmt_model_get_tensor(model, p->name, copy + *n, p->count));
        *n += p->count;
    }
    return copy;
}

/* 1: no number differs. */
static int is_unchanged(const slmt_model *model, const char *beginnings, const float *before)
{
    size_t n;
    float *now = copy_of(model, beginnings, &n);
    int same = n > 0 && memcmp(now, before, n * sizeof *now) == 0;
    free(now);
    return same;
}

/* Four blocks are trained, those called 5 to 2; the fifth and the head are fresh when fine-tuning begins. */
#define TRAINED_BLOCKS "dec_dc6|dec_c5|dec_dc5|dec_c4|dec_dc4|dec_c3|dec_dc3|dec_c2"
#define FRESH          "dec_dc2|dec_c1|seg_"

static void stages_change_what_they_train_and_nothing_else(void **state)
{
    (void)state;
    size_t n;
    double loss[2];
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = staged_model(context);
    float *encoder = copy_of(model, "enc_", &n), *decoder = copy_of(model, TRAINED_BLOCKS, &n),
          *fresh = copy_of(model, FRESH, &n), *g1;
    train(model, &global_run, 3, loss);
    assert_false(is_unchanged(model, "enc_c1_a", encoder));
    assert_true(is_unchanged(model, TRAINED_BLOCKS, decoder));
    free(encoder);
    encoder = copy_of(model, "enc_", &n);
    g1 = copy_of(model, "reg_", &n);
    train(model, &local_run, 3, loss);
    assert_true(is_unchanged(model, "enc_", encoder));
    assert_true(is_unchanged(model, "reg_", g1));
    assert_true(is_unchanged(model, FRESH, fresh));
    assert_false(is_unchanged(model, TRAINED_BLOCKS, decoder));
    train(model, &finetune_run, 3, loss);
    assert_false(is_unchanged(model, "enc_", encoder));
    assert_false(is_unchanged(model, FRESH, fresh));
    assert_true(is_unchanged(model, "reg_", g1));
    free(encoder), free(decoder), free(fresh), free(g1);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* A stage starts from the file of the one before, with the weights of that one, bit for bit. */
static void a_stage_starts_from_the_file_of_the_one_before(void **state)
{
    (void)state;
    char path[] = "/tmp/slmt-contrastive-XXXXXX";
    size_t n;
    double loss[2];
    slmt_trainer *trainer = NULL;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = staged_model(context), *again = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    train(model, &global_run, 2, loss);
    train(model, &local_run, 2, loss);
    GOOD(slmt_model_save(model, path));
    GOOD(slmt_model_load(context, path, &again));
    GOOD(slmt_trainer_create(again, "finetune", finetune_run.settings, finetune_run.n, 1, &trainer));
    float *before = copy_of(model, "enc_|" TRAINED_BLOCKS, &n);
    assert_true(is_unchanged(slmt_trainer_model(trainer), "enc_|" TRAINED_BLOCKS, before));
    free(before);
    slmt_trainer_free(trainer);
    slmt_model_free(again);
    slmt_model_free(model);
    slmt_context_free(context);
    remove(path);
}

enum { ESTIMATES = 4 };

/* The running mean of the first layer after a step from what it is, or from 0. Local steps leave the
 * encoder's weights, so that the batch's mean depends on the images alone. */
static void mean_after(slmt_model *model, int from_zero, double brightness, float mean[ESTIMATES])
{
    static const float zeros[ESTIMATES];
    double loss[2];
    const char *const name = "enc_c1_a.bn.running_mean";
    if (from_zero)
        GOOD(slmt_model_set_tensor(model, name, zeros, ESTIMATES));
    image_scale = (float)brightness;
    train(model, &local_run, 1, loss);
    image_scale = 1;
    GOOD(slmt_model_get_tensor(model, name, mean, ESTIMATES));
}

/* As in TensorFlow: after two steps from 0 it is 0.0099 m1 + 0.01 m2. */
static void running_estimates_keep_099_of_themselves(void **state)
{
    (void)state;
    float one[ESTIMATES], other[ESTIMATES], both[ESTIMATES];
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = staged_model(context);
    mean_after(model, 1, 0.5, other);
    mean_after(model, 1, 1, one);
    mean_after(model, 0, 0.5, both);
    for (int i = 0; i < ESTIMATES; i++) {
        double m1 = 100 * one[i], m2 = 100 * other[i];
        assert_true(fabs(m1 - m2) > 1e-3);
        near_to(both[i], 0.0099 * m1 + 0.01 * m2, 1e-6 * fabs(m1));
    }
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- labelling, and what is refused ---- */

static void labels_are_the_most_probable_classes(void **state)
{
    (void)state;
    static float image[SLICE], p[CLASSES * SLICE];
    static int32_t labels[SLICE];
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = staged_model(context);
    slmt_session *session = NULL;
    const int64_t in_shape[] = {1, 1, SIDE_OF, SIDE_OF}, p_shape[] = {1, CLASSES, SIDE_OF, SIDE_OF};
    const slmt_tensor in = {"image", image, in_shape, NULL, 4, SLMT_TENSOR_FLOAT32};
    const slmt_tensor out[] = {{"labels", labels, in_shape + 1, NULL, 3, SLMT_TENSOR_INT32},
                               {"probabilities", p, p_shape, NULL, 4, SLMT_TENSOR_FLOAT32}};
    for (int i = 0; i < SLICE; i++)
        image[i] = (float)(i % 37) / 37;
    GOOD(slmt_session_create(model, "segment", NULL, 0, &session));
    GOOD(slmt_session_run(session, &in, 1, out, 2));
    for (int i = 0; i < SLICE; i++) {
        near_to(p[i] + p[SLICE + i] + p[2 * SLICE + i], 1, 1e-5);
        for (int k = 0; k < CLASSES; k++)
            assert_true(p[labels[i] * SLICE + i] >= p[k * SLICE + i]);
    }
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* Features of an image do not depend on those beside it, and there are as many as the last level has. */
static void features_are_those_of_each_image(void **state)
{
    (void)state;
    enum { FEATURES = 8, MANY = 3 };
    static float image[MANY * SLICE], one[FEATURES], all[MANY * FEATURES];
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = staged_model(context);
    for (int i = 0; i < MANY * SLICE; i++)
        image[i] = (float)(i % 97) / 97;
    for (int batch = 1; batch <= MANY; batch += MANY - 1) {
        slmt_session *session = NULL;
        const slmt_number setting = {"batch", batch};
        const int64_t in_shape[] = {batch, 1, SIDE_OF, SIDE_OF}, out_shape[] = {batch, FEATURES};
        const slmt_tensor in = {"image", image, in_shape, NULL, 4, SLMT_TENSOR_FLOAT32};
        const slmt_tensor out = {"features", batch == 1 ? one : all, out_shape, NULL, 2, SLMT_TENSOR_FLOAT32};
        GOOD(slmt_session_create(model, "encode", &setting, 1, &session));
        GOOD(slmt_session_run(session, &in, 1, &out, 1));
        slmt_session_free(session);
    }
    for (int i = 0; i < FEATURES; i++)
        near_to(all[i], one[i], 1e-6);
    assert_true(memcmp(all, all + FEATURES, sizeof one) != 0);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void settings_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *task, *text;
        slmt_number given[2];
    } rows[] = {
        {"global", "multiple of the 4 partitions", {{"batch", 10}, {"crop_last", 10}}},
        {"global", "crop_last is 69", {{"batch", 12}, {"crop_first", 10}}},
        {"global", "crop_last is 5", {{"crop_first", 10}, {"crop_last", 5}}},
        {"local", "multiple of the 3 partitions", {{"strategy", LOCAL_LD}, {"partitions", 3}}},
    };
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = staged_model(context);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        slmt_trainer *trainer = NULL;
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, rows[i].text,
                    slmt_trainer_create(model, rows[i].task, rows[i].given, 2, 1, &trainer));
    }
    slmt_model_free(model);
    const slmt_number flat[] = {{"image_size", 32}, {"blocks", 1}};
    slmt_trainer *trainer = NULL;
    GOOD(slmt_model_create(context, "contrastive", flat, 2, 0, &model));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "has 2 rows", slmt_trainer_create(model, "local", NULL, 0, 1, &trainer));
    slmt_model_free(model);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_embeddings_cost_the_logarithm_of_what_is_compared),
        cmocka_unit_test(embeddings_that_name_the_partition_please_gd_and_not_gr),
        cmocka_unit_test(lengths_and_a_common_rotation_do_not_count),
        cmocka_unit_test(the_order_of_volumes_does_not_count),
        cmocka_unit_test(slices_of_the_same_partition_are_neither_near_nor_far),
        cmocka_unit_test(finite_differences_agree_with_the_global_gradient),
        cmocka_unit_test(equal_maps_cost_the_logarithm_of_what_is_compared),
        cmocka_unit_test(finite_differences_agree_with_the_local_gradient),
        cmocka_unit_test(regions_lie_in_the_map),
        cmocka_unit_test(an_even_kernel_reads_the_next_row_and_column),
        cmocka_unit_test(a_perfect_prediction_costs_the_share_of_absent_classes),
        cmocka_unit_test(the_network_has_as_many_weights_as_the_authors_code),
        cmocka_unit_test(every_stage_learns_a_batch),
        cmocka_unit_test(the_reference_scale_multiplies_the_loss),
        cmocka_unit_test(stages_change_what_they_train_and_nothing_else),
        cmocka_unit_test(a_stage_starts_from_the_file_of_the_one_before),
        cmocka_unit_test(running_estimates_keep_099_of_themselves),
        cmocka_unit_test(labels_are_the_most_probable_classes),
        cmocka_unit_test(features_are_those_of_each_image),
        cmocka_unit_test(settings_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
