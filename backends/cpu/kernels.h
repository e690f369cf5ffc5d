/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.h - the kernels of one instruction level, as each file of them defines and kernels.c lists.
 * KERNEL(name) adds the level's suffix. */
#ifndef SLMT_CPU_KERNELS_H
#define SLMT_CPU_KERNELS_H

#include "backends/cpu/cpu.h"
#include "backends/cpu/vec.h"

/* cpu_conv of BK_CONV at this level; a file of kernels defines those that kernels.c lists. */
#define BK_OP(ID, name) extern const cpu_kernel KERNEL(cpu_##name);
#include "backends/ops.def"

void KERNEL(cpu_epilogue_rows)(const cpu_epilogue *e);
size_t KERNEL(cpu_gemm_scratch)(const cpu_gemm *g, int threads);
void KERNEL(cpu_gemm_run)(const cpu_gemm *g, cpu_team *team, float *scratch);
void KERNEL(cpu_thin_product)(const cpu_thin *t, cpu_team *team);
void KERNEL(cpu_depthwise_run)(const cpu_depthwise *d, cpu_team *team);
void KERNEL(cpu_depthwise_sum)(const cpu_depthwise_sums *s);
extern const cpu_direct_kernels KERNEL(cpu_direct);
void KERNEL(cpu_direct_grad_plan)(cpu_direct_grad *g);
void KERNEL(cpu_direct_grad_run)(const cpu_direct_grad *g, cpu_team *team);
void KERNEL(cpu_widen)(const void *from, int32_t dtype, size_t n, float *to);
void KERNEL(cpu_narrow)(const void *from, int32_t dtype, size_t n, uint16_t *to);

#endif
