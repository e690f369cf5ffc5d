/* SPDX-License-Identifier: Apache-2.0 */
/* rules.h - the row of an op, which holds everything that the engine knows of it.
 *
 * One row for each op of backends/ops.def, in the file of its family; table.c finds the rows by id. The
 * passes over a graph (plan, fold, recompute, profile) ask the row and name no op. */
#ifndef SLMT_LIB_OPS_RULES_H
#define SLMT_LIB_OPS_RULES_H

#include "lib/graph.h"

typedef struct op_rule op_rule;

typedef struct op_args {
    const op_rule *rule;
    const bk_attr *attr;
    int32_t n_in;
    const bk_shape *const *in;
} op_args;

/* What is special about an op. */
enum {
    OP_VIEW = 1,     /* the output is in[0]'s memory: backends never see the op, and it accepts every type */
    OP_IN_PLACE = 2, /* out[0] may take the memory of an input if all shapes are equal */
    OP_RESIDUAL_IN_PLACE = 4, /* out[0] may take the memory of the last input, if attr.has_residual */
    OP_CHEAP = 8,             /* cheap to compute again: RECOMPUTE_CHEAP (recompute.h) */
    OP_LINEAR = 16,      /* a layer with weights, computed again at RECOMPUTE_LINEAR or if those are frozen */
    OP_HALF_WEIGHT = 32, /* in[1] may be of 16-bit floats */
    OP_UPDATE = 128      /* an optimiser's step: out[0] may take in[0]'s memory, out[k] that of in[k + 1] */
};

struct op_rule {
    bk_op id;
    const char *name;
    struct {
        int32_t min_in, max_in, n_out;
    } arity;
    /* Checks the inputs and fills out[0..n_out-1]; out[0] holds the requested shape if the op needs one. */
    status (*shape)(const op_args *a, bk_shape *out);
    /* Adds nodes: din[i] = gradient for input i, or left NONE if there is none. dout[k] may be NONE. NULL:
     * the op cannot be differentiated. */
    void (*gradient)(graph *g, const node *n, const value *dout, value *din);
    double (*flops)(const bk_call *c); /* of matrix work, for a profile; NULL: none */
    uint32_t traits;                   /* of the enum above */
};

/* Defines the row of an op: OP_RULE(ID, name, .arity = {1, 1, 1}, .shape = ..., ...). */
#define OP_RULE(ID, name_, ...) const op_rule rule_##name_ = {.id = BK_##ID, .name = #name_, __VA_ARGS__}

extern const op_rule *const op_rules[BK_OP_COUNT];

#define BK_OP(ID, name) extern const op_rule rule_##name;
#include "backends/ops.def"

static inline int op_has(bk_op op, uint32_t trait)
{
    return (op_rules[op]->traits & trait) != 0;
}

/* Follows views to the value that owns the memory. */
value op_storage(const graph *g, value v);

/* ---- for shape rules ---- */

/* Fails with a message of the op's name, its input shapes, and what was expected. */
status shape_error(const op_args *a, const char *expected);
int shape_equal(const bk_shape *a, const bk_shape *b);

#endif
