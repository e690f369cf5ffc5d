/* SPDX-License-Identifier: Apache-2.0 */
/* onednn.h - what the files that use oneDNN share: the differences between its C APIs of versions 2 and 3,
 * and small helpers. */
#ifndef SLMT_CPU_ONEDNN_H
#define SLMT_CPU_ONEDNN_H

#include "backends/cpu/cpu.h"
#include "backends/cpu/onednn_guard.h"

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t desc_view;
#define VIEW(d)                    (d)
#define TYPED_DESC                 dnnl_memory_desc_create_with_strides
#define ANY_DESC(d, n, dims, type) dnnl_memory_desc_create_with_tag(d, n, dims, type, dnnl_format_tag_any)
#define FREE_DESC(d)               dnnl_memory_desc_destroy(d)
#define COPY_DESC(d, from)         dnnl_memory_desc_clone(d, from)
#define SUB_DESC                   dnnl_memory_desc_create_submemory
#else
typedef const dnnl_memory_desc_t *desc_view;
#define VIEW(d)                    (&(d))
#define TYPED_DESC                 dnnl_memory_desc_init_by_strides
#define ANY_DESC(d, n, dims, type) dnnl_memory_desc_init_by_tag(d, n, dims, type, dnnl_format_tag_any)
#define FREE_DESC(d)               ((void)(d))
#define COPY_DESC(d, from)         (*(d) = *(from), dnnl_success)
#define SUB_DESC                   dnnl_memory_desc_init_submemory
#endif

#define DESC_OF(d, n, dims, strides) TYPED_DESC(d, n, dims, dnnl_f32, strides)

/* Makes the device's engine, unless it has one. All other functions of this file need it. A device that never
 * computes with oneDNN never calls it: oneDNN ends the process if a small allocation fails while it makes an
 * engine or a primitive. */
bk_status onednn_engine(cpu_device *dev);

/* Converts a status of the library; logs every failure except a lack of memory. */
bk_status onednn_status(const cpu_device *dev, const char *where, dnnl_status_t status);

static inline dnnl_status_t onednn_memory(dnnl_memory_t *m, desc_view d, const cpu_device *dev)
{
    return dnnl_memory_create(m, d, dev->onednn, DNNL_MEMORY_NONE);
}

/* Rounds a tensor to bfloat16 in `to`, or returns its own data if it is of that type already (onednn.c). */
size_t onednn_rounded_bytes(int64_t n);
const void *onednn_round(const cpu_device *dev, const bk_tensor *x, void *to);

/* Where a thread finds its part of the scratch memory, which may have no bytes and no address: C does not
 * allow adding even 0 to a null pointer. */
static inline void *onednn_scratch(const bk_call *call, size_t at)
{
    return at ? (unsigned char *)call->scratch + at : call->scratch;
}

/* Appends an activation, if there is one, to the post-ops of a primitive (onednn.c). */
dnnl_status_t onednn_append(dnnl_post_ops_t ops, cpu_activation act);

/* Appends an argument with its data; n is unchanged if the memory object does not exist. */
static inline dnnl_status_t onednn_arg(dnnl_exec_arg_t *args, int *n, int id, dnnl_memory_t memory,
                                       const void *data)
{
    if (!memory)
        return dnnl_success;
    args[(*n)++] = (dnnl_exec_arg_t){id, memory};
    return dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)data);
}

#endif
