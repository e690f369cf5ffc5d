/* SPDX-License-Identifier: Apache-2.0 */
/* openblas.c - matrix products by OpenBLAS, tile by tile. Only this file uses OpenBLAS.
 *
 * OpenBLAS itself never starts a thread for us. Its OpenMP build runs serially if OpenMP may use only
 * one thread, which team.c sees to; its pthread build is limited to one thread at open(). Its serial build
 * is refused: without USE_LOCKING, which cannot be queried, it computes wrong results when two threads call
 * it at once (Debian 12's build does, and Debian's alternatives may install it in place of the build that the
 * library was linked to).
 *
 * Where oneDNN is built in too (SLMT_OPENBLAS_FILE), OpenBLAS is loaded when a device first computes with it,
 * not where it is only named: while it is loaded it reserves memory for every core, and waits for ever where
 * a limit on the address space allows none. */
#include "backends/cpu/library.h"

#include <cblas.h>
#include <dlfcn.h>
#include <openblas_config.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- the functions ---- */

#define OPENBLAS_CALLS(CALL)                                                                                 \
    CALL(cblas_sgemm)                                                                                        \
    CALL(openblas_get_config)                                                                                \
    CALL(openblas_get_corename)                                                                              \
    CALL(openblas_get_parallel)                                                                              \
    CALL(openblas_set_num_threads)

#define POINTER(name) __typeof__(&name) name;
static struct {
    OPENBLAS_CALLS(POINTER)
} blas;

#ifdef SLMT_OPENBLAS_FILE
static char reason[256]; /* why OpenBLAS is not there; "": it is */

/* A pointer to an object becomes one to a function. */
#define FIND(name)                                                                                           \
    found = library ? dlsym(library, #name) : NULL;                                                          \
    memcpy(&blas.name, &found, sizeof found);                                                                \
    missing |= !found;

static void load(void)
{
    void *library = dlopen(SLMT_OPENBLAS_FILE, RTLD_NOW | RTLD_LOCAL), *found;
    int missing = 0;
    OPENBLAS_CALLS(FIND)
    const char *error = missing ? dlerror() : NULL;
    if (missing)
        snprintf(reason, sizeof reason, "cpu: OpenBLAS cannot be loaded: %s",
                 error ? error : "a function is missing");
}

static bk_status need(cpu_device *dev)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (!reason[0])
        return BK_OK;
    cpu_log(dev, 0, reason);
    return BK_ERR_UNSUPPORTED;
}
#else
#define FIND(name) blas.name = name;

static void load(void)
{
    OPENBLAS_CALLS(FIND)
}

static bk_status need(cpu_device *dev)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)dev;
    pthread_once(&once, load);
    return BK_OK;
}
#endif

/* ---- the library ---- */

static bk_status openblas_open(cpu_device *dev)
{
    enum { SERIAL = 0, PTHREAD = 1 };
    bk_status loaded = need(dev);
    if (loaded != BK_OK)
        return loaded;
    if (blas.openblas_get_parallel() == SERIAL) {
        cpu_log(dev, 0,
                "cpu: this OpenBLAS is a serial build, which threads may not share; install its OpenMP "
                "or pthread build (Debian: libopenblas0-openmp) or choose oneDNN");
        return BK_ERR_UNSUPPORTED;
    }
    if (blas.openblas_get_parallel() == PTHREAD)
        blas.openblas_set_num_threads(1);
    if (strcmp(blas.openblas_get_corename(), "Prescott") == 0)
        cpu_log(dev, 1,
                "cpu: OpenBLAS does not know this processor and uses kernels of 2004, several times too "
                "slow; a newer OpenBLAS, oneDNN, or OPENBLAS_CORETYPE=Haswell in the environment help");
    return BK_OK;
}

static void openblas_text(char *text, size_t size)
{
    char version[32] = "";
    sscanf(blas.openblas_get_config(), "OpenBLAS %31s", version);
    snprintf(text, size, "OpenBLAS %s", version);
}

static int openblas_multiply(const product *p, const tile *t)
{
    blas.cblas_sgemm(CblasRowMajor, p->trans_a ? CblasTrans : CblasNoTrans,
                     p->trans_b ? CblasTrans : CblasNoTrans, (int)t->rows, (int)t->cols, (int)p->k, 1.0f,
                     t->a, (int)(p->trans_a ? p->m : p->k), t->b, (int)(p->trans_b ? p->k : p->n), t->beta,
                     t->y, (int)t->step);
    return 1;
}

#ifdef SLMT_OPENBLAS_FILE
/* ---- its name alone ---- */

static bk_status named_open(cpu_device *dev)
{
    (void)dev;
    return BK_OK;
}

static void named_text(char *text, size_t size)
{
    char version[32] = "";
    sscanf(OPENBLAS_VERSION, " OpenBLAS %31s", version);
    snprintf(text, size, "OpenBLAS %s", version);
}

static int named_multiply(const product *p, const tile *t)
{
    (void)p;
    (void)t;
    return 0;
}

static bk_status named_prepare(cpu_device *dev, const product *p, bk_call *call)
{
    (void)dev;
    (void)p;
    (void)call;
    return BK_ERR_UNSUPPORTED;
}

static const cpu_library named = {
    .id = BK_MATRIX_OPENBLAS,
    .name = "OpenBLAS",
    .open = named_open,
    .describe = named_text,
    .serial = named_multiply,
    .prepare = named_prepare,
};
#define NAMED &named
#else
#define NAMED NULL
#endif

const cpu_library cpu_openblas = {
    .id = BK_MATRIX_OPENBLAS,
    .name = "OpenBLAS",
    .named = NAMED,
    .open = openblas_open,
    .describe = openblas_text,
    .serial = openblas_multiply,
    .prepare = tiles_prepare,
};
