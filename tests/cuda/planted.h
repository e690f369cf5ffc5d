/* SPDX-License-Identifier: Apache-2.0 */
/* planted.h - faults that are planted in kernels and host code, for the emulation to find, each in a process
 * of its own. */
#ifndef SLMT_TESTS_PLANTED_H
#define SLMT_TESTS_PLANTED_H

#include "backends/cuda/kernel.h"

#include <csignal>
#include <cstdio>
#include <sys/wait.h>
#include <unistd.h>

static inline cudaStream_t new_stream()
{
    cudaStream_t s;
    assert_int_equal(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), cudaSuccess);
    return s;
}

template <class T> static T *device_array(size_t n)
{
    void *p;
    assert_int_equal(cudaMalloc(&p, n * sizeof(T)), cudaSuccess);
    return (T *)p;
}

template <class T> static void fetch(T *to, const T *from, size_t n, cudaStream_t s)
{
    assert_int_equal(cudaMemcpyAsync(to, from, n * sizeof(T), cudaMemcpyDeviceToHost, s), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(s), cudaSuccess);
}

/* Runs `plant` in another process, which must end by abort() with these words. */
static inline void expect_fault(void (*plant)(), const char *words)
{
    int pipe_ends[2], state;
    char text[1024];
    size_t n = 0;
    assert_int_equal(pipe(pipe_ends), 0);
    fflush(nullptr);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipe_ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        plant();
        _exit(0);
    }
    close(pipe_ends[1]);
    for (ssize_t got; (got = read(pipe_ends[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    close(pipe_ends[0]);
    assert_int_equal(waitpid(child, &state, 0), child);
    if (!WIFSIGNALED(state) || WTERMSIG(state) != SIGABRT || !strstr(text, words))
        fail_msg("expected a fault with '%s', found state %d and '%s'", words, state, text);
}

template <class... P, class... A>
static void run_one(void (*kernel)(P...), unsigned threads, size_t shared, A... a)
{
    cudaStream_t s = new_stream();
    launch(s, kernel, dim3(1), threads, shared, a...);
    cudaStreamSynchronize(s);
}

#endif
