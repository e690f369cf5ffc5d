/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5_import_parts.h - what the hdf5_import*.c files share. */
#ifndef SLMT_IO_HDF5_IMPORT_PARTS_H
#define SLMT_IO_HDF5_IMPORT_PARTS_H

#include "io/hdf5.h"
#include "io/sealed_file.h"

typedef struct importer {
    mem *mem;
    const char *label; /* the file that is read */
    const char *path;  /* of the group that is copied */
    sealed_file *out;
    int is_set;
    uint64_t file_size, values; /* bytes of the file, and of all values so far */
    size_t objects;
} importer;

/* ERR_SCHEMA and ERR_FORMAT, with the object. */
status import_refuse(const importer *m, const char *name, const char *what);
status import_unreadable(const importer *m, const char *name);

/* Adds bytes to those of all values. ERR_SCHEMA: they are more than a file of this size can hold. */
status import_count(importer *m, const char *name, uint64_t bytes);

/* Copies all attributes of a group, and one tensor. */
status import_attributes(importer *m, hid_t from, dialect_group *to);
status import_tensor(importer *m, hid_t from, dialect_group *to, const char *name);

#endif
