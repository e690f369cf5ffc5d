/* SPDX-License-Identifier: Apache-2.0 */
/* profile.h - what a profile handle holds, for the handles that write to it. */
#ifndef SLMT_CORE_PROFILE_H
#define SLMT_CORE_PROFILE_H

#include "core/context.h"
#include "lib/profile.h"
#include "slmt/profile.h"

struct slmt_profile {
    uint64_t word; /* HANDLE_PROFILE, first */
    _Atomic int64_t owners;
    slmt_context *context;
    profile records;
};

/* Makes a profile with one owner. ERR_MEMORY, ERR_LIMIT. */
status profile_open(slmt_context *context, slmt_profile **out);

/* Gives one owner back; the last one frees the profile. NULL is allowed. */
void profile_release(slmt_profile *profile);

/* Writes the calls as a trace, atomically. ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status profile_trace(const slmt_profile *profile, const char *path);

/* Hands `held` (a handle's profile) over to `next`; both may be NULL. The plan writes to it from now on. */
status profile_exchange(plan *p, slmt_profile **held, slmt_profile *next);

#endif
