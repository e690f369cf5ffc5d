/* SPDX-License-Identifier: Apache-2.0 */
/* fold.h - what follows from rarely changing inputs alone is computed once and kept. */
#ifndef SLMT_LIB_FOLD_H
#define SLMT_LIB_FOLD_H

#include "lib/graph.h"

/* The two halves of a graph: what makes the kept values, and what reads them. */
typedef enum fold_part { FOLD_MAKES, FOLD_READS } fold_part;

enum { FOLD_MAX = 256 }; /* kept values at most; what is beyond is computed each time */

typedef struct folded {
    int32_t n;
    bk_shape shape[FOLD_MAX];
} folded;

/* Turns a graph with its outputs into one half. A value is kept where it follows from constants and from
 * bound values whose slot is marked steady[slot], by at least one op that is no view, and a node that follows
 * from more reads it. Kept value i is bound at slot first + i: FOLD_MAKES writes it, and has no other
 * outputs; FOLD_READS reads it. Equal graphs are halved equally, so that one is built twice. */
status graph_fold(graph *g, const unsigned char *steady, int32_t n_slots, int32_t first, fold_part part,
                  folded *out);

#endif
