/* SPDX-License-Identifier: Apache-2.0 */
/* engine_host.h - the host of tests of lib/: an allocator that counts, can fail and fences its blocks, and a
 * backend opened on it. Include it before cmocka.h, whose macro fail() hides the engine's function. */
#ifndef SLMT_TESTS_ENGINE_HOST_H
#define SLMT_TESTS_ENGINE_HOST_H

#include "lib/plan.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

enum { GUARD = 64, GUARD_BYTE = 0xA5, FRESH_BYTE = 0xC7 };

/* In front of a block: [guard_block, padded to GUARD][GUARD bytes][the block][GUARD bytes]. */
typedef struct guard_block {
    struct guard_block *next, *previous;
    size_t bytes;
} guard_block;

typedef struct test_memory {
    guard_block blocks;         /* of a ring: those not yet freed */
    int64_t live, calls;        /* blocks not yet freed; blocks asked for */
    uint64_t bytes, peak;       /* of the blocks not yet freed, and their maximum */
    int64_t fail_from, fail_to; /* calls (from 1) that give NULL; fail_from 0: none */
    int broken;                 /* a fence of a freed block was not whole */
    pthread_mutex_t lock;
} test_memory;

static inline void test_memory_init(test_memory *t)
{
    memset(t, 0, sizeof *t);
    t->blocks.next = t->blocks.previous = &t->blocks;
    pthread_mutex_init(&t->lock, NULL);
}

static inline unsigned char *guard_payload(guard_block *b)
{
    return (unsigned char *)b + 2 * GUARD;
}

static inline int guard_is_whole(guard_block *b)
{
    const unsigned char *p = guard_payload(b);
    for (size_t i = 0; i < GUARD; i++)
        if (p[-(ptrdiff_t)i - 1] != GUARD_BYTE || p[b->bytes + i] != GUARD_BYTE)
            return 0;
    return 1;
}

/* 64-byte aligned, full of FRESH_BYTE: nobody may count on zeros. */
static inline void *guard_alloc(void *user, size_t bytes)
{
    test_memory *t = user;
    void *p = NULL;
    pthread_mutex_lock(&t->lock);
    int64_t call = ++t->calls;
    int refuse = t->fail_from > 0 && call >= t->fail_from && call <= t->fail_to;
    if (!refuse && posix_memalign(&p, GUARD, bytes + 3 * GUARD) == 0) {
        guard_block *b = p;
        *b = (guard_block){.next = t->blocks.next, .previous = &t->blocks, .bytes = bytes};
        b->next->previous = b->previous->next = b;
        memset((unsigned char *)p + GUARD, GUARD_BYTE, bytes + 2 * GUARD);
        p = memset(guard_payload(b), FRESH_BYTE, bytes);
        t->live++;
        t->bytes += bytes;
        t->peak = t->bytes > t->peak ? t->bytes : t->peak;
    }
    pthread_mutex_unlock(&t->lock);
    return p;
}

static inline void guard_free(void *user, void *p)
{
    test_memory *t = user;
    if (!p)
        return;
    guard_block *b = (guard_block *)(void *)((unsigned char *)p - 2 * GUARD);
    pthread_mutex_lock(&t->lock);
    t->broken |= !guard_is_whole(b);
    b->previous->next = b->next;
    b->next->previous = b->previous;
    t->live--;
    t->bytes -= b->bytes;
    pthread_mutex_unlock(&t->lock);
    free(b);
}

/* The same, as a backend asks. */
static inline bk_status guard_host_alloc(void *user, size_t bytes, void **out)
{
    *out = guard_alloc(user, bytes);
    return *out ? BK_OK : BK_ERR_MEMORY;
}

/* 1 while no block, freed or not, was written outside. */
static inline int test_memory_is_whole(const test_memory *t)
{
    int whole = !t->broken;
    for (guard_block *b = t->blocks.next; b != &t->blocks; b = b->next)
        whole &= guard_is_whole(b);
    return whole;
}

/* ---- an opened backend, and a mem ---- */

typedef struct engine {
    test_memory memory; /* of the backend and of m */
    mem m;
    bk_host host;
    device dev;
} engine;

static inline void test_log(void *user, int level, const char *text)
{
    (void)user, (void)level, (void)text;
}

static inline bk_status engine_open(engine *e, const bk_backend *backend)
{
    test_memory_init(&e->memory);
    mem_init(&e->m, guard_alloc, guard_free, &e->memory, 0);
    e->host = (bk_host){&e->memory, guard_host_alloc, guard_free, test_log, 2};
    e->dev = (device){backend, NULL};
    return backend->open(&e->host, "", &e->dev.handle);
}

/* 1 if all memory came back unharmed. */
static inline int engine_close(engine *e)
{
    e->dev.backend->close(e->dev.handle);
    return e->memory.live == 0 && e->m.live == 0 && test_memory_is_whole(&e->memory);
}

#endif
