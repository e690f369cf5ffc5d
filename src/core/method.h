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

/* The settings that every task that trains has, first in its table. */
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
#define TRAIN_NUMBERS(batch, epochs, rate, beta2, data_rate, recompute)                                      \
    {"batch", SLMT_NUMBER_WHOLE, batch, 1, 65536, "samples a step", NULL},                                   \
        {"epochs", SLMT_NUMBER_WHOLE, epochs, 1, 1000000, "passes over the training samples", NULL},         \
        {"augment", SLMT_NUMBER_CHOICE, 1, 0, 1, "random changes of the samples", "off|on"},                 \
        {"learning_rate", SLMT_NUMBER_REAL, rate, 0, 1e3, "highest learning rate", NULL},                    \
        {"beta1", SLMT_NUMBER_REAL, 0.9, 0, 0.999999999, "Adam's decay of the first moment", NULL},          \
        {"beta2", SLMT_NUMBER_REAL, beta2, 0, 0.999999999, "Adam's decay of the second moment", NULL},       \
        {"epsilon", SLMT_NUMBER_REAL, 1e-8, 1e-30, 1, "Adam's epsilon", NULL},                               \
        {"data_rate", SLMT_NUMBER_REAL,                                                                      \
         data_rate,   0,                                                                                     \
         1,           "part of the training samples that is used, the first ones",                           \
         NULL},                                                                                              \
    {                                                                                                        \
        "recompute", SLMT_NUMBER_CHOICE, recompute, 0, 2,                                                    \
            "what is computed again for the gradients instead of kept: less memory, more time",              \
            "nothing|cheap|linear"                                                                           \
    }

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

/* Where a run's samples come from: a set, and what the task keeps beside it. */
typedef struct feed {
    mem *mem;
    slmt_model *model; /* whose card a method may read and write */
    numbers at;
    slmt_dataset *set;
    uint64_t seed;
    int32_t source, target;     /* contrasts named by the caller, -1: none */
    slmt_preprocess preprocess; /* of the set */
    uint64_t steps_in_epoch;    /* set by open */
    void *own;                  /* set by open, freed by close; NULL: nothing */
} feed;

typedef struct feeding {
    status (*open)(feed *f);
    status (*fill)(feed *f, uint64_t step, float *const *in); /* visible inputs, float32 or int32 */
    void (*close)(feed *f);
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
    status (*check)(const double *option); /* rules between options; their ranges are checked before */
    void (*tensors)(params *p, const double *option);
    const method_task *tasks;
    int32_t n_tasks;
} method;

const method *method_at(size_t index);        /* NULL past the last */
const method *method_named(const char *name); /* NULL: none */
const method_task *task_named(const method *m, const char *name);

/* Options as a whole: ranges, then rules. */
status method_check(const method *m, const double *option);

#endif
