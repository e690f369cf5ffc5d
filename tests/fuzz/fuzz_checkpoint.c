/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_checkpoint.c - a model in memory, as a host loads it. */
#include <stdlib.h>

#include "fuzz.h"
#include "slmt/slmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static slmt_context *context;
    static uint64_t idle;
    slmt_model *model = NULL;
    if (!context) {
        slmt_context_config config;
        slmt_context_config_init(&config);
        config.threads = 1;
        config.max_bytes = (uint64_t)512 << 20;
        if (slmt_context_create(&config, &context) != SLMT_OK)
            abort();
        idle = slmt_context_live_bytes(context);
    }
    slmt_model_load_memory(context, bytes, size, &model);
    slmt_model_free(model);
    if (slmt_context_live_bytes(context) != idle)
        abort();
    return 0;
}
