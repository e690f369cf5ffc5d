/* SPDX-License-Identifier: Apache-2.0 */
/* emulation.cc - blocks, fibers and meetings; streams; and the device's memory. See emulation.h. */
#include "backends/cuda/emulation/emulation.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <map>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_SWITCH 1
#else
#include <ucontext.h>
#define OWN_SWITCH 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define ASAN 1
#else
#define ASAN 0
#endif

/* ---- faults ---- */

bool emulation::in_kernel;

void emulation::fault(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "emulation: ");
    vfprintf(stderr, format, args);
    va_end(args);
    if (in_kernel && emulation::running)
        fprintf(stderr, " (block %u, %u, %u; thread %u of %u)", emulation::block_index.x,
                emulation::block_index.y, emulation::block_index.z, emulation::running->index.x,
                emulation::block_size.x);
    fprintf(stderr, "\n");
    abort();
}

/* ---- fibers ---- */

namespace emulation
{
thread *running;
dim3 block_index, block_size, grid_size;
uint32_t launches_begun, blocks_begun, moment;

struct fiber {
    char *stack = nullptr;
    ~fiber()
    {
        free(stack);
    }
#if OWN_SWITCH
    void *top;
#else
    ucontext_t context;
#endif
    void *shadow; /* of the address sanitizer */
    thread *runs;
};
} // namespace emulation

using namespace emulation;

enum { STACK = 96 * 1024 };

static std::vector<std::unique_ptr<fiber>> fibers; /* all that were ever made */
static std::vector<fiber *> idle;
static fiber scheduler; /* the host's own stack */
#if ASAN
static const void *host_stack;
static size_t host_stack_size;
#endif

#if OWN_SWITCH
/* Saves the registers that a call keeps on this stack, and goes on with another one. */
extern "C" void slmt_switch_stack(void **from, void *to);
__asm__(".text\n"
        ".type slmt_switch_stack,@function\n"
        "slmt_switch_stack:\n"
        "push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "mov %rsp, (%rdi)\n mov %rsi, %rsp\n"
        "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
        "ret\n"
        ".size slmt_switch_stack, .-slmt_switch_stack\n");
#endif

static void work();

static void entry()
{
#if ASAN
    __sanitizer_finish_switch_fiber(nullptr, &host_stack, &host_stack_size);
#endif
    work();
}

static void jump(fiber *from, fiber *to)
{
#if ASAN
    bool home = to == &scheduler;
    __sanitizer_start_switch_fiber(&from->shadow, home ? host_stack : to->stack,
                                   home ? host_stack_size : (size_t)STACK);
#endif
#if OWN_SWITCH
    slmt_switch_stack(&from->top, to->top);
#else
    swapcontext(&from->context, &to->context);
#endif
#if ASAN
    bool on_host = from == &scheduler;
    __sanitizer_finish_switch_fiber(from->shadow, on_host ? nullptr : &host_stack,
                                    on_host ? nullptr : &host_stack_size);
#endif
}

static fiber *new_fiber()
{
    fibers.push_back(std::make_unique<fiber>());
    fiber *f = fibers.back().get();
    f->stack = (char *)aligned_alloc(64, STACK);
    if (!f->stack)
        fault("there is no memory for a fiber's stack");
#if OWN_SWITCH
    void **top = (void **)(f->stack + STACK) - 2; /* 16-byte aligned, as it is before a call */
    *--top = nullptr;                             /* entry() returns nowhere */
    *--top = (void *)entry;
    f->top = top - 6;
    memset(f->top, 0, 6 * sizeof(void *));
#else
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    makecontext(&f->context, entry, 0);
#endif
    return f;
}

/* ---- a block ---- */

static std::vector<thread> threads;
static std::vector<unsigned> order_of_threads; /* the order in which they run */
static std::vector<int> waiting_lanes;         /* of each warp */
static size_t next_fresh;
static const std::function<void()> *body;
static int chosen_order;
static std::vector<unsigned char> shared;

static unsigned greatest_divisor(unsigned a, unsigned b)
{
    return b ? greatest_divisor(b, a % b) : a;
}

/* Element i of a permutation of 0 to n - 1. */
static unsigned permuted(unsigned i, unsigned n)
{
    if (chosen_order == 0)
        return i;
    if (chosen_order == 1)
        return n - 1 - i;
    unsigned step = n / 3 + 1;
    while (greatest_divisor(step, n) != 1)
        step++;
    return (unsigned)(((uint64_t)i * step + n / 2) % n);
}

/* What a fiber does: threads that have not begun, one after the other. One that waits keeps the fiber. */
static void work()
{
    fiber *self = running->on;
    for (;;) {
        (*body)();
        running->state = thread::ended;
        while (next_fresh < threads.size() && threads[order_of_threads[next_fresh]].state != thread::fresh)
            next_fresh++;
        if (next_fresh < threads.size()) {
            running = &threads[order_of_threads[next_fresh++]];
            running->on = self;
            running->state = thread::ready;
            self->runs = running;
            continue;
        }
        idle.push_back(self);
        jump(self, &scheduler);
    }
}

static void resume(thread *t)
{
    running = t;
    if (t->state == thread::fresh) {
        if (idle.empty())
            idle.push_back(new_fiber());
        t->on = idle.back();
        idle.pop_back();
        t->state = thread::ready;
    }
    t->on->runs = t;
    in_kernel = true;
    jump(&scheduler, t->on);
    in_kernel = false;
}

void *emulation::shared_bytes()
{
    return shared.data();
}

bool emulation::is_shared(const void *p)
{
    return (const unsigned char *)p >= shared.data() &&
           (const unsigned char *)p < shared.data() + shared.size();
}

extern "C" void emulation_set_order(int order) /* for tests in C */
{
    chosen_order = order;
}

/* ---- meetings ---- */

static thread *lane_of(size_t warp, unsigned lane)
{
    size_t i = warp * 32 + lane;
    return i < threads.size() ? &threads[i] : nullptr;
}

static float truncated(uint32_t bits) /* what a tensor core reads of a float: 10 bits of fraction */
{
    float x;
    bits &= 0xFFFFE000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float half_of(uint32_t pair, int which)
{
    float x;
    uint32_t bits = which ? pair & 0xFFFF0000u : pair << 16;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The fragments of mma.m16n8k8 (PTX ISA): g = lane / 4, t = lane % 4. d: rows g and g + 8, columns 2 t and
 * 2 t + 1. tf32: a has rows g, g + 8 of columns t, t + 4, and b rows t, t + 4 of column g. bf16: in each
 * register two neighbours, 2 t and 2 t + 1, along the depth. given[] holds d, a, b. */
static void multiply(size_t warp, bool bf16)
{
    float a[16][8], b[8][8];
    for (unsigned lane = 0; lane < 32; lane++) {
        const uint32_t *r = lane_of(warp, lane)->given;
        unsigned g = lane / 4, t = lane % 4;
        for (unsigned i = 0; i < 4; i++) {
            if (bf16)
                a[g + i / 2 * 8][2 * t + i % 2] = half_of(r[4 + i / 2], i % 2);
            else
                a[g + i % 2 * 8][t + i / 2 * 4] = truncated(r[4 + i]);
        }
        for (unsigned i = 0; i < 2; i++) {
            if (bf16)
                b[2 * t + i][g] = half_of(r[8], (int)i);
            else
                b[t + i * 4][g] = truncated(r[8 + i]);
        }
    }
    for (unsigned lane = 0; lane < 32; lane++)
        for (unsigned i = 0; i < 4; i++) {
            uint32_t *r = lane_of(warp, lane)->given;
            unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
            float sum;
            memcpy(&sum, &r[i], sizeof sum);
            for (unsigned k = 0; k < 8; k++)
                sum += a[row][k] * b[k][column];
            memcpy(&r[i], &sum, sizeof sum);
        }
}

static void exchange_lanes(size_t warp, unsigned mask)
{
    uint32_t given[32] = {0};
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1)
            given[lane] = lane_of(warp, lane)->given[0];
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1) {
            thread *t = lane_of(warp, lane);
            if (!(mask >> t->from & 1))
                fault("%s:%d: a shuffle reads a lane that is not in its mask", t->file, t->line);
            t->given[0] = given[t->from];
        }
}

static void vote(size_t warp, unsigned mask)
{
    uint32_t all = 0;
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1)
            all |= lane_of(warp, lane)->given[0] << lane;
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1)
            lane_of(warp, lane)->given[0] = all;
}

static bool same_place(const thread *a, const thread *b)
{
    bool same_file = a->file == b->file || strcmp(a->file, b->file) == 0;
    return a->at == b->at && a->line == b->line && same_file && a->mask == b->mask;
}

static void check_places(const thread *a, const thread *b, const char *who)
{
    if (!same_place(a, b))
        fault("%s wait in different places: %s:%d and %s:%d", who, a->file, a->line, b->file, b->line);
}

/* Lets the lanes go on that all are at one meeting. Returns false if some are missing. */
static bool complete_warp(size_t warp, const thread *here)
{
    for (unsigned lane = 0; lane < 32; lane++) {
        const thread *t = lane_of(warp, lane);
        if (!(here->mask >> lane & 1))
            continue;
        if (!t || t->state == thread::ended)
            fault("%s:%d: lane %u of the mask has ended, or the warp has no such lane", here->file,
                  here->line, lane);
        if (t->state != thread::waiting)
            return false;
        check_places(here, t, "lanes of a warp");
    }
    if (here->at == meeting::shuffle)
        exchange_lanes(warp, here->mask);
    else if (here->at == meeting::vote)
        vote(warp, here->mask);
    else
        multiply(warp, here->at == meeting::product_bf16);
    unsigned mask = here->mask; /* `here` is one of them */
    waiting_lanes[warp] -= __builtin_popcount(mask);
    for (unsigned lane = 0; lane < 32; lane++)
        if (mask >> lane & 1)
            lane_of(warp, lane)->state = thread::ready;
    return true;
}

static bool complete_barrier()
{
    const thread *first = nullptr;
    for (const thread &t : threads) {
        if (t.state != thread::waiting || t.at != meeting::barrier)
            return false;
        if (!first)
            first = &t;
        check_places(first, &t, "threads of a block");
    }
    for (thread &t : threads)
        t.state = thread::ready;
    moment++;
    return true;
}

void emulation::meet(meeting kind, unsigned mask, const char *file, int line)
{
    thread *self = running;
    self->at = kind;
    self->mask = mask;
    self->file = file;
    self->line = line;
    self->state = thread::waiting;
    size_t warp = self->index.x / 32;
    if (kind != meeting::barrier && !(mask >> (self->index.x % 32) & 1))
        fault("%s:%d: the mask lacks the lane that calls", file, line);
    if (kind != meeting::barrier && ++waiting_lanes[warp] >= __builtin_popcount(mask) &&
        complete_warp(warp, self))
        return; /* it came last */
    jump(self->on, &scheduler);
}

/* Nobody can go on: says why. */
__attribute__((noreturn)) static void explain_standstill()
{
    for (const thread &t : threads)
        if (t.state == thread::waiting && t.at != meeting::barrier) {
            running = (thread *)&t;
            in_kernel = true;
            complete_warp(t.index.x / 32, &t);
            fault("%s:%d: a lane waits for others of its warp that do not come", t.file, t.line);
        }
    for (const thread &t : threads)
        if (t.state == thread::waiting) {
            running = (thread *)&t;
            in_kernel = true;
            fault("%s:%d: a barrier is not reached by all threads of the block", t.file, t.line);
        }
    fault("a block came to a standstill");
}

static void begin_block(size_t shared_size)
{
    for (unsigned i = 0; i < threads.size(); i++) {
        threads[i] = {};
        threads[i].index = dim3(i, 0, 0);
    }
    next_fresh = 0;
    blocks_begun++;
    moment++;
    waiting_lanes.assign(threads.size() / 32 + 1, 0);
    if (shared_size)
        memset(shared.data(), 0xFF, shared_size);
}

static void run_block()
{
    for (;;) {
        bool moved = false;
        size_t ended = 0;
        for (size_t i = 0; i < threads.size(); i++) {
            thread *t = &threads[order_of_threads[i]];
            if (t->state != thread::fresh && t->state != thread::ready)
                continue;
            resume(t);
            moved = true;
        }
        for (const thread &t : threads)
            ended += t.state == thread::ended;
        if (ended == threads.size())
            return;
        if (!moved && !complete_barrier())
            explain_standstill();
    }
}

static void run_grid(dim3 grid, dim3 block, size_t shared_size, const std::function<void()> &f)
{
    unsigned blocks = grid.x * grid.y * grid.z;
    if (block.y != 1 || block.z != 1 || block.x < 1 || block.x > 1024)
        fault("a block of %u x %u x %u threads: expected 1 to 1024 in one row", block.x, block.y, block.z);
    if (shared_size > 227 * 1024 || blocks == 0 || grid.y > 65535 || grid.z > 65535)
        fault("a launch of %u x %u x %u blocks with %zu bytes of shared memory", grid.x, grid.y, grid.z,
              shared_size);
    block_size = block;
    grid_size = grid;
    body = &f;
    launches_begun++;
    threads.resize(block.x);
    shared.resize(shared_size + 16);
    order_of_threads.resize(block.x);
    for (unsigned i = 0; i < block.x; i++)
        order_of_threads[i] = permuted(i, block.x);
    for (unsigned i = 0; i < blocks; i++) {
        unsigned b = permuted(i, blocks);
        block_index = dim3(b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y);
        begin_block(shared_size);
        run_block();
    }
    running = nullptr;
}

/* ---- memory of the device ---- */

static std::recursive_mutex lock; /* of all that follows, and of the one block that runs */
static unsigned char *room, *unused;
static const size_t room_bytes = (size_t)64 << 30, page = 4096; /* addresses, not memory */
static size_t memory_bytes = (size_t)8 << 30, memory_used;

struct block_of_memory {
    unsigned char *pages;
    size_t bytes, whole;
};
static std::map<void *, block_of_memory> blocks_in_use;
static std::multimap<size_t, unsigned char *> spare_pages; /* by size, where nothing is strict */
static bool strict = true;

static struct sigaction other_accesses; /* what was done before */

static void pass_on(int signal, siginfo_t *info, void *context)
{
    if (other_accesses.sa_flags & SA_SIGINFO)
        other_accesses.sa_sigaction(signal, info, context);
    else
        sigaction(SIGSEGV, &other_accesses, nullptr); /* it happens again */
}

static void explain_access(int signal, siginfo_t *info, void *context)
{
    unsigned char *at = (unsigned char *)info->si_addr;
    if (at < room || at >= room + room_bytes)
        return pass_on(signal, info, context);
    if (in_kernel)
        fault("a kernel uses memory of the device that is not in use at %p: given back, or past an end",
              (void *)at);
    fault("the host touches memory of the device at %p", (void *)at);
}

static void make_room()
{
    struct sigaction action = {};
    if (room)
        return;
    room = unused = (unsigned char *)mmap(nullptr, room_bytes, PROT_NONE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == (unsigned char *)MAP_FAILED)
        fault("there are no addresses for the device's memory");
    action.sa_sigaction = explain_access;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &other_accesses);
}

static void open_block(const block_of_memory &b, int access)
{
    if (mprotect(b.pages, b.whole, access) != 0)
        fault("mprotect() of the device's memory failed");
}

static void open_memory(bool open)
{
    if (!strict)
        return;
    for (const auto &b : blocks_in_use)
        open_block(b.second, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

size_t emulation::used_bytes()
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    return memory_used;
}

void emulation::set_memory(size_t bytes)
{
    memory_bytes = bytes;
}

extern "C" void emulation_set_strict(int s)
{
    strict = s != 0;
}

/* Pages that nobody uses, with one behind them that stays nobody's; NULL: there are no more addresses. */
static unsigned char *take_pages(size_t whole)
{
    auto spare = spare_pages.find(whole);
    if (spare != spare_pages.end()) {
        unsigned char *pages = spare->second;
        spare_pages.erase(spare);
        return pages;
    }
    unsigned char *pages = unused;
    if (whole + page > (size_t)(room + room_bytes - unused))
        return nullptr;
    unused += whole + page;
    if (mprotect(pages, whole, PROT_READ | PROT_WRITE) != 0)
        fault("mprotect() of the device's memory failed");
    return pages;
}

/* A block ends within 64 bytes of a page that is nobody's. */
cudaError_t cudaMalloc(void **p, size_t bytes)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    *p = nullptr;
    make_room();
    size_t used = (bytes + 63) / 64 * 64 + (bytes == 0) * 64, whole = (used + page - 1) / page * page;
    unsigned char *pages = bytes <= memory_bytes - memory_used ? take_pages(whole) : nullptr;
    if (!pages)
        return cudaErrorMemoryAllocation;
    block_of_memory b = {pages, bytes, whole};
    memset(pages, 0xFF, whole);
    if (strict)
        open_block(b, PROT_NONE);
    *p = pages + whole - used;
    blocks_in_use[*p] = b;
    memory_used += bytes;
    return cudaSuccess;
}

/* Memory of the host that streams copy from and to while the host goes on. */
cudaError_t cudaMallocHost(void **p, size_t bytes)
{
    *p = malloc(bytes);
    return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *p)
{
    free(p);
    return cudaSuccess;
}

static void give_pages(const block_of_memory &b)
{
    if (!strict)
        spare_pages.insert({b.whole, b.pages});
    else if (madvise(b.pages, b.whole, MADV_DONTNEED) != 0) /* the addresses are never given out again */
        fault("madvise() of the device's memory failed");
}

static void run_all();

cudaError_t cudaFree(void *p)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    if (!p)
        return cudaSuccess;
    run_all(); /* as CUDA does */
    auto found = blocks_in_use.find(p);
    if (found == blocks_in_use.end())
        fault("memory is given back that is not in use: %p", p);
    block_of_memory &b = found->second;
    memory_used -= b.bytes;
    give_pages(b);
    blocks_in_use.erase(found);
    return cudaSuccess;
}

/* ---- streams ---- */

/* A kernel, which may use all memory, a copy, which names what it uses, or a wait for another stream. */
struct emulated_work {
    std::function<void()> run;
    void *used[2]; /* memory of the device, NULL where less is used; of a kernel both NULL */
    size_t bytes;
    bool waits = false;
};

struct emulated_graph {
    std::vector<emulated_work> works;
};

struct emulated_stream {
    std::deque<emulated_work> waiting;
    uint64_t done = 0; /* works */
    emulated_graph *capturing = nullptr;
};

/* The moment when so many works of a stream are done. */
struct emulated_event {
    emulated_stream *stream = nullptr;
    uint64_t done = 0;
};

static void add_work(cudaStream_t s, const emulated_work &work)
{
    if (s->capturing)
        s->capturing->works.push_back(work);
    else
        s->waiting.push_back(work);
}

static void expect_no_capture(const emulated_stream *s)
{
    if (s->capturing)
        fault("a stream is waited for while it is captured");
}

/* Opens or closes the block around [p, p + bytes). */
static void open_around(void *p, size_t bytes, int access)
{
    auto found = blocks_in_use.upper_bound(p);
    if (!p || bytes == 0)
        return;
    if (found == blocks_in_use.begin())
        fault("a copy uses memory of the device that is not in use: %p", p);
    --found;
    unsigned char *end = (unsigned char *)found->first + found->second.bytes;
    if ((unsigned char *)p > end || bytes > (size_t)(end - (unsigned char *)p))
        fault("a copy uses memory of the device that is not in use: %p", p);
    if (strict)
        open_block(found->second, access);
}

static void run_copy(const emulated_work &w)
{
    for (void *p : w.used)
        open_around(p, w.bytes, PROT_READ | PROT_WRITE);
    w.run();
    for (void *p : w.used)
        open_around(p, w.bytes, PROT_NONE);
}

static bool is_kernel(const emulated_work &w)
{
    return !w.used[0] && !w.used[1] && !w.waits;
}

static std::vector<emulated_stream *> streams;
static int kernels_launched;

/* Takes a work out of its stream. */
static emulated_work next_work(cudaStream_t s)
{
    emulated_work w = s->waiting.front();
    s->waiting.pop_front();
    s->done++;
    return w;
}

/* Runs works of a stream until so many are done. */
static void run_until(cudaStream_t s, uint64_t done)
{
    while (!s->waiting.empty() && s->done < done) { /* kernels in a row share one opening of all memory */
        bool kernel = is_kernel(s->waiting.front());
        if (kernel)
            open_memory(true);
        while (!s->waiting.empty() && s->done < done && is_kernel(s->waiting.front()) == kernel) {
            emulated_work w = next_work(s);
            if (kernel || w.waits)
                w.run();
            else
                run_copy(w);
        }
        if (kernel)
            open_memory(false);
    }
}

static void run_stream(cudaStream_t s)
{
    run_until(s, UINT64_MAX);
}

static void run_all()
{
    for (cudaStream_t s : streams)
        run_stream(s);
}

void emulation::enqueue(cudaStream_t s, dim3 grid, dim3 block, size_t shared_size, std::function<void()> f)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    kernels_launched += !s->capturing;
    add_work(s, {[=] { run_grid(grid, block, shared_size, f); }, {nullptr, nullptr}, 0});
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    *s = new emulated_stream;
    streams.push_back(*s);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    expect_no_capture(s);
    run_stream(s);
    for (size_t i = 0; i < streams.size(); i++)
        if (streams[i] == s)
            streams.erase(streams.begin() + (ptrdiff_t)i);
    delete s;
    return cudaSuccess;
}

static int host_waits;

int emulation::waits()
{
    return host_waits;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    expect_no_capture(s);
    host_waits += !s->waiting.empty();
    run_stream(s);
    return cudaSuccess;
}

/* ---- events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    *e = new emulated_event;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    delete e;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    expect_no_capture(s);
    *e = {s, s->done + s->waiting.size()};
    return cudaSuccess;
}

/* A stream that is gone has done all its work. */
static void run_up_to(const emulated_event &moment)
{
    for (cudaStream_t s : streams)
        if (s == moment.stream)
            return run_until(s, moment.done);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    expect_no_capture(s);
    const emulated_event moment = *e;
    add_work(s, {[=] { run_up_to(moment); }, {nullptr, nullptr}, 0, true});
    return cudaSuccess;
}

/* ---- graphs ---- */

static int launches;
static bool refusing;

int emulation::graph_launches()
{
    return launches;
}

int emulation::kernel_launches()
{
    return kernels_launched;
}

void emulation::refuse_capture(bool refuse)
{
    refusing = refuse;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    if (refusing)
        return cudaErrorNotSupported;
    expect_no_capture(s);
    s->capturing = new emulated_graph;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    if (!s->capturing)
        fault("the end of a capture that did not begin");
    *graph = s->capturing;
    s->capturing = nullptr;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    *exec = new emulated_graph(*graph);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    for (const emulated_work &w : exec->works)
        add_work(s, w);
    launches++;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    return cudaSuccess;
}

bool emulation::is_of_device(const void *p)
{
    return room && (unsigned char *)p >= room && (unsigned char *)p < room + room_bytes;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t s)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    if (is_of_device(to) != (kind != cudaMemcpyDeviceToHost) ||
        is_of_device(from) != (kind != cudaMemcpyHostToDevice))
        fault("a copy's direction does not fit its pointers");
    void *used[2] = {is_of_device(to) ? to : nullptr, is_of_device(from) ? (void *)from : nullptr};
    if (s->capturing && kind != cudaMemcpyDeviceToDevice)
        fault("a copy to or from the host is captured");
    add_work(s, {[=] { memcpy(to, from, bytes); }, {used[0], used[1]}, bytes});
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t s)
{
    std::lock_guard<std::recursive_mutex> hold(lock);
    if (!is_of_device(to))
        fault("memory to be filled is not of the device");
    add_work(s, {[=] { memset(to, value, bytes); }, {to, nullptr}, bytes});
    return cudaSuccess;
}

/* ---- devices ---- */

static cudaError_t count_error = cudaSuccess;
static int count_devices = 1;
enum { MOST_DEVICES = 8 };

/* The primary context of a device. */
struct emulated_context {
    int device;
    bool made;
};
static emulated_context contexts[MOST_DEVICES];
/* Of a thread: the device, and the contexts that were pushed over it. Plain data: the leak checker of GCC 12
 * cannot end with a destructor of a thread's in a plug-in. */
enum { MOST_PUSHED = 16 };
static thread_local int current_device, n_pushed;
static thread_local CUcontext pushed[MOST_PUSHED];

void emulation::pretend(int error, int devices)
{
    count_error = (cudaError_t)error;
    count_devices = devices;
    for (emulated_context &c : contexts)
        c.made = false;
}

bool emulation::has_context(int device)
{
    return contexts[device].made;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = count_error == cudaSuccess ? count_devices : 0;
    return count_error;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = n_pushed == 0 ? current_device : pushed[n_pushed - 1]->device;
    return cudaSuccess;
}

/* Makes a context there, as CUDA does since version 12. */
cudaError_t cudaSetDevice(int device)
{
    CUcontext context;
    if (cuDevicePrimaryCtxRetain(&context, device) != CUDA_SUCCESS)
        return cudaErrorInvalidDevice;
    if (n_pushed == 0)
        current_device = device;
    else
        pushed[n_pushed - 1] = context;
    return cudaSuccess;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    if (device < 0 || device >= count_devices || device >= MOST_DEVICES)
        return CUDA_ERROR_INVALID_DEVICE;
    contexts[device] = {device, true};
    *context = &contexts[device];
    return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext context)
{
    if (n_pushed == MOST_PUSHED)
        return CUDA_ERROR_INVALID_CONTEXT;
    pushed[n_pushed++] = context;
    return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext *context)
{
    if (n_pushed == 0)
        return CUDA_ERROR_INVALID_CONTEXT;
    *context = pushed[--n_pushed];
    return CUDA_SUCCESS;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int)
{
    *p = {};
    snprintf(p->name, sizeof p->name, "emulation");
    p->totalGlobalMem = memory_bytes;
    p->major = 9;
    p->multiProcessorCount = 2;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = count_error == cudaErrorInsufficientDriver ? 0 : 13000;
    return cudaSuccess;
}

cudaError_t cudaGetLastError()
{
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
    case cudaSuccess:
        return "no error";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorInsufficientDriver:
        return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    case cudaErrorNotSupported:
        return "operation not supported";
    default:
        return "invalid device ordinal";
    }
}
