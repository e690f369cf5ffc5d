/* SPDX-License-Identifier: Apache-2.0 */
/* carrier.h - backends with memory of their own for callers with host memory, such as the conformance suite:
 * each call's operands are taken up, and its outputs down again. */
#ifndef SLMT_TESTS_CARRIER_H
#define SLMT_TESTS_CARRIER_H

#include "backends/backend.h"

typedef struct carried {
    const bk_backend *backend;
    void (*before_run)(int32_t number); /* of the run, from 0; NULL: nothing is to be done */
} carried;

/* The open() of a carrier. */
bk_status carrier_open(const carried *what, const bk_host *host, const char *options, void **device);

/* All other functions; .name and .open are to be set. */
bk_backend carrier_table(void);

/* The backend "walled". */
const bk_backend *bk_walled_host(void);

#endif
