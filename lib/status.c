/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - the calling thread's error message: a fixed buffer, so that reporting never allocates. */
#include "lib/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[STATUS_TEXT_MAX];

status fail(status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return code;
}

status fail_prefix(status code, const char *prefix)
{
    size_t n = strlen(prefix), room = sizeof text - 1;
    if (n + 2 > room)
        return code;
    size_t old = strlen(text);
    size_t keep = old < room - n - 2 ? old : room - n - 2;
    memmove(text + n + 2, text, keep);
    memcpy(text, prefix, n);
    memcpy(text + n, ": ", 2);
    text[n + 2 + keep] = '\0';
    return code;
}

status fail_memory(void)
{
    strcpy(text, "out of memory");
    return ERR_MEMORY;
}

const char *status_text(void)
{
    return text;
}
