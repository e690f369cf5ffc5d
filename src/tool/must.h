/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for the command's own lists and texts. Running out ends the process with EXIT_MEMORY; nothing
 * that takes much memory comes from here. */
#ifndef SLMT_TOOL_MUST_H
#define SLMT_TOOL_MUST_H

#include <stddef.h>
#include <stdio.h>

_Noreturn void out_of_memory(void);
void *must_alloc(size_t count, size_t size); /* zeroed */
void *must_grow(void *old, size_t count, size_t size);
char *must_copy(const char *text);
FILE *must_open(char **text, size_t *size);     /* open_memstream() */
char *must_close(FILE *out, char *const *text); /* of open_memstream(): its whole text */
char *must_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
