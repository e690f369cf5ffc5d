#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The check of the binary interface passes the library as it is, and fails changes that break callers.
# Usage: test_abi.sh LIBRARY LIBRARY_WITH_A_GROWN_STRUCT LIBRARY_WITHOUT_A_FUNCTION
set -euo pipefail
cd "$(dirname "$0")/../.."

wrong=0
# expect EXIT_STATUS WORD LIBRARY: and its output holds WORD
expect() {
    local result=0 output
    output=$(scripts/check-abi "$3" 2>&1) || result=$?
    if [ $result != "$1" ] || ! grep -q "$2" <<<"$output"; then
        echo "check-abi $3: exit status $result, expected $1 and \"$2\""
        echo "$output"
        wrong=1
    fi
}
expect 0 "abidiff 0" "$1"
expect 4 "slmt_metrics" "$2"
expect 12 "slmt_compare" "$3"
exit $wrong
