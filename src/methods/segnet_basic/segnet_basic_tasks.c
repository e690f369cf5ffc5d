/* SPDX-License-Identifier: Apache-2.0 */
/* segnet_basic_tasks.c - SegNet-Basic as a method of the library: its options, labelling, training. */
#include "methods/segnet_basic/segnet_basic.h"

static const segnet_basic_options presets[] = {
    {SEGMENT_PRESET(64)},
    {SEGMENT_PRESET(32)},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(32),
};
NUMBERS_OF(segnet_basic_options, options)

SEGMENT_NETWORK(segnet_basic, INIT_HE)

const method method_segnet_basic = {
    .name = "segnet-basic",
    .title = "SegNet-Basic: four 7x7 convolutions each way",
    .source = "Badrinarayanan et al., SegNet, IEEE TPAMI 39 (2017) 2481-2495",
    PRESETS("paper|compact", presets),
    .check = segment_check,
    SEGMENT_FIELDS,
};
