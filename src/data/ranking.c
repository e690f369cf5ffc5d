/* SPDX-License-Identifier: Apache-2.0 */
/* ranking.c - counts voxels by the upper 16 bits of their values, then those that share them by the lower 16
 * bits. */
#include "data/ranking.h"

#include <string.h>

enum { BINS = 1 << 16 };

/* Returns a key; keys are ordered like the floats. */
static uint32_t key_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits ^ (bits >> 31 ? 0xFFFFFFFFu : 0x80000000u);
}

static float float_of(uint32_t key)
{
    uint32_t bits = key ^ (key >> 31 ? 0x80000000u : 0xFFFFFFFFu);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

status ranking_open(ranking *r)
{
    void *bins;
    TRY(mem_zeros(r->mem, 2 * BINS, sizeof(uint64_t), &bins));
    r->upper = bins;
    r->lower = r->upper + BINS;
    r->inside = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (ranking_has(r, r->voxels[i])) {
            r->upper[key_of(r->voxels[i]) >> 16]++;
            r->inside++;
        }
    }
    return OK;
}

void ranking_close(ranking *r)
{
    mem_give(r->mem, r->upper);
    r->upper = r->lower = NULL;
}

/* Returns the bin that holds the value of this rank; *rank becomes the rank within the bin. */
static uint32_t find_bin(const uint64_t *bins, uint64_t *rank)
{
    uint32_t b = 0;
    while (*rank >= bins[b])
        *rank -= bins[b++];
    return b;
}

float ranking_value(ranking *r, uint64_t rank)
{
    uint32_t high = find_bin(r->upper, &rank);
    memset(r->lower, 0, BINS * sizeof *r->lower);
    for (size_t i = 0; i < r->count; i++) {
        uint32_t key = key_of(r->voxels[i]);
        if (key >> 16 == high && ranking_has(r, r->voxels[i]))
            r->lower[key & 0xFFFF]++;
    }
    return float_of(high << 16 | find_bin(r->lower, &rank));
}

float ranking_about(const ranking *r, double part)
{
    uint64_t rank = (uint64_t)(part * (double)(r->inside - 1));
    return float_of(find_bin(r->upper, &rank) << 16);
}

float ranking_percentile(ranking *r, double percent, uint64_t first, uint64_t n)
{
    double position = percent / 100 * (double)(n - 1);
    uint64_t rank = (uint64_t)position;
    double weight = position - (double)rank, a = ranking_value(r, first + rank);
    double b = rank + 1 < n ? ranking_value(r, first + rank + 1) : a;
    return (float)(a + (b - a) * weight);
}

uint64_t ranking_apart(const ranking *r, int upper, uint64_t most, double width, float *edge)
{
    uint64_t seen = 0, apart = 0;
    double last = 0;
    for (uint32_t i = 0; i < BINS && seen <= most; i++) {
        uint32_t b = upper ? BINS - 1 - i : i;
        if (r->upper[b] == 0)
            continue;
        float low = float_of(b << 16), high = float_of(b << 16 | 0xFFFF);
        if (seen > 0 && (upper ? last - (double)high : (double)low - last) > width) {
            apart = seen;
            *edge = upper ? high : low;
        }
        last = upper ? low : high;
        seen += r->upper[b];
    }
    return apart;
}
