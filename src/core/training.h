/* SPDX-License-Identifier: Apache-2.0 */
/* training.h - what a method's table says about training: settings that all tasks share, the graphs of a
 * task, parameter sets and their optimisers, state that the trainer owns, and the step. */
#ifndef SLMT_CORE_TRAINING_H
#define SLMT_CORE_TRAINING_H

#include "core/numbers.h"
#include "core/params.h"
#include "lib/graph.h"
#include "slmt/trainer.h"

enum { TASK_GRAPHS = 8, TASK_SETS = 8, TASK_STATES = 8 }; /* at most, of a task */

/* ---- settings ---- */

/* The settings that every task that trains has: the first member of its struct, and first in its table by
 * TRAIN_NUMBERS, then OPTIMIZER_NUMBERS, then SCHEDULE_NUMBERS. A set named "critic" may have settings of its
 * own beside them: "critic_optimizer", "critic_beta1" and so on, and "critic_rate_factor", which multiplies
 * the learning rate. In a task with the default step a factor of 0 makes the set fixed. The stepper finds
 * them by name. */
typedef struct train_settings {
    int32_t batch, epochs, augment, recompute, optimizer, nesterov, schedule, rate_by, warmup_epochs,
        decay_epochs;
    double learning_rate, beta1, beta2, epsilon, data_rate, momentum, weight_decay, trust, vector_rate,
        clip_norm;
    double minimum_rate, decay_factor, power;
} train_settings;

/* Their places among the values. */
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
    TRAIN_VECTOR_RATE,
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
/* recompute_: SLMT_RECOMPUTE_... */
#define TRAIN_NUMBERS(batch_, epochs_, rate_, beta2_, data_rate_, recompute_)                                \
    NUMBER_ROLE(train_settings, batch, BATCH, batch_, 1, 65536, "samples a step"),                           \
    NUMBER_WHOLE(train_settings, epochs, epochs_, 1, 1000000, "passes over the training samples"),           \
    NUMBER_CHOICE(train_settings, augment, 1, 1, "off|on", "random changes of the samples"),                 \
    NUMBER_REAL(train_settings, learning_rate, rate_, 0, 1e3, "highest learning rate"),                      \
    NUMBER_REAL(train_settings, beta1, 0.9, 0, 0.999999999, "Adam's decay of the first moment"),             \
    NUMBER_REAL(train_settings, beta2, beta2_, 0, 0.999999999, "Adam's decay of the second moment"),         \
    NUMBER_REAL(train_settings, epsilon, 1e-8, 1e-30, 1, "Adam's epsilon"),                                  \
    NUMBER_REAL(train_settings, data_rate, data_rate_, 0, 1,                                                 \
                "part of the training samples that is used, the first ones"),                                \
    NUMBER_CHOICE(train_settings, recompute, recompute_, 2, "nothing|cheap|linear",                          \
                  "what is computed again for the gradients instead of kept: less memory, more time")

#define OPTIMIZER_NUMBERS(optimizer_, weight_decay_)                                                         \
    NUMBER_CHOICE(train_settings, optimizer, optimizer_, 3, "sgd|adam|adamw|lars",                           \
                  "what turns gradients into changes of the weights"),                                       \
    NUMBER_REAL(train_settings, momentum, 0.9, 0, 0.999999999,                                               \
                "part of the last change that goes on (sgd, lars)"),                                         \
    NUMBER_CHOICE(train_settings, nesterov, 0, 1, "off|on", "Nesterov's momentum (sgd)"),                    \
    NUMBER_REAL(train_settings, weight_decay, weight_decay_, 0, 1e3,                                         \
                "pull of the weights to 0: added to the gradient, with adamw apart from it"),                \
    NUMBER_REAL(train_settings, trust, 0.001, 0, 1e3,                                                        \
                "size of a change relative to the size of the tensor (lars)"),                               \
    NUMBER_REAL_LATER(train_settings, vector_rate, 1, 0, 1e3,                                                \
                      "learning rate of tensors of one axis, such as biases, over the others' (lars)"),      \
    NUMBER_REAL(train_settings, clip_norm, 0, 0, 1e30,                                                       \
                "a set's gradient is scaled down to this Euclidean norm; 0: never")

#define SCHEDULE_NUMBERS(schedule_, rate_by_, warmup_, minimum_)                                             \
    NUMBER_CHOICE(train_settings, schedule, schedule_, 3, "constant|steps|cosine|polynomial",                \
                  "how the learning rate falls after the warm-up"),                                          \
    NUMBER_CHOICE(train_settings, rate_by, rate_by_, 1, "step|epoch", "when the learning rate changes"),     \
    NUMBER_WHOLE(train_settings, warmup_epochs, warmup_, 0, 1000000,                                         \
                 "the learning rate rises over so many epochs"),                                             \
    NUMBER_REAL(train_settings, minimum_rate, minimum_, 0, 1e3,                                              \
                "the learning rate falls to this (cosine, polynomial)"),                                     \
    NUMBER_WHOLE(train_settings, decay_epochs, 50, 1, 1000000,                                               \
                 "the learning rate falls after every so many epochs (steps)"),                              \
    NUMBER_REAL(train_settings, decay_factor, 0.1, 0, 1,                                                     \
                "factor by which the learning rate falls (steps)"),                                          \
    NUMBER_REAL(train_settings, power, 0.9, 0, 100, "exponent of the fall (polynomial)")

/* The row of the factor of a set, which came after the first checkpoints. */
#define NUMBER_RATE_FACTOR(set, text)                                                                        \
    {                                                                                                        \
        .name = #set "_rate_factor", .kind = SLMT_NUMBER_REAL, .initial = 1, .high = 100, .help = text,      \
        .is_later = 1, .offset = NO_MEMBER                                                                   \
    }
/* clang-format on */

/* ---- parameter sets ---- */

enum {
    SET_FIXED = 1, /* no optimiser changes the set */
    SET_JOINED = 2 /* clip_norm takes the gradients of all joined sets as one */
};

typedef struct param_set {
    const char *name;
    const char *tensors; /* names that begin so, several beginnings joined by '|'; "": all. The first set that
                            names a tensor has it */
    const char *optimizer; /* where no setting "NAME_optimizer" says it; NULL: setting `optimizer` does */
    int32_t flags;         /* SET_... */
} param_set;

/* Returns 1 if the pattern of a set or a state names the tensor. */
int pattern_holds(const char *pattern, const char *tensor);

/* ---- state of the trainer ---- */

/* State beside the model. Copies and tensors are saved in the trainer's checkpoint, under /training/NAME. */
enum {
    STATE_COPY = 1, /* of the tensors as they are when the trainer is made: a snapshot; a moving average if a
                       graph assigns to it */
    STATE_TENSOR = 2, /* one tensor, zeros at first, for instance a memory bank */
    STATE_MODEL = 3   /* a second model that the caller attaches by this name: of the same method and shapes,
                         not changed, not saved */
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
