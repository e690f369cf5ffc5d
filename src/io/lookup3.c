/* SPDX-License-Identifier: Apache-2.0 */
/* lookup3.c - Bob Jenkins's lookup3, byte by byte, as HDF5 computes it on every machine. */
#include "io/lookup3.h"

static uint32_t turned(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static void mix(uint32_t v[3])
{
    static const int by[6] = {4, 6, 8, 16, 19, 4};
    for (int i = 0; i < 6; i++) {
        uint32_t *x = &v[i % 3], *y = &v[(i + 1) % 3], *z = &v[(i + 2) % 3];
        *x -= *z;
        *x ^= turned(*z, by[i]);
        *z += *y;
    }
}

static void last_mix(uint32_t v[3])
{
    static const int by[7] = {14, 11, 25, 16, 4, 14, 24};
    for (int i = 0; i < 7; i++) {
        uint32_t *x = &v[(i + 2) % 3], *y = &v[(i + 1) % 3];
        *x ^= *y;
        *x -= turned(*y, by[i]);
    }
}

static void add(uint32_t v[3], const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        v[i / 4] += (uint32_t)bytes[i] << 8 * (i % 4);
}

uint32_t lookup3(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint32_t start = 0xdeadbeefu + (uint32_t)size, v[3] = {start, start, start};
    for (; size > 12; size -= 12, at += 12) {
        add(v, at, 12);
        mix(v);
    }
    if (size == 0)
        return v[2];
    add(v, at, size);
    last_mix(v);
    return v[2];
}
