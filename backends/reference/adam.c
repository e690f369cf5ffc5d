/* SPDX-License-Identifier: Apache-2.0 */
/* adam.c - one step of Adam (Kingma & Ba, ICLR 2015, algorithm 1), without weight decay. */
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

#include <math.h>

void REAL_NAME(reference_adam)(const reference_adam_step *s, size_t n, void *p_, const void *g_, void *m_,
                               void *v_)
{
    real *p = p_, *m = m_, *v = v_;
    const real *g = g_;
    for (size_t i = 0; i < n; i++) {
        double grad = g[i];
        double m1 = s->beta1 * m[i] + (1 - s->beta1) * grad;
        double v1 = s->beta2 * v[i] + (1 - s->beta2) * grad * grad;
        m[i] = (real)m1;
        v[i] = (real)v1;
        p[i] = (real)(p[i] - s->rate * m1 / (sqrt(v1) / s->sqrt_correction2 + s->eps));
    }
}
