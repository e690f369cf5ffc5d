/* SPDX-License-Identifier: Apache-2.0 */
/* label_objects.c - finds objects by filling each from its first pixel on. */
#include "data/label_objects.h"

#include <string.h>

typedef struct filling {
    const int32_t *labels;
    const int64_t *dim;
    int32_t *object;
    int64_t *stack, waiting;
} filling;

static int64_t pixels_of(const int64_t dim[3])
{
    return dim[0] * dim[1] * dim[2];
}

/* Takes a neighbour into the object if it is of the same class and not yet taken. */
static void take(filling *f, int64_t at, int32_t label, int32_t number)
{
    if (f->labels[at] != label || f->object[at] != 0)
        return;
    f->object[at] = number;
    f->stack[f->waiting++] = at;
}

/* Gives an object its number; returns how many pixels it has. */
static int64_t fill(filling *f, int64_t first, int32_t number)
{
    int32_t label = f->labels[first];
    int64_t size = 0;
    take(f, first, label, number);
    for (; f->waiting > 0; size++) {
        int64_t at = f->stack[--f->waiting], step = 1, rest = at;
        for (int axis = 2; axis >= 0; step *= f->dim[axis--]) {
            int64_t place = rest % f->dim[axis];
            rest /= f->dim[axis];
            if (place > 0)
                take(f, at - step, label, number);
            if (place < f->dim[axis] - 1)
                take(f, at + step, label, number);
        }
    }
    return size;
}

int32_t label_objects(const int32_t *labels, const int64_t dim[3], int32_t *object, int64_t *stack)
{
    filling f = {labels, dim, object, stack, 0};
    int32_t count = 0;
    memset(object, 0, (size_t)pixels_of(dim) * sizeof *object);
    for (int64_t i = 0; i < pixels_of(dim); i++)
        if (labels[i] > 0 && object[i] == 0)
            fill(&f, i, ++count);
    return count;
}

/* Leaves the largest object of one class. */
static void keep_largest(filling *f, int32_t *labels, int64_t first)
{
    int32_t label = labels[first], number = 0, largest = 0;
    int64_t most = 0;
    for (int64_t i = first; i < pixels_of(f->dim); i++) {
        if (labels[i] != label || f->object[i] != 0)
            continue;
        int64_t size = fill(f, i, ++number);
        if (size > most) {
            most = size;
            largest = number;
        }
    }
    for (int64_t i = first; i < pixels_of(f->dim); i++)
        if (labels[i] == label && f->object[i] != largest)
            labels[i] = 0;
}

void label_keep_largest(int32_t *labels, const int64_t dim[3], int32_t *object, int64_t *stack)
{
    filling f = {labels, dim, object, stack, 0};
    memset(object, 0, (size_t)pixels_of(dim) * sizeof *object);
    for (int64_t i = 0; i < pixels_of(dim); i++)
        if (labels[i] > 0 && object[i] == 0)
            keep_largest(&f, labels, i);
}
