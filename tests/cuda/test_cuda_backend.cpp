/* SPDX-License-Identifier: Apache-2.0 */
/* test_cuda_backend.cpp - the cuda backend under emulation, beside the conformance of its ops: why it does
 * not open, its memory, errors that come late, several plans at once, and products in tf32 and bfloat16. */
#include "backends/cuda/space.h"
#include "tests/cuda/device_fixture.h"

#include <algorithm>

static void expect_closed(const char *options, const char *words)
{
    test_host t;
    void *device = &t;
    assert_int_equal(open_on(&t, options, &device), BK_ERR_UNSUPPORTED);
    assert_null(device);
    assert_int_equal(t.live, 0);
    if (!strstr(t.said, words))
        fail_msg("expected '%s' in '%s'", words, t.said);
}

/* ---- opening ---- */

static void each_reason_for_no_device_has_its_sentence(void **)
{
    emulation::pretend(cudaErrorInsufficientDriver, 0);
    expect_closed("", "this machine has no NVIDIA driver");
    emulation::pretend(cudaErrorNoDevice, 0);
    expect_closed("", "no graphics card that it can use");
    emulation::pretend(cudaSuccess, 2);
    expect_closed("device=2", "there is no device 2: this machine has devices 0 to 1");
    emulation::pretend(cudaSuccess, 1);
    expect_closed("fast", "and not: fast");
    expect_closed("device=x", "and not: device=x");
}

static void the_caller_s_device_is_as_before(void **)
{
    int now;
    emulation::pretend(cudaSuccess, 3);
    assert_int_equal(cudaSetDevice(2), cudaSuccess);
    {
        fixture f("device=1");
        float *x = f.up(std::vector<float>(4, 1.0f));
        f.free(x);
        assert_int_equal(cudaGetDevice(&now), cudaSuccess);
        assert_int_equal(now, 2);
    }
    cudaSetDevice(0);
    emulation::pretend(cudaSuccess, 1);
}

/* cudaSetDevice() would make one on the device that was current before. */
static void a_context_is_made_on_the_device_that_is_used_alone(void **)
{
    emulation::pretend(cudaSuccess, 2);
    {
        fixture f("device=1");
        f.free(f.up(std::vector<float>(4, 1.0f)));
    }
    assert_true(emulation::has_context(1));
    assert_false(emulation::has_context(0));
    emulation::pretend(cudaSuccess, 1);
}

static void a_device_says_what_it_is_and_computes_in(void **)
{
    assert_string_equal(bk_cuda()->describe(fixture().device),
                        "cuda: emulation (9.0, 2 multiprocessors), float32");
    assert_non_null(strstr(bk_cuda()->describe(fixture("tf32").device), "tf32 products"));
}

/* ---- memory ---- */

static void memory_is_limited_by_the_option_and_by_the_device(void **)
{
    void *a = nullptr, *b = nullptr;
    fixture f("memory=1000");
    assert_int_equal(bk_cuda()->alloc(f.device, 600, &a), BK_OK);
    assert_int_equal(bk_cuda()->alloc(f.device, 401, &b), BK_ERR_MEMORY);
    assert_null(b);
    assert_non_null(strstr(f.host.said, "memory="));
    f.free(a);
    assert_int_equal(bk_cuda()->alloc(f.device, 1000, &a), BK_OK);
    f.free(a);
    fixture all;
    emulation::set_memory(emulation::used_bytes() + 500);
    assert_int_equal(bk_cuda()->alloc(all.device, 501, &b), BK_ERR_MEMORY);
    assert_non_null(strstr(all.host.said, "out of memory"));
    emulation::set_memory((size_t)8 << 30);
}

static void find_non_finite()
{
    fixture f;
    std::vector<bk_tensor> arrays;
    int32_t first = 5;
    for (int k = 0; k < 1100; k++)
        arrays.push_back(tensor_of(shape_of(BK_F32, {3}), f.up(std::vector<float>{1, 2, -3e38f})));
    assert_int_equal(bk_cuda()->look(f.device, arrays.data(), 1100, &first, nullptr, 0), BK_OK);
    assert_int_equal(first, -1);
    const float bad[] = {NAN, -INFINITY};
    for (int at : {1090, 1030, 7}) {
        assert_int_equal(
            bk_cuda()->copy(f.device, (float *)arrays[(size_t)at].data + 2, &bad[at % 2], 4, BK_UP), BK_OK);
        assert_int_equal(bk_cuda()->look(f.device, arrays.data(), 1100, &first, nullptr, 0), BK_OK);
        assert_int_equal(first, at);
    }
    for (const bk_tensor &t : arrays)
        f.free(t.data);
}

static void the_first_array_with_a_non_finite_number_is_found(void **)
{
    emulation_set_strict(0); /* many arrays: more than one check looks at */
    find_non_finite();
    emulation_set_strict(1);
}

/* ---- plans ---- */

/* y[b] = x[index[b]] for x[1,4,1], index[1,2]. */
static bk_call gather_call(const void *x, const void *index, const void *y)
{
    bk_call c = {};
    c.op = BK_GATHER;
    c.n_in = 2;
    c.n_out = 1;
    c.in[0] = tensor_of(shape_of(BK_F32, {1, 4, 1}), x);
    c.in[1] = tensor_of(shape_of(BK_I32, {1, 2}), index);
    c.out[0] = tensor_of(shape_of(BK_F32, {1, 2, 1}), y);
    return c;
}

static void an_index_out_of_range_is_the_status_of_the_wait(void **)
{
    fixture f;
    float *x = f.up(std::vector<float>{10, 11, 12, 13}), *y = f.up(std::vector<float>(2));
    int *good = f.up(std::vector<int>{3, 1}), *bad = f.up(std::vector<int>{0, 4});
    bk_call call = gather_call(x, nullptr, y);
    const bk_binding binding = {0, 1, 0};
    const bk_plan plan = {&call, 1, &binding, 1};
    void *program;
    assert_int_equal(bk_cuda()->prepare(f.device, &call), BK_OK);
    assert_int_equal(bk_cuda()->load(f.device, &plan, &program), BK_OK);
    assert_int_equal(bk_cuda()->wait(f.device, program), BK_ERR_FAILED); /* nothing runs */
    for (int i = 0; i < 2; i++) {
        void *bound = bad;
        assert_int_equal(bk_cuda()->launch(f.device, program, &bound, nullptr), BK_OK);
        assert_int_equal(bk_cuda()->launch(f.device, program, &bound, nullptr), BK_ERR_FAILED); /* it runs */
        assert_int_equal(bk_cuda()->wait(f.device, program), BK_ERR_FAILED);
        assert_non_null(strstr(f.host.said, "an index or a label is out of range"));
        bound = good;
        assert_int_equal(bk_cuda()->launch(f.device, program, &bound, nullptr), BK_OK);
        assert_int_equal(bk_cuda()->wait(f.device, program), BK_OK);
        assert_true(f.down(y, 2) == (std::vector<float>{13, 11}));
    }
    bk_cuda()->unload(f.device, program);
    bk_cuda()->release(f.device, &call);
    for (void *p : {(void *)x, (void *)y, (void *)good, (void *)bad})
        f.free(p);
}

static void a_copy_comes_after_all_plans_that_were_launched_before(void **)
{
    fixture f;
    float *x = f.up(std::vector<float>{10, 11, 12, 13}), *y[2];
    int *index = f.up(std::vector<int>{2, 0});
    bk_call call[2];
    void *program[2];
    bk_plan plan[2];
    for (int k = 0; k < 2; k++) {
        y[k] = f.up(std::vector<float>(2));
        call[k] = gather_call(x, index, y[k]);
        plan[k] = {&call[k], 1, nullptr, 0};
        assert_int_equal(bk_cuda()->prepare(f.device, &call[k]), BK_OK);
        assert_int_equal(bk_cuda()->load(f.device, &plan[k], &program[k]), BK_OK);
        assert_int_equal(bk_cuda()->launch(f.device, program[k], nullptr, nullptr), BK_OK);
    }
    for (int k = 0; k < 2; k++)
        assert_true(f.down(y[k], 2) == (std::vector<float>{12, 10}));
    for (int k = 0; k < 2; k++) {
        assert_int_equal(bk_cuda()->wait(f.device, program[k]), BK_OK);
        bk_cuda()->unload(f.device, program[k]);
        f.free(y[k]);
    }
    f.free(x);
    f.free(index);
}

/* y = x[2], x[0], twice in a row: what the second plan gathers from is what the first one made. */
static void a_plan_that_is_launched_after_another_one_reads_what_it_made(void **)
{
    fixture f;
    float *x = f.up(std::vector<float>{10, 11, 12, 13}), *y = f.up(std::vector<float>{0, 1, 2, 3}),
          *z = f.up(std::vector<float>(2));
    int *index = f.up(std::vector<int>{2, 0}), *swap = f.up(std::vector<int>{1, 0});
    bk_call call[2] = {gather_call(x, index, y), gather_call(y, swap, z)};
    void *program[2];
    bk_plan plan[2];
    for (int k = 0; k < 2; k++) {
        plan[k] = {&call[k], 1, nullptr, 0};
        assert_int_equal(bk_cuda()->prepare(f.device, &call[k]), BK_OK);
        assert_int_equal(bk_cuda()->load(f.device, &plan[k], &program[k]), BK_OK);
    }
    assert_int_equal(bk_cuda()->launch(f.device, program[0], nullptr, nullptr), BK_OK);
    assert_int_equal(bk_cuda()->launch(f.device, program[1], nullptr, program[0]), BK_OK);
    assert_int_equal(bk_cuda()->wait(f.device, program[1]), BK_OK);
    assert_true(f.down(z, 2) == (std::vector<float>{10, 12}));
    assert_int_equal(bk_cuda()->wait(f.device, program[0]), BK_OK);
    for (int k = 0; k < 2; k++)
        bk_cuda()->unload(f.device, program[k]);
    for (void *p : {(void *)x, (void *)y, (void *)z, (void *)index, (void *)swap})
        f.free(p);
}

/* ---- waiting ---- */

static int waits_since(int before)
{
    return emulation::waits() - before;
}

/* As in a training step: copies up, a plan, a look at what it made, the end of the plan. */
static void one_look_is_the_one_wait_for_copies_a_plan_a_check_and_reads(void **)
{
    fixture f;
    float *x = f.up(std::vector<float>(4)), *y = f.up(std::vector<float>(2)), in[] = {10, 11, NAN, 13},
          out[2];
    int *index = f.up(std::vector<int>{0, 0});
    const int chosen[] = {3, 2};
    bk_call call = gather_call(x, index, y);
    bk_plan plan = {&call, 1, nullptr, 0};
    void *program;
    int32_t first;
    assert_int_equal(bk_cuda()->prepare(f.device, &call), BK_OK);
    assert_int_equal(bk_cuda()->load(f.device, &plan, &program), BK_OK);
    f.down(x, 4);
    int before = emulation::waits();
    assert_int_equal(bk_cuda()->copy(f.device, x, in, sizeof in, BK_UP), BK_OK);
    assert_int_equal(bk_cuda()->copy(f.device, index, chosen, sizeof chosen, BK_UP), BK_OK);
    in[3] = 99; /* it may change at once */
    assert_int_equal(bk_cuda()->launch(f.device, program, nullptr, nullptr), BK_OK);
    assert_int_equal(waits_since(before), 0);
    const bk_tensor arrays[] = {tensor_of(shape_of(BK_F32, {2}), x), tensor_of(shape_of(BK_F32, {2}), y)};
    const bk_read reads[] = {{out + 1, y, sizeof *out}, {out, y + 1, sizeof *out}};
    assert_int_equal(bk_cuda()->look(f.device, arrays, 2, &first, reads, 2), BK_OK);
    assert_int_equal(waits_since(before), 1);
    assert_int_equal(bk_cuda()->wait(f.device, program), BK_OK);
    assert_int_equal(waits_since(before), 1);
    assert_int_equal(first, 1);
    assert_true(out[1] == 13 && std::isnan(out[0]));
    bk_cuda()->unload(f.device, program);
    f.free(x);
    f.free(y);
    f.free(index);
}

/* 8 MiB are on their way at most; a read of more than a few numbers has no room among the reports. */
static void copies_of_any_size_arrive(void **)
{
    fixture f;
    std::vector<float> small = ::numbers(300000, 1), large = ::numbers(3000000, 2), out(large.size());
    float *x[12], *y = f.up(large);
    int32_t first;
    for (int k = 0; k < 12; k++) {
        small[0] = (float)k;
        x[k] = f.up(small);
    }
    for (int k = 0; k < 12; k++) {
        small[0] = (float)k;
        assert_true(f.down(x[k], small.size()) == small);
        f.free(x[k]);
    }
    const bk_read read = {out.data(), y, large.size() * sizeof(float)};
    assert_int_equal(bk_cuda()->look(f.device, nullptr, 0, &first, &read, 1), BK_OK);
    assert_true(out == large);
    f.free(y);
}

/* A plan whose index is bound, on values that the host changes between runs. */
class gather_plan
{
  public:
    fixture f;
    float *x, *y;
    int *first, *second;
    void *program = nullptr;

    explicit gather_plan(const char *options = "") : f(options)
    {
        x = f.up(std::vector<float>{10, 11, 12, 13});
        y = f.up(std::vector<float>(2));
        first = f.up(std::vector<int>{3, 1});
        second = f.up(std::vector<int>{0, 2});
        call_ = gather_call(x, nullptr, y);
        const bk_plan plan = {&call_, 1, &binding_, 1};
        assert_int_equal(bk_cuda()->prepare(f.device, &call_), BK_OK);
        assert_int_equal(bk_cuda()->load(f.device, &plan, &program), BK_OK);
    }
    ~gather_plan()
    {
        bk_cuda()->unload(f.device, program);
        for (void *p : {(void *)x, (void *)y, (void *)first, (void *)second})
            f.free(p);
    }
    bk_status run(int *index)
    {
        void *bound = index;
        bk_status s = bk_cuda()->launch(f.device, program, &bound, nullptr);
        return s == BK_OK ? bk_cuda()->wait(f.device, program) : s;
    }
    void expect(int *index, std::vector<float> values)
    {
        assert_int_equal(run(index), BK_OK);
        assert_true(f.down(y, 2) == values);
    }
    void write_x(const std::vector<float> &values)
    {
        assert_int_equal(bk_cuda()->copy(f.device, x, values.data(), 4 * sizeof(float), BK_UP), BK_OK);
    }

  private:
    bk_call call_;
    const bk_binding binding_ = {0, 1, 0};
};

static int launches_of(void (*run)())
{
    int before = emulation::graph_launches();
    run();
    return emulation::graph_launches() - before;
}

static void run_four_times_on_new_values()
{
    gather_plan p;
    for (int i = 0; i < 4; i++) {
        float v = (float)i;
        p.write_x({v, v + 1, v + 2, v + 3});
        p.expect(p.first, {v + 3, v + 1});
    }
}

static void run_on_other_addresses()
{
    gather_plan p;
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 3; k++)
            p.expect(p.first, {13, 11});
        for (int k = 0; k < 3; k++)
            p.expect(p.second, {10, 12});
    }
}

static void run_on_addresses_that_alternate()
{
    gather_plan p;
    for (int i = 0; i < 3; i++) {
        p.expect(p.first, {13, 11});
        p.expect(p.second, {10, 12});
    }
}

static void run_eagerly()
{
    gather_plan p("eager");
    for (int i = 0; i < 3; i++)
        p.expect(p.first, {13, 11});
}

static void a_plan_is_a_graph_from_its_second_run_on_the_same_addresses(void **)
{
    assert_int_equal(launches_of(run_four_times_on_new_values), 3);
    assert_int_equal(launches_of(run_on_other_addresses), 4 * 2);
    assert_int_equal(launches_of(run_on_addresses_that_alternate), 0);
    assert_int_equal(launches_of(run_eagerly), 0);
}

static void a_plan_that_cannot_be_captured_runs_all_the_same(void **)
{
    emulation::refuse_capture(true);
    assert_int_equal(launches_of(run_four_times_on_new_values), 0);
    emulation::refuse_capture(false);
}

static void a_graph_reports_an_index_out_of_range_too(void **)
{
    gather_plan p;
    const int bad[] = {0, 4}, good[] = {1, 0};
    for (int i = 0; i < 2; i++) {
        p.expect(p.second, {10, 12});
        p.expect(p.second, {10, 12});
        assert_int_equal(bk_cuda()->copy(p.f.device, p.second, bad, sizeof bad, BK_UP), BK_OK);
        assert_int_equal(p.run(p.second), BK_ERR_FAILED);
        assert_int_equal(bk_cuda()->copy(p.f.device, p.second, good, sizeof good, BK_UP), BK_OK);
        p.expect(p.second, {11, 10});
        const int again[] = {0, 2};
        assert_int_equal(bk_cuda()->copy(p.f.device, p.second, again, sizeof again, BK_UP), BK_OK);
    }
}

/* ---- steps of Adam ---- */

/* Steps of Adam on arrays of these sizes, as a plan. */
class adam_plan
{
  public:
    fixture f;
    double *numbers;
    std::vector<float *> w, g, m, v;
    std::vector<bk_call> calls;
    void *program = nullptr;

    explicit adam_plan(const std::vector<int64_t> &sizes, const char *options = "")
        : f(options), sizes_(sizes)
    {
        numbers = f.up(std::vector<double>{1e-3, 0.5, 0.9});
        for (int64_t n : sizes) {
            unsigned seed = (unsigned)(4 * w.size());
            w.push_back(f.up(::numbers((size_t)n, seed)));
            g.push_back(f.up(::numbers((size_t)n, seed + 1)));
            m.push_back(f.up(::numbers((size_t)n, seed + 2)));
            v.push_back(f.up(std::vector<float>((size_t)n, 0.25f)));
            calls.push_back(call_of(w.size() - 1));
        }
    }
    ~adam_plan()
    {
        bk_cuda()->unload(f.device, program);
        f.free(numbers);
        for (size_t k = 0; k < w.size(); k++)
            for (float *p : {w[k], g[k], m[k], v[k]})
                f.free(p);
    }
    void load()
    {
        plan_ = {calls.data(), (int32_t)calls.size(), nullptr, 0};
        for (bk_call &c : calls)
            assert_int_equal(bk_cuda()->prepare(f.device, &c), BK_OK);
        assert_int_equal(bk_cuda()->load(f.device, &plan_, &program), BK_OK);
    }
    void run()
    {
        assert_int_equal(bk_cuda()->launch(f.device, program, nullptr, nullptr), BK_OK);
        assert_int_equal(bk_cuda()->wait(f.device, program), BK_OK);
    }
    void run_apart()
    {
        for (bk_call &c : calls) {
            assert_int_equal(bk_cuda()->prepare(f.device, &c), BK_OK);
            assert_int_equal(bk_cuda()->begin(f.device), BK_OK);
            assert_int_equal(bk_cuda()->run(f.device, &c), BK_OK);
            assert_int_equal(bk_cuda()->end(f.device), BK_OK);
        }
    }
    void write_rate(double rate)
    {
        assert_int_equal(bk_cuda()->copy(f.device, numbers, &rate, sizeof rate, BK_UP), BK_OK);
    }
    /* All weights and moments. */
    std::vector<float> values()
    {
        std::vector<float> all;
        for (size_t k = 0; k < w.size(); k++)
            for (float *p : {w[k], m[k], v[k]}) {
                std::vector<float> one = f.down(p, (size_t)sizes_[k]);
                all.insert(all.end(), one.begin(), one.end());
            }
        return all;
    }

  private:
    std::vector<int64_t> sizes_;
    bk_plan plan_;

    bk_call call_of(size_t k)
    {
        bk_shape shape = shape_of(BK_F32, {sizes_[k]});
        bk_call c = {};
        c.op = BK_ADAM;
        c.attr.alpha = 0.9;
        c.attr.beta = 0.99;
        c.attr.eps = 1e-8;
        c.n_in = 5;
        c.n_out = 3;
        const float *in[] = {w[k], g[k], m[k], v[k]};
        for (int i = 0; i < 4; i++)
            c.in[i] = tensor_of(shape, in[i]);
        c.in[4] = tensor_of(shape_of(BK_F64, {3}), numbers);
        c.out[0] = c.in[0];
        c.out[1] = c.in[2];
        c.out[2] = c.in[3];
        return c;
    }
};

static const std::vector<int64_t> many_sizes = {1, 64, 7, 1030, 4, 300, 2};

static bool same_bits(const std::vector<float> &a, const std::vector<float> &b)
{
    return a.size() == b.size() && memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/* Runs a plan once, eagerly, or its calls apart. Returns the launches of kernels. */
static int launches_of_adam(const std::vector<int64_t> &sizes, void (*change)(adam_plan &), bool apart,
                            std::vector<float> *values)
{
    adam_plan p(sizes, "eager");
    change(p);
    p.load();
    int before = emulation::kernel_launches();
    if (apart)
        p.run_apart();
    else
        p.run();
    int launches = emulation::kernel_launches() - before;
    *values = p.values();
    return launches;
}

static void change_nothing(adam_plan &)
{
}

/* Other decay of moments; a step on what another one wrote. */
static void let_some_not_fit(adam_plan &p)
{
    p.calls[1].attr.beta = 0.9;
    p.calls.push_back(p.calls[3]);
}

static void steps_of_adam_in_a_plan_are_one_launch_and_have_the_bits_of_single_ones(void **)
{
    std::vector<float> together, apart, before = adam_plan(many_sizes).values();
    assert_int_equal(launches_of_adam(many_sizes, change_nothing, false, &together), 1);
    assert_int_equal(launches_of_adam(many_sizes, change_nothing, true, &apart), many_sizes.size());
    assert_true(same_bits(together, apart));
    assert_false(same_bits(together, before));
}

static void steps_that_do_not_fit_together_are_launches_of_their_own(void **)
{
    std::vector<float> together, apart;
    const std::vector<int64_t> sizes = {5, 6, 7, 8};
    assert_int_equal(launches_of_adam(sizes, let_some_not_fit, false, &together), 4); /* 0; 1; 2 and 3; 3 */
    assert_int_equal(launches_of_adam(sizes, let_some_not_fit, true, &apart), 5);
    assert_true(same_bits(together, apart));
}

/* The number of the step is in the rate and the corrections, which are memory of the device. */
static std::vector<float> after_four_rates(const char *options, int *graphs)
{
    adam_plan p(many_sizes, options);
    int before = emulation::graph_launches();
    std::vector<float> all;
    p.load();
    for (double rate : {1e-3, 5e-3, 2e-3, 7e-3}) {
        p.write_rate(rate);
        p.run();
        std::vector<float> now = p.values();
        all.insert(all.end(), now.begin(), now.end());
    }
    *graphs = emulation::graph_launches() - before;
    return all;
}

static void a_captured_step_takes_the_numbers_that_are_there_when_it_runs(void **)
{
    int captured, eager;
    assert_true(same_bits(after_four_rates("", &captured), after_four_rates("eager", &eager)));
    assert_int_equal(captured, 3);
    assert_int_equal(eager, 0);
}

/* ---- arithmetic of products ---- */

enum { ROWS_OF_A = 70, COLUMNS_OF_B = 66, LENGTH = 100 };

/* x[70,100] w[66,100]^T, under three orders of threads. */
static std::vector<float> product_in(const char *options, const std::vector<float> &x,
                                     const std::vector<float> &w)
{
    fixture f(options);
    std::vector<float> first;
    float *a = f.up(x), *b = f.up(w), *y = f.up(std::vector<float>(ROWS_OF_A * COLUMNS_OF_B));
    bk_call c = {};
    c.op = BK_LINEAR;
    c.n_in = 2;
    c.n_out = 1;
    c.in[0] = tensor_of(shape_of(BK_F32, {ROWS_OF_A, LENGTH}), a);
    c.in[1] = tensor_of(shape_of(BK_F32, {COLUMNS_OF_B, LENGTH}), b);
    c.out[0] = tensor_of(shape_of(BK_F32, {ROWS_OF_A, COLUMNS_OF_B}), y);
    assert_int_equal(bk_cuda()->prepare(f.device, &c), BK_OK);
    assert_int_equal(c.scratch_bytes, 0);
    for (int order = 0; order < 3; order++) {
        emulation_set_order(order);
        assert_int_equal(bk_cuda()->begin(f.device), BK_OK);
        assert_int_equal(bk_cuda()->run(f.device, &c), BK_OK);
        assert_int_equal(bk_cuda()->end(f.device), BK_OK);
        std::vector<float> now = f.down(y, ROWS_OF_A * COLUMNS_OF_B);
        if (order > 0)
            assert_memory_equal(now.data(), first.data(), now.size() * sizeof(float));
        first = now;
    }
    emulation_set_order(0);
    for (float *p : {a, b, y})
        f.free(p);
    return first;
}

/* |y - truth| / |truth|, over all elements. */
static double relative_error(const std::vector<float> &y, const std::vector<float> &x,
                             const std::vector<float> &w)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < y.size(); i++) {
        double sum = 0;
        for (size_t k = 0; k < LENGTH; k++)
            sum += (double)x[i / COLUMNS_OF_B * LENGTH + k] * w[i % COLUMNS_OF_B * LENGTH + k];
        error += (y[i] - sum) * (y[i] - sum);
        size += sum * sum;
    }
    return sqrt(error / size);
}

/* A factor is rounded to 11 or 8 bits: relative errors of at most 2^-11 or 2^-8 (2^-9 and 2^-12 are about
 * their root mean squares), two in a product, whose errors add like the products themselves. */
static void products_have_the_precision_of_their_arithmetic(void **)
{
    std::vector<float> x = numbers(ROWS_OF_A * LENGTH, 1), w = numbers(COLUMNS_OF_B * LENGTH, 2);
    double f32 = relative_error(product_in("", x, w), x, w);
    double tf32 = relative_error(product_in("tf32", x, w), x, w);
    double bf16 = relative_error(product_in("bf16", x, w), x, w);
    assert_true(f32 < 1e-6);
    assert_true(tf32 > 1e-5 && tf32 < 1.5 * 0x1p-11);
    assert_true(bf16 > 1e-4 && bf16 < 1.5 * 0x1p-8);
}

/* ---- attention by tensor cores ---- */

enum { IMAGES = 2, HEADS = 3 };

/* Attention or its gradient, from inputs that are given. */
struct attention_case {
    int64_t tokens, width;
    bool gradient;
    std::vector<float> in[4]; /* qkv; out, lse and dout of the gradient */

    std::vector<bk_shape> shapes(bk_dtype type) const
    {
        int64_t c = HEADS * width;
        bk_shape qkv = shape_of(type, {IMAGES, tokens, 3 * c}), out = shape_of(type, {IMAGES, tokens, c});
        bk_shape lse = shape_of(type, {IMAGES, HEADS, tokens});
        if (gradient)
            return {qkv, out, lse, out, qkv};
        return {qkv, out, lse};
    }
    bk_call call(bk_dtype type) const
    {
        std::vector<bk_shape> s = shapes(type);
        bk_call c = {};
        c.op = gradient ? BK_ATTENTION_GRAD : BK_ATTENTION;
        c.attr.heads = HEADS;
        c.attr.alpha = 1 / sqrt((double)width);
        c.n_in = gradient ? 4 : 1;
        c.n_out = gradient ? 1 : 2;
        for (int k = 0; k < c.n_in; k++)
            c.in[k].shape = s[(size_t)k];
        for (int k = 0; k < c.n_out; k++)
            c.out[k].shape = s[(size_t)(c.n_in + k)];
        return c;
    }
};

static std::vector<std::vector<double>> attention_in_float64(const attention_case &a)
{
    test_host host = {};
    void *device;
    host.host = {&host, host_alloc, host_free, host_log, 1};
    bk_call c = a.call(BK_F64);
    std::vector<std::vector<double>> in, out;
    for (int k = 0; k < c.n_in; k++)
        in.emplace_back(a.in[k].begin(), a.in[k].end());
    for (int k = 0; k < c.n_out; k++)
        out.emplace_back((size_t)bk_count(&c.out[k].shape));
    for (int k = 0; k < c.n_in; k++)
        c.in[k].data = in[(size_t)k].data();
    for (int k = 0; k < c.n_out; k++)
        c.out[k].data = out[(size_t)k].data();
    assert_int_equal(bk_reference()->open(&host.host, "", &device), BK_OK);
    assert_int_equal(bk_reference()->prepare(device, &c), BK_OK);
    std::vector<double> scratch(c.scratch_bytes / sizeof(double) + 1);
    c.scratch = scratch.data();
    assert_int_equal(bk_reference()->run(device, &c), BK_OK);
    bk_reference()->release(device, &c);
    bk_reference()->close(device);
    return out;
}

/* Inputs lie where 16 bytes can be read at once, or, shifted, a number beside. */
static std::vector<std::vector<float>> attention_in(const char *options, const attention_case &a,
                                                    bool shifted)
{
    fixture f(options);
    bk_call c = a.call(BK_F32);
    std::vector<std::vector<float>> out;
    for (int k = 0; k < c.n_in; k++) {
        std::vector<float> values = a.in[k];
        if (shifted)
            values.insert(values.begin(), NAN);
        c.in[k].data = f.up(values) + shifted;
    }
    for (int k = 0; k < c.n_out; k++)
        c.out[k].data = f.up(std::vector<float>((size_t)bk_count(&c.out[k].shape), NAN));
    assert_int_equal(bk_cuda()->prepare(f.device, &c), BK_OK);
    c.scratch = f.up(std::vector<float>(c.scratch_bytes / sizeof(float) + 1));
    for (int order = 0; order < 3; order++) {
        emulation_set_order(order);
        assert_int_equal(bk_cuda()->run(f.device, &c), BK_OK);
        assert_int_equal(bk_cuda()->end(f.device), BK_OK);
        for (int k = 0; k < c.n_out; k++) {
            std::vector<float> now = f.down((float *)c.out[k].data, (size_t)bk_count(&c.out[k].shape));
            if (order == 0)
                out.push_back(now);
            assert_memory_equal(now.data(), out[(size_t)k].data(), now.size() * sizeof(float));
        }
    }
    emulation_set_order(0);
    for (int k = 0; k < c.n_in; k++)
        f.free((float *)c.in[k].data - shifted);
    for (int k = 0; k < c.n_out; k++)
        f.free(c.out[k].data);
    f.free(c.scratch);
    return out;
}

static double distance(const std::vector<float> &y, const std::vector<double> &truth)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < y.size(); i++) {
        error += (y[i] - truth[i]) * (y[i] - truth[i]);
        size += truth[i] * truth[i];
    }
    return sqrt(error / size);
}

/* Scores are about as large as 1, so that the absolute error of a score, which is the relative one of a
 * weight, is about that of a product; weights and values are rounded once more. */
static void expect_attention_within(const char *options, const attention_case &a, double least, double most)
{
    std::vector<std::vector<double>> truth = attention_in_float64(a);
    std::vector<std::vector<float>> y = attention_in(options, a, false),
                                    same = attention_in(options, a, true);
    double error = distance(y[0], truth[0]);
    if (!(error > least && error < most))
        fail_msg("%s, %d tokens, width %d, gradient %d: the error %g is not in %g to %g", options,
                 (int)a.tokens, (int)a.width, (int)a.gradient, error, least, most);
    for (size_t k = 0; k < y.size(); k++) {
        assert_true(distance(y[k], truth[k]) < most);
        assert_memory_equal(y[k].data(), same[k].data(), y[k].size() * sizeof(float));
    }
}

static void check_attention_of(int64_t tokens, int64_t width)
{
    size_t n = (size_t)(IMAGES * tokens * HEADS * width);
    attention_case forward = {tokens, width, false, {numbers(3 * n, 5)}};
    std::vector<std::vector<double>> made = attention_in_float64(forward);
    attention_case gradient = {tokens, width, true, {forward.in[0], {}, {}, numbers(n, 6)}};
    gradient.in[1].assign(made[0].begin(), made[0].end());
    gradient.in[2].assign(made[1].begin(), made[1].end());
    for (const attention_case *a : {&forward, &gradient}) {
        expect_attention_within("", *a, -1, 1e-6);
        expect_attention_within("tf32", *a, 1e-5, 1.5 * 0x1p-11);
        expect_attention_within("bf16", *a, 1e-4, 1.5 * 0x1p-8);
    }
}

static void attention_has_the_precision_of_its_arithmetic(void **)
{
    for (int64_t width : {8, 16, 32})
        check_attention_of(70, width);
    for (int64_t tokens : {1, 15, 64, 65}) /* parts of a warp, of a block, whole ones */
        check_attention_of(tokens, 8);
}

/* Scores up to about 700 in powers of e: exp() of any of them would overflow. */
static void attention_by_tensor_cores_survives_large_scores(void **)
{
    attention_case a = {70, 8, false, {numbers((size_t)(3 * IMAGES * 70 * HEADS * 8), 5)}};
    for (size_t i = 0; i < a.in[0].size(); i++)
        if (i / (HEADS * 8) % 3 < 2)                        /* q and k */
            a.in[0][i] = ldexpf(roundf(a.in[0][i] * 8), 1); /* exact in bfloat16 */
    std::vector<std::vector<double>> truth = attention_in_float64(a);
    double largest = *std::max_element(truth[1].begin(), truth[1].end());
    assert_true(largest > 200);
    for (const char *options : {"tf32", "bf16"})
        for (const std::vector<float> &y : attention_in(options, a, false))
            for (float v : y)
                assert_true(std::isfinite(v));
}

/* ---- divisions ---- */

static void division_by_a_known_number_is_exact_below_2_to_the_31(void **)
{
    const uint32_t most = INT32_MAX;
    for (uint32_t by :
         {1u, 2u, 3u, 5u, 7u, 9u, 27u, 64u, 641u, 65535u, 65537u, 1000003u, 1u << 30, most - 1, most}) {
        divisor d = divisor_of(by);
        for (uint64_t times : {0u, 1u, 2u, 3u, 1000u, most / by})
            for (int64_t off : {-1, 0, 1}) {
                int64_t n = (int64_t)(times * by) + off;
                if (n >= 0 && n <= most)
                    assert_int_equal(d.quotient((uint32_t)n), n / by);
            }
        assert_int_equal(d.quotient(most), most / by);
    }
    const int size[] = {5, 7, 3};
    for (uint32_t i = 0; i < 105; i++) {
        place one = place_of(i, size), other = divisor_of_sizes(size).place_of(i);
        for (int axis = 0; axis < SPACE; axis++)
            assert_int_equal(one.at[axis], other.at[axis]);
    }
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reason_for_no_device_has_its_sentence),
        cmocka_unit_test(the_caller_s_device_is_as_before),
        cmocka_unit_test(a_context_is_made_on_the_device_that_is_used_alone),
        cmocka_unit_test(a_device_says_what_it_is_and_computes_in),
        cmocka_unit_test(memory_is_limited_by_the_option_and_by_the_device),
        cmocka_unit_test(the_first_array_with_a_non_finite_number_is_found),
        cmocka_unit_test(an_index_out_of_range_is_the_status_of_the_wait),
        cmocka_unit_test(a_copy_comes_after_all_plans_that_were_launched_before),
        cmocka_unit_test(a_plan_is_a_graph_from_its_second_run_on_the_same_addresses),
        cmocka_unit_test(a_plan_that_cannot_be_captured_runs_all_the_same),
        cmocka_unit_test(a_graph_reports_an_index_out_of_range_too),
        cmocka_unit_test(a_plan_that_is_launched_after_another_one_reads_what_it_made),
        cmocka_unit_test(one_look_is_the_one_wait_for_copies_a_plan_a_check_and_reads),
        cmocka_unit_test(copies_of_any_size_arrive),
        cmocka_unit_test(steps_of_adam_in_a_plan_are_one_launch_and_have_the_bits_of_single_ones),
        cmocka_unit_test(steps_that_do_not_fit_together_are_launches_of_their_own),
        cmocka_unit_test(a_captured_step_takes_the_numbers_that_are_there_when_it_runs),
        cmocka_unit_test(attention_has_the_precision_of_its_arithmetic),
        cmocka_unit_test(attention_by_tensor_cores_survives_large_scores),
        cmocka_unit_test(products_have_the_precision_of_their_arithmetic),
        cmocka_unit_test(division_by_a_known_number_is_exact_below_2_to_the_31),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
