/* SPDX-License-Identifier: Apache-2.0 */
/* view.h - views of a slice for contrastive learning: another cut of it, and other brightness and contrast.
 */
#ifndef SLMT_DATA_VIEW_H
#define SLMT_DATA_VIEW_H

#include <stddef.h>

/* out [rows][columns] = `crop` rows and columns of the image from corner[0], corner[1] on, fewer at its end,
 * resized to the whole size. spare has crop * crop floats. The corner lies in the image. */
void view_cut(const float *image, int rows, int columns, int crop, const int corner[2], float *out,
              float *spare);

/* Adds `brightness`, then multiplies the difference to the mean by `contrast`; low and high: then everything
 * is clamped to this range. */
void view_tone(float *image, size_t n, double brightness, double contrast, double low, double high);

#endif
