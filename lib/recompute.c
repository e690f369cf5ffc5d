/* SPDX-License-Identifier: Apache-2.0 */
/* recompute.c - chooses the forward values that gradients compute again, and inserts copies of their nodes.
 */
#include "lib/recompute.h"

#include <string.h>

#include "lib/ops/rules.h"

typedef struct rewrite {
    graph *g;
    recompute_level level;
    unsigned char *wanted; /* by value: an output depends on it */
    unsigned char *kept;   /* by value: a live gradient node reads it */
    unsigned char *again;  /* by value: recomputable ops compute it from stored values */
    value *copy;           /* by value: its copy, or NONE */
    node *nodes;           /* the new list */
    int32_t n_nodes;
    int32_t n_values; /* before the copies */
} rewrite;

/* A linear layer whose input no gradient reads has frozen weights; its output is worth recomputing sooner,
 * because it is the only value of the layer that would be stored. */
static int is_recomputable(const rewrite *w, const node *n)
{
    if (op_has(n->op, OP_LINEAR) && w->level >= RECOMPUTE_CHEAP)
        return w->level >= RECOMPUTE_LINEAR || !w->kept[n->in[0]];
    return op_has(n->op, OP_CHEAP) && w->level >= RECOMPUTE_CHEAP;
}

static void mark_kept(rewrite *w)
{
    const graph *g = w->g;
    for (value v = 0; v < g->n_values; v++)
        w->wanted[v] = (unsigned char)graph_is_root(g, v);
    for (int32_t k = g->n_nodes - 1; k >= 0; k--) {
        const node *n = &g->nodes[k];
        int wanted = 0;
        for (int32_t o = 0; o < n->n_out; o++)
            wanted |= w->wanted[n->out[o]];
        for (int32_t i = 0; wanted && i < n->n_in; i++) {
            w->wanted[n->in[i]] = 1;
            w->kept[n->in[i]] |= (unsigned char)(n->backward != 0);
        }
    }
}

static void mark_again(rewrite *w)
{
    const graph *g = w->g;
    for (int32_t k = 0; k < g->n_nodes; k++) {
        const node *n = &g->nodes[k];
        int possible = !n->backward && is_recomputable(w, n);
        for (int32_t i = 0; possible && i < n->n_in; i++) {
            value v = n->in[i];
            possible = g->values[v].kind != VALUE_NODE || w->kept[v] || w->again[v];
        }
        for (int32_t o = 0; o < n->n_out; o++)
            w->again[n->out[o]] = (unsigned char)possible;
    }
}

/* Makes new values for the outputs of n, which is about to be added to the list. */
static status copy_outputs(rewrite *w, node *n)
{
    for (int32_t o = 0; o < n->n_out; o++) {
        value old = n->out[o];
        value_info info = w->g->values[old];
        info.node = w->n_nodes;
        info.output = -1;
        n->out[o] = w->copy[old] = graph_add_value(w->g, info);
    }
    return graph_status(w->g);
}

/* Returns the copy of v, after adding it to the list together with the copies it depends on. A reshape is a
 * view and is copied with its source. */
static value copy_of(rewrite *w, value v)
{
    if (v >= w->n_values || !w->again[v])
        return v;
    if (w->copy[v] != NONE)
        return w->copy[v];
    node n = w->g->nodes[w->g->values[v].node];
    for (int32_t i = 0; i < n.n_in; i++)
        n.in[i] = copy_of(w, n.in[i]);
    if (copy_outputs(w, &n) != OK)
        return NONE;
    n.backward = BACKWARD_AGAIN;
    w->nodes[w->n_nodes++] = n;
    return w->copy[v];
}

static status put_all(rewrite *w)
{
    graph *g = w->g;
    for (int32_t k = 0; k < g->n_nodes && g->error == OK; k++) {
        node n = g->nodes[k];
        for (int32_t i = 0; n.backward && i < n.n_in; i++)
            n.in[i] = copy_of(w, n.in[i]);
        w->nodes[w->n_nodes++] = n;
    }
    return graph_status(g);
}

/* Replaces the old list with the new one. */
static void replace_nodes(rewrite *w)
{
    graph *g = w->g;
    mem_give(g->mem, g->nodes);
    g->nodes = w->nodes;
    w->nodes = NULL;
    g->n_nodes = g->cap_nodes = w->n_nodes;
    for (int32_t k = 0; k < g->n_nodes; k++)
        for (int32_t o = 0; o < g->nodes[k].n_out; o++)
            g->values[g->nodes[k].out[o]].node = k;
}

enum { WORK = 5 };

static status open_rewrite(rewrite *w, void *work[WORK])
{
    graph *g = w->g;
    size_t values = (size_t)g->n_values;
    TRY(mem_zeros(g->mem, values, 1, &work[0]));
    TRY(mem_zeros(g->mem, values, 1, &work[1]));
    TRY(mem_array(g->mem, values, sizeof(value), &work[2]));
    TRY(mem_array(g->mem, 2 * (size_t)g->n_nodes, sizeof(node), &work[3])); /* each node once more at most */
    TRY(mem_zeros(g->mem, values, 1, &work[4]));
    w->kept = work[0];
    w->again = work[1];
    w->copy = work[2];
    w->nodes = work[3];
    w->wanted = work[4];
    w->n_values = g->n_values;
    for (value v = 0; v < g->n_values; v++)
        w->copy[v] = NONE;
    return OK;
}

status graph_recompute(graph *g, recompute_level level)
{
    TRY(graph_status(g));
    void *work[WORK] = {NULL};
    rewrite w = {.g = g, .level = level};
    status s = open_rewrite(&w, work);
    if (s == OK) {
        mark_kept(&w);
        mark_again(&w);
        s = put_all(&w);
        if (s == OK) {
            replace_nodes(&w);
            work[3] = NULL;
        }
    }
    for (int i = 0; i < WORK; i++)
        mem_give(g->mem, work[i]);
    return s;
}
