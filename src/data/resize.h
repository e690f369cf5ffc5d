/* SPDX-License-Identifier: Apache-2.0 */
/* resize.h - resampling of an image to another size. There is no antialiasing, even if the image shrinks. */
#ifndef SLMT_DATA_RESIZE_H
#define SLMT_DATA_RESIZE_H

/* Half-pixel centres: output pixel i is at position (i + 0.5) * in / out - 0.5, clamped to the image, and
 * blends the two nearest rows and columns. in [in_height][in_width], out [out_height][out_width]; they may
 * not overlap. */
void resize_bilinear(const float *in, int in_height, int in_width, float *out, int out_height, int out_width);

/* out[i][j] = in[floor(i * in_height / out_height)][floor(j * in_width / out_width)]. */
void resize_nearest(const float *in, int in_height, int in_width, float *out, int out_height, int out_width);

#endif
