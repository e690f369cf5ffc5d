/* SPDX-License-Identifier: Apache-2.0 */
/* busy.h - processes that keep cores busy beside a measurement. */
#ifndef SLMT_BENCH_BUSY_H
#define SLMT_BENCH_BUSY_H

enum { MOST_BUSY = 256 };

/* Returns the number of cores that this process may run on, at least 1. */
int busy_cores(void);

/* Starts n processes that do nothing but count, each on one core, as many on every core as on the others.
 * They end with this process at the latest. Returns 0 if one could not be started; then none runs. */
int busy_start(int n);

/* Ends the processes that busy_start() began, if any. */
void busy_stop(void);

#endif
