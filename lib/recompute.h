/* SPDX-License-Identifier: Apache-2.0 */
/* recompute.h - saves memory at the cost of time: values that gradients read are computed again instead of
 * stored. */
#ifndef SLMT_LIB_RECOMPUTE_H
#define SLMT_LIB_RECOMPUTE_H

#include "lib/graph.h"

typedef enum recompute_level {
    RECOMPUTE_NOTHING,
    RECOMPUTE_CHEAP, /* element-wise ops of one input, norms, movement, padding and resizing; linear layers
                        with frozen weights */
    RECOMPUTE_LINEAR /* and linear layers that depend on stored values */
} recompute_level;

/* Rewrites a graph that has its gradients: before the first gradient node that reads a recomputable value,
 * a copy of its node is inserted, which gradients read instead. The forward value then dies after its last
 * forward reader. Results change by rounding at most: a copy does the same arithmetic, but the forward node
 * may now be fused with its reader. (Chen et al. 2016, "Training deep nets with sublinear memory cost"; which
 * values are stored here is determined by the ops alone.) */
status graph_recompute(graph *g, recompute_level level);

#endif
