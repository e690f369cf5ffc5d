/* SPDX-License-Identifier: Apache-2.0 */
/* stepper.c - one optimisation step. Weights and both moments are flat arrays of the same layout; gradients
 * lie in the plan's memory, where activations were before. */
#include "train/stepper.h"

#include <math.h>
#include <string.h>

#include "lib/ops.h"
#include "lib/recompute.h"

static const params *params_of(const stepper *s)
{
    return &s->task.model->params;
}

static bk_dtype real_of(const stepper *s)
{
    return model_real(s->task.model);
}

static size_t real_size(const stepper *s)
{
    return bk_dtype_size(real_of(s));
}

const void *stepper_gradient(const stepper *s, int32_t k)
{
    return plan_held(s->plan, k);
}

/* ---- the graph ---- */

/* Where the tensors after tensor k begin in a flat array. */
static size_t end_of(const params *all, int32_t k)
{
    for (k++; k < all->n; k++)
        if (all->list[k].used)
            return all->list[k].offset;
    return all->total;
}

/* Adds the gradient of every trained weight that the loss depends on, held under the tensor's number. */
static status add_gradients(stepper *s, graph *g, const task_values *made)
{
    void *p;
    int32_t n = 0;
    const params *all = params_of(s);
    value loss = made->t.out[s->task.kind->outputs.n - 1];
    TRY(mem_array(g->mem, 2 * (size_t)all->n, sizeof(value), &p));
    value *wrt = p, *gradient = wrt + all->n;
    for (int32_t k = 0; k < all->n; k++)
        if (made->weights[k] != NONE && param_trained(&all->list[k]))
            wrt[n++] = made->weights[k];
    status st = graph_gradients(g, loss, wrt, n, gradient);
    for (int32_t i = 0; st == OK && i < n; i++) {
        if (gradient[i] == NONE)
            continue;
        int32_t k = g->values[wrt[i]].slot;
        graph_hold(g, gradient[i], k);
        s->has_gradient[k] = 1;
        s->trained = end_of(all, k);
    }
    mem_give(g->mem, p);
    return st == OK ? graph_status(g) : st;
}

static status make_plan(stepper *s, dry_run *y)
{
    graph *g;
    task_values made = {0};
    TRY(graph_create(&s->context->mem, real_of(s), &g));
    status st = task_build(&s->task, g, &made);
    if (st == OK)
        st = add_gradients(s, g, &made);
    if (st == OK)
        st = graph_recompute(g, (recompute_level)s->task.setting[TRAIN_RECOMPUTE]);
    if (st == OK)
        st = context_plan(s->context, g, !y->dry, &s->plan);
    task_values_close(&made, g);
    graph_free(g);
    if (st == OK && y->dry)
        y->bytes += mem_cost(plan_arena_bytes(s->plan));
    return st;
}

/* Slots of the update: weights, gradients, both moments, and the scalars. */
static void add_update(const stepper *s, graph *g, value scalars, int32_t k)
{
    int32_t n = params_of(s)->n;
    const double *c = s->task.setting;
    bk_shape shape = params_of(s)->list[k].shape;
    adam_values now = {graph_state(g, k, shape), graph_state(g, 2 * n + k, shape), graph_state(g, 3 * n + k, shape)};
    adam_values next = op_adam(g, now, graph_bound(g, n + k, shape), scalars,
                               (adam_settings){c[TRAIN_BETA1], c[TRAIN_BETA2], c[TRAIN_EPSILON]});
    graph_assign(g, now.weight, next.weight);
    graph_assign(g, now.moment1, next.moment1);
    graph_assign(g, now.moment2, next.moment2);
}

static status plan_update(stepper *s, dry_run *y)
{
    graph *g;
    int32_t n = params_of(s)->n;
    TRY(graph_create(&s->context->mem, real_of(s), &g));
    graph_layer(g, "optimizer");
    value scalars = graph_bound(g, 4 * n, shape_of(BK_F64, 1, (const int64_t[]){3}));
    for (int32_t k = 0; k < n; k++)
        if (s->has_gradient[k])
            add_update(s, g, scalars, k);
    status st = context_plan(s->context, g, y->dry ? PLAN_DRY | PLAN_IN_PLACE : PLAN_ARENA | PLAN_IN_PLACE, &s->update);
    graph_free(g);
    if (st == OK && y->dry)
        y->bytes += mem_cost(plan_arena_bytes(s->update));
    return st;
}

/* ---- memory ---- */

/* The frozen tensors are the first ones. */
static size_t frozen_reals(const stepper *s)
{
    const params *all = params_of(s);
    const char *prefix = s->task.kind->frozen;
    size_t reals = 0;
    for (int32_t k = 0; prefix && k < all->n; k++)
        if (all->list[k].used && strncmp(all->list[k].name, prefix, strlen(prefix)) == 0)
            reals = end_of(all, k);
    return reals;
}

static status take_training(stepper *s, dry_run *y)
{
    size_t real = real_size(s);
    TRY(dry_run_take(y, s->trained * real, &s->moment1));
    TRY(dry_run_take(y, s->trained * real, &s->moment2));
    s->frozen_reals = frozen_reals(s);
    if (s->frozen_reals == 0)
        return OK;
    TRY(dry_run_take(y, s->frozen_reals * real, &s->frozen));
    if (s->frozen)
        memcpy(s->frozen, s->task.model->weights, s->frozen_reals * real);
    return OK;
}

static status take_batch(stepper *s, dry_run *y)
{
    const method_task *k = s->task.kind;
    task_needs needs =
        k->needs ? k->needs((numbers){s->task.model->option, s->task.setting}) : (task_needs){0};
    void *p;
    for (int32_t i = 0; i < k->inputs.n; i++)
        TRY(dry_run_take(y, (size_t)bk_count(&s->task.shape[i]) * bk_dtype_size(s->task.shape[i].dtype),
                         &s->data[i]));
    if (needs.room > 0)
        TRY(dry_run_take(y, needs.room, &s->room));
    s->n_draws = needs.draws;
    if (needs.draws == 0)
        return OK;
    TRY(dry_run_take(y, needs.draws * sizeof(double), &p));
    s->draws = p;
    return OK;
}

static void bind_all(stepper *s)
{
    const params *all = params_of(s);
    const method_task *k = s->task.kind;
    task_bind_weights(&s->task, s->bound);
    for (int32_t i = 0; s->frozen && i < all->n; i++)
        if (all->list[i].used && all->list[i].offset < s->frozen_reals)
            s->bound[all->n + i] = (unsigned char *)s->frozen + all->list[i].offset * real_size(s);
    for (int32_t i = 0; i < k->inputs.n; i++)
        s->bound[task_slot_port(&s->task, i)] = s->data[i];
    for (int32_t i = 0; i < k->outputs.n; i++)
        s->bound[task_slot_port(&s->task, k->inputs.n + i)] = &s->losses[i];
}

status stepper_open(stepper *s, slmt_context *context, const task *t, dry_run *y)
{
    void *p;
    *s = (stepper){.context = context, .task = *t};
    TRY(mem_zeros(&context->mem, (size_t)task_slots(t), sizeof(void *), &p));
    s->bound = p;
    TRY(mem_zeros(&context->mem, 4 * (size_t)t->model->params.n + 1, sizeof(void *), &p));
    s->update_bound = p;
    TRY(mem_zeros(&context->mem, (size_t)t->model->params.n, 1, &p));
    s->has_gradient = p;
    TRY(make_plan(s, y));
    TRY(plan_update(s, y));
    TRY(take_training(s, y));
    TRY(take_batch(s, y));
    bind_all(s);
    return OK;
}

void stepper_close(stepper *s)
{
    mem *m = &s->context->mem;
    void *blocks[] = {s->bound, s->update_bound, s->has_gradient, s->moment1, s->moment2, s->frozen, s->draws, s->room};
    plan_free(s->plan);
    plan_free(s->update);
    slmt_profile_free(s->profile);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mem_give(m, blocks[i]);
    for (int i = 0; i < METHOD_PORTS; i++)
        mem_give(m, s->data[i]);
}

status stepper_profile(stepper *s, slmt_profile *profile)
{
    TRY(plan_profile(s->update, profile ? &profile->records : NULL));
    status st = profile_exchange(s->plan, &s->profile, profile);
    if (st != OK)
        plan_profile(s->update, s->profile ? &s->profile->records : NULL);
    return st;
}

/* ---- steps ---- */

static void *shift(void *array, bk_dtype real, size_t reals)
{
    return (unsigned char *)array + reals * bk_dtype_size(real);
}

static int all_finite(const void *array, bk_dtype real, size_t n)
{
    const float *f = array;
    const double *d = array;
    int finite = 1;
    for (size_t i = 0; real == BK_F32 && i < n; i++)
        finite &= isfinite(f[i]) != 0;
    for (size_t i = 0; real == BK_F64 && i < n; i++)
        finite &= isfinite(d[i]) != 0;
    return finite;
}

/* A loss can be finite where its gradient has overflowed: Adam must not see that. */
static status check_gradients(const stepper *s)
{
    const params *all = params_of(s);
    for (int32_t k = 0; k < all->n; k++) {
        const param *p = &all->list[k];
        const void *gradient = stepper_gradient(s, k);
        if (gradient && !all_finite(gradient, all->real, p->count))
            return fail(ERR_NONFINITE,
                        "step %llu: the gradient of %s is not finite; the weights are as before the step",
                        (unsigned long long)s->step, p->name);
    }
    return OK;
}

static void bind_update(stepper *s)
{
    const params *all = params_of(s);
    int32_t n = all->n;
    for (int32_t k = 0; k < n; k++) {
        if (!s->has_gradient[k])
            continue;
        s->update_bound[k] = model_tensor(s->task.model, k);
        s->update_bound[n + k] = plan_held(s->plan, k);
        s->update_bound[2 * n + k] = shift(s->moment1, all->real, all->list[k].offset);
        s->update_bound[3 * n + k] = shift(s->moment2, all->real, all->list[k].offset);
    }
    s->update_bound[4 * n] = s->scalars;
}

/* Adam on every tensor that has a gradient. */
static status update_weights(stepper *s, double rate)
{
    const double *c = s->task.setting, t = (double)s->step + 1;
    s->scalars[0] = rate / (1 - pow(c[TRAIN_BETA1], t));
    s->scalars[1] = sqrt(1 - pow(c[TRAIN_BETA2], t));
    s->scalars[2] = 1;
    bind_update(s);
    return plan_run(s->update, s->update_bound, 4 * params_of(s)->n + 1, NULL);
}

/* The caller's values, and what prepare() makes of them. */
static void take_inputs(stepper *s, const void *const *given, double *draws, double epoch)
{
    const method_task *k = s->task.kind;
    for (int32_t i = 0; i < k->inputs.n; i++) {
        size_t n = (size_t)bk_count(&s->task.shape[i]);
        const float *x = given[i];
        if (k->inputs.rows[i].flags & PORT_HIDDEN)
            continue;
        if (k->inputs.rows[i].type == SLMT_TENSOR_INT32)
            memcpy(s->data[i], given[i], n * sizeof(int32_t));
        else
            for (size_t e = 0; e < n; e++)
                real_set(s->data[i], real_of(s), e, x[e]);
    }
    task_step step = {.at = {s->task.model->option, s->task.setting},
                      .real = real_of(s),
                      .params = params_of(s),
                      .weights = s->task.model->weights,
                      .given = given,
                      .in = s->data,
                      .epoch = epoch,
                      .draws = draws,
                      .room = s->room};
    if (k->prepare)
        k->prepare(&step);
}

status stepper_run(stepper *s, const void *const *given, double *draws, double epoch, double rate,
                   const atomic_int *cancel, double loss[STEPPER_LOSSES])
{
    take_inputs(s, given, draws, epoch);
    TRY(plan_run(s->plan, s->bound, task_slots(&s->task), cancel));
    for (int32_t i = 0; i < s->task.kind->outputs.n; i++) {
        loss[i] = real_get(&s->losses[i], real_of(s), 0);
        if (!isfinite(loss[i]))
            return fail(ERR_NONFINITE,
                        "step %llu: the loss is not finite; the weights are as before the step",
                        (unsigned long long)s->step);
    }
    TRY(check_gradients(s));
    atomic_fetch_add(&s->task.model->version, 1);
    TRY(update_weights(s, rate));
    s->step++;
    return OK;
}
