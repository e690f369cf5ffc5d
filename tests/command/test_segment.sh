#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Networks that label pixels, from scans and label maps to a checkpoint, by the slmt command:
# test_segment.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

one=(--threads 1 --quiet)
mkdir -p scans/t1 scans/t2 tissues
expect 0 "$make_phantom" make scans 4
expect 0 "$make_phantom" labels tissues 4
prepare=(prepare --contrast t1=scans/t1 --contrast t2=scans/t2 --crop 64 --slices 2:16 --image-size 64)
expect 0 "$slmt" "${prepare[@]}" --labels tissue=tissues --out set.h5 "${one[@]}"
small=(--channels 2 --classes 0,1,2,3,4 --width 4 --rows 48 --columns 48 --batch 4 --epochs 3 --learning-rate 0.01 --seed 5 "${one[@]}")

claim "a network learns tissues from two contrasts, and logs its losses by name"
expect 0 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --out segnet.h5 --log train.jsonl
first=$(grep -m1 '"event":"step"' train.jsonl | sed 's/.*"loss":\([0-9.e-]*\).*/\1/')
last=$(grep '"event":"step"' train.jsonl | tail -n 1 | sed 's/.*"loss":\([0-9.e-]*\).*/\1/')
awk "BEGIN { exit !($last < 0.9 * $first) }" || die "the loss went from $first to $last"
grep -q '"cross_entropy":.*"dice":' train.jsonl || die "the log does not name the losses"

claim "a run that was cut and resumed writes the same file"
expect 0 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --out part.h5 --max-steps 7
expect 0 "$slmt" train --data set.h5 --resume part.h5 --out whole.h5 "${one[@]}"
cmp segnet.h5 whole.h5 || die "the files differ"

first_of() {
    grep -m1 '"event":"step"' "$1" | sed 's/.*"'"$2"'":\([0-9.e-]*\).*/\1/'
}

claim "the weights of classes are found in the training crops, are logged, and make the run that has them given"
expect 0 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --class-weights median --out median.h5 --max-steps 2 --log median.jsonl
expect 0 "$slmt" info median.h5
found=$(sed -n 's/^.*class_weights  *\([0-9][0-9.e,-]*\) *$/\1/p' stdout | tail -n 1)
[ "$(echo "$found" | tr -cd , | wc -c)" -eq 4 ] || die "the weights are '$found'"
expect 0 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --class-weights "$found" --out given.h5 --max-steps 2 --log given.jsonl
steps_of() {
    grep '"event":"step"' "$1" | sed 's/,"seconds".*//'
}
[ -n "$(steps_of median.jsonl)" ] && [ "$(steps_of median.jsonl)" = "$(steps_of given.jsonl)" ] || die "the steps differ"

claim "pixels between objects weigh more in the cross-entropy, and classes keep their weights"
expect 0 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --class-weights "$found" --border-weight 1e-12 --out no.h5 --max-steps 1 --log little.jsonl
expect 0 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --class-weights "$found" --border-weight 10 --out no.h5 --max-steps 1 --log border.jsonl
awk -v a="$(first_of given.jsonl cross_entropy)" -v b="$(first_of little.jsonl cross_entropy)" -v c="$(first_of border.jsonl cross_entropy)" \
    'BEGIN { exit !((a - b) ^ 2 < 1e-10 && (a - c) ^ 2 > 1e-6) }' || die "the losses are not as they should be"
rm no.h5

claim "its checkpoint tells classes and contrasts"
expect 0 "$slmt" info segnet.h5
holds "classes             0,1,2,3,4" stdout
holds "contrasts           t1, t2" stdout

claim "scans get a label map of whole numbers on their own grid, and figures against the truth"
expect 0 "$slmt" segment --model segnet.h5 t2=scans/t2/s03.nii.gz t1=scans/t1/s03.nii.gz --out labels.nii.gz \
    --probabilities p --truth tissues/s03.nii.gz --csv scores.csv --mirror "${one[@]}" --log segment.jsonl
grep -q '"event":"labels"' segment.jsonl || die "the log does not tell the labels"
[ "$(cut -d , -f 1 scores.csv | tr '\n' ' ')" = "class 0 1 2 3 4 " ] || die "scores.csv has other rows"
awk -F , 'NR > 1 { truth += $3; answer += $4 } END { exit !(truth == answer) }' scores.csv || die "voxels are missing"
[ "$(od -An -tu2 -j 70 -N 2 <(gzip -dc labels.nii.gz))" -eq 4 ] || die "labels are not int16"
for value in 0 1 2 3 4; do
    [ -s p/$value.nii.gz ] || die "p/$value.nii.gz is missing"
done

claim "segment refuses what does not fit, by name, and writes nothing"
expect 2 "$slmt" segment --model segnet.h5 t1=scans/t1/s03.nii.gz --out no.nii.gz "${one[@]}"
holds "t2=FILE is missing" stderr
expect 2 "$slmt" segment --model segnet.h5 t1=scans/t1/s03.nii.gz pd=scans/t2/s03.nii.gz --out no.nii.gz "${one[@]}"
holds "is trained on t1, t2, not on pd" stderr
expect 2 "$slmt" segment --model segnet.h5 t1=scans/t1/s03.nii.gz t2=scans/t2/s03.nii.gz --out scans/t2/s03.nii.gz "${one[@]}"
[ "$(od -An -tu2 -j 70 -N 2 <(gzip -dc scans/t2/s03.nii.gz))" -ne 0 ] || die "an input was replaced"
expect 2 "$slmt" segment --model segnet.h5 t1=scans/t1/s03.nii.gz t2=scans/t2/s03.nii.gz --overlap 1 --out no.nii.gz "${one[@]}"
holds "--overlap: 1, expected a number from 0 to 0.9" stderr
[ ! -e no.nii.gz ] || die "a file was written"

claim "volumes are learnt in three dimensions, from one contrast that is named, with any of the losses"
expect 0 "$slmt" train vnet --data set.h5 --source t2 --classes 0=ground,1,2,3,4 --width 2 --rows 32 --columns 48 \
    --slices 16 --crops 2 --batch 2 --epochs 2 --focal 1 --hard 1 --lovasz 1 --generalized-dice 1 --tversky 1 \
    --class-weights 0.1,1,1,1,2 --label-smoothing 0.1 --out vnet.h5 "${one[@]}"
expect 0 "$slmt" info vnet.h5
holds "contrasts           t2" stdout

claim "pixels of a value that does not count are left out"
expect 0 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --classes 0,1,2,3 --ignored-value 4 --max-steps 1 --out x.h5
rm x.h5

claim "sets and options that do not fit are refused, and nothing is written"
expect 2 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --classes 0,1,2,3 --out x.h5
holds "the label map tissue has the value 4, and the model's classes are 0,1,2,3" stderr
expect 2 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --channels 1 --out x.h5
holds "the set has 2 contrasts, t1, t2, and the model takes 1" stderr
expect 2 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --rows 65 --out x.h5
holds "crops have 1 of 65 x 48" stderr
expect 3 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --labels organ --out x.h5
holds "no label map organ; it has tissue" stderr
expect 2 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --class-weights 1,2 --out x.h5
holds "--class-weights has 2 numbers for 5 classes" stderr
expect 2 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --classes 0,two --out x.h5
holds "classes" stderr
expect 0 "$slmt" "${prepare[@]}" --out bare.h5 "${one[@]}"
expect 2 "$slmt" train segnet-basic --data bare.h5 "${small[@]}" --out x.h5
holds "no label maps" stderr
[ ! -e x.h5 ] || die "a file was written"

# ---- what scans and label maps may be like ----

claim "label maps that are not whole numbers, or lie on another grid, are left out by name, with their subject's scans kept"
mkdir half grids
for s in s00 s01 s02 s03; do
    cp tissues/$s.nii.gz half && cp tissues/$s.nii.gz grids
done
"$make_phantom" air tissues/s01.nii.gz half/s01.nii.gz 0.5 && "$make_phantom" raise tissues/s01.nii.gz grids/s01.nii.gz 1 || die
expect 1 "$slmt" "${prepare[@]}" --labels tissue=half --out half.h5 "${one[@]}"
holds "s01: left out" stderr
holds "whole number" stderr
expect 1 "$slmt" "${prepare[@]}" --labels tissue=grids --out grids.h5 "${one[@]}"
holds "s01" stderr
holds "grid" stderr

claim "a class that never occurs may be named: the network learns that it is absent"
expect 0 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --classes 0,1,2,3,4,9=rare --epochs 12 --out rare.h5
expect 0 "$slmt" evaluate --model rare.h5 --data set.h5 --split all --csv rare.csv "${one[@]}"
[ "$(grep -c '^segnet-basic,subject,s0.,9=rare,9,,,,,' rare.csv)" -eq 4 ] || die "$(grep rare, rare.csv)"
awk -F , '$2 == "subject" && $4 == "9=rare" { answers += $14 } END { exit answers > 0 }' rare.csv || die "it is found"

claim "subjects that are all background train and are scored: they have figures of the background alone"
mkdir empty && cp tissues/*.nii.gz empty && "$make_phantom" cut empty/s00.nii.gz 0 && "$make_phantom" cut empty/s03.nii.gz 0
expect 0 "$slmt" "${prepare[@]}" --labels tissue=empty --test s02,s03 --out empty.h5 "${one[@]}"
expect 0 "$slmt" train segnet-basic --data empty.h5 "${small[@]}" --out empty_model.h5
expect 0 "$slmt" evaluate --model empty_model.h5 --data empty.h5 --csv empty.csv "${one[@]}"
grep -q '^segnet-basic,subject,s03,0,0,[01.]' empty.csv || die "$(cat empty.csv)"
expect 0 "$slmt" evaluate --model rare.h5 --data empty.h5 --csv empty.csv "${one[@]}"
grep -q '^segnet-basic,subject,s03,9=rare,9,,,,,1,,,0,0,0$' empty.csv || die "$(cat empty.csv)"

claim "scans that are smaller than the crop are labelled on their own grid, and those with too few slices are refused by name"
wide=(prepare --contrast t1=scans/t1 --labels tissue=tissues --crop 80 --slices 2:16 --image-size 80)
expect 0 "$slmt" "${wide[@]}" --out wide.h5 "${one[@]}"
expect 0 "$slmt" train segnet-basic --data wide.h5 "${small[@]}" --channels 1 --out wide_model.h5
expect 0 "$slmt" segment --model wide_model.h5 scans/t1/s03.nii.gz --out wide.nii.gz --truth tissues/s03.nii.gz --csv wide.csv \
    "${one[@]}"
awk -F , 'NR > 1 { answer += $4 } END { exit answer != 64 * 64 * 20 }' wide.csv || die "voxels are missing"
"$make_phantom" box short.nii.gz 100 4 4 2 4 4 2 || die
expect 3 "$slmt" segment --model wide_model.h5 short.nii.gz --any-spacing --out no.nii.gz "${one[@]}"
holds "short.nii.gz: " stderr
holds "too few slices: the volume has 6 axial slices" stderr
expect 2 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --rows 80 --columns 80 --out x.h5
holds "choose fewer by the settings slices, rows and columns" stderr

claim "a random field refines labels, and its numbers are checked"
expect 0 "$slmt" segment --model segnet.h5 t1=scans/t1/s03.nii.gz t2=scans/t2/s03.nii.gz --out crf.nii.gz --crf "${one[@]}"
expect 0 "$slmt" segment --model segnet.h5 t1=scans/t1/s03.nii.gz t2=scans/t2/s03.nii.gz --out crf3.nii.gz --crf --crf-axes 3 \
    --crf-steps 2 "${one[@]}"
cmp -s crf.nii.gz crf3.nii.gz && die "slices and the volume give the same"
for bad in "--crf-weight -1" "--crf-near-sd 0" "--crf-intensity-sd 0" "--crf-axes 1"; do
    # shellcheck disable=SC2086 # an option and its value
    expect 2 "$slmt" segment --model segnet.h5 t1=scans/t1/s03.nii.gz t2=scans/t2/s03.nii.gz --out no.nii.gz --crf $bad "${one[@]}"
    holds "${bad% *}: " stderr
done
expect 2 "$slmt" segment --model segnet.h5 t1=scans/t1/s03.nii.gz t2=scans/t2/s03.nii.gz --out no.nii.gz --crf-steps 2 "${one[@]}"
holds "--crf-steps needs --crf" stderr
[ ! -e no.nii.gz ] || die "a file was written"
