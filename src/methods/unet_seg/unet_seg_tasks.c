/* SPDX-License-Identifier: Apache-2.0 */
/* unet_seg_tasks.c - U-Net as a method of the library: its options, labelling, training. */
#include "methods/unet_seg/unet_seg.h"

static const unet_seg_options presets[] = {
    {SEGMENT_PRESET(64), 2, 1},
    {SEGMENT_PRESET(16), 2, 0},
    {SEGMENT_PRESET(16), 3, 0},
};

static const number options_rows[] = {
    SEGMENT_OPTIONS(16),
    NUMBER_WHOLE(unet_seg_options, axes, 2, 2, 3,
                 "3: convolutions in three dimensions; 2: each slice by itself"),
    NUMBER_CHOICE(unet_seg_options, valid, 0, 1, "off|on",
                  "whether convolutions are as published, without padding and norm, over images mirrored at "
                  "their borders"),
};
NUMBERS_OF(unet_seg_options, options)

static status check(const double *option)
{
    const unet_seg_options o = options_of(option);
    TRY(segment_check(option));
    if (o.valid && o.axes == 3)
        return fail(ERR_ARGUMENT, "option valid is on, which is for slices alone: axes must be 2");
    return OK;
}

/* As published, the network sees an image mirrored at its borders, so that nothing of it is lost. */
static value mirrored(nn *n, const unet_seg_options *o, value x)
{
    enum { LOST = 92, LEAST = 4, STEP = 16 }; /* on each side; sides are 4 modulo 16, and then 184 longer */
    graph *g = n->g;
    int64_t size[BK_MAX_SPACE], whole[BK_MAX_SPACE] = {1, 1, 1};
    if (g->error != OK)
        return unet_seg_forward(n, o, x);
    nn_size(g, x, size);
    for (int i = 0; i < 2; i++) {
        if (size[i] <= LOST)
            return graph_fail(
                g, fail(ERR_ARGUMENT,
                        "option valid is on, and then an image has at least %d rows and columns", LOST + 1));
        whole[i] = (size[i] - LEAST + STEP - 1) / STEP * STEP + LEAST + 2 * (int64_t)LOST;
    }
    x = nn_pad_to(g, op_reflect(g, x, LOST), whole);
    return nn_crop(g, unet_seg_forward(n, o, x), 0, size);
}

static value forward(nn *n, const double *option, value x, value *auxiliary)
{
    const unet_seg_options o = options_of(option);
    (void)auxiliary;
    return o.valid ? mirrored(n, &o, x) : unet_seg_forward(n, &o, x);
}

static int axes_of(const double *option)
{
    return options_of(option).axes;
}

static const segment_network network = {forward, INIT_HE, axes_of};
SEGMENT_FUNCTIONS

static const method_task tasks[] = {SEGMENT_TASKS(3d)};

const method method_unet_seg = {
    .name = "unet-seg",
    .title = "U-Net: labels of pixels, in two and three dimensions",
    .source = "Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI "
              "2015; Cicek et al., 3D U-Net, MICCAI 2016",
    PRESETS("paper|compact|volume", presets),
    .check = check,
    SEGMENT_FIELDS,
};
