# SPDX-License-Identifier: Apache-2.0
# Contexts, and what the loaded library is.

"""
    Context(; log = nothing, nan = :refuse, arithmetic = :auto, backend_path = nothing, backend_options = "", fields...)
    Context(f; ...)

What everything else is made in: backend, threads, limits. The fields are those of `SLMT.slmt_context_config`, such as
`threads = 2`, `max_bytes = 2^30`, `backend = SLMT.SLMT_BACKEND_REFERENCE`, `weights = SLMT.SLMT_WEIGHTS_BFLOAT16`.
`log(level, text)` gets lines that are as serious as the field `log_level`. Warnings of the library are logged by
`@warn`. `nan` is what reading makes of voxels that are NaN: an error, or with `:zero` the background.
`arithmetic = :bf16` rounds the factors of products to bfloat16, in synthesis and training, and `:tf32`, on cuda, to 10 bits
of fraction; `:auto` is `:float32`. `backend = SLMT.SLMT_BACKEND_CUDA` looks for libslmt_cuda.so in `backend_path`, or in the
folder of the library, and takes `backend_options` such as `"device=1,memory=8000000000"`.

    Context(threads = 2) do context
        ...
    end
"""
mutable struct Context
    pointer::Ptr{slmt_context}
    log::Union{Callback,Nothing}

    Context(pointer::Ptr{slmt_context}, log) = owned(new(pointer, log))
end

const ARITHMETICS = Dict(:auto => SLMT_ARITHMETIC_FLOAT32, :float32 => SLMT_ARITHMETIC_FLOAT32,
                         :bf16 => SLMT_ARITHMETIC_BFLOAT16, :tf32 => SLMT_ARITHMETIC_TF32)

arithmetic_code(code::Integer) = code

function arithmetic_code(name::Symbol)
    haskey(ARITHMETICS, name) || throw(ArgumentError("arithmetic is $name, expected :auto, :float32, :bf16 or :tf32"))
    return ARITHMETICS[name]
end

function Context(; log = nothing, nan = :refuse, arithmetic = :auto, backend_path = nothing, backend_options = "",
                 fields...)
    nan in (:refuse, :zero) || throw(ArgumentError("nan is $nan, expected :refuse or :zero"))
    config = Ref{slmt_context_config}()
    slmt_context_config_init(config)
    config[] = with(config[]; arithmetic = arithmetic_code(arithmetic), fields...)
    path, options = backend_path === nothing ? nothing : String(backend_path), String(backend_options)
    config[] = with(config[]; backend_path = path === nothing ? Cstring(C_NULL) : Base.unsafe_convert(Cstring, path),
                    backend_options = Base.unsafe_convert(Cstring, options))
    callback = log === nothing ? nothing : Callback(log, nothing)
    if callback !== nothing  # it lives as long as the context, which every object holds
        config[] = with(config[], log = @cfunction(log_from_c, Cvoid, (Ptr{Cvoid}, Int32, Cstring)),
                        log_user = pointer_from_objref(callback))
    end
    pointer = GC.@preserve callback path options made(room -> slmt_context_create(config, room), slmt_context)
    check(slmt_context_set_warning(pointer, @cfunction(warning_from_c, Int32, (Ptr{Cvoid}, Cstring)), C_NULL))
    check(slmt_context_set_nan(pointer, nan == :zero ? SLMT_NAN_ZERO : SLMT_NAN_REFUSE))
    return Context(pointer, callback)
end

"Bytes that a context and everything made in it hold now."
live_bytes(context::Context) = Int(slmt_context_live_bytes(context))

"How many of the bytes that `live_bytes` tells are memory of a device, such as a graphics card."
device_bytes(context::Context) = Int(slmt_context_device_bytes(context))

"What library is loaded: `(abi, version, commit, compiler, backends, matrix, cpu_level, numerics)`."
function build()
    info = sized(slmt_build_info)
    check(slmt_build_describe(info))
    return named(info[])
end
