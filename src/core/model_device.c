/* SPDX-License-Identifier: Apache-2.0 */
/* model_device.c - a model's weights on the host and in the device's memory.
 *
 * Where the device works on host memory the two are one array. Otherwise each has the version of the weights
 * that it holds, and the older one is refreshed when somebody reads it. */
#include <pthread.h>
#include <stdatomic.h>

#include "core/model.h"

static device device_of(const slmt_model *m)
{
    return m->context->dev;
}

status model_take_weights(slmt_model *m)
{
    TRY(mem_zeros(&m->context->mem, m->params.bytes, 1, &m->weights));
    pthread_mutex_init(&m->refresh, NULL);
    m->host_version = atomic_load(&m->version);
    m->on_device = m->weights;
    if (device_is_host(device_of(m)))
        return OK;
    return device_take(device_of(m), &m->context->mem, m->params.bytes, &m->on_device);
}

void model_give_weights(slmt_model *m)
{
    mem *memory = &m->context->mem;
    if (!m->weights)
        return;
    if (m->on_device != m->weights)
        device_give(device_of(m), memory, m->on_device, m->params.bytes);
    mem_give(memory, m->weights);
    pthread_mutex_destroy(&m->refresh);
}

void *model_on_device(const slmt_model *m, int32_t k)
{
    return (unsigned char *)m->on_device + m->params.list[k].byte;
}

/* With the lock. */
static status finish(slmt_model *m, plan *writer)
{
    if (m->writer == writer)
        m->writer = NULL;
    return writer ? plan_finish(writer) : OK;
}

void model_set_writer(slmt_model *m, plan *writer)
{
    pthread_mutex_lock(&m->refresh);
    m->writer = writer;
    pthread_mutex_unlock(&m->refresh);
}

status model_finish_writer(slmt_model *m, plan *writer)
{
    pthread_mutex_lock(&m->refresh);
    status s = finish(m, writer);
    pthread_mutex_unlock(&m->refresh);
    return s;
}

status model_push(slmt_model *m)
{
    return model_push_behind(m, NULL);
}

status model_push_behind(slmt_model *m, const plan *writer)
{
    if (m->on_device == m->weights)
        return OK;
    pthread_mutex_lock(&m->refresh);
    status s = m->writer == writer ? OK : finish(m, m->writer);
    uint64_t version = atomic_load(&m->version);
    if (s == OK && m->device_version != version)
        s = device_write(device_of(m), m->on_device, m->weights, m->params.bytes);
    if (s == OK)
        m->device_version = version;
    pthread_mutex_unlock(&m->refresh);
    return s;
}

status model_pull(const slmt_model *model)
{
    slmt_model *m = (slmt_model *)(uintptr_t)model; /* the weights stay what they are */
    status s = OK;
    if (m->on_device == m->weights)
        return OK;
    pthread_mutex_lock(&m->refresh);
    uint64_t version = atomic_load(&m->version);
    if (m->host_version != version)
        s = device_read(device_of(m), m->weights, m->on_device, m->params.bytes);
    if (s == OK)
        m->host_version = version;
    pthread_mutex_unlock(&m->refresh);
    return s;
}

void model_host_wrote(slmt_model *m)
{
    m->host_version = atomic_fetch_add(&m->version, 1) + 1;
}

void model_device_wrote(slmt_model *m)
{
    m->device_version = atomic_fetch_add(&m->version, 1) + 1;
}
