/* SPDX-License-Identifier: Apache-2.0 */
/* memory_limit.c - the library within a host's memory: its allocator, and a hard limit.
 *
 * The library takes its memory from the host's allocator, which counts (what oneDNN and HDF5 take for
 * themselves is not in it). A session is asked for its size before it is made. One that is too large is
 * refused, with nothing left behind; one for a smaller batch fits and makes as many slices. Twice: once the
 * allocator refuses (SLMT_ERR_MEMORY), once the context does, by its max_bytes (SLMT_ERR_LIMIT).
 *
 *     example_memory_limit          the network is small and its weights are fresh: no files are needed */
#include <slmt/slmt.h>
#include <slmt/slmt_net.h>

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SLICES = 8,
    SIDE = 128,
    LIMIT = 11000000,
    MARGIN = 1000000 /* for planning, see slmt_session_memory() */
};

/* ---- the host's allocator: it may be called from any thread ---- */

typedef struct host {
    uint64_t limit;
    _Atomic uint64_t live, peak;
} host;

typedef union header {
    size_t bytes; /* of the block behind it */
    max_align_t align;
} header;

static void *host_alloc(void *user, size_t bytes)
{
    host *h = user;
    uint64_t live = atomic_fetch_add(&h->live, bytes) + bytes, peak = atomic_load(&h->peak);
    header *block = live <= h->limit ? malloc(sizeof *block + bytes) : NULL;
    if (!block) {
        atomic_fetch_sub(&h->live, bytes);
        return NULL;
    }
    while (live > peak && !atomic_compare_exchange_weak(&h->peak, &peak, live))
        ;
    block->bytes = bytes;
    return block + 1;
}

static void host_free(void *user, void *pointer)
{
    host *h = user;
    header *block = (header *)pointer - 1;
    atomic_fetch_sub(&h->live, block->bytes);
    free(block);
}

/* ---- its use ---- */

static void expect(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "memory-limit: %s: %s\n", what, slmt_error_text());
        exit(1);
    }
}

/* Bytes that a session for a batch holds. */
static uint64_t needed(slmt_model *model, int32_t batch)
{
    uint64_t bytes = 0;
    const slmt_number setting = {"batch", batch};
    expect(slmt_session_memory(model, NULL, &setting, 1, &bytes) == SLMT_OK, "slmt_session_memory");
    return bytes;
}

static void synthesize_within(host *h, uint64_t max_bytes, slmt_status refusal)
{
    static float source[SLICES * SIDE * SIDE], target[SLICES * SIDE * SIDE];
    slmt_context_config config;
    slmt_context *context = NULL;
    slmt_net_options options;
    slmt_model *model = NULL;
    slmt_number setting = {"batch", SLICES};
    slmt_session *session = NULL;

    slmt_context_config_init(&config);
    config.threads = 1; /* so small a network has no work for more */
    config.alloc = host_alloc;
    config.free = host_free;
    config.alloc_user = h;
    config.max_bytes = max_bytes;
    expect(slmt_context_create(&config, &context) == SLMT_OK, "slmt_context_create");
    expect(slmt_net_options_init(&options, SLMT_NET_PRESET_TINY) == SLMT_OK, "slmt_net_options_init");
    options.embed_dim = 16; /* smaller still: this is about memory */
    expect(slmt_net_create(context, &options, 1, &model) == SLMT_OK, "slmt_net_create");
    uint64_t live = atomic_load(&h->live), bytes = needed(model, SLICES);
    printf("  the model holds %.1f MB, a session for %d slices at once would hold %.1f MB\n",
           (double)live / 1e6, SLICES, (double)bytes / 1e6);

    /* As if nobody had asked: */
    slmt_status status = slmt_session_create(model, NULL, &setting, 1, &session);
    expect(status == refusal, "a session above the limit");
    printf("  made all the same: %s (%s)\n", slmt_status_name(status), slmt_error_text());
    expect(atomic_load(&h->live) == live && !session, "a refused session holds nothing");

    int32_t batch = SLICES;
    while (batch > 1 && live + bytes + MARGIN > LIMIT)
        bytes = needed(model, batch /= 2);
    setting.value = batch;
    expect(slmt_session_create(model, NULL, &setting, 1, &session) == SLMT_OK, "a session within the limit");
    expect(atomic_load(&h->live) == live + bytes, "a session holds what it said");
    expect(slmt_synthesize(session, source, SLICES, target) == SLMT_OK, "slmt_synthesize");
    printf("  a session for %d at once holds %.1f MB, fits, and makes all %d slices\n", (int)batch,
           (double)bytes / 1e6, SLICES);

    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
    expect(atomic_load(&h->live) == 0, "all is given back");
    printf("  all is given back; at most %.1f MB were held\n", (double)atomic_load(&h->peak) / 1e6);
}

int main(void)
{
    host strict = {.limit = LIMIT}, generous = {.limit = UINT64_MAX};
    printf("the host's allocator gives no more than %.1f MB:\n", LIMIT / 1e6);
    synthesize_within(&strict, 0, SLMT_ERR_MEMORY);
    printf("the context takes no more than %.1f MB:\n", LIMIT / 1e6);
    synthesize_within(&generous, LIMIT, SLMT_ERR_LIMIT);
    return 0;
}
