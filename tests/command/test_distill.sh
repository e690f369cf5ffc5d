#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A network that labels pixels learns from a teacher, by the slmt command: test_distill.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

one=(--threads 1 --quiet)
mkdir -p scans/t1 scans/t2 tissues
expect 0 "$make_phantom" make scans 4
expect 0 "$make_phantom" labels tissues 4
expect 0 "$slmt" prepare --contrast t1=scans/t1 --contrast t2=scans/t2 --crop 64 --slices 2:16 --image-size 64 \
    --labels tissue=tissues --out set.h5 "${one[@]}"
expect 0 "$slmt" train segnet-basic --data set.h5 --channels 2 --classes 0,1,2,3,4 --width 4 --rows 48 --columns 48 --batch 4 \
    --epochs 3 --learning-rate 0.01 --seed 5 --out segnet.h5 "${one[@]}"

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
holds "--data-rate is 1 and holds no training subject out" stderr
[ ! -e x.h5 ] || die "a file was written"
