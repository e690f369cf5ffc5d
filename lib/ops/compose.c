/* SPDX-License-Identifier: Apache-2.0 */
/* compose.c - functions composed of other ops, which have gradients of any order because those ops do. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

value op_number(graph *g, double x)
{
    return op_fill(g, 0, x);
}

value op_fill(graph *g, int32_t rank, double x)
{
    const int64_t one[BK_MAX_RANK] = {1, 1, 1, 1, 1, 1};
    return graph_constant(g, shape_of(g->real, rank, one), &x);
}

/* ---- comparisons and choices ---- */

value op_less_equal(graph *g, value a, value b)
{
    return op_maximum(g, op_less(g, a, b), op_equal(g, a, b));
}

value op_not(graph *g, value mask)
{
    return op_equal(g, mask, op_number(g, 0));
}

value op_minimum(graph *g, value a, value b)
{
    return op_affine(g, op_maximum(g, op_affine(g, a, -1, 0), op_affine(g, b, -1, 0)), -1, 0);
}

/* x is the second input of both, which gets the gradient of a tie, so that the gradient passes at the limits
 * too. */
value op_clamp(graph *g, value x, double low, double high)
{
    return op_minimum(g, op_number(g, high), op_maximum(g, op_number(g, low), x));
}

value op_prelu(graph *g, value x, value slope)
{
    return op_mul(g, x, op_where(g, op_step(g, x, 0), op_number(g, 1), slope));
}

value op_reduce_min(graph *g, value x, uint32_t axes)
{
    return op_affine(g, op_reduce_max(g, op_affine(g, x, -1, 0), axes), -1, 0);
}

/* log(sum e^(x - m)) + m does not depend on m, so no gradient needs to pass through the maximum. */
value op_log_sum_exp(graph *g, value x, uint32_t axes)
{
    value most = op_detach(g, op_reduce_max(g, x, axes));
    return op_add(g, op_log(g, op_sum(g, op_exp(g, op_sub(g, x, most)), axes)), most);
}

/* ---- lengths and angles ---- */

value op_l2_normalize(graph *g, value x, uint32_t axes, double eps)
{
    value square = op_sum(g, op_mul(g, x, x), axes);
    return op_div(g, x, op_sqrt(g, op_maximum(g, op_number(g, eps * eps), square)));
}

value op_cosine(graph *g, value a, value b, uint32_t axes, double eps)
{
    return op_sum(g, op_mul(g, op_l2_normalize(g, a, axes, eps), op_l2_normalize(g, b, axes, eps)), axes);
}
