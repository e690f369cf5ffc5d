/* SPDX-License-Identifier: Apache-2.0 */
/* test_contrastive_parity.c - contrastive pre-training against recorded results of a second implementation:
 * who is compared with whom, every term, loss and gradient; the network of each stage in training and in
 * inference, with its running statistics, and steps of Adam; views, bent slices, partitions, Dice. In float64
 * on the reference backend, in float32 on cpu.
 *
 * The recorded file is contrastive.h5 in the folder SLMT_PARITY_DIR, or ../shared/parity: all of its groups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "data/label_metrics.h"
#include "data/resize.h"
#include "data/sampler/views.h"
#include "data/view.h"
#include "data/warp.h"
#include "methods/contrastive/contrastive.h"
#include "methods/contrastive/losses.h"
#include "tests/methods/parity_table.h"
#include "tests/methods/small_graph.h"

#include <cmocka.h> /* last: it has a macro fail() */

/* ---- the recorded file ---- */

static int is_text(hid_t at, const char *name, const char *text)
{
    char kept[64];
    parity_text(at, name, kept);
    return strcmp(kept, text) == 0;
}

static int32_t whole(hid_t group, const char *name)
{
    return H5Aexists(group, name) > 0 ? (int32_t)parity_attr(group, name, 0) : 0;
}

static int has(hid_t group, const char *name)
{
    return H5Lexists(group, name, H5P_DEFAULT) > 0;
}

/* The extents of a data set. */
static void extents(hid_t group, const char *name, int64_t size[4])
{
    hsize_t dims[8] = {0};
    hid_t d = H5Dopen2(group, name, H5P_DEFAULT), space = H5Dget_space(d);
    int rank = H5Sget_simple_extent_dims(space, dims, NULL);
    for (int i = 0; i < 4; i++)
        size[i] = i < rank ? (int64_t)dims[i] : 0;
    H5Sclose(space);
    H5Dclose(d);
}

/* Calls `compare` for every group below `folder`; returns the failures. */
typedef int (*comparison)(hid_t group, const char *name, const bk_backend *backend, bk_dtype real);
static int each_group(hid_t file, const char *folder, comparison compare, const bk_backend *backend,
                      bk_dtype real)
{
    int failures = 0;
    H5G_info_t info;
    hid_t all = H5Gopen2(file, folder, H5P_DEFAULT);
    assert_true(all >= 0);
    H5Gget_info(all, &info);
    assert_true(info.nlinks > 0);
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[64];
        H5Lget_name_by_idx(all, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        hid_t group = H5Gopen2(all, name, H5P_DEFAULT);
        int wrong = compare(group, name, backend, real);
        if (wrong)
            print_error("%s/%s: %d differences\n", folder, name, wrong);
        failures += wrong;
        H5Gclose(group);
    }
    H5Gclose(all);
    return failures;
}

/* 1: ours[n] differ from what was recorded. */
static int differs(hid_t group, const char *path, const double *ours, size_t n, bk_dtype real)
{
    reference_data r = parity_read(group, path);
    double worst = 0, tolerance = parity_bound(real, r.fp32_err, parity_max_abs(r.x, r.n));
    hid_t d = H5Dopen2(group, path, H5P_DEFAULT);
    if (H5Aexists(d, "tolerance") > 0)
        tolerance = parity_attr(d, "tolerance", 0);
    H5Dclose(d);
    for (size_t i = 0; i < r.n && r.n == n; i++) {
        double off = fabs(ours[i] - r.x[i]);
        worst = isnan(off) ? INFINITY : fmax(worst, off);
    }
    int wrong = r.n != n || !(worst <= tolerance);
    if (wrong)
        print_error("  %s: %zu numbers, %zu recorded, off by %g, tolerance %g\n", path, n, r.n, worst,
                    tolerance);
    free(r.x);
    return wrong;
}

/* ---- the global loss ---- */

/* What differs between losses: in place of a rule. */
typedef struct global_rule {
    const global_terms *terms;
    double tau;
} global_rule;

static value build_global(graph *g, const value *in, const void *rule, value *terms)
{
    const global_rule *r = rule;
    *terms = global_loss(g, in[0], r->terms, r->tau);
    return op_mean_all(g, *terms);
}

static global_strategy strategy_of(hid_t group)
{
    static const char *const names[] = {"GR", "GD-", "GD", "GD4"};
    int i = 0;
    while (!is_text(group, "strategy", names[i]))
        assert_true(++i < 4);
    return (global_strategy)i;
}

/* The batch of a group with so many images. */
static global_batch batch_of(hid_t group, int32_t images)
{
    global_batch b = {.strategy = strategy_of(group), .partitions = whole(group, "S")};
    b.slices = images / global_views(b.strategy);
    b.partitions = b.partitions ? b.partitions : 1;
    return b;
}

/* The terms as recorded. */
static global_terms recorded_terms(hid_t group)
{
    reference_data anchor = parity_read(group, "anchor"), positive = parity_read(group, "positive"),
                   negative = parity_read(group, "negative");
    return (global_terms){.count = (int32_t)anchor.n,
                          .images = (int32_t)(negative.n / anchor.n),
                          .anchor = anchor.x,
                          .positive = positive.x,
                          .negative = negative.x};
}

/* Terms of ours that are not recorded, and the other way round: as sets, in which a term may stand twice. */
static int unlike_terms(hid_t group, const global_terms *recorded)
{
    mem m;
    global_terms ours;
    const global_batch b = batch_of(group, recorded->images);
    mem_init(&m, NULL, NULL, NULL, 0);
    assert_int_equal(global_terms_open(&ours, &m, &b), OK);
    assert_int_equal(ours.count, recorded->count);
    size_t images = (size_t)ours.images;
    unsigned char *used = calloc((size_t)ours.count, 1);
    int missing = 0;
    for (size_t t = 0; t < (size_t)recorded->count; t++) {
        size_t k = 0;
        while (k < (size_t)ours.count && (used[k] || ours.anchor[k] != recorded->anchor[t] ||
                                          ours.positive[k] != recorded->positive[t] ||
                                          memcmp(ours.negative + k * images, recorded->negative + t * images,
                                                 images * sizeof(double)) != 0))
            k++;
        missing += k == (size_t)ours.count;
        if (k < (size_t)ours.count)
            used[k] = 1;
    }
    if (fabs(ours.scale - parity_attr(group, "reference_scale", 0)) > 1e-12)
        missing++;
    free(used);
    global_terms_close(&ours);
    return missing;
}

static int compare_global(hid_t group, const char *name, const bk_backend *backend, bk_dtype real)
{
    reference_data z = parity_read(group, "z");
    global_terms terms = recorded_terms(group);
    const global_rule rule = {&terms, parity_attr(group, "tau", 0)};
    small_graph s = {.backend = backend,
                     .real = real,
                     .inputs = 1,
                     .build = build_global,
                     .rule = &rule,
                     .terms = (size_t)terms.count,
                     .x = {z.x}};
    (void)name;
    extents(group, "z", s.shape[0]);
    assert_int_equal(small_graph_run(&s), OK);
    double scaled = s.loss * parity_attr(group, "reference_scale", 0);
    int wrong = unlike_terms(group, &terms) + differs(group, "terms", s.term, s.terms, real) +
                differs(group, "loss", &s.loss, 1, real) +
                differs(group, "loss_reference_scale", &scaled, 1, real) +
                differs(group, "grad", s.gradient[0], z.n, real);
    small_graph_free(&s);
    free(terms.anchor);
    free(terms.positive);
    free(terms.negative);
    free(z.x);
    return wrong;
}

/* ---- the local loss ---- */

typedef struct local_rule {
    local_batch batch;
    int dense;
    double tau;
} local_rule;

static value build_local(graph *g, const value *in, const void *rule, value *terms)
{
    const local_rule *r = rule;
    value matrix = r->dense ? op_permute(g, in[1], 1, 0) : NONE;
    *terms = local_loss(g, in[0], matrix, &r->batch, r->tau);
    return op_mean_all(g, *terms);
}

static int unlike_regions(hid_t group, const local_batch *b, const int64_t *size)
{
    int wrong = 0;
    int64_t corner[2];
    reference_data regions = parity_read(group, "regions");
    for (int32_t p = 0; p < LOCAL_REGIONS; p++) {
        local_corner(p, b->region, size[1], size[2], corner);
        wrong += (double)corner[0] != regions.x[2 * p] || (double)corner[1] != regions.x[2 * p + 1];
    }
    free(regions.x);
    if (!has(group, "negatives"))
        return wrong;
    reference_data negatives = parity_read(group, "negatives");
    for (int32_t p = 0; p < LOCAL_REGIONS; p++)
        for (int32_t k = 0; k < b->negatives; k++) {
            const double *at = negatives.x + 2 * (5 * p + k);
            local_corner(local_negative(b, p, k), b->region, size[1], size[2], corner);
            wrong += (double)corner[0] != at[0] || (double)corner[1] != at[1];
        }
    free(negatives.x);
    return wrong;
}

static int compare_local(hid_t group, const char *name, const bk_backend *backend, bk_dtype real)
{
    reference_data f = parity_read(group, "f"), w = {0};
    local_rule rule = {.dense = whole(group, "dense"), .tau = parity_attr(group, "tau", 0)};
    small_graph s = {.backend = backend,
                     .real = real,
                     .inputs = 1 + rule.dense,
                     .build = build_local,
                     .rule = &rule,
                     .x = {f.x}};
    (void)name;
    extents(group, "f", s.shape[0]);
    rule.batch = (local_batch){.strategy = is_text(group, "strategy", "LR") ? LOCAL_LR : LOCAL_LD,
                               .images = (int32_t)s.shape[0][0],
                               .partitions = whole(group, "S"),
                               .region = whole(group, "region"),
                               .negatives = whole(group, "negatives")};
    if (rule.dense) {
        w = parity_read(group, "W");
        s.x[1] = w.x;
        extents(group, "W", s.shape[1]);
    }
    s.terms = (size_t)local_pairs(&rule.batch) * LOCAL_REGIONS;
    assert_int_equal(small_graph_run(&s), OK);
    double scaled = s.loss * local_scale(&rule.batch);
    int wrong = unlike_regions(group, &rule.batch, s.shape[0]) +
                differs(group, "terms", s.term, s.terms, real) + differs(group, "loss", &s.loss, 1, real) +
                differs(group, "loss_reference_scale", &scaled, 1, real) +
                differs(group, "grad", s.gradient[0], f.n, real);
    if (rule.dense)
        wrong += differs(group, "grad_W", s.gradient[1], w.n, real);
    wrong += fabs(local_scale(&rule.batch) - parity_attr(group, "reference_scale", 0)) > 1e-12;
    small_graph_free(&s);
    free(f.x);
    free(w.x);
    return wrong;
}

/* ---- losses of fine-tuning ---- */

enum { DICE, DICE_FOREGROUND, WEIGHTED_CE };

static value label_loss(graph *g, value logits, value target, int which)
{
    return which == WEIGHTED_CE ? weighted_cross_entropy(g, logits, target)
                                : overlap_loss(g, op_softmax(g, logits), target, which == DICE_FOREGROUND);
}

static value build_label(graph *g, const value *in, const void *rule, value *terms)
{
    (void)terms;
    return label_loss(g, in[0], in[1], *(const int *)rule);
}

static int compare_label(hid_t group, const char *name, const bk_backend *backend, bk_dtype real)
{
    static const char *const names[][2] = {{"dice", "dice_grad"},
                                           {"dice_no_background", "dice_no_background_grad"},
                                           {"weighted_ce", "weighted_ce_grad"}};
    int wrong = 0;
    reference_data logits = parity_read(group, "logits"), target = parity_read(group, "target");
    (void)name;
    for (int which = DICE; which <= WEIGHTED_CE; which++) {
        small_graph s = {.backend = backend,
                         .real = real,
                         .inputs = 2,
                         .build = build_label,
                         .rule = &which,
                         .x = {logits.x, target.x}};
        extents(group, "logits", s.shape[0]);
        extents(group, "target", s.shape[1]);
        assert_int_equal(small_graph_run(&s), OK);
        wrong += differs(group, names[which][0], &s.loss, 1, real) +
                 differs(group, names[which][1], s.gradient[0], logits.n, real);
        small_graph_free(&s);
    }
    free(logits.x);
    free(target.x);
    return wrong;
}

/* ---- the network of a stage ---- */

enum { INPUT, TARGET, OUTPUT, LOSS, EXTRA, MOST = 512 };

typedef struct stage {
    engine e;
    bk_dtype real;
    hid_t group;
    int32_t number; /* 1: the encoder and g1; 2: the first blocks and g2; 3: the whole */
    contrastive_options o;
    global_batch global;
    local_batch local;
    int label; /* DICE, ... */
    double tau;
    int64_t images, size[2], out[3]; /* of the output: rows, columns, channels */
    params p;
    void *bound[MOST + EXTRA];
    plan *plan;
    int has_gradient[MOST];
    int failures;
    double worst;
} stage;

static value output_of(nn *n, const stage *s, value x)
{
    const contrastive_options *o = &s->o;
    if (s->number == 3)
        return contrastive_forward(n, o, x);
    contrastive_levels l = contrastive_encoder(n, o, x);
    if (s->number == 1)
        return contrastive_g1(n, o, l.at[CONTRASTIVE_BLOCKS], s->size[0] / 32 * (s->size[1] / 32));
    value map = contrastive_g2(n, o, contrastive_decoder(n, o, &l, o->blocks));
    if (n->listing)
        contrastive_region_matrix(n, o);
    return map;
}

static value loss_of(nn *n, const stage *s, value output, value target)
{
    graph *g = n->g;
    global_terms terms;
    if (s->number == 3)
        return label_loss(g, output, target, s->label);
    if (s->number == 2)
        return op_mean_all(g, local_loss(g, output, contrastive_region_matrix(n, &s->o), &s->local, s->tau));
    assert_int_equal(global_terms_open(&terms, g->mem, &s->global), OK);
    value loss = op_mean_all(g, global_loss(g, output, &terms, s->tau));
    global_terms_close(&terms);
    return loss;
}

/* Our name of a recorded tensor. */
static void our_name(const stage *s, const char *recorded, char name[PARAM_NAME_MAX])
{
    static const char *const leaves[][2] = {{".W", ".conv.weight"},        {".b", ".conv.bias"},
                                            {".gamma", ".bn.weight"},      {".beta", ".bn.bias"},
                                            {".mean", ".bn.running_mean"}, {".var", ".bn.running_var"}};
    int length = (int)strcspn(recorded, "."), local = s->number == 2 && strncmp(recorded, "seg_", 4) == 0;
    const char *leaf = recorded + length;
    int plain = strncmp(recorded, "reg_", 4) == 0 || strncmp(recorded, "seg_fin", 7) == 0 ||
                strncmp(recorded, "seg_pred", 8) == 0 || (local && strncmp(recorded, "seg_c1_b", 8) == 0);
    int i = 0;
    while (strcmp(leaf, leaves[i][0]) != 0)
        assert_true(++i < 6);
    snprintf(name, PARAM_NAME_MAX, "%s%.*s%s", local ? "local." : "", length, recorded,
             plain ? ".weight" : leaves[i][1]);
}

/* A list of recorded tensors: names, shapes. */
typedef struct table {
    parity_names names;
    size_t n;
    double *shapes;
} table;

static table table_open(hid_t group, const char *names, const char *shapes)
{
    table t = {.names = parity_names_open(group, names), .shapes = parity_read(group, shapes).x};
    t.n = t.names.n;
    return t;
}

static void table_close(table *t)
{
    free(t->names.all);
    free(t->shapes);
}

static table parameters_of(const stage *s)
{
    return table_open(s->group, "names", "shapes");
}

static table buffers_of(const stage *s)
{
    return table_open(s->group, "buffer_names", "buffer_shapes");
}

static int32_t tensor_of(const stage *s, const table *t, size_t k, char recorded[PARAM_NAME_MAX])
{
    char name[PARAM_NAME_MAX];
    parity_names_at(&t->names, k, recorded, PARAM_NAME_MAX);
    our_name(s, recorded, name);
    int32_t index = params_find(&s->p, name);
    if (index < 0)
        fail_msg("the network has no tensor %s", name);
    return index;
}

/* Where element i of a recorded tensor, [rows,columns,in,out] or [in,out], lies in ours. */
static size_t our_place(const table *t, size_t k, size_t i)
{
    const double *d = t->shapes + 5 * k;
    if (d[1] == 0)
        return i;
    if (d[2] == 0)
        return i % (size_t)d[1] * (size_t)d[0] + i / (size_t)d[1];
    size_t out = (size_t)d[3], in = (size_t)d[2], columns = (size_t)d[1], rows = (size_t)d[0];
    size_t to = i % out, from = i / out % in, x = i / (out * in) % columns, y = i / (out * in * columns);
    return ((to * in + from) * rows + y) * columns + x;
}

/* ---- opening ---- */

static size_t count_of(const stage *s, int extra)
{
    size_t pixels = (size_t)(s->size[0] * s->size[1]), images = (size_t)s->images;
    switch (extra) {
    case INPUT:
        return images * pixels;
    case TARGET:
        return s->number == 3 ? images * pixels * (size_t)s->out[2] : 1;
    case OUTPUT:
        return images * (size_t)(s->out[0] * s->out[1] * s->out[2]);
    default:
        return 1;
    }
}

static void start(stage *s, hid_t file, const table *t, const char *init)
{
    char tag[64], name[PARAM_NAME_MAX], text[192];
    parity_text(s->group, "tag", tag);
    reference_data r = parity_read(s->group, init);
    uint64_t salt = (uint64_t)parity_attr(file, "salt", 0);
    for (size_t k = 0; k < t->n; k++) {
        int32_t index = tensor_of(s, t, k, name);
        snprintf(text, sizeof text, "%s/%s", tag, name);
        for (size_t i = 0; i < s->p.list[index].count; i++)
            real_set(s->bound[index], s->real, our_place(t, k, i),
                     (float)(r.x[2 * k] + r.x[2 * k + 1] * parity_uniform(text, salt, i)));
    }
    free(r.x);
}

static void start_all(stage *s, hid_t file)
{
    table parameters = parameters_of(s), buffers = buffers_of(s);
    start(s, file, &parameters, "init");
    start(s, file, &buffers, "buffer_init");
    table_close(&parameters);
    table_close(&buffers);
}

static void read_options(stage *s)
{
    hid_t group = s->group;
    for (int i = 0; i < CONTRASTIVE_LEVELS; i++)
        s->o.widths[i] = (int32_t)parity_attr(group, "widths", i);
    for (int32_t i = 1; i < whole(group, "classes"); i++)
        strcat(s->o.classes, ",");
    s->o.channels = 1;
    s->o.blocks = whole(group, "blocks");
    s->o.dense = whole(group, "dense");
    if (s->number == 1) {
        s->o.hidden = (int32_t)parity_attr(group, "g1", 0);
        s->o.embedding = (int32_t)parity_attr(group, "g1", 1);
    }
    s->label = s->number < 3                                  ? 0
               : is_text(group, "loss", "dice")               ? DICE
               : is_text(group, "loss", "dice_no_background") ? DICE_FOREGROUND
                                                              : WEIGHTED_CE;
}

static void read_sizes(stage *s)
{
    hid_t group = s->group;
    s->images = whole(group, "batch");
    s->tau = parity_attr(group, "tau", 0);
    for (int i = 0; i < 2; i++)
        s->size[i] = (int64_t)parity_attr(group, "size", i);
    int level = s->number == 2 ? CONTRASTIVE_BLOCKS - s->o.blocks : 0;
    s->out[0] = s->number == 1 ? 1 : s->size[0] >> level;
    s->out[1] = s->number == 1 ? 1 : s->size[1] >> level;
    s->out[2] = s->number == 1   ? s->o.embedding
                : s->number == 2 ? s->o.widths[level]
                                 : whole(group, "classes");
    if (s->number == 1)
        s->global = batch_of(group, (int32_t)s->images);
    if (s->number == 2) {
        int lr = is_text(group, "strategy", "LR");
        s->local =
            (local_batch){lr ? LOCAL_LR : LOCAL_LD, (int32_t)s->images,
                          whole(group, "S") ? whole(group, "S") : 4, whole(group, "region"), lr ? 5 : 4};
    }
}

static void read_input(stage *s, const char *name, int extra)
{
    reference_data r = parity_read(s->group, name);
    assert_int_equal(r.n, count_of(s, extra));
    for (size_t i = 0; i < r.n; i++)
        real_set(s->bound[s->p.n + extra], s->real, i, r.x[i]);
    free(r.x);
}

static void open_stage(stage *s, const bk_backend *backend, bk_dtype real, hid_t file, hid_t group)
{
    nn_listing listing;
    size_t trained = 0;
    *s = (stage){.real = real, .group = group, .number = whole(group, "stage")};
    read_options(s);
    read_sizes(s);
    assert_int_equal(engine_open(&s->e, backend), BK_OK);
    params_init(&s->p, &s->e.m, real, real);
    nn n = nn_list(&listing, &s->p, INIT_HE);
    output_of(&n, s, NONE);
    assert_int_equal(s->p.error, OK);
    assert_true(s->p.n <= MOST);
    for (int32_t k = 0; k < s->p.n; k++)
        trained += param_trained(&s->p.list[k]) ? s->p.list[k].count : 0;
    assert_int_equal(trained, whole(group, "n_params"));
    for (int32_t k = 0; k < s->p.n + EXTRA; k++)
        s->bound[k] = calloc(k < s->p.n ? s->p.list[k].count : count_of(s, k - s->p.n), sizeof(double));
    start_all(s, file);
    read_input(s, "input", INPUT);
    if (s->number == 3)
        read_input(s, "target", TARGET);
}

static void close_stage(stage *s)
{
    for (int32_t k = 0; k < s->p.n + EXTRA; k++)
        free(s->bound[k]);
    params_clear(&s->p);
    assert_true(engine_close(&s->e));
}

/* ---- a step ---- */

/* In stage 2 the encoder is fixed. */
static int is_trained(const stage *s, int32_t k)
{
    return param_trained(&s->p.list[k]) && !(s->number == 2 && strncmp(s->p.list[k].name, "enc_", 4) == 0);
}

static value bound_at(const stage *s, graph *g, int extra, int64_t channels)
{
    const int64_t dim[] = {s->images, s->size[0], s->size[1], channels};
    return graph_bound(g, s->p.n + extra, shape_of(s->real, 4, dim));
}

static void plan_step(stage *s, norm_statistics from)
{
    graph *g;
    nn n;
    value wrt[MOST], gradient[MOST], target = NONE;
    int32_t of[MOST], count = 0;
    assert_int_equal(graph_create(&s->e.m, s->real, &g), OK);
    assert_int_equal(nn_open(&n, g, &s->p, "", 0), OK);
    n.statistics = from;
    if (s->number == 3)
        target = bound_at(s, g, TARGET, s->out[2]);
    value output = output_of(&n, s, bound_at(s, g, INPUT, 1)), loss = loss_of(&n, s, output, target);
    graph_output(g, output, s->p.n + OUTPUT);
    graph_output(g, loss, s->p.n + LOSS);
    for (int32_t k = 0; k < s->p.n; k++)
        if (is_trained(s, k) && n.weights[k] != NONE) {
            of[count] = k;
            wrt[count++] = n.weights[k];
        }
    assert_int_equal(graph_gradients(g, loss, wrt, count, gradient), OK);
    memset(s->has_gradient, 0, sizeof s->has_gradient);
    for (int32_t i = 0; i < count; i++) {
        graph_hold(g, gradient[i], of[i]);
        s->has_gradient[of[i]] = 1;
    }
    assert_int_equal(graph_status(g), OK);
    nn_close(&n);
    assert_int_equal(plan_create(g, s->e.dev, PLAN_ARENA, &s->plan), OK);
    graph_free(g);
}

static void run(stage *s)
{
    assert_int_equal(plan_run(s->plan, s->bound, s->p.n + EXTRA, NULL), OK);
}

static void judge(stage *s, const char *what, double deviation, double tolerance)
{
    if (!(deviation <= tolerance))
        print_error("  %s: off by %g, tolerance %g\n", what, deviation, tolerance);
    s->failures += !(deviation <= tolerance);
    s->worst = fmax(s->worst, deviation / tolerance);
}

/* Entries at flat indices j * size / n. */
static void compare_output(stage *s, const char *path)
{
    reference_data r = parity_read(s->group, path);
    size_t all = count_of(s, OUTPUT);
    double worst = 0;
    for (size_t j = 0; j < r.n; j++) {
        size_t at = all <= r.n ? j : j * all / r.n;
        double off = fabs(real_get(s->bound[s->p.n + OUTPUT], s->real, at) - r.x[j]);
        worst = isnan(off) ? INFINITY : fmax(worst, off);
    }
    judge(s, path, worst, parity_bound(s->real, r.fp32_err, parity_max_abs(r.x, r.n)));
    free(r.x);
}

static void compare_loss(stage *s, const char *path)
{
    reference_data r = parity_read(s->group, path);
    judge(s, path, fabs(real_get(s->bound[s->p.n + LOSS], s->real, 0) - r.x[0]),
          parity_bound(s->real, r.fp32_err, fabs(r.x[0])));
    free(r.x);
}

/* gradients: what the plan holds; else the bound tensors. loose: how many times the tolerance of float64. */
static void compare_table(stage *s, table t, const char *path, int gradients, double loose)
{
    char err_name[64], name[PARAM_NAME_MAX];
    snprintf(err_name, sizeof err_name, "%s_err", path);
    reference_data r = parity_read(s->group, path), err = parity_read(s->group, err_name);
    double top = 0;
    for (size_t k = 0; k < t.n; k++)
        top = fmax(top, parity_row_top(r.x + 18 * k, s->p.list[tensor_of(s, &t, k, name)].count));
    for (size_t k = 0; k < t.n; k++) {
        int32_t index = tensor_of(s, &t, k, name);
        size_t size = s->p.list[index].count;
        double own = parity_row_top(r.x + 18 * k, size);
        if (s->real == BK_F64 && gradients)
            own = fmax(own, 1e-3 * top);
        const void *ours = !gradients               ? s->bound[index]
                           : s->has_gradient[index] ? plan_held(s->plan, index)
                                                    : NULL;
        size_t at[16];
        for (size_t j = 0; j < 16; j++)
            at[j] = our_place(&t, k, j * size / 16);
        judge(s, name, parity_row_deviation(r.x + 18 * k, ours, s->real, size, at),
              loose * parity_bound(s->real, err.x[k], own));
    }
    table_close(&t);
    free(r.x);
    free(err.x);
}

static void compare_training(stage *s)
{
    plan_step(s, NORM_UPDATE);
    run(s);
    compare_output(s, "output_train");
    compare_loss(s, "loss_train");
    compare_table(s, parameters_of(s), "grad_train", 1, 1);
    plan_assign(s->plan, s->bound);
    compare_table(s, buffers_of(s), "running_after", 0, 1);
    plan_free(s->plan);
}

/* With running estimates: as a session computes it, and with gradients. */
static void compare_inference(stage *s)
{
    for (int gradients = 0; gradients < 2; gradients++) {
        plan_step(s, gradients ? NORM_FROZEN : NORM_RUNNING);
        run(s);
        compare_output(s, "output_eval");
        compare_loss(s, "loss_eval");
        if (gradients)
            compare_table(s, parameters_of(s), "grad_eval", 1, 1);
        plan_free(s->plan);
    }
}

/* ---- steps of Adam ---- */

/* Adam as TensorFlow has it: epsilon is added before the bias is corrected. t counts from 1. */
static void update(stage *s, hid_t file, double *state, int t)
{
    double b1 = parity_attr(file, "adam_betas", 0), b2 = parity_attr(file, "adam_betas", 1);
    double eps = parity_attr(file, "adam_eps", 0), rate = parity_attr(s->group, "lr", 0);
    rate *= sqrt(1 - pow(b2, t)) / (1 - pow(b1, t));
    for (int32_t k = 0; k < s->p.n; k++)
        for (size_t i = 0; s->has_gradient[k] && i < s->p.list[k].count; i++, state += 2) {
            double x = real_get(s->bound[k], s->real, i), d = real_get(plan_held(s->plan, k), s->real, i);
            state[0] = b1 * state[0] + (1 - b1) * d;
            state[1] = b2 * state[1] + (1 - b2) * d * d;
            real_set(s->bound[k], s->real, i, x - rate * state[0] / (sqrt(state[1]) + eps));
        }
}

static void copy_tensors(const stage *from, stage *to)
{
    for (int32_t k = 0; k < to->p.n; k++)
        for (size_t i = 0; i < to->p.list[k].count; i++)
            real_set(to->bound[k], to->real, i, real_get(from->bound[k], from->real, i));
}

/* Steps of `guide` from the start values, and s's losses at its weights. */
static void compare_steps(stage *s, stage *guide, hid_t file)
{
    size_t all = 0;
    reference_data losses = parity_read(s->group, "run_adam_losses");
    double top = parity_max_abs(losses.x, losses.n);
    for (int32_t k = 0; k < s->p.n; k++)
        all += s->p.list[k].count;
    double *state = calloc(2 * all, sizeof(double));
    start_all(guide, file);
    plan_step(s, NORM_UPDATE);
    if (guide != s)
        plan_step(guide, NORM_UPDATE);
    for (size_t t = 0; t < losses.n; t++) {
        if (guide != s)
            copy_tensors(guide, s);
        run(s);
        judge(s, "run_adam_losses", fabs(real_get(s->bound[s->p.n + LOSS], s->real, 0) - losses.x[t]),
              fmax(parity_bound(s->real, losses.fp32_err, top), s->real == BK_F64 ? 1e-8 * top : 0));
        if (guide != s)
            run(guide);
        if (t + 1 < losses.n)
            update(guide, file, state, (int)t + 1);
    }
    if (guide == s)
        compare_table(s, parameters_of(s), "final_adam", 0, 1e3);
    else
        plan_free(guide->plan);
    plan_free(s->plan);
    free(state);
    free(losses.x);
}

/* In float32 the weights of each step are those of a run in float64: test_segmentation_parity.c says why. */
static void compare_guided_steps(stage *s, hid_t file)
{
    stage guide;
    if (s->real == BK_F64) {
        compare_steps(s, s, file);
        return;
    }
    open_stage(&guide, bk_reference(), BK_F64, file, s->group);
    compare_steps(s, &guide, file);
    close_stage(&guide);
}

static int compare_net(hid_t group, const char *name, const bk_backend *backend, bk_dtype real)
{
    stage s;
    hid_t file = H5Iget_file_id(group);
    open_stage(&s, backend, real, file, group);
    compare_inference(&s); /* before the estimates move */
    compare_training(&s);
    compare_guided_steps(&s, file);
    print_message("  %s, %s: worst %.3f of a tolerance\n", name, real == BK_F64 ? "float64" : "float32",
                  s.worst);
    int failures = s.failures;
    close_stage(&s);
    H5Fclose(file);
    return failures;
}

/* ---- the tests ---- */

typedef struct part {
    const char *folder;
    comparison compare;
} part;

static void equals_the_recorded_results(const part *p, const bk_backend *backend, bk_dtype real)
{
    hid_t file = parity_open(PARITY_FOLDER, "contrastive.h5");
    if (file < 0)
        skip();
    int failures = each_group(file, p->folder, p->compare, backend, real);
    H5Fclose(file);
    assert_int_equal(failures, 0);
}

static void in_float64(void **state)
{
    equals_the_recorded_results(*state, bk_reference(), BK_F64);
}

static void in_float32(void **state)
{
    equals_the_recorded_results(*state, bk_cpu(), BK_F32);
}

static float *as_floats(const reference_data *r)
{
    float *x = malloc(r->n * sizeof *x);
    for (size_t i = 0; i < r->n; i++)
        x[i] = (float)r->x[i];
    return x;
}

static int differs_in_float32(hid_t group, const char *path, const float *ours, size_t n)
{
    double *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = ours[i];
    int wrong = differs(group, path, x, n, BK_F32);
    free(x);
    return wrong;
}

static void views_are_cut_and_toned_as_recorded(void **state)
{
    (void)state;
    hid_t file = parity_open(PARITY_FOLDER, "contrastive.h5");
    if (file < 0)
        skip();
    hid_t group = H5Gopen2(file, "augment/view", H5P_DEFAULT);
    int64_t size[4];
    int crop = whole(group, "crop");
    reference_data input = parity_read(group, "input"), corner = parity_read(group, "start"),
                   brightness = parity_read(group, "brightness"), contrast = parity_read(group, "contrast");
    float *image = as_floats(&input), *out = malloc(input.n * sizeof *out),
          *spare = malloc((size_t)crop * (size_t)crop * sizeof *spare);
    extents(group, "input", size);
    size_t pixels = (size_t)(size[1] * size[2]);
    for (size_t i = 0; i < (size_t)size[0]; i++)
        view_cut(image + i * pixels, (int)size[1], (int)size[2], crop,
                 (const int[]){(int)corner.x[2 * i], (int)corner.x[2 * i + 1]}, out + i * pixels, spare);
    int wrong = differs_in_float32(group, "resized", out, input.n);
    for (size_t i = 0; i < (size_t)size[0]; i++)
        view_tone(out + i * pixels, pixels, brightness.x[i], contrast.x[i], 0, 1.5);
    wrong += differs_in_float32(group, "output", out, input.n);
    assert_int_equal(wrong, 0);
    free(image), free(out), free(spare);
    free(input.x), free(corner.x), free(brightness.x), free(contrast.x);
    H5Gclose(group);
    H5Fclose(file);
}

static void slices_are_bent_as_recorded(void **state)
{
    (void)state;
    hid_t file = parity_open(PARITY_FOLDER, "contrastive.h5");
    if (file < 0)
        skip();
    hid_t group = H5Gopen2(file, "augment/warp", H5P_DEFAULT);
    int64_t size[4];
    reference_data input = parity_read(group, "input"), flow = parity_read(group, "flow");
    float *field = as_floats(&flow), *out = malloc(input.n * sizeof *out);
    extents(group, "input", size);
    size_t pixels = (size_t)(size[1] * size[2]), channels = (size_t)size[3];
    float *plane = malloc(pixels * sizeof *plane), *bent = malloc(pixels * sizeof *bent);
    for (size_t i = 0; i < (size_t)size[0] * channels; i++) {
        size_t image = i / channels, c = i % channels;
        for (size_t k = 0; k < pixels; k++)
            plane[k] = (float)input.x[(image * pixels + k) * channels + c];
        warp_bend(plane, (int)size[1], (int)size[2], field + 2 * image * pixels, bent);
        for (size_t k = 0; k < pixels; k++)
            out[(image * pixels + k) * channels + c] = bent[k];
    }
    assert_int_equal(differs_in_float32(group, "output", out, input.n), 0);
    free(field), free(out), free(plane), free(bent);
    free(input.x), free(flow.x);
    H5Gclose(group);
    H5Fclose(file);
}

static void partitions_are_as_recorded(void **state)
{
    (void)state;
    hid_t file = parity_open(PARITY_FOLDER, "contrastive.h5");
    if (file < 0)
        skip();
    reference_data slices = parity_read(file, "partition/slices"),
                   parts = parity_read(file, "partition/parts"),
                   ranges = parity_read(file, "partition/ranges");
    size_t each = ranges.n / slices.n / 2;
    for (size_t i = 0; i < slices.n; i++)
        for (size_t k = 0; k < each && k < (size_t)parts.x[i]; k++) {
            const double *range = ranges.x + 2 * (i * each + k);
            int64_t n = (int64_t)slices.x[i], first = partition_first(n, (int32_t)parts.x[i], (int32_t)k);
            assert_int_equal(first, (int64_t)range[0]);
            assert_int_equal(first + partition_length(n, (int32_t)parts.x[i]), (int64_t)range[1]);
        }
    free(slices.x), free(parts.x), free(ranges.x);
    H5Fclose(file);
}

/* ---- the metric ---- */

/* One class of one slice, [rows,columns], put back into its frame: where that is larger, zeros stay around.
 */
static void put_back(const double *p, const int64_t *size, const int64_t frame[2], size_t classes, float *to)
{
    int64_t shift[2];
    for (int i = 0; i < 2; i++)
        shift[i] = frame[i] >= size[i] ? (frame[i] - size[i]) / 2 : -((size[i] - frame[i]) / 2);
    for (int64_t y = 0; y < frame[0]; y++)
        for (int64_t x = 0; x < frame[1]; x++) {
            int64_t row = y - shift[0], column = x - shift[1];
            int inside = row >= 0 && row < size[0] && column >= 0 && column < size[1];
            *to++ = inside ? (float)p[(size_t)(row * size[1] + column) * classes] : 0;
        }
}

/* The most probable class of each pixel of the scan, whose frame is resized. */
static void label_slice(const double *p, const int64_t *size, const int64_t frame[2], const int64_t native[2],
                        size_t classes, int32_t *labels)
{
    size_t pixels = (size_t)(native[0] * native[1]);
    float *framed = malloc((size_t)(frame[0] * frame[1]) * sizeof *framed),
          *resized = malloc(classes * pixels * sizeof *resized);
    for (size_t k = 0; k < classes; k++) {
        put_back(p + k, size, frame, classes, framed);
        resize_bilinear(framed, (int)frame[0], (int)frame[1], resized + k * pixels, (int)native[0],
                        (int)native[1]);
    }
    for (size_t i = 0; i < pixels; i++) {
        labels[i] = 0;
        for (size_t k = 1; k < classes; k++)
            if (resized[k * pixels + i] > resized[(size_t)labels[i] * pixels + i])
                labels[i] = (int32_t)k;
    }
    free(framed), free(resized);
}

static int differs_from_labels(hid_t group, const int32_t *labels, size_t n)
{
    reference_data r = parity_read(group, "labels");
    int wrong = r.n != n;
    for (size_t i = 0; i < n && !wrong; i++)
        wrong = r.x[i] != labels[i];
    free(r.x);
    return wrong;
}

static int compare_metric(hid_t group, const char *name, const bk_backend *backend, bk_dtype real)
{
    enum { MOST_CLASSES = 16 };
    int64_t size[4], frame[2], native[2], counts[MOST_CLASSES * MOST_CLASSES] = {0};
    double dice[MOST_CLASSES];
    reference_data p = parity_read(group, "prob"), truth = parity_read(group, "truth");
    (void)name, (void)backend;
    extents(group, "prob", size);
    for (int i = 0; i < 2; i++) {
        frame[i] = (int64_t)parity_attr(group, "frame", i);
        native[i] = (int64_t)parity_attr(group, "native", i);
    }
    size_t classes = (size_t)size[3], slices = (size_t)size[0], pixels = (size_t)(native[0] * native[1]);
    int32_t *labels = malloc(2 * slices * pixels * sizeof *labels), *known = labels + slices * pixels;
    assert_true(classes <= MOST_CLASSES && truth.n == slices * pixels);
    for (size_t z = 0; z < slices; z++)
        label_slice(p.x + z * p.n / slices, size + 1, frame, native, classes, labels + z * pixels);
    for (size_t i = 0; i < truth.n; i++)
        known[i] = (int32_t)truth.x[i];
    label_count(known, labels, truth.n, (int32_t)classes, counts);
    for (size_t k = 0; k < classes; k++)
        dice[k] = label_dice(counts, (int32_t)classes, (int32_t)k, LABEL_SKIP);
    double mean = label_mean(dice + 1, classes - 1);
    int wrong = differs_from_labels(group, labels, truth.n) + differs(group, "dice", dice, classes, real) +
                differs(group, "mean_foreground", &mean, 1, real);
    free(labels);
    free(p.x), free(truth.x);
    return wrong;
}

#define BOTH(name, folder, compare)                                                                          \
    {name " in float64", in_float64, NULL, NULL, &(part){folder, compare}},                                  \
    {                                                                                                        \
        name " in float32", in_float32, NULL, NULL, &(part)                                                  \
        {                                                                                                    \
            folder, compare                                                                                  \
        }                                                                                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH("the_global_loss", "global", compare_global),
        BOTH("the_local_loss", "local", compare_local),
        BOTH("losses_of_labels", "dice_loss", compare_label),
        BOTH("the_network_of_each_stage", "net", compare_net),
        {"labels_and_dice_of_volumes", in_float64, NULL, NULL, &(part){"metric", compare_metric}},
        cmocka_unit_test(views_are_cut_and_toned_as_recorded),
        cmocka_unit_test(slices_are_bent_as_recorded),
        cmocka_unit_test(partitions_are_as_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
