/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - agreement of two images; the meanings are those of slmt_metrics. */
#ifndef SLMT_DATA_METRICS_H
#define SLMT_DATA_METRICS_H

#include "lib/mem.h"
#include "slmt/volume.h"

enum { METRICS_WINDOW = 7 }; /* side of the SSIM window, and the least height and width */

/* Fills all fields except struct_size. The images are finite. A ratio to a target that is all 0 is 0, as in
 * the reference's evaluation. ERR_MEMORY, ERR_LIMIT. */
status metrics_compare(mem *m, const float *prediction, const float *target, size_t height, size_t width,
                       slmt_metrics *out);

#endif
