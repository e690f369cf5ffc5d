/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_contract.c - conformance: the ops that a backend supports and refuses, its errors without
 * memory, and the gradients of the reference against finite differences of its forward ops. */
#include "tests/backends/harness.h"

static void gradient_ops_of_the_reference_match_finite_differences(void **state)
{
    (void)state;
    op_case c = {.op = BK_GELU, .n_in = 1, .n_out = 1, .in = {shape("40")}, .out = {shape("40")}};
    check_against_differences(BK_GELU_GRAD, &c);
    c = layer_norm_case("2x3", 7, ANY_VALUE);
    check_against_differences(BK_LAYER_NORM_GRAD, &c);
    c = layer_norm_case("4", 16, ANY_VALUE);
    check_against_differences(BK_LAYER_NORM_GRAD, &c);

    for (int leaky = 0; leaky < 2; leaky++) {
        c = instance_norm_case("2x3x4x3", leaky ? 0.2 : 1, ANY_VALUE);
        check_against_differences(BK_INSTANCE_NORM_GRAD, &c);
    }
    static const conv_row convs[] = {{"2x7x3", "3", 2, 1, 1},
                                     {"1x6x5x2", "3x2", 3, 2, 1},
                                     {"1x3x4x5x2", "2x2x3", 2, 2, 2},
                                     {"1x8x2", "2", 1, 3, 0}};
    for (size_t i = 0; i < sizeof convs / sizeof convs[0]; i++) {
        c = conv_case(&convs[i], i % 2);
        check_against_differences(BK_CONV_GRAD_INPUT, &c);
        c = conv_case(&convs[i], i % 2);
        check_against_differences(BK_CONV_GRAD_WEIGHT, &c);
    }
    static const bk_attr windows[] = {
        {.stride = {2, 3}, .dilation = {2, 1}, .pad = {1, 0}, .pad_end = {0, 2}, .groups = 1},
        {.stride = {1, 2}, .dilation = {3, 4}, .pad = {2, 3}, .pad_end = {4, 1}, .groups = 2},
        {.stride = {1, 1}, .dilation = {1, 2}, .pad = {1, 2}, .pad_end = {1, 2}, .groups = 4}};
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        c = windowed_case("2x6x7x4", "3x2", 4, &windows[i], false);
        check_against_differences(BK_CONV_GRAD_INPUT, &c);
        c = windowed_case("2x6x7x4", "3x2", 4, &windows[i], false);
        check_against_differences(BK_CONV_GRAD_WEIGHT, &c);
    }
    c = (op_case){.op = BK_REFLECT, .n_in = 1, .n_out = 1, .attr.axes = {0, 2, 1}};
    c.in[0] = shape("2x3x4x2");
    c.out[0] = shape("2x7x6x2");
    check_against_differences(BK_REFLECT_GRAD, &c);
    c = (op_case){.op = BK_RESIZE_LINEAR, .n_in = 1, .n_out = 1};
    c.in[0] = shape("2x3x4x2");
    c.out[0] = shape("2x7x3x2");
    check_against_differences(BK_RESIZE_LINEAR_GRAD, &c);

    static const int64_t attention[][4] = {{1, 1, 1, 4}, {2, 5, 3, 4}, {1, 9, 2, 1}, {1, 11, 1, 8}};
    for (size_t i = 0; i < sizeof attention / sizeof attention[0]; i++) {
        c = attention_case(attention[i][0], attention[i][1], attention[i][2], attention[i][3]);
        check_against_differences(BK_ATTENTION_GRAD, &c);
    }
    static const int64_t window[][7] = {{1, 2, 2, 2, 1, 2, 4},
                                        {2, 4, 2, 2, 0, 2, 3},
                                        {1, 4, 6, 2, 1, 1, 4},
                                        {1, 6, 6, 3, 1, 2, 2},
                                        {1, 4, 4, 4, 2, 1, 2}};
    for (size_t i = 0; i < sizeof window / sizeof window[0]; i++) {
        c = window_case(window[i]);
        check_against_differences(BK_WINDOW_ATTENTION_GRAD, &c);
    }
    assert_no_failures();
}

static void reference_serves_every_op_and_cpu_every_op_in_float32(void **state)
{
    (void)state;
    for (int i = 0; i < SUBJECTS; i++)
        for (bk_op op = BK_TRANSPOSE; subjects[i].open && op < BK_OP_COUNT; op++) {
            subject *s = &subjects[i];
            if (!s->backend()->supports(s->device, op, BK_F32))
                fail_msg("%s does not serve %s", s->name, bk_op_name(op));
            if (s->backend == bk_reference)
                assert_true(s->backend()->supports(s->device, op, BK_F64));
        }
}

static void what_is_not_served_is_unsupported(void **state)
{
    (void)state;
    for (int i = 0; i < SUBJECTS; i++) {
        subject *s = &subjects[i];
        if (!s->open)
            continue;
        int64_t live = s->host.live;
        op_case c = {.op = BK_EXP, .n_in = 1, .n_out = 1, .in = {shape("3")}, .out = {shape("3")}};
        bk_call call = call_of(&c);
        call.in[0].shape.dtype = call.out[0].shape.dtype = 7; /* no such type */
        assert_int_equal(s->backend()->prepare(s->device, &call), BK_ERR_UNSUPPORTED);
        call.in[0].shape.dtype = call.out[0].shape.dtype = BK_I32; /* arithmetic is on reals */
        assert_int_equal(s->backend()->prepare(s->device, &call), BK_ERR_UNSUPPORTED);
        call.in[0].shape.dtype = call.out[0].shape.dtype = BK_F64;
        bool f64 = s->backend()->supports(s->device, BK_EXP, BK_F64);
        assert_int_equal(s->backend()->prepare(s->device, &call), f64 ? BK_OK : BK_ERR_UNSUPPORTED);
        if (f64)
            s->backend()->release(s->device, &call);
        call.in[0].shape.dtype = call.out[0].shape.dtype = BK_BF16; /* it is for weights */
        assert_int_equal(s->backend()->prepare(s->device, &call), BK_ERR_UNSUPPORTED);
        assert_int_equal(s->host.live, live);
    }
}

/* open(), prepare() with the n-th allocation failing, for every n until none fails any more. */
static void check_failing_allocations(const subject *s, const op_case *c)
{
    enum { LIMIT = 1000 };
    for (int64_t n = 1; n < LIMIT; n++) {
        test_host host;
        void *device = NULL;
        bk_call call = call_of(c);
        test_host_init(&host, s->threads);
        host.fail_at = n;
        bk_status status = open_subject(s, &host.host, &device);
        if (status == BK_OK) {
            status = s->backend()->prepare(device, &call);
            if (status == BK_OK)
                s->backend()->release(device, &call);
            s->backend()->close(device);
        }
        checks++;
        bool failed = host.calls >= n;
        if (host.live != 0)
            report(s, c, "allocation %d failing: %d blocks left", (int)n, (int)host.live);
        if (status != (failed ? BK_ERR_MEMORY : BK_OK))
            report(s, c, "allocation %d failing: status %d", (int)n, (int)status);
        if (!failed)
            return;
    }
    report(s, c, "more than %d allocations", LIMIT);
}

static void a_failed_allocation_is_reported_and_nothing_leaks(void **state)
{
    (void)state;
    for (bk_op op = BK_TRANSPOSE; op < BK_OP_COUNT; op++) {
        op_case c = one_case_of(op);
        for (int i = 0; i < SUBJECTS; i++)
            if (subjects[i].open)
                check_failing_allocations(&subjects[i], &c);
        free_case(&c);
    }
    assert_no_failures();
}

static void convolutions_and_maps_of_unfit_shapes_are_unsupported(void **state)
{
    (void)state;
    const op_case conv = conv_case(&(conv_row){"1x9x8x3", "3x3", 16, 2, 1}, true);
    static const struct {
        int32_t tensor; /* of in[]; 3: out[0] */
        const char *shape;
    } rows[] = {{0, "1x9x8x4"},  {0, "2x9x8x3"}, {0, "1x9x3"},    {1, "16x3x12x3"}, {1, "16x3x3"},
                {1, "15x3x3x3"}, {2, "15"},      {3, "1x5x5x16"}, {3, "1x5x4x15"}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        op_case c = conv;
        *(rows[r].tensor == 3 ? &c.out[0] : &c.in[rows[r].tensor]) = shape(rows[r].shape);
        expect_refused(&c);
    }
    op_case c = conv;
    c.attr.stride[1] = 0;
    expect_refused(&c);
    c = conv;
    c.attr.pad[0] = -1;
    expect_refused(&c);
    c = conv;
    c.attr.pad_end[1] = -1;
    expect_refused(&c);
    c = conv;
    c.attr.pad_end[1] = 3; /* would make y longer */
    expect_refused(&c);
    c = conv;
    c.attr.dilation[0] = 0;
    expect_refused(&c);
    c = conv;
    c.attr.dilation[0] = 6; /* the kernel would be longer than the padded x */
    expect_refused(&c);
    c = conv;
    c.attr.groups = 0;
    expect_refused(&c);
    c = conv;
    c.attr.groups = 3; /* divides the 3 channels of x, but not 16 */
    c.in[1] = shape("16x1x3x3");
    expect_refused(&c);
    c = conv;
    c.n_in = 2;
    expect_refused(&c);
    c = (op_case){.op = BK_CONV, .n_in = 2, .n_out = 1, .attr.groups = 1}; /* four spatial axes */
    c.in[0] = c.out[0] = shape("1x2x2x2x2x1");
    c.in[1] = shape("1x1x1x1x1x1");
    expect_refused(&c);

    c = (op_case){.op = BK_REFLECT, .n_in = 1, .n_out = 1, .attr.axes = {0, 3}};
    c.in[0] = shape("2x3x4");
    c.out[0] = shape("2x9x4");
    expect_refused(&c); /* as long as the axis */
    c.attr.axes[1] = 2;
    expect_refused(&c);
    c = (op_case){.op = BK_RESIZE_LINEAR, .n_in = 1, .n_out = 1};
    c.in[0] = shape("2x3x4");
    c.out[0] = shape("2x3x5");
    expect_refused(&c);
    c.out[0] = shape("3x3x4");
    expect_refused(&c);
    c.in[0] = shape("2x4");
    c.out[0] = shape("2x4");
    expect_refused(&c);
    c = instance_norm_case("2x3x4", 1, ANY_VALUE);
    c.out[0] = shape("2x4x3");
    expect_refused(&c);
    c.in[0] = c.out[0] = shape("2x4");
    expect_refused(&c);
    assert_no_failures();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(gradient_ops_of_the_reference_match_finite_differences),
        COUNTED(reference_serves_every_op_and_cpu_every_op_in_float32),
        COUNTED(what_is_not_served_is_unsupported),
        COUNTED(convolutions_and_maps_of_unfit_shapes_are_unsupported),
        COUNTED(a_failed_allocation_is_reported_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
