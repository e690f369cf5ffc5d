/* SPDX-License-Identifier: Apache-2.0 */
/* finite.c - counts what is no number among results, as fast as memory is read. */
#include "core/finite.h"

#include <stdio.h>
#include <string.h>

/* The compiler makes vector code of a loop of known length. */
enum { BLOCK = 1024 };

static uint32_t is_nonfinite(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits & 0x7F800000u) == 0x7F800000u;
}

static uint32_t count_block(const float *x)
{
    uint32_t bad = 0;
    for (int i = 0; i < BLOCK; i++)
        bad += is_nonfinite(x[i]);
    return bad;
}

size_t count_nonfinite(const float *x, size_t n, size_t *first)
{
    size_t bad = 0, i = 0, before = n;
    for (; i + BLOCK <= n; i += BLOCK) {
        uint32_t here = count_block(x + i);
        before = here && before == n ? i : before;
        bad += here;
    }
    for (; i < n; i++) {
        before = is_nonfinite(x[i]) && before == n ? i : before;
        bad += is_nonfinite(x[i]);
    }
    while (before < n && !is_nonfinite(x[before]))
        before++;
    *first = before;
    return bad;
}

/* "[2][0][17]": the indices of an element. */
static void write_place(size_t at, const int64_t *extents, int32_t rank, char *text, size_t size)
{
    size_t below = 1, used = 0;
    for (int32_t i = 1; i < rank; i++)
        below *= (size_t)extents[i];
    text[0] = '\0';
    for (int32_t i = 0; i < rank && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "[%zu]", at / below);
        at %= below;
        below /= i + 1 < rank ? (size_t)extents[i + 1] : 1;
    }
}

status check_made(const char *what, const float *x, const int64_t *extents, int32_t rank)
{
    size_t n = 1, first;
    char place[160];
    for (int32_t i = 0; i < rank; i++)
        n *= (size_t)extents[i];
    size_t bad = count_nonfinite(x, n, &first);
    if (bad == 0)
        return OK;
    write_place(first, extents, rank, place, sizeof place);
    return fail(ERR_NONFINITE,
                "%s: %zu of %zu values are a NaN or an infinity, the first one is %s: the input or the "
                "model's weights are so large that the network overflows",
                what, bad, n, place);
}
