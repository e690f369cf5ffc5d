/* SPDX-License-Identifier: Apache-2.0 */
/* test_samplers.c - what a step gets is a function of seed, step and rank: the ranks of a step together get
 * what one process would, crops of images and labels stay together, and every record has its turn in an
 * epoch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/dataset.h"
#include "data/sampler/crops.h"
#include "data/sampler/slices.h"
#include "slmt/slmt.h"

#include <cmocka.h> /* last: its fail() is a macro, ours a function */

#define OWN_FOLDER "/tmp/slmt-samplers-XXXXXX"
#include "tests/own_folder.h"

enum { ROWS = 9, COLUMNS = 11, RECORDS = 5, H = 4, W = 5, BATCH = 2, CROPS = 4 };

static char path[64];
static slmt_context *context;
static slmt_dataset *set;

#define GOOD(call)                                                                                           \
    do {                                                                                                     \
        slmt_status good = (call);                                                                           \
        if (good != SLMT_OK)                                                                                 \
            fail_msg("status %d: %s", good, slmt_error_text());                                              \
    } while (0)

/* ---- a set of pictures with labels: a label is a quarter of its pixel's value ---- */

static uint8_t pixel(int record, int row, int column)
{
    return (uint8_t)(record * 50 + (row * 13 + column * 7) % 48);
}

static void append(slmt_dataset_writer *w, int field, int record, int64_t rows, int is_label)
{
    uint8_t values[ROWS + RECORDS][COLUMNS];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < COLUMNS; c++)
            values[r][c] = is_label ? pixel(record, r, c) / 4 : pixel(record, r, c);
    slmt_tensor t = {.data = values,
                     .shape = (const int64_t[]){rows, COLUMNS, 1},
                     .rank = is_label ? 2 : 3,
                     .type = SLMT_TENSOR_UINT8};
    GOOD(slmt_dataset_writer_append(w, field, &t));
}

/* The last record is for tests, and the one before lacks labels. */
static void write_pictures(void)
{
    static const slmt_field fields[] = {
        {sizeof(slmt_field),
         SLMT_FIELD_IMAGE,
         SLMT_TENSOR_UINT8,
         3,
         {0, 0, 1},
         "picture",
         "row,column,band",
         NULL},
        {sizeof(slmt_field), SLMT_FIELD_LABELS, SLMT_TENSOR_UINT8, 2, {0, 0}, "mask", "row,column", NULL}};
    slmt_dataset_writer *w;
    GOOD(slmt_dataset_writer_create(context, path, &w));
    for (int i = 0; i < 2; i++)
        GOOD(slmt_dataset_writer_add_field(w, &fields[i]));
    for (int r = 0; r < RECORDS; r++) {
        char id[8];
        snprintf(id, sizeof id, "r%d", r);
        slmt_record record = {sizeof record, r == RECORDS - 1 ? SLMT_SPLIT_TEST : SLMT_SPLIT_TRAIN, id, NULL};
        GOOD(slmt_dataset_writer_begin(w, &record));
        append(w, 0, r, ROWS + r, 0);
        if (r != RECORDS - 2)
            append(w, 1, r, ROWS + r, 1);
        GOOD(slmt_dataset_writer_end(w));
    }
    GOOD(slmt_dataset_writer_finish(w));
}

static int make_context(void **state)
{
    (void)state;
    slmt_context_config config;
    slmt_context_config_init(&config);
    config.backend = SLMT_BACKEND_REFERENCE;
    config.threads = 1;
    snprintf(path, sizeof path, "%s/set.h5", folder);
    return slmt_context_create(&config, &context);
}

static int free_context(void **state)
{
    (void)state;
    slmt_dataset_free(set);
    slmt_context_free(context);
    set = NULL;
    remove(path);
    return 0;
}

/* ---- feeds ---- */

static double settings[TRAIN_SETTINGS];

static feed feed_of(const void *rule, int batch, int32_t rank, int32_t ranks)
{
    settings[TRAIN_BATCH] = batch;
    settings[TRAIN_AUGMENT] = 1;
    settings[TRAIN_DATA_RATE] = 1;
    return (feed){.mem = &context->mem,
                  .at = {NULL, settings},
                  .rule = rule,
                  .set = set,
                  .seed = 11,
                  .rank = rank,
                  .ranks = ranks,
                  .source = -1,
                  .target = -1,
                  .preprocess = set->preprocess};
}

static status crop_of(numbers at, crop_shape *shape)
{
    (void)at;
    *shape = (crop_shape){H, W, 1, CROPS};
    return OK;
}

static const int32_t kinds[] = {SLMT_FIELD_IMAGE, SLMT_FIELD_LABELS};
static const crop_rule crop = {crop_of, kinds, 2};

typedef struct batch {
    float image[BATCH][H][W];
    int32_t label[BATCH][H][W];
} batch;

static void fill(feed *f, uint64_t step, batch *b)
{
    void *in[] = {b->image, b->label};
    GOOD(crops_fill(f, step, in));
}

static int value_at(const batch *b, int i, int r, int c)
{
    return (int)(b->image[i][r][c] * 255 + 0.5f);
}

/* ---- crops ---- */

static void images_and_labels_are_cropped_and_flipped_together(void **state)
{
    (void)state;
    int flipped = 0, straight = 0;
    write_pictures();
    GOOD(slmt_dataset_open(context, path, &set));
    feed f = feed_of(&crop, BATCH, 0, 1);
    GOOD(crops_open(&f));
    assert_int_equal(f.steps_in_epoch, 3 * CROPS / BATCH);
    for (uint64_t step = 0; step < 40; step++) {
        batch b;
        fill(&f, step, &b);
        for (int i = 0; i < BATCH; i++) {
            for (int r = 0; r < H; r++)
                for (int c = 0; c < W; c++)
                    assert_int_equal(b.label[i][r][c], value_at(&b, i, r, c) / 4);
            /* along a row values rise by 7, but for the step back at 48 */
            int rise = (value_at(&b, i, 0, 1) - value_at(&b, i, 0, 0) + 96) % 48;
            assert_true(rise == 7 || rise == 41);
            flipped += rise == 41;
            straight += rise == 7;
        }
    }
    assert_true(flipped > 20 && straight > 20);
    crops_close(&f);
}

static void each_record_has_its_crops_in_an_epoch(void **state)
{
    (void)state;
    write_pictures();
    GOOD(slmt_dataset_open(context, path, &set));
    feed f = feed_of(&crop, BATCH, 0, 1);
    GOOD(crops_open(&f));
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        int count[RECORDS] = {0};
        for (uint64_t s = 0; s < f.steps_in_epoch; s++) {
            batch b;
            fill(&f, epoch * f.steps_in_epoch + s, &b);
            for (int i = 0; i < BATCH; i++)
                count[value_at(&b, i, 0, 0) / 50]++;
        }
        for (int r = 0; r < RECORDS; r++)
            assert_int_equal(count[r], r < RECORDS - 2 ? CROPS : 0);
    }
    crops_close(&f);
}

static void the_ranks_of_a_step_get_what_one_process_would(void **state)
{
    (void)state;
    write_pictures();
    GOOD(slmt_dataset_open(context, path, &set));
    double alone_settings[TRAIN_SETTINGS];
    feed alone = feed_of(&crop, 2, 0, 1);
    memcpy(alone_settings, settings, sizeof settings);
    alone.at.setting = alone_settings;
    feed ranks[2] = {feed_of(&crop, 1, 0, 2), feed_of(&crop, 1, 1, 2)};
    GOOD(crops_open(&alone));
    for (int k = 0; k < 2; k++)
        GOOD(crops_open(&ranks[k]));
    assert_int_equal(ranks[1].steps_in_epoch, alone.steps_in_epoch);
    for (uint64_t step = 20; step-- > 0;) { /* backwards: no step needs the one before */
        batch whole, part;
        fill(&alone, step, &whole);
        for (int k = 0; k < 2; k++) {
            fill(&ranks[k], step, &part);
            assert_memory_equal(part.image[0], whole.image[k], sizeof part.image[0]);
            assert_memory_equal(part.label[0], whole.label[k], sizeof part.label[0]);
        }
    }
    crops_close(&alone);
    crops_close(&ranks[0]);
    crops_close(&ranks[1]);
}

static void sets_that_a_task_cannot_take_are_refused(void **state)
{
    (void)state;
    static const int32_t two_images[] = {SLMT_FIELD_IMAGE, SLMT_FIELD_IMAGE};
    const crop_rule two = {crop_of, two_images, 2};
    slmt_dataset_writer *w;
    static const slmt_field field = {sizeof field, SLMT_FIELD_IMAGE, SLMT_TENSOR_UINT8, 2, {0, 0}, "x", "a,b",
                                     NULL};
    write_pictures();
    GOOD(slmt_dataset_open(context, path, &set));
    feed f = feed_of(&two, BATCH, 0, 1);
    assert_int_equal(crops_open(&f), ERR_NOT_FOUND);
    assert_non_null(strstr(status_text(), "too few fields of kind image"));
    crops_close(&f);
    f = feed_of(&crop, 1000, 0, 1);
    assert_int_equal(crops_open(&f), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "12 samples an epoch, a batch needs 1000"));
    crops_close(&f);
    slmt_dataset_free(set);
    GOOD(slmt_dataset_writer_create(context, path, &w));
    GOOD(slmt_dataset_writer_add_field(w, &field));
    GOOD(slmt_dataset_writer_finish(w));
    GOOD(slmt_dataset_open(context, path, &set));
    f = feed_of(&crop, BATCH, 0, 1);
    assert_int_equal(crops_open(&f), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "field x has axes a,b"));
    crops_close(&f);
}

/* ---- slices ---- */

enum { SIDE = 12, SLICES = 6 };

static void write_volumes(void)
{
    static float voxels[SIDE * SIDE * SLICES];
    static const double lps[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    slmt_dataset_writer *w;
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    p.crop_size = p.image_size = SIDE;
    p.slice_first = p.slice_count = 0;
    GOOD(slmt_dataset_writer_create_mr(context, path, &p, (const char *const[]){"t1"}, 1, &w));
    for (int s = 0; s < 4; s++) { /* the last two are not trained on */
        static const int32_t splits[] = {SLMT_SPLIT_TRAIN, SLMT_SPLIT_TRAIN, SLMT_SPLIT_VALIDATION,
                                         SLMT_SPLIT_TEST};
        const char name[] = {(char)('a' + s), 0};
        slmt_volume *v;
        for (int i = 0; i < SIDE * SIDE * SLICES; i++)
            voxels[i] = i ? (float)((i * 31 + s * 17) % 97) + 1 : 0;
        GOOD(slmt_volume_create(context, (const int64_t[]){SIDE, SIDE, SLICES}, lps, voxels, &v));
        GOOD(slmt_dataset_writer_add(w, name, (const slmt_volume *const *)&v, splits[s]));
        slmt_volume_free(v);
    }
    GOOD(slmt_dataset_writer_finish(w));
}

/* Tasks that the sampler feeds: of single slices, and of pairs of a slice between its neighbours and a
 * target. */
static const port one_input[] = {PORT_ROLE("images", "batch,height,width", SOURCE, "slices")};
static const port two_inputs[] = {PORT_ROLE("source", "batch,slices,height,width", SOURCE, "stacks"),
                                  PORT_ROLE("target", "batch,height,width", TARGET, "slices")};
static const method_task single_task = {.name = "single", .inputs = PORTS(one_input)};
static const method_task pair_task = {.name = "pairs", .inputs = PORTS(two_inputs)};

static feed slices_of(const method_task *kind, const slice_rule *rule, int batch, int32_t rank, int32_t ranks)
{
    static const bk_shape single[] = {{.rank = 3, .dim = {0, SIDE, SIDE}}};
    static const bk_shape pairs[] = {{.rank = 4, .dim = {0, 3, SIDE, SIDE}},
                                     {.rank = 3, .dim = {0, SIDE, SIDE}}};
    feed f = feed_of(rule, batch, rank, ranks);
    f.kind = kind;
    f.shape = kind == &single_task ? single : pairs;
    return f;
}

static void add_noise(float *source, float *target, int side, float *spare, random_stream *r)
{
    (void)target;
    (void)spare;
    for (int i = 0; i < side * side; i++)
        source[i] += (float)random_uniform(r);
}

static void slices_of_ranks_are_those_of_one_process(void **state)
{
    (void)state;
    static const slice_rule single = {add_noise, NULL};
    write_volumes();
    GOOD(slmt_dataset_open(context, path, &set));
    double alone_settings[TRAIN_SETTINGS];
    feed alone = slices_of(&single_task, &single, 3, 0, 1);
    memcpy(alone_settings, settings, sizeof settings);
    alone.at.setting = alone_settings;
    feed ranks[3];
    GOOD(slices_open(&alone));
    assert_int_equal(alone.steps_in_epoch, 2 * SLICES / 3);
    for (int k = 0; k < 3; k++) {
        ranks[k] = slices_of(&single_task, &single, 1, k, 3);
        GOOD(slices_open(&ranks[k]));
    }
    for (uint64_t step = 0; step < 10; step++) {
        float whole[3][SIDE][SIDE], part[SIDE][SIDE];
        void *in = whole;
        GOOD(slices_fill(&alone, step, &in));
        for (int k = 0; k < 3; k++) {
            in = part;
            GOOD(slices_fill(&ranks[k], step, &in));
            assert_memory_equal(part, whole[k], sizeof part);
        }
    }
    slices_close(&alone);
    for (int k = 0; k < 3; k++)
        slices_close(&ranks[k]);
}

static void add_constant(float *source, float *target, int side, float *spare, random_stream *r)
{
    (void)spare;
    float x = (float)random_uniform(r);
    for (int i = 0; i < side * side; i++) {
        source[i] += x;
        if (target)
            target[i] += x;
    }
}

static float all_slices[2][SLICES][SIDE][SIDE];

static void read_all_slices(void)
{
    write_volumes();
    GOOD(slmt_dataset_open(context, path, &set));
    for (size_t s = 0; s < 2; s++)
        for (size_t k = 0; k < SLICES; k++)
            GOOD(slmt_dataset_read_slice(set, s, 0, k, SLMT_RESIZE_BILINEAR, all_slices[s][k][0]));
}

/* The place of a slice in the set, s * SLICES + k; -1: it is none of them. */
static int place_of(float slice[SIDE][SIDE])
{
    for (int i = 0; i < 2 * SLICES; i++)
        if (memcmp(all_slices[i / SLICES][i % SLICES], slice, sizeof all_slices[0][0]) == 0)
            return i;
    return -1;
}

/* Outermost slices are their own neighbours; the target is the slice in the middle. */
static void a_slice_comes_between_its_neighbours(void **state)
{
    (void)state;
    static const slice_rule stacks = {add_constant, NULL};
    static float source[2][3][SIDE][SIDE], target[2][SIDE][SIDE];
    int seen[2 * SLICES] = {0};
    read_all_slices();
    feed f = slices_of(&pair_task, &stacks, 2, 0, 1);
    f.source = f.target = 0;
    settings[TRAIN_AUGMENT] = 0;
    GOOD(slices_open(&f));
    assert_int_equal(f.steps_in_epoch, SLICES);
    for (uint64_t step = 0; step < SLICES; step++) {
        GOOD(slices_fill(&f, step, (void *const[]){source, target}));
        for (int i = 0; i < 2; i++) {
            int at = place_of(source[i][1]), first = at / SLICES * SLICES, last = first + SLICES - 1;
            assert_true(at >= 0);
            assert_int_equal(place_of(source[i][0]), at > first ? at - 1 : first);
            assert_int_equal(place_of(source[i][2]), at < last ? at + 1 : last);
            assert_int_equal(place_of(target[i]), at);
            seen[at]++;
        }
    }
    for (int i = 0; i < 2 * SLICES; i++)
        assert_int_equal(seen[i], 1);
    slices_close(&f);
}

/* Every third slice of a subject from the first on, each once an epoch, with its own neighbours. */
static void every_third_slice_keeps_its_neighbours(void **state)
{
    (void)state;
    static const slice_rule stacks = {add_constant, "slice_step"};
    static const number rows[] = {NUMBER_BATCH("batch"), SLICE_STEP};
    static const method_task stepping = {.name = "pairs", .inputs = PORTS(two_inputs), .settings = {rows, 2}};
    static float source[1][3][SIDE][SIDE], target[1][SIDE][SIDE];
    const int thirds = (SLICES + 2) / 3;
    double own[TRAIN_SETTINGS];
    int seen[2 * SLICES] = {0};
    read_all_slices();
    feed f = slices_of(&pair_task, &stacks, 1, 0, 1);
    f.kind = &stepping;
    f.source = f.target = 0;
    memcpy(own, settings, sizeof own);
    own[TRAIN_AUGMENT] = 0;
    own[number_place(stepping.settings, 1)] = 3;
    f.at.setting = own;
    GOOD(slices_open(&f));
    assert_int_equal(f.steps_in_epoch, 2 * thirds);
    assert_int_equal(f.samples, 2 * SLICES);
    assert_int_equal(f.samples_used, 2 * thirds);
    for (uint64_t step = 0; step < f.steps_in_epoch; step++) {
        GOOD(slices_fill(&f, step, (void *const[]){source, target}));
        int at = place_of(target[0]), first = at / SLICES * SLICES, last = first + SLICES - 1;
        assert_int_equal((at - first) % 3, 0);
        assert_int_equal(place_of(source[0][0]), at > first ? at - 1 : first);
        assert_int_equal(place_of(source[0][2]), at < last ? at + 1 : last);
        seen[at]++;
    }
    for (int i = 0; i < 2 * SLICES; i++)
        assert_int_equal(seen[i], i % SLICES % 3 == 0);
    slices_close(&f);
}

static void neighbours_are_changed_as_their_slice_is(void **state)
{
    (void)state;
    static const slice_rule stacks = {add_constant, NULL};
    static float source[2][3][SIDE][SIDE], target[2][SIDE][SIDE], plain[2][3][SIDE][SIDE];
    read_all_slices();
    feed f = slices_of(&pair_task, &stacks, 2, 0, 1);
    f.source = f.target = 0;
    GOOD(slices_open(&f));
    GOOD(slices_fill(&f, 1, (void *const[]){source, target}));
    settings[TRAIN_AUGMENT] = 0;
    GOOD(slices_fill(&f, 1, (void *const[]){plain, target}));
    for (int i = 0; i < 2; i++) {
        float x = source[i][1][0][0] - plain[i][1][0][0];
        assert_true(x > 0);
        for (int j = 0; j < 3; j++)
            for (int r = 0; r < SIDE; r++)
                for (int c = 0; c < SIDE; c++)
                    assert_float_equal(source[i][j][r][c], plain[i][j][r][c] + x, 1e-6);
    }
    assert_float_not_equal(source[0][1][0][0] - plain[0][1][0][0], source[1][1][0][0] - plain[1][1][0][0],
                           1e-6);
    slices_close(&f);
}

static void sets_of_records_have_no_slices(void **state)
{
    (void)state;
    static const slice_rule single = {add_noise, NULL};
    write_pictures();
    GOOD(slmt_dataset_open(context, path, &set));
    feed f = slices_of(&single_task, &single, 1, 0, 1);
    assert_int_equal(slices_open(&f), ERR_STATE);
    assert_non_null(strstr(status_text(), "not made from MR volumes"));
    slices_close(&f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_context, free_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(images_and_labels_are_cropped_and_flipped_together),
        CASE(each_record_has_its_crops_in_an_epoch),
        CASE(the_ranks_of_a_step_get_what_one_process_would),
        CASE(sets_that_a_task_cannot_take_are_refused),
        CASE(slices_of_ranks_are_those_of_one_process),
        CASE(a_slice_comes_between_its_neighbours),
        CASE(every_third_slice_keeps_its_neighbours),
        CASE(neighbours_are_changed_as_their_slice_is),
        CASE(sets_of_records_have_no_slices),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
