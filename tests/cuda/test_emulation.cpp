/* SPDX-License-Identifier: Apache-2.0 */
/* test_emulation.cpp - the emulation of CUDA: each fault that it is to find is planted, in a process of its
 * own whose last words are read; and what is no fault gives right values under every order of threads. */
extern "C" {
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
}

#include "tests/cuda/planted.h"

/* ---- faults of kernels ---- */

__global__ void half_of_a_warp_ends()
{
    if (threadIdx.x >= 16)
        return;
    __shfl_xor_sync(0xFFFFFFFFu, 1.0f, 1);
}

static void a_lane_that_ended_before_a_shuffle_is_found(void **)
{
    expect_fault([] { run_one(half_of_a_warp_ends, 32, 0); }, "of the mask has ended");
    expect_fault([] { run_one(half_of_a_warp_ends, 16, 0); }, "or the warp has no such lane");
}

__global__ void lanes_part()
{
    if (threadIdx.x % 2)
        __shfl_xor_sync(0xFFFFFFFFu, 1.0f, 2);
    else
        __ballot_sync(0xFFFFFFFFu, 1);
}

static void lanes_that_wait_in_different_places_are_found(void **)
{
    expect_fault([] { run_one(lanes_part, 32, 0); }, "lanes of a warp wait in different places");
}

__global__ void some_skip_the_barrier()
{
    if (threadIdx.x != 5)
        __syncthreads();
}

__global__ void two_barriers()
{
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}

__global__ void a_lane_waits_at_a_barrier()
{
    if (threadIdx.x == 3)
        __syncthreads();
    else
        __ballot_sync(0xFFFFFFFFu, 1);
}

static void a_barrier_that_is_not_reached_by_all_is_found(void **)
{
    expect_fault([] { run_one(some_skip_the_barrier, 64, 0); }, "a barrier is not reached by all threads");
    expect_fault([] { run_one(two_barriers, 64, 0); }, "threads of a block wait in different places");
    expect_fault([] { run_one(a_lane_waits_at_a_barrier, 32, 0); }, "wait in different places");
}

__global__ void foreign_lane()
{
    if (threadIdx.x < 16)
        __shfl_sync(0x0000FFFFu, 1.0f, 20);
}

static void a_shuffle_from_a_lane_outside_its_mask_is_found(void **)
{
    expect_fault([] { run_one(foreign_lane, 32, 0); }, "a lane that is not in its mask");
}

__global__ void write_one(float *x, int64_t at)
{
    if (threadIdx.x == 0)
        x[at] = 1;
}

static void a_kernel_that_leaves_its_memory_is_found(void **)
{
    expect_fault(
        [] {
            float *x = device_array<float>(16);
            run_one(write_one, 1, 0, x, (int64_t)16); /* one past the end */
        },
        "a kernel uses memory of the device that is not in use");
    expect_fault(
        [] {
            float *x = device_array<float>(16);
            cudaFree(x);
            run_one(write_one, 1, 0, x, (int64_t)0); /* given back */
        },
        "a kernel uses memory of the device that is not in use");
}

/* ---- faults of host code ---- */

static void the_host_cannot_touch_memory_of_the_device(void **)
{
    expect_fault([] { *(volatile float *)device_array<float>(4) = 1; },
                 "the host touches memory of the device");
    expect_fault(
        [] {
            float *x = device_array<float>(4);
            cudaFree(x);
            cudaFree(x);
        },
        "memory is given back that is not in use");
    expect_fault(
        [] {
            float x[4];
            cudaMemcpyAsync(device_array<float>(4), x, sizeof x, cudaMemcpyDeviceToHost, new_stream());
        },
        "a copy's direction does not fit its pointers");
    expect_fault(
        [] {
            float x[4] = {};
            cudaStream_t s = new_stream();
            cudaMemcpyAsync(device_array<float>(3), x, sizeof x, cudaMemcpyHostToDevice, s);
            cudaStreamSynchronize(s);
        },
        "a copy uses memory of the device that is not in use");
    expect_fault([] { run_one(lanes_part, 2048, 0); }, "expected 1 to 1024 in one row");
}

/* ---- what is no fault ---- */

static void a_stream_runs_only_when_the_host_waits(void **)
{
    float seen = -1, before = 7;
    float *x = device_array<float>(1);
    cudaStream_t s = new_stream();
    cudaMemcpyAsync(x, &before, sizeof before, cudaMemcpyHostToDevice, s);
    launch(s, write_one, dim3(1), 1, 0, x, (int64_t)0);
    cudaMemcpyAsync(&seen, x, sizeof seen, cudaMemcpyDeviceToHost, s);
    assert_true(seen == -1);
    before = 8; /* the copy has not happened yet */
    assert_int_equal(cudaStreamSynchronize(s), cudaSuccess);
    assert_true(seen == 1);
    cudaStreamDestroy(s);
    cudaFree(x);
}

__global__ void increase(float *x)
{
    *x += 1;
}

/* A stream waits for what the event has seen of another one, and for no more. */
static void a_stream_waits_for_an_event_of_another_stream(void **)
{
    float seen = 0, zero = 0;
    float *x = device_array<float>(1);
    cudaStream_t first = new_stream(), second = new_stream();
    cudaEvent_t e;
    assert_int_equal(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), cudaSuccess);
    cudaMemcpyAsync(x, &zero, sizeof zero, cudaMemcpyHostToDevice, first);
    launch(first, increase, dim3(1), 1, 0, x);
    cudaEventRecord(e, first);
    launch(first, increase, dim3(1), 1, 0, x);
    cudaStreamWaitEvent(second, e, 0);
    cudaEventRecord(e, first); /* a wait is for what the event was when it was asked for */
    cudaMemcpyAsync(&seen, x, sizeof seen, cudaMemcpyDeviceToHost, second);
    cudaStreamSynchronize(second);
    assert_true(seen == 1);
    cudaStreamSynchronize(first);
    cudaMemcpyAsync(&seen, x, sizeof seen, cudaMemcpyDeviceToHost, second);
    cudaStreamSynchronize(second);
    assert_true(seen == 2);
    cudaEventDestroy(e);
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
    cudaFree(x);
}

__global__ void read_shared(float *y)
{
    y[threadIdx.x] = shared_memory<float>()[threadIdx.x];
}

static void what_nobody_wrote_is_nan(void **)
{
    float y[32];
    cudaStream_t s = new_stream();
    float *x = device_array<float>(32);
    fetch(y, x, 32, s);
    for (float v : y)
        assert_true(v != v);
    launch(s, read_shared, dim3(1), 32, 32 * sizeof(float), x);
    fetch(y, x, 32, s);
    for (float v : y)
        assert_true(v != v);
    cudaStreamDestroy(s);
    cudaFree(x);
}

/* Each thread adds what all threads wrote: wrong without the barrier, in some order. */
__global__ void add_all(float *y, int barrier)
{
    float *shared = shared_memory<float>(), sum = 0;
    shared[threadIdx.x] = (float)threadIdx.x;
    if (barrier)
        __syncthreads();
    for (unsigned i = 0; i < blockDim.x; i++)
        sum += shared[i];
    y[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

static void a_forgotten_barrier_gives_nans_and_a_barrier_the_sum(void **)
{
    float y[128];
    cudaStream_t s = new_stream();
    float *x = device_array<float>(128);
    for (int order = 0; order < 3; order++)
        for (int barrier = 0; barrier < 2; barrier++) {
            int wrong = 0;
            emulation_set_order(order);
            launch(s, add_all, dim3(2), 64, 64 * sizeof(float), x, barrier);
            fetch(y, x, 128, s);
            for (float v : y)
                wrong += v != 2016;
            assert_int_equal(wrong > 0, !barrier);
        }
    emulation_set_order(0);
    cudaStreamDestroy(s);
    cudaFree(x);
}

__global__ void meet_others(float *sums, int *votes)
{
    sums[threadIdx.x] = warp_sum((float)(threadIdx.x % 32)) + __shfl_sync(0xFFFFFFFFu, (float)threadIdx.x, 7);
    votes[threadIdx.x] = (int)__ballot_sync(0xFFFFFFFFu, threadIdx.x % 32 == 3);
}

static void shuffles_and_votes_have_the_values_of_their_warp(void **)
{
    float sums[64];
    int votes[64];
    cudaStream_t s = new_stream();
    float *x = device_array<float>(64);
    int *v = device_array<int>(64);
    for (int order = 0; order < 3; order++) {
        emulation_set_order(order);
        launch(s, meet_others, dim3(1), 64, 0, x, v);
        fetch(sums, x, 64, s);
        fetch(votes, v, 64, s);
        for (int i = 0; i < 64; i++) {
            assert_true(sums[i] == 496 + i / 32 * 32 + 7);
            assert_int_equal(votes[i], 8);
        }
    }
    emulation_set_order(0);
    cudaStreamDestroy(s);
    cudaFree(x);
    cudaFree(v);
}

/* d = 1 + a b, a[row][k] = row - k / 4, b[k][column] = k + column / 2: exact in all three arithmetics. */
__global__ void tensor_product(float *d, int bf16)
{
    int lane = (int)threadIdx.x, g = lane / 4, t = lane % 4;
    float own[4] = {1, 1, 1, 1};
    auto a = [](int row, int k) { return (float)row - (float)k / 4; };
    auto b = [](int k, int column) { return (float)k + (float)column / 2; };
    if (bf16) {
        uint32_t x[2] = {to_bf16_pair(a(g, 2 * t), a(g, 2 * t + 1)),
                         to_bf16_pair(a(g + 8, 2 * t), a(g + 8, 2 * t + 1))};
        uint32_t y[1] = {to_bf16_pair(b(2 * t, g), b(2 * t + 1, g))};
        multiply_bf16(own, x, y);
    } else {
        uint32_t x[4] = {to_tf32(a(g, t)), to_tf32(a(g + 8, t)), to_tf32(a(g, t + 4)),
                         to_tf32(a(g + 8, t + 4))};
        uint32_t y[2] = {to_tf32(b(t, g)), to_tf32(b(t + 4, g))};
        multiply_tf32(own, x, y);
    }
    for (int i = 0; i < 4; i++)
        d[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = own[i];
}

static void a_tensor_core_product_is_that_of_its_fragments(void **)
{
    float d[128];
    cudaStream_t s = new_stream();
    float *x = device_array<float>(128);
    for (int bf16 = 0; bf16 < 2; bf16++) {
        launch(s, tensor_product, dim3(1), 32, 0, x, bf16);
        fetch(d, x, 128, s);
        for (int row = 0; row < 16; row++)
            for (int column = 0; column < 8; column++) {
                float want = 1;
                for (int k = 0; k < 8; k++)
                    want += ((float)row - (float)k / 4) * ((float)k + (float)column / 2);
                assert_true(d[row * 8 + column] == want);
            }
    }
    cudaStreamDestroy(s);
    cudaFree(x);
}

static void roundings_to_tf32_and_bfloat16_are_those_of_the_hardware(void **)
{
    auto tf32 = [](float x) {
        uint32_t bits = to_tf32(x);
        memcpy(&x, &bits, sizeof x);
        return x;
    };
    assert_true(tf32(1) == 1 && tf32(1 + 0x1p-10f) == 1 + 0x1p-10f);
    assert_true(tf32(1 + 0x1p-11f) == 1 + 0x1p-10f); /* ties go away from zero */
    assert_true(tf32(-1 - 0x1p-11f) == -1 - 0x1p-10f && tf32(1 + 0x1p-12f) == 1);
    assert_true(std::isinf(tf32(INFINITY)));
    assert_int_equal(to_bf16_pair(1, -2), 0xC0003F80u);
    assert_int_equal(to_bf16_pair(1 + 0x1p-8f, 1 + 3 * 0x1p-8f), 0x3F823F80u); /* ties go to even */
    assert_int_equal(to_bf16_pair(NAN, 0) & 0x7FFF, 0x7FFF);
}

/* ---- graphs ---- */

__global__ void add_one(float *x)
{
    x[threadIdx.x] += 1;
}

static void a_captured_kernel_runs_when_its_graph_does_and_not_before(void **)
{
    cudaStream_t s = new_stream();
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    float *x = device_array<float>(32), y[32];
    cudaMemsetAsync(x, 0, 32 * sizeof(float), s);
    assert_int_equal(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    launch(s, add_one, dim3(1), 32, 0, x);
    assert_int_equal(cudaStreamEndCapture(s, &graph), cudaSuccess);
    assert_int_equal(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
    cudaGraphDestroy(graph);
    fetch(y, x, 32, s);
    assert_true(y[31] == 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cudaGraphLaunch(exec, s), cudaSuccess);
    fetch(y, x, 32, s);
    assert_true(y[0] == 3 && y[31] == 3);
    cudaGraphExecDestroy(exec);
    cudaFree(x);
    cudaStreamDestroy(s);
}

static void wait_while_capturing()
{
    cudaStream_t s = new_stream();
    cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal);
    cudaStreamSynchronize(s);
}

static void capture_a_copy_to_the_host()
{
    cudaStream_t s = new_stream();
    float *x = device_array<float>(4), y[4];
    cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal);
    cudaMemcpyAsync(y, x, sizeof y, cudaMemcpyDeviceToHost, s);
}

static void what_cannot_be_captured_is_found(void **)
{
    expect_fault(wait_while_capturing, "waited for while it is captured");
    expect_fault(capture_a_copy_to_the_host, "a copy to or from the host is captured");
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_that_ended_before_a_shuffle_is_found),
        cmocka_unit_test(lanes_that_wait_in_different_places_are_found),
        cmocka_unit_test(a_barrier_that_is_not_reached_by_all_is_found),
        cmocka_unit_test(a_shuffle_from_a_lane_outside_its_mask_is_found),
        cmocka_unit_test(a_kernel_that_leaves_its_memory_is_found),
        cmocka_unit_test(the_host_cannot_touch_memory_of_the_device),
        cmocka_unit_test(a_stream_runs_only_when_the_host_waits),
        cmocka_unit_test(a_stream_waits_for_an_event_of_another_stream),
        cmocka_unit_test(what_nobody_wrote_is_nan),
        cmocka_unit_test(a_forgotten_barrier_gives_nans_and_a_barrier_the_sum),
        cmocka_unit_test(shuffles_and_votes_have_the_values_of_their_warp),
        cmocka_unit_test(a_tensor_core_product_is_that_of_its_fragments),
        cmocka_unit_test(a_captured_kernel_runs_when_its_graph_does_and_not_before),
        cmocka_unit_test(what_cannot_be_captured_is_found),
        cmocka_unit_test(roundings_to_tf32_and_bfloat16_are_those_of_the_hardware),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
