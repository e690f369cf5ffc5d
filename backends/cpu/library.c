/* SPDX-License-Identifier: Apache-2.0 */
/* library.c - the libraries for matrix products that this build has. */
#include "backends/cpu/library.h"

static const cpu_library *const libraries[] = {
#ifdef SLMT_HAVE_ONEDNN
    &cpu_onednn,
#endif
#ifdef SLMT_HAVE_OPENBLAS
    &cpu_openblas,
#endif
};

const cpu_library *cpu_library_of(bk_matrix matrix)
{
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (matrix == BK_MATRIX_AUTO || libraries[i]->id == matrix)
            return libraries[i];
    return NULL;
}

const char *cpu_library_name(bk_matrix matrix)
{
    return matrix == BK_MATRIX_OPENBLAS ? "OpenBLAS" : "oneDNN";
}
