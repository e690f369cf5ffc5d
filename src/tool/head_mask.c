/* SPDX-License-Identifier: Apache-2.0 */
/* head_mask.c - a threshold, and a fill from the slice's border: what the fill does not reach is head. */
#include "head_mask.h"

#include <stdlib.h>

#include "must.h"

static const float threshold = 0.05f;
enum { OUTSIDE = 0, HEAD = 1, UNKNOWN = 2 };

typedef struct fill {
    uint8_t *mask;
    size_t side;
    size_t *queue, count;
} fill;

static void reach(fill *f, size_t pixel)
{
    if (f->mask[pixel] != UNKNOWN)
        return;
    f->mask[pixel] = OUTSIDE;
    f->queue[f->count++] = pixel;
}

static void reach_neighbours(fill *f, size_t pixel)
{
    size_t row = pixel / f->side, column = pixel % f->side;
    if (row > 0)
        reach(f, pixel - f->side);
    if (row + 1 < f->side)
        reach(f, pixel + f->side);
    if (column > 0)
        reach(f, pixel - 1);
    if (column + 1 < f->side)
        reach(f, pixel + 1);
}

void head_mask(const float *one, const float *other, size_t side, uint8_t *mask)
{
    size_t pixels = side * side;
    fill f = {.mask = mask, .side = side, .queue = must_alloc(pixels, sizeof *f.queue)};
    for (size_t i = 0; i < pixels; i++)
        mask[i] = one[i] > threshold || other[i] > threshold ? HEAD : UNKNOWN;
    for (size_t i = 0; i < side; i++) {
        reach(&f, i);
        reach(&f, pixels - 1 - i);
        reach(&f, i * side);
        reach(&f, i * side + side - 1);
    }
    while (f.count > 0)
        reach_neighbours(&f, f.queue[--f.count]);
    for (size_t i = 0; i < pixels; i++)
        mask[i] = mask[i] != OUTSIDE;
    free(f.queue);
}
