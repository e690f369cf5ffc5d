/* SPDX-License-Identifier: Apache-2.0 */
/** @file context.h
 *  Backend, threads, allocator, log and limits: what everything else is made in. */
#ifndef SLMT_CONTEXT_H
#define SLMT_CONTEXT_H

#include "slmt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A context. Made by slmt_context_create(). Every other handle keeps its context alive. \since 0.1 */
typedef struct slmt_context slmt_context;

/** Backends. \since 0.1 */
enum {
    SLMT_BACKEND_CPU = 0,       /**< fast: own vector kernels, or oneDNN or OpenBLAS for products */
    SLMT_BACKEND_REFERENCE = 1, /**< plain loops: slow, simple, the truth the others are tested against */
    SLMT_BACKEND_CUDA = 2       /**< graphics cards, by the plug-in libslmt_cuda.so (docs/cuda.md) */
};

/** Arithmetic. \since 0.1 */
enum {
    SLMT_FLOAT32 = 0, /**< float32 */
    SLMT_FLOAT64 = 1  /**< float64: reference backend only */
};

/** How a model holds the matrices of its linear layers, nearly all of its memory; everything else is
 *  of the context's precision. They are rounded to the nearest value, and results are computed in float32
 *  from the rounded values. Models with 16-bit weights synthesize and do not train. \since 0.1 */
enum {
    SLMT_WEIGHTS_FULL = 0,     /**< in the context's precision */
    SLMT_WEIGHTS_BFLOAT16 = 1, /**< 8 bits of mantissa, float32's range */
    SLMT_WEIGHTS_FLOAT16 = 2,  /**< IEEE binary16: 11 bits of mantissa; a weight beyond 65504 is an error */
    SLMT_WEIGHTS_STORED = 3    /**< as the file has them; of a new model SLMT_WEIGHTS_FULL */
};

/** What products of matrices, convolutions and attention may do with their factors, in synthesis and in
 *  training; sums stay float32. The reference backend has SLMT_ARITHMETIC_FLOAT32 alone. \since 0.1 */
enum {
    SLMT_ARITHMETIC_FLOAT32 = 0,  /**< take them as they are */
    SLMT_ARITHMETIC_BFLOAT16 = 1, /**< round them to bfloat16: the cpu backend needs AVX512-BF16 or AMX-BF16
                                       for it, and does not have it with SLMT_MATRIX_OPENBLAS */
    SLMT_ARITHMETIC_TF32 = 2      /**< round them to 10 bits of fraction (TensorFloat-32): the cuda backend */
};

/** What computes matrix products and convolutions on the cpu backend. \since 0.1 */
enum {
    SLMT_MATRIX_AUTO = 0, /**< on x86-64-v2 and later libslmt's own kernels, but for convolutions in groups of
                               few channels, and in bfloat16 those on AMX-BF16; these, and everything on other
                               processors, by oneDNN, or by OpenBLAS in a build without it */
    SLMT_MATRIX_ONEDNN = 1,  /**< oneDNN */
    SLMT_MATRIX_OPENBLAS = 2 /**< OpenBLAS */
};

/** Log levels, most serious first. \since 0.1 */
enum {
    SLMT_LOG_ERROR = 0,   /**< a call failed, and why */
    SLMT_LOG_WARNING = 1, /**< the result is right, and something may still be wrong */
    SLMT_LOG_INFO = 2,    /**< what was chosen or done */
    SLMT_LOG_DEBUG = 3    /**< for developers of the library */
};

/**
 * Receives one line of log, without a line end.
 * @threads called on the thread whose call writes the line
 * \since 0.1
 */
typedef void (*slmt_log_fn)(void *user, int32_t level, const char *text);

/**
 * Receives a warning: the call goes on and its result may be wrong, for instance because a scan differs
 * from those that a model was trained on.
 *
 * @param user  the pointer given with the callback
 * @param text  one sentence or more for the user of the program, without a line end; valid during the call
 * @return 0 to go on; anything else ends the library's call with SLMT_ERR_CANCELLED and this text, and the
 *         call makes and writes nothing
 * @threads called on the thread whose call warns: on several threads at once if several use the context
 * \since 0.1
 */
typedef int32_t (*slmt_warning_fn)(void *user, const char *text);

/** Returns at least `bytes` bytes aligned as malloc() aligns, or NULL. Called from any thread. \since 0.1 */
typedef void *(*slmt_alloc_fn)(void *user, size_t bytes);

/** Frees what the matching slmt_alloc_fn returned; never called with NULL. \since 0.1 */
typedef void (*slmt_free_fn)(void *user, void *pointer);

/** What a context is made with. Fill with slmt_context_config_init(), then change fields. \since 0.1 */
typedef struct slmt_context_config {
    uint32_t struct_size; /**< sizeof(slmt_context_config), set by the init function */
    int32_t backend;      /**< SLMT_BACKEND_CPU */
    int32_t precision;    /**< SLMT_FLOAT32 */
    int32_t matrix;       /**< SLMT_MATRIX_AUTO; cpu backend only */
    int32_t threads;    /**< threads a call may use, the calling one included; 0 (the default): the cores that
                             this process may use, by its affinity and its CPU quota. They belong to the context,
                             start with the first call that needs them, and sleep between calls */
    int32_t log_level;  /**< SLMT_LOG_WARNING: the least serious level that reaches `log` */
    uint64_t max_bytes; /**< hard limit on memory taken through the context; 0: none */
    slmt_alloc_fn alloc;      /**< NULL: malloc(). Set both or neither */
    slmt_free_fn free;        /**< NULL: free() */
    void *alloc_user;         /**< handed to alloc and free */
    slmt_log_fn log;          /**< NULL: silence */
    void *log_user;           /**< handed to log */
    int32_t weights;          /**< SLMT_WEIGHTS_FULL; others only with precision SLMT_FLOAT32 */
    int32_t arithmetic;       /**< SLMT_ARITHMETIC_FLOAT32 */
    const char *backend_name; /**< a backend by its name, instead of `backend`: "cpu", "reference", or a
                                 plug-in; NULL: none */
    const char *backend_path; /**< where a plug-in is looked for: a directory that holds libslmt_NAME.so, or
                                 that file; NULL: nowhere, but for SLMT_BACKEND_CUDA the folder of
                                 this library and the folder slmt in it. Nothing else is searched */
    const char *backend_options; /**< more options, in the backend's own words, such as
                                      "device=1,memory=8000000000" for cuda; NULL: none */
} slmt_context_config;

/**
 * Fill a configuration with the defaults named beside its fields.
 *
 * @param config  not NULL
 * @threads any thread
 * \since 0.1
 */
SLMT_API void slmt_context_config_init(slmt_context_config *config);

/**
 * Make a context.
 *
 * @param config   NULL for the defaults; copied
 * @param context  receives the context; the caller frees it with slmt_context_free()
 * @return SLMT_OK, or
 *         SLMT_ERR_ARGUMENT    a pointer is NULL, a field is out of range (the message names it), or weights
 *                              of 16 bits are asked for in float64;
 *         SLMT_ERR_VERSION     struct_size is larger than this library knows and its tail is not zero, or
 *                              the plug-in was built for another version of the library;
 *         SLMT_ERR_UNSUPPORTED the backend, precision or matrix library is not in this build, the backend
 *                              does not know an option, or the machine lacks what it needs (the message
 *                              says what);
 *         SLMT_ERR_NOT_FOUND   there is no backend of this name, or no plug-in at backend_path;
 *         SLMT_ERR_FORMAT      the file is no plug-in, or holds another backend;
 *         SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread; a context may be used by many threads at once
 * \since 0.1
 */
SLMT_API slmt_status slmt_context_create(const slmt_context_config *config, slmt_context **context);

/**
 * Give a context back. Handles made in it stay valid and keep it alive until they are freed.
 *
 * @param context  may be NULL
 * @threads any thread; no other thread may be using this pointer
 * \since 0.1
 */
SLMT_API void slmt_context_free(slmt_context *context);

/**
 * Memory that the context and everything made in it hold now.
 *
 * Counts what goes through the context's allocator, and tensors in memory of a device. What oneDNN and
 * niftiio take for themselves while they work is not in it.
 *
 * @param context  not NULL
 * @return bytes
 * @threads any thread
 * \since 0.1
 */
SLMT_API uint64_t slmt_context_live_bytes(const slmt_context *context);

/**
 * How much of slmt_context_live_bytes() is memory of a device, such as a graphics card: the tensors.
 *
 * @param context  not NULL
 * @return bytes; 0 on a backend that works on the host's memory
 * @threads any thread
 * \since 0.1
 */
SLMT_API uint64_t slmt_context_device_bytes(const slmt_context *context);

/** How readers treat a NaN, which many programs write outside the brain. \since 0.1 */
enum {
    SLMT_NAN_REFUSE = 0, /**< reading fails, and the message names the first one */
    SLMT_NAN_ZERO = 1    /**< it becomes 0, and slmt_volume_zeroed() counts it; infinities stay errors */
};

/**
 * Choose what slmt_volume_read() and slmt_volume_from_nifti() do with voxels that are NaN. A new context
 * refuses them.
 *
 * @param context  not NULL
 * @param nan      SLMT_NAN_REFUSE or SLMT_NAN_ZERO
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads while no other thread uses the context
 * \since 0.1
 */
SLMT_API slmt_status slmt_context_set_nan(slmt_context *context, int32_t nan);

/**
 * Choose what receives the warnings of a context and of all handles made in it. Without a callback they go
 * to the context's log with the level SLMT_LOG_WARNING; the library prints nothing by itself.
 *
 * @param context  not NULL
 * @param warning  NULL: none
 * @param user     handed to warning; must stay valid while the callback is set
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads while no other thread uses the context
 * \since 0.1
 */
SLMT_API slmt_status slmt_context_set_warning(slmt_context *context, slmt_warning_fn warning, void *user);

/**
 * What the context computes with, such as "cpu: x86-64-v4, own products, oneDNN 2.6.3".
 *
 * @param context  not NULL
 * @return a text that lives as long as the context
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_context_describe(const slmt_context *context);

#ifdef __cplusplus
}
#endif
#endif
