/* SPDX-License-Identifier: Apache-2.0 */
/* test_context.c - contexts: configuration rules, error text, log, limits and memory; and that no function of
 * the interface falls over a NULL. */
#include <pthread.h>

#include "core/context.h" /* context_log(): a healthy context has nothing to say */

#include "tests/api/api_fixture.h"

/* ---- configuration ---- */

static void the_defaults_are_those_of_the_header(void **state)
{
    (void)state;
    slmt_context_config c;
    memset(&c, 0xFF, sizeof c);
    slmt_context_config_init(&c);
    assert_int_equal(c.struct_size, sizeof c);
    assert_int_equal(c.backend, SLMT_BACKEND_CPU);
    assert_int_equal(c.precision, SLMT_FLOAT32);
    assert_int_equal(c.matrix, SLMT_MATRIX_AUTO);
    assert_int_equal(c.threads, 0);
    assert_int_equal(c.log_level, SLMT_LOG_WARNING);
    assert_int_equal(c.weights, SLMT_WEIGHTS_FULL);
    assert_int_equal(c.arithmetic, SLMT_ARITHMETIC_FLOAT32);
    assert_true(c.max_bytes == 0 && !c.alloc && !c.free && !c.alloc_user && !c.log && !c.log_user);
    slmt_context_config_init(NULL);
}

static void a_context_says_what_it_computes_with(void **state)
{
    (void)state;
    slmt_context *cpu = open_with(NULL), *reference = open_reference(SLMT_FLOAT64);
    assert_memory_equal(slmt_context_describe(cpu), "cpu: ", 5);
    assert_memory_equal(slmt_context_describe(reference), "reference", 9);
    slmt_context_free(cpu);
    slmt_context_free(reference);
}

static void an_older_shorter_struct_is_read_as_far_as_it_goes(void **state)
{
    (void)state;
    slmt_context *context = NULL;
    slmt_context_config c;
    memset(&c, 0xEE, sizeof c); /* what lies behind struct_size is not looked at */
    c.struct_size = offsetof(slmt_context_config, precision);
    c.backend = SLMT_BACKEND_REFERENCE;
    GOOD(slmt_context_create(&c, &context));
    assert_memory_equal(slmt_context_describe(context), "reference", 9);
    slmt_context_free(context);
}

static void a_struct_whose_size_is_not_set_is_refused(void **state)
{
    (void)state;
    slmt_context *context = NULL;
    slmt_context_config c;
    slmt_context_config_init(&c);
    for (uint32_t size = 0; size < 8; size++) {
        c.struct_size = size;
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "struct_size", slmt_context_create(&c, &context));
    }
    const uint32_t never_set[] = {4097, 0x55555555, 0xAAAAAAAA, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) { /* and no byte behind the struct is read or written */
        c.struct_size = never_set[i];
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "struct_size", slmt_context_create(&c, &context));
    }
    assert_null(context);
}

static void a_newer_longer_struct_is_accepted_while_its_tail_is_zero(void **state)
{
    (void)state;
    struct {
        slmt_context_config known;
        unsigned char tail[24];
    } newer;
    slmt_context *context = NULL;
    memset(&newer, 0, sizeof newer);
    slmt_context_config_init(&newer.known);
    newer.known.struct_size = sizeof newer;
    GOOD(slmt_context_create(&newer.known, &context));
    slmt_context_free(context);
    context = NULL;
    for (size_t i = 0; i < sizeof newer.tail; i += 23) {
        newer.tail[i] = 1;
        EXPECT_TEXT(SLMT_ERR_VERSION, "newer", slmt_context_create(&newer.known, &context));
        newer.tail[i] = 0;
    }
    assert_null(context);
}

static void every_bad_field_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t offset;
        int32_t bad[2];
    } fields[] = {
        {"backend", offsetof(slmt_context_config, backend), {-1, 3}},
        {"precision", offsetof(slmt_context_config, precision), {-1, 2}},
        {"matrix", offsetof(slmt_context_config, matrix), {-1, 3}},
        {"threads", offsetof(slmt_context_config, threads), {-1, 1025}},
        {"log_level", offsetof(slmt_context_config, log_level), {-1, 4}},
        {"weights", offsetof(slmt_context_config, weights), {-1, 4}},
        {"arithmetic", offsetof(slmt_context_config, arithmetic), {-1, 3}},
    };
    slmt_context *context = NULL;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (int k = 0; k < 2; k++) {
            slmt_context_config c;
            slmt_context_config_init(&c);
            memcpy((char *)&c + fields[i].offset, &fields[i].bad[k], sizeof(int32_t));
            EXPECT_TEXT(SLMT_ERR_ARGUMENT, fields[i].name, slmt_context_create(&c, &context));
        }
    slmt_context_config c;
    slmt_context_config_init(&c);
    c.alloc = counter_alloc;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "free", slmt_context_create(&c, &context));
    slmt_context_config_init(&c);
    c.free = counter_free;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "alloc", slmt_context_create(&c, &context));
    slmt_context_config_init(&c);
    c.precision = SLMT_FLOAT64;
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "float64", slmt_context_create(&c, &context));
    c.backend = SLMT_BACKEND_REFERENCE;
    c.weights = SLMT_WEIGHTS_BFLOAT16;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "weights", slmt_context_create(&c, &context));
    assert_null(context);
}

/* ---- errors ---- */

static void every_status_has_its_name(void **state)
{
    (void)state;
    static const struct {
        slmt_status status;
        const char *name;
    } known[] = {
        {0, "SLMT_OK"},
        {100, "SLMT_ERR_ARGUMENT"},
        {101, "SLMT_ERR_NONFINITE"},
        {102, "SLMT_ERR_STATE"},
        {200, "SLMT_ERR_MEMORY"},
        {201, "SLMT_ERR_LIMIT"},
        {300, "SLMT_ERR_IO"},
        {301, "SLMT_ERR_NOT_FOUND"},
        {302, "SLMT_ERR_CORRUPT"},
        {303, "SLMT_ERR_FORMAT"},
        {400, "SLMT_ERR_SCHEMA"},
        {401, "SLMT_ERR_VERSION"},
        {500, "SLMT_ERR_BACKEND"},
        {501, "SLMT_ERR_UNSUPPORTED"},
        {600, "SLMT_ERR_CANCELLED"},
        {900, "SLMT_ERR_INTERNAL"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_string_equal(slmt_status_name(known[i].status), known[i].name);
    static const slmt_status unknown[] = {-1, 1, 99, 103, 901, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_string_equal(slmt_status_name(unknown[i]), "SLMT_ERR_UNKNOWN");
    assert_string_equal(slmt_constant_name("SLMT_SPLIT_", SLMT_SPLIT_TEST), "SLMT_SPLIT_TEST");
    assert_string_equal(slmt_constant_name("SLMT_ERR_", SLMT_ERR_LIMIT), "SLMT_ERR_LIMIT");
    assert_string_equal(slmt_constant_name("SLMT_CENTRE", -1), "SLMT_CENTRE");
    assert_string_equal(slmt_constant_name("SLMT_SPLIT_", 77), "");
    assert_string_equal(slmt_constant_name("NO_SUCH_", 1), "");
    assert_string_equal(slmt_constant_name(NULL, 1), "");
    assert_string_equal(slmt_version(), SLMT_VERSION_STRING);
}

/* A context of the cpu backend says the same of itself: "cpu: LEVEL, LIBRARY". */
static void expect_described(const slmt_build_info *info, int32_t matrix, const char *library)
{
    slmt_context *context = NULL;
    slmt_context_config c;
    slmt_context_config_init(&c);
    c.matrix = matrix;
    if (slmt_context_create(&c, &context) != SLMT_OK) {
        assert_null(strstr(info->matrix, library));
        return;
    }
    const char *text = slmt_context_describe(context) + strlen("cpu: ");
    assert_memory_equal(text, info->cpu_level, strlen(info->cpu_level));
    assert_non_null(strstr(info->matrix, text + strlen(info->cpu_level) + strlen(", ")));
    assert_non_null(strstr(info->matrix, library));
    slmt_context_free(context);
}

static void the_build_says_what_it_is(void **state)
{
    (void)state;
    char version[32];
    slmt_build_info info = {.struct_size = sizeof info};
    GOOD(slmt_build_describe(&info));
    assert_int_equal(info.struct_size, sizeof info);
    assert_int_equal(info.abi, SLMT_ABI);
    snprintf(version, sizeof version, "%d.%d.%d", SLMT_VERSION_MAJOR, SLMT_VERSION_MINOR, SLMT_VERSION_PATCH);
    assert_string_equal(info.version, version);
    assert_string_equal(info.version, slmt_version());
    assert_non_null(info.commit);
    assert_true(info.numerics >= 1 && info.reserved == 0);
    assert_true(strlen(info.compiler) > 0 && strlen(info.cpu_level) > 0);
    assert_string_equal(info.backends, "cpu, reference");
    expect_described(&info, SLMT_MATRIX_ONEDNN, "oneDNN");
    expect_described(&info, SLMT_MATRIX_OPENBLAS, "OpenBLAS");

    slmt_build_info shorter = {.struct_size = offsetof(slmt_build_info, commit), .commit = "untouched"};
    GOOD(slmt_build_describe(&shorter));
    assert_string_equal(shorter.version, version);
    assert_string_equal(shorter.commit, "untouched");
    shorter.struct_size = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "slmt_build_info.struct_size", slmt_build_describe(&shorter));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_build_describe(NULL));
}

/* FIPS 180-2, appendix B.1. */
static void the_digest_of_a_file_is_its_sha_256(void **state)
{
    const char *path = "test_context_digest.tmp";
    char digest[SLMT_DIGEST_SIZE + 1] = "untouched";
    (void)state;
    EXPECT(SLMT_ERR_NOT_FOUND, slmt_file_digest(path, digest, sizeof digest));
    EXPECT(SLMT_ERR_IO, slmt_file_digest(".", digest, sizeof digest));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("abc", f);
    fclose(f);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "at least 65", slmt_file_digest(path, digest, 64));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_file_digest(NULL, digest, sizeof digest));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_file_digest(path, NULL, sizeof digest));
    assert_string_equal(digest, "untouched");
    slmt_status s = slmt_file_digest(path, digest, SLMT_DIGEST_SIZE);
    remove(path);
    GOOD(s);
    assert_string_equal(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void the_error_text_can_be_copied_and_is_cut_to_fit(void **state)
{
    (void)state;
    slmt_context *context = NULL;
    slmt_context_config c;
    slmt_context_config_init(&c);
    c.threads = -7;
    EXPECT(SLMT_ERR_ARGUMENT, slmt_context_create(&c, &context));
    char text[256], cut[10];
    size_t n = strlen(slmt_error_text());
    assert_int_equal(slmt_error_copy(text, sizeof text), n);
    assert_string_equal(text, slmt_error_text());
    memset(cut, 'x', sizeof cut);
    assert_int_equal(slmt_error_copy(cut, sizeof cut - 1), n);
    assert_int_equal(strlen(cut), sizeof cut - 2);
    assert_memory_equal(cut, text, sizeof cut - 2);
    assert_int_equal(cut[sizeof cut - 1], 'x');
    assert_int_equal(slmt_error_copy(cut, 1), n);
    assert_string_equal(cut, "");
    assert_int_equal(slmt_error_copy(NULL, 0), n);
}

static void *fail_elsewhere(void *user)
{
    int *empty_at_first = user;
    *empty_at_first = slmt_error_text()[0] == '\0';
    slmt_net_options o;
    slmt_net_options_init(&o, 77);
    return strstr(slmt_error_text(), "77") ? user : NULL;
}

static void the_error_text_belongs_to_the_thread(void **state)
{
    (void)state;
    char before[256];
    int empty = 0;
    void *seen = NULL;
    pthread_t thread;
    EXPECT(SLMT_ERR_ARGUMENT, slmt_context_create(NULL, NULL));
    slmt_error_copy(before, sizeof before);
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &empty), 0);
    pthread_join(thread, &seen);
    assert_true(empty);
    assert_ptr_equal(seen, &empty);
    assert_string_equal(slmt_error_text(), before);
}

/* ---- log ---- */

typedef struct heard {
    int calls;
    int32_t level;
    size_t length;
    char text[64];
} heard;

static void listen(void *user, int32_t level, const char *text)
{
    heard *h = user;
    h->calls++;
    h->level = level;
    h->length = strlen(text);
    snprintf(h->text, sizeof h->text, "%s", text);
}

static void the_log_hears_what_is_serious_enough(void **state)
{
    (void)state;
    heard h = {0};
    slmt_context_config c = config_for(SLMT_BACKEND_REFERENCE, 1, NULL);
    c.log = listen;
    c.log_user = &h;
    c.log_level = SLMT_LOG_INFO;
    slmt_context *context = open_with(&c);
    h.calls = 0;
    context_log(context, SLMT_LOG_DEBUG, "too fine");
    assert_int_equal(h.calls, 0);
    context_log(context, SLMT_LOG_INFO, "%d slices", 3);
    assert_int_equal(h.calls, 1);
    assert_int_equal(h.level, SLMT_LOG_INFO);
    assert_string_equal(h.text, "3 slices");
    context_log(context, SLMT_LOG_ERROR, "%3000d", 1);
    assert_int_equal(h.calls, 2);
    assert_true(h.length > 500 && h.length < 3000); /* cut, not lost */
    slmt_context_free(context);

    context = open_with(NULL);
    context_log(context, SLMT_LOG_ERROR, "nobody listens");
    slmt_context_free(context);
}

/* ---- warnings ---- */

static int32_t accept_warning(void *user, const char *text)
{
    listen(user, SLMT_LOG_WARNING, text);
    return 0;
}

static int32_t refuse_warning(void *user, const char *text)
{
    listen(user, SLMT_LOG_WARNING, text);
    return 1;
}

static void a_warning_goes_to_the_callback_and_the_call_goes_on(void **state)
{
    (void)state;
    heard log = {0}, warning = {0};
    slmt_context_config c = config_for(SLMT_BACKEND_REFERENCE, 1, NULL);
    c.log = listen;
    c.log_user = &log;
    slmt_context *context = open_with(&c);
    log.calls = 0;
    GOOD(slmt_context_set_warning(context, accept_warning, &warning));
    GOOD(context_warn(context, "%d empty slices", 40));
    assert_int_equal(log.calls, 0);
    assert_int_equal(warning.calls, 1);
    assert_string_equal(warning.text, "40 empty slices");
    slmt_context_free(context);
}

static void a_warning_that_the_callback_refuses_ends_the_call_with_its_text(void **state)
{
    (void)state;
    heard warning = {0};
    slmt_context *context = open_with(NULL);
    GOOD(slmt_context_set_warning(context, refuse_warning, &warning));
    EXPECT_TEXT(SLMT_ERR_CANCELLED, "40 empty slices", context_warn(context, "%d empty slices", 40));
    GOOD(slmt_context_set_warning(context, NULL, NULL));
    GOOD(context_warn(context, "nobody listens"));
    assert_int_equal(warning.calls, 1);
    slmt_context_free(context);
}

static void without_a_callback_a_warning_goes_to_the_log(void **state)
{
    (void)state;
    heard log = {0};
    slmt_context_config c = config_for(SLMT_BACKEND_REFERENCE, 1, NULL);
    c.log = listen;
    c.log_user = &log;
    slmt_context *context = open_with(&c);
    log.calls = 0;
    GOOD(context_warn(context, "40 empty slices"));
    assert_int_equal(log.calls, 1);
    assert_int_equal(log.level, SLMT_LOG_WARNING);
    assert_string_equal(log.text, "40 empty slices");
    slmt_context_free(context);
    EXPECT(SLMT_ERR_ARGUMENT, slmt_context_set_warning(NULL, refuse_warning, NULL));
}

/* ---- memory ---- */

static void freeing_everything_gives_everything_back(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    uint64_t start = slmt_context_live_bytes(context);
    slmt_model *model = small_model(context, 1);
    slmt_session *session = NULL;
    slmt_trainer *trainer = NULL;
    slmt_net_trainer_config config;
    GOOD(slmt_net_trainer_config_init(&config, SLMT_NET_STAGE_FINETUNE));
    config.batch = 1;
    GOOD(slmt_model_set_card(model, "name", "small"));
    GOOD(slmt_net_session_create(model, NULL, &session));
    GOOD(slmt_net_trainer_create(model, &config, &trainer));
    assert_true(slmt_context_live_bytes(context) > start);
    slmt_trainer_free(trainer);
    slmt_session_free(session);
    slmt_model_free(model);
    assert_int_equal(slmt_context_live_bytes(context), start);
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

static void handles_keep_their_context_alive(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    slmt_model *model = small_model(context, 1);
    slmt_session *session = NULL;
    GOOD(slmt_net_session_create(model, NULL, &session));
    slmt_context_free(context);
    slmt_model_free(model);
    float *source = make_slices(1, 0), *target = malloc(PIXELS * sizeof *target);
    GOOD(slmt_synthesize(session, source, 1, target));
    assert_true(c.live > 0);
    slmt_session_free(session);
    assert_int_equal(c.live, 0);
    free(source);
    free(target);
}

static void the_limit_holds_for_every_handle(void **state)
{
    (void)state;
    slmt_context_config c = config_for(SLMT_BACKEND_CPU, 1, NULL);
    slmt_context *context = NULL;
    c.max_bytes = 1;
    EXPECT_TEXT(SLMT_ERR_LIMIT, "max_bytes", slmt_context_create(&c, &context));
    assert_null(context);

    c.max_bytes = 64 << 10;
    context = open_with(&c);
    uint64_t start = slmt_context_live_bytes(context);
    slmt_model *model = NULL;
    slmt_net_options o = small_options();
    EXPECT_TEXT(SLMT_ERR_LIMIT, "max_bytes = 65536", slmt_net_create(context, &o, 0, &model));
    assert_null(model);
    assert_int_equal(slmt_context_live_bytes(context), start);
    slmt_context_free(context);
}

static void a_context_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    for (int32_t backend = SLMT_BACKEND_CPU; backend <= SLMT_BACKEND_REFERENCE; backend++) {
        slmt_status s = SLMT_ERR_MEMORY;
        for (long n = 1; s != SLMT_OK; n++) {
            counter c = {0};
            slmt_context_config config = config_for(backend, 1, &c);
            slmt_context *context = NULL;
            counter_fail(&c, n);
            s = slmt_context_create(&config, &context);
            if (s != SLMT_OK) {
                EXPECT(SLMT_ERR_MEMORY, s);
                assert_string_equal(slmt_error_text(), "out of memory");
            }
            slmt_context_free(context);
            assert_int_equal(c.live, 0);
            assert_true(n < 20);
        }
    }
}

/* ---- NULL ---- */

static void free_functions_take_null(void **state)
{
    (void)state;
    slmt_context_free(NULL);
    slmt_model_free(NULL);
    slmt_session_free(NULL);
    slmt_trainer_free(NULL);
    slmt_volume_free(NULL);
    slmt_dataset_free(NULL);
    slmt_dataset_writer_cancel(NULL);
    slmt_session_cancel(NULL);
    slmt_trainer_cancel(NULL);
    slmt_net_session_config_init(NULL);
    assert_null(slmt_model_retain(NULL));
    assert_null(slmt_trainer_model(NULL));
    assert_int_equal(slmt_context_live_bytes(NULL), 0);
    assert_string_equal(slmt_context_describe(NULL), "");
    assert_int_equal(slmt_model_tensor_count(NULL), 0);
    assert_string_equal(slmt_model_card(NULL, "name"), "");
}

/* The call fails and its text names the parameter. */
#define NULL_REFUSED(parameter, call) EXPECT_TEXT(SLMT_ERR_ARGUMENT, parameter " is NULL", call)

static int64_t read_nothing(void *user, void *buffer, size_t size)
{
    (void)user;
    (void)buffer;
    (void)size;
    return 0;
}

static void null_is_refused_by_models(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1), *other = NULL;
    slmt_tensor_info info = {.struct_size = sizeof info};
    float x[4] = {0};
    NULL_REFUSED("context", slmt_context_create(NULL, NULL));
    NULL_REFUSED("options", slmt_net_options_init(NULL, SLMT_NET_PRESET_BASE));
    NULL_REFUSED("context", slmt_net_create(NULL, NULL, 0, &other));
    NULL_REFUSED("model", slmt_net_create(context, NULL, 0, NULL));
    NULL_REFUSED("context", slmt_model_load(NULL, "x", &other));
    NULL_REFUSED("path", slmt_model_load(context, NULL, &other));
    NULL_REFUSED("model", slmt_model_load(context, "x", NULL));
    NULL_REFUSED("context", slmt_model_load_memory(NULL, x, 4, &other));
    NULL_REFUSED("data", slmt_model_load_memory(context, NULL, 4, &other));
    NULL_REFUSED("model", slmt_model_load_memory(context, x, 4, NULL));
    NULL_REFUSED("context", slmt_model_load_callback(NULL, read_nothing, NULL, &other));
    NULL_REFUSED("read", slmt_model_load_callback(context, NULL, NULL, &other));
    NULL_REFUSED("model", slmt_model_load_callback(context, read_nothing, NULL, NULL));
    NULL_REFUSED("model", slmt_model_save(NULL, "x"));
    NULL_REFUSED("path", slmt_model_save(model, NULL));
    NULL_REFUSED("model", slmt_net_get_options(NULL, &(slmt_net_options){.struct_size = 100}));
    NULL_REFUSED("options", slmt_net_get_options(model, NULL));
    NULL_REFUSED("model", slmt_model_get_preprocess(NULL, &(slmt_preprocess){.struct_size = 8}));
    NULL_REFUSED("preprocess", slmt_model_get_preprocess(model, NULL));
    NULL_REFUSED("model", slmt_model_set_preprocess(NULL, &(slmt_preprocess){.struct_size = 8}));
    NULL_REFUSED("preprocess", slmt_model_set_preprocess(model, NULL));
    NULL_REFUSED("model", slmt_model_tensor_info(NULL, 0, &info));
    NULL_REFUSED("info", slmt_model_tensor_info(model, 0, NULL));
    NULL_REFUSED("model", slmt_model_get_tensor(NULL, "E.norm.bias", x, 4));
    NULL_REFUSED("name", slmt_model_get_tensor(model, NULL, x, 4));
    NULL_REFUSED("values", slmt_model_get_tensor(model, "E.norm.bias", NULL, 4));
    NULL_REFUSED("model", slmt_model_set_tensor(NULL, "E.norm.bias", x, 4));
    NULL_REFUSED("name", slmt_model_set_tensor(model, NULL, x, 4));
    NULL_REFUSED("values", slmt_model_set_tensor(model, "E.norm.bias", NULL, 4));
    NULL_REFUSED("model", slmt_model_set_card(NULL, "name", "x"));
    NULL_REFUSED("key", slmt_model_set_card(model, NULL, "x"));
    assert_string_equal(slmt_model_card(model, NULL), "");
    assert_null(other);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void null_is_refused_by_sessions_and_trainers(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    slmt_session *session = NULL;
    slmt_trainer *trainer = NULL;
    slmt_net_trainer_config config;
    uint64_t bytes;
    float *x = make_slices(1, 0);
    NULL_REFUSED("model", slmt_net_session_memory(NULL, NULL, &bytes));
    NULL_REFUSED("bytes", slmt_net_session_memory(model, NULL, NULL));
    NULL_REFUSED("model", slmt_net_session_create(NULL, NULL, &session));
    NULL_REFUSED("session", slmt_net_session_create(model, NULL, NULL));
    GOOD(slmt_net_session_create(model, NULL, &session));
    NULL_REFUSED("session", slmt_synthesize(NULL, x, 1, x));
    NULL_REFUSED("source", slmt_synthesize(session, NULL, 1, x));
    NULL_REFUSED("target", slmt_synthesize(session, x, 1, NULL));
    NULL_REFUSED("source", slmt_synthesize_volume(session, NULL, &(slmt_volume *){NULL}));
    NULL_REFUSED("session", slmt_synthesize_volume(NULL, NULL, NULL));
    slmt_session_free(session);

    NULL_REFUSED("config", slmt_net_trainer_config_init(NULL, SLMT_NET_STAGE_PRETRAIN));
    GOOD(slmt_net_trainer_config_init(&config, SLMT_NET_STAGE_PRETRAIN));
    config.batch = 1;
    NULL_REFUSED("model", slmt_net_trainer_memory(NULL, &config, &bytes));
    NULL_REFUSED("config", slmt_net_trainer_memory(model, NULL, &bytes));
    NULL_REFUSED("bytes", slmt_net_trainer_memory(model, &config, NULL));
    NULL_REFUSED("model", slmt_net_trainer_create(NULL, &config, &trainer));
    NULL_REFUSED("config", slmt_net_trainer_create(model, NULL, &trainer));
    NULL_REFUSED("trainer", slmt_net_trainer_create(model, &config, NULL));
    GOOD(slmt_net_trainer_create(model, &config, &trainer));
    NULL_REFUSED("trainer", slmt_net_trainer_get_config(NULL, &config));
    NULL_REFUSED("config", slmt_net_trainer_get_config(trainer, NULL));
    NULL_REFUSED("trainer", slmt_trainer_describe_run(NULL, NULL, NULL, NULL, NULL));
    NULL_REFUSED("trainer", slmt_trainer_time_step(NULL, NULL));
    NULL_REFUSED("context", slmt_checkpoint_describe(NULL, "", NULL));
    NULL_REFUSED("trainer", slmt_trainer_get_state(NULL, &(slmt_training_state){.struct_size = 8}));
    NULL_REFUSED("state", slmt_trainer_get_state(trainer, NULL));
    NULL_REFUSED("trainer", slmt_net_pretrain_step(NULL, x, 0));
    NULL_REFUSED("images", slmt_net_pretrain_step(trainer, NULL, 0));
    NULL_REFUSED("trainer", slmt_net_finetune_step(NULL, x, x, 0));
    NULL_REFUSED("source", slmt_net_finetune_step(trainer, NULL, x, 0));
    NULL_REFUSED("target", slmt_net_finetune_step(trainer, x, NULL, 0));
    NULL_REFUSED("trainer", slmt_trainer_run(NULL, NULL, NULL, NULL, 0, NULL, NULL));
    NULL_REFUSED("dataset", slmt_trainer_run(trainer, NULL, NULL, NULL, 0, NULL, NULL));
    NULL_REFUSED("trainer", slmt_trainer_save(NULL, "x"));
    NULL_REFUSED("path", slmt_trainer_save(trainer, NULL));
    NULL_REFUSED("context", slmt_trainer_load(NULL, "x", &trainer));
    NULL_REFUSED("path", slmt_trainer_load(context, NULL, &trainer));
    NULL_REFUSED("trainer", slmt_trainer_load(context, "x", NULL));
    slmt_trainer_free(trainer);
    free(x);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void null_is_refused_by_volumes_and_sets(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_volume *volume = NULL;
    slmt_dataset *set = NULL;
    slmt_dataset_writer *writer = NULL;
    const int64_t dims[3] = {1, 1, 1};
    const char *names[1] = {"t1"};
    float x[49] = {1};
    slmt_metrics metrics = {.struct_size = sizeof metrics};
    NULL_REFUSED("context", slmt_volume_read(NULL, "x", &volume));
    NULL_REFUSED("path", slmt_volume_read(context, NULL, &volume));
    NULL_REFUSED("volume", slmt_volume_read(context, "x", NULL));
    NULL_REFUSED("context", slmt_volume_create(NULL, dims, NULL, x, &volume));
    NULL_REFUSED("dims", slmt_volume_create(context, NULL, NULL, x, &volume));
    NULL_REFUSED("voxels", slmt_volume_create(context, dims, NULL, NULL, &volume));
    NULL_REFUSED("volume", slmt_volume_create(context, dims, NULL, x, NULL));
    NULL_REFUSED("volume", slmt_volume_write(NULL, "x.nii"));
    NULL_REFUSED("prediction", slmt_compare(NULL, x, 7, 7, &metrics));
    NULL_REFUSED("target", slmt_compare(x, NULL, 7, 7, &metrics));
    NULL_REFUSED("metrics", slmt_compare(x, x, 7, 7, NULL));
    NULL_REFUSED("context", slmt_dataset_open(NULL, "x", &set));
    NULL_REFUSED("path", slmt_dataset_open(context, NULL, &set));
    NULL_REFUSED("dataset", slmt_dataset_open(context, "x", NULL));
    NULL_REFUSED("dataset", slmt_dataset_get_preprocess(NULL, &(slmt_preprocess){.struct_size = 8}));
    NULL_REFUSED("dataset", slmt_dataset_read_slice(NULL, 0, 0, 0, 0, x));
    NULL_REFUSED("dataset", slmt_dataset_cut_labels(NULL, NULL, 1, NULL));
    NULL_REFUSED("context", slmt_dataset_writer_create_mr(NULL, "x", NULL, names, 1, &writer));
    NULL_REFUSED("path", slmt_dataset_writer_create_mr(context, NULL, NULL, names, 1, &writer));
    NULL_REFUSED("contrasts", slmt_dataset_writer_create_mr(context, "x", NULL, NULL, 1, &writer));
    NULL_REFUSED("writer", slmt_dataset_writer_create_mr(context, "x", NULL, names, 1, NULL));
    NULL_REFUSED("writer", slmt_dataset_writer_add(NULL, "s", NULL, SLMT_SPLIT_TRAIN));
    NULL_REFUSED("writer", slmt_dataset_writer_finish(NULL));
    assert_true(!volume && !set && !writer);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_those_of_the_header),
        cmocka_unit_test(a_context_says_what_it_computes_with),
        cmocka_unit_test(an_older_shorter_struct_is_read_as_far_as_it_goes),
        cmocka_unit_test(a_struct_whose_size_is_not_set_is_refused),
        cmocka_unit_test(a_newer_longer_struct_is_accepted_while_its_tail_is_zero),
        cmocka_unit_test(every_bad_field_is_named),
        cmocka_unit_test(every_status_has_its_name),
        cmocka_unit_test(the_build_says_what_it_is),
        cmocka_unit_test(the_digest_of_a_file_is_its_sha_256),
        cmocka_unit_test(the_error_text_can_be_copied_and_is_cut_to_fit),
        cmocka_unit_test(the_error_text_belongs_to_the_thread),
        cmocka_unit_test(the_log_hears_what_is_serious_enough),
        cmocka_unit_test(a_warning_goes_to_the_callback_and_the_call_goes_on),
        cmocka_unit_test(a_warning_that_the_callback_refuses_ends_the_call_with_its_text),
        cmocka_unit_test(without_a_callback_a_warning_goes_to_the_log),
        cmocka_unit_test(freeing_everything_gives_everything_back),
        cmocka_unit_test(handles_keep_their_context_alive),
        cmocka_unit_test(the_limit_holds_for_every_handle),
        cmocka_unit_test(a_context_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(free_functions_take_null),
        cmocka_unit_test(null_is_refused_by_models),
        cmocka_unit_test(null_is_refused_by_sessions_and_trainers),
        cmocka_unit_test(null_is_refused_by_volumes_and_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
