/* SPDX-License-Identifier: Apache-2.0 */
/* seq2seq_tasks.c - Seq2Seq as a method of the library: its options, synthesis, training, and the sampling of
 * sets. */
#include "core/method.h"
#include "data/image_metrics.h"
#include "data/sampler/stack_pairs.h"
#include "methods/seq2seq/seq2seq.h"
#include "slmt/model.h"

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

/* The paper's sizes need a GPU; small learns in hours, tiny in minutes. What a preset leaves out is as in the
 * first. */
static void fill_preset(int32_t index, double *option)
{
    static const struct {
        int32_t channels, widths[3], lstm_width, residual_blocks, bank;
    } presets[] = {
        {3, {64, 128, 256}, 256, 6, 16}, {3, {32, 64, 128}, 96, 4, 8}, {1, {16, 32, 48}, 48, 2, 4}};
    numbers_init(options_table, option);
    seq2seq_options o = options_of(option);
    o.channels = presets[index].channels;
    memcpy(o.widths, presets[index].widths, sizeof o.widths);
    o.lstm_width = presets[index].lstm_width;
    o.residual_blocks = presets[index].residual_blocks;
    o.bank = presets[index].bank;
    numbers_write(options_table, &o, option);
}

static void tensors(params *p, const double *option)
{
    const seq2seq_options o = options_of(option);
    seq2seq_params(p, &o);
}

/* ---- images ---- */

/* Settings of an image's size, the same for both tasks. */
#define SIZE_NUMBERS(type)                                                                                   \
    NUMBER_ROLE(type, height, HEIGHT, 192, 8, 8192, "rows of an image; a multiple of 4"),                    \
        NUMBER_ROLE(type, width, WIDTH, 192, 8, 8192, "columns of an image; a multiple of 4"),               \
        NUMBER_ROLE(type, depth, DEPTH, 32, 8, 8192, "slices of an image with ndims 3; a multiple of 4")

#define IMAGE_AXES "batch,times,channels,(depth,)height,width"

typedef struct extents {
    int64_t batch, times, depth, height, width;
} extents;

static status image_shape(const seq2seq_options *o, extents e, bk_dtype real, bk_shape *shape)
{
    static const char *const names[] = {"depth", "height", "width"};
    const int64_t size[] = {e.depth, e.height, e.width};
    *shape = shape_of(real, 3, (const int64_t[]){e.batch, e.times, o->channels});
    for (int32_t i = 3 - o->ndims; i < 3; i++) {
        if (size[i] % 4 != 0)
            return fail(ERR_ARGUMENT, "setting %s is %lld, expected a multiple of 4", names[i],
                        (long long)size[i]);
        shape->dim[shape->rank++] = size[i];
    }
    return OK;
}

/* ---- synthesize ---- */

typedef struct synthesize_settings {
    int32_t batch, times, times_out, depth, height, width;
} synthesize_settings;

static const number synthesize_rows[] = {
    NUMBER_ROLE(synthesize_settings, batch, BATCH, 1, 1, 65536, "images computed together, at most"),
    NUMBER_WHOLE(synthesize_settings, times, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of the source"),
    NUMBER_WHOLE(synthesize_settings, times_out, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of the target"),
    SIZE_NUMBERS(synthesize_settings),
};
NUMBERS_OF(synthesize_settings, synthesize)

static const port synthesize_inputs[] = {
    PORT_ROLE("source", IMAGE_AXES, SOURCE, "images of one sequence, any, in [-1, 1]"),
    PORT_INDEX("sequence", TARGET_CONTRAST, "code_length", "index of the sequence to make"),
};
static const port synthesize_outputs[] = {
    PORT_ROLE("target", IMAGE_AXES, TARGET, "images of that sequence in (-1, 1)"),
};

static status synthesize_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const seq2seq_options o = options_of(at.option);
    const synthesize_settings s = synthesize_of(at.setting);
    TRY(image_shape(&o, (extents){s.batch, s.times, s.depth, s.height, s.width}, real, &shape[0]));
    return image_shape(&o, (extents){s.batch, s.times_out, s.depth, s.height, s.width}, real, &shape[2]);
}

static void synthesize_build(task_graph *t)
{
    const seq2seq_options o = options_of(t->at.option);
    const synthesize_settings s = synthesize_of(t->at.setting);
    nn n = nn_of(t, "");
    value latent = seq2seq_encode(&n, &o, seq2seq_images(t->g, &o, t->in[0]), s.times);
    value y =
        seq2seq_decode(&n, &o, seq2seq_unroll(&n, latent, s.times_out), seq2seq_code(t->g, &o, t->in[1]));
    t->out[0] = seq2seq_volumes(t->g, &o, y, s.times_out);
}

/* In 2D neighbouring slices are the channels (2.5D), in 3D they are the volume, which has one channel. A
 * volume and a set have one time point. */
static stacking stack_of(seq2seq_options o, int one_time, int32_t depth)
{
    if (!one_time || (o.ndims == 3 && o.channels != 1))
        return (stacking){0, 0};
    return o.ndims == 3 ? (stacking){depth, 1} : (stacking){o.channels, 0};
}

static stacking synthesize_stack(numbers at)
{
    const synthesize_settings s = synthesize_of(at.setting);
    return stack_of(options_of(at.option), s.times == 1 && s.times_out == 1, s.depth);
}

static const slicing synthesize_slices = {synthesize_stack, -1, 1};

/* ---- train ---- */

typedef struct seq2seq_settings {
    train_settings train;
    int32_t times, crops, depth, height, width;
    double rec_weight, cyc_weight, smooth_l1_beta, perceptual_weight;
} seq2seq_settings;

static const number train_rows[] = {
    TRAIN_NUMBERS(1, 1000, 2e-4, 0.999, 1, 1),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),
    SCHEDULE_NUMBERS(SCHEDULE_POLYNOMIAL, RATE_BY_EPOCH, 0, 1e-6),
    NUMBER_WHOLE(seq2seq_settings, times, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of source and target"),
    SIZE_NUMBERS(seq2seq_settings),
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

enum { SOURCE, TARGET, SOURCE_SEQUENCE, TARGET_SEQUENCE };
static const port train_inputs[] = {
    PORT_ROLE("source", IMAGE_AXES, SOURCE, "images of one sequence in [-1, 1]"),
    PORT_ROLE("target", IMAGE_AXES, TARGET, "the same images of another, or of the same"),
    PORT_INDEX("source_sequence", SOURCE_CONTRAST, "code_length", "index of the source's sequence"),
    PORT_INDEX("target_sequence", TARGET_CONTRAST, "code_length", "index of the target's sequence"),
};
static const port train_outputs[] = {
    PORT_LOSS("reconstruction", "smooth L1 of target and source made from source"),
    PORT_LOSS("cycle", "smooth L1 of the source made from the target made"),
    PORT_LOSS("perceptual", "perceptual distance of the same, by VGG19; 0: not computed"),
    PORT_LOSS("total", "the sum of the three, each times its weight"),
};

/* Checks that the weight is 0, or that the model has a perceptual network and the images are large enough for
 * it. */
static status check_perceptual(const seq2seq_options *o, const seq2seq_settings *s)
{
    const int32_t sides[] = {s->height, s->width};
    if (s->perceptual_weight == 0)
        return OK;
    if (o->perceptual_width == 0)
        return fail(ERR_ARGUMENT,
                    "setting perceptual_weight is %g, which needs a model made with option perceptual_width "
                    "(64), whose tensors vgg19.* are set",
                    s->perceptual_weight);
    for (int i = 0; i < 2; i++)
        if (sides[i] < VGG19_LEAST_SIDE)
            return fail(ERR_ARGUMENT, "setting %s is %d, a perceptual term needs at least %d",
                        i ? "width" : "height", (int)sides[i], VGG19_LEAST_SIDE);
    return OK;
}

static status train_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const seq2seq_options o = options_of(at.option);
    const seq2seq_settings s = train_of(at.setting);
    TRY(image_shape(&o, (extents){s.train.batch, s.times, s.depth, s.height, s.width}, real, &shape[SOURCE]));
    shape[TARGET] = shape[SOURCE];
    return check_perceptual(&o, &s);
}

static void train_build(task_graph *t)
{
    const seq2seq_options o = options_of(t->at.option);
    const seq2seq_settings s = train_of(t->at.setting);
    nn n = nn_of(t, ""), judge = nn_of(t, "vgg19.");
    const seq2seq_step step = {.source = seq2seq_images(t->g, &o, t->in[SOURCE]),
                               .target = seq2seq_images(t->g, &o, t->in[TARGET]),
                               .source_code = seq2seq_code(t->g, &o, t->in[SOURCE_SEQUENCE]),
                               .target_code = seq2seq_code(t->g, &o, t->in[TARGET_SEQUENCE]),
                               .times = s.times,
                               .rec_weight = s.rec_weight,
                               .cyc_weight = s.cyc_weight,
                               .beta = s.smooth_l1_beta,
                               .perceptual_weight = s.perceptual_weight,
                               .judge = &judge};
    const seq2seq_losses l = seq2seq_train(&n, &o, &step);
    t->out[0] = l.rec;
    t->out[1] = l.cyc;
    t->out[2] = l.perceptual;
    t->out[3] = l.total;
}

/* ---- samples from a set ---- */

/* As in synthesis; the crop of a slice is as large as the task's images. */
static stacking train_stack(numbers at)
{
    const seq2seq_settings s = train_of(at.setting);
    return stack_of(options_of(at.option), s.times == 1, s.depth);
}

static const slicing train_slices = {train_stack, -1, 1};
static const feeding train_feeding = STACK_PAIR_FEEDING;

/* ---- the method ---- */

static const method_task tasks[] = {
    {TASK(synthesize, "make images of any sequence from images of another"), .shapes = synthesize_shapes,
     .slices = &synthesize_slices, .metrics = &image_metrics},
    {TASK(train, "train on pairs of sequences, drawn from those that a subject has"), .trains = 1,
     .shapes = train_shapes, .slices = &train_slices, .feeding = &train_feeding},
};

const method method_seq2seq = {
    .name = "seq2seq",
    .title = "Seq2Seq: any MR sequence from any other, in 2D or 3D",
    .source =
        "Han et al., Synthesis-based imaging-differentiation representation learning for multi-sequence "
        "3D/4D MRI, Medical Image Analysis 92 (2024) 103044",
    .options = NUMBERS(options_rows),
    .presets = "base|small|tiny",
    .preset = fill_preset,
    .tensors = tensors,
    .tasks = tasks,
    .n_tasks = sizeof tasks / sizeof *tasks,
};
