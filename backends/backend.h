/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h - the contract between the engine (lib/) and a backend.
 *
 * The engine and every backend include this file and not each other. It holds types, op ids
 * (ops.def has their exact meaning), attributes, and the table of functions a backend fills in. It holds no
 * code except trivial helpers on shapes and types.
 *
 * All tensors are dense and row-major. "real" below is the graph's floating type: float32, or float64
 * on a backend that supports it. Index tensors are int32. The weight of BK_LINEAR may be stored as 16-bit
 * floats, whose exact values in "real" the arithmetic uses. */
#ifndef SLMT_BACKEND_H
#define SLMT_BACKEND_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BK_API = 9 }; /* bumped when anything in this file or in ops.def changes */
enum { BK_MAX_RANK = 6, BK_MAX_IN = 8, BK_MAX_OUT = 3, BK_MAX_SPACE = 3 };

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
    void *data;       /* may be NULL while a call is prepared */
    uint64_t version; /* 0: the values may change in each run. Else the input is invariant: as long as data
                         and version are the same, so are the values, and a backend may keep what it derived
                         from them. While a call is prepared: 1 for an input that will be invariant */
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

/* The position of element i of an axis of S' on the axis of S: (i + 1/2) S / S' - 1/2, i (S - 1) / (S' - 1)
 * or 0 if S' is 1, floor(i S / S'). */
typedef enum bk_resize { BK_RESIZE_HALF_PIXEL = 0, BK_RESIZE_CORNERS = 1, BK_RESIZE_NEAREST = 2 } bk_resize;

/* Attributes of a node. Unused fields are zero. */
typedef struct bk_attr {
    double alpha, beta, eps;
    int64_t axes[BK_MAX_RANK];
    int32_t axis;
    int32_t trans_a, trans_b;
    int32_t has_bias, has_residual, has_weight, activation;
    int32_t heads;
    int32_t grid_h, grid_w, window, shift;
    int32_t stride[BK_MAX_SPACE], dilation[BK_MAX_SPACE]; /* entry i is of the call's i-th spatial axis */
    int32_t pad[BK_MAX_SPACE], pad_end[BK_MAX_SPACE];
    int32_t groups;
    int32_t kernel[BK_MAX_SPACE]; /* of a pool; 0: adaptive */
    int32_t mode;                 /* enum bk_resize */
    int32_t reverse, ignored;
    uint64_t purpose; /* of random numbers: random_purpose() in lib/random.h */
} bk_attr;

typedef enum bk_status {
    BK_OK = 0,
    BK_ERR_MEMORY = 1,      /* the host's allocator, a library or the device is out of memory */
    BK_ERR_UNSUPPORTED = 2, /* this op, type, shape, option or machine is not served */
    BK_ERR_FAILED = 3,      /* anything else; the message was given to host->log */
    BK_ERR_LIMIT = 4        /* the host refused memory because its limit is reached */
} bk_status;

/* The services of the engine that a backend may use until close(). */
typedef struct bk_host {
    void *user;
    bk_status (*alloc)(void *user, size_t bytes,
                       void **out);                          /* 64-byte aligned; BK_OK, or BK_ERR_MEMORY or
                                                                BK_ERR_LIMIT with *out NULL, to be passed on */
    void (*free)(void *user, void *p);                       /* NULL is allowed */
    void (*log)(void *user, int level, const char *message); /* level: 0 error .. 3 debug; may be NULL */
    int32_t threads;                                         /* threads a call may use, at least 1 */
} bk_host;

/* One kernel call of a plan. The engine fills everything but the last three; data pointers may
 * change between runs, shapes and attributes may not. */
typedef struct bk_call {
    bk_op op;
    bk_attr attr;
    int32_t n_in, n_out;
    bk_tensor in[BK_MAX_IN];
    bk_tensor out[BK_MAX_OUT]; /* out[k].data is NULL if output k has no reader (k > 0 only) */
    void *scratch;             /* 64-byte aligned, scratch_bytes long, contents undefined */
    size_t scratch_bytes;      /* set by prepare() */
    void *kept; /* 64-byte aligned, kept_bytes long, of this call alone: its contents, at first undefined,
                   persist from run to run */
    size_t kept_bytes; /* set by prepare(); NULL and 0 in most calls */
    void *state;       /* set by prepare(), freed by release() */
} bk_call;

/* True if out[0] may be the same memory as in[i] (same shape): for every element-wise op of one input, for
 * those of two with equal shapes, and for BK_LINEAR's residual. Backends must support this. */

/* An operand whose address is given anew for each run: input `operand` of a call, or output operand -
 * BK_MAX_IN, lies at bound[slot]. */
typedef struct bk_binding {
    int32_t call, operand, slot;
} bk_binding;

/* All calls of a plan, prepared, in the order in which they run. Valid until unload(). */
typedef struct bk_plan {
    bk_call *calls;
    int32_t n_calls;
    const bk_binding *bindings;
    int32_t n_bindings;
} bk_plan;

/* The direction of a copy. */
typedef enum bk_direction {
    BK_UP = 0,    /* from the host to the device */
    BK_DOWN = 1,  /* from the device to the host */
    BK_ACROSS = 2 /* from the device to the device; the two do not overlap */
} bk_direction;

/* Bytes of the device that the host wants. */
typedef struct bk_read {
    void *to;
    const void *from;
    size_t bytes;
} bk_read;

typedef struct bk_backend {
    uint32_t api; /* BK_API. This field stays the first one in every version */
    const char *name;
    size_t fast_bytes; /* the most bytes of a plan's tensors before a sample takes longer, because caches
                          miss; 0: no such limit */

    /* options: items separated by commas, each a name or name=value ("matrix=onednn,bf16"); "" or NULL: none.
     * The backend refuses an item that it does not know, or cannot support on this machine, with
     * BK_ERR_UNSUPPORTED and a message in the log. */
    bk_status (*open)(const bk_host *host, const char *options, void **device);
    void (*close)(void *device);                            /* NULL is allowed */
    int (*supports)(void *device, bk_op op, bk_dtype real); /* 1 or 0 */
    bk_status (*prepare)(void *device, bk_call *call);      /* shapes and attr known; no data yet */
    void (*release)(void *device, bk_call *call);

    /* A run is begin(), run() for each call, end(), on one thread. end() returns when all results are there
     * and leaves the thread's settings as they were, also after a failure; errors that the device reports
     * late are its status. */
    bk_status (*begin)(void *device);
    bk_status (*end)(void *device);
    bk_status (*run)(void *device, bk_call *call); /* allocates nothing; one thread a call at a time */
    const char *(*describe)(void *device);         /* e.g. "cpu: x86-64-v4, oneDNN 2.6.3 + OpenBLAS 0.3.21" */

    /* ---- memory of the device's own: all four functions, or none ----
     * A backend without them works on host memory. With them, every tensor and the scratch memory of every
     * call lie in memory of alloc(), which only the backend reads or writes. */
    bk_status (*alloc)(void *device, size_t bytes, void **out); /* 64-byte aligned, contents undefined */
    void (*free)(void *device, void *p);                        /* NULL is allowed */
    /* Work started earlier on this device is done first, and work started later finds the bytes at `to`.
     * Returns when the host may change `from` (BK_UP) or read `to` (BK_DOWN). */
    bk_status (*copy)(void *device, void *to, const void *from, size_t bytes, bk_direction way);
    /* Sets *first to the index of the first of n arrays that has a non-finite element, or to -1, and copies
     * down what is to be read: after all work started earlier, and with one wait for all of it. */
    bk_status (*look)(void *device, const bk_tensor *arrays, int32_t n, int32_t *first, const bk_read *reads,
                      int32_t n_reads);

    /* ---- whole plans: all four functions, or none ----
     * With them, a plan is loaded once and each run is launch() and wait() in place of begin(), run() and
     * end(). */
    /* In a dry run, tensors and scratch are NULL, and the program is never launched. */
    bk_status (*load)(void *device, const bk_plan *plan, void **program);
    void (*unload)(void *device, void *program); /* NULL is allowed */
    /* Starts all calls on these pointers, after those of a program that was launched before and not yet
     * waited for (NULL: of none). One run of a program at a time. */
    bk_status (*launch)(void *device, void *program, void *const *bound, void *after);
    /* Returns when the run's results are complete. Errors that the device reports are its status. */
    bk_status (*wait)(void *device, void *program);
} bk_backend;

/* Every backend that is linked in offers one function; lib/registry.c lists them. */
const bk_backend *bk_reference(void);
const bk_backend *bk_cpu(void);

/* A backend beside these is a shared object libslmt_NAME.so that exports this one function. */
#define BK_PLUGIN_ENTRY "slmt_backend"
typedef const bk_backend *(*bk_plugin_entry)(void);

/* Moves *options past its next item and the comma that follows. Returns the item's length, 0 at the end, and
 * its start in *item. */
static inline size_t bk_next_option(const char **options, const char **item)
{
    const char *p = *options ? *options : "";
    while (*p == ',')
        p++;
    size_t n = strcspn(p, ",");
    *item = p;
    *options = p + n;
    return n;
}

/* Returns 1 if an item of an options string is this one. */
static inline int bk_option_is(const char *item, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(item, wanted, length) == 0;
}

/* Returns an op's name for messages: "conv" for BK_CONV. */
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

/* Returns the exact value of a 16-bit float, also of a subnormal one, whatever the processor's setting for
 * subnormal numbers. */
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
