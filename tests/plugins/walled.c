/* SPDX-License-Identifier: Apache-2.0 */
/* walled.c - the reference's kernels behind a wall: see walled.h. */
#define _GNU_SOURCE
#include "tests/plugins/walled.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };
#define ROOM ((size_t)16 << 30) /* addresses, not memory */

/* Memory of the device that is in use: [at, at + bytes) of both regions. In order of place. */
typedef struct block {
    struct block *next;
    size_t at, bytes;
} block;

typedef struct walled {
    bk_host host;
    void *reference;
    unsigned char *wall;   /* what the host sees: no access */
    unsigned char *inside; /* where the bytes are */
    block *blocks;
    size_t used, limit;
    pthread_mutex_t lock;     /* of the blocks */
    struct program *launched; /* what has not run yet, in the order of launches */
    pthread_mutex_t order;    /* of the programs, and while they run */
} walled;

static void run_launched(walled *w);

static bk_status complain(const walled *w, const char *message)
{
    if (w->host.log)
        w->host.log(w->host.user, 0, message);
    return BK_ERR_FAILED;
}

/* ---- open and close ---- */

static int read_options(walled *w, const char *options)
{
    const char *item;
    for (size_t n; (n = bk_next_option(&options, &item)) > 0;) {
        if (strncmp(item, "memory=", 7) != 0) {
            char message[128];
            snprintf(message, sizeof message, "walled: there is no option %.*s", (int)(n < 64 ? n : 64),
                     item);
            complain(w, message);
            return 0;
        }
        w->limit = (size_t)strtoull(item + 7, NULL, 10);
    }
    return 1;
}

static int map_regions(walled *w)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *wall = mmap(NULL, ROOM, PROT_NONE, flags, -1, 0);
    void *inside = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, flags, -1, 0);
    w->wall = wall == MAP_FAILED ? NULL : wall;
    w->inside = inside == MAP_FAILED ? NULL : inside;
    return w->wall && w->inside;
}

static void walled_close(void *device)
{
    walled *w = device;
    if (!w)
        return;
    if (w->reference)
        bk_reference()->close(w->reference);
    for (block *b = w->blocks, *next; b; b = next) {
        complain(w, "walled: memory is in use when the device is closed");
        next = b->next;
        free(b);
    }
    if (w->wall)
        munmap(w->wall, ROOM);
    if (w->inside)
        munmap(w->inside, ROOM);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->order);
    w->host.free(w->host.user, w);
}

static bk_status walled_open(const bk_host *host, const char *options, void **device)
{
    void *p;
    *device = NULL;
    bk_status status = host->alloc(host->user, sizeof(walled), &p);
    if (status != BK_OK)
        return status;
    walled *w = p;
    *w = (walled){.host = *host, .limit = ROOM};
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->order, NULL);
    status = !read_options(w, options) ? BK_ERR_UNSUPPORTED : !map_regions(w) ? BK_ERR_MEMORY : BK_OK;
    if (status == BK_OK)
        status = bk_reference()->open(&w->host, "", &w->reference);
    if (status != BK_OK) {
        walled_close(w);
        return status;
    }
    *device = w;
    return BK_OK;
}

static const char *walled_describe(void *device)
{
    (void)device;
    return "walled: the reference's kernels on memory of their own";
}

/* ---- memory ---- */

static size_t pages(size_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE + PAGE; /* one page between blocks belongs to nobody */
}

static void poison(walled *w, const block *b)
{
    memset(w->inside + b->at, 0xFF, b->bytes);
}

/* The first gap that is large enough. */
static bk_status insert(walled *w, block *fresh)
{
    block **link = &w->blocks;
    size_t at = PAGE;
    for (; *link && (*link)->at - at < pages(fresh->bytes); link = &(*link)->next)
        at = (*link)->at + pages((*link)->bytes);
    if (fresh->bytes > w->limit || w->used > w->limit - fresh->bytes || at + pages(fresh->bytes) > ROOM)
        return BK_ERR_MEMORY;
    fresh->at = at;
    fresh->next = *link;
    *link = fresh;
    w->used += fresh->bytes;
    return BK_OK;
}

static bk_status walled_alloc(void *device, size_t bytes, void **out)
{
    walled *w = device;
    block *b = malloc(sizeof *b);
    *out = NULL;
    if (!b)
        return BK_ERR_MEMORY;
    b->bytes = bytes;
    pthread_mutex_lock(&w->lock);
    bk_status status = insert(w, b);
    pthread_mutex_unlock(&w->lock);
    if (status != BK_OK) {
        free(b);
        return status;
    }
    poison(w, b);
    *out = w->wall + b->at;
    return BK_OK;
}

static void walled_free(void *device, void *p)
{
    walled *w = device;
    if (!p)
        return;
    pthread_mutex_lock(&w->lock);
    block **link = &w->blocks;
    while (*link && w->wall + (*link)->at != (unsigned char *)p)
        link = &(*link)->next;
    block *b = *link;
    if (b) {
        *link = b->next;
        w->used -= b->bytes;
        poison(w, b);
    }
    pthread_mutex_unlock(&w->lock);
    if (!b)
        complain(w, "walled: memory is given back that is not in use");
    free(b);
}

/* Where the bytes of device memory are; NULL where [p, p + bytes) is not inside one block. */
static void *inside(walled *w, const void *p, size_t bytes)
{
    uintptr_t wall = (uintptr_t)w->wall, at = (uintptr_t)p - wall;
    unsigned char *found = NULL;
    if ((uintptr_t)p < wall || at >= ROOM)
        return NULL;
    pthread_mutex_lock(&w->lock);
    for (const block *b = w->blocks; b && !found; b = b->next)
        if (at >= b->at && bytes <= b->bytes && at - b->at <= b->bytes - bytes)
            found = w->inside + at;
    pthread_mutex_unlock(&w->lock);
    return found;
}

static int is_behind_wall(const walled *w, const void *p)
{
    return (uintptr_t)p - (uintptr_t)w->wall < ROOM;
}

static bk_status walled_copy(void *device, void *to, const void *from, size_t bytes, bk_direction way)
{
    walled *w = device;
    int up = way == BK_UP, down = way == BK_DOWN;
    run_launched(w);
    if ((up && is_behind_wall(w, from)) || (down && is_behind_wall(w, to)))
        return complain(w, "walled: a copy's host side is memory of the device");
    void *target = down ? to : inside(w, to, bytes);
    const void *source = up ? from : inside(w, from, bytes);
    if (!target || !source)
        return complain(w, "walled: a copy leaves the memory of the device");
    memcpy(target, source, bytes);
    return BK_OK;
}

static size_t tensor_bytes(const bk_tensor *t)
{
    return (size_t)bk_count(&t->shape) * bk_dtype_size(t->shape.dtype);
}

static int is_finite(const void *data, const bk_shape *s)
{
    for (int64_t i = 0; i < bk_count(s); i++)
        if (!isfinite(s->dtype == BK_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i]))
            return 0;
    return 1;
}

static bk_status walled_look(void *device, const bk_tensor *arrays, int32_t n, int32_t *first,
                             const bk_read *reads, int32_t n_reads)
{
    walled *w = device;
    *first = -1;
    run_launched(w);
    for (int32_t i = 0; i < n_reads; i++) {
        bk_status status = walled_copy(w, reads[i].to, reads[i].from, reads[i].bytes, BK_DOWN);
        if (status != BK_OK)
            return status;
    }
    for (int32_t i = 0; *first < 0 && i < n; i++) {
        const void *data = inside(w, arrays[i].data, tensor_bytes(&arrays[i]));
        if (!data)
            return complain(w, "walled: an array to be checked is no memory of the device");
        if (!is_finite(data, &arrays[i].shape))
            *first = i;
    }
    return BK_OK;
}

/* ---- calls ---- */

static int walled_supports(void *device, bk_op op, bk_dtype real)
{
    return bk_reference()->supports(((walled *)device)->reference, op, real);
}

static bk_status walled_prepare(void *device, bk_call *call)
{
    return bk_reference()->prepare(((walled *)device)->reference, call);
}

static void walled_release(void *device, bk_call *call)
{
    bk_reference()->release(((walled *)device)->reference, call);
}

static bk_status walled_begin(void *device)
{
    run_launched(device);
    return bk_reference()->begin(((walled *)device)->reference);
}

static bk_status walled_end(void *device)
{
    return bk_reference()->end(((walled *)device)->reference);
}

/* Replaces a pointer by the place behind the wall; NULL stays. 0: it is none of the device's. */
static int enter(walled *w, void **data, size_t bytes)
{
    if (!*data)
        return 1;
    *data = inside(w, *data, bytes);
    return *data != NULL;
}

static bk_status walled_run(void *device, bk_call *call)
{
    walled *w = device;
    bk_call real = *call;
    int valid = enter(w, &real.scratch, real.scratch_bytes);
    for (int32_t i = 0; i < real.n_in; i++)
        valid &= enter(w, &real.in[i].data, tensor_bytes(&real.in[i]));
    for (int32_t i = 0; i < real.n_out; i++)
        valid &= enter(w, &real.out[i].data, tensor_bytes(&real.out[i]));
    char message[96];
    snprintf(message, sizeof message, "walled: an operand of op %d is no memory of the device",
             (int)call->op);
    return valid ? bk_reference()->run(w->reference, &real) : complain(w, message);
}

/* ---- whole plans ---- */

typedef struct program {
    bk_plan plan;
    void **bound; /* of the run that was launched; NULL: none */
    int32_t n_bound;
    bk_status status; /* of the run, once it is out of the list */
    struct program *next;
    int is_listed;
} program;

static bk_status walled_load(void *device, const bk_plan *plan, void **out)
{
    (void)device;
    program *p = malloc(sizeof *p);
    *out = NULL;
    if (!p)
        return BK_ERR_MEMORY;
    *p = (program){.plan = *plan};
    for (int32_t i = 0; i < plan->n_bindings; i++)
        if (plan->bindings[i].slot >= p->n_bound)
            p->n_bound = plan->bindings[i].slot + 1;
    *out = p;
    return BK_OK;
}

static void walled_unload(void *device, void *loaded)
{
    program *p = loaded;
    run_launched(device);
    if (p)
        free(p->bound);
    free(p);
}

static bk_status run_program(walled *w, program *p)
{
    bk_status status = BK_OK;
    for (int32_t i = 0; i < p->plan.n_bindings; i++) {
        const bk_binding *b = &p->plan.bindings[i];
        bk_call *c = &p->plan.calls[b->call];
        bk_tensor *t = b->operand < BK_MAX_IN ? &c->in[b->operand] : &c->out[b->operand - BK_MAX_IN];
        t->data = p->bound[b->slot];
    }
    for (int32_t i = 0; status == BK_OK && i < p->plan.n_calls; i++)
        status = walled_run(w, &p->plan.calls[i]);
    return status;
}

/* What was launched runs when somebody waits for it, or for what comes after it. */
static void run_launched(walled *w)
{
    pthread_mutex_lock(&w->order);
    for (program *p; (p = w->launched);) {
        w->launched = p->next;
        p->status = run_program(w, p);
        p->is_listed = 0;
    }
    pthread_mutex_unlock(&w->order);
}

static void list_program(walled *w, program *p)
{
    pthread_mutex_lock(&w->order);
    program **link = &w->launched;
    while (*link)
        link = &(*link)->next;
    *link = p;
    p->next = NULL;
    p->is_listed = 1;
    pthread_mutex_unlock(&w->order);
}

/* The pointers are kept: their table is the caller's. Programs run in the order of launches. */
static bk_status walled_launch(void *device, void *loaded, void *const *bound, void *after)
{
    program *p = loaded;
    if (after && !((program *)after)->bound)
        return complain(device, "walled: a program is to come after one that was not launched");
    if (p->bound)
        return complain(device, "walled: a program is launched twice");
    p->bound = malloc(((size_t)p->n_bound + 1) * sizeof(void *));
    if (!p->bound)
        return BK_ERR_MEMORY;
    memcpy(p->bound, bound, (size_t)p->n_bound * sizeof(void *));
    list_program(device, p);
    return BK_OK;
}

static bk_status walled_wait(void *device, void *loaded)
{
    program *p = loaded;
    if (!p->bound)
        return complain(device, "walled: nothing was launched");
    run_launched(device);
    free(p->bound);
    p->bound = NULL;
    return p->status;
}

/* ---- tables ---- */

#define FUNCTIONS                                                                                            \
    .api = BK_API, .open = walled_open, .close = walled_close, .supports = walled_supports,                  \
    .prepare = walled_prepare, .release = walled_release, .begin = walled_begin, .end = walled_end,          \
    .run = walled_run, .describe = walled_describe, .alloc = walled_alloc, .free = walled_free,              \
    .copy = walled_copy, .look = walled_look

const bk_backend *bk_walled(void)
{
    static const bk_backend table = {FUNCTIONS,
                                     .name = "walled",
                                     .load = walled_load,
                                     .unload = walled_unload,
                                     .launch = walled_launch,
                                     .wait = walled_wait};
    return &table;
}

const bk_backend *bk_walled_calls(void)
{
    static const bk_backend table = {FUNCTIONS, .name = "walled_calls"};
    return &table;
}
