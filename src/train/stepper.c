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

static const char *state_name(const stepper *s, int32_t slot)
{
    int32_t n = params_of(s)->n;
    return slot < n ? params_of(s)->list[slot].name : s->task.kind->states[slot / n - 1].name;
}

/* Lists the gradients of the graph that was run last. set below 0: of all sets. Returns how many they are. */
static int32_t list_gradients(stepper *s, int32_t set)
{
    const params *all = params_of(s);
    int32_t n = 0;
    for (int32_t k = 0; k < all->n; k++) {
        void *gradient = plan_held(s->graph[s->last_graph].plan, k);
        if (!gradient || (set >= 0 && s->set_of[k] != set))
            continue;
        s->checked_slot[n] = k;
        s->checked[n++] = (bk_tensor){.shape = all->list[k].shape, .data = gradient};
    }
    return n;
}

/* Lists, behind n others, the next values of states that wait for their assignment. Returns how many are
 * listed.
 */
static int32_t list_states(stepper *s, int32_t n)
{
    const plan *p = s->graph[s->last_graph].plan;
    for (int32_t i = 0; i < plan_next_count(p); i++, n++)
        s->checked[n] = plan_next(p, i, &s->checked_slot[n]);
    return n;
}

/* Says which of the arrays that are listed, the gradients first, is not finite; below 0: none. A loss can be
 * finite where its gradient has overflowed: no optimiser must see that. */
static status report_listed(const stepper *s, int32_t gradients, int32_t bad)
{
    if (bad < 0)
        return OK;
    if (bad < gradients)
        return fail(ERR_NONFINITE,
                    "step %llu: the gradient of %s is not finite; the weights are as before the step",
                    (unsigned long long)s->step, params_of(s)->list[s->checked_slot[bad]].name);
    return fail(ERR_NONFINITE, "step %llu: the next value of %s is not finite; all is as before the step",
                (unsigned long long)s->step, state_name(s, s->checked_slot[bad]));
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

/* What works on the device while the host prepares what comes next. */
static void work_beside(stepper *s, const plan *p)
{
    const host_work *work = s->beside;
    s->beside = NULL;
    if (work && plan_is_running(p))
        work->run(work->user);
}

status stepper_finish(stepper *s)
{
    status st = OK;
    s->updating_now = NULL;
    for (int32_t i = 0; i < task_graph_count(s->task.kind); i++)
        for (int32_t set = 0; set < TASK_SETS; set++) {
            plan *update = s->graph[i].update[set];
            status end = update ? model_finish_writer(s->task.model, update) : OK;
            st = st == OK ? end : st;
        }
    return st;
}

/* Runs the graph `last_graph` behind the last update, and looks at the first n arrays that are listed. The
 * device is waited for once. */
static status run_and_look(stepper *s, int32_t n, int32_t *bad)
{
    plan *p = s->graph[s->last_graph].plan;
    TRY(stepper_upload(s));
    status st = plan_start(p, s->bound, task_slots(&s->task), s->cancel, s->updating_now);
    if (st == OK) {
        work_beside(s, p);
        st = stepper_look(s, s->checked, n, bad);
    }
    status end = plan_finish(p); /* an index out of range is the error, not what it led to */
    TRY(end != OK ? end : st);
    TRY(stepper_finish(s));
    return read_scalars(s);
}

/* The states of the graph that was run last take their next values. */
static status assign_states(stepper *s)
{
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

/* Starts the set's optimiser, on gradients that have been checked. The device may still be at work when the
 * step has ended; whatever reads the weights there waits for it. */
static status update_set(stepper *s, int32_t set)
{
    step_set *own = &s->set[set];
    plan *update = s->graph[s->last_graph].update[set];
    own->optimizer->scalars(&own->settings, s->rate * own->rate_factor, (double)own->updates + 1, own->exact);
    for (int32_t i = 0; i < OPTIMIZER_SCALARS; i++)
        real_set(&own->scalars[i], step_real(s), 0, own->exact[i]);
    TRY(model_finish_writer(s->task.model, update));
    TRY(stepper_push_scalars(s, set));
    bind_update(s, set);
    model_device_wrote(s->task.model);
    TRY(plan_start(update, s->updating, update_slots(s), NULL, s->updating_now));
    s->updating_now = update;
    model_set_writer(s->task.model, update);
    own->updates++;
    return OK;
}

status step_run(step *s, int32_t graph)
{
    const method_task *k = s->task.kind;
    int32_t bad;
    if (graph < 0 || graph >= task_graph_count(k))
        return fail(ERR_INTERNAL, "task %s has no graph %d", k->name, graph);
    s->last_graph = graph;
    TRY(run_and_look(s, list_states(s, 0), &bad));
    TRY(report_listed(s, 0, bad));
    return assign_states(s);
}

status step_update(step *s, int32_t set)
{
    const method_task *k = s->task.kind;
    if (set < 0 || set >= task_set_count(k) || !s->graph[s->last_graph].update[set])
        return fail(ERR_INTERNAL, "graph %s of task %s makes no gradients for set %d",
                    task_graph_name(k, s->last_graph), k->name, set);
    int32_t n = list_gradients(s, set), bad = -1;
    if (n > 0)
        TRY(device_look(s->context->dev, s->checked, n, &bad, NULL, 0));
    TRY(report_listed(s, n, bad));
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
    s->last_graph = 0;
    int32_t gradients = list_gradients(s, -1), n = list_states(s, gradients), bad;
    TRY(run_and_look(s, n, &bad));
    TRY(report_listed(s, gradients, bad));
    TRY(assign_states(s));
    for (int32_t set = 0; set < task_set_count(s->task.kind); set++)
        if (s->graph[0].update[set])
            TRY(update_set(s, set));
    return OK;
}

/* ---- steps ---- */

void stepper_take_inputs(stepper *s, uint64_t number, const void *const *given, double epoch)
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
                      .epoch = epoch,
                      .draws = s->draws,
                      .room = s->room};
    if (k->prepare)
        k->prepare(&step);
    s->taken = number + 1;
}

/* A step of the task's own may read its inputs at any time. */
int stepper_takes_ahead(const stepper *s)
{
    return !device_is_host(s->context->dev) && !s->task.kind->step;
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

status stepper_run(stepper *s, double rate, const atomic_int *cancel, const host_work *beside)
{
    double value[METHOD_PORTS], rate_before = s->rate;
    s->taken = 0;
    TRY(stepper_check_attached(s));
    memcpy(value, s->value, sizeof value);
    s->rate = rate;
    s->cancel = cancel;
    s->beside = beside;
    status st = stepper_push(s);
    if (st == OK)
        st = s->task.kind->step ? own_step(s) : default_step(s);
    s->beside = NULL;
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
