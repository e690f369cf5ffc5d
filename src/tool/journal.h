/* SPDX-License-Identifier: Apache-2.0 */
/* The --log file: JSON lines, one object a line, written out as they come. Without --log a journal
 * takes objects and drops them. */
#ifndef SLMT_TOOL_JOURNAL_H
#define SLMT_TOOL_JOURNAL_H

#include <stdbool.h>
#include <stdio.h>

#include <cjson/cJSON.h>

typedef struct journal {
    FILE *file; /* NULL: no journal is kept */
    const char *path;
} journal;

/* Opens (path NULL: keeps none); `append` goes on where an earlier run stopped. From now on warnings are
 * written too, and those before are caught up on, so that j must stay where it is until it is closed.
 * Reports an error and returns its exit code. */
int journal_open(journal *j, const char *path, bool append);

/* Returns a new object with its "event" field. */
cJSON *journal_event(const char *event);

/* Writes the object as one line and frees it. */
void journal_write(journal *j, cJSON *object);

/* Complains if anything could not be written and returns an exit code. */
int journal_close(journal *j);

#endif
