/* SPDX-License-Identifier: Apache-2.0 */
/* test_pairs.c - two contrasts of a set are told from one that was given twice, whichever slices are empty.
 */
#include "tool/pairs.h"

#include "tests/api/api_fixture.h"

enum { N = 16, SLICES = 5 };

/* A volume of zeros, but for one slice, whose values depend on kind; last is outside what the set takes. */
static slmt_volume *one_slice(slmt_context *context, int slice, int kind)
{
    const int64_t dims[3] = {N, N, SLICES + 1};
    static float voxels[N * N * (SLICES + 1)];
    for (int i = 0; i < N * N * (SLICES + 1); i++) {
        int inside = i % N > 3 && i % N < 12 && i / N % N > 3 && i / N % N < 12;
        voxels[i] = i / (N * N) == slice && inside ? (float)(10 + (i * (kind + 3)) % 7) : 0;
    }
    slmt_volume *volume = NULL;
    GOOD(slmt_volume_create(context, dims, NULL, voxels, &volume));
    return volume;
}

/* The exit code for a set of one subject with these two contrasts. */
static int check(int slice, int kind_one, int kind_other)
{
    static const char *contrasts[] = {"t1", "t2"};
    slmt_context *context = open_context(1, NULL);
    slmt_preprocess p;
    slmt_dataset_writer *writer = NULL;
    slmt_dataset *set = NULL;
    slmt_preprocess_init(&p);
    p.crop_size = p.image_size = N;
    p.slice_first = 0;
    p.slice_count = SLICES;
    slmt_volume *one = one_slice(context, slice, kind_one), *other = one_slice(context, slice, kind_other);
    GOOD(slmt_dataset_writer_create_mr(context, in_folder("set.h5"), &p, contrasts, 2, &writer));
    GOOD(slmt_dataset_writer_add(writer, "a", (const slmt_volume *const[]){one, other}, SLMT_SPLIT_TRAIN));
    GOOD(slmt_dataset_writer_finish(writer));
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    int code = pairs_check(set, "set.h5", "t1", "t2");
    slmt_dataset_free(set);
    slmt_volume_free(one);
    slmt_volume_free(other);
    slmt_context_free(context);
    return code;
}

static void one_image_twice_is_refused_wherever_it_has_signal(void **state)
{
    (void)state;
    for (int slice = 0; slice < SLICES; slice++)
        assert_int_equal(check(slice, 1, 1), 2);
}

static void two_images_are_taken_though_the_middle_slice_is_empty(void **state)
{
    (void)state;
    for (int slice = 0; slice < SLICES; slice++)
        assert_int_equal(check(slice, 1, 2), 0);
}

static void images_without_signal_are_not_called_the_same(void **state)
{
    (void)state;
    assert_int_equal(check(SLICES, 1, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_image_twice_is_refused_wherever_it_has_signal),
        cmocka_unit_test(two_images_are_taken_though_the_middle_slice_is_empty),
        cmocka_unit_test(images_without_signal_are_not_called_the_same),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
