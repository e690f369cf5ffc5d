/* SPDX-License-Identifier: Apache-2.0 */
/* report_html.c - the parts of a report's page, one function each. */
#include "report_html.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "new_file.h"
#include "report_style.h"

/* ---- tables ---- */

/* A number, or a dash in its place, stands to the right. */
static bool is_number(const char *text)
{
    return isdigit((unsigned char)*text) ||
           (*text && strchr("+-.", *text) && (!text[1] || isdigit((unsigned char)text[1])));
}

static bool column_is_text(const html_table *t, size_t column)
{
    for (size_t i = t->columns + column; i < t->count; i += t->columns)
        if (*t->cells[i] && !is_number(t->cells[i]))
            return true;
    return false;
}

static void write_cell(FILE *out, const html_table *t, size_t index)
{
    size_t column = index % t->columns;
    if (column == 0)
        html(out, "<th scope=\"row\">%s</th>", t->cells[index]);
    else
        html(out, "<td class=\"%s\">%s</td>", column_is_text(t, column) ? "text" : "right", t->cells[index]);
}

static void write_heading_cell(FILE *out, const html_table *t, size_t column)
{
    html(out, "<th scope=\"col\" class=\"%s\">%s</th>",
         column && !column_is_text(t, column) ? "right" : "text", t->cells[column]);
}

static void write_table(FILE *out, const html_table *t)
{
    html(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table>\n", t->caption);
    html(out, "<caption>%s</caption>\n<thead><tr>", t->caption);
    for (size_t i = 0; i < t->columns; i++)
        write_heading_cell(out, t, i);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (size_t i = t->columns; i < t->count; i++) {
        size_t row = i / t->columns, column = i % t->columns;
        if (column == 0)
            fputs(row == t->marked ? "<tr class=\"marked\">" : "<tr>", out);
        write_cell(out, t, i);
        if (column == t->columns - 1)
            fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

/* ---- pictures ---- */

static void write_panel(FILE *out, const html_panel *p)
{
    html(out, "<div class=\"panel\"><h3>%s</h3>\n", p->title);
    if (p->note)
        html(out, "<p class=\"note\">%s</p>\n", p->note);
    fputs("<div class=\"pictures\">\n", out);
    for (size_t i = 0; i < p->count; i++) {
        html(out, "<figure><img alt=\"%s: %s\"", p->title, p->captions[i]);
        fprintf(out, " width=\"%u\" height=\"%u\" src=\"", p->pictures[i].width, p->pictures[i].height);
        html_png(out, &p->pictures[i]);
        html(out, "\"><figcaption>%s</figcaption></figure>\n", p->captions[i]);
    }
    fputs("</div></div>\n", out);
}

/* ---- sections ---- */

static void write_code(FILE *out, const html_section *s)
{
    if (!s->code)
        return;
    if (s->code_title)
        html(out, "<details><summary>%s</summary>\n", s->code_title);
    html(out, "<pre tabindex=\"0\"><code>%s</code></pre>\n", s->code);
    if (s->code_title)
        fputs("</details>\n", out);
}

static void write_list(FILE *out, const html_section *s)
{
    if (s->list_count == 0)
        return;
    fputs("<ul>\n", out);
    for (size_t i = 0; i < s->list_count; i++)
        html(out, "<li>%s</li>\n", s->list[i]);
    fputs("</ul>\n", out);
}

static void write_charts(FILE *out, const html_section *s)
{
    if (s->chart_count == 0)
        return;
    fputs("<div class=\"charts\">\n", out);
    for (size_t i = 0; i < s->chart_count; i++)
        chart_write(out, &s->charts[i]);
    fputs("</div>\n", out);
}

static void write_section(FILE *out, const html_section *s)
{
    fputs(s->is_warning ? "<section class=\"warning\">\n" : "<section>\n", out);
    html(out, "<h2>%s</h2>\n", s->title);
    for (size_t i = 0; i < s->paragraph_count; i++)
        html(out, "<p>%s</p>\n", s->paragraphs[i]);
    for (size_t i = 0; i < s->table_count; i++)
        write_table(out, &s->tables[i]);
    for (size_t i = 0; i < s->panel_count; i++)
        write_panel(out, &s->panels[i]);
    if (s->panel_note)
        html(out, "<p class=\"note\">%s</p>\n", s->panel_note);
    write_charts(out, s);
    write_list(out, s);
    write_code(out, s);
    fputs("</section>\n", out);
}

/* ---- the page ---- */

/* The policy forbids the browser every request: there is nothing to fetch. */
static void write_head(FILE *out, const html_report *r)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'; "
          "img-src data:\">\n<link rel=\"icon\" href=\"data:,\">\n",
          out);
    html(out, "<title>%s</title>\n<style>\n", r->title);
    for (const char *const *part = report_style; *part; part++)
        fputs(*part, out);
    fputs("</style>\n</head>\n<body>\n", out);
}

static void write_figures(FILE *out, const html_report *r)
{
    if (r->figure_count == 0)
        return;
    fputs("<dl class=\"figures\">\n", out);
    for (size_t i = 0; i < r->figure_count; i++)
        html(out, "<div><dt>%s</dt><dd>%s</dd></div>\n", r->figures[i].name, r->figures[i].value);
    fputs("</dl>\n", out);
}

static void write_page(FILE *out, const html_report *r)
{
    write_head(out, r);
    html(out, "<header>\n<p class=\"kicker\">%s</p>\n<h1>%s</h1>\n<p class=\"summary\">%s</p>\n", r->kicker,
         r->title, r->summary);
    html(out, "<p class=\"notice\">%s</p>\n", r->notice);
    write_figures(out, r);
    fputs("</header>\n<main>\n", out);
    for (size_t i = 0; i < r->section_count; i++)
        write_section(out, &r->sections[i]);
    html(out, "</main>\n<footer>\n<p>%s</p>\n</footer>\n</body>\n</html>\n", r->footer);
}

bool html_report_write(const char *path, const html_report *report)
{
    new_file f;
    if (!new_file_begin(&f, path))
        return false;
    write_page(f.out, report);
    return new_file_finish(&f, true);
}
