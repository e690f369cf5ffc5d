/* SPDX-License-Identifier: Apache-2.0 */
/* random.c - numbers drawn inside a graph: uniform and normal (backends/philox.h). */
#include "backends/philox.h"
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

static bool fits_random(const bk_call *call)
{
    const bk_shape *key = &call->in[0].shape;
    return has_arity(call, 1, 1) && key->dtype == BK_I32 && is_vector(key, 4) &&
           call->out[0].shape.dtype == (sizeof(real) == 8 ? BK_F64 : BK_F32);
}

static void words_at(const bk_call *call, int64_t block, uint32_t word[4])
{
    uint32_t key[4];
    memcpy(key, call->in[0].data, sizeof key);
    uint64_t seed = key[0] | (uint64_t)key[1] << 32, step = key[2] | (uint64_t)key[3] << 32;
    philox_block(seed, step ^ call->attr.purpose, (uint64_t)block, word);
}

static bk_status run_uniform(const bk_call *call)
{
    real *y = call->out[0].data;
    int64_t n = bk_count(&call->out[0].shape);
    for (int64_t i = 0; i < n; i += 4) {
        uint32_t word[4];
        words_at(call, i / 4, word);
        for (int64_t k = 0; k < 4 && i + k < n; k++)
            y[i + k] = (real)philox_uniform(word[k]);
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_uniform) = {
    .fits = fits_random, .run = run_uniform, .types = REFERENCE_OWN_TYPES};

static bk_status run_normal(const bk_call *call)
{
    real *y = call->out[0].data;
    int64_t n = bk_count(&call->out[0].shape);
    for (int64_t i = 0; i < n; i += 4) {
        uint32_t word[4];
        double z[4];
        words_at(call, i / 4, word);
        philox_normal(word[0], word[1], z);
        philox_normal(word[2], word[3], z + 2);
        for (int64_t k = 0; k < 4 && i + k < n; k++)
            y[i + k] = (real)z[k];
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_normal) = {
    .fits = fits_random, .run = run_normal, .types = REFERENCE_OWN_TYPES};
