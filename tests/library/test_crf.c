/* SPDX-License-Identifier: Apache-2.0 */
/* The conditional random field and the lattice: what must hold of any, and cases recorded in
 * seg_losses_metrics.h5 (SLMT_PARITY_DIR, or ../shared/parity), which NumPy computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "data/crf.h"
#include "data/lattice.h"
#include "lib/random.h"
#include "tests/methods/parity_file.h"

#include <cmocka.h> /* last: it has a macro fail() */

static mem m;

static int make_memory(void **state)
{
    (void)state;
    mem_init(&m, NULL, NULL, NULL, 0);
    return 0;
}

/* ---- the recorded file ---- */

static void each_case(const char *kind, void (*check)(hid_t group))
{
    char path[1024];
    const char *given = getenv("SLMT_PARITY_DIR");
    H5G_info_t info;
    snprintf(path, sizeof path, "%s/seg_losses_metrics.h5",
             given ? given : SLMT_SOURCE_DIR "/../shared/parity");
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("%s is not there: skipped\n", path);
        skip();
    }
    fclose(f);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), all = H5Gopen2(file, kind, H5P_DEFAULT);
    H5Gget_info(all, &info);
    assert_true(info.nlinks > 0);
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[64];
        H5Lget_name_by_idx(all, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        hid_t group = H5Gopen2(all, name, H5P_DEFAULT);
        check(group);
        H5Gclose(group);
    }
    H5Gclose(all);
    H5Fclose(file);
}

static void extents(hid_t group, const char *name, hsize_t dim[3])
{
    hid_t d = H5Dopen2(group, name, H5P_DEFAULT), space = H5Dget_space(d);
    H5Sget_simple_extent_dims(space, dim, NULL);
    H5Sclose(space);
    H5Dclose(d);
}

static crf_normalization normalization_of(hid_t group)
{
    static const char *const names[] = {"symmetric", "before", "after", "none"};
    char *text = NULL;
    int found = 4;
    hid_t a = H5Aopen(group, "normalisation", H5P_DEFAULT), type = H5Aget_type(a);
    assert_true(H5Aread(a, type, &text) >= 0);
    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0)
            found = i;
    assert_true(found < 4);
    H5free_memory(text);
    H5Tclose(type);
    H5Aclose(a);
    return (crf_normalization)found;
}

static crf_options options_of(hid_t group)
{
    crf_options o = crf_defaults();
    o.steps = (int32_t)parity_attr(group, "T", 0);
    o.normalization = normalization_of(group);
    o.include_self = parity_attr(group, "include_self", 0) != 0;
    o.weight[0] = parity_attr(group, "w_gaussian", 0);
    o.weight[1] = parity_attr(group, "w_bilateral", 0);
    o.near_sd = parity_attr(group, "s_gaussian", 0);
    o.position_sd = parity_attr(group, "s_position", 0);
    o.intensity_sd = parity_attr(group, "s_intensity", 0);
    o.spacing[1] = parity_attr(group, "spacing", 0);
    o.spacing[2] = parity_attr(group, "spacing", 1);
    return o;
}

static void same(hid_t group, const char *name, const double *got, double tolerance)
{
    reference_data r = parity_read(group, name);
    double limit = tolerance > 0 ? tolerance : 1e-9 * parity_max_abs(r.x, r.n) + 1e-12;
    for (size_t i = 0; i < r.n; i++)
        if (!(fabs(got[i] - r.x[i]) <= limit))
            fail_msg("%s: number %zu is %.12g, not %.12g", name, i, got[i], r.x[i]);
    free(r.x);
}

static void check_engines(hid_t group, crf_options o, const crf_image *x, double *q)
{
    o.engine = CRF_EXACT;
    assert_int_equal(crf_refine(&m, &o, x, q), OK);
    same(group, "Q", q, 0);
    o.engine = CRF_WINDOW;
    o.reach = 64;
    assert_int_equal(crf_refine(&m, &o, x, q), OK);
    same(group, "Q", q, 0);
    if (H5Lexists(group, "Q_lattice", H5P_DEFAULT) > 0) {
        hid_t d = H5Dopen2(group, "Q_lattice", H5P_DEFAULT);
        o.engine = CRF_LATTICE;
        assert_int_equal(crf_refine(&m, &o, x, q), OK);
        same(group, "Q_lattice", q, parity_attr(d, "tolerance", 0));
        H5Dclose(d);
    }
}

static void check_crf(hid_t group)
{
    hsize_t dim[3], channels[3];
    reference_data p = parity_read(group, "prob"), image = parity_read(group, "image");
    crf_options o = options_of(group);
    extents(group, "prob", dim);
    extents(group, "image", channels);
    const crf_image x = {.dim = {1, (int64_t)dim[1], (int64_t)dim[2]},
                         .axes = 2,
                         .channels = (int32_t)channels[0],
                         .classes = (int32_t)dim[0],
                         .intensity = image.x,
                         .p = p.x};
    double *q = calloc(p.n, sizeof *q), dw[2];
    check_engines(group, o, &x, q);
    if (H5Lexists(group, "grad_unary", H5P_DEFAULT) > 0) {
        reference_data r = parity_read(group, "R");
        for (o.engine = CRF_EXACT; o.engine <= CRF_WINDOW; o.engine++) {
            o.reach = 64;
            assert_int_equal(crf_gradient(&m, &o, &x, r.x, q, dw), OK);
            same(group, "grad_unary", q, 0);
            same(group, "grad_w", dw, 0);
        }
        free(r.x);
    }
    free(q);
    free(p.x);
    free(image.x);
}

static void check_lattice(hid_t group)
{
    hsize_t dim[3], channels[3];
    lattice l;
    reference_data features = parity_read(group, "features"), values = parity_read(group, "values");
    double *out = calloc(values.n, sizeof *out);
    extents(group, "features", dim);
    extents(group, "values", channels);
    assert_int_equal(lattice_open(&l, &m, features.x, dim[0], (int32_t)dim[1], (int32_t)channels[1]), OK);
    assert_int_equal(l.count, (size_t)parity_attr(group, "lattice_points", 0));
    lattice_filter(&l, values.x, out);
    same(group, "filtered", out, 1e-9);
    lattice_close(&l);
    free(out);
    free(features.x);
    free(values.x);
}

static void fields_of_every_engine_are_as_recorded(void **state)
{
    (void)state;
    each_case("crf", check_crf);
}

static void lattices_are_as_recorded(void **state)
{
    (void)state;
    each_case("lattice", check_lattice);
}

/* ---- what must hold ---- */

enum { H = 7, W = 6, K = 3, N = H * W };

static crf_image image_of(double *intensity, double *p)
{
    for (int i = 0; i < N; i++) {
        double sum = 0;
        intensity[i] = 100 + 60 * sin(i * 0.7);
        for (int k = 0; k < K; k++)
            sum += p[k * N + i] = 1.1 + sin(i * 1.3 + k * 2.1);
        for (int k = 0; k < K; k++)
            p[k * N + i] /= sum;
    }
    return (crf_image){
        .dim = {1, H, W}, .axes = 2, .channels = 1, .classes = K, .intensity = intensity, .p = p};
}

static void without_kernels_probabilities_stay(void **state)
{
    (void)state;
    double intensity[N], p[K * N], q[K * N];
    const crf_image x = image_of(intensity, p);
    crf_options o = crf_defaults();
    o.weight[0] = o.weight[1] = 0;
    for (o.engine = CRF_EXACT; o.engine <= CRF_LATTICE; o.engine++) {
        assert_int_equal(crf_refine(&m, &o, &x, q), OK);
        for (int i = 0; i < K * N; i++)
            assert_true(fabs(q[i] - p[i]) < 1e-12);
    }
}

/* A slice is a volume of one slice; a window of no reach is each pixel by itself. */
static void volumes_and_windows_are_what_they_say(void **state)
{
    (void)state;
    double intensity[N], p[K * N], q[K * N], r[K * N];
    crf_image x = image_of(intensity, p);
    crf_options o = crf_defaults();
    o.engine = CRF_EXACT;
    assert_int_equal(crf_refine(&m, &o, &x, q), OK);
    x.axes = 3;
    assert_int_equal(crf_refine(&m, &o, &x, r), OK);
    assert_memory_equal(q, r, sizeof q);
    o.engine = CRF_WINDOW;
    o.reach = 0;
    o.steps = 1;
    assert_int_equal(crf_refine(&m, &o, &x, q), OK);
    for (int i = 0; i < N; i++) { /* K = D = 1: logits are log p + 13 p */
        double sum = 0;
        for (int k = 0; k < K; k++)
            sum += exp(log(p[k * N + i]) + 13 * p[k * N + i]);
        for (int k = 0; k < K; k++)
            assert_true(fabs(q[k * N + i] - exp(log(p[k * N + i]) + 13 * p[k * N + i]) / sum) < 1e-12);
    }
}

/* A pair's kernel, as it is published. */
static double kernel_of(const crf_options *o, const double *intensity, int kind, int i, int j)
{
    double y = i / W - j / W, x = i % W - j % W, d = y * y + x * x;
    double shade = intensity[i] - intensity[j];
    return kind == 0 ? exp(-d / (2 * o->near_sd * o->near_sd))
                     : exp(-d / (2 * o->position_sd * o->position_sd) -
                           shade * shade / (2 * o->intensity_sd * o->intensity_sd));
}

/* What pixel i hears from all others about class k. */
static double message(const crf_options *o, const double *intensity, const double *q, int i, int k)
{
    double sum = 0;
    for (int kind = 0; kind < 2; kind++) {
        double own = 0;
        for (int j = 0; j < N; j++)
            own += kernel_of(o, intensity, kind, i, j);
        for (int j = 0; j < N; j++) {
            double its = 0;
            for (int l = 0; l < N; l++)
                its += kernel_of(o, intensity, kind, j, l);
            sum += o->weight[kind] * kernel_of(o, intensity, kind, i, j) / sqrt(own * its) * q[k * N + j];
        }
    }
    return sum;
}

/* One step from p: each pair of pixels, in the plainest way. */
static void step_plainly(const crf_options *o, const double *intensity, const double *p, const double *q,
                         double *next)
{
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int k = 0; k < K; k++)
            sum += next[k * N + i] = p[k * N + i] * exp(message(o, intensity, q, i, k));
        for (int k = 0; k < K; k++)
            next[k * N + i] /= sum;
    }
}

static void an_exact_field_and_a_window_as_large_as_the_image_are_double_loops(void **state)
{
    (void)state;
    double intensity[N], p[K * N], q[K * N], once[K * N], twice[K * N];
    const crf_image x = image_of(intensity, p);
    crf_options o = crf_defaults();
    o.steps = 2;
    o.position_sd = 4;
    o.weight[0] = 0.3;
    o.weight[1] = 0.7;
    step_plainly(&o, intensity, p, p, once);
    step_plainly(&o, intensity, p, once, twice);
    for (o.engine = CRF_EXACT; o.engine <= CRF_WINDOW; o.engine++) {
        o.reach = H;
        assert_int_equal(crf_refine(&m, &o, &x, q), OK);
        for (int i = 0; i < K * N; i++)
            assert_true(fabs(q[i] - twice[i]) < 1e-12);
    }
}

/* ---- a disc whose labels are partly wrong ---- */

enum { DISC = 24, DISC_PIXELS = DISC * DISC };

static int in_disc(int i)
{
    double y = i / DISC - 11.5, x = i % DISC - 11.5;
    return y * y + x * x <= 49;
}

static double disc_dice(const double *p)
{
    int both = 0, all = 0;
    for (int i = 0; i < DISC_PIXELS; i++) {
        int answer = p[DISC_PIXELS + i] > p[i];
        both += answer && in_disc(i);
        all += answer + in_disc(i);
    }
    return 2.0 * both / all;
}

/* A fifth of the pixels, at random, holds the wrong class for the likelier one, 0.7 to 0.3. */
static void draw_disc(double *intensity, double *p, uint64_t seed)
{
    random_stream r = random_open(seed, 0);
    for (int i = 0; i < DISC_PIXELS; i++) {
        int wrong = random_uniform(&r) < 0.2, believed = in_disc(i) != wrong;
        intensity[i] = 60 + 120 * in_disc(i) + 8 * random_normal(&r);
        p[DISC_PIXELS + i] = believed ? 0.7 : 0.3;
        p[i] = 1 - p[DISC_PIXELS + i];
    }
}

static void a_disc_whose_labels_are_partly_wrong_is_found_by_its_brightness(void **state)
{
    (void)state;
    double intensity[DISC_PIXELS], p[2 * DISC_PIXELS], q[2 * DISC_PIXELS];
    const crf_image x = {
        .dim = {1, DISC, DISC}, .axes = 2, .channels = 1, .classes = 2, .intensity = intensity, .p = p};
    crf_options o = crf_defaults();
    o.position_sd = 40;
    for (o.engine = CRF_EXACT; o.engine <= CRF_LATTICE; o.engine++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            o.reach = DISC;
            draw_disc(intensity, p, seed);
            assert_int_equal(crf_refine(&m, &o, &x, q), OK);
            print_message("  engine %d: Dice from %.3f to %.3f\n", o.engine, disc_dice(p), disc_dice(q));
            assert_true(disc_dice(p) > 0.6 && disc_dice(p) < 0.78);
            assert_true(disc_dice(q) >= 0.98);
        }
}

static void options_that_cannot_be_are_refused(void **state)
{
    (void)state;
    double intensity[N], p[K * N], q[K * N], dw[2];
    const crf_image x = image_of(intensity, p);
    crf_options o = crf_defaults();
    assert_int_equal(crf_gradient(&m, &o, &x, p, q, dw), ERR_UNSUPPORTED);
    o.intensity_sd = 1e-6;
    assert_int_equal(crf_refine(&m, &o, &x, q), ERR_ARGUMENT); /* beyond the lattice */
    o.intensity_sd = 0;
    assert_int_equal(crf_refine(&m, &o, &x, q), ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_kernels_probabilities_stay),
        cmocka_unit_test(volumes_and_windows_are_what_they_say),
        cmocka_unit_test(an_exact_field_and_a_window_as_large_as_the_image_are_double_loops),
        cmocka_unit_test(a_disc_whose_labels_are_partly_wrong_is_found_by_its_brightness),
        cmocka_unit_test(options_that_cannot_be_are_refused),
        cmocka_unit_test(fields_of_every_engine_are_as_recorded),
        cmocka_unit_test(lattices_are_as_recorded),
    };
    return cmocka_run_group_tests(tests, make_memory, NULL);
}
