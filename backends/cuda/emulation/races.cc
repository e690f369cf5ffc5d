/* SPDX-License-Identifier: Apache-2.0 */
/* races.cc - finds threads of a kernel that use the same memory with no order between them, one of them
 * writing: two threads of a block without a barrier in between, or threads of two blocks. A wrong order of
 * theirs need not change a result in the emulation, and on a card it does now and then.
 *
 * The kernels are compiled with -fsanitize=thread, which puts a call before each access to memory. The
 * functions that it calls are these here, and not those of the sanitizer's library. */
#include "backends/cuda/emulation/emulation.h"

#include <dlfcn.h>
#include <memory>
#include <unordered_map>

using namespace emulation;

namespace
{

/* Who, and when: the number of barriers and blocks before. */
struct user {
    uint32_t moment;
    uint32_t block;
    uint16_t thread;
    bool is_there;
};

/* Two bytes of memory. */
struct cell {
    uint32_t age; /* what happened in another launch, or in shared memory in another block, is forgotten */
    user writer, reader;
    bool others;       /* other threads of the reader's block read then, too */
    bool other_blocks; /* other blocks read, too */
};

struct page {
    cell cells[2048];
};

constexpr uintptr_t PAGE = 4096;
std::unordered_map<uintptr_t, std::unique_ptr<page>> pages;

cell *cell_of(uintptr_t at)
{
    static thread_local uintptr_t last;
    static thread_local page *found;
    if (!found || last != at / PAGE) {
        std::unique_ptr<page> &p = pages[at / PAGE];
        if (!p)
            p = std::make_unique<page>();
        found = p.get();
        last = at / PAGE;
    }
    return &found->cells[at % PAGE / 2];
}

bool in_order(const user &before, const user &now)
{
    return !before.is_there ||
           (before.block == now.block && (before.thread == now.thread || before.moment < now.moment));
}

__attribute__((noreturn)) void explain(uintptr_t at, const user &one, bool writes, const void *caller)
{
    Dl_info object = {};
    dladdr(caller, &object);
    fault("a race: thread %u of block %u and this one use %s memory at %p without a barrier in between, and "
          "%s; code at %s+0x%zx",
          one.thread, one.block, is_shared((void *)at) ? "shared" : "the device's", (void *)at,
          writes ? "this one writes" : "that one wrote", object.dli_fname ? object.dli_fname : "?",
          (size_t)((const char *)caller - (const char *)object.dli_fbase));
}

void note_reader(cell *c, const user &now)
{
    if (!c->reader.is_there || (c->reader.block == now.block && c->reader.moment < now.moment)) {
        c->reader = now;
        c->others = false;
    } else if (c->reader.block != now.block)
        c->other_blocks = true;
    else if (c->reader.thread != now.thread)
        c->others = true;
}

bool readers_are_before(const cell *c, const user &now)
{
    return !c->other_blocks && in_order(c->reader, now) && (!c->others || c->reader.moment < now.moment);
}

void look_at(uintptr_t at, uint32_t age, const user &now, bool writes, const void *caller)
{
    cell *c = cell_of(at);
    if (c->age != age)
        *c = {age, {}, {}, false, false};
    if (!in_order(c->writer, now))
        explain(at, c->writer, writes, caller);
    if (!writes)
        return note_reader(c, now);
    if (!readers_are_before(c, now))
        explain(at, c->reader, writes, caller);
    c->writer = now;
}

void note(void *p, size_t bytes, bool writes, const void *caller)
{
    uintptr_t at = (uintptr_t)p;
    if (!in_kernel || !(is_shared(p) || is_of_device(p)))
        return;
    uint32_t block = block_index.x + grid_size.x * (block_index.y + grid_size.y * block_index.z);
    user now = {moment, block, (uint16_t)running->index.x, true};
    for (uintptr_t i = at & ~(uintptr_t)1; i < at + bytes; i += 2)
        look_at(i, is_shared(p) ? blocks_begun : launches_begun, now, writes, caller);
}

void expect_multiple(void *p, size_t bytes)
{
    if (in_kernel && (uintptr_t)p % bytes != 0 && (is_shared(p) || is_of_device(p)))
        fault("%zu bytes are used at once at %p, which is no multiple", bytes, p);
}

} // namespace

#define HOOK(name, bytes, writes, aligned)                                                                   \
    void name(void *p);                                                                                      \
    void name(void *p)                                                                                       \
    {                                                                                                        \
        if (aligned)                                                                                         \
            expect_multiple(p, bytes);                                                                       \
        note(p, bytes, writes, __builtin_return_address(0));                                                 \
    }

extern "C" {
HOOK(__tsan_read1, 1, false, true)
HOOK(__tsan_read2, 2, false, true)
HOOK(__tsan_read4, 4, false, true)
HOOK(__tsan_read8, 8, false, true)
HOOK(__tsan_read16, 16, false, true)
HOOK(__tsan_write1, 1, true, true)
HOOK(__tsan_write2, 2, true, true)
HOOK(__tsan_write4, 4, true, true)
HOOK(__tsan_write8, 8, true, true)
HOOK(__tsan_write16, 16, true, true)
HOOK(__tsan_unaligned_read2, 2, false, false)
HOOK(__tsan_unaligned_read4, 4, false, false)
HOOK(__tsan_unaligned_read8, 8, false, false)
HOOK(__tsan_unaligned_read16, 16, false, false)
HOOK(__tsan_unaligned_write2, 2, true, false)
HOOK(__tsan_unaligned_write4, 4, true, false)
HOOK(__tsan_unaligned_write8, 8, true, false)
HOOK(__tsan_unaligned_write16, 16, true, false)

void __tsan_read_range(void *p, size_t bytes);
void __tsan_write_range(void *p, size_t bytes);
void __tsan_vptr_update(void **p, void *value);
void __tsan_func_entry(void *caller);
void __tsan_func_exit();
void __tsan_init();
uint8_t __tsan_atomic8_load(const volatile uint8_t *p, int order);

void __tsan_read_range(void *p, size_t bytes)
{
    note(p, bytes, false, __builtin_return_address(0));
}

void __tsan_write_range(void *p, size_t bytes)
{
    note(p, bytes, true, __builtin_return_address(0));
}

void __tsan_vptr_update(void **, void *)
{
}

void __tsan_func_entry(void *)
{
}

void __tsan_func_exit()
{
}

void __tsan_init()
{
}

uint8_t __tsan_atomic8_load(const volatile uint8_t *p, int) /* of host code */
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
}
