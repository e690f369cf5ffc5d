/* SPDX-License-Identifier: Apache-2.0 */
/* Models whose linear layers' matrices are stored in 16 bits: what is rounded and what is not, files from and
 * to every kind of context, memory, synthesis, trainers; and bfloat16 arithmetic. The numbers themselves:
 * test_half.c. */
#include "lib/half.h"
#include "tests/api/api_fixture.h"

#include <float.h>

/* Contexts by what they hold. */
typedef enum kind { FULL, BFLOAT16, FLOAT16, FULL64, KINDS } kind;

static slmt_context *open_kind(kind k, int32_t backend)
{
    slmt_context_config c = config_for(k == FULL64 ? SLMT_BACKEND_REFERENCE : backend, 1, NULL);
    c.precision = k == FULL64 ? SLMT_FLOAT64 : SLMT_FLOAT32;
    c.weights = k == FULL64 ? SLMT_WEIGHTS_FULL : (int32_t)k;
    return open_with(&c);
}

/* Of the names and shapes alone: which tensors linear layers read and nothing else does. */
static int is_matrix(const slmt_tensor_info *info)
{
    const char *end = strrchr(info->name, '.');
    return info->used && ((info->rank == 2 && strcmp(end, ".weight") == 0) ||
                          strcmp(info->name, "E.patch_embed.proj.weight") == 0);
}

static float rounded(kind k, float x)
{
    bk_dtype half = k == FLOAT16 ? BK_F16 : BK_BF16;
    return k == BFLOAT16 || k == FLOAT16 ? bk_widen(half, half_narrow(half, x)) : x;
}

/* Every tensor of b is that of a, matrices rounded to `first`, then to `second`. */
static void expect_rounded(const slmt_model *a, const slmt_model *b, kind first, kind second)
{
    for (size_t i = 0; i < slmt_model_tensor_count(a); i++) {
        slmt_tensor_info info = tensor_info(a, i);
        size_t n, m;
        if (!info.used)
            continue;
        float *x = tensor_values(a, info.name, &n), *y = tensor_values(b, info.name, &m);
        assert_int_equal(n, m);
        for (size_t k = 0; k < n; k++)
            if (y[k] != (is_matrix(&info) ? rounded(second, rounded(first, x[k])) : x[k]))
                fail_msg("%s: element %zu is %.9g, from %.9g", info.name, k, (double)y[k], (double)x[k]);
        free(x);
        free(y);
    }
}

static slmt_model *load(slmt_context *context, const char *name)
{
    slmt_model *model = NULL;
    GOOD(slmt_model_load(context, in_folder(name), &model));
    return model;
}

static void matrices_are_rounded_and_nothing_else(void **state)
{
    (void)state;
    slmt_context *full = open_kind(FULL, SLMT_BACKEND_CPU);
    slmt_model *original = small_model(full, 7);
    for (kind k = FULL; k <= FLOAT16; k++) {
        slmt_context *context = open_kind(k, SLMT_BACKEND_CPU);
        slmt_model *model = small_model(context, 7);
        expect_rounded(original, model, FULL, k);
        size_t matrices = 0;
        for (size_t i = 0; i < slmt_model_tensor_count(model); i++) {
            slmt_tensor_info info = tensor_info(model, i);
            assert_int_equal(info.weights, is_matrix(&info) ? (int32_t)k : SLMT_WEIGHTS_FULL);
            matrices += (size_t)is_matrix(&info);
        }
        assert_true(matrices > 20);
        slmt_model_free(model);
        slmt_context_free(context);
    }
    slmt_model_free(original);
    slmt_context_free(full);
}

static void a_tensor_is_rounded_as_it_is_set(void **state)
{
    (void)state;
    static const char name[] = "G.to_img.linear.weight";
    slmt_context *context = open_kind(FLOAT16, SLMT_BACKEND_CPU);
    slmt_model *model = small_model(context, 7);
    size_t n;
    float *x = tensor_values(model, name, &n), *y;
    x[0] = 1.0f / 3;
    x[1] = 65519;
    x[2] = -1e-9f;
    GOOD(slmt_model_set_tensor(model, name, x, n));
    y = tensor_values(model, name, &n);
    assert_true(y[0] == rounded(FLOAT16, 1.0f / 3) && y[1] == 65504 && y[2] == 0);
    free(y);
    x[0] = 5;
    x[n - 1] = 65520;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, name, slmt_model_set_tensor(model, name, x, n));
    assert_non_null(strstr(slmt_error_text(), "too large for float16"));
    y = tensor_values(model, name, &n);
    assert_true(y[0] == rounded(FLOAT16, 1.0f / 3)); /* nothing was changed */
    free(y);
    free(x);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- files ---- */

static void files_go_from_and_to_every_context(void **state)
{
    (void)state;
    slmt_context *plain = open_kind(FULL, SLMT_BACKEND_CPU);
    slmt_model *original = small_model(plain, 7);
    GOOD(slmt_model_save(original, in_folder("original.slmt")));
    for (kind from = FULL; from < KINDS; from++) {
        slmt_context *first = open_kind(from, SLMT_BACKEND_CPU);
        slmt_model *saved = load(first, "original.slmt");
        expect_rounded(original, saved, FULL, from);
        GOOD(slmt_model_save(saved, in_folder("first.slmt")));
        for (kind to = FULL; to < KINDS; to++) {
            slmt_context *second = open_kind(to, SLMT_BACKEND_CPU);
            uint64_t before = slmt_context_live_bytes(second);
            slmt_model *loaded = load(second, "first.slmt");
            expect_rounded(original, loaded, from, to);
            GOOD(slmt_model_save(loaded, in_folder("second.slmt")));
            assert_int_equal(same_files(in_folder("first.slmt"), in_folder("second.slmt")), from == to);
            slmt_model_free(loaded);
            assert_int_equal(slmt_context_live_bytes(second), before);
            slmt_context_free(second);
        }
        slmt_model_free(saved);
        slmt_context_free(first);
    }
    slmt_model_free(original);
    slmt_context_free(plain);
}

static void a_context_can_take_what_a_file_has(void **state)
{
    (void)state;
    slmt_context_config c = config_for(SLMT_BACKEND_CPU, 1, NULL);
    c.weights = SLMT_WEIGHTS_STORED;
    slmt_context *stored = open_with(&c);
    for (kind k = FULL; k <= FLOAT16; k++) {
        slmt_context *context = open_kind(k, SLMT_BACKEND_CPU);
        slmt_model *model = small_model(context, 7), *loaded;
        GOOD(slmt_model_save(model, in_folder("kind.slmt")));
        loaded = load(stored, "kind.slmt");
        assert_true(same_weights(model, loaded));
        GOOD(slmt_model_save(loaded, in_folder("again.slmt")));
        assert_true(same_files(in_folder("kind.slmt"), in_folder("again.slmt")));
        slmt_model_free(loaded);
        slmt_model_free(model);
        slmt_context_free(context);
    }
    slmt_model *fresh = small_model(stored, 7);
    for (size_t i = 0; i < slmt_model_tensor_count(fresh); i++)
        assert_int_equal(tensor_info(fresh, i).weights, SLMT_WEIGHTS_FULL);
    slmt_model_free(fresh);
    slmt_context_free(stored);
}

static void a_weight_that_16_bits_cannot_hold_is_named(void **state)
{
    (void)state;
    static const char name[] = "E.blocks.0.mlp.fc1.weight";
    static const struct {
        kind from, to;
        float value;
        slmt_status status;
    } cases[] = {
        {FULL, FLOAT16, 70000, SLMT_ERR_ARGUMENT},     {FULL, BFLOAT16, 70000, SLMT_OK},
        {BFLOAT16, FLOAT16, 70000, SLMT_ERR_ARGUMENT}, {FULL, BFLOAT16, FLT_MAX, SLMT_ERR_ARGUMENT},
        {FULL64, FLOAT16, -70000, SLMT_ERR_ARGUMENT},  {FLOAT16, BFLOAT16, 65504, SLMT_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slmt_context *from = open_kind(cases[i].from, SLMT_BACKEND_CPU);
        slmt_context *to = open_kind(cases[i].to, SLMT_BACKEND_CPU);
        slmt_model *model = small_model(from, 7), *loaded = NULL;
        uint64_t before = slmt_context_live_bytes(to);
        size_t n;
        float *x = tensor_values(model, name, &n);
        x[n / 2] = cases[i].value;
        GOOD(slmt_model_set_tensor(model, name, x, n));
        GOOD(slmt_model_save(model, in_folder("large.slmt")));
        EXPECT(cases[i].status, slmt_model_load(to, in_folder("large.slmt"), &loaded));
        if (cases[i].status != SLMT_OK) {
            assert_non_null(strstr(slmt_error_text(), name));
            assert_non_null(strstr(slmt_error_text(), "large.slmt"));
            assert_null(loaded);
            assert_int_equal(slmt_context_live_bytes(to), before);
        }
        free(x);
        slmt_model_free(loaded);
        slmt_model_free(model);
        slmt_context_free(from);
        slmt_context_free(to);
    }
}

/* ---- memory ---- */

static slmt_context *watched;
static uint64_t peak;

static void *watch_alloc(void *user, size_t bytes)
{
    (void)user;
    uint64_t live = watched ? slmt_context_live_bytes(watched) : 0; /* `bytes` among them */
    peak = live > peak ? live : peak;
    return malloc(bytes);
}

static void watch_free(void *user, void *p)
{
    (void)user;
    free(p);
}

/* Loads a file of the tiny preset in full; what it takes at most, above what the context has. */
static uint64_t peak_of_loading(int32_t weights)
{
    slmt_context_config c;
    slmt_context_config_init(&c);
    c.weights = weights;
    c.alloc = watch_alloc;
    c.free = watch_free;
    watched = NULL;
    watched = open_with(&c);
    uint64_t before = slmt_context_live_bytes(watched);
    peak = 0;
    slmt_model *model = load(watched, "tiny.slmt");
    slmt_model_free(model);
    slmt_context_free(watched);
    watched = NULL;
    return peak - before;
}

static void loading_holds_one_tensor_in_full_at_a_time(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_net_options o;
    slmt_model *model = NULL;
    uint64_t matrices = 0, others = 0, largest = 0, small = 500000;
    GOOD(slmt_net_options_init(&o, SLMT_NET_PRESET_TINY));
    GOOD(slmt_net_create(context, &o, 1, &model));
    GOOD(slmt_model_save(model, in_folder("tiny.slmt")));
    for (size_t i = 0; i < slmt_model_tensor_count(model); i++) {
        slmt_tensor_info info = tensor_info(model, i);
        uint64_t n = tensor_size(&info);
        *(is_matrix(&info) ? &matrices : &others) += info.used ? n : 0;
        largest = is_matrix(&info) && n > largest ? n : largest;
    }
    uint64_t full = peak_of_loading(SLMT_WEIGHTS_FULL), half = peak_of_loading(SLMT_WEIGHTS_BFLOAT16);
    print_message("  %.1f MB in full, %.1f MB in 16 bits, largest tensor %.1f MB\n", (double)full / 1e6,
                  (double)half / 1e6, 4e-6 * (double)largest);
    assert_true(full >= 4 * (matrices + others));
    assert_true(half <= 2 * matrices + 4 * others + 4 * largest + small);
    assert_true(half <= full / 2 + 4 * (others + largest) + small && 4 * (others + largest) < full / 4);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void converting_gives_all_memory_back_wherever_it_runs_out(void **state)
{
    (void)state;
    slmt_context *full = open_kind(FULL, SLMT_BACKEND_CPU);
    slmt_model *model = small_model(full, 7), *loaded = NULL;
    GOOD(slmt_model_save(model, in_folder("full.slmt")));
    counter c = {0};
    slmt_context_config config = config_for(SLMT_BACKEND_CPU, 1, &c);
    config.weights = SLMT_WEIGHTS_FLOAT16;
    slmt_context *context = open_with(&config);
    long live = c.live, total;
    counter_fail(&c, 0);
    GOOD(slmt_model_load(context, in_folder("full.slmt"), &loaded));
    total = c.calls;
    slmt_model_free(loaded);
    for (long n = 1; n <= total; n += n < 20 || n > total - 60 ? 1 : total / 60) {
        loaded = NULL;
        counter_fail(&c, n);
        EXPECT(SLMT_ERR_MEMORY, slmt_model_load(context, in_folder("full.slmt"), &loaded));
        assert_null(loaded);
        assert_int_equal(c.live, live);
    }
    counter_fail(&c, 0);
    slmt_context_free(context);
    slmt_model_free(model);
    slmt_context_free(full);
}

/* ---- synthesis ---- */

/* Of 2 slices; the caller frees it. */
static float *synthesize(slmt_context *context, const char *file, int32_t batch)
{
    slmt_model *model = load(context, file);
    slmt_session *session = open_net_session(model, batch);
    float *source = make_slices(2, 0), *target = malloc(2 * PIXELS * sizeof *target);
    GOOD(slmt_synthesize(session, source, 2, target));
    free(source);
    slmt_session_free(session);
    slmt_model_free(model);
    return target;
}

static double distance(const float *a, const float *b)
{
    double most = 0;
    for (size_t i = 0; i < 2 * PIXELS; i++)
        most = fmax(most, fabs((double)a[i] - b[i]));
    return most;
}

/* The arithmetic is float32 from the rounded weights: that of a model which holds them in full. */
static void synthesis_computes_from_the_exact_values(void **state)
{
    (void)state;
    static const double from_full[] = {[BFLOAT16] = 2e-3, [FLOAT16] = 3e-4};
    for (int32_t backend = SLMT_BACKEND_CPU; backend <= SLMT_BACKEND_REFERENCE; backend++)
        for (kind k = BFLOAT16; k <= FLOAT16; k++) {
            slmt_context *full = open_kind(FULL, backend), *half = open_kind(k, backend);
            slmt_model *model = small_model(full, 7), *narrow;
            GOOD(slmt_model_save(model, in_folder("full.slmt")));
            narrow = load(half, "full.slmt");
            GOOD(slmt_model_save(narrow, in_folder("half.slmt")));
            float *original = synthesize(full, "full.slmt", 2), *widened = synthesize(full, "half.slmt", 2);
            float *halves = synthesize(half, "half.slmt", 2), *alone = synthesize(half, "half.slmt", 1);
            assert_true(distance(halves, widened) <= (backend == SLMT_BACKEND_REFERENCE ? 0 : 2e-6));
            assert_true(distance(halves, alone) <= 2e-6);
            assert_true(distance(halves, original) <= from_full[k]);
            assert_true(distance(halves, original) > 1e-6); /* they are other weights */
            free(original);
            free(widened);
            free(halves);
            free(alone);
            slmt_model_free(model);
            slmt_model_free(narrow);
            slmt_context_free(full);
            slmt_context_free(half);
        }
}

static void synthesis_allocates_nothing_and_its_memory_is_known(void **state)
{
    (void)state;
    for (kind k = BFLOAT16; k <= FLOAT16; k++) {
        counter c = {0};
        slmt_context_config config = config_for(SLMT_BACKEND_CPU, 2, &c);
        config.weights = (int32_t)k;
        slmt_context *context = open_with(&config);
        slmt_model *model = small_model(context, 1);
        slmt_net_session_config session_config;
        uint64_t bytes, before = slmt_context_live_bytes(context);
        slmt_net_session_config_init(&session_config);
        GOOD(slmt_net_session_memory(model, &session_config, &bytes));
        slmt_session *session = open_net_session(model, 1);
        assert_int_equal(slmt_context_live_bytes(context) - before, bytes);
        float *source = make_slices(1, 0), *target = malloc(PIXELS * sizeof *target);
        counter_fail(&c, 1);
        GOOD(slmt_synthesize(session, source, 1, target));
        GOOD(slmt_synthesize(session, source, 1, target));
        assert_int_equal(c.calls, 0);
        counter_fail(&c, 0);
        free(source);
        free(target);
        slmt_session_free(session);
        slmt_model_free(model);
        slmt_context_free(context);
        assert_int_equal(c.live, 0);
    }
}

/* ---- trainers ---- */

static void trainers_refuse_what_rounding_would_stop(void **state)
{
    (void)state;
    slmt_context *full = open_kind(FULL, SLMT_BACKEND_CPU), *half = open_kind(BFLOAT16, SLMT_BACKEND_CPU);
    slmt_model *model = small_model(half, 7), *widened;
    slmt_trainer *trainer = NULL;
    slmt_net_trainer_config c;
    uint64_t bytes, before = slmt_context_live_bytes(half);
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
        GOOD(slmt_net_trainer_config_init(&c, stage));
        c.batch = 1;
        EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "SLMT_WEIGHTS_FULL", slmt_net_trainer_create(model, &c, &trainer));
        EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "16-bit", slmt_net_trainer_memory(model, &c, &bytes));
        assert_null(trainer);
        assert_int_equal(slmt_context_live_bytes(half), before);
    }
    GOOD(slmt_model_save(model, in_folder("half.slmt")));
    widened = load(full, "half.slmt"); /* and this one trains */
    GOOD(slmt_net_trainer_create(widened, &c, &trainer));
    float *slices = make_slices(2, 0);
    GOOD(slmt_net_finetune_step(trainer, slices, slices + PIXELS, 1e-3));
    GOOD(slmt_trainer_save(trainer, in_folder("trainer.slmt")));
    slmt_trainer_free(trainer);
    trainer = NULL;
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "16-bit", slmt_trainer_load(half, in_folder("trainer.slmt"), &trainer));
    assert_null(trainer);
    slmt_model_free(load(half, "trainer.slmt")); /* its model does load */
    free(slices);
    slmt_model_free(widened);
    slmt_model_free(model);
    slmt_context_free(full);
    slmt_context_free(half);
}

/* ---- bfloat16 arithmetic ---- */

static int processor_has(const char *flag)
{
    char line[8192];
    int found = 0;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !found && fgets(line, sizeof line, f))
        found = strncmp(line, "flags", 5) == 0 && strstr(line, flag);
    if (f)
        fclose(f);
    return found;
}

/* Factors of 8 bits: every product of a network is off by about 2^-9 of itself. */
static void expect_rough_arithmetic(const slmt_context_config *config)
{
    slmt_context *plain = open_context(1, NULL), *rough = open_with(config);
    slmt_model *model = small_model(plain, 7);
    GOOD(slmt_model_save(model, in_folder("full.slmt")));
    float *exact = synthesize(plain, "full.slmt", 2), *near = synthesize(rough, "full.slmt", 2);
    assert_non_null(strstr(slmt_context_describe(rough), "bfloat16"));
    assert_true(distance(exact, near) > 1e-6 && distance(exact, near) < 2e-2);
    free(exact);
    free(near);
    slmt_model_free(model);
    slmt_context_free(rough);
    slmt_context_free(plain);
}

static void bfloat16_arithmetic_runs_where_the_processor_has_it_and_is_refused_elsewhere(void **state)
{
    (void)state;
    slmt_context_config c = config_for(SLMT_BACKEND_CPU, 1, NULL);
    slmt_context *context = NULL;
    c.arithmetic = SLMT_ARITHMETIC_BFLOAT16;
    if (!processor_has(" avx512_bf16"))
        EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "AVX512-BF16", slmt_context_create(&c, &context));
    else
        expect_rough_arithmetic(&c);
    c.matrix = SLMT_MATRIX_OPENBLAS;
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "OpenBLAS", slmt_context_create(&c, &context));
    c = config_for(SLMT_BACKEND_REFERENCE, 1, NULL);
    c.arithmetic = SLMT_ARITHMETIC_BFLOAT16;
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "no bfloat16 arithmetic", slmt_context_create(&c, &context));
    assert_null(context);
}

/* Steps of fine-tuning from full.slmt, or, with `resumed`, from trainer.slmt; saves as trainer.slmt. Returns
 * the last step's l1. */
static double fine_tune(slmt_context *context, int resumed, int steps)
{
    slmt_net_trainer_config c;
    slmt_model *model = NULL;
    slmt_trainer *trainer = NULL;
    float *slices = make_slices(2, 0);
    GOOD(slmt_net_trainer_config_init(&c, SLMT_NET_STAGE_FINETUNE));
    c.batch = 1;
    if (resumed) {
        GOOD(slmt_trainer_load(context, in_folder("trainer.slmt"), &trainer));
    } else {
        model = load(context, "full.slmt");
        GOOD(slmt_net_trainer_create(model, &c, &trainer));
    }
    for (int i = 0; i < steps; i++)
        GOOD(slmt_net_finetune_step(trainer, slices, slices + PIXELS, 1e-3));
    double loss = step_value(trainer, "l1");
    GOOD(slmt_trainer_save(trainer, in_folder("trainer.slmt")));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    free(slices);
    return loss;
}

static float *trained_values(slmt_context *context, const char *name, size_t *n)
{
    slmt_model *model = load(context, "trainer.slmt");
    float *x = tensor_values(model, name, n);
    slmt_model_free(model);
    return x;
}

/* The part of n values whose lower half is not zero: bfloat16 cannot hold them. */
static double part_beyond_bfloat16(const float *x, size_t n)
{
    size_t beyond = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        beyond += (bits & 0xFFFF) != 0;
    }
    return (double)beyond / (double)n;
}

/* Gradients are off by about 2^-8 of themselves, and Adam's first steps are as long as their signs say: of a
 * few weights, whose gradients are next to nothing, the sign changes. Weights keep all of their bits, and
 * three steps are the same as two and one more. */
static void
training_in_bfloat16_keeps_float32_weights_comes_near_float32_and_resumes_bit_for_bit(void **state)
{
    (void)state;
    static const char name[] = "G.to_img.linear.weight";
    slmt_context_config c = config_for(SLMT_BACKEND_CPU, 2, NULL);
    slmt_context *plain = open_context(2, NULL), *rough = NULL;
    size_t n;
    c.arithmetic = SLMT_ARITHMETIC_BFLOAT16;
    if (slmt_context_create(&c, &rough) != SLMT_OK) { /* the test above says when */
        slmt_context_free(plain);
        return;
    }
    slmt_model *model = small_model(plain, 7);
    float *start = tensor_values(model, name, &n);
    GOOD(slmt_model_save(model, in_folder("full.slmt")));
    double exact_loss = fine_tune(plain, 0, 3);
    float *exact = trained_values(plain, name, &n);
    double loss = fine_tune(rough, 0, 3);
    float *near = trained_values(rough, name, &n);
    fine_tune(rough, 0, 2);
    assert_true(fine_tune(rough, 1, 1) == loss);
    float *again = trained_values(rough, name, &n);
    assert_memory_equal(near, again, n * sizeof *near);
    double both = 0, first = 0, second = 0;
    for (size_t i = 0; i < n; i++) {
        both += (double)(exact[i] - start[i]) * (near[i] - start[i]);
        first += (double)(exact[i] - start[i]) * (exact[i] - start[i]);
        second += (double)(near[i] - start[i]) * (near[i] - start[i]);
    }
    print_message("  losses %.6f and %.6f, cosine of the changes %.4f\n", exact_loss, loss,
                  both / sqrt(first * second));
    assert_true(loss != exact_loss && fabs(loss - exact_loss) < 0x1p-6 * exact_loss);
    assert_true(first > 0 && both > 0.9 * sqrt(first * second));
    assert_true(part_beyond_bfloat16(near, n) > 0.95);
    float *all[] = {start, exact, near, again};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    slmt_model_free(model);
    slmt_context_free(rough);
    slmt_context_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_are_rounded_and_nothing_else),
        cmocka_unit_test(a_tensor_is_rounded_as_it_is_set),
        cmocka_unit_test(files_go_from_and_to_every_context),
        cmocka_unit_test(a_context_can_take_what_a_file_has),
        cmocka_unit_test(a_weight_that_16_bits_cannot_hold_is_named),
        cmocka_unit_test(loading_holds_one_tensor_in_full_at_a_time),
        cmocka_unit_test(converting_gives_all_memory_back_wherever_it_runs_out),
        cmocka_unit_test(synthesis_computes_from_the_exact_values),
        cmocka_unit_test(synthesis_allocates_nothing_and_its_memory_is_known),
        cmocka_unit_test(trainers_refuse_what_rounding_would_stop),
        cmocka_unit_test(bfloat16_arithmetic_runs_where_the_processor_has_it_and_is_refused_elsewhere),
        cmocka_unit_test(
            training_in_bfloat16_keeps_float32_weights_comes_near_float32_and_resumes_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
