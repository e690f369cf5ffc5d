/* SPDX-License-Identifier: Apache-2.0 */
/* task.h - a task of a model as a graph, for sessions and trainers. */
#ifndef SLMT_CORE_TASK_H
#define SLMT_CORE_TASK_H

#include "core/dry_run.h"
#include "core/model.h"

/* What is to be run: a task of a model, with its settings and the shapes that follow from them. */
typedef struct task {
    slmt_model *model;
    const method_task *kind;
    double setting[METHOD_NUMBERS];
    bk_shape shape[METHOD_PORTS]; /* inputs, then outputs */
} task;

/* Checks the settings and works out the shapes. ERR_ARGUMENT. */
status task_init(task *t, slmt_model *model, const method_task *kind, const double *setting);

/* Fills in the shapes of the ports: by the names of their axes, then by the method's shapes(). ERR_ARGUMENT.
 */
status task_shapes(task *t);

/* Finds a task by its name, and its settings. ERR_NOT_FOUND: the model has no such task, or the task no such
 * setting; ERR_STATE: it is for a trainer, or for a session. */
status task_find(const slmt_model *model, const char *name, int trains, const method_task **kind);
status task_settings(const method_task *kind, const slmt_number *given, size_t n, double *setting);

int32_t task_ports(const task *t); /* inputs and outputs */

/* Plan slots: weights, the states of the trainer (as many slots each), the ports, then the key of random
 * numbers. */
int32_t task_slot_state(const task *t, int32_t state);
bk_shape task_state_shape(const task *t, int32_t state); /* of STATE_TENSOR */
int32_t task_slot_port(const task *t, int32_t port);
int32_t task_slot_key(const task *t);
int32_t task_slots(const task *t);

/* Adds graph `which` of the task to an empty graph. made->in are bound, made->out are outputs of the graph;
 * made->weights[k] is the value of the model's tensor k, NONE where nothing reads it (freed by
 * task_values_close()). ERR_STATE: it reads a tensor that is to be given (ROLE_GIVEN) and has not been. */
typedef struct task_values {
    task_graph t;
    value *weights;
} task_values;
status task_build(const task *t, int32_t which, graph *g, task_values *made);
void task_values_close(task_values *made, graph *g);

/* Binds the model's weights, those in the device's memory, in a table of task_slots() pointers. */
void task_bind_weights(const task *t, void **bound);

/* Tells the shape of a named input or output; batch > 0: the first extent of a batched one instead.
 * ERR_NOT_FOUND.
 */
status task_shape_named(const task *t, const char *name, int64_t batch, int64_t shape[6], int32_t *rank);

/* Port i, of inputs and then outputs, and whether its first axis counts samples. */
const port *task_port(const task *t, int32_t i);
int task_is_batched(const task *t, int32_t i);

/* ---- tensors of a caller ---- */

/* Finds the tensor given for each of the ports [first, first + n), in their order; hidden ones are NULL.
 * Checks names, types, ranks, shapes but for the first axis of batched ports, which gives *samples (all the
 * same), and strides. ERR_ARGUMENT, ERR_NOT_FOUND. */
status task_match(const task *t, const port_table *ports, int32_t first, const slmt_tensor *given,
                  size_t n_given, const slmt_tensor **by_port, int64_t *samples);

/* Checks every element of an input. ERR_NONFINITE, ERR_ARGUMENT: one is not a number, or out of range. */
status task_check_values(const task *t, const port *p, const slmt_tensor *given);

#endif
