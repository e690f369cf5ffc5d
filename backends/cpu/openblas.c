/* SPDX-License-Identifier: Apache-2.0 */
/* openblas.c - matrix products by OpenBLAS, tile by tile. Only this file uses OpenBLAS.
 *
 * OpenBLAS itself never starts a thread for us. Its OpenMP build runs serially if OpenMP may use only
 * one thread, which team.c sees to; its pthread build is limited to one thread at open(). Its serial build
 * is refused: without USE_LOCKING, which cannot be queried, it computes wrong results when two threads call
 * it at once (Debian 12's build does, and Debian's alternatives may install it in place of the build that the
 * library was built with).
 *
 * Where oneDNN is built in too, OpenBLAS is loaded with the first device that computes with it
 * (SLMT_OPENBLAS_FILE), not where it is only named: while it is loaded it reserves memory for every core, and
 * waits for ever where a limit on the address space allows none. */
#include "backends/cpu/library.h"

#include <cblas.h>
#include <dlfcn.h>
#include <openblas_config.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- its functions ---- */

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

static char reason[256]; /* why OpenBLAS cannot be used; "": it can */

#ifdef SLMT_OPENBLAS_FILE
static int find(void *library, const char *name, void *function)
{
    void *found = library ? dlsym(library, name) : NULL;
    memcpy(function, &found, sizeof found); /* C has no cast from an object pointer to a function pointer */
    return found != NULL;
}

/* The library stays loaded, because threads of its own may run in it. */
#define FIND(name) &&find(library, #name, &blas.name)
static void load(void)
{
    void *library = dlopen(SLMT_OPENBLAS_FILE, RTLD_NOW | RTLD_LOCAL);
    if (library OPENBLAS_CALLS(FIND))
        return;
    const char *error = dlerror();
    snprintf(reason, sizeof reason, "cpu: OpenBLAS cannot be loaded: %s", error ? error : SLMT_OPENBLAS_FILE);
}
#else
#define FIND(name) blas.name = name;
static void load(void)
{
    OPENBLAS_CALLS(FIND)
}
#endif

static bk_status need_openblas(cpu_device *dev)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (reason[0] == '\0')
        return BK_OK;
    cpu_log(dev, 0, reason);
    return BK_ERR_UNSUPPORTED;
}

/* ---- the library ---- */

static bk_status openblas_open(cpu_device *dev)
{
    enum { SERIAL = 0, PTHREAD = 1 };
    bk_status status = need_openblas(dev);
    if (status != BK_OK)
        return status;
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

/* config: such as "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH". */
static void write_version(const char *config, char *text, size_t size)
{
    char version[32] = "";
    sscanf(config, " OpenBLAS %31s", version);
    snprintf(text, size, "OpenBLAS %s", version);
}

static void openblas_text(char *text, size_t size)
{
    write_version(blas.openblas_get_config(), text, size);
}

static int openblas_multiply(const product *p, const tile *t)
{
    blas.cblas_sgemm(CblasRowMajor, p->trans_a ? CblasTrans : CblasNoTrans,
                     p->trans_b ? CblasTrans : CblasNoTrans, (int)t->rows, (int)t->cols, (int)p->k, 1.0f,
                     t->a, (int)(p->trans_a ? p->m : p->k), t->b, (int)(p->trans_b ? p->k : p->n), t->beta,
                     t->y, (int)t->step);
    return 1;
}

/* ---- its name alone: the version that the library was built with ---- */

static bk_status named_open(cpu_device *dev)
{
    (void)dev;
    return BK_OK;
}

static void named_text(char *text, size_t size)
{
    write_version(OPENBLAS_VERSION, text, size);
}

static int named_multiply(const product *p, const tile *t)
{
    (void)p;
    (void)t;
    return 0;
}

static bk_status named_prepare(cpu_device *dev, const product *p, bk_call *call)
{
    (void)p;
    (void)call;
    cpu_log(dev, 0, "cpu: a device that was opened with name-only computes nothing");
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

const cpu_library cpu_openblas = {
    .id = BK_MATRIX_OPENBLAS,
    .name = "OpenBLAS",
    .named = &named,
    .open = openblas_open,
    .describe = openblas_text,
    .serial = openblas_multiply,
    .prepare = tiles_prepare,
};
