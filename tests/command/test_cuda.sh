#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --backend cuda, whose plug-in here is the one for the emulation: test_cuda.sh SLMT MAKE_PHANTOM PLUGIN LIBRARY.
slmt=$1
make_phantom=$2
plugin=$3
library=$4
. "$(dirname "$0")/claims.sh"

one=(--threads 1 --quiet)
mkdir -p scans/t1 scans/t2 scans/flair
expect 0 "$make_phantom" make scans 2 1
prepare=("$slmt" prepare --contrast t1=scans/t1 --contrast t2=scans/t2 --crop 16 --slices 2:4 --image-size 16
    --test-fraction 0 --out set.h5 "${one[@]}")

claim "without a plug-in both places where it was looked for are named"
expect 3 "${prepare[@]}" --backend cuda
holds "/libslmt_cuda.so nor " stderr
holds "/slmt/libslmt_cuda.so" stderr
[ ! -e set.h5 ] || die "a set was written"

claim "a path names the file or its folder"
expect 3 "${prepare[@]}" --backend cuda --backend-path no/such
holds "there is no no/such" stderr
expect 0 "${prepare[@]}" --backend cuda --backend-path "$plugin"
expect 0 "${prepare[@]}" --backend cuda --backend-path "$(dirname "$plugin")"

claim "the plug-in is found in the folder slmt beside the library"
mkdir -p lib/slmt
cp "$library" lib/libslmt.so.0
sanitizer=$(ldd "$slmt" | awk '/lib(clang_rt\.)?asan/ {print $3}') # it must come first where there is one
preload=${sanitizer:+$sanitizer:}$PWD/lib/libslmt.so.0
expect 3 env LD_PRELOAD="$preload" "${prepare[@]}" --backend cuda
holds "$PWD/lib/slmt/libslmt_cuda.so" stderr
cp "$plugin" lib/slmt/
expect 0 env LD_PRELOAD="$preload" "${prepare[@]}" --backend cuda

cuda=(--backend cuda --backend-path "$plugin")
claim "an option that the backend lacks is refused in its words"
expect 5 "${prepare[@]}" "${cuda[@]}" --backend-options device=3
holds "there is no device 3" stderr
expect 5 "${prepare[@]}" "${cuda[@]}" --backend-options speed=9
holds "and not: speed=9" stderr
expect 5 "${prepare[@]}" --backend reference --backend-options speed=9
holds "there is no option speed=9" stderr

claim "training and synthesis differ from the reference by roundings alone"
train=(train unet --data set.h5 --source t1 --target t2 --width 16 --depth 2 --image-size 16 --batch 1 --epochs 1 --max-steps 2 --seed 5 "${one[@]}")
expect 0 "$slmt" "${train[@]}" --backend reference --out plain.h5 --log plain.jsonl
expect 0 "$slmt" "${train[@]}" "${cuda[@]}" --out model.h5 --log cuda.jsonl
head -n 1 cuda.jsonl >first
holds '"computes":"cuda: emulation' first
holds '"arithmetic":"float32"' first
last() { grep '"event":"step"' "$1" | tail -n 1 | sed 's/.*"loss":\([0-9.e-]*\).*/\1/'; }
awk "BEGIN { r = $(last cuda.jsonl) / $(last plain.jsonl); exit !(r > 0.999 && r < 1.001) }" ||
    die "the loss is $(last cuda.jsonl), of the reference $(last plain.jsonl)"
synthesize=("$slmt" synthesize --model model.h5 scans/t1/s00.nii.gz "${one[@]}")
expect 0 "${synthesize[@]}" "${cuda[@]}" --out one.nii
expect 0 "${synthesize[@]}" "${cuda[@]}" --out two.nii
cmp one.nii two.nii || die "two runs differ"
expect 0 "${synthesize[@]}" "${cuda[@]}" --backend-options eager --out eager.nii
cmp one.nii eager.nii || die "a captured graph changed the volume"

claim "tf32 is the cuda backend's own"
expect 5 "${synthesize[@]}" --arithmetic tf32 --out x.nii
holds "--arithmetic tf32" stderr
expect 0 "${synthesize[@]}" "${cuda[@]}" --arithmetic tf32 --out rough.nii
! cmp -s one.nii rough.nii || die "tf32 changed nothing"
