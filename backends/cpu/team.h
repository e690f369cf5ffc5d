/* SPDX-License-Identifier: Apache-2.0 */
/* team.h - the threads of a device, and how they share the pieces of a job.
 *
 * A job is a number of pieces that do not depend on each other and a function that computes some of them.
 * Each thread begins with a range of its own, so that it finds in its cache what it wrote in the job before,
 * and then helps the others. A thread that the system delays therefore delays no other: it holds a few pieces
 * at most, and if it is not awake when the pieces are gone, nobody waits for it.
 *
 * Threads are started by the first job that needs them. During a run they wait for the next job awake for
 * some tens of microseconds, then they sleep; between runs they sleep at once. A team serves several calling
 * threads at the same time with the same threads, so that there are never more than it was made for. The
 * child of a fork() starts threads of its own. */
#ifndef SLMT_CPU_TEAM_H
#define SLMT_CPU_TEAM_H

#include "backends/backend.h"

typedef struct cpu_team cpu_team;

/* Computes pieces first to end - 1 of a job. `thread` is less than the job's number of threads, and no two
 * threads have the same number within a job. */
typedef void (*cpu_pieces)(const void *job, int64_t first, int64_t end, int thread);

/* A team of this many threads, the caller included. BK_ERR_MEMORY, BK_ERR_LIMIT. */
bk_status cpu_team_open(const bk_host *host, int threads, cpu_team **team);
void cpu_team_close(cpu_team *team); /* may be NULL; no job may run */

int cpu_team_threads(const cpu_team *team);

/* From the next job on, OpenMP has one thread while pieces are computed, because a library for products would
 * start threads in it. libgomp ends the process if it finds no memory for this; without such a library it is
 * not asked. */
void cpu_team_limit_openmp(cpu_team *team);

/* Computes all pieces with at most `threads` threads, `chunk` pieces at a time; returns when all are done. */
void cpu_team_run(cpu_team *team, int threads, int64_t pieces, int64_t chunk, cpu_pieces run,
                  const void *job);

/* The same where all pieces together handle a number of elements, or do as much work: with one thread if that
 * takes a few microseconds, and in chunks that are worth handing out. */
void cpu_team_share(cpu_team *team, int64_t pieces, int64_t elements, cpu_pieces run, const void *job);

/* Before and after a run, on the thread that runs: between them threads may wait awake, and the calling
 * thread has the short turns of turns.h. */
void cpu_team_begin(cpu_team *team);
void cpu_team_end(cpu_team *team);

#endif
