/* SPDX-License-Identifier: Apache-2.0 */
/* local_loss.c - which regions of feature maps the local loss compares, and the loss (section 3.2 of the
 * paper; the regions are those of the authors' code). */
#include <string.h>

#include "methods/contrastive/losses.h"
#include "methods/contrastive/terms.h"

/* ---- places ---- */

/* Along each axis a place lies at 0, at a quarter (q), a half (h) or three quarters (t) of the last position,
 * or at the last position (m). The first 13 are the regions; the last four only serve as negatives. */
static const char places[LOCAL_PLACES][3] = {"00", "0h", "0m", "h0", "hh", "hm", "m0", "mh", "mm",
                                             "qq", "qt", "tq", "tt", "qh", "hq", "ht", "th"};

/* Five near regions of each. */
static const char near_3x3[LOCAL_REGIONS][5][3] = {
    {"0h", "qq", "qh", "h0", "hq"}, {"00", "0m", "qq", "qt", "hh"}, {"0h", "qh", "qt", "ht", "hm"},
    {"00", "qq", "hh", "m0", "tq"}, {"qq", "qt", "tq", "tt", "h0"}, {"0m", "hh", "mm", "qt", "tt"},
    {"h0", "hq", "mh", "tq", "th"}, {"hh", "m0", "mm", "tq", "tt"}, {"ht", "hm", "mh", "tt", "th"},
    {"00", "0h", "h0", "hh", "qt"}, {"0h", "0m", "qq", "hh", "hm"}, {"h0", "hh", "m0", "mh", "tt"},
    {"hh", "hm", "mh", "mm", "tq"}};
static const char near_1x1[LOCAL_REGIONS][5][3] = {
    {"0h", "h0", "hh", "qq", "qt"}, {"00", "0m", "hh", "qq", "qt"}, {"0h", "hh", "hm", "tq", "qt"},
    {"00", "hh", "m0", "qq", "tq"}, {"qq", "qt", "tq", "tt", "h0"}, {"0m", "hh", "mm", "qt", "tt"},
    {"h0", "hh", "mh", "tq", "qq"}, {"hh", "m0", "mm", "tq", "tt"}, {"hh", "hm", "mh", "tt", "tq"},
    {"00", "0h", "h0", "hh", "qt"}, {"0h", "0m", "hh", "hm", "tt"}, {"h0", "hh", "m0", "0h", "qq"},
    {"hh", "hm", "mh", "mm", "qt"}};

static int64_t position(char at, int64_t last)
{
    switch (at) {
    case 'q':
        return last / 4;
    case 'h':
        return last / 2;
    case 't':
        return 3 * last / 4;
    default:
        return at == 'm' ? last : 0;
    }
}

/* With regions of 3x3 the authors leave the last row and column of the map out. */
void local_corner(int32_t place, int32_t region, int64_t rows, int64_t columns, int64_t corner[2])
{
    int64_t less = region == 3 ? 4 : 1;
    corner[0] = position(places[place][0], rows - less);
    corner[1] = position(places[place][1], columns - less);
}

static int32_t place_called(const char *name)
{
    int32_t k = 0;
    while (strcmp(places[k], name) != 0)
        k++;
    return k;
}

int32_t local_negative(const local_batch *b, int32_t region, int32_t k)
{
    if (b->negatives == LOCAL_ALL)
        return k + (k >= region);
    return place_called(b->region == 3 ? near_3x3[region][k] : near_1x1[region][k]);
}

/* ---- pairs of maps ---- */

static int32_t volumes_of(const local_batch *b)
{
    return b->images / 2 / b->partitions;
}

int32_t local_pairs(const local_batch *b)
{
    return b->strategy == LOCAL_LR ? b->images : b->images / 2 * volumes_of(b);
}

static void local_pair(const local_batch *b, int32_t pair, int32_t *anchor, int32_t *positive)
{
    int32_t slices = b->images / 2, volumes = volumes_of(b);
    if (b->strategy == LOCAL_LR) {
        *anchor = pair;
        *positive = pair ^ 1;
        return;
    }
    int32_t other = pair % volumes;
    *anchor = pair / volumes;
    *positive = other == 0 ? slices + *anchor : (*anchor + other * b->partitions) % slices;
}

double local_scale(const local_batch *b)
{
    return b->strategy == LOCAL_LR ? 1 : (double)volumes_of(b) / 2;
}

/* ---- the loss ---- */

/* The pixels of all places in a map of this size, one region behind the other; returns how many there are. */
enum { MOST_PIXELS = LOCAL_PLACES * 9 };
static int64_t list_pixels(const local_batch *b, int64_t rows, int64_t columns, double pixel[MOST_PIXELS])
{
    int64_t n = 0, corner[2];
    for (int32_t k = 0; k < LOCAL_PLACES; k++) {
        local_corner(k, b->region, rows, columns, corner);
        for (int32_t i = 0; i < b->region * b->region; i++) {
            int64_t row = corner[0] + i / b->region, column = corner[1] + i % b->region;
            pixel[n++] = (double)(row * columns + column);
        }
    }
    return n;
}

/* The same list for each image. */
static value pixels_of(graph *g, value f, const local_batch *b, int64_t *count)
{
    void *p;
    double pixel[MOST_PIXELS];
    *count = list_pixels(b, graph_dim(g, f, 1), graph_dim(g, f, 2), pixel);
    status s = mem_array(g->mem, (size_t)(b->images * *count), sizeof(double), &p);
    if (s != OK)
        return graph_fail(g, s);
    for (int32_t i = 0; i < b->images; i++)
        memcpy((double *)p + i * *count, pixel, (size_t)*count * sizeof(double));
    const int64_t size[] = {b->images, *count};
    value list = graph_constant(g, shape_of(BK_I32, 2, size), p);
    mem_give(g->mem, p);
    return list;
}

/* The vectors of all places: [images,LOCAL_PLACES,D], of length 1. */
static value vectors_of(graph *g, value f, value matrix, const local_batch *b)
{
    int64_t count, width = graph_dim(g, f, 3);
    value pixels = pixels_of(g, f, b, &count);
    value all = op_gather(g, op_view(g, f, 3, b->images, -1, width), pixels);
    all = op_view(g, all, 3, b->images, LOCAL_PLACES, count / LOCAL_PLACES * width);
    if (matrix != NONE && b->region == 3)
        all = op_linear(g, all, matrix, NONE);
    return op_l2_normalize(g, all, 4, SHORTEST);
}

/* Maps number index[i] of v. */
static value maps_of(graph *g, value v, const double *index, int64_t count)
{
    int64_t images = graph_dim(g, v, 0), places_ = graph_dim(g, v, 1), width = graph_dim(g, v, 2);
    value which = graph_constant(g, shape_of(BK_I32, 2, (const int64_t[]){1, count}), index);
    v = op_gather(g, op_view(g, v, 3, 1, images, places_ * width), which);
    return op_view(g, v, 3, count, places_, width);
}

/* The places that are compared along a row of similarities: those of the anchor's map, then of the
 * positive's. */
static value mask_of(graph *g, const local_batch *b, int far)
{
    double mask[LOCAL_REGIONS][2][LOCAL_PLACES] = {0};
    for (int32_t p = 0; p < LOCAL_REGIONS; p++) {
        if (!far)
            mask[p][1][p] = 1;
        for (int32_t k = 0; far && k < b->negatives; k++)
            mask[p][0][local_negative(b, p, k)] = mask[p][1][local_negative(b, p, k)] = 1;
    }
    const int64_t size[] = {1, LOCAL_REGIONS, 2 * LOCAL_PLACES};
    return graph_constant(g, shape_of(g->real, 3, size), &mask[0][0][0]);
}

static value compared(graph *g, value v, const double *anchor, const double *positive, int64_t count,
                      const local_batch *b, double tau)
{
    value one = maps_of(g, v, anchor, count), other = maps_of(g, v, positive, count);
    value regions = op_slice(g, one, 1, 0, LOCAL_REGIONS);
    value row = op_concat(
        g, 2, (const value[]){op_matmul(g, regions, one, 0, 1), op_matmul(g, regions, other, 0, 1)}, 2);
    row = contrast_terms(g, op_affine(g, row, 1 / tau, 0), mask_of(g, b, 0), mask_of(g, b, 1));
    return op_view(g, row, 2, count, LOCAL_REGIONS);
}

value local_loss(graph *g, value f, value matrix, const local_batch *b, double tau)
{
    void *p;
    int32_t count = local_pairs(b);
    if (g->error != OK)
        return NONE;
    status s = mem_array(g->mem, 2 * (size_t)count, sizeof(double), &p);
    if (s != OK)
        return graph_fail(g, s);
    double *anchor = p, *positive = anchor + count;
    for (int32_t i = 0; i < count; i++) {
        int32_t one, other;
        local_pair(b, i, &one, &other);
        anchor[i] = one;
        positive[i] = other;
    }
    value terms = compared(g, vectors_of(g, f, matrix, b), anchor, positive, count, b, tau);
    mem_give(g->mem, p);
    return terms;
}
