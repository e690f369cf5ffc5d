/* SPDX-License-Identifier: Apache-2.0 */
/* deeplabv3_tasks.c - DeepLabv3 as a method of the library: its options, labelling, training. */
#include "methods/deeplabv3/deeplabv3.h"

static const deeplabv3_options presets[] = {
    {SEGMENT_PRESET(64), {2, 2, 2, 2}, 256},
    {SEGMENT_PRESET(16), {2, 2, 2, 2}, 64},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
    NUMBER_LIST(deeplabv3_options, layers, "2,2,2,2", 1, 64, NULL, "blocks of the backbone's stages"),
    NUMBER_WHOLE(deeplabv3_options, atrous, 64, 1, 65536, "channels of the pyramid"),
};
NUMBERS_OF(deeplabv3_options, options)

static value forward(nn *n, const double *option, value x, value *auxiliary)
{
    const deeplabv3_options o = options_of(option);
    (void)auxiliary;
    return deeplabv3_forward(n, &o, x);
}

static const segment_network network = {forward, INIT_FAN_IN, NULL};
SEGMENT_FUNCTIONS

static const method_task tasks[] = {SEGMENT_TASKS(2d)};

const method method_deeplabv3 = {
    .name = "deeplabv3",
    .title = "DeepLabv3: labels of pixels, with an atrous pyramid and no decoder",
    .source = "Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017",
    .options = NUMBERS(options_rows),
    PRESETS("paper|compact", presets),
    .check = segment_check,
    .tensors = network_tensors,
    TASKS(tasks),
};
