/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_calls.h - the calls of attention that a set of instructions serves (bf16.h). Files that include this
 * are compiled for each set. */
#ifndef SLMT_CPU_BF16_CALLS_H
#define SLMT_CPU_BF16_CALLS_H

#include "backends/cpu/bf16.h"
#include "backends/cpu/vec.h"

bk_status KERNEL(bf16_prepare_attention)(cpu_device *dev, bk_call *call);
bk_status KERNEL(bf16_prepare_attention_grad)(cpu_device *dev, bk_call *call);
bk_status KERNEL(bf16_prepare_window)(cpu_device *dev, bk_call *call);

#endif
