/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h - SHA-256 of a block of memory or of the rest of a file, as lower-case hex. Over Nettle. */
#ifndef SLMT_IO_DIGEST_H
#define SLMT_IO_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

enum { DIGEST_HEX = 65 }; /* 64 digits and the zero */

/* Writes the digest of what went into a SHA-256 of Nettle. */
struct sha256_ctx;
void digest_finish(struct sha256_ctx *sha, char hex[DIGEST_HEX]);

void digest_memory(const void *data, size_t size, char hex[DIGEST_HEX]);

/* Digests the bytes from `start` to the end of an open file. size receives their number. label: the file's
 * name, for the message. ERR_IO. */
status digest_file(int fd, uint64_t start, const char *label, char hex[DIGEST_HEX], uint64_t *size);

#endif
