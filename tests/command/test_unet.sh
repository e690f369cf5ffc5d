#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The U-Net from scans to a volume by the slmt command: test_unet.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

one=(--threads 1 --quiet)
mkdir -p scans/t1 scans/t2 scans/flair
expect 0 "$make_phantom" make scans 4 3
expect 0 "$slmt" prepare --contrast t1=scans/t1 --contrast t2=scans/t2 --crop 64 --slices 2:16 --image-size 64 \
    --out set.h5 "${one[@]}"
train=(train unet --data set.h5 --source t1 --target t2 --image-size 64 --slices 3 --width 4 --depth 3 --batch 4 --epochs 3
    --seed 5 "${one[@]}")

claim "the command describes the method, its presets and its tasks"
expect 0 "$slmt" methods unet
holds "U-Net" stdout
holds "upsampling" stdout
expect 0 "$slmt" train unet --help
holds "--preset" stdout

claim "a U-Net learns one contrast from another, and logs its loss by name"
expect 0 "$slmt" "${train[@]}" --out unet.h5 --log train.jsonl
first=$(grep -m1 '"event":"step"' train.jsonl | sed 's/.*"loss":\([0-9.e-]*\).*/\1/')
last=$(grep '"event":"step"' train.jsonl | tail -n 1 | sed 's/.*"loss":\([0-9.e-]*\).*/\1/')
awk "BEGIN { exit !($last < 0.8 * $first) }" || die "the loss went from $first to $last"

claim "a run that was cut and resumed writes the same file"
expect 0 "$slmt" "${train[@]}" --out part.h5 --max-steps 5
expect 0 "$slmt" train --data set.h5 --resume part.h5 --out whole.h5 "${one[@]}"
cmp unet.h5 whole.h5 || die "the files differ"

claim "its checkpoint tells options and contrasts, and makes a volume"
expect 0 "$slmt" info unet.h5
holds "upsampling          transposed" stdout
holds "source_contrast     t1" stdout
holds "seed                5" stdout
expect 0 "$slmt" synthesize --model unet.h5 --from t1 --to t2 scans/t1/s03.nii.gz --out made.nii.gz "${one[@]}"
"$make_phantom" show made.nii.gz >stdout
grep -Eq '^64 64 20 0 [0-9.]+ 2 17$' stdout || die "not a volume in slices 2 to 17: $(cat stdout)"

claim "each size of a batch makes the same volume"
expect 0 "$slmt" synthesize --model unet.h5 scans/t1/s03.nii.gz --out many.nii.gz --batch 5 "${one[@]}"
cmp made.nii.gz many.nii.gz || die "the volumes differ"

claim "the map of what its source cannot make is drawn of its target, and of nothing else"
expect 0 "$slmt" differ --model unet.h5 --to t2 t1=scans/t1/s03.nii.gz t2=scans/t2/s03.nii.gz --out map.nii.gz \
    --threads 1
holds "map of t2 from 1 source, mean" stderr
expect 2 "$slmt" differ --model unet.h5 --to t1 t1=scans/t1/s03.nii.gz t2=scans/t2/s03.nii.gz --out x.nii.gz "${one[@]}"
holds "makes t2, not t1" stderr
expect 2 "$slmt" differ --model unet.h5 --to t2 flair=scans/flair/s03.nii.gz t2=scans/t2/s03.nii.gz --out x.nii.gz \
    "${one[@]}"
holds "from t1, not from flair" stderr
expect 2 "$slmt" differ --model unet.h5 --to t2 t2=scans/t2/s03.nii.gz --out x.nii.gz "${one[@]}"
holds "a volume t1=FILE is needed" stderr

claim "its figures stand beside those of the source and of the best monotone map"
expect 0 "$slmt" evaluate --model unet.h5 --data set.h5 --baselines "${one[@]}"
holds "monotone-map" stdout
grep -q '^unet ' stdout || die "no row of unet: $(cat stdout)"

claim "contrasts that are not named, images of another size and options out of range are refused"
expect 2 "$slmt" train unet --data set.h5 --image-size 64 --out x.h5 "${one[@]}"
expect 2 "$slmt" train unet --data set.h5 --source t1 --target t2 --image-size 32 --depth 3 --out x.h5 "${one[@]}"
holds "64" stderr
expect 2 "$slmt" train unet --data set.h5 --source t1 --target t2 --image-size 64 --slices 2 --out x.h5 "${one[@]}"
holds "odd" stderr
[ ! -e x.h5 ] || die "a file was written"
