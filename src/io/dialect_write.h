/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_write.h - writes files in the dialect of HDF5 that dialect.h reads, without HDF5.
 *
 * HDF5 reads these files, as h5dump, h5py and MATLAB do. They are not written by it, because it can end the
 * process where it finds no memory. Every byte of memory here comes from `mem`, and a failure of any kind is
 * a status.
 *
 * Tensors are written at once, groups when they are closed: links and attributes all lie in the header of
 * their group. Equal calls give equal bytes. One thread at a time. */
#ifndef SLMT_IO_DIALECT_WRITE_H
#define SLMT_IO_DIALECT_WRITE_H

#include "io/catalogue.h"

typedef struct dialect_group dialect_group;
typedef struct dialect_tensor dialect_tensor;

typedef struct dialect_file {
    mem *mem;
    int fd;            /* the caller's */
    const char *label; /* the file, for messages; the caller's */
    uint64_t base;     /* bytes before HDF5's own */
    uint64_t end;      /* the first free address, counted from there */
    int error;         /* errno of the first write that failed; 0 */
    dialect_group *root;
    unsigned char *scratch; /* two chunks */
    size_t scratch_size;
} dialect_file;

/* Begins a file whose first user_block bytes are left to the caller. ERR_MEMORY, ERR_LIMIT; then nothing is
 * to be freed. */
status dialect_begin(mem *m, int fd, uint64_t user_block, const char *label, dialect_file *f);

/* Closes all groups and writes the superblock: the file is complete, and what was behind its end is cut off.
 * ERR_IO, ERR_MEMORY, ERR_LIMIT. The caller still frees f. */
status dialect_end(dialect_file *f);
void dialect_free(dialect_file *f); /* also one that is zero */

/* ---- groups ---- */

/* Names have 1 to STORED_NAME_MAX bytes, as stored_path_ok() and stored_user_name_ok() find out. */

/* Finds or makes the group "a/b/c" ("" is the root), which must not be closed. */
status dialect_group_at(dialect_file *f, const char *path, dialect_group **g);

/* Makes a group. The parent must not have the name yet. */
status dialect_new_group(dialect_file *f, dialect_group *parent, const char *name, dialect_group **g);

/* *has: 1 if the group has a group or a tensor of this name. */
status dialect_has(dialect_group *g, const char *name, int *has);

/* Writes the group and everything in it, and frees g. ERR_IO, ERR_MEMORY, ERR_LIMIT; then g stays. */
status dialect_close_group(dialect_file *f, dialect_group *g);

/* Removes and frees the group, with everything in it. It must be the youngest member of its parent, and not
 * closed. */
void dialect_drop_group(dialect_file *f, dialect_group *g);

/* ---- attributes ---- */

int dialect_has_attribute(const dialect_group *g, const char *name);

/* Adds a scalar attribute. The group must not have the name yet. Bytes of a text that are not plain text
 * become '?', because the reader refuses them. ERR_ARGUMENT: the text and its name take more than
 * DIALECT_TEXT_MAX bytes. ERR_MEMORY, ERR_LIMIT. */
enum { DIALECT_TEXT_MAX = 65513 };
status dialect_put_int(dialect_file *f, dialect_group *g, const char *name, int64_t value);
status dialect_put_real(dialect_file *f, dialect_group *g, const char *name, double value);
status dialect_put_text(dialect_file *f, dialect_group *g, const char *name, const char *value);

/* ---- tensors ---- */

/* Writes a whole tensor in one piece. The group must not have the name yet. ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status dialect_put_tensor(dialect_file *f, dialect_group *g, const char *name, stored_type type, int rank,
                          const int64_t *dims, const void *values);

/* Begins a tensor without rows, which grows along the first axis until its group is closed. Its chunks are
 * `chunk_rows` whole rows, at most as many as the tensor will have; they are shuffled and deflated at
 * level 1. rank: at least 1. The file owns *t. ERR_MEMORY, ERR_LIMIT. */
status dialect_new_tensor(dialect_file *f, dialect_group *g, const char *name, stored_type type, int rank,
                          const int64_t *dims, int64_t chunk_rows, dialect_tensor **t);

/* Adds rows, which lie one behind the other in `values`. After a failure the tensor holds some of them, and
 * its group can only be dropped. ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status dialect_add_rows(dialect_file *f, dialect_tensor *t, int64_t rows, const void *values);

#endif
