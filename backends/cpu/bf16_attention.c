/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_attention.c - softmax attention in bfloat16: factors of both products in bfloat16, scores, powers and
 * sums in float32. This file is compiled for each set of instructions (bf16.h).
 *
 * A thread packs the head that it works on once. For 32 queries it computes the scores of some keys at a
 * time, turns them into powers, and adds their product with the values. */
#include "backends/cpu/bf16_attention.h"

#ifdef CPU_AMX
#include "backends/cpu/amx_attention_cell.h"
#else
#include "backends/cpu/avx512bf16_attention_cell.h"
#endif

typedef struct forward_call {
    cpu_way way;
    head_sizes s;
} forward_call;

/* ---- a unit: the queries of a cell ---- */

/* Where a unit lies in the call's tensors: its queries, their results, and how many there are. */
typedef struct forward_unit {
    const float *q;
    float *out, *lse;
    int64_t n;
} forward_unit;

/* The powers were 2^(score - less): lse = less + log2(sum). `up` is 1, or raises small sums exactly. */
static void store_out(const head_sizes *s, const forward_thread *t, const forward_unit *u, const float *less,
                      float up)
{
    for (int64_t i = 0; i < work_min(u->n, CELL); i++) {
        const float *sums = t->out[i / SIDE].at[i % SIDE];
        __m512 v = _mm512_loadu_ps(sums) * (1.0f / sums[s->depth]);
        _mm512_mask_storeu_ps(u->out + i * s->width, first_lanes(s->depth), v);
        if (u->lse)
            u->lse[i] = (float)(less[i] * 0.6931471805599453) + logf(sums[s->depth] * up);
    }
}

/* Scores that may be large, infinite or NaNs. */
static void attend_any(const head_sizes *s, const forward_unit *u, forward_thread *t)
{
    float top[CELL], more[CELL] = {0};
    pack_queries(s, u->q, u->n, s->scale, more, t);
    largest_scores(s, t, top);
    for (int i = 0; i < CELL; i++)
        more[i] = -top[i];
    pack_queries(s, u->q, u->n, s->scale, more, t);
    attend_cells(s, t, 0);
    store_out(s, t, u, top, 1.0f);
}

static void attend_unit(const head_sizes *s, const forward_unit *u, forward_thread *t)
{
    float raise[CELL];
    const float less[CELL] = {0};
    for (int i = 0; i < CELL; i++)
        raise[i] = power_raise;
    float square_q = pack_queries(s, u->q, u->n, s->scale * POWER_UNIT, raise, t);
    if (!(sqrtf(square_q * t->square_k) < (float)(POWER_BOUND * POWER_UNIT))) {
        attend_any(s, u, t);
        return;
    }
    attend_cells(s, t, 1);
    store_out(s, t, u, less, 0x1p40f);
}

static void run_unit(const bk_call *call, const head_sizes *s, int64_t head, int64_t i, forward_thread *t)
{
    int64_t b = head / s->heads, at = head % s->heads * s->depth;
    const float *x = (const float *)call->in[0].data + b * s->n * s->token + at;
    float *lse = call->out[1].data;
    forward_unit u = {.q = x + i * s->token, .n = s->n - i, .lse = lse ? lse + head * s->n + i : NULL};
    u.out = (float *)call->out[0].data + (b * s->n + i) * s->width + at;
    if (head != t->head) {
        pack_keys(s, x + s->width, x + 2 * s->width, t);
        t->head = head;
    }
    attend_unit(s, &u, t);
}

typedef struct forward_job {
    const bk_call *call;
    const head_sizes *s;
} forward_job;

static forward_thread *thread_of(const bk_call *call, const head_sizes *s, int thread)
{
    return (forward_thread *)((unsigned char *)call->scratch + thread_bytes(s) * (size_t)thread);
}

static void forward_units(const void *job, int64_t first, int64_t end, int thread)
{
    const forward_job *j = job;
    const head_sizes *s = j->s;
    attention_begin(s);
    for (int64_t t = first; t < end; t++)
        run_unit(j->call, s, t / s->cells, t % s->cells * CELL, thread_of(j->call, s, thread));
    attention_end();
}

static bk_status run_forward(cpu_device *dev, bk_call *call)
{
    enum { CHUNK = 16 }; /* units at once, so that the cost of packing their head is small in comparison */
    const head_sizes *s = &((const forward_call *)call->state)->s;
    int64_t units = s->batch * s->heads * s->cells;
    int threads = work_team(dev->threads, units, s->batch * s->heads * s->n * s->n);
    for (int i = 0; i < threads; i++)
        thread_of(call, s, i)->head = -1;
    cpu_team_run(dev->team, threads, units, work_chunk(threads, units, CHUNK), forward_units,
                 &(forward_job){call, s});
    return BK_OK;
}

static bk_status prepare_forward(cpu_device *dev, bk_call *call, const head_sizes *s)
{
    bk_status taken = cpu_way_new(dev, call, sizeof(forward_call), run_forward);
    if (taken != BK_OK)
        return taken;
    ((forward_call *)call->state)->s = *s;
    call->scratch_bytes = thread_bytes(s) * (size_t)dev->threads;
    return BK_OK;
}

bk_status KERNEL(bf16_prepare_attention)(cpu_device *dev, bk_call *call)
{
    head_sizes s = head_sizes_of(call);
    if (s.depth > MOST_DEPTH || s.n < FEWEST)
        return BK_ERR_UNSUPPORTED;
    return call->op == BK_ATTENTION ? prepare_forward(dev, call, &s)
                                    : KERNEL(bf16_prepare_attention_grad)(dev, call);
}
