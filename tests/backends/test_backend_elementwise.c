/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_elementwise.c - conformance: element-wise ops of one, two and three inputs. */
#include "tests/backends/harness.h"

static void gelu_of_the_reference_has_known_values(void **state)
{
    (void)state;
    /* x Phi(x) to 15 digits from tables of the normal distribution. */
    static const double known[][2] = {{0, 0},
                                      {1, 0.841344746068543},
                                      {-1, -0.158655253931457},
                                      {2, 1.95449973610364},
                                      {-3, -0.00404969409489031}};
    op_case c = {.op = BK_GELU, .n_in = 1, .n_out = 1, .in = {shape("1")}, .out = {shape("1")}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        double x = known[i][0], *in[1] = {&x}, *out[BK_MAX_OUT];
        compute_truth(&c, in, out);
        assert_true(fabs(out[0][0] - known[i][1]) < 2e-14);
        free(out[0]);
    }
}

static void functions_of_one_input_match_float64(void **state)
{
    (void)state;
    static const char *const shapes[] = {"",   "1",   "7",        "8",           "15",  "16",
                                         "33", "3x5", "2x1x3x17", "1x2x3x2x1x5", "4099"};
    static const struct {
        bk_op op;
        double alpha, beta, tolerance;
        domain from;
    } rows[] = {
        {BK_AFFINE, -1.5, 0.25, ONE_OPERATION, ANY_VALUE},
        {BK_AFFINE, 1, 0, ONE_OPERATION, WIDE},
        {BK_EXP, 0, 0, ONE_FUNCTION, WIDE},
        {BK_EXP, 0, 0, ONE_FUNCTION, EXTREME},
        {BK_LOG, 0, 0, ONE_FUNCTION, POSITIVE},
        {BK_SQRT, 0, 0, ONE_OPERATION, POSITIVE},
        {BK_ABS, 0, 0, EXACT, WIDE},
        {BK_SIGN, 0, 0, EXACT, WIDE},
        {BK_SIGMOID, 0, 0, ONE_FUNCTION, WIDE},
        {BK_SIGMOID, 0, 0, ONE_FUNCTION, EXTREME},
        {BK_TANH, 0, 0, ONE_FUNCTION, WIDE},
        {BK_TANH, 0, 0, ONE_FUNCTION, EXTREME},
        {BK_LEAKY_RELU, 0.2, 0, ONE_OPERATION, WIDE},
        {BK_LEAKY_RELU, 0, 0, EXACT, WIDE},
        {BK_STEP, 0.25, 0, EXACT, WIDE},
        {BK_STEP, 0, 0, EXACT, WIDE},
        {BK_GELU, 0, 0, ONE_FUNCTION, ANY_VALUE},
        {BK_GELU, 0, 0, ONE_FUNCTION, WIDE},
        {BK_GELU, 0, 0, ONE_FUNCTION, EXTREME},
        {BK_SOFTPLUS, 0, 0, ONE_FUNCTION, ANY_VALUE},
        {BK_SOFTPLUS, 0, 0, ONE_FUNCTION, WIDE},
        {BK_SOFTPLUS, 0, 0, ONE_FUNCTION, EXTREME},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            op_case c = {.op = rows[r].op, .n_in = 1, .n_out = 1, .from = {rows[r].from}};
            c.attr.alpha = rows[r].alpha;
            c.attr.beta = rows[r].beta;
            c.tolerance = rows[r].tolerance;
            c.scale = rows[r].op == BK_GELU; /* x */
            c.in[0] = c.out[0] = shape(shapes[i]);
            check_case(&c);
        }
    assert_no_failures();
}

static op_case binary_case(bk_op op, bk_shape a, bk_shape b)
{
    op_case c = {.op = op, .n_in = 2, .n_out = 1, .in = {a, b}, .out = {a}};
    for (int32_t i = 0; i < a.rank; i++)
        c.out[0].dim[i] = a.dim[i] > b.dim[i] ? a.dim[i] : b.dim[i];
    c.from[0] = op >= BK_MAXIMUM ? WIDE : ANY_VALUE; /* WIDE: both zero at times, a tie */
    c.from[1] = op == BK_DIV ? NONZERO : c.from[0];
    c.tolerance = op >= BK_MAXIMUM ? EXACT : ONE_OPERATION;
    return c;
}

/* Each axis is full in both, 1 in a, or 1 in b: every combination. */
static void check_broadcasts(bk_op op, bk_shape full)
{
    int combinations = 1;
    for (int32_t i = 0; i < full.rank; i++)
        combinations *= 3;
    for (int n = 0; n < combinations; n++) {
        bk_shape a = full, b = full;
        for (int32_t i = 0, m = n; i < full.rank; i++, m /= 3) {
            if (m % 3 == 1)
                a.dim[i] = 1;
            if (m % 3 == 2)
                b.dim[i] = 1;
        }
        op_case c = binary_case(op, a, b);
        check_case(&c);
    }
}

static void two_inputs_broadcast_along_every_pattern_of_axes(void **state)
{
    (void)state;
    static const char *const shapes[] = {"", "1", "8", "37", "3x33", "3x2x9"};
    for (bk_op op = BK_ADD; op <= BK_EQUAL; op++)
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            check_broadcasts(op, shape(shapes[i]));
    check_broadcasts(BK_SUB, shape("2x3x5x4"));
    check_broadcasts(BK_SUB, shape("2x3x1x5x17"));
    check_broadcasts(BK_DIV, shape("2x3x2x3x2x3"));
    for (bk_op op = BK_ADD; op <= BK_EQUAL; op++) {
        op_case c = binary_case(op, shape("3x1367"), shape("3x1367"));
        check_case(&c);
        c = binary_case(op, shape("70x65"), shape("1x65"));
        check_case(&c);
        c = binary_case(op, shape("70x1"), shape("70x65"));
        check_case(&c);
    }
    assert_no_failures();
}

/* Each axis is full in the output, and in each input full or 1. */
static void where_broadcasts_along_every_pattern_of_axes(void **state)
{
    (void)state;
    static const char *const shapes[] = {"", "1", "37", "3x33", "4x2x9", "70x65"};
    for (size_t r = 0; r < sizeof shapes / sizeof shapes[0]; r++) {
        bk_shape full = shape(shapes[r]);
        for (unsigned set = 0; set < 1u << 3 * full.rank; set++) {
            op_case c = {.op = BK_WHERE, .n_in = 3, .n_out = 1, .in = {full, full, full}, .out = {full}};
            bool whole = true;
            for (int32_t i = 0; i < full.rank; i++) {
                whole &= (set >> 3 * i & 7) != 7;
                for (int k = 0; k < 3; k++)
                    if (set >> (3 * i + k) & 1)
                        c.in[k].dim[i] = 1;
            }
            c.from[0] = INDEX;
            c.index_limit = 2;
            c.tolerance = EXACT;
            if (whole)
                check_case(&c);
        }
    }
    assert_no_failures();
}

static void both_inputs_and_the_output_may_be_one_tensor(void **state)
{
    (void)state;
    for (int i = 0; i < SUBJECTS; i++) {
        subject *s = &subjects[i];
        float x[19];
        op_case c = {
            .op = BK_MUL, .n_in = 2, .n_out = 1, .in = {shape("19"), shape("19")}, .out = {shape("19")}};
        bk_call call = call_of(&c);
        if (!s->open)
            continue;
        for (int k = 0; k < 19; k++)
            x[k] = (float)(k - 9);
        assert_int_equal(s->backend()->prepare(s->device, &call), BK_OK);
        fenced scratch = fenced_new(call.scratch_bytes, 0);
        call.in[0].data = call.in[1].data = call.out[0].data = x;
        call.scratch = scratch.data;
        assert_int_equal(s->backend()->begin(s->device), BK_OK);
        assert_int_equal(s->backend()->run(s->device, &call), BK_OK);
        s->backend()->end(s->device);
        s->backend()->release(s->device, &call);
        free(scratch.block);
        for (int k = 0; k < 19; k++)
            assert_true(x[k] == (float)((k - 9) * (k - 9)));
    }
}

static void gelu_grad_matches_float64(void **state)
{
    (void)state;
    static const char *const shapes[] = {"", "1", "7", "16", "33", "3x5", "2x1x3x17", "4099"};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (domain from = ANY_VALUE; from <= EXTREME; from++) {
            op_case c = {.op = BK_GELU_GRAD,
                         .n_in = 2,
                         .n_out = 1,
                         .from = {from},
                         .tolerance = ONE_FUNCTION,
                         .scale = 2 /* dy */};
            c.in[0] = c.in[1] = c.out[0] = shape(shapes[i]);
            check_case(&c);
        }
    assert_no_failures();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(gelu_of_the_reference_has_known_values),
        COUNTED(functions_of_one_input_match_float64),
        COUNTED(two_inputs_broadcast_along_every_pattern_of_axes),
        COUNTED(where_broadcasts_along_every_pattern_of_axes),
        COUNTED(both_inputs_and_the_output_may_be_one_tensor),
        COUNTED(gelu_grad_matches_float64),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
