#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What networks multiply, chosen by --arithmetic: test_arithmetic.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

one=(--threads 1 --quiet)
mkdir -p scans/t1 scans/t2 scans/flair
expect 0 "$make_phantom" make scans 3 3
expect 0 "$slmt" prepare --contrast t1=scans/t1 --contrast t2=scans/t2 --crop 64 --slices 2:6 --image-size 128 \
    --test-fraction 0.34 --out set.h5 "${one[@]}"
train=(finetune --data set.h5 --source t1 --target t2 --image-size 128 --embed-dim 8 --depth 1 --num-heads 2
    --decoder-dim 8 --decoder-depth 1 --decoder-heads 2 --generator-heads 2,2,4,8 --batch 2 --warmup-epochs 0 --epochs 1
    --seed 5 "${one[@]}")

# psnr FILE: the network's figure in a table of evaluate
psnr() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "psnr") at = i } NR == 2 { print $at }' "$1"; }

claim "a name that there is not is refused, with those that there are"
expect 2 "$slmt" "${train[@]}" --arithmetic half --out x.h5
holds "float32" stderr
holds "bf16" stderr

claim "auto is float32, and the log's first event says it"
expect 0 "$slmt" "${train[@]}" --out plain.h5 --log plain.jsonl
expect 0 "$slmt" "${train[@]}" --arithmetic auto --out auto.h5
expect 0 "$slmt" "${train[@]}" --arithmetic float32 --out float32.h5
cmp plain.h5 auto.h5 || die "auto is not the default"
cmp plain.h5 float32.h5 || die "auto is not float32"
head -n 1 plain.jsonl >first
holds '"event":"start","computes":"cpu: ' first
holds '"arithmetic":"float32"' first

claim "--version says whether this machine multiplies bfloat16"
expect 0 "$slmt" --version
holds "products  float32" stdout
if ! grep -q "^products  float32, bf16$" stdout; then
    holds "bfloat16 arithmetic needs" stdout
    expect 5 "$slmt" "${train[@]}" --arithmetic bf16 --out x.h5
    holds "--arithmetic bf16" stderr
    holds "bfloat16 arithmetic needs" stderr
    [ ! -e x.h5 ] || die "a file was written"
    exit 0
fi

claim "OpenBLAS has no bfloat16, nor has the reference backend: the option is named"
expect 5 "$slmt" "${train[@]}" --arithmetic bf16 --backend reference --out x.h5
holds "--arithmetic bf16" stderr
expect 5 "$slmt" "${train[@]}" --arithmetic bf16 --matrix openblas --out x.h5
holds "--arithmetic bf16" stderr

claim "training differs by what bfloat16 rounds, and ends as near to the truth"
expect 0 "$slmt" "${train[@]}" --arithmetic bf16 --out rough.h5 --log rough.jsonl
head -n 1 rough.jsonl >first
holds 'bfloat16 arithmetic' first
holds '"arithmetic":"bf16"' first
! cmp -s plain.h5 rough.h5 || die "bf16 changed nothing"
last() { grep '"event":"step"' "$1" | tail -n 1 | sed 's/.*"loss":\([0-9.e-]*\).*/\1/'; }
awk "BEGIN { r = $(last rough.jsonl) / $(last plain.jsonl); exit !(r > 0.9 && r < 1.1) }" ||
    die "the loss is $(last rough.jsonl), in float32 $(last plain.jsonl)"

claim "a run that was cut and resumed writes the same file"
expect 0 "$slmt" "${train[@]}" --arithmetic bf16 --out part.h5 --max-steps 2
expect 0 "$slmt" finetune --data set.h5 --resume part.h5 --arithmetic bf16 --out whole.h5 "${one[@]}"
cmp rough.h5 whole.h5 || die "the files differ"

claim "a synthesis differs by little, and twice it is the same"
synthesize=("$slmt" synthesize --model plain.h5 scans/t1/s02.nii.gz "${one[@]}")
expect 0 "${synthesize[@]}" --out full.nii
expect 0 "${synthesize[@]}" --out rough.nii --arithmetic bf16 --log rough.jsonl --sidecar on
holds '"arithmetic":"bf16"' rough.jsonl
holds '"arithmetic":	"bf16"' rough.json
cp rough.nii first.nii
expect 0 "${synthesize[@]}" --out rough.nii --arithmetic bf16
cmp rough.nii first.nii || die "two runs differ"
! cmp -s full.nii rough.nii || die "bf16 changed nothing"

claim "the figures of an evaluation change by less than 0.05 dB"
evaluate=("$slmt" evaluate --model plain.h5 --data set.h5 --split all "${one[@]}")
expect 0 "${evaluate[@]}" --csv full.csv
expect 0 "${evaluate[@]}" --csv rough.csv --arithmetic bf16 --log rough.jsonl
holds '"arithmetic":"bf16"' rough.jsonl
awk "BEGIN { d = $(psnr full.csv) - $(psnr rough.csv); exit !(d < 0.05 && d > -0.05) }" ||
    die "$(psnr full.csv) became $(psnr rough.csv)"
