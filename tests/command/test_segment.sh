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
holds "class_weights has 2 numbers for 5 classes" stderr
expect 2 "$slmt" train segnet-basic --data set.h5 "${small[@]}" --classes 0,two --out x.h5
holds "classes" stderr
expect 0 "$slmt" "${prepare[@]}" --out bare.h5 "${one[@]}"
expect 2 "$slmt" train segnet-basic --data bare.h5 "${small[@]}" --out x.h5
holds "no label maps" stderr
[ ! -e x.h5 ] || die "a file was written"

claim "a student is trained from a teacher, whose options it has, and finds its settings before the first step"
paced=(--rows 48 --columns 48 --batch 2 --crops 2 --epochs 4 --period 1 --data-rate 0.7 --learning-rate 0.01 --seed 7 --threads 1)
expect 0 "$slmt" train segnet-basic --teacher segnet.h5 --data set.h5 "${paced[@]}" --out student.h5 --log paced.jsonl
holds "found before the first step: calibration" stderr
holds "found before the first step: threshold" stderr
grep -q '"threshold":.*"admitted":' paced.jsonl || die "the log does not tell the threshold"
expect 0 "$slmt" info student.h5
holds "classes             0,1,2,3,4" stdout
holds "segnet.h5" stdout

claim "a student's run that was cut goes on with its teacher to the same file, and with no other"
expect 0 "$slmt" train segnet-basic --teacher segnet.h5 --data set.h5 "${paced[@]}" --out cut.h5 --max-steps 3 --quiet
expect 2 "$slmt" train --data set.h5 --resume cut.h5 --out on.h5 "${one[@]}"
holds "cut.h5 began with the model segnet.h5" stderr
expect 2 "$slmt" train --data set.h5 --resume cut.h5 --teacher student.h5 --out on.h5 "${one[@]}"
holds "is another model than the one that training began with" stderr
[ ! -e on.h5 ] || die "a file was written"
expect 0 "$slmt" train --data set.h5 --resume cut.h5 --teacher segnet.h5 --out on.h5 "${one[@]}"
cmp student.h5 on.h5 || die "the files differ"
expect 0 "$slmt" segment --model student.h5 t1=scans/t1/s03.nii.gz t2=scans/t2/s03.nii.gz --out labels.nii.gz "${one[@]}"

claim "what does not fit a teacher is refused by the option's name"
expect 2 "$slmt" train segnet-basic --teacher segnet.h5 --data set.h5 --width 8 --out x.h5 "${one[@]}"
holds "--width cannot be used with --teacher" stderr
expect 2 "$slmt" train segnet-basic --task train --teacher segnet.h5 --data set.h5 --out x.h5 "${one[@]}"
holds "--teacher: task train of segnet-basic learns from no second model" stderr
expect 2 "$slmt" train segnet-basic --task distill --data set.h5 --channels 2 --classes 0,1,2,3,4 --out x.h5 "${one[@]}"
holds "--teacher is needed" stderr
expect 2 "$slmt" train vnet --teacher segnet.h5 --data set.h5 --out x.h5 "${one[@]}"
holds "segnet.h5: is a model of segnet-basic, not of vnet" stderr
expect 2 "$slmt" train segnet-basic --teacher segnet.h5 --data set.h5 "${paced[@]}" --data-rate 1 --out x.h5 --quiet
holds "data_rate of 1 holds no training subject out" stderr
[ ! -e x.h5 ] || die "a file was written"
