/* SPDX-License-Identifier: Apache-2.0 */
/* gradient.c - reverse-mode differentiation: walks the nodes backwards and asks each op's rule for more
 * nodes. */
#include <string.h>

#include "lib/graph.h"
#include "lib/ops.h"
#include "lib/ops/rules.h"

/* adjoint[v]: d loss / d v so far, NONE without a gradient; needed[v]: v depends on one of wrt. */
typedef struct sweep {
    value *adjoint;
    unsigned char *needed;
    int32_t n; /* number of values when the sweep began */
} sweep;

static void mark_needed(const graph *g, const value *wrt, int32_t n, unsigned char *needed)
{
    for (int32_t i = 0; i < n; i++)
        needed[wrt[i]] = 1;
    for (int32_t k = 0; k < g->n_nodes; k++) {
        const node *at = &g->nodes[k];
        int any = 0;
        for (int32_t i = 0; i < at->n_in; i++)
            any |= needed[at->in[i]];
        for (int32_t o = 0; o < at->n_out; o++)
            needed[at->out[o]] |= (unsigned char)any;
    }
}

static status sweep_node(graph *g, sweep *w, int32_t k)
{
    node n = g->nodes[k]; /* a copy, because the rule adds nodes and the array may move */
    value dout[BK_MAX_OUT], din[BK_MAX_IN];
    int arrived = 0, wanted = 0;
    for (int32_t o = 0; o < n.n_out; o++) {
        dout[o] = w->adjoint[n.out[o]];
        arrived |= dout[o] != NONE;
    }
    for (int32_t i = 0; i < n.n_in; i++) {
        din[i] = NONE;
        wanted |= w->needed[n.in[i]];
    }
    if (!arrived || !wanted)
        return OK;
    if (!op_rules[n.op]->gradient)
        return fail(ERR_UNSUPPORTED, "op %s has no gradient rule", op_rules[n.op]->name);
    g->layer = n.layer;
    op_rules[n.op]->gradient(g, &n, dout, din);
    TRY(graph_status(g));
    for (int32_t i = 0; i < n.n_in; i++) {
        if (din[i] == NONE || !w->needed[n.in[i]])
            continue;
        value *a = &w->adjoint[n.in[i]];
        *a = *a == NONE ? din[i] : op_add(g, *a, din[i]);
    }
    return graph_status(g);
}

static status run_sweep(graph *g, sweep *w, value loss, const value *wrt, int32_t n, value *gradient)
{
    for (int32_t i = 0; i < w->n; i++)
        w->adjoint[i] = NONE;
    mark_needed(g, wrt, n, w->needed);
    double one = 1;
    bk_shape s = *graph_shape(g, loss);
    w->adjoint[loss] = graph_constant(g, s, &one);
    for (int32_t k = g->n_nodes - 1; k >= 0; k--)
        TRY(sweep_node(g, w, k));
    for (int32_t i = 0; i < n; i++)
        gradient[i] = w->adjoint[wrt[i]];
    return graph_status(g);
}

status graph_gradients(graph *g, value loss, const value *wrt, int32_t n, value *gradient)
{
    TRY(graph_status(g));
    if (bk_count(graph_shape(g, loss)) != 1)
        return fail(ERR_INTERNAL, "gradients need a loss that is a single number");
    sweep w = {.n = g->n_values};
    void *adjoint = NULL, *needed = NULL;
    status s = mem_array(g->mem, (size_t)w.n, sizeof(value), &adjoint);
    if (s == OK)
        s = mem_zeros(g->mem, (size_t)w.n, 1, &needed);
    w.adjoint = adjoint;
    w.needed = needed;
    int32_t layer = g->layer, backward = g->backward;
    g->backward = BACKWARD_GRADIENT;
    if (s == OK)
        s = run_sweep(g, &w, loss, wrt, n, gradient);
    g->layer = layer;
    g->backward = backward;
    mem_give(g->mem, adjoint);
    mem_give(g->mem, needed);
    if (s != OK)
        graph_fail(g, s);
    return s;
}
