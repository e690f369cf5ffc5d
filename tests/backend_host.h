/* SPDX-License-Identifier: Apache-2.0 */
/* backend_host.h - what a test lends a backend: an allocator that counts and can fail, and a log.
 *
 * And memory with a fence on both sides, to see writes that miss their tensor. */
#ifndef SLMT_TESTS_BACKEND_HOST_H
#define SLMT_TESTS_BACKEND_HOST_H

#include "backends/backend.h"

#include <stdlib.h>
#include <string.h>

typedef struct test_host {
    bk_host host;
    int64_t live;    /* blocks not yet freed */
    int64_t calls;   /* allocations asked for */
    int64_t fail_at; /* this call (from 1) and all later ones are refused; 0: none fails */
    char last_log[256];
} test_host;

static inline bk_status host_alloc(void *user, size_t bytes, void **out)
{
    test_host *t = user;
    t->calls++;
    *out = NULL;
    if (t->fail_at > 0 && t->calls >= t->fail_at)
        return BK_ERR_MEMORY;
    if (posix_memalign(out, 64, bytes > 0 ? bytes : 1) != 0)
        return BK_ERR_MEMORY;
    memset(*out, 0xC7, bytes); /* nobody may count on zeros */
    t->live++;
    return BK_OK;
}

static inline void host_free(void *user, void *p)
{
    test_host *t = user;
    if (p)
        t->live--;
    free(p);
}

static inline void host_log(void *user, int level, const char *text)
{
    test_host *t = user;
    (void)level;
    strncpy(t->last_log, text, sizeof t->last_log - 1);
}

static inline void test_host_init(test_host *t, int32_t threads)
{
    memset(t, 0, sizeof *t);
    t->host = (bk_host){t, host_alloc, host_free, host_log, threads};
}

/* ---- fenced memory ---- */

enum { FENCE_BYTES = 128, FENCE_BYTE = 0xA5 };

typedef struct fenced {
    unsigned char *block, *data;
    size_t bytes;
} fenced;

/* `shift` bytes past a 64-byte boundary. */
static inline fenced fenced_new(size_t bytes, size_t shift)
{
    fenced f = {.bytes = bytes};
    void *block = NULL;
    if (posix_memalign(&block, 64, bytes + shift + 2 * FENCE_BYTES) != 0)
        abort();
    memset(block, FENCE_BYTE, bytes + shift + 2 * FENCE_BYTES);
    f.block = block;
    f.data = f.block + FENCE_BYTES + shift;
    return f;
}

static inline int fenced_is_whole(const fenced *f)
{
    for (const unsigned char *p = f->block; p < f->data; p++)
        if (*p != FENCE_BYTE)
            return 0;
    for (size_t i = 0; i < FENCE_BYTES; i++)
        if (f->data[f->bytes + i] != FENCE_BYTE)
            return 0;
    return 1;
}

#endif
