/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - a session: a runner as a handle. */
#ifndef SLMT_API_SESSION_H
#define SLMT_API_SESSION_H

#include "core/runner.h"

struct slmt_session {
    uint64_t word; /* HANDLE_SESSION, first */
    runner runner;
    int32_t spacing;        /* SLMT_SPACING_...: what becomes of volumes with other voxels */
    int told_of_no_spacing; /* the model does not know its voxels, and a warning has said so */
};

/* ERR_MEMORY, ERR_LIMIT, and as runner_open(). */
status session_open(const task *t, slmt_session **session);

#endif
