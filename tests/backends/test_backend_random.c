/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_random.c - conformance: random numbers, the same on every backend, and of the right
 * distribution. */
#include "tests/backends/harness.h"

static op_case random_case(bk_op op, bk_shape y, const double key[4], uint64_t purpose)
{
    op_case c = {.op = op, .n_in = 1, .n_out = 1, .tolerance = ONE_OPERATION, .attr.purpose = purpose};
    c.in[0] = with_type(shape("4"), BK_I32);
    c.in_value[0] = copy_values(key, 4);
    c.out[0] = y;
    return c;
}

static void random_numbers_match_float64(void **state)
{
    (void)state;
    static const char *const shapes[] = {"",    "1",   "2",      "3",           "5",
                                         "7x3", "257", "3x1367", "2x3x1x2x2x5", "20001"};
    static const double key[4] = {-5, 17, 3, -2147483648.0};
    for (size_t r = 0; r < sizeof shapes / sizeof shapes[0]; r++)
        for (int normal = 0; normal < 2; normal++) {
            op_case c = random_case(normal ? BK_NORMAL : BK_UNIFORM, shape(shapes[r]), key, UINT64_MAX - r);
            if (!normal)
                c.tolerance = EXACT;
            check_case(&c);
        }
    assert_no_failures();
}

/* Every backend, instruction level and number of threads; the float64 number is the same before its rounding.
 */
static void random_numbers_have_the_same_bits_everywhere(void **state)
{
    (void)state;
    enum { N = 20001 };
    static float y[N];
    static const double key[4] = {1, 2, 3, 4};
    for (int normal = 0; normal < 2; normal++) {
        double *truth[1];
        op_case c = random_case(normal ? BK_NORMAL : BK_UNIFORM, shape("20001"), key, 7);
        compute_truth(&c, c.in_value, truth);
        for (int i = 0; i < SUBJECTS; i++) {
            if (!subjects[i].open)
                continue;
            assert_int_equal(run_case(&subjects[i], &c, (void *[]){y}), BK_OK);
            for (int k = 0; k < N; k++)
                if (y[k] != (float)truth[0][k])
                    fail_msg("%s: number %d is %.9g, not %.9g", subjects[i].name, k, (double)y[k],
                             truth[0][k]);
        }
        free(truth[0]);
        free_case(&c);
    }
}

/* The known answer of Philox 4x32-10 for a key and a counter of zeros (Random123's kat_vectors). */
static void uniform_numbers_are_the_words_of_philox(void **state)
{
    (void)state;
    static const uint32_t word[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    static const double zero[4] = {0};
    for (int i = 0; i < SUBJECTS; i++) {
        float y[4];
        op_case c = random_case(BK_UNIFORM, shape("4"), zero, 0);
        if (subjects[i].open) {
            assert_int_equal(run_case(&subjects[i], &c, (void *[]){y}), BK_OK);
            for (int k = 0; k < 4; k++)
                assert_true(y[k] == (float)(word[k] >> 8) * 0x1p-24f);
        }
        free_case(&c);
    }
}

/* Of n independent numbers of variance 1 a mean is about 1/sqrt(n) off: five times that, with any key. */
static void normal_numbers_have_the_moments_of_the_normal_distribution(void **state)
{
    (void)state;
    enum { N = 200000 };
    static const double key[4] = {11, 0, 5, 0}, moment[] = {0, 1, 0, 3}, variance[] = {1, 2, 15, 96};
    double *z[1], below = 0;
    op_case c = random_case(BK_NORMAL, shape("200000"), key, 1);
    compute_truth(&c, c.in_value, z);
    for (int power = 1; power <= 4; power++) {
        double sum = 0;
        for (int i = 0; i < N; i++)
            sum += pow(z[0][i], power);
        assert_true(fabs(sum / N - moment[power - 1]) < 5 * sqrt(variance[power - 1] / N));
    }
    for (int i = 0; i < N; i++)
        below += z[0][i] < 1;
    assert_true(fabs(below / N - 0.8413447) < 5 * sqrt(0.8413447 * 0.1586553 / N));
    double product = 0; /* of the two that come from one pair of words */
    for (int i = 0; i < N; i += 2)
        product += z[0][i] * z[0][i + 1];
    assert_true(fabs(product / (N / 2)) < 5 * sqrt(2.0 / N));
    free(z[0]);
    free_case(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(random_numbers_match_float64),
        cmocka_unit_test(random_numbers_have_the_same_bits_everywhere),
        cmocka_unit_test(uniform_numbers_are_the_words_of_philox),
        cmocka_unit_test(normal_numbers_have_the_moments_of_the_normal_distribution),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
