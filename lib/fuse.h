/* SPDX-License-Identifier: Apache-2.0 */
/* fuse.h - dead-code removal and fusion on a plan's own list of nodes. */
#ifndef SLMT_LIB_FUSE_H
#define SLMT_LIB_FUSE_H

#include "lib/graph.h"

/* A copy of a graph's nodes that fusion may change; dead[k] marks nodes that do not run. */
typedef struct node_list {
    const graph *g;
    node *nodes;
    unsigned char *dead;
    int32_t *uses; /* by value: the number of live nodes and outputs that read it */
    int32_t n;
} node_list;

status node_list_create(const graph *g, node_list *list);
void node_list_free(node_list *list);

/* Marks nodes that no output needs as dead. */
void drop_dead(node_list *list);

/* Joins pairs of nodes that backends run as one (the table in fuse.c), if nothing else reads the intermediate
 * value: linear or convolution and activation, linear and add. */
void fuse_pairs(node_list *list);

#endif
