/* SPDX-License-Identifier: Apache-2.0 */
/* stepper_device.c - a stepper's memory on the device: what crosses to it and back in a step, and the backup.
 *
 * On a device whose memory is the host's, graphs read and write the host's arrays, and nothing is copied. */
#include <string.h>

#include "train/stepper.h"

static device device_of(const stepper *s)
{
    return s->context->dev;
}

static int is_apart(const stepper *s)
{
    return !device_is_host(device_of(s));
}

static size_t port_bytes(const stepper *s, int32_t i)
{
    return (size_t)bk_count(&s->task.shape[i]) * bk_dtype_size(s->task.shape[i].dtype);
}

/* ---- memory ---- */

status stepper_take(stepper *s, dry_run *y, size_t bytes, void **out)
{
    *out = NULL;
    if (bytes == 0 && is_apart(s))
        return OK;
    return dry_run_take_on(y, device_of(s), bytes, out);
}

enum { SCALARS_BYTES = (1 + OPTIMIZER_SCALARS) * SCALAR_PLACE };

status stepper_take_device(stepper *s, dry_run *y)
{
    if (!is_apart(s))
        return OK;
    for (int32_t i = 0; i < task_ports(&s->task); i++)
        TRY(stepper_take(s, y, port_bytes(s, i), &s->on_device[i]));
    for (int32_t i = 0; i < TASK_SETS; i++)
        if (s->set[i].optimizer)
            TRY(stepper_take(s, y, SCALARS_BYTES, &s->set[i].on_device));
    return stepper_take(s, y, sizeof s->key, &s->key_on_device);
}

static size_t set_bytes(const stepper *s, int32_t set)
{
    return s->set[set].reals * bk_dtype_size(step_real(s));
}

static void give(stepper *s, void *p, size_t bytes)
{
    device_give(device_of(s), &s->context->mem, p, bytes);
}

void stepper_give_device(stepper *s)
{
    for (int32_t i = 0; i < METHOD_PORTS; i++)
        if (s->on_device[i])
            give(s, s->on_device[i], port_bytes(s, i));
    for (int32_t i = 0; i < TASK_SETS; i++) {
        give(s, s->set[i].on_device, SCALARS_BYTES);
        for (int32_t j = 0; j < OPTIMIZER_STATES; j++)
            give(s, s->set[i].state[j], set_bytes(s, i));
    }
    for (int32_t i = 0; i < TASK_STATES; i++)
        give(s, s->state[i].array, s->state[i].bytes);
    give(s, s->key_on_device, sizeof s->key);
    give(s, s->backup, s->backup_bytes);
}

/* ---- in a step ---- */

status stepper_upload(stepper *s)
{
    for (int32_t i = 0; is_apart(s) && i < task_ports(&s->task); i++) {
        if (s->is_newer[i])
            TRY(device_write(device_of(s), s->on_device[i], s->data[i], port_bytes(s, i)));
        s->is_newer[i] = 0;
    }
    return OK;
}

status stepper_look(stepper *s, const bk_tensor *arrays, int32_t n, int32_t *first)
{
    const step_graph *ran = &s->graph[s->last_graph];
    bk_read reads[METHOD_PORTS];
    int32_t n_reads = 0, port = s->task.kind->inputs.n;
    for (int32_t i = 0; is_apart(s) && i < s->task.kind->outputs.n; i++, port++)
        if (ran->makes[i])
            reads[n_reads++] = (bk_read){s->data[port], s->on_device[port], port_bytes(s, port)};
    return device_look(device_of(s), arrays, n, first, reads, n_reads);
}

status stepper_push(stepper *s)
{
    TRY(model_push_behind(s->task.model, s->updating_now));
    for (int32_t i = 0; i < s->task.kind->n_states; i++)
        if (s->state[i].model)
            TRY(model_push(s->state[i].model));
    return is_apart(s) ? device_write(device_of(s), s->key_on_device, s->key, sizeof s->key) : OK;
}

void *stepper_scalar(stepper *s, int32_t set, int32_t i)
{
    step_set *own = &s->set[set];
    if (is_apart(s))
        return (unsigned char *)own->on_device + i * SCALAR_PLACE;
    return i == 0 ? own->exact : &own->scalars[i - 1];
}

status stepper_push_scalars(stepper *s, int32_t set)
{
    unsigned char all[SCALARS_BYTES] = {0};
    const step_set *own = &s->set[set];
    if (!is_apart(s))
        return OK;
    memcpy(all, own->exact, sizeof own->exact);
    for (int32_t i = 0; i < OPTIMIZER_SCALARS; i++)
        memcpy(all + (1 + i) * SCALAR_PLACE, &own->scalars[i], sizeof own->scalars[i]);
    return device_write(device_of(s), own->on_device, all, sizeof all);
}

/* ---- the way back ---- */

typedef status (*move_fn)(device dev, unsigned char *backup, void *array, size_t bytes);

static status keep(device dev, unsigned char *backup, void *array, size_t bytes)
{
    return device_copy(dev, backup, array, bytes);
}

static status put_back(device dev, unsigned char *backup, void *array, size_t bytes)
{
    return device_copy(dev, array, backup, bytes);
}

/* Copies all that a step can change, array by array, to or from the backup. */
static status move_all(stepper *s, move_fn move)
{
    device dev = device_of(s);
    unsigned char *at = s->backup;
    size_t bytes = s->task.model->params.bytes;
    TRY(move(dev, at, s->task.model->on_device, bytes));
    at += bytes;
    for (int32_t i = 0; i < TASK_SETS; i++) {
        bytes = set_bytes(s, i);
        for (int32_t j = 0; s->set[i].optimizer && j < s->set[i].optimizer->n_states; j++, at += bytes)
            TRY(move(dev, at, s->set[i].state[j], bytes));
    }
    for (int32_t i = 0; i < TASK_STATES; i++) {
        TRY(move(dev, at, s->state[i].array, s->state[i].bytes));
        at += s->state[i].bytes;
    }
    return OK;
}

status stepper_keep(stepper *s)
{
    return move_all(s, keep);
}

status stepper_put_back(stepper *s)
{
    return move_all(s, put_back);
}
