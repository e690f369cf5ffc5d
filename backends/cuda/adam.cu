/* SPDX-License-Identifier: Apache-2.0 */
/* adam.cu - one step of Adam (Kingma & Ba, ICLR 2015, algorithm 1), with decoupled decay. The numbers of the
 * step are memory of the device: a captured step stays valid. */
#include "backends/cuda/kernel.h"

struct adam_state {
    const float *w, *g, *m, *v;
    float *next_w, *next_m, *next_v; /* NULL where nobody reads; else possibly w, m, v themselves */
    const double *s;
    double beta1, beta2, eps;
};

__global__ void adam_step(adam_state a, int64_t n)
{
    EACH(i, n)
    {
        double g = a.g[i], m = a.beta1 * a.m[i] + (1 - a.beta1) * g;
        double v = a.beta2 * a.v[i] + (1 - a.beta2) * g * g;
        double w = a.s[2] * a.w[i] - a.s[0] * m / (sqrt(v) / a.s[1] + a.eps);
        if (a.next_m)
            a.next_m[i] = (float)m;
        if (a.next_v)
            a.next_v[i] = (float)v;
        a.next_w[i] = (float)w;
    }
}

static void run_adam(const bk_call *call, execution *e)
{
    adam_state a = {input(call, 0),   input(call, 1),  input(call, 2),  input(call, 3),
                    output(call, 0),  output(call, 1), output(call, 2), input<double>(call, 4),
                    call->attr.alpha, call->attr.beta, call->attr.eps};
    int64_t n = elements(&call->in[0]);
    start(e, adam_step, blocks_for(n), BLOCK, 0, a, n);
}

const cuda_kernel cuda_adam = {nullptr, run_adam, nullptr};
