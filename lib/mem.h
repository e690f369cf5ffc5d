/* SPDX-License-Identifier: Apache-2.0 */
/* mem.h - the allocator everything goes through: the caller's or malloc, counted, with a hard limit.
 *
 * Blocks are 64-byte aligned. One mem may be used from many threads. */
#ifndef SLMT_LIB_MEM_H
#define SLMT_LIB_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

typedef void *(*mem_alloc_fn)(void *user, size_t bytes);
typedef void (*mem_free_fn)(void *user, void *p);

typedef struct mem {
    mem_alloc_fn alloc; /* aligned as malloc aligns */
    mem_free_fn free;
    void *user;
    uint64_t limit;        /* 0: none */
    _Atomic uint64_t live; /* bytes asked for and not freed, headers included */
} mem;

/* alloc and free NULL: malloc and free. */
void mem_init(mem *m, mem_alloc_fn alloc, mem_free_fn free, void *user, uint64_t limit);

/* bytes uninitialised; 0 bytes gives a block too. ERR_MEMORY or ERR_LIMIT with a text; *out is then NULL. */
status mem_take(mem *m, size_t bytes, void **out);

/* count * size bytes of zeros; the product is checked. */
status mem_zeros(mem *m, size_t count, size_t size, void **out);

/* count * size bytes uninitialised; the product is checked. */
status mem_array(mem *m, size_t count, size_t size, void **out);

/* Moves a block to a larger (or smaller) one, keeping its contents; *p may point to NULL. On failure *p
 * stays. */
status mem_resize(mem *m, void **p, size_t count, size_t size);

/* Copies text. */
status mem_text(mem *m, const char *text, char **out);

void mem_give(mem *m, void *p); /* NULL is allowed */

/* Counts bytes that lie elsewhere, such as in a device, as if they had been taken. ERR_LIMIT with a message.
 */
status mem_reserve(mem *m, uint64_t bytes);
void mem_unreserve(mem *m, uint64_t bytes);

/* What a block of this many bytes counts in live and against the limit. */
uint64_t mem_cost(size_t bytes);

#endif
