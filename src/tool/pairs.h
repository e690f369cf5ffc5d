/* SPDX-License-Identifier: Apache-2.0 */
/* pairs.h - how many subjects and slices of a training set have two contrasts, and whether they are two. */
#ifndef SLMT_TOOL_PAIRS_H
#define SLMT_TOOL_PAIRS_H

#include "slmt/slmt.h"

typedef struct pair_total {
    size_t subjects;
    size_t slices;
} pair_total;

/* Those of a part of the set (SLMT_SPLIT_...) that have both contrasts, given by index. */
pair_total pairs_count(const slmt_dataset *set, size_t one, size_t other, int32_t split);

/* Before a training on pairs: says how many there are. None, one contrast twice, or contrasts that are the
 * same image everywhere are refused; where some subjects have the same image twice, it warns. `path` is the
 * set's. Reports an error and returns its exit code. */
int pairs_check(slmt_dataset *set, const char *path, const char *source, const char *target);

/* Says how many subjects and slices of a new set have each two contrasts. */
void pairs_say(const slmt_dataset *set);

/* Refuses one contrast as source and target. Either may be NULL. Reports an error and returns its exit code.
 */
int pairs_differ(const char *source, const char *target);

#endif
