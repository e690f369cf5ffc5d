/* SPDX-License-Identifier: Apache-2.0 */
/* dataset.h - what a training set's handles hold, for entry points and samplers. */
#ifndef SLMT_CORE_DATASET_H
#define SLMT_CORE_DATASET_H

#include "core/open_sets.h"
#include "io/dataset_file.h"
#include "io/digest.h"
#include "slmt/dataset.h"

struct slmt_dataset_writer {
    uint64_t word;         /* HANDLE_WRITER, first */
    slmt_context *context; /* one owner */
    dataset_file_writer *file;
    size_t contrasts; /* of a set of MR volumes; 0: of another */
    slmt_preprocess preprocess;
    slmt_geometry geometry; /* of the subjects so far */
    int any_spacing;
};

struct slmt_dataset {
    uint64_t word;         /* HANDLE_DATASET, first */
    slmt_context *context; /* one owner */
    dataset_file *file;
    size_t contrasts; /* of a set of MR volumes; 0: of another */
    slmt_preprocess preprocess;
    float *slice; /* [crop_size][crop_size]; NULL: of another */
    set_file open;
};

/* Opens a writer over a file that has no fields yet. */
status dataset_writer_open(slmt_context *context, const char *path, const char *records_group,
                           slmt_dataset_writer **writer);

/* Computes a digest of what a set is: fields, records, shapes, and one row of each training record. A set
 * that was moved or renamed has the same. ERR_CORRUPT, ERR_MEMORY, ERR_LIMIT. */
status dataset_identity(mem *m, const dataset_file *f, char hex[DIGEST_HEX]);

#endif
