/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_conv.c - conformance: convolution and its gradients. */
#include "tests/backends/harness.h"

#include <stdio.h>

static void convolution_of_the_reference_has_known_values(void **state)
{
    (void)state;
    /* Nine ones: how many pixels of a 3 x 4 image of ones are around each; every second one of them. */
    double ones[12], w[9], bias[1] = {0.5}, *in[] = {ones, w, bias};
    for (int i = 0; i < 12; i++)
        ones[i] = 1;
    for (int i = 0; i < 9; i++)
        w[i] = 1;
    op_case c = conv_case(&(conv_row){"1x3x4x1", "3x3", 1, 1, 1}, false);
    expect_values(&c, in, (const double[]){4, 6, 6, 4, 6, 9, 9, 6, 4, 6, 6, 4});
    c = conv_case(&(conv_row){"1x3x4x1", "3x3", 1, 2, 1}, true);
    expect_values(&c, in, (const double[]){4.5, 6.5, 4.5, 6.5});
    /* Two channels in and out, no padding: cross-correlation, the kernel not turned. x[s] = (s, 10 s). */
    double x[8] = {0, 0, 1, 10, 2, 20, 3, 30}, k[8] = {1, 2, 3, 4, 5, 6, 7, 8}, *of[] = {x, k};
    c = conv_case(&(conv_row){"1x4x2", "2", 2, 1, 0}, false);
    /* y[s,0] = s + 2 (s+1) + 30 s + 40 (s+1);  y[s,1] = 5 s + 6 (s+1) + 70 s + 80 (s+1) */
    expect_values(&c, of, (const double[]){42, 86, 115, 247, 188, 408});
    c = (op_case){.op = BK_CONV_GRAD_INPUT, .n_in = 2, .n_out = 1, .attr = {.stride = 2}};
    c.in[0] = shape("1x1x2");
    c.in[1] = shape("1x2x1");
    c.out[0] = shape("1x5x1"); /* its last pixel is not read */
    expect_values(&c, (double *[]){k, k}, (const double[]){1, 2, 2, 4, 0});
}

/* With bias and without; the gradients do not know it. */
static void check_conv(const conv_row *r)
{
    for (int bias = 0; bias < 2; bias++) {
        op_case c = conv_case(r, bias);
        check_case(&c);
    }
    op_case c = conv_case(r, false);
    op_case input = gradient_case(BK_CONV_GRAD_INPUT, &c, round_to_float);
    op_case weight = gradient_case(BK_CONV_GRAD_WEIGHT, &c, round_to_float);
    input.tolerance = sum_tolerance(bk_count(&c.in[1]) / c.in[1].dim[1]);
    weight.tolerance = sum_tolerance(bk_count(&c.out[0]) / r->out);
    free_case(&c);
    check_case(&input);
    check_case(&weight);
}

static void convolution_and_its_gradients_match_float64_for_every_kernel_stride_and_pad(void **state)
{
    (void)state;
    static const char *const images[] = {"1x17x3", "3x10x16", "1x9x12x1", "3x8x7x17", "1x7x9x8x3"};
    static const int64_t kernels[] = {1, 3, 7}, outs[] = {1, 3, 16, 17};
    int n = 0;
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++)
        for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++)
            for (int32_t stride = 1; stride <= 3; stride++)
                for (int32_t pad = 0; pad <= 3; pad += pad ? 2 : 1) {
                    char kernel[16], number[4];
                    bk_shape x = shape(images[i]);
                    snprintf(number, sizeof number, "%d", (int)kernels[k]);
                    strcpy(kernel, number);
                    for (int32_t axis = 3; axis < x.rank; axis++)
                        strcat(strcat(kernel, "x"), number);
                    check_conv(&(conv_row){images[i], kernel, outs[n++ % 4], stride, pad});
                }
    assert_no_failures();
}

static void convolution_matches_float64_for_channels_and_sizes_around_a_block(void **state)
{
    (void)state;
    static const conv_row rows[] = {
        {"1x1x1", "1", 1, 1, 0},
        {"1x1x1x1", "1x1", 1, 5, 0},
        {"1x2x2x3", "5x3", 2, 1, 3},
        {"2x5x6x64", "3x3", 64, 1, 1},
        {"1x12x13x130", "3x3", 17, 1, 0},
        {"3x6x5x17", "3x3", 130, 2, 1},
        {"1x11x10x64", "1x1", 130, 1, 0},
        {"3x30x31x130", "1x1", 64, 1, 0},
        {"1x11x10x64", "1x1", 16, 2, 0},
        {"1x24x23x3", "7x7", 64, 1, 3},
        {"1x26x24x64", "7x7", 3, 1, 0},
        {"1x41x40x16", "3x3", 64, 2, 1},
        {"1x16x16x3", "4x4", 96, 4, 0},
        {"1x9x30x5", "1x7", 6, 1, 3},
        {"2x30x9x5", "7x1", 6, 2, 3},
        {"1x700x16", "3", 17, 1, 1},
        {"3x300x1", "7", 1, 2, 3},
        {"1x70x130", "3", 64, 3, 1},
        {"1x5x9x10x16", "3x3x3", 17, 1, 1},
        {"1x6x7x8x17", "2x3x1", 3, 1, 1},
        {"2x4x6x6x64", "3x3x3", 16, 2, 1},
        {"1x9x9x520", "3x3", 5, 1, 1},
        {"1x13x14x5", "3x3", 530, 1, 1},
        {"1x5x5x2", "2x2", 3, 4, 1},
        {"2x3x5x9x16", "5x7x7", 3, 2, 3},
        {"1x18x18x3", "1x1", 3, 2, 0},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        check_conv(&rows[r]);
    assert_no_failures();
}

static void convolution_with_an_activation_matches_float64(void **state)
{
    (void)state;
    static const conv_row rows[] = {
        {"1x2x2x3", "5x3", 2, 1, 3},     {"2x5x6x64", "3x3", 64, 1, 1},      {"3x6x5x17", "3x3", 130, 2, 1},
        {"3x30x31x33", "1x1", 64, 1, 0}, {"1x24x23x3", "7x7", 64, 1, 3},     {"1x700x16", "3", 17, 1, 1},
        {"1x9x9x520", "3x3", 5, 1, 1},   {"1x5x9x10x16", "3x3x3", 17, 1, 1},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (int i = 0; i < 6; i++) {
            op_case c = conv_case(&rows[r], i & 1);
            c.attr.activation = i < 2 ? BK_ACT_GELU : BK_ACT_LEAKY_RELU;
            c.attr.alpha = i < 4 ? 0.25 : 0;
            c.tolerance += ONE_FUNCTION;
            check_case(&c);
        }
    assert_no_failures();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(convolution_of_the_reference_has_known_values),
        COUNTED(convolution_and_its_gradients_match_float64_for_every_kernel_stride_and_pad),
        COUNTED(convolution_matches_float64_for_channels_and_sizes_around_a_block),
        COUNTED(convolution_with_an_activation_matches_float64),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
