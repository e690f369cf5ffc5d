/* SPDX-License-Identifier: Apache-2.0 */
/* adam.c - one Adam step (Kingma & Ba 2015, algorithm 1) without weight decay, on one array of parameters. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/work.h"

static void adam_piece(const cpu_adam *a, int64_t at, int64_t n)
{
    for (int64_t i = at; i < at + n; i += VL) {
        int64_t k = at + n - i;
        vf g = vload_n(a->g + i, k);
        vf m = a->keep1 * vload_n(a->m + i, k) + a->new1 * g;
        vf v = a->keep2 * vload_n(a->v + i, k) + a->new2 * (g * g);
        vstore_n(a->m + i, m, k);
        vstore_n(a->v + i, v, k);
        vstore_n(a->p + i, vload_n(a->p + i, k) - a->step * m / (vsqrt(v) * a->inverse_root + a->eps), k);
    }
}

void KERNEL(cpu_adam_step)(const cpu_adam *a, int threads)
{
    int64_t n = (int64_t)a->n, pieces = work_pieces(n, WORK_PIECE);
    int team = work_team(threads, pieces, n);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(static)
    for (int64_t p = 0; p < pieces; p++)
        adam_piece(a, p * WORK_PIECE, work_min(WORK_PIECE, n - p * WORK_PIECE));
}
