/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - agreement of two images, or of two stacks of them; the meanings are those of slmt_metrics. */
#ifndef SLMT_DATA_METRICS_H
#define SLMT_DATA_METRICS_H

#include "lib/mem.h"
#include "slmt/volume.h"

enum { METRICS_WINDOW = 7 }; /* side of the SSIM window, and the least height and width */

#define METRICS_SIGNAL    0.01f /* a target above it has signal */
#define METRICS_PSNR_MOST 100   /* dB, of equal images */

/* Fills all fields except struct_size. The images are finite; mask NULL: everywhere. ERR_MEMORY, ERR_LIMIT.
 */
status metrics_compare(mem *m, const float *prediction, const float *target, const uint8_t *mask,
                       size_t height, size_t width, slmt_metrics *out);

/* Fills all fields except struct_size from those of count slices; the definition is one of SLMT_DEFINITION_.
 */
void metrics_combine(const slmt_metrics *slices, size_t count, int32_t definition, slmt_metrics *out);

#endif
