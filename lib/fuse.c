/* SPDX-License-Identifier: Apache-2.0 */
/* fuse.c - removes nodes that need not run, and joins nodes that can run as one call. */
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

/* ---- fusion ---- */

/* Node k, the consumer, reads `producer` as in[input], and is its only reader. apply() either makes node k do
 * the work of both, with take_over() and a change of attributes, and returns 1; or changes nothing and
 * returns 0. */
typedef struct fusion {
    bk_op producer, consumer;
    int (*apply)(node_list *list, int32_t k, const node *producer, int32_t input);
} fusion;

/* Replaces the consumer with the producer, which now computes the consumer's output. */
static node *take_over(node_list *list, int32_t k, const node *producer)
{
    value out = list->nodes[k].out[0];
    list->dead[list->g->values[producer->out[0]].node] = 1;
    list->nodes[k] = *producer;
    list->nodes[k].out[0] = out;
    return &list->nodes[k];
}

/* A call applies at most one activation and then adds at most one residual. */
static int is_plain(const node *producer)
{
    return producer->attr.activation == BK_ACT_NONE && !producer->attr.has_residual;
}

static int take_gelu(node_list *list, int32_t k, const node *producer, int32_t input)
{
    (void)input;
    if (!is_plain(producer))
        return 0;
    take_over(list, k, producer)->attr.activation = BK_ACT_GELU;
    return 1;
}

static int take_leaky_relu(node_list *list, int32_t k, const node *producer, int32_t input)
{
    (void)input;
    if (!is_plain(producer))
        return 0;
    double slope = list->nodes[k].attr.alpha;
    node *n = take_over(list, k, producer);
    n->attr.activation = BK_ACT_LEAKY_RELU;
    n->attr.alpha = slope;
    return 1;
}

static int take_residual(node_list *list, int32_t k, const node *producer, int32_t input)
{
    const node add = list->nodes[k];
    if (producer->attr.has_residual ||
        !shape_equal(graph_shape(list->g, add.in[0]), graph_shape(list->g, add.in[1])))
        return 0;
    node *n = take_over(list, k, producer);
    n->attr.has_residual = 1;
    n->in[n->n_in++] = add.in[1 - input];
    return 1;
}

static const fusion fusions[] = {
    {BK_LINEAR, BK_GELU, take_gelu},
    {BK_LINEAR, BK_LEAKY_RELU, take_leaky_relu},
    {BK_LINEAR, BK_ADD, take_residual},
    {BK_CONV, BK_LEAKY_RELU, take_leaky_relu},
};

/* Returns the live node that computes v if v has only one reader, else NULL. */
static const node *sole_producer(const node_list *list, value v)
{
    const value_info *info = &list->g->values[v];
    if (info->kind != VALUE_NODE || list->uses[v] != 1 || list->dead[info->node])
        return NULL;
    return &list->nodes[info->node];
}

/* Joins node k with the producer of in[input], if a row fits. */
static int fuse_input(node_list *list, int32_t k, int32_t input)
{
    const node *producer = sole_producer(list, list->nodes[k].in[input]);
    for (size_t i = 0; producer && i < sizeof fusions / sizeof fusions[0]; i++)
        if (fusions[i].producer == producer->op && fusions[i].consumer == list->nodes[k].op &&
            fusions[i].apply(list, k, producer, input))
            return 1;
    return 0;
}

void fuse_pairs(node_list *list)
{
    for (int32_t k = 0; k < list->n; k++) {
        int done = list->dead[k];
        for (int32_t i = 0; !done && i < list->nodes[k].n_in; i++)
            done = fuse_input(list, k, i);
    }
}
