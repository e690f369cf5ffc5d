/* SPDX-License-Identifier: Apache-2.0 */
/* pspnet_tasks.c - PSPNet as a method of the library: its options, labelling, training. */
#include "methods/pspnet/pspnet.h"

static const pspnet_options presets[] = {
    {SEGMENT_PRESET(64), {3, 4, 6, 3}, 1, 0, 512, 256},
    {SEGMENT_PRESET(16), {2, 2, 2, 2}, 0, 0, 64, 32},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
    NUMBER_LIST(pspnet_options, layers, "2,2,2,2", 1, 64, NULL, "blocks of the backbone's stages"),
    NUMBER_CHOICE(pspnet_options, bottleneck, 0, 1, "off|on", "whether these blocks are bottlenecks"),
    NUMBER_CHOICE(pspnet_options, tv_dilation, 0, 1, "off|on",
                  "whether the first bottleneck of a dilated stage keeps the rate before, as in torchvision"),
    NUMBER_WHOLE(pspnet_options, hidden, 64, 1, 65536, "channels of the head"),
    NUMBER_WHOLE(pspnet_options, auxiliary, 32, 1, 65536,
                 "channels of the auxiliary head, which training has"),
};
NUMBERS_OF(pspnet_options, options)

static value forward(nn *n, const double *option, value x, value *auxiliary)
{
    const pspnet_options o = options_of(option);
    return pspnet_forward(n, &o, x, auxiliary);
}

static const segment_network network = {forward, INIT_HE, NULL};
SEGMENT_FUNCTIONS

static const method_task tasks[] = {SEGMENT_TASKS(2d)};

const method method_pspnet = {
    .name = "pspnet",
    .title = "PSPNet: labels of pixels, with pyramid pooling",
    .source = "Zhao et al., Pyramid Scene Parsing Network, CVPR 2017",
    PRESETS("paper|compact", presets),
    .check = segment_check,
    SEGMENT_FIELDS,
};
