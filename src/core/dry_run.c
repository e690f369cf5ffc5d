/* SPDX-License-Identifier: Apache-2.0 */
/* dry_run.c - large blocks taken for real, or only added up. */
#include "core/dry_run.h"

status dry_run_take(dry_run *t, size_t bytes, void **out)
{
    *out = NULL;
    if (!t->dry)
        return mem_zeros(t->mem, bytes, 1, out);
    t->bytes += mem_cost(bytes);
    return OK;
}

status dry_run_take_on(dry_run *t, device dev, size_t bytes, void **out)
{
    *out = NULL;
    if (!t->dry)
        return device_zeros(dev, t->mem, bytes, out);
    dry_run_count_on(t, dev, bytes);
    return OK;
}

void dry_run_count_on(dry_run *t, device dev, size_t bytes)
{
    t->bytes += device_cost(dev, bytes);
    if (!device_is_host(dev))
        t->device_bytes += bytes;
}

held_bytes dry_run_held(const dry_run *t, const slmt_context *counting, uint64_t before)
{
    return (held_bytes){context_live_bytes(counting) - before + t->bytes,
                        context_device_bytes(counting) + t->device_bytes};
}

status dry_run_context(const slmt_context *like, slmt_context **out)
{
    slmt_context_config config = like->config;
    config.max_bytes = 0;
    return context_open(&config, out);
}
