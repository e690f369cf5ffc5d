#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Scans as people have them, and pairs that are pairs: test_scans.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

cut=(--crop 64 --slices 2:16 --image-size 64)

# prepare CODE OPTION...: makes set.h5 anew; records lists its subjects, "NAME SPLIT CONTRASTS" a line
prepare() {
    local wanted=$1
    shift
    rm -f set.h5
    expect "$wanted" "$slmt" prepare "${cut[@]}" --out set.h5 "$@"
    cp stderr said
    [ ! -e set.h5 ] || { expect 0 "$slmt" info --all set.h5 && sed -n '/^subjects$/,$s/^  //p' stdout >records; }
}

# subjects LINE...: these are the set's records
subjects() { printf '%s\n' "$@" | cmp -s - records || die "the records are: $(cat records)"; }

# scan CONTRAST NUMBER PATH: a link to a phantom, so that each path is a file of its own it is copied
scan() {
    mkdir -p "$(dirname "$3")"
    cp "raw/$1/s0$2.nii.gz" "$3"
}

mkdir -p raw/t1 raw/t2
"$make_phantom" make raw 4 || exit 1
for i in 0 1 2; do
    n=BraTS-GLI-0000$i-000
    scan t1 $i "brats/$n/$n-t1n.nii.gz" && scan t2 $i "brats/$n/$n-t2w.nii.gz"
    scan t1 $i "nnunet/imagesTr/case_00${i}_0000.nii.gz" && scan t2 $i "nnunet/imagesTr/case_00${i}_0001.nii.gz"
    scan t1 $i "own/p$i/t1.nii.gz" && scan t2 $i "own/p$i/t2.nii.gz"
    scan t1 $i "bids/sub-0$i/anat/sub-0${i}_T1w.nii.gz" && scan t2 $i "bids/sub-0$i/anat/sub-0${i}_T2w.nii.gz"
    for s in 1 2; do
        scan t1 $i "visits/sub-0$i/ses-$s/anat/sub-0${i}_ses-${s}_T1w.nii.gz"
        scan t2 $i "visits/sub-0$i/ses-$s/anat/sub-0${i}_ses-${s}_T2w.nii.gz"
    done
done

claim "BraTS: a pattern, whose first star is the subject, and the end of the names give the same set"
prepare 0 --contrast 't1=brats/*/*-t1n.nii.gz' --contrast 't2=brats/*/*-t2w.nii.gz'
subjects "BraTS-GLI-00000-000 train t1 t2" "BraTS-GLI-00001-000 train t1 t2" "BraTS-GLI-00002-000 test t1 t2"
holds "t1 and t2: 3 subjects have both, 48 pairs of slices; for training 2, 32 pairs" said
mv set.h5 pattern.h5
prepare 0 --contrast t1=brats:t1n --contrast t2=brats:t2w
cmp set.h5 pattern.h5 || die "the sets differ"
prepare 0 --contrast 't1=**/*-t1n.nii.gz' --contrast "t2=$work/brats/BraTS-GLI-0000?-000/*-t2w.nii*"
cmp set.h5 pattern.h5 || die "the sets differ"

claim "nnU-Net: one folder serves several contrasts by the end of the names, or by a pattern"
prepare 0 --contrast t1=nnunet/imagesTr:0000 --contrast t2=nnunet/imagesTr:0001
subjects "case_000 train t1 t2" "case_001 train t1 t2" "case_002 test t1 t2"
mv set.h5 ends.h5
prepare 0 --contrast 't1=nnunet/imagesTr/*_0000.nii.gz' --contrast 't2=nnunet/imagesTr/*_0001.nii.gz'
cmp set.h5 ends.h5 || die "the sets differ"

claim "a folder for each subject, with files called as the contrasts are"
prepare 0 --contrast t1=own:t1 --contrast t2=own:t2
subjects "p0 train t1 t2" "p1 train t1 t2" "p2 test t1 t2"

claim "BIDS: suffixes go by the contrasts' names or are given; what was derived is not looked at"
scan t1 3 bids/derivatives/sub-03/anat/sub-03_T1w.nii.gz
scan t1 3 bids/sub-01/anat/sub-01_run-2_T1w.nii.gz
prepare 0 --contrast t1=bids --contrast t2=bids
subjects "sub-00 train t1 t2" "sub-01 train t1 t2" "sub-02 test t1 t2"
holds "warning: bids/sub-01/anat/sub-01_run-2_T1w.nii.gz: is not taken: bids/sub-01/anat/sub-01_T1w.nii.gz" said
mv set.h5 guessed.h5
prepare 0 --contrast t1=bids:T1w --contrast t2=bids:T2w
cmp set.h5 guessed.h5 || die "the sets differ"
prepare 3 --contrast t1=bids --contrast pd=bids
holds "say pd=bids:SUFFIX, with one of: T1w, T2w" said

claim "sessions are subjects of one person, who is on one side of the split, also when named"
prepare 0 --contrast t1=visits --contrast t2=visits --test-fraction 0.17
subjects "sub-00_ses-1 train of sub-00: t1 t2" "sub-00_ses-2 train of sub-00: t1 t2" \
    "sub-01_ses-1 train of sub-01: t1 t2" "sub-01_ses-2 train of sub-01: t1 t2" \
    "sub-02_ses-1 test of sub-02: t1 t2" "sub-02_ses-2 test of sub-02: t1 t2"
prepare 0 --contrast t1=visits --contrast t2=visits --test sub-00_ses-2 --validation sub-02
subjects "sub-00_ses-1 test of sub-00: t1 t2" "sub-00_ses-2 test of sub-00: t1 t2" \
    "sub-01_ses-1 train of sub-01: t1 t2" "sub-01_ses-2 train of sub-01: t1 t2" \
    "sub-02_ses-1 validation of sub-02: t1 t2" "sub-02_ses-2 validation of sub-02: t1 t2"
for seed in 1 2 3 4 5; do
    prepare 0 --contrast t1=visits --contrast t2=visits --seed $seed
    [ "$(awk '{ print $4, $2 }' records | sort -u | wc -l)" -eq 3 ] || die "a person is on both sides: $(cat records)"
done
prepare 0 --contrast 't1=visits/sub-*/ses-*/anat/*_T1w.nii.gz' --contrast 't2=visits/sub-*/ses-*/anat/*_T2w.nii.gz'
holds "00_1 train of 00: t1 t2" records
holds "02_2 test of 02: t1 t2" records

claim "--person says which part of a name is the person"
mkdir -p scans/t1 scans/t2
for n in L01s1 L01s2 L02s1; do scan t1 "${n:2:1}" scans/t1/$n.nii.gz && scan t2 "${n:2:1}" scans/t2/$n.nii.gz; done
prepare 0 --contrast t1=scans/t1 --contrast t2=scans/t2 --person '*s?' --test L01
subjects "L01s1 test of L01: t1 t2" "L01s2 test of L01: t1 t2" "L02s1 train of L02: t1 t2"
prepare 2 --contrast t1=scans/t1 --contrast t2=scans/t2 --person 'x*'
holds "--person: no subject's name matches 'x*'" said

claim "a table has quoted cells, blanks, ends of lines as on Windows, and says split and person"
printf '\xef\xbb\xbfsubject,"t1",t2,split,person,age\r\n"a, b",brats/BraTS-GLI-00000-000/BraTS-GLI-00000-000-t1n.nii.gz,"brats/BraTS-GLI-00000-000/BraTS-GLI-00000-000-t2w.nii.gz",train,x,50\r\n\r\nc , own/p1/t1.nii.gz ,own/p1/t2.nii.gz,validation,,61\r\nd,own/p2/t1.nii.gz,,test,"y ""z""",7\r\n' >table.csv
mkdir -p elsewhere && cd elsewhere || exit 1
expect 0 "$slmt" prepare "${cut[@]}" --out ../set.h5 --table ../table.csv
cp stderr ../said && cd .. || exit 1
expect 0 "$slmt" info --all set.h5
sed -n '/^subjects$/,$s/^  //p' stdout >records
subjects "a, b train of x: t1 t2" "c validation t1 t2" "d test of y \"z\": t1"
holds "the column 'age' is not taken: none of its cells names a file" said
tr ',' ';' <table.csv | sed 's/a; b/a, b/' >semicolons.csv
cp set.h5 commas.h5
prepare 0 --table semicolons.csv
cmp set.h5 commas.h5 || die "the sets differ"

claim "a table that is not one is refused with its line"
printf 'subject,t1\na,own/p0/t1.nii.gz,more\n' >bad.csv
prepare 3 --table bad.csv
holds "bad.csv: line 2 has 3 cells, the heading 2" said
printf 'subject,t1\na,"own/p0/t1.nii.gz\n' >bad.csv
prepare 3 --table bad.csv
holds "bad.csv: line 2: a quoted cell does not end" said
printf 'name,t1\na,own/p0/t1.nii.gz\n' >bad.csv
prepare 3 --table bad.csv
holds "has no column 'subject'" said
printf 'subject,t1,split\na,own/p0/t1.nii.gz,some\n' >bad.csv
prepare 3 --table bad.csv
holds "line 2: split is 'some', not train, validation or test" said
printf 'subject,t1,split,person\na,own/p0/t1.nii.gz,train,x\nb,own/p1/t1.nii.gz,test,x\n' >bad.csv
prepare 2 --table bad.csv
holds "a and b are of one person, x, on two sides of the split" said
printf 'subject,t1\na,nowhere.nii\n' >bad.csv
prepare 3 --table bad.csv
prepare 3 --table missing.csv
printf 'subject,t1,t2\na,gone/a.nii.gz,own/p0/t2.nii.gz\nb,gone/b.nii.gz,own/p1/t2.nii.gz\n' >gone.csv
prepare 1 --table gone.csv
holds "gone/a.nii.gz: No such file" said
holds "gone/b.nii.gz: No such file" said
subjects "a train t2" "b train t2"
prepare 2
holds "--contrast or --table is needed" said

claim "one file, one folder or links to one as two contrasts are refused, and equal voxels leave the subject out"
prepare 2 --contrast t1=raw/t1 --contrast t2=raw/t1
holds "one scan cannot be two contrasts" said
ln -s t1 raw/link
prepare 2 --contrast t1=raw/t1 --contrast t2=raw/link
holds "one scan cannot be two contrasts" said
mkdir -p raw/hard && ln raw/t1/s01.nii.gz raw/hard/other.nii.gz
prepare 2 --contrast t1=raw/t1 --contrast t2=raw/hard
prepare 2 --contrast t1=raw/t1 --labels t2=raw/hard
[ ! -e set.h5 ] || die "a set was written all the same"
mkdir -p raw/copies && cp raw/t1/s00.nii.gz raw/copies && cp raw/t2/s0[123].nii.gz raw/copies
prepare 1 --contrast t1=raw/t1 --contrast t2=raw/copies
holds "s00: left out: raw/t1/s00.nii.gz (t1) and raw/copies/s00.nii.gz (t2) have the same voxels" said
subjects "s01 train t1 t2" "s02 train t1 t2" "s03 test t1 t2"
gunzip -c raw/t1/s00.nii.gz >raw/copies/s00.nii && rm raw/copies/s00.nii.gz
printf '\0\0\0\100' | dd of=raw/copies/s00.nii bs=1 seek=112 conv=notrunc status=none # twice the values, by the header
prepare 1 --contrast t1=raw/t1 --contrast t2=raw/copies
holds "raw/copies/s00.nii (t2) are one picture, but for scale, rounding or the order of axes" said
expect 0 "$slmt" fit --source t1=raw/t1 --target t2=raw/copies --out fit.h5 --time 20s --plan-only --quiet
subjects "s01 train t1 t2" "s02 train t1 t2" "s03 test t1 t2"
prepare 0 --contrast t1=raw/hard --contrast t2=raw/t2 --unpaired
cp -r raw/hard twice && ln twice/other.nii.gz twice/again.nii.gz
prepare 0 --contrast t1=twice
holds "are one file: the subjects again and other have the same t1" said

claim "no pair at all fails, says which names nearly match and how to say it; the set serves pre-training"
mkdir -p flat/t1 flat/t2
for i in 0 1 2; do scan t1 $i flat/t1/p0${i}_t1.nii.gz && scan t2 $i flat/t2/p0${i}_t2.nii.gz; done
prepare 2 --contrast t1=flat/t1 --contrast t2=flat/t2
holds "no subject has both t1 and t2" said
holds "say t1=flat/t1:t1 and t2=flat/t2:t2" said
expect 0 "$slmt" info set.h5
grep -Eq '^ +t1 and t2 +0 +0 +0 +0$' stdout || die "info does not say that there are no pairs"
prepare 0 --contrast t1=flat/t1 --contrast t2=flat/t2 --unpaired
cp set.h5 unpaired.h5
prepare 0 --contrast t1=flat/t1:t1 --contrast t2=flat/t2:t2
mkdir -p near && cp raw/t2/s00.nii.gz near/S_00.nii.gz
prepare 2 --contrast t1=raw/hard --contrast t2=near
mkdir -p first && cp raw/t1/s00.nii.gz first
prepare 2 --contrast t1=first --contrast t2=near
holds "t1 has 's00', t2 has 'S_00', which nearly match" said

claim "one scan under two names is told, and a set without anything to train on"
mkdir -p alike/t1 alike/t2
for c in t1 t2; do cp raw/$c/s0[12].nii.gz alike/$c && cp raw/$c/s01.nii.gz alike/$c/other.nii.gz; done
prepare 0 --contrast t1=alike/t1 --contrast t2=alike/t2
holds "warning: s01: its t1 is the same picture as that of other: if it is one person under two names, say so (--person)" said
holds "2 warnings" said
prepare 0 --contrast t1=raw/t1 --contrast t2=raw/t2
lacks warning said
prepare 0 --contrast t1=raw/t1 --contrast t2=raw/t2 --test s00,s01,s02,s03
holds "warning: no subject is left to train on" said
cp raw/t2/s03.nii.gz near/s03.nii.gz
prepare 0 --contrast t1=raw/t1 --contrast t2=near
holds "warning: no training subject has two contrasts" said
prepare 0 --contrast t1=raw/t1 --contrast t2=raw/t2 --subjects 9
holds "warning: --subjects 9: there are only 3 training subjects" said
prepare 2 --contrast t1=raw/t1 --contrast t2=raw/t2 --low 99 --high 1
holds "--low 99 and --high 1 must be from 0 to 100, and the low one below the high one" said

claim "two contrasts that were exchanged in one subject of four are told"
mkdir -p crossed/t1 crossed/t2
for c in t1 t2; do cp raw/$c/s0?.nii.gz crossed/$c; done
cp raw/t1/s01.nii.gz crossed/t2 && cp raw/t2/s01.nii.gz crossed/t1
prepare 0 --contrast t1=crossed/t1 --contrast t2=crossed/t2
holds "warning: s01: its t1 looks like the t2 of the other subjects, and its t2 like their t1: are the two exchanged?" said
holds "1 warning" said
prepare 6 --contrast t1=crossed/t1 --contrast t2=crossed/t2 --strict
[ ! -e set.h5 ] || die "a set was written all the same"
rm crossed/t?/s01.nii.gz
prepare 0 --contrast t1=crossed/t1 --contrast t2=crossed/t2
lacks warning said

claim "training on pairs says how many there are, and refuses none, one contrast twice and equal images"
train=(finetune --preset tiny --image-size 128 --max-steps 1 --threads 1 --batch 1 --out model.h5)
cut=(--crop 64 --slices 2:16 --image-size 128)
prepare 0 --contrast t1=raw/t1 --contrast t2=raw/t2
expect 0 "$slmt" "${train[@]}" --data set.h5 --source t1 --target t2
holds "t1 to t2: 3 training subjects have both, 48 pairs of slices" stderr
expect 2 "$slmt" "${train[@]}" --data set.h5 --source t1 --target t1
holds "--source and --target are the same contrast, t1" stderr
expect 2 "$slmt" train slmt-net --task finetune --data set.h5 --source t2 --target t2 --out x.h5
holds "are the same contrast, t2" stderr
expect 2 "$slmt" evaluate --model model.h5 --data set.h5 --source t2 --target t2
expect 2 "$slmt" "${train[@]}" --data unpaired.h5 --source t1 --target t2
holds "no subject has both t1 and t2" stderr
prepare 0 --contrast t1=raw/t1 --contrast t2=raw/t2 --test s00,s01,s02,s03
expect 2 "$slmt" "${train[@]}" --data set.h5 --source t1 --target t2
holds "the 4 that have both are kept for testing" stderr

claim "a set of few subjects keeps its test subjects"
prepare 0 --contrast t1=raw/t1 --contrast t2=raw/t2 --subjects 2
subjects "s00 train t1 t2" "s01 train t1 t2" "s03 test t1 t2"

claim "any name that a file has is a subject's; bytes that are no UTF-8 and control characters are spelt out"
mkdir -p odd/t1 odd/t2
long=$(printf 'x%.0s' {1..240})
names=("Patient 01" "Müller" "名前" "a+b" "sub-01(2)" "$long" "it's" '100%')
for n in "${names[@]}" $'bad\xff' $'line\nend'; do scan t1 0 "odd/t1/$n.nii.gz" && scan t2 0 "odd/t2/$n.nii.gz"; done
prepare 0 --contrast t1=odd/t1 --contrast t2=odd/t2 --test-fraction 0
for n in "${names[@]}" 'bad%FF' 'line%0Aend'; do holds "$n train t1 t2" records; done

claim "one name is one subject, whether its letters are composed or have their accents behind them"
mkdir -p accents/t1 accents/t2 accents/both
composed=$'Jos\u00e9' apart=$'Jose\u0301' hangul=$'\u1112\u1161\u11ab'
scan t1 0 "accents/t1/$composed.nii.gz" && scan t2 0 "accents/t2/$apart.nii.gz"
scan t1 1 "accents/t1/$hangul.nii.gz" && scan t2 1 "accents/t2/"$'\ud55c'".nii.gz"
prepare 0 --contrast t1=accents/t1 --contrast t2=accents/t2 --test-fraction 0
subjects "$composed train t1 t2" $'\ud55c'" train t1 t2"
mv set.h5 folders.h5
prepare 0 --contrast 't1=accents/t1/*.nii.gz' --contrast 't2=accents/t2/*.nii.gz' --test-fraction 0
cmp set.h5 folders.h5 || die "the sets differ"
printf 'subject,t1,t2\n%s,accents/t1/%s.nii.gz,\n%s,,accents/t2/%s.nii.gz\n' "$apart" "$composed" "$composed" "$apart" >two.csv
prepare 0 --table two.csv --test-fraction 0
subjects "$composed train t1 t2"
scan t1 2 "accents/both/$composed.nii.gz" && scan t1 3 "accents/both/$apart.nii.gz"
prepare 1 --contrast t1=accents/both --test-fraction 0
holds "has the same subject name, with its accents stored in another way" said
subjects "$composed train t1"

claim "what looks like a scan and is not taken is named and counted; notes beside scans are not"
mkdir messy
cp raw/t1/s00.nii.gz messy && cp raw/t1/s01.nii.gz "messy/s01.nii (1).gz" && touch messy/s02.dcm messy/s00.json messy/._s00.nii.gz
prepare 0 --contrast t1=messy
subjects "s00 train t1"
holds "messy/s01.nii (1).gz: is not taken" said
holds "messy/s02.dcm: is not taken" said
holds "2 files" said
lacks "s00.json" said
lacks "._s00" said
prepare 6 --contrast t1=messy --strict
[ ! -e set.h5 ] || die "a set was written all the same"

claim "a folder whose scans come in groups of contrasts is told of"
prepare 0 --contrast t1=brats
holds "but for the end (t1n, t2w), and all are taken as t1; if they are of several contrasts, say t1=brats:END" said
prepare 0 --contrast t1=nnunet/imagesTr
holds "but for the end (0000, 0001)" said
prepare 0 --contrast t1=raw/t1
lacks "but for the end" said

claim "one cause is said once"
cut=(--crop 64 --image-size 64)
prepare 3 --contrast t1=raw/t1 --contrast t2=raw/t2
[ "$(grep -c 'too few slices' said)" -le 2 ] || die "said too often: $(cat said)"
holds "3 more: s01, s02, s03" said
holds "slices 50:60 (--slices FIRST:COUNT)" said
echo "all true"
