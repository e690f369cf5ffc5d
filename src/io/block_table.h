/* SPDX-License-Identifier: Apache-2.0 */
/* block_table.h - a table of SHA-256 behind the bytes of a file: one of each block of 16 KiB, the last one
 * shorter. A file that is too large to be summed before it is used is checked by it while it is streamed
 * (source_take_table()). */
#ifndef SLMT_IO_BLOCK_TABLE_H
#define SLMT_IO_BLOCK_TABLE_H

#include "io/digest.h"
#include "lib/status.h"

enum { BLOCK_TABLE_BLOCK = 16384, BLOCK_TABLE_DIGEST = 32 };

/* Returns the number of blocks of so many bytes. */
uint64_t block_table_count(uint64_t bytes);

/* Appends the table of the bytes from `start` on to an open file. *at receives where the table begins, hex
 * its SHA-256. label: the file's name, for the message. ERR_IO. */
status block_table_append(int fd, uint64_t start, const char *label, uint64_t *at, char hex[DIGEST_HEX]);

#endif
