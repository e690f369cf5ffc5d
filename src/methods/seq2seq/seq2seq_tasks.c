/* SPDX-License-Identifier: Apache-2.0 */
/* seq2seq_tasks.c - what the library knows of Seq2Seq: its options, synthesis, training, and how a set of
 * slices becomes samples. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/method.h"
#include "lib/random.h"
#include "methods/seq2seq/seq2seq.h"
#include "slmt/model.h"

/* ---- options ---- */

static const number options[] = {
    {"ndims", SLMT_NUMBER_WHOLE, 2, 2, 3, "spatial axes", NULL},
    {"channels", SLMT_NUMBER_WHOLE, 3, 1, 64, "channels of an image: adjacent slices, or 1", NULL},
    {"width_0", SLMT_NUMBER_WHOLE, 64, 1, 4096, "channels at full resolution", NULL},
    {"width_1", SLMT_NUMBER_WHOLE, 128, 1, 4096, "channels at half the resolution", NULL},
    {"width_2", SLMT_NUMBER_WHOLE, 256, 1, 4096, "channels at a quarter of the resolution", NULL},
    {"lstm_width", SLMT_NUMBER_WHOLE, 256, 1, 4096, "channels of the ConvLSTMs and of the decoder", NULL},
    {"residual_blocks", SLMT_NUMBER_WHOLE, 6, 0, 64, "residual blocks of the encoder, and of the decoder",
     NULL},
    {"code_length", SLMT_NUMBER_WHOLE, 64, 1, 1024, "sequences at most", NULL},
    {"bank", SLMT_NUMBER_WHOLE, 16, 1, 1024, "kernels that a hyper-convolution mixes", NULL},
    {"perceptual_width", SLMT_NUMBER_WHOLE, 0, 0, 1024,
     "width of a VGG19 that the model carries to judge images in training (torchvision's: 64); 0: none",
     NULL},
};

static seq2seq_options options_of(const double *v)
{
    return (seq2seq_options){.ndims = (int32_t)v[0],
                             .channels = (int32_t)v[1],
                             .width = {(int32_t)v[2], (int32_t)v[3], (int32_t)v[4]},
                             .lstm_width = (int32_t)v[5],
                             .residual_blocks = (int32_t)v[6],
                             .code_length = (int32_t)v[7],
                             .bank = (int32_t)v[8],
                             .perceptual = (int32_t)v[9]};
}

static status check(const double *option)
{
    (void)option;
    return OK; /* each range is all there is to an option */
}

static void tensors(params *p, const double *option)
{
    seq2seq_options o = options_of(option);
    seq2seq_params(p, &o);
}

/* ---- images ---- */

/* Settings of an image's size, the same for both tasks. */
#define SIZE_NUMBERS                                                                                         \
    {"height", SLMT_NUMBER_WHOLE, 192, 8, 8192, "rows of an image; a multiple of 4", NULL},                  \
        {"width", SLMT_NUMBER_WHOLE, 192, 8, 8192, "columns of an image; a multiple of 4", NULL},            \
    {                                                                                                        \
        "depth", SLMT_NUMBER_WHOLE, 32, 8, 8192, "slices of an image with ndims 3; a multiple of 4", NULL    \
    }

static double set(const double *setting, number_table t, const char *name)
{
    return number_of(t, setting, name);
}

static status image_shape(const seq2seq_options *o, number_table t, const double *setting, bk_dtype real,
                          const char *times, bk_shape *shape)
{
    static const char *const names[] = {"depth", "height", "width"};
    *shape = shape_of(
        real, 3,
        (const int64_t[]){(int64_t)set(setting, t, "batch"), (int64_t)set(setting, t, times), o->channels});
    for (int32_t i = 3 - o->ndims; i < 3; i++) {
        int64_t size = (int64_t)set(setting, t, names[i]);
        if (size % 4 != 0)
            return fail(ERR_ARGUMENT, "setting %s is %lld, expected a multiple of 4", names[i],
                        (long long)size);
        shape->dim[shape->rank++] = size;
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

static const number synthesize_settings[] = {
    {"batch", SLMT_NUMBER_WHOLE, 1, 1, 65536, "images computed together, at most", NULL},
    {"times", SLMT_NUMBER_WHOLE, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of the source", NULL},
    {"times_out", SLMT_NUMBER_WHOLE, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of the target", NULL},
    SIZE_NUMBERS,
};
static const number_table synthesize_table = NUMBERS(synthesize_settings);

#define IMAGE_AXES "batch,times,channels,(depth,)height,width"
#define INDEX_AXES "1"

static const port synthesize_inputs[] = {
    {"source", IMAGE_AXES, SLMT_TENSOR_FLOAT32, 0, "images of one sequence, any, in [-1, 1]", NULL},
    {"sequence", INDEX_AXES, SLMT_TENSOR_INT32, PORT_SHARED, "index of the sequence to make", "code_length"},
};
static const port synthesize_outputs[] = {
    {"target", IMAGE_AXES, SLMT_TENSOR_FLOAT32, 0, "images of that sequence in (-1, 1)", NULL},
};

static status synthesize_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    seq2seq_options o = options_of(at.option);
    shape[1] = index_shape();
    TRY(image_shape(&o, synthesize_table, at.setting, real, "times", &shape[0]));
    return image_shape(&o, synthesize_table, at.setting, real, "times_out", &shape[2]);
}

static void synthesize_build(task_graph *t)
{
    graph *g = t->g;
    seq2seq_options o = options_of(t->at.option);
    int64_t times = (int64_t)set(t->at.setting, synthesize_table, "times"),
            times_out = (int64_t)set(t->at.setting, synthesize_table, "times_out");
    nn n;
    status s = nn_open(&n, g, t->params, "", t->weights);
    if (s != OK) {
        graph_fail(g, s);
        return;
    }
    value latent = seq2seq_encode(&n, &o, to_channels_last(g, t->in[0], o.ndims), times);
    value y =
        seq2seq_decode(&n, &o, seq2seq_unroll(&n, latent, times_out), one_hot(g, t->in[1], o.code_length));
    t->out[0] = from_channels_last(g, y, o.ndims, times_out);
    nn_close(&n);
}

/* In 2D neighbouring slices are the channels (2.5D), in 3D they are the volume. */
static stacking synthesize_stack(numbers at)
{
    seq2seq_options o = options_of(at.option);
    if (set(at.setting, synthesize_table, "times") != 1 ||
        set(at.setting, synthesize_table, "times_out") != 1)
        return (stacking){0, 0};
    if (o.ndims == 2)
        return (stacking){o.channels, 0};
    return (stacking){o.channels == 1 ? (int32_t)set(at.setting, synthesize_table, "depth") : 0, 1};
}

static const slicing synthesize_slices = {synthesize_stack, -1, 1};

/* ---- train ---- */

static const number train_settings[] = {
    TRAIN_NUMBERS(1, 1000, 2e-4, 0.999, 1, 1),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),
    SCHEDULE_NUMBERS(SCHEDULE_POLYNOMIAL, RATE_BY_EPOCH, 0, 1e-6),
    {"times", SLMT_NUMBER_WHOLE, 1, 1, SEQ2SEQ_MAX_TIMES, "time points of source and target", NULL},
    SIZE_NUMBERS,
    {"crops", SLMT_NUMBER_WHOLE, 8, 1, 1000000, "samples of a subject in an epoch", NULL},
    {"rec_weight", SLMT_NUMBER_REAL, 10, 0, 1e9, "weight of the two reconstructions", NULL},
    {"cyc_weight", SLMT_NUMBER_REAL, 10, 0, 1e9, "weight of the way back", NULL},
    {"smooth_l1_beta", SLMT_NUMBER_REAL, 1, 1e-6, 1e6,
     "differences below are squared, above are taken as they are", NULL},
    {"perceptual_weight", SLMT_NUMBER_REAL, 0, 0, 1e9,
     "weight of VGG19's distances (the paper: 0.01); needs option perceptual_width and VGG19's weights",
     NULL},
};
static const number_table train_table = NUMBERS(train_settings);

enum { SOURCE, TARGET, SOURCE_SEQUENCE, TARGET_SEQUENCE, INPUTS };
static const port train_inputs[] = {
    {"source", IMAGE_AXES, SLMT_TENSOR_FLOAT32, 0, "images of one sequence in [-1, 1]", NULL},
    {"target", IMAGE_AXES, SLMT_TENSOR_FLOAT32, 0, "the same images of another, or of the same", NULL},
    {"source_sequence", INDEX_AXES, SLMT_TENSOR_INT32, PORT_SHARED, "index of the source's sequence",
     "code_length"},
    {"target_sequence", INDEX_AXES, SLMT_TENSOR_INT32, PORT_SHARED, "index of the target's sequence",
     "code_length"},
};
static const port train_outputs[] = {
    {"reconstruction", "", SLMT_TENSOR_FLOAT32, 0, "smooth L1 of target and source made from source", NULL},
    {"cycle", "", SLMT_TENSOR_FLOAT32, 0, "smooth L1 of the source made from the target made", NULL},
    {"perceptual", "", SLMT_TENSOR_FLOAT32, 0, "distance of the same, as VGG19 sees them; 0: not computed",
     NULL},
    {"total", "", SLMT_TENSOR_FLOAT32, 0, "the sum of the three, each times its weight", NULL},
};

/* The weight is 0, or there is a judge, and what it judges is large enough for it. */
static status check_perceptual(const seq2seq_options *o, const double *setting)
{
    double weight = set(setting, train_table, "perceptual_weight");
    if (weight == 0)
        return OK;
    if (o->perceptual == 0)
        return fail(ERR_ARGUMENT,
                    "setting perceptual_weight is %g, which needs a model made with option perceptual_width "
                    "(64), whose tensors vgg19.* are set",
                    weight);
    for (int i = 0; i < 2; i++) {
        static const char *const sides[] = {"height", "width"};
        if (set(setting, train_table, sides[i]) < VGG19_LEAST_SIDE)
            return fail(ERR_ARGUMENT, "setting %s is %g, a perceptual term needs at least %d", sides[i],
                        set(setting, train_table, sides[i]), VGG19_LEAST_SIDE);
    }
    return OK;
}

static status train_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    seq2seq_options o = options_of(at.option);
    TRY(image_shape(&o, train_table, at.setting, real, "times", &shape[SOURCE]));
    shape[TARGET] = shape[SOURCE];
    shape[SOURCE_SEQUENCE] = shape[TARGET_SEQUENCE] = index_shape();
    for (int i = 0; i < 4; i++)
        shape[INPUTS + i] = shape_of(real, 0, NULL);
    return check_perceptual(&o, at.setting);
}

static void train_build(task_graph *t)
{
    graph *g = t->g;
    const double *v = t->at.setting;
    seq2seq_options o = options_of(t->at.option);
    seq2seq_step step = {.source = to_channels_last(g, t->in[SOURCE], o.ndims),
                         .target = to_channels_last(g, t->in[TARGET], o.ndims),
                         .source_code = one_hot(g, t->in[SOURCE_SEQUENCE], o.code_length),
                         .target_code = one_hot(g, t->in[TARGET_SEQUENCE], o.code_length),
                         .times = (int64_t)set(v, train_table, "times"),
                         .rec_weight = set(v, train_table, "rec_weight"),
                         .cyc_weight = set(v, train_table, "cyc_weight"),
                         .beta = set(v, train_table, "smooth_l1_beta"),
                         .perceptual_weight = set(v, train_table, "perceptual_weight")};
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

/* ---- samples from a set ----
 *
 * A step has one pair of sequences, drawn from those of its first subject; s = t is allowed. Every sample is
 * a stack of neighbouring slices, cropped. */

typedef struct samples {
    uint32_t *subjects; /* of the training part, those with any sequence */
    uint32_t n;
    uint32_t *order; /* of an epoch's samples */
    uint64_t epoch;  /* UINT64_MAX: none yet */
    int32_t *code;   /* by contrast: its sequence's index */
    float *slice;
} samples;

static uint64_t epoch_samples(const feed *f, const samples *own)
{
    return (uint64_t)own->n * (uint64_t)set(f->at.setting, train_table, "crops");
}

static int64_t stack_height(const feed *f)
{
    seq2seq_options o = options_of(f->at.option);
    return o.ndims == 3 ? (int64_t)set(f->at.setting, train_table, "depth") : o.channels;
}

/* Places at which a stack of both contrasts can begin; 0: none. */
static int64_t stacks(const feed *f, uint32_t subject, size_t a, size_t b)
{
    size_t n = slmt_dataset_slice_count(f->set, subject, a), m = slmt_dataset_slice_count(f->set, subject, b);
    int64_t places = (int64_t)(n < m ? n : m) - stack_height(f) + 1;
    return places > 0 ? places : 0;
}

static int has_any(const feed *f, uint32_t subject)
{
    for (size_t c = 0; c < slmt_dataset_contrast_count(f->set); c++)
        if (stacks(f, subject, c, c) > 0)
            return 1;
    return 0;
}

/* Place of a name in a list joined by commas; -1: it is not there. */
static int32_t place_in_list(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (int32_t i = 0; *list; i++) {
        size_t n = strcspn(list, ",");
        if (n == length && strncmp(list, name, n) == 0)
            return i;
        list += n + (list[n] == ',');
    }
    return -1;
}

/* The model's card keeps the names of its sequences; the first set a model sees gives them. */
static status name_sequences(feed *f)
{
    char text[64 * 66] = "";
    size_t at = 0;
    if (slmt_model_card(f->model, "sequences")[0])
        return OK;
    for (size_t c = 0; c < slmt_dataset_contrast_count(f->set); c++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", c ? "," : "",
                               slmt_dataset_contrast(f->set, c));
    return slmt_model_set_card(f->model, "sequences", text);
}

static status find_codes(feed *f, samples *own)
{
    void *p;
    size_t n = slmt_dataset_contrast_count(f->set);
    int32_t most = options_of(f->at.option).code_length;
    if (n > (size_t)most)
        return fail(ERR_ARGUMENT, "the training set has %zu contrasts, the model's code_length is %d", n,
                    most);
    TRY(name_sequences(f));
    TRY(mem_array(f->mem, n, sizeof(int32_t), &p));
    own->code = p;
    for (size_t c = 0; c < n; c++) {
        own->code[c] =
            place_in_list(slmt_model_card(f->model, "sequences"), slmt_dataset_contrast(f->set, c));
        if (own->code[c] < 0)
            return fail(ERR_NOT_FOUND, "the training set has contrast %s, the model's sequences are %s",
                        slmt_dataset_contrast(f->set, c), slmt_model_card(f->model, "sequences"));
    }
    return OK;
}

static status list_subjects(feed *f, samples *own)
{
    void *p;
    size_t all = slmt_dataset_subject_count(f->set);
    TRY(mem_array(f->mem, all + 1, sizeof(uint32_t), &p));
    own->subjects = p;
    for (uint32_t s = 0; s < all; s++)
        if (slmt_dataset_subject_split(f->set, s) == SLMT_SPLIT_TRAIN && has_any(f, s))
            own->subjects[own->n++] = s;
    own->n = (uint32_t)floor(own->n * f->at.setting[TRAIN_DATA_RATE] + 1e-9);
    uint64_t n = epoch_samples(f, own);
    f->steps_in_epoch = n / (uint64_t)f->at.setting[TRAIN_BATCH];
    if (f->steps_in_epoch == 0 || n > UINT32_MAX)
        return fail(
            ERR_ARGUMENT,
            "the training set gives %llu samples an epoch (%u subjects with %lld neighbouring slices), a "
            "batch needs %d",
            (unsigned long long)n, own->n, (long long)stack_height(f), (int)f->at.setting[TRAIN_BATCH]);
    TRY(mem_array(f->mem, n, sizeof(uint32_t), &p));
    own->order = p;
    return OK;
}

static void feed_close(feed *f)
{
    samples *own = f->own;
    if (!own)
        return;
    mem_give(f->mem, own->subjects);
    mem_give(f->mem, own->order);
    mem_give(f->mem, own->code);
    mem_give(f->mem, own->slice);
    mem_give(f->mem, own);
    f->own = NULL;
}

static status check_run(const feed *f)
{
    seq2seq_options o = options_of(f->at.option);
    int32_t side = f->preprocess.image_size;
    if (f->source >= 0 || f->target >= 0)
        return fail(ERR_ARGUMENT,
                    "slmt_trainer_run: seq2seq draws sources and targets from all contrasts; name none");
    if (set(f->at.setting, train_table, "times") != 1 || (o.ndims == 3 && o.channels != 1))
        return fail(ERR_ARGUMENT, "slmt_trainer_run: a set has one time point and one channel; more are for "
                                  "slmt_trainer_step()");
    if (set(f->at.setting, train_table, "height") > side || set(f->at.setting, train_table, "width") > side)
        return fail(
            ERR_ARGUMENT, "settings height = %g and width = %g must fit into the training set's images, %d",
            set(f->at.setting, train_table, "height"), set(f->at.setting, train_table, "width"), side);
    return OK;
}

static status feed_open(feed *f)
{
    void *p;
    size_t side = (size_t)f->preprocess.image_size;
    TRY(check_run(f));
    TRY(mem_zeros(f->mem, 1, sizeof(samples), &p));
    samples *own = f->own = p;
    own->epoch = UINT64_MAX;
    TRY(mem_array(f->mem, side * side, sizeof(float), &p));
    own->slice = p;
    TRY(list_subjects(f, own));
    return find_codes(f, own);
}

/* A whole number below n. */
static int64_t below(random_stream *r, int64_t n)
{
    int64_t k = (int64_t)(random_uniform(r) * (double)n);
    return k < n ? k : n - 1;
}

typedef struct pair {
    size_t source, target; /* contrasts */
} pair;

static pair draw_pair(const feed *f, uint32_t subject, random_stream *r)
{
    size_t have[64], n = 0;
    for (size_t c = 0; c < slmt_dataset_contrast_count(f->set) && n < 64; c++)
        if (stacks(f, subject, c, c) > 0)
            have[n++] = c;
    pair p = {have[below(r, (int64_t)n)], have[below(r, (int64_t)n)]};
    return p;
}

/* The subject at a place of the epoch, or the next one that has both contrasts. */
static uint32_t subject_with(const feed *f, const samples *own, uint32_t place, pair p)
{
    for (uint32_t i = 0; i < own->n; i++) {
        uint32_t s = own->subjects[(place + i) % own->n];
        if (stacks(f, s, p.source, p.target) > 0)
            return s;
    }
    return own->subjects[place % own->n];
}

/* Where a sample lies: its first slice and its corner; `flip` reverses its rows. */
typedef struct crop {
    int64_t slice, row, column;
    int flip;
} crop;

static status read_stack(feed *f, uint32_t subject, size_t contrast, crop at, float *to)
{
    samples *own = f->own;
    int64_t side = f->preprocess.image_size, h = (int64_t)set(f->at.setting, train_table, "height"),
            w = (int64_t)set(f->at.setting, train_table, "width"), n = stack_height(f);
    for (int64_t z = 0; z < n; z++) {
        TRY(slmt_dataset_read(f->set, subject, contrast, (size_t)(at.slice + z), SLMT_RESIZE_BILINEAR,
                              own->slice));
        for (int64_t y = 0; y < h; y++)
            for (int64_t x = 0; x < w; x++) {
                int64_t column = at.column + (at.flip ? w - 1 - x : x);
                to[(z * h + y) * w + x] = 2 * own->slice[(at.row + y) * side + column] - 1;
            }
    }
    return OK;
}

static int is_background(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return fabs(sum / (double)n + 1) < 1e-8;
}

/* A crop whose source is background is drawn again, a few times. */
static status fill_one(feed *f, uint32_t subject, pair p, random_stream *r, float *source, float *target)
{
    enum { TRIES = 16 };
    int64_t side = f->preprocess.image_size, h = (int64_t)set(f->at.setting, train_table, "height"),
            w = (int64_t)set(f->at.setting, train_table, "width");
    crop at = {0, 0, 0, 0};
    for (int i = 0; i < TRIES; i++) {
        at = (crop){below(r, stacks(f, subject, p.source, p.target)), below(r, side - h + 1),
                    below(r, side - w + 1), 0};
        at.flip = f->at.setting[TRAIN_AUGMENT] != 0 && random_uniform(r) < 0.5;
        TRY(read_stack(f, subject, p.source, at, source));
        if (!is_background(source, (size_t)(h * w * stack_height(f))))
            break;
    }
    return read_stack(f, subject, p.target, at, target);
}

static status feed_fill(feed *f, uint64_t step, float *const *in)
{
    samples *own = f->own;
    uint64_t batch = (uint64_t)f->at.setting[TRAIN_BATCH], epoch = step / f->steps_in_epoch;
    size_t one =
        (size_t)(set(f->at.setting, train_table, "height") * set(f->at.setting, train_table, "width")) *
        (size_t)stack_height(f);
    if (own->epoch != epoch) {
        random_stream r = random_open(f->seed, random_purpose("order", epoch));
        random_permutation(&r, own->order, (uint32_t)epoch_samples(f, own));
        own->epoch = epoch;
    }
    const uint32_t *place = own->order + step % f->steps_in_epoch * batch;
    random_stream choice = random_open(f->seed, random_purpose("pair", step));
    pair p = draw_pair(f, own->subjects[place[0] % own->n], &choice);
    for (uint64_t i = 0; i < batch; i++) {
        random_stream r = random_open(f->seed, random_purpose("crop", step * batch + i));
        TRY(fill_one(f, subject_with(f, own, place[i] % own->n, p), p, &r, in[SOURCE] + i * one,
                     in[TARGET] + i * one));
    }
    int32_t code[2] = {own->code[p.source], own->code[p.target]};
    memcpy(in[SOURCE_SEQUENCE], &code[0], sizeof *code);
    memcpy(in[TARGET_SEQUENCE], &code[1], sizeof *code);
    return OK;
}

static const feeding train_feeding = {feed_open, feed_fill, feed_close};

/* ---- the method ---- */

static const method_task tasks[] = {
    {.name = "synthesize",
     .help = "make images of any sequence from images of another",
     .settings = NUMBERS(synthesize_settings),
     .inputs = PORTS(synthesize_inputs),
     .outputs = PORTS(synthesize_outputs),
     .shapes = synthesize_shapes,
     .build = synthesize_build,
     .slices = &synthesize_slices},
    {.name = "train",
     .help = "train on pairs of sequences, whichever a subject has",
     .trains = 1,
     .settings = NUMBERS(train_settings),
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
    .options = {options, sizeof options / sizeof *options},
    .check = check,
    .tensors = tensors,
    .tasks = tasks,
    .n_tasks = sizeof tasks / sizeof *tasks,
};
