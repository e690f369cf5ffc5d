/* SPDX-License-Identifier: Apache-2.0 */
/* words.h - what a direct convolution multiplies: a word is a float or, in files that are compiled with
 * CPU_PAIRS, two values in bfloat16 (AVX512-BF16), whose two products one instruction adds to a sum in
 * float32. Words of both kinds have a float's place in memory. */
#ifndef SLMT_CPU_WORDS_H
#define SLMT_CPU_WORDS_H

#include "backends/cpu/vec.h"

#ifdef CPU_PAIRS

enum { WORD = 2 }; /* values */

INLINE vf word_in_all_lanes(const char *p)
{
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    return (vf)_mm512_set1_epi32(bits);
}

INLINE vf add_products(vf sum, vf a, vf b)
{
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

/* Words of the values in the same lanes of a and b. */
INLINE vf pair_lanes(vf a, vf b)
{
    __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)a));
    __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)b));
    return (vf)_mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* Rounds n values beside each other to words; the last is half of one if n is odd. */
INLINE void round_values(const float *x, int64_t n, float *to)
{
    int64_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL, to += VL)
        vstore(to, (vf)_mm512_cvtne2ps_pbh((__m512)vload(x + i + VL), (__m512)vload(x + i)));
    if (i == n)
        return;
    vf low = vload_n(x + i, n - i), high = i + VL < n ? vload_n(x + i + VL, n - i - VL) : vset(0.0f);
    vstore_n(to, (vf)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low), (n - i + 1) / 2);
}

#else

enum { WORD = 1 };

INLINE vf word_in_all_lanes(const char *p)
{
    float x;
    memcpy(&x, p, sizeof x);
    return vset(x);
}

INLINE vf add_products(vf sum, vf a, vf b)
{
    return sum + a * b;
}

INLINE void round_values(const float *x, int64_t n, float *to)
{
    memcpy(to, x, (size_t)n * sizeof *to);
}

#endif

#endif
