# SPDX-License-Identifier: Apache-2.0
# CUDA_FILES: the sources of the cuda backend, for nvcc and, in tests/cuda, for the emulation.
set(CUDA_FILES
    adam.cu
    attention.cu
    attention_tensor.cu
    channel_norm.cu
    context.cu
    conv.cu
    cublaslt.cu
    cuda.cu
    elementwise.cu
    labels.cu
    movement.cu
    norm.cu
    pool.cu
    product.cu
    random.cu
    reduce.cu
    sort.cu
    space.cu
    window_attention.cu)
list(TRANSFORM CUDA_FILES PREPEND ${PROJECT_SOURCE_DIR}/backends/cuda/)
