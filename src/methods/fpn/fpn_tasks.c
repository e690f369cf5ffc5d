/* SPDX-License-Identifier: Apache-2.0 */
/* fpn_tasks.c - Semantic FPN as a method of the library: its options, labelling, training. */
#include "methods/fpn/fpn.h"

static const fpn_options presets[] = {
    {SEGMENT_PRESET(64), {3, 4, 6, 3}, 1, 256, 128, 32},
    {SEGMENT_PRESET(16), {2, 2, 2, 2}, 0, 64, 32, 8},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
    NUMBER_LIST(fpn_options, layers, "2,2,2,2", 1, 64, NULL, "blocks of the backbone's stages"),
    NUMBER_CHOICE(fpn_options, bottleneck, 0, 1, "off|on", "whether these blocks are bottlenecks"),
    NUMBER_WHOLE(fpn_options, pyramid, 64, 1, 4096, "channels of the pyramid"),
    NUMBER_WHOLE(fpn_options, branch, 32, 1, 4096, "channels of the branch that adds its levels"),
    NUMBER_WHOLE(fpn_options, groups, 8, 1, 4096, "groups of the branch's group norms"),
};
NUMBERS_OF(fpn_options, options)

static status check(const double *option)
{
    const fpn_options o = options_of(option);
    TRY(segment_check(option));
    if (o.branch % o.groups != 0)
        return fail(ERR_ARGUMENT, "option branch is %d, expected a multiple of the %d groups", o.branch,
                    o.groups);
    return OK;
}

static value forward(nn *n, const double *option, value x, value *auxiliary)
{
    const fpn_options o = options_of(option);
    (void)auxiliary;
    return fpn_forward(n, &o, x);
}

static const segment_network network = {forward, INIT_HE, NULL};
SEGMENT_FUNCTIONS

static const method_task tasks[] = {SEGMENT_TASKS(2d)};

const method method_fpn = {
    .name = "fpn",
    .title = "Semantic FPN: labels of pixels, from a feature pyramid",
    .source = "Kirillov et al., Panoptic Feature Pyramid Networks, CVPR 2019; Lin et al., Feature Pyramid "
              "Networks, CVPR 2017",
    .options = NUMBERS(options_rows),
    PRESETS("paper|compact", presets),
    .check = check,
    .tensors = network_tensors,
    TASKS(tasks),
};
