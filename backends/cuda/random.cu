/* SPDX-License-Identifier: Apache-2.0 */
/* random.cu - numbers drawn inside a graph: uniform and normal, by the arithmetic that every backend shares
 * (backends/philox.h). This file is compiled without contraction to multiply-adds. */
#include "backends/cuda/kernel.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
/* The header's functions are for the host; here they run on the device. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wkeyword-macro"
#endif
#define inline __device__ __forceinline__
#include "backends/philox.h"
#undef inline

__global__ void draw(const int *key, float *y, int64_t n, uint64_t purpose, int normal)
{
    EACH(block, (n + 3) / 4)
    {
        uint32_t word[4];
        double z[4];
        uint64_t seed = (uint32_t)key[0] | (uint64_t)(uint32_t)key[1] << 32;
        uint64_t step = (uint32_t)key[2] | (uint64_t)(uint32_t)key[3] << 32;
        philox_block(seed, step ^ purpose, (uint64_t)block, word);
        for (int k = 0; k < 4; k++)
            z[k] = philox_uniform(word[k]);
        if (normal) {
            philox_normal(word[0], word[1], z);
            philox_normal(word[2], word[3], z + 2);
        }
        for (int k = 0; k < 4 && block * 4 + k < n; k++)
            y[block * 4 + k] = (float)z[k];
    }
}

static void run_random(const bk_call *call, execution *e)
{
    int64_t n = elements(&call->out[0]);
    start(e, draw, blocks_for(divide_up(n, 4)), BLOCK, 0, input<int>(call, 0), output(call, 0), n,
          call->attr.purpose, call->op == BK_NORMAL);
}

const cuda_kernel cuda_uniform = {nullptr, run_random, nullptr};
const cuda_kernel cuda_normal = {nullptr, run_random, nullptr};
