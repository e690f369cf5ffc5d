/* SPDX-License-Identifier: Apache-2.0 */
/* trainer.c - trainers: steps by hand, runs over a set, checkpoints. */
#include "train/trainer.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/structs.h"
#include "lib/random.h"
#include "train/schedules/schedule.h"
#include "train/trainer_file.h"

/* ---- configuration of SLMT-Net's stages ---- */

static const char *const stage_task[] = {
    [SLMT_STAGE_PRETRAIN] = "pretrain", [SLMT_STAGE_FINETUNE] = "finetune"};

/* The struct's fields by the names of their settings; a stage has those that its task has. */
typedef struct config_field {
    const char *name;
    size_t offset;
    int is_real;
} config_field;

#define WHOLE(field)                                                                                         \
    {                                                                                                        \
#field, offsetof(slmt_trainer_config, field), 0                                                      \
    }
#define REAL(field)                                                                                          \
    {                                                                                                        \
#field, offsetof(slmt_trainer_config, field), 1                                                      \
    }

static const config_field config_fields[] = {
    WHOLE(batch),        WHOLE(epochs),      WHOLE(augment),   REAL(learning_rate), REAL(beta1),
    REAL(beta2),         REAL(epsilon),      REAL(data_rate),  WHOLE(recompute),    WHOLE(patch_weight),
    WHOLE(decay_epochs), REAL(decay_factor), REAL(mask_ratio), REAL(rec_weight),    WHOLE(warmup_epochs),
    REAL(minimum_rate),  REAL(l1_weight),
};

enum { N_FIELDS = sizeof config_fields / sizeof *config_fields };

static void config_put(slmt_trainer_config *c, const config_field *f, double x)
{
    char *at = (char *)c + f->offset;
    if (f->is_real)
        *(double *)(void *)at = x;
    else
        *(int32_t *)(void *)at = (int32_t)x;
}

static double config_get(const slmt_trainer_config *c, const config_field *f)
{
    const char *at = (const char *)c + f->offset;
    return f->is_real ? *(const double *)(const void *)at : *(const int32_t *)(const void *)at;
}

static void config_of(const method_task *kind, const double *setting, slmt_trainer_config *c)
{
    for (int i = 0; i < N_FIELDS; i++) {
        int32_t k = number_index(kind->settings, config_fields[i].name);
        if (k >= 0)
            config_put(c, &config_fields[i], setting[k]);
    }
}

static const method_task *stage_kind(int32_t stage)
{
    return task_named(method_named("slmt-net"), stage_task[stage]);
}

static status check_stage(int32_t stage)
{
    if (!method_named("slmt-net"))
        return fail(ERR_UNSUPPORTED, "method slmt-net is not in this build");
    if (stage != SLMT_STAGE_PRETRAIN && stage != SLMT_STAGE_FINETUNE)
        return fail(ERR_ARGUMENT, "there is no stage %d; SLMT_STAGE_PRETRAIN and _FINETUNE are 1 and 2",
                    stage);
    return OK;
}

/* The defaults of both stages, this one's last. */
slmt_status slmt_trainer_config_init(slmt_trainer_config *config, int32_t stage)
{
    double setting[METHOD_NUMBERS];
    REQUIRE(config);
    TRY(check_stage(stage));
    *config = (slmt_trainer_config){.struct_size = sizeof *config, .stage = stage};
    for (int32_t i = 0; i < 2; i++) {
        const method_task *kind =
            stage_kind(i == 0 ? SLMT_STAGE_PRETRAIN + SLMT_STAGE_FINETUNE - stage : stage);
        numbers_init(kind->settings, setting);
        config_of(kind, setting, config);
    }
    return OK;
}

/* A caller's struct, on the defaults of its own stage, as a task of the model. */
static status read_config(slmt_model *model, const slmt_trainer_config *given, uint64_t *seed, task *t)
{
    slmt_trainer_config theirs = {.struct_size = sizeof theirs}, c;
    double setting[METHOD_NUMBERS];
    TRY(model_require_slmt_net(model, "slmt_trainer_create"));
    TRY(struct_read(&theirs, sizeof theirs, given, "slmt_trainer_config"));
    TRY(slmt_trainer_config_init(&c, theirs.stage));
    TRY(struct_read(&c, sizeof c, given, "slmt_trainer_config"));
    TRY(check_stage(c.stage));
    const method_task *kind = stage_kind(c.stage);
    numbers_init(kind->settings, setting);
    for (int i = 0; i < N_FIELDS; i++) {
        int32_t k = number_index(kind->settings, config_fields[i].name);
        if (k >= 0)
            setting[k] = config_get(&c, &config_fields[i]);
    }
    *seed = c.seed;
    return task_init(t, model, kind, setting);
}

/* ---- life ---- */

static const port_table *inputs_of(const slmt_trainer *t)
{
    return &t->stepper.task.kind->inputs;
}

/* Elements of input i. */
static size_t input_count(const slmt_trainer *t, int32_t i)
{
    return (size_t)bk_count(&t->stepper.task.shape[i]);
}

slmt_status slmt_trainer_create(slmt_model *model, const slmt_trainer_config *config, slmt_trainer **trainer)
{
    task task;
    uint64_t seed;
    REQUIRE(model);
    REQUIRE(config);
    REQUIRE(trainer);
    TRY(read_config(model, config, &seed, &task));
    dry_run y = {.mem = &model->context->mem};
    return trainer_open(model->context, &task, seed, &y, trainer);
}

slmt_status slmt_trainer_memory(slmt_model *model, const slmt_trainer_config *config, uint64_t *bytes)
{
    task task;
    uint64_t seed;
    REQUIRE(model);
    REQUIRE(config);
    REQUIRE(bytes);
    TRY(read_config(model, config, &seed, &task));
    return trainer_count(&task, bytes);
}

static status named_task(slmt_model *model, const char *name, const slmt_number *settings, size_t count,
                         task *task)
{
    const method_task *kind;
    double setting[METHOD_NUMBERS];
    TRY(task_find(model, name, 1, &kind));
    TRY(task_settings(kind, settings, count, setting));
    return task_init(task, model, kind, setting);
}

slmt_status slmt_trainer_create_task(slmt_model *model, const char *name, const slmt_number *settings,
                                     size_t count, uint64_t seed, slmt_trainer **trainer)
{
    task task;
    REQUIRE(model);
    REQUIRE(name);
    REQUIRE(trainer);
    if (count > 0)
        REQUIRE(settings);
    TRY(named_task(model, name, settings, count, &task));
    dry_run y = {.mem = &model->context->mem};
    return trainer_open(model->context, &task, seed, &y, trainer);
}

slmt_status slmt_trainer_task_memory(slmt_model *model, const char *name, const slmt_number *settings,
                                     size_t count, uint64_t *bytes)
{
    task task;
    REQUIRE(model);
    REQUIRE(name);
    REQUIRE(bytes);
    if (count > 0)
        REQUIRE(settings);
    TRY(named_task(model, name, settings, count, &task));
    return trainer_count(&task, bytes);
}

slmt_status slmt_trainer_set_profile(slmt_trainer *trainer, slmt_profile *profile)
{
    REQUIRE(trainer);
    return stepper_profile(&trainer->stepper, profile);
}

void slmt_trainer_free(slmt_trainer *trainer)
{
    trainer_release(trainer);
}

slmt_model *slmt_trainer_model(slmt_trainer *trainer)
{
    return trainer ? trainer->model : NULL;
}

slmt_status slmt_trainer_get_config(const slmt_trainer *trainer, slmt_trainer_config *config)
{
    slmt_trainer_config c;
    REQUIRE(trainer);
    REQUIRE(config);
    TRY(model_require_slmt_net(trainer->model, __func__));
    TRY(slmt_trainer_config_init(&c, trainer_stage(trainer)));
    config_of(trainer->stepper.task.kind, trainer->stepper.task.setting, &c);
    c.seed = trainer->seed;
    return struct_write(config, &c, sizeof c, "slmt_trainer_config");
}

const char *slmt_trainer_task(const slmt_trainer *trainer)
{
    return trainer ? trainer->stepper.task.kind->name : "";
}

slmt_status slmt_trainer_setting(const slmt_trainer *trainer, const char *name, double *value)
{
    REQUIRE(trainer);
    REQUIRE(name);
    REQUIRE(value);
    const method_task *kind = trainer->stepper.task.kind;
    int32_t k = number_index(kind->settings, name);
    if (k < 0)
        return fail(ERR_NOT_FOUND, "task %s has no setting %s", kind->name, name);
    *value = trainer->stepper.task.setting[k];
    return OK;
}

slmt_status slmt_trainer_shape(const slmt_trainer *trainer, const char *name, int64_t shape[6], int32_t *rank)
{
    REQUIRE(trainer);
    REQUIRE(name);
    REQUIRE(shape);
    REQUIRE(rank);
    return task_shape_named(&trainer->stepper.task, name, 0, shape, rank);
}

slmt_status slmt_trainer_get_state(const slmt_trainer *trainer, slmt_training_state *state)
{
    REQUIRE(trainer);
    REQUIRE(state);
    slmt_training_state s = trainer_state_of(trainer);
    return struct_write(state, &s, sizeof s, "slmt_training_state");
}

/* ---- values of the last step ---- */

static const port_table *outputs_of(const slmt_trainer *t)
{
    return &t->stepper.task.kind->outputs;
}

/* The output that is value `index`, outputs.n for the learning rate, below 0 past the end. */
static int32_t value_at(const slmt_trainer *t, size_t index)
{
    for (int32_t i = 0; i < outputs_of(t)->n; i++)
        if (stepper_is_scalar(&t->stepper, i) && index-- == 0)
            return i;
    return index == 0 ? outputs_of(t)->n : -1;
}

size_t slmt_trainer_value_count(const slmt_trainer *trainer)
{
    size_t n = 0;
    while (trainer && value_at(trainer, n) >= 0)
        n++;
    return n;
}

const char *slmt_trainer_value_name(const slmt_trainer *trainer, size_t index)
{
    int32_t i = trainer ? value_at(trainer, index) : -1;
    return i < 0 ? "" : i == outputs_of(trainer)->n ? "learning_rate" : outputs_of(trainer)->rows[i].name;
}

slmt_status slmt_trainer_value(const slmt_trainer *trainer, const char *name, double *value)
{
    REQUIRE(trainer);
    REQUIRE(name);
    REQUIRE(value);
    const stepper *s = &trainer->stepper;
    size_t index = 0;
    while (value_at(trainer, index) >= 0 && strcmp(slmt_trainer_value_name(trainer, index), name) != 0)
        index++;
    int32_t i = value_at(trainer, index);
    if (i < 0)
        return fail(ERR_NOT_FOUND, "task %s reports no value %s", s->task.kind->name, name);
    if (!s->has_values)
        return fail(ERR_STATE, "there are no values before the first step");
    *value = i == outputs_of(trainer)->n ? s->rate : s->value[i];
    return OK;
}

slmt_status slmt_trainer_attach(slmt_trainer *trainer, const char *name, slmt_model *model)
{
    REQUIRE(trainer);
    REQUIRE(name);
    REQUIRE(model);
    return stepper_attach(&trainer->stepper, name, model);
}

void slmt_trainer_cancel(slmt_trainer *trainer)
{
    if (trainer)
        atomic_store(&trainer->cancel, 1);
}

/* ---- one step ---- */

static status check_rate(double rate, const char *call)
{
    return rate >= 0 && rate <= 1e3 ? OK : fail(ERR_ARGUMENT, "%s: rate is %g", call, rate);
}

/* A step by hand, its inputs checked. */
static status step_by_hand(slmt_trainer *t, const void *const *given, double rate)
{
    status s = trainer_step(t, given, rate);
    atomic_store(&t->cancel, 0);
    return s;
}

static status check_step(const slmt_trainer *t, int32_t stage, double rate, const char *call)
{
    TRY(check_rate(rate, call));
    if (trainer_stage(t) != stage)
        return fail(ERR_STATE, "%s: this trainer is for the other stage", call);
    return OK;
}

static status check_images(const slmt_trainer *t, const float *images, const char *name)
{
    size_t side = (size_t)model_image_side(t->model), n = input_count(t, 0);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(images[i]))
            return fail(ERR_NONFINITE, "%s[%zu][%zu][%zu] is not finite", name, i / (side * side),
                        i / side % side, i % side);
    return OK;
}

slmt_status slmt_pretrain_step(slmt_trainer *trainer, const float *images, double rate)
{
    REQUIRE(trainer);
    REQUIRE(images);
    TRY(check_step(trainer, SLMT_STAGE_PRETRAIN, rate, __func__));
    TRY(check_images(trainer, images, "images"));
    const void *given[METHOD_PORTS] = {images};
    return step_by_hand(trainer, given, rate);
}

slmt_status slmt_finetune_step(slmt_trainer *trainer, const float *source, const float *target, double rate)
{
    REQUIRE(trainer);
    REQUIRE(source);
    REQUIRE(target);
    TRY(check_step(trainer, SLMT_STAGE_FINETUNE, rate, __func__));
    TRY(check_images(trainer, source, "source"));
    TRY(check_images(trainer, target, "target"));
    const void *given[METHOD_PORTS] = {source, target};
    return step_by_hand(trainer, given, rate);
}

slmt_status slmt_trainer_step(slmt_trainer *trainer, const slmt_tensor *inputs, size_t count, double rate)
{
    REQUIRE(trainer);
    REQUIRE(inputs);
    const task *t = &trainer->stepper.task;
    const slmt_tensor *by_port[METHOD_PORTS];
    const void *given[METHOD_PORTS] = {NULL};
    int64_t samples = 0, batch = (int64_t)t->setting[TRAIN_BATCH];
    TRY(check_rate(rate, __func__));
    TRY(task_match(t, inputs_of(trainer), 0, inputs, count, by_port, &samples));
    if (samples != batch)
        return fail(ERR_ARGUMENT, "the tensors hold %lld samples, a step of this trainer takes %lld",
                    (long long)samples, (long long)batch);
    for (int32_t i = 0; i < inputs_of(trainer)->n; i++) {
        if (!by_port[i])
            continue;
        TRY(task_check_values(t, &inputs_of(trainer)->rows[i], by_port[i]));
        given[i] = by_port[i]->data;
    }
    return step_by_hand(trainer, given, rate);
}

/* ---- a run over a set ---- */

slmt_status slmt_trainer_run(slmt_trainer *trainer, slmt_dataset *dataset, const char *source,
                             const char *target, uint64_t max_steps, slmt_step_fn step, void *user)
{
    REQUIRE(trainer);
    REQUIRE(dataset);
    return trainer_run(trainer, (trainer_run_options){dataset, source, target, max_steps, step, user});
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
