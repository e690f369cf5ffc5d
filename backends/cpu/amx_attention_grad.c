/* SPDX-License-Identifier: Apache-2.0 */
/* amx_attention_grad.c - the gradient of attention on the matrix units. With P = 2^(S - lse) and
 * dS = P (dout V^T - delta):
 *
 *   dk = dS^T q,  dv = P^T dout,  dq = dS k.
 *
 * A task is a few heads that lie in the same cache lines; they are packed and stored together, token by
 * token, because in memory a token's row is about as far from the next one as a page. For 32 keys it walks
 * over all queries, 32 at a time: S - lse and dout V^T - delta are two products of rows that are longer by
 * three values (amx_attention.h), with keys as rows and queries as columns; P and dS, rounded, are then left
 * factors of dv and dk as they are, and right factors of dq^T once neighbouring rows are interleaved. That
 * leaves the queries of dq^T in another order, as order_of_query() has it. Checked against
 * backends/reference/attention.c by tests/backends/test_backend_bf16.c. */
#include "backends/cpu/amx_attention.h"

enum {
    TOGETHER = 2,    /* heads of a task: 8 floats each, half a cache line */
    GRAD_RAISE = 127 /* of S - lse, which is hardly above 0: powers then need no factor */
};

typedef struct score_rows {
    float at[CELL][CELL]; /* [key][query] */
} __attribute__((aligned(64))) score_rows;

/* What a head's queries are packed as: a right factor of scores, with -lse and with -delta behind them
 * (s.words rows used), and pairs along queries for dk and dv. */
typedef struct query_cell {
    tile_words q[HALVES], dout[HALVES];
    tile_words q_pairs, dout_pairs;
    tile_sums dq[HALVES]; /* transposed: [value][query] */
} query_cell;

/* The keys of a cell: left factors of scores, with ones behind them, and of dq^T. */
typedef struct key_cell {
    tile_words k[HALVES], v[HALVES], k_pairs;
} key_cell;

/* A thread's memory. */
typedef struct grad_thread {
    key_cell key;
    score_rows score[2], grad[2];
    tile_words power[HALVES], slope[HALVES]; /* P and dS as left factors */
    tile_words turned[HALVES];               /* dS as a right factor */
    tile_sums dk[HALVES], dv[HALVES];
    query_cell query[]; /* [TOGETHER][cells] */
} __attribute__((aligned(64))) grad_thread;

typedef struct grad_call {
    cpu_way way;
    head_sizes s;
} grad_call;

static size_t thread_bytes(const head_sizes *s)
{
    return sizeof(grad_thread) + TOGETHER * (size_t)s->cells * sizeof(query_cell);
}

/* ---- packing ---- */

/* A head's rows in the call's tensors. */
typedef struct head_rows {
    const float *q, *k, *v, *out, *dout, *lse;
    float *dq, *dk, *dv;
} head_rows;

static head_rows rows_of(const bk_call *call, const head_sizes *s, int64_t head)
{
    int64_t b = head / s->heads, at = head % s->heads * s->depth;
    int64_t in = b * s->n * s->token + at, out = b * s->n * s->width + at;
    head_rows r = {.q = (const float *)call->in[0].data + in, .dq = (float *)call->out[0].data + in};
    r.k = r.q + s->width;
    r.v = r.k + s->width;
    r.dk = r.dq + s->width;
    r.dv = r.dk + s->width;
    r.out = (const float *)call->in[1].data + out;
    r.lse = (const float *)call->in[2].data + head * s->n;
    r.dout = (const float *)call->in[3].data + out;
    return r;
}

/* -sum_d dout out of 16 tokens from i on. */
static __m512 minus_delta(const head_sizes *s, const head_rows *r, int64_t i)
{
    float delta[SIDE];
    for (int64_t k = 0; k < SIDE; k++)
        delta[k] = -_mm512_reduce_add_ps(load_token(r->dout, s->width, i + k, s->n, s->depth) *
                                         load_token(r->out, s->width, i + k, s->n, s->depth));
    return _mm512_loadu_ps(delta);
}

/* Packs a right factor of scores. Returns the squared lengths of its columns. */
static __m512 pack_columns(const head_sizes *s, const float *x, int64_t step, int64_t i, float scale,
                           __m512 number, tile_words *to)
{
    const behind b = behind_of(number);
    vf word[SIDE];
    token_words(x + i * step, step, s->n - i, s->depth, scale, &b, word);
    transpose_words(word);
    store_words(word, SIDE, to->at);
    return squares(word, s->depth);
}

/* Packs the queries of a cell as factors of S - lse: in units, raised, or as they are. Returns the squared
 * lengths of some of them, the largest of all among them. */
static __m512 pack_scores(const head_sizes *s, const head_rows *r, int64_t i, int units, query_cell *to)
{
    const float unit = units ? POWER_UNIT : 1.0f, raise = units ? GRAD_RAISE * POWER_UNIT + 2 : 0.0f;
    __m512 most = _mm512_setzero_ps();
    for (int64_t h = 0; h < HALVES; h++) {
        int64_t at = i + h * SIDE;
        __m512 lse = _mm512_maskz_loadu_ps(first_lanes(s->n - at), r->lse + at);
        __m512 number = lse * (-1.4426950408889634f * unit) + raise;
        most = longer(pack_columns(s, r->q, s->token, at, s->scale * unit, number, &to->q[h]), most);
    }
    return most;
}

/* Packs the queries of a cell. Returns what pack_scores() does. */
static __m512 pack_queries(const head_sizes *s, const head_rows *r, int64_t i, query_cell *to)
{
    vf word[SIDE];
    for (int64_t h = 0; h < HALVES; h++) {
        int64_t at = i + h * SIDE;
        pack_columns(s, r->dout, s->width, at, 1.0f, minus_delta(s, r, at), &to->dout[h]);
    }
    pair_words(r->q + i * s->token, s->token, s->n - i, s->depth, s->scale, 0.0f, word);
    store_words(word, SIDE, to->q_pairs.at);
    pair_words(r->dout + i * s->width, s->width, s->n - i, s->depth, 1.0f, 0.0f, word);
    for (int k = 0; k < SIDE; k++)
        _mm512_store_si512(to->dout_pairs.at[k], (__m512i)word[unit_pair(k)]);
    memset(to->dq, 0, sizeof to->dq);
    return pack_scores(s, r, i, 1, to);
}

static void pack_rows(const head_sizes *s, const float *x, int64_t i, tile_words *to)
{
    behind ones;
    vf word[SIDE];
    for (int k = 0; k < EXTRA; k++)
        _mm512_store_ps(ones.part[k], _mm512_set1_ps(1.0f));
    token_words(x + i * s->token, s->token, s->n - i, s->depth, 1.0f, &ones, word);
    store_words(word, SIDE, to->at);
}

static void pack_keys(const head_sizes *s, const head_rows *r, int64_t i, key_cell *to)
{
    vf word[SIDE];
    for (int64_t h = 0; h < HALVES; h++) {
        pack_rows(s, r->k, i + h * SIDE, &to->k[h]);
        pack_rows(s, r->v, i + h * SIDE, &to->v[h]);
    }
    pair_words(r->k + i * s->token, s->token, s->n - i, s->depth, 1.0f, 0.0f, word);
    transpose_words(word);
    store_words(word, SIDE, to->k_pairs.at);
}

/* The squared lengths of 16 keys from i on, after rounding. */
static __m512 key_squares(const head_sizes *s, const head_rows *r, int64_t i)
{
    const behind none = {{{0}}};
    vf word[SIDE];
    token_words(r->k + i * s->token, s->token, s->n - i, s->depth, 1.0f, &none, word);
    transpose_words(word);
    return squares(word, s->depth);
}

/* ---- a cell ----
 * Tiles: 0, 1 sums of dv; 2, 3 of dk; 4 scores, or sums of dq; 5, 6 left factors; 7 a right factor. */

/* Scores of both halves of the keys with some queries. */
#define SCORES(rows, columns, to)                                                                            \
    do {                                                                                                     \
        TILE_WORDS(7, columns);                                                                              \
        TILE_WORDS(5, &(rows)[0]);                                                                           \
        TILE_ZERO(4);                                                                                        \
        TILE_ADD(4, 5, 7);                                                                                   \
        TILE_STORE(4, (to), CELL * sizeof(float));                                                           \
        TILE_WORDS(6, &(rows)[1]);                                                                           \
        TILE_ZERO(4);                                                                                        \
        TILE_ADD(4, 6, 7);                                                                                   \
        TILE_STORE(4, (to) + SIDE * CELL, CELL * sizeof(float));                                             \
    } while (0)

/* Part `part` (0 to 3) of S - lse and of dout V^T - delta. */
INLINE void cell_scores(const key_cell *key, const query_cell *query, int part, score_rows *score,
                        score_rows *grad)
{
    int half = part / 2;
    if (part % 2 == 0)
        SCORES(key->k, &query->q[half], &score->at[0][half * SIDE]);
    else
        SCORES(key->v, &query->dout[half], &grad->at[0][half * SIDE]);
}

/* P and dS of one key, rounded; dS is also returned. */
INLINE __m512i key_slopes(grad_thread *t, const float *score, const float *grad, int row, const int bounded)
{
    __m512 p0 = _mm512_load_ps(score), p1 = _mm512_load_ps(score + SIDE);
    __m512i power;
    if (bounded) {
        power = unit_powers(p0, p1);
        p0 = (__m512)_mm512_unpacklo_epi16(_mm512_setzero_si512(), power);
        p1 = (__m512)_mm512_unpackhi_epi16(_mm512_setzero_si512(), power);
    } else {
        p0 = rough_power(p0);
        p1 = rough_power(p1);
        power = in_unit_order(round_two(p0, p1));
    }
    __m512i slope = round_two(p0 * _mm512_load_ps(grad), p1 * _mm512_load_ps(grad + SIDE));
    _mm512_store_si512(t->power[row / SIDE].at[row % SIDE], power);
    _mm512_store_si512(t->slope[row / SIDE].at[row % SIDE], slope);
    return slope;
}

/* The same of `rows` keys from `row` on, and the interleaved dS. */
INLINE void cell_slopes(grad_thread *t, const score_rows *score, const score_rows *grad, int row,
                        const int rows, const int bounded)
{
#pragma GCC unroll 4
    for (int i = row; i < row + rows; i += 2) {
        __m512i even = key_slopes(t, score->at[i], grad->at[i], i, bounded);
        __m512i odd = key_slopes(t, score->at[i + 1], grad->at[i + 1], i + 1, bounded);
        _mm512_store_si512(t->turned[0].at[i / 2], _mm512_unpacklo_epi16(even, odd));
        _mm512_store_si512(t->turned[1].at[i / 2], _mm512_unpackhi_epi16(even, odd));
    }
}

/* Which query of a cell column `column` of half `half` of dq^T is. */
INLINE int order_of_query(int half, int column)
{
    return column / 4 * 8 + half * 4 + column % 4;
}

INLINE void add_cell(grad_thread *t, query_cell *query)
{
    TILE_WORDS(7, &query->dout_pairs);
    TILE_WORDS(5, &t->power[0]);
    TILE_ADD(0, 5, 7);
    TILE_WORDS(5, &t->power[1]);
    TILE_ADD(1, 5, 7);
    TILE_WORDS(7, &query->q_pairs);
    TILE_WORDS(5, &t->slope[0]);
    TILE_ADD(2, 5, 7);
    TILE_WORDS(5, &t->slope[1]);
    TILE_ADD(3, 5, 7);
    TILE_WORDS(5, &t->key.k_pairs);
    TILE_WORDS(4, &query->dq[0]);
    TILE_WORDS(7, &t->turned[0]);
    TILE_ADD(4, 5, 7);
    TILE_SUMS(&query->dq[0], 4);
    TILE_WORDS(4, &query->dq[1]);
    TILE_WORDS(7, &t->turned[1]);
    TILE_ADD(4, 5, 7);
    TILE_SUMS(&query->dq[1], 4);
}

/* dk and dv of the packed keys, over all queries; adds to dq. */
INLINE void walk_queries(const head_sizes *s, grad_thread *t, query_cell *query, const int bounded)
{
    enum { PARTS = HALVES * HALVES, ROWS = CELL / PARTS };
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (int part = 0; part < PARTS; part++)
        cell_scores(&t->key, query, part, &t->score[0], &t->grad[0]);
    for (int64_t c = 0; c < s->cells; c++) {
        const query_cell *next = &query[work_min(c + 1, s->cells - 1)];
        int64_t now = c % 2, then = (c + 1) % 2;
#pragma GCC unroll 4
        for (int part = 0; part < PARTS; part++) {
            cell_scores(&t->key, next, part, &t->score[then], &t->grad[then]);
            cell_slopes(t, &t->score[now], &t->grad[now], part * ROWS, ROWS, bounded);
        }
        add_cell(t, &query[c]);
    }
    TILE_SUMS(&t->dv[0], 0);
    TILE_SUMS(&t->dv[1], 1);
    TILE_SUMS(&t->dk[0], 2);
    TILE_SUMS(&t->dk[1], 3);
}

/* ---- a task ---- */

static void store_rows(const tile_sums *sums, int64_t n, int64_t depth, float scale, float *x, int64_t step)
{
    for (int64_t i = 0; i < work_min(n, CELL); i++)
        _mm512_mask_storeu_ps(x + i * step, first_lanes(depth),
                              _mm512_load_ps(sums[i / SIDE].at[i % SIDE]) * scale);
}

/* Stores dq, which is transposed, by tokens. */
static void store_queries(const head_sizes *s, const tile_sums *dq, int64_t i, float scale, float *x)
{
    vf m[SIDE];
    for (int half = 0; half < HALVES; half++) {
        for (int d = 0; d < SIDE; d++)
            m[d] = vload(dq[half].at[d]);
        transpose_words(m);
        for (int column = 0; column < SIDE; column++) {
            int64_t query = i + order_of_query(half, column);
            if (query < s->n)
                _mm512_mask_storeu_ps(x + query * s->token, first_lanes(s->depth), (__m512)m[column] * scale);
        }
    }
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
            store_queries(s, t->query[h * s->cells + c].dq, c * CELL, (float)call->attr.alpha, g.rows[h].dq);
}

typedef struct grad_job {
    const bk_call *call;
    const head_sizes *s;
} grad_job;

static void grad_groups(const void *job, int64_t first, int64_t end, int thread)
{
    const grad_job *j = job;
    grad_thread *t = (grad_thread *)((unsigned char *)j->call->scratch + thread_bytes(j->s) * (size_t)thread);
    tiles_begin();
    for (int64_t i = first; i < end; i++)
        grad_of_group(j->call, j->s, i, t);
    tiles_end();
}

static bk_status run_grad(cpu_device *dev, bk_call *call)
{
    const head_sizes *s = &((const grad_call *)call->state)->s;
    int64_t tasks = s->batch * work_pieces(s->heads, TOGETHER);
    int threads = work_team(dev->threads, tasks, tasks * s->n * s->n);
    cpu_team_run(dev->team, threads, tasks, 1, grad_groups, &(grad_job){call, s});
    return BK_OK;
}

bk_status amx_prepare_attention_grad(cpu_device *dev, bk_call *call)
{
    bk_status taken = cpu_way_new(dev, call, sizeof(grad_call), run_grad);
    if (taken != BK_OK)
        return taken;
    ((grad_call *)call->state)->s = head_sizes_of(call);
    call->scratch_bytes = thread_bytes(&((grad_call *)call->state)->s) * (size_t)dev->threads;
    return BK_OK;
}
