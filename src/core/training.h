/* SPDX-License-Identifier: Apache-2.0 */
/* training.h - what a method's table says about training: settings that all tasks share, the graphs of a task,
 * parameter sets and their optimisers, state that the trainer owns, and the step. */
#ifndef SLMT_CORE_TRAINING_H
#define SLMT_CORE_TRAINING_H

#include "core/numbers.h"
#include "core/params.h"
#include "lib/graph.h"

enum { TASK_GRAPHS = 8, TASK_SETS = 8, TASK_STATES = 8 }; /* at most, of a task */

/* ---- settings ---- */

/* The settings that every task that trains has, first in its table: TRAIN_NUMBERS, then OPTIMIZER_NUMBERS, then
 * SCHEDULE_NUMBERS, then the task's own. A set named "critic" may have settings of its own beside them:
 * "critic_optimizer", "critic_beta1" and so on for each of OPTIMIZER_NUMBERS and the betas, and
 * "critic_rate_factor", which multiplies the learning rate. */
enum {
    TRAIN_BATCH,
    TRAIN_EPOCHS,
    TRAIN_AUGMENT,
    TRAIN_RATE,
    TRAIN_BETA1,
    TRAIN_BETA2,
    TRAIN_EPSILON,
    TRAIN_DATA_RATE,
    TRAIN_RECOMPUTE,
    TRAIN_OPTIMIZER,
    TRAIN_MOMENTUM,
    TRAIN_NESTEROV,
    TRAIN_WEIGHT_DECAY,
    TRAIN_TRUST,
    TRAIN_CLIP,
    TRAIN_SCHEDULE,
    TRAIN_RATE_BY,
    TRAIN_WARMUP,
    TRAIN_MINIMUM_RATE,
    TRAIN_DECAY_EPOCHS,
    TRAIN_DECAY_FACTOR,
    TRAIN_POWER,
    TRAIN_SETTINGS
};

/* Indices of the choices below, which are the rows of src/train/optimizers/ and src/train/schedules/. */
enum { OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_LARS };
enum { SCHEDULE_CONSTANT, SCHEDULE_STEPS, SCHEDULE_COSINE, SCHEDULE_POLYNOMIAL };
enum { RATE_BY_STEP, RATE_BY_EPOCH };

/* clang-format off */
#define TRAIN_NUMBERS(batch, epochs, rate, beta2, data_rate, recompute)                                      \
    {"batch", SLMT_NUMBER_WHOLE, batch, 1, 65536, "samples a step", NULL},                                   \
    {"epochs", SLMT_NUMBER_WHOLE, epochs, 1, 1000000, "passes over the training samples", NULL},             \
    {"augment", SLMT_NUMBER_CHOICE, 1, 0, 1, "random changes of the samples", "off|on"},                     \
    {"learning_rate", SLMT_NUMBER_REAL, rate, 0, 1e3, "highest learning rate", NULL},                        \
    {"beta1", SLMT_NUMBER_REAL, 0.9, 0, 0.999999999, "Adam's decay of the first moment", NULL},              \
    {"beta2", SLMT_NUMBER_REAL, beta2, 0, 0.999999999, "Adam's decay of the second moment", NULL},           \
    {"epsilon", SLMT_NUMBER_REAL, 1e-8, 1e-30, 1, "Adam's epsilon", NULL},                                   \
    {"data_rate", SLMT_NUMBER_REAL, data_rate, 0, 1,                                                         \
     "part of the training samples that is used, the first ones", NULL},                                     \
    {"recompute", SLMT_NUMBER_CHOICE, recompute, 0, 2,                                                       \
     "what is computed again for the gradients instead of kept: less memory, more time",                     \
     "nothing|cheap|linear"}

#define OPTIMIZER_NUMBERS(optimizer, weight_decay)                                                           \
    {"optimizer", SLMT_NUMBER_CHOICE, optimizer, 0, 3, "what turns gradients into changes of the weights",   \
     "sgd|adam|adamw|lars"},                                                                                 \
    {"momentum", SLMT_NUMBER_REAL, 0.9, 0, 0.999999999, "part of the last change that goes on (sgd, lars)",  \
     NULL},                                                                                                  \
    {"nesterov", SLMT_NUMBER_CHOICE, 0, 0, 1, "Nesterov's momentum (sgd)", "off|on"},                        \
    {"weight_decay", SLMT_NUMBER_REAL, weight_decay, 0, 1e3,                                                 \
     "pull of the weights to 0: added to the gradient, with adamw apart from it", NULL},                     \
    {"trust", SLMT_NUMBER_REAL, 0.001, 0, 1e3, "size of a change relative to the size of the tensor (lars)", \
     NULL},                                                                                                  \
    {"clip_norm", SLMT_NUMBER_REAL, 0, 0, 1e30,                                                              \
     "a set's gradient is scaled down to this Euclidean norm; 0: never", NULL}

#define SCHEDULE_NUMBERS(schedule, rate_by, warmup, minimum)                                                 \
    {"schedule", SLMT_NUMBER_CHOICE, schedule, 0, 3, "how the learning rate falls after the warm-up",        \
     "constant|steps|cosine|polynomial"},                                                                    \
    {"rate_by", SLMT_NUMBER_CHOICE, rate_by, 0, 1, "when the learning rate changes", "step|epoch"},          \
    {"warmup_epochs", SLMT_NUMBER_WHOLE, warmup, 0, 1000000, "the learning rate rises over so many epochs",  \
     NULL},                                                                                                  \
    {"minimum_rate", SLMT_NUMBER_REAL, minimum, 0, 1e3,                                                      \
     "the learning rate falls to this (cosine, polynomial)", NULL},                                          \
    {"decay_epochs", SLMT_NUMBER_WHOLE, 50, 1, 1000000,                                                      \
     "the learning rate falls after every so many epochs (steps)", NULL},                                    \
    {"decay_factor", SLMT_NUMBER_REAL, 0.1, 0, 1, "factor by which the learning rate falls (steps)", NULL},  \
    {"power", SLMT_NUMBER_REAL, 0.9, 0, 100, "exponent of the fall (polynomial)", NULL}
/* clang-format on */

/* ---- parameter sets ---- */

enum { SET_FIXED = 1 }; /* no optimiser changes the set */

typedef struct param_set {
    const char *name;
    const char *tensors;   /* names that begin so, several beginnings joined by '|'; "": all. The first set that
                              names a tensor has it */
    const char *optimizer; /* where no setting "NAME_optimizer" says it; NULL: setting `optimizer` does */
    int32_t flags;         /* SET_... */
} param_set;

/* 1 if the pattern of a set or a state names the tensor. */
int pattern_holds(const char *pattern, const char *tensor);

/* ---- state of the trainer ---- */

/* State beside the model. Copies and tensors are saved in the trainer's checkpoint, under /training/NAME. */
enum {
    STATE_COPY = 1,   /* of the tensors as they are when the trainer is made: a snapshot; a moving average if a
                         graph assigns to it */
    STATE_TENSOR = 2, /* one tensor, zeros at first, for instance a memory bank */
    STATE_MODEL = 3   /* a second model that the caller attaches by this name: of the same method and shapes, not
                         changed, not saved */
};

typedef struct trainer_state {
    const char *name;
    int32_t kind;        /* STATE_COPY, ... */
    const char *tensors; /* STATE_COPY: which, as in param_set */
    bk_shape (*shape)(const double *option, const double *setting, bk_dtype real); /* STATE_TENSOR */
} trainer_state;

/* ---- graphs and the step ---- */

typedef struct task_graph task_graph;

/* One planned graph of a task with a step of its own. It reads the inputs that it asks for, and makes the
 * outputs that it sets; other graphs make the others. */
typedef struct method_graph {
    const char *name;
    void (*build)(task_graph *t);
} method_graph;

/* A step that runs (train/stepper.h). */
typedef struct step step;

#endif
