#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Figures of the slmt command, evaluate, rank and differ: test_evaluate.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

# of FILE METHOD LEVEL DEFINITION COLUMN: one number of a CSV file of evaluate
of() {
    awk -F, -v method="$2" -v level="$3" -v definition="$4" -v column="$5" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
        NR > 1 && $1 == method && $2 == level && $at["definition"] == definition { print $at[column]; exit }' "$1"
}

# about A B: equal to a part in 100 000
about() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && b != "" && (a - b) ^ 2 <= 1e-10 * (1 + b * b)) }'; }

# Six subjects; in half.h5 the target of the last two, the test subjects, ends at slice 12.
common=(--threads 1 --quiet)
mkdir -p raw/t1 raw/t2 raw/tissue
expect 0 "$make_phantom" make raw 6
expect 0 "$make_phantom" labels raw/tissue 6
cut=(--crop 64 --slices 0:20 --image-size 128)
both=(--contrast t1=raw/t1 --contrast t2=raw/t2 --labels tissue=raw/tissue)
sizes=(--image-size 128 --embed-dim 8 --depth 1 --num-heads 2 --decoder-dim 8 --decoder-depth 1 --decoder-heads 2
    --generator-heads 2,2,4,8)
expect 0 "$slmt" prepare "${both[@]}" "${cut[@]}" --test s04,s05 --validation s03 --out full.h5 --quiet
expect 0 "$make_phantom" cut raw/t2/s04.nii.gz 12
expect 0 "$make_phantom" cut raw/t2/s05.nii.gz 12
expect 0 "$slmt" prepare "${both[@]}" "${cut[@]}" --test s04,s05 --validation s03 --out half.h5 --quiet
expect 0 "$slmt" finetune --data full.h5 --source t1 --target t2 "${sizes[@]}" --epochs 2 --warmup-epochs 0 --batch 8 \
    --learning-rate 0.003 --data-rate 1 --augment off --seed 3 --out model.h5 "${common[@]}"
evaluate=(evaluate --model model.h5 --threads 1 --quiet)

claim "the table names its definition, and says how many slices were empty"
expect 0 "$slmt" "${evaluate[@]}" --data half.h5 --baselines --csv half.csv --log half.jsonl
holds "t1 to t2, subjects: 2" stdout
holds "slices: 40, of which 16 are empty" stdout
holds "definition volume: " stdout
grep -Eq '^method +subject +PSNR dB +SSIM +SSIM range 2 +NMSE +MAE$' stdout || die "other columns: $(cat stdout)"
[ "$(grep -c '"event":"summary"' half.jsonl)" -eq 3 ] || die "not three summaries"
[ "$(grep -c '"definition":"volume","slices":20,"empty":8' half.jsonl)" -eq 6 ] || die "other subjects: $(cat half.jsonl)"
grep -Eq '^slmt-net against monotone-map: PSNR [+-][0-9.]+ dB \(95 % interval [+-][0-9.]+ to [+-][0-9.]+\), better in [012] of 2 subjects$' stdout ||
    die "no comparison: $(cat stdout)"

claim "a model that is scored in another direction than its own is warned of, and only that"
expect 0 "$slmt" "${evaluate[@]}" --data half.h5 --source t2 --target t1
holds "warning: --source: model.h5 starts from t1, not t2: the figures are not those of what it was trained for" stderr
holds "warning: --target: model.h5 makes t2, not t1: the figures" stderr
expect 6 "$slmt" "${evaluate[@]}" --data half.h5 --source t2 --target t1 --strict
expect 0 "$slmt" "${evaluate[@]}" --data half.h5 --source t1 --target t2 --strict
lacks warning stderr

claim "empty slices have rows of their own, without an NMSE"
[ "$(grep -c '^source,slice,' half.csv)" -eq 24 ] || die "not 24 slices"
[ "$(grep -c '^source,empty,' half.csv)" -eq 16 ] || die "not 16 empty slices"
awk -F, '$2 == "empty" && ($8 != "" || $9 != "" || $5 == "") { exit 1 }' half.csv || die "an empty slice has an NMSE"

claim "the figures of a subject follow from those of its slices, by each definition"
awk -F, '
    function near(a, b) { return a != "" && (a - b) ^ 2 <= 1e-10 * (1 + b * b) }
    $2 == "slice" || $2 == "empty" {
        key = $1 "," $3
        error[key] += $5 < 100 ? 10 ^ (-$5 / 10) : 0; mae[key] += $10; all[key]++
        paper_psnr[key] += $5; paper_nmse[key] += $8
    }
    $2 == "slice" { psnr[key] += $5; ssim[key] += $6; nmse[key] += $8; n[key]++ }
    $2 == "subject" {
        key = $1 "," $3
        if ($11 == "volume" && !(near($5, -10 * log(error[key] / all[key]) / log(10)) && near($10, mae[key] / all[key]) &&
            near($6, ssim[key] / n[key]) && $9 == "")) exit 1
        if ($11 == "slice" && !(near($5, psnr[key] / n[key]) && near($6, ssim[key] / n[key]) &&
            near($8, nmse[key] / n[key]))) exit 1
        if ($11 == "paper" && !(near($5, paper_psnr[key] / all[key]) && near($8, paper_nmse[key] / all[key]))) exit 1
        if ($12 != 20 || $13 != 8) exit 1
        rows++
        sum[$1, $11] += $5; square[$1, $11] += $5 * $5
    }
    $2 == "mean" && !near($5, sum[$1, $11] / 2) { exit 1 }
    $2 == "sd" && ($5 ^ 2 - (square[$1, $11] - sum[$1, $11] ^ 2 / 2)) ^ 2 > 1e-6 { exit 1 }
    END { exit rows != 18 }' half.csv || die "a row does not follow from the others: $(grep subject half.csv)"

claim "empty slices move the figures of the paper's definition and not the others"
expect 0 "$slmt" "${evaluate[@]}" --data half.h5 --baselines --mask head --csv masked.csv --definition slice
holds "definition slice: " stdout
holds "mask: head" stdout
for method in slmt-net source monotone-map; do
    paper=$(of half.csv $method mean paper psnr) slice=$(of half.csv $method mean slice psnr)
    about "$paper" "$slice" && die "$method: $paper dB whatever is counted"
done
awk -v a="$(of half.csv source mean paper nmse)" -v b="$(of half.csv source mean slice nmse)" \
    'BEGIN { exit !(a < 0.7 * b) }' || die "the paper's NMSE does not fall with empty slices"

claim "a mask is the head, or a label map of the set; a name that is not there is told"
awk -v a="$(of masked.csv source mean slice mae)" -v b="$(of half.csv source mean slice mae)" \
    'BEGIN { exit !(a > b) }' || die "the MAE inside the head is not above that of the whole slice"
expect 0 "$slmt" "${evaluate[@]}" --data full.h5 --mask head --csv inside.csv
expect 0 "$slmt" "${evaluate[@]}" --data full.h5 --mask tissue --csv labelled.csv
awk -v a="$(of inside.csv slmt-net mean volume psnr)" -v b="$(of labelled.csv slmt-net mean volume psnr)" \
    'BEGIN { exit !(a != "" && b - a > 0.1 && b - a < 2) }' ||
    die "the label map is not the head without the pixel at its edge that resizing adds"
expect 2 "$slmt" "${evaluate[@]}" --data full.h5 --mask lesion
holds "no label maps 'lesion'" stderr

claim "mask files are cut as the set's volumes were: a folder, a pattern, or one file for all"
for place in raw/tissue 'raw/tissue/*.nii.gz'; do
    expect 0 "$slmt" "${evaluate[@]}" --data full.h5 --mask "$place" --csv files.csv
    cmp files.csv labelled.csv || die "$place: other figures than of the label map in the set"
done
lacks warning stderr
expect 0 "$slmt" "${evaluate[@]}" --data full.h5 --mask raw/tissue/s04.nii.gz --csv single.csv
about "$(of single.csv slmt-net subject volume psnr)" "$(of labelled.csv slmt-net subject volume psnr)" ||
    die "one file for all gives other figures of its own subject"
rm raw/tissue/s05.nii.gz
expect 2 "$slmt" "${evaluate[@]}" --data full.h5 --mask raw/tissue
holds "raw/tissue has no file for subject s05" stderr
expect 3 "$slmt" "${evaluate[@]}" --data full.h5 --mask raw/t1
holds "expected a whole number" stderr

claim "a mask on another grid is refused, and one that lies beside the head is warned of"
expect 0 "$make_phantom" finer raw/tissue/s04.nii.gz finer.nii
expect 3 "$slmt" "${evaluate[@]}" --data full.h5 --mask finer.nii
holds "finer.nii: has voxels of 0.5 x 0.5 x 1 mm in a field of 64 x 64 x 20 mm; the volumes of the set have 1 x 1 x 1 mm" stderr
expect 0 "$make_phantom" invert raw/tissue/s04.nii.gz
expect 0 "$slmt" "${evaluate[@]}" --data full.h5 --mask raw/tissue/s04.nii.gz
holds "warning: --mask: s04: " stderr
holds "of the mask 'raw/tissue/s04.nii.gz' lies outside the head" stderr

claim "the parts of a set are scored one by one; a part without pairs ends with 2 and says where there are some"
expect 0 "$slmt" "${evaluate[@]}" --data full.h5 --split validation
holds "subjects: 1" stdout
holds "n = 1: there is no sd" stdout
expect 0 "$slmt" "${evaluate[@]}" --data full.h5 --split all
holds "subjects: 6" stdout
expect 0 "$slmt" prepare "${both[@]}" "${cut[@]}" --test-fraction 0 --out train.h5 --quiet
echo kept >kept.csv
expect 2 "$slmt" "${evaluate[@]}" --data train.h5 --csv kept.csv
holds "no subject of --split test has both t1 and t2; train has 6 such subjects, validation 0, test 0" stderr
[ "$(cat kept.csv)" = kept ] || die "the CSV file was emptied by a run that failed"

claim "with one subject there is no sd: '-' in the table, nothing in CSV, null in the log"
expect 0 "$slmt" "${evaluate[@]}" --data full.h5 --split validation --csv one.csv --log one.jsonl
grep -Eq '^slmt-net +sd +- +- ' stdout || die "no '-': $(cat stdout)"
[ "$(of one.csv slmt-net sd volume psnr)" = "" ] || die "the CSV has an sd of one subject"
grep -q '^slmt-net,sd,,,,,,,,,volume' one.csv || die "no empty sd: $(grep sd one.csv)"
grep -q '"sd":{"psnr":null' one.jsonl || die "the log's sd is not null"
! grep -qi nan one.csv || die "a NaN in the CSV"

claim "a subject whose target has no signal is named and left out; with --strict that is a failure"
mkdir -p same/t1 same/t2
expect 0 "$make_phantom" make same 3
for subject in s00 s01 s02; do expect 0 "$make_phantom" cut same/t2/$subject.nii.gz 18; done
expect 0 "$make_phantom" cut same/t2/s02.nii.gz 1
expect 0 "$slmt" prepare --contrast t1=same/t1 --contrast t2=same/t2 --crop 64 --slices 1:16 --image-size 128 \
    --test s01,s02 --out dark.h5 --quiet
expect 0 "$slmt" "${evaluate[@]}" --data dark.h5 --baselines --csv dark.csv
holds "warning: s02: is left out: no slice of t2 has signal" stderr
holds "subjects: 1" stdout
grep -q '^source,empty,s02,0,' dark.csv || die "the empty slices of s02 are not in the CSV"
! grep -q ',subject,s02,' dark.csv || die "s02 has figures"
expect 6 "$slmt" "${evaluate[@]}" --data dark.h5 --strict

claim "a perceptual distance is measured with the weights of a VGG19, and with no other model"
expect 0 "$make_phantom" vgg19 judge.h5
expect 0 "$slmt" "${evaluate[@]}" --data half.h5 --baselines --perceptual judge.h5 --csv seen.csv --batch 3
grep -Eq '^method +subject .* VGG19 distance$' stdout || die "no such column: $(cat stdout)"
head -n 1 seen.csv | grep -q ',mae,perceptual,definition,' || die "no such column: $(head -n 1 seen.csv)"
about "$(of seen.csv source mean volume psnr)" "$(of half.csv source mean volume psnr)" || die "other figures than without"
awk -F, '$2 == "slice" { sum[$1, $3] += $11; n[$1, $3]++ }
    $2 == "subject" && $12 != "paper" { rows++; if (!($11 > 0) || ($11 - sum[$1, $3] / n[$1, $3]) ^ 2 > 1e-10 * $11 ^ 2) exit 1 }
    END { exit rows != 12 }' seen.csv || die "distances of subjects are not the means of their slices"
expect 2 "$slmt" "${evaluate[@]}" --data half.h5 --perceptual model.h5
holds "--perceptual: model.h5 is a model of slmt-net, not of vgg19" stderr

expect 2 "$slmt" evaluate --model judge.h5 --data half.h5
holds "vgg19 has no task whose images can be compared with true ones" stderr

claim "a model of several contrasts is evaluated for a pair of them, and one seen with its neighbours as synthesize sees it"
mkdir -p three/t1 three/t2 three/flair
expect 0 "$make_phantom" make three 4 3
rm three/flair/s02.nii.gz
expect 0 "$slmt" prepare --contrast t1=three/t1 --contrast t2=three/t2 --contrast flair=three/flair --crop 64 \
    --slices 2:16 --image-size 64 --test s02,s03 --out three.h5 --quiet
expect 0 "$slmt" train seq2seq --data three.h5 --height 32 --width 32 --batch 2 --crops 4 --learning-rate 2e-3 \
    --augment off --seed 7 --widths 4,4,8 --lstm-width 8 --residual-blocks 1 --code-length 4 --bank 2 --epochs 2 \
    --out any.h5 "${common[@]}"
pair=(--model any.h5 --data three.h5 "${common[@]}")
expect 0 "$slmt" evaluate "${pair[@]}" --source t1 --target flair --csv any1.csv
holds "t1 to flair, subjects: 1" stdout
expect 0 "$slmt" evaluate "${pair[@]}" --source t1 --target flair --batch 7 --csv any7.csv
about "$(of any1.csv seq2seq mean volume psnr)" "$(of any7.csv seq2seq mean volume psnr)" || die "the batch counts"
expect 0 "$slmt" evaluate "${pair[@]}" --source t1 --target t2 --csv other.csv
about "$(of any1.csv seq2seq mean volume psnr)" "$(of other.csv seq2seq mean volume psnr)" && die "the target does not count"
expect 2 "$slmt" evaluate "${pair[@]}"
holds "give --source and --target" stderr
expect 2 "$slmt" evaluate "${pair[@]}" --source t1 --target t1
holds "--source and --target are the same contrast, t1" stderr

claim "rank goes by the same definitions, and says when pairs rest on different subjects"
rank=(rank --model any.h5 --data three.h5 "${common[@]}")
expect 0 "$slmt" "${rank[@]}" --csv pairs.csv
holds "warning: three.h5: pairs rest on different subjects, t1 to flair on 1 of 2" stderr
holds "definition volume: " stdout
about "$(awk -F, '$1 == "s03" && $2 == "t1" && $3 == "flair" { print $4 }' pairs.csv)" \
    "$(of any1.csv seq2seq subject volume psnr)" || die "rank and evaluate differ"
expect 0 "$slmt" "${rank[@]}" --split train
lacks "different subjects" stderr
expect 0 "$slmt" "${rank[@]}" --definition slice --mask head --perceptual judge.h5 --csv inside.csv
[ "$(awk -F, 'NR > 1 && ($6 == "" || $7 != "slice" || $8 != 16 || $9 != 0)' inside.csv | wc -l)" -eq 0 ] ||
    die "other columns: $(cat inside.csv)"
expect 2 "$slmt" "${rank[@]}" --split validation
holds "no subject of --split validation has two sequences" stderr

claim "a map of what others cannot make is 0 outside the head"
maps=(differ --model any.h5 --to t2 t1=three/t1/s03.nii.gz t2=three/t2/s03.nii.gz "${common[@]}")
expect 0 "$slmt" "${maps[@]}" --out head.nii
expect 0 "$slmt" "${maps[@]}" --out whole.nii --mask none
cmp -s head.nii whole.nii && die "the mask changes nothing"
expect 0 "$make_phantom" corner head.nii
[ "$(cat stdout)" = 0 ] || die "the map's corner is $(cat stdout)"
expect 0 "$make_phantom" corner whole.nii
awk '{ exit !($1 > 0) }' stdout || die "the whole map's corner is $(cat stdout)"
expect 2 "$slmt" "${maps[@]}" --out x.nii --mask skull
