/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kernels of one instruction level. Compiled once for each. */
#include "backends/cpu/kernels.h"

#define CPU_TEXT2(x) #x
#define CPU_TEXT(x)  CPU_TEXT2(x)

#define UNARY                                                                                                \
    {                                                                                                        \
        NULL, KERNEL(cpu_unary)                                                                              \
    }
#define BINARY                                                                                               \
    {                                                                                                        \
        NULL, KERNEL(cpu_binary)                                                                             \
    }
#define REDUCE                                                                                               \
    {                                                                                                        \
        KERNEL(cpu_reduce_scratch), KERNEL(cpu_reduce)                                                       \
    }

extern const cpu_kernels KERNEL(cpu_kernels);
const cpu_kernels KERNEL(cpu_kernels) = {
    .name = CPU_LEVEL ? "x86-64-" CPU_TEXT(CPU_ISA) : "plain C",
    .op =
        {
            [BK_TRANSPOSE] = {NULL, KERNEL(cpu_transpose)},
            [BK_SLICE] = {NULL, KERNEL(cpu_slice)},
            [BK_PAD] = {NULL, KERNEL(cpu_pad)},
            [BK_CONCAT] = {NULL, KERNEL(cpu_concat)},
            [BK_BROADCAST] = {NULL, KERNEL(cpu_broadcast)},
            [BK_GATHER] = {NULL, KERNEL(cpu_gather)},
            [BK_SCATTER] = {NULL, KERNEL(cpu_scatter)},
            [BK_AFFINE] = UNARY,
            [BK_EXP] = UNARY,
            [BK_LOG] = UNARY,
            [BK_SQRT] = UNARY,
            [BK_ABS] = UNARY,
            [BK_SIGN] = UNARY,
            [BK_SIGMOID] = UNARY,
            [BK_TANH] = UNARY,
            [BK_LEAKY_RELU] = UNARY,
            [BK_STEP] = UNARY,
            [BK_GELU] = UNARY,
            [BK_ADD] = BINARY,
            [BK_SUB] = BINARY,
            [BK_MUL] = BINARY,
            [BK_DIV] = BINARY,
            [BK_MAXIMUM] = BINARY,
            [BK_GELU_GRAD] = BINARY,
            [BK_SUM] = REDUCE,
            [BK_REDUCE_MAX] = REDUCE,
            [BK_LAYER_NORM] = {NULL, KERNEL(cpu_layer_norm)},
            [BK_LAYER_NORM_GRAD] = {KERNEL(cpu_layer_norm_grad_scratch), KERNEL(cpu_layer_norm_grad)},
            [BK_SOFTMAX] = {NULL, KERNEL(cpu_softmax)},
            [BK_ATTENTION] = {KERNEL(cpu_attention_scratch), KERNEL(cpu_attention)},
            [BK_ATTENTION_GRAD] = {KERNEL(cpu_attention_grad_scratch), KERNEL(cpu_attention_grad)},
            [BK_WINDOW_ATTENTION] = {KERNEL(cpu_window_scratch), KERNEL(cpu_window)},
            [BK_WINDOW_ATTENTION_GRAD] = {KERNEL(cpu_window_grad_scratch), KERNEL(cpu_window_grad)},
        },
    .epilogue = KERNEL(cpu_epilogue_rows),
    .own_products = CPU_LEVEL == 2 || CPU_LEVEL == 3,
    .gemm_scratch = KERNEL(cpu_gemm_scratch),
    .gemm = KERNEL(cpu_gemm_run),
    .thin = KERNEL(cpu_thin_product),
    .widen = KERNEL(cpu_widen),
    .adam = KERNEL(cpu_adam_step),
};
