/* SPDX-License-Identifier: Apache-2.0 */
/* test_trainer_file.c - trainers' files of earlier days are read, and go on as they would have.
 *
 * trainer_1.h5 is of revision e38e854, when Adam was the only optimiser (tests/data/make_trainer_1.c).
 * trainer_2.h5 has state under its own names; `test_trainer_file FILE` writes it anew. */
#include "tests/library/step_method.h"

#include "train/trainer.h"

#include "tests/api/api_fixture.h"

static int set_up(void **state)
{
    method_add(&step_method);
    return make_folder(state);
}

/* ---- trainer_1.h5 ---- */

enum { OLD_SIDE = 32, OLD_PIXELS = OLD_SIDE * OLD_SIDE };

static void old_step(slmt_trainer *trainer, int index)
{
    float source[OLD_PIXELS], target[OLD_PIXELS];
    for (int i = 0; i < OLD_PIXELS; i++) {
        source[i] = (float)((i * 7 + index * 3) % 11) / 11;
        target[i] = 1 - source[i];
    }
    GOOD(slmt_net_finetune_step(trainer, source, target, 1e-3));
}

static double setting(const slmt_trainer *trainer, const char *name)
{
    double value = 0;
    GOOD(slmt_trainer_setting(trainer, name, &value));
    return value;
}

/* Two steps of float32 on plain loops: other processors and C libraries differ in some last places. */
static void expect_weights(const slmt_model *model, const char *name, const double expected[4])
{
    size_t n;
    float *w = tensor_values(model, name, &n);
    for (int i = 0; i < 4; i++)
        assert_float_equal(w[i], expected[i], 1e-6);
    free(w);
}

static void a_trainer_of_adam_alone_goes_on(void **state)
{
    (void)state;
    slmt_context *context = open_reference(SLMT_FLOAT32);
    slmt_trainer *trainer = NULL, *again = NULL;
    slmt_training_state now = {.struct_size = sizeof now};
    GOOD(slmt_trainer_load(context, SLMT_SOURCE_DIR "/tests/data/trainer_1.h5", &trainer));
    GOOD(slmt_trainer_get_state(trainer, &now));
    assert_true(now.step == 2 && strcmp(slmt_trainer_task(trainer), "finetune") == 0);
    assert_true(setting(trainer, "optimizer") == OPTIMIZER_ADAM && setting(trainer, "beta2") == 0.999);
    assert_true(setting(trainer, "schedule") == SCHEDULE_COSINE && setting(trainer, "warmup_epochs") == 5);
    old_step(trainer, 2);
    old_step(trainer, 3);
    const slmt_model *model = slmt_trainer_model(trainer);
    expect_weights(model, "E.patch_embed.proj.weight",
                   (const double[]){-0.307430446, -0.5227952, -0.023745846, -0.830258608});
    expect_weights(model, "E.norm.bias",
                   (const double[]){-0.00228284253, -0.000210354192, -0.00143796369, 0.00387177733});
    expect_weights(model, "G.to_img.linear.weight",
                   (const double[]){-0.0168101899, -0.00498703308, -0.0143979471, -0.00829092041});
    expect_weights(model, "G.norm_up.weight",
                   (const double[]){0.996922612, 1.00384319, 1.00378311, 0.996117532});

    /* Saved, it is a file of today. */
    GOOD(slmt_trainer_save(trainer, in_folder("new.slmt")));
    GOOD(slmt_trainer_load(context, in_folder("new.slmt"), &again));
    old_step(trainer, 4);
    old_step(again, 4);
    assert_true(same_weights(slmt_trainer_model(trainer), slmt_trainer_model(again)));
    slmt_trainer_free(trainer);
    slmt_trainer_free(again);
    slmt_context_free(context);
}

/* ---- trainer_2.h5 ---- */

enum { BATCH = 6, STEPS = 3 };

static slmt_trainer *trained(slmt_context *context)
{
    slmt_model *model = NULL;
    slmt_trainer *trainer = NULL;
    const int64_t in_shape[] = {BATCH, SM_IN}, one_shape[] = {BATCH, 1};
    float x[BATCH * SM_IN], y[BATCH];
    const slmt_tensor in[] = {{"x", x, in_shape, NULL, 2, SLMT_TENSOR_FLOAT32},
                              {"y", y, one_shape, NULL, 2, SLMT_TENSOR_FLOAT32}};
    GOOD(slmt_model_create(context, "step-method", NULL, 0, 3, &model));
    GOOD(slmt_trainer_create(model, "train", NULL, 0, 7, &trainer));
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < BATCH * SM_IN; i++)
            x[i] = (float)((i * 5 + step) % 7) / 7 - 0.5f;
        for (int i = 0; i < BATCH; i++)
            y[i] = (float)(i % 3) / 3;
        GOOD(slmt_trainer_step(trainer, in, 2, 0.05));
    }
    slmt_model_free(model);
    return trainer;
}

/* Three steps of float32 on plain loops, whose look-ahead gradients are of second order. */
static void expect_near(const void *a, const void *b, size_t bytes)
{
    const float *x = a, *y = b;
    for (size_t i = 0; i < bytes / sizeof *x; i++)
        assert_float_equal(x[i], y[i], 1e-5);
}

static void state_is_read_by_its_names(void **state)
{
    (void)state;
    slmt_context *context = open_reference(SLMT_FLOAT32);
    slmt_trainer *read = NULL, *made = trained(context);
    GOOD(slmt_trainer_load(context, SLMT_SOURCE_DIR "/tests/data/trainer_2.h5", &read));
    const stepper *a = &read->stepper, *b = &made->stepper;
    assert_true(a->step == STEPS && a->set[SM_NET].updates == STEPS && a->set[SM_GEN].updates == STEPS);
    for (int i = 0; i < 2; i++) {
        for (int32_t j = 0; j < a->set[i].optimizer->n_states; j++)
            expect_near(a->set[i].state[j], b->set[i].state[j], a->set[i].reals * sizeof(float));
        expect_near(a->state[i].array, b->state[i].array, a->state[i].bytes);
    }
    expect_near(read->model->weights, made->model->weights, made->model->params.bytes);
    slmt_trainer_free(read);
    slmt_trainer_free(made);
    slmt_context_free(context);
}

static int write_anew(const char *path)
{
    method_add(&step_method);
    slmt_context *context = open_reference(SLMT_FLOAT32);
    slmt_trainer *trainer = trained(context);
    GOOD(slmt_trainer_save(trainer, path));
    slmt_trainer_free(trainer);
    slmt_context_free(context);
    return 0;
}

int main(int n, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trainer_of_adam_alone_goes_on),
        cmocka_unit_test(state_is_read_by_its_names),
    };
    return n > 1 ? write_anew(arguments[1]) : cmocka_run_group_tests(tests, set_up, delete_folder);
}
