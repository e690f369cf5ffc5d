/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - the public error text, and that the engine's status numbers are the public ones. */
#include "slmt/status.h"

#include <string.h>

#include "lib/status.h"

#define SAME(x) _Static_assert((int)SLMT_##x == (int)x, #x)
SAME(ERR_ARGUMENT);
SAME(ERR_NONFINITE);
SAME(ERR_STATE);
SAME(ERR_MEMORY);
SAME(ERR_LIMIT);
SAME(ERR_IO);
SAME(ERR_NOT_FOUND);
SAME(ERR_CORRUPT);
SAME(ERR_FORMAT);
SAME(ERR_SCHEMA);
SAME(ERR_VERSION);
SAME(ERR_BACKEND);
SAME(ERR_UNSUPPORTED);
SAME(ERR_CANCELLED);
SAME(ERR_INTERNAL);

const char *slmt_error_text(void)
{
    return status_text();
}

size_t slmt_error_copy(char *buffer, size_t size)
{
    const char *text = status_text();
    size_t n = strlen(text);
    if (buffer && size > 0) {
        size_t keep = n < size - 1 ? n : size - 1;
        memcpy(buffer, text, keep);
        buffer[keep] = '\0';
    }
    return n;
}
