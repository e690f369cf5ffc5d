/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing, pooling with indices, bilinear kernels and the polynomial schedule, against what PyTorch gave, as
 * recorded in the group `ops` of seg_losses_metrics.h5 (SLMT_PARITY_DIR, or ../shared/parity): in float64 on
 * the reference backend, in float32 on cpu. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/params.h"
#include "core/training.h"
#include "lib/ops.h"
#include "tests/engine/engine_host.h"
#include "tests/methods/parity_file.h"
#include "train/schedules/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MOST = 4096 };

/* ---- a function of one image on a backend ---- */

typedef struct sheet {
    engine e;
    graph *g;
    bk_dtype real;
    value x;
    bk_shape shape;
    void *bound[4]; /* x, the result, its gradient or an index */
} sheet;

/* [B,C,H,W] as PyTorch has it to [B,H,W,C], or back. */
static void move_channels(const double *from, const int64_t d[4], double *to, int back)
{
    int64_t space = d[2] * d[3];
    for (int64_t b = 0; b < d[0]; b++)
        for (int64_t c = 0; c < d[1]; c++)
            for (int64_t i = 0; i < space; i++) {
                int64_t first = (b * d[1] + c) * space + i, last = (b * space + i) * d[1] + c;
                if (back)
                    to[first] = from[last];
                else
                    to[last] = from[first];
            }
}

static double get(const sheet *s, int slot, int64_t i)
{
    return s->real == BK_F32 ? ((float *)s->bound[slot])[i] : ((double *)s->bound[slot])[i];
}

static void sheet_open(sheet *s, int cpu, const double *x, const int64_t d[4])
{
    static double moved[MOST];
    memset(s, 0, sizeof *s);
    s->real = cpu ? BK_F32 : BK_F64;
    assert_int_equal(engine_open(&s->e, cpu ? bk_cpu() : bk_reference()), BK_OK);
    assert_int_equal(graph_create(&s->e.m, s->real, &s->g), OK);
    s->shape = shape_of(s->real, 4, (const int64_t[]){d[0], d[2], d[3], d[1]});
    assert_true(bk_count(&s->shape) <= MOST);
    for (int i = 0; i < 4; i++)
        s->bound[i] = calloc(MOST, sizeof(double));
    move_channels(x, d, moved, 0);
    for (int64_t i = 0; i < bk_count(&s->shape); i++)
        if (cpu)
            ((float *)s->bound[0])[i] = (float)moved[i];
        else
            ((double *)s->bound[0])[i] = moved[i];
    s->x = graph_bound(s->g, 0, s->shape);
}

static void sheet_run(sheet *s, int slots)
{
    plan *made;
    assert_int_equal(graph_status(s->g), OK);
    assert_int_equal(plan_create(s->g, s->e.dev, 1, &made), OK);
    assert_int_equal(plan_run(made, s->bound, slots, NULL), OK);
    plan_free(made);
}

static void sheet_close(sheet *s)
{
    for (int i = 0; i < 4; i++)
        free(s->bound[i]);
    graph_free(s->g);
    assert_true(engine_close(&s->e));
}

/* Compares bound array `slot`, [B,H,W,C], with a recording [B,C,H,W]. */
static void compare(const sheet *s, int slot, const reference_data *want, const int64_t d[4],
                    const char *name)
{
    static double ours[MOST], moved[MOST];
    double limit = parity_tolerance(want, s->real == BK_F64);
    assert_int_equal((int64_t)want->n, d[0] * d[1] * d[2] * d[3]);
    for (size_t i = 0; i < want->n; i++)
        ours[i] = get(s, slot, (int64_t)i);
    move_channels(ours, d, moved, 1);
    for (size_t i = 0; i < want->n; i++)
        if (!(fabs(moved[i] - want->x[i]) <= limit))
            fail_msg("%s: number %d is %.12g, not %.12g", name, (int)i, moved[i], want->x[i]);
}

static void extents(hid_t group, const char *name, int64_t d[4])
{
    hsize_t dim[4];
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT), space = H5Dget_space(set);
    assert_int_equal(H5Sget_simple_extent_dims(space, dim, NULL), 4);
    for (int i = 0; i < 4; i++)
        d[i] = (int64_t)dim[i];
    H5Sclose(space);
    H5Dclose(set);
}

/* ---- resizing ---- */

typedef value (*resize)(graph *g, value x, const int64_t *size);

static void check_resize(hid_t group, const char *name, resize way)
{
    char gradient[64];
    int64_t from[4], to[4];
    snprintf(gradient, sizeof gradient, "%s_grad", name);
    extents(group, "input", from);
    extents(group, name, to);
    reference_data x = parity_read(group, "input"), r = parity_read(group, "R"), y = parity_read(group, name),
                   dx = parity_read(group, gradient);
    for (int cpu = 0; cpu < 2; cpu++) {
        sheet s;
        static double weight[MOST];
        sheet_open(&s, cpu, x.x, from);
        value made = way(s.g, s.x, to + 2), d;
        bk_shape shape = *graph_shape(s.g, made);
        move_channels(r.x, to, weight, 0);
        value sum = op_sum_all(s.g, op_mul(s.g, made, graph_constant(s.g, shape, weight)));
        assert_int_equal(graph_gradients(s.g, sum, &s.x, 1, &d), OK);
        graph_output(s.g, made, 1);
        graph_output(s.g, d, 2);
        sheet_run(&s, 3);
        compare(&s, 1, &y, to, name);
        compare(&s, 2, &dx, from, gradient);
        sheet_close(&s);
    }
    free(x.x);
    free(r.x);
    free(y.x);
    free(dx.x);
}

static herr_t check_resizes(hid_t parent, const char *name, const H5L_info_t *info, void *user)
{
    int *done = user;
    hid_t group = H5Gopen2(parent, name, H5P_DEFAULT);
    (void)info;
    check_resize(group, "bilinear", op_resize_linear);
    check_resize(group, "corners", op_resize_corners);
    check_resize(group, "nearest", op_resize_nearest);
    check_resize(group, "adaptive_avg", op_adaptive_average_pool);
    H5Gclose(group);
    ++*done;
    return 0;
}

static hid_t file, ops;

static int open_file(void **state)
{
    (void)state;
    file = parity_open(PARITY_FOLDER, "seg_losses_metrics.h5");
    ops = file < 0 ? -1 : H5Gopen2(file, "ops", H5P_DEFAULT);
    return 0;
}

static int close_file(void **state)
{
    (void)state;
    if (ops >= 0) {
        H5Gclose(ops);
        H5Fclose(file);
    }
    return 0;
}

static hid_t group_of(const char *name)
{
    if (ops < 0)
        skip();
    return H5Gopen2(ops, name, H5P_DEFAULT);
}

static void images_are_resized_as_recorded_with_their_gradients(void **state)
{
    (void)state;
    int done = 0;
    hid_t group = group_of("resize");
    assert_true(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, check_resizes, &done) >= 0);
    H5Gclose(group);
    assert_true(done > 0);
}

/* ---- pooling ---- */

static void check_pool(hid_t group, int cpu, const pool_window *window, const char *name,
                       const char *index_name)
{
    int64_t from[4], to[4];
    sheet s;
    value index;
    extents(group, "input", from);
    extents(group, name, to);
    reference_data x = parity_read(group, "input"), y = parity_read(group, name);
    sheet_open(&s, cpu, x.x, from);
    value made = op_max_pool(s.g, s.x, window, &index);
    graph_output(s.g, made, 1);
    graph_output(s.g, index, 2);
    graph_output(s.g, op_unpool(s.g, made, index, from + 2), 3);
    sheet_run(&s, 4);
    compare(&s, 1, &y, to, name);
    if (index_name) {
        static double ours[MOST], moved[MOST];
        reference_data want = parity_read(group, index_name);
        for (size_t i = 0; i < want.n; i++)
            ours[i] = ((int32_t *)s.bound[2])[i];
        move_channels(ours, to, moved, 1);
        for (size_t i = 0; i < want.n; i++)
            assert_true(moved[i] == want.x[i]);
        free(want.x);
    }
    if (!strcmp(name, "pooled")) {
        reference_data want = parity_read(group, "unpooled");
        compare(&s, 3, &want, from, "unpooled");
        free(want.x);
    }
    sheet_close(&s);
    free(x.x);
    free(y.x);
}

static void maxima_and_their_places_are_as_recorded_and_go_back_there(void **state)
{
    (void)state;
    static const pool_window plain = {.kernel = {2, 2}},
                             wide = {.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1}},
                             ceil = {.kernel = {2, 2}, .ceil = 1};
    hid_t group = group_of("pool_unpool");
    for (int cpu = 0; cpu < 2; cpu++) {
        check_pool(group, cpu, &plain, "pooled", "index");
        check_pool(group, cpu, &wide, "pooled_3s2", "index_3s2");
        check_pool(group, cpu, &ceil, "pooled_ceil", NULL);
    }
    H5Gclose(group);
}

/* ---- numbers ---- */

static herr_t check_kernel(hid_t parent, const char *name, const H5L_info_t *info, void *user)
{
    static double kernel[MOST];
    int *done = user;
    reference_data want = parity_read(parent, name);
    const int64_t side = (int64_t)lround(sqrt((double)want.n));
    params p;
    mem own;
    (void)info;
    mem_init(&own, NULL, NULL, NULL, 0);
    params_init(&p, &own, BK_F64, BK_F64);
    params_add(&p, INIT_BILINEAR, 1, 4, (const int64_t[]){1, 1, side, side}, "weight");
    params_fill(&p, 0, kernel);
    params_clear(&p);
    for (size_t i = 0; i < want.n; i++)
        if (!(fabs(kernel[i] - want.x[i]) <= 1e-15))
            fail_msg("%s: number %d is %.17g, not %.17g", name, (int)i, kernel[i], want.x[i]);
    free(want.x);
    ++*done;
    return 0;
}

static void bilinear_kernels_are_as_recorded(void **state)
{
    (void)state;
    int done = 0;
    hid_t group = group_of("bilinear_kernel");
    assert_true(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, check_kernel, &done) >= 0);
    H5Gclose(group);
    assert_true(done > 0);
}

static void the_polynomial_schedule_is_as_recorded(void **state)
{
    (void)state;
    hid_t group = group_of("poly");
    reference_data step = parity_read(group, "step"), rate = parity_read(group, "rate");
    const schedule *polynomial = schedule_at(SCHEDULE_POLYNOMIAL);
    schedule_point at = {.epochs = parity_attr(group, "steps", 0),
                         .peak = parity_attr(group, "lr", 0),
                         .power = parity_attr(group, "power", 0)};
    for (size_t i = 0; i < step.n; i++) {
        at.epoch = step.x[i];
        assert_true(fabs(polynomial->rate(&at) - rate.x[i]) <= 1e-15);
    }
    free(step.x);
    free(rate.x);
    H5Gclose(group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_resized_as_recorded_with_their_gradients),
        cmocka_unit_test(maxima_and_their_places_are_as_recorded_and_go_back_there),
        cmocka_unit_test(bilinear_kernels_are_as_recorded),
        cmocka_unit_test(the_polynomial_schedule_is_as_recorded),
    };
    return cmocka_run_group_tests(tests, open_file, close_file);
}
