/* SPDX-License-Identifier: Apache-2.0 */
/* graph.h - a computation, described once: values, the nodes that make them, and their gradients.
 *
 * A graph has static shapes and no memory; plan.h turns it into something that runs. Building needs no error
 * checks line by line: the graph keeps the first failure, later calls return NONE, and graph_status() returns
 * it. */
#ifndef SLMT_LIB_GRAPH_H
#define SLMT_LIB_GRAPH_H

#include "backends/backend.h"
#include "lib/mem.h"

typedef int32_t value; /* a value of one graph */

enum { NONE = -1 };

typedef enum value_kind {
    VALUE_NODE,    /* made by a node */
    VALUE_BOUND,   /* memory of the caller: an input or a parameter, by slot */
    VALUE_CONSTANT /* held by the graph */
} value_kind;

typedef struct value_info {
    bk_shape shape;
    value_kind kind;
    int32_t node; /* VALUE_NODE: the node and which of its outputs; else -1 */
    int32_t index;
    int32_t slot;      /* VALUE_BOUND: which pointer of the caller; VALUE_CONSTANT: which block */
    int32_t output;    /* the caller's slot that it is written to, or -1 */
    int32_t held;      /* result that stays in the plan's memory, or -1 */
    int32_t invariant; /* VALUE_BOUND: it changes only when plan_version() is called */
    int32_t state;     /* VALUE_BOUND: 1 if a run may replace it */
    value next;        /* of a state: the value that replaces it after the run, or NONE */
    value replaces;    /* the state that this value replaces, or NONE */
} value_info;

enum { BACKWARD_GRADIENT = 1, BACKWARD_AGAIN = 2 };

typedef struct node {
    bk_op op;
    bk_attr attr;
    int32_t n_in, n_out;
    value in[BK_MAX_IN];
    value out[BK_MAX_OUT];
    int32_t layer;    /* index into the graph's layer names, -1: none */
    int32_t backward; /* BACKWARD_GRADIENT: made by graph_gradients(); BACKWARD_AGAIN: by graph_recompute() */
} node;

typedef struct graph {
    mem *mem;
    bk_dtype real; /* the floating type of every value but indices */
    status error;
    value_info *values;
    node *nodes;
    void **constants;
    value *bound;  /* by slot: its value, NONE until there is one */
    char **layers; /* names, each once */
    int32_t n_values, n_nodes, n_constants, n_bound, n_layers;
    int32_t cap_values, cap_nodes, cap_constants, cap_bound, cap_layers;
    int32_t layer, backward; /* of the nodes that are added from now on */
} graph;

status graph_create(mem *m, bk_dtype real, graph **out);
void graph_free(graph *g); /* NULL is allowed */

/* OK, or the first failure since creation (its message is the thread's). */
status graph_status(const graph *g);

bk_shape shape_of(bk_dtype dtype, int32_t rank, const int64_t *dim);

/* Returns the shape of a value that is not NONE; the pointer is valid until the next node is added. */
const bk_shape *graph_shape(const graph *g, value v);
int64_t graph_dim(const graph *g, value v,
                  int axis); /* axis below 0 counts from the end; 1 on a failed graph */

/* Returns a value in the caller's memory, read at each run: an input or a parameter. Slots number the
 * pointers given to plan_run(). A slot has one value: a second call for it returns that value, and the graph
 * fails if the shapes differ. A parameter may be of 16-bit floats if only linear layers read it, as their
 * weight. */
value graph_bound(graph *g, int32_t slot, bk_shape shape);

/* The same, and a run may replace it: see graph_assign(). A value that was bound before becomes a state. */
value graph_state(graph *g, int32_t slot, bk_shape shape);

/* After the run the state holds `next`, which has its shape and type. Within the run every reader of `state`
 * sees the old value; graph_latest() returns the value that the run will leave. Code that updates a state
 * twice in one graph must read graph_latest() the second time, because only the last assignment counts. */
void graph_assign(graph *g, value state, value next);

/* Returns what the state will hold after the run, as assigned so far; the state itself if nothing was
 * assigned. */
value graph_latest(const graph *g, value state);

/* Declares that values bound at slots marked invariant[slot] change only when plan_version() is called. */
void graph_invariant(graph *g, const unsigned char *invariant, int32_t n_slots);

/* Returns a value held by the graph; values: one double for each element. */
value graph_constant(graph *g, bk_shape shape, const double *values);

/* Writes v to the caller's memory `slot` at each run. */
void graph_output(graph *g, value v, int32_t slot);

/* Keeps v in the plan's own memory until the next run, as result number `held` (from 0; plan_held() finds
 * it). Other values can use this memory before v is computed. */
void graph_hold(graph *g, value v, int32_t held);

/* Gradients of the scalar `loss` with respect to wrt[0..n-1], as new values; NONE if loss does not depend on
 * it. They consist of ordinary nodes and can be differentiated again. */
status graph_gradients(graph *g, value loss, const value *wrt, int32_t n, value *gradient);

/* Nodes added from now on, and their gradients, belong to the layer of this name, which a profile shows. */
void graph_layer(graph *g, const char *name);

/* Adds a node; its shape rule determines the outputs. `wanted` is the output shape, for ops that need one. */
value graph_node(graph *g, bk_op op, const bk_attr *attr, const value *in, int32_t n_in,
                 const bk_shape *wanted);

/* Adds a value that no node computes yet, for passes that rewrite a graph. It is not an output. */
value graph_add_value(graph *g, value_info info);

/* Returns 1 for a value that a run is made for: an output, one that is held, or the next value of a state. */
int graph_is_root(const graph *g, value v);

/* Marks the graph failed, keeping the thread's message; returns NONE. */
value graph_fail(graph *g, status code);

/* Writes a shape such as "[2,3,4]" to text and returns text. */
const char *shape_text(const bk_shape *s, char text[128]);

#endif
