#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Names that would steer a terminal: every command is given files of such names, and nothing that it prints or writes
# for people holds them: test_shown.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

# A title for the window, a command of C1, and right to left from here.
evil=$'\033]0;title\a\xc2\x9b2J\xe2\x80\xaefed'

# clean FILE...: none holds a control character, a line separator or a mark of writing direction
clean() {
    local file
    for file in "$@"; do
        ! LC_ALL=C grep -aqP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]' \
            "$file" || die "$file would steer a terminal: $(cat -v "$file")"
    done
}

# shows CODE COMMAND...: expect, and what it prints is clean and names the file by numbers
shows() {
    expect "$@"
    clean stdout stderr
    cat stdout stderr | grep -qF '\u001b]0;title\u0007\u009b2J\u202efed' || die "the name is not shown: $*"
}

sizes=(--image-size 128 --embed-dim 8 --depth 1 --num-heads 2 --decoder-dim 8 --decoder-depth 1
    --decoder-heads 2 --generator-heads 2,2,4,8 --batch 2 --max-steps 1 --threads 1)
mkdir plain plain/t1 plain/t2 "raw$evil" "raw$evil/t1" "raw$evil/t2"
expect 0 "$make_phantom" make plain 2
for contrast in t1 t2; do
    for scan in plain/$contrast/*; do
        name=$(basename "$scan")
        cp "$scan" "raw$evil/$contrast/${name%%.*}$evil.nii.gz"
    done
done
t1=("raw$evil/t1"/*)

claim "prepare and what trains show such names by number, and log them so"
shows 0 "$slmt" prepare --contrast t1="raw$evil/t1" --contrast t2="raw$evil/t2" --crop 64 --slices 2:4 --image-size 128 \
    --test-fraction 0.5 --out "set$evil.h5"
shows 0 "$slmt" pretrain --data "set$evil.h5" "${sizes[@]}" --out "pre$evil.h5" --log log.json
clean log.json
shows 0 "$slmt" finetune --data "set$evil.h5" --model "pre$evil.h5" --source t1 --target t2 --batch 2 --max-steps 1 \
    --threads 1 --out "model$evil.h5" --log log.json
clean log.json
shows 0 "$slmt" train unet --data "set$evil.h5" --source t1 --target t2 --width 4 --batch 2 --max-steps 1 --threads 1 \
    --out "unet$evil.h5"

claim "what computes shows them so"
shows 0 "$slmt" synthesize --model "model$evil.h5" "${t1[0]}" --out "one$evil.nii.gz" --threads 1
clean "one$evil.json"
expect 0 "$slmt" evaluate --model "model$evil.h5" --data "set$evil.h5" --csv scores.csv --log log.json --threads 1
clean stdout stderr scores.csv log.json

claim "info and convert show them so"
shows 0 "$slmt" info --all "set$evil.h5"
shows 0 "$slmt" info --all "model$evil.h5"
shows 0 "$slmt" convert "model$evil.h5" "small$evil.h5" --weights bf16
shows 3 "$slmt" convert --import "${t1[0]}" "imported$evil.h5"

claim "what fails shows them so"
echo no scan >"text$evil"
shows 3 "$slmt" info "text$evil"
shows 3 "$slmt" info "not$evil.h5"
shows 3 "$slmt" synthesize --model "model$evil.h5" "text$evil" --out x.nii.gz
shows 3 "$slmt" evaluate --model "text$evil" --data "set$evil.h5"
shows 3 "$slmt" rank --model "text$evil" --data "set$evil.h5"
shows 3 "$slmt" differ --model "text$evil" --to flair t1="${t1[0]}" flair="${t1[0]}" --out x.nii.gz
shows 3 "$slmt" segment --model "text$evil" t1="${t1[0]}" --out x.nii.gz
shows 3 "$slmt" fit --source t1="text$evil/*" --target t2="text$evil/*" --out fit.h5 --time 1m

claim "a table's names are shown so"
printf 'subject,t1,t2\n"%s",%s,%s\n' "s$evil" "${t1[0]}" "not$evil.nii.gz" >"table$evil.csv"
shows 3 "$slmt" prepare --table "table$evil.csv" --out x.h5
