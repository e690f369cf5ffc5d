/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_deep.c - products in bfloat16 whose inner dimension is long and whose result is small:
 * gradients of weights, where k is the number of tokens.
 *
 * A task is a part of k. Its thread packs that part of both factors, a block at a time, and adds the product
 * to sums of the task's own; so each value of a factor is read once, and packed values never leave the cache.
 * The sums of all tasks are then added in order. How many tasks there are follows from k alone. */
#include "backends/cpu/bf16_square.h"

enum {
    BLOCK = 8,               /* tiles along k that are packed at once */
    PARTS = 16,              /* tasks, at most */
    MOST_VALUES = 64 * 1024, /* of the result: sums, and a block of factors, stay in the second-level cache */
    LEAST_DEPTH = 2048
};

typedef struct deep_call {
    cpu_way way;
    product p;
    int64_t rows, cols, steps; /* in tiles */
    int64_t part_steps, parts; /* tiles along k of a task; tasks */
    int64_t down, beside;      /* squares */
} deep_call;

typedef struct deep_job {
    const cpu_device *dev;
    const bk_call *call;
    const deep_call *c;
    square *sums;      /* [part][square beside][square below] */
    tile_words *packs; /* of thread 0: [row][BLOCK] of a, [column][BLOCK] of b */
} deep_job;

static int64_t squares_of(const deep_call *c)
{
    return c->down * c->beside;
}

static int64_t packs_of(const deep_call *c)
{
    return (c->rows + c->cols) * BLOCK;
}

/* Tiles `step` to step + count of n strips; strips lie BLOCK tiles apart. */
static void pack_block(const factor *f, int form, int64_t n, int64_t step, int64_t count, tile_words *to)
{
    for (int64_t k = 0; k < count; k++)
        for (int64_t i = 0; i < n; i++)
            pack_tile(f, i * SIDE, (step + k) * DEPTH, form, to + i * BLOCK + k);
}

/* Returns the block of a factor that begins at tile `step` along k. It is empty if the factor is stored along
 * k, because then no row of memory belongs to a block alone; the factors of a gradient of weights are not. */
static memory block_of(const factor *f, int64_t step, int64_t stop)
{
    int64_t each = (int64_t)bk_dtype_size((bk_dtype)f->type);
    int64_t k = step * DEPTH, end = work_min(f->n_k, work_min(step + BLOCK, stop) * DEPTH);
    if (f->step_k == 1 || end <= k)
        return (memory){0};
    return (memory){(const char *)f->data + k * f->step_k * each, end - k, f->n_i * each, f->step_k * each};
}

static void add_block(const deep_call *c, const tile_words *a, const tile_words *b, int64_t count, int first,
                      const upcoming *next, square *sums)
{
    int64_t part = 0;
    for (int64_t x = 0; x < c->cols; x += PAIR)
        for (int64_t y = 0; y < c->rows; y += PAIR, sums++, part++) {
            prefetch(&next->a, part, squares_of(c));
            prefetch(&next->b, part, squares_of(c));
            const tile_words *left = a + y * BLOCK, *right = b + x * BLOCK;
            strips s = {{left, y + 1 < c->rows ? left + BLOCK : NULL},
                        {right, x + 1 < c->cols ? right + BLOCK : NULL},
                        count};
            add_square(&s, first, sums);
        }
}

static void deep_parts(const void *job, int64_t first, int64_t end, int thread)
{
    const deep_job *j = job;
    const deep_call *c = j->c;
    const factor left = left_of(&c->p, j->call), right = right_of(&c->p, j->call);
    tile_words *a = j->packs + thread * packs_of(c), *b = a + c->rows * BLOCK;
    squares_begin();
    for (int64_t part = first; part < end; part++) {
        int64_t begin = part * c->part_steps, stop = work_min(c->steps, begin + c->part_steps);
        for (int64_t k = begin; k < stop; k += BLOCK) {
            int64_t count = work_min(BLOCK, stop - k);
            pack_block(&left, LEFT, c->rows, k, count, a);
            pack_block(&right, RIGHT, c->cols, k, count, b);
            upcoming next = {block_of(&left, k + count, stop), block_of(&right, k + count, stop)};
            add_block(c, a, b, count, k == begin, &next, j->sums + part * squares_of(c));
        }
    }
    squares_end();
}

/* Adds the sums of a square over all tasks, and stores what y has of it. */
static void finish_squares(const void *job, int64_t first, int64_t end, int thread)
{
    const deep_job *j = job;
    const deep_call *c = j->c;
    (void)thread;
    for (int64_t i = first; i < end; i++) {
        int64_t row = i % c->down * EDGE, col = i / c->down * EDGE;
        float *y = (float *)j->call->out[0].data + row * c->p.n + col;
        for (int64_t r = 0; r < work_min(EDGE, c->p.m - row); r++)
            for (int64_t x = 0; x < work_min(EDGE, c->p.n - col); x += VL) {
                vf sum = vload(&j->sums[i].at[r][x]);
                for (int64_t part = 1; part < c->parts; part++)
                    sum += vload(&j->sums[part * squares_of(c) + i].at[r][x]);
                vstore_n(y + r * c->p.n + x, sum, c->p.n - col - x);
            }
    }
}

static bk_status run_deep(cpu_device *dev, bk_call *call)
{
    const deep_call *c = call->state;
    deep_job j = {dev, call, c, call->scratch, NULL};
    j.packs = (tile_words *)(j.sums + c->parts * squares_of(c));
    cpu_team_run(dev->team, dev->threads, c->parts, 1, deep_parts, &j);
    cpu_team_share(dev->team, squares_of(c), c->parts * c->p.m * c->p.n, finish_squares, &j);
    return BK_OK;
}

int KERNEL(bf16_is_deep)(const product *p)
{
    return p->batch == 1 && !p->bias && !p->residual && p->act.kind == BK_ACT_NONE && p->k >= LEAST_DEPTH &&
           p->m * p->n <= MOST_VALUES && p->k >= 8 * work_max(p->m, p->n);
}

bk_status KERNEL(bf16_prepare_deep)(cpu_device *dev, const product *p, bk_call *call)
{
    bk_status taken = cpu_way_new(dev, call, sizeof(deep_call), run_deep);
    if (taken != BK_OK)
        return taken;
    deep_call *c = call->state;
    c->p = *p;
    c->rows = work_pieces(p->m, SIDE);
    c->cols = work_pieces(p->n, SIDE);
    c->steps = work_pieces(p->k, DEPTH);
    c->down = work_pieces(c->rows, PAIR);
    c->beside = work_pieces(c->cols, PAIR);
    c->part_steps = work_pieces(work_pieces(c->steps, PARTS), BLOCK) * BLOCK;
    c->parts = work_pieces(c->steps, c->part_steps);
    call->scratch_bytes = (size_t)(c->parts * squares_of(c)) * sizeof(square) +
                          (size_t)(dev->threads * packs_of(c)) * sizeof(tile_words);
    return BK_OK;
}
