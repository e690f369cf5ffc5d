# SPDX-License-Identifier: Apache-2.0
# Julia sees what C sees: constants, sizes, offsets, and calls that come through.
# Usage: julia test_api.jl PATH_OF_API_LAYOUT, with SLMT_LIBRARY and JULIA_LOAD_PATH set.
import SLMT

"What api_layout prints, as words but numbers => numbers."
function of_c()
    facts = Dict{Vector{String},Vector{Int}}()
    for line in eachline(`$(ARGS[1])`)
        words = split(line)
        last_name = findlast(word -> tryparse(Int, word) === nothing, words)
        facts[words[1:last_name]] = parse.(Int, words[last_name+1:end])
    end
    return facts
end

function of_julia()
    facts = Dict{Vector{String},Vector{Int}}()
    for name in names(SLMT, all = true)
        value = getfield(SLMT, name)
        if startswith(string(name), "SLMT_")
            facts[["constant", string(name)]] = [value]
        elseif value isa DataType && startswith(string(name), "slmt_") && fieldcount(value) > 0 && isbitstype(value) && parentmodule(value) == SLMT
            facts[["struct", string(name)]] = [sizeof(value)]
            for (i, field) in enumerate(fieldnames(value))
                facts[["field", string(name), string(field)]] = [fieldoffset(value, i), sizeof(fieldtype(value, i))]
            end
        end
    end
    return facts
end

"Wrong things that were seen of calls."
function calls()
    described = zeros(UInt8, sizeof(SLMT.slmt_build_info))
    reinterpret(UInt32, described)[1] = length(described)
    context = Ref{Ptr{SLMT.slmt_context}}(C_NULL)
    GC.@preserve described begin
        status = SLMT.slmt_build_describe(Ptr{SLMT.slmt_build_info}(pointer(described)))
        info = unsafe_load(Ptr{SLMT.slmt_build_info}(pointer(described)))
    end
    seen = [
        "version" => (unsafe_string(SLMT.slmt_version()), SLMT.VERSION_STRING),
        "name of a status" => (unsafe_string(SLMT.slmt_status_name(SLMT.SLMT_ERR_SCHEMA)), "SLMT_ERR_SCHEMA"),
        "status of a call" => (SLMT.slmt_build_describe(C_NULL), SLMT.SLMT_ERR_ARGUMENT),
        "status of a filled struct" => (status, SLMT.SLMT_OK),
        "text in a struct" => (unsafe_string(info.version), SLMT.VERSION_STRING),
        "number in a struct" => (info.abi, SLMT.ABI),
        "status of a made handle" => (SLMT.slmt_context_create(C_NULL, context), SLMT.SLMT_OK),
        "a text of a handle" => (unsafe_string(SLMT.slmt_context_describe(context[]))[1:5], "cpu: "),
        "a text as an argument" => (SLMT.slmt_model_load(context[], "/no/such/file", Ref{Ptr{SLMT.slmt_model}}()), SLMT.SLMT_ERR_NOT_FOUND),
    ]
    SLMT.slmt_context_free(context[])
    return ["$what: $got, expected $wanted" for (what, (got, wanted)) in seen if got != wanted]
end

function main()
    c, julia = of_c(), of_julia()
    wrong = ["$(join(key, ' ')): $(get(c, key, nothing)) in C, $(get(julia, key, nothing)) in Julia"
             for key in sort(collect(union(keys(c), keys(julia)))) if get(c, key, nothing) != get(julia, key, nothing)]
    append!(wrong, calls())
    foreach(println, wrong)
    println("$(length(c)) facts of C, $(length(wrong)) wrong in Julia")
    return isempty(wrong) && !isempty(c) ? 0 : 1
end

exit(main())
