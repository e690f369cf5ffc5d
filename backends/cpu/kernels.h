/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.h - the kernels of one instruction level, as each file of them defines and kernels.c lists.
 * KERNEL(name) adds the level's suffix. */
#ifndef SLMT_CPU_KERNELS_H
#define SLMT_CPU_KERNELS_H

#include "backends/cpu/cpu.h"
#include "backends/cpu/vec.h"

bk_status KERNEL(cpu_unary)(const bk_call *call, int threads);
bk_status KERNEL(cpu_binary)(const bk_call *call, int threads);
bk_status KERNEL(cpu_softmax)(const bk_call *call, int threads);

bk_status KERNEL(cpu_transpose)(const bk_call *call, int threads);
bk_status KERNEL(cpu_slice)(const bk_call *call, int threads);
bk_status KERNEL(cpu_pad)(const bk_call *call, int threads);
bk_status KERNEL(cpu_concat)(const bk_call *call, int threads);
bk_status KERNEL(cpu_broadcast)(const bk_call *call, int threads);
bk_status KERNEL(cpu_gather)(const bk_call *call, int threads);
bk_status KERNEL(cpu_scatter)(const bk_call *call, int threads);

size_t KERNEL(cpu_reduce_scratch)(const bk_call *call, int threads);
bk_status KERNEL(cpu_reduce)(const bk_call *call, int threads);

bk_status KERNEL(cpu_layer_norm)(const bk_call *call, int threads);
size_t KERNEL(cpu_layer_norm_grad_scratch)(const bk_call *call, int threads);
bk_status KERNEL(cpu_layer_norm_grad)(const bk_call *call, int threads);

int KERNEL(cpu_instance_norm_fits)(const bk_call *call);
size_t KERNEL(cpu_instance_norm_scratch)(const bk_call *call, int threads);
bk_status KERNEL(cpu_instance_norm)(const bk_call *call, int threads);
bk_status KERNEL(cpu_instance_norm_grad)(const bk_call *call, int threads);

int KERNEL(cpu_reflect_fits)(const bk_call *call);
bk_status KERNEL(cpu_reflect)(const bk_call *call, int threads);
bk_status KERNEL(cpu_reflect_grad)(const bk_call *call, int threads);

int KERNEL(cpu_resize_fits)(const bk_call *call);
size_t KERNEL(cpu_resize_scratch)(const bk_call *call, int threads);
bk_status KERNEL(cpu_resize)(const bk_call *call, int threads);
bk_status KERNEL(cpu_resize_grad)(const bk_call *call, int threads);

size_t KERNEL(cpu_attention_scratch)(const bk_call *call, int threads);
bk_status KERNEL(cpu_attention)(const bk_call *call, int threads);
size_t KERNEL(cpu_attention_grad_scratch)(const bk_call *call, int threads);
bk_status KERNEL(cpu_attention_grad)(const bk_call *call, int threads);

size_t KERNEL(cpu_window_scratch)(const bk_call *call, int threads);
bk_status KERNEL(cpu_window)(const bk_call *call, int threads);
size_t KERNEL(cpu_window_grad_scratch)(const bk_call *call, int threads);
bk_status KERNEL(cpu_window_grad)(const bk_call *call, int threads);

void KERNEL(cpu_epilogue_rows)(const cpu_epilogue *e);
size_t KERNEL(cpu_gemm_scratch)(const cpu_gemm *g, int threads);
void KERNEL(cpu_gemm_run)(const cpu_gemm *g, int threads, float *scratch);
void KERNEL(cpu_thin_product)(const cpu_thin *t, int threads);
void KERNEL(cpu_depthwise_run)(const cpu_depthwise *d, int threads);
void KERNEL(cpu_depthwise_sum)(const cpu_depthwise_sums *s);
void KERNEL(cpu_widen)(const void *from, int32_t dtype, size_t n, float *to);
void KERNEL(cpu_narrow)(const void *from, int32_t dtype, size_t n, uint16_t *to);
void KERNEL(cpu_adam_step)(const cpu_adam *a, int threads);

#endif
