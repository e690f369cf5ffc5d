/* SPDX-License-Identifier: Apache-2.0 */
/* hrnet_s_tasks.c - HRNetV2-W18-small as a method of the library: its options, labelling, training. */
#include "methods/hrnet_s/hrnet_s.h"

static const hrnet_s_options presets[] = {
    {SEGMENT_PRESET(48), 64, 64, 4, {1, 4, 3}, 4, 1},
    {SEGMENT_PRESET(16), 64, 32, 1, {1, 1, 1}, 2, 0},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
    NUMBER_WHOLE(hrnet_s_options, stem, 64, 1, 4096, "channels of the two stem convolutions"),
    NUMBER_WHOLE(hrnet_s_options, first, 32, 1, 4096, "inner channels of the first stage's bottlenecks"),
    NUMBER_WHOLE(hrnet_s_options, first_blocks, 1, 1, 64, "bottlenecks of the first stage"),
    NUMBER_LIST(hrnet_s_options, modules, "1,1,1", 1, 64, NULL, "modules of the other stages"),
    NUMBER_WHOLE(hrnet_s_options, blocks, 2, 1, 64, "residual blocks of each branch of a module"),
    NUMBER_CHOICE(hrnet_s_options, published_start, 0, 1, "off|on",
                  "whether convolutions start with the authors' deviation of 0.001, for long runs of SGD; or "
                  "as in the other networks"),
};
NUMBERS_OF(hrnet_s_options, options)

SEGMENT_NETWORK(hrnet_s, INIT_HE)

const method method_hrnet_s = {
    .name = "hrnet-s",
    .title = "HRNetV2-W18-small: labels of pixels, from branches of high resolution",
    .source = "Wang et al., Deep High-Resolution Representation Learning for Visual Recognition, IEEE TPAMI "
              "43 (2021) 3349-3364",
    PRESETS("w48|compact", presets),
    .check = segment_check,
    SEGMENT_FIELDS,
};
