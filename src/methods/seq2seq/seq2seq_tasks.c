/* SPDX-License-Identifier: Apache-2.0 */
/* seq2seq_tasks.c - Seq2Seq as a method of the library: its options, synthesis, training, and the sampling of
 * sets. */
#include <math.h>
#include <string.h>

#include "core/method.h"
#include "data/image_metrics.h"
#include "data/sampler/stack_pairs.h"
#include "methods/seq2seq/seq2seq.h"
#include "slmt/model.h"

/* ---- options ---- */

static const number options[] = {
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
static const number_table option_table = NUMBERS(options);

static seq2seq_options options_of(const double *option)
{
    seq2seq_options o;
    numbers_read(option_table, option, &o);
    return o;
}

/* The paper's sizes need a GPU; small learns in hours, tiny in minutes. What a preset leaves out is as in the
 * first. */
static void fill_preset(int32_t index, double *option)
{
    static const struct {
        int32_t channels, widths[3], lstm_width, residual_blocks, bank;
    } presets[] = {
        {3, {64, 128, 256}, 256, 6, 16}, {3, {32, 64, 128}, 96, 4, 8}, {1, {16, 32, 48}, 48, 2, 4}};
    numbers_init(option_table, option);
    seq2seq_options o = options_of(option);
    o.channels = presets[index].channels;
    memcpy(o.widths, presets[index].widths, sizeof o.widths);
    o.lstm_width = presets[index].lstm_width;
    o.residual_blocks = presets[index].residual_blocks;
    o.bank = presets[index].bank;
    numbers_write(option_table, &o, option);
}

static void tensors(params *p, const double *option)
{
    seq2seq_options o = options_of(option);
    seq2seq_params(p, &o);
}

/* ---- images ---- */

/* Settings of an image's size, the same for both tasks: member `size` of their structs. */
typedef struct image_size {
    int32_t depth, height, width;
} image_size;

/* clang-format off */
#define SIZE(type, member, role_, first, text)                                                               \
    {                                                                                                        \
        .name = #member, .kind = SLMT_NUMBER_WHOLE, .initial = first, .low = 8, .high = 8192,                \
        .help = text, .offset = offsetof(type, size) + offsetof(image_size, member),                         \
        .role = SLMT_ROLE_##role_                                                                            \
    }
#define SIZE_NUMBERS(type)                                                                                   \
    SIZE(type, height, HEIGHT, 192, "rows of an image; a multiple of 4"),                                    \
    SIZE(type, width, WIDTH, 192, "columns of an image; a multiple of 4"),                                   \
    SIZE(type, depth, DEPTH, 32, "slices of an image with ndims 3; a multiple of 4")
/* clang-format on */

static status image_shape(const seq2seq_options *o, const image_size *size, int64_t batch, int64_t times,
                          bk_dtype real, bk_shape *shape)
{
    static const char *const names[] = {"depth", "height", "width"};
    const int64_t extents[] = {size->depth, size->height, size->width};
    *shape = shape_of(real, 3, (const int64_t[]){batch, times, o->channels});
    for (int32_t i = 3 - o->ndims; i < 3; i++) {
        if (extents[i] % 4 != 0)
            return fail(ERR_ARGUMENT, "setting %s is %lld, expected a multiple of 4", names[i],
                        (long long)extents[i]);
        shape->dim[shape->rank++] = extents[i];
    }
    return OK;
}

/* [B,T,C,S...] -> [T*B,S...,C] */
static value to_channels_last(graph *g, value x, int32_t ndims)
{
    int axes[BK_MAX_RANK] = {1, 0};
    int64_t dim[BK_MAX_RANK] = {-1};
    for (int32_t i = 0; i < ndims; i++) {
        axes[2 + i] = 3 + i;
        dim[1 + i] = graph_dim(g, x, 3 + i);
    }
    axes[2 + ndims] = 2;
    dim[1 + ndims] = graph_dim(g, x, 2);
    return op_reshape(g, op_transpose(g, x, axes), ndims + 2, dim);
}

/* [T*B,S...,C] -> [B,T,C,S...] */
static value from_channels_last(graph *g, value x, int32_t ndims, int64_t times)
{
    int axes[BK_MAX_RANK] = {1, 0, 2 + ndims};
    int64_t dim[BK_MAX_RANK] = {times, -1};
    for (int32_t i = 0; i <= ndims; i++)
        dim[2 + i] = graph_dim(g, x, 1 + i);
    for (int32_t i = 0; i < ndims; i++)
        axes[3 + i] = 2 + i;
    return op_transpose(g, op_reshape(g, x, ndims + 3, dim), axes);
}

/* index [1] -> the one-hot code [1,L] */
static value one_hot(graph *g, value index, int32_t length)
{
    void *p;
    status s = mem_zeros(g->mem, (size_t)length * (size_t)length, sizeof(double), &p);
    if (s != OK)
        return graph_fail(g, s);
    for (int32_t i = 0; i < length; i++)
        ((double *)p)[(size_t)i * (size_t)length + (size_t)i] = 1;
    value all = graph_constant(g, shape_of(g->real, 3, (const int64_t[]){1, length, length}), p);
    mem_give(g->mem, p);
    return op_view(g, op_gather(g, all, op_view(g, index, 2, 1, 1)), 2, 1, length);
}

static bk_shape index_shape(void)
{
    return shape_of(BK_I32, 1, (const int64_t[]){1});
}

/* ---- synthesize ---- */

typedef struct synthesize_settings {
    int32_t batch, times, times_out;
    image_size size;
} synthesize_settings;

static const number synthesize_rows[] = {
    NUMBER_ROLE(synthesize_settings, batch, BATCH, 1, 1, 65536, "images computed together, at most"),
    NUMBER_WHOLE(synthesize_settings, times, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of the source"),
    NUMBER_WHOLE(synthesize_settings, times_out, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of the target"),
    SIZE_NUMBERS(synthesize_settings),
};
static const number_table synthesize_table = NUMBERS(synthesize_rows);

static synthesize_settings synthesize_of(const double *setting)
{
    synthesize_settings s;
    numbers_read(synthesize_table, setting, &s);
    return s;
}

#define IMAGE_AXES "batch,times,channels,(depth,)height,width"

static const port synthesize_inputs[] = {
    PORT_ROLE("source", IMAGE_AXES, SOURCE, "images of one sequence, any, in [-1, 1]"),
    PORT_INDEX("sequence", TARGET_CONTRAST, "code_length", "index of the sequence to make"),
};
static const port synthesize_outputs[] = {
    PORT_ROLE("target", IMAGE_AXES, TARGET, "images of that sequence in (-1, 1)"),
};

static status synthesize_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    seq2seq_options o = options_of(at.option);
    synthesize_settings s = synthesize_of(at.setting);
    shape[1] = index_shape();
    TRY(image_shape(&o, &s.size, s.batch, s.times, real, &shape[0]));
    return image_shape(&o, &s.size, s.batch, s.times_out, real, &shape[2]);
}

static void synthesize_build(task_graph *t)
{
    graph *g = t->g;
    seq2seq_options o = options_of(t->at.option);
    synthesize_settings set = synthesize_of(t->at.setting);
    nn n;
    status s = nn_open(&n, g, t->params, "", t->weights);
    if (s != OK) {
        graph_fail(g, s);
        return;
    }
    value latent = seq2seq_encode(&n, &o, to_channels_last(g, t->in[0], o.ndims), set.times);
    value y = seq2seq_decode(&n, &o, seq2seq_unroll(&n, latent, set.times_out),
                             one_hot(g, t->in[1], o.code_length));
    t->out[0] = from_channels_last(g, y, o.ndims, set.times_out);
    nn_close(&n);
}

/* In 2D neighbouring slices are the channels (2.5D), in 3D they are the volume. */
static stacking synthesize_stack(numbers at)
{
    seq2seq_options o = options_of(at.option);
    synthesize_settings s = synthesize_of(at.setting);
    if (s.times != 1 || s.times_out != 1)
        return (stacking){0, 0};
    if (o.ndims == 2)
        return (stacking){o.channels, 0};
    return (stacking){o.channels == 1 ? s.size.depth : 0, 1};
}

static const slicing synthesize_slices = {synthesize_stack, -1, 1};

/* ---- train ---- */

typedef struct seq2seq_settings {
    train_settings train;
    int32_t times, crops;
    image_size size;
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
static const number_table train_table = NUMBERS(train_rows);

static seq2seq_settings train_of(const double *setting)
{
    seq2seq_settings s;
    numbers_read(train_table, setting, &s);
    return s;
}

enum { SOURCE, TARGET, SOURCE_SEQUENCE, TARGET_SEQUENCE, INPUTS };
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
    const int32_t sides[] = {s->size.height, s->size.width};
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
    seq2seq_options o = options_of(at.option);
    seq2seq_settings s = train_of(at.setting);
    TRY(image_shape(&o, &s.size, s.train.batch, s.times, real, &shape[SOURCE]));
    shape[TARGET] = shape[SOURCE];
    shape[SOURCE_SEQUENCE] = shape[TARGET_SEQUENCE] = index_shape();
    for (int i = 0; i < 4; i++)
        shape[INPUTS + i] = shape_of(real, 0, NULL);
    return check_perceptual(&o, &s);
}

static void train_build(task_graph *t)
{
    graph *g = t->g;
    seq2seq_options o = options_of(t->at.option);
    seq2seq_settings set = train_of(t->at.setting);
    seq2seq_step step = {.source = to_channels_last(g, t->in[SOURCE], o.ndims),
                         .target = to_channels_last(g, t->in[TARGET], o.ndims),
                         .source_code = one_hot(g, t->in[SOURCE_SEQUENCE], o.code_length),
                         .target_code = one_hot(g, t->in[TARGET_SEQUENCE], o.code_length),
                         .times = set.times,
                         .rec_weight = set.rec_weight,
                         .cyc_weight = set.cyc_weight,
                         .beta = set.smooth_l1_beta,
                         .perceptual_weight = set.perceptual_weight};
    nn n, judge;
    status s = nn_open(&n, g, t->params, "", t->weights);
    if (s == OK && (s = nn_open(&judge, g, t->params, "vgg19.", t->weights)) != OK)
        nn_close(&n);
    if (s != OK) {
        graph_fail(g, s);
        return;
    }
    step.judge = &judge;
    seq2seq_losses l = seq2seq_train(&n, &o, &step);
    t->out[0] = l.rec;
    t->out[1] = l.cyc;
    t->out[2] = l.perceptual;
    t->out[3] = l.total;
    nn_close(&judge);
    nn_close(&n);
}

/* ---- samples from a set ---- */

/* A sample is a stack of neighbouring slices, cropped: the channels in 2D, the volume in 3D. */
static status train_stacks(numbers at, stack_shape *shape)
{
    seq2seq_options o = options_of(at.option);
    seq2seq_settings s = train_of(at.setting);
    if (s.times != 1 || (o.ndims == 3 && o.channels != 1))
        return fail(ERR_ARGUMENT, "slmt_trainer_run: a set has one time point and one channel; more are for "
                                  "slmt_trainer_step()");
    *shape = (stack_shape){.slices = o.ndims == 3 ? s.size.depth : o.channels,
                           .rows = s.size.height,
                           .columns = s.size.width,
                           .crops = s.crops,
                           .most_sequences = o.code_length};
    return OK;
}

static const stack_rule train_rule = {train_stacks, {SOURCE, TARGET, SOURCE_SEQUENCE, TARGET_SEQUENCE}};
static const feeding train_feeding = STACK_PAIR_FEEDING(&train_rule);

/* ---- the method ---- */

static const method_task tasks[] = {
    {.name = "synthesize",
     .help = "make images of any sequence from images of another",
     .settings = NUMBERS(synthesize_rows),
     .inputs = PORTS(synthesize_inputs),
     .outputs = PORTS(synthesize_outputs),
     .shapes = synthesize_shapes,
     .build = synthesize_build,
     .slices = &synthesize_slices,
     .metrics = &image_metrics},
    {.name = "train",
     .help = "train on pairs of sequences, drawn from those that a subject has",
     .trains = 1,
     .settings = NUMBERS(train_rows),
     .inputs = PORTS(train_inputs),
     .outputs = PORTS(train_outputs),
     .shapes = train_shapes,
     .build = train_build,
     .feeding = &train_feeding},
};

const method method_seq2seq = {
    .name = "seq2seq",
    .title = "Seq2Seq: any MR sequence from any other, in 2D or 3D",
    .source =
        "Han et al., Synthesis-based imaging-differentiation representation learning for multi-sequence "
        "3D/4D MRI, Medical Image Analysis 92 (2024) 103044",
    .options = NUMBERS(options),
    .presets = "base|small|tiny",
    .preset = fill_preset,
    .tensors = tensors,
    .tasks = tasks,
    .n_tasks = sizeof tasks / sizeof *tasks,
};
