/* SPDX-License-Identifier: Apache-2.0 */
/* trainer.c - trainers: steps by hand, runs over a set, checkpoints. */
#include "api/trainer.h"

#include <math.h>
#include <string.h>

#include "api/structs.h"
#include "data/augment.h"
#include "io/trainer_file.h"
#include "lib/random.h"
#include "train/epoch.h"
#include "train/schedule.h"

/* ---- configuration ---- */

static const slmt_trainer_config defaults[] = {
    [SLMT_STAGE_PRETRAIN] = {.stage = SLMT_STAGE_PRETRAIN,
                             .batch = 20,
                             .epochs = 100,
                             .learning_rate = 3e-3,
                             .beta1 = 0.9,
                             .beta2 = 0.95,
                             .data_rate = 1,
                             .recompute = SLMT_RECOMPUTE_LINEAR},
    [SLMT_STAGE_FINETUNE] = {.stage = SLMT_STAGE_FINETUNE,
                             .batch = 10,
                             .epochs = 150,
                             .learning_rate = 1e-3,
                             .beta1 = 0.9,
                             .beta2 = 0.999,
                             .data_rate = 0.7,
                             .recompute = SLMT_RECOMPUTE_CHEAP},
};

slmt_status slmt_trainer_config_init(slmt_trainer_config *config, int32_t stage)
{
    REQUIRE(config);
    if (stage != SLMT_STAGE_PRETRAIN && stage != SLMT_STAGE_FINETUNE)
        return fail(ERR_ARGUMENT, "there is no stage %d; SLMT_STAGE_PRETRAIN and _FINETUNE are 1 and 2",
                    stage);
    *config = defaults[stage];
    config->struct_size = sizeof *config;
    config->augment = 1;
    config->decay_epochs = 50;
    config->warmup_epochs = 5;
    config->decay_factor = 0.1;
    config->minimum_rate = 1e-5;
    config->epsilon = 1e-8;
    config->mask_ratio = 0.7;
    config->rec_weight = 10;
    config->l1_weight = 10000;
    return OK;
}

static status whole_in_range(const char *name, int64_t value, int64_t low, int64_t high)
{
    if (value < low || value > high)
        return fail(ERR_ARGUMENT, "slmt_trainer_config.%s is %lld, expected %lld to %lld", name,
                    (long long)value, (long long)low, (long long)high);
    return OK;
}

static status real_in_range(const char *name, double value, double low, double high)
{
    if (!(value >= low && value <= high))
        return fail(ERR_ARGUMENT, "slmt_trainer_config.%s is %g, expected %g to %g", name, value, low, high);
    return OK;
}

status trainer_config_check(const slmt_trainer_config *c)
{
    TRY(whole_in_range("stage", c->stage, SLMT_STAGE_PRETRAIN, SLMT_STAGE_FINETUNE));
    TRY(whole_in_range("batch", c->batch, 1, 65536));
    TRY(whole_in_range("epochs", c->epochs, 1, 1000000));
    TRY(whole_in_range("patch_weight", c->patch_weight, SLMT_PATCH_WEIGHT_HARD,
                       SLMT_PATCH_WEIGHT_EASY_THEN_HARD));
    TRY(whole_in_range("augment", c->augment, 0, 1));
    TRY(whole_in_range("decay_epochs", c->decay_epochs, 1, 1000000));
    TRY(whole_in_range("warmup_epochs", c->warmup_epochs, 0, 1000000));
    TRY(real_in_range("decay_factor", c->decay_factor, 0, 1));
    TRY(real_in_range("learning_rate", c->learning_rate, 0, 1e3));
    TRY(real_in_range("minimum_rate", c->minimum_rate, 0, 1e3));
    TRY(real_in_range("beta1", c->beta1, 0, 0.999999999));
    TRY(real_in_range("beta2", c->beta2, 0, 0.999999999));
    TRY(real_in_range("epsilon", c->epsilon, 1e-30, 1));
    TRY(real_in_range("mask_ratio", c->mask_ratio, 0, 1));
    TRY(real_in_range("rec_weight", c->rec_weight, 0, 1e9));
    TRY(real_in_range("l1_weight", c->l1_weight, 0, 1e9));
    TRY(real_in_range("data_rate", c->data_rate, 0, 1));
    return whole_in_range("recompute", c->recompute, SLMT_RECOMPUTE_NOTHING, SLMT_RECOMPUTE_LINEAR);
}

/* A caller's struct, on the defaults of its own stage. */
static status read_config(const slmt_trainer_config *given, slmt_trainer_config *c)
{
    slmt_trainer_config theirs = {.struct_size = sizeof theirs};
    TRY(struct_read(&theirs, sizeof theirs, given, "slmt_trainer_config"));
    TRY(slmt_trainer_config_init(c, theirs.stage));
    TRY(struct_read(c, sizeof *c, given, "slmt_trainer_config"));
    return trainer_config_check(c);
}

/* ---- life ---- */

static size_t slice_pixels(const slmt_trainer *t)
{
    size_t side = (size_t)t->model->net.options.image_size;
    return side * side;
}

static status fill_trainer(slmt_trainer *t, tally *y)
{
    void *p;
    status s = stepper_open(&t->stepper, t->context, t->model, &t->config, y);
    if (s == OK) /* a batch of pairs, and one slice for augmentation */
        s = tally_take(y, (2 * (size_t)t->config.batch + 1) * slice_pixels(t) * sizeof(float), &p);
    if (s == OK)
        t->slices = p;
    return s;
}

status trainer_open(slmt_context *context, slmt_model *model, const slmt_trainer_config *config, tally *y,
                    slmt_trainer **out)
{
    void *p;
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_trainer), &p));
    slmt_trainer *t = p;
    t->context = context_retain(context);
    t->model = slmt_model_retain(model);
    t->config = *config;
    atomic_init(&t->cancel, 0);
    status s =
        params_are_half(&model->net.params)
            ? fail(ERR_UNSUPPORTED, "a model with 16-bit weights cannot be trained: steps would be lost in "
                                    "rounding; load it in a context with weights = SLMT_WEIGHTS_FULL")
            : fill_trainer(t, y);
    if (s != OK) {
        slmt_trainer_free(t);
        return s;
    }
    *out = t;
    return OK;
}

slmt_status slmt_trainer_create(slmt_model *model, const slmt_trainer_config *config, slmt_trainer **trainer)
{
    slmt_trainer_config c;
    REQUIRE(model);
    REQUIRE(config);
    REQUIRE(trainer);
    TRY(read_config(config, &c));
    tally y = {.mem = &model->context->mem};
    return trainer_open(model->context, model, &c, &y, trainer);
}

slmt_status slmt_trainer_memory(slmt_model *model, const slmt_trainer_config *config, uint64_t *bytes)
{
    slmt_trainer_config c;
    slmt_context *counting;
    slmt_trainer *t = NULL;
    REQUIRE(model);
    REQUIRE(config);
    REQUIRE(bytes);
    TRY(read_config(config, &c));
    TRY(tally_context(model->context, &counting));
    tally y = {.mem = &counting->mem, .dry = 1};
    uint64_t before = slmt_context_live_bytes(counting);
    status s = trainer_open(counting, model, &c, &y, &t);
    if (s == OK)
        *bytes = slmt_context_live_bytes(counting) - before + y.bytes;
    slmt_trainer_free(t);
    slmt_context_free(counting);
    return s;
}

slmt_status slmt_trainer_set_profile(slmt_trainer *trainer, slmt_profile *profile)
{
    REQUIRE(trainer);
    return stepper_profile(&trainer->stepper, profile);
}

void slmt_trainer_free(slmt_trainer *t)
{
    if (!t)
        return;
    slmt_context *context = t->context;
    if (t->stepper.context)
        stepper_close(&t->stepper);
    mem_give(&context->mem, t->slices);
    slmt_model_free(t->model);
    mem_give(&context->mem, t);
    context_release(context);
}

slmt_model *slmt_trainer_model(slmt_trainer *trainer)
{
    return trainer ? trainer->model : NULL;
}

slmt_status slmt_trainer_get_config(const slmt_trainer *trainer, slmt_trainer_config *config)
{
    REQUIRE(trainer);
    REQUIRE(config);
    return struct_write(config, &trainer->config, sizeof *config, "slmt_trainer_config");
}

static slmt_training_state state_of(const slmt_trainer *t)
{
    return (slmt_training_state){sizeof(slmt_training_state), t->config.stage, t->stepper.step,
                                 t->steps_in_epoch, t->total_steps};
}

slmt_status slmt_trainer_get_state(const slmt_trainer *trainer, slmt_training_state *state)
{
    REQUIRE(trainer);
    REQUIRE(state);
    slmt_training_state s = state_of(trainer);
    return struct_write(state, &s, sizeof s, "slmt_training_state");
}

void slmt_trainer_cancel(slmt_trainer *trainer)
{
    if (trainer)
        atomic_store(&trainer->cancel, 1);
}

/* ---- one step ---- */

static status check_step(const slmt_trainer *t, int32_t stage, double rate, const slmt_losses *losses,
                         const char *call)
{
    if (losses)
        TRY(struct_check(losses, "slmt_losses"));
    if (t->config.stage != stage)
        return fail(ERR_STATE, "%s: this trainer is for the other stage", call);
    if (!(rate >= 0 && rate <= 1e3))
        return fail(ERR_ARGUMENT, "%s: rate is %g", call, rate);
    return OK;
}

static status check_images(const slmt_trainer *t, const float *images, const char *name)
{
    size_t side = (size_t)t->model->net.options.image_size, n = (size_t)t->config.batch * side * side;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(images[i]))
            return fail(ERR_NONFINITE, "%s[%zu][%zu][%zu] is not finite", name, i / (side * side),
                        i / side % side, i % side);
    return OK;
}

/* Fractional epoch of the next step; 0 while no set is known. */
static double epoch_of(const slmt_trainer *t)
{
    return t->steps_in_epoch ? (double)t->stepper.step / (double)t->steps_in_epoch : 0;
}

static status run_pretrain(slmt_trainer *t, const float *images, double rate, slmt_losses *losses)
{
    size_t n = (size_t)t->config.batch * (size_t)stepper_patches(&t->stepper);
    random_stream r = random_open(t->config.seed, random_purpose("mask", t->stepper.step));
    for (size_t i = 0; i < n; i++)
        t->stepper.noise[i] = random_uniform(&r);
    return stepper_pretrain(&t->stepper, images, t->stepper.noise, schedule_easy(&t->config, epoch_of(t)),
                            rate, &t->cancel, losses);
}

static status report(status s, const slmt_losses *mine, slmt_losses *theirs)
{
    if (s != OK || !theirs)
        return s;
    return struct_write(theirs, mine, sizeof *mine, "slmt_losses");
}

slmt_status slmt_pretrain_step(slmt_trainer *trainer, const float *images, double rate, slmt_losses *losses)
{
    slmt_losses l = {.struct_size = sizeof l};
    REQUIRE(trainer);
    REQUIRE(images);
    TRY(check_step(trainer, SLMT_STAGE_PRETRAIN, rate, losses, __func__));
    TRY(check_images(trainer, images, "images"));
    status s = run_pretrain(trainer, images, rate, &l);
    atomic_store(&trainer->cancel, 0);
    return report(s, &l, losses);
}

slmt_status slmt_finetune_step(slmt_trainer *trainer, const float *source, const float *target, double rate,
                               slmt_losses *losses)
{
    slmt_losses l = {.struct_size = sizeof l};
    REQUIRE(trainer);
    REQUIRE(source);
    REQUIRE(target);
    TRY(check_step(trainer, SLMT_STAGE_FINETUNE, rate, losses, __func__));
    TRY(check_images(trainer, source, "source"));
    TRY(check_images(trainer, target, "target"));
    status s = stepper_finetune(&trainer->stepper, source, target, rate, &trainer->cancel, &l);
    atomic_store(&trainer->cancel, 0);
    return report(s, &l, losses);
}

/* ---- a run over a set ---- */

/* What slmt_trainer_run() was called with. */
typedef struct run {
    slmt_trainer *trainer;
    slmt_dataset *set;
    example_list examples;
    int32_t target_resize;
    slmt_step_fn step;
    void *user;
} run;

/* Reads and augments the examples of the next step into t->slices: sources, then targets. */
static status load_batch(run *r)
{
    slmt_trainer *t = r->trainer;
    size_t pixels = slice_pixels(t), batch = (size_t)t->config.batch;
    float *sources = t->slices, *targets = sources + batch * pixels, *spare = targets + batch * pixels;
    uint64_t step = t->stepper.step, epoch = step / t->steps_in_epoch;
    int side = t->model->net.options.image_size;
    for (size_t i = 0; i < batch; i++) {
        float *source = sources + i * pixels, *target = targets + i * pixels;
        uint32_t place = (uint32_t)(step % t->steps_in_epoch * batch + i);
        const example *x = examples_at(&r->examples, t->config.seed, epoch, place);
        random_stream s = random_open(t->config.seed, random_purpose("augment", step * batch + i));
        TRY(slmt_dataset_read(r->set, x->subject, (size_t)x->source, x->slice, SLMT_RESIZE_BILINEAR, source));
        if (x->target >= 0)
            TRY(slmt_dataset_read(r->set, x->subject, (size_t)x->target, x->slice, r->target_resize, target));
        if (t->config.augment && x->target >= 0)
            augment_finetune(source, target, side, spare, &s);
        else if (t->config.augment)
            augment_pretrain(source, side, spare, &s);
    }
    return OK;
}

static status run_one(run *r)
{
    slmt_trainer *t = r->trainer;
    slmt_losses l = {.struct_size = sizeof l};
    double rate = schedule_rate(&t->config, epoch_of(t));
    TRY(load_batch(r));
    if (t->config.stage == SLMT_STAGE_PRETRAIN)
        TRY(run_pretrain(t, t->slices, rate, &l));
    else
        TRY(stepper_finetune(&t->stepper, t->slices, t->slices + (size_t)t->config.batch * slice_pixels(t),
                             rate, &t->cancel, &l));
    slmt_training_state state = state_of(t);
    if (r->step && r->step(r->user, &state, &l) != 0)
        return fail(ERR_CANCELLED, "cancelled by the step callback after step %llu",
                    (unsigned long long)state.step);
    return OK;
}

static status find_contrast(const slmt_dataset *set, const char *name, int32_t *index)
{
    *index = -1;
    if (!name)
        return OK;
    for (size_t i = 0; i < slmt_dataset_contrast_count(set); i++)
        if (strcmp(slmt_dataset_contrast(set, i), name) == 0)
            *index = (int32_t)i;
    return *index >= 0 ? OK : fail(ERR_NOT_FOUND, "the training set has no contrast %s", name);
}

static status check_set(const slmt_trainer *t, const slmt_dataset *set, const char *source,
                        const char *target, slmt_preprocess *p)
{
    int pairs = t->config.stage == SLMT_STAGE_FINETUNE;
    if (pairs && (!source || !target))
        return fail(ERR_ARGUMENT, "slmt_trainer_run: fine-tuning needs the names of both contrasts");
    if (!pairs && target)
        return fail(ERR_ARGUMENT, "slmt_trainer_run: pre-training takes no target contrast");
    p->struct_size = sizeof *p;
    TRY(slmt_dataset_get_preprocess(set, p));
    if (p->image_size != t->model->net.options.image_size)
        return fail(ERR_ARGUMENT, "the training set's images are %d pixels wide, the model's %d",
                    p->image_size, t->model->net.options.image_size);
    return OK;
}

static status open_run(run *r, const char *source, const char *target)
{
    slmt_trainer *t = r->trainer;
    slmt_preprocess p;
    int32_t from, to;
    TRY(check_set(t, r->set, source, target, &p));
    TRY(find_contrast(r->set, source, &from));
    TRY(find_contrast(r->set, target, &to));
    r->target_resize = p.target_resize;
    TRY(examples_open(&r->examples, &t->context->mem, r->set, from, to, t->config.data_rate));
    uint64_t steps = r->examples.n / (uint32_t)t->config.batch;
    if (steps == 0)
        return fail(ERR_ARGUMENT, "the training set gives %u slices at data_rate %g, a batch needs %d",
                    r->examples.n, t->config.data_rate, t->config.batch);
    t->steps_in_epoch = steps;
    t->total_steps = steps * (uint64_t)t->config.epochs;
    return OK;
}

slmt_status slmt_trainer_run(slmt_trainer *trainer, slmt_dataset *dataset, const char *source,
                             const char *target, uint64_t max_steps, slmt_step_fn step, void *user)
{
    REQUIRE(trainer);
    REQUIRE(dataset);
    run r = {.trainer = trainer,
             .set = dataset,
             .step = step,
             .user = user,
             .examples = {.mem = &trainer->context->mem}};
    status s = open_run(&r, source, target);
    uint64_t end = trainer->total_steps;
    if (s == OK && max_steps > 0 &&
        max_steps < end - (end < trainer->stepper.step ? end : trainer->stepper.step))
        end = trainer->stepper.step + max_steps;
    while (s == OK && trainer->stepper.step < end)
        s = run_one(&r);
    examples_close(&r.examples);
    atomic_store(&trainer->cancel, 0);
    return s;
}

/* ---- files ---- */

slmt_status slmt_trainer_save(const slmt_trainer *trainer, const char *path)
{
    REQUIRE(trainer);
    REQUIRE(path);
    return trainer_save_path(trainer, path);
}

slmt_status slmt_trainer_load(slmt_context *context, const char *path, slmt_trainer **trainer)
{
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(trainer);
    return trainer_load_path(context, path, trainer);
}
