/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_format.h - the common part of the writer and the reader of a training set's file: names, and the
 * rules for fields. */
#ifndef SLMT_IO_DATASET_FORMAT_H
#define SLMT_IO_DATASET_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "io/catalogue.h"
#include "slmt/dataset.h"

enum {
    FIELDS_MAX = 64,
    FIELD_NAME_MAX = 64,
    RECORD_NAME_MAX = STORED_NAME_MAX,
    AXES_TEXT_MAX = 6 * 33,
    CLASSES_MAX = 2048,
    CLASS_NAME_MAX = 64,
    SHAPE_TEXT = 6 * 21
};

/* The most bytes that HDF5 decompresses at once to read a single row, which limits the memory that a hostile
 * file can cause. */
#define DATASET_ROW_MAX ((uint64_t)256 << 20)

/* Returns 1 if a name is allowed for a field, and so for a contrast; or for a record or a group, and so for a
 * subject. */
int dataset_field_name_ok(const char *name);
int dataset_record_name_ok(const char *name);

/* What a record's name must be, for messages. */
#define RECORD_NAME_RULE "1 to 255 bytes of UTF-8 without control characters and '/', and not \".\" or \"..\""

/* Converts constants to their names in the file, and back: 0 for a name that is not one. */
const char *dataset_split_name(int32_t split); /* NULL: no split of a record */
int32_t dataset_split_of(const char *name);
const char *dataset_kind_name(int32_t kind); /* NULL: not a kind */
int32_t dataset_kind_of(const char *name);
int32_t dataset_type_of(const char *name);

/* Returns how a type SLMT_TENSOR_..., which must be valid, is stored. */
stored_type dataset_stored(int32_t type);

/* Writes the extents as text, "*,200,200", in which * is an extent that differs between records; and back:
 * returns the rank, 0 for a bad text. */
const char *dataset_shape_text(const slmt_field *f, char text[SHAPE_TEXT]);
int32_t dataset_shape_parse(const char *text, int64_t dim[STORED_RANK_MAX]);

/* ERR_ARGUMENT, with the field's name and the rule it breaks. */
status dataset_field_check(const slmt_field *f);

/* Reads the values of "0=background,4=tumour", of a field that has passed the check, into room for
 * CLASSES_MAX. Returns their number. */
size_t dataset_class_values(const char *classes, int32_t *values);

/* Returns the first character of axis `index` of "slice,row,column", and its length. */
const char *dataset_axis(const char *axes, int index, size_t *length);

/* Returns the bytes of a row of a tensor of these extents: of all axes except the first. 0: too many. */
uint64_t dataset_row_bytes(const slmt_field *f, const int64_t *dims);

/* A number for each different name of an axis, by field and axis. */
typedef struct axis_ids {
    int32_t id[FIELDS_MAX][STORED_RANK_MAX];
} axis_ids;

void dataset_axis_ids(const slmt_field *fields, size_t count, axis_ids *ids);

/* Returns `code`, with a message that names both fields, unless axes of the same name have the same extent.
 * dims: by field, of a record; NULL: it has no such tensor; -1: an extent is unknown. where: file and record,
 * for the message. */
status dataset_axes_agree(const slmt_field *fields, size_t count, const axis_ids *ids,
                          const int64_t *const *dims, status code, const char *where);

/* Checks values of a field: floats must be finite, and others among its classes (n_classes 0: any). Returns
 * the index of the first bad one, or n. */
size_t dataset_values_check(const slmt_field *f, const int32_t *classes, size_t n_classes, const void *values,
                            size_t n);

#endif
