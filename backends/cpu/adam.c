/* SPDX-License-Identifier: Apache-2.0 */
/* adam.c - one step of Adam (Kingma & Ba 2015, algorithm 1), with decoupled decay. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

#include <math.h>

/* Where the numbers lie, and the constants of one step. */
typedef struct adam {
    const float *w, *g, *m, *v;
    float *w_next, *m_next, *v_next; /* m_next, v_next: NULL where nobody reads them */
    float keep1, new1, keep2, new2;  /* beta1, 1 - beta1, beta2, 1 - beta2 */
    float step, inverse_root, eps;   /* rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    float decay;                     /* 1 - rate * decay */
} adam;

static void adam_piece(const adam *a, int64_t at, int64_t n)
{
    for (int64_t i = at; i < at + n; i += VL) {
        int64_t k = at + n - i;
        vf g = vload_n(a->g + i, k), w = vload_n(a->w + i, k);
        vf m = a->keep1 * vload_n(a->m + i, k) + a->new1 * g;
        vf v = a->keep2 * vload_n(a->v + i, k) + a->new2 * (g * g);
        if (a->m_next)
            vstore_n(a->m_next + i, m, k);
        if (a->v_next)
            vstore_n(a->v_next + i, v, k);
        vstore_n(a->w_next + i, a->decay * w - a->step * m / (vsqrt(v) * a->inverse_root + a->eps), k);
    }
}

static adam constants_of(const bk_call *call)
{
    const double *s = call->in[4].data, beta1 = call->attr.alpha, beta2 = call->attr.beta;
    return (adam){.w = call->in[0].data,
                  .g = call->in[1].data,
                  .m = call->in[2].data,
                  .v = call->in[3].data,
                  .w_next = call->out[0].data,
                  .m_next = call->out[1].data,
                  .v_next = call->out[2].data,
                  .keep1 = (float)beta1,
                  .new1 = (float)(1.0 - beta1),
                  .keep2 = (float)beta2,
                  .new2 = (float)(1.0 - beta2),
                  .step = (float)s[0],
                  .inverse_root = (float)(1.0 / s[1]),
                  .eps = (float)call->attr.eps,
                  .decay = (float)s[2]};
}

typedef struct adam_job {
    adam constants;
    int64_t n;
} adam_job;

static void adam_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    const adam_job *j = job;
    int64_t at = first * WORK_PIECE;
    (void)thread;
    adam_piece(&j->constants, at, work_min((end - first) * WORK_PIECE, j->n - at));
}

static bk_status run_adam(const bk_call *call, cpu_team *team)
{
    adam_job j = {constants_of(call), bk_count(&call->in[0].shape)};
    cpu_team_share(team, work_pieces(j.n, WORK_PIECE), j.n, adam_pieces, &j);
    return BK_OK;
}

static int same_reals(const bk_shape *a, const bk_shape *b)
{
    return a->dtype == BK_F32 && bk_count(a) == bk_count(b);
}

static int fits_adam(const bk_call *call)
{
    const bk_shape *w = &call->in[0].shape, *s = &call->in[4].shape;
    int fit = call->n_in == 5 && call->n_out == 3 && s->dtype == BK_F64 && bk_count(s) == 3;
    for (int i = 0; i < 4; i++)
        fit = fit && same_reals(&call->in[i].shape, w);
    for (int o = 0; o < 3; o++)
        fit = fit && same_reals(&call->out[o].shape, w);
    return fit;
}

const cpu_kernel KERNEL(cpu_adam) = {.fits = fits_adam, .run = run_adam, .types = CPU_OWN_TYPES};
