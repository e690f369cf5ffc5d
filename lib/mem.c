/* SPDX-License-Identifier: Apache-2.0 */
/* mem.c - counted, limited, 64-byte aligned blocks over a malloc-like pair.
 *
 * A block is [pad][header][payload]: the header, just below the 64-byte aligned payload, holds the pointer to
 * free and the size. */
#include "lib/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { ALIGN = 64 };

typedef struct header {
    void *base;
    size_t bytes;
} header;

/* Weights and activations are read from end to end, over and over: with pages of 4096 bytes the processor
 * looks up addresses for a part of that time. Where the system gives larger pages to those who ask, large
 * blocks get them; where it does not, nothing changes. */
static void ask_for_large_pages(void *p, size_t bytes)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t page = (uintptr_t)2 << 20;
    uintptr_t first = ((uintptr_t)p + page - 1) & ~(page - 1), end = ((uintptr_t)p + bytes) & ~(page - 1);
    if (p && first < end)
        (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)p, (void)bytes;
#endif
}

static void *default_alloc(void *user, size_t bytes)
{
    enum { LARGE = 8 << 20 };
    (void)user;
    void *p = malloc(bytes);
    if (bytes >= LARGE)
        ask_for_large_pages(p, bytes);
    return p;
}

static void default_free(void *user, void *p)
{
    (void)user;
    free(p);
}

void mem_init(mem *m, mem_alloc_fn alloc, mem_free_fn release, void *user, uint64_t limit)
{
    m->alloc = alloc ? alloc : default_alloc;
    m->free = release ? release : default_free;
    m->user = user;
    m->limit = limit;
    atomic_init(&m->live, 0);
}

uint64_t mem_cost(size_t bytes)
{
    return (uint64_t)bytes + ALIGN + sizeof(header);
}

static status reserve(mem *m, uint64_t cost)
{
    uint64_t live = atomic_fetch_add(&m->live, cost) + cost;
    if (m->limit == 0 || live <= m->limit)
        return OK;
    atomic_fetch_sub(&m->live, cost);
    return fail(ERR_LIMIT, "%llu bytes are in use, %llu more would exceed the limit max_bytes = %llu",
                (unsigned long long)(live - cost), (unsigned long long)cost, (unsigned long long)m->limit);
}

status mem_reserve_elsewhere(mem *m, uint64_t bytes)
{
    TRY(reserve(m, bytes));
    atomic_fetch_add(&m->elsewhere, bytes);
    return OK;
}

void mem_unreserve_elsewhere(mem *m, uint64_t bytes)
{
    atomic_fetch_sub(&m->elsewhere, bytes);
    atomic_fetch_sub(&m->live, bytes);
}

status mem_take(mem *m, size_t bytes, void **out)
{
    *out = NULL;
    if (bytes > SIZE_MAX / 2)
        return fail_memory();
    uint64_t cost = mem_cost(bytes);
    TRY(reserve(m, cost));
    unsigned char *base = m->alloc(m->user, (size_t)cost);
    if (!base) {
        atomic_fetch_sub(&m->live, cost);
        return fail_memory();
    }
    uintptr_t payload = ((uintptr_t)base + sizeof(header) + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    header h = {base, bytes};
    memcpy((void *)(payload - sizeof h), &h, sizeof h);
    *out = (void *)payload;
    return OK;
}

status mem_array(mem *m, size_t count, size_t size, void **out)
{
    *out = NULL;
    if (size != 0 && count > SIZE_MAX / size)
        return fail_memory();
    return mem_take(m, count * size, out);
}

status mem_zeros(mem *m, size_t count, size_t size, void **out)
{
    TRY(mem_array(m, count, size, out));
    memset(*out, 0, count * size);
    return OK;
}

static header header_of(void *p)
{
    header h;
    memcpy(&h, (unsigned char *)p - sizeof h, sizeof h);
    return h;
}

status mem_resize(mem *m, void **p, size_t count, size_t size)
{
    void *fresh;
    TRY(mem_array(m, count, size, &fresh));
    if (*p) {
        size_t old = header_of(*p).bytes;
        memcpy(fresh, *p, old < count * size ? old : count * size);
        mem_give(m, *p);
    }
    *p = fresh;
    return OK;
}

status mem_text(mem *m, const char *text, char **out)
{
    size_t n = strlen(text) + 1;
    void *p;
    *out = NULL;
    TRY(mem_take(m, n, &p));
    *out = memcpy(p, text, n);
    return OK;
}

void mem_give(mem *m, void *p)
{
    if (!p)
        return;
    header h = header_of(p);
    m->free(m->user, h.base);
    atomic_fetch_sub(&m->live, mem_cost(h.bytes));
}
