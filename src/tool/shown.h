/* SPDX-License-Identifier: Apache-2.0 */
/* Texts out of files, and names of files, as a terminal may show them. A name could set the terminal's title,
 * clear it, or be read in another order than it is written. */
#ifndef SLMT_TOOL_SHOWN_H
#define SLMT_TOOL_SHOWN_H

/* Returns the text itself, or, where it has control characters, line separators, marks of writing direction
 * or bytes that are not UTF-8, a copy with these as "\u001b" and "\u202e", so that JSON stays JSON. The copy
 * holds for the next 15 calls. */
const char *shown(const char *text);

/* The same of a text of several lines, whose line feeds and tabs stay. */
const char *shown_lines(const char *text);

#endif
