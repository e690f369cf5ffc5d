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

#include "lib/status.h"

enum { SEAL_SIZE = 512 };

/* Digests everything after the first SEAL_SIZE bytes of an open file and writes the seal to these. ERR_IO. */
status seal_write(int fd, const char *label);

/* Check a file against its seal. ERR_FORMAT: no checkpoint; ERR_VERSION; ERR_CORRUPT; ERR_IO. */
status seal_check_file(int fd, uint64_t size, const char *label);
status seal_check_memory(const void *data, uint64_t size, const char *label);

#endif
