#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the slmt command says of a training: before it, while it runs and when it goes on: test_training.sh SLMT
# MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

sizes=(--embed-dim 8 --depth 1 --num-heads 2 --decoder-dim 8 --decoder-depth 1 --decoder-heads 2
    --generator-heads 2,2,4,8)
finetune=(finetune --data set.h5 --source t1 --target t2 --batch 4 --threads 1)
pretrain=(pretrain --data set.h5 --batch 4 --threads 1)
prepare=(prepare --crop 64 --slices 2:16 --image-size 128 --quiet)

mkdir -p raw/t1 raw/t2 other/t1 other/t2
expect 0 "$make_phantom" make raw 4
for file in s00 s01 s02; do
    cp raw/t1/$file.nii.gz other/t1/new-$file.nii.gz
    cp raw/t2/$file.nii.gz other/t2/new-$file.nii.gz
done
expect 0 "$slmt" "${prepare[@]}" --contrast t1=raw/t1 --contrast t2=raw/t2 --test-fraction 0 --out set.h5
expect 0 "$slmt" "${prepare[@]}" --contrast t1=other/t1 --contrast t2=other/t2 --test-fraction 0 --out other.h5

claim "before the first step a run says what it uses, how long it takes, its memory and its disk"
expect 0 "$slmt" "${finetune[@]}" "${sizes[@]}" --epochs 3 --max-steps 4 --out fine.h5 --log fine.jsonl
holds "44 of 64 pairs of slices of 3 of 4 training subjects, the first ones (--data-rate 0.7; 1 takes all)" stderr
grep -Eq '^4 steps, 11 an epoch: about .*second.* s a step$' stderr || die "no time: $(cat stderr)"
grep -Eq '^memory: .*MB; a checkpoint takes [0-9.]+ MB of disk, and is written after every epoch$' stderr ||
    die "no sizes: $(cat stderr)"
[ "$(grep -n 'of disk' stderr | cut -d: -f1)" -lt "$(grep -n '4/4 steps' stderr | cut -d: -f1)" ] ||
    die "it is said after the steps"
holds '"event":"run","task":"finetune","samples":64,"samples_used":44,"subjects":4,"subjects_used":3,"done":0,"steps":4' \
    fine.jsonl

claim "a run that goes on says the same of what is left"
expect 0 "$slmt" finetune --data set.h5 --resume fine.h5 --out more.h5 --threads 1 --max-steps 2
grep -Eq '^2 steps, 11 an epoch: about ' stderr || die "no time: $(cat stderr)"
holds "of disk" stderr

claim "the card names the pairs and subjects that were used"
expect 0 "$slmt" info fine.h5
holds "finetune: set.h5, 44 of 64 pairs of slices of 3 of 4 training subjects, t1 to t2" stdout

claim "the image size is the set's; another one is refused by the name of its option"
expect 0 "$slmt" info fine.h5
grep -Eq '^ +image_size +128$' stdout || die "not the set's size: $(cat stdout)"
expect 2 "$slmt" "${finetune[@]}" "${sizes[@]}" --image-size 256 --out no.h5
holds "--image-size 256: the slices of set.h5 are 128 pixels wide" stderr

claim "a model of another image size is refused, with what helps"
expect 0 "$slmt" prepare --crop 64 --slices 2:4 --image-size 256 --quiet --contrast t1=raw/t1 --contrast t2=raw/t2 \
    --test-fraction 0 --out wide.h5
expect 2 "$slmt" finetune --data wide.h5 --source t1 --target t2 --model fine.h5 --out no.h5 --threads 1
holds "slmt prepare --image-size 128" stderr
[ ! -e no.h5 ] || die "a checkpoint was written"

claim "without contrasts the options are named"
expect 2 "$slmt" finetune --data set.h5 --out no.h5
holds "--source and --target are needed" stderr

claim "a model that was stopped in the middle of its training is told, one that ended is not"
expect 0 "$slmt" "${pretrain[@]}" "${sizes[@]}" --epochs 2 --data-rate 0.2 --max-steps 2 --out part.h5
expect 0 "$slmt" pretrain --data set.h5 --resume part.h5 --out pre.h5 --threads 1
expect 0 "$slmt" "${finetune[@]}" --model part.h5 --max-steps 1 --out fine.h5
holds "warning: part.h5: its task pretrain was stopped after step 2 of 12" stderr
expect 6 "$slmt" "${finetune[@]}" --model part.h5 --max-steps 1 --out strict.h5 --strict
[ ! -e strict.h5 ] || die "strict.h5 was written"
expect 0 "$slmt" "${finetune[@]}" --model pre.h5 --max-steps 1 --out fine.h5
lacks "warning" stderr

claim "a run that goes on with another set is told so; a set that was moved is the same"
mkdir elsewhere
cp set.h5 elsewhere/renamed.h5
expect 0 "$slmt" finetune --data elsewhere/renamed.h5 --resume fine.h5 --out more.h5 --threads 1 --max-steps 1
lacks "warning" stderr
expect 0 "$slmt" finetune --data other.h5 --resume fine.h5 --out more.h5 --threads 1 --max-steps 1
holds "warning: " stderr
holds "other.h5 is another training set than the one of the run so far" stderr
expect 0 "$slmt" info more.h5
holds "finetune: other.h5, 33 of 48 pairs" stdout
expect 6 "$slmt" finetune --data other.h5 --resume fine.h5 --out strict.h5 --threads 1 --max-steps 1 --strict
[ ! -e strict.h5 ] || die "strict.h5 was written"

claim "other contrasts than the checkpoint's are refused"
expect 2 "$slmt" finetune --data set.h5 --resume fine.h5 --source t2 --target t1 --out no.h5
holds "was trained on t1, not t2" stderr

claim "a loss that stays on its plateau is told"
expect 0 "$slmt" "${finetune[@]}" "${sizes[@]}" --epochs 2 --data-rate 0.2 --warmup-epochs 0 --learning-rate 1e-9 --out flat.h5
holds "warning: finetune: still on its plateau: in epoch 2 the mean error is" stderr
expect 0 "$slmt" "${pretrain[@]}" "${sizes[@]}" --epochs 2 --data-rate 0.2 --learning-rate 1e-9 --out flat.h5
holds "warning: pretrain: still on its plateau: in epoch 2 the mean loss is" stderr
expect 0 "$slmt" "${pretrain[@]}" "${sizes[@]}" --epochs 2 --data-rate 0.2 --out learns.h5
lacks "warning" stderr

claim "ctrl-C saves and says how to go on"
set -m
"$slmt" "${finetune[@]}" "${sizes[@]}" --out cut.h5 --log cut.jsonl 2>stderr &
process=$!
tries=0
until grep -q '"event":"step"' cut.jsonl 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 1200 ] || die "no step within two minutes"
    sleep 0.1
done
kill -INT $process
wait $process
[ $? -eq 130 ] || die "not 130"
holds "go on with: slmt finetune --data set.h5 --resume cut.h5 --out cut.h5" stderr
expect 0 "$slmt" finetune --data set.h5 --resume cut.h5 --out cut.h5 --max-steps 1 --quiet --threads 1

claim "kept patches count and the encoder stays, where that is asked for"
expect 0 "$slmt" "${pretrain[@]}" "${sizes[@]}" --visible-weight 1 --max-steps 1 --out seen.h5 --quiet
expect 0 "$slmt" "${finetune[@]}" --model pre.h5 --encoder-rate-factor 0 --max-steps 1 --out frozen.h5 --quiet
expect 0 "$slmt" info seen.h5
grep -Eq '^ +visible_weight +1$' stdout || die "not kept: $(cat stdout)"
expect 0 "$slmt" info frozen.h5
grep -Eq '^ +encoder_rate_factor +0$' stdout || die "not kept: $(cat stdout)"

claim "train has the presets of its method"
expect 0 "$slmt" train seq2seq --help
holds "--preset=base|small|tiny" stdout
expect 0 "$slmt" train seq2seq --data set.h5 --preset tiny --code-length 2 --height 32 --width 32 --batch 1 --max-steps 1 \
    --threads 1 --out any.h5
expect 0 "$slmt" info any.h5
grep -Eq '^ +lstm_width +48$' stdout || die "not tiny: $(cat stdout)"

claim "validation subjects are scored on the way; --out has the best weights in the end, and a log of the figures"
expect 0 "$slmt" "${prepare[@]}" --contrast t1=raw/t1 --contrast t2=raw/t2 --validation s03 --test-fraction 0 --out three.h5
watched=(finetune --data three.h5 --source t1 --target t2 --batch 4 --threads 1 --quiet "${sizes[@]}" --epochs 4
    --warmup-epochs 1 --data-rate 0.4 --learning-rate 3e-3 --validate-every 1 --keep best)
expect 0 "$slmt" "${watched[@]}" --out whole.h5 --log whole.jsonl
[ "$(grep -c '"event":"validation","step":[0-9]*,"subjects":1,' whole.jsonl)" -eq 4 ] || die "not four: $(cat whole.jsonl)"
[ ! -e whole.h5.best ] || die "the file of the best weights stayed"
expect 0 "$slmt" info whole.h5
best=$(sed -n 's/.*"event":"validation","step":\([0-9]*\).*"psnr":\([0-9.]*\).*/\2 \1/p' whole.jsonl | sort -rn | head -n 1)
holds "validation          step ${best#* }: psnr ${best% *}" stdout
expect 0 "$slmt" evaluate --model whole.h5 --data three.h5 --split validation --threads 1
grep -Eq "^slmt-net +mean +$(printf '%.2f' "${best% *}") " stdout || die "evaluate finds another figure than $best: $(cat stdout)"

claim "a run that is cut and goes on finds the same best weights, bit for bit"
expect 0 "$slmt" "${watched[@]}" --out cut.h5 --max-steps 6
[ -s cut.h5.best ] || die "no best weights beside a run that goes on"
expect 0 "$slmt" finetune --data three.h5 --resume cut.h5 --out cut.h5 --threads 1 --quiet --validate-every 1 --keep best
cmp whole.h5 cut.h5 || die "the files differ"
expect 0 "$slmt" "${watched[@]}" --out cut.h5 --max-steps 6
expect 0 "$slmt" finetune --data three.h5 --resume cut.h5 --out moved.h5 --threads 1 --quiet --validate-every 1 --keep best
cmp whole.h5 moved.h5 || die "the files differ"

claim "validation that stops on the way is told, and the best weights replace no input"
expect 0 "$slmt" "${watched[@]}" --out cut.h5 --max-steps 4
expect 0 "$slmt" finetune --data three.h5 --resume cut.h5 --out more.h5 --threads 1 --max-steps 1
holds "warning: cut.h5: was scored on validation subjects" stderr
cp whole.h5 start.h5.best
expect 2 "$slmt" finetune --data three.h5 --source t1 --target t2 --batch 4 --threads 1 --model start.h5.best --out start.h5 \
    --validate-every 1 --keep best --max-steps 1
cmp whole.h5 start.h5.best || die "the input was changed"

claim "validation without subjects, or without a target, is refused"
expect 2 "$slmt" "${finetune[@]}" "${sizes[@]}" --validate-every 1 --out no.h5
holds "slmt prepare --validation-fraction" stderr
expect 2 "$slmt" "${finetune[@]}" "${sizes[@]}" --keep best --out no.h5
holds "--validate-every is needed" stderr
expect 2 "$slmt" train slmt-net --task pretrain --data three.h5 "${sizes[@]}" --validate-every 1 --threads 1 --out no.h5
holds "makes no target contrast" stderr
