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

/* Plans the calls that the graph's outputs need. The graph may be freed afterwards. With arena 0 the plan is
 * a dry run: it has no memory for values, and only plan_arena_bytes() may be called. ERR_UNSUPPORTED: the
 * backend lacks an op (the message names it); ERR_BACKEND, ERR_MEMORY, ERR_LIMIT. */
status plan_create(const graph *g, device dev, int arena, plan **out);
void plan_free(plan *p); /* NULL is allowed */

size_t plan_arena_bytes(const plan *p);

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

/* Runs all calls. bound[slot] is the caller's memory for each slot of graph_bound() and graph_output(), on
 * the plan's device (lib/device.h); the numbers of the two must not overlap. cancel (may be NULL) is tested
 * between calls, or before them if the backend runs the plan as a whole. One thread at a time. ERR_CANCELLED,
 * ERR_BACKEND. */
status plan_run(plan *p, void *const *bound, int32_t n_bound, const atomic_int *cancel);

#endif
