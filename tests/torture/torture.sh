#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the command does where memory, disks and descriptors fail, and where it is killed:
# torture.sh SLMT MAKE_PHANTOM LIBFAILING short|long [PART...]
#
# Each command runs on small data while a call of the system fails: the n-th of its class, or all from the n-th on. Then
# no signal ends it; the exit code is 0 only with whole results; results of an earlier run are whole otherwise, as inputs
# always are; the exit code is that of the cause, and the message tells it; no temporary file is left. The short form
# takes a few places of each class, the long one every one of them up to MOST, spread evenly.
slmt=$1
make_phantom=$2
failing=$3
form=$4
parts=" ${*:5} "
. "$(dirname "$0")/../command/claims.sh"
MOST=${MOST:-60}
[ "$form" = long ] || MOST=1

one=(--threads 1 --quiet)
failures=0
runs=0

# ---- data ----

mkdir -p in/scans/t1 in/scans/t2 in/tissues
expect 0 "$make_phantom" make in/scans 3
expect 0 "$make_phantom" labels in/tissues 3
prepare=(prepare --contrast t1=in/scans/t1 --contrast t2=in/scans/t2 --labels tissue=in/tissues --crop 32 --slices 6:4
    --image-size 32 --test s02 --out out/set.h5)
expect 0 "$slmt" methods
mkdir out
expect 0 "$slmt" "${prepare[@]}" "${one[@]}" && cp out/set.h5 in/set.h5
train=(train unet --data in/set.h5 --source t1 --target t2 --image-size 32 --width 2 --batch 2 --epochs 2)
expect 0 "$slmt" "${train[@]}" --out in/unet.h5 "${one[@]}"
expect 0 "$slmt" "${train[@]}" --max-steps 3 --out in/part.h5 "${one[@]}"
expect 0 "$slmt" train segnet-basic --data in/set.h5 --channels 2 --classes 0,1,2,3,4 --width 2 --rows 32 --columns 32 \
    --batch 2 --epochs 1 --out in/segnet.h5 "${one[@]}"
rm -r out
(cd in && find . -type f -exec sha256sum {} +) >inputs

# ---- one run ----

# The results of a command that has them all, each followed by a byte: what an earlier run left.
old_results() {
    rm -rf out
    mkdir out
    for file in "${stable[@]}"; do
        [ ! -e "expected/$file" ] || { cat "expected/$file" && echo; } >"out/$file"
    done
    for file in "${moved[@]}"; do cp "in/part.h5" "out/$file"; done
}

complain() {
    failures=$((failures + 1))
    echo "FAILED: $name: $what: $*"
    sed 's/^/    /' stderr | tail -n 3
}

is_old() {
    local file=$1
    for m in "${moved[@]}"; do [ "$m" != "$file" ] || { cmp -s "out/$file" in/part.h5; return; }; done
    cmp -s <(cat "expected/$file" && echo) "out/$file"
}

# Results are new or old; after success all are new. A model that is trained may be that of an earlier step.
check_results() {
    local file
    for file in "${stable[@]}"; do
        cmp -s "expected/$file" "out/$file" && continue
        [ "$1" -ne 0 ] || { complain "exit code 0, and $file is not what it should be"; continue; }
        is_old "$file" && continue
        # Of prepare: a set without the scan that could not be read.
        [ "$1" -ne 1 ] || [ "$name" != prepare ] || ! "$slmt" info "out/$file" >/dev/null 2>&1 || continue
        [[ $file = *.h5 && $name = train* ]] && "$slmt" info "out/$file" >/dev/null 2>&1 && continue
        complain "exit code $1, and $file is neither old nor new"
    done
    for file in "${loose[@]}"; do
        [ "$1" -ne 0 ] || [ -s "out/$file" ] || complain "exit code 0, and $file is not there"
    done
}

check_strays() {
    local file
    for file in $(cd out && find . -type f); do
        case " ${stable[*]} ${loose[*]} " in
        *" ${file#./} "*) ;;
        *) complain "$file is left" ;;
        esac
    done
}

# run CLASS AT EVER ERRNO: the command, with calls that fail.
run() {
    local code=0
    what="$1 $2${3:+ and all later ones} $4"
    old_results
    timeout 60 env FAILING_CALL="$1" FAILING_AT="$2" FAILING_EVER="$3" FAILING_ERRNO="${numbers[$4]}" FAILING_FOLDER="$PWD" \
        FAILING_COUNTS="$PWD/counts" LD_PRELOAD="$failing" "$slmt" "${command[@]}" >stdout 2>stderr ||
        code=$?
    runs=$((runs + 1))
    [ "$code" -lt 124 ] || complain "exit code $code"
    check_results "$code"
    # A list of the command's own that finds no memory ends it at once: the next run removes what it left.
    [ "$1" = close ] || grep -qx "slmt: out of memory" stderr || check_strays
    check_cause "$code" "$1" "$3" "$4"
}

declare -A numbers=([EIO]=5 [EINTR]=4 [ENOMEM]=12 [EMFILE]=24 [ENOSPC]=28 [EDQUOT]=122)
declare -A texts=([EIO]="Input/output error" [EINTR]="Interrupted system call" [ENOMEM]="Cannot allocate memory"
    [EMFILE]="Too many open files" [ENOSPC]="No space left on device" [EDQUOT]="Disk quota exceeded")

# check_cause CODE CLASS EVER ERRNO: the exit code and the message are those of the cause.
check_cause() {
    # Of several scans some may fail: the message tells which.
    if [ "$1" -eq 1 ] && [ "$name" = prepare ]; then grep -qF "${texts[$4]}" stderr || complain "the message does not tell the cause"; return; fi
    [ "$1" -ne 0 ] || return 0
    if [ "$4" = EINTR ]; then
        complain "exit code $1: the call was not tried again"
    elif [ "$4" = ENOMEM ]; then
        [ "$1" -eq 4 ] || complain "exit code $1, not 4"
    else
        [ "$1" -eq 3 ] || complain "exit code $1, not 3"
        grep -qF "${texts[$4]}" stderr || complain "the message does not tell the cause"
    fi
    ! grep -qE 'damaged|cut short|not a |changed while' stderr || complain "the message tells another cause"
}

# ---- all places of a class ----

# places COUNT [MOST]: at most MOST numbers from 1 to COUNT, the first and the last among them; one alone is from the middle.
places() {
    awk -v n="$1" -v most="${2:-$MOST}" 'BEGIN {
        if (n <= most) for (i = 1; i <= n; i++) print i
        else if (most == 1) print int((n + 1) / 2)
        else for (i = 0; i < most; i++) print 1 + int(i * (n - 1) / (most - 1) + 0.5) }'
}

# torment CLASS ERRNO...: each place with one of the errors in turn.
torment() {
    local class=$1 i=0 at
    shift
    for at in $(places "$(count_of "$class")"); do
        run "$class" "$at" "" "${@:1 + i++ % $#:1}"
        [ "$form" = short ] || [ "${*: -1}" = EINTR ] ||
            run "$class" "$at" ever "${@:1 + i % $#:1}"
    done
}

# Allocations, also in the short form with the last of them, where a result is written, and with all from the middle on.
torment_memory() {
    [ "$form" = short ] || { torment memory ENOMEM; return; }
    local all at
    all=$(count_of memory)
    for at in $(places "$all" 3); do run memory "$at" "" ENOMEM; done
    run memory "$(((all + 1) / 2))" ever ENOMEM
}

# Less and less memory, from what the command needs down to nothing.
starve() {
    local at
    for at in $(places "$(count_of budget)"); do
        run budget "$((at - 1))" "" ENOMEM
    done
}

count_of() {
    local classes=(memory open read write sync rename close budget map) i
    for i in "${!classes[@]}"; do
        [ "${classes[i]}" != "$1" ] || sed -n "$((i + 1))p" counts.whole
    done
}

# wanted PART: all parts are done where none is named.
wanted() { [ "$parts" = "  " ] || [[ $parts = *" $1 "* ]]; }

# A run without failures: what should come out, and how many calls there are.
run_whole() {
    rm -rf expected
    old_results
    what="no failure"
    expect 0 env FAILING_CALL=none FAILING_FOLDER="$PWD" FAILING_COUNTS="$PWD/counts.whole" \
        LD_PRELOAD="$failing" "$slmt" "${command[@]}"
    mv out expected
}

# torture NAME: `command` with `stable` results, which are the same in every run, and `loose` ones.
torture() {
    name=$1
    wanted "$1" || return 0
    run_whole
    torment_memory
    torment map ENOMEM
    starve
    torment open EIO EMFILE
    torment open EINTR
    torment read EIO
    torment read EINTR
    torment write ENOSPC EDQUOT EIO
    torment write EINTR
    torment sync EIO EDQUOT
    torment sync EINTR
    torment rename EIO ENOSPC
    torment close EIO
    (cd in && sha256sum --quiet -c ../inputs) >stderr 2>&1 || complain "an input has changed"
    echo "- $name: $(tr '\n' ' ' <counts.whole)calls, $runs runs so far, $failures failures"
}

moved=()
stable=(set.h5) loose=()
command=("${prepare[@]}" "${one[@]}")
torture prepare

stable=(model.h5) loose=(log.jsonl)
command=("${train[@]}" --out out/model.h5 --log out/log.jsonl "${one[@]}")
torture train

stable=(model.h5) loose=() moved=(model.h5)
command=(train --data in/set.h5 --resume out/model.h5 --out out/model.h5 "${one[@]}")
torture train-resumed

moved=()
stable=(t2.nii.gz) loose=(t2.json)
command=(synthesize --model in/unet.h5 in/scans/t1/s00.nii.gz --out out/t2.nii.gz "${one[@]}")
torture synthesize
# Its sidecar of an earlier run is opened in one place of them all.
! wanted synthesize || [ "$form" = long ] || MOST=20 torment open EINTR

stable=(labels.nii.gz scores.csv) loose=()
command=(segment --model in/segnet.h5 t1=in/scans/t1/s00.nii.gz t2=in/scans/t2/s00.nii.gz --out out/labels.nii.gz
    --truth in/tissues/s00.nii.gz --csv out/scores.csv "${one[@]}")
torture segment

stable=(scores.csv) loose=()
command=(evaluate --model in/unet.h5 --data in/set.h5 --csv out/scores.csv "${one[@]}")
torture evaluate

stable=(half.h5) loose=()
command=(convert --weights bf16 in/unet.h5 out/half.h5 "${one[@]}")
torture convert

stable=() loose=()
command=(info in/unet.h5)
torture info

# ---- killed at any moment ----

# The next run takes the results of the killed one for what they are, and removes what it left.
kill_one() {
    what="killed after $1 s"
    "$slmt" "${command[@]}" >stdout 2>stderr &
    sleep "$1"
    kill -KILL $! 2>/dev/null
    wait $! 2>/dev/null
    check_results 137
    expect 0 "$slmt" "${command[@]}"
    what="the run after one that was killed"
    check_results 0
    check_strays
}

kill_all() {
    name=$1
    wanted kill || return 0
    run_whole
    local i seconds
    seconds=$({ TIMEFORMAT=%R; time "$slmt" "${command[@]}" >stdout 2>stderr; } 2>&1)
    for i in $(seq "$2"); do
        old_results
        kill_one "$(awk -v t="$seconds" -v seed="$i" 'BEGIN { srand(seed); print t * rand() }')"
    done
    echo "- $name: killed $2 times, $failures failures so far"
}

kills=70
[ "$form" = long ] || kills=1
stable=(set.h5) loose=()
command=("${prepare[@]}" "${one[@]}")
kill_all prepare "$kills"
stable=(model.h5) loose=(log.jsonl)
command=("${train[@]}" --out out/model.h5 --log out/log.jsonl "${one[@]}")
kill_all train "$kills"
stable=(t2.nii.gz) loose=(t2.json)
command=(synthesize --model in/unet.h5 in/scans/t1/s00.nii.gz --out out/t2.nii.gz "${one[@]}")
kill_all synthesize "$kills"

# ---- files that may not grow ----

name=limits
limit_files() {
    local blocks code
    for blocks in 0 1 8 32; do
        what="files of at most $blocks KiB"
        old_results
        code=0
        (ulimit -f "$blocks" && exec "$slmt" "${command[@]}") >stdout 2>stderr || code=$?
        [ "$code" -eq 3 ] || complain "exit code $code, not 3"
        check_results "$code"
        check_strays
    done
}
stable=(model.h5) loose=(log.jsonl)
command=("${train[@]}" --out out/model.h5 "${one[@]}")
! wanted limits || { run_whole && limit_files; }

# ---- disks that fill up, and those that cannot be written ----

# mounted OPTIONS COMMAND...: with a disk of its own at `out`, which the old results are on, and whose files lie in
# `out` afterwards.
mounted() {
    rm -rf disk
    mkdir disk
    # shellcheck disable=SC2016 # a script for the shell that may mount
    unshare --map-root-user --mount bash -c 'set -e
        options=$1
        shift
        mount -t tmpfs -o "${options%,ro}" none disk
        cp -a out/. disk
        mount --move disk out
        [[ $options != *,ro ]] || mount -o remount,ro out
        code=0
        "$@" >stdout 2>stderr || code=$?
        cp -a out/. disk
        exit $code' mounted "$@"
}

# A disk with a little more room, until there is enough. What is there takes whole pages.
fill_disk() {
    local room code=3 old
    for room in 0 4 8 12 16 24 32 64 128 256 512 1024; do
        what="a disk with $room KiB left"
        old_results
        old=$(find out -type f -printf '%s\n' | awk '{ n += int(($1 + 4095) / 4096) * 4 } END { print n + 0 }')
        code=0
        mounted "size=$((old + room))k" "$slmt" "${command[@]}" || code=$?
        runs=$((runs + 1))
        rm -rf out
        mv disk out
        check_results "$code"
        check_strays
        check_cause "$code" write "" ENOSPC
        [ "$code" -ne 0 ] || return 0
    done
    complain "1024 KiB are not enough"
}

forbid_writing() {
    local code=0
    what="a disk that is mounted read-only"
    old_results
    mounted size=4m,ro "$slmt" "${command[@]}" || code=$?
    rm -rf out
    mv disk out
    [ "$code" -eq 3 ] || complain "exit code $code, not 3"
    grep -qF "Read-only file system" stderr || complain "the message does not tell the cause"
    check_results "$code"
    check_strays
}

# torture_disk NAME: `command` as above.
torture_disk() {
    name=$1
    wanted disk || return 0
    run_whole
    fill_disk
    forbid_writing
    echo "- $name: disks that are full or read-only, $failures failures so far"
}

name=disk what="a disk of its own"
rm -rf out
mkdir out
if wanted disk && ! mounted size=64k true; then
    echo "- no file system can be mounted here: disks that are full or read-only are left out"
    parts=" ${parts// disk /} "
    [ "$parts" != "  " ] || parts=" none "
fi

stable=(t2.nii.gz) loose=(t2.json) moved=()
command=(synthesize --model in/unet.h5 in/scans/t1/s00.nii.gz --out out/t2.nii.gz "${one[@]}")
torture_disk synthesize
if [ "$form" = long ]; then
    stable=(set.h5) loose=()
    command=("${prepare[@]}" "${one[@]}")
    torture_disk prepare
    stable=(model.h5) loose=(log.jsonl)
    command=("${train[@]}" --out out/model.h5 --log out/log.jsonl "${one[@]}")
    torture_disk train
    stable=(model.h5) loose=() moved=(model.h5)
    command=(train --data in/set.h5 --resume out/model.h5 --out out/model.h5 "${one[@]}")
    torture_disk train-resumed
    moved=()
    stable=(labels.nii.gz scores.csv) loose=()
    command=(segment --model in/segnet.h5 t1=in/scans/t1/s00.nii.gz t2=in/scans/t2/s00.nii.gz --out out/labels.nii.gz
        --truth in/tissues/s00.nii.gz --csv out/scores.csv "${one[@]}")
    torture_disk segment
    stable=(scores.csv) loose=()
    command=(evaluate --model in/unet.h5 --data in/set.h5 --csv out/scores.csv "${one[@]}")
    torture_disk evaluate
    stable=(half.h5) loose=()
    command=(convert --weights bf16 in/unet.h5 out/half.h5 "${one[@]}")
    torture_disk convert
fi

echo "$runs runs"
[ "$failures" -eq 0 ] || die "$failures failures"
