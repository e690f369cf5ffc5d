/* SPDX-License-Identifier: Apache-2.0 */
/* movement.c - ops that move elements and compute nothing (except scatter, which adds): transpose, slice,
 * pad, concat, broadcast, gather, scatter. Each is one strided copy; of the element type only the size
 * matters. */
#include "backends/reference/kernel.h"
#include "backends/reference/walk.h"

#include <string.h>

enum { DST = 0, SRC = 1 };

/* One kernel for every type: movement is by element size. Each fits() checks the types. */
#define MOVEMENT(name)                                                                                       \
    const reference_kernel reference_##name##_f32 = {                                                        \
        .fits = fits_##name, .run = run_##name, .types = REFERENCE_I32 | REFERENCE_OWN_TYPES};               \
    const reference_kernel reference_##name##_f64 = {                                                        \
        .fits = fits_##name, .run = run_##name, .types = REFERENCE_I32 | REFERENCE_OWN_TYPES};

static void copy_row4(uint32_t *dst, int64_t dst_step, const uint32_t *src, int64_t src_step, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        dst[i * dst_step] = src[i * src_step];
}

static void copy_row8(uint64_t *dst, int64_t dst_step, const uint64_t *src, int64_t src_step, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        dst[i * dst_step] = src[i * src_step];
}

static void copy_strided(walk *w, const bk_shape *over, void *dst, const void *src)
{
    size_t size = bk_dtype_size(over->dtype);
    walk_begin(w, over);
    do {
        char *d = (char *)dst + (size_t)w->offset[DST] * size;
        const char *s = (const char *)src + (size_t)w->offset[SRC] * size;
        if (w->step[DST] == 1 && w->step[SRC] == 1)
            memcpy(d, s, (size_t)w->length * size);
        else if (size == 4)
            copy_row4((uint32_t *)d, w->step[DST], (const uint32_t *)s, w->step[SRC], w->length);
        else
            copy_row8((uint64_t *)d, w->step[DST], (const uint64_t *)s, w->step[SRC], w->length);
    } while (walk_next(w));
}

static bool one_to_one(const bk_call *call)
{
    return has_arity(call, 1, 1) && call->in[0].shape.dtype == call->out[0].shape.dtype &&
           call->in[0].shape.rank == call->out[0].shape.rank;
}

/* ---- transpose ---- */

static bool fits_transpose(const bk_call *call)
{
    if (!one_to_one(call))
        return false;
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    unsigned seen = 0;
    for (int32_t i = 0; i < y->rank; i++) {
        int64_t from = call->attr.axes[i];
        if (from < 0 || from >= x->rank || y->dim[i] != x->dim[from])
            return false;
        seen |= 1u << from;
    }
    return seen == (1u << y->rank) - 1;
}

static bk_status run_transpose(const bk_call *call)
{
    const bk_tensor *x = &call->in[0], *y = &call->out[0];
    int64_t x_stride[BK_MAX_RANK];
    dense_strides(&x->shape, x_stride);
    walk w = {0};
    dense_strides(&y->shape, w.stride[DST]);
    for (int32_t i = 0; i < y->shape.rank; i++)
        w.stride[SRC][i] = x_stride[call->attr.axes[i]];
    copy_strided(&w, &y->shape, y->data, x->data);
    return BK_OK;
}

MOVEMENT(transpose)

/* ---- slice and pad: a small box inside a large one ---- */

static bool box_fits(const bk_shape *small, const bk_shape *large, const int64_t *first)
{
    for (int32_t i = 0; i < small->rank; i++)
        if (first[i] < 0 || first[i] > large->dim[i] - small->dim[i])
            return false;
    return true;
}

static int64_t box_offset(const bk_shape *large, const int64_t *first)
{
    int64_t stride[BK_MAX_RANK], offset = 0;
    dense_strides(large, stride);
    for (int32_t i = 0; i < large->rank; i++)
        offset += first[i] * stride[i];
    return offset;
}

static bool fits_slice(const bk_call *call)
{
    return one_to_one(call) && box_fits(&call->out[0].shape, &call->in[0].shape, call->attr.axes);
}

static bk_status run_slice(const bk_call *call)
{
    const bk_tensor *x = &call->in[0], *y = &call->out[0];
    walk w = {0};
    dense_strides(&y->shape, w.stride[DST]);
    dense_strides(&x->shape, w.stride[SRC]);
    w.offset[SRC] = box_offset(&x->shape, call->attr.axes);
    copy_strided(&w, &y->shape, y->data, x->data);
    return BK_OK;
}

MOVEMENT(slice)

static bool fits_pad(const bk_call *call)
{
    return one_to_one(call) && box_fits(&call->in[0].shape, &call->out[0].shape, call->attr.axes);
}

static bk_status run_pad(const bk_call *call)
{
    const bk_tensor *x = &call->in[0], *y = &call->out[0];
    memset(y->data, 0, (size_t)bk_count(&y->shape) * bk_dtype_size(y->shape.dtype));
    walk w = {0};
    dense_strides(&y->shape, w.stride[DST]);
    dense_strides(&x->shape, w.stride[SRC]);
    w.offset[DST] = box_offset(&y->shape, call->attr.axes);
    copy_strided(&w, &x->shape, y->data, x->data);
    return BK_OK;
}

MOVEMENT(pad)

/* ---- concat ---- */

static bool fits_concat(const bk_call *call)
{
    const bk_shape *y = &call->out[0].shape;
    int32_t axis = call->attr.axis;
    if (call->n_in < 2 || call->n_in > BK_MAX_IN || call->n_out != 1 || axis < 0 || axis >= y->rank)
        return false;
    int64_t joined = 0;
    for (int32_t k = 0; k < call->n_in; k++) {
        bk_shape x = call->in[k].shape;
        if (x.dtype != y->dtype || x.rank != y->rank)
            return false;
        joined += x.dim[axis];
        x.dim[axis] = y->dim[axis];
        if (!same_dims(&x, y))
            return false;
    }
    return joined == y->dim[axis];
}

static bk_status run_concat(const bk_call *call)
{
    const bk_tensor *y = &call->out[0];
    int64_t first[BK_MAX_RANK] = {0};
    for (int32_t k = 0; k < call->n_in; k++) {
        const bk_tensor *x = &call->in[k];
        walk w = {0};
        dense_strides(&y->shape, w.stride[DST]);
        dense_strides(&x->shape, w.stride[SRC]);
        w.offset[DST] = box_offset(&y->shape, first);
        copy_strided(&w, &x->shape, y->data, x->data);
        first[call->attr.axis] += x->shape.dim[call->attr.axis];
    }
    return BK_OK;
}

MOVEMENT(concat)

/* ---- broadcast ---- */

static bool fits_broadcast(const bk_call *call)
{
    if (!one_to_one(call))
        return false;
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    for (int32_t i = 0; i < x->rank; i++)
        if (x->dim[i] != y->dim[i] && x->dim[i] != 1)
            return false;
    return true;
}

static bk_status run_broadcast(const bk_call *call)
{
    const bk_tensor *x = &call->in[0], *y = &call->out[0];
    walk w = {0};
    dense_strides(&y->shape, w.stride[DST]);
    broadcast_strides(&x->shape, w.stride[SRC]);
    copy_strided(&w, &y->shape, y->data, x->data);
    return BK_OK;
}

MOVEMENT(broadcast)

/* ---- gather and scatter of rows: all is [B,N,C], picked is [B,K,C], index is [B,K] ---- */

static bool rows_fit(const bk_call *call, const bk_shape *all, const bk_shape *picked)
{
    const bk_shape *index = &call->in[1].shape;
    return all->rank == 3 && picked->rank == 3 && index->dtype == BK_I32 && all->dtype == picked->dtype &&
           is_cube(picked, all->dim[0], picked->dim[1], all->dim[2]) &&
           is_matrix(index, all->dim[0], picked->dim[1]);
}

static bool fits_gather(const bk_call *call)
{
    return has_arity(call, 2, 1) && rows_fit(call, &call->in[0].shape, &call->out[0].shape);
}

static bk_status run_gather(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    const int32_t *index = call->in[1].data;
    int64_t picks = y->dim[1];
    size_t row = (size_t)x->dim[2] * bk_dtype_size(x->dtype);
    for (int64_t i = 0; i < x->dim[0] * picks; i++) {
        if (index[i] < 0 || index[i] >= x->dim[1])
            return BK_ERR_FAILED;
        size_t from = (size_t)(i / picks * x->dim[1] + index[i]);
        memcpy((char *)call->out[0].data + (size_t)i * row, (const char *)call->in[0].data + from * row, row);
    }
    return BK_OK;
}

MOVEMENT(gather)

static bool fits_scatter(const bk_call *call)
{
    return has_arity(call, 2, 1) && rows_fit(call, &call->out[0].shape, &call->in[0].shape);
}

static void add_row(int32_t dtype, void *sum, const void *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (dtype == BK_F32)
            ((float *)sum)[i] += ((const float *)x)[i];
        else if (dtype == BK_F64)
            ((double *)sum)[i] += ((const double *)x)[i];
        else
            ((int32_t *)sum)[i] += ((const int32_t *)x)[i];
    }
}

static bk_status run_scatter(const bk_call *call)
{
    const bk_shape *y = &call->in[0].shape, *x = &call->out[0].shape;
    const int32_t *index = call->in[1].data;
    int64_t picks = y->dim[1];
    size_t row = (size_t)x->dim[2] * bk_dtype_size(x->dtype);
    memset(call->out[0].data, 0, (size_t)(x->dim[0] * x->dim[1]) * row);
    for (int64_t i = 0; i < y->dim[0] * picks; i++) {
        if (index[i] < 0 || index[i] >= x->dim[1])
            return BK_ERR_FAILED;
        size_t to = (size_t)(i / picks * x->dim[1] + index[i]);
        add_row(x->dtype, (char *)call->out[0].data + to * row, (char *)call->in[0].data + (size_t)i * row,
                x->dim[2]);
    }
    return BK_OK;
}

MOVEMENT(scatter)

/* ---- pick and put: all is [B,N,C], picked and index are [B,K,C] ---- */

static bool places_fit(const bk_call *call, const bk_shape *all, const bk_shape *picked)
{
    const bk_shape *index = &call->in[1].shape;
    return all->rank == 3 && picked->rank == 3 && index->dtype == BK_I32 && all->dtype == picked->dtype &&
           is_cube(picked, all->dim[0], picked->dim[1], all->dim[2]) &&
           is_cube(index, all->dim[0], picked->dim[1], all->dim[2]);
}

/* Returns the element of `all` that element i of `picked` belongs to, or a negative number if the index is
 * out of range. */
static int64_t picked_element(const bk_shape *all, const bk_shape *picked, const int32_t *index, int64_t i)
{
    int64_t channels = all->dim[2], sample = i / (picked->dim[1] * channels);
    if (index[i] < 0 || index[i] >= all->dim[1])
        return -1;
    return (sample * all->dim[1] + index[i]) * channels + i % channels;
}

static bool fits_pick(const bk_call *call)
{
    return has_arity(call, 2, 1) && places_fit(call, &call->in[0].shape, &call->out[0].shape);
}

static bk_status run_pick(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    size_t size = bk_dtype_size(x->dtype);
    for (int64_t i = 0; i < bk_count(y); i++) {
        int64_t from = picked_element(x, y, call->in[1].data, i);
        if (from < 0)
            return BK_ERR_FAILED;
        memcpy((char *)call->out[0].data + (size_t)i * size,
               (const char *)call->in[0].data + (size_t)from * size, size);
    }
    return BK_OK;
}

MOVEMENT(pick)

static bool fits_put(const bk_call *call)
{
    return has_arity(call, 2, 1) && places_fit(call, &call->out[0].shape, &call->in[0].shape);
}

static bk_status run_put(const bk_call *call)
{
    const bk_shape *y = &call->in[0].shape, *x = &call->out[0].shape;
    size_t size = bk_dtype_size(x->dtype);
    memset(call->out[0].data, 0, (size_t)bk_count(x) * size);
    for (int64_t i = 0; i < bk_count(y); i++) {
        int64_t to = picked_element(x, y, call->in[1].data, i);
        if (to < 0)
            return BK_ERR_FAILED;
        add_row(x->dtype, (char *)call->out[0].data + (size_t)to * size,
                (char *)call->in[0].data + (size_t)i * size, 1);
    }
    return BK_OK;
}

MOVEMENT(put)
