/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_seal.c - writes and checks the user block of a training set and its table of digests. */
#include "io/dataset_seal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "io/block_table.h"
#include "io/descriptor.h"
#include "io/file_kind.h"

#define MAGIC "libslmt dataset\n"

/* Magic, "version <n>\n", from version 3 on the table's place and digest, zeros: one form for given numbers.
 */
static void compose(char block[DATASET_BLOCK], long version, uint64_t table, const char *hex)
{
    memset(block, 0, DATASET_BLOCK);
    if (version < 3)
        snprintf(block, DATASET_BLOCK, MAGIC "version %ld\n", version);
    else
        snprintf(block, DATASET_BLOCK, MAGIC "version %ld\ntable %llu\nsha256 %s\n", version,
                 (unsigned long long)table, hex);
}

status dataset_seal_write(int fd, const char *label)
{
    char block[DATASET_BLOCK], hex[DIGEST_HEX];
    uint64_t table = 0;
    TRY(block_table_append(fd, DATASET_BLOCK, label, &table, hex));
    compose(block, DATASET_VERSION, table, hex);
    if (descriptor_write(fd, block, sizeof block, 0) != 0)
        return fail(ERR_IO, "%s: cannot write: %s", label, strerror(errno));
    return OK;
}

static status check_version(const char *block, size_t have, const char *label, long *version)
{
    char instead[FILE_KIND_TEXT];
    if (memcmp(block, MAGIC "version ", sizeof MAGIC - 1 + 8) != 0) {
        file_kind_instead(block, have, instead, sizeof instead);
        return fail(ERR_FORMAT, "%s: not a libslmt training set%s", label, instead);
    }
    *version = strtol(block + sizeof MAGIC - 1 + 8, NULL, 10);
    if (*version > DATASET_VERSION)
        return fail(ERR_VERSION, "%s: training set version %ld, this library reads up to %d: use a newer one",
                    label, *version, DATASET_VERSION);
    return OK;
}

/* What a loose look at the block finds must make the same block again. */
static status check_form(const char *block, const char *label, long version, uint64_t *table,
                         char hex[DIGEST_HEX])
{
    char expected[DATASET_BLOCK];
    const char *at = strstr(block, "\ntable "), *sum = strstr(block, "\nsha256 ");
    *table = at ? strtoull(at + 7, NULL, 10) : 0;
    snprintf(hex, DIGEST_HEX, "%.64s", sum ? sum + 8 : "");
    compose(expected, version, *table, hex);
    if (version < 1 || memcmp(block, expected, DATASET_BLOCK) != 0)
        return fail(ERR_FORMAT, "%s: its first %d bytes are not those of a training set", label,
                    DATASET_BLOCK);
    return OK;
}

status dataset_seal_check(source *s, int *version)
{
    char block[DATASET_BLOCK + 1] = {0}, hex[DIGEST_HEX];
    size_t have = s->size < DATASET_BLOCK ? (size_t)s->size : DATASET_BLOCK;
    uint64_t table = 0;
    long number = 0;
    TRY(source_read(s, 0, have, block));
    TRY(check_version(block, have, s->label, &number));
    TRY(check_form(block, s->label, number, &table, hex));
    *version = (int)number;
    return number < 3 ? OK : source_take_table(s, DATASET_BLOCK, table, hex);
}
