/* SPDX-License-Identifier: Apache-2.0 */
/* training.c - reading the training part of a method's table, and what a graph that is being built may ask.
 */
#include "core/training.h"

#include <string.h>

#include "core/method.h"
#include "lib/ops.h"

int pattern_holds(const char *pattern, const char *tensor)
{
    for (;;) {
        size_t n = strcspn(pattern, "|");
        if (strncmp(pattern, tensor, n) == 0)
            return 1;
        if (!pattern[n])
            return 0;
        pattern += n + 1;
    }
}

int32_t task_graph_count(const method_task *kind)
{
    return kind->build ? 1 : kind->n_graphs;
}

const char *task_graph_name(const method_task *kind, int32_t graph)
{
    return kind->build ? kind->name : kind->graphs[graph].name;
}

int32_t task_set_count(const method_task *kind)
{
    return kind->n_sets > 0 ? kind->n_sets : 1;
}

const param_set *task_set(const method_task *kind, int32_t set)
{
    static const param_set all = {"all", "", NULL, 0};
    return kind->n_sets > 0 ? &kind->sets[set] : &all;
}

value task_key(task_graph *t)
{
    return graph_bound(t->g, t->key_slot, shape_of(BK_I32, 1, (const int64_t[]){4}));
}

static status table_error(const method_task *kind, const char *what, int32_t n, int32_t most)
{
    return fail(ERR_INTERNAL, "task %s has %d %s; %d are possible", kind->name, n, what, most);
}

static status check_training(const method_task *kind)
{
    if (kind->n_sets > TASK_SETS)
        return table_error(kind, "parameter sets", kind->n_sets, TASK_SETS);
    if (kind->n_states > TASK_STATES)
        return table_error(kind, "states", kind->n_states, TASK_STATES);
    if (kind->n_graphs > TASK_GRAPHS)
        return table_error(kind, "graphs", kind->n_graphs, TASK_GRAPHS);
    if (kind->settings.n < TRAIN_SETTINGS)
        return fail(ERR_INTERNAL, "task %s lacks settings that every task that trains has", kind->name);
    return OK;
}

status task_check(const method_task *kind)
{
    if (kind->inputs.n + kind->outputs.n > METHOD_PORTS)
        return table_error(kind, "inputs and outputs", kind->inputs.n + kind->outputs.n, METHOD_PORTS);
    if (kind->outputs.n < 1)
        return fail(ERR_INTERNAL, "task %s has no outputs", kind->name);
    if (numbers_count(kind->settings) > METHOD_NUMBERS)
        return table_error(kind, "settings", numbers_count(kind->settings), METHOD_NUMBERS);
    if (!kind->build == (kind->n_graphs == 0))
        return fail(ERR_INTERNAL, "task %s must have either one graph or a table of graphs", kind->name);
    if (kind->n_graphs > 0 && !kind->step)
        return fail(ERR_INTERNAL, "task %s has a table of graphs and no step that runs them", kind->name);
    return kind->trains ? check_training(kind) : OK;
}

value task_output(const task_graph *t, int32_t output)
{
    return graph_bound(t->g, t->output_slot + output, t->output_shape[output]);
}

void task_minimise(task_graph *t, int32_t set, value loss)
{
    if (t->n_minimise == TASK_SETS) {
        graph_fail(t->g, fail(ERR_INTERNAL, "a graph minimises more than %d losses", TASK_SETS));
        return;
    }
    t->minimise[t->n_minimise].loss = loss;
    t->minimise[t->n_minimise++].set = set;
}

void task_average(task_graph *t, int32_t state, double decay)
{
    graph *g = t->g;
    const trainer_state *s = &t->kind->states[state];
    for (int32_t k = 0; k < t->params->n; k++) {
        const param *p = &t->params->list[k];
        if (!p->used || !pattern_holds(s->tensors, p->name))
            continue;
        value old = graph_state(g, t->states[state] + k, p->shape);
        value now = graph_bound(g, t->weights + k, p->shape);
        graph_assign(g, old, op_add(g, op_affine(g, old, decay, 0), op_affine(g, now, 1 - decay, 0)));
    }
}
