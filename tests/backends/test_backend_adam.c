/* SPDX-License-Identifier: Apache-2.0 */
/* test_backend_adam.c - conformance: the step of Adam. */
#include "tests/backends/adam_call.h"
#include "tests/backends/harness.h"

enum { ADAM_STEPS = 25 };

static void check_adam(subject *s, int64_t n, double lr, double eps, int64_t first_step)
{
    float *p = new_array(n, sizeof *p), *g = new_array(n, sizeof *g), *m = new_array(n, sizeof *m),
          *v = new_array(n, sizeof *v);
    double *p64 = new_array(n, sizeof *p64), *m64 = new_array(n, sizeof *m64),
           *v64 = new_array(n, sizeof *v64);
    double error[3] = {0}, largest[3] = {0};
    for (int64_t i = 0; i < n; i++)
        p64[i] = p[i] = (float)draw(ANY_VALUE, i, 0);
    for (int64_t t = first_step; t < first_step + ADAM_STEPS; t++) {
        for (int64_t i = 0; i < n; i++) {
            g[i] = i % 5 == 4 ? 0 : (float)draw(ANY_VALUE, i, 0);
            m64[i] = 0.9 * m64[i] + 0.1 * g[i];
            v64[i] = 0.999 * v64[i] + 0.001 * g[i] * g[i];
            p64[i] -= lr / (1 - pow(0.9, (double)t)) * m64[i] /
                      (sqrt(v64[i]) / sqrt(1 - pow(0.999, (double)t)) + eps);
        }
        const adam_arrays at = {p, g, m, v};
        assert_int_equal(adam_step(s->backend(), s->device, BK_F32, (size_t)n, &at, lr, 0.9, 0.999, eps, t),
                         BK_OK);
    }
    for (int64_t i = 0; i < n; i++) {
        const double got[3] = {p[i], m[i], v[i]}, want[3] = {p64[i], m64[i], v64[i]};
        for (int k = 0; k < 3; k++) {
            double e = fabs(got[k] - want[k]);
            error[k] = e <= error[k] ? error[k] : e;
            largest[k] = fmax(largest[k], fabs(want[k]));
        }
    }
    for (int k = 0; k < 3; k++, checks++)
        if (!(error[k] <= sum_tolerance(ADAM_STEPS) * fmax(largest[k], 1e-30))) {
            failures++;
            print_error("%s: adam, %d numbers, from step %d: %c is %.3g of the maximum off\n", s->name,
                        (int)n, (int)first_step, "pmv"[k], error[k] / largest[k]);
        }
    free(p), free(g), free(m), free(v), free(p64), free(m64), free(v64);
}

static void adam_matches_float64_over_many_steps(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 4, 7, 8, 16, 33, 1001};
    for (int i = 0; i < SUBJECTS; i++)
        for (size_t k = 0; subjects[i].open && k < sizeof sizes / sizeof sizes[0]; k++) {
            check_adam(&subjects[i], sizes[k], 1e-3, 1e-8, 1);
            check_adam(&subjects[i], sizes[k], 0.1, 0.03, 100000);
        }
    assert_no_failures();
}

/* w = 2, g = 0, m = 0, v = 1: nothing moves but by the decay. */
static void decay_is_decoupled_from_the_moments(void **state)
{
    (void)state;
    for (int i = 0; i < SUBJECTS; i++) {
        subject *s = &subjects[i];
        float w[3] = {2, -2, 0}, g[3] = {0}, m[3] = {0}, v[3] = {1, 1, 1};
        double scalars[3] = {0.5, 0.25, 0.75};
        const adam_arrays at = {w, g, m, v};
        if (!s->open)
            continue;
        bk_call call = adam_call(BK_F32, 3, &at, scalars, 0.5, 0.5, 1e-8);
        assert_int_equal(s->backend()->prepare(s->device, &call), BK_OK);
        assert_int_equal(s->backend()->run(s->device, &call), BK_OK);
        s->backend()->release(s->device, &call);
        assert_true(w[0] == 1.5f && w[1] == -1.5f && w[2] == 0 && m[0] == 0 && v[0] == 0.5f);
    }
}

static void adam_of_unfit_shapes_or_types_is_unsupported(void **state)
{
    (void)state;
    for (int i = 0; i < SUBJECTS; i++) {
        subject *s = &subjects[i];
        const adam_arrays at = {0};
        for (int k = 0; s->open && k < 3; k++) {
            bk_call call = adam_call(BK_F32, 3, &at, NULL, 0.5, 0.5, 1e-8);
            if (k == 0)
                call.in[4].shape.dtype = BK_F32;
            else if (k == 1)
                call.in[4].shape.dim[0] = 2;
            else
                call.in[3].shape.dim[0] = 4;
            assert_int_equal(s->backend()->prepare(s->device, &call), BK_ERR_UNSUPPORTED);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(adam_matches_float64_over_many_steps),
        cmocka_unit_test(decay_is_decoupled_from_the_moments),
        cmocka_unit_test(adam_of_unfit_shapes_or_types_is_unsupported),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
