/* SPDX-License-Identifier: Apache-2.0 */
/* turns.h - how long the system lets a thread compute before it is another thread's turn on the core: the
 * scheduler's time slice, which has another name here because a slice is an image.
 *
 * Beside other work, a thread that loses its core in the middle of a piece comes back after one turn of every
 * other thread there, and the rest of the team waits for that piece. With shorter turns a thread has the same
 * share of its core in more and shorter parts, and comes back sooner. Alone on a core, nothing changes. */
#ifndef SLMT_CPU_TURNS_H
#define SLMT_CPU_TURNS_H

#include <stdint.h>

/* Asks for short turns of the calling thread. Returns the length of its turns before, in nanoseconds, for
 * turns_restore(); 0 if nothing was changed: the system takes no such request (Linux does since 6.12),
 * forbids it, or the thread is not scheduled by the usual policy. */
uint64_t turns_shorten(void);

/* Gives the calling thread the length of turns that turns_shorten() returned; 0 changes nothing. */
void turns_restore(uint64_t before);

#endif
