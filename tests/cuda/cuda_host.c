/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_host.c - see cuda_host.h. */
#include "tests/cuda/cuda_host.h"

#include "backends/cuda/cuda.h"
#include "tests/plugins/carrier.h"

void emulation_set_order(int order); /* backends/cuda/emulation/emulation.cc */

static bk_status open_cuda(const bk_host *host, const char *options, void **device)
{
    const carried what = {.backend = bk_cuda(), .runs = 3, .set_order = emulation_set_order};
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
