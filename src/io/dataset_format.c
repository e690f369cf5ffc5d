/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_format.c - user block, names and fields of a training set's file. */
#include "io/dataset_format.h"

#include <stdio.h>
#include <string.h>

#include "io/dataset_file.h"

void dataset_block(char block[DATASET_BLOCK], int64_t version)
{
    memset(block, 0, DATASET_BLOCK);
    snprintf(block, DATASET_BLOCK, "%sversion %lld\n", DATASET_MAGIC, (long long)version);
}

const dataset_field dataset_fields[DATASET_FIELDS] = {
    {"crop_size", offsetof(slmt_preprocess, crop_size)},
    {"crop_x", offsetof(slmt_preprocess, crop_x)},
    {"crop_y", offsetof(slmt_preprocess, crop_y)},
    {"slice_first", offsetof(slmt_preprocess, slice_first)},
    {"slice_count", offsetof(slmt_preprocess, slice_count)},
    {"image_size", offsetof(slmt_preprocess, image_size)},
    {"target_resize", offsetof(slmt_preprocess, target_resize)},
    {"scaling", offsetof(slmt_preprocess, scaling)},
};

const char *dataset_split_name(int32_t split)
{
    return split == SLMT_SPLIT_TRAIN ? "train" : "test";
}

int32_t dataset_split_of(const char *name)
{
    return strcmp(name, "train") == 0 ? SLMT_SPLIT_TRAIN : strcmp(name, "test") == 0 ? SLMT_SPLIT_TEST : 0;
}

static int name_ok(const char *name, size_t longest, const char *allowed)
{
    size_t length = strnlen(name, longest + 1);
    return length >= 1 && length <= longest && strspn(name, allowed) >= length;
}

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

int dataset_contrast_ok(const char *name)
{
    return name_ok(name, CONTRAST_NAME_MAX, LETTERS_AND_DIGITS "-_");
}

/* "." is HDF5's name for a group itself; ".." would lead out of a folder where a tool names files by subject.
 */
int dataset_subject_ok(const char *name)
{
    return name_ok(name, SUBJECT_NAME_MAX, LETTERS_AND_DIGITS "-_.") && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}
