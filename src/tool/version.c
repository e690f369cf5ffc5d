/* SPDX-License-Identifier: Apache-2.0 */
#include "version.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slmt/slmt.h"

#include "paths.h"
#include "shown.h"

#ifndef SECURITY_CONTACT /* CMake's option SLMT_SECURITY_CONTACT */
#define SECURITY_CONTACT ""
#endif

static void print_digest(FILE *out, const char *what, const char *path)
{
    char digest[SLMT_DIGEST_SIZE];
    if (slmt_file_digest(path, digest, sizeof digest) == SLMT_OK)
        fprintf(out, "%-10s%s, SHA-256 %s\n", what, shown(file_name(path)), digest);
}

/* The file that the library's functions come from: the program itself where they are linked into it. */
static void print_files(FILE *out)
{
    Dl_info library;
    char *program = realpath("/proc/self/exe", NULL);
    if (program)
        print_digest(out, "program", program);
    char *file =
        dladdr((void *)(uintptr_t)&slmt_version, &library) ? realpath(library.dli_fname, NULL) : NULL;
    if (file && (!program || strcmp(file, program) != 0))
        print_digest(out, "library", file);
    free(file);
    free(program);
}

/* Prints whether this machine multiplies bfloat16, or why not. */
static void print_arithmetic(FILE *out)
{
    slmt_context_config config;
    slmt_context *context = NULL;
    slmt_context_config_init(&config);
    config.threads = 1;
    config.arithmetic = SLMT_ARITHMETIC_BFLOAT16;
    bool rounds = slmt_context_create(&config, &context) == SLMT_OK;
    fprintf(out, "%-10s%s%s\n", "products",
            rounds ? "float32, bf16" : "float32; bf16 is refused: ", rounds ? "" : slmt_error_text());
    slmt_context_free(context);
}

void version_print(FILE *out)
{
    slmt_build_info info = {.struct_size = sizeof info};
    fprintf(out, "slmt %s\n", slmt_version());
    if (slmt_build_describe(&info) != SLMT_OK)
        return;
    fprintf(out, "%-10s%s\n", "commit", *info.commit ? info.commit : "unknown");
    fprintf(out, "%-10s%" PRId32 "\n", "numerics", info.numerics);
    fprintf(out, "%-10s%s, %s\n", "computes", info.backends, info.matrix);
    print_arithmetic(out);
    print_files(out);
    if (*SECURITY_CONTACT)
        fprintf(out, "%-10s%s\n", "faults", SECURITY_CONTACT);
}
