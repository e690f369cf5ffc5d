/* SPDX-License-Identifier: Apache-2.0 */
/* pretrain.h - the two stages that need no labels: how their settings fit each other, the views of slices
 * that a step learns from, and its loss. */
#ifndef SLMT_METHODS_CONTRASTIVE_PRETRAIN_H
#define SLMT_METHODS_CONTRASTIVE_PRETRAIN_H

#include "data/sampler/views.h"
#include "methods/contrastive/contrastive.h"
#include "methods/contrastive/losses.h"

/* Settings of both stages; each has some of them. */
typedef struct pretrain_settings {
    train_settings train;
    int32_t steps, strategy, partitions, reference_scale;
    int32_t crop, crop_first, crop_last; /* of the global loss */
    int32_t region, negatives;           /* of the local one; negatives: NEGATIVES_... */
    double temperature, brightness, contrast;
} pretrain_settings;

enum { NEGATIVES_PAPER, NEGATIVES_FOUR, NEGATIVES_FIVE, NEGATIVES_ALL };

/* Give the number of views of a slice, or ERR_ARGUMENT: settings and options do not fit each other. */
status global_views_of(const contrastive_options *o, const pretrain_settings *s, int64_t *views);
status local_views_of(const contrastive_options *o, const pretrain_settings *s, int64_t *views);

/* Returns the views that the sampler draws. */
view_plan global_view_plan(const pretrain_settings *s);
view_plan local_view_plan(const pretrain_settings *s);

/* Returns the loss over the views in input 0 of the task. The batch norms take the batch's statistics, also
 * those of the encoder in the local stage, which does not change its weights. */
value global_stage(task_graph *t, const contrastive_options *o, const pretrain_settings *s);
value local_stage(task_graph *t, const contrastive_options *o, const pretrain_settings *s);

#endif
