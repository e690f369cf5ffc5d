/* SPDX-License-Identifier: Apache-2.0 */
/* test_seq2seq_parity.c - Seq2Seq against recorded results of the reference implementation: latent, the three
 * images of a training step, losses, every gradient, and a run of Adam steps, in 2D and 3D, at one time point
 * and at three, on every backend.
 *
 * The recorded files are seq2seq_*.h5 in the folder SLMT_PARITY_DIR, or ../shared/parity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "lib/plan.h"
#include "methods/seq2seq/seq2seq.h"
#include "tests/methods/parity_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/backends/adam_call.h"
#include "tests/engine/engine_host.h"

#include <cmocka.h> /* last: it has a macro fail() */

/* ---- backends ---- */

typedef struct target {
    const char *name;
    int reference;
    const char *options;
    int level; /* of instructions, CPU_LEVEL_BEST or one of the others */
} target;

static const target targets[] = {
    {"reference float64", 1, "", CPU_LEVEL_BEST},
    {"cpu auto", 0, "", CPU_LEVEL_BEST},
    {"cpu oneDNN", 0, "matrix=onednn", CPU_LEVEL_BEST},
    {"cpu OpenBLAS", 0, "matrix=openblas", CPU_LEVEL_BEST},
    {"cpu auto, x86-64-v3", 0, "", 3},
    {"cpu auto, x86-64-v2", 0, "", 2},
    {"cpu auto, plain C", 0, "", 0},
};

/* ---- a network with its weights in one array ---- */

typedef struct network {
    engine e;
    bk_dtype real;
    seq2seq_options o;
    params p;
    void *weights;
    int64_t size[3], times, batch;
} network;

static int open_network(network *w, const target *t)
{
    bk_status s = t->reference ? engine_open(&w->e, bk_reference()) : BK_ERR_FAILED;
    if (!t->reference) {
        test_memory_init(&w->e.memory);
        mem_init(&w->e.m, guard_alloc, guard_free, &w->e.memory, 0);
        w->e.host = (bk_host){&w->e.memory, guard_host_alloc, guard_free, test_log, 2};
        w->e.dev = (device){bk_cpu(), NULL};
        s = cpu_open_level(&w->e.host, t->options, t->level, &w->e.dev.handle);
    }
    w->real = t->reference ? BK_F64 : BK_F32;
    return s == BK_OK;
}

static void list_tensors(network *w)
{
    params_init(&w->p, &w->e.m, w->real, w->real);
    seq2seq_params(&w->p, &w->o);
    assert_int_equal(w->p.error, OK);
    assert_int_equal(mem_zeros(&w->e.m, w->p.bytes, 1, &w->weights), OK);
}

static void close_network(network *w)
{
    mem_give(&w->e.m, w->weights);
    params_clear(&w->p);
    assert_true(engine_close(&w->e));
}

static void *tensor(const network *w, int32_t k)
{
    return (unsigned char *)w->weights + w->p.list[k].byte;
}

static bk_shape image_shape(const network *w)
{
    bk_shape s = {.dtype = w->real, .rank = w->o.ndims + 2, .dim = {w->times * w->batch}};
    for (int32_t i = 0; i < w->o.ndims; i++)
        s.dim[i + 1] = w->size[i];
    s.dim[s.rank - 1] = w->o.channels;
    return s;
}

/* ---- recorded files ---- */

static const char *folder(void)
{
    const char *given = getenv("SLMT_PARITY_DIR");
    return given ? given : SLMT_SOURCE_DIR "/../shared/parity";
}

static hid_t open_file(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder(), name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    fclose(f);
    return H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
}

static void read_options(network *w, hid_t file)
{
    w->o = (seq2seq_options){.ndims = (int32_t)parity_attr(file, "ndims", 0),
                             .channels = (int32_t)parity_attr(file, "c_in", 0),
                             .lstm_width = (int32_t)parity_attr(file, "c_lstm", 0),
                             .residual_blocks = (int32_t)parity_attr(file, "nres", 0),
                             .code_length = (int32_t)parity_attr(file, "c_s", 0),
                             .bank = (int32_t)parity_attr(file, "c_w", 0)};
    for (int i = 0; i < SEQ2SEQ_LEVELS; i++)
        w->o.widths[i] = (int32_t)parity_attr(file, "c_enc", i);
    for (int i = 0; i < w->o.ndims; i++)
        w->size[i] = (int64_t)parity_attr(file, "size", i);
    w->times = (int64_t)parity_attr(file, "T", 0);
    w->batch = 1;
}

static void read_weights(network *w, hid_t file)
{
    hid_t group = H5Gopen2(file, "W", H5P_DEFAULT);
    H5G_info_t info;
    H5Gget_info(group, &info);
    assert_int_equal(info.nlinks, w->p.n); /* both ways: each tensor is there, and none more */
    H5Gclose(group);
    for (int32_t k = 0; k < w->p.n; k++) {
        char path[256];
        snprintf(path, sizeof path, "W/%s", w->p.list[k].name);
        reference_data r = parity_read(file, path);
        assert_int_equal(r.n, w->p.list[k].count);
        for (size_t i = 0; i < r.n; i++)
            real_set(tensor(w, k), w->real, i, r.x[i]);
        free(r.x);
    }
}

/* [T,C,S...] as recorded (B = 1) <-> [T,S...,C] as the graph has it. */
static size_t channels_last(const network *w, size_t at)
{
    bk_shape s = image_shape(w);
    size_t c = (size_t)w->o.channels, pixels = (size_t)bk_count(&s) / c / (size_t)w->times;
    size_t t = at / (c * pixels), rest = at % (c * pixels);
    return t * c * pixels + rest % pixels * c + rest / pixels;
}

static void read_images(const network *w, hid_t file, const char *path, void *to)
{
    reference_data r = parity_read(file, path);
    for (size_t i = 0; i < r.n; i++)
        real_set(to, w->real, channels_last(w, i), r.x[i]);
    free(r.x);
}

/* ---- a training step ---- */

enum { LATENT, Y_TARGET, Y_SOURCE, Y_CYCLE, REC, CYC, RESULTS };
enum { SOURCE, TARGET, SOURCE_CODE, TARGET_CODE, INPUTS };

typedef struct step_plan {
    plan *plan;
    void *input[INPUTS], *result[RESULTS];
    void **bound;
    int32_t n_bound;
} step_plan;

static value bind(graph *g, step_plan *s, const network *w, int which, bk_shape shape)
{
    int32_t slot = w->p.n + which;
    assert_int_equal(mem_array(g->mem, (size_t)bk_count(&shape), bk_dtype_size(w->real), &s->input[which]),
                     OK);
    s->bound[slot] = s->input[which];
    return graph_bound(g, slot, shape);
}

static void give(graph *g, step_plan *s, const network *w, int which, value v)
{
    assert_int_equal(graph_status(g), OK);
    bk_shape shape = *graph_shape(g, v);
    assert_int_equal(mem_array(g->mem, (size_t)bk_count(&shape), bk_dtype_size(w->real), &s->result[which]),
                     OK);
    s->bound[w->p.n + INPUTS + which] = s->result[which];
    graph_output(g, v, w->p.n + INPUTS + which);
}

static void make_step(network *w, hid_t file, step_plan *s)
{
    graph *g;
    nn n;
    value wrt[256], gradient[256];
    int32_t of[256], n_wrt = 0;
    void *p;
    bk_shape code = shape_of(w->real, 2, (const int64_t[]){1, w->o.code_length});
    *s = (step_plan){.n_bound = w->p.n + INPUTS + RESULTS};
    assert_int_equal(mem_zeros(&w->e.m, (size_t)s->n_bound, sizeof(void *), &p), OK);
    s->bound = p;
    for (int32_t k = 0; k < w->p.n; k++)
        s->bound[k] = tensor(w, k);
    assert_int_equal(graph_create(&w->e.m, w->real, &g), OK);
    assert_int_equal(nn_open(&n, g, &w->p, "", 0), OK);
    seq2seq_pair pair = {.source = bind(g, s, w, SOURCE, image_shape(w)),
                         .target = bind(g, s, w, TARGET, image_shape(w)),
                         .source_code = bind(g, s, w, SOURCE_CODE, code),
                         .target_code = bind(g, s, w, TARGET_CODE, code)};
    seq2seq_settings settings = {.times = (int32_t)w->times,
                                 .rec_weight = parity_attr(file, "rec_weight", 0),
                                 .cyc_weight = parity_attr(file, "cyc_weight", 0),
                                 .smooth_l1_beta = 1};
    seq2seq_losses v = seq2seq_train(&n, NULL, &w->o, &settings, &pair);
    if (graph_status(g) != OK)
        print_error("%s\n", status_text());
    give(g, s, w, LATENT, v.latent);
    give(g, s, w, Y_TARGET, v.y_target);
    give(g, s, w, Y_SOURCE, v.y_source);
    give(g, s, w, Y_CYCLE, v.y_cycle);
    give(g, s, w, REC, v.rec);
    give(g, s, w, CYC, v.cyc);
    for (int32_t k = 0; k < w->p.n; k++)
        if (n.weights[k] != NONE) {
            of[n_wrt] = k;
            wrt[n_wrt++] = n.weights[k];
        }
    assert_int_equal(n_wrt, w->p.n);
    assert_int_equal(graph_gradients(g, v.total, wrt, n_wrt, gradient), OK);
    for (int32_t i = 0; i < n_wrt; i++)
        graph_hold(g, gradient[i], of[i]);
    nn_close(&n);
    assert_int_equal(plan_create(g, w->e.dev, 1, &s->plan), OK);
    graph_free(g);
    for (int i = 0; i < 2; i++) {
        read_images(w, file, i ? "step/target" : "step/source", s->input[i]);
        int64_t index = (int64_t)parity_attr(file, i ? "target_index" : "source_index", 0);
        for (int64_t k = 0; k < w->o.code_length; k++)
            real_set(s->input[SOURCE_CODE + i], w->real, (size_t)k, k == index);
    }
}

static void close_step(network *w, step_plan *s)
{
    plan_free(s->plan);
    for (int i = 0; i < INPUTS; i++)
        mem_give(&w->e.m, s->input[i]);
    for (int i = 0; i < RESULTS; i++)
        mem_give(&w->e.m, s->result[i]);
    mem_give(&w->e.m, s->bound);
}

/* ---- comparing ---- */

typedef struct tally {
    int failures;
    double worst;
    char name[256];
} tally;

static void judge(tally *t, const char *path, double ratio, double tolerance)
{
    if (!(ratio <= 1)) {
        t->failures++;
        print_error("  %s: %g of its tolerance %g\n", path, ratio, tolerance);
    }
    if (ratio > t->worst) {
        t->worst = ratio;
        snprintf(t->name, sizeof t->name, "%s", path);
    }
}

static void compare(tally *t, const network *w, hid_t file, const char *path, const void *ours, int images)
{
    reference_data r = parity_read(file, path);
    double *x = malloc(r.size * sizeof *x), tolerance = parity_tolerance(&r, w->real == BK_F64);
    for (size_t i = 0; i < r.size; i++)
        x[i] = real_get(ours, w->real, images ? channels_last(w, i) : i);
    judge(t, path, parity_compare(&r, x, r.size, tolerance), tolerance);
    free(x);
    free(r.x);
}

/* The latent is recorded as [1,1,C,s...]; here [s...,C]. */
static void compare_latent(tally *t, const network *w, hid_t file, const void *ours)
{
    reference_data r = parity_read(file, "step/latent");
    size_t c = (size_t)w->o.lstm_width, pixels = r.n / c;
    double *x = malloc(r.n * sizeof *x), tolerance = parity_tolerance(&r, w->real == BK_F64);
    for (size_t i = 0; i < r.n; i++)
        x[i] = real_get(ours, w->real, i % pixels * c + i / pixels);
    judge(t, "step/latent", parity_compare(&r, x, r.n, tolerance), tolerance);
    free(x);
    free(r.x);
}

static void run(const step_plan *s)
{
    status st = plan_run(s->plan, s->bound, s->n_bound, NULL);
    if (st != OK)
        print_error("%s\n", status_text());
    assert_int_equal(st, OK);
}

static void compare_step(tally *t, const network *w, hid_t file, const step_plan *s)
{
    compare_latent(t, w, file, s->result[LATENT]);
    compare(t, w, file, "step/y_target", s->result[Y_TARGET], 1);
    compare(t, w, file, "step/y_source", s->result[Y_SOURCE], 1);
    compare(t, w, file, "step/y_cycle", s->result[Y_CYCLE], 1);
    compare(t, w, file, "step/rec_loss", s->result[REC], 0);
    compare(t, w, file, "step/cyc_loss", s->result[CYC], 0);
    for (int32_t k = 0; k < w->p.n; k++) {
        char path[256];
        snprintf(path, sizeof path, "grad/%s", w->p.list[k].name);
        compare(t, w, file, path, plan_held(s->plan, k), 0);
    }
}

/* Adam on every tensor. */
static void update(network *w, hid_t file, const step_plan *s, void *m, void *v, int64_t step)
{
    for (int32_t k = 0; k < w->p.n; k++) {
        size_t at = w->p.list[k].byte;
        const adam_arrays a = {tensor(w, k), plan_held(s->plan, k), (unsigned char *)m + at,
                               (unsigned char *)v + at};
        assert_int_equal(adam_step(w->e.dev.backend, w->e.dev.handle, w->real, w->p.list[k].count, &a,
                                   parity_attr(file, "lr", 0), parity_attr(file, "betas", 0),
                                   parity_attr(file, "betas", 1), parity_attr(file, "adam_eps", 0), step),
                         BK_OK);
    }
}

static void compare_run(tally *t, network *w, hid_t file, const step_plan *s)
{
    reference_data r = parity_read(file, "run/losses");
    double tolerance = parity_tolerance(&r, w->real == BK_F64);
    int64_t steps = (int64_t)parity_attr(file, "steps", 0);
    void *m, *v;
    assert_int_equal(mem_zeros(&w->e.m, w->p.bytes, 1, &m), OK);
    assert_int_equal(mem_zeros(&w->e.m, w->p.bytes, 1, &v), OK);
    for (int64_t i = 0; i < steps; i++) {
        run(s);
        for (int k = 0; k < 2; k++) {
            char path[64];
            double ours = real_get(s->result[REC + k], w->real, 0);
            snprintf(path, sizeof path, "run/losses[%d][%d]", (int)i, k);
            judge(t, path, fabs(ours - r.x[2 * i + k]) / tolerance, tolerance);
        }
        assert_int_equal(w->e.dev.backend->begin(w->e.dev.handle), BK_OK);
        update(w, file, s, m, v, i + 1);
        w->e.dev.backend->end(w->e.dev.handle);
    }
    mem_give(&w->e.m, m);
    mem_give(&w->e.m, v);
    free(r.x);
}

static void equals_the_recorded_results(const char *name)
{
    int failures = 0;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        hid_t file = open_file(name);
        if (file < 0) {
            print_message("%s is not in %s: skipped\n", name, folder());
            skip();
        }
        network w = {0};
        step_plan s;
        tally t = {0};
        if (!open_network(&w, &targets[i])) {
            print_message("  %s: not in this build\n", targets[i].name);
            H5Fclose(file);
            continue;
        }
        read_options(&w, file);
        list_tensors(&w);
        read_weights(&w, file);
        make_step(&w, file, &s);
        run(&s);
        compare_step(&t, &w, file, &s);
        compare_run(&t, &w, file, &s);
        print_message("  %s, %s: worst %.3f of a tolerance (%s)\n", name, targets[i].name, t.worst, t.name);
        failures += t.failures;
        close_step(&w, &s);
        close_network(&w);
        H5Fclose(file);
    }
    assert_int_equal(failures, 0);
}

static void two_dimensions_one_time_point(void **state)
{
    (void)state;
    equals_the_recorded_results("seq2seq_2d_t1.h5");
}

static void two_dimensions_three_time_points(void **state)
{
    (void)state;
    equals_the_recorded_results("seq2seq_2d_t3.h5");
}

static void three_dimensions(void **state)
{
    (void)state;
    equals_the_recorded_results("seq2seq_3d_t1.h5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_dimensions_one_time_point),
        cmocka_unit_test(two_dimensions_three_time_points),
        cmocka_unit_test(three_dimensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
