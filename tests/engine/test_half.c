/* SPDX-License-Identifier: Apache-2.0 */
/* test_half.c - 16-bit floats as storage (lib/half.h): every pattern, every border between two of them; and
 * graphs with weights that are stored as 16-bit floats. Kernels: test_backend_product.c; models and files:
 * test_weights.c. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "lib/half.h"
#include "lib/ops.h"
#include "lib/random.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const bk_dtype types[] = {BK_BF16, BK_F16};

/* The largest finite pattern, without sign. */
static uint16_t last_finite(bk_dtype half)
{
    return half == BK_F16 ? 0x7BFF : 0x7F7F;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- numbers ---- */

static void every_pattern_widens_to_its_definition(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++)
        for (uint32_t h = 0; h < 0x8000; h++) {
            int fraction_bits = types[t] == BK_F16 ? 10 : 7, bias = types[t] == BK_F16 ? 15 : 127;
            int exponent = (int)(h >> fraction_bits), fraction = (int)(h & ((1u << fraction_bits) - 1));
            float up = bk_widen(types[t], (uint16_t)h), down = bk_widen(types[t], (uint16_t)(h | 0x8000));
            assert_int_equal(bits_of(down), bits_of(up) | 0x80000000);
            assert_int_equal(half_is_finite(types[t], (uint16_t)h), h <= last_finite(types[t]));
            if (h > last_finite(types[t])) {
                assert_true(fraction ? isnan(up) : isinf(up));
                continue;
            }
            double value = exponent ? ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits)
                                    : ldexp(fraction, 1 - bias - fraction_bits);
            assert_true((double)up == value);
        }
}

static void every_pattern_comes_back(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++)
        for (uint32_t h = 0; h <= 0xFFFF; h++) {
            float x = bk_widen(types[t], (uint16_t)h);
            uint16_t back = half_narrow(types[t], x);
            if (isnan(x))
                assert_true(isnan(bk_widen(types[t], back)));
            else
                assert_int_equal(back, h);
        }
}

/* Between two neighbours: nearer to the one, in the middle, nearer to the other. */
static void narrowing_takes_the_nearest_and_of_two_the_even_one(void **state)
{
    (void)state;
    for (int t = 0; t < 2; t++)
        for (uint32_t h = 0; h <= last_finite(types[t]); h++) {
            double low = bk_widen(types[t], (uint16_t)h), high = bk_widen(types[t], (uint16_t)(h + 1));
            if (isinf(high)) /* as if one more number followed the largest */
                high = 2 * low - bk_widen(types[t], (uint16_t)(h - 1));
            float middle = (float)((low + high) / 2);
            for (uint32_t sign = 0; sign <= 1; sign++) {
                float s = sign ? -1.0f : 1.0f;
                uint32_t bit = sign << 15;
                assert_int_equal(half_narrow(types[t], s * middle), bit | (h + (h & 1)));
                assert_int_equal(half_narrow(types[t], s * nextafterf(middle, 0)), bit | h);
                assert_int_equal(half_narrow(types[t], s * nextafterf(middle, INFINITY)), bit | (h + 1));
            }
        }
}

static void the_ends_of_the_range(void **state)
{
    (void)state;
    assert_int_equal(half_narrow(BK_F16, 65504), 0x7BFF);
    assert_int_equal(half_narrow(BK_F16, 65519.996f), 0x7BFF);
    assert_int_equal(half_narrow(BK_F16, 65520), 0x7C00);
    assert_int_equal(half_narrow(BK_F16, -FLT_MAX), 0xFC00);
    assert_int_equal(half_narrow(BK_F16, 0x1p-25f), 0);
    assert_int_equal(half_narrow(BK_F16, nextafterf(0x1p-25f, 1)), 1);
    assert_int_equal(half_narrow(BK_F16, FLT_MIN), 0);
    assert_int_equal(half_narrow(BK_F16, -0.0f), 0x8000);
    assert_int_equal(half_narrow(BK_BF16, FLT_MAX), 0x7F80);
    assert_int_equal(half_narrow(BK_BF16, 0x1p-149f), 0);
    for (int t = 0; t < 2; t++) {
        assert_true(isinf(bk_widen(types[t], half_narrow(types[t], INFINITY))));
        assert_true(isnan(bk_widen(types[t], half_narrow(types[t], NAN))));
        assert_true(isnan(bk_widen(types[t], half_narrow(types[t], of_bits(0x7F800001)))));
    }
}

static void any_float_narrows_as_the_compilers_type_does(void **state)
{
    (void)state;
#ifdef __FLT16_MANT_DIG__
    __extension__ typedef _Float16 float16;
    random_stream r = random_open(7, random_purpose("half", 0));
    for (int i = 0; i < 2000000; i++) {
        float x = of_bits((uint32_t)(random_uniform(&r) * 0x1p32));
        float16 theirs = (float16)x;
        uint16_t bits;
        memcpy(&bits, &theirs, sizeof bits);
        if (!isnan(x))
            assert_int_equal(half_narrow(BK_F16, x), bits);
    }
#else
    skip(); /* this compiler has none */
#endif
}

static void arrays_convert_also_in_place(void **state)
{
    (void)state;
    enum { N = 1001 };
    float x[N], wide[N];
    uint16_t narrow[N];
    for (int t = 0; t < 2; t++) {
        for (int i = 0; i < N; i++)
            x[i] = (float)(i - 500) * 0.37f;
        half_narrow_all(types[t], x, N, narrow);
        memcpy(wide, narrow, sizeof narrow);
        half_widen_all(types[t], wide, N, wide);
        for (int i = 0; i < N; i++) {
            assert_int_equal(narrow[i], half_narrow(types[t], x[i]));
            assert_true(wide[i] == bk_widen(types[t], narrow[i]));
        }
        assert_int_equal(half_overflow(types[t], x, N), N);
        x[N - 1] = FLT_MAX;
        assert_int_equal(half_overflow(types[t], x, N), N - 1);
        x[3] = NAN;
        assert_int_equal(half_overflow(types[t], x, N), 3);
    }
}

/* ---- graphs ---- */

static bk_shape shape(bk_dtype type, int32_t rank, int64_t d0, int64_t d1, int64_t d2)
{
    return (bk_shape){.dtype = type, .rank = rank, .dim = {d0, d1, d2}};
}

typedef struct sketch {
    test_memory memory;
    mem m;
    graph *g;
    value x, w; /* [3,4]; 16-bit [5,2,2] */
} sketch;

static void sketch_open(sketch *s, bk_dtype half)
{
    test_memory_init(&s->memory);
    mem_init(&s->m, guard_alloc, guard_free, &s->memory, 0);
    assert_int_equal(graph_create(&s->m, BK_F32, &s->g), OK);
    s->x = graph_bound(s->g, 0, shape(BK_F32, 2, 3, 4, 0));
    s->w = graph_bound(s->g, 1, shape(half, 3, 5, 2, 2));
}

static void sketch_fails(sketch *s, status code, const char *word)
{
    assert_int_equal(graph_status(s->g), code);
    if (!strstr(status_text(), word))
        fail_msg("\"%s\" does not name \"%s\"", status_text(), word);
    graph_free(s->g);
    assert_int_equal(s->m.live, 0);
}

static void linear_layers_read_16_bits_and_nothing_else_does(void **state)
{
    (void)state;
    sketch s;
    for (int t = 0; t < 2; t++) {
        sketch_open(&s, types[t]);
        op_linear(s.g, s.x, op_view(s.g, s.w, 2, 5, -1), NONE);
        assert_int_equal(graph_status(s.g), OK);
        op_add(s.g, s.w, s.w);
        sketch_fails(&s, ERR_INTERNAL, "op add reads 16-bit floats");
        sketch_open(&s, types[t]);
        op_matmul(s.g, s.x, op_view(s.g, s.w, 2, 4, 5), 0, 0);
        sketch_fails(&s, ERR_INTERNAL, "op matmul reads 16-bit floats");
        sketch_open(&s, types[t]);
        op_linear(s.g, op_view(s.g, s.w, 2, 5, 4), op_view(s.g, s.w, 2, 5, 4), NONE);
        sketch_fails(&s, ERR_INTERNAL, "op linear reads 16-bit floats");
        sketch_open(&s, types[t]);
        op_linear(s.g, s.x, op_view(s.g, s.w, 2, 5, 4), graph_bound(s.g, 2, shape(types[t], 1, 5, 0, 0)));
        sketch_fails(&s, ERR_INTERNAL, "op linear reads 16-bit floats");
        sketch_open(&s, types[t]);
        graph_output(s.g, op_view(s.g, s.w, 1, 20), 2); /* it would have to be copied */
        sketch_fails(&s, ERR_INTERNAL, "op affine reads 16-bit floats");
        sketch_open(&s, types[t]);
        graph_constant(s.g, shape(types[t], 1, 1, 0, 0), (double[]){1});
        sketch_fails(&s, ERR_INTERNAL, "constant");
    }
}

static void there_is_no_gradient_through_a_weight_of_16_bits(void **state)
{
    (void)state;
    sketch s;
    for (int wrt = 0; wrt < 2; wrt++) { /* of the input, of the weight */
        value d;
        sketch_open(&s, BK_BF16);
        value loss = op_sum_all(s.g, op_linear(s.g, s.x, op_view(s.g, s.w, 2, 5, 4), NONE));
        assert_int_equal(graph_gradients(s.g, loss, wrt ? &s.w : &s.x, 1, &d), ERR_UNSUPPORTED);
        sketch_fails(&s, ERR_UNSUPPORTED, "op linear has no gradient if its weight is stored as 16-bit");
    }
}

/* y = gelu(x w^T + b) + r, fused, with w as it is and widened beforehand. */
static void a_plan_reads_them_as_what_they_are(void **state)
{
    (void)state;
    const bk_backend *all[] = {bk_reference(), bk_cpu()};
    enum { M = 40, K = 24, N = 12 };
    uint16_t w[N * K];
    float wide[N * K], x[M * K], bias[N], r[M * N], y[2][M * N];
    for (int b = 0; b < 2; b++)
        for (int t = 0; t < 2; t++) {
            for (int i = 0; i < N * K; i++)
                wide[i] = bk_widen(types[t], w[i] = half_narrow(types[t], sinf((float)i)));
            for (int i = 0; i < M * K; i++)
                x[i] = cosf((float)i);
            for (int i = 0; i < M * N; i++)
                r[i] = bias[i % N] = 0.1f * (float)(i % 7);
            for (int full = 0; full < 2; full++) {
                engine e;
                graph *g;
                plan *p;
                assert_int_equal(engine_open(&e, all[b]), BK_OK);
                assert_int_equal(graph_create(&e.m, BK_F32, &g), OK);
                value vw = graph_bound(g, 1, shape(full ? BK_F32 : types[t], 3, N, 4, K / 4));
                value vy = op_linear(g, graph_bound(g, 0, shape(BK_F32, 2, M, K, 0)), op_view(g, vw, 2, N, K),
                                     graph_bound(g, 2, shape(BK_F32, 1, N, 0, 0)));
                graph_output(g, op_add(g, op_gelu(g, vy), graph_bound(g, 3, shape(BK_F32, 2, M, N, 0))), 4);
                assert_int_equal(plan_create(g, e.dev, 1, &p), OK);
                assert_int_equal(plan_call_count(p), 1);
                void *bound[] = {x, full ? (void *)wide : (void *)w, bias, r, y[full]};
                assert_int_equal(plan_run(p, bound, 5, NULL), OK);
                plan_free(p);
                graph_free(g);
                assert_true(engine_close(&e));
            }
            for (int i = 0; i < M * N; i++)
                assert_true(fabsf(y[0][i] - y[1][i]) <= (b == 0 ? 0 : 1e-5f));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_widens_to_its_definition),
        cmocka_unit_test(every_pattern_comes_back),
        cmocka_unit_test(narrowing_takes_the_nearest_and_of_two_the_even_one),
        cmocka_unit_test(the_ends_of_the_range),
        cmocka_unit_test(any_float_narrows_as_the_compilers_type_does),
        cmocka_unit_test(arrays_convert_also_in_place),
        cmocka_unit_test(linear_layers_read_16_bits_and_nothing_else_does),
        cmocka_unit_test(there_is_no_gradient_through_a_weight_of_16_bits),
        cmocka_unit_test(a_plan_reads_them_as_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
