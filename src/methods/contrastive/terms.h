/* SPDX-License-Identifier: Apache-2.0 */
/* terms.h - what the global and the local loss share: terms of rows of similarities. */
#ifndef SLMT_METHODS_CONTRASTIVE_TERMS_H
#define SLMT_METHODS_CONTRASTIVE_TERMS_H

#include "lib/ops.h"

/* A vector shorter than this is divided by it instead of by its length. */
#define SHORTEST 1e-6

/* Similarities over tau of an anchor and all that it is compared with, along the last axis, and masks of the
 * positive one and of the negative ones: log(sum of e^s over both) - s of the positive one. The last axis
 * stays with length 1. */
static inline value contrast_terms(graph *g, value row, value is_near, value is_far)
{
    if (g->error != OK)
        return NONE;
    uint32_t last = 1u << (graph_shape(g, row)->rank - 1);
    value counts = op_add(g, is_near, is_far), nothing = op_number(g, -1e30);
    value all = op_log_sum_exp(g, op_where(g, counts, row, nothing), last);
    return op_sub(g, all, op_sum(g, op_mul(g, row, is_near), last));
}

#endif
