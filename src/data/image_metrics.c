/* SPDX-License-Identifier: Apache-2.0 */
/* image_metrics.c - the table of the metrics of images, and their values by name. */
#include "data/image_metrics.h"

#include <stddef.h>
#include <string.h>

static const metric rows[] = {
    {"psnr", "PSNR", "dB", SLMT_METRIC_HIGHER, 2, 0,
     "peak signal-to-noise ratio: 20 log10(1 / sqrt(mean square error)), at most 100, that of equal images"},
    {"ssim", "SSIM", "", SLMT_METRIC_HIGHER, 4, 0,
     "structural similarity, uniform window of 7 x 7 pixels, data range 1 (Wang et al. 2004)"},
    {"ssim_range_2", "SSIM range 2", "", SLMT_METRIC_HIGHER, 4, 0,
     "structural similarity with data range 2, as SLMT-Net's code has it: only to compare with its paper"},
    {"nmse", "NMSE", "", SLMT_METRIC_LOWER, 4, 0,
     "normalised mean square error: sum (p - t)^2 / sum t^2 of prediction p and target t; not defined where "
     "t is all 0"},
    {"nmse_spectral", "NMSE spectral", "", SLMT_METRIC_LOWER, 4, 0,
     "||(p - t)^2|| / ||t^2|| in spectral norms, as SLMT-Net's code has it: only to compare with its paper"},
    {"mae", "MAE", "", SLMT_METRIC_LOWER, 4, 0, "mean absolute error: mean |p - t|"},
};

/* By row. */
static const size_t places[] = {
    offsetof(slmt_metrics, psnr), offsetof(slmt_metrics, ssim),          offsetof(slmt_metrics, ssim_range_2),
    offsetof(slmt_metrics, nmse), offsetof(slmt_metrics, nmse_spectral), offsetof(slmt_metrics, mae),
};

enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert(ROWS == sizeof places / sizeof *places, "each metric has its place");

const metric_table image_metrics = {rows, ROWS};

status image_metric_value(const slmt_metrics *m, const char *name, double *value)
{
    for (int32_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0) {
            memcpy(value, (const char *)m + places[i], sizeof *value);
            return OK;
        }
    return fail(ERR_NOT_FOUND, "slmt_compare() gives no figure %s", name);
}
