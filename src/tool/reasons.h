/* SPDX-License-Identifier: Apache-2.0 */
/* reasons.h - one message for one cause, however many subjects share it. */
#ifndef SLMT_TOOL_REASONS_H
#define SLMT_TOOL_REASONS_H

#include <stddef.h>

typedef struct reason {
    char *text;
    char *more; /* the other subjects' names */
    size_t count;
} reason;

typedef struct reasons {
    reason *items;
    size_t count;
} reasons;

/* Complains that a subject is left out, if it is the first with this reason; "subject NAME: " in front of it
 * does not count. */
void reasons_add(reasons *r, const char *subject, const char *text);

/* Complains of the other subjects of each reason, and frees them all. */
void reasons_end(reasons *r);

#endif
