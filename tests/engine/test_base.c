/* SPDX-License-Identifier: Apache-2.0 */
/* test_base.c - the base of the engine: counted memory, status messages, counter-based random numbers. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/random.h"
#include "lib/status.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- mem ---- */

static void every_block_is_64_byte_aligned_and_counted(void **state)
{
    (void)state;
    mem m;
    mem_init(&m, NULL, NULL, NULL, 0);
    void *p[300];
    uint64_t cost = 0;
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(mem_take(&m, i, &p[i]), OK);
        assert_int_equal((uintptr_t)p[i] % 64, 0);
        memset(p[i], (int)i, i);
        cost += mem_cost(i);
        assert_int_equal(m.live, cost);
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_equal(((unsigned char *)p[i])[k], i & 255);
    for (size_t i = 0; i < 300; i++)
        mem_give(&m, p[i]);
    mem_give(&m, NULL);
    assert_int_equal(m.live, 0);
}

/* An allocator of the caller whose blocks are aligned to 16 bytes only, and end where they say. */
typedef struct shifted {
    unsigned char area[8192];
    size_t next, shift, asked;
} shifted;

static void *shifted_alloc(void *user, size_t bytes)
{
    shifted *s = user;
    uintptr_t at = ((uintptr_t)s->area + s->next + 63) & ~(uintptr_t)63;
    s->asked = bytes;
    s->next = at + s->shift + bytes - (uintptr_t)s->area;
    return (void *)(at + s->shift);
}

static void shifted_free(void *user, void *p)
{
    (void)user, (void)p;
}

static void a_block_stays_inside_what_the_caller_gave_at_every_alignment(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 64; shift++) {
        shifted s = {.shift = shift};
        mem m;
        mem_init(&m, shifted_alloc, shifted_free, &s, 0);
        void *p;
        memset(s.area, 0xA5, sizeof s.area);
        assert_int_equal(mem_take(&m, 100, &p), OK);
        assert_int_equal((uintptr_t)p % 64, 0);
        assert_int_equal(s.asked, mem_cost(100));
        memset(p, 0, 100);
        mem_give(&m, p);
        size_t end = s.next, begin = end - s.asked;
        for (size_t i = 0; i < sizeof s.area; i++)
            assert_true((i >= begin && i < end) || s.area[i] == 0xA5);
    }
}

static void the_limit_holds_to_the_byte(void **state)
{
    (void)state;
    mem m;
    void *first, *second;
    mem_init(&m, NULL, NULL, NULL, mem_cost(100) + mem_cost(50));
    assert_int_equal(mem_take(&m, 100, &first), OK);
    assert_int_equal(mem_take(&m, 51, &second), ERR_LIMIT);
    assert_null(second);
    char number[32];
    snprintf(number, sizeof number, "%llu", (unsigned long long)m.limit);
    assert_non_null(strstr(status_text(), number));
    assert_non_null(strstr(status_text(), "max_bytes"));
    assert_int_equal(m.live, mem_cost(100));
    assert_int_equal(mem_take(&m, 50, &second), OK);
    assert_int_equal(m.live, m.limit);
    mem_give(&m, first);
    mem_give(&m, second);
    assert_int_equal(m.live, 0);
}

static void a_size_that_overflows_is_out_of_memory_and_asks_for_nothing(void **state)
{
    (void)state;
    test_memory t;
    mem m;
    test_memory_init(&t);
    mem_init(&m, guard_alloc, guard_free, &t, 0);
    void *p = &m;
    assert_int_equal(mem_take(&m, SIZE_MAX, &p), ERR_MEMORY);
    assert_null(p);
    assert_int_equal(mem_array(&m, SIZE_MAX / 2, 3, &p), ERR_MEMORY);
    assert_int_equal(mem_array(&m, 3, SIZE_MAX / 2, &p), ERR_MEMORY);
    assert_int_equal(mem_zeros(&m, SIZE_MAX / 8 + 2, 8, &p), ERR_MEMORY); /* the product wraps to 8 */
    assert_null(p);
    assert_int_equal(mem_resize(&m, &p, SIZE_MAX / 8 + 2, 8), ERR_MEMORY);
    assert_null(p);
    assert_string_equal(status_text(), "out of memory");
    assert_int_equal(t.calls, 0);
    assert_int_equal(m.live, 0);
    assert_int_equal(mem_array(&m, 5, 0, &p), OK); /* nothing times anything is a block */
    assert_non_null(p);
    mem_give(&m, p);
}

static void a_failing_allocator_leaves_the_count_and_the_old_block(void **state)
{
    (void)state;
    test_memory t;
    mem m;
    test_memory_init(&t);
    mem_init(&m, guard_alloc, guard_free, &t, 0);
    void *p, *old, *other;
    char *text;
    assert_int_equal(mem_text(&m, "abc", &text), OK);
    assert_string_equal(text, "abc");
    p = old = text;
    uint64_t live = m.live;
    t.fail_from = t.calls + 1;
    t.fail_to = INT64_MAX;
    assert_int_equal(mem_resize(&m, &p, 10, 1), ERR_MEMORY);
    assert_ptr_equal(p, old);
    assert_string_equal(p, "abc");
    assert_int_equal(mem_take(&m, 1, &other), ERR_MEMORY);
    assert_null(other);
    assert_int_equal(mem_text(&m, "x", &text), ERR_MEMORY);
    assert_null(text);
    assert_int_equal(m.live, live);
    mem_give(&m, p);
    assert_int_equal(m.live, 0);
    assert_int_equal(t.live, 0);
}

static void resize_keeps_the_contents_and_zeros_are_zero(void **state)
{
    (void)state;
    test_memory t;
    mem m;
    test_memory_init(&t);
    mem_init(&m, guard_alloc, guard_free, &t, 0);
    void *p = NULL, *zeros;
    assert_int_equal(mem_resize(&m, &p, 10, sizeof(int)), OK);
    for (int i = 0; i < 10; i++)
        ((int *)p)[i] = i;
    for (size_t n = 11; n < 500; n = n * 2 + 1)
        assert_int_equal(mem_resize(&m, &p, n, sizeof(int)), OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(((int *)p)[i], i);
    assert_int_equal(mem_resize(&m, &p, 4, sizeof(int)), OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(((int *)p)[i], i);
    assert_int_equal(m.live, mem_cost(4 * sizeof(int)));
    assert_int_equal(mem_zeros(&m, 37, 3, &zeros), OK);
    for (int i = 0; i < 111; i++)
        assert_int_equal(((unsigned char *)zeros)[i], 0);
    mem_give(&m, zeros);
    mem_give(&m, p);
    assert_int_equal(t.live, 0);
    assert_true(test_memory_is_whole(&t));
}

static void *take_and_give(void *arg)
{
    mem *m = arg;
    for (size_t i = 0; i < 5000; i++) {
        void *p, *q;
        if (mem_take(m, i % 200, &p) == OK && mem_take(m, 300, &q) == OK)
            mem_give(m, q);
        mem_give(m, p);
    }
    return NULL;
}

static void threads_share_one_mem_and_never_pass_its_limit(void **state)
{
    (void)state;
    test_memory t;
    mem m;
    pthread_t thread[4];
    test_memory_init(&t);
    mem_init(&m, guard_alloc, guard_free, &t, 1000);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &m), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(m.live, 0);
    assert_int_equal(t.live, 0);
    assert_true(t.peak > 0 && t.peak <= 1000);
}

/* ---- status ---- */

static void a_text_is_formatted_kept_and_cut(void **state)
{
    (void)state;
    char longer[STATUS_TEXT_MAX + 100];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal((fail)(ERR_SCHEMA, "%s is %d, not %d", "rank", 3, 2), ERR_SCHEMA);
    assert_string_equal(status_text(), "rank is 3, not 2");
    assert_int_equal((fail)(ERR_IO, "%s", longer), ERR_IO);
    assert_int_equal(strlen(status_text()), STATUS_TEXT_MAX - 1);
    assert_memory_equal(status_text(), longer, STATUS_TEXT_MAX - 1);
}

static void prefixes_pile_up_in_front_and_cut_the_end(void **state)
{
    (void)state;
    char longer[STATUS_TEXT_MAX + 100], text[STATUS_TEXT_MAX];
    (fail)(ERR_IO, "no such file");
    assert_int_equal(fail_prefix(ERR_IO, "a.h5"), ERR_IO);
    assert_int_equal(fail_prefix(ERR_NOT_FOUND, "load"), ERR_NOT_FOUND);
    assert_string_equal(status_text(), "load: a.h5: no such file");

    for (size_t i = 0; i < sizeof longer; i++)
        longer[i] = (char)('a' + i % 26);
    longer[STATUS_TEXT_MAX - 1] = '\0';
    (fail)(ERR_IO, "%s", longer);
    fail_prefix(ERR_IO, "where");
    assert_memory_equal(status_text(), "where: ", 7);
    assert_int_equal(strlen(status_text()), STATUS_TEXT_MAX - 1);
    assert_memory_equal(status_text() + 7, longer, STATUS_TEXT_MAX - 8);

    (fail)(ERR_IO, "short");
    for (size_t n = STATUS_TEXT_MAX - 8; n < STATUS_TEXT_MAX + 99;
         n++) { /* a prefix that fills the room, or more */
        memset(longer, 'p', n);
        longer[n] = '\0';
        strcpy(text, status_text());
        assert_int_equal(fail_prefix(ERR_IO, longer), ERR_IO);
        assert_true(strlen(status_text()) < STATUS_TEXT_MAX);
        assert_true(status_text()[0] == 'p' || strcmp(status_text(), text) == 0);
    }
}

static void *other_thread(void *arg)
{
    const char *seen = status_text();
    *(int *)arg = seen[0] == '\0';
    (fail)(ERR_IO, "theirs");
    return NULL;
}

static void each_thread_has_its_own_text(void **state)
{
    (void)state;
    pthread_t thread;
    int empty = 0;
    (fail)(ERR_IO, "mine");
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &empty), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(empty);
    assert_string_equal(status_text(), "mine");
    assert_int_equal(fail_memory(), ERR_MEMORY);
    assert_string_equal(status_text(), "out of memory");
}

/* ---- random ---- */

/* Random123 1.14, tests/kat_vectors, philox4x32 with 10 rounds. */
static void philox_gives_the_published_words(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed, stream, counter;
        uint32_t word[4];
    } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         0x0370734413198a2e,
         0x85a308d3243f6a88,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t word[4];
        philox(known[i].seed, known[i].stream, known[i].counter, word);
        assert_memory_equal(word, known[i].word, sizeof word);
    }
}

static void a_stream_is_its_philox_blocks_one_after_the_other(void **state)
{
    (void)state;
    random_stream r = random_open(11, 22), late = random_open(11, 22);
    late.next = 9;
    for (uint64_t i = 0; i < 40; i++) {
        uint32_t block[4], word = random_u32(&r);
        philox(11, 22, i / 4, block);
        assert_int_equal(word, block[i % 4]);
        if (i >= 9)
            assert_int_equal(random_u32(&late), word);
    }
}

static double chi_square(const int *count, int cells, double expected)
{
    double sum = 0;
    for (int i = 0; i < cells; i++)
        sum += (count[i] - expected) * (count[i] - expected) / expected;
    return sum;
}

/* A chi-square of k degrees is k with a deviation of sqrt(2k): six of them are past any chance, and the seeds
 * are fixed. */
static double chi_limit(int cells)
{
    return cells - 1 + 6 * sqrt(2.0 * (cells - 1));
}

static void below_is_unbiased_and_in_range(void **state)
{
    (void)state;
    static const uint32_t small[] = {1, 2, 3, 7, 10, 100};
    enum { DRAWS = 60000 };
    random_stream r = random_open(1, 2);
    for (size_t k = 0; k < sizeof small / sizeof *small; k++) {
        int count[100] = {0};
        for (int i = 0; i < DRAWS; i++) {
            uint32_t x = random_below(&r, small[k]);
            assert_true(x < small[k]);
            count[x]++;
        }
        assert_true(chi_square(count, (int)small[k], (double)DRAWS / small[k]) <= chi_limit((int)small[k]));
    }
    int third[3] = {0}; /* of 3 * 2^30: a plain remainder would make the first third half of all */
    for (int i = 0; i < DRAWS; i++)
        third[random_below(&r, 3u << 30) >> 30]++;
    assert_true(chi_square(third, 3, DRAWS / 3.0) <= chi_limit(3));
}

static void every_permutation_is_as_likely(void **state)
{
    (void)state;
    enum { DRAWS = 48000 };
    int count[256] = {0}, seen[24], n = 0;
    random_stream r = random_open(3, 4);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t p[4];
        random_permutation(&r, p, 4);
        assert_int_equal(1 << p[0] | 1 << p[1] | 1 << p[2] | 1 << p[3], 15);
        count[p[0] << 6 | p[1] << 4 | p[2] << 2 | p[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (count[i] > 0 && n < 24)
            seen[n++] = count[i];
    assert_int_equal(n, 24);
    assert_true(chi_square(seen, 24, DRAWS / 24.0) <= chi_limit(24));
    uint32_t one = 9;
    random_permutation(&r, &one, 1);
    assert_int_equal(one, 0);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double normal_cdf(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

static double truncated_cdf(double x)
{
    return (normal_cdf(x) - normal_cdf(-2)) / (normal_cdf(2) - normal_cdf(-2));
}

static double uniform_cdf(double x)
{
    return x;
}

/* Moments within five standard errors, and Kolmogorov-Smirnov: sqrt(n) D above 2.2 has probability 1e-4. */
static void check_distribution(double (*draw)(random_stream *), double (*cdf)(double), double mean,
                               double variance)
{
    enum { N = 200000 };
    double *x = malloc(N * sizeof *x), m[5] = {0}, worst = 0;
    assert_non_null(x);
    random_stream r = random_open(5, 6);
    for (int i = 0; i < N; i++) {
        x[i] = draw(&r);
        for (int k = 1; k <= 4; k++)
            m[k] += pow(x[i] - mean, k) / N;
    }
    assert_true(fabs(m[1]) < 5 * sqrt(variance / N));
    assert_true(fabs(m[2] - variance) < 5 * sqrt((m[4] - variance * variance) / N));
    qsort(x, N, sizeof *x, ascending);
    for (int i = 0; i < N; i++) {
        double f = cdf(x[i]);
        worst = fmax(worst, fmax(f - (double)i / N, (i + 1.0) / N - f));
    }
    assert_true(worst * sqrt(N) < 2.2);
    if (cdf == truncated_cdf)
        assert_true(x[0] >= -2 && x[N - 1] <= 2);
    if (cdf == uniform_cdf)
        assert_true(x[0] >= 0 && x[N - 1] < 1);
    free(x);
}

static void the_distributions_are_what_they_say(void **state)
{
    (void)state;
    check_distribution(random_uniform, uniform_cdf, 0.5, 1.0 / 12);
    check_distribution(random_normal, normal_cdf, 0, 1);
    double density = exp(-2.0) / sqrt(2 * 3.14159265358979323846); /* at 2 */
    check_distribution(random_truncated, truncated_cdf, 0, 1 - 4 * density / (1 - 2 * normal_cdf(-2)));
}

static void purposes_and_indices_have_streams_of_their_own(void **state)
{
    (void)state;
    enum { N = 3000 };
    static const char *const purpose[] = {"weights", "weight", "mask", "", "masks"};
    uint64_t *stream = malloc(5 * N * sizeof *stream);
    assert_non_null(stream);
    for (int p = 0; p < 5; p++)
        for (int i = 0; i < N; i++)
            stream[p * N + i] = random_purpose(purpose[p], (uint64_t)i);
    for (int i = 0; i < 5 * N; i += 97)
        for (int k = 0; k < 5 * N; k++)
            assert_true(i == k || stream[i] != stream[k]);
    assert_true(random_purpose("mask", 12) == random_purpose("mask", 12));
    free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_is_64_byte_aligned_and_counted),
        cmocka_unit_test(a_block_stays_inside_what_the_caller_gave_at_every_alignment),
        cmocka_unit_test(the_limit_holds_to_the_byte),
        cmocka_unit_test(a_size_that_overflows_is_out_of_memory_and_asks_for_nothing),
        cmocka_unit_test(a_failing_allocator_leaves_the_count_and_the_old_block),
        cmocka_unit_test(resize_keeps_the_contents_and_zeros_are_zero),
        cmocka_unit_test(threads_share_one_mem_and_never_pass_its_limit),
        cmocka_unit_test(a_text_is_formatted_kept_and_cut),
        cmocka_unit_test(prefixes_pile_up_in_front_and_cut_the_end),
        cmocka_unit_test(each_thread_has_its_own_text),
        cmocka_unit_test(philox_gives_the_published_words),
        cmocka_unit_test(a_stream_is_its_philox_blocks_one_after_the_other),
        cmocka_unit_test(below_is_unbiased_and_in_range),
        cmocka_unit_test(every_permutation_is_as_likely),
        cmocka_unit_test(the_distributions_are_what_they_say),
        cmocka_unit_test(purposes_and_indices_have_streams_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
