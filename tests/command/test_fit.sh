#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# slmt fit from scans to a report, on phantoms: test_fit.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

mkdir -p raw/t1 raw/t2
expect 0 "$make_phantom" make raw 5
fit=("$slmt" fit --source raw/t1 --target raw/t2 --threads 1)

# plan_of EPOCHS: a plan with a network of a few weights
plan_of() {
    cat <<PLAN
{"slmt_fit_plan": 1, "source": "t1", "target": "t2", "keep": "auto", "seconds": 0, "seed": 3,
 "preprocess": {"crop": 64, "slices": "4:8", "image-size": 128},
 "validation": ["s03"], "test": ["s04", "s02"],
 "candidates": [{"method": "slmt-net", "options": {"preset": "tiny", "embed_dim": 8, "depth": 1, "num_heads": 2,
  "decoder_dim": 8, "decoder_depth": 1, "decoder_heads": 2, "generator_heads": "2,2,4,8", "generator_depths": "1,1,1,1"},
  "stages": [{"task": "pretrain", "seconds": 0, "settings": {"epochs": 2, "batch": 8}},
             {"task": "finetune", "seconds": 0, "settings": {"epochs": $1, "batch": 4, "data_rate": 1, "warmup_epochs": 1}}]}]}
PLAN
}

claim "wrong options end with 2, before anything is written"
expect 2 "$slmt" fit --source raw/t1 --out m.h5
expect 2 "${fit[@]}" --out m.h5 --time soon
holds "expected a time such as" stderr
expect 2 "${fit[@]}" --out m.h5 --method dream
holds "no recipe for 'dream'" stderr
expect 2 "${fit[@]}" --out m.h5 --test s00 --test-fraction 0.5
expect 2 "${fit[@]}" --out m.h5 --validation s99
holds "there is no subject 's99'" stderr
expect 2 "${fit[@]}" --out m.h5 --validation s00 --test s00
expect 3 "${fit[@]}" --out missing/m.h5
cp raw/t1/s00.nii.gz scan.html
mkdir -p linked
cp -r raw/t1 raw/t2 linked
ln -sf ../../scan.html linked/t1/s00.nii.gz
expect 2 "$slmt" fit --source linked/t1 --target linked/t2 --out scan.h5 --threads 1
holds "would destroy" stderr
cmp -s scan.html raw/t1/s00.nii.gz || die "a scan was written over"
[ ! -e m.h5 ] && [ ! -e m.h5.fit ] || die "something was written"

claim "--plan-only looks, measures and writes a plan, and nothing is trained"
expect 0 "${fit[@]}" --out p.h5 --time 30s --plan-only
for text in '"slmt_fit_plan":' '"validation":' '"s04"' '"epochs":' '"task":'; do
    holds "$text" p.h5.fit/plan.json
done
[ ! -e p.h5 ] && [ ! -e p.h5.fit/set.h5 ] || die "more than a plan was written"
expect 2 "${fit[@]}" --out p.h5 --time 30s
holds "p.h5.fit/plan.json: is there already" stderr

claim "what a plan has wrong is named with its place"
plan_of 2 | sed 's/"epochs"/"epoks"/' >bad.json
expect 2 "${fit[@]}" --out m.h5 --plan bad.json
holds "bad.json: candidates[0].stages[0].settings.epoks:" stderr
plan_of 2 | sed 's/"s03"/"s33"/' >bad.json
expect 2 "${fit[@]}" --out m.h5 --plan bad.json
holds "validation: there is no subject 's33'" stderr
plan_of 2 >plan.json
expect 2 "${fit[@]}" --out m.h5 --plan plan.json --time 1h
holds "--time cannot be used with --plan" stderr

claim "a plan is carried out: model, report, set and figures are there"
expect 0 "${fit[@]}" --out m.h5 --plan plan.json --log m.jsonl
holds "slmt-net" stdout
holds "monotone-map" stdout
expect 0 "$slmt" info m.h5
expect 0 "$slmt" info m.h5.fit/set.h5
expect 0 "$slmt" evaluate --model m.h5 --data m.h5.fit/set.h5 --baselines
for text in "<h1>t2 from t1</h1>" "On 2 test subjects, slmt-net makes t2 from t1" "Worst: " "Best: " \
    "slmt-net, finetune: loss" "slmt-net: validation" "(s03)" "The plan as it was carried out" \
    "Research software. Its output is not for diagnosis." "SHA-256"; do
    holds "$text" m.html
done
lacks "http:" m.html
lacks "https:" m.html
[ "$(grep -c '"event":"validation"' m.jsonl)" -ge 2 ] || die "no validation in the log"
[ "$(grep -o 'data:image/png' m.html | wc -l)" -eq 8 ] || die "other than eight pictures"
holds "$(sha256sum m.h5 | cut -d ' ' -f 1)" m.html

claim "the model is one for the command: it makes the target of a new scan"
expect 0 "$slmt" synthesize --model m.h5 raw/t1/s00.nii.gz --out made.nii.gz --threads 1

claim "an interrupted fit goes on by the same line, and comes to the same weights"
plan_of 40 >long.json
expect 0 "${fit[@]}" --out whole.h5 --plan long.json --report whole.html
"${fit[@]}" --out cut.h5 --plan long.json >stdout 2>stderr &
process=$!
tries=0
until [ "$(grep -c ^loss cut.h5.fit/slmt-net-finetune.curves 2>/dev/null || true)" -ge 5 ] 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 1200 ] || die "no five steps within two minutes"
    sleep 0.1
done
kill -TERM $process
code=0
wait $process || code=$?
[ $code -eq 130 ] || die "exit code $code, not 130"
holds "the same command line goes on" stderr
[ ! -e cut.h5 ] || die "there is a model already"
expect 0 "${fit[@]}" --out cut.h5 --plan long.json
holds "cut.h5.fit: goes on" stderr
cmp -s cut.h5.fit/slmt-net-finetune.h5 whole.h5.fit/slmt-net-finetune.h5 || die "the last checkpoints differ"
cmp -s cut.h5.fit/slmt-net-best.h5 whole.h5.fit/slmt-net-best.h5 || die "the kept weights differ"

claim "another request does not go on with a folder's run"
expect 2 "${fit[@]}" --out cut.h5 --plan plan.json
holds "was asked for something else" stderr

claim "scans of other voxels are refused, with both sizes"
mkdir -p two/t1 two/t2
for c in t1 t2; do
    cp raw/$c/s00.nii.gz two/$c
    expect 0 "$make_phantom" finer raw/$c/s01.nii.gz two/$c/s01.nii
done
two=("$slmt" fit --source two/t1 --target two/t2 --out two.h5 --threads 1)
expect 2 "${two[@]}"
holds "two/t1/s00.nii.gz has voxels of 1 x 1 x 1 mm, two/t1/s01.nii of 0.5 x 0.5 x 1 mm: --resample brings" stderr

claim "two persons: no test, and that is told; --resample brings all scans to the voxels of the first one"
plan_of 2 | sed 's/"s03"/"s01"/; s/"s04", "s02"//' >two.json
expect 0 "${two[@]}" --plan two.json --resample
holds "no subject is kept for testing" stderr
holds "no subject is kept for testing" two.html
expect 0 "$slmt" info two.h5.fit/set.h5
grep -Eq '^  voxel size +1 x 1 x 1 mm$' stdout || die "the set's voxels are not those of the first scan: $(cat stdout)"

claim "one person is not enough; scans without a pair are told"
mkdir -p one/t1 one/t2
cp raw/t1/s00.nii.gz one/t1
cp raw/t2/s00.nii.gz one/t2
expect 2 "$slmt" fit --source one/t1 --target one/t2 --out one.h5 --threads 1
holds "two are needed" stderr
mv one/t2/s00.nii.gz one/t2/other.nii.gz
expect 2 "$slmt" fit --source one/t1 --target one/t2 --out none.h5 --threads 1

claim "extra scans train the encoder; those of a person who is held out are left alone"
mkdir -p more
cp raw/t1/s00.nii.gz more/alone.nii.gz
cp raw/t1/s03.nii.gz more/s03.nii.gz
plan_of 2 >plan.json
expect 0 "${fit[@]}" --extra t1=more --plan plan.json --out extra.h5
expect 0 "$slmt" info --all extra.h5.fit/set.h5
holds "alone-t1-extra" stdout
lacks "s03-t1-extra" stdout
echo "all claims hold"
