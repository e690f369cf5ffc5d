/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_space.c - conformance: linear maps over space. */
#include "tests/backends/harness.h"

static void maps_over_space_of_the_reference_have_known_values(void **state)
{
    (void)state;
    double x[] = {0, 1, 2, 3}, pair[] = {0, 1}, y[] = {1, 2, 3, 4, 5, 6, 7, 8}, *in[] = {x};
    op_case c = {.op = BK_REFLECT, .n_in = 1, .n_out = 1, .attr.axes = {2}};
    c.in[0] = shape("4");
    c.out[0] = shape("8");
    expect_values(&c, in, (const double[]){2, 1, 0, 1, 2, 3, 2, 1});
    c.op = BK_REFLECT_GRAD;
    c.in[0] = shape("8");
    c.out[0] = shape("4");
    expect_values(&c, (double *[]){y}, (const double[]){3, 14, 13, 6});
    c = (op_case){.op = BK_RESIZE_LINEAR, .n_in = 1, .n_out = 1};
    c.in[0] = shape("1x2x1");
    c.out[0] = shape("1x4x1");
    expect_values(&c, (double *[]){pair}, (const double[]){0, 0.25, 0.75, 1});
    c.in[0] = shape("1x4x1");
    c.out[0] = shape("1x2x1");
    expect_values(&c, in, (const double[]){0.5, 2.5});
    c.op = BK_RESIZE_LINEAR_GRAD;
    c.out[0] = shape("1x2x1");
    expect_values(&c, (double *[]){y}, (const double[]){1 + 2 * 0.75 + 3 * 0.25, 2 * 0.25 + 3 * 0.75 + 4});
}

static void reflect_and_its_gradient_match_float64_up_to_the_whole_length(void **state)
{
    (void)state;
    static const struct {
        const char *x;
        int64_t border[BK_MAX_RANK];
    } rows[] = {
        {"", {0}},
        {"1", {0}},
        {"4", {2}},
        {"5", {4}},
        {"300", {299}},
        {"2x7x3", {0, 1, 0}},
        {"1x2x16", {0, 1, 0}},
        {"3x9x17", {0, 8, 0}},
        {"1x5x6x1", {0, 3, 3, 0}},
        {"3x7x8x17", {0, 1, 3, 0}},
        {"1x4x33x3", {0, 3, 32, 0}},
        {"2x8x7x64", {0, 3, 0, 0}},
        {"1x60x50x16", {0, 3, 3, 0}},
        {"2x3x4x5x7", {0, 2, 1, 4, 0}},
        {"1x3x4x5x130", {0, 1, 1, 1, 0}},
        {"2x3x4", {1, 2, 3}},
        {"3x2x3x2x3x2", {1, 1, 2, 0, 1, 1}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        op_case c = {.op = BK_REFLECT, .n_in = 1, .n_out = 1, .tolerance = EXACT};
        int64_t most = 1;
        c.in[0] = c.out[0] = shape(rows[r].x);
        for (int32_t i = 0; i < c.in[0].rank; i++) {
            c.attr.axes[i] = rows[r].border[i];
            c.out[0].dim[i] += 2 * rows[r].border[i];
            most *= rows[r].border[i] ? 3 : 1;
        }
        op_case g = gradient_case(BK_REFLECT_GRAD, &c, round_to_float);
        g.tolerance = sum_tolerance(most);
        check_case(&c);
        check_case(&g);
    }
    assert_no_failures();
}

/* Resizing, by mode BK_RESIZE_..., and its gradient. */
static void check_resize(int32_t mode, const char *from, const char *to)
{
    op_case c = {.op = BK_RESIZE_LINEAR, .n_in = 1, .n_out = 1, .attr.mode = mode};
    c.tolerance = mode == BK_RESIZE_NEAREST ? EXACT : sum_tolerance(8);
    c.in[0] = shape(from);
    c.out[0] = shape(to);
    op_case g = gradient_case(BK_RESIZE_LINEAR_GRAD, &c, round_to_float);
    double shares = 1; /* that a pixel has */
    for (int32_t i = 1; i < c.in[0].rank - 1; i++)
        shares *= 2 + 2 * (double)c.out[0].dim[i] / (double)c.in[0].dim[i];
    g.tolerance = sum_tolerance((int64_t)shares);
    check_case(&c);
    check_case(&g);
}

static void resizing_and_its_gradient_match_float64_up_and_down(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"1x1x1", "1x1x1"},           {"1x1x3", "1x4x3"},           {"1x2x1", "1x4x1"},
        {"2x9x17", "2x18x17"},        {"3x10x16", "3x15x16"},       {"1x30x3", "1x7x3"},
        {"1x300x64", "1x299x64"},     {"1x5x6x3", "1x10x12x3"},     {"3x4x6x17", "3x6x9x17"},
        {"1x9x8x130", "1x4x3x130"},   {"1x7x5x64", "1x7x5x64"},     {"2x6x5x16", "2x3x10x16"},
        {"1x1x9x5", "1x3x4x5"},       {"1x40x41x16", "1x80x82x16"}, {"1x3x4x5x3", "1x6x8x10x3"},
        {"2x4x3x5x17", "2x6x2x5x17"}, {"1x6x5x4x64", "1x1x1x1x64"}, {"1x2x2x2x1", "1x9x11x13x1"},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        check_resize(BK_RESIZE_HALF_PIXEL, rows[r][0], rows[r][1]);
    assert_no_failures();
}

static void resizing_to_corners_and_to_the_nearest_match_float64_up_and_down(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"1x1x1", "1x1x1"},           {"1x1x3", "1x4x3"},           {"1x5x1", "1x1x1"},
        {"2x9x17", "2x18x17"},        {"1x30x3", "1x7x3"},          {"1x300x64", "1x299x64"},
        {"3x4x6x17", "3x6x9x17"},     {"1x9x8x130", "1x4x3x130"},   {"1x7x5x64", "1x7x5x64"},
        {"1x40x41x16", "1x80x82x16"}, {"2x4x3x5x17", "2x6x2x5x17"}, {"1x2x2x2x1", "1x9x11x13x1"},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (int32_t mode = BK_RESIZE_CORNERS; mode <= BK_RESIZE_NEAREST; mode++)
            check_resize(mode, rows[r][0], rows[r][1]);
    assert_no_failures();
}

static void resizing_in_an_unknown_way_is_unsupported(void **state)
{
    (void)state;
    op_case c = {.op = BK_RESIZE_LINEAR, .n_in = 1, .n_out = 1, .attr.mode = 3};
    c.in[0] = c.out[0] = shape("1x2x2x1");
    expect_refused(&c);
    assert_no_failures();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(maps_over_space_of_the_reference_have_known_values),
        COUNTED(reflect_and_its_gradient_match_float64_up_to_the_whole_length),
        COUNTED(resizing_and_its_gradient_match_float64_up_and_down),
        COUNTED(resizing_to_corners_and_to_the_nearest_match_float64_up_and_down),
        COUNTED(resizing_in_an_unknown_way_is_unsupported),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
