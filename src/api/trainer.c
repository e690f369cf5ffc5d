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

static status fill_trainer(slmt_trainer *t, const task *task, dry_run *y)
{
    void *p;
    TRY(stepper_open(&t->stepper, t->context, task, y));
    for (int32_t i = 0; i < inputs_of(t)->n; i++) {
        if (inputs_of(t)->rows[i].flags & PORT_HIDDEN)
            continue;
        TRY(dry_run_take(y, input_count(t, i) * sizeof(float), &p));
        t->samples[i] = p;
    }
    return OK;
}

status trainer_open(slmt_context *context, const task *task, uint64_t seed, dry_run *y, slmt_trainer **out)
{
    void *p;
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_trainer), &p));
    slmt_trainer *t = p;
    t->context = context_retain(context);
    t->model = slmt_model_retain(task->model);
    t->seed = seed;
    atomic_init(&t->cancel, 0);
    status s =
        params_are_half(&task->model->params)
            ? fail(ERR_UNSUPPORTED, "a model with 16-bit weights cannot be trained: steps would be lost in "
                                    "rounding; load it in a context with weights = SLMT_WEIGHTS_FULL")
            : fill_trainer(t, task, y);
    if (s != OK) {
        slmt_trainer_free(t);
        return s;
    }
    *out = t;
    return OK;
}

static status count_trainer(const task *task, uint64_t *bytes)
{
    slmt_context *counting;
    slmt_trainer *t = NULL;
    TRY(dry_run_context(task->model->context, &counting));
    dry_run y = {.mem = &counting->mem, .dry = 1};
    uint64_t before = slmt_context_live_bytes(counting);
    status s = trainer_open(counting, task, 0, &y, &t);
    if (s == OK)
        *bytes = slmt_context_live_bytes(counting) - before + y.bytes;
    slmt_trainer_free(t);
    slmt_context_free(counting);
    return s;
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
    return count_trainer(&task, bytes);
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
    return count_trainer(&task, bytes);
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
    for (int i = 0; i < METHOD_PORTS; i++)
        mem_give(&context->mem, t->samples[i]);
    slmt_model_free(t->model);
    mem_give(&context->mem, t);
    context_release(context);
}

slmt_model *slmt_trainer_model(slmt_trainer *trainer)
{
    return trainer ? trainer->model : NULL;
}

/* SLMT_STAGE_... of a trainer of SLMT-Net; 0 of another method's. */
static int32_t stage_of(const slmt_trainer *t)
{
    for (int32_t stage = SLMT_STAGE_PRETRAIN; stage <= SLMT_STAGE_FINETUNE; stage++)
        if (stage_kind(stage) == t->stepper.task.kind)
            return stage;
    return 0;
}

slmt_status slmt_trainer_get_config(const slmt_trainer *trainer, slmt_trainer_config *config)
{
    slmt_trainer_config c;
    REQUIRE(trainer);
    REQUIRE(config);
    TRY(model_require_slmt_net(trainer->model, __func__));
    TRY(slmt_trainer_config_init(&c, stage_of(trainer)));
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

static slmt_training_state state_of(const slmt_trainer *t)
{
    return (slmt_training_state){sizeof(slmt_training_state), stage_of(t), t->stepper.step, t->steps_in_epoch,
                                 t->total_steps};
}

slmt_status slmt_trainer_get_state(const slmt_trainer *trainer, slmt_training_state *state)
{
    REQUIRE(trainer);
    REQUIRE(state);
    slmt_training_state s = state_of(trainer);
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

/* Fractional epoch of the next step; 0 while no set is known. */
static double epoch_of(const slmt_trainer *t)
{
    return t->steps_in_epoch ? (double)t->stepper.step / (double)t->steps_in_epoch : 0;
}

static status run_step(slmt_trainer *t, const void *const *given, double rate)
{
    stepper *s = &t->stepper;
    random_stream r = random_open(t->seed, random_purpose("mask", s->step));
    for (size_t i = 0; i < s->n_draws; i++)
        s->draws[i] = random_uniform(&r);
    return stepper_run(s, given, epoch_of(t), rate, &t->cancel);
}

static status check_rate(double rate, const char *call)
{
    return rate >= 0 && rate <= 1e3 ? OK : fail(ERR_ARGUMENT, "%s: rate is %g", call, rate);
}

/* A step by hand, its inputs checked. */
static status step_by_hand(slmt_trainer *t, const void *const *given, double rate)
{
    status s = run_step(t, given, rate);
    atomic_store(&t->cancel, 0);
    return s;
}

static status check_step(const slmt_trainer *t, int32_t stage, double rate, const char *call)
{
    TRY(check_rate(rate, call));
    if (stage_of(t) != stage)
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

/* What slmt_trainer_run() was called with. */
typedef struct run {
    slmt_trainer *trainer;
    feed feed;
    const char *source, *target;
    slmt_step_fn step;
    void *user;
    card_change card; /* for the model, after the first step */
    int32_t recorded;
} run;

/* Takes the memory for what the model will say of the set that it learned from. */
static status prepare_record(run *r)
{
    slmt_model *m = r->trainer->model;
    char key[PARAM_NAME_MAX];
    r->recorded = r->feed.preprocess.image_size == 0; /* a set of no images has no preprocessing to keep */
    if (r->recorded)
        return OK;
    TRY(model_check_preprocess(m, &r->feed.preprocess));
    if (r->target) {
        TRY(card_prepare(m, &r->card, "source_contrast", r->source));
        return card_prepare(m, &r->card, "target_contrast", r->target);
    }
    snprintf(key, sizeof key, "%s_contrast", r->trainer->stepper.task.kind->name);
    return card_prepare(m, &r->card, key, r->source);
}

/* The model keeps how the slices it learned from were made, and of which contrasts: once, after a step. */
static void record_set(run *r)
{
    if (r->recorded)
        return;
    r->trainer->model->preprocess = r->feed.preprocess;
    card_commit(r->trainer->model, &r->card);
    r->recorded = 1;
}

static status run_one(run *r)
{
    slmt_trainer *t = r->trainer;
    const method_task *kind = t->stepper.task.kind;
    const void *given[METHOD_PORTS];
    double rate = schedule_rate(t->stepper.task.setting, epoch_of(t));
    TRY(kind->feeding->fill(&r->feed, t->stepper.step, t->samples));
    for (int i = 0; i < METHOD_PORTS; i++)
        given[i] = t->samples[i];
    TRY(run_step(t, given, rate));
    record_set(r);
    slmt_training_state state = state_of(t);
    if (r->step && r->step(r->user, t, &state) != 0)
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

static status open_run(run *r, slmt_dataset *set, const char *source, const char *target)
{
    slmt_trainer *t = r->trainer;
    const task *task = &t->stepper.task;
    r->feed = (feed){.mem = &t->context->mem,
                     .model = t->model,
                     .at = {t->model->option, task->setting},
                     .rule = task->kind->feeding->rule,
                     .set = set,
                     .seed = t->seed,
                     .ranks = 1,
                     .preprocess.struct_size = sizeof(slmt_preprocess)};
    if (slmt_dataset_contrast_count(set) > 0)
        TRY(slmt_dataset_get_preprocess(set, &r->feed.preprocess));
    TRY(find_contrast(set, source, &r->feed.source));
    TRY(find_contrast(set, target, &r->feed.target));
    TRY(task->kind->feeding->open(&r->feed));
    TRY(prepare_record(r));
    t->steps_in_epoch = r->feed.steps_in_epoch;
    t->total_steps = r->feed.steps_in_epoch * (uint64_t)task->setting[TRAIN_EPOCHS];
    return OK;
}

slmt_status slmt_trainer_run(slmt_trainer *trainer, slmt_dataset *dataset, const char *source,
                             const char *target, uint64_t max_steps, slmt_step_fn step, void *user)
{
    REQUIRE(trainer);
    REQUIRE(dataset);
    run r = {.trainer = trainer, .source = source, .target = target, .step = step, .user = user};
    if (!trainer->stepper.task.kind->feeding)
        return fail(ERR_UNSUPPORTED,
                    "slmt_trainer_run: task %s takes no training sets; see slmt_trainer_step()",
                    trainer->stepper.task.kind->name);
    status s = open_run(&r, dataset, source, target);
    uint64_t end = trainer->total_steps;
    if (s == OK && max_steps > 0 &&
        max_steps < end - (end < trainer->stepper.step ? end : trainer->stepper.step))
        end = trainer->stepper.step + max_steps;
    while (s == OK && trainer->stepper.step < end)
        s = run_one(&r);
    card_cancel(trainer->model, &r.card);
    trainer->stepper.task.kind->feeding->close(&r.feed);
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
