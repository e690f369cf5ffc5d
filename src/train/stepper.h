/* SPDX-License-Identifier: Apache-2.0 */
/* stepper.h - training steps of a task: its planned graphs, an update graph for each parameter set, and the
 * state that both change. Knows nothing of data sets, epochs or files; slmt_trainer does.
 *
 * A step is all or nothing: on any status but OK the model and all state are as before it. The default step
 * checks first and changes afterwards; for a task with a step of its own the stepper keeps a backup. */
#ifndef SLMT_TRAIN_STEPPER_H
#define SLMT_TRAIN_STEPPER_H

#include <stdatomic.h>

#include "core/profile.h"
#include "core/shared_arena.h"
#include "core/task.h"
#include "io/digest.h"
#include "train/optimizers/optimizer.h"

/* ---- for a task's own step ---- */

/* Runs a graph. The states that it assigns hold their next values afterwards. ERR_NONFINITE: one of its
 * scalar outputs is not finite; ERR_CANCELLED, ERR_BACKEND. */
status step_run(step *s, int32_t graph);

/* Runs one step of a set's optimiser, with the gradients of the graph that was run last. ERR_NONFINITE: one
 * of them is not finite. */
status step_update(step *s, int32_t set);

/* step_read() returns an output as it was made last, step_write() an input for the graphs to come: arrays on
 * the host in the order of the port's shape, of int32 or of step_real(). What is written reaches the next
 * graph that runs. To write again after that graph, call step_write() again. */
const void *step_read(const step *s, int32_t output);
void *step_write(step *s, int32_t input);
bk_dtype step_real(const step *s);

/* Reports an output that no graph makes: a number. */
void step_report(step *s, int32_t output, double x);

numbers step_numbers(const step *s);

/* ---- for trainers ---- */

/* One graph of the task. */
typedef struct step_graph {
    plan *plan;
    unsigned char *has_gradient;       /* by tensor: the plan holds its gradient under the tensor's number */
    plan *update[TASK_SETS];           /* in place; NULL: the graph makes no gradients for the set */
    unsigned char makes[METHOD_PORTS]; /* by output */
} step_graph;

/* One parameter set and its optimiser. */
typedef struct step_set {
    const optimizer *optimizer; /* NULL: fixed */
    optimizer_settings settings;
    double rate_factor, clip;
    uint64_t updates;
    size_t reals;                  /* of each array of state */
    void *state[OPTIMIZER_STATES]; /* in the device's memory; tensor k at `place[k]` of each */
    double exact[OPTIMIZER_SCALARS];
    double scalars[OPTIMIZER_SCALARS]; /* room for one real each */
    void *on_device; /* both in the device's memory, SCALAR_PLACE bytes apart; NULL if that is the host's */
} step_set;

/* An array of state beside the model, of STATE_COPY or STATE_TENSOR, in the device's memory. */
typedef struct step_state {
    size_t bytes;
    void *array;             /* NULL while dry */
    size_t *byte;            /* STATE_COPY: by tensor, SIZE_MAX where it has none */
    slmt_model *model;       /* STATE_MODEL: attached, NULL: not yet */
    char digest[DIGEST_HEX]; /* of the model that is attached, or that a checkpoint says was; "": of none */
    int is_kept;             /* 1: a checkpoint says it, so that no other model may be attached */
} step_state;

/* Work of the host. */
typedef struct host_work {
    void (*run)(void *user);
    void *user;
} host_work;

struct step {
    slmt_context *context;
    task task;             /* its model is borrowed */
    slmt_profile *profile; /* or NULL */
    step_graph graph[TASK_GRAPHS];
    step_set set[TASK_SETS];
    step_state state[TASK_STATES];
    shared_arena graphs;           /* gradients lie in it until the next graph runs */
    shared_arena updates;          /* of the updates, which read them */
    int32_t *set_of;               /* by tensor: the set that has it, -1: none */
    size_t *place;                 /* by tensor: its first real in the arrays of its set */
    void **bound;                  /* by slot of the task, in the device's memory */
    void **updating;               /* by slot of an update, likewise */
    uint64_t step;                 /* steps done */
    void *data[METHOD_PORTS];      /* one batch of inputs, then the outputs, on the host */
    void *on_device[METHOD_PORTS]; /* the same in the device's memory; NULL if that is the host's */
    int is_newer[METHOD_PORTS];    /* data has changed since it was copied to the device */
    uint64_t taken;                /* data has the inputs of this step, counted from 1; 0: of none */
    const host_work *beside;       /* what the host does while a device runs the next graph; NULL: nothing */
    plan *updating_now;            /* the last update; a device may still be at it. NULL: it is not */
    void *key_on_device;           /* NULL if that is the host's */
    double *draws;                 /* random numbers of a step */
    int32_t key[4];                /* of the random ops of a step */
    size_t n_draws;
    void *room;
    bk_tensor *checked;    /* what is looked at for finite numbers, all at once */
    int32_t *checked_slot; /* of each: the tensor, or the slot of a state */
    void *backup; /* of all that a step of the task's own can change, on the device; NULL: the default step */
    size_t backup_bytes;
    double value[METHOD_PORTS]; /* by output: the scalars of the last step */
    int32_t has_values;         /* 1 after the first step */
    double rate;                /* of this step */
    int32_t last_graph;
    const atomic_int *cancel;
};
typedef step stepper;

/* Takes all memory (or counts it, y->dry) and plans. On failure call stepper_close. */
status stepper_open(stepper *s, slmt_context *context, const task *t, dry_run *y);
void stepper_close(stepper *s);

/* Has steps write to the profile from now on; NULL: to none. ERR_MEMORY, ERR_LIMIT: they write to none. */
status stepper_profile(stepper *s, slmt_profile *profile);

/* Attaches a model as state `name`, in place of the one before. ERR_NOT_FOUND: the task has no such state;
 * ERR_ARGUMENT: another method, other shapes, or another model than the checkpoint's. */
status stepper_attach(stepper *s, const char *name, slmt_model *model);

/* Copies the inputs of a step, and computes those that the task adds. given: the caller's finite values, by
 * input of the task, NULL for hidden ones. The n_draws numbers at s->draws are in [0,1). */
void stepper_take_inputs(stepper *s, uint64_t step, const void *const *given, double epoch);

/* Returns 1 if inputs may be taken while a graph runs, which then has its own in the device's memory. */
int stepper_takes_ahead(const stepper *s);

/* Runs one step, on inputs that were taken. beside: what the host does once, while a device works on
 * the first graph; it is not done if nothing works beside the host, nor in a profiled step. NULL: nothing.
 * Values of scalars are in s->value afterwards. */
status stepper_run(stepper *s, double rate, const atomic_int *cancel, const host_work *beside);

/* Measures the seconds of a step: runs each graph of the task, twice if that is quick, on inputs of zeros,
 * and drops what they make. Weights and states stay as they are; the optimisers' own time is left out. */
status stepper_time(stepper *s, double *seconds);

/* Returns the gradient of tensor k by the graph that was run last, in the device's memory; NULL for a tensor
 * without one.
 */
const void *stepper_gradient(const stepper *s, int32_t k);

/* Returns 1 if output i is a single number that a step reports. */
int stepper_is_scalar(const stepper *s, int32_t output);

/* ---- between the files of the stepper ---- */

/* Checks that every model that is to be attached has been. ERR_STATE. */
status stepper_check_attached(const stepper *s);

/* stepper_device.c. Memory that graphs read or write: the device's, zeroed. Needs none: *out is NULL unless
 * the device is the host. */
status stepper_take(stepper *s, dry_run *y, size_t bytes, void **out);

/* Memory of the ports, the key and the scalars, where the host's cannot be bound; and giving all of it back.
 */
status stepper_take_device(stepper *s, dry_run *y);
void stepper_give_device(stepper *s);

/* Waits for the updates that a device may still be at. */
status stepper_finish(stepper *s);

/* Copies what the host wrote since the last graph to the device. */
status stepper_upload(stepper *s);

/* Waits, once, for the graph that was started last: copies what it made to the host, and sets *first to the
 * index of the first of n arrays that is not finite, or to -1. */
status stepper_look(stepper *s, const bk_tensor *arrays, int32_t n, int32_t *first);

/* Copies to the device what this step starts with: the weights of the model and of attached ones, and the
 * key. */
status stepper_push(stepper *s);

/* Copies the scalars of a set to where its updates read them. */
status stepper_push_scalars(stepper *s, int32_t set);

/* Copies all that a step of the task's own can change to the backup, and back. */
status stepper_keep(stepper *s);
status stepper_put_back(stepper *s);

enum { SCALAR_PLACE = 64 }; /* bytes from one scalar to the next */

/* Returns where the updates of a set read its vector of exact scalars (i is 0), and scalar i - 1 as a real.
 */
void *stepper_scalar(stepper *s, int32_t set, int32_t i);

/* Returns a slot of an update graph. They are those of weights, gradients and states, then of the scalars. */
static inline int32_t update_slot(const stepper *s, int32_t kind, int32_t k)
{
    return kind * s->task.model->params.n + k;
}
enum { UPDATE_WEIGHT, UPDATE_GRADIENT, UPDATE_STATE, UPDATE_SCALARS = UPDATE_STATE + OPTIMIZER_STATES };

static inline int32_t update_slots(const stepper *s)
{
    return update_slot(s, UPDATE_SCALARS, 1 + OPTIMIZER_SCALARS);
}

#endif
