/* SPDX-License-Identifier: Apache-2.0 */
/* labels.c - ops between numbers and int32 labels: cast, one-hot, argmax, cross-entropy and its gradient.
 *
 * With p = softmax(x) and w the weight of the label:
 *   loss = -w log p[label],  dx[k] = dloss w (p[k] - (k == label)) */
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

#include <math.h>

/* ---- types and shapes ---- */

static bool is_real(const bk_shape *s)
{
    return s->dtype == (sizeof(real) == 8 ? BK_F64 : BK_F32);
}

static bool is_label(const bk_shape *s)
{
    return s->dtype == BK_I32;
}

/* label[...] has a number for each row of rows[...,K]. */
static bool labels_fit(const bk_shape *label, const bk_shape *rows)
{
    if (rows->rank != label->rank + 1)
        return false;
    for (int32_t i = 0; i < label->rank; i++)
        if (rows->dim[i] != label->dim[i])
            return false;
    return true;
}

/* ---- cast ---- */

static bool fits_cast(const bk_call *call)
{
    return has_arity(call, 1, 1) && is_label(&call->in[0].shape) && is_real(&call->out[0].shape) &&
           same_dims(&call->in[0].shape, &call->out[0].shape);
}

static bk_status run_cast(const bk_call *call)
{
    const int32_t *x = call->in[0].data;
    real *y = call->out[0].data;
    for (int64_t i = 0; i < bk_count(&call->out[0].shape); i++)
        y[i] = (real)x[i];
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_cast) = {
    .fits = fits_cast, .run = run_cast, .types = REFERENCE_OWN_TYPES};

/* ---- one-hot ---- */

static bool fits_one_hot(const bk_call *call)
{
    return has_arity(call, 1, 1) && is_label(&call->in[0].shape) && is_real(&call->out[0].shape) &&
           labels_fit(&call->in[0].shape, &call->out[0].shape);
}

static bk_status run_one_hot(const bk_call *call)
{
    const int32_t *label = call->in[0].data;
    real *y = call->out[0].data;
    int64_t classes = last_dim(&call->out[0].shape), n = bk_count(&call->in[0].shape);
    for (int64_t i = 0; i < n; i++) {
        if (label[i] != call->attr.ignored && (label[i] < 0 || label[i] >= classes))
            return BK_ERR_FAILED;
        for (int64_t k = 0; k < classes; k++)
            y[i * classes + k] = k == label[i] && label[i] != call->attr.ignored;
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_one_hot) = {
    .fits = fits_one_hot, .run = run_one_hot, .types = REFERENCE_OWN_TYPES};

/* ---- argmax ---- */

static bool fits_argmax(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    bk_shape y = *x;
    if (!has_arity(call, 1, 1) || !is_real(x) || call->attr.axis < 0 || call->attr.axis >= x->rank)
        return false;
    y.dim[call->attr.axis] = 1;
    return is_label(&call->out[0].shape) && same_dims(&y, &call->out[0].shape);
}

static int32_t place_of_largest(const real *x, int64_t n, int64_t step)
{
    int64_t at = 0;
    for (int64_t i = 1; i < n && !isnan(x[at * step]); i++)
        if (x[i * step] > x[at * step] || isnan(x[i * step]))
            at = i;
    return (int32_t)at;
}

static bk_status run_argmax(const bk_call *call)
{
    const bk_shape *s = &call->in[0].shape;
    const real *x = call->in[0].data;
    int32_t *y = call->out[0].data;
    int64_t n = s->dim[call->attr.axis], inner = 1;
    for (int32_t i = call->attr.axis + 1; i < s->rank; i++)
        inner *= s->dim[i];
    for (int64_t i = 0; i < bk_count(&call->out[0].shape); i++)
        y[i] = place_of_largest(x + i / inner * n * inner + i % inner, n, inner);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_argmax) = {
    .fits = fits_argmax, .run = run_argmax, .types = REFERENCE_OWN_TYPES};

/* ---- cross-entropy ---- */

static bool entropy_fits(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    return is_real(x) && is_label(&call->in[1].shape) && labels_fit(&call->in[1].shape, x) &&
           (!call->attr.has_weight ||
            (is_real(&call->in[2].shape) && is_vector(&call->in[2].shape, last_dim(x))));
}

static bool fits_cross_entropy(const bk_call *call)
{
    const bk_shape *label = &call->in[1].shape;
    return has_arity(call, 2 + (call->attr.has_weight != 0), 2) && entropy_fits(call) &&
           is_real(&call->out[0].shape) && is_real(&call->out[1].shape) &&
           same_dims(&call->out[0].shape, label) && same_dims(&call->out[1].shape, label);
}

static double log_sum_exp(const real *x, int64_t n)
{
    double max = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i] - max);
    return max + log(sum);
}

static double weight_of(const bk_call *call, int32_t label)
{
    if (label == call->attr.ignored)
        return 0;
    return call->attr.has_weight ? ((const real *)call->in[2].data)[label] : 1;
}

static bool is_class(const bk_call *call, int32_t label, int64_t classes)
{
    return label == call->attr.ignored || (label >= 0 && label < classes);
}

static bk_status run_cross_entropy(const bk_call *call)
{
    const real *x = call->in[0].data;
    const int32_t *label = call->in[1].data;
    real *loss = call->out[0].data, *weight = call->out[1].data;
    int64_t classes = last_dim(&call->in[0].shape), n = bk_count(&call->in[1].shape);
    for (int64_t i = 0; i < n; i++, x += classes) {
        if (!is_class(call, label[i], classes))
            return BK_ERR_FAILED;
        double w = weight_of(call, label[i]);
        bool ignored = label[i] == call->attr.ignored;
        loss[i] = ignored ? 0 : (real)(w * (log_sum_exp(x, classes) - x[label[i]]));
        if (weight)
            weight[i] = (real)w;
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_cross_entropy) = {
    .fits = fits_cross_entropy, .run = run_cross_entropy, .types = REFERENCE_OWN_TYPES};

static bool fits_cross_entropy_grad(const bk_call *call)
{
    int32_t last = 2 + (call->attr.has_weight != 0);
    return has_arity(call, last + 1, 1) && entropy_fits(call) && is_real(&call->in[last].shape) &&
           same_dims(&call->in[last].shape, &call->in[1].shape) && is_real(&call->out[0].shape) &&
           same_dims(&call->out[0].shape, &call->in[0].shape);
}

static bk_status run_cross_entropy_grad(const bk_call *call)
{
    const real *x = call->in[0].data, *dloss = call->in[2 + (call->attr.has_weight != 0)].data;
    const int32_t *label = call->in[1].data;
    real *dx = call->out[0].data;
    int64_t classes = last_dim(&call->in[0].shape), n = bk_count(&call->in[1].shape);
    for (int64_t i = 0; i < n; i++, x += classes, dx += classes) {
        if (!is_class(call, label[i], classes))
            return BK_ERR_FAILED;
        double total = log_sum_exp(x, classes), factor = dloss[i] * weight_of(call, label[i]);
        for (int64_t k = 0; k < classes; k++)
            dx[k] =
                label[i] == call->attr.ignored ? 0 : (real)(factor * (exp(x[k] - total) - (k == label[i])));
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_cross_entropy_grad) = {
    .fits = fits_cross_entropy_grad, .run = run_cross_entropy_grad, .types = REFERENCE_OWN_TYPES};
