/* SPDX-License-Identifier: Apache-2.0 */
/* wildcard.h - patterns of names: '*' stands for any characters, '?' for one; and what each '*' stood for. */
#ifndef SLMT_TOOL_WILDCARD_H
#define SLMT_TOOL_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>

enum { MOST_STARS = 16 };

/* What the stars stood for: as little as possible, the first star before the second. */
typedef struct stars {
    const char *at[MOST_STARS];
    size_t length[MOST_STARS];
    size_t count;
} stars;

/* Returns true if the text holds a '*' or a '?'. */
bool is_wildcard(const char *text);

/* Number of stars of a pattern. */
size_t star_count(const char *pattern);

/* Returns true if the whole text matches; it is added to `found` what each star stood for. Patterns of more
 * than MOST_STARS stars match nothing. */
bool wildcard_match(const char *pattern, const char *text, stars *found);

#endif
