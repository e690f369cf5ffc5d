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

static value forward(nn *n, const double *option, value x, value *auxiliary)
{
    const segnet_options o = options_of(option);
    (void)auxiliary;
    return segnet_forward(n, &o, x);
}

static const segment_network network = {forward, INIT_HE, NULL};
SEGMENT_FUNCTIONS

static const method_task tasks[] = {SEGMENT_TASKS(2d)};

const method method_segnet = {
    .name = "segnet",
    .title = "SegNet: labels of pixels, with each value put back where its maximum was",
    .source = "Badrinarayanan et al., SegNet, IEEE TPAMI 39 (2017) 2481-2495",
    .options = NUMBERS(options_rows),
    PRESETS("paper|compact", presets),
    .check = segment_check,
    .tensors = network_tensors,
    TASKS(tasks),
};
