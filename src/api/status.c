/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - public names for the engine's status numbers and error text. */
#include "slmt/status.h"

#include <string.h>

#include "lib/status.h"
#include "slmt/version.h"

typedef struct named {
    slmt_status status;
    const char *name;
} named;

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

#define NAMED(x)                                                                                             \
    {                                                                                                        \
        x, #x                                                                                                \
    }
static const named names[] = {
    NAMED(SLMT_OK),           NAMED(SLMT_ERR_ARGUMENT),    NAMED(SLMT_ERR_NONFINITE),
    NAMED(SLMT_ERR_STATE),    NAMED(SLMT_ERR_MEMORY),      NAMED(SLMT_ERR_LIMIT),
    NAMED(SLMT_ERR_IO),       NAMED(SLMT_ERR_NOT_FOUND),   NAMED(SLMT_ERR_CORRUPT),
    NAMED(SLMT_ERR_FORMAT),   NAMED(SLMT_ERR_SCHEMA),      NAMED(SLMT_ERR_VERSION),
    NAMED(SLMT_ERR_BACKEND),  NAMED(SLMT_ERR_UNSUPPORTED), NAMED(SLMT_ERR_CANCELLED),
    NAMED(SLMT_ERR_INTERNAL),
};

const char *slmt_status_name(slmt_status code)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].status == code)
            return names[i].name;
    return "SLMT_ERR_UNKNOWN";
}

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

const char *slmt_version(void)
{
    return SLMT_VERSION_STRING;
}
