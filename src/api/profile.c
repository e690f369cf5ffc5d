/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - profiles as handles, and the trace file. */
#include "core/profile.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/structs.h"
#include "io/atomic_file.h"

slmt_status slmt_profile_create(slmt_context *context, slmt_profile **profile)
{
    void *p;
    REQUIRE(context);
    REQUIRE(profile);
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_profile), &p));
    slmt_profile *made = p;
    atomic_init(&made->owners, 1);
    made->context = context_retain(context);
    profile_init(&made->records, &context->mem);
    *profile = made;
    return OK;
}

void slmt_profile_free(slmt_profile *profile)
{
    if (!profile || atomic_fetch_sub(&profile->owners, 1) > 1)
        return;
    slmt_context *context = profile->context;
    profile_close(&profile->records);
    mem_give(&context->mem, profile);
    context_release(context);
}

void slmt_profile_clear(slmt_profile *profile)
{
    if (profile)
        profile_clear(&profile->records);
}

status profile_exchange(plan *p, slmt_profile **held, slmt_profile *next)
{
    TRY(plan_profile(p, next ? &next->records : NULL));
    if (next)
        atomic_fetch_add(&next->owners, 1);
    slmt_profile_free(*held);
    *held = next;
    return OK;
}

size_t slmt_profile_entry_count(const slmt_profile *profile)
{
    return profile ? (size_t)profile->records.n_entries : 0;
}

slmt_status slmt_profile_entry_at(const slmt_profile *profile, size_t index, slmt_profile_entry *entry)
{
    REQUIRE(profile);
    REQUIRE(entry);
    if (index >= slmt_profile_entry_count(profile))
        return fail(ERR_ARGUMENT, "slmt_profile_entry_at: index is %zu, the profile has %zu entries", index,
                    slmt_profile_entry_count(profile));
    const profile_entry *e = &profile->records.entries[index];
    slmt_profile_entry known = {.struct_size = sizeof known,
                                .backward = e->backward,
                                .op = e->op,
                                .layer = e->layer,
                                .shape = e->shape,
                                .calls = e->calls,
                                .seconds = e->seconds,
                                .flops = e->flops * (double)e->calls};
    return struct_write(entry, &known, sizeof known, "slmt_profile_entry");
}

/* ---- the trace ---- */

/* Op, layer and shape are the library's own texts: nothing in them needs escaping. */
static void write_events(const profile *p, FILE *f)
{
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", f);
    for (int32_t i = 0; i < p->n_events; i++) {
        const profile_event *event = &p->events[i];
        const profile_entry *e = &p->entries[event->entry];
        fprintf(f,
                "{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f,"
                "\"args\":{\"layer\":\"%s\",\"shape\":\"%s\",\"gflops\":%.3f}}%s\n",
                e->op, (const char *[]){"forward", "backward", "again"}[e->backward], 1e6 * event->start,
                1e6 * event->seconds, e->layer, e->shape, 1e-9 * e->flops, i + 1 < p->n_events ? "," : "");
    }
    fprintf(f, "],\"otherData\":{\"calls_not_in_the_trace\":\"%llu\"}}\n", (unsigned long long)p->lost);
}

static status write_trace(const profile *p, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    write_events(p, f);
    int wrong = ferror(f);
    if (fclose(f) != 0 || wrong)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    return OK;
}

slmt_status slmt_profile_write_trace(const slmt_profile *profile, const char *path)
{
    REQUIRE(profile);
    REQUIRE(path);
    atomic_file f;
    TRY(atomic_file_begin(&profile->context->mem, path, &f));
    status s = write_trace(&profile->records, f.temporary);
    if (s != OK) {
        atomic_file_abandon(&f);
        return s;
    }
    return atomic_file_finish(&f);
}
