/* SPDX-License-Identifier: Apache-2.0 */
/* normal.h - normalisation as ordinary nodes, for the gradients of the norms' gradient ops.
 *
 * With z = (x - mean) r, r = 1 / sqrt(var + eps), mean and biased variance over some axes, a gradient h that
 * arrives at z is, at x,
 *   D(h) = (h - mean(h) - z mean(h z)) r.
 * D is symmetric in h: a gradient u that arrives at D(h) is D(u) at h. At x it is
 *   -(z mean(u D(h)) + D(u) mean(h z) + D(h) mean(u z)) r,
 * as a step e of x changes r by -r^2 mean(z e), and z by D(e). */
#ifndef SLMT_LIB_OPS_NORMAL_H
#define SLMT_LIB_OPS_NORMAL_H

#include "lib/graph.h"

typedef struct normal {
    uint32_t axes; /* a bit mask */
    value z, inverse;
} normal;

normal normal_of(graph *g, value x, uint32_t axes, double eps);

/* What the gradient op of a norm computes: dx = D(a gain), dgain = sum of a z, dbias = sum of a, with
 * a = dy slope. gain (of z's rank) and slope, a constant almost everywhere, may be NONE: 1. */
typedef struct norm_grad {
    normal z;
    value gain, dy, slope;
} norm_grad;

typedef struct norm_grad_inputs {
    value x, gain, dy;
} norm_grad_inputs;

/* Returns the gradients at the inputs of a gradient op, if the gradients at dx, dgain and dbias are u, v, w
 * (each may be NONE; of z's rank): D(u) gain + v z + w at a, the sum of a D(u) at gain. */
norm_grad_inputs norm_grad_again(graph *g, const norm_grad *n, value u, value v, value w);

/* Returns a + b; either may be NONE. */
value add_if_any(graph *g, value a, value b);

#endif
