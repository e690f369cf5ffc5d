/* SPDX-License-Identifier: Apache-2.0 */
/* method.h - what a method tells the library: its options, its tensors, its tasks.
 * src/methods/registry.c lists them all.
 *
 * Models, sessions, trainers, files and the command know methods through this table alone. */
#ifndef SLMT_CORE_METHOD_H
#define SLMT_CORE_METHOD_H

#include <stdatomic.h>

#include "core/numbers.h"
#include "core/params.h"
#include "core/training.h"
#include "lib/graph.h"
#include "slmt/dataset.h"
#include "slmt/method.h"

/* The most options of a method or settings of a task, and the most inputs and outputs of a task together. */
enum { METHOD_NUMBERS = 128, METHOD_PORTS = 24 };

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
    int32_t role;      /* SLMT_ROLE_... */
} port;

/* Rows: float32 numbers, those that have a role (SOURCE, TARGET), numbers that prepare() fills in, indices
 * below an option, and a number that a step reports. */
#define PORT_REAL(name_, axes_, text)                                                                        \
    {                                                                                                        \
        .name = name_, .axes = axes_, .type = SLMT_TENSOR_FLOAT32, .help = text                              \
    }
#define PORT_ROLE(name_, axes_, role_, text)                                                                 \
    {                                                                                                        \
        .name = name_, .axes = axes_, .type = SLMT_TENSOR_FLOAT32, .help = text, .role = SLMT_ROLE_##role_   \
    }
#define PORT_MADE(name_, axes_, type_, text)                                                                 \
    {                                                                                                        \
        .name = name_, .axes = axes_, .type = SLMT_TENSOR_##type_, .flags = PORT_HIDDEN, .help = text        \
    }
#define PORT_INDEX(name_, role_, below_, text)                                                               \
    {                                                                                                        \
        .name = name_, .axes = "1", .type = SLMT_TENSOR_INT32, .flags = PORT_SHARED, .help = text,           \
        .below = below_, .role = SLMT_ROLE_##role_                                                           \
    }
#define PORT_LOSS(name_, text) PORT_REAL(name_, "", text)

typedef struct port_table {
    const port *rows;
    int32_t n;
} port_table;
#define PORTS(table)                                                                                         \
    {                                                                                                        \
        table, (int32_t)(sizeof(table) / sizeof *(table))                                                    \
    }
/* The same for rows that stand in the table of tasks: PORT_ROWS(PORT_ROLE(...), PORT_LOSS(...)). */
#define PORT_ROWS(...) PORTS(((const port[]){__VA_ARGS__}))

/* Returns the index of the port that has a role, or -1. */
int32_t port_with_role(port_table t, int32_t role);

/* Returns 1 if the port's first axis counts samples. */
int port_is_batched(const port *p);

/* A figure that judges a task; the public description has the same fields. */
typedef struct metric {
    const char *name, *title, *unit;
    int32_t direction; /* SLMT_METRIC_... */
    int32_t decimals;
    int32_t by_class;
    const char *help;
} metric;

typedef struct metric_table {
    const metric *rows;
    int32_t n;
} metric_table;

/* The numbers of a model and of one task of it, in the order of their tables. */
typedef struct numbers {
    const double *option, *setting;
} numbers;

/* A task, or one graph of it, that is being built. */
struct task_graph {
    graph *g;
    const params *params;
    numbers at;
    int32_t weights; /* plan slot of tensor 0 */
    int32_t
        states[TASK_STATES]; /* plan slot of tensor 0 of a copy or an attached model, by state of the task */
    value tensors[TASK_STATES]; /* the state itself, of STATE_TENSOR */
    value in[METHOD_PORTS];     /* bound, by input */
    value out[METHOD_PORTS];    /* to be set, by output */
    struct {
        value loss;
        int32_t set;
    } minimise[TASK_SETS]; /* filled by task_minimise() */
    int32_t n_minimise;
    const struct method_task *kind;
    int32_t output_slot; /* plan slot of output 0 */
    int32_t key_slot;
    const bk_shape *output_shape;
};

/* Returns an output of another graph of the task, as it was made last. */
value task_output(const task_graph *t, int32_t output);

/* Returns the key of op_uniform() and the like: a trainer binds a new one in each step, a session none. */
value task_key(task_graph *t);

/* Makes the gradients of a loss for a parameter set, too. A task without graphs of its own
 * minimises its last output over all its sets, and need not say so. */
void task_minimise(task_graph *t, int32_t set, value loss);

/* Moves copy `state` towards the model: copy = decay * copy + (1 - decay) * weight for each of its tensors.
 */
void task_average(task_graph *t, int32_t state, double decay);

/* ---- training ---- */

/* A step that is about to run. */
typedef struct task_step {
    numbers at;
    bk_dtype real;
    const params *params;
    const void *weights;      /* the model's array, for tensors that no step changes */
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

/* Which records a run's samples come from: the training part, as far as data_rate leaves it; the rest of
 * that; or the validation part. A sampler that knows only the first is for tasks that ask for no other. */
enum { FEED_TRAINING, FEED_HELD_OUT, FEED_VALIDATION };

/* Where a run's samples come from: a set, and what the sampler keeps beside it. What a step gets is a
 * function of the seed, the step and the rank alone. */
typedef struct feed {
    mem *mem;
    slmt_model *model; /* a sampler may read and set the names of its contrasts */
    numbers at;
    const struct method_task *kind;
    const bk_shape *shape; /* by input */
    const void *rule;      /* of the task's feeding */
    slmt_dataset *set;
    uint64_t seed;
    int32_t rank, ranks;        /* this process, and how many share a step: each takes samples of its own */
    int32_t source, target;     /* contrasts named by the caller, -1: none */
    int32_t part;               /* FEED_... */
    slmt_preprocess preprocess; /* of a set of MR volumes; zeros: of another */
    uint64_t steps_in_epoch;    /* set by open */
    /* Likewise: the samples of an epoch and the records that they are of, of the whole training part and of
     * what data_rate leaves of it. */
    uint64_t samples, samples_used, records, records_used;
    void *own; /* set by open, freed by close; NULL: nothing */
} feed;

/* A sampler (src/data/sampler), and what the task tells it. */
typedef struct feeding {
    status (*open)(feed *f);
    status (*fill)(feed *f, uint64_t step, void *const *in); /* by input, of its type: float32 or int32 */
    void (*close)(feed *f);
    const void *rule; /* of the sampler's own type: see its header */
} feeding;

/* The values of slices in samples: they go from low to high instead of from 0 to 1. How slices of a volume
 * become samples of input 0, and output 0 slices again, follows from the axes of the ports; see stacking. */
typedef struct slicing {
    double low, high;
} slicing;

/* The slicing with values from 0 to 1. */
extern const slicing slices_alone;

/* How many slices a sample has: it is a stack of neighbours, the first one repeated below the volume and the
 * last one above. The last axis before rows and columns counts them. Of an output the middle slice counts,
 * which may be the only one; or if that axis is called depth, all of them, and then the stacks lie side by
 * side. */
typedef struct stacking {
    int32_t slices; /* of a sample; 0: with these options and settings it is no stack of slices */
    int32_t whole;  /* all slices of an output count */
} stacking;
stacking stacking_of(const port *p, const bk_shape *shape);

struct task;

/* A run over a set that is about to begin, for a task that finds some of its settings by the set. */
typedef struct settling {
    slmt_context *context;
    const struct task *task;           /* of the trainer */
    double *setting;                   /* of the task: may be changed, but for those that fix shapes */
    const feed *feed;                  /* the run's; a copy of it without `own` can be opened anew */
    slmt_model *attached[TASK_STATES]; /* by state of the task, or NULL */
    void *const *samples;              /* by input, room for a batch */
    const atomic_int *cancel;
} settling;

typedef struct method_task {
    const char *name, *help;
    int32_t trains;
    number_table settings;
    port_table inputs, outputs;
    /* Checks how options and settings fit each other, whose ranges are checked before: ERR_ARGUMENT, with the
     * setting and its rule. The shapes of inputs, then outputs, follow from their axes: a number, the number
     * of that role ("batch", "depth", "height", "width"; "height" and "width" are otherwise the option of
     * role SIDE), or the setting or the option of that name. An axis in parentheses, "(depth,)", is there
     * unless the option `ndims` is 2. Extents that no number gives are 0, and are filled in here. NULL: there
     * is nothing to do. */
    status (*shapes)(numbers at, bk_dtype real, bk_shape *shape);
    void (*build)(task_graph *t); /* sets every output */
    const slicing *slices;        /* NULL: no volumes */
    const metric_table *metrics;  /* by which outputs are judged, the most telling one first; NULL: none */

    /* of tasks that train */
    const param_set *sets; /* NULL: one set of all tensors */
    int32_t n_sets;
    const trainer_state *states;
    int32_t n_states;
    const method_graph *graphs; /* instead of `build`, for tasks with a step of their own */
    int32_t n_graphs;
    status (*step)(step *s);             /* NULL: run the graph, then update every set */
    task_needs (*needs)(numbers at);     /* NULL: nothing */
    void (*prepare)(const task_step *s); /* NULL: no hidden inputs */
    const feeding *feeding;              /* NULL: no training sets */
    /* Called before the first step of a trainer over a set: fills in settings whose initial value says that
     * they are to be found. The trainer's checkpoint has what was found. NULL: there are none. */
    status (*settle)(const settling *s);
} method_task;

/* The beginning of a task's row: its name, its help, and what is named after it: its settings NAME_rows, and
 * NAME_build(). Its ports follow. */
#define TASK(name_, text)                                                                                    \
    .name = #name_, .help = text, .settings = NUMBERS(name_##_rows), .build = name_##_build

/* The fields of a task that trains, from arrays. */
#define SETS(rows)   .sets = rows, .n_sets = (int32_t)(sizeof(rows) / sizeof *(rows))
#define STATES(rows) .states = rows, .n_states = (int32_t)(sizeof(rows) / sizeof *(rows))

/* Tells of the graphs of a task: its own, or `build` as the only one. */
int32_t task_graph_count(const method_task *kind);
const char *task_graph_name(const method_task *kind, int32_t graph);

/* Checks the table of a task. ERR_INTERNAL, naming the task: it is beyond the limits above, or says nothing
 * of its graphs. */
status task_check(const method_task *kind);

/* Tells of the parameter sets of a task: its own, or one of all tensors. */
int32_t task_set_count(const method_task *kind);
const param_set *task_set(const method_task *kind, int32_t set);

typedef struct method {
    const char *name, *title, *source;
    number_table options;
    /* Sets of options that go by a name, "base|small|tiny": a struct of the options for each. NULL: none. */
    const char *presets;
    const void *preset_rows;
    size_t preset_size; /* of a struct */
    status (*check)(
        const double *option); /* rules between options; their ranges are checked before. NULL: none */
    void (*tensors)(params *p, const double *option);
    const method_task *tasks;
    int32_t n_tasks;
} method;

/* The fields of a method: its presets, from their names and an array of structs, and its tasks. */
#define PRESETS(names, rows) .presets = names, .preset_rows = rows, .preset_size = sizeof *(rows)
#define TASKS(rows)          .tasks = rows, .n_tasks = (int32_t)(sizeof(rows) / sizeof *(rows))

const method *method_at(size_t index);        /* NULL past the last */
const method *method_named(const char *name); /* NULL: none */
/* Adds a method in place of the one added before. Tests do this; no program can. */
void method_add(const method *m);

const method_task *task_named(const method *m, const char *name);

/* Returns the task that makes a target: it does not train, and has an output of that role. NULL: there is
 * none. */
const method_task *task_synthesis(const method *m);

/* Fills in the defaults, or those of the preset that is among the given numbers (its index, "preset"), then
 * the other given ones. ERR_NOT_FOUND, ERR_ARGUMENT. */
status method_options(const method *m, const slmt_number *given, size_t n, double *option);

/* Fills in the options of a preset of the method, by its index. */
void method_preset(const method *m, int32_t index, double *option);

/* Checks options as a whole: ranges, then rules. ERR_ARGUMENT. */
status method_check(const method *m, const double *option);

#endif
