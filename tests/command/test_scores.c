/* SPDX-License-Identifier: Apache-2.0 */
/* test_scores.c - the command's arithmetic on figures, and the mask of a head. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tool/head_mask.h"
#include "tool/label_figures.h"
#include "tool/scores.h"

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g, expected %.12g", value, expected);
}

static void fill(scores *rows, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rows[i] = (scores){{values[i]}};
}

static void means_and_deviations_are_those_of_a_sample(void **state)
{
    (void)state;
    scores rows[4];
    fill(rows, (const double[]){20, 22, 23, 27}, 4);
    assert_near(scores_mean(rows, 4).value[0], 23, 1e-12);
    assert_near(scores_deviation(rows, 4).value[0], sqrt((9 + 1 + 0 + 16) / 3.0), 1e-12);
    assert_near(scores_mean(rows, 1).value[0], 20, 0);
    assert_true(isnan(scores_deviation(rows, 1).value[0]) && isnan(scores_mean(rows, 0).value[0]));
    rows[2].value[0] = NAN;
    assert_true(isnan(scores_mean(rows, 4).value[0]));
}

/* Differences of n subjects: -1 and 1 in turn, 0 last where n is odd. The half width of the interval is the
 * quantile times the standard error, so that the quantiles of printed tables are to be seen. */
static void intervals_have_the_quantiles_of_students_t(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        double quantile; /* 0.975, n - 1 degrees of freedom */
    } table[] = {{2, 12.7062047},  {3, 4.30265273},  {4, 3.18244631},  {6, 2.57058184},
                 {11, 2.22813885}, {31, 2.04227246}, {101, 1.98397152}};
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        size_t n = table[k].n;
        scores ours[101] = {{{0}}}, theirs[101] = {{{0}}};
        for (size_t i = 0; i < n; i++)
            ours[i].value[3] = 5 + (n % 2 && i == n - 1 ? 0 : i % 2 ? 1 : -1);
        double error = sqrt((double)(n - n % 2) / (double)(n - 1) / (double)n);
        paired p = scores_paired(ours, theirs, n, 3, SLMT_METRIC_HIGHER);
        assert_near(p.mean, 5, 1e-12);
        assert_near((p.high - p.low) / 2, table[k].quantile * error, 1e-7);
        assert_near((p.high + p.low) / 2, 5, 1e-12);
    }
}

static void better_is_higher_or_lower_as_the_figure_has_it(void **state)
{
    (void)state;
    scores ours[3], theirs[3];
    fill(ours, (const double[]){1, 2, 3}, 3);
    fill(theirs, (const double[]){0, 2, 5}, 3);
    assert_int_equal(scores_paired(ours, theirs, 3, 0, SLMT_METRIC_HIGHER).better, 1);
    assert_int_equal(scores_paired(ours, theirs, 3, 0, SLMT_METRIC_LOWER).better, 1);
    assert_near(scores_paired(ours, theirs, 3, 0, SLMT_METRIC_LOWER).mean, -1 / 3.0, 1e-12);
    paired one = scores_paired(ours, theirs, 1, 0, SLMT_METRIC_HIGHER);
    assert_true(one.mean == 1 && one.better == 1 && isnan(one.low) && isnan(one.high));
}

/* "#": above the threshold in one image, "o": in the other, ".": in none, "-": in none and enclosed. */
static void a_head_is_what_is_bright_in_either_image_and_what_that_encloses(void **state)
{
    (void)state;
    enum { H = 6, W = 8 };
    static const char *const rows[H] = {"........", //
                                        ".###oo..", //
                                        ".#---o..", //
                                        ".#-#-o.#", //
                                        ".##oo..#", //
                                        "......#."};
    float one[H * W], other[H * W];
    uint8_t mask[H * W];
    for (int i = 0; i < H * W; i++) {
        char c = rows[i / W][i % W];
        one[i] = c == '#' ? 0.06f : 0.05f;
        other[i] = c == 'o' ? 0.9f : 0;
    }
    head_mask(one, other, H, W, mask);
    for (int i = 0; i < H * W; i++)
        assert_int_equal(mask[i], rows[i / W][i % W] != '.');
}

static void an_empty_slice_has_no_head_and_a_full_one_no_outside(void **state)
{
    (void)state;
    float black[20] = {0}, white[20];
    uint8_t mask[20];
    for (int i = 0; i < 20; i++)
        white[i] = 1;
    head_mask(black, black, 4, 5, mask);
    for (int i = 0; i < 20; i++)
        assert_int_equal(mask[i], 0);
    head_mask(black, white, 5, 4, mask);
    for (int i = 0; i < 20; i++)
        assert_int_equal(mask[i], 1);
}

/* The command's table of the figures of labels has the rows of the library's. */
static void figures_of_labels_are_those_that_the_task_lists(void **state)
{
    (void)state;
    static const char method[] = "unet-seg", task[] = "segment";
    slmt_metric_info info = {.struct_size = sizeof info};
    if (slmt_task_metric(method, task, 0, &info) != SLMT_OK)
        skip(); /* a library without that method */
    for (size_t i = 0; i < LABEL_FIGURES; i++) {
        char column[64];
        assert_int_equal(slmt_task_metric(method, task, i, &info), SLMT_OK);
        snprintf(column, sizeof column, "%s%s%s", info.title, *info.unit ? " " : "", info.unit);
        assert_string_equal(label_figures[i].key, info.name);
        assert_string_equal(label_figures[i].column, column);
        assert_int_equal(label_figures[i].decimals, info.decimals);
    }
    assert_int_not_equal(slmt_task_metric(method, task, LABEL_FIGURES, &info), SLMT_OK);
}

static void classes_are_read_from_text(void **state)
{
    (void)state;
    char reason[FIELD_REASON];
    label_classes c;
    assert_true(label_classes_read("-1=outside,0,4=a tumour", &c, reason));
    assert_true(c.count == 3 && c.value[0] == -1 && c.value[2] == 4);
    assert_string_equal(c.text[2], "4=a tumour");
    assert_true(label_class_of(&c, 4) == 2 && label_class_of(&c, 1) == -1 && label_class_of(&c, 0.5) == -1);
    label_classes_free(&c);
    static const char *const wrong[] = {"", "a", "0,,1", "0,0", "1,0", "0,1x", "0,99999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(label_classes_read(wrong[i], &c, reason));
        label_classes_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_labels_are_those_that_the_task_lists),
        cmocka_unit_test(classes_are_read_from_text),
        cmocka_unit_test(means_and_deviations_are_those_of_a_sample),
        cmocka_unit_test(intervals_have_the_quantiles_of_students_t),
        cmocka_unit_test(better_is_higher_or_lower_as_the_figure_has_it),
        cmocka_unit_test(a_head_is_what_is_bright_in_either_image_and_what_that_encloses),
        cmocka_unit_test(an_empty_slice_has_no_head_and_a_full_one_no_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
