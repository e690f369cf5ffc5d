/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_pool.c - conformance: maxima over windows, and their indices. */
#include "tests/backends/harness.h"

static const pool_row pools[] = {
    {"1x1x1", "1x1x1", {1}, {1}, {0}, {1}},
    {"2x9x17", "2x4x17", {2}, {2}, {0}, {1}},
    {"2x9x16", "2x5x16", {2}, {2}, {0}, {1}}, /* the last window hangs over the end */
    {"1x30x3", "1x30x3", {3}, {1}, {1}, {1}},
    {"1x40x1", "1x7x1", {0}, {0}, {0}, {0}},
    {"1x3x5", "1x7x5", {0}, {0}, {0}, {0}},
    {"3x8x6x16", "3x4x3x16", {2, 2}, {2, 2}, {0, 0}, {1, 1}},
    {"1x9x8x130", "1x5x4x130", {3, 3}, {2, 2}, {1, 1}, {1, 1}},
    {"2x7x9x5", "2x3x9x5", {3, 2}, {2, 1}, {1, 1}, {2, 3}},
    {"1x11x5x33", "1x3x2x33", {0, 0}, {0, 0}, {0, 0}, {0, 0}},
    {"1x64x64x16", "1x32x32x16", {2, 2}, {2, 2}, {0, 0}, {1, 1}},
    {"2x4x5x6x7", "2x2x5x3x7", {2, 3, 2}, {2, 1, 2}, {0, 1, 0}, {1, 1, 1}},
    {"1x3x4x4x17", "1x1x1x1x17", {3, 4, 4}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}},
};

/* Also of numbers among which many are equal: the first one's place is told. */
static void max_pool_and_its_places_are_exact(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof pools / sizeof pools[0]; r++)
        for (int equal = 0; equal < 2; equal++) {
            op_case c = pool_case(&pools[r]);
            c.from[0] = equal ? INDEX : WIDE;
            c.index_limit = 3;
            check_case(&c);
        }
    assert_no_failures();
}

/* Windows of minus infinity alone, and with NaNs in some. */
static void check_special_pool(const subject *s, const op_case *c, const float *x, float *y, int32_t *index)
{
    bk_call call = call_of(c);
    call.in[0].data = (void *)x;
    call.out[0].data = y;
    call.out[1].data = index;
    assert_int_equal(s->backend()->prepare(s->device, &call), BK_OK);
    assert_int_equal(s->backend()->run(s->device, &call), BK_OK);
    s->backend()->release(s->device, &call);
}

static void max_pool_of_infinities_and_nans_is_that_of_the_reference(void **state)
{
    (void)state;
    enum { MAX = 4096 };
    static float x[MAX], y[2][MAX];
    static int32_t index[2][MAX];
    for (int nans = 0; nans < 2; nans++) {
        op_case c = pool_case(&pools[6]);
        int64_t n = bk_count(&c.out[0]);
        assert_in_range(bk_count(&c.in[0]), 1, MAX);
        for (int64_t i = 0; i < bk_count(&c.in[0]); i++)
            x[i] = nans && i % 5 == 2 ? NAN : -INFINITY;
        check_special_pool(&subjects[0], &c, x, y[0], index[0]);
        for (int i = 1; i < SUBJECTS; i++) {
            if (!subjects[i].open)
                continue;
            check_special_pool(&subjects[i], &c, x, y[1], index[1]);
            for (int64_t k = 0; k < n; k++, checks++)
                if (index[0][k] != index[1][k] || isnan(y[0][k]) != isnan(y[1][k]))
                    report(&subjects[i], &c, "place %d of %g, not %d of %g", (int)index[1][k],
                           (double)y[1][k], (int)index[0][k], (double)y[0][k]);
        }
    }
    assert_no_failures();
}

static void pools_of_unfit_shapes_are_unsupported(void **state)
{
    (void)state;
    op_case c = pool_case(&(pool_row){"1x1x1", "1x1x1", {2}, {1}, {2}, {4}}); /* a window of padding alone */
    expect_refused(&c);
    c = pool_case(&(pool_row){"1x4x1", "1x3x1", {2}, {2}, {0}, {1}}); /* a window behind the end */
    expect_refused(&c);
    c = pool_case(&(pool_row){"1x4x1", "1x2x1", {2}, {0}, {0}, {1}});
    expect_refused(&c);
    c = pool_case(&(pool_row){"1x4x2", "1x2x1", {2}, {2}, {0}, {1}});
    expect_refused(&c);
    c = pool_case(&pools[0]);
    c.out[1].dtype = BK_F32;
    expect_refused(&c);
    assert_no_failures();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(max_pool_and_its_places_are_exact),
        COUNTED(max_pool_of_infinities_and_nans_is_that_of_the_reference),
        COUNTED(pools_of_unfit_shapes_are_unsupported),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
