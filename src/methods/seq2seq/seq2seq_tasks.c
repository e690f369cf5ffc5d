/* SPDX-License-Identifier: Apache-2.0 */
/* seq2seq_tasks.c - Seq2Seq as a method of the library: its options, synthesis, training. */
#include "data/image_metrics.h"
#include "data/sampler/stack_pairs.h"
#include "methods/seq2seq/seq2seq.h"

/* ---- options ---- */

static const number options_rows[] = {
    NUMBER_WHOLE(seq2seq_options, ndims, 2, 2, 3, "spatial axes"),
    NUMBER_WHOLE(seq2seq_options, channels, 3, 1, 64, "channels of an image: adjacent slices, or 1"),
    NUMBER_LIST(seq2seq_options, widths, "64,128,256", 1, 4096, "width",
                "channels at full, half and a quarter of the resolution"),
    NUMBER_WHOLE(seq2seq_options, lstm_width, 256, 1, 4096, "channels of the ConvLSTMs and of the decoder"),
    NUMBER_WHOLE(seq2seq_options, residual_blocks, 6, 0, 64,
                 "residual blocks of the encoder, and of the decoder"),
    NUMBER_ROLE(seq2seq_options, code_length, CONTRASTS, 64, 1, 1024, "sequences at most"),
    NUMBER_WHOLE(seq2seq_options, bank, 16, 1, 1024, "kernels that a hyper-convolution mixes"),
    NUMBER_WHOLE(
        seq2seq_options, perceptual_width, 0, 0, 1024,
        "width of a VGG19 that the model holds for the perceptual term in training (torchvision's: 64); 0: "
        "none"),
};
NUMBERS_OF(seq2seq_options, options)

/* The paper's sizes need a GPU; small learns in hours, tiny in minutes. */
static const seq2seq_options presets[] = {
    {2, 3, {64, 128, 256}, 256, 6, 64, 16, 0},
    {2, 3, {32, 64, 128}, 96, 4, 64, 8, 0},
    {2, 1, {16, 32, 48}, 48, 2, 64, 4, 0},
};

static void tensors(params *p, const double *option)
{
    const seq2seq_options o = options_of(option);
    seq2seq_params(p, &o);
}

/* ---- images ---- */

/* Settings of an image's size, the same for both tasks. */
#define SIZE(member, role, first, help)                                                                      \
    NUMBER_MULTIPLE(seq2seq_settings, member, role, 4, first, 8, 8192, help "; a multiple of 4")
#define SIZE_NUMBERS                                                                                         \
    SIZE(height, HEIGHT, 192, "rows of an image"), SIZE(width, WIDTH, 192, "columns of an image"),           \
        SIZE(depth, DEPTH, 32, "slices of an image with ndims 3")

#define IMAGE_AXES(times) "batch," times ",channels,(depth,)height,width"

/* ---- synthesize ---- */

static const number synthesize_rows[] = {
    NUMBER_BATCH("images computed together, at most"),
    NUMBER_WHOLE(seq2seq_settings, times, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of the source"),
    NUMBER_WHOLE(seq2seq_settings, times_out, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of the target"),
    SIZE_NUMBERS,
};
NUMBERS_OF(seq2seq_settings, synthesize)

static void synthesize_build(task_graph *t)
{
    const seq2seq_options o = options_of(t->at.option);
    const seq2seq_settings s = synthesize_of(t->at.setting);
    nn n = nn_of(t, "");
    value latent = seq2seq_encode(&n, &o, seq2seq_images(t->g, &o, t->in[0]), s.times);
    value y =
        seq2seq_decode(&n, &o, seq2seq_unroll(&n, latent, s.times_out), seq2seq_code(t->g, &o, t->in[1]));
    t->out[0] = seq2seq_volumes(t->g, &o, y, s.times_out);
}

/* ---- train ---- */

static const number train_rows[] = {
    TRAIN_NUMBERS(1, 1000, 2e-4, 0.999, 1, SLMT_RECOMPUTE_CHEAP),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),
    SCHEDULE_NUMBERS(SCHEDULE_POLYNOMIAL, RATE_BY_EPOCH, 0, 1e-6),
    NUMBER_WHOLE(seq2seq_settings, times, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of source and target"),
    SIZE_NUMBERS,
    NUMBER_ROLE(seq2seq_settings, crops, CROPS, 8, 1, 1000000, "samples of a subject in an epoch"),
    NUMBER_REAL(seq2seq_settings, rec_weight, 10, 0, 1e9, "weight of the two reconstructions"),
    NUMBER_REAL(seq2seq_settings, cyc_weight, 10, 0, 1e9, "weight of the cycle back to the source"),
    NUMBER_REAL(seq2seq_settings, smooth_l1_beta, 1, 1e-6, 1e6,
                "differences below this are squared, larger ones are taken linearly"),
    NUMBER_REAL(
        seq2seq_settings, perceptual_weight, 0, 0, 1e9,
        "weight of VGG19's distances (the paper: 0.01); needs option perceptual_width and VGG19's weights"),
};
NUMBERS_OF(seq2seq_settings, train)

static status train_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    (void)real, (void)shape;
    return seq2seq_check_perceptual(options_of(at.option), train_of(at.setting));
}

static void train_build(task_graph *t)
{
    const seq2seq_options o = options_of(t->at.option);
    const seq2seq_settings s = train_of(t->at.setting);
    nn n = nn_of(t, ""), vgg = nn_of(t, "vgg19.");
    const seq2seq_pair pair = {seq2seq_images(t->g, &o, t->in[0]), seq2seq_images(t->g, &o, t->in[1]),
                               seq2seq_code(t->g, &o, t->in[2]), seq2seq_code(t->g, &o, t->in[3])};
    const seq2seq_losses l = seq2seq_train(&n, &vgg, &o, &s, &pair);
    t->out[0] = l.rec;
    t->out[1] = l.cyc;
    t->out[2] = l.perceptual;
    t->out[3] = l.total;
}

/* ---- the method ---- */

/* In 2D neighbouring slices are the channels (2.5D), in 3D they are the volume. */
static const slicing minus_1_to_1 = {-1, 1};

static const method_task tasks[] = {
    {TASK(synthesize, "make images of any sequence from images of another"),
     .inputs = PORT_ROWS(
         PORT_ROLE("source", IMAGE_AXES("times"), SOURCE, "images of one sequence, any, in [-1, 1]"),
         PORT_INDEX("sequence", TARGET_CONTRAST, "code_length", "index of the sequence to make")),
     .outputs = PORT_ROWS(
         PORT_ROLE("target", IMAGE_AXES("times_out"), TARGET, "images of that sequence in (-1, 1)")),
     .slices = &minus_1_to_1, .metrics = &image_metrics},
    {TASK(train, "train on pairs of sequences, drawn from those that a subject has"), .trains = 1,
     .inputs = PORT_ROWS(
         PORT_ROLE("source", IMAGE_AXES("times"), SOURCE, "images of one sequence in [-1, 1]"),
         PORT_ROLE("target", IMAGE_AXES("times"), TARGET, "the same images of another, or of the same"),
         PORT_INDEX("source_sequence", SOURCE_CONTRAST, "code_length", "index of the source's sequence"),
         PORT_INDEX("target_sequence", TARGET_CONTRAST, "code_length", "index of the target's sequence")),
     .outputs =
         PORT_ROWS(PORT_LOSS("reconstruction", "smooth L1 of target and source made from source"),
                   PORT_LOSS("cycle", "smooth L1 of the source made from the target made"),
                   PORT_LOSS("perceptual", "perceptual distance of the same, by VGG19; 0: not computed"),
                   PORT_LOSS("total", "the sum of the three, each times its weight")),
     .shapes = train_shapes, .slices = &minus_1_to_1, .feeding = &(const feeding)STACK_PAIR_FEEDING},
};

const method method_seq2seq = {
    .name = "seq2seq",
    .title = "Seq2Seq: any MR sequence from any other, in 2D or 3D",
    .source =
        "Han et al., Synthesis-based imaging-differentiation representation learning for multi-sequence "
        "3D/4D MRI, Medical Image Analysis 92 (2024) 103044",
    .options = NUMBERS(options_rows),
    PRESETS("base|small|tiny", presets),
    .tensors = tensors,
    TASKS(tasks),
};
