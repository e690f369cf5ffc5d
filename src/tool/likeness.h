/* SPDX-License-Identifier: Apache-2.0 */
/* likeness.h - whether two scans are one picture: also where it was stored in another order of axes, scaled,
 * shifted, rounded to integers, or written by another program. */
#ifndef SLMT_TOOL_LIKENESS_H
#define SLMT_TOOL_LIKENESS_H

#include <stdbool.h>
#include <stddef.h>

#include "slmt/slmt.h"

enum { LIKENESS_SIDE = 12, LIKENESS_BLOCKS = LIKENESS_SIDE * LIKENESS_SIDE * LIKENESS_SIDE };

/* The means of the blocks of a scan, in the order of a patient's axes, less their mean and over their mean
 * deviation. */
typedef struct likeness {
    int64_t size[3];
    double mean, deviation; /* of the blocks before */
    float block[LIKENESS_BLOCKS];
} likeness;

/* False: the scan shows nothing by which it could be known. */
bool likeness_of(const slmt_volume *volume, likeness *l);

/* Whether the means of blocks are those of one picture: as of a scan and the same scan without its noise. */
bool likeness_is_same(const likeness *a, const likeness *b);

/* Whether the voxels are, too, but for scale and rounding. */
bool likeness_is_copy(const slmt_volume *volume, const likeness *a, const slmt_volume *other,
                      const likeness *b);

/* The scans of one subject, by contrast. */
typedef struct likeness_subject {
    likeness **of; /* NULL where it has none, or one that shows nothing */
    size_t count;
    size_t one, other; /* two that are one picture, */
    const char *are;   /* how a message says it; NULL: there are no such two */
} likeness_subject;

/* Looks at the volumes, NULL where the subject lacks a contrast; true: two are one picture. To be freed. */
bool likeness_of_subject(slmt_volume *const *volumes, size_t contrasts, likeness_subject *s);

void likeness_subject_free(likeness_subject *s);

/* The scans of a set so far, by contrast. */
typedef struct likeness_list {
    struct likeness_entry *items;
    size_t count;
} likeness_list;

/* Warns if another subject has had the same picture of this contrast, and keeps it. Returns an exit code. */
int likeness_list_add(likeness_list *list, const char *subject, const char *person, const char *contrast,
                      const likeness *l);

void likeness_list_free(likeness_list *list);

#endif
