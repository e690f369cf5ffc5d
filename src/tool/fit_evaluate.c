/* SPDX-License-Identifier: Apache-2.0 */
/* fit_evaluate.c - each subject is read once, and everything that is compared is made from it. */
#include "fit_evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "interrupt.h"
#include "must.h"
#include "sequences.h"
#include "tool.h"

enum { BATCH = 4 };
static const double error_range = 0.25; /* of grey: a larger error has the colour of this one */

/* ---- figures ---- */

double fit_psnr_of(const fit_score *score)
{
    return score->psnr;
}

double fit_ssim_of(const fit_score *score)
{
    return score->ssim;
}

double fit_nmse_of(const fit_score *score)
{
    return score->nmse;
}

double fit_mae_of(const fit_score *score)
{
    return score->mae;
}

double fit_mean(const fit_evaluation *e, size_t row, fit_figure *figure)
{
    double sum = 0;
    for (size_t i = 0; i < e->subject_count; i++)
        sum += figure(&e->scores[row][i]);
    return sum / (double)e->subject_count;
}

double fit_deviation(const fit_evaluation *e, size_t row, fit_figure *figure)
{
    double mean = fit_mean(e, row, figure), squares = 0;
    for (size_t i = 0; i < e->subject_count; i++)
        squares += pow(figure(&e->scores[row][i]) - mean, 2);
    return e->subject_count > 1 ? sqrt(squares / (double)(e->subject_count - 1)) : NAN;
}

/* ---- pictures ---- */

static unsigned char grey(double value)
{
    return (unsigned char)lround(255 * fmin(fmax(value, 0), 1));
}

/* Blue: too dark; black: right; orange: too bright. */
static void error_colour(double error, unsigned char *rgb)
{
    static const double dark[3] = {80, 170, 255}, bright[3] = {255, 160, 50};
    double part = fmin(fabs(error) / error_range, 1);
    for (int i = 0; i < 3; i++)
        rgb[i] = (unsigned char)lround(part * (error < 0 ? dark[i] : bright[i]));
}

/* The middle one of the slices with signal. */
static size_t picture_slice(const pair_slices *s)
{
    size_t pixels = s->side * s->side, first = s->count, last = 0;
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < pixels; k++)
            if (s->target[i * pixels + k] > 0) {
                first = i < first ? i : first;
                last = i;
                break;
            }
    return first < s->count ? (first + last) / 2 : s->count / 2;
}

/* Rows of a set's slices go to the patient's left and columns to the back. A picture has the front at its top
 * and the patient's right at its left, as radiologists look at it. */
static void make_picture(const pair_slices *s, fit_picture *p)
{
    size_t side = s->side, pixels = side * side;
    p->slice = picture_slice(s);
    p->source = must_alloc(pixels, 1);
    p->made = must_alloc(pixels, 1);
    p->target = must_alloc(pixels, 1);
    p->error = must_alloc(pixels, 3);
    for (size_t i = 0; i < pixels; i++) {
        size_t from = p->slice * pixels + i % side * side + i / side;
        p->source[i] = grey(s->source[from]);
        p->made[i] = grey(s->made[from]);
        p->target[i] = grey(s->target[from]);
        error_colour((double)s->made[from] - (double)s->target[from], p->error + 3 * i);
    }
}

/* ---- the winner ---- */

static int choose_winner(const fit_run *run, fit_evaluation *e)
{
    const fit_plan *plan = run->plan;
    bool named = strcmp(plan->keep, "auto") != 0, found = false;
    for (size_t i = 0; i < plan->candidate_count; i++) {
        e->names[i] = plan->candidates[i].method;
        e->validation[i] = fit_best_psnr(run, &plan->candidates[i]);
        bool better = isfinite(e->validation[i]) && (!found || e->validation[i] > e->validation[e->winner]);
        if (named ? strcmp(plan->keep, e->names[i]) == 0 && isfinite(e->validation[i]) : better) {
            e->winner = i;
            found = true;
        }
    }
    e->names[plan->candidate_count] = "monotone-map";
    e->names[plan->candidate_count + 1] = "source";
    e->row_count = plan->candidate_count + 2;
    return found ? EXIT_OK : fail_with(EXIT_DATA, "no training has come to a model");
}

/* ---- subjects ---- */

typedef struct evaluating {
    const fit_run *run;
    fit_evaluation *e;
    slmt_session *sessions[FIT_CANDIDATES]; /* NULL: the candidate has no model */
    monotone_map map;
} evaluating;

static int open_session(evaluating *v, size_t candidate)
{
    slmt_model *model = NULL;
    if (!isfinite(v->e->validation[candidate]))
        return EXIT_OK;
    char *path = fit_best_file(v->run, &v->run->plan->candidates[candidate]);
    slmt_status status = slmt_model_load(v->run->context, path, &model);
    int code =
        status == SLMT_OK ? slice_session(model, BATCH, &v->sessions[candidate]) : fail(status, "%s", path);
    slmt_model_free(model); /* the session keeps it */
    free(path);
    return code;
}

/* Makes the slices of a row. *made: there is something that makes them. */
static int make_row(evaluating *v, size_t row, pair_slices *s, bool *made)
{
    size_t candidates = v->run->plan->candidate_count;
    *made = row >= candidates || v->sessions[row];
    if (row == candidates)
        pair_slices_by_map(s, &v->map);
    else if (row > candidates)
        pair_slices_by_source(s);
    else if (*made)
        return pair_slices_by_model(s, v->sessions[row]);
    return EXIT_OK;
}

static int score_row(evaluating *v, size_t row, pair_slices *s, fit_score *score)
{
    bool made;
    *score = (fit_score){NAN, NAN, NAN, NAN, 0};
    int code = make_row(v, row, s, &made);
    return code == EXIT_OK && made ? fit_score_slices(s, score) : code;
}

/* The figures of the baselines on the validation subjects, as the candidates have theirs. */
static int validate_baselines(evaluating *v)
{
    size_t n = 0, candidates = v->run->plan->candidate_count;
    double sum[2] = {0, 0};
    int code = EXIT_OK;
    for (size_t i = 0; i < slmt_dataset_subject_count(v->run->set) && code == EXIT_OK; i++) {
        if (slmt_dataset_subject_split(v->run->set, i) != SLMT_SPLIT_VALIDATION)
            continue;
        pair_slices s;
        fit_score score;
        code = pair_slices_read(fit_pair(v->run->set), i, 0, &s);
        for (size_t k = 0; k < 2 && code == EXIT_OK && s.count; k++) {
            code = score_row(v, candidates + k, &s, &score);
            sum[k] += score.psnr;
        }
        n += s.count > 0;
        pair_slices_free(&s);
    }
    for (size_t k = 0; k < 2; k++)
        v->e->validation[candidates + k] = sum[k] / (double)n;
    return code;
}

static int evaluate_subject(evaluating *v, size_t index)
{
    fit_evaluation *e = v->e;
    pair_slices s;
    int code = pair_slices_read(fit_pair(v->run->set), e->subjects[index], 0, &s);
    for (size_t row = 0; row < e->row_count && code == EXIT_OK; row++) {
        code = score_row(v, row, &s, &e->scores[row][index]);
        if (code == EXIT_OK && row == e->winner)
            make_picture(&s, &e->pictures[index]);
    }
    e->side = s.side;
    e->slices += s.count;
    e->empty += e->scores[e->winner][index].empty;
    pair_slices_free(&s);
    return code == EXIT_OK && interrupted() ? EXIT_INTERRUPTED : code;
}

static void list_subjects(const fit_run *run, fit_evaluation *e)
{
    size_t all = slmt_dataset_subject_count(run->set);
    e->subjects = must_alloc(all, sizeof *e->subjects);
    for (e->split = SLMT_SPLIT_TEST; e->subject_count == 0;) {
        for (size_t i = 0; i < all; i++)
            if (slmt_dataset_subject_split(run->set, i) == e->split &&
                pair_slices_count(fit_pair(run->set), i) > 0)
                e->subjects[e->subject_count++] = i;
        if (e->subject_count || e->split == SLMT_SPLIT_VALIDATION)
            break;
        e->split = SLMT_SPLIT_VALIDATION;
    }
    for (size_t row = 0; row < e->row_count; row++)
        e->scores[row] = must_alloc(e->subject_count, sizeof **e->scores);
    e->pictures = must_alloc(e->subject_count, sizeof *e->pictures);
}

static int learn_map(evaluating *v)
{
    bool found;
    int code = pair_map_learn(fit_pair(v->run->set), &v->map, &found);
    return code == EXIT_OK && !found ? fail_with(EXIT_DATA, "no training subject has both contrasts") : code;
}

int fit_evaluate(const fit_run *run, fit_evaluation *e)
{
    evaluating v = {.run = run, .e = e};
    progress bar;
    int code = choose_winner(run, e);
    list_subjects(run, e);
    if (code == EXIT_OK && e->subject_count == 0)
        code = fail_with(EXIT_DATA, "no subject is left to evaluate on");
    if (code == EXIT_OK)
        code = learn_map(&v);
    for (size_t i = 0; i < run->plan->candidate_count && code == EXIT_OK; i++)
        code = open_session(&v, i);
    if (code == EXIT_OK)
        code = validate_baselines(&v);
    progress_begin(&bar, "evaluate", "subjects", 0);
    for (size_t i = 0; i < e->subject_count && code == EXIT_OK; i++) {
        code = evaluate_subject(&v, i);
        progress_update(&bar, i + 1, e->subject_count, "");
    }
    progress_end();
    for (size_t i = 0; i < FIT_CANDIDATES; i++)
        slmt_session_free(v.sessions[i]);
    return code;
}

void fit_evaluation_free(fit_evaluation *e)
{
    for (size_t row = 0; row < e->row_count; row++)
        free(e->scores[row]);
    for (size_t i = 0; e->pictures && i < e->subject_count; i++) {
        free(e->pictures[i].source);
        free(e->pictures[i].made);
        free(e->pictures[i].target);
        free(e->pictures[i].error);
    }
    free(e->pictures);
    free(e->subjects);
    *e = (fit_evaluation){0};
}
