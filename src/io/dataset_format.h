/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_format.h - what writer and reader of a training set's file share: user block, names, fields. */
#ifndef SLMT_IO_DATASET_FORMAT_H
#define SLMT_IO_DATASET_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "slmt/dataset.h"

enum { DATASET_BLOCK = 512 };

#define DATASET_MAGIC "libslmt dataset\n"

/* The user block of a version: magic, "version <n>\n", zeros. */
void dataset_block(char block[DATASET_BLOCK], int64_t version);

/* The whole-number fields of slmt_preprocess, as they are named in the file. */
typedef struct dataset_field {
    const char *name;
    size_t offset; /* in slmt_preprocess, of an int32_t */
} dataset_field;

enum { DATASET_FIELDS = 8 };
extern const dataset_field dataset_fields[DATASET_FIELDS];

/* "train" or "test"; the split of such a text, 0 for others. */
const char *dataset_split_name(int32_t split);
int32_t dataset_split_of(const char *name);

#endif
