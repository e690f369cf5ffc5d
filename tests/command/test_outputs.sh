#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No output of any command destroys an input, and what cannot be written is told before the work:
# test_outputs.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

# unchanged: all files of the folder `kept` are those of `safe`
unchanged() { diff -r kept safe >difference || die "$* changed: $(cat difference)"; }

mkdir -p kept/t1 kept/t2
"$make_phantom" make kept 3 || exit 1
prepare=(prepare --contrast t1=kept/t1 --contrast t2=kept/t2 --crop 64 --slices 2:16 --image-size 128)
finetune=(finetune --source t1 --target t2 --preset tiny --max-steps 1 --threads 1 --batch 1)
expect 0 "$slmt" "${prepare[@]}" --out kept/set.h5 --quiet
expect 0 "$slmt" "${finetune[@]}" --data kept/set.h5 --out kept/model.h5 --quiet
cp -r kept safe

# options_of COMMAND: "NAME=VALUE" of each option that takes one
options_of() { "$slmt" "$@" --help | grep -oP '^ +(-., )?--\K[a-z0-9-]+=[^ ]+' | sort -u; }

# fill COMMAND [METHOD]: a line that the command takes, into `line`
fill() {
    line=("$@")
    case $1 in
        pretrain) line+=(--data kept/set.h5 --out new.h5) ;;
        finetune) line+=(--data kept/set.h5 --source t1 --target t2 --out new.h5) ;;
        train) line+=(--data kept/set.h5 --out new.h5 --task pretrain) ;;
        fit) line+=(--source t1=kept/t1 --target t2=kept/t2 --out new.h5) ;;
        prepare) line+=(--contrast t1=kept/t1 --out new.h5) ;;
        synthesize) line+=(--model kept/model.h5 --out new.nii.gz kept/t1/s00.nii.gz) ;;
        segment) line+=(--model kept/model.h5 --out new.nii.gz t1=kept/t1/s00.nii.gz) ;;
        evaluate | rank) line+=(--model kept/model.h5 --data kept/set.h5) ;;
        differ) line+=(--model kept/model.h5 --to t2 --out new.nii.gz t1=kept/t1/s00.nii.gz t2=kept/t2/s00.nii.gz) ;;
        *) ;;
    esac
}

claim "every option of every command that takes a file is known to read it or to write it"
commands=$("$slmt" --help | sed -n '/^Commands/,/^`slmt/p' | awk '/^  [a-z]/ { print $1 }')
outputs=" out log csv png probabilities trace ranking report json csv-pairs confusion "
inputs=" data model teacher truth answer resume judge table contrast labels mask perceptual plan source target extra test validation from "
known=0
for command in $commands; do
    words=("$command")
    [ "$command" != train ] || words=(train slmt-net)
    for option in $(options_of "${words[@]}" | grep -E '=(.*(FILE|DIR|SCANS|PLACE|MODEL).*)$'); do
        name=${option%%=*}
        known=$((known + 1))
        [[ $outputs == *" $name "* || $inputs == *" $name "* ]] || die "slmt $command: is --$name read or written?"
    done
done
[ "$known" -ge 30 ] || die "only $known options with files were found"

claim "no output option of any command may name a file that the command reads: by name, link or another path"
ln -s set.h5 kept/link.h5 && ln kept/set.h5 kept/hard.h5 && cp -P kept/link.h5 safe && ln safe/set.h5 safe/hard.h5
tried=0
for command in $commands; do
    words=("$command")
    [ "$command" != train ] || words=(train slmt-net)
    fill "${words[@]}"
    for option in $(options_of "${words[@]}" | grep -E '=.*(FILE|DIR|MODEL)'); do
        name=${option%%=*}
        [[ $outputs == *" $name "* ]] || continue
        for word in "${line[@]}"; do
            file=${word#*=}
            [[ $file == kept/* ]] || continue
            [ -f "$file" ] || file=$file/s00.nii.gz
            for path in "$file" "./kept/../$file" "$work/$file"; do
                expect 2 "$slmt" "${line[@]}" "--$name" "$path"
                grep -Eq 'one file|ends in' stderr || die "slmt $command --$name $path: $(cat stderr)"
                tried=$((tried + 1))
            done
        done
    done
done
[ "$tried" -ge 60 ] || die "only $tried were tried"
unchanged "a file"
for path in kept/link.h5 kept/hard.h5; do
    expect 2 "$slmt" pretrain --data kept/set.h5 --out $path
    expect 2 "$slmt" pretrain --data $path --out new.h5 --log kept/set.h5
    expect 2 "$slmt" evaluate --model kept/model.h5 --data $path --csv kept/set.h5
done
expect 2 "$slmt" finetune --data kept/set.h5 --model kept/model.h5 --source t1 --target t2 --out kept/model.h5
expect 2 "$slmt" train slmt-net --task finetune --data kept/set.h5 --judge kept/model.h5 --out kept/model.h5
expect 2 "$slmt" pretrain --data kept/set.h5 --resume kept/model.h5 --out new.h5 --log kept/model.h5
cp kept/t1/s00.nii.gz table.csv # whatever it holds
expect 2 "$slmt" prepare --table table.csv --out table.csv
expect 2 "$slmt" prepare --contrast 't1=kept/*/s0*.nii.gz' --out new.h5 --log kept/t2/s01.nii.gz
expect 2 "$slmt" synthesize --model kept/model.h5 kept/t1 --out kept/t1
expect 2 "$slmt" synthesize --model kept/model.h5 kept/t1 --out made --log kept/t1/s01.nii.gz
expect 2 "$slmt" synthesize --model kept/model.h5 kept/t1/s00.nii.gz kept/t2/s00.nii.gz --out made
holds "two results would be written to it" stderr
ln kept/t1/s01.nii.gz scan.txt # no name gives it away
expect 2 "$slmt" prepare --contrast t1=kept/t1 --out new.h5 --log scan.txt
holds "--log scan.txt would destroy the input kept/t1/s01.nii.gz: they are one file; nothing was done" stderr
expect 2 "$slmt" synthesize --model kept/model.h5 kept/t1 --out made --log scan.txt
expect 2 "$slmt" differ --model kept/model.h5 --to t2 t1=kept/t1/s00.nii.gz t2=kept/t1/s01.nii.gz --out x.nii --png scan.txt
holds "would destroy" stderr
ln -s t1 kept/again && ln -s t1 safe/again
expect 2 "$slmt" synthesize --model kept/model.h5 kept/t1 --out kept/again
unchanged "a file"
expect 2 "$slmt" differ --model kept/model.h5 --to t2 't1=kept/t1/s00.nii.gz[0]' t2=kept/t2/s00.nii.gz \
    --out kept/t1/s00.nii.gz
holds "would destroy the input kept/t1/s00.nii.gz" stderr
unchanged "a file"
[ ! -e new.h5 ] || die "something was written"

claim "a scan's header and image are one input, whichever of the two is named"
gunzip -c kept/t1/s00.nii.gz >two.nii
head -c 348 two.nii >two.hdr
tail -c +353 two.nii >two.img
printf 'ni1\0' | dd of=two.hdr bs=1 seek=344 conv=notrunc status=none
printf '\0\0\0\0' | dd of=two.hdr bs=1 seek=108 conv=notrunc status=none # voxels begin at the image's start
cp two.img two.safe
ln two.img image.txt
ln two.hdr header.txt
expect 2 "$slmt" prepare --contrast t1=two.hdr --out new.h5 --log image.txt
holds "--log image.txt would destroy --contrast two.img" stderr
expect 2 "$slmt" synthesize --model kept/model.h5 two.hdr --out new.nii.gz --log image.txt
holds "--log image.txt would destroy the input two.img" stderr
expect 2 "$slmt" synthesize --model kept/model.h5 two.img --out new.nii.gz --log header.txt
holds "--log header.txt would destroy the input two.hdr" stderr
cmp two.img two.safe || die "a file changed"

claim "a checkpoint replaces a checkpoint or an empty file, and a set replaces a set, whether they are read or not"
cp kept/set.h5 other-set
cp kept/model.h5 other-model
cp kept/t1/s00.nii.gz other-scan
touch empty
train=(pretrain --data kept/set.h5 --preset tiny --max-steps 1 --threads 1 --batch 1 --quiet)
expect 3 "$slmt" "${train[@]}" --out other-set
holds "--out: other-set is there and is a training set: it is not replaced" stderr
expect 3 "$slmt" "${train[@]}" --out other-scan
holds "--out: other-scan is there and is no checkpoint: it is not replaced" stderr
expect 3 "$slmt" "${prepare[@]}" --out other-model
holds "--out: other-model is there and is a checkpoint: it is not replaced" stderr
expect 3 "$slmt" "${prepare[@]}" --out other-scan
holds "--out: other-scan is there and is no training set: it is not replaced" stderr
expect 3 "$slmt" convert kept/model.h5 other-scan --weights bf16
holds "other-scan is there and is not replaced: it is a file compressed with gzip, as scans are" stderr
cmp kept/set.h5 other-set && cmp kept/model.h5 other-model && cmp kept/t1/s00.nii.gz other-scan || die "a file changed"
expect 0 "$slmt" "${train[@]}" --out other-model
expect 0 "$slmt" "${train[@]}" --out empty
expect 0 "$slmt" "${prepare[@]}" --out other-set --quiet
rm other-*

claim "two outputs are two files, also if neither is there yet"
expect 2 "$slmt" evaluate --model kept/model.h5 --data kept/set.h5 --csv new.txt --log ./new.txt
holds "are one file" stderr
expect 2 "$slmt" pretrain --data kept/set.h5 --out new --trace "$work/new"
expect 2 "$slmt" synthesize --model kept/model.h5 kept/t1/s00.nii.gz --out new.nii.gz --log new.nii.gz
expect 0 "$slmt" evaluate --model kept/model.h5 --data kept/set.h5 --csv /dev/null --log /dev/null --split train
[ ! -e new.txt ] && [ ! -e new ] || die "something was written"

claim "a run that goes on may replace its own checkpoint, and a conversion its source"
cp kept/model.h5 own.h5
expect 0 "$slmt" convert own.h5 own.h5 --weights bf16 --quiet
expect 0 "$slmt" finetune --preset tiny --max-steps 1 --threads 1 --batch 1 --data kept/set.h5 --source t1 --target t2 --out own.h5
expect 0 "$slmt" finetune --data kept/set.h5 --resume own.h5 --out own.h5 --max-steps 1 --threads 1

claim "what cannot be written is told before anything is computed"
long=(pretrain --data kept/set.h5 --preset tiny --threads 1 --batch 1 --max-steps 100000)
expect 3 "$slmt" "${long[@]}" --out missing/new.h5
holds "--out: missing/new.h5: there is no folder missing" stderr
expect 3 "$slmt" "${long[@]}" --out new.h5 --log missing/log.jsonl
expect 3 "$slmt" "${long[@]}" --out new.h5 --trace missing/trace.json
expect 3 "$slmt" "${long[@]}" --out kept
holds "--out: kept is a folder" stderr
expect 2 "$slmt" "${long[@]}" --out new.nii.gz
holds "--out: new.nii.gz ends in .nii.gz, but what is written is called .h5 .hdf5" stderr
expect 2 "$slmt" "${prepare[@]}" --out new.png
expect 2 "$slmt" synthesize --model kept/model.h5 kept/t1/s00.nii.gz --out new.png
expect 2 "$slmt" synthesize --model kept/model.h5 kept/t1/s00.nii.gz --out new.h5
expect 2 "$slmt" synthesize --model kept/model.h5 kept/t1 --out new.nii.gz
holds "is the name of one file, but a folder is needed for kept/t1" stderr
expect 3 "$slmt" synthesize --model kept/model.h5 kept/t1/s00.nii.gz --out missing/new.nii.gz
expect 2 "$slmt" evaluate --model kept/model.h5 --data kept/set.h5 --csv new.h5
[ -z "$(ls -d new* missing 2>/dev/null)" ] || die "something was written: $(ls -d new* missing)"
if [ "$(id -u)" -ne 0 ]; then
    mkdir closed && chmod a-w closed
    expect 3 "$slmt" "${long[@]}" --out closed/new.h5
    holds "Permission denied" stderr
fi
echo "all true"
