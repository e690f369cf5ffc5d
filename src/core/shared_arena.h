/* SPDX-License-Identifier: Apache-2.0 */
/* shared_arena.h - one arena for several plans that never run at the same time. */
#ifndef SLMT_CORE_SHARED_ARENA_H
#define SLMT_CORE_SHARED_ARENA_H

#include "core/dry_run.h"
#include "lib/plan.h"

typedef struct shared_arena {
    device dev;
    mem *mem;
    size_t bytes;
    void *memory; /* NULL while dry */
} shared_arena;

/* Returns the flag with which plans that are to share an arena are made. */
int shared_arena_flag(const dry_run *t);

/* Lends plans[0..n-1], of which some may be NULL, a new arena that is as large as the largest of them needs.
 * If dry, counts what plans then take that a dry run leaves out: the arena, and what each of them keeps.
 * ERR_MEMORY, ERR_LIMIT, ERR_BACKEND; the arena is to be freed in any case, after the plans. */
status shared_arena_lend(shared_arena *a, device dev, dry_run *t, plan *const *plans, int32_t n);
void shared_arena_free(shared_arena *a);

#endif
