/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kernels of one instruction level. Compiled once for each. */
#include "backends/cpu/kernels.h"

#define CPU_TEXT2(x) #x
#define CPU_TEXT(x)  CPU_TEXT2(x)

#define UNARY                                                                                                \
    {                                                                                                        \
        NULL, KERNEL(cpu_unary), NULL                                                                        \
    }
#define BINARY                                                                                               \
    {                                                                                                        \
        NULL, KERNEL(cpu_binary), NULL                                                                       \
    }
#define REDUCE                                                                                               \
    {                                                                                                        \
        KERNEL(cpu_reduce_scratch), KERNEL(cpu_reduce), NULL                                                 \
    }

extern const cpu_kernels KERNEL(cpu_kernels);
const cpu_kernels KERNEL(cpu_kernels) = {
    .name = CPU_LEVEL ? "x86-64-" CPU_TEXT(CPU_ISA) : "plain C",
    .op =
        {
            [BK_TRANSPOSE] = {NULL, KERNEL(cpu_transpose), NULL},
            [BK_SLICE] = {NULL, KERNEL(cpu_slice), NULL},
            [BK_PAD] = {NULL, KERNEL(cpu_pad), NULL},
            [BK_CONCAT] = {NULL, KERNEL(cpu_concat), NULL},
            [BK_BROADCAST] = {NULL, KERNEL(cpu_broadcast), NULL},
            [BK_GATHER] = {NULL, KERNEL(cpu_gather), NULL},
            [BK_SCATTER] = {NULL, KERNEL(cpu_scatter), NULL},
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
            [BK_LAYER_NORM] = {NULL, KERNEL(cpu_layer_norm), NULL},
            [BK_LAYER_NORM_GRAD] = {KERNEL(cpu_layer_norm_grad_scratch), KERNEL(cpu_layer_norm_grad), NULL},
            [BK_SOFTMAX] = {NULL, KERNEL(cpu_softmax), NULL},
            [BK_INSTANCE_NORM] = {KERNEL(cpu_instance_norm_scratch), KERNEL(cpu_instance_norm),
                                  KERNEL(cpu_instance_norm_fits)},
            [BK_INSTANCE_NORM_GRAD] = {KERNEL(cpu_instance_norm_scratch), KERNEL(cpu_instance_norm_grad),
                                       KERNEL(cpu_instance_norm_fits)},
            [BK_REFLECT] = {NULL, KERNEL(cpu_reflect), KERNEL(cpu_reflect_fits)},
            [BK_REFLECT_GRAD] = {NULL, KERNEL(cpu_reflect_grad), KERNEL(cpu_reflect_fits)},
            [BK_RESIZE_LINEAR] = {KERNEL(cpu_resize_scratch), KERNEL(cpu_resize), KERNEL(cpu_resize_fits)},
            [BK_RESIZE_LINEAR_GRAD] = {KERNEL(cpu_resize_scratch), KERNEL(cpu_resize_grad),
                                       KERNEL(cpu_resize_fits)},
            [BK_ATTENTION] = {KERNEL(cpu_attention_scratch), KERNEL(cpu_attention), NULL},
            [BK_ATTENTION_GRAD] = {KERNEL(cpu_attention_grad_scratch), KERNEL(cpu_attention_grad), NULL},
            [BK_WINDOW_ATTENTION] = {KERNEL(cpu_window_scratch), KERNEL(cpu_window), NULL},
            [BK_WINDOW_ATTENTION_GRAD] = {KERNEL(cpu_window_grad_scratch), KERNEL(cpu_window_grad), NULL},
        },
    .epilogue = KERNEL(cpu_epilogue_rows),
    .own_products = CPU_LEVEL == 2 || CPU_LEVEL == 3,
    .gemm_scratch = KERNEL(cpu_gemm_scratch),
    .gemm = KERNEL(cpu_gemm_run),
    .thin = KERNEL(cpu_thin_product),
    .depthwise = KERNEL(cpu_depthwise_run),
    .depthwise_sum = KERNEL(cpu_depthwise_sum),
    .widen = KERNEL(cpu_widen),
    .narrow = KERNEL(cpu_narrow),
    .adam = KERNEL(cpu_adam_step),
};
