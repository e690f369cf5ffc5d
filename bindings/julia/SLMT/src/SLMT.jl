# SPDX-License-Identifier: Apache-2.0
"""
libslmt from Julia: makes a missing MR contrast from one that is there, and trains the networks that do. Research software.
Not for diagnosis.

Objects: `Context`, `Model`, `Session`, `Trainer`, `Volume`, `Dataset`,
`DatasetWriter`, `RecordWriter`. Each is freed when nothing refers to it any more, or by `close`, or at the end of its `do`-block.
What fails throws an `SLMTError`. The C interface as it is lies beneath: `SLMT.slmt_...`, `SLMT.SLMT_...` (api.jl).

# Arrays
Nothing is copied on the way to the library or back. The library's arrays are row-major, Julia's are column-major: the same
memory has its axes in reverse order. What C calls `[count][height][width]` is an `Array{Float32,3}` of
`(width, height, count)`; a pixel at column `x` and row `y` of slice `n` is `slices[x, y, n]`. Voxels are `volume[i, j, k]`
in both. Arrays are `Float32` (`Int32` where a task says so) and compact: an `Array`, or a view of its last axis.

# Indices
Subjects, contrasts, slices and ranked sequences count from 1 here. A number inside an array that a task reads, such as
Seq2Seq's `sequence`, is the library's, and counts from 0.

# Threads
An object is used by one thread at a time. Sessions that share a model are independent.

The library is the file that the environment variable SLMT_LIBRARY names, else libslmt.so.0 where the system's loader
finds it.
"""
module SLMT

using Libdl

export Context, Model, Session, Trainer, Volume, Dataset, DatasetWriter, RecordWriter, SLMTError
export load, save, synthesize, synthesize!, segment, run!, step!, train!, attach, add!, finish!, cancel

const libslmt = "libslmt.so.0"  # the ABI that api.jl was made for

include("api.jl")
include("calls.jl")
include("context.jl")
include("method.jl")
include("model.jl")
include("volume.jl")
include("session.jl")
include("segment.jl")
include("dataset.jl")
include("trainer.jl")
include("differentiation.jl")
include("handles.jl")

# Calls go to libslmt by this name: what is loaded here has it, wherever its file lies.
function __init__()
    path = get(ENV, "SLMT_LIBRARY", libslmt)
    dlopen(path, throw_error = false) === nothing &&
        error("libslmt cannot be loaded from $path: install it, or name its file in SLMT_LIBRARY")
end

end
