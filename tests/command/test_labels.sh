#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# slmt evaluate of labels: of label maps whose figures are known by hand, and of a model over a set; and what is said of
# label maps that do not fit: test_labels.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

one=(--threads 1 --quiet)
box() { "$make_phantom" box "$@" || die "no box"; }
# cell FILE ROW COLUMN: the column of that name in the row whose first cells are ROW
cell() {
    awk -F , -v row="$2," -v name="$3" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
        index($0, row) == 1 { print $at[name]; exit }' "$1"
}
# near VALUE EXPECTED WHAT: to nine digits
near() { awk "BEGIN { d = ($1) - ($2); exit !(d < 1e-8 && d > -1e-8) }" || die "$3 is $1, not $2"; }

mkdir made true
# a: a box of 32 voxels, one voxel to the right of the true one. b: class 2 is missed. c: nothing is there.
box true/a.nii.gz 1 4 4 2 4 4 2
box made/a.nii.gz 1 5 4 2 4 4 2
box true/b.nii.gz 1 4 4 2 4 4 2 && box true/b.nii.gz 2 10 4 2 2 2 2
box made/b.nii.gz 1 4 4 2 4 4 2
box true/c.nii.gz 0 0 0 0 1 1 1
box made/c.nii.gz 0 0 0 0 1 1 1

claim "label maps in two folders are compared class by class, and the figures are those of geometry"
expect 0 "$slmt" evaluate --answer made --truth true --csv scores.csv --confusion counts.csv --png picture.png \
    --log labels.jsonl "${one[@]}"
near "$(cell scores.csv files,subject,a,1,1 dice)" 0.75 "Dice of a"
near "$(cell scores.csv files,subject,a,1,1 iou)" 0.6 "IoU of a"
near "$(cell scores.csv files,subject,a,1,1 specificity)" 1112/1120 "specificity of a"
near "$(cell scores.csv files,subject,a,1,1 hausdorff95)" 1 "HD95 of a"      # 8 of 32 voxels are 1 mm away
near "$(cell scores.csv files,subject,a,1,1 surface_distance)" 0.25 "ASSD of a"
near "$(cell scores.csv files,subject,b,1,1 dice)" 1 "Dice of b"
near "$(cell scores.csv files,subject,b,2,2 dice)" 0 "Dice of what b has not got"
[ "$(cell scores.csv files,subject,b,2,2 hausdorff95)" = inf ] || die "the distance of a class that was missed is finite"
near "$(cell scores.csv files,subject,b,foreground, dice)" 0.5 "mean Dice of b"
near "$(cell scores.csv files,mean,,1,1 dice)" 0.875 "mean Dice" # of a and b: c has none
near "$(cell scores.csv files,sd,,1,1 dice)" 0.17677669529663687 "deviation"
near "$(cell scores.csv files,pooled,,1,1 dice)" 2*56/128 "pooled Dice"
[ "$(cell scores.csv files,pooled,,1,1 both)" = 56 ] || die "other voxels were counted"

claim "a subject that is all background, and a class that never occurs, have no figures, and are left out of means"
[ -z "$(cell scores.csv files,subject,c,1,1 dice)" ] || die "there is a Dice of nothing"
near "$(cell scores.csv files,subject,c,0,0 dice)" 1 "the background's Dice"
expect 0 "$slmt" evaluate --answer made/c.nii.gz --truth true/c.nii.gz --classes 0,1=organ "${one[@]}"
grep -Eq '^c +1=organ( +-){4} +1\.0000( +-){2}$' stdout || die "$(cat stdout)"
grep -Eq '^mean +1=organ( +-){4} +1\.0000' stdout || die "$(cat stdout)"
holds "n = 1: there is no sd" stdout

claim "the confusion matrix has a row for each class of the truth"
grep -qx 'level,subject,truth,0,1,2' counts.csv || die "$(cat counts.csv)"
grep -qx 'subject,a,1,8,24,0' counts.csv && grep -qx 'subject,a,0,1112,8,0' counts.csv || die "$(cat counts.csv)"
grep -qx 'pooled,,2,8,0,0' counts.csv || die "$(cat counts.csv)"

claim "the picture has the worst and the best subject, and the log every figure"
[ "$("$make_phantom" picture picture.png | cut -d ' ' -f 1)" -gt 700 ] || die "the picture has one panel"
grep -q '"event":"subject".*"subject":"a".*"1":{"dice":0.75' labels.jsonl || die "$(cat labels.jsonl)"
grep -q '"event":"summary".*"pooled"' labels.jsonl || die "$(cat labels.jsonl)"

claim "two files are compared whatever they are called, and voxels whose truth does not count are left out everywhere"
cp true/a.nii.gz ignored.nii.gz && box ignored.nii.gz 255 8 0 0 1 12 6 # where a is wrong, to the right of the true box
expect 0 "$slmt" evaluate --answer made/a.nii.gz --truth ignored.nii.gz --csv i.csv "${one[@]}"
near "$(cell i.csv files,subject,a,1,1 dice)" 48/56 "Dice"
near "$(cell i.csv files,subject,a,1,1 precision)" 1 "precision"
near "$(cell i.csv files,subject,a,1,1 specificity)" 1 "specificity"
near "$(cell i.csv files,subject,a,1,1 surface_distance)" 8/56 "ASSD"
expect 2 "$slmt" evaluate --answer made/a.nii.gz --truth ignored.nii.gz --ignored-value 9 --classes 0,1 "${one[@]}"
holds "a: the truth has the value 255" stderr

claim "labels that are not whole numbers, and grids that differ, are refused by name"
cp true/a.nii.gz half.nii.gz && box half.nii.gz 1.5 8 0 0 1 1 1
expect 3 "$slmt" evaluate --answer half.nii.gz --truth true/a.nii.gz "${one[@]}"
holds "half: a label map has the value 1.5, and labels are whole numbers" stderr
expect 3 "$slmt" evaluate --answer true/a.nii.gz --truth half.nii.gz --classes 0,1 "${one[@]}"
holds "a: the truth has the value 1.5, and labels are whole numbers" stderr
mkdir scans && "$make_phantom" labels scans 4 || die "no labels"
expect 3 "$slmt" evaluate --answer scans/s00.nii.gz --truth true/a.nii.gz --classes 0,1,2,3,4 "${one[@]}"
holds "s00: the label map has 64 x 64 x 20 voxels, its truth 16 x 12 x 6" stderr
"$make_phantom" finer scans/s00.nii.gz finer.nii.gz && "$make_phantom" raise scans/s00.nii.gz raised.nii.gz 1 || die
expect 3 "$slmt" evaluate --answer finer.nii.gz --truth scans/s00.nii.gz "${one[@]}"
holds "finer: the label map has 128 x 128 x 20 voxels" stderr

claim "subjects without a partner are told, and options of other uses are refused"
cp made/a.nii.gz made/d.nii.gz
expect 0 "$slmt" evaluate --answer made --truth true "${one[@]}"
holds "d is left out: there is no label map of it in --truth" stderr
mkdir others && cp true/a.nii.gz others/z.nii.gz
expect 2 "$slmt" evaluate --answer others --truth true "${one[@]}"
holds "no subject has both answer and truth" stderr
for options in "--model m.h5" "--data s.h5" "--labels tissue" "--mirror" "--crf" "--baselines" "--mask head" "--definition slice"; do
    # shellcheck disable=SC2086 # an option and its value
    expect 2 "$slmt" evaluate --answer made --truth true $options "${one[@]}"
    holds "${options%% *}: is" stderr
done
expect 2 "$slmt" evaluate --answer made "${one[@]}"
holds "--answer needs --truth" stderr
expect 2 "$slmt" evaluate "${one[@]}"
holds "--model is needed" stderr
expect 2 "$slmt" evaluate --answer made --truth true --classes 0,2,1 "${one[@]}"
holds "--classes: 1 stands behind 2, expected rising values" stderr
expect 2 "$slmt" evaluate --answer made --truth true --classes zero "${one[@]}"
holds "--classes: 'zero' is not VALUE or VALUE=NAME" stderr
expect 2 "$slmt" evaluate --answer made --truth true --classes 0,1 "${one[@]}"
holds "b: the truth has the value 2" stderr

mkdir t1 t2 && "$make_phantom" make . 4 || die "no phantoms"
prepare=(prepare --contrast t1=t1 --labels tissue=scans --slices 0:20 --test s02,s03)
expect 0 "$slmt" "${prepare[@]}" --crop 64 --image-size 64 --out set.h5 "${one[@]}"
expect 0 "$slmt" "${prepare[@]}" --crop 64 --image-size 128 --out large.h5 "${one[@]}"
train=(train segnet-basic --classes 0,1,2,3,4 --width 4 --rows 48 --columns 48 --batch 4 --learning-rate 0.01 --epochs 6)
expect 0 "$slmt" "${train[@]}" --data set.h5 --out model.h5 "${one[@]}"
expect 0 "$slmt" "${train[@]}" --data large.h5 --out large_model.h5 "${one[@]}"

claim "a model's labels of a set's subjects are those that segment gives of their scans"
evaluate=(evaluate --model model.h5 --data set.h5)
expect 0 "$slmt" "${evaluate[@]}" --csv e.csv --confusion ec.csv --png e.png --log e.jsonl "${one[@]}"
cp stdout table
holds "segnet-basic against tissue, subjects: 2" table
expect 0 "$slmt" segment --model model.h5 t1/s03.nii.gz --out s03.nii.gz --truth scans/s03.nii.gz --csv s.csv "${one[@]}"
for class in 0 1 2 3 4; do
    for figure in dice recall specificity hausdorff95 surface_distance; do
        near "$(cell e.csv segnet-basic,subject,s03,$class,$class $figure)" "$(cell s.csv $class $figure)" "$class $figure"
    done
done
expect 0 "$slmt" evaluate --answer s03.nii.gz --truth scans/s03.nii.gz --csv f.csv "${one[@]}"
[ "$(grep -c '' f.csv)" -ge 18 ] || die "f.csv is short"
awk -F , '/^subject,s03/ { for (i = 4; i <= NF; i++) sum += $i } END { exit sum != 64 * 64 * 20 }' ec.csv || die "voxels are missing"

claim "a set whose slices are larger images of its crops is labelled as it was trained: in the crops' own pixels"
expect 0 "$slmt" evaluate --model large_model.h5 --data large.h5 --csv l.csv "${one[@]}"
cmp e.csv l.csv || die "the size of images, which training does not use, changes labels"
expect 0 "$slmt" evaluate --model model.h5 --data large.h5 --csv l.csv --strict "${one[@]}"
cmp e.csv l.csv || die "a set of larger images is refused, or labelled otherwise"
expect 0 "$slmt" segment --model large_model.h5 t1/s03.nii.gz --out l03.nii.gz --truth scans/s03.nii.gz --csv ls.csv "${one[@]}"
cmp s.csv ls.csv || die "segment sees other pixels than the training"

claim "other splits, windows, mirrored runs and a random field can be chosen"
expect 0 "$slmt" "${evaluate[@]}" --split train --csv t.csv "${one[@]}"
[ "$(grep -c '^segnet-basic,subject' t.csv)" -eq 12 ] || die "other subjects"
expect 0 "$slmt" "${evaluate[@]}" --mirror --rows 64 --columns 64 --csv m.csv "${one[@]}"
cmp -s e.csv m.csv && die "--mirror changed nothing"
expect 0 "$slmt" "${evaluate[@]}" --crf --crf-steps 3 --csv c.csv "${one[@]}"
cmp -s e.csv c.csv && die "--crf changed nothing"

claim "what does not fit a model and a set is refused by name"
expect 2 "$slmt" "${evaluate[@]}" --baselines "${one[@]}"
holds "--baselines: is for models that make a contrast" stderr
expect 2 "$slmt" "${evaluate[@]}" --classes 0,1 "${one[@]}"
holds "--classes: needs --answer" stderr
expect 2 "$slmt" "${evaluate[@]}" --labels organ "${one[@]}"
holds "set.h5: the set has no label map organ; it has tissue" stderr
expect 2 "$slmt" "${evaluate[@]}" --crf-steps 3 "${one[@]}"
holds "--crf-steps needs --crf" stderr
expect 2 "$slmt" "${evaluate[@]}" --crf --crf-near-sd 0 "${one[@]}"
holds "--crf-near-sd: 0, expected a number from 0.001 to 1e+06" stderr
expect 2 "$slmt" "${evaluate[@]}" --split validation "${one[@]}"
holds "no subject of --split validation has the model's contrasts and label maps; train has 2" stderr
expect 2 "$slmt" "${evaluate[@]}" --csv set.h5 "${one[@]}"
expect 0 "$slmt" prepare --contrast t1=t1 --slices 0:20 --crop 64 --image-size 64 --out bare.h5 "${one[@]}"
expect 2 "$slmt" evaluate --model model.h5 --data bare.h5 --split all "${one[@]}"
holds "bare.h5: the set has no label maps to compare with: slmt prepare --labels adds them" stderr
expect 0 "$slmt" prepare --contrast t2=t2 --labels tissue=scans --slices 0:20 --crop 64 --image-size 64 --out t2.h5 "${one[@]}"
expect 2 "$slmt" evaluate --model model.h5 --data t2.h5 --split all "${one[@]}"
holds "t2.h5: has no contrast 't1', on which the model was trained; it has t2" stderr
