/* SPDX-License-Identifier: Apache-2.0 */
/* fit_notes.c - a list of texts, fed by the console. */
#include "fit_notes.h"

#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"

static void add(fit_notes *notes, const char *text)
{
    for (size_t i = 0; i < notes->count; i++)
        if (strcmp(notes->items[i], text) == 0)
            return;
    notes->items = must_grow(notes->items, notes->count + 1, sizeof *notes->items);
    notes->items[notes->count++] = must_copy(text);
}

/* There is one receiver of warnings, so that this one serves the log too. */
static void keep_warning(void *user, const char *text)
{
    fit_notes *notes = user;
    add(notes, text);
    cJSON *event = journal_event("warning");
    cJSON_AddStringToObject(event, "text", text);
    journal_write(notes->log, event);
}

void fit_notes_begin(fit_notes *notes, journal *log)
{
    notes->log = log;
    warnings_keep(keep_warning, notes);
}

void fit_notes_free(fit_notes *notes)
{
    warnings_keep(NULL, NULL);
    for (size_t i = 0; i < notes->count; i++)
        free(notes->items[i]);
    free(notes->items);
    *notes = (fit_notes){0};
}
