/* SPDX-License-Identifier: Apache-2.0 */
/* overlay.c - draws slices and the edges between voxels of different labels, by cairo. */
#include "overlay.h"

#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "tool.h"

/* ---- which slice ---- */

static size_t count_labelled(const float *slice, size_t pixels, float background)
{
    size_t count = 0;
    for (size_t i = 0; i < pixels; i++)
        count += slice[i] != background;
    return count;
}

/* The slice with most labelled voxels; *most: how many. */
static size_t fullest(const slmt_volume *v, float background, size_t *most)
{
    int64_t dims[3];
    size_t found = 0;
    slmt_volume_dims(v, dims);
    const size_t pixels = (size_t)(dims[0] * dims[1]);
    *most = 0;
    for (size_t z = 0; z < (size_t)dims[2]; z++) {
        size_t count = count_labelled(slmt_volume_voxels(v) + z * pixels, pixels, background);
        if (count > *most) {
            *most = count;
            found = z;
        }
    }
    return found;
}

static float *copy_slice(const float *voxels, size_t slice, size_t pixels)
{
    float *copy = must_alloc(pixels, sizeof *copy);
    memcpy(copy, voxels + slice * pixels, pixels * sizeof *copy);
    return copy;
}

overlay overlay_of(const label_case *c, const label_classes *classes)
{
    int64_t dims[3];
    size_t most;
    const float background = (float)classes->value[0];
    slmt_volume_dims(c->truth, dims);
    const size_t pixels = (size_t)(dims[0] * dims[1]);
    size_t z = fullest(c->truth, background, &most);
    if (most == 0)
        z = fullest(c->answer, background, &most);
    if (most == 0)
        z = (size_t)dims[2] / 2;
    return (overlay){.wide = (size_t)dims[0],
                     .high = (size_t)dims[1],
                     .grey = c->grey ? copy_slice(c->grey, z, pixels) : NULL,
                     .truth = copy_slice(slmt_volume_voxels(c->truth), z, pixels),
                     .answer = copy_slice(slmt_volume_voxels(c->answer), z, pixels)};
}

void overlay_free(overlay *o)
{
    free(o->title);
    free(o->grey);
    free(o->truth);
    free(o->answer);
    *o = (overlay){.title = NULL};
}

/* ---- drawing ---- */

enum { LEAST_SIDE = 384, LEAST_WIDTH = 260, TITLE = 26, LEGEND = 26, GAP = 8 };

static const double truth_colour[3] = {0.20, 0.60, 1.00}, answer_colour[3] = {1.00, 0.55, 0.10};

/* Pixels of the picture for a voxel: a whole number. */
static double zoom_of(const overlay *o)
{
    const size_t side = o->wide > o->high ? o->wide : o->high, zoom = (LEAST_SIDE + side - 1) / side;
    return side < LEAST_SIDE ? (double)zoom : 1;
}

static double width_of(const overlay *o)
{
    return fmax(zoom_of(o) * (double)o->wide, LEAST_WIDTH);
}

/* Row y of a slice counts from below: axis 1 goes up. */
static void draw_grey(cairo_t *pen, const overlay *o)
{
    const int stride = cairo_format_stride_for_width(CAIRO_FORMAT_RGB24, (int)o->wide);
    unsigned char *bytes = must_alloc((size_t)stride * o->high, 1);
    for (size_t y = 0; y < o->high && o->grey; y++)
        for (size_t x = 0; x < o->wide; x++) {
            const float value = o->grey[(o->high - 1 - y) * o->wide + x];
            const uint32_t level = (uint32_t)lroundf(255 * fminf(fmaxf(value, 0), 1)),
                           pixel = level << 16 | level << 8 | level;
            memcpy(bytes + y * (size_t)stride + 4 * x, &pixel, sizeof pixel);
        }
    cairo_surface_t *image =
        cairo_image_surface_create_for_data(bytes, CAIRO_FORMAT_RGB24, (int)o->wide, (int)o->high, stride);
    cairo_set_source_surface(pen, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(pen), CAIRO_FILTER_NEAREST);
    cairo_paint(pen);
    cairo_surface_destroy(image);
    free(bytes);
}

static void draw_edges(cairo_t *pen, const overlay *o, const float *labels, const double colour[3],
                       double thickness)
{
    for (size_t y = 0; y < o->high; y++)
        for (size_t x = 0; x < o->wide; x++) {
            const float *here = labels + y * o->wide + x;
            const double top = (double)(o->high - 1 - y);
            if (x + 1 < o->wide && here[0] != here[1]) {
                cairo_move_to(pen, (double)x + 1, top);
                cairo_line_to(pen, (double)x + 1, top + 1);
            }
            if (y + 1 < o->high && here[0] != here[o->wide]) {
                cairo_move_to(pen, (double)x, top);
                cairo_line_to(pen, (double)x + 1, top);
            }
        }
    cairo_set_source_rgb(pen, colour[0], colour[1], colour[2]);
    cairo_set_line_width(pen, thickness / zoom_of(o));
    cairo_set_line_cap(pen, CAIRO_LINE_CAP_SQUARE);
    cairo_stroke(pen);
}

static void draw_panel(cairo_t *pen, const overlay *o, double left)
{
    cairo_set_source_rgb(pen, 1, 1, 1);
    cairo_move_to(pen, left + 4, TITLE - 8);
    cairo_show_text(pen, o->title);
    cairo_save(pen);
    cairo_translate(pen, left, TITLE);
    cairo_scale(pen, zoom_of(o), zoom_of(o));
    cairo_rectangle(pen, 0, 0, (double)o->wide, (double)o->high);
    cairo_clip(pen);
    draw_grey(pen, o);
    draw_edges(pen, o, o->truth, truth_colour, 3);
    draw_edges(pen, o, o->answer, answer_colour, 1.2);
    cairo_restore(pen);
}

static void draw_legend(cairo_t *pen, double height)
{
    const struct {
        const char *text;
        const double *colour;
        double left;
    } rows[] = {{"truth", truth_colour, 4}, {"answer", answer_colour, 90}};
    for (size_t i = 0; i < 2; i++) {
        cairo_set_source_rgb(pen, rows[i].colour[0], rows[i].colour[1], rows[i].colour[2]);
        cairo_move_to(pen, rows[i].left, height - 9);
        cairo_show_text(pen, rows[i].text);
    }
}

static int write_surface(cairo_surface_t *surface, cairo_t *pen, const char *path)
{
    cairo_status_t status = cairo_status(pen);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png(surface, path);
    return status == CAIRO_STATUS_SUCCESS
               ? EXIT_OK
               : fail_with(EXIT_DATA, "%s: %s", path, cairo_status_to_string(status));
}

int overlay_write(const char *path, const overlay *panels, size_t count)
{
    double width = 0, height = 0, left = 0;
    for (size_t i = 0; i < count; i++) {
        width += width_of(&panels[i]) + (i ? GAP : 0);
        height = fmax(height, zoom_of(&panels[i]) * (double)panels[i].high);
    }
    height += TITLE + LEGEND;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    cairo_t *pen = cairo_create(surface);
    cairo_set_source_rgb(pen, 0.1, 0.1, 0.1);
    cairo_paint(pen);
    cairo_select_font_face(pen, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(pen, 13);
    for (size_t i = 0; i < count; i++) {
        draw_panel(pen, &panels[i], left);
        left += width_of(&panels[i]) + GAP;
    }
    draw_legend(pen, height);
    int code = write_surface(surface, pen, path);
    cairo_destroy(pen);
    cairo_surface_destroy(surface);
    return code;
}
