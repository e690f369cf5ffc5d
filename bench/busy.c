/* SPDX-License-Identifier: Apache-2.0 */
/* busy.c - processes that keep cores busy beside a measurement. */
#define _GNU_SOURCE
#include "bench/busy.h"

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t loops[MOST_BUSY];
static int running;

/* The cores of this process: none if the system does not tell. */
static cpu_set_t cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        CPU_ZERO(&set);
    return set;
}

int busy_cores(void)
{
    cpu_set_t set = cores();
    return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

/* Moves this process to its k-th core. */
static void stay_on(int k)
{
    cpu_set_t all = cores(), one;
    CPU_ZERO(&one);
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &all) && k-- == 0)
            CPU_SET(core, &one);
    sched_setaffinity(0, sizeof one, &one);
}

_Noreturn static void loop(int k, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    stay_on(k % busy_cores());
    if (getppid() != parent) /* the parent ended before the line above */
        _exit(0);
    for (volatile uint64_t count = 0;; count++) {
    }
}

int busy_start(int n)
{
    pid_t parent = getpid();
    for (running = 0; running < n && running < MOST_BUSY; running++) {
        loops[running] = fork();
        if (loops[running] == 0)
            loop(running, parent);
        if (loops[running] < 0)
            break;
    }
    if (running == n)
        return 1;
    busy_stop();
    return 0;
}

void busy_stop(void)
{
    for (int i = 0; i < running; i++)
        kill(loops[i], SIGKILL);
    while (running > 0)
        waitpid(loops[--running], NULL, 0);
}
