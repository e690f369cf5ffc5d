/* SPDX-License-Identifier: Apache-2.0 */
/* harness.c - draws the inputs of a case, runs it on every backend, and compares. */
#include "tests/backends/harness.h"

#include <inttypes.h>
#include <stdio.h>

#include "tests/plugins/carrier.h"
#ifdef CUDA_EMULATION
#include "tests/cuda/cuda_host.h"
#endif

/* ---- tolerances ---- */

/* A sum of k terms in any order: each partial sum is rounded, the roundings are independent, and the
 * result is about u sqrt(k) off where the terms have one sign, and less relative to the largest of
 * several results where they have not. Four times that, and a few roundings around it. */
double sum_tolerance(int64_t k)
{
    return 4 * U * (sqrt((double)k) + 4);
}

/* exp(s) turns the absolute error of a score s into a relative one. A score is a sum of `width` terms
 * and its size, for the inputs drawn here (deviation 0.6, mean 0.25), about `size` at the largest. */
double attention_tolerance(int64_t tokens, int64_t width, double scale)
{
    double d = (double)width, size = scale * (1.6 * sqrt(d) + d / 16);
    return sum_tolerance(tokens) + sum_tolerance(width) * (size > 1 ? size : 1);
}

/* ---- cases ---- */

static uint64_t random_state;

static double random_unit(void) /* splitmix64, to [0, 1) */
{
    uint64_t z = (random_state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

double draw(domain from, int64_t i, int64_t index_limit)
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

void *new_array(int64_t n, size_t size)
{
    void *p = calloc(n > 0 ? (size_t)n : 1, size);
    assert_non_null(p);
    return p;
}

/* The pattern of the largest finite 16-bit float not above a magnitude. With p bits of fraction a number
 * between 2^e and 2^(e + 1) is a whole multiple of 2^(e - p). Its pattern is that whole number, plus 2^p for
 * each step of e above the smallest exponent. */
static uint16_t half_below(int32_t type, double magnitude)
{
    const int fraction = type == BK_F16 ? 10 : 7, smallest = type == BK_F16 ? -14 : -126;
    const uint16_t most = type == BK_F16 ? 0x7BFF : 0x7F7F;
    int e = magnitude > 0 ? ilogb(magnitude) : smallest;
    if (e < smallest)
        e = smallest;
    double pattern = floor(ldexp(magnitude, fraction - e)) + ldexp(e - smallest, fraction);
    return pattern < most ? (uint16_t)pattern : most;
}

static uint16_t to_half(int32_t type, double x)
{
    return (uint16_t)(half_below(type, fabs(x)) | (signbit(x) ? 0x8000 : 0));
}

/* Values that the tensor's type holds exactly (a float, else), so that every type computes from the same
 * numbers. */
void draw_inputs(op_case *c)
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

void free_case(op_case *c)
{
    for (int32_t k = 0; k < BK_MAX_IN; k++)
        free(c->in_value[k]);
}

const char *type_name(int32_t type)
{
    return type == BK_BF16 ? " bfloat16" : type == BK_F16 ? " float16" : "";
}

/* "2x3x5", "7", or "" for a scalar. */
bk_shape shape(const char *text)
{
    bk_shape s = {.dtype = BK_F32};
    while (*text) {
        char *end;
        s.dim[s.rank++] = strtoll(text, &end, 10);
        text = *end == 'x' ? end + 1 : end;
    }
    return s;
}

bk_shape shape_of(int32_t rank, int64_t d0, int64_t d1, int64_t d2)
{
    return (bk_shape){.dtype = BK_F32, .rank = rank, .dim = {d0, d1, d2}};
}

bk_shape with_type(bk_shape s, bk_dtype dtype)
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
        {"stride[0]", a->stride[0]},
        {"stride[1]", a->stride[1]},
        {"stride[2]", a->stride[2]},
        {"dilation[0]", a->dilation[0]},
        {"dilation[1]", a->dilation[1]},
        {"dilation[2]", a->dilation[2]},
        {"pad[0]", a->pad[0]},
        {"pad[1]", a->pad[1]},
        {"pad[2]", a->pad[2]},
        {"pad_end[0]", a->pad_end[0]},
        {"pad_end[1]", a->pad_end[1]},
        {"pad_end[2]", a->pad_end[2]},
        {"groups", a->groups},
        {"mode", a->mode},
        {"kernel[0]", a->kernel[0]},
        {"kernel[1]", a->kernel[1]},
        {"kernel[2]", a->kernel[2]},
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

bk_call call_of(const op_case *c)
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

bool is_index(const op_case *c, int32_t k)
{
    switch (c->op) {
    case BK_GATHER:
    case BK_SCATTER:
    case BK_PICK:
    case BK_PUT:
    case BK_CROSS_ENTROPY:
    case BK_CROSS_ENTROPY_GRAD:
        return k == 1;
    case BK_CAST:
    case BK_ONE_HOT:
    case BK_UNIFORM:
    case BK_NORMAL:
        return k == 0;
    default:
        return false;
    }
}

static bool gives_index(const op_case *c, int32_t k)
{
    return (c->op == BK_ARGMAX && k == 0) || ((c->op == BK_SORT || c->op == BK_MAX_POOL) && k == 1);
}

static void widen_index(const int32_t *index, int64_t n, double *value)
{
    for (int64_t i = 0; i < n; i++)
        value[i] = index[i];
}

void compute_truth(const op_case *c, double *const in[], double *out[])
{
    bk_call call = call_of(c);
    int32_t *index = NULL, *place[BK_MAX_OUT] = {NULL};
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
        if (!gives_index(c, k))
            continue;
        call.out[k].shape.dtype = BK_I32;
        call.out[k].data = place[k] = new_array(bk_count(&c->out[k]), sizeof(int32_t));
    }
    if (bk_reference()->prepare(truth_device, &call) != BK_OK)
        fail_msg("%s: %s", describe_case(c), truth_host.last_log);
    assert_int_equal(host_alloc(&truth_host, call.scratch_bytes, &call.scratch), BK_OK);
    assert_int_equal(bk_reference()->run(truth_device, &call), BK_OK);
    host_free(&truth_host, call.scratch);
    bk_reference()->release(truth_device, &call);
    free(index);
    for (int32_t k = 0; k < c->n_out; k++) {
        if (place[k])
            widen_index(place[k], bk_count(&c->out[k]), out[k]);
        free(place[k]);
    }
}

void free_values(double *value[], int32_t n)
{
    for (int32_t k = 0; k < n; k++)
        free(value[k]);
}

/* ---- the backends under test ---- */

subject subjects[SUBJECTS] = {
    {.name = "reference", .backend = bk_reference, .threads = 1, .level = BEST},
    {.name = "walled", .backend = bk_walled_host, .threads = 1, .level = BEST},
#ifdef CUDA_EMULATION
    /* The emulation takes another order of threads in each run. */
    {.name = "cuda, emulated",
     .backend = bk_cuda_host,
     .threads = 1,
     .level = BEST,
     .repeats = 2,
     .largest = 12000},
#endif
    {.name = "cpu, auto, 1 thread", .backend = bk_cpu, .threads = 1, .level = BEST},
    {.name = "cpu, auto, 2 threads", .backend = bk_cpu, .threads = 2, .level = BEST},
    {.name = "cpu, onednn, 1 thread",
     .backend = bk_cpu,
     .options = "matrix=onednn",
     .threads = 1,
     .level = BEST},
    {.name = "cpu, onednn, 2 threads",
     .backend = bk_cpu,
     .options = "matrix=onednn",
     .threads = 2,
     .level = BEST},
    {.name = "cpu, openblas, 1 thread",
     .backend = bk_cpu,
     .options = "matrix=openblas",
     .threads = 1,
     .level = BEST},
    {.name = "cpu, openblas, 2 threads",
     .backend = bk_cpu,
     .options = "matrix=openblas",
     .threads = 2,
     .level = BEST},
    {.name = "cpu, plain C, 2 threads", .backend = bk_cpu, .threads = 2, .level = PLAIN_C},
    {.name = "cpu, x86-64-v2, 3 threads", .backend = bk_cpu, .threads = 3, .level = 2},
    {.name = "cpu, x86-64-v3, 5 threads", .backend = bk_cpu, .threads = 5, .level = 3},
};

/* Levels that the machine lacks fall to the next lower one. */
bk_status open_subject(const subject *s, const bk_host *host, void **device)
{
    if (s->level != BEST)
        return cpu_open_level(host, s->options, s->level, device);
    return s->backend()->open(host, s->options, device);
}

static bool left_out[SUBJECTS];

/* tf32 has 11 bits of a factor, bfloat16 has 8; sums of many products stay within these. */
static double rounding_of(const char *options)
{
    return strstr(options, "bf16") ? 1e-2 : strstr(options, "tf32") ? 1e-3 : 0;
}

static void choose_subjects(void)
{
    const char *options = getenv("SLMT_TEST_CUDA_OPTIONS"), *largest = getenv("SLMT_TEST_CUDA_LARGEST");
    for (int i = 0; getenv("SLMT_TEST_CUDA") && i < SUBJECTS; i++) {
        subject *s = &subjects[i];
        left_out[i] = strncmp(s->name, "cuda", 4) != 0;
        if (left_out[i])
            continue;
        s->name = "cuda, plug-in";
        s->options = options;
        s->largest = largest ? atoll(largest) : 0;
        s->rounding = options ? rounding_of(options) : 0;
    }
}

int open_subjects(void **state)
{
    (void)state;
    choose_subjects();
    test_host_init(&truth_host, 1);
    if (bk_reference()->open(&truth_host.host, "", &truth_device) != BK_OK)
        return -1;
    for (int i = 0; i < SUBJECTS; i++) {
        subject *s = &subjects[i];
        test_host_init(&s->host, s->threads);
        if (left_out[i])
            continue;
        bk_status status = open_subject(s, &s->host.host, &s->device);
        s->open = status == BK_OK;
        if (s->open)
            print_message("testing %s: %s\n", s->name, s->backend()->describe(s->device));
        else if (s->options && status == BK_ERR_UNSUPPORTED)
            print_message("SKIPPED %s: %s\n", s->name,
                          s->host.last_log[0] ? s->host.last_log : "this build has no such library");
        else
            return print_error("%s: open() gave %d: %s\n", s->name, (int)status, s->host.last_log), -1;
    }
    return 0;
}

int close_subjects(void **state)
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
int failures, checks;
static double worst; /* error / tolerance, the largest seen */
static char worst_text[1200];

int begin_count(void **state)
{
    (void)state;
    failures = checks = 0;
    worst = 0;
    worst_text[0] = '\0';
    random_state = 20240229;
    return 0;
}

void assert_no_failures(void)
{
    if (worst > 0)
        print_message("  %d checks, largest error %.2f of its tolerance: %s\n", checks, worst, worst_text);
    assert_true(checks > 0);
    assert_int_equal(failures, 0);
}

void report(const subject *s, const op_case *c, const char *format, ...)
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

/* ---- one case on one backend ---- */

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
    double limit = c->tolerance == EXACT ? EXACT : fmax(c->tolerance, t->s->rounding);
    checks++;
    if (!(error <= limit * largest))
        report(t->s, c,
               "%s: output %d, element %" PRId64 " is %.9g, not %.9g: %.3g of the maximum, limit %.3g", when,
               k, at, get_value(t->out[k].data, &c->out[k], at), t->truth[k][at], error / largest, limit);
    else if (limit > 0 && error / largest / limit > worst) {
        worst = error / largest / limit;
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
    for (int32_t r = 0; r < (t->s->repeats ? t->s->repeats : 1); r++) {
        spoil_outputs(t);
        run_trial(t, 0x00);
        for (int32_t k = 0; k < t->c->n_out; k++)
            if (memcmp(first[k], t->out[k].data, t->out[k].bytes) != 0)
                report(t->s, t->c, "a second run gave other bits in output %d", k);
    }
    for (int32_t k = 0; k < t->c->n_out; k++)
        free(first[k]);
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

static bool is_too_large(const subject *s, const op_case *c)
{
    int64_t n = 0;
    for (int32_t k = 0; k < c->n_in; k++)
        n += bk_count(&c->in[k]);
    for (int32_t k = 0; k < c->n_out; k++)
        n += bk_count(&c->out[k]);
    return s->largest > 0 && n > s->largest;
}

void check_on(subject *s, const op_case *c, double *const truth[])
{
    if (is_too_large(s, c))
        return;
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

/* Draws a case's inputs, checks the case on every backend and frees it. */
void check_case(op_case *c)
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

/* ---- gradient cases: the inputs of a forward case, what it gave, and a random dy ---- */

void round_to_float(double *value, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        value[i] = (float)value[i];
}

double *copy_values(const double *value, int64_t n)
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
op_case gradient_case(bk_op op, op_case *forward, void (*rounding)(double *, int64_t))
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

void check_against_differences(bk_op op, op_case *forward)
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

void expect_values(op_case *c, double *const in[], const double *want)
{
    double *out[BK_MAX_OUT];
    compute_truth(c, in, out);
    for (int64_t i = 0; i < bk_count(&c->out[0]); i++)
        if (fabs(out[0][i] - want[i]) > 1e-12)
            fail_msg("%s: element %d is %.15g, not %.15g", describe_case(c), (int)i, out[0][i], want[i]);
    free(out[0]);
}

void expect_refused(const op_case *c)
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

bk_status run_case(const subject *s, op_case *c, void *const out[])
{
    bk_call call = call_of(c);
    draw_inputs(c);
    for (int32_t k = 0; k < c->n_in; k++) {
        call.in[k].data = new_array(1, tensor_bytes(&c->in[k]));
        put_values(call.in[k].data, &c->in[k], c->in_value[k]);
    }
    for (int32_t k = 0; k < c->n_out; k++)
        call.out[k].data = out[k];
    assert_int_equal(s->backend()->prepare(s->device, &call), BK_OK);
    fenced scratch = fenced_new(call.scratch_bytes, 0);
    call.scratch = scratch.data;
    bk_status status = s->backend()->begin(s->device);
    if (status == BK_OK)
        status = s->backend()->run(s->device, &call);
    s->backend()->end(s->device);
    s->backend()->release(s->device, &call);
    free(scratch.block);
    for (int32_t k = 0; k < c->n_in; k++)
        free(call.in[k].data);
    return status;
}
