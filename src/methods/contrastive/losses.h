/* SPDX-License-Identifier: Apache-2.0 */
/* losses.h - the losses of the three stages.
 *
 * Both contrastive losses are means of terms l(a, b; N) = -log(e^s(a,b) / (e^s(a,b) + sum over n in N of
 * e^s(a,n))), where s is the cosine of two vectors over tau: vector a is to be near b and far from the
 * negatives N. A table that depends on sizes alone says which vectors are compared. */
#ifndef SLMT_METHODS_CONTRASTIVE_LOSSES_H
#define SLMT_METHODS_CONTRASTIVE_LOSSES_H

#include "lib/ops.h"

/* ---- the global loss: of embeddings of slices ---- */

typedef enum global_strategy {
    GLOBAL_GR,       /* slices of any volumes: two views of one are near, all others far */
    GLOBAL_GD_MINUS, /* of each volume a slice of each partition: views of one are near, other partitions far
                      */
    GLOBAL_GD,       /* the same, and slices of one partition in two volumes are near */
    GLOBAL_GD4       /* the same with two views of each slice; strategy 4 of the authors' code */
} global_strategy;

/* A batch: `slices` slices with `views` images each, and of each group of slices first all first images, then
 * all second ones. Slice b is of partition b modulo `partitions`. */
typedef struct global_batch {
    global_strategy strategy;
    int32_t slices, partitions;
} global_batch;

int32_t global_views(global_strategy s);
int32_t global_group(const global_batch *b); /* slices of a group */

/* The terms: by term the anchor, the positive one, and for each image whether it is a negative one. */
typedef struct global_terms {
    mem *m;
    int32_t count, images;
    double scale; /* the authors' code reports this multiple of the mean */
    double *anchor, *positive;
    double *negative; /* [count][images] */
} global_terms;

/* ERR_MEMORY, ERR_LIMIT; global_terms_close() is needed in every case. */
status global_terms_open(global_terms *t, mem *m, const global_batch *b);
void global_terms_close(global_terms *t);

/* z [images,D] -> the terms [count] */
value global_loss(graph *g, value z, const global_terms *t, double tau);

/* ---- the local loss: of regions of feature maps ---- */

typedef enum local_strategy {
    LOCAL_LR, /* images 2i and 2i + 1 are views of one slice; the same region of both is near */
    LOCAL_LD  /* first all first views, then all second ones; also the region in other volumes is near */
} local_strategy;

enum { LOCAL_REGIONS = 13, LOCAL_PLACES = 17, LOCAL_ALL = LOCAL_REGIONS - 1 };

typedef struct local_batch {
    local_strategy strategy;
    int32_t images, partitions;
    int32_t region;    /* rows and columns of a region: 3, or 1 */
    int32_t negatives; /* regions in each of two maps that are far: 5, 4 (the first of these), LOCAL_ALL */
} local_batch;

/* The top left corner of a place in a map of this size; the first LOCAL_REGIONS are those that are compared.
 */
void local_corner(int32_t place, int32_t region, int64_t rows, int64_t columns, int64_t corner[2]);

/* Returns the place of negative `k` of a region. */
int32_t local_negative(const local_batch *b, int32_t region, int32_t k);

/* Returns how many pairs of maps there are, each an anchor and its positive. */
int32_t local_pairs(const local_batch *b);

/* Returns the multiple of the mean that the authors' code reports. */
double local_scale(const local_batch *b);

/* f [images,H,W,C], matrix [D,9C] or NONE -> the terms [pairs,LOCAL_REGIONS] */
value local_loss(graph *g, value f, value matrix, const local_batch *b, double tau);

/* ---- fine-tuning: p and target [B,S...,K] are distributions over classes ---- */

/* 1 - the mean over images and classes of 2 sum p t / (sum p + sum t + 1e-10); foreground: without class 0.
 */
value overlap_loss(graph *g, value p, value target, int foreground);

/* Returns the mean over pixels of (sum_k w_k t_k) (-sum_k t_k log p_k): w_0 is 0.1, the others share 0.9. */
value weighted_cross_entropy(graph *g, value logits, value target);

#endif
