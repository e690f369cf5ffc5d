/* SPDX-License-Identifier: Apache-2.0 */
/* amx_tile.h - the matrix units' instructions on tiles (bf16_tile.h): TDPBF16PS adds to a tile of 16 x 16
 * floats the product of two tiles of bfloat16. Tiles in registers are numbered 0 to 7. */
#ifndef SLMT_CPU_AMX_TILE_H
#define SLMT_CPU_AMX_TILE_H

#include "backends/cpu/bf16_tile.h"

/* The compilers' own functions do not all tell that they read memory. */

#define TILE_LOAD(t, from, bytes)                                                                            \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(from), "r"((int64_t)(bytes)) : "memory")
#define TILE_STORE(t, to, bytes)                                                                             \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(to), "r"((int64_t)(bytes)) : "memory")
#define TILE_ZERO(t)        __asm__ volatile("tilezero %%tmm" #t ::)
#define TILE_ADD(sum, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::)
#define TILE_WORDS(t, from) TILE_LOAD(t, from, SIDE * sizeof(uint32_t))
#define TILE_SUMS(to, t)    TILE_STORE(t, to, SIDE * sizeof(float))

/* A thread that uses tiles begins and ends with these: all eight tiles have their full size. */
INLINE void tiles_begin(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) shape = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        shape.row_bytes[t] = SIDE * sizeof(uint32_t);
        shape.rows[t] = SIDE;
    }
    __asm__ volatile("ldtilecfg (%0)" ::"r"(&shape) : "memory");
}

INLINE void tiles_end(void)
{
    __asm__ volatile("tilerelease" ::);
}

#endif
