/* SPDX-License-Identifier: Apache-2.0 */
/* linknet_tasks.c - LinkNet as a method of the library: its options, labelling, training. */
#include "methods/linknet/linknet.h"

static const linknet_options presets[] = {
    {SEGMENT_PRESET(64), {2, 2, 2, 2}},
    {SEGMENT_PRESET(16), {2, 2, 2, 2}},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
    NUMBER_LIST(linknet_options, layers, "2,2,2,2", 1, 64, NULL, "blocks of the encoder's stages"),
};
NUMBERS_OF(linknet_options, options)

static status check(const double *option)
{
    const linknet_options o = options_of(option);
    TRY(segment_check(option));
    if (o.segment.width % 4 != 0)
        return fail(ERR_ARGUMENT, "option width is %d, expected a multiple of 4", o.segment.width);
    return OK;
}

SEGMENT_NETWORK(linknet, INIT_FAN_IN)

const method method_linknet = {
    .name = "linknet",
    .title = "LinkNet: labels of pixels, with the encoder's maps added in the decoder",
    .source = "Chaurasia and Culurciello, LinkNet: Exploiting Encoder Representations for Efficient Semantic "
              "Segmentation, VCIP 2017",
    PRESETS("paper|compact", presets),
    .check = check,
    SEGMENT_FIELDS,
};
