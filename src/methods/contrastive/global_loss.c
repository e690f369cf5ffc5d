/* SPDX-License-Identifier: Apache-2.0 */
/* global_loss.c - which images the global loss compares, and the loss (section 3.1 of the paper). */
#include <string.h>

#include "methods/contrastive/losses.h"
#include "methods/contrastive/terms.h"

/* ---- a batch ---- */

int32_t global_views(global_strategy s)
{
    static const int32_t views[] = {2, 3, 4, 3};
    return views[s];
}

static int32_t global_images(const global_batch *b)
{
    return b->slices * global_views(b->strategy);
}

int32_t global_group(const global_batch *b)
{
    return b->strategy == GLOBAL_GR ? 1 : b->strategy == GLOBAL_GD_MINUS ? b->slices : b->partitions;
}

/* The image that is a view of a slice. */
static int32_t image_of(const global_batch *b, int32_t slice, int32_t view)
{
    int32_t group = global_group(b);
    return slice / group * group * global_views(b->strategy) + view * group + slice % group;
}

/* The slice of an image. */
static int32_t slice_of(const global_batch *b, int32_t image)
{
    int32_t group = global_group(b);
    return image / (group * global_views(b->strategy)) * group + image % group;
}

/* ---- terms ---- */

static int is_negative(const global_batch *b, int32_t anchor, int32_t image)
{
    int32_t one = slice_of(b, anchor), other = slice_of(b, image);
    return b->strategy == GLOBAL_GR ? one != other : one % b->partitions != other % b->partitions;
}

static void add_term(global_terms *t, const global_batch *b, int32_t anchor, int32_t positive)
{
    double *negative = t->negative + (size_t)t->count * (size_t)t->images;
    t->anchor[t->count] = anchor;
    t->positive[t->count++] = positive;
    for (int32_t i = 0; i < t->images; i++)
        negative[i] = is_negative(b, anchor, i);
}

/* Each of two images is the anchor once. */
static void add_pair(global_terms *t, const global_batch *b, int32_t one, int32_t other)
{
    add_term(t, b, one, other);
    add_term(t, b, other, one);
}

/* All pairs of views of one slice. */
static void add_views(global_terms *t, const global_batch *b)
{
    int32_t views = global_views(b->strategy);
    for (int32_t slice = 0; slice < b->slices; slice++)
        for (int32_t i = 0; i < views; i++)
            for (int32_t k = i + 1; k < views; k++)
                add_pair(t, b, image_of(b, slice, i), image_of(b, slice, k));
}

/* The images of a partition in one volume: x, then its views. */
typedef struct chain_link {
    int32_t image[3];
} chain_link;

/* Pairs within two links, and between them. */
static void add_links(global_terms *t, const global_batch *b, const chain_link *i, const chain_link *j)
{
    int32_t images = b->strategy == GLOBAL_GD ? 2 : 3;
    for (int32_t k = 1; k < images; k++) {
        add_pair(t, b, i->image[k - 1], i->image[k]);
        add_pair(t, b, j->image[k - 1], j->image[k]);
    }
    for (int32_t k = 0; k < images; k++)
        add_pair(t, b, i->image[k], j->image[k]);
}

/* Volumes form a ring. With GD each group of slices is of two volumes, x_i v_i x_j v_j. */
static chain_link link_of(const global_batch *b, int32_t volume, int32_t partition)
{
    if (b->strategy == GLOBAL_GD4) {
        int32_t slice = volume * b->partitions + partition;
        return (chain_link){{image_of(b, slice, 0), image_of(b, slice, 1), image_of(b, slice, 2)}};
    }
    int32_t slice = volume / 2 * b->partitions + partition, first = volume % 2 * 2;
    return (chain_link){{image_of(b, slice, first), image_of(b, slice, first + 1), 0}};
}

static int32_t volumes_of(const global_batch *b)
{
    return b->slices / b->partitions * (b->strategy == GLOBAL_GD ? 2 : 1);
}

static void add_ring(global_terms *t, const global_batch *b)
{
    int32_t volumes = volumes_of(b);
    for (int32_t v = 0; v < volumes; v++)
        for (int32_t p = 0; p < b->partitions; p++) {
            chain_link i = link_of(b, v, p), j = link_of(b, (v + 1) % volumes, p);
            add_links(t, b, &i, &j);
        }
}

static int32_t count_terms(const global_batch *b)
{
    static const int32_t of_slice[] = {2, 6, 16, 14};
    return b->slices * of_slice[b->strategy];
}

status global_terms_open(global_terms *t, mem *m, const global_batch *b)
{
    static const double scale[] = {1, 2, 4, 28.0 / 9};
    void *p;
    *t = (global_terms){.m = m, .images = global_images(b), .scale = scale[b->strategy]};
    size_t count = (size_t)count_terms(b);
    TRY(mem_array(m, count * (2 + (size_t)t->images), sizeof(double), &p));
    t->anchor = p;
    t->positive = t->anchor + count;
    t->negative = t->positive + count;
    if (b->strategy == GLOBAL_GR || b->strategy == GLOBAL_GD_MINUS)
        add_views(t, b);
    else
        add_ring(t, b);
    return OK;
}

void global_terms_close(global_terms *t)
{
    mem_give(t->m, t->anchor);
    t->anchor = NULL;
}

/* ---- the loss ---- */

value global_loss(graph *g, value z, const global_terms *t, double tau)
{
    if (g->error != OK)
        return NONE;
    const int64_t n = t->images, count = t->count, each[] = {count, n};
    value unit = op_l2_normalize(g, z, 2, SHORTEST);
    value near = op_affine(g, op_matmul(g, unit, unit, 0, 1), 1 / tau, 0);
    value anchor = graph_constant(g, shape_of(BK_I32, 2, (const int64_t[]){1, count}), t->anchor);
    value positive = graph_constant(g, shape_of(BK_I32, 1, &count), t->positive);
    value row = op_view(g, op_gather(g, op_view(g, near, 3, 1, n, n), anchor), 2, count, n);
    value is_far = graph_constant(g, shape_of(g->real, 2, each), t->negative);
    return op_view(g, contrast_terms(g, row, op_one_hot(g, positive, n, -1), is_far), 1, count);
}
