/* SPDX-License-Identifier: Apache-2.0 */
/* slmt_net_tasks.c - SLMT-Net as a method of the library: its options, pre-training, fine-tuning, synthesis.
 */
#include "data/augment.h"
#include "data/image_metrics.h"
#include "data/sampler/slices.h"
#include "methods/slmt_net/mt_net.h"

/* ---- options ---- */

#define SIZE(member, ...)  NUMBER_WHOLE(slmt_net_options, member, __VA_ARGS__)
#define SIZES(member, ...) NUMBER_LIST(slmt_net_options, member, __VA_ARGS__)
static const number options_rows[] = {
    NUMBER_ROLE(slmt_net_options, image_size, SIDE, 256, 16, 4096,
                "side of a slice in pixels; a multiple of 16 mae_patch"),
    SIZE(mae_patch, 8, 2, 256, "side of an encoder patch in pixels; divides image_size"),
    SIZE(patch, 4, 1, 128, "side of a generator patch in pixels: half of mae_patch"),
    SIZE(embed_dim, 128, 4, 4096, "token width of encoder and generator; a multiple of 4"),
    SIZE(depth, 12, 1, 64, "encoder blocks"),
    SIZE(num_heads, 16, 1, 512, "encoder heads; divides embed_dim"),
    SIZE(mlp_ratio, 4, 1, 16, "MLP width over token width"),
    SIZE(decoder_dim, 64, 4, 4096, "token width of the Edge-MAE decoder; a multiple of 4"),
    SIZE(decoder_depth, 8, 1, 64, "blocks of the Edge-MAE decoder"),
    SIZE(decoder_heads, 8, 1, 512, "heads of the Edge-MAE decoder; divides decoder_dim"),
    SIZES(generator_depths, "2,2,2,2", 1, 64, NULL, "Swin blocks of each stage, finest first"),
    SIZES(generator_heads, "8,8,16,32", 1, 512, NULL, "heads of each stage, finest first"),
    SIZE(window, 8, 1, 64, "side of an attention window in tokens"),
};
NUMBERS_READER(slmt_net_options, slmt_net_options_of, options_rows)

/* In the order of SLMT_NET_PRESET_... */
static const slmt_net_options presets[] = {
    {sizeof *presets, 256, 8, 4, 128, 12, 16, 4, 64, 8, 8, {2, 2, 2, 2}, {8, 8, 16, 32}, 8},
    {sizeof *presets, 256, 8, 4, 48, 6, 6, 4, 32, 4, 4, {2, 2, 2, 2}, {3, 6, 12, 24}, 8},
    {sizeof *presets, 128, 8, 4, 32, 4, 4, 4, 32, 2, 4, {2, 2, 2, 2}, {2, 4, 8, 16}, 8},
};

/* ---- synthesize ---- */

static const number synthesize_rows[] = {NUMBER_BATCH("slices computed together, at most")};

static void synthesize_build(task_graph *t)
{
    const slmt_net_options o = slmt_net_options_of(t->at.option);
    nn encoder = nn_of(t, "E."), generator = nn_of(t, "G.");
    t->out[0] = mt_net_synthesize(&encoder, &generator, &o, t->in[0]);
}

/* ---- pretrain ---- */

static const number pretrain_rows[] = {
    TRAIN_NUMBERS(20, 100, 3e-3, 0.95, 1, SLMT_RECOMPUTE_LINEAR),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),
    SCHEDULE_NUMBERS(SCHEDULE_STEPS, RATE_BY_STEP, 0, 1e-5),
    NUMBER_CHOICE(slmt_net_settings, patch_weight, 0, 1, "hard|easy-then-hard",
                  "weights of removed patches: the paper's code, or its text"),
    NUMBER_REAL(slmt_net_settings, mask_ratio, 0.7, 0, 1, "part of the patches that is removed"),
    NUMBER_REAL(slmt_net_settings, rec_weight, 10, 0, 1e9,
                "weight of the reconstruction loss beside the edge loss"),
    NUMBER_REAL_LATER(slmt_net_settings, visible_weight, 0, 0, 1e9,
                      "weight of kept patches in the reconstruction loss beside removed ones; 0: the paper"),
    SLICE_STEP,
};
NUMBERS_READER(slmt_net_settings, edge_mae_settings_of, pretrain_rows)

static void pretrain_build(task_graph *t)
{
    const slmt_net_options o = slmt_net_options_of(t->at.option);
    const slmt_net_settings s = edge_mae_settings_of(t->at.setting);
    nn encoder = nn_of(t, "E.");
    edge_mae_pretrain(&encoder, &o, &s, t->in, t->out);
}

/* ---- finetune ---- */

static const number finetune_rows[] = {
    TRAIN_NUMBERS(10, 150, 1e-3, 0.999, 0.7, SLMT_RECOMPUTE_CHEAP),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),
    SCHEDULE_NUMBERS(SCHEDULE_COSINE, RATE_BY_STEP, 5, 1e-5),
    NUMBER_REAL(slmt_net_settings, l1_weight, 10000, 0, 1e9,
                "weight of mean |error| beside feature consistency"),
    NUMBER_RATE_FACTOR(
        encoder, "the encoder's learning rate over that of the generator; 0: the encoder stays as it is"),
    SLICE_STEP,
};
NUMBERS_OF(slmt_net_settings, finetune)

static const param_set finetune_sets[] = {{"encoder", "E.", NULL, SET_JOINED},
                                          {"generator", "G.", NULL, SET_JOINED}};

/* The encoder as it was when training began. Files call it "frozen". */
enum { TEACHER };
static const trainer_state finetune_states[] = {{"frozen", STATE_COPY, "E.", NULL}};

static void finetune_build(task_graph *t)
{
    const slmt_net_options o = slmt_net_options_of(t->at.option);
    nn encoder = nn_of(t, "E."), generator = nn_of(t, "G."), teacher = nn_of_state(t, "E.", TEACHER);
    const double l1_weight = finetune_of(t->at.setting).l1_weight;
    mt_net_finetune(&encoder, &generator, &teacher, &o, l1_weight, t->in, t->out);
}

/* ---- the method ---- */

#define SLICES      "batch,height,width"
#define PORT_SOURCE PORT_ROLE("source", SLICES, SOURCE, "slices of the source contrast in [0, 1]")

static const method_task tasks[] = {
    {TASK(synthesize, "make slices of the target contrast from slices of the source contrast"),
     .inputs = PORT_ROWS(PORT_SOURCE),
     .outputs = PORT_ROWS(PORT_ROLE("target", SLICES, TARGET, "slices of the target contrast in [0, 1]")),
     .slices = &slices_alone, .metrics = &image_metrics},
    {TASK(pretrain, "train the Edge-MAE on single slices (section III-A)"), .trains = 1,
     .inputs =
         PORT_ROWS(PORT_ROLE("images", SLICES, SOURCE, "slices in [0, 1]"),
                   PORT_MADE("keep", "batch,kept", INT32, "visible patches"),
                   PORT_MADE("restore", "batch,patches", INT32, "index of each patch among the visible ones"),
                   PORT_MADE("weight", "batch,patches,1", FLOAT32, "weight of a patch in the losses"),
                   PORT_MADE("edges", SLICES, FLOAT32, "target edge maps")),
     .outputs =
         PORT_ROWS(PORT_LOSS("reconstruction",
                             "mean square error of removed patches, and with visible_weight of kept ones"),
                   PORT_LOSS("edge", "mean square error of the edge map"),
                   PORT_LOSS("total", "rec_weight * reconstruction + edge")),
     .shapes = edge_mae_shapes, .needs = edge_mae_needs, .prepare = edge_mae_prepare,
     .feeding = SLICES_FED(augment_pretrain)},
    {TASK(finetune, "train the whole network on pairs of slices (section III-B)"), .trains = 1,
     .inputs = PORT_ROWS(PORT_SOURCE,
                         PORT_ROLE("target", SLICES, TARGET, "the same slices of the target contrast")),
     .outputs = PORT_ROWS(PORT_LOSS("l1", "mean |prediction - target|"),
                          PORT_LOSS("consistency", "feature consistency, by a snapshot of the encoder"),
                          PORT_LOSS("total", "l1_weight * l1 + consistency")),
     SETS(finetune_sets), STATES(finetune_states), .feeding = SLICES_FED(augment_finetune)},
};

const method method_slmt_net = {
    .name = "slmt-net",
    .title = "SLMT-Net: one contrast from another, after pre-training on single slices",
    .source = "Li et al., Multi-scale Transformer Network with Edge-aware Pre-training for Cross-Modality MR "
              "Image Synthesis, IEEE TMI 2023",
    .options = NUMBERS(options_rows),
    PRESETS("base|small|tiny", presets),
    .check = slmt_net_check,
    .tensors = slmt_net_tensors,
    TASKS(tasks),
};
