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

SEGMENT_NETWORK(deeplabv3, INIT_FAN_IN)

const method method_deeplabv3 = {
    .name = "deeplabv3",
    .title = "DeepLabv3: labels of pixels, with an atrous pyramid and no decoder",
    .source = "Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017",
    PRESETS("paper|compact", presets),
    .check = segment_check,
    SEGMENT_FIELDS,
};
