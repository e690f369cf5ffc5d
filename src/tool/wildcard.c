/* SPDX-License-Identifier: Apache-2.0 */
/* wildcard.c - matches with backtracking; fnmatch(3) would not tell what a star stood for. */
#include "wildcard.h"

#include <string.h>

bool is_wildcard(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

size_t star_count(const char *pattern)
{
    size_t count = 0;
    for (; *pattern; pattern++)
        count += *pattern == '*';
    return count;
}

/* Bytes of the character that begins here: those of UTF-8 that go on have the upper bits 10. */
static size_t character_length(const char *text)
{
    size_t length = 1;
    while (((unsigned char)text[length] & 0xC0) == 0x80)
        length++;
    return length;
}

/* Matches up to the next star, and moves both behind what was matched. */
static bool match_literally(const char **pattern, const char **text)
{
    for (; **pattern && **pattern != '*'; ++*pattern) {
        if (!**text || (**pattern != '?' && **pattern != **text))
            return false;
        *text += **pattern == '?' ? character_length(*text) : 1;
    }
    return true;
}

static bool match(const char *pattern, const char *text, stars *found, size_t star)
{
    if (!match_literally(&pattern, &text))
        return false;
    if (!*pattern)
        return !*text;
    for (size_t length = 0;; length++) {
        found->at[star] = text;
        found->length[star] = length;
        if (match(pattern + 1, text + length, found, star + 1))
            return true;
        if (!text[length])
            return false;
    }
}

bool wildcard_match(const char *pattern, const char *text, stars *found)
{
    size_t count = star_count(pattern);
    if (found->count + count > MOST_STARS || !match(pattern, text, found, found->count))
        return false;
    found->count += count;
    return true;
}
