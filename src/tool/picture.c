/* SPDX-License-Identifier: Apache-2.0 */
/* Grey pictures by libpng, charts with their letters by cairo. */
#include "picture.h"

#include <cairo.h>
#include <math.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "tool.h"

/* ---- slices ---- */

enum { MOST_SLICES = 16, COLUMNS = 4 };

static bool is_filled(const float *slice, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++)
        if (slice[i] != 0)
            return true;
    return false;
}

/* Chooses slices from the middle half of those that are filled; all are taken for filled where none is. */
static size_t choose_slices(const float *voxels, const int64_t dims[3], int64_t chosen[MOST_SLICES])
{
    size_t pixels = (size_t)(dims[0] * dims[1]);
    int64_t first = 0, end = dims[2];
    while (first < end && !is_filled(voxels + (size_t)first * pixels, pixels))
        first++;
    while (end > first && !is_filled(voxels + (size_t)(end - 1) * pixels, pixels))
        end--;
    if (first == end)
        first = 0, end = dims[2];
    int64_t length = (end - first + 1) / 2, start = first + (end - first - length) / 2;
    size_t count = length < MOST_SLICES ? (size_t)length : MOST_SLICES;
    for (size_t i = 0; i < count; i++)
        chosen[i] = start + (int64_t)((2 * i + 1) * (size_t)length / (2 * count));
    return count;
}

static unsigned char grey(double value, double white)
{
    double part = value / white;
    return (unsigned char)lround(255 * (part < 0 ? 0 : part > 1 ? 1 : part));
}

/* Axis 1 goes up. */
static void paint_slice(const float *slice, const int64_t dims[3], double white, unsigned char *to,
                        size_t stride)
{
    for (int64_t y = 0; y < dims[1]; y++)
        for (int64_t x = 0; x < dims[0]; x++)
            to[(size_t)y * stride + (size_t)x] = grey(slice[(dims[1] - 1 - y) * dims[0] + x], white);
}

int picture_slices(const char *path, const slmt_volume *volume, double white)
{
    int64_t dims[3], chosen[MOST_SLICES];
    const float *voxels = slmt_volume_voxels(volume);
    slmt_volume_dims(volume, dims);
    size_t count = choose_slices(voxels, dims, chosen), wide = (size_t)dims[0], high = (size_t)dims[1];
    size_t columns = count < COLUMNS ? count : COLUMNS, rows = (count + columns - 1) / columns;
    size_t stride = columns * wide;
    unsigned char *pixels = must_alloc(rows * high * stride, 1);
    for (size_t i = 0; i < count; i++)
        paint_slice(voxels + (size_t)chosen[i] * wide * high, dims, white,
                    pixels + i / columns * high * stride + i % columns * wide, stride);
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)stride,
                       .height = (png_uint_32)(rows * high),
                       .format = PNG_FORMAT_GRAY};
    int written = png_image_write_to_file(&image, path, 0, pixels, 0, NULL);
    free(pixels);
    return written ? EXIT_OK : fail_with(EXIT_DATA, "%s: %s", path, image.message);
}

/* ---- charts ---- */

enum { GROUP_WIDTH = 110, BAR_PIXELS = 38, PLOT_HEIGHT = 300, LEFT = 60, RIGHT = 20, TOP = 70, BOTTOM = 46 };

static const double colours[2][3] = {{0.12, 0.42, 0.70}, {0.87, 0.45, 0.13}};

typedef struct chart {
    cairo_t *pen;
    double width;
    double low, high, step; /* of the axis */
} chart;

/* 1, 2 or 5 times a power of ten: about five of them in the range. */
static double tick_step(double range)
{
    double rough = range / 5, power = pow(10, floor(log10(rough)));
    return rough <= power       ? power
           : rough <= 2 * power ? 2 * power
           : rough <= 5 * power ? 5 * power
                                : 10 * power;
}

static void scale_chart(chart *c, const bar_group *groups, size_t count)
{
    double low = 0, high = 0;
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < 2; k++) {
            low = fmin(low, groups[i].value[k]);
            high = fmax(high, groups[i].value[k]);
        }
    if (!(high - low > 1e-9))
        high = low + 1;
    c->step = tick_step(high - low);
    c->low = floor(low / c->step - 0.25) * c->step; /* room for the numbers at the bars' ends */
    c->high = ceil(high / c->step + 0.25) * c->step;
}

static double height_of(const chart *c, double value)
{
    return TOP + PLOT_HEIGHT * (c->high - value) / (c->high - c->low);
}

/* Writes with the point (x, y) at `anchor` of the text's width (0: its left end, 1: its right) and
 * mid-height. */
static void write_text(const chart *c, double x, double y, double anchor, const char *text)
{
    cairo_text_extents_t size;
    cairo_text_extents(c->pen, text, &size);
    cairo_move_to(c->pen, x - anchor * size.x_advance, y + 4);
    cairo_show_text(c->pen, text);
}

static void black(const chart *c)
{
    cairo_set_source_rgb(c->pen, 0.1, 0.1, 0.1);
}

static void draw_axis(const chart *c)
{
    char text[32];
    long last = lround((c->high - c->low) / c->step);
    for (long i = 0; i <= last; i++) {
        double value = c->low + (double)i * c->step, y = round(height_of(c, value)) + 0.5;
        bool zero = fabs(value) < 1e-9 * c->step;
        cairo_set_source_rgb(c->pen, zero ? 0.1 : 0.85, zero ? 0.1 : 0.85, zero ? 0.1 : 0.85);
        cairo_set_line_width(c->pen, 1);
        cairo_move_to(c->pen, LEFT, y);
        cairo_line_to(c->pen, c->width - RIGHT, y);
        cairo_stroke(c->pen);
        black(c);
        snprintf(text, sizeof text, "%.4g", zero ? 0 : value);
        write_text(c, LEFT - 8, y, 1, text);
    }
}

static void draw_bar(const chart *c, double x, double value, const double colour[3])
{
    char text[32];
    double zero = height_of(c, 0), end = height_of(c, value);
    cairo_set_source_rgb(c->pen, colour[0], colour[1], colour[2]);
    cairo_rectangle(c->pen, x, fmin(zero, end), BAR_PIXELS, fabs(end - zero));
    cairo_fill(c->pen);
    black(c);
    snprintf(text, sizeof text, "%.2f", value);
    write_text(c, x + BAR_PIXELS / 2.0, value < 0 ? end + 10 : end - 10, 0.5, text);
}

static void draw_groups(const chart *c, const bar_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double middle = LEFT + GROUP_WIDTH * ((double)i + 0.5);
        draw_bar(c, middle - BAR_PIXELS - 1, groups[i].value[0], colours[0]);
        draw_bar(c, middle + 1, groups[i].value[1], colours[1]);
        write_text(c, middle, TOP + PLOT_HEIGHT + 20, 0.5, groups[i].label);
    }
}

static void draw_legend(const chart *c, const char *const series[2], const char *title)
{
    black(c);
    write_text(c, LEFT, 18, 0, title);
    for (int k = 0; k < 2; k++) {
        double y = 36 + 17 * k;
        cairo_set_source_rgb(c->pen, colours[k][0], colours[k][1], colours[k][2]);
        cairo_rectangle(c->pen, LEFT, y - 5, 11, 11);
        cairo_fill(c->pen);
        black(c);
        write_text(c, LEFT + 18, y, 0, series[k]);
    }
}

int picture_bars(const char *path, const bar_group *groups, size_t count, const char *const series[2],
                 const char *title)
{
    enum { LEAST_WIDTH = 420 }; /* for title and legend */
    double width = LEFT + GROUP_WIDTH * (double)count + RIGHT;
    chart c = {.width = fmax(width, LEAST_WIDTH)};
    scale_chart(&c, groups, count);
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)c.width, TOP + PLOT_HEIGHT + BOTTOM);
    c.pen = cairo_create(surface);
    cairo_set_source_rgb(c.pen, 1, 1, 1);
    cairo_paint(c.pen);
    cairo_select_font_face(c.pen, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c.pen, 13);
    draw_legend(&c, series, title);
    draw_axis(&c);
    draw_groups(&c, groups, count);
    cairo_status_t status = cairo_status(c.pen);
    cairo_destroy(c.pen);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png(surface, path);
    cairo_surface_destroy(surface);
    return status == CAIRO_STATUS_SUCCESS
               ? EXIT_OK
               : fail_with(EXIT_DATA, "%s: %s", path, cairo_status_to_string(status));
}
