/* SPDX-License-Identifier: Apache-2.0 */
/* fuse.h - dead-code removal and fusion on a plan's own list of nodes. */
#ifndef SLMT_LIB_FUSE_H
#define SLMT_LIB_FUSE_H

#include "lib/graph.h"

/* A copy of a graph's nodes that may be changed; dead[k] marks nodes that do not run. */
typedef struct node_list {
    const graph *g;
    node *nodes;
    unsigned char *dead;
    int32_t *uses; /* by value: how many live nodes and outputs read it */
    int32_t n;
} node_list;

status node_list_create(const graph *g, node_list *list);
void node_list_free(node_list *list);

/* Marks everything that no output needs. */
void drop_dead(node_list *list);

/* Joins pairs of nodes that backends run as one (the table in fuse.c), if nothing else reads the value
 * between: linear or convolution and activation, linear and add. */
void fuse_pairs(node_list *list);

#endif
