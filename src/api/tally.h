/* SPDX-License-Identifier: Apache-2.0 */
/* tally.h - taking large blocks for real, or only adding them up: how memory queries are exact. */
#ifndef SLMT_API_TALLY_H
#define SLMT_API_TALLY_H

#include "api/context.h"

typedef struct tally {
    mem *mem;
    int dry;        /* 1: take nothing, count */
    uint64_t bytes; /* counted */
} tally;

/* Zeroed bytes; NULL when dry. */
status tally_take(tally *t, size_t bytes, void **out);

/* A context like this one, without limit, to count what something takes. */
status tally_context(const slmt_context *like, slmt_context **out);

#endif
