/* SPDX-License-Identifier: Apache-2.0 */
/* labels.c - ops between numbers and int32 labels: cast, one-hot, argmax, cross-entropy and its gradient.
 *
 * There are few classes and many rows of them, so that the lanes of a vector are rows: lane r of step k holds
 * class k of row r. With the largest m of a row and s = sum exp(x - m):
 *   loss = w (log s + (m - x[label])),  dx[k] = dloss w (exp(x[k] - m) / s - (k == label)) */
#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/work.h"

#include <stdatomic.h>

/* ---- types: shapes have passed the engine's rules ---- */

static int label_to_real(const bk_call *call)
{
    return call->in[0].shape.dtype == BK_I32 && call->out[0].shape.dtype == BK_F32;
}

static int real_to_label(const bk_call *call)
{
    return call->in[0].shape.dtype == BK_F32 && call->out[0].shape.dtype == BK_I32;
}

static int entropy_fits(const bk_call *call)
{
    int fits = call->in[1].shape.dtype == BK_I32;
    for (int k = 0; k < call->n_in; k++)
        fits &= k == 1 || call->in[k].shape.dtype == BK_F32;
    for (int k = 0; k < call->n_out; k++)
        fits &= call->out[k].shape.dtype == BK_F32;
    return fits;
}

/* ---- cast and one-hot ---- */

static void cast_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    const bk_call *call = job;
    const int32_t *x = call->in[0].data;
    float *y = call->out[0].data;
    int64_t n = bk_count(&call->out[0].shape);
    (void)thread;
    for (int64_t i = first * WORK_PIECE; i < work_min(n, end * WORK_PIECE); i++)
        y[i] = (float)x[i];
}

static bk_status run_cast(const bk_call *call, cpu_team *team)
{
    int64_t n = bk_count(&call->out[0].shape);
    cpu_team_share(team, work_pieces(n, WORK_PIECE), n, cast_pieces, call);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_cast) = {.fits = label_to_real, .run = run_cast, .types = CPU_OWN_TYPES};

static int is_class(int32_t label, int64_t classes)
{
    return label >= 0 && label < classes;
}

/* A job over rows with labels; `wrong` becomes 1 if a label is not a class. */
typedef struct label_job {
    const bk_call *call;
    atomic_int *wrong;
} label_job;

static void one_hot_rows(const void *job, int64_t first, int64_t end, int thread)
{
    const label_job *j = job;
    const bk_shape *s = &j->call->out[0].shape;
    const int32_t *label = j->call->in[0].data;
    float *y = j->call->out[0].data;
    int64_t classes = s->dim[s->rank - 1];
    (void)thread;
    for (int64_t r = first; r < end; r++) {
        memset(y + r * classes, 0, (size_t)classes * sizeof *y);
        if (label[r] == j->call->attr.ignored)
            continue;
        if (is_class(label[r], classes))
            y[r * classes + label[r]] = 1;
        else
            atomic_store(j->wrong, 1);
    }
}

static bk_status run_one_hot(const bk_call *call, cpu_team *team)
{
    atomic_int wrong = 0;
    cpu_team_share(team, bk_count(&call->in[0].shape), bk_count(&call->out[0].shape), one_hot_rows,
                   &(label_job){call, &wrong});
    return atomic_load(&wrong) ? BK_ERR_FAILED : BK_OK;
}

const cpu_kernel KERNEL(cpu_one_hot) = {.fits = label_to_real, .run = run_one_hot, .types = CPU_OWN_TYPES};

/* ---- argmax ---- */

static int32_t place_of_largest(const float *x, int64_t n, int64_t step)
{
    float most = x[0];
    int64_t at = 0;
    for (int64_t i = 1; i < n && most == most; i++)
        if (!(x[i * step] <= most)) { /* larger, or a NaN */
            most = x[i * step];
            at = i;
        }
    return (int32_t)at;
}

static void argmax_places(const void *job, int64_t first, int64_t end, int thread)
{
    const bk_call *call = job;
    const bk_shape *s = &call->in[0].shape;
    const float *x = call->in[0].data;
    int32_t *y = call->out[0].data;
    int64_t n = s->dim[call->attr.axis], inner = 1;
    (void)thread;
    for (int i = call->attr.axis + 1; i < s->rank; i++)
        inner *= s->dim[i];
    for (int64_t i = first; i < end; i++)
        y[i] = place_of_largest(x + i / inner * n * inner + i % inner, n, inner);
}

static bk_status run_argmax(const bk_call *call, cpu_team *team)
{
    cpu_team_share(team, bk_count(&call->out[0].shape), bk_count(&call->in[0].shape), argmax_places, call);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_argmax) = {.fits = real_to_label, .run = run_argmax, .types = CPU_OWN_TYPES};

/* ---- cross-entropy ---- */

/* VL rows of x[rows,classes], or fewer at the end, with their labels and weights. */
typedef struct group {
    const float *x[VL];
    int64_t rows, classes;
    int32_t label[VL]; /* -1: ignored */
    float weight[VL];  /* 0: ignored */
    vf most, sum;      /* m and s */
} group;

INLINE vf class_of(const group *g, int64_t k)
{
    float lane[VL];
    for (int r = 0; r < VL; r++)
        lane[r] = g->x[r][k];
    return vload(lane);
}

static void take_label(const bk_call *call, group *g, int r, int32_t label, int *wrong)
{
    const float *weight = call->attr.has_weight ? call->in[2].data : NULL;
    int ignored = label == call->attr.ignored, known = is_class(label, g->classes);
    *wrong |= !ignored && !known;
    g->label[r] = ignored || !known ? -1 : label;
    g->weight[r] = ignored || !known ? 0.0f : weight ? weight[label] : 1.0f;
}

/* The lanes after the last row repeat it. */
static group group_at(const bk_call *call, int64_t first, int64_t rows, int *wrong)
{
    const bk_shape *s = &call->in[0].shape;
    group g = {.rows = work_min(VL, rows - first), .classes = s->dim[s->rank - 1]};
    for (int r = 0; r < VL; r++) {
        int64_t row = first + work_min(r, g.rows - 1);
        g.x[r] = (const float *)call->in[0].data + row * g.classes;
        take_label(call, &g, r, ((const int32_t *)call->in[1].data)[row], wrong);
    }
    g.most = class_of(&g, 0);
    for (int64_t k = 1; k < g.classes; k++)
        g.most = vmax(class_of(&g, k), g.most);
    g.sum = vset(0.0f);
    for (int64_t k = 0; k < g.classes; k++)
        g.sum += vexp_negative(class_of(&g, k) - g.most);
    return g;
}

static void store_losses(const group *g, float *loss, float *weight)
{
    vf far = vlog(g->sum);
    for (int r = 0; r < g->rows; r++) {
        if (loss)
            loss[r] = g->label[r] < 0 ? 0 : g->weight[r] * (far[r] + (g->most[r] - g->x[r][g->label[r]]));
        if (weight)
            weight[r] = g->weight[r];
    }
}

static void loss_groups(const void *job, int64_t first, int64_t end, int thread)
{
    const label_job *j = job;
    float *loss = j->call->out[0].data, *weight = j->call->out[1].data;
    int64_t rows = bk_count(&j->call->in[1].shape);
    int wrong = 0;
    (void)thread;
    for (int64_t i = first; i < end; i++) {
        group g = group_at(j->call, i * VL, rows, &wrong);
        store_losses(&g, loss ? loss + i * VL : NULL, weight ? weight + i * VL : NULL);
    }
    if (wrong)
        atomic_store(j->wrong, 1);
}

static bk_status share_groups(const bk_call *call, cpu_team *team, cpu_pieces run)
{
    atomic_int wrong = 0;
    cpu_team_share(team, work_pieces(bk_count(&call->in[1].shape), VL), bk_count(&call->in[0].shape), run,
                   &(label_job){call, &wrong});
    return atomic_load(&wrong) ? BK_ERR_FAILED : BK_OK;
}

static bk_status run_cross_entropy(const bk_call *call, cpu_team *team)
{
    return share_groups(call, team, loss_groups);
}

const cpu_kernel KERNEL(cpu_cross_entropy) = {
    .fits = entropy_fits, .run = run_cross_entropy, .types = CPU_OWN_TYPES};

static void store_gradients(const group *g, const float *dloss, float *dx)
{
    vf factor = vload_n(dloss, g->rows) * vload(g->weight), inverse = 1.0f / g->sum, p;
    for (int64_t k = 0; k < g->classes; k++) {
        p = vexp_negative(class_of(g, k) - g->most) * inverse;
        for (int r = 0; r < g->rows; r++)
            dx[r * g->classes + k] = g->label[r] < 0 ? 0 : factor[r] * (p[r] - (float)(k == g->label[r]));
    }
}

static void gradient_groups(const void *job, int64_t first, int64_t end, int thread)
{
    const label_job *j = job;
    const float *dloss = j->call->in[j->call->n_in - 1].data;
    float *dx = j->call->out[0].data;
    int64_t rows = bk_count(&j->call->in[1].shape);
    int wrong = 0;
    (void)thread;
    for (int64_t i = first; i < end; i++) {
        group g = group_at(j->call, i * VL, rows, &wrong);
        store_gradients(&g, dloss + i * VL, dx + i * VL * g.classes);
    }
    if (wrong)
        atomic_store(j->wrong, 1);
}

static bk_status run_cross_entropy_grad(const bk_call *call, cpu_team *team)
{
    return share_groups(call, team, gradient_groups);
}

const cpu_kernel KERNEL(cpu_cross_entropy_grad) = {
    .fits = entropy_fits, .run = run_cross_entropy_grad, .types = CPU_OWN_TYPES};
