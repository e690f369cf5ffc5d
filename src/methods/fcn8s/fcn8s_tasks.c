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

SEGMENT_NETWORK(fcn8s, INIT_HE)

const method method_fcn8s = {
    .name = "fcn8s",
    .title = "FCN-8s: labels of pixels, from scores of three depths",
    .source = "Long et al., Fully Convolutional Networks for Semantic Segmentation, CVPR 2015",
    PRESETS("paper|compact", presets),
    .check = segment_check,
    SEGMENT_FIELDS,
};
