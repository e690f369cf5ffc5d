/* SPDX-License-Identifier: Apache-2.0 */
/* size.c - products of extents that cannot overflow. */
#include "lib/size.h"

#include "lib/graph.h"

int size_product(const int64_t *extents, int32_t rank, int64_t most, int64_t *product)
{
    int64_t n = 1;
    int is_zero = 0;
    for (int32_t i = 0; i < rank; i++) {
        if (extents[i] < 0)
            return 0;
        is_zero |= extents[i] == 0;
        if (extents[i] > 0 && __builtin_mul_overflow(n, extents[i], &n))
            return 0;
    }
    *product = is_zero ? 0 : n;
    return n <= most;
}

status size_check(const bk_shape *shape, const char *what)
{
    int64_t n;
    char text[128];
    if (size_product(shape->dim, shape->rank, SIZE_MOST, &n))
        return OK;
    return fail(
        ERR_ARGUMENT,
        "%s would be %s, and no array has more than %lld elements: choose smaller options or settings", what,
        shape_text(shape, text), (long long)SIZE_MOST);
}
