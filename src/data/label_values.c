/* SPDX-License-Identifier: Apache-2.0 */
/* label_values.c - reads the values of a model's classes. */
#include "data/label_values.h"

#include <stdlib.h>
#include <string.h>

int32_t label_values(const char *text, int32_t *values, int32_t most)
{
    int32_t n = 0;
    for (const char *p = text; p && n < most; p = strchr(p, ',')) {
        p += *p == ',';
        values[n++] = (int32_t)strtol(p, NULL, 10);
    }
    return n;
}
