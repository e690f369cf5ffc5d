/* SPDX-License-Identifier: Apache-2.0 */
/* distillation.c - losses of a student that learns from a teacher. */
#include "nn/distillation.h"

/* Sums over the last axis, and drops it. */
static value sum_last(graph *g, value x)
{
    if (g->error != OK)
        return NONE;
    value sum = op_sum(g, x, 1u << (graph_shape(g, x)->rank - 1));
    if (sum == NONE)
        return NONE;
    bk_shape s = *graph_shape(g, sum);
    return op_reshape(g, sum, s.rank - 1, s.dim);
}

value loss_distillation(graph *g, value student, value teacher, double temperature)
{
    value theirs = op_affine(g, teacher, 1 / temperature, 0),
          ours = op_affine(g, student, 1 / temperature, 0);
    value apart = op_sub(g, op_log_softmax(g, theirs), op_log_softmax(g, ours));
    value sum = sum_last(g, op_mul(g, op_softmax(g, theirs), apart));
    return op_affine(g, sum, temperature * temperature / (double)graph_dim(g, student, -1), 0);
}

value class_probability(graph *g, value logits, value label, int32_t ignored, value scale)
{
    value p = op_softmax(g, op_mul(g, logits, scale));
    return sum_last(g, op_mul(g, p, op_one_hot(g, label, graph_dim(g, logits, -1), ignored)));
}

/* ---- weights ---- */

static value at_least(graph *g, value score, value limit)
{
    return op_less_equal(g, limit, score);
}

/* 1 where the score is at least m, else max(m - 0.1, 0). */
static value soft_weight(graph *g, const paced_values *v)
{
    value less = op_maximum(g, op_affine(g, v->soft_limit, 1, -0.1), op_number(g, 0));
    return op_where(g, at_least(g, v->score, v->soft_limit), op_number(g, 1), less);
}

static int is_soft(const paced_options *o)
{
    return o->mode == PACE_SOFT || o->mode == PACE_SOFT_SCORE;
}

static int is_hard(const paced_options *o)
{
    return o->mode == PACE_SCORE || o->mode == PACE_SCORE_BOUNDARY || o->mode == PACE_SOFT_SCORE;
}

/* ---- the loss ---- */

/* Both terms of each pixel with the soft weights of theirs. */
static value terms(graph *g, const paced_options *o, value cross_entropy, value teacher, value soft)
{
    if (soft != NONE && o->soft != SOFT_TEACHER)
        cross_entropy = op_mul(g, cross_entropy, soft);
    if (soft != NONE && o->soft != SOFT_CROSS_ENTROPY)
        teacher = op_mul(g, teacher, soft);
    return op_add(g, cross_entropy, teacher);
}

/* The mean over pixels of weight times x. batch_mean: first each one's mean over the batch, which is the same
 * sum with a mean in place of the weight. */
static value weighted(graph *g, const paced_options *o, value weight, value x, value count)
{
    if (o->batch_mean)
        weight = op_mean(g, weight, 1);
    return op_div(g, op_sum_all(g, op_mul(g, weight, x)), count);
}

static value mean_of(graph *g, value x, value count)
{
    return op_div(g, op_sum_all(g, x), count);
}

paced_loss loss_paced(graph *g, const paced_values *v, const paced_options *o)
{
    value valid, ce = op_cross_entropy(g, v->student, v->label, NONE, o->ignored, &valid);
    value kl = op_mul(g, loss_distillation(g, v->student, v->teacher, o->temperature), valid);
    value count = op_maximum(g, op_sum_all(g, valid), op_number(g, 1));
    value soft = is_soft(o) ? soft_weight(g, v) : NONE;
    value each = terms(g, o, ce, kl, soft), weight = op_mul(g, valid, op_number(g, 1));
    if (is_hard(o))
        weight = op_mul(g, at_least(g, v->score, v->limit), valid);
    if (o->mode == PACE_SCORE_BOUNDARY)
        each = op_mul(g, each, at_least(g, v->boundary, v->limit));
    paced_loss made = {.cross_entropy = mean_of(g, ce, count), .teacher = mean_of(g, kl, count)};
    made.loss = is_hard(o) ? weighted(g, o, weight, each, count) : mean_of(g, each, count);
    value share =
        o->mode == PACE_SCORE_BOUNDARY ? op_mul(g, weight, at_least(g, v->boundary, v->limit)) : weight;
    made.admitted = mean_of(g, soft == NONE ? share : op_mul(g, share, soft), count);
    return made;
}
