/* SPDX-License-Identifier: Apache-2.0 */
/* test_unet_parity.c - the U-Net with batch norm as the segmentation notes have it, against recorded results
 * of PyTorch: logits, losses, every gradient and the running statistics, in training and in inference, at odd
 * sizes.
 *
 * The recorded file is seg_nets.h5 in the folder SLMT_PARITY_DIR, or ../shared/parity: each of its groups
 * that is a U-Net whose convolutions keep the size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "lib/plan.h"
#include "methods/unet/unet.h"
#include "nn/losses.h"
#include "tests/methods/parity_table.h"

#include "tests/engine/engine_host.h"

#include <cmocka.h> /* last: it has a macro fail() */

enum { INPUT, LABELS, LOGITS, TOTAL, CE, DICE, EXTRA };

typedef struct network {
    engine e;
    bk_dtype real;
    unet_options o;
    int64_t batch, channels, classes, rows, columns;
    params p;
    void *bound[256];
    plan *plan;
    int failures;
    double worst;
} network;

/* ---- the recorded file ---- */

/* ---- the network ---- */

static void *room(network *w, size_t count)
{
    void *p;
    assert_int_equal(mem_zeros(&w->e.m, count, sizeof(double), &p), OK);
    return p;
}

static size_t pixels_of(const network *w)
{
    return (size_t)(w->batch * w->rows * w->columns);
}

static void open_network(network *w, const bk_backend *backend, bk_dtype real, hid_t group)
{
    reference_data shapes = parity_read(group, "shapes");
    *w = (network){.real = real, .o = {.depth = 5, .norm = BLOCK_BATCH, .upsampling = UP_TRANSPOSED}};
    w->o.width = (int32_t)shapes.x[0];
    free(shapes.x);
    w->batch = (int64_t)parity_attr(group, "batch", 0);
    w->channels = (int64_t)parity_attr(group, "cin", 0);
    w->classes = (int64_t)parity_attr(group, "k", 0);
    w->rows = (int64_t)parity_attr(group, "size", 0);
    w->columns = (int64_t)parity_attr(group, "size", 1);
    assert_int_equal(engine_open(&w->e, backend), BK_OK);
    params_init(&w->p, &w->e.m, real, real);
    unet_params(&w->p, &w->o, w->channels, w->classes);
    assert_int_equal(w->p.error, OK);
    size_t sizes[EXTRA] = {
        pixels_of(w) * (size_t)w->channels, pixels_of(w), pixels_of(w) * (size_t)w->classes, 1, 1, 1};
    for (int32_t k = 0; k < w->p.n + EXTRA; k++)
        w->bound[k] = room(w, k < w->p.n ? w->p.list[k].count : sizes[k - w->p.n]);
    parity_fill(&w->p, w->bound, w->real, group, "names", "init", "tag");
    parity_fill(&w->p, w->bound, w->real, group, "buffer_names", "buffer_init", "tag");
}

static void close_network(network *w)
{
    for (int32_t k = 0; k < w->p.n + EXTRA; k++)
        mem_give(&w->e.m, w->bound[k]);
    params_clear(&w->p);
    assert_true(engine_close(&w->e));
}

/* From [B,C,H,W] as recorded to [B,H,W,C]. */
static size_t channels_last(const network *w, size_t at, size_t channels)
{
    size_t pixels = (size_t)(w->rows * w->columns), sample = at / (channels * pixels);
    return (sample * pixels + at % pixels) * channels + at / pixels % channels;
}

static void read_images(network *w, hid_t group)
{
    reference_data input = parity_read(group, "input"), labels = parity_read(group, "labels");
    for (size_t i = 0; i < input.n; i++)
        real_set(w->bound[w->p.n + INPUT], w->real, channels_last(w, i, (size_t)w->channels), input.x[i]);
    for (size_t i = 0; i < labels.n; i++)
        ((int32_t *)w->bound[w->p.n + LABELS])[i] = (int32_t)labels.x[i];
    free(input.x);
    free(labels.x);
}

static void plan_step(network *w, norm_statistics from, double smooth)
{
    graph *g;
    nn n;
    value wrt[256], gradient[256];
    int32_t of[256], count = 0;
    assert_int_equal(graph_create(&w->e.m, w->real, &g), OK);
    assert_int_equal(nn_open(&n, g, &w->p, "", 0), OK);
    const int64_t image[] = {w->batch, w->rows, w->columns, w->channels};
    value x = graph_bound(g, w->p.n + INPUT, shape_of(w->real, 4, image));
    value label = graph_bound(g, w->p.n + LABELS, shape_of(BK_I32, 3, image));
    value logits = unet_forward(&n, &w->o, x, from);
    label_options all = label_defaults();
    value ce = loss_cross_entropy(g, logits, label, &all);
    value dice = loss_dice(g, op_softmax(g, logits), op_one_hot(g, label, w->classes, -1), NONE,
                           (dice_options){.smooth = smooth});
    value total = op_add(g, ce, dice), results[] = {logits, total, ce, dice};
    for (int i = 0; i < 4; i++)
        graph_output(g, results[i], w->p.n + LOGITS + i);
    for (int32_t k = 0; k < w->p.n; k++)
        if (param_trained(&w->p.list[k])) {
            of[count] = k;
            wrt[count++] = n.weights[k];
        }
    assert_int_equal(graph_gradients(g, total, wrt, count, gradient), OK);
    for (int32_t i = 0; i < count; i++)
        graph_hold(g, gradient[i], of[i]);
    assert_int_equal(graph_status(g), OK);
    nn_close(&n);
    assert_int_equal(plan_create(g, w->e.dev, PLAN_ARENA, &w->plan), OK);
    graph_free(g);
}

/* ---- comparing ---- */

static void judge(network *w, const char *what, double deviation, double tolerance)
{
    if (!(deviation <= tolerance))
        print_error("  %s: off by %g, tolerance %g\n", what, deviation, tolerance);
    w->failures += !(deviation <= tolerance);
    w->worst = fmax(w->worst, deviation / tolerance);
}

/* Entries at flat indices j * size / n of [B,K,H,W]. */
static void compare_logits(network *w, hid_t group, const char *path)
{
    reference_data r = parity_read(group, path);
    size_t classes = (size_t)w->classes, size = pixels_of(w) * classes;
    double worst = 0;
    for (size_t j = 0; j < r.n; j++) {
        size_t at = size <= r.n ? j : j * size / r.n;
        worst = fmax(worst, fabs(real_get(w->bound[w->p.n + LOGITS], w->real, channels_last(w, at, classes)) -
                                 r.x[j]));
    }
    judge(w, path, worst, parity_bound(w->real, r.fp32_err, parity_max_abs(r.x, r.n)));
    free(r.x);
}

static void compare_losses(network *w, hid_t group, const char *path)
{
    reference_data r = parity_read(group, path);
    double tolerance = parity_bound(w->real, r.fp32_err, parity_max_abs(r.x, 3));
    for (int i = 0; i < 3; i++)
        judge(w, path, fabs(real_get(w->bound[w->p.n + TOTAL + i], w->real, 0) - r.x[i]), tolerance);
    free(r.x);
}

/* gradients: what the plan holds; else the bound tensors. */
static void compare_table(network *w, hid_t group, const char *names, const char *table, int gradients)
{
    char err_name[64], name[PARAM_NAME_MAX];
    snprintf(err_name, sizeof err_name, "%s_err", table);
    reference_data r = parity_read(group, table), err = parity_read(group, err_name);
    parity_names all = parity_names_open(group, names);
    double top = 0;
    for (size_t k = 0; k < err.n; k++)
        top = fmax(top, parity_row_top(r.x + 18 * k, w->p.list[parity_tensor(&w->p, &all, k, name)].count));
    for (size_t k = 0; k < err.n; k++) {
        int32_t index = parity_tensor(&w->p, &all, k, name);
        size_t size = w->p.list[index].count;
        double own = parity_row_top(r.x + 18 * k, size);
        if (w->real == BK_F64 && gradients)
            own = fmax(own, 1e-3 * top);
        const void *ours = gradients ? plan_held(w->plan, index) : w->bound[index];
        judge(w, name, parity_row_deviation(r.x + 18 * k, ours, w->real, size, NULL),
              parity_bound(w->real, err.x[k], own));
    }
    free(all.all);
    free(r.x);
    free(err.x);
}

static void compare_mode(network *w, hid_t group, double smooth, int training)
{
    plan_step(w, training ? NORM_UPDATE : NORM_RUNNING, smooth);
    assert_int_equal(plan_run(w->plan, w->bound, w->p.n + EXTRA, NULL), OK);
    compare_logits(w, group, training ? "logits_train" : "logits_eval");
    compare_losses(w, group, training ? "loss_train" : "loss_eval");
    compare_table(w, group, "names", training ? "grad_train" : "grad_eval", 1);
    if (training) {
        plan_assign(w->plan, w->bound);
        compare_table(w, group, "buffer_names", "running_after", 0);
    }
    plan_free(w->plan);
}

static void compare_group(hid_t file, hid_t group, const char *name, const bk_backend *backend, bk_dtype real)
{
    network w;
    open_network(&w, backend, real, group);
    read_images(&w, group);
    compare_mode(&w, group, parity_attr(file, "dice_smooth", 0), 0); /* before the estimates move */
    compare_mode(&w, group, parity_attr(file, "dice_smooth", 0), 1);
    print_message("  %s, %s: worst %.3f of a tolerance\n", name, real == BK_F64 ? "float64" : "float32",
                  w.worst);
    int failures = w.failures;
    close_network(&w);
    assert_int_equal(failures, 0);
}

static int is_ours(hid_t group)
{
    char net[64];
    parity_text(group, "net", net);
    return strcmp(net, "unet") == 0 &&
           (H5Aexists(group, "valid") <= 0 || parity_attr(group, "valid", 0) == 0);
}

static void equals_the_recorded_results(const bk_backend *backend, bk_dtype real)
{
    int seen = 0;
    hid_t file = parity_open(PARITY_FOLDER, "seg_nets.h5");
    H5G_info_t info;
    if (file < 0)
        skip();
    H5Gget_info(file, &info);
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[64];
        H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        hid_t group = H5Gopen2(file, name, H5P_DEFAULT);
        if (is_ours(group)) {
            compare_group(file, group, name, backend, real);
            seen++;
        }
        H5Gclose(group);
    }
    H5Fclose(file);
    assert_true(seen > 0);
}

static void in_float64(void **state)
{
    (void)state;
    equals_the_recorded_results(bk_reference(), BK_F64);
}

static void in_float32(void **state)
{
    (void)state;
    equals_the_recorded_results(bk_cpu(), BK_F32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_float64),
        cmocka_unit_test(in_float32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
