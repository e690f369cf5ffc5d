/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan.c - plans: which calls run, what is fused, where values are placed, and that the numbers equal
 * those of a naive evaluation in which every value has memory of its own. Shapes and gradients: test_graph.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ops.h"
#include "lib/plan.h"
#include "lib/random.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- a graph with the caller's memory for its inputs and outputs ---- */

enum { MAX_SLOTS = 24 };

typedef struct trial {
    engine e;
    graph *g;
    random_stream random;
    int32_t n_slots;
    int is_input[MAX_SLOTS];
    size_t bytes[MAX_SLOTS];
    void *bound[MAX_SLOTS], *kept[MAX_SLOTS]; /* kept: what the inputs held */
} trial;

static void trial_open_on(trial *t, const bk_backend *backend, bk_dtype real, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    assert_int_equal(engine_open(&t->e, backend), BK_OK);
    assert_int_equal(graph_create(&t->e.m, real, &t->g), OK);
    t->random = random_open(seed, 0);
}

static void trial_open(trial *t)
{
    trial_open_on(t, bk_reference(), BK_F64, 1);
}

static void trial_close(trial *t)
{
    graph_free(t->g);
    for (int32_t i = 0; i < t->n_slots; i++) {
        guard_free(&t->e.memory, t->bound[i]);
        free(t->kept[i]);
    }
    assert_true(engine_close(&t->e));
}

static int32_t new_slot(trial *t, const bk_shape *s)
{
    int32_t slot = t->n_slots++;
    assert_true(slot < MAX_SLOTS);
    t->bytes[slot] = (size_t)bk_count(s) * bk_dtype_size(s->dtype);
    t->bound[slot] = guard_alloc(&t->e.memory, t->bytes[slot]);
    return slot;
}

/* Numbers that float32 holds exactly. */
static void fill(trial *t, int32_t slot)
{
    bk_dtype real = t->g->real;
    for (size_t i = 0; i < t->bytes[slot] / bk_dtype_size((int32_t)real); i++) {
        float x = (float)(2 * random_uniform(&t->random) - 1);
        if (real == BK_F32)
            ((float *)t->bound[slot])[i] = x;
        else
            ((double *)t->bound[slot])[i] = x;
    }
    memcpy(t->kept[slot], t->bound[slot], t->bytes[slot]);
}

static value new_input(trial *t, int32_t rank, const int64_t *dim)
{
    bk_shape s = shape_of(t->g->real, rank, dim);
    int32_t slot = new_slot(t, &s);
    t->is_input[slot] = 1;
    t->kept[slot] = malloc(t->bytes[slot]);
    fill(t, slot);
    return graph_bound(t->g, slot, s);
}

#define input(t, rank, ...) new_input(t, rank, (const int64_t[]){__VA_ARGS__})

static int32_t output(trial *t, value v)
{
    assert_int_not_equal(v, NONE);
    int32_t slot = new_slot(t, graph_shape(t->g, v));
    graph_output(t->g, v, slot);
    return slot;
}

static plan *planned(trial *t)
{
    plan *p;
    status s = plan_create(t->g, t->e.dev, 1, &p);
    if (s != OK)
        print_error("%s\n", status_text());
    assert_int_equal(s, OK);
    return p;
}

static void run(trial *t, plan *p)
{
    for (int32_t i = 0; i < t->n_slots; i++)
        if (!t->is_input[i])
            memset(t->bound[i], 0xFF, t->bytes[i]); /* NaN */
    assert_int_equal(plan_run(p, t->bound, t->n_slots, NULL), OK);
    for (int32_t i = 0; i < t->n_slots; i++)
        if (t->is_input[i])
            assert_memory_equal(t->bound[i], t->kept[i], t->bytes[i]);
    assert_true(test_memory_is_whole(&t->e.memory));
}

/* ---- the naive evaluation ---- */

/* The memory of each value of a graph, by value. */
typedef struct evaluation {
    const graph *g;
    void **at;
} evaluation;

static size_t bytes_of(const graph *g, value v)
{
    const bk_shape *s = graph_shape(g, v);
    return (size_t)bk_count(s) * bk_dtype_size(s->dtype);
}

static void run_node(evaluation *ev, const node *n, device dev)
{
    bk_call c = {.op = n->op, .attr = n->attr, .n_in = n->n_in, .n_out = n->n_out};
    for (int32_t i = 0; i < n->n_in; i++)
        c.in[i] = (bk_tensor){.shape = *graph_shape(ev->g, n->in[i]), .data = ev->at[n->in[i]]};
    for (int32_t o = 0; o < n->n_out; o++) {
        ev->at[n->out[o]] = malloc(bytes_of(ev->g, n->out[o]));
        c.out[o] = (bk_tensor){.shape = *graph_shape(ev->g, n->out[o]), .data = ev->at[n->out[o]]};
    }
    if (n->op == BK_RESHAPE) {
        memcpy(c.out[0].data, c.in[0].data, bytes_of(ev->g, n->out[0]));
        return;
    }
    assert_int_equal(dev.backend->prepare(dev.handle, &c), BK_OK);
    void *scratch = NULL;
    assert_int_equal(posix_memalign(&scratch, 64, c.scratch_bytes + 1), 0);
    c.scratch = scratch;
    assert_int_equal(dev.backend->run(dev.handle, &c), BK_OK);
    dev.backend->release(dev.handle, &c);
    free(scratch);
}

/* Moves each number by up to `noise` times the largest of them. */
static void disturb(const graph *g, value v, double *x, double noise, random_stream *r)
{
    int64_t n = bk_count(graph_shape(g, v));
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    for (int64_t i = 0; i < n; i++)
        x[i] += noise * most * (2 * random_uniform(r) - 1);
}

/* Runs all nodes, dead ones too, in the order of the graph. */
static evaluation evaluate(trial *t, double noise)
{
    const graph *g = t->g;
    evaluation ev = {g, calloc((size_t)g->n_values, sizeof(void *))};
    for (value v = 0; v < g->n_values; v++) {
        if (g->values[v].kind == VALUE_BOUND)
            ev.at[v] = t->bound[g->values[v].slot];
        else if (g->values[v].kind == VALUE_CONSTANT)
            ev.at[v] = g->constants[g->values[v].slot];
    }
    assert_int_equal(t->e.dev.backend->begin(t->e.dev.handle), BK_OK);
    for (int32_t k = 0; k < g->n_nodes; k++) {
        run_node(&ev, &g->nodes[k], t->e.dev);
        if (noise > 0)
            disturb(g, g->nodes[k].out[0], ev.at[g->nodes[k].out[0]], noise, &t->random);
    }
    t->e.dev.backend->end(t->e.dev.handle);
    return ev;
}

static void forget(evaluation *ev)
{
    for (value v = 0; v < ev->g->n_values; v++)
        if (ev->g->values[v].kind == VALUE_NODE)
            free(ev->at[v]);
    free(ev->at);
}

static value output_of(const graph *g, int32_t slot)
{
    for (value v = 0; v < g->n_values; v++)
        if (g->values[v].output == slot)
            return v;
    return NONE;
}

/* The outputs in the caller's memory are those of the naive evaluation, bit for bit. */
static void assert_outputs_are_naive(trial *t, uint64_t seed)
{
    evaluation ev = evaluate(t, 0);
    for (int32_t i = 0; i < t->n_slots; i++) {
        if (t->is_input[i])
            continue;
        value v = output_of(t->g, i);
        assert_int_not_equal(v, NONE);
        if (memcmp(t->bound[i], ev.at[v], t->bytes[i]) != 0)
            print_error("seed %d: slot %d differs\n", (int)seed, i);
        assert_memory_equal(t->bound[i], ev.at[v], t->bytes[i]);
    }
    forget(&ev);
}

/* Plans, runs twice, compares; gives back the plan. */
static plan *checked(trial *t)
{
    plan *p = planned(t);
    run(t, p);
    run(t, p);
    assert_outputs_are_naive(t, 0);
    return p;
}

/* ---- what runs ---- */

static void assert_calls(const plan *p, int32_t n, const bk_op *op)
{
    assert_int_equal(plan_call_count(p), n);
    for (int32_t i = 0; i < n; i++)
        assert_int_equal(plan_call_op(p, i), op[i]);
}

#define assert_ops(p, ...)                                                                                   \
    assert_calls(p, (int32_t)(sizeof((bk_op[]){__VA_ARGS__}) / sizeof(bk_op)), (const bk_op[]){__VA_ARGS__})

static void dead_code_and_views_do_not_run(void **state)
{
    (void)state;
    trial t;
    trial_open(&t);
    value x = input(&t, 2, 3, 4), y = op_exp(t.g, x);
    op_tanh(t.g, op_matmul(t.g, y, y, 0, 1)); /* nobody reads it */
    output(&t, op_abs(t.g, op_view(t.g, y, 1, -1)));
    op_softmax(t.g, y);
    plan *p = checked(&t);
    assert_ops(p, BK_EXP, BK_ABS);
    plan_free(p);
    trial_close(&t);
}

static void a_graph_without_outputs_runs_nothing(void **state)
{
    (void)state;
    trial t;
    trial_open(&t);
    op_exp(t.g, input(&t, 2, 3, 4));
    plan *p = checked(&t);
    assert_int_equal(plan_call_count(p), 0);
    assert_int_equal(plan_arena_bytes(p), 0);
    plan_free(p);
    trial_close(&t);
}

/* An op of several outputs runs where one of them is read, and only that one has memory. */
static void an_output_that_nobody_reads_takes_no_memory(void **state)
{
    (void)state;
    trial t;
    trial_open(&t);
    value x = input(&t, 2, 3, 8), gain = input(&t, 1, 8), bias = input(&t, 1, 8), d[3];
    const value wrt[3] = {x, gain, bias};
    value y = op_layer_norm(t.g, x, gain, bias, 1e-5), loss = op_sum_all(t.g, op_mul(t.g, y, y));
    assert_int_equal(graph_gradients(t.g, loss, wrt, 3, d), OK);
    output(&t, d[1]);
    plan *p = checked(&t);
    assert_int_equal(plan_call_op(p, plan_call_count(p) - 1), BK_LAYER_NORM_GRAD);
    plan_free(p);
    output(&t, d[2]);
    p = checked(&t);
    plan_free(p);
    trial_close(&t);
}

/* ---- fusion ---- */

typedef struct layer {
    trial t;
    value x, y; /* y = linear(x) */
} layer;

static void layer_open(layer *l)
{
    trial_open(&l->t);
    l->x = input(&l->t, 3, 2, 3, 4);
    value w = input(&l->t, 2, 4, 4), bias = input(&l->t, 1, 4);
    l->y = op_linear(l->t.g, l->x, w, bias);
}

#define layer_close(l, ...)                                                                                  \
    do {                                                                                                     \
        plan *p_ = checked(&(l)->t);                                                                         \
        assert_ops(p_, __VA_ARGS__);                                                                         \
        plan_free(p_);                                                                                       \
        trial_close(&(l)->t);                                                                                \
    } while (0)

static void linear_takes_in_gelu_and_add(void **state)
{
    (void)state;
    layer l;
    layer_open(&l);
    output(&l.t, op_gelu(l.t.g, l.y));
    layer_close(&l, BK_LINEAR);

    layer_open(&l);
    output(&l.t, op_add(l.t.g, l.y, l.x));
    layer_close(&l, BK_LINEAR);

    layer_open(&l);
    output(&l.t, op_add(l.t.g, l.x, l.y));
    layer_close(&l, BK_LINEAR);

    layer_open(&l);
    value other = op_exp(l.t.g, l.x);
    output(&l.t, op_add(l.t.g, other, op_gelu(l.t.g, l.y)));
    layer_close(&l, BK_EXP, BK_LINEAR);

    layer_open(&l); /* the residual is made after the linear, and is itself one */
    value second = op_linear(l.t.g, op_tanh(l.t.g, l.x), input(&l.t, 2, 4, 4), NONE);
    output(&l.t, op_add(l.t.g, l.y, second));
    layer_close(&l, BK_TANH, BK_LINEAR, BK_LINEAR);

    layer_open(&l); /* x itself is overwritten by nothing while the linear reads it */
    value h = op_exp(l.t.g, l.x);
    output(&l.t, op_tanh(l.t.g, op_add(l.t.g, op_linear(l.t.g, h, input(&l.t, 2, 4, 4), NONE), h)));
    layer_close(&l, BK_EXP, BK_LINEAR, BK_TANH);
}

static void linear_and_convolution_take_in_a_leaky_relu(void **state)
{
    (void)state;
    layer l;
    layer_open(&l);
    output(&l.t, op_leaky_relu(l.t.g, l.y, 0.25));
    layer_close(&l, BK_LINEAR);

    layer_open(&l); /* the activation, then the residual */
    output(&l.t, op_add(l.t.g, op_leaky_relu(l.t.g, l.y, 0), l.x));
    layer_close(&l, BK_LINEAR);

    layer_open(&l); /* not the residual, then the activation */
    output(&l.t, op_leaky_relu(l.t.g, op_add(l.t.g, l.y, l.x), 0.25));
    layer_close(&l, BK_LINEAR, BK_LEAKY_RELU);

    layer_open(&l);
    value conv = op_conv(l.t.g, l.x, input(&l.t, 3, 5, 4, 2), input(&l.t, 1, 5), 1, 1);
    output(&l.t, op_leaky_relu(l.t.g, conv, 0.25));
    layer_close(&l, BK_CONV);

    layer_open(&l); /* the value between is an output */
    conv = op_conv(l.t.g, l.x, input(&l.t, 3, 5, 4, 2), NONE, 1, 1);
    output(&l.t, op_leaky_relu(l.t.g, conv, 0));
    output(&l.t, conv);
    layer_close(&l, BK_CONV, BK_LEAKY_RELU);

    layer_open(&l); /* two activations */
    conv = op_conv(l.t.g, l.x, input(&l.t, 3, 5, 4, 2), NONE, 1, 1);
    output(&l.t, op_leaky_relu(l.t.g, op_leaky_relu(l.t.g, conv, 0.25), 0.5));
    layer_close(&l, BK_CONV, BK_LEAKY_RELU);
}

static void linear_takes_in_nothing_that_others_read_too(void **state)
{
    (void)state;
    layer l;
    layer_open(&l); /* the value between is an output */
    output(&l.t, op_gelu(l.t.g, l.y));
    output(&l.t, l.y);
    layer_close(&l, BK_LINEAR, BK_GELU);

    layer_open(&l); /* a view of it is */
    output(&l.t, op_gelu(l.t.g, l.y));
    output(&l.t, op_view(l.t.g, l.y, 1, -1));
    layer_close(&l, BK_LINEAR, BK_GELU);

    layer_open(&l); /* another op reads it */
    output(&l.t, op_gelu(l.t.g, l.y));
    output(&l.t, op_exp(l.t.g, l.y));
    layer_close(&l, BK_LINEAR, BK_GELU, BK_EXP);

    layer_open(&l); /* a dead op does not count */
    output(&l.t, op_gelu(l.t.g, l.y));
    op_exp(l.t.g, l.y);
    layer_close(&l, BK_LINEAR);

    layer_open(&l); /* read twice by one op */
    output(&l.t, op_add(l.t.g, l.y, l.y));
    layer_close(&l, BK_LINEAR, BK_ADD);

    layer_open(&l); /* the residual broadcasts */
    output(&l.t, op_add(l.t.g, l.y, input(&l.t, 3, 1, 3, 1)));
    layer_close(&l, BK_LINEAR, BK_ADD);

    layer_open(&l); /* gelu comes after the residual, not before: the two do not fit one call */
    output(&l.t, op_gelu(l.t.g, op_add(l.t.g, l.y, l.x)));
    layer_close(&l, BK_LINEAR, BK_GELU);

    layer_open(&l); /* two activations */
    output(&l.t, op_gelu(l.t.g, op_gelu(l.t.g, l.y)));
    layer_close(&l, BK_LINEAR, BK_GELU);

    layer_open(&l); /* two residuals */
    value first = op_add(l.t.g, l.y, l.x);
    output(&l.t, op_add(l.t.g, first, op_exp(l.t.g, l.x)));
    layer_close(&l, BK_LINEAR, BK_EXP, BK_ADD);
}

/* ---- the reference backend, watched ---- */

static struct {
    int runs, begins, ends, prepared, released;
    int fail_run, fail_prepare; /* from 1; 0: none */
    bk_status how;
    bk_op missing;
    int cancel_after;
    atomic_int cancel;
    size_t most_scratch;
} spy;

static int spy_supports(void *device, bk_op op, bk_dtype real)
{
    return op != spy.missing && bk_reference()->supports(device, op, real);
}

static bk_status spy_prepare(void *device, bk_call *call)
{
    if (spy.prepared + 1 == spy.fail_prepare)
        return spy.how;
    spy.prepared++;
    bk_status s = bk_reference()->prepare(device, call);
    spy.most_scratch = call->scratch_bytes > spy.most_scratch ? call->scratch_bytes : spy.most_scratch;
    return s;
}

static void spy_release(void *device, bk_call *call)
{
    spy.released++;
    bk_reference()->release(device, call);
}

static bk_status spy_begin(void *device)
{
    spy.begins++;
    return bk_reference()->begin(device);
}

static bk_status spy_end(void *device)
{
    spy.ends++;
    return bk_reference()->end(device);
}

static int overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    const char *p = a, *q = b;
    return a_bytes > 0 && b_bytes > 0 && p < q + b_bytes && q < p + a_bytes;
}

static size_t tensor_bytes(const bk_tensor *t)
{
    return (size_t)bk_count(&t->shape) * bk_dtype_size(t->shape.dtype);
}

static int is_same(const bk_shape *a, const bk_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof(int64_t) * (size_t)a->rank) == 0;
}

/* backend.h: the output may be the memory of input i. */
static int may_share(const bk_call *c, int32_t i)
{
    if (c->out[0].data != c->in[i].data || !is_same(&c->out[0].shape, &c->in[i].shape))
        return 0;
    if (c->op == BK_LINEAR)
        return c->attr.has_residual && i == c->n_in - 1;
    return c->op >= BK_AFFINE && c->op <= BK_GELU_GRAD &&
           (c->n_in == 1 || is_same(&c->in[0].shape, &c->in[1].shape));
}

/* What a call writes, it reads nowhere else than the contract allows. */
static void assert_memory_is_apart(const bk_call *c)
{
    for (int32_t o = 0; o < c->n_out; o++) {
        const bk_tensor *out = &c->out[o];
        if (!out->data)
            continue;
        for (int32_t i = 0; i < c->n_in; i++)
            if (overlap(out->data, tensor_bytes(out), c->in[i].data, tensor_bytes(&c->in[i])))
                assert_true(o == 0 && may_share(c, i));
        for (int32_t k = 0; k < o; k++)
            if (c->out[k].data)
                assert_false(overlap(out->data, tensor_bytes(out), c->out[k].data, tensor_bytes(&c->out[k])));
        assert_false(overlap(out->data, tensor_bytes(out), c->scratch, c->scratch_bytes));
    }
    for (int32_t i = 0; i < c->n_in; i++)
        assert_false(overlap(c->in[i].data, tensor_bytes(&c->in[i]), c->scratch, c->scratch_bytes));
}

static bk_status spy_run(void *device, bk_call *call)
{
    assert_memory_is_apart(call);
    if (++spy.runs == spy.fail_run)
        return spy.how;
    if (spy.runs == spy.cancel_after)
        atomic_store(&spy.cancel, 1);
    return bk_reference()->run(device, call);
}

static bk_backend spy_backend;

static void spy_open(trial *t, uint64_t seed)
{
    memset(&spy, 0, sizeof spy);
    spy.missing = BK_OP_COUNT;
    spy_backend = *bk_reference();
    spy_backend.supports = spy_supports;
    spy_backend.prepare = spy_prepare;
    spy_backend.release = spy_release;
    spy_backend.begin = spy_begin;
    spy_backend.end = spy_end;
    spy_backend.run = spy_run;
    trial_open_on(t, &spy_backend, BK_F64, seed);
}

static void spy_close(trial *t)
{
    assert_int_equal(spy.prepared, spy.released);
    assert_int_equal(spy.begins, spy.ends);
    trial_close(t);
}

/* ---- outputs and the arena ---- */

static void outputs_may_be_inputs_constants_views_and_each_other(void **state)
{
    (void)state;
    const double numbers[6] = {1, 2, 3, 4, 5, 6};
    trial t;
    trial_open(&t);
    value x = input(&t, 2, 3, 4), y = op_exp(t.g, x), flat = op_view(t.g, y, 1, -1);
    value c = graph_constant(t.g, shape_of(BK_F64, 2, (const int64_t[]){2, 3}), numbers);
    output(&t, x);
    output(&t, op_view(t.g, x, 2, 4, 3));
    output(&t, x);
    output(&t, c);
    output(&t, op_view(t.g, c, 1, -1));
    output(&t, flat);
    output(&t, y);
    output(&t, y);
    output(&t, op_view(t.g, flat, 3, 2, 2, 3));
    output(&t, op_tanh(t.g, y)); /* reads an output, which must stay */
    output(&t, op_mul(t.g, op_sqrt(t.g, flat), flat));
    plan *p = checked(&t);
    plan_free(p);
    trial_close(&t);
}

enum { LINE = 64 }; /* blocks of the arena are multiples */

static size_t arena_of(trial *t)
{
    plan *p = checked(t);
    size_t bytes = plan_arena_bytes(p);
    plan_free(p);
    return bytes;
}

static void the_arena_is_as_small_as_lifetimes_allow(void **state)
{
    (void)state;
    trial t;
    trial_open(&t); /* element-wise: in place all the way */
    value y = input(&t, 2, 8, 8);
    for (int i = 0; i < 9; i++)
        y = op_affine(t.g, y, 0.5, 1);
    output(&t, y);
    assert_int_equal(arena_of(&t), 8 * LINE);
    trial_close(&t);

    trial_open(&t); /* through views too */
    y = input(&t, 2, 8, 8);
    for (int i = 0; i < 9; i++)
        y = op_view(t.g, op_tanh(t.g, y), 2, i % 2 ? 8 : 4, -1);
    output(&t, op_exp(t.g, y));
    assert_int_equal(arena_of(&t), 8 * LINE);
    trial_close(&t);

    trial_open(&t); /* movement: from one block to the other */
    y = input(&t, 2, 8, 8);
    for (int i = 0; i < 9; i++)
        y = op_permute(t.g, y, 1, 0);
    output(&t, y);
    assert_int_equal(arena_of(&t), 2 * 8 * LINE);
    trial_close(&t);

    spy_open(&t, 1); /* the fused residual: the sum lies where the residual lay, beside x and scratch */
    value x = op_tanh(t.g, input(&t, 2, 8, 8)), w = input(&t, 2, 8, 8);
    for (int i = 0; i < 3; i++)
        x = op_add(t.g, x, op_linear(t.g, op_permute(t.g, x, 1, 0), w, NONE));
    output(&t, op_tanh(t.g, x));
    size_t arena = arena_of(&t);
    assert_int_equal(arena, 2 * 8 * LINE + (spy.most_scratch + LINE - 1) / LINE * LINE);
    spy_close(&t);

    trial_open(&t); /* all read at the end: all kept */
    value part[4];
    x = input(&t, 2, 8, 8);
    for (int i = 0; i < 4; i++)
        part[i] = op_affine(t.g, x, i, 1);
    output(&t, op_concat(t.g, 0, part, 4));
    assert_int_equal(arena_of(&t), 4 * 8 * LINE);
    trial_close(&t);
}

/* ---- random graphs ---- */

enum { MAX_VALUES = 400, MAX_COUNT = 300, MAX_MAGNITUDE = 6 };

/* Values grown at random, with a bound for the numbers in each. */
typedef struct tangle {
    trial *t;
    graph *g;
    random_stream r;
    int differentiable;
    value v[MAX_VALUES];
    double magnitude[MAX_VALUES];
    int n;
} tangle;

static int pick(tangle *k, int n)
{
    return (int)random_below(&k->r, (uint32_t)n);
}

static void keep(tangle *k, value v, double magnitude)
{
    assert_int_equal(graph_status(k->g), OK);
    if (magnitude > MAX_MAGNITUDE) {
        v = op_tanh(k->g, v);
        magnitude = 1;
    }
    assert_true(k->n < MAX_VALUES);
    k->v[k->n] = v;
    k->magnitude[k->n++] = magnitude;
}

static const bk_shape *shape_at(const tangle *k, int i)
{
    return graph_shape(k->g, k->v[i]);
}

/* A value that fits, found by a few tries from all over the graph, or -1. */
static int find(tangle *k, const bk_shape *like, int (*fits)(const bk_shape *like, const bk_shape *s))
{
    for (int tries = 0; tries < 12; tries++) {
        int i = pick(k, k->n);
        if (fits(like, shape_at(k, i)))
            return i;
    }
    return -1;
}

static int fits_broadcast(const bk_shape *a, const bk_shape *b)
{
    int64_t count = 1;
    for (int32_t i = 1; i <= BK_MAX_RANK; i++) {
        int64_t x = i <= a->rank ? a->dim[a->rank - i] : 1, y = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1)
            return 0;
        count *= x > y ? x : y;
    }
    return count <= MAX_COUNT;
}

static int fits_product(const bk_shape *a, const bk_shape *b)
{
    return b->rank == 2 && a->dim[a->rank - 1] == b->dim[0] &&
           bk_count(a) / b->dim[0] * b->dim[1] <= MAX_COUNT;
}

static int fits_weight(const bk_shape *a, const bk_shape *b)
{
    return b->rank == 2 && a->dim[a->rank - 1] == b->dim[1] &&
           bk_count(a) / b->dim[1] * b->dim[0] <= MAX_COUNT;
}

static int fits_vector(const bk_shape *a, const bk_shape *b)
{
    return b->rank == 1 && b->dim[0] == a->dim[a->rank - 1];
}

static void grow_unary(tangle *k, int i)
{
    value x = k->v[i];
    double m = k->magnitude[i];
    switch (pick(k, 6)) {
    case 0:
        keep(k, op_tanh(k->g, x), 1);
        break;
    case 1:
        keep(k, op_sigmoid(k->g, x), 1);
        break;
    case 2:
        keep(k, op_gelu(k->g, x), m);
        break;
    case 3:
        keep(k, op_leaky_relu(k->g, x, 0.2), m);
        break;
    case 4:
        keep(k, op_abs(k->g, x), m);
        break;
    default:
        keep(k, op_affine(k->g, x, -0.75, 0.25), m + 0.25);
        break;
    }
}

static void grow_binary(tangle *k, int i)
{
    int j = find(k, shape_at(k, i), pick(k, 2) ? is_same : fits_broadcast);
    j = j < 0 ? i : j;
    double a = k->magnitude[i], b = k->magnitude[j];
    switch (pick(k, 4)) {
    case 0:
        keep(k, op_add(k->g, k->v[i], k->v[j]), a + b);
        break;
    case 1:
        keep(k, op_sub(k->g, k->v[i], k->v[j]), a + b);
        break;
    case 2:
        keep(k, op_mul(k->g, k->v[i], k->v[j]), a * b);
        break;
    default:
        keep(k, op_maximum(k->g, k->v[i], k->v[j]), fmax(a, b));
        break;
    }
}

static void grow_product(tangle *k, int i)
{
    const bk_shape s = *shape_at(k, i);
    int j = s.rank < 2 ? -1 : find(k, &s, fits_product);
    if (j >= 0)
        keep(k, op_matmul(k->g, k->v[i], k->v[j], 0, 0),
             (double)s.dim[s.rank - 1] * k->magnitude[i] * k->magnitude[j]);
    else if (s.rank >= 2 && bk_count(&s) / s.dim[s.rank - 1] * s.dim[s.rank - 2] <= MAX_COUNT)
        keep(k, op_matmul(k->g, k->v[i], k->v[i], 0, 1),
             (double)s.dim[s.rank - 1] * k->magnitude[i] * k->magnitude[i]);
}

/* Often with what a linear may take in. */
static void grow_linear(tangle *k, int i)
{
    const bk_shape s = *shape_at(k, i);
    int w = s.rank < 1 ? -1 : find(k, &s, fits_weight);
    if (w < 0)
        return;
    double m = (double)s.dim[s.rank - 1] * k->magnitude[i] * k->magnitude[w];
    bk_shape wide = {.rank = 1, .dim = {shape_at(k, w)->dim[0]}};
    int bias = find(k, &wide, fits_vector);
    value y = op_linear(k->g, k->v[i], k->v[w], bias < 0 ? NONE : k->v[bias]);
    m += bias < 0 ? 0 : k->magnitude[bias];
    if (pick(k, 2))
        y = op_gelu(k->g, y);
    int residual = find(k, graph_shape(k->g, y), is_same);
    if (residual >= 0 && pick(k, 2)) {
        y = pick(k, 2) ? op_add(k->g, y, k->v[residual]) : op_add(k->g, k->v[residual], y);
        m += k->magnitude[residual];
    }
    keep(k, y, m);
}

static void grow_view(tangle *k, int i)
{
    const bk_shape s = *shape_at(k, i);
    value x = k->v[i];
    if (s.rank < 2)
        keep(k, op_view(k->g, x, 2, -1, s.rank ? s.dim[0] : 1), k->magnitude[i]);
    else if (pick(k, 2))
        keep(k, op_view(k->g, x, 2, -1, s.dim[s.rank - 1]), k->magnitude[i]);
    else
        keep(k, op_view(k->g, x, 1, -1), k->magnitude[i]);
}

static void grow_transpose(tangle *k, int i)
{
    uint32_t order[BK_MAX_RANK];
    int axes[BK_MAX_RANK], rank = shape_at(k, i)->rank;
    random_permutation(&k->r, order, (uint32_t)rank);
    for (int a = 0; a < rank; a++)
        axes[a] = (int)order[a];
    keep(k, op_transpose(k->g, k->v[i], axes), k->magnitude[i]);
}

static void grow_slice(tangle *k, int i)
{
    const bk_shape s = *shape_at(k, i);
    if (s.rank < 1)
        return;
    int axis = pick(k, s.rank), length = 1 + pick(k, (int)s.dim[axis]);
    int first = pick(k, (int)s.dim[axis] - length + 1);
    keep(k, op_slice(k->g, k->v[i], axis, first, length), k->magnitude[i]);
}

static void grow_concat(tangle *k, int i)
{
    const bk_shape s = *shape_at(k, i);
    if (s.rank < 1 || 2 * bk_count(&s) > MAX_COUNT)
        return;
    int j = find(k, &s, is_same);
    j = j < 0 ? i : j;
    keep(k, op_concat(k->g, pick(k, s.rank), (const value[]){k->v[i], k->v[j]}, 2),
         fmax(k->magnitude[i], k->magnitude[j]));
}

static void grow_reduction(tangle *k, int i)
{
    const bk_shape s = *shape_at(k, i);
    uint32_t axes = random_u32(&k->r) & 63;
    if (!k->differentiable && pick(k, 3) == 0)
        keep(k, op_reduce_max(k->g, k->v[i], axes), k->magnitude[i]);
    else if (pick(k, 2))
        keep(k, op_mean(k->g, k->v[i], axes), k->magnitude[i]);
    else
        keep(k, op_sum(k->g, k->v[i], axes), k->magnitude[i] * (double)bk_count(&s));
}

static void grow_broadcast(tangle *k, int i)
{
    bk_shape to = *shape_at(k, i);
    for (int32_t a = 0; a < to.rank; a++)
        if (to.dim[a] == 1 && bk_count(&to) <= MAX_COUNT / 4)
            to.dim[a] = 1 + pick(k, 4);
    keep(k, op_broadcast(k->g, k->v[i], &to), k->magnitude[i]);
}

static void grow_norm(tangle *k, int i)
{
    const bk_shape s = *shape_at(k, i);
    int gain = s.rank < 1 ? -1 : find(k, &s, fits_vector), bias = s.rank < 1 ? -1 : find(k, &s, fits_vector);
    if (gain >= 0 && bias >= 0 && pick(k, 2))
        keep(k, op_layer_norm(k->g, k->v[i], k->v[gain], k->v[bias], 0.1),
             sqrt((double)s.dim[s.rank - 1]) * k->magnitude[gain] + k->magnitude[bias]);
    else if (s.rank >= 1)
        keep(k, op_softmax(k->g, k->v[i]), 1);
}

/* Recent values are read more often: chains get long. */
static void grow(tangle *k)
{
    static void (*const ways[])(tangle *, int) = {
        grow_unary, grow_unary,     grow_binary, grow_binary, grow_product, grow_linear,    grow_linear,
        grow_view,  grow_transpose, grow_slice,  grow_concat, grow_norm,    grow_reduction, grow_broadcast,
    };
    int recent = k->n < 8 ? k->n : 8;
    int i = pick(k, 3) ? k->n - 1 - pick(k, recent) : pick(k, k->n);
    ways[pick(k, (int)(sizeof ways / sizeof *ways))](k, i);
}

static void grow_outputs(tangle *k)
{
    int n = 1 + pick(k, 6);
    output(k->t, k->v[k->n - 1]);
    for (int i = 1; i < n; i++)
        output(k->t, k->v[pick(k, k->n)]);
}

/* The same seed makes the same graph on every backend and type. */
static void grow_tangle(trial *t, uint64_t seed, int most_nodes, int with_gradients)
{
    static const double numbers[4] = {0.5, -0.25, 1, -0.75};
    tangle k = {.t = t, .g = t->g, .r = random_open(seed, 1), .differentiable = with_gradients};
    value in[5] = {input(t, 2, 3, 4), input(t, 2, 4, 4), input(t, 3, 2, 3, 4), input(t, 1, 4),
                   input(t, 3, 2, 1, 4)};
    for (int i = 0; i < 5; i++)
        keep(&k, in[i], 1);
    keep(&k, graph_constant(t->g, shape_of(t->g->real, 1, (const int64_t[]){4}), numbers), 1);
    int nodes = most_nodes / 6 + pick(&k, most_nodes - most_nodes / 6 - 4);
    while (t->g->n_nodes < nodes)
        grow(&k);
    if (with_gradients) {
        value d[5];
        value loss = op_add(t->g, op_mean_all(t->g, k.v[k.n - 1]), op_mean_all(t->g, k.v[k.n - 4]));
        assert_int_equal(graph_gradients(t->g, loss, in, 5, d), OK);
        for (int i = 0; i < 5; i++)
            if (d[i] != NONE)
                output(t, d[i]);
    }
    grow_outputs(&k);
}

/* Canaries: the arena is one block of the allocator; what follows its last byte is as it was given. */
static void assert_arena_is_honest(const trial *t, const plan *p)
{
    uint64_t cost = mem_cost(plan_arena_bytes(p));
    int found = 0;
    for (guard_block *b = t->e.memory.blocks.next; b != &t->e.memory.blocks; b = b->next) {
        if (b->bytes != cost)
            continue;
        unsigned char *base = guard_payload(b),
                      *end = base + 64 + plan_arena_bytes(p); /* base is 64-byte aligned */
        int same = 1;
        while (end < base + cost)
            same &= *end++ == FRESH_BYTE;
        found |= same;
    }
    assert_true(found);
}

static size_t values_bytes(const graph *g)
{
    size_t sum = 0;
    for (value v = 0; v < g->n_values; v++)
        if (g->values[v].kind == VALUE_NODE)
            sum += (bytes_of(g, v) + LINE - 1) / LINE * LINE;
    return sum;
}

static void check_tangle(uint64_t seed, int with_gradients, size_t *arena, size_t *values)
{
    trial t;
    plan *bare;
    spy_open(&t, seed);
    grow_tangle(&t, seed, 60, with_gradients);

    uint64_t before = t.e.m.live;
    assert_int_equal(plan_create(t.g, t.e.dev, 0, &bare), OK);
    uint64_t of_plan = t.e.m.live - before; /* all but the arena */
    plan *p = planned(&t);
    assert_int_equal(plan_arena_bytes(bare), plan_arena_bytes(p));
    assert_int_equal(t.e.m.live - before, 2 * of_plan + mem_cost(plan_arena_bytes(p)));
    run(&t, p);
    assert_arena_is_honest(&t, p);
    assert_outputs_are_naive(&t, seed);
    plan_free(bare);
    *arena += plan_arena_bytes(p);
    *values += values_bytes(t.g);

    void *old[MAX_SLOTS];
    for (int32_t i = 0; i < t.n_slots; i++) {
        old[i] = t.bound[i];
        t.bound[i] = guard_alloc(&t.e.memory, t.bytes[i]);
        if (t.is_input[i])
            fill(&t, i);
    }
    int64_t calls = t.e.memory.calls; /* other inputs, other places; nothing is allocated */
    run(&t, p);
    assert_int_equal(t.e.memory.calls, calls);
    assert_outputs_are_naive(&t, seed);
    for (int32_t i = 0; i < t.n_slots; i++)
        guard_free(&t.e.memory, old[i]);
    plan_free(p);
    spy_close(&t);
}

static void random_graphs_give_the_numbers_of_a_naive_evaluation(void **state)
{
    (void)state;
    size_t arena = 0, values = 0;
    for (uint64_t seed = 0; seed < 400; seed++)
        check_tangle(seed, seed % 4 == 3, &arena, &values);
    assert_true(arena < values / 2); /* memory is used again, and a lot */
}

/* A plan that is to be lent an arena, and the bytes that one without an arena holds. */
static plan *planned_without_arena(trial *t, uint64_t seed, uint64_t *of_plan)
{
    plan *bare, *p;
    trial_open_on(t, bk_reference(), BK_F64, seed);
    grow_tangle(t, seed, 40, seed % 2 == 1);
    uint64_t before = t->e.m.live;
    assert_int_equal(plan_create(t->g, t->e.dev, PLAN_DRY, &bare), OK);
    *of_plan = t->e.m.live - before;
    plan_free(bare);
    assert_int_equal(plan_create(t->g, t->e.dev, PLAN_LENT, &p), OK);
    return p;
}

static void plans_that_are_lent_one_arena_give_their_numbers_one_after_the_other(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        trial t[2];
        plan *p[2];
        size_t bytes = 0;
        uint64_t of_plan[2], before[2];
        for (int i = 0; i < 2; i++) {
            p[i] = planned_without_arena(&t[i], seed + 500 * (uint64_t)i, &of_plan[i]);
            before[i] = t[i].e.m.live;
            bytes = plan_arena_bytes(p[i]) > bytes ? plan_arena_bytes(p[i]) : bytes;
        }
        void *arena = aligned_alloc(LINE, bytes + LINE);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(plan_lend(p[i], arena), OK);
            assert_true(t[i].e.m.live < before[i]); /* what was needed to lend it is gone */
        }
        for (int round = 0; round < 4; round++) {
            run(&t[round % 2], p[round % 2]);
            assert_outputs_are_naive(&t[round % 2], seed);
        }
        for (int i = 0; i < 2; i++) {
            uint64_t live = t[i].e.m.live;
            plan_free(p[i]);
            assert_int_equal(live - t[i].e.m.live, of_plan[i]); /* the arena was not the plan's */
            trial_close(&t[i]);
        }
        free(arena);
    }
}

/* What rounding may do to each output, the tolerance: the largest change, of several evaluations in float64,
 * when each node's numbers are moved at random by 16 u, u = 2^-24, of the largest - what
 * test_backend_elementwise lets a float32 kernel miss in these sizes. */
static void rounding_effect(trial *exact, double **truth, double *effect)
{
    const graph *g = exact->g;
    evaluation plain = evaluate(exact, 0);
    memset(effect, 0, MAX_SLOTS * sizeof *effect);
    for (int sample = 0; sample < 6; sample++) {
        evaluation moved = evaluate(exact, 16 * 0x1p-24);
        for (int32_t i = 0; i < exact->n_slots; i++) {
            value v = output_of(g, i);
            for (int64_t k = 0; v != NONE && k < bk_count(graph_shape(g, v)); k++)
                effect[i] = fmax(effect[i], fabs(((double *)moved.at[v])[k] - ((double *)plain.at[v])[k]));
        }
        forget(&moved);
    }
    for (int32_t i = 0; i < exact->n_slots; i++) {
        value v = output_of(g, i);
        truth[i] = malloc(exact->bytes[i]);
        if (v != NONE)
            memcpy(truth[i], plain.at[v], exact->bytes[i]);
    }
    forget(&plain);
}

static void compare_output(const trial *t, int32_t slot, const double *truth, double effect, uint64_t seed)
{
    const float *got = t->bound[slot];
    for (size_t k = 0; k < t->bytes[slot] / sizeof(float); k++) {
        if (!(fabs(got[k] - truth[k]) <= effect)) {
            print_error("seed %d, slot %d [%d]: %.9g, truth %.9g, rounding %.3g\n", (int)seed, slot, (int)k,
                        got[k], truth[k], effect);
            fail();
        }
    }
}

static void random_graphs_agree_on_the_cpu_in_float32(void **state)
{
    (void)state;
    int sharp = 0, all = 0;
    for (uint64_t seed = 1000; seed < 1200; seed++) {
        trial exact, fast;
        double *truth[MAX_SLOTS], effect[MAX_SLOTS];
        trial_open_on(&exact, bk_reference(), BK_F64, seed);
        trial_open_on(&fast, bk_cpu(), BK_F32, seed);
        grow_tangle(&exact, seed, 60, 0);
        grow_tangle(&fast, seed, 60, 0);
        assert_int_equal(exact.n_slots, fast.n_slots);
        rounding_effect(&exact, truth, effect);
        plan *p = planned(&fast);
        run(&fast, p);
        int64_t calls = fast.e.memory.calls;
        run(&fast, p);
        assert_int_equal(fast.e.memory.calls, calls);
        assert_arena_is_honest(&fast, p);
        for (int32_t i = 0; i < fast.n_slots; i++) {
            if (!fast.is_input[i])
                compare_output(&fast, i, truth[i], effect[i], seed);
            sharp += !fast.is_input[i] && effect[i] < 1e-4;
            all += !fast.is_input[i];
            free(truth[i]);
        }
        plan_free(p);
        trial_close(&fast);
        trial_close(&exact);
    }
    assert_true(sharp > all * 9 / 10); /* the tolerance is one that can fail */
}

/* ---- cancelling, and backends that fail ---- */

/* A chain of five ops, one of them a gelu. */
static void chain_open(trial *t)
{
    spy_open(t, 1);
    value x = input(t, 2, 3, 4);
    output(t, op_exp(t->g, op_gelu(t->g, op_softmax(t->g, op_tanh(t->g, op_affine(t->g, x, 2, 1))))));
}

static void a_cancelled_run_stops_at_once_and_the_plan_runs_again(void **state)
{
    (void)state;
    for (int after = 0; after <= 5; after++) {
        trial t;
        chain_open(&t);
        plan *p = planned(&t);
        spy.cancel_after = after;
        atomic_store(&spy.cancel, after == 0);
        status s = plan_run(p, t.bound, t.n_slots, &spy.cancel);
        assert_int_equal(s,
                         after < 5 ? ERR_CANCELLED : OK); /* after the last call there is nothing to stop */
        assert_int_equal(spy.runs, after);
        if (s != OK)
            assert_string_equal(status_text(), "cancelled");
        atomic_store(&spy.cancel, 0);
        spy.cancel_after = 0;
        assert_int_equal(plan_run(p, t.bound, t.n_slots, &spy.cancel), OK);
        run(&t, p);
        plan_free(p);
        assert_outputs_are_naive(&t, 0);
        spy_close(&t);
    }
}

static void an_op_that_the_back_end_lacks_is_named_when_planned(void **state)
{
    (void)state;
    trial t;
    plan *p = (plan *)&t;
    chain_open(&t);
    spy.missing = BK_GELU;
    assert_int_equal(plan_create(t.g, t.e.dev, 1, &p), ERR_UNSUPPORTED);
    assert_null(p);
    assert_non_null(strstr(status_text(), "backend reference does not serve op gelu"));
    spy_close(&t);
}

static void a_prepare_that_fails_releases_those_before_it(void **state)
{
    (void)state;
    static const struct {
        bk_status how;
        status s;
        const char *text;
    } kind[] = {
        {BK_ERR_MEMORY, ERR_MEMORY, "out of memory"},
        {BK_ERR_LIMIT, ERR_LIMIT, "the backend's memory: "},
        {BK_ERR_UNSUPPORTED, ERR_UNSUPPORTED, "does not serve op"},
        {BK_ERR_FAILED, ERR_BACKEND, "failed in op"},
    };
    for (int at = 1; at <= 5; at++) {
        for (size_t k = 0; k < sizeof kind / sizeof *kind; k++) {
            trial t;
            plan *p;
            chain_open(&t);
            spy.fail_prepare = at;
            spy.how = kind[k].how;
            assert_int_equal(plan_create(t.g, t.e.dev, 1, &p), kind[k].s);
            assert_null(p);
            assert_non_null(strstr(status_text(), kind[k].text));
            assert_int_equal(spy.released, at - 1);
            spy_close(&t);
        }
    }
}

static void a_call_that_fails_names_its_op_and_the_plan_runs_again(void **state)
{
    (void)state;
    trial t;
    chain_open(&t);
    plan *p = planned(&t);
    spy.fail_run = 4;
    spy.how = BK_ERR_FAILED;
    assert_int_equal(plan_run(p, t.bound, t.n_slots, NULL), ERR_BACKEND);
    assert_non_null(strstr(status_text(), "failed in op gelu"));
    assert_int_equal(spy.runs, 4);
    run(&t, p);
    plan_free(p);
    assert_outputs_are_naive(&t, 0);
    spy_close(&t);
}

static void slots_that_are_not_bound_are_refused(void **state)
{
    (void)state;
    trial t;
    chain_open(&t);
    plan *p = planned(&t);
    assert_int_equal(plan_run(p, t.bound, t.n_slots - 1, NULL), ERR_INTERNAL);
    assert_int_equal(spy.runs, 0);
    plan_free(p);
    spy_close(&t);
}

/* ---- memory that ends ---- */

/* A network in small, with its gradients, built and planned on an opened engine. */
static status build_and_plan(engine *e, bk_dtype real, graph **g, plan **p)
{
    const double half = 0.5;
    value d[2] = {NONE, NONE};
    *p = NULL;
    TRY(graph_create(&e->m, real, g));
    value x = graph_bound(*g, 0, shape_of(real, 3, (const int64_t[]){2, 3, 4}));
    value w = graph_bound(*g, 1, shape_of(real, 2, (const int64_t[]){12, 4})), y = x;
    for (int i = 0; i < 2; i++) {
        y = op_add(*g, y, op_attention(*g, op_linear(*g, op_softmax(*g, y), w, NONE), 2, 0.5));
        y = op_mul(*g, op_gelu(*g, y), graph_constant(*g, shape_of(real, 0, NULL), &half));
    }
    TRY(graph_gradients(*g, op_mean_all(*g, y), (const value[]){x, w}, 2, d));
    graph_output(*g, d[0], 2);
    graph_output(*g, d[1], 3);
    return plan_create(*g, e->dev, 1, p);
}

/* Returns what it gave; all memory is back, and none was harmed. */
static status attempt(engine *e, bk_dtype real)
{
    graph *g = NULL;
    plan *p;
    int64_t live = e->memory.live;
    status s = build_and_plan(e, real, &g, &p);
    assert_true((p != NULL) == (s == OK));
    assert_true(e->m.limit == 0 || e->memory.peak <= e->m.limit + e->memory.bytes);
    if (p) {
        double x[24] = {0}, w[48] = {0}, dx[24], dw[48];
        void *bound[] = {x, w, dx, dw};
        assert_int_equal(plan_run(p, bound, 4, NULL), OK);
    }
    plan_free(p);
    graph_free(g);
    assert_int_equal(e->m.live, 0);
    assert_int_equal(e->memory.live, live);
    assert_true(test_memory_is_whole(&e->memory));
    return s;
}

/* One allocation fails, or it and all after it, for every one that there is. */
static int fail_each(const bk_backend *backend, bk_dtype real, int all_after)
{
    engine e;
    int failures = 0;
    assert_int_equal(engine_open(&e, backend), BK_OK);
    for (int64_t n = 1;; n++) {
        e.memory.fail_from = e.memory.calls + n;
        e.memory.fail_to = all_after ? INT64_MAX : e.memory.fail_from;
        status s = attempt(&e, real);
        if (s == OK)
            break;
        assert_int_equal(s, ERR_MEMORY);
        assert_string_equal(status_text(), "out of memory");
        failures++;
    }
    e.memory.fail_from = 0;
    assert_int_equal(attempt(&e, real), OK);
    assert_true(engine_close(&e));
    return failures;
}

static void an_allocation_that_fails_anywhere_is_out_of_memory_and_leaks_nothing(void **state)
{
    (void)state;
    for (int all_after = 0; all_after < 2; all_after++) {
        assert_true(fail_each(bk_reference(), BK_F64, all_after) > 15);
        assert_true(fail_each(bk_cpu(), BK_F32, all_after) > 15);
    }
}

static void a_limit_is_never_passed_and_says_so(void **state)
{
    (void)state;
    engine e;
    int refused = 0;
    assert_int_equal(engine_open(&e, bk_reference()), BK_OK);
    for (uint64_t limit = 100;; limit += 997) {
        e.m.limit = limit;
        e.memory.peak = e.memory.bytes;
        status s = attempt(&e, BK_F64);
        if (s == OK)
            break;
        assert_int_equal(s, ERR_LIMIT);
        assert_non_null(strstr(status_text(), "max_bytes"));
        refused++;
    }
    assert_true(refused > 10);
    assert_true(engine_close(&e));
}

static void a_failed_graph_is_not_planned(void **state)
{
    (void)state;
    trial t;
    plan *p = (plan *)&t;
    trial_open(&t);
    op_view(t.g, input(&t, 2, 3, 4), 2, 5, 5);
    assert_int_equal(plan_create(t.g, t.e.dev, 1, &p), ERR_INTERNAL);
    assert_null(p);
    plan_free(NULL);
    trial_close(&t);
}

static void the_graph_is_not_needed_once_planned(void **state)
{
    (void)state;
    const double numbers[2] = {3, 4};
    trial t;
    trial_open(&t);
    value x = input(&t, 1, 2);
    int32_t slot =
        output(&t, op_mul(t.g, x, graph_constant(t.g, shape_of(BK_F64, 1, (const int64_t[]){2}), numbers)));
    plan *p = planned(&t);
    graph_free(t.g);
    assert_int_equal(graph_create(&t.e.m, BK_F64, &t.g), OK);
    run(&t, p);
    for (int i = 0; i < 2; i++)
        assert_true(((double *)t.bound[slot])[i] == numbers[i] * ((double *)t.bound[0])[i]);
    plan_free(p);
    trial_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_code_and_views_do_not_run),
        cmocka_unit_test(a_graph_without_outputs_runs_nothing),
        cmocka_unit_test(an_output_that_nobody_reads_takes_no_memory),
        cmocka_unit_test(linear_takes_in_gelu_and_add),
        cmocka_unit_test(linear_and_convolution_take_in_a_leaky_relu),
        cmocka_unit_test(linear_takes_in_nothing_that_others_read_too),
        cmocka_unit_test(outputs_may_be_inputs_constants_views_and_each_other),
        cmocka_unit_test(the_arena_is_as_small_as_lifetimes_allow),
        cmocka_unit_test(random_graphs_give_the_numbers_of_a_naive_evaluation),
        cmocka_unit_test(plans_that_are_lent_one_arena_give_their_numbers_one_after_the_other),
        cmocka_unit_test(random_graphs_agree_on_the_cpu_in_float32),
        cmocka_unit_test(a_cancelled_run_stops_at_once_and_the_plan_runs_again),
        cmocka_unit_test(an_op_that_the_back_end_lacks_is_named_when_planned),
        cmocka_unit_test(a_prepare_that_fails_releases_those_before_it),
        cmocka_unit_test(a_call_that_fails_names_its_op_and_the_plan_runs_again),
        cmocka_unit_test(slots_that_are_not_bound_are_refused),
        cmocka_unit_test(an_allocation_that_fails_anywhere_is_out_of_memory_and_leaks_nothing),
        cmocka_unit_test(a_limit_is_never_passed_and_says_so),
        cmocka_unit_test(a_failed_graph_is_not_planned),
        cmocka_unit_test(the_graph_is_not_needed_once_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
