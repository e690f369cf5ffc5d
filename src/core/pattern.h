/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.h - whether a text matches a pattern, without memory from malloc(): glibc's regcomp() frees a block
 * twice where it finds no memory, which ends the process. */
#ifndef SLMT_CORE_PATTERN_H
#define SLMT_CORE_PATTERN_H

/* Returns 1 if the whole text matches the pattern, which is an extended regular expression of POSIX, without
 * named classes of characters, collation, anchors and back references. Patterns are constants of the library:
 * it does not look for mistakes in them. */
int pattern_matches(const char *pattern, const char *text);

#endif
