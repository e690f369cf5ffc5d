/* SPDX-License-Identifier: Apache-2.0 */
/* test_paced.c - paced-curriculum distillation: the values that its paper's formulas give by hand, what
 * equals what, and the task "distill" over a set: what it finds before the first step, how the threshold
 * falls, how a run goes on with its teacher, and what is refused. test_pcd_parity.c compares the numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "data/boundary.h"
#include "data/calibration.h"
#include "data/pacing.h"
#include "lib/plan.h"
#include "lib/random.h"
#include "nn/distillation.h"
#include "tests/engine/engine_host.h"

#include "tests/api/api_fixture.h"

/* ---- boundaries ---- */

enum { H = 12, W = 16 };

static double score_in(int32_t map[H][W], int row, int column)
{
    static const int64_t size[3] = {1, H, W};
    boundary_kernel k;
    boundary_kernel_of(&k, 2, 3, 1);
    return boundary_score(&k, map[0], size, (size_t)(row * W + column));
}

static void the_kernel_of_boundaries_is_the_published_one(void **state)
{
    (void)state;
    boundary_kernel k;
    double sum = 0;
    boundary_kernel_of(&k, 2, 3, 1);
    assert_true(fabs(k.weight[4] - 0.5) < 1e-12);
    assert_true(fabs(k.weight[1] - 0.0778074) < 1e-6);
    assert_true(fabs(k.weight[0] - 0.0471926) < 1e-6);
    for (int i = 0; i < 9; i++)
        sum += k.weight[i];
    assert_true(fabs(sum - 1) < 1e-12);
    boundary_kernel_of(&k, 3, 3, 1);
    sum = 0;
    for (int i = 0; i < 27; i++)
        sum += k.weight[i];
    assert_true(fabs(k.weight[13] - 0.5) < 1e-12 && fabs(sum - 1) < 1e-12);
}

static void boundary_scores_are_those_of_the_shapes(void **state)
{
    (void)state;
    int32_t map[H][W] = {{0}};
    for (int y = 2; y < 7; y++)
        for (int x = 2; x < 8; x++)
            map[y][x] = 1; /* a rectangle */
    for (int x = 2; x < 14; x++)
        map[10][x] = 1;                                        /* a line */
    map[4][12] = 1;                                            /* a pixel */
    assert_true(fabs(score_in(map, 4, 5) - 1) < 1e-12);        /* inside */
    assert_true(fabs(score_in(map, 4, 2) - 0.8278074) < 1e-6); /* both sides of an edge */
    assert_true(fabs(score_in(map, 4, 1) - 0.8278074) < 1e-6);
    assert_true(fabs(score_in(map, 2, 2) - 0.7028074) < 1e-6); /* a corner, and the pixel outside it */
    assert_true(fabs(score_in(map, 1, 1) - 0.9528074) < 1e-6);
    assert_true(fabs(score_in(map, 10, 8) - 0.6556148) < 1e-6);
    assert_true(fabs(score_in(map, 4, 12) - 0.5) < 1e-6);
}

static void a_constant_map_has_no_boundary_at_the_border_of_the_image_either(void **state)
{
    (void)state;
    int32_t map[H][W];
    for (int i = 0; i < H * W; i++)
        map[i / W][i % W] = 3;
    for (int i = 0; i < H * W; i++)
        assert_true(fabs(score_in(map, i / W, i % W) - 1) < 1e-12);
}

static void the_shares_of_all_classes_are_1_together(void **state)
{
    (void)state;
    static const int64_t size[3] = {1, H, W};
    int32_t map[H][W];
    boundary_kernel k;
    random_stream r = random_open(2, 0);
    boundary_kernel_of(&k, 2, 3, 1);
    for (int i = 0; i < H * W; i++)
        map[i / W][i % W] = (int32_t)(random_uniform(&r) * 4);
    for (size_t i = 0; i < H * W; i++) {
        double sum = 0;
        for (int c = 0; c < 4; c++)
            sum += boundary_share(&k, map[0], size, i, c);
        assert_true(fabs(sum - 1) < 1e-12);
        assert_true(boundary_score(&k, map[0], size, i) ==
                    boundary_share(&k, map[0], size, i, map[i / W][i % W]));
    }
}

/* The same map in every slice: a kernel of volumes gives what one of slices gives only inside of regions. */
static void a_volume_has_boundaries_between_slices(void **state)
{
    (void)state;
    int32_t map[3][H][W] = {{{0}}};
    static const int64_t size[3] = {3, H, W};
    boundary_kernel flat, deep;
    boundary_kernel_of(&flat, 2, 3, 1);
    boundary_kernel_of(&deep, 3, 3, 1);
    memset(map[2], 1, sizeof map[2]);
    size_t at = (size_t)((1 * H + 5) * W + 5);
    assert_true(fabs(boundary_score(&flat, map[0][0], size, at) - 1) < 1e-12);
    assert_true(boundary_score(&deep, map[0][0], size, at) < 0.95);
}

/* ---- thresholds ---- */

static void the_start_threshold_admits_a_little_more_than_beta(void **state)
{
    (void)state;
    pacing_scores s = {.total = 0};
    for (int i = 0; i < 1000; i++)
        pacing_add(&s, (i + 0.5) / 1000);
    assert_true(fabs(pacing_start(&s, 0.7) - 0.299) < 1e-12);
    assert_int_equal(lround(1000 * pacing_admitted(&s, 0.299)), 701);
    assert_true(fabs(pacing_start(&s, 0.5) - 0.499) < 1e-12);
    assert_true(pacing_start(&s, 1) == 0);
}

static void a_confident_teacher_admits_more_than_it_has_to(void **state)
{
    (void)state;
    pacing_scores s = {.total = 0};
    for (int i = 0; i < 1000; i++)
        pacing_add(&s, i < 950 ? 0.9999 : 0.2);
    assert_true(fabs(pacing_start(&s, 0.7) - 0.999) < 1e-12);
    assert_true(fabs(pacing_admitted(&s, 0.999) - 0.95) < 1e-12);
    assert_true(pacing_start(&(pacing_scores){.total = 0}, 0.5) == 0);
}

static void the_threshold_falls_to_0_in_the_published_steps(void **state)
{
    (void)state;
    const pacing p = {0.9, pacing_fall(0.9, 0.8, 150, 5), 5};
    assert_true(fabs(p.fall - 0.0375) < 1e-15);
    for (int e = 0; e <= 5; e++)
        assert_true(fabs(pacing_threshold(&p, e) - 0.9) < 1e-12);
    for (int e = 6; e <= 10; e++)
        assert_true(fabs(pacing_threshold(&p, e) - 0.8625) < 1e-12);
    assert_true(pacing_threshold(&p, 120) > 0);
    assert_true(pacing_threshold(&p, 121) == 0);
    assert_true(pacing_threshold(&p, 149) == 0);
}

/* Answers that are right with the probability that the softmax gives are calibrated at the temperature that
 * made them: of logits that are 2.4 times too large the search finds 2.4. */
static void the_search_finds_the_temperature_of_logits_that_are_too_large(void **state)
{
    (void)state;
    temperature_search s;
    for (int way = 0; way < 2; way++) {
        random_stream r = random_open(11, 0);
        if (way == 0)
            temperature_search_first(&s);
        else
            temperature_search_near(&s, s.temperature[temperature_search_best(&s)]);
        for (int i = 0; i < 100000; i++) {
            double x = 3 * random_uniform(&r), p = 1 / (1 + exp(-x));
            const double logits[2] = {2.4 * x, 0};
            temperature_search_add(&s, logits, 2, random_uniform(&r) < p ? 0 : 1);
        }
    }
    double found = s.temperature[temperature_search_best(&s)];
    assert_true(fabs(found - 2.4) < 0.15); /* each bin has about 1e4 answers: an error of 0.005 */
    temperature_search_first(&s);
    assert_int_equal(s.n, 41);
    temperature_search_near(&s, 1);
    assert_int_equal(s.n, 11);
    assert_true(s.temperature[0] == 1);
}

/* ---- losses ---- */

enum {
    B = 2,
    C = 3,
    P = 12,
    STUDENT = 0,
    TEACHER,
    LABELS,
    EDGES,
    LIMIT,
    SOFT_LIMIT,
    SCALE,
    VALUE,
    GRADIENT,
    SLOTS
};

typedef struct sheet {
    int64_t batch, pixels, classes;
    double student[B * P * C], teacher[B * P * C], edges[B * P], limit, soft_limit, scale, value;
    double gradient[B * P * C];
    int32_t labels[B * P];
} sheet;

static void run_sheet(sheet *s, const paced_options *o)
{
    engine e;
    graph *g;
    plan *p;
    value gradient;
    const int64_t shape[] = {s->batch, s->pixels, 1, s->classes}, one = 1;
    void *bound[SLOTS] = {s->student,     s->teacher, s->labels, s->edges,   &s->limit,
                          &s->soft_limit, &s->scale,  &s->value, s->gradient};
    assert_int_equal(engine_open(&e, bk_reference()), BK_OK);
    assert_int_equal(graph_create(&e.m, BK_F64, &g), OK);
    paced_values v = {.student = graph_bound(g, STUDENT, shape_of(BK_F64, 4, shape)),
                      .teacher = graph_bound(g, TEACHER, shape_of(BK_F64, 4, shape)),
                      .label = graph_bound(g, LABELS, shape_of(BK_I32, 3, shape)),
                      .boundary = graph_bound(g, EDGES, shape_of(BK_F64, 3, shape)),
                      .limit = graph_bound(g, LIMIT, shape_of(BK_F64, 1, &one)),
                      .soft_limit = graph_bound(g, SOFT_LIMIT, shape_of(BK_F64, 1, &one))};
    v.score = class_probability(g, v.teacher, v.label, -1, graph_bound(g, SCALE, shape_of(BK_F64, 1, &one)));
    paced_loss made = loss_paced(g, &v, o);
    assert_int_equal(graph_gradients(g, made.loss, &v.student, 1, &gradient), OK);
    graph_output(g, made.loss, VALUE);
    graph_output(g, gradient, GRADIENT);
    assert_int_equal(graph_status(g), OK);
    assert_int_equal(plan_create(g, e.dev, PLAN_ARENA, &p), OK);
    assert_int_equal(plan_run(p, bound, SLOTS, NULL), OK);
    plan_free(p);
    graph_free(g);
    assert_true(engine_close(&e));
}

static sheet random_sheet(int64_t batch)
{
    sheet s = {.batch = batch, .pixels = P, .classes = C, .limit = 0.3, .soft_limit = 0.6, .scale = 0.4};
    random_stream r = random_open(4, 0);
    for (int i = 0; i < B * P * C; i++) {
        s.student[i] = 4 * random_uniform(&r) - 2;
        s.teacher[i] = 6 * random_uniform(&r) - 3;
    }
    for (int i = 0; i < B * P; i++) {
        s.edges[i] = 0.5 + 0.5 * random_uniform(&r);
        s.labels[i] = (int32_t)(random_uniform(&r) * C);
    }
    return s;
}

static const paced_options plain = {.mode = PACE_ALL, .temperature = 4.5, .ignored = -1};

static void expect_equal(const sheet *a, const sheet *b)
{
    assert_true(fabs(a->value - b->value) <= 1e-6 * fabs(a->value));
    for (int64_t i = 0; i < a->batch * a->pixels * a->classes; i++)
        assert_true(fabs(a->gradient[i] - b->gradient[i]) <= 1e-9);
}

/* One pixel, t = (2, 0), s = (0, 0). */
static void the_terms_of_one_pixel_are_those_by_hand(void **state)
{
    (void)state;
    static const double expected[2] = {0.1639067, 0.2439599};
    for (int i = 0; i < 2; i++) {
        sheet s = {.batch = 1, .pixels = 1, .classes = 2, .teacher = {2, 0}, .scale = 1};
        paced_options o = plain;
        o.temperature = i ? 4.5 : 1;
        run_sheet(&s, &o);
        assert_true(fabs(s.value - log(2) - expected[i]) < 1e-6);
    }
    for (int label = 0; label < 2; label++) { /* c is just above and just below the threshold */
        double c = label ? 0.3107077 : 0.6892923;
        sheet s = {
            .batch = 1, .pixels = 1, .classes = 2, .teacher = {2, 0}, .labels = {label}, .scale = 1 / 2.51};
        paced_options o = plain;
        o.mode = PACE_SCORE;
        s.limit = c - 1e-6;
        run_sheet(&s, &o);
        assert_true(s.value > 0.5);
        s.limit = c + 1e-6;
        run_sheet(&s, &o);
        assert_true(s.value == 0);
    }
}

static void a_threshold_of_0_is_plain_distillation(void **state)
{
    (void)state;
    sheet all = random_sheet(B);
    run_sheet(&all, &plain);
    for (int mode = PACE_SCORE; mode <= PACE_SCORE_BOUNDARY; mode++)
        for (int mean = 0; mean < 2; mean++) {
            sheet s = random_sheet(B);
            paced_options o = plain;
            o.mode = (pace_mode)mode;
            o.batch_mean = mean;
            s.limit = 0;
            run_sheet(&s, &o);
            expect_equal(&all, &s);
        }
}

static void both_weightings_of_a_batch_of_one_are_equal(void **state)
{
    (void)state;
    for (int mode = PACE_SCORE; mode <= PACE_SOFT_SCORE; mode++) {
        sheet own = random_sheet(1), mean = random_sheet(1);
        paced_options o = plain;
        o.mode = (pace_mode)mode;
        o.soft = SOFT_BOTH;
        run_sheet(&own, &o);
        o.batch_mean = 1;
        run_sheet(&mean, &o);
        assert_true(own.value > 0);
        expect_equal(&own, &mean);
    }
}

/* L = (2, 4) as cross-entropies, w = (1, 0). */
static void the_published_slip_averages_weights_over_the_batch(void **state)
{
    (void)state;
    for (int mean = 0; mean < 2; mean++) {
        sheet s = {.batch = 2, .pixels = 1, .classes = 2, .labels = {1, 1}, .limit = 0.1, .scale = 1};
        paced_options o = plain;
        o.mode = PACE_SCORE;
        o.batch_mean = mean;
        s.student[0] = s.teacher[0] = log(exp(2) - 1);
        s.student[2] = s.teacher[2] = log(exp(4) - 1);
        run_sheet(&s, &o);
        assert_true(fabs(s.value - (mean ? 1.5 : 1)) < 1e-9);
    }
}

static void pixels_without_a_label_do_not_count(void **state)
{
    (void)state;
    for (int mode = PACE_ALL; mode <= PACE_SOFT_SCORE; mode++) {
        sheet whole = random_sheet(1), more = random_sheet(1);
        paced_options o = plain;
        o.mode = (pace_mode)mode;
        whole.pixels = P / 2;
        run_sheet(&whole, &o);
        for (int i = P / 2; i < P; i++)
            more.labels[i] = -1;
        run_sheet(&more, &o);
        assert_true(fabs(whole.value - more.value) < 1e-12);
        for (int i = P / 2 * C; i < P * C; i++)
            assert_true(more.gradient[i] == 0);
    }
}

/* ---- the task ---- */

enum { EDGE = 32, RECORDS = 12, TRAINING = 9, AREA = EDGE * EDGE, BATCH = 3 };

static slmt_context *context;
static slmt_dataset *set;
static char set_path[512], checkpoint_path[512];

/* An ellipse with noise; every third label map has a wrong square. */
static void draw_record(int32_t record, float image[AREA], int32_t labels[AREA])
{
    random_stream r = random_open(9, (uint64_t)record);
    double a = 6 + 5 * random_uniform(&r), b = 6 + 5 * random_uniform(&r);
    for (int i = 0; i < AREA; i++) {
        double y = (i / EDGE - 15.5) / a, x = (i % EDGE - 15.5) / b;
        labels[i] = y * y + x * x < 1;
        image[i] = (float)(0.3 + 0.3 * labels[i] + 0.4 * random_uniform(&r));
    }
    for (int i = 0; record % 3 == 0 && i < 64; i++)
        labels[(4 + i / 8) * EDGE + 4 + i % 8] ^= 1;
}

static void append(slmt_dataset_writer *w, size_t field, const void *data, int32_t type)
{
    GOOD(slmt_dataset_writer_append(
        w, field,
        &(slmt_tensor){
            .data = (void *)data, .shape = (const int64_t[]){EDGE, EDGE}, .rank = 2, .type = type}));
}

static void write_set(void)
{
    static float image[AREA];
    static int32_t labels[AREA];
    slmt_dataset_writer *w;
    GOOD(slmt_dataset_writer_create(context, set_path, &w));
    for (int i = 0; i < 2; i++) {
        slmt_field field = {.struct_size = sizeof field,
                            .kind = i ? SLMT_FIELD_LABELS : SLMT_FIELD_IMAGE,
                            .type = i ? SLMT_TENSOR_INT32 : SLMT_TENSOR_FLOAT32,
                            .rank = 2,
                            .name = i ? "shape" : "us",
                            .axes = "row,column"};
        GOOD(slmt_dataset_writer_add_field(w, &field));
    }
    for (int32_t k = 0; k < RECORDS; k++) {
        char id[16];
        snprintf(id, sizeof id, "r%d", (int)k);
        slmt_record record = {.struct_size = sizeof record,
                              .split = k < TRAINING ? SLMT_SPLIT_TRAIN : SLMT_SPLIT_VALIDATION,
                              .id = id};
        GOOD(slmt_dataset_writer_begin(w, &record));
        draw_record(k, image, labels);
        append(w, 0, image, SLMT_TENSOR_FLOAT32);
        append(w, 1, labels, SLMT_TENSOR_INT32);
        GOOD(slmt_dataset_writer_end(w));
    }
    GOOD(slmt_dataset_writer_finish(w));
}

static slmt_model *fresh(const char *classes, uint64_t seed)
{
    slmt_model *model = NULL;
    const slmt_number options[] = {{"width", 3}, {classes, 0}};
    GOOD(slmt_model_create(context, "pcd-unet", options, 2, seed, &model));
    return model;
}

/* A teacher that has learned a little. */
static slmt_model *teacher_of(uint64_t seed)
{
    slmt_model *model = fresh("classes=0,1", seed);
    slmt_trainer *trainer = NULL;
    const slmt_number settings[] = {{"rows", EDGE}, {"columns", EDGE}, {"batch", BATCH},       {"crops", 1},
                                    {"epochs", 12}, {"augment", 0},    {"learning_rate", 1e-2}};
    GOOD(slmt_trainer_create(model, "train", settings, 7, seed, &trainer));
    GOOD(slmt_trainer_run(trainer, set, NULL, NULL, 0, NULL, NULL));
    slmt_trainer_free(trainer);
    return model;
}

#define DISTILL                                                                                              \
    {"rows", EDGE}, {"columns", EDGE}, {"batch", BATCH}, {"crops", 1}, {"augment", 0}, {"epochs", 5},        \
        {"period", 1}, {"select", 1},                                                                        \
    {                                                                                                        \
        "data_rate", 1                                                                                       \
    }
enum { DISTILL_SETTINGS = 9 };

static slmt_trainer *student_of(const slmt_number *settings, size_t n, slmt_model *teacher)
{
    slmt_trainer *trainer = NULL;
    slmt_model *model = fresh("classes=0,1", 3);
    GOOD(slmt_trainer_create(model, "distill", settings, n, 5, &trainer));
    if (teacher)
        GOOD(slmt_trainer_attach(trainer, "teacher", teacher));
    slmt_model_free(model);
    return trainer;
}

static double setting_of(const slmt_trainer *trainer, const char *name)
{
    double value = 0;
    GOOD(slmt_trainer_setting(trainer, name, &value));
    return value;
}

/* Scores of all training pixels, by a session: independent of the trainer. */
static size_t scores_of(slmt_model *teacher, double temperature, double *scores)
{
    static float image[AREA], p[2 * AREA];
    static int32_t labels[AREA], answer[AREA];
    slmt_session *session = NULL;
    const slmt_number settings[] = {{"rows", EDGE}, {"columns", EDGE}};
    const int64_t in[] = {1, 1, EDGE, EDGE}, out[] = {1, 2, EDGE, EDGE}, flat[] = {1, EDGE, EDGE};
    size_t n = 0;
    GOOD(slmt_session_create(teacher, "segment", settings, 2, &session));
    for (int32_t k = 0; k < TRAINING; k++) {
        draw_record(k, image, labels);
        const slmt_tensor source = {"image", image, in, NULL, 4, SLMT_TENSOR_FLOAT32};
        const slmt_tensor made[] = {{"labels", answer, flat, NULL, 3, SLMT_TENSOR_INT32},
                                    {"probabilities", p, out, NULL, 4, SLMT_TENSOR_FLOAT32}};
        GOOD(slmt_session_run(session, &source, 1, made, 2));
        for (int i = 0; i < AREA; i++) {
            double own = log(p[labels[i] * AREA + i]), other = log(p[(1 - labels[i]) * AREA + i]);
            scores[n++] = 1 / (1 + exp((other - own) / temperature));
        }
    }
    slmt_session_free(session);
    return n;
}

/* share(c >= mu0) >= beta + 0.0005 >= share(c >= mu0 + 0.001) */
static void the_first_threshold_has_the_two_sided_property(void **state)
{
    (void)state;
    enum { ALL = TRAINING * AREA };
    static double scores[ALL];
    static const slmt_number settings[] = {DISTILL, {"beta", 0.6}};
    slmt_model *teacher = teacher_of(1);
    slmt_trainer *trainer = student_of(settings, DISTILL_SETTINGS + 1, teacher);
    assert_true(setting_of(trainer, "threshold") == -1 && setting_of(trainer, "calibration") == 0);
    GOOD(slmt_trainer_run(trainer, set, NULL, NULL, 1, NULL, NULL));
    double mu = setting_of(trainer, "threshold"), t = setting_of(trainer, "calibration");
    print_message("  temperature %.2f, threshold %.3f\n", t, mu);
    assert_true(t >= 1 && t <= 5);
    assert_true(mu > 0 && mu < 1);
    size_t above = 0, higher = 0;
    assert_int_equal(scores_of(teacher, t, scores), ALL);
    for (size_t i = 0; i < ALL; i++) { /* 1e-6: scores at an edge, in float32 */
        above += scores[i] >= mu - 1e-6;
        higher += scores[i] >= mu + 0.001 + 1e-6;
    }
    assert_true((double)above / ALL >= 0.6 + 0.0005 - 1e-9);
    assert_true((double)higher / ALL <= 0.6 + 0.0005 + 1e-9);
    slmt_trainer_free(trainer);
    slmt_model_free(teacher);
}

static double value_of(const slmt_trainer *trainer, const char *name)
{
    double value = 0;
    GOOD(slmt_trainer_value(trainer, name, &value));
    return value;
}

static int32_t see_threshold(void *user, slmt_trainer *trainer, const slmt_training_state *at)
{
    double *seen = user;
    seen[(at->step - 1) / at->steps_in_epoch] = value_of(trainer, "threshold");
    return 0;
}

static void the_threshold_falls_with_the_epochs_of_a_run(void **state)
{
    (void)state;
    enum { EPOCHS = 5 };
    double seen[EPOCHS];
    static const slmt_number settings[] = {DISTILL, {"threshold", 0.8}, {"calibration", 2}, {"gamma", 0.6}};
    slmt_model *teacher = teacher_of(1);
    slmt_trainer *trainer = student_of(settings, DISTILL_SETTINGS + 3, teacher);
    GOOD(slmt_trainer_run(trainer, set, NULL, NULL, 0, see_threshold, seen));
    const pacing p = {0.8, pacing_fall(0.8, 0.6, EPOCHS, 1), 1};
    for (int e = 0; e < EPOCHS; e++)
        assert_true(fabs(seen[e] - pacing_threshold(&p, e)) < 1e-6);
    assert_true(seen[EPOCHS - 1] == 0);
    assert_true(value_of(trainer, "admitted") == 1);
    assert_true(setting_of(trainer, "threshold") == 0.8); /* what was given stays */
    slmt_trainer_free(trainer);
    slmt_model_free(teacher);
}

static float *weights_of(slmt_model *model, const char *name, size_t n)
{
    float *values = calloc(n, sizeof *values);
    GOOD(slmt_model_get_tensor(model, name, values, n));
    return values;
}

/* No pixel counts: the loss is 0 and the weights stay, and running statistics move. */
static void a_threshold_above_1_changes_running_statistics_alone(void **state)
{
    (void)state;
    static const slmt_number settings[] = {DISTILL, {"threshold", 1.5}, {"calibration", 1}};
    static const char *const names[2] = {"inp.double_conv.3.weight", "inp.double_conv.4.running_mean"};
    static const size_t count[2] = {3 * 3 * 9, 3};
    slmt_model *teacher = teacher_of(1);
    slmt_trainer *trainer = student_of(settings, DISTILL_SETTINGS + 2, teacher);
    float *before[2], *after[2];
    for (int i = 0; i < 2; i++)
        before[i] = weights_of(slmt_trainer_model(trainer), names[i], count[i]);
    GOOD(slmt_trainer_run(trainer, set, NULL, NULL, 1, NULL, NULL));
    assert_true(value_of(trainer, "loss") == 0 && value_of(trainer, "admitted") == 0);
    for (int i = 0; i < 2; i++) {
        after[i] = weights_of(slmt_trainer_model(trainer), names[i], count[i]);
        assert_int_equal(memcmp(before[i], after[i], count[i] * sizeof(float)) == 0, i == 0);
        free(before[i]);
        free(after[i]);
    }
    slmt_trainer_free(trainer);
    slmt_model_free(teacher);
}

static void a_run_that_goes_on_with_its_teacher_is_the_same_bit_for_bit(void **state)
{
    (void)state;
    static const char name[] = "up4.conv.double_conv.3.weight";
    enum { COUNT = 3 * 3 * 9 };
    static const slmt_number settings[] = {DISTILL};
    slmt_model *teacher = teacher_of(1), *other = teacher_of(2);
    slmt_trainer *whole = student_of(settings, DISTILL_SETTINGS, teacher), *part = NULL;
    GOOD(slmt_trainer_run(whole, set, NULL, NULL, 0, NULL, NULL));
    float *expected = weights_of(slmt_trainer_model(whole), name, COUNT);
    part = student_of(settings, DISTILL_SETTINGS, teacher);
    GOOD(slmt_trainer_run(part, set, NULL, NULL, 7, NULL, NULL));
    GOOD(slmt_trainer_save(part, checkpoint_path));
    slmt_trainer_free(part);
    GOOD(slmt_trainer_load(context, checkpoint_path, &part));
    EXPECT_TEXT(SLMT_ERR_STATE, "attach", slmt_trainer_run(part, set, NULL, NULL, 0, NULL, NULL));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "another model", slmt_trainer_attach(part, "teacher", other));
    GOOD(slmt_trainer_save(part, checkpoint_path)); /* keeps what its teacher has to be */
    slmt_trainer_free(part);
    GOOD(slmt_trainer_load(context, checkpoint_path, &part));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "another model", slmt_trainer_attach(part, "teacher", other));
    GOOD(slmt_trainer_attach(part, "teacher", teacher));
    assert_true(setting_of(part, "threshold") == setting_of(whole, "threshold"));
    assert_true(setting_of(part, "calibration") == setting_of(whole, "calibration"));
    GOOD(slmt_trainer_run(part, set, NULL, NULL, 0, NULL, NULL));
    float *got = weights_of(slmt_trainer_model(part), name, COUNT);
    assert_memory_equal(got, expected, COUNT * sizeof(float));
    free(got);
    free(expected);
    slmt_trainer_free(part);
    slmt_trainer_free(whole);
    slmt_model_free(other);
    slmt_model_free(teacher);
}

static void what_cannot_be_found_is_refused(void **state)
{
    (void)state;
    static const slmt_number none_held_out[] = {DISTILL, {"select", 0}},
                             even[] = {DISTILL, {"boundary_side", 4}}, good[] = {DISTILL};
    slmt_model *teacher = teacher_of(1), *named = fresh("classes=0,7", 1);
    slmt_trainer *trainer = student_of(none_held_out, DISTILL_SETTINGS + 1, teacher);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "data_rate", slmt_trainer_run(trainer, set, NULL, NULL, 0, NULL, NULL));
    slmt_trainer_free(trainer);
    trainer = student_of(even, DISTILL_SETTINGS + 1, teacher);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "odd", slmt_trainer_run(trainer, set, NULL, NULL, 0, NULL, NULL));
    slmt_trainer_free(trainer);
    trainer = student_of(good, DISTILL_SETTINGS, named);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "classes are 0,7",
                slmt_trainer_run(trainer, set, NULL, NULL, 0, NULL, NULL));
    slmt_trainer_free(trainer);
    trainer = student_of(good, DISTILL_SETTINGS, NULL);
    EXPECT_TEXT(SLMT_ERR_STATE, "teacher", slmt_trainer_run(trainer, set, NULL, NULL, 0, NULL, NULL));
    slmt_trainer_free(trainer);
    slmt_model_free(named);
    slmt_model_free(teacher);
}

/* The training subjects that data_rate leaves out are those that the temperature is found on. */
static void a_held_out_part_is_not_trained_on(void **state)
{
    (void)state;
    static const slmt_number settings[] = {DISTILL, {"select", 0}, {"data_rate", 0.7}};
    slmt_model *teacher = teacher_of(1);
    slmt_trainer *trainer = student_of(settings, DISTILL_SETTINGS + 2, teacher);
    slmt_run_info info = {.struct_size = sizeof info};
    GOOD(slmt_trainer_describe_run(trainer, set, NULL, NULL, &info));
    assert_int_equal(info.records_used, 6);
    GOOD(slmt_trainer_run(trainer, set, NULL, NULL, 1, NULL, NULL));
    assert_true(setting_of(trainer, "calibration") >= 1);
    slmt_trainer_free(trainer);
    slmt_model_free(teacher);
}

/* Every network has the task, and its step learns. */
static void every_network_can_be_a_student(void **state)
{
    (void)state;
    static const char *const names[] = {"unet-seg", "vnet", "linknet", "deeplabv3", "segnet-basic"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int volume = i < 2;
        slmt_model *teacher = NULL, *model = NULL;
        slmt_trainer *trainer = NULL;
        static float image[2 * 2 * AREA * 4];
        static int32_t labels[2 * 2 * AREA * 4];
        const slmt_number options[] = {{"width", 4}, {"axes", 2}};
        const slmt_number settings[] = {{"rows", EDGE},     {"columns", EDGE},  {"batch", 2}, {"dropout", 0},
                                        {"threshold", 0.5}, {"calibration", 1}, {"slices", 2}};
        const int64_t flat[2][5] = {{2, 1, EDGE, EDGE}, {2, EDGE, EDGE}};
        const int64_t deep[2][5] = {{2, 1, 2, EDGE, EDGE}, {2, 2, EDGE, EDGE}};
        const int64_t(*shape)[5] = volume ? deep : flat;
        const slmt_tensor in[] = {{"image", image, shape[0], NULL, 4 + volume, SLMT_TENSOR_FLOAT32},
                                  {"labels", labels, shape[1], NULL, 3 + volume, SLMT_TENSOR_INT32}};
        for (int32_t k = 0; k < 4; k++)
            draw_record(k, image + k * AREA, labels + k * AREA);
        GOOD(slmt_model_create(context, names[i], options, volume ? 2 : 1, 1, &teacher));
        GOOD(slmt_model_create(context, names[i], options, volume ? 2 : 1, 2, &model));
        GOOD(slmt_trainer_create(model, "distill", settings, volume ? 7 : 6, 1, &trainer));
        GOOD(slmt_trainer_attach(trainer, "teacher", teacher));
        double first = 0, last = 0;
        for (int step = 0; step < 10; step++) {
            GOOD(slmt_trainer_step(trainer, in, 2, 1e-2));
            last = value_of(trainer, "loss");
            first = step == 0 ? last : first;
        }
        print_message("  %s: %.4f to %.4f, %.2f admitted\n", names[i], first, last,
                      value_of(trainer, "admitted"));
        assert_true(last < first);
        slmt_trainer_free(trainer);
        slmt_model_free(model);
        slmt_model_free(teacher);
    }
}

static int make_set(void **state)
{
    if (make_folder(state))
        return -1;
    context = open_context(1, NULL);
    snprintf(set_path, sizeof set_path, "%s", in_folder("set.h5"));
    snprintf(checkpoint_path, sizeof checkpoint_path, "%s", in_folder("student.h5"));
    write_set();
    GOOD(slmt_dataset_open(context, set_path, &set));
    return 0;
}

static int free_set(void **state)
{
    slmt_dataset_free(set);
    slmt_context_free(context);
    return delete_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_of_boundaries_is_the_published_one),
        cmocka_unit_test(boundary_scores_are_those_of_the_shapes),
        cmocka_unit_test(a_constant_map_has_no_boundary_at_the_border_of_the_image_either),
        cmocka_unit_test(the_shares_of_all_classes_are_1_together),
        cmocka_unit_test(a_volume_has_boundaries_between_slices),
        cmocka_unit_test(the_start_threshold_admits_a_little_more_than_beta),
        cmocka_unit_test(a_confident_teacher_admits_more_than_it_has_to),
        cmocka_unit_test(the_threshold_falls_to_0_in_the_published_steps),
        cmocka_unit_test(the_search_finds_the_temperature_of_logits_that_are_too_large),
        cmocka_unit_test(the_terms_of_one_pixel_are_those_by_hand),
        cmocka_unit_test(a_threshold_of_0_is_plain_distillation),
        cmocka_unit_test(both_weightings_of_a_batch_of_one_are_equal),
        cmocka_unit_test(the_published_slip_averages_weights_over_the_batch),
        cmocka_unit_test(pixels_without_a_label_do_not_count),
        cmocka_unit_test(the_first_threshold_has_the_two_sided_property),
        cmocka_unit_test(the_threshold_falls_with_the_epochs_of_a_run),
        cmocka_unit_test(a_threshold_above_1_changes_running_statistics_alone),
        cmocka_unit_test(a_run_that_goes_on_with_its_teacher_is_the_same_bit_for_bit),
        cmocka_unit_test(what_cannot_be_found_is_refused),
        cmocka_unit_test(a_held_out_part_is_not_trained_on),
        cmocka_unit_test(every_network_can_be_a_student),
    };
    return cmocka_run_group_tests(tests, make_set, free_set);
}
