#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What slmt synthesize reads and writes: names, files that are no scans, one volume of several, headers of results and
# the files beside them: test_results.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

# number OFFSET TYPE FILE: a number of an uncompressed file's header, as od prints it
number() { od -An -j "$1" -N "${2:1}" -t "$2" "$3" | tr -d ' '; }

# patch OFFSET BYTES FILE: BYTES as printf takes them
patch() { printf "$2" | dd of="$3" bs=1 seek="$1" conv=notrunc status=none; }

sizes=(--image-size 128 --embed-dim 8 --depth 1 --num-heads 2 --decoder-dim 8 --decoder-depth 1
    --decoder-heads 2 --generator-heads 2,2,4,8)
mkdir raw raw/t1 raw/t2
expect 0 "$make_phantom" make raw 2
expect 0 "$slmt" prepare --contrast t1=raw/t1 --contrast t2=raw/t2 --crop 64 --slices 2:4 --image-size 128 \
    --test-fraction 0 --out set.h5 --quiet
expect 0 "$slmt" finetune --data set.h5 --source t1 --target t2 "${sizes[@]}" --batch 2 --warmup-epochs 0 --max-steps 1 \
    --threads 1 --quiet --out model.h5
synthesize=("$slmt" synthesize --model model.h5 --threads 1 --quiet)
scan=raw/t1/s00.nii.gz
gunzip -c $scan >plain.nii

claim "beside a result lies a file that says what it was made from, and that it is not for diagnosis"
expect 0 "${synthesize[@]}" $scan --out one.nii.gz --batch 3
for file in model.h5 $scan one.nii.gz; do
    holds "\"file\":	\"$file\"" one.json
    holds "\"sha256\":	\"$(sha256sum $file | cut -d ' ' -f 1)\"" one.json
done
holds '"synthetic":	true' one.json
holds '"not_for_diagnosis":	true' one.json
holds 'not for diagnosis.' one.json
holds '"contrast":	"t2"' one.json
holds '"contrast":	"t1"' one.json
holds '"method":	"slmt-net"' one.json
holds '"name":	"libslmt"' one.json
holds "\"version\":	\"$("$slmt" --version | head -n 1 | cut -d ' ' -f 2)\"" one.json
holds '"numerics_version":	' one.json
holds '"batch":	3' one.json
holds '"weights":	"stored"' one.json
holds '"nan":	"refuse"' one.json
holds '"spacing":	"refuse"' one.json
expect 0 "${synthesize[@]}" $scan --out other_settings.nii.gz --nan zero --any-spacing
holds '"nan":	"zero"' other_settings.json
holds '"spacing":	"any"' other_settings.json
! ls | grep -q 'slmt.tmp' || die "a temporary file was left"

claim "the same run writes the same bytes again, over its own earlier files"
cp one.json first.json
expect 0 "${synthesize[@]}" $scan --out one.nii.gz --batch 3
cmp one.json first.json || die "the sidecars differ"

claim "a file that is no sidecar is never replaced by one, and nothing is computed"
echo '{"EchoTime": 0.1}' >other.json
expect 2 "${synthesize[@]}" $scan --out other.nii.gz
holds "other.json: is there" stderr
holds "EchoTime" other.json
[ ! -e other.nii.gz ] || die "a result was written all the same"
expect 0 "${synthesize[@]}" $scan --out other.nii.gz --sidecar off
holds "EchoTime" other.json
expect 2 "${synthesize[@]}" $scan --out log.nii --log log.json
holds "are one file" stderr
[ ! -e log.nii ] || die "a result was written all the same"

claim "a folder of results has a sidecar for each only if asked"
expect 0 "${synthesize[@]}" raw/t1 --out made
[ "$(ls made | tr '\n' ' ')" = "s00.nii.gz s01.nii.gz " ] || die "made: $(ls made)"
expect 0 "${synthesize[@]}" raw/t1 --out made --sidecar on
[ "$(ls made | tr '\n' ' ')" = "s00.json s00.nii.gz s01.json s01.nii.gz " ] || die "made: $(ls made)"
holds "raw/t1/s01.nii.gz" made/s01.json

claim "a suffix lets results lie among the inputs; a second run takes them for no inputs"
cp -r raw/t1 mixed
expect 0 "${synthesize[@]}" mixed --out mixed --suffix _t2
[ "$(ls mixed | tr '\n' ' ')" = "s00.nii.gz s00_t2.nii.gz s01.nii.gz s01_t2.nii.gz " ] || die "mixed: $(ls mixed)"
expect 0 "${synthesize[@]}" mixed --out mixed --suffix _t2
[ "$(ls mixed | wc -l)" -eq 4 ] || die "mixed: $(ls mixed)"
cmp mixed/s00.nii.gz $scan || die "an input was changed"
expect 2 "${synthesize[@]}" mixed --out mixed --suffix /t2
expect 2 "${synthesize[@]}" $scan --out x.nii --suffix _t2
holds "--suffix" stderr

claim "the header of a result keeps the geometry and says nothing of the source's values"
cp plain.nii rich.nii
patch 124 '\0\0\172\104' rich.nii  # cal_max 1000
patch 68 '\351\003' rich.nii       # intent_code 1001
patch 148 'scanner 7, Doe' rich.nii # descrip
patch 228 'secret.txt' rich.nii    # aux_file
expect 0 "${synthesize[@]}" rich.nii --out of_rich.nii
[ "$(number 124 f4 of_rich.nii)" = 0 ] && [ "$(number 128 f4 of_rich.nii)" = 0 ] || die "a display range"
[ "$(number 68 d2 of_rich.nii)" = 0 ] || die "an intent"
head -c 348 of_rich.nii | grep -qa "synthetic MR, not for diagnosis" || die "the description is another"
! head -c 348 of_rich.nii | grep -qaE "scanner|secret|Doe" || die "something of the source is left"
[ "$(number 254 d2 of_rich.nii)" = "$(number 254 d2 rich.nii)" ] || die "another sform code"
[ "$(od -An -j 280 -N 48 -t f4 of_rich.nii)" = "$(od -An -j 280 -N 48 -t f4 rich.nii)" ] || die "another sform"

claim "a file without orientation is a warning, and a failure with --strict"
cp plain.nii lost.nii
patch 252 '\0\0\0\0' lost.nii
expect 0 "${synthesize[@]}" lost.nii --out of_lost.nii
holds "slmt: warning: lost.nii: the header gives no orientation" stderr
holds '"lost.nii: the header gives no orientation' of_lost.json
expect 6 "${synthesize[@]}" lost.nii --out strict.nii --strict
[ ! -e strict.nii ] || die "a result was written all the same"
expect 0 "${synthesize[@]}" plain.nii --out of_plain.nii
lacks "warning" stderr
holds '"warnings":	[]' of_plain.json

claim "what a file is its bytes decide"
for name in "S1.NII.GZ" "s3.nii (1).gz" "no ending" "-o.nii.gz" "ünïcode 名前.nii.gz" 'a[7].nii.gz' 'b.nii.gz[1]'; do
    cp $scan "./$name"
    expect 0 "${synthesize[@]}" "./$name" --out same.nii
    cmp same.nii of_plain.nii || die "'$name' gives another result"
done
echo "<html>404</html>" >page.nii.gz
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n' >pointer.nii.gz
: >empty.nii.gz
ln -s nowhere.nii.gz link.nii.gz
cp set.h5 set.nii
for pair in "page:an HTML page" "pointer:git lfs pull" "empty:it is empty" "link:is a link to nowhere.nii.gz"; do
    expect 3 "${synthesize[@]}" "${pair%%:*}.nii.gz" --out x.nii
    holds "${pair#*:}" stderr
done
expect 3 "${synthesize[@]}" set.nii --out x.nii
holds "a training set of libslmt" stderr
expect 3 "${synthesize[@]}" page.nii.gz pointer.nii.gz --out x
[ "$(grep -c '^slmt: ' stderr)" -eq 2 ] || die "not one line for each cause: $(cat stderr)"

claim "a name that is not UTF-8 is read, and its sidecar is JSON all the same"
cp $scan "./$(printf 'a\377b').nii.gz"
expect 0 "${synthesize[@]}" "$(printf 'a\377b').nii.gz" --out same.nii
holds '"file":	"a?b.nii.gz"' same.json

claim "one volume of a file of several is named by its number"
bytes=$(($(stat -c %s plain.nii) - 352))
head -c 352 plain.nii >four.nii
tail -c $bytes plain.nii >>four.nii
gunzip -c raw/t1/s01.nii.gz | tail -c $bytes >>four.nii
patch 40 '\004\000' four.nii
patch 48 '\002\000' four.nii
expect 3 "${synthesize[@]}" four.nii --out x.nii
holds "holds 2 volumes: add [0] to [1] to its name" stderr
expect 0 "${synthesize[@]}" 'four.nii[0]' --out same.nii
cmp same.nii of_plain.nii || die "volume 0 gives another result"
holds '"file":	"four.nii"' same.json
holds '"volume":	0' same.json
expect 0 "${synthesize[@]}" raw/t1/s01.nii.gz --out of_s01.nii
expect 0 "${synthesize[@]}" 'four.nii[0]' 'four.nii[1]' --out volumes
cmp volumes/four_0.nii of_plain.nii || die "volume 0 gives another result"
cmp volumes/four_1.nii of_s01.nii || die "volume 1 gives another result"
expect 3 "${synthesize[@]}" 'four.nii[2]' --out x.nii
holds "[2]: there is no such volume" stderr
cp four.nii in.nii
expect 2 "${synthesize[@]}" 'in.nii[1]' --out in.nii
cmp in.nii four.nii || die "an input was replaced"

claim "a name may be as long as the system takes"
long=$(printf 'y%.0s' {1..248})
cp $scan "$long.nii.gz"
expect 0 "${synthesize[@]}" "$long.nii.gz" --out long
[ -s "long/$long.nii.gz" ] || die "no result"
cp plain.nii "${long}yyy.nii"
expect 0 "${synthesize[@]}" "$scan" --out "long/${long}yyy.nii" --sidecar on
holds "no sidecar is written" stderr
[ -s "long/${long}yyy.nii" ] || die "no result"
expect 3 "${synthesize[@]}" "$scan" --out "long/${long}yyyy.nii" --sidecar off
holds "File name too long" stderr

echo "all true"
