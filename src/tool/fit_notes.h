/* SPDX-License-Identifier: Apache-2.0 */
/* fit_notes.h - warnings that slmt fit gives when they arise and again in its report. */
#ifndef SLMT_TOOL_FIT_NOTES_H
#define SLMT_TOOL_FIT_NOTES_H

#include <stddef.h>

typedef struct fit_notes {
    char **items;
    size_t count;
} fit_notes;

/* Warns, and keeps the text. */
void fit_note(fit_notes *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Keeps a text without a warning, if it is not there yet. */
void fit_notes_keep(fit_notes *notes, const char *text);

void fit_notes_free(fit_notes *notes);

#endif
