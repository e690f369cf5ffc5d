/* SPDX-License-Identifier: Apache-2.0 */
/* philox.h - the arithmetic of random numbers, for the engine and every backend: Philox 4x32-10 (Salmon et
 * al., SC 2011), and the distributions that are computed from its words.
 *
 * A number is a pure function of (seed, stream, counter). The normal distribution is computed with +, -, *, /
 * and sqrt in double alone, which IEEE 754 rounds in one way: compiled without contraction to multiply-adds
 * (-ffp-contract=off), every backend on every machine produces the same bits. */
#ifndef SLMT_PHILOX_H
#define SLMT_PHILOX_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t c0 = (uint32_t)(b >> 32) ^ c[1] ^ k0, c2 = (uint32_t)(a >> 32) ^ c[3] ^ k1;
    c[0] = c0;
    c[1] = (uint32_t)b;
    c[2] = c2;
    c[3] = (uint32_t)a;
}

/* out = the four random words of block `counter` in `stream` under `seed`. */
static inline void philox_block(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)stream,
                     (uint32_t)(stream >> 32)};
    for (int round = 0; round < 10; round++) {
        philox_round(c, k0, k1);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

/* Returns a number in [0, 1) of 24 bits, which is exact in float32 too. */
static inline double philox_uniform(uint32_t word)
{
    return (word >> 8) * 0x1p-24;
}

/* The natural logarithm of a positive normal number, 1 ulp: x = m 2^e with m in [sqrt(1/2), sqrt(2)), and
 * log(m) = 2 atanh(s), s = (m - 1) / (m + 1), by its series. */
static inline double philox_log(double x)
{
    uint64_t bits, root = UINT64_C(0x3FE6A09E667F3BCD);
    memcpy(&bits, &x, sizeof bits);
    int32_t e = (int32_t)((bits - root) >> 52 & 0x7FF);
    e = e > 1023 ? e - 2048 : e;
    bits -= (uint64_t)(int64_t)e << 52;
    double m, sum = 1.0 / 23;
    memcpy(&m, &bits, sizeof m);
    double s = (m - 1) / (m + 1), square = s * s;
    for (int k = 21; k > 0; k -= 2)
        sum = sum * square + 1.0 / k;
    return e * 0.693147180559945309417 + 2 * s * sum;
}

/* Two standard normal numbers from two words, by Box and Muller: sqrt(-2 log u) (cos, sin)(2 pi v). The angle
 * is split into a multiple of a quarter turn and a remainder of at most 1/8 turn, whose sine and cosine are
 * Taylor sums. */
static inline void philox_normal(uint32_t word0, uint32_t word1, double z[2])
{
    double r = sqrt(-2 * philox_log((word0 + 1.0) * 0x1p-32));
    uint32_t quarter = (word1 + (UINT32_C(1) << 29)) >> 30;
    double t = (double)(int32_t)(word1 - (quarter << 30)) * (6.283185307179586477 * 0x1p-32), square = t * t;
    double c = 1, s = 1;
    for (int k = 16; k > 0; k -= 2) {
        c = 1 - square * (1.0 / (k * (k - 1))) * c;
        s = 1 - square * (1.0 / (k * (k + 1))) * s;
    }
    c *= r;
    s *= r * t;
    double a = quarter & 1 ? s : c, b = quarter & 1 ? c : s;
    z[0] = quarter == 1 || quarter == 2 ? -a : a;
    z[1] = quarter == 2 || quarter == 3 ? -b : b;
}

#endif
