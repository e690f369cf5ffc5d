/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_trainer.c - a trainer's file. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "slmt/slmt.h"

static slmt_context *open_context(void)
{
    slmt_context *context;
    slmt_context_config config;
    slmt_context_config_init(&config);
    config.threads = 1;
    config.max_bytes = (uint64_t)512 << 20;
    if (slmt_context_create(&config, &context) != SLMT_OK)
        abort();
    return context;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static slmt_context *context;
    char path[64];
    slmt_trainer *trainer = NULL;
    int fd = memfd_create("trainer", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    context = context ? context : open_context();
    uint64_t idle = slmt_context_live_bytes(context);
    slmt_trainer_load(context, path, &trainer);
    slmt_trainer_free(trainer);
    close(fd);
    if (slmt_context_live_bytes(context) != idle)
        abort();
    return 0;
}
