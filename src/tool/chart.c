/* SPDX-License-Identifier: Apache-2.0 */
/* chart.c - axes, ticks, curves and legend of one chart. */
#include "chart.h"

#include <math.h>

#include "html.h"

enum { WIDTH = 520, HEIGHT = 270, LEFT = 66, RIGHT = 14, TOP = 12, BOTTOM = 50, COLOURS = 4 };
static const double decade = 8; /* a range whose ends differ less than by this factor needs no logarithm */

typedef struct range {
    double low, high; /* low < high once the chart has points */
    bool logarithmic;
} range;

typedef struct frame {
    FILE *out;
    const chart *chart;
    range x, y;
} frame;

/* ---- ranges ---- */

/* Widens the range so that it holds the value. */
static void range_add(range *r, double value)
{
    r->low = fmin(r->low, value);
    r->high = fmax(r->high, value);
}

static bool is_shown(const chart *c, double x, double y)
{
    return isfinite(x) && isfinite(y) && (!c->logarithmic || y > 0);
}

static bool find_ranges(frame *f)
{
    const chart *c = f->chart;
    f->x = f->y = (range){.low = INFINITY, .high = -INFINITY};
    for (size_t k = 0; k < c->count; k++)
        for (size_t i = 0; i < c->curves[k].count; i++)
            if (is_shown(c, c->curves[k].x[i], c->curves[k].y[i])) {
                range_add(&f->x, c->curves[k].x[i]);
                range_add(&f->y, c->curves[k].y[i]);
            }
    f->y.logarithmic = c->logarithmic && f->y.high > decade * f->y.low;
    return f->x.low <= f->x.high;
}

/* A range of one value becomes one around it; others get some air. */
static void widen(range *r, double part)
{
    double air = part * (r->logarithmic ? log(r->high / r->low) : r->high - r->low);
    if (r->low == r->high)
        air = r->logarithmic ? log(2) : fmax(fabs(r->low), 1) / 10;
    r->low = r->logarithmic ? r->low * exp(-air) : r->low - air;
    r->high = r->logarithmic ? r->high * exp(air) : r->high + air;
}

/* Where a value lies in its range, from 0 to 1. */
static double part_of(const range *r, double value)
{
    return r->logarithmic ? log(value / r->low) / log(r->high / r->low)
                          : (value - r->low) / (r->high - r->low);
}

static double x_at(const frame *f, double x)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * part_of(&f->x, x);
}

static double y_at(const frame *f, double y)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part_of(&f->y, y);
}

/* ---- ticks ---- */

/* 1, 2 or 5 times a power of ten: about `wanted` of them in the range. */
static double tick_step(const range *r, int wanted)
{
    double rough = (r->high - r->low) / wanted, power = pow(10, floor(log10(rough)));
    double digit = rough / power;
    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

/* The tick after `tick`, or the first one if `tick` is below the range. */
static double next_tick(const range *r, double tick, double step)
{
    if (!r->logarithmic)
        return tick < r->low ? step * ceil(r->low / step) : step * (round(tick / step) + 1);
    static const double digits[] = {1, 2, 5, 10};
    double from = tick < r->low ? r->low * (1 - 1e-9) : tick * (1 + 1e-9);
    double power = pow(10, floor(log10(from)));
    for (size_t i = 0; i < 4; i++)
        if (power * digits[i] > from)
            return power * digits[i];
    return 20 * power;
}

static void draw_tick(const frame *f, bool vertical, double value)
{
    if (vertical)
        fprintf(f->out,
                "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g"
                "</text>\n",
                LEFT, y_at(f, value), WIDTH - RIGHT, LEFT - 8, y_at(f, value) + 4, value);
    else
        fprintf(f->out,
                "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text x=\"%.1f\" y=\"%d\" "
                "text-anchor=\"middle\">%.6g</text>\n",
                x_at(f, value), TOP, HEIGHT - BOTTOM, x_at(f, value), HEIGHT - BOTTOM + 18, value);
}

static void draw_ticks(const frame *f, bool vertical)
{
    const range *r = vertical ? &f->y : &f->x;
    double step = tick_step(r, vertical ? 5 : 6);
    double slack = r->logarithmic ? 0 : 1e-9 * step;
    int drawn = 0;
    for (double t = next_tick(r, -INFINITY, step); t <= r->high + slack && drawn < 24;
         t = next_tick(r, t, step), drawn++)
        draw_tick(f, vertical, fabs(t) < slack ? 0 : t);
}

static void draw_axes(const frame *f)
{
    draw_ticks(f, true);
    draw_ticks(f, false);
    html(f->out, "<text class=\"axis\" text-anchor=\"middle\" ");
    fprintf(f->out, "x=\"%d\" y=\"%d\">", (WIDTH + LEFT - RIGHT) / 2, HEIGHT - 8);
    html(f->out, "%s</text>\n<text class=\"axis\" text-anchor=\"middle\" ", f->chart->x_name);
    fprintf(f->out, "transform=\"translate(15 %d) rotate(-90)\">", (HEIGHT + TOP - BOTTOM) / 2);
    html(f->out, "%s</text>\n", f->chart->y_name);
}

/* ---- curves ---- */

static void draw_curve(const frame *f, size_t index)
{
    const chart_curve *c = &f->chart->curves[index];
    size_t shown = 0;
    fprintf(f->out, "<path class=\"curve c%zu\" d=\"", index % COLOURS);
    for (size_t i = 0; i < c->count; i++)
        if (is_shown(f->chart, c->x[i], c->y[i])) {
            fprintf(f->out, "%c%.1f %.1f", shown ? 'L' : 'M', x_at(f, c->x[i]), y_at(f, c->y[i]));
            shown++;
        }
    fputs("\"/>\n", f->out);
    for (size_t i = 0; (c->dots || shown == 1) && i < c->count; i++) /* a line of one point is not seen */
        if (is_shown(f->chart, c->x[i], c->y[i]))
            fprintf(f->out, "<circle class=\"dot c%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\"/>\n",
                    index % COLOURS, x_at(f, c->x[i]), y_at(f, c->y[i]));
}

/* What a reader who cannot see the curves is told: where each begins and ends. */
static void describe(const frame *f)
{
    html(f->out, "<svg viewBox=\"0 0 520 270\" role=\"img\" aria-label=\"%s.", f->chart->title);
    for (size_t k = 0; k < f->chart->count; k++) {
        const chart_curve *c = &f->chart->curves[k];
        if (c->count == 0)
            continue;
        html(f->out, " %s: ", c->name);
        fprintf(f->out, "%.4g at first, %.4g at the end.", c->y[0], c->y[c->count - 1]);
    }
    fputs("\">\n", f->out);
}

static void write_legend(const frame *f)
{
    fputs("<ul class=\"legend\">", f->out);
    for (size_t k = 0; k < f->chart->count; k++) {
        fprintf(f->out, "<li><span class=\"key k%zu\"></span>", k % COLOURS);
        html(f->out, "%s</li>", f->chart->curves[k].name);
    }
    fputs("</ul>\n", f->out);
}

void chart_write(FILE *out, const chart *c)
{
    frame f = {.out = out, .chart = c};
    html(out, "<figure class=\"chart\">\n<figcaption>%s</figcaption>\n", c->title);
    if (find_ranges(&f)) {
        widen(&f.x, 0);
        widen(&f.y, 0.04);
        describe(&f);
        draw_axes(&f);
        for (size_t k = 0; k < c->count; k++)
            draw_curve(&f, k);
        fputs("</svg>\n", out);
        write_legend(&f);
    } else {
        fputs("<p>There are no values to draw.</p>\n", out);
    }
    if (c->note)
        html(out, "<p class=\"note\">%s</p>\n", c->note);
    fputs("</figure>\n", out);
}
