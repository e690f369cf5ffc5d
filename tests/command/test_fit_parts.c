/* SPDX-License-Identifier: Apache-2.0 */
/* test_fit_parts.c - what slmt fit concludes from scans, names, speeds and curves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slmt/slmt.h"
#include "tool/fit_curve.h"
#include "tool/fit_look.h"
#include "tool/fit_names.h"
#include "tool/fit_size.h"

#include <cmocka.h> /* last: it has a macro fail() */

/* ---- looking at a scan ---- */

enum { NX = 40, NY = 50, NZ = 30 };

/* A box of `head` in `air`, from 5 to 20 along i, 10 to 45 along j, 8 to 28 along k; its lowest two slices
 * are a narrow neck. */
static void fill(float *v, float air, float head)
{
    for (int k = 0; k < NZ; k++)
        for (int j = 0; j < NY; j++)
            for (int i = 0; i < NX; i++) {
                int in = i >= 5 && i < 20 && j >= 10 && j < 45 && k >= 8 && k < 28;
                if (k < 10 && i >= 7)
                    in = 0;
                *v++ = in ? head + (float)((i + j + k) % 7) : air;
            }
}

static fit_look look(float air, float head, const double *affine)
{
    static float voxels[NX * NY * NZ];
    const int64_t dims[3] = {NX, NY, NZ};
    slmt_context *context = NULL;
    slmt_volume *volume = NULL;
    fill(voxels, air, head);
    assert_int_equal(slmt_context_create(NULL, &context), SLMT_OK);
    assert_int_equal(slmt_volume_create(context, dims, affine, voxels, &volume), SLMT_OK);
    fit_look l = fit_look_at(volume);
    slmt_volume_free(volume);
    slmt_context_free(context);
    return l;
}

static void assert_range(const int64_t range[2], int64_t first, int64_t end)
{
    assert_int_equal(range[0], first);
    assert_int_equal(range[1], end);
}

/* To the left, to the back, up: a scan whose axes run so keeps its numbers. */
static const double straight[16] = {-1, 0, 0, 0, 0, -2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1};

static void the_head_is_found_in_dark_bright_and_negative_air(void **state)
{
    (void)state;
    static const float pairs[][2] = {{0, 500}, {32767, 500}, {-1000, 40}};
    for (size_t i = 0; i < 3; i++) {
        fit_look l = look(pairs[i][0], pairs[i][1], straight);
        assert_range(l.head[0], 5, 20);
        assert_range(l.head[1], 10, 45);
        assert_range(l.head[2], 8, 28);
        assert_true(l.background == pairs[i][0]);
    }
}

static void slices_with_a_neck_alone_are_not_learnt_from(void **state)
{
    (void)state;
    fit_look l = look(0, 500, straight);
    assert_range(l.slices, 10, 28); /* two of 15 columns are less than a quarter */
    assert_range(l.head[2], 8, 28);
    assert_true(l.low == 0 && l.high == 506);
}

static void sizes_are_those_of_the_patients_axes(void **state)
{
    (void)state;
    /* i goes up, j to the right, k to the front */
    static const double turned[16] = {0, 2, 0, 0, 0, 0, 3, 0, 1.5, 0, 0, 0, 0, 0, 0, 1};
    fit_look l = look(0, 500, turned);
    assert_int_equal(l.size[0], NY);
    assert_int_equal(l.size[1], NZ);
    assert_int_equal(l.size[2], NX);
    assert_true(l.spacing[0] == 2 && l.spacing[1] == 3 && l.spacing[2] == 1.5);
    assert_range(l.head[0], NY - 45, NY - 10);
    assert_range(l.head[1], NZ - 28, NZ - 8);
    assert_range(l.head[2], 5, 20);
}

static void an_even_volume_holds_no_head(void **state)
{
    (void)state;
    static float even[8 * 8 * 8];
    const int64_t dims[3] = {8, 8, 8};
    slmt_context *context = NULL;
    slmt_volume *volume = NULL;
    assert_int_equal(slmt_context_create(NULL, &context), SLMT_OK);
    assert_int_equal(slmt_volume_create(context, dims, NULL, even, &volume), SLMT_OK);
    fit_look l = fit_look_at(volume);
    assert_true(l.slices[0] == l.slices[1] && l.head[0][0] == l.head[0][1]);
    slmt_volume_free(volume);
    slmt_context_free(context);
}

/* ---- names ---- */

static void assert_name(const char *text, const char *name, const char *place)
{
    char *found = fit_contrast_name(text);
    if (name)
        assert_string_equal(found, name);
    else
        assert_null(found);
    assert_string_equal(fit_contrast_place(text), place);
    free(found);
}

static void a_contrast_is_named_by_the_option_or_by_the_files(void **state)
{
    (void)state;
    assert_name("t1=scans/x", "t1", "scans/x");
    assert_name("scans/*/*_T1w.nii.gz", "t1w", "scans/*/*_T1w.nii.gz");
    assert_name("brats/*/*-t1n.nii", "t1n", "brats/*/*-t1n.nii");
    assert_name("raw/FLAIR/", "flair", "raw/FLAIR/");
    assert_name("raw:T2", "t2", "raw:T2");
    assert_name("*/T1.nii.gz", "t1", "*/T1.nii.gz");
    assert_name("imagesTr/*_0000.nii.gz", NULL, "imagesTr/*_0000.nii.gz"); /* a number names nothing */
    assert_name("a=b/c=d", "a", "b/c=d");
    assert_name("dir/t1=x", "x", "dir/t1=x"); /* a folder with '/' is no name */
}

/* ---- epochs ---- */

static void epochs_fill_the_time_and_one_is_the_least(void **state)
{
    (void)state;
    double part;
    assert_int_equal(fit_epochs(100, 0.1, 200, 4, &part), 20); /* 50 steps of 0.1 s an epoch */
    assert_true(part == 1);
    assert_int_equal(fit_epochs(1e9, 0.1, 200, 4, &part), 400);
    assert_int_equal(fit_epochs(2, 0.1, 200, 4, &part), 1); /* 20 of 50 steps */
    assert_float_equal(part, 0.4, 1e-12);
    assert_int_equal(fit_epochs(0.01, 0.1, 200, 4, &part), 1); /* one step at least */
    assert_float_equal(part, 1 / 50.0, 1e-12);
    assert_int_equal(fit_epochs(10, INFINITY, 200, 4, &part), 1);
}

/* ---- curves ---- */

static void a_resumed_curve_counts_the_later_lines(void **state)
{
    (void)state;
    char path[] = "/tmp/slmt-curve-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    for (uint64_t step = 1; step <= 5; step++)
        fit_curve_append(file, "loss", step, 10.0 * (double)step);
    fit_curve_append(file, "validation", 5, 21.5);
    for (uint64_t step = 4; step <= 6; step++)
        fit_curve_append(file, "loss", step, (double)step);
    fputs("loss 7 3", file); /* cut short */
    fclose(file);
    fit_curve c = fit_curve_read(path, "loss");
    static const double wanted[] = {10, 20, 30, 4, 5, 6};
    assert_int_equal(c.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_true(c.step[i] == (double)(i + 1) && c.value[i] == wanted[i]);
    fit_curve_thin(&c, 2);
    assert_int_equal(c.count, 2);
    assert_true(c.step[0] == 2 && c.value[0] == 20 && c.step[1] == 5 && c.value[1] == 5);
    fit_curve_free(&c);
    unlink(path);
    c = fit_curve_read(path, "loss");
    assert_int_equal(c.count, 0);
    fit_curve_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_is_found_in_dark_bright_and_negative_air),
        cmocka_unit_test(slices_with_a_neck_alone_are_not_learnt_from),
        cmocka_unit_test(sizes_are_those_of_the_patients_axes),
        cmocka_unit_test(an_even_volume_holds_no_head),
        cmocka_unit_test(a_contrast_is_named_by_the_option_or_by_the_files),
        cmocka_unit_test(epochs_fill_the_time_and_one_is_the_least),
        cmocka_unit_test(a_resumed_curve_counts_the_later_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
