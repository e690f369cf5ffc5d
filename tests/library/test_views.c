/* SPDX-License-Identifier: Apache-2.0 */
/* test_views.c - samples of contrastive pre-training and of fine-tuning: which slices meet in a batch, what
 * views show, that labels go with their image; and what a step gets is a function of seed, step and rank. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/dataset.h"
#include "core/model.h"
#include "data/warp.h"
#include "slmt/slmt.h"

#include <cmocka.h> /* last: its fail() is a macro, ours a function */

#define OWN_FOLDER "/tmp/slmt-views-XXXXXX"
#include "tests/own_set.h"

#define GOOD(call)                                                                                           \
    do {                                                                                                     \
        slmt_status good = (call);                                                                           \
        if (good != SLMT_OK)                                                                                 \
            fail_msg("status %d: %s", good, slmt_error_text());                                              \
    } while (0)

enum {
    RECORDS = 6,
    TRAINED = 5,
    LABELLED = 2,
    DEPTH = 11,
    SIDE = 32,
    PIXELS = SIDE * SIDE,
    BATCH = 8,
    PARTS = 4,
    CLASSES = 3,
    MOST_VIEWS = 4
};

/* A square of class 1 in the upper left, one of class 2 in the lower right. */
static int32_t class_at(int y, int x)
{
    return y >= 4 && y < 14 && x >= 3 && x < 12 ? 1 : y >= 18 && y < 29 && x >= 20 && x < 29 ? 2 : 0;
}

/* Tells record and slice, and the class. */
static float number_at(int record, int z, int y, int x)
{
    return (float)(class_at(y, x) + 1) * (float)(record * DEPTH + z + 1) / 256;
}

static void append(slmt_dataset_writer *w, int record)
{
    static float image[DEPTH][SIDE][SIDE];
    static int32_t label[DEPTH][SIDE][SIDE];
    const int64_t shape[] = {DEPTH, SIDE, SIDE};
    for (int z = 0; z < DEPTH; z++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                image[z][y][x] = number_at(record, z, y, x);
                label[z][y][x] = class_at(y, x);
            }
    const slmt_tensor of[] = {{.data = image, .shape = shape, .rank = 3, .type = SLMT_TENSOR_FLOAT32},
                              {.data = label, .shape = shape, .rank = 3, .type = SLMT_TENSOR_INT32}};
    GOOD(slmt_dataset_writer_append(w, 0, &of[0]));
    if (record < LABELLED)
        GOOD(slmt_dataset_writer_append(w, 1, &of[1]));
}

/* Two training records have labels; the last record is for tests. */
static void write_set(void)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f"};
    slmt_dataset_writer *w;
    GOOD(slmt_dataset_writer_create(context, path, &w));
    for (int i = 0; i < 2; i++) {
        slmt_field field = {.struct_size = sizeof field, .rank = 3, .axes = "slice,row,column"};
        field.kind = i ? SLMT_FIELD_LABELS : SLMT_FIELD_IMAGE;
        field.type = i ? SLMT_TENSOR_INT32 : SLMT_TENSOR_FLOAT32;
        field.name = i ? "organs" : "t1";
        GOOD(slmt_dataset_writer_add_field(w, &field));
    }
    for (int r = 0; r < RECORDS; r++) {
        slmt_record record = {.struct_size = sizeof record, .id = ids[r]};
        record.split = r < TRAINED ? SLMT_SPLIT_TRAIN : SLMT_SPLIT_TEST;
        GOOD(slmt_dataset_writer_begin(w, &record));
        append(w, r);
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
    const method_task *kind;
    double setting[METHOD_NUMBERS];
    bk_shape shape[METHOD_PORTS];
    feed f;
} run;

/* Settings that every run has, then those of a test. */
static void open_model(run *r, const char *task, const slmt_number *given, size_t n, int32_t side,
                       int32_t ranks)
{
    const slmt_number options[] = {{"classes=0,1,2", 0}, {"image_size", side}, {"widths_5", 1}};
    const slmt_number batch = {"batch", BATCH / ranks};
    memset(r, 0, sizeof *r);
    GOOD(slmt_model_create(context, "contrastive", options, 3, 0, &r->model));
    r->kind = task_named(method_named("contrastive"), task);
    numbers_init(r->kind->settings, r->setting);
    assert_int_equal(numbers_set(r->kind->settings, "setting", &batch, 1, r->setting), OK);
    if (strcmp(task, "global") == 0) {
        const slmt_number cut[] = {{"crop", 20}, {"crop_first", 1}, {"crop_last", 10}};
        assert_int_equal(numbers_set(r->kind->settings, "setting", cut, 3, r->setting), OK);
    }
    assert_int_equal(numbers_set(r->kind->settings, "setting", given, n, r->setting), OK);
}

static status open_feed(run *r, int64_t views, int32_t side, int32_t rank, int32_t ranks)
{
    const int64_t batch = BATCH / ranks, many[] = {batch, views, 1, side, side},
                  flat[] = {batch, 1, side, side}, target[] = {batch, CLASSES, side, side};
    r->shape[0] = views ? shape_of(BK_F32, 5, many) : shape_of(BK_F32, 4, flat);
    r->shape[1] = shape_of(BK_F32, 4, target);
    r->f = (feed){.mem = &context->mem,
                  .model = r->model,
                  .at = {r->model->option, r->setting},
                  .kind = r->kind,
                  .shape = r->shape,
                  .rule = r->kind->feeding->rule,
                  .set = set,
                  .seed = 3,
                  .rank = rank,
                  .ranks = ranks,
                  .source = -1,
                  .target = -1};
    return r->kind->feeding->open(&r->f);
}

static void open_run(run *r, const char *task, int64_t views, const slmt_number *given, size_t n)
{
    open_model(r, task, given, n, SIDE, 1);
    if (open_feed(r, views, SIDE, 0, 1) != OK)
        fail_msg("%s", status_text());
}

static void close_run(run *r)
{
    r->kind->feeding->close(&r->f);
    slmt_model_free(r->model);
}

static float images[BATCH * MOST_VIEWS * PIXELS], targets[BATCH * CLASSES * PIXELS];

static void fill(run *r, uint64_t step)
{
    assert_int_equal(r->kind->feeding->fill(&r->f, step, (void *const[]){images, targets}), OK);
}

/* ---- views ---- */

static const float *view_of(int64_t views, int64_t sample, int64_t view)
{
    return images + (sample * views + view) * PIXELS;
}

/* Of a plain image: record times DEPTH + slice. */
static int slice_of(const float *image)
{
    return (int)lround(256.0 * image[0]) - 1;
}

/* A volume gives one slice of each partition, and volumes differ; the last slices are never drawn. */
static void batches_have_a_slice_of_each_partition(void **state)
{
    (void)state;
    enum { VIEWS = 4, LENGTH = DEPTH / PARTS };
    run r;
    int seen[TRAINED][DEPTH] = {{0}}, records[VIEWS][BATCH], same = 0;
    open_run(&r, "global", VIEWS, NULL, 0);
    assert_int_equal(r.f.steps_in_epoch, 100);
    assert_int_equal(r.f.samples, 100 * BATCH);
    assert_int_equal(r.f.records, TRAINED);
    assert_string_equal(slmt_model_contrast(r.model, 0), "t1");
    for (uint64_t step = 0; step < 60; step++) {
        fill(&r, step);
        for (int b = 0; b < BATCH; b++)
            for (int v = 0; v < VIEWS; v += 2) { /* x_i and x_j are plain */
                int slice = slice_of(view_of(VIEWS, b, v));
                records[v][b] = slice / DEPTH;
                assert_int_equal(slice % DEPTH / LENGTH, b % PARTS);
                assert_true(records[v][b] < TRAINED);
                assert_int_equal(records[v][b], records[v][b / PARTS * PARTS]);
                seen[slice / DEPTH][slice % DEPTH]++;
            }
        for (int v = 0; v < VIEWS; v += 2)
            assert_int_not_equal(records[v][0], records[v][PARTS]);
        same += records[0][0] == records[2][0];
    }
    for (int i = 0; i < TRAINED; i++)
        for (int z = 0; z < DEPTH; z++)
            assert_int_equal(seen[i][z] > 0, z < PARTS * LENGTH);
    assert_true(same > 0 && same < 60); /* both draws may give one volume */
    close_run(&r);
}

/* Without partitions every slice can be drawn, twice in a batch too. */
static void slices_of_gr_come_from_anywhere(void **state)
{
    (void)state;
    enum { VIEWS = 2 };
    const slmt_number given[] = {{"strategy=gr", 0}, {"augment", 0}};
    int seen[TRAINED * DEPTH] = {0}, missing = 0;
    run r;
    open_model(&r, "global", given + 1, 1, SIDE, 1);
    r.setting[number_index(r.kind->settings, "strategy")] = 0;
    assert_int_equal(open_feed(&r, VIEWS, SIDE, 0, 1), OK);
    for (uint64_t step = 0; step < 80; step++) {
        fill(&r, step);
        for (int b = 0; b < BATCH; b++) {
            seen[slice_of(view_of(VIEWS, b, 0))]++;
            assert_memory_equal(view_of(VIEWS, b, 0), view_of(VIEWS, b, 1), PIXELS * sizeof(float));
        }
    }
    for (int i = 0; i < TRAINED * DEPTH; i++)
        missing += seen[i] == 0;
    assert_int_equal(missing, 0);
    close_run(&r);
}

/* Views of the local loss keep every pixel where it is: the same line leads from the values of one to those
 * of the other, but for what is clamped. */
static void views_of_the_local_loss_differ_in_tone_alone(void **state)
{
    (void)state;
    enum { VIEWS = 2 };
    run r;
    int different = 0;
    open_run(&r, "local", VIEWS, NULL, 0);
    fill(&r, 5);
    for (int b = 0; b < BATCH; b++) {
        const float *one = view_of(VIEWS, b, 0), *other = view_of(VIEWS, b, 1);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int k = class_at(y, x), first = k == 0 ? 0 : k == 1 ? 4 * SIDE + 3 : 18 * SIDE + 20;
                assert_true(one[y * SIDE + x] == one[first] && other[y * SIDE + x] == other[first]);
                assert_true(one[y * SIDE + x] >= 0 && one[y * SIDE + x] <= 1.5F);
            }
        different += one[0] != other[0];
    }
    assert_true(different > BATCH / 2);
    close_run(&r);
}

static void ranks_draw_samples_of_their_own(void **state)
{
    (void)state;
    enum { VIEWS = 2, HALF = BATCH / 2 };
    static float first[HALF * VIEWS * PIXELS], again[HALF * VIEWS * PIXELS];
    run r;
    for (int32_t rank = 0; rank < 2; rank++) {
        open_model(&r, "local", NULL, 0, SIDE, 2);
        if (open_feed(&r, VIEWS, SIDE, rank, 2) != OK)
            fail_msg("%s", status_text());
        assert_int_equal(r.kind->feeding->fill(&r.f, 3, (void *const[]){images}), OK);
        if (rank == 0)
            memcpy(first, images, sizeof first);
        assert_int_equal(memcmp(first, images, sizeof first) == 0, rank == 0);
        memcpy(again, images, sizeof again);
        fill(&r, 9); /* in any order */
        assert_int_equal(r.kind->feeding->fill(&r.f, 3, (void *const[]){images}), OK);
        assert_memory_equal(again, images, sizeof again);
        close_run(&r);
    }
}

static void too_few_volumes_and_slices_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        slmt_number given;
    } rows[] = {{"is of 4 volumes, and the set has 2", {"data_rate", 0.4}},
                {"a has 11 slices, fewer than the 12 partitions", {"partitions", 12}},
                {"no training record", {"data_rate", 0.1}}};
    for (int i = 0; i < 3; i++) {
        run r;
        open_model(&r, "global", &rows[i].given, 1, SIDE, 1);
        if (i == 0)
            r.setting[number_index(r.kind->settings, "partitions")] = 2;
        assert_int_equal(open_feed(&r, 4, SIDE, 0, 1), ERR_ARGUMENT);
        if (!strstr(status_text(), rows[i].text))
            fail_msg("\"%s\" does not say \"%s\"", status_text(), rows[i].text);
        close_run(&r);
    }
}

/* ---- slices with labels ---- */

/* The class of a plain pixel, by the value of the pixel in the upper left. */
static int class_of(float value, float ground)
{
    return (int)lround((double)value / (double)ground) - 1;
}

static void unchanged_slices_have_their_labels(void **state)
{
    (void)state;
    const slmt_number given[] = {{"augment", 0}};
    run r;
    int records[LABELLED] = {0};
    open_run(&r, "finetune", 0, given, 1);
    assert_int_equal(r.f.records, LABELLED);
    for (uint64_t step = 0; step < 5; step++) {
        fill(&r, step);
        for (int b = 0; b < BATCH; b++) {
            const float *image = images + b * PIXELS, *target = targets + b * CLASSES * PIXELS;
            records[slice_of(image) / DEPTH]++;
            for (int i = 0; i < PIXELS; i++)
                for (int k = 0; k < CLASSES; k++)
                    assert_true(target[k * PIXELS + i] == (class_of(image[i], image[0]) == k));
        }
    }
    assert_true(records[0] > 0 && records[1] > 0);
    close_run(&r);
}

/* Where the shares say that a pixel is of one class alone, the image has its value; everywhere they add to 1.
 */
static void check_shares(const float *image, const float *target, int *changed, int *blended)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int i = y * SIDE + x;
            double sum = 0, expected = 0;
            for (int k = 0; k < CLASSES; k++) {
                double share = target[k * PIXELS + i];
                assert_true(share >= -1e-6 && share <= 1 + 1e-6);
                sum += share;
                expected += share * (k + 1);
            }
            assert_true(fabs(sum - 1) < 1e-5);
            *changed += target[class_at(y, x) * PIXELS + i] < 0.5F;
            *blended += fabs(expected - round(expected)) > 1e-3;
            (void)image;
        }
}

/* The image at pixels whose class is certain and whose neighbours are of the same class. */
static void check_values(const float *image, const float *target, float ground)
{
    for (int y = 2; y < SIDE - 2; y++)
        for (int x = 2; x < SIDE - 2; x++)
            for (int k = 1; k < CLASSES; k++) {
                int certain = 1;
                for (int d = 0; d < 25; d++)
                    certain &= target[k * PIXELS + (y + d / 5 - 2) * SIDE + x + d % 5 - 2] == 1;
                if (certain)
                    assert_true(fabs(image[y * SIDE + x] - (float)(k + 1) * ground) < 1e-4F);
            }
}

static void labels_go_with_their_slice(void **state)
{
    (void)state;
    for (int bent = 0; bent < 2; bent++) {
        const slmt_number given[] = {{"bend", bent ? 1.5 : 0}, {"intensity", 0}};
        run r;
        int changed = 0, blended = 0;
        open_run(&r, "finetune", 0, given, 2);
        for (uint64_t step = 0; step < 12; step++) {
            fill(&r, step);
            for (int b = 0; b < BATCH; b++) {
                const float *image = images + b * PIXELS, *target = targets + b * CLASSES * PIXELS;
                float ground = image[SIDE / 2 * SIDE + SIDE / 2]; /* between the squares */
                check_shares(image, target, &changed, &blended);
                check_values(image, target, ground);
            }
        }
        assert_true(changed > 100);
        assert_int_equal(blended > 0, bent);
        close_run(&r);
    }
}

static void contrast_changes_in_the_first_half_and_brightness_in_the_second(void **state)
{
    (void)state;
    const slmt_number given[] = {{"bend", 0}};
    run with, without;
    static float plain[BATCH * PIXELS];
    const slmt_number off[] = {{"bend", 0}, {"intensity", 0}};
    open_run(&without, "finetune", 0, off, 2);
    open_run(&with, "finetune", 0, given, 1);
    fill(&without, 4);
    memcpy(plain, images, sizeof plain);
    fill(&with, 4);
    for (int b = 0; b < BATCH; b++) {
        double means[2] = {0}, spread[2] = {0};
        for (int w = 0; w < 2; w++) {
            const float *image = (w ? images : plain) + b * PIXELS;
            for (int i = 0; i < PIXELS; i++)
                means[w] += image[i] / (double)PIXELS;
            for (int i = 0; i < PIXELS; i++)
                spread[w] += (image[i] - means[w]) * (image[i] - means[w]);
        }
        double contrast = sqrt(spread[1] / spread[0]), brightness = means[1] - means[0];
        assert_true(contrast > 0.799 && contrast < 1.201 && fabs(brightness) < 0.1001);
        assert_true(b < BATCH / 2 ? fabs(brightness) < 1e-6 : fabs(contrast - 1) < 1e-5);
        assert_true(b < BATCH / 2 ? fabs(contrast - 1) > 1e-6 : fabs(brightness) > 1e-6);
    }
    close_run(&with);
    close_run(&without);
}

/* ---- sizes ---- */

static void slices_of_another_size_are_resized(void **state)
{
    (void)state;
    enum { SMALLER = 16 };
    static float whole[BATCH * PIXELS], whole_targets[BATCH * CLASSES * PIXELS];
    const slmt_number given[] = {{"augment", 0}};
    run r;
    open_run(&r, "finetune", 0, given, 1);
    fill(&r, 0);
    memcpy(whole, images, sizeof whole);
    memcpy(whole_targets, targets, sizeof whole_targets);
    close_run(&r);
    GOOD(
        slmt_model_create(context, "contrastive", (const slmt_number[]){{"image_size", 32}}, 1, 0, &r.model));
    slmt_model_free(r.model);
    open_model(&r, "finetune", given, 1, SIDE, 1);
    assert_int_equal(open_feed(&r, 0, SMALLER, 0, 1), OK);
    fill(&r, 0);
    for (int b = 0; b < BATCH; b++)
        for (int y = 0; y < SMALLER; y++)
            for (int x = 0; x < SMALLER; x++) {
                const float *from = whole + b * PIXELS + 2 * y * SIDE + 2 * x;
                float mean = (from[0] + from[1] + from[SIDE] + from[SIDE + 1]) / 4;
                assert_true(fabsf(images[(b * SMALLER + y) * SMALLER + x] - mean) < 1e-6F);
                for (int k = 0; k < CLASSES; k++)
                    assert_true(targets[((b * CLASSES + k) * SMALLER + y) * SMALLER + x] ==
                                whole_targets[(b * CLASSES + k) * PIXELS + 2 * y * SIDE + 2 * x]);
            }
    close_run(&r);
}

/* ---- bent and turned ---- */

static void quarter_turns_move_pixels_exactly(void **state)
{
    (void)state;
    enum { N = 6 };
    float x[N * N], turned[N * N], back[N * N];
    for (int i = 0; i < N * N; i++)
        x[i] = (float)i;
    for (int nearest = 0; nearest < 2; nearest++) {
        warp_turn(x, N, N, acos(0), 1, nearest, turned);
        warp_turn(turned, N, N, -acos(0), 1, nearest, back);
        for (int i = 0; i < N * N; i++) {
            int y = i / N, c = i % N;
            assert_true(fabsf(turned[i] - x[c * N + N - 1 - y]) < 1e-4F ||
                        fabsf(turned[i] - x[(N - 1 - c) * N + y]) < 1e-4F);
            assert_true(fabsf(back[i] - x[i]) < 1e-4F);
        }
    }
}

static void a_flat_grid_moves_everything_alike(void **state)
{
    (void)state;
    enum { ROWS = 7, COLUMNS = 9 };
    double grid[2][WARP_GRID][WARP_GRID];
    float flow[2 * ROWS * COLUMNS], x[ROWS * COLUMNS], out[ROWS * COLUMNS];
    for (int i = 0; i < 9; i++) {
        grid[0][i / 3][i % 3] = 1;
        grid[1][i / 3][i % 3] = -2;
    }
    for (int i = 0; i < ROWS * COLUMNS; i++)
        x[i] = (float)(i * i % 17);
    warp_flow((const double(*)[WARP_GRID][WARP_GRID])grid, ROWS, COLUMNS, flow);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        assert_true(fabsf(flow[2 * i] - 1) < 1e-6F && fabsf(flow[2 * i + 1] + 2) < 1e-6F);
    warp_bend(x, ROWS, COLUMNS, flow, out);
    for (int y = 0; y < ROWS; y++)
        for (int c = 0; c < COLUMNS; c++) {
            int from = y - 1 < 0 ? 0 : y - 1, at = c + 2 >= COLUMNS ? COLUMNS - 1 : c + 2;
            assert_true(fabsf(out[y * COLUMNS + c] - x[from * COLUMNS + at]) < 1e-4F);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_have_a_slice_of_each_partition),
        cmocka_unit_test(slices_of_gr_come_from_anywhere),
        cmocka_unit_test(views_of_the_local_loss_differ_in_tone_alone),
        cmocka_unit_test(ranks_draw_samples_of_their_own),
        cmocka_unit_test(too_few_volumes_and_slices_are_refused),
        cmocka_unit_test(unchanged_slices_have_their_labels),
        cmocka_unit_test(labels_go_with_their_slice),
        cmocka_unit_test(contrast_changes_in_the_first_half_and_brightness_in_the_second),
        cmocka_unit_test(slices_of_another_size_are_resized),
        cmocka_unit_test(quarter_turns_move_pixels_exactly),
        cmocka_unit_test(a_flat_grid_moves_everything_alike),
    };
    return cmocka_run_group_tests(tests, make_set, close_set);
}
