/* SPDX-License-Identifier: Apache-2.0 */
/* device.c - memory for tensors: the backend's own if it has some, else the host's. */
#include "lib/device.h"

#include <math.h>
#include <string.h>

int device_is_host(device dev)
{
    return dev.backend->alloc == NULL;
}

status device_failure(device dev, bk_status s, const char *what)
{
    const char *name = dev.backend->name;
    if (s == BK_OK)
        return OK;
    if (s == BK_ERR_MEMORY)
        return fail_memory();
    if (s == BK_ERR_LIMIT)
        return fail_prefix(ERR_LIMIT, "the backend's memory"); /* the host has already written the message */
    if (s == BK_ERR_UNSUPPORTED)
        return fail(ERR_UNSUPPORTED, "backend %s does not serve %s", name, what);
    return fail(ERR_BACKEND, "backend %s failed in %s", name, what);
}

/* ---- memory ---- */

uint64_t device_cost(device dev, size_t bytes)
{
    return device_is_host(dev) ? mem_cost(bytes) : bytes;
}

status device_take(device dev, mem *m, size_t bytes, void **out)
{
    if (device_is_host(dev))
        return mem_take(m, bytes, out);
    *out = NULL;
    TRY(mem_reserve_elsewhere(m, bytes));
    bk_status s = dev.backend->alloc(dev.handle, bytes, out);
    if (s == BK_OK)
        return OK;
    *out = NULL;
    mem_unreserve_elsewhere(m, bytes);
    return device_failure(dev, s, "taking memory");
}

/* The backend contract has no call that clears memory, so zeros are copied from the host in pieces. */
static status write_zeros(device dev, void *to, size_t bytes)
{
    static const unsigned char zeros[4096];
    for (size_t at = 0; at < bytes; at += sizeof zeros) {
        size_t n = bytes - at < sizeof zeros ? bytes - at : sizeof zeros;
        TRY(device_write(dev, (unsigned char *)to + at, zeros, n));
    }
    return OK;
}

status device_zeros(device dev, mem *m, size_t bytes, void **out)
{
    if (device_is_host(dev))
        return mem_zeros(m, bytes, 1, out);
    TRY(device_take(dev, m, bytes, out));
    status s = write_zeros(dev, *out, bytes);
    if (s != OK) {
        device_give(dev, m, *out, bytes);
        *out = NULL;
    }
    return s;
}

void device_give(device dev, mem *m, void *p, size_t bytes)
{
    if (device_is_host(dev)) {
        mem_give(m, p);
    } else if (p) {
        dev.backend->free(dev.handle, p);
        mem_unreserve_elsewhere(m, bytes);
    }
}

/* ---- copies ---- */

static status copy(device dev, void *to, const void *from, size_t bytes, bk_direction way)
{
    if (bytes == 0)
        return OK;
    if (!device_is_host(dev))
        return device_failure(dev, dev.backend->copy(dev.handle, to, from, bytes, way), "a copy");
    memcpy(to, from, bytes);
    return OK;
}

status device_write(device dev, void *to, const void *from, size_t bytes)
{
    return copy(dev, to, from, bytes, BK_UP);
}

status device_read(device dev, void *to, const void *from, size_t bytes)
{
    return copy(dev, to, from, bytes, BK_DOWN);
}

status device_copy(device dev, void *to, const void *from, size_t bytes)
{
    return copy(dev, to, from, bytes, BK_ACROSS);
}

/* ---- checks ---- */

static int is_finite(const bk_tensor *t)
{
    size_t n = (size_t)bk_count(&t->shape);
    const float *f = t->data;
    const double *d = t->data;
    int finite = 1;
    for (size_t i = 0; t->shape.dtype == BK_F32 && i < n; i++)
        finite &= isfinite(f[i]) != 0;
    for (size_t i = 0; t->shape.dtype == BK_F64 && i < n; i++)
        finite &= isfinite(d[i]) != 0;
    return finite;
}

status device_look(device dev, const bk_tensor *arrays, int32_t n, int32_t *first, const bk_read *reads,
                   int32_t n_reads)
{
    *first = -1;
    if (!device_is_host(dev))
        return device_failure(dev, dev.backend->look(dev.handle, arrays, n, first, reads, n_reads),
                              "the check for finite numbers");
    for (int32_t i = 0; i < n_reads; i++)
        memcpy(reads[i].to, reads[i].from, reads[i].bytes);
    for (int32_t i = 0; *first < 0 && i < n; i++)
        if (!is_finite(&arrays[i]))
            *first = i;
    return OK;
}
