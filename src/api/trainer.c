/* SPDX-License-Identifier: Apache-2.0 */
/* trainer.c - trainers: steps by hand, runs over a set, checkpoints. */
#include "train/trainer.h"

#include <string.h>

#include "core/open_sets.h"
#include "core/structs.h"
#include "lib/random.h"
#include "train/schedules/schedule.h"
#include "train/trainer_file.h"

/* ---- life ---- */

static const port_table *inputs_of(const slmt_trainer *t)
{
    return &t->stepper.task.kind->inputs;
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

slmt_status slmt_trainer_create(slmt_model *model, const char *name, const slmt_number *settings,
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

static status count_memory(slmt_model *model, const char *name, const slmt_number *settings, size_t count,
                           held_bytes *held)
{
    task task;
    REQUIRE(model);
    REQUIRE(name);
    if (count > 0)
        REQUIRE(settings);
    TRY(named_task(model, name, settings, count, &task));
    return trainer_count(&task, held);
}

slmt_status slmt_trainer_memory(slmt_model *model, const char *name, const slmt_number *settings,
                                size_t count, uint64_t *bytes)
{
    held_bytes held;
    REQUIRE(bytes);
    TRY(count_memory(model, name, settings, count, &held));
    *bytes = held.all;
    return OK;
}

slmt_status slmt_trainer_device_memory(slmt_model *model, const char *name, const slmt_number *settings,
                                       size_t count, uint64_t *bytes)
{
    held_bytes held;
    REQUIRE(bytes);
    TRY(count_memory(model, name, settings, count, &held));
    *bytes = held.device;
    return OK;
}

slmt_status slmt_trainer_set_profile(slmt_trainer *trainer, slmt_profile *profile)
{
    REQUIRE(trainer);
    return stepper_profile(&trainer->stepper, profile);
}

void slmt_trainer_free(slmt_trainer *trainer)
{
    if (trainer && HANDLE_IS(trainer))
        trainer_release(trainer);
}

slmt_model *slmt_trainer_model(slmt_trainer *trainer)
{
    return trainer ? trainer->model : NULL;
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

const char *slmt_trainer_setting_text(const slmt_trainer *trainer, const char *name)
{
    const task *t = trainer ? &trainer->stepper.task : NULL;
    return t && name ? number_text(t->kind->settings, t->setting, name) : NULL;
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

/* Returns the output that is value `index`, outputs.n for the learning rate, below 0 past the end. */
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

/* Runs a step by hand, whose inputs have been checked. */
static status step_by_hand(slmt_trainer *t, const void *const *given, double rate)
{
    status s = trainer_step(t, given, rate);
    atomic_store(&t->cancel, 0);
    return s;
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

slmt_status slmt_trainer_describe_run(slmt_trainer *trainer, slmt_dataset *dataset, const char *source,
                                      const char *target, slmt_run_info *info)
{
    slmt_run_info made;
    REQUIRE(trainer);
    REQUIRE(dataset);
    REQUIRE(info);
    TRY(struct_check(info, "slmt_run_info"));
    TRY(trainer_describe_run(trainer, (trainer_run_options){dataset, source, target, 0, NULL, NULL}, &made));
    return struct_write(info, &made, sizeof made, "slmt_run_info");
}

slmt_status slmt_trainer_time_step(slmt_trainer *trainer, double *seconds)
{
    REQUIRE(trainer);
    REQUIRE(seconds);
    return stepper_time(&trainer->stepper, seconds);
}

/* ---- files ---- */

slmt_status slmt_trainer_save(const slmt_trainer *trainer, const char *path)
{
    REQUIRE(trainer);
    REQUIRE(path);
    TRY(open_sets_check(trainer->context, path));
    return trainer_save_path(trainer, path);
}

slmt_status slmt_trainer_load(slmt_context *context, const char *path, slmt_trainer **trainer)
{
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(trainer);
    return trainer_load_path(context, path, trainer);
}

slmt_status slmt_checkpoint_describe(slmt_context *context, const char *path, slmt_checkpoint_info *info)
{
    slmt_checkpoint_info made;
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(info);
    TRY(struct_check(info, "slmt_checkpoint_info"));
    TRY(trainer_peek_path(context, path, &made));
    return struct_write(info, &made, sizeof made, "slmt_checkpoint_info");
}
