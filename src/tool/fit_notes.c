/* SPDX-License-Identifier: Apache-2.0 */
/* fit_notes.c - a list of texts, none of them twice. */
#include "fit_notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"

void fit_notes_keep(fit_notes *notes, const char *text)
{
    for (size_t i = 0; i < notes->count; i++)
        if (strcmp(notes->items[i], text) == 0)
            return;
    notes->items = must_grow(notes->items, notes->count + 1, sizeof *notes->items);
    notes->items[notes->count++] = must_copy(text);
}

void fit_note(fit_notes *notes, const char *format, ...)
{
    char text[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    complain("warning: %s", text);
    fit_notes_keep(notes, text);
}

void fit_notes_free(fit_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++)
        free(notes->items[i]);
    free(notes->items);
    *notes = (fit_notes){0};
}
