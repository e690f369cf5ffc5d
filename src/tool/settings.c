/* SPDX-License-Identifier: Apache-2.0 */
/* The tables themselves. A new field of a public struct gets its option, help and place in `slmt info` by
 * one row here. */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

static const field_choice presets[] = {
    {"base", SLMT_PRESET_BASE}, {"small", SLMT_PRESET_SMALL}, {"tiny", SLMT_PRESET_TINY}, {0}};
static const field_choice resizes[] = {
    {"bilinear", SLMT_RESIZE_BILINEAR}, {"nearest", SLMT_RESIZE_NEAREST}, {0}};
static const field_choice scalings[] = {
    {"percentiles", SLMT_SCALE_PERCENTILES}, {"twice-p99", SLMT_SCALE_TWICE_P99}, {0}};
static const field_choice patch_weights[] = {
    {"hard", SLMT_PATCH_WEIGHT_HARD}, {"easy-then-hard", SLMT_PATCH_WEIGHT_EASY_THEN_HARD}, {0}};
static const field_choice recomputes[] = {{"nothing", SLMT_RECOMPUTE_NOTHING},
                                          {"cheap", SLMT_RECOMPUTE_CHEAP},
                                          {"linear", SLMT_RECOMPUTE_LINEAR},
                                          {0}};
static const field_choice on_off[] = {{"on", 1}, {"off", 0}, {0}};

static bool set_preset(void *target, const char *text, char reason[FIELD_REASON])
{
    for (const field_choice *c = presets; c->name; c++)
        if (strcmp(c->name, text) == 0)
            return slmt_model_options_init(target, c->value) == SLMT_OK;
    snprintf(reason, FIELD_REASON, "'%s' is not one of base|small|tiny", text);
    return false;
}

#define SIZE(member) .offset = offsetof(slmt_model_options, member)
const field size_fields[] = {
    {"image-size", "PIXELS", "side of a slice", FIELD_INT, SIZE(image_size)},
    {"mae-patch", "PIXELS", "side of an encoder patch", FIELD_INT, SIZE(mae_patch)},
    {"patch", "PIXELS", "side of a generator patch", FIELD_INT, SIZE(patch)},
    {"embed-dim", "N", "token width of encoder and generator", FIELD_INT, SIZE(embed_dim)},
    {"depth", "N", "encoder blocks", FIELD_INT, SIZE(depth)},
    {"num-heads", "N", "encoder heads", FIELD_INT, SIZE(num_heads)},
    {"mlp-ratio", "N", "MLP width over token width", FIELD_INT, SIZE(mlp_ratio)},
    {"decoder-dim", "N", "token width of the Edge-MAE decoder", FIELD_INT, SIZE(decoder_dim)},
    {"decoder-depth", "N", "blocks of the Edge-MAE decoder", FIELD_INT, SIZE(decoder_depth)},
    {"decoder-heads", "N", "heads of the Edge-MAE decoder", FIELD_INT, SIZE(decoder_heads)},
    {"generator-depths", "N,N,N,N", "Swin blocks of each stage, finest first", FIELD_LIST,
     SIZE(generator_depths), .count = 4, .separator = ','},
    {"generator-heads", "N,N,N,N", "heads of each stage, finest first", FIELD_LIST, SIZE(generator_heads),
     .count = 4, .separator = ','},
    {"window", "N", "side of an attention window in tokens", FIELD_INT, SIZE(window)},
    {0}};

const field preset_fields[] = {
    {"preset", "base|small|tiny",
     "sizes to start from, base if not given; single sizes are changed by the options beside it",
     FIELD_CUSTOM, .choices = presets, .flags = FIELD_EARLY, .set = set_preset},
    {0}};

#define PREPROCESS(member) .offset = offsetof(slmt_preprocess, member)
_Static_assert(offsetof(slmt_preprocess, slice_count) ==
                   offsetof(slmt_preprocess, slice_first) + sizeof(int32_t),
               "--slices sets two neighbours");
const field preprocess_fields[] = {
    {"crop", "VOXELS", "side of the square crop", FIELD_INT, PREPROCESS(crop_size)},
    {"crop-x", "VOXEL", "where the crop starts, from the left; -1: in the middle", FIELD_INT,
     PREPROCESS(crop_x)},
    {"crop-y", "VOXEL", "where the crop starts, from the back; -1: in the middle", FIELD_INT,
     PREPROCESS(crop_y)},
    {"slices", "FIRST:COUNT", "axial slices to take; COUNT 0: all from FIRST on", FIELD_LIST,
     PREPROCESS(slice_first), .count = 2, .separator = ':'},
    {"image-size", "PIXELS", "side that slices are resized to", FIELD_INT, PREPROCESS(image_size)},
    {"target-resize", "bilinear|nearest", "resampling of fine-tuning targets (the paper's code: nearest)",
     FIELD_CHOICE, PREPROCESS(target_resize), resizes},
    {"low", "PERCENT", "intensities below this percentile of the head are raised to it", FIELD_REAL,
     PREPROCESS(low_percentile)},
    {"high", "PERCENT", "intensities above this percentile of the head are lowered to it", FIELD_REAL,
     PREPROCESS(high_percentile)},
    {"scaling", "percentiles|twice-p99",
     "how intensities become 0 to 1: the head between two percentiles, or all voxels over twice their 99th "
     "percentile (the papers of SLMT-Net; of Seq2Seq)",
     FIELD_CHOICE, PREPROCESS(scaling), scalings},
    {0}};

#define TRAINER(member) .offset = offsetof(slmt_trainer_config, member)
const field trainer_fields[] = {
    {"batch", "N", "slices a step", FIELD_INT, TRAINER(batch)},
    {"epochs", "N", "passes over the training slices", FIELD_INT, TRAINER(epochs)},
    {"augment", "on|off", "flip, rotate, change brightness and so on", FIELD_CHOICE, TRAINER(augment),
     on_off},
    {"learning-rate", "RATE", "highest learning rate", FIELD_REAL, TRAINER(learning_rate)},
    {"beta1", "X", "Adam's decay of the first moment", FIELD_REAL, TRAINER(beta1)},
    {"beta2", "X", "Adam's decay of the second moment", FIELD_REAL, TRAINER(beta2)},
    {"epsilon", "X", "Adam's epsilon", FIELD_REAL, TRAINER(epsilon)},
    {"data-rate", "PART", "part of the training slices that is used, the first ones", FIELD_REAL,
     TRAINER(data_rate)},
    {"recompute", "nothing|cheap|linear",
     "what is computed again for the gradients instead of kept: less memory, more time", FIELD_CHOICE,
     TRAINER(recompute), recomputes},
    {0}};

const field pretrain_fields[] = {
    {"patch-weight", "hard|easy-then-hard", "weights of removed patches: the paper's code, or its text",
     FIELD_CHOICE, TRAINER(patch_weight), patch_weights},
    {"mask-ratio", "PART", "part of the patches that is removed", FIELD_REAL, TRAINER(mask_ratio)},
    {"rec-weight", "X", "weight of the reconstruction loss beside the edge loss", FIELD_REAL,
     TRAINER(rec_weight)},
    {"decay-epochs", "N", "the learning rate falls after every so many epochs", FIELD_INT,
     TRAINER(decay_epochs)},
    {"decay-factor", "X", "factor by which the learning rate falls", FIELD_REAL, TRAINER(decay_factor)},
    {0}};

const field finetune_fields[] = {
    {"l1-weight", "X", "weight of mean |error| beside feature consistency", FIELD_REAL, TRAINER(l1_weight)},
    {"warmup-epochs", "N", "the learning rate rises over so many epochs", FIELD_INT, TRAINER(warmup_epochs)},
    {"minimum-rate", "RATE", "the learning rate falls to this", FIELD_REAL, TRAINER(minimum_rate)},
    {0}};

const field *stage_fields(int32_t stage)
{
    return stage == SLMT_STAGE_PRETRAIN ? pretrain_fields : finetune_fields;
}

const char *stage_name(int32_t stage)
{
    return stage == SLMT_STAGE_PRETRAIN ? "pretrain" : "finetune";
}

const char *settings_difference(const field *fields, const void *one, const void *other)
{
    for (const field *f = fields; f->name; f++) {
        char a[128], b[128];
        field_format(f, one, a, sizeof a);
        field_format(f, other, b, sizeof b);
        if (strcmp(a, b) != 0)
            return f->name;
    }
    return NULL;
}
