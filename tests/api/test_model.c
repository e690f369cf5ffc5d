/* SPDX-License-Identifier: Apache-2.0 */
/* test_model.c - models through the public functions: options, initial values, tensors, card, and files of
 * every wrong kind. Wrong files are made with the checkpoint writer, so that their digest is right. */
#define _GNU_SOURCE /* memmem */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "io/checkpoint.h"
#include "io/checkpoint_seal.h"

#include "tests/api/api_fixture.h"

/* ---- options ---- */

static void the_presets_are_valid(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    for (int32_t preset = SLMT_NET_PRESET_SMALL; preset <= SLMT_NET_PRESET_TINY; preset++) {
        slmt_net_options o, back = {.struct_size = sizeof back};
        slmt_model *model = NULL;
        GOOD(slmt_net_options_init(&o, preset));
        assert_int_equal(o.struct_size, sizeof o);
        GOOD(slmt_net_create(context, &o, 0, &model));
        GOOD(slmt_net_get_options(model, &back));
        assert_memory_equal(&o, &back, sizeof o);
        slmt_model_free(model);
    }
    slmt_net_options base;
    GOOD(slmt_net_options_init(&base, SLMT_NET_PRESET_BASE)); /* its 570 MB are left to the parity test */
    assert_int_equal(base.image_size, 256);
    assert_int_equal(base.embed_dim, 128);
    assert_int_equal(base.depth, 12);
    EXPECT(SLMT_ERR_ARGUMENT, slmt_net_options_init(&base, -1));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_net_options_init(&base, 3));
    slmt_context_free(context);
}

#define OPTION(name, value, text)                                                                            \
    {                                                                                                        \
        offsetof(slmt_net_options, name), value, text                                                        \
    }

static void every_broken_option_is_named_with_its_rule(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        int32_t value;
        const char *text;
    } broken[] = {
        OPTION(image_size, 8, "option image_size is 8, expected 16 to 4096"),
        OPTION(image_size, 4112, "option image_size"),
        OPTION(image_size, 132, "mae_patch = 8 must divide image_size = 132"),
        OPTION(image_size, 64, "multiple of 16"),
        OPTION(image_size, 384, "option window = 8 does not cut a grid of 12 x 12"),
        OPTION(mae_patch, 1, "option mae_patch"),
        OPTION(mae_patch, 16,
               "multiple of 16"), /* with patch 8 below it would be the grid: here twice patch */
        OPTION(patch, 0, "option patch"),
        OPTION(patch, 2, "mae_patch = 8 must be twice patch = 2"),
        OPTION(embed_dim, 0, "option embed_dim"),
        OPTION(embed_dim, INT32_MAX, "option embed_dim"),
        OPTION(embed_dim, 10, "must divide embed_dim = 10"),
        OPTION(depth, 0, "option depth"),
        OPTION(depth, 65, "option depth"),
        OPTION(num_heads, 0, "option num_heads"),
        OPTION(num_heads, 3, "num_heads = 3 must divide embed_dim = 8"),
        OPTION(mlp_ratio, 0, "option mlp_ratio"),
        OPTION(mlp_ratio, -4, "option mlp_ratio"),
        OPTION(decoder_dim, 0, "option decoder_dim"),
        OPTION(decoder_dim, 6, "must divide decoder_dim = 6"),
        OPTION(decoder_depth, 0, "option decoder_depth"),
        OPTION(decoder_heads, 0, "option decoder_heads"),
        OPTION(decoder_heads, 3, "decoder_heads = 3 must divide decoder_dim = 8"),
        OPTION(generator_depths[0], 0, "option generator_depths"),
        OPTION(generator_depths[3], 65, "option generator_depths"),
        OPTION(generator_heads[0], 0, "option generator_heads"),
        OPTION(generator_heads[2], 3, "generator_heads = 3 must divide the stage's width = 32"),
        OPTION(window, 0, "option window"),
        OPTION(window, 5, "option window = 5 does not cut a grid of 32 x 32"),
    };
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = NULL;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        slmt_net_options o = small_options();
        memcpy((char *)&o + broken[i].offset, &broken[i].value, sizeof(int32_t));
        if (broken[i].offset == offsetof(slmt_net_options, mae_patch) && broken[i].value == 16)
            o.patch = 8;
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, broken[i].text, slmt_net_create(context, &o, 0, &model));
    }
    slmt_net_options o = small_options();
    o.struct_size = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "struct_size", slmt_net_create(context, &o, 0, &model));
    assert_null(model);
    slmt_context_free(context);
}

static void an_older_caller_reads_what_it_knows(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 0);
    slmt_net_options o;
    memset(&o, 0x55, sizeof o);
    o.struct_size = offsetof(slmt_net_options, embed_dim);
    GOOD(slmt_net_get_options(model, &o));
    assert_int_equal(o.struct_size, offsetof(slmt_net_options, embed_dim));
    assert_int_equal(o.patch, 4);
    assert_int_equal(o.embed_dim, 0x55555555);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void preprocessing_must_fit_the_model(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 0);
    slmt_preprocess p = {.struct_size = sizeof p};
    GOOD(slmt_model_get_preprocess(model, &p));
    assert_int_equal(p.image_size, SIDE);
    assert_int_equal(p.crop_size, 200);
    p.crop_size = 64;
    p.low_percentile = 1.5;
    GOOD(slmt_model_set_preprocess(model, &p));
    slmt_preprocess bad = p;
    bad.image_size = 256;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "image_size", slmt_model_set_preprocess(model, &bad));
    bad = p;
    bad.crop_size = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "crop_size", slmt_model_set_preprocess(model, &bad));
    bad = p;
    bad.high_percentile = NAN;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "high_percentile", slmt_model_set_preprocess(model, &bad));
    slmt_preprocess now = {.struct_size = sizeof now};
    GOOD(slmt_model_get_preprocess(model, &now));
    assert_int_equal(now.crop_size, 64);
    assert_true(now.low_percentile == 1.5);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- initial values ---- */

static void equal_seeds_give_equal_weights_everywhere(void **state)
{
    (void)state;
    slmt_context *contexts[4] = {open_context(1, NULL), open_context(2, NULL), open_reference(SLMT_FLOAT32),
                                 open_reference(SLMT_FLOAT64)};
    slmt_model *models[4];
    for (int i = 0; i < 4; i++) {
        models[i] = small_model(contexts[i], 42);
        assert_true(same_weights(models[0], models[i]));
    }
    slmt_model *other = small_model(contexts[0], 43);
    assert_false(same_weights(models[0], other));
    slmt_model_free(other);
    for (int i = 0; i < 4; i++) {
        slmt_model_free(models[i]);
        slmt_context_free(contexts[i]);
    }
}

typedef struct spread {
    double mean, sd, largest;
} spread;

static spread measure(const slmt_model *model, const char *name)
{
    size_t n;
    double sum = 0, squares = 0;
    spread s = {0, 0, 0};
    float *x = tensor_values(model, name, &n);
    for (size_t i = 0; i < n; i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        s.largest = fmax(s.largest, fabs(x[i]));
    }
    s.mean = sum / (double)n;
    s.sd = sqrt(squares / (double)n - s.mean * s.mean);
    free(x);
    return s;
}

/* Uniform in [-bound, bound], as far as n draws can show it. */
static void expect_uniform(const slmt_model *model, const char *name, double bound)
{
    spread s = measure(model, name);
    assert_true(s.largest <= bound * (1 + 1e-6));
    assert_true(s.largest > 0.98 * bound);
    assert_true(fabs(s.sd - bound / sqrt(3)) < 0.05 * bound);
    assert_true(fabs(s.mean) < 0.06 * bound);
}

static void expect_truncated(const slmt_model *model, const char *name)
{
    spread s = measure(model, name);
    assert_true(s.largest <= 0.04 * (1 + 1e-6)); /* two standard deviations */
    assert_true(s.largest > 0.035);
    assert_true(fabs(s.sd - 0.02 * 0.8796) < 0.0009); /* of a normal cut at 2 sd */
    assert_true(fabs(s.mean) < 0.0015);
}

static void expect_all(const slmt_model *model, const char *name, float value)
{
    size_t n;
    float *x = tensor_values(model, name, &n);
    for (size_t i = 0; i < n; i++)
        assert_true(x[i] == value);
    free(x);
}

static slmt_model *tiny_model(slmt_context *context)
{
    slmt_net_options o;
    slmt_model *model = NULL;
    GOOD(slmt_net_options_init(&o, SLMT_NET_PRESET_TINY));
    GOOD(slmt_net_create(context, &o, 7, &model));
    return model;
}

static void initial_values_follow_the_paper(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *m = tiny_model(context);
    expect_uniform(m, "E.blocks.0.attn.qkv.weight", sqrt(6.0 / (96 + 32)));
    expect_uniform(m, "E.blocks.3.mlp.fc1.weight", sqrt(6.0 / (128 + 32)));
    expect_uniform(m, "E.patch_embed.proj.weight", sqrt(6.0 / (64 + 32)));
    expect_uniform(m, "E.decoder_blocks.1.mlp.fc2.weight", sqrt(6.0 / (128 + 32)));
    expect_uniform(m, "E.rec_pred.weight", sqrt(6.0 / (64 + 32)));
    expect_truncated(m, "G.layers1.0.blocks.0.attn.qkv.weight");
    expect_truncated(m, "G.layers2.3.blocks.1.attn.relative_position_bias_table");
    expect_truncated(m, "G.layers_up.0.expand.weight");
    expect_truncated(m, "G.layers2.1.downsample.reduction.weight");
    spread cls = measure(m, "E.cls_token");
    assert_true(cls.largest > 0 && cls.sd > 0.01 && cls.sd < 0.03);

    expect_all(m, "E.norm.weight", 1);
    expect_all(m, "E.norm.bias", 0);
    expect_all(m, "G.layers2.0.blocks.0.norm1.weight", 1);
    expect_all(m, "G.layers2.0.blocks.0.norm1.bias", 0);
    expect_all(m, "E.blocks.0.attn.qkv.bias", 0);
    expect_all(m, "E.patch_embed.proj.bias", 0);
    expect_all(m, "G.to_img.linear.bias", 0);
    slmt_model_free(m);
    slmt_context_free(context);
}

static void tensors_of_one_shape_are_drawn_apart(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = tiny_model(context);
    size_t n, m;
    float *a = tensor_values(model, "E.blocks.0.attn.qkv.weight", &n);
    float *b = tensor_values(model, "E.blocks.1.attn.qkv.weight", &m);
    assert_int_equal(n, m);
    size_t equal = 0;
    for (size_t i = 0; i < n; i++)
        equal += a[i] == b[i];
    assert_true(equal < 5);
    free(a);
    free(b);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* Width 32, grid 16: half = 16 channels for the column, half for the row; 8 sines, 8 cosines each. */
static void the_position_tables_are_sine_and_cosine(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = tiny_model(context);
    const char *names[] = {"E.pos_embed", "E.decoder_pos_embed"};
    for (int k = 0; k < 2; k++) {
        size_t n;
        float *x = tensor_values(model, names[k], &n);
        assert_int_equal(n, (1 + 256) * 32);
        for (int c = 0; c < 32; c++)
            assert_true(x[c] == 0);                                   /* cls */
        const float *first = x + 32, *at = x + 32 * (1 + 3 * 16 + 5); /* row 3, column 5 */
        assert_true(first[0] == 0 && first[8] == 1 && first[16] == 0 && first[24] == 1);
        assert_float_equal(at[0], -0.9589243, 1e-6);  /* sin 5 */
        assert_float_equal(at[8], 0.2836622, 1e-6);   /* cos 5 */
        assert_float_equal(at[16], 0.1411200, 1e-6);  /* sin 3 */
        assert_float_equal(at[24], -0.9899925, 1e-6); /* cos 3 */
        assert_float_equal(at[4], 0.0499792, 1e-6);   /* sin(5 / 10000^(4/8)) */
        assert_float_equal(at[28], 0.9995500, 1e-6);  /* cos(3 / 100) */
        assert_float_equal(at[1], 0.9999465, 1e-6);   /* sin(5 / 10000^(1/8)) = sin 1.5811388 */
        free(x);
    }
    slmt_model_free(model);
    slmt_context_free(context);
}

static void the_edge_operator_is_sobels(void **state)
{
    (void)state;
    static const float sobel[18] = {-1, 0, 1, -2, 0, 2, -1, 0, 1, 1, 2, 1, 0, 0, 0, -1, -2, -1};
    float x[18];
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 3);
    GOOD(slmt_model_get_tensor(model, "E.operator.filter.weight", x, 18));
    assert_memory_equal(x, sobel, sizeof x);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- tensors ---- */

static const char unread_name[] = "E.rec_blocks.0.norm1.weight";

static void tensors_are_listed_set_and_read(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    size_t n = slmt_model_tensor_count(model), unused = 0;
    for (size_t i = 0; i < n; i++) {
        slmt_tensor_info info = tensor_info(model, i);
        assert_true(strncmp(info.name, "E.", 2) == 0 || strncmp(info.name, "G.", 2) == 0);
        assert_true(info.rank >= 1 && info.rank <= 4 && info.weights == SLMT_WEIGHTS_FULL);
        for (int32_t d = 0; d < 4; d++)
            assert_true(d < info.rank ? info.dim[d] >= 1 : info.dim[d] == 0);
        unused += !info.used;
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(info.name, tensor_info(model, j).name);
    }
    assert_true(unused > 0 && unused < n);
    slmt_tensor_info info = {.struct_size = sizeof info};
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_tensor_info(model, n, &info));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_tensor_info(model, SIZE_MAX, &info));
    info.struct_size = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "struct_size", slmt_model_tensor_info(model, 0, &info));

    float x[9] = {1, 2, 3, 4, 5, 6, 7, 8}, y[9] = {0};
    GOOD(slmt_model_set_tensor(model, "E.norm.bias", x, 8));
    GOOD(slmt_model_get_tensor(model, "E.norm.bias", y, 8));
    assert_memory_equal(x, y, 8 * sizeof *x);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "has 8 elements, 9", slmt_model_set_tensor(model, "E.norm.bias", x, 9));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "E.norm.bias", slmt_model_get_tensor(model, "E.norm.bias", y, 7));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "E.nothing", slmt_model_set_tensor(model, "E.nothing", x, 8));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "norm.bias", slmt_model_get_tensor(model, "norm.bias", y, 8));
    float bad[8] = {9, 9, 9, NAN}, infinite[8] = {9, INFINITY};
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "element 3", slmt_model_set_tensor(model, "E.norm.bias", bad, 8));
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "element 1", slmt_model_set_tensor(model, "E.norm.bias", infinite, 8));
    GOOD(slmt_model_get_tensor(model, "E.norm.bias", y, 8));
    assert_memory_equal(x, y, 8 * sizeof *x); /* nothing was changed */
    slmt_model_free(model);
    slmt_context_free(context);
}

static void unread_tensors_are_kept_when_given_and_only_then(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    uint64_t start = slmt_context_live_bytes(context);
    slmt_model *model = small_model(context, 1), *loaded = NULL;
    float x[8] = {1, -2, 3, -4, 5, -6, 7, 8}, y[8] = {0};
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, unread_name, slmt_model_get_tensor(model, unread_name, y, 8));
    GOOD(slmt_model_save(model, in_folder("without.slmt")));
    GOOD(slmt_model_set_tensor(model, unread_name, y, 8));
    GOOD(slmt_model_set_tensor(model, unread_name, x, 8));
    GOOD(slmt_model_save(model, in_folder("with.slmt")));
    slmt_model_free(model);

    GOOD(slmt_model_load(context, in_folder("with.slmt"), &loaded));
    GOOD(slmt_model_get_tensor(loaded, unread_name, y, 8));
    assert_memory_equal(x, y, sizeof x);
    slmt_model_free(loaded);
    GOOD(slmt_model_load(context, in_folder("without.slmt"), &loaded));
    EXPECT(SLMT_ERR_NOT_FOUND, slmt_model_get_tensor(loaded, unread_name, y, 8));
    slmt_model_free(loaded);
    assert_int_equal(slmt_context_live_bytes(context), start);
    slmt_context_free(context);
}

/* ---- card ---- */

static void card_fields_are_set_replaced_and_removed(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    uint64_t start = slmt_context_live_bytes(context);
    assert_string_equal(slmt_model_card(model, "name"), "");
    GOOD(slmt_model_set_card(model, "name", "first"));
    const char *name = slmt_model_card(model, "name");
    GOOD(slmt_model_set_card(model, "data", "BraTS"));
    GOOD(slmt_model_set_card(model, "a_1", "x"));
    assert_ptr_equal(slmt_model_card(model, "name"), name); /* until that field is set again */
    assert_string_equal(name, "first");
    GOOD(slmt_model_set_card(model, "name", "second"));
    assert_string_equal(slmt_model_card(model, "name"), "second");
    assert_string_equal(slmt_model_card(model, "data"), "BraTS");
    GOOD(slmt_model_set_card(model, "name", slmt_model_card(model, "data"))); /* its own text */
    assert_string_equal(slmt_model_card(model, "name"), "BraTS");
    assert_string_equal(slmt_model_card_key(model, 0), "a_1"); /* in their order */
    assert_string_equal(slmt_model_card_key(model, 1), "data");
    assert_string_equal(slmt_model_card_key(model, 2), "name");
    assert_string_equal(slmt_model_card_key(model, 3), "");
    assert_string_equal(slmt_model_card_key(NULL, 0), "");
    GOOD(slmt_model_set_card(model, "name", NULL));
    GOOD(slmt_model_set_card(model, "a_1", ""));
    GOOD(slmt_model_set_card(model, "never_set", NULL));
    assert_string_equal(slmt_model_card(model, "name"), "");
    assert_string_equal(slmt_model_card(model, "data"), "BraTS");
    GOOD(slmt_model_set_card(model, "data", NULL));
    assert_true(slmt_context_live_bytes(context) < start + 512); /* the empty list */

    char key[66], *text = malloc(65537);
    memset(key, 'k', 65);
    key[65] = '\0';
    memset(text, 't', 65536);
    text[65536] = '\0';
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "65", slmt_model_set_card(model, key, "x"));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "65536", slmt_model_set_card(model, "data", text));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_set_card(model, "", "x"));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "a b", slmt_model_set_card(model, "a b", "x"));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_set_card(model, "a/b", "x"));
    GOOD(slmt_model_set_card(model, key + 1, "x"));
    GOOD(slmt_model_set_card(model, "data", text + 536));
    assert_int_equal(strlen(slmt_model_card(model, "data")), 65000);
    free(text);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_card_that_does_not_fit_into_memory_stays(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    slmt_model *model = small_model(context, 1);
    GOOD(slmt_model_set_card(model, "name", "old"));
    for (long n = 1; n <= 3; n++) {
        long live = c.live;
        counter_fail(&c, n);
        EXPECT(SLMT_ERR_MEMORY, slmt_model_set_card(model, "name", "new"));
        assert_string_equal(slmt_model_card(model, "name"), "old");
        assert_int_equal(c.live, live);
    }
    counter_fail(&c, 0);
    GOOD(slmt_model_set_card(model, "name", "new"));
    slmt_model_free(model);
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

/* ---- files ---- */

static slmt_model *model_with_everything(slmt_context *context)
{
    slmt_model *model = small_model(context, 5);
    float x[8] = {8, 7, 6, 5, 4, 3, 2, 1};
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    p.image_size = SIDE;
    p.crop_size = 77;
    p.crop_x = 3;
    p.slice_count = 0;
    p.target_resize = SLMT_RESIZE_NEAREST;
    p.high_percentile = 99.25;
    GOOD(slmt_model_set_preprocess(model, &p));
    GOOD(slmt_model_set_tensor(model, unread_name, x, 8));
    GOOD(slmt_model_set_card(model, "name",
                             "Gr\xc3\xb6\xc3\x9f"
                             "e"));
    GOOD(slmt_model_set_card(model, "training", "two\nlines"));
    return model;
}

static void expect_equal_models(const slmt_model *a, const slmt_model *b)
{
    slmt_net_options oa = {.struct_size = sizeof oa}, ob = oa;
    slmt_preprocess pa = {.struct_size = sizeof pa}, pb = pa;
    float x[8], y[8];
    assert_true(same_weights(a, b));
    GOOD(slmt_net_get_options(a, &oa));
    GOOD(slmt_net_get_options(b, &ob));
    assert_memory_equal(&oa, &ob, sizeof oa);
    GOOD(slmt_model_get_preprocess(a, &pa));
    GOOD(slmt_model_get_preprocess(b, &pb));
    assert_memory_equal(&pa, &pb, sizeof pa);
    assert_string_equal(slmt_model_card(a, "name"), slmt_model_card(b, "name"));
    assert_string_equal(slmt_model_card(a, "training"), slmt_model_card(b, "training"));
    GOOD(slmt_model_get_tensor(a, unread_name, x, 8));
    GOOD(slmt_model_get_tensor(b, unread_name, y, 8));
    assert_memory_equal(x, y, sizeof x);
}

static void a_saved_model_loads_bit_for_bit(void **state)
{
    (void)state;
    slmt_context *contexts[2] = {open_context(1, NULL), open_reference(SLMT_FLOAT64)};
    for (int from = 0; from < 2; from++) {
        slmt_model *model = model_with_everything(contexts[from]);
        GOOD(slmt_model_save(model, in_folder("first.slmt")));
        for (int to = 0; to < 2; to++) { /* values that came from float32 pass through every type */
            slmt_model *loaded = NULL;
            uint64_t start = slmt_context_live_bytes(contexts[to]);
            GOOD(slmt_model_load(contexts[to], in_folder("first.slmt"), &loaded));
            expect_equal_models(model, loaded);
            GOOD(slmt_model_save(loaded, in_folder("second.slmt")));
            if (from == to)
                assert_true(same_files(in_folder("first.slmt"), in_folder("second.slmt")));
            slmt_model_free(loaded);
            assert_int_equal(slmt_context_live_bytes(contexts[to]), start);
        }
        slmt_model_free(model);
    }
    slmt_context_free(contexts[0]);
    slmt_context_free(contexts[1]);
}

typedef struct stream {
    const unsigned char *bytes;
    size_t left, most;
    int64_t answer; /* not 0: given instead once nothing is left */
} stream;

static int64_t read_stream(void *user, void *buffer, size_t size)
{
    stream *s = user;
    size_t n = size < s->most ? size : s->most;
    n = n < s->left ? n : s->left;
    if (n == 0)
        return s->answer;
    memcpy(buffer, s->bytes, n);
    s->bytes += n;
    s->left -= n;
    return (int64_t)n;
}

static void memory_and_callback_load_what_a_path_loads(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = model_with_everything(context), *loaded = NULL;
    size_t size;
    GOOD(slmt_model_save(model, in_folder("m.slmt")));
    unsigned char *bytes = read_file(in_folder("m.slmt"), &size);
    GOOD(slmt_model_load_memory(context, bytes, size, &loaded));
    expect_equal_models(model, loaded);
    slmt_model_free(loaded);
    static const size_t pieces[] = {997, 1 << 16, SIZE_MAX};
    for (int i = 0; i < 3; i++) {
        stream s = {bytes, size, pieces[i], 0};
        GOOD(slmt_model_load_callback(context, read_stream, &s, &loaded));
        expect_equal_models(model, loaded);
        slmt_model_free(loaded);
    }
    uint64_t start = slmt_context_live_bytes(context);
    loaded = NULL;
    stream failing = {bytes, 5000, 1000, -1}, greedy = {bytes, 5000, 1000, INT64_MAX},
           brief = {bytes, 5000, 9, 0};
    stream empty = {bytes, 0, 9, 0};
    EXPECT_TEXT(SLMT_ERR_IO, "-1", slmt_model_load_callback(context, read_stream, &failing, &loaded));
    EXPECT(SLMT_ERR_IO, slmt_model_load_callback(context, read_stream, &greedy, &loaded));
    EXPECT(SLMT_ERR_CORRUPT, slmt_model_load_callback(context, read_stream, &brief, &loaded));
    EXPECT(SLMT_ERR_CORRUPT, slmt_model_load_callback(context, read_stream, &empty, &loaded));
    stream other = {bytes + 1, size - 1, 7, 0}; /* no checkpoint: refused after the first piece */
    EXPECT_TEXT(SLMT_ERR_FORMAT, "not a libslmt checkpoint",
                slmt_model_load_callback(context, read_stream, &other, &loaded));
    assert_int_equal(other.left, size - 8);
    unsigned char *twice = malloc(2 * size); /* refused with the first piece that is too much */
    memcpy(twice, bytes, size);
    memcpy(twice + size, bytes, size);
    stream longer = {twice, 2 * size, 1000, 0};
    EXPECT_TEXT(SLMT_ERR_CORRUPT, "more bytes than the",
                slmt_model_load_callback(context, read_stream, &longer, &loaded));
    assert_in_range(longer.left, size - 1000, size);
    free(twice);
    assert_null(loaded);
    assert_int_equal(slmt_context_live_bytes(context), start);
    free(bytes);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* Loads bytes through memory and through a file: both must fail alike and leave nothing. */
static void expect_refused(slmt_context *context, slmt_status expected, const char *word,
                           const unsigned char *bytes, size_t size)
{
    slmt_model *loaded = NULL;
    uint64_t start = slmt_context_live_bytes(context);
    EXPECT_TEXT(expected, word, slmt_model_load_memory(context, bytes, size, &loaded));
    write_file(in_folder("wrong.slmt"), bytes, size);
    EXPECT_TEXT(expected, word, slmt_model_load(context, in_folder("wrong.slmt"), &loaded));
    assert_non_null(strstr(slmt_error_text(), "wrong.slmt"));
    assert_null(loaded);
    assert_int_equal(slmt_context_live_bytes(context), start);
}

static void damaged_files_are_named_as_what_they_are(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1), *loaded = NULL;
    size_t size;
    GOOD(slmt_model_save(model, in_folder("m.slmt")));
    slmt_model_free(model);
    unsigned char *bytes = read_file(in_folder("m.slmt"), &size);
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "none.slmt", slmt_model_load(context, in_folder("none.slmt"), &loaded));
    static const size_t kept[] = {0, 1, 100, 511, 512, 513, 5000};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        expect_refused(context, SLMT_ERR_CORRUPT, "cut short", bytes, kept[i]);
    expect_refused(context, SLMT_ERR_CORRUPT, "cut short", bytes, size - 1);
    for (size_t at = 512; at < size; at += size / 7) {
        bytes[at] ^= 0x10;
        expect_refused(context, SLMT_ERR_CORRUPT, "damaged", bytes, size);
        bytes[at] ^= 0x10;
    }
    bytes[0] ^= 1;
    expect_refused(context, SLMT_ERR_FORMAT, "not a libslmt checkpoint", bytes, size);
    bytes[0] ^= 1;
    expect_refused(context, SLMT_ERR_FORMAT, "not a libslmt checkpoint", (const unsigned char *)"PK\3\4", 4);
    char *version = strstr((char *)bytes, "version 1");
    assert_non_null(version);
    version[8] = '9';
    expect_refused(context, SLMT_ERR_VERSION, "version 9", bytes, size);
    free(bytes);
    slmt_context_free(context);
}

/* ---- files with a right digest and wrong contents ---- */

/* One difference from the original. */
typedef struct change {
    const char *group, *name; /* attribute or tensor it concerns */
    enum { DROP, SET_INT, SET_REAL, SET_TEXT, RESHAPE, AS_INTEGERS, AS_BFLOAT16, POISON } what;
    int64_t integer;
    double real;
    const char *text;
} change;

static int concerns(const change *c, const char *group, const char *name)
{
    return strcmp(c->group, group) == 0 && strcmp(c->name, name) == 0;
}

static void copy_attribute(const checkpoint *from, checkpoint_writer *to, const char *group, const char *name,
                           const change *c)
{
    int64_t whole;
    double real;
    const char *text;
    int mine = concerns(c, group, name);
    if (mine && c->what == DROP)
        return;
    if (mine && c->what == SET_INT)
        GOOD(checkpoint_put_int(to, group, name, c->integer));
    else if (mine && c->what == SET_REAL)
        GOOD(checkpoint_put_real(to, group, name, c->real));
    else if (mine && c->what == SET_TEXT)
        GOOD(checkpoint_put_text(to, group, name, c->text));
    else if (checkpoint_int(from, group, name, &whole) == SLMT_OK)
        GOOD(checkpoint_put_int(to, group, name, whole));
    else if (checkpoint_real(from, group, name, &real) == SLMT_OK)
        GOOD(checkpoint_put_real(to, group, name, real));
    else {
        GOOD(checkpoint_text(from, group, name, &text));
        GOOD(checkpoint_put_text(to, group, name, text));
    }
}

static const float poison_mark = 0x1.23456p-90f; /* which no tensor has */

static void copy_tensor(const checkpoint *from, checkpoint_writer *to, const checkpoint_tensor *t,
                        const change *c)
{
    size_t n = 1;
    int64_t dims[4];
    for (int i = 0; i < t->rank; i++)
        n *= (size_t)(dims[i] = t->dims[i]);
    float *x = malloc(n * sizeof *x);
    int64_t *whole = calloc(n, sizeof *whole);
    int mine = concerns(c, t->group, t->name), rank = t->rank;
    GOOD(checkpoint_read(from, t->group, t->name, CHECKPOINT_F32, t->rank, t->dims, NULL, x));
    if (mine && c->what == RESHAPE) {
        dims[0] = (int64_t)n;
        rank = 1;
    }
    if (mine && c->what == POISON)
        x[n / 2] = poison_mark;
    if (mine && c->what == AS_INTEGERS)
        GOOD(checkpoint_put_tensor(to, t->group, t->name, CHECKPOINT_I64, rank, dims, whole));
    else if (mine && c->what == AS_BFLOAT16)
        GOOD(checkpoint_put_tensor(to, t->group, t->name, CHECKPOINT_BF16, rank, dims, whole));
    else if (!(mine && c->what == DROP))
        GOOD(checkpoint_put_tensor(to, t->group, t->name, CHECKPOINT_F32, rank, dims, x));
    free(x);
    free(whole);
}

/* Puts in the number that no writer takes, and seals the file again. */
static void poison(const char *path, float value)
{
    size_t size;
    unsigned char *bytes = read_file(path, &size);
    unsigned char *at = memmem(bytes, size, &poison_mark, sizeof poison_mark);
    assert_non_null(at);
    memcpy(at, &value, sizeof value);
    write_file(path, bytes, size);
    free(bytes);
    int fd = open(path, O_RDWR);
    GOOD(seal_write(fd, path));
    close(fd);
}

static void rewrite(const char *path, const char *to_path, const change *c, const char *extra_tensor)
{
    static const char *groups[] = {"model",      "model/options", "model/preprocess",
                                   "model/card", "training",      "training/settings"};
    static const char *arrays[] = {"weights", "training/moment1", "training/moment2", "training/frozen"};
    mem m;
    mem_init(&m, NULL, NULL, NULL, 0);
    checkpoint *from;
    checkpoint_writer *to;
    const char *name;
    const checkpoint_tensor *t;
    GOOD(checkpoint_open(&m, path, &from));
    GOOD(checkpoint_create(&m, to_path, &to));
    for (int g = 0; g < 6; g++)
        for (size_t i = 0; (name = checkpoint_attribute_name(from, groups[g], i)); i++)
            copy_attribute(from, to, groups[g], name, c);
    for (int g = 0; g < 4; g++)
        for (size_t i = 0; (t = checkpoint_tensor_at(from, arrays[g], i)); i++)
            copy_tensor(from, to, t, c);
    if (extra_tensor)
        GOOD(checkpoint_put_tensor(to, c->group[0] ? c->group : "weights", extra_tensor, CHECKPOINT_F32, 1,
                                   (const int64_t[]){1}, &(float){0}));
    GOOD(checkpoint_finish(to));
    checkpoint_close(from);
    if (c->what == POISON)
        poison(to_path, (float)c->real);
}

/* The original, saved under a name of its own. */
static const char *original_file(slmt_context *context)
{
    slmt_model *model = model_with_everything(context);
    GOOD(slmt_model_save(model, in_folder("original.slmt")));
    slmt_model_free(model);
    return in_folder("original.slmt");
}

static void the_rewriter_changes_nothing_by_itself(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    const char *original = original_file(context);
    slmt_model *a = NULL, *b = NULL;
    rewrite(original, in_folder("copy.slmt"), &(change){.group = "", .name = ""}, NULL);
    GOOD(slmt_model_load(context, original, &a));
    GOOD(slmt_model_load(context, in_folder("copy.slmt"), &b));
    expect_equal_models(a, b);
    slmt_model_free(a);
    slmt_model_free(b);
    slmt_context_free(context);
}

static void wrong_contents_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        slmt_status status;
        const char *word;
        change change;
        const char *extra;
    } cases[] = {
        {SLMT_ERR_SCHEMA, "E.norm.bias", {"weights", "E.norm.bias", DROP, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "E.surprise", {"", "", DROP, 0, 0, 0}, "E.surprise"},
        {SLMT_ERR_SCHEMA, "[192]", {"weights", "E.blocks.0.attn.qkv.weight", RESHAPE, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "[24,8]", {"weights", "E.blocks.0.attn.qkv.weight", RESHAPE, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "G.norm2.bias", {"weights", "G.norm2.bias", AS_INTEGERS, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "has 16 bits", {"weights", "G.norm2.bias", AS_BFLOAT16, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "has 16 bits", {"weights", "E.pos_embed", AS_BFLOAT16, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "has 16 bits", {"weights", "G.fusion.0.conv1.weight", AS_BFLOAT16, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "has 16 bits", {"weights", unread_name, AS_BFLOAT16, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "another type", {"weights", "G.to_img.linear.weight", AS_BFLOAT16, 0, 0, 0}, NULL},
        {SLMT_ERR_NONFINITE, "G.norm2.bias", {"weights", "G.norm2.bias", POISON, 0, NAN, 0}, NULL},
        {SLMT_ERR_NONFINITE, "element 4", {"weights", unread_name, POISON, 0, INFINITY, 0}, NULL},
        {SLMT_ERR_SCHEMA, "method", {"model", "method", DROP, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "other-net", {"model", "method", SET_TEXT, 0, 0, "other-net"}, NULL},
        {SLMT_ERR_VERSION, "numerics", {"model", "numerics_version", SET_INT, 99, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "embed_dim", {"model/options", "embed_dim", DROP, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "embed_dim", {"model/options", "embed_dim", SET_REAL, 0, 8, 0}, NULL},
        {SLMT_ERR_SCHEMA, "embed_dim", {"model/options", "embed_dim", SET_INT, (int64_t)1 << 32, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "num_heads", {"model/options", "num_heads", SET_INT, 3, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "window", {"model/options", "window", SET_INT, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "crop_size", {"model/preprocess", "crop_size", SET_INT, -5, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "image_size", {"model/preprocess", "image_size", SET_INT, 64, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA,
         "high_percentile",
         {"model/preprocess", "high_percentile", SET_REAL, 0, NAN, 0},
         NULL},
        {SLMT_ERR_SCHEMA, "name", {"model/card", "name", SET_INT, 1, 0, 0}, NULL},
    };
    slmt_context *context = open_context(1, NULL);
    const char *original = original_file(context), *wrong = in_folder("wrong.slmt");
    uint64_t start = slmt_context_live_bytes(context);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slmt_model *loaded = NULL;
        rewrite(original, wrong, &cases[i].change, cases[i].extra);
        EXPECT_TEXT(cases[i].status, cases[i].word, slmt_model_load(context, wrong, &loaded));
        assert_non_null(strstr(slmt_error_text(), "wrong.slmt"));
        assert_null(loaded);
        assert_int_equal(slmt_context_live_bytes(context), start);
    }
    slmt_context_free(context);
}

static const char *trainer_file(slmt_context *context, int32_t stage)
{
    slmt_model *model = small_model(context, 5);
    slmt_net_trainer_config c;
    slmt_trainer *trainer = NULL;
    GOOD(slmt_net_trainer_config_init(&c, stage));
    c.batch = 1;
    GOOD(slmt_net_trainer_create(model, &c, &trainer));
    GOOD(slmt_trainer_save(trainer, in_folder("trainer.slmt")));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    return in_folder("trainer.slmt");
}

static void a_trainers_file_is_checked_as_closely(void **state)
{
    (void)state;
    static const struct {
        slmt_status status;
        const char *word;
        int32_t stage;
        change change;
        const char *extra;
    } cases[] = {
        {SLMT_OK, "", 1, {"", "", DROP, 0, 0, 0}, NULL},
        {SLMT_OK, "", 2, {"", "", DROP, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "E.norm.bias", 1, {"training/moment1", "E.norm.bias", DROP, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA,
         "G.norm2.bias",
         2,
         {"training/frozen", "E.norm.bias", DROP, 0, 0, 0},
         "G.norm2.bias"},
        {SLMT_ERR_SCHEMA, "E.surprise", 1, {"training/moment2", "", DROP, 0, 0, 0}, "E.surprise"},
        {SLMT_ERR_SCHEMA, "E.norm.bias", 1, {"training/frozen", "", DROP, 0, 0, 0}, "E.norm.bias"},
        {SLMT_ERR_SCHEMA,
         "[192]",
         2,
         {"training/frozen", "E.blocks.0.attn.qkv.weight", RESHAPE, 0, 0, 0},
         NULL},
        {SLMT_ERR_SCHEMA,
         "bfloat16, expected float32",
         1,
         {"training/moment1", "E.blocks.0.attn.qkv.weight", AS_BFLOAT16, 0, 0, 0},
         NULL},
        {SLMT_ERR_NONFINITE, "moment2", 1, {"training/moment2", "E.norm.bias", POISON, 0, NAN, 0}, NULL},
        {SLMT_ERR_SCHEMA, "step", 1, {"training", "step", DROP, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "step", 1, {"training", "step", SET_INT, -1, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "step", 1, {"training", "step", SET_INT, INT64_MAX, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "batch", 1, {"training/settings", "batch", SET_INT, 0, 0, 0}, NULL},
        {SLMT_ERR_SCHEMA, "no task train", 1, {"training", "task", SET_TEXT, 0, 0, "train"}, NULL},
        {SLMT_ERR_SCHEMA, "for a session", 1, {"training", "task", SET_TEXT, 0, 0, "synthesize"}, NULL},
        {SLMT_ERR_SCHEMA, "mask_ratio", 1, {"training/settings", "mask_ratio", SET_REAL, 0, 1, 0}, NULL},
    };
    slmt_context *context = open_context(1, NULL);
    uint64_t start = slmt_context_live_bytes(context);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slmt_trainer *loaded = NULL;
        const char *wrong = in_folder("wrong.slmt");
        rewrite(trainer_file(context, cases[i].stage), wrong, &cases[i].change, cases[i].extra);
        EXPECT_TEXT(cases[i].status, cases[i].word, slmt_trainer_load(context, wrong, &loaded));
        assert_int_equal(loaded != NULL, cases[i].status == SLMT_OK);
        slmt_trainer_free(loaded);
        assert_int_equal(slmt_context_live_bytes(context), start);
    }
    slmt_context_free(context);
}

/* Options that promise more than the file holds cost no memory. */
static void hostile_options_are_refused_before_memory_is_taken(void **state)
{
    (void)state;
    static const change hostile[] = {
        {"model/options", "embed_dim", SET_INT, 4096, 0, 0},
        {"model/options", "image_size", SET_INT, 4096, 0, 0},
        {"model/options", "decoder_dim", SET_INT, 4096, 0, 0},
        {"model/options", "mlp_ratio", SET_INT, 16, 0, 0},
        {"model/options", "depth", SET_INT, 64, 0, 0},
    };
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    const char *original = original_file(context), *wrong = in_folder("wrong.slmt");
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        slmt_model *loaded = NULL;
        rewrite(original, wrong, &hostile[i], NULL);
        atomic_store(&c.largest, 0);
        EXPECT(SLMT_ERR_SCHEMA, slmt_model_load(context, wrong, &loaded));
        assert_true(c.largest < 1 << 20);
        assert_null(loaded);
    }
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

/* ---- saving ---- */

static void the_old_file_survives_when_memory_runs_out(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    const char *original = original_file(context), *path = in_folder("kept.slmt");
    slmt_model *model = small_model(context, 9);
    rewrite(original, path, &(change){.group = "", .name = ""}, NULL);
    size_t size, now;
    unsigned char *before = read_file(path, &size);
    int files = count_files(0);
    slmt_status s = SLMT_ERR_MEMORY;
    for (long n = 1; s != SLMT_OK; n++) {
        long live = c.live;
        counter_fail(&c, n);
        s = slmt_model_save(model, path);
        counter_fail(&c, 0);
        assert_int_equal(c.live, live);
        assert_int_equal(count_files(0), files);
        if (s == SLMT_OK)
            break;
        EXPECT(SLMT_ERR_MEMORY, s);
        unsigned char *after = read_file(path, &now);
        assert_true(now == size && memcmp(before, after, size) == 0);
        free(after);
    }
    unsigned char *after = read_file(path, &now);
    assert_false(now == size && memcmp(before, after, size) == 0);
    free(after);
    free(before);
    slmt_model_free(model);
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

static void a_file_of_another_kind_is_not_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *kind;
    } rows[] = {
        {"\x1f\x8b\x08\0scan", 8, "it is a file compressed with gzip, as scans are"},
        {"subject,t1,t2\n", 14, "it is a text file"},
        {"\0\0\0\0\0\0\0\0", 8, "it is nothing but zeros"},
        {"\x01\x02\x03\x04", 4, "is not replaced"},
    };
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 9);
    const char *path = in_folder("theirs");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size;
        write_file(path, rows[i].bytes, rows[i].size);
        int files = count_files(0);
        EXPECT_TEXT(SLMT_ERR_IO, "is there and is not replaced", slmt_model_save(model, path));
        EXPECT_TEXT(SLMT_ERR_IO, rows[i].kind, slmt_model_save(model, path));
        unsigned char *bytes = read_file(path, &size);
        assert_true(size == rows[i].size && memcmp(bytes, rows[i].bytes, size) == 0);
        assert_int_equal(count_files(0), files);
        free(bytes);
    }
    write_file(path, "", 0);
    GOOD(slmt_model_save(model, path));
    GOOD(slmt_model_save(model, path));
    slmt_model_free(model);
    slmt_context_free(context);
}

static void the_old_file_survives_a_full_disk(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 9);
    const char *path = in_folder("kept.slmt");
    write_file(path, "libslmt old", 11);
    int files = count_files(0);
    struct rlimit old, tight = {4096, 0};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    slmt_status s = slmt_model_save(model, path);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    EXPECT_TEXT(SLMT_ERR_IO, strerror(EFBIG), s);
    size_t size;
    unsigned char *bytes = read_file(path, &size);
    assert_true(size == 11 && memcmp(bytes, "libslmt old", 11) == 0);
    assert_int_equal(count_files(0), files);
    free(bytes);

    EXPECT_TEXT(SLMT_ERR_IO, "no/such", slmt_model_save(model, in_folder("no/such/m.slmt")));
    EXPECT(SLMT_ERR_IO, slmt_model_save(model, scratch_folder)); /* a folder */
    slmt_model_free(model);
    slmt_context_free(context);
}

static void loading_gives_all_memory_back_wherever_it_runs_out(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    const char *original = original_file(context);
    long live = c.live, total;
    slmt_model *loaded = NULL;
    counter_fail(&c, 0);
    GOOD(slmt_model_load(context, original, &loaded));
    total = c.calls;
    slmt_model_free(loaded);
    for (long n = 1; n <= total; n += n < 20 || n > total - 20 ? 1 : total / 60) {
        loaded = NULL;
        counter_fail(&c, n);
        EXPECT(SLMT_ERR_MEMORY, slmt_model_load(context, original, &loaded));
        assert_null(loaded);
        assert_int_equal(c.live, live);
    }
    counter_fail(&c, 0);
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

static void creating_gives_all_memory_back_wherever_it_runs_out(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    slmt_net_options o = small_options();
    long live = c.live;
    slmt_status s = SLMT_ERR_MEMORY;
    for (long n = 1; s != SLMT_OK; n++) {
        slmt_model *model = NULL;
        counter_fail(&c, n);
        s = slmt_net_create(context, &o, 0, &model);
        assert_int_equal(model != NULL, s == SLMT_OK);
        if (s != SLMT_OK)
            EXPECT(SLMT_ERR_MEMORY, s);
        slmt_model_free(model);
        assert_int_equal(c.live, live);
    }
    slmt_context_free(context);
}

static void the_last_owner_frees(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    long live = c.live;
    slmt_model *model = small_model(context, 1);
    assert_ptr_equal(slmt_model_retain(model), model);
    assert_ptr_equal(slmt_model_retain(model), model);
    slmt_model_free(model);
    slmt_model_free(model);
    assert_true(c.live > live);
    assert_true(slmt_model_tensor_count(model) > 0);
    slmt_model_free(model);
    assert_int_equal(c.live, live);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_presets_are_valid),
        cmocka_unit_test(every_broken_option_is_named_with_its_rule),
        cmocka_unit_test(an_older_caller_reads_what_it_knows),
        cmocka_unit_test(preprocessing_must_fit_the_model),
        cmocka_unit_test(equal_seeds_give_equal_weights_everywhere),
        cmocka_unit_test(initial_values_follow_the_paper),
        cmocka_unit_test(tensors_of_one_shape_are_drawn_apart),
        cmocka_unit_test(the_position_tables_are_sine_and_cosine),
        cmocka_unit_test(the_edge_operator_is_sobels),
        cmocka_unit_test(tensors_are_listed_set_and_read),
        cmocka_unit_test(unread_tensors_are_kept_when_given_and_only_then),
        cmocka_unit_test(card_fields_are_set_replaced_and_removed),
        cmocka_unit_test(a_card_that_does_not_fit_into_memory_stays),
        cmocka_unit_test(a_saved_model_loads_bit_for_bit),
        cmocka_unit_test(memory_and_callback_load_what_a_path_loads),
        cmocka_unit_test(damaged_files_are_named_as_what_they_are),
        cmocka_unit_test(the_rewriter_changes_nothing_by_itself),
        cmocka_unit_test(wrong_contents_are_refused_by_name),
        cmocka_unit_test(a_trainers_file_is_checked_as_closely),
        cmocka_unit_test(hostile_options_are_refused_before_memory_is_taken),
        cmocka_unit_test(the_old_file_survives_when_memory_runs_out),
        cmocka_unit_test(a_file_of_another_kind_is_not_replaced),
        cmocka_unit_test(the_old_file_survives_a_full_disk),
        cmocka_unit_test(loading_gives_all_memory_back_wherever_it_runs_out),
        cmocka_unit_test(creating_gives_all_memory_back_wherever_it_runs_out),
        cmocka_unit_test(the_last_owner_frees),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
