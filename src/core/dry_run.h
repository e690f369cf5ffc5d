/* SPDX-License-Identifier: Apache-2.0 */
/* dry_run.h - taking large blocks for real, or only adding them up: how memory queries are exact. */
#ifndef SLMT_CORE_DRY_RUN_H
#define SLMT_CORE_DRY_RUN_H

#include "core/context.h"

typedef struct dry_run {
    mem *mem;
    int dry;               /* 1: take nothing, count */
    uint64_t bytes;        /* counted */
    uint64_t device_bytes; /* of these, in memory of the device's own */
} dry_run;

/* What something holds. */
typedef struct held_bytes {
    uint64_t all;
    uint64_t device; /* of these, in memory of the device's own */
} held_bytes;

/* Takes zeroed bytes; gives NULL when dry. */
status dry_run_take(dry_run *t, size_t bytes, void **out);

/* The same in the device's memory. */
status dry_run_take_on(dry_run *t, device dev, size_t bytes, void **out);

/* Counts bytes of the device's memory. */
void dry_run_count_on(dry_run *t, device dev, size_t bytes);

/* What was counted, and what the counting context holds more than the `before` bytes that it held. */
held_bytes dry_run_held(const dry_run *t, const slmt_context *counting, uint64_t before);

/* Makes a context like this one, without a limit, that counts what something takes. */
status dry_run_context(const slmt_context *like, slmt_context **out);

#endif
