/* SPDX-License-Identifier: Apache-2.0 */
/* amx_product.c - matrix products on the matrix units: y[m,n] = act(a[m,k] b[k,n] + bias) + residual.
 *
 * Both factors are packed into tiles first; b only once if it is a weight that does not change between runs.
 * A task then computes some rows of tiles by some columns of tiles, two by two, a block of k at a time. Sums
 * that are not complete wait in the thread's own memory. How tasks are cut changes no sum. */
#include "backends/cpu/amx.h"
#include "backends/cpu/amx_tile.h"
#include "backends/cpu/work.h"

enum {
    STEPS = 16, /* tiles along k of a block: two columns of them stay in the first-level cache */
    PAIR = 2,   /* tiles side by side in a square of sums */
    EDGE = PAIR * SIDE,
    MOST_ROWS = 4,
    MOST_COLS = 8 /* squares of a task */
};

/* A square of sums, or what the thread keeps of it: [PAIR tiles below][PAIR tiles beside]. */
typedef struct square {
    float at[EDGE][EDGE];
} __attribute__((aligned(64))) square;

typedef struct amx_call {
    cpu_way way;
    product p;
    int64_t rows, cols, steps;        /* in tiles */
    int64_t row_squares, col_squares; /* of a task */
    int64_t down, tasks;
    size_t b_bytes; /* of scratch: 0 if b is kept */
    uint64_t kept_version;
    const void *kept_data;
} amx_call;

/* ---- packing ---- */

static factor left_of(const product *p, const bk_call *call)
{
    const bk_tensor *a = &call->in[0];
    return (factor){a->data, a->shape.dtype, p->m, p->k, p->trans_a ? 1 : p->k, p->trans_a ? p->m : 1};
}

static factor right_of(const product *p, const bk_call *call)
{
    const bk_tensor *b = &call->in[1];
    return (factor){b->data, b->shape.dtype, p->n, p->k, p->trans_b ? p->k : 1, p->trans_b ? 1 : p->n};
}

typedef struct pack_job {
    factor f;
    int form;
    int64_t steps;
    tile_words *to;
} pack_job;

/* Tiles lie [i][k]. */
static void pack_strips(const void *job, int64_t first, int64_t end, int thread)
{
    const pack_job *j = job;
    (void)thread;
    for (int64_t i = first; i < end; i++)
        for (int64_t s = 0; s < j->steps; s++)
            pack_tile(&j->f, i * SIDE, s * DEPTH, j->form, j->to + i * j->steps + s);
}

static void pack_factor(cpu_device *dev, factor f, int form, tile_words *to)
{
    pack_job j = {f, form, work_pieces(f.n_k, DEPTH), to};
    cpu_team_share(dev->team, work_pieces(f.n_i, SIDE), f.n_i * f.n_k, pack_strips, &j);
}

/* ---- a square: up to two by two tiles of sums ---- */

/* Tiles 0 to 3 are sums, 4 and 5 of the left factor, 6 and 7 of the right one. */
typedef struct strips {
    const tile_words *a[PAIR], *b[PAIR]; /* the first of `steps` tiles along k */
    int64_t steps;
} strips;

static void square_of_four(const strips *s)
{
    for (int64_t k = 0; k < s->steps; k++) {
        TILE_WORDS(4, s->a[0] + k);
        TILE_WORDS(6, s->b[0] + k);
        TILE_ADD(0, 4, 6);
        TILE_WORDS(7, s->b[1] + k);
        TILE_ADD(1, 4, 7);
        TILE_WORDS(5, s->a[1] + k);
        TILE_ADD(2, 5, 6);
        TILE_ADD(3, 5, 7);
    }
}

static void square_of_row(const strips *s)
{
    for (int64_t k = 0; k < s->steps; k++) {
        TILE_WORDS(4, s->a[0] + k);
        TILE_WORDS(6, s->b[0] + k);
        TILE_ADD(0, 4, 6);
        TILE_WORDS(7, s->b[1] + k);
        TILE_ADD(1, 4, 7);
    }
}

static void square_of_column(const strips *s)
{
    for (int64_t k = 0; k < s->steps; k++) {
        TILE_WORDS(6, s->b[0] + k);
        TILE_WORDS(4, s->a[0] + k);
        TILE_ADD(0, 4, 6);
        TILE_WORDS(5, s->a[1] + k);
        TILE_ADD(2, 5, 6);
    }
}

static void square_of_one(const strips *s)
{
    for (int64_t k = 0; k < s->steps; k++) {
        TILE_WORDS(4, s->a[0] + k);
        TILE_WORDS(6, s->b[0] + k);
        TILE_ADD(0, 4, 6);
    }
}

#define SQUARE_TILE(sum, i, j) (&(sum)->at[(i)*SIDE][(j)*SIDE])

/* sum += the product of these strips, or = if they are the first. */
static void add_square(const strips *s, int first, square *sum)
{
    static void (*const add[])(const strips *) = {square_of_one, square_of_row, square_of_column,
                                                  square_of_four};
    enum { STEP = EDGE * sizeof(float) };
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    if (!first) {
        TILE_LOAD(0, SQUARE_TILE(sum, 0, 0), STEP);
        TILE_LOAD(1, SQUARE_TILE(sum, 0, 1), STEP);
        TILE_LOAD(2, SQUARE_TILE(sum, 1, 0), STEP);
        TILE_LOAD(3, SQUARE_TILE(sum, 1, 1), STEP);
    }
    add[(s->a[1] ? 2 : 0) + (s->b[1] ? 1 : 0)](s);
    TILE_STORE(0, SQUARE_TILE(sum, 0, 0), STEP);
    TILE_STORE(1, SQUARE_TILE(sum, 0, 1), STEP);
    TILE_STORE(2, SQUARE_TILE(sum, 1, 0), STEP);
    TILE_STORE(3, SQUARE_TILE(sum, 1, 1), STEP);
}

/* ---- a task ---- */

typedef struct product_job {
    const cpu_device *dev;
    const bk_call *call;
    const amx_call *c;
    const tile_words *a, *b;
    square *sums; /* of thread 0 */
} product_job;

/* Squares of a task of which sums wait; one if k is one block. */
static int64_t waiting_squares(const amx_call *c)
{
    return c->steps > STEPS ? c->row_squares * c->col_squares : 1;
}

static void finish_square(const product_job *j, int64_t row, int64_t col, const square *sum)
{
    const product *p = &j->c->p;
    const float *bias = product_bias(j->call), *residual = product_residual(j->call);
    int64_t at = row * p->n + col;
    cpu_epilogue e = {.rows = work_min(EDGE, p->m - row), .cols = work_min(EDGE, p->n - col)};
    e.product = &sum->at[0][0];
    e.product_step = EDGE;
    e.y = (float *)j->call->out[0].data + at;
    e.y_step = p->n;
    e.bias = bias ? bias + col : NULL;
    e.residual = residual ? residual + at : NULL;
    e.act = p->act;
    j->dev->kernels->epilogue(&e);
}

static strips strips_of(const product_job *j, int64_t row, int64_t col, int64_t k)
{
    const amx_call *c = j->c;
    const tile_words *a = j->a + row * c->steps + k, *b = j->b + col * c->steps + k;
    return (strips){{a, row + 1 < c->rows ? a + c->steps : NULL},
                    {b, col + 1 < c->cols ? b + c->steps : NULL},
                    work_min(STEPS, c->steps - k)};
}

/* All squares of a task, for a block of k. */
static void task_block(const product_job *j, int64_t row, int64_t col, int64_t k, square *sums)
{
    const amx_call *c = j->c;
    int64_t rows = work_min(c->rows, row + PAIR * c->row_squares);
    int64_t cols = work_min(c->cols, col + PAIR * c->col_squares);
    int64_t each = waiting_squares(c) > 1;
    for (int64_t x = col; x < cols; x += PAIR)
        for (int64_t y = row; y < rows; y += PAIR) {
            strips s = strips_of(j, y, x, k);
            add_square(&s, k == 0, sums);
            if (k + STEPS >= c->steps)
                finish_square(j, y * SIDE, x * SIDE, sums);
            sums += each;
        }
}

static void product_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const product_job *j = job;
    const amx_call *c = j->c;
    square *sums = j->sums + thread * waiting_squares(c);
    tiles_begin();
    for (int64_t t = first; t < end; t++)
        for (int64_t k = 0; k < c->steps; k += STEPS)
            task_block(j, t % c->down * PAIR * c->row_squares, t / c->down * PAIR * c->col_squares, k, sums);
    tiles_end();
}

/* ---- calls ---- */

/* The right factor in tiles: kept, or packed in each run. */
static const tile_words *right_tiles(cpu_device *dev, amx_call *c, const bk_call *call, tile_words *scratch)
{
    const bk_tensor *b = &call->in[1];
    tile_words *to = call->kept_bytes > 0 ? call->kept : scratch;
    if (call->kept_bytes > 0 && c->kept_version == b->version && c->kept_data == b->data)
        return to;
    pack_factor(dev, right_of(&c->p, call), RIGHT, to);
    c->kept_version = b->version;
    c->kept_data = b->data;
    return to;
}

static bk_status run_product(cpu_device *dev, bk_call *call)
{
    amx_call *c = call->state;
    tile_words *a = call->scratch, *b = a + c->rows * c->steps;
    product_job j = {dev, call, c, a, b, NULL};
    j.sums = (square *)((unsigned char *)b + c->b_bytes);
    pack_factor(dev, left_of(&c->p, call), LEFT, a);
    j.b = right_tiles(dev, c, call, b);
    cpu_team_run(dev->team, work_team(dev->threads, c->tasks, c->p.m * c->p.n * c->p.k / 64), c->tasks, 1,
                 product_tasks, &j);
    return BK_OK;
}

/* Squares of a task: fewer where a thread would otherwise not have several tasks. */
static void cut_tasks(amx_call *c, int threads)
{
    enum { TASKS = 4 };
    int64_t down = work_pieces(c->rows, PAIR), beside = work_pieces(c->cols, PAIR);
    c->row_squares = work_min(MOST_ROWS, down);
    c->col_squares = work_min(MOST_COLS, beside);
    while (threads > 1 && c->row_squares * c->col_squares > 1 &&
           work_pieces(down, c->row_squares) * work_pieces(beside, c->col_squares) < TASKS * threads) {
        if (c->col_squares > c->row_squares)
            c->col_squares = work_pieces(c->col_squares, 2);
        else
            c->row_squares = work_pieces(c->row_squares, 2);
    }
    c->down = work_pieces(down, c->row_squares);
    c->tasks = c->down * work_pieces(beside, c->col_squares);
}

bk_status amx_prepare_product(cpu_device *dev, const product *p, bk_call *call)
{
    if (p->batch > 1)
        return BK_ERR_UNSUPPORTED;
    bk_status taken = cpu_way_new(dev, call, sizeof(amx_call), run_product);
    if (taken != BK_OK)
        return taken;
    amx_call *c = call->state;
    c->p = *p;
    c->rows = work_pieces(p->m, SIDE);
    c->cols = work_pieces(p->n, SIDE);
    c->steps = work_pieces(p->k, DEPTH);
    cut_tasks(c, dev->threads);
    size_t b_bytes = (size_t)(c->cols * c->steps) * sizeof(tile_words);
    if (call->in[1].version > 0)
        call->kept_bytes = b_bytes;
    else
        c->b_bytes = b_bytes;
    call->scratch_bytes = (size_t)(c->rows * c->steps) * sizeof(tile_words) + c->b_bytes +
                          (size_t)(dev->threads * waiting_squares(c)) * sizeof(square);
    return BK_OK;
}
