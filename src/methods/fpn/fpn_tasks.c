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

SEGMENT_NETWORK(fpn, INIT_HE)

const method method_fpn = {
    .name = "fpn",
    .title = "Semantic FPN: labels of pixels, from a feature pyramid",
    .source = "Kirillov et al., Panoptic Feature Pyramid Networks, CVPR 2019; Lin et al., Feature Pyramid "
              "Networks, CVPR 2017",
    PRESETS("paper|compact", presets),
    .check = check,
    SEGMENT_FIELDS,
};
