/* SPDX-License-Identifier: Apache-2.0 */
/* turns.c - how long the system lets a thread compute before another thread's turn; turns.h says why. */
#define _GNU_SOURCE
#include "backends/cpu/turns.h"

#ifdef __linux__

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's struct sched_attr in its first version. The C library of Debian 12 has no declaration of it,
 * and newer ones declare it under its own name. */
typedef struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period; /* nanoseconds; runtime: of a turn, for a usual thread */
} attributes;

enum { SHORT = 100000 }; /* nanoseconds, the least that the kernel takes; its usual turn is about 3 ms */

/* Returns whether the calling thread is a usual one, and fills `a`. */
static int read_attributes(attributes *a)
{
    *a = (attributes){.size = sizeof *a};
    return syscall(SYS_sched_getattr, 0, a, sizeof *a, 0) == 0 && a->policy == SCHED_OTHER;
}

uint64_t turns_shorten(void)
{
    int error = errno;
    attributes a;
    uint64_t before = read_attributes(&a) ? a.runtime : 0;
    a.runtime = SHORT;
    if (before <= SHORT || syscall(SYS_sched_setattr, 0, &a, 0) != 0)
        before = 0;
    errno = error;
    return before;
}

void turns_restore(uint64_t before)
{
    int error = errno;
    attributes a;
    if (before > 0 && read_attributes(&a)) {
        a.runtime = before;
        syscall(SYS_sched_setattr, 0, &a, 0);
    }
    errno = error;
}

#else

uint64_t turns_shorten(void)
{
    return 0;
}

void turns_restore(uint64_t before)
{
    (void)before;
}

#endif
