/* SPDX-License-Identifier: Apache-2.0 */
/* test_intensity.c - grey values of scans as people have them: bright and padded backgrounds, spikes,
 * negative values, odd scales, label maps; and that a well-behaved scan comes out as the paper's rule makes
 * it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/preprocess_rules.h"
#include "data/intensity.h"
#include "lib/random.h"
#include "slmt/slmt.h"

#include <cmocka.h> /* after lib/status.h: it makes fail() a macro */

enum { NX = 32, NY = 36, NZ = 20, N = NX * NY * NZ };

static mem memory;
static float plain[N];      /* a head in air of 0 */
static float plain_grey[N]; /* the same from 0 to 1, by the paper's rule */
static char said[8][600];   /* warnings of the last call of greys_of() */
static int warnings;

static int32_t listen(void *user, const char *text)
{
    (void)user;
    if (warnings < 8)
        snprintf(said[warnings], sizeof said[0], "%s", text);
    warnings++;
    return 0;
}

static int is_head(int i)
{
    return plain[i] > 0;
}

/* Two ellipsoids of noisy grey values, 300 and 700, and a bright spot of 900. */
static void make_plain(void)
{
    random_stream r = random_open(7, 1);
    for (int i = 0; i < N; i++) {
        double x = (i % NX - 15.5) / 13, y = (i / NX % NY - 17.5) / 15, z = (i / NX / NY - 9.5) / 8;
        double d = x * x + y * y + z * z, spot = (x - .3) * (x - .3) + (y + .2) * (y + .2) + z * z;
        plain[i] = d > 1 ? 0 : (float)((spot < .05 ? 900 : d < .7 ? 700 : 300) + 40 * random_uniform(&r));
    }
}

static slmt_preprocess rule(int32_t background, int32_t scaling)
{
    slmt_preprocess p;
    preprocess_defaults(&p);
    p.background = background;
    p.scaling = scaling;
    return p;
}

static status try_greys(const slmt_preprocess *p, const float *v, float *grey, intensity_facts *facts)
{
    const int64_t dims[3] = {NX, NY, NZ};
    intensity scale;
    status s = intensity_find(&memory, p, v, dims, 0, &scale, facts);
    for (int i = 0; s == OK && i < N; i++)
        grey[i] = intensity_apply(&scale, v[i]);
    return s;
}

/* The grey values by the surface's rule, and its warnings. */
static void greys_of(const float *v, float *grey)
{
    const slmt_preprocess p = rule(SLMT_BACKGROUND_SURFACE, SLMT_SCALE_PERCENTILES);
    intensity_facts facts;
    slmt_context *context = NULL;
    assert_int_equal(try_greys(&p, v, grey, &facts), OK);
    warnings = 0;
    memset(said, 0, sizeof said);
    assert_int_equal(slmt_context_create(NULL, &context), SLMT_OK);
    assert_int_equal(slmt_context_set_warning(context, listen, NULL), SLMT_OK);
    assert_int_equal(intensity_warn(context, &facts, "s1: t1"), OK);
    slmt_context_free(context);
}

static void assert_said(int count, const char *text)
{
    assert_int_equal(warnings, count);
    if (count > 0 && (!strstr(said[0], text) || strncmp(said[0], "s1: t1: ", 8) != 0))
        fail_msg("'%s' does not say '%s'", said[0], text);
}

/* Grey values of the head are those of the plain scan to `tolerance`, and the air is 0. */
static void assert_like_plain(const float *grey, double tolerance)
{
    for (int i = 0; i < N; i++) {
        if (is_head(i) && !(fabs(grey[i] - plain_grey[i]) <= tolerance))
            fail_msg("voxel %d is %g, in the plain scan %g", i, grey[i], plain_grey[i]);
        if (!is_head(i) && tolerance == 0 && grey[i] != 0)
            fail_msg("voxel %d of the air is %g", i, grey[i]);
    }
}

/* A brighter voxel of the head never becomes darker, and hardly any becomes 0 or 1. */
static void assert_order_is_kept(const float *v, const float *grey)
{
    int dark = 0, bright = 0, head = 0;
    for (int i = 0; i < N; i++) {
        if (!is_head(i))
            continue;
        head++;
        dark += grey[i] == 0;
        bright += grey[i] == 1;
        assert_true(grey[i] >= 0 && grey[i] <= 1);
        for (int j = i + 1; j < N && j < i + 200; j++)
            if (is_head(j) && (v[i] < v[j] ? grey[i] > grey[j] : grey[i] < grey[j]))
                fail_msg("%g becomes %g, and %g becomes %g", v[i], grey[i], v[j], grey[j]);
    }
    assert_true(dark * 100 < head && bright * 100 < head);
}

static int set_up(void **state)
{
    (void)state;
    const slmt_preprocess p = rule(SLMT_BACKGROUND_CORNER, SLMT_SCALE_PERCENTILES);
    mem_init(&memory, NULL, NULL, NULL, 0);
    make_plain();
    return try_greys(&p, plain, plain_grey, NULL) == OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return memory.live == 0 ? 0 : -1;
}

/* ---- what stays ---- */

static void a_scan_with_air_of_0_comes_out_as_by_the_papers_rule_bit_for_bit(void **state)
{
    (void)state;
    static float v[N], one[N], other[N];
    for (int whole = 0; whole < 2; whole++)
        for (int scaling = SLMT_SCALE_PERCENTILES; scaling <= SLMT_SCALE_TWICE_P99; scaling++) {
            const slmt_preprocess surface = rule(SLMT_BACKGROUND_SURFACE, scaling);
            const slmt_preprocess corner = rule(SLMT_BACKGROUND_CORNER, scaling);
            for (int i = 0; i < N; i++)
                v[i] = whole ? roundf(plain[i] / 10) : plain[i];
            assert_int_equal(try_greys(&surface, v, one, NULL), OK);
            assert_int_equal(try_greys(&corner, v, other, NULL), OK);
            assert_memory_equal(one, other, sizeof one);
        }
    greys_of(plain, one);
    assert_said(0, "");
}

static void noise_in_the_air_is_no_background(void **state)
{
    (void)state;
    static float v[N], grey[N];
    random_stream r = random_open(3, 1);
    intensity_facts facts;
    const slmt_preprocess p = rule(SLMT_BACKGROUND_SURFACE, SLMT_SCALE_PERCENTILES);
    for (int i = 0; i < N; i++) /* whole numbers: many voxels share a value, and do not lie together */
        v[i] = is_head(i) ? plain[i] : (float)(1 + random_below(&r, 12));
    assert_int_equal(try_greys(&p, v, grey, &facts), OK);
    assert_int_equal(facts.back.count, 0);
    assert_false(facts.inverted);
    assert_like_plain(grey, 0.02); /* percentiles count the air too */
}

/* ---- backgrounds ---- */

static void a_background_of_any_value_is_set_to_0_and_kept_out_of_the_range(void **state)
{
    (void)state;
    static const float airs[] = {32767, 65535, -1000, -32768, 1e30f, 950, 4095, -1};
    static float v[N], grey[N];
    for (size_t k = 0; k < sizeof airs / sizeof *airs; k++) {
        for (int i = 0; i < N; i++)
            v[i] = is_head(i) ? plain[i] : airs[k];
        greys_of(v, grey);
        assert_like_plain(grey, 0);
        assert_said(airs[k] > 940, "the background is brighter than the head");
    }
}

static int in_rim(int i, int width)
{
    int x = i % NX, y = i / NX % NY;
    return x < width || y < width || x >= NX - width || y >= NY - width;
}

static void padding_on_some_sides_and_of_two_kinds_is_set_to_0(void **state)
{
    (void)state;
    static float v[N], grey[N];
    for (int kind = 0; kind < 4; kind++) {
        for (int i = 0; i < N; i++) {
            v[i] = plain[i];
            if (kind == 0 && in_rim(i, 2)) /* around, air of 0 inside */
                v[i] = 32767;
            if (kind == 1 && i % NX < 2) /* on one side */
                v[i] = 65535;
            if (kind == 2 && !is_head(i)) /* two kinds, neither of which is 0 */
                v[i] = in_rim(i, 2) ? 32767 : -1000;
            if (kind == 3 && i / NX / NY == 0) /* a slice that was never measured */
                v[i] = -1000;
        }
        greys_of(v, grey);
        assert_like_plain(grey, 0);
    }
}

static void marks_in_corners_do_not_darken_the_head(void **state)
{
    (void)state;
    static float v[N], grey[N];
    memcpy(v, plain, sizeof v);
    v[0] = v[NX - 1] = v[N - 1] = v[N - NX] = 30000;
    greys_of(v, grey);
    assert_like_plain(grey, 0.01);
    for (int i = 0; i < N; i++) /* a cube, burnt in */
        if (i % NX < 4 && i / NX % NY < 4 && i / NX / NY < 4)
            v[i] = 30000;
    greys_of(v, grey);
    assert_like_plain(grey, 0.01);
}

static void a_scan_of_inverted_contrast_is_told(void **state)
{
    (void)state;
    static float v[N], grey[N];
    random_stream r = random_open(5, 1);
    for (int i = 0; i < N; i++)
        v[i] = 1000 - plain[i];
    greys_of(v, grey);
    assert_said(1, "brighter than the head");
    for (int i = 0; i < N; i++)
        v[i] = 1000 - plain[i] + 5 * (float)random_uniform(&r);
    greys_of(v, grey);
    assert_said(1, "inverted");
}

/* ---- spikes ---- */

static void spikes_do_not_darken_the_head_and_are_told_when_they_are_many(void **state)
{
    (void)state;
    static float v[N], grey[N];
    for (int every = 100000; every > 20; every /= 10) { /* one voxel, 2, 20, 200 of 8000 */
        memcpy(v, plain, sizeof v);
        int spikes = 0, head = 0;
        for (int i = N / 2; i < 3 * N / 2; i++)
            if (is_head(i % N) && head++ % every == 0) {
                v[i % N] = 5e4f + 1e4f * (float)(spikes % 90);
                spikes++;
            }
        greys_of(v, grey);
        for (int i = 0; i < N; i++)
            if (v[i] > 2000)
                grey[i] = plain_grey[i];
        assert_like_plain(grey, 0.02);
        assert_said(spikes > 0.002 * head, "far above the others");
    }
}

static void pits_do_not_brighten_the_head(void **state)
{
    (void)state;
    static float v[N], grey[N];
    int head = 0;
    memcpy(v, plain, sizeof v);
    for (int i = 0; i < N; i++)
        if (is_head(i) && head++ % 100 == 0)
            v[i] = -1e6f;
    greys_of(v, grey);
    for (int i = 0; i < N; i++)
        if (v[i] < 0)
            grey[i] = plain_grey[i];
    assert_like_plain(grey, 0.02);
    assert_said(1, "far below");
}

/* ---- negative values and scales ---- */

static void zscores_of_the_head_keep_their_order(void **state)
{
    (void)state;
    static float v[N], grey[N];
    for (int i = 0; i < N; i++)
        v[i] = is_head(i) ? (plain[i] - 600) / 180 : 0; /* the air is in the middle of the range */
    greys_of(v, grey);
    assert_order_is_kept(v, grey);
    for (int i = 0; i < N; i++)
        assert_true(is_head(i) || grey[i] == 0);
}

static void a_scan_that_was_shifted_and_scaled_as_a_whole_comes_out_as_before(void **state)
{
    (void)state;
    static const double factors[] = {1. / 180, 1e-9, 1e-30, 1e30, 1e-9, 1},
                        shifts[] = {-3, 0, 0, 0, -5e-7, -5000};
    static float v[N], grey[N];
    for (size_t k = 0; k < sizeof shifts / sizeof *shifts; k++) {
        for (int i = 0; i < N; i++)
            v[i] = (float)(factors[k] * plain[i] + shifts[k]);
        greys_of(v, grey);
        assert_like_plain(grey, 1e-5); /* a few roundings of float32 near the largest value */
        assert_said(0, "");
    }
}

static void hounsfield_units_keep_their_order(void **state)
{
    (void)state;
    static float v[N], grey[N];
    for (int i = 0; i < N; i++)
        v[i] = is_head(i) ? 1.5f * (plain[i] - 400) : -1024;
    greys_of(v, grey);
    assert_order_is_kept(v, grey);
}

static void negative_values_keep_their_order_by_twice_the_99th_percentile_too(void **state)
{
    (void)state;
    static float v[N], grey[N];
    const slmt_preprocess p = rule(SLMT_BACKGROUND_SURFACE, SLMT_SCALE_TWICE_P99);
    for (int i = 0; i < N; i++)
        v[i] = is_head(i) ? (plain[i] - 600) / 180 : 0;
    assert_int_equal(try_greys(&p, v, grey, NULL), OK);
    assert_order_is_kept(v, grey);
    for (int i = 0; i < N; i++) /* the padding does not count as bright */
        v[i] = is_head(i) ? plain[i] : 32767;
    static float want[N];
    assert_int_equal(try_greys(&p, v, grey, NULL), OK);
    assert_int_equal(try_greys(&p, plain, want, NULL), OK);
    assert_memory_equal(grey, want, sizeof want);
}

/* ---- what is no scan ---- */

static void a_constant_volume_is_refused(void **state)
{
    (void)state;
    static float v[N], grey[N];
    const slmt_preprocess p = rule(SLMT_BACKGROUND_SURFACE, SLMT_SCALE_PERCENTILES);
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < N; i++)
            v[i] = (float)(k - 1) * 5;
        assert_int_equal(try_greys(&p, v, grey, NULL), ERR_ARGUMENT);
        assert_non_null(strstr(status_text(), "constant"));
    }
}

static void a_label_map_and_a_head_of_one_grey_are_told(void **state)
{
    (void)state;
    static float v[N], grey[N];
    for (int i = 0; i < N; i++)
        v[i] = floorf(plain[i] / 250);
    greys_of(v, grey);
    assert_said(1, "label map");
    for (int i = 0; i < N; i++) /* saturated: three quarters of the head at the top */
        v[i] = fminf(plain[i], 500);
    greys_of(v, grey);
    assert_said(1, "one and the same grey value, 500");
    for (int i = 0; i < N; i++)
        v[i] = i < 30 ? (float)(i + 5) : 5;
    greys_of(v, grey);
    assert_true(warnings >= 1);
    assert_non_null(strstr(said[0], "of 23040 voxels are not background"));
}

static void labels_of_many_numbers_and_a_head_in_a_sliver_of_the_range_are_told(void **state)
{
    (void)state;
    static float v[N], grey[N];
    random_stream r = random_open(11, 1);
    for (int i = 0; i < N; i++) /* 47 regions, as an atlas has them */
        v[i] = is_head(i) ? (float)(1 + i / NX / NY + 100 * (i / NX % NY / 12)) : 0;
    greys_of(v, grey);
    assert_said(1, "label map");
    for (int i = 0, head = 0; i < N; i++) { /* metal: one voxel in 25 from 1000 to 20000, without a gap */
        v[i] = plain[i];
        if (is_head(i) && head++ % 25 == 0)
            v[i] = (float)(1000 + 19000 * random_uniform(&r));
    }
    greys_of(v, grey);
    assert_said(1, "of the range of grey values");
}

static void the_corners_rule_stays_and_is_told_where_it_darkens_the_head(void **state)
{
    (void)state;
    static float v[N], grey[N];
    intensity_facts facts;
    const slmt_preprocess p = rule(SLMT_BACKGROUND_CORNER, SLMT_SCALE_PERCENTILES);
    memcpy(v, plain, sizeof v);
    v[0] = 30000;
    assert_int_equal(try_greys(&p, v, grey, &facts), OK);
    assert_true(facts.corner == 30000);
    for (int i = 1; i < N; i++)
        assert_true(grey[i] < 0.04f);
    for (int i = 0; i < N; i++)
        v[i] = is_head(i) ? plain[i] - 600 : 0;
    assert_int_equal(try_greys(&p, v, grey, &facts), OK);
    assert_true(facts.corner == 0 && facts.negative_part > 0.2f && facts.negative_part < 0.9f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_with_air_of_0_comes_out_as_by_the_papers_rule_bit_for_bit),
        cmocka_unit_test(noise_in_the_air_is_no_background),
        cmocka_unit_test(a_background_of_any_value_is_set_to_0_and_kept_out_of_the_range),
        cmocka_unit_test(padding_on_some_sides_and_of_two_kinds_is_set_to_0),
        cmocka_unit_test(marks_in_corners_do_not_darken_the_head),
        cmocka_unit_test(a_scan_of_inverted_contrast_is_told),
        cmocka_unit_test(spikes_do_not_darken_the_head_and_are_told_when_they_are_many),
        cmocka_unit_test(pits_do_not_brighten_the_head),
        cmocka_unit_test(zscores_of_the_head_keep_their_order),
        cmocka_unit_test(a_scan_that_was_shifted_and_scaled_as_a_whole_comes_out_as_before),
        cmocka_unit_test(hounsfield_units_keep_their_order),
        cmocka_unit_test(negative_values_keep_their_order_by_twice_the_99th_percentile_too),
        cmocka_unit_test(a_constant_volume_is_refused),
        cmocka_unit_test(a_label_map_and_a_head_of_one_grey_are_told),
        cmocka_unit_test(labels_of_many_numbers_and_a_head_in_a_sliver_of_the_range_are_told),
        cmocka_unit_test(the_corners_rule_stays_and_is_told_where_it_darkens_the_head),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
