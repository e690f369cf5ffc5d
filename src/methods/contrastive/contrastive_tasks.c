/* SPDX-License-Identifier: Apache-2.0 */
/* contrastive_tasks.c - contrastive pre-training as a method of the library: the global and the local loss,
 * fine-tuning, labelling. */
#include "data/sampler/labelled_slices.h"
#include "methods/contrastive/pretrain.h"

/* ---- options ---- */

static const number options_rows[] = {
    NUMBER_ROLE(contrastive_options, channels, CONTRASTS, 1, 1, 64, "contrasts of an image, each a channel"),
    NUMBER_TEXT(contrastive_options, classes, "0,1", SEGMENT_PATTERN,
                "the value of each class in label maps, rising, the background first: 0,1,2,4; each may "
                "have a name, 1=oedema"),
    NUMBER_CHOICE(contrastive_options, normalize, 0, 1, "off|on",
                  "whether each image is brought to mean 0 and standard deviation 1 where it is not 0, which "
                  "takes the views' brightness away"),
    NUMBER_LIST(contrastive_options, widths, "16,32,64,128,128,128", 1, 1024, NULL,
                "channels of each level of the encoder"),
    NUMBER_ROLE(contrastive_options, image_size, SIDE, 192, 32, 1024, "rows and columns of a slice"),
    NUMBER_WHOLE(contrastive_options, blocks, 3, 1, CONTRASTIVE_BLOCKS,
                 "blocks of the decoder that the local loss trains"),
    NUMBER_WHOLE(contrastive_options, hidden, 1024, 1, 65536,
                 "width of the hidden layer behind the encoder in the global loss"),
    NUMBER_WHOLE(contrastive_options, embedding, 128, 1, 65536, "numbers of an embedding in the global loss"),
    NUMBER_WHOLE(contrastive_options, dense, 128, 0, 65536,
                 "numbers that a region of 3x3 is mapped to in the local loss; 0: it is used as it is"),
};
NUMBERS_OF(contrastive_options, options)

static void tensors(params *p, const double *option)
{
    const contrastive_options o = options_of(option);
    contrastive_tensors(p, &o);
}

/* ---- segment ---- */

static value forward(nn *n, const double *option, value x, value *auxiliary)
{
    const contrastive_options o = options_of(option);
    (void)auxiliary;
    return contrastive_forward(n, &o, x);
}

static const segment_network network = {forward, INIT_HE, NULL};
static const number segment_rows[] = {NUMBER_BATCH("images computed together, at most")};

static void labels_build(task_graph *t)
{
    segment_build(t, &network);
}

/* ---- encode ---- */

static const number encode_rows[] = {NUMBER_BATCH("images computed together, at most")};
static const port encode_outputs[] = {
    PORT_REAL("features", "batch,features", "what the encoder makes of an image, pixel by pixel"),
};

static status encode_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const contrastive_options o = options_of(at.option);
    (void)real;
    shape[1].dim[1] = contrastive_cells(&o) * o.widths[CONTRASTIVE_BLOCKS];
    return OK;
}

/* Input 0 with its channels last. */
static value image_of(task_graph *t, const contrastive_options *o)
{
    value x = op_permute(t->g, t->in[0], 0, 2, 3, 1);
    return o->normalize ? segment_normalized(t->g, x) : x;
}

static void encode_build(task_graph *t)
{
    const contrastive_options o = options_of(t->at.option);
    nn n = nn_of(t, "");
    contrastive_levels l = contrastive_encoder(&n, &o, image_of(t, &o));
    t->out[0] =
        op_view(t->g, l.at[CONTRASTIVE_BLOCKS], 2, -1, contrastive_cells(&o) * o.widths[CONTRASTIVE_BLOCKS]);
}

/* ---- pre-training ---- */

/* clang-format off */
#define PRETRAIN_NUMBERS(batch_, recompute_)                                                                 \
    TRAIN_NUMBERS(batch_, 100, 1e-3, 0.999, 1, recompute_),                                                  \
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),                                                                    \
    SCHEDULE_NUMBERS(SCHEDULE_CONSTANT, RATE_BY_STEP, 0, 0),                                                 \
    NUMBER_WHOLE(pretrain_settings, steps, 100, 1, 1000000, "steps of an epoch"),                            \
    NUMBER_WHOLE(pretrain_settings, partitions, 4, 2, 1024,                                                  \
                 "parts of equal length that the slices of a volume are divided into"),                      \
    NUMBER_CHOICE(pretrain_settings, reference_scale, 0, 1, "off|on",                                        \
                  "whether the loss is as many times the mean of its terms as in the authors' code"),        \
    NUMBER_REAL(pretrain_settings, temperature, 0.1, 1e-3, 1e3, "similarities are divided by this"),         \
    NUMBER_REAL(pretrain_settings, brightness, 0.3, 0, 10, "up to so much is added to a view, or taken off"),\
    NUMBER_REAL(pretrain_settings, contrast, 0.3, 0, 1,                                                      \
                "a view's contrast is multiplied by a number that differs from 1 by up to so much")
/* clang-format on */

static const port pretrain_inputs[] = {
    PORT_ROLE("images", "batch,views,channels,height,width", SOURCE, "views of slices"),
};
static const port pretrain_outputs[] = {PORT_LOSS("loss", "mean of the terms, or as reference_scale says")};

/* The functions of a stage, from those of pretrain.h. */
#define STAGE(name)                                                                                          \
    NUMBERS_OF(pretrain_settings, name)                                                                      \
    static status name##_shapes(numbers at, bk_dtype real, bk_shape *shape)                                  \
    {                                                                                                        \
        const contrastive_options o = options_of(at.option);                                                 \
        const pretrain_settings s = name##_of(at.setting);                                                   \
        (void)real;                                                                                          \
        return name##_views_of(&o, &s, &shape[0].dim[1]);                                                    \
    }                                                                                                        \
    static view_plan name##_plan(numbers at)                                                                 \
    {                                                                                                        \
        const pretrain_settings s = name##_of(at.setting);                                                   \
        return name##_view_plan(&s);                                                                         \
    }                                                                                                        \
    static void name##_build(task_graph *t)                                                                  \
    {                                                                                                        \
        const contrastive_options o = options_of(t->at.option);                                              \
        const pretrain_settings s = name##_of(t->at.setting);                                                \
        t->out[0] = name##_stage(t, &o, &s);                                                                 \
    }                                                                                                        \
    static const view_rule name##_rule = {name##_plan};                                                      \
    static const feeding name##_feeding = VIEW_FEEDING(&name##_rule);

/* ---- global: the encoder ---- */

static const number global_rows[] = {
    PRETRAIN_NUMBERS(12, SLMT_RECOMPUTE_CHEAP),
    NUMBER_CHOICE(
        pretrain_settings, strategy, GLOBAL_GD, 3, "gr|gd-minus|gd|gd4",
        "gr: views of one slice are near; gd-minus: those of other partitions are far; gd: slices of "
        "one partition in two volumes are near; gd4: with two views of each"),
    NUMBER_WHOLE(pretrain_settings, crop, 100, 1, 1024, "rows and columns of the part that a view shows"),
    NUMBER_WHOLE(pretrain_settings, crop_first, 10, 0, 1023,
                 "first row and column that such a part begins at"),
    NUMBER_WHOLE(pretrain_settings, crop_last, 69, 0, 1023, "last row and column that such a part begins at"),
};
STAGE(global)
static const param_set global_sets[] = {{"encoder", "enc_|reg_", NULL, 0}};

/* ---- local: the first blocks of the decoder ---- */

static const number local_rows[] = {
    PRETRAIN_NUMBERS(10, SLMT_RECOMPUTE_CHEAP),
    NUMBER_CHOICE(pretrain_settings, strategy, LOCAL_LR, 1, "lr|ld",
                  "lr: the same region of two views is near; ld: also that of other volumes"),
    NUMBER_CHOICE(pretrain_settings, region, 0, 1, "3x3|1x1", "pixels of a region of the feature map"),
    NUMBER_CHOICE(pretrain_settings, negatives, NEGATIVES_PAPER, 3, "paper|four|five|all",
                  "how many other regions of each map are far; paper: five with lr, four with ld"),
};
STAGE(local)
static const param_set local_sets[] = {{"encoder", "enc_", NULL, SET_FIXED},
                                       {"decoder", "dec_|local.", NULL, 0}};

/* ---- finetune: the whole network ---- */

typedef struct finetune_settings {
    train_settings train;
    int32_t steps, loss, intensity;
    double bend;
    char labels[65];
} finetune_settings;

enum { LOSS_DICE, LOSS_FOREGROUND, LOSS_CROSS_ENTROPY };

static const number finetune_rows[] = {
    TRAIN_NUMBERS(20, 100, 1e-3, 0.999, 1, SLMT_RECOMPUTE_NOTHING),
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),
    SCHEDULE_NUMBERS(SCHEDULE_CONSTANT, RATE_BY_STEP, 0, 0),
    NUMBER_WHOLE(finetune_settings, steps, 100, 1, 1000000, "steps of an epoch"),
    NUMBER_TEXT(finetune_settings, labels, "", "[A-Za-z0-9_-]*",
                "which of the set's label maps is learnt; not needed if it has one"),
    NUMBER_CHOICE(finetune_settings, loss, LOSS_DICE, 2, "dice|dice-foreground|cross-entropy",
                  "1 - Dice, the same without the first class, or cross-entropy, in which the first class "
                  "weighs 0.1 and the others share 0.9"),
    NUMBER_REAL(finetune_settings, bend, 5, 0, 1e3,
                "slices are bent by displacements of this standard deviation, in pixels; 0: not at all"),
    NUMBER_CHOICE(finetune_settings, intensity, 1, 1, "off|on",
                  "whether slices change in contrast or brightness; the authors' code never does it"),
};
NUMBERS_OF(finetune_settings, finetune)

static const port finetune_inputs[] = {
    PORT_ROLE("image", "batch,channels,height,width", SOURCE,
              "images, a channel for each contrast, in the order of the model's contrasts"),
    PORT_ROLE("target", "batch,classes,height,width", PROBABILITIES, "the share of each class in each pixel"),
};
static const port finetune_outputs[] = {PORT_LOSS("loss", "as the setting loss says")};

static status finetune_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const segment_options o = segment_options_of(at.option);
    (void)real;
    shape[1].dim[1] = segment_classes(&o);
    return OK;
}

static void finetune_build(task_graph *t)
{
    graph *g = t->g;
    const contrastive_options o = options_of(t->at.option);
    const int32_t loss = finetune_of(t->at.setting).loss;
    nn n = nn_of(t, "");
    n.statistics = NORM_UPDATE;
    value logits = contrastive_forward(&n, &o, image_of(t, &o)), target = op_permute(g, t->in[1], 0, 2, 3, 1);
    t->out[0] = loss == LOSS_CROSS_ENTROPY
                    ? weighted_cross_entropy(g, logits, target)
                    : overlap_loss(g, op_softmax(g, logits), target, loss == LOSS_FOREGROUND);
}

static int32_t class_values(numbers at, int32_t *values)
{
    const segment_options o = segment_options_of(at.option);
    return segment_values(&o, values);
}

static labelled_plan finetune_plan(numbers at)
{
    const finetune_settings s = finetune_of(at.setting);
    return (labelled_plan){.bend = s.bend, .intensity = s.intensity, .steps = s.steps};
}

static const param_set finetune_sets[] = {{"network", "enc_|dec_|seg_", NULL, 0}};
static const labelled_rule finetune_rule = {class_values, finetune_plan, "labels"};
static const feeding finetune_feeding = LABELLED_FEEDING(&finetune_rule);

/* ---- the method ---- */

#define PRETRAINING(name_, text)                                                                             \
    .name = #name_, .help = text, .trains = 1, .settings = NUMBERS(name_##_rows),                            \
    .inputs = PORTS(pretrain_inputs), .outputs = PORTS(pretrain_outputs), .shapes = name_##_shapes,          \
    .build = name_##_build, SETS(name_##_sets), .feeding = &name_##_feeding

static const method_task tasks[] = {
    {.name = "segment",
     .help = "say of every pixel of an image which class it belongs to",
     .settings = NUMBERS(segment_rows),
     .inputs = {segment_inputs_2d, 1},
     .outputs = {segment_outputs_2d, 2},
     .shapes = segment_shapes,
     .build = labels_build,
     .metrics = &label_metrics},
    {TASK(encode,
          "give the encoder's features of an image, in which slices of one anatomy are near each other"),
     .inputs = {segment_inputs_2d, 1}, .outputs = PORTS(encode_outputs), .shapes = encode_shapes},
    {PRETRAINING(global, "train the encoder without labels, on where in a volume slices lie")},
    {PRETRAINING(local, "train the first blocks of the decoder without labels, on regions of slices")},
    {TASK(finetune, "train the whole network on few slices with labels"), .trains = 1,
     .inputs = PORTS(finetune_inputs), .outputs = PORTS(finetune_outputs), .shapes = finetune_shapes,
     SETS(finetune_sets), .feeding = &finetune_feeding},
};

const method method_contrastive = {
    .name = "contrastive",
    .title = "Contrastive pre-training: a U-Net that labels pixels, of few labels",
    .source = "Chaitanya et al., Contrastive learning of global and local features for medical image "
              "segmentation with limited annotations, NeurIPS 2020",
    .options = NUMBERS(options_rows),
    .check = segment_check,
    .tensors = tensors,
    TASKS(tasks),
};
