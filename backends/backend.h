/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h - the contract between the engine (lib/) and a back end.
 *
 * The engine and every back end include this file and not each other. It holds types, op ids with
 * their exact meaning, attributes, and the table of functions a back end fills in. It holds no code
 * except trivial helpers on shapes and types.
 *
 * All tensors are dense and row-major. "real" below is the graph's floating type: float32, or float64
 * on a back end that supports it. Index tensors are int32. The weight of BK_LINEAR may be stored as 16-bit
 * floats, from which the arithmetic takes its exact value in "real". */
#ifndef SLMT_BACKEND_H
#define SLMT_BACKEND_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BK_API = 4 }; /* bumped when anything in this file changes */
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
    void *data; /* may be NULL while a call is prepared */
} bk_tensor;

/* Op ids. Each comment is the whole definition: inputs in order -> outputs in order. */
typedef enum bk_op {
    /* ---- movement: any dtype ---- */
    BK_RESHAPE,   /* x -> x with another shape, same order. A view: back ends never see it. */
    BK_TRANSPOSE, /* x -> y; y's axis i is x's axis attr.axes[i] */
    BK_SLICE,     /* x -> y; y[i] = x[i + attr.axes], attr.axes = first index on each axis */
    BK_PAD,       /* x -> y; zeros except y[i + attr.axes] = x[i] (the gradient of BK_SLICE) */
    BK_CONCAT,    /* x0, x1, ... (2 to 8) -> joined along attr.axis */
    BK_BROADCAST, /* x -> y; x has y's rank, each axis of x is y's or 1 */
    BK_GATHER,    /* x[B,N,C], index i32[B,K] -> y[B,K,C]; y[b,k] = x[b, index[b,k]] */
    BK_SCATTER,   /* y[B,K,C], index i32[B,K] -> x[B,N,C]; x[b, index[b,k]] += y[b,k], from zero */

    /* ---- element-wise, one input ---- */
    BK_AFFINE,     /* alpha * x + beta */
    BK_EXP,        /* e^x */
    BK_LOG,        /* natural logarithm */
    BK_SQRT,       /* square root */
    BK_ABS,        /* |x| */
    BK_SIGN,       /* -1, 0, 1 */
    BK_SIGMOID,    /* 1 / (1 + e^-x) */
    BK_TANH,       /* hyperbolic tangent */
    BK_LEAKY_RELU, /* x > 0 ? x : alpha * x   (alpha 0: ReLU) */
    BK_STEP,       /* x > 0 ? 1 : alpha */
    BK_GELU,       /* x * Phi(x), Phi the normal distribution function (exact, by erf) */

    /* ---- element-wise, two inputs; each axis equal or 1 in one of them, same rank ---- */
    BK_ADD,       /* a + b */
    BK_SUB,       /* a - b */
    BK_MUL,       /* a * b */
    BK_DIV,       /* a / b */
    BK_MAXIMUM,   /* max(a, b) */
    BK_GELU_GRAD, /* x, dy (same shape) -> dy * (Phi(x) + x * phi(x)) */

    /* ---- reductions: attr.axes[i] != 0 marks a reduced axis, kept with length 1 ---- */
    BK_SUM,        /* sum */
    BK_REDUCE_MAX, /* maximum */

    /* ---- matrix products ---- */
    BK_MATMUL, /* a[...,M,K], b[...,K,N] -> [...,M,N]. attr.trans_a: a is [...,K,M]; attr.trans_b: b is
                  [...,N,K]. Leading axes are equal, or one of a and b has rank 2 and serves all. */
    BK_LINEAR, /* x[...,K], w[N,K] (, bias[N] if attr.has_bias) (, r[...,N] if attr.has_residual)
                  -> act(x w^T + bias) + r, act by attr.activation (enum bk_activation).
                  w is real, BK_BF16 or BK_F16 */

    /* ---- normalisation ---- */
    BK_LAYER_NORM,      /* x[...,C], gain[C], bias[C] -> (x - mean)/sqrt(var + eps) * gain + bias over the
                           last axis, biased variance, eps = attr.eps */
    BK_LAYER_NORM_GRAD, /* x, gain, dy -> dx, dgain[C], dbias[C] */
    BK_SOFTMAX,         /* x -> softmax over the last axis */

    BK_INSTANCE_NORM,      /* x[B,S...,C] -> f((x - mean)/sqrt(var + eps)), mean and biased variance over S...
                              for each of B and C; f(z) = z > 0 ? z : alpha * z   (alpha 1: none) */
    BK_INSTANCE_NORM_GRAD, /* x, dy -> dx, same attr */

    /* ---- convolution, channels last. S... are 1 to 3 spatial axes, K... the kernel's sizes on them;
       attr.stride, attr.dilation, attr.pad and attr.pad_end (zeros before and behind x) have an entry for each
       axis. The channels of x and y fall into attr.groups equal groups; those of y see their own group of x
       alone, which has G = C / groups channels ---- */
    BK_CONV,             /* x[B,S...,C], w[O,G,K...] (, bias[O] if attr.has_bias) -> y[B,S'...,O];
                            y[b,s,o] = bias[o] + sum over k and c < G of
                            x[b, s * stride + k * dilation - pad, o / (O / groups) * G + c] w[o,c,k],
                            S' = (S + pad + pad_end - dilation (K - 1) - 1) / stride + 1, rounded down */
    BK_CONV_GRAD_INPUT,  /* w, dy -> dx, of the shape asked for */
    BK_CONV_GRAD_WEIGHT, /* x, dy -> dw, of the shape asked for */

    /* ---- linear maps over space ---- */
    BK_REFLECT,            /* x -> y, longer by attr.axes[i] on both sides of axis i (below its length), which
                              mirror x about its first and last element: 2 1 | 0 1 2 3 | 2 1 */
    BK_REFLECT_GRAD,       /* dy -> dx, same attr */
    BK_RESIZE_LINEAR,      /* x[B,S...,C] -> y[B,S'...,C] of the shape asked for: (bi-, tri-)linear
                              interpolation at (i + 1/2) S / S' - 1/2, kept inside [0, S - 1] */
    BK_RESIZE_LINEAR_GRAD, /* dy -> dx, of the shape asked for */

    /* ---- attention. qkv[B,N,3*H*D] holds q, k, v in this order, each [H][D]; H = attr.heads;
            scores are attr.alpha * q.k; lse[B,H,N] is log(sum_k exp(score)) of each query ---- */
    BK_ATTENTION,             /* qkv -> out[B,N,H*D], lse */
    BK_ATTENTION_GRAD,        /* qkv, out, lse, dout -> dqkv */
    BK_WINDOW_ATTENTION,      /* qkv, table[(2w-1)^2,H] -> out[B,N,H*D], lse. Tokens lie row-major on a
                                 grid attr.grid_h x attr.grid_w (N = their product), multiples of
                                 w = attr.window. The grid is rolled by -attr.shift on both axes (token
                                 (r,c) of the rolled grid is token ((r+shift) mod h, (c+shift) mod w) of
                                 qkv) and cut into w x w windows; attention runs inside each window.
                                 score(i,j) += table[(ri-rj+w-1)*(2w-1) + (ci-cj+w-1), head], (r,c) the
                                 place inside the window; if shift > 0, -100 is added where i and j lie
                                 in different regions of the rolled grid (rows split at h-w and h-shift,
                                 columns likewise: Swin's mask). out and lse are in qkv's token order. */
    BK_WINDOW_ATTENTION_GRAD, /* qkv, table, out, lse, dout -> dqkv, dtable */

    BK_OP_COUNT
} bk_op;

typedef enum bk_activation { BK_ACT_NONE = 0, BK_ACT_GELU = 1 } bk_activation;

/* Attributes of a node. Unused fields are zero. */
typedef struct bk_attr {
    double alpha, beta, eps;
    int64_t axes[BK_MAX_RANK];
    int32_t axis;
    int32_t trans_a, trans_b;
    int32_t has_bias, has_residual, activation;
    int32_t heads;
    int32_t grid_h, grid_w, window, shift;
    int32_t stride[BK_MAX_SPACE], dilation[BK_MAX_SPACE]; /* entry i is of the call's i-th spatial axis */
    int32_t pad[BK_MAX_SPACE], pad_end[BK_MAX_SPACE];
    int32_t groups;
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
    /* Adam (Kingma & Ba 2015), no decay, on n reals of type `real`:
     *   m = beta1 m + (1-beta1) g; v = beta2 v + (1-beta2) g^2;
     *   p -= lr/(1-beta1^t) * m / (sqrt(v)/sqrt(1-beta2^t) + eps) */
    bk_status (*adam)(void *device, bk_dtype real, size_t n, void *p, const void *g, void *m, void *v,
                      double lr, double beta1, double beta2, double eps, int64_t t);
    const char *(*describe)(void *device); /* e.g. "cpu: x86-64-v4, oneDNN 2.6.3 + OpenBLAS 0.3.21" */
} bk_backend;

/* Every back end that is linked in offers one function; lib/registry.c lists them. */
const bk_backend *bk_reference(void);
const bk_backend *bk_cpu(void);

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
