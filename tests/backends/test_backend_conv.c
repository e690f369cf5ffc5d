/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_conv.c - conformance: convolution and its gradients. */
#include "tests/backends/harness.h"

#include <stdio.h>

static void convolution_of_the_reference_has_known_values(void **state)
{
    (void)state;
    /* Nine ones: how many pixels of a 3 x 4 image of ones are around each; every second one of them. */
    double ones[12], w[9], bias[1] = {0.5}, *in[] = {ones, w, bias};
    for (int i = 0; i < 12; i++)
        ones[i] = 1;
    for (int i = 0; i < 9; i++)
        w[i] = 1;
    op_case c = conv_case(&(conv_row){"1x3x4x1", "3x3", 1, 1, 1}, false);
    expect_values(&c, in, (const double[]){4, 6, 6, 4, 6, 9, 9, 6, 4, 6, 6, 4});
    c = conv_case(&(conv_row){"1x3x4x1", "3x3", 1, 2, 1}, true);
    expect_values(&c, in, (const double[]){4.5, 6.5, 4.5, 6.5});
    /* Two channels in and out, no padding: cross-correlation, the kernel not mirrored. x[s] = (s, 10 s). */
    double x[8] = {0, 0, 1, 10, 2, 20, 3, 30}, k[8] = {1, 2, 3, 4, 5, 6, 7, 8}, *of[] = {x, k};
    c = conv_case(&(conv_row){"1x4x2", "2", 2, 1, 0}, false);
    /* y[s,0] = s + 2 (s+1) + 30 s + 40 (s+1);  y[s,1] = 5 s + 6 (s+1) + 70 s + 80 (s+1) */
    expect_values(&c, of, (const double[]){42, 86, 115, 247, 188, 408});
    c = (op_case){.op = BK_CONV_GRAD_INPUT, .n_in = 2, .n_out = 1};
    c.attr = (bk_attr){.stride = {2}, .dilation = {1}, .groups = 1};
    c.in[0] = shape("1x1x2");
    c.in[1] = shape("1x2x1");
    c.out[0] = shape("1x5x1"); /* its last pixel is not read */
    expect_values(&c, (double *[]){k, k}, (const double[]){1, 2, 2, 4, 0});
}

/* Values of PyTorch 2.13 for ((7 i) mod 11) - 5 as element i of x[1,4,5,4] and w[4,2,2,2], two groups, a
 * stride of 2 down, a dilation of 2 across, one row of zeros above, two columns of them before x and one
 * behind. */
static void a_convolution_in_groups_of_the_reference_has_pytorchs_values(void **state)
{
    (void)state;
    static const bk_attr window = {
        .stride = {2, 1}, .dilation = {1, 2}, .pad = {1, 2}, .pad_end = {0, 1}, .groups = 2};
    double x[80], w[32], bias[] = {1, -2, 3, -4};
    for (int i = 0; i < 80; i++)
        x[i] = i * 7 % 11 - 5;
    memcpy(w, x, sizeof w);
    op_case c = windowed_case("1x4x5x4", "2x2", 4, &window, true);
    expect_values(&c, (double *[]){x, w, bias},
                  (const double[]){-24, 25,  21,  17,  6,   -10, -13, -16, -1,  36,  -28, -38,
                                   -3,  -30, -15, -12, 6,   36,  20,  3,   -11, -14, -2,  -3,
                                   10,  5,   -33, -41, -43, 9,   28,  22,  -18, -32, -6,  -11,
                                   27,  61,  -30, -42, -16, -33, -10, -7,  21,  11,  16,  3});
}

/* With bias and without; the gradients do not know it. */
static void check_convolution(op_case plain, op_case biased)
{
    int64_t weights = bk_count(&plain.in[1]), outs = plain.in[1].dim[0];
    op_case input = gradient_case(BK_CONV_GRAD_INPUT, &plain, round_to_float);
    op_case weight = gradient_case(BK_CONV_GRAD_WEIGHT, &plain, round_to_float);
    input.tolerance = sum_tolerance(weights / plain.in[1].dim[1] / plain.attr.groups);
    weight.tolerance = sum_tolerance(bk_count(&plain.out[0]) / outs);
    check_case(&biased);
    check_case(&plain);
    check_case(&input);
    check_case(&weight);
}

static void check_conv(const conv_row *r)
{
    check_convolution(conv_case(r, false), conv_case(r, true));
}

static void convolution_and_its_gradients_match_float64_for_every_kernel_stride_and_pad(void **state)
{
    (void)state;
    static const char *const images[] = {"1x17x3", "3x10x16", "1x9x12x1", "3x8x7x17", "1x7x9x8x3"};
    static const int64_t kernels[] = {1, 3, 7}, outs[] = {1, 3, 16, 17};
    int n = 0;
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++)
        for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++)
            for (int32_t stride = 1; stride <= 3; stride++)
                for (int32_t pad = 0; pad <= 3; pad += pad ? 2 : 1) {
                    char kernel[16], number[4];
                    bk_shape x = shape(images[i]);
                    snprintf(number, sizeof number, "%d", (int)kernels[k]);
                    strcpy(kernel, number);
                    for (int32_t axis = 3; axis < x.rank; axis++)
                        strcat(strcat(kernel, "x"), number);
                    check_conv(&(conv_row){images[i], kernel, outs[n++ % 4], stride, pad});
                }
    assert_no_failures();
}

static void convolution_matches_float64_for_channels_and_sizes_around_a_block(void **state)
{
    (void)state;
    static const conv_row rows[] = {
        {"1x1x1", "1", 1, 1, 0},
        {"1x1x1x1", "1x1", 1, 5, 0},
        {"1x2x2x3", "5x3", 2, 1, 3},
        {"2x5x6x64", "3x3", 64, 1, 1},
        {"1x12x13x130", "3x3", 17, 1, 0},
        {"3x6x5x17", "3x3", 130, 2, 1},
        {"1x11x10x64", "1x1", 130, 1, 0},
        {"3x30x31x130", "1x1", 64, 1, 0},
        {"1x11x10x64", "1x1", 16, 2, 0},
        {"1x24x23x3", "7x7", 64, 1, 3},
        {"1x26x24x64", "7x7", 3, 1, 0},
        {"1x41x40x16", "3x3", 64, 2, 1},
        {"1x16x16x3", "4x4", 96, 4, 0},
        {"1x9x30x5", "1x7", 6, 1, 3},
        {"2x30x9x5", "7x1", 6, 2, 3},
        {"1x700x16", "3", 17, 1, 1},
        {"3x300x1", "7", 1, 2, 3},
        {"1x70x130", "3", 64, 3, 1},
        {"1x5x9x10x16", "3x3x3", 17, 1, 1},
        {"1x6x7x8x17", "2x3x1", 3, 1, 1},
        {"2x4x6x6x64", "3x3x3", 16, 2, 1},
        {"1x9x9x520", "3x3", 5, 1, 1},
        {"1x13x14x5", "3x3", 530, 1, 1},
        {"1x5x5x2", "2x2", 3, 4, 1},
        {"2x3x5x9x16", "5x7x7", 3, 2, 3},
        {"1x18x18x3", "1x1", 3, 2, 0},
        /* Windows far apart, so that few rows of x hold none that begins there. */
        {"1x64x64x16", "32x32", 16, 32, 0},
        {"1x67x64x16", "32x16", 16, 32, 3},
        {"1x96x95x16", "8x8", 32, 8, 3},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        check_conv(&rows[r]);
    assert_no_failures();
}

typedef struct window_row {
    const char *x, *kernel;
    int64_t out;
    bk_attr window;
} window_row;

static void check_windows(const window_row *rows, size_t n)
{
    for (size_t r = 0; r < n; r++) {
        const window_row *w = &rows[r];
        check_convolution(windowed_case(w->x, w->kernel, w->out, &w->window, false),
                          windowed_case(w->x, w->kernel, w->out, &w->window, true));
    }
}

/* Every stride beside every dilation, also with a common divisor, for which some pixels are read by no tap.
 */
static void dilated_convolution_and_its_gradients_match_float64_for_every_stride_and_group(void **state)
{
    (void)state;
    static const int32_t groups[] = {1, 2, 6};
    for (int32_t stride = 1; stride <= 4; stride++)
        for (int32_t dilation = 1; dilation <= 4; dilation++)
            for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
                bk_attr line = {.stride = {stride}, .dilation = {dilation}, .groups = groups[g]};
                line.pad[0] = dilation - 1;
                line.pad_end[0] = stride;
                check_windows(&(window_row){"2x19x6", "3", 12, line}, 1);
                bk_attr image = {.stride = {stride, 1}, .dilation = {dilation, 2}, .groups = groups[g]};
                image.pad[1] = dilation;
                check_windows(&(window_row){"1x14x9x6", "3x2", 6, image}, 1);
            }
    assert_no_failures();
}

static void convolution_matches_float64_with_a_window_of_its_own_on_every_axis(void **state)
{
    (void)state;
    static const window_row rows[] = {
        /* one row and one column of zeros behind: an even kernel that keeps the size */
        {"2x9x8x16", "2x2", 16, {.stride = {1, 1}, .dilation = {1, 1}, .pad_end = {1, 1}, .groups = 1}},
        {"1x9x8x5", "2x2", 3, {.stride = {1, 1}, .dilation = {1, 1}, .pad_end = {1, 1}, .groups = 1}},
        {"1x9x8x5", "1x1", 3, {.stride = {1, 1}, .dilation = {1, 1}, .pad_end = {1, 2}, .groups = 1}},
        {"1x9x8x5", "1x1", 3, {.stride = {1, 1}, .dilation = {3, 2}, .groups = 1}},
        {"1x12x13x16",
         "3x5",
         32,
         {.stride = {2, 1}, .dilation = {1, 2}, .pad = {1, 4}, .pad_end = {0, 3}, .groups = 1}},
        {"1x20x21x64",
         "3x3",
         64,
         {.stride = {1, 1}, .dilation = {6, 6}, .pad = {6, 6}, .pad_end = {6, 6}, .groups = 1}},
        {"1x20x21x32",
         "3x3",
         32,
         {.stride = {1, 1}, .dilation = {4, 4}, .pad = {4, 4}, .pad_end = {4, 4}, .groups = 1}},
        {"1x7x6x16",
         "3x3",
         16,
         {.stride = {1, 1}, .dilation = {12, 12}, .pad = {12, 12}, .pad_end = {12, 12}, .groups = 1}},
        {"1x6x7x8x16",
         "3x1x2",
         16,
         {.stride = {1, 2, 3}, .dilation = {2, 1, 3}, .pad = {2, 0, 1}, .pad_end = {1, 1, 2}, .groups = 1}},
        {"2x5x6x7x3",
         "3x3x3",
         5,
         {.stride = {2, 2, 2}, .dilation = {2, 2, 2}, .pad = {2, 2, 2}, .pad_end = {2, 2, 2}, .groups = 1}},
        {"1x5x4x3", "3x3", 4, {.stride = {9, 7}, .dilation = {1, 1}, .pad = {3, 4}, .groups = 1}},
        {"1x2x2x3", "1x1", 4, {.stride = {1, 1}, .dilation = {1, 1}, .pad = {5, 0}, .groups = 1}},
    };
    check_windows(rows, sizeof rows / sizeof rows[0]);
    assert_no_failures();
}

static void convolution_in_groups_matches_float64_for_channels_around_a_vector(void **state)
{
    (void)state;
    static const struct {
        int64_t in, out;
        int32_t groups;
    } channels[] = {{1, 1, 1},       {3, 3, 3}, {16, 16, 16}, {17, 17, 17}, {64, 64, 64}, {70, 70, 70},
                    {130, 130, 130}, {4, 8, 4}, {8, 4, 4},    {32, 64, 2},  {12, 18, 3},  {64, 64, 4}};
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++)
        for (int32_t stride = 1; stride <= 2; stride++) {
            bk_attr w = {.groups = channels[i].groups};
            for (int axis = 0; axis < BK_MAX_SPACE; axis++) {
                w.stride[axis] = stride;
                w.dilation[axis] = 3 - stride;
                w.pad[axis] = 1;
                w.pad_end[axis] = axis == 1 ? 2 : 1;
            }
            static const char *const images[][2] = {{"2x21", "5"}, {"1x11x12", "3x3"}, {"2x5x6x7", "3x2x3"}};
            for (size_t k = 0; k < sizeof images / sizeof images[0]; k++) {
                char x[32];
                snprintf(x, sizeof x, "%sx%d", images[k][0], (int)channels[i].in);
                check_windows(&(window_row){x, images[k][1], channels[i].out, w}, 1);
            }
        }
    assert_no_failures();
}

static void convolution_with_an_activation_matches_float64(void **state)
{
    (void)state;
    static const conv_row rows[] = {
        {"1x2x2x3", "5x3", 2, 1, 3},     {"2x5x6x64", "3x3", 64, 1, 1},      {"3x6x5x17", "3x3", 130, 2, 1},
        {"3x30x31x33", "1x1", 64, 1, 0}, {"1x24x23x3", "7x7", 64, 1, 3},     {"1x700x16", "3", 17, 1, 1},
        {"1x9x9x520", "3x3", 5, 1, 1},   {"1x5x9x10x16", "3x3x3", 17, 1, 1},
    };
    static const bk_attr window = {.stride = {1, 2}, .dilation = {1, 1}, .pad = {1, 0}, .groups = 17};
    enum { ROWS = sizeof rows / sizeof rows[0] };
    for (size_t r = 0; r <= ROWS; r++)
        for (int i = 0; i < 6; i++) {
            op_case c = r < ROWS ? conv_case(&rows[r], i & 1)
                                 : windowed_case("2x9x8x17", "3x2", 17, &window, i & 1); /* depthwise */
            c.attr.activation = i < 2 ? BK_ACT_GELU : BK_ACT_LEAKY_RELU;
            c.attr.alpha = i < 4 ? 0.25 : 0;
            c.tolerance += ONE_FUNCTION;
            check_case(&c);
        }
    assert_no_failures();
}

/* ---- the backend's own way, at every level ---- */

static void *aligned(size_t bytes)
{
    void *p = NULL;
    assert_int_equal(posix_memalign(&p, 64, bytes + 64), 0);
    return memset(p, 0xFF, bytes + 64); /* NaN */
}

enum { OWN = 8 }; /* four levels, with one thread and with three */

/* Devices that compute convolutions by their own kernels, even at a level that prefers a library. */
static void open_own(subject *own)
{
    static const int32_t levels[] = {PLAIN_C, 2, 3, BEST};
    static const char *const names[] = {"own, plain C", "own, x86-64-v2", "own, x86-64-v3", "own, best"};
    for (int i = 0; i < OWN; i++) {
        own[i] = (subject){.name = names[i / 2], .backend = bk_cpu, .threads = i % 2 ? 3 : 1};
        own[i].level = levels[i / 2];
        test_host_init(&own[i].host, own[i].threads);
        assert_int_equal(open_subject(&own[i], &own[i].host.host, &own[i].device), BK_OK);
        ((cpu_device *)own[i].device)->own_products = 1;
        own[i].open = true;
    }
}

static void close_own(subject *own)
{
    for (int i = 0; i < OWN; i++) {
        own[i].backend()->close(own[i].device);
        assert_int_equal(own[i].host.live, 0);
    }
}

/* Against the reference, and bit for bit: a second time, and one thread against three. */
static void check_own(subject *own, op_case *c)
{
    double *truth[BK_MAX_OUT] = {0};
    const size_t bytes = (size_t)bk_count(&c->out[0]) * sizeof(float);
    float *y[2] = {aligned(bytes), aligned(bytes)};
    draw_inputs(c);
    compute_truth(c, c->in_value, truth);
    for (int i = 0; i < OWN; i++) {
        check_on(&own[i], c, truth);
        assert_int_equal(run_case(&own[i], c, (void *[]){y[i % 2]}), BK_OK);
        if (i % 2)
            assert_memory_equal(y[0], y[1], bytes);
    }
    free(y[0]);
    free(y[1]);
    free_values(truth, 1);
    free_case(c);
}

static void check_own_windows(subject *own, const window_row *w, int activation)
{
    op_case plain = windowed_case(w->x, w->kernel, w->out, &w->window, false);
    op_case biased = windowed_case(w->x, w->kernel, w->out, &w->window, true);
    op_case input = gradient_case(BK_CONV_GRAD_INPUT, &plain, round_to_float);
    op_case weight = gradient_case(BK_CONV_GRAD_WEIGHT, &plain, round_to_float);
    input.tolerance = sum_tolerance(bk_count(&plain.in[1]) / plain.in[1].dim[1] / w->window.groups);
    weight.tolerance = sum_tolerance(bk_count(&plain.out[0]) / plain.in[1].dim[0]);
    biased.attr.activation = activation;
    biased.attr.alpha = 0.25;
    biased.tolerance += activation ? ONE_FUNCTION : 0;
    check_own(own, &plain);
    check_own(own, &biased);
    check_own(own, &input);
    check_own(own, &weight);
}

/* Every count of channels on each side beside every window, along one axis and two. */
static void our_own_convolutions_match_float64_at_every_level_for_channels_and_windows(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 3, 16, 17, 33, 48};
    static const struct {
        const char *image, *kernel;
        bk_attr window;
    } windows[] = {
        {"1x11x29", "3x3", {.stride = {1, 1}, .dilation = {1, 1}, .pad = {1, 1}, .pad_end = {1, 1}}},
        {"2x9x31", "3x3", {.stride = {2, 2}, .dilation = {1, 1}, .pad = {1, 0}, .pad_end = {0, 2}}},
        {"1x12x33", "2x3", {.stride = {1, 1}, .dilation = {2, 3}, .pad = {2, 3}, .pad_end = {1, 3}}},
        {"1x8x30", "2x2", {.stride = {2, 2}, .dilation = {1, 1}}},
        {"2x5x40", "1x1", {.stride = {1, 1}, .dilation = {1, 1}}},
        {"1x10x18", "5x7", {.stride = {1, 1}, .dilation = {1, 1}, .pad = {2, 3}, .pad_end = {2, 3}}},
        {"1x10x18", "7x4", {.stride = {3, 1}, .dilation = {1, 1}, .pad = {3, 1}, .pad_end = {3, 2}}},
        {"2x75", "5", {.stride = {1}, .dilation = {1}, .pad = {2}, .pad_end = {2}}},
    };
    enum { CHANNELS = sizeof channels / sizeof channels[0], WINDOWS = sizeof windows / sizeof windows[0] };
    subject own[OWN];
    open_own(own);
    for (int n = 0; n < WINDOWS * CHANNELS * CHANNELS; n++) {
        int w = n / (CHANNELS * CHANNELS);
        char x[32];
        snprintf(x, sizeof x, "%sx%d", windows[w].image, (int)channels[n / CHANNELS % CHANNELS]);
        window_row row = {x, windows[w].kernel, channels[n % CHANNELS], windows[w].window};
        row.window.groups = 1;
        check_own_windows(own, &row, n % 3);
    }
    close_own(own);
    assert_no_failures();
}

static void our_own_convolutions_match_float64_at_every_level_for_many_pixels_and_channels(void **state)
{
    (void)state;
#define EVEN(s, d, p)                                                                                        \
    {                                                                                                        \
        .stride = {s, s, s}, .dilation = {d, d, d}, .pad = {p, p, p}, .pad_end = {p, p, p}, .groups = 1      \
    }
    static const window_row rows[] = {
        {"1x1x1x1", "1x1", 1, EVEN(1, 1, 0)},
        {"1x1x1x33", "3x3", 17, EVEN(1, 1, 1)}, /* most taps outside */
        {"1x2x2x3", "1x1", 4, EVEN(1, 1, 5)},   /* most pixels without a tap */
        {"1x5x4x3", "3x3", 4, EVEN(9, 1, 3)},   /* some phases without a tap */
        {"1x9x9x4", "3x3", 4, EVEN(2, 2, 2)},
        {"3x40x41x16", "3x3", 16, EVEN(1, 1, 1)}, /* several parts of the gradient of the weights */
        {"1x64x65x3", "7x7", 3, EVEN(1, 1, 3)},
        {"1x40x60x64", "3x3", 3, EVEN(1, 1, 1)},
        {"1x3x300x48", "3x3", 33, EVEN(1, 1, 1)},
        {"1x13x14x300", "3x3", 65, EVEN(1, 1, 1)}, /* several chunks of channels */
        {"1x9x8x150", "3x3", 290, EVEN(2, 1, 1)},  /* several groups of output channels */
        {"1x700x17", "3", 17, EVEN(1, 1, 1)},
        {"1x5x6x20x17", "3x3x3", 33, EVEN(1, 1, 1)},
        {"2x5x7x9x16", "3x2x3", 3, EVEN(2, 1, 1)},
        {"1x6x6x9x3", "3x3x3", 16, EVEN(1, 2, 2)},
        {"1x64x64x16", "32x16", 16, EVEN(32, 1, 3)},
        /* groups */
        {"1x13x30x64", "3x3", 64, {.stride = {1, 1}, .dilation = {1, 1}, .pad = {1, 1}, .groups = 4}},
        {"2x9x16x34", "2x2", 68, {.stride = {2, 2}, .dilation = {1, 1}, .groups = 2}},
        {"1x40x34", "5", 102, {.stride = {1}, .dilation = {1}, .pad = {2}, .pad_end = {2}, .groups = 2}},
    };
#undef EVEN
    subject own[OWN];
    open_own(own);
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        check_own_windows(own, &rows[r], (int)(r % 3));
    close_own(own);
    assert_no_failures();
}

/* ---- invariant weights ---- */

/* A prepared convolution with memory of its own. */
typedef struct held_call {
    subject *s;
    bk_call call;
    float *x, *w[2], *y;
    size_t outputs;
} held_call;

static float *floats(int64_t n, int kind)
{
    float *x = NULL;
    assert_int_equal(posix_memalign((void **)&x, 64, (size_t)n * sizeof *x), 0);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)sin(0.37 * (double)i + kind);
    return x;
}

static void open_held(held_call *h, subject *s, const op_case *c, uint64_t version)
{
    int input = c->op == BK_CONV_GRAD_INPUT; /* w, dy -> dx in place of x, w -> y */
    *h = (held_call){.s = s, .call = call_of(c), .outputs = (size_t)bk_count(&c->out[0])};
    h->call.in[!input].version = version;
    assert_int_equal(s->backend()->prepare(s->device, &h->call), BK_OK);
    h->call.scratch = aligned(h->call.scratch_bytes);
    if (h->call.kept_bytes > 0)
        h->call.kept = aligned(h->call.kept_bytes);
    h->x = floats(bk_count(&c->in[input]), 1);
    h->w[0] = floats(bk_count(&c->in[!input]), 2);
    h->w[1] = floats(bk_count(&c->in[!input]), 3);
    h->y = aligned(h->outputs * sizeof(float));
    h->call.in[input].data = h->x;
    h->call.out[0].data = h->y;
}

/* Weights w as version `version`; returns the outputs. */
static const float *run_held(held_call *h, float *w, uint64_t version)
{
    const bk_backend *b = h->s->backend();
    int input = h->call.op == BK_CONV_GRAD_INPUT;
    h->call.in[!input].data = w;
    h->call.in[!input].version = version;
    memset(h->y, 0xFF, h->outputs * sizeof(float));
    memset(h->call.scratch, 0xFF, h->call.scratch_bytes);
    assert_int_equal(b->begin(h->s->device), BK_OK);
    assert_int_equal(b->run(h->s->device, &h->call), BK_OK);
    assert_int_equal(b->end(h->s->device), BK_OK);
    return h->y;
}

static void close_held(held_call *h)
{
    h->s->backend()->release(h->s->device, &h->call);
    void *all[] = {h->call.scratch, h->call.kept, h->x, h->w[0], h->w[1], h->y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* Against a call whose weights may change in every run, bit for bit. */
static int check_invariant(subject *s, const op_case *c)
{
    held_call h, plain;
    open_held(&h, s, c, 1);
    open_held(&plain, s, c, 0);
    const size_t bytes = h.outputs * sizeof(float);
    int keeps = h.call.kept_bytes > 0;
    assert_int_equal(plain.call.kept_bytes, 0);
    for (int again = 0; again < 2; again++)
        assert_memory_equal(run_held(&h, h.w[0], 1), run_held(&plain, plain.w[0], 0), bytes);
    assert_memory_equal(run_held(&h, h.w[1], 1), run_held(&plain, plain.w[1], 0), bytes); /* elsewhere */
    assert_memory_equal(run_held(&h, h.w[0], 2), run_held(&plain, plain.w[0], 0), bytes);
    memcpy(h.w[0], h.w[1], (size_t)bk_count(&c->in[c->op != BK_CONV_GRAD_INPUT]) * sizeof(float));
    assert_memory_equal(run_held(&h, h.w[0], 3), run_held(&plain, plain.w[1], 0), bytes);
    close_held(&h);
    close_held(&plain);
    return keeps;
}

static void invariant_weights_give_the_same_bits_and_are_read_again_when_they_change(void **state)
{
    (void)state;
    static const conv_row rows[] = {{"1x6x7x16", "3x3", 32, 1, 1}, {"1x40x40x16", "3x3", 16, 1, 1}};
    for (int i = 0; i < SUBJECTS; i++)
        for (int r = 0; subjects[i].open && r < 2; r++) {
            op_case forward = conv_case(&rows[r], false);
            op_case input = {.op = BK_CONV_GRAD_INPUT, .attr = forward.attr, .n_in = 2, .n_out = 1};
            input.in[0] = forward.in[1];
            input.in[1] = forward.out[0];
            input.out[0] = forward.in[0];
            int keeps = check_invariant(&subjects[i], &forward);
            check_invariant(&subjects[i], &input);
            if (keeps)
                print_message("%s keeps the weights of convolution %d\n", subjects[i].name, r);
            if (r == 1)
                assert_false(keeps); /* with so many pixels it does not pay */
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(convolution_of_the_reference_has_known_values),
        COUNTED(a_convolution_in_groups_of_the_reference_has_pytorchs_values),
        COUNTED(convolution_and_its_gradients_match_float64_for_every_kernel_stride_and_pad),
        COUNTED(convolution_matches_float64_for_channels_and_sizes_around_a_block),
        COUNTED(dilated_convolution_and_its_gradients_match_float64_for_every_stride_and_group),
        COUNTED(convolution_matches_float64_with_a_window_of_its_own_on_every_axis),
        COUNTED(convolution_in_groups_matches_float64_for_channels_around_a_vector),
        COUNTED(convolution_with_an_activation_matches_float64),
        COUNTED(our_own_convolutions_match_float64_at_every_level_for_channels_and_windows),
        COUNTED(our_own_convolutions_match_float64_at_every_level_for_many_pixels_and_channels),
        COUNTED(invariant_weights_give_the_same_bits_and_are_read_again_when_they_change),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
