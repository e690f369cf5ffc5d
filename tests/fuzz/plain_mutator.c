/* SPDX-License-Identifier: Apache-2.0 */
/* plain_mutator.c - changes bytes and numbers written as text, for replay.c; libFuzzer has mutations of its
 * own. */
#include <ctype.h>
#include <string.h>

#include "fuzz.h"

static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return below ? (state >> 24) % below : 0;
}

/* Puts `length` bytes in the place of `gone` ones. */
static size_t splice(uint8_t *bytes, size_t size, size_t most, size_t at, size_t gone, const void *new,
                     size_t length)
{
    if (gone > size - at || size - gone + length > most)
        return size;
    memmove(bytes + at + length, bytes + at + gone, size - at - gone);
    memcpy(bytes + at, new, length);
    return size - gone + length;
}

/* A number in the text becomes another one. */
static size_t put_number(uint8_t *bytes, size_t size, size_t most)
{
    static const char *const odd[] = {"0",    "-1",    "1e300",      "nan",        "2147483648",
                                      "0.5",  "65536", "4294967296", "-1e-300",    "9223372036854775807",
                                      "1e19", "inf",   "3",          "1000000000", ""};
    const char *new = odd[draw(sizeof odd / sizeof *odd)];
    size_t at = draw(size), end;
    while (at < size && !isdigit(bytes[at]))
        at++;
    for (end = at; end < size && isdigit(bytes[end]);)
        end++;
    return splice(bytes, size, most, at, end - at, new, strlen(new));
}

/* A value of two, four or eight bytes, in either order. */
static size_t put_value(uint8_t *bytes, size_t size, size_t at)
{
    static const uint64_t odd[] = {0,     1,     127,       128,        255,       32767,
                                   32768, 65535, INT32_MAX, 1ull << 31, INT64_MAX, UINT64_MAX};
    uint64_t value = odd[draw(sizeof odd / sizeof *odd)];
    size_t width = (size_t)2 << draw(3);
    int backwards = (int)draw(2);
    for (size_t i = 0; i < width && at + i < size; i++)
        bytes[at + i] = (uint8_t)(value >> 8 * (backwards ? width - 1 - i : i));
    return size;
}

static size_t copy_part(uint8_t *bytes, size_t size, size_t most)
{
    uint8_t part[64];
    size_t length = 1 + draw(sizeof part - 1), from = draw(size);
    if (from + length > size)
        length = size - from;
    memcpy(part, bytes + from, length);
    return splice(bytes, size, most, draw(size), draw(2) ? length : 0, part, length);
}

static size_t change(uint8_t *bytes, size_t size, size_t most)
{
    static const char marks[] = "\n\t \",;:={}[]*?/\\.-_\x80\x7f";
    size_t at = draw(size);
    switch (draw(7)) {
    case 0:
        bytes[at] ^= (uint8_t)(1 << draw(8));
        return size;
    case 1:
        bytes[at] = (uint8_t)draw(256);
        return size;
    case 2:
        return splice(bytes, size, most, at, draw(2), marks + draw(sizeof marks), 1);
    case 3:
        return splice(bytes, size, most, at, draw(16), "", 0);
    case 4:
        return copy_part(bytes, size, most);
    case 5:
        return put_number(bytes, size, most);
    default:
        return put_value(bytes, size, at);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned seed)
{
    state = seed * 0x9e3779b97f4a7c15u + 1;
    for (uint64_t n = 1 + draw(6); n > 0 && size > 0; n--)
        size = change(bytes, size, most);
    return size;
}
