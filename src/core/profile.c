/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - a profile's owners, and its trace as a file. */
#include "core/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/handles.h"
#include "io/atomic_file.h"
#include "io/descriptor.h"

status profile_open(slmt_context *context, slmt_profile **out)
{
    void *p;
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_profile), &p));
    slmt_profile *made = p;
    made->word = HANDLE_PROFILE;
    atomic_init(&made->owners, 1);
    made->context = context_retain(context);
    profile_init(&made->records, &context->mem);
    *out = made;
    return OK;
}

void profile_release(slmt_profile *profile)
{
    if (!profile || atomic_fetch_sub(&profile->owners, 1) > 1)
        return;
    slmt_context *context = profile->context;
    profile_close(&profile->records);
    handle_end(profile);
    mem_give(&context->mem, profile);
    context_release(context);
}

status profile_exchange(plan *p, slmt_profile **held, slmt_profile *next)
{
    TRY(plan_profile(p, next ? &next->records : NULL));
    if (next)
        atomic_fetch_add(&next->owners, 1);
    profile_release(*held);
    *held = next;
    return OK;
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

static status write_trace(const profile *p, const char *temporary, const char *path)
{
    int fd = descriptor_open(temporary, O_WRONLY | O_TRUNC, 0);
    if (fd < 0)
        return fail(ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    FILE *f = fdopen(fd, "w");
    if (!f) {
        close(fd);
        return fail_memory();
    }
    write_events(p, f);
    int wrong = ferror(f) ? errno : 0;
    if (fclose(f) != 0 || wrong)
        return fail(ERR_IO, "%s cannot be written: %s", path, strerror(wrong ? wrong : errno));
    return OK;
}

status profile_trace(const slmt_profile *profile, const char *path)
{
    atomic_file f;
    TRY(atomic_file_begin(&profile->context->mem, path, &f));
    status s = write_trace(&profile->records, f.temporary, path);
    if (s != OK) {
        atomic_file_abandon(&f);
        return s;
    }
    return atomic_file_finish(&f);
}
