# SPDX-License-Identifier: Apache-2.0
# Component cuda: slmt_CUDA_PLUGIN is the file libslmt_cuda.so, for programs that ship it. The library finds it by itself.
get_filename_component(slmt_CUDA_PLUGIN ${CMAKE_CURRENT_LIST_DIR}/../../slmt/libslmt_cuda.so ABSOLUTE)
