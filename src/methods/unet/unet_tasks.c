/* SPDX-License-Identifier: Apache-2.0 */
/* unet_tasks.c - the U-Net as a method of the library: its options, synthesis, training. */
#include "core/method.h"
#include "data/augment.h"
#include "data/image_metrics.h"
#include "data/sampler/slices.h"
#include "methods/unet/unet.h"

/* ---- options ---- */

static const unet_options presets[] = {
    {256, 1, 32, 5, BLOCK_INSTANCE, UP_TRANSPOSED, 0},
    {256, 1, 16, 4, BLOCK_INSTANCE, UP_TRANSPOSED, 0},
    {128, 1, 8, 4, BLOCK_INSTANCE, UP_TRANSPOSED, 0},
};

static const number options_rows[] = {
    NUMBER_ROLE(unet_options, image_size, SIDE, 256, 16, 4096, "side of a slice in pixels"),
    NUMBER_WHOLE(unet_options, slices, 1, 1, 63,
                 "slices of an input: the one to make and its neighbours; odd, 1: no neighbours"),
    NUMBER_WHOLE(unet_options, width, 16, 1, 1024,
                 "channels at full resolution; each level below has twice as many"),
    NUMBER_WHOLE(unet_options, depth, 4, 2, UNET_MAX_DEPTH,
                 "levels: the resolution is halved depth - 1 times"),
    NUMBER_CHOICE(unet_options, norm, BLOCK_INSTANCE, 2, "instance|batch|none",
                  "what stands between a convolution and its ReLU"),
    NUMBER_CHOICE(unet_options, upsampling, UP_TRANSPOSED, 1, "transposed|linear",
                  "2x2 transposed convolutions, or 1x1 convolutions and bilinear interpolation"),
    NUMBER_CHOICE(unet_options, residual, 0, 1, "off|on",
                  "whether the network makes what is added to the source, instead of the target"),
};
NUMBERS_OF(unet_options, options)

static status check(const double *option)
{
    enum { LEAST = 4 }; /* pixels along a side at the coarsest level, where a norm needs some */
    const unet_options o = options_of(option);
    if (o.slices % 2 == 0)
        return fail(ERR_ARGUMENT, "option slices is %d, expected an odd number", o.slices);
    if (o.image_size >> (o.depth - 1) < LEAST)
        return fail(
            ERR_ARGUMENT,
            "option depth = %d leaves %d pixels of image_size = %d at the coarsest level, and at least "
            "%d are needed",
            o.depth, o.image_size >> (o.depth - 1), o.image_size, LEAST);
    return OK;
}

static void tensors(params *p, const double *option)
{
    const unet_options o = options_of(option);
    unet_params(p, &o, o.slices, 1);
}

/* ---- what both tasks share ---- */

/* The target as the network makes it. */
static value translate(task_graph *t, norm_statistics from)
{
    const unet_options o = options_of(t->at.option);
    nn n = nn_of(t, "");
    return unet_translate(&n, &o, t->in[0], from);
}

/* ---- synthesize ---- */

static const number synthesize_rows[] = {NUMBER_BATCH("slices computed together, at most")};
static void synthesize_build(task_graph *t)
{
    t->out[0] = op_clamp(t->g, translate(t, NORM_RUNNING), 0, 1);
}

/* ---- train ---- */

static const number train_rows[] = {
    TRAIN_NUMBERS(4, 50, 2e-3, 0.999, 1, SLMT_RECOMPUTE_NOTHING),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),
    SCHEDULE_NUMBERS(SCHEDULE_COSINE, RATE_BY_STEP, 0, 1e-5),
    SLICE_STEP,
};
static void train_build(task_graph *t)
{
    t->out[0] = unet_l1(t->g, translate(t, NORM_UPDATE), t->in[1]);
}

/* Mirrors every other sample from left to right, which leaves a head a head. */
static void mirror(float *source, float *target, int side, float *spare, random_stream *r)
{
    (void)spare;
    if (random_below(r, 2) == 0)
        return;
    augment_flip(source, side, 1);
    if (target)
        augment_flip(target, side, 1);
}

/* ---- the method ---- */

#define PORT_SOURCE                                                                                          \
    PORT_ROLE("source", "batch,slices,height,width", SOURCE,                                                 \
              "slices of the source contrast in [0, 1], each with its neighbours below and above")
#define PORT_TARGET                                                                                          \
    PORT_ROLE("target", "batch,height,width", TARGET, "the same slices in the target contrast, in [0, 1]")

static const method_task tasks[] = {
    {TASK(synthesize, "make slices of the target contrast from slices of the source contrast"),
     .inputs = PORT_ROWS(PORT_SOURCE), .outputs = PORT_ROWS(PORT_TARGET), .slices = &slices_alone,
     .metrics = &image_metrics},
    {TASK(train, "train on pairs of slices"), .trains = 1, .inputs = PORT_ROWS(PORT_SOURCE, PORT_TARGET),
     .outputs = PORT_ROWS(PORT_LOSS("l1", "mean |made - target|")), .feeding = SLICES_FED(mirror)},
};

const method method_unet = {
    .name = "unet",
    .title = "U-Net: one contrast from another, by convolutions alone",
    .source =
        "Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI "
        "2015; norm and residual output as in Isensee et al., Nature Methods 18 (2021) 203-211, and Zhang "
        "et al., IEEE TIP 26 (2017) 3142-3155",
    .options = NUMBERS(options_rows),
    PRESETS("base|small|tiny", presets),
    .check = check,
    .tensors = tensors,
    TASKS(tasks),
};
