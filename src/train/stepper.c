/* SPDX-License-Identifier: Apache-2.0 */
/* stepper.c - one optimisation step. Weights and both moments are flat arrays of the same layout; gradients
 * lie in the plan's memory, where activations were before. */
#include "train/stepper.h"

#include <math.h>
#include <string.h>

#include "lib/recompute.h"
#include "methods/mt_net.h"

static const slmt_net *net_of(const stepper *s)
{
    return &s->model->net;
}

int stepper_patches(const stepper *s)
{
    return net_of(s)->mae_grid * net_of(s)->mae_grid;
}

static size_t image_pixels(const stepper *s)
{
    size_t side = (size_t)net_of(s)->options.image_size;
    return side * side;
}

/* First element of the generator's weights: the Edge-MAE's lie before it. */
static size_t edge_mae_reals(const slmt_net *net)
{
    for (int32_t k = 0; k < net->params.n; k++)
        if (net->params.list[k].used && strncmp(net->params.list[k].name, "G.", 2) == 0)
            return net->params.list[k].offset;
    return net->params.total;
}

const void *stepper_gradient(const stepper *s, int32_t k)
{
    return plan_held(s->plan, k);
}

/* ---- the graph ---- */

/* Adds the gradient of every trained weight that the loss depends on, held under the tensor's number. */
static status add_gradients(graph *g, const slmt_net *net, const nn *networks, int n_networks, value loss)
{
    void *p;
    int32_t n = 0;
    TRY(mem_array(g->mem, 2 * (size_t)net->params.n, sizeof(value), &p));
    value *wrt = p, *gradient = wrt + net->params.n;
    for (int32_t k = 0; k < net->params.n; k++)
        for (int i = 0; i < n_networks; i++)
            if (networks[i].weights[k] != NONE && param_trained(&net->params.list[k]))
                wrt[n++] = networks[i].weights[k];
    status s = graph_gradients(g, loss, wrt, n, gradient);
    for (int32_t i = 0; s == OK && i < n; i++)
        graph_hold(g, gradient[i], g->values[wrt[i]].slot - slot_weight(net));
    mem_give(g->mem, p);
    return s == OK ? graph_status(g) : s;
}

static status build_pretrain(const stepper *s, graph *g)
{
    edge_mae_graph v;
    nn e;
    TRY(nn_open(&e, g, net_of(s), "E.", slot_weight(net_of(s))));
    edge_mae_pretrain(&e, net_of(s), s->config.batch, s->kept, s->config.rec_weight, &v);
    status st = graph_status(g);
    if (st == OK)
        st = add_gradients(g, net_of(s), &e, 1, v.total);
    nn_close(&e);
    return st;
}

static status build_finetune(const stepper *s, graph *g)
{
    mt_net_graph v;
    const slmt_net *net = net_of(s);
    nn part[3] = {{.g = g}, {.g = g}, {.g = g}};
    status st = nn_open(&part[0], g, net, "E.", slot_weight(net));
    if (st == OK)
        st = nn_open(&part[1], g, net, "G.", slot_weight(net));
    if (st == OK)
        st = nn_open(&part[2], g, net, "E.", slot_frozen(net));
    if (st == OK) {
        mt_net_finetune(&part[0], &part[1], &part[2], net, s->config.batch, s->config.l1_weight, &v);
        st = graph_status(g);
    }
    if (st == OK)
        st = add_gradients(g, net, part, 2, v.total);
    for (int i = 0; i < 3; i++)
        nn_close(&part[i]);
    return st;
}

static status make_plan(stepper *s, tally *t)
{
    graph *g;
    TRY(graph_create(&s->context->mem, model_real(s->model), &g));
    status st = s->config.stage == SLMT_STAGE_PRETRAIN ? build_pretrain(s, g) : build_finetune(s, g);
    if (st == OK)
        st = graph_recompute(g, (recompute_level)s->config.recompute);
    if (st == OK)
        st = context_plan(s->context, g, !t->dry, &s->plan);
    graph_free(g);
    if (st == OK && t->dry)
        t->bytes += mem_cost(plan_arena_bytes(s->plan));
    return st;
}

/* ---- memory ---- */

static status take_training(stepper *s, tally *t)
{
    size_t real = bk_dtype_size(model_real(s->model));
    TRY(tally_take(t, s->trained * real, &s->moment1));
    TRY(tally_take(t, s->trained * real, &s->moment2));
    if (s->config.stage == SLMT_STAGE_PRETRAIN)
        return OK;
    s->frozen_reals = edge_mae_reals(net_of(s));
    TRY(tally_take(t, s->frozen_reals * real, &s->frozen));
    if (s->frozen)
        memcpy(s->frozen, s->model->weights, s->frozen_reals * real);
    return OK;
}

static status take_batch(stepper *s, tally *t)
{
    size_t real = bk_dtype_size(model_real(s->model)), batch = (size_t)s->config.batch;
    size_t n = (size_t)stepper_patches(s);
    void *p;
    TRY(tally_take(t, batch * image_pixels(s) * real, &s->image_a));
    TRY(tally_take(t, batch * image_pixels(s) * real, &s->image_b));
    if (s->config.stage == SLMT_STAGE_FINETUNE)
        return OK;
    TRY(tally_take(t, batch * (size_t)s->kept * sizeof(int32_t), &p));
    s->keep = p;
    TRY(tally_take(t, batch * n * sizeof(int32_t), &p));
    s->restore = p;
    TRY(tally_take(t, batch * n * real, &s->weight));
    TRY(tally_take(t, batch * n * sizeof(double), &p));
    s->noise = p;
    TRY(tally_take(t, n * sizeof(int32_t), &p));
    s->order = p;
    TRY(tally_take(t, n, &p));
    s->mask = p;
    return OK;
}

static void bind_weights(stepper *s)
{
    const slmt_net *net = net_of(s);
    size_t real = bk_dtype_size(model_real(s->model));
    for (int32_t k = 0; k < net->params.n; k++) {
        const param *p = &net->params.list[k];
        if (!p->used)
            continue;
        s->bound[slot_weight(net) + k] = model_tensor(s->model, k);
        if (s->frozen && p->offset < s->frozen_reals)
            s->bound[slot_frozen(net) + k] = (unsigned char *)s->frozen + p->offset * real;
    }
}

static void bind_batch(stepper *s)
{
    void **data = s->bound + slot_data(net_of(s));
    int pre = s->config.stage == SLMT_STAGE_PRETRAIN;
    data[pre ? (int)MAE_IMAGES : (int)TUNE_SOURCE] = s->image_a;
    data[pre ? (int)MAE_EDGES : (int)TUNE_TARGET] = s->image_b;
    if (pre) {
        data[MAE_KEEP] = s->keep;
        data[MAE_RESTORE] = s->restore;
        data[MAE_WEIGHT] = s->weight;
    }
    int first = pre ? (int)MAE_REC_LOSS : (int)TUNE_L1;
    for (int i = 0; i < 3; i++) /* the three losses, one real each */
        data[first + i] = &s->losses[i];
}

status stepper_open(stepper *s, slmt_context *context, slmt_model *model, const slmt_trainer_config *config,
                    tally *t)
{
    void *p;
    *s = (stepper){.context = context, .model = model, .config = *config};
    s->kept = edge_mae_kept(net_of(s), config->mask_ratio);
    if (config->stage == SLMT_STAGE_PRETRAIN && (s->kept < 1 || s->kept >= stepper_patches(s)))
        return fail(ERR_ARGUMENT, "mask_ratio %g keeps %d of %d patches; at least one must stay and one go",
                    config->mask_ratio, s->kept, stepper_patches(s));
    s->trained = config->stage == SLMT_STAGE_PRETRAIN ? edge_mae_reals(net_of(s)) : net_of(s)->params.total;
    s->n_bound = slot_data(net_of(s)) + (int)MAE_SLOTS + (int)TUNE_SLOTS;
    TRY(mem_zeros(&context->mem, (size_t)s->n_bound, sizeof(void *), &p));
    s->bound = p;
    TRY(make_plan(s, t));
    TRY(take_training(s, t));
    TRY(take_batch(s, t));
    bind_weights(s);
    bind_batch(s);
    return OK;
}

void stepper_close(stepper *s)
{
    mem *m = &s->context->mem;
    void *blocks[] = {s->bound, s->moment1, s->moment2, s->frozen, s->image_a, s->image_b,
                      s->keep,  s->restore, s->weight,  s->noise,  s->order,   s->mask};
    plan_free(s->plan);
    slmt_profile_free(s->profile);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mem_give(m, blocks[i]);
}

status stepper_profile(stepper *s, slmt_profile *profile)
{
    int32_t entry = 0;
    if (profile)
        TRY(profile_named(&profile->records, "adam", "optimizer", &entry));
    TRY(profile_exchange(s->plan, &s->profile, profile));
    s->adam_entry = entry;
    return OK;
}

/* ---- steps ---- */

static void copy_images(const stepper *s, const float *from, void *to)
{
    size_t n = (size_t)s->config.batch * image_pixels(s);
    for (size_t i = 0; i < n; i++)
        real_set(to, model_real(s->model), i, from[i]);
}

static void *shift(void *array, bk_dtype real, size_t reals)
{
    return (unsigned char *)array + reals * bk_dtype_size(real);
}

/* Masks, loss weights and edge maps of a batch. */
static void prepare_masks(stepper *s, const float *images, const double *noise, int easy)
{
    const slmt_net *net = net_of(s);
    bk_dtype real = model_real(s->model);
    size_t n = (size_t)stepper_patches(s), batch = (size_t)s->config.batch, kept = (size_t)s->kept;
    double pixels = (double)net->options.mae_patch * net->options.mae_patch;
    double filters[18];
    int32_t operator= params_find(&net->params, "E.operator.filter.weight");
    for (size_t i = 0; i < 18; i++)
        filters[i] = real_get(model_tensor(s->model, operator), real, i);
    double divisor = (double)batch * (double)(n - kept) * pixels;
    for (size_t b = 0; b < batch; b++) {
        edge_mae_mask(noise + b * n, (int)n, s->kept, s->keep + b * kept, s->restore + b * n, s->mask,
                      s->order);
        edge_mae_weights(s->mask, net->mae_grid, easy, divisor, real, shift(s->weight, real, b * n));
        edge_mae_edges(images + b * image_pixels(s), net->options.image_size, filters, real,
                       shift(s->image_b, real, b * image_pixels(s)));
    }
}

static int all_finite(const void *array, bk_dtype real, size_t n)
{
    const float *f = array;
    const double *d = array;
    int finite = 1;
    for (size_t i = 0; real == BK_F32 && i < n; i++)
        finite &= isfinite(f[i]) != 0;
    for (size_t i = 0; real == BK_F64 && i < n; i++)
        finite &= isfinite(d[i]) != 0;
    return finite;
}

/* A loss can be finite where its gradient has overflowed: Adam must not see that. */
static status check_gradients(const stepper *s)
{
    const params *all = &net_of(s)->params;
    for (int32_t k = 0; k < all->n; k++) {
        const param *p = &all->list[k];
        const void *gradient = stepper_gradient(s, k);
        if (gradient && !all_finite(gradient, all->real, p->count))
            return fail(ERR_NONFINITE,
                        "step %llu: the gradient of %s is not finite; the weights are as before the step",
                        (unsigned long long)s->step, p->name);
    }
    return OK;
}

/* Adam on every tensor that has a gradient. */
static bk_status update_weights(stepper *s, double rate)
{
    const slmt_trainer_config *c = &s->config;
    const params *all = &net_of(s)->params;
    bk_status st = BK_OK;
    for (int32_t k = 0; st == BK_OK && k < all->n; k++) {
        size_t at = all->list[k].offset;
        const void *gradient = stepper_gradient(s, k);
        if (gradient)
            st = s->context->backend->adam(s->context->device, all->real, all->list[k].count,
                                           model_tensor(s->model, k), gradient,
                                           shift(s->moment1, all->real, at), shift(s->moment2, all->real, at),
                                           rate, c->beta1, c->beta2, c->epsilon, (int64_t)s->step + 1);
    }
    return st;
}

/* Runs the plan and, if loss and gradients are numbers, updates. loss[0..2]: two parts and the total. */
static status run_step(stepper *s, double rate, const atomic_int *cancel, double loss[3])
{
    bk_dtype real = model_real(s->model);
    const bk_backend *backend = s->context->backend;
    TRY(plan_run(s->plan, s->bound, s->n_bound, cancel));
    for (int i = 0; i < 3; i++) {
        loss[i] = real_get(&s->losses[i], real, 0);
        if (!isfinite(loss[i]))
            return fail(ERR_NONFINITE,
                        "step %llu: the loss is not finite; the weights are as before the step",
                        (unsigned long long)s->step);
    }
    double start = s->profile ? profile_clock() : 0;
    TRY(check_gradients(s));
    if (backend->begin(s->context->device) != BK_OK)
        return fail(ERR_BACKEND, "back end %s cannot begin", backend->name);
    bk_status st = update_weights(s, rate);
    backend->end(s->context->device);
    if (st != BK_OK)
        return fail(ERR_BACKEND, "back end %s failed in Adam", backend->name);
    if (s->profile)
        profile_add(&s->profile->records, s->adam_entry, start);
    s->step++;
    return OK;
}

status stepper_pretrain(stepper *s, const float *images, const double *noise, int easy, double rate,
                        const atomic_int *cancel, slmt_losses *losses)
{
    double loss[3];
    copy_images(s, images, s->image_a);
    prepare_masks(s, images, noise, easy);
    TRY(run_step(s, rate, cancel, loss));
    losses->reconstruction = loss[0];
    losses->edge = loss[1];
    losses->total = loss[2];
    losses->learning_rate = rate;
    return OK;
}

status stepper_finetune(stepper *s, const float *source, const float *target, double rate,
                        const atomic_int *cancel, slmt_losses *losses)
{
    double loss[3];
    copy_images(s, source, s->image_a);
    copy_images(s, target, s->image_b);
    TRY(run_step(s, rate, cancel, loss));
    losses->l1 = loss[0];
    losses->consistency = loss[1];
    losses->total = loss[2];
    losses->learning_rate = rate;
    return OK;
}
