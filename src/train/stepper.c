/* SPDX-License-Identifier: Apache-2.0 */
/* stepper.c - running training steps: graphs, checks, updates, and the way back when a step fails. */
#include "train/stepper.h"

#include <math.h>
#include <string.h>

#include "core/model_digest.h"

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

/* Gradients are checked so many at a time: a device is waited for once for all of them. */
typedef struct gradients {
    bk_tensor array[32];
    int32_t tensor[32], n;
} gradients;

static status check_together(const stepper *s, gradients *some)
{
    int32_t bad;
    TRY(device_finite(s->context->dev, some->array, some->n, &bad));
    some->n = 0;
    if (bad < 0)
        return OK;
    return fail(ERR_NONFINITE,
                "step %llu: the gradient of %s is not finite; the weights are as before the step",
                (unsigned long long)s->step, params_of(s)->list[some->tensor[bad]].name);
}

/* A loss can be finite where its gradient has overflowed: no optimiser must see that. set below 0: all. */
static status check_gradients(const stepper *s, int32_t set)
{
    const params *all = params_of(s);
    gradients some = {.n = 0};
    for (int32_t k = 0; k < all->n; k++) {
        void *gradient = plan_held(s->graph[s->last_graph].plan, k);
        if (!gradient || (set >= 0 && s->set_of[k] != set))
            continue;
        some.tensor[some.n] = k;
        some.array[some.n++] = (bk_tensor){.shape = all->list[k].shape, .data = gradient};
        if (some.n == 32)
            TRY(check_together(s, &some));
    }
    return some.n > 0 ? check_together(s, &some) : OK;
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

/* Reads the scalar outputs as they are now; those of other graphs have been checked before. */
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
    TRY(stepper_upload(s));
    TRY(plan_run(s->graph[graph].plan, s->bound, task_slots(&s->task), s->cancel));
    TRY(stepper_download(s));
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
    model_device_wrote(s->task.model);
    return plan_assign(s->graph[s->last_graph].plan, s->bound);
}

static void bind_update(stepper *s, int32_t set)
{
    const params *all = params_of(s);
    step_set *own = &s->set[set];
    size_t size = bk_dtype_size(all->real);
    for (int32_t k = 0; k < all->n; k++) {
        s->updating[update_slot(s, UPDATE_GRADIENT, k)] = plan_held(s->graph[s->last_graph].plan, k);
        if (s->set_of[k] != set || s->place[k] == SIZE_MAX)
            continue;
        s->updating[update_slot(s, UPDATE_WEIGHT, k)] = model_on_device(s->task.model, k);
        for (int32_t i = 0; i < own->optimizer->n_states; i++)
            s->updating[update_slot(s, UPDATE_STATE + i, k)] =
                (unsigned char *)own->state[i] + s->place[k] * size;
    }
    for (int32_t i = 0; i <= OPTIMIZER_SCALARS; i++)
        s->updating[update_slot(s, UPDATE_SCALARS, i)] = stepper_scalar(s, set, i);
}

/* Runs the set's optimiser, on gradients that have been checked. */
static status update_set(stepper *s, int32_t set)
{
    step_set *own = &s->set[set];
    plan *update = s->graph[s->last_graph].update[set];
    own->optimizer->scalars(&own->settings, s->rate * own->rate_factor, (double)own->updates + 1, own->exact);
    for (int32_t i = 0; i < OPTIMIZER_SCALARS; i++)
        real_set(&own->scalars[i], step_real(s), 0, own->exact[i]);
    TRY(stepper_push_scalars(s, set));
    bind_update(s, set);
    model_device_wrote(s->task.model);
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
    s->is_newer[input] = 1;
    return s->data[input];
}

void step_report(step *s, int32_t output, double x)
{
    int32_t port = s->task.kind->inputs.n + output;
    real_set(s->data[port], step_real(s), 0, x);
    s->is_newer[port] = 1;
}

numbers step_numbers(const step *s)
{
    return (numbers){s->task.model->option, s->task.setting};
}

/* ---- the way back ---- */

/* An output that this step neither makes nor reports is 0. */
static void clear_scalars(stepper *s)
{
    for (int32_t i = 0; i < s->task.kind->outputs.n; i++)
        if (stepper_is_scalar(s, i))
            step_report(s, i, 0);
}

static status restore(stepper *s, const uint64_t *updates, status failure)
{
    for (int32_t i = 0; i < TASK_SETS; i++)
        s->set[i].updates = updates[i];
    model_device_wrote(s->task.model);
    status st = stepper_put_back(s);
    return st == OK ? failure : fail_prefix(st, "putting back the weights and states of before the step");
}

static status own_step(stepper *s)
{
    uint64_t updates[TASK_SETS];
    for (int32_t i = 0; i < TASK_SETS; i++)
        updates[i] = s->set[i].updates;
    TRY(stepper_keep(s));
    clear_scalars(s);
    status st = s->task.kind->step(s);
    if (st == OK)
        st = read_scalars(s); /* what the host reported */
    return st == OK ? OK : restore(s, updates, st);
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

/* Copies the caller's values, and has prepare() fill in the rest. */
static status take_inputs(stepper *s, const void *const *given)
{
    const method_task *k = s->task.kind;
    for (int32_t i = 0; i < k->inputs.n; i++) {
        size_t n = (size_t)bk_count(&s->task.shape[i]);
        const float *x = given[i];
        s->is_newer[i] = 1; /* hidden ones too */
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
    if (!k->prepare)
        return OK;
    TRY(model_pull(s->task.model));
    k->prepare(&step);
    return OK;
}

status stepper_check_attached(const stepper *s)
{
    const method_task *k = s->task.kind;
    for (int32_t i = 0; i < k->n_states; i++)
        if (k->states[i].kind == STATE_MODEL && !s->state[i].model)
            return fail(ERR_STATE, "task %s needs a second model: attach one to the trainer as %s", k->name,
                        k->states[i].name);
    return OK;
}

static status start_step(stepper *s, const void *const *given)
{
    TRY(take_inputs(s, given));
    return stepper_push(s);
}

status stepper_run(stepper *s, const void *const *given, double epoch, double rate, const atomic_int *cancel)
{
    double value[METHOD_PORTS], rate_before = s->rate;
    TRY(stepper_check_attached(s));
    memcpy(value, s->value, sizeof value);
    s->epoch = epoch;
    s->rate = rate;
    s->cancel = cancel;
    status st = start_step(s, given);
    if (st == OK)
        st = s->task.kind->step ? own_step(s) : default_step(s);
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

static int is_same_memory(device a, device b)
{
    return a.handle == b.handle || (device_is_host(a) && device_is_host(b));
}

static status check_model(const stepper *s, const char *name, const slmt_model *model)
{
    const slmt_model *own = s->task.model;
    if (model->method != own->method)
        return fail(ERR_ARGUMENT, "%s is a model of method %s, expected %s", name, model->method->name,
                    own->method->name);
    if (model == own)
        return fail(ERR_ARGUMENT, "%s is the model that is trained", name);
    if (!is_same_memory(model->context->dev, s->context->dev))
        return fail(
            ERR_ARGUMENT,
            "%s is a model of another context, whose memory the trainer does not reach (backends %s and "
            "%s): load the model in the trainer's context",
            name, model->context->dev.backend->name, s->context->dev.backend->name);
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

/* A run that goes on does so with the model that it began with. */
static status check_digest(const step_state *state, const char *name, const char *digest)
{
    if (!state->is_kept || strcmp(state->digest, digest) == 0)
        return OK;
    return fail(ERR_ARGUMENT,
                "%s is another model than the one that training began with: its digest is %.12s..., expected "
                "%.12s...",
                name, digest, state->digest);
}

status stepper_attach(stepper *s, const char *name, slmt_model *model)
{
    const method_task *kind = s->task.kind;
    for (int32_t i = 0; i < kind->n_states; i++) {
        if (kind->states[i].kind != STATE_MODEL || strcmp(kind->states[i].name, name) != 0)
            continue;
        char digest[DIGEST_HEX];
        TRY(check_model(s, name, model));
        TRY(model_digest(model, digest));
        TRY(check_digest(&s->state[i], name, digest));
        memcpy(s->state[i].digest, digest, sizeof digest);
        model_retain(model);
        model_release(s->state[i].model);
        s->state[i].model = model;
        for (int32_t k = 0; k < model->params.n; k++)
            s->bound[task_slot_state(&s->task, i) + k] =
                model->params.list[k].used ? model_on_device(model, k) : NULL;
        return OK;
    }
    return fail(ERR_NOT_FOUND, "task %s attaches no model as %s", kind->name, name);
}
