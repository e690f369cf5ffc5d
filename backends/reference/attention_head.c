/* SPDX-License-Identifier: Apache-2.0 */
/* attention_head.c - softmax attention of one head, one query at a time.
 *
 *   s_j = scale q.k_j + bias_ij,  lse = log sum_j exp(s_j),  p_j = exp(s_j - lse),  o = sum_j p_j v_j
 *   ds_j = p_j (do.v_j - do.o),  dq = scale sum_j ds_j k_j,  dk_j += scale ds_j q,  dv_j += p_j do */
#include "backends/reference/attention_head.h"

#include <math.h>
#include <string.h>

enum { FEATURE_ARRAYS = 8, TOKEN_ARRAYS = 3, LANES = 8 };

size_t attention_head_bytes(int64_t tokens, int64_t width, int with_bias)
{
    int64_t n =
        FEATURE_ARRAYS * width * tokens + TOKEN_ARRAYS * tokens + (with_bias ? 2 * tokens * tokens : 0);
    return (size_t)n * sizeof(double);
}

void attention_head_place(attention_head *head, int64_t tokens, int64_t width, int with_bias, void *memory)
{
    double **features[FEATURE_ARRAYS] = {&head->q,    &head->k,  &head->v,  &head->out,
                                         &head->dout, &head->dq, &head->dk, &head->dv};
    double *at = memory;
    head->tokens = tokens;
    head->width = width;
    for (int i = 0; i < FEATURE_ARRAYS; i++, at += width * tokens)
        *features[i] = at;
    head->lse = at;
    head->score = at + tokens;
    head->dscore = at + 2 * tokens;
    at += TOKEN_ARRAYS * tokens;
    head->bias = with_bias ? at : NULL;
    head->dbias = with_bias ? at + tokens * tokens : NULL;
}

/* Eight running sums, so that the compiler may use vectors without reordering the additions. */
static double dot(const double *restrict a, const double *restrict b, int64_t n)
{
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int64_t l = 0; l < LANES; l++)
            lane[l] += a[i + l] * b[i + l];
    for (int64_t l = 0; i < n; i++, l++)
        lane[l] += a[i] * b[i];
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

static void add_scaled(double *restrict y, double factor, const double *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += factor * x[i];
}

static void scores_of(const attention_head *h, int64_t query)
{
    size_t bytes = (size_t)h->tokens * sizeof(double);
    if (h->bias)
        memcpy(h->score, h->bias + query * h->tokens, bytes);
    else
        memset(h->score, 0, bytes);
    for (int64_t d = 0; d < h->width; d++)
        add_scaled(h->score, h->scale * h->q[d * h->tokens + query], h->k + d * h->tokens, h->tokens);
}

void attention_head_forward(const attention_head *h)
{
    int64_t n = h->tokens;
    for (int64_t i = 0; i < n; i++) {
        scores_of(h, i);
        double max = h->score[0], sum = 0;
        for (int64_t j = 1; j < n; j++)
            max = h->score[j] > max ? h->score[j] : max;
        for (int64_t j = 0; j < n; j++)
            sum += h->score[j] = exp(h->score[j] - max);
        h->lse[i] = max + log(sum);
        for (int64_t d = 0; d < h->width; d++)
            h->out[d * n + i] = dot(h->score, h->v + d * n, n) / sum;
    }
}

void attention_head_backward(const attention_head *h)
{
    int64_t n = h->tokens;
    memset(h->dk, 0, (size_t)(h->width * n) * sizeof(double));
    memset(h->dv, 0, (size_t)(h->width * n) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        double delta = 0; /* do.o */
        scores_of(h, i);
        memset(h->dscore, 0, (size_t)n * sizeof(double));
        for (int64_t d = 0; d < h->width; d++) {
            delta += h->dout[d * n + i] * h->out[d * n + i];
            add_scaled(h->dscore, h->dout[d * n + i], h->v + d * n, n);
        }
        for (int64_t j = 0; j < n; j++) {
            h->score[j] = exp(h->score[j] - h->lse[i]);
            h->dscore[j] = h->score[j] * (h->dscore[j] - delta);
        }
        if (h->dbias)
            memcpy(h->dbias + i * n, h->dscore, (size_t)n * sizeof(double));
        for (int64_t d = 0; d < h->width; d++) {
            h->dq[d * n + i] = h->scale * dot(h->dscore, h->k + d * n, n);
            add_scaled(h->dk + d * n, h->scale * h->q[d * n + i], h->dscore, n);
            add_scaled(h->dv + d * n, h->dout[d * n + i], h->score, n);
        }
    }
}
