/* SPDX-License-Identifier: Apache-2.0 */
/* pretrain.c - the two stages without labels: checks, views, losses. */
#include "methods/contrastive/pretrain.h"

/* ---- both stages ---- */

static status check_partitions(const pretrain_settings *s)
{
    int32_t batch = s->train.batch;
    if (batch % s->partitions == 0)
        return OK;
    return fail(ERR_ARGUMENT, "setting batch is %d, expected a multiple of the %d partitions", (int)batch,
                (int)s->partitions);
}

static view_plan plan_of(const pretrain_settings *s, int32_t views)
{
    return (view_plan){.views = views,
                       .partitions = s->partitions,
                       .brightness = s->brightness,
                       .contrast = s->contrast,
                       .steps = s->steps};
}

/* The views of a step as images [B,H,W,C]: of each group of slices first all first views. */
static value images_of(task_graph *t, const contrastive_options *o, int64_t group)
{
    graph *g = t->g;
    if (g->error != OK)
        return NONE;
    const bk_shape s = *graph_shape(g, t->in[0]);
    value x = op_view(g, t->in[0], 5, -1, group, s.dim[1], s.dim[2], s.dim[3] * s.dim[4]);
    x = op_view(g, op_permute(g, x, 0, 2, 1, 4, 3), 4, -1, s.dim[3], s.dim[4], s.dim[2]);
    return o->normalize ? segment_normalized(g, x) : x;
}

static nn training_of(const task_graph *t)
{
    nn n = nn_of(t, "");
    n.statistics = NORM_UPDATE;
    return n;
}

static value mean_of(graph *g, value terms, int scaled, double scale)
{
    return op_affine(g, op_mean_all(g, terms), scaled ? scale : 1, 0);
}

/* ---- global: the encoder ---- */

static global_batch global_batch_of(const pretrain_settings *s)
{
    return (global_batch){(global_strategy)s->strategy, s->train.batch, s->partitions};
}

status global_views_of(const contrastive_options *o, const pretrain_settings *s, int64_t *views)
{
    *views = global_views((global_strategy)s->strategy);
    if (s->crop_last < s->crop_first || s->crop_last >= o->image_size)
        return fail(
            ERR_ARGUMENT,
            "setting crop_last is %d, expected crop_first, which is %d, or more, and less than the %d "
            "rows of an image",
            (int)s->crop_last, (int)s->crop_first, (int)o->image_size);
    if (s->strategy == GLOBAL_GR && s->train.batch < 2)
        return fail(ERR_ARGUMENT, "setting batch is 1; a slice is compared with others, expected 2 or more");
    return s->strategy == GLOBAL_GR ? OK : check_partitions(s);
}

view_plan global_view_plan(const pretrain_settings *s)
{
    static const view_kind kinds[][VIEWS_MOST] = {{VIEW_CUT, VIEW_CUT},
                                                  {VIEW_PLAIN, VIEW_CUT, VIEW_CUT},
                                                  {VIEW_PLAIN, VIEW_CUT, VIEW_PLAIN, VIEW_CUT},
                                                  {VIEW_PLAIN, VIEW_CUT, VIEW_CUT}};
    view_plan p = plan_of(s, global_views((global_strategy)s->strategy));
    p.crop = s->crop;
    p.corner[0] = s->crop_first;
    p.corner[1] = s->crop_last;
    if (s->strategy == GLOBAL_GR)
        p.partitions = 0;
    for (int32_t i = 0; i < p.views; i++) {
        p.view[i].kind = kinds[s->strategy][i];
        p.view[i].draw = s->strategy == GLOBAL_GD ? i / 2 : 0;
    }
    return p;
}

/* The loss of embeddings [images,D]. */
static value loss_of(graph *g, value z, const global_batch *b, const pretrain_settings *s)
{
    global_terms terms;
    status made = global_terms_open(&terms, g->mem, b);
    value loss = made == OK ? global_loss(g, z, &terms, s->temperature) : graph_fail(g, made);
    loss = mean_of(g, loss, s->reference_scale, terms.scale);
    global_terms_close(&terms);
    return loss;
}

value global_stage(task_graph *t, const contrastive_options *o, const pretrain_settings *s)
{
    const global_batch b = global_batch_of(s);
    nn n = training_of(t);
    contrastive_levels l = contrastive_encoder(&n, o, images_of(t, o, global_group(&b)));
    value z = contrastive_g1(&n, o, l.at[CONTRASTIVE_BLOCKS], contrastive_cells(o));
    return loss_of(t->g, z, &b, s);
}

/* ---- local: the first blocks of the decoder ---- */

static local_batch local_batch_of(const pretrain_settings *s)
{
    const int32_t negatives[] = {s->strategy == LOCAL_LR ? 5 : 4, 4, 5, LOCAL_ALL};
    return (local_batch){.strategy = (local_strategy)s->strategy,
                         .images = 2 * s->train.batch,
                         .partitions = s->partitions,
                         .region = s->region ? 1 : 3,
                         .negatives = negatives[s->negatives]};
}

status local_views_of(const contrastive_options *o, const pretrain_settings *s, int64_t *views)
{
    int32_t side = o->image_size >> (CONTRASTIVE_BLOCKS - o->blocks);
    *views = 2;
    if (side < 8)
        return fail(ERR_ARGUMENT,
                    "the feature map of %d blocks has %d rows, and its regions need 8: set the option blocks "
                    "or image_size",
                    (int)o->blocks, (int)side);
    return s->strategy == LOCAL_LR ? OK : check_partitions(s);
}

view_plan local_view_plan(const pretrain_settings *s)
{
    view_plan p = plan_of(s, 2);
    p.view[0].kind = p.view[1].kind = VIEW_TONED;
    if (s->strategy == LOCAL_LR)
        p.partitions = 0;
    return p;
}

value local_stage(task_graph *t, const contrastive_options *o, const pretrain_settings *s)
{
    const local_batch b = local_batch_of(s);
    nn n = training_of(t);
    contrastive_levels l =
        contrastive_encoder(&n, o, images_of(t, o, s->strategy == LOCAL_LR ? 1 : s->train.batch));
    value f = contrastive_g2(&n, o, contrastive_decoder(&n, o, &l, o->blocks));
    value matrix = b.region == 3 ? contrastive_region_matrix(&n, o) : NONE;
    value terms = local_loss(t->g, f, matrix, &b, s->temperature);
    return mean_of(t->g, terms, s->reference_scale, local_scale(&b));
}
