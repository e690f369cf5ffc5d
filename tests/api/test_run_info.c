/* SPDX-License-Identifier: Apache-2.0 */
/* test_run_info.c - what a run over a training set would be, how long it takes, and whether the set is the
 * one that the trainer has learned from. */
#include "io/checkpoint.h"

#include "tests/api/api_fixture.h"

/* ---- training sets ---- */

enum { NX = 24, NZ = 8, SLICES = 6, BATCH = 2 };

typedef struct set_form {
    int first; /* number of the first subject */
    int subjects;
    int32_t last_split;
    float scale; /* of the values of t2 */
} set_form;

static slmt_volume *make_volume(slmt_context *context, int subject, int contrast, float power)
{
    const int64_t dims[3] = {NX, NX, NZ};
    float voxels[NX * NX * NZ];
    for (int i = 0; i < NX * NX * NZ; i++) {
        int x = i % NX, y = i / NX % NX, z = i / (NX * NX);
        int inside = (x - 12) * (x - 12) + (y - 12) * (y - 12) < 100;
        double wave = 0.5 + 0.4 * sin(0.6 * x + subject + 0.3 * z) * cos(0.5 * y);
        voxels[i] = (float)(inside * (20 + 100 * pow(contrast ? 1 - wave : wave, power)));
    }
    slmt_volume *volume = NULL;
    GOOD(slmt_volume_create(context, dims, NULL, voxels, &volume));
    return volume;
}

/* Contrasts t1 and t2; the second subject has no t2. */
static void write_set(const char *path, set_form form)
{
    static const char *contrasts[] = {"t1", "t2"};
    slmt_context *context = open_context(1, NULL);
    slmt_preprocess p;
    slmt_dataset_writer *writer = NULL;
    slmt_preprocess_init(&p);
    p.crop_size = NX;
    p.slice_first = 1;
    p.slice_count = SLICES;
    p.image_size = SIDE;
    GOOD(slmt_dataset_writer_create_mr(context, path, &p, contrasts, 2, &writer));
    for (int s = 0; s < form.subjects; s++) {
        char name[32];
        snprintf(name, sizeof name, "subject-%d", form.first + s);
        slmt_volume *volumes[2] = {make_volume(context, s, 0, form.scale),
                                   s == 1 ? NULL : make_volume(context, s, 1, form.scale)};
        GOOD(slmt_dataset_writer_add(writer, name, (const slmt_volume *const *)volumes,
                                     s == form.subjects - 1 ? form.last_split : SLMT_SPLIT_TRAIN));
        slmt_volume_free(volumes[0]);
        slmt_volume_free(volumes[1]);
    }
    GOOD(slmt_dataset_writer_finish(writer));
    slmt_context_free(context);
}

static int set_up(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    write_set(in_folder("set.h5"), (set_form){0, 4, SLMT_SPLIT_TEST, 1});
    write_set(in_folder("moved.h5"), (set_form){0, 4, SLMT_SPLIT_TEST, 1});
    write_set(in_folder("names.h5"), (set_form){5, 4, SLMT_SPLIT_TEST, 1});
    write_set(in_folder("split.h5"), (set_form){0, 4, SLMT_SPLIT_TRAIN, 1});
    write_set(in_folder("fewer.h5"), (set_form){0, 3, SLMT_SPLIT_TRAIN, 1});
    write_set(in_folder("values.h5"), (set_form){0, 4, SLMT_SPLIT_TEST, 2});
    return 0;
}

static slmt_dataset *open_set(slmt_context *context, const char *name)
{
    slmt_dataset *set = NULL;
    GOOD(slmt_dataset_open(context, in_folder(name), &set));
    return set;
}

/* ---- trainers ---- */

static slmt_trainer *open_trainer(slmt_context *context, const char *task, double data_rate)
{
    const slmt_number settings[] = {{"batch", BATCH}, {"epochs", 3}, {"data_rate", data_rate}};
    slmt_model *model = small_model(context, 3);
    slmt_trainer *trainer = NULL;
    GOOD(slmt_trainer_create(model, task, settings, 3, 11, &trainer));
    slmt_model_free(model); /* the trainer keeps it */
    return trainer;
}

static slmt_run_info describe(slmt_trainer *trainer, slmt_dataset *set)
{
    slmt_run_info info = {.struct_size = sizeof info};
    int pairs = strcmp(slmt_trainer_task(trainer), "finetune") == 0;
    GOOD(slmt_trainer_describe_run(trainer, set, pairs ? "t1" : NULL, pairs ? "t2" : NULL, &info));
    return info;
}

static void run(slmt_trainer *trainer, slmt_dataset *set, uint64_t steps)
{
    GOOD(slmt_trainer_run(trainer, set, "t1", "t2", steps, NULL, NULL));
}

/* ---- what is said ---- */

/* Three subjects to train on, with six slices of t1 each and of t2 in two of them. */
static void pairs_and_subjects_are_those_that_are_used(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, "set.h5");
    static const struct {
        const char *task;
        double data_rate;
        uint64_t samples, used, records, records_used;
    } runs[] = {{"finetune", 1, 12, 12, 2, 2},
                {"finetune", 0.7, 12, 8, 2, 2},
                {"finetune", 0.5, 12, 6, 2, 1},
                {"pretrain", 1, 30, 30, 3, 3},
                {"pretrain", 0.5, 30, 15, 3, 2}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        slmt_trainer *trainer = open_trainer(context, runs[i].task, runs[i].data_rate);
        slmt_run_info info = describe(trainer, set);
        assert_int_equal(info.samples, runs[i].samples);
        assert_int_equal(info.samples_used, runs[i].used);
        assert_int_equal(info.records, runs[i].records);
        assert_int_equal(info.records_used, runs[i].records_used);
        assert_int_equal(info.steps_in_epoch, runs[i].used / BATCH);
        assert_int_equal(info.total_steps, 3 * (runs[i].used / BATCH));
        slmt_trainer_free(trainer);
    }
    slmt_dataset_free(set);
    slmt_context_free(context);
}

static void what_a_run_would_refuse_is_refused(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, "set.h5");
    slmt_trainer *trainer = open_trainer(context, "finetune", 1);
    slmt_run_info info = {.struct_size = sizeof info};
    EXPECT(SLMT_ERR_NOT_FOUND, slmt_trainer_describe_run(trainer, set, "t1", "flair", &info));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_trainer_describe_run(trainer, set, "t1", NULL, &info));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_trainer_describe_run(trainer, set, "t1", "t2", NULL));
    info.struct_size = 4;
    EXPECT(SLMT_ERR_ARGUMENT, slmt_trainer_describe_run(trainer, set, "t1", "t2", &info));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_trainer_time_step(trainer, NULL));
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

/* The bytes of all tensors of a file. */
static uint64_t tensor_bytes(const char *path)
{
    static const char *const groups[] = {"weights", "training/moment1", "training/moment2",
                                         "training/frozen"};
    mem m;
    checkpoint *c;
    const checkpoint_tensor *t;
    uint64_t bytes = 0;
    mem_init(&m, NULL, NULL, NULL, 0);
    GOOD(checkpoint_open(&m, path, &c));
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (size_t i = 0; (t = checkpoint_tensor_at(c, groups[g], i)); i++) {
            uint64_t n = sizeof(float);
            for (int axis = 0; axis < t->rank; axis++)
                n *= (uint64_t)t->dims[axis];
            bytes += n;
        }
    checkpoint_close(c);
    return bytes;
}

static void the_size_of_a_checkpoint_is_that_of_its_tensors(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, "set.h5");
    static const char *const tasks[] = {"pretrain", "finetune"};
    for (int i = 0; i < 2; i++) {
        slmt_trainer *trainer = open_trainer(context, tasks[i], 1);
        GOOD(slmt_trainer_save(trainer, in_folder("size.slmt")));
        assert_int_equal(describe(trainer, set).checkpoint_bytes, tensor_bytes(in_folder("size.slmt")));
        slmt_trainer_free(trainer);
    }
    slmt_dataset_free(set);
    slmt_context_free(context);
}

static void describing_and_timing_leave_the_trainer_as_it_was(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, "set.h5");
    slmt_trainer *plain = open_trainer(context, "finetune", 1), *asked = open_trainer(context, "finetune", 1);
    double seconds = -1;
    for (int i = 0; i < 2; i++) {
        run(plain, set, 2);
        describe(asked, set);
        GOOD(slmt_trainer_time_step(asked, &seconds));
        assert_true(seconds > 0);
        run(asked, set, 2);
    }
    assert_true(step_value(plain, "total") == step_value(asked, "total"));
    GOOD(slmt_trainer_time_step(asked, &seconds)); /* the values of the last step stay readable */
    assert_true(step_value(plain, "total") == step_value(asked, "total"));
    GOOD(slmt_trainer_save(plain, in_folder("plain.slmt")));
    GOOD(slmt_trainer_save(asked, in_folder("asked.slmt")));
    assert_true(same_files(in_folder("plain.slmt"), in_folder("asked.slmt")));
    slmt_trainer_free(plain);
    slmt_trainer_free(asked);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

/* ---- which set it was ---- */

static void a_set_is_known_by_its_contents_and_not_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int is_other;
    } sets[] = {{"set.h5", 0},   {"moved.h5", 0}, {"names.h5", 1},
                {"split.h5", 1}, {"fewer.h5", 1}, {"values.h5", 1}};
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *first = open_set(context, "set.h5");
    slmt_trainer *trainer = open_trainer(context, "finetune", 1), *again = NULL;
    assert_int_equal(describe(trainer, first).is_other_set, 0); /* it has learned from none */
    run(trainer, first, 1);
    GOOD(slmt_trainer_save(trainer, in_folder("one.slmt")));
    GOOD(slmt_trainer_load(context, in_folder("one.slmt"), &again));
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        slmt_dataset *set = open_set(context, sets[i].name);
        assert_int_equal(describe(trainer, set).is_other_set, sets[i].is_other);
        assert_int_equal(describe(again, set).is_other_set, sets[i].is_other);
        slmt_dataset_free(set);
    }
    slmt_dataset *other = open_set(context, "names.h5");
    run(again, other, 1);
    assert_int_equal(describe(again, other).is_other_set, 0);
    assert_int_equal(describe(again, first).is_other_set, 1);
    slmt_dataset_free(first);
    slmt_dataset_free(other);
    slmt_trainer_free(trainer);
    slmt_trainer_free(again);
    slmt_context_free(context);
}

typedef struct warnings {
    int count, refuse;
    char text[512];
} warnings;

static int32_t on_warning(void *user, const char *text)
{
    warnings *w = user;
    w->count++;
    snprintf(w->text, sizeof w->text, "%s", text);
    return w->refuse;
}

/* Once, when the run on it begins; who refuses the warning leaves the trainer as it was. */
static void a_run_on_another_set_is_told(void **state)
{
    (void)state;
    warnings w = {0};
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *first = open_set(context, "set.h5"), *moved = open_set(context, "moved.h5"),
                 *fewer = open_set(context, "fewer.h5");
    slmt_trainer *trainer = open_trainer(context, "finetune", 1);
    GOOD(slmt_context_set_warning(context, on_warning, &w));
    run(trainer, first, 1);
    run(trainer, moved, 1);
    assert_int_equal(w.count, 0);
    w.refuse = 1;
    EXPECT(SLMT_ERR_CANCELLED, slmt_trainer_run(trainer, fewer, "t1", "t2", 1, NULL, NULL));
    assert_int_equal(describe(trainer, fewer).is_other_set, 1);
    w.refuse = 0;
    run(trainer, fewer, 1);
    assert_int_equal(w.count, 2);
    assert_non_null(strstr(w.text, "fewer.h5"));
    assert_non_null(strstr(w.text, "has 3 subjects"));
    assert_non_null(strstr(w.text, "had 4"));
    run(trainer, fewer, 1);
    assert_int_equal(w.count, 2);
    slmt_trainer_free(trainer);
    slmt_dataset_free(first);
    slmt_dataset_free(moved);
    slmt_dataset_free(fewer);
    slmt_context_free(context);
}

static void a_checkpoint_says_where_its_training_is(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, "set.h5");
    slmt_trainer *trainer = open_trainer(context, "finetune", 1);
    slmt_checkpoint_info info = {.struct_size = sizeof info};
    run(trainer, set, 5);
    GOOD(slmt_trainer_save(trainer, in_folder("part.slmt")));
    GOOD(slmt_model_save(slmt_trainer_model(trainer), in_folder("model.slmt")));
    GOOD(slmt_checkpoint_describe(context, in_folder("part.slmt"), &info));
    assert_string_equal(info.task, "finetune");
    assert_true(info.step == 5 && info.steps_in_epoch == 6 && info.total_steps == 18);
    GOOD(slmt_checkpoint_describe(context, in_folder("model.slmt"), &info));
    assert_string_equal(info.task, "");
    assert_true(info.step == 0 && info.total_steps == 0);
    EXPECT(SLMT_ERR_FORMAT, slmt_checkpoint_describe(context, in_folder("set.h5"), &info));
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_and_subjects_are_those_that_are_used),
        cmocka_unit_test(what_a_run_would_refuse_is_refused),
        cmocka_unit_test(the_size_of_a_checkpoint_is_that_of_its_tensors),
        cmocka_unit_test(describing_and_timing_leave_the_trainer_as_it_was),
        cmocka_unit_test(a_set_is_known_by_its_contents_and_not_by_its_name),
        cmocka_unit_test(a_run_on_another_set_is_told),
        cmocka_unit_test(a_checkpoint_says_where_its_training_is),
    };
    return cmocka_run_group_tests(tests, set_up, delete_folder);
}
