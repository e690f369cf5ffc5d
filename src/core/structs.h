/* SPDX-License-Identifier: Apache-2.0 */
/* structs.h - the rule for structs that start with struct_size.
 *
 * A caller's struct may be older (shorter) or newer (longer) than ours. A shorter one is read as far as it
 * goes, the rest being our defaults; a longer one is accepted if what we do not know is zero. */
#ifndef SLMT_CORE_STRUCTS_H
#define SLMT_CORE_STRUCTS_H

#include <stddef.h>

#include "core/handles.h"
#include "lib/status.h"

/* Copies the caller's struct over `known` (already filled with defaults, struct_size = size included; kept).
 * name is for the text. ERR_ARGUMENT: struct_size below 8, above 4096, or not set; ERR_VERSION: unknown tail
 * not zero. */
status struct_read(void *known, size_t size, const void *given, const char *name);

/* Copies `known` into the caller's struct as far as both go; the caller's struct_size stays. */
status struct_write(void *given, const void *known, size_t size, const char *name);

/* Checks whether struct_write() would take a struct, for calls that must know before they change anything.
 * ERR_ARGUMENT. */
status struct_check(const void *given, const char *name);

/* Fails with ERR_ARGUMENT "function: name is NULL" when pointer is NULL, and where it points to a handle that
 * was freed or is of another kind. */
#define REQUIRE(pointer)                                                                                     \
    do {                                                                                                     \
        if (!(pointer))                                                                                      \
            return fail(ERR_ARGUMENT, "%s: " #pointer " is NULL", __func__);                                 \
        if (!HANDLE_IS(pointer))                                                                             \
            return fail(ERR_ARGUMENT, "%s: " #pointer " is a handle that was freed, or one of another kind", \
                        __func__);                                                                           \
    } while (0)

#endif
