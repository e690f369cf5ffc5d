# SPDX-License-Identifier: Apache-2.0
# claims.sh - what the tests of the command share; each of them reads it first. A test says what is true, one line a
# claim; the first claim that is not true ends it. It works in a new folder, which is removed at its end.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

die() {
    echo "FAILED: $*"
    tail -n 20 stderr 2>/dev/null
    exit 1
}

# expect CODE COMMAND...: the command ends with this exit code. Its output is in files stdout, stderr.
expect() {
    local wanted=$1 code=0
    shift
    "$@" >stdout 2>stderr || code=$?
    [ "$code" -eq "$wanted" ] || die "exit code $code, not $wanted: $*"
}

# holds TEXT FILE, lacks TEXT FILE
holds() { grep -qF -- "$1" "$2" || die "'$1' is not in $2: $(cat "$2")"; }
lacks() { ! grep -qF -- "$1" "$2" || die "'$1' is in $2: $(cat "$2")"; }

claim() { echo "- $*"; }
