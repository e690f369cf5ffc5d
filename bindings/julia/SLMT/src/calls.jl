# SPDX-License-Identifier: Apache-2.0
# What every call needs: errors, structs, numbers by name, arrays by name, functions that C calls back.

# ---- errors ----

"""
    SLMTError

A call of the library failed. `status` is one of `SLMT.SLMT_ERR_...`, `text` says what was wrong and what to do.
"""
struct SLMTError <: Exception
    status::Int32
    text::String
end

Base.showerror(io::IO, e::SLMTError) = print(io, unsafe_string(slmt_status_name(e.status)), ": ", e.text)

# The text is the calling thread's, and only failing calls change it: finalizers, which may run in between, do not fail.
check(status::slmt_status) = status == SLMT_OK ? nothing : throw(SLMTError(status, unsafe_string(slmt_error_text())))

# ---- structs ----

blank(::Type{T}) where {T<:Number} = zero(T)
blank(::Type{Ptr{T}}) where {T} = Ptr{T}(C_NULL)
blank(::Type{Cstring}) = Cstring(C_NULL)
blank(::Type{NTuple{N,T}}) where {N,T} = ntuple(_ -> blank(T), N)

"A struct of zeros that has its size, to be filled by the library."
sized(::Type{T}) where {T} = Ref(T(UInt32(sizeof(T)), (blank(fieldtype(T, i)) for i in 2:fieldcount(T))...))

"The struct with some fields changed."
function with(s::T; changes...) where {T}
    for name in keys(changes)
        name in fieldnames(T) || throw(ArgumentError("no $name among $(join(visible(T), ", "))"))
    end
    return T((haskey(changes, n) ? convert(fieldtype(T, n), changes[n]) : getfield(s, n) for n in fieldnames(T))...)
end

visible(::Type{T}) where {T} = filter(name -> !(name in (:struct_size, :reserved)), fieldnames(T))

readable(value) = value
readable(count::UInt64) = Int(count)
readable(text::Cstring) = text == C_NULL ? "" : unsafe_string(text)
readable(text::NTuple{N,UInt8}) where {N} = String(collect(Iterators.takewhile(!iszero, text)))

"A struct's fields as a NamedTuple, its texts as strings."
named(s::T) where {T} = NamedTuple{visible(T)}(map(name -> readable(getfield(s, name)), visible(T)))

# ---- numbers by name: options, settings ----

"Memory that a vector of slmt_number points into, as long as a call has it."
struct Numbers
    names::Vector{String}
    raw::Vector{slmt_number}
end

# A tuple stands for the elements of a list: widths = (8, 16) for widths_0 = 8, widths_1 = 16.
spread(name, value) = [string(name) => value]
spread(name, values::Union{Tuple,AbstractVector}) = [string(name, '_', i - 1) => v for (i, v) in enumerate(values)]

"`known` has the descriptions, for choices that are given by their names."
function numbers_by_name(given, known)
    flat = reduce(vcat, (spread(name, value) for (name, value) in pairs(given)), init = Pair{String,Any}[])
    names = String[is_text(first(one), known) ? "$(first(one))=$(last(one))" : first(one) for one in flat]
    values = Float64[number(first(one), last(one), known) for one in flat]
    return Numbers(names, map((name, value) -> slmt_number(Base.unsafe_convert(Cstring, name), value), names, values))
end

"Whether an option or a setting is a text, which goes by \"NAME=TEXT\"."
is_text(name, known) = any(info -> info.name == name && info.kind == SLMT_NUMBER_TEXT, known)

number(name, value::Real, known) = Float64(value)

function number(name, choice::Union{AbstractString,Symbol}, known)
    for info in known
        info.name == name || continue
        info.kind == SLMT_NUMBER_TEXT && return 0.0
        index = findfirst(==(string(choice)), split(info.choices, '|'))
        index === nothing && throw(ArgumentError("$name is $choice, expected $(info.choices)"))
        return Float64(index - 1)
    end
    throw(ArgumentError("$name is $choice, and there is no such choice"))
end

Base.unsafe_convert(::Type{Ptr{slmt_number}}, numbers::Numbers) = pointer(numbers.raw)
Base.length(numbers::Numbers) = length(numbers.raw)

# ---- arrays by name: inputs, outputs ----

"Memory that a vector of slmt_tensor points into, as long as a call has it."
struct Tensors
    names::Vector{String}
    arrays::Vector{AbstractArray}
    shapes::Vector{Vector{Int64}}
    raw::Vector{slmt_tensor}
end

function Tensors(given)
    names = String[string(name) for name in keys(given)]
    arrays = AbstractArray[compact(array, name) for (name, array) in zip(names, values(given))]
    shapes = [Int64[reverse(size(array))...] for array in arrays]
    raw = map(names, arrays, shapes) do name, array, shape
        slmt_tensor(Base.unsafe_convert(Cstring, name), pointer(array), isempty(shape) ? C_NULL : pointer(shape), C_NULL,
                    length(shape), kind(eltype(array), name))
    end
    return Tensors(names, arrays, shapes, raw)
end

kind(::Type{Float32}, name) = SLMT_TENSOR_FLOAT32
kind(::Type{Int32}, name) = SLMT_TENSOR_INT32
kind(::Type{Float16}, name) = SLMT_TENSOR_FLOAT16 # in training sets alone, as the next
kind(::Type{UInt8}, name) = SLMT_TENSOR_UINT8
kind(T, name) = throw(ArgumentError("$name holds $T, expected Float32, Int32, Float16 or UInt8"))

"The array itself; an error where its elements do not lie in memory one after the other."
compact(array::Array, name) = array
function compact(array::StridedArray, name)
    strides(array) == Base.size_to_strides(1, size(array)...) ||
        throw(ArgumentError("$name is not compact in memory: pass a copy of it"))
    return array
end
compact(array, name) = throw(ArgumentError("$name is $(typeof(array)), expected an Array or a view of one"))

Base.unsafe_convert(::Type{Ptr{slmt_tensor}}, tensors::Tensors) = pointer(tensors.raw)
Base.length(tensors::Tensors) = length(tensors.raw)

# ---- functions that C calls back ----

"A Julia function on its way through C, and what it threw: C is not unwound; its call ends, and then the exception is thrown."
mutable struct Callback
    work::Any
    thrown::Any
end

"Runs the function behind `user`. Gives C 0 to go on; 1 after `false` or an exception, to stop."
function answer(user::Ptr{Cvoid}, arguments...)
    callback = unsafe_pointer_to_objref(user)::Callback
    try
        return callback.work(arguments...) === false ? Int32(1) : Int32(0)
    catch exception
        callback.thrown = exception
        return Int32(1)
    end
end

progress_from_c(user::Ptr{Cvoid}, stage::Cstring, done::UInt64, total::UInt64)::Int32 =
    answer(user, unsafe_string(stage), Int(done), Int(total))

# Nothing waits for what a log throws.
function log_from_c(user::Ptr{Cvoid}, level::Int32, text::Cstring)::Cvoid
    callback = unsafe_pointer_to_objref(user)::Callback
    try
        callback.work(level, unsafe_string(text))
    catch exception
        callback.thrown = exception
    end
    return nothing
end

# Nothing waits for what a logger throws.
function warning_from_c(user::Ptr{Cvoid}, text::Cstring)::Int32
    try
        @warn unsafe_string(text)
    catch
    end
    return Int32(0)
end

"The status of `call`, which hands `callback` to C; what its function threw is thrown here."
function calling(call, callback::Callback)
    status = GC.@preserve callback call(pointer_from_objref(callback))
    callback.thrown === nothing || throw(callback.thrown)
    check(status)
end

# ---- handles ----

"The pointer that `create` writes."
function made(create, ::Type{T}) where {T}
    room = Ref{Ptr{T}}(C_NULL)
    check(create(room))
    return room[]
end

"The object, which `release` frees when nothing refers to it any more."
owned(object) = finalizer(release, object)
