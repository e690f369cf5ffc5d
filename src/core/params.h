/* SPDX-License-Identifier: Apache-2.0 */
/* params.h - the list of a network's tensors: names, shapes, initial values, and where each lies in one
 * array. It holds no weights itself; whoever owns the array does (a model, a trainer's snapshot). */
#ifndef SLMT_CORE_PARAMS_H
#define SLMT_CORE_PARAMS_H

#include "backends/backend.h"
#include "lib/mem.h"

typedef enum param_init {
    INIT_ZERO,
    INIT_ONE,
    INIT_XAVIER,    /* U(+-sqrt(6/(fan_in+fan_out))), rows are outputs */
    INIT_NORMAL,    /* N(0, 0.02) */
    INIT_TRUNCATED, /* N(0, 0.02), redrawn beyond two standard deviations */
    INIT_FAN_IN,    /* U(+-1/sqrt(elements of one output)) */
    INIT_HE,        /* N(0, sqrt(2 / elements of one output)) */
    INIT_POSITION,  /* two-dimensional sine-cosine table [1, 1+n*n, C] */
    INIT_SOBEL,     /* pair of 3x3 Sobel filters [2,1,3,3] */
    INIT_SMALL,     /* N(0, 0.001) */
    INIT_QUARTER,   /* 1/4: the slopes of a PReLU */
    INIT_BILINEAR /* [C,C,k,k]: class by class, the kernel that a transposed convolution interpolates with */
} param_init;

/* Who changes a tensor. */
typedef enum param_role {
    ROLE_WEIGHT, /* an optimiser */
    ROLE_BUFFER, /* graphs that assign to it: running statistics */
    ROLE_FIXED,  /* nobody */
    ROLE_GIVEN   /* the caller, once: trained elsewhere, and refused while it is 0 */
} param_role;

enum { PARAM_NAME_MAX = 80 };

typedef struct param {
    char name[PARAM_NAME_MAX];
    bk_shape shape;
    param_init init;
    param_role role;
    int used;      /* 0: a reference checkpoint stores it and nothing reads it */
    int matrix;    /* 1: linear layers alone read it, so that it may be stored as 16-bit floats */
    size_t count;  /* elements */
    size_t offset; /* used: first element in a flat array of reals */
    size_t byte;   /* used: first byte in the array of weights, whose tensors may be of different types */
} param;

typedef struct params {
    mem *mem;
    param *list;
    int32_t n, capacity;
    bk_dtype real, matrix; /* types of tensors; matrix: those of linear layers' matrices */
    size_t total;          /* elements of a flat array of reals */
    size_t bytes;          /* of the array of weights */
    status error;          /* first failure of params_add */
} params;

/* matrix: real, or BK_BF16 or BK_F16 where matrices that only BK_LINEAR reads are stored so. */
void params_init(params *p, mem *m, bk_dtype real, bk_dtype matrix);
void params_clear(params *p);

/* Adds a weight. Failures are kept in p->error. */
void params_add(params *p, param_init init, int used, int32_t rank, const int64_t *dim, const char *name);

/* The same for a tensor that no optimiser changes. */
void params_add_role(params *p, param_role role, param_init init, int32_t rank, const int64_t *dim,
                     const char *name);

/* Adds the matrix of a linear layer: what BK_LINEAR reads as its weight, maybe through BK_RESHAPE, and no
 * other op reads. An unused one is a tensor like others. */
void params_add_matrix(params *p, param_init init, int used, int32_t rank, const int64_t *dim,
                       const char *name);

/* Returns 1 if linear layers' matrices are stored as 16-bit floats: then no optimiser can change them. */
int params_are_half(const params *p);

/* Returns 1 for a tensor that an optimiser changes. */
int param_trained(const param *p);

/* Returns the index of a tensor, or -1. */
int32_t params_find(const params *p, const char *name);

/* Fills the array `weights` (p->bytes). Each tensor has its own random stream, by its name. */
void params_fill(const params *p, uint64_t seed, void *weights);

/* Both know the type of an element: a real one, or a 16-bit float, to which x is rounded. */
double real_get(const void *array, bk_dtype type, size_t i);
void real_set(void *array, bk_dtype type, size_t i, double x);

#endif
