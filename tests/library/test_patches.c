/* SPDX-License-Identifier: Apache-2.0 */
/* test_patches.c - crops of images and their label maps stay together, whatever is mirrored and turned;
 * values of label maps become classes; what a step gets is a function of seed, step and rank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/dataset.h"
#include "core/model.h"
#include "data/sampler/patches.h"
#include "slmt/slmt.h"

#include <cmocka.h> /* last: its fail() is a macro, ours a function */

#define OWN_FOLDER "/tmp/slmt-patches-XXXXXX"
#include "tests/own_set.h"

#define GOOD(call)                                                                                           \
    do {                                                                                                     \
        slmt_status good = (call);                                                                           \
        if (good != SLMT_OK)                                                                                 \
            fail_msg("status %d: %s", good, slmt_error_text());                                              \
    } while (0)

enum { DEPTH = 5, ROWS = 9, COLUMNS = 11, RECORDS = 3, SIDE = 6, SLICES = 2, BATCH = 4, CHANNELS = 2 };

/* Of every voxel of a record another number, in both channels. */
static int32_t number_of(int32_t record, int64_t z, int64_t y, int64_t x)
{
    return (int32_t)(((record * DEPTH + z) * ROWS + y) * COLUMNS + x);
}

/* Values 0, 1, 4, and 9, which does not count. */
static int32_t value_of(int32_t number)
{
    static const int32_t values[4] = {0, 1, 4, 9};
    return values[number % 7 % 4];
}

static void append(slmt_dataset_writer *w, int field, int32_t record)
{
    static float image[DEPTH][ROWS][COLUMNS];
    static int32_t label[DEPTH][ROWS][COLUMNS];
    for (int z = 0; z < DEPTH; z++)
        for (int y = 0; y < ROWS; y++)
            for (int x = 0; x < COLUMNS; x++) {
                int32_t k = number_of(record, z, y, x);
                image[z][y][x] = (float)(field ? -k : k);
                label[z][y][x] = value_of(k);
            }
    GOOD(slmt_dataset_writer_append(
        w, field,
        &(slmt_tensor){.data = field == CHANNELS ? (void *)label : (void *)image,
                       .shape = (const int64_t[]){DEPTH, ROWS, COLUMNS},
                       .rank = 3,
                       .type = field == CHANNELS ? SLMT_TENSOR_INT32 : SLMT_TENSOR_FLOAT32}));
}

/* The last record is for tests. */
static void write_set(void)
{
    static const char *const names[] = {"first", "second", "organ"};
    slmt_dataset_writer *w;
    GOOD(slmt_dataset_writer_create(context, path, &w));
    for (int i = 0; i <= CHANNELS; i++) {
        slmt_field field = {.struct_size = sizeof field,
                            .kind = i == CHANNELS ? SLMT_FIELD_LABELS : SLMT_FIELD_IMAGE,
                            .type = i == CHANNELS ? SLMT_TENSOR_INT32 : SLMT_TENSOR_FLOAT32,
                            .rank = 3,
                            .name = names[i],
                            .axes = "slice,row,column"};
        GOOD(slmt_dataset_writer_add_field(w, &field));
    }
    for (int32_t r = 0; r < RECORDS; r++) {
        slmt_record record = {.struct_size = sizeof record,
                              .split = r == RECORDS - 1 ? SLMT_SPLIT_TEST : SLMT_SPLIT_TRAIN,
                              .id = (const char *const[]){"a", "b", "c"}[r]};
        GOOD(slmt_dataset_writer_begin(w, &record));
        for (int i = 0; i <= CHANNELS; i++)
            append(w, i, r);
        GOOD(slmt_dataset_writer_end(w));
    }
    GOOD(slmt_dataset_writer_finish(w));
}

static int make_set(void **state)
{
    return open_set(state, write_set);
}

/* ---- feeds ---- */

typedef struct run {
    slmt_model *model;
    double setting[METHOD_NUMBERS];
    bk_shape shape[METHOD_PORTS];
    feed f;
} run;

/* A feed of the training task of a network, with crops of `slices` slices (0: of a network of slices). */
static status open_run(run *r, const char *classes, int64_t slices, int32_t rank, int32_t ranks)
{
    const char *name = slices ? "vnet" : "segnet-basic";
    const method_task *kind = task_named(method_named(name), "train");
    const slmt_number options[] = {{"channels", CHANNELS}, {classes, 0}, {"width", 2}};
    const slmt_number settings[] = {{"ignored_value", 9}, {"crops", 6}, {"batch", BATCH / ranks}};
    memset(r, 0, sizeof *r);
    GOOD(slmt_model_create(context, name, options, 3, 0, &r->model));
    numbers_init(kind->settings, r->setting);
    assert_int_equal(numbers_set(kind->settings, "setting", settings, 3, r->setting), OK);
    r->shape[0] = slices ? shape_of(BK_F32, 5, (const int64_t[]){BATCH / ranks, CHANNELS, slices, SIDE, SIDE})
                         : shape_of(BK_F32, 4, (const int64_t[]){BATCH / ranks, CHANNELS, SIDE, SIDE});
    r->f = (feed){.mem = &context->mem,
                  .model = r->model,
                  .at = {r->model->option, r->setting},
                  .kind = kind,
                  .shape = r->shape,
                  .rule = kind->feeding->rule,
                  .set = set,
                  .seed = 3,
                  .rank = rank,
                  .ranks = ranks,
                  .source = -1,
                  .target = -1};
    return patches_open(&r->f);
}

static void close_run(run *r)
{
    patches_close(&r->f);
    slmt_model_free(r->model);
}

enum { PIXELS = SLICES * SIDE * SIDE };
static float images[BATCH * CHANNELS * PIXELS];
static int32_t labels[BATCH * PIXELS];

/* The record and the place that a pixel was taken from. */
static void place_of(int32_t number, int64_t at[4])
{
    at[3] = number % COLUMNS;
    at[2] = number / COLUMNS % ROWS;
    at[1] = number / (COLUMNS * ROWS) % DEPTH;
    at[0] = number / (COLUMNS * ROWS * DEPTH);
}

/* A sample is a piece of one record: neighbours are neighbours, and labels are those of the pixels. */
static void check_sample(const float *image, const int32_t *label, int64_t slices)
{
    int64_t pixels = slices * SIDE * SIDE, zero[4], one[4];
    static const int32_t classes[10] = {[0] = 0, [1] = 1, [4] = 2, [9] = -1};
    for (int64_t i = 0; i < pixels; i++) {
        assert_true(image[pixels + i] == -image[i]);
        assert_int_equal(label[i], classes[value_of((int32_t)image[i])]);
        for (int axis = 0; axis < 3; axis++) {
            static const int64_t steps[3] = {SIDE * SIDE, SIDE, 1};
            int64_t next = i + steps[axis];
            if (i / steps[axis] % (axis ? SIDE : slices) == (axis ? SIDE : slices) - 1)
                continue;
            place_of((int32_t)image[i], zero);
            place_of((int32_t)image[next], one);
            assert_int_equal(zero[0], one[0]);
            assert_true(zero[0] < RECORDS - 1);
            assert_int_equal(llabs(zero[1] - one[1]) + llabs(zero[2] - one[2]) + llabs(zero[3] - one[3]), 1);
            assert_true(axis > 0 || one[1] == zero[1] + 1); /* slices are never turned over */
        }
    }
}

static void images_and_labels_stay_together(void **state)
{
    (void)state;
    for (int64_t slices = 0; slices <= SLICES; slices += SLICES) {
        int64_t deep = slices ? slices : 1, ways = 0;
        run r;
        int seen[8] = {0};
        assert_int_equal(open_run(&r, "classes=0,1,4=lesion", slices, 0, 1), OK);
        assert_int_equal(r.f.records, RECORDS - 1);
        assert_int_equal(r.f.steps_in_epoch, 3); /* two records, six crops of each, four together */
        assert_string_equal(slmt_model_contrast(r.model, 1), "second");
        for (uint64_t step = 0; step < 30; step++) {
            assert_int_equal(patches_fill(&r.f, step, (void *const[]){images, labels}), OK);
            for (int b = 0; b < BATCH; b++) {
                const float *image = images + b * CHANNELS * deep * SIDE * SIDE;
                int32_t right = (int32_t)(image[1] - image[0]), down = (int32_t)(image[SIDE] - image[0]);
                check_sample(image, labels + b * deep * SIDE * SIDE, deep);
                seen[(right > 0) + 2 * (down > 0) + 4 * (right != 1 && right != -1)] = 1;
            }
        }
        for (int i = 0; i < 8; i++)
            ways += seen[i];
        assert_int_equal(ways, 8); /* all that mirrors and quarter turns make of a square */
        close_run(&r);
    }
}

static void ranks_together_get_what_one_process_gets(void **state)
{
    (void)state;
    enum { EACH = BATCH / 2 };
    static float half[EACH * CHANNELS * PIXELS];
    static int32_t theirs[EACH * PIXELS];
    const size_t pixels = SIDE * SIDE;
    run whole, part;
    assert_int_equal(open_run(&whole, "classes=0,1,4", 0, 0, 1), OK);
    for (int32_t rank = 0; rank < 2; rank++) {
        assert_int_equal(open_run(&part, "classes=0,1,4", 0, rank, 2), OK);
        for (uint64_t step = 7; step-- > 0;) { /* in any order */
            assert_int_equal(patches_fill(&whole.f, step, (void *const[]){images, labels}), OK);
            assert_int_equal(patches_fill(&part.f, step, (void *const[]){half, theirs}), OK);
            assert_memory_equal(half, images + (size_t)rank * EACH * CHANNELS * pixels,
                                EACH * CHANNELS * pixels * sizeof *half);
            assert_memory_equal(theirs, labels + (size_t)rank * EACH * pixels,
                                EACH * pixels * sizeof *theirs);
        }
        close_run(&part);
    }
    close_run(&whole);
}

static void a_value_without_a_class_is_named(void **state)
{
    (void)state;
    run r;
    assert_int_equal(open_run(&r, "classes=0,1", 0, 0, 1),
                     OK); /* the set lists no classes: seen when it is read */
    assert_int_equal(patches_fill(&r.f, 0, (void *const[]){images, labels}), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "organ has the value 4"));
    close_run(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_and_labels_stay_together),
        cmocka_unit_test(ranks_together_get_what_one_process_gets),
        cmocka_unit_test(a_value_without_a_class_is_named),
    };
    return cmocka_run_group_tests(tests, make_set, close_set);
}
