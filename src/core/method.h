/* SPDX-License-Identifier: Apache-2.0 */
/* method.h - what a method tells the library: its options, its tensors, its tasks.
 * src/methods/registry.c lists them all.
 *
 * Models, sessions, trainers, files and the command know methods through this table alone. */
#ifndef SLMT_CORE_METHOD_H
#define SLMT_CORE_METHOD_H

#include "core/numbers.h"
#include "core/params.h"
#include "lib/graph.h"
#include "slmt/dataset.h"
#include "slmt/method.h"

enum {
    METHOD_NUMBERS = 40,
    METHOD_PORTS = 12
}; /* at most: options, or settings; inputs and outputs of a task */

enum {
    PORT_SHARED = 1, /* the same for all samples of a batch: no batch axis */
    PORT_HIDDEN = 2  /* an input that the method's prepare() fills, not the caller */
};

typedef struct port {
    const char *name, *axes;
    int32_t type;  /* SLMT_TENSOR_... */
    int32_t flags; /* PORT_... */
    const char *help;
    const char *below; /* of indices: the option that they lie below; else NULL */
} port;

typedef struct port_table {
    const port *rows;
    int32_t n;
} port_table;
#define PORTS(table)                                                                                         \
    {                                                                                                        \
        table, (int32_t)(sizeof(table) / sizeof *(table))                                                    \
    }

/* The numbers of a model and of one task of it, in the order of their tables. */
typedef struct numbers {
    const double *option, *setting;
} numbers;

/* A task that is being built into a graph. */
typedef struct task_graph {
    graph *g;
    const params *params;
    numbers at;
    int32_t weights, frozen; /* plan slots of tensor 0, and of tensor 0 of the frozen copy */
    value in[METHOD_PORTS];  /* bound, by input */
    value out[METHOD_PORTS]; /* to be set, by output; of a task that trains: numbers, the last is minimised */
} task_graph;

/* ---- training ---- */

/* The settings that every task that trains has, first in its table, and the first member of its struct. */
typedef struct train_settings {
    int32_t batch, epochs, augment, recompute;
    double learning_rate, beta1, beta2, epsilon, data_rate;
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
    TRAIN_SETTINGS
};

/* clang-format off */
#define TRAIN_NUMBERS(batch_, epochs_, rate_, beta2_, data_rate_, recompute_)                                \
    NUMBER_WHOLE(train_settings, batch, batch_, 1, 65536, "samples a step"),                                 \
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
/* clang-format on */

/* A step that is about to run. */
typedef struct task_step {
    numbers at;
    bk_dtype real;
    const params *params;
    const void *weights;      /* the model's array */
    const void *const *given; /* by input, the caller's: float32 or int32; NULL: hidden */
    void *const *in;          /* by input, as the graph reads it; prepare() fills the hidden ones */
    double epoch;             /* steps done / steps of an epoch */
    double *draws;            /* random numbers in [0,1), as many as the task needs */
    void *room;
} task_step;

typedef struct task_needs {
    size_t draws; /* a step */
    size_t room;  /* bytes of working memory for prepare() */
} task_needs;

/* Where a run's samples come from: a set, and what the sampler keeps beside it. What a step gets is a
 * function of the seed, the step and the rank alone. */
typedef struct feed {
    mem *mem;
    slmt_model *model; /* whose card a sampler may read and write */
    numbers at;
    const void *rule; /* of the task's feeding */
    slmt_dataset *set;
    uint64_t seed;
    int32_t rank, ranks;        /* this process, and how many share a step: each takes samples of its own */
    int32_t source, target;     /* contrasts named by the caller, -1: none */
    slmt_preprocess preprocess; /* of a set of MR volumes; zeros: of another */
    uint64_t steps_in_epoch;    /* set by open */
    void *own;                  /* set by open, freed by close; NULL: nothing */
} feed;

/* A sampler (src/data/sampler), and what the task tells it. */
typedef struct feeding {
    status (*open)(feed *f);
    status (*fill)(feed *f, uint64_t step, void *const *in); /* by input, of its type: float32 or int32 */
    void (*close)(feed *f);
    const void *rule; /* of the sampler's own type: see its header */
} feeding;

/* How slices of a volume become samples of input 0, and output 0 slices again: a sample is a stack of
 * neighbouring slices, the first ones repeated below the volume and the last ones above, whose values go from
 * low to high instead of from 0 to 1. Of the answer the middle slice counts; or all of them, and then the
 * stacks lie side by side. */
typedef struct stacking {
    int32_t slices; /* of a sample; 0: these settings take no slices of a volume */
    int32_t whole;  /* all slices of an answer count */
} stacking;

typedef struct slicing {
    stacking (*stack)(numbers at);
    double low, high;
} slicing;

typedef struct method_task {
    const char *name, *help;
    int32_t trains;
    number_table settings;
    port_table inputs, outputs;
    /* Shapes of inputs, then outputs, in the graph's `real` (and BK_I32). ERR_ARGUMENT, with the setting and
     * its rule, where settings do not fit each other; the tables' ranges are checked before. */
    status (*shapes)(numbers at, bk_dtype real, bk_shape *shape);
    void (*build)(task_graph *t);
    const slicing *slices; /* NULL: no volumes */

    /* of tasks that train */
    const char *frozen; /* the first tensors, whose names begin so, are also kept as they were when training
                           began; NULL: none */
    double (*rate)(const double *setting, double epoch);
    task_needs (*needs)(numbers at);     /* NULL: nothing */
    void (*prepare)(const task_step *s); /* NULL: no hidden inputs */
    const feeding *feeding;              /* NULL: no training sets */
} method_task;

typedef struct method {
    const char *name, *title, *source;
    number_table options;
    /* Sets of options that go by a name, "base|small|tiny", and what fills them in; NULL: none. */
    const char *presets;
    void (*preset)(int32_t index, double *option);
    status (*check)(const double *option); /* rules between options; their ranges are checked before */
    void (*tensors)(params *p, const double *option);
    const method_task *tasks;
    int32_t n_tasks;
} method;

const method *method_at(size_t index);        /* NULL past the last */
const method *method_named(const char *name); /* NULL: none */
const method_task *task_named(const method *m, const char *name);

/* The defaults, or those of the preset that is among the given numbers (its index, "preset"), then the other
 * given ones. ERR_NOT_FOUND, ERR_ARGUMENT. */
status method_options(const method *m, const slmt_number *given, size_t n, double *option);

/* Options as a whole: ranges, then rules. */
status method_check(const method *m, const double *option);

#endif
