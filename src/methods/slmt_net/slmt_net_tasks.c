/* SPDX-License-Identifier: Apache-2.0 */
/* slmt_net_tasks.c - SLMT-Net as a method of the library: pre-training, fine-tuning, synthesis. */
#include "data/augment.h"
#include "data/image_metrics.h"
#include "data/sampler/slices.h"
#include "methods/slmt_net/mt_net.h"
#include "slmt/trainer.h"

/* ---- synthesize ---- */

static const number synthesize_rows[] = {NUMBER_BATCH("slices computed together, at most")};
static const port synthesize_inputs[] = {
    PORT_ROLE("source", "batch,height,width", SOURCE, "slices of the source contrast in [0, 1]"),
};
static const port synthesize_outputs[] = {
    PORT_ROLE("target", "batch,height,width", TARGET, "slices of the target contrast in [0, 1]"),
};

static void synthesize_build(task_graph *t)
{
    const slmt_net net = slmt_net_of(t->at.option);
    nn encoder = nn_of(t, "E."), generator = nn_of(t, "G.");
    t->out[0] = mt_net_synthesize(&encoder, &generator, &net, t->in[0]);
}

/* ---- pretrain ---- */

typedef struct pretrain_settings {
    train_settings train;
    int32_t patch_weight, slice_step;
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
    SLICE_STEP(pretrain_settings),
};
NUMBERS_OF(pretrain_settings, pretrain)

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
    const double mask_ratio = pretrain_of(at.setting).mask_ratio;
    int patches = net.mae_grid * net.mae_grid, kept = edge_mae_kept(&net, mask_ratio);
    (void)real;
    if (kept < 1 || kept >= patches)
        return fail(ERR_ARGUMENT,
                    "mask_ratio %g keeps %d of %d patches; at least one patch must be kept and one removed",
                    mask_ratio, kept, patches);
    shape[MAE_KEEP].dim[1] = kept;
    shape[MAE_RESTORE].dim[1] = shape[MAE_WEIGHT].dim[1] = patches;
    return OK;
}

static void pretrain_build(task_graph *t)
{
    const slmt_net net = slmt_net_of(t->at.option);
    const pretrain_settings s = pretrain_of(t->at.setting);
    nn encoder = nn_of(t, "E.");
    edge_mae_graph v = {.images = t->in[MAE_IMAGES],
                        .keep = t->in[MAE_KEEP],
                        .restore = t->in[MAE_RESTORE],
                        .weight = t->in[MAE_WEIGHT],
                        .edges = t->in[MAE_EDGES]};
    edge_mae_pretrain(&encoder, &net, (edge_mae_losses){s.rec_weight, s.visible_weight}, &v);
    t->out[0] = v.rec_loss;
    t->out[1] = v.edge_loss;
    t->out[2] = v.total;
}

static task_needs pretrain_needs(numbers at)
{
    const slmt_net net = slmt_net_of(at.option);
    return edge_mae_needs(&net, (size_t)at.setting[TRAIN_BATCH]);
}

static void pretrain_prepare(const task_step *s)
{
    const slmt_net net = slmt_net_of(s->at.option);
    const pretrain_settings set = pretrain_of(s->at.setting);
    int easy = set.patch_weight == SLMT_NET_PATCH_WEIGHT_EASY_THEN_HARD && s->epoch < 0.5 * set.train.epochs;
    edge_mae_prepare(s, &net, edge_mae_kept(&net, set.mask_ratio), easy);
}

/* ---- finetune ---- */

typedef struct finetune_settings {
    train_settings train;
    int32_t slice_step;
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
    SLICE_STEP(finetune_settings),
};
NUMBERS_OF(finetune_settings, finetune)

static const port finetune_inputs[] = {
    PORT_ROLE("source", "batch,height,width", SOURCE, "slices of the source contrast in [0, 1]"),
    PORT_ROLE("target", "batch,height,width", TARGET, "the same slices of the target contrast"),
};
static const port finetune_outputs[] = {
    PORT_LOSS("l1", "mean |prediction - target|"),
    PORT_LOSS("consistency", "feature consistency, by a snapshot of the encoder"),
    PORT_LOSS("total", "l1_weight * l1 + consistency"),
};

static const param_set finetune_sets[] = {{"encoder", "E.", NULL, SET_JOINED},
                                          {"generator", "G.", NULL, SET_JOINED}};

/* The encoder as it was when training began. Files call it "frozen". */
enum { TEACHER };
static const trainer_state finetune_states[] = {{"frozen", STATE_COPY, "E.", NULL}};

static void finetune_build(task_graph *t)
{
    const slmt_net net = slmt_net_of(t->at.option);
    nn encoder = nn_of(t, "E."), generator = nn_of(t, "G."), teacher = nn_of_state(t, "E.", TEACHER);
    mt_net_graph v = {.source = t->in[0], .target = t->in[1]};
    mt_net_finetune(&encoder, &generator, &teacher, &net, finetune_of(t->at.setting).l1_weight, &v);
    t->out[0] = v.l1_loss;
    t->out[1] = v.fc_loss;
    t->out[2] = v.total;
}

/* ---- samples from a set ---- */

static void augment_single(float *image, float *none, int side, float *spare, random_stream *r)
{
    (void)none;
    augment_pretrain(image, side, spare, r);
}

static const slice_rule single_slices = {augment_single, "slice_step"};
static const slice_rule pairs_of_slices = {augment_finetune, "slice_step"};
static const feeding pretrain_feeding = SLICE_FEEDING(&single_slices);
static const feeding finetune_feeding = SLICE_FEEDING(&pairs_of_slices);

/* ---- the method ---- */

static const method_task tasks[] = {
    {TASK(synthesize, "make slices of the target contrast from slices of the source contrast"),
     .slices = &slices_alone, .metrics = &image_metrics},
    {TASK(pretrain, "train the Edge-MAE on single slices (section III-A)"), .trains = 1,
     .shapes = pretrain_shapes, .needs = pretrain_needs, .prepare = pretrain_prepare,
     .feeding = &pretrain_feeding},
    {TASK(finetune, "train the whole network on pairs of slices (section III-B)"), .trains = 1,
     .sets = finetune_sets, .n_sets = 2, .states = finetune_states, .n_states = 1,
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
