/* SPDX-License-Identifier: Apache-2.0 */
/* standin_cublaslt.cpp - see standin_cublaslt.h. What it is given must be what the backend promises: no
 * workspace, no sums in parts, addresses that are multiples of 16. */
#include "tests/cuda/standin_cublaslt.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#define SHOWN extern "C" __attribute__((visibility("default")))

SHOWN standin standin_state;
standin standin_state = {nullptr, 0, 0, 0, true};

namespace
{

/* A library, a product, a layout or a wish: whatever is set is an entry. */
struct object {
    int64_t compute, rows, columns, step;
    int64_t entry[16];
};

struct choice {
    uint64_t chosen[8];
    size_t workspace;
    int status;
    float waves;
    int reserved[4];
};

void expect(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "stand-in: %s\n", what);
    abort();
}

int make(object **out, const object &o)
{
    *out = new object(o);
    standin_state.objects++;
    return 0;
}

int destroy(object *o)
{
    delete o;
    standin_state.objects--;
    return 0;
}

int set(object *o, int what, const void *value, size_t bytes)
{
    expect(what >= 0 && what < 16 && (bytes == 4 || bytes == 8), "an attribute that it does not know");
    int32_t small;
    memcpy(&small, value, 4);
    o->entry[what] = small;
    if (bytes == 8)
        memcpy(&o->entry[what], value, 8);
    return 0;
}

enum { TRANS_A = 3, TRANS_B = 4, BATCH = 5, STEP = 6, REDUCTIONS = 3, ALIGNMENTS = 5 };

/* A product that waits in a stream. */
struct work {
    object product, a_layout, b_layout, d_layout;
    const float *a, *b;
    float *d;
};

/* Element (i, j) of a matrix that lies column by column, perhaps transposed. */
float element(const float *x, const object &layout, int64_t batch, bool transposed, int64_t i, int64_t j)
{
    int64_t at = transposed ? j + i * layout.step : i + j * layout.step;
    return x[batch * layout.entry[STEP] + at];
}

void multiply(void *what)
{
    const work *w = (const work *)what;
    bool ta = w->product.entry[TRANS_A] == 1, tb = w->product.entry[TRANS_B] == 1;
    int64_t depth = ta ? w->a_layout.rows : w->a_layout.columns;
    expect((ta ? w->a_layout.columns : w->a_layout.rows) == w->d_layout.rows, "the rows of a and d differ");
    expect((tb ? w->b_layout.rows : w->b_layout.columns) == w->d_layout.columns,
           "the columns of b and d differ");
    expect((tb ? w->b_layout.columns : w->b_layout.rows) == depth, "the depths of a and b differ");
    for (int64_t n = 0; n < w->d_layout.entry[BATCH]; n++)
        for (int64_t i = 0; i < w->d_layout.rows; i++)
            for (int64_t j = 0; j < w->d_layout.columns; j++) {
                double sum = 0;
                for (int64_t k = 0; k < depth; k++)
                    sum += (double)element(w->a, w->a_layout, n, ta, i, k) *
                           element(w->b, w->b_layout, n, tb, k, j);
                w->d[n * w->d_layout.entry[STEP] + i + j * w->d_layout.step] = (float)sum;
            }
}

} // namespace

/* ---- the functions ---- */

SHOWN int cublasLtCreate(object **library)
{
    return make(library, object{});
}

SHOWN int cublasLtDestroy(object *library)
{
    return destroy(library);
}

SHOWN int cublasLtMatmulDescCreate(object **product, int compute, int scale)
{
    expect(scale == 0, "a scale that is not float32");
    object o = {};
    o.compute = compute;
    return make(product, o);
}

SHOWN int cublasLtMatmulDescDestroy(object *product)
{
    return destroy(product);
}

SHOWN int cublasLtMatmulDescSetAttribute(object *product, int what, const void *value, size_t bytes)
{
    return set(product, what, value, bytes);
}

SHOWN int cublasLtMatrixLayoutCreate(object **layout, int type, uint64_t rows, uint64_t columns, int64_t step)
{
    expect(type == 0, "a matrix that is not float32");
    object o = {};
    o.rows = (int64_t)rows;
    o.columns = (int64_t)columns;
    o.step = step;
    o.entry[BATCH] = 1;
    return make(layout, o);
}

SHOWN int cublasLtMatrixLayoutDestroy(object *layout)
{
    return destroy(layout);
}

SHOWN int cublasLtMatrixLayoutSetAttribute(object *layout, int what, const void *value, size_t bytes)
{
    return set(layout, what, value, bytes);
}

SHOWN int cublasLtMatmulPreferenceCreate(object **wish)
{
    object o = {};
    o.entry[REDUCTIONS] = -1;
    return make(wish, o);
}

SHOWN int cublasLtMatmulPreferenceDestroy(object *wish)
{
    return destroy(wish);
}

SHOWN int cublasLtMatmulPreferenceSetAttribute(object *wish, int what, const void *value, size_t bytes)
{
    return set(wish, what, value, bytes);
}

SHOWN int cublasLtMatmulAlgoGetHeuristic(object *, object *, object *, object *, object *, object *,
                                         object *wish, int wanted, choice *found, int *count)
{
    expect(wanted == 1, "more than one algorithm is wanted");
    expect(wish->entry[REDUCTIONS] == 0, "sums in parts are allowed");
    for (int i = 0; i < 4; i++)
        expect(wish->entry[ALIGNMENTS + i] == 16, "an alignment that is not 16");
    *count = standin_state.knows_one;
    *found = {};
    found->chosen[7] = 4711;
    return 0;
}

SHOWN int cublasLtMatmul(object *, object *product, const float *alpha, const float *a, object *a_layout,
                         const float *b, object *b_layout, const float *beta, const float *, object *,
                         float *d, object *d_layout, const uint64_t *how, void *, size_t workspace,
                         void *stream)
{
    expect(*alpha == 1 && *beta == 0, "factors that are not 1 and 0");
    expect(how[7] == 4711 && workspace == 0, "another algorithm, or a workspace");
    expect((((uintptr_t)a | (uintptr_t)b | (uintptr_t)d) & 15) == 0, "an address that is no multiple of 16");
    standin_state.products++;
    standin_state.compute = (int)product->compute;
    static std::vector<std::unique_ptr<work>> works; /* a captured one runs again */
    works.push_back(std::make_unique<work>(work{*product, *a_layout, *b_layout, *d_layout, a, b, d}));
    standin_state.enqueue(stream, multiply, works.back().get());
    return 0;
}
