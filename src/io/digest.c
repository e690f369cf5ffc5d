/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - SHA-256 through Nettle, which uses the processor's SHA instructions, a file in small pieces. */
#include "io/digest.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <nettle/sha2.h>

enum { PIECE = 16384 };

void digest_finish(struct sha256_ctx *sha, char hex[DIGEST_HEX])
{
    static const char digit[] = "0123456789abcdef";
    uint8_t raw[SHA256_DIGEST_SIZE];
    sha256_digest(sha, sizeof raw, raw);
    for (size_t i = 0; i < sizeof raw; i++) {
        hex[2 * i] = digit[raw[i] >> 4];
        hex[2 * i + 1] = digit[raw[i] & 15];
    }
    hex[DIGEST_HEX - 1] = 0;
}

void digest_memory(const void *data, size_t size, char hex[DIGEST_HEX])
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, size, data);
    digest_finish(&sha, hex);
}

status digest_file(int fd, uint64_t start, const char *label, char hex[DIGEST_HEX], uint64_t *size)
{
    uint8_t piece[PIECE];
    struct sha256_ctx sha;
    sha256_init(&sha);
    *size = 0;
    for (;;) {
        ssize_t n = pread(fd, piece, sizeof piece, (off_t)(start + *size));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(ERR_IO, "%s: cannot read: %s", label, strerror(errno));
        if (n == 0)
            break;
        sha256_update(&sha, (size_t)n, piece);
        *size += (uint64_t)n;
    }
    digest_finish(&sha, hex);
    return OK;
}
