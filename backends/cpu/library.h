/* SPDX-License-Identifier: Apache-2.0 */
/* library.h - a library for matrix products (oneDNN, OpenBLAS) as the cpu backend sees it: one row of
 * functions, chosen when a device is opened. No other file asks which library it is, or whether a build has
 * it. */
#ifndef SLMT_CPU_LIBRARY_H
#define SLMT_CPU_LIBRARY_H

#include "backends/cpu/conv.h"
#include "backends/cpu/matrix.h"
#include "backends/cpu/tiles.h"

struct cpu_library {
    bk_matrix id;
    const char *name;         /* as users write it: "oneDNN" */
    int has_bf16;             /* may round factors to bfloat16 if the processor multiplies bfloat16 */
    const cpu_library *named; /* describes the library without loading it, and computes nothing; NULL: the
                                 library itself, because it is loaded anyway */
    bk_status (*open)(cpu_device *dev);
    void (*close)(cpu_device *dev);            /* NULL: there is nothing to close */
    void (*describe)(char *text, size_t size); /* "oneDNN 2.6.3" */
    serial_product serial;                     /* computes one tile on the calling thread */
    bk_status (*prepare)(cpu_device *dev, const product *p, bk_call *call);
    /* BK_ERR_UNSUPPORTED: another way is faster, or the only one. NULL: always unsupported. */
    bk_status (*prepare_conv)(cpu_device *dev, const conv *c, bk_call *call);
};

/* The libraries that a build has, in order of preference. */
extern const cpu_library cpu_onednn, cpu_openblas;

/* Returns the library, the preferred one for BK_MATRIX_AUTO, or NULL if the build lacks it. */
const cpu_library *cpu_library_of(bk_matrix matrix);

/* Returns the name, such as "oneDNN", of a library that a build may lack. */
const char *cpu_library_name(bk_matrix matrix);

/* onednn_conv.c */
bk_status onednn_conv_prepare(cpu_device *dev, const conv *c, bk_call *call);

#endif
