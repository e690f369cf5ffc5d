/* SPDX-License-Identifier: Apache-2.0 */
/* fit_names.c - lists of names, and what a place says of its contrast. */
#include "fit_names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "paths.h"

void fit_names_add(fit_names *names, const char *name)
{
    names->items = must_grow(names->items, names->count + 1, sizeof *names->items);
    names->items[names->count++] = must_copy(name);
}

bool fit_names_have(const fit_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return false;
}

void fit_names_free(fit_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (fit_names){0};
}

/* ---- contrasts ---- */

static bool is_name_letter(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* Length of NAME in "NAME=PLACE"; 0: the text is a place alone. */
static size_t name_length(const char *text)
{
    size_t n = 0;
    while (is_name_letter(text[n]))
        n++;
    return text[n] == '=' && text[n + 1] ? n : 0;
}

const char *fit_contrast_place(const char *text)
{
    size_t n = name_length(text);
    return n ? text + n + 1 : text;
}

/* The last word of letters and digits in a file's name, in small letters; NULL: a number, or nothing. */
static char *last_word(const char *name)
{
    const char *end = name + strlen(name), *at = end;
    bool letter = false;
    while (at > name && isalnum((unsigned char)at[-1]))
        letter |= isalpha((unsigned char)*--at) != 0;
    if (!letter)
        return NULL;
    char *word = must_format("%.*s", (int)(end - at), at);
    for (char *c = word; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return word;
}

char *fit_contrast_name(const char *text)
{
    size_t n = name_length(text);
    if (n)
        return must_format("%.*s", (int)n, text);
    char *place = must_copy(text);
    while (strlen(place) > 1 && place[strlen(place) - 1] == '/')
        place[strlen(place) - 1] = '\0';
    char *id = volume_id(place);
    char *word = last_word(id);
    free(id);
    free(place);
    return word;
}
