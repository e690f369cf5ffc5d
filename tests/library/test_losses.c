/* SPDX-License-Identifier: Apache-2.0 */
/* Losses and the ops they are made of, against numbers of PyTorch 2.13 (float64): written out below for facts
 * of its functions, and recorded in seg_losses_metrics.h5 (SLMT_PARITY_DIR, or ../shared/parity) for whole
 * losses with their gradients, in float64 on the reference backend and in float32 on cpu. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/random.h"
#include "nn/losses.h"
#include "tests/engine/engine_host.h"
#include "tests/methods/parity_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- a function of numbers on a backend, with its gradients ---- */

enum { MAX_INPUTS = 4, MAX_NUMBERS = 4096 };

typedef struct sheet {
    engine e;
    graph *g;
    bk_dtype real;
    int n_in;
    value in[MAX_INPUTS];
    bk_shape shape[MAX_INPUTS];
    void *bound[2 * MAX_INPUTS + 1]; /* inputs, the result, gradients */
} sheet;

static void sheet_open(sheet *s, const bk_backend *backend, bk_dtype real)
{
    memset(s, 0, sizeof *s);
    s->real = real;
    assert_int_equal(engine_open(&s->e, backend), BK_OK);
    assert_int_equal(graph_create(&s->e.m, real, &s->g), OK);
}

static void put(void *to, int32_t type, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (type == BK_I32)
            ((int32_t *)to)[i] = (int32_t)x[i];
        else if (type == BK_F32)
            ((float *)to)[i] = (float)x[i];
        else
            ((double *)to)[i] = x[i];
    }
}

static value sheet_input(sheet *s, bk_dtype type, int32_t rank, const int64_t *dim, const double *x)
{
    int k = s->n_in++;
    s->shape[k] = shape_of(type, rank, dim);
    s->bound[k] = calloc((size_t)bk_count(&s->shape[k]), sizeof(double));
    put(s->bound[k], type, x, bk_count(&s->shape[k]));
    return s->in[k] = graph_bound(s->g, k, s->shape[k]);
}

static double get(const sheet *s, const void *from, int64_t i)
{
    return s->real == BK_F32 ? ((const float *)from)[i] : ((const double *)from)[i];
}

/* Runs `result` [n] (to out) and, where gradient[k] is not NULL, the gradient of its sum for input k. */
static void sheet_run(sheet *s, value result, double *out, double *const gradient[MAX_INPUTS])
{
    static double buffer[MAX_INPUTS + 1][MAX_NUMBERS];
    value wrt[MAX_INPUTS], d[MAX_INPUTS];
    int number[MAX_INPUTS], n = 0;
    plan *made;
    if (graph_status(s->g) != OK)
        print_error("%s\n", status_text());
    assert_int_equal(graph_status(s->g), OK);
    int64_t count = bk_count(graph_shape(s->g, result));
    assert_in_range(count, 1, MAX_NUMBERS);
    for (int k = 0; k < s->n_in; k++)
        if (gradient && gradient[k]) {
            number[n] = k;
            wrt[n++] = s->in[k];
        }
    assert_int_equal(graph_gradients(s->g, op_sum_all(s->g, result), wrt, n, d), OK);
    graph_output(s->g, result, s->n_in);
    s->bound[s->n_in] = buffer[0];
    for (int i = 0; i < n; i++) {
        assert_int_not_equal(d[i], NONE);
        graph_output(s->g, d[i], s->n_in + 1 + i);
        s->bound[s->n_in + 1 + i] = buffer[1 + i];
    }
    assert_int_equal(plan_create(s->g, s->e.dev, 1, &made), OK);
    assert_int_equal(plan_run(made, s->bound, s->n_in + 1 + n, NULL), OK);
    for (int64_t i = 0; i < count; i++)
        out[i] = get(s, buffer[0], i);
    for (int i = 0; i < n; i++)
        for (int64_t k = 0; k < bk_count(&s->shape[number[i]]); k++)
            gradient[number[i]][k] = get(s, buffer[1 + i], k);
    plan_free(made);
}

static void sheet_close(sheet *s)
{
    for (int k = 0; k < s->n_in; k++)
        free(s->bound[k]);
    graph_free(s->g);
    assert_true(engine_close(&s->e));
}

#define DIMS(...)                                                                                            \
    (const int64_t[])                                                                                        \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

static void assert_close(const double *got, const double *want, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-13 * fmax(1, fabs(want[i]))))
            fail_msg("number %d is %.17g, not %.17g", i, got[i], want[i]);
}

/* ---- facts of PyTorch ---- */

static const double logits[16] = {0.5, -1, 2, 0.25, 1.5, 0, -0.5, 3, -2, 1, 0.75, -0.125, 0, 0.5, -1.5, 1};
static const double targets[4] = {2, 0, -100, 1}, class_weight[4] = {0.5, 2, 1, 0.25};

static void check_cross_entropy(int weighted, double smoothing, double want, const double *want_dx)
{
    sheet s;
    double loss, dx[16];
    label_options o = label_defaults();
    sheet_open(&s, bk_reference(), BK_F64);
    value x = sheet_input(&s, BK_F64, 2, DIMS(4, 4), logits),
          label = sheet_input(&s, BK_I32, 1, DIMS(4), targets);
    value w = sheet_input(&s, BK_F64, 1, DIMS(4), class_weight);
    o.class_weight = weighted ? w : NONE;
    o.smoothing = smoothing;
    sheet_run(&s, loss_cross_entropy(s.g, x, label, &o), &loss, (double *[MAX_INPUTS]){dx});
    assert_close(&loss, &want, 1);
    assert_close(dx, want_dx, 16);
    sheet_close(&s);
}

static void cross_entropy_is_the_mean_of_pytorch(void **state)
{
    (void)state;
    static const double plain[16] = {0.05141160842805407,
                                     0.011471480422040069,
                                     -0.10292248975282306,
                                     0.04003940090272894,
                                     -0.276257217872677,
                                     0.012735402783386522,
                                     0.007724412251913535,
                                     0.25579740283737695,
                                     0,
                                     0,
                                     0,
                                     0,
                                     0.05962887070327555,
                                     -0.23502194585701522,
                                     0.013304999469491884,
                                     0.16208807568424782};
    static const double weighted[16] = {0.04406709293833206,
                                        0.009832697504605773,
                                        -0.0882192769309912,
                                        0.03431948648805338,
                                        -0.11839595051686155,
                                        0.005458029764308509,
                                        0.003310462393677229,
                                        0.10962745835887583,
                                        0,
                                        0,
                                        0,
                                        0,
                                        0.10222092120561523,
                                        -0.40289476432631177,
                                        0.022808570519128945,
                                        0.27786527260156774};
    static const double smooth[16] = {0.04022024503603891,
                                      -0.0045144711405123005,
                                      -0.06802504930731537,
                                      0.032319275411788764,
                                      -0.10554131047280124,
                                      -0.008350106917028782,
                                      -0.0035427292897331564,
                                      0.11743414667956319,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0.09321900619513834,
                                      -0.3689909799714765,
                                      0.014454008067443076,
                                      0.26131796570889515};
    check_cross_entropy(0, 0, 1.1183464595083, plain);
    check_cross_entropy(1, 0, 1.055332536320685, weighted);
    check_cross_entropy(1, 0.1, 1.1392199803276764, smooth);
}

static void cross_entropy_of_soft_targets_is_that_of_pytorch(void **state)
{
    (void)state;
    static const double soft[16] = {0.1,  0.2,  0.3,  0.4,  0,   0,   1,   0,
                                    0.25, 0.25, 0.25, 0.25, 0.7, 0.1, 0.1, 0.1};
    static const double want_dx[16] = {0.013558706321040552, -0.04139638968346995, 0.0978081326853827,
                                       -0.0699704493229533,  0.04280708659549226,  0.009551552087539892,
                                       -0.24420669081106486, 0.19184805212803271,  -0.056719517912930256,
                                       0.05360408639366432,  0.027921953401175814, -0.024806521881909877,
                                       -0.13027834697254334, 0.04873354060723857,  -0.015021250397881089,
                                       0.09656605676318587},
                        want = 2.291440802778381;
    sheet s;
    double loss, dx[16];
    sheet_open(&s, bk_reference(), BK_F64);
    value x = sheet_input(&s, BK_F64, 2, DIMS(4, 4), logits),
          t = sheet_input(&s, BK_F64, 2, DIMS(4, 4), soft);
    sheet_run(&s, loss_soft_cross_entropy(s.g, x, t), &loss, (double *[MAX_INPUTS]){dx});
    assert_close(&loss, &want, 1);
    assert_close(dx, want_dx, 16);
    sheet_close(&s);
}

/* The last number is 30 off its target: where PyTorch's sum cancels, the loss keeps its digits. */
static void binary_cross_entropy_is_that_of_pytorch(void **state)
{
    (void)state;
    static const double x[6] = {-30, -2, 0, 0.5, 40, 30}, t[6] = {1, 0, 1, 0.25, 0, 1}, three = 3;
    static const double want[6] = {
        90.00000000000028,        0.1269280110429727, 2.0794415416798357, 1.0861154762701601, 40,
        3 * 9.357622968839861e-14};
    static const double want_dx[5] = {-2.9999999999997193, 0.11920292202211755, -1.5, 0.18368899680278195, 1};
    sheet s;
    double loss[6], dx[6];
    sheet_open(&s, bk_reference(), BK_F64);
    value at = sheet_input(&s, BK_F64, 1, DIMS(6), x), target = sheet_input(&s, BK_F64, 1, DIMS(6), t);
    value weight = sheet_input(&s, BK_F64, 0, DIMS(1), &three);
    sheet_run(&s, loss_binary_cross_entropy(s.g, at, target, weight), loss, (double *[MAX_INPUTS]){dx});
    assert_close(loss, want, 5);
    assert_close(dx, want_dx, 5);
    assert_true(fabs(loss[5] / want[5] - 1) < 1e-13);
    sheet_close(&s);
}

/* The numbers of the method's note, worked out by hand: alpha 1/4, gamma 2. */
static void binary_focal_loss_has_known_values_and_slopes(void **state)
{
    (void)state;
    static const double x[6] = {0, 0, 2, 2, -4.595120, -4.595120}, t[6] = {1, 0, 1, 0, 1, 0};
    static const double want[6] = {0.0433217, 0.1299651, 4.50891e-4, 1.2375586, 1.1283818, 7.53775e-7};
    sheet s;
    double loss[6], dx[6];
    sheet_open(&s, bk_reference(), BK_F64);
    value at = sheet_input(&s, BK_F64, 1, DIMS(6), x), target = sheet_input(&s, BK_F64, 1, DIMS(6), t);
    sheet_run(&s, loss_binary_focal(s.g, at, target, 2, 0.25), loss, (double *[MAX_INPUTS]){dx});
    for (int i = 0; i < 6; i++)
        assert_true(fabs(loss[i] - want[i]) < 1e-6 * fmax(0.05, want[i]));
    assert_true(fabs(dx[0] + 0.0745717) < 1e-7 && fabs(dx[1] - 0.2237151) < 1e-7);
    sheet_close(&s);
}

/* One input [n] through one function; the gradient of the sum of its outputs. */
static void check_function(value (*f)(graph *g, value x), int n, const double *x, const double *want,
                           const double *want_dx)
{
    sheet s;
    double y[16], dx[16];
    sheet_open(&s, bk_reference(), BK_F64);
    value at = sheet_input(&s, BK_F64, 1, DIMS(n), x);
    sheet_run(&s, f(s.g, at), y, (double *[MAX_INPUTS]){dx});
    assert_close(y, want, n);
    assert_close(dx, want_dx, n);
    sheet_close(&s);
}

static value clamp_to_one(graph *g, value x)
{
    return op_clamp(g, x, -1, 1);
}

static value quarter_slope(graph *g, value x)
{
    return op_prelu(g, x, op_number(g, 0.25));
}

static value smooth_l1(graph *g, value x)
{
    return loss_smooth_l1(g, x, 0.1);
}

/* The gradient of a clamp passes at its limits, and that of PReLU at 0 is the slope. */
static void functions_have_the_slopes_of_pytorch_where_they_have_kinks(void **state)
{
    (void)state;
    static const double x[5] = {-2, -1, 0, 1, 2};
    check_function(clamp_to_one, 5, x, (const double[]){-1, -1, 0, 1, 1}, (const double[]){0, 1, 1, 1, 0});
    check_function(quarter_slope, 5, x, (const double[]){-0.5, -0.25, 0, 1, 2},
                   (const double[]){0.25, 0.25, 0.25, 1, 1});
    check_function(op_softplus, 5, x,
                   (const double[]){0.1269280110429726, 0.3132616875182228, 0.6931471805599453,
                                    1.3132616875182228, 2.1269280110429727},
                   (const double[]){0.11920292202211755, 0.2689414213699951, 0.5, 0.7310585786300049,
                                    0.8807970779778824});
    static const double d[4] = {0.05, 0.1, 1, -1};
    check_function(smooth_l1, 4, d, (const double[]){0.0125, 0.05, 0.95, 0.95},
                   (const double[]){0.5, 1, 1, -1});
}

static void a_vector_shorter_than_eps_is_divided_by_eps(void **state)
{
    (void)state;
    static const double x[4] = {3, 4, 0, 0}, weight[4] = {1, 2, 3, 4};
    static const double want[4] = {0.6, 1.6, 0, 0}, want_dx[4] = {-0.064, 0.048, 300, 400};
    sheet s;
    double y[4], dx[4];
    sheet_open(&s, bk_reference(), BK_F64);
    value at = sheet_input(&s, BK_F64, 2, DIMS(2, 2), x), w = sheet_input(&s, BK_F64, 2, DIMS(2, 2), weight);
    sheet_run(&s, op_mul(s.g, op_l2_normalize(s.g, at, 2, 1e-2), w), y, (double *[MAX_INPUTS]){dx});
    assert_close(y, want, 4);
    assert_close(dx, want_dx, 4);
    sheet_close(&s);
}

static void cosine_similarity_is_that_of_pytorch(void **state)
{
    (void)state;
    static const double a[3] = {1, 2, -1}, b[3] = {0.5, -1, 2}, want = -0.6236095644623236;
    static const double da[3] = {0.19302200804786213, 0.029695693545825047, 0.2524133951395119};
    static const double db[3] = {0.2375655483665995, 0.2375655483665995, 0.0593913870916499};
    sheet s;
    double y, dx[3], dz[3];
    sheet_open(&s, bk_reference(), BK_F64);
    value x = sheet_input(&s, BK_F64, 2, DIMS(1, 3), a), z = sheet_input(&s, BK_F64, 2, DIMS(1, 3), b);
    sheet_run(&s, op_cosine(s.g, x, z, 2, 1e-8), &y, (double *[MAX_INPUTS]){dx, dz});
    assert_close(&y, &want, 1);
    assert_close(dx, da, 3);
    assert_close(dz, db, 3);
    sheet_close(&s);
}

static void log_sum_exp_of_large_numbers_is_that_of_pytorch(void **state)
{
    (void)state;
    static const double x[4] = {1000, 1000.5, -1000, -1001};
    static const double want[2] = {1000.9740769841801, -999.6867383124818};
    sheet s;
    double y[2];
    sheet_open(&s, bk_reference(), BK_F64);
    sheet_run(&s, op_log_sum_exp(s.g, sheet_input(&s, BK_F64, 2, DIMS(2, 2), x), 2), y, NULL);
    assert_close(y, want, 2);
    sheet_close(&s);
}

static void comparisons_are_false_for_what_is_not_a_number(void **state)
{
    (void)state;
    static const double a[4] = {1, 2, NAN, 3}, b[4] = {1, 3, 1, 2};
    static const double want[4] = {1, 1, 0, 0};
    for (int cpu = 0; cpu < 2; cpu++) {
        sheet s;
        double y[4];
        sheet_open(&s, cpu ? bk_cpu() : bk_reference(), cpu ? BK_F32 : BK_F64);
        value x = sheet_input(&s, s.real, 1, DIMS(4), a), z = sheet_input(&s, s.real, 1, DIMS(4), b);
        sheet_run(&s, op_less_equal(s.g, x, z), y, NULL);
        assert_close(y, want, 4);
        sheet_close(&s);
    }
}

/* ---- what losses have in common ---- */

enum { IMAGES = 2, PIXELS = 6, KINDS = 3, SCORES = IMAGES * PIXELS * KINDS, SKIPPED = 255 };
static const double true_kinds[IMAGES * PIXELS] = {0, 1, 1, 2, SKIPPED, 0, 2, 2, 1, 0, 1, 2};

static void draw_scores(double *x)
{
    random_stream r = random_open(11, 0);
    for (int i = 0; i < SCORES; i++)
        x[i] = 2 * random_uniform(&r) - 1;
}

/* One of several losses of the same scores. */
typedef struct question {
    value scores, p, label, target, valid;
} question;

typedef value (*answer)(graph *g, const question *q);

static value plain(graph *g, const question *q)
{
    label_options o = label_defaults();
    o.ignored = SKIPPED;
    return loss_cross_entropy(g, q->scores, q->label, &o);
}

static value smoothed(graph *g, const question *q)
{
    label_options o = label_defaults();
    o.ignored = SKIPPED;
    o.smoothing = 0.1;
    return loss_cross_entropy(g, q->scores, q->label, &o);
}

static value summed(graph *g, const question *q)
{
    value weight;
    return op_sum_all(g, op_cross_entropy(g, q->scores, q->label, NONE, SKIPPED, &weight));
}

static value focal_0(graph *g, const question *q)
{
    return loss_focal(g, q->scores, q->label, SKIPPED, 0, 1);
}

static value focal_2(graph *g, const question *q)
{
    return loss_focal(g, q->scores, q->label, SKIPPED, 2, 0.25);
}

static value hard(graph *g, const question *q)
{
    return loss_hard_cross_entropy(g, q->scores, q->label, SKIPPED, 3, 0.2);
}

static value dice(graph *g, const question *q)
{
    return loss_dice(g, q->p, q->target, q->valid, (dice_options){.smooth = 0});
}

static value dice_of_squares(graph *g, const question *q)
{
    return loss_dice(g, q->p, q->target, q->valid, (dice_options){.smooth = 1e-5, .squared = 1, .batch = 1});
}

static value generalised(graph *g, const question *q)
{
    return loss_generalized_dice(g, q->p, q->target, q->valid, 0);
}

static value tversky_of_halves(graph *g, const question *q)
{
    return loss_tversky(g, q->p, q->target, q->valid, (tversky_options){0.5, 0.5, 0, 1});
}

static value focal_tversky(graph *g, const question *q)
{
    return loss_tversky(g, q->p, q->target, q->valid, (tversky_options){0.3, 0.7, 1e-5, 0.75});
}

static value lovasz(graph *g, const question *q)
{
    return loss_lovasz(g, q->p, q->label, SKIPPED, 0);
}

/* The loss in float64, and its gradient unless dx is NULL. */
static double ask(answer a, const double *x, const double *labels, double *dx)
{
    sheet s;
    double loss;
    question q;
    sheet_open(&s, bk_reference(), BK_F64);
    q.scores = sheet_input(&s, BK_F64, 3, DIMS(IMAGES, PIXELS, KINDS), x);
    q.label = sheet_input(&s, BK_I32, 2, DIMS(IMAGES, PIXELS), labels);
    q.p = op_softmax(s.g, q.scores);
    q.target = op_one_hot(s.g, q.label, KINDS, SKIPPED);
    q.valid = op_sum(s.g, q.target, 4);
    sheet_run(&s, a(s.g, &q), &loss, dx ? (double *[MAX_INPUTS]){dx} : NULL);
    sheet_close(&s);
    return loss;
}

static void same_loss(answer one, answer other)
{
    double x[SCORES], dx[2][SCORES];
    draw_scores(x);
    double loss = ask(one, x, true_kinds, dx[0]), again = ask(other, x, true_kinds, dx[1]);
    assert_close(&loss, &again, 1);
    assert_close(dx[0], dx[1], SCORES);
}

static void a_focal_loss_without_an_exponent_is_the_cross_entropy(void **state)
{
    (void)state;
    same_loss(focal_0, plain);
}

static void a_tversky_loss_of_two_halves_is_dice(void **state)
{
    (void)state;
    same_loss(tversky_of_halves, dice);
}

/* Its weight is above and below, and nothing is left of it. */
static void the_generalised_dice_of_one_class_is_dice(void **state)
{
    (void)state;
    static const double p[8] = {0.9, 0.2, 0.4, 0.7, 0.1, 0.6, 0.3, 0.8}, target[8] = {1, 0, 1, 1, 0, 1, 0, 0};
    double loss[2], dp[2][8];
    for (int general = 0; general < 2; general++) {
        sheet s;
        sheet_open(&s, bk_reference(), BK_F64);
        value x = sheet_input(&s, BK_F64, 3, DIMS(2, 4, 1), p),
              t = sheet_input(&s, BK_F64, 3, DIMS(2, 4, 1), target);
        value made = general ? loss_generalized_dice(s.g, x, t, NONE, 0)
                             : loss_dice(s.g, x, t, NONE, (dice_options){.smooth = 0});
        sheet_run(&s, made, &loss[general], (double *[MAX_INPUTS]){dp[general]});
        sheet_close(&s);
    }
    assert_close(&loss[1], &loss[0], 1);
    assert_close(dp[1], dp[0], 8);
}

/* The share of the pixels of a class, in truth or answer, that have it in one of them alone; mean over
 * classes. */
static double jaccard_loss(const double *labels, const int *answers)
{
    double sum = 0;
    for (int k = 0; k < KINDS; k++) {
        int both = 0, any = 0;
        for (int i = 0; i < IMAGES * PIXELS; i++) {
            int truth = labels[i] == k, answer = answers[i] == k;
            both += labels[i] != SKIPPED && truth && answer;
            any += labels[i] != SKIPPED && (truth || answer);
        }
        sum += 1 - (double)both / any;
    }
    return sum / KINDS;
}

static void the_lovasz_loss_of_hard_answers_is_what_lacks_to_the_mean_iou(void **state)
{
    (void)state;
    static const int answers[IMAGES * PIXELS] = {0, 1, 2, 2, 1, 1, 2, 0, 1, 0, 1, 2};
    double x[SCORES];
    for (int i = 0; i < SCORES; i++)
        x[i] = answers[i / KINDS] == i % KINDS ? 400 : -400; /* probabilities are 0 and 1 */
    double loss = ask(lovasz, x, true_kinds, NULL), want = jaccard_loss(true_kinds, answers);
    assert_true(want > 0.1 && want < 0.9);
    assert_close(&loss, &want, 1);
}

/* So that a step with the mean is that with the sum, at a rate smaller by the pixels that count. */
static void a_summed_loss_has_as_many_times_the_slope_of_the_mean_as_pixels_count(void **state)
{
    (void)state;
    enum { COUNT = IMAGES * PIXELS - 1 };
    double x[SCORES], dx[2][SCORES];
    draw_scores(x);
    double mean = ask(plain, x, true_kinds, dx[0]), sum = ask(summed, x, true_kinds, dx[1]);
    mean *= COUNT;
    assert_close(&sum, &mean, 1);
    for (int i = 0; i < SCORES; i++)
        dx[0][i] *= COUNT;
    assert_close(dx[1], dx[0], SCORES);
}

/* Of two points 2e-5 apart, whose rounding is 1e-11 of a slope and whose curvature less. */
static void every_loss_has_the_slope_of_its_differences(void **state)
{
    (void)state;
    static const answer losses[] = {plain,           smoothed,    focal_2,           hard,          dice,
                                    dice_of_squares, generalised, tversky_of_halves, focal_tversky, lovasz};
    const double h = 1e-5;
    for (size_t k = 0; k < sizeof losses / sizeof *losses; k++) {
        double x[SCORES], dx[SCORES], top = 0;
        draw_scores(x);
        ask(losses[k], x, true_kinds, dx);
        for (int i = 0; i < SCORES; i++) {
            double was = x[i], loss[2];
            for (int way = 0; way < 2; way++) {
                x[i] = was + (way ? h : -h);
                loss[way] = ask(losses[k], x, true_kinds, NULL);
            }
            x[i] = was;
            top = fmax(top, fabs(dx[i]));
            if (!(fabs(dx[i] - (loss[1] - loss[0]) / (2 * h)) <= 1e-8))
                fail_msg("loss %zu: slope %d is %.12g, not %.12g", k, i, dx[i],
                         (loss[1] - loss[0]) / (2 * h));
        }
        assert_true(top > 1e-3);
    }
}

/* ---- whole losses, recorded ---- */

static const char *parity_path(void)
{
    static char path[1024];
    const char *given = getenv("SLMT_PARITY_DIR");
    snprintf(path, sizeof path, "%s/seg_losses_metrics.h5",
             given ? given : SLMT_SOURCE_DIR "/../shared/parity");
    return path;
}

typedef struct recorded {
    hid_t group;
    int64_t b, k, h, w;
    reference_data logits, labels, values, errors, grads, grad_errors, params, class_weights, pixel_weights;
    reference_data critic_p, critic_x, image;
    double critic_bias;
    char (*names)[32];
} recorded;

static reference_data read_if_there(hid_t group, const char *name)
{
    return H5Lexists(group, name, H5P_DEFAULT) > 0 ? parity_read(group, name) : (reference_data){0};
}

static void read_names(recorded *r)
{
    hid_t d = H5Dopen2(r->group, "names", H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, sizeof *r->names);
    r->names = calloc(r->values.n, sizeof *r->names);
    assert_true(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, r->names) >= 0);
    H5Tclose(type);
    H5Dclose(d);
}

static void open_recorded(recorded *r, hid_t file, const char *name)
{
    hsize_t dim[4];
    r->group = H5Gopen2(file, name, H5P_DEFAULT);
    assert_true(r->group >= 0);
    hid_t d = H5Dopen2(r->group, "logits", H5P_DEFAULT), space = H5Dget_space(d);
    assert_int_equal(H5Sget_simple_extent_dims(space, dim, NULL), 4);
    H5Sclose(space);
    H5Dclose(d);
    r->b = (int64_t)dim[0];
    r->k = (int64_t)dim[1];
    r->h = (int64_t)dim[2];
    r->w = (int64_t)dim[3];
    r->logits = parity_read(r->group, "logits");
    r->labels = parity_read(r->group, "labels");
    r->values = parity_read(r->group, "values");
    r->errors = parity_read(r->group, "values_err");
    r->grads = parity_read(r->group, "grads");
    r->grad_errors = parity_read(r->group, "grads_err");
    r->params = parity_read(r->group, "params");
    r->class_weights = read_if_there(r->group, "class_weights");
    r->pixel_weights = read_if_there(r->group, "pixel_weights");
    r->critic_p = read_if_there(r->group, "critic_p");
    r->critic_x = read_if_there(r->group, "critic_x");
    r->image = read_if_there(r->group, "image");
    if (r->critic_p.x)
        r->critic_bias = parity_attr(r->group, "critic_bias", 0);
    read_names(r);
}

static void close_recorded(recorded *r)
{
    reference_data *all[] = {&r->logits,        &r->labels,      &r->values,   &r->errors,
                             &r->grads,         &r->grad_errors, &r->params,   &r->class_weights,
                             &r->pixel_weights, &r->critic_p,    &r->critic_x, &r->image};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->x);
    free(r->names);
    H5Gclose(r->group);
}

/* [B,K,P] to [B,P,K], or back. */
static void swap_axes(const double *x, int64_t b, int64_t rows, int64_t cols, double *y)
{
    for (int64_t i = 0; i < b; i++)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < cols; c++)
                y[(i * cols + c) * rows + r] = x[(i * rows + r) * cols + c];
}

enum { IGNORED = 255 };

typedef struct pixels {
    value logits, label, class_weight, pixel_weight;
    int64_t classes;
    const recorded *of;
} pixels;

/* The score that the recorded critic gives to each image with its probabilities: a sum of products, [B]. */
static value score_of(graph *g, const pixels *x)
{
    static double w[MAX_NUMBERS], bias[MAX_NUMBERS];
    const recorded *r = x->of;
    const int64_t space = r->h * r->w;
    swap_axes(r->critic_p.x, 1, r->k, space, w);
    for (int64_t b = 0; b < r->b; b++) {
        bias[b] = r->critic_bias;
        for (size_t i = 0; i < r->critic_x.n; i++)
            bias[b] += r->critic_x.x[i] * r->image.x[(size_t)b * r->critic_x.n + i];
    }
    value weight = graph_constant(g, shape_of(g->real, 4, DIMS(1, r->h, r->w, r->k)), w);
    value of_image = graph_constant(g, shape_of(g->real, 4, DIMS(r->b, 1, 1, 1)), bias);
    return op_add(g, op_sum(g, op_mul(g, op_softmax(g, x->logits), weight), 14), of_image);
}

/* Of binary labels and logits [B,H,W,1]. */
static value binary_loss(graph *g, const char *name, const double *p, const pixels *x)
{
    bk_shape s = *graph_shape(g, x->logits);
    value target = op_reshape(g, op_cast(g, x->label), s.rank, s.dim);
    dice_options dice = {.smooth = p[0], .squared = p[1] != 0, .batch = p[2] != 0};
    if (!strcmp(name, "bce"))
        return op_mean_all(g, loss_binary_cross_entropy(g, x->logits, target, NONE));
    if (!strcmp(name, "focal_binary"))
        return op_mean_all(g, loss_binary_focal(g, x->logits, target, p[0], p[1]));
    if (!strcmp(name, "dice"))
        return loss_dice(g, op_sigmoid(g, x->logits), target, NONE, dice);
    if (!strcmp(name, "tversky"))
        return loss_tversky(g, op_sigmoid(g, x->logits), target, NONE,
                            (tversky_options){p[0], p[1], p[2], p[3]});
    if (!strcmp(name, "ac"))
        return loss_active_contour(g, op_view(g, op_sigmoid(g, x->logits), 3, -1, s.dim[1], s.dim[2]),
                                   op_cast(g, x->label), p[0]);
    return NONE;
}

static value cross_entropy_loss(graph *g, const char *name, const double *p, const pixels *x)
{
    label_options o = label_defaults();
    value weight;
    o.ignored = IGNORED;
    if (!strcmp(name, "ce_sum"))
        return op_sum_all(g, op_cross_entropy(g, x->logits, x->label, NONE, IGNORED, &weight));
    if (strstr(name, "weighted"))
        o.class_weight = x->class_weight;
    if (strstr(name, "smooth"))
        o.smoothing = p[0];
    if (strstr(name, "pixel"))
        o.pixel_weight = x->pixel_weight;
    return loss_cross_entropy(g, x->logits, x->label, &o);
}

/* The loss of a row, or NONE for a name that is another test's. */
static value class_loss(graph *g, const char *name, const double *p, const pixels *x)
{
    dice_options dice = {.smooth = p[0], .squared = p[1] != 0, .batch = p[2] != 0, .foreground = p[3] == 0};
    if (!strncmp(name, "ce", 2))
        return cross_entropy_loss(g, name, p, x);
    if (!strncmp(name, "ohem", 4))
        return loss_hard_cross_entropy(g, x->logits, x->label, IGNORED, (int64_t)p[0], p[1]);
    if (!strcmp(name, "focal"))
        return loss_focal(g, x->logits, x->label, IGNORED, p[0], p[1]);
    if (!strcmp(name, "lovasz"))
        return loss_lovasz(g, op_softmax(g, x->logits), x->label, IGNORED, p[0] != 0);
    if (!strcmp(name, "adv"))
        return op_add(g, cross_entropy_loss(g, "ce", p, x),
                      op_affine(g, loss_adversarial(g, score_of(g, x)), p[0], 0));
    if (!strcmp(name, "dice")) {
        value target = op_one_hot(g, x->label, x->classes, IGNORED);
        return loss_dice(g, op_softmax(g, x->logits), target, op_sum(g, target, 8), dice);
    }
    if (!strcmp(name, "gdl") || !strcmp(name, "tversky")) {
        value target = op_one_hot(g, x->label, x->classes, IGNORED), valid = op_sum(g, target, 8);
        value probability = op_softmax(g, x->logits);
        return *name == 'g'
                   ? loss_generalized_dice(g, probability, target, valid, p[0])
                   : loss_tversky(g, probability, target, valid, (tversky_options){p[0], p[1], p[2], p[3]});
    }
    return NONE;
}

static double tolerance_of(const double *want, size_t n, double error, bk_dtype real)
{
    double top = parity_max_abs(want, n); /* NaN is passed over */
    return real == BK_F64 ? 1e-9 * top + 1e-12 : fmax(8 * error, 2e-6 * top);
}

static int check_row(const recorded *r, size_t row, const bk_backend *backend, bk_dtype real)
{
    static double x[MAX_NUMBERS], dx[MAX_NUMBERS], moved[MAX_NUMBERS];
    int64_t space = r->h * r->w, n = r->b * r->k * space;
    const double *p = r->params.x + 4 * row, *want = r->grads.x + (int64_t)row * n;
    double loss;
    sheet s;
    pixels in = {.classes = r->k, .of = r};
    sheet_open(&s, backend, real);
    swap_axes(r->logits.x, r->b, r->k, space, x);
    in.logits = sheet_input(&s, real, 4, DIMS(r->b, r->h, r->w, r->k), x);
    in.label = sheet_input(&s, BK_I32, 3, DIMS(r->b, r->h, r->w), r->labels.x);
    if (r->class_weights.x) {
        in.class_weight = sheet_input(&s, real, 1, DIMS(r->k), r->class_weights.x);
        in.pixel_weight = sheet_input(&s, real, 3, DIMS(r->b, r->h, r->w), r->pixel_weights.x);
    }
    value made = (r->k == 1 ? binary_loss : class_loss)(s.g, r->names[row], p, &in);
    int known = made != NONE || graph_status(s.g) != OK;
    if (known) {
        sheet_run(&s, made, &loss, (double *[MAX_INPUTS]){dx});
        swap_axes(dx, r->b, space, r->k, moved);
        double limit = tolerance_of(&r->values.x[row], 1, r->errors.x[row], real);
        if (!(fabs(loss - r->values.x[row]) <= limit))
            fail_msg("%s: row %d is %.12g, not %.12g", r->names[row], (int)row, loss, r->values.x[row]);
        limit = tolerance_of(want, (size_t)n, r->grad_errors.x[row], real);
        for (int64_t i = 0; i < n; i++)
            if (isnan(want[i])) /* 0 times infinity in PyTorch; what trains needs a number */
                assert_true(isfinite(moved[i]));
            else if (!(fabs(moved[i] - want[i]) <= limit))
                fail_msg("%s: row %d, slope %d is %.12g, not %.12g", r->names[row], (int)row, (int)i,
                         moved[i], want[i]);
    }
    sheet_close(&s);
    return known;
}

static herr_t check_group(hid_t parent, const char *name, const H5L_info_t *info, void *user)
{
    recorded r = {0};
    int *checked = user;
    (void)info;
    open_recorded(&r, parent, name);
    for (size_t row = 0; row < r.values.n; row++) {
        if (isnan(r.values.x[row]))
            continue;
        *checked += check_row(&r, row, bk_reference(), BK_F64);
        check_row(&r, row, bk_cpu(), BK_F32);
    }
    close_recorded(&r);
    return 0;
}

static void check_losses(const char *kind)
{
    int checked = 0;
    hid_t file = H5Fopen(parity_path(), H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0)
        skip();
    hid_t group = H5Gopen2(file, kind, H5P_DEFAULT);
    assert_true(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, check_group, &checked) >= 0);
    H5Gclose(group);
    H5Fclose(file);
    assert_true(checked > 0);
    print_message("  %d losses of %s\n", checked, kind);
}

static void losses_of_labels_and_their_gradients_are_as_recorded(void **state)
{
    (void)state;
    check_losses("losses");
}

static void binary_losses_and_their_gradients_are_as_recorded(void **state)
{
    (void)state;
    check_losses("losses_binary");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_entropy_is_the_mean_of_pytorch),
        cmocka_unit_test(cross_entropy_of_soft_targets_is_that_of_pytorch),
        cmocka_unit_test(binary_cross_entropy_is_that_of_pytorch),
        cmocka_unit_test(binary_focal_loss_has_known_values_and_slopes),
        cmocka_unit_test(functions_have_the_slopes_of_pytorch_where_they_have_kinks),
        cmocka_unit_test(a_vector_shorter_than_eps_is_divided_by_eps),
        cmocka_unit_test(cosine_similarity_is_that_of_pytorch),
        cmocka_unit_test(log_sum_exp_of_large_numbers_is_that_of_pytorch),
        cmocka_unit_test(comparisons_are_false_for_what_is_not_a_number),
        cmocka_unit_test(a_focal_loss_without_an_exponent_is_the_cross_entropy),
        cmocka_unit_test(a_tversky_loss_of_two_halves_is_dice),
        cmocka_unit_test(the_generalised_dice_of_one_class_is_dice),
        cmocka_unit_test(the_lovasz_loss_of_hard_answers_is_what_lacks_to_the_mean_iou),
        cmocka_unit_test(a_summed_loss_has_as_many_times_the_slope_of_the_mean_as_pixels_count),
        cmocka_unit_test(every_loss_has_the_slope_of_its_differences),
        cmocka_unit_test(losses_of_labels_and_their_gradients_are_as_recorded),
        cmocka_unit_test(binary_losses_and_their_gradients_are_as_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
