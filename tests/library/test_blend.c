/* SPDX-License-Identifier: Apache-2.0 */
/* Windows that overlap: where they lie, that they cover everything, and what becomes of their results; by
 * hand, and as recorded in seg_losses_metrics.h5 (SLMT_PARITY_DIR, or ../shared/parity). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "data/blend.h"
#include "tests/methods/parity_file.h"

#include <cmocka.h> /* last: it has a macro fail() */

static void windows_cover_the_axis_and_end_with_it(void **state)
{
    (void)state;
    static const int64_t want[4] = {0, 3, 6, 7};
    blend_axis a = blend_axis_of(13, 6, 0.5);
    assert_int_equal(blend_count(&a), 4);
    for (int64_t i = 0; i < 4; i++)
        assert_int_equal(blend_start(&a, i), want[i]);
    for (int64_t size = 1; size < 40; size++)
        for (int64_t window = 1; window < 20; window++)
            for (double overlap = 0; overlap < 1; overlap += 0.3) {
                int64_t covered = 0;
                a = blend_axis_of(size, window, overlap);
                for (int64_t i = 0; i < blend_count(&a); i++) {
                    assert_true(blend_start(&a, i) <= covered);
                    covered = blend_start(&a, i) + a.window;
                }
                assert_int_equal(covered, size);
            }
}

/* Whatever the windows, what is the same everywhere stays so. */
static void a_constant_stays_one(void **state)
{
    (void)state;
    enum { D = 5, H = 11, W = 9, C = 2, N = D * H * W };
    static float sum[C * N], total[N], window[C * N];
    const blend_axis axis[3] = {blend_axis_of(D, 3, 0.5), blend_axis_of(H, 4, 0.5),
                                blend_axis_of(W, 20, 0.5)};
    for (int kind = BLEND_CONSTANT; kind <= BLEND_GAUSSIAN; kind++) {
        memset(sum, 0, sizeof sum);
        memset(total, 0, sizeof total);
        int64_t one = axis[0].window * axis[1].window * axis[2].window;
        for (int64_t i = 0; i < one * C; i++)
            window[i] = i < one ? 0.25f : -3;
        for (int64_t z = 0; z < blend_count(&axis[0]); z++)
            for (int64_t y = 0; y < blend_count(&axis[1]); y++)
                for (int64_t x = 0; x < blend_count(&axis[2]); x++) {
                    const int64_t start[3] = {blend_start(&axis[0], z), blend_start(&axis[1], y),
                                              blend_start(&axis[2], x)};
                    blend_add(axis, (blend_weight)kind, start, window, C, sum, total);
                }
        blend_finish(N, C, total, sum);
        for (int i = 0; i < N; i++)
            assert_true(fabs(sum[i] - 0.25) < 1e-6 && fabs(sum[N + i] + 3) < 1e-5);
    }
}

static void blended_windows_are_as_recorded(void **state)
{
    (void)state;
    char path[1024];
    const char *given = getenv("SLMT_PARITY_DIR");
    snprintf(path, sizeof path, "%s/seg_losses_metrics.h5",
             given ? given : SLMT_SOURCE_DIR "/../shared/parity");
    FILE *f = fopen(path, "rb");
    if (!f)
        skip();
    fclose(f);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), group = H5Gopen2(file, "ops/blend", H5P_DEFAULT);
    reference_data starts = parity_read(group, "starts"), windows = parity_read(group, "windows");
    hsize_t dim[4];
    hid_t d = H5Dopen2(group, "windows", H5P_DEFAULT), space = H5Dget_space(d);
    assert_int_equal(H5Sget_simple_extent_dims(space, dim, NULL), 4);
    const blend_axis axis[3] = {{1, 1, 1},
                                {(int64_t)parity_attr(group, "size", 0), (int64_t)dim[2], 1},
                                {(int64_t)parity_attr(group, "size", 1), (int64_t)dim[3], 1}};
    int64_t pixels = axis[1].size * axis[2].size, channels = (int64_t)dim[1];
    size_t one = (size_t)(dim[1] * dim[2] * dim[3]);
    float *sum = malloc((size_t)(pixels * channels) * sizeof *sum),
          *total = malloc((size_t)pixels * sizeof *sum);
    float *window = malloc(one * sizeof *window);
    static const char *const names[2] = {"constant", "gaussian"};
    for (int kind = BLEND_CONSTANT; kind <= BLEND_GAUSSIAN; kind++) {
        reference_data want = parity_read(group, names[kind]);
        memset(sum, 0, (size_t)(pixels * channels) * sizeof *sum);
        memset(total, 0, (size_t)pixels * sizeof *total);
        for (size_t i = 0; i < dim[0]; i++) {
            const int64_t start[3] = {0, (int64_t)starts.x[2 * i], (int64_t)starts.x[2 * i + 1]};
            for (size_t k = 0; k < one; k++)
                window[k] = (float)windows.x[i * one + k];
            blend_add(axis, (blend_weight)kind, start, window, channels, sum, total);
        }
        blend_finish(pixels, channels, total, sum);
        for (size_t i = 0; i < want.n; i++) /* sums of float32 numbers */
            assert_true(fabs(sum[i] - want.x[i]) <= 2e-6 * parity_max_abs(want.x, want.n));
        free(want.x);
    }
    free(sum);
    free(total);
    free(window);
    free(starts.x);
    free(windows.x);
    H5Sclose(space);
    H5Dclose(d);
    H5Gclose(group);
    H5Fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_cover_the_axis_and_end_with_it),
        cmocka_unit_test(a_constant_stays_one),
        cmocka_unit_test(blended_windows_are_as_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
