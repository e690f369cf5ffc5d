/* SPDX-License-Identifier: Apache-2.0 */
/* rules.h - what the engine knows of an op: its name, how shapes follow, how gradients follow.
 *
 * One row for each op, in the file of its family; table.c lists the rows by id. */
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

enum {
    IN_PLACE_ANY = 1,   /* out[0] may take the memory of an input of equal shape (backend.h says which ops) */
    IN_PLACE_UPDATE = 2 /* an optimiser's op: out[0] may take in[0]'s memory, out[k] that of in[k + 1] */
};

struct op_rule {
    const char *name;
    int32_t min_in, max_in, n_out;
    /* Checks the inputs and fills out[0..n_out-1]; out[0] holds the shape asked for, where an op needs one.
     */
    status (*shape)(const op_args *a, bk_shape *out);
    /* Adds nodes: din[i] = gradient for input i, or left NONE where there is none. dout[k] may be NONE.
     * NULL: the op cannot be differentiated. */
    void (*gradient)(graph *g, const node *n, const value *dout, value *din);
    int in_place; /* IN_PLACE_... */
};

extern const op_rule *const op_rules[BK_OP_COUNT];

extern const op_rule rule_reshape, rule_transpose, rule_slice, rule_pad, rule_concat, rule_broadcast,
    rule_gather, rule_scatter;
extern const op_rule rule_affine, rule_exp, rule_log, rule_sqrt, rule_abs, rule_sign, rule_sigmoid, rule_tanh,
    rule_leaky_relu, rule_step, rule_gelu;
extern const op_rule rule_add, rule_sub, rule_mul, rule_div, rule_maximum, rule_gelu_grad;
extern const op_rule rule_sum, rule_reduce_max;
extern const op_rule rule_matmul, rule_linear;
extern const op_rule rule_layer_norm, rule_layer_norm_grad, rule_softmax;
extern const op_rule rule_instance_norm, rule_instance_norm_grad;
extern const op_rule rule_conv, rule_conv_grad_input, rule_conv_grad_weight;
extern const op_rule rule_reflect, rule_reflect_grad, rule_resize_linear, rule_resize_linear_grad;
extern const op_rule rule_attention, rule_attention_grad, rule_window_attention, rule_window_attention_grad;

/* ---- for shape rules ---- */

/* Fails with the op's name, its input shapes, and what was expected. */
status shape_error(const op_args *a, const char *expected);
int shape_equal(const bk_shape *a, const bk_shape *b);

#endif
