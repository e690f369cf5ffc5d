/* SPDX-License-Identifier: Apache-2.0 */
/* onednn_guard.h - every call of oneDNN that may take memory, behind a guard.
 *
 * oneDNN is C++ behind a C interface. Where memory runs out, or anything else goes wrong, its functions throw
 * (version 2.6: dnnl_primitive_execute() alone has four places), and an exception that reaches a C function
 * ends the process. onednn_guard.cpp catches it. Some of its objects are made without looking whether there
 * was memory for them, which no one can catch: before it makes one, the guard sees that there is some. After
 * this header the names of oneDNN's functions are those of the guarded ones; tests/backends/test_guard.sh
 * sees that no other file calls the library. */
#ifndef SLMT_CPU_ONEDNN_GUARD_H
#define SLMT_CPU_ONEDNN_GUARD_H

#include <oneapi/dnnl/dnnl.h>

/* MAKE: it makes an object. CALL: it changes, runs or destroys one. */
#define ONEDNN_CALLS_BOTH(CALL, MAKE)                                                                        \
    MAKE(engine_create)                                                                                      \
    CALL(engine_destroy)                                                                                     \
    MAKE(stream_create)                                                                                      \
    CALL(stream_destroy)                                                                                     \
    CALL(stream_wait)                                                                                        \
    MAKE(memory_create)                                                                                      \
    CALL(memory_destroy)                                                                                     \
    CALL(memory_set_data_handle)                                                                             \
    MAKE(post_ops_create)                                                                                    \
    CALL(post_ops_destroy)                                                                                   \
    CALL(post_ops_append_eltwise)                                                                            \
    CALL(post_ops_append_sum)                                                                                \
    CALL(post_ops_append_binary)                                                                             \
    MAKE(primitive_attr_create)                                                                              \
    CALL(primitive_attr_destroy)                                                                             \
    CALL(primitive_attr_set_post_ops)                                                                        \
    CALL(primitive_attr_set_scratchpad_mode)                                                                 \
    CALL(primitive_desc_destroy)                                                                             \
    CALL(primitive_desc_query)                                                                               \
    MAKE(primitive_create)                                                                                   \
    CALL(primitive_destroy)                                                                                  \
    CALL(primitive_execute)                                                                                  \
    MAKE(reorder_primitive_desc_create)                                                                      \
    CALL(sgemm)

#if DNNL_VERSION_MAJOR >= 3
#define ONEDNN_CALLS(CALL, MAKE)                                                                             \
    ONEDNN_CALLS_BOTH(CALL, MAKE)                                                                            \
    MAKE(memory_desc_clone)                                                                                  \
    CALL(memory_desc_destroy)                                                                                \
    MAKE(memory_desc_create_with_strides)                                                                    \
    MAKE(memory_desc_create_with_tag)                                                                        \
    MAKE(memory_desc_create_submemory)                                                                       \
    MAKE(matmul_primitive_desc_create)                                                                       \
    MAKE(convolution_forward_primitive_desc_create)                                                          \
    MAKE(convolution_backward_data_primitive_desc_create)                                                    \
    MAKE(convolution_backward_weights_primitive_desc_create)
#else
#define ONEDNN_CALLS(CALL, MAKE)                                                                             \
    ONEDNN_CALLS_BOTH(CALL, MAKE)                                                                            \
    CALL(memory_desc_init_by_strides)                                                                        \
    CALL(memory_desc_init_by_tag)                                                                            \
    CALL(memory_desc_init_submemory)                                                                         \
    MAKE(primitive_desc_create)                                                                              \
    CALL(matmul_desc_init)                                                                                   \
    CALL(dilated_convolution_forward_desc_init)                                                              \
    CALL(dilated_convolution_backward_data_desc_init)                                                        \
    CALL(dilated_convolution_backward_weights_desc_init)
#endif

/* The guarded calls. Each has the parameters of oneDNN's own, and returns dnnl_out_of_memory where that one
 * throws std::bad_alloc, and dnnl_runtime_error where it throws anything else. */
#define ONEDNN_POINTER(name) __typeof__(&dnnl_##name) name;
typedef struct onednn_calls {
    ONEDNN_CALLS(ONEDNN_POINTER, ONEDNN_POINTER)
    /* What only looks something up. */
    ONEDNN_POINTER(version)
    ONEDNN_POINTER(get_effective_cpu_isa)
    ONEDNN_POINTER(memory_desc_equal)
    ONEDNN_POINTER(memory_desc_get_size)
    ONEDNN_POINTER(primitive_desc_query_md)
} onednn_calls;
#undef ONEDNN_POINTER

#ifdef __cplusplus
extern "C"
#else
extern
#endif
    const onednn_calls onednn_guard;

#ifndef ONEDNN_UNGUARDED /* onednn_guard.cpp alone */
#define dnnl_engine_create                             onednn_guard.engine_create
#define dnnl_engine_destroy                            onednn_guard.engine_destroy
#define dnnl_stream_create                             onednn_guard.stream_create
#define dnnl_stream_destroy                            onednn_guard.stream_destroy
#define dnnl_stream_wait                               onednn_guard.stream_wait
#define dnnl_memory_create                             onednn_guard.memory_create
#define dnnl_memory_destroy                            onednn_guard.memory_destroy
#define dnnl_memory_set_data_handle                    onednn_guard.memory_set_data_handle
#define dnnl_post_ops_create                           onednn_guard.post_ops_create
#define dnnl_post_ops_destroy                          onednn_guard.post_ops_destroy
#define dnnl_post_ops_append_eltwise                   onednn_guard.post_ops_append_eltwise
#define dnnl_post_ops_append_sum                       onednn_guard.post_ops_append_sum
#define dnnl_post_ops_append_binary                    onednn_guard.post_ops_append_binary
#define dnnl_primitive_attr_create                     onednn_guard.primitive_attr_create
#define dnnl_primitive_attr_destroy                    onednn_guard.primitive_attr_destroy
#define dnnl_primitive_attr_set_post_ops               onednn_guard.primitive_attr_set_post_ops
#define dnnl_primitive_attr_set_scratchpad_mode        onednn_guard.primitive_attr_set_scratchpad_mode
#define dnnl_primitive_desc_destroy                    onednn_guard.primitive_desc_destroy
#define dnnl_primitive_desc_query                      onednn_guard.primitive_desc_query
#define dnnl_primitive_create                          onednn_guard.primitive_create
#define dnnl_primitive_destroy                         onednn_guard.primitive_destroy
#define dnnl_primitive_execute                         onednn_guard.primitive_execute
#define dnnl_reorder_primitive_desc_create             onednn_guard.reorder_primitive_desc_create
#define dnnl_memory_desc_clone                         onednn_guard.memory_desc_clone
#define dnnl_memory_desc_destroy                       onednn_guard.memory_desc_destroy
#define dnnl_memory_desc_create_with_strides           onednn_guard.memory_desc_create_with_strides
#define dnnl_memory_desc_create_with_tag               onednn_guard.memory_desc_create_with_tag
#define dnnl_memory_desc_create_submemory              onednn_guard.memory_desc_create_submemory
#define dnnl_matmul_primitive_desc_create              onednn_guard.matmul_primitive_desc_create
#define dnnl_convolution_forward_primitive_desc_create onednn_guard.convolution_forward_primitive_desc_create
#define dnnl_convolution_backward_data_primitive_desc_create                                                 \
    onednn_guard.convolution_backward_data_primitive_desc_create
#define dnnl_memory_desc_init_by_strides           onednn_guard.memory_desc_init_by_strides
#define dnnl_memory_desc_init_by_tag               onednn_guard.memory_desc_init_by_tag
#define dnnl_memory_desc_init_submemory            onednn_guard.memory_desc_init_submemory
#define dnnl_primitive_desc_create                 onednn_guard.primitive_desc_create
#define dnnl_matmul_desc_init                      onednn_guard.matmul_desc_init
#define dnnl_dilated_convolution_forward_desc_init onednn_guard.dilated_convolution_forward_desc_init
#define dnnl_dilated_convolution_backward_data_desc_init                                                     \
    onednn_guard.dilated_convolution_backward_data_desc_init
#define dnnl_sgemm onednn_guard.sgemm
#define dnnl_convolution_backward_weights_primitive_desc_create                                              \
    onednn_guard.convolution_backward_weights_primitive_desc_create
#define dnnl_dilated_convolution_backward_weights_desc_init                                                  \
    onednn_guard.dilated_convolution_backward_weights_desc_init
#define dnnl_version                 onednn_guard.version
#define dnnl_get_effective_cpu_isa   onednn_guard.get_effective_cpu_isa
#define dnnl_memory_desc_equal       onednn_guard.memory_desc_equal
#define dnnl_memory_desc_get_size    onednn_guard.memory_desc_get_size
#define dnnl_primitive_desc_query_md onednn_guard.primitive_desc_query_md
#endif

#endif
