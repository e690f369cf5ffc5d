/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of classes and of pixels, and the objects of label maps: facts by hand, and the weights recorded in
 * seg_losses_metrics.h5 (SLMT_PARITY_DIR, or ../shared/parity). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/label_objects.h"
#include "data/label_weights.h"
#include "tests/methods/parity_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- objects ---- */

enum { ROWS = 4, COLUMNS = 6, PIXELS = ROWS * COLUMNS };
static const int64_t size[3] = {1, ROWS, COLUMNS};

static void pixels_of_a_class_that_share_a_side_are_an_object(void **state)
{
    (void)state;
    static const int32_t labels[PIXELS] = {1, 1, 0, 2, 2, 0, /**/ 0, 1, 0, 0, 1, -1,
                                           1, 0, 2, 2, 1, 0, /**/ 1, 0, 0, 2, 2, 2};
    static const int32_t want[PIXELS] = {1, 1, 0, 2, 2, 0, /**/ 0, 1, 0, 0, 3, 0,
                                         4, 0, 5, 5, 3, 0, /**/ 4, 0, 0, 5, 5, 5};
    int32_t object[PIXELS];
    int64_t stack[PIXELS];
    assert_int_equal(label_objects(labels, size, object, stack), 5);
    assert_memory_equal(object, want, sizeof want);
}

static void objects_reach_through_slices(void **state)
{
    (void)state;
    static const int32_t labels[8] = {1, 0, 0, 1, /**/ 1, 1, 0, 1}, want[8] = {1, 0, 0, 1, /**/ 1, 1, 0, 1};
    int32_t object[8];
    int64_t stack[8];
    assert_int_equal(label_objects(labels, (const int64_t[]){2, 2, 2}, object, stack), 1);
    assert_memory_equal(object, want, sizeof want);
}

/* Of class 1 the first of two equal ones stays; -1, which does not count, is left as it is. */
static void the_largest_object_of_each_class_is_kept(void **state)
{
    (void)state;
    int32_t labels[PIXELS] = {1, 1, 0, 2, 2, 0, /**/ 0, 0, 0, 0, 0, -1,
                              1, 0, 2, 2, 0, 0, /**/ 1, 0, 0, 2, 2, 2};
    static const int32_t want[PIXELS] = {1, 1, 0, 0, 0, 0, /**/ 0, 0, 0, 0, 0, -1,
                                         0, 0, 2, 2, 0, 0, /**/ 0, 0, 0, 2, 2, 2};
    int32_t object[PIXELS];
    int64_t stack[PIXELS];
    label_keep_largest(labels, size, object, stack);
    assert_memory_equal(labels, want, sizeof want);
}

/* ---- classes ---- */

/* f is 6/10, 2/10, 4/8 (the second image alone has class 2, and two of its pixels do not count), and class 3
 * does not occur. */
static void a_class_weighs_the_median_frequency_over_its_own(void **state)
{
    (void)state;
    static const int32_t first[2] = {0, 0}, second[10] = {0, 0, 0, 0, 2, 2, 2, 2, -1, -1};
    label_frequency f = {{0}, {0}};
    double weight[4];
    label_frequency_add(&f, 4, first, 2);
    label_frequency_add(&f, 4, second, 10);
    label_frequency_weights(&f, 4, weight);
    assert_true(fabs(weight[0] - 0.55 / 0.6) < 1e-15);
    assert_true(weight[1] == 0 && weight[3] == 0);
    assert_true(fabs(weight[2] - 0.55 / 0.5) < 1e-15);
}

/* ---- pixels ---- */

/* Two objects five columns apart: the pixel in the middle of a line between them is two and two away. */
static void a_pixel_between_two_objects_weighs_more(void **state)
{
    (void)state;
    static const int64_t line[3] = {1, 1, 6};
    static const int32_t object[6] = {1, 0, 0, 0, 2, 2}, lonely[6] = {1, 0, 0, 0, 0, 1};
    const border_rule rule = {10, 5};
    double weight[6];
    void *room = malloc(border_bytes(line));
    border_weights(&rule, object, 2, line, room, weight);
    static const double apart[6] = {4, 4, 4, 4, 4, 5};
    for (int i = 0; i < 6; i++)
        assert_true(fabs(weight[i] - 10 * exp(-apart[i] * apart[i] / 50)) < 1e-14);
    border_weights(&rule, lonely, 1, line, room, weight);
    for (int i = 0; i < 6; i++)
        assert_true(weight[i] == 0);
    free(room);
}

/* ---- recorded ---- */

static hid_t open_recording(void)
{
    char path[1024];
    const char *given = getenv("SLMT_PARITY_DIR");
    snprintf(path, sizeof path, "%s/seg_losses_metrics.h5",
             given ? given : SLMT_SOURCE_DIR "/../shared/parity");
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0)
        skip();
    return file;
}

static int32_t *whole(const reference_data *d)
{
    int32_t *x = calloc(d->n, sizeof *x);
    for (size_t i = 0; i < d->n; i++)
        x[i] = d->x[i] == 255 ? -1 : (int32_t)d->x[i];
    return x;
}

static void check_frequency(hid_t group)
{
    label_frequency f = {{0}, {0}};
    double weight[LABEL_CLASSES];
    reference_data labels = parity_read(group, "labels"), want = parity_read(group, "median_frequency");
    size_t images = (size_t)parity_attr(group, "B", 0), n = labels.n / images;
    int32_t *class_of = whole(&labels);
    for (size_t b = 0; b < images; b++)
        label_frequency_add(&f, (int32_t)want.n, class_of + b * n, n);
    label_frequency_weights(&f, (int32_t)want.n, weight);
    for (size_t k = 0; k < want.n; k++)
        assert_true(fabs(weight[k] - want.x[k]) <= 1e-12 * fmax(1, want.x[k]));
    free(class_of);
    free(labels.x);
    free(want.x);
}

static void check_border(hid_t group)
{
    hsize_t dim[2];
    hid_t d = H5Dopen2(group, "instances", H5P_DEFAULT), space = H5Dget_space(d);
    assert_int_equal(H5Sget_simple_extent_dims(space, dim, NULL), 2);
    H5Sclose(space);
    H5Dclose(d);
    reference_data objects = parity_read(group, "instances"), of_class = parity_read(group, "class_weights"),
                   want = parity_read(group, "weights");
    const int64_t grid[3] = {1, (int64_t)dim[0], (int64_t)dim[1]};
    const border_rule rule = {parity_attr(group, "w0", 0), parity_attr(group, "sigma", 0)};
    int32_t *object = whole(&objects);
    double *weight = calloc(want.n, sizeof *weight);
    void *room = malloc(border_bytes(grid));
    border_weights(&rule, object, (int32_t)parity_max_abs(objects.x, objects.n), grid, room, weight);
    for (size_t i = 0; i < want.n; i++)
        assert_true(fabs(of_class.x[object[i] != 0] + weight[i] - want.x[i]) <= 1e-12 * want.x[i]);
    free(room);
    free(weight);
    free(object);
    free(objects.x);
    free(of_class.x);
    free(want.x);
}

typedef struct checks {
    void (*check)(hid_t group);
    int done;
} checks;

static herr_t check_one(hid_t parent, const char *name, const H5L_info_t *info, void *user)
{
    checks *c = user;
    hid_t group = H5Gopen2(parent, name, H5P_DEFAULT);
    (void)info;
    c->check(group);
    H5Gclose(group);
    c->done++;
    return 0;
}

static void check_all(const char *kind, void (*check)(hid_t group))
{
    checks c = {check, 0};
    hid_t file = open_recording(), group = H5Gopen2(file, kind, H5P_DEFAULT);
    assert_true(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, check_one, &c) >= 0);
    H5Gclose(group);
    H5Fclose(file);
    assert_true(c.done > 0);
}

static void weights_of_classes_are_as_recorded(void **state)
{
    (void)state;
    check_all("losses", check_frequency);
}

static void weights_of_borders_are_as_recorded(void **state)
{
    (void)state;
    check_all("border", check_border);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_of_a_class_that_share_a_side_are_an_object),
        cmocka_unit_test(objects_reach_through_slices),
        cmocka_unit_test(the_largest_object_of_each_class_is_kept),
        cmocka_unit_test(a_class_weighs_the_median_frequency_over_its_own),
        cmocka_unit_test(a_pixel_between_two_objects_weighs_more),
        cmocka_unit_test(weights_of_classes_are_as_recorded),
        cmocka_unit_test(weights_of_borders_are_as_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
