/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - the preprocessing as options: a new field of slmt_preprocess gets its option, its help and its
 * place in `slmt info` by one row here. */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

static const field_choice resizes[] = {
    {"bilinear", SLMT_RESIZE_BILINEAR}, {"nearest", SLMT_RESIZE_NEAREST}, {0}};
static const field_choice scalings[] = {
    {"percentiles", SLMT_SCALE_PERCENTILES}, {"twice-p99", SLMT_SCALE_TWICE_P99}, {0}};
static const field_choice backgrounds[] = {
    {"surface", SLMT_BACKGROUND_SURFACE}, {"corner", SLMT_BACKGROUND_CORNER}, {0}};
#define PREPROCESS(member) .offset = offsetof(slmt_preprocess, member)
_Static_assert(offsetof(slmt_preprocess, slice_count) ==
                   offsetof(slmt_preprocess, slice_first) + sizeof(int32_t),
               "--slices sets two neighbours");
const field preprocess_fields[] = {
    {"crop", "VOXELS", "side of the square crop", FIELD_INT, PREPROCESS(crop_size), .low = 1, .high = 4096},
    {"crop-x", "VOXEL", "where the crop starts, from the left; -1: in the middle", FIELD_INT,
     PREPROCESS(crop_x), .low = -1, .high = 1048576},
    {"crop-y", "VOXEL", "where the crop starts, from the back; -1: in the middle", FIELD_INT,
     PREPROCESS(crop_y), .low = -1, .high = 1048576},
    {"slices", "FIRST:COUNT", "axial slices to take; COUNT 0: all from FIRST on", FIELD_LIST,
     PREPROCESS(slice_first), .count = 2, .separator = ':'},
    {"image-size", "PIXELS", "side that slices are resized to", FIELD_INT, PREPROCESS(image_size), .low = 1,
     .high = 4096},
    {"target-resize", "bilinear|nearest", "resampling of fine-tuning targets (the paper's code: nearest)",
     FIELD_CHOICE, PREPROCESS(target_resize), resizes},
    {"low", "PERCENT", "intensities below this percentile of the head are raised to it", FIELD_REAL,
     PREPROCESS(low_percentile)},
    {"high", "PERCENT", "intensities above this percentile of the head are lowered to it", FIELD_REAL,
     PREPROCESS(high_percentile)},
    {"scaling", "percentiles|twice-p99",
     "how intensities become 0 to 1: the head between two percentiles, or all voxels over twice their 99th "
     "percentile (the papers of SLMT-Net; of Seq2Seq)",
     FIELD_CHOICE, PREPROCESS(scaling), scalings},
    {"background", "surface|corner",
     "what is kept out of the range of intensities: the values that fill the volume's surface, or the corner "
     "voxel's, as the paper's code does",
     FIELD_CHOICE, PREPROCESS(background), backgrounds},
    {0}};

const char *settings_difference(const field *fields, const void *one, const void *other)
{
    for (const field *f = fields; f->name; f++) {
        char a[128], b[128];
        field_format(f, one, a, sizeof a);
        field_format(f, other, b, sizeof b);
        if (strcmp(a, b) != 0)
            return f->name;
    }
    return NULL;
}
