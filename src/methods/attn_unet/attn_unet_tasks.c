/* SPDX-License-Identifier: Apache-2.0 */
/* attn_unet_tasks.c - Attention U-Net as a method of the library: its options, labelling, training. */
#include "methods/attn_unet/attn_unet.h"

static const attn_unet_options presets[] = {
    {SEGMENT_PRESET(64), 2, 0},
    {SEGMENT_PRESET(16), 2, 0},
    {SEGMENT_PRESET(16), 3, 0},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
    NUMBER_WHOLE(attn_unet_options, axes, 2, 2, 3,
                 "3: convolutions in three dimensions; 2: each slice by itself"),
    NUMBER_CHOICE(attn_unet_options, deep, 0, 1, "off|on",
                  "whether every level of the decoder has a head (deep supervision)"),
};
NUMBERS_OF(attn_unet_options, options)

static value forward(nn *n, const double *option, value x, value *auxiliary)
{
    const attn_unet_options o = options_of(option);
    (void)auxiliary;
    return attn_unet_forward(n, &o, x, NULL);
}

static int axes_of(const double *option)
{
    return options_of(option).axes;
}

static const segment_network network = {forward, INIT_HE, axes_of};
SEGMENT_FUNCTIONS

static const method_task tasks[] = {SEGMENT_TASKS(3d)};

const method method_attn_unet = {
    .name = "attn-unet",
    .title = "Attention U-Net: labels of pixels, with gated skip connections, in two and three dimensions",
    .source = "Oktay et al., Attention U-Net: Learning Where to Look for the Pancreas, MIDL 2018",
    PRESETS("paper|compact|volume", presets),
    .check = segment_check,
    SEGMENT_FIELDS,
};
