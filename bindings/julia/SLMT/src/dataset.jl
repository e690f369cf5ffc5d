# SPDX-License-Identifier: Apache-2.0
# Training sets: read, and written.

"""
    Dataset(context, path)
    Dataset(f, context, path)

A training set open for reading; its arrays are read when they are needed. `fields`, `records`, `size` and `read` serve any
set; `contrasts`, `subjects` and `slices` those of MR volumes, whose `source` is "mr".
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

const SPLITS = (train = SLMT_SPLIT_TRAIN, test = SLMT_SPLIT_TEST, validation = SLMT_SPLIT_VALIDATION)

split_of(code) = keys(SPLITS)[findfirst(==(code), collect(SPLITS))]
split_code(name) = haskey(SPLITS, Symbol(name)) ? SPLITS[Symbol(name)] :
    throw(ArgumentError("split is $name, expected $(join(keys(SPLITS), ", ", " or "))"))

"""
The subjects of a set: `(name, split, slices)` of each. `split` is :train, :test or :validation; `slices` has a number for
each contrast, 0 where it is missing.
"""
function subjects(set::Dataset)
    n = slmt_dataset_contrast_count(set)
    return map(1:slmt_dataset_subject_count(set)) do i
        (name = readable(slmt_dataset_subject(set, i - 1)), split = split_of(slmt_dataset_subject_split(set, i - 1)),
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

"What a set was made from: \"mr\", or \"\" for records."
source(set::Dataset) = readable(slmt_dataset_source(set))

const FIELD_KINDS = (image = SLMT_FIELD_IMAGE, labels = SLMT_FIELD_LABELS, boxes = SLMT_FIELD_BOXES,
                     vector = SLMT_FIELD_VECTOR, ids = SLMT_FIELD_IDS, classes = SLMT_FIELD_CLASSES)
const FIELD_TYPES = Dict{DataType,Int32}(Float32 => SLMT_TENSOR_FLOAT32, Int32 => SLMT_TENSOR_INT32,
                                         Float16 => SLMT_TENSOR_FLOAT16, UInt8 => SLMT_TENSOR_UINT8)

"""
The fields of a set: `(name, kind, type, axes, size, classes)` of each. `axes` and `size` go from the innermost axis to the
outermost, as those of Julia's arrays do; a size of 0 differs between records. `classes` has the names by their values.
"""
function fields(set::Dataset)
    return map(1:slmt_dataset_field_count(set)) do i
        room = sized(slmt_field)
        check(slmt_dataset_field(set, i - 1, room))
        f = room[]
        pairs = [split(pair, '=', limit = 2) for pair in split(readable(f.classes), ',', keepempty = false)]
        (name = readable(f.name), kind = keys(FIELD_KINDS)[findfirst(==(f.kind), collect(FIELD_KINDS))],
         type = only(T for (T, code) in FIELD_TYPES if code == f.type),
         axes = reverse(String.(split(readable(f.axes), ','))), size = collect(reverse(Int.(f.dim[1:f.rank]))),
         classes = Dict{Int,String}(parse(Int, value) => name for (value, name) in pairs))
    end
end

"The records of a set: `(id, group, split)` of each; `split` is :train, :test or :validation."
function records(set::Dataset)
    return map(1:slmt_dataset_record_count(set)) do i
        room = sized(slmt_record)
        check(slmt_dataset_record(set, i - 1, room))
        (id = readable(room[].id), group = readable(room[].group), split = split_of(room[].split))
    end
end

record_and_field(set, record, field) =
    (index_of(record, record isa Integer ? (1:slmt_dataset_record_count(set)) : [one.id for one in records(set)], "record"),
     index_of(field, [one.name for one in fields(set)], "field"))

"""
    size(set, record, field)

The size of a record's array, both by name or by index; `nothing` where the record has none.
"""
function Base.size(set::Dataset, record, field)
    r, f = record_and_field(set, record, field)
    extents = zeros(Int64, 6)
    status = slmt_dataset_shape(set, r - 1, f - 1, extents)
    status == SLMT_ERR_NOT_FOUND && return nothing
    check(status)
    return Tuple(reverse(extents[1:length(fields(set)[f].size)]))
end

"""
    read(set, record, field)
    read(set, record, field, which)

The array of a record, or the range `which` of its last axis, such as the slices of a volume.
"""
function Base.read(set::Dataset, record, field, which = nothing)
    r, f = record_and_field(set, record, field)
    whole = size(set, r, f)
    whole === nothing && throw(SLMTError(SLMT_ERR_NOT_FOUND, "record $record has no $field"))
    range = which === nothing ? (1:last(whole)) : which
    array = zeros(fields(set)[f].type, whole[1:(end-1)]..., length(range))
    check(slmt_dataset_read(set, r - 1, f - 1, first(range) - 1, length(range), Tensors((field = array,))))
    return array
end

index_of(index::Integer, names, what) =
    index in eachindex(names) ? index : throw(SLMTError(SLMT_ERR_NOT_FOUND, "$what $index is not among $(length(names))"))
function index_of(name, names, what)
    index = findfirst(==(string(name)), names)
    return index === nothing ? throw(SLMTError(SLMT_ERR_NOT_FOUND, "the set has no $what $name")) : index
end

function geometry(set::Dataset)
    fields = sized(slmt_geometry)
    check(slmt_dataset_geometry(set, SLMT_SPLIT_ALL, fields))
    return named(fields[])
end

function preprocess(set::Dataset)
    fields = sized(slmt_preprocess)
    check(slmt_dataset_get_preprocess(set, fields))
    return named(fields[])
end

"""
    DatasetWriter(context, path, contrasts; labels = [], any_spacing = false, fields...)
    DatasetWriter(f, context, path, contrasts; ...)

Writes a training set of MR volumes; `labels` names fields of label maps, whose values stay; `any_spacing` takes voxels of different sizes; `fields` are those of `SLMT.slmt_preprocess` that differ from the defaults. The file appears, whole,
when `finish!` succeeds or the `do`-block ends; `close`, or an exception in the block, drops it.

    DatasetWriter(context, "set.h5", ["t1", "t2"], slice_first = 0, slice_count = 0) do writer
        add!(writer, "subject-1", (t1 = t1, t2 = t2))
        add!(writer, "subject-2", (t1 = other,), split = :test)
    end
"""
mutable struct DatasetWriter
    pointer::Ptr{slmt_dataset_writer}
    context::Context
    contrasts::Vector{String}
    DatasetWriter(pointer::Ptr{slmt_dataset_writer}, context, contrasts) = owned(new(pointer, context, contrasts))
end

function DatasetWriter(context::Context, path::AbstractString, contrasts; labels = String[], any_spacing = false, fields...)
    names = String[string(name) for name in contrasts]
    preprocess = Ref{slmt_preprocess}()
    slmt_preprocess_init(preprocess)
    preprocess[] = with(preprocess[]; fields...)
    create(room) = slmt_dataset_writer_create_mr(context, path, preprocess, names, length(names), room)
    writer = DatasetWriter(made(create, slmt_dataset_writer), context, names)
    for name in labels
        check(slmt_dataset_writer_add_labels(writer, string(name)))
        push!(writer.contrasts, string(name))
    end
    any_spacing && check(slmt_dataset_writer_any_spacing(writer))
    return writer
end

function DatasetWriter(work::Function, arguments...; fields...)
    return closing(DatasetWriter(arguments...; fields...)) do writer
        result = work(writer)
        finish!(writer)
        return result
    end
end

"""
    add!(writer, subject, volumes; split = :train, group = subject)

Preprocesses a subject's volumes and adds them. `volumes` is a `Dict` or `NamedTuple` by contrast; those not in it are
missing. Label maps go by their names. `group` is the person: two sessions of one person are two subjects of one group. A
refused subject leaves the set as it was.
"""
function add!(writer::DatasetWriter, subject::AbstractString, volumes; split = :train, group = subject)
    given = Dict{String,Volume}(string(contrast) => volume for (contrast, volume) in pairs(volumes))
    for contrast in keys(given)
        index_of(contrast, writer.contrasts, "contrast")
    end
    ordered = Any[get(given, contrast, C_NULL) for contrast in writer.contrasts]
    GC.@preserve subject group begin
        text(t) = Base.unsafe_convert(Cstring, Base.cconvert(Cstring, t))
        record = Ref(slmt_record(sizeof(slmt_record), split_code(split), text(subject), text(group)))
        check(slmt_dataset_writer_add_subject(writer, record, ordered))
    end
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

"""
    RecordWriter(context, path, fields)
    RecordWriter(f, context, path, fields)

Writes a training set of any fields, each `(name, kind, type, axes, size, classes)` as [`fields`](@ref) gives them; `classes`
may be left out. The file appears, whole, when `finish!` succeeds or the `do`-block ends.

    photo = (name = "photo", kind = :image, type = UInt8, axes = ["band", "column", "row"], size = [3, 0, 0])
    RecordWriter(context, "set.h5", [photo]) do writer
        add!(writer, "a", (photo = rand(UInt8, 3, 40, 30),))
    end
"""
mutable struct RecordWriter
    pointer::Ptr{slmt_dataset_writer}
    context::Context
    names::Vector{String}
    RecordWriter(pointer::Ptr{slmt_dataset_writer}, context, names) = owned(new(pointer, context, names))
end

function RecordWriter(context::Context, path::AbstractString, fields)
    create(room) = slmt_dataset_writer_create(context, path, room)
    writer = RecordWriter(made(create, slmt_dataset_writer), context, String[string(field.name) for field in fields])
    for field in fields
        add_field(writer, field)
    end
    return writer
end

function add_field(writer::RecordWriter, field)
    names = get(field, :classes, Dict{Int,String}())
    name, axes = string(field.name), join(reverse(field.axes), ',')
    classes = join(("$value=$(names[value])" for value in sort(collect(keys(names)))), ',')
    dim = ntuple(i -> i <= length(field.size) ? Int64(reverse(field.size)[i]) : Int64(0), 6)
    GC.@preserve name axes classes begin
        text(t) = Base.unsafe_convert(Cstring, t)
        raw = Ref(slmt_field(sizeof(slmt_field), FIELD_KINDS[field.kind], FIELD_TYPES[field.type], length(field.size), dim,
                             text(name), text(axes), text(classes)))
        check(slmt_dataset_writer_add_field(writer, raw))
    end
end

function RecordWriter(work::Function, arguments...)
    return closing(RecordWriter(arguments...)) do writer
        result = work(writer)
        finish!(writer)
        return result
    end
end

"""
    add!(writer, id, arrays; split = :train, group = id)

Adds a record: its arrays by field; those not in `arrays` are missing. A refused record leaves the set as it was.
"""
function add!(writer::RecordWriter, id::AbstractString, arrays; split = :train, group = id)
    given = [index_of(string(name), writer.names, "field") => array for (name, array) in pairs(arrays)]
    GC.@preserve id group begin
        text(t) = Base.unsafe_convert(Cstring, t)
        record = Ref(slmt_record(sizeof(slmt_record), split_code(split), text(id), text(group)))
        check(slmt_dataset_writer_begin(writer, record))
    end
    try
        for (field, array) in given
            check(slmt_dataset_writer_append(writer, field - 1, Tensors((field = array,))))
        end
    catch
        slmt_dataset_writer_undo(writer)
        rethrow()
    end
    check(slmt_dataset_writer_end(writer))
end

function finish!(writer::RecordWriter)
    pointer = Base.unsafe_convert(Ptr{slmt_dataset_writer}, writer)
    writer.pointer = C_NULL
    check(slmt_dataset_writer_finish(pointer))
end
