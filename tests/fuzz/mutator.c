/* SPDX-License-Identifier: Apache-2.0 */
/* mutator.c - changes a file where it hurts, then gives it the checksums and the seal of an honest one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>

#include "fuzz.h"
#include "io/block_table.h"
#include "io/digest.h"
#include "io/lookup3.h"

enum { BLOCK = 512, PLACES_MAX = 4096 };

static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return below ? (state >> 24) % below : 0;
}

/* ---- places ---- */

typedef struct places {
    size_t at[PLACES_MAX];
    size_t count;
} places;

static int is_signature(const uint8_t *p)
{
    static const char known[][5] = {"OHDR", "OCHK", "FRHP", "FHDB", "FHIB", "BTHD", "BTLF", "BTIN", "TREE"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (memcmp(p, known[i], 4) == 0)
            return 1;
    return 0;
}

static void find_places(const uint8_t *bytes, size_t size, places *p)
{
    p->count = 0;
    for (size_t i = BLOCK; i + 4 <= size && p->count < PLACES_MAX; i++)
        if (i == BLOCK || is_signature(bytes + i))
            p->at[p->count++] = i;
}

/* ---- changes ---- */

static void put_number(uint8_t *to, size_t room, const places *p, size_t size)
{
    static const uint64_t odd[] = {0,   1,     2,        7,         8,          127,       255,
                                   256, 65535, 1u << 20, INT32_MAX, 1ull << 40, INT64_MAX, UINT64_MAX};
    uint64_t value = odd[draw(sizeof odd / sizeof *odd)];
    size_t width = (size_t)1 << draw(4);
    if (draw(3) == 0 && p->count)
        value = p->at[draw(p->count)] - BLOCK; /* an address of another structure */
    else if (draw(4) == 0)
        value = size - BLOCK - draw(64);
    for (size_t i = 0; i < width && i < room; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static void change(uint8_t *bytes, size_t size, const places *p)
{
    static const size_t reach[] = {32, 128, 600};
    size_t at = draw(8) && p->count ? p->at[draw(p->count)] + draw(reach[draw(3)]) : draw(size);
    if (at >= size)
        return;
    switch (draw(5)) {
    case 0:
        bytes[at] ^= (uint8_t)(1 << draw(8));
        break;
    case 1:
        bytes[at] = (uint8_t)draw(256);
        break;
    case 2:
        bytes[at] = (uint8_t)(bytes[at] + draw(5) - 2);
        break;
    case 3: {
        size_t length = draw(64), from = draw(size);
        if (at + length <= size && from + length <= size)
            memmove(bytes + at, bytes + from, length);
        break;
    }
    default:
        put_number(bytes + at, size - at, p, size);
    }
}

/* ---- what makes it whole again ---- */

static void put_sum(uint8_t *bytes, size_t size, size_t at, size_t length)
{
    if (length > size - at || size - at - length < 4)
        return;
    uint32_t sum = lookup3(bytes + at, length);
    for (int i = 0; i < 4; i++)
        bytes[at + length + (size_t)i] = (uint8_t)(sum >> 8 * i);
}

static size_t header_length(const uint8_t *bytes, size_t room)
{
    size_t skip = room > 5 && bytes[5] & 32 ? 22 : 6, width = room > 5 ? (size_t)1 << (bytes[5] & 3) : 1;
    uint64_t length = 0;
    for (size_t i = 0; i < width && skip + i < room; i++)
        length |= (uint64_t)bytes[skip + i] << 8 * i;
    return length < room ? skip + width + (size_t)length : room;
}

static void sum_structure(uint8_t *bytes, size_t size, size_t at)
{
    if (at == BLOCK)
        put_sum(bytes, size, at, 44);
    else if (memcmp(bytes + at, "FRHP", 4) == 0)
        put_sum(bytes, size, at, 142);
    else if (memcmp(bytes + at, "BTHD", 4) == 0)
        put_sum(bytes, size, at, 34);
    else if (memcmp(bytes + at, "OHDR", 4) == 0)
        put_sum(bytes, size, at, header_length(bytes + at, size - at));
}

/* A set's table begins where its first lines say, in front of which its digests are counted. */
static void seal_set(uint8_t *bytes, size_t size)
{
    static const char head[] = "libslmt dataset\nversion 3\ntable ";
    char hex[DIGEST_HEX];
    if (memcmp(bytes, head, sizeof head - 1) != 0)
        return;
    size_t table = (size_t)strtoull((const char *)bytes + sizeof head - 1, NULL, 10);
    if (table < BLOCK || table > size || size - table != 32 * block_table_count(table - BLOCK))
        return;
    for (size_t at = BLOCK, to = table; at < table; at += BLOCK_TABLE_BLOCK, to += 32) {
        struct sha256_ctx sha;
        sha256_init(&sha);
        sha256_update(&sha, table - at < BLOCK_TABLE_BLOCK ? table - at : BLOCK_TABLE_BLOCK, bytes + at);
        sha256_digest(&sha, 32, bytes + to);
    }
    digest_memory(bytes + table, size - table, hex);
    memset(bytes, 0, BLOCK);
    snprintf((char *)bytes, BLOCK, "%s%zu\nsha256 %s\n", head, table, hex);
}

static void seal(uint8_t *bytes, size_t size)
{
    char hex[DIGEST_HEX];
    if (size < BLOCK)
        return;
    seal_set(bytes, size);
    if (memcmp(bytes, "libslmt checkpoint", 18) != 0)
        return;
    digest_memory(bytes + BLOCK, size - BLOCK, hex);
    memset(bytes, 0, BLOCK);
    snprintf((char *)bytes, BLOCK, "libslmt checkpoint\nversion 1\nsize %zu\nsha256 %s\n", size, hex);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned seed)
{
    static places p;
    (void)most;
    state = seed * 0x9e3779b97f4a7c15u + 1;
    if (size <= BLOCK)
        return size;
    find_places(bytes, size, &p);
    for (uint64_t n = draw(20) ? 1 + draw(4) : 1 + draw(40); n > 0; n--)
        change(bytes, size, &p);
    if (draw(200) == 0)
        size = BLOCK + draw(size - BLOCK);
    for (size_t i = 0; i < p.count && draw(16); i++)
        if (p.at[i] + 4 <= size)
            sum_structure(bytes, size, p.at[i]);
    seal(bytes, size);
    return size;
}
