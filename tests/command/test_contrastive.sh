#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A U-Net that is pre-trained in stages, from scans and label maps to labels, by the slmt command:
# test_contrastive.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

one=(--threads 1 --quiet)
mkdir -p scans/t1 scans/t2 tissues
expect 0 "$make_phantom" make scans 4
expect 0 "$make_phantom" labels tissues 4
prepare=(prepare --contrast t1=scans/t1 --crop 64 --slices 2:16 --image-size 64 --test s03)
expect 0 "$slmt" "${prepare[@]}" --labels tissue=tissues --out labelled.h5 "${one[@]}"
expect 0 "$slmt" "${prepare[@]}" --out plain.h5 "${one[@]}"
network=(--classes 0,1,2,3,4 --widths 4,4,4,4,4,4 --blocks 3 --hidden 16 --embedding 8 --dense 8)
cut=(--crop-first 0 --crop-last 20 --steps 3 --epochs 2 --batch 8 --seed 5 "${one[@]}")

claim "the encoder learns from scans without labels, and the image size is the set's"
expect 0 "$slmt" train contrastive --task global --data plain.h5 "${network[@]}" --crop 40 "${cut[@]}" --out global.h5
expect 0 "$slmt" info global.h5
holds "image_size          64" stdout
holds "contrasts           t1" stdout

claim "a run that was cut and resumed writes the same file"
expect 0 "$slmt" train contrastive --task global --data plain.h5 "${network[@]}" --crop 40 "${cut[@]}" --out part.h5 \
    --max-steps 2
expect 0 "$slmt" train --data plain.h5 --resume part.h5 --out whole.h5 "${one[@]}"
cmp global.h5 whole.h5 || die "the files differ"

claim "the decoder learns behind that encoder, then all of it learns labels"
expect 0 "$slmt" train contrastive --task local --model global.h5 --data plain.h5 --steps 3 --epochs 1 --batch 4 "${one[@]}" --out local.h5
expect 0 "$slmt" train contrastive --task finetune --model local.h5 --data labelled.h5 --steps 30 --epochs 1 --batch 4 --data-rate 0.4 \
    --learning-rate 0.01 "${one[@]}" --log train.jsonl --out model.h5
first=$(grep -m1 '"event":"step"' train.jsonl | sed 's/.*"loss":\([0-9.e-]*\).*/\1/')
last=$(grep '"event":"step"' train.jsonl | tail -n 1 | sed 's/.*"loss":\([0-9.e-]*\).*/\1/')
awk "BEGIN { exit !($last < 0.95 * $first) }" || die "the loss went from $first to $last"

claim "the model labels scans"
expect 0 "$slmt" segment --model model.h5 scans/t1/s03.nii.gz --out labels.nii.gz --truth tissues/s03.nii.gz --csv scores.csv \
    "${one[@]}"
[ "$(cut -d , -f 1 scores.csv | tr '\n' ' ')" = "class 0 1 2 3 4 " ] || die "scores.csv has other rows"

claim "what does not fit is refused by name"
expect 2 "$slmt" train contrastive --task finetune --model local.h5 --data plain.h5 --out no.h5 "${one[@]}"
holds "the set has no label maps" stderr
expect 2 "$slmt" train contrastive --task global --data plain.h5 "${network[@]}" --batch 16 --crop-last 20 --out no.h5 "${one[@]}"
holds "is of 4 volumes, and the set has 3" stderr
expect 2 "$slmt" train contrastive --data plain.h5 --out no.h5 "${one[@]}"
holds "contrastive trains global, local, finetune" stderr
