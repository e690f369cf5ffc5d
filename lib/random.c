/* SPDX-License-Identifier: Apache-2.0 */
/* random.c - Philox 4x32-10 and the few distributions made from it. */
#include "lib/random.h"

#include <math.h>

static uint32_t mulhilo(uint32_t a, uint32_t b, uint32_t *low)
{
    uint64_t p = (uint64_t)a * b;
    *low = (uint32_t)p;
    return (uint32_t)(p >> 32);
}

void philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)stream,
                     (uint32_t)(stream >> 32)};
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint32_t l0, l1;
        uint32_t h0 = mulhilo(0xD2511F53u, c[0], &l0), h1 = mulhilo(0xCD9E8D57u, c[2], &l1);
        uint32_t n0 = h1 ^ c[1] ^ k0, n2 = h0 ^ c[3] ^ k1;
        c[0] = n0;
        c[1] = l1;
        c[2] = n2;
        c[3] = l0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < 4; i++)
        out[i] = c[i];
}

random_stream random_open(uint64_t seed, uint64_t stream)
{
    return (random_stream){.seed = seed, .stream = stream};
}

uint32_t random_u32(random_stream *r)
{
    if (r->held != r->next / 4 + 1) {
        philox(r->seed, r->stream, r->next / 4, r->block);
        r->held = r->next / 4 + 1;
    }
    return r->block[r->next++ % 4];
}

double random_uniform(random_stream *r)
{
    return random_u32(r) * (1.0 / 4294967296.0);
}

uint32_t random_below(random_stream *r, uint32_t n)
{
    uint32_t threshold = (0u - n) % n; /* 2^32 mod n: words below it would bias the remainder */
    uint32_t w;
    do
        w = random_u32(r);
    while (w < threshold);
    return w % n;
}

double random_normal(random_stream *r)
{
    double u = (random_u32(r) + 1.0) * (1.0 / 4294967296.0); /* (0, 1] */
    double v = random_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586477 * v);
}

double random_truncated(random_stream *r)
{
    double x;
    do
        x = random_normal(r);
    while (fabs(x) > 2.0);
    return x;
}

uint64_t random_purpose(const char *purpose, uint64_t index)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (const char *p = purpose; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001B3u;
    h ^= index + 0x9E3779B97F4A7C15u + (h << 6) + (h >> 2);
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

void random_permutation(random_stream *r, uint32_t *index, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        index[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = random_below(r, i), t = index[i - 1];
        index[i - 1] = index[j];
        index[j] = t;
    }
}
