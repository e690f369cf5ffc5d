/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_seal.c - writes and checks the user block of a checkpoint. */
#include "io/checkpoint_seal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "io/checkpoint.h"
#include "io/descriptor.h"
#include "io/digest.h"
#include "io/file_kind.h"

static const char magic[] = "libslmt checkpoint\n";
static const char version_word[] = "version ";

static void compose(char seal[SEAL_SIZE], uint64_t size, const char *hex)
{
    memset(seal, 0, SEAL_SIZE);
    snprintf(seal, SEAL_SIZE, "%s%s%d\nsize %llu\nsha256 %s\n", magic, version_word, CHECKPOINT_VERSION,
             (unsigned long long)size, hex);
}

status seal_write(int fd, const char *label)
{
    char seal[SEAL_SIZE], hex[DIGEST_HEX];
    uint64_t rest;
    TRY(digest_file(fd, SEAL_SIZE, label, hex, &rest));
    compose(seal, SEAL_SIZE + rest, hex);
    if (descriptor_write(fd, seal, SEAL_SIZE, 0) != 0)
        return fail(ERR_IO, "%s: cannot write: %s", label, strerror(errno));
    return OK;
}

/* Reads the digits after `from`, up to `end`, and sets *next to their end. Returns UINT64_MAX if there are
 * none. */
static uint64_t number_at(const char *from, const char *end, const char **next)
{
    uint64_t value = 0;
    *next = from;
    while (*next < end && **next >= '0' && **next <= '9' && value < UINT64_MAX / 16)
        value = 10 * value + (uint64_t)(*(*next)++ - '0');
    return *next == from ? UINT64_MAX : value;
}

/* Checks as much of the magic as there is. */
static status check_magic(const char *seal, size_t have, const char *label)
{
    size_t compared = have < sizeof magic - 1 ? have : sizeof magic - 1;
    if (memcmp(seal, magic, compared) == 0)
        return OK;
    char instead[FILE_KIND_TEXT];
    file_kind_instead(seal, have, instead, sizeof instead);
    return fail(ERR_FORMAT, "%s: not a libslmt checkpoint%s", label, instead);
}

status seal_check_start(const void *bytes, size_t n, const char *label)
{
    const char *seal = bytes, *size_line, *end = seal + SEAL_SIZE;
    TRY(check_magic(seal, n, label));
    if (n < SEAL_SIZE)
        return OK;
    number_at(seal + sizeof magic - 1 + sizeof version_word - 1, end, &size_line);
    uint64_t claimed =
        memcmp(size_line, "\nsize ", 6) == 0 ? number_at(size_line + 6, end, &size_line) : UINT64_MAX;
    if (n <= claimed)
        return OK;
    return fail(ERR_CORRUPT, "%s: damaged: there are more bytes than the %llu that its first lines promise",
                label, (unsigned long long)claimed);
}

/* Checks magic, version and size, which do not need the digest. size: the file's. */
static status check_head(const char *seal, size_t have, uint64_t size, const char *label)
{
    TRY(check_magic(seal, have, label));
    if (have < SEAL_SIZE)
        return fail(ERR_CORRUPT, "%s: cut short: %llu bytes, not even the first %d are there", label,
                    (unsigned long long)size, SEAL_SIZE);
    const char *at = seal + sizeof magic - 1, *end = seal + SEAL_SIZE;
    if (memcmp(at, version_word, sizeof version_word - 1) != 0)
        return fail(ERR_CORRUPT, "%s: damaged: its first lines are not those of a checkpoint", label);
    uint64_t version = number_at(at + sizeof version_word - 1, end, &at);
    if (version > CHECKPOINT_VERSION && version != UINT64_MAX)
        return fail(ERR_VERSION, "%s: checkpoint version %llu, this library reads up to %d: use a newer one",
                    label, (unsigned long long)version, CHECKPOINT_VERSION);
    uint64_t claimed = memcmp(at, "\nsize ", 6) == 0 ? number_at(at + 6, end, &at) : UINT64_MAX;
    if (claimed != UINT64_MAX && size < claimed)
        return fail(ERR_CORRUPT, "%s: cut short: %llu of %llu bytes", label, (unsigned long long)size,
                    (unsigned long long)claimed);
    if (claimed != size)
        return fail(ERR_CORRUPT, "%s: damaged: its SHA-256 or size differs from the recorded one", label);
    return OK;
}

/* hex: the digest of everything after the seal. */
static status check_digest(const char *seal, uint64_t size, const char *hex, const char *label)
{
    char expected[SEAL_SIZE];
    compose(expected, size, hex);
    if (memcmp(seal, expected, SEAL_SIZE) != 0)
        return fail(ERR_CORRUPT, "%s: damaged: its SHA-256 or size differs from the recorded one", label);
    return OK;
}

status seal_check(source *s)
{
    char seal[SEAL_SIZE] = {0}, hex[DIGEST_HEX];
    size_t have = s->size < SEAL_SIZE ? (size_t)s->size : SEAL_SIZE;
    TRY(source_read(s, 0, have, seal));
    TRY(check_head(seal, have, s->size, s->label));
    if (s->fd >= 0)
        TRY(source_sum(s, SEAL_SIZE, hex));
    else
        digest_memory(s->data + SEAL_SIZE, s->size - SEAL_SIZE, hex);
    return check_digest(seal, s->size, hex, s->label);
}
