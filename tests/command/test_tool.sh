#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The slmt command from end to end, on phantoms made here: test_tool.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
data=$(cd "$(dirname "$0")/../data" && pwd)
. "$(dirname "$0")/claims.sh"

# until_steps N FILE: waits until a log has N steps
until_steps() {
    local tries=0
    while [ "$(grep -c '"event":"step"' "$2" 2>/dev/null)" -lt "$1" ] 2>/dev/null || [ ! -s "$2" ]; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || die "no $1 steps in $2 within two minutes"
        sleep 0.1
    done
}

sizes=(--image-size 128 --embed-dim 8 --depth 1 --num-heads 2 --decoder-dim 8 --decoder-depth 1
    --decoder-heads 2 --generator-heads 2,2,4,8)
common=(--threads 2 --quiet)
pretrain=(pretrain --data set.h5 --epochs 2 --batch 4 --data-rate 0.25 --seed 7 "${common[@]}")
finetune=(finetune --data set.h5 --source t1 --target t2 --epochs 2 --warmup-epochs 1 --batch 4 --data-rate 0.25
    --seed 7 "${common[@]}")

claim "help and version are answered"
expect 0 "$slmt" --help
holds "Exit codes" stdout
expect 0 "$slmt" --version
holds "slmt 0." stdout
for sub in methods fit prepare pretrain finetune train synthesize segment evaluate differ rank convert info; do
    expect 0 "$slmt" $sub --help
    holds "Usage: slmt $sub" stdout
done

claim "wrong usage ends with 2"
expect 2 "$slmt"
expect 2 "$slmt" dream
expect 2 "$slmt" pretrain --out x.h5
holds "--data is needed" stderr
expect 2 "$slmt" pretrain --data set.h5 --out x.h5 --no-such-option
expect 2 "$slmt" pretrain --data set.h5 --out x.h5 --epochs many
holds "--epochs: 'many', expected a whole number of 1 to 1000000" stderr
expect 2 "$slmt" pretrain --data set.h5 --out x.h5 --patch-weight soft
expect 2 "$slmt" finetune --data set.h5 --out x.h5
expect 2 "$slmt" prepare --contrast t1 --out x.h5
expect 2 "$slmt" synthesize --model model.h5 --out x.nii
expect 2 "$slmt" info

claim "files that are missing or of another kind end with 3"
echo "no volume, no checkpoint" >text
expect 3 "$slmt" info missing.h5
expect 3 "$slmt" info text
expect 3 "$slmt" pretrain --data missing.h5 --out x.h5
expect 3 "$slmt" pretrain --data text --out x.h5
expect 3 "$slmt" prepare --contrast t1=missing --out x.h5

claim "a training set is made of five subjects, the last one for testing"
mkdir -p raw/t1 raw/t2
expect 0 "$make_phantom" make raw 5
prepare=(prepare --contrast t1=raw/t1 --contrast t2=raw/t2 --crop 64 --slices 2:16 --image-size 128)
expect 0 "$slmt" "${prepare[@]}" --out set.h5 --log prepare.jsonl
[ "$(grep -c '"event":"subject"' prepare.jsonl)" -eq 5 ] || die "the log has other than 5 subjects"
expect 0 "$slmt" info --all set.h5
holds "training set of 5 subjects" stdout
holds "s03 train t1 t2" stdout
holds "s04 test t1 t2" stdout
grep -Eq '^ +t1 +image +float32 +\[slice,64,64\] +4 +64 +1 +16$' stdout || die "t1 is not 4 subjects, 64 slices and 1 subject, 16 slices"

claim "test subjects can be named; an unknown one is wrong usage"
expect 0 "$slmt" "${prepare[@]}" --out named.h5 --test s00,s02 --quiet
expect 0 "$slmt" info --all named.h5
holds "s00 test" stdout
holds "s02 test" stdout
holds "s04 train" stdout
expect 2 "$slmt" "${prepare[@]}" --out other.h5 --test s99
[ ! -e other.h5 ] || die "a set was written all the same"

claim "a third part is kept for choosing; no subject is in two parts, and a set without it looks as before"
expect 0 "$slmt" "${prepare[@]}" --out parts.h5 --test-fraction 0.2 --validation-fraction 0.4 --quiet --log parts.jsonl
[ "$(grep -c '"split":"validation"' parts.jsonl)" -eq 2 ] || die "not two subjects for validation in the log"
expect 0 "$slmt" info --all parts.h5
[ "$(grep -oE '^  s0[0-4] [a-z]+ ' stdout | tr -d '\n')" = \
    "  s00 train   s01 train   s02 validation   s03 validation   s04 test " ] || die "other parts: $(cat stdout)"
grep -Eq '^ +t1 +image +float32 +\[slice,64,64\] +2 +32 +1 +16 +2 +32$' stdout || die "t1 has other counts: $(cat stdout)"
holds "validation subjects" stdout
expect 0 "$slmt" "${prepare[@]}" --out parts.h5 --validation s04,s00 --quiet
expect 0 "$slmt" info --all parts.h5
[ "$(grep -oE '^  s0[0-4] [a-z]+ ' stdout | tr -d '\n')" = \
    "  s00 validation   s01 train   s02 train   s03 test   s04 validation " ] || die "other parts: $(cat stdout)"
expect 2 "$slmt" "${prepare[@]}" --out other.h5 --test s00 --validation s01,s00
holds "subject 's00' is in --test too" stderr
expect 2 "$slmt" "${prepare[@]}" --out other.h5 --validation s01 --validation-fraction 0.2
expect 2 "$slmt" "${prepare[@]}" --out other.h5 --validation-fraction 1.5
expect 0 "$slmt" info set.h5
! grep -q validation stdout || die "a set without a validation part shows one"

claim "one bad file is reported and left out, one missing file is no failure"
cp -r raw spoilt
echo "no volume" >spoilt/t2/s01.nii.gz
rm spoilt/t1/s02.nii.gz
expect 1 "$slmt" prepare --contrast t1=spoilt/t1 --contrast t2=spoilt/t2 --crop 64 --slices 2:16 \
    --image-size 128 --out spoilt.h5
holds "spoilt/t2/s01.nii.gz" stderr
expect 0 "$slmt" info --all spoilt.h5
grep -q '^  s01 train t1$' stdout || die "s01 is not there with t1 alone"
grep -q '^  s02 train t2$' stdout || die "s02 is not there with t2 alone"

claim "label maps lie beside the contrasts, with their values; a map of fractions is no label map"
mkdir tissues
expect 0 "$make_phantom" labels tissues 4
expect 0 "$slmt" prepare --labels tissue=tissues --contrast t1=raw/t1 --crop 64 --slices 2:16 --image-size 128 \
    --out labelled.h5
expect 0 "$slmt" info --all labelled.h5
grep -Eq '^ +tissue +labels +int32 +\[slice,64,64\] +4 +64 +0 +0$' stdout || die "tissue is not 4 subjects, 64 slices"
holds "0=0,1=1,2=2,3=3,4=4" stdout
holds "s03 train t1 tissue" stdout
grep -q '^  s04 test t1$' stdout || die "s04 is not there with t1 alone"
expect 3 "$slmt" prepare --contrast t1=raw/t1 --labels t2=raw/t2 --crop 64 --slices 2:16 --image-size 128 --out no.h5
holds "expected a whole number" stderr
[ ! -e no.h5 ] || die "a set was written all the same"

claim "info shows sets of any fields, and those of the format before; SLMT-Net trains on MR volumes alone"
expect 0 "$slmt" info --all "$data/set_2.h5"
holds "training set of 3 records" stdout
grep -Eq '^ +photo +image +uint8 +\[row,column,3\] +1 +7 +1 +3$' stdout || die "photo is not 7 rows, and 3 for testing"
grep -Eq '^ +box +boxes +float32 +\[box,4\] +1 +2 +1 +0$' stdout || die "box is not 2 rows, and none for testing"
grep -Eq '^ +mask +0=background,1=left lung,255=$' stdout || die "the classes of mask are not shown"
holds "c train of ward.2: cube" stdout
expect 0 "$slmt" info --all "$data/set_1.h5"
grep -Eq '^ +T1 +image +float32 +\[slice,9,9\] +1 +4 +1 +4$' stdout || die "T1 is not 4 slices, and 4 for testing"
expect 3 "$slmt" pretrain --data "$data/set_2.h5" --out no.h5 --preset tiny --epochs 1 --batch 1
holds "not made from MR volumes" stderr

claim "a limit on memory ends with 4"
expect 4 "$slmt" "${pretrain[@]}" "${sizes[@]}" --max-memory 1K --out x.h5
grep -q 'limit --max-memory = 1024' stderr || die "the limit is not called by its option: $(cat stderr)"
[ ! -e x.h5 ] || die "a checkpoint was written all the same"
expect 4 "$slmt" "${pretrain[@]}" "${sizes[@]}" --batch 60000 --max-memory 2G --out x.h5
holds "a smaller --batch takes less" stderr

claim "sizes that break a rule, or do not fit the set, end with 2"
expect 2 "$slmt" "${pretrain[@]}" "${sizes[@]}" --num-heads 3 --out x.h5
expect 2 "$slmt" "${pretrain[@]}" "${sizes[@]}" --image-size 256 --out x.h5

claim "pre-training runs and logs each step"
expect 0 "$slmt" "${pretrain[@]}" "${sizes[@]}" --out pre.h5 --log pre.jsonl
steps=$(grep -c '"event":"step"' pre.jsonl)
[ "$steps" -ge 4 ] || die "only $steps steps"
[ "$(grep -c '"loss":[0-9].*"reconstruction":[0-9].*"edge":[0-9].*"seconds":' pre.jsonl)" -eq "$steps" ] ||
    die "a step without its losses"
expect 0 "$slmt" info pre.h5
holds "task                pretrain" stdout
holds "steps done          $steps of $steps" stdout

claim "a run that was stopped and resumed equals the uninterrupted one bit for bit"
expect 0 "$slmt" "${pretrain[@]}" "${sizes[@]}" --out part.h5 --max-steps 3
expect 0 "$slmt" info part.h5
holds "steps done          3 of $steps" stdout
expect 0 "$slmt" pretrain --data set.h5 --resume part.h5 --out whole.h5 "${common[@]}"
cmp pre.h5 whole.h5 || die "the files differ"
expect 0 "$slmt" "${pretrain[@]}" "${sizes[@]}" --out rare.h5 --checkpoint-every 0
cmp pre.h5 rare.h5 || die "checkpoints on the way change the result"

claim "what a checkpoint fixes cannot be given with --resume"
expect 2 "$slmt" pretrain --data set.h5 --resume part.h5 --out x.h5 --batch 2
expect 2 "$slmt" pretrain --data set.h5 --resume part.h5 --out x.h5 --seed 1
expect 2 "$slmt" pretrain --data set.h5 --resume part.h5 --out x.h5 --contrast t1
expect 2 "$slmt" finetune --data set.h5 --resume part.h5 --out x.h5

claim "fine-tuning runs, resumes bit for bit, and fills the card"
expect 0 "$slmt" "${finetune[@]}" --model pre.h5 --out model.h5 --log fine.jsonl
steps=$(grep -c '"event":"step".*"l1":[0-9].*"consistency":[0-9]' fine.jsonl)
[ "$steps" -ge 4 ] || die "only $steps steps"
expect 0 "$slmt" "${finetune[@]}" --model pre.h5 --out part.h5 --max-steps 3
expect 0 "$slmt" finetune --data set.h5 --resume part.h5 --out whole.h5 "${common[@]}"
cmp model.h5 whole.h5 || die "the files differ"
expect 0 "$slmt" info model.h5
holds "source_contrast     t1" stdout
holds "target_contrast     t2" stdout
holds "pretrain: batch 4" stdout
holds "finetune: batch 4" stdout
holds "slices              2:16" stdout
expect 2 "$slmt" "${finetune[@]}" --model pre.h5 --out x.h5 --embed-dim 16
expect 0 "$slmt" "${finetune[@]}" "${sizes[@]}" --out fresh.h5 --max-steps 1

claim "one volume is synthesized on its own grid, inside the slices of the training"
expect 0 "$slmt" synthesize --model model.h5 raw/t1/s04.nii.gz --out one.nii --batch 3 "${common[@]}"
expect 0 "$make_phantom" show one.nii
read -r nx ny nz low high first last <stdout
[ "$nx $ny $nz" = "64 64 20" ] || die "grid $nx $ny $nz"
awk -v a="$low" -v b="$high" 'BEGIN { exit !(a >= 0 && b > 0 && b <= 1) }' || die "values from $low to $high"
[ "$first" -ge 2 ] && [ "$last" -le 17 ] || die "slices $first to $last are filled"

claim "one bad file of a folder does not end the others"
mkdir mixed
cp raw/t1/s03.nii.gz raw/t1/s04.nii.gz mixed
echo "no volume" >mixed/bad.nii.gz
expect 1 "$slmt" synthesize --model model.h5 mixed --out made --threads 2
holds "mixed/bad.nii.gz" stderr
[ -s made/s03.nii.gz ] && [ -s made/s04.nii.gz ] && [ ! -e made/bad.nii.gz ] || die "made: $(ls made)"
expect 3 "$slmt" synthesize --model model.h5 mixed/bad.nii.gz --out made/bad.nii.gz
expect 2 "$slmt" synthesize --model model.h5 mixed/s03.nii.gz raw/t1/s03.nii.gz --out made
expect 2 "$slmt" synthesize --model model.h5 mixed --out mixed
expect 3 "$slmt" synthesize --model text mixed --out made

claim "a profile names ops and layers, and a trace holds every call"
expect 0 "$slmt" synthesize --model model.h5 raw/t1/s03.nii.gz --out made --profile --trace trace.json "${common[@]}"
grep -Eq '^window_attention +[0-9]+ ' stdout || die "no ops in the profile"
grep -Eq '^G\.to_img\.linear +[0-9]+ ' stdout || die "no layers in the profile"
[ "$(grep -c '"ph":"X"' trace.json)" -gt 100 ] && [ "$(tail -c 2 trace.json)" = "}" ] || die "no whole trace"
expect 3 "$slmt" synthesize --model model.h5 raw/t1/s03.nii.gz --out made --trace missing/trace.json "${common[@]}"
expect 0 "$slmt" pretrain --data set.h5 --batch 4 "${sizes[@]}" --out more.h5 --max-steps 1 --profile "${common[@]}"
grep -Eq '^adam +[0-9]+ ' stdout || die "no optimiser in the profile"

claim "a model is converted to 16 bits and back, and synthesizes from either"
expect 0 "$slmt" convert model.h5 full.h5 --weights full
expect 0 "$slmt" convert model.h5 narrow.h5 --weights bf16
expect 0 "$slmt" convert narrow.h5 same.h5 --weights stored --quiet
cmp narrow.h5 same.h5 || die "the files differ"
cp full.h5 inplace.h5
expect 0 "$slmt" convert inplace.h5 inplace.h5 --weights bf16 --quiet
cmp narrow.h5 inplace.h5 || die "the files differ"
expect 0 "$slmt" convert narrow.h5 wide.h5 --weights full
expect 0 "$slmt" convert wide.h5 again.h5 --weights bf16
cmp narrow.h5 again.h5 || die "rounding twice gives other numbers"
[ $((10 * $(stat -c %s narrow.h5))) -lt $((8 * $(stat -c %s full.h5))) ] || die "the file is not smaller"
expect 0 "$slmt" info --all narrow.h5
grep -q '^  G.to_img.linear.weight \[16,8\] bf16$' stdout || die "no bf16 tensor: $(grep to_img stdout)"
grep -Eq '^ +generator .* bf16 +[0-9]+$' stdout || die "no stored type in the table"
expect 0 "$slmt" info full.h5
grep -Eq '^ +generator .* full +[0-9]+$' stdout || die "no stored type in the table"
expect 0 "$slmt" synthesize --model narrow.h5 raw/t1/s04.nii.gz --out a.nii "${common[@]}"
expect 0 "$slmt" synthesize --model model.h5 --weights bf16 raw/t1/s04.nii.gz --out b.nii "${common[@]}"
cmp a.nii b.nii || die "rounded on loading and before differ"
expect 0 "$slmt" synthesize --model model.h5 --weights f16 raw/t1/s04.nii.gz --out c.nii "${common[@]}"
! cmp -s a.nii c.nii || die "f16 is bf16"
claim "a file that h5py wrote is refused with the command that imports it, which makes a file of libslmt of it"
for file in model_h5py set_h5py; do
    expect 3 "$slmt" info "$data/refused/$file.h5"
    holds "slmt convert --import" stderr
    expect 0 "$slmt" convert --import "$data/refused/$file.h5" imported.h5
    expect 0 "$slmt" info --all imported.h5
done
cp "$data/refused/set_h5py.h5" itself.h5
expect 0 "$slmt" convert --import itself.h5 itself.h5 --quiet
cmp itself.h5 imported.h5 || die "imported over itself it is another file"
expect 3 "$slmt" convert --import text imported.h5
holds "HDF5 cannot open it" stderr
expect 3 "$slmt" convert --import not-there.h5 imported.h5
expect 3 "$slmt" convert --import "$data/refused/set_nan.h5" imported.h5
holds "not finite" stderr
cmp itself.h5 imported.h5 || die "a file that was not imported replaced one"
expect 2 "$slmt" convert --import model.h5 x.h5 --weights bf16
holds "keeps the types of its tensors" stderr

claim "convert is told what to do"
expect 2 "$slmt" convert model.h5 x.h5
holds "--weights is needed" stderr
expect 2 "$slmt" convert model.h5 x.h5 --weights int8
expect 3 "$slmt" convert text x.h5 --weights f16
expect 3 "$slmt" pretrain --data set.h5 --resume narrow.h5 --out x.h5
expect 0 "$slmt" "${finetune[@]}" --model narrow.h5 --out more.h5 --max-steps 1

claim "evaluation gives each slice, subject, mean and sd, in the table and as CSV"
expect 0 "$slmt" evaluate --model model.h5 --data set.h5 --split all --baselines --csv scores.csv --batch 5 \
    --log scores.jsonl "${common[@]}"
holds "t1 to t2, subjects: 5" stdout
[ "$(grep -c '"event":"summary"' scores.jsonl)" -eq 3 ] || die "no three summaries"
for method in slmt-net source monotone-map; do
    [ "$(grep -c "^$method,slice," scores.csv)" -eq 80 ] || die "$method: not 5 x 16 slices"
    [ "$(grep -c "^$method,subject,.*,slice,16,0$" scores.csv)" -eq 5 ] || die "$method: not 5 subjects"
    [ "$(grep -Ec "^$method,(mean|sd),,.*,slice,,$" scores.csv)" -eq 2 ] || die "$method: no mean and sd"
done
awk -F, '
    function near(a, b) { return (a - b) * (a - b) <= 1e-12 * (1 + b * b) }
    $2 == "slice" { for (i = 5; i <= 10; i++) sum[$1, $3, i] += $i; n[$1, $3]++ }
    $2 != "slice" && $11 != "slice" { next } # of the three definitions the one that is a mean of slices
    $2 == "subject" {
        for (i = 5; i <= 10; i++) if (!near($i, sum[$1, $3, i] / n[$1, $3])) exit 1
        psnr[$1] += $5; square[$1] += $5 * $5; m[$1]++
    }
    $2 == "mean" && !near($5, psnr[$1] / m[$1]) { exit 1 }
    $2 == "sd" {
        variance = (square[$1] - psnr[$1] * psnr[$1] / m[$1]) / (m[$1] - 1)
        if (($5 - sqrt(variance)) ^ 2 > 1e-6) exit 1
    }' scores.csv || die "subject rows are not the means of slices, or the last rows not those of subjects"
awk -F, '$2 == "mean" && $11 == "volume" { nmse[$1] = $8 } END { exit !(nmse["monotone-map"] < nmse["source"]) }' scores.csv ||
    die "the monotone map is no better than the source"
expect 0 "$slmt" evaluate --model model.h5 --data set.h5 "${common[@]}"
holds "t1 to t2, subjects: 1" stdout
expect 2 "$slmt" evaluate --model pre.h5 --data set.h5
expect 2 "$slmt" evaluate --model model.h5 --data set.h5 --source t9

claim "methods are listed, with what each can be told"
expect 0 "$slmt" methods
grep -q '^slmt-net  ' stdout && grep -q '^seq2seq  ' stdout || die "not both methods: $(cat stdout)"
expect 0 "$slmt" methods seq2seq
grep -Eq '^  residual_blocks +6 +0 to 64 +[a-z]' stdout || die "no option residual_blocks"
grep -Eq '^  recompute +cheap +nothing\|cheap\|linear +[a-z]' stdout || die "no setting recompute"
expect 2 "$slmt" methods dream
holds "there are slmt-net, seq2seq" stderr

claim "slmt train makes the same file of a stage of SLMT-Net as the stage's own command, bit for bit"
expect 0 "$slmt" "${pretrain[@]}" "${sizes[@]}" --out one.h5 --max-steps 1
expect 0 "$slmt" train slmt-net --task pretrain --data set.h5 "${sizes[@]}" --epochs 2 --batch 4 --data-rate 0.25 \
    --seed 7 "${common[@]}" --out same.h5 --max-steps 1
cmp one.h5 same.h5 || die "the files differ"

claim "any method is trained on three contrasts, one of them missing in one subject, and logs its losses by name"
single=(--threads 1 --quiet) # as much as these sizes are worth
mkdir -p three/t1 three/t2 three/flair
expect 0 "$make_phantom" make three 5 3
rm three/flair/s01.nii.gz
expect 0 "$slmt" prepare --contrast t1=three/t1 --contrast t2=three/t2 --contrast flair=three/flair --crop 64 \
    --slices 2:16 --image-size 64 --out three.h5 --quiet
options=(--widths 4,4,8 --lstm-width 8 --residual-blocks 1 --code-length 4 --bank 2)
train=(train seq2seq --data three.h5 --height 32 --width 32 --batch 2 --crops 4 --learning-rate 2e-3 --augment off
    --seed 7 "${single[@]}")
expect 0 "$slmt" "${train[@]}" "${options[@]}" --epochs 2 --out any.h5 --log any.jsonl
[ "$(grep -c '"loss":[0-9].*"reconstruction":[0-9].*"cycle":[0-9].*"seconds":' any.jsonl)" -eq 16 ] ||
    die "not 16 steps with their losses"
expect 0 "$slmt" info any.h5
holds "checkpoint of seq2seq" stdout
holds "contrasts           t1, t2, flair" stdout
holds "residual_blocks     1" stdout
holds "augment             off" stdout
holds "steps done          16 of 16, 8 an epoch" stdout
holds "slices              2:16" stdout
grep -Eq '^ +decoder +[0-9]+ ' stdout || die "no decoder among the weights"

claim "such a run resumes bit for bit"
expect 0 "$slmt" "${train[@]}" "${options[@]}" --epochs 2 --out part.h5 --max-steps 3
expect 0 "$slmt" train --data three.h5 --resume part.h5 --out whole.h5 "${single[@]}"
cmp any.h5 whole.h5 || die "the files differ"

claim "a network in three dimensions learns from blocks of slices and makes a volume"
expect 0 "$slmt" "${train[@]}" "${options[@]}" --ndims 3 --channels 1 --depth 8 --epochs 1 \
    --max-steps 2 --out solid.h5
expect 0 "$slmt" synthesize --model solid.h5 --to t2 three/t1/s02.nii.gz --out solid.nii.gz "${single[@]}"
"$make_phantom" show solid.nii.gz >stdout
grep -Eq '^64 64 20 0 [0-9.]+ 2 17$' stdout || die "not a volume in slices 2 to 17: $(cat stdout)"

claim "a perceptual term is computed where a vgg19 was given, and refused where none was"
expect 0 "$make_phantom" vgg19 vgg19.h5
judged=("${train[@]}" "${options[@]}" --epochs 1 --max-steps 2 --perceptual-width 1
    --perceptual-weight 0.01)
expect 0 "$slmt" "${judged[@]}" --judge vgg19.h5 --out judged.h5 --log judged.jsonl
[ "$(grep -c '"perceptual":[0-9.]*[1-9]' judged.jsonl)" -eq 2 ] || die "no perceptual loss"
expect 0 "$slmt" train --data three.h5 --resume judged.h5 --out more.h5 --max-steps 1 "${single[@]}"
expect 3 "$slmt" "${judged[@]}" --out x.h5
holds "vgg19.features.0.weight, which has never been set" stderr
expect 3 "$slmt" "${train[@]}" "${options[@]}" --judge vgg19.h5 --out x.h5
holds "no tensor vgg19.features.0.weight" stderr
expect 2 "$slmt" "${train[@]}" "${options[@]}" --perceptual-weight 0.01 --out x.h5
holds "--perceptual-width" stderr
expect 2 "$slmt" train --data three.h5 --resume judged.h5 --judge vgg19.h5 --out x.h5 "${single[@]}"

claim "options and settings that are not there, or out of range, are answered with what is there"
expect 2 "$slmt" "${train[@]}" --haste 1 --out x.h5
holds "unrecognized option '--haste" stderr
expect 2 "$slmt" train slmt-net --data three.h5 --task pretrain --l1-weight 1 --out x.h5
holds "unrecognized option '--l1-weight" stderr
expect 2 "$slmt" train slmt-net --data three.h5 --out x.h5
holds "--task is needed: slmt-net trains pretrain, finetune" stderr
expect 2 "$slmt" train vgg19 --data three.h5 --out x.h5
holds "vgg19 has no task that trains" stderr
expect 2 "$slmt" "${train[@]}" --widths 4,4 --out x.h5
holds "--widths: '4,4', expected 3 whole numbers, joined by ',', of 1 to 4096" stderr
expect 2 "$slmt" "${train[@]}" --bulk 1 --out x.h5
holds "unrecognized option '--bulk" stderr
expect 2 "$slmt" "${train[@]}" --batch 0 --out x.h5
holds "expected a whole number of 1 to 65536" stderr
expect 2 "$slmt" "${train[@]}" --recompute much --out x.h5
holds "expected nothing|cheap|linear" stderr
expect 2 "$slmt" "${train[@]}" --batch --out x.h5
expect 2 "$slmt" "${train[@]}" --task dream --out x.h5
holds "seq2seq has no training task 'dream'; it has train" stderr
expect 2 "$slmt" train dream --data three.h5 --out x.h5
expect 2 "$slmt" train --data three.h5 --out x.h5
holds "METHOD is needed" stderr
expect 2 "$slmt" train seq2seq --data three.h5 --resume part.h5 --out x.h5 --batch 1
expect 2 "$slmt" train seq2seq --data three.h5 --model any.h5 --out x.h5 --bank 1
expect 2 "$slmt" train slmt-net --data three.h5 --model any.h5 --out x.h5
expect 2 "$slmt" pretrain --data three.h5 --resume part.h5 --out x.h5
expect 2 "$slmt" "${train[@]}" "${options[@]}" --source t1 --out x.h5
[ ! -e x.h5 ] || die "a checkpoint was written all the same"

claim "the model makes the sequence that it is told, also after a conversion"
expect 0 "$slmt" synthesize --model any.h5 --method seq2seq --from t1 --to flair three/t1/s04.nii.gz --out flair.nii \
    --batch 4 --log made.jsonl "${single[@]}"
holds '"from":"t1","to":"flair"' made.jsonl
expect 0 "$make_phantom" show flair.nii
read -r nx ny nz low high first last <stdout
[ "$nx $ny $nz $first $last" = "64 64 20 2 17" ] || die "grid $nx $ny $nz, slices $first to $last"
awk -v a="$low" -v b="$high" 'BEGIN { exit !(a >= 0 && b > 0 && b <= 1) }' || die "values from $low to $high"
expect 0 "$slmt" synthesize --model any.h5 --to t2 three/t1/s04.nii.gz --out t2.nii "${single[@]}"
! cmp -s flair.nii t2.nii || die "both sequences are the same"
expect 0 "$slmt" convert any.h5 any16.h5 --weights bf16 --quiet
expect 0 "$slmt" synthesize --model any16.h5 --to t2 three/t1/s04.nii.gz --out t2.nii "${single[@]}"
expect 2 "$slmt" synthesize --model any.h5 three/t1/s04.nii.gz --out x.nii
holds "--to is needed: any.h5 makes t1, t2, flair" stderr
expect 2 "$slmt" synthesize --model any.h5 --to t9 three/t1/s04.nii.gz --out x.nii
expect 2 "$slmt" synthesize --model any.h5 --to t2 --from t9 three/t1/s04.nii.gz --out x.nii
expect 2 "$slmt" synthesize --model any.h5 --to t2 --method slmt-net three/t1/s04.nii.gz --out x.nii
expect 0 "$slmt" synthesize --model model.h5 --from t1 --to t2 raw/t1/s04.nii.gz --out same.nii --batch 3 "${common[@]}"
cmp one.nii same.nii || die "naming the contrasts changes the result"
expect 2 "$slmt" synthesize --model model.h5 --to t1 raw/t1/s04.nii.gz --out x.nii
holds "--to: model.h5 makes t2, not t1" stderr

claim "a map of what the others cannot make is written, from 0 to 2, and drawn"
subject=(t1=three/t1/s04.nii.gz t2=three/t2/s04.nii.gz flair=three/flair/s04.nii.gz)
expect 0 "$slmt" differ --model any.h5 --to t2 "${subject[@]}" --out map.nii.gz --png map.png "${single[@]}"
expect 0 "$make_phantom" show map.nii.gz
read -r nx ny nz low high first last <stdout
[ "$nx $ny $nz $first $last" = "64 64 20 2 17" ] || die "grid $nx $ny $nz, slices $first to $last"
awk -v a="$low" -v b="$high" 'BEGIN { exit !(a >= 0 && b > 0.1 && b <= 2) }' || die "values from $low to $high"
expect 0 "$make_phantom" picture map.png
read -r width height low high <stdout
[ "$width $height" = "256 128" ] && [ "$low" -lt 64 ] && [ "$high" -gt 128 ] || die "$width x $height, $low to $high"
expect 2 "$slmt" differ --model any.h5 --to t2 t1=three/t1/s04.nii.gz --out x.nii
holds "no volume t2=FILE" stderr
expect 2 "$slmt" differ --model any.h5 --to t2 t2=three/t2/s04.nii.gz --self off --out x.nii
expect 2 "$slmt" differ --model any.h5 --to t2 t2=three/t2/s04.nii.gz t2=three/t1/s04.nii.gz --out x.nii
expect 2 "$slmt" differ --model any.h5 --to t9 t9=three/t2/s04.nii.gz --out x.nii
expect 2 "$slmt" differ --model model.h5 --to t2 t2=three/t2/s04.nii.gz --out x.nii
expect 2 "$slmt" differ --model any.h5 --to t2 t2=three/t2/s04.nii.gz --out x.png
expect 3 "$slmt" differ --model any.h5 --to t2 t2=text --out x.nii
expect 3 "$slmt" differ --model any.h5 --to t2 t2=three/t2/s04.nii.gz --out x.nii --png missing/x.png

claim "sequences are ranked, each from each other of every subject that has both"
rank=(rank --model any.h5 --data three.h5 --batch 8 "${single[@]}")
expect 0 "$slmt" "${rank[@]}" --split all --csv pairs.csv --definition slice --ranking ranking.csv --png bars.png --log rank.jsonl
[ "$(grep -c '^s0[0-4],' pairs.csv)" -eq 26 ] || die "not 4 x 6 + 2 pairs"
[ "$(grep -Ec '^s01,(t1,t2|t2,t1),' pairs.csv)" -eq 2 ] || die "s01 has not 2 pairs"
[ "$(grep -c '"event":"pair"' rank.jsonl)" -eq 26 ] || die "the log has other pairs"
grep -Eq '^flair +-?[0-9.]+ +[123] +-?[0-9.]+ +[123]$' stdout || die "no row for flair: $(cat stdout)"
awk -F, 'NR > 1 { made += $2; hard += $4; places += $3 + $5 }
    END { exit !(NR == 4 && places == 12 && made * made < 4 && hard * hard < 4) }' ranking.csv ||
    die "no ranking of three: $(cat ranking.csv)"
expect 0 "$make_phantom" picture bars.png
read -r width height low high <stdout
[ "$width" -ge 300 ] && [ "$low" -lt 64 ] && [ "$high" -eq 255 ] || die "no chart: $width x $height, $low to $high"
expect 0 "$slmt" "${rank[@]}" --self include --csv selves.csv
[ "$(grep -c '^s04,' selves.csv)" -eq 9 ] || die "not 9 pairs"
expect 0 "$slmt" "${rank[@]}" --self zscore-only
expect 2 "$slmt" "${rank[@]}" --self perhaps
expect 2 "$slmt" rank --model any.h5 --data set.h5
holds "slices of 128 pixels" stderr
expect 2 "$slmt" rank --model model.h5 --data three.h5
expect 2 "$slmt" evaluate --model any.h5 --data three.h5
expect 3 "$slmt" rank --model any.h5 --data missing.h5
expect 3 "$slmt" "${rank[@]}" --csv missing/pairs.csv

claim "a map from one source and its score agree"
expect 0 "$slmt" differ --model any.h5 --to t2 t1=three/t1/s04.nii.gz t2=three/t2/s04.nii.gz --self off --out pair.nii \
    --mask none "${single[@]}"
expect 0 "$make_phantom" psnr pair.nii
awk -F, -v map="$(cat stdout)" '$1 == "s04" && $2 == "t1" && $3 == "t2" { found = ($4 - map) ^ 2 < 1e-6 }
    END { exit !found }' pairs.csv || die "$(cat stdout) dB in the map: $(grep s04,t1,t2 pairs.csv)"

claim "SIGINT, SIGTERM and SIGHUP end training with 130 after saving a checkpoint that can be resumed"
set -m
for signal in INT TERM HUP; do
    rm -f long.h5 long.jsonl
    "$slmt" pretrain --data set.h5 --batch 4 --epochs 100000 --checkpoint-every 0 "${sizes[@]}" "${common[@]}" \
        --out long.h5 --log long.jsonl >stdout 2>stderr &
    process=$!
    until_steps 2 long.jsonl
    [ ! -e long.h5 ] || die "saved before the signal"
    kill -s $signal $process
    code=0
    wait $process || code=$?
    [ "$code" -eq 130 ] || die "SIG$signal: exit code $code"
    steps=$(grep -c '"event":"step"' long.jsonl)
    expect 0 "$slmt" info long.h5
    holds "steps done          $steps of" stdout
    expect 0 "$slmt" pretrain --data set.h5 --resume long.h5 --out more.h5 --max-steps 1 "${common[@]}"
    expect 0 "$slmt" info more.h5
    holds "steps done          $((steps + 1)) of" stdout
done

rm -f long.h5 long.jsonl
"$slmt" "${train[@]}" "${options[@]}" --epochs 100000 --out long.h5 --log long.jsonl >stdout 2>stderr &
process=$!
until_steps 2 long.jsonl
kill -s INT $process
code=0
wait $process || code=$?
[ "$code" -eq 130 ] || die "slmt train: exit code $code"
expect 0 "$slmt" train --data three.h5 --resume long.h5 --out more.h5 --max-steps 1 "${single[@]}"

echo "all true"
