/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h - what the files of the cpu backend share: the device, the table of kernels of one instruction level,
 * and the functions for matrix products. The contract with the engine is in backends/backend.h. */
#ifndef SLMT_CPU_CPU_H
#define SLMT_CPU_CPU_H

#include "backends/backend.h"
#include "backends/cpu/team.h"

/* The types an op supports beside float32 for all tensors. */
enum {
    CPU_I32 = 1,         /* the whole op on int32 */
    CPU_INDEX = 2,       /* in[1] is an int32 index */
    CPU_HALF_WEIGHT = 4, /* in[1] may be of 16-bit floats */
    CPU_OWN_TYPES = 8    /* inputs and outputs of several types: fits() checks all of them */
};

/* One op at one instruction level. scratch may be NULL if none is needed. Both functions know the shapes.
 * fits returns whether run() can handle them; NULL: everything that the engine's rules allow. */
typedef struct cpu_kernel {
    int (*fits)(const bk_call *call);
    size_t (*scratch)(const bk_call *call, int threads);
    bk_status (*run)(const bk_call *call, cpu_team *team);
    unsigned types;
} cpu_kernel;

/* The activation after a sum: a bk_activation, with the slope of BK_ACT_LEAKY_RELU. */
typedef struct cpu_activation {
    int kind;
    float slope;
} cpu_activation;

static inline cpu_activation cpu_activation_of(const bk_attr *attr)
{
    return (cpu_activation){attr->activation, (float)attr->alpha};
}

/* The epilogue of a product, applied row by row: y = act(y + bias) + residual. bias, residual may be NULL. */
typedef struct cpu_epilogue {
    int64_t rows, cols;
    const float *product; /* may be y */
    float *y;
    const float *bias, *residual;
    int64_t product_step, y_step; /* floats of a row; the residual has y's */
    cpu_activation act;
} cpu_epilogue;

/* y[m,n] = act(x[m,k] w[n,k]^T + bias) + residual, m at most CPU_THIN_ROWS. residual may be y. */
enum { CPU_THIN_ROWS = 32 };

typedef struct cpu_thin {
    int64_t m, n, k;
    const float *x, *w, *bias, *residual;
    float *y;
    cpu_activation act;
} cpu_thin;

/* y[m,n] = act(a[m,k] b[k,n] + bias) + residual; a is stored [k,m] and b [n,k] if transposed. */
typedef struct cpu_gemm {
    int64_t m, n, k;
    int trans_a, trans_b;
    cpu_activation act;
    int32_t b_type; /* BK_F32, or with trans_b also BK_BF16, BK_F16 */
    const float *a, *bias, *residual;
    const void *b;
    float *y;    /* may be the residual */
    float *part; /* [m,n], for incomplete sums: y, or separate memory with activation and residual */
} cpu_gemm;

typedef struct cpu_depthwise cpu_depthwise; /* depthwise.h */
typedef struct cpu_depthwise_sums cpu_depthwise_sums;
typedef struct cpu_direct cpu_direct; /* direct.h */
typedef struct cpu_direct_grad cpu_direct_grad;

/* Direct convolution, from float32 or in bfloat16. */
typedef struct cpu_direct_kernels {
    void (*plan)(cpu_direct *d); /* the sizes of memory, from what is above them in the struct */
    void (*run)(const cpu_direct *d, cpu_team *team);
    void (*grad_plan)(cpu_direct_grad *g);
    void (*grad_run)(const cpu_direct_grad *g, cpu_team *team);
} cpu_direct_kernels;

/* All kernels, compiled for one instruction level. */
typedef struct cpu_kernels {
    const char *name;
    const cpu_kernel *op[BK_OP_COUNT];       /* NULL for ops without a kernel of their own */
    void (*epilogue)(const cpu_epilogue *e); /* serial */
    int own_products;                        /* with BK_MATRIX_AUTO, gemm and direct rather than a library */
    int thin_rows; /* thin is faster than gemm up to as many rows: at most CPU_THIN_ROWS */
    size_t (*gemm_scratch)(const cpu_gemm *g, int threads);
    void (*gemm)(const cpu_gemm *g, cpu_team *team, float *scratch); /* team NULL: the caller alone */
    void (*thin)(const cpu_thin *t, cpu_team *team);
    void (*depthwise)(const cpu_depthwise *d, cpu_team *team);
    void (*depthwise_sum)(const cpu_depthwise_sums *s); /* serial */
    const cpu_direct_kernels *direct;
    void (*widen)(const void *from, int32_t dtype, size_t n, float *to);     /* from 16-bit floats; serial */
    void (*narrow)(const void *from, int32_t dtype, size_t n, uint16_t *to); /* to bfloat16; serial */
} cpu_kernels;

/* Instruction levels: 2, 3, 4 are x86-64-v2, v3, v4; 0 is plain C for any processor. */
enum { CPU_LEVEL_BEST = 99 };

/* Returns the kernels of the highest level, at most `level`, that this processor runs. */
const cpu_kernels *cpu_kernels_for(int level);

/* The library for matrix products. */
typedef enum bk_matrix { BK_MATRIX_AUTO = 0, BK_MATRIX_ONEDNN = 1, BK_MATRIX_OPENBLAS = 2 } bk_matrix;
typedef struct cpu_library cpu_library; /* library.h */
typedef struct cpu_bf16 cpu_bf16;       /* bf16.h */

typedef struct cpu_device {
    bk_host host;
    int threads; /* of the team */
    cpu_team *team;
    const cpu_library *library;
    int own_products;     /* gemm.c and direct.c compute what they support in float32 */
    int bf16_arithmetic;  /* all products may round their factors to bfloat16 */
    const cpu_bf16 *bf16; /* with it: the kernels of bf16.h, or NULL */
    const cpu_kernels *kernels;
    _Atomic(void *) onednn; /* the engine of oneDNN, from the first call that uses it on (onednn.h) */
    char text[160];
} cpu_device;

/* The same as bk_cpu()->open with a limit on the instruction level, for tests, which run every level that the
 * machine has. The other functions of bk_cpu() accept the device. */
bk_status cpu_open_level(const bk_host *host, const char *options, int level, void **device);

/* The way that prepare() chose for a call that is more than one kernel: the first member of its call->state.
 * run() neither examines shapes nor chooses again. A call without state runs its op's kernel. */
typedef bk_status (*cpu_run)(cpu_device *dev, bk_call *call);

typedef struct cpu_way {
    cpu_run run;
    /* Releases the resources of the state, but not the state itself; NULL: there are none. */
    void (*release)(cpu_device *dev, bk_call *call);
} cpu_way;

/* Sets call->state to `bytes` zeros that begin with a way. BK_ERR_MEMORY, BK_ERR_LIMIT: the call then has no
 * state. */
bk_status cpu_way_new(cpu_device *dev, bk_call *call, size_t bytes, cpu_run run);
void cpu_way_free(cpu_device *dev,
                  bk_call *call); /* frees the state and its resources; a call may have none */

void cpu_log(const cpu_device *dev, int level, const char *text);

#endif
