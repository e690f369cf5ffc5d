/* SPDX-License-Identifier: Apache-2.0 */
/* test_walled_training.c - trainers on a backend whose memory the host cannot touch: bit for bit the
 * checkpoints of the reference. A read or write by the host ends the test with a signal. */
#include "tests/library/step_method.h"

#include "train/trainer.h"

#include "tests/api/api_fixture.h"

static const char *const walls[] = {"walled", "walled_calls"};
enum { REFERENCE = -1, WALLS = 2 };

static slmt_context_config config_of(int kind, int32_t precision)
{
    slmt_context_config c = config_for(SLMT_BACKEND_REFERENCE, 1, NULL);
    c.precision = precision;
    if (kind != REFERENCE) {
        c.backend_name = walls[kind];
        c.backend_path = PLUGINS;
    }
    return c;
}

static slmt_context *open_kind(int kind, int32_t precision)
{
    slmt_context_config c = config_of(kind, precision);
    return open_with(&c);
}

static int set_up(void **state)
{
    method_add(&step_method);
    return make_folder(state);
}

/* ---- what is trained ---- */

typedef struct subject {
    const char *task;
    slmt_number setting[4];
    size_t n_settings;
    slmt_model *(*model)(slmt_context *context, uint64_t seed);
    slmt_status (*step)(slmt_trainer *trainer, int index);
    int needs_guide;
} subject;

static slmt_model *small_net(slmt_context *context, uint64_t seed)
{
    return small_model(context, seed);
}

static slmt_status step_on_slices(slmt_trainer *trainer, int index)
{
    float *source = make_slices(1, index), *target = make_slices(1, index + 5);
    slmt_status s = strcmp(slmt_trainer_task(trainer), "pretrain") == 0
                        ? slmt_pretrain_step(trainer, source, 1e-3)
                        : slmt_finetune_step(trainer, source, target, 1e-3);
    free(source);
    free(target);
    return s;
}

enum { H = 16, W = 12, CHANNELS = 2, IMAGE = CHANNELS * H * W };

static slmt_model *small_seq2seq(slmt_context *context, uint64_t seed)
{
    static const slmt_number net[] = {{"channels", CHANNELS}, {"widths_0", 4},   {"widths_1", 6},
                                      {"widths_2", 8},        {"lstm_width", 8}, {"residual_blocks", 1},
                                      {"code_length", 5},     {"bank", 3}};
    slmt_model *model = NULL;
    GOOD(slmt_model_create_method(context, "seq2seq", net, sizeof net / sizeof *net, seed, &model));
    return model;
}

static slmt_status step_on_sequences(slmt_trainer *trainer, int index)
{
    float source[IMAGE], target[IMAGE];
    int32_t from = index % 3, to = (index + 1) % 3;
    const int64_t shape[] = {1, 1, CHANNELS, H, W}, one = 1;
    for (int i = 0; i < IMAGE; i++) {
        source[i] = (float)sin(0.37 * i + index);
        target[i] = (float)cos(0.21 * i - index);
    }
    const slmt_tensor in[] = {{"source", source, shape, NULL, 5, SLMT_TENSOR_FLOAT32},
                              {"target", target, shape, NULL, 5, SLMT_TENSOR_FLOAT32},
                              {"source_sequence", &from, &one, NULL, 1, SLMT_TENSOR_INT32},
                              {"target_sequence", &to, &one, NULL, 1, SLMT_TENSOR_INT32}};
    return slmt_trainer_step(trainer, in, 4, 2e-3);
}

enum { BATCH = 6 };

static slmt_model *step_model(slmt_context *context, uint64_t seed)
{
    slmt_model *model = NULL;
    const slmt_number option = {"hidden", 5};
    GOOD(slmt_model_create_method(context, "step-method", &option, 1, seed, &model));
    return model;
}

/* first: the first element of all. */
static slmt_status step_from(slmt_trainer *trainer, int index, float first)
{
    float x[BATCH * SM_IN], y[BATCH];
    const int64_t x_shape[] = {BATCH, SM_IN}, y_shape[] = {BATCH, 1};
    for (int i = 0; i < BATCH * SM_IN; i++)
        x[i] = (float)sin(1.3 * i + 0.7 * index);
    for (int b = 0; b < BATCH; b++)
        y[b] = x[b * SM_IN] - x[b * SM_IN + 1];
    x[0] = first;
    const slmt_tensor in[] = {{"x", x, x_shape, NULL, 2, SLMT_TENSOR_FLOAT32},
                              {"y", y, y_shape, NULL, 2, SLMT_TENSOR_FLOAT32}};
    return slmt_trainer_step(trainer, in, strcmp(slmt_trainer_task(trainer), "train") == 0 ? 2 : 1, 0.05);
}

static slmt_status step_on_vectors(slmt_trainer *trainer, int index)
{
    return step_from(trainer, index, 0.25f);
}

enum { PRETRAIN, FINETUNE, SEQ2SEQ, OWN_STEP, DISTIL, SUBJECTS };
static const subject subjects[] = {
    {"pretrain", {{"batch", 1}}, 1, small_net, step_on_slices, 0},
    {"finetune", {{"batch", 1}}, 1, small_net, step_on_slices, 0},
    {"train", {{"height", H}, {"width", W}}, 2, small_seq2seq, step_on_sequences, 0},
    {"train", {{"clip_norm", 0.5}}, 1, step_model, step_on_vectors, 0},
    {"distil", {{"clip_norm", 0.5}}, 1, step_model, step_on_vectors, 1},
};

static void attach_guide(const subject *k, slmt_context *context, slmt_trainer *trainer)
{
    if (!k->needs_guide)
        return;
    slmt_model *guide = k->model(context, 4);
    GOOD(slmt_trainer_attach(trainer, "guide", guide));
    slmt_model_free(guide); /* the trainer keeps it */
}

static slmt_trainer *open_subject(const subject *k, slmt_context *context)
{
    slmt_model *model = k->model(context, 3);
    slmt_trainer *trainer = NULL;
    GOOD(slmt_trainer_create_task(model, k->task, k->setting, k->n_settings, 7, &trainer));
    slmt_model_free(model);
    attach_guide(k, context, trainer);
    return trainer;
}

/* "NAME of KIND": a file of this wall, or of the reference. */
static const char *file_of(int kind, const char *name)
{
    char text[64];
    snprintf(text, sizeof text, "%s%d.slmt", name, kind);
    return in_folder(text);
}

static void save(const slmt_trainer *trainer, int kind, const char *name)
{
    GOOD(slmt_trainer_save(trainer, file_of(kind, name)));
}

static void expect_saved(int kind, const char *a, int other, const char *b)
{
    if (!same_files(file_of(kind, a), file_of(other, b)))
        fail_msg("%s of kind %d and %s of kind %d differ", a, kind, b, other);
}

/* ---- steps ---- */

/* Two steps, a checkpoint, two more; and those again from the checkpoint. */
static void run_and_resume(const subject *k, int kind, int32_t precision)
{
    slmt_context *context = open_kind(kind, precision);
    slmt_trainer *trainer = open_subject(k, context), *again = NULL;
    for (int i = 0; i < 2; i++)
        GOOD(k->step(trainer, i));
    save(trainer, kind, "half");
    GOOD(slmt_trainer_load(context, file_of(kind, "half"), &again));
    save(again, kind, "loaded");
    attach_guide(k, context, again);
    for (int i = 2; i < 4; i++) {
        GOOD(k->step(trainer, i));
        GOOD(k->step(again, i));
    }
    save(trainer, kind, "whole");
    save(again, kind, "resumed");
    slmt_trainer_free(trainer);
    slmt_trainer_free(again);
    slmt_context_free(context);
}

static void expect_reference(const subject *k, int32_t precision)
{
    run_and_resume(k, REFERENCE, precision);
    assert_false(same_files(file_of(REFERENCE, "half"), file_of(REFERENCE, "whole")));
    for (int kind = 0; kind < WALLS; kind++) {
        run_and_resume(k, kind, precision);
        expect_saved(kind, "half", REFERENCE, "half");
        expect_saved(kind, "loaded", REFERENCE, "half");
        expect_saved(kind, "whole", REFERENCE, "whole");
        expect_saved(kind, "resumed", REFERENCE, "whole");
    }
}

static void pretraining_gives_the_reference_s_checkpoints(void **state)
{
    (void)state;
    expect_reference(&subjects[PRETRAIN], SLMT_FLOAT32);
}

static void finetuning_gives_the_reference_s_checkpoints(void **state)
{
    (void)state;
    expect_reference(&subjects[FINETUNE], SLMT_FLOAT32);
}

static void seq2seq_gives_the_reference_s_checkpoints(void **state)
{
    (void)state;
    expect_reference(&subjects[SEQ2SEQ], SLMT_FLOAT32);
}

static void a_step_of_its_own_gives_the_reference_s_checkpoints(void **state)
{
    (void)state;
    expect_reference(&subjects[OWN_STEP], SLMT_FLOAT32);
    expect_reference(&subjects[OWN_STEP], SLMT_FLOAT64);
}

static void a_second_model_gives_the_reference_s_checkpoints(void **state)
{
    (void)state;
    expect_reference(&subjects[DISTIL], SLMT_FLOAT32);
    expect_reference(&subjects[DISTIL], SLMT_FLOAT64);
}

/* ---- what steps report ---- */

static void read_values(int kind, double value[6])
{
    slmt_context *context = open_kind(kind, SLMT_FLOAT32);
    slmt_trainer *trainer = open_subject(&subjects[OWN_STEP], context);
    for (int i = 0; i < 2; i++)
        GOOD(step_on_vectors(trainer, i));
    assert_int_equal(slmt_trainer_value_count(trainer), 6);
    for (size_t i = 0; i < 6; i++)
        value[i] = step_value(trainer, slmt_trainer_value_name(trainer, i));
    slmt_trainer_free(trainer);
    slmt_context_free(context);
}

static void losses_are_the_reference_s(void **state)
{
    (void)state;
    double truth[6], value[6];
    read_values(REFERENCE, truth);
    for (int kind = 0; kind < WALLS; kind++) {
        read_values(kind, value);
        for (int i = 0; i < 6; i++)
            assert_true(value[i] == truth[i] && value[i] > 0);
    }
}

/* ---- weights on both sides ---- */

/* A session of the model before and after steps, and a step after the caller has changed weights. */
static void use_model(int kind, float *target)
{
    slmt_context *context = open_kind(kind, SLMT_FLOAT32);
    slmt_model *model = small_net(context, 3);
    slmt_trainer *trainer = NULL;
    slmt_session *session = NULL;
    float *source = make_slices(1, 0), changed[8];
    size_t n;
    GOOD(slmt_trainer_create_task(model, "finetune", subjects[FINETUNE].setting, 1, 7, &trainer));
    GOOD(slmt_session_create(model, NULL, &session));
    GOOD(slmt_synthesize(session, source, 1, target));
    GOOD(step_on_slices(trainer, 0));
    GOOD(slmt_synthesize(session, source, 1, target + PIXELS));
    float *norm = tensor_values(model, "E.norm.bias", &n);
    assert_int_equal(n, 8);
    for (size_t i = 0; i < n; i++)
        changed[i] = norm[i] + 0.25f;
    free(norm);
    GOOD(slmt_model_set_tensor(model, "E.norm.bias", changed, n));
    GOOD(step_on_slices(trainer, 1));
    GOOD(slmt_synthesize(session, source, 1, target + 2 * PIXELS));
    free(source);
    slmt_session_free(session);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void sessions_and_callers_see_what_steps_made_and_the_other_way_round(void **state)
{
    (void)state;
    float *truth = calloc(3 * PIXELS, sizeof *truth), *target = calloc(3 * PIXELS, sizeof *target);
    use_model(REFERENCE, truth);
    assert_memory_not_equal(truth, truth + PIXELS, PIXELS * sizeof *truth);
    assert_memory_not_equal(truth + PIXELS, truth + 2 * PIXELS, PIXELS * sizeof *truth);
    for (int kind = 0; kind < WALLS; kind++) {
        use_model(kind, target);
        assert_memory_equal(target, truth, 3 * PIXELS * sizeof *truth);
    }
    free(truth);
    free(target);
}

/* ---- failures ---- */

static void a_step_that_fails_after_updates_leaves_everything_as_it_was(void **state)
{
    (void)state;
    for (int kind = REFERENCE; kind < WALLS; kind++) {
        slmt_context *context = open_kind(kind, SLMT_FLOAT32);
        slmt_trainer *trainer = open_subject(&subjects[OWN_STEP], context);
        GOOD(step_on_vectors(trainer, 0));
        save(trainer, kind, "before");
        sm_fails_late = 1;
        EXPECT_TEXT(SLMT_ERR_BACKEND, "asked to fail", step_on_vectors(trainer, 1));
        sm_fails_late = 0;
        save(trainer, kind, "after");
        expect_saved(kind, "after", kind, "before");
        GOOD(step_on_vectors(trainer, 1));
        save(trainer, kind, "later");
        expect_saved(kind, "later", REFERENCE, "later");
        slmt_trainer_free(trainer);
        slmt_context_free(context);
    }
}

/* The variance of the batch overflows, and the loss does not. */
static void next_values_that_are_no_numbers_are_found_on_the_device(void **state)
{
    (void)state;
    for (int kind = 0; kind < WALLS; kind++) {
        slmt_context *context = open_kind(kind, SLMT_FLOAT32);
        slmt_trainer *trainer = open_subject(&subjects[DISTIL], context);
        GOOD(step_on_vectors(trainer, 0));
        save(trainer, kind, "before");
        EXPECT_TEXT(SLMT_ERR_NONFINITE, "net.bn.running_var", step_from(trainer, 1, 3e38f));
        save(trainer, kind, "after");
        expect_saved(kind, "after", kind, "before");
        slmt_trainer_free(trainer);
        slmt_context_free(context);
    }
}

static void fill_tensor(slmt_model *model, const char *name, float x)
{
    size_t n;
    float *values = tensor_values(model, name, &n);
    for (size_t i = 0; i < n; i++)
        values[i] = x;
    GOOD(slmt_model_set_tensor(model, name, values, n));
    free(values);
}

/* The weights before the last product are 1e34 and 1e-34: the picture is an ordinary one, the product's
 * gradient is not. */
static void gradients_that_are_no_numbers_are_found_on_the_device(void **state)
{
    (void)state;
    const slmt_number settings[] = {{"batch", 1}, {"l1_weight", 1e9}};
    for (int kind = REFERENCE; kind < WALLS; kind++) {
        slmt_context *context = open_kind(kind, SLMT_FLOAT32);
        slmt_model *model = small_net(context, 3);
        slmt_trainer *trainer = NULL;
        GOOD(slmt_trainer_create_task(model, "finetune", settings, 2, 7, &trainer));
        fill_tensor(model, "G.norm_up.weight", 1e34f);
        fill_tensor(model, "G.to_img.linear.weight", 1e-34f);
        save(trainer, kind, "before");
        EXPECT_TEXT(SLMT_ERR_NONFINITE, "gradient of G.to_img.linear.weight", step_on_slices(trainer, 0));
        save(trainer, kind, "after");
        expect_saved(kind, "after", kind, "before");
        slmt_trainer_free(trainer);
        slmt_model_free(model);
        slmt_context_free(context);
    }
}

static void a_second_model_behind_another_wall_is_refused(void **state)
{
    (void)state;
    slmt_context *context[] = {open_kind(0, SLMT_FLOAT32), open_kind(0, SLMT_FLOAT32),
                               open_kind(REFERENCE, SLMT_FLOAT32)};
    slmt_trainer *trainer = open_subject(&subjects[DISTIL], context[0]);
    slmt_trainer *plain = open_subject(&subjects[DISTIL], context[2]);
    for (int i = 1; i < 3; i++) {
        slmt_model *guide = step_model(context[i], 5);
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "of another context", slmt_trainer_attach(trainer, "guide", guide));
        slmt_model_free(guide);
    }
    slmt_model *guide = step_model(context[0], 5);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "of another context", slmt_trainer_attach(plain, "guide", guide));
    slmt_model_free(guide);
    GOOD(step_on_vectors(trainer, 0)); /* with the guide of before */
    slmt_trainer_free(trainer);
    slmt_trainer_free(plain);
    for (int i = 0; i < 3; i++)
        slmt_context_free(context[i]);
}

/* ---- memory ---- */

static void memory_is_known_to_the_byte_before_it_is_taken(void **state)
{
    (void)state;
    for (int kind = 0; kind < WALLS; kind++)
        for (int i = 0; i < SUBJECTS; i++) {
            const subject *k = &subjects[i];
            slmt_context *context = open_kind(kind, SLMT_FLOAT32);
            slmt_model *model = k->model(context, 3);
            slmt_trainer *trainer = NULL;
            uint64_t bytes = 0, before = slmt_context_live_bytes(context);
            GOOD(slmt_trainer_task_memory(model, k->task, k->setting, k->n_settings, &bytes));
            assert_int_equal(slmt_context_live_bytes(context), before);
            GOOD(slmt_trainer_create_task(model, k->task, k->setting, k->n_settings, 7, &trainer));
            assert_int_equal(slmt_context_live_bytes(context) - before, bytes);
            if (!k->needs_guide)
                GOOD(k->step(trainer, 0));
            assert_int_equal(slmt_context_live_bytes(context) - before, bytes);
            slmt_trainer_free(trainer);
            assert_int_equal(slmt_context_live_bytes(context), before);
            slmt_model_free(model);
            slmt_context_free(context);
        }
}

/* Devices from one that has room for the model alone to the first that is large enough. */
static void a_device_that_is_too_small_is_refused_and_nothing_is_lost(void **state)
{
    (void)state;
    size_t refused = 0;
    for (int fits = 0; !fits; refused += !fits) {
        counter memory = {0};
        char options[64];
        slmt_context_config c = config_of(0, SLMT_FLOAT32);
        c.alloc = counter_alloc;
        c.free = counter_free;
        c.alloc_user = &memory;
        snprintf(options, sizeof options, "memory=%zu", 1024 + 256 * refused);
        c.backend_options = options;
        slmt_context *context = open_with(&c);
        slmt_model *model = step_model(context, 3);
        slmt_trainer *trainer = NULL;
        uint64_t before = slmt_context_live_bytes(context);
        slmt_status s = slmt_trainer_create_task(model, "train", NULL, 0, 7, &trainer);
        fits = s == SLMT_OK;
        if (fits)
            GOOD(step_on_vectors(trainer, 0));
        else
            EXPECT(SLMT_ERR_MEMORY, s);
        slmt_trainer_free(trainer);
        assert_int_equal(slmt_context_live_bytes(context), before);
        slmt_model_free(model);
        slmt_context_free(context);
        assert_int_equal(memory.live, 0);
    }
    assert_true(refused > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pretraining_gives_the_reference_s_checkpoints),
        cmocka_unit_test(finetuning_gives_the_reference_s_checkpoints),
        cmocka_unit_test(seq2seq_gives_the_reference_s_checkpoints),
        cmocka_unit_test(a_step_of_its_own_gives_the_reference_s_checkpoints),
        cmocka_unit_test(a_second_model_gives_the_reference_s_checkpoints),
        cmocka_unit_test(losses_are_the_reference_s),
        cmocka_unit_test(sessions_and_callers_see_what_steps_made_and_the_other_way_round),
        cmocka_unit_test(a_step_that_fails_after_updates_leaves_everything_as_it_was),
        cmocka_unit_test(next_values_that_are_no_numbers_are_found_on_the_device),
        cmocka_unit_test(gradients_that_are_no_numbers_are_found_on_the_device),
        cmocka_unit_test(a_second_model_behind_another_wall_is_refused),
        cmocka_unit_test(memory_is_known_to_the_byte_before_it_is_taken),
        cmocka_unit_test(a_device_that_is_too_small_is_refused_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, set_up, delete_folder);
}
