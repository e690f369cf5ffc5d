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

/* Appends the option that a field goes by. */
static void put_option(FILE *out, const char *field, size_t length)
{
    fputs("--", out);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i][0]) == length && strncmp(names[i][0], field, length) == 0) {
            fputs(names[i][1], out);
            return;
        }
    for (size_t i = 0; i < length; i++)
        putc(field[i] == '_' ? '-' : field[i], out);
}

/* Whether a word of the library begins here: "slmt_" that is not in the middle of a path or a name. */
static int is_ours(const char *text, const char *at)
{
    return strncmp(at, "slmt_", 5) == 0 && (at == text || strchr(" (", at[-1]));
}

char *for_users(const char *text)
{
    char *words = NULL;
    size_t size;
    FILE *out = open_memstream(&words, &size);
    if (!out)
        return must_copy(text);
    for (const char *at = text; *at;) {
        size_t length = is_ours(text, at) ? strspn(at, lower) : 0;
        if (length && at == text && strncmp(at + length, ": ", 2) == 0) {
            at += length + 2;
        } else if (length && at[length] == '.' && strspn(at + length + 1, lower)) {
            size_t field = strspn(at + length + 1, lower);
            put_option(out, at + length + 1, field);
            at += length + 1 + field;
        } else if (strncmp(at, limit, strlen(limit)) == 0) {
            fputs("limit --max-memory", out);
            at += strlen(limit);
        } else if (strncmp(at, slices, strlen(slices)) == 0) {
            fputs("(--slices FIRST:COUNT)", out);
            at += strlen(slices);
        } else {
            putc(*at++, out);
        }
    }
    fclose(out);
    return words;
}
