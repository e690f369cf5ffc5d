/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_seal.h - the first 512 bytes of a training set, and the digests of the rest.
 *
 * A set is streamed, and used before all of it has been read. Behind HDF5's bytes lies a table with the
 * SHA-256 of each 16 KiB; the first bytes say where the table begins and give its SHA-256. The table is
 * checked when the set is opened, and each block when it is read, so that no changed byte is used. Versions 1
 * and 2 had neither. */
#ifndef SLMT_IO_DATASET_SEAL_H
#define SLMT_IO_DATASET_SEAL_H

#include "io/source.h"
#include "lib/status.h"

/* Version 3 is written; 1, which held only MR volumes, and 2, which had no digests, are read too. */
enum { DATASET_VERSION = 3, DATASET_BLOCK = 512 };

/* Appends the table to a complete file and writes its first bytes. label: the file's name, for messages.
 * ERR_IO. */
status dataset_seal_write(int fd, const char *label);

/* Checks the first bytes of a file and takes its table; s->size is then that of HDF5's bytes and those before
 * them. ERR_FORMAT, ERR_VERSION, ERR_CORRUPT, ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status dataset_seal_check(source *s, int *version);

#endif
