#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What bench says of jobs beside busy loops, as figures: test_beside.sh BENCH.
bench=$1
. "$(dirname "$0")/../command/claims.sh"

claim "a number of busy loops is from 1 to 256"
for number in 0 -1 257 2.5 two; do
    expect 64 "$bench" --beside "1,$number"
    holds "--beside: $number is not a number from 1 to 256" stderr
done

claim "a job is measured without loops first, then beside them, and compared with one thread, which has no row of its own"
expect 0 "$bench" --preset tiny --jobs synth1 --threads 2 --matrix auto --repeats 2 --beside 2 --json rows.json
python3 - rows.json <<'EOF' || die "the rows are not as they should be"
import json, math, os, sys

rows = json.load(open(sys.argv[1]))
cores = len(os.sched_getaffinity(0))
assert [(r["threads"], r["beside"]) for r in rows] == [(2, 0), (2, 2)]
for r in rows:
    times = r["median_s"] / rows[0]["median_s"]
    ideal = max(1, (r["beside"] + 2) / cores) if r["beside"] else 1
    assert math.isclose(r["times_idle"], times, rel_tol=1e-6)
    assert math.isclose(r["times_ideal_share"], times / ideal, rel_tol=1e-6)
    assert r["times_one_thread"] > 0
EOF
