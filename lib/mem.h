/* SPDX-License-Identifier: Apache-2.0 */
/* mem.h - the allocator of the whole library: the caller's or malloc, counted, with a hard limit.
 *
 * Blocks are 64-byte aligned. Many threads may use one mem at the same time. */
#ifndef SLMT_LIB_MEM_H
#define SLMT_LIB_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

typedef void *(*mem_alloc_fn)(void *user, size_t bytes);
typedef void (*mem_free_fn)(void *user, void *p);

typedef struct mem {
    mem_alloc_fn alloc; /* with the alignment of malloc() */
    mem_free_fn free;
    void *user;
    uint64_t limit;             /* 0: none */
    _Atomic uint64_t live;      /* allocated and not yet freed, headers included */
    _Atomic uint64_t elsewhere; /* of these, what mem_reserve_elsewhere() counted */
} mem;

/* If alloc and free are NULL, malloc() and free() are used. */
void mem_init(mem *m, mem_alloc_fn alloc, mem_free_fn free, void *user, uint64_t limit);

/* Allocates uninitialised memory; 0 bytes are a block too. ERR_MEMORY or ERR_LIMIT with a message; *out is
 * then NULL. */
status mem_take(mem *m, size_t bytes, void **out);

/* Allocates count * size bytes of zeros; the product is checked for overflow. */
status mem_zeros(mem *m, size_t count, size_t size, void **out);

/* Allocates count * size uninitialised bytes; the product is checked for overflow. */
status mem_array(mem *m, size_t count, size_t size, void **out);

/* Moves a block to a larger (or smaller) one, keeping its contents; *p may point to NULL. On failure *p is
 * unchanged. */
status mem_resize(mem *m, void **p, size_t count, size_t size);

/* Copies a string. */
status mem_text(mem *m, const char *text, char **out);

void mem_give(mem *m, void *p); /* NULL is allowed */

/* Counts bytes that are allocated elsewhere, for example on a device, as if they were part of this mem.
 * ERR_LIMIT with a message. */
status mem_reserve_elsewhere(mem *m, uint64_t bytes);
void mem_unreserve_elsewhere(mem *m, uint64_t bytes);

/* Returns how much a block of this many bytes adds to `live` and counts towards the limit. */
uint64_t mem_cost(size_t bytes);

#endif
