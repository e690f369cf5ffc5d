/* SPDX-License-Identifier: Apache-2.0 */
/* head_mask.c - a threshold, and a fill from the slice's border: what the fill does not reach is head. */
#include "head_mask.h"

#include <stdlib.h>

#include "must.h"

static const float threshold = 0.05f;
enum { OUTSIDE = 0, HEAD = 1, UNKNOWN = 2 };

typedef struct fill {
    uint8_t *mask;
    size_t height, width;
    size_t *queue, count;
} fill;

static void reach(fill *f, size_t pixel)
{
    if (f->mask[pixel] != UNKNOWN)
        return;
    f->mask[pixel] = OUTSIDE;
    f->queue[f->count++] = pixel;
}

static void reach_border(fill *f)
{
    for (size_t c = 0; c < f->width; c++) {
        reach(f, c);
        reach(f, (f->height - 1) * f->width + c);
    }
    for (size_t r = 0; r < f->height; r++) {
        reach(f, r * f->width);
        reach(f, r * f->width + f->width - 1);
    }
}

static void reach_neighbours(fill *f, size_t pixel)
{
    size_t row = pixel / f->width, column = pixel % f->width;
    if (row > 0)
        reach(f, pixel - f->width);
    if (row + 1 < f->height)
        reach(f, pixel + f->width);
    if (column > 0)
        reach(f, pixel - 1);
    if (column + 1 < f->width)
        reach(f, pixel + 1);
}

void head_mask(const float *one, const float *other, size_t height, size_t width, uint8_t *mask)
{
    size_t pixels = height * width;
    fill f = {.mask = mask, .height = height, .width = width, .queue = must_alloc(pixels, sizeof *f.queue)};
    for (size_t i = 0; i < pixels; i++)
        mask[i] = one[i] > threshold || other[i] > threshold ? HEAD : UNKNOWN;
    reach_border(&f);
    while (f.count > 0)
        reach_neighbours(&f, f.queue[--f.count]);
    for (size_t i = 0; i < pixels; i++)
        mask[i] = mask[i] != OUTSIDE;
    free(f.queue);
}
