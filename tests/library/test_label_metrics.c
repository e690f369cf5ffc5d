/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of label maps: cases by hand, and those recorded in seg_losses_metrics.h5 (SLMT_PARITY_DIR, or
 * ../shared/parity), which NumPy and SciPy computed: counts, overlaps by every policy, surfaces, instances.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "data/label_metrics.h"
#include "tests/methods/parity_file.h"

#include <cmocka.h> /* last: it has a macro fail() */

enum { MOST = 8 };

static mem m;

static int make_memory(void **state)
{
    (void)state;
    mem_init(&m, NULL, NULL, NULL, 0);
    return 0;
}

static int is_near(double got, double want, double tolerance)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= tolerance;
}

static void near(const char *what, double got, double want)
{
    if (!is_near(got, want, 1e-12 * fmax(1, isfinite(want) ? fabs(want) : 1)))
        fail_msg("%s is %.17g, not %.17g", what, got, want);
}

/* ---- by hand ---- */

static void dice_and_iou_follow_from_counts(void **state)
{
    (void)state;
    static const int32_t truth[10] = {0, 0, 0, 0, 1, 1, 1, 2, -1, -1};
    static const int32_t answer[10] = {0, 0, 1, 0, 1, 1, 0, 1, 2, 0};
    int64_t counts[9] = {0};
    label_count(truth, answer, 10, 3, counts);
    static const int64_t want[9] = {3, 1, 0, 1, 2, 0, 0, 1, 0};
    assert_memory_equal(counts, want, sizeof want);
    near("IoU of 0", label_iou(counts, 3, 0, LABEL_SKIP), 3.0 / 5);
    near("Dice of 1", label_dice(counts, 3, 1, LABEL_SKIP), 4.0 / 7);
    near("precision of 1", label_precision(counts, 3, 1), 2.0 / 4);
    near("recall of 1", label_recall(counts, 3, 1), 2.0 / 3);
    near("specificity of 1", label_specificity(counts, 3, 1), 3.0 / 5);
    near("precision of 2", label_precision(counts, 3, 2), NAN);
    near("accuracy", label_accuracy(counts, 3), 5.0 / 8);
    for (int32_t i = 0; i < 3; i++) {
        double iou = label_iou(counts, 3, i, LABEL_SKIP);
        near("Dice", label_dice(counts, 3, i, LABEL_SKIP), 2 * iou / (1 + iou));
    }
}

static void halves_of_an_image_add_up(void **state)
{
    (void)state;
    int32_t truth[100], answer[100];
    int64_t whole[16] = {0}, halves[16] = {0};
    for (int i = 0; i < 100; i++) {
        truth[i] = i * 7 % 5 - 1;
        answer[i] = i * 11 % 4;
    }
    label_count(truth, answer, 100, 4, whole);
    label_count(truth, answer, 37, 4, halves);
    label_count(truth + 37, answer + 37, 63, 4, halves);
    assert_memory_equal(whole, halves, sizeof whole);
}

static void a_class_that_nobody_has_is_scored_by_policy(void **state)
{
    (void)state;
    static const int64_t counts[9] = {4, 1, 0, 0, 0,
                                      0, 0, 0, 0}; /* 1 was answered and never true; 2 neither */
    near("skip", label_dice(counts, 3, 2, LABEL_SKIP), NAN);
    near("zero", label_dice(counts, 3, 2, LABEL_ZERO), 0);
    near("true", label_dice(counts, 3, 2, LABEL_TRUE), NAN);
    near("both", label_dice(counts, 3, 2, LABEL_BOTH), 1);
    near("skip", label_dice(counts, 3, 1, LABEL_SKIP), 0);
    near("zero", label_dice(counts, 3, 1, LABEL_ZERO), 0);
    near("true", label_dice(counts, 3, 1, LABEL_TRUE), NAN);
    near("both", label_dice(counts, 3, 1, LABEL_BOTH), 0);
}

/* Two squares of 4 x 4 pixels, of which the second lies 3 columns to the right, 1 x 2 mm. */
static void shifted_squares_are_as_far_apart_as_they_were_shifted(void **state)
{
    (void)state;
    uint8_t truth[8 * 10] = {0}, answer[8 * 10] = {0};
    const label_grid g = {2, {1, 8, 10}, {1, 1, 2}};
    label_surface s;
    for (int y = 2; y < 6; y++)
        for (int x = 1; x < 5; x++)
            truth[y * 10 + x] = answer[y * 10 + x + 3] = 1;
    assert_int_equal(label_surfaces(&m, truth, answer, &g, 2, &s), OK);
    near("Hausdorff", s.hausdorff, 6); /* 3 columns of 2 mm, from the left side to the other's */
    near("95 %", s.hausdorff95, 6);
    /* Of each square's surface of 12 pixels the 4 of a side lie in the other one or on it. By symmetry both
     * directions are equal: column 1 is 6 away, column 2 is 4, column 3 is 2, column 4 is 0 on rows 2 to 5.
     */
    near("mean", s.mean, (4 * 6 + 2 * 4 + 2 * 2 + 4 * 0) / 12.0);
    near("within 2 mm", s.within, 6.0 / 12);
    assert_int_equal(label_surfaces(&m, truth, truth, &g, 0, &s), OK);
    near("of equal masks", s.hausdorff + s.mean, 0);
    near("within 0 mm", s.within, 1);
}

/* ---- recorded ---- */

/* Calls `check` for each group below `kind`. */
static void each_case(const char *kind, void (*check)(hid_t all, hid_t one, const char *name))
{
    hid_t file = parity_open(PARITY_FOLDER, "seg_losses_metrics.h5");
    H5G_info_t info;
    if (file < 0)
        skip();
    hid_t all = H5Gopen2(file, kind, H5P_DEFAULT);
    H5Gget_info(all, &info);
    assert_true(info.nlinks > 0);
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[64];
        H5Lget_name_by_idx(all, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        hid_t one = H5Gopen2(all, name, H5P_DEFAULT);
        check(all, one, name);
        H5Gclose(one);
    }
    H5Gclose(all);
    H5Fclose(file);
}

static int32_t *labels_of(hid_t group, const char *name, size_t *n)
{
    reference_data r = parity_read(group, name);
    int32_t *labels = malloc((r.n + 1) * sizeof *labels);
    for (size_t i = 0; i < r.n; i++)
        labels[i] = r.x[i] == 255 ? -1 : (int32_t)r.x[i];
    *n = r.n;
    free(r.x);
    return labels;
}

static void same(hid_t group, const char *name, const double *got, size_t n)
{
    reference_data r = parity_read(group, name);
    assert_int_equal(r.n, n);
    for (size_t i = 0; i < n; i++)
        near(name, got[i], r.x[i]);
    free(r.x);
}

static void same_counts(hid_t group, const char *name, const int64_t *counts, size_t n)
{
    reference_data r = parity_read(group, name);
    assert_int_equal(r.n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(counts[i], (int64_t)r.x[i]);
    free(r.x);
}

/* The mean over classes, without the first one if `from` is 1. */
static double mean_over_classes(const int64_t *counts, int32_t k, int dice, label_policy p, int32_t from)
{
    double values[MOST];
    for (int32_t i = from; i < k; i++)
        values[i - from] = dice ? label_dice(counts, k, i, p) : label_iou(counts, k, i, p);
    return label_mean(values, (size_t)(k - from));
}

static void check_means(hid_t group, const int64_t *pooled, const int64_t *cases, size_t n, int32_t k)
{
    double means[4][2][2][2], one[MOST];
    assert_true(n <= MOST);
    for (int p = 0; p < 4; p++)
        for (int dice = 0; dice < 2; dice++)
            for (int32_t from = 0; from < 2; from++) {
                for (size_t c = 0; c < n; c++)
                    one[c] = mean_over_classes(cases + c * (size_t)(k * k), k, dice, (label_policy)p, from);
                means[p][dice][0][from] = mean_over_classes(pooled, k, dice, (label_policy)p, from);
                means[p][dice][1][from] = label_mean(one, n);
            }
    same(group, "means", &means[0][0][0][0], 32);
}

static void check_metrics(hid_t all, hid_t group, const char *name)
{
    (void)all;
    (void)name;
    size_t n, cases;
    int32_t k = (int32_t)parity_attr(group, "K", 0);
    int32_t *truth = labels_of(group, "truth", &n), *answer = labels_of(group, "pred", &n);
    int64_t pooled[MOST * MOST] = {0}, *by_case;
    double by_class[4][2][MOST], precision[MOST], recall[MOST], specificity[MOST];
    reference_data r = parity_read(group, "confusion_cases");
    cases = r.n / (size_t)(k * k);
    free(r.x);
    assert_true(k <= MOST);
    by_case = calloc(cases * (size_t)(k * k), sizeof *by_case);
    for (size_t c = 0; c < cases; c++)
        label_count(truth + c * (n / cases), answer + c * (n / cases), n / cases, k,
                    by_case + c * (size_t)(k * k));
    label_count(truth, answer, n, k, pooled);
    same_counts(group, "confusion", pooled, (size_t)(k * k));
    same_counts(group, "confusion_cases", by_case, cases * (size_t)(k * k));
    double flat[4 * 2 * MOST];
    for (int32_t i = 0; i < k; i++) {
        for (int p = 0; p < 4; p++) {
            by_class[p][0][i] = label_iou(pooled, k, i, (label_policy)p);
            by_class[p][1][i] = label_dice(pooled, k, i, (label_policy)p);
            flat[(p * 2 + 0) * k + i] = by_class[p][0][i];
            flat[(p * 2 + 1) * k + i] = by_class[p][1][i];
        }
        precision[i] = label_precision(pooled, k, i);
        recall[i] = label_recall(pooled, k, i);
        specificity[i] = label_specificity(pooled, k, i);
    }
    same(group, "class", flat, (size_t)(8 * k));
    same(group, "precision", precision, (size_t)k);
    same(group, "recall", recall, (size_t)k);
    same(group, "specificity", specificity, (size_t)k);
    double single[3] = {label_accuracy(pooled, k), label_mean_accuracy(pooled, k),
                        label_weighted_iou(pooled, k)};
    same(group, "pa", &single[0], 1);
    same(group, "mpa", &single[1], 1);
    same(group, "fwiou", &single[2], 1);
    check_means(group, pooled, by_case, cases, k);
    free(by_case);
    free(truth);
    free(answer);
}

static uint8_t *mask_of(hid_t group, const char *name, size_t *n)
{
    int32_t *labels = labels_of(group, name, n);
    uint8_t *mask = malloc(*n + 1);
    for (size_t i = 0; i < *n; i++)
        mask[i] = labels[i] != 0;
    free(labels);
    return mask;
}

static label_grid grid_of(hid_t group)
{
    hsize_t dim[3];
    hid_t d = H5Dopen2(group, "truth", H5P_DEFAULT), space = H5Dget_space(d);
    label_grid g = {
        .axes = H5Sget_simple_extent_dims(space, dim, NULL), .dim = {1, 1, 1}, .spacing = {1, 1, 1}};
    reference_data spacing = parity_read(group, "spacing");
    for (int i = 0; i < g.axes; i++) {
        g.dim[3 - g.axes + i] = (int64_t)dim[i];
        g.spacing[3 - g.axes + i] = spacing.x[i];
    }
    free(spacing.x);
    H5Sclose(space);
    H5Dclose(d);
    return g;
}

static void check_surface(hid_t all, hid_t group, const char *name)
{
    static const char *const names[2] = {"truth", "pred"}, *const surfaces[2] = {"surface_truth",
                                                                                 "surface_pred"};
    size_t n;
    uint8_t *mask[2];
    label_grid g = grid_of(group);
    label_surface s = {0};
    double near_by[3];
    (void)name;
    for (int i = 0; i < 2; i++) {
        mask[i] = mask_of(group, names[i], &n);
        uint8_t *want = mask_of(group, surfaces[i], &n), *got = malloc(n + 1);
        label_surface_mask(mask[i], &g, got);
        assert_memory_equal(got, want, n);
        free(want);
        free(got);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(label_surfaces(&m, mask[0], mask[1], &g, parity_attr(all, "taus", i), &s), OK);
        near_by[i] = s.within;
    }
    const double values[4] = {s.hausdorff, s.hausdorff95, s.hausdorff95_joined, s.mean};
    same(group, "values", values, 4);
    same(group, "nsd", near_by, 3);
    free(mask[0]);
    free(mask[1]);
}

static void check_instances(hid_t all, hid_t group, const char *name)
{
    size_t n;
    label_panoptic p;
    int32_t *truth = labels_of(group, "truth", &n), *answer = labels_of(group, "pred", &n);
    (void)all;
    (void)name;
    assert_int_equal(label_instances(&m, truth, answer, n, &p), OK);
    same_counts(group, "counts", (const int64_t[]){p.matched, p.extra, p.missed}, 3);
    same(group, "values", (const double[]){p.quality, p.segmentation, p.recognition}, 3);
    free(truth);
    free(answer);
}

static void counts_and_overlaps_are_as_recorded(void **state)
{
    (void)state;
    each_case("metrics", check_metrics);
}

static void surfaces_are_as_recorded(void **state)
{
    (void)state;
    each_case("surface", check_surface);
}

static void instances_are_as_recorded(void **state)
{
    (void)state;
    each_case("pq", check_instances);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dice_and_iou_follow_from_counts),
        cmocka_unit_test(halves_of_an_image_add_up),
        cmocka_unit_test(a_class_that_nobody_has_is_scored_by_policy),
        cmocka_unit_test(shifted_squares_are_as_far_apart_as_they_were_shifted),
        cmocka_unit_test(counts_and_overlaps_are_as_recorded),
        cmocka_unit_test(surfaces_are_as_recorded),
        cmocka_unit_test(instances_are_as_recorded),
    };
    return cmocka_run_group_tests(tests, make_memory, NULL);
}
