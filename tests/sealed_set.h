/* SPDX-License-Identifier: Apache-2.0 */
/* sealed_set.h - gives a training set that a test has changed the digests of an honest one, as its author
 * could. The test includes hdf5.h, io/dataset_seal.h and then cmocka.h itself. */
#ifndef SLMT_TESTS_SEALED_SET_H
#define SLMT_TESTS_SEALED_SET_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where HDF5's bytes end: at the end of file that the superblock names, behind the user block. */
static inline off_t end_of_hdf5(int fd)
{
    unsigned char end[8] = {0};
    uint64_t value = 0;
    assert_int_equal(pread(fd, end, sizeof end, DATASET_BLOCK + 28), sizeof end);
    for (int i = 7; i >= 0; i--)
        value = value << 8 | end[i];
    return (off_t)value;
}

static inline void seal_set(const char *path)
{
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, end_of_hdf5(fd)), 0);
    assert_int_equal(dataset_seal_write(fd, path), OK);
    close(fd);
}

/* Ends what HDF5 changed. A file of version 1 or 2 has no digests. */
static inline void close_and_seal_set(hid_t file, const char *path)
{
    char block[32] = "";
    H5Fclose(file);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(block, 1, 31, f), 31);
    fclose(f);
    if (strtol(block + strlen("libslmt dataset\nversion "), NULL, 10) >= 3)
        seal_set(path);
}

#endif
