/* SPDX-License-Identifier: Apache-2.0 */
/* segmentation.h - what the networks that label every pixel have in common: the options that say what is
 * labelled, the task that labels, and the one that trains.
 *
 * A network is a folder of its own: NAME.c is the function that builds it, NAME_tasks.c its options and its
 * table, with the rows below. It gets images whose channels come last, and returns logits of the same size.
 */
#ifndef SLMT_METHODS_SEGMENTATION_H
#define SLMT_METHODS_SEGMENTATION_H

#include "core/method.h"
#include "data/label_metrics.h"
#include "methods/paced/paced.h"
#include "nn/network.h"

/* ---- options ---- */

enum { SEGMENT_CLASSES = 64 }; /* at most */

/* The first member of each network's options. */
typedef struct segment_options {
    int32_t channels;  /* of an image: contrasts */
    char classes[256]; /* "VALUE,VALUE=NAME,...": the value of each class in label maps */
    int32_t normalize; /* 1: the network begins with a z-score of each image */
    int32_t width;     /* channels of the first layer */
} segment_options;

#define SEGMENT_PATTERN "-?[0-9]{1,8}(=[^,=]{1,60})?(,-?[0-9]{1,8}(=[^,=]{1,60})?)*"

/* Their rows, first in each table. */
#define SEGMENT_OPTIONS(width_)                                                                              \
    NUMBER_ROLE(segment_options, channels, CONTRASTS, 1, 1, 64, "contrasts of an image, each a channel"),    \
        NUMBER_TEXT(                                                                                         \
            segment_options, classes, "0,1", SEGMENT_PATTERN,                                                \
            "the value of each class in label maps, rising, the background first: 0,1,2,4; each may "        \
            "have a name, 1=oedema"),                                                                        \
        NUMBER_CHOICE(segment_options, normalize, 1, 1, "off|on",                                            \
                      "whether each image is brought to mean 0 and standard deviation 1 where it is not 0"), \
        NUMBER_WHOLE(segment_options, width, width_, 1, 1024, "channels of the first layer")

/* The values of these in a preset. */
#define SEGMENT_PRESET(width_)                                                                               \
    {                                                                                                        \
        1, "0,1", 1, width_                                                                                  \
    }

/* How many classes there are: the channels of the logits. */
int64_t segment_classes(const segment_options *o);

/* Writes the value of each class; returns how many there are. */
int32_t segment_values(const segment_options *o, int32_t values[SEGMENT_CLASSES]);

/* Reads the common options of any network. */
segment_options segment_options_of(const double *option);

/* For `check` of a method: two classes or more, with rising values. ERR_ARGUMENT. */
status segment_check(const double *option);

/* ---- a network ---- */

typedef struct segment_network segment_network;
struct segment_network {
    /* x [B,S...,channels] -> logits [B,S...,classes]; auxiliary (NULL: not wanted): those of a second head
     * that training has, if there is one. Under nn_list() it lists the tensors. */
    value (*forward)(nn *n, const double *option, value x, value *auxiliary);
    param_init init;                   /* of the kernels of convolutions */
    int (*axes)(const double *option); /* of space: 2 or 3; NULL: 2 */
};

/* Parts of a task: the logits of a network (n: its tensors), and label maps (t->in[label]) as they lie beside
 * the logits, which a network of slices makes of a volume's slices as a batch. */
value segment_logits(task_graph *t, const segment_network *f, nn *n, value *auxiliary);
value segment_beside(task_graph *t, const segment_network *f, value map);

void segment_tensors(params *p, const double *option, const segment_network *f);
void segment_build(task_graph *t, const segment_network *f);
void segment_train_build(task_graph *t, const segment_network *f);

/* The hidden inputs of training, the weights of classes and of pixels: their shapes, what computing them
 * needs, and themselves. ERR_ARGUMENT: class_weights has another number of weights than there are classes. */
status segment_train_shapes(numbers at, bk_dtype real, bk_shape *shape);
task_needs segment_train_needs(numbers at, const segment_network *f);
void segment_train_prepare(const task_step *s, const segment_network *f);

/* Finds the weights of classes where the setting class_weights is "median". */
status segment_train_settle(const settling *s);

/* A z-score of each image [B,S...,C] over the pixels that are not 0, which stay 0: the background of a scan.
 */
value segment_normalized(graph *g, value x);

/* The functions of a method's table, for a segment_network called `network`. */
#define SEGMENT_FUNCTIONS                                                                                    \
    static void network_tensors(params *p, const double *option)                                             \
    {                                                                                                        \
        segment_tensors(p, option, &network);                                                                \
    }                                                                                                        \
    static void network_segment(task_graph *t)                                                               \
    {                                                                                                        \
        segment_build(t, &network);                                                                          \
    }                                                                                                        \
    static void network_train(task_graph *t)                                                                 \
    {                                                                                                        \
        segment_train_build(t, &network);                                                                    \
    }                                                                                                        \
    static void network_distill(task_graph *t)                                                               \
    {                                                                                                        \
        paced_build(t, &network);                                                                            \
    }                                                                                                        \
    static void network_prepare(const task_step *s)                                                          \
    {                                                                                                        \
        paced_prepare(s, &network);                                                                          \
    }                                                                                                        \
    static task_needs network_needs(numbers at)                                                              \
    {                                                                                                        \
        return segment_train_needs(at, &network);                                                            \
    }                                                                                                        \
    static void network_weigh(const task_step *s)                                                            \
    {                                                                                                        \
        segment_train_prepare(s, &network);                                                                  \
    }

/* ---- the tasks: of slices (2d), and of volumes (3d) ---- */

/* Rows of ports and settings that they share. */
#define SEGMENT_IMAGE_HELP                                                                                   \
    "images, a channel for each contrast: in the order of the model's contrasts, as the training set has "   \
    "them"
#define SEGMENT_TRUTH_HELP                                                                                   \
    "the index of each pixel's class in the option classes; -1: the pixel does not count"
#define SEGMENT_PORT_LABELS(axes_, text)                                                                     \
    {                                                                                                        \
        .name = "labels", .axes = axes_, .type = SLMT_TENSOR_INT32, .help = text, .role = SLMT_ROLE_LABELS   \
    }
#define SEGMENT_EXTENTS                                                                                      \
    NUMBER_EXTENT(rows, HEIGHT, 128, 8, 8192, "rows of an image"),                                           \
        NUMBER_EXTENT(columns, WIDTH, 128, 8, 8192, "columns of an image")
#define SEGMENT_DEPTH NUMBER_EXTENT(slices, DEPTH, 32, 1, 4096, "slices of an image")

enum {
    SEGMENT_ROWS_2d = 3,
    SEGMENT_ROWS_3d = 4,
    SEGMENT_TRAIN_ROWS_2d = TRAIN_SETTINGS + 25,
    SEGMENT_TRAIN_ROWS_3d,
    SEGMENT_TRAIN_INPUTS = 4
};
extern const number segment_rows_2d[SEGMENT_ROWS_2d], segment_rows_3d[SEGMENT_ROWS_3d];
extern const number segment_train_rows_2d[SEGMENT_TRAIN_ROWS_2d],
    segment_train_rows_3d[SEGMENT_TRAIN_ROWS_3d];
extern const port segment_inputs_2d[1], segment_inputs_3d[1];
extern const port segment_outputs_2d[2], segment_outputs_3d[2];
extern const port segment_train_inputs_2d[SEGMENT_TRAIN_INPUTS],
    segment_train_inputs_3d[SEGMENT_TRAIN_INPUTS];
extern const port segment_train_outputs[3];
extern const feeding segment_feeding;
extern const struct patch_rule segment_patches;
status segment_shapes(numbers at, bk_dtype real, bk_shape *shape);

/* The rows of a method's table of tasks, behind SEGMENT_FUNCTIONS; d is 2d or 3d. */
#define SEGMENT_TASKS(d)                                                                                     \
    {.name = "segment",                                                                                      \
     .help = "say of every pixel of an image which class it belongs to",                                     \
     .settings = {segment_rows_##d, SEGMENT_ROWS_##d},                                                       \
     .inputs = {segment_inputs_##d, 1},                                                                      \
     .outputs = {segment_outputs_##d, 2},                                                                    \
     .shapes = segment_shapes,                                                                               \
     .build = network_segment,                                                                               \
     .metrics = &label_metrics},                                                                             \
        {.name = "train",                                                                                    \
         .help = "train on crops of images and their label maps",                                            \
         .trains = 1,                                                                                        \
         .settings = {segment_train_rows_##d, SEGMENT_TRAIN_ROWS_##d},                                       \
         .inputs = {segment_train_inputs_##d, SEGMENT_TRAIN_INPUTS},                                         \
         .outputs = {segment_train_outputs, 3},                                                              \
         .shapes = segment_train_shapes,                                                                     \
         .build = network_train,                                                                             \
         .needs = network_needs,                                                                             \
         .prepare = network_weigh,                                                                           \
         .feeding = &segment_feeding,                                                                        \
         .settle = segment_train_settle},                                                                    \
        PACED_TASK(d)

/* What a method of slices whose network has one head needs behind its options: its forward function, called
 * NAME_forward, with the initial values of its convolutions, the functions of its table, and its tasks. */
#define SEGMENT_NETWORK(name, init)                                                                          \
    static value forward(nn *n, const double *option, value x, value *auxiliary)                             \
    {                                                                                                        \
        const name##_options o = options_of(option);                                                         \
        (void)auxiliary;                                                                                     \
        return name##_forward(n, &o, x);                                                                     \
    }                                                                                                        \
    static const segment_network network = {forward, init, NULL};                                            \
    SEGMENT_FUNCTIONS                                                                                        \
    static const method_task tasks[] = {SEGMENT_TASKS(2d)};

/* The fields of a method's table that are the same for all that label pixels. */
#define SEGMENT_FIELDS .options = NUMBERS(options_rows), .tensors = network_tensors, TASKS(tasks)

#endif
