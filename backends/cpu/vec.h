/* SPDX-License-Identifier: Apache-2.0 */
/* vec.h - one vector of floats at the instruction level a kernel file is compiled for: its width,
 * loads and stores, and the few functions the kernels need. Not a general vector library.
 *
 * CPU_ISA (v2, v3, v4, base) names the level, CPU_LEVEL (2, 3, 4, 0) is its number. CPU_MVEC is
 * defined if the C library has vector exp, log and tanh (glibc 2.35 on x86-64). */
#ifndef SLMT_CPU_VEC_H
#define SLMT_CPU_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if CPU_LEVEL >= 2
#include <immintrin.h>
#endif

#define CPU_PASTE2(a, b) a##_##b
#define CPU_PASTE(a, b)  CPU_PASTE2(a, b)
#define KERNEL(name)     CPU_PASTE(name, CPU_ISA)

#define INLINE static inline __attribute__((always_inline, unused))

#if CPU_LEVEL == 4
enum { VL = 16 };
#elif CPU_LEVEL == 3
enum { VL = 8 };
#else
enum { VL = 4 };
#endif

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));

/* As many doubles: two registers of them. These are macros, because no function may take or return a vector
 * that is wider than a register. */
typedef double vd __attribute__((vector_size(8 * VL)));
#define vwide(v)   __builtin_convertvector(v, vd)
#define vnarrow(v) __builtin_convertvector(v, vf)

INLINE vf vload(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void vstore(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

INLINE vf vset(float x)
{
    return x - (vf){0};
}

/* p[0] p[1] p[0] p[1] ... */
INLINE vf vpair(const float *p)
{
    typedef int64_t pairs __attribute__((vector_size(4 * VL)));
    int64_t two;
    memcpy(&two, p, sizeof two);
    return (vf)(two + (pairs){0});
}

/* The first n lanes, 0 < n < VL; the others are `fill`. */
INLINE vf vload_part(const float *p, int64_t n, float fill)
{
    float lane[VL];
    for (int64_t i = 0; i < VL; i++)
        lane[i] = i < n ? p[i] : fill;
    return vload(lane);
}

INLINE void vstore_part(float *p, vf v, int64_t n)
{
    float lane[VL];
    vstore(lane, v);
    for (int64_t i = 0; i < n; i++)
        p[i] = lane[i];
}

/* Loads and stores the first n lanes, for the end of a row. */
INLINE vf vload_n(const float *p, int64_t n)
{
    return n >= VL ? vload(p) : vload_part(p, n, 0.0f);
}

INLINE void vstore_n(float *p, vf v, int64_t n)
{
    if (n >= VL)
        vstore(p, v);
    else
        vstore_part(p, v, n);
}

INLINE vf vselect(vi mask, vf yes, vf no)
{
    return (vf)(((vi)yes & mask) | ((vi)no & ~mask));
}

/* a > b ? a : b, so b if one is a NaN. */
INLINE vf vmax(vf a, vf b)
{
#if CPU_LEVEL == 4
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif CPU_LEVEL == 3
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif CPU_LEVEL == 2
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    return vselect(a > b, a, b);
#endif
}

INLINE vf vsqrt(vf a)
{
#if CPU_LEVEL == 4
    return (vf)_mm512_sqrt_ps((__m512)a);
#elif CPU_LEVEL == 3
    return (vf)_mm256_sqrt_ps((__m256)a);
#elif CPU_LEVEL == 2
    return (vf)_mm_sqrt_ps((__m128)a);
#else
    for (int i = 0; i < VL; i++)
        a[i] = sqrtf(a[i]);
    return a;
#endif
}

/* Returns 1/a up to rounding, 1 <= a < 2^126. At level 4 a division takes as long as 16 other operations;
 * at lower levels it takes less time than the two steps that an estimate of 12 bits would need. */
INLINE vf vreciprocal(vf a)
{
#if CPU_LEVEL == 4
    vf r = (vf)_mm512_rcp14_ps((__m512)a);
    return r + r * (1.0f - a * r);
#else
    return 1.0f / a;
#endif
}

INLINE vf vabs(vf a)
{
    return (vf)((vi)a & INT32_C(0x7fffffff));
}

/* Sum and maximum of the lanes, always in the same order. */
INLINE float vsum(vf a)
{
    float lane[VL];
    vstore(lane, a);
    for (int half = VL / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

INLINE float vmax_lane(vf a)
{
    float lane[VL];
    vstore(lane, a);
    for (int half = VL / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] = lane[i] > lane[i + half] ? lane[i] : lane[i + half];
    return lane[0];
}

/* a0 b0 a1 b1 ...: the lower and the upper half of two vectors, interleaved; at level 3 within each 128-bit
 * half, which is one instruction. */
#if CPU_LEVEL == 4
#define CPU_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define CPU_HIGH(a, b)                                                                                       \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif CPU_LEVEL == 3
#define CPU_LOW(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define CPU_HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#else
#define CPU_LOW(a, b)  __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define CPU_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

/* Transposes a VL x VL matrix of row vectors: log2(VL) rounds of perfect shuffles. At level 3 they transpose
 * its four quarters, of which two are then swapped. */
INLINE void vturn(vf m[VL])
{
    enum { ROWS = CPU_LEVEL == 3 ? VL / 2 : VL };
    vf t[ROWS];
#pragma GCC unroll 2
    for (int first = 0; first < VL; first += ROWS)
#pragma GCC unroll 4
        for (int round = 1; round < ROWS; round *= 2) {
#pragma GCC unroll 16
            for (int i = 0; i < ROWS / 2; i++) {
                t[2 * i] = CPU_LOW(m[first + i], m[first + i + ROWS / 2]);
                t[2 * i + 1] = CPU_HIGH(m[first + i], m[first + i + ROWS / 2]);
            }
#pragma GCC unroll 16
            for (int i = 0; i < ROWS; i++)
                m[first + i] = t[i];
        }
#if CPU_LEVEL == 3
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++) {
        vf a = m[i], b = m[i + ROWS];
        m[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
        m[i + ROWS] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    }
#endif
}

#ifdef CPU_MVEC
#if CPU_LEVEL == 4
#define CPU_MVEC_NAME(f) _ZGVeN16v_##f
#elif CPU_LEVEL == 3
#define CPU_MVEC_NAME(f) _ZGVdN8v_##f
#else
#define CPU_MVEC_NAME(f) _ZGVbN4v_##f
#endif
extern vf CPU_MVEC_NAME(expf)(vf);
extern vf CPU_MVEC_NAME(logf)(vf);
extern vf CPU_MVEC_NAME(tanhf)(vf);
#define CPU_LANES(f, x) CPU_MVEC_NAME(f)(x)
#else
#define CPU_LANES(f, x)                                                                                      \
    __extension__({                                                                                          \
        vf lanes_ = (x);                                                                                     \
        for (int lane_ = 0; lane_ < VL; lane_++)                                                             \
            lanes_[lane_] = f(lanes_[lane_]);                                                                \
        lanes_;                                                                                              \
    })
#endif

INLINE vf vexp(vf x)
{
    return CPU_LANES(expf, x);
}

INLINE vf vlog(vf x)
{
    return CPU_LANES(logf, x);
}

INLINE vf vtanh(vf x)
{
    return CPU_LANES(tanhf, x);
}

enum { LOWEST_POWER = -126 };

/* The number of vectors that are computed at the same time, because a single long formula would wait for its
 * own latency. With 16 registers, more than two of the longest, GELU's, would wait for memory. */
enum { FEW = 4, GELUS = CPU_LEVEL == 4 ? 4 : 2 };

/* 2^x = 2^whole e(rest): a minimax polynomial e, 3u. A NaN stays one. */
enum { POWER_TERMS = 6 };
#if CPU_LEVEL == 4     /* 0 <= rest < 1 */
typedef vf whole_part; /* x itself: scalef uses its floor, reduce the fraction */
static const float power_term[POWER_TERMS] = {1.867130282e-03f, 9.017029777e-03f, 5.579991266e-02f,
                                              2.401644439e-01f, 6.931512952e-01f, 1.0f};
#else /* |rest| <= 1/2 */
typedef vu whole_part; /* an integer near x, in the lowest bits */
static const float power_term[POWER_TERMS] = {1.326472389e-03f, 9.671512870e-03f, 5.550733754e-02f,
                                              2.402224208e-01f, 6.931469776e-01f, 1.0f};
#endif

/* Returns the rest of x, and its whole part as each level wants it. */
INLINE vf vrest(vf x, whole_part *whole)
{
#if CPU_LEVEL == 4
    *whole = x;
    return (vf)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#else
    const vf magic = vset(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    vf shifted = x + magic;
    *whole = (vu)shifted;
    return x - (shifted - magic);
#endif
}

/* Returns 2^whole e for |x| < 126. */
INLINE vf vscale(vf e, whole_part whole)
{
#if CPU_LEVEL == 4
    return (vf)_mm512_scalef_ps((__m512)e, (__m512)whole);
#else
    return (vf)((vu)e + (whole << 23));
#endif
}

/* The common part of both functions below: e(rest), and the whole part. */
INLINE void vexp2_part(const vf *x, vf *e, whole_part *whole, const int n)
{
    vf r[FEW];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        r[i] = vrest(x[i], whole + i);
        e[i] = vset(power_term[0]);
    }
#pragma GCC unroll 6
    for (int k = 1; k < POWER_TERMS; k++)
#pragma GCC unroll 4
        for (int i = 0; i < n; i++)
            e[i] = e[i] * r[i] + vset(power_term[k]);
}

/* x = 2^x for n vectors, x <= 0, inline: softmax and attention call it for every score. The C library's
 * vector exp leaves the vector for results that are not normal numbers, which a mask of -100 makes the rule;
 * here they are 0. */
INLINE void vexp2_negative(vf *x, const int n)
{
    vf e[FEW];
    whole_part whole[FEW];
    vexp2_part(x, e, whole, n);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
#if CPU_LEVEL == 4
        __mmask16 keep = _mm512_cmp_ps_mask((__m512)x[i], _mm512_set1_ps(LOWEST_POWER), _CMP_NLT_UQ);
        x[i] = (vf)_mm512_maskz_scalef_ps(keep, (__m512)e[i], (__m512)whole[i]);
#else
        e[i] *= (vf)((whole[i] << 23) + (127u << 23)); /* k + 127 as the exponent */
        x[i] = (vf)((vi)e[i] & ~(x[i] < vset(LOWEST_POWER)));
#endif
    }
}

/* The same for |x| < 126: no result is 0. */
INLINE void vexp2_bounded(vf *x, const int n)
{
    vf e[FEW];
    whole_part whole[FEW];
    vexp2_part(x, e, whole, n);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++)
        x[i] = vscale(e[i], whole[i]);
}

static const float log2_of_e = 1.44269504f, log_of_2 = 0.693147181f;

/* e^x for x <= 0. The error grows to |x| u, which is negligible beside the largest term of a softmax, 1. */
INLINE vf vexp_negative(vf x)
{
    x *= log2_of_e;
    vexp2_negative(&x, 1);
    return x;
}

/* The normal distribution: its function Phi(x), exact to rounding (not GELU's tanh form), and
 * exp(-x^2/2). Phi(-|x|) = exp(-x^2/2) t P(t), t = 1/(1 + 0.32 |x|), P is fitted to scipy's erfcx: its error
 * is at most 2.5 u, in the tail too, unlike that of (1 + erf)/2. The C library's vector erf takes twice the
 * time, and the gradient needs the exponential besides. density is without its 1/sqrt(2 pi). */
INLINE void vnormal(const vf *x, vf *phi, vf *density, const int n)
{
    enum { TERMS = 7 };
    static const float c[TERMS] = {4.615884133e-02f, -2.427701791e-01f, 4.123727411e-01f, -1.706576925e-01f,
                                   2.210817763e-01f, 1.039111308e-01f,  1.299033811e-01f};
    const vf far = vset(-30.0f); /* beyond it the tail is 0; a NaN stays one */
    vf t[GELUS], p[GELUS];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        t[i] = vreciprocal(1.0f - 0.32f * vmax(far, -vabs(x[i])));
        p[i] = vset(c[0]);
        density[i] = -0.5f * log2_of_e * x[i] * x[i];
    }
#pragma GCC unroll 7
    for (int k = 1; k < TERMS; k++)
#pragma GCC unroll 4
        for (int i = 0; i < n; i++)
            p[i] = p[i] * t[i] + vset(c[k]);
    vexp2_negative(density, n);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        vf tail = p[i] * t[i] * density[i];
        phi[i] = vselect(x[i] > vset(0.0f), 1.0f - tail, tail);
    }
}

INLINE void vgelu(vf *x, const int n)
{
    vf phi[GELUS], density[GELUS];
    vnormal(x, phi, density, n);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++)
        x[i] *= phi[i];
}

#endif
