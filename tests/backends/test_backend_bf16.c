/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_bf16.c - conformance of bfloat16 arithmetic: products of factors that bfloat16 holds exactly
 * are those of float32, with its tolerances; other factors are first rounded to the nearest.
 *
 * On a processor without bfloat16, or in a build without oneDNN, nothing is open and nothing is checked. */
#include "tests/backends/harness.h"

static subject rough[] = {
    {.name = "cpu, bf16, 1 thread", .backend = bk_cpu, .options = "bf16", .threads = 1, .level = BEST},
    {.name = "cpu, bf16, 3 threads", .backend = bk_cpu, .options = "bf16", .threads = 3, .level = BEST},
    {.name = "cpu, bf16 in vectors", .backend = bk_cpu, .options = "bf16", .threads = 2, .level = 4},
    {.name = "cpu, bf16 in vectors, 1 thread",
     .backend = bk_cpu,
     .options = "bf16",
     .threads = 1,
     .level = 4},
    {.name = "cpu, bf16 of the library", .backend = bk_cpu, .options = "bf16", .threads = 2, .level = 3},
};
enum { ROUGH = sizeof rough / sizeof *rough };

/* Two thread counts of the best set of instructions, and of vectors. */
static subject *const same_bits[][2] = {{&rough[0], &rough[1]}, {&rough[2], &rough[3]}};
enum { SETS = sizeof same_bits / sizeof *same_bits };

static int open_rough(void **state)
{
    (void)state;
    for (int i = 0; i < ROUGH; i++) {
        subject *s = &rough[i];
        test_host_init(&s->host, s->threads);
        s->open = open_subject(s, &s->host.host, &s->device) == BK_OK;
        if (!s->open)
            assert_non_null(strstr(s->host.last_log, "bfloat16 arithmetic needs"));
        print_message("  %s: %s\n", s->name, s->open ? bk_cpu()->describe(s->device) : s->host.last_log);
    }
    return 0;
}

static int close_rough(void **state)
{
    (void)state;
    for (int i = 0; i < ROUGH; i++)
        if (rough[i].open)
            bk_cpu()->close(rough[i].device);
    return 0;
}

/* ---- rounding, in integer arithmetic: to the nearest, ties to even ---- */

static double nearest(double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits += 0x7FFF + (bits >> 16 & 1);
    return bk_widen(BK_BF16, (uint16_t)(bits >> 16));
}

static void round_input(op_case *c, int k)
{
    int64_t n = bk_count(&c->in[k]);
    for (int64_t i = 0; i < n; i++)
        c->in_value[k][i] = nearest(c->in_value[k][i]);
}

/* Both factors become values that bfloat16 has; a bias and a residual stay as they are. */
static void check_rounded(op_case *c)
{
    double *truth[BK_MAX_OUT];
    draw_inputs(c);
    round_input(c, 0);
    round_input(c, 1);
    compute_truth(c, c->in_value, truth);
    for (int i = 0; i < ROUGH; i++)
        if (rough[i].open)
            check_on(&rough[i], c, truth);
    free_values(truth, c->n_out);
    free_case(c);
}

/* ---- products ---- */

static op_case linear_case(const char *rows, int64_t depth, int64_t cols, int epilogue, bk_dtype weights)
{
    op_case c = {.op = BK_LINEAR, .n_in = 2, .n_out = 1, .tolerance = sum_tolerance(depth)};
    c.in[0] = c.out[0] = shape(rows);
    c.in[0].dim[c.in[0].rank++] = depth;
    c.out[0].dim[c.out[0].rank++] = cols;
    c.in[1] = with_type(shape_of(2, cols, depth, 0), weights);
    c.attr.has_bias = epilogue & 1;
    c.attr.has_residual = epilogue >> 1 & 1;
    c.attr.activation = epilogue >> 2;
    c.attr.alpha = c.attr.activation == BK_ACT_LEAKY_RELU ? 0.25 : 0;
    if (c.attr.has_bias)
        c.in[c.n_in++] = shape_of(1, cols, 0, 0);
    if (c.attr.has_residual)
        c.in[c.n_in++] = c.out[0];
    if (c.attr.activation != BK_ACT_NONE)
        c.tolerance += ONE_FUNCTION;
    for (int i = 0; bk_count(&c.out[0]) == 1 && i < c.n_in; i++)
        c.from[i] = POSITIVE;
    return c;
}

/* Sizes below, at and above a tile (16, 32 along k) and a block of them (512 along k), and several tasks. */
static void linear_of_rounded_factors_is_float32s_with_every_epilogue(void **state)
{
    (void)state;
    static const struct {
        const char *rows;
        int64_t depth, cols;
    } sizes[] = {{"", 1, 1},       {"", 5, 7},      {"1", 16, 1},     {"3", 1, 17},    {"17", 33, 9},
                 {"2x16", 96, 48}, {"65", 70, 67},  {"32", 512, 32},  {"33", 513, 31}, {"130", 1030, 96},
                 {"14", 300, 280}, {"1210", 20, 9}, {"300", 64, 260}, {"16", 32, 16}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int epilogue = 0; epilogue < 12; epilogue++)
            for (int32_t weights = BK_F32; weights <= BK_BF16; weights += BK_BF16 - BK_F32) {
                op_case c =
                    linear_case(sizes[i].rows, sizes[i].depth, sizes[i].cols, epilogue, (bk_dtype)weights);
                check_rounded(&c);
            }
    assert_no_failures();
}

static void check_matmul(int64_t batch, const int64_t mkn[3], int trans)
{
    int64_t m = mkn[0], k = mkn[1], n = mkn[2];
    int ta = trans & 1, tb = trans >> 1;
    op_case c = {.op = BK_MATMUL, .n_in = 2, .n_out = 1, .tolerance = sum_tolerance(k)};
    c.attr.trans_a = ta;
    c.attr.trans_b = tb;
    c.in[0] = ta ? shape_of(3, batch, k, m) : shape_of(3, batch, m, k);
    c.in[1] = tb ? shape_of(3, batch, n, k) : shape_of(3, batch, k, n);
    c.out[0] = shape_of(3, batch, m, n);
    check_rounded(&c);
}

static void matmul_of_rounded_factors_is_float32s_for_all_transposes(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {/* M, K, N */
                                       {1, 1, 1},    {1, 7, 1},        {3, 5, 2},      {17, 33, 9},
                                       {32, 64, 16}, {65, 70, 67},     {50, 1, 40},    {1, 257, 40},
                                       {40, 257, 1}, {130, 1030, 129}, {1210, 40, 20}, {40, 4099, 24}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int trans = 0; trans < 4; trans++) {
            check_matmul(1, sizes[i], trans);
            check_matmul(3, sizes[i], trans);
        }
    assert_no_failures();
}

/* ---- convolutions ---- */

static void check_convolution(op_case plain, op_case biased, int activation)
{
    int64_t weights = bk_count(&plain.in[1]), outs = plain.in[1].dim[0];
    op_case input = gradient_case(BK_CONV_GRAD_INPUT, &plain, round_to_float);
    op_case weight = gradient_case(BK_CONV_GRAD_WEIGHT, &plain, round_to_float);
    input.tolerance = sum_tolerance(weights / plain.in[1].dim[1]);
    weight.tolerance = sum_tolerance(bk_count(&plain.out[0]) / outs);
    biased.attr.activation = activation;
    biased.attr.alpha = activation == BK_ACT_LEAKY_RELU ? 0.25 : 0;
    biased.tolerance += activation == BK_ACT_NONE ? 0 : ONE_FUNCTION;
    check_rounded(&biased);
    check_rounded(&plain);
    check_rounded(&input);
    check_rounded(&weight);
}

/* Few channels, which stay float32, and many; strides, pads, one to three axes. */
static void convolutions_of_rounded_factors_are_float32s_with_their_gradients(void **state)
{
    (void)state;
    static const conv_row rows[] = {
        {"1x9x12x3", "3x3", 16, 1, 1},     {"2x5x6x64", "3x3", 64, 1, 1},    {"1x12x13x130", "3x3", 17, 1, 0},
        {"3x6x5x17", "3x3", 130, 2, 1},    {"1x11x10x64", "1x1", 130, 1, 0}, {"1x11x10x64", "1x1", 16, 2, 0},
        {"1x41x40x16", "3x3", 64, 2, 1},   {"2x40x40x32", "3x3", 32, 1, 1},  {"1x70x32", "3", 48, 1, 1},
        {"1x6x7x9x16", "3x3x3", 32, 1, 1}, {"2x1x1x40", "1x1", 24, 1, 0},    {"1x3x90x17", "2x5", 33, 1, 2},
        {"1x7x6x530", "3x3", 48, 1, 1},    {"1x5x6x48", "3x3", 530, 1, 1},   {"2x8x8x48", "2x2", 16, 2, 0},
        {"1x33x7x19", "4x3", 21, 3, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_convolution(conv_case(&rows[i], false), conv_case(&rows[i], true), (int)(i % 3));
    for (int apart = 2; apart <= 5; apart += 3) {
        bk_attr window = {.groups = 1, .stride = {1, 1, 1}, .dilation = {apart, 2, 1}, .pad = {apart, 1, 1}};
        memcpy(window.pad_end, window.pad, sizeof window.pad);
        check_convolution(windowed_case("1x11x19x32", "3x3", 36, &window, false),
                          windowed_case("1x11x19x32", "3x3", 36, &window, true), 0);
    }
    assert_no_failures();
}

/* ---- attention ----
 * With alpha = log 2, whole numbers as queries and quarters as keys, no rounding changes a score to base 2.
 * What is left: a power is off by 2^-9 of itself, when it is rounded, and by 2^-13 before. A weighted mean of
 * many values, whose errors have both signs, is then off by less than that. dS = P (dout v - delta) is
 * rounded too, and its sums have both signs. */

#define BF16 0x1p-9

/* Queries and keys are up to `most`, values multiples of 1/64 in [0.2, 3.2]. */
static void set_exact(op_case *c, int most)
{
    int64_t row = c->in[0].dim[2], n = bk_count(&c->in[0]);
    c->attr.alpha = 0.6931471805599453;
    c->in_value[0] = new_array(n, sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        int64_t part = i % row / (row / 3), fine = part == 0 ? 1 : part == 1 ? 4 : 64;
        double x = part == 2 ? draw(POSITIVE, i, 0) : (draw(ANY_VALUE, i, 0) - 0.25) * most;
        c->in_value[0][i] = round((double)fine * x) / (double)fine;
    }
}

static op_case exact_attention(int64_t images, int64_t tokens, int64_t heads, int64_t width, int most)
{
    op_case c = attention_case(images, tokens, heads, width);
    set_exact(&c, most);
    return c;
}

static void check_prepared(op_case *c)
{
    double *truth[BK_MAX_OUT];
    compute_truth(c, c->in_value, truth);
    for (int i = 0; i < ROUGH; i++)
        if (rough[i].open)
            check_on(&rough[i], c, truth);
    free_values(truth, c->n_out);
    free_case(c);
}

/* Below, at and above a tile and a cell of tokens; widths that either set of instructions takes, and others;
 * scores that need no maximum subtracted, and those that do. */
static const struct {
    int64_t images, tokens, heads, width;
    int most;
} attention_sizes[] = {{1, 64, 1, 8, 2},  {2, 65, 2, 8, 2},   {1, 95, 1, 1, 2},  {1, 96, 3, 13, 1},
                       {1, 127, 2, 5, 2}, {1, 129, 2, 12, 1}, {1, 200, 2, 8, 9}, {1, 81, 1, 13, 30},
                       {1, 70, 2, 14, 1}, {1, 70, 1, 16, 9},  {1, 63, 2, 8, 2},  {1, 5, 2, 8, 9},
                       {1, 81, 1, 7, 30}, {1, 131, 3, 8, 30}, {1, 64, 2, 9, 2}};
enum { ATTENTION_SIZES = sizeof attention_sizes / sizeof *attention_sizes };

static op_case attention_of_size(int i)
{
    return exact_attention(attention_sizes[i].images, attention_sizes[i].tokens, attention_sizes[i].heads,
                           attention_sizes[i].width, attention_sizes[i].most);
}

static void attention_errs_by_what_rounding_its_powers_does(void **state)
{
    (void)state;
    for (int i = 0; i < ATTENTION_SIZES; i++) {
        op_case c = attention_of_size(i);
        c.tolerance = BF16;
        check_prepared(&c);
    }
    assert_no_failures();
}

static void the_gradient_of_attention_errs_by_what_rounding_its_powers_and_slopes_does(void **state)
{
    (void)state;
    for (int i = 0; i < ATTENTION_SIZES; i++) {
        op_case forward = attention_of_size(i);
        op_case c = gradient_case(BK_ATTENTION_GRAD, &forward, round_to_float);
        round_input(&c, 3);
        c.thirds = true;
        c.tolerance = 6 * BF16;
        check_prepared(&c);
        free_case(&forward);
    }
    assert_no_failures();
}

/* If every score is far below 0, what lies behind the last key, with a score of 0, must not be more than it.
 */
static void scores_far_below_zero_count_no_key_that_is_not_there(void **state)
{
    (void)state;
    for (int most = 4; most <= 12; most += 8) {
        op_case c = exact_attention(1, 101, 2, 8, most);
        int64_t row = c.in[0].dim[2], n = bk_count(&c.in[0]);
        for (int64_t i = 0; i < n; i++) {
            int64_t part = i % row / (row / 3);
            double x = fabs(c.in_value[0][i]) + 1;
            c.in_value[0][i] = part == 0 ? -x : part == 1 ? x : c.in_value[0][i];
        }
        op_case g = gradient_case(BK_ATTENTION_GRAD, &c, round_to_float);
        round_input(&g, 3);
        g.thirds = true;
        g.tolerance = 6 * BF16;
        c.tolerance = BF16;
        check_prepared(&g);
        check_prepared(&c);
    }
    assert_no_failures();
}

/* Windows of one tile of tokens, of several, and of parts of one; heads of one step along k and of several;
 * shifts, whose masks no power survives; scores that need no maximum subtracted, and those that do. */
static void window_attention_errs_by_what_rounding_its_powers_does(void **state)
{
    (void)state;
    static const struct {
        int64_t size[7]; /* images, rows and columns, window, shift, heads, width */
        int most;
    } rows[] = {{{1, 16, 8, 8, 0, 2, 16}, 2},   {{2, 16, 16, 8, 4, 3, 16}, 2}, {{1, 8, 8, 8, 4, 1, 32}, 1},
                {{1, 8, 16, 8, 3, 2, 65}, 1},   {{1, 14, 7, 7, 3, 2, 8}, 2},   {{1, 4, 6, 2, 1, 2, 4}, 2},
                {{1, 24, 12, 12, 5, 1, 20}, 1}, {{2, 8, 8, 8, 4, 2, 16}, 9},   {{1, 10, 5, 5, 2, 2, 40}, 30},
                {{1, 17, 17, 17, 0, 1, 8}, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        op_case c = window_case(rows[i].size);
        set_exact(&c, rows[i].most);
        int64_t n = bk_count(&c.in[1]);
        c.in_value[1] = new_array(n, sizeof(double));
        for (int64_t k = 0; k < n; k++)
            c.in_value[1][k] = (float)draw(ANY_VALUE, k, 1);
        c.tolerance = BF16;
        check_prepared(&c);
    }
    assert_no_failures();
}

/* Where a NaN, or an infinity, is among a head's keys, no query has a result; where it is in a query, that
 * query alone has none. Other queries of the head may be computed the longer way then: a power of one way and
 * of the other differ by less than 2^-6 of it. Of other heads' results no bit changes. */
static void check_spoilt(subject *s, op_case *c, int64_t at, float value, int64_t first, int64_t tokens)
{
    int64_t row = c->out[0].dim[2], n = bk_count(&c->out[0]), heads = c->attr.heads;
    float *out[2] = {new_array(n, sizeof(float)), new_array(n, sizeof(float))};
    float *lse = new_array(bk_count(&c->out[1]), sizeof(float));
    double was = c->in_value[0][at];
    for (int i = 0; i < 2; i++) {
        c->in_value[0][at] = i == 0 ? was : value;
        assert_int_equal(run_case(s, c, (void *[]){out[i], lse}), BK_OK);
    }
    for (int64_t i = 0; i < n; i++) {
        int head = i % row < row / heads, spoilt = head && i / row >= first && i / row < first + tokens;
        assert_int_equal(isnan(out[1][i]) != 0, spoilt);
        assert_true(spoilt || fabsf(out[0][i] - out[1][i]) <= (head ? 0x1p-6f * fabsf(out[0][i]) : 0.0f));
    }
    c->in_value[0][at] = was;
    free(out[0]);
    free(out[1]);
    free(lse);
}

static void a_nan_in_a_query_or_a_key_is_not_lost(void **state)
{
    (void)state;
    enum { TOKENS = 128, HEADS = 2, WIDTH = 8, PART = HEADS * WIDTH, ROW = 3 * PART, TOKEN = 70 };
    op_case all = exact_attention(1, TOKENS, HEADS, WIDTH, 2);
    op_case windows = window_case((const int64_t[]){1, 16, 8, 8, 0, HEADS, WIDTH});
    set_exact(&windows, 2);
    windows.in_value[1] = new_array(bk_count(&windows.in[1]), sizeof(double));
    for (int i = 0; i < SETS; i++) {
        subject *s = same_bits[i][0];
        if (!s->open)
            continue;
        check_spoilt(s, &all, TOKEN * ROW + 3, NAN, TOKEN, 1);
        check_spoilt(s, &all, TOKEN * ROW + 3, INFINITY, TOKEN, 1);
        check_spoilt(s, &all, TOKEN * ROW + PART + 3, NAN, 0, TOKENS);
        check_spoilt(s, &windows, TOKEN * ROW + 3, NAN, TOKEN, 1);
        check_spoilt(s, &windows, TOKEN * ROW + 3, INFINITY, TOKEN, 1);
        check_spoilt(s, &windows, TOKEN * ROW + PART + 3, NAN, TOKENS / 2, TOKENS / 2);
    }
    free_case(&all);
    free_case(&windows);
}

/* Scores of zero: every key counts the same, and what lies behind the last one does not count. */
static void equal_scores_give_the_mean_of_all_values(void **state)
{
    (void)state;
    op_case c = exact_attention(1, 101, 2, 8, 0);
    c.tolerance = 8 * U;
    check_prepared(&c);
    assert_no_failures();
}

static void check_heads_shared(subject *const s[2])
{
    enum { TOKENS = 130, HEADS = 5, WIDTH = 8, OUT = TOKENS * HEADS * WIDTH };
    static float out[2][OUT], lse[2][HEADS * TOKENS], dx[2][3 * OUT];
    op_case c = attention_case(1, TOKENS, HEADS, WIDTH);
    op_case g = gradient_case(BK_ATTENTION_GRAD, &c, round_to_float);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(run_case(s[i], &c, (void *[]){out[i], lse[i]}), BK_OK);
        assert_int_equal(run_case(s[i], &g, (void *[]){dx[i]}), BK_OK);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    assert_memory_equal(lse[0], lse[1], sizeof lse[0]);
    assert_memory_equal(dx[0], dx[1], sizeof dx[0]);
    free_case(&c);
    free_case(&g);
}

/* How a batch's heads are shared among threads changes no bit. */
static void attention_gives_the_same_bits_with_any_number_of_threads(void **state)
{
    (void)state;
    for (int i = 0; i < SETS; i++)
        if (same_bits[i][0]->open && same_bits[i][1]->open)
            check_heads_shared(same_bits[i]);
}

static void check_case_shared(subject *const s[2], op_case *c)
{
    int64_t n = bk_count(&c->out[0]);
    void *out[2] = {new_array(n, sizeof(float)), new_array(n, sizeof(float))};
    float *lse = new_array(n, sizeof(float));
    draw_inputs(c);
    for (int k = 0; k < 2; k++)
        assert_int_equal(run_case(s[k], c, (void *[]){out[k], lse}), BK_OK);
    assert_memory_equal(out[0], out[1], (size_t)n * sizeof(float));
    free(out[0]);
    free(out[1]);
    free(lse);
    free_case(c);
}

/* Nor does it change a bit of attention in windows, of a product whose threads pack their own rows, or of one
 * that is cut along its inner dimension. */
static void windows_and_products_give_the_same_bits_with_any_number_of_threads(void **state)
{
    (void)state;
    for (int i = 0; i < SETS; i++) {
        if (!same_bits[i][0]->open || !same_bits[i][1]->open)
            continue;
        op_case deep = {.op = BK_MATMUL, .n_in = 2, .n_out = 1, .attr = {.trans_a = 1}};
        deep.in[0] = shape_of(2, 4099, 40, 0);
        deep.in[1] = shape_of(2, 4099, 24, 0);
        deep.out[0] = shape_of(2, 40, 24, 0);
        op_case cases[] = {window_case((const int64_t[]){1, 16, 24, 8, 4, 3, 16}),
                           linear_case("300", 600, 70, 3, BK_F32), deep};
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
            check_case_shared(same_bits[i], &cases[k]);
    }
}

/* ---- rounding of factors, and what is kept ---- */

/* A prepared product with memory of its own. */
typedef struct held {
    subject *s;
    bk_call call;
    float *x, *w, *y;
    int64_t n_x, n_w, n_y;
} held;

static void *aligned_floats(int64_t n)
{
    void *p = NULL;
    assert_int_equal(posix_memalign(&p, 64, (size_t)(n > 0 ? n : 1) * sizeof(float)), 0);
    return p;
}

static held held_new(subject *s, uint64_t version)
{
    enum { M = 37, K = 530, N = 41 };
    held h = {.s = s, .n_x = M * K, .n_w = N * K, .n_y = M * N};
    h.call = (bk_call){.op = BK_LINEAR, .n_in = 2, .n_out = 1};
    h.call.in[0].shape = shape_of(2, M, K, 0);
    h.call.in[1].shape = shape_of(2, N, K, 0);
    h.call.in[1].version = version;
    h.call.out[0].shape = shape_of(2, M, N, 0);
    h.call.in[0].data = h.x = aligned_floats(h.n_x);
    h.call.in[1].data = h.w = aligned_floats(h.n_w);
    h.call.out[0].data = h.y = aligned_floats(h.n_y);
    for (int64_t i = 0; i < h.n_x; i++)
        h.x[i] = (float)draw(WIDE, i, 0);
    for (int64_t i = 0; i < h.n_w; i++)
        h.w[i] = (float)draw(WIDE, i, 0);
    assert_int_equal(bk_cpu()->prepare(s->device, &h.call), BK_OK);
    h.call.scratch = aligned_floats((int64_t)(h.call.scratch_bytes / sizeof(float)) + 16);
    h.call.kept =
        h.call.kept_bytes ? aligned_floats((int64_t)(h.call.kept_bytes / sizeof(float)) + 16) : NULL;
    return h;
}

static void held_run(held *h)
{
    memset(h->y, 0xC7, (size_t)h->n_y * sizeof(float));
    assert_int_equal(bk_cpu()->run(h->s->device, &h->call), BK_OK);
}

static void held_free(held *h)
{
    void *all[] = {h->call.scratch, h->call.kept, h->x, h->w, h->y};
    bk_cpu()->release(h->s->device, &h->call);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* The result, to be compared bit by bit. */
static float *held_copy(const held *h)
{
    float *y = aligned_floats(h->n_y);
    memcpy(y, h->y, (size_t)h->n_y * sizeof *y);
    return y;
}

static void factors_are_rounded_to_the_nearest(void **state)
{
    (void)state;
    for (int i = 0; i < ROUGH; i++) {
        if (!rough[i].open)
            continue;
        held h = held_new(&rough[i], 0);
        for (int64_t k = 0; k < h.n_x; k += 3) { /* ties: half a unit of bfloat16 */
            uint32_t bits = (uint32_t)(0x3F80 + k % 128) << 16 | 0x8000;
            memcpy(&h.x[k], &bits, sizeof bits);
        }
        held_run(&h);
        float *from_given = held_copy(&h);
        for (int64_t k = 0; k < h.n_x; k++)
            h.x[k] = (float)nearest(h.x[k]);
        for (int64_t k = 0; k < h.n_w; k++)
            h.w[k] = (float)nearest(h.w[k]);
        held_run(&h);
        assert_memory_equal(from_given, h.y, (size_t)h.n_y * sizeof(float));
        free(from_given);
        held_free(&h);
    }
}

/* What a call keeps of a weight is used until the weight's version changes, and changes no bit. */
static void a_kept_weight_gives_the_same_bits_until_its_version_changes(void **state)
{
    (void)state;
    for (int i = 0; i < ROUGH; i++) {
        if (!rough[i].open)
            continue;
        held plain = held_new(&rough[i], 0), kept = held_new(&rough[i], 5);
        memcpy(kept.x, plain.x, (size_t)plain.n_x * sizeof(float));
        memcpy(kept.w, plain.w, (size_t)plain.n_w * sizeof(float));
        for (int run = 0; run < 3; run++) {
            held_run(&plain);
            held_run(&kept);
            assert_memory_equal(plain.y, kept.y, (size_t)plain.n_y * sizeof(float));
            plain.x[run] = kept.x[run] = 2.5f;
        }
        for (int64_t k = 0; k < plain.n_w; k++)
            plain.w[k] = kept.w[k] = (float)draw(WIDE, k, 0);
        kept.call.in[1].version = 6;
        held_run(&plain);
        held_run(&kept);
        assert_memory_equal(plain.y, kept.y, (size_t)plain.n_y * sizeof(float));
        held_free(&plain);
        held_free(&kept);
    }
}

/* The kernels' own products keep a weight in the order that they read, and in half the memory; and how work
 * is shared changes no bit. */
static void products_keep_weights_in_half_the_memory_and_share_work_without_a_trace(void **state)
{
    (void)state;
    if (!rough[0].open || !strstr(bk_cpu()->describe(rough[0].device), "arithmetic on "))
        return;
    held one = held_new(&rough[0], 1), three = held_new(&rough[1], 1);
    memcpy(three.x, one.x, (size_t)one.n_x * sizeof(float));
    memcpy(three.w, one.w, (size_t)one.n_w * sizeof(float));
    assert_int_equal(one.call.kept_bytes, 48 * 544 * 2); /* [41,530], whole tiles */
    held_run(&one);
    held_run(&three);
    assert_memory_equal(one.y, three.y, (size_t)one.n_y * sizeof(float));
    held_free(&one);
    held_free(&three);
}

/* Every allocation of prepare() is refused once; the call then fails, and nothing stays behind. */
static void prepare_without_memory_fails_and_leaves_nothing(void **state)
{
    (void)state;
    static const conv_row wide = {"1x9x9x32", "3x3", 32, 1, 1};
    for (int i = 0; i < ROUGH; i++) {
        subject *s = &rough[i];
        op_case cases[] = {linear_case("40", 64, 48, 3, BK_F32), attention_case(1, 70, 2, 8),
                           conv_case(&wide, true), window_case((const int64_t[]){1, 16, 8, 8, 4, 2, 16})};
        op_case gradient = gradient_case(BK_ATTENTION_GRAD, &cases[1], round_to_float);
        op_case *all[] = {&cases[0], &cases[1], &cases[2], &cases[3], &gradient};
        for (size_t k = 0; s->open && k < sizeof all / sizeof *all; k++) {
            int64_t live = s->host.live, calls = s->host.calls;
            bk_call call = call_of(all[k]);
            assert_int_equal(bk_cpu()->prepare(s->device, &call), BK_OK);
            bk_cpu()->release(s->device, &call);
            int64_t needed = s->host.calls - calls;
            for (int64_t n = 1; n <= needed; n++) {
                call = call_of(all[k]);
                s->host.fail_at = s->host.calls + n;
                assert_int_equal(bk_cpu()->prepare(s->device, &call), BK_ERR_MEMORY);
                assert_null(call.state);
                assert_int_equal(s->host.live, live);
                s->host.fail_at = 0;
            }
        }
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free_case(all[k]);
    }
}

/* Neither a processor without AVX512-BF16 and AMX-BF16 nor a build without oneDNN has this arithmetic; that
 * it is refused then, with the reason, open_rough() checks. */
static int any_open(void)
{
    int count = 0;
    open_rough(NULL);
    for (int i = 0; i < ROUGH; i++)
        count += rough[i].open;
    close_rough(NULL);
    return count > 0;
}

int main(void)
{
    if (!any_open()) {
        print_message("there is no bfloat16 arithmetic here, and nothing else to test\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        COUNTED(linear_of_rounded_factors_is_float32s_with_every_epilogue),
        COUNTED(matmul_of_rounded_factors_is_float32s_for_all_transposes),
        COUNTED(convolutions_of_rounded_factors_are_float32s_with_their_gradients),
        COUNTED(attention_errs_by_what_rounding_its_powers_does),
        COUNTED(the_gradient_of_attention_errs_by_what_rounding_its_powers_and_slopes_does),
        COUNTED(scores_far_below_zero_count_no_key_that_is_not_there),
        COUNTED(window_attention_errs_by_what_rounding_its_powers_does),
        COUNTED(a_nan_in_a_query_or_a_key_is_not_lost),
        COUNTED(equal_scores_give_the_mean_of_all_values),
        COUNTED(attention_gives_the_same_bits_with_any_number_of_threads),
        COUNTED(windows_and_products_give_the_same_bits_with_any_number_of_threads),
        COUNTED(factors_are_rounded_to_the_nearest),
        COUNTED(a_kept_weight_gives_the_same_bits_until_its_version_changes),
        COUNTED(products_keep_weights_in_half_the_memory_and_share_work_without_a_trace),
        COUNTED(prepare_without_memory_fails_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, open_rough, close_rough);
}
