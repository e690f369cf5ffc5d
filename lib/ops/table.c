/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - the op table: the row of each id, and helpers of shape rules. */
#include <stdio.h>

#include "lib/ops/rules.h"

const op_rule *const op_rules[BK_OP_COUNT] = {
#define BK_OP(ID, name) [BK_##ID] = &rule_##name,
#include "backends/ops.def"
};

value op_storage(const graph *g, value v)
{
    while (g->values[v].kind == VALUE_NODE && op_has(g->nodes[g->values[v].node].op, OP_VIEW))
        v = g->nodes[g->values[v].node].in[0];
    return v;
}

int shape_equal(const bk_shape *a, const bk_shape *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank)
        return 0;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return 0;
    return 1;
}

status shape_error(const op_args *a, const char *expected)
{
    char shapes[512];
    size_t at = 0;
    shapes[0] = '\0';
    for (int32_t i = 0; i < a->n_in && at < 380; i++) {
        char text[128];
        at += (size_t)snprintf(shapes + at, sizeof shapes - at, "%s%s", i ? ", " : "",
                               shape_text(a->in[i], text));
    }
    return fail(ERR_INTERNAL, "op %s got %s: %s", a->rule->name, shapes, expected);
}
