/* SPDX-License-Identifier: Apache-2.0 */
/* stepper_open.c - planning a task's graphs and updates, and taking the memory of a stepper. */
#include <stdio.h>
#include <string.h>

#include "core/training.h"
#include "lib/ops.h"
#include "lib/recompute.h"
#include "train/stepper.h"

static const params *params_of(const stepper *s)
{
    return &s->task.model->params;
}

static bk_dtype real_of(const stepper *s)
{
    return model_real(s->task.model);
}

/* ---- sets ---- */

/* Returns the setting "SET_name" if the task has it, else the one of all sets. */
static double setting_of(const task *t, const char *set, const char *name, double otherwise)
{
    char own[PARAM_NAME_MAX];
    snprintf(own, sizeof own, "%s_%s", set, name);
    int32_t k = number_index(t->kind->settings, own);
    return k >= 0 ? t->setting[k] : otherwise;
}

static status choose_optimizer(const task *t, const param_set *row, const optimizer **out)
{
    double choice = setting_of(t, row->name, "optimizer", -1);
    if (choice < 0 && row->optimizer) {
        *out = optimizer_named(row->optimizer);
        return *out ? OK
                    : fail(ERR_INTERNAL, "set %s of task %s names the optimizer %s, which does not exist",
                           row->name, t->kind->name, row->optimizer);
    }
    *out = optimizer_at((int32_t)(choice < 0 ? t->setting[TRAIN_OPTIMIZER] : choice));
    return *out ? OK : fail(ERR_INTERNAL, "task %s chooses an optimizer that does not exist", t->kind->name);
}

static status open_set(stepper *s, int32_t index)
{
    const task *t = &s->task;
    const param_set *row = task_set(t->kind, index);
    const double *v = t->setting;
    step_set *set = &s->set[index];
    set->rate_factor = setting_of(t, row->name, "rate_factor", 1);
    if ((row->flags & SET_FIXED) || (set->rate_factor == 0 && t->kind->build))
        return OK;
    TRY(choose_optimizer(t, row, &set->optimizer));
    set->settings = (optimizer_settings){
        .beta1 = setting_of(t, row->name, "beta1", v[TRAIN_BETA1]),
        .beta2 = setting_of(t, row->name, "beta2", v[TRAIN_BETA2]),
        .epsilon = setting_of(t, row->name, "epsilon", v[TRAIN_EPSILON]),
        .momentum = setting_of(t, row->name, "momentum", v[TRAIN_MOMENTUM]),
        .nesterov = setting_of(t, row->name, "nesterov", v[TRAIN_NESTEROV]),
        .weight_decay = setting_of(t, row->name, "weight_decay", v[TRAIN_WEIGHT_DECAY]),
        .trust = setting_of(t, row->name, "trust", v[TRAIN_TRUST]),
        .vector_rate = setting_of(t, row->name, "vector_rate", v[TRAIN_VECTOR_RATE]),
    };
    set->clip = setting_of(t, row->name, "clip_norm", v[TRAIN_CLIP]);
    return OK;
}

static void assign_tensors(stepper *s)
{
    const params *all = params_of(s);
    for (int32_t k = 0; k < all->n; k++) {
        s->set_of[k] = -1;
        for (int32_t i = task_set_count(s->task.kind) - 1; i >= 0; i--)
            if (pattern_holds(task_set(s->task.kind, i)->tensors, all->list[k].name))
                s->set_of[k] = i;
    }
}

/* ---- gradients ---- */

static int is_wanted(const stepper *s, const task_values *made, int32_t k, int32_t set)
{
    return made->weights[k] != NONE && param_trained(&params_of(s)->list[k]) && s->set_of[k] >= 0 &&
           (set < 0 ? s->set[s->set_of[k]].optimizer != NULL : s->set_of[k] == set);
}

/* Adds the gradients of a loss for the tensors of a set (below 0: of all that train), held under the tensors'
 * numbers. */
static status add_gradients(stepper *s, step_graph *to, graph *g, const task_values *made, value loss,
                            int32_t set)
{
    void *p;
    int32_t n = 0;
    const params *all = params_of(s);
    TRY(mem_array(g->mem, 2 * (size_t)all->n, sizeof(value), &p));
    value *wrt = p, *gradient = wrt + all->n;
    for (int32_t k = 0; k < all->n; k++)
        if (is_wanted(s, made, k, set))
            wrt[n++] = made->weights[k];
    status st = graph_gradients(g, loss, wrt, n, gradient);
    for (int32_t i = 0; st == OK && i < n; i++) {
        if (gradient[i] == NONE)
            continue;
        int32_t k = g->values[wrt[i]].slot;
        graph_hold(g, gradient[i], k);
        to->has_gradient[k] = 1;
    }
    mem_give(g->mem, p);
    return st == OK ? graph_status(g) : st;
}

static status add_minimised(stepper *s, step_graph *to, graph *g, const task_values *made)
{
    const method_task *kind = s->task.kind;
    const task_graph *t = &made->t;
    for (int32_t i = 0; i < t->n_minimise; i++) {
        int32_t set = t->minimise[i].set;
        if (set < 0 || set >= task_set_count(kind) || !s->set[set].optimizer || t->minimise[i].loss == NONE)
            return fail(ERR_INTERNAL,
                        "graph %s of task %s minimises nothing, or over a set that does not train",
                        task_graph_name(kind, (int32_t)(to - s->graph)), kind->name);
        TRY(add_gradients(s, to, g, made, t->minimise[i].loss, set));
    }
    if (t->n_minimise > 0 || !kind->build)
        return OK;
    return add_gradients(s, to, g, made, t->out[kind->outputs.n - 1], -1);
}

static status plan_graph(stepper *s, int32_t index, dry_run *y)
{
    graph *g;
    task_values made = {0};
    step_graph *to = &s->graph[index];
    void *p;
    TRY(mem_zeros(&s->context->mem, (size_t)params_of(s)->n, 1, &p));
    to->has_gradient = p;
    TRY(graph_create(&s->context->mem, real_of(s), &g));
    status st = task_build(&s->task, index, g, &made);
    for (int32_t i = 0; st == OK && i < s->task.kind->outputs.n; i++)
        to->makes[i] = made.t.out[i] != NONE;
    if (st == OK)
        st = add_minimised(s, to, g, &made);
    if (st == OK)
        st = graph_recompute(g, (recompute_level)s->task.setting[TRAIN_RECOMPUTE]);
    if (st == OK)
        st = context_plan(s->context, g, shared_arena_flag(y), &to->plan);
    task_values_close(&made, g);
    graph_free(g);
    return st;
}

/* ---- updates ---- */

static int is_updated(const stepper *s, const step_graph *from, int32_t set, int32_t k)
{
    return from->has_gradient[k] && s->set_of[k] == set;
}

/* Returns 1 if tensor k counts in the norm of a set's gradients: it is of the set, or of one that it is
 * joined with. */
static int is_in_norm(const stepper *s, const step_graph *from, int32_t set, int32_t k)
{
    const method_task *kind = s->task.kind;
    if (!from->has_gradient[k])
        return 0;
    return s->set_of[k] == set ||
           (task_set(kind, set)->flags & task_set(kind, s->set_of[k])->flags & SET_JOINED);
}

/* Adds the factor of a set's gradients to the graph: min(1, clip / norm). */
static value clip_factor(const stepper *s, const step_graph *from, int32_t set, graph *g)
{
    value sum = NONE;
    for (int32_t k = 0; k < params_of(s)->n; k++) {
        if (!is_in_norm(s, from, set, k))
            continue;
        value d = graph_bound(g, update_slot(s, UPDATE_GRADIENT, k), params_of(s)->list[k].shape);
        value square = op_sum_all(g, op_mul(g, d, d));
        sum = sum == NONE ? square : op_add(g, sum, square);
    }
    double one = 1;
    value least = graph_constant(g, shape_of(g->real, 0, NULL), &one);
    return op_div(g, least, op_maximum(g, least, op_affine(g, op_sqrt(g, sum), 1 / s->set[set].clip, 0)));
}

static void add_update(const stepper *s, int32_t set, int32_t k, value factor, const value *scalar, graph *g)
{
    const step_set *own = &s->set[set];
    bk_shape shape = params_of(s)->list[k].shape;
    update_values u = {.g = g, .set = &own->settings};
    u.weight = graph_state(g, update_slot(s, UPDATE_WEIGHT, k), shape);
    u.gradient = graph_bound(g, update_slot(s, UPDATE_GRADIENT, k), shape);
    if (factor != NONE)
        u.gradient = op_mul(g, u.gradient, factor);
    for (int32_t i = 0; i < own->optimizer->n_states; i++)
        u.state[i] = graph_state(g, update_slot(s, UPDATE_STATE + i, k), shape);
    u.exact = scalar[0];
    memcpy(u.scalar, scalar + 1, sizeof u.scalar);
    own->optimizer->build(&u);
}

static void build_update(const stepper *s, const step_graph *from, int32_t set, graph *g)
{
    value scalar[1 + OPTIMIZER_SCALARS];
    value factor = s->set[set].clip > 0 ? clip_factor(s, from, set, g) : NONE;
    for (int32_t i = 0; i <= OPTIMIZER_SCALARS; i++) {
        bk_shape vector = shape_of(BK_F64, 1, (const int64_t[]){OPTIMIZER_SCALARS});
        scalar[i] =
            graph_bound(g, update_slot(s, UPDATE_SCALARS, i), i == 0 ? vector : shape_of(g->real, 0, NULL));
    }
    for (int32_t k = 0; k < params_of(s)->n; k++)
        if (is_updated(s, from, set, k))
            add_update(s, set, k, factor, scalar, g);
}

static status plan_update(stepper *s, step_graph *from, int32_t set, dry_run *y)
{
    graph *g;
    int32_t n = 0;
    for (int32_t k = 0; k < params_of(s)->n; k++)
        n += is_updated(s, from, set, k);
    if (n == 0)
        return OK;
    TRY(graph_create(&s->context->mem, real_of(s), &g));
    graph_layer(g, "optimizer");
    build_update(s, from, set, g);
    status st = context_plan(s->context, g, PLAN_IN_PLACE | shared_arena_flag(y), &from->update[set]);
    graph_free(g);
    return st;
}

/* Graphs run one after the other, and what one leaves is read before the next one runs; so do updates. */
static status lend_arenas(stepper *s, dry_run *y)
{
    plan *graphs[TASK_GRAPHS], *updates[TASK_GRAPHS * TASK_SETS];
    for (int32_t i = 0; i < TASK_GRAPHS; i++) {
        graphs[i] = s->graph[i].plan;
        memcpy(updates + i * TASK_SETS, s->graph[i].update, sizeof s->graph[i].update);
    }
    device dev = s->context->dev;
    TRY(shared_arena_lend(&s->graphs, dev, y, graphs, TASK_GRAPHS));
    return shared_arena_lend(&s->updates, dev, y, updates, TASK_GRAPHS * TASK_SETS);
}

static status make_plans(stepper *s, dry_run *y)
{
    const method_task *kind = s->task.kind;
    for (int32_t i = 0; i < task_graph_count(kind); i++) {
        TRY(plan_graph(s, i, y));
        for (int32_t set = 0; set < task_set_count(kind); set++)
            TRY(plan_update(s, &s->graph[i], set, y));
    }
    return lend_arenas(s, y);
}

/* ---- memory ---- */

/* The arrays of each set hold the tensors that any graph makes a gradient for. */
static status take_sets(stepper *s, dry_run *y)
{
    const params *all = params_of(s);
    const method_task *kind = s->task.kind;
    for (int32_t k = 0; k < all->n; k++) {
        int has = 0;
        for (int32_t i = 0; i < task_graph_count(kind); i++)
            has |= s->graph[i].has_gradient[k];
        s->place[k] = SIZE_MAX;
        if (!has)
            continue;
        step_set *set = &s->set[s->set_of[k]];
        s->place[k] = set->reals;
        set->reals += (all->list[k].count + 15) / 16 * 16; /* 64-byte boundaries */
    }
    for (int32_t i = 0; i < task_set_count(kind); i++)
        for (int32_t j = 0; s->set[i].optimizer && j < s->set[i].optimizer->n_states; j++)
            TRY(stepper_take(s, y, s->set[i].reals * bk_dtype_size(all->real), &s->set[i].state[j]));
    return OK;
}

static status take_copy(stepper *s, const trainer_state *row, step_state *to, dry_run *y)
{
    const params *all = params_of(s);
    void *p;
    TRY(mem_array(&s->context->mem, (size_t)all->n, sizeof(size_t), &p));
    to->byte = p;
    for (int32_t k = 0; k < all->n; k++) {
        const param *t = &all->list[k];
        to->byte[k] = SIZE_MAX;
        if (!t->used || !pattern_holds(row->tensors, t->name))
            continue;
        to->byte[k] = to->bytes;
        to->bytes += (t->count * bk_dtype_size(t->shape.dtype) + 63) / 64 * 64;
    }
    TRY(stepper_take(s, y, to->bytes, &to->array));
    if (!to->array)
        return OK;
    TRY(model_push(s->task.model));
    for (int32_t k = 0; k < all->n; k++)
        if (to->byte[k] != SIZE_MAX)
            TRY(device_copy(s->context->dev, (unsigned char *)to->array + to->byte[k],
                            model_on_device(s->task.model, k),
                            all->list[k].count * bk_dtype_size(all->list[k].shape.dtype)));
    return OK;
}

static status take_states(stepper *s, dry_run *y)
{
    const method_task *kind = s->task.kind;
    for (int32_t i = 0; i < kind->n_states; i++) {
        step_state *to = &s->state[i];
        if (kind->states[i].kind == STATE_COPY)
            TRY(take_copy(s, &kind->states[i], to, y));
        if (kind->states[i].kind != STATE_TENSOR)
            continue;
        bk_shape shape = task_state_shape(&s->task, i);
        to->bytes = (size_t)bk_count(&shape) * bk_dtype_size(shape.dtype);
        TRY(stepper_take(s, y, to->bytes, &to->array));
    }
    return OK;
}

static status take_batch(stepper *s, dry_run *y)
{
    const method_task *k = s->task.kind;
    task_needs needs =
        k->needs ? k->needs((numbers){s->task.model->option, s->task.setting}) : (task_needs){0};
    void *p;
    for (int32_t i = 0; i < task_ports(&s->task); i++)
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

/* Takes room for all that a step of the task's own can change. */
static status take_backup(stepper *s, dry_run *y)
{
    if (!s->task.kind->step)
        return OK;
    s->backup_bytes = params_of(s)->bytes;
    for (int32_t i = 0; i < TASK_SETS; i++)
        for (int32_t j = 0; s->set[i].optimizer && j < s->set[i].optimizer->n_states; j++)
            s->backup_bytes += s->set[i].reals * bk_dtype_size(real_of(s));
    for (int32_t i = 0; i < TASK_STATES; i++)
        s->backup_bytes += s->state[i].bytes;
    return stepper_take(s, y, s->backup_bytes, &s->backup);
}

static void bind_all(stepper *s)
{
    const params *all = params_of(s);
    const method_task *kind = s->task.kind;
    task_bind_weights(&s->task, s->bound);
    for (int32_t i = 0; i < kind->n_states; i++) {
        void **at = s->bound + task_slot_state(&s->task, i);
        unsigned char *array = s->state[i].array;
        if (kind->states[i].kind == STATE_TENSOR)
            at[0] = array;
        for (int32_t k = 0; array && s->state[i].byte && k < all->n; k++)
            at[k] = s->state[i].byte[k] != SIZE_MAX ? array + s->state[i].byte[k] : NULL;
    }
    int is_host = device_is_host(s->context->dev);
    for (int32_t i = 0; i < task_ports(&s->task); i++)
        s->bound[task_slot_port(&s->task, i)] = is_host ? s->data[i] : s->on_device[i];
    s->bound[task_slot_key(&s->task)] = is_host ? s->key : s->key_on_device;
}

static status take_tables(stepper *s)
{
    mem *m = &s->context->mem;
    void *p;
    size_t n = (size_t)params_of(s)->n;
    TRY(mem_zeros(m, (size_t)task_slots(&s->task), sizeof(void *), &p));
    s->bound = p;
    TRY(mem_zeros(m, (size_t)update_slots(s), sizeof(void *), &p));
    s->updating = p;
    TRY(mem_array(m, n, sizeof(int32_t), &p));
    s->set_of = p;
    TRY(mem_array(m, n, sizeof(size_t), &p));
    s->place = p;
    return OK;
}

/* Room for the gradients and next values of any graph. */
static status take_checked(stepper *s)
{
    mem *m = &s->context->mem;
    void *p;
    int32_t most = 0;
    for (int32_t i = 0; i < task_graph_count(s->task.kind); i++) {
        int32_t n = plan_next_count(s->graph[i].plan);
        most = n > most ? n : most;
    }
    size_t n = (size_t)params_of(s)->n + (size_t)most;
    TRY(mem_array(m, n, sizeof(bk_tensor), &p));
    s->checked = p;
    TRY(mem_array(m, n, sizeof(int32_t), &p));
    s->checked_slot = p;
    return OK;
}

status stepper_open(stepper *s, slmt_context *context, const task *t, dry_run *y)
{
    *s = (stepper){.context = context, .task = *t};
    TRY(take_tables(s));
    assign_tensors(s);
    for (int32_t i = 0; i < task_set_count(t->kind); i++)
        TRY(open_set(s, i));
    TRY(make_plans(s, y));
    TRY(take_checked(s));
    TRY(take_sets(s, y));
    TRY(take_states(s, y));
    TRY(take_batch(s, y));
    TRY(take_backup(s, y));
    TRY(stepper_take_device(s, y));
    bind_all(s);
    return OK;
}

static void close_graph(stepper *s, step_graph *g)
{
    plan_free(g->plan);
    for (int32_t i = 0; i < TASK_SETS; i++)
        plan_free(g->update[i]);
    mem_give(&s->context->mem, g->has_gradient);
}

void stepper_close(stepper *s)
{
    mem *m = &s->context->mem;
    void *blocks[] = {s->bound, s->updating, s->set_of,  s->place,
                      s->draws, s->room,     s->checked, s->checked_slot};
    stepper_finish(s); /* its failure no longer matters */
    for (int32_t i = 0; i < TASK_GRAPHS; i++)
        close_graph(s, &s->graph[i]);
    shared_arena_free(&s->graphs);
    shared_arena_free(&s->updates);
    profile_release(s->profile);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mem_give(m, blocks[i]);
    stepper_give_device(s);
    for (int32_t i = 0; i < TASK_STATES; i++) {
        mem_give(m, s->state[i].byte);
        model_release(s->state[i].model);
    }
    for (int32_t i = 0; i < METHOD_PORTS; i++)
        mem_give(m, s->data[i]);
}
