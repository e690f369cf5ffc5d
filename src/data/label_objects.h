/* SPDX-License-Identifier: Apache-2.0 */
/* label_objects.h - the objects of a label map: pixels of one class that are joined by sides. */
#ifndef SLMT_DATA_LABEL_OBJECTS_H
#define SLMT_DATA_LABEL_OBJECTS_H

#include <stdint.h>

/* Maps are [dim[0]][dim[1]][dim[2]], with classes as indices; class 0 and what is below is no object.
 * `object` and `stack` have room for as many numbers as a map has. */

/* Numbers the objects of a map from 1, in the order of their first pixels; other pixels are 0. Returns how
 * many objects there are. */
int32_t label_objects(const int32_t *labels, const int64_t dim[3], int32_t *object, int64_t *stack);

/* Keeps only the largest object of each class, of equal ones the first. The pixels of the others become class
 * 0. */
void label_keep_largest(int32_t *labels, const int64_t dim[3], int32_t *object, int64_t *stack);

#endif
