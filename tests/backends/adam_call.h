/* SPDX-License-Identifier: Apache-2.0 */
/* adam_call.h - one step of BK_ADAM in place on arrays of a test, without a graph around it. */
#ifndef SLMT_TESTS_ADAM_CALL_H
#define SLMT_TESTS_ADAM_CALL_H

#include "backends/backend.h"

#include <math.h>

typedef struct adam_arrays {
    void *p, *g, *m, *v;
} adam_arrays;

static inline bk_call adam_call(bk_dtype real, size_t n, const adam_arrays *a, double *scalars, double beta1,
                                double beta2, double eps)
{
    const bk_shape vector = {.dtype = real, .rank = 1, .dim = {(int64_t)n}};
    const bk_shape three = {.dtype = BK_F64, .rank = 1, .dim = {3}};
    return (bk_call){.op = BK_ADAM,
                     .attr = {.alpha = beta1, .beta = beta2, .eps = eps},
                     .n_in = 5,
                     .n_out = 3,
                     .in = {{.shape = vector, .data = a->p},
                            {.shape = vector, .data = a->g},
                            {.shape = vector, .data = a->m},
                            {.shape = vector, .data = a->v},
                            {.shape = three, .data = scalars}},
                     .out = {{.shape = vector, .data = a->p},
                             {.shape = vector, .data = a->m},
                             {.shape = vector, .data = a->v}}};
}

/* Step t, from 1, without decay. */
static inline bk_status adam_step(const bk_backend *backend, void *device, bk_dtype real, size_t n,
                                  const adam_arrays *a, double lr, double beta1, double beta2, double eps,
                                  int64_t t)
{
    double scalars[3] = {lr / (1 - pow(beta1, (double)t)), sqrt(1 - pow(beta2, (double)t)), 1};
    bk_call call = adam_call(real, n, a, scalars, beta1, beta2, eps);
    bk_status s = backend->prepare(device, &call);
    if (s != BK_OK)
        return s;
    s = backend->begin(device);
    if (s == BK_OK) {
        s = backend->run(device, &call);
        backend->end(device);
    }
    backend->release(device, &call);
    return s;
}

#endif
