/* SPDX-License-Identifier: Apache-2.0 */
/* runner.c - running samples.
 *
 * A full batch of float32 or int32 is read where the caller has it, and written where he wants it. Samples
 * are copied where that cannot be: in float64, at a last batch that is not full, and when an output is the
 * memory of an input. A device with memory of its own gets its inputs and gives its outputs by copies, from
 * and to the same places. */
#include "core/runner.h"

#include <stdatomic.h>
#include <string.h>

/* Elements of the runner's array for port i that n samples fill, and where those from `first` on begin in the
 * caller's. */
static size_t elements(const runner *r, int32_t i, size_t n, size_t first, size_t *from)
{
    size_t all = (size_t)bk_count(&r->task.shape[i]);
    *from = 0;
    if (!task_is_batched(&r->task, i))
        return all;
    size_t one = all / (size_t)r->task.shape[i].dim[0];
    *from = first * one;
    return n * one;
}

void runner_take(runner *r, int32_t i, const void *x, size_t n)
{
    const float *real = x;
    size_t all = (size_t)bk_count(&r->task.shape[i]);
    r->is_set[i] = 1;
    if (r->task.shape[i].dtype == BK_I32) {
        if (memcmp(r->data[i], x, n * sizeof(int32_t)) == 0)
            return;
        memcpy(r->data[i], x, n * sizeof(int32_t));
    } else {
        for (size_t e = 0; e < all; e++)
            real_set(r->data[i], model_real(r->model), e, e < n ? real[e] : 0);
    }
    r->is_newer[i] = 1;
    if (task_port(&r->task, i)->flags & PORT_SHARED)
        r->seen = 0;
}

static int is_apart(const runner *r)
{
    return !device_is_host(r->context->dev);
}

/* If weights or shared inputs have changed, gives the plans a new version and recomputes hoisted values. */
static status refresh(runner *r)
{
    uint64_t version = atomic_load(&r->model->version);
    if (r->seen == version)
        return OK;
    r->seen = 0;
    plan_version(r->plan, ++r->generation);
    if (r->fold) {
        plan_version(r->fold, r->generation);
        TRY(plan_run(r->fold, r->bound, task_slots(&r->task) + r->hoisted, &r->cancel));
    }
    r->seen = version;
    return OK;
}

/* What one run reads or writes of one port. */
typedef struct part {
    unsigned char *at; /* the caller's */
    size_t used;       /* elements of the samples */
    int is_direct;     /* 1: bound, 0: copied */
} part;

/* Elements of ports are float32 or int32 in the caller's arrays; those of the graph have the same form if the
 * type is of 4 bytes and all samples of the run are there. */
static part part_of(const runner *r, const arrays *a, int32_t i, size_t first, size_t n)
{
    size_t from, used = elements(r, i, n, first, &from);
    const bk_shape *s = &r->task.shape[i];
    part p = {.at = (unsigned char *)a->at[i] + from * sizeof(float), .used = used};
    p.is_direct = task_is_batched(&r->task, i) && s->dtype != BK_F64 && used == (size_t)bk_count(s);
    return p;
}

static int overlap(const part *a, const part *b)
{
    uintptr_t x = (uintptr_t)a->at, y = (uintptr_t)b->at;
    return x < y + b->used * sizeof(float) && y < x + a->used * sizeof(float);
}

/* Bound memory of an output is written while inputs are still read. */
static void keep_apart(const runner *r, const arrays *a, part *parts)
{
    int32_t inputs = r->task.kind->inputs.n;
    for (int32_t o = inputs; o < task_ports(&r->task); o++)
        for (int32_t i = 0; i < o; i++)
            if (a->at[i] && overlap(&parts[o], &parts[i]))
                parts[o].is_direct = 0;
}

static void bind_ports(runner *r, const arrays *a, const part *parts)
{
    for (int32_t i = 0; i < task_ports(&r->task); i++)
        r->bound[task_slot_port(&r->task, i)] = a->at[i] && parts[i].is_direct ? parts[i].at : r->data[i];
}

static void copy_in(runner *r, const arrays *a, const part *parts)
{
    for (int32_t i = 0; i < r->task.kind->inputs.n; i++)
        if (a->at[i] && !parts[i].is_direct)
            runner_take(r, i, parts[i].at, parts[i].used);
}

static size_t port_bytes(const runner *r, int32_t i)
{
    return (size_t)bk_count(&r->task.shape[i]) * bk_dtype_size(r->task.shape[i].dtype);
}

/* Inputs to the device, from where the caller has them or from where they were copied to. */
static status upload(runner *r, const arrays *a, const part *parts)
{
    for (int32_t i = 0; i < r->task.kind->inputs.n; i++) {
        const void *from = a->at[i] && parts[i].is_direct ? parts[i].at : r->is_newer[i] ? r->data[i] : NULL;
        if (from)
            TRY(device_write(r->context->dev, r->on_device[i], from, port_bytes(r, i)));
        r->is_newer[i] = 0;
    }
    return OK;
}

static status download(const runner *r, const part *parts)
{
    for (int32_t i = r->task.kind->inputs.n; i < task_ports(&r->task); i++)
        TRY(device_read(r->context->dev, parts[i].is_direct ? parts[i].at : r->data[i], r->on_device[i],
                        port_bytes(r, i)));
    return OK;
}

static void copy_out(const runner *r, const part *parts)
{
    for (int32_t i = r->task.kind->inputs.n; i < task_ports(&r->task); i++) {
        float *y = (float *)(void *)parts[i].at;
        for (size_t e = 0; !parts[i].is_direct && e < parts[i].used; e++)
            y[e] = (float)real_get(r->data[i], model_real(r->model), e);
    }
}

static status run_alone(runner *r, const arrays *a, size_t first, size_t n)
{
    part parts[METHOD_PORTS] = {{0}};
    for (int32_t i = 0; i < task_ports(&r->task); i++)
        if (a->at[i])
            parts[i] = part_of(r, a, i, first, n);
    if (!is_apart(r))
        keep_apart(r, a, parts);
    copy_in(r, a, parts);
    if (is_apart(r))
        TRY(upload(r, a, parts));
    else
        bind_ports(r, a, parts);
    TRY(model_push(r->model));
    TRY(refresh(r));
    TRY(plan_run(r->plan, r->bound, task_slots(&r->task) + r->hoisted, &r->cancel));
    if (is_apart(r))
        TRY(download(r, parts));
    copy_out(r, parts);
    return OK;
}

status runner_run(runner *r, const arrays *a, size_t first, size_t n)
{
    if (atomic_exchange(&r->busy, 1))
        return fail(ERR_STATE,
                    "another thread is in a call of this session, which is for one thread at a time");
    status s = run_alone(r, a, first, n);
    atomic_store(&r->busy, 0);
    return s;
}

status runner_report(const runner *r, size_t done, size_t total)
{
    if (r->progress && r->progress(r->progress_user, r->task.kind->name, done, total) != 0)
        return fail(ERR_CANCELLED, "cancelled by the progress callback after %zu of %zu slices", done, total);
    return OK;
}

status runner_run_all(runner *r, const arrays *a)
{
    size_t step = (size_t)runner_samples(r);
    for (size_t first = 0; first < a->samples; first += step) {
        size_t n = a->samples - first < step ? a->samples - first : step;
        TRY(runner_run(r, a, first, n));
        TRY(runner_report(r, first + n, a->samples));
    }
    return OK;
}
