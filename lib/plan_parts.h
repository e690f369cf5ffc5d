/* SPDX-License-Identifier: Apache-2.0 */
/* plan_parts.h - what a plan consists of, for plan_build.c, which makes plans, and plan.c, which runs them.
 */
#ifndef SLMT_LIB_PLAN_PARTS_H
#define SLMT_LIB_PLAN_PARTS_H

#include "lib/plan.h"

#define NOT_HELD SIZE_MAX

/* The next value of a state, which waits in the arena for the end of the run. */
typedef struct assignment {
    size_t offset, bytes;
    bk_shape shape;
    int32_t slot;
} assignment;

/* An operand of a call, or its scratch memory, whose place in the arena is known before the arena is. */
typedef struct place {
    size_t offset;
    int32_t call, operand;
} place;
enum { SCRATCH = BK_MAX_IN + BK_MAX_OUT };

/* The origin of a call, for profiles. */
typedef struct origin {
    int32_t layer; /* index into the plan's names, -1: none */
    int32_t backward;
} origin;

struct plan {
    mem *mem;
    device dev;
    bk_call *calls;
    origin *origins; /* by call */
    char **layers;
    int32_t n_layers;
    profile *profile;
    int32_t *entries; /* the profile's, by call */
    int32_t n_calls, n_prepared;
    bk_binding *bindings; /* operands whose block belongs to the caller */
    int32_t n_bindings;
    void *program;    /* the calls as the backend has loaded them, or NULL: they run one by one */
    void **constants; /* in the device's memory */
    size_t *constant_bytes;
    int32_t n_constants;
    size_t arena_bytes;
    void *arena;
    int is_lent;   /* the arena belongs to the caller */
    place *places; /* until the arena is there */
    int32_t n_places;
    size_t kept_bytes;
    void *kept;      /* memory of calls whose contents persist from run to run, or NULL */
    int32_t n_bound; /* slots in use: highest + 1 */
    size_t *held;    /* by number: offset in the arena, or NOT_HELD */
    int32_t n_held;
    assignment *assignments;
    int32_t n_assignments;
    int in_place; /* a run ends with the assignments */
    int running;  /* the program was launched and not waited for */
};

/* Loads the plan into a backend that runs plans as a whole. */
status plan_load(plan *p);

/* The failure of a call, with the name of its op. */
status plan_call_failure(device dev, bk_status s, bk_op op);

#endif
