/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - entry points of slmt/profile.h. */
#include "core/open_sets.h"
#include "core/profile.h"

#include "core/structs.h"

slmt_status slmt_profile_create(slmt_context *context, slmt_profile **profile)
{
    REQUIRE(context);
    REQUIRE(profile);
    return profile_open(context, profile);
}

void slmt_profile_free(slmt_profile *profile)
{
    if (profile && HANDLE_IS(profile))
        profile_release(profile);
}

void slmt_profile_clear(slmt_profile *profile)
{
    if (profile)
        profile_clear(&profile->records);
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

slmt_status slmt_profile_write_trace(const slmt_profile *profile, const char *path)
{
    REQUIRE(profile);
    REQUIRE(path);
    TRY(open_sets_check(profile->context, path));
    return profile_trace(profile, path);
}
