/* SPDX-License-Identifier: Apache-2.0 */
/* device.h - an opened backend, and the memory that its tensors lie in.
 *
 * A backend without memory of its own works on the host's: then this memory comes from the same mem as
 * everything else, and a copy is memcpy(). With memory of its own, the bytes count in the mem too, and the
 * pointers are the backend's: nobody may dereference them. */
#ifndef SLMT_LIB_DEVICE_H
#define SLMT_LIB_DEVICE_H

#include "backends/backend.h"
#include "lib/mem.h"

typedef struct device {
    const bk_backend *backend;
    void *handle;
} device;

/* 1: the backend's tensors are host memory, which anybody may read and write. */
int device_is_host(device dev);

/* Memory for tensors, 64-byte aligned, contents undefined. ERR_MEMORY, ERR_LIMIT; *out is then NULL. */
status device_take(device dev, mem *m, size_t bytes, void **out);

/* The same, filled with zeros. */
status device_zeros(device dev, mem *m, size_t bytes, void **out);

/* Gives memory back; bytes: as asked for. NULL is allowed. */
void device_give(device dev, mem *m, void *p, size_t bytes);

/* What memory of this many bytes counts in the mem. */
uint64_t device_cost(device dev, size_t bytes);

/* Copies from the host to the device, from the device to the host, and inside the device. ERR_BACKEND. */
status device_write(device dev, void *to, const void *from, size_t bytes);
status device_read(device dev, void *to, const void *from, size_t bytes);
status device_copy(device dev, void *to, const void *from, size_t bytes);

/* *first: the index of the first of n arrays of reals that holds an element which is not finite, or -1. */
status device_finite(device dev, const bk_tensor *arrays, int32_t n, int32_t *first);

/* The status and the message for what a backend's function returned while it did `what`. */
status device_failure(device dev, bk_status s, const char *what);

#endif
