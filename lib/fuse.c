/* SPDX-License-Identifier: Apache-2.0 */
/* fuse.c - what need not run is dropped, what can run as one call is joined. */
#include "lib/fuse.h"

#include <string.h>

#include "lib/ops/rules.h"

status node_list_create(const graph *g, node_list *list)
{
    void *nodes = NULL, *dead = NULL, *uses = NULL;
    *list = (node_list){.g = g, .n = g->n_nodes};
    status s = mem_array(g->mem, (size_t)g->n_nodes, sizeof(node), &nodes);
    if (s == OK)
        s = mem_zeros(g->mem, (size_t)g->n_nodes, 1, &dead);
    if (s == OK)
        s = mem_zeros(g->mem, (size_t)g->n_values, sizeof(int32_t), &uses);
    list->nodes = nodes;
    list->dead = dead;
    list->uses = uses;
    if (s != OK) {
        node_list_free(list);
        return s;
    }
    if (g->n_nodes > 0)
        memcpy(nodes, g->nodes, (size_t)g->n_nodes * sizeof(node));
    return OK;
}

void node_list_free(node_list *list)
{
    mem *m = list->g->mem;
    mem_give(m, list->nodes);
    mem_give(m, list->dead);
    mem_give(m, list->uses);
    list->nodes = NULL;
    list->dead = NULL;
    list->uses = NULL;
}

void drop_dead(node_list *list)
{
    const graph *g = list->g;
    for (value v = 0; v < g->n_values; v++)
        list->uses[v] = graph_is_root(g, v);
    for (int32_t k = list->n - 1; k >= 0; k--) {
        const node *n = &list->nodes[k];
        int used = 0;
        for (int32_t o = 0; o < n->n_out; o++)
            used |= list->uses[n->out[o]] > 0;
        list->dead[k] = !used;
        for (int32_t i = 0; used && i < n->n_in; i++)
            list->uses[n->in[i]]++;
    }
}

/* The live linear node that makes v for one reader only, or NULL. */
static node *sole_linear(node_list *list, value v)
{
    const value_info *info = &list->g->values[v];
    if (info->kind != VALUE_NODE || list->uses[v] != 1 || list->dead[info->node])
        return NULL;
    node *n = &list->nodes[info->node];
    return n->op == BK_LINEAR && !n->attr.has_residual ? n : NULL;
}

/* The linear takes the place of its reader, whose output it now makes. */
static void take_over(node_list *list, int32_t reader, const node *linear)
{
    value out = list->nodes[reader].out[0];
    list->dead[list->g->values[linear->out[0]].node] = 1;
    list->nodes[reader] = *linear;
    list->nodes[reader].out[0] = out;
}

static void fuse_gelu(node_list *list, int32_t k)
{
    node *linear = sole_linear(list, list->nodes[k].in[0]);
    if (!linear || linear->attr.activation != BK_ACT_NONE)
        return;
    take_over(list, k, linear);
    list->nodes[k].attr.activation = BK_ACT_GELU;
}

static void fuse_add(node_list *list, int32_t k)
{
    const node add = list->nodes[k];
    const graph *g = list->g;
    if (!shape_equal(graph_shape(g, add.in[0]), graph_shape(g, add.in[1])))
        return;
    for (int i = 0; i < 2; i++) {
        node *linear = sole_linear(list, add.in[i]);
        if (!linear)
            continue;
        take_over(list, k, linear);
        node *n = &list->nodes[k];
        n->attr.has_residual = 1;
        n->in[n->n_in++] = add.in[1 - i];
        return;
    }
}

void fuse_linear(node_list *list)
{
    for (int32_t k = 0; k < list->n; k++) {
        if (list->dead[k])
            continue;
        if (list->nodes[k].op == BK_GELU)
            fuse_gelu(list, k);
        else if (list->nodes[k].op == BK_ADD)
            fuse_add(list, k);
    }
}
