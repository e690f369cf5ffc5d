/* SPDX-License-Identifier: Apache-2.0 */
/* slmt_net_trainer.c - SLMT-Net's typed entry points for trainers: the settings of its two stages in a
 * struct, and steps on slices. */
#include <math.h>
#include <stddef.h>

#include "core/structs.h"
#include "slmt/slmt_net.h"
#include "train/trainer.h"

/* ---- configuration of SLMT-Net's stages ---- */

static const char *const stage_task[] = {
    [SLMT_NET_STAGE_PRETRAIN] = "pretrain", [SLMT_NET_STAGE_FINETUNE] = "finetune"};

/* The struct's fields by the names of their settings; a stage has those that its task has. */
typedef struct config_field {
    const char *name;
    size_t offset;
    int is_real;
} config_field;

#define WHOLE(field)                                                                                         \
    {                                                                                                        \
#field, offsetof(slmt_net_trainer_config, field), 0                                                  \
    }
#define REAL(field)                                                                                          \
    {                                                                                                        \
#field, offsetof(slmt_net_trainer_config, field), 1                                                  \
    }

static const config_field config_fields[] = {
    WHOLE(batch),        WHOLE(epochs),      WHOLE(augment),   REAL(learning_rate), REAL(beta1),
    REAL(beta2),         REAL(epsilon),      REAL(data_rate),  WHOLE(recompute),    WHOLE(patch_weight),
    WHOLE(decay_epochs), REAL(decay_factor), REAL(mask_ratio), REAL(rec_weight),    WHOLE(warmup_epochs),
    REAL(minimum_rate),  REAL(l1_weight),
};

enum { N_FIELDS = sizeof config_fields / sizeof *config_fields };

static void config_put(slmt_net_trainer_config *c, const config_field *f, double x)
{
    char *at = (char *)c + f->offset;
    if (f->is_real)
        *(double *)(void *)at = x;
    else
        *(int32_t *)(void *)at = (int32_t)x;
}

static double config_get(const slmt_net_trainer_config *c, const config_field *f)
{
    const char *at = (const char *)c + f->offset;
    return f->is_real ? *(const double *)(const void *)at : *(const int32_t *)(const void *)at;
}

static void config_of(const method_task *kind, const double *setting, slmt_net_trainer_config *c)
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
    if (stage != SLMT_NET_STAGE_PRETRAIN && stage != SLMT_NET_STAGE_FINETUNE)
        return fail(ERR_ARGUMENT, "there is no stage %d; SLMT_NET_STAGE_PRETRAIN and _FINETUNE are 1 and 2",
                    stage);
    return OK;
}

/* Returns the stage of a trainer; 0: it is for another method. */
static int32_t stage_of(const slmt_trainer *t)
{
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++)
        if (t->stepper.task.kind == stage_kind(stage))
            return stage;
    return 0;
}

/* Fills in the defaults of both stages, this one's last. */
slmt_status slmt_net_trainer_config_init(slmt_net_trainer_config *config, int32_t stage)
{
    double setting[METHOD_NUMBERS];
    REQUIRE(config);
    TRY(check_stage(stage));
    *config = (slmt_net_trainer_config){.struct_size = sizeof *config, .stage = stage};
    for (int32_t i = 0; i < 2; i++) {
        const method_task *kind =
            stage_kind(i == 0 ? SLMT_NET_STAGE_PRETRAIN + SLMT_NET_STAGE_FINETUNE - stage : stage);
        numbers_init(kind->settings, setting);
        config_of(kind, setting, config);
    }
    return OK;
}

/* Fills in the defaults of the stage, then what the caller's struct has, and makes the task. */
static status read_config(slmt_model *model, const slmt_net_trainer_config *given, uint64_t *seed, task *t)
{
    slmt_net_trainer_config theirs = {.struct_size = sizeof theirs}, c;
    double setting[METHOD_NUMBERS];
    TRY(model_require_slmt_net(model, "slmt_net_trainer_create"));
    TRY(struct_read(&theirs, sizeof theirs, given, "slmt_net_trainer_config"));
    TRY(slmt_net_trainer_config_init(&c, theirs.stage));
    TRY(struct_read(&c, sizeof c, given, "slmt_net_trainer_config"));
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

slmt_status slmt_net_trainer_create(slmt_model *model, const slmt_net_trainer_config *config,
                                    slmt_trainer **trainer)
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

slmt_status slmt_net_trainer_memory(slmt_model *model, const slmt_net_trainer_config *config, uint64_t *bytes)
{
    task task;
    uint64_t seed;
    held_bytes held;
    REQUIRE(model);
    REQUIRE(config);
    REQUIRE(bytes);
    TRY(read_config(model, config, &seed, &task));
    TRY(trainer_count(&task, &held));
    *bytes = held.all;
    return OK;
}

slmt_status slmt_net_trainer_get_config(const slmt_trainer *trainer, slmt_net_trainer_config *config)
{
    slmt_net_trainer_config c;
    REQUIRE(trainer);
    REQUIRE(config);
    TRY(model_require_slmt_net(trainer->model, __func__));
    TRY(slmt_net_trainer_config_init(&c, stage_of(trainer)));
    config_of(trainer->stepper.task.kind, trainer->stepper.task.setting, &c);
    c.seed = trainer->seed;
    return struct_write(config, &c, sizeof c, "slmt_net_trainer_config");
}

/* ---- one step ---- */

static status check_images(const slmt_trainer *t, const float *images, const char *name)
{
    size_t side = (size_t)model_image_side(t->model), n = (size_t)bk_count(&t->stepper.task.shape[0]);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(images[i]))
            return fail(ERR_NONFINITE, "%s[%zu][%zu][%zu] is not finite", name, i / (side * side),
                        i / side % side, i % side);
    return OK;
}

static slmt_tensor slices_for(const slmt_trainer *t, int32_t i, const float *images)
{
    const bk_shape *shape = &t->stepper.task.shape[i];
    return (slmt_tensor){.name = t->stepper.task.kind->inputs.rows[i].name,
                         .data = (void *)(uintptr_t)images, /* a tensor has no const; an input is only read */
                         .shape = shape->dim,
                         .rank = shape->rank,
                         .type = SLMT_TENSOR_FLOAT32};
}

static status check_trainer(const slmt_trainer *t, int32_t stage, const char *call)
{
    return stage_of(t) == stage ? OK : fail(ERR_STATE, "%s: this trainer is for another stage", call);
}

slmt_status slmt_net_pretrain_step(slmt_trainer *trainer, const float *images, double rate)
{
    REQUIRE(trainer);
    REQUIRE(images);
    TRY(check_trainer(trainer, SLMT_NET_STAGE_PRETRAIN, __func__));
    TRY(check_images(trainer, images, "images"));
    const slmt_tensor input = slices_for(trainer, 0, images);
    return slmt_trainer_step(trainer, &input, 1, rate);
}

slmt_status slmt_net_finetune_step(slmt_trainer *trainer, const float *source, const float *target,
                                   double rate)
{
    REQUIRE(trainer);
    REQUIRE(source);
    REQUIRE(target);
    TRY(check_trainer(trainer, SLMT_NET_STAGE_FINETUNE, __func__));
    TRY(check_images(trainer, source, "source"));
    TRY(check_images(trainer, target, "target"));
    const slmt_tensor inputs[] = {slices_for(trainer, 0, source), slices_for(trainer, 1, target)};
    return slmt_trainer_step(trainer, inputs, 2, rate);
}
