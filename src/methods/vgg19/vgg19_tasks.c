/* SPDX-License-Identifier: Apache-2.0 */
/* vgg19_tasks.c - VGG19 as a method: other methods' perceptual terms take their weights from a model of it,
 * and its one task measures the distance of two images. */
#include "core/method.h"
#include "methods/vgg19/vgg19.h"

typedef struct vgg19_options {
    int32_t width;
} vgg19_options;
static const number options[] = {
    NUMBER_WHOLE(vgg19_options, width, 64, 1, 1024, "channels of the first layers; torchvision's are 64"),
};
static const number_table option_table = NUMBERS(options);

static void tensors(params *p, const double *option)
{
    vgg19_options o;
    numbers_read(option_table, option, &o);
    vgg19_params(p, "", o.width);
}

typedef struct distance_settings {
    int32_t batch, height, width;
} distance_settings;
static const number settings[] = {
    NUMBER_ROLE(distance_settings, batch, BATCH, 1, 1, 65536, "images computed together, at most"),
    NUMBER_ROLE(distance_settings, height, HEIGHT, 192, VGG19_LEAST_SIDE, 8192, "rows of an image"),
    NUMBER_ROLE(distance_settings, width, WIDTH, 192, VGG19_LEAST_SIDE, 8192, "columns of an image"),
};
static const number_table setting_table = NUMBERS(settings);

static const port inputs[] = {
    PORT_REAL("a", "batch,height,width", "grey images in [-1, 1]"),
    PORT_REAL("b", "batch,height,width", "the same number of other images"),
};
static const port outputs[] = {
    PORT_REAL("distance", "batch",
              "for each pair, the sum over 13 layers of the mean square difference of features"),
};

static status shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    distance_settings s;
    numbers_read(setting_table, at.setting, &s);
    shape[0] = shape[1] = shape_of(real, 3, (const int64_t[]){s.batch, s.height, s.width});
    shape[2] = shape_of(real, 1, shape[0].dim);
    return OK;
}

static void build(task_graph *t)
{
    nn n;
    status s = nn_open(&n, t->g, t->params, "", t->weights);
    if (s != OK) {
        graph_fail(t->g, s);
        return;
    }
    t->out[0] = vgg19_distance(&n, t->in[0], t->in[1]);
    nn_close(&n);
}

static const method_task tasks[] = {
    {.name = "distance",
     .help = "measure how different two images are to a network that was trained on photographs",
     .settings = NUMBERS(settings),
     .inputs = PORTS(inputs),
     .outputs = PORTS(outputs),
     .shapes = shapes,
     .build = build},
};

const method method_vgg19 = {
    .name = "vgg19",
    .title = "VGG19: the perceptual distance of two images, by weights from elsewhere",
    .source = "Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, "
              "ICLR 2015; Johnson et al., Perceptual Losses for Real-Time Style Transfer and "
              "Super-Resolution, ECCV 2016",
    .options = NUMBERS(options),
    .tensors = tensors,
    .tasks = tasks,
    .n_tasks = sizeof tasks / sizeof *tasks,
};
