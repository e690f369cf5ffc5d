/* SPDX-License-Identifier: Apache-2.0 */
/* scan_place.h - how large a volume and its head are, and how the head lies to the crop and the slices. */
#ifndef SLMT_DATA_SCAN_PLACE_H
#define SLMT_DATA_SCAN_PLACE_H

#include "core/context.h"
#include "core/geometry.h"
#include "data/preprocess.h"

/* Measures a volume, with dims and affine as in slmt_volume_create(). The head is what is not background,
 * and goes as far as planes have a hundredth of the fullest plane's voxels. ERR_ARGUMENT as
 * preprocess_count(); ERR_MEMORY, ERR_LIMIT. */
status scan_place_measure(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                          const float *voxels, const background *back, scan_geometry *out);

/* ERR_ARGUMENT, with both sizes: the volume's voxels are not of the training's size. */
status scan_place_check_spacing(const slmt_geometry *training, const double spacing[3]);

/* Warns, with numbers, if the volume lies otherwise than those of the training. ERR_CANCELLED. */
status scan_place_warn(const slmt_context *context, const slmt_geometry *training, const scan_geometry *scan);

#endif
