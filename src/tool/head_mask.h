/* SPDX-License-Identifier: Apache-2.0 */
/* head_mask.h - the head in a slice of two contrasts. */
#ifndef SLMT_TOOL_HEAD_MASK_H
#define SLMT_TOOL_HEAD_MASK_H

#include <stddef.h>
#include <stdint.h>

/* Writes mask [height][width]: 1 where either image is above 0.05, a twentieth of the range, and where what
 * is darker in both is enclosed by such pixels; else 0. */
void head_mask(const float *one, const float *other, size_t height, size_t width, uint8_t *mask);

#endif
