/* SPDX-License-Identifier: Apache-2.0 */
/* attention.c - softmax attention and its gradient over whole sequences.
 *
 *   out[q] = sum_k softmax_k(alpha q.k) v[k],  lse[q] = log sum_k exp(alpha q.k)
 *
 * Work is shared by (image, head, vector of tokens). A thread packs what it reads several times of the head
 * it works on into rows once, then runs the blocks of attention_block.h. The gradient recomputes
 * probabilities from lse once, one vector of keys after the other, and accumulates dq meanwhile. Checked
 * against backends/reference/attention.c by tests/backends/test_backend_attention.c. */
#include "backends/cpu/attention_step.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

typedef struct sizes {
    int64_t batch, n, heads, depth;
    int64_t token; /* floats of one token in qkv */
    int sets;      /* vectors of tokens computed at once */
    int64_t unit;  /* their tokens */
    int64_t units; /* in a sequence */
    int64_t head;  /* floats of one packed head, with room to read past its end */
    float scale;   /* the scale of q: alpha, and log2(e) for scores to base 2 */
    int64_t lanes; /* floats of a unit, as lanes or as rows */
} sizes;

static sizes sizes_of(const bk_call *call)
{
    const bk_shape *qkv = &call->in[0].shape;
    sizes s = {.batch = qkv->dim[0], .n = qkv->dim[1], .heads = call->attr.heads, .token = qkv->dim[2]};
    s.depth = s.token / (3 * s.heads);
    s.sets = sets_of(s.depth);
    s.unit = s.sets * VL;
    s.units = work_pieces(s.n, s.unit);
    s.head = work_pieces(s.n * s.depth + VL, 16) * 16;
    s.scale = (float)(call->attr.alpha * 1.4426950408889634);
    s.lanes = lane_row(s.depth) * s.unit;
    return s;
}

/* Rows are prefetched, because the processor's own prefetcher does not follow steps of about a page. */
INLINE void pack_rows(const float *x, int64_t step, int64_t n, int64_t all, int64_t depth, float scale,
                      float *row)
{
    enum { AHEAD = 64 };
    for (int64_t i = 0; i < n; i++) {
        __builtin_prefetch(x + work_min(i + AHEAD, all - 1) * step);
        copy_row(row + i * depth, x + i * step, depth, scale);
    }
}

/* Packs n of the `all` rows from x on, which are `step` floats apart, side by side. The usual width is a
 * constant, so that the compiler copies a row without a loop. */
static void pack(const float *x, int64_t step, int64_t n, int64_t all, int64_t depth, float scale, float *row)
{
    if (depth == STAGE_DEPTH)
        pack_rows(x, step, n, all, STAGE_DEPTH, scale, row);
    else
        pack_rows(x, step, n, all, depth, scale, row);
}

/* Stores the first n tokens of a unit's lanes to x; `row` is scratch for their rows. */
static void unpack(const sizes *s, const float *lanes, float *row, int64_t n, float scale, float *x,
                   int64_t step)
{
    n = work_min(n, s->unit);
    if (is_half(s->depth)) {
        for (int64_t i = 0; i < n; i += VL)
            halves_from_lanes(lanes + i, s->unit, scale, x + i * step, step, n - i);
        return;
    }
    from_lanes(lanes, s->depth, s->sets, scale, row, lane_row(s->depth));
    for (int64_t i = 0; i < n; i++)
        copy_row(x + i * step, row + i * lane_row(s->depth), s->depth, 1.0f);
}

/* ---- forward ---- */

/* What a thread keeps from one piece to the next, at the front of its scratch: the head that it packed. */
typedef struct packed_head {
    int64_t number; /* -1: none */
    float square_k;
} packed_head;

enum { HEAD_FLOATS = 16 }; /* room for a packed_head */

typedef struct forward_job {
    const bk_call *call;
    sizes s;
} forward_job;

static int64_t forward_floats(const sizes *s)
{
    return HEAD_FLOATS + 2 * s->head + 3 * s->lanes;
}

static size_t scratch_attention(const bk_call *call, int threads)
{
    sizes s = sizes_of(call);
    return (size_t)(forward_floats(&s) * threads) * sizeof(float);
}

/* Computes unit i of a head. */
static void forward_unit(const bk_call *call, const sizes *s, int64_t head, int64_t i, float *mine)
{
    packed_head *packed = (packed_head *)mine;
    float *k = mine + HEAD_FLOATS, *v = k + s->head, *lanes = v + s->head;
    float *o = lanes + s->lanes, *row = o + s->lanes, lse[SETS * VL];
    int64_t width = s->heads * s->depth, left = s->n - i, b = head / s->heads,
            at = head % s->heads * s->depth;
    const float *x = (const float *)call->in[0].data + b * s->n * s->token + at;
    float *out = (float *)call->out[0].data + (b * s->n + i) * width + at;
    if (head != packed->number) {
        pack(x + width, s->token, s->n, s->n, s->depth, 1.0f, k);
        pack(x + 2 * width, s->token, s->n, s->n, s->depth, 1.0f, v);
        *packed = (packed_head){head, largest_square(k, s->n, s->depth, lanes)};
    }
    pack(x + i * s->token, s->token, work_min(left, s->unit), left, s->depth, s->scale, row);
    to_lanes(row, left, s->depth, s->sets, lanes);
    attend(lanes, (rows){k, s->n, s->depth}, v, (bias_rows){0}, packed->square_k, o, lse, sets_of(s->depth));
    unpack(s, o, row, left, 1.0f, out, width);
    if (call->out[1].data)
        memcpy((float *)call->out[1].data + head * s->n + i, lse,
               (size_t)work_min(left, s->unit) * sizeof(float));
}

static void forward_units(const void *job, int64_t first, int64_t end, int thread)
{
    const forward_job *j = job;
    float *mine = (float *)j->call->scratch + forward_floats(&j->s) * thread;
    for (int64_t t = first; t < end; t++)
        forward_unit(j->call, &j->s, t / j->s.units, t % j->s.units * j->s.unit, mine);
}

static bk_status run_attention(const bk_call *call, cpu_team *team)
{
    enum { CHUNK = 32 }; /* units at once, so that the cost of packing their head is small in comparison */
    forward_job j = {call, sizes_of(call)};
    const sizes *s = &j.s;
    int64_t units = s->batch * s->heads * s->units;
    int threads = work_team(cpu_team_threads(team), units, s->batch * s->heads * s->n * s->n);
    for (int i = 0; i < threads; i++)
        ((packed_head *)((float *)call->scratch + forward_floats(s) * i))->number = -1;
    cpu_team_run(team, threads, units, work_chunk(threads, units, CHUNK), forward_units, &j);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_attention) = {.scratch = scratch_attention, .run = run_attention};

/* ---- gradient ---- */

/* A thread's packed head, and a unit of tokens. */
enum { K_LANES, V_LANES, DK, DV, K_ROWS, ROWS, LANES };

typedef struct grad_head {
    int64_t number;   /* of the head; -1: none */
    query_rows query; /* q to base 2, dout, lse to base 2, delta; dq */
    float *q, *k, *dout, *lse, *delta, *dq;
    const float *v; /* in place: each row is read once */
    float *lane[LANES];
} grad_head;

/* Floats of one number a token, and of dq of a head. */
static int64_t padded(const sizes *s)
{
    return work_pieces(s->units * s->unit, 16) * 16;
}

static int64_t dq_floats(const sizes *s)
{
    return work_pieces(s->n * lane_row(s->depth), 16) * 16;
}

/* The keys of a head are one task, or several if there are few heads; each then has its own dq, and they are
 * added in order. The cut depends on the shapes only. */
static int64_t key_chunks(const sizes *s)
{
    enum { ENOUGH_TASKS = 32 };
    return work_min(s->units, work_pieces(ENOUGH_TASKS, s->batch * s->heads));
}

/* A thread's scratch begins with its grad_head. */
enum { GRAD_HEAD_FLOATS = 64 };
_Static_assert(sizeof(grad_head) <= GRAD_HEAD_FLOATS * sizeof(float), "room for a grad_head");

static int64_t thread_floats(const sizes *s)
{
    return GRAD_HEAD_FLOATS + 3 * s->head + 2 * padded(s) + LANES * s->lanes + dq_floats(s);
}

/* Scratch for dq of every task, if heads are cut. */
static int64_t partial_floats(const sizes *s)
{
    int64_t chunks = key_chunks(s);
    return chunks > 1 ? s->batch * s->heads * chunks * dq_floats(s) : 0;
}

static size_t scratch_attention_grad(const bk_call *call, int threads)
{
    sizes s = sizes_of(call);
    return (size_t)(partial_floats(&s) + thread_floats(&s) * threads) * sizeof(float);
}

static void place_head(const sizes *s, float *mine)
{
    float *at = mine + GRAD_HEAD_FLOATS;
    grad_head h = {.number = -1, .q = at, .k = at + s->head, .dout = at + 2 * s->head};
    h.delta = at + 3 * s->head;
    h.lse = h.delta + padded(s);
    h.dq = h.lse + padded(s);
    for (int i = 0; i < LANES; i++)
        h.lane[i] = h.dq + dq_floats(s) + i * s->lanes;
    h.query = (query_rows){s->n, s->depth, h.q, h.dout, h.lse, h.delta, h.dq, 0};
    *(grad_head *)mine = h;
}

static void pack_head(const bk_call *call, const sizes *s, int64_t head, grad_head *h)
{
    int64_t b = head / s->heads, at = head % s->heads * s->depth, width = s->heads * s->depth;
    const float *x = (const float *)call->in[0].data + b * s->n * s->token + at;
    const float *out = (const float *)call->in[1].data + b * s->n * width + at;
    const float *dout = (const float *)call->in[3].data + b * s->n * width + at;
    pack(x, s->token, s->n, s->n, s->depth, s->scale, h->q);
    pack(x + width, s->token, s->n, s->n, s->depth, 1.0f, h->k);
    pack(dout, width, s->n, s->n, s->depth, 1.0f, h->dout);
    h->v = x + 2 * width;
    copy_row(h->lse, (const float *)call->in[2].data + head * s->n, s->n, log2_of_e);
    for (int64_t i = 0; i < s->n; i += VL) {
        int64_t left = work_min(VL, s->n - i);
        pack(out + i * width, width, left, s->n - i, s->depth, 1.0f, h->lane[ROWS]);
        to_lanes(h->lane[ROWS], left, s->depth, 1, h->lane[0]);
        to_lanes(h->dout + i * s->depth, left, s->depth, 1, h->lane[1]);
        vstore(h->delta + i, dot_lanes(h->lane[0], h->lane[1], s->depth, VL));
    }
    h->query.bounded = is_bounded(largest_square(h->q, s->n, s->depth, h->lane[0]),
                                  largest_square(h->k, s->n, s->depth, h->lane[0]), 0.0f);
}

static int has_steps(const sizes *s)
{
    return HAS_STAGES && s->depth == STAGE_DEPTH;
}

/* Computes dk and dv of the keys from i on into dx, and adds to dq. */
static void keys_of_head(const sizes *s, const grad_head *h, int64_t i, float *dx)
{
    int64_t left = s->n - i, width = s->heads * s->depth;
    float *dk = dx + width + i * s->token, *dv = dk + width;
    key_vector key = {h->lane[K_LANES], h->lane[V_LANES], h->lane[K_ROWS], h->lane[DK], h->lane[DV]};
    if (has_steps(s) && left >= s->unit)
        lay_whole(h->k + i * s->depth, h->lane[K_ROWS]);
    else
        lay_keys(h->k + i * s->depth, left, s->depth, s->sets, h->lane[K_ROWS]);
    to_lanes(h->k + i * s->depth, left, s->depth, s->sets, h->lane[K_LANES]);
    pack(h->v + i * s->token, s->token, work_min(left, s->unit), left, s->depth, 1.0f, h->lane[ROWS]);
    to_lanes(h->lane[ROWS], left, s->depth, s->sets, h->lane[V_LANES]);
    if (has_steps(s))
        gradient_of_step(&key, &h->query);
    else
        gradient_of_keys(&key, &h->query, (bias_rows){0}, NULL, sets_of(s->depth));
    unpack(s, key.dk, h->lane[ROWS], left, log_of_2, dk, s->token);
    unpack(s, key.dv, h->lane[ROWS], left, 1.0f, dv, s->token);
}

static float *head_of_dx(const bk_call *call, const sizes *s, int64_t head)
{
    return (float *)call->out[0].data + head / s->heads * s->n * s->token + head % s->heads * s->depth;
}

static void store_queries(const bk_call *call, const sizes *s, const float *dq, float *dx)
{
    const float alpha = (float)call->attr.alpha;
    for (int64_t i = 0; i < s->n; i++)
        if (has_steps(s))
            store_step(dx + i * s->token, dq + i * VL, alpha);
        else
            store_query(dx + i * s->token, dq + i * lane_row(s->depth), s->depth, alpha);
}

typedef struct grad_job {
    const bk_call *call;
    sizes s;
} grad_job;

static float *scratch_of_thread(const bk_call *call, const sizes *s, int thread)
{
    return (float *)call->scratch + partial_floats(s) + thread_floats(s) * thread;
}

/* Computes task t: all keys of a head, or a chunk of them. */
static void grad_task(const bk_call *call, const sizes *s, int64_t t, grad_head *h)
{
    int64_t chunks = key_chunks(s), head = t / chunks, from = s->units * (t % chunks) / chunks;
    int64_t to = s->units * (t % chunks + 1) / chunks;
    float *dx = head_of_dx(call, s, head);
    if (head != h->number)
        pack_head(call, s, head, h);
    h->number = head;
    h->query.dq = chunks > 1 ? (float *)call->scratch + t * dq_floats(s) : h->dq;
    memset(h->query.dq, 0, (size_t)dq_floats(s) * sizeof(float));
    for (int64_t v = from; v < to; v++)
        keys_of_head(s, h, v * s->unit, dx);
    if (chunks == 1)
        store_queries(call, s, h->query.dq, dx);
}

static void grad_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const grad_job *j = job;
    for (int64_t t = first; t < end; t++)
        grad_task(j->call, &j->s, t, (grad_head *)scratch_of_thread(j->call, &j->s, thread));
}

/* Adds the dq of a head's tasks into the first. */
static void join_queries(const bk_call *call, const sizes *s, int64_t head)
{
    int64_t chunks = key_chunks(s), n = dq_floats(s);
    float *sum = (float *)call->scratch + head * chunks * n;
    for (int64_t c = 1; c < chunks; c++)
        for (int64_t i = 0; i < n; i++)
            sum[i] += sum[c * n + i];
    store_queries(call, s, sum, head_of_dx(call, s, head));
}

static void join_heads(const void *job, int64_t first, int64_t end, int thread)
{
    const grad_job *j = job;
    (void)thread;
    for (int64_t h = first; h < end; h++)
        join_queries(j->call, &j->s, h);
}

static bk_status run_attention_grad(const bk_call *call, cpu_team *team)
{
    grad_job j = {call, sizes_of(call)};
    const sizes *s = &j.s;
    int64_t heads = s->batch * s->heads, tasks = heads * key_chunks(s);
    int threads = work_team(cpu_team_threads(team), tasks, heads * s->n * s->n);
    for (int i = 0; i < threads; i++)
        place_head(s, scratch_of_thread(call, s, i));
    cpu_team_run(team, threads, tasks, 1, grad_tasks, &j);
    if (key_chunks(s) > 1)
        cpu_team_share(team, heads, tasks * dq_floats(s), join_heads, &j);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_attention_grad) = {.scratch = scratch_attention_grad, .run = run_attention_grad};
