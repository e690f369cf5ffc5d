/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance of the back ends: every op, over many shapes, against the reference in float64; and the
 * gradient ops of the reference against finite differences of its forward ops. Knows the contract
 * (backends/backend.h) and no engine.
 *
 * An output y of a float32 back end passes against the float64 truth t, from the same float32 inputs, if
 *   max |y - t| <= tolerance * max |t|.
 * Where y is an input times a sum that nearly cancels (GELU: x (1 + erf) / 2), the maximum is taken over that
 * input too: a lone value far out, 1e-8 of x, says nothing of an error.
 * The tolerances are multiples of u = 2^-24, the relative error of one rounding; see "tolerances". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "tests/adam_call.h"
#include "tests/backend_host.h"

/* ---- tolerances ---- */

#define U 0x1p-24

/* Nothing is rounded: movement, |x|, sign, maximum, ... */
#define EXACT 0

/* One IEEE operation, or two where alpha and beta come in; u each, doubled. */
#define ONE_OPERATION (4 * U)

/* One function of a vector math library (at most 4 ulp = 8 u) and a few products: exp, gelu, ... */
#define ONE_FUNCTION (16 * U)

/* A sum of k terms in any order: each partial sum is rounded, the roundings are independent, and the
 * result is about u sqrt(k) off where the terms have one sign, and less relative to the largest of
 * several results where they have not. Four times that, and a few roundings around it. */
static double sum_tolerance(int64_t k)
{
    return 4 * U * (sqrt((double)k) + 4);
}

/* exp(s) turns the absolute error of a score s into a relative one. A score is a sum of `width` terms
 * and its size, for the inputs drawn here (deviation 0.6, mean 0.25), about `size` at the largest. */
static double attention_tolerance(int64_t tokens, int64_t width, double scale)
{
    double d = (double)width, size = scale * (1.6 * sqrt(d) + d / 16);
    return sum_tolerance(tokens) + sum_tolerance(width) * (size > 1 ? size : 1);
}

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

static uint64_t random_state;

static double random_unit(void) /* splitmix64, to [0, 1) */
{
    uint64_t z = (random_state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double draw(domain from, int64_t i, int64_t index_limit)
{
    double r = random_unit();
    switch (from) {
    case POSITIVE:
        return 0.2 + 3 * r;
    case NONZERO:
        return random_unit() < 0.5 ? 0.2 + 3 * r : -0.2 - 3 * r;
    case WIDE:
        return i % 7 == 3 ? 0 : 16 * r - 8;
    case EXTREME:
        return 170 * r - 85;
    case OFFSET:
        return 99.25 + 2 * r;
    case INTEGER:
        return floor(2001 * r) - 1000;
    case INDEX:
        return floor((double)index_limit * r);
    case ANY_VALUE:
        break;
    }
    return 2 * r - 0.75;
}

static void *new_array(int64_t n, size_t size)
{
    void *p = calloc(n > 0 ? (size_t)n : 1, size);
    assert_non_null(p);
    return p;
}

/* The pattern of the largest 16-bit float not above a magnitude; patterns are in the order of their values.
 */
static uint16_t half_below(int32_t type, double magnitude)
{
    uint16_t low = 0, high = type == BK_F16 ? 0x7C00 : 0x7F80;
    while (high - low > 1) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        *(bk_widen(type, middle) <= magnitude ? &low : &high) = middle;
    }
    return low;
}

static uint16_t to_half(int32_t type, double x)
{
    return (uint16_t)(half_below(type, fabs(x)) | (signbit(x) ? 0x8000 : 0));
}

/* Values that the tensor's type holds exactly (a float, else), so that every type computes from the same
 * numbers. */
static void draw_inputs(op_case *c)
{
    for (int32_t k = 0; k < c->n_in; k++) {
        if (c->in_value[k])
            continue;
        int64_t n = bk_count(&c->in[k]);
        c->in_value[k] = new_array(n, sizeof(double));
        for (int64_t i = 0; i < n; i++)
            c->in_value[k][i] = (float)draw(c->from[k], i, c->index_limit);
        for (int64_t i = 0; bk_is_half(c->in[k].dtype) && i < n;
             i++) /* every 50th one is subnormal, in float16 */
            c->in_value[k][i] = bk_widen(
                c->in[k].dtype, to_half(c->in[k].dtype, c->in_value[k][i] * (i % 50 == 7 ? 1e-5 : 1)));
    }
}

static void free_case(op_case *c)
{
    for (int32_t k = 0; k < BK_MAX_IN; k++)
        free(c->in_value[k]);
}

static const char *type_name(int32_t type)
{
    return type == BK_BF16 ? " bfloat16" : type == BK_F16 ? " float16" : "";
}

/* "2x3x5", "7", or "" for a scalar. */
static bk_shape shape(const char *text)
{
    bk_shape s = {.dtype = BK_F32};
    while (*text) {
        char *end;
        s.dim[s.rank++] = strtoll(text, &end, 10);
        text = *end == 'x' ? end + 1 : end;
    }
    return s;
}

static bk_shape shape_of(int32_t rank, int64_t d0, int64_t d1, int64_t d2)
{
    return (bk_shape){.dtype = BK_F32, .rank = rank, .dim = {d0, d1, d2}};
}

static bk_shape with_type(bk_shape s, bk_dtype dtype)
{
    s.dtype = dtype;
    return s;
}

static void print_shapes(char *text, size_t size, const bk_shape *s, int32_t n)
{
    size_t at = strlen(text);
    for (int32_t k = 0; k < n; k++) {
        at += (size_t)snprintf(text + at, size - at, k ? ", [" : "[");
        for (int32_t i = 0; i < s[k].rank; i++)
            at += (size_t)snprintf(text + at, size - at, i ? "x%" PRId64 : "%" PRId64, s[k].dim[i]);
        at += (size_t)snprintf(text + at, size - at, "]%s", type_name(s[k].dtype));
    }
}

static void print_number(char *text, size_t size, const char *name, double value)
{
    size_t at = strlen(text);
    if (value != 0)
        snprintf(text + at, size - at, ", %s %g", name, value);
}

static const char *describe_case(const op_case *c)
{
    static char text[1024];
    const bk_attr *a = &c->attr;
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"alpha", a->alpha},
        {"beta", a->beta},
        {"eps", a->eps},
        {"axis", a->axis},
        {"trans_a", a->trans_a},
        {"trans_b", a->trans_b},
        {"bias", a->has_bias},
        {"residual", a->has_residual},
        {"activation", a->activation},
        {"heads", a->heads},
        {"grid_h", a->grid_h},
        {"grid_w", a->grid_w},
        {"window", a->window},
        {"shift", a->shift},
        {"stride", a->stride},
        {"pad", a->pad},
    };
    snprintf(text, sizeof text, "%s ", bk_op_name(c->op));
    print_shapes(text, sizeof text, c->in, c->n_in);
    strcat(text, " -> ");
    print_shapes(text, sizeof text, c->out, c->n_out);
    for (int32_t i = 0; i < BK_MAX_RANK; i++) {
        char name[16];
        snprintf(name, sizeof name, "axes[%d]", (int)i);
        print_number(text, sizeof text, name, (double)a->axes[i]);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        print_number(text, sizeof text, numbers[i].name, numbers[i].value);
    return text;
}

/* ---- values in and out of tensors ---- */

static void put_values(void *data, const bk_shape *s, const double *value)
{
    int64_t n = bk_count(s);
    for (int64_t i = 0; i < n; i++) {
        if (s->dtype == BK_F64)
            ((double *)data)[i] = value[i];
        else if (s->dtype == BK_F32)
            ((float *)data)[i] = (float)value[i];
        else if (bk_is_half(s->dtype))
            ((uint16_t *)data)[i] = to_half(s->dtype, value[i]);
        else
            ((int32_t *)data)[i] = (int32_t)value[i];
    }
}

static double get_value(const void *data, const bk_shape *s, int64_t i)
{
    return s->dtype == BK_F64     ? ((const double *)data)[i]
           : s->dtype == BK_F32   ? ((const float *)data)[i]
           : bk_is_half(s->dtype) ? bk_widen(s->dtype, ((const uint16_t *)data)[i])
                                  : ((const int32_t *)data)[i];
}

static size_t tensor_bytes(const bk_shape *s)
{
    return (size_t)bk_count(s) * bk_dtype_size(s->dtype);
}

static bk_call call_of(const op_case *c)
{
    bk_call call = {.op = c->op, .attr = c->attr, .n_in = c->n_in, .n_out = c->n_out};
    for (int32_t k = 0; k < c->n_in; k++)
        call.in[k].shape = c->in[k];
    for (int32_t k = 0; k < c->n_out; k++)
        call.out[k].shape = c->out[k];
    return call;
}

/* ---- the truth: the reference in float64 ---- */

static test_host truth_host;
static void *truth_device;

static bool is_index(const op_case *c, int32_t k)
{
    return (c->op == BK_GATHER || c->op == BK_SCATTER) && k == 1;
}

static void compute_truth(const op_case *c, double *const in[], double *out[])
{
    bk_call call = call_of(c);
    int32_t *index = NULL;
    for (int32_t k = 0; k < c->n_in; k++) {
        call.in[k].data = in[k];
        if (!is_index(c, k)) {
            call.in[k].shape.dtype = BK_F64;
            continue;
        }
        call.in[k].data = index = new_array(bk_count(&c->in[k]), sizeof *index);
        put_values(index, &c->in[k], in[k]);
    }
    for (int32_t k = 0; k < c->n_out; k++) {
        call.out[k].shape.dtype = BK_F64;
        call.out[k].data = out[k] = new_array(bk_count(&c->out[k]), sizeof(double));
    }
    if (bk_reference()->prepare(truth_device, &call) != BK_OK)
        fail_msg("%s: %s", describe_case(c), truth_host.last_log);
    call.scratch = host_alloc(&truth_host, call.scratch_bytes);
    assert_int_equal(bk_reference()->run(truth_device, &call), BK_OK);
    host_free(&truth_host, call.scratch);
    bk_reference()->release(truth_device, &call);
    free(index);
}

static void free_values(double *value[], int32_t n)
{
    for (int32_t k = 0; k < n; k++)
        free(value[k]);
}

/* ---- the back ends under test ---- */

typedef struct subject {
    const char *name;
    const bk_backend *(*backend)(void);
    bk_matrix matrix;
    int32_t threads;
    int32_t level; /* instruction level of the cpu back end's kernels, or BEST */
    test_host host;
    void *device;
    bool open;
} subject;

enum { BEST = CPU_LEVEL_BEST, PLAIN_C = 0 };

static subject subjects[] = {
    {.name = "reference", .backend = bk_reference, .threads = 1, .level = BEST},
    {.name = "cpu, auto, 1 thread", .backend = bk_cpu, .threads = 1, .level = BEST},
    {.name = "cpu, auto, 2 threads", .backend = bk_cpu, .threads = 2, .level = BEST},
    {.name = "cpu, onednn, 1 thread",
     .backend = bk_cpu,
     .matrix = BK_MATRIX_ONEDNN,
     .threads = 1,
     .level = BEST},
    {.name = "cpu, onednn, 2 threads",
     .backend = bk_cpu,
     .matrix = BK_MATRIX_ONEDNN,
     .threads = 2,
     .level = BEST},
    {.name = "cpu, openblas, 1 thread",
     .backend = bk_cpu,
     .matrix = BK_MATRIX_OPENBLAS,
     .threads = 1,
     .level = BEST},
    {.name = "cpu, openblas, 2 threads",
     .backend = bk_cpu,
     .matrix = BK_MATRIX_OPENBLAS,
     .threads = 2,
     .level = BEST},
    {.name = "cpu, plain C, 2 threads", .backend = bk_cpu, .threads = 2, .level = PLAIN_C},
    {.name = "cpu, x86-64-v2, 2 threads", .backend = bk_cpu, .threads = 2, .level = 2},
    {.name = "cpu, x86-64-v3, 2 threads", .backend = bk_cpu, .threads = 2, .level = 3},
};
enum { SUBJECTS = sizeof subjects / sizeof subjects[0] };

/* Levels that the machine lacks fall to the next lower one. */
static bk_status open_subject(const subject *s, const bk_host *host, void **device)
{
    if (s->level != BEST)
        return cpu_open_level(host, s->matrix, s->level, device);
    return s->backend()->open(host, s->matrix, device);
}

static int open_subjects(void **state)
{
    (void)state;
    test_host_init(&truth_host, 1);
    if (bk_reference()->open(&truth_host.host, BK_MATRIX_AUTO, &truth_device) != BK_OK)
        return -1;
    for (int i = 0; i < SUBJECTS; i++) {
        subject *s = &subjects[i];
        test_host_init(&s->host, s->threads);
        bk_status status = open_subject(s, &s->host.host, &s->device);
        s->open = status == BK_OK;
        if (s->open)
            print_message("testing %s: %s\n", s->name, s->backend()->describe(s->device));
        else if (s->matrix != BK_MATRIX_AUTO && status == BK_ERR_UNSUPPORTED)
            print_message("SKIPPED %s: %s\n", s->name,
                          s->host.last_log[0] ? s->host.last_log : "this build has no such library");
        else
            return print_error("%s: open() gave %d: %s\n", s->name, (int)status, s->host.last_log), -1;
    }
    return 0;
}

static int close_subjects(void **state)
{
    (void)state;
    int left = 0;
    for (int i = 0; i < SUBJECTS; i++) {
        if (subjects[i].open)
            subjects[i].backend()->close(subjects[i].device);
        if (subjects[i].host.live != 0)
            left = -1,
            print_error("%s: %d blocks left after close()\n", subjects[i].name, (int)subjects[i].host.live);
    }
    bk_reference()->close(truth_device);
    return truth_host.live == 0 ? left : -1;
}

/* ---- failures are counted, so that one run shows all of them ---- */

enum { MAX_SHOWN = 12 };
static int failures, checks;
static double worst; /* error / tolerance, the largest seen */
static char worst_text[1200];

static int begin_count(void **state)
{
    (void)state;
    failures = checks = 0;
    worst = 0;
    worst_text[0] = '\0';
    random_state = 20240229;
    return 0;
}

static void assert_no_failures(void)
{
    if (worst > 0)
        print_message("  %d checks, largest error %.2f of its tolerance: %s\n", checks, worst, worst_text);
    assert_true(checks > 0);
    assert_int_equal(failures, 0);
}

static void report(const subject *s, const op_case *c, const char *format, ...)
{
    if (++failures > MAX_SHOWN)
        return;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_error("%s: %s: %s\n", s->name, describe_case(c), text);
}

/* ---- one case on one back end ---- */

typedef struct trial {
    const subject *s;
    const op_case *c;
    double *const *truth;
    bk_call call;
    void *in[BK_MAX_IN]; /* exactly as long as the tensor, for memory checkers */
    fenced out[BK_MAX_OUT], scratch;
} trial;

/* Judges elements with index % row in [first, first + count). */
static void compare_part(const trial *t, int32_t k, const char *when, int64_t row, int64_t first,
                         int64_t count)
{
    const op_case *c = t->c;
    int64_t n = bk_count(&c->out[k]), at = -1;
    double error = 0, largest = 1e-30;
    for (int64_t i = 0; i < n; i++) {
        if (i % row < first || i % row >= first + count)
            continue;
        double want = t->truth[k][i], e = fabs(get_value(t->out[k].data, &c->out[k], i) - want);
        largest = fmax(largest, fabs(want));
        if (c->scale)
            largest = fmax(largest, fabs(c->in_value[c->scale - 1][i]));
        if (!(e <= error)) { /* a NaN too, and it stays */
            error = e;
            at = i;
        }
    }
    checks++;
    if (!(error <= c->tolerance * largest))
        report(t->s, c,
               "%s: output %d, element %" PRId64 " is %.9g, not %.9g: %.3g of the maximum, limit %.3g", when,
               k, at, get_value(t->out[k].data, &c->out[k], at), t->truth[k][at], error / largest,
               c->tolerance);
    else if (c->tolerance > 0 && error / largest / c->tolerance > worst) {
        worst = error / largest / c->tolerance;
        snprintf(worst_text, sizeof worst_text, "%s: %s", t->s->name, describe_case(c));
    }
}

static void compare(const trial *t, const char *when)
{
    for (int32_t k = 0; k < t->c->n_out; k++) {
        if (!t->call.out[k].data)
            continue;
        const bk_shape *s = &t->c->out[k];
        int64_t row = s->rank > 0 ? s->dim[s->rank - 1] : 1;
        int parts = t->c->thirds && k == 0 ? 3 : 1;
        for (int part = 0; part < parts; part++)
            compare_part(t, k, when, row, part * (row / parts), row / parts);
    }
}

static void check_memory(const trial *t, const char *when)
{
    for (int32_t k = 0; k < t->c->n_out; k++)
        if (!fenced_is_whole(&t->out[k]))
            report(t->s, t->c, "%s: wrote outside output %d", when, k);
    if (!fenced_is_whole(&t->scratch))
        report(t->s, t->c, "%s: wrote outside the scratch memory", when);
    for (int32_t k = 0; k < t->c->n_in; k++) {
        const bk_shape *s = &t->c->in[k];
        for (int64_t i = 0; t->in[k] && i < bk_count(s); i++)
            if (get_value(t->in[k], s, i) != t->c->in_value[k][i]) {
                report(t->s, t->c, "%s: changed input %d at %" PRId64, when, k, i);
                break;
            }
    }
}

/* NaN everywhere, so that an element left out shows. */
static void spoil_outputs(trial *t)
{
    for (int32_t k = 0; k < t->c->n_out; k++)
        memset(t->out[k].data, 0xFF, t->out[k].bytes);
}

static void start_trial(trial *t, size_t shift)
{
    for (int32_t k = 0; k < t->c->n_in; k++) {
        void *block = NULL;
        size_t bytes = tensor_bytes(&t->c->in[k]);
        assert_int_equal(posix_memalign(&block, 64, bytes), 0);
        t->in[k] = t->call.in[k].data = block;
        put_values(block, &t->c->in[k], t->c->in_value[k]);
    }
    for (int32_t k = 0; k < t->c->n_out; k++) {
        t->out[k] = fenced_new(tensor_bytes(&t->c->out[k]), shift);
        t->call.out[k].data = t->out[k].data;
    }
    t->scratch = fenced_new(t->call.scratch_bytes, 0);
    t->call.scratch = t->scratch.data;
    spoil_outputs(t);
}

static void end_trial(trial *t)
{
    for (int32_t k = 0; k < t->c->n_in; k++)
        free(t->in[k]);
    for (int32_t k = 0; k < t->c->n_out; k++)
        free(t->out[k].block);
    free(t->scratch.block);
}

static void run_trial(trial *t, int dirt)
{
    const bk_backend *b = t->s->backend();
    int64_t calls = t->s->host.calls;
    memset(t->scratch.data, dirt, t->scratch.bytes);
    bk_status status = b->begin(t->s->device);
    if (status == BK_OK)
        status = b->run(t->s->device, &t->call);
    b->end(t->s->device);
    if (status != BK_OK)
        report(t->s, t->c, "run() gave %d: %s", (int)status, t->s->host.last_log);
    if (t->s->host.calls != calls)
        report(t->s, t->c, "run() allocated");
}

static void check_plain_and_repeated(trial *t)
{
    void *first[BK_MAX_OUT];
    start_trial(t, 0);
    run_trial(t, 0xFF);
    compare(t, "plain");
    check_memory(t, "plain");
    for (int32_t k = 0; k < t->c->n_out; k++) {
        first[k] = new_array(1, t->out[k].bytes);
        memcpy(first[k], t->out[k].data, t->out[k].bytes);
    }
    spoil_outputs(t);
    run_trial(t, 0x00);
    for (int32_t k = 0; k < t->c->n_out; k++) {
        if (memcmp(first[k], t->out[k].data, t->out[k].bytes) != 0)
            report(t->s, t->c, "a second run gave other bits in output %d", k);
        free(first[k]);
    }
    end_trial(t);
}

/* Tensors are only promised to be aligned to their elements; inputs and outputs both move. */
static void check_unaligned(trial *t)
{
    start_trial(t, sizeof(float));
    for (int32_t k = 0; k < t->c->n_in; k++) {
        size_t bytes = tensor_bytes(&t->c->in[k]);
        free(t->in[k]);
        unsigned char *block = new_array(1, bytes + sizeof(float));
        put_values(block + sizeof(float), &t->c->in[k], t->c->in_value[k]);
        t->in[k] = block;
        t->call.in[k].data = block + sizeof(float);
    }
    run_trial(t, 0xFF);
    compare(t, "unaligned");
    for (int32_t k = 0; k < t->c->n_out; k++)
        if (!fenced_is_whole(&t->out[k]))
            report(t->s, t->c, "unaligned: wrote outside output %d", k);
    end_trial(t);
}

static void check_unread_outputs(trial *t)
{
    for (unsigned unread = 1; unread < 1u << (t->c->n_out - 1); unread++) {
        start_trial(t, 0);
        for (int32_t k = 1; k < t->c->n_out; k++)
            if (unread >> (k - 1) & 1)
                t->call.out[k].data = NULL;
        run_trial(t, 0xFF);
        compare(t, "with unread outputs");
        check_memory(t, "with unread outputs");
        end_trial(t);
    }
}

static bool may_be_in_place(const op_case *c, int32_t k)
{
    if (c->op == BK_LINEAR)
        return c->attr.has_residual && k == c->n_in - 1;
    if (c->op < BK_AFFINE || c->op > BK_GELU_GRAD)
        return false;
    for (int32_t i = 0; i < c->n_in; i++)
        if (bk_count(&c->in[i]) != bk_count(&c->out[0]))
            return false;
    return true;
}

static void check_in_place(trial *t)
{
    for (int32_t k = 0; k < t->c->n_in; k++) {
        if (!may_be_in_place(t->c, k))
            continue;
        start_trial(t, 0);
        free(t->in[k]);
        t->in[k] = NULL;
        put_values(t->out[0].data, &t->c->in[k], t->c->in_value[k]);
        t->call.in[k].data = t->out[0].data;
        run_trial(t, 0xFF);
        compare(t, "in place");
        check_memory(t, "in place");
        end_trial(t);
    }
}

static void check_on(subject *s, const op_case *c, double *const truth[])
{
    trial t = {.s = s, .c = c, .truth = truth, .call = call_of(c)};
    int64_t live = s->host.live;
    bk_status status = s->backend()->prepare(s->device, &t.call);
    if (status != BK_OK) {
        report(s, c, "prepare() gave %d: %s", (int)status, s->host.last_log);
        return;
    }
    check_plain_and_repeated(&t);
    check_unaligned(&t);
    check_unread_outputs(&t);
    check_in_place(&t);
    s->backend()->release(s->device, &t.call);
    if (s->host.live != live)
        report(s, c, "release() left %d blocks", (int)(s->host.live - live));
}

/* Draws, checks on every back end, frees. */
static void check_case(op_case *c)
{
    double *truth[BK_MAX_OUT];
    draw_inputs(c);
    compute_truth(c, c->in_value, truth);
    for (int i = 0; i < SUBJECTS; i++)
        if (subjects[i].open)
            check_on(&subjects[i], c, truth);
    free_values(truth, c->n_out);
    free_case(c);
}

/* ---- movement ---- */

/* Movement serves any type: float32, and whole numbers as int32. */
static void check_movement(const op_case *c)
{
    for (int whole = 0; whole < 2; whole++) {
        op_case typed = *c;
        for (int32_t k = 0; k < c->n_in; k++)
            if (!is_index(c, k)) {
                typed.in[k].dtype = whole ? BK_I32 : BK_F32;
                typed.from[k] = whole || c->op == BK_SCATTER ? INTEGER : ANY_VALUE;
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

/* ---- element-wise ---- */

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
    c.from[0] = op == BK_MAXIMUM ? WIDE : ANY_VALUE; /* WIDE: both zero at times, a tie */
    c.from[1] = op == BK_DIV ? NONZERO : c.from[0];
    c.tolerance = op == BK_MAXIMUM ? EXACT : ONE_OPERATION;
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
    for (bk_op op = BK_ADD; op <= BK_MAXIMUM; op++)
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            check_broadcasts(op, shape(shapes[i]));
    check_broadcasts(BK_SUB, shape("2x3x5x4"));
    check_broadcasts(BK_SUB, shape("2x3x1x5x17"));
    check_broadcasts(BK_DIV, shape("2x3x2x3x2x3"));
    for (bk_op op = BK_ADD; op <= BK_MAXIMUM; op++) {
        op_case c = binary_case(op, shape("3x1367"), shape("3x1367"));
        check_case(&c);
        c = binary_case(op, shape("70x65"), shape("1x65"));
        check_case(&c);
        c = binary_case(op, shape("70x1"), shape("70x65"));
        check_case(&c);
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

/* ---- reductions ---- */

static void reductions_match_float64_for_every_set_of_axes(void **state)
{
    (void)state;
    static const char *const shapes[] = {"",        "1",         "8",          "1000",    "33x3",
                                         "3x33",    "257x40",    "2x3x5",      "5x64x33", "2x1x3x17",
                                         "2x7x9x8", "2x3x2x3x4", "2x3x2x3x2x5"};
    for (size_t r = 0; r < sizeof shapes / sizeof shapes[0]; r++)
        for (int max = 0; max < 2; max++) {
            bk_shape x = shape(shapes[r]);
            for (unsigned set = 0; set < 1u << x.rank; set++) {
                op_case c = {
                    .op = max ? BK_REDUCE_MAX : BK_SUM, .n_in = 1, .n_out = 1, .in = {x}, .out = {x}};
                for (int32_t i = 0; i < x.rank; i++)
                    if (set >> i & 1) {
                        c.attr.axes[i] = 1;
                        c.out[0].dim[i] = 1;
                    }
                c.from[0] = max ? WIDE : ANY_VALUE;
                c.tolerance = max ? EXACT : sum_tolerance(bk_count(&x) / bk_count(&c.out[0]));
                check_case(&c);
            }
        }
    assert_no_failures();
}

static void reduce_max_of_negative_numbers_is_negative(void **state)
{
    (void)state;
    op_case c = {.op = BK_REDUCE_MAX, .attr.axes = {0, 1}, .n_in = 1, .n_out = 1, .tolerance = EXACT};
    c.in[0] = shape("5x37");
    c.out[0] = shape("5x1");
    c.in_value[0] = new_array(5 * 37, sizeof(double));
    for (int i = 0; i < 5 * 37; i++)
        c.in_value[0][i] = -1 - i % 23;
    check_case(&c);
    assert_no_failures();
}

/* ---- matrix products ---- */

static bk_shape with_leading(bk_shape leading, int64_t rows, int64_t cols)
{
    leading.dim[leading.rank++] = rows;
    leading.dim[leading.rank++] = cols;
    return leading;
}

static void check_matmul(const char *lead_a, const char *lead_b, const int64_t mkn[3], int trans_a,
                         int trans_b)
{
    int64_t m = mkn[0], k = mkn[1], n = mkn[2];
    bk_shape a = shape(lead_a), b = shape(lead_b), y = a.rank > b.rank ? a : b;
    op_case c = {.op = BK_MATMUL, .n_in = 2, .n_out = 1, .tolerance = sum_tolerance(k)};
    c.attr.trans_a = trans_a;
    c.attr.trans_b = trans_b;
    c.in[0] = trans_a ? with_leading(a, k, m) : with_leading(a, m, k);
    c.in[1] = trans_b ? with_leading(b, n, k) : with_leading(b, k, n);
    c.out[0] = with_leading(y, m, n);
    check_case(&c);
}

static void matmul_matches_float64_for_all_transposes_and_batches(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {/* M, K, N */
                                       {1, 1, 1},    {1, 7, 1},    {3, 5, 2},   {17, 33, 9},
                                       {32, 64, 16}, {65, 70, 67}, {5, 300, 3}, {50, 1, 40},
                                       {1, 257, 40}, {40, 257, 1}, {8, 16, 100}};
    static const char *const leading[][2] = {{"", ""},       {"1", "1"}, {"3", "3"},  {"2x3", "2x3"},
                                             {"3", ""},      {"", "3"},  {"2x2", ""}, {"2x1x2x2", "2x1x2x2"},
                                             {"", "2x1x2x2"}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t l = 0; l < sizeof leading / sizeof leading[0]; l++)
            for (int trans = 0; trans < 4; trans++)
                check_matmul(leading[l][0], leading[l][1], sizes[i], trans & 1, trans >> 1);
    for (int trans = 0; trans < 4; trans++) {
        check_matmul("", "", (const int64_t[]){130, 1030, 129}, trans & 1, trans >> 1);
        check_matmul("", "", (const int64_t[]){14, 300, 280}, trans & 1, trans >> 1);
        check_matmul("", "", (const int64_t[]){1210, 40, 20}, trans & 1, trans >> 1); /* tasks of rows */
        check_matmul("2", "2", (const int64_t[]){40, 4099, 24}, trans & 1, trans >> 1);
    }
    assert_no_failures();
}

typedef struct linear_size {
    const char *rows;
    int64_t depth, cols;
} linear_size;

static void check_linear(const linear_size *sizes, size_t n, bk_dtype weights)
{
    for (size_t i = 0; i < n; i++)
        for (int epilogue = 0; epilogue < 8; epilogue++) {
            op_case c = {.op = BK_LINEAR, .n_in = 2, .n_out = 1, .tolerance = sum_tolerance(sizes[i].depth)};
            bk_shape rows = shape(sizes[i].rows);
            c.in[0] = c.out[0] = rows;
            c.in[0].dim[c.in[0].rank++] = sizes[i].depth;
            c.out[0].dim[c.out[0].rank++] = sizes[i].cols;
            c.in[1] = with_type(shape_of(2, sizes[i].cols, sizes[i].depth, 0), weights);
            c.attr.has_bias = epilogue & 1;
            c.attr.has_residual = epilogue >> 1 & 1;
            c.attr.activation = epilogue >> 2 & 1 ? BK_ACT_GELU : BK_ACT_NONE;
            if (c.attr.has_bias)
                c.in[c.n_in++] = shape_of(1, sizes[i].cols, 0, 0);
            if (c.attr.has_residual)
                c.in[c.n_in++] = c.out[0];
            if (c.attr.activation == BK_ACT_GELU)
                c.tolerance += ONE_FUNCTION;
            /* A lone result is judged by itself, so that its terms must not cancel. */
            for (int i = 0; bk_count(&c.out[0]) == 1 && i < c.n_in; i++)
                c.from[i] = POSITIVE;
            check_case(&c);
        }
}

static void linear_matches_float64_with_every_epilogue(void **state)
{
    (void)state;
    static const linear_size sizes[] = {
        {"", 1, 1},        {"", 5, 7},       {"1", 16, 1},    {"3", 1, 17},    {"17", 33, 9},
        {"2x5", 8, 24},    {"2x16", 96, 48}, {"65", 70, 67},  {"2x3x4", 7, 5}, {"1x2x1x3x2", 9, 33},
        {"130", 1030, 96}, {"14", 300, 280}, {"1210", 20, 9}, {"9", 256, 37},  {"3x7", 260, 91},
        {"67", 530, 271}, /* few rows, which pass over the weights */
    };
    check_linear(sizes, sizeof sizes / sizeof sizes[0], BK_F32);
    assert_no_failures();
}

/* From the exact values of the weights, as if they were float32: the same tolerances. The last sizes are
 * packed in several pieces. */
static void linear_with_weights_of_16_bits_matches_float64(void **state)
{
    (void)state;
    static const linear_size sizes[] = {
        {"", 1, 1},        {"", 5, 7},       {"3", 1, 17},     {"17", 33, 9},
        {"2x16", 96, 48},  {"2x3x4", 7, 5},  {"33", 40, 31},   {"65", 70, 67},
        {"130", 1030, 96}, {"5", 3001, 150}, {"14", 300, 280},
    };
    check_linear(sizes, sizeof sizes / sizeof sizes[0], BK_BF16);
    check_linear(sizes, sizeof sizes / sizeof sizes[0], BK_F16);
    assert_no_failures();
}

/* Kernels of every level, on every pattern and at every length of a rest. */
static void widening_is_exact_at_every_level(void **state)
{
    (void)state;
    enum { ALL = 1 << 16 };
    static uint16_t half[ALL];
    static float wide[ALL + 1];
    for (int32_t i = 0; i < ALL; i++)
        half[i] = (uint16_t)i;
    for (int level = 0; level <= 4; level++)
        for (int32_t type = BK_BF16; type <= BK_F16; type++) {
            const cpu_kernels *k = cpu_kernels_for(level);
            k->widen(half, type, ALL, wide);
            for (int32_t i = 0; i < ALL; i++) {
                float want = bk_widen(type, half[i]);
                if (isnan(want) ? !isnan(wide[i]) : memcmp(&want, &wide[i], sizeof want) != 0)
                    fail_msg("%s: %04x%s is %.9g, not %.9g", k->name, (unsigned)i, type_name(type),
                             (double)wide[i], (double)want);
            }
            for (size_t n = 0; n < 70; n++) {
                wide[n] = -1;
                k->widen(half + 0x3C01, type, n, wide);
                assert_true(wide[n] == -1);
                for (size_t i = 0; i < n; i++)
                    assert_true(wide[i] == bk_widen(type, half[0x3C01 + i]));
            }
        }
}

/* ---- gradient cases: the inputs of a forward case, what it gave, and a random dy ---- */

static void round_to_float(double *value, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        value[i] = (float)value[i];
}

static double *copy_values(const double *value, int64_t n)
{
    double *copy = new_array(n, sizeof *copy);
    memcpy(copy, value, (size_t)n * sizeof *copy);
    return copy;
}

static void add_input(op_case *c, bk_shape s, double *value)
{
    c->in[c->n_in] = s;
    c->in_value[c->n_in++] = value;
}

/* Whether a gradient op reads its forward op's input k. */
static bool reads_input(bk_op op, int32_t k)
{
    switch (op) {
    case BK_LAYER_NORM_GRAD: /* not the bias */
        return k < 2;
    case BK_CONV_GRAD_INPUT:
        return k == 1;
    case BK_CONV_GRAD_WEIGHT:
        return k == 0;
    case BK_REFLECT_GRAD:
    case BK_RESIZE_LINEAR_GRAD:
        return false;
    default:
        return true;
    }
}

/* The forward op's input whose gradient is output 0; those that follow are of the next inputs. */
static int32_t first_gradient(bk_op op)
{
    return op == BK_CONV_GRAD_WEIGHT;
}

static bool is_one_gradient(bk_op op)
{
    return op == BK_CONV_GRAD_INPUT || op == BK_CONV_GRAD_WEIGHT;
}

/* Output k of the gradient op is the gradient of the forward op's input k, first_gradient() aside. `rounding`
 * is applied to the forward op's outputs that the gradient op reads; NULL: none is. */
static op_case gradient_case(bk_op op, op_case *forward, void (*rounding)(double *, int64_t))
{
    op_case c = {.op = op, .attr = forward->attr};
    int32_t first = first_gradient(op);
    c.attr.has_bias = forward->attr.has_bias && !is_one_gradient(op);
    bool reads_outputs = op == BK_ATTENTION_GRAD || op == BK_WINDOW_ATTENTION_GRAD;
    double *out[BK_MAX_OUT];
    draw_inputs(forward);
    compute_truth(forward, forward->in_value, out);
    for (int32_t k = 0; k < forward->n_in; k++)
        if (reads_input(op, k))
            add_input(&c, forward->in[k], copy_values(forward->in_value[k], bk_count(&forward->in[k])));
    for (int32_t k = 0; reads_outputs && k < forward->n_out; k++) {
        int64_t n = bk_count(&forward->out[k]);
        if (rounding)
            rounding(out[k], n);
        add_input(&c, forward->out[k], copy_values(out[k], n));
    }
    add_input(&c, forward->out[0], NULL);
    draw_inputs(&c);
    c.n_out = is_one_gradient(op) ? 1 : forward->n_in;
    for (int32_t k = 0; k < c.n_out; k++)
        c.out[k] = forward->in[first + k];
    free_values(out, forward->n_out);
    return c;
}

/* ---- normalisation ---- */

static op_case layer_norm_case(const char *rows, int64_t width, domain from)
{
    op_case c = {.op = BK_LAYER_NORM, .n_in = 3, .n_out = 1, .from = {from}};
    c.in[0] = shape(rows);
    c.in[0].dim[c.in[0].rank++] = width;
    c.in[1] = c.in[2] = shape_of(1, width, 0, 0);
    c.out[0] = c.in[0];
    /* Of two numbers, normalised, only the order is left and dx is nearly 0: a larger eps keeps it. */
    c.attr.eps = width <= 4 ? 0.5 : 1e-5;
    /* The mean is found to u sqrt(C) of its size, and divided by the deviation. */
    c.tolerance = from == OFFSET ? sum_tolerance(width) / 4 * 100 / 0.58 : sum_tolerance(width);
    return c;
}

static void layer_norm_and_its_gradient_match_float64(void **state)
{
    (void)state;
    static const int64_t widths[] = {1, 2, 3, 4, 7, 8, 16, 17, 33, 48, 96, 100, 768, 1031};
    static const char *const rows[] = {"", "1", "3", "2x5", "1x2x1x3x2", "67"};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
            op_case c = layer_norm_case(rows[r], widths[w], ANY_VALUE);
            op_case g = gradient_case(BK_LAYER_NORM_GRAD, &c, round_to_float);
            /* Two sums of C terms for dx, sums over the rows for dgain and dbias. */
            g.tolerance = c.tolerance + sum_tolerance(bk_count(&c.in[0]) / widths[w]);
            check_case(&c);
            check_case(&g);
        }
    assert_no_failures();
}

static void layer_norm_survives_a_large_mean(void **state)
{
    (void)state;
    static const int64_t widths[] = {7, 16, 96, 257};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        op_case c = layer_norm_case("5", widths[w], OFFSET);
        op_case g = gradient_case(BK_LAYER_NORM_GRAD, &c, round_to_float);
        g.tolerance = c.tolerance;
        check_case(&c);
        check_case(&g);
    }
    assert_no_failures();
}

static void softmax_matches_float64(void **state)
{
    (void)state;
    static const char *const shapes[] = {"1",    "2",    "7",        "8",           "33",     "3x1",
                                         "5x17", "64x9", "2x3x2x65", "2x1x3x2x2x5", "3x1000", "2x4096"};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int d = 0; d < 3; d++) {
            static const domain from[] = {WIDE, EXTREME, OFFSET}; /* e^100 overflows a float */
            op_case c = {.op = BK_SOFTMAX, .n_in = 1, .n_out = 1, .from = {from[d]}};
            c.in[0] = c.out[0] = shape(shapes[i]);
            /* x - max is exact to u times its size, and exp makes that relative; then a sum. */
            c.tolerance = sum_tolerance(c.in[0].dim[c.in[0].rank - 1]) + ONE_FUNCTION + 16 * U;
            check_case(&c);
        }
    assert_no_failures();
}

/* ---- instance norm ---- */

/* Sums over the pixels of a sample. */
static op_case instance_norm_case(const char *x, double alpha, domain from)
{
    op_case c = {.op = BK_INSTANCE_NORM, .n_in = 1, .n_out = 1, .from = {from}};
    c.in[0] = c.out[0] = shape(x);
    c.attr.alpha = alpha;
    int64_t pixels = bk_count(&c.in[0]) / c.in[0].dim[0] / c.in[0].dim[c.in[0].rank - 1];
    /* Of two numbers, normalised, only the order is left and dx is nearly 0: a larger eps keeps it. */
    c.attr.eps = pixels <= 4 ? 0.5 : 1e-5;
    c.tolerance = sum_tolerance(pixels);
    return c;
}

/* Also with a mean of 170 deviations: a kernel that takes the mean off exactly loses nothing by it. */
static void instance_norm_and_its_gradient_match_float64(void **state)
{
    (void)state;
    static const char *const shapes[] = {"1x1x1",       "2x1x5",      "1x2x1",      "1x3x4",      "3x7x17",
                                         "1x64x3",      "2x5x9x16",   "1x6x5x64",   "3x3x3x130",  "1x31x33x1",
                                         "2x40x40x3",   "1x48x48x17", "1x20x21x64", "1x2x3x4x70", "2x9x8x7x5",
                                         "1x3x2x2x2x7", "1x500x130",  "1x4x5x1030", "2x130x64"};
    static const domain from[] = {ANY_VALUE, OFFSET};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t d = 0; d < sizeof from / sizeof from[0]; d++)
            for (int leaky = 0; leaky < 2; leaky++) {
                op_case c = instance_norm_case(shapes[i], leaky ? 0.2 : 1, from[d]);
                op_case g = gradient_case(BK_INSTANCE_NORM_GRAD, &c, round_to_float);
                g.tolerance = 2 * c.tolerance; /* sums of sums */
                check_case(&c);
                check_case(&g);
            }
    assert_no_failures();
}

/* One pixel in each sample, or all alike: the variance is 0, and so are z and dx. */
static void instance_norm_of_equal_pixels_is_zero(void **state)
{
    (void)state;
    static const char *const shapes[] = {"2x1x19", "1x1x1x1x5", "1x7x9x3", "1x50x41x64"};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        op_case c = instance_norm_case(shapes[i], 0.2, OFFSET);
        int64_t channels = c.in[0].dim[c.in[0].rank - 1], n = bk_count(&c.in[0]);
        c.tolerance = EXACT;
        draw_inputs(&c);
        for (int64_t k = channels; k < n; k++)
            c.in_value[0][k] = c.in_value[0][k % channels];
        check_case(&c);
    }
    assert_no_failures();
}

/* ---- convolution ---- */

typedef struct conv_row {
    const char *x;      /* B, S..., C */
    const char *kernel; /* K... */
    int64_t out;        /* O */
    int32_t stride, pad;
} conv_row;

static op_case conv_case(const conv_row *r, bool bias)
{
    op_case c = {.op = BK_CONV, .n_in = bias ? 3 : 2, .n_out = 1};
    bk_shape kernel = shape(r->kernel);
    c.attr.stride = r->stride;
    c.attr.pad = r->pad;
    c.attr.has_bias = bias;
    c.in[0] = c.out[0] = shape(r->x);
    c.in[1] = shape_of(2, r->out, c.in[0].dim[c.in[0].rank - 1], 0);
    c.in[2] = shape_of(1, r->out, 0, 0);
    for (int32_t i = 0; i < kernel.rank; i++) {
        c.in[1].dim[c.in[1].rank++] = kernel.dim[i];
        c.out[0].dim[1 + i] = (c.in[0].dim[1 + i] + 2 * r->pad - kernel.dim[i]) / r->stride + 1;
    }
    c.out[0].dim[kernel.rank + 1] = r->out;
    c.tolerance = sum_tolerance(bk_count(&c.in[1]) / r->out);
    return c;
}

/* With bias and without; the gradients do not know it. */
static void check_conv(const conv_row *r)
{
    for (int bias = 0; bias < 2; bias++) {
        op_case c = conv_case(r, bias);
        check_case(&c);
    }
    op_case c = conv_case(r, false);
    op_case input = gradient_case(BK_CONV_GRAD_INPUT, &c, round_to_float);
    op_case weight = gradient_case(BK_CONV_GRAD_WEIGHT, &c, round_to_float);
    input.tolerance = sum_tolerance(bk_count(&c.in[1]) / c.in[1].dim[1]);
    weight.tolerance = sum_tolerance(bk_count(&c.out[0]) / r->out);
    free_case(&c);
    check_case(&input);
    check_case(&weight);
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
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        check_conv(&rows[r]);
    assert_no_failures();
}

/* ---- maps over space ---- */

static void reflect_and_its_gradient_match_float64_up_to_the_whole_length(void **state)
{
    (void)state;
    static const struct {
        const char *x;
        int64_t border[BK_MAX_RANK];
    } rows[] = {
        {"", {0}},
        {"1", {0}},
        {"4", {2}},
        {"5", {4}},
        {"300", {299}},
        {"2x7x3", {0, 1, 0}},
        {"1x2x16", {0, 1, 0}},
        {"3x9x17", {0, 8, 0}},
        {"1x5x6x1", {0, 3, 3, 0}},
        {"3x7x8x17", {0, 1, 3, 0}},
        {"1x4x33x3", {0, 3, 32, 0}},
        {"2x8x7x64", {0, 3, 0, 0}},
        {"1x60x50x16", {0, 3, 3, 0}},
        {"2x3x4x5x7", {0, 2, 1, 4, 0}},
        {"1x3x4x5x130", {0, 1, 1, 1, 0}},
        {"2x3x4", {1, 2, 3}},
        {"3x2x3x2x3x2", {1, 1, 2, 0, 1, 1}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        op_case c = {.op = BK_REFLECT, .n_in = 1, .n_out = 1, .tolerance = EXACT};
        int64_t most = 1;
        c.in[0] = c.out[0] = shape(rows[r].x);
        for (int32_t i = 0; i < c.in[0].rank; i++) {
            c.attr.axes[i] = rows[r].border[i];
            c.out[0].dim[i] += 2 * rows[r].border[i];
            most *= rows[r].border[i] ? 3 : 1;
        }
        op_case g = gradient_case(BK_REFLECT_GRAD, &c, round_to_float);
        g.tolerance = sum_tolerance(most);
        check_case(&c);
        check_case(&g);
    }
    assert_no_failures();
}

static void resizing_and_its_gradient_match_float64_up_and_down(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"1x1x1", "1x1x1"},           {"1x1x3", "1x4x3"},           {"1x2x1", "1x4x1"},
        {"2x9x17", "2x18x17"},        {"3x10x16", "3x15x16"},       {"1x30x3", "1x7x3"},
        {"1x300x64", "1x299x64"},     {"1x5x6x3", "1x10x12x3"},     {"3x4x6x17", "3x6x9x17"},
        {"1x9x8x130", "1x4x3x130"},   {"1x7x5x64", "1x7x5x64"},     {"2x6x5x16", "2x3x10x16"},
        {"1x1x9x5", "1x3x4x5"},       {"1x40x41x16", "1x80x82x16"}, {"1x3x4x5x3", "1x6x8x10x3"},
        {"2x4x3x5x17", "2x6x2x5x17"}, {"1x6x5x4x64", "1x1x1x1x64"}, {"1x2x2x2x1", "1x9x11x13x1"},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        op_case c = {.op = BK_RESIZE_LINEAR, .n_in = 1, .n_out = 1, .tolerance = sum_tolerance(8)};
        c.in[0] = shape(rows[r][0]);
        c.out[0] = shape(rows[r][1]);
        op_case g = gradient_case(BK_RESIZE_LINEAR_GRAD, &c, round_to_float);
        double shares = 1; /* that a pixel has */
        for (int32_t i = 1; i < c.in[0].rank - 1; i++)
            shares *= 2 + 2 * (double)c.out[0].dim[i] / (double)c.in[0].dim[i];
        g.tolerance = sum_tolerance((int64_t)shares);
        check_case(&c);
        check_case(&g);
    }
    assert_no_failures();
}

/* ---- attention ---- */

static op_case attention_case(int64_t images, int64_t tokens, int64_t heads, int64_t width)
{
    op_case c = {.op = BK_ATTENTION, .n_in = 1, .n_out = 2};
    c.attr.heads = (int32_t)heads;
    c.attr.alpha = 1 / sqrt((double)width);
    c.in[0] = shape_of(3, images, tokens, 3 * heads * width);
    c.out[0] = shape_of(3, images, tokens, heads * width);
    c.out[1] = shape_of(3, images, heads, tokens);
    c.tolerance = attention_tolerance(tokens, width, c.attr.alpha);
    return c;
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

static op_case window_case(const int64_t d[7])
{
    op_case c = {.op = BK_WINDOW_ATTENTION, .n_in = 2, .n_out = 2};
    int64_t images = d[0], tokens = d[1] * d[2], side = 2 * d[3] - 1, heads = d[5], width = d[6];
    c.attr.grid_h = (int32_t)d[1];
    c.attr.grid_w = (int32_t)d[2];
    c.attr.window = (int32_t)d[3];
    c.attr.shift = (int32_t)d[4];
    c.attr.heads = (int32_t)heads;
    c.attr.alpha = 1 / sqrt((double)width);
    c.in[0] = shape_of(3, images, tokens, 3 * heads * width);
    c.in[1] = shape_of(2, side * side, heads, 0);
    c.out[0] = shape_of(3, images, tokens, heads * width);
    c.out[1] = shape_of(3, images, heads, tokens);
    /* dtable sums over all windows; the forward op over the tokens of one. */
    c.tolerance = attention_tolerance(d[3] * d[3], width, c.attr.alpha);
    return c;
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

/* Up to 2^48 a power needs no maximum taken off, and the cpu back end takes none. */
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

/* ---- the reference itself ---- */

static double loss(const op_case *forward, double *const in[], const double *dy)
{
    double *out[BK_MAX_OUT], sum = 0;
    compute_truth(forward, in, out);
    for (int64_t i = 0; i < bk_count(&forward->out[0]); i++)
        sum += dy[i] * out[0][i];
    free_values(out, forward->n_out);
    return sum;
}

static void check_against_differences(bk_op op, op_case *forward)
{
    /* Central differences: h^2 times a third derivative, and rounding 1e-16 / h: both below 1e-8. */
    const double h = 1e-5, tolerance = 1e-8;
    op_case g = gradient_case(op, forward, NULL);
    double *gradient[BK_MAX_OUT];
    const double *dy = g.in_value[g.n_in - 1];
    compute_truth(&g, g.in_value, gradient);
    for (int32_t k = 0; k < g.n_out; k++) {
        double largest = 0, error = 0;
        for (int64_t i = 0; i < bk_count(&g.out[k]); i++) {
            double *x = &forward->in_value[first_gradient(op) + k][i], kept = *x;
            *x = kept + h;
            double up = loss(forward, forward->in_value, dy);
            *x = kept - h;
            double down = loss(forward, forward->in_value, dy);
            *x = kept;
            largest = fmax(largest, fabs(gradient[k][i]));
            double e = fabs((up - down) / (2 * h) - gradient[k][i]);
            error = e <= error ? error : e;
        }
        checks++;
        if (!(error <= tolerance * fmax(largest, 1e-3))) {
            failures++;
            print_error("%s: output %d is %.3g off finite differences, largest %.3g\n", describe_case(&g), k,
                        error, largest);
        }
    }
    free_values(gradient, g.n_out);
    free_case(&g);
    free_case(forward);
}

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

static void products_of_the_reference_are_the_definition(void **state)
{
    (void)state;
    enum { M = 7, K = 9, N = 70, BATCH = 2 };
    for (int trans = 0; trans < 4; trans++) {
        int ta = trans & 1, tb = trans >> 1;
        op_case c = {.op = BK_MATMUL, .attr = {.trans_a = ta, .trans_b = tb}, .n_in = 2, .n_out = 1};
        c.in[0] = ta ? shape_of(3, BATCH, K, M) : shape_of(3, BATCH, M, K);
        c.in[1] = tb ? shape_of(3, BATCH, N, K) : shape_of(3, BATCH, K, N);
        c.out[0] = shape_of(3, BATCH, M, N);
        double *out[BK_MAX_OUT];
        draw_inputs(&c);
        compute_truth(&c, c.in_value, out);
        for (int b = 0; b < BATCH; b++)
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++) {
                    const double *x = c.in_value[0] + b * M * K, *y = c.in_value[1] + b * K * N;
                    double sum = 0;
                    for (int k = 0; k < K; k++)
                        sum += (ta ? x[k * M + i] : x[i * K + k]) * (tb ? y[j * K + k] : y[k * N + j]);
                    assert_true(fabs(out[0][(b * M + i) * N + j] - sum) < 1e-13);
                }
        free(out[0]);
        free_case(&c);
    }
}

/* ---- known values ---- */

static void expect_values(op_case *c, double *const in[], const double *want)
{
    double *out[BK_MAX_OUT];
    compute_truth(c, in, out);
    for (int64_t i = 0; i < bk_count(&c->out[0]); i++)
        if (fabs(out[0][i] - want[i]) > 1e-12)
            fail_msg("%s: element %d is %.15g, not %.15g", describe_case(c), (int)i, out[0][i], want[i]);
    free(out[0]);
}

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
    /* Two channels in and out, no padding: cross-correlation, the kernel not turned. x[s] = (s, 10 s). */
    double x[8] = {0, 0, 1, 10, 2, 20, 3, 30}, k[8] = {1, 2, 3, 4, 5, 6, 7, 8}, *of[] = {x, k};
    c = conv_case(&(conv_row){"1x4x2", "2", 2, 1, 0}, false);
    /* y[s,0] = s + 2 (s+1) + 30 s + 40 (s+1);  y[s,1] = 5 s + 6 (s+1) + 70 s + 80 (s+1) */
    expect_values(&c, of, (const double[]){42, 86, 115, 247, 188, 408});
    c = (op_case){.op = BK_CONV_GRAD_INPUT, .n_in = 2, .n_out = 1, .attr = {.stride = 2}};
    c.in[0] = shape("1x1x2");
    c.in[1] = shape("1x2x1");
    c.out[0] = shape("1x5x1"); /* its last pixel is not read */
    expect_values(&c, (double *[]){k, k}, (const double[]){1, 2, 2, 4, 0});
}

static void maps_over_space_of_the_reference_have_known_values(void **state)
{
    (void)state;
    double x[] = {0, 1, 2, 3}, pair[] = {0, 1}, y[] = {1, 2, 3, 4, 5, 6, 7, 8}, *in[] = {x};
    op_case c = {.op = BK_REFLECT, .n_in = 1, .n_out = 1, .attr.axes = {2}};
    c.in[0] = shape("4");
    c.out[0] = shape("8");
    expect_values(&c, in, (const double[]){2, 1, 0, 1, 2, 3, 2, 1});
    c.op = BK_REFLECT_GRAD;
    c.in[0] = shape("8");
    c.out[0] = shape("4");
    expect_values(&c, (double *[]){y}, (const double[]){3, 14, 13, 6});
    c = (op_case){.op = BK_RESIZE_LINEAR, .n_in = 1, .n_out = 1};
    c.in[0] = shape("1x2x1");
    c.out[0] = shape("1x4x1");
    expect_values(&c, (double *[]){pair}, (const double[]){0, 0.25, 0.75, 1});
    c.in[0] = shape("1x4x1");
    c.out[0] = shape("1x2x1");
    expect_values(&c, in, (const double[]){0.5, 2.5});
    c.op = BK_RESIZE_LINEAR_GRAD;
    c.out[0] = shape("1x2x1");
    expect_values(&c, (double *[]){y}, (const double[]){1 + 2 * 0.75 + 3 * 0.25, 2 * 0.25 + 3 * 0.75 + 4});
}

static void instance_norm_of_the_reference_has_known_values(void **state)
{
    (void)state;
    /* Channel 0 has mean 2 and variance 1, with eps 4; channel 1 is constant. */
    double x[] = {1, 3, 3, 3, 1, 3, 3, 3}, *in[] = {x};
    op_case c = {.op = BK_INSTANCE_NORM, .n_in = 1, .n_out = 1, .attr = {.alpha = 0.5, .eps = 3}};
    c.in[0] = c.out[0] = shape("1x2x2x2");
    expect_values(&c, in, (const double[]){-0.25, 0, 0.5, 0, -0.25, 0, 0.5, 0});
}

/* ---- Adam ---- */

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

/* ---- what a back end refuses, and what it does without memory ---- */

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

static void expect_refused(const op_case *c)
{
    for (int i = 0; i < SUBJECTS; i++) {
        subject *s = &subjects[i];
        bk_call call = call_of(c);
        if (!s->open)
            continue;
        int64_t live = s->host.live;
        bk_status status = s->backend()->prepare(s->device, &call);
        checks++;
        if (status != BK_ERR_UNSUPPORTED)
            report(s, c, "prepare() gave %d, not BK_ERR_UNSUPPORTED", (int)status);
        if (status == BK_OK)
            s->backend()->release(s->device, &call);
        if (s->host.live != live)
            report(s, c, "a refused call left %d blocks", (int)(s->host.live - live));
    }
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
    c.attr.stride = 0;
    expect_refused(&c);
    c = conv;
    c.attr.pad = -1;
    expect_refused(&c);
    c = conv;
    c.n_in = 2;
    expect_refused(&c);
    c = (op_case){.op = BK_CONV, .n_in = 2, .n_out = 1, .attr.stride = 1}; /* four spatial axes */
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

/* Of a linear layer's tensors, w alone may be of 16 bits; of a matmul's, none. */
static void only_the_weight_of_a_linear_layer_has_16_bits(void **state)
{
    (void)state;
    for (int i = 0; i < SUBJECTS; i++)
        for (int32_t k = 0; k < 6 && subjects[i].open; k++) {
            subject *s = &subjects[i];
            op_case c = {.op = BK_LINEAR, .n_in = 4, .n_out = 1, .attr = {.has_bias = 1, .has_residual = 1}};
            c.in[0] = shape("40x8");
            c.in[1] = shape("8x8");
            c.in[2] = shape("8");
            c.in[3] = c.out[0] = c.in[0];
            if (k == 5) {
                c.op = BK_MATMUL;
                c.n_in = 2;
                c.attr = (bk_attr){.trans_b = 1};
            }
            *(k == 4 ? &c.out[0] : &c.in[k == 5 ? 1 : k]) =
                with_type(k == 4 ? c.out[0] : c.in[k == 5 ? 1 : k], BK_F16);
            bk_call call = call_of(&c);
            bk_status status = s->backend()->prepare(s->device, &call);
            assert_int_equal(status, k == 1 ? BK_OK : BK_ERR_UNSUPPORTED);
            if (status == BK_OK)
                s->backend()->release(s->device, &call);
        }
}

static op_case one_case_of(bk_op op)
{
    op_case c = {.op = op, .n_in = 1, .n_out = 1};
    c.in[0] = c.in[1] = c.out[0] = shape("4x8x6");
    if ((op >= BK_ADD && op <= BK_GELU_GRAD) || op == BK_CONCAT)
        c.n_in = 2;
    if (op == BK_CONCAT)
        c.out[0] = shape("8x8x6");
    if (op == BK_TRANSPOSE)
        memcpy(c.attr.axes, (const int64_t[BK_MAX_RANK]){0, 1, 2}, sizeof c.attr.axes);
    if (op == BK_SUM || op == BK_REDUCE_MAX) {
        c.attr.axes[1] = 1;
        c.out[0] = shape("4x1x6");
    }
    if (op == BK_GATHER || op == BK_SCATTER) {
        c.n_in = 2;
        c.in[1] = with_type(shape("4x8"), BK_I32);
        c.index_limit = 8;
        c.from[1] = INDEX;
    }
    if (op == BK_MATMUL) {
        c.n_in = 2;
        c.attr.trans_b = 1;
        c.out[0] = shape("4x8x8");
    }
    if (op == BK_LINEAR) {
        c.n_in = 3;
        c.attr.has_bias = 1;
        c.in[1] = shape("5x6");
        c.in[2] = shape("5");
        c.out[0] = shape("4x8x5");
    }
    if (op == BK_REFLECT || op == BK_REFLECT_GRAD) {
        c.attr.axes[1] = 2;
        *(op == BK_REFLECT ? &c.out[0] : &c.in[0]) = shape("4x12x6");
    }
    if (op == BK_RESIZE_LINEAR || op == BK_RESIZE_LINEAR_GRAD)
        c.out[0] = shape("4x5x6");
    op_case forward =
        op == BK_LAYER_NORM || op == BK_LAYER_NORM_GRAD         ? layer_norm_case("9", 16, ANY_VALUE)
        : op == BK_INSTANCE_NORM || op == BK_INSTANCE_NORM_GRAD ? instance_norm_case("1x9x16", 1, ANY_VALUE)
        : op >= BK_CONV && op <= BK_CONV_GRAD_WEIGHT
            ? conv_case(&(conv_row){"1x9x8x3", "3x3", 16, 2, 1}, op == BK_CONV)
        : op == BK_ATTENTION || op == BK_ATTENTION_GRAD ? attention_case(1, 17, 2, 8)
                                                        : window_case((const int64_t[]){1, 4, 8, 4, 2, 2, 8});
    if (op == forward.op)
        return forward;
    if (op == BK_LAYER_NORM_GRAD || op == BK_ATTENTION_GRAD || op == BK_WINDOW_ATTENTION_GRAD ||
        op == BK_INSTANCE_NORM_GRAD || op == BK_CONV_GRAD_INPUT || op == BK_CONV_GRAD_WEIGHT) {
        c = gradient_case(op, &forward, round_to_float);
        free_case(&forward);
    }
    return c;
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

#define COUNTED(test) cmocka_unit_test_setup(test, begin_count)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COUNTED(gelu_of_the_reference_has_known_values),
        COUNTED(products_of_the_reference_are_the_definition),
        COUNTED(attention_of_the_reference_is_the_definition),
        COUNTED(convolution_of_the_reference_has_known_values),
        COUNTED(maps_over_space_of_the_reference_have_known_values),
        COUNTED(instance_norm_of_the_reference_has_known_values),
        COUNTED(gradient_ops_of_the_reference_match_finite_differences),
        COUNTED(reference_serves_every_op_and_cpu_every_op_in_float32),
        COUNTED(what_is_not_served_is_unsupported),
        COUNTED(convolutions_and_maps_of_unfit_shapes_are_unsupported),
        COUNTED(only_the_weight_of_a_linear_layer_has_16_bits),
        COUNTED(a_failed_allocation_is_reported_and_nothing_leaks),
        COUNTED(transpose_moves_any_axes),
        COUNTED(slice_cuts_and_pad_puts_back),
        COUNTED(concat_joins_two_to_eight),
        COUNTED(broadcast_repeats_every_set_of_axes),
        COUNTED(gather_picks_and_scatter_adds_rows),
        COUNTED(functions_of_one_input_match_float64),
        COUNTED(two_inputs_broadcast_along_every_pattern_of_axes),
        COUNTED(both_inputs_and_the_output_may_be_one_tensor),
        COUNTED(gelu_grad_matches_float64),
        COUNTED(reductions_match_float64_for_every_set_of_axes),
        COUNTED(reduce_max_of_negative_numbers_is_negative),
        COUNTED(matmul_matches_float64_for_all_transposes_and_batches),
        COUNTED(linear_matches_float64_with_every_epilogue),
        COUNTED(linear_with_weights_of_16_bits_matches_float64),
        COUNTED(widening_is_exact_at_every_level),
        COUNTED(layer_norm_and_its_gradient_match_float64),
        COUNTED(layer_norm_survives_a_large_mean),
        COUNTED(softmax_matches_float64),
        COUNTED(instance_norm_and_its_gradient_match_float64),
        COUNTED(instance_norm_of_equal_pixels_is_zero),
        COUNTED(convolution_and_its_gradients_match_float64_for_every_kernel_stride_and_pad),
        COUNTED(convolution_matches_float64_for_channels_and_sizes_around_a_block),
        COUNTED(reflect_and_its_gradient_match_float64_up_to_the_whole_length),
        COUNTED(resizing_and_its_gradient_match_float64_up_and_down),
        COUNTED(attention_matches_float64_for_every_head_width_and_ragged_length),
        COUNTED(attention_survives_large_scores),
        COUNTED(window_attention_matches_float64_for_every_window_shift_and_grid),
        COUNTED(attention_matches_float64_right_below_and_above_scores_that_need_a_maximum),
        COUNTED(adam_matches_float64_over_many_steps),
    };
    return cmocka_run_group_tests(tests, open_subjects, close_subjects);
}
