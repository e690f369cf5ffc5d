/* SPDX-License-Identifier: Apache-2.0 */
/* pcd_unet_tasks.c - the U-Net of P-CD as a method of the library: its options, labelling, training. */
#include "methods/pcd_unet/pcd_unet.h"

static const pcd_unet_options presets[] = {{SEGMENT_PRESET(64)}, {SEGMENT_PRESET(16)}};

static const number options_rows[] = {SEGMENT_OPTIONS(16)};
NUMBERS_OF(pcd_unet_options, options)

SEGMENT_NETWORK(pcd_unet, INIT_FAN_IN)

const method method_pcd_unet = {
    .name = "pcd-unet",
    .title = "U-Net of P-CD: labels of pixels, with pixels repeated on the way up",
    .source = "Islam et al., Paced-Curriculum Distillation with Prediction and Label Uncertainty for Image "
              "Segmentation, IJCARS 2023",
    PRESETS("paper|compact", presets),
    .check = segment_check,
    SEGMENT_FIELDS,
};
