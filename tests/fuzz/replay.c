/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - runs a fuzz target without libFuzzer: replay MUTATIONS FILE...
 *
 * Each file as it is, then as many mutations of each, the same in every run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { GROWTH = 4096 /* as much longer may a mutation be */ };

static uint8_t *load(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    if (!bytes || fread(bytes, 1, *size, f) != *size) {
        perror(path);
        exit(1);
    }
    fclose(f);
    return bytes;
}

static void replay(const char *path, unsigned mutations)
{
    size_t size;
    uint8_t *bytes = load(path, &size), *changed = malloc(size + GROWTH);
    if (!changed)
        exit(1);
    LLVMFuzzerTestOneInput(bytes, size);
    for (unsigned seed = 0; seed < mutations; seed++) {
        memcpy(changed, bytes, size);
        size_t now = LLVMFuzzerCustomMutator(changed, size, size + GROWTH, seed);
        LLVMFuzzerTestOneInput(changed, now);
    }
    free(changed);
    free(bytes);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s MUTATIONS FILE...\n", argv[0]);
        return 2;
    }
    for (int i = 2; i < argc; i++)
        replay(argv[i], (unsigned)atoi(argv[1]));
    printf("%d files, %s mutations of each\n", argc - 2, argv[1]);
    return 0;
}
