#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Descriptors that are closed, disks that are full, pipes, devices and links: test_streams.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

mkdir -p scans/t1 scans/t2
"$make_phantom" make scans 3 || exit 1
prepare=(prepare --contrast t1=scans/t1 --contrast t2=scans/t2 --crop 64 --slices 2:16 --image-size 128)
expect 0 "$slmt" "${prepare[@]}" --out set.h5 --quiet
expect 0 "$slmt" finetune --data set.h5 --source t1 --target t2 --preset tiny --max-steps 1 --threads 1 --batch 1 \
    --out model.h5 --quiet
cp model.h5 kept.h5

claim "a message never lands in a file: with descriptors 0 to 2 closed the outputs are the same"
("$slmt" "${prepare[@]}" --out closed.h5 0<&- 1>&- 2>&-) || die "prepare without descriptors: exit code $?"
cmp set.h5 closed.h5 || die "the set has changed"
("$slmt" "${prepare[@]}" --out closed.h5 2>&-) || die "prepare without stderr: exit code $?"
cmp set.h5 closed.h5 || die "the set has changed"
synthesize=(synthesize --model model.h5 scans/t1/s00.nii.gz --threads 1)
expect 0 "$slmt" "${synthesize[@]}" --out open.nii
("$slmt" "${synthesize[@]}" --out closed.nii 0<&- 1>&- 2>&-) || die "synthesize without descriptors: exit code $?"
cmp open.nii closed.nii || die "the volume has changed"

claim "a full disk behind standard output is exit code 3"
for line in "info model.h5" "methods" "--help" "--version" "info --help" "--completion bash" \
    "evaluate --model model.h5 --data set.h5 --threads 1 --quiet"; do
    code=0
    # shellcheck disable=SC2086 # words
    "$slmt" $line >/dev/full 2>stderr || code=$?
    [ $code = 3 ] || die "slmt $line >/dev/full: exit code $code"
    holds "standard output cannot be written" stderr
done

claim "a reader that has gone is no failure"
"$slmt" methods slmt-net 2>stderr | head -1 >/dev/null
lacks "standard output" stderr

claim "a pipe or a device is not replaced by a file"
mkfifo pipe pipe.nii
ln -s pipe link
for out in pipe link /dev/null; do
    expect 3 "$slmt" finetune --data set.h5 --source t1 --target t2 --preset tiny --max-steps 1 --out $out
    holds "--out: $out is a device or a pipe" stderr
    expect 3 "$slmt" convert model.h5 $out --weights bf16
    holds "is a device or a pipe" stderr
done
expect 3 "$slmt" "${synthesize[@]}" --out pipe.nii
{ [ -p pipe ] && [ -p pipe.nii ] && [ -L link ] && [ -c /dev/null ]; } || die "a pipe or a device was replaced"

claim "a link stays, and what it points to is replaced"
cp model.h5 real.h5
ln -s real.h5 linked.h5
expect 0 "$slmt" convert model.h5 linked.h5 --weights bf16
[ -L linked.h5 ] || die "the link was replaced"
! cmp -s model.h5 real.h5 || die "its target was not"
cmp model.h5 kept.h5 || die "the input has changed"
echo old >real.csv
ln -s real.csv linked.csv
expect 0 "$slmt" evaluate --model model.h5 --data set.h5 --threads 1 --quiet --csv linked.csv
[ -L linked.csv ] || die "the link was replaced"
holds "method,level" real.csv
expect 0 "$slmt" "${synthesize[@]}" --out linked.nii
mv linked.json real.json
ln -s real.json linked.json
expect 0 "$slmt" "${synthesize[@]}" --out linked.nii
[ -L linked.json ] || die "the link was replaced"

claim "a table is whole, or the older one is there"
expect 0 "$slmt" evaluate --model model.h5 --data set.h5 --threads 1 --quiet --csv whole.csv
cat pipe >from-pipe.csv &
expect 0 "$slmt" evaluate --model model.h5 --data set.h5 --threads 1 --quiet --csv pipe
wait $!
cmp whole.csv from-pipe.csv || die "a pipe gets other lines than a file"
cp whole.csv kept.csv
(ulimit -f 0 && exec "$slmt" evaluate --model model.h5 --data set.h5 --threads 1 --quiet --csv whole.csv) 2>&1 | cat >stderr
[ "${PIPESTATUS[0]}" -eq 3 ] || die "a table that cannot be written is no error"
holds "whole.csv: not all of it could be written: File too large" stderr
cmp whole.csv kept.csv || die "the older table is gone"

claim "what a killed run left is gone after the next one"
: >slmt.tmp.12345.0
expect 0 "$slmt" "${synthesize[@]}" --out after.nii --quiet
[ ! -e slmt.tmp.12345.0 ] || die "the file of a killed run is still there"
