# SPDX-License-Identifier: Apache-2.0
# Models: options, weights, card, preprocessing, files.

"""
    Model(context, method; seed = 0, options...)
    Model(f, context, method; ...)

A model with fresh weights. `SLMT.methods()` lists methods, `SLMT.options(method)` their options. Tuples stand for
the elements of a list (`widths = (8, 16, 32)` for `widths_0 = 8`, ...), and `SLMT.preset` has sets of options of SLMT-Net:

    Model(context, "slmt-net"; SLMT.preset(SLMT.SLMT_NET_PRESET_TINY)..., seed = 1)

`load(Model, context, path)` reads one from a file.
"""
mutable struct Model
    pointer::Ptr{slmt_model}
    context::Context
    Model(pointer::Ptr{slmt_model}, context::Context) = owned(new(pointer, context))
end

function Model(context::Context, method::AbstractString; seed = 0, options...)
    numbers = numbers_by_name(options, SLMT.options(method))
    create(room) = slmt_model_create(context, method, numbers, length(numbers), seed, room)
    return Model(made(create, slmt_model), context)
end

"""
    load(Model, context, path)
    load(Trainer, context, path)
    load(Volume, context, path)
    load(f, ...)

Reads a file: a checkpoint of a model; a checkpoint of a trainer, to go on where it stopped; a scan (NIfTI). A model also
loads from a `Vector{UInt8}` with the file's bytes.
"""
load(::Type{Model}, context::Context, path::AbstractString) =
    Model(made(room -> slmt_model_load(context, path, room), slmt_model), context)
load(::Type{Model}, context::Context, bytes::Vector{UInt8}) =
    Model(made(room -> slmt_model_load_memory(context, bytes, length(bytes), room), slmt_model), context)

"""
    save(model, path)
    save(trainer, path)
    save(volume, path)

Writes a file: the model's checkpoint; a checkpoint of model and training; a scan (`.nii`, `.nii.gz`). At any moment `path`
is the old file or the new one, whole.
"""
save(model::Model, path::AbstractString) = check(slmt_model_save(model, path))

"""
    preset(number)

A set of options of SLMT-Net, by `SLMT.SLMT_NET_PRESET_...`.
"""
function preset(number::Integer)
    options = sized(slmt_net_options)
    check(slmt_net_options_init(options, number))
    return named(options[])
end

"The name of a model's method."
method(model::Model) = unsafe_string(slmt_model_method(model))

"One option of a model."
function option(model::Model, name)
    value = Ref{Cdouble}()
    check(slmt_model_option(model, string(name), value))
    return value[]
end

"The options of a model: a `Dict` from names to numbers, of a list from those of its elements."
options(model::Model) =
    Dict(name => option(model, name) for info in options(method(model)) for name in numbers_of(info))

numbers_of(info) = info.count == 0 ? [info.name] : ["$(info.name)_$(i - 1)" for i = 1:info.count]

"The tensors of a model: `(name, size, used, weights)` of each, in Julia's order of axes."
function tensors(model::Model)
    return map(1:slmt_model_tensor_count(model)) do index
        info = sized(slmt_tensor_info)
        check(slmt_model_tensor_info(model, index - 1, info))
        found = named(info[])
        (name = found.name, size = Tuple(reverse(found.dim[1:found.rank])), used = found.used == 1, weights = found.weights)
    end
end

"The values of a tensor, copied."
function tensor(model::Model, name)
    found = filter(info -> info.name == string(name), tensors(model))
    values = zeros(Float32, isempty(found) ? 0 : found[1].size)
    check(slmt_model_get_tensor(model, string(name), values, length(values)))
    return values
end

"Replaces the values of a tensor; nothing else may be using the model."
function set_tensor!(model::Model, name, values::StridedArray{Float32})
    for info in tensors(model)
        info.name == string(name) && info.size != size(values) &&
            throw(DimensionMismatch("$name is $(info.size), not $(size(values))"))
    end
    check(slmt_model_set_tensor(model, string(name), compact(values, name), length(values)))
end

"A field of the model card, such as `name`, `data`, `intended_use`; \"\" where unset."
card(model::Model, key) = unsafe_string(slmt_model_card(model, string(key)))

"The keys of the fields of a model's card that are set, in order."
function card_keys(model::Model)
    all = String[]
    while true
        key = unsafe_string(slmt_model_card_key(model, length(all)))
        isempty(key) && return all
        push!(all, key)
    end
end

"Sets a field of the model card; \"\" removes it."
set_card!(model::Model, key, text::AbstractString) = check(slmt_model_set_card(model, string(key), text))

"The names of the contrasts that a model tells apart, by index."
contrasts(model::Model) = String[unsafe_string(slmt_model_contrast(model, i - 1)) for i in 1:slmt_model_contrast_count(model)]

"Replaces the names of the contrasts that a model tells apart."
set_contrasts!(model::Model, names) = check(slmt_model_set_contrasts(model, String[names...], length(names)))

"How volumes become slices: kept with a model, or a set."
function preprocess(model::Model)
    fields = sized(slmt_preprocess)
    check(slmt_model_get_preprocess(model, fields))
    return named(fields[])
end

"""
    SLMT.geometry(model)
    SLMT.geometry(set)

Sizes and places of the volumes that a model was trained on, or of those of a set, in millimetres: the fields of
`SLMT.slmt_geometry`. `volumes` is 0 where nothing is known.
"""
function geometry(model::Model)
    fields = sized(slmt_geometry)
    check(slmt_model_get_geometry(model, fields))
    return named(fields[])
end

"Changes fields of a model's preprocessing: `SLMT.set_preprocess!(model, slice_first = 0, slice_count = 0)`."
function set_preprocess!(model::Model; fields...)
    kept = sized(slmt_preprocess)
    check(slmt_model_get_preprocess(model, kept))
    kept[] = with(kept[]; fields...)
    check(slmt_model_set_preprocess(model, kept))
end
