/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_attention_grad.c - the gradient of attention in bfloat16. With P = 2^(S - lse) and
 * dS = P (dout V^T - delta):
 *
 *   dk = dS^T q,  dv = P^T dout,  dq = dS k.
 *
 * A task is a few heads that lie in the same cache lines; they are packed and stored together, token by
 * token, because in memory a token's row is about as far from the next one as a page. For 32 keys it walks
 * over all queries. This file is compiled for each set of instructions (bf16.h). Checked against
 * backends/reference/attention.c by tests/backends/test_backend_bf16.c. */
#include "backends/cpu/bf16_attention_grad.h"

#ifdef CPU_AMX
#include "backends/cpu/amx_attention_grad_cell.h"
#else
#include "backends/cpu/avx512bf16_attention_grad_cell.h"
#endif

typedef struct grad_call {
    cpu_way way;
    head_sizes s;
} grad_call;

static void store_rows(const tile_sums *sums, int64_t n, int64_t depth, float scale, float *x, int64_t step)
{
    for (int64_t i = 0; i < work_min(n, CELL); i++)
        _mm512_mask_storeu_ps(x + i * step, first_lanes(depth),
                              _mm512_load_ps(sums[i / SIDE].at[i % SIDE]) * scale);
}

/* The heads of a task, packed: their rows in memory, and whether all of their scores are bounded. */
typedef struct head_group {
    int count;
    head_rows rows[TOGETHER];
    int bounded[TOGETHER];
} head_group;

static head_group pack_group(const bk_call *call, const head_sizes *s, int64_t task, grad_thread *t)
{
    int64_t each = work_pieces(s->heads, TOGETHER), first = task % each * TOGETHER;
    head_group g = {.count = (int)work_min(TOGETHER, s->heads - first)};
    __m512 queries[TOGETHER] = {{0}}, keys[TOGETHER] = {{0}};
    for (int h = 0; h < g.count; h++)
        g.rows[h] = rows_of(call, s, task / each * s->heads + first + h);
    for (int64_t c = 0; c < s->cells; c++)
        for (int h = 0; h < g.count; h++) {
            query_cell *to = &t->query[h * s->cells + c];
            queries[h] = longer(pack_queries(s, &g.rows[h], c * CELL, to), queries[h]);
            for (int64_t i = c * CELL; i < (c + 1) * CELL; i += SIDE)
                keys[h] = longer(key_squares(s, &g.rows[h], i), keys[h]);
        }
    for (int h = 0; h < g.count; h++) {
        float most = sqrtf(_mm512_reduce_max_ps(queries[h]) * _mm512_reduce_max_ps(keys[h]));
        g.bounded[h] = most < POWER_BOUND * POWER_UNIT;
        for (int64_t c = 0; !g.bounded[h] && c < s->cells; c++)
            pack_scores(s, &g.rows[h], c * CELL, 0, &t->query[h * s->cells + c]);
    }
    return g;
}

/* Computes dk and dv of the keys of a cell, from i on, and adds to dq. */
static void keys_of_head(const head_sizes *s, const head_rows *r, int bounded, int64_t i, grad_thread *t,
                         query_cell *query)
{
    pack_keys(s, r, i, &t->key);
    if (bounded)
        walk_queries(s, t, query, 1);
    else
        walk_queries(s, t, query, 0);
    store_rows(t->dk, s->n - i, s->depth, log_of_2, r->dk + i * s->token, s->token);
    store_rows(t->dv, s->n - i, s->depth, 1.0f, r->dv + i * s->token, s->token);
}

static void grad_of_group(const bk_call *call, const head_sizes *s, int64_t task, grad_thread *t)
{
    const head_group g = pack_group(call, s, task, t);
    for (int64_t i = 0; i < s->n; i += CELL)
        for (int h = 0; h < g.count; h++)
            keys_of_head(s, &g.rows[h], g.bounded[h], i, t, t->query + h * s->cells);
    for (int64_t c = 0; c < s->cells; c++)
        for (int h = 0; h < g.count; h++)
            store_queries(s, &t->query[h * s->cells + c], c * CELL, (float)call->attr.alpha, g.rows[h].dq);
}

typedef struct grad_job {
    const bk_call *call;
    const head_sizes *s;
} grad_job;

static void grad_groups(const void *job, int64_t first, int64_t end, int thread)
{
    const grad_job *j = job;
    grad_thread *t = (grad_thread *)((unsigned char *)j->call->scratch + thread_bytes(j->s) * (size_t)thread);
    grad_begin();
    for (int64_t i = first; i < end; i++)
        grad_of_group(j->call, j->s, i, t);
    grad_end();
}

static bk_status run_grad(cpu_device *dev, bk_call *call)
{
    const head_sizes *s = &((const grad_call *)call->state)->s;
    int64_t tasks = s->batch * work_pieces(s->heads, TOGETHER);
    int threads = work_team(dev->threads, tasks, tasks * s->n * s->n);
    cpu_team_run(dev->team, threads, tasks, 1, grad_groups, &(grad_job){call, s});
    return BK_OK;
}

bk_status KERNEL(bf16_prepare_attention_grad)(cpu_device *dev, bk_call *call)
{
    bk_status taken = cpu_way_new(dev, call, sizeof(grad_call), run_grad);
    if (taken != BK_OK)
        return taken;
    ((grad_call *)call->state)->s = head_sizes_of(call);
    call->scratch_bytes = thread_bytes(&((grad_call *)call->state)->s) * (size_t)dev->threads;
    return BK_OK;
}
