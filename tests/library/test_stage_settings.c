/* SPDX-License-Identifier: Apache-2.0 */
/* test_stage_settings.c - settings of SLMT-Net's stages that the paper does not have: the error of kept
 * patches in pre-training, and a rate of the encoder's own in fine-tuning. */
#include "core/model.h"
#include "io/checkpoint.h"
#include "train/trainer.h"

#include "tests/api/api_fixture.h"

enum { BATCH = 2 };

static slmt_trainer *open_trainer(slmt_context *context, const char *task, const slmt_number *settings,
                                  size_t n)
{
    slmt_model *model = small_model(context, 3);
    slmt_trainer *trainer = NULL;
    GOOD(slmt_trainer_create(model, task, settings, n, 11, &trainer));
    slmt_model_free(model); /* the trainer keeps it */
    return trainer;
}

static slmt_status one_step(slmt_trainer *trainer, double rate)
{
    float *a = make_slices(BATCH, 0), *b = make_slices(BATCH, 1);
    slmt_status s = strcmp(slmt_trainer_task(trainer), "pretrain") == 0
                        ? slmt_net_pretrain_step(trainer, a, rate)
                        : slmt_net_finetune_step(trainer, a, b, rate);
    free(a);
    free(b);
    return s;
}

/* ---- pre-training: visible_weight ---- */

static slmt_trainer *pretrainer(slmt_context *context, double visible_weight)
{
    const slmt_number settings[] = {{"batch", BATCH}, {"visible_weight", visible_weight}};
    return open_trainer(context, "pretrain", settings, 2);
}

static void set_all(slmt_model *model, const char *name, float x)
{
    size_t n;
    float *values = tensor_values(model, name, &n);
    for (size_t i = 0; i < n; i++)
        values[i] = x;
    GOOD(slmt_model_set_tensor(model, name, values, n));
    free(values);
}

static double reconstruction(slmt_trainer *trainer)
{
    GOOD(one_step(trainer, 0));
    return step_value(trainer, "reconstruction");
}

/* The mean of (1/2 - pixel)^2 over the patches that the last step kept. */
static double error_of_a_half(const slmt_trainer *trainer)
{
    enum { KEEP = 1, PATCH = 8, GRID = SIDE / PATCH };
    const int32_t *keep = trainer->stepper.data[KEEP];
    int64_t kept = trainer->stepper.task.shape[KEEP].dim[1];
    float *images = make_slices(BATCH, 0);
    double sum = 0;
    for (int64_t k = 0; k < BATCH * kept; k++)
        for (int i = 0; i < PATCH * PATCH; i++) {
            int row = keep[k] / GRID * PATCH + i / PATCH, column = keep[k] % GRID * PATCH + i % PATCH;
            double d = 0.5 - images[k / kept * PIXELS + row * SIDE + column];
            sum += d * d;
        }
    free(images);
    return sum / (double)(BATCH * kept * PATCH * PATCH);
}

/* A head of zeros reconstructs 1/2 everywhere, so that the error is known without a network. */
static void visible_weight_adds_the_error_of_kept_patches(void **state)
{
    (void)state;
    slmt_context *context = open_reference(SLMT_FLOAT64);
    double plain = 0;
    for (int weight = 0; weight <= 4; weight += 2) {
        slmt_trainer *trainer = pretrainer(context, weight);
        set_all(slmt_trainer_model(trainer), "E.rec_pred.weight", 0);
        set_all(slmt_trainer_model(trainer), "E.rec_pred.bias", 0);
        double error = reconstruction(trainer);
        if (weight == 0)
            plain = error;
        assert_float_equal(error, plain + weight * error_of_a_half(trainer), 1e-12);
        assert_float_equal(step_value(trainer, "total"), 10 * error + step_value(trainer, "edge"), 1e-12);
        slmt_trainer_free(trainer);
    }
    slmt_context_free(context);
}

/* The loss of the first step when element `at` of a tensor is moved by `by`. */
static double moved_loss(slmt_context *context, const char *name, size_t at, float by)
{
    size_t n;
    slmt_trainer *trainer = pretrainer(context, 3);
    slmt_model *model = slmt_trainer_model(trainer);
    float *values = tensor_values(model, name, &n);
    values[at] += by;
    GOOD(slmt_model_set_tensor(model, name, values, n));
    GOOD(one_step(trainer, 0));
    double loss = step_value(trainer, "total");
    free(values);
    slmt_trainer_free(trainer);
    return loss;
}

/* Central differences of float64: their own error is of the order h^2. */
static void gradients_with_visible_weight_are_right(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
    } weights[] = {{"E.rec_pred.bias", 3},
                   {"E.blocks.0.attn.qkv.weight", 5},
                   {"E.patch_embed.proj.weight", 7},
                   {"E.mask_token", 1}};
    const float h = 1.0F / 1024;
    slmt_context *context = open_reference(SLMT_FLOAT64);
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        size_t n;
        slmt_trainer *trainer = pretrainer(context, 3);
        slmt_model *model = slmt_trainer_model(trainer);
        float *values = tensor_values(model, weights[i].name, &n); /* rounded as moved_loss() rounds them */
        GOOD(slmt_model_set_tensor(model, weights[i].name, values, n));
        double span = (double)(values[weights[i].at] + h) - (double)(values[weights[i].at] - h);
        GOOD(one_step(trainer, 0));
        const double *d = stepper_gradient(&trainer->stepper, params_find(&model->params, weights[i].name));
        double up = moved_loss(context, weights[i].name, weights[i].at, h);
        double down = moved_loss(context, weights[i].name, weights[i].at, -h);
        assert_float_equal(d[weights[i].at], (up - down) / span, 1e-5);
        assert_true(fabs(d[weights[i].at]) > 1e-4); /* the difference would not see a gradient of 0 */
        free(values);
        slmt_trainer_free(trainer);
    }
    slmt_context_free(context);
}

/* ---- fine-tuning: encoder_rate_factor ---- */

static slmt_trainer *finetuner(slmt_context *context, double factor, double clip)
{
    const slmt_number settings[] = {{"batch", BATCH},
                                    {"encoder_rate_factor", factor},
                                    {"optimizer", OPTIMIZER_SGD},
                                    {"momentum", 0},
                                    {"l1_weight", 1},
                                    {"clip_norm", clip}};
    return open_trainer(context, "finetune", settings, 6);
}

static int is_encoder(const param *p)
{
    return strncmp(p->name, "E.", 2) == 0;
}

/* The Euclidean norm of the change of the encoder's tensors, or of the others, since the model was fresh. */
static double change_of(const slmt_trainer *trainer, int encoder)
{
    const slmt_model *now = trainer->model;
    slmt_model *before = small_model(now->context, 3);
    double sum = 0;
    for (int32_t k = 0; k < now->params.n; k++) {
        const param *p = &now->params.list[k];
        if (!p->used || is_encoder(p) != encoder)
            continue;
        const double *a = model_tensor(now, k), *b = model_tensor(before, k);
        for (size_t i = 0; i < p->count; i++)
            sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    slmt_model_free(before);
    return sqrt(sum);
}

/* Plain descent: a change is the rate times the gradient. */
static void the_factor_scales_the_encoders_change_alone(void **state)
{
    (void)state;
    slmt_context *context = open_reference(SLMT_FLOAT64);
    slmt_trainer *whole = finetuner(context, 1, 0), *part = finetuner(context, 0.25, 0);
    GOOD(one_step(whole, 0.01));
    GOOD(one_step(part, 0.01));
    assert_true(change_of(whole, 1) > 1e-9);
    assert_float_equal(change_of(part, 1), 0.25 * change_of(whole, 1), 1e-12);
    assert_true(change_of(part, 0) == change_of(whole, 0));
    slmt_trainer_free(whole);
    slmt_trainer_free(part);
    slmt_context_free(context);
}

static void clip_norm_is_the_norm_of_encoder_and_generator_together(void **state)
{
    (void)state;
    slmt_context *context = open_reference(SLMT_FLOAT64);
    slmt_trainer *trainer = finetuner(context, 1, 1e-6);
    GOOD(one_step(trainer, 0.5));
    double encoder = change_of(trainer, 1), generator = change_of(trainer, 0);
    assert_true(encoder > 0 && generator > 0);
    assert_float_equal(sqrt(encoder * encoder + generator * generator), 0.5e-6, 1e-12);
    slmt_trainer_free(trainer);
    slmt_context_free(context);
}

static slmt_trainer *frozen_trainer(slmt_context *context)
{
    const slmt_number settings[] = {{"batch", BATCH}, {"encoder_rate_factor", 0}};
    return open_trainer(context, "finetune", settings, 2);
}

/* Not a bit of it changes; nothing of it is kept in the file but its weights. */
static void a_frozen_encoder_stays_and_has_no_gradients_and_no_moments(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_trainer *trainer = frozen_trainer(context);
    slmt_model *before = small_model(context, 3), *now = slmt_trainer_model(trainer);
    mem m;
    checkpoint *c;
    const checkpoint_tensor *t;
    size_t moments = 0;
    for (int i = 0; i < 3; i++)
        GOOD(one_step(trainer, 1e-2));
    for (int32_t k = 0; k < now->params.n; k++) {
        const param *p = &now->params.list[k];
        if (p->used && is_encoder(p)) {
            assert_memory_equal(model_tensor(before, k), model_tensor(now, k), p->count * sizeof(float));
            assert_null(stepper_gradient(&trainer->stepper, k));
        }
    }
    assert_false(same_weights(before, now));
    GOOD(slmt_trainer_save(trainer, in_folder("frozen.slmt")));
    mem_init(&m, NULL, NULL, NULL, 0);
    GOOD(checkpoint_open(&m, in_folder("frozen.slmt"), &c));
    for (; (t = checkpoint_tensor_at(c, "training/moment1", moments)); moments++)
        assert_true(strncmp(t->name, "G.", 2) == 0);
    assert_true(moments > 20);
    checkpoint_close(c);
    slmt_trainer_free(trainer);
    slmt_model_free(before);
    slmt_context_free(context);
}

static void a_run_with_a_frozen_encoder_resumes_bit_for_bit(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_trainer *whole = frozen_trainer(context), *half = frozen_trainer(context), *again = NULL;
    for (int i = 0; i < 4; i++)
        GOOD(one_step(whole, 1e-2));
    for (int i = 0; i < 2; i++)
        GOOD(one_step(half, 1e-2));
    GOOD(slmt_trainer_save(half, in_folder("half.slmt")));
    GOOD(slmt_trainer_load(context, in_folder("half.slmt"), &again));
    for (int i = 0; i < 2; i++)
        GOOD(one_step(again, 1e-2));
    assert_true(same_weights(slmt_trainer_model(whole), slmt_trainer_model(again)));
    GOOD(slmt_trainer_save(whole, in_folder("whole.slmt")));
    GOOD(slmt_trainer_save(again, in_folder("again.slmt")));
    assert_true(same_files(in_folder("whole.slmt"), in_folder("again.slmt")));
    slmt_trainer_free(whole);
    slmt_trainer_free(half);
    slmt_trainer_free(again);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(visible_weight_adds_the_error_of_kept_patches),
        cmocka_unit_test(gradients_with_visible_weight_are_right),
        cmocka_unit_test(the_factor_scales_the_encoders_change_alone),
        cmocka_unit_test(clip_norm_is_the_norm_of_encoder_and_generator_together),
        cmocka_unit_test(a_frozen_encoder_stays_and_has_no_gradients_and_no_moments),
        cmocka_unit_test(a_run_with_a_frozen_encoder_resumes_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
