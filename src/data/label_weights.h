/* SPDX-License-Identifier: Apache-2.0 */
/* label_weights.h - weights of classes and of pixels in the cross-entropy. */
#ifndef SLMT_DATA_LABEL_WEIGHTS_H
#define SLMT_DATA_LABEL_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

/* ---- classes: median-frequency balancing (Eigen and Fergus 2015; Badrinarayanan et al. 2017) ---- */

enum { LABEL_CLASSES = 64 }; /* at most */

/* How often classes occur; begin with zeros. */
typedef struct label_frequency {
    int64_t pixels[LABEL_CLASSES];    /* of each class */
    int64_t in_images[LABEL_CLASSES]; /* the pixels that count of the images that have the class */
} label_frequency;

/* Adds an image of n pixels. Labels are indices below `classes`; a pixel below 0 does not count. */
void label_frequency_add(label_frequency *f, int32_t classes, const int32_t *labels, size_t n);

/* Writes the weight of each class: median(f) / f of the class, where f = pixels / in_images, and the median
 * is over the classes that occur. A class that does not occur has the weight 0. */
void label_frequency_weights(const label_frequency *f, int32_t classes, double *weight);

/* ---- pixels: between objects (Ronneberger et al. 2015, equation 2) ---- */

typedef struct border_rule {
    double weight, sd; /* w0, and sigma in pixels */
} border_rule;

/* Returns the bytes of working memory for a map of this size. */
size_t border_bytes(const int64_t dim[3]);

/* Writes w0 exp(-(d1 + d2)^2 / (2 sigma^2)) for each pixel of a map, d1 and d2 its Euclidean distances in
 * pixels to the nearest and to the second nearest object, 0 in an object itself. Objects are numbered from 1
 * to `count`, 0: none. Where there are fewer than two objects, the weight is 0. */
void border_weights(const border_rule *rule, const int32_t *object, int32_t count, const int64_t dim[3],
                    void *room, double *weight);

#endif
