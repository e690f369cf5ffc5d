/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_reduce.c - conformance: sums and maxima over axes. */
#include "tests/backends/harness.h"

static void reductions_match_float64_for_every_set_of_axes(void **state)
{
    (void)state;
    static const char *const shapes[] = {"",        "1",         "8",          "1000",    "33x3",
                                         "3x33",    "257x40",    "2x3x5",      "5x64x33", "2x1x3x17",
                                         "2x7x9x8", "2x3x2x3x4", "2x3x2x3x2x5"};
    for (size_t r = 0; r < sizeof shapes / sizeof shapes[0]; r++)
        for (int max = 0; max < 2; max++) {
            bk_shape x = shape(shapes[r]);
            for (unsigned set = 0; set < 1u << x.rank; set++) {
                op_case c = {
                    .op = max ? BK_REDUCE_MAX : BK_SUM, .n_in = 1, .n_out = 1, .in = {x}, .out = {x}};
                for (int32_t i = 0; i < x.rank; i++)
                    if (set >> i & 1) {
                        c.attr.axes[i] = 1;
                        c.out[0].dim[i] = 1;
                    }
                c.from[0] = max ? WIDE : ANY_VALUE;
                c.tolerance = max ? EXACT : sum_tolerance(bk_count(&x) / bk_count(&c.out[0]));
                check_case(&c);
            }
        }
    assert_no_failures();
}

static void reduce_max_of_negative_numbers_is_negative(void **state)
{
    (void)state;
    op_case c = {.op = BK_REDUCE_MAX, .attr.axes = {0, 1}, .n_in = 1, .n_out = 1, .tolerance = EXACT};
    c.in[0] = shape("5x37");
    c.out[0] = shape("5x1");
    c.in_value[0] = new_array(5 * 37, sizeof(double));
    for (int i = 0; i < 5 * 37; i++)
        c.in_value[0][i] = -1 - i % 23;
    check_case(&c);
    assert_no_failures();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(reductions_match_float64_for_every_set_of_axes),
        COUNTED(reduce_max_of_negative_numbers_is_negative),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
