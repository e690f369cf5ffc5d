/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.h - reads the one dialect of HDF5 that this library writes, without HDF5.
 *
 * HDF5 is no parser for hostile bytes; what libslmt writes is a small part of its format (HDF5 File Format
 * Specification 3.0, as of libver 1.8): superblock 2 behind a user block; object headers 2; groups with
 * compact links, or links in a fractal heap with a B-tree 2; attributes likewise; tensors in one piece, or in
 * chunks that lie in a B-tree 1, shuffled and deflated. The reader refuses everything else with its place: a
 * byte of the file and the object's path. It is total: every number of the file is checked before it is used,
 * nothing recurses, and no structure may overlap another, so that the work is bounded by the file's size. */
#ifndef SLMT_IO_DIALECT_H
#define SLMT_IO_DIALECT_H

#include "io/catalogue.h"
#include "io/source.h"

/* What messages say of files and forms that other programs write. */
#define DIALECT_OTHERS "; `slmt convert --import` reads files that another program wrote"

/* Returns 1 if the first bytes are those of HDF5, without a block of ours in front. */
int dialect_is_plain_hdf5(const void *bytes, size_t have);

/* Reads everything except the values of tensors into an empty catalogue, whose label is set. user_block: the
 * number of bytes before HDF5's own. Each tensor's storage is there in full: its bytes lie in the file, its
 * chunks cover the extent exactly. ERR_FORMAT, ERR_SCHEMA, ERR_IO, ERR_CORRUPT, ERR_MEMORY, ERR_LIMIT. */
status dialect_catalogue(const source *bytes, uint64_t user_block, catalogue *c);

/* Memory to read chunks with: two chunks and a bit for each of them. */
typedef struct dialect_scratch {
    void *bytes;
    size_t size;
} dialect_scratch;

/* Returns how much of it a tensor of that catalogue needs. */
uint64_t dialect_scratch_size(const catalogue_tensor *t);

/* Reads all values of a tensor of that catalogue, or its rows [first, first + count), which must be in range,
 * as they are stored. A chunk is inflated into exactly its size. Memory is allocated only if the scratch is
 * too small. ERR_FORMAT, ERR_CORRUPT, ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status dialect_read(const source *bytes, uint64_t user_block, const catalogue_tensor *t, void *values);
status dialect_read_rows(const source *bytes, uint64_t user_block, const catalogue_tensor *t, int64_t first,
                         int64_t count, dialect_scratch scratch, void *values);

#endif
