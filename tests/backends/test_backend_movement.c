/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_movement.c - conformance: ops that move numbers without changing them. */
#include "tests/backends/harness.h"

/* Movement serves any type: float32, and whole numbers as int32. */
static void check_movement(const op_case *c)
{
    for (int whole = 0; whole < 2; whole++) {
        op_case typed = *c;
        for (int32_t k = 0; k < c->n_in; k++)
            if (!is_index(c, k)) {
                typed.in[k].dtype = whole ? BK_I32 : BK_F32;
                typed.from[k] = whole || c->op == BK_SCATTER || c->op == BK_PUT ? INTEGER : ANY_VALUE;
            }
        typed.out[0].dtype = whole ? BK_I32 : BK_F32;
        typed.tolerance = EXACT;
        check_case(&typed);
    }
}

static void transpose_moves_any_axes(void **state)
{
    (void)state;
    static const struct {
        const char *x;
        int64_t axes[BK_MAX_RANK];
    } rows[] = {
        {"", {0}},
        {"1", {0}},
        {"19", {0}},
        {"2x3", {1, 0}},
        {"1x37", {1, 0}},
        {"33x65", {1, 0}},
        {"64x64", {1, 0}},
        {"5x7x3", {2, 0, 1}},
        {"5x7x3", {1, 2, 0}},
        {"5x17x3", {0, 2, 1}},
        {"2x33x18", {1, 0, 2}},
        {"2x3x4x5", {0, 2, 1, 3}},
        {"2x3x4x5", {3, 2, 1, 0}},
        {"1x17x1x9", {2, 3, 0, 1}},
        {"2x16x16x3", {0, 3, 1, 2}},
        {"2x3x2x5x3", {4, 0, 3, 1, 2}},
        {"2x4x2x4x2x3", {0, 1, 3, 2, 4, 5}},
        {"2x3x2x5x3x4", {0, 3, 1, 4, 2, 5}},
        {"2x3x2x5x3x4", {5, 4, 3, 2, 1, 0}},
        {"2x3x4", {0, 1, 2}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        op_case c = {.op = BK_TRANSPOSE, .n_in = 1, .n_out = 1, .in = {shape(rows[r].x)}};
        c.out[0] = c.in[0];
        for (int32_t i = 0; i < c.in[0].rank; i++) {
            c.attr.axes[i] = rows[r].axes[i];
            c.out[0].dim[i] = c.in[0].dim[rows[r].axes[i]];
        }
        check_movement(&c);
    }
    assert_no_failures();
}

static void slice_cuts_and_pad_puts_back(void **state)
{
    (void)state;
    static const struct {
        const char *large, *small;
        int64_t first[BK_MAX_RANK];
    } rows[] = {
        {"", "", {0}},
        {"9", "9", {0}},
        {"9", "1", {8}},
        {"33", "20", {7}},
        {"5x7", "5x3", {0, 4}},
        {"5x7", "2x7", {3, 0}},
        {"5x70", "2x33", {3, 5}},
        {"3x8x5", "1x8x5", {1, 0, 0}},
        {"3x8x5", "3x2x1", {0, 6, 4}},
        {"2x4x6x8", "1x3x6x4", {1, 1, 0, 2}},
        {"2x3x2x5x3", "2x1x2x2x3", {0, 2, 0, 1, 0}},
        {"2x3x2x5x3x4", "1x2x2x3x1x2", {1, 1, 0, 2, 2, 1}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (int pad = 0; pad < 2; pad++) {
            op_case c = {.op = pad ? BK_PAD : BK_SLICE, .n_in = 1, .n_out = 1};
            c.in[0] = shape(pad ? rows[r].small : rows[r].large);
            c.out[0] = shape(pad ? rows[r].large : rows[r].small);
            memcpy(c.attr.axes, rows[r].first, sizeof c.attr.axes);
            check_movement(&c);
        }
    assert_no_failures();
}

static void concat_joins_two_to_eight(void **state)
{
    (void)state;
    static const struct {
        int32_t axis;
        const char *x[BK_MAX_IN];
    } rows[] = {
        {0, {"1", "1"}},
        {0, {"5", "17", "3"}},
        {0, {"2x3", "5x3"}},
        {1, {"2x3", "2x33", "2x1"}},
        {1, {"2x3x5", "2x1x5"}},
        {2, {"2x3x16", "2x3x16"}},
        {2, {"2x3x1", "2x3x2", "2x3x3", "2x3x4", "2x3x5", "2x3x6", "2x3x7", "2x3x8"}},
        {3, {"1x2x3x4x5x2", "1x2x3x1x5x2"}},
        {5, {"1x2x3x2x2x2", "1x2x3x2x2x9", "1x2x3x2x2x1"}},
        {0, {"1x2x3x2x2x2", "3x2x3x2x2x2"}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        op_case c = {.op = BK_CONCAT, .attr.axis = rows[r].axis, .n_out = 1};
        c.out[0] = shape(rows[r].x[0]);
        c.out[0].dim[rows[r].axis] = 0;
        for (; c.n_in < BK_MAX_IN && rows[r].x[c.n_in]; c.n_in++) {
            c.in[c.n_in] = shape(rows[r].x[c.n_in]);
            c.out[0].dim[rows[r].axis] += c.in[c.n_in].dim[rows[r].axis];
        }
        check_movement(&c);
    }
    assert_no_failures();
}

static void broadcast_repeats_every_set_of_axes(void **state)
{
    (void)state;
    static const char *const shapes[] = {"", "19", "3x33", "2x3x5", "2x1x3x17", "2x3x2x3x4", "2x3x2x3x2x5"};
    for (size_t r = 0; r < sizeof shapes / sizeof shapes[0]; r++) {
        bk_shape y = shape(shapes[r]);
        for (unsigned ones = 0; ones < 1u << y.rank; ones++) {
            op_case c = {.op = BK_BROADCAST, .n_in = 1, .n_out = 1, .in = {y}, .out = {y}};
            for (int32_t i = 0; i < y.rank; i++)
                if (ones >> i & 1)
                    c.in[0].dim[i] = 1;
            check_movement(&c);
        }
    }
    assert_no_failures();
}

static void gather_picks_and_scatter_adds_rows(void **state)
{
    (void)state;
    /* With more picks than rows an index repeats; scatter's sums are of whole numbers, so exact. */
    static const int64_t rows[][4] = {/* B, N, C, K */
                                      {1, 1, 1, 1}, {1, 5, 1, 3},    {2, 7, 3, 4},   {1, 4, 17, 9},
                                      {3, 9, 8, 9}, {2, 64, 33, 16}, {2, 3, 96, 50}, {1, 300, 5, 1}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (int scatter = 0; scatter < 2; scatter++) {
            const int64_t *d = rows[r];
            bk_shape all = shape_of(3, d[0], d[1], d[2]), picked = shape_of(3, d[0], d[3], d[2]);
            op_case c = {.op = scatter ? BK_SCATTER : BK_GATHER, .n_in = 2, .n_out = 1, .index_limit = d[1]};
            c.in[0] = scatter ? picked : all;
            c.in[1] = with_type(shape_of(2, d[0], d[3], 0), BK_I32);
            c.from[1] = INDEX;
            c.out[0] = scatter ? all : picked;
            check_movement(&c);
        }
    assert_no_failures();
}

static void pick_reads_and_put_adds_at_a_place_of_each_channel(void **state)
{
    (void)state;
    static const int64_t rows[][4] = {/* B, N, C, K */
                                      {1, 1, 1, 1}, {1, 5, 1, 3},    {2, 7, 3, 4},   {1, 4, 17, 9},
                                      {3, 9, 8, 9}, {2, 64, 33, 16}, {2, 3, 96, 50}, {1, 300, 5, 1}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (int put = 0; put < 2; put++) {
            const int64_t *d = rows[r];
            bk_shape all = shape_of(3, d[0], d[1], d[2]), picked = shape_of(3, d[0], d[3], d[2]);
            op_case c = {.op = put ? BK_PUT : BK_PICK, .n_in = 2, .n_out = 1, .index_limit = d[1]};
            c.in[0] = put ? picked : all;
            c.in[1] = with_type(picked, BK_I32);
            c.from[1] = INDEX;
            c.out[0] = put ? all : picked;
            check_movement(&c);
        }
    assert_no_failures();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(transpose_moves_any_axes),
        COUNTED(slice_cuts_and_pad_puts_back),
        COUNTED(concat_joins_two_to_eight),
        COUNTED(broadcast_repeats_every_set_of_axes),
        COUNTED(gather_picks_and_scatter_adds_rows),
        COUNTED(pick_reads_and_put_adds_at_a_place_of_each_channel),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
