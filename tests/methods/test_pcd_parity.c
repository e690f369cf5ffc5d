/* SPDX-License-Identifier: Apache-2.0 */
/* test_pcd_parity.c - paced-curriculum distillation against recorded results of the reference code: boundary
 * scores, thresholds, pacing, calibration errors, every loss with its gradient, and the three networks as
 * student and teacher. In float64 on the reference backend, in float32 on cpu.
 *
 * The recorded file is pcd.h5 in the folder SLMT_PARITY_DIR, or ../shared/parity: all of its groups but those
 * of corruptions, which are not the library's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "data/boundary.h"
#include "data/calibration.h"
#include "data/pacing.h"
#include "lib/plan.h"
#include "methods/deeplabv3/deeplabv3.h"
#include "methods/linknet/linknet.h"
#include "methods/pcd_unet/pcd_unet.h"
#include "nn/distillation.h"
#include "tests/methods/parity_table.h"

#include "tests/engine/engine_host.h"

#include <cmocka.h> /* last: it has a macro fail() */

static hid_t open_or_skip(void)
{
    hid_t file = parity_open(PARITY_FOLDER, "pcd.h5");
    if (file < 0)
        skip();
    return file;
}

static int32_t *labels_of(hid_t group, const char *name, size_t *n)
{
    reference_data r = parity_read(group, name);
    int32_t *labels = calloc(r.n, sizeof *labels);
    for (size_t i = 0; i < r.n; i++)
        labels[i] = (int32_t)r.x[i];
    *n = r.n;
    free(r.x);
    return labels;
}

/* ---- boundaries ---- */

static void compare_boundaries(hid_t group, const char *name)
{
    hsize_t dim[8];
    size_t n;
    boundary_kernel k;
    int side = (int)parity_attr(group, "size", 0), classes = (int)parity_attr(group, "C", 0);
    int32_t *labels = labels_of(group, "labels", &n);
    reference_data kernel = parity_read(group, "kernel"), planes = parity_read(group, "planes");
    reference_data g = parity_read(group, "g"), mu = parity_read(group, "mu"), u = parity_read(group, "u");
    assert_int_equal(parity_dims(group, "labels", dim), 3);
    const int64_t size[3] = {1, (int64_t)dim[1], (int64_t)dim[2]};
    size_t one = (size_t)(size[1] * size[2]);
    boundary_kernel_of(&k, 2, side, parity_attr(group, "sigma", 0));
    for (size_t i = 0; i < kernel.n; i++)
        assert_true(fabs(k.weight[i] - kernel.x[i]) < 1e-12);
    for (size_t i = 0; i < n; i++) {
        const int32_t *map = labels + i / one * one;
        double own = boundary_score(&k, map, size, i % one), sum = 0;
        assert_true(fabs(own - g.x[i]) < 1e-12);
        for (int c = 0; c < classes; c++) {
            double share = boundary_share(&k, map, size, i % one, c);
            assert_true(fabs(share - planes.x[(i / one * (size_t)classes + (size_t)c) * one + i % one]) <
                        1e-12);
            sum += share;
        }
        assert_true(fabs(sum - 1) < 1e-12);
        for (size_t m = 0; m < mu.n; m++)
            assert_int_equal(own >= mu.x[m], (int)u.x[m * n + i]);
    }
    print_message("  %s\n", name);
    free(labels);
    free(kernel.x);
    free(planes.x);
    free(g.x);
    free(mu.x);
    free(u.x);
}

static void boundary_scores_equal_the_recorded_ones(void **state)
{
    (void)state;
    hid_t file = open_or_skip();
    parity_each(file, "svls", compare_boundaries);
    H5Fclose(file);
}

/* ---- thresholds ---- */

static void compare_thresholds(hid_t group, const char *name)
{
    reference_data scores = parity_read(group, "scores"), beta = parity_read(group, "beta");
    reference_data mu0 = parity_read(group, "mu0"), admitted = parity_read(group, "admitted");
    pacing_scores s = {.total = 0};
    for (size_t i = 0; i < scores.n; i++)
        pacing_add(&s, scores.x[i]);
    for (size_t i = 0; i < beta.n; i++) {
        double found = pacing_start(&s, beta.x[i]);
        assert_true(fabs(found - mu0.x[i]) < 1e-12);
        int64_t n = 0;
        for (size_t k = 0; k < scores.n; k++)
            n += scores.x[k] >= found;
        assert_int_equal(n, (int64_t)admitted.x[i]);
        assert_int_equal(lround(pacing_admitted(&s, found) * (double)scores.n), n);
    }
    print_message("  %s\n", name);
    free(scores.x);
    free(beta.x);
    free(mu0.x);
    free(admitted.x);
}

static void thresholds_equal_the_recorded_ones(void **state)
{
    (void)state;
    hid_t file = open_or_skip();
    parity_each(file, "threshold", compare_thresholds);
    H5Fclose(file);
}

static void compare_pacing(hid_t group, const char *name)
{
    reference_data mu = parity_read(group, "mu");
    double start = parity_attr(group, "mu0", 0);
    int32_t period = (int32_t)parity_attr(group, "period", 0);
    double fall =
        pacing_fall(start, parity_attr(group, "gamma", 0), (int32_t)parity_attr(group, "epochs", 0), period);
    const pacing p = {start, fall, period};
    assert_true(fabs(fall - parity_attr(group, "delta", 0)) < 1e-12);
    for (size_t e = 0; e < mu.n; e++)
        assert_true(fabs(pacing_threshold(&p, (int64_t)e) - mu.x[e]) < 1e-12);
    print_message("  %s\n", name);
    free(mu.x);
}

static void pacing_equals_the_recorded_one(void **state)
{
    (void)state;
    hid_t file = open_or_skip();
    parity_each(file, "pacing", compare_pacing);
    H5Fclose(file);
}

/* ---- calibration ---- */

/* The error at temperature t; batch > 0: the mean over batches of so many images. */
static double error_at(const reference_data *logits, const int32_t *labels, const hsize_t dim[4], double t,
                       int batch)
{
    size_t classes = dim[1], one = dim[2] * dim[3];
    temperature_search s = {.n = 1, .temperature = {t}};
    for (size_t b = 0; b < dim[0]; b++) {
        for (size_t i = 0; i < one; i++) {
            double x[64];
            for (size_t c = 0; c < classes; c++)
                x[c] = logits->x[(b * classes + c) * one + i];
            temperature_search_add(&s, x, (int32_t)classes, labels[b * one + i]);
        }
        if (batch && (b + 1) % (size_t)batch == 0)
            temperature_search_cut(&s);
    }
    return temperature_search_error(&s, 0);
}

static void compare_calibration(hid_t group, const char *name)
{
    hsize_t dim[8];
    size_t n;
    reference_data logits = parity_read(group, "logits"), t = parity_read(group, "T");
    reference_data all = parity_read(group, "ece_global"), batches = parity_read(group, "ece_batches");
    int32_t *labels = labels_of(group, "labels", &n);
    assert_int_equal(parity_dims(group, "logits", dim), 4);
    for (size_t i = 0; i < t.n; i++) {
        assert_true(fabs(error_at(&logits, labels, dim, t.x[i], 0) - all.x[i]) < 1e-9);
        double by_batch = error_at(&logits, labels, dim, t.x[i], (int)parity_attr(group, "batch", 0));
        assert_true(fabs(by_batch - batches.x[i]) < 1e-9);
    }
    print_message("  %s\n", name);
    free(labels);
    free(logits.x);
    free(t.x);
    free(all.x);
    free(batches.x);
}

static void calibration_errors_equal_the_recorded_ones(void **state)
{
    (void)state;
    hid_t file = open_or_skip();
    parity_each(file, "ece", compare_calibration);
    H5Fclose(file);
}

/* ---- losses ---- */

enum { STUDENT, TEACHER, LABELS, EDGES, LIMIT, SOFT_LIMIT, SCALE, VALUE, GRADIENT, SCORE, KL, CE, SLOTS };

typedef struct sheet {
    engine e;
    bk_dtype real;
    int64_t batch, classes, rows, columns;
    void *bound[SLOTS];
    int failures;
    double worst;
} sheet;

static size_t slot_count(const sheet *s, int slot)
{
    size_t pixels = (size_t)(s->batch * s->rows * s->columns);
    switch (slot) {
    case STUDENT:
    case TEACHER:
    case GRADIENT:
        return pixels * (size_t)s->classes;
    case LABELS:
    case EDGES:
    case SCORE:
    case KL:
    case CE:
        return pixels;
    default:
        return 1;
    }
}

static const bk_backend *backend_now;
static bk_dtype real_now;
static int failures;

static void judge(const char *what, double deviation, double tolerance, double *worst)
{
    if (!(deviation <= tolerance)) {
        print_error("  %s: off by %g, tolerance %g\n", what, deviation, tolerance);
        failures++;
    }
    *worst = fmax(*worst, deviation / tolerance);
}

/* From [B,C,S...] as recorded to [B,S...,C]. */
static size_t channels_last(size_t at, size_t channels, size_t space)
{
    size_t sample = at / (channels * space);
    return (sample * space + at % space) * channels + at / space % channels;
}

static void put_logits(sheet *s, hid_t group, const char *name, int slot)
{
    reference_data r = parity_read(group, name);
    assert_int_equal(r.n, slot_count(s, slot));
    for (size_t i = 0; i < r.n; i++)
        real_set(s->bound[slot], s->real,
                 channels_last(i, (size_t)s->classes, (size_t)(s->rows * s->columns)), r.x[i]);
    free(r.x);
}

static void open_sheet(sheet *s, hid_t group)
{
    hsize_t dim[8];
    size_t n;
    boundary_kernel k;
    assert_int_equal(parity_dims(group, "student", dim), 4);
    *s = (sheet){.real = real_now,
                 .batch = (int64_t)dim[0],
                 .classes = (int64_t)dim[1],
                 .rows = (int64_t)dim[2],
                 .columns = (int64_t)dim[3]};
    assert_int_equal(engine_open(&s->e, backend_now), BK_OK);
    for (int i = 0; i < SLOTS; i++)
        assert_int_equal(mem_zeros(&s->e.m, slot_count(s, i), sizeof(double), &s->bound[i]), OK);
    put_logits(s, group, "student", STUDENT);
    put_logits(s, group, "teacher", TEACHER);
    int32_t *labels = labels_of(group, "labels", &n);
    memcpy(s->bound[LABELS], labels, n * sizeof *labels);
    const int64_t size[3] = {1, s->rows, s->columns};
    size_t one = (size_t)(s->rows * s->columns);
    boundary_kernel_of(&k, 2, 3, 1);
    for (size_t i = 0; i < n; i++)
        real_set(s->bound[EDGES], s->real, i, boundary_score(&k, labels + i / one * one, size, i % one));
    free(labels);
}

static void close_sheet(sheet *s)
{
    for (int i = 0; i < SLOTS; i++)
        mem_give(&s->e.m, s->bound[i]);
    assert_true(engine_close(&s->e));
}

static value bound(const sheet *s, graph *g, int slot)
{
    const int64_t image[] = {s->batch, s->rows, s->columns, s->classes}, one = 1;
    if (slot >= LIMIT && slot <= SCALE)
        return graph_bound(g, slot, shape_of(s->real, 1, &one));
    return graph_bound(g, slot, shape_of(slot == LABELS ? BK_I32 : s->real, slot <= TEACHER ? 4 : 3, image));
}

static void run_loss(sheet *s, const paced_options *o)
{
    graph *g;
    plan *p;
    value gradient, weight;
    assert_int_equal(graph_create(&s->e.m, s->real, &g), OK);
    paced_values v = {.student = bound(s, g, STUDENT),
                      .teacher = bound(s, g, TEACHER),
                      .label = bound(s, g, LABELS),
                      .boundary = bound(s, g, EDGES),
                      .limit = bound(s, g, LIMIT),
                      .soft_limit = bound(s, g, SOFT_LIMIT)};
    v.score = class_probability(g, v.teacher, v.label, -1, bound(s, g, SCALE));
    paced_loss made = loss_paced(g, &v, o);
    assert_int_equal(graph_gradients(g, made.loss, &v.student, 1, &gradient), OK);
    graph_output(g, made.loss, VALUE);
    graph_output(g, gradient, GRADIENT);
    graph_output(g, op_affine(g, v.score, 1, 0), SCORE);
    graph_output(g, loss_distillation(g, v.student, v.teacher, o->temperature), KL);
    graph_output(g, op_cross_entropy(g, v.student, v.label, NONE, -1, &weight), CE);
    if (graph_status(g) != OK)
        print_error("%s\n", status_text());
    assert_int_equal(graph_status(g), OK);
    assert_int_equal(plan_create(g, s->e.dev, PLAN_ARENA, &p), OK);
    assert_int_equal(plan_run(p, s->bound, SLOTS, NULL), OK);
    plan_free(p);
    graph_free(g);
}

static int index_of(const char *text, const char *names)
{
    int index = 0;
    size_t length = strlen(text);
    for (const char *p = names; p; p = strchr(p, '|'), p += p != NULL, index++)
        if (strncmp(p, text, length) == 0 && (p[length] == '|' || p[length] == '\0'))
            return index;
    fail_msg("the file says %s, this test knows %s", text, names);
    return -1;
}

static paced_options options_at(const parity_names list[3], size_t row, double temperature)
{
    char mode[32], weights[32], soft[32];
    parity_names_at(&list[0], row, mode, sizeof mode);
    parity_names_at(&list[1], row, weights, sizeof weights);
    parity_names_at(&list[2], row, soft, sizeof soft);
    return (paced_options){.mode = (pace_mode)index_of(mode, "kd|tpl|tpl_uncert|cpl|cpl_tpl"),
                           .soft = (pace_soft)index_of(soft, "ce|kld|both"),
                           .batch_mean = index_of(weights, "aligned|batch_mean"),
                           .temperature = temperature,
                           .ignored = -1};
}

static void compare_maps(sheet *s, hid_t group)
{
    static const struct {
        const char *name;
        int slot;
    } maps[] = {{"score", SCORE}, {"kl", KL}, {"ce", CE}};
    for (int m = 0; m < 3; m++) {
        reference_data r = parity_read(group, maps[m].name);
        double worst = 0, top = parity_max_abs(r.x, r.n);
        for (size_t i = 0; i < r.n; i++)
            worst = fmax(worst, fabs(real_get(s->bound[maps[m].slot], s->real, i) - r.x[i]));
        judge(maps[m].name, worst, real_now == BK_F64 ? 1e-9 * top + 1e-12 : 1e-5 * top, &s->worst);
        free(r.x);
    }
}

static void compare_losses(hid_t group, const char *name)
{
    sheet s;
    const parity_names list[3] = {parity_names_open(group, "mode"), parity_names_open(group, "weights"),
                                  parity_names_open(group, "cpl_to")};
    reference_data mu = parity_read(group, "mu"), soft = parity_read(group, "cpl_mu");
    reference_data values = parity_read(group, "values"), grads = parity_read(group, "grads");
    reference_data value_err = parity_read(group, "values_err"), grad_err = parity_read(group, "grads_err");
    open_sheet(&s, group);
    real_set(s.bound[SCALE], s.real, 0, 1 / parity_attr(group, "T_c", 0));
    size_t one = grads.n / values.n;
    for (size_t row = 0; row < values.n; row++) {
        const paced_options o = options_at(list, row, parity_attr(group, "T", 0));
        real_set(s.bound[LIMIT], s.real, 0, mu.x[row]);
        real_set(s.bound[SOFT_LIMIT], s.real, 0, soft.x[row]);
        run_loss(&s, &o);
        char what[96];
        snprintf(what, sizeof what, "%s row %zu (mode %d, batch mean %d)", name, row, (int)o.mode,
                 o.batch_mean);
        judge(what, fabs(real_get(s.bound[VALUE], s.real, 0) - values.x[row]),
              parity_bound(real_now, value_err.x[row], fabs(values.x[row])), &s.worst);
        const double *expected = grads.x + row * one;
        double worst = 0;
        for (size_t i = 0; i < one; i++) {
            size_t at = channels_last(i, (size_t)s.classes, (size_t)(s.rows * s.columns));
            worst = fmax(worst, fabs(real_get(s.bound[GRADIENT], s.real, at) - expected[i]));
        }
        judge(what, worst, parity_bound(real_now, grad_err.x[row], parity_max_abs(expected, one)), &s.worst);
    }
    compare_maps(&s, group);
    print_message("  %s: worst %.3f of a tolerance\n", name, s.worst);
    close_sheet(&s);
    for (int i = 0; i < 3; i++)
        free(list[i].all);
    double *numbers[] = {mu.x, soft.x, values.x, grads.x, value_err.x, grad_err.x};
    for (int i = 0; i < 6; i++)
        free(numbers[i]);
}

static void losses_on(const bk_backend *backend, bk_dtype real)
{
    hid_t file = open_or_skip();
    backend_now = backend;
    real_now = real;
    failures = 0;
    parity_each(file, "loss", compare_losses);
    H5Fclose(file);
    assert_int_equal(failures, 0);
}

static void losses_equal_the_recorded_ones_in_float64(void **state)
{
    (void)state;
    losses_on(bk_reference(), BK_F64);
}

static void losses_equal_the_recorded_ones_in_float32(void **state)
{
    (void)state;
    losses_on(bk_cpu(), BK_F32);
}

/* ---- networks ---- */

enum { INPUT, N_LABELS, N_EDGES, N_LIMIT, N_SCALE, LOGITS, THEIRS, LOSS, EXTRA, MOST = 256 };

typedef union any_options {
    segment_options segment;
    pcd_unet_options unet;
    linknet_options linknet;
    deeplabv3_options deeplabv3;
} any_options;

typedef struct network {
    engine e;
    char net[64];
    any_options o;
    int64_t batch, classes, size[2];
    double temperature;
    params p;
    void *bound[2 * MOST + EXTRA]; /* student, teacher, the rest */
    plan *plan;
    double worst;
} network;

static value forward(nn *n, const network *w, value x)
{
    if (strcmp(w->net, "unet") == 0)
        return pcd_unet_forward(n, &w->o.unet, x);
    if (strcmp(w->net, "linknet") == 0)
        return linknet_forward(n, &w->o.linknet, x);
    return deeplabv3_forward(n, &w->o.deeplabv3, x);
}

static void read_options(network *w, hid_t group)
{
    parity_text(group, "net", w->net);
    w->classes = (int64_t)parity_attr(group, "C", 0);
    w->batch = (int64_t)parity_attr(group, "batch", 0);
    w->temperature = parity_attr(group, "T", 0);
    for (int i = 0; i < 2; i++)
        w->size[i] = (int64_t)parity_attr(group, "size", i);
    w->o.segment.channels = 3;
    w->o.segment.width = (int32_t)parity_attr(group, "width", 0);
    for (int64_t i = 1; i < w->classes; i++)
        strcat(w->o.segment.classes, ",");
    int32_t *layers = strcmp(w->net, "linknet") == 0 ? w->o.linknet.layers : w->o.deeplabv3.layers;
    for (int i = 0; i < 4 && strcmp(w->net, "unet") != 0; i++)
        layers[i] = 2;
    if (strcmp(w->net, "deeplabv3") == 0)
        w->o.deeplabv3.atrous = (int32_t)parity_attr(group, "A", 0);
}

static size_t extra_count(const network *w, int extra)
{
    size_t pixels = (size_t)(w->batch * w->size[0] * w->size[1]);
    switch (extra) {
    case INPUT:
        return pixels * 3;
    case N_LABELS:
    case N_EDGES:
        return pixels;
    case LOGITS:
    case THEIRS:
        return pixels * (size_t)w->classes;
    default:
        return 1;
    }
}

static void start_student(network *w, hid_t group)
{
    parity_fill(&w->p, w->bound, real_now, group, "names", "init", "tag_student");
    parity_fill(&w->p, w->bound, real_now, group, "buffer_names", "buffer_init", "tag_student");
}

static void read_images(network *w, hid_t group)
{
    size_t n;
    boundary_kernel k;
    reference_data input = parity_read(group, "input");
    int32_t *labels = labels_of(group, "labels", &n);
    size_t one = (size_t)(w->size[0] * w->size[1]);
    const int64_t size[3] = {1, w->size[0], w->size[1]};
    void **extra = w->bound + 2 * w->p.n;
    assert_int_equal(input.n, extra_count(w, INPUT));
    for (size_t i = 0; i < input.n; i++)
        real_set(extra[INPUT], real_now, channels_last(i, 3, one), input.x[i]);
    memcpy(extra[N_LABELS], labels, n * sizeof *labels);
    boundary_kernel_of(&k, 2, 3, 1);
    for (size_t i = 0; i < n; i++)
        real_set(extra[N_EDGES], real_now, i, boundary_score(&k, labels + i / one * one, size, i % one));
    real_set(extra[N_LIMIT], real_now, 0, parity_attr(group, "mu", 0));
    real_set(extra[N_SCALE], real_now, 0, 1 / parity_attr(group, "T_c", 0));
    free(input.x);
    free(labels);
}

static void check_size(const network *w, hid_t group)
{
    size_t trained = 0;
    for (int32_t k = 0; k < w->p.n; k++)
        trained += param_trained(&w->p.list[k]) ? w->p.list[k].count : 0;
    assert_int_equal(trained, (size_t)parity_attr(group, "n_params", 0));
}

static void open_network(network *w, hid_t group)
{
    nn_listing listing;
    *w = (network){.worst = 0};
    read_options(w, group);
    assert_int_equal(engine_open(&w->e, backend_now), BK_OK);
    params_init(&w->p, &w->e.m, real_now, real_now);
    nn n = nn_list(&listing, &w->p, INIT_FAN_IN);
    assert_int_equal(forward(&n, w, NONE), NONE);
    assert_int_equal(w->p.error, OK);
    assert_true(w->p.n <= MOST);
    check_size(w, group);
    for (int32_t k = 0; k < 2 * w->p.n + EXTRA; k++)
        assert_int_equal(
            mem_zeros(&w->e.m, k < 2 * w->p.n ? w->p.list[k % w->p.n].count : extra_count(w, k - 2 * w->p.n),
                      sizeof(double), &w->bound[k]),
            OK);
    start_student(w, group);
    parity_fill(&w->p, w->bound + w->p.n, real_now, group, "names", "init", "tag_teacher");
    parity_fill(&w->p, w->bound + w->p.n, real_now, group, "buffer_names", "buffer_init", "tag_teacher");
    read_images(w, group);
}

static void close_network(network *w)
{
    for (int32_t k = 0; k < 2 * w->p.n + EXTRA; k++)
        mem_give(&w->e.m, w->bound[k]);
    params_clear(&w->p);
    assert_true(engine_close(&w->e));
}

static value extra_of(const network *w, graph *g, int extra)
{
    const int64_t shape[] = {w->batch, w->size[0], w->size[1], 3}, one = 1;
    int32_t slot = 2 * w->p.n + extra;
    if (extra == N_LIMIT || extra == N_SCALE)
        return graph_bound(g, slot, shape_of(real_now, 1, &one));
    return graph_bound(g, slot,
                       shape_of(extra == N_LABELS ? BK_I32 : real_now, extra == INPUT ? 4 : 3, shape));
}

/* The loss tpl_uncert of student and teacher, with all gradients. */
static void plan_step(network *w, norm_statistics from)
{
    graph *g;
    nn student, teacher;
    value wrt[MOST], gradient[MOST];
    int32_t of[MOST], count = 0, base = 2 * w->p.n;
    const paced_options o = {.mode = PACE_SCORE_BOUNDARY, .temperature = w->temperature, .ignored = -1};
    assert_int_equal(graph_create(&w->e.m, real_now, &g), OK);
    assert_int_equal(nn_open(&student, g, &w->p, "", 0), OK);
    assert_int_equal(nn_open(&teacher, g, &w->p, "", w->p.n), OK);
    student.statistics = from;
    teacher.statistics = NORM_RUNNING;
    value x = extra_of(w, g, INPUT);
    paced_values v = {.student = forward(&student, w, x),
                      .teacher = op_detach(g, forward(&teacher, w, x)),
                      .label = extra_of(w, g, N_LABELS),
                      .boundary = extra_of(w, g, N_EDGES),
                      .limit = extra_of(w, g, N_LIMIT)};
    v.score = class_probability(g, v.teacher, v.label, -1, extra_of(w, g, N_SCALE));
    paced_loss made = loss_paced(g, &v, &o);
    graph_output(g, v.student, base + LOGITS);
    graph_output(g, op_affine(g, v.teacher, 1, 0), base + THEIRS);
    graph_output(g, made.loss, base + LOSS);
    for (int32_t k = 0; k < w->p.n; k++)
        if (param_trained(&w->p.list[k])) {
            of[count] = k;
            wrt[count++] = student.weights[k];
        }
    if (graph_status(g) != OK)
        print_error("%s\n", status_text());
    assert_int_equal(graph_gradients(g, made.loss, wrt, count, gradient), OK);
    for (int32_t i = 0; i < count; i++)
        graph_hold(g, gradient[i], of[i]);
    assert_int_equal(graph_status(g), OK);
    nn_close(&student);
    nn_close(&teacher);
    assert_int_equal(plan_create(g, w->e.dev, PLAN_ARENA, &w->plan), OK);
    graph_free(g);
}

static void run(network *w)
{
    assert_int_equal(plan_run(w->plan, w->bound, 2 * w->p.n + EXTRA, NULL), OK);
}

/* Entries at flat indices j * size / n of an image [B,C,S...]. */
static void compare_logits(network *w, hid_t group, const char *path, int extra)
{
    reference_data r = parity_read(group, path);
    size_t all = extra_count(w, extra);
    double worst = 0;
    for (size_t j = 0; j < r.n; j++) {
        size_t at = all <= r.n ? j : j * all / r.n;
        double d = fabs(real_get(w->bound[2 * w->p.n + extra], real_now,
                                 channels_last(at, (size_t)w->classes, (size_t)(w->size[0] * w->size[1]))) -
                        r.x[j]);
        worst = isnan(d) ? INFINITY : fmax(worst, d);
    }
    judge(path, worst, parity_bound(real_now, r.fp32_err, parity_max_abs(r.x, r.n)), &w->worst);
    free(r.x);
}

static void compare_loss(network *w, const char *what, const reference_data *r, size_t i)
{
    judge(what, fabs(real_get(w->bound[2 * w->p.n + LOSS], real_now, 0) - r->x[i]),
          parity_bound(real_now, r->fp32_err, parity_max_abs(r->x, r->n)), &w->worst);
}

/* gradients: what the plan holds; else the bound tensors. */
static void compare_table(network *w, hid_t group, const char *list, const char *table, int gradients)
{
    char err_name[64], name[PARAM_NAME_MAX];
    snprintf(err_name, sizeof err_name, "%s_err", table);
    reference_data r = parity_read(group, table), err = parity_read(group, err_name);
    parity_names all = parity_names_open(group, list);
    double top = 0;
    for (size_t k = 0; k < err.n; k++)
        top = fmax(top, parity_row_top(r.x + 18 * k, w->p.list[parity_tensor(&w->p, &all, k, name)].count));
    for (size_t k = 0; k < err.n; k++) {
        int32_t index = parity_tensor(&w->p, &all, k, name);
        size_t size = w->p.list[index].count;
        double own = parity_row_top(r.x + 18 * k, size);
        if (real_now == BK_F64 && gradients)
            own = fmax(own, 1e-3 * top);
        const void *ours = gradients ? plan_held(w->plan, index) : w->bound[index];
        judge(name, parity_row_deviation(r.x + 18 * k, ours, real_now, size, NULL),
              parity_bound(real_now, err.x[k], own), &w->worst);
    }
    free(all.all);
    free(r.x);
    free(err.x);
}

static void compare_mode(network *w, hid_t group, int training)
{
    reference_data loss = parity_read(group, training ? "loss_train" : "loss_eval");
    plan_step(w, training ? NORM_UPDATE : NORM_RUNNING);
    run(w);
    compare_logits(w, group, training ? "logits_train" : "logits_eval", LOGITS);
    compare_logits(w, group, "teacher_logits", THEIRS);
    compare_loss(w, training ? "loss_train" : "loss_eval", &loss, 0);
    compare_table(w, group, "names", training ? "grad_train" : "grad_eval", 1);
    if (training) {
        plan_assign(w->plan, w->bound);
        compare_table(w, group, "buffer_names", "running_after", 0);
    }
    plan_free(w->plan);
    free(loss.x);
}

/* PyTorch's Adam in double; t counts from 1. */
static void update(network *w, hid_t file, double rate, double *state, int t)
{
    double beta1 = parity_attr(file, "adam_betas", 0), beta2 = parity_attr(file, "adam_betas", 1);
    double eps = parity_attr(file, "adam_eps", 0);
    for (int32_t k = 0; k < w->p.n; k++)
        for (size_t i = 0; param_trained(&w->p.list[k]) && i < w->p.list[k].count; i++, state += 2) {
            double x = real_get(w->bound[k], real_now, i), d = real_get(plan_held(w->plan, k), real_now, i);
            state[0] = beta1 * state[0] + (1 - beta1) * d;
            state[1] = beta2 * state[1] + (1 - beta2) * d * d;
            x -= rate * (state[0] / (1 - pow(beta1, t))) / (sqrt(state[1] / (1 - pow(beta2, t))) + eps);
            real_set(w->bound[k], real_now, i, x);
        }
}

/* The student's weights before each step of a run in float64: [steps][weights]. test_segmentation_parity.c
 * says why they are given to the network in float32, too. */
static double *weights_of_run(hid_t group, size_t steps)
{
    network guide;
    const bk_backend *backend = backend_now;
    bk_dtype real = real_now;
    hid_t file = H5Iget_file_id(group);
    size_t all = 0;
    backend_now = bk_reference();
    real_now = BK_F64;
    open_network(&guide, group);
    for (int32_t k = 0; k < guide.p.n; k++)
        all += guide.p.list[k].count;
    double *weights = calloc(steps * all, sizeof *weights), *to = weights;
    double *state = calloc(2 * all, sizeof *state);
    plan_step(&guide, NORM_UPDATE);
    for (size_t t = 0; t < steps; t++) {
        for (int32_t k = 0; k < guide.p.n; k++)
            for (size_t i = 0; i < guide.p.list[k].count; i++)
                *to++ = real_get(guide.bound[k], real_now, i);
        run(&guide);
        update(&guide, file, parity_attr(group, "lr", 0), state, (int)t + 1);
    }
    plan_free(guide.plan);
    close_network(&guide);
    free(state);
    H5Fclose(file);
    backend_now = backend;
    real_now = real;
    return weights;
}

static void compare_steps(network *w, hid_t group)
{
    reference_data losses = parity_read(group, "run_adam_losses");
    double *weights = weights_of_run(group, losses.n), *from = weights;
    plan_step(w, NORM_UPDATE);
    for (size_t t = 0; t < losses.n; t++) {
        for (int32_t k = 0; k < w->p.n; k++)
            for (size_t i = 0; i < w->p.list[k].count; i++)
                real_set(w->bound[k], real_now, i, *from++);
        run(w);
        compare_loss(w, "run_adam_losses", &losses, t);
    }
    plan_free(w->plan);
    free(weights);
    free(losses.x);
}

static void compare_network(hid_t group, const char *name)
{
    network w;
    open_network(&w, group);
    compare_mode(&w, group, 0); /* before the estimates move */
    compare_mode(&w, group, 1);
    compare_steps(&w, group);
    print_message("  %s, %s: worst %.3f of a tolerance\n", name, real_now == BK_F64 ? "float64" : "float32",
                  w.worst);
    close_network(&w);
}

static void networks_on(const bk_backend *backend, bk_dtype real)
{
    hid_t file = open_or_skip();
    backend_now = backend;
    real_now = real;
    failures = 0;
    parity_each(file, "net", compare_network);
    H5Fclose(file);
    assert_int_equal(failures, 0);
}

static void students_of_a_teacher_equal_the_recorded_ones_in_float64(void **state)
{
    (void)state;
    networks_on(bk_reference(), BK_F64);
}

static void students_of_a_teacher_equal_the_recorded_ones_in_float32(void **state)
{
    (void)state;
    networks_on(bk_cpu(), BK_F32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boundary_scores_equal_the_recorded_ones),
        cmocka_unit_test(thresholds_equal_the_recorded_ones),
        cmocka_unit_test(pacing_equals_the_recorded_one),
        cmocka_unit_test(calibration_errors_equal_the_recorded_ones),
        cmocka_unit_test(losses_equal_the_recorded_ones_in_float64),
        cmocka_unit_test(losses_equal_the_recorded_ones_in_float32),
        cmocka_unit_test(students_of_a_teacher_equal_the_recorded_ones_in_float64),
        cmocka_unit_test(students_of_a_teacher_equal_the_recorded_ones_in_float32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
