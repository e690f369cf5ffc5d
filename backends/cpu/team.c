/* SPDX-License-Identifier: Apache-2.0 */
/* team.c - threads that share the pieces of a job; team.h says how they behave.
 *
 * A calling thread claims a slot, fills it and opens it. Threads of the team look for open slots and enter
 * them; an entered slot does not change. The caller works too. When it finds no piece left, it closes the
 * slot, after which nobody enters, and waits for those inside. */
#include "backends/cpu/team.h"

#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "backends/cpu/turns.h"
#include "backends/cpu/work.h"

enum {
    SLOTS = 8,       /* jobs at a time; a caller without a slot computes alone */
    AWAKE = 50000,   /* nanoseconds that a thread waits awake */
    LOOKS = 32,      /* looks between two looks at the clock */
    STACK = 2 << 20, /* bytes of a thread's stack */
    LINE = 64        /* bytes of a cache line */
};

/* The state of a slot: a number of threads inside, and these. */
enum { CLAIMED = 1 << 28, WANTED = 1 << 29, OPEN = 1 << 30, INSIDE = CLAIMED - 1 };

/* Pieces that a thread begins with; others take from them too. */
typedef struct range {
    _Alignas(LINE) _Atomic int64_t next;
    int64_t end;
} range;

typedef struct slot {
    _Alignas(LINE) _Atomic unsigned state;
    _Atomic unsigned number; /* of jobs that were in it, with the one now */
    int threads;
    int64_t chunk;
    cpu_pieces run;
    const void *job;
    range *ranges; /* [threads of the team] */
} slot;

typedef struct worker {
    cpu_team *team;
    int number; /* from 1 on */
    pthread_t thread;
} worker;

struct cpu_team {
    bk_host host;
    int threads;
    _Atomic int started;    /* workers that run */
    _Atomic unsigned forks; /* of this process and its parents when they were started */
    _Atomic int limits_openmp;
    int closing;
    pthread_mutex_t mutex; /* of what follows, and of starting and closing */
    pthread_cond_t posted, done;
    _Alignas(LINE) _Atomic unsigned jobs; /* that were opened */
    _Atomic int sleepers;
    _Atomic int runs; /* between begin and end */
    slot slots[SLOTS];
    worker *workers;
};

/* ---- fork: a child has none of its parent's threads ---- */

static _Atomic unsigned forks;
static pthread_once_t forks_are_counted = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void count_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

/* ---- waiting ---- */

static void rest(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- pieces ---- */

static void take_pieces(const slot *s, int thread)
{
    for (int i = 0; i < s->threads; i++) {
        range *r = &s->ranges[(thread + i) % s->threads];
        int64_t first;
        while (atomic_load_explicit(&r->next, memory_order_relaxed) < r->end &&
               (first = atomic_fetch_add_explicit(&r->next, s->chunk, memory_order_relaxed)) < r->end)
            s->run(s->job, first, work_min(first + s->chunk, r->end), thread);
    }
}

/* ---- workers ---- */

static void leave(cpu_team *t, slot *s)
{
    unsigned before = atomic_fetch_sub_explicit(&s->state, 1, memory_order_acq_rel);
    if (before & WANTED && (before & INSIDE) == 1) {
        pthread_mutex_lock(&t->mutex);
        pthread_cond_broadcast(&t->done);
        pthread_mutex_unlock(&t->mutex);
    }
}

/* Only from inside does a thread see a slot that does not change: before, the job may be over and another one
 * in its place, which has fewer threads. */
static int enter(cpu_team *t, slot *s, int number)
{
    unsigned state = atomic_load_explicit(&s->state, memory_order_acquire);
    while (state & OPEN) {
        if (!atomic_compare_exchange_weak_explicit(&s->state, &state, state + 1, memory_order_acquire,
                                                   memory_order_acquire))
            continue;
        if (number < s->threads)
            return 1;
        leave(t, s);
        return 0;
    }
    return 0;
}

void cpu_team_limit_openmp(cpu_team *t)
{
    atomic_store(&t->limits_openmp, 1);
}

/* Of a worker that is in a slot: it sees what was set before the job was opened. */
static void limit_openmp(const cpu_team *t)
{
    static _Thread_local int is_limited;
    if (is_limited || !atomic_load_explicit(&t->limits_openmp, memory_order_relaxed))
        return;
    omp_set_num_threads(1);
    is_limited = 1;
}

static unsigned number_of(const slot *s)
{
    return atomic_load_explicit(&s->number, memory_order_acquire);
}

/* Works in every open slot but those whose job has no piece left for it: done[slot] is the number of the last
 * such job. While others finish that job, the thread must not enter again and again, which would take the
 * memory that they count pieces in from their cores, and never sleep. Returns whether there was a slot. */
static int work(cpu_team *t, int number, unsigned done[SLOTS])
{
    int any = 0;
    for (int i = 0; i < SLOTS; i++) {
        slot *s = &t->slots[i];
        if (number_of(s) != done[i] && enter(t, s, number)) {
            done[i] = number_of(s);
            limit_openmp(t);
            take_pieces(s, number);
            leave(t, s);
            any = 1;
        }
    }
    return any;
}

/* Waits awake while a run is going on; returns whether a job was opened after `seen` of them. */
static int watch(const cpu_team *t, unsigned seen)
{
    int64_t until = now() + AWAKE;
    do {
        for (int i = 0; i < LOOKS; i++) {
            if (atomic_load_explicit(&t->jobs, memory_order_acquire) != seen)
                return 1;
            rest();
        }
    } while (atomic_load_explicit(&t->runs, memory_order_relaxed) > 0 && now() < until);
    return 0;
}

/* Returns whether to go on. */
static int sleep_until_posted(cpu_team *t, unsigned seen)
{
    pthread_mutex_lock(&t->mutex);
    atomic_fetch_add(&t->sleepers, 1);
    while (atomic_load(&t->jobs) == seen && !t->closing)
        pthread_cond_wait(&t->posted, &t->mutex);
    atomic_fetch_sub(&t->sleepers, 1);
    int go_on = !t->closing;
    pthread_mutex_unlock(&t->mutex);
    return go_on;
}

static void *worker_main(void *argument)
{
    const worker *w = argument;
    cpu_team *t = w->team;
    unsigned done[SLOTS] = {0};
    int go_on = 1;
    turns_shorten();
    while (go_on) {
        unsigned seen = atomic_load_explicit(&t->jobs, memory_order_acquire);
        if (!work(t, w->number, done) && !watch(t, seen))
            go_on = sleep_until_posted(t, seen);
    }
    return NULL;
}

/* Starts the workers that are missing, with all signals blocked. Without them the caller computes alone. */
static void start_workers(cpu_team *t)
{
    sigset_t all, before;
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return;
    pthread_attr_setstacksize(&attr, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (t->started < t->threads - 1) {
        worker *w = &t->workers[t->started];
        *w = (worker){.team = t, .number = t->started + 1};
        if (pthread_create(&w->thread, &attr, worker_main, w) != 0)
            break;
        t->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

static int is_new_process(const cpu_team *t)
{
    return t->forks != atomic_load_explicit(&forks, memory_order_relaxed);
}

/* In the child of a fork() the threads are gone, and with them what they held. */
static void begin_anew(cpu_team *t)
{
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->posted, NULL);
    pthread_cond_init(&t->done, NULL);
    t->started = 0;
    t->forks = atomic_load(&forks);
    atomic_store(&t->sleepers, 0);
    for (int i = 0; i < SLOTS; i++)
        atomic_store(&t->slots[i].state, 0);
}

static void wake_workers(cpu_team *t)
{
    atomic_fetch_add(&t->jobs, 1);
    if (atomic_load_explicit(&t->started, memory_order_relaxed) == t->threads - 1 &&
        atomic_load(&t->sleepers) == 0)
        return;
    pthread_mutex_lock(&t->mutex);
    start_workers(t);
    pthread_cond_broadcast(&t->posted);
    pthread_mutex_unlock(&t->mutex);
}

/* ---- a job ---- */

static slot *claim(cpu_team *t)
{
    for (int i = 0; i < SLOTS; i++) {
        unsigned free = 0;
        if (atomic_compare_exchange_strong_explicit(&t->slots[i].state, &free, CLAIMED, memory_order_acquire,
                                                    memory_order_relaxed))
            return &t->slots[i];
    }
    return NULL;
}

static void deal(slot *s, int threads, int64_t pieces)
{
    s->threads = threads;
    for (int i = 0; i < threads; i++) {
        atomic_store_explicit(&s->ranges[i].next, pieces * i / threads, memory_order_relaxed);
        s->ranges[i].end = pieces * (i + 1) / threads;
    }
}

/* Waits until nobody is inside a closed slot: awake for a while, then asleep. */
static void wait_for_workers(cpu_team *t, slot *s)
{
    int64_t until = 0;
    for (int i = 0; atomic_load_explicit(&s->state, memory_order_acquire) & INSIDE; i++) {
        rest();
        if (i % LOOKS != 0)
            continue;
        until = until ? until : now() + AWAKE;
        if (now() >= until)
            break;
    }
    if (!(atomic_load_explicit(&s->state, memory_order_acquire) & INSIDE))
        return;
    pthread_mutex_lock(&t->mutex);
    atomic_fetch_or(&s->state, WANTED);
    while (atomic_load(&s->state) & INSIDE)
        pthread_cond_wait(&t->done, &t->mutex);
    pthread_mutex_unlock(&t->mutex);
}

static void run_together(cpu_team *t, slot *s)
{
    atomic_fetch_add_explicit(&s->number, 1, memory_order_release);
    atomic_store_explicit(&s->state, CLAIMED | OPEN, memory_order_release);
    wake_workers(t);
    take_pieces(s, 0);
    atomic_fetch_and_explicit(&s->state, ~(unsigned)OPEN, memory_order_acq_rel);
    wait_for_workers(t, s);
}

void cpu_team_run(cpu_team *t, int threads, int64_t pieces, int64_t chunk, cpu_pieces run, const void *job)
{
    slot *s = NULL;
    if (!t) {
        run(job, 0, pieces, 0);
        return;
    }
    int before = atomic_load(&t->limits_openmp) ? omp_get_max_threads() : 1;
    if (before != 1)
        omp_set_num_threads(1);
    if (t->threads > 1 && is_new_process(t))
        begin_anew(t);
    threads = (int)work_min(work_min(threads, t->threads), work_pieces(pieces, chunk));
    if (threads > 1)
        s = claim(t);
    if (s) {
        s->run = run;
        s->job = job;
        s->chunk = chunk;
        deal(s, threads, pieces);
        run_together(t, s);
        atomic_store_explicit(&s->state, 0, memory_order_release);
    } else if (pieces > 0) {
        run(job, 0, pieces, 0);
    }
    if (before != 1)
        omp_set_num_threads(before);
}

void cpu_team_share(cpu_team *t, int64_t pieces, int64_t elements, cpu_pieces run, const void *job)
{
    enum { FEW = 8192, WORTH = 16384, TURNS = 8 };
    int64_t each = work_max(1, elements / work_max(pieces, 1));
    int threads = elements < FEW ? 1 : cpu_team_threads(t);
    int64_t turns = pieces / ((int64_t)TURNS * threads);
    cpu_team_run(t, threads, pieces, work_max(1, work_min(turns, WORTH / each)), run, job);
}

/* ---- open and close ---- */

int cpu_team_threads(const cpu_team *t)
{
    return t ? t->threads : 1;
}

/* What turns_shorten() returned to the calling thread, whose turns the team only borrows. */
static _Thread_local uint64_t turns_before;

void cpu_team_begin(cpu_team *t)
{
    turns_before = t->threads > 1 ? turns_shorten() : 0;
    atomic_fetch_add_explicit(&t->runs, 1, memory_order_relaxed);
}

void cpu_team_end(cpu_team *t)
{
    atomic_fetch_sub_explicit(&t->runs, 1, memory_order_relaxed);
    turns_restore(turns_before);
}

/* The team, its workers and the ranges of its slots are one piece of memory. */
static size_t round_up(size_t bytes)
{
    return (bytes + LINE - 1) / LINE * LINE;
}

bk_status cpu_team_open(const bk_host *host, int threads, cpu_team **team)
{
    size_t head = round_up(sizeof(cpu_team)), workers = round_up((size_t)threads * sizeof(worker)),
           n = (size_t)threads;
    size_t bytes = head + workers + SLOTS * n * sizeof(range);
    void *p;
    bk_status status = host->alloc(host->user, bytes, &p);
    if (status != BK_OK)
        return status;
    memset(p, 0, bytes);
    cpu_team *t = p;
    t->host = *host;
    t->threads = threads;
    t->workers = (worker *)((char *)p + head);
    range *ranges = (range *)((char *)p + head + workers);
    for (int i = 0; i < SLOTS; i++)
        t->slots[i].ranges = ranges + (size_t)i * n;
    pthread_once(&forks_are_counted, count_forks);
    begin_anew(t);
    *team = t;
    return BK_OK;
}

void cpu_team_close(cpu_team *t)
{
    if (!t)
        return;
    if (!is_new_process(t)) {
        pthread_mutex_lock(&t->mutex);
        t->closing = 1;
        pthread_cond_broadcast(&t->posted);
        pthread_mutex_unlock(&t->mutex);
        for (int i = 0; i < t->started; i++)
            pthread_join(t->workers[i].thread, NULL);
        pthread_mutex_destroy(&t->mutex);
        pthread_cond_destroy(&t->posted);
        pthread_cond_destroy(&t->done);
    }
    t->host.free(t->host.user, t);
}
