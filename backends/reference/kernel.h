/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.h - an op in the reference backend: a kernel for each of the two types.
 *
 * This file holds no code except helpers on shapes; the table from ops to kernels is in reference.c. */
#ifndef SLMT_REFERENCE_KERNEL_H
#define SLMT_REFERENCE_KERNEL_H

#include "backends/backend.h"

#include <stdbool.h>

/* The types a kernel supports beside its own real for all tensors. */
enum {
    REFERENCE_I32 = 1,        /* the whole op on int32 */
    REFERENCE_OWN_TYPES = 2,  /* inputs and outputs of several types: fits() checks all of them */
    REFERENCE_HALF_WEIGHT = 4 /* in[1] may be of 16-bit floats */
};

typedef struct reference_kernel {
    bool (*fits)(const bk_call *call);      /* returns whether run() supports these ranks, sizes and types */
    size_t (*scratch)(const bk_call *call); /* bytes; NULL: none */
    bk_status (*run)(const bk_call *call);
    unsigned types;
} reference_kernel;

/* reference_conv_f32 and reference_conv_f64 of BK_CONV: every op has both. */
#define BK_VIEW(ID, name)
#define BK_OP(ID, name) extern const reference_kernel reference_##name##_f32, reference_##name##_f64;
#include "backends/ops.def"

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
