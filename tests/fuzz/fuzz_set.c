/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_set.c - a training set, opened from a file, and rows of each of its tensors. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "io/dataset_file.h"

enum { VALUES_MAX = 1 << 20 };

static void read_row(const dataset_file *f, size_t record, size_t field, void *values)
{
    const int64_t *dims = dataset_file_shape(f, record, field);
    uint64_t bytes = 4;
    if (!dims || dims[0] == 0)
        return;
    for (int i = 1; i < dataset_file_field(f, field)->rank; i++)
        if (__builtin_mul_overflow(bytes, (uint64_t)dims[i], &bytes))
            return;
    if (bytes <= VALUES_MAX)
        dataset_file_read(f, record, field, dims[0] - 1, 1, values);
}

static void read_rows(const dataset_file *f)
{
    void *values = malloc(VALUES_MAX);
    for (size_t record = 0; values && record < dataset_file_records(f); record++)
        for (size_t field = 0; field < dataset_file_fields(f); field++)
            read_row(f, record, field, values);
    free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mem m;
    char path[64];
    dataset_file *f = NULL;
    int fd = memfd_create("set", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    mem_init(&m, NULL, NULL, NULL, (uint64_t)256 << 20);
    if (dataset_file_open(&m, path, &f) == OK) {
        read_rows(f);
        dataset_file_close(f);
    }
    close(fd);
    if (m.live != 0)
        abort();
    return 0;
}
