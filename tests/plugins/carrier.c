/* SPDX-License-Identifier: Apache-2.0 */
/* carrier.c - operands up, a call, outputs down: see carrier.h. */
#include "tests/plugins/carrier.h"

#include "tests/plugins/walled.h"

#include <stdlib.h>
#include <string.h>

typedef struct carrier {
    carried what;
    bk_host host, lent; /* lent: to the backend */
    void *device;
    int32_t runs; /* so far */
    int running;  /* memory for operands is the carrier's own affair */
} carrier;

static bk_status lend(void *user, size_t bytes, void **out)
{
    carrier *c = user;
    if (!c->running)
        return c->host.alloc(c->host.user, bytes, out);
    *out = aligned_alloc(64, (bytes + 63) / 64 * 64);
    return *out ? BK_OK : BK_ERR_MEMORY;
}

static void take_back(void *user, void *p)
{
    carrier *c = user;
    if (c->running)
        free(p);
    else
        c->host.free(c->host.user, p);
}

static void pass_on(void *user, int level, const char *message)
{
    carrier *c = user;
    if (c->host.log)
        c->host.log(c->host.user, level, message);
}

bk_status carrier_open(const carried *what, const bk_host *host, const char *options, void **device)
{
    void *p;
    *device = NULL;
    bk_status status = host->alloc(host->user, sizeof(carrier), &p);
    if (status != BK_OK)
        return status;
    carrier *c = p;
    *c = (carrier){.what = *what, .host = *host};
    c->lent = (bk_host){c, lend, take_back, pass_on, host->threads};
    status = what->backend->open(&c->lent, options, &c->device);
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
    c->what.backend->close(c->device);
    c->host.free(c->host.user, c);
}

static int carrier_supports(void *device, bk_op op, bk_dtype real)
{
    const carrier *c = device;
    return c->what.backend->supports(c->device, op, real);
}

static bk_status carrier_prepare(void *device, bk_call *call)
{
    const carrier *c = device;
    return c->what.backend->prepare(c->device, call);
}

static void carrier_release(void *device, bk_call *call)
{
    const carrier *c = device;
    c->what.backend->release(c->device, call);
}

/* Each call is a run of its own. */
static bk_status carrier_begin(void *device)
{
    (void)device;
    return BK_OK;
}

static const char *carrier_describe(void *device)
{
    const carrier *c = device;
    return c->what.backend->describe(c->device);
}

/* ---- operands ---- */

enum { MAX_LOADS = BK_MAX_IN + BK_MAX_OUT + 1 };

/* Host arrays and their counterparts in the device. */
typedef struct cargo {
    const carrier *carrier;
    struct {
        void *host, *device;
        size_t bytes;
    } load[MAX_LOADS];
    int n;
    bk_status status;
} cargo;

static const bk_backend *backend_of(const cargo *c)
{
    return c->carrier->what.backend;
}

/* The counterpart of host memory, filled with what it holds; the same memory has one counterpart. */
static void *up(cargo *c, void *host, size_t bytes)
{
    void *device = NULL;
    for (int i = 0; i < c->n; i++)
        if (c->load[i].host == host)
            return c->load[i].device;
    if (!host || c->status != BK_OK)
        return NULL;
    c->status = backend_of(c)->alloc(c->carrier->device, bytes, &device);
    if (c->status != BK_OK)
        return NULL;
    c->load[c->n].host = host;
    c->load[c->n].bytes = bytes;
    c->load[c->n++].device = device;
    c->status = backend_of(c)->copy(c->carrier->device, device, host, bytes, BK_UP);
    return device;
}

static void down(cargo *c, void *host)
{
    for (int i = 0; i < c->n && c->status == BK_OK; i++)
        if (c->load[i].host == host)
            c->status =
                backend_of(c)->copy(c->carrier->device, host, c->load[i].device, c->load[i].bytes, BK_DOWN);
}

static void unload(cargo *c)
{
    for (int i = 0; i < c->n; i++)
        backend_of(c)->free(c->carrier->device, c->load[i].device);
}

static size_t bytes_of(const bk_tensor *t)
{
    return (size_t)bk_count(&t->shape) * bk_dtype_size(t->shape.dtype);
}

/* Runs the call; its outputs are still in the device. */
static void run_there(cargo *c, const bk_call *call)
{
    const bk_backend *b = backend_of(c);
    bk_call there = *call;
    there.scratch = up(c, call->scratch, call->scratch_bytes);
    for (int32_t i = 0; i < call->n_in; i++)
        there.in[i].data = up(c, call->in[i].data, bytes_of(&call->in[i]));
    for (int32_t i = 0; i < call->n_out; i++)
        there.out[i].data = up(c, call->out[i].data, bytes_of(&call->out[i]));
    if (c->status == BK_OK)
        c->status = b->begin(c->carrier->device);
    if (c->status == BK_OK) {
        c->status = b->run(c->carrier->device, &there);
        bk_status ended = b->end(c->carrier->device);
        c->status = c->status == BK_OK ? ended : c->status;
    }
}

static bk_status carrier_run(void *device, bk_call *call)
{
    carrier *c = device;
    cargo load = {.carrier = c};
    c->running = 1;
    if (c->what.before_run)
        c->what.before_run(c->runs++);
    run_there(&load, call);
    for (int32_t i = 0; i < call->n_out; i++)
        down(&load, call->out[i].data);
    unload(&load);
    c->running = 0;
    return load.status;
}

bk_backend carrier_table(void)
{
    return (bk_backend){.api = BK_API,
                        .close = carrier_close,
                        .supports = carrier_supports,
                        .prepare = carrier_prepare,
                        .release = carrier_release,
                        .begin = carrier_begin,
                        .end = carrier_begin,
                        .run = carrier_run,
                        .describe = carrier_describe};
}

/* ---- the backend "walled" ---- */

static bk_status open_walled(const bk_host *host, const char *options, void **device)
{
    return carrier_open(&(carried){.backend = bk_walled()}, host, options, device);
}

const bk_backend *bk_walled_host(void)
{
    static bk_backend table;
    table = carrier_table();
    table.name = "walled_host";
    table.open = open_walled;
    return &table;
}
