/* SPDX-License-Identifier: Apache-2.0 */
/* fold.c - splits a graph into its invariant part and the part that runs on every call. */
#include "lib/fold.h"

#include "lib/ops/rules.h"

typedef struct halves {
    graph *g;
    unsigned char *invariant; /* by value: depends on invariant slots and constants alone */
    unsigned char *made;      /* by value: invariant, and more than a view of a bound value or a constant */
    value *hoisted;           /* by value: the value read in its place, or NONE */
} halves;

static void mark(halves *h, const unsigned char *invariant_slot, int32_t n_slots)
{
    const graph *g = h->g;
    for (value v = 0; v < g->n_values; v++) {
        const value_info *info = &g->values[v];
        h->hoisted[v] = NONE;
        h->invariant[v] =
            info->kind == VALUE_CONSTANT || (info->kind == VALUE_BOUND && info->next == NONE &&
                                             info->slot < n_slots && invariant_slot[info->slot]);
    }
    for (int32_t k = 0; k < g->n_nodes; k++) {
        const node *n = &g->nodes[k];
        int all = 1, any = !op_has(n->op, OP_VIEW);
        for (int32_t i = 0; i < n->n_in; i++) {
            all &= h->invariant[n->in[i]];
            any |= h->made[n->in[i]];
        }
        for (int32_t o = 0; o < n->n_out; o++) {
            h->invariant[n->out[o]] = (unsigned char)all;
            h->made[n->out[o]] = (unsigned char)(all && any);
        }
    }
}

/* True if the node depends on an input that may change on every call. */
static int is_dynamic(const halves *h, const node *n)
{
    return !h->invariant[n->out[0]];
}

static status hoist(halves *h, value v, int32_t first, fold_part part, folded *out)
{
    graph *g = h->g;
    if (h->hoisted[v] != NONE || out->n == FOLD_MAX)
        return OK;
    int32_t slot = first + out->n;
    bk_shape shape = *graph_shape(g, v);
    out->shape[out->n++] = shape;
    if (part == FOLD_READS) {
        h->hoisted[v] = graph_bound(g, slot, shape);
    } else {
        graph_output(g, v, slot);
        h->hoisted[v] = v;
    }
    return graph_status(g);
}

static void drop_root(value_info *info)
{
    info->output = info->held = -1;
    info->next = info->replaces = NONE;
}

static status split(halves *h, int32_t first, fold_part part, folded *out)
{
    graph *g = h->g;
    int32_t n_nodes = g->n_nodes; /* outputs may add copies */
    for (value v = 0; part == FOLD_MAKES && v < g->n_values; v++)
        drop_root(&g->values[v]);
    for (int32_t k = 0; k < n_nodes; k++)
        for (int32_t i = 0; is_dynamic(h, &g->nodes[k]) && i < g->nodes[k].n_in; i++) {
            value v = g->nodes[k].in[i];
            if (!h->made[v])
                continue;
            TRY(hoist(h, v, first, part, out));
            if (part == FOLD_READS && h->hoisted[v] != NONE)
                g->nodes[k].in[i] = h->hoisted[v];
        }
    return OK;
}

status graph_fold(graph *g, const unsigned char *invariant, int32_t n_slots, int32_t first, fold_part part,
                  folded *out)
{
    TRY(graph_status(g));
    halves h = {.g = g};
    void *marks = NULL, *kept = NULL;
    size_t n = (size_t)g->n_values;
    out->n = 0;
    status s = mem_zeros(g->mem, 2 * n, 1, &marks);
    if (s == OK)
        s = mem_array(g->mem, n, sizeof(value), &kept);
    if (s == OK) {
        h.invariant = marks;
        h.made = h.invariant + n;
        h.hoisted = kept;
        mark(&h, invariant, n_slots);
        s = split(&h, first, part, out);
    }
    mem_give(g->mem, marks);
    mem_give(g->mem, kept);
    return s;
}
