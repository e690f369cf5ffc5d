/* SPDX-License-Identifier: Apache-2.0 */
/* segmentation.c - what the networks that label every pixel have in common. */
#include "methods/segmentation/segmentation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runner.h"
#include "data/label_objects.h"
#include "data/label_values.h"
#include "data/label_weights.h"
#include "data/sampler/patches.h"
#include "nn/losses.h"
#include "slmt/trainer.h"

/* ---- options ---- */

static const number common_rows[] = {SEGMENT_OPTIONS(16)};
NUMBERS_OF(segment_options, common)

segment_options segment_options_of(const double *option)
{
    return common_of(option);
}

int32_t segment_values(const segment_options *o, int32_t values[SEGMENT_CLASSES])
{
    return label_values(o->classes, values, SEGMENT_CLASSES);
}

int64_t segment_classes(const segment_options *o)
{
    int64_t count = 1;
    for (const char *p = o->classes; *p; p++)
        count += *p == ',';
    return count;
}

status segment_check(const double *option)
{
    const segment_options o = common_of(option);
    int32_t values[SEGMENT_CLASSES], n = segment_values(&o, values);
    if (segment_classes(&o) > SEGMENT_CLASSES)
        return fail(ERR_ARGUMENT, "option classes has more than %d values", SEGMENT_CLASSES);
    if (n < 2)
        return fail(ERR_ARGUMENT, "option classes is \"%s\", expected two values or more", o.classes);
    for (int32_t i = 1; i < n; i++)
        if (values[i] <= values[i - 1])
            return fail(ERR_ARGUMENT, "option classes has %d behind %d, expected rising values", values[i],
                        values[i - 1]);
    return OK;
}

void segment_tensors(params *p, const double *option, const segment_network *f)
{
    nn_listing l;
    value auxiliary;
    nn n = nn_list(&l, p, f->init);
    f->forward(&n, option, NONE, &auxiliary);
}

/* ---- images ---- */

value segment_normalized(graph *g, value x)
{
    int64_t size[BK_MAX_SPACE];
    uint32_t space = ((1u << nn_size(g, x, size)) - 1) << 1;
    value inside = op_not(g, op_equal(g, x, op_number(g, 0)));
    value count = op_maximum(g, op_sum(g, inside, space), op_number(g, 1));
    value mean = op_div(g, op_sum(g, x, space), count);
    value off = op_mul(g, op_sub(g, x, mean), inside);
    value variance = op_div(g, op_sum(g, op_mul(g, off, off), space), count);
    return op_div(g, off, op_sqrt(g, op_affine(g, variance, 1, 1e-8)));
}

static int axes_of(const task_graph *t, const segment_network *f)
{
    return f->axes ? f->axes(t->at.option) : 2;
}

static int is_volume(const task_graph *t)
{
    return t->g->error == OK && graph_shape(t->g, t->in[0])->rank == 5;
}

/* Input 0 with its channels last. A network of slices takes those of a volume as a batch. */
static value image_of(task_graph *t, const segment_network *f)
{
    graph *g = t->g;
    value x = t->in[0];
    if (!is_volume(t))
        x = op_permute(g, x, 0, 2, 3, 1);
    else {
        x = op_permute(g, x, 0, 2, 3, 4, 1);
        if (axes_of(t, f) == 2)
            x = op_view(g, x, 4, -1, graph_dim(g, x, 2), graph_dim(g, x, 3), graph_dim(g, x, 4));
    }
    return segment_options_of(t->at.option).normalize ? segment_normalized(g, x) : x;
}

value segment_logits(task_graph *t, const segment_network *f, nn *n, value *auxiliary)
{
    return f->forward(n, t->at.option, image_of(t, f), auxiliary);
}

static value logits_of(task_graph *t, const segment_network *f, norm_statistics from, int drops,
                       value *auxiliary)
{
    nn n = nn_of(t, "");
    n.statistics = from;
    n.dropout = drops ? t : NULL;
    return segment_logits(t, f, &n, auxiliary);
}

/* ---- segment ---- */

#define IMAGE_HELP  SEGMENT_IMAGE_HELP
#define LABELS_HELP "the index of each pixel's class in the option classes"
#define TRUTH_HELP  SEGMENT_TRUTH_HELP

const port segment_inputs_2d[1] = {PORT_ROLE("image", "batch,channels,height,width", SOURCE, IMAGE_HELP)};
const port segment_inputs_3d[1] = {
    PORT_ROLE("image", "batch,channels,depth,height,width", SOURCE, IMAGE_HELP)};

#define PORT_LABELS        SEGMENT_PORT_LABELS
#define PROBABILITIES_HELP "the probability of each class"

const port segment_outputs_2d[2] = {
    PORT_LABELS("batch,height,width", LABELS_HELP),
    PORT_ROLE("probabilities", "batch,classes,height,width", PROBABILITIES, PROBABILITIES_HELP),
};
const port segment_outputs_3d[2] = {
    PORT_LABELS("batch,depth,height,width", LABELS_HELP),
    PORT_ROLE("probabilities", "batch,classes,depth,height,width", PROBABILITIES, PROBABILITIES_HELP),
};

#define EXTENTS SEGMENT_EXTENTS
#define DEPTH   SEGMENT_DEPTH

const number segment_rows_2d[SEGMENT_ROWS_2d] = {NUMBER_BATCH("images computed together, at most"), EXTENTS};
const number segment_rows_3d[SEGMENT_ROWS_3d] = {NUMBER_BATCH("images computed together, at most"), DEPTH,
                                                 EXTENTS};

/* Output 1 has an axis for classes, which no number counts. */
status segment_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const segment_options o = common_of(at.option);
    (void)real;
    shape[2].dim[1] = segment_classes(&o);
    return OK;
}

/* Probabilities with their classes last, in the order of a task's tensors. */
static value classes_first(task_graph *t, value p)
{
    graph *g = t->g;
    if (g->error != OK)
        return NONE;
    if (!is_volume(t))
        return op_permute(g, p, 0, 3, 1, 2);
    const bk_shape *s = graph_shape(g, t->in[0]);
    p = op_view(g, p, 5, -1, s->dim[2], s->dim[3], s->dim[4], graph_dim(g, p, -1));
    return op_permute(g, p, 0, 4, 1, 2, 3);
}

void segment_build(task_graph *t, const segment_network *f)
{
    value logits = logits_of(t, f, NORM_RUNNING, 0, NULL);
    t->out[1] = classes_first(t, op_softmax(t->g, logits));
    t->out[0] = op_argmax(t->g, t->out[1], 1);
}

/* ---- train ---- */

typedef struct segment_settings {
    train_settings train;
    int32_t crops, ignored_value, dropout;
    char labels[65], class_weights[256];
    double cross_entropy, dice, focal, hard, lovasz, generalized_dice, tversky;
    double border_weight, border_sd;
    double label_smoothing, smooth, focal_gamma, hard_threshold, false_positives, tversky_power;
    int32_t dice_squared, dice_batch;
    int32_t dice_background;
} segment_settings;

#define WEIGHT(member, first, text)                                                                          \
    NUMBER_REAL(segment_settings, member, first, 0, 1e6, "weight of " text " in the loss")

#define WEIGHT_FORM "[0-9.]+(e[+-]?[0-9]+)?"

/* clang-format off */
#define TRAIN_ROWS                                                                                           \
    TRAIN_NUMBERS(8, 50, 1e-3, 0.999, 1, SLMT_RECOMPUTE_NOTHING),                                            \
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),                                                                    \
    SCHEDULE_NUMBERS(SCHEDULE_POLYNOMIAL, RATE_BY_STEP, 0, 0),                                               \
    NUMBER_ROLE(segment_settings, crops, CROPS, 8, 1, 1000000, "crops of a subject in an epoch"),            \
    NUMBER_TEXT(segment_settings, labels, "", "[A-Za-z0-9_-]*",                                              \
                "which of the set's label maps is learnt; not needed if it has one"),                        \
    NUMBER_WHOLE(segment_settings, ignored_value, 255, -16777216, 16777216,                                  \
                 "value in label maps of pixels that do not count"),                                         \
    NUMBER_CHOICE(segment_settings, dropout, 1, 1, "off|on", "whether the network's dropout is done"),       \
    WEIGHT(cross_entropy, 1, "the cross-entropy"),                                                           \
    WEIGHT(dice, 1, "the Dice loss"),                                                                        \
    WEIGHT(focal, 0, "the focal loss (Lin et al. 2017)"),                                                    \
    WEIGHT(hard, 0, "the cross-entropy of the hardest pixels, the worst sixteenth at least"),                \
    WEIGHT(lovasz, 0, "the Lovasz extension of the Jaccard index (Berman et al. 2018)"),                     \
    WEIGHT(generalized_dice, 0, "the generalised Dice loss (Sudre et al. 2017)"),                            \
    WEIGHT(tversky, 0, "the Tversky loss (Salehi et al. 2017)"),                                             \
    NUMBER_TEXT(segment_settings, class_weights, "", "median|(" WEIGHT_FORM "(," WEIGHT_FORM ")*)?",         \
                "a weight for each class in the cross-entropy, 0.1,1,1; empty: all 1; median: the median "   \
                "frequency of classes in the crops of an epoch over that of the class (Eigen and Fergus "    \
                "2015)"),                                                                                    \
    NUMBER_REAL(segment_settings, label_smoothing, 0, 0, 1,                                                  \
                "share of each pixel's target that is spread over all classes (cross-entropy)"),             \
    NUMBER_REAL(segment_settings, smooth, 1e-5, 0, 1e6,                                                      \
                "added above and below in the Dice and Tversky losses"),                                     \
    NUMBER_CHOICE(segment_settings, dice_squared, 0, 1, "off|on",                                            \
                  "whether the Dice loss has squares below (Milletari et al. 2016)"),                        \
    NUMBER_CHOICE(segment_settings, dice_batch, 0, 1, "off|on", "whether the Dice loss sums over the batch"),\
    NUMBER_CHOICE(segment_settings, dice_background, 1, 1, "off|on",                                         \
                  "whether the first class counts in the Dice loss")

#define EXTRA_ROWS                                                                                           \
    NUMBER_REAL_LATER(segment_settings, border_weight, 0, 0, 1e6,                                            \
                      "what a pixel on the border of two objects weighs more in the cross-entropy "          \
                      "(Ronneberger et al. 2015: 10)"),                                                      \
    NUMBER_REAL_LATER(segment_settings, border_sd, 5, 0.1, 1000,                                             \
                      "standard deviation of that weight over the distances to both objects, in pixels"),    \
    NUMBER_REAL(segment_settings, focal_gamma, 2, 0, 100, "exponent of the focal loss"),                     \
    NUMBER_REAL(segment_settings, hard_threshold, 0.7, 0, 1,                                                 \
                "pixels whose class has a lower probability are hard ones"),                                 \
    NUMBER_REAL(segment_settings, false_positives, 0.3, 0, 1,                                                \
                "weight of false positives in the Tversky loss; that of false negatives is the rest"),       \
    NUMBER_REAL(segment_settings, tversky_power, 1, 0.01, 100,                                               \
                "exponent of the Tversky loss; 0.75: focal Tversky")
/* clang-format on */

const number segment_train_rows_2d[SEGMENT_TRAIN_ROWS_2d] = {TRAIN_ROWS, EXTRA_ROWS, EXTENTS};
const number segment_train_rows_3d[SEGMENT_TRAIN_ROWS_3d] = {TRAIN_ROWS, EXTRA_ROWS, EXTENTS, DEPTH};
_Static_assert(sizeof((const number[]){TRAIN_ROWS, EXTRA_ROWS, EXTENTS}) / sizeof(number) ==
                   SEGMENT_TRAIN_ROWS_2d,
               "as many rows as the header says");

static const number settings_rows[] = {TRAIN_ROWS, EXTRA_ROWS};
NUMBERS_OF(segment_settings, settings)

#define PORT_CLASS_WEIGHT                                                                                    \
    PORT_MADE("class_weight", "classes", FLOAT32, "weight of each class in the cross-entropy")
#define PORT_PIXEL_WEIGHT(axes_)                                                                             \
    PORT_MADE("pixel_weight", axes_, FLOAT32, "weight of each pixel in the cross-entropy")

enum { IMAGE, LABELS, CLASS_WEIGHT, PIXEL_WEIGHT };
const port segment_train_inputs_2d[SEGMENT_TRAIN_INPUTS] = {
    PORT_ROLE("image", "batch,channels,height,width", SOURCE, IMAGE_HELP),
    PORT_LABELS("batch,height,width", TRUTH_HELP),
    PORT_CLASS_WEIGHT,
    PORT_PIXEL_WEIGHT("batch,height,width"),
};
const port segment_train_inputs_3d[SEGMENT_TRAIN_INPUTS] = {
    PORT_ROLE("image", "batch,channels,depth,height,width", SOURCE, IMAGE_HELP),
    PORT_LABELS("batch,depth,height,width", TRUTH_HELP),
    PORT_CLASS_WEIGHT,
    PORT_PIXEL_WEIGHT("batch,depth,height,width"),
};
const port segment_train_outputs[3] = {
    PORT_LOSS("cross_entropy", "mean cross-entropy of the pixels that count"),
    PORT_LOSS("dice", "1 - Dice of the probabilities"),
    PORT_LOSS("loss", "the weighted sum of all losses, and of those of the auxiliary head"),
};

enum { IGNORED = -1 };

/* What the losses compare. */
typedef struct answer {
    value logits, p, label, target, valid; /* target and valid [B,S...,K] and [B,S...,1] */
    value class_weight, pixel_weight;      /* NONE: 1 */
} answer;

static answer answer_of(graph *g, value logits, answer a)
{
    int64_t size[BK_MAX_SPACE];
    a.logits = logits;
    int axes = nn_size(g, logits, size);
    a.p = op_softmax(g, logits);
    a.target = op_one_hot(g, a.label, graph_dim(g, logits, -1), IGNORED);
    a.valid = op_sum(g, a.target, 1u << (axes + 1));
    return a;
}

static value cross_entropy_of(graph *g, const segment_settings *s, const answer *a)
{
    const label_options o = {IGNORED, a->class_weight, a->pixel_weight, s->label_smoothing};
    return loss_cross_entropy(g, a->logits, a->label, &o);
}

static value dice_of(graph *g, const segment_settings *s, const answer *a)
{
    const dice_options o = {.smooth = s->smooth,
                            .squared = s->dice_squared,
                            .batch = s->dice_batch,
                            .foreground = !s->dice_background};
    return loss_dice(g, a->p, a->target, a->valid, o);
}

static value focal_of(graph *g, const segment_settings *s, const answer *a)
{
    return loss_focal(g, a->logits, a->label, IGNORED, s->focal_gamma, 1);
}

static value hard_of(graph *g, const segment_settings *s, const answer *a)
{
    int64_t kept = g->error == OK ? bk_count(graph_shape(g, a->label)) / 16 : 1;
    return loss_hard_cross_entropy(g, a->logits, a->label, IGNORED, kept > 0 ? kept : 1, s->hard_threshold);
}

static value lovasz_of(graph *g, const segment_settings *s, const answer *a)
{
    (void)s;
    return loss_lovasz(g, a->p, a->label, IGNORED, 0);
}

static value generalized_dice_of(graph *g, const segment_settings *s, const answer *a)
{
    return loss_generalized_dice(g, a->p, a->target, a->valid, s->smooth);
}

static value tversky_of(graph *g, const segment_settings *s, const answer *a)
{
    return loss_tversky(
        g, a->p, a->target, a->valid,
        (tversky_options){s->false_positives, 1 - s->false_positives, s->smooth, s->tversky_power});
}

typedef struct loss_term {
    size_t weight; /* in segment_settings */
    value (*of)(graph *g, const segment_settings *s, const answer *a);
} loss_term;

static const loss_term terms[] = {
    {offsetof(segment_settings, cross_entropy), cross_entropy_of},
    {offsetof(segment_settings, dice), dice_of},
    {offsetof(segment_settings, focal), focal_of},
    {offsetof(segment_settings, hard), hard_of},
    {offsetof(segment_settings, lovasz), lovasz_of},
    {offsetof(segment_settings, generalized_dice), generalized_dice_of},
    {offsetof(segment_settings, tversky), tversky_of},
};
enum { TERMS = sizeof terms / sizeof *terms };

/* The weighted sum of the losses; first (NULL: not wanted): the two that a step reports, unweighted. */
static value loss_of(graph *g, const segment_settings *s, const answer *a, value first[2])
{
    value sum = NONE;
    graph_layer(g, "loss");
    for (int i = 0; i < TERMS; i++) {
        double weight;
        memcpy(&weight, (const char *)s + terms[i].weight, sizeof weight);
        if (weight == 0 && !(first && i < 2))
            continue;
        value loss = terms[i].of(g, s, a);
        if (first && i < 2)
            first[i] = loss;
        if (weight == 0)
            continue;
        value part = op_affine(g, loss, weight, 0);
        sum = sum == NONE ? part : op_add(g, sum, part);
    }
    return sum == NONE ? op_affine(g, op_mean_all(g, a->p), 0, 0) : sum;
}

value segment_beside(task_graph *t, const segment_network *f, value map)
{
    graph *g = t->g;
    if (!is_volume(t) || axes_of(t, f) == 3)
        return map;
    return op_view(g, map, 3, -1, graph_dim(g, map, 2), graph_dim(g, map, 3));
}

/* ---- weights of classes and pixels ---- */

static const char median[] = "median";

/* Returns 1 if the loss takes the weights of classes by themselves: those of pixels include them. */
static int weighs_classes(const segment_settings *s)
{
    return *s->class_weights && s->border_weight == 0;
}

/* Reads the weights into weight[classes], and returns how many there were. Without any, or before the run
 * over a set that finds them, each is 1. */
static int64_t read_weights(const segment_settings *s, int64_t classes, double weight[SEGMENT_CLASSES])
{
    int64_t n = 0;
    for (int64_t k = 0; k < classes; k++)
        weight[k] = 1;
    if (strcmp(s->class_weights, median) == 0)
        return 0;
    for (const char *p = s->class_weights; p && *p && n < SEGMENT_CLASSES; p = strchr(p, ',')) {
        p += *p == ',';
        weight[n++] = strtod(p, NULL);
    }
    return n;
}

status segment_train_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const segment_options o = common_of(at.option);
    const segment_settings s = settings_of(at.setting);
    double weight[SEGMENT_CLASSES];
    int64_t classes = segment_classes(&o), n = read_weights(&s, classes, weight);
    (void)real;
    if (n > 0 && n != classes)
        return fail(ERR_ARGUMENT, "setting class_weights has %d numbers for %d classes", (int)n,
                    (int)classes);
    shape[CLASS_WEIGHT].dim[0] = classes;
    for (int i = 0; s.border_weight == 0 && i < shape[PIXEL_WEIGHT].rank; i++)
        shape[PIXEL_WEIGHT].dim[i] = 1;
    return OK;
}

/* Writes the size of the maps in which objects are sought, and how many a step has: a map is a sample, or a
 * slice of it if the network sees slices alone. */
static void map_size(const task_step *s, const segment_network *f, int64_t dim[3], int64_t *maps)
{
    static const number_table volume = {segment_train_rows_3d, SEGMENT_TRAIN_ROWS_3d};
    int deep = f->axes != NULL; /* networks of slices alone have no axis of them */
    const double *setting = s->at.setting;
    int64_t slices = deep ? (int64_t)setting[number_with_role(volume, SLMT_ROLE_DEPTH)] : 1;
    int whole = deep && f->axes(s->at.option) == 3;
    dim[0] = whole ? slices : 1;
    dim[1] = (int64_t)setting[number_with_role(volume, SLMT_ROLE_HEIGHT)];
    dim[2] = (int64_t)setting[number_with_role(volume, SLMT_ROLE_WIDTH)];
    *maps = (int64_t)setting[TRAIN_BATCH] * (whole ? 1 : slices);
}

task_needs segment_train_needs(numbers at, const segment_network *f)
{
    const segment_settings s = settings_of(at.setting);
    const task_step step = {.at = at};
    int64_t dim[3], maps;
    if (s.border_weight == 0)
        return (task_needs){0, 0};
    map_size(&step, f, dim, &maps);
    size_t n = (size_t)(dim[0] * dim[1] * dim[2]);
    return (task_needs){0, n * (sizeof(double) + sizeof(int64_t) + 2 * sizeof(int32_t)) + border_bytes(dim)};
}

/* Writes the weights of pixels: those of their classes, and what the borders of objects add. A label that no
 * class has is for the loss to refuse. */
static void weigh_pixels(const task_step *step, const segment_network *f, const segment_settings *s,
                         const double *of_class, int64_t classes)
{
    int64_t dim[3], maps;
    map_size(step, f, dim, &maps);
    size_t n = (size_t)(dim[0] * dim[1] * dim[2]);
    double *weight = step->room;
    int64_t *stack = (int64_t *)(void *)(weight + n);
    void *room = stack + n;
    int32_t *object = (int32_t *)(void *)((char *)room + border_bytes(dim));
    const border_rule rule = {s->border_weight, s->border_sd};
    for (size_t m = 0; m < (size_t)maps; m++) {
        const int32_t *labels = (const int32_t *)step->given[LABELS] + m * n;
        border_weights(&rule, object, label_objects(labels, dim, object, stack), dim, room, weight);
        for (size_t i = 0; i < n; i++)
            real_set(step->in[PIXEL_WEIGHT], step->real, m * n + i,
                     labels[i] >= 0 && labels[i] < classes ? of_class[labels[i]] + weight[i] : 0);
    }
}

void segment_train_prepare(const task_step *step, const segment_network *f)
{
    const segment_options o = common_of(step->at.option);
    const segment_settings s = settings_of(step->at.setting);
    double weight[SEGMENT_CLASSES];
    int64_t classes = segment_classes(&o);
    read_weights(&s, classes, weight);
    for (size_t k = 0; k < (size_t)classes; k++)
        real_set(step->in[CLASS_WEIGHT], step->real, k, weight[k]);
    if (s.border_weight > 0)
        weigh_pixels(step, f, &s, weight, classes);
}

/* Counts the classes in the crops of an epoch, without augmentation. */
static status count_classes(const settling *s, feed *f, int32_t classes, label_frequency *found)
{
    size_t n = (size_t)(bk_count(&s->task->shape[LABELS]) / s->task->shape[LABELS].dim[0]);
    TRY(f->kind->feeding->open(f));
    for (uint64_t step = 0; step < f->steps_in_epoch; step++) {
        if (atomic_load(s->cancel))
            return fail(ERR_CANCELLED, "cancelled before the first step");
        TRY(f->kind->feeding->fill(f, step, s->samples));
        label_frequency_add(found, classes, s->samples[LABELS], n);
    }
    return OK;
}

static status write_weights(const settling *s, const label_frequency *found, int32_t classes)
{
    static const char name[] = "class_weights=";
    char text[sizeof name + SEGMENT_CLASSES * 16];
    double weight[SEGMENT_CLASSES];
    size_t at = sizeof name - 1;
    memcpy(text, name, sizeof name);
    label_frequency_weights(found, classes, weight);
    for (int32_t k = 0; k < classes; k++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.4g", k ? "," : "", weight[k]);
    context_log(s->context, SLMT_LOG_INFO, "setting %s", text);
    return numbers_set(s->task->kind->settings, "setting", &(slmt_number){.name = text}, 1, s->setting);
}

status segment_train_settle(const settling *s)
{
    const segment_options o = common_of(s->task->model->option);
    const segment_settings given = settings_of(s->setting);
    double setting[METHOD_NUMBERS];
    label_frequency found = {{0}, {0}};
    feed one = *s->feed;
    if (strcmp(given.class_weights, median) != 0)
        return OK;
    memcpy(setting, s->setting, sizeof setting);
    setting[TRAIN_BATCH] = 1;
    setting[TRAIN_AUGMENT] = 0;
    one.own = NULL;
    one.at.setting = setting;
    int32_t classes = (int32_t)segment_classes(&o);
    status st = count_classes(s, &one, classes, &found);
    one.kind->feeding->close(&one);
    return st == OK ? write_weights(s, &found, classes) : st;
}

/* ---- train ---- */

void segment_train_build(task_graph *t, const segment_network *f)
{
    enum { CROSS_ENTROPY, DICE, LOSS };
    static const double auxiliary_weight = 0.4; /* Zhao et al. 2017 */
    const segment_settings s = settings_of(t->at.setting);
    graph *g = t->g;
    value auxiliary = NONE;
    const answer given = {.label = segment_beside(t, f, t->in[LABELS]),
                          .class_weight = weighs_classes(&s) ? t->in[CLASS_WEIGHT] : NONE,
                          .pixel_weight =
                              s.border_weight > 0 ? segment_beside(t, f, t->in[PIXEL_WEIGHT]) : NONE};
    value logits = logits_of(t, f, NORM_UPDATE, s.dropout, &auxiliary);
    answer a = answer_of(g, logits, given);
    value total = loss_of(g, &s, &a, &t->out[CROSS_ENTROPY]);
    if (auxiliary != NONE) {
        a = answer_of(g, auxiliary, given);
        total = op_add(g, total, op_affine(g, loss_of(g, &s, &a, NULL), auxiliary_weight, 0));
    }
    t->out[LOSS] = total;
}

/* ---- training sets ---- */

static int32_t values_of(numbers at, int32_t values[PATCH_CLASSES])
{
    const segment_options o = common_of(at.option);
    return segment_values(&o, values);
}

const patch_rule segment_patches = {values_of, "crops", "labels", "ignored_value"};
const feeding segment_feeding = PATCH_FEEDING(&segment_patches);
