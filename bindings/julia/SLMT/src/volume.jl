# SPDX-License-Identifier: Apache-2.0
# Scans, and how well two images agree.

"""
    Volume(context, voxels; affine = nothing)
    Volume(f, context, voxels; ...)

A scan: `voxels` is a `(i, j, k)` array of `Float32`, `affine` the 4x4 matrix from voxel indices (from 0) to patient
millimetres as in NIfTI (nothing: 1 mm, no rotation). A volume is itself an array that is only read: `volume[i, j, k]`,
`size(volume)`, `maximum(volume)`, `Array(volume)`. `load(Volume, context, path)` reads one, `save(volume, path)` writes it.
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

How well two slices in [0, 1] agree: `(psnr, ssim, ssim_range_2, nmse, nmse_spectral, mae)`.
"""
function compare(prediction::StridedMatrix{Float32}, target::StridedMatrix{Float32})
    size(prediction) == size(target) || throw(DimensionMismatch("$(size(prediction)) and $(size(target))"))
    metrics = sized(slmt_metrics)
    width, height = size(target)
    check(slmt_compare(compact(prediction, "prediction"), compact(target, "target"), height, width, metrics))
    return named(metrics[])
end
