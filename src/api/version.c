/* SPDX-License-Identifier: Apache-2.0 */
/* version.c - what this build is, and what its backends say of themselves on this machine. */
#include "slmt/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "core/context.h"
#include "core/model_file.h"
#include "core/structs.h"
#include "io/digest.h"
#include "io/input_file.h"
#include "lib/registry.h"

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

extern const char build_commit[]; /* cmake/commit.cmake */

const char *slmt_version(void)
{
    return SLMT_VERSION_STRING;
}

static bk_status host_alloc(void *user, size_t bytes, void **out)
{
    (void)user;
    *out = aligned_alloc(64, (bytes + 63) / 64 * 64);
    return *out ? BK_OK : BK_ERR_MEMORY;
}

static void host_free(void *user, void *pointer)
{
    (void)user;
    free(pointer);
}

/* Asks a backend what it says of itself when opened with these options; returns 0 if it cannot be opened. */
static int ask(const char *name, const char *options, char text[128])
{
    const bk_host host = {.alloc = host_alloc, .free = host_free, .threads = 1};
    const bk_backend *backend = backend_find(name);
    void *device;
    if (!backend || backend->open(&host, options, &device) != BK_OK)
        return 0;
    snprintf(text, 128, "%s", backend->describe(device));
    backend->close(device);
    return 1;
}

static void append(char *list, size_t size, const char *item)
{
    size_t n = strlen(list);
    snprintf(list + n, size - n, "%s%s", n ? ", " : "", item);
}

/* "cpu: x86-64-v4, oneDNN 2.6.3" (backends/backend.h): the level is kept, the library appended. */
static void take_cpu(slmt_build_info *info, char *text)
{
    char *rest;
    if (!strtok_r(text, ":", &rest))
        return;
    const char *level = strtok_r(NULL, ",", &rest), *library = strtok_r(NULL, ",", &rest);
    if (!level || !library)
        return;
    snprintf(info->cpu_level, sizeof info->cpu_level, "%s", level + 1);
    append(info->matrix, sizeof info->matrix, library + 1);
}

slmt_status slmt_build_describe(slmt_build_info *info)
{
    slmt_build_info b = {.struct_size = sizeof b,
                         .abi = SLMT_ABI,
                         .version = SLMT_VERSION_STRING,
                         .commit = build_commit,
                         .compiler = COMPILER,
                         .numerics = NUMERICS_VERSION};
    char text[128];
    REQUIRE(info);
    TRY(struct_check(info, "slmt_build_info"));
    if (ask("cpu", "matrix=onednn,name-only", text))
        take_cpu(&b, text);
    if (ask("cpu", "matrix=openblas,name-only", text))
        take_cpu(&b, text);
    if (b.cpu_level[0])
        append(b.backends, sizeof b.backends, "cpu");
    if (ask("reference", "", text))
        append(b.backends, sizeof b.backends, "reference");
    return struct_write(info, &b, sizeof b, "slmt_build_info");
}

slmt_status slmt_file_digest(const char *path, char *digest, size_t size)
{
    char hex[DIGEST_HEX];
    uint64_t bytes;
    int fd;
    REQUIRE(path);
    REQUIRE(digest);
    if (size < DIGEST_HEX)
        return fail(ERR_ARGUMENT, "slmt_file_digest: size is %zu, must be at least %d", size, DIGEST_HEX);
    TRY(input_file_open(path, &fd, &bytes));
    status s = digest_file(fd, 0, path, hex, &bytes);
    close(fd);
    if (s == OK)
        memcpy(digest, hex, sizeof hex);
    return s;
}
