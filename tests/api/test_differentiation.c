/* SPDX-License-Identifier: Apache-2.0 */
/* test_differentiation.c - rankings and maps of imaging differentiation against cases worked by hand. */
#include "tests/api/api_fixture.h"

#define CLOSE(a, b) assert_true(fabs((a) - (b)) < 1e-6)

enum { N = 4, SUBJECTS = 5 };

/* Scores of every source and target of every subject, self rows too, with no pattern in them. */
static size_t any_scores(slmt_pair_score *row)
{
    size_t n = 0;
    for (int32_t s = 0; s < SUBJECTS; s++)
        for (int32_t i = 0; i < N; i++)
            for (int32_t j = 0; j < N; j++, n++)
                row[n] = (slmt_pair_score){s,
                                           i,
                                           j,
                                           0,
                                           25 + 5 * sin(1.3 * (double)n) + 3 * i - 2 * j,
                                           0.8 + 0.1 * cos(2.1 * (double)n) - 0.02 * j,
                                           0.2 + 0.1 * sin(0.7 * (double)n + i)};
    return n;
}

/* ---- rankings ---- */

/* Method note, "Must show" 4. */
static void the_worked_case_of_two_sequences(void **state)
{
    (void)state;
    const slmt_pair_score row[] = {{0, 0, 1, 0, 30, 0.9, 0.1}, {0, 1, 0, 0, 20, 0.7, 0.3}};
    double t[2], d[2], a[4];
    GOOD(slmt_rank_sequences(row, 2, 2, NULL, t, d, a));
    CLOSE(a[0], 0);
    CLOSE(a[1], 3);
    CLOSE(a[2], -3);
    CLOSE(a[3], 0);
    CLOSE(t[0], 1.5);
    CLOSE(t[1], -1.5);
    CLOSE(d[0], 1.5);
    CLOSE(d[1], -1.5);
}

static void with_equal_counts_agreement_sums_to_0_and_its_means_are_the_ranks(void **state)
{
    (void)state;
    static slmt_pair_score row[SUBJECTS * N * N];
    size_t count = any_scores(row);
    double t[N], d[N], a[N * N];
    for (int32_t self = SLMT_SELF_EXCLUDE; self <= SLMT_SELF_INCLUDE; self++) {
        const slmt_ranking_options o = {sizeof o, self};
        double all = 0;
        GOOD(slmt_rank_sequences(row, count, N, &o, t, d, a));
        for (int i = 0; i < N; i++) {
            double from = 0, to = 0;
            for (int j = 0; j < N; j++) {
                from += a[i * N + j] / N;
                to += a[j * N + i] / N;
            }
            CLOSE(t[i], from);
            CLOSE(d[i], -to);
            all += from;
            assert_true(self == SLMT_SELF_INCLUDE || a[i * N + i] == 0);
        }
        CLOSE(all, 0);
    }
}

static void units_order_and_subjects_change_nothing(void **state)
{
    (void)state;
    static slmt_pair_score row[SUBJECTS * N * N], other[SUBJECTS * N * N];
    size_t count = any_scores(row);
    double t[N], d[N], t2[N], d2[N];
    for (size_t r = 0; r < count; r++) {
        other[count - 1 - r] = row[r];
        other[count - 1 - r].psnr = 3.7 * row[r].psnr - 41;
        other[count - 1 - r].subject = -1;
    }
    GOOD(slmt_rank_sequences(row, count, N, NULL, t, d, NULL));
    GOOD(slmt_rank_sequences(other, count, N, NULL, t2, d2, NULL));
    for (int i = 0; i < N; i++) {
        CLOSE(t[i], t2[i]);
        CLOSE(d[i], d2[i]);
    }
}

/* PSNR alone, two sequences: self rows 40 and 40, 0 -> 1 has 30, 1 -> 0 has 10. All rows: mean 30,
 * deviation sqrt((100 + 100 + 0 + 400) / 4) = sqrt(150). The other two alone: mean 20, deviation 10. */
static void self_rows_count_as_they_are_told_to(void **state)
{
    (void)state;
    const slmt_pair_score row[] = {{0, 0, 0, 0, 40, NAN, NAN},
                                   {0, 0, 1, 0, 30, NAN, NAN},
                                   {0, 1, 0, 0, 10, NAN, NAN},
                                   {0, 1, 1, 0, 40, NAN, NAN}};
    const double sd = sqrt(150),
                 expected[3][4] = {{0, 1, -1, 0}, {10 / sd, 0, -20 / sd, 10 / sd}, {0, 0, -20 / sd, 0}};
    for (int32_t self = SLMT_SELF_EXCLUDE; self <= SLMT_SELF_ZSCORE_ONLY; self++) {
        const slmt_ranking_options o = {sizeof o, self};
        const double *e = expected[self];
        double t[2], d[2], a[4];
        GOOD(slmt_rank_sequences(row, 4, 2, &o, t, d, a));
        for (int k = 0; k < 4; k++)
            CLOSE(a[k], e[k]);
        CLOSE(t[0], (e[0] + e[1]) / 2);
        CLOSE(t[1], (e[2] + e[3]) / 2);
        CLOSE(d[0], -(e[0] + e[2]) / 2);
        CLOSE(d[1], -(e[1] + e[3]) / 2);
    }
    slmt_ranking_options initial;
    slmt_ranking_options_init(&initial);
    assert_int_equal(initial.struct_size, sizeof initial);
    assert_int_equal(initial.self, SLMT_SELF_EXCLUDE);
}

/* Subject 1 lacks sequence 2: PSNR of 0 -> 1 is 20 and 40, 0 -> 2 was not scored, 1 -> 0 is 30. SSIM is there
 * for 0 -> 1 of subject 0 (0.9) and 1 -> 0 (0.7). Three PSNR: mean 30, deviation sqrt(200/3), both pairs lie
 * on the mean. Two SSIM: z = 1, -1. */
static void missing_scores_and_pairs_count_0(void **state)
{
    (void)state;
    const slmt_pair_score row[] = {{0, 0, 1, 0, 20, 0.9, NAN},
                                   {1, 0, 1, 0, 40, NAN, NAN},
                                   {0, 1, 0, 0, 30, 0.7, NAN},
                                   {0, 0, 2, 0, NAN, NAN, NAN}};
    const double expected[9] = {0, 1, 0, -1, 0, 0, 0, 0, 0};
    double t[3], d[3], a[9];
    GOOD(slmt_rank_sequences(row, 4, 3, NULL, t, d, a));
    for (int k = 0; k < 9; k++)
        CLOSE(a[k], expected[k]);
    CLOSE(t[0], 1 / 3.0); /* divided by N, also with one term */
    CLOSE(d[1], -1 / 3.0);
    CLOSE(t[2], 0);
}

static void a_metric_without_spread_counts_0(void **state)
{
    (void)state;
    const slmt_pair_score row[] = {{0, 0, 1, 0, 25, 0.5, 0.1}, {0, 1, 0, 0, 25, 0.5, 0.1}};
    double t[2], d[2];
    GOOD(slmt_rank_sequences(row, 2, 2, NULL, t, d, NULL));
    CLOSE(t[0], 0);
    CLOSE(d[0], 0);
}

static void bad_scores_are_refused_and_nothing_is_written(void **state)
{
    (void)state;
    const slmt_pair_score good = {0, 0, 1, 0, 30, 0.9, 0.1};
    slmt_pair_score row[] = {good, {0, 1, 0, 0, 20, 0.7, 0.3}};
    slmt_ranking_options o = {sizeof o, 3};
    double t[2] = {7, 7}, d[2] = {7, 7}, a[4] = {7, 7, 7, 7};
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "scores", slmt_rank_sequences(NULL, 2, 2, NULL, t, d, a));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "totipotency", slmt_rank_sequences(row, 2, 2, NULL, NULL, d, a));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "differentiation", slmt_rank_sequences(row, 2, 2, NULL, t, NULL, a));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "count is 0", slmt_rank_sequences(row, 0, 2, NULL, t, d, a));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "sequences is 0", slmt_rank_sequences(row, 2, 0, NULL, t, d, a));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "sequences is", slmt_rank_sequences(row, 2, SIZE_MAX, NULL, t, d, a));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "self is 3", slmt_rank_sequences(row, 2, 2, &o, t, d, a));
    o.struct_size = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "struct_size", slmt_rank_sequences(row, 2, 2, &o, t, d, a));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "scores[0].target is 1", slmt_rank_sequences(row, 2, 1, NULL, t, d, a));
    row[0].source = -1;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "scores[0].source is -1", slmt_rank_sequences(row, 2, 2, NULL, t, d, a));
    row[0] = good;
    row[1].ssim = INFINITY;
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "scores[1].ssim", slmt_rank_sequences(row, 2, 2, NULL, t, d, a));
    row[1].ssim = -1e300;
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "the squares of the scores overflow",
                slmt_rank_sequences(row, 2, 2, NULL, t, d, a));
    row[0].target = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "none has another target", slmt_rank_sequences(row, 1, 2, NULL, t, d, a));
    for (int k = 0; k < 4; k++)
        assert_true(a[k] == 7 && t[k / 2] == 7 && d[k / 2] == 7);
}

/* ---- maps ---- */

/* Method note, "Must show" 5. */
static void maps_of_known_errors(void **state)
{
    (void)state;
    enum { PIXELS_OF_MAP = 6 };
    const float truth[PIXELS_OF_MAP] = {-1, -0.5f, 0, 0.25f, 0.5f, 0.75f};
    float below[PIXELS_OF_MAP], above[PIXELS_OF_MAP], map[PIXELS_OF_MAP];
    const float *perfect[] = {truth, truth, truth, truth}, *off[] = {below, above, below, above},
                *one_perfect[] = {below, truth, above, below};
    for (int k = 0; k < PIXELS_OF_MAP; k++) {
        below[k] = truth[k] - 0.125f;
        above[k] = truth[k] + 0.125f;
    }
    GOOD(slmt_differentiation_map(perfect, 4, truth, PIXELS_OF_MAP, map));
    for (int k = 0; k < PIXELS_OF_MAP; k++)
        assert_true(map[k] == 0);
    GOOD(slmt_differentiation_map(off, 4, truth, PIXELS_OF_MAP, map));
    for (int k = 0; k < PIXELS_OF_MAP; k++)
        assert_true(map[k] == 0.125f);
    GOOD(slmt_differentiation_map(one_perfect, 4, truth, PIXELS_OF_MAP, map));
    for (int k = 0; k < PIXELS_OF_MAP; k++)
        assert_true(map[k] == 3 * 0.125f / 4);
}

static void bad_images_are_refused_and_nothing_is_written(void **state)
{
    (void)state;
    float truth[2] = {0, 0}, image[2] = {1, NAN}, map[2] = {7, 7};
    const float *good[] = {truth}, *bad[] = {truth, image}, *none[] = {truth, NULL};
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "predictions", slmt_differentiation_map(NULL, 1, truth, 2, map));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "truth", slmt_differentiation_map(good, 1, NULL, 2, map));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "map", slmt_differentiation_map(good, 1, truth, 2, NULL));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "n is 0", slmt_differentiation_map(good, 0, truth, 2, map));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "count is 0", slmt_differentiation_map(good, 1, truth, 0, map));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "predictions[1] is NULL",
                slmt_differentiation_map(none, 2, truth, 2, map));
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "predictions[1][1]", slmt_differentiation_map(bad, 2, truth, 2, map));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "overlaps truth", slmt_differentiation_map(good, 1, truth, 2, truth));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "overlaps predictions[1]",
                slmt_differentiation_map(bad, 2, truth, 2, image));
    assert_true(map[0] == 7 && map[1] == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worked_case_of_two_sequences),
        cmocka_unit_test(with_equal_counts_agreement_sums_to_0_and_its_means_are_the_ranks),
        cmocka_unit_test(units_order_and_subjects_change_nothing),
        cmocka_unit_test(self_rows_count_as_they_are_told_to),
        cmocka_unit_test(missing_scores_and_pairs_count_0),
        cmocka_unit_test(a_metric_without_spread_counts_0),
        cmocka_unit_test(bad_scores_are_refused_and_nothing_is_written),
        cmocka_unit_test(maps_of_known_errors),
        cmocka_unit_test(bad_images_are_refused_and_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
