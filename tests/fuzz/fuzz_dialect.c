/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_dialect.c - the strict reader alone: it lists a file and reads its tensors. Built without checks of
 * checksums, so that changes reach what lies behind them. */
#include <stdlib.h>

#include "fuzz.h"
#include "io/dialect.h"

enum { BLOCK = 512, VALUES_MAX = 1 << 20 };

static void read_tensor(const source *bytes, const catalogue_tensor *t, void *values)
{
    uint64_t size = stored_bytes(t->type, t->rank, t->dims);
    if (size <= VALUES_MAX)
        dialect_read(bytes, BLOCK, t, values);
    else if (t->rank > 0 && size / (uint64_t)t->dims[0] <= VALUES_MAX)
        dialect_read_rows(bytes, BLOCK, t, t->dims[0] - 1, 1, (dialect_scratch){0}, values);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mem m;
    catalogue c;
    mem_init(&m, NULL, NULL, NULL, (uint64_t)256 << 20);
    source from = {.mem = &m, .label = "file", .fd = -1, .data = bytes, .size = size};
    void *values = malloc(VALUES_MAX);
    catalogue_init(&c, &m, "file");
    c.types = STORED_IN_SETS;
    c.user_names = 1;
    if (dialect_catalogue(&from, BLOCK, &c) == OK)
        for (size_t i = 0; values && i < c.tensor_count; i++)
            read_tensor(&from, &c.tensors[i], values);
    catalogue_free(&c);
    free(values);
    if (m.live != 0)
        abort();
    return 0;
}
