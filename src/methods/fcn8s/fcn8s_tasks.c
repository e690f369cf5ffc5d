/* SPDX-License-Identifier: Apache-2.0 */
/* fcn8s_tasks.c - FCN-8s as a method of the library: its options, labelling, training. */
#include "methods/fcn8s/fcn8s.h"

static const fcn8s_options presets[] = {
    {SEGMENT_PRESET(64), 4096, 1, 0},
    {SEGMENT_PRESET(16), 256, 0, 0},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
    NUMBER_WHOLE(fcn8s_options, fc, 256, 1, 65536,
                 "channels of the two layers that stand for fully connected ones"),
    NUMBER_CHOICE(fcn8s_options, paper, 0, 1, "off|on",
                  "whether 100 zeros lie around the image and scores are cropped, as in the authors' code"),
    NUMBER_CHOICE(fcn8s_options, at_once, 0, 1, "off|on",
                  "whether finer scores start small, to be trained at once"),
};
NUMBERS_OF(fcn8s_options, options)

static value forward(nn *n, const double *option, value x, value *auxiliary)
{
    const fcn8s_options o = options_of(option);
    (void)auxiliary;
    return fcn8s_forward(n, &o, x);
}

static const segment_network network = {forward, INIT_HE, NULL};
SEGMENT_FUNCTIONS

static const method_task tasks[] = {SEGMENT_TASKS(2d)};

const method method_fcn8s = {
    .name = "fcn8s",
    .title = "FCN-8s: labels of pixels, from scores of three depths",
    .source = "Long et al., Fully Convolutional Networks for Semantic Segmentation, CVPR 2015",
    .options = NUMBERS(options_rows),
    PRESETS("paper|compact", presets),
    .check = segment_check,
    .tensors = network_tensors,
    TASKS(tasks),
};
