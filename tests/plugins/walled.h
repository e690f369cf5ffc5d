/* SPDX-License-Identifier: Apache-2.0 */
/* walled.h - a backend for tests: the reference's kernels on memory that the host cannot touch.
 *
 * Its pointers are addresses without access rights: the bytes lie elsewhere, and only the backend knows
 * where. Fresh memory and memory given back hold NaNs. An operand that is not wholly inside one living block
 * is an error with a message. Whole plans are computed when the host waits for them, not before.
 *
 * Options: memory=N (a device of N bytes). */
#ifndef SLMT_TESTS_WALLED_H
#define SLMT_TESTS_WALLED_H

#include "backends/backend.h"

/* With functions for whole plans, and without; their names are "walled" and "walled_calls". */
const bk_backend *bk_walled(void);
const bk_backend *bk_walled_calls(void);

#endif
