/* SPDX-License-Identifier: Apache-2.0 */
/* sort.c - ops along the last axis that depend on the order of its elements: sort and cumulative sum. Rows
 * are distributed over threads, one thread to a row. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

/* ---- sort: by radix, a byte at a time from the lowest on, each pass stable ---- */

enum { BYTES = 4, BUCKETS = 256 };

typedef struct sort_entry {
    uint32_t key; /* small for the numbers that come first */
    int32_t index;
} sort_entry;

/* The bits of floats are ordered like their values once those of negative numbers are inverted and the sign
 * bit of the others is set; the complement is in descending order. -0 has the key of 0, and every NaN has a
 * key that no number has. */
static uint32_t key_of(float x)
{
    uint32_t bits;
    if (x != x)
        return 0;
    x += 0.0f;
    memcpy(&bits, &x, sizeof bits);
    return ~(bits >> 31 ? ~bits : bits | UINT32_C(0x80000000));
}

static void sort_pass(const sort_entry *from, sort_entry *to, int64_t n, int byte)
{
    int64_t place[BUCKETS] = {0}, next = 0;
    for (int64_t i = 0; i < n; i++)
        place[from[i].key >> 8 * byte & 255]++;
    for (int b = 0; b < BUCKETS; b++) {
        int64_t count = place[b];
        place[b] = next;
        next += count;
    }
    for (int64_t i = 0; i < n; i++)
        to[place[from[i].key >> 8 * byte & 255]++] = from[i];
}

/* The number of passes is even: the sorted entries are in `entry` again. */
static void sort_row(const float *x, int64_t n, sort_entry *entry, sort_entry *spare, float *y,
                     int32_t *index)
{
    for (int64_t i = 0; i < n; i++)
        entry[i] = (sort_entry){key_of(x[i]), (int32_t)i};
    for (int byte = 0; byte < BYTES; byte += 2) {
        sort_pass(entry, spare, n, byte);
        sort_pass(spare, entry, n, byte + 1);
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = x[entry[i].index];
    for (int64_t i = 0; index && i < n; i++)
        index[i] = entry[i].index;
}

static int64_t length_of(const bk_call *call)
{
    const bk_shape *s = &call->in[0].shape;
    return s->dim[s->rank - 1];
}

static int sort_fits(const bk_call *call)
{
    return call->in[0].shape.dtype == BK_F32 && call->out[0].shape.dtype == BK_F32 &&
           call->out[1].shape.dtype == BK_I32 && length_of(call) <= INT32_MAX;
}

static size_t scratch_sort(const bk_call *call, int threads)
{
    return (size_t)(2 * length_of(call) * threads) * sizeof(sort_entry);
}

static void sort_rows(const void *job, int64_t first, int64_t end, int thread)
{
    const bk_call *call = job;
    const float *x = call->in[0].data;
    float *y = call->out[0].data;
    int32_t *index = call->out[1].data;
    int64_t n = length_of(call);
    sort_entry *entry = (sort_entry *)call->scratch + 2 * n * thread;
    for (int64_t r = first; r < end; r++)
        sort_row(x + r * n, n, entry, entry + n, y + r * n, index ? index + r * n : NULL);
}

static bk_status run_sort(const bk_call *call, cpu_team *team)
{
    int64_t count = bk_count(&call->in[0].shape);
    cpu_team_share(team, count / length_of(call), count, sort_rows, call);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_sort) = {
    .fits = sort_fits, .scratch = scratch_sort, .run = run_sort, .types = CPU_OWN_TYPES};

/* ---- cumulative sum: in double, as rows may be long ---- */

static void add_up_rows(const void *job, int64_t first_row, int64_t end, int thread)
{
    const bk_call *call = job;
    const float *x = call->in[0].data;
    float *y = call->out[0].data;
    int64_t n = length_of(call), first = call->attr.reverse ? n - 1 : 0, step = call->attr.reverse ? -1 : 1;
    (void)thread;
    for (int64_t r = first_row; r < end; r++) {
        double sum = 0;
        for (int64_t i = 0, at = r * n + first; i < n; i++, at += step)
            y[at] = (float)(sum += x[at]);
    }
}

static bk_status run_cumsum(const bk_call *call, cpu_team *team)
{
    int64_t count = bk_count(&call->in[0].shape);
    cpu_team_share(team, count / length_of(call), count, add_up_rows, call);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_cumsum) = {.run = run_cumsum};
