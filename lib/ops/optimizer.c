/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer.c - fused steps of optimisers. Other optimisers are ordinary nodes (src/train/optimizers/). */
#include "lib/ops.h"
#include "lib/ops/rules.h"

static status shape_adam(const op_args *a, bk_shape *out)
{
    const bk_shape *s = a->in[4];
    for (int32_t i = 1; i < 4; i++)
        if (!shape_equal(a->in[i], a->in[0]))
            return shape_error(a, "weight, gradient and both moments must have equal shapes");
    if (s->dtype != BK_F64 || s->rank != 1 || s->dim[0] != 3)
        return shape_error(a, "expected three scalars in float64");
    out[0] = out[1] = out[2] = *a->in[0];
    return OK;
}

OP_RULE(ADAM, adam, .arity = {5, 5, 3}, .shape = shape_adam, .traits = OP_UPDATE);

adam_values op_adam(graph *g, adam_values now, value gradient, value scalars, adam_settings s)
{
    bk_attr attr = {.alpha = s.beta1, .beta = s.beta2, .eps = s.eps};
    const value in[] = {now.weight, gradient, now.moment1, now.moment2, scalars};
    value w = graph_node(g, BK_ADAM, &attr, in, 5, NULL);
    if (w == NONE)
        return (adam_values){NONE, NONE, NONE};
    const node *n = &g->nodes[g->values[w].node];
    return (adam_values){n->out[0], n->out[1], n->out[2]};
}
