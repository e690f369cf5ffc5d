/* SPDX-License-Identifier: Apache-2.0 */
/* gelu.h - the exact GELU and its derivative, in double.
 *
 *   gelu(x) = x Phi(x),   gelu'(x) = Phi(x) + x phi(x)
 *
 * Phi by erfc, which keeps its relative precision in the left tail. */
#ifndef SLMT_REFERENCE_GELU_H
#define SLMT_REFERENCE_GELU_H

#include <math.h>

static inline double normal_distribution(double x)
{
    const double sqrt_half = 0.70710678118654752440;
    return 0.5 * erfc(-x * sqrt_half);
}

static inline double gelu(double x)
{
    return x * normal_distribution(x);
}

static inline double gelu_derivative(double x)
{
    const double inverse_sqrt_two_pi = 0.39894228040143267794;
    return normal_distribution(x) + x * inverse_sqrt_two_pi * exp(-0.5 * x * x);
}

#endif
