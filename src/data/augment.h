/* SPDX-License-Identifier: Apache-2.0 */
/* augment.h - random changes of training slices, as listed in the section Data of the method's notes.
 *
 * Images are [size][size] float32 in [0, 1], changed in place; scratch has size*size floats. The changes are
 * a pure function of the stream: each slice of each epoch needs a stream of its own. */
#ifndef SLMT_DATA_AUGMENT_H
#define SLMT_DATA_AUGMENT_H

#include <stdint.h>

#include "lib/random.h"

/* Both have the form of slice_rule.augment.
 *
 * Pre-training, which has no target: flip (none, rows, columns), 0 to 3 quarter turns, noise (probability
 * 1/4), specks (probability 1/4), then on 8 bits brightness 0.8..1.2, contrast 0.8..1.2, sharpness 0..3. */
void augment_pretrain(float *image, float *target, int size, float *scratch, random_stream *r);

/* Fine-tuning: the same flip and, with probability 1/2, the same 1 to 3 quarter turns for both; then for the
 * source alone, on 8 bits, brightness 0.7..1.3, contrast 0.4..1.1, sharpness 0.7..1.3. target NULL: a
 * neighbour of a source, to which the same stream does what it does to the source. */
void augment_finetune(float *source, float *target, int size, float *scratch, random_stream *r);

/* The steps, for tests. */

/* axis 0: rows in reverse order; 1: columns. */
void augment_flip(float *image, int size, int axis);

/* Counter-clockwise, with row 0 at the top: NumPy's rot90(image, turns). */
void augment_rotate(float *image, int size, int turns, float *scratch);

/* On 8-bit values q = floor(255 x + 0.5), x clamped to [0, 1]; each step is PIL's blend of q with a
 * degenerate copy d: out = d + factor * (q - d), clamped to 0..255, then truncated to a whole number.
 * brightness: d = 0. contrast: d = floor(mean(q) + 0.5), one value. sharpness: d = q smoothed with the kernel
 * 1 1 1 / 1 5 1 / 1 1 1 over 13, + 0.5 and truncated; the outermost pixels are not smoothed. Ends with q /
 * 255. */
void augment_tone(float *image, int size, float brightness, float contrast, float sharpness, float *scratch);

#endif
