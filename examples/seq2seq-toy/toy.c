/* SPDX-License-Identifier: Apache-2.0 */
/* seq2seq-toy [--seed N] [--steps N] [--threads N] [--out DIR] [--facts all|short]
 *
 * Imaging differentiation where the answer is known. Subjects of four simulated sequences, 32x32 pixels:
 *
 *     s1  body + disc A                  s2  body + A + square B
 *     s3  body + B + diamond U           s4  -s1 inside the body
 *
 * Only s3 shows U, so no other sequence can make it: it must be the hardest to make. s2 knows all that s1 and
 * s4 know, so it must make the others best. Seq2Seq learns to make any from any; its errors on subjects it
 * has not seen are then ranked and mapped, without being told any of this.
 *
 * Prints what was found, and exits with 1 if a fact does not hold (see README.md); --facts short: those that
 * hold after 500 steps already. With --out it writes scores.csv, ranking.csv, facts.csv and images.f32 (for
 * figures.py) there. The same seed and threads give the same figures on the same machine. */
#include <slmt/slmt.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 32, PIXELS = SIDE * SIDE, N = 4, BATCH = 8, TRAIN = 2000, TEST = 200, SHOWN = 8 };

static void must(slmt_status status)
{
    if (status == SLMT_OK)
        return;
    fprintf(stderr, "seq2seq-toy: %s: %s\n", slmt_status_name(status), slmt_error_text());
    exit(2);
}

/* ---- random numbers (splitmix64) ---- */

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static double uniform(uint64_t *state, double low, double high)
{
    return low + (high - low) * ((double)(next(state) >> 11) / 9007199254740992.0);
}

/* ---- subjects ---- */

enum { OUTSIDE = 0, BODY = 1, A = 2, B = 4, U = 8 }; /* what covers a pixel */

typedef struct subject {
    unsigned char in[PIXELS];
    float image[N][PIXELS]; /* in [-1, 1] */
} subject;

/* Later shapes are painted over earlier ones. */
static void paint(subject *s, int p, double body)
{
    int in = s->in[p];
    double s1 = in & A ? 0.4 : body;
    s->image[0][p] = (float)(in ? s1 : -1);
    s->image[1][p] = (float)(!in ? -1 : in & B ? 0.8 : in & A ? 0.1 : body);
    s->image[2][p] = (float)(!in ? -1 : in & U ? 0.9 : in & B ? 0.5 : body);
    s->image[3][p] = (float)(in ? -s1 : -1);
}

/* Subject `index` of a seed: 0 to TRAIN - 1 to learn from, the TEST next ones are held out. */
static void make_subject(uint64_t seed, int index, subject *s)
{
    uint64_t state = seed * 1000003 + (uint64_t)index;
    state = next(&state);
    double x[3], y[3], cx = uniform(&state, 14, 18), cy = uniform(&state, 14, 18);
    double half_x = uniform(&state, 10, 13), half_y = uniform(&state, 10, 13);
    for (int k = 0; k < 3; k++) {
        double radius = uniform(&state, 2, 6), angle = uniform(&state, 0, 2 * 3.14159265358979323846);
        x[k] = cx + radius * cos(angle);
        y[k] = cy + radius * sin(angle);
    }
    for (int p = 0; p < PIXELS; p++) {
        double c = p % SIDE, r = p / SIDE;
        int in = hypot((c - cx) / half_x, (r - cy) / half_y) < 1 ? BODY : OUTSIDE;
        in |= hypot(c - x[0], r - y[0]) < 2.8 ? A : 0;
        in |= fabs(c - x[1]) < 2.5 && fabs(r - y[1]) < 2.5 ? B : 0;
        in |= fabs(c - x[2]) + fabs(r - y[2]) < 3.5 ? U : 0;
        s->in[p] = (unsigned char)in;
        paint(s, p, -0.2 + 0.01 * (c - cx));
    }
}

/* ---- training ---- */

static slmt_tensor images(const char *name, void *data, const int64_t *shape)
{
    return (slmt_tensor){name, data, shape, NULL, 5, SLMT_TENSOR_FLOAT32};
}

static slmt_tensor sequence(const char *name, int32_t *index)
{
    static const int64_t one = 1;
    return (slmt_tensor){name, index, &one, NULL, 1, SLMT_TENSOR_INT32};
}

/* Constant for the first half, then falling in a straight line. */
static double rate_at(int step, int steps)
{
    return 2 * step < steps ? 1e-3 : 1e-3 * 2 * (1 - (double)step / steps) + 1e-6;
}

/* Mean losses of the first and of the last 100 steps. */
typedef struct course {
    double first, last;
} course;

static slmt_model *train(slmt_context *context, uint64_t seed, int steps, course *loss)
{
    static const slmt_number sizes[] = {{"channels", 1},  {"widths_0", 8},    {"widths_1", 16},
                                        {"widths_2", 32}, {"lstm_width", 32}, {"residual_blocks", 1},
                                        {"bank", 4},      {"code_length", 64}};
    static const slmt_number settings[] = {
        {"batch", BATCH}, {"height", SIDE}, {"width", SIDE}, {"smooth_l1_beta", 0.1}, {"recompute", 0}};
    static const int64_t shape[] = {BATCH, 1, 1, SIDE, SIDE};
    static float source[BATCH][PIXELS], target[BATCH][PIXELS];
    static subject one;
    slmt_model *model = NULL;
    slmt_trainer *trainer = NULL;
    must(slmt_model_create(context, "seq2seq", sizes, 8, seed, &model));
    must(slmt_trainer_create(model, "train", settings, 5, seed, &trainer));
    uint64_t state = ~seed;
    double sum = 0;
    for (int step = 1; step <= steps; step++) {
        int32_t s = (int32_t)(next(&state) % N), t = (int32_t)(next(&state) % N); /* s = t is allowed */
        double total = 0;
        for (int b = 0; b < BATCH; b++) {
            make_subject(seed, (int)(next(&state) % TRAIN), &one);
            memcpy(source[b], one.image[s], sizeof source[b]);
            memcpy(target[b], one.image[t], sizeof target[b]);
        }
        const slmt_tensor in[] = {images("source", source, shape), images("target", target, shape),
                                  sequence("source_sequence", &s), sequence("target_sequence", &t)};
        must(slmt_trainer_step(trainer, in, 4, rate_at(step, steps)));
        must(slmt_trainer_value(trainer, "total", &total));
        sum += total;
        if (step % 100 == 0) {
            printf("step %5d  loss, mean of 100: %.4f\n", step, sum / 100);
            loss->last = sum / 100;
            if (step == 100)
                loss->first = loss->last;
            sum = 0;
        }
    }
    slmt_trainer_free(trainer);
    return model;
}

/* ---- every target from every source, of the subjects held out ---- */

typedef struct results {
    subject held_out[TEST];
    float made[N][N][TEST][PIXELS]; /* by source and target */
    float map[N][TEST][PIXELS];     /* imaging differentiation of a target, s = t included */
    slmt_pair_score score[TEST * N * N];
} results;

static void synthesize(slmt_model *model, uint64_t seed, results *r)
{
    static const slmt_number settings[] = {{"batch", BATCH}, {"height", SIDE}, {"width", SIDE}};
    static const int64_t shape[] = {TEST, 1, 1, SIDE, SIDE};
    static float source[TEST][PIXELS];
    slmt_session *session = NULL;
    must(slmt_session_create(model, "synthesize", settings, 3, &session));
    for (int k = 0; k < TEST; k++)
        make_subject(seed, TRAIN + k, &r->held_out[k]);
    for (int32_t s = 0; s < N; s++) {
        for (int k = 0; k < TEST; k++)
            memcpy(source[k], r->held_out[k].image[s], sizeof source[k]);
        for (int32_t t = 0; t < N; t++) {
            const slmt_tensor in[] = {images("source", source, shape), sequence("sequence", &t)},
                              out = images("target", r->made[s][t], shape);
            must(slmt_session_run(session, in, 2, &out, 1));
        }
    }
    slmt_session_free(session);
}

/* Images lie in [-1, 1], so both metrics have a data range of 2. slmt_compare() has PSNR with range 1 alone,
 * 20 log10(2) dB less; its ssim_range_2 is what range 2 asks for. LPIPS is not taken. */
static void score(results *r)
{
    for (int i = 0; i < TEST * N * N; i++) {
        int k = i / (N * N), s = i / N % N, t = i % N;
        slmt_metrics m = {.struct_size = sizeof m};
        must(slmt_compare(r->made[s][t][k], r->held_out[k].image[t], SIDE, SIDE, &m));
        r->score[i] = (slmt_pair_score){k, s, t, 0, m.psnr + 20 * log10(2), m.ssim_range_2, NAN};
    }
}

static void map(results *r)
{
    for (int k = 0; k < TEST; k++)
        for (int t = 0; t < N; t++) {
            const float *made[N];
            for (int s = 0; s < N; s++)
                made[s] = r->made[s][t][k];
            must(slmt_differentiation_map(made, N, r->held_out[k].image[t], PIXELS, r->map[t][k]));
        }
}

typedef struct ranking {
    double totipotency[N], differentiation[N];
} ranking;

static ranking rank(const results *r, int32_t self)
{
    ranking found;
    slmt_ranking_options options;
    slmt_ranking_options_init(&options);
    options.self = self;
    must(slmt_rank_sequences(r->score, TEST * N * N, N, &options, found.totipotency, found.differentiation,
                             NULL));
    return found;
}

/* ---- facts ---- */

/* Mean over the subjects held out of images [TEST][PIXELS], over pixels in U, or in the body and no shape. */
static double mean_in(const results *r, const float (*image)[PIXELS], int in_u)
{
    double sum = 0;
    size_t count = 0;
    for (int k = 0; k < TEST; k++)
        for (int p = 0; p < PIXELS; p++) {
            int in = r->held_out[k].in[p];
            if (in_u ? in & U : in == BODY) {
                sum += image[k][p];
                count++;
            }
        }
    return sum / (double)count;
}

/* How much brighter than the body U is in s3 made from a source; 1.1 in the truth. */
static double contrast_of_u(const results *r, int source)
{
    return mean_in(r, r->made[source][2], 1) - mean_in(r, r->made[source][2], 0);
}

enum { AT_LEAST, AT_MOST };

typedef struct fact {
    const char *text;
    double value, bound;
    int rule;
} fact;

/* Returns how many do not hold. */
static int print_facts(const fact *f, int n, FILE *csv)
{
    int broken = 0;
    if (csv)
        fprintf(csv, "fact,value,rule,bound,holds\n");
    for (int i = 0; i < n; i++) {
        int holds = f[i].rule == AT_LEAST ? f[i].value >= f[i].bound : f[i].value <= f[i].bound;
        const char *rule = f[i].rule == AT_LEAST ? ">=" : "<=";
        printf("  %-60s %7.3f  %s %5.2f  %s\n", f[i].text, f[i].value, rule, f[i].bound,
               holds ? "yes" : "NO");
        if (csv)
            fprintf(csv, "%s,%.6f,%s,%g,%d\n", f[i].text, f[i].value, rule, f[i].bound, holds);
        broken += !holds;
    }
    return broken;
}

/* Bounds: README.md has what three seeds gave. */
static int check_facts(const results *r, const ranking *found, FILE *csv)
{
    const double *t = found->totipotency, *d = found->differentiation;
    const fact facts[] = {
        {"C_d of s3 above that of s2", d[2] - d[1], 0.5, AT_LEAST},
        {"C_d of s2 above those of s1 and s4", d[1] - fmax(d[0], d[3]), 0.8, AT_LEAST},
        {"C_d of s1 and s4 apart", fabs(d[0] - d[3]), 0.4, AT_MOST},
        {"C_t of s2 above those of s1 and s4", t[1] - fmax(t[0], t[3]), 0.5, AT_LEAST},
        {"C_t of s2 above that of s3", t[1] - t[2], 0, AT_LEAST},
        {"M_d(s3) inside U over M_d(s3) in the body without shapes",
         mean_in(r, r->map[2], 1) / mean_in(r, r->map[2], 0), 10, AT_LEAST},
        {"contrast of U in s3 made from s3 (truth 1.1)", contrast_of_u(r, 2), 0.7, AT_LEAST},
        {"contrast of U in s3 made from s1", contrast_of_u(r, 0), 0.3, AT_MOST},
    };
    printf("\nfacts\n");
    return print_facts(facts, (int)(sizeof facts / sizeof *facts), csv);
}

/* What 500 steps have learnt; the shapes are not drawn yet. */
static int check_short(const results *r, const ranking *found, const course *loss, FILE *csv)
{
    const double *d = found->differentiation;
    const fact facts[] = {
        {"loss of the last 100 steps over that of the first", loss->last / loss->first, 0.5, AT_MOST},
        {"C_d of s3 above that of s2", d[2] - d[1], 0.6, AT_LEAST},
        {"C_d of s2 above those of s1 and s4", d[1] - fmax(d[0], d[3]), 0.2, AT_LEAST},
        {"M_d(s3) inside U over M_d(s3) in the body without shapes",
         mean_in(r, r->map[2], 1) / mean_in(r, r->map[2], 0), 9, AT_LEAST},
    };
    printf("\nfacts\n");
    return print_facts(facts, (int)(sizeof facts / sizeof *facts), csv);
}

/* ---- output ---- */

static FILE *create(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f) {
        perror(path);
        exit(2);
    }
    return f;
}

static void print_ranking(const char *self, const ranking *k, FILE *csv)
{
    printf("\nself: %s\n                        s1      s2      s3      s4\n  C_t             ", self);
    for (int i = 0; i < N; i++)
        printf("%8.3f", k->totipotency[i]);
    printf("\n  C_d             ");
    for (int i = 0; i < N; i++)
        printf("%8.3f", k->differentiation[i]);
    printf("\n");
    for (int i = 0; csv && i < N; i++)
        fprintf(csv, "%s,s%d,%.6f,%.6f\n", self, i + 1, k->totipotency[i], k->differentiation[i]);
}

/* scores.csv; images.f32: of SHOWN subjects the N sequences, N x N made (a row for each source), N maps. */
static void write_results(const results *r, const char *folder)
{
    FILE *csv = create(folder, "scores.csv"), *raw = create(folder, "images.f32");
    fprintf(csv, "subject,source,target,psnr,ssim\n");
    for (int i = 0; i < TEST * N * N; i++)
        fprintf(csv, "%d,s%d,s%d,%.4f,%.6f\n", r->score[i].subject, r->score[i].source + 1,
                r->score[i].target + 1, r->score[i].psnr, r->score[i].ssim);
    for (int k = 0; k < SHOWN; k++) {
        fwrite(r->held_out[k].image, sizeof(float), N * PIXELS, raw);
        for (int i = 0; i < N * N; i++)
            fwrite(r->made[i / N][i % N][k], sizeof(float), PIXELS, raw);
        for (int t = 0; t < N; t++)
            fwrite(r->map[t][k], sizeof(float), PIXELS, raw);
    }
    fclose(csv);
    fclose(raw);
}

/* ---- the program ---- */

typedef struct arguments {
    long seed, steps, threads;
    const char *folder; /* NULL: nothing is written */
    int is_short;
} arguments;

/* Reads one option. Returns 0 where there is no such option. */
static int take(arguments *a, const char *name, const char *value)
{
    if (strcmp(name, "--seed") == 0)
        a->seed = atol(value);
    else if (strcmp(name, "--steps") == 0)
        a->steps = atol(value);
    else if (strcmp(name, "--threads") == 0)
        a->threads = atol(value);
    else if (strcmp(name, "--out") == 0)
        a->folder = value;
    else if (strcmp(name, "--facts") == 0 && (!strcmp(value, "all") || !strcmp(value, "short")))
        a->is_short = value[0] == 's';
    else
        return 0;
    return 1;
}

/* Ranks, prints and, with a folder, writes what was found. Returns how many facts do not hold. */
static int report(const arguments *a, const results *r, const course *loss)
{
    ranking exclude = rank(r, SLMT_SELF_EXCLUDE), zscore_only = rank(r, SLMT_SELF_ZSCORE_ONLY);
    FILE *ranks = NULL, *facts = NULL;
    if (a->folder) {
        mkdir(a->folder, 0777);
        write_results(r, a->folder);
        ranks = create(a->folder, "ranking.csv");
        facts = create(a->folder, "facts.csv");
        fprintf(ranks, "self,sequence,totipotency,differentiation\n");
    }
    print_ranking("exclude", &exclude, ranks);
    print_ranking("zscore-only", &zscore_only, ranks);
    int broken = a->is_short ? check_short(r, &exclude, loss, facts) : check_facts(r, &exclude, facts);
    if (a->folder) {
        fclose(ranks);
        fclose(facts);
    }
    return broken;
}

int main(int argc, char **argv)
{
    static results r;
    arguments a = {.steps = 8000};
    course loss = {NAN, NAN};
    for (int i = 1; i < argc; i += 2)
        if (i + 1 == argc || !take(&a, argv[i], argv[i + 1])) {
            fprintf(stderr, "usage: seq2seq-toy [--seed N] [--steps N] [--threads N] [--out DIR] "
                            "[--facts all|short]\n");
            return 2;
        }
    slmt_context_config config;
    slmt_context *context = NULL;
    slmt_context_config_init(&config);
    config.threads = (int32_t)a.threads;
    must(slmt_context_create(&config, &context));

    slmt_model *model = train(context, (uint64_t)a.seed, (int)a.steps, &loss);
    synthesize(model, (uint64_t)a.seed, &r);
    map(&r);
    score(&r);
    int broken = report(&a, &r, &loss);
    slmt_model_free(model);
    slmt_context_free(context);
    return broken ? 1 : 0;
}
