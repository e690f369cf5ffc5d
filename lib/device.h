/* SPDX-License-Identifier: Apache-2.0 */
/* device.h - an opened backend, and the memory of its tensors.
 *
 * A backend without memory of its own works on host memory: then tensors come from the same mem as everything
 * else, and a copy is memcpy(). If the backend has its own memory, its bytes are still counted in the mem,
 * and its pointers must not be dereferenced on the host. */
#ifndef SLMT_LIB_DEVICE_H
#define SLMT_LIB_DEVICE_H

#include "backends/backend.h"
#include "lib/mem.h"

typedef struct device {
    const bk_backend *backend;
    void *handle;
} device;

/* 1: the backend's tensors are host memory, which host code may read and write. */
int device_is_host(device dev);

/* Allocates memory for tensors, 64-byte aligned, contents undefined. ERR_MEMORY, ERR_LIMIT; *out is then
 * NULL. */
status device_take(device dev, mem *m, size_t bytes, void **out);

/* The same, filled with zeros. */
status device_zeros(device dev, mem *m, size_t bytes, void **out);

/* Frees memory; bytes: as it was asked for. NULL is allowed. */
void device_give(device dev, mem *m, void *p, size_t bytes);

/* Returns how many bytes an allocation of this size counts in the mem. */
uint64_t device_cost(device dev, size_t bytes);

/* Copies from the host to the device, from the device to the host, and inside the device. ERR_BACKEND. */
status device_write(device dev, void *to, const void *from, size_t bytes);
status device_read(device dev, void *to, const void *from, size_t bytes);
status device_copy(device dev, void *to, const void *from, size_t bytes);

/* Sets *first to the index of the first of n arrays of reals that has a non-finite element, or to -1, and
 * copies to the host what is to be read. A device of its own memory is waited for once. */
status device_look(device dev, const bk_tensor *arrays, int32_t n, int32_t *first, const bk_read *reads,
                   int32_t n_reads);

/* Returns the status, and writes the message, for the result of a backend's function during `what`. */
status device_failure(device dev, bk_status s, const char *what);

#endif
