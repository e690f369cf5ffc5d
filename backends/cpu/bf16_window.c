/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_window.c - attention inside (shifted) windows in bfloat16, forward: factors of both products in
 * bfloat16, scores, biases and sums in float32. This file is compiled for each set of instructions (bf16.h).
 *
 * A unit is a head of a window: its queries, keys and values are packed into tiles, token by token. Scores,
 * in units of POWER_UNIT, are sums that begin with the biases; they then become powers (bf16_attention.h).
 * Scores that are not bounded, infinities and NaNs among them, have their row's maximum subtracted first. */
#include "backends/cpu/bf16_window.h"

#ifdef CPU_AMX
#include "backends/cpu/amx_window_cell.h"
#else
#include "backends/cpu/avx512bf16_window_cell.h"
#endif

/* What threads share. Scratch: biases of every head, their largest magnitudes, memory of each thread. */
typedef struct window_job {
    const bk_call *call;
    const window_sizes *s;
    float *bias, *most;
    tile_words *threads;
} window_job;

static size_t bias_bytes(const window_sizes *s)
{
    return (size_t)(s->heads * s->padded * s->padded) * sizeof(float);
}

static window_job place_job(const bk_call *call, const window_sizes *s)
{
    window_job j = {.call = call, .s = s, .bias = call->scratch};
    j.most = j.bias + s->heads * s->padded * s->padded;
    j.threads = (tile_words *)(j.most + work_pieces(s->heads, SIDE) * SIDE);
    return j;
}

/* ---- biases ---- */

static const float nothing = -1e9f; /* in units: the score of a key that is not there */

/* bias[query][key] of a head, in units and raised. */
static void spread_table(const window_job *j, int64_t head)
{
    const window_sizes *s = j->s;
    const int64_t line = 2 * s->grid.side - 1;
    const float *table = (const float *)j->call->in[1].data + line * line / 2 * s->heads + head;
    float *bias = j->bias + head * s->padded * s->padded, most = 0.0f;
    int64_t place[MOST_TOKENS] = {0};
    for (int64_t i = 0; i < s->grid.tokens; i++)
        place[i] = window_place_of(s->grid.side, i) * s->heads;
    for (int64_t q = 0; q < s->padded; q++, bias += s->padded)
        for (int64_t k = 0; k < s->padded; k++) {
            float b =
                q < s->grid.tokens && k < s->grid.tokens ? table[place[q] - place[k]] * log2_of_e : 0.0f;
            bias[k] = k < s->grid.tokens ? b * POWER_UNIT + power_raise : nothing;
            most = fabsf(b) <= most ? most : b == b ? fabsf(b) : INFINITY;
        }
    j->most[head] = most;
}

static void spread_tables(const void *job, int64_t first, int64_t end, int thread)
{
    (void)thread;
    for (int64_t h = first; h < end; h++)
        spread_table(job, h);
}

/* masked = bias - 100 if the regions of query and key differ. */
static void add_mask(const window_sizes *s, const int32_t *region, const float *bias, float *masked)
{
    for (int64_t q = 0; q < s->padded; q++)
        for (int64_t k = 0; k < s->padded; k++)
            masked[q * s->padded + k] =
                bias[q * s->padded + k] - (region[q] == region[k] ? 0.0f : 100.0f * log2_of_e * POWER_UNIT);
}

/* ---- packing ---- */

/* Step `step` of the rows of 16 tokens from i on. */
INLINE void head_rows(const window_sizes *s, const window_thread *t, const float *x, int64_t i, int64_t step,
                      float scale, vf row[SIDE])
{
    const int64_t at = step * DEPTH, left = s->depth - at;
#pragma GCC unroll 4
    for (int64_t r = 0; r < SIDE; r++) {
        __m512 low = _mm512_setzero_ps(), high = low;
        if (i + r < s->grid.tokens) {
            const float *from = x + t->token[i + r] * s->token + at;
            __builtin_prefetch(from + s->depth); /* of the next head */
            low = _mm512_maskz_loadu_ps(first_lanes(left), from) * scale;
            if (left > SIDE)
                high = _mm512_maskz_loadu_ps(first_lanes(left - SIDE), from + SIDE) * scale;
        }
        row[r] = (vf)round_two(low, high);
    }
}

/* Packs queries. Returns the largest squared length. */
static float pack_queries(const window_sizes *s, const window_thread *t, const float *x)
{
    __m512 most = _mm512_setzero_ps();
    vf row[SIDE];
    for (int64_t i = 0; i < HALVES * s->cells; i++) {
        float square[SIDE] = {0};
        for (int64_t k = 0; k < s->steps; k++) {
            head_rows(s, t, x, i * SIDE, k, s->scale, row);
            store_words(row, SIDE, t->query[i * s->steps + k].at);
            for (int r = 0; r < SIDE; r++)
                square[r] += _mm512_reduce_add_ps(
                    _mm512_dpbf16_ps(_mm512_setzero_ps(), (__m512bh)row[r], (__m512bh)row[r]));
        }
        most = longer(_mm512_loadu_ps(square), most);
    }
    return _mm512_reduce_max_ps(most);
}

/* Packs keys. Returns the largest squared length. */
static float pack_keys(const window_sizes *s, const window_thread *t, const float *x)
{
    __m512 most = _mm512_setzero_ps();
    vf row[SIDE];
    for (int64_t i = 0; i < HALVES * s->cells; i++) {
        __m512 square = _mm512_setzero_ps();
        for (int64_t k = 0; k < s->steps; k++) {
            head_rows(s, t, x, i * SIDE, k, 1.0f, row);
            transpose_words(row);
            store_words(row, SIDE, t->key[i * s->steps + k].at);
            square += squares(row, work_min(DEPTH, s->depth - k * DEPTH));
        }
        most = longer(square, most);
    }
    return _mm512_reduce_max_ps(most);
}

/* Column `col` of the values of a cell's tokens, as pairs in the order of powers. */
INLINE void value_pairs(const window_sizes *s, const window_thread *t, const float *x, int64_t cell,
                        int64_t col, tile_words *to)
{
    const __mmask16 lanes = first_lanes(s->depth - col * SIDE);
#pragma GCC unroll 4
    for (int r = 0; r < SIDE; r++) {
        int64_t i = cell * CELL + 2 * unit_pair(r), left = s->grid.tokens - i;
        __m512 even = _mm512_setzero_ps(), odd = even;
        if (left > 0)
            even = _mm512_maskz_loadu_ps(lanes, x + t->token[i] * s->token + col * SIDE);
        if (left > 1)
            odd = _mm512_maskz_loadu_ps(lanes, x + t->token[i + 1] * s->token + col * SIDE);
        _mm512_store_si512(to->at[r], round_pairs(even, odd));
    }
}

static void pack_values(const window_sizes *s, const window_thread *t, const float *x)
{
    for (int64_t j = 0; j < s->cols; j++)
        for (int64_t c = 0; c < s->cells; c++)
            value_pairs(s, t, x, c, j, &t->value[j * s->cells + c]);
}

/* ---- CELL queries ---- */

static void block_powers(const window_sizes *s, const window_thread *t)
{
    for (int64_t i = 0; i < CELL; i++)
        for (int64_t c = 0; c < s->cells; c++) {
            const float *score = t->score + i * s->padded + c * CELL;
            _mm512_store_si512(t->power[i / SIDE * s->cells + c].at[i % SIDE],
                               unit_powers(_mm512_load_ps(score), _mm512_load_ps(score + SIDE)));
        }
}

/* The same of any scores, a row's maximum subtracted: less[i]. */
static void any_powers(const window_sizes *s, const window_thread *t, float less[CELL])
{
    for (int64_t i = 0; i < CELL; i++) {
        const float *score = t->score + i * s->padded;
        __m512 most = _mm512_load_ps(score);
        for (int64_t k = SIDE; k < s->padded; k += SIDE)
            most = _mm512_max_ps(most, _mm512_load_ps(score + k));
        less[i] = _mm512_reduce_max_ps(most);
        for (int64_t c = 0; c < s->cells; c++, score += CELL) {
            __m512 low = (_mm512_load_ps(score) - less[i]) * (1.0f / POWER_UNIT);
            __m512 high = (_mm512_load_ps(score + SIDE) - less[i]) * (1.0f / POWER_UNIT);
            _mm512_store_si512(t->power[i / SIDE * s->cells + c].at[i % SIDE],
                               in_unit_order(round_two(rough_power(low), rough_power(high))));
        }
    }
}

/* 1/x to float32's precision, for x within 2^-100 and 2^100. */
INLINE __m512 reciprocal(__m512 x)
{
    __m512 r = _mm512_rcp14_ps(x);
    return r * (2.0f - x * r);
}

static void store_block(const window_sizes *s, const window_thread *t, int64_t block, float *out)
{
    const int64_t first = block * CELL;
    for (int64_t i = 0; i < work_min(CELL, s->grid.tokens - first); i++) {
        float *to = out + t->token[first + i] * s->width;
        const tile_sums *sums = t->out + i / SIDE;
        __m512 part = reciprocal(_mm512_load_ps(sums[s->cols * HALVES].at[i % SIDE]));
        for (int64_t j = 0; j < s->cols; j++)
            _mm512_mask_storeu_ps(to + j * SIDE, first_lanes(s->depth - j * SIDE),
                                  _mm512_load_ps(sums[j * HALVES].at[i % SIDE]) * part);
    }
}

/* The powers were 2^(score / POWER_UNIT - x), where x is 40 or less / POWER_UNIT. */
static void store_lse(const window_sizes *s, const window_thread *t, int64_t block, const float *less,
                      float *lse)
{
    const int64_t first = block * CELL;
    for (int64_t i = 0; i < work_min(CELL, s->grid.tokens - first); i++) {
        float sum = t->out[s->cols * HALVES + i / SIDE].at[i % SIDE][0], more = 0.0f;
        if (less)
            more = (less[i] - power_raise) * (float)(0.6931471805599453 / POWER_UNIT);
        lse[t->token[first + i]] = more + logf(less ? sum : sum * 0x1p40f);
    }
}

/* ---- a unit ---- */

static void attend_block(const window_sizes *s, const window_thread *t, int64_t block, int bounded,
                         float *out, float *lse)
{
    float less[CELL];
    if (bounded)
        block_powers(s, t);
    else
        any_powers(s, t, less);
    block_values(s, t);
    store_block(s, t, block, out);
    if (lse)
        store_lse(s, t, block, bounded ? NULL : less, lse);
}

static void attend_head(const window_job *j, int64_t image, int64_t head, int mixed, const window_thread *t)
{
    const window_sizes *s = j->s;
    const float *x = (const float *)j->call->in[0].data + image * s->n * s->token + head * s->depth;
    const float *bias = j->bias + head * s->padded * s->padded;
    float *out = (float *)j->call->out[0].data + image * s->n * s->width + head * s->depth;
    float *lse = j->call->out[1].data;
    float square_q = pack_queries(s, t, x), square_k = pack_keys(s, t, x + s->width);
    int bounded = sqrtf(square_q * square_k) + j->most[head] * POWER_UNIT < POWER_BOUND * POWER_UNIT;
    pack_values(s, t, x + 2 * s->width);
    if (mixed)
        add_mask(s, t->region, bias, t->masked);
    for (int64_t b = 0; b < s->cells; b++) {
        block_scores(s, t, b, mixed ? t->masked : bias);
        attend_block(s, t, b, bounded, out, lse ? lse + (image * s->heads + head) * s->n : NULL);
    }
}

static void window_units(const void *job, int64_t first, int64_t end, int thread)
{
    const window_job *j = job;
    const window_sizes *s = j->s;
    window_thread t;
    int64_t each = cut_thread(s, NULL, &t), window = -1;
    int mixed = 0;
    cut_thread(s, j->threads + thread * each, &t);
    set_ones(s, &t);
    memset(t.region, 0, (size_t)s->padded * sizeof *t.region);
    window_begin();
    for (int64_t u = first; u < end; u++) {
        if (u / s->heads != window) {
            window = u / s->heads;
            mixed = window_find(&j->call->attr, &s->grid, window % s->grid.each, t.token, t.region);
        }
        attend_head(j, window / s->grid.each, u % s->heads, mixed, &t);
    }
    window_end();
}

/* ---- calls ---- */

typedef struct window_call {
    cpu_way way;
    window_sizes s;
} window_call;

static bk_status run_window(cpu_device *dev, bk_call *call)
{
    const window_sizes *s = &((const window_call *)call->state)->s;
    const window_job j = place_job(call, s);
    int64_t units = s->windows * s->heads, work = units * s->padded * s->padded;
    int threads = work_team(dev->threads, units, work);
    cpu_team_share(dev->team, s->heads, s->heads * s->padded * s->padded, spread_tables, &j);
    cpu_team_run(dev->team, threads, units, work_chunk(threads, units, s->heads), window_units, &j);
    return BK_OK;
}

bk_status KERNEL(bf16_prepare_window)(cpu_device *dev, bk_call *call)
{
    window_sizes s = window_sizes_of(call);
    window_thread t;
    if (call->op != BK_WINDOW_ATTENTION || s.grid.tokens > MOST_TOKENS || s.depth > MOST_WIDTH)
        return BK_ERR_UNSUPPORTED;
    bk_status taken = cpu_way_new(dev, call, sizeof(window_call), run_window);
    if (taken != BK_OK)
        return taken;
    ((window_call *)call->state)->s = s;
    call->scratch_bytes = bias_bytes(&s) + (size_t)(work_pieces(s.heads, SIDE) * SIDE) * sizeof(float) +
                          (size_t)(cut_thread(&s, NULL, &t) * dev->threads) * sizeof(tile_words);
    return BK_OK;
}
