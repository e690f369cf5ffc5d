/* SPDX-License-Identifier: Apache-2.0 */
/* amx_attention.c - softmax attention on the matrix units: factors of both products in bfloat16, scores,
 * powers and sums in float32.
 *
 * A thread packs the head that it works on once. For 32 queries it computes the scores of 32 keys at a time,
 * turns them into powers, and adds their product with the values; while vectors compute powers, the matrix
 * units compute the scores of the next keys. The sum of the powers is one more column of the values: ones. */
#include "backends/cpu/amx_attention.h"

/* Powers and scores of a cell. */
typedef struct score_cell {
    float at[CELL][CELL];
} __attribute__((aligned(64))) score_cell;

/* A thread's memory: the head that it packed, and room for a cell. Keys and values follow. */
typedef struct forward_thread {
    int64_t head; /* -1: none */
    float square_k;
    score_cell score[2];
    tile_words power[2][HALVES], query[HALVES];
    tile_sums out[HALVES];
} __attribute__((aligned(64))) forward_thread;

typedef struct forward_call {
    cpu_way way;
    head_sizes s;
} forward_call;

/* Keys: [cells][HALVES] right tiles of s.words rows; values: [cells] right tiles. */
static size_t key_bytes(const head_sizes *s)
{
    return (size_t)s->cells * HALVES * SIDE * sizeof(uint32_t) * (size_t)s->words;
}

static size_t thread_bytes(const head_sizes *s)
{
    return sizeof(forward_thread) + key_bytes(s) + (size_t)s->cells * sizeof(tile_words);
}

static uint32_t (*keys_of(forward_thread *t))[SIDE]
{
    return (uint32_t(*)[SIDE])(t + 1);
}

static tile_words *values_of(const head_sizes *s, forward_thread *t)
{
    return (tile_words *)((unsigned char *)(t + 1) + key_bytes(s));
}

static void pack_keys(const head_sizes *s, const float *k, const float *v, forward_thread *t)
{
    behind ones;
    __m512 most = _mm512_setzero_ps();
    vf word[SIDE];
    for (int i = 0; i < EXTRA; i++)
        _mm512_store_ps(ones.part[i], _mm512_set1_ps(1.0f));
    for (int64_t i = 0; i < s->cells * HALVES; i++) {
        token_words(k + i * SIDE * s->token, s->token, s->n - i * SIDE, s->depth, 1.0f, &ones, word);
        transpose_words(word);
        store_words(word, s->words, keys_of(t) + i * s->words);
        most = longer(squares(word, s->depth), most);
    }
    t->square_k = _mm512_reduce_max_ps(most);
    for (int64_t i = 0; i < s->cells; i++) {
        pair_words(v + i * CELL * s->token, s->token, s->n - i * CELL, s->depth, 1.0f, 1.0f, word);
        for (int r = 0; r < SIDE; r++)
            _mm512_store_si512(values_of(s, t)[i].at[r], (__m512i)word[unit_pair(r)]);
    }
}

/* Packs the queries of a cell, times `scale`; `more` is added to each score of a query. Returns their largest
 * squared length. */
static float pack_queries(const head_sizes *s, const float *q, int64_t n, float scale, const float *more,
                          forward_thread *t)
{
    __m512 most = _mm512_setzero_ps();
    vf word[SIDE];
    for (int h = 0; h < HALVES; h++) {
        const behind b = behind_of(_mm512_loadu_ps(more + h * SIDE));
        token_words(q + h * SIDE * s->token, s->token, n - h * SIDE, s->depth, scale, &b, word);
        store_words(word, SIDE, t->query[h].at);
        transpose_words(word);
        most = longer(squares(word, s->depth), most);
    }
    return _mm512_reduce_max_ps(most);
}

/* ---- a cell ----
 * Tiles: 0, 1 sums of values; 2, 3 scores; 4 powers; 5 keys; 6 queries; 7 values. Part `part` (0 to 3) of a
 * cell's scores is half part / 2 of the queries with half part % 2 of the keys. */

/* A product takes a while: it is started in tile 2 or 3, and stored when that is needed again. */
INLINE void start_scores(const forward_thread *t, const uint32_t (*key)[SIDE], int words, const int part)
{
    if (part % 2 == 0)
        TILE_WORDS(6, &t->query[part / 2]);
    TILE_WORDS(5, key + part % 2 * words);
    if (part % 2 == 0) {
        TILE_ZERO(2);
        TILE_ADD(2, 6, 5);
    } else {
        TILE_ZERO(3);
        TILE_ADD(3, 6, 5);
    }
}

INLINE void store_scores(const int part, score_cell *to)
{
    enum { STEP = CELL * sizeof(float) };
    if (part % 2 == 0)
        TILE_STORE(2, &to->at[part / 2 * SIDE][0], STEP);
    else
        TILE_STORE(3, &to->at[part / 2 * SIDE][SIDE], STEP);
}

/* Powers of `rows` rows of scores from `row` on. */
INLINE void cell_powers(const score_cell *score, int row, const int rows, const int bounded,
                        tile_words *power)
{
#pragma GCC unroll 8
    for (int i = row; i < row + rows; i++) {
        __m512 low = _mm512_load_ps(score->at[i]), high = _mm512_load_ps(score->at[i] + SIDE);
        __m512i both =
            bounded ? unit_powers(low, high) : in_unit_order(round_two(rough_power(low), rough_power(high)));
        _mm512_store_si512(power[i / SIDE].at[i % SIDE], both);
    }
}

INLINE void add_values(const tile_words *power, const tile_words *value)
{
    TILE_WORDS(7, value);
    TILE_WORDS(4, &power[0]);
    TILE_ADD(0, 4, 7);
    TILE_WORDS(4, &power[1]);
    TILE_ADD(1, 4, 7);
}

/* out = the sums of powers times values of the packed queries, over all keys. Powers of a cell are computed
 * while the scores of the next one are; those of its second half are stored just before they are read. Its
 * values are added one cell later, when its powers have reached the cache. */
INLINE void attend_cells(const head_sizes *s, forward_thread *t, const int bounded)
{
    enum { PARTS = HALVES * HALVES, ROWS = CELL / PARTS };
    const uint32_t(*key)[SIDE] = (const uint32_t(*)[SIDE])keys_of(t);
    const tile_words *value = values_of(s, t);
    const int64_t step = HALVES * s->words;
    TILE_ZERO(0);
    TILE_ZERO(1);
    start_scores(t, key, s->words, 0);
    start_scores(t, key, s->words, 1);
    for (int part = HALVES; part < PARTS; part++) {
        store_scores(part - HALVES, &t->score[0]);
        start_scores(t, key, s->words, part);
    }
    for (int64_t c = 0; c < s->cells; c++) {
        int64_t next = work_min(c + 1, s->cells - 1);
        score_cell *now = &t->score[c % 2], *then = &t->score[(c + 1) % 2];
#pragma GCC unroll 4
        for (int part = 0; part < PARTS; part++) {
            store_scores((part + HALVES) % PARTS, part < HALVES ? now : then);
            start_scores(t, key + next * step, s->words, part);
            cell_powers(now, part * ROWS, ROWS, bounded, t->power[c % 2]);
            if (part == 1 && c > 0)
                add_values(t->power[(c + 1) % 2], value + c - 1);
        }
    }
    add_values(t->power[(s->cells + 1) % 2], value + s->cells - 1);
    TILE_SUMS(&t->out[0], 0);
    TILE_SUMS(&t->out[1], 1);
}

/* top[query] = the largest of the packed queries' scores. */
static void largest_scores(const head_sizes *s, forward_thread *t, float top[CELL])
{
    const uint32_t(*key)[SIDE] = (const uint32_t(*)[SIDE])keys_of(t);
    __m512 most[CELL];
    for (int i = 0; i < CELL; i++)
        most[i] = _mm512_set1_ps(-INFINITY);
    for (int64_t c = 0; c < s->cells; c++) {
        for (int part = 0; part < HALVES * HALVES; part++) {
            start_scores(t, key + c * HALVES * s->words, s->words, part);
            store_scores(part, &t->score[0]);
        }
        for (int i = 0; i < CELL; i++)
            for (int64_t k = 0; k < HALVES; k++)
                most[i] = _mm512_mask_max_ps(most[i], first_lanes(s->n - c * CELL - k * SIDE), most[i],
                                             _mm512_load_ps(t->score[0].at[i] + k * SIDE));
    }
    for (int i = 0; i < CELL; i++)
        top[i] = _mm512_reduce_max_ps(most[i]);
}

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
    const uint8_t words = (uint8_t)s->words;
    attention_tiles((const uint8_t[]){SIDE, SIDE, SIDE, SIDE, SIDE, words, SIDE, SIDE},
                    (const uint8_t[]){SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, words, SIDE});
    for (int64_t t = first; t < end; t++)
        run_unit(j->call, s, t / s->cells, t % s->cells * CELL, thread_of(j->call, s, thread));
    tiles_end();
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

bk_status amx_prepare_attention(cpu_device *dev, bk_call *call)
{
    head_sizes s = head_sizes_of(call);
    if (s.depth > MOST_DEPTH || s.n < FEWEST)
        return BK_ERR_UNSUPPORTED;
    return call->op == BK_ATTENTION ? prepare_forward(dev, call, &s) : amx_prepare_attention_grad(dev, call);
}
