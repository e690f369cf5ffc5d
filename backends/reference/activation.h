/* SPDX-License-Identifier: Apache-2.0 */
/* activation.h - the activation after a product, and the exact GELU with its derivative, in double.
 *
 *   gelu(x) = x Phi(x),   gelu'(x) = Phi(x) + x phi(x)
 *
 * Phi is computed by erfc, which keeps its relative precision in the left tail. */
#ifndef SLMT_REFERENCE_ACTIVATION_H
#define SLMT_REFERENCE_ACTIVATION_H

#include <math.h>

#include "backends/backend.h"

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

static inline int is_activation(int32_t activation)
{
    return activation >= BK_ACT_NONE && activation <= BK_ACT_LEAKY_RELU;
}

static inline double activate(const bk_attr *attr, double x)
{
    if (attr->activation == BK_ACT_GELU)
        return gelu(x);
    return attr->activation == BK_ACT_LEAKY_RELU && !(x > 0) ? attr->alpha * x : x;
}

#endif
