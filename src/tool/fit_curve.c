/* SPDX-License-Identifier: Apache-2.0 */
/* fit_curve.c - curves as lines of text: a line cut short by a crash is no line. */
#include "fit_curve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "stream.h"

void fit_curve_append(FILE *file, const char *name, uint64_t step, double value)
{
    fprintf(file, "%s %" PRIu64 " %.9g;\n", name, step, value);
}

static void add(fit_curve *c, double step, double value)
{
    while (c->count && c->step[c->count - 1] >= step)
        c->count--;
    c->step = must_grow(c->step, c->count + 1, sizeof *c->step);
    c->value = must_grow(c->value, c->count + 1, sizeof *c->value);
    c->step[c->count] = step;
    c->value[c->count++] = value;
}

fit_curve fit_curve_read(const char *path, const char *name)
{
    fit_curve curve = {0};
    char line[256], word[64];
    double step, value;
    FILE *file = stream_read(path);
    if (!file && errno == ENOMEM)
        out_of_memory();
    while (file && fgets(line, sizeof line, file))
        if (strchr(line, ';') && sscanf(line, "%63s %lf %lf", word, &step, &value) == 3 &&
            strcmp(word, name) == 0)
            add(&curve, step, value);
    if (file)
        fclose(file);
    return curve;
}

void fit_curve_thin(fit_curve *curve, size_t most)
{
    size_t n = curve->count, made = n < most ? n : most;
    for (size_t i = 0; i < made; i++) {
        size_t first = i * n / made, end = (i + 1) * n / made;
        double step = 0, value = 0;
        for (size_t k = first; k < end; k++) {
            step += curve->step[k];
            value += curve->value[k];
        }
        curve->step[i] = step / (double)(end - first);
        curve->value[i] = value / (double)(end - first);
    }
    curve->count = made;
}

void fit_curve_free(fit_curve *curve)
{
    free(curve->step);
    free(curve->value);
    *curve = (fit_curve){0};
}
