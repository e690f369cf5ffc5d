/* SPDX-License-Identifier: Apache-2.0 */
/* fit_report.c - the sections of a fit's report, one function each. What is text for people is written here
 * and nowhere else; how it looks is decided in report_html.c. */
#include "fit_report.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "console.h"
#include "fit_curve.h"
#include "must.h"
#include "report_html.h"
#include "tool.h"

enum {
    MOST_CELLS = 4096,
    MOST_PARAGRAPHS = 8,
    MOST_PANELS = 3,
    MOST_CHARTS = 8,
    CURVE_POINTS = 240,
    SECTIONS = 8
};

/* ---- texts that live as long as the page ---- */

typedef struct page {
    const fit_story *story;
    const fit_plan *plan;
    const fit_evaluation *e;
    char **texts;
    size_t text_count;
    fit_curve curves[2 * FIT_CANDIDATES * FIT_STAGES];
    size_t curve_count;
} page;

static const char *text(page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *text(page *p, const char *format, ...)
{
    char *made = NULL;
    va_list values;
    va_start(values, format);
    if (vasprintf(&made, format, values) < 0)
        exit(fail_with(EXIT_MEMORY, "out of memory"));
    va_end(values);
    p->texts = must_grow(p->texts, p->text_count + 1, sizeof *p->texts);
    return p->texts[p->text_count++] = made;
}

static const char *keep(page *p, char *made)
{
    const char *copy = text(p, "%s", made);
    free(made);
    return copy;
}

/* A figure, or a dash where there is none. */
static const char *figure(page *p, double value, int decimals)
{
    return isfinite(value) ? text(p, "%.*f", decimals, value) : "-";
}

static const char *duration(page *p, double seconds)
{
    long s = lround(seconds);
    if (s < 60)
        return text(p, "%ld s", s);
    if (s < 3600)
        return text(p, "%ld min %ld s", s / 60, s % 60);
    return text(p, "%ld h %ld min", s / 3600, s / 60 % 60);
}

static const char *plural(page *p, size_t n, const char *one)
{
    return text(p, "%zu %s%s", n, one, n == 1 ? "" : "s");
}

/* "a, b and c" */
static const char *joined(page *p, const fit_names *names)
{
    const char *all = names->count ? names->items[0] : "nobody";
    for (size_t i = 1; i < names->count; i++)
        all = text(p, "%s%s%s", all, i + 1 == names->count ? " and " : ", ", names->items[i]);
    return all;
}

/* ---- tables ---- */

typedef struct cells {
    const char *items[MOST_CELLS];
    size_t count;
} cells;

static void cell(cells *c, const char *value)
{
    if (c->count < MOST_CELLS)
        c->items[c->count++] = value;
}

/* ---- the head ---- */

static const char *parts_of_split(const fit_evaluation *e)
{
    return e->split == SLMT_SPLIT_TEST ? "test" : "validation";
}

static size_t map_row(const page *p)
{
    return p->plan->candidate_count;
}

static const char *summary(page *p)
{
    const fit_evaluation *e = p->e;
    double psnr = fit_mean(e, e->winner, fit_psnr_of), sd = fit_deviation(e, e->winner, fit_psnr_of);
    double gain = psnr - fit_mean(e, map_row(p), fit_psnr_of),
           over = psnr - fit_mean(e, map_row(p) + 1, fit_psnr_of);
    const char *spread = isfinite(sd) ? text(p, " (sd %.2f)", sd) : "";
    const char *first = text(
        p, "On %s, %s makes %s from %s with a PSNR of %.2f dB%s: ",
        text(p, "%zu %s subject%s", e->subject_count, parts_of_split(e), e->subject_count == 1 ? "" : "s"),
        e->names[e->winner], p->plan->target, p->plan->source, psnr, spread);
    if (gain <= 0)
        return text(
            p,
            "%sthis is %.2f dB below the best map from grey value to grey value, so the network has learned "
            "nothing about anatomy yet. Train longer, or with more subjects.",
            first, -gain);
    return text(
        p, "%s%.2f dB above the best map from grey value to grey value, and %.2f dB %s the source as it is.",
        first, gain, fabs(over), over < 0 ? "below" : "above");
}

static size_t head_figures(page *p, html_figure *figures)
{
    const fit_evaluation *e = p->e;
    double psnr = fit_mean(e, e->winner, fit_psnr_of), gain = psnr - fit_mean(e, map_row(p), fit_psnr_of);
    const char *on = parts_of_split(e);
    figures[0] = (html_figure){text(p, "%.2f dB", psnr), text(p, "PSNR, %s subjects", on)};
    figures[1] =
        (html_figure){figure(p, fit_mean(e, e->winner, fit_ssim_of), 3), text(p, "SSIM, %s subjects", on)};
    figures[2] = (html_figure){text(p, "%+.2f dB", gain), "against the monotone map"};
    figures[3] = (html_figure){duration(p, p->story->seconds), "from scans to this report"};
    return 4;
}

/* ---- result ---- */

static double stage_number(const page *p, const fit_candidate *c, size_t stage, const char *name)
{
    char *part = fit_stage_name(c, stage);
    double value = fit_state_get(p->story->run->state, part, name, 0);
    free(part);
    return value;
}

static void result_row(page *p, cells *c, size_t row)
{
    const fit_evaluation *e = p->e;
    double seconds = 0, steps = 0;
    bool trained = row < p->plan->candidate_count;
    for (size_t i = 0; trained && i < p->plan->candidates[row].stage_count; i++) {
        seconds += stage_number(p, &p->plan->candidates[row], i, "seconds");
        steps += stage_number(p, &p->plan->candidates[row], i, "step");
    }
    cell(c, text(p, "%s%s", e->names[row], row == e->winner ? " (kept)" : ""));
    cell(c, figure(p, e->validation[row], 2));
    cell(c, figure(p, fit_mean(e, row, fit_psnr_of), 2));
    cell(c, figure(p, fit_deviation(e, row, fit_psnr_of), 2));
    cell(c, figure(p, fit_mean(e, row, fit_ssim_of), 4));
    cell(c, figure(p, fit_mean(e, row, fit_nmse_of), 4));
    cell(c, figure(p, fit_mean(e, row, fit_mae_of), 4));
    cell(c, trained ? text(p, "%.0f", steps) : "-");
    cell(c, trained ? duration(p, seconds) : "-");
}

static const char *why_kept(page *p)
{
    if (strcmp(p->plan->keep, "auto") != 0)
        return text(p, "%s was asked for and is kept in %s.", p->plan->keep, p->story->model);
    if (p->plan->candidate_count == 1)
        return text(p, "%s is the one method that was trained; it is kept in %s.", p->e->names[0],
                    p->story->model);
    return text(
        p,
        "%s has the highest PSNR on the validation subjects and is kept in %s. The test subjects had no say "
        "in this.",
        p->e->names[p->e->winner], p->story->model);
}

static const char *definition(page *p)
{
    const fit_evaluation *e = p->e;
    return text(p,
                "PSNR, NMSE and MAE are taken over all slices of a subject together, of grey values from 0 "
                "to 1; SSIM is the mean over slices with signal in the target (%zu of %zu slices have none). "
                "Shown are mean and standard deviation over n = %zu %s subject%s%s. 'monotone-map' is the "
                "best map from grey value to grey value, 'source' the source itself: a network below them "
                "has learned nothing about anatomy.",
                e->empty, e->slices, e->subject_count, parts_of_split(e), e->subject_count == 1 ? "" : "s",
                e->subject_count == 1 ? "; of one subject there is no deviation" : "");
}

/* ---- pictures ---- */

static double psnr_of(const page *p, size_t subject)
{
    return p->e->scores[p->e->winner][subject].psnr;
}

/* Orders subjects by falling PSNR. */
static void order_subjects(const page *p, size_t *order)
{
    for (size_t i = 0; i < p->e->subject_count; i++) {
        size_t k = i;
        for (; k > 0 && psnr_of(p, order[k - 1]) < psnr_of(p, i); k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

typedef struct panels {
    html_panel items[MOST_PANELS];
    html_picture pictures[MOST_PANELS][4];
    const char *captions[4];
    size_t count;
} panels;

static const char *subject_name(const page *p, size_t index)
{
    return slmt_dataset_subject(p->story->run->set, p->e->subjects[index]);
}

static void add_panel(page *p, panels *all, size_t subject, const char *rank)
{
    const fit_evaluation *e = p->e;
    const fit_picture *from = &e->pictures[subject];
    uint32_t side = (uint32_t)e->side;
    html_picture *to = all->pictures[all->count];
    const unsigned char *const pixels[] = {from->source, from->made, from->target, from->error};
    for (int i = 0; i < 4; i++)
        to[i] = (html_picture){side, side, i < 3 ? 1 : 3, pixels[i]};
    all->items[all->count++] =
        (html_panel){.title = text(p, "%s: %s", rank, subject_name(p, subject)),
                     .note = text(p, "PSNR %.2f dB, SSIM %.3f. Shown is slice %zu of those that were used.",
                                  psnr_of(p, subject), e->scores[e->winner][subject].ssim, from->slice + 1),
                     .pictures = to,
                     .captions = all->captions,
                     .count = 4};
}

static void make_panels(page *p, panels *all)
{
    size_t n = p->e->subject_count, *order = must_alloc(n, sizeof *order);
    all->captions[0] = text(p, "%s (source)", p->plan->source);
    all->captions[1] = text(p, "%s, synthetic", p->plan->target);
    all->captions[2] = text(p, "%s, true", p->plan->target);
    all->captions[3] = "error";
    order_subjects(p, order);
    if (n > 1)
        add_panel(p, all, order[n - 1], "Worst");
    if (n > 2)
        add_panel(p, all, order[n / 2], "Middle");
    add_panel(p, all, order[0], n > 1 ? "Best" : "The one subject");
    free(order);
}

/* ---- subjects ---- */

static size_t subject_cells(page *p, cells *c)
{
    const fit_evaluation *e = p->e;
    size_t n = e->subject_count, *order = must_alloc(n, sizeof *order);
    order_subjects(p, order);
    cell(c, "subject");
    for (size_t row = 0; row < e->row_count; row++)
        cell(c, text(p, "%s, PSNR dB", e->names[row]));
    cell(c, text(p, "%s, SSIM", e->names[e->winner]));
    cell(c, text(p, "%s, MAE", e->names[e->winner]));
    size_t columns = c->count;
    for (size_t i = 0; i < n && c->count + columns <= MOST_CELLS; i++) {
        cell(c, subject_name(p, order[i]));
        for (size_t row = 0; row < e->row_count; row++)
            cell(c, figure(p, e->scores[row][order[i]].psnr, 2));
        cell(c, figure(p, e->scores[e->winner][order[i]].ssim, 4));
        cell(c, figure(p, e->scores[e->winner][order[i]].mae, 4));
    }
    free(order);
    return columns;
}

/* ---- training ---- */

static fit_curve *read_curve(page *p, const fit_candidate *c, size_t stage, const char *name)
{
    fit_curve *curve = &p->curves[p->curve_count++];
    char *path = fit_stage_file(p->story->run, c, stage, "curves");
    *curve = fit_curve_read(path, name);
    free(path);
    return curve;
}

static chart_curve *curve_slot(page *p, const fit_curve *from, const char *name, bool dots)
{
    chart_curve *made = must_alloc(1, sizeof *made);
    *made = (chart_curve){name, from->step, from->value, from->count, dots};
    p->texts = must_grow(p->texts, p->text_count + 1, sizeof *p->texts);
    p->texts[p->text_count++] = (char *)made; /* freed with the texts */
    return made;
}

static chart loss_chart(page *p, const fit_candidate *c, size_t stage)
{
    fit_curve *curve = read_curve(p, c, stage, "loss");
    fit_curve_thin(curve, CURVE_POINTS);
    const char *name = text(p, "%s, %s: loss", c->method, c->stages[stage].task);
    return (chart){.title = name,
                   .x_name = "step",
                   .y_name = "loss",
                   .logarithmic = true,
                   .curves = curve_slot(p, curve, "loss in training", false),
                   .count = 1};
}

static chart validation_chart(page *p, const fit_candidate *c)
{
    fit_curve *curve = read_curve(p, c, c->stage_count - 1, "validation");
    return (chart){.title = text(p, "%s: validation", c->method),
                   .x_name = "step",
                   .y_name = "PSNR, dB",
                   .note = text(p, "The weights of step %.0f were kept.",
                                stage_number(p, c, c->stage_count - 1, "best_step")),
                   .curves =
                       curve_slot(p, curve, "PSNR on the middle slices of the validation subjects", true),
                   .count = 1};
}

static size_t make_charts(page *p, chart *charts)
{
    size_t n = 0;
    for (size_t i = 0; i < p->plan->candidate_count; i++) {
        const fit_candidate *c = &p->plan->candidates[i];
        for (size_t k = 0; k < c->stage_count && n < MOST_CHARTS; k++)
            charts[n++] = loss_chart(p, c, k);
        if (n < MOST_CHARTS)
            charts[n++] = validation_chart(p, c);
    }
    return n;
}

static const char *settings_text(page *p, const fit_candidate *c, size_t stage)
{
    const number_list *list = &c->stages[stage].settings;
    const char *all = "";
    slmt_number_info info;
    for (size_t i = 0; number_at((number_owner){c->method, c->stages[stage].task}, i, &info); i++)
        if (number_list_has(list, info.name))
            all = text(p, "%s%s%s %s", all, *all ? ", " : "", info.name,
                       keep(p, number_text(&info, number_in_list, list)));
    return all;
}

static size_t stage_cells(page *p, cells *c)
{
    static const char *const heading[] = {"training", "steps", "planned", "time",
                                          "settings that are not the method's own"};
    for (size_t i = 0; i < 5; i++)
        cell(c, heading[i]);
    for (size_t i = 0; i < p->plan->candidate_count; i++)
        for (size_t k = 0; k < p->plan->candidates[i].stage_count; k++) {
            const fit_candidate *from = &p->plan->candidates[i];
            cell(c, keep(p, fit_stage_name(from, k)));
            cell(c, text(p, "%.0f", stage_number(p, from, k, "step")));
            cell(c, text(p, "%.0f", stage_number(p, from, k, "steps")));
            cell(c, duration(p, stage_number(p, from, k, "seconds")));
            cell(c, settings_text(p, from, k));
        }
    return 5;
}

/* ---- data ---- */

typedef struct contrast_look {
    int64_t low_size[3], high_size[3];
    double spacing[3];
    float low, high;
    size_t looked, scans;
} contrast_look;

static contrast_look look_of(const fit_data *data, size_t contrast)
{
    contrast_look all = {.low = INFINITY, .high = -INFINITY};
    for (size_t i = 0; i < data->subject_count; i++)
        all.scans += data->subjects[i].file[contrast] != NULL;
    for (size_t i = 0; i < data->looked_count; i++) {
        const fit_look *l = &data->looked[i].look;
        if (data->looked[i].contrast != contrast)
            continue;
        for (int w = 0; w < 3; w++) {
            all.low_size[w] = all.looked == 0 || l->size[w] < all.low_size[w] ? l->size[w] : all.low_size[w];
            all.high_size[w] = l->size[w] > all.high_size[w] ? l->size[w] : all.high_size[w];
            all.spacing[w] = l->spacing[w];
        }
        all.low = fminf(all.low, l->low);
        all.high = fmaxf(all.high, l->high);
        all.looked++;
    }
    return all;
}

static const char *size_text(page *p, const contrast_look *l)
{
    const int64_t *a = l->low_size, *b = l->high_size;
    const char *low = text(p, "%lld x %lld x %lld", (long long)a[0], (long long)a[1], (long long)a[2]);
    if (memcmp(a, b, sizeof l->low_size) == 0)
        return low;
    return text(p, "%s to %lld x %lld x %lld", low, (long long)b[0], (long long)b[1], (long long)b[2]);
}

static size_t data_cells(page *p, cells *c)
{
    static const char *const heading[] = {"contrast", "scans",       "looked at",
                                          "voxels",   "millimetres", "grey values"};
    for (size_t i = 0; i < 6; i++)
        cell(c, heading[i]);
    for (size_t i = 0; i < p->story->data->contrast_count; i++) {
        contrast_look l = look_of(p->story->data, i);
        cell(c, p->story->data->contrasts[i]);
        cell(c, text(p, "%zu", l.scans));
        cell(c, text(p, "%zu", l.looked));
        cell(c, l.looked ? size_text(p, &l) : "-");
        cell(c, l.looked ? text(p, "%.3g x %.3g x %.3g", l.spacing[0], l.spacing[1], l.spacing[2]) : "-");
        cell(c, l.looked ? text(p, "%.4g to %.4g", (double)l.low, (double)l.high) : "-");
    }
    return 6;
}

static const char *split_text(page *p)
{
    const fit_names *test = &p->plan->test, *validation = &p->plan->validation;
    size_t pairs = p->story->data->pair_count;
    return text(
        p,
        "%s %s both contrasts: %zu train, %zu for validation (%s), %zu for testing (%s). No person is in two "
        "parts.",
        plural(p, pairs, "subject"), pairs == 1 ? "has" : "have", pairs - test->count - validation->count,
        validation->count, joined(p, validation), test->count, joined(p, test));
}

static const char *frame_text(page *p)
{
    const slmt_preprocess *f = &p->plan->preprocess;
    return text(
        p,
        "Taken from each scan: axial slices %d to %d, cropped to %d x %d voxels around the head and resized "
        "to %d x %d pixels.",
        f->slice_first, f->slice_first + f->slice_count - 1, f->crop_size, f->crop_size, f->image_size,
        f->image_size);
}

/* ---- versions ---- */

static void fact(cells *c, const char *name, const char *value)
{
    cell(c, name);
    cell(c, value);
}

static const char *digest_text(page *p, const char *path)
{
    char digest[SLMT_DIGEST_SIZE];
    return slmt_file_digest(path, digest, sizeof digest) == SLMT_OK ? text(p, "%s", digest)
                                                                    : "cannot be read";
}

static const char *now_text(page *p)
{
    char when[64];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &parts);
    return text(p, "%s", when);
}

static void version_cells(page *p, cells *c)
{
    slmt_build_info build = {.struct_size = sizeof build};
    fact(c, "what", "which");
    fact(c, "written", now_text(p));
    if (slmt_build_describe(&build) == SLMT_OK) {
        fact(c, "libslmt", text(p, "%s%s%s", build.version, *build.commit ? ", commit " : "", build.commit));
        fact(c, "compiler", build.compiler);
    }
    fact(c, "computed by", text(p, "%s", slmt_context_describe(p->story->run->context)));
    fact(c, "threads", p->story->threads ? text(p, "%d", p->story->threads) : "all cores");
    fact(c, "seed", text(p, "%llu", (unsigned long long)p->plan->seed));
    fact(c, text(p, "%s, SHA-256", p->story->model), digest_text(p, p->story->model));
    fact(c, text(p, "%s, SHA-256", p->story->set), digest_text(p, p->story->set));
}

/* ---- the page ---- */

static const char *commands(page *p)
{
    const fit_story *s = p->story;
    return text(p,
                "# the missing contrast of a new patient\n"
                "slmt synthesize --model %s new_%s.nii.gz --out new_%s.nii.gz\n\n"
                "# every figure of this page again, slice by slice\n"
                "slmt evaluate --model %s --data %s --baselines --csv scores.csv\n\n"
                "# longer, or with other settings: change the plan and give it again\n"
                "slmt fit --source ... --target ... --plan %s --out another.h5\n",
                s->model, p->plan->source, p->plan->target, s->model, s->set, s->plan_path);
}

typedef struct parts {
    cells result, subjects, stages, data, versions;
    html_table tables[5];
    const char *paragraphs[SECTIONS][MOST_PARAGRAPHS];
    panels panels;
    chart charts[MOST_CHARTS];
    html_section sections[SECTIONS];
    size_t count;
} parts;

static html_section *add_section(parts *all, const char *title)
{
    html_section *s = &all->sections[all->count];
    *s = (html_section){.title = title, .paragraphs = all->paragraphs[all->count]};
    all->count++;
    return s;
}

static void paragraph(parts *all, html_section *s, const char *value)
{
    all->paragraphs[s - all->sections][s->paragraph_count++] = value;
}

static void add_table(parts *all, html_section *s, size_t index, const char *caption, const cells *c,
                      size_t columns, size_t marked)
{
    all->tables[index] = (html_table){caption, columns, c->items, c->count, marked};
    s->tables = &all->tables[index];
    s->table_count = 1;
}

static void add_result(page *p, parts *all)
{
    static const char *const heading[] = {
        "method", "validation, PSNR dB", "PSNR dB", "sd", "SSIM", "NMSE", "MAE", "steps", "training time"};
    html_section *s = add_section(all, "Result");
    for (size_t i = 0; i < 9; i++)
        cell(&all->result, heading[i]);
    for (size_t row = 0; row < p->e->row_count; row++)
        result_row(p, &all->result, row);
    paragraph(all, s, why_kept(p));
    add_table(all, s, 0, text(p, "Methods on the %s subjects", parts_of_split(p->e)), &all->result, 9,
              p->e->winner + 1);
    s->panel_note = definition(p);
}

static void add_pictures(page *p, parts *all)
{
    html_section *s = add_section(all, "Pictures");
    make_panels(p, &all->panels);
    s->panels = all->panels.items;
    s->panel_count = all->panels.count;
    s->panel_note =
        "Grey values go from 0 to 1. The error is blue where the synthetic picture is too dark, orange "
        "where it is too bright; full colour is an error of 0.25 and more. The patient's right is at the "
        "left. Look at lesions: figures say nothing about them.";
}

static void add_subjects(page *p, parts *all)
{
    html_section *s = add_section(all, "Subjects");
    size_t columns = subject_cells(p, &all->subjects);
    add_table(all, s, 1, "The best first", &all->subjects, columns, 0);
}

static void add_training(page *p, parts *all)
{
    html_section *s = add_section(all, "Training");
    add_table(all, s, 2, "Trainings, in their order", &all->stages, stage_cells(p, &all->stages), 0);
    s->charts = all->charts;
    s->chart_count = make_charts(p, all->charts);
}

static void add_data(page *p, parts *all)
{
    html_section *s = add_section(all, "Data");
    paragraph(all, s, split_text(p));
    paragraph(all, s, frame_text(p));
    add_table(all, s, 3, "Scans by contrast", &all->data, data_cells(p, &all->data), 0);
}

static void add_plan(page *p, parts *all)
{
    html_section *s = add_section(all, "Plan");
    paragraph(all, s,
              text(p,
                   "What was done is written in %s. Change the file and give it to slmt fit by --plan to do "
                   "it otherwise.",
                   p->story->plan_path));
    if (p->story->sizes)
        for (size_t i = 0; i < p->plan->candidate_count; i++)
            paragraph(all, s,
                      text(p,
                           "%s: size '%s', %.3g s a step of %s as measured, %llu MiB of memory in training.",
                           p->story->sizes[i].method, p->story->sizes[i].size,
                           p->story->sizes[i].step_seconds[p->plan->candidates[i].stage_count - 1],
                           p->plan->candidates[i].stages[p->plan->candidates[i].stage_count - 1].task,
                           (unsigned long long)(p->story->sizes[i].bytes >> 20)));
    s->code = keep(p, fit_plan_text(p->plan));
    s->code_title = "The plan as it was carried out";
}

static void add_warnings(page *p, parts *all)
{
    html_section *s = add_section(all, "Warnings");
    s->list = (const char *const *)p->story->notes->items;
    s->list_count = p->story->notes->count;
    s->is_warning = s->list_count > 0;
    if (!s->is_warning)
        paragraph(all, s, "There were none.");
}

static void add_use(page *p, parts *all)
{
    html_section *s = add_section(all, "How to go on, and versions");
    s->code = commands(p);
    version_cells(p, &all->versions);
    add_table(all, s, 4, "Versions and digests", &all->versions, 2, 0);
}

static bool write_page(page *p, parts *all, const char *path)
{
    html_figure figures[4];
    size_t count = head_figures(p, figures);
    add_result(p, all);
    add_pictures(p, all);
    add_subjects(p, all);
    add_training(p, all);
    add_data(p, all);
    add_plan(p, all);
    add_warnings(p, all);
    add_use(p, all);
    html_report report = {.title = text(p, "%s from %s", p->plan->target, p->plan->source),
                          .kicker = "slmt fit: from scans to a model",
                          .summary = summary(p),
                          .notice = DISCLAIMER,
                          .footer = text(p, "Made by slmt %s. %s", slmt_version(), DISCLAIMER),
                          .figures = figures,
                          .figure_count = count,
                          .sections = all->sections,
                          .section_count = all->count};
    return html_report_write(path, &report);
}

int fit_report_write(const char *path, const fit_story *story)
{
    page p = {.story = story, .plan = story->run->plan, .e = story->evaluation};
    parts *all = must_alloc(1, sizeof *all);
    bool good = write_page(&p, all, path);
    int reason = errno;
    for (size_t i = 0; i < p.curve_count; i++)
        fit_curve_free(&p.curves[i]);
    for (size_t i = 0; i < p.text_count; i++)
        free(p.texts[i]);
    free(p.texts);
    free(all);
    return good ? EXIT_OK : fail_errno(reason, "%s", path);
}
