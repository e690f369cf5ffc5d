/* SPDX-License-Identifier: Apache-2.0 */
/* nearest.h - which of several words was meant. */
#ifndef SLMT_TOOL_NEAREST_H
#define SLMT_TOOL_NEAREST_H

#include <stddef.h>

typedef struct nearest {
    const char *asked;
    const char *found; /* NULL: nothing is near */
    size_t distance;
} nearest;

/* Begins a search; what is further away than about a third of the word is not found. */
nearest nearest_to(const char *asked);

void nearest_try(nearest *n, const char *word);

#endif
