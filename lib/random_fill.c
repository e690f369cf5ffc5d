/* SPDX-License-Identifier: Apache-2.0 */
/* random_fill.c - many random numbers at once, with the bits of lib/random.c.
 *
 * Words are drawn in batches of independent blocks, which the compiler makes vectors of. A normal number
 * follows from two of them by philox_normal(), which has only arithmetic that vectors have but rounds
 * otherwise than the log() and cos() of the C library, whose results count: the two differ by less than NEAR.
 * Where all numbers as near as that are rounded to the same float, and are on the same side of a truncated
 * draw's limit, the float is the result. Elsewhere, a few times in a million, the C library decides. */
#include "lib/random_fill.h"

#include <math.h>

#include "backends/philox.h"

enum { BLOCKS = 128, WORDS = 4 * BLOCKS, PAIRS = WORDS / 2, MOST_SKIPPED = 3 };

/* Far above the difference: log, cos and the angle are off by a few units in the 16th digit, times the
 * largest radius, sqrt(-2 log(2^-32)) = 6.7. */
static const double NEAR = 1e-13;
static const double LIMIT = 2; /* of a truncated draw */

typedef struct batch {
    uint32_t word[WORDS + MOST_SKIPPED + 1];
    float number[PAIRS];   /* scaled and rounded */
    int32_t beyond[PAIRS]; /* 1: beyond the limit */
    int32_t doubt[PAIRS];  /* 1: the C library decides on the two above */
} batch;

struct random_filler {
    void (*draw)(const random_stream *r, uint64_t first_block, uint32_t *word);
    int (*normals)(const uint32_t *word, double scale, batch *b);
};

/* ---- what each instruction level has ---- */

#define INLINE static inline __attribute__((always_inline))

/* philox_block() for consecutive blocks. */
INLINE void draw_blocks(const random_stream *r, uint64_t first_block, uint32_t *word)
{
    uint32_t c0[BLOCKS], c1[BLOCKS], c2[BLOCKS], c3[BLOCKS];
    uint32_t k0 = (uint32_t)r->seed, k1 = (uint32_t)(r->seed >> 32);
    for (int i = 0; i < BLOCKS; i++) {
        uint64_t block = first_block + (uint64_t)i;
        c0[i] = (uint32_t)block;
        c1[i] = (uint32_t)(block >> 32);
        c2[i] = (uint32_t)r->stream;
        c3[i] = (uint32_t)(r->stream >> 32);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            uint64_t a = (uint64_t)0xD2511F53u * c0[i], b = (uint64_t)0xCD9E8D57u * c2[i];
            c0[i] = (uint32_t)(b >> 32) ^ c1[i] ^ k0;
            c1[i] = (uint32_t)b;
            c2[i] = (uint32_t)(a >> 32) ^ c3[i] ^ k1;
            c3[i] = (uint32_t)a;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < BLOCKS; i++) {
        word[4 * i] = c0[i];
        word[4 * i + 1] = c1[i];
        word[4 * i + 2] = c2[i];
        word[4 * i + 3] = c3[i];
    }
}

/* Returns whether there is any doubt. */
INLINE int make_normals(const uint32_t *word, double scale, batch *b)
{
    int32_t any = 0;
    for (int i = 0; i < PAIRS; i++) {
        double z[2];
        philox_normal(word[2 * i], word[2 * i + 1], z);
        float low = (float)(scale * (z[0] - NEAR)), high = (float)(scale * (z[0] + NEAR));
        double above = fabs(z[0]) - LIMIT;
        b->number[i] = low;
        b->beyond[i] = above > 0;
        b->doubt[i] = (low != high) | (fabs(above) < NEAR);
        any |= b->doubt[i];
    }
    return any;
}

#define FILLER(name, attribute)                                                                              \
    attribute static void draw_##name(const random_stream *r, uint64_t first, uint32_t *word)                \
    {                                                                                                        \
        draw_blocks(r, first, word);                                                                         \
    }                                                                                                        \
    attribute static int normals_##name(const uint32_t *word, double scale, batch *b)                        \
    {                                                                                                        \
        return make_normals(word, scale, b);                                                                 \
    }                                                                                                        \
    static const random_filler filler_##name = {draw_##name, normals_##name};

FILLER(base, )

#if defined(__x86_64__)

#define AVX512 "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#if defined(__clang__)
#define AVX512_WIDE AVX512
#else
#define AVX512_WIDE AVX512 ",prefer-vector-width=512"
#endif

FILLER(avx2, __attribute__((target("avx2,fma"))))
FILLER(avx512, __attribute__((target(AVX512_WIDE))))

const random_filler *random_filler_for(int level)
{
    __builtin_cpu_init();
    int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (level >= 4 && v4)
        return &filler_avx512;
    return level >= 3 && v3 ? &filler_avx2 : &filler_base;
}

#else

const random_filler *random_filler_for(int level)
{
    (void)level;
    return &filler_base;
}

#endif

/* ---- batches ---- */

/* Draws the words from r->next on; returns the first. Some of the last MOST_SKIPPED may be missing. */
static const uint32_t *next_words(const random_filler *f, const random_stream *r, batch *b)
{
    for (int i = 0; i <= MOST_SKIPPED; i++)
        b->word[WORDS + i] = 0;
    f->draw(r, r->next / 4, b->word);
    return b->word + r->next % 4;
}

/* Replaces what is in doubt by what the C library says. */
static void decide(uint64_t first, const random_stream *r, double scale, batch *b)
{
    for (int i = 0; i < PAIRS; i++) {
        if (!b->doubt[i])
            continue;
        random_stream one = {.seed = r->seed, .stream = r->stream, .next = first + 2 * (uint64_t)i};
        double x = random_normal(&one);
        b->number[i] = (float)(scale * x);
        b->beyond[i] = fabs(x) > LIMIT;
    }
}

/* Returns how many normal numbers, from r->next on, the batch holds. */
static size_t next_normals(const random_filler *f, const random_stream *r, double scale, batch *b)
{
    if (f->normals(next_words(f, r, b), scale, b))
        decide(r->next, r, scale, b);
    return (WORDS - r->next % 4) / 2;
}

void random_fill_uniform(const random_filler *f, random_stream *r, size_t n, double *x)
{
    batch b;
    while (n > 0) {
        const uint32_t *word = next_words(f, r, &b);
        size_t many = WORDS - r->next % 4;
        many = many < n ? many : n;
        for (size_t i = 0; i < many; i++)
            x[i] = word[i] * (1.0 / 4294967296.0);
        r->next += many;
        x += many;
        n -= many;
    }
}

void random_fill_normal(const random_filler *f, random_stream *r, double scale, size_t n, float *x)
{
    batch b;
    while (n > 0) {
        size_t many = next_normals(f, r, scale, &b);
        many = many < n ? many : n;
        memcpy(x, b.number, many * sizeof *x);
        r->next += 2 * many;
        x += many;
        n -= many;
    }
}

void random_fill_truncated(const random_filler *f, random_stream *r, double scale, size_t n, float *x)
{
    batch b;
    size_t done = 0;
    while (done < n) {
        size_t many = next_normals(f, r, scale, &b), i = 0;
        for (; i < many && done < n; i++) {
            x[done] = b.number[i];
            done += !b.beyond[i];
        }
        r->next += 2 * i;
    }
}
