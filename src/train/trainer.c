/* SPDX-License-Identifier: Apache-2.0 */
/* trainer.c - the life of a trainer, its steps, and its runs over a set. */
#include "train/trainer.h"

#include <stdio.h>
#include <string.h>

#include "core/dataset.h"
#include "core/geometry.h"
#include "core/handles.h"
#include "data/mr_set.h"
#include "lib/random.h"
#include "train/schedules/schedule.h"
#include "train/trainer_file.h"

/* ---- life ---- */

static const port_table *inputs_of(const slmt_trainer *t)
{
    return &t->stepper.task.kind->inputs;
}

/* Returns the number of elements of input i. */
static size_t input_count(const slmt_trainer *t, int32_t i)
{
    return (size_t)bk_count(&t->stepper.task.shape[i]);
}

void trainer_release(slmt_trainer *t)
{
    if (!t)
        return;
    slmt_context *context = t->context;
    if (t->stepper.context)
        stepper_close(&t->stepper);
    for (int i = 0; i < METHOD_PORTS; i++)
        mem_give(&context->mem, t->samples[i]);
    model_release(t->model);
    handle_end(t);
    mem_give(&context->mem, t);
    context_release(context);
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
    t->word = HANDLE_TRAINER;
    t->context = context_retain(context);
    t->model = model_retain(task->model);
    t->seed = seed;
    atomic_init(&t->cancel, 0);
    status s =
        params_are_half(&task->model->params)
            ? fail(ERR_UNSUPPORTED, "a model with 16-bit weights cannot be trained: steps would be lost in "
                                    "rounding; load it in a context with weights = SLMT_WEIGHTS_FULL")
            : fill_trainer(t, task, y);
    if (s != OK) {
        trainer_release(t);
        return s;
    }
    *out = t;
    return OK;
}

status trainer_count(const task *task, held_bytes *held)
{
    slmt_context *counting;
    slmt_trainer *t = NULL;
    TRY(dry_run_context(task->model->context, &counting));
    dry_run y = {.mem = &counting->mem, .dry = 1};
    uint64_t before = context_live_bytes(counting);
    status s = trainer_open(counting, task, 0, &y, &t);
    if (s == OK)
        *held = dry_run_held(&y, counting, before);
    trainer_release(t);
    context_release(counting);
    return s;
}

/* ---- where it is ---- */

slmt_training_state trainer_state_of(const slmt_trainer *t)
{
    return (slmt_training_state){.struct_size = sizeof(slmt_training_state),
                                 .step = t->stepper.step,
                                 .steps_in_epoch = t->steps_in_epoch,
                                 .total_steps = t->total_steps,
                                 .seed = t->seed};
}

/* ---- one step ---- */

/* Returns the fractional epoch of a step; 0 while no set is known. */
static double epoch_of(const slmt_trainer *t, uint64_t step)
{
    return t->steps_in_epoch ? (double)step / (double)t->steps_in_epoch : 0;
}

/* Draws the random numbers of a step, and takes its inputs. */
static void take_inputs(slmt_trainer *t, uint64_t step, const void *const *given)
{
    stepper *s = &t->stepper;
    random_stream r = random_open(t->seed, random_purpose("mask", step));
    for (size_t i = 0; i < s->n_draws; i++)
        s->draws[i] = random_uniform(&r);
    stepper_take_inputs(s, step, given, epoch_of(t, step));
}

/* Runs a step on inputs that were taken. */
static status run_step(slmt_trainer *t, double rate, const host_work *beside)
{
    random_key(t->seed, t->stepper.step, t->stepper.key);
    return stepper_run(&t->stepper, rate, &t->cancel, beside);
}

status trainer_step(slmt_trainer *t, const void *const *given, double rate)
{
    take_inputs(t, t->stepper.step, given);
    return run_step(t, rate, NULL);
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
    slmt_geometry geometry;
    char set[DIGEST_HEX]; /* dataset_identity() */
    int32_t recorded;
    uint64_t end;  /* the run stops before this step, counted from 0 */
    uint64_t read; /* the step, counted from 1, whose samples have been read; 0: none */
} run;

/* What the model will know of the volumes, and a warning where that is nothing, or not what it knew before. A
 * trainer says it once. */
static status find_geometry(run *r)
{
    slmt_trainer *t = r->trainer;
    const slmt_geometry *before = &t->model->geometry, *g = &r->geometry;
    char is[GEOMETRY_TEXT], was[GEOMETRY_TEXT];
    TRY(mr_set_geometry(r->feed.set->file, SLMT_SPLIT_TRAIN, &r->geometry));
    if (t->told_of_geometry)
        return OK;
    t->told_of_geometry = 1;
    if (g->volumes == 0)
        return context_warn(
            t->context,
            "the training set does not know the voxel size of its volumes, so that the model will not "
            "compare scans with them: prepare the set anew");
    if (before->volumes == 0 ||
        (geometry_has_spacing(before, g->spacing_least) && geometry_has_spacing(before, g->spacing_most)))
        return OK;
    return context_warn(t->context, "the set's voxels are %s, and the model was trained on %s before",
                        geometry_text(g->spacing_least, g->spacing_most, is),
                        geometry_text(before->spacing_least, before->spacing_most, was));
}

/* Takes the memory for what the model will say of the set that it learned from. */
static status prepare_record(run *r)
{
    slmt_model *m = r->trainer->model;
    char key[PARAM_NAME_MAX];
    r->recorded = r->feed.preprocess.image_size == 0; /* a set of no images has no preprocessing to keep */
    if (r->recorded)
        return OK;
    TRY(model_check_preprocess(m, &r->feed.preprocess));
    TRY(find_geometry(r));
    if (r->target) {
        TRY(card_prepare(m, &r->card, "source_contrast", r->source));
        return card_prepare(m, &r->card, "target_contrast", r->target);
    }
    snprintf(key, sizeof key, "%s_contrast", r->trainer->stepper.task.kind->name);
    return card_prepare(m, &r->card, key, r->source);
}

/* Records in the model how the slices from which it learns were made, and their contrasts: once, after a
 * step. */
static void record_set(run *r)
{
    memcpy(r->trainer->set, r->set, sizeof r->set);
    r->trainer->set_records = dataset_file_records(r->feed.set->file);
    if (r->recorded)
        return;
    r->trainer->model->preprocess = r->feed.preprocess;
    r->trainer->model->geometry = r->geometry;
    card_commit(r->trainer->model, &r->card);
    r->recorded = 1;
}

/* Reads the samples of a step, unless they are there. */
static status read_samples(run *r, uint64_t step)
{
    slmt_trainer *t = r->trainer;
    if (r->read == step + 1)
        return OK;
    r->read = 0;
    TRY(t->stepper.task.kind->feeding->fill(&r->feed, step, t->samples));
    r->read = step + 1;
    return OK;
}

static void take_samples(run *r, uint64_t step)
{
    slmt_trainer *t = r->trainer;
    const void *given[METHOD_PORTS];
    for (int i = 0; i < METHOD_PORTS; i++)
        given[i] = t->samples[i];
    take_inputs(t, step, given);
}

/* Prepares the step after the one that a device is working on, which has its own inputs already. If that
 * fails, it is done again when the step begins, and fails then. */
static void prepare_next(void *user)
{
    run *r = user;
    const stepper *s = &r->trainer->stepper;
    if (s->step + 1 < r->end && read_samples(r, s->step + 1) == OK && stepper_takes_ahead(s))
        take_samples(r, s->step + 1);
}

static status run_one(run *r)
{
    slmt_trainer *t = r->trainer;
    const uint64_t step = t->stepper.step;
    const host_work beside = {prepare_next, r};
    if (t->stepper.taken != step + 1) {
        TRY(read_samples(r, step));
        take_samples(r, step);
    }
    TRY(run_step(t, schedule_rate(t->stepper.task.setting, epoch_of(t, step)), &beside));
    record_set(r);
    slmt_training_state state = trainer_state_of(t);
    if (r->step && r->step(r->user, t, &state) != 0)
        return fail(ERR_CANCELLED, "cancelled by the step callback after step %llu",
                    (unsigned long long)state.step);
    return OK;
}

/* Fails with the contrasts that there are, as far as a message has room. */
static status no_such_contrast(const slmt_dataset *set, const char *name)
{
    char list[200] = "";
    for (size_t i = 0, n = 0; i < set->contrasts && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "",
                              dataset_file_field(set->file, i)->name);
    return fail(ERR_NOT_FOUND, "the training set has no contrast %s; it has %s", name, list);
}

static status find_contrast(const slmt_dataset *set, const char *name, int32_t *index)
{
    *index = -1;
    if (!name)
        return OK;
    for (size_t i = 0; i < set->contrasts; i++)
        if (strcmp(dataset_file_field(set->file, i)->name, name) == 0)
            *index = (int32_t)i;
    return *index >= 0 ? OK : no_such_contrast(set, name);
}

static status open_feed(run *r, slmt_dataset *set)
{
    slmt_trainer *t = r->trainer;
    const task *task = &t->stepper.task;
    if (!task->kind->feeding)
        return fail(ERR_UNSUPPORTED, "task %s takes no training sets; see slmt_trainer_step()",
                    task->kind->name);
    r->feed = (feed){.mem = &t->context->mem,
                     .model = t->model,
                     .at = {t->model->option, task->setting},
                     .kind = task->kind,
                     .shape = task->shape,
                     .rule = task->kind->feeding->rule,
                     .set = set,
                     .seed = t->seed,
                     .ranks = 1,
                     .preprocess.struct_size = sizeof(slmt_preprocess)};
    if (set->contrasts > 0)
        r->feed.preprocess = set->preprocess;
    TRY(find_contrast(set, r->source, &r->feed.source));
    TRY(find_contrast(set, r->target, &r->feed.target));
    if (r->feed.target >= 0 && r->feed.source == r->feed.target)
        return fail(ERR_ARGUMENT, "source and target are the same contrast, \"%s\"", r->target);
    return task->kind->feeding->open(&r->feed);
}

static void close_feed(run *r)
{
    const method_task *kind = r->trainer->stepper.task.kind;
    if (kind->feeding)
        kind->feeding->close(&r->feed);
}

static uint64_t total_steps(const run *r)
{
    return r->feed.steps_in_epoch * (uint64_t)r->trainer->stepper.task.setting[TRAIN_EPOCHS];
}

/* A trainer of an older file does not know what it learned from. */
static int is_other_set(const run *r)
{
    return r->trainer->set[0] && strcmp(r->trainer->set, r->set) != 0;
}

/* ERR_CANCELLED: the warning was refused. */
static status warn_of_other_set(const run *r)
{
    const slmt_trainer *t = r->trainer;
    const dataset_file *f = r->feed.set->file;
    if (!is_other_set(r))
        return OK;
    return context_warn(
        t->context,
        "%s is another training set than the one of the run so far: it has %zu subjects or "
        "records, that one had %llu; if the number is the same, names, split or values differ",
        dataset_file_label(f), dataset_file_records(f), (unsigned long long)t->set_records);
}

static status open_run(run *r, slmt_dataset *set)
{
    slmt_trainer *t = r->trainer;
    TRY(open_feed(r, set));
    TRY(dataset_identity(r->feed.mem, set->file, r->set));
    TRY(warn_of_other_set(r));
    TRY(prepare_record(r));
    t->steps_in_epoch = r->feed.steps_in_epoch;
    t->total_steps = total_steps(r);
    return OK;
}

/* A trainer that has done no step finds what its settings leave open. */
static status settle(run *r)
{
    stepper *s = &r->trainer->stepper;
    settling found = {.context = r->trainer->context,
                      .task = &s->task,
                      .setting = s->task.setting,
                      .feed = &r->feed,
                      .samples = r->trainer->samples,
                      .cancel = &r->trainer->cancel};
    if (!s->task.kind->settle || s->step > 0)
        return OK;
    TRY(stepper_check_attached(s));
    for (int32_t i = 0; i < TASK_STATES; i++)
        found.attached[i] = s->state[i].model;
    return s->task.kind->settle(&found);
}

status trainer_run(slmt_trainer *t, trainer_run_options o)
{
    run r = {.trainer = t, .source = o.source, .target = o.target, .step = o.step, .user = o.user};
    status s = open_run(&r, o.set);
    if (s == OK)
        s = settle(&r);
    uint64_t end = t->total_steps, done = t->stepper.step;
    if (s == OK && o.max_steps > 0 && o.max_steps < end - (end < done ? end : done))
        end = done + o.max_steps;
    r.end = end;
    t->stepper.taken = 0;
    while (s == OK && t->stepper.step < end)
        s = run_one(&r);
    card_cancel(t->model, &r.card);
    close_feed(&r);
    atomic_store(&t->cancel, 0);
    return s;
}

status trainer_describe_run(slmt_trainer *t, trainer_run_options o, slmt_run_info *info)
{
    run r = {.trainer = t, .source = o.source, .target = o.target};
    status s = open_feed(&r, o.set);
    if (s == OK)
        s = dataset_identity(r.feed.mem, o.set->file, r.set);
    if (s == OK)
        *info = (slmt_run_info){.struct_size = sizeof *info,
                                .is_other_set = is_other_set(&r),
                                .samples = r.feed.samples,
                                .samples_used = r.feed.samples_used,
                                .records = r.feed.records,
                                .records_used = r.feed.records_used,
                                .steps_in_epoch = r.feed.steps_in_epoch,
                                .total_steps = total_steps(&r),
                                .checkpoint_bytes = trainer_file_bytes(t)};
    close_feed(&r);
    return s;
}
