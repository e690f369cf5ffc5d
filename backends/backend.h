/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h - the contract between the engine (lib/) and a back end.
 *
 * The engine and every back end include this file and not each other. It holds types, op ids
 * (ops.def has their exact meaning), attributes, and the table of functions a back end fills in. It holds no
 * code except trivial helpers on shapes and types.
 *
 * All tensors are dense and row-major. "real" below is the graph's floating type: float32, or float64
 * on a back end that supports it. Index tensors are int32. The weight of BK_LINEAR may be stored as 16-bit
 * floats, from which the arithmetic takes its exact value in "real". */
#ifndef SLMT_BACKEND_H
#define SLMT_BACKEND_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BK_API = 5 }; /* bumped when anything in this file or in ops.def changes */
enum { BK_MAX_RANK = 6, BK_MAX_IN = 8, BK_MAX_OUT = 3 };

/* BK_BF16 (bfloat16) and BK_F16 (IEEE binary16), held as uint16_t, store BK_LINEAR's w and views of it, and
 * nothing else. */
typedef enum bk_dtype { BK_F32 = 0, BK_F64 = 1, BK_I32 = 2, BK_BF16 = 3, BK_F16 = 4 } bk_dtype;

typedef struct bk_shape {
    int32_t dtype; /* bk_dtype */
    int32_t rank;  /* 0 (a scalar, one element) to BK_MAX_RANK */
    int64_t dim[BK_MAX_RANK];
} bk_shape;

typedef struct bk_tensor {
    bk_shape shape;
    void *data; /* may be NULL while a call is prepared */
} bk_tensor;

/* Op ids: BK_CONV and the like. ops.def lists the ops with the definition of each. */
typedef enum bk_op {
#define BK_OP(ID, name) BK_##ID,
#include "backends/ops.def"
    BK_OP_COUNT
} bk_op;

/* What follows a product, element by element, as the op of this name: BK_GELU, BK_LEAKY_RELU with attr.alpha.
 */
typedef enum bk_activation { BK_ACT_NONE = 0, BK_ACT_GELU = 1, BK_ACT_LEAKY_RELU = 2 } bk_activation;

/* Attributes of a node. Unused fields are zero. */
typedef struct bk_attr {
    double alpha, beta, eps;
    int64_t axes[BK_MAX_RANK];
    int32_t axis;
    int32_t trans_a, trans_b;
    int32_t has_bias, has_residual, activation;
    int32_t heads;
    int32_t grid_h, grid_w, window, shift;
    int32_t stride, pad;
} bk_attr;

typedef enum bk_status {
    BK_OK = 0,
    BK_ERR_MEMORY = 1,      /* the host's allocator, or the library below, had none left */
    BK_ERR_UNSUPPORTED = 2, /* this op, type, shape or machine is not served */
    BK_ERR_FAILED = 3       /* anything else; the text was given to host->log */
} bk_status;

/* What the engine lends a back end. Valid until close(). */
typedef struct bk_host {
    void *user;
    void *(*alloc)(void *user, size_t bytes);             /* 64-byte aligned, NULL when none is left */
    void (*free)(void *user, void *p);                    /* NULL is allowed */
    void (*log)(void *user, int level, const char *text); /* level: 0 error .. 3 debug */
    int32_t threads;                                      /* threads a call may use, at least 1 */
    int32_t bf16_arithmetic; /* 1: factors of matrix products may be rounded to bfloat16; open() gives
                                BK_ERR_UNSUPPORTED where that would change nothing */
} bk_host;

typedef enum bk_matrix { BK_MATRIX_AUTO = 0, BK_MATRIX_ONEDNN = 1, BK_MATRIX_OPENBLAS = 2 } bk_matrix;

/* One kernel call of a plan. The engine fills everything but the last three; data pointers may
 * change between runs, shapes and attributes may not. */
typedef struct bk_call {
    bk_op op;
    bk_attr attr;
    int32_t n_in, n_out;
    bk_tensor in[BK_MAX_IN];
    bk_tensor out[BK_MAX_OUT]; /* out[k].data is NULL when nobody reads output k (k > 0 only) */
    void *scratch;             /* 64-byte aligned, scratch_bytes long, contents undefined */
    size_t scratch_bytes;      /* set by prepare() */
    void *state;               /* set by prepare(), freed by release() */
} bk_call;

/* Whether out[0] may be the same memory as in[i] (same shape): true for every element-wise op of one
 * input and for those of two with equal shapes, and for BK_LINEAR's residual. Back ends keep to it. */

typedef struct bk_backend {
    uint32_t api; /* BK_API */
    const char *name;
    size_t fast_bytes; /* of a plan's tensors: with more, a sample takes longer, as caches miss; 0: any */
    bk_status (*open)(const bk_host *host, bk_matrix matrix, void **device);
    void (*close)(void *device);                            /* NULL is allowed */
    int (*supports)(void *device, bk_op op, bk_dtype real); /* 1 or 0 */
    bk_status (*prepare)(void *device, bk_call *call);      /* shapes and attr known; no data yet */
    void (*release)(void *device, bk_call *call);
    bk_status (*begin)(void *device); /* before the calls of one run, on the thread that runs them */
    void (*end)(void *device);        /* after them, same thread: leaves its settings as they were */
    bk_status (*run)(void *device, bk_call *call); /* allocates nothing; one thread a call at a time */
    const char *(*describe)(void *device); /* e.g. "cpu: x86-64-v4, oneDNN 2.6.3 + OpenBLAS 0.3.21" */
} bk_backend;

/* Every back end that is linked in offers one function; lib/registry.c lists them. */
const bk_backend *bk_reference(void);
const bk_backend *bk_cpu(void);

/* "conv" of BK_CONV, for messages. */
static inline const char *bk_op_name(bk_op op)
{
    static const char *const names[] = {
#define BK_OP(ID, name) #name,
#include "backends/ops.def"
    };
    return (unsigned)op < BK_OP_COUNT ? names[op] : "unknown";
}

static inline int bk_is_half(int32_t dtype)
{
    return dtype == BK_BF16 || dtype == BK_F16;
}

static inline size_t bk_dtype_size(int32_t dtype)
{
    return bk_is_half(dtype) ? 2 : dtype == BK_F64 ? 8 : 4;
}

/* The value of a 16-bit float: exact, also of subnormal ones, whatever the processor does with those. */
static inline float bk_widen(int32_t dtype, uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    uint32_t bits = (uint32_t)half << 16; /* BK_BF16 */
    float small = (float)(int32_t)fraction * 0x1p-24f, x;
    if (dtype == BK_F16) {
        memcpy(&bits, &small, sizeof bits);
        if (exponent != 0)
            bits = (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
        bits |= sign;
    }
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline int64_t bk_count(const bk_shape *s)
{
    int64_t n = 1;
    for (int32_t i = 0; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

#endif
