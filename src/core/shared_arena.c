/* SPDX-License-Identifier: Apache-2.0 */
/* shared_arena.c - one arena for several plans that never run at the same time. */
#include "core/shared_arena.h"

int shared_arena_flag(const dry_run *t)
{
    return t->dry ? PLAN_DRY : PLAN_LENT;
}

static void count(const shared_arena *a, dry_run *t, plan *const *plans, int32_t n)
{
    dry_run_count_on(t, a->dev, a->bytes);
    for (int32_t i = 0; i < n; i++)
        if (plans[i] && plan_kept_bytes(plans[i]) > 0)
            dry_run_count_on(t, a->dev, plan_kept_bytes(plans[i]));
}

status shared_arena_lend(shared_arena *a, device dev, dry_run *t, plan *const *plans, int32_t n)
{
    *a = (shared_arena){.dev = dev, .mem = t->mem};
    for (int32_t i = 0; i < n; i++)
        if (plans[i] && plan_arena_bytes(plans[i]) > a->bytes)
            a->bytes = plan_arena_bytes(plans[i]);
    if (t->dry) {
        count(a, t, plans, n);
        return OK;
    }
    TRY(device_take(dev, t->mem, a->bytes, &a->memory));
    for (int32_t i = 0; i < n; i++)
        if (plans[i])
            TRY(plan_lend(plans[i], a->memory));
    return OK;
}

void shared_arena_free(shared_arena *a)
{
    if (a->mem)
        device_give(a->dev, a->mem, a->memory, a->bytes);
    *a = (shared_arena){.bytes = 0};
}
