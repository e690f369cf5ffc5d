/* SPDX-License-Identifier: Apache-2.0 */
/* step_method.h - a small method that uses all that a task which trains can: two parameter sets with two
 * optimisers, a teacher that is a moving average, a memory bank, batch norm with running statistics, a
 * function on the host between two graphs, a step that looks ahead, five named losses; and a task with a
 * second model.
 *
 * The network is fc2(tanh(batch_norm(fc1(x)))) on vectors; the generator changes its inputs. */
#ifndef SLMT_TESTS_STEP_METHOD_H
#define SLMT_TESTS_STEP_METHOD_H

#include <math.h>

#include "core/method.h"
#include "lib/ops.h"
#include "lib/random.h"
#include "nn/layers.h"
#include "train/stepper.h"

enum { SM_IN = 4, SM_AHEAD_SCALE = TRAIN_SETTINGS };
#define SM_EPS 1e-3

typedef struct sm_sizes {
    int32_t hidden;
} sm_sizes;
static const number sm_options[] = {NUMBER_WHOLE(sm_sizes, hidden, 5, 1, 64, "width of the network")};

static void sm_tensors(params *p, const double *option)
{
    int64_t h = (int64_t)option[0], in = SM_IN;
    params_add(p, INIT_XAVIER, 1, 2, (const int64_t[]){h, in}, "net.fc1.weight");
    params_add(p, INIT_ZERO, 1, 1, &h, "net.fc1.bias");
    params_add(p, INIT_ONE, 1, 1, &h, "net.bn.weight");
    params_add(p, INIT_ZERO, 1, 1, &h, "net.bn.bias");
    params_add_role(p, ROLE_BUFFER, INIT_ZERO, 1, &h, "net.bn.running_mean");
    params_add_role(p, ROLE_BUFFER, INIT_ONE, 1, &h, "net.bn.running_var");
    params_add(p, INIT_XAVIER, 1, 2, (const int64_t[]){1, h}, "net.fc2.weight");
    params_add(p, INIT_XAVIER, 1, 2, (const int64_t[]){in, in}, "gen.weight");
}

/* ---- the network ---- */

typedef enum statistics { OF_BATCH, OF_BATCH_AND_UPDATE, RUNNING } statistics;

static inline void sm_move(graph *g, value state, value batch, double factor)
{
    if (g->error != OK || state == NONE)
        return;
    bk_shape s = *graph_shape(g, state);
    value now = op_affine(g, op_detach(g, op_reshape(g, batch, 1, s.dim)), 0.1 * factor, 0);
    graph_assign(g, state, op_add(g, op_affine(g, graph_latest(g, state), 0.9, 0), now));
}

static inline value sm_batch_norm(nn *n, value x, statistics from)
{
    graph *g = n->g;
    layer_name bn = at("bn");
    double batch = (double)graph_dim(g, x, 0);
    value mean = nn_buffer(n, bn, "running_mean"), var = nn_buffer(n, bn, "running_var");
    if (from != RUNNING) {
        value m = op_mean(g, x, 1), d = op_sub(g, x, m), v = op_mean(g, op_mul(g, d, d), 1);
        if (from == OF_BATCH_AND_UPDATE) {
            sm_move(g, mean, m, 1);
            sm_move(g, var, v, batch / (batch - 1));
        }
        mean = m;
        var = v;
    }
    value z = op_div(g, op_sub(g, x, mean), op_sqrt(g, op_affine(g, var, 1, SM_EPS)));
    return op_add(g, op_mul(g, z, nn_weight(n, bn, "weight")), nn_weight(n, bn, "bias"));
}

static inline value sm_forward(nn *n, value x, statistics from)
{
    value h = op_tanh(n->g, sm_batch_norm(n, nn_linear(n, at("fc1"), x), from));
    return nn_linear_no_bias(n, at("fc2"), h);
}

static inline value sm_error(graph *g, value a, value b)
{
    value d = op_sub(g, a, b);
    return op_mean_all(g, op_mul(g, d, d));
}

/* ---- train: a step of its own ---- */

enum { SM_NET, SM_GEN };
static const param_set sm_sets[] = {{"net", "net.", "sgd", 0}, {"gen", "gen.", "adam", 0}};

static inline bk_shape sm_bank_shape(const double *option, const double *setting, bk_dtype real)
{
    (void)option;
    return shape_of(real, 1, (const int64_t[]){(int64_t)setting[TRAIN_BATCH]});
}

enum { SM_TEACHER, SM_BANK };
static const trainer_state sm_states[] = {{"teacher", STATE_COPY, "net.", NULL},
                                          {"bank", STATE_TENSOR, NULL, sm_bank_shape}};

typedef struct sm_train_settings {
    train_settings train;
    double ahead_scale, gen_rate_factor;
} sm_train_settings;

static const number sm_settings[] = {
    TRAIN_NUMBERS(6, 10, 0.05, 0.99, 1, 0),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAMW, 0),
    SCHEDULE_NUMBERS(SCHEDULE_CONSTANT, RATE_BY_STEP, 0, 0),
    NUMBER_REAL(sm_train_settings, ahead_scale, 1, 0, 1e300, "factor of the loss ahead, twice"),
    NUMBER_REAL(sm_train_settings, gen_rate_factor, 0.5, 0, 100, "the generator's rate over the network's"),
};

enum { SM_X, SM_Y, SM_WEIGHT };
static const port sm_inputs[] = {
    PORT_REAL("x", "batch,feature", "vectors"),
    PORT_REAL("y", "batch,1", "what they belong to"),
    PORT_MADE("weight", "batch,1", FLOAT32, "made on the host from the errors"),
};

enum { SM_FIT, SM_CONSISTENCY, SM_LOOK_AHEAD, SM_MEAN_WEIGHT, SM_ERRORS, SM_TOTAL };
static const port sm_outputs[] = {
    PORT_LOSS("fit", "weighted mean square error"),
    PORT_LOSS("consistency", "mean square distance to the teacher"),
    PORT_LOSS("look_ahead", "error after a step on changed inputs"),
    PORT_LOSS("mean_weight", "of the samples, made on the host"),
    PORT_REAL("errors", "batch,1", "error of each sample"),
    PORT_LOSS("total", "fit + consistency / 2"),
};

static inline status sm_shapes(numbers at_, bk_dtype real, bk_shape *shape)
{
    int64_t batch = (int64_t)at_.setting[TRAIN_BATCH];
    for (int i = 0; i < 9; i++)
        shape[i] = shape_of(real, 0, NULL);
    shape[SM_X] = shape_of(real, 2, (const int64_t[]){batch, SM_IN});
    shape[SM_Y] = shape[SM_WEIGHT] = shape[3 + SM_ERRORS] = shape_of(real, 2, (const int64_t[]){batch, 1});
    return OK;
}

static inline int sm_open(task_graph *t, nn *n, const char *prefix, int32_t slot)
{
    status s = nn_open(n, t->g, t->params, prefix, slot);
    if (s != OK)
        graph_fail(t->g, s);
    return s == OK;
}

static inline void sm_build_errors(task_graph *t)
{
    nn n;
    if (!sm_open(t, &n, "net.", t->weights))
        return;
    t->out[SM_ERRORS] = op_abs(t->g, op_sub(t->g, sm_forward(&n, t->in[SM_X], OF_BATCH), t->in[SM_Y]));
    nn_close(&n);
}

static inline void sm_build_learn(task_graph *t)
{
    graph *g = t->g;
    nn n, teacher;
    if (!sm_open(t, &n, "net.", t->weights))
        return;
    if (sm_open(t, &teacher, "net.", t->states[SM_TEACHER])) {
        value y = sm_forward(&n, t->in[SM_X], OF_BATCH_AND_UPDATE), d = op_sub(g, y, t->in[SM_Y]);
        t->out[SM_FIT] = op_mean_all(g, op_mul(g, t->in[SM_WEIGHT], op_mul(g, d, d)));
        t->out[SM_CONSISTENCY] = sm_error(g, y, sm_forward(&teacher, t->in[SM_X], RUNNING));
        t->out[SM_TOTAL] = op_add(g, t->out[SM_FIT], op_affine(g, t->out[SM_CONSISTENCY], 0.5, 0));
        task_minimise(t, SM_NET, t->out[SM_TOTAL]);
        nn_close(&teacher);
    }
    nn_close(&n);
}

/* The network after a step of 0.1 on changed inputs, on the inputs as they are. */
static inline void sm_look_ahead(task_graph *t, nn *n, nn *ahead, value changed)
{
    graph *g = t->g;
    value wrt[16], d[16];
    int32_t m = 0, index[16];
    value inner = sm_error(g, sm_forward(n, changed, OF_BATCH), t->in[SM_Y]);
    for (int32_t k = 0; k < t->params->n && m < 16; k++)
        if (n->weights[k] != NONE && t->params->list[k].role == ROLE_WEIGHT) {
            wrt[m] = n->weights[k];
            index[m++] = k;
        }
    if (graph_gradients(g, inner, wrt, m, d) != OK)
        return;
    for (int32_t i = 0; i < m; i++)
        ahead->weights[index[i]] = op_sub(g, wrt[i], op_affine(g, d[i], 0.1, 0));
    double scale = t->at.setting[SM_AHEAD_SCALE];
    value loss = sm_error(g, sm_forward(ahead, t->in[SM_X], OF_BATCH), t->in[SM_Y]);
    t->out[SM_LOOK_AHEAD] = op_affine(g, op_affine(g, loss, scale, 0), scale, 0);
    task_minimise(t, SM_GEN, t->out[SM_LOOK_AHEAD]);
}

static inline void sm_build_ahead(task_graph *t)
{
    graph *g = t->g;
    nn n, ahead, gen;
    if (!sm_open(t, &n, "net.", t->weights))
        return;
    if (sm_open(t, &ahead, "net.", t->weights)) {
        if (sm_open(t, &gen, "", t->weights)) {
            value way = op_tanh(g, op_linear(g, t->in[SM_X], nn_weight(&gen, at("gen"), "weight"), NONE));
            bk_shape shape = *graph_shape(g, t->in[SM_X]);
            value noise =
                op_affine(g, op_normal(g, task_key(t), random_purpose("noise", 0), &shape), 0.01, 0);
            sm_look_ahead(t, &n, &ahead, op_add(g, op_add(g, t->in[SM_X], noise), way));
            nn_close(&gen);
        }
        nn_close(&ahead);
    }
    nn_close(&n);
}

/* The teacher follows the network, the bank the errors. */
static inline void sm_build_follow(task_graph *t)
{
    graph *g = t->g;
    value bank = t->tensors[SM_BANK];
    value errors = op_view(g, task_output(t, SM_ERRORS), 1, -1);
    task_average(t, SM_TEACHER, 0.75);
    graph_assign(g, bank, op_add(g, op_affine(g, bank, 0.5, 0), op_affine(g, errors, 0.5, 0)));
}

enum { SM_GRAPH_ERRORS, SM_GRAPH_LEARN, SM_GRAPH_AHEAD, SM_GRAPH_FOLLOW };
static const method_graph sm_graphs[] = {{"errors", sm_build_errors},
                                         {"learn", sm_build_learn},
                                         {"ahead", sm_build_ahead},
                                         {"follow", sm_build_follow}};

/* Samples with large errors count less. */
static inline void sm_weigh(step *s)
{
    size_t n = (size_t)step_numbers(s).setting[TRAIN_BATCH];
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double weight = 1 / (1 + real_get(step_read(s, SM_ERRORS), step_real(s), i));
        real_set(step_write(s, SM_WEIGHT), step_real(s), i, weight);
        sum += weight;
    }
    step_report(s, SM_MEAN_WEIGHT, sum / (double)n);
}

static int sm_fails_late; /* 1: the next steps fail when both sets have been updated */

static inline status sm_step(step *s)
{
    TRY(step_run(s, SM_GRAPH_ERRORS));
    sm_weigh(s);
    TRY(step_run(s, SM_GRAPH_LEARN));
    TRY(step_update(s, SM_NET));
    TRY(step_run(s, SM_GRAPH_AHEAD));
    TRY(step_update(s, SM_GEN));
    if (sm_fails_late)
        return fail(ERR_BACKEND, "asked to fail");
    return step_run(s, SM_GRAPH_FOLLOW);
}

/* ---- distil: the default step, and a second model ---- */

static const number sm_distil_settings[] = {
    TRAIN_NUMBERS(6, 10, 0.05, 0.99, 1, 0),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAMW, 0.01),
    SCHEDULE_NUMBERS(SCHEDULE_CONSTANT, RATE_BY_STEP, 0, 0),
};

static const port sm_distil_inputs[] = {PORT_REAL("x", "batch,feature", "vectors")};
static const port sm_distil_outputs[] = {PORT_LOSS("distance", "mean square distance to the guide")};
static const param_set sm_distil_sets[] = {{"gain", "net.bn.weight", NULL, SET_FIXED},
                                           {"rest", "net.fc|net.bn.bias", NULL, 0}};
static const trainer_state sm_distil_states[] = {{"guide", STATE_MODEL, NULL, NULL}};

static inline status sm_distil_shapes(numbers at_, bk_dtype real, bk_shape *shape)
{
    shape[0] = shape_of(real, 2, (const int64_t[]){(int64_t)at_.setting[TRAIN_BATCH], SM_IN});
    shape[1] = shape_of(real, 0, NULL);
    return OK;
}

static inline void sm_build_distil(task_graph *t)
{
    nn n, guide;
    if (!sm_open(t, &n, "net.", t->weights))
        return;
    if (sm_open(t, &guide, "net.", t->states[0])) {
        value y = sm_forward(&n, t->in[0], OF_BATCH_AND_UPDATE);
        t->out[0] = sm_error(t->g, y, sm_forward(&guide, t->in[0], RUNNING));
        nn_close(&guide);
    }
    nn_close(&n);
}

static const method_task sm_tasks[] = {
    {.name = "train",
     .help = "train both sets",
     .trains = 1,
     .settings = NUMBERS(sm_settings),
     .inputs = PORTS(sm_inputs),
     .outputs = PORTS(sm_outputs),
     .shapes = sm_shapes,
     .sets = sm_sets,
     .n_sets = 2,
     .states = sm_states,
     .n_states = 2,
     .graphs = sm_graphs,
     .n_graphs = 4,
     .step = sm_step},
    {.name = "distil",
     .help = "come near to another model",
     .trains = 1,
     .settings = NUMBERS(sm_distil_settings),
     .inputs = PORTS(sm_distil_inputs),
     .outputs = PORTS(sm_distil_outputs),
     .shapes = sm_distil_shapes,
     .build = sm_build_distil,
     .sets = sm_distil_sets,
     .n_sets = 2,
     .states = sm_distil_states,
     .n_states = 1},
};

static const method step_method = {.name = "step-method",
                                   .title = "Step method: for tests",
                                   .source = "none",
                                   .options = NUMBERS(sm_options),
                                   .tensors = sm_tensors,
                                   .tasks = sm_tasks,
                                   .n_tasks = 2};

#endif
