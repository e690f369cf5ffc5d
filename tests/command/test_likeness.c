/* SPDX-License-Identifier: Apache-2.0 */
/* test_likeness.c - a scan that was stored otherwise, scaled or rounded is told to be the same picture;
 * another contrast, and a scan with its noise taken out, are not. */
#include "tool/likeness_list.h"

#include "tool/console.h" /* before CMocka, which has a fail() of its own */

#include "tests/api/api_fixture.h"

#include <math.h>

enum { X = 40, Y = 48, Z = 20, VOXELS = X * Y * Z };

/* What a voxel holds by its place in the patient. */
typedef float (*content)(int x, int y, int z);

static float head(int x, int y, int z)
{
    double a = (x - 19.5) / 17, b = (y - 23.5) / 21, c = (z - 9.5) / 9, r = a * a + b * b + c * c;
    double noise = 16 * (fmod(fabs(sin(12.9898 * x + 78.233 * y + 37.719 * z)) * 43758.5453, 1) - 0.5);
    double tissue = r > 1 ? 0 : r > 0.75 ? 300 : x > 24 && y < 20 ? 950 : r < 0.08 ? 200 : 700;
    return tissue > 0 ? (float)(tissue + noise) : 0;
}

static float of_other_contrast(int x, int y, int z)
{
    double t = head(x, y, z);
    return (float)(t == 0 ? 0 : t > 850 ? 600 : t > 500 ? 420 : t > 250 ? 250 : 900);
}

static float scaled(int x, int y, int z)
{
    return 2.5f * head(x, y, z) - 40;
}

static float rounded(int x, int y, int z)
{
    return roundf(head(x, y, z));
}

static float inverted(int x, int y, int z)
{
    return 1000 - head(x, y, z);
}

static float without_noise(int x, int y, int z)
{
    double t = head(x, y, z);
    return (float)(t == 0 ? 0 : t > 850 ? 950 : t > 500 ? 700 : t > 250 ? 300 : 200);
}

static float grey(int x, int y, int z)
{
    (void)x, (void)y, (void)z;
    return 7;
}

/* One voxel in a volume of zeros. */
static float spike(int x, int y, int z)
{
    return x == 5 && y == 5 && z == 5 ? 1000 : 0;
}

/* A volume whose voxel axis a runs along the patient's axis order[a], backwards where back has its bit. */
static slmt_volume *stored(slmt_context *context, content of, const int order[3], int back)
{
    const int extent[3] = {X, Y, Z};
    static float voxels[VOXELS];
    int64_t dims[3];
    double affine[16] = {[15] = 1};
    slmt_volume *volume = NULL;
    for (int a = 0; a < 3; a++) {
        int p = order[a], is_back = back >> a & 1;
        dims[a] = extent[p];
        affine[4 * p + a] = is_back ? -1 : 1;
        affine[4 * p + 3] = is_back ? extent[p] - 1 : 0;
    }
    for (int64_t i = 0; i < VOXELS; i++) {
        int64_t at[3] = {i % dims[0], i / dims[0] % dims[1], i / (dims[0] * dims[1])};
        int patient[3];
        for (int a = 0; a < 3; a++)
            patient[order[a]] = (int)(back >> a & 1 ? dims[a] - 1 - at[a] : at[a]);
        voxels[i] = of(patient[0], patient[1], patient[2]);
    }
    GOOD(slmt_volume_create(context, dims, affine, voxels, &volume));
    return volume;
}

static const int straight[3] = {0, 1, 2};

/* How two contrasts of a subject are called; NULL: two pictures. */
static const char *called(slmt_volume *one, slmt_volume *other)
{
    likeness_subject s;
    slmt_volume *const volumes[] = {one, NULL, other};
    bool found = likeness_of_subject(volumes, 3, &s);
    assert_int_equal(found, s.are != NULL);
    if (found)
        assert_true(s.one == 0 && s.other == 2);
    const char *are = s.are;
    likeness_subject_free(&s);
    slmt_volume_free(one);
    slmt_volume_free(other);
    return are;
}

static void a_scan_stored_otherwise_is_the_same_picture(void **state)
{
    (void)state;
    static const int orders[][3] = {{0, 1, 2}, {1, 0, 2}, {2, 0, 1}, {2, 1, 0}};
    slmt_context *context = open_context(1, NULL);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        for (int back = 0; back < 8; back++) {
            const char *are =
                called(stored(context, head, straight, 0), stored(context, head, orders[i], back));
            assert_string_equal(are, i == 0 && back == 0
                                         ? "have the same voxels"
                                         : "are one picture, but for scale, rounding or the order of axes");
        }
    slmt_context_free(context);
}

static void a_scan_scaled_or_rounded_is_the_same_picture(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    assert_non_null(called(stored(context, head, straight, 0), stored(context, scaled, straight, 5)));
    assert_non_null(called(stored(context, head, straight, 0), stored(context, rounded, straight, 0)));
    slmt_context_free(context);
}

static void other_pictures_are_told_apart(void **state)
{
    (void)state;
    static const content others[] = {of_other_contrast, inverted, without_noise, grey, spike};
    slmt_context *context = open_context(1, NULL);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(called(stored(context, head, straight, 0), stored(context, others[i], straight, 0)));
    /* The same numbers in another order are another picture: the head is not symmetric. */
    slmt_volume *mirrored = stored(context, head, straight, 1);
    int64_t dims[3];
    slmt_volume *wrong = NULL;
    slmt_volume_dims(mirrored, dims);
    GOOD(slmt_volume_create(context, dims, NULL, slmt_volume_voxels(mirrored), &wrong));
    slmt_volume_free(mirrored);
    assert_null(called(stored(context, head, straight, 0), wrong));
    slmt_context_free(context);
}

static void two_that_show_nothing_are_not_called_copies(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    assert_null(called(stored(context, grey, straight, 0), stored(context, grey, straight, 0)));
    assert_null(called(stored(context, spike, straight, 0), stored(context, spike, straight, 0)));
    slmt_context_free(context);
}

/* ---- the list of a set ---- */

enum { SCANS = 400 };

/* Numbers from -1 to 1. */
static double noise(void)
{
    static uint64_t now = 1;
    now = now * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)now / 0x1p63;
}

/* Blocks as standardised ones are: their sizes add up to their number. */
static likeness other_head(void)
{
    likeness l = {.size = {X, Y, Z}, .mean = 100, .deviation = 40};
    double all = 0;
    for (size_t i = 0; i < LIKENESS_BLOCKS; i++)
        all += fabs(l.block[i] = (float)(sin((double)i) + 0.3 * noise()));
    for (size_t i = 0; i < LIKENESS_BLOCKS; i++)
        l.block[i] = (float)(l.block[i] * LIKENESS_BLOCKS / all);
    return l;
}

/* One whose difference is near what is allowed, on either side of it: spread over all blocks, or in one. */
static likeness almost(likeness l, int k)
{
    double difference = likeness_difference * LIKENESS_BLOCKS * (k % 4 < 2 ? 0.99 : 1.01);
    if (k % 2) {
        l.block[k % LIKENESS_BLOCKS] += (float)difference;
        return l;
    }
    for (size_t i = 0; i < LIKENESS_BLOCKS; i++)
        l.block[i] += (float)((noise() < 0 ? -difference : difference) / LIKENESS_BLOCKS);
    return l;
}

/* The first earlier scan of a contrast that is the same picture, by comparison with all. */
static int first_same(const likeness *all, int k, int contrasts)
{
    for (int i = k % contrasts; i < k; i += contrasts)
        if (likeness_is_same(&all[i], &all[k]))
            return i;
    return -1;
}

/* Adds scans in turn to several contrasts. Returns how many were the same as an earlier one. */
static int add_all(const likeness *all, int contrasts)
{
    static const char *const names[] = {"t1", "t2"};
    likeness_list list;
    char subject[32], expected[128];
    int found = 0;
    likeness_list_begin(&list, in_folder("set.h5"));
    for (int k = 0; k < SCANS; k++) {
        size_t before = warnings_so_far();
        int same = first_same(all, k, contrasts);
        snprintf(subject, sizeof subject, "s%03d", k);
        assert_int_equal(likeness_list_add(&list, subject, subject, names[k % contrasts], &all[k]), 0);
        assert_int_equal(warnings_so_far() - before, same >= 0);
        snprintf(expected, sizeof expected, "%s: its %s is the same picture as that of s%03d: ", subject,
                 names[k % contrasts], same);
        if (same >= 0)
            assert_memory_equal(warning_text(before), expected, strlen(expected));
        found += same >= 0;
    }
    likeness_list_free(&list);
    return found;
}

static void a_list_finds_what_a_comparison_with_all_finds(void **state)
{
    (void)state;
    likeness *all = malloc(SCANS * sizeof *all);
    assert_non_null(all);
    for (int k = 0; k < SCANS; k++)
        all[k] = k % 5 < 3 ? other_head() : almost(all[k - 3], k);
    assert_in_range(add_all(all, 1), SCANS / 10, SCANS / 3);
    assert_int_equal(add_all(all, 2), 0); /* the scans that are alike are of different contrasts */
    for (int k = 0; k < SCANS; k++)
        all[k] = all[0];
    assert_int_equal(add_all(all, 2), SCANS - 2);
    for (int k = 0; k < SCANS; k++)
        all[k].size[k % 3] += k;
    assert_int_equal(add_all(all, 1), 0);
    free(all);
}

static void a_list_leaves_no_file(void **state)
{
    (void)state;
    likeness_list list = {0};
    likeness_list_free(&list);
    likeness_list_begin(&list, in_folder("nowhere/set.h5"));
    likeness l = other_head();
    assert_int_equal(likeness_list_add(&list, "s0", "s0", "t1", &l), 3);
    likeness_list_free(&list);
    likeness_list_begin(&list, in_folder("set.h5"));
    assert_int_equal(likeness_list_add(&list, "s0", "s0", "t1", &l), 0);
    assert_int_equal(count_files(0), 0);
    likeness_list_free(&list);
}

int main(void)
{

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_stored_otherwise_is_the_same_picture),
        cmocka_unit_test(a_scan_scaled_or_rounded_is_the_same_picture),
        cmocka_unit_test(other_pictures_are_told_apart),
        cmocka_unit_test(two_that_show_nothing_are_not_called_copies),
        cmocka_unit_test(a_list_finds_what_a_comparison_with_all_finds),
        cmocka_unit_test(a_list_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
