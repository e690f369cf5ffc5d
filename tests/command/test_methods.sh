#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The slmt command knows the methods that its library was built with, and no others: test_methods.sh SLMT METHOD...
set -u
slmt=$1
shift
wrong=0

named=$("$slmt" methods | cut -d' ' -f1 | sort)
if [ "$named" != "$(printf '%s\n' "$@" | sort)" ]; then
    echo "FAILED: slmt methods names $named, and the library was built with $*"
    wrong=1
fi
for method in "$@"; do
    if ! "$slmt" methods "$method" | grep -q '(training)\|: '; then
        echo "FAILED: slmt methods $method describes nothing"
        wrong=1
    fi
done
for method in slmt-net seq2seq unet vgg19; do
    case " $* " in
        *" $method "*) continue ;;
    esac
    if "$slmt" methods "$method" 2>/dev/null; then
        echo "FAILED: slmt methods $method succeeds, and the library has no $method"
        wrong=1
    fi
done
exit $wrong
