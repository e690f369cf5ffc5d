/* SPDX-License-Identifier: Apache-2.0 */
/* views.h - the sampler of several images of each slice, for contrastive learning: as it is, cut out anew, or
 * with other brightness and contrast. For sets with the images of whole_slices.h; label maps are not read.
 *
 * Slices are drawn uniformly from all of the training part, with replacement. Or they are drawn by partition:
 * S successive samples are of one volume, whose slices are divided into S partitions of equal length, one
 * slice of each; what a division leaves at the end belongs to none. The volumes of one draw differ. */
#ifndef SLMT_DATA_SAMPLER_VIEWS_H
#define SLMT_DATA_SAMPLER_VIEWS_H

#include "core/method.h"

enum { VIEWS_MOST = 4 };

typedef enum view_kind {
    VIEW_PLAIN, /* as it is */
    VIEW_CUT,   /* a cut of the slice, resized, then other brightness and contrast */
    VIEW_TONED  /* other brightness and contrast */
} view_kind;

/* What a step consists of. */
typedef struct view_plan {
    int32_t partitions; /* of a volume; 0: slices of any place */
    int32_t views;      /* images of each sample */
    struct {
        int32_t draw; /* views of the same draw (0, 1) show the same slice, others that of another volume */
        view_kind kind;
    } view[VIEWS_MOST];
    int32_t crop, corner[2]; /* rows and columns of a cut; its corner lies between these, along both axes */
    double brightness, contrast; /* +-, about 0 and about 1 */
    int32_t steps;               /* of an epoch */
} view_plan;

/* The task's rule: what its settings ask for. Its input of SLMT_ROLE_SOURCE is
 * [batch][view][channel][row][column], with square images. Values of toned images lie in [0, 1.5]. */
typedef struct view_rule {
    view_plan (*plan)(numbers at);
} view_rule;

/* VIEW_FEEDING(rule): the row of a task's table. */
#define VIEW_FEEDING(view_rule)                                                                              \
    {                                                                                                        \
        views_open, views_fill, views_close, view_rule                                                       \
    }

status views_open(feed *f);
status views_fill(feed *f, uint64_t step, void *const *in);
void views_close(feed *f);

/* Returns the first slice of a partition, and how many it has. */
int64_t partition_first(int64_t slices, int32_t partitions, int32_t k);
int64_t partition_length(int64_t slices, int32_t partitions);

#endif
