/* SPDX-License-Identifier: Apache-2.0 */
/* walled_host.h - the backend "walled" for callers with host memory. */
#ifndef SLMT_TESTS_WALLED_HOST_H
#define SLMT_TESTS_WALLED_HOST_H

#include "backends/backend.h"

const bk_backend *bk_walled_host(void);

#endif
