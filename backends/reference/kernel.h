/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.h - what one op is in the reference back end, and the list of all of them.
 *
 * Holds no code but helpers on shapes; the table that joins ops to kernels is in reference.c. */
#ifndef SLMT_REFERENCE_KERNEL_H
#define SLMT_REFERENCE_KERNEL_H

#include "backends/backend.h"

#include <stdbool.h>

typedef struct reference_kernel {
    bool (*fits)(const bk_call *call);      /* ranks, sizes and types are what run() reads */
    size_t (*scratch)(const bk_call *call); /* bytes; NULL: none */
    bk_status (*run)(const bk_call *call);
} reference_kernel;

/* Movement is by element size, so one kernel serves every type. */
extern const reference_kernel reference_transpose, reference_slice, reference_pad, reference_concat,
    reference_broadcast, reference_gather, reference_scatter;

#define REFERENCE_KERNELS(suffix)                                                                            \
    extern const reference_kernel reference_unary_##suffix, reference_binary_##suffix,                       \
        reference_gelu_grad_##suffix, reference_reduce_##suffix, reference_matmul_##suffix,                  \
        reference_linear_##suffix, reference_layer_norm_##suffix, reference_layer_norm_grad_##suffix,        \
        reference_softmax_##suffix, reference_attention_##suffix, reference_attention_grad_##suffix,         \
        reference_window_attention_##suffix, reference_window_attention_grad_##suffix,                       \
        reference_instance_norm_##suffix, reference_instance_norm_grad_##suffix, reference_conv_##suffix,    \
        reference_conv_grad_input_##suffix, reference_conv_grad_weight_##suffix, reference_reflect_##suffix, \
        reference_reflect_grad_##suffix, reference_resize_##suffix, reference_resize_grad_##suffix;

REFERENCE_KERNELS(f32)
REFERENCE_KERNELS(f64)

/* The constants of one Adam step, the bias corrections already worked out. */
typedef struct reference_adam_step {
    double rate, beta1, beta2, eps, sqrt_correction2;
} reference_adam_step;

void reference_adam_f32(const reference_adam_step *s, size_t n, void *p, const void *g, void *m, void *v);
void reference_adam_f64(const reference_adam_step *s, size_t n, void *p, const void *g, void *m, void *v);

static inline bool has_arity(const bk_call *call, int32_t n_in, int32_t n_out)
{
    return call->n_in == n_in && call->n_out == n_out;
}

static inline bool same_dims(const bk_shape *a, const bk_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

static inline bool is_vector(const bk_shape *s, int64_t length)
{
    return s->rank == 1 && s->dim[0] == length;
}

static inline bool is_matrix(const bk_shape *s, int64_t rows, int64_t cols)
{
    return s->rank == 2 && s->dim[0] == rows && s->dim[1] == cols;
}

static inline bool is_cube(const bk_shape *s, int64_t d0, int64_t d1, int64_t d2)
{
    return s->rank == 3 && s->dim[0] == d0 && s->dim[1] == d1 && s->dim[2] == d2;
}

static inline int64_t last_dim(const bk_shape *s)
{
    return s->rank > 0 ? s->dim[s->rank - 1] : 1;
}

#endif
