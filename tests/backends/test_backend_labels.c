/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_labels.c - conformance: labels (cast, one-hot, argmax, cross-entropy) and order (sort,
 * cumulative sum).
 */
#include "tests/backends/harness.h"

enum { IGNORED = -100 };

/* Labels of all classes; every fifth is ignored, where some are to be. */
static double *draw_labels(int64_t n, int64_t classes, bool some_ignored)
{
    double *label = new_array(n, sizeof *label);
    for (int64_t i = 0; i < n; i++)
        label[i] = some_ignored && i % 5 == 3 ? IGNORED : draw(INDEX, i, classes);
    return label;
}

static const struct {
    const char *rows;
    int64_t classes;
} label_sizes[] = {{"", 1},       {"", 2},     {"1", 5},     {"7", 2},       {"16", 8},
                   {"17", 9},     {"33", 3},   {"2x5", 150}, {"2x3x2x7", 4}, {"1x2x1x3x2", 33},
                   {"3x70", 257}, {"4099", 2}, {"65", 1000}, {"2x40x50", 21}};
enum { LABEL_SIZES = sizeof label_sizes / sizeof label_sizes[0] };

static bk_shape with_classes(bk_shape s, int64_t classes)
{
    s.dim[s.rank++] = classes;
    return s;
}

static void casts_and_one_hot_rows_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < LABEL_SIZES; i++)
        for (int hot = 0; hot < 2; hot++) {
            bk_shape label = shape(label_sizes[i].rows);
            op_case c = {.op = hot ? BK_ONE_HOT : BK_CAST, .n_in = 1, .n_out = 1, .tolerance = EXACT};
            c.attr.ignored = IGNORED;
            c.in[0] = with_type(label, BK_I32);
            c.out[0] = hot ? with_classes(label, label_sizes[i].classes) : label;
            c.in_value[0] = draw_labels(bk_count(&label), label_sizes[i].classes, true);
            check_case(&c);
        }
    assert_no_failures();
}

static void argmax_is_the_lowest_index_of_the_maximum(void **state)
{
    (void)state;
    static const char *const shapes[] = {"1", "9", "5x33", "1000x2", "3x4x5", "2x9x1x7", "2x3x2x3x2x5"};
    for (size_t r = 0; r < sizeof shapes / sizeof shapes[0]; r++)
        for (int32_t axis = 0; axis < shape(shapes[r]).rank; axis++)
            for (int ties = 0; ties < 2; ties++) {
                op_case c = {.op = BK_ARGMAX, .n_in = 1, .n_out = 1, .tolerance = EXACT};
                c.attr.axis = axis;
                c.in[0] = c.out[0] = shape(shapes[r]);
                c.out[0].dtype = BK_I32;
                c.out[0].dim[axis] = 1;
                c.from[0] = ties ? INDEX : ANY_VALUE;
                c.index_limit = 3;
                check_case(&c);
            }
    assert_no_failures();
}

/* The error of a loss is one of x - max, whose size is that of x; the sum of K terms becomes one under the
 * logarithm. In a gradient, p - 1 must not vanish where a row stands alone. */
static void cross_entropy_and_its_gradient_match_float64(void **state)
{
    (void)state;
    for (int i = 0; i < LABEL_SIZES; i++)
        for (int form = 0; form < 4; form++) {
            int64_t classes = label_sizes[i].classes;
            bk_shape label = shape(label_sizes[i].rows);
            op_case c = {.op = BK_CROSS_ENTROPY, .n_in = 2, .n_out = 2, .scale = 1};
            c.attr = (bk_attr){.ignored = IGNORED, .has_weight = form & 1};
            c.in[0] = with_classes(label, classes);
            c.in[1] = with_type(label, BK_I32);
            c.in_value[1] = draw_labels(bk_count(&label), classes, form >> 1);
            c.out[0] = c.out[1] = label;
            c.from[0] = bk_count(&label) > 32 ? WIDE : ANY_VALUE;
            c.tolerance = sum_tolerance(classes) + ONE_FUNCTION;
            if (form & 1) {
                c.from[c.n_in] = POSITIVE;
                c.in[c.n_in++] = shape_of(1, classes, 0, 0);
            }
            op_case g = c;
            g.op = BK_CROSS_ENTROPY_GRAD;
            g.in_value[1] = copy_values(c.in_value[1], bk_count(&label));
            g.scale = 0;
            g.in[g.n_in++] = label;
            g.n_out = 1;
            g.out[0] = g.in[0];
            check_case(&c);
            check_case(&g);
        }
    assert_no_failures();
}

static void sorting_is_falling_and_stable(void **state)
{
    (void)state;
    static const char *const shapes[] = {"1", "2", "7", "33", "5x17", "2x3x65", "3x1000", "2x70001", "300x1"};
    for (size_t r = 0; r < sizeof shapes / sizeof shapes[0]; r++)
        for (int ties = 0; ties < 2; ties++) {
            op_case c = {.op = BK_SORT, .n_in = 1, .n_out = 2, .tolerance = EXACT, .index_limit = 7};
            c.in[0] = c.out[0] = shape(shapes[r]);
            c.out[1] = with_type(c.in[0], BK_I32);
            c.from[0] = ties ? INDEX : WIDE;
            check_case(&c);
        }
    assert_no_failures();
}

/* Sums are made in double, and rounded once. */
static void cumulative_sums_match_float64(void **state)
{
    (void)state;
    static const char *const shapes[] = {"1", "2", "7", "33", "5x17", "2x3x65", "3x1000", "2x70001", "300x1"};
    for (size_t r = 0; r < sizeof shapes / sizeof shapes[0]; r++)
        for (int reverse = 0; reverse < 2; reverse++) {
            op_case c = {.op = BK_CUMSUM, .n_in = 1, .n_out = 1, .tolerance = ONE_OPERATION};
            c.attr.reverse = reverse;
            c.in[0] = c.out[0] = shape(shapes[r]);
            check_case(&c);
        }
    assert_no_failures();
}

static void nan_goes_first_and_zeros_of_both_signs_are_equal(void **state)
{
    (void)state;
    static const double x[] = {-1, -0.0, NAN, 0, INFINITY, -INFINITY, NAN, 0, 2, -0.0};
    static const int32_t want[] = {2, 6, 4, 8, 1, 3, 7, 9, 0, 5};
    enum { N = sizeof x / sizeof x[0] };
    for (int i = 0; i < SUBJECTS; i++) {
        float y[N];
        int32_t index[N];
        op_case c = {.op = BK_SORT, .n_in = 1, .n_out = 2, .in = {shape("10")}, .out = {shape("10")}};
        c.out[1] = with_type(shape("10"), BK_I32);
        if (!subjects[i].open)
            continue;
        c.in_value[0] = copy_values(x, N);
        assert_int_equal(run_case(&subjects[i], &c, (void *[]){y, index}), BK_OK);
        for (int k = 0; k < N; k++) {
            assert_int_equal(index[k], want[k]);
            assert_true(isnan(x[want[k]]) ? isnan(y[k]) : y[k] == (float)x[want[k]]);
            assert_int_equal(signbit(y[k]) != 0, signbit(x[want[k]]) != 0);
        }
        free_case(&c);
    }
}

static void argmax_of_a_nan_is_its_place(void **state)
{
    (void)state;
    static const double x[] = {1, NAN, 3, NAN, -2, -2, -5, -2};
    for (int i = 0; i < SUBJECTS; i++) {
        int32_t place[2];
        op_case c = {.op = BK_ARGMAX, .n_in = 1, .n_out = 1, .in = {shape("2x4")}, .out = {shape("2x1")}};
        c.attr.axis = 1;
        c.out[0].dtype = BK_I32;
        if (!subjects[i].open)
            continue;
        c.in_value[0] = copy_values(x, 8);
        assert_int_equal(run_case(&subjects[i], &c, (void *[]){place}), BK_OK);
        assert_int_equal(place[0], 1);
        assert_int_equal(place[1], 0);
        free_case(&c);
    }
}

/* What a loss of an ignored pixel would be is no matter, not even if it is not a number. */
static void ignored_rows_give_zeros_whatever_they_hold(void **state)
{
    (void)state;
    for (int i = 0; i < SUBJECTS; i++) {
        float loss[2], weight[2], dx[4];
        op_case c = {.op = BK_CROSS_ENTROPY, .n_in = 2, .n_out = 2, .attr.ignored = 255};
        c.in[0] = shape("2x2");
        c.in[1] = with_type(shape("2"), BK_I32);
        c.out[0] = c.out[1] = shape("2");
        c.in_value[0] = copy_values((const double[]){NAN, 1, 0, 0}, 4);
        c.in_value[1] = copy_values((const double[]){255, 1}, 2);
        op_case g = {.op = BK_CROSS_ENTROPY_GRAD, .n_in = 3, .n_out = 1, .attr.ignored = 255};
        memcpy(g.in, c.in, 2 * sizeof g.in[0]);
        g.in[2] = shape("2");
        g.out[0] = c.in[0];
        g.in_value[0] = copy_values(c.in_value[0], 4);
        g.in_value[1] = copy_values(c.in_value[1], 2);
        if (subjects[i].open) {
            assert_int_equal(run_case(&subjects[i], &c, (void *[]){loss, weight}), BK_OK);
            assert_int_equal(run_case(&subjects[i], &g, (void *[]){dx}), BK_OK);
            assert_true(loss[0] == 0 && weight[0] == 0 && weight[1] == 1);
            assert_true(fabs(loss[1] - 0.69314718) < 1e-6);
            assert_true(dx[0] == 0 && dx[1] == 0);
        }
        free_case(&c);
        free_case(&g);
    }
}

static void a_label_that_is_no_class_is_refused(void **state)
{
    (void)state;
    static const double wrong[] = {-1, 3, 255};
    for (int i = 0; i < SUBJECTS; i++)
        for (int w = 0; w < 3; w++)
            for (int op = 0; op < 3; op++) {
                float out[2][60];
                op_case c = {.op = BK_ONE_HOT, .n_in = 1, .n_out = 1, .attr.ignored = IGNORED};
                bk_shape label = with_type(shape("20"), BK_I32);
                int at = op > 0;
                c.in[at] = label;
                c.in_value[at] = draw_labels(20, 3, true);
                c.in_value[at][17] = wrong[w];
                c.out[0] = shape("20x3");
                if (op > 0) {
                    c.op = op == 1 ? BK_CROSS_ENTROPY : BK_CROSS_ENTROPY_GRAD;
                    c.in[0] = shape("20x3");
                    c.in[2] = shape("20");
                    c.n_in = op + 1;
                    c.n_out = op == 1 ? 2 : 1;
                    c.out[0] = c.out[1] = shape(op == 1 ? "20" : "20x3");
                }
                if (subjects[i].open) {
                    assert_int_equal(run_case(&subjects[i], &c, (void *[]){out[0], out[1]}), BK_ERR_FAILED);
                    assert_non_null(strstr(subjects[i].host.last_log, "label is out of range"));
                }
                free_case(&c);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(casts_and_one_hot_rows_are_exact),
        COUNTED(argmax_is_the_lowest_index_of_the_maximum),
        COUNTED(cross_entropy_and_its_gradient_match_float64),
        COUNTED(sorting_is_falling_and_stable),
        COUNTED(cumulative_sums_match_float64),
        cmocka_unit_test(nan_goes_first_and_zeros_of_both_signs_are_equal),
        cmocka_unit_test(argmax_of_a_nan_is_its_place),
        cmocka_unit_test(ignored_rows_give_zeros_whatever_they_hold),
        cmocka_unit_test(a_label_that_is_no_class_is_refused),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
