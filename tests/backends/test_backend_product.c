/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_product.c - conformance: matrix products and linear layers. */
#include "tests/backends/harness.h"

static void products_of_the_reference_are_the_definition(void **state)
{
    (void)state;
    enum { M = 7, K = 9, N = 70, BATCH = 2 };
    for (int trans = 0; trans < 4; trans++) {
        int ta = trans & 1, tb = trans >> 1;
        op_case c = {.op = BK_MATMUL, .attr = {.trans_a = ta, .trans_b = tb}, .n_in = 2, .n_out = 1};
        c.in[0] = ta ? shape_of(3, BATCH, K, M) : shape_of(3, BATCH, M, K);
        c.in[1] = tb ? shape_of(3, BATCH, N, K) : shape_of(3, BATCH, K, N);
        c.out[0] = shape_of(3, BATCH, M, N);
        double *out[BK_MAX_OUT];
        draw_inputs(&c);
        compute_truth(&c, c.in_value, out);
        for (int b = 0; b < BATCH; b++)
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++) {
                    const double *x = c.in_value[0] + b * M * K, *y = c.in_value[1] + b * K * N;
                    double sum = 0;
                    for (int k = 0; k < K; k++)
                        sum += (ta ? x[k * M + i] : x[i * K + k]) * (tb ? y[j * K + k] : y[k * N + j]);
                    assert_true(fabs(out[0][(b * M + i) * N + j] - sum) < 1e-13);
                }
        free(out[0]);
        free_case(&c);
    }
}

static bk_shape with_leading(bk_shape leading, int64_t rows, int64_t cols)
{
    leading.dim[leading.rank++] = rows;
    leading.dim[leading.rank++] = cols;
    return leading;
}

static void check_matmul(const char *lead_a, const char *lead_b, const int64_t mkn[3], int trans_a,
                         int trans_b)
{
    int64_t m = mkn[0], k = mkn[1], n = mkn[2];
    bk_shape a = shape(lead_a), b = shape(lead_b), y = a.rank > b.rank ? a : b;
    op_case c = {.op = BK_MATMUL, .n_in = 2, .n_out = 1, .tolerance = sum_tolerance(k)};
    c.attr.trans_a = trans_a;
    c.attr.trans_b = trans_b;
    c.in[0] = trans_a ? with_leading(a, k, m) : with_leading(a, m, k);
    c.in[1] = trans_b ? with_leading(b, n, k) : with_leading(b, k, n);
    c.out[0] = with_leading(y, m, n);
    check_case(&c);
}

static void matmul_matches_float64_for_all_transposes_and_batches(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {/* M, K, N */
                                       {1, 1, 1},    {1, 7, 1},    {3, 5, 2},   {17, 33, 9},
                                       {32, 64, 16}, {65, 70, 67}, {5, 300, 3}, {50, 1, 40},
                                       {1, 257, 40}, {40, 257, 1}, {8, 16, 100}};
    static const char *const leading[][2] = {{"", ""},       {"1", "1"}, {"3", "3"},  {"2x3", "2x3"},
                                             {"3", ""},      {"", "3"},  {"2x2", ""}, {"2x1x2x2", "2x1x2x2"},
                                             {"", "2x1x2x2"}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t l = 0; l < sizeof leading / sizeof leading[0]; l++)
            for (int trans = 0; trans < 4; trans++)
                check_matmul(leading[l][0], leading[l][1], sizes[i], trans & 1, trans >> 1);
    for (int trans = 0; trans < 4; trans++) {
        check_matmul("", "", (const int64_t[]){130, 1030, 129}, trans & 1, trans >> 1);
        check_matmul("", "", (const int64_t[]){14, 300, 280}, trans & 1, trans >> 1);
        check_matmul("", "", (const int64_t[]){70, 90, 260}, trans & 1, trans >> 1);
        check_matmul("", "", (const int64_t[]){1210, 40, 20}, trans & 1, trans >> 1);  /* tasks of rows */
        check_matmul("", "", (const int64_t[]){1030, 300, 70}, trans & 1, trans >> 1); /* strips are packed */
        check_matmul("2", "2", (const int64_t[]){40, 4099, 24}, trans & 1, trans >> 1);
    }
    assert_no_failures();
}

typedef struct linear_size {
    const char *rows;
    int64_t depth, cols;
} linear_size;

static void check_linear(const linear_size *sizes, size_t n, bk_dtype weights)
{
    for (size_t i = 0; i < n; i++)
        for (int epilogue = 0; epilogue < 12; epilogue++) {
            op_case c = {.op = BK_LINEAR, .n_in = 2, .n_out = 1, .tolerance = sum_tolerance(sizes[i].depth)};
            bk_shape rows = shape(sizes[i].rows);
            c.in[0] = c.out[0] = rows;
            c.in[0].dim[c.in[0].rank++] = sizes[i].depth;
            c.out[0].dim[c.out[0].rank++] = sizes[i].cols;
            c.in[1] = with_type(shape_of(2, sizes[i].cols, sizes[i].depth, 0), weights);
            c.attr.has_bias = epilogue & 1;
            c.attr.has_residual = epilogue >> 1 & 1;
            c.attr.activation = epilogue >> 2; /* each bk_activation */
            c.attr.alpha = c.attr.activation == BK_ACT_LEAKY_RELU ? 0.25 : 0;
            if (c.attr.has_bias)
                c.in[c.n_in++] = shape_of(1, sizes[i].cols, 0, 0);
            if (c.attr.has_residual)
                c.in[c.n_in++] = c.out[0];
            if (c.attr.activation != BK_ACT_NONE)
                c.tolerance += ONE_FUNCTION;
            /* A lone result is judged by itself, so that its terms must not cancel. */
            for (int i = 0; bk_count(&c.out[0]) == 1 && i < c.n_in; i++)
                c.from[i] = POSITIVE;
            check_case(&c);
        }
}

static void linear_matches_float64_with_every_epilogue(void **state)
{
    (void)state;
    static const linear_size sizes[] = {
        {"", 1, 1},        {"", 5, 7},       {"1", 16, 1},    {"3", 1, 17},    {"17", 33, 9},
        {"2x5", 8, 24},    {"2x16", 96, 48}, {"65", 70, 67},  {"2x3x4", 7, 5}, {"1x2x1x3x2", 9, 33},
        {"130", 1030, 96}, {"14", 300, 280}, {"1210", 20, 9}, {"9", 256, 37},  {"3x7", 260, 91},
        {"40", 300, 170},  {"67", 530, 271}, /* few rows, which pass over the weights */
    };
    check_linear(sizes, sizeof sizes / sizeof sizes[0], BK_F32);
    assert_no_failures();
}

/* From the exact values of the weights, as if they were float32: the same tolerances. The last sizes are
 * packed in several pieces. */
static void linear_with_weights_of_16_bits_matches_float64(void **state)
{
    (void)state;
    static const linear_size sizes[] = {
        {"", 1, 1},        {"", 5, 7},       {"3", 1, 17},     {"17", 33, 9},
        {"2x16", 96, 48},  {"2x3x4", 7, 5},  {"33", 40, 31},   {"65", 70, 67},
        {"130", 1030, 96}, {"5", 3001, 150}, {"14", 300, 280},
    };
    check_linear(sizes, sizeof sizes / sizeof sizes[0], BK_BF16);
    check_linear(sizes, sizeof sizes / sizeof sizes[0], BK_F16);
    assert_no_failures();
}

/* Kernels of every level, on every pattern and at every length of a rest. */
static void widening_is_exact_at_every_level(void **state)
{
    (void)state;
    enum { ALL = 1 << 16 };
    static uint16_t half[ALL];
    static float wide[ALL + 1];
    for (int32_t i = 0; i < ALL; i++)
        half[i] = (uint16_t)i;
    for (int level = 0; level <= 4; level++)
        for (int32_t type = BK_BF16; type <= BK_F16; type++) {
            const cpu_kernels *k = cpu_kernels_for(level);
            k->widen(half, type, ALL, wide);
            for (int32_t i = 0; i < ALL; i++) {
                float want = bk_widen(type, half[i]);
                if (isnan(want) ? !isnan(wide[i]) : memcmp(&want, &wide[i], sizeof want) != 0)
                    fail_msg("%s: %04x%s is %.9g, not %.9g", k->name, (unsigned)i, type_name(type),
                             (double)wide[i], (double)want);
            }
            for (size_t n = 0; n < 70; n++) {
                wide[n] = -1;
                k->widen(half + 0x3C01, type, n, wide);
                assert_true(wide[n] == -1);
                for (size_t i = 0; i < n; i++)
                    assert_true(wide[i] == bk_widen(type, half[0x3C01 + i]));
            }
        }
}

/* Of a linear layer's tensors, w alone may be of 16 bits; of a matmul's, none. */
static void only_the_weight_of_a_linear_layer_has_16_bits(void **state)
{
    (void)state;
    for (int i = 0; i < SUBJECTS; i++)
        for (int32_t k = 0; k < 6 && subjects[i].open; k++) {
            subject *s = &subjects[i];
            op_case c = {.op = BK_LINEAR, .n_in = 4, .n_out = 1, .attr = {.has_bias = 1, .has_residual = 1}};
            c.in[0] = shape("40x8");
            c.in[1] = shape("8x8");
            c.in[2] = shape("8");
            c.in[3] = c.out[0] = c.in[0];
            if (k == 5) {
                c.op = BK_MATMUL;
                c.n_in = 2;
                c.attr = (bk_attr){.trans_b = 1};
            }
            *(k == 4 ? &c.out[0] : &c.in[k == 5 ? 1 : k]) =
                with_type(k == 4 ? c.out[0] : c.in[k == 5 ? 1 : k], BK_F16);
            bk_call call = call_of(&c);
            bk_status status = s->backend()->prepare(s->device, &call);
            assert_int_equal(status, k == 1 ? BK_OK : BK_ERR_UNSUPPORTED);
            if (status == BK_OK)
                s->backend()->release(s->device, &call);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(products_of_the_reference_are_the_definition),
        COUNTED(only_the_weight_of_a_linear_layer_has_16_bits),
        COUNTED(matmul_matches_float64_for_all_transposes_and_batches),
        COUNTED(linear_matches_float64_with_every_epilogue),
        COUNTED(linear_with_weights_of_16_bits_matches_float64),
        COUNTED(widening_is_exact_at_every_level),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
