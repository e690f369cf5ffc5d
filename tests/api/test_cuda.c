/* SPDX-License-Identifier: Apache-2.0 */
/* test_cuda.c - models, sessions and trainers on the cuda backend, whose plug-in here is the one for the
 * emulation: the values of the reference within float32's errors, the same bits twice, and checkpoints that
 * other backends go on from. */
#include <math.h>

#include "tests/api/api_fixture.h"

/* cuda 1: on the plug-in; 0: the reference backend. */
static slmt_context *open_kind(int cuda)
{
    slmt_context_config c = config_for(SLMT_BACKEND_REFERENCE, 1, NULL);
    if (cuda) {
        c.backend_name = "cuda";
        c.backend_path = PLUGINS;
    }
    return open_with(&c);
}

enum { SLICES = 2 };

static float *synthesize_all(int cuda)
{
    slmt_context *context = open_kind(cuda);
    slmt_model *model = small_model(context, 5);
    slmt_session *session = NULL;
    float *source = make_slices(SLICES, 0), *target = calloc(SLICES * PIXELS, sizeof *target);
    GOOD(slmt_session_create(model, NULL, NULL, 0, &session));
    GOOD(slmt_synthesize(session, source, SLICES, target));
    free(source);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
    return target;
}

/* Values lie in [0, 1]; float32's roundings along some twenty layers leave about 1e-6 of that. */
static void synthesis_gives_the_reference_s_values_and_the_same_bits_twice(void **state)
{
    (void)state;
    float *truth = synthesize_all(0), *once = synthesize_all(1), *twice = synthesize_all(1);
    double largest = 0, error = 0;
    for (int i = 0; i < SLICES * PIXELS; i++) {
        largest = fmax(largest, fabs(truth[i]));
        error = fmax(error, fabs(once[i] - truth[i]));
    }
    assert_true(largest > 0.1);
    assert_true(error < 2e-5);
    assert_memory_equal(once, twice, SLICES * PIXELS * sizeof *once);
    free(truth);
    free(once);
    free(twice);
}

/* ---- training ---- */

static slmt_status step(slmt_trainer *trainer, int index)
{
    float *source = make_slices(1, index), *target = make_slices(1, index + 5);
    slmt_status s = strcmp(slmt_trainer_task(trainer), "pretrain") == 0
                        ? slmt_net_pretrain_step(trainer, source, 1e-3)
                        : slmt_net_finetune_step(trainer, source, target, 1e-3);
    free(source);
    free(target);
    return s;
}

static slmt_trainer *new_trainer(slmt_context *context, const char *task)
{
    static const slmt_number setting = {"batch", 1};
    slmt_model *model = small_model(context, 3);
    slmt_trainer *trainer = NULL;
    GOOD(slmt_trainer_create(model, task, &setting, 1, 7, &trainer));
    slmt_model_free(model);
    return trainer;
}

/* The first value that the trainer reports after two steps: the loss. */
static double loss_after_two(int cuda)
{
    slmt_context *context = open_kind(cuda);
    slmt_trainer *trainer = new_trainer(context, "finetune");
    for (int i = 0; i < 2; i++)
        GOOD(step(trainer, i));
    double loss = step_value(trainer, slmt_trainer_value_name(trainer, 0));
    slmt_trainer_free(trainer);
    slmt_context_free(context);
    return loss;
}

static void losses_of_steps_are_the_reference_s(void **state)
{
    (void)state;
    double truth = loss_after_two(0), loss = loss_after_two(1);
    assert_true(truth > 0);
    if (!(fabs(loss - truth) <= 1e-3 * truth)) /* the second step starts from weights that differ a little */
        fail_msg("the loss is %.9g, not %.9g", loss, truth);
}

static void a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(void **state)
{
    (void)state;
    slmt_context *context = open_kind(1);
    slmt_trainer *trainer = new_trainer(context, "pretrain"), *again = NULL;
    GOOD(step(trainer, 0));
    GOOD(slmt_trainer_save(trainer, in_folder("half.slmt")));
    GOOD(slmt_trainer_load(context, in_folder("half.slmt"), &again));
    GOOD(step(trainer, 1));
    GOOD(step(again, 1));
    GOOD(slmt_trainer_save(trainer, in_folder("whole.slmt")));
    GOOD(slmt_trainer_save(again, in_folder("resumed.slmt")));
    assert_true(same_files(in_folder("whole.slmt"), in_folder("resumed.slmt")));
    assert_false(same_files(in_folder("whole.slmt"), in_folder("half.slmt")));
    slmt_trainer_free(trainer);
    slmt_trainer_free(again);
    slmt_context_free(context);
}

static void another_backend_goes_on_from_its_checkpoint(void **state)
{
    (void)state;
    slmt_context *cuda = open_kind(1), *reference = open_kind(0);
    slmt_trainer *trainer = new_trainer(cuda, "finetune"), *there = NULL, *back = NULL;
    GOOD(step(trainer, 0));
    GOOD(slmt_trainer_save(trainer, in_folder("cuda.slmt")));
    GOOD(slmt_trainer_load(reference, in_folder("cuda.slmt"), &there));
    GOOD(slmt_trainer_save(there, in_folder("there.slmt")));
    assert_true(same_files(in_folder("cuda.slmt"), in_folder("there.slmt")));
    GOOD(step(there, 1));
    GOOD(slmt_trainer_save(there, in_folder("there.slmt")));
    GOOD(slmt_trainer_load(cuda, in_folder("there.slmt"), &back));
    GOOD(step(back, 2));
    slmt_trainer_free(trainer);
    slmt_trainer_free(there);
    slmt_trainer_free(back);
    slmt_context_free(cuda);
    slmt_context_free(reference);
}

/* ---- memory ---- */

static void memory_of_the_device_is_known_before_it_is_taken(void **state)
{
    (void)state;
    slmt_context *context = open_kind(1);
    slmt_model *model = small_model(context, 3);
    const slmt_number setting = {"batch", 2};
    slmt_session *session = NULL;
    slmt_trainer *trainer = NULL;
    uint64_t all = 0, device = 0, before = slmt_context_device_bytes(context);
    assert_true(before > 0); /* the weights */
    GOOD(slmt_session_device_memory(model, NULL, &setting, 1, &device));
    GOOD(slmt_session_memory(model, NULL, &setting, 1, &all));
    GOOD(slmt_session_create(model, NULL, &setting, 1, &session));
    assert_true(device > 0 && device < all);
    assert_int_equal(slmt_context_device_bytes(context) - before, device);
    slmt_session_free(session);
    GOOD(slmt_trainer_device_memory(model, "finetune", &setting, 1, &device));
    GOOD(slmt_trainer_create(model, "finetune", &setting, 1, 7, &trainer));
    assert_int_equal(slmt_context_device_bytes(context) - before, device);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    assert_int_equal(slmt_context_device_bytes(context), 0);
    slmt_context_free(context);
}

static void a_limit_of_the_device_is_kept(void **state)
{
    (void)state;
    slmt_context *context = open_kind(1);
    slmt_model *model = small_model(context, 3);
    uint64_t weights = slmt_context_device_bytes(context);
    char options[64];
    slmt_model_free(model);
    slmt_context_free(context);
    slmt_context_config c = config_for(SLMT_BACKEND_CUDA, 1, NULL);
    snprintf(options, sizeof options, "device=0,memory=%llu", (unsigned long long)weights);
    c.backend_path = PLUGINS;
    c.backend_options = options;
    context = open_with(&c);
    model = small_model(context, 3); /* it just fits */
    slmt_session *session = NULL;
    EXPECT(SLMT_ERR_MEMORY, slmt_session_create(model, NULL, NULL, 0, &session));
    assert_int_equal(slmt_context_device_bytes(context), weights);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* The names of products of the backend are in its description. */
static void arithmetic_reaches_the_backend(void **state)
{
    (void)state;
    static const char *const said[] = {"float32", "bfloat16 products", "tf32 products"};
    slmt_context_config c = config_for(SLMT_BACKEND_CUDA, 1, NULL);
    c.backend_path = PLUGINS;
    for (c.arithmetic = SLMT_ARITHMETIC_FLOAT32; c.arithmetic <= SLMT_ARITHMETIC_TF32; c.arithmetic++) {
        slmt_context *context = open_with(&c);
        if (!strstr(slmt_context_describe(context), said[c.arithmetic]))
            fail_msg("%s lacks %s", slmt_context_describe(context), said[c.arithmetic]);
        slmt_context_free(context);
    }
}

/* Without a path the plug-in is looked for beside the library, which here is this program. */
static void the_backend_is_chosen_by_its_number_too(void **state)
{
    (void)state;
    slmt_context_config c = config_for(SLMT_BACKEND_CUDA, 1, NULL);
    slmt_context *context = NULL;
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "/libslmt_cuda.so nor ", slmt_context_create(&c, &context));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "/slmt/libslmt_cuda.so", slmt_context_create(&c, &context));
    c.precision = SLMT_FLOAT64;
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "float64", slmt_context_create(&c, &context));
    c.precision = SLMT_FLOAT32;
    c.backend_path = PLUGINS;
    c.backend_options = "device=3";
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "there is no device 3", slmt_context_create(&c, &context));
    c.backend_options = NULL;
    GOOD(slmt_context_create(&c, &context));
    assert_memory_equal(slmt_context_describe(context), "cuda: ", 6);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_backend_is_chosen_by_its_number_too),
        cmocka_unit_test(arithmetic_reaches_the_backend),
        cmocka_unit_test(memory_of_the_device_is_known_before_it_is_taken),
        cmocka_unit_test(a_limit_of_the_device_is_kept),
        cmocka_unit_test(synthesis_gives_the_reference_s_values_and_the_same_bits_twice),
        cmocka_unit_test(losses_of_steps_are_the_reference_s),
        cmocka_unit_test(a_resumed_run_equals_the_uninterrupted_one_bit_for_bit),
        cmocka_unit_test(another_backend_goes_on_from_its_checkpoint),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
