/* SPDX-License-Identifier: Apache-2.0 */
/* one_spacing.c - brings scans to the voxel size of the first one. */
#include "one_spacing.h"

#include <math.h>
#include <string.h>

#include "fit_look.h"

bool spacings_agree(const double one[3], const double other[3])
{
    for (int w = 0; w < 3; w++)
        if (fabs(one[w] - other[w]) > fmax(0.01 * one[w], 0.001))
            return false;
    return true;
}

slmt_status one_spacing_bring(one_spacing *s, slmt_volume **volume, bool labels)
{
    double own[3];
    slmt_volume *resampled;
    fit_spacing_of(*volume, own);
    if (s->spacing[0] == 0)
        memcpy(s->spacing, own, sizeof own);
    if (spacings_agree(s->spacing, own))
        return SLMT_OK;
    slmt_status status = slmt_volume_resample(
        *volume, s->spacing, labels ? SLMT_RESIZE_NEAREST : SLMT_RESIZE_BILINEAR, &resampled);
    if (status != SLMT_OK)
        return status;
    slmt_volume_free(*volume);
    *volume = resampled;
    return SLMT_OK;
}
