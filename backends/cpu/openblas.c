/* SPDX-License-Identifier: Apache-2.0 */
/* openblas.c - matrix products by OpenBLAS, tile by tile. Only this file uses OpenBLAS.
 *
 * OpenBLAS itself never starts a thread for us. Its OpenMP build runs serially if OpenMP may use only
 * one thread, which team.c sees to; its pthread build is limited to one thread at open(). Its serial build
 * is refused: without USE_LOCKING, which cannot be queried, it computes wrong results when two threads call
 * it at once (Debian 12's build does, and Debian's alternatives may install it in place of the build that the
 * library was linked to). */
#include "backends/cpu/library.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

static bk_status openblas_open(cpu_device *dev)
{
    enum { SERIAL = 0, PTHREAD = 1 };
    if (openblas_get_parallel() == SERIAL) {
        cpu_log(dev, 0,
                "cpu: this OpenBLAS is a serial build, which threads may not share; install its OpenMP "
                "or pthread build (Debian: libopenblas0-openmp) or choose oneDNN");
        return BK_ERR_UNSUPPORTED;
    }
    if (openblas_get_parallel() == PTHREAD)
        openblas_set_num_threads(1);
    if (strcmp(openblas_get_corename(), "Prescott") == 0)
        cpu_log(dev, 1,
                "cpu: OpenBLAS does not know this processor and uses kernels of 2004, several times too "
                "slow; a newer OpenBLAS, oneDNN, or OPENBLAS_CORETYPE=Haswell in the environment help");
    return BK_OK;
}

static void openblas_text(char *text, size_t size)
{
    char version[32] = "";
    sscanf(openblas_get_config(), "OpenBLAS %31s", version);
    snprintf(text, size, "OpenBLAS %s", version);
}

static int openblas_multiply(const product *p, const tile *t)
{
    cblas_sgemm(CblasRowMajor, p->trans_a ? CblasTrans : CblasNoTrans, p->trans_b ? CblasTrans : CblasNoTrans,
                (int)t->rows, (int)t->cols, (int)p->k, 1.0f, t->a, (int)(p->trans_a ? p->m : p->k), t->b,
                (int)(p->trans_b ? p->k : p->n), t->beta, t->y, (int)t->step);
    return 1;
}

const cpu_library cpu_openblas = {
    .id = BK_MATRIX_OPENBLAS,
    .name = "OpenBLAS",
    .open = openblas_open,
    .describe = openblas_text,
    .serial = openblas_multiply,
    .prepare = tiles_prepare,
};
