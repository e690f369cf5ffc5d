/* SPDX-License-Identifier: Apache-2.0 */
/* isa.c - picks the kernels for the processor. Only this file queries its features. */
#include "backends/cpu/bf16.h"

#ifdef SLMT_HAVE_BF16
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

#ifdef SLMT_HAVE_BF16

extern const cpu_bf16 cpu_bf16_amx, cpu_bf16_avx512, cpu_bf16_avx512_products;

static int processor_has_amx(unsigned d)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
    return (d & AMX_BF16) && (d & AMX_TILE);
}

/* Linux saves tiles only of processes that have asked for it; it refuses those with too small a stack for
 * signals. */
static int kernel_saves_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

const cpu_bf16 *cpu_bf16_for(int level)
{
    enum { LEAF = 7, AVX512_BF16 = 1 << 5, AVX512_VBMI = 1 << 1 };
    unsigned a, b, c, d, a1, b1, c1, d1;
    if (level < 4 || !has_v4() || !__get_cpuid_count(LEAF, 0, &a, &b, &c, &d) ||
        !__get_cpuid_count(LEAF, 1, &a1, &b1, &c1, &d1) || !(a1 & AVX512_BF16))
        return NULL;
    if (!(c & AVX512_VBMI))
        return &cpu_bf16_avx512_products;
    return level > 4 && processor_has_amx(d) && kernel_saves_tiles() ? &cpu_bf16_amx : &cpu_bf16_avx512;
}

#endif

#else

const cpu_kernels *cpu_kernels_for(int level)
{
    (void)level;
    return &cpu_kernels_base;
}

#endif

#ifndef SLMT_HAVE_BF16

const cpu_bf16 *cpu_bf16_for(int level)
{
    (void)level;
    return NULL;
}

#endif
