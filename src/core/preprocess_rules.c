/* SPDX-License-Identifier: Apache-2.0 */
/* preprocess_rules.c - the values that slmt_preprocess begins with, and the range of each. */
#include "core/preprocess_rules.h"

enum { MAX_SIDE = 4096, MAX_FIRST = PREPROCESS_FIRST_MAX };

void preprocess_defaults(slmt_preprocess *p)
{
    *p = (slmt_preprocess){.struct_size = sizeof *p,
                           .crop_size = 200,
                           .crop_x = SLMT_CENTRE,
                           .crop_y = SLMT_CENTRE,
                           .slice_first = 50,
                           .slice_count = 60,
                           .image_size = 256,
                           .target_resize = SLMT_RESIZE_BILINEAR,
                           .low_percentile = 0.2,
                           .high_percentile = 99.8,
                           .background = SLMT_BACKGROUND_SURFACE};
}

static status check_range(const char *field, int32_t value, int32_t low, int32_t high)
{
    if (value < low || value > high)
        return fail(ERR_ARGUMENT, "slmt_preprocess.%s is %d, must be %d to %d", field, value, low, high);
    return OK;
}

status preprocess_check(const slmt_preprocess *p)
{
    TRY(check_range("crop_size", p->crop_size, 1, MAX_SIDE));
    TRY(check_range("crop_x", p->crop_x, SLMT_CENTRE, MAX_FIRST));
    TRY(check_range("crop_y", p->crop_y, SLMT_CENTRE, MAX_FIRST));
    TRY(check_range("slice_first", p->slice_first, 0, MAX_FIRST));
    TRY(check_range("slice_count", p->slice_count, 0, MAX_FIRST));
    TRY(check_range("image_size", p->image_size, 1, MAX_SIDE));
    TRY(check_range("target_resize", p->target_resize, SLMT_RESIZE_BILINEAR, SLMT_RESIZE_NEAREST));
    TRY(check_range("scaling", p->scaling, SLMT_SCALE_PERCENTILES, SLMT_SCALE_TWICE_P99));
    TRY(check_range("background", p->background, SLMT_BACKGROUND_CORNER, SLMT_BACKGROUND_SURFACE));
    if (!(p->low_percentile >= 0 && p->low_percentile < p->high_percentile && p->high_percentile <= 100))
        return fail(ERR_ARGUMENT,
                    "slmt_preprocess.low_percentile %g and slmt_preprocess.high_percentile %g must be from 0 "
                    "to 100, and the low one below the high one",
                    p->low_percentile, p->high_percentile);
    return OK;
}
