/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - the op table: one row an id of backends/backend.h. */
#include <stdio.h>

#include "lib/ops/rules.h"

const op_rule *const op_rules[BK_OP_COUNT] = {
    [BK_RESHAPE] = &rule_reshape,
    [BK_TRANSPOSE] = &rule_transpose,
    [BK_SLICE] = &rule_slice,
    [BK_PAD] = &rule_pad,
    [BK_CONCAT] = &rule_concat,
    [BK_BROADCAST] = &rule_broadcast,
    [BK_GATHER] = &rule_gather,
    [BK_SCATTER] = &rule_scatter,
    [BK_AFFINE] = &rule_affine,
    [BK_EXP] = &rule_exp,
    [BK_LOG] = &rule_log,
    [BK_SQRT] = &rule_sqrt,
    [BK_ABS] = &rule_abs,
    [BK_SIGN] = &rule_sign,
    [BK_SIGMOID] = &rule_sigmoid,
    [BK_TANH] = &rule_tanh,
    [BK_LEAKY_RELU] = &rule_leaky_relu,
    [BK_STEP] = &rule_step,
    [BK_GELU] = &rule_gelu,
    [BK_ADD] = &rule_add,
    [BK_SUB] = &rule_sub,
    [BK_MUL] = &rule_mul,
    [BK_DIV] = &rule_div,
    [BK_MAXIMUM] = &rule_maximum,
    [BK_GELU_GRAD] = &rule_gelu_grad,
    [BK_SUM] = &rule_sum,
    [BK_REDUCE_MAX] = &rule_reduce_max,
    [BK_MATMUL] = &rule_matmul,
    [BK_LINEAR] = &rule_linear,
    [BK_LAYER_NORM] = &rule_layer_norm,
    [BK_LAYER_NORM_GRAD] = &rule_layer_norm_grad,
    [BK_SOFTMAX] = &rule_softmax,
    [BK_INSTANCE_NORM] = &rule_instance_norm,
    [BK_INSTANCE_NORM_GRAD] = &rule_instance_norm_grad,
    [BK_CONV] = &rule_conv,
    [BK_CONV_GRAD_INPUT] = &rule_conv_grad_input,
    [BK_CONV_GRAD_WEIGHT] = &rule_conv_grad_weight,
    [BK_REFLECT] = &rule_reflect,
    [BK_REFLECT_GRAD] = &rule_reflect_grad,
    [BK_RESIZE_LINEAR] = &rule_resize_linear,
    [BK_RESIZE_LINEAR_GRAD] = &rule_resize_linear_grad,
    [BK_ATTENTION] = &rule_attention,
    [BK_ATTENTION_GRAD] = &rule_attention_grad,
    [BK_WINDOW_ATTENTION] = &rule_window_attention,
    [BK_WINDOW_ATTENTION_GRAD] = &rule_window_attention_grad,
};

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
