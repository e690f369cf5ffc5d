/* SPDX-License-Identifier: Apache-2.0 */
/* runner_open.c - a runner's plans and memory: how many samples are computed together, and what is hoisted.
 */
#include <stdatomic.h>
#include <string.h>

#include "core/runner.h"
#include "lib/fold.h"

int32_t runner_samples(const runner *r)
{
    int32_t k = number_with_role(r->task.kind->settings, SLMT_ROLE_BATCH);
    return k < 0 ? 1 : (int32_t)r->task.setting[k];
}

static int has_shared_input(const task *t)
{
    int any = 0;
    for (int32_t i = 0; i < t->kind->inputs.n; i++)
        any |= t->kind->inputs.rows[i].flags & PORT_SHARED;
    return any != 0;
}

/* Norms with running statistics become part of the weights before them: that is done once, and not with every
 * sample. */
static int has_statistics(const slmt_model *model)
{
    int any = 0;
    for (int32_t k = 0; k < model->params.n; k++)
        any |= model->params.list[k].role == ROLE_BUFFER;
    return any;
}

/* Weights, shared inputs and what is hoisted change rarely, other inputs with every sample. */
static void mark_invariant(const runner *r, unsigned char *invariant)
{
    const task *t = &r->task;
    memset(invariant, 0, (size_t)task_slots(t));
    memset(invariant + task_slots(t), 1, FOLD_MAX);
    for (int32_t k = 0; k < r->model->params.n; k++)
        invariant[k] = 1;
    for (int32_t i = 0; i < t->kind->inputs.n; i++)
        invariant[task_slot_port(t, i)] = (t->kind->inputs.rows[i].flags & PORT_SHARED) != 0;
}

/* Marks what is invariant; keeps one half of the graph where out is not NULL. */
static status fold(const runner *r, graph *g, fold_part part, folded *out)
{
    int32_t n = task_slots(&r->task);
    void *p;
    TRY(mem_array(g->mem, (size_t)n + FOLD_MAX, 1, &p));
    mark_invariant(r, p);
    status s = out ? graph_fold(g, p, n, n, part, out) : OK;
    if (s == OK)
        graph_invariant(g, p, n + FOLD_MAX);
    mem_give(g->mem, p);
    return s;
}

/* Plans the whole task where out is NULL, else one half of it. */
static status plan_part(runner *r, int flags, fold_part part, folded *out, plan **made_plan)
{
    graph *g;
    task_values made = {0};
    TRY(graph_create(&r->context->mem, model_real(r->model), &g));
    status st = task_build(&r->task, 0, g, &made);
    if (st == OK)
        st = fold(r, g, part, out);
    if (st == OK)
        st = context_plan(r->context, g, flags, made_plan);
    task_values_close(&made, g);
    graph_free(g);
    return st;
}

static status make_plan(runner *r, int flags, folded *kept)
{
    kept->n = 0;
    if (!has_shared_input(&r->task) && !has_statistics(r->model))
        return plan_part(r, flags, FOLD_READS, NULL, &r->plan);
    TRY(plan_part(r, flags, FOLD_READS, kept, &r->plan));
    return kept->n == 0 ? OK : plan_part(r, flags, FOLD_MAKES, kept, &r->fold);
}

static void drop_plans(runner *r)
{
    plan_free(r->plan);
    plan_free(r->fold);
    r->plan = r->fold = NULL;
}

static status set_batch(runner *r, int32_t batch)
{
    double setting[METHOD_NUMBERS];
    memcpy(setting, r->task.setting, sizeof setting);
    setting[number_with_role(r->task.kind->settings, SLMT_ROLE_BATCH)] = batch;
    return task_init(&r->task, r->model, r->task.kind, setting);
}

/* Cuts a batch into equal runs, with as many samples as the backend is fast with. */
static status cut_batch(runner *r)
{
    int32_t batch = r->batch, together;
    size_t fast = r->context->dev.backend->fast_bytes;
    if (batch == 1 || fast == 0)
        return OK;
    TRY(set_batch(r, 1));
    folded kept;
    TRY(make_plan(r, PLAN_DRY, &kept));
    size_t most = fast / (plan_arena_bytes(r->plan) + 1);
    drop_plans(r);
    together = (int32_t)(most < 1 ? 1 : most < (size_t)batch ? most : (size_t)batch);
    while (batch % together != 0)
        together--;
    return set_batch(r, together);
}

static size_t bytes_of(const bk_shape *s)
{
    return (size_t)bk_count(s) * bk_dtype_size(s->dtype);
}

/* Takes the table of bound pointers, and memory for the hoisted values at its end. */
static status take_hoisted(runner *r, const folded *kept, dry_run *t)
{
    void *p;
    int32_t slots = task_slots(&r->task);
    TRY(mem_zeros(&r->context->mem, (size_t)(slots + kept->n), sizeof(void *), &p));
    r->bound = p;
    TRY(mem_zeros(&r->context->mem, (size_t)kept->n, sizeof(size_t), &p));
    r->hoisted_bytes = p;
    for (; r->hoisted < kept->n; r->hoisted++) {
        r->hoisted_bytes[r->hoisted] = bytes_of(&kept->shape[r->hoisted]);
        TRY(dry_run_take_on(t, r->context->dev, r->hoisted_bytes[r->hoisted], &r->bound[slots + r->hoisted]));
    }
    return OK;
}

static status take_ports(runner *r, dry_run *t)
{
    device dev = r->context->dev;
    for (int32_t i = 0; i < task_ports(&r->task); i++) {
        size_t bytes = bytes_of(&r->task.shape[i]);
        TRY(dry_run_take(t, bytes, &r->data[i]));
        if (!device_is_host(dev))
            TRY(dry_run_take_on(t, dev, bytes, &r->on_device[i]));
        r->bound[task_slot_port(&r->task, i)] = device_is_host(dev) ? r->data[i] : r->on_device[i];
    }
    return OK;
}

static status fill(runner *r, dry_run *t)
{
    folded kept;
    r->batch = runner_samples(r);
    TRY(cut_batch(r));
    TRY(make_plan(r, shared_arena_flag(t), &kept));
    TRY(shared_arena_lend(&r->arena, r->context->dev, t, (plan *const[]){r->plan, r->fold}, 2));
    TRY(take_hoisted(r, &kept, t));
    task_bind_weights(&r->task, r->bound);
    return take_ports(r, t);
}

status runner_open(runner *r, slmt_context *context, const task *t, dry_run *y)
{
    r->context = context_retain(context);
    r->model = model_retain(t->model);
    r->task = *t;
    atomic_init(&r->cancel, 0);
    status s = fill(r, y);
    if (s != OK)
        runner_close(r);
    return s;
}

void runner_close(runner *r)
{
    mem *m = &r->context->mem;
    device dev = r->context->dev;
    drop_plans(r);
    shared_arena_free(&r->arena);
    profile_release(r->profile);
    for (int32_t i = 0; i < r->hoisted; i++)
        device_give(dev, m, r->bound[task_slots(&r->task) + i], r->hoisted_bytes[i]);
    mem_give(m, r->bound);
    mem_give(m, r->hoisted_bytes);
    for (int32_t i = 0; i < task_ports(&r->task); i++) {
        if (r->on_device[i])
            device_give(dev, m, r->on_device[i], bytes_of(&r->task.shape[i]));
        mem_give(m, r->data[i]);
    }
    model_release(r->model);
    context_release(r->context);
}

status runner_count(const task *t, size_t own, held_bytes *held)
{
    slmt_context *counting;
    runner r = {0};
    TRY(dry_run_context(t->model->context, &counting));
    dry_run y = {.mem = &counting->mem, .dry = 1};
    uint64_t before = context_live_bytes(counting);
    status s = runner_open(&r, counting, t, &y);
    if (s == OK) {
        *held = dry_run_held(&y, counting, before);
        held->all += mem_cost(own);
        runner_close(&r);
    }
    context_release(counting);
    return s;
}

status runner_profile(runner *r, slmt_profile *profile)
{
    if (r->fold)
        TRY(plan_profile(r->fold, profile ? &profile->records : NULL));
    return profile_exchange(r->plan, &r->profile, profile);
}
