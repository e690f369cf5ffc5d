/* SPDX-License-Identifier: Apache-2.0 */
/* task.c - a task of a model as a graph, for sessions and trainers. */
#include "core/task.h"

#include <math.h>
#include <string.h>

#include "lib/ops/rules.h"
#include "lib/size.h"

int32_t port_with_role(port_table t, int32_t role)
{
    for (int32_t i = 0; i < t.n; i++)
        if (t.rows[i].role == role)
            return i;
    return -1;
}

int port_is_batched(const port *p)
{
    return !(p->flags & PORT_SHARED) && p->axes[0] != '\0';
}

status task_init(task *t, slmt_model *model, const method_task *kind, const double *setting)
{
    TRY(task_check(kind));
    *t = (task){.model = model, .kind = kind};
    memcpy(t->setting, setting, (size_t)numbers_count(kind->settings) * sizeof *setting);
    TRY(numbers_check(kind->settings, "setting", t->setting));
    return task_shapes(t);
}

status task_find(const slmt_model *model, const char *name, int trains, const method_task **kind)
{
    *kind = task_named(model->method, name);
    if (!*kind)
        return fail(ERR_NOT_FOUND, "method %s has no task %s", model->method->name, name);
    if ((*kind)->trains != trains)
        return fail(ERR_STATE, "task %s of method %s is for a %s", name, model->method->name,
                    trains ? "session" : "trainer");
    return task_check(*kind);
}

status task_settings(const method_task *kind, const slmt_number *given, size_t n, double *setting)
{
    numbers_init(kind->settings, setting);
    return numbers_set(kind->settings, "setting", given, n, setting);
}

int32_t task_ports(const task *t)
{
    return t->kind->inputs.n + t->kind->outputs.n;
}

int32_t task_slot_state(const task *t, int32_t state)
{
    return (1 + state) * t->model->params.n;
}

bk_shape task_state_shape(const task *t, int32_t state)
{
    return t->kind->states[state].shape(t->model->option, t->setting, model_real(t->model));
}

int32_t task_slot_port(const task *t, int32_t port)
{
    return task_slot_state(t, t->kind->n_states) + port;
}

int32_t task_slot_key(const task *t)
{
    return task_slot_port(t, task_ports(t));
}

int32_t task_slots(const task *t)
{
    return task_slot_key(t) + 1;
}

/* Checks that the weights that the caller supplies (ROLE_GIVEN) have been set: of an array (not of biases),
 * an element is not 0. */
static status check_given(const task *t, const task_values *made)
{
    const slmt_model *m = t->model;
    TRY(model_pull(m));
    for (int32_t k = 0; k < m->params.n; k++) {
        const param *p = &m->params.list[k];
        size_t i = 0;
        if (p->role != ROLE_GIVEN || p->shape.rank < 2 || made->weights[k] == NONE)
            continue;
        while (i < p->count && real_get(model_tensor(m, k), tensor_type(p), i) == 0)
            i++;
        if (i == p->count)
            return fail(ERR_STATE,
                        "task %s reads tensor %s, which has never been set: its values are to come from a "
                        "network that was trained elsewhere",
                        t->kind->name, p->name);
    }
    return OK;
}

/* Binds inputs and states and names the slots, for the method to build on. */
static void open_graph(const task *t, graph *g, task_graph *made)
{
    const method_task *k = t->kind;
    *made = (task_graph){.g = g, .params = &t->model->params, .at = {t->model->option, t->setting}};
    for (int32_t i = 0; i < k->inputs.n; i++)
        made->in[i] = graph_bound(g, task_slot_port(t, i), t->shape[i]);
    for (int32_t i = 0; i < k->outputs.n; i++)
        made->out[i] = NONE;
    made->output_slot = task_slot_port(t, k->inputs.n);
    made->output_shape = t->shape + k->inputs.n;
    made->kind = k;
    made->key_slot = task_slot_key(t);
    for (int32_t i = 0; i < k->n_states; i++) {
        made->states[i] = task_slot_state(t, i);
        if (k->states[i].kind == STATE_TENSOR)
            made->tensors[i] = graph_state(g, made->states[i], task_state_shape(t, i));
    }
}

static status put_outputs(const task *t, const task_graph *made)
{
    const method_task *k = t->kind;
    for (int32_t i = 0; i < k->outputs.n; i++) {
        const bk_shape *declared = &t->shape[k->inputs.n + i];
        char is[128], expected[128];
        if (made->out[i] == NONE) {
            if (k->build)
                return fail(ERR_INTERNAL, "task %s does not make its output %s", k->name,
                            k->outputs.rows[i].name);
            continue;
        }
        if (!shape_equal(declared, graph_shape(made->g, made->out[i])))
            return fail(ERR_INTERNAL, "task %s makes output %s as %s, its table says %s", k->name,
                        k->outputs.rows[i].name, shape_text(graph_shape(made->g, made->out[i]), is),
                        shape_text(declared, expected));
        graph_output(made->g, made->out[i], task_slot_port(t, k->inputs.n + i));
    }
    return graph_status(made->g);
}

status task_build(const task *t, int32_t which, graph *g, task_values *made)
{
    const method_task *k = t->kind;
    int32_t n = t->model->params.n;
    void *p;
    made->weights = NULL;
    open_graph(t, g, &made->t);
    (k->build ? k->build : k->graphs[which].build)(&made->t);
    TRY(graph_status(g));
    TRY(put_outputs(t, &made->t));
    TRY(mem_array(g->mem, (size_t)n, sizeof(value), &p));
    made->weights = p;
    for (int32_t i = 0; i < n; i++)
        made->weights[i] = i < g->n_bound ? g->bound[i] : NONE;
    return check_given(t, made);
}

void task_values_close(task_values *made, graph *g)
{
    mem_give(g->mem, made->weights);
    made->weights = NULL;
}

void task_bind_weights(const task *t, void **bound)
{
    for (int32_t k = 0; k < t->model->params.n; k++)
        if (t->model->params.list[k].used)
            bound[k] = model_on_device(t->model, k);
}

const port *task_port(const task *t, int32_t i)
{
    const method_task *k = t->kind;
    return i < k->inputs.n ? &k->inputs.rows[i] : &k->outputs.rows[i - k->inputs.n];
}

int task_is_batched(const task *t, int32_t i)
{
    return port_is_batched(task_port(t, i)) && t->shape[i].rank > 0;
}

status task_shape_named(const task *t, const char *name, int64_t batch, int64_t shape[6], int32_t *rank)
{
    for (int32_t i = 0; i < task_ports(t); i++) {
        const bk_shape *s = &t->shape[i];
        if ((task_port(t, i)->flags & PORT_HIDDEN) || strcmp(task_port(t, i)->name, name) != 0)
            continue;
        *rank = s->rank;
        for (int32_t k = 0; k < 6; k++)
            shape[k] = k < s->rank ? s->dim[k] : 0;
        if (batch > 0 && task_is_batched(t, i))
            shape[0] = batch;
        return OK;
    }
    return fail(ERR_NOT_FOUND, "task %s has no input or output %s", t->kind->name, name);
}

/* ---- tensors of a caller ---- */

static const slmt_tensor *tensor_named(const slmt_tensor *given, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (given[i].name && strcmp(given[i].name, name) == 0)
            return &given[i];
    return NULL;
}

static int is_compact(const slmt_tensor *g)
{
    int64_t step = 1;
    for (int32_t i = g->rank - 1; i >= 0; i--) {
        if (g->strides && g->shape[i] != 1 && g->strides[i] != step)
            return 0;
        step *= g->shape[i];
    }
    return 1;
}

static status match_one(const port *p, const bk_shape *want, const slmt_tensor *g, int64_t *samples)
{
    char text[128];
    int batched = !(p->flags & PORT_SHARED);
    if (!g->data || (g->rank > 0 && !g->shape))
        return fail(ERR_ARGUMENT, "tensor %s: data or shape is NULL", p->name);
    if (g->type != p->type)
        return fail(ERR_ARGUMENT, "tensor %s has type %d, expected %d (%s)", p->name, g->type, p->type,
                    p->type == SLMT_TENSOR_INT32 ? "SLMT_TENSOR_INT32" : "SLMT_TENSOR_FLOAT32");
    int same = g->rank == want->rank;
    for (int32_t i = batched; same && i < want->rank; i++)
        same = g->shape[i] == want->dim[i];
    if (!same || (batched && want->rank > 0 && g->shape[0] < 1)) {
        bk_shape have = {.rank = g->rank < 0 ? 0 : g->rank > BK_MAX_RANK ? BK_MAX_RANK : g->rank};
        char is[128];
        for (int32_t i = 0; i < have.rank; i++)
            have.dim[i] = g->shape[i];
        return fail(ERR_ARGUMENT, "tensor %s is %s, expected %s [%s]%s", p->name, shape_text(&have, is),
                    shape_text(want, text), p->axes, batched ? ", with any number of samples" : "");
    }
    int64_t elements;
    if (!size_product(g->shape, g->rank, (int64_t)(SIZE_MAX / 2 / sizeof(float)), &elements))
        return fail(ERR_ARGUMENT, "tensor %s holds %lld samples, more than memory has addresses for", p->name,
                    (long long)g->shape[0]);
    if (!is_compact(g))
        return fail(ERR_ARGUMENT, "tensor %s has strides of no compact row-major array", p->name);
    if (!batched || want->rank == 0)
        return OK;
    if (*samples > 0 && *samples != g->shape[0])
        return fail(ERR_ARGUMENT, "tensor %s holds %lld samples, the one before it %lld", p->name,
                    (long long)g->shape[0], (long long)*samples);
    *samples = g->shape[0];
    return OK;
}

static status check_names(const port_table *ports, const slmt_tensor *given, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int known = 0;
        for (int32_t k = 0; k < ports->n; k++)
            known |= given[i].name && !(ports->rows[k].flags & PORT_HIDDEN) &&
                     strcmp(given[i].name, ports->rows[k].name) == 0;
        if (!known)
            return fail(ERR_NOT_FOUND, "the task has no tensor %s there",
                        given[i].name ? given[i].name : "NULL");
    }
    return OK;
}

status task_match(const task *t, const port_table *ports, int32_t first, const slmt_tensor *given,
                  size_t n_given, const slmt_tensor **by_port, int64_t *samples)
{
    TRY(check_names(ports, given, n_given));
    for (int32_t i = 0; i < ports->n; i++) {
        const port *p = &ports->rows[i];
        by_port[i] = NULL;
        if (p->flags & PORT_HIDDEN)
            continue;
        by_port[i] = tensor_named(given, n_given, p->name);
        if (!by_port[i])
            return fail(ERR_ARGUMENT, "tensor %s [%s] is missing", p->name, p->axes);
        TRY(match_one(p, &t->shape[first + i], by_port[i], samples));
    }
    return OK;
}

/* Finds the limit below which the indices of a port lie. */
static status index_limit(const slmt_model *model, const port *p, int32_t *below)
{
    *below = INT32_MAX;
    if (!p->below)
        return OK;
    int32_t k = number_index(model->method->options, p->below);
    if (k < 0)
        return fail(ERR_INTERNAL, "input %s of %s lies below option %s, which does not exist", p->name,
                    model->method->name, p->below);
    *below = (int32_t)model->option[k];
    return OK;
}

status task_check_values(const task *t, const port *p, const slmt_tensor *given)
{
    int32_t below;
    TRY(index_limit(t->model, p, &below));
    size_t n = 1;
    for (int32_t i = 0; i < given->rank; i++)
        n *= (size_t)given->shape[i];
    const float *x = given->data;
    for (size_t i = 0; p->type == SLMT_TENSOR_FLOAT32 && i < n; i++)
        if (!isfinite(x[i]))
            return fail(ERR_NONFINITE, "tensor %s: element %zu is not finite", p->name, i);
    const int32_t *k = given->data;
    for (size_t i = 0; p->type == SLMT_TENSOR_INT32 && i < n; i++)
        if (k[i] < 0 || k[i] >= below)
            return fail(ERR_ARGUMENT, "tensor %s: element %zu is %d, expected 0 to %d", p->name, i, k[i],
                        below - 1);
    return OK;
}
