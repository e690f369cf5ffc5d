/* SPDX-License-Identifier: Apache-2.0 */
/* profile.h - where the time of runs goes: kernel calls, summed by op, shape and layer.
 *
 * A profile is not synchronised: plans that write to the same profile must run one after the other. */
#ifndef SLMT_LIB_PROFILE_H
#define SLMT_LIB_PROFILE_H

#include "backends/backend.h"
#include "lib/mem.h"

enum { PROFILE_TEXT_MAX = 112 };

/* The calls of one op on one shape for one layer, and the time they took. */
typedef struct profile_entry {
    const char *op;
    char layer[PROFILE_TEXT_MAX]; /* "" outside any layer */
    char shape[PROFILE_TEXT_MAX]; /* of the inputs: "[4,64,128] [384,128]" */
    int backward;                 /* the call belongs to a gradient */
    double flops;                 /* of one call's matrix products */
    uint64_t calls;
    double seconds; /* of all calls */
} profile_entry;

typedef struct profile_event {
    int32_t entry;
    double start, seconds; /* start: since the profile was made or cleared */
} profile_event;

typedef struct profile {
    mem *mem;
    profile_entry *entries;
    profile_event *events;
    int32_t n_entries, cap_entries;
    int32_t n_events, cap_events;
    uint64_t lost; /* events beyond PROFILE_EVENTS_MAX, or without memory: summed, not stored */
    double origin; /* clock at start 0 */
} profile;

enum { PROFILE_EVENTS_MAX = 1 << 20 };

void profile_init(profile *p, mem *m);
void profile_clear(profile *p); /* entries stay, with all counts 0 */
void profile_close(profile *p);

/* The entry for calls like this one, made if there is none yet. */
status profile_entry_of(profile *p, const bk_call *call, const char *layer, int backward, int32_t *entry);

/* Adds one call that began at `start` (profile_clock) and ends now. */
void profile_add(profile *p, int32_t entry, double start);

/* Returns monotonic seconds. */
double profile_clock(void);

#endif
