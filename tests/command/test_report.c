/* SPDX-License-Identifier: Apache-2.0 */
/* test_report.c - the page of a report: escaped text, tables, pictures, charts, and the file it becomes. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/base64.h>
#include <png.h>

#include "tool/report_html.h"

#include <cmocka.h> /* last: it has a macro fail() */

static char *text_of(void (*write)(FILE *out, const void *what), const void *what)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    write(out, what);
    fclose(out);
    return text;
}

static void write_text(FILE *out, const void *what)
{
    html_text(out, what);
}

static void assert_becomes(const char *text, const char *wanted)
{
    char *page = text_of(write_text, text);
    assert_string_equal(page, wanted);
    free(page);
}

#define BAD "\xef\xbf\xbd"

static void markup_in_a_text_is_escaped(void **state)
{
    (void)state;
    assert_becomes("<script>alert('\"')</script> & more",
                   "&lt;script&gt;alert(&#39;&quot;&#39;)&lt;/script&gt; &amp; more");
    assert_becomes("M\xc3\xbcller \xe5\x8c\xbb\xe9\x99\xa2 \xf0\x9f\xa7\xa0\n\t.",
                   "M\xc3\xbcller \xe5\x8c\xbb\xe9\x99\xa2 \xf0\x9f\xa7\xa0\n\t.");
}

static void what_no_page_may_hold_is_replaced(void **state)
{
    (void)state;
    assert_becomes("a\x01\x1b[0m\x7f", "a" BAD BAD "[0m" BAD);
    assert_becomes("\xff\xfe", BAD BAD);                 /* no UTF-8 */
    assert_becomes("\xc3", BAD);                         /* cut short */
    assert_becomes("\xc0\xaf", BAD BAD);                 /* '/' in two bytes */
    assert_becomes("\xed\xa0\x80", BAD BAD BAD);         /* half of a pair */
    assert_becomes("\xc2\x85", BAD BAD);                 /* a control character in two bytes */
    assert_becomes("\xf4\x90\x80\x80", BAD BAD BAD BAD); /* beyond Unicode */
}

/* ---- pictures ---- */

static void write_png(FILE *out, const void *what)
{
    html_png(out, what);
}

static void a_picture_comes_back_from_its_uri_pixel_by_pixel(void **state)
{
    (void)state;
    static const char start[] = "data:image/png;base64,";
    static const unsigned char pixels[] = {0,   1,   2,   250, 251, 252, 9,  8,  7,
                                           100, 101, 102, 30,  31,  32,  70, 71, 72};
    html_picture picture = {.width = 3, .height = 2, .channels = 3, .pixels = pixels};
    char *uri = text_of(write_png, &picture);
    assert_int_equal(strncmp(uri, start, strlen(start)), 0);
    uint8_t file[4096];
    size_t size = sizeof file;
    struct base64_decode_ctx decoder;
    base64_decode_init(&decoder);
    assert_true(
        base64_decode_update(&decoder, &size, file, strlen(uri) - strlen(start), uri + strlen(start)));
    assert_true(base64_decode_final(&decoder));
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_memory(&image, file, size));
    assert_int_equal(image.width, 3);
    assert_int_equal(image.height, 2);
    image.format = PNG_FORMAT_RGB;
    unsigned char back[sizeof pixels];
    assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
    assert_memory_equal(back, pixels, sizeof pixels);
    free(uri);
}

static void a_picture_of_no_size_writes_nothing(void **state)
{
    (void)state;
    char *uri = text_of(write_png, &(html_picture){.channels = 1, .pixels = (const unsigned char *)""});
    assert_string_equal(uri, "");
    free(uri);
}

/* ---- charts ---- */

static void write_chart(FILE *out, const void *what)
{
    chart_write(out, what);
}

static void a_curve_runs_from_corner_to_corner_of_its_axes(void **state)
{
    (void)state;
    static const double x[] = {0, 50, 100}, y[] = {10, 15, 20};
    chart_curve curve = {"loss", x, y, 3, false};
    chart c = {.title = "Loss", .x_name = "step", .y_name = "loss", .curves = &curve, .count = 1};
    char *text = text_of(write_chart, &c);
    /* 62 pixels to the left, 14 to the right of 640; 12 above and 46 below of 300, and 4 % of air at both
     * ends */
    assert_non_null(strstr(text, "<path class=\"curve c0\" d=\"M66.0 212.3L286.0 116.0L506.0 19.7\"/>"));
    assert_non_null(strstr(text, "Loss. loss: 10 at first, 20 at the end."));
    free(text);
}

static void values_that_cannot_be_drawn_are_left_out(void **state)
{
    (void)state;
    static const double x[] = {0, 1, 2, 3}, y[] = {0, NAN, 100, 1};
    chart_curve curve = {"loss", x, y, 4, true};
    chart c = {.title = "t", .x_name = "x", .y_name = "y", .logarithmic = true, .curves = &curve, .count = 1};
    char *text = text_of(write_chart, &c);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    size_t dots = 0;
    for (const char *at = text; (at = strstr(at, "<circle")); at++)
        dots++;
    assert_int_equal(dots, 2);
    free(text);
}

static void a_curve_of_one_point_is_a_dot(void **state)
{
    (void)state;
    static const double x[] = {1}, y[] = {4};
    chart_curve curve = {"loss", x, y, 1, false};
    chart c = {.title = "t", .x_name = "x", .y_name = "y", .curves = &curve, .count = 1};
    char *text = text_of(write_chart, &c);
    assert_non_null(strstr(text, "<circle class=\"dot c0\""));
    free(text);
}

static void a_chart_without_points_says_so(void **state)
{
    (void)state;
    static const double nothing[] = {NAN};
    chart_curve curves[] = {{"a", nothing, nothing, 1, false}, {"b", NULL, NULL, 0, false}};
    chart c = {.title = "t", .x_name = "x", .y_name = "y", .curves = curves, .count = 2};
    char *text = text_of(write_chart, &c);
    assert_non_null(strstr(text, "There are no values to draw."));
    assert_null(strstr(text, "<svg"));
    free(text);
}

static void a_curve_of_equal_values_has_axes(void **state)
{
    (void)state;
    static const double x[] = {5}, y[] = {3};
    chart_curve curve = {"a", x, y, 1, true};
    chart c = {.title = "t", .x_name = "x", .y_name = "y", .curves = &curve, .count = 1};
    for (int logarithmic = 0; logarithmic < 2; logarithmic++) {
        c.logarithmic = logarithmic != 0;
        char *text = text_of(write_chart, &c);
        assert_non_null(strstr(text, "<circle class=\"dot c0\" cx=\"286.0\" cy=\"116.0\""));
        assert_null(strstr(text, "nan"));
        free(text);
    }
}

/* ---- the page ---- */

typedef struct folder {
    char path[64], file[80];
} folder;

static int make_folder(void **state)
{
    static folder f;
    strcpy(f.path, "/tmp/slmt-report-XXXXXX");
    if (!mkdtemp(f.path))
        return -1;
    snprintf(f.file, sizeof f.file, "%s/r.html", f.path);
    *state = &f;
    return 0;
}

static int remove_folder(void **state)
{
    folder *f = *state;
    unlink(f->file);
    return rmdir(f->path); /* fails if the writer has left something */
}

static char *content(const char *path)
{
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, in) > 0);
    fclose(in);
    return text;
}

static const char *const cells[] = {"subject", "PSNR dB", "note", "s<1>",    "24.1",
                                    "best",    "s2",      "-",    "no & yes"};
static const html_table tables[] = {
    {.caption = "By subject", .columns = 3, .cells = cells, .count = 9, .marked = 1}};
static const unsigned char grey[] = {0, 255};
static const html_picture pictures[] = {{2, 1, 1, grey}};
static const char *const captions[] = {"source"};
static const html_panel panels[] = {
    {.title = "Worst: s2", .pictures = pictures, .captions = captions, .count = 1}};
static const char *const list[] = {"one & only"};
static const html_section sections[] = {
    {.title = "Subjects", .tables = tables, .table_count = 1, .panels = panels, .panel_count = 1},
    {.title = "Warnings",
     .list = list,
     .list_count = 1,
     .is_warning = true,
     .code = "{\"a\": 1}",
     .code_title = "Plan"}};
static const html_figure figures[] = {{"24.1 dB", "PSNR"}};
static const html_report page = {.title = "T1 to T2",
                                 .kicker = "slmt fit",
                                 .summary = "It works.",
                                 .notice = "Research.",
                                 .footer = "End.",
                                 .figures = figures,
                                 .figure_count = 1,
                                 .sections = sections,
                                 .section_count = 2};

static void the_page_holds_what_it_was_given(void **state)
{
    folder *f = *state;
    assert_true(html_report_write(f->file, &page));
    char *text = content(f->file);
    static const char *const parts[] = {
        "<!DOCTYPE html>\n<html lang=\"en\">",
        "<title>T1 to T2</title>",
        "<h1>T1 to T2</h1>",
        "<dt>PSNR</dt><dd>24.1 dB</dd>",
        "<tr class=\"marked\"><th scope=\"row\">s&lt;1&gt;</th>",
        "<td class=\"right\">24.1</td><td class=\"text\">best</td>",
        "<th scope=\"col\" class=\"right\">PSNR dB</th>",
        "<td class=\"right\">-</td><td class=\"text\">no &amp; yes</td>",
        "<img alt=\"Worst: s2: source\" width=\"2\" height=\"1\" src=\"data:image/png;",
        "<section class=\"warning\">",
        "<li>one &amp; only</li>",
        "<details><summary>Plan</summary>",
        "{&quot;a&quot;: 1}",
        "End.</p>\n</footer>\n</body>\n</html>\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i]))
            fail_msg("the page lacks %s", parts[i]);
    free(text);
}

static void the_page_asks_the_network_for_nothing(void **state)
{
    folder *f = *state;
    assert_true(html_report_write(f->file, &page));
    char *text = content(f->file);
    assert_non_null(strstr(text, "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""));
    static const char *const none[] = {"http:", "https:", "<script", "url(", "@import", "src=\"/"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(strstr(text, none[i]));
    free(text);
}

static void equal_reports_are_equal_files(void **state)
{
    folder *f = *state;
    assert_true(html_report_write(f->file, &page));
    char *one = content(f->file);
    assert_true(html_report_write(f->file, &page));
    char *two = content(f->file);
    assert_string_equal(one, two);
    free(one);
    free(two);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    (void)state;
    assert_false(html_report_write("/nonexistent/r.html", &page));
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_in_a_text_is_escaped),
        cmocka_unit_test(what_no_page_may_hold_is_replaced),
        cmocka_unit_test(a_picture_comes_back_from_its_uri_pixel_by_pixel),
        cmocka_unit_test(a_picture_of_no_size_writes_nothing),
        cmocka_unit_test(a_curve_runs_from_corner_to_corner_of_its_axes),
        cmocka_unit_test(values_that_cannot_be_drawn_are_left_out),
        cmocka_unit_test(a_curve_of_one_point_is_a_dot),
        cmocka_unit_test(a_chart_without_points_says_so),
        cmocka_unit_test(a_curve_of_equal_values_has_axes),
        cmocka_unit_test_setup_teardown(the_page_holds_what_it_was_given, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_page_asks_the_network_for_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(equal_reports_are_equal_files, make_folder, remove_folder),
        cmocka_unit_test(a_folder_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
