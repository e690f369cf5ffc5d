/* SPDX-License-Identifier: Apache-2.0 */
/* test_cuda_library.cpp - products of the cuda backend by cuBLASLt, in whose place a stand-in is opened:
 * which products go there, with what, and what follows them. */
#include "tests/cuda/device_fixture.h"
#include "tests/cuda/standin_cublaslt.h"

#include <dlfcn.h>
#include <string>

static standin *state;

static void enqueue_work(void *stream, void (*work)(void *), void *what)
{
    emulation::enqueue((cudaStream_t)stream, dim3(1), dim3(1), 0, [=] { work(what); });
}

/* The same copy that the backend opens. */
static int open_standin(void **)
{
    void *object = dlopen(STANDIN, RTLD_NOW | RTLD_LOCAL);
    state = object ? (standin *)dlsym(object, "standin_state") : nullptr;
    if (!state)
        return -1;
    state->enqueue = enqueue_work;
    return 0;
}

static const std::string by_standin = "cublaslt=" STANDIN;

/* ---- one call ---- */

/* A product with operands of these shapes; what a linear layer adds, and whether the residual is the output.
 */
struct product_case {
    bk_op op;
    std::vector<int64_t> a, b, y;
    int trans_a, trans_b;
    bool bias, residual, gelu;
};

static size_t count_of(const std::vector<int64_t> &dims)
{
    size_t n = 1;
    for (int64_t d : dims)
        n *= (size_t)d;
    return n;
}

/* A call and its arrays; each shifted by as many floats. */
class one_product
{
  public:
    fixture f;
    bk_call call = {};
    size_t n;

    one_product(const product_case &c, const std::string &options, int shift)
        : f(options.c_str()), n(count_of(c.y)), shift_(shift)
    {
        call.op = c.op;
        call.attr.trans_a = c.trans_a;
        call.attr.trans_b = c.trans_b;
        call.attr.has_bias = c.bias;
        call.attr.has_residual = c.residual;
        call.attr.activation = c.gelu ? BK_ACT_GELU : BK_ACT_NONE;
        add(c.a, 1);
        add(c.b, 2);
        if (c.bias)
            add({c.y.back()}, 3);
        call.n_out = 1;
        call.out[0] = c.residual ? tensor_of(shape_of(BK_F32, c.y), array(n, 4))
                                 : tensor_of(shape_of(BK_F32, c.y), array(n, 5));
        if (c.residual)
            call.in[call.n_in++] = call.out[0]; /* the sum replaces it */
        assert_int_equal(bk_cuda()->prepare(f.device, &call), BK_OK);
        call.scratch = array(call.scratch_bytes / sizeof(float) + 1, 6);
    }
    ~one_product()
    {
        bk_cuda()->release(f.device, &call);
        for (float *p : arrays_)
            f.free(p);
    }
    std::vector<float> run()
    {
        assert_int_equal(bk_cuda()->begin(f.device), BK_OK);
        assert_int_equal(bk_cuda()->run(f.device, &call), BK_OK);
        assert_int_equal(bk_cuda()->end(f.device), BK_OK);
        return f.down((float *)call.out[0].data, n);
    }

  private:
    int shift_;
    std::vector<float *> arrays_;

    float *array(size_t size, unsigned seed)
    {
        std::vector<float> values = numbers(size, seed);
        values.insert(values.begin(), (size_t)shift_, NAN);
        arrays_.push_back(f.up(values));
        return arrays_.back() + shift_;
    }
    void add(const std::vector<int64_t> &dims, unsigned seed)
    {
        call.in[call.n_in++] = tensor_of(shape_of(BK_F32, dims), array(count_of(dims), seed));
    }
};

/* How many products the stand-in made, in y the result. */
static int products_of(const product_case &c, const std::string &options, int shift, std::vector<float> *y)
{
    int before = state->products;
    one_product p(c, options, shift);
    *y = p.run();
    return state->products - before;
}

static void expect_same(const product_case &c, int products, int shift)
{
    std::vector<float> ours, theirs;
    assert_int_equal(products_of(c, "", shift, &ours), 0);
    assert_int_equal(products_of(c, by_standin, shift, &theirs), products);
    for (size_t i = 0; i < ours.size(); i++)
        assert_true(fabs(ours[i] - theirs[i]) < 1e-5); /* 40 products of numbers below 1, rounded */
    assert_int_equal(state->objects, 0);
}

static const product_case plain = {BK_MATMUL, {20, 40}, {40, 24}, {20, 24}, 0, 0, false, false, false};

static void either_side_may_be_transposed_and_of_a_batch(void **)
{
    expect_same(plain, 1, 0);
    expect_same({BK_MATMUL, {40, 20}, {40, 24}, {20, 24}, 1, 0, false, false, false}, 1, 0);
    expect_same({BK_MATMUL, {20, 40}, {24, 40}, {20, 24}, 0, 1, false, false, false}, 1, 0);
    expect_same({BK_MATMUL, {3, 40, 20}, {3, 24, 40}, {3, 20, 24}, 1, 1, false, false, false}, 1, 0);
    expect_same({BK_MATMUL, {20, 40}, {3, 40, 24}, {3, 20, 24}, 0, 0, false, false, false}, 1, 0);
    expect_same({BK_MATMUL, {3, 20, 40}, {40, 24}, {3, 20, 24}, 0, 0, false, false, false}, 1, 0);
    expect_same({BK_MATMUL, {3, 40, 20}, {40, 24}, {3, 20, 24}, 1, 0, false, false, false}, 1, 0);
}

static void what_follows_a_product_is_the_backend_s_own(void **)
{
    for (int k = 0; k < 8; k++)
        expect_same(
            {BK_LINEAR, {2, 18, 40}, {24, 40}, {2, 18, 24}, 0, 0, (k & 1) != 0, (k & 2) != 0, (k & 4) != 0},
            1, 0);
}

static void products_that_do_not_fit_the_library_stay(void **)
{
    expect_same(plain, 0, 1);                                                              /* addresses */
    expect_same({BK_MATMUL, {20, 40}, {40, 8}, {20, 8}, 0, 0, false, false, false}, 0, 0); /* narrow */
    expect_same({BK_LINEAR, {2, 18, 40}, {24, 40}, {2, 18, 24}, 0, 0, true, true, true}, 0, 1);
    state->knows_one = false;
    expect_same(plain, 0, 0);
    state->knows_one = true;
}

static void the_arithmetic_is_the_context_s(void **)
{
    std::vector<float> y;
    const std::string options[] = {by_standin, "tf32," + by_standin, by_standin + ",bf16"};
    const int compute[] = {68, 77, 75};
    for (int k = 0; k < 3; k++) {
        assert_int_equal(products_of(plain, options[k], 0, &y), 1);
        assert_int_equal(state->compute, compute[k]);
    }
}

static void a_captured_plan_has_the_library_s_products(void **)
{
    one_product p(plain, by_standin, 0);
    std::vector<float> first = p.run();
    const bk_plan plan = {&p.call, 1, nullptr, 0};
    void *program;
    int before = emulation::graph_launches();
    assert_int_equal(bk_cuda()->load(p.f.device, &plan, &program), BK_OK);
    for (int k = 0; k < 3; k++) {
        std::vector<float> nothing(p.n, NAN);
        assert_int_equal(
            bk_cuda()->copy(p.f.device, p.call.out[0].data, nothing.data(), p.n * sizeof(float), BK_UP),
            BK_OK);
        assert_int_equal(bk_cuda()->launch(p.f.device, program, nullptr, nullptr), BK_OK);
        assert_int_equal(bk_cuda()->wait(p.f.device, program), BK_OK);
        assert_true(p.f.down((float *)p.call.out[0].data, p.n) == first);
    }
    assert_int_equal(emulation::graph_launches() - before, 2);
    bk_cuda()->unload(p.f.device, program);
}

/* ---- opening ---- */

static void expect_refused(const char *options, const char *words)
{
    test_host t;
    void *device = &t;
    assert_int_equal(open_on(&t, options, &device), BK_ERR_UNSUPPORTED);
    assert_int_equal(t.live, 0);
    if (!strstr(t.said, words))
        fail_msg("expected '%s' in '%s'", words, t.said);
}

static void a_library_that_is_none_is_refused(void **)
{
    expect_refused("cublaslt=/no/such/file.so", "cuBLASLt cannot be opened: /no/such/file.so");
    expect_refused("cublaslt=" OTHER, "is no cuBLASLt: it has no function cublasLtCreate()");
    assert_int_equal(state->objects, 0);
}

static void a_device_says_that_it_has_the_library(void **)
{
    fixture f(by_standin.c_str());
    assert_non_null(strstr(bk_cuda()->describe(f.device), "float32, cuBLASLt"));
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_side_may_be_transposed_and_of_a_batch),
        cmocka_unit_test(what_follows_a_product_is_the_backend_s_own),
        cmocka_unit_test(products_that_do_not_fit_the_library_stay),
        cmocka_unit_test(the_arithmetic_is_the_context_s),
        cmocka_unit_test(a_captured_plan_has_the_library_s_products),
        cmocka_unit_test(a_library_that_is_none_is_refused),
        cmocka_unit_test(a_device_says_that_it_has_the_library),
    };
    return cmocka_run_group_tests(tests, open_standin, nullptr);
}
