# SPDX-License-Identifier: Apache-2.0
# Training sets: read, and written.

"""
    Dataset(context, path)
    Dataset(f, context, path)

A training set open for reading; its slices are read when they are needed.
"""
mutable struct Dataset
    pointer::Ptr{slmt_dataset}
    context::Context
    Dataset(pointer::Ptr{slmt_dataset}, context) = owned(new(pointer, context))
end

Dataset(context::Context, path::AbstractString) =
    Dataset(made(room -> slmt_dataset_open(context, path, room), slmt_dataset), context)

"The names of a set's contrasts."
contrasts(set::Dataset) = String[readable(slmt_dataset_contrast(set, i - 1)) for i in 1:slmt_dataset_contrast_count(set)]

"The subjects of a set: `(name, test, slices)` of each; `slices` has a number for each contrast, 0 where it is missing."
function subjects(set::Dataset)
    n = slmt_dataset_contrast_count(set)
    return map(1:slmt_dataset_subject_count(set)) do i
        (name = readable(slmt_dataset_subject(set, i - 1)), test = slmt_dataset_subject_split(set, i - 1) == SLMT_SPLIT_TEST,
         slices = [Int(slmt_dataset_slice_count(set, i - 1, c - 1)) for c in 1:n])
    end
end

"""
    slices(set, subject, contrast; resize = SLMT.SLMT_RESIZE_BILINEAR)
    slices(set, subject, contrast, which; ...)

Slices of a subject in one contrast, both by name or by index, as `(image_size, image_size, count)`; all of them, or those
that `which` names.
"""
function slices(set::Dataset, subject, contrast, which = Colon(); resize = SLMT_RESIZE_BILINEAR)
    s = index_of(subject, [one.name for one in subjects(set)], "subject")
    c = index_of(contrast, contrasts(set), "contrast")
    chosen = (1:slmt_dataset_slice_count(set, s - 1, c - 1))[which]
    side = preprocess(set).image_size
    pixels = zeros(Float32, side, side, length(chosen))
    for (i, slice) in enumerate(chosen)
        check(slmt_dataset_read_slice(set, s - 1, c - 1, slice - 1, resize, view(pixels, :, :, i)))
    end
    return pixels
end

index_of(index::Integer, names, what) =
    index in eachindex(names) ? index : throw(SLMTError(SLMT_ERR_NOT_FOUND, "$what $index is not among $(length(names))"))
function index_of(name, names, what)
    index = findfirst(==(string(name)), names)
    return index === nothing ? throw(SLMTError(SLMT_ERR_NOT_FOUND, "the set has no $what $name")) : index
end

function preprocess(set::Dataset)
    fields = sized(slmt_preprocess)
    check(slmt_dataset_get_preprocess(set, fields))
    return named(fields[])
end

"""
    DatasetWriter(context, path, contrasts; fields...)
    DatasetWriter(f, context, path, contrasts; ...)

Writes a training set; `fields` are those of `SLMT.slmt_preprocess` that differ from the defaults. The file appears, whole,
when `finish!` succeeds or the `do`-block ends; `close`, or an exception in the block, drops it.

    DatasetWriter(context, "set.h5", ["t1", "t2"], slice_first = 0, slice_count = 0) do writer
        add!(writer, "subject-1", (t1 = t1, t2 = t2))
        add!(writer, "subject-2", (t1 = other,), test = true)
    end
"""
mutable struct DatasetWriter
    pointer::Ptr{slmt_dataset_writer}
    context::Context
    contrasts::Vector{String}
    DatasetWriter(pointer::Ptr{slmt_dataset_writer}, context, contrasts) = owned(new(pointer, context, contrasts))
end

function DatasetWriter(context::Context, path::AbstractString, contrasts; fields...)
    names = String[string(name) for name in contrasts]
    preprocess = Ref{slmt_preprocess}()
    slmt_preprocess_init(preprocess)
    preprocess[] = with(preprocess[]; fields...)
    create(room) = slmt_dataset_writer_create_mr(context, path, preprocess, names, length(names), room)
    return DatasetWriter(made(create, slmt_dataset_writer), context, names)
end

function DatasetWriter(work::Function, arguments...; fields...)
    return closing(DatasetWriter(arguments...; fields...)) do writer
        result = work(writer)
        finish!(writer)
        return result
    end
end

"""
    add!(writer, subject, volumes; test = false)

Preprocesses a subject's volumes and adds them. `volumes` is a `Dict` or `NamedTuple` by contrast; those not in it are
missing. A refused subject leaves the set as it was.
"""
function add!(writer::DatasetWriter, subject::AbstractString, volumes; test = false)
    given = Dict{String,Volume}(string(contrast) => volume for (contrast, volume) in pairs(volumes))
    for contrast in keys(given)
        index_of(contrast, writer.contrasts, "contrast")
    end
    ordered = Any[get(given, contrast, C_NULL) for contrast in writer.contrasts]
    check(slmt_dataset_writer_add(writer, subject, ordered, test ? SLMT_SPLIT_TEST : SLMT_SPLIT_TRAIN))
end

"""
    finish!(writer)

Finishes the file, and closes the writer, also on failure.
"""
function finish!(writer::DatasetWriter)
    pointer = Base.unsafe_convert(Ptr{slmt_dataset_writer}, writer)
    writer.pointer = C_NULL
    check(slmt_dataset_writer_finish(pointer))
end
