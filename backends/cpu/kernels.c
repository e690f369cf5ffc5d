/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kernels of one instruction level. Compiled once for each. */
#include "backends/cpu/kernels.h"

#define CPU_TEXT2(x) #x
#define CPU_TEXT(x)  CPU_TEXT2(x)

#define ROW(ID, name) [BK_##ID] = &KERNEL(cpu_##name)

extern const cpu_kernels KERNEL(cpu_kernels);
const cpu_kernels KERNEL(cpu_kernels) = {
    .name = CPU_LEVEL ? "x86-64-" CPU_TEXT(CPU_ISA) : "plain C",
    .op =
        {
            ROW(TRANSPOSE, transpose),
            ROW(SLICE, slice),
            ROW(PAD, pad),
            ROW(CONCAT, concat),
            ROW(BROADCAST, broadcast),
            ROW(GATHER, gather),
            ROW(SCATTER, scatter),
            ROW(AFFINE, affine),
            ROW(EXP, exp),
            ROW(LOG, log),
            ROW(SQRT, sqrt),
            ROW(ABS, abs),
            ROW(SIGN, sign),
            ROW(SIGMOID, sigmoid),
            ROW(TANH, tanh),
            ROW(LEAKY_RELU, leaky_relu),
            ROW(STEP, step),
            ROW(GELU, gelu),
            ROW(ADD, add),
            ROW(SUB, sub),
            ROW(MUL, mul),
            ROW(DIV, div),
            ROW(MAXIMUM, maximum),
            ROW(GELU_GRAD, gelu_grad),
            ROW(SUM, sum),
            ROW(REDUCE_MAX, reduce_max),
            ROW(LAYER_NORM, layer_norm),
            ROW(LAYER_NORM_GRAD, layer_norm_grad),
            ROW(SOFTMAX, softmax),
            ROW(INSTANCE_NORM, instance_norm),
            ROW(INSTANCE_NORM_GRAD, instance_norm_grad),
            ROW(REFLECT, reflect),
            ROW(REFLECT_GRAD, reflect_grad),
            ROW(RESIZE_LINEAR, resize_linear),
            ROW(RESIZE_LINEAR_GRAD, resize_linear_grad),
            ROW(ATTENTION, attention),
            ROW(ATTENTION_GRAD, attention_grad),
            ROW(WINDOW_ATTENTION, window_attention),
            ROW(WINDOW_ATTENTION_GRAD, window_attention_grad),
            ROW(ADAM, adam),
        },
    .epilogue = KERNEL(cpu_epilogue_rows),
    .own_products = CPU_LEVEL == 2 || CPU_LEVEL == 3,
    .gemm_scratch = KERNEL(cpu_gemm_scratch),
    .gemm = KERNEL(cpu_gemm_run),
    .thin = KERNEL(cpu_thin_product),
    .widen = KERNEL(cpu_widen),
    .narrow = KERNEL(cpu_narrow),
};
