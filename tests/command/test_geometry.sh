#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Voxel sizes, positions and backgrounds of scans, through the slmt command: test_geometry.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
data=$(cd "$(dirname "$0")/../data" && pwd)
. "$(dirname "$0")/claims.sh"

sizes=(--image-size 128 --embed-dim 8 --depth 1 --num-heads 2 --decoder-dim 8 --decoder-depth 1
    --decoder-heads 2 --generator-heads 2,2,4,8)
cut=(--crop 64 --slices 2:16 --image-size 128 --quiet)
run=(--threads 1 --quiet)

mkdir -p raw/t1 raw/t2 odd
expect 0 "$make_phantom" make raw 3
expect 0 "$make_phantom" finer raw/t1/s00.nii.gz odd/finer.nii
expect 0 "$make_phantom" raise raw/t1/s00.nii.gz odd/raised.nii 40
expect 0 "$make_phantom" air raw/t1/s00.nii.gz odd/nan.nii nan
expect 0 "$make_phantom" air raw/t1/s00.nii.gz odd/bright.nii 32767

claim "a set and a model remember voxel size, field of view and position, and info shows them"
expect 0 "$slmt" prepare --contrast t1=raw/t1 --contrast t2=raw/t2 --test s02 "${cut[@]}" --out set.h5
expect 0 "$slmt" info set.h5
grep -Eq '^  voxel size +1 x 1 x 1 mm$' stdout || die "no voxel size: $(cat stdout)"
grep -Eq '^  field of view +64 x 64 x 20 mm$' stdout || die "no field of view: $(cat stdout)"
expect 0 "$slmt" finetune --data set.h5 --source t1 --target t2 "${sizes[@]}" --batch 4 --epochs 1 \
    --warmup-epochs 0 --data-rate 1 --max-steps 1 --out model.h5 "${run[@]}"
expect 0 "$slmt" info model.h5
grep -Eq '^  volumes +2$' stdout || die "the model was not trained on 2 volumes: $(cat stdout)"
grep -Eq '^  voxel size +1 x 1 x 1 mm$' stdout || die "no voxel size: $(cat stdout)"

claim "prepare refuses to mix voxel sizes, with both in millimetres, and takes them when that is meant"
mkdir -p mixed
cp raw/t1/s01.nii.gz mixed/a.nii.gz
cp odd/finer.nii mixed/b.nii
expect 1 "$slmt" prepare --contrast t1=mixed "${cut[@]}" --out mixed.h5
holds "its voxels are 0.5 x 0.5 x 1 mm, those of the subjects before it 1 x 1 x 1 mm" stderr
expect 0 "$slmt" prepare --contrast t1=mixed --any-spacing "${cut[@]}" --out mixed.h5
expect 0 "$slmt" info mixed.h5
grep -Eq '^  voxel size +0.5 to 1 x 0.5 to 1 x 1 mm$' stdout || die "no range of voxel sizes: $(cat stdout)"

claim "prepare --resample brings scans and label maps to the voxels of the first one"
mkdir -p labels
expect 0 "$make_phantom" labels labels 2
cp labels/s01.nii.gz labels/a.nii.gz
expect 0 "$make_phantom" finer labels/s00.nii.gz labels/b.nii
rm labels/s0?.nii.gz
expect 2 "$slmt" prepare --contrast t1=mixed --any-spacing --resample "${cut[@]}" --out mixed.h5
expect 0 "$slmt" prepare --contrast t1=mixed --labels tissue=labels --resample "${cut[@]}" --out mixed.h5
expect 0 "$slmt" info mixed.h5
grep -Eq '^  voxel size +1 x 1 x 1 mm$' stdout || die "the voxel size is not that of the first scan: $(cat stdout)"
grep -Eq '^  field of view +64 x 64 x 20 mm$' stdout || die "the field of view has changed: $(cat stdout)"

synthesize=(synthesize --model model.h5 "${run[@]}")
claim "synthesize refuses a scan of other voxels, with both sizes and the way out"
expect 3 "$slmt" "${synthesize[@]}" odd/finer.nii --out out.nii
holds "odd/finer.nii: its voxels are 0.5 x 0.5 x 1 mm, those of the model's training 1 x 1 x 1 mm" stderr
holds "--resample" stderr
[ ! -e out.nii ] || die "out.nii was written"
expect 2 "$slmt" "${synthesize[@]}" odd/finer.nii --out out.nii --resample --any-spacing

claim "with --resample the result lies on the scan's own voxels, in the slices of the training"
expect 0 "$slmt" "${synthesize[@]}" odd/finer.nii --out finer_out.nii --resample
lacks "lies in crop" stderr
expect 0 "$make_phantom" show finer_out.nii
read -r x y z _ _ first last <stdout
[ "$x $y $z $first $last" = "128 128 20 2 17" ] || die "$(cat stdout)"

claim "differ refuses volumes of other voxels; with --resample the map lies on their own"
expect 0 "$make_phantom" finer raw/t2/s00.nii.gz odd/finer_t2.nii
differ=(differ --model model.h5 --to t2 t1=odd/finer.nii t2=odd/finer_t2.nii --out map.nii "${run[@]}")
expect 3 "$slmt" "${differ[@]}"
holds "its voxels are 0.5 x 0.5 x 1 mm, those of the model's training 1 x 1 x 1 mm" stderr
expect 0 "$slmt" "${differ[@]}" --resample
expect 0 "$make_phantom" show map.nii
read -r x y z _ _ first last <stdout
[ "$x $y $z $first $last" = "128 128 20 2 17" ] || die "$(cat stdout)"

claim "a head above the slices is told, with the file, on stderr and in the log; with --strict it fails"
expect 0 "$slmt" "${synthesize[@]}" odd/raised.nii --out out.nii --log log.jsonl
holds "slmt: warning: odd/raised.nii: slices 2 to 17 of 60, counted from below, are all empty" stderr
holds '"event":"warning","text":"odd/raised.nii: slices 2 to 17' log.jsonl
rm out.nii
expect 6 "$slmt" "${synthesize[@]}" odd/raised.nii --out out.nii --strict
holds "slmt: odd/raised.nii: slices 2 to 17 of 60" stderr
[ ! -e out.nii ] || die "out.nii was written with --strict"

claim "one doubtful file among good ones is named, and with --strict the others are written"
mkdir -p many
cp raw/t1/s00.nii.gz raw/t1/s01.nii.gz many
cp odd/raised.nii many/s09.nii
expect 0 "$slmt" "${synthesize[@]}" many --out made
holds "many/s09.nii: slices" stderr
expect 1 "$slmt" "${synthesize[@]}" many --out strict --strict
[ -e strict/s00.nii.gz ] && [ -e strict/s01.nii.gz ] && [ ! -e strict/s09.nii ] || die "strict holds $(ls strict)"

claim "a bright background does not change the result, and is told"
expect 0 "$slmt" "${synthesize[@]}" raw/t1/s00.nii.gz --out plain.nii
expect 0 "$slmt" "${synthesize[@]}" odd/bright.nii --out bright.nii
holds "odd/bright.nii: the background is brighter than the head" stderr
cmp <(tail -c +353 plain.nii) <(tail -c +353 bright.nii) || die "the voxels differ"

claim "NaN is refused with its place and the way out; --nan zero takes it as background"
expect 3 "$slmt" "${synthesize[@]}" odd/nan.nii --out nan.nii
holds "odd/nan.nii: voxel [0,0,0] is a NaN" stderr
holds "--nan zero" stderr
expect 0 "$slmt" synthesize --model model.h5 --threads 1 odd/nan.nii --out nan.nii --nan zero
grep -Eq 'odd/nan.nii: [0-9]+ voxels were NaN and are taken as 0' stderr || die "$(cat stderr)"
cmp <(tail -c +353 plain.nii) <(tail -c +353 nan.nii) || die "the voxels differ"

claim "a set of an older version is read, and does not know its voxels"
expect 0 "$slmt" info "$data/set_1.h5"
grep -Eq '^  voxel size +not known$' stdout || die "$(cat stdout)"
