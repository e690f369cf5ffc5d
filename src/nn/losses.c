/* SPDX-License-Identifier: Apache-2.0 */
/* losses.c - losses as papers name them. */
#include "nn/losses.h"

#include <math.h>

label_options label_defaults(void)
{
    return (label_options){.ignored = -100, .class_weight = NONE, .pixel_weight = NONE};
}

/* Returns sum / total, or 0 if total is 0. */
static value ratio(graph *g, value sum, value total)
{
    return op_div(g, sum, op_add(g, total, op_equal(g, total, op_number(g, 0))));
}

static value weighted_mean(graph *g, value x, value weight)
{
    return ratio(g, op_sum_all(g, op_mul(g, x, weight)), op_sum_all(g, weight));
}

static uint32_t last_axis(graph *g, value x)
{
    return g->error == OK && x != NONE ? 1u << (graph_shape(g, x)->rank - 1) : 0;
}

/* Sums over the last axis, and drops it. */
static value sum_last(graph *g, value x)
{
    value sum = op_sum(g, x, last_axis(g, x));
    if (sum == NONE)
        return NONE;
    bk_shape s = *graph_shape(g, sum);
    return op_reshape(g, sum, s.rank - 1, s.dim);
}

/* ---- labels ---- */

/* The remaining term of the loss of smoothed targets: -sum_k w_k log p_k / K of each pixel. */
static value spread_loss(graph *g, value logits, value class_weight)
{
    value far = op_log_softmax(g, logits);
    if (class_weight != NONE)
        far = op_mul(g, far, class_weight);
    return op_affine(g, sum_last(g, far), -1.0 / (double)graph_dim(g, logits, -1), 0);
}

static value smoothed(graph *g, value logits, value label, const label_options *o, value loss)
{
    value valid, spread = spread_loss(g, logits, o->class_weight);
    op_cross_entropy(g, logits, label, NONE, o->ignored, &valid);
    spread = op_where(g, valid, spread, op_number(g, 0));
    return op_add(g, op_affine(g, loss, 1 - o->smoothing, 0), op_affine(g, spread, o->smoothing, 0));
}

value loss_cross_entropy(graph *g, value logits, value label, const label_options *o)
{
    value weight, loss = op_cross_entropy(g, logits, label, o->class_weight, o->ignored, &weight);
    if (o->smoothing > 0)
        loss = smoothed(g, logits, label, o, loss);
    if (o->pixel_weight != NONE) {
        loss = op_mul(g, loss, o->pixel_weight);
        weight = op_mul(g, weight, o->pixel_weight);
    }
    return ratio(g, op_sum_all(g, loss), op_sum_all(g, weight));
}

/* Returns the loss of the `kept`-th hardest pixel, or of the easiest one if fewer pixels count. */
static value loss_at_rank(graph *g, value loss, value valid, int64_t kept)
{
    value index, none = op_number(g, -1);
    value easiest = op_reduce_min(g, op_where(g, valid, loss, op_number(g, HUGE_VALF)), 1);
    value sorted = op_sort(g, op_where(g, valid, loss, none), &index);
    if (kept >= graph_dim(g, loss, 0))
        return easiest;
    value at = op_slice(g, sorted, 0, kept, 1);
    return op_where(g, op_less(g, at, op_number(g, 0)), easiest, at);
}

value loss_hard_cross_entropy(graph *g, value logits, value label, int32_t ignored, int64_t kept,
                              double threshold)
{
    value valid, loss = op_cross_entropy(g, logits, label, NONE, ignored, &valid);
    loss = op_view(g, loss, 1, -1);
    valid = op_view(g, valid, 1, -1);
    value limit = op_minimum(g, loss_at_rank(g, loss, valid, kept), op_number(g, -log(threshold)));
    return weighted_mean(g, loss, op_mul(g, valid, op_less(g, limit, loss)));
}

/* (1 - p)^gamma, p = e^-loss. 1 - p is clamped above 0, because its logarithm is needed; the product with the
 * loss is 0 there. */
static value focus(graph *g, value loss, double gamma)
{
    value rest = op_affine(g, op_exp(g, op_affine(g, loss, -1, 0)), -1, 1);
    rest = op_maximum(g, rest, op_number(g, 1e-12));
    return op_exp(g, op_affine(g, op_log(g, rest), gamma, 0));
}

value loss_focal(graph *g, value logits, value label, int32_t ignored, double gamma, double alpha)
{
    value valid, loss = op_cross_entropy(g, logits, label, NONE, ignored, &valid);
    loss = op_affine(g, op_mul(g, focus(g, loss, gamma), loss), alpha, 0);
    return weighted_mean(g, loss, valid);
}

value loss_soft_cross_entropy(graph *g, value logits, value target)
{
    value sum = sum_last(g, op_mul(g, op_log_softmax(g, logits), target));
    return op_affine(g, op_mean_all(g, sum), -1, 0);
}

/* ---- numbers of their own ---- */

/* -log sigmoid(x) = softplus(-x). */
value loss_binary_cross_entropy(graph *g, value x, value target, value pos_weight)
{
    value on = op_mul(g, target, op_softplus(g, op_affine(g, x, -1, 0)));
    if (pos_weight != NONE)
        on = op_mul(g, on, pos_weight);
    return op_add(g, on, op_mul(g, op_affine(g, target, -1, 1), op_softplus(g, x)));
}

/* With z = x for a target of 1 and -x for 0: p = sigmoid(z), -log p = softplus(-z), log(1 - p) =
 * -softplus(z). */
value loss_binary_focal(graph *g, value x, value target, double gamma, double alpha)
{
    value z = op_mul(g, x, op_affine(g, target, 2, -1));
    value rest = op_exp(g, op_affine(g, op_softplus(g, z), -gamma, 0));
    value loss = op_mul(g, rest, op_softplus(g, op_affine(g, z, -1, 0)));
    return op_mul(g, loss, op_affine(g, target, 2 * alpha - 1, 1 - alpha));
}

value loss_smooth_l1(graph *g, value d, double beta)
{
    value size = op_abs(g, d), near = op_less(g, size, op_number(g, beta));
    return op_where(g, near, op_affine(g, op_mul(g, d, d), 0.5 / beta, 0),
                    op_affine(g, size, 1, -0.5 * beta));
}

/* ---- overlap of regions ---- */

static value foreground_of(graph *g, value x)
{
    if (g->error != OK || x == NONE)
        return NONE;
    int last = graph_shape(g, x)->rank - 1;
    return op_slice(g, x, last, 1, graph_dim(g, x, last) - 1);
}

value loss_dice(graph *g, value p, value target, value valid, dice_options o)
{
    if (valid != NONE) {
        p = op_mul(g, p, valid);
        target = op_mul(g, target, valid);
    }
    if (o.foreground) {
        p = foreground_of(g, p);
        target = foreground_of(g, target);
    }
    uint32_t pixels = last_axis(g, p) - 1 - (o.batch ? 0 : 1); /* all axes but the last, and the first */
    value both = op_sum(g, op_mul(g, p, target), pixels);
    value size = op_add(g, o.squared ? op_mul(g, p, p) : p, o.squared ? op_mul(g, target, target) : target);
    size = op_affine(g, op_sum(g, size, pixels), 1, o.smooth);
    return op_affine(g, op_mean_all(g, op_div(g, op_affine(g, both, 2, o.smooth), size)), -1, 1);
}

/* Sums over pixels of each sample: [B,1...,K]. */
static value over_pixels(graph *g, value x)
{
    return op_sum(g, x, g->error == OK ? last_axis(g, x) - 2 : 0);
}

static value counted(graph *g, value x, value valid)
{
    return valid == NONE ? x : op_mul(g, x, valid);
}

value loss_generalized_dice(graph *g, value p, value target, value valid, double smooth)
{
    uint32_t classes = last_axis(g, p);
    p = counted(g, p, valid);
    target = counted(g, target, valid);
    value size = over_pixels(g, target), none = op_number(g, 0);
    value present = op_less(g, none, size);
    value square = op_where(g, present, op_mul(g, size, size), op_number(g, 1));
    value weight = op_where(g, present, op_div(g, op_number(g, 1), square), none);
    weight = op_where(g, present, weight, op_reduce_max(g, weight, classes));
    value both = op_mul(g, weight, over_pixels(g, op_mul(g, p, target)));
    value all = op_mul(g, weight, op_add(g, over_pixels(g, p), size));
    both = op_affine(g, op_sum(g, both, classes), 2, smooth);
    all = op_affine(g, op_sum(g, all, classes), 1, smooth);
    return op_affine(g, op_mean_all(g, op_div(g, both, all)), -1, 1);
}

value loss_tversky(graph *g, value p, value target, value valid, tversky_options o)
{
    p = counted(g, p, valid);
    target = counted(g, target, valid);
    value hit = over_pixels(g, op_mul(g, p, target));
    value extra = op_affine(g, op_sub(g, over_pixels(g, p), hit), o.false_positives, o.smooth);
    value missed = op_affine(g, op_sub(g, over_pixels(g, target), hit), o.false_negatives, 0);
    value all = op_add(g, hit, op_add(g, extra, missed));
    value loss = op_affine(g, op_div(g, op_affine(g, hit, 1, o.smooth), all), -1, 1);
    if (o.power != 1) {
        value above = op_maximum(g, loss, op_number(g, 1e-30)), none = op_number(g, 0);
        value raised = op_exp(g, op_affine(g, op_log(g, above), o.power, 0));
        loss = op_where(g, op_less(g, none, loss), raised, none);
    }
    return op_mean_all(g, loss);
}

/* Differences of neighbours along an axis, without the first and without the last two of the other axis. */
static value difference(graph *g, value p, int axis)
{
    int other = 3 - axis;
    int64_t length = graph_dim(g, p, axis) - 2;
    p = op_slice(g, p, other, 0, graph_dim(g, p, other) - 2);
    return op_sub(g, op_slice(g, p, axis, 2, length), op_slice(g, p, axis, 1, length));
}

value loss_active_contour(graph *g, value p, value target, double lambda)
{
    value dx = difference(g, p, 1), dy = difference(g, p, 2), out = op_affine(g, target, 1, -1);
    value square = op_add(g, op_mul(g, dx, dx), op_mul(g, dy, dy));
    value length = op_mean_all(g, op_sqrt(g, op_affine(g, square, 1, 1e-8)));
    value inside = op_mean_all(g, op_mul(g, p, op_mul(g, out, out)));
    value outside = op_mean_all(g, op_mul(g, op_affine(g, p, -1, 1), op_mul(g, target, target)));
    value regions = op_add(g, op_abs(g, inside), op_abs(g, outside));
    return op_add(g, length, op_affine(g, regions, lambda, 0));
}

/* x[B,P,K] as [B,K,P]. */
static value by_class(graph *g, value x)
{
    return op_permute(g, x, 0, 2, 1);
}

/* J_k - J_(k-1) of J_k = 1 - (G - cumsum(hit)) / (G + cumsum(miss)) along the last axis, J_(-1) = 0. */
static value jaccard_steps(graph *g, value hit, value miss)
{
    if (g->error != OK)
        return NONE;
    value all = op_sum(g, hit, 4), left = op_sub(g, all, op_cumsum(g, hit));
    value whole = op_maximum(g, op_add(g, all, op_cumsum(g, miss)), op_number(g, 1));
    value index = op_affine(g, op_div(g, left, whole), -1, 1);
    bk_shape s = *graph_shape(g, index);
    value first = op_slice(g, index, 2, 0, 1);
    if (s.dim[2] == 1)
        return first;
    value steps = op_sub(g, op_slice(g, index, 2, 1, s.dim[2] - 1), op_slice(g, index, 2, 0, s.dim[2] - 1));
    return op_concat(g, 2, (const value[]){first, steps}, 2);
}

/* Pixels that do not count get an error |target - p| of 0 and belong to no class. */
value loss_lovasz(graph *g, value p, value label, int32_t ignored, int per_image)
{
    int64_t images = per_image ? graph_dim(g, p, 0) : 1, classes = graph_dim(g, p, -1);
    value target = op_one_hot(g, label, classes, ignored), order;
    p = by_class(g, op_view(g, p, 3, images, -1, classes));
    target = by_class(g, op_view(g, target, 3, images, -1, classes));
    value valid = op_sum(g, target, 2), other = op_sub(g, valid, target); /* [B,1,P], [B,K,P] */
    value error = op_mul(g, op_abs(g, op_sub(g, target, p)), valid);
    error = op_sort(g, error, &order);
    value steps = jaccard_steps(g, op_take(g, target, order), op_take(g, other, order));
    value present = op_less(g, op_number(g, 0), op_sum(g, target, 4)); /* [B,K,1] */
    value loss = op_mul(g, op_sum(g, op_mul(g, error, steps), 4), present);
    return op_mean_all(g, ratio(g, op_sum(g, loss, 2), op_sum(g, present, 2)));
}

value loss_adversarial(graph *g, value score)
{
    return op_mean_all(g, op_softplus(g, op_affine(g, score, -1, 0)));
}
