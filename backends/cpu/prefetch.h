/* SPDX-License-Identifier: Apache-2.0 */
/* prefetch.h - asks for memory that will be read soon, a part at a time between pieces of other work:
 * products would otherwise wait for the memory that they pack. */
#ifndef SLMT_CPU_PREFETCH_H
#define SLMT_CPU_PREFETCH_H

#include "backends/cpu/vec.h"
#include "backends/cpu/work.h"

/* `rows` rows of `width` bytes, `step` bytes apart. */
typedef struct memory {
    const char *from;
    int64_t rows, width, step;
} memory;

/* What of the left and of the right factor of a product is read next. */
typedef struct upcoming {
    memory a, b;
} upcoming;

/* Prefetches part `of` of `parts` of the data that is read next. */
INLINE void prefetch(const memory *next, int64_t of, int64_t parts)
{
    enum { LINE_BYTES = 64 };
    int64_t in_row = work_pieces(next->width, LINE_BYTES), n = next->rows * in_row;
    int64_t i = n * of / parts, end = n * (of + 1) / parts;
    if (i == end)
        return;
    const char *row = next->from + i / in_row * next->step;
    for (int64_t line = i % in_row; i < end; i++) {
        __builtin_prefetch(row + line * LINE_BYTES);
        if (++line == in_row) {
            line = 0;
            row += next->step;
        }
    }
}

#endif
