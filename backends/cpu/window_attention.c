/* SPDX-License-Identifier: Apache-2.0 */
/* window_attention.c - attention inside (shifted) windows with relative position biases, and its gradient.
 *
 * A window is a list of tokens: roll and partition are index arithmetic while a head is packed into rows,
 * never copies. The biases of each head are expanded to a matrix first; a window that the shift joined from
 * several regions adds its mask to a copy. The gradient of the table is summed over WINDOWS windows at a
 * time, as a matrix, and folded into a table of its own in scratch; those are added up in order. Liu et al.,
 * "Swin Transformer", ICCV 2021, section 3.2.
 * Checked against backends/reference/window_attention.c by tests/backends/test_backend_attention.c. */
#include "backends/cpu/attention_block.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"
#include "backends/cpu/window.h"
#include "backends/cpu/work.h"

enum {
    WINDOWS = 8,
    WINDOW_SETS = CPU_LEVEL == 4 ? 1 : SETS, /* one: biases leave no registers for two sets of lanes */
    AT_ONCE = WINDOW_SETS * VL               /* tokens */
};

typedef struct sizes {
    window_grid grid;
    int64_t batch, n, heads, depth, token;
    int64_t side, tokens, padded; /* window: w, w^2, and that rounded up to AT_ONCE */
    int64_t windows;              /* in the batch */
    int64_t groups;               /* of WINDOWS windows */
    int64_t table;                /* rows of the table */
    float scale;                  /* the scale of q: alpha, and log2(e) for scores to base 2 */
} sizes;

static sizes sizes_of(const bk_call *call)
{
    const bk_shape *qkv = &call->in[0].shape;
    const bk_attr *a = &call->attr;
    sizes s = {.batch = qkv->dim[0], .n = qkv->dim[1], .heads = a->heads, .token = qkv->dim[2]};
    s.depth = s.token / (3 * s.heads);
    s.grid = window_grid_of(call);
    s.side = s.grid.side;
    s.tokens = s.grid.tokens;
    s.padded = work_pieces(s.tokens, AT_ONCE) * AT_ONCE;
    s.windows = s.batch * s.grid.each;
    s.groups = work_pieces(s.windows, WINDOWS);
    s.scale = (float)(call->attr.alpha * 1.4426950408889634);
    s.table = (2 * s.side - 1) * (2 * s.side - 1);
    return s;
}

enum { K_LANES, V_LANES, DK, DV, K_ROWS, ROWS, LANES }; /* of AT_ONCE tokens */
enum { Q_LANES = K_LANES, OUT = DK };                   /* in the forward pass */

/* One window of one head, in a thread's scratch. Matrices are [tokens][padded]: forward [key][query], in
 * the gradient [query][key]. */
typedef struct window {
    float *masked, *dscore;
    float *q, *k, *v, *dout; /* [tokens][depth] */
    float *dq;               /* [tokens][lane_row(depth)] */
    float *lse, *delta;      /* [padded] */
    float *lane[LANES];
    int32_t *token, *region; /* [padded] */
    int mixed;               /* more than one region */
    int64_t image;
} window;

/* Allocates pieces of scratch; with `at` NULL it only counts them. */
typedef struct layout {
    float *at;
    int64_t used;
} layout;

static float *take(layout *l, int64_t n)
{
    float *p = l->at ? l->at + l->used : NULL;
    l->used += work_pieces(n, 16) * 16;
    return p;
}

static window place_window(const sizes *s, int gradient, layout *l)
{
    window w = {0};
    int64_t matrix = s->tokens * s->padded,
            rows = s->tokens * s->depth + VL; /* to_lanes reads past the end */
    w.masked = take(l, matrix);
    w.q = take(l, rows);
    w.k = take(l, rows);
    w.v = take(l, rows);
    w.token = (int32_t *)take(l, s->padded);
    w.region = (int32_t *)take(l, s->padded);
    for (int i = 0; i < LANES; i++)
        w.lane[i] = take(l, lane_row(s->depth) * AT_ONCE);
    if (gradient) {
        w.dscore = take(l, matrix);
        w.dout = take(l, rows);
        w.dq = take(l, s->tokens * lane_row(s->depth));
        w.lse = take(l, s->padded);
        w.delta = take(l, s->padded);
    }
    return w;
}

/* Scratch: the biases of every head as a matrix, in the gradient a partial table for each head and group,
 * then a window for each thread. */
typedef struct scratch {
    float *bias, *partial;
    float *most; /* by head: the largest magnitude of its biases */
    float *windows;
    int64_t window_floats;
} scratch;

static scratch place_scratch(const sizes *s, int gradient, layout *l)
{
    layout count = {0};
    scratch x = {0};
    place_window(s, gradient, &count);
    x.window_floats = count.used;
    x.bias = take(l, s->heads * s->tokens * s->padded);
    x.most = take(l, s->heads);
    if (gradient)
        x.partial = take(l, s->heads * s->groups * s->table);
    x.windows = take(l, 0);
    return x;
}

static size_t scratch_bytes(const bk_call *call, int gradient, int threads)
{
    sizes s = sizes_of(call);
    layout count = {0};
    scratch x = place_scratch(&s, gradient, &count);
    return (size_t)(count.used + x.window_floats * threads) * sizeof(float);
}

static window window_of_thread(const sizes *s, int gradient, const scratch *x, int thread)
{
    layout mine = {x->windows + x->window_floats * thread, 0};
    return place_window(s, gradient, &mine);
}

/* bias[row][lane], to base 2, and the largest magnitude: rows are keys and lanes queries, or, `by_query`, the
 * reverse. Lanes past the window are 0. */
static float spread_table(const bk_call *call, const sizes *s, int64_t head, int by_query, float *bias)
{
    float most = 0.0f;
    const float *table = (const float *)call->in[1].data + s->table / 2 * s->heads + head;
    int64_t step = by_query ? -s->heads : s->heads;
    memset(bias, 0, (size_t)(s->tokens * s->padded) * sizeof(float));
    for (int64_t row = 0; row < s->tokens; row++) {
        float *lane = bias + row * s->padded;
        int64_t place = window_place_of(s->side, row);
        for (int64_t r = 0; r < s->side; r++)
            for (int64_t c = 0; c < s->side; c++, lane++) {
                *lane = table[(r * (2 * s->side - 1) + c - place) * step] * log2_of_e;
                most = fabsf(*lane) > most ? fabsf(*lane) : most;
            }
    }
    return most;
}

/* What threads share: a direction of a call. */
typedef struct window_job {
    const bk_call *call;
    sizes s;
    scratch x;
    int gradient;
} window_job;

static void spread_tables(const void *job, int64_t first, int64_t end, int thread)
{
    const window_job *j = job;
    (void)thread;
    for (int64_t h = first; h < end; h++)
        j->x.most[h] =
            spread_table(j->call, &j->s, h, j->gradient, j->x.bias + h * j->s.tokens * j->s.padded);
}

static void find_tokens(const bk_attr *a, const sizes *s, int64_t index, window *w)
{
    w->image = index / s->grid.each;
    w->mixed = window_find(a, &s->grid, index % s->grid.each, w->token, w->region);
    for (int64_t i = s->tokens; i < s->padded; i++)
        w->region[i] = w->region[0];
}

/* masked = bias - 100 if the regions of row and lane differ. */
static void add_mask(const sizes *s, const int32_t *region, const float *bias, float *masked)
{
    for (int64_t j = 0; j < s->tokens; j++)
        for (int64_t i = 0; i < s->padded; i++)
            masked[j * s->padded + i] =
                bias[j * s->padded + i] - (region[i] == region[j] ? 0.0f : 100.0f * log2_of_e);
}

/* Rows of n tokens out of a tensor with `step` floats a token. Those of the next head, which is the next
 * task, are prefetched, because the processor's own prefetcher does not follow the tokens' order. */
static void pack(const int32_t *token, int64_t n, int64_t depth, const float *x, int64_t step, float scale,
                 float *row)
{
    for (int64_t i = 0; i < n; i++) {
        const float *from = x + token[i] * step;
        __builtin_prefetch(from + depth);
        copy_row(row + i * depth, from, depth, scale);
    }
}

/* Stores lanes[depth][AT_ONCE] to the tokens of the window from i on. */
static void unpack(const sizes *s, const window *w, int64_t i, const float *lanes, float scale, float *x,
                   int64_t step)
{
    float *row = w->lane[ROWS];
    from_lanes(lanes, s->depth, WINDOW_SETS, scale, row, lane_row(s->depth));
    for (int64_t l = 0; l < AT_ONCE && i + l < s->tokens; l++)
        copy_row(x + w->token[i + l] * step, row + l * lane_row(s->depth), s->depth, 1.0f);
}

/* Returns the biases of a head for this window: unchanged or masked. */
static bias_rows window_bias(const sizes *s, const window *w, int64_t head, const scratch *x)
{
    const float *bias = x->bias + head * s->tokens * s->padded;
    if (w->mixed)
        add_mask(s, w->region, bias, w->masked);
    return (bias_rows){w->mixed ? w->masked : bias, s->padded, w->mixed ? INFINITY : x->most[head]};
}

/* ---- forward ---- */

static size_t scratch_window(const bk_call *call, int threads)
{
    return scratch_bytes(call, 0, threads);
}

static void window_forward(const bk_call *call, const sizes *s, int64_t head, bias_rows bias, window *w)
{
    int64_t width = s->heads * s->depth, at = head * s->depth;
    const float *x = (const float *)call->in[0].data + w->image * s->n * s->token + at;
    float *out = (float *)call->out[0].data + w->image * s->n * width + at;
    float *lse = call->out[1].data;
    pack(w->token, s->tokens, s->depth, x, s->token, s->scale, w->q);
    pack(w->token, s->tokens, s->depth, x + width, s->token, 1.0f, w->k);
    pack(w->token, s->tokens, s->depth, x + 2 * width, s->token, 1.0f, w->v);
    float square_k = largest_square(w->k, s->tokens, s->depth, w->lane[Q_LANES]);
    for (int64_t i = 0; i < s->tokens; i += AT_ONCE, bias.at += AT_ONCE) {
        float sums[AT_ONCE];
        to_lanes(w->q + i * s->depth, s->tokens - i, s->depth, WINDOW_SETS, w->lane[Q_LANES]);
        attend(w->lane[Q_LANES], (rows){w->k, s->tokens, s->depth}, w->v, bias, square_k, w->lane[OUT], sums,
               WINDOW_SETS);
        unpack(s, w, i, w->lane[OUT], 1.0f, out, width);
        for (int64_t l = 0; lse && l < AT_ONCE && i + l < s->tokens; l++)
            lse[(w->image * s->heads + head) * s->n + w->token[i + l]] = sums[l];
    }
}

static void forward_tasks(const void *job, int64_t from, int64_t end, int thread)
{
    const window_job *j = job;
    const sizes *s = &j->s;
    window w = window_of_thread(s, 0, &j->x, thread);
    for (int64_t t = from; t < end; t++) {
        int64_t head = t % s->heads, first = t / s->heads * WINDOWS;
        for (int64_t i = first; i < work_min(s->windows, first + WINDOWS); i++) {
            find_tokens(&j->call->attr, s, i, &w);
            window_forward(j->call, s, head, window_bias(s, &w, head, &j->x), &w);
        }
    }
}

/* The heads of a window lie side by side, so that a thread takes several at once. */
static void share_windows(cpu_team *team, const window_job *j, cpu_pieces run)
{
    const sizes *s = &j->s;
    int64_t tasks = s->heads * s->groups;
    int threads = work_team(cpu_team_threads(team), tasks, s->heads * s->windows * s->tokens * s->tokens);
    cpu_team_share(team, s->heads, s->heads * s->tokens * s->padded, spread_tables, j);
    cpu_team_run(team, threads, tasks, work_chunk(threads, tasks, s->heads), run, j);
}

static bk_status run_window(const bk_call *call, cpu_team *team)
{
    window_job j = {.call = call, .s = sizes_of(call)};
    layout all = {call->scratch, 0};
    j.x = place_scratch(&j.s, 0, &all);
    share_windows(team, &j, forward_tasks);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_window_attention) = {.scratch = scratch_window, .run = run_window};

/* ---- gradient ---- */

static size_t scratch_window_grad(const bk_call *call, int threads)
{
    return scratch_bytes(call, 1, threads);
}

static void pack_gradient(const bk_call *call, const sizes *s, int64_t head, window *w)
{
    int64_t width = s->heads * s->depth, at = head * s->depth;
    const float *x = (const float *)call->in[0].data + w->image * s->n * s->token + at;
    const float *out = (const float *)call->in[2].data + w->image * s->n * width + at;
    const float *lse = (const float *)call->in[3].data + (w->image * s->heads + head) * s->n;
    const float *dout = (const float *)call->in[4].data + w->image * s->n * width + at;
    pack(w->token, s->tokens, s->depth, x, s->token, s->scale, w->q);
    pack(w->token, s->tokens, s->depth, x + width, s->token, 1.0f, w->k);
    pack(w->token, s->tokens, s->depth, x + 2 * width, s->token, 1.0f, w->v);
    pack(w->token, s->tokens, s->depth, dout, width, 1.0f, w->dout);
    for (int64_t i = 0; i < s->tokens; i += VL) {
        int64_t left = work_min(VL, s->tokens - i);
        pack(w->token + i, left, s->depth, out, width, 1.0f, w->lane[ROWS]);
        to_lanes(w->lane[ROWS], left, s->depth, 1, w->lane[0]);
        to_lanes(w->dout + i * s->depth, left, s->depth, 1, w->lane[1]);
        vstore(w->delta + i, dot_lanes(w->lane[0], w->lane[1], s->depth, VL));
    }
    for (int64_t i = 0; i < s->tokens; i++)
        w->lse[i] = lse[w->token[i]] * log2_of_e;
    memset(w->dq, 0, (size_t)(s->tokens * lane_row(s->depth)) * sizeof(float));
}

static void window_gradient(const bk_call *call, const sizes *s, int64_t head, bias_rows bias, window *w)
{
    int64_t width = s->heads * s->depth;
    float *dx = (float *)call->out[0].data + w->image * s->n * s->token + head * s->depth;
    query_rows query = {s->tokens, s->depth, w->q, w->dout, w->lse, w->delta, w->dq, 0};
    key_vector key = {w->lane[K_LANES], w->lane[V_LANES], w->lane[K_ROWS], w->lane[DK], w->lane[DV]};
    pack_gradient(call, s, head, w);
    query.bounded = is_bounded(largest_square(w->q, s->tokens, s->depth, w->lane[K_LANES]),
                               largest_square(w->k, s->tokens, s->depth, w->lane[K_LANES]), bias.most);
    for (int64_t j = 0; j < s->tokens; j += AT_ONCE, bias.at += AT_ONCE) {
        to_lanes(w->k + j * s->depth, s->tokens - j, s->depth, WINDOW_SETS, w->lane[K_LANES]);
        to_lanes(w->v + j * s->depth, s->tokens - j, s->depth, WINDOW_SETS, w->lane[V_LANES]);
        lay_keys(w->k + j * s->depth, s->tokens - j, s->depth, WINDOW_SETS, w->lane[K_ROWS]);
        gradient_of_keys(&key, &query, bias, w->dscore + j, WINDOW_SETS);
        unpack(s, w, j, key.dk, log_of_2, dx + width, s->token);
        unpack(s, w, j, key.dv, 1.0f, dx + 2 * width, s->token);
    }
    for (int64_t i = 0; i < s->tokens; i++)
        store_query(dx + w->token[i] * s->token, w->dq + i * lane_row(s->depth), s->depth,
                    (float)call->attr.alpha);
}

/* Adds dscore[query][key], summed over windows, to the rows of the table. */
static void fold_scores(const sizes *s, const float *dscore, float *table)
{
    memset(table, 0, (size_t)s->table * sizeof(float));
    for (int64_t i = 0; i < s->tokens; i++)
        for (int64_t r = 0; r < s->side; r++) { /* along a row of keys the position decreases by one */
            float *at = table + s->table / 2 + window_place_of(s->side, i) - r * (2 * s->side - 1);
            for (int64_t c = 0; c < s->side; c++)
                at[-c] += dscore[i * s->padded + r * s->side + c];
        }
}

/* partial is [groups][heads][table]. */
static void add_tables(const sizes *s, const float *partial, float *dtable)
{
    for (int64_t h = 0; h < s->heads; h++)
        for (int64_t r = 0; r < s->table; r++) {
            double sum = 0.0;
            for (int64_t g = 0; g < s->groups; g++)
                sum += partial[(g * s->heads + h) * s->table + r];
            dtable[r * s->heads + h] = (float)sum;
        }
}

static void gradient_tasks(const void *job, int64_t from, int64_t end, int thread)
{
    const window_job *j = job;
    const sizes *s = &j->s;
    window w = window_of_thread(s, 1, &j->x, thread);
    for (int64_t t = from; t < end; t++) {
        int64_t head = t % s->heads, first = t / s->heads * WINDOWS;
        memset(w.dscore, 0, (size_t)(s->tokens * s->padded) * sizeof(float));
        for (int64_t i = first; i < work_min(s->windows, first + WINDOWS); i++) {
            find_tokens(&j->call->attr, s, i, &w);
            window_gradient(j->call, s, head, window_bias(s, &w, head, &j->x), &w);
        }
        fold_scores(s, w.dscore, j->x.partial + t * s->table);
    }
}

static bk_status run_window_grad(const bk_call *call, cpu_team *team)
{
    window_job j = {.call = call, .s = sizes_of(call), .gradient = 1};
    layout all = {call->scratch, 0};
    j.x = place_scratch(&j.s, 1, &all);
    share_windows(team, &j, gradient_tasks);
    if (call->n_out > 1 && call->out[1].data)
        add_tables(&j.s, j.x.partial, call->out[1].data);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_window_attention_grad) = {.scratch = scratch_window_grad, .run = run_window_grad};
