/* SPDX-License-Identifier: Apache-2.0 */
/* segnet_tasks.c - SegNet as a method of the library: its options, labelling, training. */
#include "methods/segnet/segnet.h"

static const segnet_options presets[] = {
    {SEGMENT_PRESET(64)},
    {SEGMENT_PRESET(16)},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
};
NUMBERS_OF(segnet_options, options)

SEGMENT_NETWORK(segnet, INIT_HE)

const method method_segnet = {
    .name = "segnet",
    .title = "SegNet: labels of pixels, with each value put back where its maximum was",
    .source = "Badrinarayanan et al., SegNet, IEEE TPAMI 39 (2017) 2481-2495",
    PRESETS("paper|compact", presets),
    .check = segment_check,
    SEGMENT_FIELDS,
};
