/* SPDX-License-Identifier: Apache-2.0 */
/* test_cuda_ahead.c - runs over a set on the cuda backend, whose plug-in here is the one for the emulation:
 * the next step is prepared while the device works on this one, and no bit depends on it. The emulation's
 * streams run when they are waited for, and not before. */
#include "core/context.h"
#include "train/trainer.h"

static status cannot_read(uint64_t step) /* cmocka.h has another fail() */
{
    return fail(ERR_IO, "the samples of step %llu cannot be read", (unsigned long long)step);
}

#include "tests/api/api_fixture.h"

/* ---- a training set: two subjects of six slices, two contrasts ---- */

enum { NX = 24, NZ = 8, SLICES = 6, SUBJECTS = 2, BATCH = 1, STEPS = 6 };

static slmt_volume *make_volume(slmt_context *context, int subject, int contrast)
{
    const int64_t dims[3] = {NX, NX, NZ};
    float voxels[NX * NX * NZ];
    for (int i = 0; i < NX * NX * NZ; i++) {
        int x = i % NX, y = i / NX % NX, z = i / NX / NX,
            inside = (x - 12) * (x - 12) + (y - 12) * (y - 12) < 100;
        double wave = 0.5 + 0.4 * sin(0.6 * x + subject + 0.3 * z) * cos(0.5 * y);
        voxels[i] = (float)(inside * (20 + 100 * (contrast ? 1 - 0.8 * wave : wave)));
    }
    slmt_volume *volume = NULL;
    GOOD(slmt_volume_create(context, dims, NULL, voxels, &volume));
    return volume;
}

static int write_set(void **state)
{
    static const char *const contrasts[] = {"t1", "t2"}, *const names[] = {"first", "second"};
    if (make_folder(state) != 0)
        return -1;
    slmt_context *context = open_context(1, NULL);
    slmt_preprocess p;
    slmt_dataset_writer *writer = NULL;
    slmt_preprocess_init(&p);
    p.crop_size = NX;
    p.slice_first = 1;
    p.slice_count = SLICES;
    p.image_size = SIDE;
    GOOD(slmt_dataset_writer_create_mr(context, in_folder("set.h5"), &p, contrasts, 2, &writer));
    for (int subject = 0; subject < SUBJECTS; subject++) {
        slmt_volume *volumes[] = {make_volume(context, subject, 0), make_volume(context, subject, 1)};
        GOOD(slmt_dataset_writer_add(writer, names[subject], (const slmt_volume *const *)volumes,
                                     SLMT_SPLIT_TRAIN));
        slmt_volume_free(volumes[0]);
        slmt_volume_free(volumes[1]);
    }
    GOOD(slmt_dataset_writer_finish(writer));
    slmt_context_free(context);
    return 0;
}

/* ---- a backend and a sampler that write down what happens ---- */

enum { NEVER = 1000 };
/* L: a plan is launched, l: behind another one, W: it is waited for, S: the device is looked at, F: samples
 * are read, D: a copy down, which waits */
static char happened[8192];
static uint64_t fails_at = NEVER;
static const bk_backend *real;
static const feeding *true_feeding;

static void note(char what)
{
    size_t n = strlen(happened);
    assert_true(n + 1 < sizeof happened);
    happened[n] = what;
    happened[n + 1] = 0;
}

static bk_status noted_launch(void *device, void *program, void *const *bound, void *after)
{
    note(after ? 'l' : 'L');
    return real->launch(device, program, bound, after);
}

static bk_status noted_look(void *device, const bk_tensor *arrays, int32_t n, int32_t *first,
                            const bk_read *reads, int32_t n_reads)
{
    note('S');
    return real->look(device, arrays, n, first, reads, n_reads);
}

static bk_status noted_copy(void *device, void *to, const void *from, size_t bytes, bk_direction way)
{
    if (way == BK_DOWN)
        note('D');
    return real->copy(device, to, from, bytes, way);
}

static bk_status noted_wait(void *device, void *program)
{
    note('W');
    return real->wait(device, program);
}

static status noted_fill(feed *f, uint64_t step, void *const *in)
{
    note('F');
    if (step == fails_at)
        return cannot_read(step);
    return true_feeding->fill(f, step, in);
}

static slmt_context *open_cuda(void)
{
    static bk_backend noted;
    slmt_context_config c = config_for(SLMT_BACKEND_CUDA, 1, NULL);
    c.backend_path = PLUGINS;
    slmt_context *context = open_with(&c);
    real = context->dev.backend;
    noted = *real;
    noted.launch = noted_launch;
    noted.wait = noted_wait;
    noted.look = noted_look;
    noted.copy = noted_copy;
    context->dev.backend = &noted;
    return context;
}

/* Has the trainer read samples by noted_fill(). */
static void watch(slmt_trainer *trainer)
{
    static method_task kind;
    static feeding noted;
    task *t = &trainer->stepper.task;
    kind = *t->kind;
    true_feeding = kind.feeding;
    noted = *true_feeding;
    noted.fill = noted_fill;
    kind.feeding = &noted;
    t->kind = &kind;
}

static slmt_trainer *new_trainer(slmt_context *context, const char *task)
{
    const slmt_number setting[] = {{"batch", BATCH}, {"epochs", 3}};
    slmt_model *model = small_model(context, 3);
    slmt_trainer *trainer = NULL;
    GOOD(slmt_trainer_create(model, task, setting, 2, 7, &trainer));
    slmt_model_free(model);
    return trainer;
}

static slmt_status run(slmt_trainer *trainer, uint64_t steps)
{
    slmt_dataset *set = NULL;
    int pairs = strcmp(slmt_trainer_task(trainer), "finetune") == 0;
    GOOD(slmt_dataset_open(trainer->context, in_folder("set.h5"), &set));
    happened[0] = 0;
    slmt_status s =
        slmt_trainer_run(trainer, set, pairs ? "t1" : NULL, pairs ? "t2" : NULL, steps, NULL, NULL);
    slmt_dataset_free(set);
    return s;
}

/* ---- the tests ---- */

/* Of a step the host waits once, by looking; the graph and the update before it have ended then. */
static void samples_of_the_next_step_are_read_before_the_device_is_waited_for(void **state)
{
    (void)state;
    slmt_context *context = open_cuda();
    slmt_trainer *trainer = new_trainer(context, "pretrain");
    watch(trainer);
    GOOD(run(trainer, 3));
    assert_string_equal(happened, "F"
                                  "LFSWL"
                                  "lFSWWL"
                                  "lSWWL"); /* a graph and its update, three times */
    slmt_trainer_free(trainer);
    slmt_context_free(context);
}

/* Nothing works beside the host then. */
static void a_profiled_run_reads_samples_when_their_step_begins(void **state)
{
    (void)state;
    slmt_context *context = open_cuda();
    slmt_trainer *trainer = new_trainer(context, "pretrain");
    slmt_profile *profile = NULL;
    watch(trainer);
    GOOD(slmt_profile_create(context, &profile));
    GOOD(slmt_trainer_set_profile(trainer, profile));
    GOOD(run(trainer, 3));
    assert_string_equal(happened, "FSFSFS");
    slmt_profile_free(profile);
    slmt_trainer_free(trainer);
    slmt_context_free(context);
}

/* A run of one step has no next one to prepare: it is the order of a backend that works on the host. */
static void train_step_by_step(slmt_context *context, const char *task, uint64_t steps, const char *file)
{
    slmt_trainer *trainer = new_trainer(context, task);
    for (uint64_t i = 0; i < steps; i++)
        GOOD(run(trainer, 1));
    GOOD(slmt_trainer_save(trainer, in_folder(file)));
    slmt_trainer_free(trainer);
}

static void train_at_once(slmt_context *context, const char *task, uint64_t steps, const char *file)
{
    slmt_trainer *trainer = new_trainer(context, task);
    GOOD(run(trainer, steps));
    GOOD(slmt_trainer_save(trainer, in_folder(file)));
    slmt_trainer_free(trainer);
}

static void train_with_a_save_between(slmt_context *context, const char *task, uint64_t steps,
                                      const char *file)
{
    slmt_trainer *trainer = new_trainer(context, task), *again = NULL;
    GOOD(run(trainer, steps / 2));
    GOOD(slmt_trainer_save(trainer, in_folder("half.h5")));
    slmt_trainer_free(trainer);
    GOOD(slmt_trainer_load(context, in_folder("half.h5"), &again));
    GOOD(run(again, steps - steps / 2));
    GOOD(slmt_trainer_save(again, in_folder(file)));
    slmt_trainer_free(again);
}

static void weights_are_those_of_a_run_without_preparation_bit_for_bit(void **state)
{
    (void)state;
    slmt_context *context = open_cuda();
    static const struct {
        const char *task;
        uint64_t steps;
    } runs[] = {{"pretrain", STEPS}, {"finetune", 2}};
    for (int i = 0; i < 2; i++) {
        train_step_by_step(context, runs[i].task, runs[i].steps, "apart.h5");
        train_at_once(context, runs[i].task, runs[i].steps, "whole.h5");
        train_with_a_save_between(context, runs[i].task, runs[i].steps, "resumed.h5");
        assert_true(same_files(in_folder("whole.h5"), in_folder("apart.h5")));
        assert_true(same_files(in_folder("whole.h5"), in_folder("resumed.h5")));
        assert_false(same_files(in_folder("whole.h5"), in_folder("half.h5")));
    }
    slmt_context_free(context);
}

static void synthesize(slmt_model *model, float *image)
{
    slmt_session *session = NULL;
    float *source = make_slices(1, 3);
    GOOD(slmt_session_create(model, NULL, NULL, 0, &session));
    GOOD(slmt_synthesize(session, source, 1, image));
    slmt_session_free(session);
    free(source);
}

/* The device may still be at the update when the step has ended. */
static void a_session_reads_the_weights_that_the_step_before_it_made(void **state)
{
    (void)state;
    static float before[PIXELS], after[PIXELS], later[PIXELS];
    static const slmt_number setting = {"batch", 1};
    slmt_context *context = open_cuda();
    slmt_model *model = small_model(context, 3);
    slmt_trainer *trainer = NULL;
    float *source = make_slices(1, 0), *target = make_slices(1, 5);
    GOOD(slmt_trainer_create(model, "finetune", &setting, 1, 7, &trainer));
    synthesize(model, before);
    GOOD(slmt_net_finetune_step(trainer, source, target, 1e-2));
    synthesize(model, after);
    GOOD(slmt_trainer_save(trainer, in_folder("step.h5")));
    synthesize(model, later);
    assert_memory_equal(after, later, sizeof after);
    assert_memory_not_equal(after, before, sizeof after);
    free(source);
    free(target);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* A step by hand in the step callback has samples of its own, and the run goes on with its own. */
static int step_beside(void *user, slmt_trainer *trainer, const slmt_training_state *state)
{
    (void)user;
    float *source = make_slices(BATCH, (int)state->step);
    if (state->step == 1)
        GOOD(slmt_net_pretrain_step(trainer, source, 1e-3));
    free(source);
    return 0;
}

static void a_step_by_hand_between_changes_no_samples_of_the_run(void **state)
{
    (void)state;
    slmt_context *context = open_cuda();
    slmt_trainer *whole = new_trainer(context, "pretrain"), *apart = new_trainer(context, "pretrain");
    slmt_dataset *set = NULL;
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    GOOD(slmt_trainer_run(whole, set, NULL, NULL, 3, step_beside, NULL));
    for (int i = 0; i < 2; i++)
        GOOD(slmt_trainer_run(apart, set, NULL, NULL, 1, step_beside, NULL));
    GOOD(slmt_trainer_save(whole, in_folder("whole.h5")));
    GOOD(slmt_trainer_save(apart, in_folder("apart.h5")));
    assert_true(same_files(in_folder("whole.h5"), in_folder("apart.h5")));
    slmt_dataset_free(set);
    slmt_trainer_free(whole);
    slmt_trainer_free(apart);
    slmt_context_free(context);
}

/* What cannot be read is the failure of the step that needs it. */
static void samples_that_cannot_be_read_fail_the_step_that_they_are_of(void **state)
{
    (void)state;
    slmt_context *context = open_cuda();
    slmt_trainer *trainer = new_trainer(context, "pretrain"), *two = new_trainer(context, "pretrain");
    GOOD(run(two, 2));
    GOOD(slmt_trainer_save(two, in_folder("two.h5")));
    watch(trainer);
    fails_at = 2;
    EXPECT_TEXT(SLMT_ERR_IO, "samples of step 2", run(trainer, STEPS));
    fails_at = NEVER;
    assert_int_equal(trainer->stepper.step, 2);
    GOOD(slmt_trainer_save(trainer, in_folder("failed.h5")));
    assert_true(same_files(in_folder("two.h5"), in_folder("failed.h5")));
    slmt_trainer_free(trainer);
    slmt_trainer_free(two);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_of_the_next_step_are_read_before_the_device_is_waited_for),
        cmocka_unit_test(a_profiled_run_reads_samples_when_their_step_begins),
        cmocka_unit_test(weights_are_those_of_a_run_without_preparation_bit_for_bit),
        cmocka_unit_test(a_session_reads_the_weights_that_the_step_before_it_made),
        cmocka_unit_test(a_step_by_hand_between_changes_no_samples_of_the_run),
        cmocka_unit_test(samples_that_cannot_be_read_fail_the_step_that_they_are_of),
    };
    return cmocka_run_group_tests(tests, write_set, delete_folder);
}
