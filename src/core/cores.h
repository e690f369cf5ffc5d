/* SPDX-License-Identifier: Apache-2.0 */
/* cores.h - how many threads compute at the same time in this process. */
#ifndef SLMT_CORE_CORES_H
#define SLMT_CORE_CORES_H

#include <stdint.h>

/* Returns the number of cores that the process may run on, or fewer if its CPU quota is less: at least 1, at
 * most 1024. */
int32_t usable_cores(void);

/* Returns the quota, in cores rounded down, that the control groups of a process grant; 0: no limit. `list`
 * is the text of /proc/self/cgroup, `root` the folder that it speaks of, /sys/fs/cgroup. */
int32_t quota_of_groups(const char *list, const char *root);

#endif
