/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing, resizing, augmentation and metrics: what they promise, and that they agree with the
 * reference results in pipeline.h5 (folder SLMT_PARITY_DIR, else shared/parity beside the source tree),
 * within 1e-5 relative, metrics within 1e-6. Without that file the parity tests are skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <float.h>
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment.h"
#include "data/metrics.h"
#include "data/preprocess.h"
#include "data/resize.h"

#include <cmocka.h> /* after lib/status.h: it makes fail() a macro */

#ifndef SLMT_SOURCE_DIR
#define SLMT_SOURCE_DIR ".."
#endif

static const double lps[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};

static mem counted;

static int set_up(void **state)
{
    (void)state;
    mem_init(&counted, NULL, NULL, NULL, 0);
    return 0;
}

static int nothing_is_left(void **state)
{
    (void)state;
    return counted.live == 0 ? 0 : -1;
}

static float *floats(size_t n)
{
    float *p = malloc(n * sizeof *p);
    assert_non_null(p);
    return p;
}

/* Smooth and noisy at once, in [0, 1]. */
static float *random_image(size_t n, uint64_t seed)
{
    random_stream r = random_open(seed, 1);
    float *p = floats(n);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(0.4 * random_uniform(&r) + 0.3 + 0.3 * sin((double)i * 0.01));
    return p;
}

static void assert_near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("%.17g is not %.17g within %g relative", got, want, relative);
}

/* ---- pipeline.h5 ---- */

static hid_t open_pipeline(void)
{
    char path[1024];
    const char *folder = getenv("SLMT_PARITY_DIR");
    if (folder)
        snprintf(path, sizeof path, "%s/pipeline.h5", folder);
    else
        snprintf(path, sizeof path, "%s/../shared/parity/pipeline.h5", SLMT_SOURCE_DIR);
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("%s is absent: parity is not tested\n", path);
        skip();
    }
    fclose(f);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

static float *read_array(hid_t file, const char *name, hsize_t dims[3], int rank)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    assert_true(set >= 0);
    hid_t space = H5Dget_space(set);
    assert_int_equal(H5Sget_simple_extent_ndims(space), rank);
    dims[2] = 1;
    H5Sget_simple_extent_dims(space, dims, NULL);
    float *p = floats((size_t)(dims[0] * dims[1] * dims[2]));
    assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, p) >= 0);
    H5Sclose(space);
    H5Dclose(set);
    return p;
}

static double read_number(hid_t file, const char *group, const char *name)
{
    char path[256];
    double x;
    snprintf(path, sizeof path, "%s/%s", group, name);
    hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &x) >= 0);
    H5Dclose(set);
    return x;
}

typedef void (*case_fn)(hid_t file, const char *group);

static int for_each_case(hid_t file, const char *parent, case_fn check)
{
    H5G_info_t info;
    hid_t group = H5Gopen2(file, parent, H5P_DEFAULT);
    assert_true(group >= 0 && H5Gget_info(group, &info) >= 0);
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[64], path[128];
        assert_true(H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name,
                                       H5P_DEFAULT) > 0);
        snprintf(path, sizeof path, "%s/%s", parent, name);
        check(file, path);
    }
    H5Gclose(group);
    return (int)info.nlinks;
}

/* From [x][y][z], z fastest, to i fastest. */
static float *i_fastest(float *v, const hsize_t dims[3])
{
    size_t nx = (size_t)dims[0], ny = (size_t)dims[1], nz = (size_t)dims[2];
    float *p = floats(nx * ny * nz);
    for (size_t x = 0; x < nx; x++)
        for (size_t y = 0; y < ny; y++)
            for (size_t z = 0; z < nz; z++)
                p[x + nx * (y + ny * z)] = v[(x * ny + y) * nz + z];
    free(v);
    return p;
}

static void check_normalise(hid_t file, const char *group)
{
    char name[256];
    hsize_t dims[3];
    intensity scale;
    snprintf(name, sizeof name, "%s/volume", group);
    float *volume = i_fastest(read_array(file, name, dims, 3), dims);
    snprintf(name, sizeof name, "%s/result", group);
    float *want = i_fastest(read_array(file, name, dims, 3), dims);
    size_t n = (size_t)(dims[0] * dims[1] * dims[2]);
    assert_int_equal(intensity_measure(&counted, volume, n, volume[0], 0.2, 99.8, &scale), OK);
    assert_near(scale.low, read_number(file, group, "low"), 1e-6);
    assert_near(scale.high, read_number(file, group, "high"), 1e-6);
    for (size_t i = 0; i < n; i++)
        assert_near(intensity_apply(&scale, volume[i]), want[i], 1e-5);
    free(volume);
    free(want);
}

static void normalisation_matches_the_reference(void **state)
{
    (void)state;
    hid_t file = open_pipeline();
    assert_int_equal(for_each_case(file, "normalise", check_normalise), 3);
    H5Fclose(file);
}

static void resizing_matches_the_reference(void **state)
{
    (void)state;
    hid_t file = open_pipeline();
    hsize_t in[3], out[3];
    float *crop = read_array(file, "resize/crop_200", in, 2);
    float *bilinear = read_array(file, "resize/bilinear_256", out, 2);
    float *nearest = read_array(file, "resize/nearest_256", out, 2);
    size_t n = (size_t)(out[0] * out[1]);
    float *got = floats(n);
    resize_bilinear(crop, (int)in[0], (int)in[1], got, (int)out[0], (int)out[1]);
    for (size_t i = 0; i < n; i++)
        assert_near(got[i], bilinear[i], 1e-5);
    resize_nearest(crop, (int)in[0], (int)in[1], got, (int)out[0], (int)out[1]);
    assert_memory_equal(got, nearest, n * sizeof *got);
    free(crop);
    free(bilinear);
    free(nearest);
    free(got);
    H5Fclose(file);
}

static void check_metrics(hid_t file, const char *group)
{
    char name[256];
    hsize_t dims[3];
    slmt_metrics m = {.struct_size = sizeof m};
    snprintf(name, sizeof name, "%s/pred", group);
    float *pred = read_array(file, name, dims, 2);
    snprintf(name, sizeof name, "%s/target", group);
    float *target = read_array(file, name, dims, 2);
    assert_int_equal(metrics_compare(&counted, pred, target, NULL, (size_t)dims[0], (size_t)dims[1], &m), OK);
    assert_near(m.psnr, read_number(file, group, "psnr"), 1e-6);
    assert_near(m.ssim, read_number(file, group, "ssim"), 1e-6);
    assert_near(m.ssim_range_2, read_number(file, group, "ssim_range_2"), 1e-6);
    /* the reference has 0 where the target is all 0 */
    assert_near(isnan(m.nmse) ? 0 : m.nmse, read_number(file, group, "nmse"), 1e-6);
    assert_near(isnan(m.nmse_spectral) ? 0 : m.nmse_spectral, read_number(file, group, "nmse_spectral"),
                1e-6);
    assert_near(m.mae, read_number(file, group, "mae"), 1e-6);
    free(pred);
    free(target);
}

static void metrics_match_the_reference(void **state)
{
    (void)state;
    hid_t file = open_pipeline();
    assert_int_equal(for_each_case(file, "metrics", check_metrics), 4);
    H5Fclose(file);
}

/* ---- orientation ---- */

/* A value that names the patient position: left, back, up, each from 0 on. */
static float position_value(int64_t left, int64_t back, int64_t up)
{
    return (float)(left + 100 * back + 10000 * up);
}

/* The affine of a volume whose axis order[a] runs along patient axis a (NIfTI's), against it if sign[a] < 0.
 */
static void signed_axes(const int order[3], const int sign[3], const int64_t dims[3], double affine[16])
{
    memset(affine, 0, 16 * sizeof *affine);
    affine[15] = 1;
    for (int a = 0; a < 3; a++) {
        affine[4 * a + order[a]] = sign[a];
        affine[4 * a + 3] = sign[a] < 0 ? (double)(dims[order[a]] - 1) : 0;
    }
}

static void check_orientation(const int order[3], const int sign[3])
{
    const int64_t patient[3] = {3, 4, 5};
    int64_t dims[3];
    double affine[16];
    float volume[60], canonical[60], back[60];
    for (int a = 0; a < 3; a++)
        dims[order[a]] = patient[a];
    signed_axes(order, sign, dims, affine);
    for (int64_t n = 0; n < 60; n++) {
        int64_t index[3] = {n % dims[0], n / dims[0] % dims[1], n / dims[0] / dims[1]}, mm[3];
        for (int a = 0; a < 3; a++)
            mm[a] = sign[a] < 0 ? dims[order[a]] - 1 - index[order[a]] : index[order[a]];
        volume[n] = position_value(patient[0] - 1 - mm[0], patient[1] - 1 - mm[1], mm[2]);
    }
    orient o = orient_from_affine(dims, affine);
    assert_memory_equal(o.dims, patient, sizeof patient);
    orient_to_canonical(&o, volume, canonical);
    for (int64_t n = 0; n < 60; n++)
        assert_true(canonical[n] == position_value(n % 3, n / 3 % 4, n / 12));
    orient_from_canonical(&o, canonical, back);
    assert_memory_equal(back, volume, sizeof volume);
    for (int a = 0; a < 3; a++) {
        assert_int_equal(o.axis[a], order[a]);
        assert_int_equal(o.flip[a], a < 2 ? sign[a] > 0 : sign[a] < 0);
    }
}

static void all_48_orientations_become_left_back_up_and_come_back(void **state)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    (void)state;
    for (int i = 0; i < 6; i++)
        for (int bits = 0; bits < 8; bits++)
            check_orientation(orders[i], (int[3]){bits & 1 ? 1 : -1, bits & 2 ? 1 : -1, bits & 4 ? 1 : -1});
}

static void a_brats_file_passes_unchanged_also_when_tilted(void **state)
{
    (void)state;
    const int64_t dims[3] = {2, 3, 4};
    double s = sin(0.6), c = cos(0.6);
    const double tilted[16] = {-1.5, 0, 0, 7, 0, -2 * c, 3 * s, 8, 0, 2 * s, 3 * c, 9, 0, 0, 0, 1};
    const double *affines[2] = {lps, tilted};
    float volume[24], canonical[24];
    for (int i = 0; i < 24; i++)
        volume[i] = (float)i;
    for (int i = 0; i < 2; i++) {
        orient o = orient_from_affine(dims, affines[i]);
        orient_to_canonical(&o, volume, canonical);
        assert_memory_equal(canonical, volume, sizeof volume);
        assert_int_equal(o.corner, 0);
    }
}

/* ---- intensity ---- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double sorted_percentile(const float *sorted, size_t n, double percent)
{
    double position = percent / 100 * (double)(n - 1);
    size_t i = (size_t)position;
    double next = i + 1 < n ? sorted[i + 1] : sorted[i];
    return sorted[i] + (next - sorted[i]) * (position - (double)i);
}

static void percentiles_are_those_of_the_sorted_values(void **state)
{
    static const double percents[][2] = {{0, 100}, {0.2, 99.8}, {12.5, 50}, {33, 33.5}};
    (void)state;
    for (size_t n = 2; n < 3000; n = n * 3 + 1) {
        random_stream r = random_open(n, 2);
        float *v = floats(n + 1), corner = -7;
        for (size_t i = 0; i < n; i++) /* both signs, repeated values, far apart */
            v[i] = (float)((random_uniform(&r) - 0.4) * pow(10, random_below(&r, 6))) +
                   (random_below(&r, 5) == 0);
        v[n] = v[0];
        for (size_t k = 0; k < 4; k++) {
            intensity scale;
            status s = intensity_measure(&counted, v, n, corner, percents[k][0], percents[k][1], &scale);
            float *sorted = memcpy(floats(n), v, n * sizeof *v);
            qsort(sorted, n, sizeof *sorted, by_value);
            double high = sorted_percentile(sorted, n, percents[k][1]);
            assert_int_equal(s, high > 0 ? OK : ERR_ARGUMENT);
            assert_true(scale.low == (float)sorted_percentile(sorted, n, percents[k][0]));
            assert_true(scale.high == (float)high);
            free(sorted);
        }
        free(v);
    }
}

static void background_is_left_out_of_the_percentiles_and_not_clipped(void **state)
{
    const float v[] = {0, 0, 10, 20, 30, 40, 50, 0};
    intensity s;
    (void)state;
    assert_int_equal(intensity_measure(&counted, v, 8, v[0], 25, 75, &s), OK);
    assert_true(s.low == 20 && s.high == 40 && s.top == 40);
    assert_true(intensity_apply(&s, 0) == 0);
    assert_true(intensity_apply(&s, 10) == 0.5f);
    assert_true(intensity_apply(&s, 30) == 0.75f);
    assert_true(intensity_apply(&s, 50) == 1);
}

static void a_volume_without_contrast_is_an_error(void **state)
{
    const float constant[] = {3, 3, 3, 3}, negative[] = {-9, -1, -2, -3};
    intensity s;
    (void)state;
    assert_int_equal(intensity_measure(&counted, constant, 4, 3, 0.2, 99.8, &s), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "constant"));
    assert_int_equal(intensity_measure(&counted, negative, 4, -9, 0.2, 99.8, &s), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "positive"));
}

/* ---- crop and the way back ---- */

static slmt_preprocess settings(int crop, int first, int count)
{
    slmt_preprocess p;
    preprocess_defaults(&p);
    p.crop_size = p.image_size = crop;
    p.slice_first = first;
    p.slice_count = count;
    p.low_percentile = 0;
    p.high_percentile = 100;
    return p;
}

/* Values 1, 2, ... n with voxel 0 as 0: background at the corner alone. */
static float *numbered(size_t n)
{
    float *v = floats(n);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)i;
    return v;
}

static void check_crop(const int64_t dims[3], slmt_preprocess p, int64_t x0, int64_t y0, int count)
{
    size_t n = (size_t)(dims[0] * dims[1] * dims[2]);
    float *v = numbered(n), *slices, *back = floats(n);
    int got;
    assert_int_equal(preprocess_check(&p), OK);
    assert_int_equal(preprocess_volume(&counted, &p, dims, lps, v, &slices, &got, NULL), OK);
    assert_int_equal(got, count);
    const float *s = slices;
    for (int64_t z = p.slice_first; z < p.slice_first + count; z++)
        for (int64_t x = x0; x < x0 + p.crop_size; x++) /* rows along x, columns along y */
            for (int64_t y = y0; y < y0 + p.crop_size; y++) {
                int inside = x >= 0 && x < dims[0] && y >= 0 && y < dims[1];
                float want = inside ? v[x + dims[0] * (y + dims[1] * z)] / (float)(n - 1) : 0;
                assert_true(*s++ == want);
            }
    assert_int_equal(preprocess_restore(&counted, &p, dims, lps, slices, back), OK);
    for (int64_t i = 0; i < (int64_t)n; i++) {
        int64_t x = i % dims[0], y = i / dims[0] % dims[1], z = i / dims[0] / dims[1];
        int inside = x >= x0 && x < x0 + p.crop_size && y >= y0 && y < y0 + p.crop_size &&
                     z >= p.slice_first && z < p.slice_first + count;
        assert_true(back[i] == (inside ? v[i] / (float)(n - 1) : 0));
    }
    mem_give(&counted, slices);
    free(v);
    free(back);
}

static void a_crop_smaller_or_larger_than_the_volume_goes_back_to_its_place(void **state)
{
    const int64_t dims[3] = {11, 8, 5};
    slmt_preprocess offset = settings(4, 1, 2), over_the_edge = settings(6, 0, 1);
    (void)state;
    offset.crop_x = 3;
    offset.crop_y = 0;
    over_the_edge.crop_x = 8;
    over_the_edge.crop_y = 7;
    check_crop(dims, settings(4, 1, 3), 3, 2, 3);
    check_crop(dims, settings(5, 0, 0), 3, 1, 5);
    check_crop(dims, settings(9, 4, 0), 1, -1, 1); /* 8 of 9: the odd row of zeros is in front */
    check_crop(dims, settings(20, 2, 2), -5, -6, 2);
    check_crop(dims, offset, 3, 0, 2);
    check_crop(dims, over_the_edge, 8, 7, 1);
}

/* A head in the middle of the slices that are marked. */
static int gaps_of(const char *marks)
{
    const int64_t dims[3] = {6, 6, (int64_t)strlen(marks)};
    slmt_preprocess p = settings(6, 0, 0);
    float *v = floats((size_t)(36 * dims[2])), *slices;
    int count;
    intensity_facts facts;
    for (int64_t i = 0; i < 36 * dims[2]; i++) {
        int64_t x = i % 6, y = i / 6 % 6, z = i / 36;
        v[i] = marks[z] == 'x' && x > 0 && x < 5 && y > 0 && y < 5 ? (float)(10 + i % 7) : 0;
    }
    assert_int_equal(preprocess_volume(&counted, &p, dims, lps, v, &slices, &count, &facts), OK);
    mem_give(&counted, slices);
    free(v);
    return facts.gaps;
}

static void empty_slices_are_gaps_where_others_show_something_below_and_above(void **state)
{
    (void)state;
    assert_int_equal(gaps_of("xxxxxx"), 0);
    assert_int_equal(gaps_of("..xx..."), 0);
    assert_int_equal(gaps_of("x.x.x.x."), 3);
    assert_int_equal(gaps_of(".xx..x."), 2);
}

static void the_way_back_turns_slices_into_the_orientation_of_the_file(void **state)
{
    const int64_t dims[3] = {5, 6, 7}; /* axes: up, right, front */
    const double affine[16] = {0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1};
    slmt_preprocess p = settings(7, 0, 0);
    float *v = numbered(210), *slices, back[210];
    int count;
    (void)state;
    v[0] = 300;
    v[0 + 5 * (5 + 6 * 6)] = 0; /* the canonical corner: farthest along right and front */
    assert_int_equal(preprocess_volume(&counted, &p, dims, affine, v, &slices, &count, NULL), OK);
    assert_int_equal(count, 5);
    assert_int_equal(preprocess_restore(&counted, &p, dims, affine, slices, back), OK);
    for (int i = 0; i < 210; i++)
        assert_true(back[i] == v[i] / 300);
    mem_give(&counted, slices);
    free(v);
}

static void the_way_back_resizes_from_the_image_to_the_crop(void **state)
{
    const int64_t dims[3] = {6, 6, 1};
    slmt_preprocess p = settings(4, 0, 1);
    float slice[64], small[16], back[36];
    (void)state;
    p.image_size = 8;
    for (int i = 0; i < 64; i++)
        slice[i] = (float)i;
    resize_bilinear(slice, 8, 8, small, 4, 4);
    assert_true(small[0] == 4.5f); /* mean of 0, 1, 8, 9 */
    assert_int_equal(preprocess_restore(&counted, &p, dims, lps, slice, back), OK);
    for (int y = 0; y < 6; y++)
        for (int x = 0; x < 6; x++) {
            int inside = x >= 1 && x < 5 && y >= 1 && y < 5;
            assert_true(back[x + 6 * y] == (inside ? small[(x - 1) * 4 + y - 1] : 0));
        }
}

static void settings_that_cannot_be_are_named(void **state)
{
    static const struct {
        size_t field;
        int32_t value;
        const char *text;
    } wrong[] = {
        {offsetof(slmt_preprocess, crop_size), 0, "crop_size is 0"},
        {offsetof(slmt_preprocess, crop_size), 5000, "crop_size"},
        {offsetof(slmt_preprocess, crop_x), -2, "crop_x"},
        {offsetof(slmt_preprocess, crop_y), -2, "crop_y"},
        {offsetof(slmt_preprocess, slice_first), -1, "slice_first"},
        {offsetof(slmt_preprocess, slice_count), -1, "slice_count"},
        {offsetof(slmt_preprocess, image_size), 0, "image_size"},
        {offsetof(slmt_preprocess, target_resize), 2, "target_resize"},
        {offsetof(slmt_preprocess, scaling), 2, "scaling"},
    };
    slmt_preprocess p;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        preprocess_defaults(&p);
        assert_int_equal(preprocess_check(&p), OK);
        memcpy((char *)&p + wrong[i].field, &wrong[i].value, sizeof wrong[i].value);
        assert_int_equal(preprocess_check(&p), ERR_ARGUMENT);
        assert_non_null(strstr(status_text(), wrong[i].text));
    }
    static const double percentiles[][2] = {{-1, 99}, {1, 101}, {50, 50}, {60, 40}, {NAN, 99}, {1, NAN}};
    for (size_t i = 0; i < 6; i++) {
        preprocess_defaults(&p);
        p.low_percentile = percentiles[i][0];
        p.high_percentile = percentiles[i][1];
        assert_int_equal(preprocess_check(&p), ERR_ARGUMENT);
    }
}

/* Seq2Seq's scaling: 0, p99, 2 p99 and 3 p99 become 0, 1/2, 1 and 1 (-1, 0, 1, 1 in its own range), and the
 * background counts among the voxels. */
static void twice_the_99th_percentile_is_1(void **state)
{
    static float v[201];
    float negative[4] = {-9, -1, -2, -3}, mostly_dark[200] = {0};
    intensity s;
    (void)state;
    for (int i = 0; i < 201; i++)
        v[i] = (float)(i < 101 ? 0 : i - 100); /* ranks 0 to 200: p99 is rank 198, which is 98 */
    assert_int_equal(intensity_measure_p99(&counted, v, 201, &s), OK);
    assert_true(intensity_apply(&s, 0) == 0 && intensity_apply(&s, 98) == 0.5f);
    assert_true(intensity_apply(&s, 2 * 98) == 1 && intensity_apply(&s, 3 * 98) == 1);
    assert_true(intensity_apply(&s, -5) == 0);
    assert_int_equal(intensity_measure_p99(&counted, negative, 4, &s), ERR_ARGUMENT);
    mostly_dark[7] = 3;
    assert_int_equal(intensity_measure_p99(&counted, mostly_dark, 200, &s), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "99th percentile"));
}

static void a_volume_the_settings_do_not_fit_is_refused(void **state)
{
    const int64_t dims[3] = {10, 10, 20};
    slmt_preprocess p = settings(4, 0, 21);
    int count = -5;
    (void)state;
    assert_int_equal(preprocess_count(&p, dims, lps, &count), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "too few slices"));
    p = settings(4, 20, 0);
    assert_int_equal(preprocess_count(&p, dims, lps, &count), ERR_ARGUMENT);
    p = settings(4, 0, 0);
    p.crop_y = 10;
    assert_int_equal(preprocess_count(&p, dims, lps, &count), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "crop_y"));
    assert_int_equal(count, -5);
    p.crop_y = 9;
    assert_int_equal(preprocess_count(&p, dims, lps, &count), OK);
    assert_int_equal(count, 20);
}

static void resizing_to_the_same_size_changes_nothing(void **state)
{
    float *image = random_image(63, 1), out[63];
    (void)state;
    resize_bilinear(image, 7, 9, out, 7, 9);
    assert_memory_equal(out, image, sizeof out);
    resize_nearest(image, 7, 9, out, 7, 9);
    assert_memory_equal(out, image, sizeof out);
    free(image);
}

/* ---- metrics ---- */

/* The largest singular value by one-sided Jacobi, for small matrices. */
static double jacobi_norm(const double *given, size_t h, size_t w)
{
    double *a = malloc(h * w * sizeof *a), best = 0;
    memcpy(a, given, h * w * sizeof *a);
    for (int sweep = 0; sweep < 60; sweep++)
        for (size_t p = 0; p < w; p++)
            for (size_t q = p + 1; q < w; q++) {
                double pp = 0, qq = 0, pq = 0;
                for (size_t r = 0; r < h; r++) {
                    pp += a[r * w + p] * a[r * w + p];
                    qq += a[r * w + q] * a[r * w + q];
                    pq += a[r * w + p] * a[r * w + q];
                }
                double angle = 0.5 * atan2(2 * pq, pp - qq), c = cos(angle), s = sin(angle);
                for (size_t r = 0; r < h; r++) {
                    double x = a[r * w + p], y = a[r * w + q];
                    a[r * w + p] = c * x + s * y;
                    a[r * w + q] = c * y - s * x;
                }
            }
    for (size_t c = 0; c < w; c++) {
        double sum = 0;
        for (size_t r = 0; r < h; r++)
            sum += a[r * w + c] * a[r * w + c];
        best = fmax(best, sqrt(sum));
    }
    free(a);
    return best;
}

static void check_spectral(const float *p, const float *t, size_t h, size_t w)
{
    slmt_metrics m = {.struct_size = sizeof m};
    double *d = malloc(h * w * sizeof *d), *e = malloc(h * w * sizeof *e);
    for (size_t i = 0; i < h * w; i++) {
        d[i] = ((double)p[i] - t[i]) * ((double)p[i] - t[i]);
        e[i] = (double)t[i] * t[i];
    }
    assert_int_equal(metrics_compare(&counted, p, t, NULL, h, w, &m), OK);
    assert_near(m.nmse_spectral, jacobi_norm(d, h, w) / jacobi_norm(e, h, w), 1e-10);
    free(d);
    free(e);
}

static void the_spectral_norm_is_that_of_a_singular_value_decomposition(void **state)
{
    static const size_t shapes[][2] = {{7, 7}, {7, 31}, {31, 7}, {40, 40}, {24, 33}};
    (void)state;
    for (size_t k = 0; k < 5; k++) {
        size_t h = shapes[k][0], w = shapes[k][1];
        float *p = random_image(h * w, 10 + k), *t = random_image(h * w, 20 + k);
        check_spectral(p, t, h, w);
        free(p);
        free(t);
    }
}

static void close_and_equal_singular_values_do_no_harm(void **state)
{
    enum { N = 48 };
    float t[N * N] = {0}, p[N * N] = {0};
    (void)state;
    for (int i = 0; i < N; i++) /* all equal; within 1e-5 of each other, and one a little larger */
        t[i * N + i] = 0.5f;
    for (int i = 0; i < N; i++)
        p[i * N + i] = t[i * N + i] + 0.25f + (float)i * 1e-7f;
    check_spectral(p, t, N, N);
    for (int i = 0; i < N; i++)
        p[i * N + i] = 0.5f + (i == 17 ? 0.3f : 0.2999f * (float)i / N);
    check_spectral(p, t, N, N);
    for (int r = 0; r < N; r++) /* a broad block of small entries beside one pixel that just wins */
        for (int c = 0; c < N; c++)
            p[r * N + c] = t[r * N + c] + (r < N - 1 && c < N - 1 ? 0.1f : 0);
    p[N * N - 1] = t[N * N - 1] + 0.1f * sqrtf(N - 1) * 1.000001f;
    check_spectral(p, t, N, N);
}

/* ---- augmentation ---- */

enum { SIDE = 8, PIXELS = SIDE * SIDE };

static void flips_and_turns_are_numpys(void **state)
{
    const float a[4] = {1, 2, 3, 4};
    float scratch[PIXELS], b[PIXELS], *c = random_image(PIXELS, 3);
    (void)state;
    memcpy(b, a, sizeof a);
    augment_flip(b, 2, 0);
    assert_memory_equal(b, ((float[]){3, 4, 1, 2}), sizeof a);
    memcpy(b, a, sizeof a);
    augment_flip(b, 2, 1);
    assert_memory_equal(b, ((float[]){2, 1, 4, 3}), sizeof a);
    memcpy(b, a, sizeof a);
    augment_rotate(b, 2, 1, scratch);
    assert_memory_equal(b, ((float[]){2, 4, 1, 3}), sizeof a);
    memcpy(b, c, sizeof b);
    augment_rotate(b, SIDE, 3, scratch);
    assert_memory_not_equal(b, c, sizeof b);
    augment_rotate(b, SIDE, 1, scratch);
    assert_memory_equal(b, c, sizeof b);
    free(c);
}

static void tone_changes_are_pils(void **state)
{
    static const uint8_t image[25] = {0,  20,  40, 200, 255, 10,  60, 90, 30,  128, 250, 77, 13,
                                      99, 180, 5,  5,   200, 201, 33, 64, 128, 192, 254, 1};
    static const struct {
        float brightness, contrast, sharpness;
        uint8_t want[25];
    } cases[] = {
        {0.8f, 1.2f, 2.7f, {0,  3,   22, 175, 228, 0,   34, 92, 0,   106, 223, 50, 0,
                            66, 156, 0,  0,   251, 251, 15, 45, 106, 167, 227, 0}},
        {1.3f, 0.4f, 0.0f, {73,  83,  94, 175, 175, 78,  103, 112, 116, 139, 175, 111, 105,
                            127, 166, 75, 108, 148, 148, 90,  106, 139, 172, 175, 73}},
        {1.1f, 0.9f, 0.7f, {10,  30,  50, 208, 240, 20,  70, 95, 56,  136, 240, 86, 38,
                            109, 189, 15, 34,  193, 194, 43, 73, 136, 200, 240, 11}},
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        float x[25], scratch[25];
        for (int i = 0; i < 25; i++)
            x[i] = (float)image[i] / 255;
        augment_tone(x, 5, cases[k].brightness, cases[k].contrast, cases[k].sharpness, scratch);
        for (int i = 0; i < 25; i++)
            assert_true(x[i] == (float)cases[k].want[i] / 255);
    }
}

static void the_same_stream_gives_the_same_slice_and_another_does_not(void **state)
{
    float *image = random_image(PIXELS, 4), a[PIXELS], b[PIXELS], scratch[PIXELS];
    int different = 0;
    (void)state;
    for (uint64_t n = 0; n < 50; n++) {
        random_stream r = random_open(5, n), again = random_open(5, n), other = random_open(6, n);
        memcpy(a, image, sizeof a);
        memcpy(b, image, sizeof b);
        augment_pretrain(a, NULL, SIDE, scratch, &r);
        augment_pretrain(b, NULL, SIDE, scratch, &again);
        assert_memory_equal(a, b, sizeof a);
        memcpy(b, image, sizeof b);
        augment_pretrain(b, NULL, SIDE, scratch, &other);
        different += memcmp(a, b, sizeof a) != 0;
    }
    assert_true(different > 45);
    free(image);
}

static void pretraining_slices_stay_in_range_on_8_bits(void **state)
{
    float a[PIXELS], scratch[PIXELS], *image = random_image(PIXELS, 5);
    (void)state;
    for (uint64_t n = 0; n < 500; n++) {
        random_stream r = random_open(7, n);
        memcpy(a, image, sizeof a);
        augment_pretrain(a, NULL, SIDE, scratch, &r);
        for (int i = 0; i < PIXELS; i++) {
            assert_true(a[i] >= 0 && a[i] <= 1);
            assert_true(a[i] == roundf(a[i] * 255) / 255);
        }
    }
    free(image);
}

static void assert_frequency(int seen, int draws, double odds)
{
    double sd = sqrt(draws * odds * (1 - odds));
    if (fabs(seen - draws * odds) > 5 * sd)
        fail_msg("%d of %d, expected %.1f, sd %.1f", seen, draws, draws * odds, sd);
}

/* A flat image stays flat unless it gets noise or specks, each with odds 1/4. */
static void noise_and_specks_come_with_their_odds(void **state)
{
    enum { S = 32, DRAWS = 2000 };
    static float a[S * S], scratch[S * S];
    int flat = 0, specks_alone = 0;
    (void)state;
    for (uint64_t n = 0; n < DRAWS; n++) {
        random_stream r = random_open(8, n);
        for (int i = 0; i < S * S; i++)
            a[i] = 0.5f;
        augment_pretrain(a, NULL, S, scratch, &r);
        int other = 0;
        for (int i = 0; i < S * S; i++)
            other += a[i] != a[0];
        flat += other == 0;
        specks_alone += other > 0 && (other <= 18 || other >= S * S - 18); /* 2 specks and their neighbours */
    }
    assert_frequency(flat, DRAWS, 9.0 / 16);
    assert_frequency(specks_alone, DRAWS, 3.0 / 16);
}

/* Which of the 8 flips and turns makes `from` into `to`: turns + 4 if flipped along axis 0 first; -1: none.
 */
static int symmetry_of(const float *from, const float *to)
{
    float a[PIXELS], scratch[PIXELS];
    for (int k = 0; k < 8; k++) {
        memcpy(a, from, sizeof a);
        if (k >= 4)
            augment_flip(a, SIDE, 0);
        augment_rotate(a, SIDE, k % 4, scratch);
        if (memcmp(a, to, sizeof a) == 0)
            return k;
    }
    return -1;
}

static void a_pairs_target_is_only_flipped_and_turned_with_the_papers_odds(void **state)
{
    enum { DRAWS = 9000 };
    /* no flip 1/3, then no turn 1/2 or one of three 1/6; flipping axis 1 is flipping axis 0 and half a turn
     */
    static const double odds[8] = {1.0 / 6, 1.0 / 18, 1.0 / 18, 1.0 / 18, 2.0 / 9, 1.0 / 9, 2.0 / 9, 1.0 / 9};
    float *image = random_image(PIXELS, 9), *target = random_image(PIXELS, 10);
    float s[PIXELS], t[PIXELS], scratch[PIXELS];
    int seen[8] = {0};
    (void)state;
    for (uint64_t n = 0; n < DRAWS; n++) {
        random_stream r = random_open(11, n);
        memcpy(s, image, sizeof s);
        memcpy(t, target, sizeof t);
        augment_finetune(s, t, SIDE, scratch, &r);
        int k = symmetry_of(target, t);
        assert_true(k >= 0);
        seen[k]++;
    }
    for (int k = 0; k < 8; k++)
        assert_frequency(seen[k], DRAWS, odds[k]);
    free(image);
    free(target);
}

static void a_neighbour_without_a_target_changes_as_its_source_did(void **state)
{
    float *image = random_image(PIXELS, 9);
    float s[PIXELS], t[PIXELS], alone[PIXELS], scratch[PIXELS];
    (void)state;
    for (uint64_t n = 0; n < 50; n++) {
        random_stream r = random_open(12, n), again = r;
        memcpy(s, image, sizeof s);
        memcpy(t, image, sizeof t);
        memcpy(alone, image, sizeof alone);
        augment_finetune(s, t, SIDE, scratch, &r);
        augment_finetune(alone, NULL, SIDE, scratch, &again);
        assert_memory_equal(alone, s, sizeof s);
    }
    free(image);
}

static int is_a_tone_of(const float *image, const float *toned)
{
    float a[PIXELS], scratch[PIXELS];
    for (int b = 7; b <= 13; b++)
        for (int c = 4; c <= 11; c++)
            for (int s = 7; s <= 13; s++) {
                memcpy(a, image, sizeof a);
                augment_tone(a, SIDE, (float)b / 10, (float)c / 10, (float)s / 10, scratch);
                if (memcmp(a, toned, sizeof a) == 0)
                    return 1;
            }
    return 0;
}

static void a_pairs_source_moves_with_its_target_and_changes_tone(void **state)
{
    float *image = random_image(PIXELS, 12), s[PIXELS], t[PIXELS], scratch[PIXELS];
    (void)state;
    for (uint64_t n = 0; n < 100; n++) {
        random_stream r = random_open(13, n);
        memcpy(s, image, sizeof s);
        memcpy(t, image, sizeof t);
        augment_finetune(s, t, SIDE, scratch, &r);
        assert_true(is_a_tone_of(t, s));
    }
    free(image);
}

/* ---- memory ---- */

typedef struct scarce {
    int left; /* allocations that still succeed */
} scarce;

static void *scarce_alloc(void *user, size_t bytes)
{
    scarce *s = user;
    return s->left-- > 0 ? malloc(bytes) : NULL;
}

static void scarce_free(void *user, void *p)
{
    (void)user;
    free(p);
}

static void running_out_of_memory_leaves_nothing_behind(void **state)
{
    const int64_t dims[3] = {9, 9, 3};
    slmt_preprocess p = settings(9, 0, 0);
    slmt_metrics m = {.struct_size = sizeof m};
    float *v = numbered(243), *slices = NULL, back[243];
    status first = ERR_MEMORY, second = ERR_MEMORY, third = ERR_MEMORY;
    (void)state;
    int tries = 0;
    for (; first != OK || second != OK || third != OK; tries++) {
        int count;
        scarce s = {tries};
        mem m_scarce;
        mem_init(&m_scarce, scarce_alloc, scarce_free, &s, 0);
        first = preprocess_volume(&m_scarce, &p, dims, lps, v, &slices, &count, NULL);
        if (first == OK) {
            s.left = tries;
            second = preprocess_restore(&m_scarce, &p, dims, lps, slices, back);
            mem_give(&m_scarce, slices);
        }
        s.left = tries;
        third = metrics_compare(&m_scarce, v, v + 81, NULL, 9, 9, &m);
        assert_true(first == OK || first == ERR_MEMORY);
        assert_true(second == OK || second == ERR_MEMORY);
        assert_true(third == OK || third == ERR_MEMORY);
        assert_int_equal(m_scarce.live, 0);
        assert_true(tries < 100);
    }
    assert_true(tries > 3);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalisation_matches_the_reference),
        cmocka_unit_test(resizing_matches_the_reference),
        cmocka_unit_test(metrics_match_the_reference),
        cmocka_unit_test(all_48_orientations_become_left_back_up_and_come_back),
        cmocka_unit_test(a_brats_file_passes_unchanged_also_when_tilted),
        cmocka_unit_test(percentiles_are_those_of_the_sorted_values),
        cmocka_unit_test(background_is_left_out_of_the_percentiles_and_not_clipped),
        cmocka_unit_test(a_volume_without_contrast_is_an_error),
        cmocka_unit_test(a_crop_smaller_or_larger_than_the_volume_goes_back_to_its_place),
        cmocka_unit_test(empty_slices_are_gaps_where_others_show_something_below_and_above),
        cmocka_unit_test(the_way_back_turns_slices_into_the_orientation_of_the_file),
        cmocka_unit_test(the_way_back_resizes_from_the_image_to_the_crop),
        cmocka_unit_test(settings_that_cannot_be_are_named),
        cmocka_unit_test(twice_the_99th_percentile_is_1),
        cmocka_unit_test(a_volume_the_settings_do_not_fit_is_refused),
        cmocka_unit_test(resizing_to_the_same_size_changes_nothing),
        cmocka_unit_test(the_spectral_norm_is_that_of_a_singular_value_decomposition),
        cmocka_unit_test(close_and_equal_singular_values_do_no_harm),
        cmocka_unit_test(flips_and_turns_are_numpys),
        cmocka_unit_test(tone_changes_are_pils),
        cmocka_unit_test(the_same_stream_gives_the_same_slice_and_another_does_not),
        cmocka_unit_test(pretraining_slices_stay_in_range_on_8_bits),
        cmocka_unit_test(noise_and_specks_come_with_their_odds),
        cmocka_unit_test(a_pairs_target_is_only_flipped_and_turned_with_the_papers_odds),
        cmocka_unit_test(a_neighbour_without_a_target_changes_as_its_source_did),
        cmocka_unit_test(a_pairs_source_moves_with_its_target_and_changes_tone),
        cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, set_up, nothing_is_left);
}
