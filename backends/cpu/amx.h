/* SPDX-License-Identifier: Apache-2.0 */
/* amx.h - ops whose products the processor's matrix units (AMX-BF16) compute: factors rounded to bfloat16,
 * sums in float32. A device uses them if its arithmetic is bfloat16 and cpu_has_amx() is true. Each function
 * prepares a call as prepare() does, or returns BK_ERR_UNSUPPORTED for a call that another way must serve. */
#ifndef SLMT_CPU_AMX_H
#define SLMT_CPU_AMX_H

#include "backends/cpu/matrix.h"

/* Returns 1 if this build and this processor have matrix units for bfloat16 and the kernel lets this process
 * use them (isa.c). */
int cpu_has_amx(void);

#ifdef SLMT_HAVE_AMX
bk_status amx_prepare_product(cpu_device *dev, const product *p, bk_call *call);
bk_status amx_prepare_attention(cpu_device *dev, bk_call *call); /* BK_ATTENTION, BK_ATTENTION_GRAD */
bk_status amx_prepare_window(cpu_device *dev, bk_call *call);    /* BK_WINDOW_ATTENTION */
#else
static inline bk_status amx_prepare_product(cpu_device *dev, const product *p, bk_call *call)
{
    (void)dev, (void)p, (void)call;
    return BK_ERR_UNSUPPORTED;
}
static inline bk_status amx_prepare_attention(cpu_device *dev, bk_call *call)
{
    (void)dev, (void)call;
    return BK_ERR_UNSUPPORTED;
}
static inline bk_status amx_prepare_window(cpu_device *dev, bk_call *call)
{
    (void)dev, (void)call;
    return BK_ERR_UNSUPPORTED;
}
#endif

#endif
