/* SPDX-License-Identifier: Apache-2.0 */
/* fold.h - hoists computation that depends only on invariant inputs, so that it does not run on every call.
 */
#ifndef SLMT_LIB_FOLD_H
#define SLMT_LIB_FOLD_H

#include "lib/graph.h"

/* The two halves of a graph: one computes the hoisted values, the other reads them. */
typedef enum fold_part { FOLD_MAKES, FOLD_READS } fold_part;

enum { FOLD_MAX = 256 }; /* the most hoisted values; any further ones are computed on every call */

typedef struct folded {
    int32_t n;
    bk_shape shape[FOLD_MAX];
} folded;

/* Turns a graph with its outputs into one half. A value is hoisted if it depends only on constants and on
 * bound values whose slot is marked invariant[slot], if at least one op that is not a view computes it, and
 * if a node that depends on other inputs reads it. Hoisted value i is bound at slot first + i: FOLD_MAKES
 * writes it, and has no other outputs; FOLD_READS reads it. To obtain both halves, build the same graph twice
 * and turn each copy into one of them: the slots of the two agree. */
status graph_fold(graph *g, const unsigned char *invariant, int32_t n_slots, int32_t first, fold_part part,
                  folded *out);

#endif
