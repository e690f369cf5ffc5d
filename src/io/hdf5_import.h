/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5_import.h - writes a file that another program wrote or rewrote anew, in this library's dialect. It is
 * the only place where HDF5 reads: HDF5 is no parser for hostile bytes, so that this runs in a process of its
 * own (slmt convert --import). */
#ifndef SLMT_IO_HDF5_IMPORT_H
#define SLMT_IO_HDF5_IMPORT_H

#include "lib/mem.h"
#include "lib/status.h"

typedef enum hdf5_import_kind { HDF5_IMPORT_CHECKPOINT, HDF5_IMPORT_SET } hdf5_import_kind;

/* Checks the complete new file, under its temporary name, before it gets its own. */
typedef status (*hdf5_import_check)(void *user, hdf5_import_kind kind, const char *file);

/* Copies all groups, attributes and tensors of the file at `path` to a new one at `out`: whole numbers become
 * int64, real ones float64, texts UTF-8 of fixed length; tensors keep their type. Whether they are what a
 * checkpoint or a set must hold, check() finds out. ERR_NOT_FOUND, ERR_IO, ERR_FORMAT (HDF5 cannot read it),
 * ERR_SCHEMA (it holds what no file of this library does), ERR_MEMORY, ERR_LIMIT, what check() returns;
 * ERR_UNSUPPORTED in a build without HDF5. */
status hdf5_import(mem *m, const char *path, const char *out, hdf5_import_check check, void *user);

#endif
