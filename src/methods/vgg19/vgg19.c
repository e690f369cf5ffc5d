/* SPDX-License-Identifier: Apache-2.0 */
/* vgg19.c - VGG19's first thirteen convolutions, and the distance by them. */
#include "methods/vgg19/vgg19.h"

typedef struct vgg_conv {
    int index;  /* its name in torchvision's `features` */
    int widths; /* outputs, in widths */
    int pooled; /* an average pool comes first */
} vgg_conv;

static const vgg_conv convs[] = {{0, 1, 0},  {2, 1, 0},  {5, 2, 1},  {7, 2, 0},  {10, 4, 1},
                                 {12, 4, 0}, {14, 4, 0}, {16, 4, 0}, {19, 8, 1}, {21, 8, 0},
                                 {23, 8, 0}, {25, 8, 0}, {28, 8, 1}};

enum { CONVS = sizeof convs / sizeof *convs };

void vgg19_params(params *p, const char *prefix, int32_t width)
{
    int64_t in = 3;
    for (int i = 0; i < CONVS; i++) {
        int64_t out = convs[i].widths * width;
        params_add_role(p, ROLE_GIVEN, INIT_ZERO, 4, (const int64_t[]){out, in, 3, 3},
                        at("%sfeatures.%d.weight", prefix, convs[i].index).text);
        params_add_role(p, ROLE_GIVEN, INIT_ZERO, 1, &out,
                        at("%sfeatures.%d.bias", prefix, convs[i].index).text);
        in = out;
    }
}

/* [M,H,W] -> [M,H,W,3]: (v/2 + 0.5 - mean) / sd of ImageNet's red, green and blue. */
static value as_photograph(graph *g, value grey)
{
    static const double mean[3] = {0.485, 0.456, 0.406}, sd[3] = {0.229, 0.224, 0.225};
    double scale[3], shift[3];
    for (int c = 0; c < 3; c++) {
        scale[c] = 0.5 / sd[c];
        shift[c] = (0.5 - mean[c]) / sd[c];
    }
    bk_shape three = shape_of(g->real, 1, (const int64_t[]){3});
    value x = op_view(g, grey, 4, graph_dim(g, grey, 0), graph_dim(g, grey, 1), graph_dim(g, grey, 2), 1);
    return op_add(g, op_mul(g, x, graph_constant(g, three, scale)), graph_constant(g, three, shift));
}

/* Takes 2x2 means without an odd last row or column. Linear resizing to half the size computes exactly this.
 */
static value average_pool(graph *g, value x)
{
    int64_t size[2];
    for (int i = 0; i < 2; i++) {
        size[i] = graph_dim(g, x, 1 + i) / 2;
        if (graph_dim(g, x, 1 + i) % 2)
            x = op_slice(g, x, 1 + i, 0, 2 * size[i]);
    }
    return op_resize_linear(g, x, size);
}

/* Outputs of all ReLUs. */
static void features(nn *n, value grey, value of[CONVS])
{
    graph *g = n->g;
    value x = as_photograph(g, grey);
    for (int i = 0; i < CONVS; i++) {
        layer_name layer = at("features.%d", convs[i].index);
        nn_enter(n, layer);
        if (convs[i].pooled)
            x = average_pool(g, x);
        x = op_conv(g, x, nn_weight(n, layer, "weight"), nn_weight(n, layer, "bias"), 1, 1);
        x = of[i] = op_leaky_relu(g, x, 0);
    }
}

value vgg19_distance(nn *n, value a, value b)
{
    graph *g = n->g;
    value fa[CONVS], fb[CONVS], sum = NONE;
    features(n, a, fa);
    features(n, b, fb);
    for (int i = 0; i < CONVS; i++) {
        nn_enter(n, at("features.%d", convs[i].index));
        value d = op_sub(g, fa[i], fb[i]), mean = op_mean(g, op_mul(g, d, d), 0xe);
        sum = i == 0 ? mean : op_add(g, sum, mean);
    }
    return op_view(g, sum, 1, graph_dim(g, a, 0));
}
