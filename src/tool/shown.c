/* SPDX-License-Identifier: Apache-2.0 */
/* utf8proc tells the characters apart by their category. */
#include "shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "must.h"

enum { COPIES = 16 };

/* Marks of writing direction are of category Cf, as are some that letters need, such as the zero-width
 * joiner.
 */
static int turns_writing(utf8proc_int32_t c)
{
    return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

static int is_shown(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return category != UTF8PROC_CATEGORY_CC && category != UTF8PROC_CATEGORY_ZL &&
           category != UTF8PROC_CATEGORY_ZP && category != UTF8PROC_CATEGORY_CS && !turns_writing(c);
}

/* Length of the character at `text` if it is shown as it is, else 0; *code is its number, -1: it is no UTF-8.
 */
static size_t plain_length(const char *text, int keeps_lines, utf8proc_int32_t *code, size_t *length)
{
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, code);
    *length = n > 0 ? (size_t)n : 1;
    if (n <= 0)
        *code = -1;
    if (keeps_lines && (*text == '\n' || *text == '\t'))
        return 1;
    return n > 0 && is_shown(*code) ? *length : 0;
}

static int is_plain(const char *text, int keeps_lines)
{
    utf8proc_int32_t code;
    for (size_t length; *text; text += length)
        if (!plain_length(text, keeps_lines, &code, &length))
            return 0;
    return 1;
}

static char *escaped(const char *text, int keeps_lines)
{
    enum { LONGEST = 6 }; /* "\u001b" */
    char *copy = must_alloc(strlen(text) * LONGEST + 1, 1);
    size_t at = 0;
    utf8proc_int32_t code;
    for (size_t length; *text; text += length) {
        if (plain_length(text, keeps_lines, &code, &length)) {
            memcpy(copy + at, text, length);
            at += length;
        } else {
            unsigned shown_code = code < 0 ? (unsigned char)*text : (unsigned)code;
            at += (size_t)sprintf(copy + at, "\\u%04x", shown_code & 0xFFFF);
        }
    }
    copy[at] = '\0';
    return copy;
}

static const char *shown_as(const char *text, int keeps_lines)
{
    static char *copies[COPIES];
    static size_t next;
    if (is_plain(text, keeps_lines))
        return text;
    char **place = &copies[next++ % COPIES];
    free(*place);
    return *place = escaped(text, keeps_lines);
}

const char *shown(const char *text)
{
    return shown_as(text, 0);
}

const char *shown_lines(const char *text)
{
    return shown_as(text, 1);
}
