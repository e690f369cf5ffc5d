/* SPDX-License-Identifier: Apache-2.0 */
/* adam.c - one step of Adam (Kingma & Ba, ICLR 2015, algorithm 1), with decoupled decay. */
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

#include <math.h>

static bool fits_adam(const bk_call *call)
{
    const bk_shape *w = &call->in[0].shape, *scalars = &call->in[4].shape;
    if (!has_arity(call, 5, 3) || scalars->dtype != BK_F64 || !is_vector(scalars, 3))
        return false;
    for (int32_t i = 1; i < 4; i++)
        if (call->in[i].shape.dtype != w->dtype || !same_dims(&call->in[i].shape, w))
            return false;
    for (int32_t o = 0; o < 3; o++)
        if (call->out[o].shape.dtype != w->dtype || !same_dims(&call->out[o].shape, w))
            return false;
    return true;
}

static void put(real *to, int64_t i, double x)
{
    if (to)
        to[i] = (real)x;
}

static bk_status run_adam(const bk_call *call)
{
    const real *w = call->in[0].data, *g = call->in[1].data, *m = call->in[2].data, *v = call->in[3].data;
    const double *s = call->in[4].data, beta1 = call->attr.alpha, beta2 = call->attr.beta;
    int64_t n = bk_count(&call->in[0].shape);
    for (int64_t i = 0; i < n; i++) {
        double grad = g[i];
        double m1 = beta1 * m[i] + (1 - beta1) * grad;
        double v1 = beta2 * v[i] + (1 - beta2) * grad * grad;
        double next = s[2] * w[i] - s[0] * m1 / (sqrt(v1) / s[1] + call->attr.eps);
        put(call->out[1].data, i, m1);
        put(call->out[2].data, i, v1);
        put(call->out[0].data, i, next);
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_adam) = {
    .fits = fits_adam, .run = run_adam, .types = REFERENCE_OWN_TYPES};
