/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_product.c - matrix products in bfloat16: y[m,n] = act(a[m,k] b[k,n] + bias) + residual.
 *
 * Both factors are packed into tiles first; b only once if it is a weight that does not change between runs.
 * A task then computes some rows of tiles by some columns of tiles, two by two, a block of k at a time. Sums
 * that are not complete wait in the thread's own memory. How tasks are cut changes no sum.
 *
 * If b stays in the second-level cache, a task is some rows of a and of y with all columns, and its thread
 * packs these rows of a by itself: then they never leave its cache, and ops that follow, which divide rows
 * among threads the same way, find theirs there. */
#include "backends/cpu/bf16_calls.h"
#include "backends/cpu/bf16_square.h"

enum {
    STEPS = 16, /* tiles along k of a block: two columns of them stay in the first-level cache */
    MOST_ROWS = 4,
    MOST_COLS = 8,           /* squares of a task, or of a part of it */
    FEW_WEIGHTS = 512 * 1024 /* bytes that stay in the second-level cache */
};

typedef struct bf16_call {
    cpu_way way;
    product p;
    int64_t rows, cols, steps;        /* in tiles */
    int64_t row_squares, col_squares; /* of a task */
    int64_t down, tasks;
    int by_rows;    /* a task has all columns, and packs its rows */
    size_t b_bytes; /* of scratch: 0 if b is kept */
    uint64_t kept_version;
    const void *kept_data;
} bf16_call;

/* ---- packing ---- */

typedef struct pack_job {
    factor f;
    int form;
    int64_t steps;
    tile_words *to;
} pack_job;

/* Tiles lie [i][k]. */
static void pack_strips_to(const pack_job *j, int64_t first, int64_t end, tile_words *to)
{
    for (int64_t i = first; i < end; i++)
        for (int64_t s = 0; s < j->steps; s++)
            pack_tile(&j->f, i * SIDE, s * DEPTH, j->form, to++);
}

static void pack_strips(const void *job, int64_t first, int64_t end, int thread)
{
    const pack_job *j = job;
    (void)thread;
    pack_strips_to(j, first, end, j->to + first * j->steps);
}

/* Tiles first to end along k of all strips: reads whole rows of a factor that is stored along i. */
static void pack_steps(const void *job, int64_t first, int64_t end, int thread)
{
    const pack_job *j = job;
    int64_t strips = work_pieces(j->f.n_i, SIDE);
    (void)thread;
    for (int64_t s = first; s < end; s++)
        for (int64_t i = 0; i < strips; i++)
            pack_tile(&j->f, i * SIDE, s * DEPTH, j->form, j->to + i * j->steps + s);
}

static void pack_factor(cpu_device *dev, factor f, int form, tile_words *to)
{
    pack_job j = {f, form, work_pieces(f.n_k, DEPTH), to};
    if (f.step_k == 1)
        cpu_team_share(dev->team, work_pieces(f.n_i, SIDE), f.n_i * f.n_k, pack_strips, &j);
    else
        cpu_team_share(dev->team, j.steps, f.n_i * f.n_k, pack_steps, &j);
}

/* ---- a task ---- */

typedef struct product_job {
    const cpu_device *dev;
    const bk_call *call;
    const bf16_call *c;
    const tile_words *a, *b;
    unsigned char *memory; /* of thread 0 */
} product_job;

/* Tiles of y, and the rows of a for them. */
typedef struct product_task {
    const tile_words *a; /* of the first row */
    int64_t row, rows, col, cols;
    memory next; /* of a, read after this task; a part of it is prefetched with each square */
} product_task;

/* Squares of a task of which sums wait; one if k is one block. */
static int64_t waiting_squares(const bf16_call *c)
{
    return c->steps > STEPS ? c->row_squares * c->col_squares : 1;
}

/* A thread's memory: sums, then the rows that it packed. */
static size_t thread_bytes(const bf16_call *c)
{
    int64_t rows = c->by_rows ? PAIR * c->row_squares * c->steps : 0;
    return (size_t)waiting_squares(c) * sizeof(square) + (size_t)rows * sizeof(tile_words);
}

static square *sums_of_thread(const product_job *j, int thread)
{
    return (square *)(j->memory + thread_bytes(j->c) * (size_t)thread);
}

/* The epilogue of a whole square: two rows of two vectors side by side, with the operations of epilogue.c. */
INLINE void finish_whole(const cpu_epilogue *e, const int activation)
{
    enum { ROWS = 2, SIDES = 2 };
    const vf zero = vset(0.0f),
             bias[SIDES] = {e->bias ? vload(e->bias) : zero, e->bias ? vload(e->bias + VL) : zero};
    for (int64_t r = 0; r < EDGE; r += ROWS) {
        vf v[ROWS * SIDES];
#pragma GCC unroll 4
        for (int i = 0; i < ROWS * SIDES; i++)
            v[i] = vload(e->product + (r + i / SIDES) * EDGE + i % SIDES * VL) + bias[i % SIDES];
        if (activation == BK_ACT_GELU)
            vgelu(v, ROWS * SIDES);
#pragma GCC unroll 4
        for (int i = 0; i < ROWS * SIDES; i++) {
            int64_t at = (r + i / SIDES) * e->y_step + i % SIDES * VL;
            if (activation == BK_ACT_LEAKY_RELU)
                v[i] = vselect(v[i] > zero, v[i], e->act.slope * v[i]);
            vstore(e->y + at, e->residual ? v[i] + vload(e->residual + at) : v[i]);
        }
    }
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
    if (e.rows < EDGE || e.cols < EDGE)
        j->dev->kernels->epilogue(&e);
    else if (p->act.kind == BK_ACT_GELU)
        finish_whole(&e, BK_ACT_GELU);
    else if (p->act.kind == BK_ACT_LEAKY_RELU)
        finish_whole(&e, BK_ACT_LEAKY_RELU);
    else
        finish_whole(&e, BK_ACT_NONE);
}

static strips strips_of(const product_job *j, const product_task *t, int64_t y, int64_t x, int64_t k)
{
    const bf16_call *c = j->c;
    const tile_words *a = t->a + y * c->steps + k, *b = j->b + (t->col + x) * c->steps + k;
    return (strips){{a, y + 1 < t->rows ? a + c->steps : NULL},
                    {b, x + 1 < t->cols ? b + c->steps : NULL},
                    work_min(STEPS, c->steps - k)};
}

/* All squares of a task, for a block of k. `part` counts the squares of all blocks and columns of these rows:
 * what is read next is prefetched in as many parts. */
static void task_block(const product_job *j, const product_task *t, int64_t k, square *sums)
{
    int64_t each = waiting_squares(j->c) > 1, down = work_pieces(t->rows, PAIR);
    int64_t parts = down * work_pieces(j->c->cols, PAIR) * work_pieces(j->c->steps, STEPS);
    int64_t part =
        down * (t->col / PAIR * work_pieces(j->c->steps, STEPS) + k / STEPS * work_pieces(t->cols, PAIR));
    for (int64_t x = 0; x < t->cols; x += PAIR)
        for (int64_t y = 0; y < t->rows; y += PAIR) {
            strips s = strips_of(j, t, y, x, k);
            prefetch(&t->next, part++, parts);
            add_square(&s, k == 0, sums);
            if (k + STEPS >= j->c->steps)
                finish_square(j, (t->row + y) * SIDE, (t->col + x) * SIDE, sums);
            sums += each;
        }
}

static void run_task(const product_job *j, const product_task *t, square *sums)
{
    for (int64_t k = 0; k < j->c->steps; k += STEPS)
        task_block(j, t, k, sums);
}

static void product_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const product_job *j = job;
    const bf16_call *c = j->c;
    squares_begin();
    for (int64_t i = first; i < end; i++) {
        product_task t = {.row = i % c->down * PAIR * c->row_squares,
                          .col = i / c->down * PAIR * c->col_squares};
        t.a = j->a + t.row * c->steps;
        t.rows = work_min(PAIR * c->row_squares, c->rows - t.row);
        t.cols = work_min(PAIR * c->col_squares, c->cols - t.col);
        run_task(j, &t, sums_of_thread(j, thread));
    }
    squares_end();
}

/* Rows of a that lie below a task: its thread probably packs them next. */
static memory rows_below(const bf16_call *c, const factor *a, const product_task *t)
{
    int64_t row = work_min(a->n_i, (t->row + t->rows) * SIDE);
    int64_t end = work_min(a->n_i, row + PAIR * c->row_squares * SIDE);
    int64_t each = a->step_i * (int64_t)bk_dtype_size((bk_dtype)a->type);
    return (memory){(const char *)a->data + row * each, 1, (end - row) * each, 0};
}

/* Tasks with all columns. */
static void row_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const product_job *j = job;
    const bf16_call *c = j->c;
    square *sums = sums_of_thread(j, thread);
    pack_job pack = {left_of(&c->p, j->call), LEFT, c->steps, (tile_words *)(sums + waiting_squares(c))};
    squares_begin();
    for (int64_t i = first; i < end; i++) {
        product_task t = {.a = pack.to, .row = i * PAIR * c->row_squares};
        t.rows = work_min(PAIR * c->row_squares, c->rows - t.row);
        pack_strips_to(&pack, t.row, t.row + t.rows, pack.to);
        t.next = rows_below(c, &pack.f, &t);
        for (; t.col < c->cols; t.col += PAIR * c->col_squares) {
            t.cols = work_min(PAIR * c->col_squares, c->cols - t.col);
            run_task(j, &t, sums);
        }
    }
    squares_end();
}

/* ---- calls ---- */

/* The right factor in tiles: kept, or packed in each run. */
static const tile_words *right_tiles(cpu_device *dev, bf16_call *c, const bk_call *call, tile_words *scratch)
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

/* Scratch: b if it is not kept, a if it is packed at once, memory of each thread. */
static size_t a_bytes(const bf16_call *c)
{
    return c->by_rows ? 0 : (size_t)(c->rows * c->steps) * sizeof(tile_words);
}

static bk_status run_product(cpu_device *dev, bk_call *call)
{
    bf16_call *c = call->state;
    unsigned char *scratch = call->scratch;
    tile_words *a = (tile_words *)(scratch + c->b_bytes);
    product_job j = {dev, call, c, a, NULL, scratch + c->b_bytes + a_bytes(c)};
    if (!c->by_rows)
        pack_factor(dev, left_of(&c->p, call), LEFT, a);
    j.b = right_tiles(dev, c, call, call->scratch);
    cpu_team_run(dev->team, work_team(dev->threads, c->tasks, c->p.m * c->p.n * c->p.k / 64), c->tasks, 1,
                 c->by_rows ? row_tasks : product_tasks, &j);
    return BK_OK;
}

enum { TASKS = 4 }; /* of a thread, at least */

static void cut_rows(bf16_call *c, int threads)
{
    int64_t down = work_pieces(c->rows, PAIR);
    c->row_squares = work_min(MOST_ROWS, down);
    c->col_squares = work_min(MOST_COLS, work_pieces(c->cols, PAIR));
    while (threads > 1 && c->row_squares > 1 && work_pieces(down, c->row_squares) < TASKS * threads)
        c->row_squares = work_pieces(c->row_squares, 2);
    c->down = c->tasks = work_pieces(down, c->row_squares);
}

/* Squares of a task: fewer where a thread would otherwise not have several tasks. */
static void cut_tasks(bf16_call *c, int threads)
{
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

static bk_status prepare_product(cpu_device *dev, const product *p, bk_call *call)
{
    if (p->batch > 1)
        return BK_ERR_UNSUPPORTED;
    if (KERNEL(bf16_is_deep)(p))
        return KERNEL(bf16_prepare_deep)(dev, p, call);
    bk_status taken = cpu_way_new(dev, call, sizeof(bf16_call), run_product);
    if (taken != BK_OK)
        return taken;
    bf16_call *c = call->state;
    c->p = *p;
    c->rows = work_pieces(p->m, SIDE);
    c->cols = work_pieces(p->n, SIDE);
    c->steps = work_pieces(p->k, DEPTH);
    size_t b_bytes = (size_t)(c->cols * c->steps) * sizeof(tile_words);
    c->by_rows = b_bytes <= FEW_WEIGHTS && p->m >= p->n && !p->trans_a;
    if (c->by_rows)
        cut_rows(c, dev->threads);
    else
        cut_tasks(c, dev->threads);
    if (call->in[1].version > 0)
        call->kept_bytes = b_bytes;
    else
        c->b_bytes = b_bytes;
    call->scratch_bytes = c->b_bytes + a_bytes(c) + (size_t)dev->threads * thread_bytes(c);
    return BK_OK;
}

extern const cpu_direct_kernels cpu_direct_avx512bf16;

#ifdef CPU_AMX
const cpu_bf16 cpu_bf16_amx = {.name = "AMX",
                               .product = prepare_product,
                               .attention = bf16_prepare_attention_amx,
                               .window = bf16_prepare_window_amx,
                               .direct = &cpu_direct_avx512bf16,
                               .has_slow_direct = 1};
#else
const cpu_bf16 cpu_bf16_avx512 = {.name = "AVX512-BF16",
                                  .product = prepare_product,
                                  .attention = bf16_prepare_attention_avx512bf16,
                                  .window = bf16_prepare_window_avx512bf16,
                                  .direct = &cpu_direct_avx512bf16};
const cpu_bf16 cpu_bf16_avx512_products = {
    .name = "AVX512-BF16", .product = prepare_product, .direct = &cpu_direct_avx512bf16};
#endif
