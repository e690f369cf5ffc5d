/* SPDX-License-Identifier: Apache-2.0 */
/* isa.c - picks the kernels for the processor. Only this file queries its features. */
#include "backends/cpu/cpu.h"

extern const cpu_kernels cpu_kernels_base;

#if defined(__x86_64__)

extern const cpu_kernels cpu_kernels_v2, cpu_kernels_v3, cpu_kernels_v4;

static int has_v2(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
}

static int has_v3(void)
{
    return has_v2() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

static int has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

const cpu_kernels *cpu_kernels_for(int level)
{
    __builtin_cpu_init();
    if (level >= 4 && has_v4())
        return &cpu_kernels_v4;
    if (level >= 3 && has_v3())
        return &cpu_kernels_v3;
    return level >= 2 && has_v2() ? &cpu_kernels_v2 : &cpu_kernels_base;
}

#else

const cpu_kernels *cpu_kernels_for(int level)
{
    (void)level;
    return &cpu_kernels_base;
}

#endif
