/* SPDX-License-Identifier: Apache-2.0 */
/* adam.cu - one step of Adam (Kingma & Ba, ICLR 2015, algorithm 1), with decoupled decay, of one array or of
 * many. The numbers of the step are memory of the device: a captured step stays valid. */
#include "backends/cuda/adam.h"

struct adam_numbers {
    const double *s;
    double beta1, beta2, eps;
};

/* An element's state, and after step() its next one. */
struct adam_element {
    float w, m, v;

    __device__ __forceinline__ void step(const adam_numbers &a, float gradient)
    {
        double g = gradient, next_m = a.beta1 * m + (1 - a.beta1) * g;
        double next_v = a.beta2 * v + (1 - a.beta2) * g * g;
        w = (float)(a.s[2] * w - a.s[0] * next_m / (sqrt(next_v) / a.s[1] + a.eps));
        m = (float)next_m;
        v = (float)next_v;
    }
};

__device__ __forceinline__ void step_one(const adam_arrays &x, const adam_numbers &a, int64_t i)
{
    adam_element e = {x.w[i], x.m[i], x.v[i]};
    e.step(a, x.g[i]);
    x.next_w[i] = e.w;
    if (x.next_m)
        x.next_m[i] = e.m;
    if (x.next_v)
        x.next_v[i] = e.v;
}

__device__ __forceinline__ void step_four(const adam_arrays &x, const adam_numbers &a, int64_t i)
{
    four w = ((const four *)x.w)[i], g = ((const four *)x.g)[i], m = ((const four *)x.m)[i],
         v = ((const four *)x.v)[i];
    UNROLL
    for (int j = 0; j < 4; j++) {
        adam_element e = {w.of[j], m.of[j], v.of[j]};
        e.step(a, g.of[j]);
        w.of[j] = e.w;
        m.of[j] = e.m;
        v.of[j] = e.v;
    }
    ((four *)x.next_w)[i] = w;
    if (x.next_m)
        ((four *)x.next_m)[i] = m;
    if (x.next_v)
        ((four *)x.next_v)[i] = v;
}

__device__ __forceinline__ bool lie_in_fours(const adam_arrays &x)
{
    uintptr_t places = (uintptr_t)x.w | (uintptr_t)x.g | (uintptr_t)x.m | (uintptr_t)x.v;
    places |= (uintptr_t)x.next_w | (uintptr_t)x.next_m | (uintptr_t)x.next_v;
    return (places & 15) == 0;
}

/* By all blocks of a row of the grid. */
__device__ __forceinline__ void step_all(const adam_arrays &x, const adam_numbers &a)
{
    int64_t fours = lie_in_fours(x) ? x.n / 4 : 0, rest = x.n - 4 * fours;
    EACH(i, fours)
    step_four(x, a, i);
    EACH(i, rest)
    step_one(x, a, 4 * fours + i);
}

__global__ void adam_step(adam_arrays x, adam_numbers a)
{
    step_all(x, a);
}

/* Row y of the grid has array y. */
__global__ void adam_steps(const adam_arrays *list, adam_numbers a)
{
    step_all(list[blockIdx.y], a);
}

static adam_numbers numbers_of(const bk_call *call)
{
    return {input<double>(call, 4), call->attr.alpha, call->attr.beta, call->attr.eps};
}

adam_arrays adam_arrays_of(const bk_call *call)
{
    return {input(call, 0),  input(call, 1),  input(call, 2),  input(call, 3),
            output(call, 0), output(call, 1), output(call, 2), elements(&call->in[0])};
}

static void run_adam(const bk_call *call, execution *e)
{
    adam_arrays x = adam_arrays_of(call);
    start(e, adam_step, blocks_for(x.n), BLOCK, 0, x, numbers_of(call));
}

const cuda_kernel cuda_adam = {nullptr, run_adam, nullptr};

/* ---- many arrays ---- */

static bool same_numbers(const bk_call *a, const bk_call *b)
{
    return a->attr.alpha == b->attr.alpha && a->attr.beta == b->attr.beta && a->attr.eps == b->attr.eps &&
           a->in[4].data == b->in[4].data;
}

/* Whether one of the calls writes what the other one reads or writes. */
static bool meet_in_memory(const bk_call *a, const bk_call *b)
{
    for (int k = 0; k < a->n_out; k++) {
        const void *p = a->out[k].data;
        for (int i = 0; p && i < b->n_in; i++)
            if (p == b->in[i].data)
                return true;
        for (int i = 0; p && i < b->n_out; i++)
            if (p == b->out[i].data)
                return true;
    }
    return false;
}

int adam_together(const bk_call *calls, int n)
{
    enum { ROWS = 65535 }; /* of a grid */
    if (n == 0 || calls[0].op != BK_ADAM)
        return 0;
    for (int k = 1; k < n && k < ROWS; k++) {
        if (calls[k].op != BK_ADAM || !same_numbers(&calls[0], &calls[k]))
            return k;
        for (int i = 0; i < k; i++)
            if (meet_in_memory(&calls[i], &calls[k]) || meet_in_memory(&calls[k], &calls[i]))
                return k;
    }
    return n < ROWS ? n : ROWS;
}

void start_adam(execution *e, const bk_call *calls, int n, const adam_arrays *list)
{
    constexpr unsigned MOST = 256; /* blocks of an array */
    unsigned blocks = 1;
    for (int k = 0; k < n; k++) {
        unsigned wanted = blocks_for(divide_up(elements(&calls[k].in[0]), 4));
        blocks = wanted > blocks ? wanted : blocks;
    }
    dim3 grid(blocks < MOST ? blocks : MOST, (unsigned)n);
    start(e, adam_steps, grid, BLOCK, 0, list, numbers_of(calls));
}
