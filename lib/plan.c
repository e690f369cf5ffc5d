/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - a planned graph: its pointers, its end, what can be asked of it, and its runs. */
#include <stdio.h>

#include "lib/plan_parts.h"

status plan_call_failure(device dev, bk_status s, bk_op op)
{
    const char *name = bk_op_name(op);
    char what[96];
    snprintf(what, sizeof what, s == BK_ERR_UNSUPPORTED ? "op %s with these shapes" : "op %s", name);
    return device_failure(dev, s, what);
}

/* ---- pointers and memory ---- */

static bk_tensor *operand_of(bk_call *c, int32_t operand)
{
    return operand < BK_MAX_IN ? &c->in[operand] : &c->out[operand - BK_MAX_IN];
}

/* Points all calls into the arena. */
static void settle(plan *p, void *arena)
{
    p->arena = arena;
    for (int32_t i = 0; i < p->n_places; i++) {
        bk_call *c = &p->calls[p->places[i].call];
        void *at = (unsigned char *)arena + p->places[i].offset;
        if (p->places[i].operand == SCRATCH)
            c->scratch = at;
        else
            operand_of(c, p->places[i].operand)->data = at;
    }
    mem_give(p->mem, p->places);
    p->places = NULL;
    p->n_places = 0;
}

status plan_load(plan *p)
{
    const bk_backend *b = p->dev.backend;
    if (!b->load)
        return OK;
    bk_plan whole = {p->calls, p->n_calls, p->bindings, p->n_bindings};
    return device_failure(p->dev, b->load(p->dev.handle, &whole, &p->program), "loading a plan");
}

status plan_lend(plan *p, void *arena)
{
    settle(p, arena);
    return plan_load(p);
}

void plan_free(plan *p)
{
    if (!p)
        return;
    plan_finish(p);
    if (p->program)
        p->dev.backend->unload(p->dev.handle, p->program);
    for (int32_t i = 0; i < p->n_prepared; i++)
        p->dev.backend->release(p->dev.handle, &p->calls[i]);
    for (int32_t i = 0; i < p->n_constants; i++)
        device_give(p->dev, p->mem, p->constants[i], p->constant_bytes[i]);
    mem_give(p->mem, p->constants);
    mem_give(p->mem, p->constant_bytes);
    for (int32_t i = 0; i < p->n_layers; i++)
        mem_give(p->mem, p->layers[i]);
    mem_give(p->mem, p->layers);
    mem_give(p->mem, p->held);
    mem_give(p->mem, p->assignments);
    mem_give(p->mem, p->origins);
    mem_give(p->mem, p->entries);
    mem_give(p->mem, p->calls);
    mem_give(p->mem, p->bindings);
    mem_give(p->mem, p->places);
    if (!p->is_lent)
        device_give(p->dev, p->mem, p->arena, p->arena_bytes);
    device_give(p->dev, p->mem, p->kept, p->kept_bytes);
    mem_give(p->mem, p);
}

/* ---- what can be asked ---- */

size_t plan_arena_bytes(const plan *p)
{
    return p->arena_bytes;
}

size_t plan_kept_bytes(const plan *p)
{
    return p->kept_bytes;
}

void plan_version(plan *p, uint64_t version)
{
    for (int32_t i = 0; i < p->n_calls; i++)
        for (int32_t k = 0; k < p->calls[i].n_in; k++)
            if (p->calls[i].in[k].version > 0)
                p->calls[i].in[k].version = version;
}

int32_t plan_call_count(const plan *p)
{
    return p->n_calls;
}

bk_op plan_call_op(const plan *p, int32_t index)
{
    return p->calls[index].op;
}

const char *plan_call_layer(const plan *p, int32_t index)
{
    int32_t layer = p->origins[index].layer;
    return layer >= 0 ? p->layers[layer] : "";
}

int plan_call_backward(const plan *p, int32_t index)
{
    return p->origins[index].backward;
}

status plan_profile(plan *p, profile *to)
{
    void *entries = NULL;
    status s = to ? mem_array(p->mem, (size_t)p->n_calls, sizeof(int32_t), &entries) : OK;
    for (int32_t i = 0; s == OK && to && i < p->n_calls; i++)
        s = profile_entry_of(to, &p->calls[i], plan_call_layer(p, i), plan_call_backward(p, i),
                             (int32_t *)entries + i);
    if (s != OK) {
        mem_give(p->mem, entries);
        return s;
    }
    mem_give(p->mem, p->entries);
    p->entries = entries;
    p->profile = to;
    return OK;
}

void *plan_held(const plan *p, int32_t held)
{
    if (!p->arena || held < 0 || held >= p->n_held || p->held[held] == NOT_HELD)
        return NULL;
    return (unsigned char *)p->arena + p->held[held];
}

/* ---- runs ---- */

static void bind(plan *p, void *const *bound)
{
    for (int32_t i = 0; i < p->n_bindings; i++) {
        const bk_binding *f = &p->bindings[i];
        operand_of(&p->calls[f->call], f->operand)->data = bound[f->slot];
    }
}

int32_t plan_next_count(const plan *p)
{
    return p->n_assignments;
}

bk_tensor plan_next(const plan *p, int32_t i, int32_t *slot)
{
    const assignment *a = &p->assignments[i];
    *slot = a->slot;
    return (bk_tensor){.shape = a->shape, .data = (unsigned char *)p->arena + a->offset};
}

status plan_assign(const plan *p, void *const *bound)
{
    for (int32_t i = 0; i < p->n_assignments; i++) {
        const assignment *a = &p->assignments[i];
        TRY(device_copy(p->dev, bound[a->slot], (const unsigned char *)p->arena + a->offset, a->bytes));
    }
    return OK;
}

static status start_program(plan *p, void *const *bound, const atomic_int *cancel, plan *after)
{
    const bk_backend *b = p->dev.backend;
    if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
        return fail(ERR_CANCELLED, "cancelled");
    void *earlier = after && after->running ? after->program : NULL;
    TRY(device_failure(p->dev, b->launch(p->dev.handle, p->program, bound, earlier), "the launch of a plan"));
    p->running = 1;
    return OK;
}

static status run_calls(plan *p, const atomic_int *cancel)
{
    for (int32_t i = 0; i < p->n_calls; i++) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return fail(ERR_CANCELLED, "cancelled");
        double start = p->profile ? profile_clock() : 0;
        bk_status s = p->dev.backend->run(p->dev.handle, &p->calls[i]);
        if (s != BK_OK)
            return plan_call_failure(p->dev, s, p->calls[i].op);
        if (p->profile)
            profile_add(p->profile, p->entries[i], start);
    }
    return OK;
}

static status run_one_by_one(plan *p, void *const *bound, const atomic_int *cancel)
{
    const bk_backend *b = p->dev.backend;
    bind(p, bound);
    TRY(device_failure(p->dev, b->begin(p->dev.handle), "the start of a run"));
    status s = run_calls(p, cancel);
    bk_status end = b->end(p->dev.handle);
    return s == OK ? device_failure(p->dev, end, "a run") : s;
}

status plan_start(plan *p, void *const *bound, int32_t n_bound, const atomic_int *cancel, plan *after)
{
    if (n_bound < p->n_bound)
        return fail(ERR_INTERNAL, "the plan reads %d slots, but %d are bound", p->n_bound, n_bound);
    if (p->program && !p->profile) {
        TRY(start_program(p, bound, cancel, after));
    } else {
        TRY(after ? plan_finish(after) : OK);
        TRY(run_one_by_one(p, bound, cancel));
    }
    return p->in_place ? plan_assign(p, bound) : OK;
}

status plan_finish(plan *p)
{
    if (!p->running)
        return OK;
    p->running = 0;
    return device_failure(p->dev, p->dev.backend->wait(p->dev.handle, p->program), "a plan");
}

int plan_is_running(const plan *p)
{
    return p->running;
}

status plan_run(plan *p, void *const *bound, int32_t n_bound, const atomic_int *cancel)
{
    status s = plan_start(p, bound, n_bound, cancel, NULL), end = plan_finish(p);
    return s == OK ? end : s;
}
