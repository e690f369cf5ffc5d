#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The warnings of the slmt command: test_warnings.sh SLMT MAKE_PHANTOM.
slmt=$1
make_phantom=$2
. "$(dirname "$0")/claims.sh"

# A VGG19 has no matrix that could be stored in 16 bits: convert warns.
expect 0 "$make_phantom" vgg19 judge.h5

claim "a warning goes to stderr, also with --quiet, and is counted; the exit code stays 0"
expect 0 "$slmt" convert judge.h5 out.h5 --weights bf16 --quiet
holds "slmt: warning: judge.h5: no tensor of vgg19 can be stored in 16 bits" stderr
holds "slmt: 1 warning" stderr
[ -s out.h5 ] || die "nothing was written"

claim "without a warning nothing is counted"
expect 0 "$slmt" convert judge.h5 plain.h5 --weights full --strict
lacks "warning" stderr

claim "with --strict a warning ends with 6, and nothing is written"
expect 6 "$slmt" convert judge.h5 strict.h5 --weights bf16 --strict
holds "slmt: warning: judge.h5" stderr
holds "--strict" stderr
[ ! -e strict.h5 ] || die "strict.h5 was written"
