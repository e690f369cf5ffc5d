/* SPDX-License-Identifier: Apache-2.0 */
/* slmt_net_tasks.c - SLMT-Net as a method of the library: pre-training, fine-tuning, synthesis. */
#include <math.h>
#include <string.h>

#include "data/augment.h"
#include "data/image_metrics.h"
#include "data/sampler/slices.h"
#include "methods/slmt_net/mt_net.h"
#include "slmt/trainer.h"

/* Builders of the networks that a task needs, over the weights or the teacher's. */
static int open_networks(task_graph *t, int n, nn *network, const char *const *prefix, const int32_t *slot)
{
    for (int i = 0; i < n; i++)
        network[i] = (nn){.g = t->g};
    for (int i = 0; i < n; i++) {
        status s = nn_open(&network[i], t->g, t->params, prefix[i], slot[i]);
        if (s != OK) {
            graph_fail(t->g, s);
            return 0;
        }
    }
    return 1;
}

static void close_networks(int n, nn *network)
{
    for (int i = 0; i < n; i++)
        nn_close(&network[i]);
}

static bk_shape images(const slmt_net *net, bk_dtype real, int64_t batch)
{
    int64_t side = net->options.image_size;
    return shape_of(real, 3, (const int64_t[]){batch, side, side});
}

static bk_shape one(bk_dtype real)
{
    return shape_of(real, 0, NULL);
}

/* ---- synthesize ---- */

typedef struct synthesize_settings {
    int32_t batch;
} synthesize_settings;
static const number synthesize_rows[] = {
    NUMBER_ROLE(synthesize_settings, batch, BATCH, 1, 1, 65536, "slices computed together, at most"),
};
static const number_table synthesize_table = NUMBERS(synthesize_rows);
static const port synthesize_inputs[] = {
    PORT_ROLE("source", "batch,height,width", SOURCE, "slices of the source contrast in [0, 1]"),
};
static const port synthesize_outputs[] = {
    PORT_ROLE("target", "batch,height,width", TARGET, "slices of the target contrast in [0, 1]"),
};

static status synthesize_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const slmt_net net = slmt_net_of(at.option);
    synthesize_settings s;
    numbers_read(synthesize_table, at.setting, &s);
    shape[0] = shape[1] = images(&net, real, s.batch);
    return OK;
}

static void synthesize_build(task_graph *t)
{
    const slmt_net net = slmt_net_of(t->at.option);
    nn n[2];
    if (open_networks(t, 2, n, (const char *const[]){"E.", "G."}, (const int32_t[]){t->weights, t->weights}))
        t->out[0] = mt_net_synthesize(&n[0], &n[1], &net, t->in[0]);
    close_networks(2, n);
}

static stacking one_slice(numbers at)
{
    (void)at;
    return (stacking){1, 0};
}

static const slicing synthesize_slices = {one_slice, 0, 1};

/* ---- pretrain ---- */

typedef struct pretrain_settings {
    train_settings train;
    int32_t patch_weight;
    double mask_ratio, rec_weight, visible_weight;
} pretrain_settings;

static const number pretrain_rows[] = {
    TRAIN_NUMBERS(20, 100, 3e-3, 0.95, 1, SLMT_RECOMPUTE_LINEAR),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),
    SCHEDULE_NUMBERS(SCHEDULE_STEPS, RATE_BY_STEP, 0, 1e-5),
    NUMBER_CHOICE(pretrain_settings, patch_weight, 0, 1, "hard|easy-then-hard",
                  "weights of removed patches: the paper's code, or its text"),
    NUMBER_REAL(pretrain_settings, mask_ratio, 0.7, 0, 1, "part of the patches that is removed"),
    NUMBER_REAL(pretrain_settings, rec_weight, 10, 0, 1e9,
                "weight of the reconstruction loss beside the edge loss"),
    NUMBER_REAL_LATER(pretrain_settings, visible_weight, 0, 0, 1e9,
                      "weight of kept patches in the reconstruction loss beside removed ones; 0: the paper"),
};
static const number_table pretrain_table = NUMBERS(pretrain_rows);

static pretrain_settings pretrain_of(const double *setting)
{
    pretrain_settings s;
    numbers_read(pretrain_table, setting, &s);
    return s;
}

enum { MAE_IMAGES, MAE_KEEP, MAE_RESTORE, MAE_WEIGHT, MAE_EDGES };
static const port pretrain_inputs[] = {
    PORT_ROLE("images", "batch,height,width", SOURCE, "slices in [0, 1]"),
    PORT_MADE("keep", "batch,kept", INT32, "visible patches"),
    PORT_MADE("restore", "batch,patches", INT32, "index of each patch among the visible ones"),
    PORT_MADE("weight", "batch,patches,1", FLOAT32, "weight of a patch in the losses"),
    PORT_MADE("edges", "batch,height,width", FLOAT32, "target edge maps"),
};
static const port pretrain_outputs[] = {
    PORT_LOSS("reconstruction", "mean square error of removed patches, and with visible_weight of kept ones"),
    PORT_LOSS("edge", "mean square error of the edge map"),
    PORT_LOSS("total", "rec_weight * reconstruction + edge"),
};

static status pretrain_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const slmt_net net = slmt_net_of(at.option);
    pretrain_settings s = pretrain_of(at.setting);
    int64_t batch = s.train.batch, n = (int64_t)net.mae_grid * net.mae_grid;
    int kept = edge_mae_kept(&net, s.mask_ratio);
    if (kept < 1 || kept >= n)
        return fail(ERR_ARGUMENT,
                    "mask_ratio %g keeps %d of %d patches; at least one patch must be kept and one removed",
                    s.mask_ratio, kept, (int)n);
    shape[MAE_IMAGES] = shape[MAE_EDGES] = images(&net, real, batch);
    shape[MAE_KEEP] = shape_of(BK_I32, 2, (const int64_t[]){batch, kept});
    shape[MAE_RESTORE] = shape_of(BK_I32, 2, (const int64_t[]){batch, n});
    shape[MAE_WEIGHT] = shape_of(real, 3, (const int64_t[]){batch, n, 1});
    for (int i = 0; i < 3; i++)
        shape[MAE_EDGES + 1 + i] = one(real);
    return OK;
}

static void pretrain_build(task_graph *t)
{
    const slmt_net net = slmt_net_of(t->at.option);
    edge_mae_graph v = {.images = t->in[MAE_IMAGES],
                        .keep = t->in[MAE_KEEP],
                        .restore = t->in[MAE_RESTORE],
                        .weight = t->in[MAE_WEIGHT],
                        .edges = t->in[MAE_EDGES]};
    nn e;
    if (open_networks(t, 1, &e, (const char *const[]){"E."}, &t->weights)) {
        pretrain_settings s = pretrain_of(t->at.setting);
        edge_mae_pretrain(&e, &net, (edge_mae_losses){s.rec_weight, s.visible_weight}, &v);
        t->out[0] = v.rec_loss;
        t->out[1] = v.edge_loss;
        t->out[2] = v.total;
    }
    close_networks(1, &e);
}

/* Draws a number for each patch; room: scratch for an order and a mask. */
static task_needs pretrain_needs(numbers at)
{
    const slmt_net net = slmt_net_of(at.option);
    size_t n = (size_t)net.mae_grid * (size_t)net.mae_grid;
    return (task_needs){(size_t)at.setting[TRAIN_BATCH] * n, n * (sizeof(int32_t) + 1)};
}

static void *shift(void *array, bk_dtype type, size_t n)
{
    return (unsigned char *)array + n * bk_dtype_size(type);
}

/* Computes masks, loss weights and edge maps of a batch. */
static void pretrain_prepare(const task_step *s)
{
    const slmt_net net = slmt_net_of(s->at.option);
    const pretrain_settings set = pretrain_of(s->at.setting);
    size_t n = (size_t)net.mae_grid * (size_t)net.mae_grid;
    size_t kept = (size_t)edge_mae_kept(&net, set.mask_ratio), batch = (size_t)set.train.batch;
    size_t pixels = (size_t)net.options.image_size * (size_t)net.options.image_size;
    double area = (double)net.options.mae_patch * net.options.mae_patch, filters[18];
    int easy = set.patch_weight == SLMT_NET_PATCH_WEIGHT_EASY_THEN_HARD && s->epoch < 0.5 * set.train.epochs;
    const param *filter = &s->params->list[params_find(s->params, "E.operator.filter.weight")];
    for (size_t i = 0; i < 18; i++)
        filters[i] = real_get((const unsigned char *)s->weights + filter->byte, s->real, i);
    int32_t *order = s->room;
    unsigned char *mask = (unsigned char *)(order + n);
    for (size_t b = 0; b < batch; b++) {
        edge_mae_mask(s->draws + b * n, (int)n, (int)kept, shift(s->in[MAE_KEEP], BK_I32, b * kept),
                      shift(s->in[MAE_RESTORE], BK_I32, b * n), mask, order);
        edge_mae_weights(mask, net.mae_grid, easy, (double)batch * (double)(n - kept) * area, s->real,
                         shift(s->in[MAE_WEIGHT], s->real, b * n));
        edge_mae_edges((const float *)s->given[MAE_IMAGES] + b * pixels, net.options.image_size, filters,
                       s->real, shift(s->in[MAE_EDGES], s->real, b * pixels));
    }
}

/* ---- finetune ---- */

typedef struct finetune_settings {
    train_settings train;
    double l1_weight, encoder_rate_factor;
} finetune_settings;

static const number finetune_rows[] = {
    TRAIN_NUMBERS(10, 150, 1e-3, 0.999, 0.7, SLMT_RECOMPUTE_CHEAP),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),
    SCHEDULE_NUMBERS(SCHEDULE_COSINE, RATE_BY_STEP, 5, 1e-5),
    NUMBER_REAL(finetune_settings, l1_weight, 10000, 0, 1e9,
                "weight of mean |error| beside feature consistency"),
    NUMBER_REAL_LATER(
        finetune_settings, encoder_rate_factor, 1, 0, 100,
        "the encoder's learning rate over that of the generator; 0: the encoder stays as it is"),
};
static const number_table finetune_table = NUMBERS(finetune_rows);

static finetune_settings finetune_of(const double *setting)
{
    finetune_settings s;
    numbers_read(finetune_table, setting, &s);
    return s;
}

static const port finetune_inputs[] = {
    PORT_ROLE("source", "batch,height,width", SOURCE, "slices of the source contrast in [0, 1]"),
    PORT_ROLE("target", "batch,height,width", TARGET, "the same slices of the target contrast"),
};
static const port finetune_outputs[] = {
    PORT_LOSS("l1", "mean |prediction - target|"),
    PORT_LOSS("consistency", "feature consistency, by a snapshot of the encoder"),
    PORT_LOSS("total", "l1_weight * l1 + consistency"),
};

static status finetune_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const slmt_net net = slmt_net_of(at.option);
    shape[0] = shape[1] = images(&net, real, (int64_t)at.setting[TRAIN_BATCH]);
    shape[2] = shape[3] = shape[4] = one(real);
    return OK;
}

static const param_set finetune_sets[] = {{"encoder", "E.", NULL, SET_JOINED},
                                          {"generator", "G.", NULL, SET_JOINED}};

/* The encoder as it was when training began. Files call it "frozen". */
enum { TEACHER };
static const trainer_state finetune_states[] = {{"frozen", STATE_COPY, "E.", NULL}};

static void finetune_build(task_graph *t)
{
    const slmt_net net = slmt_net_of(t->at.option);
    mt_net_graph v = {.source = t->in[0], .target = t->in[1]};
    nn n[3];
    if (open_networks(t, 3, n, (const char *const[]){"E.", "G.", "E."},
                      (const int32_t[]){t->weights, t->weights, t->states[TEACHER]})) {
        mt_net_finetune(&n[0], &n[1], &n[2], &net, finetune_of(t->at.setting).l1_weight, &v);
        t->out[0] = v.l1_loss;
        t->out[1] = v.fc_loss;
        t->out[2] = v.total;
    }
    close_networks(3, n);
}

/* ---- samples from a set ---- */

static int32_t image_side(numbers at)
{
    return slmt_net_of(at.option).options.image_size;
}

static void augment_single(float *image, float *none, int side, float *spare, random_stream *r)
{
    (void)none;
    augment_pretrain(image, side, spare, r);
}

static const slice_rule single_slices = {0, image_side, augment_single, NULL};
static const slice_rule pairs_of_slices = {1, image_side, augment_finetune, NULL};
static const feeding pretrain_feeding = SLICE_FEEDING(&single_slices);
static const feeding finetune_feeding = SLICE_FEEDING(&pairs_of_slices);

/* ---- the method ---- */

static const method_task tasks[] = {
    {.name = "synthesize",
     .help = "make slices of the target contrast from slices of the source contrast",
     .settings = NUMBERS(synthesize_rows),
     .inputs = PORTS(synthesize_inputs),
     .outputs = PORTS(synthesize_outputs),
     .shapes = synthesize_shapes,
     .build = synthesize_build,
     .slices = &synthesize_slices,
     .metrics = &image_metrics},
    {.name = "pretrain",
     .help = "train the Edge-MAE on single slices (section III-A)",
     .trains = 1,
     .settings = NUMBERS(pretrain_rows),
     .inputs = PORTS(pretrain_inputs),
     .outputs = PORTS(pretrain_outputs),
     .shapes = pretrain_shapes,
     .build = pretrain_build,
     .needs = pretrain_needs,
     .prepare = pretrain_prepare,
     .feeding = &pretrain_feeding},
    {.name = "finetune",
     .help = "train the whole network on pairs of slices (section III-B)",
     .trains = 1,
     .settings = NUMBERS(finetune_rows),
     .inputs = PORTS(finetune_inputs),
     .outputs = PORTS(finetune_outputs),
     .shapes = finetune_shapes,
     .build = finetune_build,
     .sets = finetune_sets,
     .n_sets = 2,
     .states = finetune_states,
     .n_states = 1,
     .feeding = &finetune_feeding},
};

const method method_slmt_net = {
    .name = "slmt-net",
    .title = "SLMT-Net: one contrast from another, after pre-training on single slices",
    .source = "Li et al., Multi-scale Transformer Network with Edge-aware Pre-training for Cross-Modality MR "
              "Image Synthesis, IEEE TMI 2023",
    .options = NUMBERS(slmt_net_rows),
    .presets = SLMT_NET_PRESETS,
    .preset = slmt_net_fill_preset,
    .check = slmt_net_check,
    .tensors = slmt_net_tensors,
    .tasks = tasks,
    .n_tasks = sizeof tasks / sizeof *tasks,
};
