/* SPDX-License-Identifier: Apache-2.0 */
/* vgg19_tasks.c - VGG19 as a method: other methods' perceptual terms take their weights from a model of it,
 * and its one task measures the distance of two images. */
#include "core/method.h"
#include "methods/vgg19/vgg19.h"

typedef struct vgg19_options {
    int32_t width;
} vgg19_options;
static const number options_rows[] = {
    NUMBER_WHOLE(vgg19_options, width, 64, 1, 1024, "channels of the first layers; torchvision's are 64"),
};
NUMBERS_OF(vgg19_options, options)

static void tensors(params *p, const double *option)
{
    vgg19_params(p, "", options_of(option).width);
}

static const number distance_rows[] = {
    NUMBER_BATCH("images computed together, at most"),
    NUMBER_EXTENT(height, HEIGHT, 192, VGG19_LEAST_SIDE, 8192, "rows of an image"),
    NUMBER_EXTENT(width, WIDTH, 192, VGG19_LEAST_SIDE, 8192, "columns of an image"),
};

static void distance_build(task_graph *t)
{
    nn n = nn_of(t, "");
    t->out[0] = vgg19_distance(&n, t->in[0], t->in[1]);
}

static const method_task tasks[] = {
    {TASK(distance, "measure how different two images are to a network that was trained on photographs"),
     .inputs = PORT_ROWS(PORT_REAL("a", "batch,height,width", "grey images in [-1, 1]"),
                         PORT_REAL("b", "batch,height,width", "the same number of other images")),
     .outputs = PORT_ROWS(
         PORT_REAL("distance", "batch",
                   "for each pair, the sum over 13 layers of the mean square difference of features"))},
};

const method method_vgg19 = {
    .name = "vgg19",
    .title = "VGG19: the perceptual distance of two images, by weights from elsewhere",
    .source = "Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, "
              "ICLR 2015; Johnson et al., Perceptual Losses for Real-Time Style Transfer and "
              "Super-Resolution, ECCV 2016",
    .options = NUMBERS(options_rows),
    .tensors = tensors,
    TASKS(tasks),
};
