/* SPDX-License-Identifier: Apache-2.0 */
/* amx_attention_cell.h - the inner part of bf16_attention.c on the matrix units.
 *
 * While vectors compute the powers of 32 queries with 32 keys, the matrix units compute the scores of the
 * next keys. The sum of the powers is one more column of the values: ones. */
#ifndef SLMT_CPU_AMX_ATTENTION_CELL_H
#define SLMT_CPU_AMX_ATTENTION_CELL_H

#include "backends/cpu/amx_attention.h"

enum { MOST_DEPTH = 13 }; /* of a head: with EXTRA a vector, and one more column of a tile sums the powers */

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

/* The sizes of the tiles of a thread: rows, and words of a row. */
INLINE void attention_tiles(const uint8_t rows[8], const uint8_t words[8])
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) shape = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        shape.row_bytes[t] = (uint16_t)(words[t] * sizeof(uint32_t));
        shape.rows[t] = rows[t];
    }
    __asm__ volatile("ldtilecfg (%0)" ::"r"(&shape) : "memory");
}

/* A thread begins and ends with these. */
static inline void attention_begin(const head_sizes *s)
{
    const uint8_t words = (uint8_t)s->words;
    attention_tiles((const uint8_t[]){SIDE, SIDE, SIDE, SIDE, SIDE, words, SIDE, SIDE},
                    (const uint8_t[]){SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, words, SIDE});
}

static inline void attention_end(void)
{
    tiles_end();
}

#endif
