#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guess is answered with the line that was meant, and a wrong value with the option's name: test_guesses.sh SLMT.
slmt=$1
. "$(dirname "$0")/claims.sh"

claim "help and version are answered by any usual word"
expect 0 "$slmt" --help
cp stdout help
for word in help -h '-?'; do
    expect 0 "$slmt" "$word"
    cmp stdout help || die "slmt $word is not the help"
done
for command in $("$slmt" --help | sed -n '/^Commands/,/^`slmt/p' | awk '/^  [a-z]/ { print $1 }'); do
    expect 0 "$slmt" "$command" --help
    cp stdout help
    expect 0 "$slmt" help "$command"
    cmp stdout help || die "slmt help $command is not its help"
    expect 0 "$slmt" "$command" -h
    cmp stdout help || die "slmt $command -h is not its help"
done
expect 0 "$slmt" --version
cp stdout version
for word in version -v -V; do
    expect 0 "$slmt" "$word"
    cmp stdout version || die "slmt $word is not the version"
done
grep -Eq '^slmt [0-9]+\.[0-9]+\.[0-9]+$' version || die "no version: $(cat version)"
grep -Eq '^commit +[0-9a-f-]+|^commit +unknown' version || die "no commit"
grep -Eq '^numerics +[0-9]+$' version || die "no numerics version"
digest=$(sha256sum "$(readlink -f "$slmt")" | cut -d' ' -f1)
holds "SHA-256 $digest" version

claim "a word that is no command is answered with the one that was meant and all there are"
for pair in synthesise:synthesize sythesize:synthesize fine-tune:finetune evalute:evaluate TRAIN:train infos:info; do
    expect 2 "$slmt" "${pair%:*}" --model x
    holds "there is no command '${pair%:*}'; did you mean \`slmt ${pair#*:}'?" stderr
    expect 2 "$slmt" help "${pair%:*}"
    holds "did you mean \`slmt ${pair#*:}'?" stderr
done
for pair in predict:synthesize inference:synthesize Translate:synthesize score:evaluate preprocess:prepare list:methods \
    inspect:info; do
    expect 2 "$slmt" "${pair%:*}"
    holds "there is no command '${pair%:*}'; did you mean \`slmt ${pair#*:}'?" stderr
done
expect 2 "$slmt" painting
holds "there is no command 'painting'" stderr
! grep -q "did you mean" stderr || die "a guess that is none: $(cat stderr)"
grep -q "^Commands: methods .*synthesize" stderr || die "no list of commands"
expect 2 "$slmt"
holds "a command is needed" stderr

claim "a name that is no method is answered with the nearest and all there are"
for pair in Unet:unet slmt_net:slmt-net u-net:unet SEQ2SEQ:seq2seq; do
    expect 2 "$slmt" train "${pair%:*}" --data set.h5 --out x.h5
    holds "there is no method '${pair%:*}'; did you mean '${pair#*:}'? There are slmt-net, " stderr
    expect 2 "$slmt" methods "${pair%:*}"
    holds "did you mean '${pair#*:}'?" stderr
done
expect 2 "$slmt" train painting --data set.h5 --out x.h5
holds "there is no method 'painting'; there are slmt-net, " stderr

claim "options in front of their command are put behind it"
expect 2 "$slmt" --threads 1 synthesize scan.nii --out made.nii
holds "options stand behind their command: slmt synthesize --threads 1 scan.nii --out made.nii" stderr
expect 2 "$slmt" --quiet
holds "'--quiet' is none of slmt's own options" stderr

claim "an option that is none is answered with the nearest"
for pair in modell:model ouput:out thread:threads test_fraction:test-fraction conrast:contrast; do
    command=prepare
    [ "${pair#*:}" != model ] || command=evaluate
    expect 2 "$slmt" $command "--${pair%:*}x" 1
    holds "unrecognized option '--${pair%:*}x'" stderr
done
expect 2 "$slmt" synthesize --modell m.h5 scan.nii --out made.nii
holds "did you mean '--model'? \`slmt synthesize --help' lists the options" stderr
expect 2 "$slmt" synthesize -model m.h5 scan.nii --out made.nii
holds "did you mean '--model'?" stderr
expect 2 "$slmt" train seq2seq --learnig-rate 1 --data x --out y
holds "did you mean '--learning-rate'?" stderr

claim "values of options are not mistaken for options"
expect 3 "$slmt" evaluate --model --none --data -1
holds "--none: " stderr
expect 3 "$slmt" prepare --contrast t1=here --out set.h5 --crop-x -1
holds "there is no file or folder here" stderr
expect 3 "$slmt" info -- --none

claim "a file or folder that is not there is answered with the one that nearly is"
touch model.h5
mkdir scans
expect 3 "$slmt" info modle.h5
holds "; there is model.h5" stderr
expect 3 "$slmt" evaluate --model ./Model.h5 --data set.h5
holds "; there is ./model.h5" stderr
expect 3 "$slmt" prepare --contrast t1=scan --out set.h5
holds "t1: there is no file or folder scan; there is scans" stderr

claim "what is no model or no set is called what it is"
printf 'libslmt dataset\nversion 3\n' >set.h5
printf 'libslmt checkpoint\nversion 1\n' >a_model.h5
printf '\037\213\010\000scan' >scan.nii.gz
printf '<!DOCTYPE html><title>Sign in</title>' >page.h5
{ head -c 344 /dev/zero; printf 'n+1\0'; } >scan.nii
is() {
    expect 3 "$slmt" evaluate --model "$1" --data set.h5
    holds "$1: not a libslmt checkpoint: it is $2" stderr
}
is set.h5 "a training set of libslmt"
is scan.nii.gz "a file compressed with gzip, as scans are"
is scan.nii "a NIfTI scan"
is page.h5 "an HTML page"
for file in a_model.h5:"a checkpoint of libslmt" scan.nii.gz:"a file compressed with gzip" page.h5:"an HTML page"; do
    expect 3 "$slmt" pretrain --data "${file%%:*}" --out x.h5
    holds "${file%%:*}: not a libslmt training set: it is ${file#*:}" stderr
done
expect 3 "$slmt" info scan.nii.gz
holds "is neither a checkpoint nor a training set: it is a file compressed with gzip" stderr

claim "wrong values are answered with the option's name and what it takes"
expect 2 "$slmt" prepare --contrast t1=scans --contrast t1=scans --out set.h5
holds "'t1': it is given twice" stderr
expect 2 "$slmt" prepare --contrast 'a b=scans' --out set.h5
holds "at most 64 letters, digits, '-' and '_'" stderr
expect 2 "$slmt" prepare --contrast t1=scans --out set.h5 --image-size 0
holds "--image-size: '0' is not a whole number of 1 to 4096" stderr
expect 2 "$slmt" synthesize --batch 0 --model model.h5 --out x.nii scan.nii
holds "--batch: '0' is not a whole number of 1 to 65536" stderr
expect 2 "$slmt" info model.h5 --threads 999
holds "--threads: 999 is not 0 to" stderr
for size in 800M 800MB 800mib 1g 0 900000000; do expect 3 "$slmt" info model.h5 --max-memory $size; done
for size in 800X M -1 1.5G 800MBB; do
    expect 2 "$slmt" info model.h5 --max-memory=$size
    holds "is not a size such as 800M or 12G" stderr
done
expect 2 "$slmt" prepare --contrast t1=scans --out set.h5 --low 0,2
holds "--low: '0,2' is not a number: write a point, not a comma" stderr
expect 2 "$slmt" train unet --data set.h5 --source t1 --target t2 --learning-rate 0,001 --out x.h5
holds "--learning-rate: '0,001', expected 0 to 1000, with a point, not a comma" stderr
expect 2 "$slmt" train unet --data set.h5 --source t1 --target t2 --learning-rate 5000 --out x.h5
lacks "comma" stderr
expect 2 "$slmt" convert model.h5 other.h5
holds "--weights is needed" stderr

claim "manual pages are written into a new folder, each with an example"
expect 0 "$slmt" --manual pages
for page in pages/slmt-*.1; do
    case $page in pages/slmt-train-*) continue ;; esac
    grep -q '^\.SH EXAMPLES$' "$page" || die "$page has no example"
done
echo "all true"
