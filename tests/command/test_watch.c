/* SPDX-License-Identifier: Apache-2.0 */
/* test_watch.c - when a training is said to be on its plateau, and the error of one grey. */
#include "tool/watch.h"

#include <string.h>

#include "tests/api/api_fixture.h"

/* Epochs of two steps with these means. Returns the epoch after which it was told, 0: never. */
static int told_after(watch *w, const double *loss, const double *error, int epochs)
{
    int told = 0;
    for (int i = 0; i < 2 * epochs; i++) {
        double part = i % 2 ? 0.5 : 1.5; /* of the epoch's mean */
        char *why = watch_step(w, (uint64_t)(i / 2) + 1, i % 2, part * loss[i / 2], part * error[i / 2]);
        assert_true(!why || !told); /* once */
        told = why ? i / 2 + 1 : told;
        free(why);
    }
    return told;
}

static void a_loss_is_looked_at_two_epochs_after_the_warm_up(void **state)
{
    (void)state;
    const double flat[] = {8, 8, 8, 8, 8, 8}, falls[] = {8, 8, 8, 7, 6, 5}, late[] = {8, 8, 8, 8, 4, 2};
    const double none[] = {NAN, NAN, NAN, NAN, NAN, NAN};
    watch w;
    watch_begin(&w, 1.5, 6, NAN);
    assert_int_equal(told_after(&w, flat, none, 6), 4);
    watch_begin(&w, 2, 6, NAN);
    assert_int_equal(told_after(&w, falls, none, 6), 0);
    watch_begin(&w, 2, 6, NAN);
    assert_int_equal(told_after(&w, late, none, 6), 4);
    watch_begin(&w, 0, 50, NAN); /* a tenth of the run is later */
    assert_int_equal(told_after(&w, late, none, 6), 0);
}

static void an_error_that_one_grey_has_too_is_told_though_the_loss_has_fallen(void **state)
{
    (void)state;
    const double loss[] = {9, 5, 4, 4}, black[] = {0.4, 0.2, 0.2, 0.2}, better[] = {0.4, 0.2, 0.18, 0.15};
    watch w;
    watch_begin(&w, 0, 4, 0.2);
    assert_int_equal(told_after(&w, loss, black, 4), 2);
    watch_begin(&w, 1, 4, 0.2);
    assert_int_equal(told_after(&w, loss, better, 4), 0);
}

/* A run that goes on after the first epoch has no first mean: nothing is said of the loss. */
static void what_was_not_seen_is_not_judged(void **state)
{
    (void)state;
    watch w;
    watch_begin(&w, 0, 4, NAN);
    for (uint64_t epoch = 2; epoch <= 4; epoch++)
        assert_null(watch_step(&w, epoch, true, 8, NAN));
}

/* A third of the pixels of a slice is 1, the rest 0: the nearest grey is 0, and a third is its mean error. */
static void the_error_of_one_grey_is_that_of_the_median(void **state)
{
    (void)state;
    enum { N = 24 };
    static const char *contrasts[] = {"t1", "t2"};
    const int64_t dims[3] = {N, N, 2};
    static float voxels[2 * N * N];
    slmt_context *context = open_context(1, NULL);
    slmt_preprocess p;
    slmt_dataset_writer *writer = NULL;
    slmt_dataset *set = NULL;
    slmt_volume *volume = NULL;
    for (int i = 0; i < 2 * N * N; i++)
        voxels[i] = i % N >= 8 && i % N < 16 ? 100 : 0;
    slmt_preprocess_init(&p);
    p.crop_size = p.image_size = N;
    p.slice_first = 0;
    p.slice_count = 2;
    p.scaling = SLMT_SCALE_TWICE_P99; /* half of the range */
    GOOD(slmt_volume_create(context, dims, NULL, voxels, &volume));
    GOOD(slmt_dataset_writer_create_mr(context, in_folder("set.h5"), &p, contrasts, 2, &writer));
    GOOD(slmt_dataset_writer_add(writer, "a", (const slmt_volume *const[]){volume, NULL}, SLMT_SPLIT_TRAIN));
    GOOD(slmt_dataset_writer_finish(writer));
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    assert_float_equal(watch_grey(set, "t1"), 0.5 / 3, 1e-3); /* 1 / 4096 of the range is a level */
    assert_true(isnan(watch_grey(set, "t2")));
    assert_true(isnan(watch_grey(set, "flair")));
    assert_true(isnan(watch_grey(set, NULL)));
    slmt_volume_free(volume);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_is_looked_at_two_epochs_after_the_warm_up),
        cmocka_unit_test(an_error_that_one_grey_has_too_is_told_though_the_loss_has_fallen),
        cmocka_unit_test(what_was_not_seen_is_not_judged),
        cmocka_unit_test(the_error_of_one_grey_is_that_of_the_median),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
