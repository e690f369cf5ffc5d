/* SPDX-License-Identifier: Apache-2.0 */
/* harness.h - the conformance of backends: every op, over many shapes, against the reference in float64.
 * The harness uses the contract (backends/backend.h) and no engine. A file test_backend_FAMILY.c builds cases
 * and checks each of them on every backend.
 *
 * An output y of a float32 backend passes against the float64 truth t, from the same float32 inputs, if
 *   max |y - t| <= tolerance * max |t|.
 * If y is an input times a sum that nearly cancels (GELU: x (1 + erf) / 2), the maximum is taken over that
 * input too, because a single value far in the tail, 1e-8 of x, is no measure of an error. The tolerances are
 * multiples of u = 2^-24, the relative error of one rounding; see "tolerances". */
#ifndef SLMT_TESTS_BACKENDS_HARNESS_H
#define SLMT_TESTS_BACKENDS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "tests/backend_host.h"

/* ---- tolerances ---- */

#define U 0x1p-24

/* Nothing is rounded: movement, |x|, sign, maximum, ... */
#define EXACT 0

/* One IEEE operation, or two where alpha and beta come in; u each, doubled. */
#define ONE_OPERATION (4 * U)

/* One function of a vector math library (at most 4 ulp = 8 u) and a few products: exp, gelu, ... */
#define ONE_FUNCTION (16 * U)

double sum_tolerance(int64_t k); /* a sum of k terms in any order */
double attention_tolerance(int64_t tokens, int64_t width, double scale);

/* ---- cases ---- */

typedef enum domain {
    ANY_VALUE, /* uniform in [-0.75, 1.25] */
    POSITIVE,  /* [0.2, 3.2] */
    NONZERO,   /* +-[0.2, 3.2] */
    WIDE,      /* [-8, 8], every seventh an exact 0 */
    EXTREME,   /* [-85, 85] */
    OFFSET,    /* ANY_VALUE + 100 */
    INTEGER,   /* whole numbers in [-1000, 1000] */
    INDEX      /* whole numbers in [0, index_limit) */
} domain;

typedef struct op_case {
    bk_op op;
    bk_attr attr;
    int32_t n_in, n_out;
    bk_shape in[BK_MAX_IN], out[BK_MAX_OUT];
    domain from[BK_MAX_IN];
    int64_t index_limit;
    double tolerance;
    int32_t scale;               /* 1 + the input whose size also counts; 0: none */
    bool thirds;                 /* out[0] holds q, k, v parts, each judged by its own maximum */
    double *in_value[BK_MAX_IN]; /* drawn, or set by who builds the case; owned */
} op_case;

double draw(domain from, int64_t i, int64_t index_limit);
void *new_array(int64_t n, size_t size); /* zeros */
double *copy_values(const double *value, int64_t n);
void draw_inputs(op_case *c); /* those that are not set */
void free_case(op_case *c);
bk_shape shape(const char *text); /* "2x3x4"; "": a scalar */
bk_shape shape_of(int32_t rank, int64_t d0, int64_t d1, int64_t d2);
bk_shape with_type(bk_shape s, bk_dtype dtype);
const char *type_name(int32_t type);
bool is_index(const op_case *c, int32_t k); /* in[k] is an index */
bk_call call_of(const op_case *c);

/* The outputs by the reference in float64; free_values() frees them. */
void compute_truth(const op_case *c, double *const in[], double *out[]);
void free_values(double *value[], int32_t n);

/* ---- the backends under test ---- */

typedef struct subject {
    const char *name;
    const bk_backend *(*backend)(void);
    const char *options;
    int32_t threads;
    int32_t level;   /* instruction level of the cpu backend's kernels, or BEST */
    int32_t repeats; /* of the first run, whose bits must be the same; 0: 1 */
    int64_t largest; /* cases with more elements are left out; 0: none is */
    double rounding; /* of factors: tolerances other than EXACT are at least this */
    test_host host;
    void *device;
    bool open;
} subject;

enum { BEST = CPU_LEVEL_BEST, PLAIN_C = 0 };
#ifdef CUDA_EMULATION
enum { SUBJECTS = 12 };
#else
enum { SUBJECTS = 11 };
#endif
extern subject subjects[SUBJECTS];

bk_status open_subject(const subject *s, const bk_host *host, void **device);

/* Setup of a group of tests. Where the environment's SLMT_TEST_CUDA names the file of a plug-in, the cuda
 * backend is tested alone, by that plug-in, with the options SLMT_TEST_CUDA_OPTIONS and cases of at most
 * SLMT_TEST_CUDA_LARGEST elements. */
int open_subjects(void **state);
int close_subjects(void **state); /* its teardown */

/* ---- checks: failures are counted, so that one run shows all of them ---- */

extern int failures, checks;

int begin_count(void **state); /* setup of a test */
#define COUNTED(test) cmocka_unit_test_setup(test, begin_count)

void assert_no_failures(void);
void report(const subject *s, const op_case *c, const char *format, ...);
void check_on(subject *s, const op_case *c, double *const truth[]);
void check_case(op_case *c);           /* draws, checks on every backend, frees */
void expect_refused(const op_case *c); /* by prepare(), on every backend */

/* The case of a gradient op: the inputs of a forward case, its outputs where they are read, a random dy. */
op_case gradient_case(bk_op op, op_case *forward, void (*rounding)(double *, int64_t));
void round_to_float(double *value, int64_t n);

/* Runs a case on one subject, with the outputs in out[]; gives what run() did. */
bk_status run_case(const subject *s, op_case *c, void *const out[]);

/* Of the reference alone: against central differences, and against known values. */
void check_against_differences(bk_op op, op_case *forward);
void expect_values(op_case *c, double *const in[], const double *want);

/* ---- cases that several tests need (cases.c) ---- */

typedef struct conv_row {
    const char *x;      /* B, S..., C */
    const char *kernel; /* K... */
    int64_t out;        /* O */
    int32_t stride, pad;
} conv_row;

typedef struct pool_row {
    const char *x, *y; /* B, S..., C */
    int32_t kernel[BK_MAX_SPACE], stride[BK_MAX_SPACE], pad[BK_MAX_SPACE], dilation[BK_MAX_SPACE];
} pool_row;

op_case layer_norm_case(const char *rows, int64_t width, domain from);
op_case instance_norm_case(const char *x, double alpha, domain from);
op_case group_norm_case(const char *x, int32_t groups, double alpha, domain from);
op_case pool_case(const pool_row *r);
op_case conv_case(const conv_row *r, bool bias);

/* A convolution with any window and groups: attr's stride, dilation, pad, pad_end, groups. */
op_case windowed_case(const char *x, const char *kernel, int64_t out, const bk_attr *window, bool bias);
op_case attention_case(int64_t images, int64_t tokens, int64_t heads, int64_t width);
op_case window_case(const int64_t d[7]);
op_case one_case_of(bk_op op);

#endif
