/* SPDX-License-Identifier: Apache-2.0 */
/* random.c - numbers drawn inside a graph: uniform and normal (backends/philox.h). A number depends on its
 * index alone, so that threads may divide the work in any way. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"
#include "backends/philox.h"

static int random_fits(const bk_call *call)
{
    return call->in[0].shape.dtype == BK_I32 && call->out[0].shape.dtype == BK_F32;
}

/* Draws the words of n numbers from `first` on, which is a multiple of 4; n is rounded up to whole blocks of
 * 4. */
static void words_from(const bk_call *call, int64_t first, int64_t n, uint32_t *word)
{
    uint32_t key[4];
    memcpy(key, call->in[0].data, sizeof key);
    uint64_t seed = key[0] | (uint64_t)key[1] << 32, step = key[2] | (uint64_t)key[3] << 32;
    for (int64_t i = 0; i < n; i += 4)
        philox_block(seed, step ^ call->attr.purpose, (uint64_t)(first + i) / 4, word + i);
}

static void fill_uniform(const uint32_t *word, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)philox_uniform(word[i]);
}

static void fill_normal(const uint32_t *word, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += 2) {
        double z[2];
        philox_normal(word[i], word[i + 1], z);
        y[i] = (float)z[0];
        if (i + 1 < n)
            y[i + 1] = (float)z[1];
    }
}

enum { PIECE = 256 };

typedef struct drawing {
    const bk_call *call;
    void (*fill)(const uint32_t *word, float *y, int64_t n);
} drawing;

static void draw_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    const drawing *d = job;
    float *y = d->call->out[0].data;
    int64_t n = bk_count(&d->call->out[0].shape);
    (void)thread;
    for (int64_t p = first; p < end; p++) {
        uint32_t word[PIECE];
        int64_t many = work_min(PIECE, n - p * PIECE);
        words_from(d->call, p * PIECE, many, word);
        d->fill(word, y + p * PIECE, many);
    }
}

static bk_status draw(const bk_call *call, cpu_team *team, void (*fill)(const uint32_t *, float *, int64_t))
{
    enum { COST = 8 }; /* a random number takes about as long as handling so many elements */
    int64_t n = bk_count(&call->out[0].shape);
    cpu_team_share(team, work_pieces(n, PIECE), COST * n, draw_pieces, &(drawing){call, fill});
    return BK_OK;
}

static bk_status run_uniform(const bk_call *call, cpu_team *team)
{
    return draw(call, team, fill_uniform);
}

static bk_status run_normal(const bk_call *call, cpu_team *team)
{
    return draw(call, team, fill_normal);
}

const cpu_kernel KERNEL(cpu_uniform) = {.fits = random_fits, .run = run_uniform, .types = CPU_OWN_TYPES};
const cpu_kernel KERNEL(cpu_normal) = {.fits = random_fits, .run = run_normal, .types = CPU_OWN_TYPES};
