/* SPDX-License-Identifier: Apache-2.0 */
/* random.c - cursors over Philox streams (backends/philox.h), and a few distributions. */
#include "lib/random.h"

#include <math.h>
#include <string.h>

#include "backends/philox.h"

void philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    philox_block(seed, stream, counter, out);
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
    uint32_t threshold = (0u - n) % n; /* 2^32 mod n: smaller words would bias the remainder */
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

void random_key(uint64_t seed, uint64_t step, int32_t key[4])
{
    const uint32_t words[4] = {(uint32_t)seed, (uint32_t)(seed >> 32), (uint32_t)step,
                               (uint32_t)(step >> 32)};
    memcpy(key, words, sizeof words);
}
