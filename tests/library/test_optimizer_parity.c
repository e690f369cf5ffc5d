/* SPDX-License-Identifier: Apache-2.0 */
/* test_optimizer_parity.c - steps of the optimisers on recorded tensors and gradients, in float64, against
 * those of PyTorch's SGD, Adam and AdamW (optim.h5) and of Barlow Twins' LARS (blockwise.h5): weights and
 * state after each step, with and without decay, of matrices, filters, vectors, and zeros among weights and
 * gradients.
 *
 * The recorded files are in the folder SLMT_PARITY_DIR, or ../shared/parity. */
#include "core/method.h"
#include "lib/plan.h"
#include "train/optimizers/optimizer.h"
#include "tests/engine/engine_host.h"
#include "tests/methods/parity_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h> /* last: its fail() is a macro, ours a function */

enum { WEIGHT, GRADIENT, STATE0, EXACT = STATE0 + OPTIMIZER_STATES, SCALAR0 };
enum { SLOTS = SCALAR0 + OPTIMIZER_SCALARS };

/* Steps of one tensor. */
typedef struct recording {
    const optimizer *optimizer;
    optimizer_settings set;
    hid_t at; /* whose attribute lr has the rate of each step */
    int steps;
    bk_shape shape;
    reference_data start, gradients;
    reference_data weights, state[OPTIMIZER_STATES]; /* after each step; x NULL: not recorded */
} recording;

/* ---- reading ---- */

static bk_shape shape_at(hid_t at, const char *path)
{
    hsize_t dims[BK_MAX_RANK] = {0};
    bk_shape shape = {.dtype = BK_F64};
    hid_t d = H5Dopen2(at, path, H5P_DEFAULT), space = H5Dget_space(d);
    shape.rank = H5Sget_simple_extent_dims(space, dims, NULL);
    for (int32_t i = 0; i < shape.rank; i++)
        shape.dim[i] = (int64_t)dims[i];
    H5Sclose(space);
    H5Dclose(d);
    return shape;
}

/* Attribute `name`, or `otherwise` where there is none. */
static double attr_or(hid_t at, const char *name, double otherwise)
{
    return H5Aexists(at, name) > 0 ? parity_attr(at, name, 0) : otherwise;
}

static void recording_free(recording *r)
{
    free(r->start.x);
    free(r->gradients.x);
    free(r->weights.x);
    for (int i = 0; i < OPTIMIZER_STATES; i++)
        free(r->state[i].x);
}

/* ---- running ---- */

static plan *plan_of(engine *e, const recording *r)
{
    graph *g;
    plan *p;
    assert_int_equal(graph_create(&e->m, BK_F64, &g), OK);
    update_values u = {.g = g, .set = &r->set};
    u.weight = graph_state(g, WEIGHT, r->shape);
    u.gradient = graph_bound(g, GRADIENT, r->shape);
    for (int32_t i = 0; i < r->optimizer->n_states; i++)
        u.state[i] = graph_state(g, STATE0 + i, r->shape);
    u.exact = graph_bound(g, EXACT, shape_of(BK_F64, 1, (const int64_t[]){OPTIMIZER_SCALARS}));
    for (int32_t i = 0; i < OPTIMIZER_SCALARS; i++)
        u.scalar[i] = graph_bound(g, SCALAR0 + i, shape_of(BK_F64, 0, NULL));
    r->optimizer->build(&u);
    assert_int_equal(plan_create(g, e->dev, PLAN_ARENA | PLAN_IN_PLACE, &p), OK);
    graph_free(g);
    return p;
}

static void expect_step(const char *what, int step, const reference_data *all, const double *ours, size_t n)
{
    reference_data one = *all;
    if (!all->x)
        return;
    one.x += (size_t)step * n;
    one.n = one.size = n;
    double worst = parity_compare(&one, ours, n, parity_tolerance(&one, 1));
    if (!(worst <= 1))
        fail_msg("%s after step %d deviates by %g tolerances", what, step, worst);
}

/* Runs the steps with rates times `factor`. */
static void run_recording(const recording *r, double factor)
{
    engine e;
    size_t n = r->start.n;
    double exact[OPTIMIZER_SCALARS], *w = calloc((1 + OPTIMIZER_STATES) * n, sizeof *w);
    void *bound[SLOTS] = {[WEIGHT] = w, [EXACT] = exact};
    assert_int_equal(r->gradients.n, (size_t)r->steps * n);
    memcpy(w, r->start.x, n * sizeof *w);
    for (int i = 0; i < OPTIMIZER_STATES; i++)
        bound[STATE0 + i] = w + (size_t)(1 + i) * n;
    for (int i = 0; i < OPTIMIZER_SCALARS; i++)
        bound[SCALAR0 + i] = exact + i;
    assert_int_equal(engine_open(&e, bk_reference()), BK_OK);
    plan *p = plan_of(&e, r);
    for (int step = 0; step < r->steps; step++) {
        bound[GRADIENT] = r->gradients.x + (size_t)step * n;
        r->optimizer->scalars(&r->set, parity_attr(r->at, "lr", step) * factor, step + 1, exact);
        assert_int_equal(plan_run(p, bound, SLOTS, NULL), OK);
        expect_step("the tensor", step, &r->weights, w, n);
        for (int i = 0; i < r->optimizer->n_states; i++)
            expect_step(r->optimizer->states[i].name, step, &r->state[i], bound[STATE0 + i], n);
    }
    plan_free(p);
    assert_true(engine_close(&e));
    free(w);
}

/* ---- blockwise.h5: LARS ---- */

static recording lars_at(hid_t at)
{
    return (recording){.optimizer = &optimizer_lars,
                       .set = {.momentum = parity_attr(at, "momentum", 0),
                               .weight_decay = parity_attr(at, "weight_decay", 0),
                               .trust = parity_attr(at, "eta", 0),
                               .vector_rate = 1},
                       .at = at,
                       .steps = 3,
                       .shape = shape_at(at, "start"),
                       .start = parity_read(at, "start"),
                       .gradients = parity_read(at, "gradients"),
                       .weights = parity_read(at, "weights"),
                       .state = {parity_read(at, "mu")}};
}

/* A vector comes to the same with 0.024 of a rate that is larger by as much, as Barlow Twins has it. */
static herr_t run_lars(hid_t group, const char *name, const H5L_info_t *info, void *vectors)
{
    (void)info;
    hid_t at = H5Gopen2(group, name, H5P_DEFAULT);
    recording r = lars_at(at);
    print_message("lars/%s\n", name);
    run_recording(&r, 1);
    if (r.shape.rank == 1) {
        r.set.vector_rate = 0.024;
        run_recording(&r, 1 / 0.024);
        ++*(int *)vectors;
    }
    recording_free(&r);
    H5Gclose(at);
    return 0;
}

static hid_t open_recorded(const char *name)
{
    hid_t file = parity_open(PARITY_FOLDER, name);
    if (file < 0)
        skip();
    return file;
}

static void lars_makes_the_steps_of_barlow_twins(void **state)
{
    int vectors = 0;
    (void)state;
    hid_t file = open_recorded("blockwise.h5"), lars = H5Gopen2(file, "lars", H5P_DEFAULT);
    H5Literate(lars, H5_INDEX_NAME, H5_ITER_INC, NULL, run_lars, &vectors);
    H5Gclose(lars);
    H5Fclose(file);
    assert_true(vectors > 0);
}

/* ---- optim.h5: SGD, Adam, AdamW ---- */

static int has_rule(hid_t at, const char *rule)
{
    char text[64] = "";
    hid_t a = H5Aopen(at, "rule", H5P_DEFAULT), type = H5Aget_type(a);
    if (H5Tget_size(type) < sizeof text)
        H5Aread(a, type, text);
    H5Tclose(type);
    H5Aclose(a);
    return strcmp(text, rule) == 0;
}

/* The row that a case is of; NULL: there is none. */
static const optimizer *optimizer_of(hid_t at)
{
    if (has_rule(at, "sgd"))
        return attr_or(at, "dampening", 0) == 0 ? &optimizer_sgd : NULL;
    if (!has_rule(at, "adam") || attr_or(at, "amsgrad", 0) != 0 || attr_or(at, "exclude", 0) != 0)
        return NULL;
    return attr_or(at, "decoupled", 0) != 0 ? &optimizer_adamw : &optimizer_adam;
}

static reference_data read_if_there(hid_t at, const char *group, const char *tensor)
{
    char path[256];
    snprintf(path, sizeof path, "out/%s", group);
    if (H5Lexists(at, path, H5P_DEFAULT) <= 0)
        return (reference_data){.x = NULL};
    snprintf(path, sizeof path, "out/%s/%s", group, tensor);
    return parity_read(at, path);
}

typedef struct recorded_case {
    hid_t file, at;
    const optimizer *optimizer;
    int run; /* cases, and tensors of them */
} recorded_case;

static herr_t run_tensor(hid_t theta, const char *tensor, const H5L_info_t *info, void *user)
{
    recorded_case *c = user;
    char path[256];
    (void)info;
    snprintf(path, sizeof path, "problem/grad/%s", tensor);
    recording r = {.optimizer = c->optimizer,
                   .set = {.beta1 = attr_or(c->at, "beta1", 0),
                           .beta2 = attr_or(c->at, "beta2", 0),
                           .epsilon = attr_or(c->at, "eps", 0),
                           .momentum = attr_or(c->at, "momentum", 0),
                           .nesterov = attr_or(c->at, "nesterov", 0),
                           .weight_decay = attr_or(c->at, "weight_decay", 0)},
                   .at = c->at,
                   .steps = (int)parity_attr(c->at, "steps", 0),
                   .shape = shape_at(theta, tensor),
                   .start = parity_read(theta, tensor),
                   .gradients = parity_read(c->file, path),
                   .weights = read_if_there(c->at, "theta", tensor)};
    int adam = c->optimizer != &optimizer_sgd;
    assert_non_null(r.weights.x);
    r.state[0] = read_if_there(c->at, adam ? "exp_avg" : "momentum_buffer", tensor);
    r.state[1] = read_if_there(c->at, "exp_avg_sq", tensor);
    run_recording(&r, 1);
    recording_free(&r);
    c->run++;
    return 0;
}

static herr_t run_case(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    recorded_case *c = user;
    (void)info;
    c->at = H5Gopen2(group, name, H5P_DEFAULT);
    c->optimizer = optimizer_of(c->at);
    if (c->optimizer) {
        print_message("optimiser/%s\n", name);
        hid_t theta = H5Gopen2(c->file, "problem/theta", H5P_DEFAULT);
        H5Literate(theta, H5_INDEX_NAME, H5_ITER_INC, NULL, run_tensor, c);
        H5Gclose(theta);
    }
    H5Gclose(c->at);
    return 0;
}

static void sgd_adam_and_adamw_make_the_steps_of_pytorch(void **state)
{
    (void)state;
    recorded_case c = {.file = open_recorded("optim.h5")};
    hid_t all = H5Gopen2(c.file, "optimiser", H5P_DEFAULT);
    H5Literate(all, H5_INDEX_NAME, H5_ITER_INC, NULL, run_case, &c);
    H5Gclose(all);
    H5Fclose(c.file);
    assert_true(c.run > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lars_makes_the_steps_of_barlow_twins),
        cmocka_unit_test(sgd_adam_and_adamw_make_the_steps_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
