/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_bf16.c - conformance of bfloat16 arithmetic: products of factors that bfloat16 holds exactly
 * are those of float32, with its tolerances; other factors are first rounded to the nearest.
 *
 * On a processor without bfloat16, or in a build without oneDNN, nothing is open and nothing is checked. */
#include "tests/backends/harness.h"

static subject rough[] = {
    {.name = "cpu, bf16, 1 thread", .backend = bk_cpu, .options = "bf16", .threads = 1, .level = BEST},
    {.name = "cpu, bf16, 3 threads", .backend = bk_cpu, .options = "bf16", .threads = 3, .level = BEST},
    {.name = "cpu, bf16 of the library", .backend = bk_cpu, .options = "bf16", .threads = 2, .level = 3},
};
enum { ROUGH = sizeof rough / sizeof *rough };

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

/* On the matrix units a weight is in the order that they read, and in half the memory; and how work is shared
 * changes no bit. */
static void matrix_units_keep_weights_in_half_the_memory_and_share_work_without_a_trace(void **state)
{
    (void)state;
    if (!rough[0].open || !strstr(bk_cpu()->describe(rough[0].device), "AMX"))
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(linear_of_rounded_factors_is_float32s_with_every_epilogue),
        COUNTED(matmul_of_rounded_factors_is_float32s_for_all_transposes),
        COUNTED(factors_are_rounded_to_the_nearest),
        COUNTED(a_kept_weight_gives_the_same_bits_until_its_version_changes),
        COUNTED(matrix_units_keep_weights_in_half_the_memory_and_share_work_without_a_trace),
    };
    return cmocka_run_group_tests(tests, open_rough, close_rough);
}
