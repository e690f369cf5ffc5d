/* SPDX-License-Identifier: Apache-2.0 */
/* widen.c - converts weights stored as 16-bit floats (BK_BF16, BK_F16) to float32, which is exact, and
 * float32 or float16 to bfloat16, rounded to the nearest, ties to even; a NaN stays a NaN. The functions are
 * serial: the caller distributes pieces over threads. */
#include "backends/cpu/kernels.h"

#if CPU_LEVEL >= 3
#include <immintrin.h>
#endif

#if CPU_LEVEL >= 4

enum { STEP = 16 };

static inline void widen_bf16(const uint16_t *from, float *to)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from));
    _mm512_storeu_ps(to, _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)));
}

static inline void widen_f16(const uint16_t *from, float *to)
{
    _mm512_storeu_ps(to, _mm512_cvtph_ps(_mm256_loadu_si256((const void *)from)));
}

#elif CPU_LEVEL == 3

enum { STEP = 8 };

static inline void widen_bf16(const uint16_t *from, float *to)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)from));
    _mm256_storeu_ps(to, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
}

static inline void widen_f16(const uint16_t *from, float *to)
{
    _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128((const void *)from)));
}

#else

enum { STEP = 8 };

static inline void widen_bf16(const uint16_t *from, float *to)
{
    for (int i = 0; i < STEP; i++)
        to[i] = bk_widen(BK_BF16, from[i]);
}

static inline void widen_f16(const uint16_t *from, float *to)
{
    for (int i = 0; i < STEP; i++)
        to[i] = bk_widen(BK_F16, from[i]);
}

#endif

void KERNEL(cpu_widen)(const void *from, int32_t dtype, size_t n, float *to)
{
    const uint16_t *half = from;
    size_t i = 0;
    if (dtype == BK_BF16)
        for (; i + STEP <= n; i += STEP)
            widen_bf16(half + i, to + i);
    else
        for (; i + STEP <= n; i += STEP)
            widen_f16(half + i, to + i);
    for (; i < n; i++)
        to[i] = bk_widen(dtype, half[i]);
}

static inline uint16_t round_bf16(uint32_t bits)
{
    uint32_t up = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 64;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : up);
}

void KERNEL(cpu_narrow)(const void *from, int32_t dtype, size_t n, uint16_t *to)
{
    const uint32_t *bits = from;
    const uint16_t *half = from;
    for (size_t i = 0; dtype == BK_F32 && i < n; i++)
        to[i] = round_bf16(bits[i]);
    for (size_t i = 0; dtype == BK_F16 && i < n; i++) {
        float x = bk_widen(BK_F16, half[i]);
        uint32_t wide;
        memcpy(&wide, &x, sizeof wide);
        to[i] = round_bf16(wide);
    }
}
