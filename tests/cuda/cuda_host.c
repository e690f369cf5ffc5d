/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_host.c - see cuda_host.h. */
#include "tests/cuda/cuda_host.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/cuda/cuda.h"
#include "tests/plugins/carrier.h"

/* backends/cuda/emulation/emulation.cc */
void emulation_set_order(int order);
void emulation_set_strict(int strict);

static void change_order(int32_t run)
{
    emulation_set_order(run % 3);
}

/* It stays loaded. */
static const bk_backend *load_plugin(const char *file)
{
    bk_plugin_entry entry;
    void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL),
         *symbol = object ? dlsym(object, BK_PLUGIN_ENTRY) : NULL;
    if (!symbol) {
        fprintf(stderr, "%s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    memcpy(&entry, &symbol, sizeof entry);
    return entry();
}

static bk_status open_cuda(const bk_host *host, const char *options, void **device)
{
    const char *file = getenv("SLMT_TEST_CUDA");
    carried what = {.backend = bk_cuda(), .before_run = change_order};
    if (file)
        what = (carried){.backend = load_plugin(file)};
    emulation_set_strict(0); /* no code of a test sees an address of the device */
    return carrier_open(&what, host, options, device);
}

const bk_backend *bk_cuda_host(void)
{
    static bk_backend table;
    table = carrier_table();
    table.name = "cuda_host";
    table.open = open_cuda;
    return &table;
}
