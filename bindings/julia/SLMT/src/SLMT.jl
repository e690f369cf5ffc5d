# SPDX-License-Identifier: Apache-2.0
"""
libslmt from Julia. So far the C interface as it is (api.jl).

The library is the file that the environment variable SLMT_LIBRARY names, else libslmt.so.0 where the system's loader
finds it.
"""
module SLMT

using Libdl

const libslmt = "libslmt.so.0"  # the ABI that api.jl was made for

include("api.jl")

# Calls go to libslmt by this name: what is loaded here has it, wherever its file lies.
function __init__()
    path = get(ENV, "SLMT_LIBRARY", libslmt)
    dlopen(path, throw_error = false) === nothing &&
        error("libslmt cannot be loaded from $path: install it, or name its file in SLMT_LIBRARY")
end

end
