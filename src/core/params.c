/* SPDX-License-Identifier: Apache-2.0 */
/* params.c - the tensor list and the initial values. */
#include "core/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/graph.h"
#include "lib/half.h"
#include "lib/random_fill.h"
#include "lib/size.h"

void params_init(params *p, mem *m, bk_dtype real, bk_dtype matrix)
{
    *p = (params){.mem = m, .real = real, .matrix = matrix};
}

void params_clear(params *p)
{
    mem_give(p->mem, p->list);
    p->list = NULL;
    p->n = p->capacity = 0;
}

double real_get(const void *array, bk_dtype type, size_t i)
{
    if (bk_is_half(type))
        return bk_widen(type, ((const uint16_t *)array)[i]);
    return type == BK_F64 ? ((const double *)array)[i] : (double)((const float *)array)[i];
}

void real_set(void *array, bk_dtype type, size_t i, double x)
{
    if (bk_is_half(type))
        ((uint16_t *)array)[i] = half_narrow(type, (float)x);
    else if (type == BK_F64)
        ((double *)array)[i] = x;
    else
        ((float *)array)[i] = (float)x;
}

static status room_for_one(params *p)
{
    if (p->n < p->capacity)
        return OK;
    int32_t more = p->capacity ? 2 * p->capacity : 128;
    void *list = p->list;
    TRY(mem_resize(p->mem, &list, (size_t)more, sizeof(param)));
    p->list = list;
    p->capacity = more;
    return OK;
}

/* Every tensor starts on a 64-byte boundary. */
static size_t padded(size_t count, bk_dtype type)
{
    size_t line = bk_is_half(type) ? 32 : 16;
    return (count + line - 1) / line * line;
}

static void add(params *p, param_init init, param_role role, int used, int matrix, int32_t rank,
                const int64_t *dim, const char *name)
{
    bk_dtype type = matrix ? p->matrix : p->real;
    const bk_shape shape = shape_of(type, rank, dim);
    if (p->error == OK)
        p->error = size_check(&shape, name);
    if (p->error == OK)
        p->error = room_for_one(p);
    if (p->error != OK)
        return;
    param t = {.init = init, .role = role, .used = used, .matrix = matrix, .shape = shape};
    snprintf(t.name, sizeof t.name, "%s", name);
    t.count = (size_t)bk_count(&t.shape);
    if (used) {
        t.offset = p->total;
        t.byte = p->bytes;
        p->total += padded(t.count, p->real);
        p->bytes += padded(t.count, type) * bk_dtype_size(type);
    }
    p->list[p->n++] = t;
}

void params_add(params *p, param_init init, int used, int32_t rank, const int64_t *dim, const char *name)
{
    add(p, init, ROLE_WEIGHT, used, 0, rank, dim, name);
}

void params_add_role(params *p, param_role role, param_init init, int32_t rank, const int64_t *dim,
                     const char *name)
{
    add(p, init, role, 1, 0, rank, dim, name);
}

void params_add_matrix(params *p, param_init init, int used, int32_t rank, const int64_t *dim,
                       const char *name)
{
    add(p, init, ROLE_WEIGHT, used, used, rank, dim, name);
}

int params_are_half(const params *p)
{
    return bk_is_half(p->matrix);
}

int32_t params_find(const params *p, const char *name)
{
    for (int32_t i = 0; i < p->n; i++)
        if (strcmp(p->list[i].name, name) == 0)
            return i;
    return -1;
}

/* Row 0 (cls) is 0; then for each cell of an n x n grid, first half of the channels: column, second half:
 * row; within a half: sin, then cos, of position / 10000^(2i/half). */
static double position_value(const param *t, size_t element)
{
    int64_t width = t->shape.dim[2], half = width / 2, quarter = half / 2;
    int64_t token = (int64_t)element / width, c = (int64_t)element % width;
    int64_t side = (int64_t)(sqrt((double)(t->shape.dim[1] - 1)) + 0.5);
    if (token == 0)
        return 0;
    int64_t place = c < half ? (token - 1) % side : (token - 1) / side;
    int64_t i = c % half;
    double angle = (double)place / pow(10000.0, (double)(i % quarter) / (double)quarter);
    return i < quarter ? sin(angle) : cos(angle);
}

int param_trained(const param *p)
{
    return p->used && p->role == ROLE_WEIGHT;
}

static double sobel_value(size_t element)
{
    static const double filters[18] = {-1, 0, 1, -2, 0, 2, -1, 0, 1, 1, 2, 1, 0, 0, 0, -1, -2, -1};
    return filters[element % 18];
}

/* 1 - |i - (k - 1) / 2| / (k / 2) along both axes where row and column name the same class, else 0. */
static double bilinear_value(const param *t, size_t element)
{
    const int64_t *dim = t->shape.dim;
    int64_t k = dim[3], at = (int64_t)element, x = at % k, y = at / k % dim[2], plane = at / (k * dim[2]);
    double middle = (double)(k - 1) / 2, reach = (double)((k + 1) / 2);
    if (plane / dim[1] != plane % dim[1])
        return 0;
    return (1 - fabs((double)x - middle) / reach) * (1 - fabs((double)y - middle) / reach);
}

/* Tensors are drawn in parts of so many elements. */
enum { PART = 4096 };

/* x[i] = a uniform number between -times / over and times / over */
static void draw_uniform(random_stream *r, double times, double over, size_t n, float *x)
{
    double u[PART];
    random_fill_uniform(random_filler_for(4), r, n, u);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((2 * u[i] - 1) * times / over);
}

static double fixed_value(const param *t, size_t element)
{
    switch (t->init) {
    case INIT_POSITION:
        return position_value(t, element);
    case INIT_SOBEL:
        return sobel_value(element);
    case INIT_BILINEAR:
        return bilinear_value(t, element);
    case INIT_QUARTER:
        return 0.25;
    default:
        return t->init == INIT_ONE;
    }
}

/* Elements `first` to first + n - 1; those that are drawn follow each other in the stream. */
static void draw(const param *t, random_stream *r, size_t first, size_t n, float *x)
{
    const random_filler *f = random_filler_for(4);
    double rows = (double)t->shape.dim[0], columns = (double)t->count / rows;
    switch (t->init) {
    case INIT_XAVIER:
        draw_uniform(r, sqrt(6 / (rows + columns)), 1, n, x);
        return;
    case INIT_NORMAL:
        random_fill_normal(f, r, 0.02, n, x);
        return;
    case INIT_SMALL:
        random_fill_normal(f, r, 0.001, n, x);
        return;
    case INIT_TRUNCATED:
        random_fill_truncated(f, r, 0.02, n, x);
        return;
    case INIT_FAN_IN:
        draw_uniform(r, 1, sqrt(columns), n, x);
        return;
    case INIT_HE:
        random_fill_normal(f, r, sqrt(2 / columns), n, x);
        return;
    default:
        for (size_t i = 0; i < n; i++)
            x[i] = (float)fixed_value(t, first + i);
    }
}

static void store(const float *x, bk_dtype type, size_t first, size_t n, void *array)
{
    if (bk_is_half(type))
        half_narrow_all(type, x, n, (uint16_t *)array + first);
    else if (type == BK_F64)
        for (size_t i = 0; i < n; i++)
            ((double *)array)[first + i] = x[i];
    else
        memcpy((float *)array + first, x, n * sizeof *x);
}

/* Values are rounded to float32 for every type: one start for all. What lies behind the last is 0. */
static void fill_tensor(const param *t, uint64_t seed, void *array)
{
    bk_dtype type = (bk_dtype)t->shape.dtype;
    size_t size = bk_dtype_size(type), behind = padded(t->count, type) - t->count;
    float x[PART];
    random_stream r = random_open(seed, random_purpose(t->name, 0));
    for (size_t first = 0; first < t->count; first += PART) {
        size_t n = t->count - first < PART ? t->count - first : PART;
        draw(t, &r, first, n, x);
        store(x, type, first, n, array);
    }
    memset((unsigned char *)array + t->count * size, 0, behind * size);
}

void params_fill(const params *p, uint64_t seed, void *weights)
{
    for (int32_t k = 0; k < p->n; k++)
        if (p->list[k].used)
            fill_tensor(&p->list[k], seed, (unsigned char *)weights + p->list[k].byte);
}
