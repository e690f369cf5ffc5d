/* SPDX-License-Identifier: Apache-2.0 */
/* file_bytes.h - whole files as bytes. Include it after cmocka.h. */
#ifndef SLMT_TESTS_FILE_BYTES_H
#define SLMT_TESTS_FILE_BYTES_H

#include <stdio.h>
#include <stdlib.h>

/* Returns the file's size; the caller frees the bytes, behind which is room for one more. */
static inline size_t load(const char *path, unsigned char **bytes)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    rewind(f);
    *bytes = malloc(size + 1);
    assert_int_equal(fread(*bytes, 1, size, f), size);
    fclose(f);
    return size;
}

static inline void store(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

#endif
