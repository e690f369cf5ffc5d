/* SPDX-License-Identifier: Apache-2.0 */
/* The common options' table, and a context whose warnings go to stderr. */
#include "common.h"

#include <sched.h>

#include <inttypes.h>

#include "console.h"
#include "tool.h"

static const field_choice backends[] = {
    {"cpu", SLMT_BACKEND_CPU}, {"reference", SLMT_BACKEND_REFERENCE}, {"cuda", SLMT_BACKEND_CUDA}, {0}};
static const field_choice matrices[] = {
    {"auto", SLMT_MATRIX_AUTO}, {"onednn", SLMT_MATRIX_ONEDNN}, {"openblas", SLMT_MATRIX_OPENBLAS}, {0}};

static const field_choice weights[] = {{"stored", SLMT_WEIGHTS_STORED},
                                       {"full", SLMT_WEIGHTS_FULL},
                                       {"bf16", SLMT_WEIGHTS_BFLOAT16},
                                       {"f16", SLMT_WEIGHTS_FLOAT16},
                                       {0}};

/* The first name of a value is the default's: auto is float32. */
static const field_choice arithmetics[] = {{"auto", SLMT_ARITHMETIC_FLOAT32},
                                           {"float32", SLMT_ARITHMETIC_FLOAT32},
                                           {"bf16", SLMT_ARITHMETIC_BFLOAT16},
                                           {"tf32", SLMT_ARITHMETIC_TF32},
                                           {0}};

#define COMMON(member) .offset = offsetof(common, member)
const field common_fields[] = {
    {"threads", "N", "threads to use; 0: all cores this process may run on", FIELD_INT, COMMON(threads)},
    {"backend", "cpu|reference|cuda",
     "what computes; reference is slow and plain; cuda needs libslmt_cuda.so and a graphics card",
     FIELD_CHOICE, COMMON(backend), backends},
    {"backend-options", "LIST", "options of the backend; cuda: device=N, memory=BYTES", FIELD_TEXT,
     COMMON(backend_options)},
    {"backend-path", "PATH", "where libslmt_cuda.so is, or its folder; the library's folder unless given",
     FIELD_TEXT, COMMON(backend_path), .flags = FIELD_INPUT, .endings = ".so"},
    {"matrix", "auto|onednn|openblas", "library for matrix products", FIELD_CHOICE, COMMON(matrix), matrices},
    {"quiet", NULL, "no progress, no messages but warnings and failures", FIELD_FLAG, COMMON(quiet)},
    {"strict", NULL, "make every warning a failure", FIELD_FLAG, COMMON(strict)},
    {"max-memory", "SIZE", "hard limit on memory, such as 800M or 12G; 0: none", FIELD_BYTES,
     COMMON(max_memory)},
    {0}};

const field weights_fields[] = {
    {"weights", "stored|full|bf16|f16",
     "type of the matrices of linear layers in memory; stored: as the file has them", FIELD_CHOICE,
     COMMON(weights), weights},
    {0}};

const char *weights_name(int32_t value)
{
    const field_choice *c = weights;
    while (c->name && c->value != value)
        c++;
    return c->name ? c->name : "?";
}

const field arithmetic_fields[] = {
    {"arithmetic", "auto|float32|bf16|tf32",
     "what products multiply; bf16 and (on cuda) tf32 round their factors, sums stay float32; auto: float32",
     FIELD_CHOICE, COMMON(arithmetic), arithmetics},
    {0}};

const char *arithmetic_name(int32_t arithmetic)
{
    static const char *const names[] = {"float32", "bf16", "tf32"};
    return names[arithmetic];
}

const field log_fields[] = {{"log", "FILE", "write JSON lines", FIELD_TEXT, COMMON(log),
                             .flags = FIELD_OUTPUT, .endings = ".jsonl .json .log .txt"},
                            {0}};

const field seed_fields[] = {{"seed", "N", "seed of everything random", FIELD_UINT, COMMON(seed)}, {0}};

static const field_choice nans[] = {{"refuse", SLMT_NAN_REFUSE}, {"zero", SLMT_NAN_ZERO}, {0}};

const field nan_fields[] = {{"nan", "refuse|zero",
                             "what to do with NaN, which some programs write outside the brain", FIELD_CHOICE,
                             COMMON(nan), nans},
                            {0}};

void say_zeroed(const slmt_volume *volume, const char *file)
{
    if (slmt_volume_zeroed(volume) > 0)
        say("%s: %" PRIu64 " voxels were NaN and are taken as 0", file, slmt_volume_zeroed(volume));
}

static void on_log(void *user, int32_t level, const char *text)
{
    (void)user;
    if (level == SLMT_LOG_WARNING)
        warn("%s", text);
    else
        complain("%s", text);
}

enum { THREADS_ALWAYS = 64, THREADS_A_PROCESSOR = 8 };

/* Many more threads than processors only wait for each other. */
static int check_threads(int32_t threads)
{
    cpu_set_t set;
    int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int most =
        THREADS_A_PROCESSOR * processors > THREADS_ALWAYS ? THREADS_A_PROCESSOR * processors : THREADS_ALWAYS;
    if (threads < 0 || threads > most)
        return fail_with(EXIT_USAGE, "--threads: %d is not 0 to %d; this process may run on %d %s", threads,
                         most, processors, processors == 1 ? "processor" : "processors");
    if (threads > THREADS_A_PROCESSOR * processors)
        warn("--threads %d: this process may run on %d %s; it will be slow", threads, processors,
             processors == 1 ? "processor" : "processors");
    return EXIT_OK;
}

int common_context(const common *c, slmt_context **context)
{
    console_set_quiet(c->quiet);
    console_set_strict(c->strict);
    int code = check_threads(c->threads);
    if (code != EXIT_OK)
        return code;
    slmt_context_config config;
    slmt_context_config_init(&config);
    config.backend = c->backend;
    config.backend_path = c->backend_path;
    config.backend_options = c->backend_options;
    config.matrix = c->matrix;
    config.threads = c->threads;
    config.weights = c->weights;
    config.arithmetic = c->arithmetic;
    config.max_bytes = c->max_memory;
    config.log = on_log;
    slmt_status status = slmt_context_create(&config, context);
    if (status == SLMT_OK)
        status = slmt_context_set_warning(*context, warn_from_library, NULL);
    if (status == SLMT_OK)
        status = slmt_context_set_nan(*context, c->nan);
    if (status == SLMT_ERR_UNSUPPORTED && c->arithmetic != SLMT_ARITHMETIC_FLOAT32)
        return fail(status, "--arithmetic %s", arithmetic_name(c->arithmetic));
    return status == SLMT_OK ? 0 : fail(status, "context");
}

void log_computer(journal *log, const slmt_context *context, const common *c)
{
    cJSON *event = journal_event("start");
    cJSON_AddStringToObject(event, "computes", slmt_context_describe(context));
    cJSON_AddStringToObject(event, "arithmetic", arithmetic_name(c->arithmetic));
    journal_write(log, event);
}
