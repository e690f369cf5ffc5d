/* SPDX-License-Identifier: Apache-2.0 */
/* test_random_fill.c - many random numbers at once are those that are drawn one by one, bit for bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/random_fill.h"

enum { LEVELS = 3, MANY = 1000000, FEW = 1100 };

static const int levels[LEVELS] = {0, 3, 4};

/* The three distributions, at once and one by one. */
typedef struct distribution {
    void (*fill)(const random_filler *f, random_stream *r, double scale, size_t n, float *x);
    double (*one)(random_stream *r);
} distribution;

static void fill_uniform(const random_filler *f, random_stream *r, double scale, size_t n, float *x)
{
    double *u = malloc((n + 1) * sizeof *u);
    assert_non_null(u);
    random_fill_uniform(f, r, n, u);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * u[i]);
    free(u);
}

static const distribution distributions[] = {{fill_uniform, random_uniform},
                                             {random_fill_normal, random_normal},
                                             {random_fill_truncated, random_truncated}};
enum { DISTRIBUTIONS = sizeof distributions / sizeof *distributions };

/* Fills n numbers from a word of the stream on at every level; the next word is compared too. */
static void check(const distribution *d, uint64_t from, double scale, size_t n)
{
    float *wanted = malloc((n + 1) * sizeof *wanted), *got = malloc((n + 1) * sizeof *got);
    random_stream one = random_open(7, 11);
    assert_true(wanted && got);
    one.next = from;
    for (size_t i = 0; i < n; i++)
        wanted[i] = (float)(scale * d->one(&one));
    uint32_t next = random_u32(&one);
    for (int l = 0; l < LEVELS; l++) {
        random_stream r = random_open(7, 11);
        r.next = from;
        got[n] = 5;
        d->fill(random_filler_for(levels[l]), &r, scale, n, got);
        assert_memory_equal(got, wanted, n * sizeof *got);
        assert_true(got[n] == 5);
        assert_int_equal(random_u32(&r), next);
    }
    free(wanted);
    free(got);
}

static void a_million_numbers_have_the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < DISTRIBUTIONS; i++)
        check(&distributions[i], 0, 0.02, MANY);
}

/* Batches end within blocks, and begin within them. */
static void any_count_from_any_word_gives_the_same(void **state)
{
    static const size_t counts[] = {0, 1, 2, 3, 127, 254, 255, 256, 257, 511, 512, 513, FEW};
    (void)state;
    for (int i = 0; i < DISTRIBUTIONS; i++)
        for (size_t n = 0; n < sizeof counts / sizeof *counts; n++)
            for (uint64_t from = 0; from < 6; from++)
                check(&distributions[i], from, 1, counts[n]);
}

/* The high half of a block's number counts too. */
static void a_stream_may_be_read_from_far_on(void **state)
{
    (void)state;
    for (int i = 0; i < DISTRIBUTIONS; i++)
        check(&distributions[i], (UINT64_C(1) << 34) - 500, 1, FEW);
}

/* With a scale of 2^-140 most numbers are rounded to a subnormal float or to 0, whose sign counts. */
static void tiny_scales_round_the_same_way(void **state)
{
    (void)state;
    for (int i = 0; i < DISTRIBUTIONS; i++)
        check(&distributions[i], 0, ldexp(1, -140), FEW);
    check(&distributions[1], 0, 0, FEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_numbers_have_the_same_bits),
        cmocka_unit_test(any_count_from_any_word_gives_the_same),
        cmocka_unit_test(a_stream_may_be_read_from_far_on),
        cmocka_unit_test(tiny_scales_round_the_same_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
