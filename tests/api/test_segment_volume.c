/* SPDX-License-Identifier: Apache-2.0 */
/* test_segment_volume.c - labels of whole volumes: those of the network's own slices, windows that cover
 * everything, mirrored runs, what is refused; and label maps against the truth, computed by hand. */
#include <dirent.h> /* before nifti1.h, whose macros take its names */

#include "core/volume.h"
#include "data/label_objects.h"
#include "data/resize.h"

#include "tests/api/api_fixture.h"

enum { WIDE = 32, DEEP = 6, VOXELS = WIDE * WIDE * DEEP, CHANNELS = 2, CLASSES = 3 };
static const float values[CLASSES] = {0, 1, 40000}; /* the last one needs 32 bits in a file */

static slmt_context *context;
static slmt_model *model;

static int set_up(void **state)
{
    (void)state;
    const slmt_number options[] = {{"channels", CHANNELS}, {"classes=0,1,40000=lesion", 0}, {"width", 4}};
    slmt_preprocess p;
    context = open_context(1, NULL);
    slmt_preprocess_init(&p);
    p.crop_size = p.image_size = WIDE;
    p.slice_first = 0;
    p.slice_count = DEEP;
    GOOD(slmt_model_create(context, "segnet-basic", options, 3, 7, &model));
    GOOD(slmt_model_set_preprocess(model, &p));
    return make_folder(state);
}

static int tear_down(void **state)
{
    slmt_model_free(model);
    slmt_context_free(context);
    return delete_folder(state);
}

/* A head with waves, stored as the model sees it: i to the left, j to the back, k up. mirrored: i the other
 * way round. */
static slmt_volume *scan(int channel, int mirrored)
{
    static float x[VOXELS];
    static const double affine[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    slmt_volume *v;
    for (int n = 0; n < VOXELS; n++) {
        int at = n % WIDE, i = mirrored ? WIDE - 1 - at : at, j = n / WIDE % WIDE, k = n / WIDE / WIDE;
        double a = (i - 15.5) / 13, b = (j - 15.5) / 14;
        x[n] = a * a + b * b > 1 ? 0 : (float)(500 + 200 * sin(0.4 * i + channel) * cos(0.3 * j) + 30 * k);
    }
    GOOD(slmt_volume_create(context, (const int64_t[]){WIDE, WIDE, DEEP}, affine, x, &v));
    return v;
}

static slmt_session *session_of(int64_t side)
{
    slmt_session *session;
    const slmt_number settings[] = {{"rows", (double)side}, {"columns", (double)side}};
    GOOD(slmt_session_create(model, "segment", settings, 2, &session));
    return session;
}

typedef struct made {
    slmt_volume *labels, *p[CLASSES];
} made;

static made segment_how(int64_t side, const slmt_segmentation *how, int mirrored)
{
    made m;
    slmt_session *session = session_of(side);
    slmt_volume *sources[CHANNELS] = {scan(0, mirrored), scan(1, mirrored)};
    GOOD(slmt_segment_volume(session, (const slmt_volume *const *)sources, CHANNELS, how, &m.labels, m.p));
    for (int c = 0; c < CHANNELS; c++)
        slmt_volume_free(sources[c]);
    slmt_session_free(session);
    return m;
}

static made segment(int64_t side, int32_t mirror, int mirrored)
{
    slmt_segmentation how;
    slmt_segmentation_init(&how);
    how.mirror = mirror;
    return segment_how(side, &how, mirrored);
}

static void free_made(made *m)
{
    slmt_volume_free(m->labels);
    for (int c = 0; c < CLASSES; c++)
        slmt_volume_free(m->p[c]);
}

static void assert_consistent(const made *m)
{
    const float *label = slmt_volume_voxels(m->labels);
    for (int i = 0; i < VOXELS; i++) {
        float sum = 0;
        int best = 0;
        for (int c = 0; c < CLASSES; c++) {
            sum += slmt_volume_voxels(m->p[c])[i];
            best = slmt_volume_voxels(m->p[c])[i] > slmt_volume_voxels(m->p[best])[i] ? c : best;
        }
        assert_true(fabsf(sum - 1) < 1e-5f);
        assert_true(label[i] == values[best]);
    }
}

/* Rows of a slice go along x, voxels of a volume have x fastest. */
static int in_slice(int voxel)
{
    return voxel % WIDE * WIDE + voxel / WIDE;
}

static void a_window_as_large_as_the_slices_gives_what_the_network_gives(void **state)
{
    (void)state;
    static float image[CHANNELS * WIDE * WIDE], p[CLASSES * WIDE * WIDE];
    static int32_t labels[WIDE * WIDE];
    made m = segment(WIDE, 0, 0);
    slmt_session *session = session_of(WIDE);
    const int64_t in[] = {1, CHANNELS, WIDE, WIDE}, out[] = {1, CLASSES, WIDE, WIDE}, map[] = {1, WIDE, WIDE};
    slmt_volume *seen[CHANNELS];
    assert_consistent(&m);
    for (int c = 0; c < CHANNELS; c++) {
        slmt_volume *source = scan(c, 0);
        GOOD(slmt_session_normalize_volume(session, source, &seen[c]));
        slmt_volume_free(source);
    }
    for (int k = 0; k < DEEP; k++) {
        const slmt_tensor input = {"image", image, in, NULL, 4, SLMT_TENSOR_FLOAT32};
        const slmt_tensor outputs[] = {{"labels", labels, map, NULL, 3, SLMT_TENSOR_INT32},
                                       {"probabilities", p, out, NULL, 4, SLMT_TENSOR_FLOAT32}};
        for (int c = 0; c < CHANNELS; c++)
            for (int i = 0; i < WIDE * WIDE; i++)
                image[c * WIDE * WIDE + in_slice(i)] = slmt_volume_voxels(seen[c])[k * WIDE * WIDE + i];
        GOOD(slmt_session_run(session, &input, 1, outputs, 2));
        for (int i = 0; i < WIDE * WIDE; i++)
            for (int c = 0; c < CLASSES; c++)
                assert_true(fabsf(slmt_volume_voxels(m.p[c])[k * WIDE * WIDE + i] -
                                  p[c * WIDE * WIDE + in_slice(i)]) < 1e-5f);
    }
    for (int c = 0; c < CHANNELS; c++)
        slmt_volume_free(seen[c]);
    slmt_session_free(session);
    free_made(&m);
}

static void smaller_and_larger_windows_cover_every_voxel(void **state)
{
    (void)state;
    for (int64_t side = 16; side <= 48; side += 16) {
        made m = segment(side, 0, 0);
        assert_consistent(&m);
        free_made(&m);
    }
}

static void only_the_largest_object_of_each_class_is_left_if_that_is_wanted(void **state)
{
    (void)state;
    static const int64_t dims[3] = {DEEP, WIDE, WIDE};
    static int32_t class_of[VOXELS], object[VOXELS];
    static int64_t stack[VOXELS];
    slmt_segmentation how;
    slmt_segmentation_init(&how);
    made plain = segment_how(WIDE, &how, 0);
    how.largest = 1;
    made tidy = segment_how(WIDE, &how, 0);
    for (int i = 0; i < VOXELS; i++)
        for (int c = 0; c < CLASSES; c++)
            if (slmt_volume_voxels(plain.labels)[i] == values[c])
                class_of[i] = c;
    assert_true(label_objects(class_of, dims, object, stack) > CLASSES);
    label_keep_largest(class_of, dims, object, stack);
    for (int i = 0; i < VOXELS; i++) {
        assert_true(slmt_volume_voxels(tidy.labels)[i] == values[class_of[i]]);
        for (int c = 0; c < CLASSES; c++)
            assert_true(slmt_volume_voxels(tidy.p[c])[i] == slmt_volume_voxels(plain.p[c])[i]);
    }
    free_made(&plain);
    free_made(&tidy);
}

/* The mean over mirrored runs commutes with mirroring the scan. */
static void mirrored_runs_make_mirrored_labels_of_a_mirrored_scan(void **state)
{
    (void)state;
    made one = segment(WIDE, 1, 0), other = segment(WIDE, 1, 1), plain = segment(WIDE, 0, 0);
    double changed = 0;
    for (int n = 0; n < VOXELS; n++) {
        int i = n % WIDE, opposite = n - i + WIDE - 1 - i;
        for (int c = 0; c < CLASSES; c++) {
            double a = slmt_volume_voxels(one.p[c])[n], b = slmt_volume_voxels(other.p[c])[opposite];
            assert_true(fabs(a - b) < 1e-5);
            changed = fmax(changed, fabs(a - (double)slmt_volume_voxels(plain.p[c])[n]));
        }
    }
    assert_true(changed > 1e-4); /* a single run is not symmetric */
    free_made(&one);
    free_made(&other);
    free_made(&plain);
}

/* The network's image of a scan: [CHANNELS][DEEP][WIDE][WIDE]. */
static void image_of_scan(slmt_session *session, float *image)
{
    for (int c = 0; c < CHANNELS; c++) {
        slmt_volume *seen, *source = scan(c, 0);
        GOOD(slmt_session_normalize_volume(session, source, &seen));
        for (int k = 0; k < DEEP; k++)
            for (int i = 0; i < WIDE * WIDE; i++)
                image[(c * DEEP + k) * WIDE * WIDE + in_slice(i)] =
                    slmt_volume_voxels(seen)[k * WIDE * WIDE + i];
        slmt_volume_free(seen);
        slmt_volume_free(source);
    }
}

static const int64_t whole[3] = {DEEP, WIDE, WIDE};

static void slices_that_are_prepared_get_the_labels_of_their_volume(void **state)
{
    (void)state;
    static float image[CHANNELS * VOXELS], p[CLASSES * VOXELS];
    static int32_t labels[VOXELS], again[VOXELS];
    made m = segment(16, 0, 0);
    slmt_session *session = session_of(16);
    image_of_scan(session, image);
    GOOD(slmt_segment_slices(session, image, whole, NULL, NULL, labels, p));
    GOOD(slmt_segment_slices(session, image, whole, NULL, NULL, again, NULL));
    assert_memory_equal(labels, again, sizeof labels);
    for (int k = 0; k < DEEP; k++)
        for (int i = 0; i < WIDE * WIDE; i++) {
            int in = k * WIDE * WIDE + in_slice(i), at = k * WIDE * WIDE + i;
            assert_true((float)labels[in] == slmt_volume_voxels(m.labels)[at]);
            for (int c = 0; c < CLASSES; c++)
                assert_true(fabsf(p[c * VOXELS + in] - slmt_volume_voxels(m.p[c])[at]) < 1e-6f);
        }
    slmt_session_free(session);
    free_made(&m);
}

/* Training crops are those of a set, which are not resized to image_size. */
static void the_size_of_images_does_not_change_what_a_labelling_network_sees(void **state)
{
    (void)state;
    slmt_preprocess p;
    made one = segment(WIDE, 0, 0);
    GOOD(slmt_model_get_preprocess(model, (slmt_preprocess_init(&p), &p)));
    p.image_size = 48;
    GOOD(slmt_model_set_preprocess(model, &p));
    made other = segment(WIDE, 0, 0);
    p.image_size = WIDE;
    GOOD(slmt_model_set_preprocess(model, &p));
    assert_memory_equal(slmt_volume_voxels(one.labels), slmt_volume_voxels(other.labels),
                        VOXELS * sizeof(float));
    free_made(&one);
    free_made(&other);
}

/* ---- models whose images have one size ---- */

enum { LARGE = 2 * WIDE, LARGE_VOXELS = LARGE * LARGE * DEEP };

/* Of images of WIDE x WIDE, which the training made of slices of crop x crop. */
static slmt_model *model_of_crop(int32_t crop)
{
    const slmt_number options[] = {{"image_size", WIDE}, {"widths_0", 2}, {"widths_1", 2},
                                   {"widths_2", 2},      {"widths_3", 2}, {"widths_4", 2},
                                   {"widths_5", 2},      {"hidden", 4},   {"dense", 4}};
    slmt_model *made;
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    p.crop_size = crop;
    p.image_size = WIDE;
    p.slice_first = 0;
    p.slice_count = DEEP;
    p.low_percentile = 0; /* the same for a scan of four times the voxels */
    p.high_percentile = 100;
    GOOD(slmt_model_create(context, "contrastive", options, sizeof options / sizeof *options, 7, &made));
    GOOD(slmt_model_set_preprocess(made, &p));
    return made;
}

/* A head of side x side voxels, all of which repeat those of WIDE x WIDE. */
static slmt_volume *scan_of_side(int side)
{
    static float x[LARGE_VOXELS];
    static const double affine[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    slmt_volume *v, *small = scan(0, 0);
    for (int n = 0; n < side * side * DEEP; n++) {
        int i = n % side * WIDE / side, j = n / side % side * WIDE / side, k = n / side / side;
        x[n] = slmt_volume_voxels(small)[(k * WIDE + j) * WIDE + i];
    }
    slmt_volume_free(small);
    GOOD(slmt_volume_create(context, (const int64_t[]){side, side, DEEP}, affine, x, &v));
    return v;
}

/* Probabilities of the second of two classes, slice by slice. */
static void probabilities_of(int32_t crop, float *p)
{
    slmt_model *own = model_of_crop(crop);
    slmt_session *session;
    slmt_volume *source = scan_of_side(crop), *labels, *made[2];
    const slmt_volume *sources[] = {source};
    GOOD(slmt_session_create(own, "segment", NULL, 0, &session));
    GOOD(slmt_segment_volume(session, sources, 1, NULL, &labels, made));
    memcpy(p, slmt_volume_voxels(made[1]), (size_t)(crop * crop * DEEP) * sizeof *p);
    slmt_volume_free(labels);
    slmt_volume_free(made[0]);
    slmt_volume_free(made[1]);
    slmt_volume_free(source);
    slmt_session_free(session);
    slmt_model_free(own);
}

/* Slices of LARGE x LARGE, made of those that a model of WIDE x WIDE sees. */
static void large_image(float *image)
{
    slmt_model *own = model_of_crop(WIDE);
    slmt_session *session;
    slmt_volume *seen, *source = scan_of_side(WIDE);
    GOOD(slmt_session_create(own, "segment", NULL, 0, &session));
    GOOD(slmt_session_normalize_volume(session, source, &seen));
    for (int n = 0; n < LARGE_VOXELS; n++) {
        int j = n % LARGE / 2, i = n / LARGE % LARGE / 2, k = n / LARGE / LARGE;
        image[n] = slmt_volume_voxels(seen)[(k * WIDE + j) * WIDE + i];
    }
    slmt_volume_free(seen);
    slmt_volume_free(source);
    slmt_session_free(session);
    slmt_model_free(own);
}

/* A pixel of the network is the mean of four, and its probability goes back to their size. */
static void a_model_of_one_image_size_sees_slices_resized_as_in_its_training(void **state)
{
    (void)state;
    static float small[VOXELS], large[LARGE_VOXELS], expected[LARGE * LARGE], image[LARGE_VOXELS],
        p[2 * LARGE_VOXELS];
    static int32_t labels[LARGE_VOXELS];
    const int64_t size[] = {DEEP, LARGE, LARGE};
    slmt_model *own = model_of_crop(LARGE);
    slmt_session *session;
    probabilities_of(WIDE, small);
    probabilities_of(LARGE, large);
    large_image(image);
    GOOD(slmt_session_create(own, "segment", NULL, 0, &session));
    GOOD(slmt_segment_slices(session, image, size, NULL, NULL, labels, p));
    for (int k = 0; k < DEEP; k++) {
        resize_bilinear(small + k * WIDE * WIDE, WIDE, WIDE, expected, LARGE, LARGE);
        for (int n = 0; n < LARGE * LARGE; n++) {
            int at = k * LARGE * LARGE + n, slice = k * LARGE * LARGE + n % LARGE * LARGE + n / LARGE;
            assert_true(fabsf(large[at] - expected[n]) < 1e-5f);
            assert_true(fabsf(p[LARGE_VOXELS + slice] - expected[n]) < 1e-5f);
            assert_int_equal(labels[slice], p[LARGE_VOXELS + slice] > p[slice]);
        }
    }
    slmt_session_free(session);
    slmt_model_free(own);
}

/* Pairs of neighbours along a row that have different labels. */
static int count_edges(const int32_t *labels)
{
    int edges = 0;
    for (int i = 0; i + 1 < VOXELS; i++)
        edges += i % WIDE < WIDE - 1 && labels[i] != labels[i + 1];
    return edges;
}

static void a_random_field_without_weights_changes_nothing_and_with_them_smooths(void **state)
{
    (void)state;
    static float image[CHANNELS * VOXELS], plain[CLASSES * VOXELS], p[CLASSES * VOXELS];
    static int32_t labels[VOXELS], refined[VOXELS];
    slmt_segmentation how;
    slmt_session *session = session_of(WIDE);
    image_of_scan(session, image);
    GOOD(slmt_segment_slices(session, image, whole, NULL, NULL, labels, plain));
    slmt_segmentation_init(&how);
    how.crf_steps = 5;
    how.crf_near_weight = how.crf_weight = 0;
    GOOD(slmt_segment_slices(session, image, whole, NULL, &how, refined, p));
    for (int i = 0; i < CLASSES * VOXELS; i++)
        assert_true(fabsf(p[i] - plain[i]) < 4e-5f); /* what is below 1e-5 counts as that */
    slmt_segmentation_init(&how);
    how.crf_steps = 5;
    for (how.crf_axes = 2; how.crf_axes <= 3; how.crf_axes++) {
        GOOD(slmt_segment_slices(session, image, whole, (const double[]){3, 1, 1}, &how, refined, p));
        assert_true(count_edges(labels) > 0 && count_edges(refined) < count_edges(labels));
        for (int i = 0; i < VOXELS; i++)
            assert_true(fabsf(p[i] + p[VOXELS + i] + p[2 * VOXELS + i] - 1) < 1e-5f);
    }
    slmt_session_free(session);
}

static void a_random_field_of_a_volume_is_that_of_its_slices_in_millimetres(void **state)
{
    (void)state;
    static float image[CHANNELS * VOXELS];
    static int32_t labels[VOXELS];
    slmt_segmentation how;
    slmt_volume *made, *sources[CHANNELS] = {scan(0, 0), scan(1, 0)};
    slmt_session *session = session_of(WIDE);
    image_of_scan(session, image);
    slmt_segmentation_init(&how);
    how.crf_steps = 3;
    how.crf_axes = 3;
    GOOD(slmt_segment_slices(session, image, whole, NULL, &how, labels, NULL)); /* voxels of 1 mm */
    GOOD(slmt_segment_volume(session, (const slmt_volume *const *)sources, CHANNELS, &how, &made, NULL));
    for (int k = 0; k < DEEP; k++)
        for (int i = 0; i < WIDE * WIDE; i++)
            assert_true(slmt_volume_voxels(made)[k * WIDE * WIDE + i] ==
                        (float)labels[k * WIDE * WIDE + in_slice(i)]);
    for (int c = 0; c < CHANNELS; c++)
        slmt_volume_free(sources[c]);
    slmt_volume_free(made);
    slmt_session_free(session);
}

static void slices_and_fields_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static float image[CHANNELS * VOXELS];
    static int32_t labels[VOXELS];
    slmt_segmentation how;
    slmt_session *session = session_of(WIDE);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "size[1] is 0",
                slmt_segment_slices(session, image, (const int64_t[]){1, 0, 4}, NULL, NULL, labels, NULL));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "spacing[2] is -1",
                slmt_segment_slices(session, image, whole, (const double[]){1, 1, -1}, NULL, labels, NULL));
    slmt_segmentation_init(&how);
    how.crf_steps = -1;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "crf_steps is -1",
                slmt_segment_slices(session, image, whole, NULL, &how, labels, NULL));
    slmt_segmentation_init(&how);
    how.crf_steps = 1;
    how.crf_axes = 1;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "crf_axes is 1, expected 0, 2 or 3",
                slmt_segment_slices(session, image, whole, NULL, &how, labels, NULL));
    how.crf_axes = 0;
    how.crf_position_sd = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "crf_position_sd is 0",
                slmt_segment_slices(session, image, whole, NULL, &how, labels, NULL));
    image[5] = NAN;
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "the image",
                slmt_segment_slices(session, image, whole, NULL, NULL, labels, NULL));
    image[5] = 0;
    GOOD(slmt_segment_slices(session, image, (const int64_t[]){1, 9, 11}, NULL, NULL, labels, NULL));
    slmt_session_free(session);
}

static void a_label_map_is_written_as_integers(void **state)
{
    (void)state;
    made m = segment(WIDE, 0, 0);
    nifti_1_header header;
    slmt_volume *back;
    /* A voxel of a class that random weights may never choose. */
    m.labels->scan.voxels[3] = values[2];
    GOOD(slmt_volume_nifti_header(m.labels, &header));
    assert_int_equal(header.datatype, DT_INT32);
    assert_int_equal(header.intent_code, NIFTI_INTENT_LABEL);
    GOOD(slmt_volume_write(m.labels, in_folder("labels.nii.gz")));
    GOOD(slmt_volume_read(context, in_folder("labels.nii.gz"), &back));
    assert_memory_equal(slmt_volume_voxels(back), slmt_volume_voxels(m.labels), VOXELS * sizeof(float));
    slmt_volume_free(back);
    for (int i = 0; i < VOXELS; i++)
        m.labels->scan.voxels[i] = (float)(i % 2);
    GOOD(slmt_volume_nifti_header(m.labels, &header));
    assert_int_equal(header.datatype, DT_INT16);
    assert_int_equal(header.bitpix, 16);
    free_made(&m);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    slmt_session *session = session_of(WIDE);
    slmt_volume *labels = NULL, *a = scan(0, 0), *shifted;
    slmt_segmentation how;
    double affine[16];
    slmt_volume_affine(a, affine);
    affine[3] += 5;
    GOOD(slmt_volume_create(context, (const int64_t[]){WIDE, WIDE, DEEP}, affine, slmt_volume_voxels(a),
                            &shifted));
    const slmt_volume *same[] = {a, a}, *apart[] = {a, shifted}, *none[] = {a, NULL};
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "1 volumes are given, the model takes 2",
                slmt_segment_volume(session, same, 1, NULL, &labels, NULL));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "volume 1 lies on another grid than volume 0",
                slmt_segment_volume(session, apart, 2, NULL, &labels, NULL));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "sources[1]", slmt_segment_volume(session, none, 2, NULL, &labels, NULL));
    slmt_segmentation_init(&how);
    how.overlap = 1;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "overlap is 1",
                slmt_segment_volume(session, same, 2, &how, &labels, NULL));
    assert_null(labels);
    GOOD(slmt_segment_volume(session, same, 2, NULL, &labels, NULL)); /* the session is as it was */
    slmt_volume_free(labels);
    slmt_volume_free(a);
    slmt_volume_free(shifted);
    slmt_session_free(session);
}

/* ---- against the truth ---- */

/* A box of 8 x 8 x 4 voxels of 2 x 1 x 3 mm from column `first` on, of label 5. */
static slmt_volume *box(int first)
{
    static float x[VOXELS];
    static const double affine[16] = {2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1};
    slmt_volume *v;
    for (int n = 0; n < VOXELS; n++) {
        int i = n % WIDE, j = n / WIDE % WIDE, k = n / WIDE / WIDE;
        x[n] = first >= 0 && i >= first && i < first + 8 && j >= 8 && j < 16 && k >= 1 && k < 5 ? 5 : 0;
    }
    GOOD(slmt_volume_create(context, (const int64_t[]){WIDE, WIDE, DEEP}, affine, x, &v));
    return v;
}

static void a_shifted_box_has_the_figures_of_geometry(void **state)
{
    (void)state;
    slmt_volume *truth = box(4), *answer = box(6); /* two columns of 2 mm further */
    slmt_label_scores r = {.struct_size = sizeof r};
    GOOD(slmt_compare_labels(answer, truth, 5, &r));
    assert_int_equal(r.truth, 256);
    assert_int_equal(r.answer, 256);
    assert_int_equal(r.both, 192);
    assert_true(fabs(r.dice - 0.75) < 1e-12 && fabs(r.iou - 0.6) < 1e-12);
    assert_true(fabs(r.precision - 0.75) < 1e-12 && fabs(r.recall - 0.75) < 1e-12);
    assert_true(fabs(r.specificity - (VOXELS - 256 - 64.0) / (VOXELS - 256)) < 1e-12);
    assert_true(fabs(r.hausdorff95 - 4) < 1e-12);
    assert_true(r.surface_distance > 0 && r.surface_distance < 4);
    slmt_volume_free(answer);
    answer = box(-1);
    GOOD(slmt_compare_labels(answer, truth, 5, &r));
    assert_true(r.dice == 0 && isnan(r.precision) && isinf(r.hausdorff95));
    GOOD(slmt_compare_labels(answer, answer, 5, &r)); /* a class that is nowhere */
    assert_true(isnan(r.dice) && isnan(r.hausdorff95) && r.specificity == 1);
    slmt_volume *other = scan(0, 0);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "the label map lies on another grid than the truth",
                slmt_compare_labels(other, truth, 5, &r));
    slmt_volume_free(other);
    slmt_volume_free(answer);
    slmt_volume_free(truth);
}

static void counts_of_pixels_have_the_figures_of_fractions(void **state)
{
    (void)state;
    /* Truth: 10 of class 0, 6 of class 1, none of class 2. */
    const int64_t counts[9] = {8, 1, 1, 2, 4, 0, 0, 0, 0};
    slmt_label_scores r = {.struct_size = sizeof r};
    GOOD(slmt_label_scores_of_counts(counts, 3, 1, &r));
    assert_true(r.truth == 6 && r.answer == 5 && r.both == 4);
    assert_true(fabs(r.dice - 8.0 / 11) < 1e-15 && fabs(r.iou - 4.0 / 7) < 1e-15);
    assert_true(fabs(r.precision - 4.0 / 5) < 1e-15 && fabs(r.recall - 4.0 / 6) < 1e-15);
    assert_true(fabs(r.specificity - 9.0 / 10) < 1e-15 && isnan(r.hausdorff95) && isnan(r.surface_distance));
    GOOD(slmt_label_scores_of_counts(counts, 3, 2, &r));
    assert_true(r.dice == 0 && isnan(r.recall) && r.truth == 0 && r.answer == 1);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "class 3 of 3", slmt_label_scores_of_counts(counts, 3, 3, &r));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "counts[2] is -1",
                slmt_label_scores_of_counts((const int64_t[]){1, 1, -1, 1}, 2, 0, &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_that_are_prepared_get_the_labels_of_their_volume),
        cmocka_unit_test(the_size_of_images_does_not_change_what_a_labelling_network_sees),
        cmocka_unit_test(a_model_of_one_image_size_sees_slices_resized_as_in_its_training),
        cmocka_unit_test(a_random_field_without_weights_changes_nothing_and_with_them_smooths),
        cmocka_unit_test(a_random_field_of_a_volume_is_that_of_its_slices_in_millimetres),
        cmocka_unit_test(slices_and_fields_that_do_not_fit_are_refused),
        cmocka_unit_test(counts_of_pixels_have_the_figures_of_fractions),
        cmocka_unit_test(a_window_as_large_as_the_slices_gives_what_the_network_gives),
        cmocka_unit_test(smaller_and_larger_windows_cover_every_voxel),
        cmocka_unit_test(only_the_largest_object_of_each_class_is_left_if_that_is_wanted),
        cmocka_unit_test(mirrored_runs_make_mirrored_labels_of_a_mirrored_scan),
        cmocka_unit_test(a_label_map_is_written_as_integers),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_shifted_box_has_the_figures_of_geometry),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
