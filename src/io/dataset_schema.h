/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_schema.h - an open training set's file in memory, and the functions that turn the catalogue of each
 * version into fields and records. For the dataset_*.c files that read. */
#ifndef SLMT_IO_DATASET_SCHEMA_H
#define SLMT_IO_DATASET_SCHEMA_H

#include <pthread.h>

#include "io/dataset_file.h"
#include "io/dataset_format.h"
#include "io/dialect.h"

typedef struct class_list {
    int32_t *values; /* ascending; NULL if n is 0 */
    size_t n;
} class_list;

/* A record's tensor. */
typedef struct tensor_place {
    const catalogue_tensor *stored; /* NULL: none, or one of 0 rows */
    int has;
} tensor_place;

struct dataset_file {
    mem *mem;
    char *label;
    source bytes;
    pthread_mutex_t reading; /* guards the scratch */
    dialect_scratch scratch;
    int version;
    const char *records_group; /* the name of the group of records: "records", or "subjects" */
    catalogue catalogue;
    char *contrast_text; /* version 1: the names, each ended by a zero; NULL */
    slmt_field fields[FIELDS_MAX];
    class_list classes[FIELDS_MAX];
    size_t n_fields;
    slmt_record *records; /* id NULL: not found yet */
    size_t n_records;
    tensor_place *tensors; /* [record][field] */
};

/* Returns 1 if a group's path is "PARENT/NAME"; *name is then its last part. */
int dataset_child(const char *path, const char *parent, const char **name);

/* Allocates the records, which the caller has counted, and the fields, whose number is known. */
status dataset_take_records(dataset_file *f, size_t n_records);

/* Finds the record with the number in attribute "index" of its group and sets its split and id. ERR_SCHEMA:
 * the number is taken. */
status dataset_record_of(dataset_file *f, const catalogue_group *g, const char *id, size_t *record);

/* Fills fields, records and tensors. ERR_SCHEMA, naming the object; ERR_MEMORY, ERR_LIMIT. */
status dataset_schema_1(dataset_file *f);
status dataset_schema_2(dataset_file *f);

#endif
