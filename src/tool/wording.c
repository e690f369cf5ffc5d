/* SPDX-License-Identifier: Apache-2.0 */
#include "wording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

/* Options that are not called as their field. */
static const char *const names[][2] = {{"crop_size", "crop"},       {"slice_first", "slices"},
                                       {"slice_count", "slices"},   {"low_percentile", "low"},
                                       {"high_percentile", "high"}, {"max_bytes", "max-memory"},
                                       {"slice_step", "slices"}};

/* The limit of memory, as the library's message has it. */
static const char limit[] = "limit max_bytes";

static const char slices[] = "(FIRST:COUNT)"; /* what the library says of the two fields */

/* Appends the option that a name of the library goes by. */
static void put_option(FILE *out, const char *name, size_t length)
{
    fputs("--", out);
    for (size_t i = 0; i < length; i++)
        putc(name[i] == '_' ? '-' : name[i], out);
}

/* Appends the option that a field of a struct goes by. */
static void put_field(FILE *out, const char *field, size_t length)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i][0]) == length && strncmp(names[i][0], field, length) == 0) {
            fprintf(out, "--%s", names[i][1]);
            return;
        }
    put_option(out, field, length);
}

/* Returns 1 if a word of the library begins here: "slmt_" that is not in the middle of a path or a name. */
static int is_ours(const char *text, const char *at)
{
    return strncmp(at, "slmt_", 5) == 0 && (at == text || strchr(" (", at[-1]));
}

/* The words "option" or "setting" with a blank behind, in front of a name; 0 if they do not stand here. */
static size_t announced(const char *text, const char *at)
{
    static const char *const words[] = {"option ", "setting "};
    static const char *const others[] = {"and ", "of ", "that ", "which ", "is ",
                                         "has ", "or ", "in ",   "for ",   "to "};
    if (at != text && at[-1] != ' ' && at[-1] != '(')
        return 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if (strncmp(at, words[i], length) != 0 || !strspn(at + length, lower))
            continue;
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            if (strncmp(at + length, others[k], strlen(others[k])) == 0)
                return 0;
        return length;
    }
    return 0;
}

/* The length of a name with a '_' in it and " = " behind, as "mae_patch = 8"; 0 if none stands here. */
static size_t compared(const char *text, const char *at)
{
    size_t length = at == text || at[-1] == ' ' ? strspn(at, lower) : 0;
    return length && memchr(at, '_', length) && strncmp(at + length, " = ", 3) == 0 ? length : 0;
}

/* Puts the words of the command for those of the library that begin here; returns the length of the latter, 0
 * if none do. */
static size_t put_words(FILE *out, const char *text, const char *at)
{
    size_t ours = is_ours(text, at) ? strspn(at, lower) : 0;
    size_t field = ours && at[ours] == '.' ? strspn(at + ours + 1, lower) : 0;
    size_t word = ours ? 0 : announced(text, at), name = ours || word ? 0 : compared(text, at);
    if (ours && at == text && strncmp(at + ours, ": ", 2) == 0)
        return ours + 2;
    if (field) {
        put_field(out, at + ours + 1, field);
        return ours + 1 + field;
    }
    if (word || name) {
        name = strspn(at + word, lower);
        put_option(out, at + word, name);
        return word + name;
    }
    if (strncmp(at, limit, strlen(limit)) == 0) {
        fputs("limit --max-memory", out);
        return strlen(limit);
    }
    if (strncmp(at, slices, strlen(slices)) == 0) {
        fputs("(--slices FIRST:COUNT)", out);
        return strlen(slices);
    }
    return 0;
}

char *for_users(const char *text)
{
    char *words = NULL;
    size_t size;
    FILE *out = open_memstream(&words, &size);
    if (!out)
        return must_copy(text);
    for (const char *at = text; *at;) {
        size_t length = put_words(out, text, at);
        if (length == 0)
            putc(*at++, out);
        at += length;
    }
    fclose(out);
    return words;
}
