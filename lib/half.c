/* SPDX-License-Identifier: Apache-2.0 */
/* half.c - rounds to 16-bit floats in integer arithmetic, so that nothing depends on the processor's
 * settings. */
#include "lib/half.h"

#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Returns bits / 2^shift, rounded to the nearest whole number, ties to even. 1 <= shift <= 31 */
static uint32_t shift_even(uint32_t bits, uint32_t shift)
{
    uint32_t half = 1u << (shift - 1), odd = bits >> shift & 1;
    return (bits + half - 1 + odd) >> shift;
}

static uint16_t to_f16(uint32_t magnitude)
{
    uint32_t exponent = magnitude >> 23, fraction = (magnitude & 0x7FFFFF) | 0x800000;
    if (exponent >= 127 + 16)
        return 0x7C00;
    if (exponent >= 127 - 14) /* a carry out of the fraction increments the exponent, up to infinity */
        return (uint16_t)shift_even(magnitude - (112u << 23), 13);
    if (exponent < 127 - 25)
        return 0;
    return (uint16_t)shift_even(fraction, 126 - exponent);
}

uint16_t half_narrow(bk_dtype half, float x)
{
    uint32_t bits = bits_of(x), magnitude = bits & 0x7FFFFFFF;
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | (half == BK_F16 ? 0x7E00 : 0x7FC0));
    return (uint16_t)(sign | (half == BK_F16 ? to_f16(magnitude) : shift_even(magnitude, 16)));
}

int half_is_finite(bk_dtype half, uint16_t x)
{
    uint16_t exponent = half == BK_F16 ? 0x7C00 : 0x7F80;
    return (x & exponent) != exponent;
}

void half_widen_all(bk_dtype half, const void *from, size_t n, float *to)
{
    for (size_t i = n; i-- > 0;) { /* runs from the end, so that no number is overwritten before it is read */
        uint16_t one;
        memcpy(&one, (const unsigned char *)from + 2 * i, sizeof one);
        float wide = bk_widen(half, one);
        memcpy(&to[i], &wide, sizeof wide);
    }
}

void half_narrow_all(bk_dtype half, const float *from, size_t n, void *to)
{
    uint16_t *y = to;
    for (size_t i = 0; i < n; i++)
        y[i] = half_narrow(half, from[i]);
}

size_t half_overflow(bk_dtype half, const float *x, size_t n)
{
    size_t i = 0;
    while (i < n && half_is_finite(half, half_narrow(half, x[i])))
        i++;
    return i;
}

const char *half_name(bk_dtype half)
{
    return half == BK_F16 ? "float16" : "bfloat16";
}
