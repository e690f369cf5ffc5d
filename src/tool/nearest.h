/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.h - which of several words was meant. */
#ifndef SLMT_TOOL_NEAREST_H
#define SLMT_TOOL_NEAREST_H

#include <stddef.h>

/* How many characters must be put in, taken out, replaced or swapped with their neighbour to make one text of
 * the other (optimal string alignment); small and capital letters count as equal. */
size_t text_distance(const char *one, const char *other);

typedef struct nearest {
    const char *asked;
    const char *found; /* NULL: nothing is near */
    size_t distance;
} nearest;

/* Begins a search; what is further away than about a third of the word is not found. */
nearest nearest_to(const char *asked);

void nearest_try(nearest *n, const char *word);

#endif
