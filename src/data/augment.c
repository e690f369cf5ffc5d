/* SPDX-License-Identifier: Apache-2.0 */
/* augment.c - flips, quarter turns, noise, specks, and PIL's ImageEnhance steps on 8-bit values. */
#include "data/augment.h"

#include <stddef.h>
#include <string.h>

/* ---- geometry ---- */

static void swap(float *a, float *b)
{
    float t = *a;
    *a = *b;
    *b = t;
}

void augment_flip(float *image, int size, int axis)
{
    size_t n = (size_t)size, down = axis == 0 ? n : 1, across = axis == 0 ? 1 : n;
    for (size_t i = 0; i < n / 2; i++)
        for (size_t j = 0; j < n; j++)
            swap(&image[i * down + j * across], &image[(n - 1 - i) * down + j * across]);
}

void augment_rotate(float *image, int size, int turns, float *scratch)
{
    size_t n = (size_t)size;
    for (int t = 0; t < turns; t++) {
        memcpy(scratch, image, n * n * sizeof *image);
        for (size_t r = 0; r < n; r++)
            for (size_t c = 0; c < n; c++)
                image[r * n + c] = scratch[c * n + (n - 1 - r)];
    }
}

/* ---- noise ---- */

static void add_noise(float *image, int size, random_stream *r)
{
    for (size_t i = 0; i < (size_t)size * (size_t)size; i++)
        image[i] += (float)(0.002 + 0.002 * random_normal(r));
}

/* Sets 0.15 % of the pixels, drawn with replacement, to 0 or 1. */
static void add_specks(float *image, int size, random_stream *r)
{
    uint32_t pixels = (uint32_t)size * (uint32_t)size, specks = (uint32_t)(0.0015 * pixels + 0.5);
    for (uint32_t i = 0; i < specks; i++) {
        uint32_t at = random_below(r, pixels);
        image[at] = (float)random_below(r, 2);
    }
}

/* ---- tone ---- */

static uint8_t blend(int dull, int value, float factor)
{
    float x = (float)dull + factor * (float)(value - dull);
    return x <= 0 ? 0 : x >= 255 ? 255 : (uint8_t)x;
}

static void quantise(const float *image, size_t n, uint8_t *q)
{
    for (size_t i = 0; i < n; i++) {
        float x = image[i] < 0 ? 0 : image[i] > 1 ? 1 : image[i];
        q[i] = (uint8_t)(x * 255 + 0.5f);
    }
}

static void blend_with_value(uint8_t *q, size_t n, int dull, float factor)
{
    for (size_t i = 0; i < n; i++)
        q[i] = blend(dull, q[i], factor);
}

static int rounded_mean(const uint8_t *q, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += q[i];
    return (int)((2 * sum + n) / (2 * n));
}

/* (sum of the 3x3 neighbours + 4 * the middle) / 13, rounded. */
static int smoothed(const uint8_t *q, size_t n, size_t at)
{
    const uint8_t *up = q + at - n, *mid = q + at, *low = q + at + n;
    int sum = up[-1] + up[0] + up[1] + mid[-1] + 5 * mid[0] + mid[1] + low[-1] + low[0] + low[1];
    return (2 * sum + 13) / 26;
}

/* Reads q, writes out. */
static void sharpen(const uint8_t *q, size_t n, float factor, uint8_t *out)
{
    for (size_t r = 0; r < n; r++) {
        for (size_t c = 0; c < n; c++) {
            size_t at = r * n + c;
            int edge = r == 0 || c == 0 || r == n - 1 || c == n - 1;
            out[at] = blend(edge ? q[at] : smoothed(q, n, at), q[at], factor);
        }
    }
}

void augment_tone(float *image, int size, float brightness, float contrast, float sharpness, float *scratch)
{
    size_t side = (size_t)size, n = side * side;
    uint8_t *q = (uint8_t *)scratch, *out = q + n; /* scratch has room for four bytes a pixel */
    quantise(image, n, q);
    blend_with_value(q, n, 0, brightness);
    blend_with_value(q, n, rounded_mean(q, n), contrast);
    sharpen(q, side, sharpness, out);
    for (size_t i = 0; i < n; i++)
        image[i] = (float)out[i] / 255;
}

/* ---- the two stages ---- */

/* Draws from, from + 1, ... or `to` tenths with equal probability. */
static float draw_tenths(random_stream *r, int from, int to)
{
    return (float)(from + (int)random_below(r, (uint32_t)(to - from + 1))) / 10;
}

void augment_pretrain(float *image, float *target, int size, float *scratch, random_stream *r)
{
    (void)target;
    int flip = (int)random_below(r, 3);
    if (flip > 0)
        augment_flip(image, size, flip - 1);
    augment_rotate(image, size, (int)random_below(r, 4), scratch);
    if (random_below(r, 4) == 0)
        add_noise(image, size, r);
    if (random_below(r, 4) == 0)
        add_specks(image, size, r);
    float brightness = draw_tenths(r, 8, 12), contrast = draw_tenths(r, 8, 12);
    augment_tone(image, size, brightness, contrast, draw_tenths(r, 0, 30), scratch);
}

void augment_finetune(float *source, float *target, int size, float *scratch, random_stream *r)
{
    int flip = (int)random_below(r, 3);
    int turns = random_below(r, 2) == 0 ? 1 + (int)random_below(r, 3) : 0;
    float *const both[] = {source, target};
    for (int i = 0; i < (target ? 2 : 1); i++) {
        if (flip > 0)
            augment_flip(both[i], size, flip - 1);
        augment_rotate(both[i], size, turns, scratch);
    }
    float brightness = draw_tenths(r, 7, 13), contrast = draw_tenths(r, 4, 11);
    augment_tone(source, size, brightness, contrast, draw_tenths(r, 7, 13), scratch);
}
