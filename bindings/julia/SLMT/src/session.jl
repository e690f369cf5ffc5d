# SPDX-License-Identifier: Apache-2.0
# Sessions: running a model.

"""
    Session(model, task = "synthesize"; settings...)
    Session(f, model, ...)

A task of a model with the memory planned to run it. `SLMT.tasks(method)` and `SLMT.settings(method, task)` list what there
is. The model is not to be trained meanwhile.
"""
mutable struct Session
    pointer::Ptr{slmt_session}
    model::Model
    task::String
    Session(pointer::Ptr{slmt_session}, model, task) = owned(new(pointer, model, task))
end

function Session(model::Model, task::AbstractString = "synthesize"; settings...)
    numbers = numbers_by_name(settings, SLMT.settings(method(model), task))
    create(room) = slmt_session_create(model, task, numbers, length(numbers), room)
    return Session(made(create, slmt_session), model, task)
end

"Bytes that a session or trainer holds: `SLMT.memory(Session, model, task; settings...)`."
memory(::Type{Session}, model::Model, task = "synthesize"; settings...) =
    memory_by(slmt_session_memory, model, task, settings)

"How many of the bytes that `memory` tells are memory of a device, such as a graphics card."
device_memory(::Type{Session}, model::Model, task = "synthesize"; settings...) =
    memory_by(slmt_session_device_memory, model, task, settings)

function memory_by(call, model, task, settings)
    numbers = numbers_by_name(settings, SLMT.settings(method(model), task))
    bytes = Ref{UInt64}()
    check(call(model, task, numbers, length(numbers), bytes))
    return Int(bytes[])
end

"The shape of an input or output of a session or trainer, in Julia's order of axes."
Base.size(session::Session, name::Union{AbstractString,Symbol}) = shape_by(slmt_session_shape, session, string(name))

"""
    set!(session; name = array...)

Sets inputs that all slices share, for `synthesize`: `SLMT.set!(session, sequence = Int32[1])` has Seq2Seq make the second
sequence of its set.
"""
function set!(session::Session; shared...)
    tensors = Tensors(shared)
    GC.@preserve tensors for i in 1:length(tensors)
        check(slmt_session_set(session, pointer(tensors.raw, i)))
    end
end

"""
    set_target!(session, contrast)

Chooses the contrast that `synthesize` makes from now on, by its name; see `contrasts`.
"""
set_target!(session::Session, contrast) = check(slmt_session_set_target(session, string(contrast)))

"""
    SLMT.set_spacing!(session, spacing)

Chooses what `synthesize` makes of volumes whose voxels are not of the size that the model was trained on: `:refuse` (a new
session), `:resample` (voxels of that size, and back), or `:any` (what they are).
"""
function set_spacing!(session::Session, spacing::Symbol)
    known = (refuse = SLMT_SPACING_REFUSE, resample = SLMT_SPACING_RESAMPLE, any = SLMT_SPACING_ANY)
    haskey(known, spacing) || throw(ArgumentError("spacing is $spacing, expected :refuse, :resample or :any"))
    check(slmt_session_set_spacing(session, known[spacing]))
end

"""
    synthesize(session, source)
    synthesize(f, session, source)

The target contrast of slices, an array of `(width, height, count)` or `(width, height)` in [0, 1]; or of a `Volume`,
normalised, cropped, and brought back to its own grid. Slices of Seq2Seq are neighbours in one volume, bottom to top.

`f(stage, done, total)` is called after slices that were computed together. `false` stops: SLMT_ERR_CANCELLED is thrown.

    target = synthesize(session, source) do stage, done, total
        println("\$done of \$total")
    end
"""
synthesize(session::Session, source) = synthesize(nothing, session, source)
synthesize(progress, session::Session, source::StridedArray{Float32}) =
    synthesize!(progress, session, Array{Float32}(undef, size(source)), source)

function synthesize(progress, session::Session, source::Volume)
    room = Ref{Ptr{slmt_volume}}(C_NULL)
    reporting(() -> slmt_synthesize_volume(session, source, room), session, progress)
    return Volume(room[], source.context)
end

"""
    synthesize!(session, target, source)
    synthesize!(f, session, target, source)

As `synthesize`, into an array of the caller's.
"""
synthesize!(session::Session, target, source) = synthesize!(nothing, session, target, source)

function synthesize!(progress, session::Session, target::StridedArray{Float32}, source::StridedArray{Float32})
    size(target) == size(source) || throw(DimensionMismatch("target is $(size(target)), source $(size(source))"))
    wanted = size(session, input_for(method(session.model), session.task, SLMT_ROLE_SOURCE))[1:2]
    ndims(source) in (2, 3) && size(source)[1:2] == wanted ||
        throw(DimensionMismatch("source is $(size(source)), expected ($(wanted[1]), $(wanted[2]), count)"))
    from, to = compact(source, "source"), compact(target, "target")
    reporting(() -> slmt_synthesize(session, from, size(source, 3), to), session, progress)
    return target
end

"Runs `call` with the session's progress going to a function, if there is one."
reporting(call, session::Session, ::Nothing) = check(call())
function reporting(call, session::Session, progress)
    calling(Callback(progress, nothing)) do user
        status = slmt_session_set_progress(
            session, @cfunction(progress_from_c, Int32, (Ptr{Cvoid}, Cstring, UInt64, UInt64)), user)
        status == SLMT_OK || return status
        try
            return call()
        finally
            slmt_session_set_progress(session, C_NULL, C_NULL)
        end
    end
end

"""
    run(session; name = array...)
    run(session, inputs)

Runs the session's task by the names of its inputs (`SLMT.inputs(method, task)`), and gives its outputs: a `Dict` from names
to arrays. `inputs` is a `Dict` or a `NamedTuple` of arrays.
"""
Base.run(session::Session; inputs...) = run(session, values(inputs))
function Base.run(session::Session, inputs)
    batch = batch_of(session, inputs)
    results = Dict(info.name => output(session, info, batch) for info in outputs(method(session.model), session.task))
    return run!(session, results, inputs)
end

"""
    run!(session, outputs, inputs)

As `run`, into arrays of the caller's; both are a `Dict` or a `NamedTuple`.
"""
function run!(session::Session, outputs, inputs)
    from, to = Tensors(inputs), Tensors(outputs)
    check(slmt_session_run(session, from, length(from), to, length(to)))
    return outputs
end

batched(info) = info.batched == 1

"How many samples the inputs hold; `nothing` where no input says it."
function batch_of(session, given)
    for info in inputs(method(session.model), session.task), (name, array) in pairs(given)
        batched(info) && info.name == string(name) && ndims(array) > 0 && return size(array, ndims(array))
    end
    return nothing
end

function output(session, info, batch)
    shape = size(session, info.name)
    if batched(info) && batch !== nothing
        shape = (shape[1:end-1]..., batch)
    end
    return zeros(info.type == SLMT_TENSOR_INT32 ? Int32 : Float32, shape)
end

"""
    cancel(session)
    cancel(trainer)

Asks the call that is running on it in another thread to stop: it throws SLMT_ERR_CANCELLED. With no call running, the next
one stops.
"""
cancel(session::Session) = slmt_session_cancel(session)

"The volume as a model, or a session with its spacing, sees it: what `synthesize` would give if the network changed nothing."
normalize(model::Model, source::Volume) =
    Volume(made(room -> slmt_normalize_volume(model, source, room), slmt_volume), source.context)
normalize(session::Session, source::Volume) =
    Volume(made(room -> slmt_session_normalize_volume(session, source, room), slmt_volume), source.context)
