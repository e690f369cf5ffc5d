/* SPDX-License-Identifier: Apache-2.0 */
/* carrier.h - backends with memory of their own for callers with host memory, such as the conformance suite: each
 * call's operands are taken up, and its outputs down again. */
#ifndef SLMT_TESTS_CARRIER_H
#define SLMT_TESTS_CARRIER_H

#include "backends/backend.h"

/* What is carried, and how often each call runs: set_order(k) is called before run k, and all runs must give the
 * same bits. */
typedef struct carried {
    const bk_backend *backend;
    int runs;
    void (*set_order)(int k); /* NULL: none */
} carried;

/* The open() of a carrier. */
bk_status carrier_open(const carried *what, const bk_host *host, const char *options, void **device);

/* All other functions; .name and .open are to be set. */
bk_backend carrier_table(void);

/* The backend "walled". */
const bk_backend *bk_walled_host(void);

#endif
