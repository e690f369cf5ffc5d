/* SPDX-License-Identifier: Apache-2.0 */
/* recompute.h - memory for time: values that gradients read are computed again instead of kept. */
#ifndef SLMT_LIB_RECOMPUTE_H
#define SLMT_LIB_RECOMPUTE_H

#include "lib/graph.h"

typedef enum recompute_level {
    RECOMPUTE_NOTHING,
    RECOMPUTE_CHEAP, /* element-wise ops of one input, norms, movement, padding and resizing; linear layers
                        with frozen weights */
    RECOMPUTE_LINEAR /* and linear layers that follow from what is kept */
} recompute_level;

/* Rewrites a graph that has its gradients: before the first gradient node that reads a recomputable value,
 * its node is put once more, and gradients read the copy. The forward value then dies after its last forward
 * reader. Results change by rounding at most: the copies compute the same from the same, but the forward node
 * may now be fused with its reader. (Chen et al. 2016, "Training deep nets with sublinear memory cost"; what
 * is kept here follows from the ops alone.) */
status graph_recompute(graph *g, recompute_level level);

#endif
