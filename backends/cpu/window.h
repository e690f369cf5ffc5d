/* SPDX-License-Identifier: Apache-2.0 */
/* window.h - where the tokens of a (shifted) window lie in their image. */
#ifndef SLMT_CPU_WINDOW_H
#define SLMT_CPU_WINDOW_H

#include "backends/backend.h"

typedef struct window_grid {
    int64_t side, tokens; /* of a window: w, w^2 */
    int64_t across, each; /* windows in a row of windows, in an image */
} window_grid;

static inline window_grid window_grid_of(const bk_call *call)
{
    const bk_attr *a = &call->attr;
    window_grid g = {.side = a->window, .tokens = (int64_t)a->window * a->window};
    g.across = a->grid_w / g.side;
    g.each = call->in[0].shape.dim[1] / g.tokens;
    return g;
}

/* Returns a token's position in its window, numbered so that the difference of two, plus half the table, is
 * the table's row for the pair. */
static inline int64_t window_place_of(int64_t side, int64_t token)
{
    return token / side * (2 * side - 1) + token % side;
}

/* Returns which of the three bands of the rolled grid a row (or column) lies in. */
static inline int32_t window_band(int64_t at, int64_t size, int64_t side, int64_t shift)
{
    return at < size - side ? 0 : at < size - shift ? 1 : 2;
}

static inline int64_t window_wrap(int64_t at, int64_t size)
{
    return at < size ? at : at - size;
}

/* token[i] and region[i] of the tokens of a window of an image, window `place` of it; returns whether there
 * is more than one region. */
static inline int window_find(const bk_attr *a, const window_grid *g, int64_t place, int32_t *token,
                              int32_t *region)
{
    int64_t top = place / g->across * g->side, left = place % g->across * g->side, i = 0;
    int mixed = 0;
    for (int64_t r = top; r < top + g->side; r++) {
        int64_t row = window_wrap(r + a->shift, a->grid_h) * a->grid_w;
        int32_t rows = 3 * window_band(r, a->grid_h, g->side, a->shift);
        for (int64_t c = left; c < left + g->side; c++, i++) {
            token[i] = (int32_t)(row + window_wrap(c + a->shift, a->grid_w));
            region[i] = rows + window_band(c, a->grid_w, g->side, a->shift);
            mixed |= region[i] != region[0];
        }
    }
    return mixed && a->shift > 0;
}

#endif
