/* SPDX-License-Identifier: Apache-2.0 */
/* test_lars_parity.c - three steps of LARS on recorded tensors and gradients against those of Barlow Twins'
 * code, in float64: matrices and filters, vectors, zeros among weights and gradients, with and without decay.
 *
 * The recorded file is blockwise.h5 in the folder SLMT_PARITY_DIR, or ../shared/parity. Each vector is tried
 * a second time with 0.024 of the rate, as Barlow Twins has it, and a rate larger by as much. */
#include "core/method.h"
#include "lib/plan.h"
#include "train/optimizers/optimizer.h"
#include "tests/engine/engine_host.h"
#include "tests/methods/parity_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h> /* last: its fail() is a macro, ours a function */

enum { WEIGHT, GRADIENT, MOMENTUM, EXACT, SCALAR0, SLOTS = SCALAR0 + OPTIMIZER_SCALARS, STEPS = 3 };

static hid_t recorded;

/* One recorded case: a tensor, its gradients, and what three steps made of it. */
typedef struct recording {
    hid_t at;
    bk_shape shape;
    optimizer_settings set;
    reference_data start, gradients, weights, momentum;
} recording;

static bk_shape shape_at(hid_t at, const char *name)
{
    hsize_t dims[BK_MAX_RANK] = {0};
    bk_shape shape = {.dtype = BK_F64};
    hid_t d = H5Dopen2(at, name, H5P_DEFAULT), space = H5Dget_space(d);
    shape.rank = H5Sget_simple_extent_dims(space, dims, NULL);
    for (int32_t i = 0; i < shape.rank; i++)
        shape.dim[i] = (int64_t)dims[i];
    H5Sclose(space);
    H5Dclose(d);
    return shape;
}

static recording recording_at(hid_t at)
{
    recording r = {.at = at, .shape = shape_at(at, "start")};
    r.set = (optimizer_settings){.momentum = parity_attr(at, "momentum", 0),
                                 .weight_decay = parity_attr(at, "weight_decay", 0),
                                 .trust = parity_attr(at, "eta", 0),
                                 .vector_rate = 1};
    r.start = parity_read(at, "start");
    r.gradients = parity_read(at, "gradients");
    r.weights = parity_read(at, "weights");
    r.momentum = parity_read(at, "mu");
    return r;
}

static void recording_free(recording *r)
{
    free(r->start.x);
    free(r->gradients.x);
    free(r->weights.x);
    free(r->momentum.x);
}

static plan *plan_of(engine *e, const recording *r)
{
    graph *g;
    plan *p;
    assert_int_equal(graph_create(&e->m, BK_F64, &g), OK);
    update_values u = {.g = g, .set = &r->set};
    u.weight = graph_state(g, WEIGHT, r->shape);
    u.gradient = graph_bound(g, GRADIENT, r->shape);
    u.state[0] = graph_state(g, MOMENTUM, r->shape);
    u.exact = graph_bound(g, EXACT, shape_of(BK_F64, 1, (const int64_t[]){OPTIMIZER_SCALARS}));
    for (int32_t i = 0; i < OPTIMIZER_SCALARS; i++)
        u.scalar[i] = graph_bound(g, SCALAR0 + i, shape_of(BK_F64, 0, NULL));
    optimizer_lars.build(&u);
    assert_int_equal(plan_create(g, e->dev, PLAN_ARENA | PLAN_IN_PLACE, &p), OK);
    graph_free(g);
    return p;
}

static void expect_step(const char *name, int step, reference_data *all, const double *ours, size_t n)
{
    reference_data one = *all;
    one.x += (size_t)step * n;
    one.n = one.size = n;
    double worst = parity_compare(&one, ours, n, parity_tolerance(&one, 1));
    if (!(worst <= 1))
        fail_msg("%s after step %d deviates by %g tolerances", name, step, worst);
}

/* factor: what vectors have of the rate, which is larger by as much. */
static void run_recording(recording *r, double factor)
{
    engine e;
    size_t n = r->start.n;
    double exact[OPTIMIZER_SCALARS], *w = calloc(2 * n, sizeof(double)), *momentum = w + n;
    void *bound[SLOTS] = {w, NULL, momentum, exact, exact, exact + 1, exact + 2};
    memcpy(w, r->start.x, n * sizeof *w);
    r->set.vector_rate = factor;
    assert_int_equal(engine_open(&e, bk_reference()), BK_OK);
    plan *p = plan_of(&e, r);
    for (int step = 0; step < STEPS; step++) {
        double rate = parity_attr(r->at, "lr", step);
        bound[GRADIENT] = r->gradients.x + (size_t)step * n;
        optimizer_lars.scalars(&r->set, rate / factor, step + 1, exact);
        assert_int_equal(plan_run(p, bound, SLOTS, NULL), OK);
        expect_step("the tensor", step, &r->weights, w, n);
        expect_step("its momentum", step, &r->momentum, momentum, n);
    }
    plan_free(p);
    assert_true(engine_close(&e));
    free(w);
}

static herr_t run_case(hid_t group, const char *name, const H5L_info_t *info, void *vectors)
{
    (void)info;
    hid_t at = H5Gopen2(group, name, H5P_DEFAULT);
    recording r = recording_at(at);
    print_message("lars/%s\n", name);
    assert_int_equal(r.gradients.n, STEPS * r.start.n);
    run_recording(&r, 1);
    if (r.shape.rank == 1) {
        run_recording(&r, 0.024);
        ++*(int *)vectors;
    }
    recording_free(&r);
    H5Gclose(at);
    return 0;
}

static void three_steps_of_every_recorded_tensor_are_those_of_barlow_twins(void **state)
{
    int vectors = 0;
    (void)state;
    hid_t lars = H5Gopen2(recorded, "lars", H5P_DEFAULT);
    H5Literate(lars, H5_INDEX_NAME, H5_ITER_INC, NULL, run_case, &vectors);
    H5Gclose(lars);
    assert_true(vectors > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_steps_of_every_recorded_tensor_are_those_of_barlow_twins),
    };
    char path[1024];
    const char *given = getenv("SLMT_PARITY_DIR");
    snprintf(path, sizeof path, "%s/blockwise.h5", given ? given : SLMT_SOURCE_DIR "/../shared/parity");
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("skipped: there is no %s\n", path);
        return 77;
    }
    fclose(f);
    recorded = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    H5Fclose(recorded);
    return failed;
}
