/* SPDX-License-Identifier: Apache-2.0 */
/* plan.h - a graph made ready to run: dead nodes are removed, neighbours fused, values placed in one arena,
 * and kernels prepared. Running it walks a flat list of kernel calls and allocates nothing. */
#ifndef SLMT_LIB_PLAN_H
#define SLMT_LIB_PLAN_H

#include <stdatomic.h>

#include "lib/device.h"
#include "lib/graph.h"
#include "lib/profile.h"

typedef struct plan plan;

enum {
    PLAN_DRY = 0,   /* nothing is reserved for values, only plan_arena_bytes() can be asked */
    PLAN_ARENA = 1, /* the plan can run; plan_assign() moves the next values of states to where they belong */
    PLAN_IN_PLACE =
        2, /* with either of the others: a run itself replaces the states, and where no reader of the old
              value comes later, a kernel writes the next value straight into the state's memory. A run
              that fails leaves the states undefined: for graphs whose inputs have been checked */
    PLAN_LENT = 4 /* instead of PLAN_ARENA: the arena is the caller's, who gives it by plan_lend() */
};

/* Plans what the graph's outputs and states need. The graph is not needed afterwards. flags: PLAN_...
 * ERR_UNSUPPORTED: the backend lacks an op (the message names it); ERR_BACKEND, ERR_MEMORY, ERR_LIMIT. */
status plan_create(const graph *g, device dev, int flags, plan **out);
void plan_free(plan *p); /* NULL is allowed */

size_t plan_arena_bytes(const plan *p);

/* Gives a plan that was made with PLAN_LENT its arena, once, before its first run: plan_arena_bytes() bytes
 * of the device's memory, 64-byte aligned, which stay the caller's and outlive the plan's runs. Plans that
 * never run at the same time may share an arena, if the values that one plan holds and its next values are
 * read before another one runs. ERR_BACKEND. */
status plan_lend(plan *p, void *arena);

/* Bytes of memory beside the arena in which calls keep what they derive from invariant inputs, such as packed
 * weights. */
size_t plan_kept_bytes(const plan *p);

/* Sets the version, above 0, of the invariant inputs' values for all following runs. */
void plan_version(plan *p, uint64_t version);

int32_t plan_call_count(const plan *p);
bk_op plan_call_op(const plan *p, int32_t index);

/* Returns the layer of the node that a call was made from, "" for none, and whether it is part of a gradient.
 */
const char *plan_call_layer(const plan *p, int32_t index);
int plan_call_backward(const plan *p, int32_t index);

/* Runs from now on add their calls to the profile, which must stay until another, or NULL, takes its place.
 * ERR_MEMORY, ERR_LIMIT: the plan is as before. */
status plan_profile(plan *p, profile *to);

/* Returns the address, in the device's memory, of the value given to graph_hold() under this number, which is
 * valid after a run; NULL if there is no such value, or the plan has no arena. */
void *plan_held(const plan *p, int32_t held);

/* After a run of a plan without PLAN_IN_PLACE the next values of states wait in the arena, where the caller
 * can check them. plan_next() returns value i of plan_next_count(), and the slot of its state. */
int32_t plan_next_count(const plan *p);
bk_tensor plan_next(const plan *p, int32_t i, int32_t *slot);

/* After a run of a plan without PLAN_IN_PLACE: copies the next value of every state into bound[its slot].
 * ERR_BACKEND. */
status plan_assign(const plan *p, void *const *bound);

/* Runs all calls. bound[slot] is the caller's memory for each slot of graph_bound() and graph_output(), on
 * the plan's device (lib/device.h); the numbers of the two must not overlap. cancel (may be NULL) is tested
 * between calls, or before them if the backend runs the plan as a whole. One thread at a time. ERR_CANCELLED,
 * ERR_BACKEND. */
status plan_run(plan *p, void *const *bound, int32_t n_bound, const atomic_int *cancel);

/* plan_run() in two parts. A backend that runs plans as a whole begins to work in plan_start(); it runs the
 * plan after another one that was started and is not finished yet (after; NULL: none). Results and errors
 * are there when plan_finish() returns. With other backends, and in profiled runs, plan_start() is the whole
 * run. A plan that was started must be finished before it starts again. Finishing a plan that was not started
 * does nothing and returns OK. */
status plan_start(plan *p, void *const *bound, int32_t n_bound, const atomic_int *cancel, plan *after);
status plan_finish(plan *p);

/* Returns 1 if a plan was started and has not been finished. */
int plan_is_running(const plan *p);

#endif
