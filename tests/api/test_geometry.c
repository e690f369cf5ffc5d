/* SPDX-License-Identifier: Apache-2.0 */
/* test_geometry.c - voxel size, field of view and position of scans: what sets and models keep of them, what
 * is refused and told, and that a scan of other voxels comes out through those of the training as it should.
 */
#include <dirent.h> /* before nifti1.h, whose macros take its names */

#include <hdf5.h>

#include "core/model.h"
#include "core/volume.h"
#include "data/grid.h"
#include "data/resample.h"
#include "data/volume_slices.h"
#include "io/dataset_seal.h"

#include "tests/api/api_fixture.h"
#include "tests/sealed_set.h"

static slmt_context *context;
static counter memory_of_context;
static char said[4000]; /* warnings since the last hush() */
static int warnings;
static int32_t refuse;

static int32_t listen(void *user, const char *text)
{
    (void)user;
    size_t at = strlen(said);
    snprintf(said + at, sizeof said - at, "%s\n", text);
    warnings++;
    return refuse;
}

static void hush(void)
{
    said[0] = '\0';
    warnings = 0;
}

static void assert_said(int count, const char *text)
{
    if (warnings != count || !strstr(said, text))
        fail_msg("%d warnings, expected %d with '%s':\n%s", warnings, count, text, said);
    hush();
}

static int set_up(void **state)
{
    context = open_context(1, &memory_of_context);
    GOOD(slmt_context_set_warning(context, listen, NULL));
    return make_folder(state);
}

static int tear_down(void **state)
{
    slmt_context_free(context);
    return memory_of_context.live == 0 ? delete_folder(state) : -1;
}

/* ---- scans ---- */

/* A head in a field of 60 x 72 x 24 mm whose middle is shifted by `up` mm: half axes of 24, 30 and 9 mm times
 * `size`, waves of grey values inside, air of 0 around. */
static float head_at(const double mm[3], double up, double size)
{
    double x = mm[0] / (24 * size), y = mm[1] / (30 * size), z = (mm[2] - up) / (9 * size);
    if (x * x + y * y + z * z > 1)
        return 0;
    return (float)(500 + 200 * sin(0.25 * mm[0]) * cos(0.2 * mm[1]) + 100 * sin(0.3 * (mm[2] - up)));
}

typedef struct scan {
    double spacing[3], field[3];
    double up, size;
} scan;

static const scan one_mm = {{1, 1, 1}, {60, 72, 24}, 0, 1};

/* Stored with i to the right, j to the front and k up, so that canonical axes are the reverse of the first
 * two. */
static slmt_volume *make_scan(const scan *s)
{
    int64_t dims[3];
    double affine[16] = {[15] = 1}, mm[3];
    slmt_volume *volume = NULL;
    for (int a = 0; a < 3; a++) {
        dims[a] = (int64_t)lround(s->field[a] / s->spacing[a]);
        affine[5 * a] = s->spacing[a];
        affine[4 * a + 3] = -0.5 * s->spacing[a] * (double)(dims[a] - 1);
    }
    float *voxels = malloc((size_t)(dims[0] * dims[1] * dims[2]) * sizeof *voxels), *v = voxels;
    for (int64_t k = 0; k < dims[2]; k++)
        for (int64_t j = 0; j < dims[1]; j++)
            for (int64_t i = 0; i < dims[0]; i++) {
                const int64_t at[3] = {i, j, k};
                for (int a = 0; a < 3; a++)
                    mm[a] = affine[4 * a + 3] + s->spacing[a] * (double)at[a];
                *v++ = head_at(mm, s->up, s->size);
            }
    GOOD(slmt_volume_create(context, dims, affine, voxels, &volume));
    free(voxels);
    return volume;
}

static slmt_preprocess settings(void)
{
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    p.crop_size = 64;
    p.slice_first = 6;
    p.slice_count = 12;
    p.image_size = SIDE;
    return p;
}

static slmt_geometry geometry_of(const scan *s)
{
    const slmt_preprocess p = settings();
    slmt_geometry g = {.struct_size = sizeof g};
    slmt_volume *v = make_scan(s);
    GOOD(slmt_volume_geometry(v, &p, &g));
    slmt_volume_free(v);
    return g;
}

/* A model that knows scans of 1 mm. */
static slmt_model *taught_model(void)
{
    const slmt_preprocess p = settings();
    const slmt_geometry g = geometry_of(&one_mm);
    slmt_model *model = small_model(context, 1);
    GOOD(slmt_model_set_preprocess(model, &p));
    GOOD(slmt_model_set_geometry(model, &g));
    return model;
}

/* ---- grids ---- */

static const double ras[16] = {1, 0, 0, -30, 0, 1, 0, -36, 0, 0, 1, -12, 0, 0, 0, 1};

static void the_same_voxels_in_another_order_are_one_grid(void **state)
{
    (void)state;
    const int64_t dims[3] = {60, 72, 24}, turned[3] = {24, 60, 72};
    const double flipped[16] = {-1, 0, 0, 29, 0, 1, 0, -36, 0, 0, 1, -12, 0, 0, 0, 1};
    const double other[16] = {0, 1, 0, -30, 0, 0, 1, -36, 1, 0, 0, -12, 0, 0, 0, 1};
    grid a = grid_of(dims, ras), b = grid_of(dims, flipped), c = grid_of(turned, other);
    GOOD(grid_same(&a, "t2", &b, "t1"));
    GOOD(grid_same(&a, "t2", &c, "t1"));
    assert_true(grid_distance(&a, &b) < 1e-9);
}

static void grids_that_differ_are_told_in_voxels_or_millimetres(void **state)
{
    (void)state;
    const int64_t dims[3] = {60, 72, 24}, fewer[3] = {60, 72, 23};
    double moved[16], rounded[16];
    memcpy(moved, ras, sizeof moved);
    memcpy(rounded, ras, sizeof rounded);
    moved[11] += 0.5;
    rounded[3] += 0.02;
    rounded[1] += 3e-4; /* a quaternion's rounding, at the far end 0.02 mm */
    grid a = grid_of(dims, ras), b = grid_of(fewer, ras), c = grid_of(dims, moved),
         d = grid_of(dims, rounded);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "t2 lies on another grid than t1: 60 x 72 x 23 voxels",
                grid_same(&b, "t2", &a, "t1"));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "t1 has 60 x 72 x 24", grid_same(&b, "t2", &a, "t1"));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "up to 0.5 mm apart", grid_same(&c, "t2", &a, "t1"));
    GOOD(grid_same(&d, "t2", &a, "t1"));
}

static void a_grid_of_another_spacing_has_the_same_middle_and_lower_end(void **state)
{
    (void)state;
    const int64_t dims[3] = {121, 145, 25};
    const double affine[16] = {.5, 0, 0, -30, 0, .5, 0, -36, 0, 0, 1, -12, 0, 0, 0, 1}, one[3] = {1, 1, 2};
    grid from = grid_of(dims, affine), to = grid_with_spacing(&from, one);
    assert_int_equal(to.dims[0], 61); /* 60.5 mm */
    assert_int_equal(to.dims[1], 73);
    assert_int_equal(to.dims[2], 13);
    for (int r = 0; r < 2; r++) { /* of the columns, only r is not 0 in row r */
        double middle = from.affine[4 * r + r] * 0.5 * (double)(from.dims[r] - 1) + from.affine[4 * r + 3];
        double after = to.affine[4 * r + r] * 0.5 * (double)(to.dims[r] - 1) + to.affine[4 * r + 3];
        assert_true(fabs(middle - after) < 1e-9);
    }
    assert_true(fabs((from.affine[11] - 0.5) - (to.affine[11] - 1)) < 1e-9); /* lower faces of the voxels */
}

/* ---- resampling ---- */

static float ramp(const grid *g, const int64_t at[3])
{
    double v = 5;
    for (int a = 0; a < 3; a++)
        v += (a + 1) * (g->affine[4 * a + 3] + g->affine[5 * a] * (double)at[a]);
    return (float)v;
}

/* A ramp in patient millimetres, whatever the grid; ends apart, where the outermost voxel goes on. */
static void check_ramp(const double spacing[3], double end)
{
    const int64_t dims[3] = {30, 36, 12};
    mem m;
    mem_init(&m, NULL, NULL, NULL, 0);
    grid from = grid_of(dims, ras), to = grid_with_spacing(&from, spacing);
    float *in = malloc(30 * 36 * 12 * sizeof *in);
    float *out = malloc((size_t)(to.dims[0] * to.dims[1] * to.dims[2]) * sizeof *out), *v = in;
    int64_t at[3];
    for (at[2] = 0; at[2] < dims[2]; at[2]++)
        for (at[1] = 0; at[1] < dims[1]; at[1]++)
            for (at[0] = 0; at[0] < dims[0]; at[0]++)
                *v++ = ramp(&from, at);
    GOOD(resample_volume(&m, &from, in, &to, out));
    v = out;
    for (at[2] = 0; at[2] < to.dims[2]; at[2]++)
        for (at[1] = 0; at[1] < to.dims[1]; at[1]++)
            for (at[0] = 0; at[0] < to.dims[0]; at[0]++, v++) {
                int inner = 1;
                for (int a = 0; a < 3; a++) {
                    double mm = ((double)at[a] + 0.5) * to.spacing[a];
                    inner &= mm > end && mm < (double)dims[a] - end;
                }
                if (inner)
                    assert_true(fabs(*v - ramp(&to, at)) <
                                1e-4); /* of values up to 300: float32's rounding */
            }
    assert_int_equal(m.live, 0);
    free(in);
    free(out);
}

static void resampling_keeps_a_ramp_and_the_same_spacing_every_bit(void **state)
{
    (void)state;
    check_ramp((const double[3]){0.5, 0.5, 0.5}, 0.6);
    check_ramp((const double[3]){2, 2, 2}, 3.1);
    check_ramp((const double[3]){0.7, 1.3, 2.5}, 4);
    const int64_t dims[3] = {6, 5, 4};
    mem m;
    mem_init(&m, NULL, NULL, NULL, 0);
    grid g = grid_of(dims, ras);
    float in[120], out[120];
    for (int i = 0; i < 120; i++)
        in[i] = (float)sin(i);
    GOOD(resample_volume(&m, &g, in, &g, out));
    assert_memory_equal(in, out, sizeof in);
}

static double at_voxel(const slmt_volume *v, const int64_t at[3], double mm[3])
{
    double affine[16];
    int64_t dims[3];
    slmt_volume_affine(v, affine);
    slmt_volume_dims(v, dims);
    for (int r = 0; r < 3; r++) {
        mm[r] = affine[4 * r + 3];
        for (int a = 0; a < 3; a++)
            mm[r] += affine[4 * r + a] * (double)at[a];
    }
    return slmt_volume_voxels(v)[at[0] + dims[0] * (at[1] + dims[1] * at[2])];
}

/* Grey values change by at most 0.25 * 200 + 0.3 * 100 + ... < 120 from one millimetre to the next, and bend
 * far less: between voxels half a millimetre apart a straight line misses them by less than 3. */
static void a_resampled_volume_shows_the_same_head_at_the_same_place(void **state)
{
    (void)state;
    scan half = one_mm;
    half.spacing[0] = half.spacing[1] = half.spacing[2] = 0.5;
    slmt_volume *v = make_scan(&half), *made = NULL;
    GOOD(slmt_volume_resample(v, (const double[3]){0.75, 0.6, 0.5}, SLMT_RESIZE_BILINEAR, &made));
    int64_t at[3], dims[3], inside = 0;
    double mm[3];
    slmt_volume_dims(made, dims);
    assert_int_equal(dims[0], 80);
    assert_int_equal(dims[1], 120);
    assert_int_equal(dims[2], 48);
    for (at[2] = 0; at[2] < dims[2]; at[2]++)
        for (at[1] = 0; at[1] < dims[1]; at[1]++)
            for (at[0] = 0; at[0] < dims[0]; at[0]++) {
                double is = at_voxel(made, at, mm);
                if (head_at(mm, 0, 0.9) == 0) /* near the edge the air is mixed in */
                    continue;
                inside++;
                assert_true(fabs(is - head_at(mm, 0, 1)) < 3);
            }
    assert_true(inside > 50000);
    slmt_volume_free(made);
    slmt_volume_free(v);
}

static void resampled_labels_are_labels_that_were_there(void **state)
{
    (void)state;
    const int64_t dims[3] = {3, 4, 2};
    float labels[24];
    int64_t at[3], count[24] = {0};
    double mm[3];
    slmt_volume *v = NULL, *made = NULL;
    for (int i = 0; i < 24; i++)
        labels[i] = (float)i;
    GOOD(slmt_volume_create(context, dims, NULL, labels, &v));
    GOOD(slmt_volume_resample(v, (const double[3]){0.5, 0.5, 0.5}, SLMT_RESIZE_NEAREST, &made));
    for (at[2] = 0; at[2] < 4; at[2]++)
        for (at[1] = 0; at[1] < 8; at[1]++)
            for (at[0] = 0; at[0] < 6; at[0]++) {
                double is = at_voxel(made, at, mm); /* the old voxels' centres are whole millimetres */
                assert_true(is == lround(mm[0]) + 3 * (lround(mm[1]) + 4 * lround(mm[2])));
                count[(int)is]++;
            }
    for (int i = 0; i < 24; i++)
        assert_int_equal(count[i], 8);
    slmt_volume_free(made);
    slmt_volume_free(v);
}

static void resampling_refuses_what_cannot_be(void **state)
{
    (void)state;
    slmt_volume *v = make_scan(&one_mm), *made = NULL;
    const double one[3] = {1, 1, 1};
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "spacing[1] is 0",
                slmt_volume_resample(v, (const double[3]){1, 0, 1}, SLMT_RESIZE_BILINEAR, &made));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "spacing[2] is nan",
                slmt_volume_resample(v, (const double[3]){1, 1, NAN}, SLMT_RESIZE_BILINEAR, &made));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "would have more than",
                slmt_volume_resample(v, (const double[3]){1e-9, 1e-9, 1e-9}, SLMT_RESIZE_BILINEAR, &made));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "resize is 2", slmt_volume_resample(v, one, 2, &made));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_volume_resample(NULL, one, SLMT_RESIZE_BILINEAR, &made));
    assert_null(made);
    slmt_volume_free(v);
}

/* ---- a scan of other voxels, as a model sees it ---- */

static float *slices_of(const slmt_model *model, const scan *s, int32_t spacing, volume_view *view,
                        slmt_volume **v)
{
    float *slices = NULL;
    *v = make_scan(s);
    GOOD(volume_slices(model, &context->mem, *v, spacing, view, &slices));
    assert_int_equal(view->count, 12);
    return slices;
}

/* The mean difference where the first is not 0. */
static double difference(const float *a, const float *b, size_t n)
{
    double sum = 0;
    size_t head = 0;
    for (size_t i = 0; i < n; i++)
        if (a[i] > 0) {
            sum += fabs(a[i] - b[i]);
            head++;
        }
    assert_true(head > n / 10);
    return sum / (double)head;
}

/* Of scans that sample the same head, the slices differ by what linear interpolation loses of waves of 25 mm
 * and by half a voxel at the edge of the head: 0.03 of a range of 1. Counted in voxels, they show other
 * places: five times that. */
static void resampled_slices_show_what_those_of_the_trainings_voxels_show(void **state)
{
    (void)state;
    static const double spacings[][3] = {{.5, .5, 1}, {2, 2, 1}, {.5, .5, .5}, {1, 1, 2}, {1.2, .8, 1}};
    slmt_model *model = taught_model();
    volume_view view;
    slmt_volume *v;
    float *want = slices_of(model, &one_mm, SLMT_SPACING_REFUSE, &view, &v);
    slmt_volume_free(v);
    for (size_t k = 0; k < sizeof spacings / sizeof *spacings; k++) {
        scan s = one_mm;
        memcpy(s.spacing, spacings[k], sizeof s.spacing);
        hush();
        float *got = slices_of(model, &s, SLMT_SPACING_RESAMPLE, &view, &v);
        double d = difference(want, got, 12 * PIXELS);
        if (!(d < 0.03))
            fail_msg("spacing %g x %g x %g: slices differ by %g", s.spacing[0], s.spacing[1], s.spacing[2],
                     d);
        assert_int_equal(view.resampled, 1);
        assert_int_equal(warnings, 0);
        mem_give(&context->mem, got);
        slmt_volume_free(v);
    }
    scan half = one_mm;
    half.spacing[0] = half.spacing[1] = 0.5;
    float *got = slices_of(model, &half, SLMT_SPACING_ANY, &view, &v);
    assert_true(difference(want, got, 12 * PIXELS) > 0.15);
    assert_said(1, "of the head lies in crop and slices");
    mem_give(&context->mem, got);
    slmt_volume_free(v);
    mem_give(&context->mem, want);
    slmt_model_free(model);
}

/* There and back: the volume has its own grid, and in the slices its own grey values. */
static void a_resampled_result_lies_on_the_scans_own_voxels(void **state)
{
    (void)state;
    static const double spacings[][3] = {{.5, .5, 1}, {2, 2, 1}, {.5, .5, .5}};
    slmt_model *model = taught_model();
    for (size_t k = 0; k < sizeof spacings / sizeof *spacings; k++) {
        scan s = one_mm;
        volume_view view;
        slmt_volume *v, *back = NULL;
        memcpy(s.spacing, spacings[k], sizeof s.spacing);
        float *slices = slices_of(model, &s, SLMT_SPACING_RESAMPLE, &view, &v);
        GOOD(volume_of_slices(&view, slices, &back));
        assert_memory_equal(back->scan.dims, v->scan.dims, sizeof v->scan.dims);
        assert_memory_equal(back->scan.affine, v->scan.affine, sizeof v->scan.affine);
        size_t plane = (size_t)(v->scan.dims[0] * v->scan.dims[1]);
        double sum = 0, top = 800; /* the largest grey value */
        size_t head = 0;
        for (size_t i = 0; i < plane * (size_t)v->scan.dims[2]; i++) {
            double up = ((double)(i / plane) + 0.5) * s.spacing[2]; /* slices 6 to 17 */
            if (v->scan.voxels[i] > 0 && up > 6.5 && up < 17.5) {
                sum += fabs(v->scan.voxels[i] / top - back->scan.voxels[i]);
                head++;
            }
            if (up < 5 || up > 19)
                assert_true(back->scan.voxels[i] == 0);
        }
        if (!(sum / (double)head < 0.03)) /* twice interpolated, and the range by percentiles */
            fail_msg("spacing %g: grey values differ by %g", s.spacing[0], sum / (double)head);
        mem_give(&context->mem, slices);
        slmt_volume_free(back);
        slmt_volume_free(v);
    }
    slmt_model_free(model);
}

/* ---- what is told ---- */

static void view_scan(const slmt_model *model, const scan *s)
{
    volume_view view;
    slmt_volume *v;
    float *slices = slices_of(model, s, SLMT_SPACING_RESAMPLE, &view, &v);
    mem_give(&context->mem, slices);
    slmt_volume_free(v);
}

static void a_scan_that_lies_otherwise_is_told_with_numbers(void **state)
{
    (void)state;
    slmt_model *model = taught_model();
    hush();
    view_scan(model, &one_mm);
    assert_int_equal(warnings, 0);
    scan above = {{1, 1, 1}, {60, 72, 64}, 20, 1}; /* 40 mm of air below the head */
    view_scan(model, &above);
    assert_said(1, "slices 6 to 17 of 64, counted from below, are all empty");
    scan higher = {{1, 1, 1}, {60, 72, 24}, 3, 1};
    view_scan(model, &higher);
    assert_said(1, "the head's middle lies 3 mm above the middle of the slices, in training 0 to 0 mm");
    scan larger = {{1, 1, 1}, {100, 72, 24}, 0, 1};
    view_scan(model, &larger);
    assert_said(1, "its field of view is 100 x 72 x 24 mm, in training 60 x 72 x 24 mm");
    scan lizard = {{1, 1, 1}, {60, 72, 24}, 0, 0.4};
    view_scan(model, &lizard);
    assert_said(1, "its head is 18 x 24 x 8 mm, in training 48 x 60 x 18 mm");
    scan fine = {{.3, .3, .5}, {30, 36, 24}, 0, 0.4}; /* resampled, and still a lizard */
    view_scan(model, &fine);
    assert_said(1, "its head is");
    slmt_model_free(model);
}

static void a_result_of_zeros_is_told(void **state)
{
    (void)state;
    slmt_model *model = taught_model();
    volume_view view;
    slmt_volume *v, *back = NULL;
    float *slices = slices_of(model, &one_mm, SLMT_SPACING_REFUSE, &view, &v);
    hush();
    GOOD(volume_of_slices(&view, slices, &back));
    GOOD(volume_check_result(&view, back));
    assert_int_equal(warnings, 0);
    memset(back->scan.voxels, 0, (size_t)(60 * 72 * 24) * sizeof(float));
    GOOD(volume_check_result(&view, back));
    assert_said(1, "the model made 0 % only");
    mem_give(&context->mem, slices);
    slmt_volume_free(back);
    slmt_volume_free(v);
    slmt_model_free(model);
}

/* ---- sessions ---- */

static slmt_session *open_session(slmt_model *model)
{
    slmt_session *session = NULL;
    GOOD(slmt_net_session_create(model, NULL, &session));
    return session;
}

static void a_session_refuses_other_voxels_unless_it_is_told_what_to_do(void **state)
{
    (void)state;
    slmt_model *model = taught_model();
    slmt_session *session = open_session(model);
    scan half = one_mm, nearly = one_mm;
    half.spacing[0] = half.spacing[1] = 0.5;
    nearly.spacing[0] = 60 / 59.; /* 1.7 % */
    slmt_volume *v = make_scan(&half), *near = make_scan(&nearly), *target = NULL;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT,
                "its voxels are 0.5 x 0.5 x 1 mm, those of the model's training 1 x 1 x 1 mm",
                slmt_synthesize_volume(session, v, &target));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "0.5 x 0.5 x 1 mm", slmt_normalize_volume(model, v, &target));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "0.5 x 0.5 x 1 mm", slmt_session_normalize_volume(session, v, &target));
    assert_null(target);
    GOOD(slmt_synthesize_volume(session, near, &target));
    slmt_volume_free(target);
    for (int32_t spacing = SLMT_SPACING_RESAMPLE; spacing <= SLMT_SPACING_ANY; spacing++) {
        GOOD(slmt_session_set_spacing(session, spacing));
        GOOD(slmt_synthesize_volume(session, v, &target));
        assert_memory_equal(target->scan.dims, v->scan.dims, sizeof v->scan.dims);
        slmt_volume_free(target);
        GOOD(slmt_session_normalize_volume(session, v, &target));
        assert_memory_equal(target->scan.dims, v->scan.dims, sizeof v->scan.dims);
        slmt_volume_free(target);
        target = NULL;
    }
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "spacing is 3", slmt_session_set_spacing(session, 3));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_session_set_spacing(NULL, 0));
    slmt_volume_free(v);
    slmt_volume_free(near);
    slmt_session_free(session);
    slmt_model_free(model);
}

static void a_model_that_does_not_know_its_voxels_says_so_once_for_each_session(void **state)
{
    (void)state;
    slmt_model *model = taught_model();
    GOOD(slmt_model_set_geometry(model, NULL));
    slmt_session *session = open_session(model);
    slmt_volume *v = make_scan(&one_mm), *target = NULL;
    hush();
    for (int i = 0; i < 2; i++) {
        GOOD(slmt_synthesize_volume(session, v, &target));
        slmt_volume_free(target);
        target = NULL;
    }
    assert_said(1, "does not know the voxel size");
    slmt_session_free(session);
    session = open_session(model);
    refuse = 1;
    EXPECT_TEXT(SLMT_ERR_CANCELLED, "does not know", slmt_synthesize_volume(session, v, &target));
    refuse = 0;
    assert_null(target);
    hush();
    slmt_volume_free(v);
    slmt_session_free(session);
    slmt_model_free(model);
}

/* ---- sets and models ---- */

static slmt_status add_scan(slmt_dataset_writer *w, const char *name, const scan *s, int32_t split)
{
    slmt_volume *v = make_scan(s);
    slmt_status status = slmt_dataset_writer_add(w, name, (const slmt_volume *const[]){v, v}, split);
    slmt_volume_free(v);
    return status;
}

static slmt_dataset_writer *start_set(const char *path)
{
    const slmt_preprocess p = settings();
    slmt_dataset_writer *w = NULL;
    GOOD(slmt_dataset_writer_create_mr(context, path, &p, (const char *const[]){"t1", "t2"}, 2, &w));
    return w;
}

static void a_set_refuses_to_mix_voxel_sizes_unless_it_is_meant(void **state)
{
    (void)state;
    scan half = one_mm;
    half.spacing[0] = 0.5;
    slmt_geometry g = {.struct_size = sizeof g};
    slmt_dataset *set = NULL;
    slmt_dataset_writer *w = start_set(in_folder("set.h5"));
    GOOD(add_scan(w, "a", &one_mm, SLMT_SPLIT_TRAIN));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT,
                "b: its voxels are 0.5 x 1 x 1 mm, those of the subjects before it 1 x 1 x 1 mm",
                add_scan(w, "b", &half, SLMT_SPLIT_TRAIN));
    GOOD(add_scan(w, "c", &one_mm, SLMT_SPLIT_TRAIN));
    GOOD(slmt_dataset_writer_any_spacing(w));
    GOOD(add_scan(w, "d", &half, SLMT_SPLIT_TEST));
    GOOD(slmt_dataset_writer_finish(w));
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    GOOD(slmt_dataset_geometry(set, SLMT_SPLIT_ALL, &g));
    assert_int_equal(g.volumes, 3);
    assert_true(g.spacing_least[0] == 0.5 && g.spacing_most[0] == 1 && g.spacing_least[1] == 1);
    GOOD(slmt_dataset_geometry(set, SLMT_SPLIT_TEST, &g));
    assert_int_equal(g.volumes, 1);
    assert_true(g.spacing_most[0] == 0.5);
    EXPECT(SLMT_ERR_ARGUMENT, slmt_dataset_geometry(set, 99, &g));
    slmt_dataset_free(set);
}

static void contrasts_on_other_grids_are_told_by_their_names(void **state)
{
    (void)state;
    scan other = one_mm;
    other.field[2] = 23;
    slmt_volume *a = make_scan(&one_mm), *b = make_scan(&other);
    slmt_dataset_writer *w = start_set(in_folder("grids.h5"));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "s1: t2 lies on another grid than t1: 60 x 72 x 23 voxels",
                slmt_dataset_writer_add(w, "s1", (const slmt_volume *const[]){a, b}, SLMT_SPLIT_TRAIN));
    slmt_dataset_writer_cancel(w);
    slmt_volume_free(a);
    slmt_volume_free(b);
}

static void a_volumes_geometry_is_in_millimetres(void **state)
{
    (void)state;
    const scan s = {{0.5, 1, 2}, {60, 72, 24}, 2, 1};
    slmt_preprocess p = settings();
    slmt_geometry g = {.struct_size = sizeof g};
    slmt_volume *v = make_scan(&s);
    p.slice_first = 2;
    p.slice_count = 8;
    p.crop_size = 120;
    GOOD(slmt_volume_geometry(v, &p, &g));
    slmt_volume_free(v);
    assert_int_equal(g.volumes, 1);
    for (int a = 0; a < 3; a++) {
        assert_true(fabs(g.spacing_least[a] - s.spacing[a]) < 1e-9 &&
                    g.spacing_least[a] == g.spacing_most[a]);
        assert_true(fabs(g.field_least[a] - s.field[a]) < 1e-9);
    }
    assert_true(fabs(g.head_least[0] - 48) <= 1 && fabs(g.head_least[1] - 60) <= 2 &&
                fabs(g.head_least[2] - 18) <= 4);
    assert_true(fabs(g.place_least[0]) <= 0.5 && fabs(g.place_least[1]) <= 1);
    assert_true(g.part_least > 0.9 && g.part_least < 1); /* the head ends at 23 mm, the slices at 20 */
    assert_true(g.part_least == g.part_most);
    assert_true(fabs(g.place_least[2] - (14 - 12)) <= 1); /* the middle of the head less that of the slices */
}

/* A training set of two subjects of 1 mm and one for testing of 2 mm slices. */
static void write_set(const char *path)
{
    scan thick = one_mm;
    thick.spacing[2] = 1.5;
    thick.field[2] = 36;
    slmt_dataset_writer *w = start_set(path);
    GOOD(slmt_dataset_writer_any_spacing(w));
    GOOD(add_scan(w, "a", &one_mm, SLMT_SPLIT_TRAIN));
    GOOD(add_scan(w, "b", &one_mm, SLMT_SPLIT_TRAIN));
    GOOD(add_scan(w, "c", &thick, SLMT_SPLIT_TEST));
    GOOD(slmt_dataset_writer_finish(w));
}

static void train_a_step(slmt_model *model, const char *path)
{
    slmt_net_trainer_config config;
    slmt_trainer *trainer = NULL;
    slmt_dataset *set = NULL;
    GOOD(slmt_net_trainer_config_init(&config, SLMT_NET_STAGE_PRETRAIN));
    config.batch = 1;
    GOOD(slmt_net_trainer_create(model, &config, &trainer));
    GOOD(slmt_dataset_open(context, path, &set));
    GOOD(slmt_trainer_run(trainer, set, NULL, NULL, 1, NULL, NULL));
    GOOD(slmt_trainer_run(trainer, set, NULL, NULL, 1, NULL, NULL));
    slmt_dataset_free(set);
    slmt_trainer_free(trainer);
}

static void a_model_keeps_the_geometry_of_what_it_was_trained_on(void **state)
{
    (void)state;
    slmt_geometry g = {.struct_size = sizeof g}, loaded = g;
    const slmt_geometry one = geometry_of(&one_mm);
    slmt_model *model = small_model(context, 1), *again = NULL;
    GOOD(slmt_model_get_geometry(model, &g));
    assert_int_equal(g.volumes, 0);
    write_set(in_folder("train.h5"));
    hush();
    train_a_step(model, in_folder("train.h5"));
    assert_int_equal(warnings, 0);
    GOOD(slmt_model_get_geometry(model, &g));
    assert_int_equal(g.volumes, 2); /* the test subject does not count */
    assert_memory_equal(g.spacing_least, one.spacing_least,
                        sizeof g - offsetof(slmt_geometry, spacing_least));
    GOOD(slmt_model_save(model, in_folder("model.h5")));
    GOOD(slmt_model_load(context, in_folder("model.h5"), &again));
    GOOD(slmt_model_get_geometry(again, &loaded));
    assert_memory_equal(&g, &loaded, sizeof g);
    slmt_model_free(again);
    slmt_model_free(model);
}

/* As an older library wrote it: records without their geometry. */
static void strip_geometry(const char *path)
{
    static const char *const records[] = {"/subjects/a", "/subjects/b", "/subjects/c"};
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    for (size_t r = 0; r < 3; r++)
        for (int i = 0; i < GEOMETRY_NUMBERS; i++)
            assert_true(H5Adelete_by_name(file, records[r], geometry_names[i], H5P_DEFAULT) >= 0);
    close_and_seal_set(file, path);
}

static void training_on_other_voxels_or_unknown_ones_is_told_once(void **state)
{
    (void)state;
    slmt_geometry unknown = {.struct_size = sizeof unknown};
    slmt_geometry other = geometry_of(&one_mm);
    slmt_model *model = small_model(context, 1);
    other.spacing_least[0] = other.spacing_most[0] = 0.7;
    GOOD(slmt_model_set_geometry(model, &other));
    hush();
    train_a_step(model, in_folder("train.h5"));
    assert_said(1, "the set's voxels are 1 x 1 x 1 mm, and the model was trained on 0.7 x 1 x 1 mm before");
    strip_geometry(in_folder("train.h5"));
    train_a_step(model, in_folder("train.h5"));
    assert_said(1, "the training set does not know the voxel size of its volumes");
    GOOD(slmt_model_get_geometry(model, &unknown));
    assert_int_equal(unknown.volumes, 0);
    slmt_model_free(model);
}

static void a_geometry_that_cannot_be_is_refused(void **state)
{
    (void)state;
    const slmt_geometry good = geometry_of(&one_mm);
    slmt_model *model = small_model(context, 1);
    slmt_geometry g = good;
    g.spacing_least[1] = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "slmt_geometry", slmt_model_set_geometry(model, &g));
    g = good;
    g.head_most[2] = NAN;
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_set_geometry(model, &g));
    g = good;
    g.part_least = 1;
    g.part_most = 0.5;
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_set_geometry(model, &g));
    GOOD(slmt_model_set_geometry(model, &good));
    slmt_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_voxels_in_another_order_are_one_grid),
        cmocka_unit_test(grids_that_differ_are_told_in_voxels_or_millimetres),
        cmocka_unit_test(a_grid_of_another_spacing_has_the_same_middle_and_lower_end),
        cmocka_unit_test(resampling_keeps_a_ramp_and_the_same_spacing_every_bit),
        cmocka_unit_test(a_resampled_volume_shows_the_same_head_at_the_same_place),
        cmocka_unit_test(resampled_labels_are_labels_that_were_there),
        cmocka_unit_test(resampling_refuses_what_cannot_be),
        cmocka_unit_test(resampled_slices_show_what_those_of_the_trainings_voxels_show),
        cmocka_unit_test(a_resampled_result_lies_on_the_scans_own_voxels),
        cmocka_unit_test(a_scan_that_lies_otherwise_is_told_with_numbers),
        cmocka_unit_test(a_result_of_zeros_is_told),
        cmocka_unit_test(a_session_refuses_other_voxels_unless_it_is_told_what_to_do),
        cmocka_unit_test(a_model_that_does_not_know_its_voxels_says_so_once_for_each_session),
        cmocka_unit_test(a_set_refuses_to_mix_voxel_sizes_unless_it_is_meant),
        cmocka_unit_test(contrasts_on_other_grids_are_told_by_their_names),
        cmocka_unit_test(a_volumes_geometry_is_in_millimetres),
        cmocka_unit_test(a_model_keeps_the_geometry_of_what_it_was_trained_on),
        cmocka_unit_test(training_on_other_voxels_or_unknown_ones_is_told_once),
        cmocka_unit_test(a_geometry_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
