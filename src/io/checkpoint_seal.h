/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_seal.h - the first 512 bytes of a checkpoint: magic, version, size and SHA-256 of what follows.
 *
 * The block is lines of text and then zeros, in exactly one form for given numbers, so that any changed byte
 * is detected. The seal detects damage, not forgery: someone who can change the file can change the seal too.
 */
#ifndef SLMT_IO_CHECKPOINT_SEAL_H
#define SLMT_IO_CHECKPOINT_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "io/source.h"
#include "lib/status.h"

enum { SEAL_SIZE = 512 };

/* Digests everything after the first SEAL_SIZE bytes of an open file and writes the seal to these. ERR_IO. */
status seal_write(int fd, const char *label);

/* Checks a file or memory against its seal; a file's source keeps the sums of the bytes that were digested.
 * ERR_FORMAT: no checkpoint; ERR_VERSION; ERR_CORRUPT; ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status seal_check(source *s);

/* Checks the first n bytes of what is still being read, so that what is no checkpoint is not read to its end.
 * ERR_FORMAT; ERR_CORRUPT: more bytes than the seal promises. */
status seal_check_start(const void *bytes, size_t n, const char *label);

#endif
