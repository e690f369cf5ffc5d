/* SPDX-License-Identifier: Apache-2.0 */
/* scan_fields.h - what samplers of images and their label maps share: which fields of a set are the channels
 * of an image and its labels, what their stored values mean, and which class a label is. For fields with the
 * axes "row,column" or "slice,row,column". */
#ifndef SLMT_DATA_SAMPLER_SCAN_FIELDS_H
#define SLMT_DATA_SAMPLER_SCAN_FIELDS_H

#include "core/method.h"

enum { SCAN_CHANNELS = 64, SCAN_CLASSES = 64, SCAN_IGNORED = -1 };

typedef struct scan_fields {
    int64_t channels;
    size_t field[SCAN_CHANNELS + 1]; /* of each channel, then that of the labels */
    int32_t values[SCAN_CLASSES], classes, ignored;
} scan_fields;

/* Finds a field for each of own->channels: all images of the set, or the one that the caller named.
 * ERR_ARGUMENT: there are more or fewer. */
status scan_find_images(feed *f, scan_fields *own);

/* Finds the field of label maps: the only one, or that which the setting names. Each value that it lists must
 * have a class. ERR_ARGUMENT, ERR_NOT_FOUND. */
status scan_find_labels(feed *f, scan_fields *own, const char *setting);

/* Puts the channels into the order of the model's contrasts, which a model without any takes from the set.
 * ERR_NOT_FOUND. */
status scan_order_images(feed *f, scan_fields *own);

/* Returns the class of a value in label maps, SCAN_IGNORED, or a smaller number if the value has no class;
 * scan_no_class() then gives the error. */
int32_t scan_class(const scan_fields *own, int32_t value);
status scan_no_class(const feed *f, const scan_fields *own, int32_t value);

/* Extents of a record's field: slices (1 if there is no such axis), rows, columns. 0: it has none. */
int scan_extents(const feed *f, uint32_t record, size_t field, int64_t size[3]);

/* Returns 1 if the first axis of a field counts slices. */
int scan_is_sliced(const feed *f, size_t field);

/* Element i of stored values: images of uint8 become [0, 1]. */
double scan_value(const slmt_field *info, const void *values, size_t i);

#endif
