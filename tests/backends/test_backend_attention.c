/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_attention.c - conformance: attention over all tokens and in windows. */
#include "tests/backends/harness.h"

/* Region of one coordinate of the rolled grid, written as Swin's slices are. */
static int mask_slice(int64_t at, int64_t size, int64_t window, int64_t shift)
{
    if (at >= size - shift)
        return 2;
    return at >= size - window ? 1 : 0;
}

/* What is added to the score of tokens i and j (in qkv's order); -infinity: not in one window. */
static double dense_bias(const op_case *c, int64_t i, int64_t j, int64_t head)
{
    const bk_attr *a = &c->attr;
    int64_t at[2][2], size[2] = {a->grid_h, a->grid_w}, w = a->window, place[2];
    bool masked = false;
    for (int axis = 0; axis < 2; axis++) {
        at[0][axis] = ((axis ? i % a->grid_w : i / a->grid_w) - a->shift + size[axis]) % size[axis];
        at[1][axis] = ((axis ? j % a->grid_w : j / a->grid_w) - a->shift + size[axis]) % size[axis];
        if (at[0][axis] / w != at[1][axis] / w)
            return -INFINITY;
        masked |= mask_slice(at[0][axis], size[axis], w, a->shift) !=
                  mask_slice(at[1][axis], size[axis], w, a->shift);
        place[axis] = at[0][axis] % w - at[1][axis] % w + w - 1;
    }
    double bias = c->in_value[1][(place[0] * (2 * w - 1) + place[1]) * a->heads + head];
    return bias - (masked && a->shift > 0 ? 100 : 0);
}

/* Attention over all pairs of tokens of the image, by the definition, one output element at a time. */
static void check_against_dense(op_case *c)
{
    int64_t images = c->in[0].dim[0], n = c->in[0].dim[1], row = c->in[0].dim[2], heads = c->attr.heads;
    int64_t width = row / 3 / heads;
    double *out[BK_MAX_OUT], *e = new_array(n, sizeof *e);
    draw_inputs(c);
    compute_truth(c, c->in_value, out);
    for (int64_t b = 0; b < images; b++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < n; i++) {
                const double *image = c->in_value[0] + b * n * row;
                double sum = 0;
                for (int64_t j = 0; j < n; j++) {
                    double s = c->op == BK_ATTENTION ? 0 : dense_bias(c, i, j, h);
                    for (int64_t d = 0; d < width; d++)
                        s += c->attr.alpha * image[i * row + h * width + d] *
                             image[j * row + (heads + h) * width + d];
                    sum += e[j] = exp(s);
                }
                checks++;
                assert_true(fabs(out[1][(b * heads + h) * n + i] - log(sum)) < 1e-12);
                for (int64_t d = 0; d < width; d++) {
                    double o = 0;
                    for (int64_t j = 0; j < n; j++)
                        o += e[j] / sum * image[j * row + (2 * heads + h) * width + d];
                    assert_true(fabs(out[0][((b * n + i) * heads + h) * width + d] - o) < 1e-13);
                }
            }
    free(e);
    free_values(out, 2);
    free_case(c);
}

static void attention_of_the_reference_is_the_definition(void **state)
{
    (void)state;
    op_case c = attention_case(2, 9, 3, 4);
    check_against_dense(&c);
    static const int64_t window[][7] = {{2, 4, 6, 2, 1, 2, 4}, {1, 6, 3, 3, 1, 2, 2}, {1, 8, 12, 4, 2, 1, 8},
                                        {1, 4, 4, 4, 2, 3, 4}, {1, 4, 8, 4, 0, 2, 4}, {1, 8, 8, 4, 3, 1, 2}};
    for (size_t i = 0; i < sizeof window / sizeof window[0]; i++) {
        c = window_case(window[i]);
        check_against_dense(&c);
    }
    assert_no_failures();
}

/* ds = p (dp - delta) is a difference of two sums of `width` terms, and dq, dk sum it over the tokens
 * with both signs: twice the forward tolerance. Each of dq, dk, dv by its own maximum. */
static void check_attention_and_gradient(op_case *c, bk_op gradient)
{
    op_case g = gradient_case(gradient, c, round_to_float);
    g.tolerance = 2 * c->tolerance;
    g.thirds = true;
    check_case(c);
    check_case(&g);
}

static void attention_matches_float64_for_every_head_width_and_ragged_length(void **state)
{
    (void)state;
    static const int64_t widths[] = {1, 2, 4, 8, 16, 32, 64, 3, 12, 24};
    static const int64_t lengths[][3] = {/* images, tokens, heads */
                                         {1, 1, 1},  {2, 2, 3},  {1, 7, 2},  {1, 8, 1},
                                         {2, 9, 3},  {1, 15, 4}, {1, 16, 2}, {2, 17, 1},
                                         {1, 31, 3}, {1, 65, 2}, {1, 130, 2}};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
        for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
            op_case c = attention_case(lengths[l][0], lengths[l][1], lengths[l][2], widths[w]);
            check_attention_and_gradient(&c, BK_ATTENTION_GRAD);
        }
    static const int64_t large[][4] = {{1, 1024, 2, 8}, {1, 515, 1, 16}, {3, 64, 32, 2}, {1, 300, 1, 64}};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        op_case c = attention_case(large[i][0], large[i][1], large[i][2], large[i][3]);
        check_attention_and_gradient(&c, BK_ATTENTION_GRAD);
    }
    assert_no_failures();
}

static void attention_survives_large_scores(void **state)
{
    (void)state;
    static const int64_t widths[] = {1, 8, 32};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        op_case c = attention_case(1, 37, 2, widths[w]);
        c.attr.alpha = 100 / sqrt((double)widths[w]); /* exp(score) overflows a float */
        c.tolerance = attention_tolerance(37, widths[w], c.attr.alpha);
        check_case(&c);
    }
    assert_no_failures();
}

static void window_attention_matches_float64_for_every_window_shift_and_grid(void **state)
{
    (void)state;
    static const int64_t rows[][7] = {
        /* images, grid_h, grid_w, window, shift, heads, width */
        {1, 1, 1, 1, 0, 1, 4},   {2, 4, 6, 1, 0, 3, 8},    {1, 2, 2, 2, 0, 1, 2},    {1, 2, 2, 2, 1, 2, 4},
        {2, 4, 6, 2, 0, 3, 8},   {2, 4, 6, 2, 1, 3, 8},    {1, 4, 4, 4, 2, 1, 8},    {1, 8, 12, 4, 0, 4, 8},
        {1, 8, 12, 4, 2, 4, 8},  {1, 12, 4, 4, 1, 2, 16},  {1, 7, 7, 7, 0, 2, 32},   {1, 7, 7, 7, 3, 3, 8},
        {1, 14, 7, 7, 3, 3, 16}, {2, 14, 21, 7, 3, 3, 32}, {1, 14, 14, 7, 0, 1, 1},  {1, 8, 8, 8, 0, 2, 64},
        {1, 8, 8, 8, 4, 2, 64},  {1, 16, 24, 8, 0, 3, 8},  {2, 16, 24, 8, 4, 12, 8}, {1, 24, 8, 8, 4, 1, 16},
        {1, 8, 16, 8, 4, 32, 1}, {1, 8, 8, 4, 2, 32, 8},   {1, 16, 16, 8, 4, 2, 2},  {1, 16, 8, 8, 5, 2, 4},
        {3, 6, 3, 3, 1, 2, 12},  {1, 5, 10, 5, 2, 5, 3},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        op_case c = window_case(rows[r]);
        op_case g = gradient_case(BK_WINDOW_ATTENTION_GRAD, &c, round_to_float);
        g.tolerance = 2 * c.tolerance + sum_tolerance(rows[r][0] * rows[r][1] * rows[r][2]);
        g.thirds = true;
        check_case(&c);
        check_case(&g);
    }
    assert_no_failures();
}

/* Draws inputs whose scores reach from -size to size: the largest that can be drawn as query 1 and as key 2,
 * its opposite as query 3, and alpha to fit. */
static void reach_score(op_case *c, double size)
{
    int64_t row = c->in[0].dim[2], columns = row / 3, width = columns / c->attr.heads;
    double most = 0;
    draw_inputs(c);
    for (int64_t i = 0; c->n_in > 1 && i < bk_count(&c->in[1]); i++)
        most = fmax(most, fabs(c->in_value[1][i]));
    for (int64_t i = 0; i < columns; i++) {
        c->in_value[0][row + i] = c->in_value[0][2 * row + columns + i] = 1.25;
        c->in_value[0][3 * row + i] = -1.25;
    }
    c->attr.alpha = (size - most) / ((double)width * 1.25 * 1.25);
}

/* Up to 2^48 a power needs no maximum taken off, and the cpu backend takes none. */
static void attention_matches_float64_right_below_and_above_scores_that_need_a_maximum(void **state)
{
    (void)state;
    static const double sizes[] = {0.99 * 48, 1.01 * 48};
    static const int64_t plain[][2] = {{37, 8}, {130, 8}, {65, 16}, {20, 3}}; /* tokens, width */
    static const int64_t windows[][7] = {
        {1, 8, 8, 8, 0, 2, 16}, {1, 16, 16, 8, 4, 2, 8}, {1, 7, 7, 7, 0, 1, 32}};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        double size = sizes[k] * log(2);
        for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
            int64_t n = plain[i][0], width = plain[i][1];
            op_case c = attention_case(1, n, 2, width);
            reach_score(&c, size);
            c.tolerance = sum_tolerance(n) + sum_tolerance(width) * size;
            check_attention_and_gradient(&c, BK_ATTENTION_GRAD);
        }
        for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
            int64_t n = windows[i][1] * windows[i][2];
            op_case c = window_case(windows[i]);
            reach_score(&c, size);
            c.tolerance = sum_tolerance(n) + sum_tolerance(windows[i][6]) * size;
            check_attention_and_gradient(&c, BK_WINDOW_ATTENTION_GRAD);
        }
    }
    assert_no_failures();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(attention_of_the_reference_is_the_definition),
        COUNTED(attention_matches_float64_for_every_head_width_and_ragged_length),
        COUNTED(attention_survives_large_scores),
        COUNTED(window_attention_matches_float64_for_every_window_shift_and_grid),
        COUNTED(attention_matches_float64_right_below_and_above_scores_that_need_a_maximum),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
