/* SPDX-License-Identifier: Apache-2.0 */
/* open_sets.h - the files of the training sets that are open, so that no checkpoint, volume or trace takes
 * the place of one. */
#ifndef SLMT_CORE_OPEN_SETS_H
#define SLMT_CORE_OPEN_SETS_H

#include <stdint.h>

#include "core/context.h"

/* A place in the context's list; in the handle that has the file open. */
typedef struct set_file {
    struct set_file *next;
    uint64_t device, inode;
    int lock; /* a descriptor that holds the file's lock; below 0: none */
} set_file;

/* Adds the file of a path, which is there; takes it out again. */
void open_sets_add(slmt_context *context, const char *path, set_file *set);
void open_sets_remove(slmt_context *context, set_file *set);

/* ERR_ARGUMENT: the path, under whatever name, is the file of a set that is open, in this context, another
 * one or another process. */
status open_sets_check(slmt_context *context, const char *path);

#endif
