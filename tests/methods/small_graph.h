/* SPDX-License-Identifier: Apache-2.0 */
/* small_graph.h - a loss as a graph of its own: the numbers that go in, the terms and the loss that come out,
 * and the gradient of the loss. Include it before cmocka.h. */
#ifndef SLMT_TESTS_SMALL_GRAPH_H
#define SLMT_TESTS_SMALL_GRAPH_H

#include "tests/engine/engine_host.h"

#include "core/params.h"
#include "lib/ops.h"
#include "lib/plan.h"

enum { SMALL_INPUTS = 3, SMALL_TERMS = SMALL_INPUTS, SMALL_LOSS, SMALL_GRADIENT, SMALL_SLOTS = 8 };

typedef struct small_graph {
    const bk_backend *backend;
    bk_dtype real;
    int32_t inputs;
    int64_t shape[SMALL_INPUTS][4]; /* 0: the axis is not there */
    const double *x[SMALL_INPUTS];
    /* Returns the loss; *terms stays NONE where there are none. */
    value (*build)(graph *g, const value *in, const void *rule, value *terms);
    const void *rule;
    size_t terms; /* how many there are */
    /* Set by small_graph_run(), freed by small_graph_free(). */
    double loss;
    double *term, *gradient[SMALL_INPUTS];
} small_graph;

static inline bk_shape small_shape(const small_graph *s, int32_t i)
{
    int32_t rank = 0;
    while (rank < 4 && s->shape[i][rank])
        rank++;
    return shape_of(s->real, rank, s->shape[i]);
}

static inline double *small_numbers(const small_graph *s, const void *array, size_t n)
{
    double *x = malloc((n ? n : 1) * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = real_get(array, s->real, i);
    return x;
}

static inline status small_plan(small_graph *s, engine *e, plan **plan)
{
    graph *g;
    value in[SMALL_INPUTS], gradient[SMALL_INPUTS], terms = NONE;
    TRY(graph_create(&e->m, s->real, &g));
    for (int32_t i = 0; i < s->inputs; i++)
        in[i] = graph_bound(g, i, small_shape(s, i));
    value loss = s->build(g, in, s->rule, &terms);
    if (terms != NONE)
        graph_output(g, terms, SMALL_TERMS);
    graph_output(g, loss, SMALL_LOSS);
    status made = graph_gradients(g, loss, in, s->inputs, gradient);
    for (int32_t i = 0; made == OK && i < s->inputs; i++)
        if (gradient[i] != NONE)
            graph_output(g, gradient[i], SMALL_GRADIENT + i);
    made = made == OK ? graph_status(g) : made;
    if (made == OK)
        made = plan_create(g, e->dev, PLAN_ARENA, plan);
    graph_free(g);
    return made;
}

/* Runs the graph once. */
static inline status small_graph_run(small_graph *s)
{
    engine e;
    plan *plan = NULL;
    void *bound[SMALL_SLOTS] = {0};
    if (engine_open(&e, s->backend) != BK_OK)
        return ERR_BACKEND;
    status made = small_plan(s, &e, &plan);
    for (int32_t i = 0; i < s->inputs; i++) {
        const bk_shape shape = small_shape(s, i);
        size_t n = (size_t)bk_count(&shape);
        bound[i] = calloc(n, sizeof(double));
        bound[SMALL_GRADIENT + i] = calloc(n, sizeof(double));
        for (size_t k = 0; k < n; k++)
            real_set(bound[i], s->real, k, s->x[i][k]);
    }
    bound[SMALL_TERMS] = calloc(s->terms + 1, sizeof(double));
    bound[SMALL_LOSS] = calloc(1, sizeof(double));
    if (made == OK)
        made = plan_run(plan, bound, SMALL_SLOTS, NULL);
    s->loss = real_get(bound[SMALL_LOSS], s->real, 0);
    s->term = small_numbers(s, bound[SMALL_TERMS], s->terms);
    for (int32_t i = 0; i < s->inputs; i++) {
        const bk_shape shape = small_shape(s, i);
        s->gradient[i] = small_numbers(s, bound[SMALL_GRADIENT + i], (size_t)bk_count(&shape));
    }
    for (int i = 0; i < SMALL_SLOTS; i++)
        free(bound[i]);
    plan_free(plan);
    return engine_close(&e) ? made : ERR_INTERNAL;
}

static inline void small_graph_free(small_graph *s)
{
    free(s->term);
    for (int32_t i = 0; i < s->inputs; i++)
        free(s->gradient[i]);
}

#endif
