#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command under a limit on its address space: test_address_space.sh SLMT MAKE_PHANTOM. OpenBLAS, while it is loaded,
# waits for ever where such a limit is small; what does not ask for OpenBLAS must not load it.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

mkdir -p scans/t1 scans/t2 scans/flair
expect 0 "$make_phantom" make scans 2
expect 0 "$slmt" prepare --contrast t1=scans/t1 --contrast t2=scans/t2 --crop 32 --slices 6:4 --image-size 32 --out set.h5 --threads 1
expect 0 "$slmt" train unet --data set.h5 --source t1 --target t2 --image-size 32 --width 2 --batch 2 --epochs 1 \
    --out unet.h5 --threads 1

# under MIB COMMAND...: its exit code. 124: it did not end.
under() {
    local mib=$1 code=0
    shift
    (ulimit -v $((mib << 10)) && exec timeout 60 "$@") >stdout 2>stderr || code=$?
    echo $code
}

# ends COMMAND...: under every limit the command ends, the loader refuses it, it lacks memory, or it succeeds, in this order.
ends() {
    local mib code last=refused
    for mib in $(seq 40 20 600); do
        code=$(under "$mib" "$@")
        case $last-$code in
        refused-127) ;;
        refused-4 | memory-4) last=memory ;;
        *-0) last=good ;;
        *) die "exit code $code under $mib MiB after $last: $*" ;;
        esac
    done
    [ $last = good ] || die "600 MiB are not enough: $*"
}

claim "what a model holds is told under any limit, or there is an error"
ends "$slmt" info unet.h5

claim "so is a synthesis with oneDNN"
ends "$slmt" synthesize --model unet.h5 scans/t1/s00.nii.gz --out t2.nii.gz --threads 1 --quiet

# loads COMMAND...: the command loads OpenBLAS.
loads() {
    LD_DEBUG=files expect 0 "$@"
    grep -q 'libopenblas.*generating link map' stderr
}

synthesis=(synthesize --model unet.h5 scans/t1/s00.nii.gz --out t2.nii.gz --threads 1 --quiet)
if "$slmt" "${synthesis[@]}" --matrix openblas 2>/dev/null; then
    claim "OpenBLAS is loaded where it is asked for alone, and told of in any case"
    loads "$slmt" "${synthesis[@]}" --matrix openblas || die "OpenBLAS is not loaded"
    ! loads "$slmt" "${synthesis[@]}" || die "a synthesis with oneDNN loads OpenBLAS"
    ! loads "$slmt" --version || die "--version loads OpenBLAS"
    holds OpenBLAS stdout
fi
