/* SPDX-License-Identifier: Apache-2.0 */
/* pair_slices.h - a subject's slices in two contrasts, and the ways to make one from the other. */
#ifndef SLMT_TOOL_PAIR_SLICES_H
#define SLMT_TOOL_PAIR_SLICES_H

#include <stdbool.h>

#include "slmt/slmt.h"

#include "monotone_map.h"

/* A set, and the indices of two of its contrasts. */
typedef struct pair_of {
    slmt_dataset *set;
    size_t source, target;
} pair_of;

/* Neighbouring slices of one subject: [count][side][side]. */
typedef struct pair_slices {
    size_t count, side;
    float *source, *target, *made;
} pair_slices;

/* Returns how many slices of a subject have both contrasts. */
size_t pair_slices_count(pair_of pair, size_t subject);

/* Reads a subject's source and target: all slices, or the middle `most` of them (0: all). Reports an error
 * and returns its exit code; free the slices in any case. */
int pair_slices_read(pair_of pair, size_t subject, size_t most, pair_slices *slices);
void pair_slices_free(pair_slices *slices);

/* Fills `made`: by the model; with the source; with the mapped source. The first one complains. */
int pair_slices_by_model(pair_slices *slices, slmt_session *session);
void pair_slices_by_source(pair_slices *slices);
void pair_slices_by_map(pair_slices *slices, const monotone_map *map);

/* Learns the best monotone map from source to target over the training subjects. *found: one of them has
 * both contrasts. Reports an error and returns its exit code. */
int pair_map_learn(pair_of pair, monotone_map *map, bool *found);

#endif
