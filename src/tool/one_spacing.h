/* SPDX-License-Identifier: Apache-2.0 */
/* one_spacing.h - brings scans to one voxel size: that of the first one. */
#ifndef SLMT_TOOL_ONE_SPACING_H
#define SLMT_TOOL_ONE_SPACING_H

#include <stdbool.h>

#include "slmt/slmt.h"

/* All zero: no scan has come yet. */
typedef struct one_spacing {
    double spacing[3]; /* along the patient's axes, mm */
} one_spacing;

/* Returns true if two voxel sizes are one, as headers round. */
bool spacings_agree(const double one[3], const double other[3]);

/* Replaces the volume by one of the first volume's voxel size, unless it has that size; labels: values are
 * names, and are not mixed. On failure the volume stays. */
slmt_status one_spacing_bring(one_spacing *s, slmt_volume **volume, bool labels);

#endif
