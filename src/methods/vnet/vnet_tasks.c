/* SPDX-License-Identifier: Apache-2.0 */
/* vnet_tasks.c - V-Net as a method of the library: its options, labelling, training. */
#include "methods/vnet/vnet.h"

static const vnet_options presets[] = {
    {SEGMENT_PRESET(16), 3, 5, {2, 3, 3, 3}, {3, 3, 2, 1}},
    {SEGMENT_PRESET(8), 3, 3, {2, 3, 3, 3}, {3, 3, 2, 1}},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(8),
    NUMBER_WHOLE(vnet_options, axes, 3, 2, 3, "3: convolutions in three dimensions; 2: each slice by itself"),
    NUMBER_WHOLE(vnet_options, kernel, 3, 1, 15, "length of the convolutions, odd"),
    NUMBER_LIST(vnet_options, down_convs, "2,3,3,3", 1, 16, NULL,
                "convolutions of the stages on the way down, behind the first"),
    NUMBER_LIST(vnet_options, up_convs, "3,3,2,1", 1, 16, NULL, "convolutions of the stages on the way up"),
};
NUMBERS_OF(vnet_options, options)

static status check(const double *option)
{
    const vnet_options o = options_of(option);
    TRY(segment_check(option));
    if (o.kernel % 2 == 0)
        return fail(ERR_ARGUMENT, "option kernel is %d, expected an odd number", o.kernel);
    if (o.segment.width % o.segment.channels != 0)
        return fail(ERR_ARGUMENT, "option width is %d, expected a multiple of the %d channels",
                    o.segment.width, o.segment.channels);
    return OK;
}

static value forward(nn *n, const double *option, value x, value *auxiliary)
{
    const vnet_options o = options_of(option);
    (void)auxiliary;
    return vnet_forward(n, &o, x);
}

static int axes_of(const double *option)
{
    return options_of(option).axes;
}

static const segment_network network = {forward, INIT_HE, axes_of};
SEGMENT_FUNCTIONS

static const method_task tasks[] = {SEGMENT_TASKS(3d)};

const method method_vnet = {
    .name = "vnet",
    .title = "V-Net: labels of the voxels of volumes",
    .source = "Milletari et al., V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image "
              "Segmentation, 3DV 2016",
    PRESETS("paper|compact", presets),
    .check = check,
    SEGMENT_FIELDS,
};
