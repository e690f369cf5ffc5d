/* SPDX-License-Identifier: Apache-2.0 */
/* test_likeness.c - a scan that was stored otherwise, scaled or rounded is told to be the same picture;
 * another contrast, and a scan with its noise taken out, are not. */
#include "tool/likeness.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_stored_otherwise_is_the_same_picture),
        cmocka_unit_test(a_scan_scaled_or_rounded_is_the_same_picture),
        cmocka_unit_test(other_pictures_are_told_apart),
        cmocka_unit_test(two_that_show_nothing_are_not_called_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
