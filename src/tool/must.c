/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that cannot fail from the caller's view. */
#include "must.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

void out_of_memory(void)
{
    fputs("slmt: out of memory\n", stderr);
    fflush(stdout);
    _exit(EXIT_MEMORY); /* as in standard_end() */
}

static void *checked(void *memory)
{
    if (!memory)
        out_of_memory();
    return memory;
}

void *must_alloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size));
}

void *must_grow(void *old, size_t count, size_t size)
{
    return checked(reallocarray(old, count ? count : 1, size));
}

char *must_copy(const char *text)
{
    return checked(strdup(text));
}

FILE *must_open(char **text, size_t *size)
{
    return checked(open_memstream(text, size));
}

char *must_close(FILE *out, char *const *text)
{
    bool complete = !ferror(out);
    return checked(fclose(out) == 0 && complete ? *text : NULL);
}

char *must_format(const char *format, ...)
{
    char *text = NULL;
    va_list values;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    return checked(length < 0 ? NULL : text);
}
