/* SPDX-License-Identifier: Apache-2.0 */
/* whole_file.h - small text files, read and written in one piece. */
#ifndef SLMT_TOOL_WHOLE_FILE_H
#define SLMT_TOOL_WHOLE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Returns the file's text; the caller frees it. NULL: errno says why not; EFBIG: it has more than `most`
 * bytes. */
char *whole_file(const char *path, size_t most);

/* Writes the text and a line end beside `path`, then puts it in its place. false: errno says why not, and
 * what was at `path` is still there. */
bool write_whole_file(const char *path, const char *text);

#endif
