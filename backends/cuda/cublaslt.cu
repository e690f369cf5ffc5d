/* SPDX-License-Identifier: Apache-2.0 */
/* cublaslt.cu - see cublaslt.h. The functions and numbers below are the few of cuBLASLt 12 and 13 that are used
 * here, as its documentation gives them.
 *
 * The library's matrices lie column by column: it is asked for y^T = b^T a^T. */
#include "backends/cuda/cublaslt.h"

#include <cstdio>
#include <dlfcn.h>
#include <new>

namespace
{

/* ---- the library's interface ---- */

enum { SUCCESS = 0 };
enum { TYPE_F32 = 0 };
enum { COMPUTE_F32 = 68, COMPUTE_BF16 = 75, COMPUTE_TF32 = 77 };
enum { NOT_TRANSPOSED = 0, TRANSPOSED = 1 };
enum { PRODUCT_TRANS_A = 3, PRODUCT_TRANS_B = 4 };
enum { LAYOUT_BATCH = 5, LAYOUT_STEP = 6 };
enum { CHOICE_REDUCTIONS = 3, CHOICE_ALIGNMENT_A = 5, CHOICE_ALIGNMENT_D = 8 };

typedef struct opaque *handle;

struct algorithm {
    uint64_t data[8];
};

struct choice {
    algorithm chosen;
    size_t workspace;
    int status;
    float waves;
    int reserved[4];
};

} // namespace

struct cublaslt {
    void *object; /* of dlopen() */
    handle library;
    int (*create)(handle *library);
    int (*destroy)(handle library);
    int (*product_create)(handle *product, int compute, int scale);
    int (*product_destroy)(handle product);
    int (*product_set)(handle product, int what, const void *value, size_t bytes);
    int (*layout_create)(handle *layout, int type, uint64_t rows, uint64_t columns, int64_t step);
    int (*layout_destroy)(handle layout);
    int (*layout_set)(handle layout, int what, const void *value, size_t bytes);
    int (*wish_create)(handle *wish);
    int (*wish_destroy)(handle wish);
    int (*wish_set)(handle wish, int what, const void *value, size_t bytes);
    int (*choose)(handle library, handle product, handle a, handle b, handle c, handle d, handle wish,
                  int wanted, choice *found, int *count);
    int (*multiply)(handle library, handle product, const void *alpha, const void *a, handle a_layout,
                    const void *b, handle b_layout, const void *beta, const void *c, handle c_layout, void *d,
                    handle d_layout, const algorithm *how, void *workspace, size_t bytes, cudaStream_t stream);
};

struct cublaslt_product {
    const cublaslt *lt;
    handle product, a, b, y;
    algorithm how;
};

/* ---- opening ---- */

template <class F> static bool find(const cublaslt *lt, const char *name, F *function, const char **missing)
{
    void *symbol = dlsym(lt->object, name);
    memcpy(function, &symbol, sizeof symbol);
    if (!symbol)
        *missing = name;
    return symbol != nullptr;
}

static bool find_all(cublaslt *lt, const char **missing)
{
    return find(lt, "cublasLtCreate", &lt->create, missing) &&
           find(lt, "cublasLtDestroy", &lt->destroy, missing) &&
           find(lt, "cublasLtMatmulDescCreate", &lt->product_create, missing) &&
           find(lt, "cublasLtMatmulDescDestroy", &lt->product_destroy, missing) &&
           find(lt, "cublasLtMatmulDescSetAttribute", &lt->product_set, missing) &&
           find(lt, "cublasLtMatrixLayoutCreate", &lt->layout_create, missing) &&
           find(lt, "cublasLtMatrixLayoutDestroy", &lt->layout_destroy, missing) &&
           find(lt, "cublasLtMatrixLayoutSetAttribute", &lt->layout_set, missing) &&
           find(lt, "cublasLtMatmulPreferenceCreate", &lt->wish_create, missing) &&
           find(lt, "cublasLtMatmulPreferenceDestroy", &lt->wish_destroy, missing) &&
           find(lt, "cublasLtMatmulPreferenceSetAttribute", &lt->wish_set, missing) &&
           find(lt, "cublasLtMatmulAlgoGetHeuristic", &lt->choose, missing) &&
           find(lt, "cublasLtMatmul", &lt->multiply, missing);
}

/* A copy that is loaded already comes first: it is large. */
static void *open_object(const char *file)
{
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
    if (*file)
        return dlopen(file, RTLD_NOW | RTLD_LOCAL);
    for (int loaded = RTLD_NOLOAD; ; loaded = 0) {
        for (const char *name : names)
            if (void *object = dlopen(name, RTLD_NOW | RTLD_LOCAL | loaded))
                return object;
        if (!loaded)
            return nullptr;
    }
}

cublaslt *cublaslt_open(const char *file, char *why, size_t size)
{
    const char *missing = nullptr;
    cublaslt *lt = new (std::nothrow) cublaslt();
    if (!lt) {
        snprintf(why, size, "there is no memory for cuBLASLt");
        return nullptr;
    }
    lt->object = open_object(file);
    if (!lt->object)
        snprintf(why, size, "cuBLASLt cannot be opened: %s", dlerror());
    else if (!find_all(lt, &missing))
        snprintf(why, size, "%s is no cuBLASLt: it has no function %s()", *file ? file : "the library found",
                 missing);
    else if (lt->create(&lt->library) == SUCCESS)
        return lt;
    else
        snprintf(why, size, "cuBLASLt cannot be started");
    lt->library = nullptr;
    cublaslt_close(lt);
    return nullptr;
}

void cublaslt_close(cublaslt *lt)
{
    if (!lt)
        return;
    if (lt->library)
        lt->destroy(lt->library);
    if (lt->object)
        dlclose(lt->object);
    delete lt;
}

/* ---- products ---- */

/* A matrix of which `rows` numbers lie one after the other. */
static bool make_layout(const cublaslt *lt, handle *layout, int64_t rows, int64_t columns, int64_t batch,
                        int64_t step)
{
    int32_t count = (int32_t)batch;
    return lt->layout_create(layout, TYPE_F32, (uint64_t)rows, (uint64_t)columns, rows) == SUCCESS &&
           lt->layout_set(*layout, LAYOUT_BATCH, &count, sizeof count) == SUCCESS &&
           lt->layout_set(*layout, LAYOUT_STEP, &step, sizeof step) == SUCCESS;
}

static bool describe(cublaslt_product *p, const matrix_product *m)
{
    const cublaslt *lt = p->lt;
    int compute = m->arithmetic == ARITHMETIC_TF32   ? COMPUTE_TF32
                  : m->arithmetic == ARITHMETIC_BF16 ? COMPUTE_BF16
                                                     : COMPUTE_F32;
    int32_t first = m->trans_b ? TRANSPOSED : NOT_TRANSPOSED,
            second = m->trans_a ? TRANSPOSED : NOT_TRANSPOSED;
    return lt->product_create(&p->product, compute, TYPE_F32) == SUCCESS &&
           lt->product_set(p->product, PRODUCT_TRANS_A, &first, sizeof first) == SUCCESS &&
           lt->product_set(p->product, PRODUCT_TRANS_B, &second, sizeof second) == SUCCESS &&
           make_layout(lt, &p->b, m->trans_b ? m->depth : m->columns, m->trans_b ? m->columns : m->depth,
                       m->batch, m->b_step) &&
           make_layout(lt, &p->a, m->trans_a ? m->rows : m->depth, m->trans_a ? m->depth : m->rows, m->batch,
                       m->a_step) &&
           make_layout(lt, &p->y, m->columns, m->rows, m->batch, m->rows * m->columns);
}

enum { ALIGNMENT = 16 };

/* No workspace, no sums in parts, and any address that is a multiple of 16. */
static bool choose(cublaslt_product *p)
{
    const cublaslt *lt = p->lt;
    const uint32_t none = 0, alignment = ALIGNMENT;
    handle wish = nullptr;
    choice found = {};
    int count = 0;
    bool good = lt->wish_create(&wish) == SUCCESS &&
                lt->wish_set(wish, CHOICE_REDUCTIONS, &none, sizeof none) == SUCCESS;
    for (int what = CHOICE_ALIGNMENT_A; good && what <= CHOICE_ALIGNMENT_D; what++)
        good = lt->wish_set(wish, what, &alignment, sizeof alignment) == SUCCESS;
    good = good &&
           lt->choose(lt->library, p->product, p->b, p->a, p->y, p->y, wish, 1, &found, &count) == SUCCESS &&
           count == 1 && found.status == SUCCESS && found.workspace == 0;
    p->how = found.chosen;
    if (wish)
        lt->wish_destroy(wish);
    return good;
}

cublaslt_product *cublaslt_prepare(const cublaslt *lt, const matrix_product *m)
{
    cublaslt_product *p = new (std::nothrow) cublaslt_product();
    if (!p)
        return nullptr;
    p->lt = lt;
    if (describe(p, m) && choose(p))
        return p;
    cublaslt_release(p);
    return nullptr;
}

void cublaslt_release(cublaslt_product *p)
{
    if (!p)
        return;
    for (handle layout : {p->a, p->b, p->y})
        if (layout)
            p->lt->layout_destroy(layout);
    if (p->product)
        p->lt->product_destroy(p->product);
    delete p;
}

bool cublaslt_fits(const void *a, const void *b, const void *y)
{
    return (((uintptr_t)a | (uintptr_t)b | (uintptr_t)y) & (ALIGNMENT - 1)) == 0;
}

bool cublaslt_run(const cublaslt_product *p, const float *a, const float *b, float *y, cudaStream_t stream)
{
    const float one = 1, zero = 0;
    return p->lt->multiply(p->lt->library, p->product, &one, b, p->b, a, p->a, &zero, y, p->y, y, p->y,
                           &p->how, nullptr, 0, stream) == SUCCESS;
}
