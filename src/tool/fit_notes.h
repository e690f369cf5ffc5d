/* SPDX-License-Identifier: Apache-2.0 */
/* fit_notes.h - the warnings of a run, kept for its report. */
#ifndef SLMT_TOOL_FIT_NOTES_H
#define SLMT_TOOL_FIT_NOTES_H

#include <stddef.h>

#include "journal.h"

typedef struct fit_notes {
    char **items; /* none of them twice */
    size_t count;
    journal *log;
} fit_notes;

/* From now on every warning goes into the notes, as it goes into the log. */
void fit_notes_begin(fit_notes *notes, journal *log);

void fit_notes_free(fit_notes *notes);

#endif
