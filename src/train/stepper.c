/* SPDX-License-Identifier: Apache-2.0 */
/* stepper.c - running training steps: graphs, checks, updates, and the way back when a step fails. */
#include "train/stepper.h"

#include <math.h>
#include <string.h>

static const params *params_of(const stepper *s)
{
    return &s->task.model->params;
}

bk_dtype step_real(const step *s)
{
    return model_real(s->task.model);
}

const void *stepper_gradient(const stepper *s, int32_t k)
{
    return plan_held(s->graph[s->last_graph].plan, k);
}

int stepper_is_scalar(const stepper *s, int32_t output)
{
    const bk_shape *shape = &s->task.shape[s->task.kind->inputs.n + output];
    return shape->rank == 0 && shape->dtype != BK_I32;
}

/* ---- profile ---- */

static status profile_plans(stepper *s, slmt_profile *profile)
{
    struct profile *records = profile ? &profile->records : NULL;
    status st = OK;
    for (int32_t i = 0; st == OK && i < task_graph_count(s->task.kind); i++) {
        st = plan_profile(s->graph[i].plan, records);
        for (int32_t set = 0; st == OK && set < TASK_SETS; set++)
            if (s->graph[i].update[set])
                st = plan_profile(s->graph[i].update[set], records);
    }
    return st;
}

status stepper_profile(stepper *s, slmt_profile *profile)
{
    status st = profile_plans(s, profile);
    if (st != OK) {
        profile_plans(s, NULL); /* takes no memory */
        profile = NULL;
    }
    if (profile)
        atomic_fetch_add(&profile->owners, 1);
    profile_release(s->profile);
    s->profile = profile;
    return st;
}

/* ---- checks ---- */

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

/* A loss can be finite where its gradient has overflowed: no optimiser must see that. set below 0: all. */
static status check_gradients(const stepper *s, int32_t set)
{
    const params *all = params_of(s);
    for (int32_t k = 0; k < all->n; k++) {
        const param *p = &all->list[k];
        const void *gradient = stepper_gradient(s, k);
        if (gradient && (set < 0 || s->set_of[k] == set) && !all_finite(gradient, all->real, p->count))
            return fail(ERR_NONFINITE,
                        "step %llu: the gradient of %s is not finite; the weights are as before the step",
                        (unsigned long long)s->step, p->name);
    }
    return OK;
}

static status report(stepper *s, int32_t output, double x)
{
    s->value[output] = x;
    if (isfinite(x))
        return OK;
    return fail(ERR_NONFINITE,
                "step %llu: the loss is not finite (%s is %g); the weights are as before the step",
                (unsigned long long)s->step, s->task.kind->outputs.rows[output].name, x);
}

/* The scalar outputs as they are now; those of other graphs have been checked before. */
static status read_scalars(stepper *s)
{
    const method_task *k = s->task.kind;
    for (int32_t i = 0; i < k->outputs.n; i++)
        if (stepper_is_scalar(s, i))
            TRY(report(s, i, real_get(s->data[k->inputs.n + i], step_real(s), 0)));
    return OK;
}

/* ---- what a step is made of ---- */

static status run_graph(stepper *s, int32_t graph)
{
    const method_task *k = s->task.kind;
    if (graph < 0 || graph >= task_graph_count(k))
        return fail(ERR_INTERNAL, "task %s has no graph %d", k->name, graph);
    s->last_graph = graph;
    TRY(plan_run(s->graph[graph].plan, s->bound, task_slots(&s->task), s->cancel));
    return read_scalars(s);
}

static const char *state_name(const stepper *s, int32_t slot)
{
    int32_t n = params_of(s)->n;
    return slot < n ? params_of(s)->list[slot].name : s->task.kind->states[slot / n - 1].name;
}

/* The states of the graph that was run last take their next values, if all of those are numbers. */
static status assign_states(stepper *s)
{
    const plan *p = s->graph[s->last_graph].plan;
    int32_t slot, bad;
    for (int32_t i = 0; i < plan_next_count(p); i++) {
        bk_tensor next = plan_next(p, i, &slot);
        TRY(device_finite(s->context->dev, &next, 1, &bad));
        if (bad >= 0)
            return fail(ERR_NONFINITE,
                        "step %llu: the next value of %s is not finite; all is as before the step",
                        (unsigned long long)s->step, state_name(s, slot));
    }
    atomic_fetch_add(&s->task.model->version, 1);
    return plan_assign(s->graph[s->last_graph].plan, s->bound);
}

static void bind_update(stepper *s, int32_t set)
{
    const params *all = params_of(s);
    step_set *own = &s->set[set];
    size_t size = bk_dtype_size(all->real);
    for (int32_t k = 0; k < all->n; k++) {
        if (s->set_of[k] != set || s->place[k] == SIZE_MAX)
            continue;
        s->updating[update_slot(s, UPDATE_WEIGHT, k)] = model_tensor(s->task.model, k);
        s->updating[update_slot(s, UPDATE_GRADIENT, k)] = plan_held(s->graph[s->last_graph].plan, k);
        for (int32_t i = 0; i < own->optimizer->n_states; i++)
            s->updating[update_slot(s, UPDATE_STATE + i, k)] =
                (unsigned char *)own->state[i] + s->place[k] * size;
    }
    s->updating[update_slot(s, UPDATE_SCALARS, 0)] = own->exact;
    for (int32_t i = 0; i < OPTIMIZER_SCALARS; i++) {
        real_set(&own->scalars[i], step_real(s), 0, own->exact[i]);
        s->updating[update_slot(s, UPDATE_SCALARS, 1 + i)] = &own->scalars[i];
    }
}

/* The set's optimiser, on gradients that have been checked. */
static status update_set(stepper *s, int32_t set)
{
    step_set *own = &s->set[set];
    plan *update = s->graph[s->last_graph].update[set];
    own->optimizer->scalars(&own->settings, s->rate * own->rate_factor, (double)own->updates + 1, own->exact);
    bind_update(s, set);
    atomic_fetch_add(&s->task.model->version, 1);
    TRY(plan_run(update, s->updating, update_slots(s), NULL));
    own->updates++;
    return OK;
}

status step_run(step *s, int32_t graph)
{
    TRY(run_graph(s, graph));
    return assign_states(s);
}

status step_update(step *s, int32_t set)
{
    const method_task *k = s->task.kind;
    if (set < 0 || set >= task_set_count(k) || !s->graph[s->last_graph].update[set])
        return fail(ERR_INTERNAL, "graph %s of task %s makes no gradients for set %d",
                    task_graph_name(k, s->last_graph), k->name, set);
    TRY(check_gradients(s, set));
    return update_set(s, set);
}

const void *step_read(const step *s, int32_t output)
{
    return s->data[s->task.kind->inputs.n + output];
}

void *step_write(step *s, int32_t input)
{
    return s->data[input];
}

void step_report(step *s, int32_t output, double x)
{
    real_set(s->data[s->task.kind->inputs.n + output], step_real(s), 0, x);
}

numbers step_numbers(const step *s)
{
    return (numbers){s->task.model->option, s->task.setting};
}

double step_epoch(const step *s)
{
    return s->epoch;
}

uint64_t step_index(const step *s)
{
    return s->step;
}

const double *step_draws(const step *s)
{
    return s->draws;
}

/* ---- the way back ---- */

typedef void (*move_fn)(unsigned char *backup, void *array, size_t bytes);

static void keep(unsigned char *backup, void *array, size_t bytes)
{
    memcpy(backup, array, bytes);
}

static void put_back(unsigned char *backup, void *array, size_t bytes)
{
    memcpy(array, backup, bytes);
}

/* All that a step can change, array by array, to or from the backup. */
static void move_all(stepper *s, move_fn move)
{
    unsigned char *at = s->backup;
    size_t bytes = params_of(s)->bytes;
    move(at, s->task.model->weights, bytes);
    at += bytes;
    for (int32_t i = 0; i < TASK_SETS; i++) {
        bytes = s->set[i].reals * bk_dtype_size(step_real(s));
        for (int32_t j = 0; bytes > 0 && s->set[i].optimizer && j < s->set[i].optimizer->n_states;
             j++, at += bytes)
            move(at, s->set[i].state[j], bytes);
    }
    for (int32_t i = 0; i < TASK_STATES; i++) {
        if (s->state[i].bytes > 0)
            move(at, s->state[i].array, s->state[i].bytes);
        at += s->state[i].bytes;
    }
}

/* An output that this step neither makes nor reports is 0. */
static void clear_scalars(stepper *s)
{
    for (int32_t i = 0; i < s->task.kind->outputs.n; i++)
        if (stepper_is_scalar(s, i))
            step_report(s, i, 0);
}

static status own_step(stepper *s)
{
    uint64_t updates[TASK_SETS];
    for (int32_t i = 0; i < TASK_SETS; i++)
        updates[i] = s->set[i].updates;
    move_all(s, keep);
    clear_scalars(s);
    status st = s->task.kind->step(s);
    if (st == OK)
        st = read_scalars(s); /* what the host reported */
    if (st == OK)
        return OK;
    move_all(s, put_back);
    atomic_fetch_add(&s->task.model->version, 1);
    for (int32_t i = 0; i < TASK_SETS; i++)
        s->set[i].updates = updates[i];
    return st;
}

/* Nothing is changed before all checks have passed. */
static status default_step(stepper *s)
{
    TRY(run_graph(s, 0));
    TRY(check_gradients(s, -1));
    TRY(assign_states(s));
    for (int32_t set = 0; set < task_set_count(s->task.kind); set++)
        if (s->graph[0].update[set])
            TRY(update_set(s, set));
    return OK;
}

/* ---- steps ---- */

/* The caller's values, and what prepare() makes of them. */
static void take_inputs(stepper *s, const void *const *given)
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
                real_set(s->data[i], step_real(s), e, x[e]);
    }
    task_step step = {.at = step_numbers(s),
                      .real = step_real(s),
                      .params = params_of(s),
                      .weights = s->task.model->weights,
                      .given = given,
                      .in = s->data,
                      .epoch = s->epoch,
                      .draws = s->draws,
                      .room = s->room};
    if (k->prepare)
        k->prepare(&step);
}

static status check_attached(const stepper *s)
{
    const method_task *k = s->task.kind;
    for (int32_t i = 0; i < k->n_states; i++)
        if (k->states[i].kind == STATE_MODEL && !s->state[i].model)
            return fail(ERR_STATE, "task %s needs a second model: attach one to the trainer as %s", k->name,
                        k->states[i].name);
    return OK;
}

status stepper_run(stepper *s, const void *const *given, double epoch, double rate, const atomic_int *cancel)
{
    double value[METHOD_PORTS], rate_before = s->rate;
    TRY(check_attached(s));
    memcpy(value, s->value, sizeof value);
    s->epoch = epoch;
    s->rate = rate;
    s->cancel = cancel;
    take_inputs(s, given);
    status st = s->task.kind->step ? own_step(s) : default_step(s);
    if (st != OK) {
        memcpy(s->value, value, sizeof value);
        s->rate = rate_before;
        return st;
    }
    s->has_values = 1;
    s->step++;
    return OK;
}

/* ---- a second model ---- */

static status check_model(const stepper *s, const char *name, const slmt_model *model)
{
    const slmt_model *own = s->task.model;
    if (model->method != own->method)
        return fail(ERR_ARGUMENT, "%s is a model of method %s, expected %s", name, model->method->name,
                    own->method->name);
    if (model == own)
        return fail(ERR_ARGUMENT, "%s is the model that is trained", name);
    if (model->params.n != own->params.n || model_real(model) != model_real(own))
        return fail(ERR_ARGUMENT, "%s has other tensors than the model that is trained", name);
    for (int32_t k = 0; k < own->params.n; k++) {
        const param *a = &own->params.list[k], *b = &model->params.list[k];
        char is[128], expected[128];
        if (strcmp(a->name, b->name) != 0 || a->shape.dtype != b->shape.dtype ||
            memcmp(&a->shape, &b->shape, sizeof a->shape) != 0)
            return fail(ERR_ARGUMENT, "%s: tensor %s is %s, expected %s %s, in the same type", name, b->name,
                        shape_text(&b->shape, is), a->name, shape_text(&a->shape, expected));
    }
    return OK;
}

status stepper_attach(stepper *s, const char *name, slmt_model *model)
{
    const method_task *kind = s->task.kind;
    for (int32_t i = 0; i < kind->n_states; i++) {
        if (kind->states[i].kind != STATE_MODEL || strcmp(kind->states[i].name, name) != 0)
            continue;
        TRY(check_model(s, name, model));
        model_retain(model);
        model_release(s->state[i].model);
        s->state[i].model = model;
        for (int32_t k = 0; k < model->params.n; k++)
            s->bound[task_slot_state(&s->task, i) + k] =
                model->params.list[k].used ? model_tensor(model, k) : NULL;
        return OK;
    }
    return fail(ERR_NOT_FOUND, "task %s attaches no model as %s", kind->name, name);
}
