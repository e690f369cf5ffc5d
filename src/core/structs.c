/* SPDX-License-Identifier: Apache-2.0 */
/* structs.c - the rule for structs that start with struct_size. */
#include "core/structs.h"

#include <stdint.h>
#include <string.h>

/* No struct of a later library will be larger; a number that was never set mostly is. */
enum { LARGEST = 4096 };

static status given_size(const void *given, const char *name, uint32_t *size)
{
    memcpy(size, given, sizeof *size);
    if (*size < 8 || *size > LARGEST)
        return fail(ERR_ARGUMENT,
                    "%s.struct_size is %u; fill the struct with its init function, or set it to "
                    "sizeof the struct",
                    name, *size);
    return OK;
}

status struct_check(const void *given, const char *name)
{
    uint32_t size;
    return given_size(given, name, &size);
}

status struct_read(void *known, size_t size, const void *given, const char *name)
{
    uint32_t theirs;
    TRY(given_size(given, name, &theirs));
    const unsigned char *bytes = given;
    for (size_t i = size; i < theirs; i++)
        if (bytes[i] != 0)
            return fail(ERR_VERSION,
                        "%s has %u bytes, this library knows %zu, and byte %zu is not zero: the "
                        "caller was built for a newer library",
                        name, theirs, size, i);
    size_t n = theirs < size ? theirs : size;
    memcpy((unsigned char *)known + sizeof theirs, bytes + sizeof theirs, n - sizeof theirs);
    return OK;
}

status struct_write(void *given, const void *known, size_t size, const char *name)
{
    uint32_t theirs;
    TRY(given_size(given, name, &theirs));
    size_t n = theirs < size ? theirs : size;
    memcpy((unsigned char *)given + sizeof theirs, (const unsigned char *)known + sizeof theirs,
           n - sizeof theirs);
    if (theirs > size)
        memset((unsigned char *)given + size, 0, theirs - size);
    return OK;
}
