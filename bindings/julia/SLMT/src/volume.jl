# SPDX-License-Identifier: Apache-2.0
# Scans, and how well two images agree.

"""
    Volume(context, voxels; affine = nothing)
    Volume(f, context, voxels; ...)
    Volume(source, voxels; description = "")

A scan: `voxels` is a `(i, j, k)` array of `Float32`, `affine` the 4x4 matrix from voxel indices (from 0) to patient
millimetres as in NIfTI (nothing: 1 mm, no rotation). A volume is itself an array that is only read: `volume[i, j, k]`,
`size(volume)`, `maximum(volume)`, `Array(volume)`. `load(Volume, context, path)` reads one, `save(volume, path)` writes it. With another volume as `source`, other voxels on its
grid.
"""
mutable struct Volume <: AbstractArray{Float32,3}
    pointer::Ptr{slmt_volume}
    context::Context
    voxels::Ptr{Float32}  # the volume's own
    size::NTuple{3,Int}

    function Volume(pointer::Ptr{slmt_volume}, context::Context)
        dims = zeros(Int64, 3)
        slmt_volume_dims(pointer, dims)
        return owned(new(pointer, context, slmt_volume_voxels(pointer), Tuple(dims)))
    end
end

function Volume(context::Context, voxels::StridedArray{Float32,3}; affine = nothing)
    rows = affine === nothing ? C_NULL : row_major(affine)
    create(room) = slmt_volume_create(context, Int64[size(voxels)...], rows, compact(voxels, "voxels"), room)
    return Volume(made(create, slmt_volume), context)
end

function Volume(source::Volume, voxels::StridedArray{Float32,3}; description = "")
    size(voxels) == size(source) || throw(DimensionMismatch("$(size(voxels)) and $(size(source))"))
    create(room) = slmt_volume_like(source, compact(voxels, "voxels"), description, room)
    return Volume(made(create, slmt_volume), source.context)
end

"""
    resample(volume, spacing; labels = false)

A volume of other voxels over the same field of view; `spacing` is in mm from left to right, front to back and upwards, and
the axes go that way. Interpolates linearly; `labels` takes the nearest voxel's value.
"""
function resample(volume::Volume, spacing; labels = false)
    resize = labels ? SLMT_RESIZE_NEAREST : SLMT_RESIZE_BILINEAR
    create(room) = slmt_volume_resample(volume, collect(Float64, spacing), resize, room)
    return Volume(made(create, slmt_volume), volume.context)
end

function row_major(affine)
    size(affine) == (4, 4) || throw(DimensionMismatch("an affine is 4x4, not $(join(size(affine), 'x'))"))
    return Matrix{Float64}(permutedims(affine))
end

load(::Type{Volume}, context::Context, path::AbstractString) =
    Volume(made(room -> slmt_volume_read(context, path, room), slmt_volume), context)

save(volume::Volume, path::AbstractString) = check(slmt_volume_write(volume, path))

Base.size(volume::Volume) = volume.size
Base.IndexStyle(::Type{Volume}) = IndexLinear()

function Base.getindex(volume::Volume, index::Int)
    @boundscheck checkbounds(volume, index)
    return GC.@preserve volume unsafe_load(Base.unsafe_convert(Ptr{Float32}, volume), index)
end

function Base.unsafe_convert(::Type{Ptr{Float32}}, volume::Volume)
    isopen(volume) || throw(ArgumentError("this Volume was closed"))
    return volume.voxels
end

"The 4x4 matrix from voxel indices (from 0) to patient millimetres."
function affine(volume::Volume)
    rows = zeros(4, 4)
    slmt_volume_affine(volume, rows)
    return permutedims(rows)
end

"""
    compare(prediction, target)
    compare(prediction, target, mask)

How well two slices in [0, 1] agree: `(psnr, ssim, ssim_range_2, nmse, nmse_spectral, mae, ...)`; with a mask, where it is
not 0. What is not defined is NaN.
"""
compare(prediction::StridedMatrix{Float32}, target::StridedMatrix{Float32}, mask = nothing) =
    named(compared(prediction, target, mask))

function compared(prediction, target, mask)
    size(prediction) == size(target) || throw(DimensionMismatch("$(size(prediction)) and $(size(target))"))
    mask === nothing || size(mask) == size(target) || throw(DimensionMismatch("the mask has $(size(mask))"))
    metrics = sized(slmt_metrics)
    width, height = size(target)
    bytes = mask === nothing ? C_NULL : UInt8.(mask .!= 0)
    check(slmt_compare_masked(compact(prediction, "prediction"), compact(target, "target"), bytes, height, width, metrics))
    return metrics[]
end

const DEFINITIONS = (volume = SLMT_DEFINITION_VOLUME, slice = SLMT_DEFINITION_SLICE, paper = SLMT_DEFINITION_PAPER)

"""
    compare_volume(prediction, target; mask = nothing, definition = :volume)

How well two stacks of slices agree, arrays of `(width, height, slice)`. `definition` is :volume (all pixels are one image),
:slice (the mean over the slices whose target has signal) or :paper (the mean over all slices).
"""
function compare_volume(prediction::Array{Float32,3}, target::Array{Float32,3}; mask = nothing, definition = :volume)
    size(prediction) == size(target) || throw(DimensionMismatch("$(size(prediction)) and $(size(target))"))
    haskey(DEFINITIONS, definition) || throw(ArgumentError("definition is $definition"))
    slices = [compared(prediction[:, :, k], target[:, :, k], mask === nothing ? nothing : mask[:, :, k])
              for k in axes(target, 3)]
    metrics = sized(slmt_metrics)
    check(slmt_metrics_combine(slices, length(slices), DEFINITIONS[definition], metrics))
    return named(metrics[])
end
