/* SPDX-License-Identifier: Apache-2.0 */
/* test_metrics.c - figures of slices and of stacks of slices, by each definition, against NumPy's.
 *
 * The images are H x W with exact values: image(a, b, m)[i] = ((i a + b) mod m) / 64. In NumPy, with x the
 * pixels of the mask and the windows whose centre is in it, the expected numbers are psnr  -10 log10(mean
 * (p-t)^2), nmse  sum (p-t)^2 / sum t^2, mae  mean |p-t|, ssim  the mean over 7x7 windows of (2 ux uy + c1)(2
 * vxy + c2) / ((ux^2 + uy^2 + c1)(vx + vy + c2)), c1 = (0.01 L)^2, c2 = (0.03 L)^2, variances with divisor
 * 48, nmse_spectral  norm(e, 2) / norm(t^2, 2) of the matrices with zeros outside the mask. Of the four
 * slices the first is wrong, the second exact, the third has a wrong prediction of a target that is all 0,
 * and of the fourth both are all 0. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "slmt/slmt.h"

enum { H = 12, W = 16, PIXELS = H * W, SLICES = 4 };
static float prediction[SLICES][PIXELS], target[SLICES][PIXELS];
static uint8_t disc[PIXELS]; /* (row - 5)^2 + (column - 8)^2 < 20 */

static void fill(float *image, int a, int b, int m)
{
    for (int i = 0; i < PIXELS; i++)
        image[i] = (float)((i * a + b) % m) / 64;
}

static int make_images(void **state)
{
    (void)state;
    fill(prediction[0], 37, 11, 64);
    fill(target[0], 53, 7, 61);
    fill(prediction[1], 29, 3, 50);
    fill(target[1], 29, 3, 50);
    fill(prediction[2], 5, 1, 8);
    for (int r = 0; r < H; r++)
        for (int c = 0; c < W; c++)
            disc[r * W + c] = (r - 5) * (r - 5) + (c - 8) * (c - 8) < 20;
    return 0;
}

static slmt_metrics of_slice(int slice, const uint8_t *mask)
{
    slmt_metrics m = {.struct_size = sizeof m};
    assert_int_equal(slmt_compare_masked(prediction[slice], target[slice], mask, H, W, &m), SLMT_OK);
    return m;
}

static slmt_metrics combined(const slmt_metrics *slices, size_t count, int32_t definition)
{
    slmt_metrics m = {.struct_size = sizeof m};
    assert_int_equal(slmt_metrics_combine(slices, count, definition, &m), SLMT_OK);
    return m;
}

static slmt_metrics of_stack(const uint8_t *mask, int32_t definition)
{
    slmt_metrics slices[SLICES];
    for (int i = 0; i < SLICES; i++)
        slices[i] = of_slice(i, mask);
    return combined(slices, SLICES, definition);
}

/* Both sides sum some hundred numbers of order 1 in double precision, in different orders. */
static void assert_near(double value, double expected)
{
    if (isnan(expected) ? !isnan(value) : !(fabs(value - expected) <= 1e-12 * fmax(1, fabs(expected))))
        fail_msg("%.17g, expected %.17g", value, expected);
}

/* psnr, ssim, ssim_range_2, nmse, nmse_spectral, mae */
static void assert_figures(slmt_metrics m, const double expected[6])
{
    const double figures[6] = {m.psnr, m.ssim, m.ssim_range_2, m.nmse, m.nmse_spectral, m.mae};
    for (int i = 0; i < 6; i++)
        assert_near(figures[i], expected[i]);
}

static void figures_of_a_slice_are_numpys(void **state)
{
    (void)state;
    slmt_metrics m = of_slice(0, NULL);
    assert_figures(m, (const double[]){7.919840008888302, -0.00035843377831442014, 0.0158922932486567,
                                       0.5464087898467458, 0.5604987103874003, 0.328857421875});
    assert_near(m.squares, 30.996826171875);
    assert_near(m.energy, 56.728271484375);
    assert_true(m.pixels == PIXELS && m.windows == 60 && m.slices == 1 && m.with_signal == 1);
}

static void figures_inside_a_mask_are_numpys(void **state)
{
    (void)state;
    slmt_metrics m = of_slice(0, disc);
    assert_figures(m, (const double[]){7.6508066611759755, -0.008164965326644265, 0.00822741536161989,
                                       0.6208048836940169, 0.6007453439093415, 0.33888319672131145});
    assert_true(m.pixels == 61 && m.windows == 48 && m.slices == 1 && m.with_signal == 1);
    uint8_t everywhere[PIXELS];
    memset(everywhere, 3, sizeof everywhere);
    slmt_metrics whole = of_slice(0, NULL), all = of_slice(0, everywhere);
    assert_memory_equal(&whole, &all, sizeof all);
}

static void what_lies_outside_the_mask_changes_only_windows_that_reach_it(void **state)
{
    (void)state;
    slmt_metrics before = of_slice(0, disc);
    float corner = prediction[0][0];
    prediction[0][0] = 0.9f;
    slmt_metrics after = of_slice(0, disc);
    prediction[0][0] = corner;
    assert_memory_equal(&before, &after, sizeof after);
}

static void an_empty_target_has_no_nmse_and_no_signal(void **state)
{
    (void)state;
    slmt_metrics wrong = of_slice(2, NULL), both = of_slice(3, NULL);
    assert_figures(wrong, (const double[]){23.6932189928148, 0.01344531403155697, 0.08716480079296438, NAN,
                                           NAN, 0.0546875});
    assert_figures(both, (const double[]){100, 1, 1, NAN, NAN, 0});
    assert_true(wrong.slices == 1 && wrong.with_signal == 0 && both.with_signal == 0);
}

static void an_empty_prediction_has_an_nmse_of_1(void **state)
{
    (void)state;
    float nothing[PIXELS] = {0};
    slmt_metrics m = {.struct_size = sizeof m};
    assert_int_equal(slmt_compare(nothing, target[0], H, W, &m), SLMT_OK);
    assert_near(m.nmse, 1);
    assert_near(m.nmse_spectral, 1);
    assert_near(m.psnr, -10 * log10(56.728271484375 / PIXELS));
}

static void no_psnr_is_above_that_of_equal_images(void **state)
{
    (void)state;
    float near[PIXELS];
    slmt_metrics m = {.struct_size = sizeof m};
    memcpy(near, target[1], sizeof near);
    near[5] += 1e-6f; /* alone it would give 143 dB */
    assert_int_equal(slmt_compare(near, target[1], H, W, &m), SLMT_OK);
    assert_true(m.psnr == 100 && m.squares > 0);
    assert_true(of_slice(1, NULL).psnr == 100);
}

static void a_stack_by_volume_is_one_image(void **state)
{
    (void)state;
    slmt_metrics m = of_stack(NULL, SLMT_DEFINITION_VOLUME);
    assert_figures(m, (const double[]){13.827000992429587, 0.49982078311084277, 0.5079461466243284,
                                       0.3354629627246214, NAN, 0.09588623046875});
    assert_true(m.slices == 4 && m.with_signal == 2 && m.pixels == SLICES * PIXELS && m.windows == 240);
    assert_figures(of_stack(disc, SLMT_DEFINITION_VOLUME),
                   (const double[]){13.565340503488297, 0.4959175173366778, 0.5041137076808099,
                                    0.363122909871599, NAN, 0.09836065573770492});
}

static void a_stack_by_slice_is_the_mean_of_slices_with_signal(void **state)
{
    (void)state;
    assert_figures(of_stack(NULL, SLMT_DEFINITION_SLICE),
                   (const double[]){53.95992000444415, 0.49982078311084277, 0.5079461466243284,
                                    0.2732043949233729, 0.28024935519370014, 0.1644287109375});
    assert_figures(of_stack(disc, SLMT_DEFINITION_SLICE),
                   (const double[]){53.82540333058799, 0.4959175173366779, 0.50411370768081,
                                    0.31040244184700844, 0.30037267195467077, 0.16944159836065573});
}

static void a_stack_by_the_papers_code_counts_empty_slices_as_it_does(void **state)
{
    (void)state;
    assert_figures(of_stack(NULL, SLMT_DEFINITION_PAPER),
                   (const double[]){57.90326475042578, 0.5032717200633106, 0.5257642735104053,
                                    0.13660219746168645, 0.14012467759685007, 0.09588623046875});
    assert_figures(of_stack(disc, SLMT_DEFINITION_PAPER),
                   (const double[]){57.842637662986995, 0.5014114198036046, 0.5242842726878861,
                                    0.15520122092350422, 0.15018633597733538, 0.09836065573770492});
}

/* A black slice does not help a method whose answer there is exactly black against one that is nearly so. */
static void empty_slices_do_not_turn_the_order_of_two_methods(void **state)
{
    (void)state;
    enum { N = 6 };
    float black[PIXELS] = {0}, grey[PIXELS], better[PIXELS], worse[PIXELS];
    slmt_metrics a[N], b[N]; /* b is worse where there is something to see */
    for (int i = 0; i < PIXELS; i++) {
        grey[i] = 1e-3f;
        better[i] = target[0][i] + 0.05f;
        worse[i] = target[0][i] + 0.1f;
    }
    for (int k = 0; k < N; k++) {
        const float *t = k < 2 ? target[0] : black;
        a[k].struct_size = b[k].struct_size = sizeof a[k];
        assert_int_equal(slmt_compare(k < 2 ? better : grey, t, H, W, &a[k]), SLMT_OK);
        assert_int_equal(slmt_compare(k < 2 ? worse : black, t, H, W, &b[k]), SLMT_OK);
    }
    for (int32_t d = SLMT_DEFINITION_VOLUME; d <= SLMT_DEFINITION_SLICE; d++) {
        slmt_metrics left = combined(a, N, d), right = combined(b, N, d);
        assert_true(left.psnr > right.psnr && left.ssim > right.ssim && left.nmse < right.nmse);
        assert_true(left.mae < right.mae);
    }
    assert_true(combined(a, N, SLMT_DEFINITION_PAPER).psnr < combined(b, N, SLMT_DEFINITION_PAPER).psnr);
}

static void a_stack_without_signal_or_without_pixels_has_no_figures(void **state)
{
    (void)state;
    uint8_t nowhere[PIXELS] = {0};
    slmt_metrics empty[2] = {of_slice(2, NULL), of_slice(3, NULL)}, outside = of_slice(0, nowhere);
    const double none[6] = {NAN, NAN, NAN, NAN, NAN, NAN};
    assert_figures(combined(empty, 2, SLMT_DEFINITION_SLICE), none);
    slmt_metrics volume = combined(empty, 2, SLMT_DEFINITION_VOLUME);
    assert_true(isnan(volume.nmse) && isnan(volume.ssim) && volume.slices == 2 && volume.with_signal == 0);
    assert_figures(outside, none);
    assert_true(outside.pixels == 0 && outside.windows == 0 && outside.slices == 0);
    for (int32_t d = SLMT_DEFINITION_VOLUME; d <= SLMT_DEFINITION_PAPER; d++)
        assert_figures(combined(&outside, 1, d), none);
}

static void a_slice_outside_the_mask_changes_nothing(void **state)
{
    (void)state;
    uint8_t nowhere[PIXELS] = {0};
    slmt_metrics slices[2] = {of_slice(0, disc), of_slice(1, nowhere)};
    for (int32_t d = SLMT_DEFINITION_VOLUME; d <= SLMT_DEFINITION_PAPER; d++) {
        slmt_metrics one = combined(slices, 1, d), two = combined(slices, 2, d);
        assert_memory_equal(&one, &two, sizeof one);
    }
}

/* Signal begins above a hundredth of the range. */
static void a_slice_of_next_to_nothing_has_no_signal(void **state)
{
    (void)state;
    float t[PIXELS] = {0};
    slmt_metrics m = {.struct_size = sizeof m};
    t[40] = 0.01f;
    assert_int_equal(slmt_compare(prediction[0], t, H, W, &m), SLMT_OK);
    assert_true(m.with_signal == 0 && m.nmse > 1e4);
    t[40] = 0.011f;
    assert_int_equal(slmt_compare(prediction[0], t, H, W, &m), SLMT_OK);
    assert_int_equal(m.with_signal, 1);
}

static void wrong_arguments_are_named(void **state)
{
    (void)state;
    slmt_metrics slices[2] = {of_slice(0, NULL), of_slice(1, NULL)}, m = {.struct_size = sizeof m};
    assert_int_equal(slmt_metrics_combine(NULL, 1, 1, &m), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_metrics_combine(slices, 1, 1, NULL), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_metrics_combine(slices, 0, 1, &m), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_metrics_combine(slices, 1, 0, &m), SLMT_ERR_ARGUMENT);
    assert_non_null(strstr(slmt_error_text(), "definition is 0"));
    assert_int_equal(slmt_metrics_combine(slices, 1, 4, &m), SLMT_ERR_ARGUMENT);
    slices[1].struct_size = 64;
    assert_int_equal(slmt_metrics_combine(slices, 2, 1, &m), SLMT_ERR_ARGUMENT);
    assert_non_null(strstr(slmt_error_text(), "slices[1].struct_size is 64"));
    assert_int_equal(slmt_compare_masked(prediction[0], target[0], disc, 6, W, &m), SLMT_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_a_slice_are_numpys),
        cmocka_unit_test(figures_inside_a_mask_are_numpys),
        cmocka_unit_test(what_lies_outside_the_mask_changes_only_windows_that_reach_it),
        cmocka_unit_test(an_empty_target_has_no_nmse_and_no_signal),
        cmocka_unit_test(an_empty_prediction_has_an_nmse_of_1),
        cmocka_unit_test(no_psnr_is_above_that_of_equal_images),
        cmocka_unit_test(a_stack_by_volume_is_one_image),
        cmocka_unit_test(a_stack_by_slice_is_the_mean_of_slices_with_signal),
        cmocka_unit_test(a_stack_by_the_papers_code_counts_empty_slices_as_it_does),
        cmocka_unit_test(empty_slices_do_not_turn_the_order_of_two_methods),
        cmocka_unit_test(a_stack_without_signal_or_without_pixels_has_no_figures),
        cmocka_unit_test(a_slice_outside_the_mask_changes_nothing),
        cmocka_unit_test(a_slice_of_next_to_nothing_has_no_signal),
        cmocka_unit_test(wrong_arguments_are_named),
    };
    return cmocka_run_group_tests(tests, make_images, NULL);
}
