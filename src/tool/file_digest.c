/* SPDX-License-Identifier: Apache-2.0 */
/* file_digest.c - SHA-256 by Nettle. */
#include "file_digest.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>

#include "must.h"

enum { PIECE = 65536 };

char *file_digest(const char *path)
{
    struct sha256_ctx sha;
    unsigned char raw[SHA256_DIGEST_SIZE];
    FILE *in = fopen(path, "rb");
    if (!in)
        return NULL;
    unsigned char *piece = must_alloc(PIECE, 1);
    sha256_init(&sha);
    for (size_t n; (n = fread(piece, 1, PIECE, in)) > 0;)
        sha256_update(&sha, n, piece);
    int reason = ferror(in) ? errno : 0;
    fclose(in);
    free(piece);
    errno = reason;
    if (reason)
        return NULL;
    sha256_digest(&sha, sizeof raw, raw);
    char *text = must_alloc(2 * sizeof raw + 1, 1);
    for (size_t i = 0; i < sizeof raw; i++)
        snprintf(text + 2 * i, 3, "%02x", raw[i]);
    return text;
}
