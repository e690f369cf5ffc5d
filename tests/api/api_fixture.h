/* SPDX-License-Identifier: Apache-2.0 */
/* api_fixture.h - what the tests of the public functions share: contexts whose allocator counts and can fail,
 * a network small enough for milliseconds, slices, a scratch folder.
 *
 * It includes cmocka.h, so a test includes it last. */
#ifndef SLMT_TESTS_API_FIXTURE_H
#define SLMT_TESTS_API_FIXTURE_H

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slmt/slmt.h"
#include "slmt/slmt_net.h"

#include <cmocka.h> /* last: its fail() is a macro */

/* ---- statuses ---- */

static inline void expect_status(slmt_status expected, slmt_status s, const char *call)
{
    if (s != expected)
        print_error("%s: %s: %s\n", call, slmt_status_name(s), slmt_error_text());
    assert_string_equal(slmt_status_name(s), slmt_status_name(expected));
}

#define EXPECT(expected, call) expect_status(expected, call, #call)
#define GOOD(call)             EXPECT(SLMT_OK, call)

/* The call fails with this status, and its text holds `word`. */
#define EXPECT_TEXT(expected, word, call)                                                                    \
    do {                                                                                                     \
        EXPECT(expected, call);                                                                              \
        if (!strstr(slmt_error_text(), word))                                                                \
            fail_msg("\"%s\" does not name \"%s\"", slmt_error_text(), word);                                \
    } while (0)

/* ---- an allocator that counts ---- */

typedef struct counter {
    _Atomic long calls, live, fail_at; /* fail_at: this call (from 1) and all later ones give NULL; 0: none */
    _Atomic size_t largest;            /* request */
} counter;

static inline void *counter_alloc(void *user, size_t bytes)
{
    counter *c = user;
    long call = atomic_fetch_add(&c->calls, 1) + 1, fail_at = atomic_load(&c->fail_at);
    if (bytes > atomic_load(&c->largest))
        atomic_store(&c->largest, bytes);
    if (fail_at > 0 && call >= fail_at)
        return NULL;
    void *p = malloc(bytes);
    if (p) {
        memset(p, 0xC7, bytes); /* nobody may count on zeros */
        atomic_fetch_add(&c->live, 1);
    }
    return p;
}

static inline void counter_free(void *user, void *p)
{
    counter *c = user;
    assert_non_null(p);
    atomic_fetch_sub(&c->live, 1);
    free(p);
}

/* The n-th allocation from now on fails, and all after it; 0: none does any more. */
static inline void counter_fail(counter *c, long n)
{
    atomic_store(&c->calls, 0);
    atomic_store(&c->fail_at, n);
}

/* ---- contexts ---- */

/* c may be NULL. */
static inline slmt_context_config config_for(int32_t backend, int32_t threads, counter *c)
{
    slmt_context_config config;
    slmt_context_config_init(&config);
    config.backend = backend;
    config.threads = threads;
    if (c) {
        config.alloc = counter_alloc;
        config.free = counter_free;
        config.alloc_user = c;
    }
    return config;
}

static inline slmt_context *open_with(const slmt_context_config *config)
{
    slmt_context *context = NULL;
    GOOD(slmt_context_create(config, &context));
    return context;
}

static inline slmt_context *open_context(int32_t threads, counter *c)
{
    slmt_context_config config = config_for(SLMT_BACKEND_CPU, threads, c);
    return open_with(&config);
}

static inline slmt_context *open_reference(int32_t precision)
{
    slmt_context_config config = config_for(SLMT_BACKEND_REFERENCE, 1, NULL);
    config.precision = precision;
    return open_with(&config);
}

/* ---- a small network ---- */

enum { SIDE = 128, PIXELS = SIDE * SIDE };

static inline slmt_net_options small_options(void)
{
    slmt_net_options o;
    GOOD(slmt_net_options_init(&o, SLMT_NET_PRESET_TINY));
    o.embed_dim = 8;
    o.depth = 1;
    o.num_heads = 2;
    o.mlp_ratio = 2;
    o.decoder_dim = 8;
    o.decoder_depth = 1;
    o.decoder_heads = 2;
    memcpy(o.generator_depths, (const int32_t[4]){2, 1, 1, 1}, sizeof o.generator_depths);
    memcpy(o.generator_heads, (const int32_t[4]){2, 2, 4, 8}, sizeof o.generator_heads);
    return o;
}

static inline slmt_model *small_model(slmt_context *context, uint64_t seed)
{
    slmt_net_options o = small_options();
    slmt_model *model = NULL;
    GOOD(slmt_net_create(context, &o, seed, &model));
    return model;
}

static inline slmt_tensor_info tensor_info(const slmt_model *model, size_t index)
{
    slmt_tensor_info info = {.struct_size = sizeof info};
    GOOD(slmt_model_tensor_info(model, index, &info));
    return info;
}

static inline size_t tensor_size(const slmt_tensor_info *info)
{
    size_t n = 1;
    for (int32_t i = 0; i < info->rank; i++)
        n *= (size_t)info->dim[i];
    return n;
}

/* Values of a tensor; the caller frees them. */
static inline float *tensor_values(const slmt_model *model, const char *name, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < slmt_model_tensor_count(model); i++) {
        slmt_tensor_info info = tensor_info(model, i);
        if (strcmp(info.name, name) != 0)
            continue;
        *count = tensor_size(&info);
        float *values = malloc(*count * sizeof *values);
        GOOD(slmt_model_get_tensor(model, name, values, *count));
        return values;
    }
    fail_msg("no tensor %s", name);
    return NULL;
}

/* 1 if all tensors that the networks read are equal bit for bit. */
static inline int same_weights(const slmt_model *a, const slmt_model *b)
{
    int same = slmt_model_tensor_count(a) == slmt_model_tensor_count(b);
    for (size_t i = 0; same && i < slmt_model_tensor_count(a); i++) {
        slmt_tensor_info info = tensor_info(a, i);
        size_t n, m;
        if (!info.used)
            continue;
        float *x = tensor_values(a, info.name, &n), *y = tensor_values(b, info.name, &m);
        same = n == m && memcmp(x, y, n * sizeof *x) == 0;
        free(x);
        free(y);
    }
    return same;
}

/* What the last step of a trainer reported. */
static inline double step_value(const slmt_trainer *trainer, const char *name)
{
    double value = 0;
    GOOD(slmt_trainer_value(trainer, name, &value));
    return value;
}

/* ---- slices ---- */

/* Smooth shapes that differ from slice to slice, with values in [0, 1]. The caller frees them. */
static inline float *make_slices(size_t count, int kind)
{
    float *slices = malloc(count * PIXELS * sizeof *slices);
    for (size_t k = 0; k < count; k++)
        for (int r = 0; r < SIDE; r++)
            for (int c = 0; c < SIDE; c++) {
                double x = (c - 64) / 50.0, y = (r - 64) / 56.0, inside = x * x + y * y < 1;
                double wave = 0.5 + 0.3 * sin(0.11 * r + 0.7 * (double)k) * cos(0.07 * c + kind);
                slices[k * PIXELS + (size_t)(r * SIDE + c)] = (float)(inside * wave);
            }
    return slices;
}

/* ---- files ---- */

static char scratch_folder[] = "/tmp/slmt-api-XXXXXX";

static inline const char *in_folder(const char *name)
{
    static _Thread_local char path[8][512];
    static _Thread_local int next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", scratch_folder, name);
    return p;
}

static inline int make_folder(void **state)
{
    (void)state;
    return mkdtemp(scratch_folder) ? 0 : -1;
}

/* Files in the folder; deletes them if asked. */
static inline int count_files(int delete)
{
    int count = 0;
    DIR *d = opendir(scratch_folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            count++;
            if (delete)
                remove(in_folder(e->d_name));
        }
    closedir(d);
    return count;
}

static inline int delete_folder(void **state)
{
    (void)state;
    count_files(1);
    return rmdir(scratch_folder);
}

/* A file's bytes; the caller frees them. */
static inline unsigned char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static inline void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline int same_files(const char *a, const char *b)
{
    size_t n, m;
    unsigned char *x = read_file(a, &n), *y = read_file(b, &m);
    int same = n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

/* A trainer in the folder, and whether two that were saved there are alike. */
static inline void save_trainer(const slmt_trainer *trainer, const char *name)
{
    GOOD(slmt_trainer_save(trainer, in_folder(name)));
}

static inline int same_saved(const char *a, const char *b)
{
    return same_files(in_folder(a), in_folder(b));
}

/* ---- sessions ---- */

static inline slmt_session *open_net_session(slmt_model *model, int32_t batch)
{
    slmt_net_session_config config;
    slmt_session *session = NULL;
    slmt_net_session_config_init(&config);
    config.batch = batch;
    GOOD(slmt_net_session_create(model, &config, &session));
    return session;
}

#endif
