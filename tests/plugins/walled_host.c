/* SPDX-License-Identifier: Apache-2.0 */
/* walled_host.c - the backend "walled" for callers with host memory, such as the conformance suite: each
 * call's operands are taken up, and its outputs down again. */
#include "tests/plugins/walled_host.h"

#include "tests/plugins/walled.h"

typedef struct carrier {
    bk_host host;
    void *walled;
} carrier;

static bk_status carrier_open(const bk_host *host, const char *options, void **device)
{
    void *p;
    *device = NULL;
    bk_status status = host->alloc(host->user, sizeof(carrier), &p);
    if (status != BK_OK)
        return status;
    carrier *c = p;
    *c = (carrier){.host = *host};
    status = bk_walled()->open(&c->host, options, &c->walled);
    if (status != BK_OK)
        host->free(host->user, c);
    else
        *device = c;
    return status;
}

static void carrier_close(void *device)
{
    carrier *c = device;
    if (!c)
        return;
    bk_walled()->close(c->walled);
    c->host.free(c->host.user, c);
}

static int carrier_supports(void *device, bk_op op, bk_dtype real)
{
    return bk_walled()->supports(((carrier *)device)->walled, op, real);
}

static bk_status carrier_prepare(void *device, bk_call *call)
{
    return bk_walled()->prepare(((carrier *)device)->walled, call);
}

static void carrier_release(void *device, bk_call *call)
{
    bk_walled()->release(((carrier *)device)->walled, call);
}

static bk_status carrier_begin(void *device)
{
    return bk_walled()->begin(((carrier *)device)->walled);
}

static bk_status carrier_end(void *device)
{
    return bk_walled()->end(((carrier *)device)->walled);
}

static const char *carrier_describe(void *device)
{
    return bk_walled()->describe(((carrier *)device)->walled);
}

/* ---- operands ---- */

enum { MAX_LOADS = BK_MAX_IN + BK_MAX_OUT + 1 };

/* Host arrays and their counterparts in the device. */
typedef struct cargo {
    void *walled;
    struct {
        void *host, *device;
        size_t bytes;
    } load[MAX_LOADS];
    int n;
    bk_status status;
} cargo;

/* The counterpart of host memory, filled with what it holds; the same memory has one counterpart. */
static void *up(cargo *c, void *host, size_t bytes)
{
    void *device = NULL;
    for (int i = 0; i < c->n; i++)
        if (c->load[i].host == host)
            return c->load[i].device;
    if (!host || c->status != BK_OK)
        return NULL;
    c->status = bk_walled()->alloc(c->walled, bytes, &device);
    if (c->status != BK_OK)
        return NULL;
    c->load[c->n].host = host;
    c->load[c->n].bytes = bytes;
    c->load[c->n++].device = device;
    c->status = bk_walled()->copy(c->walled, device, host, bytes, BK_UP);
    return device;
}

static void down(cargo *c, void *host)
{
    for (int i = 0; i < c->n && c->status == BK_OK; i++)
        if (c->load[i].host == host)
            c->status = bk_walled()->copy(c->walled, host, c->load[i].device, c->load[i].bytes, BK_DOWN);
}

static void unload(cargo *c)
{
    for (int i = 0; i < c->n; i++)
        bk_walled()->free(c->walled, c->load[i].device);
}

static size_t bytes_of(const bk_tensor *t)
{
    return (size_t)bk_count(&t->shape) * bk_dtype_size(t->shape.dtype);
}

static bk_status carrier_run(void *device, bk_call *call)
{
    cargo c = {.walled = ((carrier *)device)->walled};
    bk_call behind = *call;
    behind.scratch = up(&c, call->scratch, call->scratch_bytes);
    for (int32_t i = 0; i < call->n_in; i++)
        behind.in[i].data = up(&c, call->in[i].data, bytes_of(&call->in[i]));
    for (int32_t i = 0; i < call->n_out; i++)
        behind.out[i].data = up(&c, call->out[i].data, bytes_of(&call->out[i]));
    if (c.status == BK_OK)
        c.status = bk_walled()->run(c.walled, &behind);
    for (int32_t i = 0; i < call->n_out; i++)
        down(&c, call->out[i].data);
    unload(&c);
    return c.status;
}

const bk_backend *bk_walled_host(void)
{
    static const bk_backend table = {
        .api = BK_API,
        .name = "walled_host",
        .open = carrier_open,
        .close = carrier_close,
        .supports = carrier_supports,
        .prepare = carrier_prepare,
        .release = carrier_release,
        .begin = carrier_begin,
        .end = carrier_end,
        .run = carrier_run,
        .describe = carrier_describe,
    };
    return &table;
}
