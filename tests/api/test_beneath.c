/* SPDX-License-Identifier: Apache-2.0 */
/* test_beneath.c - memory that runs out beneath the context's allocator: in oneDNN and in the C library. This
 * program's malloc() stands in front of the C library's, for every library in it. */
#include <errno.h>
#include <sys/mman.h>

#include "tests/api/small_methods.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define HAS_MALLOC 0
#else
#define HAS_MALLOC 1
#endif

/* ---- a malloc() that counts and fails ---- */

static _Atomic long calls, fail_at;
static _Atomic int is_counting, fails_once;

#if HAS_MALLOC
extern void *__libc_malloc(size_t bytes), *__libc_calloc(size_t count, size_t size),
    *__libc_realloc(void *p, size_t bytes), *__libc_memalign(size_t alignment, size_t bytes);

static int fails(void)
{
    if (!atomic_load(&is_counting))
        return 0;
    long call = atomic_fetch_add(&calls, 1) + 1, at = atomic_load(&fail_at);
    int failed = at > 0 && (atomic_load(&fails_once) ? call == at : call >= at);
    if (failed)
        errno = ENOMEM;
    return failed;
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t bytes)
{
    return fails() ? NULL : __libc_realloc(p, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **p, size_t alignment, size_t bytes)
{
    void *taken = fails() ? NULL : __libc_memalign(alignment, bytes);
    if (taken)
        *p = taken;
    return taken ? 0 : ENOMEM;
}
#endif

/* From now on allocations are counted; the n-th fails, and all after it unless `once` is set; 0: none does.
 */
static void watch(long n, int once)
{
    atomic_store(&calls, 0);
    atomic_store(&fail_at, n);
    atomic_store(&fails_once, once);
    atomic_store(&is_counting, 1);
}

static long watched(void)
{
    atomic_store(&is_counting, 0);
    return atomic_load(&calls);
}

/* ---- a session that has run ---- */

typedef struct warm {
    slmt_context *context;
    slmt_model *model;
    slmt_session *session;
    float source[2 * AREA], first[2 * AREA], target[2 * AREA];
} warm;

static warm *open_warm(const small *s, int32_t matrix)
{
    warm *w = calloc(1, sizeof *w);
    slmt_context_config config = config_for(SLMT_BACKEND_CPU, 1, NULL);
    const slmt_tensor which = {"sequence", &(int32_t){0}, (const int64_t[]){1}, NULL, 1, SLMT_TENSOR_INT32};
    config.matrix = matrix;
    if (slmt_context_create(&config, &w->context) != SLMT_OK) {
        free(w);
        return NULL;
    }
    w->model = model_of(w->context, s);
    GOOD(slmt_session_create(w->model, NULL, s->settings, (size_t)s->n_settings, &w->session));
    if (strcmp(s->method, "seq2seq") == 0)
        GOOD(slmt_session_set(w->session, &which));
    for (int i = 0; i < 2 * AREA; i++)
        w->source[i] = (float)(i % 97) / 97;
    GOOD(slmt_synthesize(w->session, w->source, 2, w->first));
    return w;
}

static void close_warm(warm *w)
{
    slmt_session_free(w->session);
    slmt_model_free(w->model);
    slmt_context_free(w->context);
    free(w);
}

static slmt_status run_warm(warm *w, long n, int once, long *used)
{
    watch(n, once);
    slmt_status s = slmt_synthesize(w->session, w->source, 2, w->target);
    *used = watched();
    return s;
}

/* ---- tests ---- */

/* At about fifty places of all, each once and from there on. */
static void a_warm_call_survives_a_lack_of_memory_beneath_the_allocator(void **state)
{
    (void)state;
    long total = 0;
    for (int i = 0; i < 3; i++) {
        warm *w = open_warm(&smalls[i], SLMT_MATRIX_ONEDNN);
        long all, used;
        if (!w)
            skip(); /* the build has no oneDNN */
        GOOD(run_warm(w, 0, 0, &all));
        total += all;
        for (long n = 1; n <= all; n += all / 50 + 1)
            for (int once = 0; once < 2; once++) {
                EXPECT_TEXT(SLMT_ERR_MEMORY, "memory", run_warm(w, n, once, &used));
                GOOD(run_warm(w, 0, 0, &used));
                assert_int_equal(used, all); /* nothing more than before */
                assert_memory_equal(w->first, w->target, sizeof w->first);
            }
        close_warm(w);
    }
    assert_true(total > 0);
}

/* ---- a trainer that has made steps ---- */

static slmt_status step_of(slmt_trainer *trainer, const warm *w)
{
    return slmt_net_finetune_step(trainer, w->source, w->first, 1e-3);
}

/* At about fifty places of all, each once and from there on; a step that failed changes nothing. */
static void a_warm_step_survives_a_lack_of_memory_beneath_the_allocator(void **state)
{
    (void)state;
    warm *w = open_warm(&smalls[0], SLMT_MATRIX_ONEDNN);
    slmt_trainer *trainer = NULL;
    if (!w)
        skip(); /* the build has no oneDNN */
    GOOD(slmt_trainer_create(w->model, "finetune", &(slmt_number){"batch", 2}, 1, 7, &trainer));
    GOOD(step_of(trainer, w));
    watch(0, 0);
    GOOD(step_of(trainer, w));
    const long all = watched();
    for (long n = 1; n <= all; n += all / 50 + 1)
        for (int once = 0; once < 2; once++) {
            watch(n, once);
            slmt_status s = step_of(trainer, w);
            watched();
            EXPECT_TEXT(SLMT_ERR_MEMORY, "memory", s);
        }
    watch(0, 0);
    GOOD(step_of(trainer, w));
    assert_int_equal(watched(), all);
    slmt_trainer_free(trainer);
    close_warm(w);
}

/* ---- what is made ---- */

typedef slmt_status (*maker)(void *of);

static slmt_status make_context(void *of)
{
    slmt_context *context = NULL;
    slmt_context_config config = config_for(SLMT_BACKEND_CPU, 2, NULL);
    (void)of;
    slmt_status s = slmt_context_create(&config, &context);
    slmt_context_free(context);
    return s;
}

typedef struct making {
    const small *s;
    slmt_model *model;
} making;

static slmt_status make_session(void *of)
{
    const making *m = of;
    slmt_session *session = NULL;
    static float source[AREA], target[AREA];
    slmt_status s = slmt_session_create(m->model, NULL, m->s->settings, (size_t)m->s->n_settings, &session);
    if (s == SLMT_OK && strcmp(m->s->method, "seq2seq") != 0) /* which has to be told a sequence first */
        s = slmt_synthesize(session, source, 1, target);
    slmt_session_free(session);
    return s;
}

static slmt_status make_trainer(void *of)
{
    const making *m = of;
    slmt_trainer *trainer = NULL;
    const char *task = strcmp(m->s->method, "slmt-net") == 0 ? "finetune" : "train";
    slmt_status s =
        slmt_trainer_create(m->model, task, m->s->settings, (size_t)m->s->n_settings, 7, &trainer);
    slmt_trainer_free(trainer);
    return s;
}

/* At every place, once and from there on. */
static void is_made_or_refused(maker make, void *of)
{
    for (int once = 0; once < 2; once++)
        for (long n = 1, failed = 1; failed; n++) {
            watch(n, once);
            slmt_status s = make(of);
            failed = watched() >= n;
            EXPECT(failed ? SLMT_ERR_MEMORY : SLMT_OK, s);
            assert_true(failed || n > 1);
        }
}

/* With the library's own kernels: oneDNN can end the process here. */
static void contexts_sessions_and_trainers_survive_every_lack_of_memory(void **state)
{
    (void)state;
    is_made_or_refused(make_context, NULL);
    slmt_context *context = open_context(1, NULL);
    for (int i = 0; i < 3; i++) {
        making m = {&smalls[i], model_of(context, &smalls[i])};
        is_made_or_refused(make_session, &m);
        is_made_or_refused(make_trainer, &m);
        slmt_model_free(m.model);
    }
    slmt_context_free(context);
}

/* ---- a process that has nearly as many maps as it may ---- */

/* Takes maps until none can be had, then gives back so many. Returns their number. */
static size_t take_maps(char *pages, size_t page, size_t most, size_t left)
{
    size_t n = 0;
    while (n < most && mprotect(pages + 2 * n * page, page, PROT_READ) == 0)
        n++;
    for (size_t i = 0; i < left && i < n; i++)
        mprotect(pages + 2 * i * page, page, PROT_NONE);
    return n;
}

/* oneDNN's kernels are maps of their own, and it does not look whether it got them. */
static void a_session_is_made_or_refused_where_maps_run_out(void **state)
{
    (void)state;
    long limit = 0;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
    if (!f || fscanf(f, "%ld", &limit) != 1 || limit > 200000)
        skip();
    fclose(f);
    slmt_context *context = NULL;
    slmt_context_config config = config_for(SLMT_BACKEND_CPU, 1, NULL);
    config.matrix = SLMT_MATRIX_ONEDNN;
    if (slmt_context_create(&config, &context) != SLMT_OK)
        skip(); /* the build has no oneDNN */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), most = (size_t)limit;
    int refused = 0, made = 0;
    for (size_t left = 0; left < 64; left += left < 16 ? 1 : 8) {
        slmt_model *model = model_of(context, &smalls[2]);
        const slmt_number settings[] = {{"batch", (double)(3 + left)}}; /* shapes of its own */
        slmt_session *session = NULL;
        char *pages =
            mmap(NULL, 2 * most * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert_ptr_not_equal(pages, MAP_FAILED);
        assert_in_range(take_maps(pages, page, most, left), 1, most - 1);
        slmt_status s = slmt_session_create(model, NULL, settings, 1, &session);
        munmap(pages, 2 * most * page);
        if (s != SLMT_OK)
            EXPECT(SLMT_ERR_MEMORY, s);
        made += s == SLMT_OK;
        refused += s != SLMT_OK;
        slmt_session_free(session);
        slmt_model_free(model);
    }
    assert_true(refused > 0 && made > 0);
    slmt_context_free(context);
}

/* Neither the library takes memory, nor what computes products beneath it, unless that is oneDNN. */
static void a_warm_call_takes_no_memory_without_onednn(void **state)
{
    (void)state;
    static const int of_few_calls[] = {0, 2}; /* Seq2Seq takes memory for each run */
    for (size_t i = 0; i < 2; i++)
        for (int32_t matrix = SLMT_MATRIX_AUTO; matrix <= SLMT_MATRIX_OPENBLAS; matrix++) {
            warm *w = matrix == SLMT_MATRIX_ONEDNN ? NULL : open_warm(&smalls[of_few_calls[i]], matrix);
            long used;
            if (!w)
                continue;
            GOOD(run_warm(w, 0, 0, &used));
            assert_int_equal(used, 0);
            close_warm(w);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_sessions_and_trainers_survive_every_lack_of_memory),
        cmocka_unit_test(a_warm_call_survives_a_lack_of_memory_beneath_the_allocator),
        cmocka_unit_test(a_warm_call_takes_no_memory_without_onednn),
        cmocka_unit_test(a_warm_step_survives_a_lack_of_memory_beneath_the_allocator),
        cmocka_unit_test(a_session_is_made_or_refused_where_maps_run_out),
    };
    return HAS_MALLOC ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
