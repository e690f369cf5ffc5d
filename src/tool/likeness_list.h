/* SPDX-License-Identifier: Apache-2.0 */
/* likeness_list.h - the scans of a set so far, to tell that a scan shows the same picture as one of another
 * subject. A scan takes some 300 bytes of memory, and a time that does not grow with the set. */
#ifndef SLMT_TOOL_LIKENESS_LIST_H
#define SLMT_TOOL_LIKENESS_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "likeness.h"

enum { LIKENESS_SUMS = 24 };

typedef struct likeness_entry {
    char *subject, *person, *contrast;
    float level[LIKENESS_LEVELS]; /* of its likeness */
    /* these are for the list alone */
    int64_t size[3];
    uint64_t cell;
    float sum[LIKENESS_SUMS];
    uint32_t next; /* in the chain */
} likeness_entry;

/* The scans of a subject are one behind the other. */
typedef struct likeness_list {
    likeness_entry *items;
    size_t count;
    uint32_t *heads; /* of chains of items whose cells have one hash */
    size_t head_count;
    char *beside;
    int fd; /* of the file with the likenesses themselves; it has no name */
} likeness_list;

/* Begins an empty list. What takes much room lies in a file without a name, beside `path`; it is made with
 * the first scan. */
void likeness_list_begin(likeness_list *list, const char *path);

/* Adds a scan. Warns if an earlier scan of this contrast is the same picture, and reports errors of the file.
 * Returns an exit code. */
int likeness_list_add(likeness_list *list, const char *subject, const char *person, const char *contrast,
                      const likeness *l);

/* Frees what is in the list; one of zeros alone is left as it is. */
void likeness_list_free(likeness_list *list);

#endif
