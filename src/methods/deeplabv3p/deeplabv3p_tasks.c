/* SPDX-License-Identifier: Apache-2.0 */
/* deeplabv3p_tasks.c - DeepLabv3+ as a method of the library: its options, labelling, training. */
#include "methods/deeplabv3p/deeplabv3p.h"

static const deeplabv3p_options presets[] = {
    {SEGMENT_PRESET(64), {3, 4, 6, 3}, 1, 16, 0, 256, 48, 0, 0, 0},
    {SEGMENT_PRESET(16), {2, 2, 2, 2}, 0, 16, 0, 64, 12, 0, 0, 0},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
    NUMBER_LIST(deeplabv3p_options, layers, "2,2,2,2", 1, 64, NULL, "blocks of the backbone's stages"),
    NUMBER_CHOICE(deeplabv3p_options, bottleneck, 0, 1, "off|on", "whether these blocks are bottlenecks"),
    NUMBER_WHOLE(deeplabv3p_options, output_stride, 16, 8, 16,
                 "how many times smaller the backbone makes an image: 8 or 16"),
    NUMBER_CHOICE(deeplabv3p_options, tv_dilation, 0, 1, "off|on",
                  "whether the first bottleneck of a dilated stage keeps the rate before, as in torchvision"),
    NUMBER_WHOLE(deeplabv3p_options, atrous, 64, 1, 65536, "channels of the pyramid"),
    NUMBER_WHOLE(deeplabv3p_options, low, 12, 1, 65536, "channels that the first stage has in the decoder"),
    NUMBER_CHOICE(deeplabv3p_options, low_first, 0, 1, "off|on",
                  "whether the first stage stands first in the decoder, as in a known port"),
    NUMBER_CHOICE(deeplabv3p_options, one_conv, 0, 1, "off|on",
                  "whether the decoder has one 3x3 convolution instead of two"),
    NUMBER_CHOICE(deeplabv3p_options, separable, 0, 1, "off|on",
                  "whether the 3x3 convolutions of pyramid and decoder are depthwise separable"),
};
NUMBERS_OF(deeplabv3p_options, options)

static status check(const double *option)
{
    const deeplabv3p_options o = options_of(option);
    TRY(segment_check(option));
    if (o.output_stride != 8 && o.output_stride != 16)
        return fail(ERR_ARGUMENT, "option output_stride is %d, expected 8 or 16", o.output_stride);
    return OK;
}

SEGMENT_NETWORK(deeplabv3p, INIT_HE)

const method method_deeplabv3p = {
    .name = "deeplabv3p",
    .title = "DeepLabv3+: labels of pixels, with an atrous pyramid",
    .source = "Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image "
              "Segmentation, ECCV 2018",
    PRESETS("paper|compact", presets),
    .check = check,
    SEGMENT_FIELDS,
};
