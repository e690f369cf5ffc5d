/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_file.h - the file of a training set: subjects, and for each contrast of a subject its cropped
 * slices.
 *
 * HDF5 behind a 512-byte user block with magic and version. Root attributes: the fields of slmt_preprocess,
 * and "contrasts", names joined by commas. /subjects/<name>: attributes "index" (order of adding) and
 * "split"; one float32 tensor [slice][crop_size][crop_size] for each contrast it has, a chunk a slice,
 * deflated. Arguments are checked by the entry points in src/api/dataset.c, files here. */
#ifndef SLMT_IO_DATASET_FILE_H
#define SLMT_IO_DATASET_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/mem.h"
#include "slmt/dataset.h"

enum { DATASET_VERSION = 1, CONTRASTS_MAX = 64, CONTRAST_NAME_MAX = 64, SUBJECT_NAME_MAX = 128 };

/* 1 if a name is allowed. */
int dataset_contrast_ok(const char *name);
int dataset_subject_ok(const char *name);

/* ---- writing, to a temporary file; m must outlive the writer ---- */

typedef struct dataset_file_writer dataset_file_writer;

/* ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status dataset_file_create(mem *m, const char *path, const slmt_preprocess *preprocess,
                           const char *const *contrasts, size_t count, dataset_file_writer **out);

const slmt_preprocess *dataset_file_writer_preprocess(const dataset_file_writer *w);
size_t dataset_file_writer_contrasts(const dataset_file_writer *w);

/* A subject: begin, put its contrasts, then end or undo. begin: ERR_ARGUMENT where the name is taken. A
 * failed write is kept: the writer then does no more than finish (which fails) or cancel. */
status dataset_file_begin(dataset_file_writer *w, const char *subject, int32_t split);
status dataset_file_put(dataset_file_writer *w, size_t contrast, size_t slices, const float *pixels);
status dataset_file_end(dataset_file_writer *w);
void dataset_file_undo(dataset_file_writer *w); /* keeps the error text */

/* Both free the writer. */
status dataset_file_finish(dataset_file_writer *w);
void dataset_file_cancel(dataset_file_writer *w); /* NULL is allowed */

/* ---- reading ---- */

typedef struct dataset_file dataset_file;

/* ERR_NOT_FOUND, ERR_IO, ERR_FORMAT, ERR_VERSION, ERR_SCHEMA, ERR_MEMORY, ERR_LIMIT. */
status dataset_file_open(mem *m, const char *path, dataset_file **out);
void dataset_file_close(dataset_file *f); /* NULL is allowed */

const char *dataset_file_label(const dataset_file *f);
const slmt_preprocess *dataset_file_preprocess(const dataset_file *f);
size_t dataset_file_contrasts(const dataset_file *f);
const char *dataset_file_contrast(const dataset_file *f, size_t contrast);
size_t dataset_file_subjects(const dataset_file *f);
const char *dataset_file_subject(const dataset_file *f, size_t subject);
int32_t dataset_file_split(const dataset_file *f, size_t subject);
size_t dataset_file_slices(const dataset_file *f, size_t subject, size_t contrast); /* 0: none */

/* One stored slice, [crop_size][crop_size] in [0, 1]. Indices are in range. ERR_CORRUPT. */
status dataset_file_read(const dataset_file *f, size_t subject, size_t contrast, size_t slice, float *pixels);

#endif
