/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_file.h - the file of a training set: fields, and records with a tensor for each field or for some.
 *
 * HDF5 behind a 512-byte user block with magic and version (docs/file-formats.md):
 *
 *   /fields/NAME      attributes index, kind, type, axes, shape, and classes if it has any
 *   /records/ID       attributes index, split, group, and empty (fields of 0 rows) if there are any;
 *                     a tensor for each other field that the record has
 *   /source           if an importer made the set: its name and settings
 *
 * Version 1 held only MR volumes, which are read as the fields and records that the importer "mr" makes now.
 */
#ifndef SLMT_IO_DATASET_FILE_H
#define SLMT_IO_DATASET_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "io/catalogue.h"
#include "slmt/dataset.h"

/* ---- writing, to a temporary file; m must outlive the writer ---- */

typedef struct dataset_file_writer dataset_file_writer;

/* The group of records is called records_group: "records", or "subjects" in a set of MR volumes. The text
 * must outlive the writer. ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status dataset_file_create(mem *m, const char *path, const char *records_group, dataset_file_writer **out);

/* Adds a field, before the first record. ERR_ARGUMENT, ERR_STATE, ERR_MEMORY, ERR_LIMIT. */
status dataset_file_add_field(dataset_file_writer *w, const slmt_field *field);

/* The field, of int32, gets the classes that occur in its values, each named by its number. ERR_MEMORY,
 * ERR_LIMIT. */
status dataset_file_collect_classes(dataset_file_writer *w, size_t field);

/* Writes the source's attributes; "importer" is its name. The writer remembers the first failure, as for all
 * writes. */
status dataset_file_source_int(dataset_file_writer *w, const char *name, int64_t value);
status dataset_file_source_real(dataset_file_writer *w, const char *name, double value);
status dataset_file_source_text(dataset_file_writer *w, const char *name, const char *value);

size_t dataset_file_writer_fields(const dataset_file_writer *w);
const slmt_field *dataset_file_writer_field(const dataset_file_writer *w, size_t index); /* that is there */
const char *dataset_file_writer_label(const dataset_file_writer *w);

/* A record is begun, appended to field by field, then ended or undone; slmt/dataset.h describes the checks.
 * After a failed write, the writer can only finish (which fails) or cancel. */
status dataset_file_begin(dataset_file_writer *w, const slmt_record *record);
status dataset_file_append(dataset_file_writer *w, size_t field, const int64_t *dims, const void *values);
/* Writes numbers of the current record as attributes; at most DATASET_NUMBERS, all in one call. */
enum { DATASET_NUMBERS = 13 };
status dataset_file_numbers(dataset_file_writer *w, int n, const char *const *names, const double *values);

status dataset_file_end(dataset_file_writer *w);  /* undoes an incomplete record */
status dataset_file_undo(dataset_file_writer *w); /* the message of an earlier failure stays */

/* Both free the writer. ERR_STATE: a record has not ended, or there is no field. */
status dataset_file_finish(dataset_file_writer *w);
void dataset_file_cancel(dataset_file_writer *w); /* NULL is allowed */

/* ---- reading ---- */

typedef struct dataset_file dataset_file;

/* ERR_NOT_FOUND, ERR_IO, ERR_FORMAT, ERR_VERSION, ERR_SCHEMA, ERR_MEMORY, ERR_LIMIT. */
status dataset_file_open(mem *m, const char *path, dataset_file **out);
void dataset_file_close(dataset_file *f); /* NULL is allowed */

const char *dataset_file_label(const dataset_file *f);
size_t dataset_file_fields(const dataset_file *f);
size_t dataset_file_records(const dataset_file *f);
const slmt_field *dataset_file_field(const dataset_file *f, size_t index);   /* NULL past the last */
const slmt_record *dataset_file_record(const dataset_file *f, size_t index); /* NULL past the last */

/* Returns the importer's name, "" without one, and the group of its attributes. */
const char *dataset_file_source(const dataset_file *f);
const catalogue *dataset_file_source_at(const dataset_file *f, const char **group);

/* Returns the name of the group of records, "records" or "subjects". */
const char *dataset_records_path(const dataset_file *f);

/* "records/ID/NAME", for messages: with the path of the version that the file has. */
enum { DATASET_PLACE_MAX = 400 };
const char *dataset_file_place(const dataset_file *f, size_t record, size_t field,
                               char text[DATASET_PLACE_MAX]);

/* Returns the extents of a record's tensor; NULL: it has none, or an index is past the last. */
const int64_t *dataset_file_shape(const dataset_file *f, size_t record, size_t field);

/* Reads numbers of a record. *has: 0 if it has none of them; then nothing is read. ERR_SCHEMA: some are
 * missing. */
status dataset_file_read_numbers(const dataset_file *f, size_t record, int n, const char *const *names,
                                 double *values, int *has);

/* Reads rows [first, first + count) of an existing tensor; they must be in range. ERR_CORRUPT. */
status dataset_file_read(const dataset_file *f, size_t record, size_t field, int64_t first, int64_t count,
                         void *values);

#endif
