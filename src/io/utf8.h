/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - which texts can be names: well-formed UTF-8 that a terminal shows as it is. */
#ifndef SLMT_IO_UTF8_H
#define SLMT_IO_UTF8_H

#include <stddef.h>

/* Returns 1 if the bytes are well-formed UTF-8 without control characters, line separators and marks that
 * change the direction of writing. */
int utf8_printable(const char *text, size_t length);

/* Returns how many of the bytes, from the first on, are plain text: well-formed UTF-8 without what steers a
 * terminal or reorders what it shows, which are control characters but tab, line feed and carriage return,
 * line separators and marks of writing direction. */
size_t utf8_plain(const char *text, size_t length);

#endif
