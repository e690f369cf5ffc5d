/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_norm.c - conformance: layer norm, softmax and instance norm. */
#include "tests/backends/harness.h"

static void instance_norm_of_the_reference_has_known_values(void **state)
{
    (void)state;
    /* Channel 0 has mean 2 and variance 1, with eps 4; channel 1 is constant. */
    double x[] = {1, 3, 3, 3, 1, 3, 3, 3}, *in[] = {x};
    op_case c = {.op = BK_INSTANCE_NORM, .n_in = 1, .n_out = 1, .attr = {.alpha = 0.5, .eps = 3}};
    c.in[0] = c.out[0] = shape("1x2x2x2");
    expect_values(&c, in, (const double[]){-0.25, 0, 0.5, 0, -0.25, 0, 0.5, 0});
}

static void layer_norm_and_its_gradient_match_float64(void **state)
{
    (void)state;
    static const int64_t widths[] = {1, 2, 3, 4, 7, 8, 16, 17, 33, 48, 96, 100, 768, 1031};
    static const char *const rows[] = {"", "1", "3", "2x5", "1x2x1x3x2", "67"};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
            op_case c = layer_norm_case(rows[r], widths[w], ANY_VALUE);
            op_case g = gradient_case(BK_LAYER_NORM_GRAD, &c, round_to_float);
            /* Two sums of C terms for dx, sums over the rows for dgain and dbias. */
            g.tolerance = c.tolerance + sum_tolerance(bk_count(&c.in[0]) / widths[w]);
            check_case(&c);
            check_case(&g);
        }
    assert_no_failures();
}

static void layer_norm_survives_a_large_mean(void **state)
{
    (void)state;
    static const int64_t widths[] = {7, 16, 96, 257};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        op_case c = layer_norm_case("5", widths[w], OFFSET);
        op_case g = gradient_case(BK_LAYER_NORM_GRAD, &c, round_to_float);
        g.tolerance = c.tolerance;
        check_case(&c);
        check_case(&g);
    }
    assert_no_failures();
}

static void softmax_matches_float64(void **state)
{
    (void)state;
    static const char *const shapes[] = {"1",    "2",    "7",        "8",           "33",     "3x1",
                                         "5x17", "64x9", "2x3x2x65", "2x1x3x2x2x5", "3x1000", "2x4096"};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int d = 0; d < 3; d++) {
            static const domain from[] = {WIDE, EXTREME, OFFSET}; /* e^100 overflows a float */
            op_case c = {.op = BK_SOFTMAX, .n_in = 1, .n_out = 1, .from = {from[d]}};
            c.in[0] = c.out[0] = shape(shapes[i]);
            /* x - max is exact to u times its size, and exp makes that relative; then a sum. */
            c.tolerance = sum_tolerance(c.in[0].dim[c.in[0].rank - 1]) + ONE_FUNCTION + 16 * U;
            check_case(&c);
        }
    assert_no_failures();
}

static void log_softmax_matches_float64(void **state)
{
    (void)state;
    static const char *const shapes[] = {"1",    "2",    "7",        "8",           "33",     "3x1",
                                         "5x17", "64x9", "2x3x2x65", "2x1x3x2x2x5", "3x1000", "2x4096"};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int d = 0; d < 3; d++) {
            static const domain from[] = {WIDE, EXTREME, OFFSET};
            op_case c = {.op = BK_LOG_SOFTMAX, .n_in = 1, .n_out = 1, .from = {from[d]}};
            c.in[0] = c.out[0] = shape(shapes[i]);
            c.tolerance = sum_tolerance(c.in[0].dim[c.in[0].rank - 1]) + ONE_FUNCTION;
            check_case(&c);
        }
    assert_no_failures();
}

/* Also with a mean of 170 deviations: a kernel that takes the mean off exactly loses nothing by it. */
static void instance_norm_and_its_gradient_match_float64(void **state)
{
    (void)state;
    static const char *const shapes[] = {"1x1x1",       "2x1x5",      "1x2x1",      "1x3x4",      "3x7x17",
                                         "1x64x3",      "2x5x9x16",   "1x6x5x64",   "3x3x3x130",  "1x31x33x1",
                                         "2x40x40x3",   "1x48x48x17", "1x20x21x64", "1x2x3x4x70", "2x9x8x7x5",
                                         "1x3x2x2x2x7", "1x500x130",  "1x4x5x1030", "2x130x64"};
    static const domain from[] = {ANY_VALUE, OFFSET};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t d = 0; d < sizeof from / sizeof from[0]; d++)
            for (int leaky = 0; leaky < 2; leaky++) {
                op_case c = instance_norm_case(shapes[i], leaky ? 0.2 : 1, from[d]);
                op_case g = gradient_case(BK_INSTANCE_NORM_GRAD, &c, round_to_float);
                g.tolerance = 2 * c.tolerance; /* sums of sums */
                check_case(&c);
                check_case(&g);
            }
    assert_no_failures();
}

/* One pixel in each sample, or all alike: the variance is 0, and so are z and dx. */
static void instance_norm_of_equal_pixels_is_zero(void **state)
{
    (void)state;
    static const char *const shapes[] = {"2x1x19", "1x1x1x1x5", "1x7x9x3", "1x50x41x64"};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        op_case c = instance_norm_case(shapes[i], 0.2, OFFSET);
        int64_t channels = c.in[0].dim[c.in[0].rank - 1], n = bk_count(&c.in[0]);
        c.tolerance = EXACT;
        draw_inputs(&c);
        for (int64_t k = channels; k < n; k++)
            c.in_value[0][k] = c.in_value[0][k % channels];
        check_case(&c);
    }
    assert_no_failures();
}

/* ---- group norm, and batch norm, which has one sample and a group for each channel ---- */

static void check_group_norm(const char *x, int32_t groups, double alpha, domain from)
{
    op_case c = group_norm_case(x, groups, alpha, from);
    op_case g = gradient_case(BK_GROUP_NORM_GRAD, &c, round_to_float);
    /* Sums of sums for dx, sums over all pixels for dgain and dbias. */
    g.tolerance = 2 * c.tolerance + sum_tolerance(bk_count(&c.in[0]) / c.in[1].dim[0]);
    check_case(&c);
    check_case(&g);
}

/* A leaky ReLU decides by the sign of a rounded number: with few elements none is that near to 0. */
static void group_norm_and_its_gradient_match_float64(void **state)
{
    (void)state;
    static const struct {
        const char *x;
        int32_t groups;
    } rows[] = {{"1x1x1", 1},      {"2x1x6", 3},       {"1x2x1", 1},      {"1x3x4", 2},
                {"3x7x18", 6},     {"1x64x3", 1},      {"2x5x9x16", 4},   {"1x6x5x64", 2},
                {"3x3x3x130", 65}, {"1x48x48x17", 17}, {"1x20x21x64", 8}, {"1x2x3x4x70", 10},
                {"2x9x8x7x6", 2},  {"1x3x2x2x2x7", 7}, {"1x4x5x1030", 1}, {"2x130x64", 32},
                {"1x5x1031", 1031}};
    static const domain from[] = {ANY_VALUE, OFFSET};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t d = 0; d < sizeof from / sizeof from[0]; d++) {
            bk_shape x = shape(rows[i].x);
            check_group_norm(rows[i].x, rows[i].groups, 1, from[d]);
            if (bk_count(&x) < 2000)
                check_group_norm(rows[i].x, rows[i].groups, 0.2, from[d]);
        }
    assert_no_failures();
}

static void group_norm_of_equal_numbers_is_the_bias(void **state)
{
    (void)state;
    static const struct {
        const char *x;
        int32_t groups;
    } rows[] = {{"2x1x19", 19}, {"1x7x9x3", 3}, {"1x50x41x64", 16}, {"3x4x8", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        op_case c = group_norm_case(rows[i].x, rows[i].groups, 1, OFFSET);
        int64_t channels = c.in[1].dim[0], width = channels / rows[i].groups, n = bk_count(&c.in[0]);
        c.tolerance = EXACT;
        c.n_out = 3;
        draw_inputs(&c);
        for (int64_t k = 0; k < n; k++)
            c.in_value[0][k] = c.in_value[0][k % channels / width * width];
        check_case(&c);
    }
    assert_no_failures();
}

static void the_group_norm_gradient_of_the_reference_matches_finite_differences(void **state)
{
    (void)state;
    for (int leaky = 0; leaky < 2; leaky++) {
        op_case c = group_norm_case("2x3x2x4", 2, leaky ? 0.2 : 1, ANY_VALUE);
        check_against_differences(BK_GROUP_NORM_GRAD, &c);
        c = group_norm_case("1x7x3", 3, leaky ? 0.2 : 1, ANY_VALUE);
        check_against_differences(BK_GROUP_NORM_GRAD, &c);
    }
    assert_no_failures();
}

static void group_norms_of_unfit_shapes_are_unsupported(void **state)
{
    (void)state;
    op_case c = group_norm_case("2x3x4", 2, 1, ANY_VALUE);
    c.attr.groups = 3;
    expect_refused(&c);
    c.attr.groups = 0;
    expect_refused(&c);
    c = group_norm_case("2x3x4", 2, 1, ANY_VALUE);
    c.in[1] = shape("3");
    expect_refused(&c);
    c = group_norm_case("2x3x4", 2, 1, ANY_VALUE);
    c.out[1] = shape("2x4");
    expect_refused(&c);
    assert_no_failures();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(instance_norm_of_the_reference_has_known_values),
        COUNTED(layer_norm_and_its_gradient_match_float64),
        COUNTED(layer_norm_survives_a_large_mean),
        COUNTED(softmax_matches_float64),
        COUNTED(log_softmax_matches_float64),
        COUNTED(instance_norm_and_its_gradient_match_float64),
        COUNTED(instance_norm_of_equal_pixels_is_zero),
        COUNTED(group_norm_and_its_gradient_match_float64),
        COUNTED(group_norm_of_equal_numbers_is_the_bias),
        COUNTED(the_group_norm_gradient_of_the_reference_matches_finite_differences),
        COUNTED(group_norms_of_unfit_shapes_are_unsupported),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
